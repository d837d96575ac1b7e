"""`runner schema`, and the schemas of what the other commands print."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import pytest
from jsonschema import Draft7Validator

from runner.cli.app import run
from runner.config.reference import make_reference
from runner.config.schema import make_schema

ROOT = Path(__file__).parent.parent.parent
SCHEMAS = sorted((ROOT / "schemas").glob("*.schema.json"))
SCRIPTS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
TOMBI = shutil.which("tombi", path=SCRIPTS)
SCHEMA_LINE = "#:schema ./runner.schema.json\n"
SHOP = {
    "runner.toml": """\
[DATA_NODE.raw]
default_data = [1, 2]

[DATA_NODE.clean]

[TASK.tidy]
function = "steps.tidy"
inputs = ["raw"]
outputs = ["clean"]

[SCENARIO.daily]
tasks = ["tidy"]
""",
    "steps.py": """\
def tidy(values):
    return sorted(values)


def count(values):
    return len(values)
""",
}


@pytest.fixture(autouse=True)
def shop(write: Any) -> Path:
    folder: Path = write(SHOP)
    return folder


def answered(capfd: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """The document that a command prints."""
    capfd.readouterr()
    run(list(arguments))
    return json.loads(capfd.readouterr().out)


def validator(name: str) -> Draft7Validator:
    schema = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    return Draft7Validator(schema)


def test_prints_the_schema(capfd: pytest.CaptureFixture[str]) -> None:
    assert answered(capfd, "schema") == json.loads(json.dumps(make_schema()))


@pytest.mark.parametrize("name", ["runner.schema.json", "reference.md"])
def test_what_is_committed_is_up_to_date(name: str, cli: Any) -> None:
    file = ROOT / "schemas" / name

    ended = cli("schema", "--check", "-o", str(file))

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{file} is up to date\n"


def test_writes_the_page(cli: Any, folder: Path) -> None:
    ended = cli("schema", "-o", "page.md")

    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert (folder / "page.md").read_text(encoding="utf-8") == make_reference()


def test_check_looks_at_both_committed_files(cli: Any, folder: Path) -> None:
    (folder / "schemas").mkdir()
    cli("schema", "-o", "schemas/runner.schema.json")
    (folder / "schemas" / "reference.md").write_text("# Old\n", encoding="utf-8")

    ended = cli("schema", "--check")

    assert ended.code == 1
    assert ended.out == "schemas/runner.schema.json is up to date\n"
    assert ended.err == (
        "error: `schemas/reference.md` is not up to date\n"
        "  = help: write it: runner schema -o schemas/reference.md\n"
    )
    assert (folder / "schemas" / "reference.md").read_text(encoding="utf-8") == "# Old\n"


def test_check_of_a_file_that_is_not_there(cli: Any) -> None:
    ended = cli("schema", "--project", "--check", "-o", "mine.json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "error: `mine.json` is not up to date\n"
        "  = help: write it: runner schema --project -o mine.json\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(
            ["runner.toml"],
            2,
            "error: FILES are for --project alone\n  = help: the language is always the same\n",
            id="files",
        ),
        pytest.param(
            ["--project", "--check"],
            2,
            "error: --check --project needs -o FILE\n  = help: it says which file to look at\n",
            id="check-of-what",
        ),
        pytest.param(
            ["--project", "-o", "x.md"],
            2,
            "error: a project has no page of its own\n  = help: leave --project out\n",
            id="page-of-a-project",
        ),
        pytest.param(
            ["-o", "nowhere/x.json"],
            4,
            "error: `nowhere/x.json` cannot be written: No such file or directory\n",
            id="no-folder",
        ),
    ],
)
def test_refuses(arguments: list[str], code: int, message: str, cli: Any) -> None:
    ended = cli("schema", *arguments)

    assert (ended.code, ended.out, ended.err) == (code, "", message)


def test_of_a_project_knows_its_ids_and_functions(capfd: pytest.CaptureFixture[str]) -> None:
    task = answered(capfd, "schema", "--project")["definitions"]["task"]["properties"]

    assert task["inputs"]["items"]["anyOf"][0] == {"type": "string", "enum": ["raw", "clean"]}
    assert task["function"]["anyOf"][0] == {"type": "string", "enum": ["steps.tidy", "steps.count"]}


def test_of_a_project_that_is_not_right_yet(
    capfd: pytest.CaptureFixture[str], folder: Path
) -> None:
    with (folder / "runner.toml").open("a", encoding="utf-8") as file:
        file.write("[TASK.new]\ninputs = ['nothing']\n[DATA_NODE.'no id']\n")

    scenario = answered(capfd, "schema", "--project")["definitions"]["scenario"]["properties"]

    assert scenario["tasks"]["items"]["anyOf"][0]["enum"] == ["tidy", "new"]


def test_of_a_project_that_cannot_be_read(cli: Any, folder: Path) -> None:
    (folder / "runner.toml").write_text("[TASK.new\n", encoding="utf-8")

    ended = cli("schema", "--project", "-o", "mine.json")

    assert (ended.code, ended.out) == (3, "")
    assert "error[RUN101]" in ended.err
    assert ended.err.endswith("error: the config cannot be read, nothing was written\n")
    assert not (folder / "mine.json").exists()


def test_of_a_project_of_several_files_requires_nothing(
    capfd: pytest.CaptureFixture[str], folder: Path
) -> None:
    (folder / "prod.toml").write_text("[TASK.tidy]\nretries = 3\n", encoding="utf-8")

    schema = answered(capfd, "schema", "--project", "runner.toml", "prod.toml")

    assert Draft7Validator(schema).is_valid({"TASK": {"tidy": {"retries": 3}}})


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_committed_schemas_are_schemas(path: Path) -> None:
    Draft7Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


WRONG = 'inputs = ["rwa"]\nskippable = "x"\ncolour = 1\n[DATA_NODE.raw]'
OUTPUTS = [
    pytest.param("check", ["check"], {}, id="check"),
    pytest.param("check", ["check"], {"[DATA_NODE.raw]": f"[TASK.a]\n{WRONG}"}, id="check-wrong"),
    pytest.param("check", ["check"], {"[DATA_NODE.raw]": "[DATA_NODE.raw"}, id="check-unreadable"),
    pytest.param("plan", ["plan"], {}, id="plan"),
    pytest.param("plan", ["plan", "--task", "tidy"], {"tasks =": "frequency = 'DAILY'\ntasks ="},
                 id="plan-selection"),
    pytest.param("run", ["execute"], {}, id="run"),
    pytest.param("run", ["execute"], {"[1, 2]": "1"}, id="run-failed"),
    pytest.param("run", ["execute", "--all"],
                 {"[SCENARIO.daily]": "[SCENARIO.more]\ntasks = ['tidy']\n[SCENARIO.daily]"},
                 id="runs"),
    pytest.param("data", ["data"], {}, id="data"),
    pytest.param("config", ["config", "show"], {}, id="config-show"),
    pytest.param("config", ["config", "show", "--origin"], {}, id="config-origin"),
    pytest.param("config", ["config", "export"], {"[1, 2]": "1979-05-27"}, id="config-export"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "changes"), OUTPUTS)
def test_outputs_are_as_their_schema_says(
    name: str,
    arguments: list[str],
    changes: Mapping[str, str],
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = SHOP["runner.toml"]
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "runner.toml").write_text(text, encoding="utf-8")

    document = answered(capfd, *arguments, "--format", "json")

    assert [error.message for error in validator(name).iter_errors(document)] == []


@pytest.mark.parametrize("name", ["check", "plan", "run", "data", "config"])
def test_schemas_of_outputs_are_closed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    command = {"run": ["execute"], "config": ["config", "show"]}.get(name, [name])
    document = answered(capfd, *command, "--format", "json")

    assert not validator(name).is_valid({**document, "more": 1})
    assert not validator(name).is_valid({**document, "version": 2})


class Tombi:
    """A language server, asked over its stdin and stdout."""

    def __init__(self, command: str, folder: Path) -> None:
        self._process = subprocess.Popen(
            [command, "lsp"],
            cwd=folder,
            env={**os.environ, "TOMBI_OFFLINE": "true"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to: IO[bytes] = self._process.stdin
        self._from: IO[bytes] = self._process.stdout
        self._asked = 0
        self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self.tell("initialized", {})

    def tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self._asked and "method" not in message:
                return message["result"]

    def heard(self, method: str) -> Any:
        """What the server tells of its own accord."""
        while True:
            message = self._receive()
            if message.get("method") == method:
                return message["params"]

    def close(self) -> None:
        self.ask("shutdown", None)
        self.tell("exit", None)
        self._to.close()
        self._process.wait(timeout=10)
        self._from.close()

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._to.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._to.flush()

    def _receive(self) -> Any:
        length = 0
        while header := self._from.readline().strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message = json.loads(self._from.read(length))
        if "id" in message and "method" in message:  # a question to the editor, which has no answer
            self._send({"id": message["id"], "result": None})
        return message


@pytest.fixture
def tombi(folder: Path) -> Iterator[Tombi]:
    if TOMBI is None:
        pytest.skip("tombi is not installed: pip install 'toml-runner[test]'")
    server = Tombi(TOMBI, folder)
    yield server
    server.close()


def completed(server: Tombi, file: Path, text: str) -> list[str]:
    """What is offered where the text ends; a line break follows, as in every editor."""
    document = {"uri": file.as_uri(), "languageId": "toml", "version": 1, "text": f"{text}\n"}
    server.tell("textDocument/didOpen", {"textDocument": document})
    server.heard("textDocument/publishDiagnostics")  # by now it has read the schema
    lines = text.split("\n")
    position = {"line": len(lines) - 1, "character": len(lines[-1])}
    asked = {"textDocument": {"uri": file.as_uri()}, "position": position}
    found = server.ask("textDocument/completion", asked)
    return [each["label"] for each in (found["items"] if isinstance(found, dict) else found)]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        pytest.param('[TASK.new]\ninputs = ["', ['"raw"', '"clean"'], id="inputs"),
        pytest.param('[TASK.new]\ninputs = ["raw", "', ['"raw"', '"clean"'], id="second-input"),
        pytest.param('[TASK.new]\nfunction = "', ['"steps.tidy"', '"steps.count"'], id="function"),
        pytest.param('[SCENARIO.new]\ntasks = ["', ['"tidy"'], id="tasks"),
        pytest.param(
            '[DATA_NODE.new]\nscope = "', ['"SCENARIO"', '"CYCLE"', '"GLOBAL"'], id="enum"
        ),
    ],
)
def test_an_editor_completes(
    text: str, offered: list[str], tombi: Tombi, folder: Path, cli: Any
) -> None:
    cli("schema", "--project", "-o", "runner.schema.json")

    found = completed(tombi, folder / "new.toml", SCHEMA_LINE + text)

    assert [each for each in found if each.strip("\"'")] == offered


def test_an_editor_flags_a_wrong_id(folder: Path, cli: Any) -> None:
    if TOMBI is None:
        pytest.skip("tombi is not installed: pip install 'toml-runner[test]'")
    cli("schema", "--project", "-o", "runner.schema.json")
    text = SCHEMA_LINE + SHOP["runner.toml"]
    (folder / "right.toml").write_text(text, encoding="utf-8")
    (folder / "wrong.toml").write_text(text.replace('["raw"]', '["rwa"]'), encoding="utf-8")

    linted = subprocess.run(
        [TOMBI, "lint", "--offline", "right.toml", "wrong.toml"],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert linted.returncode == 1
    told = [line.strip() for line in linted.stderr.splitlines()]
    assert told[:2] == [
        'Error: the value must be one of ["raw", "clean"], but found "rwa"',
        "at wrong.toml:9:11",
    ]
    assert "right.toml" not in linted.stderr
