from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runner
from runner.execution.circumstances import command_line, commit_of, environment


def test_the_environment_names_versions() -> None:
    told = json.loads(environment())

    assert told["runner"] == runner.__version__
    assert set(told) == {"python", "runner", "platform"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python tells more of the system")
def test_the_platform_is_told_as_python_tells_it() -> None:
    assert json.loads(environment())["platform"] == platform.platform()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        pytest.param(["execute", "a b.toml"], "runner execute 'a b.toml'", id="quoted"),
        pytest.param(
            ["execute", "--set", "DATA_NODE.x.db_password=hunter2"],
            "runner execute --set 'DATA_NODE.x.db_password=***'",
            id="secret",
        ),
        pytest.param(
            ["--set", "JOB.broker_url=amqp://me:hunter2@host"],
            "runner --set 'JOB.broker_url=***'",
            id="broker",
        ),
    ],
)
def test_a_command_line_without_secrets(arguments: list[str], line: str) -> None:
    assert command_line(arguments) == line


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_of_a_repository(tmp_path: Path) -> None:
    def git(*arguments: str, folder: Path = tmp_path) -> str:
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    below = tmp_path / "below"
    below.mkdir()
    git("init", "-q")
    assert commit_of(below) is None  # there is none yet
    git("commit", "-q", "--allow-empty", "-m", "one")
    head = git("rev-parse", "HEAD")
    assert commit_of(tmp_path) == commit_of(below) == head

    git("worktree", "add", "-q", "tree")
    assert commit_of(tmp_path / "tree") == head

    git("pack-refs", "--all")
    assert commit_of(below) == head

    git("checkout", "-q", "--detach")
    assert commit_of(below) == head


def test_a_folder_in_no_repository() -> None:
    assert commit_of(Path("/")) is None
