from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.references import FunctionRef, parse_reference

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("m.f", "m.f", id="module-and-name"),
        pytest.param("p.m.C.method", "p.m.C.method", id="method"),
        pytest.param("p.m:f", "p.m.f", id="colon"),
        pytest.param("m:C.method", "m.C.method", id="colon-before-a-class"),
        pytest.param("  m.f ", "m.f", id="blanks"),
        pytest.param("méson.ƒ", "méson.ƒ", id="any-identifier"),
    ],
)
def test_parse_reference(text: str, name: str) -> None:
    assert parse_reference(text) == FunctionRef(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "f", 'expected a dotted name like "package.module.name", got "f"', id="no-dot"
        ),
        pytest.param("", 'expected a dotted name like "package.module.name", got ""', id="empty"),
        pytest.param(
            "m:", 'expected a dotted name like "package.module.name", got "m:"', id="colon-only"
        ),
        pytest.param("a..b", '"a..b" is no dotted name: `` is not a Python name', id="two-dots"),
        pytest.param(".a", '".a" is no dotted name: `` is not a Python name', id="relative"),
        pytest.param("a.b()", '"a.b()" is no dotted name: `b()` is not a Python name', id="call"),
        pytest.param(
            "a.py:f.1", '"a.py:f.1" is no dotted name: `1` is not a Python name', id="digit"
        ),
        pytest.param("a:b:c", '"a:b:c" is no dotted name: `b:c` is not a Python name', id="colons"),
    ],
)
def test_what_is_no_reference(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"dotted name") as caught:
        parse_reference(text)
    assert str(caught.value) == message


@given(st.lists(names, min_size=2, max_size=5))
def test_a_reference_is_read_as_it_is_shown(parts: list[str]) -> None:
    reference = parse_reference(".".join(parts))
    assert reference.parts == tuple(parts)
    assert parse_reference(str(reference)) == reference


def test_the_target_is_not_part_of_what_a_reference_is() -> None:
    assert FunctionRef("m.f", print) == FunctionRef("m.f")
