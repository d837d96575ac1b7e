"""The rules of attempts and permits against a model of all that can happen between them.

Messages are lost, doubled, delayed and overtake each other; connections break; workers die; the
broker forgets all; and each clock has its own zero. What the model takes for granted is what the
executor and the service see to: a worker counts its time from when a message has come to it, and
the one who hands out looks for silence only when it has read what was there by then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from runner.execution.cluster.attempts import Attempts
from runner.execution.cluster.permits import Permit
from runner.execution.worker import Call

LEASE = 6.0
THIRD = LEASE / 3
STEP = THIRD / 2
JOBS = 2
WORKERS = 2
PLACES = st.integers(0, WORKERS - 1)

MOVES = (
    "hear", "look", "take", "come", "beat", "finish", "arrive", "confirm", "talk", "talk",
    "deliver", "wait",
)  # fmt: skip

FAULTS = ("lose", "double", "linger", "break", "give again", "die", "forget")

Message = tuple[Any, ...]


@attrs.define(eq=False)
class Order:
    """An attempt that a worker has."""

    job: int
    number: int
    permit: Permit
    has_asked: bool = False


@attrs.define(eq=False)
class Worker:
    """A worker, and its connection.

    Attributes:
        ahead: what its clock shows more than that of the one who hands out.
        orders: what it has.
        said: on the way to the broker, in the order in which it was said.
        confirmations: on the way back: the attempts that were signed for, and when.
        to_tell: what it tells until the broker has it.
        coming: what the broker has given to it, and what is still on its way.
    """

    ahead: float
    orders: list[Order] = attrs.field(factory=list)
    said: deque[Message] = attrs.field(factory=deque)
    confirmations: deque[tuple[list[Order], float]] = attrs.field(factory=deque)
    to_tell: list[Message] = attrs.field(factory=list)
    coming: deque[tuple[int, int, bool]] = attrs.field(factory=deque)

    @property
    def at_work(self) -> list[Order]:
        return [each for each in self.orders if not each.has_asked]


class Cluster(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.attempts = Attempts(LEASE)
        self.jobs: deque[tuple[int, int, bool]] = deque()  # job, attempt, given before
        self.results: deque[Message] = deque()
        self.told: list[tuple[int, Message]] = []  # on the way to workers
        self.workers: list[Worker] = []
        self.commits: list[tuple[int, int, bool]] = []  # job, attempt, whether it counted
        self.ended: dict[int, str] = {}
        self.heard_of: set[tuple[int, int]] = set()

    @initialize(ahead=st.tuples(*[st.integers(-50, 50).map(float)] * WORKERS))
    def begin(self, ahead: tuple[float, ...]) -> None:
        self.workers = [Worker(each) for each in ahead]
        for job in range(JOBS):
            self.hand_out(job)

    @rule(moves=st.lists(st.tuples(st.sampled_from(MOVES), PLACES, st.integers(0, 20)), min_size=1))
    def go_on(self, moves: list[tuple[str, int, int]]) -> None:
        for move in moves:
            self.move(*move)

    def move(self, move: str, place: int, which: int) -> None:
        """Whatever is no fault, where it can happen."""
        match move:
            case "take" if self.jobs:
                self.take(place, self.jobs.popleft())
            case "come" if any(each.coming for each in self.workers):
                worker = self.some(lambda each: each.coming, place)
                self.take(self.workers.index(worker), worker.coming.popleft())
            case "beat" if any(each.orders or each.to_tell for each in self.workers):
                self.beat(place)
            case "finish" if any(each.at_work for each in self.workers):
                self.finish(place, which)
            case "arrive" if any(each.said for each in self.workers):
                self.arrive(place)
            case "confirm" if any(each.confirmations for each in self.workers):
                self.confirm(place)
            case "talk":
                self.talk(place)
            case "deliver" if self.told:
                self.deliver(which, stays=False, is_lost=False)
            case "wait":
                self.wait([STEP, THIRD, LEASE, LEASE + STEP][which % 4])
            case "hear":
                self.hear()
            case "look":
                self.look()

    @rule(fault=st.sampled_from(FAULTS), place=PLACES, which=st.integers(0, 20))
    def go_wrong(self, fault: str, place: int, which: int) -> None:
        match fault:
            case "lose" | "double" if self.told:
                self.deliver(which, stays=fault == "double", is_lost=fault == "lose")
            case "linger" if self.jobs:
                self.workers[place].coming.append(self.jobs.popleft())
            case "break":
                self.break_connection(place)
            case "give again":
                self.give_again(place)
            case "die":
                self.die(place)
            case "forget":
                self.forget()

    # The one who hands out

    def hand_out(self, job: int) -> None:
        attempt = self.attempts.begin(Call(1, job), self.now)
        self.jobs.append((job, attempt.number, False))

    def tell_all(self, message: Message) -> None:
        self.told += [(place, message) for place in range(WORKERS)]

    def hear(self) -> None:
        """Read what is there."""
        while self.results:
            kind, job, number, *more = self.results.popleft()
            attempt = self.attempts.find(1, job, number)
            if kind == "bounced":
                if attempt is not None:
                    self.attempts.suspect(attempt, self.now)
            elif attempt is None:
                self.tell_all(("dropped", job, number))
            elif kind == "did":
                self.attempts.end(attempt)
                self.ended[job] = "done"
            else:
                self.attempts.hear(attempt, "", self.now)
                if kind in {"begun", "doubt"}:
                    self.tell_all(("kept", job, number, *more))

    def look(self) -> None:
        """Read what is there, and give to others what was lost."""
        self.hear()
        for attempt in self.attempts.silent(self.now):
            job = attempt.call.job
            self.tell_all(("dropped", job, attempt.number))
            if self.attempts.lose(attempt):
                self.ended[job] = "lost"
            else:
                self.hand_out(job)
        if not self.jobs:
            for attempt in self.attempts.waiting(self.now, LEASE):
                self.attempts.suspect(attempt, self.now)

    # Workers

    def time_of(self, worker: Worker) -> float:
        return self.now + worker.ahead

    def sign(self, worker: Worker, kind: str, orders: list[Order]) -> None:
        worker.said.append((kind, orders, self.time_of(worker)))

    def some(self, has: Callable[[Worker], object], place: int) -> Worker:
        """A worker of which that is true."""
        found = [each for each in self.workers if has(each)]
        return found[place % len(found)]

    def take(self, place: int, message: tuple[int, int, bool]) -> None:
        worker = self.workers[place]
        job, number, redelivered = message
        if redelivered:
            worker.to_tell.append(("bounced", job, number))
            return
        order = Order(job, number, Permit(self.time_of(worker) + THIRD))
        worker.orders.append(order)
        self.sign(worker, "begun", [order])

    def beat(self, place: int) -> None:
        worker = self.some(lambda each: each.orders or each.to_tell, place)
        now = self.time_of(worker)
        left = [each for each in worker.orders if not each.permit.is_dropped]
        doubtful = [each for each in left if each.permit.lapse(now)]
        sure = [each for each in left if not each.permit.in_doubt]
        for kind, orders in (("alive", sure), ("doubt", doubtful)):
            if orders:
                self.sign(worker, kind, orders)
        for message in worker.to_tell:
            worker.said.append(("tell", message, now))

    def finish(self, place: int, which: int) -> None:
        """A job has staged its outputs."""
        worker = self.some(lambda each: each.at_work, place)
        order = worker.at_work[which % len(worker.at_work)]
        order.has_asked = True
        order.permit.ask(partial(self.answer, worker, order), self.time_of(worker))

    def answer(self, worker: Worker, order: Order, until: float) -> None:
        worker.orders.remove(order)
        if until:
            counts = self.attempts.find(1, order.job, order.number) is not None
            self.commits.append((order.job, order.number, counts))
            worker.to_tell.append(("did", order.job, order.number))

    # Between them

    def arrive(self, place: int) -> None:
        """The broker has what a worker has said first."""
        worker = self.some(lambda each: each.said, place)
        kind, what, sent = worker.said.popleft()
        if kind == "tell":
            self.results.append(what)
            if what in worker.to_tell:
                worker.to_tell.remove(what)
            return
        self.results += [(kind, each.job, each.number, sent) for each in what]
        if kind != "doubt":
            worker.confirmations.append((what, sent))

    def confirm(self, place: int) -> None:
        worker = self.some(lambda each: each.confirmations, place)
        orders, sent = worker.confirmations.popleft()
        for each in orders:
            each.permit.confirmed(sent + THIRD, self.time_of(worker))

    def deliver(self, which: int, stays: bool, is_lost: bool) -> None:
        """A worker is told something, now or once more later, or never."""
        which %= len(self.told)
        place, (kind, job, number, *more) = self.told[which]
        if not stays:
            del self.told[which]
        if is_lost:
            return
        worker = self.workers[place]
        for order in list(worker.orders):
            if (order.job, order.number) == (job, number):
                if kind == "kept":
                    order.permit.keep(more[0] + THIRD, self.time_of(worker))
                else:
                    order.permit.drop()
                    if order in worker.orders:
                        worker.orders.remove(order)

    def talk(self, place: int) -> None:
        """All goes well for once."""
        worker = self.workers[place]
        while worker.said:
            self.arrive(self.place_of(worker, lambda each: each.said))
        while worker.confirmations:
            self.confirm(self.place_of(worker, lambda each: each.confirmations))

    def place_of(self, worker: Worker, has: Callable[[Worker], object]) -> int:
        return [each for each in self.workers if has(each)].index(worker)

    def break_connection(self, place: int) -> None:
        worker = self.workers[place]
        worker.said.clear()
        worker.confirmations.clear()

    def give_again(self, place: int) -> None:
        """The broker gives to another what a worker has not acknowledged, which goes on."""
        for order in self.workers[place].orders:
            self.jobs.append((order.job, order.number, True))

    def die(self, place: int) -> None:
        self.give_again(place)
        self.workers[place] = Worker(self.workers[place].ahead)

    def forget(self) -> None:
        """The broker has lost all that it had; it is noticed, since its connections break."""
        self.jobs.clear()
        self.results.clear()
        for place in range(WORKERS):
            self.break_connection(place)
        self.attempts.excuse(self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    # What has to hold

    @invariant()
    def only_what_counts_is_committed(self) -> None:
        assert [each for each in self.commits if not each[2]] == []

    @invariant()
    def what_ended_is_not_handed_out(self) -> None:
        assert {each.call.job for each in self.attempts} & set(self.ended) == set()

    def teardown(self) -> None:
        """From here on all goes well, and every job ends."""
        bound = self.now + 20 * LEASE
        while self.workers and len(self.ended) < JOBS:
            assert self.now < bound, "a job has not ended"
            self.wait(STEP)
            for place, worker in enumerate(self.workers):
                while worker.coming:
                    self.take(place, worker.coming.popleft())
            while self.jobs:
                self.take(0, self.jobs.popleft())
            for place, worker in enumerate(self.workers):
                if worker.orders or worker.to_tell:
                    self.beat(self.place_of(worker, lambda each: each.orders or each.to_tell))
                self.talk(place)
            self.look()
            while self.told:
                self.deliver(0, stays=False, is_lost=False)
            while any(each.at_work for each in self.workers):
                self.finish(0, 0)
        self.only_what_counts_is_committed()


Cluster.TestCase.settings = settings(max_examples=400, stateful_step_count=30, deadline=None)
TestCluster = Cluster.TestCase


@pytest.mark.parametrize(
    "told", [pytest.param(True, id="told"), pytest.param(False, id="not-told")]
)
def test_a_message_comes_when_its_job_was_given_to_another(told: bool) -> None:
    cluster = Cluster()
    cluster.begin((0.0,) * WORKERS)
    cluster.go_wrong("linger", place=1, which=0)
    cluster.jobs.clear()  # the other job is of no interest
    for _ in range(2):
        cluster.wait(LEASE + STEP)
        cluster.look()
    assert 0 in {each[0] for each in cluster.jobs}
    while cluster.told:
        cluster.deliver(0, stays=False, is_lost=not told)

    cluster.move("come", 1, 0)
    cluster.talk(1)
    cluster.finish(1, 0)

    assert cluster.commits == []
    cluster.hear()
    while cluster.told:
        cluster.deliver(0, stays=False, is_lost=False)
    assert cluster.workers[1].orders == []
