"""Which type a database has for the values of a column, and what the types of columns say."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from runner.data.cells import Column

UNTYPED: Final = frozenset({"sqlite", "mysql"})
"""Whose drivers give text for what a column is declared to be."""


def as_declared(rows: Sequence[Sequence[Any]], types: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """The rows that a driver gave, columns converted where each of their cells can be."""
    converts = [_converting(kind) for kind in types]
    if not rows or not any(converts):
        return rows
    columns = list(zip(*rows, strict=True))
    for place, convert in enumerate(converts):
        if convert is not None:
            columns[place] = _converted(columns[place], convert)
    return list(zip(*columns, strict=True))


def _converting(kind: Any) -> Callable[[Any], Any] | None:
    from sqlalchemy import JSON, Boolean, Date, DateTime, Time

    if isinstance(kind, DateTime):
        return dt.datetime.fromisoformat
    if isinstance(kind, Date):
        return dt.date.fromisoformat
    if isinstance(kind, Time):
        return dt.time.fromisoformat
    if isinstance(kind, JSON):
        return json.loads
    return {0: False, 1: True}.__getitem__ if isinstance(kind, Boolean) else None


def _converted(cells: Sequence[Any], convert: Callable[[Any], Any]) -> tuple[Any, ...]:
    try:
        return tuple([None if cell is None else convert(cell) for cell in cells])
    except (TypeError, ValueError, KeyError):
        return tuple(cells)


def type_of(name: str, column: Column, engine: str, count: int) -> Any:
    """The type of a new column.

    Raises:
        ValueError: no one type has all its values.
    """
    import sqlalchemy as sa

    kinds = column.kinds
    if not kinds:
        return _text(engine)
    if kinds == {bool}:
        return sa.Boolean()
    if kinds <= {bool, int}:
        largest = max(map(abs, filter(None, column.cells(0, count))), default=0)
        return sa.BigInteger() if largest < 2**63 else _decimal(engine)
    if kinds <= {bool, int, float}:
        return sa.Double()
    if kinds <= {bool, int, float, decimal.Decimal}:
        return _decimal(engine)
    if kinds <= {dt.date, dt.datetime} and dt.datetime in kinds:
        return _moment(column, engine, count)
    made = _TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
    if made is not None:
        return made(engine)
    if kinds <= {dict, list, tuple}:
        return sa.JSON()
    listed = " and ".join(sorted(f"`{kind.__name__}`" for kind in kinds))
    raise ValueError(f"column `{name}` holds {listed}, and no one type is for these")


def _decimal(engine: str) -> Any:
    import sqlalchemy as sa

    # Without a precision these two have no digit after the point
    digits = {"mysql": (65, 30), "mssql": (38, 10)}.get(engine, (None, None))
    return sa.Numeric(*digits)


def _moment(column: Column, engine: str, count: int) -> Any:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mssql, mysql

    if engine == "mysql":
        return mysql.DATETIME(fsp=6)
    if engine == "sqlite":
        return sa.DateTime()
    is_aware = any(getattr(cell, "tzinfo", None) for cell in column.cells(0, count))
    if engine == "mssql":
        kind: Any = mssql.DATETIMEOFFSET if is_aware else mssql.DATETIME2
        return kind()
    return sa.DateTime(timezone=is_aware)


def _text(engine: str) -> Any:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    return {"mysql": mysql.LONGTEXT, "mssql": sa.Unicode}.get(engine, sa.Text)()


def _bytes(engine: str) -> Any:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    return mysql.LONGBLOB() if engine == "mysql" else sa.LargeBinary()


def _date(_engine: str) -> Any:
    import sqlalchemy as sa

    return sa.Date()


def _time(engine: str) -> Any:
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    return mysql.TIME(fsp=6) if engine == "mysql" else sa.Time()


def _span(engine: str) -> Any:
    import sqlalchemy as sa

    return sa.Interval() if engine == "postgresql" else _time(engine)


def _identifier(engine: str) -> Any:
    import sqlalchemy as sa

    return sa.Uuid() if engine == "postgresql" else sa.String(36)


_TYPES: Final[Mapping[type, Callable[[str], Any]]] = {
    bytes: _bytes,
    dt.date: _date,
    dt.time: _time,
    dt.timedelta: _span,
    str: _text,
    uuid.UUID: _identifier,
}
