"""ray: a node of this machine with two processors."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import configs
from samples import Sample, application, took

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # before ray is imported

import ray


def graph(folder: Path, jobs: configs.Graph) -> Sample:
    """Measured: a remote call a job, given the references of what it needs, and `ray.get`."""
    names = {job.function for job in jobs.jobs}
    remote = {name: ray.remote(application(folder, name)) for name in names}
    pause = ray.remote(application(folder, "functions.pause"))
    begun = perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        warm = ray.get([pause.remote() for _ in range(configs.WARM_UPS)])
        assert len(set(warm)) == 2
        started = perf_counter()
        values: dict[str, Any] = dict(jobs.seeds)
        for job in jobs.jobs:
            inputs = [values[name] for name in job.inputs]
            values[job.output] = remote[job.function].remote(*inputs)
        made = ray.get([values[name] for name in jobs.last])
        ended = perf_counter()
    finally:
        ray.shutdown()
    return took(ended - started, sum(made), whole=ended - begun)
