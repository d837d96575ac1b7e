from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from runner.errors import SetupError
from runner.execution import guardian
from runner.execution.guard import Ended, Event, Gone, Guard, NotStarted, Started, how_ended

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it rests on subreapers")

PATIENCE = 10.0
AT_ONCE = 2.0
"""Seconds within which nothing may be left of a runner that was killed."""

WORKER = """
import os, signal, sys

def say(*values):
    os.write(3, " ".join(map(str, values)).encode() + b"\\n")

def serve():
    say(os.getpid())
    exec(os.read(3, 65536).decode(), globals())
"""
"""Tells its pid, and runs the source that it is sent."""

RUNNER = """
import json, os, sys
from runner.execution.guard import Guard
guard = Guard.start(*json.loads(sys.argv[1]), **json.loads(sys.argv[2]))
guard.begin(1, (int(sys.argv[3]), int(sys.argv[3])))
print(guard.pid, flush=True)
exec(sys.stdin.readline())
sys.stdin.read()
"""

JOBS = {
    "sleep": "say('ready')\nsignal.pause()",
    "gil": "import ctypes\nsay('ready')\nctypes.PyDLL(None).sleep(600)",
    "stopped": "say('ready')\nos.kill(os.getpid(), signal.SIGSTOP)",
    "subprocess": """
import subprocess
say(subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL).pid)
say('ready')
signal.pause()
""",
    "group": """
import subprocess
say(subprocess.Popen(["sleep", "600"], process_group=0).pid)
say('ready')
signal.pause()
""",
    "deaf": """
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
if os.fork() == 0:
    say(os.getpid())
    say('ready')
while True:
    signal.pause()
""",
    "daemon": """
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    say(os.getpid())
    say('ready')
signal.pause()
""",
    "chain": """
for _ in range(20):
    if os.fork() > 0:
        signal.pause()
    os.setsid()
    say(os.getpid())
say('ready')
signal.pause()
""",
}
"""What a job may be doing, and have started, when its worker is killed."""


class Line:
    """The test's end of what is descriptor 3 in a worker."""

    def __init__(self) -> None:
        self.stream, self.theirs = socket.socketpair()
        self.stream.settimeout(PATIENCE)
        self._file = self.stream.makefile("rb")

    def send(self, source: str) -> None:
        self.stream.sendall(source.encode())

    def read(self) -> str:
        return self._file.readline().decode().rstrip("\n")

    def read_pids(self) -> list[int]:
        """The pids that a job tells before it is `ready`."""
        return [int(word) for word in iter(self.read, "ready")]

    def close(self) -> None:
        self._file.close()
        self.stream.close()
        self.theirs.close()


class Watched:
    """Processes by descriptors that cannot come to mean others."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._fds = [os.pidfd_open(pid) for pid in pids]

    def have_ended(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        for fd in self._fds:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([fd], [], [], left)[0]:
                return False
        return True

    def end(self) -> None:
        for fd in self._fds:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def watch(cleanup: ExitStack) -> Callable[..., Watched]:
    def watched(*pids: int) -> Watched:
        processes = Watched(pids)
        cleanup.callback(processes.end)
        return processes

    return watched


@pytest.fixture
def line(cleanup: ExitStack) -> Callable[[], Line]:
    def new() -> Line:
        made = Line()
        cleanup.callback(made.close)
        return made

    return new


@pytest.fixture(params=["spawn", "forkserver"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """How a guard is started whose workers run what they are sent."""
    (tmp_path / "worker.py").write_text(WORKER)
    run = "import sys; sys.path.insert(0, '.'); "
    worker = [sys.executable, "-I", "-S", "-c", f"{run}import worker; worker.serve()"]
    template = f"{run}from runner.execution.template import main; main()"
    by_fork = {"template_command": [sys.executable, "-c", template, "worker:serve"]}
    return {
        "worker_command": worker,
        "cwd": str(tmp_path),
        **(by_fork if request.param == "forkserver" else {}),
    }


@pytest.fixture
def guard(cleanup: ExitStack, options: dict[str, Any]) -> Guard:
    started = Guard.start(**options)
    cleanup.callback(started.close)
    return started


def events(guard: Guard, number: int) -> list[Event]:
    """So many events, in their order; fewer if there is nothing more to wait for."""
    found: list[Event] = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < number:
        ready, _, _ = select.select([guard], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            break
        found += guard.receive()
        if found[-1:] == [Gone()]:
            break
    return found


def begin(guard: Guard, line: Line, number: int = 1) -> int:
    """The pid of a worker that runs."""
    fd = line.theirs.fileno()
    guard.begin(number, (fd, fd))
    pid = int(line.read())
    assert events(guard, 1) == [Started(number, pid)]
    return pid


def open_fds(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


# How workers start.


def test_a_worker_has_its_descriptors_and_no_others(
    guard: Guard, line: Callable[[], Line], cleanup: ExitStack
) -> None:
    other = os.open(os.devnull, os.O_RDONLY)
    cleanup.callback(os.close, other)
    os.set_inheritable(other, True)
    reading, writing = os.pipe()
    cleanup.callback(os.close, reading)
    talk = line()
    guard.begin(1, (talk.theirs.fileno(), writing))
    os.close(writing)
    talk.read()
    talk.send("own = os.listdir('/proc/self/fd')\nos.write(4, ' '.join(own).encode())\nos._exit(0)")
    assert events(guard, 2)[1:] == [Ended(1, 0)]
    listed = {int(fd) for fd in os.read(reading, 4096).split()}
    assert listed == {0, 1, 2, 3, 4, 5}, "5 is the list itself"
    assert os.read(reading, 1) == b"", "nobody else has it"


def test_a_worker_has_no_input(guard: Guard, line: Callable[[], Line]) -> None:
    talk = line()
    begin(guard, talk)
    talk.send("say(os.read(0, 1))")
    assert talk.read() == "b''"


def test_a_worker_leads_a_session_of_its_own(guard: Guard, line: Callable[[], Line]) -> None:
    talk = line()
    pid = begin(guard, talk)
    talk.send("say(os.getsid(0), os.getpgid(0), os.getppid())")
    assert talk.read() == f"{pid} {pid} {guard.pid}"


def test_a_worker_has_the_signals_of_a_new_process(
    cleanup: ExitStack, options: dict[str, Any], line: Callable[[], Line]
) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    ignored = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        guard = Guard.start(**options)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGUSR2, ignored)
    cleanup.callback(guard.close)
    talk = line()
    begin(guard, talk)
    talk.send("""
say(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
say(*[signal.getsignal(each).name for each in (
    signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2
)])
""")
    assert talk.read() == "set()"
    assert talk.read() == "SIG_DFL SIG_DFL SIG_DFL SIG_DFL"


def test_workers_run_where_they_are_told_with_the_environment_given(
    cleanup: ExitStack, options: dict[str, Any], line: Callable[[], Line], tmp_path: Path
) -> None:
    guard = Guard.start(**options, env={**os.environ, "GREETING": "hello"})
    cleanup.callback(guard.close)
    talk = line()
    begin(guard, talk)
    talk.send("say(os.getcwd(), os.environ['GREETING'])")
    assert talk.read() == f"{tmp_path} hello"


def test_a_program_that_is_not_there_is_said(
    cleanup: ExitStack, line: Callable[[], Line], tmp_path: Path
) -> None:
    guard = Guard.start(["/nowhere/python"], cwd=tmp_path)
    cleanup.callback(guard.close)
    fd = line().theirs.fileno()
    guard.begin(7, (fd, fd))
    assert events(guard, 1) == [NotStarted(7, "No such file or directory: /nowhere/python")]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    whole = r"^the guardian of the workers cannot be started: No such file or directory$"
    with pytest.raises(SetupError, match=whole):
        Guard.start(["python"], cwd=tmp_path / "nowhere")


def test_a_system_without_forks_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "fork")
    with pytest.raises(SetupError, match=r"^standalone mode needs Linux or macOS$") as raised:
        Guard.start(["python"], cwd=tmp_path)
    assert raised.value.code == "RUN509"


def test_begin_does_not_wait_for_a_guardian_that_is_slow(
    cleanup: ExitStack, line: Callable[[], Line], tmp_path: Path
) -> None:
    guard = Guard.start(["/nowhere/python"], cwd=tmp_path)
    cleanup.callback(guard.close)
    fd = line().theirs.fileno()
    os.kill(guard.pid, signal.SIGSTOP)
    for number in range(400):  # more than the socket holds
        guard.begin(number, (fd, fd))
    os.kill(guard.pid, signal.SIGCONT)
    assert [each.number for each in events(guard, 400) if isinstance(each, NotStarted)] == [
        *range(400)
    ]


# How workers end.


@pytest.mark.parametrize(
    ("job", "status"),
    [
        pytest.param("pass", 0, id="returns"),
        pytest.param("os._exit(0)", 0, id="exit-0"),
        pytest.param("os._exit(3)", 3, id="exit-3"),
        pytest.param("sys.exit(4)", 4, id="system-exit"),
        pytest.param("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV, id="segmentation"),
        pytest.param("os.abort()", -signal.SIGABRT, id="abort"),
        pytest.param("os.kill(os.getpid(), 9)", -signal.SIGKILL, id="killed"),
        pytest.param("os.kill(os.getpid(), 15)", -signal.SIGTERM, id="terminated"),
        pytest.param("os.kill(os.getpid(), 34)", -34, id="real-time"),
    ],
)
def test_how_a_worker_ended_is_told(
    guard: Guard, line: Callable[[], Line], job: str, status: int
) -> None:
    talk = line()
    begin(guard, talk)
    talk.send(job)
    assert events(guard, 1) == [Ended(1, status)]


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_a_killed_worker_has_ended_when_nothing_is_left_of_it(
    guard: Guard, line: Callable[[], Line], watch: Callable[..., Watched], job: str
) -> None:
    talk = line()
    pid = begin(guard, talk)
    talk.send(job)
    processes = watch(pid, *talk.read_pids())
    guard.kill(1)
    assert events(guard, 1) == [Ended(1, -signal.SIGKILL)]
    assert processes.have_ended(0)


@pytest.mark.parametrize("end", ["os._exit(5)", "os.kill(os.getpid(), 9)"], ids=["exit", "signal"])
def test_a_worker_that_ends_takes_along_what_it_started(
    guard: Guard, line: Callable[[], Line], watch: Callable[..., Watched], end: str
) -> None:
    talk = line()
    begin(guard, talk)
    talk.send(f"""
ended, ending = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        say(os.getpid())
        say('ready')
        signal.pause()
    os._exit(0)
os.read(3, 1)
{end}
""")
    processes = watch(*talk.read_pids())
    talk.send(".")
    assert [type(each) for each in events(guard, 1)] == [Ended]
    assert processes.have_ended(0)


def test_orphans_of_a_job_stay_with_its_worker_while_that_lives(
    guard: Guard, line: Callable[[], Line]
) -> None:
    talk = line()
    pid = begin(guard, talk)
    talk.send("""
if os.fork() == 0:
    between = os.getpid()
    if os.fork() == 0:
        os.read(3, 1)
        say(os.getppid())
        signal.pause()
    os._exit(0)
os.wait()
say('alone')
signal.pause()
""")
    assert talk.read() == "alone"
    talk.send(".")
    assert talk.read() == str(pid)


def test_the_end_of_a_worker_is_no_concern_of_the_others(
    guard: Guard, line: Callable[[], Line]
) -> None:
    talks = [line() for _ in range(4)]
    pids = [begin(guard, talk, number) for number, talk in enumerate(talks)]
    guard.kill(0)
    guard.kill(2)
    ended = events(guard, 2)
    assert {each.number for each in ended if isinstance(each, Ended)} == {0, 2}
    for index in (1, 3):
        talks[index].send("say(os.getpid())")
        assert talks[index].read() == str(pids[index])


def test_killing_what_is_not_there_does_nothing(guard: Guard, line: Callable[[], Line]) -> None:
    talk = line()
    guard.kill(7)
    begin(guard, talk)
    guard.kill(7)
    talk.send("os._exit(0)")
    assert events(guard, 1) == [Ended(1, 0)]


def test_no_descriptors_are_left_behind(guard: Guard, line: Callable[[], Line]) -> None:
    def cycle(number: int) -> None:
        talk = Line()
        begin(guard, talk, number)
        talk.send("os._exit(0)")
        assert events(guard, 1) == [Ended(number, 0)]
        talk.close()

    cycle(0)
    before = len(open_fds(os.getpid())), len(open_fds(guard.pid))
    for number in range(1, 21):
        cycle(number)
    assert (len(open_fds(os.getpid())), len(open_fds(guard.pid))) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_guardian_ends_with_the_runner_only(
    guard: Guard, line: Callable[[], Line], number: int
) -> None:
    begin(guard, line(), 1)
    os.kill(guard.pid, number)
    begin(guard, line(), 2)


def test_children_are_found_where_the_kernel_does_not_list_them(cleanup: ExitStack) -> None:
    child = subprocess.Popen(["sleep", "600"])
    cleanup.callback(child.wait)
    cleanup.callback(child.kill)
    assert child.pid in guardian._children()
    assert sorted(guardian._children_of_all(os.getpid())) == sorted(guardian._children())


# How everything ends.


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_closing_returns_when_nothing_is_left(
    guard: Guard, line: Callable[[], Line], watch: Callable[..., Watched], job: str
) -> None:
    talk = line()
    pid = begin(guard, talk)
    talk.send(job)
    processes = watch(guard.pid, pid, *talk.read_pids())
    guard.close()
    assert processes.have_ended(0)


def test_closing_twice_is_as_once(guard: Guard) -> None:
    guard.close()
    guard.close()


def test_a_guardian_that_is_killed_is_gone_with_its_workers(
    guard: Guard, line: Callable[[], Line], watch: Callable[..., Watched]
) -> None:
    talks = [line(), line()]
    pids = [begin(guard, talk, number) for number, talk in enumerate(talks)]
    talks[0].send(JOBS["gil"])
    talks[0].read()
    processes = watch(*pids)
    os.kill(guard.pid, signal.SIGKILL)
    assert events(guard, 1) == [Gone()]
    assert processes.have_ended(AT_ONCE)
    assert guard.receive() == []
    guard.begin(9, (0, 0))
    guard.kill(9)
    guard.close()


class Runner:
    """A process with a guard and one worker."""

    def __init__(self, options: dict[str, Any], line: Line, then: str = "") -> None:
        positional = json.dumps([options["worker_command"]])
        named = json.dumps({key: options[key] for key in options if key != "worker_command"})
        fd = line.theirs.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, positional, named, str(fd)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[fd],
        )
        assert self.process.stdin is not None
        self.process.stdin.write(f"{then}\n".encode())
        self.process.stdin.flush()
        self.guardian = int(self.read())

    def read(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_nothing_outlives_a_runner_that_is_killed(
    cleanup: ExitStack,
    options: dict[str, Any],
    line: Callable[[], Line],
    watch: Callable[..., Watched],
    job: str,
) -> None:
    talk = line()
    runner = Runner(options, talk)
    cleanup.callback(runner.close)
    pid = int(talk.read())
    talk.send(job)
    processes = watch(runner.guardian, pid, *talk.read_pids())
    runner.kill()
    assert processes.have_ended(AT_ONCE)


def test_a_fork_of_the_runner_does_not_keep_the_workers(
    cleanup: ExitStack,
    options: dict[str, Any],
    line: Callable[[], Line],
    watch: Callable[..., Watched],
) -> None:
    talk = line()
    fork = "import signal; pid = os.fork(); pid or signal.pause(); print(pid, flush=True)"
    runner = Runner(options, talk, fork)
    cleanup.callback(runner.close)
    forked = watch(int(runner.read()))
    processes = watch(runner.guardian, int(talk.read()))
    runner.kill()
    assert processes.have_ended(AT_ONCE)
    assert not forked.have_ended(0)


# What is said of it.


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param(0, "exited with code 0", id="0"),
        pytest.param(3, "exited with code 3", id="3"),
        pytest.param(-9, "was killed by SIGKILL", id="kill"),
        pytest.param(-11, "was killed by SIGSEGV", id="segmentation"),
        pytest.param(-34, "was killed by signal 34", id="real-time"),
        pytest.param(-40, "was killed by signal 40", id="no-name"),
    ],
)
def test_how_ended(status: int, text: str) -> None:
    assert how_ended(status) == text
