from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.config.loader import load
from runner.config.model import Config
from runner.execution.cluster.sameness import Meaning, first_difference

TOML = """
[DATA_NODE.raw]
storage_type = "csv"
default_path = "raw.csv"

[DATA_NODE.table]
storage_type = "sql_table"
db_name = "shop"
db_engine = "postgresql"
db_password = "ENV[PASSWORD]"
table_name = "sales"

[DATA_NODE.unused]

[TASK.clean]
function = "jobs.clean"
inputs = ["raw"]
outputs = ["table"]

[TASK.other]
function = "jobs.other"
inputs = ["unused"]

[SCENARIO.main]
tasks = ["clean", "other"]
"""
CODE = """
from helpers import LIMIT

def clean(raw):
    return raw[:LIMIT]

def other(value):
    pass
"""

Change = Callable[[str], str]


def machine(folder: Path, toml: str = TOML, code: str = CODE, limit: int = 5) -> Config:
    folder.mkdir()
    (folder / "runner.toml").write_text(toml, encoding="utf-8")
    (folder / "jobs.py").write_text(code, encoding="utf-8")
    (folder / "helpers.py").write_text(f"LIMIT = {limit}\n", encoding="utf-8")
    loaded = load([folder / "runner.toml"], environ={"PASSWORD": folder.name})
    assert loaded.config is not None, loaded.diagnostics
    return loaded.config


def digests(config: Config) -> tuple[str, str]:
    return Meaning(config).of(config.tasks["clean"])


def test_two_machines_mean_the_same(tmp_path: Path) -> None:
    """Wherever the application is, and whatever the secrets are."""
    assert digests(machine(tmp_path / "a")) == digests(machine(tmp_path / "b"))


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        pytest.param(
            "jobs.clean", "jobs.other",
            "TASK.clean.function is jobs.clean here and jobs.other there", id="function",
        ),
        pytest.param(
            'inputs = ["raw"]', "inputs = []",
            "TASK.clean.inputs is raw here and  there", id="inputs",
        ),
        pytest.param(
            'inputs = ["raw"]', 'inputs = ["raw"]\ntimeout = "5s"',
            "TASK.clean.timeout is None here and 0:00:05 there", id="timeout",
        ),
        pytest.param(
            "raw.csv", "other.csv",
            'DATA_NODE.raw.default_path is "raw.csv" here and "other.csv" there', id="path",
        ),
        pytest.param(
            "[DATA_NODE.raw]", '[DATA_NODE.raw]\nscope = "GLOBAL:SCOPE"',
            "DATA_NODE.raw.scope is SCENARIO here and GLOBAL there", id="scope",
        ),
        pytest.param(
            'default_path = "raw.csv"', 'default_path = "raw.csv"\nhas_header = "False:bool"',
            "DATA_NODE.raw.has_header is true here and false there", id="option-of-a-storage",
        ),
        pytest.param(
            '"shop"', '"market"',
            'DATA_NODE.table.db_name is "shop" here and "market" there', id="database",
        ),
        pytest.param(
            "[DATA_NODE.unused]", '[CORE]\nstorage_folder = "else"\n[DATA_NODE.unused]',
            "CORE.storage_folder is .runner here and else there", id="storage-folder",
        ),
    ],
)  # fmt: skip
def test_another_setting(tmp_path: Path, old: str, new: str, difference: str) -> None:
    here, there = machine(tmp_path / "a"), machine(tmp_path / "b", TOML.replace(old, new))

    (settings, _), (others, _) = digests(here), digests(there)
    ours = Meaning(here).settings(here.tasks["clean"])
    theirs = Meaning(there).settings(there.tasks["clean"])

    assert settings != others
    assert first_difference(ours, theirs) == difference


@pytest.mark.parametrize(
    ("change", "limit", "is_same"),
    [
        pytest.param(lambda code: code.replace("raw[:", "raw[1:"), 5, False, id="function"),
        pytest.param(lambda code: code, 6, False, id="helper"),
        pytest.param(lambda code: code + "\n# more\n", 5, True, id="comment"),
        pytest.param(lambda code: code.replace("pass", "return"), 5, True, id="other-function"),
    ],
)
def test_other_code(tmp_path: Path, change: Change, limit: int, is_same: bool) -> None:
    here = digests(machine(tmp_path / "a"))
    there = digests(machine(tmp_path / "b", code=change(CODE), limit=limit))

    assert here[0] == there[0]
    assert (here[1] == there[1]) is is_same
    assert here[1]


def test_what_belongs_to_no_input_or_output_is_left_out(tmp_path: Path) -> None:
    toml = TOML.replace("[DATA_NODE.unused]", '[DATA_NODE.unused]\nstorage_type = "json"')

    assert digests(machine(tmp_path / "a")) == digests(machine(tmp_path / "b", toml))


def test_secrets_are_not_told(tmp_path: Path) -> None:
    config = machine(tmp_path / "canary")
    told = Meaning(config).settings(config.tasks["clean"])

    assert "canary" not in str(told)
    assert not [key for key in told if "password" in key]


def test_settings_that_do_not_differ() -> None:
    """One side has left out what the other may not see."""
    assert first_difference({"a": "1"}, {"a": "1"}) == "the settings differ"


def test_a_setting_that_is_not_there() -> None:
    assert first_difference({"a": "1"}, {}) == "a is 1 here and nothing there"
    assert first_difference({}, {"a": "1"}) == "a is nothing here and 1 there"
