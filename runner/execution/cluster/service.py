"""A worker of the cluster: takes jobs from the broker and runs them in processes of its own.

    main thread       Celery (`intake`): takes a message a slot, hands its jobs to the driver
    driver            the loop of the standalone executor: job processes, and tells how jobs ended
    talker            the link: what is told to this worker, and to all, comes in
    readers           read the config and import functions, where that has to be done first

A message is acknowledged when all its jobs are told of. One that the broker has given to somebody
before is not run but told of as `bounced`: whether its jobs are to run again, only the one who
hands them out can say.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from time import monotonic, time
from types import NoneType
from typing import Any, Final, TextIO

import attrs

from runner.config.model import Config
from runner.errors import RunnerError
from runner.execution.cluster.driver import Batch, Driver, Order, Prepared, Refusal
from runner.execution.cluster.intake import Intake, Message
from runner.execution.cluster.link import Confirmed, Delivery, Link, Names
from runner.execution.cluster.permits import Permit
from runner.execution.cluster.sameness import Meaning
from runner.execution.cluster.sealing import ForgedError, Seal
from runner.execution.cluster.sharing import is_shared
from runner.execution.cluster.talk import (
    Attempted,
    Ended,
    Job,
    Owner,
    Versions,
    ended_message,
    read_attempts,
    read_jobs,
    read_part,
    read_reply,
)
from runner.execution.cluster.talker import Talker
from runner.execution.executors import workers_of
from runner.execution.failures import bug_failure, masked
from runner.execution.instance import storage_folder
from runner.execution.worker import Outcome
from runner.store.logs import read_slice

_FIRST_REST: Final = 0.1  # seconds for which a message is kept that has been refused


@attrs.define(eq=False)
class Taken:
    """A message that is dealt with.

    Attributes:
        owner: whose jobs it gives.
        jobs: they.
        received: when it came, by the clock that nobody sets.
        message: as the broker has given it.
        orders: the jobs, as soon as it is told that they are here.
    """

    owner: Owner
    jobs: Sequence[Job]
    received: float
    message: Message
    orders: Sequence[Order] = ()

    @property
    def named(self) -> list[Attempted]:
        return [(self.owner.work, each.task, each.attempt) for each in self.jobs]


class Service:
    """A worker of the cluster."""

    def __init__(
        self,
        config: Config,
        load: Callable[[], Config],
        broker: str,
        key: bytes,
        *,
        said: TextIO = sys.stderr,
    ) -> None:
        """Take a config.

        Args:
            config: the application's.
            load: reads it once more, when a message means another one.
            broker: where the broker is.
            key: of the cluster.
            said: where it is told what the worker does.
        """
        self._load = load
        self.config = config
        self._said = said
        self.name = f"{platform.node()}-{os.getpid()}"
        self._lease = self.config.job.worker_lease.total_seconds()
        self._names = Names(self.config.job.queue)
        self._in, self._out = Seal.to_workers(key), Seal.from_workers(key)
        self._drivers = [Driver(self.config)]
        self._lock = Lock()
        self._orders: dict[tuple[str, Attempted], Order] = {}
        self._over: set[tuple[str, int | None]] = set()
        self._taken: dict[tuple[str, int], set[int]] = {}
        self._ready: dict[tuple[str, int], tuple[Driver, Prepared]] = {}
        self._rest_for = _FIRST_REST
        self._own_queue = ""
        self._is_unconnected = False  # as was said
        self._unheard: set[str] = set()  # queues that were not there, for jobs that had begun
        self._intake = Intake(
            broker,
            self._names.jobs,
            self.slots,
            take=self.take,
            is_ready=self._is_connected,
            give_up=self._give_up,
            say=self._say,
        )
        self._readers = ThreadPoolExecutor(self.slots, "reader")
        link = Link(broker, self._prepare, self._nobody_hears)
        self._talker = Talker(link, self._hear, self._lease)
        self._talker.on_beat = self._beat
        self._link = link

    @property
    def slots(self) -> int:
        return workers_of(self.config.job)

    def run(self, is_unwanted: Callable[[], bool] = lambda: False) -> None:
        """Work until SIGTERM comes, or SIGINT: what runs is finished, nothing new is taken.

        Args:
            is_unwanted: whether one of them came before they were ours.

        Raises:
            RuntimeError: Celery could not go on; why, it has said.
        """
        sys.setswitchinterval(0.0002)
        worker = self._intake.worker(is_unwanted)
        self._talker.start()  # after Celery is imported: half of kombu is not enough for it
        try:
            worker.start()
        finally:
            for driver in self._drivers:
                driver.close()  # which ends what readers may wait for
            self._readers.shutdown()
            self._talker.close()
        if worker.exitcode and not self._intake.is_leaving.is_set():
            raise RuntimeError("Celery could not go on, as it says above")

    def take(self, sealed: object, message: Message) -> None:
        """Do what a message says, and do not wait until all that became of it is told.

        What is wrong with a message is told, and the message is gone.
        """
        received = monotonic()
        try:
            versions, owner, jobs = read_jobs(self._in.open(sealed))
        except ForgedError as error:
            self._say(f"a message is refused: {error}")
            message.end()
            return
        taken = Taken(owner, jobs, received, message)
        if message.redelivered:
            self._tell_and_end(taken, {"kind": "bounced", "attempts": taken.named})
        elif self._is_over(owner) or not self._are_new(owner, jobs):
            message.end()
        elif (ready := self._at_hand(versions, taken)) is not None:
            self._begin(taken, ready[0])
            self._do(taken, *ready)
        else:
            self._readers.submit(self._read_and_do, versions, taken)

    def _is_connected(self) -> bool:
        """Whether we could say that we have begun what we take; it is said where that changes."""
        link = self._link
        if link.is_up and self._is_unconnected:
            self._say("the broker is back")
        elif not link.is_up and link.why and not self._is_unconnected:
            self._say(f"the broker cannot be reached: {link.why}; trying again")
        self._is_unconnected = not link.is_up and bool(link.why)
        return link.is_up

    def _give_up(self) -> None:
        """End what runs: it is wanted that this worker ends at once."""
        self._drop(list(self._orders.values()))

    # Messages

    def _are_new(self, owner: Owner, jobs: Sequence[Job]) -> bool:
        """Whether a message has not come before: no number of an attempt is used twice."""
        with self._lock:
            taken = self._taken.setdefault((owner.session, owner.work), set())
            numbers = {each.attempt for each in jobs}
            are_new = taken.isdisjoint(numbers)
            taken |= numbers
        return are_new

    def _at_hand(self, versions: Versions, taken: Taken) -> tuple[Driver, Prepared] | None:
        """What runs jobs like others of their submission; None: that is still to be read."""
        with self._lock:
            ready = self._ready.get((taken.owner.session, taken.owner.work))
            if (
                ready is None
                or ready[0] is not self._drivers[-1]
                or versions != Versions.here()
                or self._intake.is_leaving.is_set()
                or _difference(ready[0].config, ready[0].meaning, taken.jobs) is not None
            ):
                return None
            ready[0].messages += 1
        return ready

    def _read_and_do(self, versions: Versions, taken: Taken) -> None:
        """For a reader: it may take a while."""
        try:
            driver, prepared = self._read(versions, taken)
        except Refusal as refusal:
            self._refuse(taken, refusal)
        except Exception as error:  # noqa: BLE001 - else it would look like a worker that is lost
            self._fail(taken, error)
        else:
            self._rest_for = _FIRST_REST
            self._do(taken, driver, prepared)

    def _refuse(self, taken: Taken, refusal: Refusal) -> None:
        """Leave to others what is refused here, since it comes again; for longer each time."""
        why = refusal.told.get("why")
        self._say(f"{len(taken.jobs)} jobs of {taken.owner.name} are refused: {why}")
        told = {"kind": "refused", "attempts": taken.named, **refusal.told}
        self._surely(taken.owner, told).result()
        self._intake.is_leaving.wait(self._rest_for)
        self._rest_for = min(2 * self._rest_for, self._lease / 6)
        taken.message.end()

    def _read(self, versions: Versions, taken: Taken) -> tuple[Driver, Prepared]:
        """What runs jobs as they are meant; the driver is to be left when they have ended.

        Raises:
            Refusal: they are not run here.
        """
        if self._intake.is_leaving.is_set():  # Celery heeds that when it is done with what is there
            raise Refusal(why="leaving", message="it is about to end")
        if versions != Versions.here():
            raise Refusal(why="versions", versions=attrs.astuple(Versions.here()))
        with self._lock:
            driver = self._drivers[-1]
            if _difference(driver.config, driver.meaning, taken.jobs) is not None:
                driver = self._renewed(taken.jobs)
            driver.messages += 1
        try:
            self._begin(taken, driver)  # before functions are imported, which may take long
            prepared = _prepared(driver, taken.owner)
        except BaseException:
            self._leave(taken, driver)
            raise
        with self._lock:
            self._ready[taken.owner.session, taken.owner.work] = driver, prepared
        return driver, prepared

    def _renewed(self, jobs: Sequence[Job]) -> Driver:
        """A driver of the config and the code as they are now; the old one ends its jobs.

        Raises:
            Refusal: they are not what is meant either.
        """
        try:
            config = self._load()
        except RunnerError as error:
            raise Refusal(why="config", message=str(error)) from None
        difference = _difference(config, Meaning(config), jobs)
        if difference is not None:
            raise difference
        new = Driver(config)
        self._drivers.append(new)
        self.config = config
        self._say("the config or the code has changed: it is read again")
        return new

    def _begin(self, taken: Taken, driver: Driver) -> None:
        """Tell that jobs are here, and from now on that they still are, until `_be_done`."""
        batch = Batch(
            tell=partial(self._tell_ended, driver, taken.owner),
            said=taken.message.acknowledge,
            over=partial(self._be_done, taken, driver),
            count=len(taken.jobs),
        )
        until = taken.received + self._lease / 3
        taken.orders = [Order(taken.owner, job, Permit(until), batch) for job in taken.jobs]
        for order in taken.orders:
            self._orders[taken.owner.session, order.named] = order
        self._tell_begun(taken.owner, taken.orders)

    def _do(self, taken: Taken, driver: Driver, prepared: Prepared) -> None:
        try:
            driver.hand(taken.orders, prepared)
        except Exception as error:  # noqa: BLE001 - for who waits for the jobs
            taken.orders[0].batch.end(error)
        else:
            self._drop([each for each in taken.orders if each.permit.is_dropped])  # meanwhile

    def _be_done(self, taken: Taken, driver: Driver, error: BaseException | None = None) -> None:
        """All jobs of a message are told of, or cannot be. For any thread."""
        self._leave(taken, driver)
        if error is None:
            taken.message.end()
        else:
            self._drop(taken.orders)
            self._fail(taken, error)

    def _leave(self, taken: Taken, driver: Driver) -> None:
        """A message is over for a driver; old ones that have none any more are closed."""
        for order in taken.orders:
            self._orders.pop((order.owner.session, order.named), None)
        with self._lock:
            driver.messages -= 1
            old = [each for each in self._drivers[:-1] if not each.messages]
            self._drivers = [each for each in self._drivers if each not in old]
        for each in old:  # which takes a while, and may be for its own thread to say
            Thread(target=each.close, name="closing").start()

    def _fail(self, taken: Taken, error: BaseException) -> None:
        """Tell of a bug of ours as the failure of the jobs that it has hit."""
        owner, jobs = taken.owner, taken.jobs
        failure = masked(bug_failure(error), self._drivers[-1].session.mask)
        self._say(f"{len(jobs)} jobs of {owner.name} cannot be run:\n{failure.traceback.rstrip()}")
        ended = [Ended(each.task, each.attempt, time(), 0.0, failure, (), "") for each in jobs]
        self._tell_and_end(taken, ended_message(owner.work, ended))

    def _tell_begun(self, owner: Owner, orders: Sequence[Order]) -> None:
        """Tell of attempts that have begun, which is answered; it needs no confirmation."""
        self._tell(owner, self._asking("begun", monotonic(), orders), is_wanted=True)

    def _nobody_hears(self, queue: str) -> None:
        """Who handed out jobs that have begun is gone, for a while or for good."""
        if queue not in self._unheard:
            self._unheard.add(queue)
            self._talker.later(lambda: self._tell_again(queue))

    def _tell_again(self, queue: str) -> None:
        now = monotonic()
        self._unheard.discard(queue)
        by_owner: dict[Owner, list[Order]] = {}
        for order in list(self._orders.values()):
            is_asking = not (order.permit.is_kept or order.permit.is_dropped)
            if is_asking and self._names.results(order.owner.session) == queue:
                if order.unheard_for(now) > self._lease / 3:
                    self._drop([order])
                else:
                    by_owner.setdefault(order.owner, []).append(order)
        for owner, orders in by_owner.items():
            self._tell_begun(owner, orders)

    def _sign(self, owner: Owner, orders: Sequence[Order]) -> None:
        """Give a sign of life of attempts, which the broker confirms."""
        now = monotonic()

        def confirmed(*, is_there: bool) -> None:
            if is_there:
                for order in orders:
                    order.permit.confirmed(now + self._lease / 3, monotonic())

        self._tell(owner, self._asking("alive", now, orders), confirmed)

    def _tell(
        self,
        owner: Owner,
        body: Mapping[str, Any],
        confirmed: Confirmed | None = None,
        *,
        is_lasting: bool = False,
        is_wanted: bool = False,
    ) -> None:
        text = self._out.close({"worker": self.name, "name": owner.name, **body})
        queue = self._names.results(owner.session)
        self._talker.say(
            text, queue, is_lasting=is_lasting, is_wanted=is_wanted, confirmed=confirmed
        )

    def _tell_and_end(self, taken: Taken, body: Mapping[str, Any]) -> None:
        """Tell something, which is the last of a message."""
        self._surely(taken.owner, body).add_done_callback(lambda _: taken.message.end())

    def _surely(self, owner: Owner, body: Mapping[str, Any]) -> Future[bool]:
        """Tell something until the broker has it; False: nobody wants it any more."""
        told: Future[bool] = Future()
        lost_at: list[float] = []

        def again(*, is_there: bool) -> None:
            now = monotonic()
            if not self._link.is_up:
                lost_at.clear()
            elif not is_there:  # its queue is gone, perhaps for good
                lost_at.append(now)
            is_over = self._is_over(owner) or self._talker.is_closed or self._is_left_alone()
            if is_there:
                told.set_result(True)
            elif is_over or (lost_at and now - lost_at[0] > 2 * self._lease):
                told.set_result(False)
            else:
                self._talker.later(lambda: self._tell(owner, body, again, is_lasting=True))

        self._tell(owner, body, again, is_lasting=True)
        return told

    def _tell_ended(
        self, driver: Driver, owner: Owner, ended: Sequence[tuple[Order, Outcome]]
    ) -> Future[bool]:
        told = [
            Ended(
                order.job.task,
                order.job.attempt,
                outcome.started,
                outcome.seconds,
                outcome.failure and masked(outcome.failure, driver.session.mask),
                tuple(outcome.marks),
                driver.session.mask.text(_printed(driver.session.logs, outcome)),
            )
            for order, outcome in ended
            if not order.permit.is_dropped or _has_committed(outcome)
        ]
        if self._intake.is_hurried and len(told) < len(ended):
            lost = [order for order, outcome in ended if not _has_committed(outcome)]
            self._tell_given_up(owner, [order for order in lost if order.permit.is_dropped])
        if not told:
            nothing: Future[bool] = Future()
            nothing.set_result(True)
            return nothing
        return self._surely(owner, ended_message(owner.work, told))

    def _tell_given_up(self, owner: Owner, orders: Sequence[Order]) -> None:
        """Let others have jobs at once that have ended here, and committed nothing."""
        named = [order.named for order in orders]
        why = {"why": "leaving", "message": "it was ended"}
        self._tell(owner, {"kind": "refused", "attempts": named, **why})

    # What all are told

    def _prepare(self, link: Link) -> None:
        link.confirm()
        link.declare_jobs(self._names)
        self._own_queue = link.listen(self._names)

    def _hear(self, delivery: Delivery) -> None:
        try:
            body = self._in.open(delivery.body)
            self._heed(body)
        except ForgedError as error:
            self._say(f"what all are told is refused: {error}")

    def _heed(self, body: Mapping[str, Any]) -> None:
        session = str(body.get("session", ""))
        if body.get("to", self.name) != self.name:
            return
        match body.get("kind"):
            case "who":
                left = sum(each.owner.session == session for each in list(self._orders.values()))
                told = {"kind": "here", "worker": self.name, **self.state(), "open": left}
                told["call"] = str(body.get("call", ""))
                self._talker.say(self._out.close(told), read_reply(body), is_lasting=False)
            case "kept":
                until = read_part(body, "asked", float) + self._lease / 3
                for order in self._known(session, body):
                    order.unheard_since = None
                    order.permit.keep(until, monotonic())
            case "dropped":
                self._drop(self._known(session, body))
            case "over":
                self._over.add((session, read_part(body, "work", int, NoneType)))
                self._taken = {
                    key: each
                    for key, each in self._taken.items()
                    if self._over.isdisjoint({key, (key[0], None)})
                }
                with self._lock:
                    self._ready = {
                        key: each
                        for key, each in self._ready.items()
                        if self._over.isdisjoint({key, (key[0], None)})
                    }
                self._drop([each for each in self._orders.values() if self._is_over(each.owner)])

    def _is_left_alone(self) -> bool:
        """Whether it is to end, and there was no broker for so long that others have its jobs."""
        is_down = self._intake.is_leaving.is_set() and not self._link.is_up
        return is_down and monotonic() - self._link.since > 2 * self._lease

    def _is_over(self, owner: Owner) -> bool:
        """Whether nobody waits any more for what becomes of jobs."""
        return not self._over.isdisjoint({(owner.session, owner.work), (owner.session, None)})

    def state(self) -> dict[str, int]:
        """How much this worker does at once, and does now."""
        return {"slots": self.slots, "busy": sum(len(each.running) for each in self._drivers)}

    def _known(self, session: str, body: Mapping[str, Any]) -> list[Order]:
        found = (self._orders.get((session, named)) for named in read_attempts(body))
        return [order for order in found if order is not None]

    def _drop(self, orders: Sequence[Order]) -> None:
        for order in orders:
            order.permit.drop()
            for driver in self._drivers:
                driver.cancel(order)

    def _beat(self) -> None:
        """Give signs of life, and ask where there was none for too long."""
        now = monotonic()
        if self._is_left_alone():
            self._drop([*self._orders.values()])
        by_owner: dict[tuple[str, int], list[Order]] = {}
        for order in list(self._orders.values()):
            if not order.permit.is_dropped:
                by_owner.setdefault((order.owner.session, order.owner.work), []).append(order)
        for orders in by_owner.values():
            owner = orders[0].owner
            doubtful = [each for each in orders if each.permit.lapse(now)]
            sure = [each for each in orders if not each.permit.in_doubt]
            unheard = [each for each in sure if not each.permit.is_kept]
            if unheard:  # the answer is lost, as may be what was told
                self._tell_begun(owner, unheard)
            if len(unheard) < len(sure):
                self._sign(owner, [each for each in sure if each.permit.is_kept])
            if doubtful:
                self._doubt(owner, doubtful)

    def _doubt(self, owner: Owner, orders: Sequence[Order]) -> None:
        """Ask whether attempts count; they do not where for long nobody is there to ask."""
        now = monotonic()

        def asked(*, is_there: bool) -> None:
            for order in orders:
                if is_there or not self._link.is_up:
                    order.unheard_since = None
                elif order.unheard_for(now) > 2 * self._lease:
                    self._drop([order])

        self._tell(owner, self._asking("doubt", now, orders), asked)

    def _asking(self, kind: str, now: float, orders: Sequence[Order]) -> dict[str, Any]:
        named = [each.named for each in orders]
        return {"kind": kind, "asked": now, "attempts": named, "reply": self._own_queue}

    def _say(self, text: str) -> None:
        self._said.write(f"{text}\n")  # at once, since several threads say something
        self._said.flush()


def _prepared(driver: Driver, owner: Owner) -> Prepared:
    prepared = driver.prepare(owner)
    if prepared.has_files and not is_shared(driver.config, owner.session):
        where = storage_folder(driver.config).absolute()
        what = "is not the storage folder of the run: do both see the same files?"
        raise Refusal(why="files", message=f"{where} {what}")
    return prepared


def _difference(config: Config, meaning: Meaning, jobs: Sequence[Job]) -> Refusal | None:
    """Why jobs do not mean the same here; None: they do."""
    for job in jobs:
        task = config.tasks.get(job.task)
        if task is None:
            return Refusal(why="config", message=f"its config has no task `{job.task}`")
        settings, code = meaning.of(task)
        if settings != job.settings:
            return Refusal(why="settings", settings=meaning.settings(task))
        if code != job.code:
            found = meaning.code(task)
            return Refusal(why="code", code=None if found is None else found.plain())
    return None


def _has_committed(outcome: Outcome) -> bool:
    return outcome.failure is None and not outcome.returned


def _printed(logs: Path, outcome: Outcome) -> str:
    """What a job has printed."""
    output = outcome.output
    if output is None:
        return ""
    data = read_slice(logs, output.file, output.start, output.end)
    return data.decode(errors="backslashreplace")
