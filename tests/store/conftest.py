from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest

Script: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]

WITHOUT_LOCKS: Final = """\
import ctypes, struct, sys
FCNTL, FLOCK = {"x86_64": (72, 73), "aarch64": (25, 32)}[sys.argv.pop(1)]
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 37  # ENOLCK; see seccomp(2)
LOAD, IS, IS_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
FILTER = b"".join(struct.pack("HBBI", *each) for each in [
    (LOAD, 0, 0, 0),
    (IS, 7, 0, FLOCK),
    (IS, 0, 5, FCNTL),
    (LOAD, 0, 0, 24),  # the command: 5 to 7 are F_GETLK to F_SETLKW, 36 to 38 those for open files
    (IS_AT_LEAST, 0, 3, 5),
    (IS_AT_LEAST, 0, 3, 8),
    (IS_AT_LEAST, 0, 1, 36),
    (IS_AT_LEAST, 0, 1, 39),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, REFUSE),
])
libc = ctypes.CDLL(None, use_errno=True)
text = ctypes.create_string_buffer(FILTER)
program = struct.pack("HP", len(FILTER) // 8, ctypes.addressof(text))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program, 0, 0) == 0
"""
"""Lets the kernel refuse all locks of files, as it does where their file system has none."""


@pytest.fixture
def script() -> Script:
    """Run Python code in a process of its own."""

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def without_locks(script: Script) -> Script:
    """Run Python code where files cannot be locked."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in {"x86_64", "aarch64"}:
        pytest.skip("needs seccomp of Linux")
    return lambda code, *arguments: script(WITHOUT_LOCKS + code, machine, *arguments)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Root becomes somebody to whom permissions apply."""
    if os.name == "nt":
        pytest.skip("permissions are others on Windows")
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if (
        sys.platform != "linux"
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("only root mounts disks")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
