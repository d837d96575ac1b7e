"""A page of memory that a worker and the runner share: what the worker is at, and what it did.

It tells what no message could. A worker that is killed sends nothing any more; one that is in a
long job sends nothing yet. In both cases the runner reads here which call was begun last, and the
outcomes of those before it that were not sent.

The layout, in bytes, numbers little-endian:

    0   the call that was begun last, by its number; the worker writes it
    8   first and
    16  last of the calls that the worker must not begin; the runner writes them
    24  how many bytes of outcomes follow; the worker writes it
    32  outcomes, each after its length in four bytes

Neither side has a lock. The worker says that it begins a call before it looks whether it may. The
runner forbids calls before it looks, `SETTLED` seconds later, which was begun last: by then each
has seen what the other had written, so that a call is either begun or taken back, and never both.
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
_NUMBER: Final = Struct("<Q")
_LENGTH: Final = Struct("<I")
_BEGUN, _FIRST, _LAST, _TAIL = 0, 8, 16, 24


class Page:
    """The page, from either side."""

    def __init__(self, descriptor: int) -> None:
        """Map what `create` has made; the descriptor may be closed afterwards."""
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._tail = 0

    @classmethod
    def create(cls) -> tuple[Self, int]:
        """A new page, and the descriptor by which another process maps it too."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("runner-page", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _SIZE)
        page = cls(descriptor)
        _NUMBER.pack_into(page._memory, _FIRST, _NEVER)
        return page, descriptor

    def close(self) -> None:
        self._memory.close()

    # The worker's side

    def begin(self, number: int) -> bool:
        """Say that a call is begun; whether it may be."""
        memory = self._memory
        _NUMBER.pack_into(memory, _BEGUN, number)
        if number < _NUMBER.unpack_from(memory, _FIRST)[0]:
            return True
        return number > int(_NUMBER.unpack_from(memory, _LAST)[0])

    def keep(self, outcome: bytes) -> bool:
        """Keep an outcome that is not sent yet; False: there is no room."""
        start = _HEAD + self._tail
        end = start + _LENGTH.size + len(outcome)
        if end > _SIZE:
            return False
        _LENGTH.pack_into(self._memory, start, len(outcome))
        self._memory[start + _LENGTH.size : end] = outcome
        self._tail = end - _HEAD
        _NUMBER.pack_into(self._memory, _TAIL, self._tail)
        return True

    def forget(self) -> None:
        """All outcomes are sent."""
        if self._tail:
            self._tail = 0
            _NUMBER.pack_into(self._memory, _TAIL, 0)

    # The runner's side

    @property
    def begun(self) -> int:
        """The number of the call that was begun last; 0: none was."""
        return int(_NUMBER.unpack_from(self._memory, _BEGUN)[0])

    def forbid(self, first: int, last: int) -> None:
        """Let the worker begin none of these calls; after `SETTLED`, `begun` says which it has."""
        _NUMBER.pack_into(self._memory, _LAST, last)
        _NUMBER.pack_into(self._memory, _FIRST, first)

    def unsent(self) -> list[bytes]:
        """The outcomes that were not sent, as far as they can be read while the worker goes on."""
        begun = self.begun
        tail = _NUMBER.unpack_from(self._memory, _TAIL)[0]
        data = self._memory[_HEAD : _HEAD + tail]
        if self.begun != begun:  # it went on, and will send them by itself
            return []
        outcomes = []
        start = 0
        while start < len(data):
            end = start + _LENGTH.size + _LENGTH.unpack_from(data, start)[0]
            outcomes.append(data[start + _LENGTH.size : end])
            start = end
        return outcomes
