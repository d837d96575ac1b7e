"""Where the broker is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.config.model import JobConfig

VARIABLE: Final = "RUNNER_BROKER_URL"
"""Of the environment: the broker, where the config names none."""


def broker_of(job: JobConfig, environ: Mapping[str, str]) -> str:
    """The URL of the broker, or several, separated by `;`."""
    if job.broker_url == JobConfig().broker_url:
        return environ.get(VARIABLE) or job.broker_url
    return job.broker_url
