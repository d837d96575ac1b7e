"""A table as a database takes it: Python's own values, column by column, in chunks of rows."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from runner.data import tables

_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_BARE: Final = frozenset(
    {bool, bytes, dt.date, dt.datetime, dt.time, dt.timedelta, int, str, type(None), uuid.UUID}
)
"""Types of which every value is taken as it is."""
_MISSING: Final = frozenset({"NAType", "NaTType"})
"""Names of the types of what pandas has for nothing."""

_MADE_OF: Final[Mapping[Callable[[Any], Any], Any]] = {
    bytes: (bytearray, bytes, memoryview),
    decimal.Decimal: decimal.Decimal,
    dict: dict,
    float: float,
    int: int,
    list: list,
    str: str,
    tuple: tuple,
}
"""What is made of subclasses, which drivers may not know."""

Adapt = Callable[[Any], Any]


@attrs.frozen(eq=False)
class Column:
    """The cells of one column.

    Attributes:
        kinds: the types of its cells, but for None.
        cells: those from the first row up to, and without, the last one.
    """

    kinds: frozenset[type]
    cells: Callable[[int, int], Sequence[Any]]


@attrs.frozen(eq=False)
class Rows:
    """A table whose cells a database takes.

    Attributes:
        names: of the columns; None: they have none, and go by their position.
        columns: as many.
        count: of rows.
    """

    names: tuple[str, ...] | None
    columns: Sequence[Column]
    count: int

    def chunks(self, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, so many at once."""
        for first in range(0, self.count, size):
            cells = [column.cells(first, min(first + size, self.count)) for column in self.columns]
            yield list(zip(*cells, strict=True))


def rows_of(value: Any, node: str, engine: str, documents: Collection[str] = ()) -> Rows:
    """The rows of a value, all that can fail by it done.

    Args:
        value: a table, as `runner.data.tables` knows them.
        node: where it is to be written.
        engine: of the database: which types its driver takes.
        documents: columns that hold JSON: a list there is no array.

    Raises:
        TypeError, ValueError: it is no table, or a cell is nothing for a database.
        JobError: RUN402, pandas is missing.
    """
    if tables.is_polars(value):
        frame = value.to_frame() if hasattr(value, "to_frame") else value
        return _made(frame.columns, [each.to_list() for each in frame], engine, documents)
    if tables.is_array_like(value):
        return _of_frame(tables.as_frame(value, node), engine, documents)
    table = tables.tabulate(value)
    columns = list(zip(*table.rows, strict=True)) or [() for _ in table.columns]
    return _made(table.columns, columns, engine, documents)


def plain(cell: Any) -> Any:
    """A cell as Python's own value; None for whatever stands for nothing.

    Raises:
        TypeError: it is nothing for a database.
    """
    kind = type(cell)
    if kind in _BARE:
        return cell
    if kind is float or kind is decimal.Decimal:
        return None if cell != cell else cell  # noqa: PLR0124 - what is not equal to itself is no number
    if kind.__name__ in _MISSING:
        return None
    if isinstance(cell, enum.Enum):
        return plain(cell.value)
    if hasattr(cell, "to_pydatetime"):  # of pandas, which has nanoseconds
        return cell.to_pydatetime(warn=False)
    if hasattr(cell, "to_pytimedelta"):
        return cell.to_pytimedelta()
    if kind.__module__ == "numpy":
        return _plain_numpy(cell)
    if isinstance(cell, dt.date | dt.time | dt.timedelta):
        return cell
    for base, made_of in _MADE_OF.items():
        if isinstance(cell, made_of):
            return cell if kind is base else plain(base(cell))
    raise TypeError(f"a `{kind.__name__}` is nothing for a database")


def adapted(cell: Any, engine: str) -> Any:
    """A plain cell as the driver of a database takes it.

    Raises:
        TypeError, ValueError: it takes none.
    """
    adapt = _ADAPT[engine].get(type(cell))
    return cell if adapt is None else adapt(cell)


def _plain_numpy(cell: Any) -> Any:
    if cell.dtype.kind in "mM":
        return cell.astype(f"{'datetime' if cell.dtype.kind == 'M' else 'timedelta'}64[us]").item()
    return plain(cell.tolist())


def _of_frame(frame: Any, engine: str, documents: Collection[str]) -> Rows:
    columns = []
    for place, name in enumerate(frame.columns):
        series = frame.iloc[:, place]
        found = _numbers(series)
        if found is None:
            is_document = name in documents
            found = _listed(str(name), _cells(series), engine, is_document=is_document)
        columns.append(found)
    return Rows(_names(frame.columns), columns, len(frame))


def _numbers(series: Any) -> Column | None:
    """A column of numbers alone, which stay as they are until a chunk of them is needed."""
    import numpy as np

    kind = series.dtype.kind
    if not isinstance(series.dtype, np.dtype) or kind not in "biuf":
        return None
    array = series.to_numpy()
    if kind == "u" and array.max(initial=0) > _MOST:
        return None
    if kind == "f":
        return Column(frozenset({float}), lambda first, last: _without_nan(array[first:last]))
    of = bool if kind == "b" else int
    return Column(frozenset({of}), lambda first, last: array[first:last].tolist())


def _cells(series: Any) -> list[Any]:
    import numpy as np

    if isinstance(series.dtype, np.dtype) and series.dtype.kind == "M":
        cells: list[Any] = series.to_numpy().astype("datetime64[us]").tolist()
        return cells
    listed: list[Any] = series.tolist()
    return listed


def _without_nan(array: Any) -> list[Any]:
    return [None if cell != cell else cell for cell in array.tolist()]  # noqa: PLR0124 - as above


def _made(
    names: Iterable[Hashable],
    columns: Sequence[Sequence[Any]],
    engine: str,
    documents: Collection[str],
) -> Rows:
    names = list(names)
    made = [
        _listed(str(name), cells, engine, is_document=name in documents)
        for name, cells in zip(names, columns, strict=True)
    ]
    return Rows(_names(names), made, len(columns[0]) if columns else 0)


def _names(names: Iterable[Hashable]) -> tuple[str, ...] | None:
    """The names of the columns; None for numbers from 0, which stand for none.

    Raises:
        ValueError: one is there twice.
    """
    names = list(names)
    if names and names == list(range(len(names))):
        return None
    texts = tuple(map(str, names))
    for name, times in Counter(texts).items():
        if times > 1:
            raise ValueError(f"column `{name}` is there {times} times")
    return texts


def _listed(name: str, cells: Sequence[Any], engine: str, *, is_document: bool) -> Column:
    """A column of cells of any type.

    Raises:
        TypeError, ValueError: a cell is nothing for this database.
    """
    adapt = _ADAPT[engine]
    if is_document:
        adapt = {**adapt, dict: _json, list: _json, tuple: _json}
    kinds = frozenset(map(type, cells))
    if not kinds <= _BARE:
        cells = [_tried(plain, cell, name, row) for row, cell in enumerate(cells)]
        kinds = frozenset(map(type, cells))
    if not kinds.isdisjoint(adapt):
        cells = [
            _tried(adapt[type(cell)], cell, name, row) if type(cell) in adapt else cell
            for row, cell in enumerate(cells)
        ]
    return Column(kinds - {type(None)}, lambda first, last: cells[first:last])


def _tried(convert: Adapt, cell: Any, name: str, row: int) -> Any:
    try:
        return convert(cell)
    except (TypeError, ValueError) as error:
        raise type(error)(f"`result[{row}][{name!r}]`: {error}") from error


def _json(cell: Any) -> str:
    return json.dumps(cell, ensure_ascii=False)


def _sqlite_integer(cell: int) -> int:
    if not _LEAST <= cell <= _MOST:
        raise ValueError("an integer beyond 64 bits, the most that SQLite has")
    return cell


def _refuse(cell: Any) -> Any:
    raise TypeError(f"this database has nothing for a `{type(cell).__name__}`")


def _in_utc(cell: dt.datetime) -> dt.datetime:
    """What is stored without its time zone is stored in UTC."""
    return cell if cell.tzinfo is None else cell.astimezone(dt.UTC).replace(tzinfo=None)


_ADAPT: Final[Mapping[str, Mapping[type, Adapt]]] = {
    "sqlite": {
        int: _sqlite_integer,
        decimal.Decimal: str,
        dt.datetime: lambda cell: cell.isoformat(" "),
        dt.date: dt.date.isoformat,
        dt.time: dt.time.isoformat,
        dt.timedelta: _refuse,
        uuid.UUID: str,
        dict: _json,
        list: _json,
        tuple: _json,
    },
    "postgresql": {dict: _json, tuple: list},
    "mysql": {dt.datetime: _in_utc, uuid.UUID: str, dict: _json, list: _json, tuple: _json},
    "mssql": {dt.timedelta: _refuse, uuid.UUID: str, dict: _json, list: _json, tuple: _json},
}
"""By engine, what is made of values of a type that its driver does not take as they are."""
