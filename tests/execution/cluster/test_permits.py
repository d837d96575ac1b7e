from __future__ import annotations

import pytest

from runner.execution.cluster.permits import Permit


@pytest.fixture
def answers() -> list[float]:
    return []


def kept() -> Permit:
    """One that counts, as was said at 4, until 10."""
    permit = Permit(until=8)
    permit.keep(until=10, now=4)
    return permit


def test_a_job_may_commit_when_its_attempt_counts(answers: list[float]) -> None:
    kept().ask(answers.append, now=6)

    assert answers == [10]


def test_a_job_waits_for_the_first_answer(answers: list[float]) -> None:
    permit = Permit(until=10)

    permit.ask(answers.append, now=5)
    assert answers == []
    permit.keep(until=15, now=6)

    assert answers == [15]


def test_a_sign_is_no_answer(answers: list[float]) -> None:
    """The message that gave the job may be older than it looks."""
    permit = Permit(until=10)
    permit.confirmed(until=15, now=5)

    permit.ask(answers.append, now=6)

    assert (answers, permit.allowed(now=6)) == ([], 0)


@pytest.mark.parametrize(
    ("confirmed", "asked", "expected"),
    [
        pytest.param(5, 15, [15], id="the-last-moment"),
        pytest.param(5, 15.1, [], id="too-late-to-commit"),
        pytest.param(10, 12, [15], id="a-sign-in-the-last-moment"),
        pytest.param(10.1, 12, [], id="a-sign-too-late"),
    ],
)
def test_a_sign_counts_until(
    answers: list[float], confirmed: float, asked: float, expected: list[float]
) -> None:
    permit = kept()
    permit.confirmed(until=15, now=confirmed)

    permit.ask(answers.append, now=asked)

    assert answers == expected


def test_each_sign_prolongs(answers: list[float]) -> None:
    permit = kept()
    for now in range(5, 100, 5):
        permit.confirmed(until=now + 10, now=now)

    permit.ask(answers.append, now=104)

    assert (answers, permit.in_doubt) == ([105], False)


def test_after_a_gap_no_sign_helps(answers: list[float]) -> None:
    permit = kept()
    permit.confirmed(until=15, now=5)
    permit.confirmed(until=26, now=16)

    permit.ask(answers.append, now=17)
    permit.confirmed(until=27, now=17)

    assert (answers, permit.in_doubt) == ([], True)


def test_after_a_gap_an_answer_helps(answers: list[float]) -> None:
    permit = Permit(until=10)
    permit.ask(answers.append, now=11)

    permit.keep(until=30, now=20)

    assert (answers, permit.in_doubt) == ([30], False)


def test_an_answer_that_was_long_on_its_way_says_nothing(answers: list[float]) -> None:
    """Another may have the job since."""
    permit = Permit(until=10)
    permit.lapse(now=11)
    permit.ask(answers.append, now=11)

    permit.keep(until=30, now=30.1)

    assert (answers, permit.in_doubt) == ([], True)


def test_an_answer_counts_as_long_as_a_sign(answers: list[float]) -> None:
    permit = Permit(until=10)
    permit.lapse(now=11)
    permit.keep(until=30, now=20)

    permit.ask(answers.append, now=30.1)

    assert (answers, permit.in_doubt) == ([], True)


def test_a_dropped_job_that_waits_is_told(answers: list[float]) -> None:
    permit = Permit(until=10)
    permit.ask(answers.append, now=5)

    permit.drop()

    assert answers == [0]


@pytest.mark.parametrize("is_kept", [False, True], ids=["confirmed", "kept"])
def test_a_dropped_job_stays_dropped(answers: list[float], is_kept: bool) -> None:
    permit = Permit(until=10)
    permit.drop()
    if is_kept:
        permit.keep(until=30, now=5)
    else:
        permit.confirmed(until=30, now=5)

    permit.ask(answers.append, now=6)

    assert answers == [0]


def test_an_answer_is_given_once(answers: list[float]) -> None:
    permit = Permit(until=10)
    permit.ask(answers.append, now=5)

    permit.keep(until=15, now=5)
    permit.confirmed(until=16, now=6)
    permit.keep(until=17, now=7)
    permit.drop()

    assert answers == [15]


def test_what_is_known_without_asking() -> None:
    permit = Permit(until=10)
    assert permit.allowed(now=5) == 0
    permit.keep(until=15, now=6)

    assert permit.allowed(now=15) == 15
    assert permit.allowed(now=15.1) == 0
    assert permit.allowed(now=7) == 0


def test_what_is_known_of_a_dropped_job() -> None:
    permit = kept()
    permit.confirmed(until=15, now=6)
    permit.drop()

    assert permit.allowed(now=7) == 0
