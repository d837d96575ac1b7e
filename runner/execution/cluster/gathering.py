"""What workers told of a session whose process is gone, and the end of what they do for it."""

from __future__ import annotations

import secrets
import select
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

import attrs

from runner.config.model import JobConfig
from runner.errors import SetupError
from runner.execution.cluster.link import Delivery, Link, Names
from runner.execution.cluster.sealing import ForgedError, Seal
from runner.execution.cluster.talk import Attempted, Ended, read_attempts, read_ended

_AT_FIRST = 30.0
_PAUSE = 0.2


@attrs.define(eq=False)
class Gathering:
    """What was told so far.

    Attributes:
        name: of the scenario.
        call: of our own question: the run that is gone had asked too, and what it was answered may
            be in the queue yet, before what has ended since.
        ended: how attempts ended, by task: the last that counts.
        open: attempts that were begun and not told of again, and who has begun each.
        free: the workers that have nothing left of the session.
    """

    name: str
    call: str = attrs.field(factory=lambda: secrets.token_hex(8))
    ended: dict[str, Ended] = attrs.field(factory=dict)
    open: dict[Attempted, str] = attrs.field(factory=dict)
    free: set[str] = attrs.field(factory=set)


def gather(job: JobConfig, broker: str, key: bytes, session: str, name: str) -> list[Ended]:
    """How the jobs of a scenario ended of which nobody was told, in a session that is gone.

    What workers still do for it is ended first. A worker that cannot be reached must not commit
    any more after the lease, so that is waited for.

    Args:
        job: says which queue it is.
        broker: where the broker is.
        key: of the cluster.
        session: whose process is gone.
        name: of the scenario.

    Raises:
        SetupError: RUN501, the broker cannot be reached; or somebody else hears the session.
    """
    names = Names(job.queue)
    seals = Seal.to_workers(key), Seal.from_workers(key)
    found = Gathering(name)
    lease = job.worker_lease.total_seconds()
    queue = names.results(session)
    with _link(broker, names, queue) as link:
        first = _connected(link)
        over = seals[0].close({"kind": "over", "session": session, "work": None})
        body = {"kind": "who", "reply": queue, "session": session, "call": found.call}
        who = seals[0].close(body)
        link.publish(over, "", exchange=names.control, is_lasting=False)
        until, asked = monotonic() + lease, 0.0
        while True:
            if monotonic() - asked > _PAUSE:
                link.publish(who, "", exchange=names.control, is_lasting=False)
                asked = monotonic()
            waiting = link.waiting(queue)
            for delivery in (*first, *link.turn()):
                if delivery.queue == queue:
                    hear(found, seals[1], delivery.body)
            first = []
            if not link.is_up:
                raise link.unreachable()
            busy = {worker for worker in found.open.values() if worker not in found.free}
            is_all_heard = waiting is not None and waiting[0] == 0
            if (is_all_heard and found.free and not busy) or monotonic() > until:
                break
            _wait(link, _PAUSE)
        link.delete(queue)
    return list(found.ended.values())


def hear(found: Gathering, seal: Seal, sealed: object) -> None:
    """Take in a message that a worker has sent to the session; one that is not of ours is none."""
    try:
        body = seal.open(sealed)
        worker = str(body.get("worker", ""))
        is_answer = body.get("kind") == "here" and body.get("call") == found.call
        if is_answer and not body.get("open", 0):
            found.free.add(worker)
        if body.get("name") != found.name:
            return
        if body.get("kind") in ("begun", "alive", "doubt"):
            found.open.update(dict.fromkeys(read_attempts(body), worker))
        elif body.get("kind") == "did":
            work, ended = read_ended(body)
            for each in ended:
                found.open.pop((work, each.task, each.attempt), None)
                if each.failure is None or each.task not in found.ended:
                    found.ended[each.task] = each
    except ForgedError:
        return


@contextmanager
def _link(url: str, names: Names, queue: str) -> Iterator[Link]:
    def prepare(link: Link) -> None:
        link.declare_jobs(names)
        link.declare_control(names)
        link.declare_results(queue)
        link.consume(queue)

    link = Link(url, prepare)
    try:
        yield link
    finally:
        link.close()


def _connected(link: Link) -> list[Delivery]:
    """What has arrived by the time that the link is up.

    Raises:
        SetupError: it does not come up.
    """
    until = monotonic() + _AT_FIRST
    while True:
        arrived = link.turn()
        if link.is_up:
            return arrived
        if "exclusive" in link.why.lower():
            raise SetupError("another process hears what workers tell of this run")
        if link.is_refused or monotonic() > until:
            raise link.unreachable()
        _wait(link, link.patience())


def _wait(link: Link, seconds: float) -> None:
    poll = select.poll()
    descriptor = link.fileno()
    if descriptor is not None:
        poll.register(descriptor, select.POLLIN)
    poll.poll(round(min(seconds, link.patience()) * 1000 + 0.499))
