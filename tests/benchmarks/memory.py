"""How much memory processes hold, from Linux's /proc, seen by a process beside them.

As a program, `python memory.py PID` looks at that process and at all that it has started until its
standard input is closed. What a file holds in the page cache and no process has mapped is not
counted, for nobody.
"""

from __future__ import annotations

import itertools
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

INTERVAL = 0.001
"""Seconds between two looks."""
LOOKS = 100
"""After so many it looks for new processes too."""
PROC = Path("/proc")


class Watch:
    """Looks at this process and at those that it has started, for the time of a block.

    Attributes:
        largest: the most bytes that one of the processes that are there at the end held at any time
            of its life, all that it has mapped included.
        most: the most bytes that all held together, as `held` has it.
    """

    def __enter__(self) -> Self:
        command = [sys.executable, "-I", __file__, str(os.getpid())]
        self._watcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._watcher.stdout is not None
        assert self._watcher.stdout.readline() == "looking\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        told, _ = self._watcher.communicate()
        self.largest, self.most = map(int, told.split())


def held() -> int:
    """Bytes of this process and of those that it has started; what they share counts once."""
    return _sum([os.getpid(), *_tree(os.getpid())])


def resident() -> int:
    """Bytes of this process that are in memory now."""
    return _of_status(os.getpid(), "VmRSS")


def highest() -> int:
    """The most bytes of this process that were in memory since `forget_highest`."""
    return _of_status(os.getpid(), "VmHWM")


def forget_highest() -> None:
    (PROC / "self" / "clear_refs").write_text("5", encoding="ascii")


def _watch(root: int) -> tuple[int, int]:
    processes = _tree(root)
    most = _sum(processes)
    print("looking", flush=True)
    for look in itertools.count(1):
        is_over, _, _ = select.select([sys.stdin], [], [], INTERVAL)
        most = max(most, _sum(processes))
        if is_over or look % LOOKS == 0:
            processes = _tree(root)
        if is_over:
            break
    largest = max(_of_status(each, "VmHWM") for each in processes)
    return largest, most


def _sum(processes: Sequence[int]) -> int:
    """Of pages that several have mapped each has its share."""
    return sum(_value(PROC / str(each) / "smaps_rollup", "Pss") for each in processes)


def _tree(root: int) -> list[int]:
    """A process and all that descend from it, but this one."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            parent = _of_status(int(entry.name), "PPid", unit=1)
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for each in found:
        found += children.get(each, [])
    return [each for each in found if each != os.getpid()]


def _of_status(process: int, name: str, unit: int = 1024) -> int:
    return _value(PROC / str(process) / "status", name, unit)


def _value(file: Path, name: str, unit: int = 1024) -> int:
    """A value of a file of lines `name: value`; 0 where it has ended, or is none of ours."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    for line in lines:
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * unit
    return 0


if __name__ == "__main__":
    print(*_watch(int(sys.argv[1])))
