"""What every storage promises, and how one is opened."""

from __future__ import annotations

import copy
import re
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from runner.config.options import STORAGE_TYPES, FileOptions, StorageOptions
from runner.config.references import FunctionRef
from runner.data.storage import Opening, Storage
from runner.data.storages import STORAGES, open_storage
from runner.errors import JobError, SetupError

Opened = Callable[..., Storage]


@attrs.frozen
class Case:
    """A storage type with two values and one it refuses.

    Attributes:
        options: its keys.
        server: the fixture that gives further ones.
        changing: a value that its writer can change.
        knows: whether it can tell without reading that there is no value.
        refusal: how the refused value is named.
    """

    storage_type: str
    first: Any
    second: Any
    refused: Any
    options: dict[str, Any] = attrs.field(factory=dict)
    server: str | None = None
    changing: Any = attrs.field(factory=lambda: [{"a": 1}, {"a": 2}])
    knows: bool = True
    refusal: str = "`result` is a `lock`"

    @property
    def is_file(self) -> bool:
        return issubclass(STORAGE_TYPES[self.storage_type], FileOptions)


SQLITE = {"db_engine": "sqlite", "db_name": "x"}


def build(rows: list[dict[str, Any]]) -> list[Any]:
    """The statements that replace a table, whatever its columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [
        "DROP TABLE IF EXISTS t",
        f"CREATE TABLE t ({', '.join(names)})",
        (f"INSERT INTO t VALUES ({', '.join(f':{name}' for name in names)})", rows),
    ]


ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
SHEET = {"exposed_type": "records", "sheet_name": "a"}

CASES = [
    Case("pickle", [1, {"a": (2,)}], {"b"}, threading.Lock()),
    Case("in_memory", [1, {"a": (2,)}], {"b"}, threading.Lock()),
    Case("json", [1, {"a": [2]}], "b", threading.Lock()),
    Case("csv", ROWS, [{"c": 1.5}], threading.Lock(), {"exposed_type": "records"}),
    Case("excel", ROWS, [{"c": 1.5}], threading.Lock(), SHEET),
    Case("parquet", ROWS, [{"c": 1.5}], threading.Lock(), {"exposed_type": "records"}),
    Case(
        "mongo_collection",
        [{"_id": 1, "a": 1}, {"_id": 2, "b": [{"c": None}]}],
        [{"_id": "other"}],
        threading.Lock(),
        server="mongo",
    ),
    Case("s3_object", "first", "second", threading.Lock(), server="s3", changing=bytearray(b"a")),
    Case("generic", [1, {"a": (2,)}], {"b"}, None, server="kept", knows=False),
    Case(
        "sql_table",
        ROWS,
        [{"b": "z", "a": None}],
        threading.Lock(),
        {**SQLITE, "table_name": "t", "exposed_type": "records"},
    ),
    Case(
        "sql",
        ROWS,
        [{"c": 1.5}],
        threading.Lock(),
        {
            **SQLITE,
            "read_query": "SELECT * FROM t",
            "write_query_builder": FunctionRef("m.build", build),
            "exposed_type": "records",
        },
        refusal="`m.build` failed: '_thread.lock' object is not iterable",
        knows=False,
    ),
]


def test_every_storage_is_under_contract() -> None:
    assert {case.storage_type for case in CASES} == set(STORAGES)


def reached(request: pytest.FixtureRequest) -> Case:
    """The case of a fixture, with what its server adds to its options."""
    found: Case = request.param
    if found.server is None:
        return found
    options = {**found.options, **request.getfixturevalue(found.server)}
    return attrs.evolve(found, options=options)


@pytest.fixture(params=CASES, ids=lambda case: case.storage_type)
def case(request: pytest.FixtureRequest) -> Case:
    return reached(request)


@pytest.fixture(params=[case for case in CASES if case.knows], ids=lambda case: case.storage_type)
def knowing(request: pytest.FixtureRequest) -> Case:
    """Of a storage that can tell whether there is a value."""
    return reached(request)


@pytest.fixture(params=[case for case in CASES if case.is_file], ids=lambda case: case.storage_type)
def file_case(request: pytest.FixtureRequest) -> Case:
    return reached(request)


@pytest.fixture(
    params=[case for case in CASES if case.is_file and case.storage_type != "parquet"],
    ids=lambda case: case.storage_type,
)
def lone_file_case(request: pytest.FixtureRequest) -> Case:
    """Of what is never a folder."""
    return reached(request)


@pytest.fixture
def storage(case: Case, opened: Opened) -> Storage:
    return opened(case.storage_type, **case.options)


@pytest.fixture
def known(knowing: Case, opened: Opened) -> Storage:
    return opened(knowing.storage_type, **knowing.options)


def files(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.glob("*"))


def test_nothing_is_there_at_first(known: Storage) -> None:
    assert not known.exists()


def test_a_read_of_nothing_is_refused(known: Storage) -> None:
    with pytest.raises(JobError, match=r"^data node `x` has no value yet: ") as caught:
        known.read()
    assert caught.value.code == "RUN604"


def test_what_is_committed_is_read(storage: Storage, case: Case) -> None:
    storage.stage(case.first).commit()
    assert storage.exists()
    assert storage.read() == case.first


def test_another_opening_reads_the_same(storage: Storage, case: Case, opened: Opened) -> None:
    storage.stage(case.first).commit()
    assert opened(case.storage_type, **case.options).read() == case.first


def test_the_last_commit_counts(storage: Storage, case: Case) -> None:
    storage.stage(case.first).commit()
    storage.stage(case.second).commit()
    assert storage.read() == case.second


def test_what_is_staged_is_not_seen(known: Storage, knowing: Case, path: Path) -> None:
    staged = known.stage(knowing.first)
    assert not known.exists()
    staged.discard()
    assert not known.exists()
    assert files(path) == []


def test_a_discarded_value_leaves_the_old_one(storage: Storage, case: Case) -> None:
    storage.stage(case.first).commit()
    storage.stage(case.second).discard()
    assert storage.read() == case.first


def test_a_discard_after_the_commit_does_nothing(storage: Storage, case: Case) -> None:
    staged = storage.stage(case.first)
    staged.commit()
    staged.discard()
    assert storage.read() == case.first


def test_a_reader_has_a_copy_of_its_own(storage: Storage, case: Case) -> None:
    storage.stage(case.first).commit()
    read = storage.read()
    if not isinstance(read, str):  # which nobody can change
        read[1].clear()
    assert storage.read() == case.first


def test_a_writer_keeps_its_own(storage: Storage, case: Case) -> None:
    value = copy.copy(case.changing)
    storage.stage(value).commit()
    before = storage.read()
    value.clear()
    assert storage.read() == before


def test_a_refused_value_leaves_the_old_one(known: Storage, knowing: Case, path: Path) -> None:
    known.stage(knowing.first).commit()
    before = files(path)
    refused = re.escape(f"data node `x` cannot be written: {knowing.refusal}")
    with pytest.raises(JobError, match=rf"^{refused}"):
        known.stage(knowing.refused)
    assert known.read() == knowing.first
    assert files(path) == before


def test_a_refused_first_value_leaves_nothing(known: Storage, knowing: Case, path: Path) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written: "):
        known.stage(knowing.refused)
    assert not known.exists()
    assert files(path) == []


@pytest.mark.parametrize("durable", [False, True], ids=["process", "power"])
def test_both_durabilities_write_the_same(case: Case, opened: Opened, durable: bool) -> None:
    storage = opened(case.storage_type, durable=durable, **case.options)
    storage.stage(case.first).commit()
    assert storage.read() == case.first


def test_what_is_deleted_is_not_there(known: Storage, knowing: Case, path: Path) -> None:
    known.stage(knowing.first).commit()
    known.delete()
    assert not known.exists()
    assert known.mark() is None
    if knowing.storage_type != "sql_table":  # which leaves the database
        assert files(path) == []
    with pytest.raises(JobError, match=r"^data node `x` has no value yet: "):
        known.read()


def test_where_nothing_is_nothing_is_deleted(known: Storage, path: Path) -> None:
    known.delete()
    assert not known.exists()
    assert files(path) == []


def test_what_was_deleted_can_be_written_again(known: Storage, knowing: Case) -> None:
    known.stage(knowing.first).commit()
    known.delete()
    known.delete()
    known.stage(knowing.second).commit()
    assert known.read() == knowing.second


def test_a_value_that_is_staged_outlives_a_delete(known: Storage, knowing: Case) -> None:
    known.stage(knowing.first).commit()
    staged = known.stage(knowing.second)
    known.delete()
    staged.commit()
    assert known.read() == knowing.second


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process grows beyond two bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file(file_case: Case, opened: Opened, path: Path) -> None:
    storage = opened(file_case.storage_type, **file_case.options)
    storage.stage(file_case.first).commit()
    with (
        full_disk(),
        pytest.raises(JobError, match=r"cannot be written: File too large$") as caught,
    ):
        storage.stage(file_case.second)
    assert caught.value.code == "RUN605"
    assert storage.read() == file_case.first
    assert files(path) == ["x"]


def test_garbage_cannot_be_read(file_case: Case, opened: Opened, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b'\xff"')
    storage = opened(file_case.storage_type, **file_case.options)
    with pytest.raises(JobError, match=r"^data node `x`: .*/data/x cannot be read: ") as caught:
        storage.read()
    assert caught.value.code == "RUN604"


def test_an_empty_file_cannot_be_read(file_case: Case, opened: Opened, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    storage = opened(file_case.storage_type, **file_case.options)
    with pytest.raises(JobError, match=r"^data node `x`: .*/data/x cannot be read: "):
        storage.read()


def test_a_folder_cannot_be_read_written_nor_deleted(
    lone_file_case: Case, opened: Opened, path: Path
) -> None:
    path.mkdir(parents=True)
    storage = opened(lone_file_case.storage_type, **lone_file_case.options)
    assert not storage.exists()
    with pytest.raises(JobError, match=r"cannot be read: Is a directory$"):
        storage.read()
    with pytest.raises(JobError, match=r"cannot be written: Is a directory$"):
        storage.stage(lone_file_case.first)
    with pytest.raises(JobError, match=r"/data/x cannot be removed: Is a directory$") as caught:
        storage.delete()
    assert caught.value.code == "RUN605"
    assert path.is_dir()


def test_an_unknown_storage_type_does_not_open() -> None:
    opening = Opening(node="x", options=StorageOptions(), key="x", memory={}, load=str)
    with pytest.raises(
        SetupError, match=r"^storage type `papyrus` does not run in this version$"
    ) as caught:
        open_storage("papyrus", opening)
    assert caught.value.code == "RUN509"


def test_nothing_has_no_mark(storage: Storage) -> None:
    assert storage.mark() is None


def test_a_mark_tells_one_content_from_another(file_case: Case, opened: Opened) -> None:
    storage = opened(file_case.storage_type, **file_case.options)
    marks = []
    for value in (file_case.first, file_case.second, file_case.first):
        staged = storage.stage(value)
        staged.commit()
        assert staged.mark is not None
        assert staged.mark._replace(rows=None) == storage.mark()
        assert staged.mark == storage.mark(staged.mark)
        marks.append(staged.mark)

    first, second, again = marks
    assert first is not None
    assert second is not None
    assert again is not None
    assert first.fingerprint == again.fingerprint != second.fingerprint
    assert first.stamp != again.stamp
    assert first.size == again.size


def test_what_has_the_known_stamp_is_not_read(
    file_case: Case, opened: Opened, path: Path, tmp_path: Path
) -> None:
    storage = opened(file_case.storage_type, **file_case.options)
    storage.stage(file_case.first).commit()
    mark = storage.mark()
    assert mark is not None
    known = mark._replace(fingerprint="as it was told")

    assert storage.mark(known) == known

    path.write_bytes(path.read_bytes())  # the same, written anew
    assert storage.mark(known) == mark._replace(stamp=storage.mark().stamp)  # type: ignore[union-attr]  # there is one


def test_what_says_that_it_is_marked_is(case: Case, storage: Storage) -> None:
    staged = storage.stage(case.first)
    staged.commit()

    is_marked = STORAGE_TYPES[case.storage_type].is_marked
    assert (staged.mark is not None, storage.mark() is not None) == (is_marked, is_marked)
