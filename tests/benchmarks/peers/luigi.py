"""luigi: its local scheduler, with two workers and a pickle file a task."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import configs
import luigi
from samples import Sample, application, took


class Made(luigi.Task):  # type: ignore[misc]  # its types are not read
    """A job, by the name of its value."""

    name = luigi.Parameter()

    folder: Path
    jobs: Mapping[str, configs.Job]
    functions: Mapping[str, Any]

    def requires(self) -> list[luigi.Task]:
        return [type(self)(name=name) for name in self._job.inputs]

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(str(self.folder / f"{self.name}.p"), format=luigi.format.Nop)

    def run(self) -> None:
        inputs = []
        for target in self.input():
            with target.open("r") as file:
                inputs.append(pickle.load(file))
        value = self.functions[self._job.function](*inputs)
        with self.output().open("w") as file:
            pickle.dump(value, file, 5)

    @property
    def _job(self) -> configs.Job:
        return self.jobs[self.name]


def files(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `luigi.build` of the tasks that nothing needs; it forks a process a task."""
    logging.disable()
    scratch = folder / "loop"
    scratch.mkdir()
    for name, value in graph.seeds.items():
        (scratch / f"{name}.p").write_bytes(pickle.dumps(value, 5))
    seeds = {name: configs.Job(name, "") for name in graph.seeds}
    Made.folder = scratch
    Made.jobs = {**seeds, **{job.output: job for job in graph.jobs}}
    Made.functions = {job.function: application(folder, job.function) for job in graph.jobs}
    last = [Made(name=name) for name in graph.last]
    begun = perf_counter()
    is_done = luigi.build(last, workers=2, local_scheduler=True)
    seconds = perf_counter() - begun
    assert is_done
    read = (pickle.loads((scratch / f"{name}.p").read_bytes()) for name in graph.last)
    return took(seconds, sum(read))
