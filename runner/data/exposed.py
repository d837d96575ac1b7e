"""What a task gets of rows that a database gave: a frame, an array, dicts, or instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from runner.config.references import FunctionRef
from runner.data import tables
from runner.data.tables import Table
from runner.errors import JobError


def exposed(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    exposed_type: str | FunctionRef,
    node: str,
    load: Callable[[FunctionRef], Any],
) -> Any:
    """The rows as `exposed_type` says; `pandas` without pandas are records.

    Raises:
        JobError: RUN402, polars, or the pandas that makes arrays, is missing.
        ValueError: two columns of records have one name.
    """
    if isinstance(exposed_type, FunctionRef):
        row_class = load(exposed_type)
        return [row_class(**record) for record in _records(names, rows)]
    match exposed_type:
        case "numpy":
            return _frame(tables.import_library(node, "pandas"), names, rows).to_numpy()
        case "polars":
            polars = tables.import_library(node, "polars")
            columns = list(names)
            return polars.DataFrame(
                list(map(tuple, rows)), schema=columns, orient="row", infer_schema_length=None
            )
        case "pandas" if (pandas := _pandas(node)) is not None:
            return _frame(pandas, names, rows)
    return _records(names, rows)


def _pandas(node: str) -> Any:
    try:
        return tables.import_library(node, "pandas")
    except JobError:
        return None


def _frame(pandas: Any, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    return pandas.DataFrame.from_records(list(map(tuple, rows)), columns=list(names))


def _records(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[Any, Any]]:
    tables.refuse_same_names(names)
    return Table(tuple(names), rows).records()
