"""The loop over a graph that one writes by hand: a job starts when its inputs are there.

It takes whatever has `submit` of `concurrent.futures`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from typing import Any

import configs
from samples import Sample, application, took

Done = SimpleQueue[tuple[configs.Job, Future[Any]]]


def measure(folder: Path, graph: configs.Graph, make: Callable[[], Executor]) -> Sample:
    """Measured: `run_graph`."""
    functions = {job.function: application(folder, job.function) for job in graph.jobs}
    pause = application(folder, "functions.pause")
    readers = configs.readers(graph)
    begun = perf_counter()
    with make() as executor:
        warm_up(executor, pause)
        warm = perf_counter()
        values = run_graph(executor, graph, functions, readers)
        ended = perf_counter()
    return took(ended - warm, configs.answer(graph, values), whole=ended - begun)


def warm_up(executor: Executor, pause: Callable[[], int]) -> None:
    futures = [executor.submit(pause) for _ in range(configs.WARM_UPS)]
    assert len({future.result() for future in futures}) == 2


def run_graph(
    executor: Executor,
    graph: configs.Graph,
    functions: dict[str, Callable[..., Any]],
    readers: configs.Readers,
) -> dict[str, Any]:
    """The values of all jobs.

    Futures report to a queue: `wait` would look at all that are under way each time.
    """
    values: dict[str, Any] = dict(graph.seeds)
    missing = {job.output: sum(name not in values for name in job.inputs) for job in graph.jobs}
    done: Done = SimpleQueue()

    def start(job: configs.Job) -> None:
        inputs = [values[name] for name in job.inputs]
        future = executor.submit(functions[job.function], *inputs)
        future.add_done_callback(partial(_tell, done, job))

    for job in graph.jobs:
        if not missing[job.output]:
            start(job)
    for _ in graph.jobs:
        ended, future = done.get()
        values[ended.output] = future.result()
        for reader in readers[ended.output]:
            missing[reader.output] -= 1
            if not missing[reader.output]:
                start(reader)
    return values


def _tell(done: Done, job: configs.Job, future: Future[Any]) -> None:
    done.put((job, future))
