from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.suggestions import did_you_mean, distance, nearest

words = st.text("ab_c", max_size=7)


def by_definition(left: str, right: str) -> int:
    """Optimal string alignment, straight from its recurrence."""
    if not left or not right:
        return len(left) + len(right)
    edits = min(
        by_definition(left[1:], right) + 1,
        by_definition(left, right[1:]) + 1,
        by_definition(left[1:], right[1:]) + (left[0] != right[0]),
    )
    if left[:2] == right[1::-1] and len(left) > 1 and len(right) > 1:
        edits = min(edits, by_definition(left[2:], right[2:]) + 1)
    return edits


@pytest.mark.parametrize(
    ("left", "right", "edits"),
    [
        pytest.param("", "", 0, id="empty"),
        pytest.param("inputs", "inputs", 0, id="equal"),
        pytest.param("inputs", "input", 1, id="deleted"),
        pytest.param("input", "inputs", 1, id="inserted"),
        pytest.param("inputs", "imputs", 1, id="replaced"),
        pytest.param("inptus", "inputs", 1, id="swapped"),
        pytest.param("ca", "abc", 3, id="nothing-between-swapped-neighbours"),
        pytest.param("", "abc", 3, id="from-nothing"),
    ],
)
def test_distance(left: str, right: str, edits: int) -> None:
    assert distance(left, right, 9) == edits


@given(left=st.text("abc", max_size=5), right=st.text("abc", max_size=5), limit=st.integers(0, 6))
def test_distance_is_that_of_its_definition_up_to_the_limit(
    left: str, right: str, limit: int
) -> None:
    assert distance(left, right, limit) == min(by_definition(left, right), limit + 1)


@given(left=words, right=words, limit=st.integers(0, 8))
def test_distance_is_symmetric(left: str, right: str, limit: int) -> None:
    assert distance(left, right, limit) == distance(right, left, limit)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("inptus", "inputs", id="swapped"),
        pytest.param("ouputs", "outputs", id="left-out"),
        pytest.param("OUTPUTS", "outputs", id="case-is-equal"),
        pytest.param("tasg", "tags", id="one-edit-of-a-short-name"),
        pytest.param("sagt", None, id="two-edits-of-a-short-name"),
        pytest.param("outputting", None, id="three-edits"),
        pytest.param("", None, id="empty"),
        pytest.param("x", None, id="a-letter-is-not-meant-to-be-another"),
    ],
)
def test_nearest(name: str, meant: str | None) -> None:
    assert nearest(name, ["inputs", "outputs", "tags", "y"]) == meant


def test_the_nearest_of_several_is_named() -> None:
    assert nearest("clean", ["cleans", "Clean", "clear"]) == "Clean"


@given(names=st.permutations(["raw_a", "raw_b", "raw_c"]))
def test_of_equally_near_ones_the_first_of_the_alphabet(names: list[str]) -> None:
    assert nearest("raw_x", names) == "raw_a"


@given(name=words, candidates=st.lists(words))
def test_nearest_is_a_candidate_within_two_edits(name: str, candidates: list[str]) -> None:
    meant = nearest(name, candidates)
    assert meant is None or (meant in candidates and by_definition(name, meant) <= 2)


def test_did_you_mean() -> None:
    assert did_you_mean("rwa", ["raw"]) == "did you mean `raw`?"
    assert did_you_mean("rwa", ["limits"]) is None
