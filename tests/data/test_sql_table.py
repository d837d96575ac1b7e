from __future__ import annotations

import datetime as dt
import decimal
import enum
import sqlite3
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
from services import Made, database

from runner.config.options import SqlTableOptions
from runner.config.references import FunctionRef
from runner.data.sql_table import SqlTable, open_sql_table
from runner.data.storage import Opening, write_all
from runner.errors import JobError


@attrs.frozen
class Site:
    """A database of its own, and how its tables are opened and looked at."""

    engine: str
    options: dict[str, Any]
    path: Path | None
    run: Callable[[str], Any]

    def open(self, table: str = "t", **more: Any) -> SqlTable:
        options = {"exposed_type": "records", **self.options, **more}
        opening = Opening(
            node="x",
            options=SqlTableOptions(table_name=table, **options),
            key="global/x",
            path=self.path,
            memory={},
            load=lambda ref: ref.target,
        )
        return open_sql_table(opening)


def in_sqlite(tmp_path: Path) -> Site:
    path = tmp_path / "shop.db"

    def run(statement: str) -> Any:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    return Site("sqlite", {"db_engine": "sqlite", "db_name": "shop"}, path, run)


def on_server(made: Made) -> Site:
    return Site(made.engine, made.options, None, made.run)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "sqlite":
        yield in_sqlite(tmp_path)
        return
    with database(request.param) as made:
        yield on_server(made)


@pytest.fixture
def sqlite(tmp_path: Path) -> Site:
    return in_sqlite(tmp_path)


@pytest.fixture
def postgresql() -> Iterator[Site]:
    with database("postgresql") as made:
        yield on_server(made)


@pytest.fixture
def mysql() -> Iterator[Site]:
    with database("mysql") as made:
        yield on_server(made)


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Row:
    a: int
    b: str


WHEN = dt.datetime(2024, 2, 29, 23, 59, 58, 123456)
MOMENT = dt.datetime(2024, 7, 1, 12, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))
ODD = "%s %(a)s :a ? ' \" \\ \t \n ü 😀"


def test_nothing_is_there_at_first(site: Site) -> None:
    storage = site.open()
    assert not storage.exists()
    with pytest.raises(JobError, match=r"^data node `x` has no value yet: ") as caught:
        storage.read()
    assert caught.value.code == "RUN604"


def test_what_is_written_is_read(site: Site) -> None:
    rows = [
        {"whole": 2**62, "broken": 0.1, "text": ODD, "bytes": b"\0\xff'", "day": WHEN.date()},
        {"whole": -1, "broken": -1e300, "text": "", "bytes": b"", "day": dt.date(1, 1, 1)},
        {"whole": None, "broken": None, "text": None, "bytes": None, "day": None},
    ]
    storage = site.open()
    storage.stage(rows).commit()
    assert storage.exists()
    assert storage.read() == rows


def test_times_are_read_as_they_were(site: Site) -> None:
    storage = site.open()
    storage.stage([{"when": WHEN}, {"when": None}]).commit()
    assert storage.read() == [{"when": WHEN}, {"when": None}]


@pytest.mark.parametrize(
    ("engine", "read"),
    [
        pytest.param("sqlite", MOMENT, id="sqlite"),
        pytest.param("postgresql", MOMENT, id="postgresql"),
        pytest.param("mysql", dt.datetime(2024, 7, 1, 10), id="mysql-has-no-zones"),
    ],
)
def test_a_moment_stays_what_it_is(engine: str, read: dt.datetime, tmp_path: Path) -> None:
    for site in sites(engine, tmp_path):
        site.open().stage([{"when": MOMENT}]).commit()
        assert site.open().read() == [{"when": read}]


@pytest.mark.parametrize(
    ("engine", "read"),
    [
        pytest.param(
            "sqlite",
            {"d": 1.25, "b": True, "u": str(uuid.UUID(int=5)), "j": {"z": [1]}, "t": dt.time(1, 2)},
            id="sqlite",
        ),
        pytest.param(
            "postgresql",
            {
                "d": decimal.Decimal("1.25"),
                "b": True,
                "u": uuid.UUID(int=5),
                "j": {"z": [1]},
                "t": dt.time(1, 2),
            },
            id="postgresql",
        ),
        pytest.param(
            "mysql",
            {
                "d": decimal.Decimal("1.25"),
                "b": 1,
                "u": str(uuid.UUID(int=5)),
                "j": '{"z": [1]}',
                "t": dt.timedelta(hours=1, minutes=2),
            },
            id="mysql",
        ),
    ],
)
def test_what_not_all_databases_have(engine: str, read: dict[str, Any], tmp_path: Path) -> None:
    row = {
        "d": decimal.Decimal("1.25"),
        "b": True,
        "u": uuid.UUID(int=5),
        "j": {"z": [1]},
        "t": dt.time(1, 2),
    }
    for site in sites(engine, tmp_path):
        storage = site.open()
        storage.stage([row]).commit()
        storage.stage([row]).commit()  # into the table as it is
        assert storage.read() == [read]
        assert type(storage.read()[0]["b"]) is type(read["b"])


def sites(engine: str, tmp_path: Path) -> Iterator[Site]:
    if engine == "sqlite":
        yield in_sqlite(tmp_path)
        return
    with database(engine) as made:
        yield on_server(made)


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        pytest.param([{"a": 1, "b": "x"}], [(1, "x")], id="dicts"),
        pytest.param([{"b": "x"}], [(None, "x")], id="column-left-out"),
        pytest.param([(1, "x"), [2, "y"]], [(1, "x"), (2, "y")], id="tuples"),
        pytest.param([Row(1, "x")], [(1, "x")], id="objects"),
        pytest.param({"b": ["x", "y"], "a": (1, 2)}, [(1, "x"), (2, "y")], id="columns"),
        pytest.param(pd.DataFrame({"a": [1], "b": ["x"]}), [(1, "x")], id="frame"),
        pytest.param(
            pd.DataFrame({"a": [1, None], "b": ["x", None]}), [(1, "x"), (None, None)], id="nan"
        ),
        pytest.param(
            pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array(["x", None], "string")}),
            [(1, "x"), (None, None)],
            id="nullable",
        ),
        pytest.param(
            pd.DataFrame({"a": np.array([2**63 - 1], "uint64"), "b": pd.Categorical(["x"])}),
            [(2**63 - 1, "x")],
            id="unsigned-and-categories",
        ),
        pytest.param(np.array([[1, 2], [3, 4]]), [(1, "2"), (3, "4")], id="array"),
        pytest.param([{"a": np.int64(1), "b": np.str_("x")}], [(1, "x")], id="numpy-scalars"),
        pytest.param([{"a": True, "b": Colour.RED}], [(1, "red")], id="enum"),
        pytest.param([{"a": float("nan"), "b": pd.NA}], [(None, None)], id="nothings"),
        pytest.param([], [], id="nothing"),
        pytest.param(pd.DataFrame({"a": [], "b": []}), [], id="empty-frame"),
    ],
)
def test_values_go_into_the_table_as_it_is(site: Site, value: Any, rows: list[Any]) -> None:
    site.run("CREATE TABLE t (a BIGINT, b VARCHAR(20))")
    site.run("INSERT INTO t VALUES (7, 'old')")
    site.open().stage(value).commit()
    found = site.run("SELECT a, b FROM t ORDER BY a")
    assert sorted(map(tuple, found), key=str) == sorted(rows, key=str)


def test_the_table_stays_what_it_is(site: Site) -> None:
    site.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(20) DEFAULT 'none' NOT NULL)")
    storage = site.open()
    storage.stage([{"a": 1}, {"a": 2}]).commit()
    assert storage.read() == [{"a": 1, "b": "none"}, {"a": 2, "b": "none"}]
    with pytest.raises(JobError, match=r"(?i)unique|duplicate"):
        storage.stage([{"a": 3}, {"a": 3}]).commit()
    assert storage.read() == [{"a": 1, "b": "none"}, {"a": 2, "b": "none"}]


def test_names_are_quoted(site: Site) -> None:
    name = "or%ders :a \"'; -- x"
    row = {'se"lect': 1, "%(a)s": 2, "a:b": 3, "ü": 4, "x.y": 5}
    storage = site.open(name)
    storage.stage([row]).commit()
    storage.stage([row, row]).commit()
    assert site.open(name).read() == [row, row]
    storage.delete()
    assert not storage.exists()


def test_a_schema_may_be_named(postgresql: Site) -> None:
    postgresql.run(f"CREATE SCHEMA apart AUTHORIZATION {postgresql.options['db_username']}")
    postgresql.open("apart.t").stage([{"a": 1}]).commit()
    assert postgresql.run("SELECT * FROM apart.t") == [(1,)]
    assert postgresql.open("apart.t").read() == [{"a": 1}]
    assert not postgresql.open("t").exists()


def test_sqlite_has_a_main_schema(sqlite: Site) -> None:
    sqlite.open("main.t").stage([{"a": 1}]).commit()
    assert sqlite.open("t").read() == [{"a": 1}]


def test_a_name_that_was_never_quoted_is_found(postgresql: Site) -> None:
    postgresql.run("CREATE TABLE Orders (a INT)")
    postgresql.run(f"ALTER TABLE orders OWNER TO {postgresql.options['db_username']}")
    storage = postgresql.open("Orders")
    storage.stage([{"a": 1}]).commit()
    assert postgresql.run("SELECT * FROM orders") == [(1,)]
    assert storage.read() == [{"a": 1}]


def test_what_is_appended_is_added(site: Site) -> None:
    storage = site.open()
    storage.stage_append([{"a": 1}]).commit()
    storage.stage_append([{"a": 2}]).commit()
    assert sorted(row["a"] for row in storage.read()) == [1, 2]


def test_a_table_that_was_dropped_is_made_again(site: Site) -> None:
    storage = site.open()
    storage.stage([{"a": 1}]).commit()
    staged = storage.stage([{"a": 2}])
    storage.delete()
    storage.delete()
    staged.commit()
    assert storage.read() == [{"a": 2}]


def test_a_table_that_was_made_meanwhile_is_filled(site: Site) -> None:
    staged = site.open().stage([{"a": 1}])
    site.run("CREATE TABLE t (b INTEGER, a INTEGER)")
    staged.commit()
    assert site.open().read() == [{"b": None, "a": 1}]


def test_many_rows_go_in_chunks(site: Site) -> None:
    count = 25_000
    frame = pd.DataFrame({"a": range(count), "b": [f"text {n}" for n in range(count)]})
    site.open().stage(frame).commit()
    assert site.run("SELECT count(*), min(a), max(a) FROM t") == [(count, 0, count - 1)]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param(5, "`result` is a `int`, which is no table", id="no-table"),
        pytest.param(
            [{"a": 1, "z": 2}], "{place} has no column `z`; it has `a`, `b`", id="unknown-column"
        ),
        pytest.param(
            [(1, 2, 3)], "{place} has 2 columns, and the rows 3: `a`, `b`", id="too-many-cells"
        ),
        pytest.param(
            [{"a": 1}, {"a": {1}}], "`result[1]['a']`: a `set` is nothing for a database", id="set"
        ),
        pytest.param(
            pd.DataFrame([[1, 2]], columns=["a", "a"]), "column `a` is there 2 times", id="twice"
        ),
    ],
)
def test_what_does_not_fit_is_refused_before(site: Site, value: Any, why: str) -> None:
    storage = site.open()
    storage.stage([{"a": 1, "b": "x"}]).commit()
    with pytest.raises(JobError, match=r"^data node `x` cannot be written") as caught:
        storage.stage(value)
    place = f"table `t` of {storage.database.name}"
    assert str(caught.value) == f"data node `x` cannot be written: {why.format(place=place)}"
    assert caught.value.code == "RUN606"
    assert storage.read() == [{"a": 1, "b": "x"}]


def test_of_many_columns_some_are_told(sqlite: Site) -> None:
    sqlite.open().stage([{f"c{n}": n for n in range(23)}]).commit()
    with pytest.raises(JobError, match=r"has no column `z`; it has `c0`, .*, `c19` and 3 more$"):
        sqlite.open().stage([{"z": 1}])


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param(
            [(1, 2)],
            "there is no table `t` of {name} to take the columns from, and its rows have no names",
            id="no-names",
        ),
        pytest.param(
            [],
            "there is no table `t` of {name} to take the columns from, "
            "and there are none in the value",
            id="no-columns",
        ),
        pytest.param(
            [{"a": 1}, {"a": "x"}],
            "column `a` holds `int` and `str`, and no one type is for these",
            id="mixed",
        ),
        pytest.param(
            [{"a": 2**63}],
            "`result[0]['a']`: an integer beyond 64 bits, the most that SQLite has",
            id="beyond-64-bits",
        ),
        pytest.param(
            pd.DataFrame({"a": np.array([2**63], "uint64")}),
            "`result[0]['a']`: an integer beyond 64 bits, the most that SQLite has",
            id="beyond-64-bits-in-a-frame",
        ),
        pytest.param(
            [{"a": dt.timedelta(1)}],
            "`result[0]['a']`: this database has nothing for a `timedelta`",
            id="timedelta",
        ),
    ],
)
def test_what_no_table_can_be_made_of(sqlite: Site, value: Any, why: str) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written") as caught:
        sqlite.open().stage(value)
    told = why.format(name=sqlite.path)
    assert str(caught.value) == f"data node `x` cannot be written: {told}"
    assert sqlite.path is not None
    assert not sqlite.path.exists()


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_a_number_may_be_large(engine: str, tmp_path: Path) -> None:
    for site in sites(engine, tmp_path):
        site.open().stage([{"a": 10**30}, {"a": 1}]).commit()
        assert site.open().read() == [{"a": 10**30}, {"a": 1}]


def test_a_table_without_transactions_is_refused(mysql: Site) -> None:
    mysql.run("CREATE TABLE t (a INT) ENGINE = MyISAM")
    with pytest.raises(JobError, match=r"its engine MyISAM has no transactions$") as caught:
        mysql.open().stage([{"a": 1}])
    assert (caught.value.code, caught.value.hint) == ("RUN605", "ALTER TABLE t ENGINE = InnoDB")


def test_a_table_that_cannot_be_made_leaves_nothing(mysql: Site) -> None:
    staged = mysql.open().stage([{"a": "x\0", "b": float("inf")}])
    with pytest.raises(JobError, match=r"inf"):
        staged.commit()
    assert mysql.run("SHOW TABLES") == []


@pytest.mark.parametrize(
    ("declared", "cell", "read"),
    [
        pytest.param("DATE", "2024-02-29", dt.date(2024, 2, 29), id="date"),
        pytest.param("DATETIME", "2024-02-29 01:02:03", WHEN.replace(1, 1, 1), id="datetime"),
        pytest.param("TIMESTAMP", "2024-02-29", dt.datetime(2024, 2, 29), id="timestamp"),
        pytest.param("DATE", "29.2.2024", "29.2.2024", id="no-date"),
        pytest.param("DATE", 1709164800, 1709164800, id="number-for-a-date"),
        pytest.param("BOOLEAN", 1, True, id="truth"),
        pytest.param("BOOLEAN", 7, 7, id="no-truth"),
        pytest.param("TIME", "01:02", dt.time(1, 2), id="time"),
        pytest.param("JSON", "[1]", [1], id="json"),
        pytest.param("JSON", "[1", "[1", id="no-json"),
        pytest.param("WHATEVER", "x", "x", id="unknown-type"),
    ],
)
def test_what_sqlite_declares(sqlite: Site, declared: str, cell: Any, read: Any) -> None:
    if isinstance(read, dt.datetime) and read.year == 1:
        read = dt.datetime(2024, 2, 29, 1, 2, 3)
    sqlite.run(f"CREATE TABLE t (a {declared})")
    sqlite.run(f"INSERT INTO t VALUES ({cell!r}), (NULL)")
    assert sqlite.open().read() == [{"a": read}, {"a": None}]
    assert type(sqlite.open().read()[0]["a"]) is type(read)


def test_a_frame_is_read_as_it_was(site: Site) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, None], "c": ["x", "y"], "d": [WHEN, WHEN]})
    storage = site.open(exposed_type="pandas")
    storage.stage(frame).commit()
    read = storage.read().sort_values("a", ignore_index=True)
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)
    assert read["d"].dtype.kind == "M"


def test_what_is_handed_out(sqlite: Site) -> None:
    sqlite.open().stage([Row(1, "x")]).commit()
    assert sqlite.open(exposed_type=FunctionRef("m.Row", Row)).read() == [Row(1, "x")]
    assert sqlite.open(exposed_type="numpy").read().tolist() == [[1, "x"]]


def test_without_pandas_they_are_records(sqlite: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite.open().stage([{"a": 1}]).commit()
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert sqlite.open(exposed_type="pandas").read() == [{"a": 1}]
    with pytest.raises(JobError, match=r"^data node `x` needs pandas: ") as caught:
        sqlite.open(exposed_type="numpy").read()
    assert caught.value.code == "RUN402"


def test_a_class_that_refuses_a_row(sqlite: Site) -> None:
    sqlite.open().stage([{"a": 1}]).commit()
    with pytest.raises(
        JobError, match=r"cannot be read: .*missing 1 required positional"
    ) as caught:
        sqlite.open(exposed_type=FunctionRef("m.Row", Row)).read()
    assert caught.value.code == "RUN604"


def test_a_view_is_read(site: Site) -> None:
    site.open().stage([{"a": 1}]).commit()
    site.run("CREATE VIEW v AS SELECT a + 1 AS b FROM t")
    if site.engine == "postgresql":
        site.run(f"GRANT SELECT ON v TO {site.options['db_username']}")
    assert site.open("v").read() == [{"b": 2}]


def test_two_outputs_go_into_one_database(site: Site) -> None:
    write_all([(site.open("t"), [{"a": 1}]), (site.open("u"), [{"a": 2}])])
    assert (site.open("t").read(), site.open("u").read()) == ([{"a": 1}], [{"a": 2}])


def test_a_sqlite_file_is_made_with_its_folder(tmp_path: Path) -> None:
    site = attrs.evolve(in_sqlite(tmp_path), path=tmp_path / "deep" / "er" / "shop.db")
    site.open().delete()
    assert not (tmp_path / "deep").exists()
    site.open().stage([{"a": 1}]).commit()
    assert site.open().read() == [{"a": 1}]


def test_the_journal_of_sqlite_stays(sqlite: Site) -> None:
    sqlite.run("PRAGMA journal_mode = wal")
    sqlite.open().stage([{"a": 1}]).commit()
    assert sqlite.run("PRAGMA journal_mode") == [("wal",)]
    assert sqlite.open().read() == [{"a": 1}]
