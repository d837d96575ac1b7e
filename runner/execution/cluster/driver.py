"""Jobs of a cluster's worker, in processes of its own: the loop of the standalone executor.

A driver has the config and the code as they are when it is made. What a job's function prints,
and how it may end, is as in standalone mode; whether it may commit, its permit says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from threading import Lock, Thread
from time import monotonic
from typing import Any, Final

import attrs

from runner.config.model import Config, Mode
from runner.errors import RunnerError
from runner.execution.cluster.permits import Answer, Permit
from runner.execution.cluster.sameness import Meaning
from runner.execution.cluster.talk import Attempted, Job, Owner
from runner.execution.executor import Work
from runner.execution.executors import workers_of
from runner.execution.executors.standalone import StandaloneExecutor
from runner.execution.failures import masked
from runner.execution.importing import UserCodeError
from runner.execution.instance import open_instance
from runner.execution.session import memory_of, remove_remains, session_of
from runner.execution.values import EncodedMemory
from runner.execution.worker import Call, Outcome
from runner.plan.compiler import compile_plan, find_scenario
from runner.plan.model import ExecutionPlan

TOGETHER: Final = 0.01
"""Seconds for which the outcomes of short jobs are kept back, so that several are told together."""
_MOST_PRINTED: Final = 64 * 1024
"""Bytes of what a job printed that are kept here, and told."""
_NEVER: Final = float("inf")


@attrs.define(eq=False)
class Order:
    """An attempt that this worker has taken.

    Attributes:
        owner: whose it is.
        job: which.
        permit: whether it may commit.
        batch: those that came with it.
        call: the same for the driver; None: not handed to it yet.
        unheard_since: since when there has been nobody to ask; None: there is.
    """

    owner: Owner
    job: Job
    permit: Permit
    batch: Batch
    call: Call | None = None
    unheard_since: float | None = None

    @property
    def named(self) -> Attempted:
        return self.owner.work, self.job.task, self.job.attempt

    def unheard_for(self, now: float) -> float:
        """Seconds for which there has been nobody to ask; from now on, unless that was so."""
        if self.unheard_since is None:
            self.unheard_since = now
        return now - self.unheard_since


@attrs.define(eq=False)
class Batch:
    """What becomes of the jobs of one message; of short ones that end together it is told together.

    All but `end` is for the driver's thread.

    Attributes:
        tell: tells the one who handed them out of some; whether the broker has that, it says later.
        said: is called, by the driver's thread, when all is told as far as we can tell.
        over: is called once, by any thread, when the broker has that; with an error where it
            cannot be told.
        count: how many jobs are not told of.
        due: when those that have ended are to be told of.
    """

    tell: Callable[[Sequence[tuple[Order, Outcome]]], Future[bool]]
    said: Callable[[], None]
    over: Callable[[BaseException | None], None]
    count: int
    due: float = _NEVER
    _ended: list[tuple[Order, Outcome]] = attrs.field(factory=list)
    _unconfirmed: int = attrs.field(default=attrs.Factory(lambda self: self.count, takes_self=True))
    _lock: Lock = attrs.field(factory=Lock)

    def add(self, order: Order, outcome: Outcome, now: float) -> None:
        """A job has ended."""
        self._ended.append((order, outcome))
        can_wait = outcome.seconds < TOGETHER and len(self._ended) < self.count
        self.due = min(self.due, now + TOGETHER) if can_wait else now

    def tell_ended(self) -> None:
        """Tell of those that have ended."""
        ended, self._ended = self._ended, []
        self.due = _NEVER
        self.count -= len(ended)
        try:
            told = self.tell(ended)
        except Exception as error:  # noqa: BLE001 - this thread has to go on
            self.end(error)
        else:
            if not self.count:
                self.said()
            told.add_done_callback(lambda _: self._be_told(len(ended)))

    def end(self, error: BaseException) -> None:
        """Its jobs cannot be run, or it cannot be told how they ended."""
        self._be_told(self.count, error)

    def _be_told(self, count: int, error: BaseException | None = None) -> None:
        with self._lock:
            was_over = self._unconfirmed <= 0
            self._unconfirmed = 0 if error is not None else self._unconfirmed - count
            is_over = self._unconfirmed <= 0
        if is_over and not was_over:
            self.over(error)


@attrs.frozen(eq=False)
class Prepared:
    """A scenario whose jobs can be run here."""

    number: int
    plan: ExecutionPlan
    places: Mapping[str, int]
    has_files: bool


class Refusal(Exception):  # noqa: N818 - nobody has erred
    """Jobs that are not run here.

    Attributes:
        told: why, for the one who handed them out.
    """

    def __init__(self, **told: Any) -> None:
        super().__init__(told.get("why"))
        self.told = told


class Driver:
    """The thread that runs the standalone executor, and what its calls are.

    Attributes:
        messages: how many there are of which jobs are run here.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.meaning = Meaning(config)
        self.session = attrs.evolve(session_of(config), most_printed=_MOST_PRINTED)
        self.messages = 0
        self._running: dict[tuple[int, int], Order] = {}
        self._waiting: deque[Order] = deque()
        self._prepared: dict[tuple[str, str, str, bool], Prepared] = {}
        self._lock = Lock()
        self._is_closed = False
        self._cancels: deque[Order] = deque()
        self._ending: set[Batch] = set()  # with jobs that have ended and are not told of yet
        self._executor = StandaloneExecutor(workers_of(config.job), config.job.start_method, self)
        self._thread = Thread(target=self._run, name="driver", daemon=True)
        self._thread.start()

    @property
    def running(self) -> list[Order]:
        return list(self._running.values())

    def prepare(self, owner: Owner) -> Prepared:
        """The scenario that jobs belong to, with its functions imported.

        Raises:
            Refusal: it is none here, or its functions cannot be imported.
        """
        key = (owner.scenario, owner.name, owner.created, owner.full)
        with self._lock:
            if key not in self._prepared:
                self._prepared[key] = self._new(owner, len(self._prepared) + 1)
            return self._prepared[key]

    def hand(self, orders: Sequence[Order], prepared: Prepared) -> None:
        """Have jobs run. For any thread."""
        for order in orders:
            order.call = Call(prepared.number, prepared.places[order.job.task])
        self._waiting.extend(orders)
        self._executor.wake()

    def cancel(self, order: Order) -> None:
        """End a job that runs or waits. For any thread."""
        self._cancels.append(order)
        self._executor.wake()

    def close(self) -> None:
        self._is_closed = True
        self._executor.wake()
        self._thread.join()
        self._executor.close()
        remove_remains(self.session)

    # What the executor asks for

    def take(self) -> Call | None:
        for _ in range(len(self._waiting)):
            order = self._waiting.popleft()
            assert order.call is not None, "it was handed over"
            key = (order.call.work, order.call.job)
            if key in self._running:  # an earlier attempt of the same job is being ended
                self._waiting.append(order)
                continue
            self._running[key] = order
            return order.call
        return None

    def follow(self, _call: Call) -> None:
        return None

    def ready(self) -> int:
        return len(self._waiting)

    def ask(self, call: Call, answer: Answer) -> None:
        order = self._running.get((call.work, call.job))
        if order is None:
            answer(0.0)
        else:
            order.permit.ask(answer, monotonic())

    def known(self, call: Call) -> float:
        order = self._running.get((call.work, call.job))
        return 0.0 if order is None else order.permit.allowed(monotonic())

    def _run(self) -> None:
        while not self._is_closed:
            while self._cancels:
                self._cancel(self._cancels.popleft())
            self._executor.submit(self)
            for outcome in self._executor.wait(self._patience()):
                order = self._running.pop((outcome.work, outcome.job), None)
                if order is None:
                    continue
                if outcome.returned and not order.permit.is_dropped:
                    self._waiting.append(order)
                else:
                    self._end(order, outcome)
            self._tell_due()

    def _patience(self) -> float | None:
        """Seconds until something is to be told of."""
        due = min((batch.due for batch in self._ending), default=None)
        return None if due is None else max(0.0, due - monotonic())

    def _end(self, order: Order, outcome: Outcome) -> None:
        order.batch.add(order, outcome, monotonic())
        self._ending.add(order.batch)

    def _tell_due(self) -> None:
        now = monotonic()
        for batch in [each for each in self._ending if each.due <= now]:
            self._ending.remove(batch)
            batch.tell_ended()

    def _cancel(self, order: Order) -> None:
        if order in self._waiting:
            self._waiting.remove(order)
            self._end(order, Outcome(0, 0, 0.0, 0.0, returned=True))
        elif (
            order.call is not None and self._running.get((order.call.work, order.call.job)) is order
        ):
            self._executor.cancel(order.call)

    def _new(self, owner: Owner, number: int) -> Prepared:
        try:
            plan = compile_plan(self.config, owner.scenario, name=owner.name)
            created = datetime.fromisoformat(owner.created)
        except (RunnerError, ValueError) as error:
            raise Refusal(why="config", message=str(error)) from None
        memory = memory_of(Mode.STANDALONE, self.session)
        assert isinstance(memory, EncodedMemory), "workers here are those of standalone mode"
        instance = open_instance(
            self.config,
            plan.name,
            created,
            plan.data_nodes.values(),
            frequency=find_scenario(self.config, plan.scenario).frequency,
            memory=memory,
        )
        work = Work(
            number=number,
            plan=plan,
            instance=instance,
            config=self.config,
            session=self.session,
            memory=memory,
            full_traceback=owner.full,
        )
        try:
            self._executor.enter(work)
        except UserCodeError as error:
            failure = masked(error.failure, self.session.mask)
            raise Refusal(why="import", failure=attrs.asdict(failure)) from None
        except RunnerError as error:
            raise Refusal(why="config", message=str(error)) from None
        places = {job.task.id: at for at, job in enumerate(plan.jobs)}
        return Prepared(number, plan, places, bool(instance.files))
