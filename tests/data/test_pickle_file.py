from __future__ import annotations

import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.data.storage import Storage
from runner.errors import JobError

Opened = Callable[..., Storage]

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(value=VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes anew
def test_what_is_written_is_read(opened: Opened, value: Any) -> None:
    storage = opened("pickle")
    storage.stage(value).commit()
    assert storage.read() == value


def test_a_large_array_is_read(opened: Opened) -> None:
    storage = opened("pickle")
    storage.stage(np.arange(100_000)).commit()
    np.testing.assert_array_equal(storage.read(), np.arange(100_000))


def test_a_data_frame_is_read(opened: Opened) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    storage = opened("pickle")
    storage.stage(frame).commit()
    pd.testing.assert_frame_equal(storage.read(), frame)


@pytest.mark.parametrize(("value", "rows"), [([1, 2], None), (pd.DataFrame({"a": [1]}), 1)])
def test_the_rows_of_a_table_are_counted(opened: Opened, value: Any, rows: int | None) -> None:
    mark = opened("pickle").stage(value).mark
    assert mark is not None
    assert mark.rows == rows


def test_the_file_is_an_ordinary_pickle_of_protocol_5(opened: Opened, path: Path) -> None:
    opened("pickle").stage([1]).commit()
    assert path.read_bytes() == pickle.dumps([1], 5)


def test_a_closure_is_pickled_by_value(opened: Opened) -> None:
    step = 2
    storage = opened("pickle")
    storage.stage(lambda number: number + step).commit()
    assert storage.read()(40) == 42


class Exploding:
    def __reduce__(self) -> str:
        raise RuntimeError("boom")


@attrs.define
class Model:
    handle: Any


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            {"handle": threading.Lock()},
            "`result['handle']` is a `lock`, which does not pickle: "
            "cannot pickle '_thread.lock' object",
            id="item",
        ),
        pytest.param(
            [Model(threading.Lock())],
            "`result[0].handle` is a `lock`, which does not pickle: "
            "cannot pickle '_thread.lock' object",
            id="attribute",
        ),
        pytest.param(
            (number for number in range(3)),
            "`result` is a `generator`, which does not pickle: cannot pickle 'generator' object",
            id="generator",
        ),
        pytest.param(
            [Exploding()],
            "`result[0]` is a `Exploding`, which does not pickle: RuntimeError: boom",
            id="reduce-raises",
        ),
    ],
)
def test_what_does_not_pickle(opened: Opened, value: object, message: str) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written") as caught:
        opened("pickle").stage(value)
    assert str(caught.value) == f"data node `x` cannot be written: {message}"
    assert caught.value.code == "RUN606"


def refusal(storage: Storage) -> str:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        storage.read()
    assert caught.value.code == "RUN604"
    return str(caught.value)


def test_a_missing_file(opened: Opened, path: Path) -> None:
    assert refusal(opened("pickle")) == f"data node `x` has no value yet: no file {path}"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "EOFError: Ran out of input", id="empty"),
        pytest.param(
            pickle.dumps([1, 2], 5)[:-1],
            "UnpicklingError: pickle data was truncated",
            id="truncated",
        ),
        pytest.param(b"?", "UnpicklingError: invalid load key, '?'.", id="garbage"),
        pytest.param(
            b"cgone_module\nName\n.",
            "ModuleNotFoundError: No module named 'gone_module'",
            id="module",
        ),
    ],
)
def test_a_damaged_file(opened: Opened, path: Path, data: bytes, why: str) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    assert refusal(opened("pickle")) == f"data node `x`: {path} cannot be read: {why}"


def test_a_class_that_is_gone(opened: Opened, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "user_module", ModuleType("user_module"))
    path.parent.mkdir()
    path.write_bytes(b"cuser_module\nModel\n.")
    why = "AttributeError: Can't get attribute 'Model' on <module 'user_module'>"
    assert refusal(opened("pickle")) == f"data node `x`: {path} cannot be read: {why}"
