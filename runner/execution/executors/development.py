"""Jobs one by one, in this thread: for tests, for a debugger, for a first run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, Final

from runner.config.model import DataNodeConfig
from runner.errors import SetupError
from runner.execution.executor import Source, Work
from runner.execution.failures import InterruptedRunError, TaskTimeoutError
from runner.execution.steps import Steps, import_classes, steps_of, write_first_values
from runner.execution.worker import Call, Marks, Outcome, Output, Step, attempt, run_job

TOGETHER: Final = 0.0005
"""Seconds of jobs that run before anybody hears of the first of them."""


class DevelopmentExecutor:
    """Runs jobs while they are submitted, several where they are short and none fails."""

    in_background = False
    slots = 1

    def __init__(self, *, on_error: Callable[[BaseException], None] | None = None) -> None:
        self._on_error = on_error
        self._steps: dict[int, Steps] = {}
        self._full_traceback = False
        self._outcomes: list[Outcome] = []
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._is_wanted = False  # by somebody who has called `wake`

    def enter(self, work: Work) -> None:
        if not can_time_out() and any(job.task.timeout for job in work.plan.jobs):
            message = "a timeout in development mode needs Unix and the main thread"
            raise SetupError(message, code="RUN509")
        self._steps[work.number] = steps_of(work.plan, work.instance)
        self._full_traceback = work.full_traceback
        import_classes(work.plan.data_nodes.values())

    def hurry(self) -> None:
        """Nothing is waited for."""

    def write_first(self, work: Work, nodes: Sequence[DataNodeConfig]) -> None:
        write_first_values(nodes, work.instance.storages)

    def leave(self, number: int) -> None:
        self._steps.pop(number, None)

    def submit(self, source: Source) -> None:
        seconds, goes_well = 0.0, True
        self._is_wanted = False
        while goes_well and not self._is_wanted and seconds < TOGETHER:
            call = source.take()
            if call is None:
                break
            outcome = run_job(
                call,
                self._steps[call.work][call.job],
                attempt=_attempt,
                on_error=self._on_error,
                full_traceback=self._full_traceback,
            )
            self._outcomes.append(outcome)
            seconds += outcome.seconds
            goes_well = outcome.failure is None

    def wait(self, timeout: float | None) -> Sequence[Outcome]:
        if not self._outcomes:
            with suppress(Empty):
                self._wakes.get(timeout=timeout)
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def wake(self) -> None:
        self._is_wanted = True
        self._wakes.put(None)

    def give_up(self, error: BaseException) -> None:
        """There is one thread."""

    def printing(self) -> Sequence[tuple[Call, Output]]:
        return ()

    def recall(self, number: int) -> None:
        """None waits."""

    def cancel(self, call: Call) -> None:
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


def _attempt(step: Step) -> Marks:
    if step.timeout is None:
        return attempt(step)
    with _alarm(step.timeout):
        return attempt(step)


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
