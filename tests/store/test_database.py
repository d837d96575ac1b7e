"""The database in bad shape and on bad ground: damage, full disks, file systems without locks."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from runner.errors import SetupError, UsageError
from runner.store.database import FILE_NAME, opened
from runner.store.processes import this_process
from runner.store.store import About, JobRow, NodeRow, Store, TraceRow

PAGE: Final = 4096
FLIPS: Final = 100
PLACE: Final = "look at its permissions and the free space, or set [CORE] storage_folder to another"
KEPT: Final = "what was recorded before is kept, and the files of data nodes are whole"
FILLS: Final = """\
import resource, sys
from pathlib import Path
from runner.errors import SetupError
from runner.store.store import JobRow, Store
with Store.open(Path(sys.argv[1])) as store:
    size = int(sys.argv[2])
    if size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    run = store.run().id
    try:
        for number in range(10_000):
            store.record([JobRow(run, f"t{number}", "C", 1, 1.0, 1.0, "x" * 1000)], ())
    except SetupError as error:
        print(number, error.code, error, error.hint, sep="\\n")
"""
"""Records jobs until no more can be recorded, and tells how many and why."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".runner"


@pytest.fixture
def full(folder: Path) -> Path:
    """A storage folder with some of everything, whose database is closed."""
    with Store.open(folder) as store:
        fill(store)
    return folder


@pytest.fixture
def busy(full: Path, tmp_path: Path) -> Path:
    """A storage folder as it is while a store is open: much is in the log ahead of the database."""
    with Store.open(full) as store:
        fill(store)
        shutil.copytree(full, tmp_path / "busy")
    return tmp_path / "busy"


def fill(store: Store) -> None:
    store.scenario("s", "s", datetime.now(UTC))
    for number in range(5):
        run = store.begin_run("s", "standalone", 5.0, about=About(config="{}", digest="d"))
        tasks = [f"task_{index}" for index in range(50)]
        store.record(
            [
                JobRow(run, task, "COMPLETED", 1, 1.0, 1.0, None, reason="never run")
                for task in tasks
            ],
            [NodeRow(f"scenarios/s/{task}", "task", run, task, 1.0, size=1) for task in tasks],
            [TraceRow("s", task, run, 1.0, "c0de", "5e75", "{}", "{}") for task in tasks],
        )
        store.keep_codes({f"c0de{number}": "[]"})
        store.end_run(run, "COMPLETED", 1.0)


def use(folder: Path) -> str | None:
    """Read all there is and write; the code of what is wrong, None where nothing is.

    Anything but an error that says so fails the test.
    """
    try:
        with Store.open(folder) as store, suppress(UsageError):
            for run in store.runs():
                store.jobs(run.id)
                store.about(run.id)
            store.counts(store.runs())
            store.data_nodes()
            store.traces("s")
            store.versions("scenarios/s/task_1")
            store.scenario("s", "s", datetime.now(UTC))
            fill(store)
            store.lock(["a", "b"], store.run().id, 1.0, lambda _: True)
            store.remove_runs(store.prunable(2, lambda _: True).runs, lambda _: True)
    except SetupError as error:
        return error.code
    return None


def refused(folder: Path) -> tuple[str, str, str | None]:
    with pytest.raises(SetupError, match="runner") as caught:
        Store.open(folder)
    return caught.value.code, str(caught.value), caught.value.hint


def broken(folder: Path, why: str) -> tuple[str, str, str]:
    path = folder / FILE_NAME
    return (
        "RUN508",
        f"storage folder: {path} cannot be used: it is damaged: {why}",
        f"the files of data nodes are whole: move {path}* away, and a new record is begun",
    )


def test_nothing_is_wrong_with_what_is_not_damaged(full: Path, busy: Path) -> None:
    assert [use(full), use(busy)] == [None, None]


def test_an_empty_database(full: Path) -> None:
    (full / FILE_NAME).write_bytes(b"")

    assert refused(full) == broken(full, "it is empty")
    assert (full / FILE_NAME).read_bytes() == b""


def test_what_is_moved_away_is_begun_anew(full: Path, tmp_path: Path) -> None:
    (full / FILE_NAME).write_bytes(b"")
    for path in full.glob(f"{FILE_NAME}*"):
        path.rename(tmp_path / path.name)

    assert use(full) is None


@pytest.mark.parametrize("bytes_", [1, 50, 99, 100, 512, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_a_database_that_is_cut(full: Path, bytes_: int) -> None:
    with (full / FILE_NAME).open("r+b") as file:
        file.truncate(bytes_)

    assert use(full) == "RUN508"


def test_a_database_of_something_else(full: Path) -> None:
    (full / FILE_NAME).write_bytes(random.Random(1).randbytes(5 * PAGE))

    assert refused(full) == broken(full, "file is not a database")


@pytest.mark.parametrize("name", [FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"])
def test_bytes_that_changed_never_surprise(busy: Path, tmp_path: Path, name: str) -> None:
    chance = random.Random(name)
    whole = (busy / name).read_bytes()
    for number in range(FLIPS):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(busy, copy)
        data = bytearray(whole)
        # half of them where the structure is: the head of the file and the heads of pages
        offset = chance.randrange(len(data))
        offset -= chance.choice([0, offset % PAGE - offset % PAGE % 120])
        data[offset] ^= 1 << chance.randrange(8)
        (copy / name).write_bytes(data)

        assert use(copy) in {None, "RUN508", "RUN701"}, f"byte {offset}"
        shutil.rmtree(copy)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_log_that_is_cut_loses_what_was_recorded_last(busy: Path, part: float) -> None:
    wal = busy / f"{FILE_NAME}-wal"
    with wal.open("r+b") as file:
        file.truncate(int(wal.stat().st_size * part))

    with Store.open(busy) as store:
        statuses = [run.status for run in store.runs()]
    assert statuses[-5:] == ["COMPLETED"] * 5
    assert statuses[:-5] != ["COMPLETED"] * 5
    assert use(busy) is None


def test_a_database_is_never_seen_half_made(folder: Path) -> None:
    folder.mkdir()
    (folder / f"{FILE_NAME}.4711-00000000.new").write_bytes(b"left by one that was killed")

    Store.open(folder).close()

    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


@pytest.fixture
def died(full: Path) -> Path:
    """A store with a run whose machine went down, and a damaged table that nobody has read."""
    with Store.open(full) as store:
        store.begin_run("s", "standalone", 5.0)
        store._rows("UPDATE runs SET process_start = 'b007/1/2'")
    with closing(sqlite3.connect(full / FILE_NAME)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'jobs_by_run'"
        (page,) = connection.execute(query).fetchone()
    with (full / FILE_NAME).open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)
    return full


@pytest.mark.skipif(not this_process().start, reason="nobody tells one boot from another")
def test_it_is_looked_through_when_the_machine_went_down(died: Path) -> None:
    code, message, hint = refused(died)

    path = died / FILE_NAME
    assert code == "RUN508"
    assert message.startswith(f"storage folder: {path} cannot be used: it is damaged: ")
    assert hint == broken(died, "")[2]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("status = 'FAILED'", id="the-run-has-an-end"),
        pytest.param("examined = 1", id="it-was-done-before"),
        pytest.param("host = 'far'", id="nobody-knows-whether-it-died"),
    ],
)
def test_it_is_not_looked_through_otherwise(died: Path, change: str) -> None:
    with closing(sqlite3.connect(died / FILE_NAME, isolation_level=None)) as connection:
        connection.execute(f"UPDATE runs SET {change}")

    Store.open(died).close()


def test_it_is_looked_through_once(full: Path) -> None:
    with Store.open(full) as store:
        store.begin_run("s", "standalone", 5.0)
        store._rows("UPDATE runs SET process_start = 'b007/1/2'")

    Store.open(full).close()

    with closing(sqlite3.connect(full / FILE_NAME)) as connection:
        found = connection.execute("SELECT count(*) FROM runs WHERE examined").fetchone()
    assert found == (1 if this_process().start else 0,)


def test_a_full_disk(small_disk: Path, script: Any) -> None:
    folder = small_disk / ".runner"
    with Store.open(folder) as store:
        fill(store)

    ended = script(FILLS, folder, 0)

    number, *told = ended.stdout.splitlines()
    path = folder / FILE_NAME
    assert ended.stderr == ""
    assert told == [
        "RUN508",
        f"storage folder: {path} cannot be used: no space is left on its disk",
        f"free some space and run it again; {KEPT}",
    ]
    with Store.open(folder) as store:
        assert len(store.jobs(store.run().id)) == 50 + int(number)


def test_a_disk_that_is_full_before(small_disk: Path) -> None:
    with (small_disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(PAGE))
    folder = small_disk / ".runner"

    code, message, _ = refused(folder)

    assert code == "RUN508"
    assert message.endswith(" cannot be used: no space is left on its disk")
    (small_disk / "filler").unlink()
    assert use(folder) is None
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


@pytest.mark.skipif(os.name == "nt", reason="there are no such limits")
def test_a_limit_on_the_size_of_files(full: Path, script: Any) -> None:
    ended = script(FILLS, full, 1 << 20)

    number, *told = ended.stdout.splitlines()
    path = full / FILE_NAME
    assert ended.stderr == ""
    assert told == [
        "RUN508",
        f"storage folder: {path} cannot be used: disk I/O error",
        f"look at its disk, quotas and limits (ulimit -f); {KEPT}",
    ]
    with Store.open(full) as store:
        assert len(store.jobs(store.run().id)) == 50 + int(number)


def test_a_file_system_without_locks(full: Path, without_locks: Any) -> None:
    code = (
        "from pathlib import Path\n"
        "from runner.errors import SetupError\n"
        "from runner.store.store import Store\n"
        "try: Store.open(Path(sys.argv[1]))\n"
        "except SetupError as error: print(error.code, error, error.hint, sep='\\n')\n"
    )

    ended = without_locks(code, full)

    path = full / FILE_NAME
    assert (ended.stderr, ended.stdout.splitlines()) == (
        "",
        [
            "RUN508",
            f"storage folder: {path} cannot be used: its file system cannot lock files",
            "set [CORE] storage_folder to a folder of a local disk",
        ],
    )


@pytest.fixture
def public(tmp_path_factory: pytest.TempPathFactory, full: Path) -> Iterator[Path]:
    """A storage folder that others may read."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another")
    base = Path("/tmp") / f"runner-{os.getpid()}-public"
    shutil.copytree(full, base / ".runner")
    for path in (base, base / ".runner"):
        path.chmod(0o755)
    (base / ".runner" / FILE_NAME).chmod(0o644)
    yield base / ".runner"
    shutil.rmtree(base)


def test_a_folder_that_may_only_be_read(public: Path, as_nobody: None) -> None:
    path = public / FILE_NAME
    assert refused(public) == (
        "RUN508",
        f"storage folder: {path} cannot be used: it can only be read",
        PLACE,
    )


def test_what_may_only_be_read_can_be_read(public: Path, as_nobody: None) -> None:
    with Store.open_to_read(public) as store:
        assert len(store.runs()) > 0
        with pytest.raises(SetupError, match=r"cannot be used: it can only be read$") as caught:
            store.begin_run("s", "standalone", 5.0)

    assert caught.value.code == "RUN508"


def test_what_is_not_in_the_file_yet_can_be_read_too(public: Path) -> None:
    with Store.open(public) as store:
        run = store.begin_run("s", "standalone", 5.0)
        for each in public.iterdir():
            each.chmod(0o644)
        os.seteuid(65534)
        try:
            with Store.open_to_read(public) as reading:
                found = reading.run().id
        finally:
            os.seteuid(0)

    assert found == run


def test_others_who_keep_it_locked(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.store.database._PATIENCE", 0)
    with closing(opened(full, durable=False)) as other, Store.open(full) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SetupError, match="locked") as caught:
            store.begin_run("s", "standalone", 5.0)

    path = full / FILE_NAME
    why = "others have kept it locked for 0 s"
    assert str(caught.value) == f"storage folder: {path} cannot be used: {why}"
    assert caught.value.hint == "look which processes have it open, then run it again"
