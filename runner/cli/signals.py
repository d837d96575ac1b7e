"""Ctrl-C and SIGTERM while a run runs, and where its answer goes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import FrameType, TracebackType
from typing import Any, Self, TextIO

from runner.core import Submission
from runner.execution.failures import InterruptedRunError


class Stopping:
    """Stops a run in order: a first signal lets running jobs finish, a second does not.

    Attributes:
        signal: the first that came; None: none has.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._submission: Submission | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._arrived)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def of(self, submission: Submission) -> Iterator[None]:
        """Signals in the block are about this submission."""
        self._submission = submission
        if self.signal is not None:  # it came while the run was prepared
            submission.stop()
        try:
            yield
        finally:
            self._submission = None

    def _arrived(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = number
            if self._submission is not None:
                self._submission.stop()
            self._say("stopping: what runs may finish; once more to end it now")
        elif self._submission is not None:
            raise InterruptedRunError
        else:
            raise KeyboardInterrupt

    def _say(self, text: str) -> None:
        # print is not safe in a signal handler that may have interrupted another print
        os.write(sys.stderr.fileno(), f"\n{text}\n".encode())


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
