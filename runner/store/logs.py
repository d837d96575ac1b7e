"""What a job printed: a slice of the log of the worker that ran it, read without holding it all."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from runner.errors import SetupError
from runner.store.store import JobRow

FOLDER: Final = "logs"
"""Of the storage folder."""
BLOCK: Final = 1 << 16
"""Bytes that are read at once."""
MOST_BESIDE: Final = 1 << 20
"""Bytes of lines that are shown beside a run."""


@attrs.frozen
class Slice:
    """Bytes of a file: from `start` up to, and without, `end`."""

    file: Path
    start: int
    end: int


def slice_of(job: JobRow, storage_folder: Path) -> Slice | None:
    """Where what a job printed is; None: it printed nothing."""
    if job.log is None or job.log_start is None or job.log_end is None:
        return None
    return Slice(storage_folder / FOLDER / job.log, job.log_start, job.log_end)


def read(part: Slice, *, block: int = BLOCK) -> Iterator[str]:
    r"""The text of a slice, piece by piece; what is no UTF-8 in it is told as `\xff`.

    Raises:
        SetupError: the file is not there, cannot be read, or ends before the slice does.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    with _opened(part) as file:
        file.seek(part.start)
        left = part.end - part.start
        while left > 0 and (data := file.read(min(left, block))):
            left -= len(data)
            if text := decoder.decode(data):
                yield text
    if text := decoder.decode(b"", final=True):
        yield text
    if left > 0:
        message = f"the log `{part.file}` has been cut: {left:,} bytes of this job are missing"
        raise SetupError(message)


def tail(part: Slice, lines: int, *, block: int = BLOCK) -> Slice:
    """The slice without all but so many lines at its end, found from there.

    Raises:
        SetupError: the file is not there, or cannot be read.
    """
    if lines <= 0:
        return attrs.evolve(part, start=part.end)
    with _opened(part) as file:
        position = part.end
        wanted = lines
        while position > part.start:
            begin = max(part.start, position - block)
            file.seek(begin)
            data = file.read(position - begin)
            if position == part.end and data.endswith(b"\n"):
                data = data[:-1]  # ends the last line, begins none
            breaks = data.count(b"\n")
            if breaks >= wanted:
                return attrs.evolve(part, start=begin + _place_of_break(data, wanted) + 1)
            wanted -= breaks
            position = begin
    return part


def read_slice(logs: Path, file: str, start: int, end: int) -> bytes:
    """Bytes of a log; fewer, or none, where it has no more or cannot be read.

    For what is shown beside a run, which is not to fail for that.
    """
    try:
        with (logs / file).open("rb") as opened:
            opened.seek(start)
            return opened.read(max(0, end - start))
    except OSError:
        return b""


def last_lines(logs: Path, file: str, start: int, end: int, lines: int) -> list[str]:
    """So many lines at the end of bytes of a log, without their breaks; as `read_slice`.

    Of a line that is longer than `MOST_BESIDE`, its end.
    """
    try:
        part = tail(Slice(logs / file, start, end), lines)
    except SetupError:
        return []
    begin = max(part.start, end - MOST_BESIDE)
    text = read_slice(logs, file, begin, end).decode(errors="backslashreplace")
    return text.removesuffix("\n").split("\n") if text else []


def whole_lines(part: Slice, *, block: int = BLOCK) -> Slice:
    """The slice without an unfinished line at its end.

    Raises:
        SetupError: the file is not there, or cannot be read.
    """
    position = part.end
    if position > part.start:
        with _opened(part) as file:
            while position > part.start:
                begin = max(part.start, position - block)
                file.seek(begin)
                place = file.read(position - begin).rfind(b"\n")
                if place >= 0:
                    return attrs.evolve(part, end=begin + place + 1)
                position = begin
    return attrs.evolve(part, end=part.start)


def _place_of_break(data: bytes, number: int) -> int:
    """Where the line break of that number is, counted from the end."""
    place = len(data)
    for _ in range(number):
        place = data.rindex(b"\n", 0, place)
    return place


def _opened(part: Slice) -> BinaryIO:
    try:
        return part.file.open("rb")
    except FileNotFoundError:
        raise SetupError(f"the log `{part.file}` is not there any more") from None
    except OSError as error:
        raise SetupError(f"the log `{part.file}` cannot be read: {error.strerror}") from None
