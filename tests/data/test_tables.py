from __future__ import annotations

import enum
import sys
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from runner.data.tables import (
    Table,
    as_frame,
    count_rows,
    import_library,
    plain,
    table_of,
    tabulate,
)
from runner.errors import JobError


@attrs.frozen
class Attrs:
    a: int
    _b: str


@dataclass
class Data:
    a: int
    b: str


class Plain:
    def __init__(self, a: int, b: str) -> None:
        self.a = a
        self.b = b


Named = namedtuple("Named", ["a", "b"])  # noqa: PYI024 - the untyped kind has to work too


class Colour(enum.Enum):
    RED = 1


AB = Table(("a", "b"), [[1, "x"]])


@pytest.mark.parametrize(
    ("value", "table"),
    [
        pytest.param([{"a": 1, "b": "x"}], AB, id="dicts"),
        pytest.param([Attrs(1, "x")], AB, id="attrs"),
        pytest.param([Data(1, "x")], AB, id="dataclass"),
        pytest.param([Plain(1, "x")], AB, id="object"),
        pytest.param([Named(1, "x")], AB, id="named-tuple"),
        pytest.param(({"a": each} for each in [1, 2]), Table(("a",), [[1], [2]]), id="generator"),
        pytest.param([{"a": 1}, {"b": 2}], Table(("a", "b"), [[1, None], [None, 2]]), id="gaps"),
        pytest.param({"a": [1], "b": ("x",)}, Table(("a", "b"), [(1, "x")]), id="columns"),
        pytest.param([[1, 2], (3,)], Table((0, 1), [[1, 2], [3, None]]), id="lists"),
        pytest.param([np.array([1, 2])], Table((0, 1), [[1, 2]]), id="arrays"),
        pytest.param(
            [1, "ab", None, date(2024, 1, 1)],
            Table((0,), [[1], ["ab"], [None], [date(2024, 1, 1)]]),
            id="values",
        ),
        pytest.param([Colour.RED], Table((0,), [[Colour.RED]]), id="enums"),
        pytest.param([], Table((), []), id="nothing"),
        pytest.param({}, Table((), []), id="no-columns"),
    ],
)
def test_tabulate(value: object, table: Table) -> None:
    assert tabulate(value) == table


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(5, "`result` is a `int`, which is no table", id="int"),
        pytest.param("abc", "`result` is a `str`, which is no table", id="text"),
        pytest.param(None, "`result` is a `NoneType`, which is no table", id="none"),
        pytest.param({"a": 1}, "`result['a']` is a `int`, no column", id="dict-of-values"),
        pytest.param({"a": [1], "b": []}, "the columns differ in length", id="ragged"),
        pytest.param(
            [{"a": 1}, [1]], "some of its rows have column names and some have none", id="mixed"
        ),
    ],
)
def test_what_is_no_table(value: object, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=r".") as caught:
        tabulate(value)
    assert str(caught.value) == message


def test_records() -> None:
    assert Table(("a", "b"), [[1, 2], [3, 4]]).records() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


class Convertible:
    def to_pandas(self) -> pd.DataFrame:
        return pd.DataFrame({"a": [1]})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pd.DataFrame({"a": [1]}), id="frame"),
        pytest.param(pd.Series([1], name="a"), id="series"),
        pytest.param(np.array([(1,)], dtype=[("a", "i8")]), id="structured"),
        pytest.param(Convertible(), id="to-pandas"),
    ],
)
def test_as_frame(value: Any) -> None:
    pd.testing.assert_frame_equal(as_frame(value, "x"), pd.DataFrame({"a": [1]}))


def test_pandas_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(JobError, match=r"^data node `x` needs pandas: ") as caught:
        import_library("x", "pandas")
    assert caught.value.code == "RUN402"
    assert caught.value.hint == "install it: pip install 'toml-runner[tables]'"


def test_polars_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(JobError, match=r"^data node `x` needs polars: ") as caught:
        import_library("x", "polars")
    assert caught.value.code == "RUN402"
    assert caught.value.hint == "install it: pip install polars"


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        pytest.param(pd.DataFrame({"a": [1, 2]}), 2, id="pandas"),
        pytest.param(pd.Series([1, 2, 3]), 3, id="series"),
        pytest.param(pa.table({"a": [1, 2]}), 2, id="pyarrow"),
        pytest.param(np.zeros((4, 2)), 4, id="array"),
        pytest.param(np.zeros(()), None, id="array-without-dimensions"),
        pytest.param(np.float64(1.5), None, id="number-of-numpy"),
        pytest.param(pd.Timestamp(0), None, id="time-of-pandas"),
        pytest.param([{"a": 1}], None, id="list"),
        pytest.param(SimpleNamespace(shape=(5,)), None, id="shape-of-the-users"),
    ],
)
def test_how_many_rows_a_table_has(value: Any, rows: int | None) -> None:
    assert count_rows(value) == rows


def test_how_many_rows_a_table_of_polars_has() -> None:
    polars = pytest.importorskip("polars")
    assert count_rows(polars.DataFrame({"a": [1, 2]})) == 2


FULL = Table(("a", "b"), [(1, "x"), (None, None)])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(pd.DataFrame({"a": [1, pd.NA], "b": ["x", None]}, dtype=object), id="frame"),
        pytest.param(pd.DataFrame({"a": [1, None], "b": ["x", None]}), id="frame-of-floats"),
        pytest.param(pl.DataFrame({"a": [1, None], "b": ["x", None]}), id="polars"),
        pytest.param(pd.DataFrame({"a": [1, None], "b": ["x", None]}).to_numpy(), id="array"),
    ],
)
def test_table_of(value: Any) -> None:
    table = table_of(value, "x")
    assert [tuple(row) for row in table.rows] == FULL.rows
    assert len(table.columns) == 2


def test_columns_of_one_name_stay_two() -> None:
    frame = pd.DataFrame([[1, "x"]], columns=["a", "a"])
    assert table_of(frame, "x") == Table(("a", "a"), [(1, "x")])


def test_a_frame_without_columns_keeps_its_rows() -> None:
    assert table_of(pd.DataFrame(index=range(2)), "x") == Table((), [(), ()])


def test_what_is_no_table_is_named() -> None:
    with pytest.raises(TypeError, match=r"^`result\['a'\]` is a `int`, which is no table$"):
        table_of(5, "x", "result['a']")


@pytest.mark.parametrize(
    ("value", "made"),
    [
        pytest.param(np.int8(1), 1, id="int"),
        pytest.param(np.float32(0.5), 0.5, id="float"),
        pytest.param(np.str_("x"), "x", id="text"),
        pytest.param(np.datetime64("2024-02-29T12:00", "ns"), datetime(2024, 2, 29, 12), id="time"),
        pytest.param(np.timedelta64(1, "ns"), timedelta(0), id="span"),
        pytest.param(np.datetime64("NaT"), None, id="no-time"),
        pytest.param(np.float64("nan"), None, id="nan"),
        pytest.param(pd.NaT, None, id="nat"),
        pytest.param(pd.NA, None, id="na"),
        pytest.param("nan", "nan", id="nan-as-text"),
    ],
)
def test_plain(value: object, made: object) -> None:
    found = plain(value)
    assert found == made
    assert type(found) is type(made)
