from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from runner.config.document import Document, Layer, Places, merge
from runner.diagnostics import Diagnostic, KeyPath, Place, Position, Related

tables = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 3) | st.lists(st.integers(0, 3))),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | st.integers(0, 3)),
    max_leaves=6,
)


def layer(name: str, text: str) -> Layer:
    return Layer(name, lambda: tomli.loads(text), text)


def place(file: str, line: int, start: int, end: int) -> Place:
    return Place(file, Position(line, start), Position(line, end))


LOW = layer("low.toml", '[TASK.a]\nfunction = "m.f"\ninputs = ["x", "y"]\n')
HIGH = layer("high.toml", '[TASK.a]\ninputs = ["z"]\n')
SET = Layer("--set TASK.a.retries=3", lambda: {"TASK": {"a": {"retries": 3}}})
BUILT = Layer("", lambda: {"TASK": {"a": {"timeout": 1}}})
DOCUMENT = Document((BUILT, LOW, HIGH, SET))


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([{"a": 1}, {"a": 2}], {"a": 2}, id="value"),
        pytest.param([{"a": {"b": 1}}, {"a": {"c": 2}}], {"a": {"b": 1, "c": 2}}, id="table"),
        pytest.param(
            [{"a": {"b": {"c": 1, "d": 1}}}, {"a": {"b": {"c": 2}}}],
            {"a": {"b": {"c": 2, "d": 1}}},
            id="any-depth",
        ),
        pytest.param([{"a": [1, 2]}, {"a": [3]}], {"a": [3]}, id="list-is-replaced-whole"),
        pytest.param([{"a": [{"b": 1}]}, {"a": [{"c": 1}]}], {"a": [{"c": 1}]}, id="of-tables"),
        pytest.param([{"a": 1}, {"a": {"b": 1}}], {"a": {"b": 1}}, id="table-over-value"),
        pytest.param([{"a": {"b": 1}}, {"a": 1}], {"a": 1}, id="value-over-table"),
    ],
)
def test_merge(layers: list[Mapping[str, Any]], merged: Mapping[str, Any]) -> None:
    assert merge(layers) == merged


@given(st.lists(tables, max_size=4))
def test_merging_at_once_is_merging_one_by_one(layers: list[Mapping[str, Any]]) -> None:
    result: Mapping[str, Any] = {}
    for each in layers:
        result = merge([result, each])
    assert result == merge(layers)


@given(st.lists(tables, max_size=4))
def test_merging_changes_no_layer(layers: list[dict[str, Any]]) -> None:
    before = deepcopy(layers)
    merge(layers)
    assert layers == before


def test_the_highest_layer_that_has_a_key_is_the_first_writer() -> None:
    assert list(DOCUMENT.writers(("TASK", "a", "inputs"))) == [HIGH, LOW]
    assert list(DOCUMENT.writers(("TASK", "a", "inputs", 1))) == [LOW]
    assert list(DOCUMENT.writers(("TASK", "b"))) == []


def test_mentions_is_never_wrongly_false() -> None:
    assert Document((LOW,)).mentions("m.f")
    assert not Document((LOW,)).mentions("ENV[")
    assert Document((LOW, SET)).mentions("ENV[")


def test_the_text_of_a_layer() -> None:
    assert DOCUMENT.text("high.toml") == HIGH.text
    assert DOCUMENT.text(SET.name) is None
    assert DOCUMENT.text("no.toml") is None


@pytest.mark.parametrize(
    ("key", "on_key", "found"),
    [
        pytest.param(("TASK", "a", "function"), False, place("low.toml", 2, 12, 17), id="value"),
        pytest.param(("TASK", "a", "function"), True, place("low.toml", 2, 1, 9), id="key"),
        pytest.param(
            ("TASK", "a", "inputs"), False, place("high.toml", 2, 10, 15), id="highest-layer"
        ),
        pytest.param(("TASK", "a", "inputs", 0), False, place("high.toml", 2, 11, 14), id="item"),
        pytest.param(
            ("TASK", "a", "outputs"), False, place("high.toml", 1, 7, 8), id="nearest-above"
        ),
        pytest.param(("TASK", "a", "retries"), False, place(SET.name, 1, 1, 1), id="override"),
        pytest.param(("SCENARIO", "s"), False, None, id="nowhere"),
        pytest.param((), False, None, id="the-config-as-a-whole"),
    ],
)
def test_places(key: KeyPath, on_key: bool, found: Place | None) -> None:
    document = Document((LOW, HIGH, SET) if "retries" in key else (LOW, HIGH))
    assert Places(document).of(key, on_key=on_key) == found


FREE = layer(
    "free.toml",
    '[TASK.a]\nowner = "me"\nproperties = {team = "us"}\n'
    '[SCENARIO.s.comparators]\nx = "m.f"\ny = ["m.f", "m.g"]\n',
)


@pytest.mark.parametrize(
    ("key", "on_key", "found"),
    [
        pytest.param(("TASK", "a", "team"), True, place("free.toml", 3, 15, 19), id="in-the-table"),
        pytest.param(
            ("TASK", "a", "properties", "owner"), False, place("free.toml", 2, 9, 13),
            id="beside-it",
        ),
        pytest.param(
            ("SCENARIO", "s", "comparators", "x", 0), False, place("free.toml", 5, 5, 10),
            id="the-only-item-of-a-list-that-is-not-written",
        ),
        pytest.param(
            ("SCENARIO", "s", "comparators", "y", 1), False, place("free.toml", 6, 13, 18),
            id="item",
        ),
    ],
)  # fmt: skip
def test_places_of_what_may_be_written_in_two_ways(
    key: KeyPath, on_key: bool, found: Place
) -> None:
    assert Places(Document((FREE,))).of(key, on_key=on_key) == found


def test_what_the_builder_says_has_no_place() -> None:
    assert Places(Document((BUILT,))).of(("TASK", "a", "timeout")) is None


def test_a_diagnostic_is_located_with_all_its_related_places() -> None:
    known = Place("f.py", Position(1, 1), Position(1, 2))
    diagnostic = Diagnostic(
        code="RUN104",
        message="m",
        key=("TASK", "a", "function"),
        related=(
            Related(message="here", key=("TASK", "a", "inputs")),
            Related(message="there", place=known),
        ),
    )
    located = Places(Document((LOW,))).located(diagnostic)
    assert located.place == place("low.toml", 2, 12, 17)
    assert [related.place for related in located.related] == [
        place("low.toml", 3, 1, 7),
        known,
    ]


def test_a_value_that_overrides_others_names_their_places() -> None:
    diagnostic = Diagnostic(code="RUN105", message="m", key=("TASK", "a", "inputs"))
    (related,) = Places(Document((BUILT, LOW, HIGH))).located(diagnostic).related
    assert related.message == "high.toml:2 overrides what is written below it"
    assert related.place == place("low.toml", 3, 10, 20)


def test_an_override_is_named_without_a_line() -> None:
    diagnostic = Diagnostic(code="RUN116", message="m", key=("TASK", "a", "retries"))
    low = layer("low.toml", "[TASK.a]\nretries = 1\n")
    (related,) = Places(Document((low, SET))).located(diagnostic).related
    assert related.message == "--set TASK.a.retries=3 overrides what is written below it"


def test_a_place_that_is_known_is_kept() -> None:
    known = Place("f.py", Position(1, 1), Position(1, 2))
    diagnostic = Diagnostic(code="RUN301", message="m", key=("TASK", "a"), place=known)
    assert Places(Document((LOW,))).located(diagnostic).place == known
