"""Where what belongs to one runner process is kept, apart from what belongs to another."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final

import attrs

from runner.config.model import Config, JobConfig, Mode
from runner.config.secrets import broker_secret, mask_from, mask_of, secrets_of
from runner.execution.cluster.variables import left_to_jobs
from runner.execution.instance import storage_folder
from runner.execution.values import (
    EncodedMemory,
    Folders,
    own_folder,
    remove_stale,
    remove_values,
)
from runner.masks import NO_MASK, Mask
from runner.store.trimming import MOST_PRINTED, trim

_MEMORY: Final = Path("/dev/shm")
_MOST_READ: Final = 4096
_numbers: Final = itertools.count(1)


@attrs.frozen
class Session:
    """A process that runs submissions, and its places in the storage folder.

    Attributes:
        name: of the session; no two have the same.
        application_path: where functions are imported from.
        logs: the folder of what workers print.
        values: the folders of large values that workers pass on.
        mask: takes the config's secrets out of what is printed and told.
        mask_of_jobs: the same for processes of jobs, which is to tell them nothing new.
        holds_secrets: whether the config has any, be they too short to be taken out.
        most_printed: bytes that are kept of what a job prints.
    """

    name: str
    application_path: Path
    logs: Path
    values: Folders
    mask: Mask = attrs.field(default=NO_MASK, repr=False)
    mask_of_jobs: Mask = attrs.field(default=NO_MASK, repr=False)
    holds_secrets: bool = False
    most_printed: int = MOST_PRINTED

    def log_of(self, worker: int) -> str:
        """The file, below `logs`, of what a worker prints."""
        return f"{self.name}-{worker}.log"

    def size_of(self, log: str) -> int:
        """Bytes that are in a log; 0 where it is not there."""
        try:
            return (self.logs / log).stat().st_size
        except OSError:
            return 0

    def trim(self, log: str, start: int) -> int:
        """Trim the rest of a log, whose worker does so no more; where it ends now."""
        end = self.size_of(log)
        return trim(str(self.logs / log), start, end, self.most_printed, self.mask)

    def end_of(self, log: str) -> str:
        """The last of what is in a log; nothing where it is not there."""
        try:
            with (self.logs / log).open("rb") as file:
                file.seek(max(self.size_of(log) - _MOST_READ, 0))
                return self.mask.text(file.read().decode(errors="backslashreplace"))
        except OSError:
            return ""


def session_of(config: Config) -> Session:
    """A new session of this process; nothing is made."""
    storage = storage_folder(config).absolute()
    disk = Path(f"{own_folder(str(storage / 'values'))}-{next(_numbers)}")
    memory = None
    if _MEMORY.is_dir():  # where others may write, so that no name may be foreseen
        memory = str(_MEMORY / f"runner-{disk.name}-{secrets.token_hex(8)}")
    application_path = config.application_path.absolute()
    values = Folders(str(disk), memory)
    found = secrets_of(config)
    mask = mask_from(found)
    of_jobs = _mask_of_jobs(config, mask, os.environ)
    return Session(
        disk.name, application_path, storage / "logs", values, mask, of_jobs, bool(found)
    )


def _mask_of_jobs(config: Config, mask: Mask, environ: Mapping[str, str]) -> Mask:
    """The mask without what leads to the broker, unless jobs have that in their environment."""
    secret = broker_secret(config.job)
    if any(secret in value for value in left_to_jobs(environ).values()):
        return mask
    return mask_of(attrs.evolve(config, job=JobConfig(properties=config.job.properties)))


def memory_of(mode: Mode, session: Session) -> MutableMapping[str, Any]:
    """Where the values of data nodes in memory are: encoded, where other processes need them.

    What dead processes left of theirs is removed.
    """
    if mode is not Mode.STANDALONE:  # of a cluster, what workers pass on is theirs
        return {}
    folders = session.values
    for folder in filter(None, (folders.disk, folders.memory)):
        remove_stale(str(Path(folder).parent))
    if folders.memory is not None:
        with contextlib.suppress(OSError):  # then all goes to the disk
            Path(folders.memory).mkdir(0o700, exist_ok=True)
    return EncodedMemory(folders)


def remove_remains(session: Session) -> None:
    """Remove what nobody needs when its workers have ended: values, and empty logs."""
    for folder in filter(None, (session.values.disk, session.values.memory)):
        remove_values(folder)
    for log in session.logs.glob(f"{session.name}-*.log"):
        if not log.stat().st_size:
            log.unlink()
