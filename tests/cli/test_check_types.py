from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.app import run
from runner.cli.type_checking import type_check
from runner.config.loader import load
from runner.errors import ExitCode, SetupError
from runner.functions.modules import modules_of

CONFIG = """\
[DATA_NODE.seed]
default_data = 1

[DATA_NODE.numbers]

[DATA_NODE.row]
default_data = {a = "x"}

[DATA_NODE.prices]
storage_type = "json"
default_data = [1, 2.5]

[DATA_NODE.first]

[DATA_NODE.second]

[TASK.make]
function = "algos.make"
inputs = ["seed"]
outputs = ["numbers"]

[TASK.use]
function = "algos.use"
inputs = ["numbers", "prices"]

[TASK.store]
function = "algos.store"
inputs = ["row"]

[TASK.split]
function = "algos.split"
inputs = ["prices"]
outputs = ["first", "second"]
"""
ALGOS = """\
from typing import TypedDict, TypeVar

from other import helper

T = TypeVar("T")


class Row(TypedDict):
    a: int


async def make(seed: int) -> list[int]:
    return [seed + "not ours to judge"]


def use(words: list[str], prices: list[float]) -> None:
    helper(words)


def store(row: Row) -> None: ...


def split(prices: list[T]) -> tuple[list[T], T]:
    return prices, prices[0]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runner.toml").write_text(CONFIG)
    (tmp_path / "algos.py").write_text(ALGOS)
    (tmp_path / "other.py").write_text("def helper(words: list[int]) -> None: ...\n")
    return tmp_path


def test_what_is_only_perhaps_wrong_needs_types(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "--format", "concise"]) == ExitCode.DONE
    assert capsys.readouterr().out == ""


def test_mypy_judges_every_edge(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(project.rglob("*"))
    assert run(["check", "--types", "--format", "concise"]) == ExitCode.FAILED
    assert capsys.readouterr().out.splitlines() == [
        (
            "runner.toml:24:11: error[RUN305]: `use` takes `numbers` as list[str], "
            "`make` gives list[int]"
        ),
        (
            "runner.toml:28:11: error[RUN305]: `store` cannot take `row`: incompatible types "
            '(expression has type "str", TypedDict item "a" has type "int")'
        ),
    ]
    assert sorted(path for path in project.rglob("*") if ".runner" not in path.parts) == before


def test_a_mismatch_is_shown_with_both_ends(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "runner.toml").write_text(CONFIG.replace('{a = "x"}', "{a = 1}"))
    assert run(["check", "--types"]) == ExitCode.FAILED
    assert (
        capsys.readouterr().out.rpartition("\nChecked")[0]
        == """\
error[RUN305]: `use` takes `numbers` as list[str], `make` gives list[int]
  --> runner.toml:24:11
   |
24 | inputs = ["numbers", "prices"]
   |           ^^^^^^^^^ goes to `words` of `algos.use`
   |
  ::: algos.py:16:1
   |
16 | def use(words: list[str], prices: list[float]) -> None:
   |
   = note: `make` writes it here (runner.toml:20:12)
"""
    )


def test_what_is_certain_is_told_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "algos.py").write_text(ALGOS.replace("words: list[str]", "words: str"))
    assert run(["check", "--types", "--format", "concise", "--select", "RUN305"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "runner.toml:24:11: error[RUN305]: `use` takes `numbers` as str, `make` gives list[int]"
    )


def test_mypy_missing_is_told_with_the_command_that_installs_it(project: Path) -> None:
    script = (
        "import sys; sys.modules['mypy'] = None; from runner.cli.app import run;"
        "sys.exit(run(['check', '--types']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        ExitCode.ENVIRONMENT,
        (
            "error[RUN402]: `--types` needs mypy, which is not installed\n"
            "  = help: install it: pip install 'toml-runner[types]'\n"
        ),
    )


def test_no_answer_in_time(project: Path) -> None:
    config = load([project / "runner.toml"], environ=os.environ).config
    with pytest.raises(SetupError, match=r"^mypy has not judged the pipeline within 0.01 seconds$"):
        type_check(config, modules_of(config), time_limit=0.01)


def test_no_answer_at_all(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "other.py").write_text("def helper(:\n")
    assert run(["check", "--types"]) == ExitCode.ENVIRONMENT
    head = capsys.readouterr().err.splitlines()[0]
    reason = f"{project / 'other.py'}:1: "
    assert head.startswith(f"error: mypy cannot judge the pipeline: {reason}")


def test_no_answer_where_the_reason_is_told_already(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "algos.py").write_text("def make(:\n")
    assert run(["check", "--types", "--format", "concise"]) == ExitCode.FAILED
    codes = {line.split("[")[1][:6] for line in capsys.readouterr().out.splitlines()}
    assert codes == {"RUN301"}
