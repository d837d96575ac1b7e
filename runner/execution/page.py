"""A page of memory that a worker and the runner share: what the worker is at, and what it did.

It tells what no message could. A worker that is killed sends nothing any more; one that is in a
long job sends nothing yet. In both cases the runner reads here which call was begun last, and the
outcomes of those before it that were not sent.

The layout, in bytes, numbers in the order of the machine:

    0   the call that was begun last, by its number; the worker writes it
    8   first and
    16  last of the calls that the worker must not begin; the runner writes them
    24  how many bytes of outcomes follow; the worker writes it
    32  outcomes, each after its length in four bytes

Neither side has a lock. The worker says that it begins a call before it looks whether it may. The
runner forbids calls before it looks, `SETTLED` seconds later, which was begun last: by then each
has seen what the other had written, so that a call is either begun or taken back, and never both.
Each number is written at once: `struct` would write zeros before it, which the other side may see.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from struct import Struct
from typing import Final, Self

SETTLED: Final = 0.001
"""Seconds after which what one process wrote is seen by another, by far."""

_SIZE: Final = 256 * 1024
_HEAD: Final = 32
_NEVER: Final = 2**64 - 1
_LENGTH: Final = Struct("<I")
_BEGUN, _FIRST, _LAST, _TAIL = range(4)


class Page:
    """The page, from either side."""

    def __init__(self, descriptor: int) -> None:
        """Map what `create` has made; the descriptor may be closed afterwards."""
        self._memory = mmap.mmap(descriptor, _SIZE)
        with memoryview(self._memory) as whole, whole[:_HEAD] as head:
            self._numbers = head.cast("Q")
        self._tail = 0

    @classmethod
    def create(cls) -> tuple[Self, int]:
        """A new page, and the descriptor by which another process maps it too."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("runner-page", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        try:
            os.ftruncate(descriptor, _SIZE)
            page = cls(descriptor)
        except OSError:  # a limit
            os.close(descriptor)
            raise
        page._numbers[_FIRST] = _NEVER
        return page, descriptor

    def close(self) -> None:
        self._numbers.release()
        self._memory.close()

    # The worker's side

    def begin(self, number: int) -> bool:
        """Say that a call is begun; whether it may be."""
        numbers = self._numbers
        numbers[_BEGUN] = number
        return number < numbers[_FIRST] or number > numbers[_LAST]

    def keep(self, outcome: bytes) -> bool:
        """Keep an outcome that is not sent yet; False: there is no room."""
        start = _HEAD + self._tail
        end = start + _LENGTH.size + len(outcome)
        if end > _SIZE:
            return False
        _LENGTH.pack_into(self._memory, start, len(outcome))
        self._memory[start + _LENGTH.size : end] = outcome
        self._tail = end - _HEAD
        self._numbers[_TAIL] = self._tail
        return True

    def forget(self) -> None:
        """All outcomes are sent."""
        if self._tail:
            self._tail = 0
            self._numbers[_TAIL] = 0

    # The runner's side

    @property
    def begun(self) -> int:
        """The number of the call that was begun last; 0: none was."""
        return self._numbers[_BEGUN]

    @property
    def _told(self) -> int:
        return self._numbers[_TAIL]

    def forbid(self, first: int, last: int) -> None:
        """Let the worker begin none of these calls; after `SETTLED`, `begun` says which it has."""
        self._numbers[_LAST] = last
        self._numbers[_FIRST] = first

    def unsent(self) -> list[bytes]:
        """The outcomes that were not sent, as far as they can be read while the worker goes on."""
        begun, tail = self.begun, self._told
        data = self._memory[_HEAD : _HEAD + tail]
        if (self.begun, self._told) != (begun, tail):  # it went on, and sends them by itself
            return []
        outcomes = []
        start = 0
        while start < len(data):
            end = start + _LENGTH.size + _LENGTH.unpack_from(data, start)[0]
            outcomes.append(data[start + _LENGTH.size : end])
            start = end
        return outcomes
