from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from runner.config.model import Mode, TaskConfig
from runner.execution.failures import Failure
from runner.execution.jobs import JobEnd, Jobs
from runner.execution.lifecycle import JobStatus, SubmissionStatus
from runner.execution.worker import Outcome, Output
from runner.masks import NO_MASK, Mask
from runner.plan.model import ExecutionPlan, PlannedJob

BROKEN = Failure(code="RUN601", type="ValueError", message="broken")
ENDED = Failure(code="RUN607", type="", message="it was stopped while it ran")


def jobs_of(
    needs: Sequence[Sequence[int]], mask: Mask = NO_MASK, **task: Any
) -> tuple[Jobs, list[JobEnd]]:
    """Jobs `t0`, `t1`, … that have begun, each needing some before it, and what is recorded."""
    planned = tuple(
        PlannedJob(TaskConfig(id=f"t{index}", **task), tuple(before))
        for index, before in enumerate(needs)
    )
    plan = ExecutionPlan(
        scenario="s", name="s", mode=Mode.DEVELOPMENT, workers=None, jobs=planned, data_nodes={}
    )
    recorded: list[JobEnd] = []
    jobs = Jobs(plan, recorded.extend, mask=mask)
    jobs.begin()
    return jobs, recorded


def done(job: int) -> Outcome:
    return Outcome(0, job, 1.0, 0.5, worker=2, output=Output("w.log", 3, 9))


def failed(job: int, failure: Failure = BROKEN) -> Outcome:
    return Outcome(0, job, 1.0, 0.5, failure)


def returned(job: int) -> Outcome:
    return Outcome(0, job, 0.0, 0.0, returned=True)


def statuses(jobs: Jobs) -> list[str]:
    return [status.value for status in jobs.statuses.values()]


def test_what_can_run_is_taken_once() -> None:
    jobs, _ = jobs_of([[], [0], []])

    assert [jobs.take(), jobs.take(), jobs.take()] == [0, 2, None]
    assert jobs.running == 2
    assert statuses(jobs) == ["RUNNING", "BLOCKED", "RUNNING"]


def test_how_many_are_ready() -> None:
    jobs, _ = jobs_of([[], [0], [], [0]])
    assert jobs.ready == 2

    jobs.take()
    assert jobs.ready == 1
    jobs.settle(done(0))
    assert jobs.ready == 3
    jobs.stop()
    assert jobs.ready == 0


def test_an_end_tells_who_ran_it_and_what_it_printed() -> None:
    jobs, recorded = jobs_of([[]])
    jobs.take()

    jobs.settle(done(0))
    jobs.finish()

    assert recorded == [
        JobEnd("t0", JobStatus.COMPLETED, 1, 1.0, 0.5, None, 2, Output("w.log", 3, 9))
    ]
    assert jobs.status is SubmissionStatus.COMPLETED


def test_a_failure_tells_no_secret() -> None:
    jobs, recorded = jobs_of([[]], Mask(("c4nary",)))
    jobs.take()

    told: dict[str, Any] = {
        "message": "no c4nary",
        "traceback": "at c4nary\n",
        "source": "c4nary",
        "hint": "c4nary!",
    }
    jobs.settle(failed(0, Failure(code="RUN601", type="ValueError", **told)))
    jobs.finish()

    (end,) = recorded
    masked: dict[str, Any] = {
        "message": "no ***",
        "traceback": "at ***\n",
        "source": "***",
        "hint": "***!",
    }
    assert end.failure == Failure(code="RUN601", type="ValueError", **masked)


def test_what_follows_alone_is_handed_over_behind_it() -> None:
    jobs, _ = jobs_of([[], [0], [1]])
    jobs.take()

    assert [jobs.follow(0), jobs.follow(1), jobs.follow(2)] == [1, 2, None]

    assert statuses(jobs) == ["RUNNING", "BLOCKED", "BLOCKED"]
    assert jobs.running == 3
    jobs.settle(done(0))
    assert statuses(jobs) == ["COMPLETED", "RUNNING", "BLOCKED"]
    assert jobs.take() is None


@pytest.mark.parametrize(
    "needs",
    [
        pytest.param([[], [0], [0]], id="two-follow"),
        pytest.param([[], [], [0, 1]], id="it-needs-another-too"),
        pytest.param([[]], id="none-follows"),
    ],
)
def test_what_does_not_follow_alone(needs: Sequence[Sequence[int]]) -> None:
    jobs, _ = jobs_of(needs)
    jobs.take()

    assert jobs.follow(0) is None


def test_what_has_a_time_limit_does_not_follow() -> None:
    jobs, _ = jobs_of([[], [0]], timeout=timedelta(seconds=1))
    jobs.take()

    assert jobs.follow(0) is None


def test_a_failure_takes_back_what_was_handed_over_behind_it() -> None:
    jobs, _ = jobs_of([[], [0], [1]])
    jobs.take()
    jobs.follow(0)
    jobs.follow(1)

    jobs.settle(failed(0))

    assert jobs.running == 0
    assert jobs.is_over
    assert statuses(jobs) == ["FAILED", "ABANDONED", "ABANDONED"]


def test_a_retry_takes_back_what_was_handed_over_behind_it() -> None:
    jobs, _ = jobs_of([[], [0]], retries=1)
    jobs.take()
    jobs.follow(0)

    jobs.settle(failed(0))

    assert jobs.running == 0
    assert not jobs.is_over
    assert statuses(jobs) == ["PENDING", "BLOCKED"]
    assert jobs.take() == 0


def test_a_job_that_comes_back_was_not_attempted() -> None:
    jobs, recorded = jobs_of([[]])
    jobs.take()
    jobs.settle(returned(0))
    assert statuses(jobs) == ["PENDING"]

    assert jobs.take() == 0
    jobs.settle(done(0))
    jobs.finish()

    assert [end.attempts for end in recorded] == [1]


@pytest.mark.parametrize("first", ["returned", "done"])
def test_a_follower_that_comes_back_waits_for_its_turn(first: str) -> None:
    jobs, _ = jobs_of([[], [0]])
    jobs.take()
    jobs.follow(0)
    outcomes = [returned(1), done(0)] if first == "returned" else [done(0), returned(1)]

    for outcome in outcomes:
        jobs.settle(outcome)

    assert statuses(jobs) == ["COMPLETED", "PENDING"]
    assert jobs.running == 0
    assert jobs.take() == 1


def test_canceling_a_job_that_waits() -> None:
    jobs, recorded = jobs_of([[], [0], []])

    assert jobs.cancel("t0") is None

    assert statuses(jobs) == ["CANCELED", "ABANDONED", "PENDING"]
    assert jobs.take() == 2
    jobs.flush()
    assert [(end.task, end.failure.message if end.failure else "") for end in recorded] == [
        ("t0", "the run was stopped"),
        ("t1", "t0 was canceled"),
    ]


def test_canceling_a_job_that_runs_is_the_executors() -> None:
    jobs, recorded = jobs_of([[], [0]])
    jobs.take()

    assert jobs.cancel("t0") == 0
    assert statuses(jobs) == ["RUNNING", "BLOCKED"]

    jobs.settle(failed(0, ENDED))
    jobs.flush()
    assert statuses(jobs) == ["CANCELED", "ABANDONED"]
    assert recorded[0].failure == ENDED


def test_a_job_to_be_canceled_that_comes_back_is_canceled() -> None:
    jobs, _ = jobs_of([[]])
    jobs.take()
    jobs.cancel("t0")

    jobs.settle(returned(0))

    assert statuses(jobs) == ["CANCELED"]
    assert jobs.is_over


def test_a_job_that_was_faster_than_its_cancellation_has_completed() -> None:
    jobs, _ = jobs_of([[]])
    jobs.take()
    jobs.cancel("t0")

    jobs.settle(done(0))

    assert statuses(jobs) == ["COMPLETED"]
    assert jobs.cancel("t0") is None


def test_canceling_an_unknown_job_does_nothing() -> None:
    jobs, _ = jobs_of([[]])

    assert jobs.cancel("gone") is None
    assert statuses(jobs) == ["PENDING"]


def test_what_is_with_the_executor() -> None:
    jobs, _ = jobs_of([[], [0], [], []])
    jobs.take()
    jobs.follow(0)
    jobs.take()

    assert list(jobs.with_executor()) == [0, 1, 2]
