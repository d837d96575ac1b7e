from __future__ import annotations

import pytest

from runner.execution.cluster.attempts import MOST_LOSSES, Attempts
from runner.execution.worker import Call

LEASE = 10.0
CALL = Call(1, 0)


@pytest.fixture
def attempts() -> Attempts:
    return Attempts(LEASE)


def test_an_attempt_is_found_by_its_number(attempts: Attempts) -> None:
    attempt = attempts.begin(CALL, 0)

    assert attempts.of(CALL) is attempt
    assert attempts.find(1, 0, attempt.number) is attempt
    assert list(attempts) == [attempt]
    assert len(attempts) == 1


@pytest.mark.parametrize(
    ("work", "job", "more"),
    [
        pytest.param(2, 0, 0, id="another-submission"),
        pytest.param(1, 1, 0, id="another-job"),
        pytest.param(1, 0, 1, id="another-attempt"),
    ],
)
def test_nothing_else_is_found(attempts: Attempts, work: int, job: int, more: int) -> None:
    attempt = attempts.begin(CALL, 0)

    assert attempts.find(work, job, attempt.number + more) is None


def test_only_the_latest_attempt_counts(attempts: Attempts) -> None:
    earlier = attempts.begin(CALL, 0)
    later = attempts.begin(CALL, 1)

    assert attempts.find(1, 0, earlier.number) is None
    assert attempts.find(1, 0, later.number) is later
    assert len(attempts) == 1


def test_no_number_is_used_twice(attempts: Attempts) -> None:
    numbers = []
    for job in (0, 1, 0, 1):
        attempt = attempts.begin(Call(1, job), 0)
        numbers.append(attempt.number)
        attempts.end(attempt)

    assert len(set(numbers)) == 4


def test_an_attempt_that_has_ended_counts_no_more(attempts: Attempts) -> None:
    attempt = attempts.begin(CALL, 0)

    attempts.end(attempt)
    attempts.end(attempt)

    assert (attempts.of(CALL), len(attempts)) == (None, 0)


@pytest.mark.parametrize(
    ("now", "is_silent"),
    [
        pytest.param(15.0, False, id="not-yet"),
        pytest.param(15.1, True, id="the-lease-is-over"),
    ],
)
def test_a_worker_that_is_silent(attempts: Attempts, now: float, is_silent: bool) -> None:
    attempt = attempts.begin(CALL, 0)
    attempts.hear(attempt, "w", 5)

    assert attempts.silent(now) == [attempt] * is_silent


def test_an_attempt_that_nobody_has_begun_is_not_silent(attempts: Attempts) -> None:
    attempts.begin(CALL, 0)

    assert attempts.silent(1e9) == []


def test_one_that_somebody_may_have_begun_is(attempts: Attempts) -> None:
    attempt = attempts.begin(CALL, 0)

    attempts.suspect(attempt, 5)

    assert attempts.silent(15) == []
    assert attempts.silent(15.1) == [attempt]


def test_suspicion_does_not_count_against_signs_of_life(attempts: Attempts) -> None:
    attempt = attempts.begin(CALL, 0)
    attempts.hear(attempt, "w", 5)

    attempts.suspect(attempt, 14)

    assert attempts.silent(15.1) == [attempt]


@pytest.mark.parametrize(
    ("now", "is_waiting"),
    [pytest.param(2.0, False, id="not-yet"), pytest.param(2.1, True, id="for-too-long")],
)
def test_an_attempt_that_waits(attempts: Attempts, now: float, is_waiting: bool) -> None:
    attempt = attempts.begin(CALL, 0)

    assert attempts.waiting(now, patience=2) == [attempt] * is_waiting


def test_one_that_has_begun_does_not_wait(attempts: Attempts) -> None:
    attempts.hear(attempts.begin(CALL, 0), "w", 1)

    assert attempts.waiting(1e9, patience=2) == []


def test_time_in_which_nothing_can_be_heard_is_no_silence(attempts: Attempts) -> None:
    begun, waits = attempts.begin(CALL, 0), attempts.begin(Call(1, 1), 0)
    attempts.hear(begun, "w", 5)

    attempts.excuse(100)
    attempts.excuse(100)

    assert attempts.silent(110) == []
    assert attempts.silent(110.1) == [begun]
    assert attempts.waiting(102, patience=2) == []
    assert attempts.waiting(102.1, patience=2) == [waits]


def test_what_was_heard_since_is_not_forgotten(attempts: Attempts) -> None:
    attempt = attempts.begin(CALL, 0)
    attempts.hear(attempt, "w", 5)

    attempts.excuse(4)

    assert attempts.silent(15) == []
    assert attempts.silent(15.1) == [attempt]


def test_a_job_may_be_lost_a_few_times(attempts: Attempts) -> None:
    lost = [attempts.lose(attempts.begin(CALL, now)) for now in range(MOST_LOSSES)]

    assert lost == [False] * (MOST_LOSSES - 1) + [True]
    assert len(attempts) == 0


def test_each_job_is_lost_by_itself(attempts: Attempts) -> None:
    lost = [attempts.lose(attempts.begin(Call(1, job), 0)) for job in range(MOST_LOSSES)]

    assert lost == [False] * MOST_LOSSES


def test_a_submission_that_is_over_takes_its_own_with_it(attempts: Attempts) -> None:
    attempts.lose(attempts.begin(CALL, 0))
    attempts.begin(CALL, 0)
    other = attempts.begin(Call(2, 0), 0)

    attempts.leave(1)

    assert list(attempts) == [other]
    lost = [attempts.lose(attempts.begin(CALL, 0)) for _ in range(MOST_LOSSES)]
    assert lost == [False] * (MOST_LOSSES - 1) + [True]
