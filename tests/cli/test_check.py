from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GOOD = """\
[DATA_NODE.raw]
default_data = 1
[DATA_NODE.clean_data]

[TASK.clean]
function = "algos.clean"
inputs   = ["raw"]
outputs  = ["clean_data"]
"""
BAD = """\
[DATA_NODE.raw]
default_data = 1
[DATA_NODE.limits]
default_data = 1
[DATA_NODE.clean_data]

[TASK.clean]
function = "algos.clean"
inputs   = ["rwa"]
outputs  = ["clean_data"]

[TASK.train]
function = "algos.train"
inputs   = ["clean_data", "limits"]
"""
ALGOS = "def clean(raw):\n    return raw\n\n\ndef train(features, params, seed):\n    return seed\n"
UNUSED = "[SCENARIO.daily]\ntasks = ['clean']\n[DATA_NODE.limits]\n"
HUMAN = """\
error[RUN201]: unknown data node `rwa`
 --> pipeline.toml:9:13
  |
9 | inputs   = ["rwa"]
  |             ^^^^^ no [DATA_NODE.rwa] in any file
  |
  = help: did you mean `raw`? It is declared at pipeline.toml:1:12

error[RUN304]: `algos.train` needs 3 arguments, [TASK.train] gives 2
  --> pipeline.toml:14:12
   |
14 | inputs   = ["clean_data", "limits"]
   |            ^^^^^^^^^^^^^^^^^^^^^^^^ `clean_data`, `limits`; nothing for `seed`
   |
  ::: algos.py:5:1
   |
 5 | def train(features, params, seed):
   |

Checked 1 file: 3 data nodes, 2 tasks, 0 scenarios in <time>
2 errors. More about a code: runner explain RUN201
"""


@pytest.fixture
def files(write: Any) -> Path:
    folder: Path = write({"pipeline.toml": BAD, "runner.toml": GOOD, "algos.py": ALGOS})
    return folder


def test_human(cli: Any, files: Path) -> None:
    ended = cli("check", "pipeline.toml")
    assert ended.out == HUMAN
    assert (ended.code, ended.err) == (1, "")


def test_a_right_config(cli: Any, files: Path) -> None:
    ended = cli("check")
    assert ended.out == (
        "Checked 1 file: 2 data nodes, 1 task, 0 scenarios in <time>\nNo problems found\n"
    )
    assert (ended.code, ended.err) == (0, "")


def test_a_cycle(cli: Any, write: Any) -> None:
    write(
        {
            "algos.py": ALGOS,
            "cycle.toml": "[DATA_NODE.a]\n[DATA_NODE.b]\n"
            '[TASK.x]\nfunction = "algos.clean"\ninputs = ["b"]\noutputs = ["a"]\n'
            '[TASK.y]\nfunction = "algos.clean"\ninputs = ["a"]\noutputs = ["b"]\n',
        }
    )
    assert cli("check", "cycle.toml").out == (
        """\
error[RUN203]: tasks form a cycle: x -> y -> x
 --> cycle.toml:3:7
  = note: x writes `a` (cycle.toml:6:12), which y reads
  = note: y writes `b` (cycle.toml:10:12), which x reads

Checked 1 file: 2 data nodes, 2 tasks, 0 scenarios in <time>
1 error. More about a code: runner explain RUN203
"""
    )


def test_all_is_told_in_the_order_of_the_files(cli: Any, write: Any) -> None:
    write(
        {
            "a.toml": "[DATA_NODE.a]\nfirst = 1\n\n[DATA_NODE.b]\nthird = 1\n",
            "b.toml": "[DATA_NODE.a]\nlast = 1\n",
        }
    )
    lines = cli("check", "a.toml", "b.toml", "--format", "concise").out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == [
        "a.toml:2:1:",
        "a.toml:5:1:",
        "b.toml:2:1:",
    ]


def test_concise(cli: Any, files: Path) -> None:
    ended = cli("check", "pipeline.toml", "--format", "concise")
    assert ended.out == (
        "pipeline.toml:9:13: error[RUN201]: unknown data node `rwa` (did you mean `raw`?)\n"
        "pipeline.toml:14:12: error[RUN304]: "
        "`algos.train` needs 3 arguments, [TASK.train] gives 2\n"
    )
    assert (ended.code, ended.err) == (1, "")


def test_concise_says_nothing_of_a_right_config(cli: Any, files: Path) -> None:
    ended = cli("check", "--format", "concise")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_json(cli: Any, files: Path) -> None:
    ended = cli("check", "pipeline.toml", "--format", "json")
    assert json.loads(ended.out) == {
        "format": "runner.check",
        "version": 1,
        "ok": False,
        "summary": {
            "files": 1,
            "data_nodes": 3,
            "tasks": 2,
            "scenarios": 0,
            "errors": 2,
            "warnings": 0,
        },
        "diagnostics": [
            {
                "code": "RUN201",
                "slug": "unknown-data-node",
                "severity": "error",
                "message": "unknown data node `rwa`",
                "hint": "did you mean `raw`?",
                "key": ["TASK", "clean", "inputs", 0],
                "file": "pipeline.toml",
                "start": {"line": 9, "column": 13},
                "end": {"line": 9, "column": 18},
                "related": [
                    {
                        "file": "pipeline.toml",
                        "line": 1,
                        "column": 12,
                        "message": "`raw` is declared here",
                    }
                ],
            },
            {
                "code": "RUN304",
                "slug": "arity-mismatch",
                "severity": "error",
                "message": "`algos.train` needs 3 arguments, [TASK.train] gives 2",
                "hint": None,
                "key": ["TASK", "train", "inputs"],
                "file": "pipeline.toml",
                "start": {"line": 14, "column": 12},
                "end": {"line": 14, "column": 36},
                "related": [
                    {"file": "algos.py", "line": 5, "column": 1, "message": "defined here"}
                ],
            },
        ],
    }
    assert (ended.code, ended.err) == (1, "")


def test_json_of_a_right_config(cli: Any, files: Path) -> None:
    ended = cli("check", "--format", "json")
    document = json.loads(ended.out)
    assert (ended.code, document["ok"], document["diagnostics"]) == (0, True, [])


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        pytest.param([], 0, ["warning[RUN205]"], id="warnings-do-not-fail"),
        pytest.param(["--strict"], 1, ["error[RUN205]"], id="strict"),
        pytest.param(["--ignore", "unused", "--strict"], 0, [], id="ignore"),
        pytest.param(["--ignore", "RUN204,run205"], 0, [], id="ignore-several"),
        pytest.param(["--ignore", "RUN204", "--ignore", "unused"], 0, [], id="ignore-repeated"),
        pytest.param(["--select", "RUN201"], 0, [], id="select"),
        pytest.param(["--select", "unused"], 0, ["warning[RUN205]"], id="select-slug"),
        pytest.param(["--set", "CHECK.strict=true"], 1, ["error[RUN205]"], id="config-strict"),
        pytest.param(["--set", 'CHECK.ignore=["unused"]'], 0, [], id="config-ignore"),
        pytest.param(
            ["--set", "CHECK.severity.unused=error"], 1, ["error[RUN205]"], id="config-severity"
        ),
        pytest.param(
            ["--set", "CHECK.ignore=['unusd']"],
            1,
            ["error[RUN116]", "warning[RUN205]"],
            id="config-no-code",
        ),
        pytest.param(
            ["--set", "CHECK.strcit=true"],
            1,
            ["error[RUN103]", "warning[RUN205]"],
            id="config-no-key",
        ),
    ],
)
def test_severities(
    cli: Any, files: Path, write: Any, options: list[str], code: int, expected: list[str]
) -> None:
    write({"unused.toml": UNUSED})
    ended = cli("check", "runner.toml", "unused.toml", "--format", "concise", *options)
    told = sorted(line.split(": ")[1] for line in ended.out.splitlines())
    assert (ended.code, told) == (code, expected)


def test_the_verdict_counts(cli: Any, files: Path, write: Any) -> None:
    write({"unused.toml": UNUSED})
    assert cli("check", "runner.toml", "unused.toml").out.endswith(
        "Checked 2 files: 3 data nodes, 1 task, 1 scenario in <time>\n"
        "1 warning. More about a code: runner explain RUN205\n"
    )
    assert cli("check", "pipeline.toml", "--set", "RUNNER.token=x").out.endswith(
        "Checked 1 file: 3 data nodes, 2 tasks, 0 scenarios in <time>\n"
        "2 errors and 1 warning. More about a code: runner explain RUN201\n"
    )


def test_quiet(cli: Any, files: Path) -> None:
    assert cli("check", "-q").out == ""
    assert cli("check", "pipeline.toml", "-q").out == HUMAN.partition("Checked")[0]


def test_verbose(cli: Any, files: Path) -> None:
    assert cli("check", "-v", "--set", "RUNNER.token=x").err == (
        "application path <folder>\nread runner.toml\nread --set RUNNER.token=***\n"
    )


def test_control_characters_in_the_file_are_shown(cli: Any, write: Any) -> None:
    write({"evil\x1b[2J.toml": '[DATA_NODE.x]\n"k\\u001b[2J\\u202e" = 1\nscope = "\\u0007"\n'})
    ended = cli("check", "evil\x1b[2J.toml")
    assert ended.out == (
        r"""warning[RUN103]: unknown key `k\x1b[2J\u202e` in `[DATA_NODE.x]`, kept as a property
 --> evil\x1b[2J.toml:2:1
  |
2 | "k\u001b[2J\u202e" = 1
  | ^^^^^^^^^^^^^^^^^^
  |
  = help: free keys can go under [DATA_NODE.x.properties]

error[RUN116]: expected one of SCENARIO, CYCLE, GLOBAL, got "\x07"
 --> evil\x1b[2J.toml:3:9
  |
3 | scope = "\u0007"
  |         ^^^^^^^^

Checked 1 file: 1 data node, 0 tasks, 0 scenarios in <time>
1 error and 1 warning. More about a code: runner explain RUN103
"""
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            b"[TASK.a\n",
            "bad.toml:1:8: error[RUN101]: expected ']' at the end of a table declaration",
            id="syntax",
        ),
        pytest.param(
            b"x = '\xff'\n",
            "bad.toml:1:6: error[RUN109]: not UTF-8: byte 0xff (save the file as UTF-8)",
            id="not-utf8",
        ),
        pytest.param(b"x = \x1b\n", r"bad.toml:1:5: error[RUN101]: invalid value", id="escape"),
    ],
)
def test_nothing_follows_from_a_file_that_cannot_be_read(
    cli: Any, files: Path, content: bytes, expected: str
) -> None:
    Path("bad.toml").write_bytes(content)
    ended = cli("check", "pipeline.toml", "bad.toml", "--format", "concise")
    assert (ended.code, ended.out) == (1, f"{expected}\n")


def test_a_file_that_is_not_there(cli: Any, files: Path) -> None:
    ended = cli("check", "gone.toml", "--format", "concise")
    assert (ended.code, ended.out) == (
        1,
        "gone.toml:1:1: error[RUN108]: `gone.toml` cannot be read: no such file or directory\n",
    )


def test_many_mistakes_are_not_all_shown(cli: Any, write: Any) -> None:
    write({"runner.toml": "".join(f"[DATA_NODE.d{i}]\nunknown = 1\n" for i in range(1100))})
    human = cli("check").out
    assert human.count("warning[RUN103]") == 50
    assert human.endswith(
        "... and 1,050 more: --format concise has all\n\n"
        "Checked 1 file: 1,100 data nodes, 0 tasks, 0 scenarios in <time>\n"
        "1,100 warnings. More about a code: runner explain RUN103\n"
    )
    assert cli("check", "--format", "concise").out.count("warning[RUN103]") == 1100


@pytest.mark.parametrize(
    ("options", "environ", "colored"),
    [
        pytest.param([], {}, False, id="pipe"),
        pytest.param(["--color", "always"], {}, True, id="always"),
        pytest.param(["--color", "always"], {"NO_COLOR": "1"}, True, id="always-and-no-color"),
        pytest.param([], {"FORCE_COLOR": "1"}, True, id="force-color"),
        pytest.param([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="no-color"),
        pytest.param(["--color", "never"], {"FORCE_COLOR": "1"}, False, id="never"),
    ],
)
def test_colors(
    cli: Any,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    environ: dict[str, str],
    colored: bool,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    ended = cli("check", "pipeline.toml", *options)
    assert ("\x1b[" in ended.out) is colored


@pytest.mark.parametrize("output", ["concise", "json"])
def test_formats_for_programs_have_no_colors(cli: Any, files: Path, output: str) -> None:
    assert "\x1b" not in cli("check", "pipeline.toml", "--format", output, "--color", "always").out


def test_the_nearest_config_above_is_found(
    cli: Any, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = files / "deep" / "down"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    ended = cli("check", "--set", "TASK.clean.inputs=['rwa']", "-v")
    assert ended.err.startswith("application path <folder>\nread <folder>/runner.toml\n")
    assert ended.code == 1


def test_config_toml_is_found_too(cli: Any, files: Path) -> None:
    (files / "runner.toml").rename(files / "config.toml")
    assert cli("check", "-v").err == "application path <folder>\nread config.toml\n"


def test_no_config(cli: Any) -> None:
    ended = cli("check")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: no `runner.toml` or `config.toml` in <folder> or above\n"
        "  = help: name a file: runner check pipeline.toml\n"
    )


def test_files_lie_over_each_other(cli: Any, files: Path, write: Any) -> None:
    write({"a.toml": "[TASK.clean]\ninputs = ['rwa']\n", "b.toml": "TASK.clean.inputs = ['raw']\n"})
    assert cli("check", "runner.toml", "a.toml").code == 1
    assert cli("check", "runner.toml", "a.toml", "b.toml").code == 0
    assert cli("check", "runner.toml", "b.toml", "a.toml").code == 1
    assert cli("check", "-c", "runner.toml", "-c", "a.toml", "--config", "b.toml").code == 0
    assert cli("check", "runner.toml", "a.toml", "-c", "b.toml").code == 0


def test_the_file_of_the_environment_is_the_last(
    cli: Any, files: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"a.toml": "[TASK.clean]\ninputs = ['rwa']\n"})
    monkeypatch.setenv("RUNNER_CONFIG_PATH", "a.toml")
    assert cli("check", "runner.toml").code == 1


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        pytest.param("JOB.mode=standalone", "", id="text"),
        pytest.param("DATA_NODE.raw.default_data=[1, {a = 2}]", "", id="toml"),
        pytest.param("JOB.max_nb_of_workers=8:int", "", id="typed"),
        pytest.param("RUNNER.'a b'.c=", "", id="empty"),
        pytest.param(
            "JOB.mode=standalon",
            "--set JOB.mode=standalon: error[RUN116]: expected one of development, standalone, "
            'cluster, got "standalon" (did you mean `standalone`?)\n',
            id="wrong-value",
        ),
        pytest.param(
            "JOB.mod=standalone",
            "--set JOB.mod=standalone: error[RUN103]: unknown key `mod` in `[JOB]` "
            "(did you mean `mode`?)\n",
            id="unknown-key",
        ),
        pytest.param(
            "JOB.mode",
            '--set JOB.mode: error[RUN114]: "JOB.mode" sets no key '
            "(write it like JOB.mode=standalone)\n",
            id="no-value",
        ),
        pytest.param(
            "JOB..mode=x",
            '--set JOB..mode=x: error[RUN114]: "JOB..mode=x" sets no key '
            "(write it like JOB.mode=standalone)\n",
            id="no-key",
        ),
    ],
)
def test_overrides(cli: Any, files: Path, override: str, expected: str) -> None:
    ended = cli("check", "--format", "concise", "--set", override)
    assert (ended.code, ended.out) == (1 if expected else 0, expected)


def test_the_application_path(cli: Any, files: Path) -> None:
    (files / "app").mkdir()
    (files / "algos.py").rename(files / "app" / "algos.py")
    assert cli("check", "--application-path", "app").code == 0
    assert cli("check", "--format", "concise").out == (
        "runner.toml:6:12: error[RUN301]: no module `algos` "
        "(there is no algos.py in <folder>, and no such module is installed)\n"
    )
    ended = cli("check", "--application-path", "apq")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: invalid value for '--application-path': Directory 'apq' does not exist\n"
        "  = help: runner check --help tells what there is\n"
    )


@pytest.mark.parametrize(
    ("option", "name", "hint"),
    [
        pytest.param("--select", "RUN2001", "did you mean `RUN201`?", id="code"),
        pytest.param("--ignore", "unusd", "did you mean `unused`?", id="slug"),
    ],
)
def test_codes_that_there_are_not(cli: Any, files: Path, option: str, name: str, hint: str) -> None:
    ended = cli("check", option, f"RUN205,{name}")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == f"error: `{name}` is no code\n  = help: {hint}\n"


def test_a_secret_is_not_shown(cli: Any, write: Any) -> None:
    write(
        {
            "runner.toml": "[RUNNER]\ntoken = 'hunter2'\nx = {password = 'hunter2', y = '5:itn'}\n"
            "secret = 'hunter2:int'\ntokens = ['hunter2:itn']\n"
            "[DATA_NODE.d]\nstorage_type = 's3_object'\naws_access_key = ['hunter2']\n"
        }
    )
    for output in ("human", "concise", "json"):
        ended = cli("check", "--format", output, "--set", "RUNNER.z={secret='hunter2'}")
        assert "hunter2" not in ended.out + ended.err


def test_as_a_process(files: Path) -> None:
    """Nothing heavy is imported, nothing of the user's is, and a pipe gets no control character."""
    (files / "algos.py").write_text(f"print('imported')\n{ALGOS}", encoding="utf-8")
    heavy = "import sys; heavy = {'rich', 'cloudpickle', 'pandas', 'numpy', 'sqlite3', 'asyncio'}"
    code = (
        "from runner.cli.app import run\n"
        "code = run(['check', 'pipeline.toml'])\n"
        f"{heavy}\n"
        "print(sorted(heavy & set(sys.modules)), code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"},
    )
    assert ended.stdout.endswith("runner explain RUN201\n[] 1\n")
    assert all(character.isprintable() or character == "\n" for character in ended.stdout)
    assert ended.stderr == ""
