from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest

from runner.execution.guard import Ended, Event, Guard, NotStarted, Started

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it rests on subreapers")

PATIENCE = 10.0
PROGRAM = "import sys; sys.path.insert(0, '.'); from runner.execution.template import main; main()"

Open = Callable[..., Guard]


class Talk:
    """A worker that evaluates what it is sent."""

    def __init__(self, guard: Guard, number: int = 1) -> None:
        self._stream, theirs = socket.socketpair()
        self._stream.settimeout(PATIENCE)
        with theirs:
            guard.begin(number, (theirs.fileno(), theirs.fileno()))

    def ask(self, expression: str) -> str:
        self._stream.sendall(expression.encode())
        return self._stream.recv(65536).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()


@pytest.fixture(autouse=True)
def worker(tmp_path: Path) -> None:
    """The modules of the application."""
    (tmp_path / "worker.py").write_text("""
import os, sys

def serve():
    while source := os.read(3, 65536):
        os.write(3, str(eval(source)).encode())
""")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Open]:
    started: list[Guard] = []

    def start_guard(*command: str) -> Guard:
        template = command or (sys.executable, "-c", PROGRAM, "worker:serve")
        started.append(Guard.start(["/nowhere"], template_command=template, cwd=tmp_path))
        return started[-1]

    yield start_guard
    for each in started:
        each.close()


@pytest.fixture
def guard(start: Open) -> Guard:
    return start()


@pytest.fixture
def talk(guard: Guard) -> Iterator[Callable[..., Talk]]:
    with ExitStack() as talks:
        yield lambda number=1: talks.enter_context(Talk(guard, number))


def events(guard: Guard, number: int) -> list[Event]:
    found: list[Event] = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < number:
        ready, _, _ = select.select([guard], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            break
        found += guard.receive()
    return found


# What workers find.


def test_workers_find_modules_loaded(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    (tmp_path / "loaded.py").write_text("import os\npid = os.getpid()\n")
    guard.preload(["loaded"])
    first = talk(1).ask("os.getpid(), sys.modules['loaded'].pid")
    second = talk(2).ask("os.getpid(), sys.modules['loaded'].pid")
    own = {eval(first)[0], eval(second)[0]}
    loaders = {eval(first)[1], eval(second)[1]}
    assert len(own) == 2
    assert len(loaders) == 1
    assert not own & loaders


def test_modules_are_found_along_the_path(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "loaded.py").write_text("")
    entry = str(tmp_path / "elsewhere")
    guard.preload(["loaded"], path=[entry])
    guard.preload([], path=[entry])
    assert talk().ask("'loaded' in sys.modules, sys.path[0], sys.path.count(sys.path[0])") == str(
        (True, entry, 1)
    )


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("1 / 0", id="raises"),
        pytest.param("import nothing_of_this_name", id="imports-what-is-not-there"),
        pytest.param("import sys; sys.exit(3)", id="exits"),
        pytest.param("raise KeyboardInterrupt", id="interrupts"),
        pytest.param("(", id="no-python"),
    ],
)
def test_what_cannot_be_loaded_is_left_to_the_worker(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path, source: str
) -> None:
    (tmp_path / "broken.py").write_text(source)
    (tmp_path / "loaded.py").write_text("")
    guard.preload(["broken", "nowhere.at_all", "loaded"])
    assert talk().ask("'broken' in sys.modules, 'loaded' in sys.modules") == "(False, True)"


def test_what_modules_print_is_no_answer_of_the_runner(
    start: Open, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loud.py").write_text("import os\nprint('loud')\nos.write(1, b'louder')")
    guard = start()
    guard.preload(["loud"])
    with Talk(guard) as talk:
        talk.ask("os.write(1, b'the answer')")
    out, err = capfd.readouterr()
    assert out == "the answer"
    assert sorted(err.split()) == ["loud", "louder"]


def test_more_modules_than_the_socket_holds(guard: Guard, talk: Callable[..., Talk]) -> None:
    guard.preload([f"nowhere.{number:0100}" for number in range(10_000)] + ["this"])
    assert talk().ask("'this' in sys.modules") == "True"


def test_workers_draw_different_numbers(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    pytest.importorskip("numpy")
    guard.preload(["random", "numpy.random"])
    draw = "__import__('random').random(), float(__import__('numpy').random.random())"
    first, second = eval(talk(1).ask(draw)), eval(talk(2).ask(draw))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_a_module_that_has_started_a_thread_is_forked_all_the_same(
    start: Open, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "threads.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    guard = start()
    guard.preload(["threads"])
    with Talk(guard) as talk:
        assert talk.ask("sys.modules['threads'].threading.active_count()") == "1"
    assert capfd.readouterr().err == ""


def test_a_worker_that_returns_has_exited(guard: Guard, talk: Callable[..., Talk]) -> None:
    with talk() as first:
        pid = int(first.ask("os.getpid()"))
    assert events(guard, 2) == [Started(1, pid), Ended(1, 0)]


# Templates that end.


def test_a_template_that_was_killed_is_replaced(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    (tmp_path / "loaded.py").write_text("import os\npid = os.getpid()\n")
    guard.preload(["loaded"])
    first = talk(1)
    template = int(first.ask("sys.modules['loaded'].pid"))
    os.kill(template, signal.SIGKILL)
    assert int(talk(2).ask("sys.modules['loaded'].pid")) != template
    assert int(first.ask("1 + 1")) == 2, "its workers live on"


def test_a_worker_is_not_lost_with_the_template_that_should_fork_it(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    (tmp_path / "deadly.py").write_text("""
import os, pathlib
try:
    pathlib.Path("been").touch(exist_ok=False)
except FileExistsError:
    pass
else:
    os._exit(1)
""")
    guard.preload(["deadly"])
    assert talk().ask("'deadly' in sys.modules") == "True"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("os._exit(3)", "its template process exited with code 3", id="exits"),
        pytest.param("os.abort()", "its template process was killed by SIGABRT", id="aborts"),
        pytest.param(
            "os.closerange(3, 99)\nos.read(os.pipe()[0], 1)",
            "its template process was killed by SIGKILL",
            id="loses-its-socket",
        ),
    ],
)
def test_templates_that_end_over_and_over(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path, source: str, reason: str
) -> None:
    (tmp_path / "deadly.py").write_text(f"import os\n{source}\n")
    guard.preload(["deadly"])
    talk(1)
    talk(2)
    found = events(guard, 2)
    assert sorted(each.number for each in found if isinstance(each, NotStarted)) == [1, 2]
    assert {each.reason for each in found if isinstance(each, NotStarted)} == {reason}


def test_a_program_that_is_not_there_is_said(start: Open) -> None:
    guard = start("/nowhere/python")
    with Talk(guard):
        assert events(guard, 1) == [NotStarted(1, "No such file or directory: /nowhere/python")]


def test_a_worker_can_be_killed_while_the_template_is_busy(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "busy")
    (tmp_path / "slow.py").write_text("open('busy').read()")
    guard.preload(["slow"])
    talk(1)
    guard.kill(1)
    assert events(guard, 1) == [NotStarted(1, "it was killed before it had started")]
    (tmp_path / "busy").write_text("go on")
    second = talk(2)
    pid = int(second.ask("os.getpid()"))
    assert events(guard, 1) == [Started(2, pid)]


def test_a_guard_can_be_closed_while_the_template_is_busy(guard: Guard, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "busy")
    (tmp_path / "slow.py").write_text("open('busy').read()")
    guard.preload(["slow"])
    guard.close()


def test_a_worker_that_the_guardian_has_not_heard_of_is_no_orphan(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "busy")
    (tmp_path / "slow.py").write_text("open('busy').read()")
    first = talk(1)
    ending = os.pidfd_open(int(first.ask("os.getpid()")))
    guard.preload(["slow"])
    second = talk(2)
    talk(3)
    guard.kill(3)
    assert NotStarted(3, "it was killed before it had started") in events(guard, 2)
    os.kill(guard.pid, signal.SIGSTOP)  # it has asked for the second
    (tmp_path / "busy").write_text("go on")
    pid = int(second.ask("os.getpid()"))
    first.close()
    assert select.select([ending], [], [], PATIENCE)[0]
    os.close(ending)
    os.kill(guard.pid, signal.SIGCONT)
    assert events(guard, 2) == [Started(2, pid), Ended(1, 0)]
    assert second.ask("1 + 1") == "2"


def test_an_orphan_of_the_template_is_no_worker(
    guard: Guard, talk: Callable[..., Talk], tmp_path: Path
) -> None:
    (tmp_path / "daemons.py").write_text("""
import os, signal
reading, writing = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(writing, b"%d" % os.getpid())
        signal.pause()
    os._exit(0)
os.wait()
pid = int(os.read(reading, 99))
""")
    guard.preload(["daemons"])
    with talk() as first:
        daemon = os.pidfd_open(int(first.ask("sys.modules['daemons'].pid")))
    assert events(guard, 2)[1:] == [Ended(1, 0)]
    assert select.select([daemon], [], [], 0)[0]
    os.close(daemon)
