"""Which run may write a data node: locks that end with the process of their run.

A lock is a row of the store. Beside the rows of a run, its process holds the lock of a file named
for the run, `locks/<run>.lock`, which the system ends with the process: that is what others wait
for, and what tells whether it lives where its number does not.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic, sleep, time
from typing import Final
from weakref import WeakSet

from runner.errors import SetupError
from runner.store.database import RUNNING, cannot_lock, folder_told, lacks_locks
from runner.store.places import Place
from runner.store.processes import Process, this_process
from runner.store.store import LockRow, Store

FOLDER: Final = "locks"
"""Of the storage folder."""
PAUSE: Final = 0.2
"""Seconds after which a lock is asked for again, where nobody tells that it is free."""

_USER: Final = "user-"
"""How a lock names who is no run; no run's id has a dash."""
_SUFFIX: Final = ".lock"
_files: Final[WeakSet[RunFile]] = WeakSet()


class LockHeldError(SetupError):
    """Another run may write a data node, and we may not.

    Attributes:
        lock: the first one that is in the way.
    """

    def __init__(self, lock: LockRow, others: int, hint: str) -> None:
        more = f" and {others:,} more" if others else ""
        who = f"run {lock.run}" if _is_run(lock.run) else "a user"
        process = f" (process {lock.pid} of {lock.host})" if lock.pid is not None else ""
        message = f"{who}{process} has been writing {_named(lock.key)}{more}"
        super().__init__(f"{message} since {_clock(lock.since)}", code="RUN507", hint=hint)
        self.lock = lock


class Locks:
    """What a run may write, until they are released.

    Attributes:
        taken_over: the locks that were those of runs which are gone.
    """

    def __init__(self, store: Store, file: RunFile, taken_over: tuple[LockRow, ...]) -> None:
        self.taken_over = taken_over
        self._store = store
        self._file = file

    def release(self) -> None:
        """Let others write; `Store.end_run` does so too, but does not wake those who wait."""
        try:
            self._store.unlock(self._file.run)
        finally:
            self._file.close()


def acquire(store: Store, keys: Iterable[str], run: str, *, wait: float = 0.0) -> Locks:
    """Get the locks of all these data nodes for a run of this process, or none of them.

    Args:
        store: where the run has begun.
        keys: of the data nodes, see `keys_of`.
        run: the run's id.
        wait: seconds to wait for others.

    Raises:
        LockHeldError: RUN507, another run has one of them, and still had it after that time.
        SetupError: RUN508, the storage folder is full, cannot be written, or cannot lock.
    """
    file = RunFile(store.folder / FOLDER, run)
    try:
        taken_over = _obtain(store, list(keys), run, wait)
        _remove_stale(store, run)
    except BaseException:
        file.close()
        raise
    return Locks(store, file, taken_over)


@contextmanager
def locked(store: Store, keys: Iterable[str], *, wait: float = 0.0) -> Iterator[None]:
    """Let nobody else write data nodes as long as the block lasts, where no run does.

    Raises:
        LockHeldError, SetupError: as `acquire`.
    """
    locks = acquire(store, keys, f"{_USER}{os.urandom(8).hex()}", wait=wait)
    try:
        yield
    finally:
        locks.release()


def keys_of(places: Iterable[Place]) -> list[str]:
    """What is locked for data nodes: of a user's file the file, since several may be kept in it."""
    return [
        os.path.realpath(place.path) if place.is_users and place.path is not None else place.key
        for place in places
    ]


def is_gone(run: str, process: Process | None, folder: Path) -> bool:
    """Whether nobody works at a run any more that has no end on record.

    A process of another machine cannot be asked. It counts as alive as long as the file of its run
    is there.

    Args:
        run: the run's id.
        process: which runs it; None: nobody knows.
        folder: the storage folder.
    """
    alive = None if process is None else process.is_alive()
    if alive is not None:
        return not alive
    path = _path(folder / FOLDER, run)
    if process is not None and _is_of_this_machine(process):
        return _is_free(path)
    return not path.exists()


class RunFile:
    """A file that is locked for as long as it is open, and so no longer than the process lives.

    Attributes:
        run: for which it is named.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self.run = run
        self._path = _path(folder, run)
        with folder_told(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = _open_locked(self._path)
        _close_in_forks()
        _files.add(self)

    def close(self) -> None:
        """End the lock, and remove the file."""
        if self._descriptor >= 0:
            with suppress(OSError):  # on Windows, where it is open
                self._path.unlink()
            self.forget()
            with suppress(OSError):
                self._path.unlink()

    def forget(self) -> None:
        """Close the file. In a fork of this process, that leaves the lock to this process."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _obtain(store: Store, keys: Sequence[str], run: str, wait: float) -> tuple[LockRow, ...]:
    """Get the rows; those that were taken over."""
    deadline = monotonic() + wait
    over: set[str] = set()  # runs for whose end we have waited

    def gone(lock: LockRow) -> bool:
        return lock.run in over or is_gone(lock.run, lock.process, store.folder)

    while True:
        locking = store.lock(keys, run, time(), gone)
        if not locking.held:
            return locking.taken_over
        first, *others = locking.held
        left = deadline - monotonic()
        if left <= 0:
            hint = _hint(first, store.folder, has_waited=wait > 0)
            raise LockHeldError(first, len(others), hint)
        if _has_ended(first, store.folder, left):
            over.add(first.run)


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # whoever takes it for that of a dead run may have locked or removed it
            if _lock(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise cannot_lock(path) if lacks_locks(error) else error from None
        os.close(descriptor)


def _has_ended(lock: LockRow, folder: Path, seconds: float) -> bool:
    """Wait for the end of the run of a lock, at most so long; whether it has come for sure."""
    path = _path(folder / FOLDER, lock.run)
    if lock.process is not None and _is_of_this_machine(lock.process):
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:  # it has just ended; or somebody has removed its file
            pass
        else:
            return _is_freed(descriptor, seconds)
    sleep(min(PAUSE, seconds))
    return False


def _is_freed(descriptor: int, seconds: float) -> bool:
    freed: SimpleQueue[None] = SimpleQueue()

    def wait() -> None:
        with suppress(OSError):
            _lock(descriptor, shared=True, wait=True)
            freed.put(None)
        os.close(descriptor)

    # A lock knows no time limit: a thread that waits for too long is left behind.
    Thread(target=wait, name="waits for a lock", daemon=True).start()
    try:
        freed.get(timeout=seconds)
    except Empty:
        return False
    return True


def _remove_stale(store: Store, run: str) -> None:
    """Remove the files of runs that were killed, and of users' commands that were."""
    folder = store.folder / FOLDER
    stale = {path.stem: path for path in folder.glob(f"*{_SUFFIX}") if path.stem != run}
    stale = {name: path for name, path in stale.items() if _is_run(name) or _is_free(path)}
    if stale:
        for each in store.runs(status=RUNNING):
            if each.id in stale and not is_gone(each.id, each.process, store.folder):
                del stale[each.id]
        for path in stale.values():
            with suppress(OSError):
                path.unlink()


def _is_of_this_machine(process: Process) -> bool:
    """Whether it runs on the kernel that runs us, be it under another name, in a container."""
    me = this_process()
    boots = [each.start.partition("/")[0] for each in (process, me)]
    return boots[0] == boots[1] if all(boots) else process.host == me.host


def _is_free(path: Path) -> bool:
    """Whether nobody has locked a file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        return _lock(descriptor, shared=True)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _path(folder: Path, run: str) -> Path:
    return folder / f"{run}{_SUFFIX}"


def _hint(lock: LockRow, folder: Path, *, has_waited: bool) -> str:
    process = lock.process
    if process is not None and process.is_alive() is None and not _is_of_this_machine(process):
        return (
            f"look on {lock.host} whether it still runs: if not, remove "
            f"{_path(folder / FOLDER, lock.run)}; if so, wait for it: --wait-lock 60s"
        )
    if has_waited and _is_run(lock.run):
        return f"wait longer for it, or stop it: runner cancel {lock.run}"
    return "wait for it: --wait-lock 60s"


def _is_run(holder: str) -> bool:
    return not holder.startswith(_USER)


def _named(key: str) -> str:
    """A data node by its id, a user's file by its path."""
    return f"`{key if os.path.isabs(key) else key.rpartition('/')[2]}`"  # noqa: PTH117 - it is text


def _clock(since: float) -> str:
    """The time of day, with the date if that is another."""
    when = datetime.fromtimestamp(since).astimezone()
    is_today = when.date() == datetime.now().astimezone().date()
    return f"{when:%H:%M:%S}" if is_today else f"{when:%Y-%m-%d %H:%M}"


if sys.platform == "win32":

    def _lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:  # noqa: ARG001 - as below
        import msvcrt

        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if error.errno not in {errno.EACCES, errno.EDEADLK}:
                    raise
                if not wait:
                    return False
            else:
                return True

else:
    import fcntl

    def _lock(descriptor: int, *, shared: bool = False, wait: bool = False) -> bool:
        """Lock an open file, alone or with others; whether that was possible."""
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, how if wait else how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@functools.cache
def _close_in_forks() -> None:
    """Let children that are forked of this process have no part in its locks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_files)


def _forget_files() -> None:
    for each in list(_files):
        each.forget()
