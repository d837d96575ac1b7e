from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runner.data.storage import Storage
from runner.errors import JobError

Opened = Callable[..., Storage]


@pytest.mark.parametrize("copy_mode", [None, "deepcopy", "copy", "assign"])
@pytest.mark.parametrize("value", [1, "a", None, 1.5, b"b", True, date(2024, 1, 1)], ids=repr)
def test_a_value_that_cannot_change_is_shared(
    opened: Opened, value: object, copy_mode: str | None
) -> None:
    storage = opened("in_memory", copy_mode=copy_mode)
    storage.stage(value).commit()
    assert storage.read() is value


@pytest.mark.parametrize(
    ("copy_mode", "outer_shared", "inner_shared"),
    [
        pytest.param(None, False, False, id="by-type"),
        pytest.param("deepcopy", False, False, id="deepcopy"),
        pytest.param("copy", False, True, id="copy"),
        pytest.param("assign", True, True, id="assign"),
    ],
)
def test_copy_mode(
    opened: Opened, copy_mode: str | None, outer_shared: bool, inner_shared: bool
) -> None:
    value = [[1]]
    storage = opened("in_memory", copy_mode=copy_mode)
    storage.stage(value).commit()
    read = storage.read()
    assert (read is value) == outer_shared
    assert (read[0] is value[0]) == inner_shared
    assert (storage.read()[0] is read[0]) == inner_shared


def test_a_data_frame_is_the_readers_own(opened: Opened) -> None:
    storage = opened("in_memory")
    storage.stage(pd.DataFrame({"a": [1, 2]})).commit()
    read = storage.read()
    read.loc[0, "a"] = 9
    assert storage.read()["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "array", [np.array([1, 2]), np.array([[1], [2, 3]], dtype=object)], ids=["plain", "objects"]
)
def test_an_array_is_the_readers_own(opened: Opened, array: Any) -> None:
    storage = opened("in_memory")
    storage.stage(array).commit()
    before = array.tolist()
    read = storage.read()
    read[0] *= 2
    assert storage.read().tolist() == before


def test_a_polars_frame_is_the_readers_own(opened: Opened) -> None:
    polars = pytest.importorskip("polars")
    storage = opened("in_memory")
    written = polars.DataFrame({"a": [1, 2]})
    storage.stage(written).commit()
    storage.read()[0, "a"] = 9
    written[1, "a"] = 9
    assert storage.read()["a"].to_list() == [1, 2]


def test_a_polars_series_is_the_readers_own(opened: Opened) -> None:
    polars = pytest.importorskip("polars")
    storage = opened("in_memory")
    written = polars.Series("a", [1, 2])
    storage.stage(written).commit()
    storage.read()[0] = 9
    written[1] = 9
    assert storage.read().to_list() == [1, 2]


def test_objects_in_the_cells_of_a_data_frame_are_shared(opened: Opened) -> None:
    storage = opened("in_memory")
    storage.stage(pd.DataFrame({"a": [[1]]})).commit()
    storage.read().loc[0, "a"].append(2)
    assert storage.read().loc[0, "a"] == [1, 2]


TABLE = pa.table({"a": [1, 2]})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(TABLE, id="table"),
        pytest.param(TABLE.to_batches()[0], id="record-batch"),
        pytest.param(TABLE.column(0), id="chunked-array"),
        pytest.param(TABLE.column(0).chunk(0), id="array"),
        pytest.param(TABLE.column(0)[0], id="scalar"),
        pytest.param(TABLE.schema, id="schema"),
    ],
)
def test_what_arrow_holds_is_shared(opened: Opened, value: Any) -> None:
    storage = opened("in_memory")
    storage.stage(value).commit()
    assert storage.read() is value
    copied = opened("in_memory", copy_mode="deepcopy").read()
    assert copied is not value
    assert copied == value


def class_of(module: str, name: str) -> type:
    """A class as a library has it that is not installed; its values have no copy."""

    def refuse(self: object, *memo: object) -> None:
        raise AssertionError

    return type(name, (), {"__module__": module, "__copy__": refuse, "__deepcopy__": refuse})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param("pyspark.sql.dataframe", "DataFrame", id="spark"),
        pytest.param("pyspark.sql.connect.dataframe", "DataFrame", id="spark-connect"),
        pytest.param("ibis.expr.types.relations", "Table", id="ibis"),
        pytest.param("snowflake.snowpark.dataframe", "DataFrame", id="snowpark"),
    ],
)
def test_a_query_is_shared(opened: Opened, module: str, name: str) -> None:
    value = type("Own", (class_of(module, name),), {})()
    storage = opened("in_memory")
    storage.stage(value).commit()
    assert storage.read() is value


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param("pyspark.pandas.frame", "DataFrame", id="pandas-on-spark"),
        pytest.param("ibis_of_mine", "Table", id="another-package"),
        pytest.param("pyarrow.lib", "NativeFile", id="another-class"),
    ],
)
def test_what_only_looks_like_a_query_is_copied(opened: Opened, module: str, name: str) -> None:
    with pytest.raises(JobError, match=r"which cannot be copied: AssertionError$"):
        opened("in_memory").stage(class_of(module, name)())


def test_a_generator(opened: Opened) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written") as caught:
        opened("in_memory").stage({"rows": (row for row in "ab")})
    assert str(caught.value) == (
        "data node `x` cannot be written: `result['rows']` is a `generator`, which cannot be "
        "copied: cannot pickle 'generator' object"
    )
    assert caught.value.hint == (
        "return a list: what it gives can be taken once, and may have several readers"
    )


def test_what_cannot_be_copied(opened: Opened) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written") as caught:
        opened("in_memory").stage({"lock": threading.Lock()})
    assert str(caught.value) == (
        "data node `x` cannot be written: `result['lock']` is a `lock`, which cannot be copied: "
        "cannot pickle '_thread.lock' object"
    )
    assert caught.value.code == "RUN606"
    assert caught.value.hint == 'with copy_mode = "assign" all tasks share the object itself'


def test_what_cannot_be_copied_can_be_shared(opened: Opened) -> None:
    lock = threading.Lock()
    storage = opened("in_memory", copy_mode="assign")
    storage.stage(lock).commit()
    assert storage.read() is lock


class CopiedOnce:
    def __init__(self, *, copied: bool = False) -> None:
        self.copied = copied

    def __deepcopy__(self, memo: object) -> CopiedOnce:
        if self.copied:
            raise RuntimeError("boom")
        return CopiedOnce(copied=True)


def test_a_reader_whose_copy_fails(opened: Opened) -> None:
    storage = opened("in_memory")
    storage.stage(CopiedOnce()).commit()
    with pytest.raises(
        JobError, match=r"^data node `x`: its value cannot be read: RuntimeError: boom$"
    ) as caught:
        storage.read()
    assert caught.value.code == "RUN604"


def test_nothing_was_written(opened: Opened) -> None:
    with pytest.raises(
        JobError, match=r"^data node `x` has no value yet: nothing was written in this run$"
    ) as caught:
        opened("in_memory").read()
    assert caught.value.hint == "an in_memory data node keeps its value as long as the run"
