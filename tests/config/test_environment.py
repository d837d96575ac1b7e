from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.environment import resolve_env
from runner.config.model import EnvRef, Frequency, Scope, SectionRef
from runner.config.references import FunctionRef
from runner.config.structure import coerce_free
from runner.diagnostics import Diagnostic


@pytest.mark.parametrize(
    ("raw", "text", "value"),
    [
        pytest.param("ENV[X]", "abc", "abc", id="text"),
        pytest.param("ENV[X]", "8:int", "8:int:str", id="typed-text-is-escaped"),
        pytest.param("ENV[X]", "", "", id="empty"),
        pytest.param("ENV[X]:str", "8:int", "8:int:str", id="str"),
        pytest.param("ENV[X]:int", "8", 8, id="int"),
        pytest.param("ENV[X]:bool", "TRUE", True, id="bool"),
        pytest.param("ENV[X]:float", "0.5", 0.5, id="float"),
        pytest.param("ENV[X]:timedelta", "1m", timedelta(minutes=1), id="timedelta"),
        pytest.param("ENV[X]:SCOPE", "GLOBAL", Scope.GLOBAL, id="scope"),
        pytest.param("ENV[X]:FREQUENCY", "DAILY", Frequency.DAILY, id="frequency"),
        pytest.param("ENV[X]:SECTION", "raw", SectionRef("raw"), id="section"),
        pytest.param("ENV[X]:function", "m.f", FunctionRef("m.f"), id="function"),
        pytest.param("ENV[X:-no]", "yes", "yes", id="default-is-not-needed"),
    ],
)
def test_a_variable_that_is_set(raw: str, text: str, value: object) -> None:
    tables, refs, problems = resolve_env({"K": raw}, {"X": text})
    assert tables == {"K": value}
    assert type(tables["K"]) is type(value)
    assert refs == {("K",): EnvRef(raw, "X")}
    assert problems == []


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param("ENV[X:-8]:int", 8, id="typed"),
        pytest.param("ENV[X:-]", "", id="empty"),
        pytest.param("ENV[X:-ENV[Y]]", "ENV[Y]", id="is-not-looked-up-itself"),
    ],
)
def test_a_default(raw: str, value: object) -> None:
    assert resolve_env({"K": raw}, {})[0] == {"K": value}


def test_any_place_and_depth() -> None:
    raw = {"A": {"b": ["ENV[X]", {"c": [["ENV[X]:int"]]}]}}
    tables, refs, _ = resolve_env(raw, {"X": "1"})
    assert tables == {"A": {"b": ["1", {"c": [[1]]}]}}
    assert list(refs) == [("A", "b", 0), ("A", "b", 1, "c", 0, 0)]


def test_keys_are_left_alone() -> None:
    assert resolve_env({"ENV[X]": 1}, {"X": "a"})[0] == {"ENV[X]": 1}


def test_all_that_are_missing_are_told_at_once() -> None:
    raw = {"A": "ENV[X]", "B": ["ENV[Y]:int"]}
    tables, _, problems = resolve_env(raw, {})
    assert tables == raw
    assert problems == [
        Diagnostic(
            code="RUN111",
            key=("A",),
            message="environment variable `X` is not set",
            hint="set it, or give a default: ENV[X:-…]",
        ),
        Diagnostic(
            code="RUN111",
            key=("B", 0),
            message="environment variable `Y` is not set",
            hint="set it, or give a default: ENV[Y:-…]",
        ),
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("int", "expected int"),
        ("bool", "expected bool"),
        ("SCOPE", "expected one of SCENARIO, CYCLE, GLOBAL"),
    ],
)
def test_a_bad_value_is_not_shown(kind: str, expected: str) -> None:
    _, _, problems = resolve_env({"K": f"ENV[X]:{kind}"}, {"X": "hunter2"})
    assert problems == [
        Diagnostic(code="RUN112", key=("K",), message=f"environment variable `X`: {expected}")
    ]


@pytest.mark.parametrize("kind", ["function", "class"])
def test_a_bad_function_is_not_shown(kind: str) -> None:
    _, _, problems = resolve_env({"K": f"ENV[X]:{kind}"}, {"X": "hunter2"})
    assert "hunter2" not in repr(problems)


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        pytest.param(("db_password",), True, id="password"),
        pytest.param(("tokens", "a"), True, id="under-a-secret-key"),
        pytest.param(("db_username",), False, id="not-secret"),
    ],
)
def test_a_secret_is_marked(key: tuple[str, ...], secret: bool) -> None:
    raw: Any = "ENV[X]"
    for part in reversed(key):
        raw = {part: raw}
    assert resolve_env(raw, {"X": "a"})[1] == {key: EnvRef("ENV[X]", "X", secret)}


@given(st.text(), st.sampled_from(["ENV[X]", "ENV[X]:str"]))
def test_a_text_of_the_environment_stays_that_text(text: str, raw: str) -> None:
    tables, _, _ = resolve_env({"K": raw}, {"X": text})
    assert coerce_free(tables["K"]) == text
