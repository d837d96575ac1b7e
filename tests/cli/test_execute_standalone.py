from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, Final

import attrs
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it rests on subreapers")

PATIENCE: Final = 15.0
MARK: Final = "RUNNER_TEST_MARK"
JOBS: Final = '''
import os, time
from pathlib import Path

HERE = Path(__file__).parent


def note(name):
    with open(HERE / "ran.txt", "a") as file:
        file.write(f"{name}\\n")
    descriptor = os.open(HERE / "begun", os.O_WRONLY)
    os.write(descriptor, f"{name}\\n".encode())
    os.close(descriptor)


def waits(name):
    """Until a file is there."""
    note(name)
    while not (HERE / "go").exists():
        time.sleep(0.002)
    return name


def prints(name):
    print(f"{name} says so")
    return name


def says_and_waits(name):
    print(f"{name} says so")
    return waits(name)


def fails(name):
    print(f"{name} is about to fail")
    raise ValueError(f"no {name}")


def dies(name):
    print(f"{name} is about to die")
    os._exit(3)
'''


def config_of(*tasks: str, mode: str = "standalone", more: str = "") -> str:
    """Tasks like `NAME function`, each with an input of its own, which is its name."""
    text = f'[JOB]\nmode = "{mode}"\n{more}\n'
    for task in tasks:
        name, function, *needs = task.split()
        needs = [f"{each}_out" for each in needs] or [f"{name}_in"]
        text += (
            f'[DATA_NODE.{name}_in]\nstorage_type = "in_memory"\ndefault_data = "{name}"\n'
            f'[DATA_NODE.{name}_out]\nstorage_type = "in_memory"\n'
            f'[TASK.{name}]\nfunction = "jobs.{function}"\n'
            f'inputs = {needs}\noutputs = ["{name}_out"]\n'
        )
    return text


@attrs.frozen
class Application:
    """A folder with a config, whose jobs tell as they begin."""

    folder: Path
    pipe: int
    mark: str
    lines: list[str] = attrs.field(factory=list)

    def write(self, text: str) -> None:
        (self.folder / "runner.toml").write_text(text, encoding="utf-8")

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "runner", *arguments]
        return subprocess.Popen(
            command, cwd=self.folder, text=True, **{
                "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options
            },
        )  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as started:
            out, err = started.communicate(timeout=PATIENCE)
        return started.returncode, out, err

    def begun(self, count: int) -> list[str]:
        """The names of so many jobs, when they have begun."""
        while len(self.lines) < count:
            assert select.select([self.pipe], [], [], PATIENCE)[0], f"only {self.lines} have begun"
            self.lines.extend(os.read(self.pipe, 4096).decode().splitlines())
        return sorted(self.lines)

    def go(self) -> None:
        """Let those that wait end."""
        (self.folder / "go").touch()

    def ran(self) -> list[str]:
        return sorted((self.folder / "ran.txt").read_text().splitlines())

    def recorded(self) -> dict[str, str]:
        """What the last run came to, and its jobs."""
        with closing(sqlite3.connect(self.folder / ".runner" / "runner.db")) as connection:
            ((run, status),) = connection.execute("SELECT id, status FROM runs").fetchall()
            jobs = connection.execute("SELECT task, status FROM jobs WHERE run = ?", (run,))
            return {"run": status, **dict(jobs)}

    def run_id(self) -> str:
        with closing(sqlite3.connect(self.folder / ".runner" / "runner.db")) as connection:
            ((run,),) = connection.execute("SELECT id FROM runs").fetchall()
            return str(run)

    def processes(self) -> list[int]:
        """What was started and lives."""
        found = []
        for pid in filter(str.isdigit, (each.name for each in Path("/proc").iterdir())):
            with contextlib.suppress(OSError):
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if f"{MARK}={self.mark}".encode() in environ:
                    found.append(int(pid))
        return found

    def leftovers(self) -> list[Path]:
        values = self.folder / ".runner" / "values"
        return [*self.folder.rglob("*.tmp"), *(values.iterdir() if values.exists() else ())]


@pytest.fixture
def application(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    """Nothing of it may live or be left when the test ends."""
    (folder / "jobs.py").write_text(JOBS, encoding="utf-8")
    os.mkfifo(folder / "begun")
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    pipe = os.open(folder / "begun", os.O_RDWR | os.O_CLOEXEC)
    made = Application(folder, pipe, mark)
    yield made
    os.close(pipe)
    assert gone(made.processes, PATIENCE)
    assert made.leftovers() == []


def gone(processes: Callable[[], Sequence[int]], within: float) -> bool:
    until = monotonic() + within
    while alive := processes():
        left = until - monotonic()
        try:
            descriptor = os.pidfd_open(alive[0])
        except ProcessLookupError:
            continue
        try:
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                return False
        finally:
            os.close(descriptor)
    return True


STOPPING: Final = "stopping: what runs may finish; once more to end it now"
FOUR: Final = ("a waits", "b waits", "c waits", "d waits c")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="ctrl-c"),
        pytest.param(signal.SIGTERM, 143, id="sigterm"),
    ],
)
def test_a_first_signal_lets_jobs_finish(application: Application, number: int, code: int) -> None:
    application.write(config_of(*FOUR))
    with application.start("execute") as started:
        application.begun(2)
        started.send_signal(number)
        assert read_until(started, STOPPING)
        application.go()
        out, _ = started.communicate(timeout=PATIENCE)

    assert started.returncode == code
    assert "2 completed, 2 canceled" in out
    assert application.ran() == ["a", "b"]
    assert application.recorded() == {
        "run": "CANCELED", "a": "COMPLETED", "b": "COMPLETED", "c": "CANCELED", "d": "CANCELED"
    }  # fmt: skip


def read_until(started: subprocess.Popen[str], text: str) -> bool:
    """Whether a line of stderr says it; it is left where it ends."""
    assert started.stderr is not None
    return any(text in line for line in iter(started.stderr.readline, ""))


def test_a_second_signal_ends_jobs(application: Application) -> None:
    application.write(config_of(*FOUR))
    with application.start("execute") as started:
        application.begun(2)
        started.send_signal(signal.SIGINT)
        assert read_until(started, STOPPING)
        started.send_signal(signal.SIGINT)
        assert gone(application.processes, 2.0)
        started.communicate(timeout=PATIENCE)

    assert started.returncode == 130
    assert application.recorded() == dict.fromkeys(["run", "a", "b", "c"], "CANCELED") | {
        "d": "CANCELED"
    }


def test_ctrl_c_at_a_terminal_reaches_no_job(application: Application) -> None:
    """The terminal sends it to the whole group in front, of which workers are none."""
    application.write(config_of(*FOUR))
    main, terminal = pty.openpty()
    try:
        with application.start(
            "execute", stdin=terminal, stdout=terminal, stderr=terminal,
            start_new_session=True, preexec_fn=lambda: take_terminal(terminal),
        ) as started:  # fmt: skip
            application.begun(2)
            os.write(main, b"\x03")
            shown = shown_until(main, STOPPING)
            application.go()
            shown += shown_until(main, "Run ")
            started.wait(PATIENCE)
    finally:
        os.close(main)
        os.close(terminal)

    assert started.returncode == 130
    assert application.recorded()["a"] == application.recorded()["b"] == "COMPLETED"


def take_terminal(terminal: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def shown_until(main: int, text: str) -> str:
    shown = ""
    while text not in shown:
        assert select.select([main], [], [], PATIENCE)[0], shown
        shown += os.read(main, 65536).decode(errors="replace")
    return shown


def test_a_time_limit_of_the_whole(application: Application) -> None:
    application.write(config_of(*FOUR))

    code, out, err = application.run("execute", "--timeout", "3s")  # the workers start meanwhile

    assert code == 124
    assert "--timeout: 3 s are over, what runs is ended" in err
    assert "4 canceled" in out
    assert set(application.recorded().values()) == {"CANCELED"}


def test_canceling_a_run_from_another_terminal(application: Application) -> None:
    application.write(config_of(*FOUR))
    with application.start("execute") as started:
        application.begun(2)
        run = application.run_id()
        code, out, err = application.run("cancel", run)
        started.communicate(timeout=PATIENCE)

    assert (code, out, err) == (0, f"asked run {run} to stop\n", "")
    assert started.returncode == 1
    assert set(application.recorded().values()) == {"CANCELED"}


@pytest.mark.parametrize(
    ("task", "after"),
    [
        pytest.param("a", {"a": "CANCELED", "c": "COMPLETED", "d": "COMPLETED"}, id="running"),
        pytest.param("c", {"a": "COMPLETED", "c": "CANCELED", "d": "ABANDONED"}, id="waiting"),
    ],
)
def test_canceling_a_job_from_another_terminal(
    application: Application, task: str, after: dict[str, str]
) -> None:
    application.write(config_of(*FOUR))
    with application.start("execute") as started:
        application.begun(2)
        assert application.run("cancel", application.run_id(), task)[0] == 0
        assert read_until(started, f" {task} ")
        application.go()
        started.communicate(timeout=PATIENCE)

    recorded = application.recorded()
    assert {name: recorded[name] for name in after} == after
    assert recorded["b"] == "COMPLETED"


@pytest.mark.parametrize(
    ("workers", "arguments", "at_once"),
    [
        pytest.param("max_nb_of_workers = 3", ["-j", "1"], 1, id="j-1"),
        pytest.param("max_nb_of_workers = 3", [], 3, id="config"),
        pytest.param("nb_of_workers = 3", [], 3, id="older-name"),
        pytest.param('max_nb_of_workers = "3:int"', [], 3, id="typed"),
        pytest.param('max_nb_of_workers = "ENV[N]:int"', [], 3, id="environment"),
        pytest.param("", [], 2, id="default"),
        pytest.param("", ["-j", "auto"], len(os.sched_getaffinity(0)), id="auto"),
    ],
)
def test_how_many_jobs_run_at_once(
    application: Application,
    monkeypatch: pytest.MonkeyPatch,
    workers: str,
    arguments: list[str],
    at_once: int,
) -> None:
    monkeypatch.setenv("N", "3")
    names = [f"t{number}" for number in range(at_once + 1)]
    application.write(config_of(*(f"{name} waits" for name in names), more=workers))
    with application.start("execute", *arguments) as started:
        application.begun(at_once)
        started.send_signal(signal.SIGINT)  # so that no other one is begun
        assert read_until(started, STOPPING)
        application.go()
        started.communicate(timeout=PATIENCE)

    assert len(application.ran()) == at_once


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["-j", "0"], 2, "-j", id="no-worker"),
        pytest.param(["-j", "many"], 2, "-j", id="no-number"),
        pytest.param(["--pdb"], 2, "--pdb needs the mode `development`", id="pdb"),
        pytest.param(["--set", "JOB.max_nb_of_workers=ENV[NOT_SET]:int"], 3, "RUN111", id="env"),
    ],
)
def test_what_is_refused(
    application: Application, arguments: list[str], code: int, said: str
) -> None:
    application.write(config_of("a prints"))

    ended = application.run("execute", *arguments)

    assert ended[0] == code
    assert said in ended[2]
    assert not (application.folder / ".runner" / "runner.db").exists()


def test_the_older_name_is_told_of(application: Application) -> None:
    application.write(config_of("a prints", more="nb_of_workers = 1"))

    code, out, _ = application.run("check", "--format", "concise")

    assert code == 0
    assert "RUN119" in out


@pytest.mark.parametrize(
    ("logs", "shown"),
    [
        pytest.param([], {"b is about to fail", "c is about to die"}, id="default"),
        pytest.param(
            ["--logs", "failed"], {"b is about to fail", "c is about to die"}, id="failed"
        ),
        pytest.param(["--logs", "none"], set(), id="none"),
        pytest.param(
            ["--logs", "all"],
            {"a | a says so", "b | b is about to fail", "c | c is about to die"},
            id="all",
        ),
    ],
)
def test_whose_output_is_shown(application: Application, logs: list[str], shown: set[str]) -> None:
    application.write(config_of("a prints", "b fails", "c dies"))

    code, out, err = application.run("execute", *logs)

    assert code == 1
    lines = {line.strip().removeprefix("|").strip() for line in err.splitlines()}
    printed = {line for line in lines if "about to" in line or "says so" in line}
    assert printed == shown
    assert "its worker exited with code 3" in err
    assert "says so" not in out


def test_what_a_running_job_prints_is_shown_meanwhile(application: Application) -> None:
    application.write(config_of("a says_and_waits"))
    with application.start("execute", "--logs", "all") as started:
        assert read_until(started, "a | a says so")
        application.go()
        _, err = started.communicate(timeout=PATIENCE)

    assert started.returncode == 0
    assert "says so" not in err


def test_a_module_that_raises_is_told_of_once(application: Application) -> None:
    (application.folder / "jobs.py").write_text("raise ValueError('not today')\ndef f(x): ...\n")
    application.write(config_of("a f", "b f"))

    code, _, err = application.run("execute")

    assert code == 3
    assert err.count("ValueError: not today") == 1
    assert "RUN301" in err
    assert "/execution/" not in err  # none of our frames


def test_all_scenarios_run_at_once(application: Application) -> None:
    text = config_of("a waits", "b waits")
    text += '[SCENARIO.one]\ntasks = ["a"]\n[SCENARIO.two]\ntasks = ["b"]\n'
    application.write(text)
    with application.start("execute", "--all", "--format", "json") as started:
        assert application.begun(2) == ["a", "b"]
        application.go()
        out, _ = started.communicate(timeout=PATIENCE)

    assert started.returncode == 0
    found = json.loads(out)
    runs = found.get("runs", [found])
    assert [run["status"] for run in runs] == ["COMPLETED"] * len(runs)


def test_a_signal_in_development_mode_lets_the_job_finish(application: Application) -> None:
    application.write(config_of("a waits", "b waits", mode="development"))
    with application.start("execute") as started:
        application.begun(1)
        started.send_signal(signal.SIGINT)
        assert read_until(started, STOPPING)
        application.go()
        started.communicate(timeout=PATIENCE)

    assert started.returncode == 130
    assert application.recorded() == {"run": "CANCELED", "a": "COMPLETED", "b": "CANCELED"}


def test_a_second_signal_in_development_mode_ends_the_job(application: Application) -> None:
    application.write(config_of("a waits", "b waits", mode="development"))
    with application.start("execute") as started:
        application.begun(1)
        started.send_signal(signal.SIGINT)
        assert read_until(started, STOPPING)
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=PATIENCE)

    assert started.returncode == 130
    assert set(application.recorded().values()) == {"CANCELED"}


def test_a_time_limit_of_the_whole_in_development_mode(application: Application) -> None:
    application.write(config_of("a waits", "b waits", mode="development"))

    code, _, err = application.run("execute", "--timeout", "1s")

    assert code == 124
    assert "--timeout: 1 s are over, what runs is ended" in err
    assert set(application.recorded().values()) == {"CANCELED"}


@pytest.mark.parametrize("mode", ["development", "standalone"])
def test_a_time_limit_of_modules_that_take_too_long(application: Application, mode: str) -> None:
    application.write(config_of("a waits", mode=mode))
    with (application.folder / "jobs.py").open("a") as module:
        module.write("\ntime.sleep(600)\n")

    code, _, err = application.run("execute", "--timeout", "1s")

    assert (code, err) == (124, "\n--timeout: 1 s are over, what runs is ended\n")
    assert gone(application.processes, 2.0)


@pytest.mark.parametrize("again", range(6))
def test_a_signal_at_any_moment(application: Application, again: int) -> None:
    """As they come while workers start, while the config is checked, while jobs run."""
    application.write(config_of(*FOUR))
    with application.start("execute") as started:
        until = monotonic() + 0.08 * again
        select.select([], [], [], max(until - monotonic(), 0))
        started.send_signal(signal.SIGINT)
        application.go()
        _, err = started.communicate(timeout=PATIENCE)
    assert started.returncode in {130, -signal.SIGINT}  # Python itself has no handler at first
    assert started.returncode < 0 or "Traceback" not in err
    assert gone(application.processes, 2.0)
