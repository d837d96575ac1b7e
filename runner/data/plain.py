"""Values as people and JSON have them: tables as rows, the rest as what it is made of."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from runner.data.tables import Table, is_array_like, is_polars, record_of

_AS_THEY_ARE: Final = frozenset({bool, int, str, type(None)})
_DEFAULT_TEXT: Final[Any] = object.__repr__
_MISSING: Final = frozenset({"NAType", "NaTType"})
"""The types of what pandas has where nothing is."""


def plain(value: Any) -> Any:
    """The value in dicts, lists, texts, numbers, booleans and None.

    A table becomes a list of records, in which what is missing is None; an array the lists that it
    stands for; a date or a time its text of ISO 8601; an object with fields a record.

    Raises:
        ValueError: JSON has nothing for a part of it; the message says which and why.
    """
    try:
        return _plain(value, "result")
    except RecursionError:
        raise ValueError("`result` is nested too deep") from None


def table_of(value: Any, limit: int | None = None) -> Table | None:
    """The first rows of a table, so many of them, None: all; None: the value is no table.

    A table is one of pandas, polars or pyarrow, an array of one or two dimensions, or a list of
    records (see `fields_of`) in whose cells there are no containers. An index of pandas is a
    column, unless it only counts.
    """
    if is_polars(value):
        frame = value.to_frame() if hasattr(value, "to_frame") else value
        return Table(tuple(frame.columns), frame[:limit].rows())
    if is_array_like(value):
        return _of_library(value, limit)
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        return _of_records(value[:limit])
    return None


def fields_of(value: Any) -> Mapping[Any, Any] | None:
    """What an object has under names; None: it says by itself what it is."""
    kind = type(value)
    has_names = isinstance(value, Mapping) or attrs.has(kind) or hasattr(kind, "_asdict")
    if has_names or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return record_of(value)
    says_nothing = kind.__repr__ is _DEFAULT_TEXT and getattr(value, "__dict__", None)
    return record_of(value) if says_nothing else None


def is_missing(cell: Any) -> bool:
    """Whether a cell of a table is one where nothing is."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or type(cell).__name__ in _MISSING


def _plain(value: Any, path: str) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if isinstance(value, float):
        return _number(float(value), path)
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if is_polars(value) or is_array_like(value):
        return _plain_array(value, path)
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        return [_part(each, path, index) for index, each in enumerate(value)]
    if kind.__module__ == "numpy" and hasattr(value, "item"):
        return _plain(value.item(), path)
    if isinstance(value, bool | int | str):  # of a class of its own, an enumeration say
        return value
    fields = fields_of(value)
    if fields is None:
        raise ValueError(f"`{path}` is a `{kind.__name__}`")
    return {_key(name, path): _part(each, path, name) for name, each in fields.items()}


def _part(value: Any, path: str, key: Any) -> Any:
    """A part of the value at a path, which is told only where it is needed: most are plain."""
    kind = type(value)
    if kind in _AS_THEY_ARE or (kind is float and math.isfinite(value)):
        return value
    return _plain(value, f"{path}[{key!r}]")


def _plain_array(value: Any, path: str) -> Any:
    is_array = hasattr(value, "tolist") and not hasattr(value, "iloc")
    if is_array and value.ndim == 0:
        return _plain(value.item(), path)
    if is_array and not value.dtype.names:
        return [_part(each, path, index) for index, each in enumerate(_listed(value))]
    table = table_of(value)
    if table is None:
        raise ValueError(f"`{path}` is a `{type(value).__name__}`")
    for name, times in Counter(table.columns).items():
        if times > 1:
            raise ValueError(f"column `{name}` of `{path}` is there {times} times")
    names = [_key(name, path) for name in table.columns]
    return [_row(names, row, f"{path}[{index}]") for index, row in enumerate(table.rows)]


def _row(names: Sequence[str], row: Sequence[Any], path: str) -> dict[str, Any]:
    return {
        name: None if is_missing(cell) else _part(cell, path, name)
        for name, cell in zip(names, row, strict=True)
    }


def _number(number: float, path: str) -> float:
    if not math.isfinite(number):
        raise ValueError(f"`{path}` is {number}")
    return number


def _key(name: Any, path: str) -> str:
    if isinstance(name, str):
        return name
    if isinstance(name, int) and not isinstance(name, bool):
        return str(name)
    raise ValueError(f"a key of `{path}` is a `{type(name).__name__}`")


def _of_library(value: Any, limit: int | None) -> Table | None:
    if hasattr(value, "to_frame"):  # a Series
        value = value.to_frame()
    if hasattr(value, "itertuples"):
        return _of_frame(value.iloc[:limit])
    if hasattr(value, "column_names"):  # pyarrow's
        part = value if limit is None else value.slice(0, limit)
        cells = [column.to_pylist() for column in part.columns]
        return Table(tuple(part.column_names), list(zip(*cells, strict=True)))
    if getattr(value, "ndim", 0) not in (1, 2):
        return None
    rows = _listed(value[:limit])
    if value.dtype.names:
        return Table(value.dtype.names, rows)
    if value.ndim == 1:
        return Table((0,), [(each,) for each in rows])
    return Table(tuple(range(value.shape[1])), rows)


def _of_frame(frame: Any) -> Table:
    columns: tuple[Hashable, ...] = tuple(frame.columns)
    rows: Iterable[Sequence[Any]] = frame.itertuples(index=False, name=None)
    index = frame.index
    if type(index).__name__ == "RangeIndex" and index.name is None:
        return Table(columns, list(rows))
    labels = list(index) if index.nlevels > 1 else [(label,) for label in index]
    names = [f"level_{level}" if name is None else name for level, name in enumerate(index.names)]
    if names == ["level_0"] and "index" not in columns:
        names = ["index"]
    whole = [(*label, *row) for label, row in zip(labels, rows, strict=True)]
    return Table((*names, *columns), whole)


def _of_records(rows: Sequence[Any]) -> Table | None:
    records = [fields_of(row) for row in rows]
    columns = tuple(dict.fromkeys(name for record in records if record for name in record))
    if not columns or None in records:
        return None
    cells = [[record.get(name) for name in columns] for record in records if record is not None]
    holds_more = any(_holds_more(cell) for row in cells for cell in row)
    return None if holds_more else Table(columns, cells)


def _holds_more(cell: Any) -> bool:
    """Whether a value is one that holds others."""
    if isinstance(cell, str | bytes):
        return False
    return isinstance(cell, Iterable) or fields_of(cell) is not None


def _listed(array: Any) -> list[Any]:
    """The lists of an array; times of day and dates are such, whatever their precision."""
    listed: list[Any] = (array.astype("M8[us]") if array.dtype.kind == "M" else array).tolist()
    return listed
