from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

CONFIG = """\
[DATA_NODE.held]
storage_type = "in_memory"
[DATA_NODE.first]
[DATA_NODE.second]
[DATA_NODE.third]
storage_type = "json"
[TASK.hold]
function = "steps.hold"
outputs = ["held"]
[TASK.one]
function = "steps.one"
outputs = ["first"]
[TASK.two]
function = "steps.two"
inputs = ["first"]
outputs = ["second"]
[TASK.three]
function = "steps.three"
inputs = ["held", "second"]
outputs = ["third"]
"""
STEPS = """\
import os


def ran(task):
    with open("ran", "a") as file:
        file.write(task + " ")


def hold():
    ran("hold")
    return 40


def one():
    ran("one")
    return 1


def two(first):
    ran("two")
    if os.path.exists("die"):
        os.kill(os.getpid(), 9)
    if not os.path.exists("mended"):
        raise ValueError("not mended")
    return first + 1


def three(held, second):
    ran("three")
    return held + second
"""


@pytest.fixture
def files(write: Any) -> Path:
    folder: Path = write({"runner.toml": CONFIG, "steps.py": STEPS})
    return folder


def runner(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, which imports functions anew."""
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def resumed(folder: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """The exit code, and how each job ended."""
    ended = runner(folder, "resume", "--format", "json", *arguments)
    assert ended.stdout, ended.stderr
    return ended.returncode, {
        job["task"]: job["status"] for job in json.loads(ended.stdout)["jobs"]
    }


def ran(folder: Path) -> list[str]:
    """The tasks that have run since the last call, in order."""
    file = folder / "ran"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    file.unlink(missing_ok=True)
    return text.split()


def third(folder: Path) -> Any:
    return json.loads((folder / ".runner/data/scenarios/default/third.json").read_text("utf-8"))


@pytest.mark.parametrize("mode", ["development", "standalone"])
def test_what_did_not_complete_is_run(files: Path, mode: str) -> None:
    assert runner(files, "execute", "--mode", mode).returncode == 1
    assert sorted(ran(files)) == ["hold", "one", "two"]
    (files / "mended").touch()

    code, statuses = resumed(files)

    assert code == 0
    assert statuses == dict.fromkeys(["hold", "two", "three"], "COMPLETED")
    assert sorted(ran(files)) == ["hold", "three", "two"]  # what was held in memory is gone
    assert third(files) == 42


def test_a_run_whose_process_was_killed(files: Path) -> None:
    (files / "die").touch()
    assert runner(files, "execute").returncode == -signal.SIGKILL
    (files / "die").unlink()
    (files / "mended").touch()
    ran(files)

    code, statuses = resumed(files)

    assert code == 0
    assert {"hold", "two", "three"} <= set(statuses)
    assert third(files) == 42


def test_a_resumed_run_can_be_resumed(files: Path) -> None:
    runner(files, "execute")
    assert resumed(files)[0] == 1
    (files / "mended").touch()
    ran(files)

    assert resumed(files)[0] == 0
    assert sorted(ran(files)) == ["hold", "three", "two"]


def test_a_completed_run_has_nothing_to_resume(files: Path) -> None:
    (files / "mended").touch()
    runner(files, "execute")

    ended = runner(files, "resume")

    assert ended.returncode == 2
    assert ended.stderr.startswith("error[RUN703]: run ")
    assert ended.stderr.endswith(" has completed, nothing is left to resume\n")


def test_a_run_that_was_killed_after_its_last_job(files: Path) -> None:
    (files / "mended").touch()
    runner(files, "execute")
    with closing(sqlite3.connect(files / ".runner/runner.db")) as store:
        store.execute("UPDATE runs SET status = 'RUNNING', seconds = NULL, pid = 99999999")
        store.execute("INSERT INTO locks (key, run, since) SELECT 'any', id, 0 FROM runs")
        store.commit()
    ran(files)

    code, statuses = resumed(files)

    assert (code, statuses, ran(files)) == (0, {}, [])
    assert runner(files, "resume").stderr.startswith("error[RUN703]: run ")
    with closing(sqlite3.connect(files / ".runner/runner.db")) as store:
        assert store.execute("SELECT count(*) FROM locks").fetchone() == (0,)


def test_an_output_that_somebody_changed_is_made_again(files: Path) -> None:
    runner(files, "execute")
    (files / ".runner/data/scenarios/default/first.p").write_bytes(b"torn")
    (files / "mended").touch()
    ran(files)

    assert resumed(files)[0] == 0
    assert sorted(ran(files)) == ["hold", "one", "three", "two"]
    assert third(files) == 42


def test_the_config_is_that_of_the_run(files: Path) -> None:
    runner(files, "execute", "--set", "DATA_NODE.third.default_path=mine.json")
    (files / "mended").touch()
    (files / "runner.toml").write_text("broken =", encoding="utf-8")
    (files / "runner.toml").write_text("[DATA_NODE.x]\n", encoding="utf-8")

    ended = runner(files, "resume")

    assert ended.returncode == 0, ended.stderr
    assert (
        f"{files}/runner.toml has changed since: the run goes on with what it began with\n"
        in ended.stderr
    )
    assert json.loads((files / "mine.json").read_text("utf-8")) == 42


def test_changed_code_is_told(files: Path) -> None:
    runner(files, "execute")
    text = STEPS.replace("return 1\n", "return 2\n")
    (files / "steps.py").write_text(text, encoding="utf-8")
    (files / "mended").touch()

    ended = runner(files, "resume")

    assert "the code of `steps.one` has changed since: `one` is not run again\n" in ended.stderr
    assert third(files) == 42


def test_another_mode_and_settings(files: Path) -> None:
    runner(files, "execute")
    (files / "mended").touch()

    ended = runner(
        files, "resume", "--mode", "standalone", "-j", "1", "--set", "TASK.two.retries=1"
    )

    assert ended.returncode == 0
    assert "standalone, 1 worker\n" in ended.stderr


def test_a_config_with_secrets_is_read_again(files: Path) -> None:
    secret = '[RUNNER]\npassword = "hunter2"\n'
    (files / "runner.toml").write_text(secret + CONFIG, encoding="utf-8")
    runner(files, "execute")
    (files / "mended").touch()

    ended = runner(files, "resume")

    assert ended.returncode == 0
    assert "the config holds secrets and was not kept: its files are taken" in ended.stderr
    kept = b"".join(file.read_bytes() for file in (files / ".runner").rglob("*") if file.is_file())
    assert b"hunter2" not in kept


def test_where_nothing_has_run(files: Path) -> None:
    ended = runner(files, "resume")

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert not (files / ".runner").exists()
