"""kedro: its parallel runner, with a catalog of pickle files."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path
from time import perf_counter
from typing import Any

import configs
from samples import Sample, application, took

os.environ["KEDRO_DISABLE_TELEMETRY"] = "1"

from kedro.io import AbstractDataset, SharedMemoryDataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import ParallelRunner


class PickleFile(AbstractDataset[Any, Any]):  # type: ignore[misc]  # its types are not read
    """The least that a dataset of a file can do; the ones that kedro comes with do more."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def load(self) -> Any:
        return pickle.loads(self._file.read_bytes())

    def save(self, data: Any) -> None:
        self._file.write_bytes(pickle.dumps(data, 5))

    def _describe(self) -> dict[str, Any]:
        return {"file": self._file}


def files(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `ParallelRunner.run`, which starts its two processes.

    Pipeline and catalog are made before, and the seeds are written.
    """
    logging.disable()
    scratch = folder / "loop"
    scratch.mkdir()
    names = [*graph.seeds, *(job.output for job in graph.jobs)]
    catalog = SharedMemoryDataCatalog(
        {name: PickleFile(str(scratch / f"{name}.p")) for name in names}
    )
    for name, value in graph.seeds.items():
        catalog.save(name, value)
    pipeline = Pipeline(
        [
            node(application(folder, job.function), list(job.inputs), job.output, name=job.output)
            for job in graph.jobs
        ]
    )
    begun = perf_counter()
    ParallelRunner(max_workers=2).run(pipeline, catalog)
    seconds = perf_counter() - begun
    return took(seconds, sum(catalog.load(name) for name in graph.last))
