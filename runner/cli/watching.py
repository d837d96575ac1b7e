"""Wait until something in folders changes, or a process ends."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import Any, Final, Self

PAUSE: Final = 0.2
"""Seconds after which to look again, where nothing tells that there is something to see."""

_CHANGES: Final = 0x2 | 0x80 | 0x100 | 0x200  # of inotify(7): modified, moved to, created, deleted


class Watch:
    """Wakes where the files of folders change: at once on Linux, elsewhere after `PAUSE`."""

    def __init__(self, folders: Iterable[Path], pid: int | None) -> None:
        """Watch from now on.

        Args:
            folders: those, not the ones below them.
            pid: of a process of this machine, whose end wakes too; None: what happens is the work
                of another machine, of which this one hears nothing.
        """
        self._descriptors: list[int] = []
        self._wakes = False
        if sys.platform == "linux" and pid is not None:
            with suppress(OSError):  # too many watches, or the process has ended
                self._descriptors.append(_notifier())
                for folder in folders:
                    _add(self._descriptors[0], folder)
                self._descriptors.append(os.pidfd_open(pid))
                self._wakes = True

    def wait(self) -> None:
        """Wait until something has changed since the last time."""
        if not self._wakes:
            sleep(PAUSE)
            return
        select.select(self._descriptors, [], [])
        with suppress(BlockingIOError):  # it was the process
            os.read(self._descriptors[0], 1 << 16)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)


def _notifier() -> int:
    return _called("inotify_init1", os.O_NONBLOCK | os.O_CLOEXEC)


def _add(notifier: int, folder: Path) -> None:
    _called("inotify_add_watch", notifier, os.fsencode(folder), _CHANGES)


def _called(name: str, *arguments: Any) -> int:
    import ctypes

    result: int = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
