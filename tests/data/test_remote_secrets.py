"""Secrets of data nodes on servers are in nothing that a run leaves behind or prints."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

FUNCTIONS: Final = """\
def give():
    return "a b"


def split(text):
    return [{"word": word} for word in text.split()]


def count(documents):
    return len(documents)
"""
CONFIG: Final = """\
[TASK.default]
skippable = true
[DATA_NODE.text]
storage_type = "s3_object"
{s3}[DATA_NODE.words]
storage_type = "mongo_collection"
{mongo}[DATA_NODE.counted]
[TASK.give]
function = "steps.give"
outputs = ["text"]
[TASK.split]
function = "steps.split"
inputs = ["text"]
outputs = ["words"]
[TASK.count]
function = "steps.count"
inputs = ["words"]
outputs = ["counted"]
"""
CANARIES: Final = {
    "KEY_ID": "AKIACANARY/+1",
    "SECRET": "canary:p@ss/w+rd%25=",
    "SESSION": "CanarySession==/2",
    "PASSWORD": "p@ss:w/rd%canary",
    "METADATA": "canary of the metadata",
}
FAILURES: Final = [
    pytest.param([], id="none"),
    pytest.param(
        ["DATA_NODE.text.aws_s3_client_parameters.endpoint_url='http://127.0.0.1:1'"], id="s3-away"
    ),
    pytest.param(["DATA_NODE.text.aws_s3_bucket_name='nope'"], id="no-bucket"),
    pytest.param(["DATA_NODE.text.aws_s3_put_object_parameters={Metadata='x'}"], id="parameter"),
    pytest.param(["DATA_NODE.words.db_username='canaryuser'"], id="login"),
    pytest.param(
        [
            "DATA_NODE.words.db_port=1",
            "DATA_NODE.words.db_extra_args={serverSelectionTimeoutMS=100}",
        ],
        id="mongo-away",
    ),
    pytest.param(["DATA_NODE.words.db_extra_args={nonsense=1}"], id="unknown-parameter"),
    pytest.param(["DATA_NODE.words.db_driver='srv'"], id="srv"),
]

Make = Callable[[str, str], Any]
Toml = Callable[[Any], str]


def written_ways(secret: str) -> Iterator[bytes]:
    """As it is, in a URL, escaped, and in the base64 that its own bytes make."""
    for text in (secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1]):
        yield text.encode()
    yield base64.b64encode(secret.encode()).rstrip(b"=")[:-1]


def found_in(content: bytes) -> set[str]:
    return {
        name
        for name, secret in CANARIES.items()
        if any(way in content for way in written_ways(secret))
    }


def left_in(folder: Path) -> dict[str, set[str]]:
    """The secrets that files hold, by file."""
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert any(each.name == "runner.db" for each in files)
    return {str(each): found for each in files if (found := found_in(each.read_bytes()))}


@pytest.fixture
def guarded(project: Make, toml: Toml, s3: dict[str, Any], mongo: dict[str, Any]) -> Any:
    """A project whose secrets come from the environment."""
    parameters = {**s3["aws_s3_client_parameters"], "aws_session_token": "ENV[SESSION]"}
    s3 |= {
        "aws_access_key": "ENV[KEY_ID]",
        "aws_secret_access_key": "ENV[SECRET]",
        "aws_s3_client_parameters": parameters,
    }
    s3 |= {"aws_s3_put_object_parameters": {"Metadata": {"password": "ENV[METADATA]"}}}
    mongo |= {"db_password": "ENV[PASSWORD]"}
    return project(CONFIG.format(s3=toml(s3), mongo=toml(mongo)), FUNCTIONS)


def test_the_canaries_are_found_where_they_are() -> None:
    for name, secret in CANARIES.items():
        assert found_in(f"at {secret}!".encode()) == {name}
        assert found_in(f"at {quote(secret, safe='')}!".encode()) == {name}


@pytest.mark.parametrize(("mode", "output"), [("development", "human"), ("standalone", "json")])
@pytest.mark.parametrize("overrides", FAILURES)
def test_whatever_fails_no_secret_is_told(
    guarded: Any, overrides: list[str], mode: str, output: str
) -> None:
    settings = [word for override in overrides for word in ("--set", override)]
    options = ("--mode", mode, "--format", output, "-v", "--full-traceback")

    ended = guarded.run("execute", *options, *settings, **CANARIES)

    assert ended.returncode == (1 if overrides else 0)
    assert found_in((ended.stdout + ended.stderr).encode()) == set()
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error")]
    assert "canaryuser" not in "".join(errors)
    assert left_in(guarded.folder) == {}


COMMANDS: Final = [
    ["check", "-v"],
    ["plan"],
    ["plan", "--format", "json"],
    ["config", "show", "--origin"],
    ["config", "export"],
    ["config", "export", "--format", "json"],
    ["runs", "--format", "json"],
    ["runs", "show"],
    ["logs"],
]


def test_no_command_tells_a_secret(guarded: Any) -> None:
    guarded.run("execute", "-q", **CANARIES)
    for command in COMMANDS:
        ended = guarded.run(*command, **CANARIES)
        assert ended.returncode == 0, (command, ended.stderr)
        assert found_in((ended.stdout + ended.stderr).encode()) == set(), command
    assert left_in(guarded.folder) == {}


def test_what_is_written_in_plain_text_is_kept_nowhere_else(
    project: Make, toml: Toml, s3: dict[str, Any], mongo: dict[str, Any]
) -> None:
    s3 |= {"aws_access_key": CANARIES["KEY_ID"], "aws_secret_access_key": CANARIES["SECRET"]}
    mongo |= {"db_username": "u", "db_password": CANARIES["PASSWORD"]}
    made = project(CONFIG.format(s3=toml(s3), mongo=toml(mongo)), FUNCTIONS)

    ended = made.run("execute", "--full-traceback")

    assert ended.returncode == 1
    assert "RUN118" in ended.stderr
    assert found_in((ended.stdout + ended.stderr).encode()) == set()
    assert left_in(made.folder / ".runner") == {}
