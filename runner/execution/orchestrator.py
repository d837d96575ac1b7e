"""What runs next: the only loop."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Final, NamedTuple, Protocol

from runner.config.model import TaskConfig
from runner.execution.executor import Executor
from runner.execution.failures import Failure, InterruptedRunError
from runner.execution.lifecycle import (
    ENDED,
    JobStatus,
    SubmissionStatus,
    move,
    submission_status,
)
from runner.execution.worker import Call, Outcome
from runner.plan.model import ExecutionPlan

FLUSH_EVERY: Final = 0.03
SHORT: Final = 0.001
"""The ends of jobs of under `SHORT` seconds are recorded, and so shown, together: after
`FLUSH_EVERY` seconds at the latest, unless a longer job has begun meanwhile. Any other end is
recorded at once."""


# Looking a member up in its class takes longer than the rest of a move.
_BLOCKED: Final = JobStatus.BLOCKED
_PENDING: Final = JobStatus.PENDING
_RUNNING: Final = JobStatus.RUNNING
_COMPLETED: Final = JobStatus.COMPLETED


class JobEnd(NamedTuple):
    """How a job ended.

    Attributes:
        task: the task's id.
        status: one of those that lead nowhere.
        attempts: how often it was started.
        started: seconds since 1970, UTC, of the last attempt; None if it never ran.
        seconds: how long the last attempt took; None if it never ran.
        failure: of the last attempt; of one that was abandoned, why.
    """

    task: str
    status: JobStatus
    attempts: int = 0
    started: float | None = None
    seconds: float | None = None
    failure: Failure | None = None


class Observer(Protocol):
    """Is told what happens, in the thread of the run."""

    def started(self, task: str, attempt: int) -> None:
        """A job is about to run."""

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        """An attempt failed and another one follows, so many seconds later."""

    def ended(self, job: JobEnd) -> None:
        """A job has ended, and its end is recorded."""


Record = Callable[[Sequence[JobEnd]], None]
"""Makes the ends of jobs, and what completed ones have written, survive us."""


class Orchestrator:
    """Runs the jobs of a plan in an order in which each finds its inputs."""

    def __init__(
        self,
        plan: ExecutionPlan,
        executor: Executor,
        record: Record,
        *,
        observers: Iterable[Observer] = (),
        fail_fast: bool = False,
    ) -> None:
        self._executor = executor
        self._record = record
        self._observers = tuple(observers)
        self._fail_fast = fail_fast
        self._tasks: list[TaskConfig] = [job.task for job in plan.jobs]
        self._missing = [len(job.needs) for job in plan.jobs]
        self._after: list[list[int]] = [[] for _ in plan.jobs]
        for index, job in enumerate(plan.jobs):
            for need in job.needs:
                self._after[need].append(index)
        self._status = [JobStatus.SUBMITTED] * len(self._tasks)
        self._attempts = [0] * len(self._tasks)
        self._ready: deque[int] = deque()
        self._delayed: list[tuple[float, int]] = []
        self._running = 0
        self._stopping = False
        self._stops: SimpleQueue[None] = SimpleQueue()
        self._unrecorded: list[JobEnd] = []
        self._flushed = 0.0

    @property
    def statuses(self) -> dict[str, JobStatus]:
        """By task, as of now."""
        return {task.id: status for task, status in zip(self._tasks, self._status, strict=True)}

    @property
    def status(self) -> SubmissionStatus:
        return submission_status(self._status)

    def stop(self) -> None:
        """Start no further job; those that run may finish. Safe in a signal handler."""
        self._stopping = True
        self._stops.put(None)  # the one thing that ends a wait from within a signal handler

    def run(self) -> SubmissionStatus:
        """Run all jobs to their ends; every end is recorded, whatever happens."""
        for index, missing in enumerate(self._missing):
            self._move(index, JobStatus.BLOCKED if missing else JobStatus.PENDING)
            if not missing:
                self._ready.append(index)
        try:
            self._loop()
        except InterruptedRunError:
            self._stopping = True
        finally:
            self._cancel_the_rest()
            self._flush()
        return self.status

    def _loop(self) -> None:
        while True:
            self._dispatch()
            if not self._running and (self._stopping or not self._delayed):
                return
            longest = 0.0
            for outcome in self._wait():
                self._settle(outcome)
                longest = max(longest, outcome.seconds)
            if longest > SHORT or monotonic() - self._flushed > FLUSH_EVERY:
                self._flush()

    def _dispatch(self) -> None:
        while self._delayed and self._delayed[0][0] <= monotonic():
            self._ready.append(heapq.heappop(self._delayed)[1])
        free = self._executor.slots - self._running
        if self._stopping or not self._ready or free < 1:
            return
        calls: list[Call] = []
        while self._ready and len(calls) < free:
            calls.append(self._start(self._ready.popleft()))
        self._executor.submit(calls)

    def _start(self, index: int) -> Call:
        self._status[index] = move(self._status[index], _RUNNING)
        self._running += 1
        self._attempts[index] += 1
        task = self._tasks[index].id
        for observer in self._observers:
            observer.started(task, self._attempts[index])
        return Call(index, task)

    def _wait(self) -> Sequence[Outcome]:
        """What has ended; where nothing runs, waits for a job that is to be tried again."""
        if self._running:
            return self._executor.wait(self._patience())
        with suppress(Empty):
            self._stops.get(timeout=self._patience())
        return ()

    def _patience(self) -> float | None:
        """Seconds until something must be done even if no job ends."""
        patience = FLUSH_EVERY if self._unrecorded else None
        if self._delayed and not self._stopping:
            delay = max(self._delayed[0][0] - monotonic(), 0.0)
            return delay if patience is None else min(delay, patience)
        return patience

    def _settle(self, outcome: Outcome) -> None:
        index = outcome.job
        self._running -= 1
        if outcome.failure is None:
            self._complete(index, outcome)
        elif self._attempts[index] <= self._tasks[index].retries and not self._stopping:
            self._retry(index, outcome.failure)
        else:
            self._fail(index, outcome)

    def _complete(self, index: int, outcome: Outcome) -> None:
        status, missing = self._status, self._missing
        status[index] = move(status[index], _COMPLETED)
        task, attempts = self._tasks[index].id, self._attempts[index]
        end = JobEnd(task, _COMPLETED, attempts, outcome.started, outcome.seconds)
        self._unrecorded.append(end)
        for after in self._after[index]:
            missing[after] -= 1
            if not missing[after] and status[after] is _BLOCKED:
                status[after] = move(_BLOCKED, _PENDING)
                self._ready.append(after)

    def _retry(self, index: int, failure: Failure) -> None:
        task = self._tasks[index]
        self._move(index, JobStatus.PENDING)
        delay = task.retry_delay.total_seconds() * 2 ** min(self._attempts[index] - 1, 63)
        heapq.heappush(self._delayed, (monotonic() + delay, index))
        for observer in self._observers:
            observer.retrying(task.id, self._attempts[index], failure, delay)

    def _fail(self, index: int, outcome: Outcome) -> None:
        self._end(index, JobStatus.FAILED, outcome)
        failed = self._tasks[index].id
        waiting = deque(self._after[index])
        while waiting:
            after = waiting.popleft()
            if self._status[after] is JobStatus.BLOCKED:
                self._end(after, JobStatus.ABANDONED, failure=_abandoned(failed))
                waiting.extend(self._after[after])
        if self._fail_fast:
            self._stopping = True

    def _cancel_the_rest(self) -> None:
        for index, status in enumerate(self._status):
            if status not in ENDED:
                self._end(index, JobStatus.CANCELED, failure=_canceled())

    def _end(
        self,
        index: int,
        status: JobStatus,
        outcome: Outcome | None = None,
        failure: Failure | None = None,
    ) -> None:
        self._status[index] = move(self._status[index], status)
        started, seconds = None, None
        if outcome is not None:
            started, seconds, failure = outcome.started, outcome.seconds, outcome.failure
        task, attempts = self._tasks[index].id, self._attempts[index]
        self._unrecorded.append(JobEnd(task, status, attempts, started, seconds, failure))

    def _move(self, index: int, to: JobStatus) -> None:
        self._status[index] = move(self._status[index], to)

    def _flush(self) -> None:
        """Record what has ended, then show it."""
        ended, self._unrecorded = self._unrecorded, []
        if ended:
            self._record(ended)
            for observer in self._observers:
                for end in ended:
                    observer.ended(end)
        self._flushed = monotonic()


def _abandoned(failed: str) -> Failure:
    return Failure(code="RUN608", type="", message=f"{failed} failed")


def _canceled() -> Failure:
    return Failure(code="RUN607", type="", message="the run was stopped")
