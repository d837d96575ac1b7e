from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from runner.config.model import TaskConfig
from runner.data.storage import Mark
from runner.plan.staleness import (
    Basis,
    Trace,
    Verdict,
    changed_inputs,
    changed_outputs,
    changed_setting,
    expired,
)

TASK = TaskConfig(id="t", inputs=("a", "b"), outputs=("c", "d"))
BEFORE = Trace(
    run="7h3k",
    ended=1000.0,
    code="code",
    settings="settings",
    inputs={"a": "1", "b": "2"},
    outputs={"c": "3", "d": "4"},
)


def basis(
    inputs: dict[str, str | None] | None = None, outputs: dict[str, str | None] | None = None
) -> Basis:
    """As `BEFORE`, but for what is given."""
    there: dict[str, str | None] = {**BEFORE.outputs, **(outputs or {})}
    marks = {node: Mark(each, "stamp", 1) if each else None for node, each in there.items()}
    return Basis(
        code="code", settings="settings", inputs={**BEFORE.inputs, **(inputs or {})}, outputs=marks
    )


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        pytest.param({}, None, id="same"),
        pytest.param({"b": "9"}, "input changed: b", id="changed"),
        pytest.param({"a": "8", "b": "9"}, "input changed: a", id="the-first-is-told"),
        pytest.param({"a": None}, "no fingerprint: a", id="nobody-can-tell"),
    ],
)
def test_inputs(inputs: dict[str, str | None], told: str | None) -> None:
    verdict = changed_inputs(TASK, basis(inputs), BEFORE)

    assert (verdict and str(verdict)) == told
    assert verdict is None or not verdict.skip


def test_an_input_that_never_had_a_mark_is_not_as_it_was() -> None:
    before = attrs.evolve(BEFORE, inputs={"a": None, "b": "2"})

    verdict = changed_inputs(TASK, basis({"a": None}), before)

    assert str(verdict) == "no fingerprint: a"


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        pytest.param({}, None, id="same"),
        pytest.param({"c": "9"}, "output changed: c", id="changed"),
        pytest.param({"d": None}, "output missing: d", id="missing"),
    ],
)
def test_outputs(outputs: dict[str, str | None], told: str | None) -> None:
    verdict = changed_outputs(TASK, basis(outputs=outputs), BEFORE)

    assert (verdict and str(verdict)) == told


def test_an_output_that_never_had_a_mark_is_not_missing() -> None:
    before = attrs.evolve(BEFORE, outputs={"c": BEFORE.outputs["c"]})

    verdict = changed_outputs(TASK, basis(outputs={"d": None}), before)

    assert str(verdict) == "no fingerprint: d"


@pytest.mark.parametrize(
    ("validity", "now", "is_over"),
    [
        pytest.param(timedelta(seconds=5), 1005.0, False, id="the-last-moment"),
        pytest.param(timedelta(seconds=5), 1005.1, True, id="over"),
        pytest.param(timedelta(seconds=5), 0.0, False, id="the-clock-was-set-back"),
    ],
)
def test_validity(validity: timedelta, now: float, is_over: bool) -> None:
    verdict = expired(BEFORE.ended, validity, now)

    assert (verdict is not None) == is_over
    if verdict is not None:
        assert verdict.reason == "validity period over since"


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        pytest.param(
            {"TASK.t.function": "m.f", "DATA_NODE.c.path": '"b.csv"'},
            {"TASK.t.function": "m.f", "DATA_NODE.c.path": '"a.csv"'},
            Verdict(
                skip=False,
                reason="",
                detail='DATA_NODE.c.path changed: "a.csv" -> "b.csv"',
                key=("DATA_NODE", "c", "path"),
            ),
            id="another-value",
        ),
        pytest.param(
            {"DATA_NODE.c.path": '"b.csv"'},
            {},
            Verdict(
                skip=False,
                reason="",
                detail='DATA_NODE.c.path changed: nothing -> "b.csv"',
                key=("DATA_NODE", "c", "path"),
            ),
            id="new",
        ),
        pytest.param(
            {},
            {"DATA_NODE.c.path": '"b.csv"'},
            Verdict(
                skip=False,
                reason="",
                detail='DATA_NODE.c.path changed: "b.csv" -> nothing',
                key=("DATA_NODE", "c", "path"),
            ),
            id="gone",
        ),
        pytest.param({}, {}, Verdict(skip=False, reason="settings changed"), id="unknown"),
    ],
)
def test_settings(now: dict[str, str], before: dict[str, str], verdict: Verdict) -> None:
    assert changed_setting(now, before) == verdict
