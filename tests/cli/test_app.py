from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from runner import __version__
from runner.cli.app import COMMANDS


def test_version(cli: Any) -> None:
    ended = cli("--version")
    assert (ended.code, ended.out, ended.err) == (0, f"runner {__version__}\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands(cli: Any, option: str) -> None:
    ended = cli(option)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: runner [OPTIONS] COMMAND [ARGS]...\n")
    width = max(map(len, COMMANDS))
    for name, text in COMMANDS.items():
        assert f"  {name:<{width}}  {text}\n" in ended.out


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("command", [*COMMANDS, "config show", "config export"])
def test_each_command_has_help(cli: Any, command: str, option: str) -> None:
    ended = cli(*command.split(), option)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: runner {command} ")


@pytest.mark.parametrize("arguments", [[], ["config"]], ids=["runner", "config"])
def test_without_a_command_there_is_help(cli: Any, arguments: list[str]) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: runner ")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        pytest.param(["chekc"], "no command `chekc`", "did you mean `check`?", id="command"),
        pytest.param(
            ["frobnicate"],
            "no command `frobnicate`",
            f"there are {', '.join(COMMANDS)}",
            id="no-command",
        ),
        pytest.param(
            ["check", "--fromat", "json"],
            "no option `--fromat`",
            "did you mean `--format`?",
            id="option",
        ),
        pytest.param(
            ["check", "--frobnicate"],
            "no option `--frobnicate`",
            "runner check --help tells what there is",
            id="no-option",
        ),
        pytest.param(
            ["execute", "-x"],
            "no option `-x`",
            "runner execute --help tells what there is",
            id="letter",
        ),
        pytest.param(
            ["--strict", "check"],
            "no option `--strict`",
            "options follow the command: runner check --strict",
            id="option-before-the-command",
        ),
        pytest.param(
            ["--versoin"], "no option `--versoin`", "did you mean `--version`?", id="global-option"
        ),
        pytest.param(
            ["check", "--format", "jsn"],
            "--format takes no `jsn`",
            "did you mean `json`?",
            id="choice",
        ),
        pytest.param(
            ["plan", "--format", "xml"],
            "--format takes no `xml`",
            "there are human, json",
            id="no-choice",
        ),
        pytest.param(
            ["execute", "--mode", "standalon"],
            "--mode takes no `standalon`",
            "did you mean `standalone`?",
            id="mode",
        ),
        pytest.param(
            ["config", "shwo"],
            "no such command 'shwo'. Did you mean 'show'?",
            "runner config --help tells what there is",
            id="subcommand",
        ),
        pytest.param(
            ["check\x1b[2J"],
            r"no command `check\x1b[2J`",
            f"there are {', '.join(COMMANDS)}",
            id="control-characters",
        ),
    ],
)
def test_usage_errors(cli: Any, arguments: list[str], message: str, hint: str) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"error: {message}\n  = help: {hint}\n"


def test_an_option_without_its_argument(cli: Any) -> None:
    ended = cli("check", "--set")
    assert (ended.code, ended.err) == (2, "error: option '--set' requires an argument\n")


def test_a_bug_of_ours_is_told_as_one(
    cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("details")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setitem(sys.modules, "runner.cli.check", None)  # as if it could not be imported
    ended = cli("check")
    (details,) = folder.iterdir()
    assert (ended.code, ended.out) == (5, "")
    assert ended.err == (
        "error[RUN901]: internal error: ModuleNotFoundError: "
        "import of runner.cli.check halted; None in sys.modules\n"
        f"  = this is a bug of runner; its details are in {details}\n"
    )


def test_a_reader_that_goes_away_is_no_error(write: Any) -> None:
    write({"runner.toml": "".join(f"[DATA_NODE.d{i}]\nunknown = 1\n" for i in range(3000))})
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "check", "--format", "concise"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 0


def test_output_that_the_terminal_cannot_show(write: Any) -> None:
    write({"runner.toml": "[DATA_NODE.x]\n'日本' = 1\n"})
    ended = subprocess.run(
        [sys.executable, "-m", "runner", "check", "--format", "concise"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=60,
        check=True,
    )
    assert rb"unknown key `\u65e5\u672c` in `[DATA_NODE.x]`" in ended.stdout


def test_global_options_stand_before_the_command_too(cli: Any, write: Any) -> None:
    write({"a.toml": "[DATA_NODE.a]\n", "b.toml": "[DATA_NODE.b]\n"})

    ended = cli("-c", "a.toml", "--color", "always", "check", "-c", "b.toml", "--format", "json")
    shown = cli("-q", "--set", "DATA_NODE.a.scope=LOCAL", "check", "a.toml", "--format", "concise")

    assert json.loads(ended.out)["summary"]["files"] == 2
    assert "\x1b[" in cli("--color", "always", "-c", "a.toml", "check").out
    assert shown.out.startswith("--set DATA_NODE.a.scope=LOCAL: error[RUN116]")
