"""How a data node's file is written so that nobody ever sees half of it.

A file is replaced, never changed: the value goes to a temporary file in the same folder, which is
renamed over the old one. Paths are prepared text here, and files bare descriptors: this is the
cost of every job, and a `Path` or a buffer costs as much as the system calls.
"""

# Text instead of Path, as said above:
# ruff: noqa: PTH101, PTH102, PTH104, PTH105, PTH108, PTH112, PTH113, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import codecs
import contextlib
import errno
import functools
import hashlib
import itertools
import os
import platform
import re
import shutil
import stat
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar, Final, TextIO

import attrs

from runner.data.storage import (
    Mark,
    Opening,
    delete_failed,
    no_value,
    read_failed,
    reason,
    write_failed,
)
from runner.errors import JobError
from runner.processes import started

_NEW: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)  # Windows
)
_AT_ONCE: Final = 1 << 20  # bytes of a copy
_NAME_BYTES: Final = 200  # of 255; the rest is for host, process and number
_TEMPORARY: Final = re.compile(
    r"\..*\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-[0-9]+\.tmp", re.DOTALL
)
_MOVED: Final = re.compile(
    r"\.(?P<name>.*)\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-[0-9]+\.old", re.DOTALL
)
_ENDINGS: Final = (".tmp", ".old")
_numbers: Final = itertools.count()


@attrs.define  # not frozen, against the custom here: one is made for every value
class StagedFile:
    """A temporary file beside the final one, renamed over it by `commit`."""

    sure: ClassVar[bool] = True

    node: str
    temporary: str
    final: str
    durable: bool
    mark: Mark | None = None

    def commit(self) -> None:
        try:
            os.replace(self.temporary, self.final)
            if self.durable:
                sync_folder(os.path.dirname(self.final))
        except OSError as error:
            raise write_failed(self.node, self.final, reason(error)) from error

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.temporary)


@attrs.frozen
class NodeFile:
    """The file of one data node.

    A symbolic link is written through: its target is replaced, the link stays. A new file gets
    the mode that `open` would give it, a replaced one keeps its own. Missing folders are made.
    """

    node: str
    path: str
    durable: bool

    @classmethod
    def of(cls, opening: Opening) -> NodeFile:
        assert opening.path is not None, "what is kept in a file is opened with a path"
        return cls(opening.node, str(opening.path), opening.durable)

    def exists(self) -> bool:
        return os.path.isfile(self.path)

    @contextlib.contextmanager
    def reading(self, why: Callable[[Exception], str] = reason) -> Iterator[None]:
        """Around a read of the file, where libraries and the user's classes raise anything.

        Args:
            why: says what is wrong, of what was raised.

        Raises:
            JobError: RUN604.
        """
        try:
            yield
        except FileNotFoundError:
            raise no_value(self.node, f"no file {self.path}") from None
        except JobError:
            raise
        except Exception as error:
            raise read_failed(self.node, self.path, why(error)) from error

    @contextlib.contextmanager
    def writing(self, why: Callable[[Exception], str] = reason) -> Iterator[None]:
        """Around what makes the content of the file of a value, where anything is raised too.

        Args:
            why: says what is wrong, of what was raised.

        Raises:
            JobError: RUN606.
        """
        try:
            yield
        except JobError:
            raise
        except Exception as error:
            message = f"data node `{self.node}` cannot be written: {why(error)}"
            raise JobError(message, code="RUN606") from error

    def mark(self, known: Mark | None = None) -> Mark | None:
        """Of the file as it is now; what changes while it is read has no mark.

        See `Storage.mark`.
        """
        try:
            stamp = stamp_of(os.stat(self.path))
            if known is not None and known.stamp == stamp:
                return known
            with open(self.path, "rb", buffering=0) as file:
                fingerprint = hashlib.file_digest(file, new_hash).hexdigest()
                found = os.fstat(file.fileno())
        except OSError:
            return None
        if stamp_of(found) != stamp:
            return None
        return Mark(fingerprint, stamp, found.st_size, rows_of(known, fingerprint))

    def stage_bytes(self, data: bytes, rows: int | None = None) -> StagedFile:
        """Write a temporary file.

        Args:
            data: what is in it.
            rows: of the table that it is; None: it is none.

        Raises:
            JobError: RUN605; no temporary file is left.
        """
        digest = new_hash(data).hexdigest()
        return self._stage(functools.partial(_write, data=data), digest, rows)

    def stage_copy(self, file: str, rows: int | None = None) -> StagedFile:
        """Write a temporary file that holds the same as another; `rows` as of `stage_bytes`.

        Raises:
            JobError: RUN605; no temporary file is left.
        """

        def copy(descriptor: int) -> None:
            with (
                open(file, "rb", buffering=0) as source,
                open(descriptor, "wb", buffering=0, closefd=False) as target,
            ):
                shutil.copyfileobj(source, target, _AT_ONCE)

        return self._stage(copy, rows=rows)

    def stage_text(
        self, write: Callable[[TextIO], object], encoding: str, rows: int | None = None
    ) -> StagedFile:
        """Write a temporary file by a function, which gets it open for text, line ends as given.

        Args:
            write: the function.
            encoding: of the file.
            rows: as of `stage_bytes`.

        Raises:
            JobError: RUN605; no temporary file is left, also when `write` raises what it likes.
        """

        def write_text(descriptor: int) -> None:
            with open(descriptor, "w", encoding=encoding, newline="", closefd=False) as file:
                write(file)

        return self._stage(write_text, rows=rows)

    def stage_binary(
        self, write: Callable[[BinaryIO], object], rows: int | None = None
    ) -> StagedFile:
        """Write a temporary file by a function, which gets it open for bytes, and may close it.

        Args:
            write: the function.
            rows: as of `stage_bytes`.

        Raises:
            JobError: RUN605; no temporary file is left, also when `write` raises what it likes.
        """

        def write_bytes(descriptor: int) -> None:
            with open(descriptor, "wb", closefd=False) as file:
                write(file)

        return self._stage(write_bytes, rows=rows)

    def delete(self) -> None:
        """Remove the file; of a symbolic link its target, as a write replaces that.

        Raises:
            JobError: RUN605.
        """
        try:
            path, mode = destination(self.path)
            if mode is not None:
                os.unlink(path)
                if self.durable:
                    sync_folder(os.path.dirname(path))
        except (FileNotFoundError, NotADirectoryError):  # in another's hands, or never a place
            return
        except OSError as error:
            raise delete_failed(self.node, self.path, reason(error)) from error

    def _stage(
        self, write: Callable[[int], object], digest: str | None = None, rows: int | None = None
    ) -> StagedFile:
        try:
            final, mode = destination(self.path)
            temporary, descriptor = _create(final, mode, durable=self.durable)
        except OSError as error:
            raise self._failed(error) from error
        staged = StagedFile(self.node, temporary, final, self.durable)
        try:
            try:
                write(descriptor)
                if self.durable:
                    os.fsync(descriptor)
                found = os.fstat(descriptor)
            finally:
                os.close(descriptor)
            if mode is not None:
                os.chmod(temporary, mode)
            staged.mark = Mark(digest or digest_of(temporary), stamp_of(found), found.st_size, rows)
        except OSError as error:
            staged.discard()
            raise self._failed(error) from error
        except BaseException:
            staged.discard()
            raise
        return staged

    def _failed(self, error: OSError) -> JobError:
        return write_failed(self.node, self.path, reason(error))


def remove_strays(folder: Path) -> None:
    """Remove the temporary files that dead processes of this machine left in a folder.

    Those of living processes and of other machines stay; so does what cannot be removed, and on
    Windows everything, where a process cannot be asked for without harm. A folder that was moved
    out of the way of a new one, which has not come, is moved back.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.endswith(_ENDINGS):  # most: a look into each takes ten times as long
                continue
            found = _TEMPORARY.fullmatch(entry.name) or _MOVED.fullmatch(entry.name)
            if found and found["host"] == _host() and started(int(found["pid"])) is None:
                with contextlib.suppress(OSError):
                    _clear_away(entry.path, found)


def remove(path: str) -> None:
    """Remove a file, or a folder with what is in it.

    Raises:
        OSError: not all of it could be removed.
    """
    try:
        os.unlink(path)
    except (IsADirectoryError, PermissionError):  # a folder: not all systems say so
        shutil.rmtree(path)


def rows_of(known: Mark | None, fingerprint: str) -> int | None:
    """How many rows there are, where that was known of the same content."""
    return known.rows if known is not None and known.fingerprint == fingerprint else None


def is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"


def reading_encoding(encoding: str) -> str:
    """What a text is read with: a mark at the start of UTF-8 text, as Windows puts it, is no text.

    Raises:
        LookupError: there is no such encoding.
    """
    return "utf-8-sig" if is_utf8(encoding) else encoding


def destination(path: str) -> tuple[str, int | None]:
    """The file to replace, links followed, and its mode; None for a new one."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return path, None
    if stat.S_ISLNK(mode):
        path = os.path.realpath(path)
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            return path, None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    if not mode & stat.S_IWUSR and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return path, stat.S_IMODE(mode)


def temporary_name(final: str, suffix: str = "tmp") -> str:
    """A name beside `final` that tells whose it is, each time another."""
    return f"{_prefix(final)}{os.getpid()}-{next(_numbers)}.{suffix}"


def make_folder(folder: str, *, durable: bool) -> None:
    """Make a folder, and those on the way to it, where they are missing."""
    missing = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for each in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(each)
        if durable:
            sync_folder(os.path.dirname(each))


def sync_folder(folder: str) -> None:
    """Let the names in a folder survive power loss."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def new_hash(data: bytes = b"") -> hashlib.blake2b:
    """What fingerprints are made with."""
    return hashlib.blake2b(data, digest_size=16)


def digest_of(path: str) -> str:
    """The fingerprint of a file's content."""
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, new_hash).hexdigest()


def stamp_of(found: os.stat_result) -> str:
    """The stamp of a file, of what `stat` says."""
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _create(final: str, mode: int | None, *, durable: bool) -> tuple[str, int]:
    """A new temporary file beside `final`, never readable by more than the old file is."""
    permissions = 0o666 if mode is None else mode
    while True:
        temporary = temporary_name(final)
        try:
            return temporary, os.open(temporary, _NEW, permissions)
        except FileNotFoundError:
            make_folder(os.path.dirname(final), durable=durable)
        except FileExistsError:
            continue  # left by an earlier process of our number


def _prefix(final: str) -> str:
    folder, separator, name = final.rpartition(os.sep)
    short = name
    if len(name) * 4 > _NAME_BYTES:
        short = os.fsencode(name)[:_NAME_BYTES].decode(errors="ignore")
    return f"{folder}{separator}.{short}.{_host()}-"


@functools.cache
def _host() -> str:
    """This machine, in eight digits: a folder may be shared, and numbers of processes are not."""
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _clear_away(path: str, found: re.Match[str]) -> None:
    """Remove what a dead process has left; what it moved away may be all that is there."""
    if path.endswith(".old"):
        final = os.path.join(os.path.dirname(path), found["name"])
        if len(found["name"]) * 4 > _NAME_BYTES:  # it may have been shortened
            return
        if not os.path.lexists(final):
            os.rename(path, final)
            return
    remove(path)


def _write(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    if written == len(data):
        return
    rest = memoryview(data)[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]
