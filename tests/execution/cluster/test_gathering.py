"""What is still told of a session whose process is gone."""

from __future__ import annotations

from typing import Any

import pytest

from runner.execution.cluster.gathering import Gathering, hear
from runner.execution.cluster.sealing import Seal
from runner.execution.cluster.talk import Ended, ended_message

SEAL = Seal.from_workers(b"a key of a cluster" * 2)


def heard(found: Gathering, *bodies: dict[str, Any]) -> None:
    for body in bodies:
        hear(found, SEAL, SEAL.close({"worker": "a", "name": "shop", **body}))


def here(found: Gathering, **more: Any) -> dict[str, Any]:
    return {"kind": "here", "slots": 2, "busy": 0, "open": 0, "call": found.call, **more}


def test_what_has_ended_is_known() -> None:
    found = Gathering("shop")
    ended = Ended("tidy", 1, 0.0, 0.0, None, (), "")

    heard(found, {"kind": "begun", "attempts": [(1, "tidy", 1)]}, ended_message(1, [ended]))

    assert (found.ended, found.open) == ({"tidy": ended}, {})


def test_another_scenario_is_none_of_ours() -> None:
    found = Gathering("shop")

    heard(found, {"kind": "begun", "attempts": [(1, "tidy", 1)], "name": "other"})

    assert found.open == {}


def test_a_worker_that_has_nothing_left_is_free() -> None:
    found = Gathering("shop")

    heard(found, here(found, open=1))
    assert found.free == set()
    heard(found, here(found))

    assert found.free == {"a"}


def test_what_the_run_that_is_gone_was_answered_is_no_answer() -> None:
    """It says nothing of what has begun since."""
    found = Gathering("shop")

    heard(found, here(found, call=""), here(found, call="of another"))
    heard(found, {"kind": "begun", "attempts": [(1, "tidy", 1)]})

    assert (found.free, found.open) == (set(), {(1, "tidy", 1): "a"})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"kind": ["begun"]}, id="kind"),
        pytest.param({"kind": "begun", "attempts": 1}, id="attempts"),
        pytest.param({"kind": "did", "work": 1, "ended": [[]]}, id="ended"),
        pytest.param({"kind": "here", "open": []}, id="open"),
    ],
)
def test_a_message_of_another_version_is_none(body: dict[str, Any]) -> None:
    found = Gathering("shop")

    heard(found, body)

    assert (found.ended, found.open, found.free) == ({}, {}, set())


def test_a_forged_message_is_none() -> None:
    found = Gathering("shop")

    hear(found, SEAL, Seal.from_workers(b"another key" * 3).close(here(found)))

    assert found.free == set()
