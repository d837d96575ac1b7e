from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

import pytest

from runner.execution.mailbox import IS_POSSIBLE, Mailbox
from runner.store.store import JobRow, Store

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="there are no named pipes")

CONFIG: Final = """\
[TASK.train]
function = "builtins.abs"
[TASK.publish]
function = "builtins.abs"
"""
PATIENCE: Final = 10.0
DIES: Final = """\
import os, sys
from pathlib import Path
from runner.execution.mailbox import Mailbox
from runner.store.store import Store
store = Store.open(Path(sys.argv[1]))
run = store.begin_run("s", "standalone", 5.0)
Mailbox(Path(sys.argv[1], "locks"), run, print)
print(run, os.getpid(), flush=True)
os._exit(0)
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "runner.toml").write_text(CONFIG, encoding="utf-8")
    return folder


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.open(folder / ".runner") as store:
        store.scenario("s", "s", datetime.now(UTC))
        yield store


@pytest.fixture
def run(store: Store) -> str:
    """A run of this process, which takes no requests yet."""
    return store.begin_run("s", "standalone", 5.0)


@pytest.fixture
def requests(folder: Path, run: str) -> Iterator[SimpleQueue[str]]:
    """What the run is asked for."""
    received: SimpleQueue[str] = SimpleQueue()
    mailbox = Mailbox(folder / ".runner" / "locks", run, received.put)
    yield received
    mailbox.close()


def test_a_run_is_asked_to_stop(cli: Any, run: str, requests: SimpleQueue[str]) -> None:
    ended = cli("cancel", run)

    assert (ended.code, ended.out, ended.err) == (0, "asked run <id> to stop\n", "")
    assert requests.get(timeout=PATIENCE) == "cancel"


def test_a_run_is_asked_to_cancel_a_job(cli: Any, run: str, requests: SimpleQueue[str]) -> None:
    ended = cli("cancel", run, "train")

    assert (ended.code, ended.out, ended.err) == (0, "asked run <id> to cancel train\n", "")
    assert requests.get(timeout=PATIENCE) == "cancel train"


def refused(cli: Any, requests: SimpleQueue[str], *arguments: str) -> tuple[int, str]:
    """How it ends and what it says; nothing is asked for."""
    ended = cli("cancel", *arguments)
    assert ended.out == ""
    assert requests.empty()
    return ended.code, ended.err


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        pytest.param("trian", "  = help: did you mean `train`?\n", id="misspelt"),
        pytest.param("other", "", id="no-other"),
    ],
)
def test_a_task_that_there_is_not(
    cli: Any, run: str, requests: SimpleQueue[str], task: str, hint: str
) -> None:
    assert refused(cli, requests, run, task) == (
        2,
        f"error: run <id> has no task `{task}`\n{hint}",
    )


def test_a_job_that_has_ended(cli: Any, store: Store, run: str, requests: SimpleQueue[str]) -> None:
    store.record([JobRow(run, "train", "FAILED", 1, 6.0, 0.5, None)], ())

    assert refused(cli, requests, run, "train") == (
        2,
        "error: job `train` of run <id> has ended: FAILED\n",
    )


def test_a_run_that_there_is_not(cli: Any, requests: SimpleQueue[str]) -> None:
    code, told = refused(cli, requests, "nosuchrun")

    assert code == 2
    assert told.startswith("error: unknown run `nosuchrun`\n  = help: the latest is ")


def test_a_run_that_has_ended(cli: Any, store: Store, run: str, requests: SimpleQueue[str]) -> None:
    store.end_run(run, "COMPLETED", 1.0)

    assert refused(cli, requests, run) == (2, "error: run <id> has ended: COMPLETED\n")


def test_a_run_whose_process_is_gone(
    cli: Any, folder: Path, store: Store, requests: SimpleQueue[str]
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", DIES, str(folder / ".runner")],
        check=True,
        capture_output=True,
        text=True,
    )
    run, pid = died.stdout.split()

    assert refused(cli, requests, run) == (
        2,
        f"error: run <id> is not running any more: its process {pid} is gone\n",
    )


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        pytest.param(
            "pid = pid", "  = help: to stop it as Ctrl-C does: kill -TERM <pid>\n", id="here"
        ),
        pytest.param(
            "host = 'far'",
            "  = help: it was begun by process <pid> of far: look there whether it runs\n",
            id="elsewhere",
        ),
        pytest.param("pid = NULL", "", id="of-an-old-version"),
    ],
)
def test_a_run_that_takes_no_requests(
    cli: Any, store: Store, run: str, change: str, hint: str
) -> None:
    pid = store.run(run).pid
    store._rows(f"UPDATE runs SET {change}")

    ended = cli("cancel", run)

    assert (ended.code, ended.out) == (4, "")
    hint = hint.replace("<pid>", str(pid))
    assert ended.err == f"error: run <id> takes no requests\n{hint}"


def test_the_run_has_to_be_named(cli: Any) -> None:
    ended = cli("cancel")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: missing argument 'RUN'\n  = help: runner cancel --help tells what there is\n"
    )


def test_where_nothing_has_run_nothing_is_made(cli: Any, folder: Path) -> None:
    ended = cli("cancel", "8k2p")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: there is no run yet\n  = help: runner execute begins one\n"
    assert not (folder / ".runner").exists()
