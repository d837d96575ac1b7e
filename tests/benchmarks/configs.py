"""Pipelines of any size: which jobs there are, as TOML for runner, as Python for a peer."""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import attrs

Readers: TypeAlias = Mapping[str, Sequence["Job"]]
SEEDS: Final = {"seed_0": 1, "seed_1": 2}
BROKER: Final = os.environ.get("BENCHMARK_BROKER_URL", "amqp://127.0.0.1:5672//")
"""Of RabbitMQ, for cluster mode."""
APPLICATION: Final = Path(__file__).with_name("application")
STEPS: Final = 5
"""Of a value that crosses from worker to worker."""
WARM_UPS: Final = 6
"""Jobs that warm two workers up."""


class Job(NamedTuple):
    """A call of a function of the application, and the value that it makes."""

    output: str
    function: str
    inputs: tuple[str, ...] = ()


@attrs.frozen
class Graph:
    """Jobs, in an order in which they could run.

    Attributes:
        seeds: the values that are there before.
        jobs: the calls.
        last: the values that are asked for.
        pause: the function that each worker is warmed up with.
        keeps: whether what jobs make is kept.
    """

    seeds: Mapping[str, int]
    jobs: Sequence[Job]
    last: Sequence[str]
    pause: str = "functions.pause"
    keeps: bool = True


def layered(count: int) -> Graph:
    """Sums in layers, about as many as are in one; each adds two of the layer before its own."""
    width = math.isqrt(count)
    names = [f"value_{index:06d}" for index in range(count)]
    sums = [Job(name, "functions.add", tuple(SEEDS)) for name in names[:width]]
    for index in range(width, count):
        above = index - width
        beside = above + 1 if (index + 1) % width else above + 1 - width
        sums.append(Job(names[index], "functions.add", (names[above], names[beside])))
    return Graph(SEEDS, sums, names[-width:])


def chain(count: int) -> Graph:
    """Each adds 1 to what the one before has made."""
    names = [f"value_{index:06d}" for index in range(count + 1)]
    jobs = [Job(after, "functions.increment", (before,)) for before, after in pairwise(names)]
    return Graph({names[0]: 0}, jobs, names[-1:])


def wide(count: int) -> Graph:
    """The same sum, again and again."""
    names = [f"value_{index:06d}" for index in range(count)]
    return Graph(SEEDS, [Job(name, "functions.add", tuple(SEEDS)) for name in names], names)


def busy(count: int) -> Graph:
    """Each takes its time, and needs nothing."""
    names = [f"value_{index:06d}" for index in range(count)]
    return Graph({}, [Job(name, "functions.burn") for name in names], names)


def idle(count: int) -> Graph:
    """Each does nothing, and makes nothing."""
    jobs = [Job(f"value_{index:06d}", "functions.nothing") for index in range(count)]
    return Graph({}, jobs, (), keeps=False)


def naps(count: int) -> Graph:
    """Each takes its time, and needs no processor."""
    names = [f"value_{index:06d}" for index in range(count)]
    return Graph({}, [Job(name, "functions.nap") for name in names], names)


def heavy(_count: int) -> Graph:
    """One job of a module that takes long to import."""
    return Graph({}, [Job("value", "heavy.first")], ["value"])


def arrays(_count: int) -> Graph:
    """Steps of a large array; each has to run on another worker than the one before."""
    return _crossing("arrays")


def tables(_count: int) -> Graph:
    """The same of a table."""
    return _crossing("tables")


def records(count: int) -> Graph:
    """One job that makes a table of so many rows, which is kept in a file."""
    return Graph({"rows": count}, [Job("value", "records.make", ("rows",))], ["value"])


def _crossing(module: str) -> Graph:
    """Pairs of jobs; which of a pair makes the value is not known before it runs."""
    jobs = [Job("made", f"{module}.begin")]
    made: tuple[str, ...] = ("made",)
    for step in range(1, STEPS):
        pair = (f"left_{step}", f"right_{step}")
        jobs += [Job(name, f"{module}.cross", made) for name in pair]
        made = pair
    return Graph({}, jobs, made, pause=f"{module}.pause")


SHAPES: Final[Mapping[str, Callable[[int], Graph]]] = {
    shape.__name__: shape
    for shape in (layered, chain, wide, busy, idle, naps, heavy, arrays, tables, records)
}


@attrs.frozen(kw_only=True)
class Pipeline:
    """A config to be written.

    Attributes:
        shape: a name of `SHAPES`.
        storage: of what jobs make.
        workers: how many in standalone mode, or slots in cluster mode; 0: development mode.
        mode: of the two.
    """

    shape: str
    storage: str = "in_memory"
    workers: int = 0
    mode: str = "standalone"


def warm_up(graph: Graph) -> Graph:
    """Jobs of which each worker runs one at least, in the module of that graph's jobs."""
    return Graph({}, [Job(f"worker_{index}", graph.pause) for index in range(WARM_UPS)], ())


def write(pipeline: Pipeline, folder: Path, count: int) -> None:
    """A config with the scenario `all`, and its application.

    A sum has about 215 bytes. Where there are workers there is a scenario `warm_up` too.
    """
    shutil.copytree(APPLICATION, folder, ignore=shutil.ignore_patterns("__pycache__"))
    graph = SHAPES[pipeline.shape](count)
    parts = [*_sections(graph, pipeline.storage), _scenario("all", graph)]
    if pipeline.workers:
        job = f'[JOB]\nmode = "{pipeline.mode}"\nmax_nb_of_workers = {pipeline.workers}\n'
        if pipeline.mode == "cluster":
            queue = f"benchmark-{secrets.token_hex(6)}"
            job += f'broker_url = "{BROKER}"\nqueue = "{queue}"\n'
        warm = warm_up(graph)
        storage = "pickle" if pipeline.mode == "cluster" else "in_memory"
        parts = [job, *_sections(warm, storage), _scenario("warm_up", warm), *parts]
    (folder / "runner.toml").write_text("\n".join(parts), encoding="utf-8")


def _sections(graph: Graph, storage: str) -> list[str]:
    stored = "" if storage == "pickle" else f'storage_type = "{storage}"\n'
    seeds = [
        f"[DATA_NODE.{name}]\n{stored}default_data = {value}\n"
        for name, value in graph.seeds.items()
    ]
    nodes = [f"[DATA_NODE.{job.output}]\n{stored}" for job in graph.jobs] if graph.keeps else []
    tasks = [
        f"[TASK.{_task(job)}]\n"
        f'function = "{job.function}:function"\n'
        f"{_inputs(job)}"
        f"{_outputs(job) if graph.keeps else ''}"
        for job in graph.jobs
    ]
    return [*seeds, *nodes, *tasks]


def _inputs(job: Job) -> str:
    listed = ", ".join(f'"{name}:SECTION"' for name in job.inputs)
    return f"inputs = [{listed}]\n" if listed else ""


def _outputs(job: Job) -> str:
    return f'outputs = ["{job.output}:SECTION"]\n'


def _scenario(name: str, graph: Graph) -> str:
    listed = "".join(f'    "{_task(job)}:SECTION",\n' for job in graph.jobs)
    return f"[SCENARIO.{name}]\ntasks = [\n{listed}]\n"


def _task(job: Job) -> str:
    return f"{job.function.rpartition('.')[2]}_{job.output.removeprefix('value_')}"


def python_source(graph: Graph) -> str:
    """A module with a function for each sum, its parameters named for the terms."""
    functions = [
        f"def {name}({left}: int, {right}: int) -> int:\n    return {left} + {right}\n"
        for name, _, (left, right) in graph.jobs
    ]
    return "\n\n".join(functions)


def readers(graph: Graph) -> Readers:
    """Of each value the jobs that read it, each as often as it does."""
    found: dict[str, list[Job]] = {name: [] for name in graph.seeds}
    found.update((job.output, []) for job in graph.jobs)
    for job in graph.jobs:
        for name in job.inputs:
            found[name].append(job)
    return found


def answer(graph: Graph, values: Mapping[str, Any]) -> Any:
    """The sum of what is asked for."""
    return sum(values[name] for name in graph.last)
