"""Whether a worker sees the files of a run: it looks for one that the run has left for it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from runner.config.model import Config
from runner.execution.instance import storage_folder
from runner.execution.values import is_stale

_FOLDER: Final = "cluster"
"""In the storage folder: a file a session, with nothing in it."""
_SESSION: Final = re.compile(r"[0-9a-f-]{1,80}")


def leave_sign(config: Config, session: str) -> Path:
    """Leave what workers look for; the file, to be removed with the session.

    Those of sessions whose process is dead are removed.
    """
    folder = storage_folder(config).absolute() / _FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in filter(lambda each: is_stale(each.name), folder.iterdir()):
        old.unlink(missing_ok=True)
    path = folder / session
    path.touch(mode=0o600)
    return path


def is_shared(config: Config, session: str) -> bool:
    """Whether a session's storage folder is the one that is seen here."""
    if _SESSION.fullmatch(session) is None:
        return False
    return (storage_folder(config).absolute() / _FOLDER / session).is_file()


def remove_sign(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):  # others have theirs there
        path.parent.rmdir()
