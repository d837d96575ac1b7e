"""Workers that start while the config is being loaded, where it seems to need some."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runner.cli.loading import found_config
from runner.cli.options import Common
from runner.config.model import Config, Mode
from runner.errors import RunnerError
from runner.execution.executor import Executor
from runner.execution.executors import cores, workers_of

if TYPE_CHECKING:
    from runner.execution.executors.standalone import StandaloneExecutor  # loaded when it is used

_MODE: Final = re.compile(r"""mode\s*=\s*["']?standalone\b""")
_FORKS: Final = re.compile(r"forkserver")
_WORKERS: Final = re.compile(r"""max_nb_of_workers\s*=\s*["']?(\d+|auto)""")


class Ahead:
    """Workers that were started on a guess, or none."""

    def __init__(self, executor: StandaloneExecutor | None) -> None:
        self._executor = executor

    def taken(self, config: Config, mode: Mode) -> Executor | None:
        """The executor that a config needs, if it is the one that was started."""
        executor, self._executor = self._executor, None
        if executor is None:
            return None
        if mode is not Mode.STANDALONE or executor.start_method is not config.job.start_method:
            executor.close()
            return None
        executor.resize(workers_of(config.job))
        return executor

    def close(self) -> None:
        if self._executor is not None:
            self._executor.close()


@contextmanager
def started_ahead(common: Common, mode: str | None, workers: int | None) -> Iterator[Ahead]:
    """Start workers if the text of the config looks as if it will ask for them.

    A wrong guess costs a few milliseconds and nothing else; what counts is what is loaded. Workers
    that nobody has taken end with the block.
    """
    ahead = Ahead(_started(common, mode, workers))
    try:
        yield ahead
    finally:
        ahead.close()


def _started(common: Common, mode: str | None, workers: int | None) -> StandaloneExecutor | None:
    texts = [*_texts(common), *common.overrides]
    if mode not in {None, "standalone"} or any(_FORKS.search(text) for text in texts):
        return None
    if mode is None and not any(_MODE.search(text) for text in texts):
        return None
    told = [match[1] for text in texts for match in _WORKERS.finditer(text)]
    if workers is None:
        workers = 2 if not told else 0 if told[-1] == "auto" else int(told[-1])
    from runner.execution.executors.standalone import StandaloneExecutor

    with contextlib.suppress(RunnerError):  # it will be told when it is really needed
        return StandaloneExecutor(min(workers or cores(), 4 * cores()))
    return None


def _texts(common: Common) -> Iterable[str]:
    files = [Path(file) for file in common.files]
    with contextlib.suppress(RunnerError):
        files = files or [found_config()]
    named = os.environ.get("RUNNER_CONFIG_PATH")
    for file in [*files, *([Path(named)] if named else [])]:
        with contextlib.suppress(OSError):
            if file.is_file():
                yield file.read_text(encoding="utf-8", errors="replace")
