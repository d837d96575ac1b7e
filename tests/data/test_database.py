from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import sqlalchemy.exc

from runner.config.options import SqlTableOptions
from runner.data.database import Database, told
from runner.errors import JobError

SERVER = {
    "db_name": "sh/op",
    "db_username": "a@b",
    "db_password": "p@ss:w/rd%25",
    "db_host": "db.example.com",
}


def of(engine: str, file: str | None = None, **more: Any) -> Database:
    options = {"table_name": "t", "db_engine": engine, **SERVER, **more}
    return Database("x", SqlTableOptions(**options), file)


@pytest.mark.parametrize(
    ("database", "url"),
    [
        pytest.param(
            of("postgresql"),
            "postgresql+psycopg://a%40b:p%40ss%3Aw%2Frd%2525@db.example.com/sh/op",
            id="postgresql",
        ),
        pytest.param(
            of(
                "postgresql", db_port=5433, db_extra_args={"sslmode": "require", "keepalives": True}
            ),
            "postgresql+psycopg://a%40b:p%40ss%3Aw%2Frd%2525@db.example.com:5433/sh/op"
            "?keepalives=true&sslmode=require",
            id="arguments",
        ),
        pytest.param(
            of("mysql", db_extra_args={"charset": "utf8mb4"}),
            "mysql+pymysql://a%40b:p%40ss%3Aw%2Frd%2525@db.example.com/sh/op?charset=utf8mb4",
            id="mysql",
        ),
        pytest.param(
            of("mssql", db_port=1433),
            "mssql+pyodbc://a%40b:p%40ss%3Aw%2Frd%2525@db.example.com:1433/sh/op"
            "?driver=ODBC+Driver+18+for+SQL+Server",
            id="mssql",
        ),
        pytest.param(
            of(
                "mssql",
                db_driver="ODBC Driver 17 for SQL Server",
                db_extra_args={"TrustServerCertificate": "yes"},
            ),
            "mssql+pyodbc://a%40b:p%40ss%3Aw%2Frd%2525@db.example.com/sh/op"
            "?TrustServerCertificate=yes&driver=ODBC+Driver+17+for+SQL+Server",
            id="mssql-driver",
        ),
        pytest.param(
            of("mssql", db_driver="ODBC+Driver+17"),
            "mssql+pyodbc://a%40b:p%40ss%3Aw%2Frd%2525@db.example.com/sh/op?driver=ODBC+Driver+17",
            id="driver-as-in-a-url",
        ),
        pytest.param(of("sqlite", "/a b/x.db"), "sqlite:////a b/x.db", id="sqlite"),
    ],
)
def test_url(database: Database, url: str) -> None:
    assert database.url().render_as_string(hide_password=False) == url


@pytest.mark.parametrize(
    ("database", "name"),
    [
        pytest.param(of("postgresql"), "postgresql://db.example.com/sh/op", id="server"),
        pytest.param(of("mysql", db_port=1), "mysql://db.example.com:1/sh/op", id="port"),
        pytest.param(of("sqlite", "/a/x.db"), "/a/x.db", id="file"),
    ],
)
def test_its_name_says_not_who_logs_in(database: Database, name: str) -> None:
    assert database.name == name


def test_no_password_is_shown() -> None:
    database = of("postgresql")
    for shown in (repr(database), repr(database.options), repr(database.engine)):
        assert "p@ss" not in shown
        assert "p%40ss" not in shown


@pytest.mark.parametrize(
    ("engine", "module", "message", "extra"),
    [
        pytest.param("postgresql", "sqlalchemy", "SQLAlchemy", "sql", id="sqlalchemy"),
        pytest.param("postgresql", "psycopg", "psycopg", "sql", id="psycopg"),
        pytest.param("mysql", "pymysql", "PyMySQL", "sql", id="pymysql"),
        pytest.param("mssql", "pyodbc", "pyodbc", "mssql", id="pyodbc"),
    ],
)
def test_what_is_missing(
    engine: str, module: str, message: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with (
        pytest.raises(JobError, match=rf"^data node `x` needs {message}: ") as caught,
        of(engine).reading("table `t`"),
    ):
        pass
    assert caught.value.code == "RUN402"
    assert caught.value.hint == f"install it: pip install 'toml-runner[{extra}]'"


def test_the_first_write_needs_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    database = of("sqlite", str(tmp_path / "x.db"))
    with pytest.raises(JobError, match=r"^data node `x` needs SQLAlchemy: "):
        database.check_installed()


def wrapped(error: Exception) -> Exception:
    return sqlalchemy.exc.DBAPIError("INSERT INTO t VALUES (?)", ["c4nary"], error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(
            wrapped(pymysql.err.OperationalError(1045, "Access denied")),
            "Access denied",
            id="numbered",
        ),
        pytest.param(
            wrapped(psycopg.OperationalError("connection failed: refused\n\tIs it running?")),
            "refused",
            id="first-line",
        ),
        pytest.param(
            psycopg.errors.UniqueViolation("duplicate key\nDETAIL:  Key (a)=(1) exists.\n"),
            "duplicate key: Key (a)=(1) exists.",
            id="detail",
        ),
        pytest.param(wrapped(sqlite3.OperationalError("")), "OperationalError", id="no-words"),
        pytest.param(ValueError("bad\nvery"), "bad", id="not-of-a-database"),
        pytest.param(
            sqlalchemy.exc.ArgumentError("odd\nvery odd"), "ArgumentError: odd", id="sqlalchemys"
        ),
    ],
)
def test_told(error: Exception, text: str) -> None:
    assert told(error) == text


def test_a_writer_waits_for_another_from_the_start(tmp_path: Path) -> None:
    """Two that had both read could never go on: `BEGIN IMMEDIATE` lets only one begin."""
    file = str(tmp_path / "x.db")
    quick = of("sqlite", file, db_extra_args={"timeout": 0})
    with (
        of("sqlite", file).writing("table `t`"),
        pytest.raises(JobError, match=r"^data node `x`: table `t` cannot be written: ") as caught,
        quick.writing("table `t`"),
    ):
        pass
    assert str(caught.value).endswith("cannot be written: database is locked")
    assert caught.value.code == "RUN605"


def test_a_writer_waits_for_a_minute(tmp_path: Path) -> None:
    with of("sqlite", str(tmp_path / "x.db")).writing("table `t`") as connection:
        timeout = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert timeout == 60_000
