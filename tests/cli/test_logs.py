from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import attrs
import pytest

from runner.masks import NO_MASK
from runner.store.store import JobRow, Store
from runner.store.trimming import trim

CONFIG: Final = """\
[JOB]
mode = "standalone"
[DATA_NODE.a]
[DATA_NODE.b]
[TASK.train]
function = "algos.f"
inputs = ["a"]
outputs = ["b"]
[TASK.publish]
function = "algos.f"
inputs = ["b"]
"""
SESSION: Final = "here-4242-1-1"
BEGINS_A_RUN: Final = """\
import sys
from pathlib import Path
from runner.store.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print(store.begin_run("s", "standalone", 5.0, session=sys.argv[2]), flush=True)
sys.stdin.read()
"""


@attrs.define
class Run:
    """A run, and the logs of its workers."""

    id: str
    store: Store
    folder: Path

    def printed(self, text: str | bytes, worker: int = 1) -> tuple[str, int, int]:
        """Let a worker print."""
        file = self.folder / "logs" / f"{SESSION}-{worker}.log"
        file.parent.mkdir(exist_ok=True)
        data = text.encode() if isinstance(text, str) else text
        with file.open("ab") as log:
            start = log.tell()
            log.write(data)
        return file.name, start, start + len(data)

    def ended(
        self, task: str, text: str | bytes = "", status: str = "COMPLETED", worker: int = 1
    ) -> None:
        """Let a job end that has printed a text."""
        job = JobRow(self.id, task, status, 1, 6.0, 0.5, None, worker)
        if text:
            log, start, end = self.printed(text, worker)
            job = job._replace(log=log, log_start=start, log_end=end)
        self.store.record([job], ())


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
def run(store: Store, folder: Path) -> Run:
    """A run of this process, which has not ended."""
    id_ = store.begin_run("s", "standalone", 5.0, session=SESSION)
    return Run(id_, store, folder / ".runner")


@contextmanager
def another_process(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process that has begun a run, and its id."""
    with subprocess.Popen(
        [sys.executable, "-c", BEGINS_A_RUN, str(folder / ".runner"), SESSION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        process.kill()


def test_all_jobs_that_printed(cli: Any, run: Run) -> None:
    run.ended("train", "loss 0.5\nloss 0.4\n")
    run.ended("silent")
    run.ended("publish", "no end", "FAILED", worker=2)
    run.store.end_run(run.id, "FAILED", 1.5)

    ended = cli("logs", run.id)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == ("== train (COMPLETED)\nloss 0.5\nloss 0.4\n== publish (FAILED)\nno end\n")


def test_without_a_run_it_is_the_latest(cli: Any, run: Run) -> None:
    run.ended("train", "old\n")
    latest = Run(run.store.begin_run("s", "standalone", 4.0), run.store, run.folder)
    latest.ended("train", "new\n")
    run.store.end_run(latest.id, "COMPLETED", 1.0)

    assert cli("logs").out == "== train (COMPLETED)\nnew\n"


def test_one_task_gives_the_bare_text(cli: Any, run: Run) -> None:
    run.ended("train", "loss 0.5\n")
    run.ended("publish", "no end")

    ended = cli("logs", run.id, "publish")

    assert (ended.code, ended.out, ended.err) == (0, "no end", "")


@pytest.mark.parametrize(
    ("tail", "train"),
    [
        pytest.param("1", "c\n", id="one"),
        pytest.param("2", "b\nc\n", id="two"),
        pytest.param("9", "a\nb\nc\n", id="more-than-there-are"),
    ],
)
def test_tail_is_of_each_job(cli: Any, run: Run, tail: str, train: str) -> None:
    run.ended("train", "a\nb\nc\n")
    run.ended("publish", "d\n")

    assert cli("logs", run.id, "--tail", tail).out == (
        f"== train (COMPLETED)\n{train}== publish (COMPLETED)\nd\n"
    )
    assert cli("logs", run.id, "train", "--tail", tail).out == train


@pytest.mark.parametrize("color", ["auto", "always"])
def test_control_characters_are_written_out(cli: Any, run: Run, color: str) -> None:
    run.ended("train", b"\x1b[2J 10%\r20%\ttab \xff\n")

    assert cli("logs", run.id, "train", "--color", color).out == ("\\x1b[2J 10%\\r20%\ttab \\xff\n")


def test_where_the_bytes_are(cli: Any, run: Run) -> None:
    run.ended("train", "a\n")
    run.ended("publish", b"\x1b[2J\n")

    ended = cli("logs", run.id, "publish", "-v")

    assert ended.err == f"read <folder>/.runner/logs/{SESSION}-1.log, bytes 2 to 7\n"


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        pytest.param(["publish"], "`publish` did not run: ABANDONED", id="did-not-run"),
        pytest.param(["train"], "`train` printed nothing", id="silent-job"),
        pytest.param([], "no job of run <id> printed anything", id="silent-run"),
    ],
)
def test_nothing_printed(cli: Any, run: Run, arguments: list[str], note: str) -> None:
    run.ended("train")
    run.store.record([JobRow(run.id, "publish", "ABANDONED", 0, None, None, None)], ())
    run.store.end_run(run.id, "FAILED", 1.0)

    ended = cli("logs", run.id, *arguments)

    assert (ended.code, ended.out, ended.err) == (0, "", f"{note}\n")
    assert cli("logs", run.id, *arguments, "-q").err == ""


@pytest.mark.parametrize("arguments", [[], ["train"], ["--follow"]], ids=["all", "task", "follow"])
def test_development_mode_has_no_logs(cli: Any, store: Store, arguments: list[str]) -> None:
    run = store.begin_run("s", "development", 5.0)

    ended = cli("logs", run, *arguments)

    assert (ended.code, ended.out) == (0, "")
    assert ended.err == (
        "run <id> is of development mode: "
        "its jobs print where runner itself runs, and no log is kept\n"
    )


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        pytest.param([], "run <id> has not ended yet; --follow goes on with it", id="run"),
        pytest.param(["train"], "`train` has not ended yet; --follow waits for it", id="job"),
    ],
)
def test_what_has_not_ended(cli: Any, run: Run, arguments: list[str], note: str) -> None:
    ended = cli("logs", run.id, *arguments)

    assert (ended.code, ended.out, ended.err) == (0, "", f"{note}\n")


@pytest.mark.parametrize("follow", [[], ["--follow"]], ids=["once", "follow"])
def test_a_run_whose_process_is_gone(
    cli: Any, folder: Path, store: Store, follow: list[str]
) -> None:
    with another_process(folder) as (run, process):
        pass
    Run(run, store, folder / ".runner").ended("train", "done\n")
    gone = f"run <id> is not running any more: its process {process.pid} is gone\n"

    whole, job = cli("logs", run, *follow), cli("logs", run, "publish", *follow)

    assert (whole.code, whole.out, whole.err) == (0, "== train (COMPLETED)\ndone\n", gone)
    assert (job.code, job.out, job.err) == (0, "", f"`publish` has no end on record: {gone}")


def test_a_log_that_is_gone_is_of_one_job(cli: Any, run: Run) -> None:
    run.ended("train", "lost\n")
    run.ended("publish", "kept\n", worker=2)
    run.store.end_run(run.id, "COMPLETED", 1.0)
    log = f"{SESSION}-1.log"
    (run.folder / "logs" / log).unlink()

    ended = cli("logs", run.id)

    assert ended.code == 4
    assert ended.out == "== train (COMPLETED)\n== publish (COMPLETED)\nkept\n"
    message = f"error: the log `<folder>/.runner/logs/{log}` is not there any more\n"
    assert ended.err == message
    assert (cli("logs", run.id, "train").code, cli("logs", run.id, "train").err) == (4, message)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(["8k2q"], "unknown run `8k2q`", "did you mean `8k2p`?", id="run"),
        pytest.param(["zzzz"], "unknown run `zzzz`", "the latest is 8k2p", id="no-run"),
        pytest.param(
            ["train"], "unknown run `train`", "for a task: runner logs 8k2p train", id="task-as-run"
        ),
        pytest.param(
            ["8k2p", "trian"], "run 8k2p has no task `trian`", "did you mean `train`?", id="task"
        ),
        pytest.param(["8k2p", "publish"], "run 8k2p has no task `publish`", None, id="not-of-it"),
    ],
)
def test_what_there_is_not(
    cli: Any, run: Run, arguments: list[str], message: str, hint: str | None
) -> None:
    run.store._rows("UPDATE runs SET id = '8k2p'")
    run.id = "8k2p"
    run.ended("train", "done\n")
    run.store.end_run("8k2p", "COMPLETED", 1.0)

    ended = cli("logs", *arguments)

    assert (ended.code, ended.out) == (2, "")
    told = ended.err.replace("<id>", "8k2p")
    assert told == f"error: {message}\n" + (f"  = help: {hint}\n" if hint else "")


def test_where_nothing_has_run_nothing_is_made(cli: Any, folder: Path) -> None:
    ended = cli("logs")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: there is no run yet\n  = help: runner execute begins one\n"
    assert not (folder / ".runner").exists()


def test_errors_of_the_config_do_not_matter(cli: Any, folder: Path, run: Run) -> None:
    run.ended("train", "done\n")
    run.store.end_run(run.id, "COMPLETED", 1.0)
    (folder / "runner.toml").write_text("[JOB]\nmode = 'standalon'\n[TASK.x]\n", encoding="utf-8")

    assert cli("logs").out == "== train (COMPLETED)\ndone\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("[CORE]\nstorage_folder = 5\n", "RUN105", id="type"),
        pytest.param("[CORE]\nstorage_folder = 'ENV[NOWHERE_TO_BE]'\n", "RUN111", id="env"),
        pytest.param("[CORE\n", "RUN101", id="syntax"),
    ],
)
def test_an_error_about_the_storage_folder_does(
    cli: Any, folder: Path, run: Run, text: str, code: str
) -> None:
    (folder / "runner.toml").write_text(text, encoding="utf-8")

    ended = cli("logs")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith(f"error[{code}]: ")
    assert ended.err.endswith("\nerror: the config does not say where the storage folder is\n")


def test_the_storage_folder_of_the_config(cli: Any, folder: Path, run: Run) -> None:
    run.ended("train", "done\n")
    run.store.end_run(run.id, "COMPLETED", 1.0)
    (folder / ".runner").rename(folder / "kept")

    assert cli("logs", "--set", "CORE.storage_folder=kept").code == 0
    assert cli("-c", "runner.toml", "--set", "CORE.storage_folder=kept", "logs").code == 0
    assert cli("logs").code == 2


class Following:
    """`runner logs --follow` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "runner", "logs", "--follow", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self._patience = threading.Timer(60, self._process.kill)
        self._patience.start()

    @property
    def out(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def lines(self, count: int) -> str:
        """The next lines, as soon as they come."""
        return "".join(self.out.readline() for _ in range(count))

    def rest(self) -> tuple[int, str, str]:
        """How it ends, and what it tells until then."""
        with self._process:
            out, err = self._process.communicate()
        self._patience.cancel()
        return self._process.returncode, out, err


def test_follow_shows_what_comes(run: Run) -> None:
    run.ended("clean", "cleaned\n")
    run.printed("epoch 1\nepo")
    following = Following(run.id)

    assert following.lines(4) == "== clean (COMPLETED)\ncleaned\n== worker process 1\nepoch 1\n"
    run.printed("ch 2\n")
    assert following.lines(1) == "epoch 2\n"
    run.printed("other\n", worker=12)
    assert following.lines(2) == "== worker process 12\nother\n"
    run.printed("last")
    run.store.end_run(run.id, "COMPLETED", 1.0)

    ended = f"run {run.id} has ended: COMPLETED\n"
    assert following.rest() == (0, "== worker process 1\nlast\n", ended)


def test_follow_goes_on_where_a_log_was_trimmed(run: Run) -> None:
    log, start, end = run.printed("".join(f"line {number}\n" for number in range(20_000)))
    following = Following(run.id)
    assert following.lines(20_001).endswith("\nline 19999\n")

    _, _, end = run.printed("before\n")
    trim(str(run.folder / "logs" / log), start, end, 1 << 16, NO_MASK)
    run.printed("after\n")
    run.store.end_run(run.id, "COMPLETED", 1.0)

    assert following.rest() == (0, "before\nafter\n", f"run {run.id} has ended: COMPLETED\n")


def test_follow_leaves_out_what_other_runs_printed(run: Run) -> None:
    other = Run(run.store.begin_run("s", "standalone", 5.0, session=SESSION), run.store, run.folder)
    other.ended("train", "not asked for\n")
    run.printed("asked for\n")
    (run.folder / "logs" / f"{SESSION}0-1.log").write_text("of another session\n")
    following = Following(run.id)

    assert following.lines(2) == "== worker process 1\nasked for\n"
    run.store.end_run(run.id, "CANCELED", 1.0)
    assert following.rest() == (0, "", f"run {run.id} has ended: CANCELED\n")


def test_follow_ends_with_the_process_of_the_run(folder: Path, store: Store) -> None:
    with another_process(folder) as (id_, process):
        Run(id_, store, folder / ".runner").printed("alive\n")
        following = Following(id_)
        assert following.lines(2) == "== worker process 1\nalive\n"
        process.kill()
        gone = f"run {id_} is not running any more: its process {process.pid} is gone\n"
        assert following.rest() == (0, "", gone)


def test_follow_of_a_task_waits_for_its_end(run: Run) -> None:
    following = Following(run.id, "train", "--tail", "1")
    run.ended("publish", "not asked for\n")

    run.ended("train", "a\nb\n")

    assert following.rest() == (0, "b\n", "")


def test_follow_of_a_task_ends_with_the_process_of_the_run(folder: Path, store: Store) -> None:
    with another_process(folder) as (id_, process):
        following = Following(id_, "train")
        process.kill()
        why = f"run {id_} is not running any more: its process {process.pid} is gone"
        assert following.rest() == (0, "", f"`train` has no end on record: {why}\n")


def test_to_follow_what_has_ended_is_to_show_it(cli: Any, run: Run) -> None:
    run.ended("train", "done\n")
    run.store.end_run(run.id, "COMPLETED", 1.0)

    assert cli("logs", run.id, "--follow").out == "== train (COMPLETED)\ndone\n"
