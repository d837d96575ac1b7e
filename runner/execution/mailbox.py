"""Requests to a run from other processes, through a named pipe that is there as long as it runs.

That somebody reads the pipe is the proof that the run lives, on any machine with the same folder.
A request is a line, short enough to arrive whole or not at all: pipe(7), PIPE_BUF.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread, current_thread
from typing import Final, NamedTuple

IS_POSSIBLE: Final = hasattr(os, "mkfifo")
"""Whether this system has named pipes."""
LONGEST: Final = getattr(select, "PIPE_BUF", 512)
"""Bytes of a request with its line break."""

_SUFFIX: Final = ".requests"


class Mailbox:
    """Takes the requests to one run, in a thread of its own, until it is closed.

    Where there can be no named pipe, it takes none.
    """

    def __init__(self, folder: Path, run: str, receive: Callable[[str], object]) -> None:
        """Begin to take requests; the pipes of runs that died are removed.

        Args:
            folder: where the pipe is; made where missing.
            run: id of the run, which names the pipe.
            receive: is called with each line, whatever it says; it must not raise.
        """
        self._path = _path(folder, run)
        self._receive = receive
        self._is_open = True
        self._ends = _make(self._path)
        self._thread = Thread(target=self._read, name=f"requests of {run}", daemon=True)
        if self._ends is not None:
            self._thread.start()

    def close(self) -> None:
        """Take no more, and remove the pipe."""
        ends, self._ends = self._ends, None
        if ends is None:
            return
        self._is_open = False
        with suppress(OSError):
            self._path.unlink()
        with suppress(BlockingIOError):  # it is full: the thread does not wait
            os.write(ends.writing, b"\n")
        if self._thread is not current_thread():
            self._thread.join()
        for descriptor in ends:
            os.close(descriptor)

    def _read(self) -> None:
        ends = self._ends
        lines = Lines()
        while ends is not None and self._is_open:
            for line in lines.after(os.read(ends.reading, 1 << 16)):
                self._receive(line)


class Lines:
    """Whole lines of bytes that arrive in any pieces.

    What is too long for a request, or no UTF-8, is left out.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._is_too_long = False

    def after(self, data: bytes) -> list[str]:
        """The lines that these bytes complete; empty ones are none."""
        *whole, rest = (self._rest + data).split(b"\n")
        lines = whole[1:] if self._is_too_long else whole
        self._is_too_long = len(rest) >= LONGEST or (self._is_too_long and not whole)
        self._rest = b"" if self._is_too_long else rest
        return [text for line in lines if len(line) < LONGEST and (text := _decoded(line))]


def post(folder: Path, run: str, line: str) -> bool:
    """Give a line to the process that runs a run; False: nobody takes it. Never waits.

    Raises:
        ValueError: it is no line, or longer than a request may be.
    """
    data = f"{line}\n".encode()
    if len(data) > LONGEST or b"\n" in data[:-1]:
        raise ValueError(f"a request is one line of less than {LONGEST:,} bytes")
    descriptor = _open_for_writing(_path(folder, run))
    if descriptor is None:
        return False
    try:
        os.write(descriptor, data)
    except OSError:  # it is full, because it is not read; or nobody has it open any more
        return False
    finally:
        os.close(descriptor)
    return True


class _Ends(NamedTuple):
    reading: int
    writing: int


def _path(folder: Path, run: str) -> Path:
    return folder / f"{run}{_SUFFIX}"


def _make(path: Path) -> _Ends | None:
    """Make the pipe and open it; None: there can be none."""
    if not IS_POSSIBLE:
        return None
    # It gets its name when it has its reader: before, it would look like that of a dead run.
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    ends: Sequence[int] = ()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(path.parent)
        os.mkfifo(new, 0o600)
        ends = made = _open(new)
        new.replace(path)
    except OSError:  # a file system without named pipes; a run is not to fail for that
        for descriptor in ends:
            os.close(descriptor)
        with suppress(OSError):
            new.unlink()
        return None
    return made


def _open(path: Path) -> _Ends:
    """Open both ends; with one for writing that is never closed, reading never ends."""
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else it would wait for a writer
    try:
        writing = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        os.close(reading)
        raise
    os.set_blocking(reading, True)
    return _Ends(reading, writing)


def _sweep(folder: Path) -> None:
    for path in folder.glob(f"*{_SUFFIX}"):
        descriptor = _open_for_writing(path)
        if descriptor is not None:
            os.close(descriptor)


def _open_for_writing(path: Path) -> int | None:
    """Open a pipe that somebody reads; one that nobody reads is removed."""
    if not IS_POSSIBLE:
        return None
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            with suppress(OSError):
                path.unlink()
        return None
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _decoded(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return ""
