from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from runner.config.builder import ConfigBuilder
from runner.config.loader import load_config
from runner.config.model import Config
from runner.errors import UsageError
from runner.plan.compiler import compile_plan
from runner.plan.document import plans_document, read_plans
from runner.plan.model import Selection

TEXT: Final = """\
[DATA_NODE.raw]
default_data = "ENV[DEPTH:-3]:int"

[DATA_NODE.raw.properties]
api_token = "ENV[API_TOKEN:-none]"
owner = "us"

[DATA_NODE.page]
storage_type = "json"

[TASK.train]
function = "builtins.abs"
inputs = ["raw"]
outputs = ["page"]
retries = 1
timeout = "2s"

[TASK.beside]
function = "builtins.abs"
inputs = ["raw"]

[SCENARIO.main]
tasks = ["train"]

[SCENARIO.other]
tasks = ["beside"]
"""
REORDERED: Final = """\
# The same, in another order and with other words around.
[SCENARIO.other]
tasks = ["beside:SECTION"]
[SCENARIO.main]
tasks = ['train']
[TASK.beside]
function = "builtins.abs:function"
inputs = ["raw"]
[TASK.train]
timeout = "2s:timedelta"
retries = "1:int"
outputs = ["page"]
inputs = ["raw"]
function = "builtins.abs"
[DATA_NODE]
page = {storage_type = "json"}
[DATA_NODE.raw.properties]
owner = "us"
api_token = "ENV[API_TOKEN:-none]"
[DATA_NODE.raw]
default_data = "ENV[DEPTH:-3]:int"
"""

Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str = TEXT, *overrides: str, **environ: str) -> Config:
        path = tmp_path / "pipeline.toml"
        path.write_text(text, encoding="utf-8")
        return load_config([path], overrides, environ=environ)

    return load_text


def digest(config: Config, scenario: str = "main", **options: Any) -> str:
    return compile_plan(config, scenario, **options).digest


def test_a_document(load: Load) -> None:
    config = load()

    document = compile_plan(config, "main", name="mine").document

    assert len(document.pop("digest")) == 16
    assert document == {
        "scenario": "main",
        "name": "mine",
        "mode": "development",
        "workers": 2,
        "storage_folder": ".runner",
        "frequency": None,
        "selection": {
            "tasks": [],
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
                "inputs": ["raw"],
                "outputs": ["page"],
                "function": "builtins.abs",
                "settings": {"retries": 1, "timeout": "2s"},
            }
        ],
        "data_nodes": {
            "raw": {
                "default_data": "ENV[DEPTH:-3]:int",
                "properties": {"api_token": "ENV[API_TOKEN:-***]", "owner": "us"},
            },
            "page": {"storage_type": "json"},
        },
        "not_selected": [],
    }


def test_the_digest_is_the_same_in_any_process(load: Load, tmp_path: Path) -> None:
    expected = digest(load())
    program = (
        "import sys, runner\n"
        "from runner.plan.compiler import compile_plan\n"
        "config = runner.Config.load(sys.argv[1])\n"
        "print(compile_plan(config, 'main').digest)\n"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "pipeline.toml")],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()

    assert printed == expected


def test_order_comments_and_notation_do_not_count(load: Load) -> None:
    assert digest(load(REORDERED)) == digest(load(TEXT))


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        pytest.param(TEXT, {"API_TOKEN": "another"}, id="a-secret"),
        pytest.param(TEXT, {"DEPTH": "3"}, id="the-same-value-from-elsewhere"),
        pytest.param(TEXT.replace("ENV[DEPTH:-3]:int", "3:int"), {}, id="the-same-value"),
        pytest.param(TEXT.replace("[SCENARIO.other]", "[SCENARIO.else]"), {}, id="others"),
        pytest.param(TEXT.replace('t = ["raw"]\n\n', 't = ["page"]\n'), {}, id="others-tasks"),
    ],
)
def test_what_does_not_change_the_digest(load: Load, text: str, environ: dict[str, str]) -> None:
    assert digest(load(text, **environ)) == digest(load())


@pytest.mark.parametrize(
    "override",
    [
        'JOB.mode="standalone"',
        "JOB.max_nb_of_workers=3",
        'CORE.storage_folder="elsewhere"',
        "DATA_NODE.raw.default_data=4",
        'DATA_NODE.raw.scope="GLOBAL"',
        'DATA_NODE.raw.properties.owner="them"',
        'DATA_NODE.page.path="out.json"',
        'DATA_NODE.page.storage_type="pickle"',
        'TASK.train.function="builtins.round"',
        'TASK.train.inputs=["raw","raw"]',
        "TASK.train.outputs=[]",
        "TASK.train.retries=2",
        'TASK.train.timeout="3s"',
        'SCENARIO.main.tasks=["train","beside"]',
        'SCENARIO.main.frequency="DAILY"',
    ],
)
def test_whatever_a_plan_rests_on_changes_the_digest(load: Load, override: str) -> None:
    assert digest(load(TEXT, override)) != digest(load())


def test_a_data_node_that_no_task_uses_changes_the_digest(load: Load) -> None:
    override = 'SCENARIO.other.additional_data_nodes=["page"]'

    assert digest(load(TEXT, override), "other") != digest(load(), "other")


def test_a_value_from_the_environment_changes_the_digest(load: Load) -> None:
    assert digest(load(DEPTH="4")) != digest(load())


def test_name_scenario_and_selection_change_the_digest(load: Load) -> None:
    config = load()
    selection = Selection(tasks=("train",))

    digests = {
        digest(config),
        digest(config, "other"),
        digest(config, name="mine"),
        digest(config, selection=selection),
    }

    assert len(digests) == 4


def test_an_object_of_the_builder_has_no_document() -> None:
    builder = ConfigBuilder()
    node = builder.configure_data_node("raw", default_data=object())
    builder.configure_task("t", "builtins.abs", node)
    config = builder.build()

    with pytest.raises(
        UsageError,
        match=r"^`DATA_NODE\.raw\.default_data` holds a object, which TOML cannot write$",
    ):
        _ = compile_plan(config, "default").document


def test_a_saved_document_is_read_back(load: Load, tmp_path: Path) -> None:
    config = load()
    selection = Selection(
        tasks=("train",), from_=("train",), to=("train",), tags=(), exclude=(), sequence=None
    )
    plans = [compile_plan(config, "main", name="mine", selection=selection)]
    documents = [plan.document for plan in plans]
    file = str(tmp_path / "pipeline.toml")

    text = json.dumps(plans_document(documents, [file], ["JOB.mode=development"]))
    saved = read_plans(text, "plan.json")

    assert saved.files == (file,)
    assert saved.overrides == ("JOB.mode=development",)
    (plan,) = saved.plans
    assert (plan.scenario, plan.name, plan.mode) == ("main", "mine", "development")
    assert plan.selection == selection
    assert plan.digest == documents[0]["digest"]


def test_files_are_absolute_and_secrets_left_out() -> None:
    overrides = ["DATA_NODE.a.db_password=x", 'JOB.broker_url="amqp://u:p@h"', "JOB.mode=cluster"]

    document = plans_document([], ["a.toml"], overrides)

    assert document["config"] == {
        "files": [str(Path("a.toml").absolute())],
        "set": ["JOB.mode=cluster"],
    }


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="list"),
        pytest.param("{}", id="nothing-in-it"),
        pytest.param('{"format": "other"}', id="another-format"),
        pytest.param('{"format": "runner.plan", "version": 1}', id="half"),
        pytest.param(
            '{"format": "runner.plan", "version": 1, "config": {"files": "a", "set": []},'
            ' "plans": []}',
            id="files-no-list",
        ),
        pytest.param(
            '{"format": "runner.plan", "version": 1, "config": {"files": [], "set": [1]},'
            ' "plans": []}',
            id="override-no-text",
        ),
        pytest.param(
            '{"format": "runner.plan", "version": 1, "config": {"files": [], "set": []},'
            ' "plans": [{}]}',
            id="empty-plan",
        ),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_is_no_saved_plan(text: str) -> None:
    with pytest.raises(UsageError, match=r"^`plan\.json` is no saved plan$"):
        read_plans(text, "plan.json")


def test_a_plan_of_another_version() -> None:
    with pytest.raises(
        UsageError, match=r"^`plan\.json` is a plan of version 2, this runner reads 1$"
    ):
        read_plans('{"format": "runner.plan", "version": 2}', "plan.json")
