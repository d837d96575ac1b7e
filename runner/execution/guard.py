"""The runner's side of the guardian: starts workers, and hears how each of them ended."""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self
from weakref import WeakSet

import attrs

from runner.data.storage import reason
from runner.errors import SetupError
from runner.execution import guardian

PATIENCE: Final = 5.0
"""Seconds that the guardian may take to end everything."""
_PROGRAM: Final = "import sys; sys.path.append(sys.argv.pop(1)); import guardian; guardian.main()"
"""Imported from its folder, which comes last in the search path: so it is compiled only once."""

_ends: Final[WeakSet[socket.socket]] = WeakSet()
"""The ends of all guards in this process: what it forks must not keep them open."""


@attrs.frozen
class Started:
    """A worker's program has been started."""

    number: int
    pid: int


@attrs.frozen
class NotStarted:
    """There is no worker of this number, and will be none."""

    number: int
    reason: str


@attrs.frozen
class Ended:
    """A worker has ended, and all that it had started.

    Attributes:
        status: its exit code; negative: the signal that killed it.
    """

    number: int
    status: int


@attrs.frozen
class Gone:
    """The guardian has ended, and the workers with it; nothing will come after this."""


Event = Started | NotStarted | Ended | Gone


class Guard:
    """A guardian and its workers, as long as they are wanted. Used by one thread.

    When this process ends, by whatever death, or closes the guard, all of them end.
    """

    def __init__(self, process: subprocess.Popen[bytes], stream: socket.socket) -> None:
        self._process = process
        self._stream = stream
        self._channel = guardian.Channel(stream)
        self._is_gone = False

    @classmethod
    def start(
        cls,
        worker_command: Sequence[str],
        *,
        template_command: Sequence[str] | None = None,
        cwd: Path | str,
        env: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a guardian; does not wait until it has come up.

        Args:
            worker_command: what a worker is, unless there is a template.
            template_command: the program that forks workers, see `template`. Only where orphans
                come to the guardian, which is on Linux; elsewhere this has no effect.
            cwd: where they run.
            env: their environment; None: that of this process.

        Raises:
            SetupError: the guardian cannot be started; RUN509: not on this system.
        """
        if not (hasattr(os, "fork") and hasattr(socket, "AF_UNIX")):
            raise SetupError(
                "standalone mode needs Linux or macOS",
                code="RUN509",
                hint="run it with --mode development",
            )
        _close_in_forks()
        ours, theirs = socket.socketpair()
        _ends.update((ours, theirs))
        template = template_command if sys.platform == "linux" and template_command else ()
        with theirs:
            try:
                process = subprocess.Popen(
                    _command(worker_command, template),
                    stdin=theirs.fileno(),
                    cwd=cwd,
                    env=env,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                message = f"the guardian of the workers cannot be started: {reason(error)}"
                raise SetupError(message) from None
        return cls(process, ours)

    @property
    def pid(self) -> int:
        """The guardian's."""
        return self._process.pid

    def fileno(self) -> int:
        """What can be read when `receive` has events; after `Gone` it always can."""
        return self._stream.fileno()

    def begin(self, number: int, fds: tuple[int, int]) -> None:
        """Have a worker started; `Started` or `NotStarted` will come. Never waits.

        Args:
            number: names it in events; used once.
            fds: what it finds at 3 and 4. They may be closed when this returns.
        """
        first = os.dup(fds[0])
        try:
            second = os.dup(fds[1])
        except OSError:
            os.close(first)
            raise
        self._channel.send(b"start %d" % number, (first, second))

    def kill(self, number: int) -> None:
        """Kill a worker and what it has started; `Ended` will come, unless it has already.

        One that the template has not got to is not started: `NotStarted` comes.
        """
        self._channel.send(b"kill %d" % number)

    def own(self, folders: Sequence[str]) -> None:
        """Have folders, and the files in them, removed when the guardian ends.

        One whose path has an end of line in it is not.
        """
        for folder in folders:
            if "\n" not in folder:
                self._channel.send(b"own " + os.fsencode(folder))

    def preload(self, modules: Sequence[str], *, path: Sequence[str] = ()) -> None:
        """Have the template import modules, so that workers forked after that have them.

        Waits only if there are so many that they must be read before the last can be sent.

        Args:
            modules: dotted names. What they raise is ignored: the worker that uses one says it.
            path: put at the head of the template's `sys.path` first, where not there already.
        """
        request = json.dumps({"modules": list(modules), "path": list(path)})
        self._channel.send(b"preload " + request.encode())
        while self._channel.has_unsent and _is_ready(self._stream, select.POLLOUT, PATIENCE):
            self._channel.flush()

    def receive(self) -> list[Event]:
        """What has happened since the last call, perhaps nothing. Never waits."""
        if self._is_gone:
            return []
        self._channel.flush()
        lines = self._channel.receive()
        if lines is None:
            self._is_gone = True
            return [Gone()]
        return [_event(line.decode()) for line in lines]

    def close(self) -> None:
        """End the guardian and with it everything; returns when it is gone."""
        if self.fileno() < 0:
            return
        with suppress(OSError):  # not connected: it is gone already
            self._stream.shutdown(socket.SHUT_WR)
        if not self._has_ended(PATIENCE):
            self._process.kill()  # and the parent-death signal kills the workers
        self._channel.close()
        self._process.wait()

    def _has_ended(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            if _is_ready(self._stream, select.POLLIN, left) and self._channel.receive() is None:
                return True
        return False


def how_ended(status: int) -> str:
    """How a process ended, to follow its name.

    Args:
        status: its exit code; negative: the signal that killed it.
    """
    if status >= 0:
        return f"exited with code {status}"
    return f"was killed by {_signal_name(-status)}"


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        name = signal.Signals(number).name
        if not name.startswith("SIGRT"):  # they are for any use, and tell nothing
            return name
    return f"signal {number}"


def _command(worker: Sequence[str], template: Sequence[str]) -> list[str]:
    folder = str(Path(guardian.__file__).absolute().parent)
    python = [sys.executable, "-I", "-S", "-c", _PROGRAM, folder]
    return [*python, str(len(worker)), *worker, *template]


def _event(line: str) -> Event:
    word, number, rest = line.split(" ", 2)
    match word:
        case "started":
            return Started(int(number), int(rest))
        case "ended":
            return Ended(int(number), int(rest))
        case "lost":
            return NotStarted(int(number), f"its template process {how_ended(int(rest))}")
        case _:
            return NotStarted(int(number), rest)


def _is_ready(stream: socket.socket, event: int, patience: float) -> bool:
    poll = select.poll()
    poll.register(stream, event)
    return bool(poll.poll(patience * 1000))


@functools.cache
def _close_in_forks() -> None:
    """Let children that are forked of this process close what is the runner's alone."""
    os.register_at_fork(after_in_child=_close_ends)


def _close_ends() -> None:
    for each in _ends:
        each.close()
