"""joblib, for jobs that do not need each other."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import configs
import joblib
from samples import Sample, application, took


def independent(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `Parallel(n_jobs=2)`, which makes batches, with the calls made as it takes them."""
    functions = {job.function: application(folder, job.function) for job in graph.jobs}
    pause = application(folder, "functions.pause")
    begun = perf_counter()
    with joblib.Parallel(n_jobs=2) as parallel:
        warmed: set[int] = set()
        while len(warmed) < 2:  # one may still be starting
            warmed |= set(parallel(joblib.delayed(pause)() for _ in range(configs.WARM_UPS)))
        warm = perf_counter()
        values = parallel(
            joblib.delayed(functions[job.function])(*[graph.seeds[name] for name in job.inputs])
            for job in graph.jobs
        )
        ended = perf_counter()
    return took(ended - warm, sum(values), whole=ended - begun)
