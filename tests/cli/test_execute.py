from __future__ import annotations

import json
import os
import pty
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

CONFIG = """\
[DATA_NODE.raw]
default_data = 20
[DATA_NODE.features]
[DATA_NODE.model]
[DATA_NODE.report]
[DATA_NODE.other]

[TASK.build]
function = "algos.build"
inputs = ["raw"]
outputs = ["features"]

[TASK.train]
function = "algos.train"
inputs = ["features"]
outputs = ["model"]

[TASK.publish]
function = "algos.publish"
inputs = ["model"]
outputs = ["report"]

[TASK.aside]
function = "algos.build"
inputs = ["raw"]
outputs = ["other"]
"""
ALGOS = """\
import os
import subprocess
import sys


def build(raw):
    return raw + 1


def train(features):
    return features * 2


def publish(model):
    return {"model": model}


def negative(features):
    rate = -features
    return checked(rate)


def checked(rate):
    raise ValueError(f"negative rate \\x1b[31m{rate}\\nand more")


def noisy(raw):
    print("print")
    sys.stdout.write("sys.stdout\\n")
    os.write(1, b"os.write\\n")
    subprocess.run(["echo", "subprocess"], check=True)
    return raw


def leaves(features):
    sys.exit(3)
"""
FAILING = ["--set", "TASK.train.function=algos.negative"]


@pytest.fixture
def files(write: Any) -> Path:
    folder: Path = write({"runner.toml": CONFIG, "algos.py": ALGOS})
    return folder


def test_human(cli: Any, files: Path) -> None:
    ended = cli("execute")
    assert ended.err == (
        """\
<clock> start  run <id> of default: 4 jobs, development
<clock> ok     build    <time>
<clock> ok     aside    <time>
<clock> ok     train    <time>
<clock> ok     publish  <time>
"""
    )
    assert ended.out == "Run <id> completed: 4 completed in <time>\n"
    assert ended.code == 0


def test_a_failed_job(cli: Any, files: Path) -> None:
    ended = cli("execute", *FAILING)
    # where Python puts carets differs from version to version
    lines = ended.err.splitlines(keepends=True)
    told = "".join(line for line in lines if line == "\n" or line.strip("^ \n"))
    assert told == (
        r"""<clock> start  run <id> of default: 4 jobs, development
<clock> ok     build    <time>
<clock> ok     aside    <time>
<clock> FAIL   train    <time>  ValueError: negative rate \x1b[31m-21 ...
<clock> skip   publish  abandoned: train failed

error[RUN601]: task `train` failed: ValueError: negative rate \x1b[31m-21 ...
  --> algos.py:24 in checked
   |
24 |     raise ValueError(f"negative rate \x1b[31m{rate}\nand more")
   |
Traceback (most recent call last):
  File "<folder>/algos.py", line 20, in negative
    return checked(rate)
  File "<folder>/algos.py", line 24, in checked
    raise ValueError(f"negative rate \x1b[31m{rate}\nand more")
ValueError: negative rate \x1b[31m-21
and more
  = resume: runner resume <id>  (2 of 4 jobs need not run again)

"""
    )
    assert ended.out == "Run <id> failed: 2 completed, 1 failed, 1 abandoned in <time>\n"
    assert ended.code == 1


def test_the_frames_of_runner_on_request(cli: Any, files: Path) -> None:
    told = cli("execute", *FAILING, "-q").err
    assert "runner/execution" not in told
    assert "runner/execution" in cli("execute", *FAILING, "-q", "--full-traceback").err


def test_fail_fast(cli: Any, files: Path) -> None:
    options = ["--fail-fast", "--set", "TASK.build.function=algos.negative"]
    ended = cli("execute", *options)
    assert ended.err.splitlines()[1:4] == [
        r"<clock> FAIL   build    <time>  ValueError: negative rate \x1b[31m-20 ...",
        "<clock> skip   train    abandoned: build failed",
        "<clock> skip   publish  abandoned: build failed",
    ]
    assert ended.out == "Run <id> failed: 1 failed, 1 canceled, 2 abandoned in <time>\n"
    assert ended.code == 1


def test_retries(cli: Any, files: Path) -> None:
    ended = cli(
        "execute",
        "--task",
        "build",
        "--set",
        "TASK.build.retries=2",
        "--set",
        "TASK.build.function=algos.negative",
    )
    error = r"ValueError: negative rate \x1b[31m-20 ..."
    assert ended.err.splitlines()[1:4] == [
        f"<clock> retry  build  {error} (attempt 1 of 3)",
        f"<clock> retry  build  {error} (attempt 2 of 3)",
        f"<clock> FAIL   build  <time>  {error} (attempt 3 of 3)",
    ]


def test_quiet(cli: Any, files: Path) -> None:
    ended = cli("execute", "-q")
    assert (ended.out, ended.err) == ("Run <id> completed: 4 completed in <time>\n", "")


def test_verbose(cli: Any, files: Path) -> None:
    ended = cli("execute", "-v", "--task", "build")
    assert ended.err == (
        """\
application path <folder>
read runner.toml
<clock> start  run <id> of default: 1 job, development
<clock> run    build
<clock> ok     build  <time>
"""
    )


def test_a_task_that_exits_fails(cli: Any, files: Path) -> None:
    ended = cli("execute", "-q", "--set", "TASK.train.function=algos.leaves")
    assert ended.err.startswith("\nerror[RUN601]: task `train` failed: SystemExit: 3\n")
    assert ended.code == 1


def test_json(cli: Any, files: Path) -> None:
    ended = cli("execute", "--format", "json", "--name", "june", *FAILING)
    document = json.loads(ended.out)
    train = document["jobs"][2]
    trace = train["failure"].pop("traceback")
    assert trace.startswith('Traceback (most recent call last):\n  File "<folder>/algos.py"')
    assert document == {
        "format": "runner.run",
        "version": 1,
        "run": "<id>",
        "scenario": "default",
        "name": "june",
        "status": "FAILED",
        "seconds": "<time>",
        "jobs": [
            {
                "task": "build",
                "status": "COMPLETED",
                "attempts": 1,
                "seconds": "<time>",
                "worker": None,
                "failure": None,
            },
            {
                "task": "aside",
                "status": "COMPLETED",
                "attempts": 1,
                "seconds": "<time>",
                "worker": None,
                "failure": None,
            },
            {
                "task": "train",
                "status": "FAILED",
                "attempts": 1,
                "seconds": "<time>",
                "worker": None,
                "failure": {
                    "code": "RUN601",
                    "type": "ValueError",
                    "message": "negative rate \x1b[31m-21 ...",
                },
            },
            {
                "task": "publish",
                "status": "ABANDONED",
                "attempts": 0,
                "seconds": None,
                "worker": None,
                "failure": {
                    "code": "RUN608",
                    "type": "",
                    "message": "train failed",
                    "traceback": "",
                },
            },
        ],
    }
    assert ended.code == 1


@pytest.mark.parametrize("output", ["human", "json"])
def test_what_tasks_print_is_no_answer(cli: Any, files: Path, output: str) -> None:
    noisy = ["--set", "TASK.build.function=algos.noisy", "--task", "build"]
    ended = cli("execute", "-q", "--format", output, *noisy)
    assert sorted(ended.err.split()) == ["os.write", "print", "subprocess", "sys.stdout"]
    if output == "json":
        assert json.loads(ended.out)["status"] == "COMPLETED"
    else:
        assert ended.out == "Run <id> completed: 1 completed in <time>\n"


def test_several_scenarios(cli: Any, files: Path, write: Any) -> None:
    write({"more.toml": "[SCENARIO.a]\ntasks = ['build']\n[SCENARIO.b]\ntasks = ['aside']\n"})
    arguments = ["execute", "runner.toml", "more.toml", "-q"]
    ended = cli(*arguments, "-s", "b", "-s", "a")
    assert ended.out == "Run <id> completed: 1 completed in <time>\n" * 2
    document = json.loads(cli(*arguments, "--all", "--format", "json").out)
    assert (document["format"], document["version"]) == ("runner.runs", 1)
    assert [run["scenario"] for run in document["runs"]] == ["a", "b"]


def test_a_second_run_finds_the_data_of_the_first(cli: Any, files: Path) -> None:
    assert cli("execute", "--task", "build").code == 0
    assert cli("execute", "--task", "train").code == 0
    ended = cli("execute", "--task", "train", "--name", "other")
    assert ended.code == 3


@pytest.mark.parametrize("output", ["human", "json"])
@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        pytest.param(
            ["--set", "TASK.build.inputs=['rwa']"],
            3,
            "error[RUN201]: unknown data node `rwa`\n",
            id="wrong-config",
        ),
        pytest.param(
            ["--set", "TASK.train.function=broken.f"],
            3,
            "\nerror[RUN301]: `broken.f` cannot be imported: ValueError: of the user\n"
            " --> broken.py:4 in raises\n",
            id="import-fails",
        ),
        pytest.param(
            ["--set", "TASK.train.function=missing.f"],
            3,
            "\nerror[RUN301]: `missing.f` cannot be imported: "
            "ModuleNotFoundError: No module named 'not_installed_at_all'\n"
            " --> missing.py:1 in <module>\n",
            id="import-misses",
        ),
        pytest.param(
            ["--task", "train"],
            3,
            "error[RUN206]: `features` has no value\n  --> runner.toml:15:11\n",
            id="no-value",
        ),
        pytest.param(
            ["--set", "DATA_NODE.file.path=gone.p", "--set", "TASK.build.inputs=['file']"],
            3,
            "error[RUN404]: no file <folder>/gone.p\n  --> --set DATA_NODE.file.path=gone.p\n",
            id="no-file",
        ),
        pytest.param(
            ["--set", "CORE.storage_folder=runner.toml"],
            4,
            "error[RUN508]: storage folder: <folder>/runner.toml cannot be used: File exists\n",
            id="storage-folder-is-a-file",
        ),
        pytest.param(
            ["--set", "CORE.storage_folder=/proc/nothing"],
            4,
            "error[RUN508]: storage folder: /proc/nothing cannot be used: "
            "No such file or directory\n",
            id="storage-folder-cannot-be-made",
        ),
    ],
)
def test_nothing_runs(
    cli: Any, files: Path, write: Any, options: list[str], code: int, message: str, output: str
) -> None:
    write(
        {
            "algos.py": ALGOS.replace("    return raw + 1\n", "    open('ran', 'w').close()\n"),
            "broken.py": "def f(features): ...\n\ndef raises():\n"
            "    raise ValueError('of the user')\n\nraises()\n",
            "missing.py": "import not_installed_at_all\ndef f(features): ...\n",
        }
    )
    ended = cli("execute", "-q", "--format", output, *options)
    assert ended.code == code
    assert ended.err.startswith(message)
    assert ended.out == ""
    assert not (files / "ran").exists()


def test_what_does_not_run_is_named(cli: Any, files: Path, write: Any) -> None:
    write({"more.toml": "[SCENARIO.a]\ntasks = ['build']\n[SCENARIO.b]\ntasks = ['publish']\n"})
    ended = cli("execute", "runner.toml", "more.toml", "-q", "--all")
    assert (ended.code, ended.out) == (3, "Run <id> completed: 1 completed in <time>\n")
    assert ended.err.endswith("\nerror: nothing of b ran\n")


SIGNALED = """\
[DATA_NODE.raw]
default_data = 1
[DATA_NODE.a]
[DATA_NODE.b]
[TASK.first]
function = "stopped.once"
inputs = ["raw"]
outputs = ["a"]
[TASK.second]
function = "stopped.never"
inputs = ["a"]
outputs = ["b"]
"""
STOPPED = """\
import os
import signal


def once(raw):
    # its own process: a signal from elsewhere may come just before a call that blocks
    os.kill(os.getpid(), signal.SIGINT)
    return raw


def twice(raw):
    once(raw)
    return once(raw)


def terminated(raw):
    os.kill(os.getpid(), signal.SIGTERM)
    return raw


def never(a):
    return a
"""
STOPPING = "\nstopping: what runs may finish; once more to end it now\n"


@pytest.fixture
def stopped(write: Any) -> Path:
    folder: Path = write({"runner.toml": SIGNALED, "stopped.py": STOPPED})
    return folder


def recorded(folder: Path) -> tuple[list[tuple[str]], list[tuple[str, str]]]:
    """What the store says of runs and of their jobs."""
    with closing(sqlite3.connect(folder / ".runner" / "runner.db")) as connection:
        runs = connection.execute("SELECT status FROM runs").fetchall()
        jobs = connection.execute("SELECT task, status FROM jobs ORDER BY task").fetchall()
    return runs, jobs


@pytest.mark.parametrize(("function", "code"), [("once", 130), ("terminated", 143)])
def test_a_signal_lets_running_jobs_finish(
    cli: Any, stopped: Path, function: str, code: int
) -> None:
    ended = cli("execute", "--set", f"TASK.first.function=stopped.{function}")
    assert ended.code == code
    assert ended.out == "Run <id> was stopped: 1 completed, 1 canceled in <time>\n"
    assert ended.err == (
        f"<clock> start  run <id> of default: 2 jobs, development\n{STOPPING}"
        "<clock> ok     first   <time>\n"
        "<clock> stop   second  canceled: the run was stopped\n"
        "  = resume: runner resume <id>  (1 of 2 jobs need not run again)\n\n"
    )
    assert recorded(stopped) == ([("CANCELED",)], [("first", "COMPLETED"), ("second", "CANCELED")])


def test_a_second_signal_ends_running_jobs(cli: Any, stopped: Path) -> None:
    twice = ["--set", "TASK.first.function=stopped.twice"]
    ended = cli("execute", "-q", "--format", "json", *twice)
    assert (ended.code, ended.err) == (130, STOPPING)
    document = json.loads(ended.out)
    assert document["status"] == "CANCELED"
    assert [job["status"] for job in document["jobs"]] == ["CANCELED", "CANCELED"]
    assert recorded(stopped) == ([("CANCELED",)], [("first", "CANCELED"), ("second", "CANCELED")])


def test_a_signal_while_functions_are_imported(cli: Any, stopped: Path) -> None:
    (stopped / "stopped.py").write_text(f"{STOPPED}\n\nonce(1)\n", encoding="utf-8")
    ended = cli("execute", "-q")
    assert (ended.code, ended.err) == (130, STOPPING)
    assert ended.out == "Run <id> was stopped: 2 canceled in <time>\n"
    assert recorded(stopped) == ([("CANCELED",)], [("first", "CANCELED"), ("second", "CANCELED")])


def test_a_second_signal_while_functions_are_imported(cli: Any, stopped: Path) -> None:
    (stopped / "stopped.py").write_text(f"{STOPPED}\n\ntwice(1)\n", encoding="utf-8")
    ended = cli("execute", "-q")
    assert (ended.code, ended.out) == (130, "")
    assert recorded(stopped) == ([], [])


def test_no_scenario_follows_a_signal(cli: Any, stopped: Path, write: Any) -> None:
    write({"more.toml": "[SCENARIO.r]\ntasks = ['first']\n[SCENARIO.s]\ntasks = ['first']\n"})
    ended = cli("execute", "runner.toml", "more.toml", "-q", "--all")
    assert (ended.code, ended.out) == (130, "Run <id> completed: 1 completed in <time>\n")


def process(*options: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Execute in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "runner", "execute", *options],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        **more,
    )


@pytest.mark.parametrize(("function", "code"), [("twice", 130), ("terminated", 143)])
def test_how_a_stopped_process_ends(stopped: Path, function: str, code: int) -> None:
    assert process("--set", f"TASK.first.function=stopped.{function}").returncode == code


def test_a_debugger_opens_where_a_task_raises(files: Path) -> None:
    commands = "p 'rate', rate\nup\np 'features', features\nq\n"
    ended = process("--pdb", "-q", *FAILING, input=commands)
    assert ended.returncode == 1
    assert "-> raise ValueError(f" in ended.stdout
    assert "(Pdb) ('rate', -21)\n" in ended.stdout
    assert "(Pdb) ('features', 21)\n" in ended.stdout
    assert " failed: 2 completed, 1 failed, 1 abandoned in " in ended.stdout
    assert "runner/execution" not in ended.stderr


def test_a_bar_on_a_terminal(files: Path) -> None:
    """It shows the jobs that did not go well above itself, and is gone in the end."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "execute", *FAILING],
        stdout=end,
        stderr=end,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(end)
    told = b""
    while chunk := read_terminal(terminal):
        told += chunk
    os.close(terminal)
    assert process.wait(60) == 1
    text = told.decode()
    assert "4/4" in text
    assert "abandoned: train failed" in text
    assert text.endswith("\x1b[0m: 2 completed, 1 failed, 1 abandoned in " + text.split(" in ")[-1])
    assert text.rindex("4/4") < text.rindex("\x1b[2K") < text.index("error[RUN601]")


def read_terminal(descriptor: int) -> bytes:
    """What there is; nothing once the other side is closed, which Linux tells as an error."""
    try:
        return os.read(descriptor, 1024)
    except OSError:
        return b""


def test_jsonl_has_an_event_a_line(cli: Any, write: Any) -> None:
    write(
        {
            "f.py": "def fine(x):\n    print('noise')\n    return x\n"
            "def bad(x):\n    return 1 / 0\n",
            "p.toml": "[DATA_NODE.a]\ndefault_data = 1\n[DATA_NODE.b]\n[DATA_NODE.c]\n"
            '[TASK.one]\nfunction = "f.fine"\ninputs = ["a"]\noutputs = ["b"]\n'
            '[TASK.two]\nfunction = "f.bad"\ninputs = ["b"]\noutputs = ["c"]\nretries = 1\n',
        }
    )
    schema = Path(__file__).parents[2] / "schemas" / "events.schema.json"
    validator = Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))

    ended = subprocess.run(
        [sys.executable, "-m", "runner", "execute", "p.toml", "--format", "jsonl"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 1
    assert lines[0] == {"format": "runner.events", "version": 1}
    assert [(line["event"], line.get("task")) for line in lines[1:]] == [
        ("run_started", None),
        ("job_started", "one"),
        ("job_ended", "one"),
        ("job_started", "two"),
        ("job_retrying", "two"),
        ("job_started", "two"),
        ("job_ended", "two"),
        ("run_ended", None),
    ]
    assert lines[-1]["status"] == "FAILED"
    assert [list(validator.iter_errors(line)) for line in lines] == [[]] * len(lines)
