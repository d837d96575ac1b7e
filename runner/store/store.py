"""What happened, in SQLite: scenarios, runs, jobs, what data nodes hold and held, and locks."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias

import attrs

from runner.errors import UsageError
from runner.store.database import (
    FILE_NAME,
    RUNNING,
    damaged,
    opened,
    opened_to_read,
    process_of,
    told,
)
from runner.store.processes import Process, this_process
from runner.suggestions import did_you_mean

_AT_ONCE: Final = 50  # a third faster than one by one; more at once is no faster


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
        counts: how many of its jobs ended how, as JSON; None until its end is recorded, and in
            what old versions recorded.
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
    counts: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether no end is recorded: it runs, or its process was killed."""
        return self.status == RUNNING

    @property
    def process(self) -> Process | None:
        """The process that runs it, or ran it; None if it is not known."""
        return process_of(self.pid, self.host, self.process_start)


@attrs.frozen(kw_only=True)
class About:
    """What a run was begun with; None for what nobody knows.

    Attributes:
        config: the plan, as JSON; secrets are masked.
        digest: of the plan; there is one where there is a plan.
        environment: the versions of Python and runner and the platform, as JSON.
        command: the command line; None for a run of the Python API.
        commit_id: of the git repository, with `-dirty` at its end where files had changed since.
    """

    config: str | None = None
    digest: str | None = None
    environment: str | None = None
    command: str | None = None
    commit_id: str | None = None


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
        reason: why it ran, or was skipped.
        failure_type: the exception's class.
        traceback: of the failure.
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
    reason: str | None = None
    failure_type: str | None = None
    traceback: str | None = None


class NodeRow(NamedTuple):
    """Where the present value of a data node comes from.

    Attributes:
        key: of its place.
        origin: `default`, `task` or `user`.
        run, task: what wrote it, for `task`.
        written: seconds since 1970, UTC.
        digest: of a default: of what the config said; None where that cannot be told.
        stamp: of its file, as it was left: tells whether somebody has changed it since.
        size: in bytes.
        rows: of a table; None: it is none.
        fingerprint: of the content.
    """

    key: str
    origin: str
    run: str | None
    task: str | None
    written: float
    digest: str | None = None
    stamp: str | None = None
    size: int | None = None
    rows: int | None = None
    fingerprint: str | None = None


RESET: Final = "reset"
"""The origin of a version that is none: the value was removed."""


class VersionRow(NamedTuple):
    """A value that a data node has or had; the attributes are those of `NodeRow`.

    One of the origin `RESET` says that the value before was removed.
    """

    key: str
    run: str | None
    task: str | None
    origin: str
    written: float
    size: int | None = None
    rows: int | None = None
    fingerprint: str | None = None


class TraceRow(NamedTuple):
    """What the last completed job of a task rested on.

    Attributes:
        owner: the name of the scenario.
        task: whose job it was.
        run: in which it ran.
        ended: seconds since 1970, UTC.
        code: digest of the code's fingerprint, whose parts `Store.code` gives.
        settings: digest of what `Store.settings` gives.
        inputs: the fingerprints of what it read, by data node, as JSON.
        outputs: a fingerprint and a stamp of what it wrote, by data node, as JSON.
    """

    owner: str
    task: str
    run: str
    ended: float
    code: str | None = None
    settings: str | None = None
    inputs: str | None = None
    outputs: str | None = None


class LockRow(NamedTuple):
    """Who may write a data node, for as long as its run lasts.

    Attributes:
        key: of the data node's place.
        run: who.
        pid, host, process_start: of its process, as in `Process`.
        since: seconds since 1970, UTC.
    """

    key: str
    run: str
    pid: int | None
    host: str | None
    process_start: str | None
    since: float

    @property
    def process(self) -> Process | None:
        """The process of its run; None if it is not known."""
        return process_of(self.pid, self.host, self.process_start)


@attrs.frozen
class Locking:
    """What came of asking for locks.

    Attributes:
        held: those of others; if there are any, no lock was given.
        taken_over: those of runs that are gone, which were given all the same.
    """

    held: tuple[LockRow, ...] = ()
    taken_over: tuple[LockRow, ...] = ()


@attrs.frozen(kw_only=True)
class Prunable:
    """What can be removed, and what cannot although it is old enough.

    Attributes:
        runs: ids of those that can.
        sessions: of them, whose logs no other run has, nor a process writes.
        wrote: ids of runs that wrote what a data node holds now, or a trace.
        goes_on: ids of runs that have no end and may still be running.
    """

    runs: tuple[str, ...]
    sessions: tuple[str, ...]
    wrote: tuple[str, ...]
    goes_on: tuple[str, ...]


_Row: TypeAlias = JobRow | NodeRow | TraceRow | LockRow


class NoRunError(UsageError):
    """Nothing has been run."""

    advice: Final = "runner execute begins one"

    def __init__(self) -> None:
        super().__init__("there is no run yet", hint=self.advice)


_RUN_COLUMNS: Final = ", ".join(RunRow._fields)
_SELECT_RUNS: Final = f"SELECT {_RUN_COLUMNS} FROM runs"
_SELECT_JOBS: Final = f"SELECT {', '.join(JobRow._fields)} FROM jobs"
_SELECT_NODES: Final = f"SELECT {', '.join(NodeRow._fields)} FROM data_nodes"
_SELECT_VERSIONS: Final = f"SELECT {', '.join(VersionRow._fields)} FROM versions"
_SELECT_TRACES: Final = f"SELECT {', '.join(TraceRow._fields)} FROM traces"
_SELECT_LOCKS: Final = f"SELECT {', '.join(LockRow._fields)} FROM locks"
_ABOUT: Final = tuple(field.name for field in attrs.fields(About))
_INSERT_RUN: Final = (
    f"INSERT INTO runs ({_RUN_COLUMNS}, {', '.join(_ABOUT)}, number)"
    f" SELECT {', '.join('?' * len(RunRow._fields + _ABOUT))}, coalesce(max(number), 0) + 1"
    " FROM runs"
)
_ONLY_NOW: Final = frozenset(NodeRow._fields) - frozenset(VersionRow._fields)
"""What is known of the present value of a data node, and not of those before."""


_UNLOCK: Final = "DELETE FROM locks WHERE run = ?"
_SWEEP_VERSIONS: Final = """
DELETE FROM versions
    WHERE CASE WHEN run IS NULL THEN written < (SELECT min(started) FROM runs)
               ELSE run NOT IN (SELECT id FROM runs) END
    AND (key, written) NOT IN (SELECT key, written FROM data_nodes)
"""
_SWEEP_CONFIGS: Final = """
DELETE FROM configs WHERE digest NOT IN (SELECT config FROM runs WHERE config IS NOT NULL)
"""
_SWEEP_CODES: Final = """
DELETE FROM codes WHERE digest NOT IN (SELECT code FROM traces WHERE code IS NOT NULL)
"""
_SWEEP_SETTINGS: Final = """
DELETE FROM settings WHERE digest NOT IN (SELECT settings FROM traces WHERE settings IS NOT NULL)
"""
"""What removes that which only removed runs had, and what no trace names."""


class Store:
    """The database of a storage folder. For any thread: they use its connection one by one."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._lock = RLock()  # a signal handler may come back in where its own thread is

    @classmethod
    def open(cls, folder: Path, *, durable: bool = False, may_be_shared: bool = True) -> Store:
        """Open the store of a storage folder; both are made where missing.

        Args:
            folder: the storage folder.
            durable: whether a commit survives power loss.
            may_be_shared: whether the folder may be on a file system of a network.

        Raises:
            SetupError: RUN508, the folder or the database cannot be used; RUN701, a newer runner
                made it.
        """
        connection = opened(folder, durable=durable, may_be_shared=may_be_shared)
        return cls(connection, folder / FILE_NAME)

    @classmethod
    def open_to_read(cls, folder: Path, *, durable: bool = False) -> Store:
        """Open the store of a storage folder that may be another's.

        Where it may be written it is as `open` leaves it; else what writes raises RUN508.

        Raises:
            SetupError: as `open`.
        """
        return cls(opened_to_read(folder, durable=durable), folder / FILE_NAME)

    @property
    def folder(self) -> Path:
        """The storage folder."""
        return self._path.parent

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
        try:
            found = ScenarioRow(row[0], row[1], datetime.fromisoformat(row[2]))
        except (TypeError, ValueError):
            raise damaged(self._path, f"`{name}` was made at no time that there is") from None
        if found.config != config:
            message = f"`{name}` is the name of a scenario of `{found.config}`, not of `{config}`"
            raise UsageError(message, hint="choose another --name")
        return found

    def begin_run(
        self,
        scenario: str,
        mode: str,
        started: float,
        *,
        session: str | None = None,
        about: About | None = None,
    ) -> str:
        """Record that this process begins a run; the run's id.

        That is four letters and digits, more when they run out. For the arguments see `RunRow`
        and `About`.
        """
        me = this_process()
        with self._transaction() as connection:
            run = _new_id(connection)
            row = RunRow(
                run, scenario, mode, RUNNING, started, None, session, me.pid, me.host, me.start
            )
            connection.execute(_INSERT_RUN, (*row, *_about_values(connection, about or About())))
        return run

    def record(
        self,
        jobs: Iterable[JobRow],
        written: Iterable[NodeRow],
        traces: Iterable[TraceRow] = (),
    ) -> None:
        """Record ended jobs, what they wrote and what they rested on, in one transaction."""
        with self._transaction() as connection:
            _insert(connection, "INSERT INTO jobs", _columns(list(jobs)))
            _put(connection, list(written))
            _insert(connection, "INSERT OR REPLACE INTO traces", _columns(list(traces)))

    def record_written(self, written: Iterable[NodeRow]) -> None:
        """Record values that no job wrote."""
        with self._transaction() as connection:
            _put(connection, list(written))

    def forget(self, key: str, now: float) -> None:
        """Record that the value of a data node was removed; what it was stays in its history.

        Args:
            key: of its place.
            now: seconds since 1970, UTC.
        """
        with self._transaction() as connection:
            connection.execute("DELETE FROM data_nodes WHERE key = ?", (key,))
            query = "INSERT INTO versions (key, origin, written) VALUES (?, ?, ?)"
            connection.execute(query, (key, RESET, now))

    def end_run(self, run: str, status: str, seconds: float) -> None:
        """Record that a run has ended; it has no locks any more."""
        with self._transaction() as connection:
            counted = _counted(connection, [run])[run]
            query = "UPDATE runs SET status = ?, seconds = ?, counts = ? WHERE id = ?"
            connection.execute(query, (status, seconds, json.dumps(counted), run))
            connection.execute(_UNLOCK, (run,))

    def keep_codes(self, parts: Mapping[str, str]) -> None:
        """Keep the parts of fingerprints of code, as JSON by digest; known ones stay.

        What no trace names is removed again, though not while any run goes on.
        """
        self._keep("codes", parts)

    def code(self, digest: str) -> str | None:
        """The parts of a fingerprint of code, as JSON; None: they are not known."""
        return self._kept("SELECT parts FROM codes WHERE digest = ?", digest)

    def keep_settings(self, settings: Mapping[str, str]) -> None:
        """Keep settings of tasks, as JSON by digest; otherwise as `keep_codes`."""
        self._keep("settings", settings)

    def settings(self, digest: str) -> str | None:
        """The settings of a task, as JSON; None: they are not known."""
        return self._kept("SELECT document FROM settings WHERE digest = ?", digest)

    def data_nodes(self) -> dict[str, NodeRow]:
        """Where every present value comes from, by key."""
        return {row[0]: NodeRow._make(row) for row in self._rows(_SELECT_NODES)}

    def data_node(self, key: str) -> NodeRow | None:
        """Where the present value of a data node comes from; None: nobody has recorded any."""
        rows = self._rows(f"{_SELECT_NODES} WHERE key = ?", key)
        return NodeRow._make(rows[0]) if rows else None

    def versions(self, key: str, limit: int | None = None) -> list[VersionRow]:
        """What a data node has held, the latest first; so many of them, None: all."""
        query = f"{_SELECT_VERSIONS} WHERE key = ? ORDER BY rowid DESC LIMIT ?"
        rows = self._rows(query, key, -1 if limit is None else limit)
        return list(map(VersionRow._make, rows))

    def traces(self, owner: str) -> dict[str, TraceRow]:
        """What the last completed jobs of a scenario rested on, by task."""
        rows = self._rows(f"{_SELECT_TRACES} WHERE owner = ?", owner)
        return {row[1]: TraceRow._make(row) for row in rows}

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

    def runs(self, limit: int | None = None, *, status: str | None = None) -> list[RunRow]:
        """So many runs, the latest first; None: all. With a status, of those that have it."""
        query = f"{_SELECT_RUNS} WHERE ? IN (status, '') ORDER BY number DESC LIMIT ?"
        rows = self._rows(query, status or "", -1 if limit is None else limit)
        return list(map(RunRow._make, rows))

    def about(self, run: str) -> About:
        """What a run was begun with."""
        query = (
            "SELECT configs.document, runs.digest, environment, command, commit_id"
            " FROM runs LEFT JOIN configs ON configs.digest = runs.config WHERE id = ?"
        )
        found = self._rows(query, run)
        return About(**dict(zip(_ABOUT, found[0], strict=True))) if found else About()

    def counts(self, runs: Sequence[RunRow]) -> dict[str, dict[str, int]]:
        """How many jobs of runs ended how, by run and status; of one that goes on, so far."""
        found = {run.id: counts for run in runs if (counts := _known_counts(run)) is not None}
        unknown = [run.id for run in runs if run.id not in found]
        if unknown:
            with self._lock, told(self._path):
                found |= _counted(self._connection, unknown)
        return found

    def config_of(self, scenario: str) -> str:
        """The config of which a name is that of a scenario; the name itself if it is of none."""
        return self._kept("SELECT config FROM scenarios WHERE name = ?", scenario) or scenario

    def jobs(self, run: str) -> list[JobRow]:
        """The jobs of a run that have ended, in the order in which they were recorded."""
        query = f"{_SELECT_JOBS} WHERE run = ? ORDER BY rowid"
        return [JobRow(*row) for row in self._rows(query, run)]

    def names(self, config: str) -> list[str]:
        """The names of the scenarios of a config, in the order in which they were made."""
        query = "SELECT name FROM scenarios WHERE config = ? ORDER BY created, name"
        return [row[0] for row in self._rows(query, config)]

    def created(self, scenario: str) -> datetime | None:
        """When a scenario was made; None: there is none of that name."""
        found = self._kept("SELECT created FROM scenarios WHERE name = ?", scenario)
        return None if found is None else datetime.fromisoformat(found)

    def usual_seconds(self, scenario: str) -> tuple[dict[str, float], int]:
        """How long the tasks of a scenario take, by what they took in so many runs, the latest."""
        query = (
            "SELECT task, avg(jobs.seconds), count(DISTINCT run) FROM jobs"
            " WHERE status = 'COMPLETED' AND run IN"
            " (SELECT id FROM runs WHERE scenario = ? ORDER BY number DESC LIMIT 20)"
            " GROUP BY task"
        )
        rows = self._rows(query, scenario)
        return {row[0]: row[1] for row in rows}, max((row[2] for row in rows), default=0)

    def failed_last(self, scenario: str) -> set[str]:
        """The tasks of a scenario whose last job failed, as far as its last twenty runs tell.

        Only runs that had failures are looked into, or that came to no end.
        """
        query = """
            WITH latest AS (
                SELECT id, number, counts FROM runs WHERE scenario = ?
                ORDER BY number DESC LIMIT 20
            )
            SELECT failed.task FROM latest JOIN jobs AS failed ON failed.run = latest.id
            WHERE failed.status = 'FAILED'
            AND (latest.counts IS NULL OR latest.counts LIKE '%FAILED%')
            AND NOT EXISTS (
                SELECT 1 FROM latest AS later JOIN jobs ON jobs.run = later.id
                WHERE later.number > latest.number AND jobs.task = failed.task
                AND jobs.status IN ('COMPLETED', 'SKIPPED')
            )
        """
        return {row[0] for row in self._rows(query, scenario)}

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

    def lock(
        self, keys: Iterable[str], run: str, since: float, is_gone: Callable[[LockRow], bool]
    ) -> Locking:
        """Let only a run of this process write data nodes: all of these, or none.

        Args:
            keys: of the data nodes.
            run: whose locks they become.
            since: seconds since 1970, UTC.
            is_gone: whether the run of a lock is no more; asked once for each run in the way.
        """
        wanted = list(dict.fromkeys(keys))
        me = this_process()
        with self._transaction() as connection:
            others = connection.execute(f"{_SELECT_LOCKS} WHERE run <> ?", (run,)).fetchall()
            by_key = {row[0]: LockRow._make(row) for row in others}
            in_the_way = [by_key[key] for key in wanted if key in by_key] if by_key else []
            runs = {row.run: row for row in reversed(in_the_way)}
            gone = {each for each, row in runs.items() if is_gone(row)}
            held = tuple(row for row in in_the_way if row.run not in gone)
            if held:
                return Locking(held=held)
            connection.executemany(_UNLOCK, [(each,) for each in gone])
            rows = [LockRow(key, run, me.pid, me.host, me.start, since) for key in wanted]
            _insert(connection, "INSERT OR IGNORE INTO locks", _columns(rows))
        return Locking(taken_over=tuple(in_the_way))

    def unlock(self, run: str) -> None:
        """End the locks of a run."""
        with self._transaction() as connection:
            connection.execute(_UNLOCK, (run,))

    def prunable(self, keep: int, is_gone: Callable[[RunRow], bool]) -> Prunable:
        """What can be removed so that so many runs, the latest, are left.

        Args:
            keep: how many.
            is_gone: whether the process of a run is no more.
        """
        runs = self.runs()
        query = "SELECT run FROM data_nodes UNION SELECT run FROM traces"
        wrote = {row[0] for row in self._rows(query)}
        goes_on = {run.id for run in runs if run.is_running and not is_gone(run)}
        old = [run for run in runs[keep:] if run.id not in wrote | goes_on]
        ids = {run.id for run in old}
        kept = {run.session for run in runs if run.id not in ids or not is_gone(run)}
        sessions = dict.fromkeys(run.session for run in old if run.session)
        return Prunable(
            runs=tuple(run.id for run in old),
            sessions=tuple(each for each in sessions if each not in kept),
            wrote=tuple(run.id for run in runs[keep:] if run.id in wrote - goes_on),
            goes_on=tuple(run.id for run in runs[keep:] if run.id in goes_on),
        )

    def remove_runs(
        self, runs: Iterable[str], is_gone: Callable[[RunRow], bool] = lambda _: False
    ) -> int:
        """Remove runs with all that is theirs alone; how many jobs they had.

        What data nodes hold now stays known, and what their jobs rested on.

        Args:
            runs: their ids.
            is_gone: whether a run without an end is no more.
        """
        jobs = 0
        for run in runs:  # each by itself: others may write in between
            with self._transaction() as connection:
                jobs += connection.execute("DELETE FROM jobs WHERE run = ?", (run,)).rowcount
                connection.execute(_UNLOCK, (run,))
                connection.execute("DELETE FROM runs WHERE id = ?", (run,))
        with self._transaction() as connection:
            if jobs:
                connection.execute(_SWEEP_VERSIONS)
            connection.execute(_SWEEP_CONFIGS)
            if all(map(is_gone, self.runs(status=RUNNING))):
                connection.execute(_SWEEP_CODES)
                connection.execute(_SWEEP_SETTINGS)
        if jobs:
            self._shrink()
        return jobs

    def _shrink(self) -> None:
        """Give the disk back what is free in the file, if that is a good part of it."""
        with self._lock, contextlib.suppress(sqlite3.Error):  # the space is used again anyway
            pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
            if 4 * self._connection.execute("PRAGMA freelist_count").fetchone()[0] > pages:
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _keep(self, table: str, texts: Mapping[str, str]) -> None:
        if texts:
            with self._transaction() as connection:
                query = f"INSERT OR IGNORE INTO {table} VALUES (?, ?)"
                connection.executemany(query, texts.items())

    def _kept(self, query: str, key: str) -> str | None:
        found = self._rows(query, key)
        return found[0][0] if found else None

    def _meant(self, run: str) -> str | None:
        ids = [row.id for row in self.runs()]
        if not ids:
            return NoRunError.advice
        latest = f"the latest {'is' if len(ids) == 1 else 'are'} {', '.join(ids[:3])}"
        return did_you_mean(run, ids) or latest

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock, told(self._path):
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, told(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):  # what was wrong before is told
                        self._connection.execute("ROLLBACK")
                raise


def _about_values(connection: sqlite3.Connection, about: About) -> tuple[str | None, ...]:
    """The columns of what a run was begun with; its config is kept once for all that have it."""
    if about.config is None:
        return attrs.astuple(about)
    connection.execute("INSERT OR IGNORE INTO configs VALUES (?, ?)", (about.digest, about.config))
    return attrs.astuple(attrs.evolve(about, config=about.digest))


def _known_counts(run: RunRow) -> dict[str, int] | None:
    try:
        counts = json.loads(run.counts or "null")
    except (TypeError, ValueError):
        return None
    return counts if isinstance(counts, dict) else None


def _counted(connection: sqlite3.Connection, runs: Iterable[str]) -> dict[str, dict[str, int]]:
    query = "SELECT status, count(*) FROM jobs WHERE run = ? GROUP BY status"
    return {run: dict(connection.execute(query, (run,)).fetchall()) for run in runs}


def _put(connection: sqlite3.Connection, written: Sequence[NodeRow]) -> None:
    columns = _columns(written)
    _insert(connection, "INSERT OR REPLACE INTO data_nodes", columns)
    history = {name: values for name, values in columns.items() if name not in _ONLY_NOW}
    _insert(connection, "INSERT INTO versions", history)


def _columns(rows: Sequence[_Row]) -> dict[str, tuple[Any, ...]]:
    """The columns in which any of these has something: None takes longest to hand over."""
    if not rows:
        return {}
    return {
        name: values
        for name, values in zip(rows[0]._fields, zip(*rows, strict=True), strict=True)
        if values[0] is not None or values.count(None) < len(values)
    }


def _insert(
    connection: sqlite3.Connection, verb: str, columns: Mapping[str, tuple[Any, ...]]
) -> None:
    rows = list(zip(*columns.values(), strict=True))
    whole = len(rows) - len(rows) % _AT_ONCE
    for start in range(0, whole, _AT_ONCE):
        values = tuple(chain.from_iterable(rows[start : start + _AT_ONCE]))
        connection.execute(_statement(verb, tuple(columns), _AT_ONCE), values)
    if whole < len(rows):
        connection.executemany(_statement(verb, tuple(columns), 1), rows[whole:])


@cache
def _statement(verb: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"{verb} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"


def _new_id(connection: sqlite3.Connection) -> str:
    import secrets

    for length in (4, 4, 4, 6, 8):
        run = "".join(secrets.choice("23456789abcdefghjkmnpqrstuvwxyz") for _ in range(length))
        if not connection.execute("SELECT 1 FROM runs WHERE id = ?", (run,)).fetchone():
            break
    return run
