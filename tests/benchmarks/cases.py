"""What is compared with what, and how the comparison must come out: a table."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import attrs
import configs
from configs import Pipeline
from samples import Sample, took

SCRIPT: Final = Path(sysconfig.get_path("scripts")) / "runner"
MEASURED: Final = Path(__file__).with_name("measured.py")
PATIENCE: Final = 120
"""Seconds that one sample may take."""
BURNED: Final = 0.05
"""Seconds that a job of the shape `busy` takes."""

NAP: Final = 0.1
"""Seconds that a job of the shape `naps` takes."""

Run: TypeAlias = Callable[[Path, int, Mapping[str, str]], Sample]


@attrs.frozen(kw_only=True)
class Side:
    """One way to do a case's work.

    Attributes:
        label: as printed.
        run: does it once, given a pipeline's folder, its tasks' number and the environment.
        pipeline: is written to that folder; None: any will do.
        count: how many tasks.
        needs: a module without which it is left out; empty: none.
        keeps: whether it finds the storage folder that the side before it has left.
    """

    label: str
    run: Run
    pipeline: Pipeline | None = None
    count: int = 0
    needs: str = ""
    keeps: bool = False

    @property
    def is_here(self) -> bool:
        return not self.needs or importlib.util.find_spec(self.needs) is not None


@attrs.frozen(kw_only=True)
class Bound:
    """How our figure must stand beside the best of the others'.

    Attributes:
        figure: which.
        most: at most so many times theirs.
        least: theirs at least so many times ours, so that we are as many times as fast. Where
            neither is given, it is only told.
    """

    figure: str = "seconds"
    most: float | None = None
    least: float | None = None

    def ratio(self, ours: float, best: float) -> float:
        return best / ours if self.least is not None else ours / best

    def is_met(self, ratio: float) -> bool | None:
        if self.least is not None:
            return ratio >= self.least
        return None if self.most is None else ratio <= self.most


@attrs.frozen(kw_only=True)
class Case:
    """What is compared.

    Attributes:
        name: for `--case`.
        title: as printed.
        ours: our side.
        others: the sides beside it; the best of them that is there counts.
        bounds: of each figure that is compared.
    """

    name: str
    title: str
    ours: Side
    others: Sequence[Side]
    bounds: Sequence[Bound]


def process(*command: str) -> Run:
    """A whole process, in the pipeline's folder."""

    def run(folder: Path, _count: int, environ: Mapping[str, str]) -> Sample:
        begun = perf_counter()
        _end_of(command, folder, environ)
        return took(perf_counter() - begun, None)

    return run


def inside(function: str, shape: str) -> Run:
    """A part of a process: a function that `measured.py` calls."""

    def run(folder: Path, count: int, environ: Mapping[str, str]) -> Sample:
        command = (sys.executable, str(MEASURED), function, str(folder), shape, str(count))
        return Sample(**json.loads(_end_of(command, folder, environ)))

    return run


def _end_of(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> bytes:
    """What a process prints.

    Raises:
        subprocess.TimeoutExpired: it took longer than `PATIENCE`, and was ended with all others of
            its process group.
        subprocess.CalledProcessError: it failed.
    """
    begun = subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.PIPE, process_group=0
    )
    try:
        printed, _ = begun.communicate(timeout=PATIENCE)
    except BaseException:
        os.killpg(begun.pid, signal.SIGKILL)
        begun.wait()
        raise
    if begun.returncode:
        raise subprocess.CalledProcessError(begun.returncode, command)
    return printed


def python(imports: str) -> Side:
    code = f"import {imports}"
    return Side(label=f'python -c "{code}"', run=process(sys.executable, "-c", code))


def runner(pipeline: Pipeline, count: int, *arguments: str) -> Side:
    return Side(
        label=" ".join(("runner", *arguments)),
        run=process(str(SCRIPT), *arguments),
        pipeline=pipeline,
        count=count,
    )


def side(label: str, function: str, pipeline: Pipeline, count: int, needs: str = "") -> Side:
    run = inside(function, pipeline.shape)
    return Side(label=label, run=run, pipeline=pipeline, count=count, needs=needs)


def known(label: str, **figures: float) -> Side:
    """Figures that need not be measured."""
    return Side(label=label, run=lambda *_: Sample(figures, None))


def table(label: str, function: str, pipeline: Pipeline, rows: int) -> Side:
    """A side that finds the file it has made before; each has its own."""
    return attrs.evolve(side(label, function, pipeline, rows, "pandas"), keeps=True)


def loading(count: int, label: str = "load and check", *, keeps: bool = False) -> Side:
    return attrs.evolve(side(label, "ours.load", LAYERS, count), keeps=keeps)


def pools(pipeline: Pipeline, count: int) -> list[Side]:
    """Peers that keep two workers for jobs of any graph."""
    return [
        side("a loop over ProcessPoolExecutor", "peers.pool.graph", pipeline, count),
        side("a loop over loky", "peers.loky.graph", pipeline, count, "loky"),
        side("dask.distributed, delayed", "peers.dask.graph", pipeline, count, "distributed"),
        side("ray, remote", "peers.ray.graph", pipeline, count, "ray"),
    ]


def frameworks(pipeline: Pipeline, count: int) -> list[Side]:
    """Peers that run a pipeline with a file a value."""
    return [
        side("kedro, ParallelRunner", "peers.kedro.files", pipeline, count, "kedro"),
        side("luigi, 2 workers", "peers.luigi.files", pipeline, count, "luigi"),
        side("doit -n 2", "peers.doit.files", pipeline, count, "doit"),
        side("Taipy, standalone", "peers.taipy.files", pipeline, count, "taipy"),
    ]


LAYERS: Final = Pipeline(shape="layered")
CHAIN: Final = Pipeline(shape="chain", storage="pickle")
CSV: Final = Pipeline(shape="records", storage="csv")
PARQUET: Final = Pipeline(shape="records", storage="parquet")
LAYERS_2: Final = Pipeline(shape="layered", workers=2)
CHAIN_2: Final = Pipeline(shape="chain", workers=2)
WIDE_2: Final = Pipeline(shape="wide", workers=2)
FILES: Final = Pipeline(shape="layered", storage="pickle")
FILES_2: Final = Pipeline(shape="layered", storage="pickle", workers=2)
BUSY_2: Final = Pipeline(shape="busy", workers=2)
ARRAYS_2: Final = Pipeline(shape="arrays", workers=2)
TABLES_2: Final = Pipeline(shape="tables", workers=2)
LAYERS_C: Final = Pipeline(shape="layered", storage="pickle", workers=2, mode="cluster")
CHAIN_C: Final = attrs.evolve(LAYERS_C, shape="chain")
IDLE_C: Final = attrs.evolve(LAYERS_C, shape="idle")
NAPS_C: Final = attrs.evolve(LAYERS_C, shape="naps")
HEAVY_2: Final = Pipeline(shape="heavy", workers=2)

STARTED: Final = Bound(figure="whole")


def cases(small: int, large: int) -> list[Case]:
    """All cases, with so many tasks where there are many."""
    return [
        *in_one_process(small, large),
        *tables_in_files(10 * large),
        *on_two_workers(small, large),
        *(on_a_cluster(small) if is_broker_there() else []),
    ]


def is_broker_there() -> bool:
    place = urlsplit(configs.BROKER)
    with suppress(OSError):
        address = (place.hostname or "127.0.0.1", place.port or 5672)
        socket.create_connection(address, timeout=2).close()
        return True
    return False


def tables_in_files(rows: int) -> list[Case]:
    """Reading and writing one data node."""
    return [
        Case(
            name=f"{pipeline.storage}-{action}",
            title=f"{action} a {pipeline.storage} file of {rows:,} rows",
            ours=table(f"data_node.{action}", f"ours.{action}_records", pipeline, rows),
            others=[table(f"pandas, {bare}", f"floors.{bare}", pipeline, rows)],
            bounds=[bound],
        )
        for pipeline in (CSV, PARQUET)
        for action, bound in (("read", Bound(most=1.15)), ("write", Bound()))
        for bare in (f"{action}_{pipeline.storage}",)
    ]


def in_one_process(small: int, large: int) -> list[Case]:
    """Commands, loading and checking, and development mode."""
    return [
        Case(
            name="help",
            title="runner --help, whole process",
            ours=Side(label="runner --help", run=process(str(SCRIPT), "--help")),
            others=[python("click")],
            bounds=[Bound(most=1.6)],
        ),
        Case(
            name="check",
            title="runner check, 50 tasks, whole process",
            ours=runner(LAYERS, 50, "check"),
            others=[python("click, attrs, cattrs, tomli")],
            bounds=[Bound(most=2.0)],
        ),
        Case(
            name="load",
            title=f"load and check, {small:,} tasks",
            ours=loading(small),
            others=[side("tomli.loads", "floors.parse", LAYERS, small)],
            bounds=[Bound(most=2.5)],
        ),
        Case(
            name="load-large",
            title=f"load and check, {large:,} tasks against {small:,}",
            ours=loading(large, f"{large:,} tasks"),
            others=[loading(small, f"{small:,} tasks")],
            bounds=[Bound(most=12.0)],
        ),
        Case(
            name="load-again",
            title=f"load and check, {small:,} tasks, the same file again",
            ours=loading(small, "again", keeps=True),
            others=[loading(small, "the first time")],
            bounds=[Bound(most=0.4)],
        ),
        Case(
            name="run",
            title=f"run {small:,} jobs of a + b in memory, development",
            ours=side("submit", "ours.submit", LAYERS, small),
            others=[side("Hamilton, execute", "peers.hamilton.execute", LAYERS, small, "hamilton")],
            bounds=[Bound(most=0.8)],
        ),
        Case(
            name="run-whole",
            title=f"compile and run {small:,} jobs of a + b in memory, development",
            ours=side("create_scenario, submit", "ours.create_and_submit", LAYERS, small),
            others=[
                side(
                    "Hamilton, build, execute",
                    "peers.hamilton.build_and_execute",
                    LAYERS,
                    small,
                    "hamilton",
                )
            ],
            bounds=[Bound()],
        ),
        Case(
            name="chain",
            title=f"run a chain of {small:,} jobs, each value in a pickle file, development",
            ours=side("submit", "ours.submit", CHAIN, small),
            others=[side("pickle, rename, unpickle", "floors.pickle_loop", CHAIN, small)],
            bounds=[Bound(most=2.0)],
        ),
    ]


def on_two_workers(small: int, large: int) -> list[Case]:
    """Standalone mode."""
    tenth, busy = small // 10, min(small, 64)
    burned = busy * BURNED / 2
    return [
        Case(
            name="layers-2",
            title=f"run {small:,} jobs of a + b in layers in memory, 2 workers",
            ours=side("submit, wait", "ours.submit_warm", LAYERS_2, small),
            others=pools(LAYERS_2, small),
            bounds=[Bound(least=10), STARTED],
        ),
        Case(
            name="chain-2",
            title=f"run a chain of {tenth:,} jobs in memory, 2 workers",
            ours=side("submit, wait", "ours.submit_warm", CHAIN_2, tenth),
            others=pools(CHAIN_2, tenth),
            bounds=[Bound(least=8), STARTED],
        ),
        Case(
            name="wide-2",
            title=f"run {small:,} independent jobs in memory, 2 workers",
            ours=side("submit, wait", "ours.submit_warm", WIDE_2, small),
            others=[side("joblib.Parallel", "peers.joblib.independent", WIDE_2, small, "joblib")],
            bounds=[Bound(least=0.5), STARTED],
        ),
        Case(
            name="files-2",
            title=f"run {tenth:,} jobs of a + b in layers, a pickle file a value, 2 workers",
            ours=side("submit, wait", "ours.submit", FILES_2, tenth),
            others=frameworks(FILES_2, tenth),
            bounds=[Bound(least=20)],
        ),
        Case(
            name="again",
            title=f"run {tenth:,} jobs of a + b in layers, pickle files, where nothing has changed",
            ours=side("submit", "ours.submit_again", FILES, tenth),
            others=[side("doit", "peers.doit.again", FILES, tenth, "doit")],
            bounds=[Bound(most=0.5)],
        ),
        Case(
            name="cpu-2",
            title=f"run {busy} jobs of {BURNED * 1e3:g} ms of Python, 2 workers",
            ours=side("submit, wait", "ours.submit_warm", BUSY_2, busy),
            others=[known(f"{busy} x {BURNED * 1e3:g} ms / 2", seconds=burned)],
            bounds=[Bound(most=1.05)],
        ),
        Case(
            name="array-2",
            title="an array of 100 MB through 5 jobs, from worker to worker",
            ours=side("submit, wait", "ours.array_between_workers", ARRAYS_2, 0),
            others=[side("through mapped files", "floors.array_through_files", ARRAYS_2, 0)],
            bounds=[
                Bound(most=1.4),
                Bound(figure="largest", most=1.1),
                Bound(figure="growth", most=1.1),
            ],
        ),
        Case(
            name="table-2",
            title="a table of 1,000,000 rows through 5 jobs, from worker to worker",
            ours=side("submit, wait", "ours.table_between_workers", TABLES_2, 0),
            others=[side("through mapped files", "floors.table_through_files", TABLES_2, 0)],
            bounds=[Bound(most=1.4), Bound(figure="largest"), Bound(figure="growth")],
        ),
        Case(
            name="first-job",
            title="runner execute, 1 job that needs numpy and pandas, 2 workers, whole process",
            ours=runner(HEAVY_2, 0, "execute", "-q", "-s", "all"),
            others=[python("numpy, pandas")],
            bounds=[Bound(most=2.0)],
        ),
        Case(
            name="memory",
            title=f"memory of the runner for {large:,} jobs, 2 workers",
            ours=side("submit, wait", "ours.runners_memory", LAYERS_2, large),
            others=[known("may be", bytes_a_job=1024, kept_a_job=64)],
            bounds=[Bound(figure="bytes_a_job", most=1.0), Bound(figure="kept_a_job", most=1.0)],
        ),
    ]


def on_a_cluster(small: int) -> list[Case]:
    """Cluster mode, one worker with two slots; left out where there is no broker."""
    tenth, naps = small // 10, min(small // 10, 100)
    hundredth = max(small // 100, 2)
    return [
        Case(
            name="cluster-wide",
            title=f"run {tenth:,} independent jobs that do nothing, cluster, 2 slots",
            ours=side("submit, wait", "ours.submit_to_cluster", IDLE_C, tenth),
            others=[_celery("a group that does nothing", "independent", IDLE_C, tenth)],
            bounds=[Bound(least=5)],
        ),
        Case(
            name="cluster-layers",
            title=f"run {tenth:,} jobs of a + b in layers, a pickle file a value, cluster, 2 slots",
            ours=side("submit, wait", "ours.submit_to_cluster", LAYERS_C, tenth),
            others=[_celery("a group for each layer", "layers", LAYERS_C, tenth)],
            bounds=[Bound(least=3)],
        ),
        Case(
            name="cluster-latency",
            title="one job alone, cluster",
            ours=side("a job of a chain", "ours.jobs_alone_on_cluster", CHAIN_C, hundredth),
            others=[_celery("delay, get", "one", CHAIN_C, hundredth)],
            bounds=[Bound(most=1.3)],
        ),
        Case(
            name="cluster-long",
            title=f"run {naps} jobs of {NAP * 1e3:g} ms, cluster, 2 slots",
            ours=side("submit, wait", "ours.submit_to_cluster", NAPS_C, naps),
            others=[known(f"{naps} x {NAP * 1e3:g} ms / 2", seconds=naps * NAP / 2)],
            bounds=[Bound(most=1.08)],
        ),
    ]


def _celery(label: str, function: str, pipeline: Pipeline, count: int) -> Side:
    made = side(f"Celery, {label}", f"peers.celery.{function}", pipeline, count, "celery")
    return attrs.evolve(made, pipeline=None, run=inside(f"peers.celery.{function}", pipeline.shape))
