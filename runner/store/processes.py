"""Which process is which: a number alone does not tell, as it is used again, here and elsewhere."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

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
        if not _has_number(self.pid):
            return False
        now = _start_of(self.pid)
        return now == self.start or not (now and self.start)


def this_process() -> Process:
    pid = os.getpid()
    return Process(pid, platform.node(), _start_of(pid))


def _start_of(pid: int) -> str:
    """`boot/namespace/ticks`: the ticks of the clock from the boot to its start."""
    with suppress(OSError):
        # the name, in parentheses, may hold anything; what follows are fields 3 to 52 (proc(5))
        stat = (_PROC / str(pid) / "stat").read_text(errors="replace")
        fields = stat.rpartition(")")[2].split()
        has_ended = fields[0] in {"Z", "X"}
        return f"{_boot()}/{_namespace()}/{'ended' if has_ended else fields[19]}"
    return ""


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


def _has_number(pid: int) -> bool:
    """Whether any process has that number now."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
