"""Functions that are defined where no other process can import them from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="standalone mode needs Linux")

PATIENCE: Final = 60.0
SETUP: Final = """\
import runner
builder = runner.ConfigBuilder()
_ = builder.configure_job_executions(mode="standalone", start_method="{method}")
number = builder.configure_data_node("number", default_data=2)
result = builder.configure_data_node("result", storage_type="in_memory")
FACTOR = 10

class Point:
    def __init__(self, x):
        self.x = x


def scaled(number):
    return Point(number * FACTOR)

_ = builder.configure_scenario("s", [builder.configure_task("scaled", scaled, number, result)])
core = runner.Core(builder.build())
scenario = core.create_scenario("s")
def told(scenario):
    submission = scenario.submit(wait=True)
    value = scenario.data_nodes["result"].read()
    print("told", submission.status, type(value).__name__, value.x)

told(scenario)
FACTOR = 20
told(scenario)
def scaled(number):
    return Point(-number)

again = runner.ConfigBuilder()
_ = again.configure_job_executions(mode="standalone", start_method="{method}")
number = again.configure_data_node("number", default_data=2)
result = again.configure_data_node("result", storage_type="in_memory")
_ = again.configure_scenario("t", [again.configure_task("scaled", scaled, number, result)])
core.close()
core = runner.Core(again.build())
told(core.create_scenario("t"))
core.close()
"""
TOLD: Final = ["told COMPLETED Point 20", "told COMPLETED Point 40", "told COMPLETED Point -2"]


@pytest.fixture(params=["spawn", "forkserver"])
def setup(request: pytest.FixtureRequest) -> str:
    return SETUP.format(method=request.param)


def told(command: list[str], typed: str, folder: Path) -> list[str]:
    """The lines that say what came of a submission."""
    ended = subprocess.run(
        command, input=typed, cwd=folder, capture_output=True, text=True,
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stdout + ended.stderr
    return re.findall(r"told \S+ \S+ -?\d+$", ended.stdout, re.MULTILINE)


def test_in_ipython_functions_are_defined_and_defined_again(tmp_path: Path, setup: str) -> None:
    pytest.importorskip("IPython")
    command = [
        sys.executable,
        "-m",
        "IPython",
        "--simple-prompt",
        "--no-banner",
        "--colors=NoColor",
    ]

    options = ["--HistoryManager.enabled=False", "--no-confirm-exit"]
    assert told([*command, *options, f"--ipython-dir={tmp_path}"], setup, tmp_path) == TOLD


def test_at_the_prompt_of_python(tmp_path: Path, setup: str) -> None:
    assert told([sys.executable, "-i", "-q"], setup, tmp_path) == TOLD


def test_from_standard_input(tmp_path: Path, setup: str) -> None:
    assert told([sys.executable, "-"], setup, tmp_path) == TOLD


def test_of_a_command_line(tmp_path: Path, setup: str) -> None:
    assert told([sys.executable, "-c", setup], "", tmp_path) == TOLD
