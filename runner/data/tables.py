"""What counts as a table: what tasks return for a tabular data node, and what it hands out."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import importlib
import math
import numbers
import sys
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from runner.errors import JobError

if TYPE_CHECKING:
    from types import ModuleType

_EXTRA: Final = "'toml-runner[tables]'"
_ELSEWHERE: Final = {"fastparquet": "fastparquet", "polars": "polars"}
"""What the extra does not bring, and by what it is installed."""
_TEXT: Final = (str, bytes, bytearray)
_LIBRARIES: Final = frozenset({"numpy", "pandas", "polars", "pyarrow"})
_BARE: Final = (*_TEXT, numbers.Number, dt.date, dt.time, enum.Enum)


@attrs.frozen
class Table:
    """Rows of plain values, all as long as `columns`; a column without a name has its number."""

    columns: tuple[Hashable, ...]
    rows: Sequence[Sequence[Any]]

    def records(self) -> list[dict[Any, Any]]:
        columns = self.columns
        return [dict(zip(columns, row, strict=True)) for row in self.rows]


def is_polars(value: Any) -> bool:
    return _is_a(value, "polars", "DataFrame") or _is_a(value, "polars", "Series")


def is_array_like(value: Any) -> bool:
    """Whether pandas makes a frame of it better than `tabulate` makes rows."""
    return (
        _is_a(value, "pandas", "DataFrame")
        or _is_a(value, "pandas", "Series")
        or _is_a(value, "numpy", "ndarray")
        or hasattr(value, "to_pandas")
    )


def as_frame(value: Any, node: str) -> Any:
    """A DataFrame of an array-like value.

    Raises:
        JobError: RUN402, pandas is missing.
        ValueError: an array of more than two dimensions.
    """
    if _is_a(value, "pandas", "DataFrame"):
        return value
    if hasattr(value, "to_pandas"):
        value = value.to_pandas()
    return import_library(node, "pandas").DataFrame(value)


def tabulate(value: Any, path: str = "result") -> Table:
    """The table that plain Python values stand for.

    That is a mapping of columns, or rows: mappings, objects (attrs, dataclasses, named tuples,
    anything with attributes), lists or tuples, or bare values, which make one column. Cells that
    a row lacks are None.

    Args:
        value: it.
        path: what messages call it.

    Raises:
        TypeError, ValueError: it is no table; the message says why.
    """
    if isinstance(value, Mapping):
        return _from_columns(value, path)
    if isinstance(value, _TEXT) or not isinstance(value, Iterable):
        raise TypeError(f"`{path}` is a `{type(value).__name__}`, which is no table")
    rows = list(map(_row, value))
    mappings = [row for row in rows if isinstance(row, Mapping)]
    if len(mappings) == len(rows):
        return _from_mappings(mappings)
    if mappings:
        raise ValueError("some of its rows have column names and some have none")
    return _from_sequences(rows)


def count_rows(value: Any) -> int | None:
    """How many rows a table of pandas, polars or pyarrow or an array has; None: it is none."""
    if str(type(value).__module__).partition(".")[0] not in _LIBRARIES:
        return None
    shape = getattr(value, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) and shape else None


def table_of(value: Any, node: str, path: str = "result") -> Table:
    """Rows of plain values, of whatever is a table; what pandas calls missing is None.

    Raises:
        JobError: RUN402, pandas is missing.
        TypeError, ValueError: it is no table; the message says why.
    """
    if is_polars(value):
        frame = value.to_frame() if hasattr(value, "to_frame") else value
        return Table(tuple(frame.columns), frame.rows())
    if is_array_like(value):
        return _from_frame(as_frame(value, node))
    return tabulate(value, path)


def record_of(row: Any) -> Mapping[Hashable, Any] | None:
    """What a row has under names; None: it has no names."""
    kind = type(row)
    if isinstance(row, Mapping):
        return row
    if attrs.has(kind):
        return {
            str(each.alias): getattr(row, each.name) for each in attrs.fields(kind) if each.init
        }
    if dataclasses.is_dataclass(row):
        return {each.name: getattr(row, each.name) for each in dataclasses.fields(row) if each.init}
    if hasattr(row, "_asdict"):
        named: dict[Hashable, Any] = row._asdict()
        return named
    return vars(row) if hasattr(row, "__dict__") else None


def plain(value: Any) -> Any:
    """A cell without what only numpy or pandas has: None where it is empty."""
    if is_missing(value):
        return None
    if _is_a(value, "numpy", "generic"):
        if _is_a(value, "numpy", "datetime64") or _is_a(value, "numpy", "timedelta64"):
            value = value.astype(f"{type(value).__name__}[us]")  # of finer ones it makes an int
        return plain(value.item())
    return value


def refuse_same_names(names: Iterable[Hashable]) -> None:
    """Raise ValueError where two columns have one name."""
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"column `{name}` is there {times} times")


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, and what pandas has for it."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NaT or value is pandas.NA):
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    return value is None or (isinstance(value, float) and math.isnan(value))


def import_library(node: str, name: str) -> ModuleType:
    """Import what a data node is read or written with.

    Raises:
        JobError: RUN402, it is missing; with the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        message = f"data node `{node}` needs {package.replace('_', '-')}: {error}"
        hint = f"install it: pip install {_ELSEWHERE.get(package, _EXTRA)}"
        raise JobError(message, code="RUN402", hint=hint) from error


def _is_a(value: Any, module: str, name: str) -> bool:
    """Whether it is an instance of a library's class; nobody has one who never imported it."""
    library = sys.modules.get(module)
    return isinstance(value, getattr(library, name, ()))


def _from_frame(frame: Any) -> Table:
    columns = [frame.iloc[:, place].astype(object) for place in range(frame.shape[1])]
    cells = [column.where(column.notna(), None).tolist() for column in columns]
    rows = list(zip(*cells, strict=True)) if cells else [()] * len(frame)
    return Table(tuple(frame.columns), rows)


def _from_columns(columns: Mapping[Hashable, Any], path: str) -> Table:
    cells = []
    for name, column in columns.items():
        if isinstance(column, (Mapping, *_TEXT)) or not isinstance(column, Iterable):
            raise TypeError(f"`{path}[{name!r}]` is a `{type(column).__name__}`, no column")
        cells.append(list(column))
    if len({len(column) for column in cells}) > 1:
        raise ValueError("the columns differ in length")
    return Table(tuple(columns), list(zip(*cells, strict=True)))


def _from_sequences(rows: Sequence[Sequence[Any]]) -> Table:
    width = max(map(len, rows), default=0)
    padded = [[*row, *[None] * (width - len(row))] for row in rows]
    return Table(tuple(range(width)), padded)


def _from_mappings(rows: Sequence[Mapping[Hashable, Any]]) -> Table:
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return Table(columns, [[row.get(name) for name in columns] for row in rows])


def _row(row: Any) -> Any:
    """A row as a mapping where it has column names, else as a list."""
    if isinstance(row, _BARE) or row is None:
        return [row]
    if isinstance(row, (list, tuple)) and not hasattr(row, "_asdict"):
        return row
    if _is_a(row, "numpy", "ndarray"):
        return list(row)
    record = record_of(row)
    return [row] if record is None else record
