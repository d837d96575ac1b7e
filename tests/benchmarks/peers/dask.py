"""dask.distributed: a local cluster of two processes of a thread each."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter
from typing import Any

import configs
from samples import Sample, application, took

os.environ["DASK_LOGGING__DISTRIBUTED"] = "critical"  # before it is imported, for workers too

import dask
import distributed


def graph(folder: Path, jobs: configs.Graph) -> Sample:
    """Measured: `compute` of delayed calls, for the values that nothing else reads.

    The calls are made before. Futures, and a graph given to `Client.get`, took longer.
    """
    functions = {job.function: application(folder, job.function) for job in jobs.jobs}
    pause = application(folder, "functions.pause")
    values: dict[str, Any] = dict(jobs.seeds)
    for job in jobs.jobs:
        call = dask.delayed(functions[job.function], pure=False)
        inputs = [values[name] for name in job.inputs]
        values[job.output] = call(*inputs, dask_key_name=job.output)
    last = [values[name] for name in jobs.last]
    begun = perf_counter()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        warm = [client.submit(pause, pure=False) for _ in range(configs.WARM_UPS)]
        assert len(set(client.gather(warm))) == 2
        started = perf_counter()
        made = dask.compute(*last)
        ended = perf_counter()
    return took(ended - started, sum(made), whole=ended - begun)
