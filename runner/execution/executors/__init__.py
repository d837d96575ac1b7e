"""The executors by mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from runner.config.model import Mode
from runner.execution.executor import Executor
from runner.execution.executors.development import DevelopmentExecutor

EXECUTORS: Final[Mapping[Mode, Callable[..., Executor]]] = {
    Mode.DEVELOPMENT: DevelopmentExecutor,
}
