from __future__ import annotations

import pickle
import threading
from typing import Any

import attrs
import pytest

from runner.data.locate import culprit

LOCK = threading.Lock()


@attrs.define
class Slotted:
    handle: Any


@attrs.define(slots=False)
class Plain:
    inner: Any


class Single:
    __slots__ = "only"  # noqa: PLC0205 - allowed, so it has to work

    def __init__(self, only: Any) -> None:
        self.only = only


LOOP: dict[str, Any] = {}
LOOP["self"] = LOOP
LOOP["list"] = [LOOP, {"lock": LOCK}]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param(LOCK, "result", id="itself"),
        pytest.param({"a": 1, "handle": LOCK}, "result['handle']", id="mapping"),
        pytest.param([1, (2, LOCK)], "result[1][1]", id="sequence"),
        pytest.param(Plain([Slotted(LOCK)]), "result.inner[0].handle", id="attributes"),
        pytest.param(Single(LOCK), "result.only", id="slot-as-text"),
        pytest.param(LOOP, "result['list'][1]['lock']", id="loop"),
        pytest.param([[{"far": LOCK}], LOCK], "result[1]", id="nearest"),
    ],
)
def test_culprit(value: object, path: str) -> None:
    assert culprit(value, pickle.dumps) == (path, LOCK)


def test_attributes_are_no_parts_where_they_do_not_count() -> None:
    value = Plain(LOCK)
    assert culprit([value], pickle.dumps, attributes=False) == ("result[0]", value)


def test_a_part_that_nothing_leads_to_is_the_whole() -> None:
    value = {LOCK}
    assert culprit([value], pickle.dumps) == ("result[0]", value)


def test_a_loop_without_a_culprit_is_the_whole() -> None:
    loop: list[Any] = []
    loop.append(loop)

    def refuse(part: object) -> None:
        raise ValueError(str(id(part)))

    path, part = culprit(loop, refuse)
    assert path == "result"
    assert part is loop
