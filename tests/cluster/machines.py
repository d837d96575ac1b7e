"""A pipeline, a run of it in cluster mode, and workers, as processes that can be disturbed.

Each job notes that it was called, and each commit of its outputs adds a line to a log. A job can be
held: it then waits at a gate, a FIFO of its task and its worker, until it is let go.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any, Final, NamedTuple, TypeAlias

import attrs

PATIENCE: Final = 40
"""Seconds after which a test does not wait any more."""
LEASE: Final = 2
KEY: Final = "c4nary-key-" + "k" * 32

STEPS: Final = '''\
import hashlib
import json
import os
import stat
import time
from pathlib import Path

HERE = Path(__file__).parent
WORKER = os.environ.get("RUNNER_TEST_WORKER", "")


def note(folder, name):
    """Add who does something, and when."""
    text = f"{WORKER} {os.getpid()} {time.monotonic()}"
    descriptor = os.open(HERE / folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{text}\\n".encode())
    os.close(descriptor)


def step(task, *inputs):
    """A text that depends on the inputs alone, and the task for the log of commits."""
    note("ran", task)
    print(f"{task} is at work")
    gate = HERE / "gates" / f"{task}.{WORKER}"
    if gate.exists() and stat.S_ISFIFO(gate.stat().st_mode):
        gate.read_bytes()
    seed = hashlib.sha256((task + json.dumps(inputs)).encode())
    return seed.hexdigest(), task


def append(value, task):
    note("commits", task)


def last(task):
    return task
'''


@attrs.frozen
class Task:
    """A task of the pipeline, and of which others it reads the outputs."""

    id: str
    inputs: tuple[str, ...] = ()


def chain(length: int) -> list[Task]:
    return [Task(f"t{each}", (f"t{each - 1}",) if each else ()) for each in range(length)]


def wide(count: int) -> list[Task]:
    return [Task(f"t{each}") for each in range(count)]


def layers(count: int, width: int) -> list[Task]:
    """Each reads two of those above it."""
    tasks = []
    for number in range(count):
        layer, column = divmod(number, width)
        above = {f"t{(layer - 1) * width + (column + each) % width}" for each in (0, 1)}
        tasks.append(Task(f"t{number}", tuple(sorted(above)) if layer else ()))
    return tasks


@contextmanager
def within(seconds: float = PATIENCE) -> Iterator[None]:
    """Raise TimeoutError where it takes longer. For the main thread."""

    def raise_(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"nothing has happened for {seconds} s")

    before = signal.signal(signal.SIGALRM, raise_)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Noted(NamedTuple):
    """Something that a job did: by which worker, in which process, and when."""

    worker: str
    process: int
    when: float


@attrs.define(eq=False)
class Command:
    """A process of the command line.

    Attributes:
        process: it; its output is one stream.
        said: lines of that, as far as they were read.
        reader: the thread that reads on.
    """

    process: subprocess.Popen[str]
    said: list[str] = attrs.field(factory=list)
    reader: Thread | None = None

    def expect(self, text: str) -> str:
        """The next line that has that in it."""
        assert self.process.stdout is not None, "it is piped"
        with within():
            for line in self.process.stdout:
                self.said.append(line)
                if text in line:
                    return line
        raise AssertionError(f"it did not say {text!r}:\n{self.text}")

    def end(self) -> int:
        """Its exit code, when it has ended."""
        try:
            with within():
                assert self.process.stdout is not None, "it is piped"
                self.said += self.process.stdout
                return self.process.wait()
        except TimeoutError:
            raise AssertionError(f"it does not end:\n{self.text}") from None

    def still_runs(self, seconds: float) -> bool:
        """Whether it has not ended after so long."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            return False
        return True

    def read_on(self) -> None:
        """Read all that it says from now on; else it would wait for a reader some day."""

        def read() -> None:
            assert self.process.stdout is not None, "it is piped"
            for line in self.process.stdout:
                self.said.append(line)

        self.reader = Thread(target=read, name="reader", daemon=True)
        self.reader.start()

    def rest(self) -> str:
        """All that it said; it has ended."""
        if self.reader is not None:
            self.reader.join()
            return self.text
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.said += self.process.stdout
        return self.text

    @property
    def text(self) -> str:
        return "".join(self.said)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@attrs.define(eq=False)
class Ground:
    """A folder with a pipeline, and the processes that were started there.

    Attributes:
        folder: it.
        tasks: of the pipeline.
        queue: of the broker.
        lease: in seconds.
    """

    folder: Path
    tasks: Sequence[Task]
    queue: str
    lease: float = LEASE
    commands: list[Command] = attrs.field(factory=list)
    gates: dict[Path, int] = attrs.field(factory=dict)

    def write(self, *, steps: str = STEPS, more: str = "") -> None:
        """Write the pipeline."""
        lines = [
            "[JOB]", 'broker_url = "ENV[RUNNER_TEST_BROKER]"', f'queue = "{self.queue}"',
            f'worker_lease = "{self.lease}s"', more,
        ]  # fmt: skip
        code = [steps]
        for number, task in enumerate(self.tasks):
            inputs = json.dumps([f"d_{each}" for each in task.inputs])
            lines += [
                f"[DATA_NODE.d_{task.id}]", f'storage_type = "{("pickle", "json")[number % 2]}"',
                f"[DATA_NODE.c_{task.id}]", 'storage_type = "generic"',
                'read_fct = "steps.last"', f'read_fct_args = ["{task.id}"]',
                'write_fct = "steps.append"', f'write_fct_args = ["{task.id}"]',
                f"[TASK.{task.id}]", f'function = "steps.{task.id}"', f"inputs = {inputs}",
                f'outputs = ["d_{task.id}", "c_{task.id}"]',
            ]  # fmt: skip
            names = ", ".join(task.inputs)
            more_names = f", {names}" if names else ""
            code.append(f'\n\ndef {task.id}({names}):\n    return step("{task.id}"{more_names})\n')
        for name in ("ran", "commits", "gates"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "runner.toml").write_text("\n".join(lines), encoding="utf-8")
        (self.folder / "steps.py").write_text("".join(code), encoding="utf-8")

    def change(self, file: str, old: str, new: str) -> None:
        """Write something else for what stands in a file."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, text
        path.write_text(text.replace(old, new), encoding="utf-8")

    # Processes

    def command(self, *arguments: str, worker: str = "", **environ: str) -> Command:
        """Start a command line."""
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "RUNNER_CLUSTER_KEY": KEY,
                "RUNNER_TEST_WORKER": worker,
                "PYTHONDONTWRITEBYTECODE": "1",
                **environ,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        command = Command(process)
        self.commands.append(command)
        return command

    def worker(self, url: str, name: str = "a", *more: str, slots: int = 2, **env: str) -> Command:
        """A worker that has said that it takes jobs."""
        worker = self.command(
            "run-worker", "-j", str(slots), *more, worker=name, RUNNER_TEST_BROKER=url, **env
        )
        worker.expect("takes jobs from")
        return worker

    def run(self, url: str, *more: str, **environ: str) -> Command:
        return self.command(
            "execute", "--mode", "cluster", *more, RUNNER_TEST_BROKER=url, **environ
        )

    def golden(self) -> dict[str, Any]:
        """The data nodes of a run in development mode, in a folder of its own."""
        ground = Ground(self.folder / "golden", self.tasks, self.queue)
        ground.write()
        command = ground.command("execute", "--mode", "development", RUNNER_TEST_BROKER="")
        assert command.end() == 0, command.text
        ground.close()
        return ground.values()

    def close(self) -> None:
        for each in self.commands:
            if each.process.poll() is None:
                each.kill()
            if each.reader is not None:
                each.reader.join()
            if each.process.stdout is not None:
                each.process.stdout.close()
        for descriptor in self.gates.values():
            os.close(descriptor)

    # Jobs that are held

    def hold(self, task: str, worker: str = "a") -> None:
        """Let a job wait that is yet to come."""
        os.mkfifo(self.gate(task, worker))

    def reach(self, task: str, worker: str = "a") -> None:
        """Wait until it is there."""
        gate = self.gate(task, worker)
        try:
            with within():
                self.gates[gate] = os.open(gate, os.O_WRONLY)
        except TimeoutError:
            said = "\n".join(each.text for each in self.commands)
            raise AssertionError(f"{task} has not come to {worker}:\n{said}") from None

    def free(self, task: str, worker: str = "a") -> None:
        """Let it go, and all that come later."""
        gate = self.gate(task, worker)
        gate.unlink()
        os.close(self.gates.pop(gate))

    def gate(self, task: str, worker: str) -> Path:
        return self.folder / "gates" / f"{task}.{worker}"

    # What came of it

    def values(self) -> dict[str, Any]:
        """What the data nodes hold; those without a whole file are not there."""
        found: dict[str, Any] = {}
        for number, task in enumerate(self.tasks):
            name = f"d_{task.id}.{('p', 'json')[number % 2]}"
            file = self.folder / ".runner/data/scenarios/default" / name
            with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
                data = file.read_bytes()
                found[task.id] = json.loads(data) if number % 2 else pickle.loads(data)
        return found

    def calls(self) -> Counter[str]:
        """How often each task was called."""
        return _lines(self.folder / "ran")

    def commits(self) -> Counter[str]:
        """How often the outputs of each were committed."""
        return _lines(self.folder / "commits")

    def callers(self, task: str) -> list[str]:
        """The workers that have called it."""
        return [each.worker for each in self.noted("ran", task)]

    def committers(self, task: str) -> list[str]:
        return [each.worker for each in self.noted("commits", task)]

    def noted(self, folder: str, task: str) -> list[Noted]:
        """The calls of a task, or its commits."""
        path = self.folder / folder / task
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        parts = [line.split() for line in lines]
        return [Noted(worker, int(process), float(when)) for worker, process, when in parts]


def _lines(folder: Path) -> Counter[str]:
    return Counter({each.name: each.read_bytes().count(b"\n") for each in folder.iterdir()})


def once(tasks: Sequence[Task]) -> dict[str, int]:
    return {task.id: 1 for task in tasks}


Make: TypeAlias = Callable[[Sequence[Task]], Ground]
"""Makes a ground with such tasks."""
