"""How a data node's folder of files is replaced so that nobody ever sees a part of it.

A folder is written beside the old one and changes places with it, in one step where the system
has such a one: Linux has. Elsewhere the old one is moved away first, so that for a moment there is
none; a reader who comes then finds no value, and what a process that dies then has moved away is
moved back by the next run.
"""

# Text instead of Path, as in `files`:
# ruff: noqa: PTH101, PTH102, PTH104, PTH112, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Final, TypeVar

import attrs

from runner.data import files
from runner.data.storage import Mark, delete_failed, reason, write_failed
from runner.errors import JobError

_T = TypeVar("_T")
Exchange = Callable[[str, str], bool]

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2
_UNKNOWN: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})
"""What a system or a file system says that cannot exchange."""


@attrs.define
class StagedFolder:
    """A temporary folder beside the final one, which it replaces by `commit`."""

    sure: ClassVar[bool] = True

    node: str
    temporary: str
    final: str
    durable: bool
    mark: Mark | None = None

    def commit(self) -> None:
        try:
            replace(self.temporary, self.final)
            if self.durable:
                files.sync_folder(os.path.dirname(self.final))
        except OSError as error:
            raise write_failed(self.node, self.final, reason(error)) from error

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            files.remove(self.temporary)


@attrs.frozen
class NodeFolder:
    """The folder of one data node: all its files together are the value.

    What is hidden, and what begins with `_`, as other programs put it beside their files, is no
    part of the value, and is gone when the folder is replaced.

    Attributes:
        node: the data node, for messages.
        path: the folder; of a symbolic link its target is replaced.
        durable: whether a write survives power loss.
        is_part: whether a file may be a part of such a value. A folder with others in it is never
            replaced nor removed: it is more than the data node's.
    """

    node: str
    path: str
    durable: bool
    is_part: Callable[[str], bool]

    def parts(self) -> list[str]:
        """Its files, in the order of their names."""
        return [os.path.join(self.path, part) for part in parts_of(self.path)]

    def exists(self) -> bool:
        return holds_parts(self.path)

    def mark(self, known: Mark | None = None) -> Mark | None:
        """Of all its files as they are now; what changes while it is read has no mark.

        The stamp is one over the stamps of all files. See `Storage.mark`.
        """
        try:
            size, stamp = _listed(self.path)
            if known is not None and known.stamp == stamp:
                return known
            fingerprint = _fingerprint(self.path)
            if fingerprint is None or _listed(self.path) != (size, stamp):
                return None
        except OSError:
            return None
        return Mark(fingerprint, stamp, size, files.rows_of(known, fingerprint))

    def read(self, read: Callable[[], _T]) -> _T:
        """What a function reads from the files, all of them from the same folder, or file.

        A folder is listed first and its files are opened later, and some open a file more than
        once: where another has taken its place meanwhile, it is read once more.
        """
        while True:
            before = _identity(self.path)
            try:
                value = read()
            except Exception:
                if _identity(self.path) == before:
                    raise
                continue
            if _identity(self.path) == before:
                return value

    def stage(self, write: Callable[[str], object], rows: int | None = None) -> StagedFolder:
        """Write a temporary folder by a function, which gets it, empty.

        Raises:
            JobError: RUN605; no temporary folder is left, also when `write` raises what it likes.
        """
        try:
            final = os.path.realpath(self.path)
            self._refuse_foreign(final)
            temporary = _make_beside(final, durable=self.durable)
        except OSError as error:
            raise self._failed(error) from error
        staged = StagedFolder(self.node, temporary, final, self.durable)
        try:
            write(temporary)
            if self.durable:
                _sync(temporary)
            staged.mark = self._mark_of(temporary, rows)
        except OSError as error:
            staged.discard()
            raise self._failed(error) from error
        except BaseException:
            staged.discard()
            raise
        return staged

    def delete(self) -> None:
        """Remove the folder; of a symbolic link its target.

        Raises:
            JobError: RUN605.
        """
        final = os.path.realpath(self.path)
        try:
            self._refuse_foreign(final)
            away = files.temporary_name(final)
            os.rename(final, away)
            if self.durable:
                files.sync_folder(os.path.dirname(final))
            files.remove(away)
        except FileNotFoundError:  # somebody else was faster
            return
        except OSError as error:
            raise delete_failed(self.node, self.path, reason(error)) from error

    def _mark_of(self, folder: str, rows: int | None) -> Mark | None:
        size, stamp = _listed(folder)
        fingerprint = _fingerprint(folder)
        return None if fingerprint is None else Mark(fingerprint, stamp, size, rows)

    def _refuse_foreign(self, folder: str) -> None:
        why = why_not_replaced(folder, self.is_part)
        if why is not None:
            raise OSError(errno.EINVAL, why)

    def _failed(self, error: OSError) -> JobError:
        return write_failed(self.node, self.path, reason(error))


def why_not_replaced(folder: str, is_part: Callable[[str], bool]) -> str | None:
    """Why a folder must stay, since what would be lost with it is not the data node's."""
    for root, folders, names in os.walk(folder):
        hidden = (name for name in folders if _is_apart(name))
        foreign = (
            name for name in names if not (_is_apart(name) or is_part(os.path.join(root, name)))
        )
        name = next(itertools.chain(hidden, foreign), None)
        if name is not None:
            within = os.path.relpath(os.path.join(root, name), folder)
            return f"the folder holds `{within}`, which is no part of the data node"
    return None


def stamp(path: str) -> str | None:
    """Of a file or a folder, as marks have it; None where nothing is there."""
    try:
        return _listed(path)[1] if os.path.isdir(path) else files.stamp_of(os.stat(path))
    except OSError:
        return None


def holds_parts(folder: str) -> bool:
    """Whether it is a folder with at least one file that counts."""
    return next(_parts(folder), None) is not None


def parts_of(folder: str) -> Sequence[str]:
    """The files of a folder, those of its folders included, in the order of their names."""
    return sorted(_parts(folder))


def replace(new: str, final: str, exchange: Exchange | None = None) -> None:
    """Let a folder take the place of another, or of a file, which is removed.

    Args:
        new: a folder beside `final`.
        final: what it replaces; may be missing.
        exchange: swaps the two in one step and says whether it could.

    Raises:
        OSError: it could not; `final` is as it was.
    """
    if not os.path.lexists(final):
        os.rename(new, final)
        return
    if (exchange or exchanged)(new, final):
        old = new
    else:
        old = files.temporary_name(final, "old")
        os.rename(final, old)
        try:
            os.rename(new, final)
        except BaseException:
            os.rename(old, final)
            raise
    with contextlib.suppress(OSError):  # the next run removes what is left
        files.remove(old)


def exchanged(one: str, other: str) -> bool:
    """Swap two names in one step; False where the system or the file system cannot.

    By renameat2(2) of Linux, which Python's library has not.

    Raises:
        OSError: it can, and may not.
    """
    if sys.platform != "linux":
        return False
    import ctypes  # which takes longer than all else here, and few data nodes are folders

    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if swap is None:
        return False
    names = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    if swap(*names, _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code))


def _parts(folder: str) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _is_apart(name)]
        for name in names:
            if not _is_apart(name):
                yield os.path.relpath(os.path.join(root, name), folder)


def _is_apart(name: str) -> bool:
    return name.startswith((".", "_"))


def _listed(folder: str) -> tuple[int, str]:
    """How large its files are together, and one stamp over theirs."""
    size = 0
    digest = files.new_hash()
    for part in parts_of(folder):
        found = os.stat(os.path.join(folder, part))
        size += found.st_size
        digest.update(f"{part}\0{files.stamp_of(found)}\0".encode("utf-8", "surrogateescape"))
    return size, f"{os.stat(folder).st_ino}:{size}:{digest.hexdigest()}"


def _fingerprint(folder: str) -> str | None:
    """Of the names and the contents of its files; None where it has none."""
    parts = parts_of(folder)
    digest = files.new_hash()
    for part in parts:
        content = files.digest_of(os.path.join(folder, part))
        digest.update(f"{part}\0{content}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest() if parts else None


def _identity(folder: str) -> tuple[int, int] | None:
    """Tells a folder from another of the same name; None where it is not there."""
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _make_beside(final: str, *, durable: bool) -> str:
    mode = _mode_to_keep(final)
    files.make_folder(os.path.dirname(final), durable=durable)
    while True:
        temporary = files.temporary_name(final)
        try:
            os.mkdir(temporary)
        except FileExistsError:
            continue  # left by an earlier process of our number
        if mode is not None:
            os.chmod(temporary, mode)
        return temporary


def _mode_to_keep(final: str) -> int | None:
    try:
        mode = os.lstat(final).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        return stat.S_IMODE(mode)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file")
    return None


def _sync(folder: str) -> None:
    """Let all files of a folder, and their names, survive power loss."""
    for root, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(root, name), "rb") as file:
                os.fsync(file.fileno())
        files.sync_folder(root)
