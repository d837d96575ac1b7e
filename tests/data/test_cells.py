from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections import namedtuple
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runner.data.cells import adapted, plain, rows_of

WHEN = dt.datetime(2024, 2, 29, 1, 2, 3, 4)
BERLIN = dt.timezone(dt.timedelta(hours=1))


class Colour(enum.StrEnum):
    RED = "red"


class Text(str):
    __slots__ = ()


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - the untyped kind has to work too


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(True, True, id="bool"),
        pytest.param(2**70, 2**70, id="large"),
        pytest.param(float("nan"), None, id="nan"),
        pytest.param(decimal.Decimal("nan"), None, id="decimal-nan"),
        pytest.param(pd.NA, None, id="pandas-na"),
        pytest.param(pd.NaT, None, id="pandas-nat"),
        pytest.param(np.float64("nan"), None, id="numpy-nan"),
        pytest.param(np.datetime64("nat"), None, id="numpy-nat"),
        pytest.param(np.int8(3), 3, id="numpy-int"),
        pytest.param(np.bool_(True), True, id="numpy-bool"),
        pytest.param(np.datetime64("2024-02-29T01:02:03.000004005"), WHEN, id="numpy-datetime"),
        pytest.param(np.timedelta64(1, "D"), dt.timedelta(1), id="numpy-timedelta"),
        pytest.param(np.array([1, 2]), [1, 2], id="array"),
        pytest.param(pd.Timestamp(WHEN), WHEN, id="timestamp"),
        pytest.param(pd.Timedelta(days=1), dt.timedelta(1), id="pandas-timedelta"),
        pytest.param(Colour.RED, "red", id="enum"),
        pytest.param(Text("x"), "x", id="text"),
        pytest.param(bytearray(b"x"), b"x", id="bytearray"),
        pytest.param(memoryview(b"x"), b"x", id="memoryview"),
        pytest.param(Pair(1, 2), (1, 2), id="named-tuple"),
        pytest.param({"a": 1}, {"a": 1}, id="dict"),
        pytest.param(uuid.UUID(int=1), uuid.UUID(int=1), id="uuid"),
    ],
)
def test_plain(cell: Any, value: Any) -> None:
    found = plain(cell)
    assert found == value
    assert type(found) is type(value)


def test_what_is_nothing_for_a_database() -> None:
    with pytest.raises(TypeError, match=r"^a `object` is nothing for a database$"):
        plain(object())


@pytest.mark.parametrize(
    ("cell", "engine", "value"),
    [
        pytest.param(WHEN, "sqlite", "2024-02-29 01:02:03.000004", id="sqlite-datetime"),
        pytest.param(dt.date(2024, 1, 2), "sqlite", "2024-01-02", id="sqlite-date"),
        pytest.param(decimal.Decimal("1.10"), "sqlite", "1.10", id="sqlite-decimal"),
        pytest.param({"ü": [1]}, "sqlite", '{"ü": [1]}', id="sqlite-dict"),
        pytest.param(WHEN, "mysql", WHEN, id="mysql-naive"),
        pytest.param(WHEN.replace(tzinfo=BERLIN), "mysql", WHEN.replace(hour=0), id="mysql-aware"),
        pytest.param([1], "postgresql", [1], id="postgresql-array"),
        pytest.param({"a": 1}, "postgresql", '{"a": 1}', id="postgresql-dict"),
        pytest.param(uuid.UUID(int=1), "mssql", str(uuid.UUID(int=1)), id="mssql-uuid"),
        pytest.param(None, "sqlite", None, id="none"),
    ],
)
def test_adapted(cell: Any, engine: str, value: Any) -> None:
    assert adapted(cell, engine) == value


def test_chunks_hold_every_row_once() -> None:
    rows = rows_of(pd.DataFrame({"a": range(5), "b": list("abcde")}), "x", "postgresql")
    assert (rows.names, rows.count) == (("a", "b"), 5)
    assert [list(chunk) for chunk in rows.chunks(2)] == [
        [(0, "a"), (1, "b")],
        [(2, "c"), (3, "d")],
        [(4, "e")],
    ]


def test_numbers_are_pythons_own() -> None:
    frame = pd.DataFrame({"a": np.array([1], "int8"), "b": np.array([0.5], "float32")})
    (chunk,) = rows_of(frame, "x", "sqlite").chunks(10)
    assert [type(cell) for cell in chunk[0]] == [int, float]


def test_a_list_is_no_array_where_the_column_holds_documents() -> None:
    (chunk,) = rows_of([{"a": [1], "b": [1]}], "x", "postgresql", {"a"}).chunks(10)
    assert chunk == [("[1]", [1])]


def test_a_writer_may_go_on_with_its_frame() -> None:
    """What was staged is as it was, whatever becomes of the value before it is written."""
    cells = ["x", "y"]
    rows = rows_of({"a": cells}, "x", "sqlite")
    cells.clear()
    assert list(rows.chunks(10)) == [[("x",), ("y",)]]
