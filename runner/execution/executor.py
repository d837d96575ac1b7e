"""Where jobs run, as the orchestrator sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from runner.execution.worker import Call, Outcome


class Executor(Protocol):
    """Runs jobs somewhere. Used by one thread.

    Attributes:
        slots: how many jobs may run at once.
    """

    @property
    def slots(self) -> int: ...

    def submit(self, calls: Sequence[Call]) -> None:
        """Take calls, no more than there are free slots."""

    def wait(self, timeout: float | None) -> Sequence[Outcome]:
        """The outcomes since the last call; waits for one, or for so many seconds."""

    def cancel(self, job: int) -> None:
        """End a running job; its outcome is that of a failed one."""

    def close(self) -> None:
        """End everything that was started."""
