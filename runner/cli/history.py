"""The runs of a project's storage folder, for the commands that look back at them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from runner.cli.options import Common, common_options, global_options
from runner.errors import ConfigError, UsageError
from runner.store.database import is_there
from runner.store.store import NoRunError, RunRow, Store
from runner.suggestions import did_you_mean

if TYPE_CHECKING:  # to load a config takes longer than to tell what has run
    from runner.config.loader import Loaded
    from runner.config.model import Config

INTERRUPTED: Final = "INTERRUPTED"
"""How a run is told that has no end on record, and no process."""

_DECIDING: Final = frozenset({(), ("CORE",)})
"""The beginnings of the keys that say where the storage folder is; empty for a whole file."""
_FILES: Final = ("runner.toml", "config.toml")
_USUAL: Final = ".runner"
_UNUSUAL: Final = ("storage_folder", "\\u", "\\x")
"""What a config says in lower case where its storage folder may be another, be it in escapes."""


@attrs.frozen
class History:
    """What has run.

    Attributes:
        config: as it is now, with whatever is wrong with it.
        store: the runs.
        folder: the storage folder.
    """

    config: Config
    store: Store
    folder: Path

    def check_task(self, run: RunRow, task: str) -> None:
        """A task of a run: one of its jobs; of one that has not ended, one of the config will do.

        Raises:
            UsageError: it is none.
        """
        if self.store.job(run.id, task) is not None:
            return
        known = dict.fromkeys(job.task for job in self.store.jobs(run.id))
        if run.is_running:
            known |= dict.fromkeys(self.config.tasks)
        if task not in known:
            hint = did_you_mean(task, known)
            raise UsageError(f"run {run.id} has no task `{task}`", hint=hint)


@contextmanager
def opened_history(common: Common) -> Iterator[History]:
    """What has run of the config that a command is about; the config need not be right.

    Raises:
        ConfigError: it does not say where the storage folder is.
        UsageError: no file is named, and none is found; or nothing has run.
        SetupError: the storage folder cannot be used.
    """
    loaded, folder = _loaded(common)
    with _opened(folder) as store:
        yield History(loaded.config, store, folder)


@contextmanager
def opened_store(common: Common) -> Iterator[Store]:
    """The same without the config, which is not even loaded where that can be helped.

    Raises:
        ConfigError, UsageError, SetupError: as `opened_history`.
    """
    with _opened(_usual_folder(common) or _loaded(common)[1]) as store:
        yield store


def status_of(run: RunRow, folder: Path) -> str:
    """The status of a run; `INTERRUPTED` where its process is gone."""
    if not run.is_running:
        return run.status
    from runner.store.locks import is_gone

    return INTERRUPTED if is_gone(run.id, run.process, folder) else run.status


def fate(run: RunRow) -> str | None:
    """Why nothing more will come of a run; None: it runs, as far as can be told."""
    if not run.is_running:
        return f"run {run.id} has ended: {run.status}"
    if run.process is not None and run.process.is_alive() is False:
        return f"run {run.id} is not running any more: its process {run.pid} is gone"
    return None


def config_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options of every command, but not files; they arrive as one `Common`."""
    with_files = common_options(functools.partial(function))  # whose options are not function's

    @functools.wraps(function)
    def without_files(**options: Any) -> int:
        return with_files(files=(), **options)

    return global_options(without_files)


def _loaded(common: Common) -> tuple[Loaded, Path]:
    """The config, and its storage folder."""
    from runner.cli.loading import found_config
    from runner.config.loader import load
    from runner.execution.instance import storage_folder

    loaded = load(
        common.files or [found_config()],
        common.overrides,
        environ=os.environ,
        application_path=common.application_path,
    )
    _refuse_undecided(loaded, common)
    return loaded, storage_folder(loaded.config)


def _usual_folder(common: Common) -> Path | None:
    """The storage folder of a config that names none, told from its text; None: ask the config."""
    if common.overrides or any(name.endswith("_CONFIG_PATH") for name in os.environ):
        return None
    files = [Path(file) for file in common.files] or list(_nearest())
    try:
        text = "".join(file.read_text(encoding="utf-8") for file in files).lower()
    except (OSError, ValueError):  # who loads it will tell
        return None
    if not files or any(each in text for each in _UNUSUAL):
        return None
    return (common.application_path or files[0].parent).absolute() / _USUAL


def _nearest() -> Iterator[Path]:
    """The config file of this folder or of the nearest above, if there is one."""
    here = Path.cwd()
    files = (place / name for place in (here, *here.parents) for name in _FILES)
    yield from islice(filter(Path.is_file, files), 1)


@contextmanager
def _opened(folder: Path) -> Iterator[Store]:
    if not is_there(folder):  # to look back makes nothing
        raise NoRunError
    with Store.open_to_read(folder) as store:
        yield store


def _refuse_undecided(loaded: Loaded, common: Common) -> None:
    from runner.cli.rendering import file_source, show_diagnostics
    from runner.config.document import Places

    wrong = [each for each in loaded.diagnostics if each.is_error and each.key[:1] in _DECIDING]
    if wrong:
        places = Places(loaded.document)
        located = [places.located(each) for each in wrong]
        show_diagnostics(located, file_source(loaded.document.text), color=common.color)
        raise ConfigError("the config does not say where the storage folder is")
