"""The SQLite file of a storage folder: how it is made, led to our schema, and what ails it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Final

from runner.errors import SetupError
from runner.store.mounts import MOUNTS, network_of
from runner.store.processes import Process, this_process

FILE_NAME: Final = "runner.db"
RUNNING: Final = "RUNNING"
"""The status of a run that has not ended; whether its process lives is another question."""

_PATIENCE: Final = 30
"""Seconds to wait for others that write."""
_APPLICATION: Final = 0x72756E72
""""runr", in SQLite's `application_id`: tells our files from others."""
_SMALLEST: Final = 512
"""Bytes of a page, and so of a database, at least; SQLite takes less for a new one."""
_LITTLE: Final = 1 << 20
"""Bytes left on a disk at which it counts as full."""

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
    3: """
ALTER TABLE runs ADD COLUMN counts TEXT;
ALTER TABLE runs ADD COLUMN config TEXT;
ALTER TABLE runs ADD COLUMN digest TEXT;
ALTER TABLE runs ADD COLUMN environment TEXT;
ALTER TABLE runs ADD COLUMN command TEXT;
ALTER TABLE runs ADD COLUMN commit_id TEXT;
ALTER TABLE runs ADD COLUMN examined INTEGER;
CREATE INDEX runs_without_end ON runs (id) WHERE status = 'RUNNING';
ALTER TABLE jobs ADD COLUMN reason TEXT;
ALTER TABLE jobs ADD COLUMN failure_type TEXT;
ALTER TABLE jobs ADD COLUMN traceback TEXT;
ALTER TABLE data_nodes ADD COLUMN size INTEGER;
ALTER TABLE data_nodes ADD COLUMN rows INTEGER;
ALTER TABLE data_nodes ADD COLUMN fingerprint TEXT;
CREATE TABLE versions (
    key          TEXT NOT NULL,
    run          TEXT,
    task         TEXT,
    origin       TEXT NOT NULL,
    written      REAL NOT NULL,
    size         INTEGER,
    rows         INTEGER,
    fingerprint  TEXT
);
INSERT INTO versions (key, run, task, origin, written)
    SELECT key, run, task, origin, written FROM data_nodes ORDER BY written;
CREATE TABLE traces (
    owner     TEXT NOT NULL,
    task      TEXT NOT NULL,
    run       TEXT NOT NULL,
    ended     REAL NOT NULL,
    code      TEXT,
    settings  TEXT,
    inputs    TEXT,
    outputs   TEXT,
    PRIMARY KEY (owner, task)
) WITHOUT ROWID;
CREATE TABLE codes (digest TEXT PRIMARY KEY, parts TEXT NOT NULL);
CREATE TABLE settings (digest TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE configs (digest TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE locks (
    key            TEXT PRIMARY KEY,
    run            TEXT NOT NULL,
    pid            INTEGER,
    host           TEXT,
    process_start  TEXT,
    since          REAL NOT NULL
) WITHOUT ROWID;
""",
}
"""What leads to each version of the schema from the one before; a new database goes through all.

The version is kept in SQLite's `user_version`. Runs are numbered as they begin, because clocks are
set back. A run's `config` names a document in `configs`, which many runs have in common. `examined`
says that the database was looked through after a run had no end. `versions` has no index: to
look through it now and then takes less than to sort in every value that is written.
"""
VERSION: Final = max(_VERSIONS)

_START: Final = re.compile(r"[0-9a-f]+/[0-9]+/[0-9]+", re.ASCII)
"""Of a process, see `Process`."""
_PLACE: Final = (
    "look at its permissions and the free space, or set [CORE] storage_folder to another"
)
_LOCKING: Final = "set [CORE] storage_folder to a folder of a local disk"
_KEPT: Final = "what was recorded before is kept, and the files of data nodes are whole"


def opened(
    folder: Path, *, durable: bool, may_be_shared: bool = True, mounts: Path = MOUNTS
) -> sqlite3.Connection:
    """Open the database of a storage folder; both are made where missing.

    Args:
        folder: the storage folder.
        durable: whether a commit survives power loss.
        may_be_shared: whether the folder may be on a file system of a network.
        mounts: tells whether it is.

    Raises:
        SetupError: RUN508, the folder or the database cannot be used; RUN701, a newer runner
            made it.
    """
    path = folder / FILE_NAME
    network = network_of(folder, mounts)
    if network and not may_be_shared:
        raise on_network(folder, network)
    with folder_told(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path, durable=durable)
    with told(path):
        connection = _connected(path)
        try:
            _prepare(connection, path, durable=durable, in_wal=network is None)
        except BaseException:
            connection.close()
            raise
    return connection


def opened_to_read(folder: Path, *, durable: bool) -> sqlite3.Connection:
    """Open the database of a storage folder, of which we may be allowed no more than to read it.

    Raises:
        SetupError: as `opened`.
    """
    path = folder / FILE_NAME
    if not path.is_file() or (_may_write(path) and _may_write(folder)):
        return opened(folder, durable=durable)
    logs = [path.with_name(f"{FILE_NAME}-{each}") for each in ("wal", "journal")]
    # Without a log of what is not in the file yet, nobody writes; with one, SQLite wants to share
    # it, and says so where it cannot.
    how = "mode=ro" if any(log.exists() and log.stat().st_size for log in logs) else "immutable=1"
    with told(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{how}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _refuse_old(path, _refuse_others(connection, path))
        except BaseException:
            connection.close()
            raise
    return connection


def is_there(folder: Path) -> bool:
    """Whether a storage folder has a database, or what is wrong is told by who opens it."""
    try:
        (folder / FILE_NAME).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Let what SQLite raises say what is wrong with the database, and what to do about it.

    Raises:
        SetupError: RUN508.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _ailing(path, error) from None


@contextlib.contextmanager
def folder_told(folder: Path) -> Iterator[None]:
    """Let what the system refuses say that the storage folder, or one in it, cannot be used.

    Raises:
        SetupError: RUN508.
    """
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _full(folder) from None
        raise _unusable(folder, error.strerror or str(error), _PLACE) from None


def damaged(path: Path, what: str) -> SetupError:
    """That the database does not hold what was written to it."""
    hint = f"the files of data nodes are whole: move {path}* away, and a new record is begun"
    return _unusable(path, f"it is damaged: {what}", hint)


def cannot_lock(path: Path) -> SetupError:
    """That the folder of a path is on a file system without locks."""
    return _unusable(path, "its file system cannot lock files", _LOCKING)


def on_network(folder: Path, network: str) -> SetupError:
    """That a storage folder is on a file system of that type, which is one of a network."""
    why = f"it is on a network file system ({network}), where other machines may damage its record"
    return _unusable(folder, why, _LOCKING)


def lacks_locks(error: OSError) -> bool:
    """Whether a lock was refused because the file system has none."""
    return error.errno in {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


def process_of(pid: Any, host: Any, start: Any) -> Process | None:
    """The process that columns name; None: they name none, be it for damage."""
    if not isinstance(pid, int) or not isinstance(host, str):
        return None
    return Process(pid, host, start if _START.fullmatch(str(start)) else "")


def _make(path: Path, *, durable: bool) -> None:
    """Make the database where there is none: it gets its name when it is whole.

    So an empty file is never one that is just being made.
    """
    if not path.exists():
        new = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.new")
        with told(path), contextlib.closing(_connected(new)) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
            _upgrade(connection, path)
        # where somebody was faster, it exists by now, and ours may have been removed
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            _name(new, path)
    for name in os.listdir(path.parent):  # noqa: PTH208 - a third of the time of Path's
        if name.startswith(f"{path.name}.") and name.endswith(".new"):
            with contextlib.suppress(FileNotFoundError):
                (path.parent / name).unlink()


def _name(new: Path, path: Path) -> None:
    """Give a file its name, unless there is one of that name."""
    try:
        os.link(new, path)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a file system without links; nearly nobody is that fast
        if not path.exists():
            new.rename(path)


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)


def _refuse_old(path: Path, version: int) -> None:
    if version < VERSION:
        raise _unusable(path, "an older runner made it, and it can only be read", _PLACE)


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _refuse_others(connection: sqlite3.Connection, path: Path) -> int:
    """The version of its schema, where it is one of ours, whole as far as its size tells.

    Raises:
        SetupError: it is not, or a newer runner made it.
    """
    size = path.stat().st_size
    if size < _SMALLEST:
        raise damaged(path, f"it ends after {size} bytes" if size else "it is empty")
    version: int = _first_asked(connection, path, "PRAGMA user_version")
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if version and application != _APPLICATION:
        raise _foreign(path)
    if version > VERSION:
        message = f"{path} was made by a newer runner (version {version}, this one knows {VERSION})"
        raise SetupError(message, code="RUN701", hint="upgrade toml-runner")
    return version


def _prepare(connection: sqlite3.Connection, path: Path, *, durable: bool, in_wal: bool) -> None:
    if _refuse_others(connection, path) < VERSION:
        _upgrade(connection, path)
    if in_wal:
        _use_wal(connection)
    else:  # whose index all who use it must have in the memory of one machine
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    _examine(connection, path)


def _first_asked(connection: sqlite3.Connection, path: Path, query: str) -> Any:
    """The first question, after which others are waited for, if that is what they need."""
    try:
        return connection.execute(query).fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        # SQLite takes a lock that there is not for one that somebody else has
        if not _can_lock(path.parent):
            raise cannot_lock(path) from None
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE * 1000}")
    return connection.execute(query).fetchone()[0]


def _can_lock(folder: Path) -> bool:
    """Whether files of a folder can be locked; tried on one of its own.

    To close a file of the database would end the locks that this process has on it.
    """
    try:
        import fcntl
        import tempfile
    except ImportError:
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not lacks_locks(error)
    return True


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


def _examine(connection: sqlite3.Connection, path: Path) -> None:
    """Look the database through, once, where what was written last may have been lost.

    A process that dies loses nothing of what it has written; a machine does. So it is done when a
    run has no end and the machine has started since, or nobody knows whether it has.
    """
    query = (
        "SELECT id, pid, host, process_start FROM runs"
        " WHERE status = 'RUNNING' AND examined IS NULL"
    )
    lost = [
        (run,)
        for run, *process in connection.execute(query)
        if _died_with_its_machine(process_of(*process))
    ]
    if lost:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(path, found.partition("\n")[0])
        connection.executemany("UPDATE runs SET examined = 1 WHERE id = ?", lost)


def _died_with_its_machine(process: Process | None) -> bool:
    if process is None or process.is_alive() is not False:
        return False
    boot = process.start.partition("/")[0]
    return not boot or boot != this_process().start.partition("/")[0]


def _ailing(path: Path, error: sqlite3.Error) -> SetupError:
    """What an error of SQLite means; see https://sqlite.org/rescode.html for the codes."""
    code = getattr(error, "sqlite_errorcode", 0)
    name = getattr(error, "sqlite_errorname", "")
    match code & 0xFF:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, str(error))
        case sqlite3.SQLITE_READONLY:
            return _unusable(path, "it can only be read", _PLACE)
        case sqlite3.SQLITE_CANTOPEN if path.exists() and not _may_write(path.parent):
            return _unusable(path, "it can only be read", _PLACE)
        case sqlite3.SQLITE_FULL:
            return _full(path)
        case sqlite3.SQLITE_IOERR if "LOCK" in name or name == "SQLITE_IOERR_SHMMAP":
            return cannot_lock(path)
        case sqlite3.SQLITE_IOERR if _free(path.parent) < _LITTLE:
            return _full(path)
        case sqlite3.SQLITE_IOERR:
            hint = f"look at its disk, quotas and limits (ulimit -f); {_KEPT}"
            return _unusable(path, str(error), hint)
        case sqlite3.SQLITE_BUSY if not _can_lock(path.parent):
            return cannot_lock(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_PROTOCOL:
            why = f"others have kept it locked for {_PATIENCE} s"
            return _unusable(path, why, "look which processes have it open, then run it again")
    return _unusable(path, str(error), _PLACE)


def _full(path: Path) -> SetupError:
    hint = f"free some space and run it again; {_KEPT}"
    return _unusable(path, "no space is left on its disk", hint)


def _free(folder: Path) -> int:
    import shutil

    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return _LITTLE


def _foreign(path: Path) -> SetupError:
    return _unusable(path, "it is the database of another program", _PLACE)


def _unusable(path: Path, why: str, hint: str) -> SetupError:
    return SetupError(f"storage folder: {path} cannot be used: {why}", code="RUN508", hint=hint)
