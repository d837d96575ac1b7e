from __future__ import annotations

import marshal
import mmap
import os
import pickle
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.execution.values import (
    INLINE,
    Encoded,
    EncodedMemory,
    Folders,
    _end_of_batch,
    _go_on,
    _padded,
    decode,
    encode,
    own_folder,
    remove_stale,
    remove_values,
    serialise,
)

# The same folder for each example: names do not clash.
with_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(st.characters(exclude_categories=()))  # surrogates too
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary()
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "values"


@pytest.fixture
def folders(folder: Path) -> Folders:
    return Folders(str(folder))


def sent(encoded: Encoded) -> Any:
    """What arrives in another process."""
    return marshal.loads(marshal.dumps(encoded, 2))


def path_of(encoded: Encoded) -> Path:
    """The file of a large value."""
    assert isinstance(encoded, tuple)
    ((path,), _) = encoded
    return Path(path)


def left_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


@given(value=VALUES)
@with_one_folder
def test_plain_data_arrives_as_it_was(folders: Folders, value: Any) -> None:
    assert repr(decode(sent(encode(value, folders)))) == repr(value)  # nan is no nan's equal


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="none"),
        pytest.param(True, id="bool"),
        pytest.param(-(2**5000), id="long-int"),
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("-inf"), id="infinity"),
        pytest.param("\ud800 and \U0001f40d", id="surrogate"),
        pytest.param("x" * INLINE, id="long-text"),
    ],
)
def test_an_atom_goes_as_it_is(folders: Folders, value: Any) -> None:
    assert encode(value, folders) is value
    assert repr(sent(value)) == repr(value)


class Text(str):
    __slots__ = ()


class Number(int):
    pass


@pytest.mark.parametrize("value", [Text("a"), Number(1), np.float64(1.5)], ids=repr)
def test_a_type_is_kept_though_it_looks_like_an_atom(folders: Folders, value: Any) -> None:
    read = decode(sent(encode(value, folders)))
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param(b"", bytes, id="empty"),
        pytest.param((1, 2), bytes, id="tuple"),
        pytest.param(b"x" * (INLINE - 100), bytes, id="bytes-below"),
        pytest.param(b"x" * INLINE, tuple, id="bytes-with-their-pickle-above"),
        pytest.param(b"x" * (INLINE + 1), tuple, id="bytes-above"),
        pytest.param(bytearray(INLINE + 1), tuple, id="bytearray-above"),
        pytest.param("x" * (INLINE + 1), tuple, id="text-above"),
        pytest.param("\ud800" * (INLINE + 1), tuple, id="surrogates-above"),
        pytest.param(1 << 8 * INLINE, tuple, id="int-above"),
        pytest.param(list(range(INLINE)), tuple, id="list-above"),
        pytest.param({"a": b"x" * 3_000_000}, tuple, id="mapped-without-buffers"),
    ],
)
def test_what_is_pickled_goes_inside_the_message_or_in_a_file(
    folders: Folders, value: Any, kind: type[bytes | tuple[Any, ...]]
) -> None:
    encoded = sent(encode(value, folders))
    assert type(encoded) is kind
    read = decode(encoded)
    assert read == value
    assert type(read) is type(value)


def strided(size: int) -> Any:
    return np.arange(2 * size)[::2]


ARRAYS = [
    pytest.param(lambda size: np.arange(size, dtype=float), id="floats"),
    pytest.param(lambda size: np.arange(size, dtype=complex), id="complex"),
    pytest.param(lambda size: np.arange(2 * size).reshape(2, -1), id="two-dimensions"),
    pytest.param(lambda size: np.asfortranarray(np.arange(2 * size).reshape(2, -1)), id="fortran"),
    pytest.param(strided, id="strided"),
    pytest.param(lambda size: np.zeros((size, 0)), id="no-items"),
    pytest.param(np.array, id="no-dimensions"),
    pytest.param(lambda size: np.array([{"a": [each]} for each in range(size)]), id="objects"),
    pytest.param(lambda size: np.array(["a", "bc"] * size), id="texts"),
    pytest.param(lambda size: np.arange(size).astype("M8[ns]"), id="datetimes"),
    pytest.param(lambda size: np.zeros(size, [("a", "i4"), ("b", "f8")]), id="records"),
    pytest.param(lambda size: np.arange(size) % 2 == 0, id="bools"),
]


@pytest.mark.parametrize("size", [1, 1_000, 20_000, 200_000])
@pytest.mark.parametrize("made", ARRAYS)
def test_an_array_arrives_and_can_be_written(
    folders: Folders, made: Callable[[int], Any], size: int
) -> None:
    array = made(size)
    read = decode(sent(encode(array, folders)))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype
    assert read.flags.f_contiguous == array.flags.f_contiguous or not array.flags.contiguous
    read[...] = read.copy()


def test_many_arrays_arrive(folders: Folders) -> None:
    arrays = {each: np.full(1_000 + each, each, dtype="i4") for each in range(3_000)}
    encoded = encode(arrays, folders)
    assert isinstance(encoded, tuple)
    assert len(encoded[1]) > 2 * os.sysconf("SC_IOV_MAX")
    read = decode(sent(encoded))
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[each], arrays[each]) for each in arrays)


def test_one_array_twice_arrives_as_one(folders: Folders) -> None:
    array = np.arange(50_000)
    first, second = decode(encode([array, array], folders))
    assert first is second


def test_small_arrays_go_inside_the_message(folders: Folders) -> None:
    assert isinstance(encode([np.arange(1_000), np.arange(1_000)], folders), bytes)


def frame(size: int) -> pd.DataFrame:
    numbers = np.arange(size)
    texts = [None if each % 7 == 0 else f"row {each}" for each in range(size)]
    return pd.DataFrame(
        {
            "int": numbers,
            "float": numbers / 3,
            "text": texts,
            "object": pd.Series([[each] for each in range(size)], dtype=object),
            "category": pd.Categorical([f"kind {each % 3}" for each in numbers]),
            "time": pd.date_range("2024-03-30", periods=size, freq="min", tz="Europe/Berlin"),
            "nullable": pd.array(numbers, dtype="Int64"),
        },
        index=pd.Index(numbers + 1, name="number"),
    )


@pytest.mark.parametrize("size", [0, 3, 50_000])
def test_a_data_frame_arrives(folders: Folders, size: int) -> None:
    expected = frame(size)
    read = decode(sent(encode(expected, folders)))
    pd.testing.assert_frame_equal(read, expected)
    read.loc[:, "float"] *= 2
    read.loc[:, "text"] = "new"


@pytest.mark.parametrize("size", [0, 3, 50_000])
def test_an_arrow_table_arrives(folders: Folders, size: int) -> None:
    numbers = range(size)
    table = pa.table({"a": pa.array(numbers, pa.int64()), "b": [str(each) for each in numbers]})
    read = decode(sent(encode(table, folders)))
    assert read.equals(table)
    read.validate(full=True)


GIGABYTE = 1 << 30


def unused(size: int) -> memoryview:
    """So many bytes of which none takes memory."""
    return memoryview(mmap.mmap(-1, size))


def test_what_is_too_large_to_be_written_at_once_is_cut() -> None:
    parts = _padded([unused(2 * GIGABYTE + 1), unused(5)])
    assert [each.nbytes for each in parts] == [GIGABYTE, GIGABYTE, 1, 63, 5]


@pytest.mark.parametrize(
    ("sizes", "batch"),
    [
        pytest.param([GIGABYTE, 1], 1, id="one-large"),
        pytest.param([GIGABYTE - 1, 1, 1], 2, id="bytes"),
        pytest.param([1] * 3_000, 1_024, id="parts"),
        pytest.param([1, 1], 2, id="all"),
        pytest.param([GIGABYTE + 1], 1, id="at-least-one"),
    ],
)
def test_a_batch_is_what_can_be_written_at_once(sizes: list[int], batch: int) -> None:
    room = unused(GIGABYTE + 1)
    assert _end_of_batch([room[:0], *(room[:size] for size in sizes)], 1) == 1 + batch


@given(parts=st.lists(st.binary(max_size=9), max_size=9), start=st.integers(0, 9), data=st.data())
def test_writing_goes_on_where_it_stopped(
    parts: list[bytes], start: int, data: st.DataObject
) -> None:
    start = min(start, len(parts))
    rest = b"".join(parts[start:])
    written = data.draw(st.integers(0, len(rest)))
    views = [memoryview(each) for each in parts]
    start = _go_on(views, start, written)
    assert b"".join(views[start:]) == rest[written:]


@pytest.mark.parametrize("size", [20_000, 2_000_000], ids=["loaded", "mapped"])
def test_what_a_reader_changes_nobody_else_sees(folders: Folders, size: int) -> None:
    encoded = encode(np.ones(size), folders)
    before = path_of(encoded).read_bytes()
    first, second = decode(encoded), decode(encoded)
    first[:] = 2
    assert second.sum() == size
    assert decode(encoded).sum() == size
    assert path_of(encoded).read_bytes() == before


@pytest.mark.parametrize("size", [20_000, 2_000_000], ids=["loaded", "mapped"])
def test_a_value_outlives_its_file(folders: Folders, size: int) -> None:
    encoded = encode(np.arange(size), folders)
    read = decode(encoded)
    path_of(encoded).unlink()
    np.testing.assert_array_equal(read, np.arange(size))


needs_proc = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc")


def memory_of(path: Path) -> dict[str, int]:
    """What a file's mapping in this process takes, in bytes, by kind; empty where there is none."""
    kinds: dict[str, int] = {}
    is_there = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if not first.endswith(":"):
            is_there = line.endswith(str(path))
        elif is_there and rest[-1] == "kB":
            kinds[first] = kinds.get(first, 0) + 1024 * int(rest[0])
    return kinds


@needs_proc
def test_a_large_array_is_read_without_copying(folders: Folders) -> None:
    encoded = encode(np.ones(8_000_000), folders)
    read = decode(encoded)
    assert read.sum() == 8_000_000
    taken = memory_of(path_of(encoded))
    assert taken["Rss:"] >= 64_000_000
    assert taken["Anonymous:"] < 100_000  # what would be a copy of our own


@needs_proc
def test_a_mapping_lives_as_long_as_the_value(folders: Folders) -> None:
    encoded = encode({"a": np.ones(200_000), "b": np.ones(200_000)}, folders)
    path = path_of(encoded)
    read = decode(encoded)
    part = read["a"][::2]
    del read
    assert memory_of(path)
    del part
    assert not memory_of(path)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    before = left_in(Path("/proc/self/fd"))
    yield
    assert left_in(Path("/proc/self/fd")) == before


@needs_proc
def test_no_descriptor_is_left_open(folders: Folders) -> None:
    with no_descriptor_left():
        for size in (20_000, 2_000_000):
            encoded = encode(np.ones(size), folders)
            assert decode(encoded).sum() == size
            path_of(encoded).unlink()
        with pytest.raises(FileNotFoundError, match=r"No such file"):
            decode(encoded)


@needs_proc
@pytest.mark.skipif(sys.version_info < (3, 13), reason="mmap keeps a descriptor before")
def test_a_mapping_holds_no_descriptor(folders: Folders) -> None:
    with no_descriptor_left():
        read = decode(encode(np.ones(2_000_000), folders))
    assert read.sum() == 2_000_000


def test_a_file_is_its_owners_alone(folders: Folders, folder: Path) -> None:
    path = path_of(encode(np.ones(20_000), folders))
    assert path.parent == folder
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("size", [20_000, 2_000_000], ids=["loaded", "mapped"])
def test_a_file_that_was_cut_is_refused(folders: Folders, size: int) -> None:
    encoded = encode(np.ones(size), folders)
    os.truncate(path_of(encoded), 4 * size)
    with pytest.raises((EOFError, ValueError), match=r"too short|greater than file size"):
        decode(encoded)


def test_a_file_in_the_way_is_left_alone(folders: Folders, folder: Path) -> None:
    process, number = path_of(encode(np.ones(20_000), folders)).name.split("-")
    taken, free = (folder / f"{process}-{int(number) + later}" for later in (1, 2))
    taken.write_text("of another")
    encoded = encode(np.ones(20_000), folders)
    assert path_of(encoded) == free
    assert taken.read_text() == "of another"


def test_a_file_in_the_folders_place_is_refused(folders: Folders, folder: Path) -> None:
    folder.touch()
    with pytest.raises(NotADirectoryError, match="Not a directory"):
        encode(np.ones(20_000), folders)


class Exploding:
    def __reduce__(self) -> str:
        raise RuntimeError("boom")


def iter_nothing() -> Iterator[None]:
    yield from ()


class Leaving:
    def __reduce__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("part", "error", "message"),
    [
        pytest.param(threading.Lock(), TypeError, r"cannot pickle '_thread\.lock'", id="lock"),
        pytest.param(iter_nothing(), TypeError, "cannot pickle 'generator'", id="generator"),
        pytest.param(Exploding(), RuntimeError, "boom", id="reduce-raises"),
        pytest.param(Leaving(), SystemExit, "3", id="reduce-exits"),
    ],
)
def test_what_does_not_pickle_leaves_no_file(
    folders: Folders, folder: Path, part: object, error: type[BaseException], message: str
) -> None:
    with pytest.raises(error, match=message):
        encode([np.ones(20_000), part], folders)
    assert left_in(folder) == []


def test_serialising_alone_writes_nothing() -> None:
    stream, buffers = serialise(np.arange(20_000))
    np.testing.assert_array_equal(pickle.loads(stream, buffers=buffers), np.arange(20_000))


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_large_bytes_are_not_copied(kind: Callable[[bytes], bytes | bytearray]) -> None:
    value = kind(b"x" * 100_000)
    stream, (buffer,) = serialise(value)
    assert len(stream) < 100
    assert np.shares_memory(np.frombuffer(buffer, "u1"), np.frombuffer(value, "u1"))


def test_what_has_no_name_is_pickled_by_value(folders: Folders) -> None:
    array = np.arange(100_000)
    encoded = encode(lambda factor: array * factor, folders)
    assert isinstance(encoded, tuple)
    assert encoded[1][0][2] < INLINE  # the array stays out of the stream
    np.testing.assert_array_equal(decode(sent(encoded))(2), array * 2)


def run(script: str, *arguments: object, given: bytes = b"") -> bytes:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


DEFINED_IN_MAIN = """
import enum, marshal, subprocess, sys
from runner.execution.values import Folders, decode, encode

class Model:
    def __init__(self, number):
        self.number = number
    def double(self):
        return 2 * self.number

class Color(enum.Enum):
    RED = 1

def following(number):
    return number + 1

value = {"model": Model(21), "class": Model, "function": following, "color": Color.RED}
value["filling"] = list(range(int(sys.argv[1])))
here = marshal.dumps(encode(value, Folders(sys.argv[2])), 2)
"""
WRITE = "sys.stdout.buffer.write(here)"
BACK_AND_FORTH = """
other = '''
import marshal, sys
from runner.execution.values import Folders, decode, encode
value = decode(marshal.loads(sys.stdin.buffer.read()))
assert value["model"].double() == 42
sys.stdout.buffer.write(marshal.dumps(encode(value, Folders(sys.argv[1] + "-back")), 2))
'''
command = [sys.executable, "-c", other, sys.argv[2]]
there = subprocess.run(command, input=here, stdout=subprocess.PIPE, check=True).stdout
back = decode(marshal.loads(there))
assert type(back["model"]) is Model
assert back["class"] is Model
assert back["color"] is Color.RED
"""


@pytest.mark.parametrize("filling", [0, 100_000], ids=["small", "large"])
def test_what_main_defines_goes_by_value(tmp_path: Path, filling: int) -> None:
    value = decode(marshal.loads(run(DEFINED_IN_MAIN + WRITE, filling, tmp_path / "file")))
    assert value["model"].double() == 42
    assert value["class"](4).double() == 8
    assert value["function"](4) == 5
    assert value["color"].name == "RED"


@pytest.mark.parametrize("filling", [0, 100_000], ids=["small", "large"])
def test_what_main_defines_comes_back_as_its_own(tmp_path: Path, filling: int) -> None:
    run(DEFINED_IN_MAIN + BACK_AND_FORTH, filling, tmp_path / "file")


LIMITED = """
import resource, sys
import numpy as np
from runner.execution.values import Folders, encode

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    encode(np.ones(100_000), Folders(sys.argv[1], *sys.argv[2:]))
except OSError as error:
    print(error.strerror)
"""


def test_a_write_that_fails_leaves_no_file(folder: Path) -> None:
    pytest.importorskip("resource")
    assert run(LIMITED, folder) == b"File too large\n"
    assert folder.exists()
    assert left_in(folder) == []


def test_large_values_are_put_into_memory_while_it_is_roomy(folder: Path, tmp_path: Path) -> None:
    value = bytes(2_000_000)
    encoded = encode(value, Folders(str(folder), str(tmp_path)))
    assert path_of(encoded).parent == tmp_path
    assert decode(encoded) == value
    assert not folder.exists()


def test_without_a_memory_large_values_are_on_disk(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    encoded = encode(bytes(100_000), Folders(str(folder), str(gone)))
    assert path_of(encoded).parent == folder
    assert not gone.exists()


@pytest.fixture
def small_memory(tmp_path: Path) -> Iterator[Path]:
    """A megabyte."""
    place = tmp_path / "memory"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("only root may mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_memory_that_is_not_roomy_is_left_alone(folder: Path, small_memory: Path) -> None:
    folders = Folders(str(folder), str(small_memory))
    small, large = encode(bytes(100_000), folders), encode(bytes(500_000), folders)
    assert path_of(small).parent == small_memory
    assert path_of(large).parent == folder
    assert len(left_in(small_memory)) == 1


WRITES_ONE = """
import sys
from runner.execution.values import Folders, encode
encode(bytes(100_000), Folders(sys.argv[1]))
"""


def test_processes_write_files_of_different_names(folder: Path) -> None:
    for _ in range(2):
        run(WRITES_ONE, folder)
    assert len(left_in(folder)) == 2


@pytest.fixture
def memory(folder: Path) -> EncodedMemory:
    return EncodedMemory(Folders(str(folder)))


def large(number: float) -> Any:
    return np.full(20_000, number)


def test_memory_gives_each_reader_a_value_of_its_own(memory: EncodedMemory) -> None:
    value = {"a": [1]}
    memory["x"] = value
    value["a"].append(2)
    memory["x"]["a"].append(3)
    assert memory["x"] == {"a": [1]}


def test_memory_is_a_mapping(memory: EncodedMemory) -> None:
    memory["x"] = 1
    memory["y"] = [2]
    assert dict(memory) == {"x": 1, "y": [2]}
    assert len(memory) == 2
    del memory["x"]
    assert memory.get("x") is None
    assert [*memory] == ["y"]


def test_memory_has_what_was_put_as_it_is(memory: EncodedMemory) -> None:
    encoded = pickle.dumps([1], 5)
    memory.put("x", encoded)
    assert memory.encoded("x") is encoded
    assert memory["x"] == [1]
    assert memory.encoded("y", "nothing") == "nothing"


def unreadable() -> Encoded:
    return b"cgone_module\nName\n."


def test_memory_asks_for_a_key_and_forgets_it_without_decoding(memory: EncodedMemory) -> None:
    memory.put("x", unreadable())
    memory.put("y", unreadable())
    assert "x" in memory
    memory.discard("x")
    memory.discard("x")
    assert [*memory] == ["y"]
    memory.clear()
    assert "y" not in memory


def overwrite(memory: EncodedMemory) -> None:
    memory["x"] = 1


def delete(memory: EncodedMemory) -> None:
    del memory["x"]


def discard(memory: EncodedMemory) -> None:
    memory.discard("x")


@pytest.mark.parametrize("end", [overwrite, delete, discard, EncodedMemory.clear])
def test_a_file_goes_with_its_key(
    memory: EncodedMemory, folder: Path, end: Callable[[EncodedMemory], None]
) -> None:
    memory["x"] = large(1)
    read = memory["x"]
    assert len(left_in(folder)) == 1
    end(memory)
    assert left_in(folder) == []
    np.testing.assert_array_equal(read, large(1))


def table(**arrays: Any) -> dict[str, Any]:
    """Two large arrays, and whatever else."""
    return {"a": np.arange(200_000.0), "b": np.ones(200_000), **arrays}


def assert_same(read: dict[str, Any], value: dict[str, Any]) -> None:
    assert list(read) == list(value)
    for name, array in value.items():
        np.testing.assert_array_equal(read[name], array)


@needs_proc
def test_what_a_step_leaves_as_it_was_is_not_written_again(
    memory: EncodedMemory, folder: Path
) -> None:
    memory["x"] = table()
    memory["y"] = {**memory["x"], "c": np.zeros(300_000)}

    (first,) = [folder / each for each in left_in(folder) if (folder / each).stat().st_nlink == 1]
    assert first.stat().st_size < 2_500_000  # of 5.6 MB
    assert_same(memory["y"], table(c=np.zeros(300_000)))
    del memory["x"]
    assert_same(memory["y"], table(c=np.zeros(300_000)))
    del memory["y"]
    assert left_in(folder) == []


@needs_proc
def test_what_is_passed_on_has_the_same_file(memory: EncodedMemory, folder: Path) -> None:
    memory["x"] = table()
    for _ in range(3):
        memory["x"] = memory["x"]

    assert sorted((folder / each).stat().st_size > 3_000_000 for each in left_in(folder)) == [
        False,
        True,
    ]
    assert_same(memory["x"], table())


def test_what_was_changed_in_place_is_written(memory: EncodedMemory) -> None:
    memory["x"] = table()
    value = memory["x"]
    value["a"][5] = -1
    memory["y"] = value
    value["a"][6] = -2
    value["b"][6] = -2

    changed = table()
    changed["a"][5] = -1
    assert_same(memory["y"], changed)
    assert_same(memory["x"], table())


def test_what_only_looks_at_an_array_is_the_same(memory: EncodedMemory) -> None:
    memory["x"] = table()
    value = memory["x"]
    value["a"].setflags(write=False)
    memory["y"] = [value["a"], value["b"][::-1], value["b"]]

    read = memory["y"]
    np.testing.assert_array_equal(read[0], table()["a"])
    np.testing.assert_array_equal(read[1], np.ones(200_000))


def test_arrays_of_the_same_bytes_become_two(memory: EncodedMemory) -> None:
    memory["x"] = table()
    value = memory["x"]
    memory["y"] = {"a": value["a"][50_000:], "all": value["a"], "b": value["b"]}
    read = memory["y"]
    read["a"][0] = -1

    assert read["all"].min() == 0


@needs_proc
def test_a_part_does_not_keep_all_of_a_file(memory: EncodedMemory, folder: Path) -> None:
    memory["x"] = table(c=np.ones(200_000))
    memory["y"] = memory["x"]["a"]
    del memory["x"]

    (left,) = left_in(folder)
    assert (folder / left).stat().st_size < 2_000_000


def test_a_file_that_is_gone_is_written_again(memory: EncodedMemory, folder: Path) -> None:
    memory["x"] = table()
    value = memory["x"]
    del memory["x"]
    memory["y"] = value

    assert len(left_in(folder)) == 1
    assert_same(memory["y"], table())


def test_a_file_in_the_place_of_the_one_that_was_mapped(
    memory: EncodedMemory, folder: Path
) -> None:
    memory["x"] = table()
    value = memory["x"]
    path = path_of(memory.encoded("x"))
    path.unlink()
    path.write_bytes(bytes(5_000_000))
    memory["y"] = value

    assert len(left_in(folder)) == 2
    assert_same(memory["y"], table())


def test_where_nobody_tells_what_was_changed(
    memory: EncodedMemory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.execution.mappings._PAGEMAP", str(folder / "none"))
    memory["x"] = table()
    memory["y"] = memory["x"]

    assert [(folder / each).stat().st_nlink for each in left_in(folder)] == [1, 1]
    assert_same(memory["y"], table())


LIMITED_AGAIN = """
import resource, sys
import numpy as np
from runner.execution.values import Folders, decode, encode
folders = Folders(sys.argv[1])
value = decode(encode({"a": np.ones(200_000), "b": np.ones(200_000)}, folders))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    encode({**value, "c": np.ones(100_000)}, folders)
except OSError as error:
    print(error.strerror)
"""


def test_a_write_that_fails_leaves_no_other_name(folder: Path) -> None:
    pytest.importorskip("resource")
    assert run(LIMITED_AGAIN, folder) == b"File too large\n"
    assert [(folder / each).stat().st_nlink for each in left_in(folder)] == [1]


def _replace(value: dict[str, Any], name: str) -> None:
    value[name] = np.full(150_000, 3.0)


def _change(value: dict[str, Any], name: str) -> None:
    value[name][7] += 1


def _halve(value: dict[str, Any], name: str) -> None:
    value[name] = value[name][value[name].size // 2 :]


def _repeat(value: dict[str, Any], name: str) -> None:
    value[f"{name}_"] = value[name]


def _drop(value: dict[str, Any], name: str) -> None:
    if len(value) > 1:
        del value[name]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([_replace, _change, _halve, _repeat, _drop]), st.integers(0, 9)),
        max_size=12,
    )
)
@settings(with_one_folder, deadline=None, max_examples=50)
def test_any_steps_mean_the_same_as_with_one_value(
    folders: Folders,
    folder: Path,
    steps: list[tuple[Callable[[dict[str, Any], str], None], int]],
) -> None:
    memory = EncodedMemory(folders)
    expected = table()
    memory["0"] = expected
    for number, (step, which) in enumerate(steps):
        name = [*expected][which % len(expected)]
        value = memory[str(number)]
        for each in (value, expected := pickle.loads(pickle.dumps(expected))):
            step(each, name)
        memory[str(number + 1)] = value
        del memory[str(number)]
        assert_same(memory[str(number + 1)], expected)
    memory.clear()
    assert left_in(folder) == []


def test_putting_the_same_again_keeps_its_file(memory: EncodedMemory, folder: Path) -> None:
    memory["x"] = large(1)
    memory.put("x", memory.encoded("x"))
    assert len(left_in(folder)) == 1


def test_the_folder_is_made_when_it_is_needed(memory: EncodedMemory, folder: Path) -> None:
    memory["x"] = 1
    assert not folder.exists()
    memory["x"] = large(1)
    assert folder.exists()


def test_closing_removes_the_folder_with_its_files(memory: EncodedMemory, folder: Path) -> None:
    memory["x"] = large(1)
    memory.close()
    assert not folder.exists()
    memory.close()


def test_closing_leaves_the_files_of_others(memory: EncodedMemory, folder: Path) -> None:
    memory["x"] = large(1)
    (folder / "of another").touch()
    memory.close()
    assert left_in(folder) == ["of another"]


def test_a_value_whose_file_is_gone(memory: EncodedMemory) -> None:
    memory["x"] = large(1)
    path_of(memory.encoded("x")).unlink()
    with pytest.raises(FileNotFoundError, match=r"No such file"):
        memory["x"]


READ: list[EncodedMemory] = []


def replace_what_is_read() -> None:
    READ.pop()["x"] = "new"
    raise FileNotFoundError


class ReplacedMeanwhile:
    def __reduce__(self) -> Any:
        return replace_what_is_read, ()


def test_a_value_that_is_replaced_while_it_is_read(memory: EncodedMemory) -> None:
    READ.append(memory)
    memory["x"] = ReplacedMeanwhile()
    assert memory["x"] == "new"


def test_memory_is_read_by_one_thread_while_another_writes(memory: EncodedMemory) -> None:
    memory["x"] = large(0)

    def write() -> None:
        for number in range(100):
            memory["x"] = large(number)

    writer = threading.Thread(target=write)
    writer.start()
    reads = 0
    while writer.is_alive() or not reads:
        read = memory["x"]
        assert (read == read[0]).all()
        reads += 1
    writer.join()
    assert memory["x"][0] == 99


@attrs.frozen
class Other:
    """A process that has a folder of its own, and ends when it is told."""

    process: subprocess.Popen[bytes]
    folder: Path

    def end(self) -> None:
        """Let it end; until it is waited for, its number stays taken."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)


OWNER = """
import os, sys
from runner.execution.values import own_folder
folder = own_folder(sys.argv[1])
os.mkdir(folder)
open(os.path.join(folder, "1"), "w").close()
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(folder: Path) -> Iterator[Other]:
    folder.mkdir()
    command = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield Other(process, Path(process.stdout.readline().decode().rstrip("\n")))


def test_the_folder_of_a_living_process_stays(folder: Path, other: Other) -> None:
    remove_stale(str(folder))
    assert left_in(other.folder) == ["1"]


def test_the_folder_of_a_dead_process_is_removed(folder: Path, other: Other) -> None:
    other.end()
    other.process.wait()
    remove_stale(str(folder))
    assert left_in(folder) == []


@needs_proc
def test_a_process_that_nobody_waited_for_is_dead(folder: Path, other: Other) -> None:
    other.end()
    remove_stale(str(folder))
    assert left_in(folder) == []


@needs_proc
def test_a_process_with_the_number_of_a_dead_one_is_another(folder: Path) -> None:
    own = Path(own_folder(str(folder)))
    name, _, start = own.name.rpartition("-")
    own.mkdir(parents=True)
    (folder / f"{name}-{int(start) + 1}").mkdir()
    remove_stale(str(folder))
    assert left_in(folder) == [own.name]


def test_what_is_not_ours_to_judge_stays(folder: Path, other: Other) -> None:
    other.end()
    other.process.wait()
    _, _, numbers = other.folder.name.partition("-")
    of_another_machine = "0badcafe-" + numbers
    other.folder.rename(folder / of_another_machine)
    (folder / "notes.txt").touch()
    remove_stale(str(folder))
    assert left_in(folder) == [of_another_machine, "notes.txt"]


def test_removing_what_is_not_there(folder: Path) -> None:
    remove_stale(str(folder))
    remove_values(str(folder))
    assert not folder.exists()
