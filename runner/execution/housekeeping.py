"""What a job may leave changed in its process, put back before the next one runs there."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from contextlib import suppress
from typing import Any, Final

_LIMITS: Final = sorted({getattr(resource, n) for n in dir(resource) if n.startswith("RLIMIT_")})
_SURROUNDINGS: Final = frozenset({"os.chdir", "os.putenv", "os.unsetenv"})
"""What the interpreter tells of that changes the folder or the environment."""
_REMAINS: Final = frozenset(
    {
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.system",
        "resource.prlimit",
        "resource.setrlimit",
        "subprocess.Popen",
    }
)
"""What it tells of after which something may be left that cannot be put back."""


class Housekeeping:
    """Keeps a worker's process as it was: folder, environment, streams, signals, umask, `sys.path`.

    What the interpreter tells of, and what is found at once, is put back after each job. The rest
    takes many system calls to find, so it is looked for after jobs that are long beside that or may
    have left something, and after each batch of others.
    """

    def __init__(self) -> None:
        self._is_changed = False
        self._may_remain = False
        self.remember()
        sys.addaudithook(self._heard)

    def remember(self) -> None:
        """Take what is now as what is to be kept: modules may change it when they are imported."""
        self._folder = os.getcwd()  # noqa: PTH109 - text in, text out
        self._environ = dict(os.environ)
        self._streams = sys.stdout, sys.stderr
        self._files = _standard_files()
        self._path = list(sys.path)
        self._recursion_limit = sys.getrecursionlimit()
        self._umask = _umask()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._handlers = {number: signal.getsignal(number) for number in _signals()}
        self._limits = _limits()
        self._threads = set(threading.enumerate())
        self._is_changed = self._may_remain = False

    def tidy(self, *, thoroughly: bool) -> bool:
        """Put back what a job has changed; False: it cannot be, the process must not go on."""
        try:
            if self._is_changed:
                self._put_back_surroundings()
            sys.stdout, sys.stderr = out, err = self._streams
            if out.closed or err.closed:
                return False
            self._put_back_settings()
            thoroughly, self._may_remain = thoroughly or self._may_remain, False
            return not thoroughly or self._put_back_the_rest()
        except OSError:
            return False

    def _heard(self, event: str, _arguments: tuple[Any, ...]) -> None:
        if event in _SURROUNDINGS:
            self._is_changed = True
        elif event in _REMAINS:
            self._may_remain = True

    def _put_back_surroundings(self) -> None:
        if dict(os.environ) != self._environ:
            os.environ.clear()
            os.environ.update(self._environ)
        os.chdir(self._folder)
        self._is_changed = False

    def _put_back_settings(self) -> None:
        if sys.path != self._path:
            sys.path[:] = self._path
        if sys.getrecursionlimit() != self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
        if _umask() != self._umask:
            os.umask(self._umask)

    def _put_back_the_rest(self) -> bool:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if _limits() != self._limits or _standard_files() != self._files:
            return False
        return not (_has_children() or self._has_new_threads())

    def _has_new_threads(self) -> bool:
        """Whether a thread was left that Python would wait for; those are nobody's helpers."""
        if threading.active_count() <= len(self._threads):
            return False
        return any(not each.daemon for each in threading.enumerate() if each not in self._threads)


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now


def _standard_files() -> list[tuple[int, int]]:
    """What the standard descriptors lead to."""
    return [(found.st_dev, found.st_ino) for found in map(os.fstat, range(3))]


def _limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(number) for number in _LIMITS]


def _signals() -> tuple[int, ...]:
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM)


def _has_children() -> bool:
    """Whether a process that a job has started, or an orphan of it, still lives."""
    with suppress(ChildProcessError):
        while True:
            ended, _ = os.waitpid(-1, os.WNOHANG)
            if not ended:
                return True
    return False
