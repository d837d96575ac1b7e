"""`runner check --no-env`: environment variables may be missing; what they say is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

Cli = Callable[..., Any]
Write = Callable[[Mapping[str, str]], object]

VARIABLE: Final = '"ENV[MISSING]"'
PIPELINE: Final = """\
[RUNNER]
password = "ENV[MISSING]"

[JOB]
mode = "development"
max_nb_of_workers = 2
broker_url = "amqp://localhost"

[CORE]
storage_folder = ".runner"

[CHECK]
ignore = ["unused"]

[DATA_NODE.raw]
storage_type = "json"
path = "raw.json"

[DATA_NODE.limit]
scope = "GLOBAL"
default_data = 1

[DATA_NODE.cleaned]
storage_type = "json"
path = "cleaned.json"

[TASK.clean]
function = "algos.clean"
inputs = ["raw", "limit"]
outputs = ["cleaned"]
skippable = true
timeout = "5s"

[TASK.publish]
function = "algos.publish"
inputs = ["cleaned"]

[SCENARIO.daily]
tasks = ["clean", "publish"]
frequency = "DAILY"

[SCENARIO.daily.sequences]
first = ["clean"]

[SCENARIO.daily.comparators]
cleaned = "algos.publish"
"""
FILES: Final = {
    "algos.py": "def clean(raw, limit): pass\ndef publish(cleaned): pass\n",
    "raw.json": "1",
}


def with_a_value_missing() -> Iterator[Any]:
    """The pipeline with a variable for each of its values, and for an element of each list."""
    for line in PIPELINE.splitlines():
        key, equals, value = line.partition(" = ")
        for part in dict.fromkeys([value, value.strip("[]").partition(", ")[0]]):
            if equals:
                other = f"{key} = {value.replace(part, VARIABLE)}"
                yield pytest.param(PIPELINE.replace(line, other), id=other)


@pytest.mark.parametrize("text", list(with_a_value_missing()))
def test_nothing_follows_from_what_is_not_known(cli: Cli, write: Write, text: str) -> None:
    write({**FILES, "pipeline.toml": text})
    ended = cli("check", "--no-env", "--deep", "--strict", "--format", "concise", "pipeline.toml")
    assert (ended.code, ended.out) == (0, "")


@pytest.mark.parametrize("kind", ["int", "timedelta", "function", "SCOPE", "SECTION"])
def test_whatever_its_type(cli: Cli, write: Write, kind: str) -> None:
    text = PIPELINE.replace("default_data = 1", f'default_data = "ENV[MISSING]:{kind}"')
    write({**FILES, "pipeline.toml": text})
    assert cli("check", "--no-env", "--strict", "pipeline.toml").code == 0


def test_without_it_they_are_told(cli: Cli, write: Write) -> None:
    write({**FILES, "pipeline.toml": PIPELINE})
    ended = cli("check", "--format", "concise", "pipeline.toml")
    assert ended.code == 1
    assert ended.out == (
        "pipeline.toml:2:12: error[RUN111]: environment variable `MISSING` is not set "
        "(set it, or give a default: ENV[MISSING:-…])\n"
    )


def test_what_is_there_is_used(cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "many")
    text = PIPELINE.replace("= 2", '= "ENV[WORKERS]"')
    write({**FILES, "pipeline.toml": text})
    ended = cli("check", "--no-env", "--format", "concise", "pipeline.toml")
    assert ended.out == (
        "pipeline.toml:6:21: error[RUN112]: environment variable `WORKERS`: expected int\n"
    )


def test_other_mistakes_are_told(cli: Cli, write: Write) -> None:
    write({**FILES, "pipeline.toml": PIPELINE.replace('["raw", "limit"]', '["raw", "limt"]')})
    ended = cli("check", "--no-env", "--format", "concise", "pipeline.toml")
    assert "error[RUN201]: unknown data node `limt`" in ended.out
