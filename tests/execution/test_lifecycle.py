from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import IllegalTransitionError
from runner.execution.lifecycle import (
    DONE,
    ENDED,
    NEXT,
    JobStatus,
    SubmissionStatus,
    move,
    submission_status,
)

LEGAL: Final = frozenset(
    {
        ("SUBMITTED", "BLOCKED"),
        ("SUBMITTED", "PENDING"),
        ("SUBMITTED", "CANCELED"),
        ("BLOCKED", "PENDING"),
        ("BLOCKED", "ABANDONED"),
        ("BLOCKED", "CANCELED"),
        ("PENDING", "RUNNING"),
        ("PENDING", "SKIPPED"),
        ("PENDING", "CANCELED"),
        ("RUNNING", "COMPLETED"),
        ("RUNNING", "FAILED"),
        ("RUNNING", "PENDING"),
        ("RUNNING", "CANCELED"),
    }
)
PAIRS: Final = [
    pytest.param(one, other, (one.value, other.value) in LEGAL, id=f"{one}-{other}")
    for one, other in product(JobStatus, JobStatus)
]
S: Final = JobStatus


@pytest.mark.parametrize(("status", "to", "legal"), PAIRS)
def test_every_pair(status: JobStatus, to: JobStatus, legal: bool) -> None:
    before = dict(NEXT)

    if legal:
        assert move(status, to) is to
    else:
        with pytest.raises(
            IllegalTransitionError, match=f"^a job cannot go from {status} to {to}$"
        ):
            move(status, to)

    assert dict(NEXT) == before


def test_the_table_names_every_status() -> None:
    assert set(NEXT) == set(JobStatus)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        NEXT[S.FAILED] = frozenset({S.PENDING})  # type: ignore[index]  # that is the point


def test_ends() -> None:
    assert {S.COMPLETED, S.SKIPPED, S.FAILED, S.CANCELED, S.ABANDONED} == ENDED
    assert {S.COMPLETED, S.SKIPPED} == DONE


def test_every_status_can_be_reached_and_left_for_an_end() -> None:
    reached = {S.SUBMITTED}
    waiting = [S.SUBMITTED]
    while waiting:
        for status in NEXT[waiting.pop()] - reached:
            reached.add(status)
            waiting.append(status)

    assert reached == set(JobStatus)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        pytest.param([], "COMPLETED", id="no-jobs"),
        pytest.param([S.SUBMITTED, S.SUBMITTED], "SUBMITTED", id="not-begun"),
        pytest.param([S.BLOCKED, S.SUBMITTED], "BLOCKED", id="blocked"),
        pytest.param([S.PENDING, S.BLOCKED], "PENDING", id="pending"),
        pytest.param([S.RUNNING, S.PENDING, S.BLOCKED], "RUNNING", id="running"),
        pytest.param([S.COMPLETED, S.PENDING], "RUNNING", id="between-two-jobs"),
        pytest.param([S.FAILED, S.BLOCKED], "RUNNING", id="failed-but-not-over"),
        pytest.param([S.COMPLETED, S.SKIPPED], "COMPLETED", id="completed"),
        pytest.param([S.SKIPPED], "COMPLETED", id="all-skipped"),
        pytest.param([S.FAILED, S.ABANDONED, S.COMPLETED], "FAILED", id="failed"),
        pytest.param([S.FAILED, S.CANCELED], "FAILED", id="failed-fast"),
        pytest.param([S.COMPLETED, S.CANCELED], "CANCELED", id="canceled"),
    ],
)
def test_submission_status(statuses: list[JobStatus], expected: str) -> None:
    assert submission_status(statuses) == SubmissionStatus(expected)


@given(st.lists(st.sampled_from(JobStatus), min_size=1))
def test_a_submission_is_over_when_all_its_jobs_are(statuses: list[JobStatus]) -> None:
    over = {SubmissionStatus.COMPLETED, SubmissionStatus.FAILED, SubmissionStatus.CANCELED}

    verdict = submission_status(statuses)

    assert (verdict in over) == (set(statuses) <= ENDED)
    assert verdict == submission_status(statuses[::-1])
