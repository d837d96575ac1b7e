from __future__ import annotations

import datetime as dt
import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from runner.config.references import FunctionRef
from runner.data.excel_file import LONGEST_TEXT, MOST_COLUMNS, MOST_ROWS, typed
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
RECORDS = {"exposed_type": "records", "sheet_name": "s"}
DAY = dt.date(2024, 2, 29)
NOON = dt.datetime(2024, 2, 29, 12, 30, 15, 250_000)


def write_sheets(path: Path, **sheets: Sequence[Sequence[Any]]) -> None:
    """A workbook as others make it."""
    path.parent.mkdir(exist_ok=True)
    with xlsxwriter.Workbook(path) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)


def cells(path: Path, sheet: str = "s") -> list[list[Any]]:
    with CalamineWorkbook.from_path(path) as book:
        return book.get_sheet_by_name(sheet).to_python()


def sheets_of(path: Path) -> list[str]:
    with CalamineWorkbook.from_path(path) as book:
        return book.sheet_names


def refusal(storage: Storage, value: object) -> JobError:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        storage.stage(value)
    return caught.value


# Empty text is an empty cell, and a column of nothing but whole numbers is one of ints.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
INTS = st.integers(-(2**53), 2**53)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer())
DAYS = st.dates(min_value=dt.date(1900, 3, 1))
SPANS = st.timedeltas(dt.timedelta(0), dt.timedelta(days=1000)).map(
    lambda span: dt.timedelta(seconds=span // dt.timedelta(seconds=1))
)
COLUMNS = st.one_of(
    [
        st.lists(cell | st.none(), min_size=2, max_size=2)
        for cell in (TEXTS, st.booleans(), INTS, FLOATS, DAYS, SPANS)
    ]
)


@given(columns=st.dictionaries(TEXTS, COLUMNS, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes anew
def test_records_that_are_written_are_read(opened: Opened, columns: dict[str, list[Any]]) -> None:
    rows = [*zip(*columns.values(), strict=True), tuple("end" for _ in columns)]
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    storage = opened("excel", **RECORDS)
    storage.stage(records).commit()
    assert storage.read() == records


@pytest.mark.parametrize(
    ("found", "values"),
    [
        pytest.param([1.0, -2.0], [1, -2], id="whole"),
        pytest.param([1.0, 2.5], [1.0, 2.5], id="not-whole"),
        pytest.param([1.0, 1e300], [1.0, 1e300], id="beyond-exact"),
        pytest.param([1.0, ""], [1, None], id="gap"),
        pytest.param(["a", 1.0, True], ["a", 1, True], id="mixed"),
        pytest.param([DAY, DAY], [DAY, DAY], id="dates"),
        pytest.param([DAY, NOON], [dt.datetime(2024, 2, 29), NOON], id="dates-and-times"),
        pytest.param(["", ""], [None, None], id="empty"),
    ],
)
def test_typed(found: list[Any], values: list[Any]) -> None:
    made = typed(found)
    assert made == values
    assert list(map(type, made)) == list(map(type, values))


@pytest.mark.parametrize(
    ("options", "rows", "value"),
    [
        pytest.param({}, [["a", "b"], [1, "x"]], [{"a": 1, "b": "x"}], id="header"),
        pytest.param({"has_header": False}, [[1, "x"]], [{0: 1, 1: "x"}], id="no-header"),
        pytest.param({"exposed_type": ROW}, [["a", "b"], [1, "x"]], [Row(1, "x")], id="class"),
        pytest.param(
            {"exposed_type": ROW, "has_header": False}, [[1, "x"]], [Row(1, "x")], id="class-bare"
        ),
        pytest.param({}, [["a"]], [], id="header-only"),
        pytest.param({}, [], [], id="empty-sheet"),
        pytest.param({}, [[], [], ["a"], [1]], [{"a": 1}], id="header-further-down"),
        pytest.param({}, [["", "", "a"], ["", "", 1]], [{"a": 1}], id="header-further-right"),
        pytest.param({}, [["a", "", "b"], [1, "", 2]], [{"a": 1, "b": 2}], id="empty-column"),
        pytest.param({}, [["a"], [1, 2]], [{"a": 1, 1: 2}], id="column-without-a-name"),
        pytest.param({}, [[2023, 2024], [1, 2]], [{2023: 1, 2024: 2}], id="numbers-as-names"),
        pytest.param({}, [["a"], [1], [], [2]], [{"a": 1}, {"a": None}, {"a": 2}], id="empty-row"),
        pytest.param(
            {"has_header": False}, [[], ["", 1]], [{0: None, 1: None}, {0: None, 1: 1}], id="margin"
        ),
    ],
)
def test_read(
    opened: Opened, path: Path, options: dict[str, Any], rows: list[list[Any]], value: object
) -> None:
    write_sheets(path, s=rows)
    assert opened("excel", **{**RECORDS, **options}).read() == value


@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        pytest.param("two", [{"b": 2}], id="name"),
        pytest.param(("two",), {"two": [{"b": 2}]}, id="list-of-one"),
        pytest.param(("two", "one"), {"two": [{"b": 2}], "one": [{"a": 1}]}, id="list"),
        pytest.param(None, {"one": [{"a": 1}], "two": [{"b": 2}]}, id="all"),
    ],
)
def test_sheets_that_are_read(opened: Opened, path: Path, wanted: Any, value: object) -> None:
    write_sheets(path, one=[["a"], [1]], two=[["b"], [2]])
    assert opened("excel", exposed_type="records", sheet_name=wanted).read() == value


def test_a_chart_is_no_sheet_to_read(opened: Opened, path: Path) -> None:
    path.parent.mkdir()
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("one").write_column(0, 0, [1, 2])
        chart = book.add_chart({"type": "line"})
        chart.add_series({"values": "=one!$A$1:$A$2"})
        book.add_chartsheet("chart").set_chart(chart)
    storage = opened("excel", exposed_type="records", has_header=False)
    assert storage.read() == {"one": [{0: 1}, {0: 2}]}


def test_merged_cells_and_errors(opened: Opened, path: Path) -> None:
    path.parent.mkdir()
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("s")
        sheet.write_row(0, 0, ["a", "b"])
        sheet.merge_range(1, 0, 2, 0, "both")
        sheet.write_formula(1, 1, "=1/0", None, "#DIV/0!")
        sheet.write_formula(2, 1, "=1+1", None, 2)
    assert opened("excel", **RECORDS).read() == [{"a": "both", "b": None}, {"a": None, "b": 2}]


def test_pandas(opened: Opened, path: Path) -> None:
    write_sheets(path, s=[["a", "b"], [1, "x"], [2, "y"]])
    pd.testing.assert_frame_equal(opened("excel", sheet_name="s").read(), FRAME)
    pd.testing.assert_frame_equal(opened("excel").read()["s"], FRAME)


def test_pandas_without_header(opened: Opened, path: Path) -> None:
    write_sheets(path, s=[[1, "x"], [2, "y"]])
    frame = opened("excel", sheet_name="s", has_header=False).read()
    pd.testing.assert_frame_equal(frame, FRAME.set_axis([0, 1], axis=1))


def test_an_empty_sheet_as_pandas_reads_it(opened: Opened, path: Path) -> None:
    write_sheets(path, s=[])
    assert opened("excel", sheet_name="s").read().empty


def test_numpy(opened: Opened, path: Path) -> None:
    write_sheets(path, s=[["a", "b"], [1, 2]])
    np.testing.assert_array_equal(
        opened("excel", sheet_name="s", exposed_type="numpy").read(), [[1, 2]]
    )
    np.testing.assert_array_equal(opened("excel", exposed_type="numpy").read()["s"], [[1, 2]])


def test_polars(opened: Opened, path: Path) -> None:
    write_sheets(path, s=[["a", "b"], [1, "x"], ["", "y"]])
    frame = opened("excel", sheet_name="s", exposed_type="polars").read()
    assert frame.equals(pl.DataFrame({"a": [1, None], "b": ["x", "y"]}))
    empty = opened("excel", sheet_name="s", exposed_type="polars")
    empty.stage(pl.DataFrame({"a": []})).commit()
    assert empty.read().columns == ["a"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(FRAME, [["a", "b"], [1.0, "x"], [2.0, "y"]], id="frame"),
        pytest.param(FRAME.set_index("b"), [["a"], [1.0], [2.0]], id="index-is-not-written"),
        pytest.param(FRAME["a"], [["a"], [1.0], [2.0]], id="series"),
        pytest.param(pl.DataFrame({"a": [1]}), [["a"], [1.0]], id="polars"),
        pytest.param(pl.Series("a", [1]), [["a"], [1.0]], id="polars-series"),
        pytest.param(np.array([[1, 2]]), [[0.0, 1.0], [1.0, 2.0]], id="array"),
        pytest.param(ROWS[:1], [["a", "b"], [1.0, "x"]], id="records"),
        pytest.param([Row(1, "x")], [["a", "b"], [1.0, "x"]], id="objects"),
        pytest.param({"a": [1, 2]}, [["a"], [1.0], [2.0]], id="columns"),
        pytest.param([{"a": True}], [["a"], [True]], id="bool"),
        pytest.param([{"a": DAY}], [["a"], [DAY]], id="date"),
        pytest.param([{"a": NOON}], [["a"], [NOON]], id="datetime"),
        pytest.param([{"a": dt.time(1, 2)}], [["a"], [dt.time(1, 2)]], id="time"),
        pytest.param([{"a": dt.timedelta(2)}], [["a"], [dt.timedelta(2)]], id="timedelta"),
        pytest.param([{"a": 0.1 + 0.2}], [["a"], [0.1 + 0.2]], id="all-digits"),
        pytest.param([{"a": Decimal("1.10")}], [["a"], [1.1]], id="decimal"),
        pytest.param([{"a": "=1+1"}], [["a"], ["=1+1"]], id="no-formula"),
        pytest.param([{"=a": "{=1}"}], [["=a"], ["{=1}"]], id="no-formula-as-name"),
        pytest.param([{"a": "http://x"}], [["a"], ["http://x"]], id="no-link"),
        pytest.param([{"a": "1"}], [["a"], ["1"]], id="text-of-digits"),
        pytest.param([{"a": [1]}], [["a"], ["[1]"]], id="other"),
        pytest.param([{"a": np.int64(1), "b": np.bool_(True)}], [["a", "b"], [1.0, True]], id="np"),
        pytest.param([{"a": np.datetime64(NOON, "ns")}], [["a"], [NOON]], id="np-datetime"),
        pytest.param(pd.DataFrame({"a": [pd.Timestamp(NOON)]}), [["a"], [NOON]], id="timestamp"),
        pytest.param(
            pd.DataFrame({"a": [pd.NaT, None, pd.NA, float("nan")], "b": 1}),
            [["a", "b"], *[["", 1.0]] * 4],
            id="missing-in-a-frame",
        ),
        pytest.param(
            [{"a": pd.NaT, "b": Decimal("nan"), "c": None, "d": "", "e": 1}],
            [["a", "b", "c", "d", "e"], ["", "", "", "", 1.0]],
            id="missing",
        ),
        pytest.param([], [], id="nothing"),
    ],
)
def test_write(opened: Opened, path: Path, value: object, written: object) -> None:
    opened("excel", sheet_name="s").stage(value).commit()
    assert cells(path) == written


def test_write_without_header(opened: Opened, path: Path) -> None:
    storage = opened("excel", sheet_name="s", has_header=False)
    storage.stage(FRAME).commit()
    assert cells(path) == [[1.0, "x"], [2.0, "y"]]


@pytest.mark.parametrize(
    ("wanted", "value", "names"),
    [
        pytest.param(None, FRAME, ["Sheet1"], id="one-table"),
        pytest.param("s", FRAME, ["s"], id="one-table-named"),
        pytest.param(("s",), FRAME, ["s"], id="one-table-list-of-one"),
        pytest.param(None, {"a": FRAME, "b": ROWS, 3: [1]}, ["a", "b", "3"], id="tables"),
        pytest.param(("a",), {"a": FRAME, "b": FRAME}, ["a", "b"], id="more-than-named"),
        pytest.param("a", {"a": FRAME, "b": pl.DataFrame()}, ["a", "b"], id="frames-for-one"),
        pytest.param("s", {"a": [1], "b": [2]}, ["s"], id="columns-for-one"),
    ],
)
def test_sheets_that_are_written(
    opened: Opened, path: Path, wanted: Any, value: object, names: list[str]
) -> None:
    opened("excel", sheet_name=wanted).stage(value).commit()
    assert sheets_of(path) == names


@pytest.mark.parametrize("exposed", ["pandas", "records"])
def test_a_dict_of_tables_that_is_written_is_read(opened: Opened, exposed: str) -> None:
    storage = opened("excel", exposed_type=exposed)
    storage.stage({"one": FRAME, "two": ROWS}).commit()
    found = storage.read()
    assert list(found) == ["one", "two"]
    tables = [pd.DataFrame(table) for table in found.values()]
    for table in tables:
        pd.testing.assert_frame_equal(table, FRAME)


def test_the_rows_of_all_sheets_are_marked(opened: Opened) -> None:
    mark = opened("excel").stage({"one": FRAME, "two": [1]}).mark
    assert mark is not None
    assert mark.rows == 3


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        pytest.param(
            2**53 + 1, "9007199254740993 has more digits than Excel keeps of a number", id="int"
        ),
        pytest.param(
            Decimal("0.12345678901234567890"),
            "0.12345678901234567890 has more digits than Excel keeps of a number",
            id="decimal",
        ),
        pytest.param(float("-inf"), "-inf is no number that Excel has", id="infinite"),
        pytest.param(
            dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
            "2024-01-01 00:00:00+00:00 has a time zone, and Excel has none",
            id="zone",
        ),
        pytest.param(
            dt.date(1900, 2, 28),
            "1900-02-28 is before March 1900, where the dates of Excel begin",
            id="early",
        ),
        pytest.param(
            "x" * (LONGEST_TEXT + 1),
            "text of 32,768 characters, and Excel has 32,767 in a cell",
            id="long",
        ),
    ],
)
def test_what_excel_cannot_keep_is_refused(opened: Opened, cell: object, why: str) -> None:
    error = refusal(opened("excel", sheet_name="s"), [{"a": 1}, {"a": cell}])
    assert str(error) == (f"data node `x` cannot be written: sheet `s`: row 2, column `a`: {why}")
    assert error.code == "RUN606"


@pytest.mark.parametrize(
    ("options", "value", "why"),
    [
        pytest.param({}, 5, "`result` is a `int`, which is no table", id="no-table"),
        pytest.param({}, {"a": 5}, "`result['a']` is a `int`, which is no table", id="no-tables"),
        pytest.param(
            {"sheet_name": ("a", "b")},
            FRAME,
            "`result` is one table, and `sheet_name` names 2 sheets: "
            "a dict of sheet name to table has room for them",
            id="one-for-two",
        ),
        pytest.param(
            {"sheet_name": ("a", "b")},
            {"a": FRAME, "c": FRAME},
            "`result` has no sheet `b`, as `sheet_name` has: it has `a`, `c`",
            id="not-the-named",
        ),
        pytest.param(
            {},
            {"n" * 32: FRAME},
            f"Excel worksheet name '{'n' * 32}' must be <= 31 chars.",
            id="long-name",
        ),
        pytest.param(
            {},
            {"a/b": FRAME},
            "Invalid Excel character '[]:*?/\\' in sheetname 'a/b'.",
            id="forbidden-name",
        ),
        pytest.param({}, {"": FRAME}, "a sheet has no name", id="no-name"),
        pytest.param(
            {}, {1: FRAME, "1": FRAME}, "two of its sheets have one name: `1`", id="number-and-text"
        ),
        pytest.param(
            {},
            {"a": FRAME, "A": FRAME},
            "Sheetname 'A', with case ignored, is already in use.",
            id="same-name",
        ),
        pytest.param(
            {},
            ["\ud800"],
            "sheet `Sheet1`: row 1, column `0`: "
            "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
            id="surrogate",
        ),
        pytest.param(
            {},
            {"\ud800": []},
            "UnicodeEncodeError: "
            "'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not allowed",
            id="surrogate-as-name",
        ),
    ],
)
def test_what_cannot_be_written(
    opened: Opened, path: Path, options: dict[str, Any], value: object, why: str
) -> None:
    error = refusal(opened("excel", **options), value)
    assert str(error) == f"data node `x` cannot be written: {why}"
    assert error.code == "RUN606"
    assert not path.parent.exists() or list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("has_header", "rows", "why"),
    [
        pytest.param(
            True,
            [[None]] * MOST_ROWS,
            "1,048,576 rows and one of column names, and Excel has 1,048,576",
            id="rows",
        ),
        pytest.param(
            False,
            [[None]] * (MOST_ROWS + 1),
            "1,048,577 rows, and Excel has 1,048,576",
            id="rows-without-header",
        ),
        pytest.param(
            True,
            [[None] * (MOST_COLUMNS + 1)],
            "16,385 columns, and Excel has 16,384",
            id="columns",
        ),
    ],
)
def test_a_table_that_is_too_large(
    opened: Opened, has_header: bool, rows: list[list[None]], why: str
) -> None:
    error = refusal(opened("excel", sheet_name="s", has_header=has_header), rows)
    assert str(error) == f"data node `x` cannot be written: sheet `s`: {why}"


def old_office_file() -> bytes:
    """The head of a compound file, as old or encrypted workbooks are, and nothing else."""
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)


def truncated() -> bytes:
    made = io.BytesIO()
    with xlsxwriter.Workbook(made) as book:
        book.add_worksheet().write(0, 0, 1)
    return made.getvalue()[:1000]


@pytest.mark.parametrize("exposed", ["pandas", "records", "polars"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"a,b\n1,2\n", id="csv"),
        pytest.param(truncated(), id="truncated"),
        pytest.param(old_office_file(), id="compound"),
    ],
)
def test_a_file_that_is_none(opened: Opened, path: Path, exposed: str, data: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        opened("excel", exposed_type=exposed).read()
    why = "it is damaged, or no workbook"
    assert str(caught.value) == f"data node `x`: {path} cannot be read: {why}"
    assert caught.value.code == "RUN604"


def test_a_workbook_with_a_password(opened: Opened, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(old_office_file() + "EncryptedPackage".encode("utf-16-le"))
    with pytest.raises(JobError, match=r"^data node `x`: .*/x cannot be read: it has a password$"):
        opened("excel").read()


@pytest.mark.parametrize("exposed", ["pandas", "records"])
@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        pytest.param("Sale", "did you mean `Sales`?", id="near"),
        pytest.param(("Sales", "Total"), "it has `Sales`, `Costs`", id="far"),
    ],
)
def test_a_sheet_that_is_not_there(
    opened: Opened, path: Path, exposed: str, wanted: Any, hint: str
) -> None:
    write_sheets(path, Sales=[], Costs=[])
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        opened("excel", exposed_type=exposed, sheet_name=wanted).read()
    name = wanted if isinstance(wanted, str) else wanted[-1]
    assert str(caught.value) == f"data node `x`: {path} has no sheet `{name}`"
    assert caught.value.hint == hint
    assert caught.value.code == "RUN604"


@pytest.mark.parametrize(
    ("options", "rows", "why"),
    [
        pytest.param({}, [["a", "a"]], "sheet `s`: column `a` is there 2 times", id="same-name"),
        pytest.param(
            {"exposed_type": ROW},
            [["a", "c"], [1, "x"]],
            "Row.__init__() got an unexpected keyword argument 'c'",
            id="class",
        ),
    ],
)
def test_what_cannot_be_read(
    opened: Opened, path: Path, options: dict[str, Any], rows: list[list[Any]], why: str
) -> None:
    write_sheets(path, s=rows)
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        opened("excel", **{**RECORDS, **options}).read()
    assert str(caught.value) == f"data node `x`: {path} cannot be read: {why}"


@pytest.mark.parametrize(
    ("library", "named", "exposed"),
    [
        pytest.param("pandas", "pandas", "pandas", id="pandas"),
        pytest.param("pandas", "pandas", "numpy", id="numpy"),
        pytest.param("polars", "polars", "polars", id="polars"),
        pytest.param("python_calamine", "python-calamine", "records", id="calamine"),
        pytest.param("python_calamine", "python-calamine", "pandas", id="calamine-for-pandas"),
    ],
)
def test_a_library_to_read_with_is_missing(
    opened: Opened,
    path: Path,
    library: str,
    named: str,
    exposed: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_sheets(path, s=[["a"]])
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(JobError, match=f"^data node `x` needs {named}: ") as caught:
        opened("excel", exposed_type=exposed).read()
    assert caught.value.code == "RUN402"


def test_the_library_to_write_with_is_missing(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    error = refusal(opened("excel"), ROWS)
    assert str(error).startswith("data node `x` needs xlsxwriter: ")
    assert error.hint == "install it: pip install 'toml-runner[tables]'"


def test_records_need_no_pandas(path: Path) -> None:
    code = (
        "import pathlib, sys\n"
        "from runner.config.options import ExcelOptions\n"
        "from runner.data.storage import Opening\n"
        "from runner.data.storages import open_storage\n"
        "options = ExcelOptions(exposed_type='records', sheet_name='s')\n"
        "opening = Opening(node='x', options=options, key='x',\n"
        "                  path=pathlib.Path(sys.argv[1]), memory={}, load=str)\n"
        "storage = open_storage('excel', opening)\n"
        "storage.stage([{'a': 1}]).commit()\n"
        "assert storage.read() == [{'a': 1}]\n"
        "print({'pandas', 'numpy', 'polars', 'pyarrow'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    assert done.stdout == "set()\n"
