from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from runner.errors import SetupError, UsageError
from runner.store.store import FILE_NAME, VERSION, JobRow, NodeRow, Store, _use_wal

NOW = datetime(2026, 5, 1, 12, 30, 1, 5, tzinfo=timezone(timedelta(hours=2)))
HINT = "look at its permissions and the free space, or set [CORE] storage_folder to another"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "app" / ".runner"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.open(folder) as opened:
        opened.scenario("s", "s", NOW)
        yield opened


def rows(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return connection.execute(query).fetchall()


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def together(count: int, work: Callable[[int], object]) -> list[BaseException]:
    """Do the work in so many threads at once; what they raised."""
    barrier = threading.Barrier(count)
    raised: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told to the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def refused(folder: Path, **options: Any) -> SetupError:
    with pytest.raises(SetupError, match=r"runner") as caught:
        Store.open(folder, **options)
    return caught.value


def test_the_folder_is_the_owners_alone(folder: Path, store: Store) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_of_the_users_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)

    Store.open(tmp_path).close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_what_was_recorded_is_there_when_it_is_opened_again(folder: Path, store: Store) -> None:
    run = store.begin_run("s", "development", 5.0)
    store.record(
        [
            JobRow(run, "t", "FAILED", 2, 6.0, 0.5, "RUN601 bad"),
            JobRow(run, "u", "ABANDONED", 0, *[None] * 3),
        ],
        [NodeRow("global/a", "task", run, "t", 6.5)],
    )
    store.record_written([NodeRow("global/b", "default", None, None, 1.0, "abc", "1:2:3")])
    store.end_run(run, "FAILED", 1.5)
    store.close()

    with Store.open(folder) as again:
        assert again.data_nodes() == {
            "global/a": NodeRow("global/a", "task", run, "t", 6.5),
            "global/b": NodeRow("global/b", "default", None, None, 1.0, "abc", "1:2:3"),
        }
    assert rows(folder, "SELECT * FROM runs") == [(run, "s", "development", "FAILED", 5.0, 1.5)]
    assert rows(folder, "SELECT * FROM jobs") == [
        (run, "t", "FAILED", 2, 6.0, 0.5, "RUN601 bad"),
        (run, "u", "ABANDONED", 0, None, None, None),
    ]


def test_a_run_that_has_not_ended_is_running(folder: Path, store: Store) -> None:
    store.begin_run("s", "development", 5.0)

    assert rows(folder, "SELECT status, seconds FROM runs") == [("RUNNING", None)]


def test_the_last_writer_counts(store: Store) -> None:
    store.record_written([NodeRow("a", "default", None, None, 1.0, "abc")])
    store.record_written([NodeRow("a", "user", None, None, 2.0)])

    assert store.data_nodes() == {"a": NodeRow("a", "user", None, None, 2.0)}


def test_a_record_that_fails_records_nothing(folder: Path, store: Store) -> None:
    run = store.begin_run("s", "development", 5.0)
    with pytest.raises(SetupError, match=r"NOT NULL constraint failed: jobs\.status"):
        store.record(
            [JobRow(run, "t", None, 1, 1.0, 1.0, None)],  # type: ignore[arg-type]  # that is the point
            [NodeRow("a", "user", None, None, 2.0)],
        )

    assert store.data_nodes() == {}
    assert rows(folder, "SELECT * FROM jobs") == []


def test_a_scenario_is_made_once(store: Store) -> None:
    made = store.scenario("may", "monthly", NOW)
    found = store.scenario("may", "monthly", datetime.now(UTC))

    assert made == found
    assert (made.name, made.config, made.created) == ("may", "monthly", NOW)
    assert made.created.utcoffset() == timedelta(hours=2)


def test_a_name_is_of_one_config(store: Store) -> None:
    store.scenario("may", "monthly", NOW)

    with pytest.raises(UsageError, match="may") as caught:
        store.scenario("may", "weekly", NOW)

    assert str(caught.value) == "`may` is the name of a scenario of `monthly`, not of `weekly`"
    assert caught.value.hint == "choose another --name"


def test_ids_of_runs_are_short_and_differ(store: Store) -> None:
    ids = [store.begin_run("s", "development", 5.0) for _ in range(500)]

    assert len(set(ids)) == 500
    assert {len(each) for each in ids} == {4}
    assert set("".join(ids)) <= set("23456789abcdefghjkmnpqrstuvwxyz")


@pytest.mark.parametrize("attempt", range(5))
def test_many_open_a_new_store_at_once(folder: Path, attempt: int) -> None:
    raised = together(6, lambda _: Store.open(folder).close())

    assert raised == []
    assert rows(folder, "PRAGMA user_version") == [(VERSION,)]


def test_who_opens_a_new_store_waits_for_who_does_too(folder: Path) -> None:
    folder.mkdir(parents=True)
    change(folder, "CREATE TABLE any (a)")
    path = folder / FILE_NAME
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as reading,
        closing(sqlite3.connect(path, isolation_level=None)) as opening,
    ):
        reading.execute("BEGIN")
        reading.execute("SELECT * FROM any").fetchall()
        # the lock that is in the way is gone as soon as SQLite is asked to wait for it
        opening.set_trace_callback(
            lambda text: reading.rollback() if text.startswith("BEGIN") else None
        )
        _use_wal(opening)

    assert rows(folder, "PRAGMA journal_mode") == [("wal",)]


def test_many_write_at_once(folder: Path, store: Store) -> None:
    def write(number: int) -> None:
        with Store.open(folder) as other:
            run = other.begin_run("s", "development", float(number))
            for index in range(10):
                node = NodeRow(f"{number}-{index}", "user", None, None, 1.0)
                other.record([JobRow(run, "t", "COMPLETED", 1, 1.0, 1.0, None)], [node])

    assert together(4, write) == []
    assert len(store.data_nodes()) == 40
    assert rows(folder, "SELECT count(*) FROM jobs") == [(40,)]


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 0), (True, 2)])
def test_journal(folder: Path, durable: bool, synchronous: int) -> None:
    with Store.open(folder, durable=durable) as opened:
        (found,) = opened._connection.execute("PRAGMA synchronous").fetchone()

    assert found == synchronous
    assert rows(folder, "PRAGMA journal_mode") == [("wal",)]


def test_an_empty_file_becomes_a_store(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / FILE_NAME).touch()

    with Store.open(folder) as opened:
        assert opened.data_nodes() == {}


def test_a_newer_store_is_left_alone(folder: Path, store: Store) -> None:
    store.close()
    change(folder, f"PRAGMA user_version = {VERSION + 1}")
    before = (folder / FILE_NAME).read_bytes()

    error = refused(folder)

    path = folder / FILE_NAME
    assert str(error) == f"{path} was made by a newer runner (version 2, this one knows 1)"
    assert (error.code, error.hint) == ("RUN701", "upgrade toml-runner")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(("CREATE TABLE users (name)",), id="no-version"),
        pytest.param(("CREATE TABLE users (name)", "PRAGMA user_version = 1"), id="our-version"),
        pytest.param(("CREATE TABLE users (name)", "PRAGMA user_version = 9"), id="newer"),
    ],
)
def test_the_database_of_another_program_is_left_alone(
    folder: Path, statements: tuple[str, ...]
) -> None:
    folder.mkdir(parents=True)
    change(folder, *statements)
    path = folder / FILE_NAME
    before = path.read_bytes()

    error = refused(folder)

    why = "it is the database of another program"
    assert str(error) == f"storage folder: {path} cannot be used: {why}"
    assert (error.code, error.hint) == ("RUN508", HINT)
    assert path.read_bytes() == before


def test_what_is_no_database(folder: Path) -> None:
    folder.mkdir(parents=True)
    path = folder / FILE_NAME
    path.write_bytes(b"not a database, but long enough to be taken for the head of one" * 20)

    error = refused(folder)

    assert str(error) == f"storage folder: {path} cannot be used: file is not a database"
    assert error.code == "RUN508"


def test_a_damaged_database(folder: Path, store: Store) -> None:
    store.close()
    path = folder / FILE_NAME
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))

    error = refused(folder)

    assert str(error) == f"storage folder: {path} cannot be used: database disk image is malformed"
    assert error.code == "RUN508"


def test_a_folder_in_the_place_of_the_database(folder: Path) -> None:
    (folder / FILE_NAME).mkdir(parents=True)

    error = refused(folder)

    path = folder / FILE_NAME
    assert str(error) == f"storage folder: {path} cannot be used: unable to open database file"


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    folder.parent.mkdir()
    folder.touch()

    error = refused(folder)

    assert str(error) == f"storage folder: {folder} cannot be used: File exists"


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that we may not enter; root becomes somebody to whom that applies."""
    if os.name == "nt":
        pytest.skip("permissions are others on Windows")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(before)


def test_a_folder_without_permission(closed: Path) -> None:
    error = refused(closed / ".runner")

    assert str(error) == f"storage folder: {closed / '.runner'} cannot be used: Permission denied"
    assert (error.code, error.hint) == ("RUN508", HINT)
