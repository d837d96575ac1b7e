from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runner.cli.style import Paint, painter
from runner.cli.values import MOST_LINES, lines_of


@pytest.fixture
def paint(capsys: pytest.CaptureFixture[str]) -> Paint:
    import sys

    return painter(sys.stdout, "never")


def shown(value: Any, paint: Paint, limit: int = 20, columns: int | None = None) -> str:
    return "\n".join(lines_of(value, limit, paint, columns))


@dataclass
class Point:
    x: int
    y: int


class Row:
    def __init__(self, a: int) -> None:
        self.a = a


class Broken:
    def __repr__(self) -> str:
        raise LookupError("no text")


class Long:
    def __repr__(self) -> str:
        return "first\nsecond"


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - what users have
ENDLESS: Final[list[Any]] = []
ENDLESS.append(ENDLESS)

TABLES = [
    pytest.param(pd.DataFrame({"n": [1, 9], "t": ["a", None]}), "n  t\n1  a\n9  -", id="pandas"),
    pytest.param(pd.DataFrame({"n": [1]}, index=["k"]), "index  n\nk      1", id="index"),
    pytest.param(
        pd.DataFrame({"n": [1]}, index=pd.MultiIndex.from_tuples([("a", 2)], names=["x", None])),
        "x  level_1  n\na        2  1",
        id="several-indices",
    ),
    pytest.param(pd.Series([1.5, float("nan")], name="v"), "  v\n1.5\n  -", id="series"),
    pytest.param(pd.DataFrame({"a": []}), "a\nno rows", id="no-rows"),
    pytest.param(pd.DataFrame([[1, 2]], columns=["a", "a"]), "a  a\n1  2", id="same-names"),
    pytest.param(pa.table({"n": [1, 2]}), "n\n1\n2", id="pyarrow"),
    pytest.param(np.array([[1, 2], [3, 4]]), "0  1\n1  2\n3  4", id="array"),
    pytest.param(np.array([1.5]), "  0\n1.5", id="array-of-one-dimension"),
    pytest.param(np.array([(1, 2.0)], dtype="i8, f8"), "f0   f1\n 1  2.0", id="structured"),
    pytest.param(np.array(["2026-05-01"], dtype="M8[ns]"), "0\n2026-05-01 00:00:00", id="times"),
    pytest.param([{"a": 1}, {"b": True}], "a  b\n1  -\n-  True", id="records"),
    pytest.param([Point(1, 2)], "x  y\n1  2", id="dataclasses"),
    pytest.param([Row(1), Row(2)], "a\n1\n2", id="objects"),
    pytest.param([Pair(1, "x")], "a  b\n1  x", id="named-tuples"),
    pytest.param([{"d": Decimal("1.50")}, {"d": 2}], "   d\n1.50\n   2", id="numbers"),
    pytest.param([{"t": date(2026, 5, 1)}], "t\n2026-05-01", id="dates"),
    pytest.param([{"a": "x" * 50, "b": "1\n2\t3\x1b"}],
                 f"a{' ' * 41}b\n{'x' * 37}...  1\\n2\\t3\\x1b", id="long-and-control"),
    pytest.param({"s1": [{"a": 1}], "s2": pd.DataFrame({"b": [2]})}, "== s1\na\n1\n== s2\nb\n2",
                 id="sheets"),
    pytest.param([{"a": Broken()}], "a\na Broken of which no text can be made", id="no-text"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), TABLES)
def test_a_table(value: Any, text: str, paint: Paint) -> None:
    assert shown(value, paint) == text


def test_a_table_of_polars(paint: Paint) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, None, 3]})

    assert shown(frame, paint, limit=2) == "a\n1\n-\n... 1 more row"
    assert shown(frame["a"], paint, limit=2) == "a\n1\n-\n... 1 more row"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pd.DataFrame({"n": range(1_000_000)}), id="pandas"),
        pytest.param(np.arange(1_000_000).reshape(-1, 1), id="numpy"),
        pytest.param(pa.table({"n": range(1_000_000)}), id="pyarrow"),
        pytest.param([{"n": n} for n in range(1_000_000)], id="records"),
    ],
)
def test_the_first_rows_of_many(value: Any, paint: Paint) -> None:
    assert shown(value, paint, limit=2).partition("\n")[2] == "0\n1\n... 999,998 more rows"


def test_a_table_that_is_wider_than_the_terminal(paint: Paint) -> None:
    frame = pd.DataFrame([[1000, "abc", 3], [2, "d", 4]], columns=["one", "two", "three"])

    assert (
        shown(frame, paint, columns=15) == " one  two  ...\n1000  abc\n   2  d\n... 1 more column"
    )
    assert shown(frame, paint, columns=16) == " one  two  three\n1000  abc      3\n   2  d        4"
    assert shown(frame, paint, limit=1, columns=1) == (
        " one  ...\n1000\n... 1 more row and 2 more columns"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(None, "null", id="none"),
        pytest.param(True, "true", id="truth"),
        pytest.param(1.5, "1.5", id="number"),
        pytest.param('a "ä"\n', '"a \\"ä\\"\\n"', id="text"),
        pytest.param("\x1b[2J", '"\\u001b[2J"', id="escape"),
        pytest.param("x" * 1_001, f'"{"x" * 1_000}"... (1,001 characters)', id="long-text"),
        pytest.param(b"\x00" * 1_001, f"{bytes(1_000)!r}... (1,001 bytes)", id="bytes"),
        pytest.param(10**5_000, "a int of which no text can be made", id="long-number"),
        pytest.param([], "[]", id="empty-list"),
        pytest.param({}, "{}", id="empty-dict"),
        pytest.param(set(), "{}", id="empty-set"),
        pytest.param([1, "a", None], '[1, "a", null]', id="list"),
        pytest.param((1, 2), "[1, 2]", id="tuple"),
        pytest.param({1: "a"}, '{1: "a"}', id="dict"),
        pytest.param(Point(1, 2), 'Point {"x": 1, "y": 2}', id="dataclass"),
        pytest.param(Row(1), 'Row {"a": 1}', id="object"),
        pytest.param(Pair(1, 2), 'Pair {"a": 1, "b": 2}', id="named-tuple"),
        pytest.param(date(2026, 5, 1), "datetime.date(2026, 5, 1)", id="date"),
        pytest.param(Broken(), "a Broken of which no text can be made", id="no-text"),
        pytest.param(Long(), "first ...", id="several-lines"),
        pytest.param(np.zeros((2, 2, 2)), "array([[[0., 0.], ...", id="array"),
        pytest.param(int, "<class 'int'>", id="class"),
        pytest.param({"a": [1], "b": {"c": {}}},
                     '{\n  "a": [1],\n  "b": {\n    "c": {}\n  }\n}', id="nested"),
        pytest.param([[1], [2, [3]]], "[\n  [1],\n  [\n    2,\n    [3]\n  ]\n]", id="lists"),
        pytest.param([{"a": [1]}], '[\n  {\n    "a": [1]\n  }\n]', id="records-that-hold-more"),
    ],
)  # fmt: skip
def test_a_value_that_is_no_table(value: Any, text: str, paint: Paint) -> None:
    assert shown(value, paint) == text


def test_parts_of_many(paint: Paint) -> None:
    assert shown(list(range(1_000)), paint, limit=2) == "[\n  0,\n  1,\n  ... 998 more\n]"
    assert shown({"a": list(range(1_000))}, paint, limit=1) == (
        '{\n  "a": [\n    0,\n    ... 999 more\n  ]\n}'
    )


def test_what_holds_itself_has_an_end(paint: Paint) -> None:
    lines = shown(ENDLESS, paint).splitlines()

    assert len(lines) == 101
    assert lines[50] == f"{' ' * 100}[ ... ]"


def test_a_value_of_many_lines_is_cut(paint: Paint) -> None:
    value = {each: {"of": [[1]] * 100} for each in range(100)}

    lines = list(lines_of(value, 100, paint))

    assert len(lines) == MOST_LINES + 1
    assert lines[-1] == "... cut after 1,000 lines"
