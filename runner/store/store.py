"""What happened, in SQLite: scenarios, runs, jobs, and who last wrote each data node."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from pathlib import Path
from threading import RLock
from time import monotonic
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import attrs

from runner.errors import SetupError, UsageError
from runner.store.processes import Process, this_process
from runner.suggestions import did_you_mean

FILE_NAME: Final = "runner.db"
RUNNING: Final = "RUNNING"
"""The status of a run that has not ended; whether its process lives is another question."""
_AT_ONCE: Final = 50  # a third faster than one by one; more at once is no faster
_PATIENCE: Final = 30
"""Seconds to wait for others that write."""
_APPLICATION: Final = 0x72756E72
""""runr", in SQLite's `application_id`: tells our files from others."""

_VERSIONS: Final[Mapping[int, str]] = {
    1: """
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
""",
    2: """
ALTER TABLE runs ADD COLUMN number INTEGER;
ALTER TABLE runs ADD COLUMN session TEXT;
ALTER TABLE runs ADD COLUMN pid INTEGER;
ALTER TABLE runs ADD COLUMN host TEXT;
ALTER TABLE runs ADD COLUMN process_start TEXT;
UPDATE runs SET number = (
    SELECT count(*) FROM runs AS other WHERE (other.started, other.id) <= (runs.started, runs.id)
);
CREATE UNIQUE INDEX runs_by_number ON runs (number);
ALTER TABLE jobs ADD COLUMN worker INTEGER;
ALTER TABLE jobs ADD COLUMN log TEXT;
ALTER TABLE jobs ADD COLUMN log_start INTEGER;
ALTER TABLE jobs ADD COLUMN log_end INTEGER;
CREATE INDEX jobs_by_run ON jobs (run);
""",
}
"""What leads to each version of the schema from the one before; a new database goes through all.

The version is kept in SQLite's `user_version`. Runs are numbered as they begin, because clocks are
set back.
"""
VERSION: Final = max(_VERSIONS)


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


class RunRow(NamedTuple):
    """A run, as far as it has got.

    Attributes:
        id: of the run.
        scenario: the name of the scenario.
        mode: where its jobs run.
        status: `RUNNING` until its end is recorded.
        started: seconds since 1970, UTC.
        seconds: how long it took; None until its end is recorded.
        session: of the workers, whose logs are named for it: `<session>-<number>.log`; None where
            there are none.
        pid, host, process_start: of the process that runs it, as in `Process`; None in what old
            versions recorded.
    """

    id: str
    scenario: str
    mode: str
    status: str
    started: float
    seconds: float | None
    session: str | None = None
    pid: int | None = None
    host: str | None = None
    process_start: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether no end is recorded: it runs, or its process was killed."""
        return self.status == RUNNING

    @property
    def process(self) -> Process | None:
        """The process that runs it, or ran it; None if it is not known."""
        if self.pid is None or self.host is None:
            return None
        return Process(self.pid, self.host, self.process_start or "")


class JobRow(NamedTuple):
    """How a job of a run ended.

    Attributes:
        run, task: what it was a job of.
        status: its last.
        attempts: how often it was tried.
        started: seconds since 1970, UTC; None, as `seconds`, if it never ran.
        seconds: how long it took.
        failure: the code and the message.
        worker: which one ran it; None in development mode.
        log: the file below `logs/` in which is what it printed; None if it printed nothing.
        log_start, log_end: the bytes there that are its own, from and up to.
    """

    run: str
    task: str
    status: str
    attempts: int
    started: float | None
    seconds: float | None
    failure: str | None
    worker: int | None = None
    log: str | None = None
    log_start: int | None = None
    log_end: int | None = None


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


class NoRunError(UsageError):
    """Nothing has been run."""

    advice: Final = "runner execute begins one"

    def __init__(self) -> None:
        super().__init__("there is no run yet", hint=self.advice)


_RUN_COLUMNS: Final = ", ".join(RunRow._fields)
_SELECT_RUNS: Final = f"SELECT {_RUN_COLUMNS} FROM runs"
_SELECT_JOBS: Final = f"SELECT {', '.join(JobRow._fields)} FROM jobs"
_INSERT_RUN: Final = (
    f"INSERT INTO runs ({_RUN_COLUMNS}, number)"
    f" SELECT {', '.join('?' * len(RunRow._fields))}, coalesce(max(number), 0) + 1 FROM runs"
)


class Store:
    """The database of a storage folder. For any thread: they use its connection one by one."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = RLock()  # a signal handler may come back in where its own thread is

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
            connection = sqlite3.connect(
                path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False
            )
        with _told(path):
            try:
                _prepare(connection, path, durable=durable)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path)

    def close(self) -> None:
        with self._lock:
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

    def begin_run(
        self, scenario: str, mode: str, started: float, *, session: str | None = None
    ) -> str:
        """Record that this process begins a run; the run's id.

        That is four letters and digits, more when they run out. For the arguments see `RunRow`.
        """
        me = this_process()
        with self._transaction() as connection:
            run = _new_id(connection)
            row = RunRow(
                run, scenario, mode, RUNNING, started, None, session, me.pid, me.host, me.start
            )
            connection.execute(_INSERT_RUN, row)
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
        return {row[0]: NodeRow(*row) for row in self._rows(query)}

    def run(self, run: str | None = None) -> RunRow:
        """The run of that id; None: the latest.

        Raises:
            UsageError: there is none.
        """
        if run is None:
            latest = self.runs(1)
            if not latest:
                raise NoRunError
            return latest[0]
        found = self._rows(f"{_SELECT_RUNS} WHERE id = ?", run)
        if not found:
            raise UsageError(f"unknown run `{run}`", hint=self._meant(run))
        return RunRow(*found[0])

    def runs(self, limit: int | None = None) -> list[RunRow]:
        """So many runs, the latest first; None: all."""
        query = f"{_SELECT_RUNS} ORDER BY number DESC LIMIT ?"
        return [RunRow(*row) for row in self._rows(query, -1 if limit is None else limit)]

    def jobs(self, run: str) -> list[JobRow]:
        """The jobs of a run that have ended, in the order in which they were recorded."""
        query = f"{_SELECT_JOBS} WHERE run = ? ORDER BY rowid"
        return [JobRow(*row) for row in self._rows(query, run)]

    def job(self, run: str, task: str) -> JobRow | None:
        """A task's job of a run; None: it has not ended, or there is none."""
        found = self._rows(f"{_SELECT_JOBS} WHERE run = ? AND task = ?", run, task)
        return JobRow(*found[0]) if found else None

    def logged(self, session: str) -> dict[str, int]:
        """The logs of a session, and up to which byte each is that of recorded jobs."""
        query = (
            "SELECT log, max(log_end) FROM jobs JOIN runs ON runs.id = jobs.run"
            " WHERE session = ? AND log IS NOT NULL GROUP BY log"
        )
        return dict(self._rows(query, session))

    def _meant(self, run: str) -> str | None:
        ids = [row.id for row in self.runs()]
        if not ids:
            return NoRunError.advice
        latest = f"the latest {'is' if len(ids) == 1 else 'are'} {', '.join(ids[:3])}"
        return did_you_mean(run, ids) or latest

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock, _told(self._path):
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
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
    """Insert jobs, and nothing for what none of them has: None takes longest to hand over."""
    if not jobs:
        return
    columns = {
        name: values
        for name, values in zip(JobRow._fields, zip(*jobs, strict=True), strict=False)
        if values[0] is not None or values.count(None) < len(values)
    }
    rows = list(zip(*columns.values(), strict=True))
    whole = len(rows) - len(rows) % _AT_ONCE
    insert_many = _insert(tuple(columns), _AT_ONCE)
    for start in range(0, whole, _AT_ONCE):
        values = tuple(chain.from_iterable(rows[start : start + _AT_ONCE]))
        connection.execute(insert_many, values)
    connection.executemany(_insert(tuple(columns), 1), rows[whole:])


@cache
def _insert(columns: tuple[str, ...], rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO jobs ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"


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
    if version < VERSION:
        _upgrade(connection, path)
    _use_wal(connection)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    """Lead the schema from whatever version it has to ours, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise _foreign(path)
    for number in range(version + 1, VERSION + 1):  # none, where somebody was faster
        for statement in _VERSIONS[number].split(";")[:-1]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {number}")
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
