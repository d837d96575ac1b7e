"""Where the broker is."""

from __future__ import annotations

from collections.abc import Mapping

from runner.config.model import JobConfig
from runner.execution.cluster import variables


def broker_of(job: JobConfig, environ: Mapping[str, str]) -> str:
    """The URL of the broker, or several, separated by `;`."""
    if job.broker_url == JobConfig().broker_url:
        return environ.get(variables.BROKER) or job.broker_url
    return job.broker_url
