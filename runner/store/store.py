"""What happened, in SQLite: scenarios, runs, jobs, and who last wrote each data node."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, NamedTuple, Self

import attrs

from runner.errors import SetupError, UsageError

FILE_NAME: Final = "runner.db"
VERSION: Final = 1
"""Of the schema; kept in SQLite's `user_version`."""
_INSERT_JOB: Final = "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)"
_AT_ONCE: Final = 50  # a third faster than one by one; more at once is no faster
_INSERT_MANY_JOBS: Final = _INSERT_JOB + ", (?, ?, ?, ?, ?, ?, ?)" * (_AT_ONCE - 1)
_PATIENCE: Final = 30
"""Seconds to wait for others that write."""
_APPLICATION: Final = 0x72756E72
""""runr", in SQLite's `application_id`: tells our files from others."""

_SCHEMA: Final = """
CREATE TABLE scenarios (
    name     TEXT PRIMARY KEY,
    config   TEXT NOT NULL,
    created  TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE runs (
    id        TEXT PRIMARY KEY,
    scenario  TEXT NOT NULL REFERENCES scenarios (name),
    mode      TEXT NOT NULL,
    status    TEXT NOT NULL,
    started   REAL NOT NULL,
    seconds   REAL
) WITHOUT ROWID;
CREATE TABLE jobs (
    run       TEXT NOT NULL REFERENCES runs (id),
    task      TEXT NOT NULL,
    status    TEXT NOT NULL,
    attempts  INTEGER NOT NULL,
    started   REAL,
    seconds   REAL,
    failure   TEXT
);
CREATE TABLE data_nodes (
    key      TEXT PRIMARY KEY,
    origin   TEXT NOT NULL,
    run      TEXT,
    task     TEXT,
    written  REAL NOT NULL,
    digest   TEXT,
    stamp    TEXT
) WITHOUT ROWID;
"""


@attrs.frozen
class ScenarioRow:
    """A scenario, the instance.

    Attributes:
        name: what it is found by.
        config: id of its config.
        created: local time, with the offset from UTC.
    """

    name: str
    config: str
    created: datetime


class JobRow(NamedTuple):
    """How a job of a run ended.

    `started` is seconds since 1970, UTC; both times are None if it never ran. `failure` is the
    code and the message.
    """

    run: str
    task: str
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    failure: str | None


class NodeRow(NamedTuple):
    """Where the present value of a data node comes from.

    Attributes:
        key: of its place.
        origin: `default`, `task` or `user`.
        run, task: what wrote it, for `task`.
        written: seconds since 1970, UTC.
        digest: of a default: of what the config said; None where that cannot be told.
        stamp: of a default's file, as it was left: tells whether somebody has changed it since.
    """

    key: str
    origin: str
    run: str | None
    task: str | None
    written: float
    digest: str | None = None
    stamp: str | None = None


class Store:
    """The database of a storage folder. Used by one thread, and for writing by one at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, folder: Path, *, durable: bool = False) -> Store:
        """Open the store of a storage folder; both are made where missing.

        Args:
            folder: the storage folder.
            durable: whether a commit survives power loss.

        Raises:
            SetupError: RUN508, the folder or the database cannot be used; RUN701, a newer runner
                made it.
        """
        path = folder / FILE_NAME
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(folder, error.strerror or str(error)) from None
        with _told(path):
            connection = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE)
        with _told(path):
            try:
                _prepare(connection, path, durable=durable)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def scenario(self, name: str, config: str, now: datetime) -> ScenarioRow:
        """The scenario of that name, made now if there is none.

        Raises:
            UsageError: the name is that of a scenario of another config.
        """
        with self._transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO scenarios VALUES (?, ?, ?)", (name, config, now.isoformat())
            )
            query = "SELECT name, config, created FROM scenarios WHERE name = ?"
            row = connection.execute(query, (name,)).fetchone()
        found = ScenarioRow(row[0], row[1], datetime.fromisoformat(row[2]))
        if found.config != config:
            message = f"`{name}` is the name of a scenario of `{found.config}`, not of `{config}`"
            raise UsageError(message, hint="choose another --name")
        return found

    def begin_run(self, scenario: str, mode: str, started: float) -> str:
        """Record that a run begins; its id is four letters and digits, more when they run out."""
        with self._transaction() as connection:
            run = _new_id(connection)
            row = (run, scenario, mode, "RUNNING", started, None)
            connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", row)
        return run

    def record(self, jobs: Iterable[JobRow], written: Iterable[NodeRow]) -> None:
        """Record ended jobs and what they wrote, in one transaction."""
        with self._transaction() as connection:
            _insert_jobs(connection, list(jobs))
            _put(connection, written)

    def record_written(self, written: Iterable[NodeRow]) -> None:
        """Record values that no job wrote."""
        with self._transaction() as connection:
            _put(connection, written)

    def end_run(self, run: str, status: str, seconds: float) -> None:
        with self._transaction() as connection:
            query = "UPDATE runs SET status = ?, seconds = ? WHERE id = ?"
            connection.execute(query, (status, seconds, run))

    def data_nodes(self) -> dict[str, NodeRow]:
        """Where every present value comes from, by key."""
        query = "SELECT key, origin, run, task, written, digest, stamp FROM data_nodes"
        with _told(self._path):
            return {row[0]: NodeRow(*row) for row in self._connection.execute(query)}

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _told(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            with _told(self._path):
                yield self._connection
                self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _insert_jobs(connection: sqlite3.Connection, jobs: Sequence[JobRow]) -> None:
    whole = len(jobs) - len(jobs) % _AT_ONCE
    for start in range(0, whole, _AT_ONCE):
        values = tuple(chain.from_iterable(jobs[start : start + _AT_ONCE]))
        connection.execute(_INSERT_MANY_JOBS, values)
    connection.executemany(_INSERT_JOB, jobs[whole:])


def _put(connection: sqlite3.Connection, written: Iterable[NodeRow]) -> None:
    query = "INSERT OR REPLACE INTO data_nodes VALUES (?, ?, ?, ?, ?, ?, ?)"
    connection.executemany(query, written)


def _prepare(connection: sqlite3.Connection, path: Path, *, durable: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if version and application != _APPLICATION:
        raise _foreign(path)
    if version > VERSION:
        message = f"{path} was made by a newer runner (version {version}, this one knows {VERSION})"
        raise SetupError(message, code="RUN701", hint="upgrade toml-runner")
    if version == 0:
        _create(connection, path)
    _use_wal(connection)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")


def _create(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # nobody was faster
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise _foreign(path)
        for statement in _SCHEMA.split(";")[:-1]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers read while somebody writes.

    Of those who open a new database at the same moment, SQLite lets only one turn this on and
    does not make the others wait. It does where they begin to write.
    """
    deadline = monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        else:
            return


def _new_id(connection: sqlite3.Connection) -> str:
    for length in (4, 4, 4, 6, 8):
        run = "".join(secrets.choice("23456789abcdefghjkmnpqrstuvwxyz") for _ in range(length))
        if not connection.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
            break
    return run


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from None


def _foreign(path: Path) -> SetupError:
    return _unusable(path, "it is the database of another program")


def _unusable(path: Path, why: str) -> SetupError:
    hint = "look at its permissions and the free space, or set [CORE] storage_folder to another"
    return SetupError(f"storage folder: {path} cannot be used: {why}", code="RUN508", hint=hint)
