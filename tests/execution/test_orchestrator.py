# The fakes have the signatures of the protocols:
# ruff: noqa: ARG002

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.model import DataNodeConfig, Mode, TaskConfig
from runner.errors import IllegalTransitionError
from runner.execution.executor import Executor, Source, Work
from runner.execution.executors.development import DevelopmentExecutor
from runner.execution.failures import Failure, InterruptedRunError
from runner.execution.jobs import JobEnd, Jobs
from runner.execution.lifecycle import JobStatus, SubmissionStatus, submission_status
from runner.execution.orchestrator import Entry, Orchestrator
from runner.execution.worker import Call, Outcome, Output, Step
from runner.plan.model import ExecutionPlan, PlannedJob

BROKEN = Failure(code="RUN601", type="ValueError", message="broken")
OFTEN = 10**9


def plan_of(needs: Sequence[Sequence[int]], **task: Any) -> ExecutionPlan:
    """Jobs `t0`, `t1`, …, each needing some before it."""
    jobs = tuple(
        PlannedJob(TaskConfig(id=f"t{index}", **task), tuple(before))
        for index, before in enumerate(needs)
    )
    return ExecutionPlan(
        scenario="s", name="s", mode=Mode.DEVELOPMENT, workers=None, jobs=jobs, data_nodes={}
    )


@attrs.define
class Log:
    """Hears everything that is recorded and told, in one list."""

    events: list[tuple[str, str]] = attrs.field(factory=list)
    ends: dict[str, JobEnd] = attrs.field(factory=dict)
    delays: list[float] = attrs.field(factory=list)

    def record(self, ended: Sequence[JobEnd]) -> None:
        for end in ended:
            assert end.task not in self.ends
            self.ends[end.task] = end
            self.events.append(("recorded", end.task))

    def started(self, task: str, attempt: int) -> None:
        self.events.append(("started", task))

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        self.events.append(("retrying", task))
        self.delays.append(delay)

    def told(self, text: str) -> None:
        raise AssertionError(text)

    def ended(self, job: JobEnd) -> None:
        assert self.ends[job.task] is job
        self.events.append(("ended", job.task))

    def said(self, word: str) -> list[str]:
        return [task for event, task in self.events if event == word]

    @property
    def statuses(self) -> dict[str, str]:
        return {task: end.status.value for task, end in self.ends.items()}


@attrs.define
class Shuffled:
    """Ends running jobs in any order, or gives them back; each fails its first so many attempts."""

    plan: ExecutionPlan
    slots: int = 1
    failing: Mapping[str, int] = attrs.field(factory=dict)
    choose: random.Random = attrs.field(factory=lambda: random.Random(0))
    seconds: float = 0.0
    gives_back: bool = False
    follows: bool = False
    in_background: bool = True
    running: list[Call] = attrs.field(factory=list)
    behind: dict[int, list[Call]] = attrs.field(factory=dict)
    done: set[int] = attrs.field(factory=set)
    attempts: dict[str, int] = attrs.field(factory=dict)
    recalled: list[int] = attrs.field(factory=list)

    def enter(self, work: Work) -> None:
        raise AssertionError("these tests have no work")

    def hurry(self) -> None:
        raise AssertionError("nobody stops these tests")

    def write_first(self, work: Work, nodes: Sequence[DataNodeConfig]) -> None:
        raise AssertionError("these tests have no work")

    def leave(self, number: int) -> None:
        assert not self.running

    def submit(self, source: Source) -> None:
        while len(self.running) < self.slots:
            call = source.take()
            if call is None:
                return
            assert set(self.plan.jobs[call.job].needs) <= self.done
            assert call.job not in self.done
            self.running.append(call)
            behind = self.behind[call.job] = []
            last: Call | None = call
            while self.follows and last is not None:
                last = source.follow(last)
                behind += [last] if last else []

    def wait(self, timeout: float | None) -> Sequence[Outcome]:
        if not self.running:
            return []
        self.choose.shuffle(self.running)
        count = self.choose.randint(1, len(self.running))
        ended, self.running = self.running[:count], self.running[count:]
        return [outcome for call in ended for outcome in self._outcomes(call)]

    def wake(self) -> None:
        pass

    def recall(self, number: int) -> None:
        self.recalled.append(number)

    def give_up(self, error: BaseException) -> None:
        raise AssertionError("nothing goes wrong here")

    def printing(self) -> Sequence[tuple[Call, Output]]:
        return ()

    def cancel(self, call: Call) -> None:
        raise AssertionError("nobody cancels here")

    def close(self) -> None:
        assert not self.running

    def _outcomes(self, call: Call) -> Iterator[Outcome]:
        """Of a job and those behind it, up to the first that fails."""
        calls = [call, *self.behind.pop(call.job, ())]
        for index, each in enumerate(calls):
            if self.gives_back and self.choose.random() < 0.3:
                for rest in calls[index:]:
                    yield Outcome(rest.work, rest.job, 0.0, 0.0, returned=True)
                return
            outcome = self._outcome(each)
            yield outcome
            if outcome.failure is not None:
                return

    def _outcome(self, call: Call) -> Outcome:
        task = self.plan.jobs[call.job].task.id
        self.attempts[task] = self.attempts.get(task, 0) + 1
        if self.attempts[task] <= self.failing.get(task, 0):
            return Outcome(call.work, call.job, 1.0, self.seconds, BROKEN)
        self.done.add(call.job)
        return Outcome(call.work, call.job, 1.0, self.seconds)


def entry_of(plan: ExecutionPlan, log: Log, *, fail_fast: bool = False, number: int = 0) -> Entry:
    return Entry(number, Jobs(plan, log.record, observers=[log], fail_fast=fail_fast))


def run(plan: ExecutionPlan, executor: Executor, *, fail_fast: bool = False) -> Log:
    log = Log()
    entry = entry_of(plan, log, fail_fast=fail_fast)
    orchestrator = Orchestrator(executor)
    assert orchestrator.add(entry)
    orchestrator.run()
    executor.close()
    assert entry.jobs.status == submission_status(entry.jobs.statuses.values())
    assert log.statuses == entry.jobs.statuses
    return log


class Here(DevelopmentExecutor):
    """Runs functions without arguments, by the task's place in the plan."""

    def __init__(self, functions: Mapping[str, Callable[[], object]]) -> None:
        super().__init__()
        steps = [Step(task, function, (), ()) for task, function in functions.items()]
        self._steps = {0: steps}  # type: ignore[dict-item]  # a list is asked for items as well


def development(**functions: Callable[[], object]) -> DevelopmentExecutor:
    return Here(functions)


def nothing() -> None:
    pass


def broken() -> None:
    raise ValueError("broken")


graphs = st.integers(0, 12).flatmap(
    lambda count: st.tuples(
        *[
            st.sets(st.integers(0, index - 1), max_size=3).map(sorted) if index else st.just([])
            for index in range(count)
        ]
    )
)


def expected_statuses(plan: ExecutionPlan, hopeless: set[str]) -> dict[str, str]:
    statuses: dict[str, str] = {}
    for job in plan.jobs:
        task = job.task.id
        if any(statuses[plan.jobs[need].task.id] != "COMPLETED" for need in job.needs):
            statuses[task] = "ABANDONED"
        else:
            statuses[task] = "FAILED" if task in hopeless else "COMPLETED"
    return statuses


@given(
    needs=graphs,
    failing=st.dictionaries(st.integers(0, 11).map("t{}".format), st.integers(1, 4), max_size=5),
    retries=st.integers(0, 3),
    slots=st.integers(1, 4),
    choose=st.randoms(use_true_random=False),
    seconds=st.sampled_from([0.0, 1.0]),
    gives_back=st.booleans(),
    follows=st.booleans(),
    in_background=st.booleans(),
)
def test_every_job_ends_as_the_graph_says(
    needs: tuple[list[int], ...],
    failing: dict[str, int],
    retries: int,
    slots: int,
    choose: random.Random,
    seconds: float,
    gives_back: bool,
    follows: bool,
    in_background: bool,
) -> None:
    plan = plan_of(needs, retries=retries)
    executor = Shuffled(plan, slots, failing, choose, seconds, gives_back, follows, in_background)

    log = run(plan, executor)

    hopeless = {task for task, times in failing.items() if times > retries}
    expected = expected_statuses(plan, hopeless)
    attempts = {
        task: 0 if status == "ABANDONED" else 1 + min(failing.get(task, 0), retries)
        for task, status in expected.items()
    }
    assert log.statuses == expected
    assert log.said("recorded") == log.said("ended")
    if not gives_back:
        assert {task: log.said("started").count(task) for task in expected} == attempts
    assert {task: end.attempts for task, end in log.ends.items()} == attempts


def test_jobs_run_one_by_one_in_the_order_of_the_plan() -> None:
    ran: list[str] = []
    executor = development(
        t0=lambda: ran.append("t0"), t1=lambda: ran.append("t1"), t2=lambda: ran.append("t2")
    )

    log = run(plan_of([[], [], [0]]), executor)

    assert ran == ["t0", "t1", "t2"]
    assert log.statuses == {"t0": "COMPLETED", "t1": "COMPLETED", "t2": "COMPLETED"}


def test_nothing_to_run_is_done() -> None:
    assert run(plan_of([]), development()).statuses == {}


def test_a_failure_abandons_what_needs_it_and_nothing_else() -> None:
    plan = plan_of([[], [0], [1], []])

    log = run(plan, development(t0=broken, t1=nothing, t2=nothing, t3=nothing))

    assert log.statuses == {
        "t0": "FAILED",
        "t1": "ABANDONED",
        "t2": "ABANDONED",
        "t3": "COMPLETED",
    }
    assert log.ends["t2"] == JobEnd(
        "t2", JobStatus.ABANDONED, failure=Failure(code="RUN608", type="", message="t0 failed")
    )
    failure = log.ends["t0"].failure
    assert failure is not None
    assert (failure.code, failure.type, failure.message) == ("RUN601", "ValueError", "broken")


def test_fail_fast_starts_nothing_more() -> None:
    plan = plan_of([[], [0], []])

    log = run(plan, development(t0=broken, t1=nothing, t2=nothing), fail_fast=True)

    assert log.statuses == {"t0": "FAILED", "t1": "ABANDONED", "t2": "CANCELED"}
    assert log.ends["t2"].failure == Failure(code="RUN607", type="", message="the run was stopped")


@given(st.randoms(use_true_random=False))
def test_fail_fast_starts_and_retries_nothing_after_the_failure(choose: random.Random) -> None:
    plan = plan_of([[], [], [], []], retries=2)
    failing = {"t0": OFTEN, "t1": OFTEN}

    log = run(plan, Shuffled(plan, 2, failing, choose, seconds=1.0), fail_fast=True)

    failed = [task for task, status in log.statuses.items() if status == "FAILED"]
    after = log.events[log.events.index(("recorded", failed[0])) :]
    assert "started" not in dict(after)
    assert "retrying" not in dict(after)


def test_delays_double() -> None:
    plan = plan_of([[]], retries=4, retry_delay=timedelta(microseconds=1))

    log = run(plan, Shuffled(plan, failing={"t0": 4}))

    assert log.delays == [1e-6, 2e-6, 4e-6, 8e-6]
    assert log.statuses == {"t0": "COMPLETED"}
    assert log.ends["t0"].attempts == 5


def test_any_number_of_retries() -> None:
    plan = plan_of([[]], retries=2000)

    log = run(plan, Shuffled(plan, failing={"t0": OFTEN}))

    assert log.statuses == {"t0": "FAILED"}
    assert log.ends["t0"].attempts == 2001


def test_others_run_while_one_waits_to_be_tried_again() -> None:
    plan = plan_of([[], []], retries=1, retry_delay=timedelta(microseconds=100))

    log = run(plan, Shuffled(plan, failing={"t0": 1}))

    assert [event for event in log.events if event[0] == "started"] == [
        ("started", "t0"),
        ("started", "t1"),
        ("started", "t0"),
    ]


def test_stop_lets_the_running_job_finish() -> None:
    plan = plan_of([[], [0], []])
    log = Log()
    executor = development(t0=lambda: orchestrator.ask(entry, "stop"), t1=nothing, t2=nothing)
    entry = entry_of(plan, log)
    orchestrator = Orchestrator(executor)
    orchestrator.add(entry)
    orchestrator.run()

    assert entry.jobs.status is SubmissionStatus.CANCELED
    assert log.statuses == {"t0": "COMPLETED", "t1": "CANCELED", "t2": "CANCELED"}


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs Unix")
def test_stop_in_a_signal_handler_ends_the_wait_for_a_retry() -> None:
    plan = plan_of([[]], retries=1, retry_delay=timedelta(hours=1))
    log = Log()
    entry = entry_of(plan, log)
    orchestrator = Orchestrator(development(t0=broken))
    before = signal.signal(signal.SIGALRM, lambda *_: orchestrator.ask(entry, "stop"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        orchestrator.add(entry)
        orchestrator.run()
    finally:
        signal.signal(signal.SIGALRM, before)

    assert entry.jobs.status is SubmissionStatus.CANCELED
    assert log.statuses == {"t0": "CANCELED"}


def test_stop_before_the_run_runs_nothing() -> None:
    log = Log()
    entry = entry_of(plan_of([[], [0]]), log)
    orchestrator = Orchestrator(development())
    orchestrator.add(entry)
    orchestrator.ask(entry, "stop")

    orchestrator.run()

    assert log.statuses == {"t0": "CANCELED", "t1": "CANCELED"}


def test_an_interrupt_ends_the_running_job_too() -> None:
    def interrupted() -> None:
        raise InterruptedRunError

    log = run(plan_of([[], [0], []]), development(t0=interrupted, t1=nothing, t2=nothing))

    assert log.statuses == {"t0": "CANCELED", "t1": "CANCELED", "t2": "CANCELED"}


def test_what_ended_just_before_an_interrupt_has_completed() -> None:
    def interrupted() -> None:
        raise InterruptedRunError

    log = run(plan_of([[], [], []]), development(t0=nothing, t1=interrupted, t2=nothing))

    assert log.statuses == {"t0": "COMPLETED", "t1": "CANCELED", "t2": "CANCELED"}


def test_none_of_the_short_jobs_behind_one_that_failed_is_started() -> None:
    plan = plan_of([[], [], []])
    log = Log()
    orchestrator = Orchestrator(development(t0=nothing, t1=broken, t2=nothing))
    orchestrator.add(entry_of(plan, log, fail_fast=True))
    orchestrator.run()

    assert log.statuses == {"t0": "COMPLETED", "t1": "FAILED", "t2": "CANCELED"}


def test_what_ended_is_recorded_even_if_we_break() -> None:
    class Breaking(Log):
        def started(self, task: str, attempt: int) -> None:
            if task == "t1":
                raise LookupError("a bug of ours")

    log = Breaking()
    orchestrator = Orchestrator(development(t0=nothing, t1=nothing))
    orchestrator.add(entry_of(plan_of([[], []]), log))

    with pytest.raises(LookupError, match=r"^a bug of ours$"):
        orchestrator.run()

    assert log.statuses == {"t0": "COMPLETED", "t1": "CANCELED"}


@pytest.mark.parametrize(
    ("seconds", "is_first"),
    [pytest.param(0.01, True, id="cheap"), pytest.param(1.0, False, id="dear")],
)
def test_what_can_run_is_handed_out_before_cheap_ends_are_recorded(
    seconds: float, is_first: bool
) -> None:
    class Watched(Shuffled):
        def submit(self, source: Source) -> None:
            super().submit(source)
            log.events += [("with the executor", str(call.job)) for call in self.running]

    log = Log()
    plan = plan_of([[], [0]])
    orchestrator = Orchestrator(Watched(plan, seconds=seconds))
    orchestrator.add(entry_of(plan, log))
    orchestrator.run()

    handed_out = log.events.index(("with the executor", "1"))
    assert (handed_out < log.events.index(("recorded", "t0"))) is is_first


def test_whoever_waits_is_told_why_before_anything_is_over() -> None:
    error = LookupError("a bug of ours")
    told: list[tuple[str, object]] = []

    class Breaking(Shuffled):
        def submit(self, source: Source) -> None:
            raise error

        def give_up(self, error: BaseException) -> None:
            told.append(("executor", error))

    log = Log()
    plan = plan_of([[]])
    orchestrator = Orchestrator(Breaking(plan))
    jobs = entry_of(plan, log).jobs
    orchestrator.add(Entry(0, jobs, lambda: told.append(("run", orchestrator.error))))

    with pytest.raises(LookupError, match=r"^a bug of ours$"):
        orchestrator.run_until_closed()

    assert told == [("executor", error), ("run", error)]
    assert log.statuses == {"t0": "CANCELED"}


def test_a_run_is_over_even_if_the_executor_breaks() -> None:
    class Breaking(Shuffled):
        def leave(self, number: int) -> None:
            raise LookupError("a bug of ours")

    log = Log()
    plan = plan_of([[]])
    over: list[bool] = []
    orchestrator = Orchestrator(Breaking(plan))
    orchestrator.add(Entry(0, entry_of(plan, log).jobs, lambda: over.append(True)))

    with pytest.raises(LookupError, match=r"^a bug of ours$"):
        orchestrator.run()

    assert (log.statuses, over) == ({"t0": "COMPLETED"}, [True])


def test_jobs_cannot_be_run_again() -> None:
    log = Log()
    entry = entry_of(plan_of([[]]), log)
    orchestrator = Orchestrator(development(t0=nothing))
    orchestrator.add(entry)
    orchestrator.run()
    orchestrator.add(entry)

    with pytest.raises(
        IllegalTransitionError, match=r"^a job cannot go from COMPLETED to PENDING$"
    ):
        orchestrator.run()

    assert entry.jobs.statuses == {"t0": JobStatus.COMPLETED}
    assert log.said("recorded") == ["t0"]


def test_submissions_take_turns() -> None:
    executor = Here(dict.fromkeys(("t0", "t1", "t2"), nothing))
    executor._steps[1] = executor._steps[0]
    orchestrator = Orchestrator(executor)
    order: list[int] = []
    for number in (0, 1):
        jobs = Jobs(plan_of([[], [], []]), lambda _: None, observers=[Turn(number, order)])
        orchestrator.add(Entry(number, jobs))

    orchestrator.run()

    assert order == [0, 1, 0, 1, 0, 1]


@attrs.define
class Turn:
    number: int
    order: list[int]

    def started(self, task: str, attempt: int) -> None:
        self.order.append(self.number)

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        raise AssertionError("nothing fails")

    def told(self, text: str) -> None:
        raise AssertionError(text)

    def ended(self, job: JobEnd) -> None:
        assert job.status is JobStatus.COMPLETED


def test_a_long_chain_does_not_recurse() -> None:
    count = 20_000
    plan = plan_of([[index - 1] if index else [] for index in range(count)])

    log = run(plan, Shuffled(plan, failing={"t10000": 1}))

    assert list(log.statuses.values()) == (
        ["COMPLETED"] * 10_000 + ["FAILED"] + ["ABANDONED"] * 9_999
    )
