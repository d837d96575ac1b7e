"""What is written twice is found with both its places."""

from __future__ import annotations

import pytest
import tomli

from runner.config.duplicates import written_twice
from runner.diagnostics import KeyPath


@pytest.mark.parametrize(
    ("text", "key", "first", "second"),
    [
        pytest.param("a = 1\nb = 2\na = 3\n", ("a",), 0, 12, id="key"),
        pytest.param("[t]\nx=1\n[u]\n[t]\ny=1\n", ("t",), 1, 13, id="table"),
        pytest.param("[t]\nx = [1]\nx = [\n1,\n2]\nz=1\n", ("t", "x"), 4, 12, id="list"),
        pytest.param("[t]\na.b=1\na = 2\n", ("t", "a"), 4, 10, id="dotted"),
        pytest.param("[a]\nb=1\n[a.b]\nc=1\n", ("a", "b"), 4, 11, id="value-then-table"),
        pytest.param("[[t]]\nx=1\n[t]\n", ("t",), 2, 11, id="array-then-table"),
        pytest.param('"é" = 1\r\n"é" = """\r\n"""\r\n', ("é",), 0, 9, id="quoted-crlf"),
    ],
)
def test_both_places(text: str, key: KeyPath, first: int, second: int) -> None:
    with pytest.raises(tomli.TOMLDecodeError, match="Cannot") as refused:
        tomli.loads(text)
    end = refused.value.pos + text.count("\r\n", 0, refused.value.pos)

    twice = written_twice(text, end)

    assert twice is not None
    assert (twice.key, twice.first[0], twice.second[0]) == (key, first, second)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a = {b = 1, b = 2}\n", id="inline"),
        pytest.param("a = \n", id="no-value"),
        pytest.param("]\n", id="no-toml"),
        pytest.param("", id="empty"),
    ],
)
def test_nothing_is_told_of_other_mistakes(text: str) -> None:
    assert written_twice(text, max(len(text) - 1, 0)) is None
