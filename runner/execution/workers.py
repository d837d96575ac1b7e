"""The worker processes of one runner: started, spoken with, ended and replaced."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs

from runner.config.model import StartMethod
from runner.data.storage import reason
from runner.errors import SetupError
from runner.execution import messages
from runner.execution.cluster.variables import left_to_jobs
from runner.execution.guard import Ended, Gone, Guard, NotStarted, how_ended
from runner.execution.page import Page
from runner.execution.values import Folders

MOST_STARTS: Final = 3
"""How often in a row workers may end without having said anything, before we give up."""

_PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop());"
    "from runner.execution.process import serve; serve()"
)
_TEMPLATE: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop());"
    "from runner.execution.template import main; main()"
)
_READ: Final = 1 << 20


@attrs.define(eq=False)
class Worker:
    """A worker process, as the runner sees it.

    Attributes:
        number: of the process; never used twice.
        slot: which of the workers it is, from 1; that of the one that it replaces.
        socket: to it.
        page: shared with it.
        inbox, outbox: what has arrived, and what it has not taken in yet.
        has_spoken: whether it ever said anything.
    """

    number: int
    slot: int
    socket: socket.socket
    page: Page
    inbox: bytearray = attrs.field(factory=bytearray)
    outbox: bytearray = attrs.field(factory=bytearray)
    has_spoken: bool = False


@attrs.frozen(eq=False)
class Heard:
    """A worker said something."""

    worker: Worker
    message: Any


@attrs.frozen(eq=False)
class Lost:
    """A worker has ended, and so has everything that it started.

    Attributes:
        worker: it. What it said before was heard before.
        status: negative: the signal that killed it; else its exit code; None: nobody can tell.
        how: the same in words: `was killed by SIGKILL`.
    """

    worker: Worker
    status: int | None
    how: str


Event: TypeAlias = Heard | Lost


class Workers:
    """Worker processes, one socket and one page each. Used by one thread, but for `wake`.

    All descriptors are waited for in one place; no thread, no lock and no queue is shared.

    Attributes:
        alive: the workers that were started and have not ended, by number.
    """

    def __init__(self, count: int, start_method: StartMethod) -> None:
        """Begin to start so many workers; with forkserver, `preload` does.

        Raises:
            SetupError: RUN508, the system's limits leave no room for them; RUN509, this system has
                none of what it takes.
        """
        self.count = count
        self.alive: dict[int, Worker] = {}
        self._forks = start_method is StartMethod.FORKSERVER
        self._preload: tuple[Sequence[str], str] | None = None
        self._owned: tuple[str, ...] = ()
        self._number = 0
        self._is_closed = False
        self._failures = 0
        self._why = ""
        self._poll = select.poll()
        self._by_descriptor: dict[int, Worker] = {}
        self._wakes, self._waking = os.pipe()
        for descriptor in (self._wakes, self._waking):
            os.set_blocking(descriptor, False)
        self._poll.register(self._wakes, select.POLLIN)
        self._guard = self._start_guard()
        try:
            self.start_missing()
        except BaseException:
            self.close()
            raise

    def own(self, folders: Folders) -> None:
        """Have the files of values removed when everything has ended, also if we are killed."""
        self._owned = tuple(filter(None, (folders.disk, folders.memory)))
        self._guard.own(self._owned)

    def preload(self, modules: Sequence[str], application_path: str) -> None:
        """Import modules once, before workers are forked; they start with it."""
        if self._forks and self._preload is None:
            self._preload = (modules, application_path)
            self._guard.preload(modules, path=[application_path])
            self.start_missing()

    def start_missing(self) -> None:
        """Begin to start as many workers as are missing."""
        if self._forks and self._preload is None:
            return
        taken = {worker.slot for worker in self.alive.values()}
        for slot in range(1, self.count + 1):
            if slot not in taken:
                self._start(slot)

    def resize(self, count: int) -> None:
        """Have so many workers."""
        self.count = count
        for worker in list(self.alive.values()):
            if worker.slot > count:
                self.kill(worker)
        self.start_missing()

    def send(self, worker: Worker, data: bytes) -> None:
        """Send to a worker; what it does not take in is sent as soon as it does."""
        if not worker.outbox:
            try:
                sent = worker.socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:  # it has ended, as will be told
                return
            if sent == len(data):
                return
            data = data[sent:]
            self._poll.modify(worker.socket, select.POLLIN | select.POLLOUT)
        worker.outbox += data

    def kill(self, worker: Worker) -> None:
        """End a worker, and everything that it started."""
        self._guard.kill(worker.number)

    def wait(self, timeout: float | None) -> list[Event]:
        """What has happened, after so many seconds at most; nothing where `wake` was called.

        Raises:
            SetupError: RUN508, workers end again and again before they have said anything.
        """
        events: list[Event] = []
        milliseconds = None if timeout is None else max(0, round(timeout * 1000 + 0.499))
        for descriptor, happened in self._poll.poll(milliseconds):
            worker = self._by_descriptor.get(descriptor)
            if worker is not None:
                if happened & select.POLLOUT:
                    self._send_more(worker)
                if happened & ~select.POLLOUT:
                    events += self._read(worker)
            elif descriptor == self._wakes:
                with suppress(BlockingIOError):
                    os.read(self._wakes, 4096)
            else:
                events += self._heed_guard()
        return events

    def hear(self, worker: Worker) -> list[Event]:
        """What a worker has said by now; waits for nothing."""
        events: list[Event] = []
        with suppress(BlockingIOError):
            while worker.socket.fileno() in self._by_descriptor:
                events += self._received(worker)
        return events

    def wake(self) -> None:
        """End a wait. For any thread, and for signal handlers."""
        if self._is_closed:
            return
        with suppress(OSError):  # full: it will end
            os.write(self._waking, b"!")

    def close(self) -> None:
        """End all workers, everything that they started, and the guardian."""
        if self._is_closed:
            return
        self._is_closed = True
        self._guard.close()
        for worker in list(self.alive.values()):
            self.forget(worker)
        for descriptor in (self._wakes, self._waking):
            os.close(descriptor)

    def forget(self, worker: Worker) -> None:
        """Let go of a worker that has ended."""
        self._unregister(worker)
        worker.socket.close()
        worker.page.close()
        self.alive.pop(worker.number, None)

    def _start_guard(self) -> Guard:
        guard = Guard.start(
            _command(_PROGRAM),
            template_command=_command(_TEMPLATE) if self._forks else None,
            cwd=Path.cwd(),
            env=left_to_jobs(os.environ),
        )
        self._poll.register(guard.fileno(), select.POLLIN)
        return guard

    def _start(self, slot: int) -> None:
        try:
            page, descriptor = Page.create()
            ours, theirs = socket.socketpair()
        except OSError as error:
            message = f"a worker cannot be started: {reason(error)}"
            hint = "look at the limits of this process (ulimit -a)"
            raise SetupError(message, code="RUN508", hint=hint) from None
        self._number += 1
        worker = Worker(self._number, slot, ours, page)
        try:
            self._guard.begin(worker.number, (theirs.fileno(), descriptor))
        finally:
            theirs.close()
            os.close(descriptor)
        ours.settimeout(0)
        self.alive[worker.number] = worker
        self._by_descriptor[ours.fileno()] = worker
        self._poll.register(ours, select.POLLIN)

    def _send_more(self, worker: Worker) -> None:
        try:
            sent = worker.socket.send(worker.outbox)
        except BlockingIOError:
            return
        except OSError:
            worker.outbox.clear()
        else:
            del worker.outbox[:sent]
        if not worker.outbox:
            self._poll.modify(worker.socket, select.POLLIN)

    def _read(self, worker: Worker) -> list[Event]:
        try:
            return self._received(worker)
        except BlockingIOError:
            return []

    def _received(self, worker: Worker) -> list[Event]:
        try:
            data = worker.socket.recv(_READ)
        except BlockingIOError:
            raise
        except OSError:
            data = b""
        if not data:  # how it ended, the guardian will tell
            self._unregister(worker)
            return []
        worker.has_spoken = True
        self._failures = 0
        worker.inbox += data
        return [Heard(worker, message) for message in messages.frames(worker.inbox)]

    def _heed_guard(self) -> list[Event]:
        events: list[Event] = []
        for told in self._guard.receive():
            if isinstance(told, Ended):
                events += self._lose(told.number, told.status, how_ended(told.status))
            elif isinstance(told, NotStarted):
                events += self._lose(told.number, None, f"cannot be started: {told.reason}")
            elif isinstance(told, Gone):
                events += self._lose_all()
        if any(isinstance(each, Lost) for each in events):
            self.start_missing()
        return events

    def _lose(self, number: int, status: int | None, how: str) -> list[Event]:
        worker = self.alive.get(number)
        if worker is None:
            return []
        events = self.hear(worker)  # what it had said before it ended
        self._unregister(worker)  # whoever else may have its end of the socket open
        if not worker.has_spoken:
            self._failures += 1
            if self._failures >= MOST_STARTS:
                message = f"workers end as soon as they are started: the last one {how}"
                raise SetupError(message, code="RUN508")
        del self.alive[number]
        return [*events, Lost(worker, status, how)]

    def _lose_all(self) -> list[Event]:
        """The guardian was killed, and the workers with it."""
        self._poll.unregister(self._guard.fileno())
        self._guard.close()
        events: list[Event] = []
        for number in list(self.alive):
            events += self._lose(number, None, "was killed together with its guardian")
        self._guard = self._start_guard()
        self._guard.own(self._owned)
        if self._preload is not None:
            modules, path = self._preload
            self._guard.preload(modules, path=[path])
        return events

    def _unregister(self, worker: Worker) -> None:
        if self._by_descriptor.pop(worker.socket.fileno(), None) is not None:
            self._poll.unregister(worker.socket)


def _command(program: str) -> list[str]:
    """A Python like this one, with the same path and flags."""
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])  # noqa: PTH100 - text in, text out
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001 - as multiprocessing does
    return [sys.executable, *flags, "-P", "-c", program, path]
