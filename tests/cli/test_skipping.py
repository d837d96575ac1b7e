"""What is run again, and the reason, as a user changes one thing after the other."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = """\
[TASK.default]
skippable = true
[DATA_NODE.raw]
default_data = [1, 0, 2]
[DATA_NODE.rows]
[DATA_NODE.features]
storage_type = "json"
[DATA_NODE.report]
storage_type = "json"
default_path = "out/report.json"
[TASK.clean]
function = "algos.f.clean"
inputs = ["raw"]
outputs = ["rows"]
[TASK.build]
function = "algos.f.build"
inputs = ["rows"]
outputs = ["features"]
[TASK.total]
function = "algos.f.total"
inputs = ["features"]
outputs = ["report"]
"""
FUNCTIONS = """\
from algos.helpers import factor


def clean(raw):
    return [each for each in raw if each]


def build(rows):
    return [each * factor() for each in rows]


def total(features):
    return sum(features)
"""
HELPERS = """\
RATE = 2


def factor():
    return RATE
"""


@pytest.fixture
def files(write: Any) -> Path:
    folder: Path = write(
        {
            "runner.toml": CONFIG,
            "algos/__init__.py": "",
            "algos/f.py": FUNCTIONS,
            "algos/helpers.py": HELPERS,
        }
    )
    for file in folder.glob("algos/*.py"):  # as if they were there before this process
        os.utime(file, (1e9, 1e9))
    return folder


def executed(cli: Any, *options: str) -> dict[str, str]:
    """How each job ended."""
    ended = cli("execute", "-q", "--format", "json", *options)
    assert ended.code == 0, ended.err
    return {job["task"]: job["status"] for job in json.loads(ended.out)["jobs"]}


def planned(cli: Any, *options: str) -> dict[str, str]:
    """The reason of each job; empty where it is up to date."""
    ended = cli("plan", "--format", "json", *options)
    (plan,) = json.loads(ended.out)["plans"]
    return {each["task"]: "" if each["skip"] else each["reason"] for each in plan["verdicts"]}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


ALL_SKIPPED = {"clean": "SKIPPED", "build": "SKIPPED", "total": "SKIPPED"}
UP_TO_DATE = {"clean": "", "build": "", "total": ""}
STANDALONE = ("--mode", "standalone")
"""Its workers import what the files say now; this very process has imported them before."""
MODE = pytest.mark.parametrize("mode", ["development", "standalone"])


@MODE
def test_what_has_not_changed_is_skipped(cli: Any, files: Path, mode: str) -> None:
    assert planned(cli) == dict.fromkeys(UP_TO_DATE, "never run")
    assert executed(cli, "--mode", mode) == dict.fromkeys(UP_TO_DATE, "COMPLETED")

    assert planned(cli) == UP_TO_DATE
    assert executed(cli, "--mode", mode) == ALL_SKIPPED


Change = Callable[[Path], None]


def no_report(folder: Path) -> None:
    (folder / "out" / "report.json").unlink()


@pytest.mark.parametrize(
    ("change", "reasons", "ran"),
    [
        pytest.param(
            lambda folder: edit(folder / "algos/f.py", "sum(features)", "sum(features) + 1"),
            {"total": "code changed algos/f.py:12 total"},
            {"total"},
            id="the-function",
        ),
        pytest.param(
            lambda folder: edit(folder / "algos/helpers.py", "RATE = 2", "RATE = 3"),
            {
                "build": "code changed algos/helpers.py:1 RATE (used by factor)",
                "total": "input changed: features",
            },
            {"build", "total"},
            id="a-constant-of-a-helper",
        ),
        pytest.param(
            lambda folder: edit(folder / "algos/helpers.py", "RATE = 2", "# why\nRATE = 2"),
            {},
            set(),
            id="a-comment",
        ),
        pytest.param(
            lambda folder: edit(folder / "runner.toml", "[1, 0, 2]", "[1, 0, 0, 2]"),
            {"clean": "input changed: raw", "build": "input changed: rows"}
            | {"total": "input changed: features"},
            {"clean"},
            id="an-input-cut-off-early",
        ),
        pytest.param(
            no_report, {"total": "output missing: report"}, {"total"}, id="a-missing-output"
        ),
        pytest.param(
            lambda folder: (folder / "out" / "report.json").write_text("7", encoding="utf-8"),
            {"total": "output changed: report"},
            {"total"},
            id="an-output-that-somebody-changed",
        ),
        pytest.param(
            lambda folder: (folder / "out" / "report.json").touch(),
            {},
            set(),
            id="an-output-that-was-touched",
        ),
        pytest.param(
            lambda folder: edit(folder / "runner.toml", "out/report", "out/other"),
            {
                "total": 'DATA_NODE.report.default_path changed: "out/report.json" -> '
                '"out/other.json"'
            },
            {"total"},
            id="a-setting",
        ),
        pytest.param(
            lambda folder: edit(folder / "runner.toml", "[TASK.clean]", "[TASK.clean]\nretries=1"),
            {},
            set(),
            id="a-setting-that-changes-no-result",
        ),
    ],
)
def test_what_is_run_again(
    cli: Any, files: Path, change: Change, reasons: dict[str, str], ran: set[str]
) -> None:
    executed(cli, *STANDALONE)
    change(files)

    assert {task: why for task, why in planned(cli).items() if why} == reasons
    statuses = executed(cli, *STANDALONE)
    assert {task for task, status in statuses.items() if status == "COMPLETED"} == ran
    assert executed(cli, *STANDALONE) == ALL_SKIPPED


def test_what_failed_is_run_again(cli: Any, files: Path) -> None:
    executed(cli, *STANDALONE)
    edit(files / "algos/f.py", "return sum(features)", "raise ValueError")
    assert cli("execute", "-q", *STANDALONE).code == 1

    assert planned(cli) == {**UP_TO_DATE, "total": "failed last time"}


def test_validity(cli: Any, files: Path) -> None:
    edit(files / "runner.toml", "[DATA_NODE.report]", '[DATA_NODE.report]\nvalidity_period = "1h"')
    executed(cli)
    assert planned(cli) == UP_TO_DATE

    options = ["--set", "DATA_NODE.report.validity_period=0.000001s"]
    assert planned(cli, *options)["total"].startswith("validity period over since ")
    assert executed(cli, *options) == {**ALL_SKIPPED, "total": "COMPLETED"}


@pytest.mark.parametrize(
    ("options", "ran"),
    [
        pytest.param(["--force"], {"clean", "build", "total"}, id="all"),
        pytest.param(["--force", "build"], {"build"}, id="one"),
        pytest.param(["--force", "build", "--force", "total"], {"build", "total"}, id="two"),
    ],
)
def test_force(cli: Any, files: Path, options: list[str], ran: set[str]) -> None:
    executed(cli)

    assert {task for task, why in planned(cli, *options).items() if why == "forced"} == ran
    statuses = executed(cli, *options)
    assert {task for task, status in statuses.items() if status == "COMPLETED"} == ran


def test_forcing_what_is_no_task(cli: Any, files: Path) -> None:
    ended = cli("execute", "--force", "bild")

    assert ended.code == 2
    assert ended.err == (
        "error: --force `bild` is no task of the plan\n  = help: did you mean `build`?\n"
    )


def test_the_exit_code_tells_whether_there_is_work(cli: Any, files: Path) -> None:
    assert cli("plan", "--detailed-exitcode").code == 6
    executed(cli)
    assert cli("plan", "--detailed-exitcode").code == 0
    assert cli("plan", "--detailed-exitcode", "--force", "total").code == 6


def test_a_plan_for_people(cli: Any, files: Path) -> None:
    executed(cli)
    edit(files / "algos/helpers.py", "RATE = 2", "RATE = 3")
    edit(files / "runner.toml", "out/report", "out/other")

    told = cli("plan").out

    head, _, last = told.rpartition("\n\n")
    assert head == (
        """\
Plan for default: development

  =  clean  up to date    written by run <id>
  ~  build  code changed  algos/helpers.py:1 RATE (used by factor)
  ~  total  config        DATA_NODE.report.default_path changed at runner.toml:10: \
"out/report.json" -> "out/other.json\""""
    )
    assert last.startswith("2 to run, 1 up to date. About ")
    assert last.endswith(" (from 1 run)\n")


def test_a_plan_makes_nothing(cli: Any, files: Path) -> None:
    before = sorted(files.rglob("*"))

    cli("plan")

    assert sorted(files.rglob("*")) == before


def test_a_changed_input_of_the_users(cli: Any, files: Path) -> None:
    text = CONFIG.replace("default_data = [1, 0, 2]", 'storage_type = "json"\npath = "raw.json"')
    (files / "runner.toml").write_text(text, encoding="utf-8")
    (files / "raw.json").write_text("[1]", encoding="utf-8")
    executed(cli)
    assert executed(cli) == ALL_SKIPPED

    (files / "raw.json").write_text("[2]", encoding="utf-8")

    assert planned(cli)["clean"] == "input changed: raw"
    assert executed(cli) == dict.fromkeys(UP_TO_DATE, "COMPLETED")


def test_what_is_in_memory_is_never_up_to_date(cli: Any, files: Path) -> None:
    edit(files / "runner.toml", "[DATA_NODE.rows]", '[DATA_NODE.rows]\nstorage_type = "in_memory"')

    executed(cli)
    statuses = executed(cli)

    assert statuses == {"clean": "COMPLETED", "build": "COMPLETED", "total": "SKIPPED"}
    told = cli("plan").err
    assert told.startswith(
        "warning[RUN704]: `clean` is run <id> time: nobody can tell whether in_memory data node "
        "`rows` has changed\n  --> runner.toml:15:12\n"
    )
    assert told.count("warning[RUN704]") == 2
    assert cli("execute").err.startswith(told)


def test_each_scenario_has_a_past_of_its_own(cli: Any, files: Path) -> None:
    executed(cli, "--name", "june")

    assert executed(cli, "--name", "july") == dict.fromkeys(UP_TO_DATE, "COMPLETED")
    assert executed(cli, "--name", "june") == ALL_SKIPPED


def test_what_this_process_may_have_imported_otherwise_leaves_no_trace(
    cli: Any, files: Path
) -> None:
    executed(cli)
    edit(files / "algos/helpers.py", "RATE = 2", "RATE = 3")

    executed(cli)  # with the old code, which this process has

    assert executed(cli, *STANDALONE)["build"] == "COMPLETED"
