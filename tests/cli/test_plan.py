from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TASKS = """\
[DATA_NODE.raw]
default_data = 20
[DATA_NODE.features]
[DATA_NODE.model]
[DATA_NODE.report]

[TASK.build]
function = "algos.build"
inputs = ["raw"]
outputs = ["features"]
tags = ["fast"]

[TASK.train]
function = "algos.train"
inputs = ["features", "raw"]
outputs = ["model"]
retries = 2

[TASK.publish]
function = "algos.publish"
inputs = ["model"]
outputs = ["report"]
tags = ["fast", "last"]
"""
SCENARIOS = """\
[SCENARIO.monthly]
tasks = ["build", "train", "publish"]
[SCENARIO.monthly.sequences]
learn = ["build", "train"]

[SCENARIO.short]
tasks = ["build"]
"""
ALGOS = """\
def build(raw):
    return raw + 1

def train(features, raw):
    return features * raw

def publish(model):
    return {"model": model}
"""


@pytest.fixture
def files(write: Any) -> Path:
    folder: Path = write({"runner.toml": TASKS + SCENARIOS, "tasks.toml": TASKS, "algos.py": ALGOS})
    return folder


def test_human(cli: Any, files: Path) -> None:
    ended = cli("plan", "-s", "monthly", "--task", "*i*")
    assert ended.out == (
        """\
Plan for monthly: development

  +  build    algos.build    raw -> features
  +  train    algos.train    features, raw -> model
  +  publish  algos.publish  model -> report

3 to run
"""
    )
    assert (ended.code, ended.err) == (0, "")


def test_human_tells_what_is_left_out(cli: Any, files: Path) -> None:
    ended = cli("plan", "-s", "monthly", "--name", "june", "--to", "train", "--mode", "standalone")
    assert ended.out == (
        """\
Plan for june of monthly: standalone, 2 workers

  +  build    algos.build  raw -> features
  +  train    algos.train  features, raw -> model
  -  publish  not selected

2 to run, 1 not selected
"""
    )


@pytest.mark.parametrize(
    ("workers", "where"),
    [
        pytest.param("1", "standalone, 1 worker", id="one"),
        pytest.param("auto", "standalone, a worker a core", id="auto"),
    ],
)
def test_human_tells_where(cli: Any, files: Path, workers: str, where: str) -> None:
    override = f"JOB.max_nb_of_workers={workers}"
    ended = cli("plan", "-s", "short", "--mode", "standalone", "--set", override)
    assert ended.out.startswith(f"Plan for short: {where}\n")


def test_all_scenarios(cli: Any, files: Path) -> None:
    ended = cli("plan", "--all")
    assert ended.out == (
        """\
Plan for monthly: development

  +  build    algos.build    raw -> features
  +  train    algos.train    features, raw -> model
  +  publish  algos.publish  model -> report

3 to run

Plan for short: development

  +  build  algos.build  raw -> features

1 to run
"""
    )


def test_tasks_without_a_scenario_make_one(cli: Any, files: Path) -> None:
    ended = cli("plan", "tasks.toml")
    assert ended.out.startswith("Plan for default: development\n\n  +  build ")
    assert ended.code == 0


def test_a_scenario_without_tasks(cli: Any, write: Any) -> None:
    write({"runner.toml": "[SCENARIO.empty]\n"})
    planned = cli("plan", "-q")
    assert (planned.code, planned.out) == (0, "Plan for empty: development\n\n\n0 to run\n")
    executed = cli("execute", "-q")
    assert (executed.code, executed.out) == (0, "Run <id> completed: nothing to do in <time>\n")


def test_json(cli: Any, files: Path) -> None:
    ended = cli("plan", "-s", "monthly", "--task", "train", "--format", "json")
    document = json.loads(ended.out)
    (plan,) = document["plans"]
    assert len(plan.pop("digest")) == 16
    assert document == {
        "format": "runner.plan",
        "version": 1,
        "config": {"files": ["<folder>/runner.toml"], "set": []},
        "plans": [
            {
                "scenario": "monthly",
                "name": "monthly",
                "mode": "development",
                "workers": 2,
                "storage_folder": ".runner",
                "frequency": None,
                "selection": {
                    "tasks": ["train"],
                    "from": [],
                    "to": [],
                    "tags": [],
                    "exclude": [],
                    "sequence": None,
                },
                "jobs": [
                    {
                        "task": "train",
                        "needs": [],
                        "inputs": ["features", "raw"],
                        "outputs": ["model"],
                        "function": "algos.train",
                        "settings": {"retries": 2},
                    }
                ],
                "data_nodes": {
                    "raw": {"default_data": 20},
                    "features": {},
                    "model": {},
                    "report": {},
                },
                "not_selected": ["build", "publish"],
                "verdicts": [{"task": "train", "skip": False, "reason": "not skippable"}],
            }
        ],
    }
    assert (ended.code, ended.err) == (0, "")


def test_jobs_name_what_they_need(cli: Any, files: Path) -> None:
    (plan,) = json.loads(cli("plan", "-s", "monthly", "--format", "json").out)["plans"]
    assert {job["task"]: job["needs"] for job in plan["jobs"]} == {
        "build": [],
        "train": ["build"],
        "publish": ["train"],
    }


@pytest.mark.parametrize(
    ("options", "tasks"),
    [
        pytest.param([], ["build", "train", "publish"], id="all"),
        pytest.param(["--task", "train"], ["train"], id="task"),
        pytest.param(["--task", "train", "--task", "b*"], ["build", "train"], id="tasks"),
        pytest.param(["--task", "[bt]*"], ["build", "train"], id="glob"),
        pytest.param(["--from", "train"], ["train", "publish"], id="from"),
        pytest.param(["--to", "train"], ["build", "train"], id="to"),
        pytest.param(["--from", "train", "--to", "train"], ["train"], id="from-to"),
        pytest.param(["--tag", "fast"], ["build", "publish"], id="tag"),
        pytest.param(["--tag", "last", "--tag", "fast"], ["build", "publish"], id="tags"),
        pytest.param(["--exclude", "t*"], ["build", "publish"], id="exclude"),
        pytest.param(["--sequence", "learn"], ["build", "train"], id="sequence"),
        pytest.param(["--sequence", "learn", "--tag", "fast"], ["build"], id="all-must-fit"),
    ],
)
def test_selection(cli: Any, files: Path, options: list[str], tasks: list[str]) -> None:
    (plan,) = json.loads(cli("plan", "-s", "monthly", "--format", "json", *options).out)["plans"]
    assert [job["task"] for job in plan["jobs"]] == tasks


@pytest.mark.parametrize("command", ["plan", "execute"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param(
            ["-s", "monthly", "--task", "trian"],
            "error[RUN211]: --task `trian` matches no task of the scenario\n"
            "  = help: did you mean `train`?\n",
            id="task",
        ),
        pytest.param(
            ["-s", "monthly", "--task", "x*"],
            "error[RUN211]: --task `x*` matches no task of the scenario\n",
            id="glob",
        ),
        pytest.param(
            ["-s", "short", "--task", "train"],
            "error[RUN211]: --task `train` matches no task of the scenario\n",
            id="task-of-another-scenario",
        ),
        pytest.param(
            ["-s", "monthly", "--from", "biuld"],
            "error[RUN211]: --from `biuld` matches no task of the scenario\n"
            "  = help: did you mean `build`?\n",
            id="from",
        ),
        pytest.param(
            ["-s", "monthly", "--to", "biuld"],
            "error[RUN211]: --to `biuld` matches no task of the scenario\n"
            "  = help: did you mean `build`?\n",
            id="to",
        ),
        pytest.param(
            ["-s", "monthly", "--tag", "fats"],
            "error[RUN211]: --tag `fats` is a tag of no task of the scenario\n"
            "  = help: did you mean `fast`?\n",
            id="tag",
        ),
        pytest.param(
            ["-s", "monthly", "--exclude", "biuld"],
            "error[RUN211]: --exclude `biuld` matches no task of the scenario\n"
            "  = help: did you mean `build`?\n",
            id="exclude",
        ),
        pytest.param(
            ["-s", "monthly", "--sequence", "laern"],
            "error[RUN211]: scenario `monthly` has no sequence `laern`\n"
            "  = help: did you mean `learn`?\n",
            id="sequence",
        ),
        pytest.param(
            ["-s", "monthly", "--task", "train", "--tag", "fast"],
            "error[RUN211]: nothing is selected\n  = help: no task fits all options\n",
            id="nothing-left",
        ),
        pytest.param(
            ["-s", "montly"],
            "error: unknown scenario `montly`\n  = help: did you mean `monthly`?\n",
            id="scenario",
        ),
        pytest.param(
            ["-s", "something"],
            "error: unknown scenario `something`\n  = help: there are monthly, short\n",
            id="no-scenario",
        ),
        pytest.param(
            [],
            "error: the config has 2 scenarios\n"
            "  = help: name some with -s, or all with --all: monthly, short\n",
            id="several-scenarios",
        ),
        pytest.param(
            ["--all", "--name", "june"],
            "error: --name fits one scenario\n  = help: these are monthly, short\n",
            id="one-name-for-several",
        ),
        pytest.param(
            ["-s", "short", "--name", "../june"],
            'error: "../june" cannot be the name of a scenario\n'
            "  = help: letters, digits, `_`, `-` and `.`, at most 128\n",
            id="name",
        ),
    ],
)
def test_what_there_is_not(
    cli: Any, files: Path, command: str, options: list[str], error: str
) -> None:
    before = sorted(files.iterdir())
    ended = cli(command, *options)
    assert (ended.code, ended.out, ended.err) == (2, "", error)
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("command", ["plan", "execute"])
def test_nothing_to_plan(cli: Any, write: Any, command: str) -> None:
    write({"runner.toml": "[DATA_NODE.raw]\n"})
    ended = cli(command)
    assert (ended.code, ended.err) == (
        2,
        "error: there is nothing to run: the config has no tasks\n",
    )


def test_a_wrong_config_is_refused(cli: Any, files: Path) -> None:
    ended = cli("plan", "-s", "monthly", "--set", "TASK.build.inputs=['rwa']")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error[RUN201]: unknown data node `rwa`\n")
    assert ended.err.endswith("\nerror: the config is invalid, nothing ran\n")


def test_no_data_is_touched(cli: Any, files: Path) -> None:
    before = sorted(files.iterdir())
    assert cli("plan", "--all").code == 0
    assert sorted(files.iterdir()) == before


def test_a_saved_plan_runs(cli: Any, files: Path) -> None:
    shown = cli("plan", "-s", "monthly", "--to", "train", "--out", "plan.json", "--format", "json")
    saved = (files / "plan.json").read_text(encoding="utf-8")
    assert saved.replace(str(files), "<folder>") == shown.out
    ended = cli("execute", "--plan", "plan.json")
    assert (ended.code, ended.out) == (0, "Run <id> completed: 2 completed in <time>\n")


def test_a_saved_plan_remembers_files_name_and_overrides(
    cli: Any, files: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"more.toml": "[DATA_NODE.report]\nstorage_type = 'json'\npath = 'more.json'\n"})
    override = "DATA_NODE.raw.default_data=1"
    options = ["-s", "monthly", "--name", "june", "--set", override, "--out", "plan.json"]
    assert cli("plan", "runner.toml", "more.toml", *options).code == 0
    monkeypatch.chdir("/")
    ended = cli("execute", "--plan", str(files / "plan.json"))
    assert (ended.code, ended.out) == (0, "Run <id> completed: 3 completed in <time>\n")
    assert json.loads((files / "more.json").read_text()) == {"model": 2}


def test_several_saved_plans_run(cli: Any, files: Path) -> None:
    assert cli("plan", "--all", "--out", "plan.json").code == 0
    ended = cli("execute", "--plan", "plan.json", "--format", "json")
    runs = json.loads(ended.out)["runs"]
    assert [(run["scenario"], run["status"]) for run in runs] == [
        ("monthly", "COMPLETED"),
        ("short", "COMPLETED"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("retries = 2", "retries = 3", id="setting"),
        pytest.param("default_data = 20", "default_data = 21", id="default-data"),
        pytest.param('inputs = ["features", "raw"]', 'inputs = ["raw", "raw"]', id="edge"),
        pytest.param("algos.publish", "algos.build", id="function"),
    ],
)
def test_a_stale_plan_is_refused(cli: Any, files: Path, old: str, new: str) -> None:
    assert cli("plan", "-s", "monthly", "--out", "plan.json").code == 0
    text = TASKS + SCENARIOS
    assert text.count(old) == 1
    (files / "runner.toml").write_text(text.replace(old, new), encoding="utf-8")
    ended = cli("execute", "--plan", "plan.json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error[RUN702]: the plan for monthly is stale: the config has changed since\n"
        "  = help: look at it again: runner plan --out plan.json\n"
    )
    assert not (files / ".runner").exists()


def test_a_plan_is_not_stale_for_what_it_does_not_rest_on(cli: Any, files: Path) -> None:
    assert cli("plan", "-s", "short", "--out", "plan.json").code == 0
    text = (TASKS + SCENARIOS).replace("retries = 2", "retries = 3 # a comment")
    (files / "runner.toml").write_text(text, encoding="utf-8")
    assert cli("execute", "--plan", "plan.json").code == 0


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("[TASK.x]", id="toml"),
        pytest.param("[1", id="half"),
        pytest.param("{}", id="no-keys"),
        pytest.param("[]", id="list"),
        pytest.param("null", id="null"),
        pytest.param('{"format": "runner.check", "version": 1}', id="other-document"),
        pytest.param('{"format": "runner.plan", "version": 1}', id="no-plans"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_file_that_is_no_plan(cli: Any, files: Path, content: str) -> None:
    (files / "plan.json").write_text(content, encoding="utf-8")
    ended = cli("execute", "--plan", "plan.json")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: `plan.json` is no saved plan\n")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("mode", "devlopment", id="mode"),
        pytest.param("mode", 5, id="mode-type"),
        pytest.param("scenario", None, id="scenario"),
        pytest.param("name", ["a"], id="name"),
        pytest.param("selection", {}, id="selection"),
        pytest.param("digest", 5, id="digest"),
    ],
)
def test_a_damaged_plan(cli: Any, files: Path, key: str, value: object) -> None:
    cli("plan", "-s", "short", "--out", "plan.json")
    document = json.loads((files / "plan.json").read_text(encoding="utf-8"))
    document["plans"][0][key] = value
    (files / "plan.json").write_text(json.dumps(document), encoding="utf-8")
    ended = cli("execute", "--plan", "plan.json")
    assert (ended.code, ended.err) == (
        2,
        "error: `plan.json` is no saved plan\n  = help: runner plan --out FILE saves one\n",
    )


def test_a_plan_of_another_version(cli: Any, files: Path) -> None:
    cli("plan", "-s", "short", "--out", "plan.json")
    text = (files / "plan.json").read_text(encoding="utf-8")
    (files / "plan.json").write_text(text.replace('"version": 1', '"version": 2'))
    ended = cli("execute", "--plan", "plan.json")
    assert (ended.code, ended.err) == (
        2,
        "error: `plan.json` is a plan of version 2, this runner reads 1\n",
    )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param(
            ["-s", "short"], "--plan says already which scenario and which tasks", id="scenario"
        ),
        pytest.param(
            ["--task", "x"], "--plan says already which scenario and which tasks", id="task"
        ),
        pytest.param([], "`plan.json` cannot be read: no such file or directory", id="not-there"),
    ],
)
def test_plans_that_cannot_be_run(cli: Any, files: Path, options: list[str], error: str) -> None:
    ended = cli("execute", "--plan", "plan.json", *options)
    assert (ended.code, ended.err) == (2, f"error: {error}\n")


@pytest.mark.parametrize(
    ("out", "why"),
    [
        pytest.param(".", "is a directory", id="folder"),
        pytest.param("runner.toml/plan.json", "not a directory", id="below-a-file"),
        pytest.param("/dev/null", "not a regular file", id="device"),
    ],
)
def test_a_plan_that_cannot_be_saved(cli: Any, files: Path, out: str, why: str) -> None:
    ended = cli("plan", "-s", "short", "--out", out)
    assert (ended.code, ended.out) == (4, "")
    assert ended.err == f"error: `{out}` cannot be written: {why}\n"
