from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from services import Made, database

from runner.config.options import SqlOptions
from runner.config.references import FunctionRef
from runner.data.sql_query import SqlQuery, Statement, open_sql, statements_of
from runner.data.storage import Opening
from runner.errors import JobError

TABLE = sa.table("t", sa.column("a"), sa.column("b"))


@attrs.frozen
class Site:
    """A database with a table `t` of two columns."""

    engine: str
    options: dict[str, Any]
    path: Path | None
    run: Callable[[str], Any]

    def open(self, write: Callable[[Any], Any] = str, **more: Any) -> SqlQuery:
        options = {
            "read_query": "SELECT a, b FROM t ORDER BY a",
            "write_query_builder": FunctionRef("m.build", write),
            "exposed_type": "records",
            **self.options,
            **more,
        }
        opening = Opening(
            node="x",
            options=SqlOptions(**options),
            key="global/x",
            path=self.path,
            memory={},
            load=lambda ref: ref.target,
        )
        return open_sql(opening)

    def written(self, made: Any) -> list[dict[str, Any]]:
        """What is read when a builder's statements are executed."""
        storage = self.open(lambda _value: made)
        storage.stage(None).commit()
        read: list[dict[str, Any]] = storage.read()
        return read


def in_sqlite(path: Path) -> Site:
    def run(statement: str) -> Any:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    return Site("sqlite", {"db_engine": "sqlite", "db_name": "x"}, path, run)


def on_server(made: Made) -> Site:
    return Site(made.engine, made.options, None, made.run)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "sqlite":
        site = in_sqlite(tmp_path / "x.db")
        site.run("CREATE TABLE t (a INTEGER, b TEXT)")
        yield site
        return
    with database(request.param) as made:
        made.run("CREATE TABLE t (a INTEGER, b VARCHAR(50))")
        yield on_server(made)


@pytest.fixture
def sqlite(tmp_path: Path) -> Site:
    site = in_sqlite(tmp_path / "x.db")
    site.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)")
    site.run("INSERT INTO t VALUES (1, 'old')")
    return site


@pytest.mark.parametrize(
    ("query", "row"),
    [
        pytest.param("SELECT '12:30' AS a, ':x' AS b", {"a": "12:30", "b": ":x"}, id="colons"),
        pytest.param(r"SELECT '\:x' AS a", {"a": ":x"}, id="colon-as-taipy-needs-it"),
        pytest.param("SELECT 1 AS a WHERE 'ax' LIKE '%x'", {"a": 1}, id="percent"),
        pytest.param("SELECT '%s %(a)s %% ?' AS a", {"a": "%s %(a)s %% ?"}, id="placeholders"),
    ],
)
def test_a_query_is_sent_as_it_is_written(site: Site, query: str, row: dict[str, Any]) -> None:
    assert site.open(read_query=query).read() == [row]


def test_a_cast_of_postgresql() -> None:
    with database("postgresql") as made:
        storage = on_server(made).open(read_query="SELECT '5'::int AS a, '7' :: text AS b")
        assert storage.read() == [{"a": 5, "b": "7"}]


def test_names_of_a_frame_may_be_there_twice(sqlite: Site) -> None:
    query = "SELECT a, a FROM t"
    frame = sqlite.open(read_query=query, exposed_type="pandas").read()
    assert list(frame.columns) == ["a", "a"]
    with pytest.raises(JobError, match=r"cannot be read: column `a` is there 2 times$"):
        sqlite.open(read_query=query).read()


def test_only_reading_tells(sqlite: Site) -> None:
    assert sqlite.open(read_query="SELECT * FROM nothing").exists()


def test_what_is_no_query(sqlite: Site) -> None:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        sqlite.open(read_query="DELETE FROM t").read()
    message = f"data node `x`: {sqlite.path} cannot be read: `read_query` gives no rows"
    assert (str(caught.value), caught.value.code) == (message, "RUN604")
    assert sqlite.run("SELECT count(*) FROM t") == [(1,)]


def test_reading_changes_nothing(sqlite: Site) -> None:
    query = "INSERT INTO t VALUES (2, 'new') RETURNING a"
    assert sqlite.open(read_query=query).read() == [{"a": 2}]
    assert sqlite.run("SELECT count(*) FROM t") == [(1,)]


@pytest.mark.parametrize(
    ("made", "rows"),
    [
        pytest.param("INSERT INTO t VALUES (2, '%s :x')", [(2, "%s :x")], id="text"),
        pytest.param(r"INSERT INTO t VALUES (2, '\:x')", [(2, ":x")], id="escaped-colon"),
        pytest.param(["INSERT INTO t VALUES (2, 'x')", "DELETE FROM t"], [], id="list"),
        pytest.param(("INSERT INTO t VALUES (2, 'x')", "DELETE FROM t"), [], id="tuple"),
        pytest.param(("INSERT INTO t VALUES (:a, :b)", {"a": 2, "b": "%"}), [(2, "%")], id="pair"),
        pytest.param(
            [("INSERT INTO t VALUES (:a, '12:30%')", [{"a": 2}, {"a": 3}])],
            [(2, "12:30%"), (3, "12:30%")],
            id="many-parameters",
        ),
        pytest.param([["INSERT INTO t VALUES (:a, 'x')", {"a": 2}]], [(2, "x")], id="pair-as-list"),
        pytest.param([("INSERT INTO t VALUES (:a, 'x')", [])], [], id="parameters-of-none"),
        pytest.param([("INSERT INTO t VALUES (2, 'x')", None)], [(2, "x")], id="no-parameters"),
        pytest.param([("INSERT INTO t VALUES (2, 'x')", {})], [(2, "x")], id="empty-parameters"),
        pytest.param(sa.insert(TABLE).values(a=2, b="x"), [(2, "x")], id="clause"),
        pytest.param(
            [(sa.insert(TABLE), [{"a": 2, "b": "x"}, {"a": 3, "b": None}])],
            [(2, "x"), (3, None)],
            id="clause-with-parameters",
        ),
        pytest.param(
            ("INSERT INTO t VALUES (:a, :b)", {"a": np.int64(2), "b": float("nan")}),
            [(2, None)],
            id="numpy-and-nothing",
        ),
        pytest.param(
            ("INSERT INTO t VALUES (:a, :b)", {"a": 2, "b": "'); DROP TABLE t; --"}),
            [(2, "'); DROP TABLE t; --")],
            id="bound",
        ),
        pytest.param([], [], id="none"),
    ],
)
def test_statements(site: Site, made: Any, rows: list[tuple[Any, ...]]) -> None:
    assert site.written(made) == [{"a": a, "b": b} for a, b in rows]


def test_a_time_goes_into_sqlite_as_text(sqlite: Site) -> None:
    when = dt.datetime(2024, 2, 29, 1, 2, 3)
    sqlite.written(("UPDATE t SET b = :b", {"b": when}))
    assert sqlite.run("SELECT b FROM t") == [("2024-02-29 01:02:03",)]


def test_a_builder_gets_the_value(sqlite: Site) -> None:
    storage = sqlite.open(lambda frame: ("INSERT INTO t VALUES (:a, :b)", frame.to_dict("records")))
    storage.stage(pd.DataFrame({"a": [5], "b": ["x"]})).commit()
    assert storage.read() == [{"a": 1, "b": "old"}, {"a": 5, "b": "x"}]


def test_all_statements_or_none(site: Site) -> None:
    if site.engine != "sqlite":
        site.run("DROP TABLE t")
        site.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR(50))")
    site.run("INSERT INTO t VALUES (1, 'old')")
    insert = ("INSERT INTO t VALUES (:a, 'new')", [{"a": 2}, {"a": 3}])
    storage = site.open(lambda _value: ["DELETE FROM t", insert, "INSERT INTO nothing VALUES (1)"])
    staged = storage.stage(None)
    with pytest.raises(
        JobError, match=r"^data node `x`: .* cannot be written: .*nothing"
    ) as caught:
        staged.commit()
    staged.discard()
    assert caught.value.code == "RUN605"
    assert "\n" not in str(caught.value)
    assert storage.read() == [{"a": 1, "b": "old"}]


def test_parameters_are_in_no_message(sqlite: Site) -> None:
    storage = sqlite.open(lambda _value: ("INSERT INTO t VALUES (:a, :b)", {"a": 1, "b": "c4nary"}))
    with pytest.raises(JobError, match=r"UNIQUE constraint failed: t.a$") as caught:
        storage.stage(None).commit()
    assert "c4nary" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        pytest.param(None, "a `NoneType`, which is no statement", id="nothing"),
        pytest.param(5, "a `int`, which is no statement", id="number"),
        pytest.param({"a": 1}, "a `dict`, which is no statement", id="dict"),
        pytest.param(["DELETE FROM t", 5], "a `int` among its statements", id="number-in-list"),
        pytest.param(
            [("INSERT INTO t VALUES (?, ?)", [(1, 2)])],
            "parameters in a `list`, not in a dict each",
            id="places",
        ),
        pytest.param(
            [("INSERT INTO t VALUES (:a)", 5)],
            "parameters in a `int`, not in a dict each",
            id="bare-parameter",
        ),
        pytest.param(
            ("INSERT INTO t VALUES (:a)", {"a": dt.timedelta(1)}),
            "parameter `a`: this database has nothing for a `timedelta`",
            id="value",
        ),
    ],
)
def test_what_is_no_statement(sqlite: Site, made: Any, why: str) -> None:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        sqlite.open(lambda _value: made).stage(None)
    assert str(caught.value) == f"data node `x` cannot be written: `m.build` returned {why}"
    assert (caught.value.code, caught.value.hint) == (
        "RUN606",
        "a statement is SQL text, a clause of SQLAlchemy, or a pair of one and its parameters",
    )


def test_a_pair_may_follow_a_text_in_a_list() -> None:
    made = ["DELETE FROM t", ("INSERT INTO t VALUES (:a)", {"a": 1})]
    assert list(statements_of(made, "sqlite")) == [
        Statement("DELETE FROM t"),
        Statement("INSERT INTO t VALUES (:a)", [{"a": 1}]),
    ]


def test_a_builder_that_fails_writes_nothing(sqlite: Site) -> None:
    def build(value: Any) -> Any:
        return value["statement"]

    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        sqlite.open(build).stage({})
    assert str(caught.value) == (
        "data node `x` cannot be written: `m.build` failed: KeyError: 'statement'"
    )
    assert isinstance(caught.value.__cause__, KeyError)


def test_append(sqlite: Site) -> None:
    append = FunctionRef("m.append", lambda value: ("INSERT INTO t VALUES (:a, 'b')", {"a": value}))
    storage = sqlite.open(append_query_builder=append)
    storage.stage_append(2).commit()
    assert storage.read() == [{"a": 1, "b": "old"}, {"a": 2, "b": "b"}]


def test_nothing_says_how_to_append(sqlite: Site) -> None:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        sqlite.open().stage_append(1)
    assert str(caught.value) == (
        "data node `x` cannot be appended to: it has no `append_query_builder`"
    )
    assert caught.value.code == "RUN605"


def test_nothing_says_how_to_remove(sqlite: Site) -> None:
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        sqlite.open().delete()
    assert str(caught.value) == (
        f"data node `x`: {sqlite.path} cannot be removed: only you know what the query reads"
    )
    assert caught.value.code == "RUN605"
