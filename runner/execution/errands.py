"""What threads ask of the one that waits for jobs, and how they get their answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class Errands:
    """What the thread that waits is to do, in the order in which it was asked for.

    `run` is for that thread, all else for any.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        """Of a thread whose wait `wake` ends."""
        self._wake = wake
        self._due: deque[Callable[[], None]] = deque()
        self._asked: set[Future[Any]] = set()
        self._error: BaseException | None = None

    def __bool__(self) -> bool:
        """Whether there is something to do."""
        return bool(self._due)

    def add(self, errand: Callable[[], None]) -> None:
        """Have something done, soon."""
        self._due.append(errand)
        self._wake()

    def ask(self, answer: Future[_T], errand: Callable[[], None]) -> _T:
        """Have something done that leads to an answer, then or later, and wait for that.

        Raises:
            BaseException: what the answer is, or what `give_up` was told.
        """
        self._asked.add(answer)  # first, or `give_up` could miss it
        try:
            if self._error is not None:
                raise self._error
            self.add(errand)
            return answer.result()
        finally:
            self._asked.discard(answer)

    def run(self) -> None:
        """Do all that is due."""
        while self._due:
            self._due.popleft()()

    def give_up(self, error: BaseException) -> None:
        """Nobody will run anything any more: raise the first such error in all that ask."""
        self._error = self._error or error
        for answer in list(self._asked):
            if not answer.done():
                answer.set_exception(self._error)
