"""The executors by mode."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from runner.config.model import JobConfig, Mode
from runner.execution.executor import Executor


def _development(_job: JobConfig) -> Executor:
    from runner.execution.executors.development import DevelopmentExecutor

    return DevelopmentExecutor()


def _standalone(job: JobConfig) -> Executor:
    from runner.execution.executors.standalone import StandaloneExecutor

    return StandaloneExecutor(workers_of(job), job.start_method)


def _cluster(job: JobConfig) -> Executor:
    from runner.execution.executors.cluster import ClusterExecutor

    return ClusterExecutor(job, os.environ)


EXECUTORS: Final[Mapping[Mode, Callable[[JobConfig], Executor]]] = {
    Mode.DEVELOPMENT: _development,
    Mode.STANDALONE: _standalone,
    Mode.CLUSTER: _cluster,
}


def workers_of(job: JobConfig) -> int:
    """How many jobs may run at once; `auto`: as many as there are cores that we may use."""
    return job.max_nb_of_workers or cores()


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
