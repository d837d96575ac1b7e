"""Who works for a cluster: workers are asked, and tell how much they do."""

from __future__ import annotations

import select
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

import attrs

from runner.config.model import JobConfig
from runner.execution.cluster.link import Delivery, Link, Names
from runner.execution.cluster.sealing import ForgedError, Seal

PATIENCE: Final = 2.0
"""Seconds in which a worker has to answer."""
_AT_FIRST: Final = 10.0


@attrs.frozen
class Present:
    """A worker that has answered.

    Attributes:
        name: of its machine, and its number.
        slots: how many jobs it runs at once.
        busy: how many it runs now.
    """

    name: str
    slots: int
    busy: int


@attrs.frozen
class Roll:
    """What an autoscaler needs to know.

    Attributes:
        queue: its name, as in the config.
        waiting: messages in the queue of jobs that no worker has taken; a message has one job that
            takes long, or several that do not.
        workers: those that have answered, by name.
    """

    queue: str
    waiting: int
    workers: tuple[Present, ...]

    @property
    def slots(self) -> int:
        return sum(worker.slots for worker in self.workers)

    @property
    def busy(self) -> int:
        return sum(worker.busy for worker in self.workers)


def call_the_roll(job: JobConfig, broker: str, key: bytes) -> Roll:
    """Ask all workers who they are, and the broker how much waits.

    Raises:
        SetupError: RUN501, the broker cannot be reached.
    """
    names = Names(job.queue)
    answers: list[str] = []

    def prepare(link: Link) -> None:
        link.declare_jobs(names)
        link.declare_control(names)
        answers.append(link.listen_alone())

    link = Link(broker, prepare)
    try:
        _connect(link)
        body = {"kind": "who", "reply": answers[-1]}
        text = Seal.to_workers(key).close(body)
        link.publish(text, "", exchange=names.control, is_lasting=False)
        waiting, _ = link.waiting(names.jobs) or (0, 0)
        _, count = link.waiting(names.workers) or (0, 0)
        workers = _answered(link, Seal.from_workers(key), answers[-1], count)
    finally:
        link.close()
    ordered = tuple(sorted(workers.values(), key=lambda each: each.name))
    return Roll(job.queue, waiting, ordered)


def _connect(link: Link) -> None:
    until = monotonic() + _AT_FIRST
    while True:
        link.turn()
        if link.is_up:
            return
        if link.is_refused or monotonic() > until:
            raise link.unreachable()
        _wait(link, until)


def _answered(link: Link, seal: Seal, queue: str, count: int) -> dict[str, Present]:
    """The workers that answer in time; who does not have our key is none."""
    workers: dict[str, Present] = {}
    until = monotonic() + PATIENCE
    while monotonic() < until and len(workers) < count:
        for delivery in link.turn():
            present = _present(seal, delivery, queue)
            if present is not None:
                workers[present.name] = present
        if len(workers) < count:
            _wait(link, until)
    return workers


def _present(seal: Seal, delivery: Delivery, queue: str) -> Present | None:
    if delivery.queue != queue:
        return None
    try:
        body: Mapping[str, Any] = seal.open(delivery.body)
        return Present(str(body["worker"]), int(body["slots"]), int(body["busy"]))
    except (ForgedError, KeyError, ValueError):
        return None


def _wait(link: Link, until: float) -> None:
    poll = select.poll()
    descriptor = link.fileno()
    if descriptor is not None:
        poll.register(descriptor, select.POLLIN)
    seconds = min(max(0.0, until - monotonic()), link.patience())
    poll.poll(round(seconds * 1000 + 0.499))
