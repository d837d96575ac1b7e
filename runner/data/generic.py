"""Data nodes of storage type `generic`: whatever two functions of the user read and write."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from types import CoroutineType
from typing import Any, ClassVar

import attrs

from runner.config.options import GenericOptions
from runner.config.references import FunctionRef
from runner.data.remote import said
from runner.data.storage import Mark, Opening
from runner.errors import JobError


@attrs.frozen
class StagedCall:
    """A call of the user's `write_fct` that is still to be made."""

    sure: ClassVar[bool] = False
    mark: ClassVar[None] = None

    node: str
    reference: FunctionRef
    function: Callable[..., Any]
    value: Any
    arguments: Sequence[Any]

    def commit(self) -> None:
        try:
            _call(self.reference, self.function, self.value, *self.arguments)
        except _NotCalledError as error:
            message = f"data node `{self.node}` cannot be written: {error}"
            raise JobError(message, code="RUN605") from error.__cause__

    def discard(self) -> None:
        """Nothing was called."""


@attrs.frozen
class Generic:
    """What `read_fct(*read_fct_args)` gives, and `write_fct(value, *write_fct_args)` keeps.

    Whether a write is seen whole or in part is the function's affair. A value is copied on both
    ways, as far as it can be: what a function keeps for itself is nobody else's.
    """

    opening: Opening
    options: GenericOptions

    def exists(self) -> bool:
        return self.options.read_fct is not None

    def mark(self, known: Mark | None = None) -> None:
        """Nobody can tell: only the functions know where the value is."""

    def read(self) -> Any:
        reference = self.options.read_fct
        if reference is None:
            raise self._lacks("read_fct", "read", "RUN604")
        function = self.opening.load(reference)
        try:
            return own(_call(reference, function, *own(self.options.read_fct_args)))
        except _NotCalledError as error:
            message = f"data node `{self.opening.node}` cannot be read: {error}"
            raise JobError(message, code="RUN604") from error.__cause__

    def stage(self, value: Any) -> StagedCall:
        reference = self.options.write_fct
        if reference is None:
            raise self._lacks("write_fct", "written", "RUN605")
        function = self.opening.load(reference)
        arguments = own(self.options.write_fct_args)
        return StagedCall(self.opening.node, reference, function, own(value), arguments)

    def delete(self) -> None:
        message = f"the value of data node `{self.opening.node}` cannot be removed"
        hint = "only its functions know where it is: remove it there"
        raise JobError(message, code="RUN605", hint=hint)

    def _lacks(self, key: str, done: str, code: str) -> JobError:
        node = self.opening.node
        message = f"data node `{node}` cannot be {done}: it has no `{key}`"
        return JobError(message, code=code, hint=f"name a function in [DATA_NODE.{node}] {key}")


def open_generic(opening: Opening) -> Generic:
    assert isinstance(opening.options, GenericOptions)
    return Generic(opening, opening.options)


def own(value: Any) -> Any:
    """A copy; the value itself where there can be none, as of a generator or a connection."""
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - the user's __deepcopy__ raises anything
        return value


class _NotCalledError(Exception):
    """The user's function gave nothing of use; its own error, if any, is the cause."""


def _call(reference: FunctionRef, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        result = function(*arguments)
    except (Exception, SystemExit) as error:
        raise _NotCalledError(f"`{reference}` raised {said(error)}") from error
    if type(result) is CoroutineType:
        result.close()
        raise _NotCalledError(f"`{reference}` is async, and nobody awaits it")
    return result
