"""What goes wrong with databases is told in one line, without the password, and loses nothing.

Servers are real ones, whose connections are cut while a transaction runs. What PostgreSQL says of a
wrong password cannot be seen where it trusts everybody on this machine.
"""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from services import HOST, PASSWORD, Made, database
from sqlalchemy import Connection

from runner.config.options import SqlTableOptions
from runner.data.sql_table import SqlTable, open_sql_table
from runner.data.storage import Opening
from runner.errors import JobError

OLD: Final = [{"a": 1}, {"a": 2}]
NEW: Final = [{"a": n} for n in range(3, 30)]


def opened(path: Path | None = None, **options: Any) -> SqlTable:
    opening = Opening(
        node="x",
        options=SqlTableOptions(**{"table_name": "t", "exposed_type": "records", **options}),
        key="global/x",
        path=path,
        memory={},
        load=str,
    )
    return open_sql_table(opening)


def refusal(do: Callable[[], object]) -> JobError:
    """What it raises, of which it is sure that it can be shown."""
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        do()
    assert "\n" not in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    return caught.value


@pytest.fixture(params=["postgresql", "mysql"])
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    with database(request.param) as found:
        yield found


@pytest.fixture
def mysql() -> Iterator[Made]:
    with database("mysql") as found:
        yield found


@pytest.fixture
def postgresql() -> Iterator[Made]:
    with database("postgresql") as found:
        yield found


def assert_both(options: dict[str, Any], why: str) -> None:
    """Neither a look, nor a read, nor a write gets through."""
    storage = opened(**options)
    place = f"data node `x`: table `t` of {storage.database.name}"
    for do, verb, code in (
        (storage.exists, "read", "RUN604"),
        (storage.read, "read", "RUN604"),
        (lambda: storage.stage(NEW), "written", "RUN605"),
        (storage.delete, "written", "RUN605"),
    ):
        error = refusal(do)
        assert (str(error), error.code) == (f"{place} cannot be {verb}: {why}", code)


def test_wrong_password(mysql: Made) -> None:
    name = mysql.options["db_username"]
    options = {**mysql.options, "db_password": "wrong"}
    assert_both(options, f"Access denied for user '{name}'@'{HOST}' (using password: YES)")


def test_unknown_user(postgresql: Made) -> None:
    options = {**postgresql.options, "db_username": "nobody_here"}
    why = 'FATAL:  role "nobody_here" does not exist'
    assert_both(options, f'connection to server at "{HOST}", port 5432 failed: {why}')


def test_missing_database_of_postgresql(postgresql: Made) -> None:
    options = {**postgresql.options, "db_name": "nothing_here"}
    why = 'FATAL:  database "nothing_here" does not exist'
    assert_both(options, f'connection to server at "{HOST}", port 5432 failed: {why}')


def test_missing_database_of_mysql(mysql: Made) -> None:
    options = {**mysql.options, "db_name": "nothing_here"}
    name = mysql.options["db_username"]
    why = f"Access denied for user '{name}'@'{HOST}' to database 'nothing_here'"
    assert_both(options, why)


SERVER: Final = {"db_name": "d", "db_username": "u", "db_password": PASSWORD, "db_host": HOST}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param(
            {"db_engine": "postgresql", "db_port": 1},
            f'connection to server at "{HOST}", port 1 failed: Connection refused',
            id="postgresql-refused",
        ),
        pytest.param(
            {"db_engine": "mysql", "db_port": 1},
            f"Can't connect to MySQL server on '{HOST}' ([Errno 111] Connection refused)",
            id="mysql-refused",
        ),
        pytest.param(
            {"db_engine": "postgresql", "db_host": "no.such.host.invalid"},
            "failed to resolve host 'no.such.host.invalid': [Errno -2] Name or service not known",
            id="postgresql-unknown-host",
        ),
        pytest.param(
            {"db_engine": "mysql", "db_host": "no.such.host.invalid"},
            "Can't connect to MySQL server on 'no.such.host.invalid' "
            "([Errno -2] Name or service not known)",
            id="mysql-unknown-host",
        ),
        pytest.param(
            {"db_engine": "postgresql", "db_extra_args": {"odd": 1}},
            'invalid connection option "odd"',
            id="postgresql-unknown-argument",
        ),
        pytest.param(
            {"db_engine": "mysql", "db_extra_args": {"odd": 1}},
            "Connection.__init__() got an unexpected keyword argument 'odd'",
            id="mysql-unknown-argument",
        ),
    ],
)
def test_no_server(options: dict[str, Any], why: str) -> None:
    assert_both({**SERVER, **options}, why)


def test_a_constraint_that_is_violated_in_the_middle(made: Made) -> None:
    made.run("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    storage = opened(**made.options)
    storage.stage(OLD).commit()
    error = refusal(storage.stage([*NEW, {"a": 5}, {"a": 100}]).commit)
    assert error.code == "RUN605"
    assert any(word in str(error) for word in ("duplicate key value", "Duplicate entry '5'"))
    assert storage.read() == OLD


def test_a_value_that_the_column_refuses(made: Made) -> None:
    storage = opened(**made.options)
    storage.stage(OLD).commit()
    error = refusal(storage.stage([*NEW, {"a": "no number"}]).commit)
    assert error.code == "RUN605"
    assert "no number" in str(error)
    assert storage.read() == OLD


def test_no_right_to_write(made: Made) -> None:
    storage = opened(**made.options)
    storage.stage(OLD).commit()
    name = made.options["db_username"]
    if made.engine == "postgresql":
        made.administer("ALTER TABLE t OWNER TO postgres")
        made.administer(f"GRANT SELECT ON t TO {name}")
    else:
        made.administer(f"REVOKE ALL ON {name}.* FROM {name}@'{HOST}'")
        made.administer(f"GRANT SELECT ON {name}.* TO {name}@'{HOST}'")
    error = refusal(storage.stage(NEW).commit)
    assert error.code == "RUN605"
    assert "denied" in str(error)
    assert storage.read() == OLD


def test_no_right_to_read(made: Made) -> None:
    made.administer("CREATE TABLE t (a INTEGER)")
    name = made.options["db_username"]
    if made.engine == "mysql":
        made.administer(f"REVOKE ALL ON {name}.* FROM {name}@'{HOST}'")
        made.administer(f"GRANT INSERT ON {name}.* TO {name}@'{HOST}'")
    error = refusal(opened(**made.options).read)
    assert error.code == "RUN604"
    assert "denied" in str(error)


def test_no_right_to_make_a_table(made: Made) -> None:
    name = made.options["db_username"]
    if made.engine == "postgresql":
        made.administer("REVOKE ALL ON SCHEMA public FROM public")
        made.administer(f"ALTER DATABASE {name} OWNER TO postgres")
        made.administer(f"GRANT USAGE ON SCHEMA public TO {name}")
    else:
        made.administer(f"REVOKE ALL ON {name}.* FROM {name}@'{HOST}'")
        made.administer(f"GRANT SELECT, INSERT, DELETE ON {name}.* TO {name}@'{HOST}'")
    storage = opened(**made.options)
    error = refusal(storage.stage(NEW).commit)
    assert error.code == "RUN605"
    assert "denied" in str(error)
    assert not storage.exists()


@contextmanager
def held_up(made: Made) -> Iterator[Connection]:
    """While the block runs, nobody else gets at the table."""
    with made.owner.connect() as connection:
        connection.execution_options(isolation_level="READ COMMITTED")
        with connection.begin():
            if made.engine == "postgresql":
                connection.exec_driver_sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            else:
                connection.exec_driver_sql("SELECT a FROM t FOR UPDATE")
            yield connection


def waiting(made: Made, work: Future[Any]) -> int:
    """The connection that waits for the table."""
    waits_for = {"postgresql": "Lock", "mysql": "Updating"}[made.engine]
    while not work.done():
        for number, state in made.connections().items():
            if state in {waits_for, "Deleting from main table", "deleting from main table"}:
                return number
    raise AssertionError(f"it has not waited: {work.exception()}")


def test_a_connection_that_is_cut_during_a_write(made: Made) -> None:
    storage = opened(**made.options)
    storage.stage(OLD).commit()
    staged = storage.stage(NEW)
    with ThreadPoolExecutor(1) as threads, held_up(made):
        work = threads.submit(refusal, staged.commit)
        made.kill(waiting(made, work))
        error = work.result()
    staged.discard()
    assert error.code == "RUN605"
    assert any(word in str(error) for word in ("terminating connection", "Lost connection"))
    assert storage.read() == OLD
    storage.stage(NEW).commit()  # nothing is left that would be in the way
    assert storage.read() == NEW


def test_a_reader_sees_the_old_rows_while_new_ones_are_written(made: Made) -> None:
    storage = opened(**made.options)
    storage.stage(OLD).commit()
    with storage.database.writing("table `t`") as connection:
        connection.exec_driver_sql("DELETE FROM t")
        connection.exec_driver_sql("INSERT INTO t VALUES (9)")
        assert opened(**made.options).read() == OLD
    assert opened(**made.options).read() == [{"a": 9}]


def test_two_writers_do_not_mix(made: Made) -> None:
    """The second one waits, and deletes what the first one wrote."""
    first, second = opened(**made.options), opened(**made.options)
    first.stage(OLD).commit()
    with ThreadPoolExecutor(1) as threads:
        with held_up(made) as connection:
            work = threads.submit(second.stage(NEW).commit)
            waiting(made, work)
            connection.exec_driver_sql("DELETE FROM t")
            connection.exec_driver_sql("INSERT INTO t VALUES (9)")
        work.result()
    assert first.read() == NEW


def test_a_server_that_is_gone_before_and_after(made: Made) -> None:
    storage = opened(**made.options)
    storage.stage(OLD).commit()
    assert made.connections() == {}  # so that no server can cut any
    gone = opened(**{**made.options, "db_port": 1})
    assert refusal(lambda: gone.stage(NEW)).code == "RUN605"
    assert storage.read() == OLD


# SQLite


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    opened(path, db_engine="sqlite", db_name="shop").stage(OLD).commit()
    return path


def of_sqlite(path: Path, **options: Any) -> SqlTable:
    return opened(path, db_engine="sqlite", db_name="shop", **options)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    path.write_text("a,b\n" * 1000)
    storage = of_sqlite(path)
    for do, verb in ((storage.read, "read"), (lambda: storage.stage(NEW), "written")):
        told = str(refusal(do))
        assert (
            told == f"data node `x`: table `t` of {path} cannot be {verb}: file is not a database"
        )
    assert path.read_text() == "a,b\n" * 1000


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "deep" / "shop.db"
    error = refusal(of_sqlite(path).stage(NEW).commit)
    told = f"data node `x`: table `t` of {path} cannot be written: Not a directory"
    assert (str(error), error.code) == (told, "RUN605")
    assert not of_sqlite(path).exists()


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    error = refusal(of_sqlite(tmp_path).read)
    assert str(error).endswith(
        f"table `t` of {tmp_path} cannot be read: unable to open database file"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_only_be_read(path: Path) -> None:
    path.chmod(0o400)
    error = refusal(of_sqlite(path).stage(NEW).commit)
    assert str(error).endswith("cannot be written: attempt to write a readonly database")
    assert of_sqlite(path).read() == OLD


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process grows beyond what the database is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk(path: Path) -> None:
    storage = of_sqlite(path)
    staged = storage.stage([{"a": n} for n in range(50_000)])
    with full_disk(path):
        error = refusal(staged.commit)
    assert str(error).endswith("cannot be written: disk I/O error")
    assert error.code == "RUN605"
    assert storage.read() == OLD
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
