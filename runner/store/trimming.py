"""What a job printed, without secrets, and without its middle where it is too much."""

from __future__ import annotations

import io
import os
import re
from typing import BinaryIO, Final

from runner.masks import Mask

MOST_PRINTED: Final = 10 << 20
"""Bytes of what a job printed that are kept: half from its beginning, half from its end."""

_MARK: Final = re.compile(rb"\n\.\.\. ([0-9,]+) bytes are left out\n")
_ROOM: Final = 64  # bytes that a mark takes at most
_NEAR: Final = 4096  # bytes from a cut to a line end that is better


def trim(file: str, start: int, end: int, most: int, mask: Mask) -> int:
    """Take secrets, and what is more than `most` bytes, out of what a job printed.

    A line instead says how much is left out. What follows in the file goes too; only a process that
    its job has left behind can have written that. What cannot be opened is left alone.

    Args:
        file: the log.
        start: where in it the job's begins.
        end: where it ended.
        most: how much stays; 64 KiB or more.
        mask: knows the secrets.

    Returns:
        Where it ends now.
    """
    if end - start <= most:
        mask.conceal(file, start, end)
        return end
    half = most // 2
    # A secret that lies across a cut must not stay as a part of itself.
    mask.conceal(file, start, min(end, start + half + mask.reach))
    mask.conceal(file, max(start, end - half - mask.reach), end)
    try:
        with open(file, "r+b") as opened:  # noqa: PTH123 - a path is text here
            if opened.seek(0, os.SEEK_END) < end:  # it is not what the job printed to
                return end
            return _cut(opened, start + half, end - half + _ROOM, end)
    except OSError:
        return end


def where_now(log: BinaryIO, position: int, begun: int) -> int:
    """Where one goes on who reads whole lines of a log while workers trim it.

    Args:
        log: the file.
        position: up to where it was read.
        begun: from where; up to there it is trimmed no more.

    Returns:
        The position, or where the line of there is now; of one that is left out, where that is
        said.
    """
    if position == begun:
        return position
    log.seek(position - 1)
    if log.read(1) == b"\n":
        return position
    size = log.seek(0, os.SEEK_END)
    first = log.seek(max(begun, size - 2 * MOST_PRINTED))
    marks = list(_MARK.finditer(log.read()))
    if not marks:
        return min(position, size)
    mark = marks[-1]
    left_out = int(mark[1].replace(b",", b""))
    behind = position - (first + mark.start()) - left_out
    return min(size, first + mark.end() + behind) if behind >= 0 else first + mark.start() + 1


def _cut(file: io.BufferedRandom, head: int, tail: int, end: int) -> int:
    """Put a mark in the place of what is between; where the file ends now."""
    head = _end_of_line(file, head)
    tail = _begin_of_line(file, tail)
    file.seek(tail)
    kept = file.read(end - tail)
    file.seek(head)
    file.write(b"\n... %s bytes are left out\n" % f"{tail - head:,}".encode())
    file.write(kept)
    return file.truncate()


def _end_of_line(file: io.BufferedRandom, place: int) -> int:
    """Where the last line before a place ends; if that is far, where the character there begins."""
    file.seek(place - _NEAR)
    found = file.read(_NEAR).rfind(b"\n")
    return _begin_of_character(file, place) if found < 0 else place - _NEAR + found


def _begin_of_line(file: io.BufferedRandom, place: int) -> int:
    """Where the first line behind a place begins; if that is far, where its character does."""
    file.seek(place)
    found = file.read(_NEAR).find(b"\n")
    return _begin_of_character(file, place) if found < 0 else place + found + 1


def _begin_of_character(file: io.BufferedRandom, place: int) -> int:
    """Where the character at a place begins in UTF-8; what is none has none of four bytes."""
    file.seek(place - 3)
    data = file.read(4)
    back = 0
    while back < 3 and data[3 - back] & 0xC0 == 0x80:
        back += 1
    return place - back
