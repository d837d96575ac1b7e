from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.references import FunctionRef
from runner.data.csv_file import typed
from runner.data.storage import Storage
from runner.errors import JobError

Opened = Callable[..., Storage]


@attrs.frozen
class Row:
    a: int
    b: str


ROW = FunctionRef("m.Row", Row)


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode(encoding))


# Text that does not look like a number or a truth; a column is typed by all of its cells.
TEXTS = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: f"t{text}")
COLUMNS = st.one_of(
    [
        st.lists(cell | st.none(), min_size=3, max_size=3)
        for cell in (TEXTS, st.booleans(), st.integers(), st.floats(allow_nan=False))
    ]
)


@given(columns=st.dictionaries(TEXTS, COLUMNS, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes anew
def test_records_that_are_written_are_read(opened: Opened, columns: dict[str, list[Any]]) -> None:
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    storage = opened("csv", exposed_type="records")
    storage.stage(records).commit()
    assert storage.read() == records


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        pytest.param(["1", "-2", "0"], [1, -2, 0], id="int"),
        pytest.param(["1", "2.5", "1e-07"], [1.0, 2.5, 1e-07], id="float"),
        pytest.param(["True", "False"], [True, False], id="bool"),
        pytest.param(["1", "", "3"], [1, None, 3], id="gap"),
        pytest.param(["a", ""], ["a", None], id="text-gap"),
        pytest.param(["", ""], [None, None], id="empty"),
        pytest.param(["007", "1"], ["007", "1"], id="leading-zero"),
        pytest.param(["1", "x"], ["1", "x"], id="mixed"),
        pytest.param(["1_000"], ["1_000"], id="underscore"),
        pytest.param([" 1"], [" 1"], id="blank"),
        pytest.param(["1,5"], ["1,5"], id="comma"),
        pytest.param(["true"], ["true"], id="lower-case"),
        pytest.param(["inf", "-inf", "0.5"], [float("inf"), float("-inf"), 0.5], id="infinite"),
        pytest.param(["9" * 400], ["9" * 400], id="beyond-float"),
        pytest.param(["\u0661"], ["\u0661"], id="other-digits"),
    ],
)
def test_typed(cells: list[str], values: list[object]) -> None:
    found = typed(cells)
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


@pytest.mark.parametrize(
    ("options", "text", "value"),
    [
        pytest.param({}, "a,b\n1,x\n", [{"a": 1, "b": "x"}], id="header"),
        pytest.param({"has_header": False}, "1,x\n", [{0: 1, 1: "x"}], id="no-header"),
        pytest.param({"exposed_type": ROW}, "a,b\n1,x\n", [Row(1, "x")], id="class"),
        pytest.param(
            {"exposed_type": ROW, "has_header": False}, "1,x\n", [Row(1, "x")], id="class-no-header"
        ),
        pytest.param({"encoding": "latin-1"}, "a\nü\n", [{"a": "ü"}], id="encoding"),
        pytest.param({}, "\ufeffa\n1\n", [{"a": 1}], id="byte-order-mark"),
        pytest.param({}, "a,b\r\n1,x\r\n", [{"a": 1, "b": "x"}], id="windows"),
        pytest.param({}, 'a\n"1\n2"\n', [{"a": "1\n2"}], id="quoted-line-end"),
        pytest.param({}, "a,b\n1\n", [{"a": 1, "b": None}], id="short-row"),
        pytest.param({}, "a\n\n1\n", [{"a": 1}], id="empty-line"),
        pytest.param({}, "a,b\n", [], id="header-only"),
        pytest.param({}, "\n", [], id="empty-table"),
        pytest.param({}, f"a\n{'x' * 200_000}\n", [{"a": "x" * 200_000}], id="long-cell"),
    ],
)
def test_read(
    opened: Opened, path: Path, options: dict[str, Any], text: str, value: object
) -> None:
    write(path, text, options.get("encoding", "utf-8"))
    assert opened("csv", **{"exposed_type": "records", **options}).read() == value


@pytest.mark.parametrize(
    ("options", "text", "why"),
    [
        pytest.param({}, "a\n1,2\n", "row 1 has 2 cells, not 1", id="long-row"),
        pytest.param({}, "a,b,a\n1,2,3\n", "column `a` is there 2 times", id="same-name"),
        pytest.param({}, 'a\n"1', "Error: unexpected end of data", id="truncated"),
        pytest.param({}, "", "the file is empty", id="empty"),
        pytest.param({"exposed_type": "pandas"}, "", "the file is empty", id="pandas-empty"),
        pytest.param(
            {"exposed_type": "pandas"},
            "a\n1\n1,2\n",
            "ParserError: Error tokenizing data. C error: Expected 1 fields in line 3, saw 2",
            id="pandas-long-row",
        ),
        pytest.param(
            {"encoding": "utf9"}, "a\n", "LookupError: unknown encoding: utf9", id="codec"
        ),
        pytest.param(
            {"exposed_type": ROW},
            "a,c\n1,x\n",
            "Row.__init__() got an unexpected keyword argument 'c'",
            id="class",
        ),
    ],
)
def test_what_cannot_be_read(
    opened: Opened, path: Path, options: dict[str, Any], text: str, why: str
) -> None:
    write(path, text)
    storage = opened("csv", **{"exposed_type": "records", **options})
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        storage.read()
    assert str(caught.value) == f"data node `x`: {path} cannot be read: {why}"
    assert caught.value.code == "RUN604"


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(FRAME, "a,b\n1,x\n2,y\n", id="frame"),
        pytest.param(FRAME.set_index("b"), "a\n1\n2\n", id="index-is-not-written"),
        pytest.param(FRAME["a"], "a\n1\n2\n", id="series"),
        pytest.param(np.array([[1, 2], [3, 4]]), "0,1\n1,2\n3,4\n", id="array"),
        pytest.param(np.array([1, 2]), "0\n1\n2\n", id="flat-array"),
        pytest.param([{"a": 1, "b": None}], "a,b\n1,\n", id="records"),
        pytest.param([Row(1, "x")], "a,b\n1,x\n", id="objects"),
        pytest.param({"a": [1, 2]}, "a\n1\n2\n", id="columns"),
        pytest.param([[1, "x,y"]], '0,1\n1,"x,y"\n', id="lists"),
        pytest.param([], "\n", id="nothing"),
        pytest.param(pd.DataFrame(), "\n", id="empty-frame"),
    ],
)
def test_write(opened: Opened, path: Path, value: object, text: str) -> None:
    opened("csv").stage(value).commit()
    assert path.read_bytes().decode() == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(FRAME, "1,x\n2,y\n", id="frame"),
        pytest.param([[1, "x"]], "1,x\n", id="lists"),
        pytest.param(FRAME[:0], "\n", id="empty-frame"),
        pytest.param([], "\n", id="nothing"),
    ],
)
def test_write_without_header(opened: Opened, path: Path, value: object, text: str) -> None:
    opened("csv", has_header=False).stage(value).commit()
    assert path.read_bytes().decode() == text


@pytest.mark.parametrize("has_header", [True, False], ids=["header", "no-header"])
def test_a_frame_that_is_written_is_read(opened: Opened, has_header: bool) -> None:
    storage = opened("csv", has_header=has_header)
    frame = FRAME if has_header else FRAME.set_axis([0, 1], axis=1)
    storage.stage(frame).commit()
    pd.testing.assert_frame_equal(storage.read(), frame)


def test_an_empty_frame_is_read(opened: Opened) -> None:
    storage = opened("csv")
    storage.stage([]).commit()
    assert storage.read().empty


def test_numpy(opened: Opened) -> None:
    storage = opened("csv", exposed_type="numpy")
    storage.stage(np.array([[1, 2], [3, 4]])).commit()
    np.testing.assert_array_equal(storage.read(), [[1, 2], [3, 4]])


EXPOSED: dict[str, Callable[[Any], list[Any]]] = {
    "pandas": lambda table: table.to_numpy().tolist(),
    "numpy": lambda table: table.tolist(),
    "polars": lambda table: [list(row) for row in table.rows()],
    "records": lambda table: [list(row.values()) for row in table],
    "class": lambda table: [[row.a, row.b] for row in table],
}


@pytest.mark.parametrize("exposed", EXPOSED)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
@pytest.mark.parametrize("has_header", [True, False], ids=["header", "no-header"])
def test_each_key_counts_for_each_exposed_type(
    opened: Opened, path: Path, exposed: str, encoding: str, has_header: bool
) -> None:
    options = {"encoding": encoding, "has_header": has_header}
    write(path, ("a,b\n" if has_header else "") + "1,€\n2,ü\n", encoding)
    storage = opened("csv", exposed_type=ROW if exposed == "class" else exposed, **options)
    assert EXPOSED[exposed](storage.read()) == [[1, "€"], [2, "ü"]]
    storage.stage([Row(1, "€"), Row(2, "ü")]).commit()
    assert EXPOSED[exposed](storage.read()) == [[1, "€"], [2, "ü"]]
    storage.stage(pl.DataFrame({"a": [1, 2], "b": ["€", "ü"]})).commit()
    assert EXPOSED[exposed](storage.read()) == [[1, "€"], [2, "ü"]]


@pytest.mark.parametrize("has_header", [True, False], ids=["header", "no-header"])
def test_an_empty_table_as_polars_reads_it(opened: Opened, has_header: bool) -> None:
    storage = opened("csv", exposed_type="polars", has_header=has_header)
    storage.stage(pl.DataFrame()).commit()
    assert storage.read().shape == (0, 0)


def test_a_polars_series(opened: Opened, path: Path) -> None:
    opened("csv").stage(pl.Series("a", [1])).commit()
    assert path.read_text() == "a\n1\n"


def test_encoding_of_a_frame(opened: Opened, path: Path) -> None:
    storage = opened("csv", encoding="latin-1")
    storage.stage(pd.DataFrame({"a": ["ü"]})).commit()
    assert path.read_bytes() == b"a\n\xfc\n"
    assert storage.read()["a"].tolist() == ["ü"]


class Stopping:
    def __str__(self) -> str:
        raise KeyboardInterrupt("stop")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([{"a": 1}, {"a": 2}], id="records"),
        pytest.param({"a": [1, 2]}, id="columns"),
        pytest.param(pd.DataFrame({"a": [1, 2]}), id="frame"),
    ],
)
def test_rows_are_counted(opened: Opened, value: object) -> None:
    mark = opened("csv").stage(value).mark
    assert mark is not None
    assert mark.rows == 2


def test_a_write_that_is_interrupted_leaves_the_old_file(opened: Opened, path: Path) -> None:
    storage = opened("csv", exposed_type="records")
    storage.stage([{"a": 1}]).commit()
    with pytest.raises(KeyboardInterrupt, match=r"^stop$"):
        storage.stage([{"a": 1}, {"a": Stopping()}])
    assert storage.read() == [{"a": 1}]
    assert [each.name for each in path.parent.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("value", "encoding", "why"),
    [
        pytest.param(5, "utf-8", "`result` is a `int`, which is no table", id="no-table"),
        pytest.param(
            np.zeros((1, 1, 1)), "utf-8", "Must pass 2-d input. shape=(1, 1, 1)", id="dimensions"
        ),
        pytest.param(
            [["ü"]],
            "ascii",
            "UnicodeEncodeError: 'ascii' codec can't encode character '\\xfc' in position 0: "
            "ordinal not in range(128)",
            id="encoding",
        ),
    ],
)
def test_what_cannot_be_written(opened: Opened, value: object, encoding: str, why: str) -> None:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        opened("csv", encoding=encoding).stage(value)
    assert str(caught.value) == f"data node `x` cannot be written: {why}"
    assert caught.value.code == "RUN606"


@pytest.mark.parametrize("library", ["pandas", "numpy"])
def test_pandas_is_missing(
    opened: Opened, path: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, "a\n1\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(JobError, match=r"^data node `x` needs pandas: ") as caught:
        opened("csv", exposed_type=library).read()
    assert caught.value.code == "RUN402"


def test_records_need_no_pandas(path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from runner.config.options import CsvOptions\n"
        "from runner.data.storage import Opening\n"
        "from runner.data.storages import open_storage\n"
        "opening = Opening(node='x', options=CsvOptions(exposed_type='records'), key='x',\n"
        "                  path=pathlib.Path(sys.argv[1]), memory={}, load=str)\n"
        "storage = open_storage('csv', opening)\n"
        "storage.stage([{'a': 1}]).commit()\n"
        "assert storage.read() == [{'a': 1}]\n"
        "print({'pandas', 'numpy', 'polars', 'cloudpickle'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"
