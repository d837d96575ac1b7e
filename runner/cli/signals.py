"""Ctrl-C, SIGTERM and `--timeout` while runs run, and where the answer goes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from runner.errors import ExitCode
from runner.execution.failures import InterruptedRunError

if TYPE_CHECKING:  # it takes long to import
    from runner.core import Core, Submission


class Stopping:
    """Stops runs in order: a first signal lets running jobs finish, a second does not.

    When the time is over, they are ended at once.

    Attributes:
        exit_code: what the command has to end with; None: nothing came.
    """

    def __init__(self, core: Core, timeout: float | None = None) -> None:
        """Take the place of the signals' handlers as long as the block lasts.

        Args:
            core: of the runs.
            timeout: seconds after which everything is ended; None: never.
        """
        self._core = core
        self.exit_code: int | None = None
        self._submissions: Sequence[Submission] = ()
        self._here = False
        self._is_late = False
        self._before: dict[int, Any] = {}
        self._timer = None if timeout is None else threading.Timer(timeout, self._expire)
        self._timeout = timeout

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._arrived)
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # that is ours, where nothing ran yet that could be ended in another way
        return isinstance(error, KeyboardInterrupt) and self.exit_code is not None

    @contextmanager
    def of(self, submissions: Sequence[Submission], *, here: bool) -> Iterator[None]:
        """Signals in the block are about these submissions.

        Args:
            submissions: they.
            here: whether their jobs run in this thread.
        """
        self._submissions, self._here = submissions, here
        if self.exit_code is not None:  # it came while the runs were prepared
            self._stop()
        try:
            yield
        finally:
            self._submissions = ()

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        if self._is_late:
            self._is_late = False
            self._end()
        elif self.exit_code is None:
            self.exit_code = 128 + number
            self._stop()
            self._say("stopping: what runs may finish; once more to end it now")
        else:
            self._end()

    def _expire(self) -> None:
        """The time is over; the handler runs in the main thread, wherever that is."""
        self._is_late = True
        self.exit_code = ExitCode.TIMEOUT
        self._say(f"--timeout: {self._timeout:g} s are over, what runs is ended")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _stop(self) -> None:
        self._core.hurry()
        for submission in self._submissions:
            submission.stop()

    def _end(self) -> None:
        for submission in self._submissions:
            submission.cancel()
        if not self._submissions:
            raise KeyboardInterrupt
        if self._here:
            raise InterruptedRunError

    def _say(self, text: str) -> None:
        # print is not safe in a signal handler that may have interrupted another print
        os.write(sys.stderr.fileno(), f"\n{text}\n".encode())


@contextmanager
def signals_noted() -> Iterator[Sequence[int]]:
    """The signals that have come in the block, which end nothing unless it sets other handlers."""
    noted: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: noted.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def answer_stream(*, divert: bool) -> Iterator[TextIO]:
    """Where the answer goes: stdout. Whatever else is printed in the block goes to stderr.

    Args:
        divert: whether so; a debugger needs both as they are.
    """
    if not divert:
        yield sys.stdout
        return
    sys.stdout.flush()
    with os.fdopen(
        os.dup(1), "w", encoding=sys.stdout.encoding, errors="backslashreplace"
    ) as answer:
        os.dup2(2, 1)
        try:
            with redirect_stdout(sys.stderr):
                yield answer
        finally:
            answer.flush()
            os.dup2(answer.fileno(), 1)
