"""Jobs one by one, in this thread: for tests, for a debugger, for a first run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from runner.execution.failures import TaskTimeoutError
from runner.execution.worker import Call, Outcome, Step, run_job


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
            timeout = self._steps[call.task].timeout
            if timeout is None:
                self._outcomes.append(self._run(call))
            else:
                with _alarm(timeout):
                    self._outcomes.append(self._run(call))

    def wait(self, timeout: float | None) -> Sequence[Outcome]:
        if not self._outcomes and timeout:
            time.sleep(timeout)  # nothing runs beside this thread, so nothing can end earlier
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def cancel(self, job: int) -> None:
        """Nothing runs while anybody could call this."""

    def close(self) -> None:
        """Nothing was started."""

    def _run(self, call: Call) -> Outcome:
        return run_job(
            call, self._steps, on_error=self._on_error, full_traceback=self._full_traceback
        )


def can_time_out() -> bool:
    """Whether a job of this thread can be interrupted: on Unix, in the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and hasattr(signal, "setitimer")


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Interrupt the block with `TaskTimeoutError` when it takes longer."""

    def ring(_number: int, _frame: FrameType | None) -> Any:
        raise TaskTimeoutError(f"took longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
