"""The template: a process that has modules loaded, and forks workers that then have them too.

Started by the guardian, which is at the other end of descriptor 3. Requests are lines:

    preload JSON                     {"modules": [...], "path": [...]}
    fork N, with two descriptors     forked N PID | failed N WHY

A worker is forked twice, so that it loses its parent and comes to the guardian, the nearest
subreaper. The guardian is told of it before that, and the worker goes on after that, when the
guardian is the parent whose death is to be its own.
"""

from __future__ import annotations

import _socket
import errno
import importlib
import json
import os
import select
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from runner.execution.guardian import Channel, adopted, close_all, place, reserve

_WORKER = "runner.execution.process:serve"


def main() -> None:
    """Be the template; in a worker, call what the command line names: `module:function`."""
    name = sys.argv[1] if len(sys.argv) > 1 else _WORKER
    module, _, function = name.partition(":")
    os.close(reserve())
    _import([module])
    if _serve(Channel(_socket.socket(fileno=3)), os.getppid()):
        getattr(importlib.import_module(module), function)()


def _serve(channel: Channel, guardian: int) -> bool:
    """Do what the guardian asks for, until it is gone: False. True in each worker."""
    while True:
        select.select([channel], [], [])
        lines = channel.receive()
        if lines is None:
            return False
        for line in lines:
            word, _, rest = line.partition(b" ")
            if word == b"preload":
                _preload(**json.loads(rest))
            elif _forked(channel, guardian, int(rest)):
                return True


def _preload(modules: Sequence[str], path: Sequence[str]) -> None:
    sys.path[:0] = [entry for entry in path if entry not in sys.path]
    _import(modules)


def _import(modules: Sequence[str]) -> None:
    with _printing_to_stderr():
        for name in modules:
            # What it raises, the worker that needs it will raise again, and tell.
            with suppress(BaseException):
                importlib.import_module(name)


@contextmanager
def _printing_to_stderr() -> Iterator[None]:
    """Stdout is for the runner's answer, and nobody collects what is printed in here."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        with suppress(Exception):  # a module may have replaced it by anything
            sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _forked(channel: Channel, guardian: int, number: int) -> bool:
    """Fork a worker, or tell why not. Whether this process is it."""
    pair = channel.take_pair()
    if not pair:
        _tell(channel, _failed(number, os.strerror(errno.EMFILE)))
        return False
    try:
        is_worker = _forked_twice(channel, guardian, number)
    except OSError as error:
        _tell(channel, _failed(number, error.strerror))
        is_worker = False
    if is_worker:
        channel.abandon()
        place(pair)
        _reseed()
    close_all(pair)
    return is_worker


def _forked_twice(channel: Channel, guardian: int, number: int) -> bool:
    """Fork a process for the guardian. Whether this process is it, and has come to the guardian."""
    go, going = os.pipe()
    try:
        between = _fork()
    except OSError:
        close_all((go, going))
        raise
    if between == 0:
        os.close(going)  # so that who waits for it does not outlive the template
        _fork_and_end(channel, number)
        told = os.read(go, 1)
        os.close(go)
        if not told or not adopted(guardian):
            os._exit(1)
        return True
    with suppress(ChildProcessError):  # also where a module takes the status of every child
        os.waitpid(between, 0)
    with suppress(BrokenPipeError):  # it has been killed
        os.write(going, b".")
    close_all((go, going))
    return False


def _fork_and_end(channel: Channel, number: int) -> None:
    """Tell the guardian of a new process, and leave it to that. Returns in the new process."""
    pid = -1
    try:
        pid = _fork()
        if pid > 0:
            _tell(channel, f"forked {number} {pid}")
    except OSError as error:
        _tell(channel, _failed(number, error.strerror))
    finally:
        if pid != 0:
            os._exit(0)


def _fork() -> int:
    with warnings.catch_warnings():  # of threads that are running: the user has chosen to fork
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _failed(number: int, why: str | None) -> str:
    return f"failed {number} its template process: {why}"


def _tell(channel: Channel, line: str) -> None:
    channel.send(line.encode())
    while channel.has_unsent:
        select.select([], [channel], [])
        channel.flush()


def _reseed() -> None:
    """Let workers draw numbers of their own; `random` does so by itself after a fork."""
    numpy: Any = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


if __name__ == "__main__":
    main()
