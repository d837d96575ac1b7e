"""Values between processes: small ones inside a message, large ones through a file that is mapped.

Such a file is in the memory that `/dev/shm` is, where there is plenty of it, else on disk.

What is encoded is plain data, which marshal carries and which is passed on without being looked
into. A file holds the pickle and then each buffer that was left out of it, as arrays, tables and
the like have them: written from where they are, and read without copying where they are large. A
buffer that is what the file of another value holds is not written again: that file gets another
name, which is this value's, so that a table with a new column costs no more than the column.
"""

# Text and descriptors instead of Path: with most values, they are what takes the time.
# ruff: noqa: PTH103, PTH106, PTH108, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
import pickle
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias

import attrs

from runner.data.files import _host
from runner.execution.mappings import Extent, mapped, origin
from runner.processes import started

INLINE: Final = 32 * 1024
"""Bytes up to which a value travels inside a message."""

Part: TypeAlias = tuple[int, int, int]
"""Of a value in files: in which of them it is, where it begins there, and its size."""
InFiles: TypeAlias = tuple[tuple[str, ...], tuple[Part, ...]]
"""The paths of the files, which no other value has; then the parts, the pickle and its buffers."""
Encoded: TypeAlias = bool | int | float | str | bytes | InFiles | None
"""A value as it is, its pickle, or where both are that and its buffers."""

_PROTOCOL: Final = 5
_AS_THEY_ARE: Final = frozenset({type(None), bool, float})
_SMALL: Final = 4 * 1024  # a buffer below is copied faster than it is taken care of
_MAPPED: Final = 1024 * 1024  # a file below is read faster than its pages are mapped one by one
_SHARED: Final = 512 * 1024  # a buffer below is written faster than it is looked for in files
_ALIGNMENT: Final = 64
_PARTS_AT_ONCE: Final = 1024  # IOV_MAX of Linux and macOS
_BYTES_AT_ONCE: Final = 1 << 30  # macOS refuses what is over 2 GiB
_MAIN: Final = b"\x8c\x08__main__"
"""How a pickle names the module of a class or function that the program itself defines."""
_OWNER: Final = re.compile(
    r"(runner-)?(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-(?P<start>[0-9]+)(-[0-9a-f]+)*"
)
_AVAILABLE: Final = re.compile(rb"^MemAvailable: +([0-9]+) kB$", re.MULTILINE)
_UNKNOWN: Final = "0"  # a start that nothing tells
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_ROOMY: Final = 4
"""A file is put into memory if so many like it would find room."""
_LOOKED_AT: Final = 1024 * 1024
"""Bytes from which a file is put into memory only after a look at what the machine has left."""
_numbers: Final = itertools.count()


@attrs.frozen
class Folders:
    """Where the files of large values go.

    Attributes:
        disk: a folder, which is made, for this user alone, when the first file is put there.
        memory: one in a file system that is memory; None, or not there: all go to the disk.
    """

    disk: str
    memory: str | None = None


def encode(value: Any, folders: Folders) -> Encoded:
    """Make a value ready for another process.

    Args:
        value: anything that pickle or cloudpickle takes. It is not changed.
        folders: where a large value is written. Processes that share them never use one name twice.

    Raises:
        OSError: the file cannot be written.
        Exception: whatever pickling raises. No file is left, by either.
    """
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value  # type: ignore[no-any-return]  # its type was just looked at
    if kind is int and value.bit_length() <= 8 * INLINE:
        return value  # type: ignore[no-any-return]
    if kind is str and len(value) <= INLINE:
        return value  # type: ignore[no-any-return]
    stream, buffers = serialise(value)
    if not buffers and len(stream) <= INLINE:
        return stream
    return _write([memoryview(stream), *buffers], folders)


def decode(encoded: Encoded) -> Any:
    """A new value, the reader's own: changing it changes nothing for anybody else.

    The buffers of a large value are a private mapping of its file, which lives as long as they do;
    the file may be removed before. Before Python 3.13 the mapping holds a descriptor.

    Raises:
        OSError: the file cannot be read.
        Exception: whatever unpickling raises.
    """
    kind = type(encoded)
    if kind is bytes:
        return pickle.loads(encoded)  # type: ignore[arg-type]  # its type was just looked at
    if kind is tuple:
        return _read(*encoded)  # type: ignore[misc]
    return encoded


def serialise(value: Any) -> tuple[bytes, list[memoryview]]:
    """Pickle a value: the stream, and the large buffers that are left out of it.

    What pickle cannot name (a lambda, a closure) and what another process would not find by its
    name (all of `__main__`) is pickled by value, by cloudpickle.

    Raises:
        Exception: whatever pickling raises.
    """
    buffers: list[memoryview] = []
    kind = type(value)
    if (kind is bytes or kind is bytearray) and len(value) > INLINE:
        value = _Plain(value)
    try:
        stream = pickle.dumps(value, _PROTOCOL, buffer_callback=_sorter(buffers))
    except Exception:  # noqa: BLE001 - whatever it is, cloudpickle gets its turn
        return _serialise_by_value(value)
    return _serialise_by_value(value) if _names_main(stream) else (stream, buffers)


@attrs.define(eq=False)
class EncodedMemory(MutableMapping[str, Any]):
    """The values of in_memory data nodes by key, kept as they are encoded.

    As a mapping it codes: reading makes a new value, writing takes a picture of one. `encoded`,
    `put` and `discard` look into nothing. It owns the files of its values, each of one key, and
    removes them with it; who has one mapped keeps what is there. Two threads may use it.

    Attributes:
        folders: where its own large values are written.
    """

    folders: Folders
    _values: dict[str, Encoded] = attrs.field(factory=dict, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __getitem__(self, key: str) -> Any:
        while True:
            encoded = self._values[key]
            try:
                return decode(encoded)
            except FileNotFoundError:
                if self._values.get(key) is encoded:  # else it was replaced while we read
                    raise

    def __setitem__(self, key: str, value: Any) -> None:
        self.put(key, encode(value, self.folders))

    def __delitem__(self, key: str) -> None:
        with self._lock:
            encoded = self._values.pop(key)
        _remove(encoded)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def encoded(self, key: str, default: Encoded = None) -> Encoded:
        """What is kept by a key, as it is; the default where nothing is."""
        return self._values.get(key, default)

    def put(self, key: str, encoded: Encoded) -> None:
        """Keep what is encoded already; its file becomes the memory's own."""
        values = self._values
        if type(values.get(key)) is not tuple:  # the most are small, and new
            values[key] = encoded
            return
        with self._lock:
            old = values.get(key)
            values[key] = encoded
        if old is not encoded:
            _remove(old)

    def discard(self, key: str) -> None:
        """Forget a key, where it is there, without a look at its value."""
        with self._lock:
            encoded = self._values.pop(key, None)
        _remove(encoded)

    def clear(self) -> None:
        with self._lock:
            values = [*self._values.values()]
            self._values.clear()
        for encoded in values:
            _remove(encoded)

    def close(self) -> None:
        """Forget everything; remove its files, and the folders unless others have some there."""
        self.clear()
        for folder in filter(None, (self.folders.disk, self.folders.memory)):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def own_folder(folder: str) -> str:
    """Where, below the folder of all values, those of this process and its workers are."""
    pid = os.getpid()
    return os.path.join(folder, f"{_host()}-{pid}-{started(pid) or _UNKNOWN}")


def remove_values(folder: str) -> None:
    """Remove a process's folder with what is in it, as far as that is possible."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def remove_stale(folder: str) -> None:
    """Remove what dead processes of this machine left in the folder of all values."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_stale(entry.name):
                remove_values(entry.path)


def is_stale(name: str) -> bool:
    """Whether a name is that of a session of this machine whose process is dead."""
    found = _OWNER.fullmatch(name)
    if found is None or found["host"] != _host():
        return False
    return not _lives(int(found["pid"]), found["start"])


class _Plain:
    """Bytes that are pickled as a buffer, without the copies that pickle makes of them."""

    def __init__(self, value: bytes | bytearray) -> None:
        self.value = value

    def __reduce__(self) -> tuple[type[bytes | bytearray], tuple[pickle.PickleBuffer]]:
        return type(self.value), (pickle.PickleBuffer(self.value),)


def _sorter(buffers: list[memoryview]) -> Callable[[pickle.PickleBuffer], bool]:
    """Says of each buffer whether it goes into the stream; the others are put into the list."""
    room = INLINE

    def goes_in(buffer: pickle.PickleBuffer) -> bool:
        nonlocal room
        raw = buffer.raw()
        if raw.nbytes > room and raw.nbytes >= _SMALL:
            buffers.append(raw)
            return False
        room -= raw.nbytes
        return True

    return goes_in


def _names_main(stream: bytes) -> bool:
    """Whether a pickle may name what only this program's `__main__` has."""
    if len(stream) > INLINE and not _main_defines():
        return False  # a search would take as long as writing the file: ask first
    return stream.find(_MAIN) >= 0  # `in` takes twice as long for a short one


def _main_defines() -> bool:
    """Whether `__main__` has a function, class or the like of its own; a worker's has none."""
    return any(
        getattr(each, "__module__", None) == "__main__"
        for each in [*vars(sys.modules["__main__"]).values()]
        if not isinstance(each, ModuleType)
    )


def _serialise_by_value(value: Any) -> tuple[bytes, list[memoryview]]:
    import cloudpickle

    buffers: list[memoryview] = []
    return cloudpickle.dumps(value, _PROTOCOL, buffer_callback=_sorter(buffers)), buffers


def _write(parts: Sequence[memoryview], folders: Folders) -> InFiles:
    """Put the parts of a value into files: into a new one what no file has yet."""
    found = _found(parts)
    links = _linked(found.values())
    kept = {index: each for index, each in found.items() if each.path in links}
    new = [part for index, part in enumerate(parts) if index not in kept]
    try:
        file = _write_new(new, folders)
    except BaseException:
        _remove_files(links.values())
        raise
    numbers = {path: number for number, path in enumerate(links, start=1)}
    starts = itertools.accumulate(map(_aligned, new), initial=0)
    places = tuple(
        (numbers[kept[index].path], kept[index].start, part.nbytes)
        if index in kept
        else (0, next(starts), part.nbytes)
        for index, part in enumerate(parts)
    )
    return (file, *links.values()), places


def _found(parts: Sequence[memoryview]) -> dict[int, Extent]:
    """Of the parts that files have, by index: where.

    Bytes of two parts are told of one: what a reader gets of the parts has no bytes in common.
    """
    found = {
        index: extent
        for index, part in enumerate(parts)
        if part.nbytes >= _SHARED and (extent := origin(part)) is not None
    }
    path, end = "", 0
    for index, extent in sorted(found.items(), key=lambda each: each[1]):
        if extent.path == path and extent.start < end:
            del found[index]
        else:
            path, end = extent.path, extent.start + extent.size
    return found


def _linked(found: Collection[Extent]) -> dict[str, str]:
    """New names of the files that have parts of a value, by their present ones.

    Only of files of which the value has half at least: it keeps all of them.
    """
    used: Counter[str] = Counter()
    for each in found:
        used[each.path] += each.size
    wanted = {each.path: each for each in found if used[each.path] * 2 >= each.total}
    return {path: link for path, each in wanted.items() if (link := _link(each)) is not None}


def _link(extent: Extent) -> str | None:
    """Another name of a file; None where it is gone, or cannot have one."""
    path = _name_in(os.path.dirname(extent.path))
    try:
        os.link(extent.path, path)
    except OSError:
        return None
    if os.stat(path).st_ino == extent.inode:
        return path
    os.unlink(path)  # that of another process, which has the number of one that is dead
    return None


def _write_new(parts: Sequence[memoryview], folders: Folders) -> str:
    size = sum(part.nbytes for part in parts)
    if folders.memory is not None and _is_roomy(folders.memory, size):
        with contextlib.suppress(OSError):  # others may have filled it since
            return _write_file(parts, folders.memory)
    return _write_file(parts, folders.disk)


def _is_roomy(folder: str, size: int) -> bool:
    """Whether a folder in memory has room for many files of that size, and the machine too."""
    try:
        there = os.statvfs(folder)
    except OSError:
        return False
    if size * _ROOMY > there.f_bavail * there.f_frsize:
        return False
    return size < _LOOKED_AT or size * _ROOMY < _available()


def _available() -> int:
    """Bytes of memory that processes may still take without any being swapped; 0: not known."""
    with contextlib.suppress(OSError), open("/proc/meminfo", "rb", buffering=0) as file:
        found = _AVAILABLE.search(file.read())
        return int(found[1]) * 1024 if found else 0
    return 0


def _write_file(parts: Sequence[memoryview], folder: str) -> str:
    path, descriptor = _create(folder)
    try:
        try:
            _write_all(descriptor, [*_padded(parts)])
        finally:
            os.close(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    return path


def _create(folder: str) -> tuple[str, int]:
    while True:
        path = _name_in(folder)
        try:
            return path, os.open(path, _NEW, 0o600)
        except FileNotFoundError:
            os.makedirs(folder, 0o700, exist_ok=True)
        except FileExistsError:
            continue  # left by an earlier process of our number


def _name_in(folder: str) -> str:
    return f"{folder}{os.sep}{os.getpid()}-{next(_numbers)}"


def _aligned(part: memoryview) -> int:
    """Bytes from where a part begins to where the next one does."""
    return part.nbytes + -part.nbytes % _ALIGNMENT


def _padded(parts: Sequence[memoryview]) -> Iterator[memoryview]:
    """The parts, each but the first preceded by what aligns it; none larger than can be written."""
    zeros = memoryview(bytes(_ALIGNMENT))
    padding = 0
    for part in parts:
        if padding:
            yield zeros[:padding]
        for start in range(0, part.nbytes, _BYTES_AT_ONCE):
            yield part[start : start + _BYTES_AT_ONCE]
        padding = -part.nbytes % _ALIGNMENT


def _write_all(descriptor: int, parts: list[memoryview]) -> None:
    start = 0
    while start < len(parts):
        written = os.writev(descriptor, parts[start : _end_of_batch(parts, start)])
        start = _go_on(parts, start, written)


def _end_of_batch(parts: Sequence[memoryview], start: int) -> int:
    end = start + _PARTS_AT_ONCE
    sizes = itertools.accumulate(part.nbytes for part in parts[start:end])
    return start + max(1, sum(size <= _BYTES_AT_ONCE for size in sizes))


def _go_on(parts: list[memoryview], start: int, written: int) -> int:
    """The part to write next, of which what was written is taken off."""
    while start < len(parts) and written >= parts[start].nbytes:
        written -= parts[start].nbytes
        start += 1
    if written:
        parts[start] = parts[start][written:]
    return start


def _read(files: Sequence[str], parts: Sequence[Part]) -> Any:
    ends = [0] * len(files)
    for file, start, size in parts:
        ends[file] = max(ends[file], start + size)
    contents = [memoryview(_content(path, end)) for path, end in zip(files, ends, strict=True)]
    stream, *buffers = [contents[file][start : start + size] for file, start, size in parts]
    return pickle.loads(stream, buffers=buffers)


def _content(path: str, size: int) -> bytearray | mmap.mmap:
    """A file in memory of our own, which can be written without changing the file."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        return mapped(path, descriptor, size) if size >= _MAPPED else _loaded(descriptor, size)
    finally:
        os.close(descriptor)


def _loaded(descriptor: int, size: int) -> bytearray:
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        read = os.readv(descriptor, [rest])
        if not read:
            raise EOFError("the file of a value is too short")
        rest = rest[read:]
    return content


def _remove(encoded: Encoded) -> None:
    """Remove the files of a value, where it has any."""
    if type(encoded) is tuple:
        _remove_files(encoded[0])


def _remove_files(paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _lives(pid: int, start: str) -> bool:
    """Whether the process that started then lives: numbers of processes are used again."""
    now = started(pid)
    return now is not None and (now == start or not now or start == _UNKNOWN)
