"""Data nodes of storage types of other packages: whatever these raise is told as a `JobError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import attrs

from runner.config.plugins import Plugin, opened_by
from runner.data.storage import Mark, Opening, Staged, Storage
from runner.errors import JobError, SetupError

_METHODS: Final = ("exists", "mark", "read", "stage", "delete")


@attrs.frozen
class ForeignStaged:
    """What another package has staged."""

    owner: ForeignStorage
    staged: Staged
    sure: bool
    mark: Mark | None

    def commit(self) -> None:
        with self.owner.told("commit", "RUN605"):
            self.staged.commit()

    def discard(self) -> None:
        with suppress(Exception):
            self.staged.discard()


@attrs.frozen
class ForeignStorage:
    """A data node that another package reads and writes."""

    node: str
    type: str
    storage: Any

    def exists(self) -> bool:
        with self.told("exists", "RUN604"):
            return bool(self.storage.exists())

    def mark(self, known: Mark | None = None) -> Mark | None:
        with self.told("mark", "RUN604"):
            mark: Mark | None = self.storage.mark(known)
            return mark

    def read(self) -> Any:
        with self.told("read", "RUN604"):
            return self.storage.read()

    def stage(self, value: Any) -> Staged:
        with self.told("stage", "RUN605"):
            staged = self.storage.stage(value)
            return ForeignStaged(self, staged, staged.sure, staged.mark)  # type: ignore[return-value]  # here it is not the class that knows whether it is sure

    def delete(self) -> None:
        with self.told("delete", "RUN605"):
            self.storage.delete()

    @contextmanager
    def told(self, method: str, code: str) -> Iterator[None]:
        """Tell what a method raises that is no `JobError`."""
        try:
            yield
        except JobError:
            raise
        except Exception as error:
            raised = f"{type(error).__name__}: {error}".partition("\n")[0]
            message = f"data node `{self.node}`: `{method}` of {self.type} raised {raised}"
            raise JobError(message, code=code) from error


def open_foreign(plugin: Plugin, opening: Opening) -> Storage:
    """Open a data node of a storage type of another package.

    Raises:
        SetupError: RUN402, what opens it cannot be imported, raises, or gives no storage.
    """
    try:
        storage = opened_by(plugin)(opening)
    except JobError:
        raise
    except Exception as error:
        raise _not_opened(plugin, opening.node, f"{type(error).__name__}: {error}") from error
    for name in _METHODS:
        if not callable(getattr(storage, name, None)):
            why = f"its `{type(storage).__name__}` has no `{name}`"
            raise _not_opened(plugin, opening.node, why)
    return ForeignStorage(opening.node, _whole(plugin), storage)


def _whole(plugin: Plugin) -> str:
    return f"storage type `{plugin.name}` of {plugin.package}"


def _not_opened(plugin: Plugin, node: str, why: str) -> SetupError:
    return SetupError(
        f"data node `{node}`: {_whole(plugin)} cannot be opened: {why}",
        code="RUN402",
        hint=f"`{plugin.type.open}` should give a storage, and touch nothing",
    )
