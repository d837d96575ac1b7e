"""Ctrl-C, SIGTERM, `--timeout` and `runner cancel`, while a job runs in a worker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

CONFIG = """\
[JOB]
mode = "standalone"
[DATA_NODE.first]
[DATA_NODE.second]
[TASK.slow]
function = "functions.slow"
outputs = ["first"]
[TASK.after]
function = "functions.after"
inputs = ["first"]
outputs = ["second"]
"""
FUNCTIONS = """\
def slow():
    with open("begun", "w"):
        pass
    with open("go") as go:
        go.read()
    return 1


def after(first):
    return first
"""
"""`begun` and `go` are pipes: opening one waits for who opens the other end."""


@attrs.frozen
class Run:
    """`runner execute` in a folder, with a job that has begun and waits."""

    folder: Path
    process: subprocess.Popen[str]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def say_go(self) -> None:
        with (self.folder / "go").open("w"):
            pass

    def wait_for(self, words: str) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if words in line:
                return
        raise AssertionError(f"it never said `{words}`")

    def end(self) -> tuple[int, dict[str, Any]]:
        """Its exit code, and the document it ends with."""
        out, _ = self.process.communicate(timeout=20)
        return self.process.returncode, json.loads(out)

    def other(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=False,
        )


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "runner.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "functions.py").write_text(FUNCTIONS, encoding="utf-8")
    for pipe in ("begun", "go"):
        os.mkfifo(tmp_path / pipe)
    started: list[subprocess.Popen[str]] = []

    def begin(*options: str) -> Run:
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", "execute", "--format", "json", *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        started.append(process)
        run = Run(tmp_path, process)
        with (tmp_path / "begun").open():
            pass
        return run

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {job["task"]: job["status"] for job in document["jobs"]}


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, id="sigterm"),
    ],
)
def test_once_lets_what_runs_finish(start: Start, number: int, code: int) -> None:
    run = start()
    run.signal(number)
    run.wait_for("stopping: what runs may finish; once more to end it now")
    run.say_go()

    ended, document = run.end()

    assert ended == code
    assert document["status"] == "CANCELED"
    assert statuses(document) == {"slow": "COMPLETED", "after": "CANCELED"}


def test_twice_ends_what_runs(start: Start) -> None:
    run = start()
    run.signal(signal.SIGINT)
    run.wait_for("stopping")
    run.signal(signal.SIGINT)

    ended, document = run.end()

    assert ended == 130
    assert statuses(document) == {"slow": "CANCELED", "after": "ABANDONED"}
    (slow, after) = document["jobs"]
    assert slow["failure"]["message"] == "it was stopped while it ran"
    assert after["failure"]["message"] == "slow was canceled"


def test_when_the_time_is_over_what_runs_is_ended(start: Start) -> None:
    run = start("--timeout", "2s")

    ended, document = run.end()

    assert ended == 124
    assert statuses(document) == {"slow": "CANCELED", "after": "ABANDONED"}


@pytest.mark.parametrize("task", ["", "slow"])
def test_cancel_from_another_terminal(start: Start, task: str) -> None:
    run = start()
    run_id = run_of(run)

    canceled = run.other("cancel", run_id, *([task] if task else []))

    what = "to cancel slow" if task else "to stop"
    assert (canceled.returncode, canceled.stdout) == (0, f"asked run {run_id} {what}\n")
    ended, document = run.end()
    assert ended == 1
    assert statuses(document) == {"slow": "CANCELED", "after": "ABANDONED"}


def test_canceling_what_waits_leaves_what_runs(start: Start) -> None:
    run = start()

    assert run.other("cancel", run_of(run), "after").returncode == 0
    run.wait_for("canceled")
    run.say_go()

    ended, document = run.end()
    assert ended == 1
    assert statuses(document) == {"slow": "COMPLETED", "after": "CANCELED"}


def test_a_run_that_was_killed_is_not_canceled(start: Start) -> None:
    run = start()
    run_id = run_of(run)
    run.process.kill()
    run.process.wait()

    canceled = run.other("cancel", run_id)

    assert canceled.returncode == 2
    assert "is not running any more" in canceled.stderr


def run_of(run: Run) -> str:
    """Its id, from the line that it begins with."""
    assert run.process.stderr is not None
    for line in run.process.stderr:
        found = re.search(r"start  run (\w+) of default", line)
        if found:
            return found[1]
    raise AssertionError("it never began")
