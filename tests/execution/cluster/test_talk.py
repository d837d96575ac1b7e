from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.data.storage import Mark
from runner.execution.cluster.sealing import ForgedError
from runner.execution.cluster.talk import (
    Ended,
    Job,
    Owner,
    Versions,
    ended_message,
    jobs_message,
    read_attempts,
    read_ended,
    read_failure,
    read_jobs,
    read_part,
    read_reply,
    read_versions,
)
from runner.execution.failures import Failure

OWNER = Owner("s1", 1, "scenario", "name", "2026-01-02T03:04:05+00:00", full=False)
JOBS = [Job("clean", 1, "aa", "bb"), Job("train", 2, "cc", "")]
FAILURE = Failure(code="RUN601", type="ValueError", message="too bad", line=7, hint="do not")
ENDED = [
    Ended("clean", 1, 5.5, 0.25, None, (Mark("f" * 32, "1:2:3", 4, 5), None), "printed"),
    Ended("train", 2, 6.0, 1.0, FAILURE, (), ""),
]

TEXT = st.text(max_size=5)
WHOLE = st.integers(0, 2**40)
FLOATS = st.floats(0, 2e9)
MARKS = st.builds(Mark, TEXT, TEXT, WHOLE, st.none() | WHOLE)
FAILURES = st.builds(
    Failure, code=TEXT, type=TEXT, message=TEXT, traceback=TEXT, file=TEXT, line=WHOLE,
    function=TEXT, source=TEXT, hint=st.none() | TEXT,
)  # fmt: skip
ENDS = st.builds(
    Ended, TEXT, WHOLE, FLOATS, FLOATS, st.none() | FAILURES,
    st.lists(st.none() | MARKS, max_size=3).map(tuple), TEXT,
)  # fmt: skip

Change = Callable[[Any], object]


def crossed(body: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(body))
    return found


@given(
    st.builds(Owner, TEXT, WHOLE, TEXT, TEXT, TEXT, st.booleans()),
    st.lists(st.builds(Job, TEXT, WHOLE, TEXT, TEXT), min_size=1, max_size=4),
)
def test_jobs_arrive_as_they_were_sent(owner: Owner, jobs: list[Job]) -> None:
    assert read_jobs(crossed(jobs_message(owner, jobs))) == (Versions.here(), owner, jobs)


def test_a_message_gives_jobs() -> None:
    owner = Owner("session", 0, "s", "s", "2026-01-01", full=False)
    with pytest.raises(ForgedError, match="it gives no jobs"):
        read_jobs(crossed(jobs_message(owner, [])))


@given(WHOLE, st.lists(ENDS, max_size=4))
def test_ends_arrive_as_they_were_sent(work: int, ended: list[Ended]) -> None:
    assert read_ended(crossed(ended_message(work, ended))) == (work, ended)


@given(st.lists(st.tuples(WHOLE, TEXT, WHOLE), max_size=4))
def test_attempts_arrive_as_they_were_sent(attempts: list[tuple[int, str, int]]) -> None:
    assert read_attempts(crossed({"attempts": attempts})) == attempts


def _set(*path: Any) -> Change:
    """Put the last of what is given where the others say."""
    *way, last, value = path

    def change(body: Any) -> None:
        for each in way:
            body = body[each]
        body[last] = value

    return change


def _left_out(*path: Any) -> Change:
    *way, last = path

    def change(body: Any) -> None:
        for each in way:
            body = body[each]
        del body[last]

    return change


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_set("kind", "did"), id="another-kind"),
        pytest.param(_left_out("kind"), id="no-kind"),
        pytest.param(_left_out("versions"), id="no-versions"),
        pytest.param(_left_out("versions", 2), id="two-versions"),
        pytest.param(_set("versions", 0, "1"), id="version-of-another-type"),
        pytest.param(_set("versions", 0, True), id="true-for-a-number"),
        pytest.param(_set("versions", None), id="null-for-versions"),
        pytest.param(_set("versions", "123"), id="text-for-versions"),
        pytest.param(_left_out("owner"), id="no-owner"),
        pytest.param(_set("owner", []), id="list-for-an-owner"),
        pytest.param(_left_out("owner", "name"), id="owner-without-a-name"),
        pytest.param(_set("owner", "path", "/etc"), id="owner-with-more"),
        pytest.param(_set("owner", "work", "1"), id="text-for-a-submission"),
        pytest.param(_set("owner", "work", []), id="list-for-a-submission"),
        pytest.param(_set("owner", "session", 7), id="number-for-a-session"),
        pytest.param(_set("owner", "session", None), id="null-for-a-session"),
        pytest.param(_set("owner", "scenario", ["a"]), id="list-for-a-scenario"),
        pytest.param(_set("owner", "name", {}), id="object-for-a-name"),
        pytest.param(_set("owner", "created", 5), id="number-for-a-date"),
        pytest.param(_set("owner", "full", "yes"), id="text-for-a-truth"),
        pytest.param(_left_out("jobs"), id="no-jobs"),
        pytest.param(_set("jobs", None), id="null-for-jobs"),
        pytest.param(_set("jobs", 7), id="number-for-jobs"),
        pytest.param(_set("jobs", 0, "abcd"), id="text-for-a-job"),
        pytest.param(_left_out("jobs", 0, 3), id="three-parts-of-a-job"),
        pytest.param(_set("jobs", 0, ["a", 1, "b", "c", "d"]), id="five-parts-of-a-job"),
        pytest.param(_set("jobs", 0, 0, ["clean"]), id="list-for-a-task"),
        pytest.param(_set("jobs", 0, 1, 1.0), id="float-for-an-attempt"),
        pytest.param(_set("jobs", 0, 1, "1"), id="text-for-an-attempt"),
        pytest.param(_set("jobs", 0, 2, None), id="null-for-a-digest"),
    ],
)
def test_no_message_that_gives_jobs(change: Change) -> None:
    body = crossed(jobs_message(OWNER, JOBS))
    read_jobs(copy.deepcopy(body))
    change(body)

    with pytest.raises(ForgedError, match=r"^it is no message "):
        read_jobs(body)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_left_out("work"), id="no-submission"),
        pytest.param(_set("work", "one"), id="text-for-a-submission"),
        pytest.param(_set("work", None), id="null-for-a-submission"),
        pytest.param(_left_out("ended"), id="no-ends"),
        pytest.param(_set("ended", 7), id="number-for-ends"),
        pytest.param(_set("ended", 0, 7), id="number-for-an-end"),
        pytest.param(_left_out("ended", 0, 6), id="six-parts-of-an-end"),
        pytest.param(_set("ended", 0, 0, ["clean"]), id="list-for-a-task"),
        pytest.param(_set("ended", 0, 1, "x"), id="text-for-an-attempt"),
        pytest.param(_set("ended", 0, 2, "x"), id="text-for-a-time"),
        pytest.param(_set("ended", 0, 3, None), id="null-for-seconds"),
        pytest.param(_set("ended", 0, 5, 0, ["f"]), id="one-part-of-a-mark"),
        pytest.param(_set("ended", 0, 5, 0, [1, "1:2:3", 4, 5]), id="number-for-a-fingerprint"),
        pytest.param(_set("ended", 0, 5, 0, ["f", "1:2:3", "4", 5]), id="text-for-a-size"),
        pytest.param(_set("ended", 0, 5, 0, ["f", "1:2:3", 4, []]), id="list-for-rows"),
        pytest.param(_set("ended", 0, 5, None), id="null-for-marks"),
        pytest.param(_set("ended", 0, 6, ["x"]), id="list-for-what-was-printed"),
        pytest.param(_set("ended", 1, 4, []), id="list-for-a-failure"),
        pytest.param(_left_out("ended", 1, 4, "code"), id="failure-without-a-code"),
        pytest.param(_set("ended", 1, 4, "more", 1), id="failure-with-more"),
        pytest.param(_set("ended", 1, 4, "message", 7), id="number-for-a-message"),
        pytest.param(_set("ended", 1, 4, "line", "7"), id="text-for-a-line"),
        pytest.param(_set("ended", 1, 4, "hint", 7), id="number-for-a-hint"),
    ],
)
def test_no_message_that_tells_ends(change: Change) -> None:
    body = crossed(ended_message(1, ENDED))
    assert read_ended(copy.deepcopy(body)) == (1, ENDED)
    change(body)

    with pytest.raises(ForgedError, match=r"^it is no message of ours: "):
        read_ended(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="none"),
        pytest.param({"attempts": None}, id="null"),
        pytest.param({"attempts": 7}, id="number"),
        pytest.param({"attempts": [[1, "a"]]}, id="two-parts"),
        pytest.param({"attempts": [[1, "a", 2, 3]]}, id="four-parts"),
        pytest.param({"attempts": [["x", "a", 2]]}, id="text-for-a-submission"),
        pytest.param({"attempts": [[1, "a", None]]}, id="null-for-a-number"),
        pytest.param({"attempts": [[1, ["a"], 2]]}, id="list-for-a-task"),
        pytest.param({"attempts": [[1.5, "a", 2]]}, id="float-for-a-submission"),
    ],
)
def test_no_message_about_attempts(body: dict[str, Any]) -> None:
    with pytest.raises(ForgedError, match=r"^it is no message of ours: "):
        read_attempts(body)


def test_versions_arrive_as_they_were_sent() -> None:
    here = Versions.here()
    assert read_versions(crossed({"versions": attrs.astuple(here)})) == here


@given(FAILURES)
def test_a_failure_arrives_as_it_was_sent(failure: Failure) -> None:
    assert read_failure(crossed({"failure": attrs.asdict(failure)})) == failure


@pytest.mark.parametrize("value", [None, 7, [], [1, "a"], ["1", "a", "b"], {}, {"code": "RUN1"}])
def test_no_versions_and_no_failure(value: object) -> None:
    with pytest.raises(ForgedError, match=r"^it is no message of ours: "):
        read_versions({"versions": value})
    with pytest.raises(ForgedError, match=r"^it is no message of ours: "):
        read_failure({"failure": value})


@pytest.mark.parametrize(
    ("value", "kinds", "fits"),
    [
        pytest.param(7, (int,), True, id="int"),
        pytest.param(7, (float, int), True, id="one-of-two"),
        pytest.param(True, (int,), False, id="true-is-no-number"),
        pytest.param("7", (int,), False, id="text-is-no-number"),
        pytest.param(None, (int,), False, id="null"),
        pytest.param(None, (int, type(None)), True, id="null-where-it-may-be"),
    ],
)
def test_a_part_of_a_message(value: object, kinds: tuple[type, ...], fits: bool) -> None:
    if fits:
        assert read_part({"slots": value}, "slots", *kinds) is value
    else:
        with pytest.raises(ForgedError, match="no message of ours: `slots` is of another type"):
            read_part({"slots": value}, "slots", *kinds)


@pytest.mark.parametrize(
    ("versions", "is_same"),
    [
        pytest.param(Versions.here(), True, id="same"),
        pytest.param(attrs.evolve(Versions.here(), protocol=0), False, id="protocol"),
        pytest.param(attrs.evolve(Versions.here(), runner="0"), False, id="runner"),
        pytest.param(attrs.evolve(Versions.here(), python="2.7"), False, id="python"),
    ],
)
def test_versions_are_compared_whole(versions: Versions, is_same: bool) -> None:
    body = crossed(jobs_message(OWNER, JOBS)) | {"versions": attrs.astuple(versions)}

    assert (read_jobs(crossed(body))[0] == Versions.here()) is is_same


def test_versions_as_they_are_told() -> None:
    assert str(Versions(1, "0.2.0", "3.11")) == "runner 0.2.0, Python 3.11, protocol 1"


@pytest.mark.parametrize(
    ("reply", "fits"),
    [
        pytest.param("amq.gen-7", True, id="a-name"),
        pytest.param("é" * 127, True, id="the-longest"),
        pytest.param("é" * 128, False, id="too-long"),
        pytest.param("\ud800", False, id="no-text"),
        pytest.param(7, False, id="a-number"),
        pytest.param(None, False, id="nothing"),
    ],
)
def test_the_queue_of_an_answer(reply: object, fits: bool) -> None:
    if fits:
        assert read_reply({"reply": reply}) == reply
    else:
        with pytest.raises(ForgedError, match="no message of ours"):
            read_reply({"reply": reply})
