"""doit: `doit -n 2`, with a pickle file a task that depends on those of its inputs."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import configs
from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from samples import Sample, application, took


def make(function: Any, inputs: list[Path], output: Path) -> None:
    values = [pickle.loads(file.read_bytes()) for file in inputs]
    output.write_bytes(pickle.dumps(function(*values), 5))


def files(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `run -n 2`, which makes the tasks, starts two processes and records them."""
    return _run(folder, graph, ["-n", "2"], again=False)


def again(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `run` where all has been made: it makes the tasks and looks at each."""
    return _run(folder, graph, [], again=True)


def _run(folder: Path, graph: configs.Graph, options: list[str], *, again: bool) -> Sample:
    scratch = folder / "loop"
    scratch.mkdir()
    file = {name: scratch / f"{name}.p" for name in graph.seeds}
    file.update((job.output, scratch / f"{job.output}.p") for job in graph.jobs)
    for name, value in graph.seeds.items():
        file[name].write_bytes(pickle.dumps(value, 5))
    functions = {job.function: application(folder, job.function) for job in graph.jobs}

    def task_all() -> Iterator[Mapping[str, Any]]:
        for job in graph.jobs:
            inputs = [file[name] for name in job.inputs]
            yield {
                "name": job.output,
                "actions": [(make, [functions[job.function], inputs, file[job.output]])],
                "file_dep": inputs,
                "targets": [file[job.output]],
            }

    settings = {"dep_file": str(scratch / "doit.db"), "reporter": "zero"}
    doit = DoitMain(ModuleTaskLoader({"DOIT_CONFIG": settings, "task_all": task_all}))
    if again:
        assert doit.run(["run", *options]) == 0
    begun = perf_counter()
    status = doit.run(["run", *options])
    seconds = perf_counter() - begun
    assert status == 0
    return took(seconds, sum(pickle.loads(file[name].read_bytes()) for name in graph.last))
