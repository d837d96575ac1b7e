from __future__ import annotations

import os
import select
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Final

import attrs
import pytest

import runner
from runner.core import ENDED_SUBMISSION
from runner.execution.jobs import JobEnd
from runner.processes import started

PATIENCE: Final = 15.0
"""Seconds after which a test has failed, where it waits for what takes no time."""
MARK: Final = "RUNNER_TEST_MARK"


@attrs.frozen
class Processes:
    """The processes that a test has started, and whatever those have: they carry its mark."""

    mark: str

    def alive(self) -> list[int]:
        """Their pids; not those that have ended and are only waited for."""
        pids = (each.name for each in Path("/proc").iterdir())
        return [int(pid) for pid in pids if pid.isdigit() and self._are(pid)]

    def of(self, program: str) -> list[int]:
        """Those of them whose command line has this in it."""
        return [pid for pid in self.alive() if program in _read(f"/proc/{pid}/cmdline")]

    def ends(self, pid: int, within: float) -> bool:
        """Whether a process ends within so many seconds."""
        return _ended(pid, within)

    def gone(self, within: float) -> bool:
        """Whether all end within so many seconds."""
        until = monotonic() + within
        while alive := self.alive():
            left = until - monotonic()
            if left <= 0 or not _ended(alive[0], left):
                return False
        return True

    def _are(self, pid: str) -> bool:
        return f"{MARK}={self.mark}" in _read(f"/proc/{pid}/environ").split("\0")


def _left_in_memory() -> Iterator[Path]:
    """The folders of values of runners that do not live, and what is in those of this process."""
    for path in Path("/dev/shm").glob("runner-*-*-*"):
        _, _, pid, start, *_ = path.name.split("-")
        if int(pid) == os.getpid():
            yield from path.iterdir()
        elif started(int(pid)) != start:
            yield path


def _read(path: str) -> str:
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _ended(pid: int, within: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], within)[0])
    finally:
        os.close(descriptor)


@attrs.frozen
class Application:
    """A folder with a config and the modules that it names, in standalone mode."""

    folder: Path
    start_method: str

    def module(self, text: str, name: str = "jobs") -> None:
        (self.folder / f"{name}.py").write_text(text, encoding="utf-8")

    def config(self, text: str, workers: int = 2, overrides: Mapping[str, str] = {}) -> Any:
        path = self.folder / "pipeline.toml"
        path.write_text(text, encoding="utf-8")
        given = {
            "JOB.mode": "standalone",
            "JOB.start_method": self.start_method,
            "JOB.max_nb_of_workers": str(workers),
            **overrides,
        }
        return runner.Config.load(
            path, overrides=[f"{key}={value}" for key, value in given.items()]
        )

    def run(self, text: str, workers: int = 2, scenario: str = "default") -> runner.Submission:
        """Run a scenario to its end, and end all that was started."""
        with runner.Core(self.config(text, workers)) as core:
            submission = core.create_scenario(scenario).submit()
            status = submission.wait(PATIENCE)
            assert status in ENDED_SUBMISSION, "it hangs"  # raised here, so that it is canceled
        return submission

    def printed(self, job: JobEnd) -> str:
        """What a job printed."""
        if job.output is None:
            return ""
        data = (self.folder / ".runner" / "logs" / job.output.file).read_bytes()
        return data[job.output.start : job.output.end].decode(errors="replace")

    def lines(self, name: str = "ran.txt") -> list[str]:
        """The lines of a file that jobs append to."""
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def leftovers(self) -> list[str]:
        """Large values and temporary files that are still there."""
        values = self.folder / ".runner" / "values"
        left = [*self.folder.rglob("*.tmp"), *(values.iterdir() if values.exists() else ())]
        return [str(path) for path in (*left, *_left_in_memory())]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """What the test starts; none of it may be there when it ends."""
    found = Processes(uuid.uuid4().hex)
    monkeypatch.setenv(MARK, found.mark)
    yield found
    assert found.gone(PATIENCE)


@pytest.fixture(params=["spawn", "forkserver"])
def application(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    processes: Processes,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Application]:
    """An application, and each start method in turn."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Application(tmp_path, request.param)
    before = set(sys.modules)
    yield made
    new = {name: sys.modules[name] for name in set(sys.modules) - before}
    ours = [n for n, m in new.items() if str(getattr(m, "__file__", "")).startswith(str(tmp_path))]
    assert ours == [], "the orchestrating process imports no module of the user's"


Task = Callable[..., str]


def _task(name: str, function: str, *inputs: str, outputs: int = 1, more: str = "") -> str:
    """A task with outputs of its own, in memory: `NAME_0` and so on."""
    made = [f"{name}_{number}" for number in range(outputs)]
    nodes = "".join(f'[DATA_NODE.{each}]\nstorage_type = "in_memory"\n' for each in made)
    return (
        f'{nodes}[TASK.{name}]\nfunction = "{function}"\n'
        f"inputs = {[*inputs]}\noutputs = {made}\n{more}\n"
    )


def _given(name: str, value: object) -> str:
    """A data node in memory that has a value from the start."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return f'[DATA_NODE.{name}]\nstorage_type = "in_memory"\ndefault_data = {text}\n'


@pytest.fixture
def task() -> Task:
    return _task


@pytest.fixture
def given() -> Callable[[str, object], str]:
    return _given
