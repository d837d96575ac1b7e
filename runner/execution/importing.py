"""Import what the config names: the user's functions and classes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from runner.config.references import FunctionRef
from runner.errors import ConfigError
from runner.execution.failures import Failure, import_failure, masked
from runner.masks import Mask


class UserCodeError(ConfigError):
    """The user's code raised before any job ran.

    Attributes:
        what: what could not be done for it.
        failure: its own error.
    """

    def __init__(self, what: str, failure: Failure) -> None:
        raised = f"{failure.type}: {failure.message}" if failure.type else failure.message
        super().__init__(f"{what}: {raised}", code=failure.code)
        self.what = what
        self.failure = failure

    def masked(self, mask: Mask) -> UserCodeError:
        """The same without secrets in its texts."""
        return UserCodeError(mask.text(self.what), masked(self.failure, mask))


def not_imported(ref: FunctionRef, failure: Failure) -> UserCodeError:
    return UserCodeError(f"`{ref}` cannot be imported", failure)


@contextmanager
def importable(application_path: Path) -> Iterator[None]:
    """Put the application path at the head of `sys.path`, as long as the block lasts."""
    entry = str(application_path)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def load(ref: FunctionRef) -> Any:
    """The object that a reference names: the longest part of it that is a module is imported.

    Raises:
        UserCodeError: RUN301, a module raised or is not there; RUN302, it has no such name.
    """
    if ref.target is not None:
        return ref.target
    try:
        module, rest = _import(ref.parts)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise not_imported(ref, import_failure(error, "RUN301")) from error
    found: Any = module
    for index, part in enumerate(rest):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            owner = ".".join([module.__name__, *rest[:index]])
            failure = attrs.evolve(
                import_failure(error, "RUN302"), type="", message=f"`{owner}` has no `{part}`"
            )
            raise not_imported(ref, failure) from None
    if not callable(found):
        message = f"it is not callable: its type is {type(found).__name__}"
        raise not_imported(ref, Failure(code="RUN303", type="", message=message))
    return found


def _import(parts: tuple[str, ...]) -> tuple[ModuleType, tuple[str, ...]]:
    """The deepest module of a dotted name, and what is left of the name."""
    module = importlib.import_module(parts[0])
    for index in range(1, len(parts)):
        name = ".".join(parts[: index + 1])
        is_last = index == len(parts) - 1
        if not hasattr(module, "__path__") or (is_last and hasattr(module, parts[index])):
            return module, parts[index:]
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:  # it is there, and imports something that is not
                raise
            return module, parts[index:]
    return module, ()
