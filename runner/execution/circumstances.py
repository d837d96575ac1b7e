"""What a run is begun under: versions, the platform, the command line, the git commit."""

from __future__ import annotations

import functools
import json
import platform
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import runner
from runner.config.values import is_secret_key


@functools.cache
def environment() -> str:
    """The versions of Python and runner and the platform, as JSON."""
    versions = {
        "python": platform.python_version(),
        "runner": runner.__version__,
        "platform": _platform(),
    }
    return json.dumps(versions)


def _platform() -> str:
    """As `platform.platform()` has it on Linux, which starts a process to ask for the processor."""
    here, libc = platform.uname(), "".join(platform.libc_ver())
    return f"{here.system}-{here.release}-{here.machine}{libc and f'-with-{libc}'}"


def command_line(arguments: Sequence[str]) -> str:
    """A command line of runner as it can be typed, without secrets."""
    return shlex.join(["runner", *map(_without_secret, arguments)])


def commit_of(folder: Path) -> str | None:
    """The git commit that a folder is at; None: it is in no repository, or nobody can tell."""
    for place in (folder, *folder.parents):
        git = place / ".git"
        try:
            if git.is_file():  # a worktree, or a submodule
                git = place / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            elif not git.is_dir():
                continue
            return _head(git)
        except (OSError, ValueError):
            return None
    return None


def _head(git: Path) -> str | None:
    head = (git / "HEAD").read_text(encoding="utf-8").strip()
    if not head.startswith("ref: "):
        return head
    reference = head.removeprefix("ref: ")
    common = git / "commondir"
    if common.is_file():
        git = git / common.read_text(encoding="utf-8").strip()
    if (git / reference).is_file():
        return (git / reference).read_text(encoding="utf-8").strip()
    for line in (git / "packed-refs").read_text(encoding="utf-8").splitlines():
        commit, _, name = line.partition(" ")
        if name == reference:
            return commit
    return None


def _without_secret(argument: str) -> str:
    key, equals, _ = argument.partition("=")
    # of a table, the keys are in the value
    hides = equals and (is_secret_key(argument) or "broker_url" in argument)
    return f"{key}=***" if hides else argument


def own_command_line() -> str | None:
    """That of this process, where it is one of runner's; None: it is a program of the user's."""
    program = Path(sys.argv[0] if sys.argv else "")
    is_ours = program.name in {"runner", "runner.exe"} or program.match("runner/__main__.py")
    return command_line(sys.argv[1:]) if is_ours else None
