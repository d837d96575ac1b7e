"""The files that are mapped into this process, and which bytes in memory still are theirs.

A private mapping shows its file until it is written to: the kernel then puts a page of the
process's own in the place of the file's, and tells so in `/proc/self/pagemap` (see
proc_pid_pagemap(5)). Where there is none, no bytes are known to be a file's.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

_PAGEMAP: Final = "/proc/self/pagemap"
_ENTRY: Final = 8  # bytes of a page
_IN_USE: Final = 62  # the bits above tell whether a page is in memory, or swapped
_OF_A_FILE: Final = 61


class Extent(NamedTuple):
    """Bytes of a file.

    Attributes:
        path: of the file when it was mapped.
        start: where these begin.
        size: how many.
        inode: which file that was.
        total: bytes of the whole file.
    """

    path: str
    start: int
    size: int
    inode: int
    total: int


class _Mapping(NamedTuple):
    path: str
    inode: int
    total: int
    address: int
    size: int


_mappings: Final[WeakKeyDictionary[mmap.mmap, _Mapping]] = WeakKeyDictionary()
_lock: Final = threading.Lock()


def mapped(path: str, descriptor: int, size: int) -> mmap.mmap:
    """Map the first bytes of a file, privately: they can be written without changing the file.

    Args:
        path: of the file, which nobody changes from now on; it may be removed.
        descriptor: of it, open for reading; not needed any more afterwards.
        size: how many bytes.

    Raises:
        OSError, ValueError: the file cannot be mapped, or is shorter.
    """
    import ctypes

    if sys.version_info >= (3, 13):
        found = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False)
    else:
        found = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
    address = ctypes.addressof(ctypes.c_char.from_buffer(found))
    file = os.fstat(descriptor)
    with _lock:
        _mappings[found] = _Mapping(path, file.st_ino, file.st_size, address, size)
    return found


def origin(buffer: memoryview) -> Extent | None:
    """Where in a file the bytes of a buffer are; None: they are in none, or nobody can tell.

    Args:
        buffer: contiguous; its bytes may be read-only.
    """
    numpy = sys.modules.get("numpy")
    if numpy is None or not _mappings:  # who has mapped an array has it
        return None
    address = numpy.frombuffer(buffer, numpy.uint8).__array_interface__["data"][0]
    with _lock:
        for each in _mappings.values():
            start = address - each.address
            if 0 <= start <= each.size - buffer.nbytes:
                if not _is_untouched(numpy, address, buffer.nbytes):
                    return None
                return Extent(each.path, start, buffer.nbytes, each.inode, each.total)
    return None


def _is_untouched(numpy: Any, address: int, size: int) -> bool:
    """Whether nothing was written to the pages of a private mapping that hold these bytes."""
    first, last = address // mmap.PAGESIZE, (address + size - 1) // mmap.PAGESIZE
    count = last - first + 1
    try:
        with open(_PAGEMAP, "rb", buffering=0) as file:  # noqa: PTH123 - a text, not a Path
            file.seek(first * _ENTRY)
            entries = file.read(count * _ENTRY)
    except OSError:
        return False
    if len(entries) != count * _ENTRY:
        return False
    pages = numpy.frombuffer(entries, numpy.uint64)
    is_own = (pages >> _IN_USE != 0) & (pages >> _OF_A_FILE & 1 == 0)
    return not is_own.any()
