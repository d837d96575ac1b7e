"""What runner does: loading and checking, and runs through its Python API."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import configs
import memory
from samples import Sample, application, took

import runner


def load(folder: Path, _graph: configs.Graph) -> Sample:
    """Measured: all that `runner check` does but start up and print; it reads and keeps a cache."""
    from runner.cli.loading import load_and_check
    from runner.cli.options import Common

    begun = perf_counter()
    checked = load_and_check(Common(files=(str(folder / "runner.toml"),)))
    seconds = perf_counter() - begun
    assert not checked.diagnostics, checked.diagnostics[0]
    return took(seconds, len(checked.config.tasks))


def submit(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `submit`, which imports functions, writes defaults, runs and records on disk.

    In standalone mode, until the run is over; it starts the workers first.
    """
    with runner.Core(_config(folder), checked=True) as core:
        scenario = core.create_scenario("all")
        begun = perf_counter()
        _run(scenario, graph)
        return took(perf_counter() - begun, _answer(scenario, graph))


def submit_again(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `submit` of a new core where nothing has changed since all was made."""
    skippable = ["TASK.default.skippable=true"]
    config = runner.Config.load(folder / "runner.toml", overrides=skippable)
    with runner.Core(config, checked=True) as core:
        _run(core.create_scenario("all"), graph)
    with runner.Core(config, checked=True) as core:
        scenario = core.create_scenario("all")
        begun = perf_counter()
        submission = scenario.submit(wait=True)
        seconds = perf_counter() - begun
        assert {job.status for job in submission.jobs} == {runner.JobStatus.SKIPPED}
        return took(seconds, _answer(scenario, graph))


def create_and_submit(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `create_scenario`, which makes the store and compiles the plan, and `submit`."""
    with runner.Core(_config(folder), checked=True) as core:
        begun = perf_counter()
        scenario = core.create_scenario("all")
        _run(scenario, graph)
        return took(perf_counter() - begun, _answer(scenario, graph))


def submit_warm(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `submit` until the run is over, where each worker has run a job before.

    `whole` adds all that comes before but loading and checking: the store, the plans of this
    scenario and of the one that warms up, starting the workers and running that one.
    """
    config = _config(folder)
    begun = perf_counter()
    with _warm(config, graph) as core:
        scenario = core.create_scenario("all")
        submitted = perf_counter()
        _run(scenario, graph)
        ended = perf_counter()
        return took(ended - submitted, _answer(scenario, graph), whole=ended - begun)


def submit_to_cluster(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `submit` until the run is over, where each slot of a worker has run a job before.

    All values are in files, and all jobs are recorded.
    """
    with _cluster(folder), _warm(_config(folder), graph) as core:
        scenario = core.create_scenario("all")
        begun = perf_counter()
        _run(scenario, graph)
        return took(perf_counter() - begun, _answer(scenario, graph))


def jobs_alone_on_cluster(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: a job of a chain, each of which waits for the one before, the second time."""
    with _cluster(folder), _warm(_config(folder), graph) as core:
        scenario = core.create_scenario("all")
        _run(scenario, graph)
        begun = perf_counter()
        _run(scenario, graph)
        return took((perf_counter() - begun) / len(graph.jobs), None)


@contextmanager
def _cluster(folder: Path) -> Iterator[None]:
    command = (sys.executable, "-m", "runner", "run-worker")
    worker = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait()


def array_between_workers(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `submit` until the run is over; by `Watch`, another such run."""
    return _between_workers(folder, graph, "arrays")


def table_between_workers(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: as `array_between_workers`."""
    return _between_workers(folder, graph, "tables")


def read_records(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `read` of a data node, where it has read the same before."""
    with runner.Core(_config(folder), checked=True) as core:
        node = core.create_scenario("all").data_nodes["value"]
        if not node.is_written:
            node.write(_records(folder, graph))
        node.read()
        begun = perf_counter()
        table = node.read()
        return took(perf_counter() - begun, application(folder, "records.digest")(table))


def write_records(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `write` of a data node, which takes a fingerprint and records it on disk.

    It has written the same before.
    """
    table = _records(folder, graph)
    with runner.Core(_config(folder), checked=True) as core:
        node = core.create_scenario("all").data_nodes["value"]
        node.write(table)
        begun = perf_counter()
        node.write(table)
        return took(perf_counter() - begun, len(table))


def runners_memory(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: of this process, what a first run needs above the plan, and a second one keeps."""
    with _warm(_config(folder), graph) as core:
        scenario = core.create_scenario("all")
        gc.collect()
        memory.forget_highest()
        before = memory.resident()
        begun = perf_counter()
        _run(scenario, graph)
        seconds = perf_counter() - begun
        above = memory.highest() - before
        gc.collect()
        after_first = memory.resident()
        _run(scenario, graph)
        gc.collect()
        kept = memory.resident() - after_first
        return took(
            seconds,
            _answer(scenario, graph),
            bytes_a_job=above / len(graph.jobs),
            kept_a_job=kept / len(graph.jobs),
        )


def _records(folder: Path, graph: configs.Graph) -> Any:
    return application(folder, "records.make")(graph.seeds["rows"])


def _config(folder: Path) -> runner.Config:
    return runner.Config.load(folder / "runner.toml")


@contextmanager
def _warm(config: runner.Config, graph: configs.Graph) -> Iterator[runner.Core]:
    """A core whose workers are started and have run a job each."""
    with runner.Core(config, checked=True) as core:
        scenario = core.create_scenario("warm_up")
        processes: set[int] = set()
        while len(processes) < (config.job.max_nb_of_workers or 1):  # one may still be starting
            _run(scenario, configs.warm_up(graph))
            processes |= {node.read() for node in scenario.data_nodes.values()}
        yield core


def _run(scenario: runner.Scenario, graph: configs.Graph) -> None:
    submission = scenario.submit()
    submission.wait()
    assert submission.status is runner.SubmissionStatus.COMPLETED, submission.jobs[:1]
    assert len(submission.jobs) == len(graph.jobs)


def _answer(scenario: runner.Scenario, graph: configs.Graph) -> Any:
    return sum(scenario.data_nodes[name].read() for name in graph.last)


def _between_workers(folder: Path, graph: configs.Graph, module: str) -> Sample:
    digest = application(folder, f"{module}.digest")
    with _warm(_config(folder), graph) as core:
        scenario = core.create_scenario("all")
        idle = memory.held()
        begun = perf_counter()
        _run(scenario, graph)
        seconds = perf_counter() - begun
        with memory.Watch() as watch:
            _run(scenario, graph)
        processes, value = next(filter(None, (_read(scenario, name) for name in graph.last)))
        assert len(processes) == configs.STEPS
        assert all(one != next_one for one, next_one in itertools.pairwise(processes)), processes
        return took(seconds, digest(value), largest=watch.largest, growth=watch.most - idle)


def _read(scenario: runner.Scenario, name: str) -> Any:
    return scenario.data_nodes[name].read()
