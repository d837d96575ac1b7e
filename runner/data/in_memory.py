"""Data nodes of storage type `in_memory`: a value that lives as long as the run."""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import fractions
import uuid
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, ClassVar, Final

import attrs

from runner.config.options import InMemoryOptions
from runner.data.locate import culprit
from runner.data.storage import Mark, Opening, no_value, read_failed, reason
from runner.errors import JobError

_ATOMS: Final = frozenset(
    {
        bool,
        bytes,
        complex,
        dt.date,
        dt.datetime,
        dt.time,
        dt.timedelta,
        decimal.Decimal,
        float,
        fractions.Fraction,
        int,
        str,
        type(None),
        uuid.UUID,
    }
)
"""Types of which no value can be changed, so that everybody may have the same one."""


_SHARED: Final = frozenset(
    {
        ("ibis", "Table"),
        ("pyarrow", "Array"),
        ("pyarrow", "ChunkedArray"),
        ("pyarrow", "RecordBatch"),
        ("pyarrow", "Scalar"),
        ("pyarrow", "Schema"),
        ("pyarrow", "Table"),
        ("pyspark.sql", "DataFrame"),
        ("snowflake.snowpark", "DataFrame"),
    }
)
"""Packages and classes of tables that nobody can change: in Arrow's memory, or queries to be run.
A deep copy of the first would be one of all their data, and of the others there is none."""


def assign(value: Any) -> Any:
    return value


def copy_by_type(value: Any) -> Any:
    """Share what cannot be changed, else copy deeply: a pandas frame, an array as they would."""
    return value if _is_shared(type(value)) else copy.deepcopy(value)


def _has_shared_values(kind: type) -> bool:
    return any(
        each.__name__ == name and f"{each.__module__}.".startswith(f"{package}.")
        for each in kind.__mro__
        for package, name in _SHARED
    )


_is_shared: Final[Callable[[type], bool]] = lru_cache(256)(_has_shared_values)
"""Whether values of a class are shared; told by names, so that no library is imported."""


COPIES: Final[Mapping[str | None, Callable[[Any], Any]]] = {
    None: copy_by_type,
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "assign": assign,
}


# Neither class is frozen, against the custom here: attrs would take longer to make one than all
# the rest of a write takes.
@attrs.define(eq=False)
class StagedValue:
    """A copy that nobody has yet."""

    sure: ClassVar[bool] = True
    mark: ClassVar[None] = None

    memory: MutableMapping[str, Any]
    key: str
    value: Any

    def commit(self) -> None:
        self.memory[self.key] = self.value

    def discard(self) -> None:
        """Nothing was left anywhere."""


@attrs.define(eq=False)
class InMemory:
    """A value in the run's own memory; every writer and every reader has a copy of its own.

    How it is made depends on the type of the value, unless `copy_mode` says it:

    - numbers, texts, dates and the like, and tables that nobody can change (Arrow's; Spark's,
      Ibis's and Snowpark's, which are queries) are shared.
    - pandas, polars and numpy values are copied in their own way, polars ones without their data,
      which is copied by who changes it. Lists and other objects in the cells of a pandas table
      stay shared.
    - anything else is copied deeply.

    Kedro does the same, but for Arrow tables and for objects in numpy arrays, which it copies and
    shares. With copy_mode "copy", what is inside of a list, a dict or an object is shared; with
    "assign", all is: the functions then have to leave it as it is.
    """

    node: str
    key: str
    memory: MutableMapping[str, Any]
    copy: Callable[[Any], Any]

    def exists(self) -> bool:
        return self.key in self.memory

    def mark(self, known: Mark | None = None) -> None:
        """Nobody can tell: it lives no longer than the run."""

    def read(self) -> Any:
        try:
            value = self.memory[self.key]
        except KeyError:
            hint = "an in_memory data node keeps its value as long as the run"
            raise no_value(self.node, "nothing was written in this run", hint) from None
        if type(value) in _ATOMS:
            return value
        try:
            return self.copy(value)
        except Exception as error:  # the user's __deepcopy__ raises anything
            raise read_failed(self.node, "its value", reason(error)) from error

    def stage(self, value: Any) -> StagedValue:
        if type(value) in _ATOMS:
            return StagedValue(self.memory, self.key, value)
        try:
            value = self.copy(value)
        except Exception as error:  # the user's __deepcopy__ raises anything
            raise _not_copied(self.node, value, self.copy, error) from error
        return StagedValue(self.memory, self.key, value)

    def delete(self) -> None:
        with suppress(KeyError):
            del self.memory[self.key]


def open_in_memory(opening: Opening) -> InMemory:
    assert isinstance(opening.options, InMemoryOptions)
    return InMemory(opening.node, opening.key, opening.memory, COPIES[opening.options.copy_mode])


def _not_copied(
    node: str, value: Any, copy_value: Callable[[Any], Any], error: Exception
) -> JobError:
    path, part = culprit(value, copy_value)
    hint = 'with copy_mode = "assign" all tasks share the object itself'
    if isinstance(part, Iterator):
        hint = "return a list: what it gives can be taken once, and may have several readers"
    return JobError(
        f"data node `{node}` cannot be written: `{path}` is a `{type(part).__name__}`, "
        f"which cannot be copied: {reason(error)}",
        code="RUN606",
        hint=hint,
    )
