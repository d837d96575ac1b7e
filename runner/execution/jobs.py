"""The jobs of one submission: which can run, and what the end of one means for the others."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Final, NamedTuple, Protocol

from runner.config.model import TaskConfig
from runner.execution.failures import Failure, masked
from runner.execution.lifecycle import (
    ENDED,
    JobStatus,
    SubmissionStatus,
    move,
    submission_status,
)
from runner.execution.worker import Marks, Outcome, Output
from runner.masks import NO_MASK, Mask
from runner.plan.model import ExecutionPlan
from runner.plan.staleness import Verdict

FLUSH_EVERY: Final = 0.03
SHORT: Final = 0.001
"""The ends of jobs of under `SHORT` seconds are recorded, and so shown, together: after
`FLUSH_EVERY` seconds at the latest, unless a longer job has begun meanwhile. Any other end is
recorded at once."""

CANCELED_CODE: Final = "RUN607"
"""Of the failure of a job that was ended on request."""

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
        worker: which one ran it; None: none, or this very process.
        output: what it printed, where that was kept.
        marks: of each output what was written, where anybody can tell.
        reason: why it ran, or was skipped; empty where it runs each time.
    """

    task: str
    status: JobStatus
    attempts: int = 0
    started: float | None = None
    seconds: float | None = None
    failure: Failure | None = None
    worker: int | None = None
    output: Output | None = None
    marks: Marks = ()
    reason: str = ""


class Observer(Protocol):
    """Is told what happens, in the thread of the run."""

    def started(self, task: str, attempt: int) -> None:
        """A job is about to run."""

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        """An attempt failed and another one follows, so many seconds later."""

    def ended(self, job: JobEnd) -> None:
        """A job has ended, and its end is recorded."""

    def told(self, text: str) -> None:
        """What whoever waits for the run wants to know of the place where it runs."""


class Judge(Protocol):
    """Says of the jobs of a plan whether they have to run."""

    def verdict(self, job: int) -> Verdict:
        """Of a job for which all that it reads is there."""

    def wrote(self, job: int, marks: Marks) -> None:
        """A job has completed, and what it has written is there."""


Record = Callable[[Sequence[JobEnd]], None]
"""Makes the ends of jobs, and what completed ones have written, survive us."""


class Jobs:
    """The jobs of a plan, in an order in which each finds its inputs. Used by one thread.

    Attributes:
        running: how many are with the executor.
    """

    def __init__(
        self,
        plan: ExecutionPlan,
        record: Record,
        *,
        observers: Iterable[Observer] = (),
        fail_fast: bool = False,
        judge: Judge | None = None,
        mask: Mask = NO_MASK,
    ) -> None:
        """Take a plan.

        Args:
            plan: whose jobs these are.
            record: is given the ends of jobs.
            observers: are told what happens.
            fail_fast: whether no job is started after one has failed.
            judge: says whether a skippable job is skipped, when it could run; None: none is.
            mask: takes secrets out of what failures say.
        """
        self._mask = mask
        self._judge = judge
        self._reasons: dict[int, str] = {}
        self._record = record
        self._observers = tuple(observers)
        self._fail_fast = fail_fast
        self._tasks: list[TaskConfig] = [job.task for job in plan.jobs]
        self._needs = [len(job.needs) for job in plan.jobs]
        self._missing = [*self._needs]
        self._after: list[list[int]] = [[] for _ in plan.jobs]
        for index, job in enumerate(plan.jobs):
            for need in job.needs:
                self._after[need].append(index)
        self._status = [JobStatus.SUBMITTED] * len(self._tasks)
        self._attempts = [0] * len(self._tasks)
        self._ready: deque[int] = deque()
        self._delayed: list[tuple[float, int]] = []
        self._following: set[int] = set()  # handed over behind the job that they need
        self._unwanted: set[int] = set()
        self._stopping = False
        self._unrecorded: list[JobEnd] = []
        self._flushed = 0.0
        self.running = 0

    @property
    def statuses(self) -> dict[str, JobStatus]:
        """By task, as of now."""
        return {task.id: status for task, status in zip(self._tasks, self._status, strict=True)}

    @property
    def status(self) -> SubmissionStatus:
        return submission_status(self._status)

    @property
    def ready(self) -> int:
        """How many can be taken, as far as nobody has looked whether they are skipped."""
        return 0 if self._stopping else len(self._ready)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done but to cancel what will not run any more."""
        if self.running:
            return False
        return self._stopping or not (self._ready or self._delayed)

    def begin(self) -> None:
        """Let the first jobs be taken."""
        for index, missing in enumerate(self._missing):
            self._move(index, JobStatus.BLOCKED if missing else JobStatus.PENDING)
            if not missing:
                self._ready.append(index)

    def finish(self) -> None:
        """Cancel what has not ended, and record it."""
        for index, status in enumerate(self._status):
            if status not in ENDED:
                self._end(index, JobStatus.CANCELED, failure=_canceled())
        self.flush()

    def take(self) -> int | None:
        """A job that can run now; it counts as running from here on."""
        while self._delayed and self._delayed[0][0] <= monotonic():
            self._ready.append(heapq.heappop(self._delayed)[1])
        while self._ready and not self._stopping:
            index = self._ready.popleft()
            if self._judge is None or not self._tasks[index].skippable or self._is_due(index):
                self._start(index)
                self.running += 1
                return index
        return None

    def follow(self, index: int) -> int | None:
        """The one job that can run as soon as this one has completed, handed over behind it."""
        heir = self._heir_of(index)
        if heir is None or heir in self._unwanted or self._status[heir] is not _BLOCKED:
            return None
        self._following.add(heir)
        self.running += 1
        return heir

    def settle(self, outcome: Outcome) -> None:
        """Take in what became of a job."""
        index = outcome.job
        self.running -= 1
        if outcome.returned:
            self._take_back(index)
            return
        if outcome.failure is None:
            self._complete(index, outcome)
            return
        outcome.failure = masked(outcome.failure, self._mask)
        self._forget_followers(index)
        if outcome.failure.code == CANCELED_CODE:
            self._cancel(index, outcome)
        elif self._attempts[index] <= self._tasks[index].retries and not self._stopping:
            self._retry(index, outcome.failure)
        else:
            self._end(index, JobStatus.FAILED, outcome)
            self._abandon(index, "failed")
            self._stopping |= self._fail_fast

    def stop(self) -> None:
        """Start no further job."""
        self._stopping = True

    def cancel(self, task: str) -> int | None:
        """Let a task's job run no more; which one it is, where the executor has to end it."""
        for index, each in enumerate(self._tasks):
            if each.id == task and self._status[index] not in ENDED:
                self._unwanted.add(index)
                if self._status[index] is _RUNNING or index in self._following:
                    return index
                self._cancel(index)
        return None

    def with_executor(self) -> Iterator[int]:
        """The jobs that run, or follow one that does."""
        for index, status in enumerate(self._status):
            if status is _RUNNING or index in self._following:
                yield index

    def patience(self) -> float | None:
        """Seconds until something must be done even if no job ends; None: for ever."""
        if not self.running and self.is_over:
            return 0.0
        patience = FLUSH_EVERY if self._unrecorded else None
        if self._delayed and not self._stopping:
            delay = max(self._delayed[0][0] - monotonic(), 0.0)
            return delay if patience is None else min(delay, patience)
        return patience

    def flush_if_due(self, longest: float) -> None:
        """Record what has ended unless it can wait.

        Args:
            longest: seconds, of the jobs that have ended since the last call.
        """
        if longest > SHORT or (self._unrecorded and monotonic() - self._flushed > FLUSH_EVERY):
            self.flush()

    def flush(self) -> None:
        """Record what has ended, then show it."""
        ended, self._unrecorded = self._unrecorded, []
        if ended:
            self._record(ended)
            for observer in self._observers:
                for end in ended:
                    observer.ended(end)
        self._flushed = monotonic()

    def _heir_of(self, index: int) -> int | None:
        """The one job that needs a job, where it needs no other, and neither time nor a look."""
        after = self._after[index]
        if len(after) != 1 or self._needs[after[0]] != 1:
            return None
        task = self._tasks[after[0]]
        return None if task.timeout or task.skippable else after[0]

    def _start(self, index: int) -> None:
        self._status[index] = move(self._status[index], _RUNNING)
        self._attempts[index] += 1
        for observer in self._observers:
            observer.started(self._tasks[index].id, self._attempts[index])

    def _is_due(self, index: int) -> bool:
        """Whether a job has to run; one that has not is skipped here."""
        assert self._judge is not None, "asked only where there is one"
        verdict = self._judge.verdict(index)
        self._reasons[index] = str(verdict)
        if verdict.skip:
            self._end(index, JobStatus.SKIPPED)
            self._release(index)
        return not verdict.skip

    def _take_back(self, index: int) -> None:
        """A job that was handed over and has not run."""
        self._following.discard(index)
        if self._status[index] is _RUNNING:
            self._move(index, _PENDING)
            self._attempts[index] -= 1
            self._ready.appendleft(index)
        if index in self._unwanted:
            self._cancel(index)

    def _forget_followers(self, index: int) -> None:
        """Of a job that did not complete: the executor drops them by the same rule."""
        heir = self._heir_of(index)
        while heir is not None and heir in self._following:
            self._following.remove(heir)
            self.running -= 1
            heir = self._heir_of(heir)

    def _complete(self, index: int, outcome: Outcome) -> None:
        self._status[index] = move(self._status[index], _COMPLETED)
        end = JobEnd(
            self._tasks[index].id,
            _COMPLETED,
            self._attempts[index],
            outcome.started,
            outcome.seconds,
            None,
            outcome.worker,
            outcome.output,
            outcome.marks,
            self._reasons.get(index, ""),
        )
        self._unrecorded.append(end)
        if self._judge is not None:
            self._judge.wrote(index, outcome.marks)
        self._release(index)

    def _release(self, index: int) -> None:
        """Let what waited for a job's outputs go on."""
        status, missing = self._status, self._missing
        for after in self._after[index]:
            missing[after] -= 1
            if not missing[after] and status[after] is _BLOCKED:
                status[after] = move(_BLOCKED, _PENDING)
                if after in self._following:
                    self._following.remove(after)
                    self._start(after)
                else:
                    self._ready.append(after)

    def _retry(self, index: int, failure: Failure) -> None:
        task = self._tasks[index]
        self._move(index, _PENDING)
        delay = task.retry_delay.total_seconds() * 2 ** min(self._attempts[index] - 1, 63)
        heapq.heappush(self._delayed, (monotonic() + delay, index))
        for observer in self._observers:
            observer.retrying(task.id, self._attempts[index], failure, delay)

    def _cancel(self, index: int, outcome: Outcome | None = None) -> None:
        if index in self._ready:
            self._ready.remove(index)
        self._delayed = [each for each in self._delayed if each[1] != index]
        heapq.heapify(self._delayed)
        self._end(index, JobStatus.CANCELED, outcome, _canceled())
        self._abandon(index, "was canceled")

    def _abandon(self, index: int, why: str) -> None:
        """Give up all that needs a job which did not complete."""
        lost = _abandoned(f"{self._tasks[index].id} {why}")
        waiting = deque(self._after[index])
        while waiting:
            after = waiting.popleft()
            if self._status[after] is _BLOCKED:
                self._end(after, JobStatus.ABANDONED, failure=lost)
                waiting.extend(self._after[after])

    def _end(
        self,
        index: int,
        status: JobStatus,
        outcome: Outcome | None = None,
        failure: Failure | None = None,
    ) -> None:
        self._status[index] = move(self._status[index], status)
        end = JobEnd(
            self._tasks[index].id,
            status,
            self._attempts[index],
            failure=failure,
            reason=self._reasons.get(index, ""),
        )
        if outcome is not None:
            end = end._replace(
                started=outcome.started,
                seconds=outcome.seconds,
                failure=outcome.failure,
                worker=outcome.worker,
                output=outcome.output,
            )
        self._unrecorded.append(end)

    def _move(self, index: int, to: JobStatus) -> None:
        self._status[index] = move(self._status[index], to)


def _abandoned(why: str) -> Failure:
    return Failure(code="RUN608", type="", message=why)


def stopped_at_work() -> Failure:
    """Of a job that was ended on request when it had begun."""
    return Failure(code=CANCELED_CODE, type="", message="it was stopped while it ran")


def _canceled() -> Failure:
    return Failure(code=CANCELED_CODE, type="", message="the run was stopped")
