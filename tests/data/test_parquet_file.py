from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.references import FunctionRef
from runner.data.storage import Storage
from runner.errors import JobError

Opened = Callable[..., Storage]


@attrs.frozen
class Row:
    a: int
    b: str


ROW = FunctionRef("m.Row", Row)
ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
BY_B = {"partition_cols": ["b"]}
ENGINES = pytest.mark.parametrize("engine", ["pyarrow", "fastparquet"])


def names(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def refusal(storage: Storage, value: object) -> JobError:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        storage.stage(value)
    return caught.value


def read_failure(storage: Storage) -> JobError:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        storage.read()
    assert caught.value.code == "RUN604"
    return caught.value


CELLS = [
    st.text(st.characters(exclude_categories=["Cs"])),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.dates(),
    st.binary(),
    st.lists(st.integers(0, 9)),
]
COLUMNS = st.one_of([st.lists(cell | st.none(), min_size=3, max_size=3) for cell in CELLS])


@given(columns=st.dictionaries(CELLS[0], COLUMNS, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes anew
def test_records_that_are_written_are_read(opened: Opened, columns: dict[str, list[Any]]) -> None:
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    storage = opened("parquet", exposed_type="records")
    storage.stage(records).commit()
    assert storage.read() == records


@ENGINES
@pytest.mark.parametrize(
    ("exposed", "value"),
    [
        pytest.param("records", ROWS, id="records"),
        pytest.param(ROW, [Row(1, "x"), Row(2, "y")], id="class"),
    ],
)
@pytest.mark.parametrize(
    "written",
    [
        pytest.param(FRAME, id="frame"),
        pytest.param(FRAME.set_axis([5, 7]), id="frame-with-index"),
        pytest.param(pl.DataFrame(FRAME.to_dict("list")), id="polars"),
        pytest.param(pa.table(FRAME.to_dict("list")), id="arrow"),
        pytest.param(ROWS, id="rows"),
        pytest.param([Row(1, "x"), Row(2, "y")], id="objects"),
        pytest.param({"a": [1, 2], "b": ["x", "y"]}, id="columns"),
    ],
)
def test_whatever_table_is_written_is_read(
    opened: Opened, engine: str, exposed: Any, value: object, written: object
) -> None:
    storage = opened("parquet", engine=engine, exposed_type=exposed)
    storage.stage(written).commit()
    assert storage.read() == value


@ENGINES
@pytest.mark.parametrize("compression", ["snappy", "gzip", "brotli", "zstd", "none"])
def test_compression(opened: Opened, path: Path, engine: str, compression: str) -> None:
    storage = opened("parquet", engine=engine, compression=compression)
    storage.stage(FRAME).commit()
    found = pq.ParquetFile(path).metadata.row_group(0).column(0).compression
    assert found == ("UNCOMPRESSED" if compression == "none" else compression.upper())
    pd.testing.assert_frame_equal(storage.read(), FRAME, check_dtype=False)


@ENGINES
def test_numpy(opened: Opened, engine: str) -> None:
    storage = opened("parquet", engine=engine, exposed_type="numpy")
    storage.stage(np.array([[1, 2], [3, 4]])).commit()
    np.testing.assert_array_equal(storage.read(), [[1, 2], [3, 4]])


def test_polars(opened: Opened) -> None:
    storage = opened("parquet", exposed_type="polars", read_kwargs={"columns": ["b"]})
    storage.stage(FRAME).commit()
    assert storage.read().equals(pl.DataFrame({"b": ["x", "y"]}))


def test_a_polars_series(opened: Opened) -> None:
    storage = opened("parquet", exposed_type="polars")
    storage.stage(pl.Series("a", [1])).commit()
    assert storage.read().equals(pl.DataFrame({"a": [1]}))


def test_a_pandas_series(opened: Opened) -> None:
    storage = opened("parquet", exposed_type="records")
    storage.stage(FRAME["a"]).commit()
    assert storage.read() == [{"a": 1}, {"a": 2}]


def test_an_index_comes_back(opened: Opened) -> None:
    storage = opened("parquet")
    for frame in (FRAME.set_axis([5, 7]), FRAME.set_index("b")):
        storage.stage(frame).commit()
        pd.testing.assert_frame_equal(storage.read(), frame)


def test_numbers_as_names(opened: Opened) -> None:
    storage = opened("parquet")
    storage.stage(FRAME.set_axis([0, 1], axis=1)).commit()
    assert storage.read().columns.tolist() == [0, 1]
    storage.stage([[1, "x"]]).commit()
    assert storage.read().columns.tolist() == ["0", "1"]


def test_missing_cells(opened: Opened) -> None:
    storage = opened("parquet", exposed_type="records")
    storage.stage([{"a": 1}, {"a": float("nan")}, {"a": pd.NA}, {"a": None}]).commit()
    assert storage.read() == [{"a": 1}, {"a": None}, {"a": None}, {"a": None}]


@ENGINES
def test_an_empty_table(opened: Opened, engine: str) -> None:
    storage = opened("parquet", engine=engine)
    storage.stage(FRAME[:0]).commit()
    assert storage.read().columns.tolist() == ["a", "b"]
    assert opened("parquet", engine=engine, exposed_type="records").read() == []


def test_nothing(opened: Opened) -> None:
    storage = opened("parquet", exposed_type="records")
    storage.stage([]).commit()
    assert storage.read() == []


@pytest.mark.parametrize(
    ("options", "value"),
    [
        pytest.param({"columns": ["b"]}, [{"b": "x"}, {"b": "y"}], id="columns"),
        pytest.param({"filters": [["a", ">", 1]]}, ROWS[1:], id="filters"),
    ],
)
@pytest.mark.parametrize("exposed", ["records", "pandas"])
def test_read_kwargs(opened: Opened, exposed: str, options: dict[str, Any], value: object) -> None:
    opened("parquet").stage(FRAME).commit()
    found = opened("parquet", exposed_type=exposed, read_kwargs=options).read()
    assert (found if exposed == "records" else found.to_dict("records")) == value


def test_read_kwargs_of_fastparquet(opened: Opened) -> None:
    opened("parquet").stage(FRAME).commit()
    storage = opened("parquet", engine="fastparquet", read_kwargs={"columns": ["b"]})
    assert storage.read().columns.tolist() == ["b"]


@pytest.mark.parametrize("value", [FRAME, ROWS], ids=["frame", "rows"])
def test_write_kwargs(opened: Opened, path: Path, value: object) -> None:
    storage = opened(
        "parquet", write_kwargs={"index": False, "row_group_size": 1, "compression": "gzip"}
    )
    storage.stage(value).commit()
    metadata = pq.ParquetFile(path).metadata
    assert (metadata.num_row_groups, metadata.num_columns) == (2, 2)
    assert metadata.row_group(0).column(0).compression == "GZIP"


def test_kwargs_win_over_the_engine(opened: Opened, path: Path) -> None:
    storage = opened(
        "parquet", write_kwargs={"engine": "fastparquet"}, read_kwargs={"engine": "fastparquet"}
    )
    storage.stage(FRAME).commit()
    assert pq.ParquetFile(path).metadata.created_by.startswith("fastparquet")
    pd.testing.assert_frame_equal(storage.read(), FRAME, check_dtype=False)


@ENGINES
@pytest.mark.parametrize("value", [FRAME, ROWS], ids=["frame", "rows"])
def test_partitions(opened: Opened, path: Path, engine: str, value: object) -> None:
    storage = opened("parquet", engine=engine, write_kwargs=BY_B, exposed_type="records")
    mark = None
    for _ in range(2):
        staged = storage.stage(value)
        staged.commit()
        assert staged.mark is not None
        assert mark is None or mark.fingerprint == staged.mark.fingerprint
        mark = staged.mark
        assert mark.rows == 2
        assert storage.mark(mark) == mark
    assert [each.parent.name for each in sorted(path.rglob("*.parquet"))] == ["b=x", "b=y"]
    assert [each.name for each in path.parent.iterdir()] == ["x"]
    for exposed in ("records", "pandas", "polars", "numpy", ROW):
        found = opened("parquet", engine=engine, exposed_type=exposed).read()
        assert len(found) == 2
    assert storage.read() == ROWS
    assert opened("parquet", exposed_type="polars").read().to_dicts() == ROWS


@ENGINES
def test_a_single_partition(opened: Opened, engine: str) -> None:
    storage = opened("parquet", engine=engine, write_kwargs=BY_B, exposed_type="records")
    storage.stage(FRAME[:1]).commit()
    assert storage.read() == ROWS[:1]


@pytest.fixture
def folder(path: Path) -> Path:
    """Two files of one row, in names that are not their rows' order, and what others leave."""
    path.mkdir(parents=True)
    FRAME[:1].to_parquet(path / "b.parquet")
    FRAME[1:].to_parquet(path / "a.parquet")
    (path / "_SUCCESS").touch()
    (path / ".a.parquet.crc").write_bytes(b"crc")
    (path / "_temporary").mkdir()
    (path / "_temporary" / "c.parquet").write_bytes(b"half")
    return path


@ENGINES
@pytest.mark.parametrize("exposed", ["records", "pandas", "polars", "numpy"])
def test_a_folder_is_read_as_one_table(
    opened: Opened, folder: Path, engine: str, exposed: str
) -> None:
    storage = opened("parquet", engine=engine, exposed_type=exposed)
    assert storage.exists()
    found = storage.read()
    if exposed == "records":
        assert found == [ROWS[1], ROWS[0]]
    else:
        assert np.array(found).tolist() == [[2, "y"], [1, "x"]]


@ENGINES
@pytest.mark.parametrize("value", [FRAME, ROWS], ids=["frame", "rows"])
def test_a_folder_stays_one(opened: Opened, folder: Path, engine: str, value: object) -> None:
    (folder / "_temporary" / "c.parquet").unlink()
    (folder / "_temporary").rmdir()
    storage = opened("parquet", engine=engine, exposed_type="records")
    storage.stage(value).commit()
    assert storage.read() == ROWS
    assert names(folder) == ["part-0.parquet"]
    assert [each.name for each in folder.parent.iterdir()] == ["x"]


def test_a_folder_with_other_files_is_not_replaced(opened: Opened, folder: Path) -> None:
    before = names(folder)
    error = refusal(opened("parquet"), FRAME)
    assert str(error) == (
        f"data node `x`: {folder} cannot be written: "
        "the folder holds `_temporary`, which is no part of the data node"
    )
    assert error.code == "RUN605"
    (folder / "_temporary" / "c.parquet").rename(folder / "c.csv")
    (folder / "_temporary").rmdir()
    error = refusal(opened("parquet", write_kwargs=BY_B), FRAME)
    assert str(error) == (
        f"data node `x`: {folder} cannot be written: "
        "the folder holds `c.csv`, which is no part of the data node"
    )
    assert len(names(folder)) == len(before)


def test_an_empty_folder_has_no_value(opened: Opened, path: Path) -> None:
    path.mkdir(parents=True)
    storage = opened("parquet")
    assert not storage.exists()
    assert storage.mark() is None
    error = read_failure(storage)
    assert str(error) == f"data node `x` has no value yet: no parquet file in {path}"
    storage.stage(FRAME).commit()
    assert names(path) == ["part-0.parquet"]


def test_partitions_replace_a_file(opened: Opened, path: Path) -> None:
    opened("parquet").stage(FRAME).commit()
    assert path.is_file()
    opened("parquet", write_kwargs=BY_B).stage(FRAME).commit()
    assert path.is_dir()


def test_a_folder_is_deleted(opened: Opened, path: Path) -> None:
    storage = opened("parquet", write_kwargs=BY_B)
    storage.stage(FRAME).commit()
    storage.delete()
    assert not storage.exists()
    assert list(path.parent.iterdir()) == []


@ENGINES
@pytest.mark.parametrize("options", [{}, {"write_kwargs": BY_B}], ids=["file", "folder"])
def test_nothing_is_open_at_the_commit_nor_after_a_read(
    opened: Opened, path: Path, engine: str, options: dict[str, Any]
) -> None:
    storage = opened("parquet", engine=engine, **options)
    staged = storage.stage(FRAME)
    assert opened_below(path.parent) == []
    staged.commit()
    found = storage.read()
    assert len(found) == 2
    assert opened_below(path.parent) == []


def opened_below(folder: Path) -> list[str]:
    """The files below a folder that this process has open or mapped."""
    entries = list(Path("/proc/self/fd").iterdir())
    found = [str(entry.readlink()) for entry in entries if entry.is_symlink()]
    maps = Path("/proc/self/maps").read_text().splitlines()
    return [each for each in [*found, *maps] if str(folder) in each]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param(
            {"read_kwargs": {"colums": ["a"]}},
            "`read_kwargs` has `colums`, which is unknown there",
            id="keyword",
        ),
        pytest.param(
            {"read_kwargs": {"colums": ["a"]}, "exposed_type": "records"},
            "`read_kwargs` has `colums`, which is unknown there",
            id="keyword-of-records",
        ),
        pytest.param(
            {"read_kwargs": {"colums": ["a"]}, "exposed_type": "polars"},
            "`read_kwargs` has `colums`, which is unknown there",
            id="keyword-of-polars",
        ),
        pytest.param(
            {"read_kwargs": {"colums": ["a"]}, "engine": "fastparquet"},
            "`read_kwargs` has `colums`, which is unknown there",
            id="keyword-of-fastparquet",
        ),
        pytest.param(
            {"read_kwargs": {"columns": ["z"]}}, "it has no column `z`, but `a`, `b`", id="column"
        ),
        pytest.param(
            {"read_kwargs": {"columns": ["z"]}, "engine": "fastparquet"},
            "Following columns were requested but are not available: {'z'}.",
            id="column-of-fastparquet",
        ),
        pytest.param(
            {"exposed_type": FunctionRef("m.Row", Row), "read_kwargs": {"columns": ["a"]}},
            "Row.__init__() missing 1 required positional argument: 'b'",
            id="class",
        ),
    ],
)
def test_what_cannot_be_read(opened: Opened, path: Path, options: dict[str, Any], why: str) -> None:
    opened("parquet").stage(FRAME).commit()
    error = read_failure(opened("parquet", **options))
    assert str(error) == f"data node `x`: {path} cannot be read: {why}"


@ENGINES
@pytest.mark.parametrize("exposed", ["pandas", "records", "polars"])
@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"PAR1 cut off"], ids=["empty", "csv", "cut"])
def test_a_file_that_is_none(
    opened: Opened, path: Path, engine: str, exposed: str, data: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    error = read_failure(opened("parquet", engine=engine, exposed_type=exposed))
    assert str(error) == (
        f"data node `x`: {path} cannot be read: it is damaged, or no parquet file"
    )


def test_a_damaged_file_of_a_folder_is_named(opened: Opened, folder: Path) -> None:
    (folder / "deeper").mkdir()
    (folder / "deeper" / "notes.txt").write_text("none")
    error = read_failure(opened("parquet"))
    assert str(error) == (
        f"data node `x`: {folder} cannot be read: `deeper/notes.txt` is damaged, or no parquet file"
    )


@pytest.mark.parametrize(
    ("options", "value", "why"),
    [
        pytest.param({}, 5, "`result` is a `int`, which is no table", id="no-table"),
        pytest.param(
            {},
            [{"a": 1}, {"a": "x"}],
            "column `a` has no single type: "
            "Could not convert 'x' with type str: tried to convert to int64",
            id="types",
        ),
        pytest.param(
            {"write_kwargs": {"indx": False}},
            FRAME,
            "`write_kwargs` has `indx`, which is unknown there",
            id="keyword",
        ),
        pytest.param(
            {"write_kwargs": {"indx": False}},
            ROWS,
            "`write_kwargs` has `indx`, which is unknown there",
            id="keyword-of-rows",
        ),
        pytest.param(
            {"write_kwargs": {"indx": False}, "engine": "fastparquet"},
            ROWS,
            "`write_kwargs` has `indx`, which is unknown there",
            id="keyword-of-fastparquet",
        ),
        pytest.param(
            {"write_kwargs": {"partition_cols": ["z"]}},
            FRAME,
            "it has no column `z`, as `partition_cols` has, but `a`, `b`",
            id="partition",
        ),
        pytest.param(
            {"write_kwargs": {"partition_cols": ["z"]}, "engine": "fastparquet"},
            ROWS,
            "it has no column `z`, as `partition_cols` has, but `a`, `b`",
            id="partition-of-fastparquet",
        ),
        pytest.param(
            {"write_kwargs": {"partition_cols": "z"}},
            ROWS,
            "it has no column `z`, as `partition_cols` has, but `a`, `b`",
            id="partition-of-rows",
        ),
    ],
)
def test_what_cannot_be_written(
    opened: Opened, path: Path, options: dict[str, Any], value: object, why: str
) -> None:
    error = refusal(opened("parquet", **options), value)
    assert str(error) == f"data node `x` cannot be written: {why}"
    assert error.code == "RUN606"
    assert not path.parent.exists() or list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("library", "options"),
    [
        pytest.param("pyarrow", {}, id="pyarrow"),
        pytest.param("pandas", {}, id="pandas"),
        pytest.param("pyarrow", {"exposed_type": "records"}, id="records"),
        pytest.param("polars", {"exposed_type": "polars"}, id="polars"),
        pytest.param("fastparquet", {"engine": "fastparquet"}, id="fastparquet"),
    ],
)
def test_a_library_is_missing(
    opened: Opened, library: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened("parquet").stage(FRAME).commit()
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet")
    with pytest.raises(JobError, match=f"^data node `x` needs {library}: ") as caught:
        opened("parquet", **options).read()
    assert caught.value.code == "RUN402"


def test_records_need_no_pandas_and_polars_no_pyarrow(path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "unneeded = {'records': 'pandas', 'polars': 'pyarrow'}[sys.argv[2]]\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == unneeded:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from runner.config.options import ParquetOptions\n"
        "from runner.data.storage import Opening\n"
        "from runner.data.storages import open_storage\n"
        "def opened(exposed):\n"
        "    opening = Opening(node='x', options=ParquetOptions(exposed_type=exposed), key='x',\n"
        "                      path=pathlib.Path(sys.argv[1]), memory={}, load=str)\n"
        "    return open_storage('parquet', opening)\n"
        "if sys.argv[2] == 'records':\n"
        "    opened('records').stage([{'a': 1}]).commit()\n"
        "    assert opened('records').read() == [{'a': 1}]\n"
        "else:\n"
        "    assert opened('polars').read().to_dicts() == [{'a': 1}]\n"
    )
    for exposed in ("records", "polars"):
        subprocess.run([sys.executable, "-c", code, str(path), exposed], check=True)


def test_dates_stay_dates(opened: Opened) -> None:
    storage = opened("parquet", exposed_type="records")
    storage.stage([{"a": date(2024, 2, 29)}]).commit()
    assert storage.read() == [{"a": date(2024, 2, 29)}]
