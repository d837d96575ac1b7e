"""What runs next: the only loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Final

import attrs

from runner.config.pauses import collector_seldom
from runner.execution.executor import Executor
from runner.execution.failures import InterruptedRunError
from runner.execution.jobs import Jobs
from runner.execution.worker import Call

CHEAP: Final = 0.1
"""Seconds: the ends of jobs that took less are recorded when others have been handed out, since to
lose them costs little; those of longer ones at once."""


@attrs.frozen(eq=False)
class Entry:
    """A submission that is to run.

    Attributes:
        number: of its work.
        jobs: its jobs.
        over: is called when it has ended and that is recorded.
        requests: what others ask of it: `stop`, `cancel`, `cancel TASK`.
    """

    number: int
    jobs: Jobs
    over: Callable[[], object] = lambda: None
    requests: deque[str] = attrs.field(factory=deque)


class Orchestrator:
    """Runs submissions on one executor, which they share fairly: each in turn gives a job.

    One thread at a time is in `run`; the rest is for any thread.

    Attributes:
        error: why `run_until_closed` could not go on, before anybody learns that it does not.
    """

    def __init__(self, executor: Executor) -> None:
        self.error: BaseException | None = None
        self._executor = executor
        self._lock = Lock()
        self._coming: deque[Entry] = deque()
        self._is_driven = False
        self._is_closed = False
        self._entries: dict[int, Entry] = {}
        self._turns: deque[Entry] = deque()

    def add(self, entry: Entry) -> bool:
        """Let a submission run; whether there is no thread in `run`, and one has to go there."""
        with self._lock:
            self._coming.append(entry)
            is_driven, self._is_driven = self._is_driven, True
        self._executor.wake()
        return not is_driven

    def ask(self, entry: Entry, request: str) -> None:
        """Ask something of a submission. Safe in a signal handler."""
        entry.requests.append(request)
        self._executor.wake()

    def run(self) -> None:
        """Run all that was added, and is added meanwhile, to their ends.

        Every end is recorded, whatever happens.
        """
        with collector_seldom(), self._ending():
            while self._has_any():
                self._turn()

    def run_until_closed(self) -> None:
        """The same, and go on when nothing is left, until `close` is called."""
        with self._ending(), self._giving_up():
            while not self._is_closed:
                if self._has_any():
                    with collector_seldom():
                        while self._has_any() and not self._is_closed:
                            self._turn()
                else:
                    self._turn()

    def close(self) -> None:
        """Let the thread in `run_until_closed` come back; what it runs is canceled."""
        self._is_closed = True
        self._executor.wake()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except InterruptedRunError:
            for entry in (*self._entries.values(), *self._coming):
                entry.jobs.stop()
        finally:
            with self._lock:
                self._is_driven = False
                self._entries |= {entry.number: entry for entry in self._coming}
                self._coming.clear()
            with ExitStack() as stack:  # what goes wrong with one must not keep another open
                for entry in list(self._entries.values()):
                    stack.callback(self._finish, entry)
                if self._entries:  # what has ended by now has not been canceled
                    self._settle(0.0)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.error = error
            self._executor.give_up(error)
            raise

    def take(self) -> Call | None:
        """A job of the submission whose turn it is, or of the next that has one."""
        turns = self._turns
        for _ in range(len(turns)):
            entry = turns[0]
            turns.rotate(-1)
            job = entry.jobs.take()
            if job is not None:
                return Call(entry.number, job)
        return None

    def follow(self, call: Call) -> Call | None:
        job = self._entries[call.work].jobs.follow(call.job)
        return None if job is None else Call(call.work, job)

    def ready(self) -> int:
        return sum(entry.jobs.ready for entry in self._turns)

    def _has_any(self) -> bool:
        """Whether there is a submission; from here on nobody is in `run` if not."""
        if self._entries and not self._coming:
            return True
        with self._lock:
            while self._coming:
                entry = self._coming.popleft()
                entry.jobs.begin()
                self._entries[entry.number] = entry
                self._turns.append(entry)
            self._is_driven = bool(self._entries)
            return self._is_driven

    def _turn(self) -> None:
        self._hand_out()
        longest = self._settle(self._patience())
        if self._executor.in_background and longest < CHEAP:  # to record takes a while
            self._hand_out()
        over = []
        for entry in self._turns:
            entry.jobs.flush_if_due(longest)
            if entry.jobs.is_over:
                over.append(entry)
        for entry in over:
            self._finish(entry)

    def _hand_out(self) -> None:
        for entry in self._turns:
            while entry.requests:
                self._obey(entry, entry.requests.popleft())
        self._executor.submit(self)

    def _settle(self, patience: float | None) -> float:
        """Take in what became of jobs; how long the longest of them took, in seconds."""
        longest = 0.0
        for outcome in self._executor.wait(patience):
            self._entries[outcome.work].jobs.settle(outcome)
            longest = max(longest, outcome.seconds)
        return longest

    def _obey(self, entry: Entry, request: str) -> None:
        jobs = entry.jobs
        what, _, task = request.partition(" ")
        if what == "stop":
            jobs.stop()
            self._executor.recall(entry.number)
        elif what == "cancel" and not task:
            jobs.stop()
            for job in list(jobs.with_executor()):
                self._executor.cancel(Call(entry.number, job))
        elif what == "cancel":
            found = jobs.cancel(task)
            if found is not None:
                self._executor.cancel(Call(entry.number, found))

    def _patience(self) -> float | None:
        """Seconds until something must be done even if no job ends."""
        patience = None
        for entry in self._turns:
            told = entry.jobs.patience()
            if told is not None and (patience is None or told < patience):
                patience = told
        return patience

    def _finish(self, entry: Entry) -> None:
        self._entries.pop(entry.number, None)
        if entry in self._turns:
            self._turns.remove(entry)
        with ExitStack() as stack:  # what goes wrong with one must not leave the others undone
            stack.callback(entry.over)
            stack.callback(entry.jobs.finish)
            self._executor.leave(entry.number)
