from __future__ import annotations

import pytest

from runner.checker.severity import code_of, judge, meant_code, unknown_codes
from runner.config.model import CheckConfig
from runner.diagnostics import Diagnostic

ERROR = Diagnostic(code="RUN201", message="unknown data node `rwa`")
UNUSED = Diagnostic(code="RUN205", message="task `t` is in no scenario")
EMPTY = Diagnostic(code="RUN208", message="scenario `s` has no tasks")


@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        pytest.param(
            CheckConfig(), {}, ["error RUN201", "warning RUN205", "warning RUN208"], id="as-found"
        ),
        pytest.param(
            CheckConfig(),
            {"strict": True},
            ["error RUN201", "error RUN205", "error RUN208"],
            id="strict-option",
        ),
        pytest.param(
            CheckConfig(strict=True),
            {},
            ["error RUN201", "error RUN205", "error RUN208"],
            id="strict-in-config",
        ),
        pytest.param(
            CheckConfig(),
            {"ignore": ["RUN205"]},
            ["error RUN201", "warning RUN208"],
            id="ignored-code",
        ),
        pytest.param(
            CheckConfig(),
            {"ignore": ["empty-scenario"]},
            ["error RUN201", "warning RUN205"],
            id="ignored-slug",
        ),
        pytest.param(
            CheckConfig(ignore=("unused",)),
            {"ignore": ["RUN208"]},
            ["error RUN201"],
            id="ignored-in-both",
        ),
        pytest.param(
            CheckConfig(ignore=("RUN201",), severity={"RUN201": "off"}),
            {"ignore": ["unknown-data-node"]},
            ["error RUN201", "warning RUN205", "warning RUN208"],
            id="errors-are-never-ignored",
        ),
        pytest.param(
            CheckConfig(severity={"RUN201": "warning"}),
            {},
            ["error RUN201", "warning RUN205", "warning RUN208"],
            id="errors-stay-errors",
        ),
        pytest.param(
            CheckConfig(severity={"unused": "error", "RUN208": "off"}),
            {},
            ["error RUN201", "error RUN205"],
            id="severities",
        ),
        pytest.param(
            CheckConfig(severity={"unused": "off"}),
            {"strict": True},
            ["error RUN201", "error RUN208"],
            id="off-also-when-strict",
        ),
        pytest.param(CheckConfig(), {"select": ["unused"]}, ["warning RUN205"], id="selected"),
        pytest.param(
            CheckConfig(),
            {"select": ["RUN205", "RUN208"], "ignore": ["RUN208"], "strict": True},
            ["error RUN205"],
            id="all-together",
        ),
    ],
)
def test_judge(config: CheckConfig, options: dict[str, object], expected: list[str]) -> None:
    judged = judge([ERROR, UNUSED, EMPTY], config, **options)  # type: ignore[arg-type]  # of a table
    assert [f"{each.severity} {each.code}" for each in judged] == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(CheckConfig(ignore=("RUN205", "unused", "Unused", "run205")), [], id="known"),
        pytest.param(
            CheckConfig(ignore=("RUN205", "unusd")),
            ["CHECK.ignore.1: error[RUN116]: `unusd` is no code (did you mean `unused`?)"],
            id="ignore",
        ),
        pytest.param(
            CheckConfig(severity={"nothing-like-it": "off"}),
            ["CHECK.severity.nothing-like-it: error[RUN116]: `nothing-like-it` is no code"],
            id="severity",
        ),
    ],
)
def test_unknown_codes(config: CheckConfig, expected: list[str]) -> None:
    assert list(map(str, unknown_codes(config))) == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [
        pytest.param("RUN203", "RUN203", id="code"),
        pytest.param("run203", "RUN203", id="lower-case"),
        pytest.param("cycle", "RUN203", id="slug"),
        pytest.param("CYCLE", "RUN203", id="upper-case-slug"),
        pytest.param("RUN999", None, id="unknown"),
        pytest.param("", None, id="empty"),
    ],
)
def test_code_of(name: str, code: str | None) -> None:
    assert code_of(name) == code


def test_meant_code() -> None:
    assert meant_code("cylce") == "did you mean `cycle`?"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(CheckConfig(ignore=("type-mismatch",)), [], id="ignored"),
        pytest.param(CheckConfig(severity={"RUN305": "off"}), [], id="off"),
        pytest.param(CheckConfig(severity={"RUN305": "warning"}), ["warning RUN305"], id="down"),
    ],
)
def test_an_error_of_the_users_code_can_be_turned_off(
    config: CheckConfig, expected: list[str]
) -> None:
    judged = judge([Diagnostic(code="RUN305", message="int is no str")], config)
    assert [f"{each.severity} {each.code}" for each in judged] == expected
