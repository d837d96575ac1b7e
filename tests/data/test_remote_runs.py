"""Runs whose data nodes are on servers, or wherever the user's functions keep them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from pymongo import MongoClient

import runner

FUNCTIONS: Final = """\
import json
import os


def read(place):
    with open(place) as file:
        return json.load(file)


def write(value, place, indent):
    with open(place, "w") as file:
        json.dump(value, file, indent=indent)


def refuse(*arguments):
    raise PermissionError("not now")


def split(text):
    return [{"word": word} for word in text.split()]


def count(documents):
    return len(documents)


def double(counted):
    if os.path.exists("fails"):
        raise ValueError("as it was told")
    return 2 * counted


def both(text):
    return text.lower(), text.upper()
"""
CONFIG: Final = """\
[DATA_NODE.text]
storage_type = "s3_object"
{s3}default_data = "b a b"
[DATA_NODE.words]
storage_type = "mongo_collection"
{mongo}[DATA_NODE.counted]
storage_type = "generic"
read_fct = "steps.read"
write_fct = "steps.write"
read_fct_args = ["ENV[PLACE]"]
write_fct_args = ["ENV[PLACE]", "2:int"]
[DATA_NODE.doubled]
[TASK.split]
function = "steps.split"
inputs = ["text"]
outputs = ["words"]
[TASK.count]
function = "steps.count"
inputs = ["words"]
outputs = ["counted"]
[TASK.double]
function = "steps.double"
inputs = ["counted"]
outputs = ["doubled"]
"""
PLACE: Final = {"PLACE": "kept.json"}

MODE = pytest.mark.parametrize("mode", ["development", "standalone"])
Make = Callable[[str, str], Any]
Toml = Callable[[Any], str]


def jobs(project: Any, *options: str) -> dict[str, str]:
    """How each job of a run ends."""
    ended = project.run("execute", "-q", "--format", "json", *options, **PLACE)
    return {job["task"]: job["status"] for job in json.loads(ended.stdout)["jobs"]}


@pytest.fixture
def whole(project: Make, toml: Toml, s3: dict[str, Any], mongo: dict[str, Any]) -> Any:
    return project(CONFIG.format(s3=toml(s3), mongo=toml(mongo)), FUNCTIONS)


@MODE
def test_all_three_in_a_row(whole: Any, mongo: dict[str, Any], mode: str) -> None:
    completed = dict.fromkeys(("split", "count", "double"), "COMPLETED")
    assert jobs(whole, "--mode", mode) == completed
    assert (whole.folder / "kept.json").read_text() == "3"
    with MongoClient[Any](mongo["db_host"], mongo["db_port"]) as client:
        words = [each["word"] for each in client[mongo["db_name"]]["x"].find()]
    assert words == ["b", "a", "b"]


def test_a_resumed_run_takes_what_lasts(whole: Any) -> None:
    (whole.folder / "fails").touch()
    assert jobs(whole) == {"split": "COMPLETED", "count": "COMPLETED", "double": "FAILED"}
    (whole.folder / "fails").unlink()

    ended = whole.run("resume", "--format", "json", **PLACE)

    assert {job["task"]: job["status"] for job in json.loads(ended.stdout)["jobs"]} == {
        "double": "COMPLETED"
    }


S3_ALONE: Final = """\
[TASK.default]
skippable = true
[DATA_NODE.text]
storage_type = "s3_object"
{s3}default_data = {default}
[DATA_NODE.upper]
storage_type = "s3_object"
{upper}[DATA_NODE.lower]
[TASK.both]
function = "steps.both"
inputs = ["text"]
outputs = ["lower", "upper"]
"""


@pytest.fixture
def alone(project: Make, toml: Toml, s3: dict[str, Any]) -> Callable[..., Any]:
    def make(default: str = '"Ab"', **upper: Any) -> Any:
        options = {**s3, "aws_s3_object_key": "out/upper.txt", **upper}
        return project(
            S3_ALONE.format(s3=toml(s3), upper=toml(options), default=default), FUNCTIONS
        )

    return make


@pytest.fixture
def put(s3: dict[str, Any]) -> Callable[[str, bytes], None]:
    """Puts an object there, as somebody else."""

    def put_object(key: str, body: bytes) -> None:
        client = boto3.client(
            "s3",
            aws_access_key_id="b",
            aws_secret_access_key="t",
            region_name="us-east-1",
            **s3["aws_s3_client_parameters"],
        )
        client.put_object(Bucket=s3["aws_s3_bucket_name"], Key=key, Body=body)
        client.close()

    return put_object


@MODE
def test_an_object_that_has_not_changed_lets_jobs_be_skipped(
    alone: Callable[..., Any], put: Callable[[str, bytes], None], mode: str
) -> None:
    project = alone()
    in_mode = ("--mode", mode)
    assert jobs(project, *in_mode) == {"both": "COMPLETED"}
    assert jobs(project, *in_mode) == {"both": "SKIPPED"}
    assert "RUN704" not in project.run("plan").stderr

    put("in/x.txt", b"other")
    assert jobs(project, *in_mode) == {"both": "COMPLETED"}
    assert jobs(project, *in_mode) == {"both": "SKIPPED"}

    put("out/upper.txt", b"other")
    assert jobs(project, *in_mode) == {"both": "COMPLETED"}


def test_a_default_replaces_another_and_nothing_else(
    alone: Callable[..., Any], put: Callable[[str, bytes], None]
) -> None:
    alone()
    assert jobs(alone('"One"')) == {"both": "COMPLETED"}
    assert jobs(alone('"Two"')) == {"both": "COMPLETED"}
    assert jobs(alone('"Two"')) == {"both": "SKIPPED"}
    put("in/x.txt", b"by somebody else")
    assert jobs(alone('"Three"')) == {"both": "COMPLETED"}
    assert jobs(alone('"Four"')) == {"both": "SKIPPED"}


def test_a_refused_output_leaves_the_other(alone: Callable[..., Any]) -> None:
    """What S3 may refuse is written before the file is, though it comes after it."""
    assert jobs(alone()) == {"both": "COMPLETED"}
    before = lower(alone().folder)

    project = alone('"Cd"', aws_s3_bucket_name="nope")

    assert jobs(project) == {"both": "FAILED"}
    assert lower(project.folder) == before
    assert list((project.folder / ".runner/data/scenarios/default").iterdir()) == [
        project.folder / ".runner/data/scenarios/default/lower.p"
    ]


def lower(folder: Path) -> bytes:
    return (folder / ".runner/data/scenarios/default/lower.p").read_bytes()


def test_what_is_written_is_recorded(whole: Any) -> None:
    jobs(whole)
    with closing(sqlite3.connect(whole.folder / ".runner/runner.db")) as database:
        rows = database.execute("SELECT key, origin, task FROM data_nodes ORDER BY key").fetchall()
    assert rows == [
        ("scenarios/default/counted", "task", "count"),
        ("scenarios/default/doubled", "task", "double"),
        ("scenarios/default/text", "default", None),
        ("scenarios/default/words", "task", "split"),
    ]


@MODE
def test_a_function_of_the_user_that_fails_is_shown(whole: Any, mode: str) -> None:
    ended = whole.run(
        "execute",
        "-q",
        "--mode",
        mode,
        "--set",
        'DATA_NODE.counted.write_fct="steps.refuse"',
        **PLACE,
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "\nerror[RUN605]: task `count` failed: data node `counted` cannot be written: "
        "`steps.refuse` raised PermissionError: not now\n"
        "  --> steps.py:16 in refuse\n"
        "   |\n"
        '16 |     raise PermissionError("not now")\n'
        "   |\n"
    )


def test_a_server_that_is_away_stops_the_run_before_it_begins(whole: Any) -> None:
    away = 'DATA_NODE.text.aws_s3_client_parameters.endpoint_url="http://127.0.0.1:1"'
    place = whole.run("execute", "-q", "--set", away, **PLACE)
    assert (place.returncode, place.stdout) == (1, "")
    assert place.stderr.startswith("error[RUN604]: data node `text`: s3://bucket-")
    assert place.stderr.endswith("/in/x.txt cannot be read: cannot connect to http://127.0.0.1:1\n")


@pytest.mark.parametrize(
    ("package", "extra", "node"), [("boto3", "s3", "text"), ("pymongo", "mongo", "words")]
)
def test_check_tells_what_to_install(whole: Any, package: str, extra: str, node: str) -> None:
    """In a Python that has everything else."""
    installed = whole.folder / "installed"
    installed.mkdir()
    for each in Path(pytest.__file__).parent.parent.iterdir():
        if each.name not in {package, "runner"}:
            (installed / each.name).symlink_to(each)
    (installed / "runner").symlink_to(Path(runner.__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "runner", "check", "--format", "concise", "--no-env"],
        cwd=whole.folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    (line,) = [each for each in ended.stdout.splitlines() if "RUN402" in each]
    assert line.partition(": ")[2] == (
        f"error[RUN402]: data node `{node}` needs {package}, which is not installed "
        f"(install it: pip install 'toml-runner[{extra}]')"
    )


OBJECTS: Final = """\
import runner

if __name__ == "__main__":
    builder = runner.ConfigBuilder()
    builder.configure_job_executions(mode={mode!r})
    source = builder.configure_data_node(
        "source", "generic", read_fct=lambda *numbers: sum(numbers), read_fct_args=[1, 2]
    )
    target = builder.configure_data_node(
        "target",
        "generic",
        read_fct=lambda: int(open("kept").read()),
        write_fct=lambda value, mode: open("kept", mode).write(str(value)),
        write_fct_args=["w"],
    )
    task = builder.configure_task("double", lambda value: 2 * value, source, target)
    builder.configure_scenario("main", [task])
    with runner.Core(builder.build()) as core:
        scenario = core.create_scenario("main")
        scenario.submit().wait()
        print(scenario.data_nodes["target"].read())
"""


@MODE
def test_functions_that_have_no_name(project: Make, mode: str) -> None:
    made = project("", "")
    (made.folder / "program.py").write_text(OBJECTS.format(mode=mode), encoding="utf-8")
    ended = made.python("program.py")
    assert (ended.stdout, ended.returncode) == ("6\n", 0), ended.stderr
