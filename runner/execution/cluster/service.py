"""A worker of the cluster: takes jobs from the broker and runs them in processes of its own.

    main thread       Celery: takes a message a slot, acknowledges it when all its jobs are told of
    a thread a slot   opens the message, hands its jobs to the driver, waits until all is told
    driver            the loop of the standalone executor: job processes, and tells how jobs ended
    talker            the link: what is told to this worker, and to all, comes in

A message that the broker has given to somebody before is not run but told of as `bounced`: whether
its jobs are to run again, only the one who hands them out can say.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Lock
from time import monotonic, sleep, time
from types import NoneType
from typing import Any, Final, TextIO

import attrs

from runner.config.model import Config
from runner.errors import RunnerError
from runner.execution.cluster.driver import Batch, Driver, Order, Prepared, Refusal
from runner.execution.cluster.link import TASK, Confirmed, Delivery, Link, Names
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

_FIRST_REST: Final = 0.1  # seconds for which a slot takes nothing when it has refused jobs
_LOCKED_OUT: Final = 2.0  # seconds after which a broker that has let nobody in is tried again


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
        self._sharing: set[str] = set()  # sessions whose files are seen here
        self._leaving = Event()
        self._rest_for = _FIRST_REST
        self._broker = broker
        self._own_queue = ""
        self._celery: Any = None
        link = Link(broker, self._prepare)
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
        worker = self._worker(is_unwanted)
        self._talker.start()  # after Celery is imported: half of kombu is not enough for it
        try:
            worker.start()
        finally:
            self._talker.close()
            for driver in self._drivers:
                driver.close()
        if worker.exitcode and not self._leaving.is_set():
            raise RuntimeError("Celery could not go on, as it says above")

    def take(self, sealed: object, *, redelivered: bool) -> None:
        """Do what a message says; returns when all that became of it is told.

        Raises nothing: what is wrong with a message is told, and the message is gone.
        """
        received = monotonic()
        try:
            versions, owner, jobs = read_jobs(self._in.open(sealed))
        except ForgedError as error:
            self._say(f"a message is refused: {error}")
            return
        named = [(owner.work, each.task, each.attempt) for each in jobs]
        if redelivered:
            self._tell_and_wait(owner, {"kind": "bounced", "attempts": named})
            return
        if self._is_over(owner) or not self._are_new(owner, jobs):
            return
        try:
            with self._driver(versions, jobs) as driver:
                prepared = self._prepared(driver, owner)
                self._rest_for = _FIRST_REST
                self._do(driver, prepared, owner, jobs, received)
        except Refusal as refusal:
            self._say(f"{len(jobs)} jobs of {owner.name} are refused: {refusal.told.get('why')}")
            self._tell_and_wait(owner, {"kind": "refused", "attempts": named, **refusal.told})
            self._rest()
        except Exception as error:  # noqa: BLE001 - else it would look like a worker that is lost
            self._fail(owner, jobs, error)

    # Messages

    def _rest(self) -> None:
        """Leave to others what was refused here, since it comes again; longer each time."""
        self._leaving.wait(self._rest_for)
        self._rest_for = min(2 * self._rest_for, self._lease / 6)

    def _are_new(self, owner: Owner, jobs: Sequence[Job]) -> bool:
        """Whether a message has not come before: no number of an attempt is used twice."""
        with self._lock:
            taken = self._taken.setdefault((owner.session, owner.work), set())
            numbers = {each.attempt for each in jobs}
            are_new = taken.isdisjoint(numbers)
            taken |= numbers
        return are_new

    @contextmanager
    def _driver(self, versions: Versions, jobs: Sequence[Job]) -> Iterator[Driver]:
        """The driver of what jobs mean; when they have ended, old ones without any are closed.

        Raises:
            Refusal: they are not run here.
        """
        if self._leaving.is_set():  # Celery heeds that only when it is done with what has arrived
            raise Refusal(why="leaving", message="it is about to end")
        if versions != Versions.here():
            raise Refusal(why="versions", versions=attrs.astuple(Versions.here()))
        with self._lock:
            driver = self._drivers[-1]
            if _difference(driver.config, driver.meaning, jobs) is not None:
                driver = self._renewed(jobs)
            driver.messages += 1
        try:
            yield driver
        finally:
            with self._lock:
                driver.messages -= 1
                old = [each for each in self._drivers[:-1] if not each.messages]
                self._drivers = [each for each in self._drivers if each not in old]
            for each in old:  # which takes a while, and the talker must not wait for
                each.close()

    def _prepared(self, driver: Driver, owner: Owner) -> Prepared:
        prepared = driver.prepare(owner)
        if prepared.has_files and owner.session not in self._sharing:
            if not is_shared(driver.config, owner.session):
                where = storage_folder(driver.config).absolute()
                what = "is not the storage folder of the run: do both see the same files?"
                raise Refusal(why="files", message=f"{where} {what}")
            self._sharing.add(owner.session)
        return prepared

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

    def _do(
        self,
        driver: Driver,
        prepared: Prepared,
        owner: Owner,
        jobs: Sequence[Job],
        received: float,
    ) -> None:
        batch = Batch(partial(self._tell_ended, driver, owner), len(jobs))
        until = received + self._lease / 3  # to import functions may have taken longer
        orders = [Order(owner, job, Permit(until), batch) for job in jobs]
        for order in orders:
            self._orders[owner.session, order.named] = order
        try:
            self._sign("begun", owner, orders)
            driver.hand(orders, prepared)
            batch.wait()
        except Exception:
            self._drop(orders)
            raise
        finally:
            for order in orders:
                self._orders.pop((owner.session, order.named), None)

    def _fail(self, owner: Owner, jobs: Sequence[Job], error: Exception) -> None:
        """Tell of a bug of ours as the failure of the jobs that it has hit."""
        failure = masked(bug_failure(error), self._drivers[-1].session.mask)
        self._say(f"{len(jobs)} jobs of {owner.name} cannot be run:\n{failure.traceback.rstrip()}")
        ended = [Ended(each.task, each.attempt, time(), 0.0, failure, (), "") for each in jobs]
        self._tell_and_wait(owner, ended_message(owner.work, ended))

    def _sign(self, kind: str, owner: Owner, orders: Sequence[Order]) -> None:
        """Give a sign of life of attempts, which the broker confirms; the first is answered."""
        now = monotonic()

        def confirmed(*, is_there: bool) -> None:
            if is_there:
                for order in orders:
                    order.permit.confirmed(now + self._lease / 3, monotonic())
            elif kind == "begun" and self._link.is_up:  # nobody hears what becomes of them
                self._drop(orders)

        self._tell(owner, self._asking(kind, now, orders), confirmed)

    def _tell(
        self,
        owner: Owner,
        body: Mapping[str, Any],
        confirmed: Confirmed | None = None,
        *,
        is_lasting: bool = False,
    ) -> None:
        text = self._out.close({"worker": self.name, "name": owner.name, **body})
        queue = self._names.results(owner.session)
        self._talker.say(text, queue, is_lasting=is_lasting, confirmed=confirmed)

    def _tell_and_wait(self, owner: Owner, body: Mapping[str, Any]) -> None:
        self._surely(owner, body).result()

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
        if not told:
            nothing: Future[bool] = Future()
            nothing.set_result(True)
            return nothing
        return self._surely(owner, ended_message(owner.work, told))

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
                self._sharing.discard(session)  # another submission of it looks again
                self._drop([each for each in self._orders.values() if self._is_over(each.owner)])

    def _is_left_alone(self) -> bool:
        """Whether it is to end, and there was no broker for so long that others have its jobs."""
        is_down = self._leaving.is_set() and not self._link.is_up
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
            if sure:
                self._sign("alive", owner, sure)
            if doubtful:
                self._doubt(owner, doubtful)

    def _doubt(self, owner: Owner, orders: Sequence[Order]) -> None:
        """Ask whether attempts count; they do not where for long nobody is there to ask."""
        now = monotonic()

        def asked(*, is_there: bool) -> None:
            for order in orders:
                if is_there or not self._link.is_up:
                    order.unheard_since = None
                elif order.unheard_since is None:
                    order.unheard_since = now
                elif now - order.unheard_since > 2 * self._lease:
                    self._drop([order])

        self._tell(owner, self._asking("doubt", now, orders), asked)

    def _asking(self, kind: str, now: float, orders: Sequence[Order]) -> dict[str, Any]:
        named = [each.named for each in orders]
        return {"kind": kind, "asked": now, "attempts": named, "reply": self._own_queue}

    def _worker(self, is_unwanted: Callable[[], bool]) -> Any:
        from celery import signals
        from celery.exceptions import SecurityWarning

        signals.worker_shutting_down.connect(lambda **_: self._leaving.set(), weak=False)
        with warnings.catch_warnings():
            # It warns root of messages that can do anything: ours are sealed JSON, which names
            # tasks of the config alone, and jobs run in processes of their own, not in Celery's.
            warnings.simplefilter("ignore", SecurityWarning)
            return self._app().Worker(
                consumer_cls=_consumer(is_unwanted),
                pool="threads",
                concurrency=self.slots,
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
                quiet=True,
                loglevel="ERROR",
            )

    def _app(self) -> Any:
        import celery

        app = celery.Celery("runner", broker=self._broker, set_as_current=False)
        name = self._names.jobs
        queue = _queue(name, self._start_anew)
        app.conf.update(**_SETTINGS, task_queues=[queue], task_default_queue=name)
        app.task(name=TASK, Strategy=partial(self._straight))(_done_by_the_strategy)
        return app

    def _straight(self, _task: Any, _app: Any, consumer: Any) -> Callable[..., None]:
        """What Celery does with a message: a slot takes it, and it is acknowledged.

        Its own way keeps a record of each message as a request, a task and its trace, which takes
        longer than all that is done here (https://docs.celeryq.dev, `Task.Strategy`).
        """
        self._celery = consumer
        slots, errors = consumer.pool.executor, consumer.connection_errors

        def take(message: Any, _body: Any, ack: Callable[..., None], *_: Any) -> None:
            slots.submit(self._take, message, partial(ack, _UNSAID, errors))

        return take

    def _start_anew(self, _tag: str) -> None:
        """Have Celery start anew, since the broker has deleted the queue of jobs.

        It would by itself, but not where that happens when it has just started: what comes first it
        takes in without heed of errors, and is deaf from then on.
        """
        from amqp.exceptions import ConsumerCancelled

        def fail() -> None:
            raise ConsumerCancelled("the queue of jobs was deleted")

        self._celery.hub.call_later(0, fail)

    def _take(self, message: Any, acknowledge: Callable[[], None]) -> None:
        try:
            redelivered = bool(message.delivery_info.get("redelivered"))
            self.take(_sealed_in(message.body), redelivered=redelivered)
        except Exception as error:  # noqa: BLE001 - a slot must not be lost
            self._say(f"a message is lost:\n{bug_failure(error).traceback.rstrip()}")
        finally:
            acknowledge()

    def _say(self, text: str) -> None:
        self._said.write(f"{text}\n")  # at once, since several threads say something
        self._said.flush()


def _done_by_the_strategy() -> None:
    """The body of a task that Celery does not run."""
    raise AssertionError("its strategy takes the messages")


def _sealed_in(body: str | bytes) -> object:
    """The one argument of a task; None where it is no such message."""
    try:
        (sealed,), _, _ = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return None
    found: object = sealed
    return found


def _queue(name: str, on_deleted: Callable[[str], None]) -> Any:
    """The queue of jobs, which tells when the broker has deleted it."""
    import kombu

    class Watched(kombu.Queue):  # type: ignore[misc]  # it has no types
        def consume(self, *arguments: Any, **options: Any) -> Any:
            return super().consume(*arguments, **{**options, "on_cancel": on_deleted})

    return Watched(name, kombu.Exchange(""), routing_key=name)


def _consumer(is_unwanted: Callable[[], bool]) -> Any:
    """That of Celery, which tries again to connect as soon as the link does.

    It does not begin where it is unwanted by the time that Celery has set handlers for signals.
    """
    from amqp.exceptions import AccessRefused, NotAllowed
    from celery.exceptions import WorkerShutdown
    from celery.worker.consumer import Consumer

    class Impatient(Consumer):  # type: ignore[misc]  # it has no types
        def start(self) -> None:
            if is_unwanted():
                raise WorkerShutdown(0)
            super().start()

        def ensure_connected(self, conn: Any) -> Any:
            conn.ensure_connection = partial(
                conn.ensure_connection, interval_start=0.2, interval_step=0.2, interval_max=2.0
            )
            try:
                return super().ensure_connected(conn)
            except (AccessRefused, NotAllowed):  # Celery tries again at once
                sleep(_LOCKED_OUT)
                raise

    return Impatient


_SETTINGS: Final[Mapping[str, Any]] = {
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    "result_backend": None,
    "task_create_missing_queues": False,
    "worker_prefetch_multiplier": 1,
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "broker_channel_error_retry": True,
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_heartbeat": 10,
    "broker_connection_timeout": 5,
    "worker_enable_prefetch_count_reduction": False,
}
"""Of Celery: no message waits in a worker, and JSON alone."""

_UNSAID: Final = logging.Logger("acknowledgements")
"""Where Celery tells that it could not acknowledge a message: that comes again, and is known."""
_UNSAID.disabled = True


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
