"""The exceptions of runner, and the exit codes they end with.

RunnerError
├── UsageError            what was asked for does not exist            exit 2
├── ConfigError           the config is invalid, nothing ran           exit 3
├── SetupError      storage folder, lock, broker, extra          exit 4
├── JobError              one job failed; told as its outcome          exit 1
└── IllegalTransitionError  a bug of ours in the life of a job         exit 5
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from runner.diagnostics import Diagnostic  # an annotation only: diagnostics lie above


class ExitCode(enum.IntEnum):
    """How the process ends; the numbers are part of the interface."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INVALID_CONFIG = 3
    ENVIRONMENT = 4
    INTERNAL = 5
    WORK_TO_DO = 6
    TIMEOUT = 124
    INTERRUPTED = 130
    TERMINATED = 143


class RunnerError(Exception):
    """The root of everything runner raises on purpose.

    Attributes:
        code: the `RUNnnn` code, or an empty string where none applies.
        hint: advice for the reader, or None.
        diagnostics: every reason with its place in the config, where there are any.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str | None = None,
        diagnostics: Iterable[Diagnostic] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.diagnostics = tuple(diagnostics)


class UsageError(RunnerError):
    """An unknown scenario, a selection that selects nothing, an option that does not fit."""

    exit_code = ExitCode.USAGE


class ConfigError(RunnerError):
    """The config is invalid; `diagnostics` holds every reason."""

    exit_code = ExitCode.INVALID_CONFIG


class SetupError(RunnerError):
    """What surrounds the run is not as it must be: storage folder, lock, broker, an extra."""

    exit_code = ExitCode.ENVIRONMENT


class JobError(RunnerError):
    """A job cannot go on for a reason that is not the user's function raising."""

    exit_code = ExitCode.FAILED


class IllegalTransitionError(RunnerError):
    """A job was moved to a status that its present one does not lead to."""
