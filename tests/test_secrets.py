"""A run that fails leaves no secret behind, neither in what it prints nor in any file."""

from __future__ import annotations

import base64
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote, quote_plus

import attrs
import pytest
from services import HOST, PASSWORD, PORTS, database

PATIENCE: Final = 60.0
NODE: Final = """
[DATA_NODE.{id}]
storage_type = "{storage_type}"
db_engine = "{db_engine}"
db_name = "{db_name}"
db_host = "{host}"
db_port = {port}
db_username = "{user}"
db_password = "ENV[CANARY]"
{more}
"""
JOBS: Final = """
import os
import time

SECRET = os.environ["CANARY"]


def make():
    return [{"a": 1}]


def tell(rows):
    print("it is", SECRET)
    print(repr(SECRET), SECRET.encode(), flush=True)
    os.system(f"printf '%s\\\\n' \\"$CANARY\\" >&2")
    raise ValueError(f"cannot log in with {SECRET!r} or {SECRET}")


def tell_on(rows):
    for _ in range(600):
        print("it is", SECRET, flush=True)
        time.sleep(0.1)
        if os.path.exists("stop"):
            return


def tell_and_die(rows):
    print("it is", SECRET, flush=True)
    os._exit(3)


def build(value):
    return [("INSERT INTO t VALUES (:a)", {"a": SECRET + str(1 / 0)})]


def build_wrongly(value):
    return [("INSERT INTO nothing VALUES (:a)", {"a": SECRET})]
"""
QUERY: Final = 'read_query = "SELECT 1 AS a"\nwrite_query_builder = "jobs.{build}"'
TABLE: Final = 'table_name = "t"\nexposed_type = "records"'


def forms(secret: str) -> list[bytes]:
    """How it could be written by whatever has it."""
    data = secret.encode()
    return [
        data,
        quote(secret).encode(),
        quote(secret, safe="").encode(),
        quote_plus(secret).encode(),
        repr(secret)[1:-1].encode(),
        repr(data)[2:-1].encode(),
        json.dumps(secret)[1:-1].encode(),
        base64.b64encode(data),
        base64.urlsafe_b64encode(data),
    ]


@attrs.frozen
class Project:
    folder: Path
    server: dict[str, str | int]

    def node(self, id_: str, kind: str, more: str, **other: str | int) -> str:
        return NODE.format(id=id_, storage_type=kind, more=more, **{**self.server, **other})

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command line there; how it ended, and all that it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.folder,
            env={**os.environ, "CANARY": PASSWORD},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout

    def leaks(self, printed: str) -> list[str]:
        """Where the secret is."""
        texts = {"printed": printed.encode()}
        for file in self.folder.rglob("*"):
            if file.is_file():
                texts[str(file.relative_to(self.folder))] = file.read_bytes()
        assert len(texts) > 3, "the run has left files"
        return [
            name for name, text in texts.items() if any(form in text for form in forms(PASSWORD))
        ]


@pytest.fixture(params=["postgresql", "mysql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    engine = request.param
    with database(engine) as made:
        (tmp_path / "jobs.py").write_text(JOBS, encoding="utf-8")
        server = {
            "db_engine": engine,
            "db_name": made.name,
            "host": HOST,
            "port": PORTS[engine],
            "user": made.name,
        }
        made.run("CREATE TABLE t (a VARCHAR(3))")
        yield Project(tmp_path, server)


ONE_SERVER: Final = pytest.mark.parametrize("project", ["postgresql"], indirect=True)
"""Where it does not matter which."""
BOTH_MODES: Final = pytest.mark.parametrize("mode", ["development", "standalone"])


def task(function: str, inputs: str = "", outputs: str = "") -> str:
    ids = {"inputs": inputs.split(), "outputs": outputs.split()}
    return f'[TASK.failing]\nfunction = "jobs.{function}"\n' + "".join(
        f"{name} = {json.dumps(each)}\n" for name, each in ids.items() if each
    )


CASES: Final[dict[str, tuple[Callable[[Project], str], str]]] = {
    "read": (
        lambda made: (
            made.node("x", "sql", QUERY.format(build="build"), db_name="nothing_here")
            + task("tell", "x")
        ),
        "nothing_here",
    ),
    "connect": (
        lambda made: made.node("x", "sql", QUERY.format(build="build"), port=1) + task("tell", "x"),
        "Connection refused",
    ),
    "look": (
        lambda made: made.node("x", "sql_table", TABLE, port=1) + task("tell", "x"),
        "Connection refused",
    ),
    "argument": (
        lambda made: (
            made.node("x", "sql", f"{QUERY.format(build='build')}\ndb_extra_args = {{ odd = 1 }}")
            + task("tell", "x")
        ),
        "odd",
    ),
    "builder": (
        lambda made: made.node("y", "sql", QUERY.format(build="build")) + task("make", "", "y"),
        "division by zero",
    ),
    "statement": (
        lambda made: (
            made.node("y", "sql", QUERY.format(build="build_wrongly")) + task("make", "", "y")
        ),
        "nothing",
    ),
    "write": (
        lambda made: made.node("y", "sql_table", TABLE, port=1) + task("make", "", "y"),
        "Connection refused",
    ),
}


@BOTH_MODES
@pytest.mark.parametrize("case", CASES)
def test_a_run_that_fails_at_a_database(project: Project, case: str, mode: str) -> None:
    config, expected = CASES[case]
    (project.folder / "runner.toml").write_text(config(project), encoding="utf-8")

    code, printed = project.run("execute", "--mode", mode, "--full-traceback")

    assert code == 1
    assert expected in printed
    _, history = project.run("runs", "show")
    assert project.leaks(printed + history) == []


@ONE_SERVER
@BOTH_MODES
def test_a_task_that_tells_it(project: Project, mode: str) -> None:
    text = project.node("x", "sql", QUERY.format(build="build")) + task("tell", "x")
    if mode == "development":  # there another program prints where runner does, and past it
        jobs = "\n".join(line for line in JOBS.splitlines() if "os.system" not in line)
        (project.folder / "jobs.py").write_text(jobs, encoding="utf-8")
    (project.folder / "runner.toml").write_text(text, encoding="utf-8")

    code, printed = project.run("execute", "--mode", mode)

    assert code == 1
    assert "ValueError: cannot log in with '***' or ***" in printed
    printed += "".join(project.run(*each)[1] for each in (["logs"], ["runs", "show"], ["resume"]))
    assert project.leaks(printed) == []
    assert ("it is ******" if mode == "standalone" else "it is ***\n'***' b'***'\n") in printed


@ONE_SERVER
def test_what_is_shown_of_a_job_that_runs(project: Project) -> None:
    """It prints on until its text was shown."""
    text = project.node("x", "sql", QUERY.format(build="build")) + task("tell_on", "x")
    (project.folder / "runner.toml").write_text(text, encoding="utf-8")
    start = functools.partial(
        subprocess.Popen,
        cwd=project.folder,
        env={**os.environ, "CANARY": PASSWORD},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    runner = (sys.executable, "-m", "runner")
    with start([*runner, "execute", "--mode", "standalone", "--logs", "all"]) as run:
        assert run.stdout is not None
        shown = until(run.stdout, "it is ")
        with start([*runner, "logs", "--follow"]) as follow:
            assert follow.stdout is not None
            shown += until(follow.stdout, "it is ")
            (project.folder / "stop").touch()
            shown += run.stdout.read() + follow.stdout.read()

    assert run.returncode == 0
    assert "it is ***\n" in shown
    assert project.leaks(shown) == []


def until(stream: IO[str], text: str) -> str:
    """What comes, up to the line that says it."""
    told = ""
    while text not in told:
        line = stream.readline()
        assert line, told
        told += line
    return told


@ONE_SERVER
def test_a_job_that_prints_it_and_dies(project: Project) -> None:
    text = project.node("x", "sql", QUERY.format(build="build")) + task("tell_and_die", "x")
    (project.folder / "runner.toml").write_text(text, encoding="utf-8")

    code, printed = project.run("execute", "--mode", "standalone")

    assert code == 1
    assert "it is ******" in printed
    assert project.leaks(printed + project.run("logs")[1]) == []


@ONE_SERVER
@BOTH_MODES
def test_a_module_that_tells_it_when_it_is_imported(project: Project, mode: str) -> None:
    text = project.node("x", "sql", QUERY.format(build="build")) + task("tell", "x")
    (project.folder / "runner.toml").write_text(text, encoding="utf-8")
    jobs = JOBS + "\n\nraise ValueError('no ' + SECRET)\n"
    (project.folder / "jobs.py").write_text(jobs, encoding="utf-8")

    code, printed = project.run("execute", "--mode", mode)

    assert code == 3
    assert "ValueError: no ***" in printed
    assert project.leaks(printed) == []


@ONE_SERVER
@pytest.mark.parametrize(
    "arguments",
    [["check"], ["check", "--deep"], ["plan"], ["config", "show"], ["config", "export"]],
)
def test_what_is_told_before_a_run(project: Project, arguments: list[str]) -> None:
    text = project.node("x", "sql", QUERY.format(build="build")) + task("tell", "x")
    (project.folder / "runner.toml").write_text(text, encoding="utf-8")
    assert project.run("execute")[0] == 1

    code, printed = project.run(*arguments)

    assert code == 0
    assert PASSWORD not in printed
