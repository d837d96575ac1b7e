from __future__ import annotations

import enum
import json
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runner.data.plain import plain


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int


class Row:
    def __init__(self) -> None:
        self.a = (1, 2)


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - what users have


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"a": [1, (2.5, None)]}, {"a": [1, [2.5, None]]}, id="json"),
        pytest.param({3: True}, {"3": True}, id="key-that-is-a-number"),
        pytest.param(np.array(1), 1, id="array-without-dimensions"),
        pytest.param(date(2026, 5, 1), "2026-05-01", id="date"),
        pytest.param(datetime(2026, 5, 1, 12), "2026-05-01T12:00:00", id="datetime"),
        pytest.param(time(12, 30), "12:30:00", id="time"),
        pytest.param(Level.LOW, 1, id="int-of-a-class"),
        pytest.param(Point(1), {"x": 1}, id="dataclass"),
        pytest.param(Row(), {"a": [1, 2]}, id="object"),
        pytest.param(Pair(1, 2), {"a": 1, "b": 2}, id="named-tuple"),
        pytest.param(np.float64(1.5), 1.5, id="number-of-numpy"),
        pytest.param(np.bool_(1), True, id="truth-of-numpy"),
        pytest.param(np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]], id="array"),
        pytest.param(np.zeros((1, 1, 1)), [[[0.0]]], id="array-of-three-dimensions"),
        pytest.param(np.array(["2026-05-01"], dtype="M8[ns]"), ["2026-05-01T00:00:00"], id="times"),
        pytest.param(np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), [{"a": 1, "b": 2.0}],
                     id="structured"),
        pytest.param(
            pd.DataFrame({"n": [1.5, None], "t": [pd.Timestamp(0), None], "l": [[1], None]}),
            [{"n": 1.5, "t": "1970-01-01T00:00:00", "l": [1]}, {"n": None, "t": None, "l": None}],
            id="pandas",
        ),
        pytest.param(pd.DataFrame({"n": [1]}, index=["k"]), [{"index": "k", "n": 1}], id="index"),
        pytest.param(pa.table({"n": [1, None]}), [{"n": 1}, {"n": None}], id="pyarrow"),
        pytest.param([{"t": pd.DataFrame({"n": [1]})}], [{"t": [{"n": 1}]}], id="table-inside"),
    ],
)  # fmt: skip
def test_plain(value: Any, expected: Any) -> None:
    found = plain(value)

    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == found


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param({"a": [1, {2}]}, "`result['a'][1]` is a `set`", id="set"),
        pytest.param(b"x", "`result` is a `bytes`", id="bytes"),
        pytest.param([float("nan")], "`result[0]` is nan", id="nan"),
        pytest.param(float("-inf"), "`result` is -inf", id="inf"),
        pytest.param(Color.RED, "`result` is a `Color`", id="enumeration"),
        pytest.param({(1, 2): 3}, "a key of `result` is a `tuple`", id="key"),
        pytest.param({"a": {True: 3}}, "a key of `result['a']` is a `bool`", id="key-inside"),
        pytest.param(lambda: 1, "`result` is a `function`", id="function"),
        pytest.param(pd.DataFrame([[1, 2]], columns=["a", "a"]),
                     "column `a` of `result` is there 2 times", id="columns-of-one-name"),
        pytest.param(pd.DataFrame({"a": [{1}]}), "`result[0]['a']` is a `set`", id="cell"),
        pytest.param(ENDLESS, "`result` is nested too deep", id="endless"),
    ],
)  # fmt: skip
def test_what_json_has_not(value: Any, why: str) -> None:
    with pytest.raises(ValueError, match="result") as caught:
        plain(value)

    assert str(caught.value) == why


def test_a_table_of_polars() -> None:
    polars = pytest.importorskip("polars")

    assert plain(polars.DataFrame({"n": [1, None]})) == [{"n": 1}, {"n": None}]
