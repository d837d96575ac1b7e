from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import pytest

from runner.errors import SetupError
from runner.store.locks import (
    FOLDER,
    LockHeldError,
    Locks,
    RunFile,
    acquire,
    is_gone,
    keys_of,
    locked,
)
from runner.store.places import Place
from runner.store.processes import Process, this_process
from runner.store.store import Store

PATIENCE: Final = 60.0
KEYS: Final = ["scenarios/s/model", "global/limits"]
HOLDS: Final = """\
import os, sys
from pathlib import Path
from runner.store.locks import acquire
from runner.store.store import Store
store = Store.open(Path(sys.argv[1]))
run = store.begin_run("s", "standalone", 5.0)
locks = acquire(store, sys.argv[3:], run)
if sys.argv[2] == "fork" and os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print(run, flush=True)
if sys.argv[2] != "dies":
    sys.stdin.read()
os._exit(0)
"""
"""Holds locks until its stdin ends, or dies at once without releasing them."""
STARTS: Final = """\
import os, sys
from pathlib import Path
from runner.store.locks import LockHeldError, acquire
from runner.store.store import Store
store = Store.open(Path(sys.argv[1]))
run = store.begin_run("s", "standalone", 5.0)
told = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
print("ready", flush=True)
sys.stdin.readline()
try:
    locks = acquire(store, ["global/model"], run, wait=float(sys.argv[2]))
except LockHeldError as error:
    print(error.code, error.lock.run, flush=True)
    sys.stdin.read()
else:
    os.write(told, b"in\\n")
    print("holds", run, flush=True)
    sys.stdin.read() if sys.argv[2] == "0" else None
    os.write(told, b"out\\n")
    locks.release()
"""
"""One of many that want the same lock at the same moment."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / ".runner"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.open(folder) as opened:
        opened.scenario("s", "s", datetime.now(UTC))
        yield opened


@pytest.fixture
def begin(store: Store) -> Callable[[], str]:
    """Begin a run of this process."""
    return lambda: store.begin_run("s", "standalone", 5.0)


@contextmanager
def process(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        patience = threading.Timer(PATIENCE, started.kill)
        patience.start()
        try:
            yield started
        finally:
            patience.cancel()
            started.kill()


def out(started: subprocess.Popen[str]) -> IO[str]:
    assert started.stdout is not None
    return started.stdout


def into(started: subprocess.Popen[str]) -> IO[str]:
    assert started.stdin is not None
    return started.stdin


def said(error: SetupError) -> tuple[str, str | None]:
    """The message and the hint, without what differs from time to time."""
    text = re.sub(r"since \d\d:\d\d:\d\d$", "since <clock>", str(error))
    return text.replace(f" of {platform.node()})", " of <host>)"), error.hint


def elsewhere(store: Store, start: str | None = "b007/1/2") -> None:
    """Let locks be those of a process of another machine; without a start: of another name."""
    for table in ("locks", "runs"):
        store._rows(f"UPDATE {table} SET host = 'far'")
        if start is not None:
            store._rows(f"UPDATE {table} SET process_start = ?", start)


def test_another_run_is_refused(store: Store, begin: Callable[[], str]) -> None:
    one, other = begin(), begin()
    acquire(store, KEYS, one)

    with pytest.raises(LockHeldError, match="writing") as caught:
        acquire(store, ["global/limits", "global/other"], other)

    assert (caught.value.code, caught.value.exit_code) == ("RUN507", 4)
    assert (caught.value.lock.key, caught.value.lock.run) == ("global/limits", one)
    assert said(caught.value) == (
        f"run {one} (process {os.getpid()} of <host>) has been writing `limits` since <clock>",
        "wait for it: --wait-lock 60s",
    )
    acquire(store, ["global/other"], begin()).release()


def test_more_than_one_is_counted(store: Store, begin: Callable[[], str]) -> None:
    acquire(store, [f"global/n{number}" for number in range(1_500)], begin())

    with pytest.raises(LockHeldError, match=r" has been writing `n0` and 1,499 more since "):
        acquire(store, [f"global/n{number}" for number in range(2_000)], begin())


def test_one_that_is_held_for_long_tells_the_day(store: Store, begin: Callable[[], str]) -> None:
    acquire(store, KEYS, begin())
    store._rows("UPDATE locks SET since = ?", datetime(2026, 5, 1, 12, 30).timestamp())

    with pytest.raises(LockHeldError, match=r"`model` and 1 more since 2026-05-01 12:30$"):
        acquire(store, KEYS, begin())


def test_who_has_waited_in_vain_is_told_what_else_to_do(
    store: Store, begin: Callable[[], str]
) -> None:
    one = begin()
    acquire(store, KEYS, one)

    with pytest.raises(LockHeldError, match="writing") as caught:
        acquire(store, KEYS, begin(), wait=0.001)

    assert caught.value.hint == f"wait longer for it, or stop it: runner cancel {one}"


def test_runs_that_write_other_data_nodes_go_side_by_side(
    store: Store, begin: Callable[[], str]
) -> None:
    for key in KEYS:
        assert acquire(store, [key], begin()).taken_over == ()


def test_what_is_released_can_be_had(folder: Path, store: Store, begin: Callable[[], str]) -> None:
    locks = acquire(store, KEYS, begin())

    locks.release()

    assert list((folder / FOLDER).iterdir()) == []
    assert acquire(store, KEYS, begin()).taken_over == ()


@pytest.mark.parametrize("wait", [0.0, 0.001], ids=["at-once", "in-vain"])
def test_a_user_keeps_others_out_without_a_run(
    folder: Path, store: Store, begin: Callable[[], str], wait: float
) -> None:
    with locked(store, KEYS):
        acquire(store, ["global/other"], begin()).release()  # which leaves the user's file alone
        with pytest.raises(LockHeldError, match="writing") as caught:
            acquire(store, KEYS, begin(), wait=wait)

    who = f"a user (process {os.getpid()} of <host>)"
    assert said(caught.value) == (
        f"{who} has been writing `model` and 1 more since <clock>",
        "wait for it: --wait-lock 60s",
    )
    assert list((folder / FOLDER).iterdir()) == []
    acquire(store, KEYS, begin()).release()


def test_a_run_keeps_a_user_out(store: Store, begin: Callable[[], str]) -> None:
    acquire(store, KEYS, begin())

    with (
        pytest.raises(LockHeldError, match=r"^run .* has been writing `limits`"),
        locked(store, ["global/limits"]),
    ):
        pytest.fail("both write")


def test_the_file_of_a_user_that_was_killed_is_removed(
    folder: Path, store: Store, begin: Callable[[], str]
) -> None:
    (folder / FOLDER).mkdir()
    (folder / FOLDER / "user-00c0ffee.lock").touch()

    acquire(store, KEYS, begin()).release()

    assert list((folder / FOLDER).iterdir()) == []


def test_who_is_refused_leaves_nothing(
    folder: Path, store: Store, begin: Callable[[], str]
) -> None:
    one, other = begin(), begin()
    acquire(store, KEYS, one)

    with pytest.raises(LockHeldError, match="writing"):
        acquire(store, KEYS, other)

    assert [path.name for path in (folder / FOLDER).iterdir()] == [f"{one}.lock"]


def test_who_waits_goes_on_when_it_is_released(store: Store, begin: Callable[[], str]) -> None:
    locks = acquire(store, KEYS, begin())
    waiting = Waiting(store, begin())

    locks.release()

    assert waiting.locks().taken_over == ()


class Waiting:
    """A thread that waits for locks."""

    def __init__(self, store: Store, run: str) -> None:
        self._got: list[Locks] = []
        self._thread = threading.Thread(
            target=lambda: self._got.append(acquire(store, KEYS, run, wait=PATIENCE)), daemon=True
        )
        self._thread.start()

    def locks(self) -> Locks:
        """What it got."""
        self._thread.join(PATIENCE / 2)
        (locks,) = self._got
        return locks


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_who_waits_goes_on_when_the_holder_is_killed(
    folder: Path, store: Store, begin: Callable[[], str], how: str
) -> None:
    with process(HOLDS, folder, how, *KEYS) as holder:
        run = out(holder).readline().strip()
        waiting = Waiting(store, begin())

        holder.kill()

        assert {lock.run for lock in waiting.locks().taken_over} == {run}


def test_the_locks_of_a_dead_process_are_taken_over(
    folder: Path, store: Store, begin: Callable[[], str]
) -> None:
    with process(HOLDS, folder, "dies", *KEYS) as holder:
        run, dead = out(holder).readline().strip(), holder.pid
        holder.wait()
    one = begin()

    locks = acquire(store, KEYS, one)

    assert [(lock.key, lock.run, lock.pid) for lock in locks.taken_over] == [
        (key, run, dead) for key in KEYS
    ]
    assert [path.name for path in (folder / FOLDER).iterdir()] == [f"{one}.lock"]


def test_the_files_of_others_stay(folder: Path, store: Store, begin: Callable[[], str]) -> None:
    with process(HOLDS, folder, "alone", *KEYS) as holder:
        run = out(holder).readline().strip()

        acquire(store, ["global/other"], begin()).release()

        assert [path.name for path in (folder / FOLDER).iterdir()] == [f"{run}.lock"]


def test_another_machine_cannot_be_asked(
    folder: Path, store: Store, begin: Callable[[], str]
) -> None:
    one = begin()
    acquire(store, KEYS, one)
    elsewhere(store)

    with pytest.raises(LockHeldError, match="writing") as caught:
        acquire(store, KEYS, begin())

    file = folder / FOLDER / f"{one}.lock"
    who = f"run {one} (process {os.getpid()} of far)"
    what = f"look on far whether it still runs: if not, remove {file}"
    assert said(caught.value) == (
        f"{who} has been writing `model` and 1 more since <clock>",
        f"{what}; if so, wait for it: --wait-lock 60s",
    )


def test_the_locks_of_another_machine_end_with_their_file(
    folder: Path, store: Store, begin: Callable[[], str]
) -> None:
    one = begin()
    acquire(store, KEYS, one)
    elsewhere(store)
    waiting = Waiting(store, begin())

    (folder / FOLDER / f"{one}.lock").unlink()

    assert {lock.run for lock in waiting.locks().taken_over} == {one}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells one boot from another")
def test_a_container_of_this_machine_is_asked_by_its_file(
    store: Store, begin: Callable[[], str]
) -> None:
    locks = acquire(store, KEYS, begin())
    elsewhere(store, start=None)

    with pytest.raises(LockHeldError, match=" of far") as caught:
        acquire(store, KEYS, begin())
    assert caught.value.hint == "wait for it: --wait-lock 60s"

    locks._file.forget()
    assert len(acquire(store, KEYS, begin()).taken_over) == 2


@pytest.mark.parametrize(
    ("known", "has_file", "over"),
    [
        pytest.param(True, False, False, id="alive"),
        pytest.param(False, True, False, id="nobody-knows"),
        pytest.param(False, False, True, id="nobody-knows-and-no-file"),
    ],
)
def test_whether_a_run_is_gone(folder: Path, known: bool, has_file: bool, over: bool) -> None:
    file = RunFile(folder / FOLDER, "2abc") if has_file else None

    assert is_gone("2abc", this_process() if known else None, folder) is over
    if file is not None:
        file.close()


def test_a_process_that_is_dead_is_gone_whatever_its_file_says(folder: Path) -> None:
    me = this_process()
    file = RunFile(folder / FOLDER, "2abc")

    assert is_gone("2abc", Process(me.pid, me.host, "b007/1/2"), folder)
    file.close()


def started(stack: ExitStack, folder: Path, wait: str, told: Path) -> list[subprocess.Popen[str]]:
    """Twenty that want one lock, at the same moment."""
    starters = [stack.enter_context(process(STARTS, folder, wait, told)) for _ in range(20)]
    assert [out(each).readline() for each in starters] == ["ready\n"] * 20
    for each in starters:
        into(each).write("go\n")
        into(each).flush()
    return starters


def test_of_twenty_that_start_at_once_one_may(store: Store, folder: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        starters = started(stack, folder, "0", tmp_path / "told")
        answers = [out(each).readline().split() for each in starters]

        (holder,) = [run for word, run in answers if word == "holds"]
        assert [each for each in answers if each[0] == "RUN507"] == [["RUN507", holder]] * 19


def test_of_twenty_that_wait_each_may_in_turn(store: Store, folder: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        starters = started(stack, folder, str(PATIENCE), tmp_path / "told")

        assert [each.wait() for each in starters] == [0] * 20
    assert (tmp_path / "told").read_text() == "in\nout\n" * 20


def test_a_users_file_is_locked_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    places = [
        Place("scenarios/s/a", tmp_path / "link.csv", is_users=True),
        Place("scenarios/s/b", tmp_path / ".runner/data/b.p", is_users=False),
        Place("global/c", None, is_users=False),
    ]

    assert keys_of(places) == [str(tmp_path / "real.csv"), "scenarios/s/b", "global/c"]


def test_a_users_file_is_named_by_its_path(
    tmp_path: Path, store: Store, begin: Callable[[], str]
) -> None:
    path = str(tmp_path / "real.csv")
    acquire(store, [path], begin())

    with pytest.raises(LockHeldError, match=f" has been writing `{path}` since "):
        acquire(store, [path], begin())


def test_where_files_cannot_be_locked(
    tmp_path: Path, folder: Path, store: Store, without_locks: Any
) -> None:
    code = (
        "from pathlib import Path\n"
        "from runner.errors import SetupError\n"
        "from runner.store.locks import RunFile\n"
        "try: RunFile(Path(sys.argv[1]), '2abc')\n"
        "except SetupError as error: print(error.code, error, error.hint, sep='\\n')\n"
    )

    ended = without_locks(code, folder / FOLDER)

    path = folder / FOLDER / "2abc.lock"
    assert (ended.stderr, ended.stdout.splitlines()) == (
        "",
        [
            "RUN508",
            f"storage folder: {path} cannot be used: its file system cannot lock files",
            "set [CORE] storage_folder to a folder of a local disk",
        ],
    )


def test_a_folder_in_which_nothing_can_be_made(
    tmp_path: Path, folder: Path, store: Store, begin: Callable[[], str], as_nobody: None
) -> None:
    run = begin()

    with pytest.raises(SetupError, match="Permission denied") as caught:
        acquire(store, KEYS, run)

    path = folder / FOLDER
    assert str(caught.value) == f"storage folder: {path} cannot be used: Permission denied"
    assert caught.value.code == "RUN508"


def test_ctrl_c_ends_the_waiting(folder: Path, store: Store, begin: Callable[[], str]) -> None:
    acquire(store, ["global/model"], begin())
    with process(STARTS, folder, PATIENCE, folder / "told") as waiting:
        assert out(waiting).readline() == "ready\n"
        into(waiting).write("go\n")
        into(waiting).flush()
        while len(list((folder / FOLDER).iterdir())) < 2:  # it is about to wait
            assert waiting.poll() is None

        waiting.send_signal(signal.SIGINT)

        assert waiting.wait() != 0
    assert len(list((folder / FOLDER).iterdir())) == 1
