"""Celery: a worker of two processes, and results by messages, on the broker that runner has too.

Its settings are its own ones but for what a user would set for speed: no events, no remote control,
and no state kept of tasks beyond their results.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import celery
import configs
from samples import Sample, took

QUEUE = "BENCHMARK_QUEUE"
"""Of the environment, for the worker: the queue of this sample."""

app = celery.Celery("peers.celery", broker=configs.BROKER, backend="rpc://")
app.conf.update(
    task_default_queue=os.environ.get(QUEUE) or f"celery-{secrets.token_hex(6)}",
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task  # type: ignore[untyped-decorator]  # it has no types
def add(one: int, other: int) -> int:
    return one + other


@app.task  # type: ignore[untyped-decorator]  # it has no types
def nothing() -> None:
    return None


@app.task  # type: ignore[untyped-decorator]  # it has no types
def who() -> int:
    return os.getpid()


def independent(_folder: Path, graph: configs.Graph) -> Sample:
    """Measured: a `group` of tasks that do nothing, until the results of all are there."""
    with _worker():
        begun = perf_counter()
        celery.group(nothing.s() for _ in graph.jobs).apply_async().get()
        return took(perf_counter() - begun, None)


def layers(_folder: Path, graph: configs.Graph) -> Sample:
    """Measured: a `group` for each layer, after the results of the one before."""
    values: dict[str, Any] = dict(graph.seeds)
    with _worker():
        begun = perf_counter()
        for layer in _layers(graph):
            calls = [add.s(*(values[name] for name in job.inputs)) for job in layer]
            made = celery.group(calls).apply_async().get()
            values.update(zip((job.output for job in layer), made, strict=True))
        return took(perf_counter() - begun, configs.answer(graph, values))


def one(_folder: Path, graph: configs.Graph) -> Sample:
    """Measured: a task after the other, each until its result is there."""
    with _worker():
        begun = perf_counter()
        for _ in graph.jobs:
            add.delay(1, 2).get()
        return took((perf_counter() - begun) / len(graph.jobs), None)


def _layers(graph: configs.Graph) -> list[list[configs.Job]]:
    depths = dict.fromkeys(graph.seeds, -1)
    layers: list[list[configs.Job]] = []
    for job in graph.jobs:
        depth = 1 + max(depths[name] for name in job.inputs)
        depths[job.output] = depth
        layers += [[] for _ in range(depth + 1 - len(layers))]
        layers[depth].append(job)
    return layers


@contextmanager
def _worker() -> Iterator[None]:
    """A worker whose processes have each run a task."""
    command: Sequence[str] = (
        sys.executable, "-m", "celery", "-A", "peers.celery", "worker", "-c", "2",
        "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "CRITICAL",
    )  # fmt: skip
    queue = app.conf.task_default_queue
    environ = {**os.environ, QUEUE: queue, "C_FORCE_ROOT": "1"}
    worker = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        found: set[int] = set()
        while len(found) < 2:
            found |= set(celery.group(who.s() for _ in range(20)).apply_async().get())
        yield
    finally:
        worker.terminate()
        worker.wait()
        with app.connection_for_write() as connection, connection.channel() as channel:
            channel.queue_delete(queue)
