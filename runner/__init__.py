"""A declarative, TOML-first pipeline runner.

    >>> import runner
    >>> config = runner.Config.load("pipeline.toml")
    >>> with runner.Core(config) as core:
    ...     submission = core.create_scenario("my_scenario").submit()

The names below are loaded when they are first used, so that `import runner` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.config.builder import ConfigBuilder
    from runner.config.model import Config, Frequency, Scope
    from runner.core import Core, DataNode, Scenario, Submission, check
    from runner.diagnostics import Diagnostic, Severity
    from runner.errors import ConfigError, JobError, RunnerError, SetupError, UsageError
    from runner.execution.lifecycle import JobStatus, SubmissionStatus

__version__ = "0.1.0"

__all__ = [
    "Config",
    "ConfigBuilder",
    "ConfigError",
    "Core",
    "DataNode",
    "Diagnostic",
    "Frequency",
    "JobError",
    "JobStatus",
    "RunnerError",
    "Scenario",
    "Scope",
    "SetupError",
    "Severity",
    "Submission",
    "SubmissionStatus",
    "UsageError",
    "check",
]

_MODULES = {
    "runner.config.builder": ("ConfigBuilder",),
    "runner.config.model": ("Config", "Frequency", "Scope"),
    "runner.core": ("Core", "DataNode", "Scenario", "Submission", "check"),
    "runner.diagnostics": ("Diagnostic", "Severity"),
    "runner.errors": ("ConfigError", "SetupError", "JobError", "RunnerError", "UsageError"),
    "runner.execution.lifecycle": ("JobStatus", "SubmissionStatus"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module `runner` has no attribute `{name}`")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
