"""Jobs one by one, in this thread: for tests, for a debugger, for a first run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from runner.execution.failures import InterruptedRunError, TaskTimeoutError
from runner.execution.worker import Call, Outcome, Step, attempt, run_job


class DevelopmentExecutor:
    """Runs each job while it is submitted."""

    slots = 1

    def __init__(
        self,
        steps: Mapping[str, Step],
        *,
        on_error: Callable[[BaseException], None] | None = None,
        full_traceback: bool = False,
    ) -> None:
        self._steps = steps
        self._on_error = on_error
        self._full_traceback = full_traceback
        self._outcomes: list[Outcome] = []

    def submit(self, calls: Sequence[Call]) -> None:
        for call in calls:
            outcome = run_job(
                call,
                self._steps,
                attempt=_attempt,
                on_error=self._on_error,
                full_traceback=self._full_traceback,
            )
            self._outcomes.append(outcome)

    def wait(self, timeout: float | None) -> Sequence[Outcome]:  # noqa: ARG002 - nothing still runs
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, job: int) -> None:
        """Nothing runs while anybody could call this."""

    def close(self) -> None:
        """Nothing was started."""


def can_time_out() -> bool:
    """Whether a job of this thread can be interrupted: on Unix, in the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and hasattr(signal, "setitimer")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the run that is in the block, and be raised when that is recorded.

    Otherwise it would be taken for the failure of the one job that it hits. Nothing is changed
    where somebody handles Ctrl-C already, as the command line does.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came = []

    def arrived(_number: int, _frame: FrameType | None) -> Any:
        came.append(True)
        raise InterruptedRunError

    signal.signal(signal.SIGINT, arrived)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


def _attempt(step: Step) -> None:
    if step.timeout is None:
        attempt(step)
    else:
        with _alarm(step.timeout):
            attempt(step)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupt the block with `TaskTimeoutError` when it takes longer."""

    def ring(_number: int, _frame: FrameType | None) -> Any:
        raise TaskTimeoutError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # also when it rings in the line above
        signal.signal(signal.SIGALRM, before)
