"""Which process is which: a number alone does not tell, as it is used again, here and elsewhere."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from runner.processes import started

_PROC: Final = Path("/proc")


@attrs.frozen
class Process:
    """One process of one machine.

    Attributes:
        pid: its number.
        host: the name of the machine.
        start: the boot, the namespace and the moment that it belongs to, as Linux tells them;
            empty where nobody does.
    """

    pid: int
    host: str
    start: str

    def is_alive(self) -> bool | None:
        """Whether it lives; None where that cannot be told from here.

        One that has ended and is only waited for does not live.
        """
        if self.host != platform.node() or os.name == "nt":
            return None
        if self.start and not _is_same_namespace(self.start):
            return None
        ticks = started(self.pid)
        if ticks is None:
            return False
        return not (ticks and self.start) or _told(ticks) == self.start


def this_process() -> Process:
    pid = os.getpid()
    ticks = started(pid)
    return Process(pid, platform.node(), _told(ticks) if ticks else "")


def _told(ticks: str) -> str:
    """`boot/namespace/ticks`: the ticks of the clock from the boot to its start."""
    return f"{_boot()}/{_namespace()}/{ticks}"


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().partition("-")[0]


def _namespace() -> int:
    return (_PROC / "self/ns/pid").stat().st_ino


def _is_same_namespace(start: str) -> bool:
    """Whether it was started among the processes that can be seen from here, or before a boot."""
    boot, namespace, _ = start.split("/")
    with suppress(OSError):
        return boot != _boot() or int(namespace) == _namespace()
    return False
