from __future__ import annotations

import io
from pathlib import Path

import pytest

from runner.cli.rendering import (
    MOST_SHOWN,
    as_json,
    file_source,
    render_concise,
    render_error,
    render_human,
    show_bug,
    show_diagnostics,
)
from runner.cli.style import painter
from runner.diagnostics import Diagnostic, Place, Position, Related, Severity
from runner.errors import ConfigError, RunnerError

CONFIG = """\
[DATA_NODE.raw]
[DATA_NODE.clean_data]

[TASK.clean]
inputs   = ["rwa", "limits"]
outputs  = ["clean_data"]
"""
MODULE = "\n" * 106 + "def train(features, params, seed):\n    return seed\n"
PLAIN = painter(io.StringIO(), "never")


def place(line: int, start: int, end: int, file: str = "pipeline.toml") -> Place:
    return Place(file, Position(line, start), Position(line, end))


def shown(diagnostic: Diagnostic, text: str = CONFIG) -> str:
    """The diagnostic as people see it, in a file of that text."""
    files = {"pipeline.toml": text, "algos/f.py": MODULE}
    return "\n" + render_human(diagnostic, files.get, PLAIN) + "\n"


UNKNOWN = Diagnostic(
    code="RUN201",
    key=("TASK", "clean", "inputs", 0),
    message="unknown data node `rwa`",
    label="no [DATA_NODE.rwa] in any file",
    hint="did you mean `raw`?",
    related=(Related(message="`raw` is declared here", place=place(1, 12, 15)),),
    place=place(5, 13, 18),
)
ARITY = Diagnostic(
    code="RUN304",
    message="`algos.f.train` needs 3 arguments, [TASK.clean] gives 2",
    label="`rwa`, `limits`; nothing for `seed`",
    related=(Related(message="", place=place(107, 1, 10, "algos/f.py")),),
    place=place(5, 12, 29),
)
CYCLE = Diagnostic(
    code="RUN203",
    on_key=True,
    message="tasks form a cycle: clean -> train -> clean",
    related=(
        Related(message="clean writes `clean_data`, which train reads", place=place(6, 13, 25)),
        Related(message="train writes `rwa`, which clean reads", place=place(9, 1, 2)),
    ),
    place=place(4, 7, 12),
)
NOWHERE = Diagnostic(
    code="RUN119",
    message="environment variable `TAIPY_CONFIG_PATH` is Taipy's",
    hint="use `RUNNER_CONFIG_PATH`",
)


@pytest.mark.parametrize(
    ("diagnostic", "expected"),
    [
        pytest.param(
            UNKNOWN,
            """
error[RUN201]: unknown data node `rwa`
 --> pipeline.toml:5:13
  |
5 | inputs   = ["rwa", "limits"]
  |             ^^^^^ no [DATA_NODE.rwa] in any file
  |
  = help: did you mean `raw`? It is declared at pipeline.toml:1:12
""",
            id="a-hint-says-where",
        ),
        pytest.param(
            ARITY,
            """
error[RUN304]: `algos.f.train` needs 3 arguments, [TASK.clean] gives 2
   --> pipeline.toml:5:12
    |
  5 | inputs   = ["rwa", "limits"]
    |            ^^^^^^^^^^^^^^^^^ `rwa`, `limits`; nothing for `seed`
    |
   ::: algos/f.py:107:1
    |
107 | def train(features, params, seed):
    |
""",
            id="a-definition",
        ),
        pytest.param(
            CYCLE,
            """
error[RUN203]: tasks form a cycle: clean -> train -> clean
 --> pipeline.toml:4:7
  = note: clean writes `clean_data` (pipeline.toml:6:13), which train reads
  = note: train writes `rwa` (pipeline.toml:9:1), which clean reads
""",
            id="a-note-for-each-edge",
        ),
        pytest.param(
            NOWHERE,
            """
warning[RUN119]: environment variable `TAIPY_CONFIG_PATH` is Taipy's
   = help: use `RUNNER_CONFIG_PATH`
""",
            id="no-place",
        ),
        pytest.param(
            Diagnostic(code="RUN105", message="expected int", place=place(1, 1, 1, "--set A=b")),
            """
error[RUN105]: expected int
  --> --set A=b
""",
            id="an-override",
        ),
        pytest.param(
            Diagnostic(code="RUN108", message="it is gone", place=place(1, 1, 1, "gone.toml")),
            """
error[RUN108]: it is gone
  --> gone.toml:1:1
""",
            id="no-such-file",
        ),
        pytest.param(
            Diagnostic(code="RUN101", message="unexpected end", place=place(7, 1, 2)),
            """
error[RUN101]: unexpected end
 --> pipeline.toml:7:1
  |
7 |
  | ^
""",
            id="at-the-end-of-the-file",
        ),
        pytest.param(
            Diagnostic(
                code="RUN105",
                message="expected a list",
                place=Place("pipeline.toml", Position(5, 12), Position(6, 3)),
            ),
            """
error[RUN105]: expected a list
 --> pipeline.toml:5:12
  |
5 | inputs   = ["rwa", "limits"]
  |            ^^^^^^^^^^^^^^^^^
""",
            id="over-several-lines",
        ),
        pytest.param(
            Diagnostic(
                code="RUN206",
                message="`raw` has no value",
                hint="give it one",
                related=(Related(message="`raw` is declared here", place=place(1, 12, 15)),),
                severity=Severity.WARNING,
                place=place(5, 13, 18),
            ),
            """
warning[RUN206]: `raw` has no value
 --> pipeline.toml:5:13
  |
5 | inputs   = ["rwa", "limits"]
  |             ^^^^^
  |
  = help: give it one. It is declared at pipeline.toml:1:12
""",
            id="a-hint-that-is-no-question",
        ),
        pytest.param(
            Diagnostic(
                code="RUN201", message="x" * 100_000, label="y" * 100_000, place=place(1, 1, 2)
            ),
            f"""
error[RUN201]: {"x" * 397}...
 --> pipeline.toml:1:1
  |
1 | [DATA_NODE.raw]
  | ^ {"y" * 397}...
""",
            id="a-name-of-any-length",
        ),
    ],
)
def test_render_human(diagnostic: Diagnostic, expected: str) -> None:
    assert shown(diagnostic) == expected


WRONG = Diagnostic(code="RUN105", message="m", place=place(1, 5, 8))


@pytest.mark.parametrize(
    ("text", "marked", "expected"),
    [
        pytest.param("\ta\t= 1", (2, 3), ["1 |     a    = 1", "  |     ^"], id="tabs"),
        pytest.param('x = "日本" # y', (5, 9), ['1 | x = "日本" # y', "  |     ^^^^^^"], id="wide"),
        pytest.param('é = "e\u0301"', (5, 9), ['1 | é = "e\u0301"', "  |     ^^^"], id="combining"),
        pytest.param(
            "x = '\x1b[31m'", (5, 12), [r"1 | x = '\x1b[31m'", "  |     ^^^^^^^^^^"], id="escapes"
        ),
        pytest.param("a = b\r\nc = d", (5, 6), ["1 | a = b", "  |     ^"], id="crlf"),
        pytest.param("a = b", (20, 21), ["1 | a = b", "  |      ^"], id="past-the-end"),
        pytest.param(
            f"{'a' * 60} = 'x', {'b' * 60}",
            (64, 67),
            [
                f"1 | ...{'a' * 42} = 'x', {'b' * 60}",
                f"  | {' ' * 48}^^^",
            ],
            id="long-line",
        ),
        pytest.param(
            f"a = '{'x' * 500}' # {'y' * 500}",
            (5, 507),
            [f"1 | a = '{'x' * 105}...", f"  |     {'^' * 55}"],
            id="long-value",
        ),
        pytest.param(
            'db_password = "hunter2" # secret',
            (15, 24),
            ["1 | db_password = ********* # secret", "  |               ^^^^^^^^^"],
            id="password",
        ),
        pytest.param(
            """x = {token = 'a"b', "my-secret"="c\\"d", n = [1]}""",
            (5, 6),
            ['1 | x = {token = *****, "my-secret"=******, n = [1]}', "  |     ^"],
            id="secrets-in-a-table",
        ),
        pytest.param(
            "tokens = ['a', 'b'] # tokens",
            (11, 14),
            ["1 | tokens = *********] # tokens", "  |           ^^^"],
            id="secrets-in-a-list",
        ),
        pytest.param(
            'PASSWORD = """hunter2',
            (12, 22),
            ["1 | PASSWORD = **********", "  |            ^^^^^^^^^^"],
            id="begin-of-a-secret",
        ),
        pytest.param(
            'url = "amqp://me:hunter2@host/"',
            (7, 31),
            ['1 | url = "amqp://**********@host/"', "  |       ^^^^^^^^^^^^^^^^^^^^^^^^"],
            id="password-of-a-url",
        ),
        pytest.param(
            'description = "no secret here"',
            (1, 12),
            ['1 | description = "no secret here"', "  | ^^^^^^^^^^^"],
            id="no-secret",
        ),
    ],
)
def test_the_mark_stands_under_what_is_meant(
    text: str, marked: tuple[int, int], expected: list[str]
) -> None:
    lines = shown(Diagnostic(code="RUN105", message="m", place=place(1, *marked)), text)
    assert lines.splitlines()[4:] == expected


def test_colors() -> None:
    paint = painter(io.StringIO(), "always")
    colored = render_human(UNKNOWN, {"pipeline.toml": CONFIG}.get, paint)
    assert colored.splitlines()[0] == (
        "\x1b[31m\x1b[1merror[RUN201]\x1b[0m: \x1b[1munknown data node `rwa`\x1b[0m"
    )
    bare = colored
    for code in ("[31m", "[34m", "[1m", "[0m"):
        bare = bare.replace(f"\x1b{code}", "")
    assert f"\n{bare}\n" == shown(UNKNOWN)


@pytest.mark.parametrize(
    ("diagnostic", "line"),
    [
        pytest.param(
            UNKNOWN,
            "pipeline.toml:5:13: error[RUN201]: unknown data node `rwa` (did you mean `raw`?)",
            id="place-and-hint",
        ),
        pytest.param(
            NOWHERE,
            "warning[RUN119]: environment variable `TAIPY_CONFIG_PATH` is Taipy's "
            "(use `RUNNER_CONFIG_PATH`)",
            id="no-place",
        ),
        pytest.param(
            Diagnostic(code="RUN105", message="a\nb\x1b", place=place(1, 1, 1, "a\nb.toml")),
            r"a b.toml:1:1: error[RUN105]: a b\x1b",
            id="always-one-line",
        ),
    ],
)
def test_render_concise(diagnostic: Diagnostic, line: str) -> None:
    assert render_concise(diagnostic) == line


def test_as_json() -> None:
    assert as_json(UNKNOWN) == {
        "code": "RUN201",
        "slug": "unknown-data-node",
        "severity": "error",
        "message": "unknown data node `rwa`",
        "hint": "did you mean `raw`?",
        "key": ["TASK", "clean", "inputs", 0],
        "file": "pipeline.toml",
        "start": {"line": 5, "column": 13},
        "end": {"line": 5, "column": 18},
        "related": [
            {"file": "pipeline.toml", "line": 1, "column": 12, "message": "`raw` is declared here"}
        ],
    }


def test_as_json_without_a_place() -> None:
    told = as_json(NOWHERE)
    assert [told["file"], told["start"], told["end"], told["related"]] == [None, None, None, []]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(
            ConfigError("it is wrong", code="RUN508", hint="do it right"),
            "error[RUN508]: it is wrong\n  = help: do it right",
            id="code-and-hint",
        ),
        pytest.param(RunnerError("it is\x1b wrong"), r"error: it is\x1b wrong", id="bare"),
    ],
)
def test_render_error(error: RunnerError, expected: str) -> None:
    assert render_error(error, PLAIN) == expected


def test_many_diagnostics_are_not_all_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_diagnostics([NOWHERE] * (MOST_SHOWN + 1200), lambda _: None)
    err = capsys.readouterr().err
    assert err.count("RUN119") == MOST_SHOWN
    assert err.endswith("... and 1,200 more\n\n")


def test_a_bug_is_told_shortly(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    show_bug(ValueError("of ours\udcff"), ["check", "--set", "RUNNER.password=hunter2"])
    (details,) = tmp_path.iterdir()
    assert capsys.readouterr().err == (
        "error[RUN901]: internal error: ValueError: of ours\\udcff\n"
        f"  = this is a bug of runner; its details are in {details}\n"
    )
    text = details.read_text(encoding="utf-8")
    assert "\nrunner check --set RUNNER.password=*******\n" in text
    assert text.endswith("ValueError: of ours\\udcff\n")


def test_file_source_reads_what_is_not_known(tmp_path: Path) -> None:
    module = tmp_path / "m.py"
    module.write_bytes(b"x = 1 # \xff\n")
    find = file_source({"known": "text"}.get)
    assert find("known") == "text"
    assert find(str(module)) == "x = 1 # \ufffd\n"
    assert find(str(tmp_path / "nothing")) is None
    assert find("\0") is None
