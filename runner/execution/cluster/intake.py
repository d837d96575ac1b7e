"""How jobs come to a worker: by Celery, which takes from the broker what there is room for.

A broker counts what it has given by connection. One that is new may be given as much as the last
one, of which the jobs may still run: so it is told how much of that is over, and with no room at
all there is no new connection. Else messages would wait here that others have time for.
"""

from __future__ import annotations

import json
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from threading import Condition, Event, Lock
from time import sleep
from typing import Any, Final, Protocol

from runner.execution.cluster.link import TASK
from runner.execution.failures import bug_failure

_WAIT: Final = 0.1  # seconds after which it is looked whether to connect, or to end
_HARD: Final = 5.0  # seconds that jobs have which are ended


class Take(Protocol):
    """Deals with a message, and does not wait for that."""

    def __call__(self, sealed: object, message: Message) -> None: ...


class Message:
    """A message that was taken. All of it is for any thread.

    Attributes:
        redelivered: whether the broker had given it to somebody before.
    """

    def __init__(
        self, free: Callable[[], None], over: Callable[[], None], *, redelivered: bool
    ) -> None:
        self.redelivered = redelivered
        self._free = free
        self._over = over
        self._is_done = False
        self._lock = Lock()

    def acknowledge(self) -> None:
        """All is done that it says: there is room for another one."""
        with self._lock:
            was_done, self._is_done = self._is_done, True
        if not was_done:
            self._free()

    def end(self) -> None:
        """All that became of it is known to the broker."""
        try:
            self.acknowledge()
        finally:
            self._over()


class Intake:
    """Takes messages, as many as there are slots.

    Attributes:
        is_leaving: whether SIGTERM has come, or SIGINT: then nothing new is taken.
        is_hurried: whether SIGINT has come again, or SIGQUIT: then what runs is ended.
    """

    def __init__(
        self,
        broker: str,
        queue: str,
        slots: int,
        take: Take,
        is_ready: Callable[[], bool],
        give_up: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """Take nothing yet.

        Args:
            broker: its URL, or several.
            queue: from which messages are taken.
            slots: how many are dealt with at once.
            take: deals with one.
            is_ready: whether any can be dealt with; where not, none is taken.
            give_up: ends all that has come of messages, and does not wait for that.
            say: is told what goes wrong.
        """
        self.is_leaving = Event()
        self.is_hurried = False
        self._broker = broker
        self._queue = queue
        self._slots = slots
        self._take = take
        self._is_ready = is_ready
        self._give_up = give_up
        self._say = say
        self._consumer: Any = None
        self._open: dict[Any, int] = {}  # messages that are not acknowledged, by connection
        self._untold = 0  # messages that have not ended
        self._acknowledgements: deque[Callable[[], None]] = deque()
        self._changed = Condition()

    def worker(self, is_unwanted: Callable[[], bool]) -> Any:
        """What takes messages, a worker of Celery that is yet to be started.

        Args:
            is_unwanted: whether a signal to end came before signals were Celery's.
        """
        from celery import signals
        from celery.exceptions import SecurityWarning

        signals.worker_shutting_down.connect(lambda **_: self.is_leaving.set(), weak=False)
        with warnings.catch_warnings():
            # It warns root of messages that can do anything: ours are sealed JSON, which names
            # tasks of the config alone, and jobs run in processes of their own, not in Celery's.
            warnings.simplefilter("ignore", SecurityWarning)
            return self._app().Worker(
                consumer_cls=_consumer(is_unwanted, self._may_connect),
                pool=_pool(self._finish, self._end_all),
                concurrency=self._slots,
                without_gossip=True,
                without_mingle=True,
                without_heartbeat=True,
                quiet=True,
                loglevel="ERROR",
            )

    def _app(self) -> Any:
        import celery

        app = celery.Celery("runner", broker=self._broker, set_as_current=False)
        queue = _watched(self._queue, self._start_anew)
        app.conf.update(**_SETTINGS, task_queues=[queue], task_default_queue=self._queue)
        app.task(name=TASK, Strategy=self._strategy)(_done_by_the_strategy)
        return app

    def _strategy(self, _task: Any, _app: Any, consumer: Any) -> Callable[..., None]:
        """What Celery does with a message of a new connection.

        Its own way keeps a record of each message as a request, a task and its trace, which takes
        longer than all that is done here (https://docs.celeryq.dev, `Task.Strategy`).
        """
        errors = (*consumer.connection_errors, *consumer.channel_errors)
        connection = object()
        with self._changed:
            self._consumer = consumer
            self._open = {each: count for each, count in self._open.items() if count}
            self._open[connection] = 0
            consumer.initial_prefetch_count = self._room()

        def take(message: Any, *_: Any) -> None:
            with self._changed:
                self._open[connection] += 1
                self._untold += 1
            taken = Message(
                partial(self._free, connection, partial(_acknowledge, message, errors)),
                self._be_over,
                redelivered=bool(message.delivery_info.get("redelivered")),
            )
            try:
                self._take(_sealed_in(message.body), taken)
            except Exception as error:  # noqa: BLE001 - Celery would end, or be deaf
                self._say(f"a message is lost:\n{bug_failure(error).traceback.rstrip()}")
                taken.end()

        return take

    def _free(self, connection: object, acknowledge: Callable[[], None]) -> None:
        """A message needs no slot any more. For any thread."""
        with self._changed:
            self._open[connection] -= 1
        self._acknowledgements.append(acknowledge)
        self._consumer.hub.call_soon(self._use_room)

    def _be_over(self) -> None:
        with self._changed:
            self._untold -= 1
            self._changed.notify_all()

    def _acknowledge(self) -> None:
        """For Celery's thread, since only one may use a connection."""
        while self._acknowledgements:
            self._acknowledgements.popleft()()

    def _use_room(self) -> None:
        """Have the broker give more, where jobs of an earlier connection have ended too.

        There are brokers that heed it for new consumers only.
        """
        self._acknowledge()
        consumer, room = self._consumer, self._room()
        if consumer.task_consumer is not None and consumer.qos.value != room:
            consumer.qos.value = room
            consumer.qos.update()
            consumer.task_consumer.cancel()
            consumer.task_consumer.consume()

    def _room(self) -> int:
        """How many messages the latest connection may be given at once."""
        *others, _ = self._open.values()
        return self._slots - sum(others)

    def _may_connect(self) -> bool:
        """Whether a new connection may be given anything."""
        return self._is_ready() and sum(self._open.values()) < self._slots

    def _finish(self) -> None:
        """Wait for all that was taken; not for ever where nobody wants that."""
        with self._changed:
            while self._untold and not _was_told_again():
                self._changed.wait(_WAIT)
        if self._untold:
            self._end_all()
        else:
            self._acknowledge()

    def _end_all(self) -> None:
        self.is_hurried = True
        self._give_up()
        with self._changed:
            self._changed.wait_for(lambda: not self._untold, timeout=_HARD)

    def _start_anew(self, _tag: str) -> None:
        """Have Celery start anew, since the broker has deleted the queue of jobs.

        It would by itself, but not where that happens when it has just started: what comes first it
        takes in without heed of errors, and is deaf from then on.
        """
        from amqp.exceptions import ConsumerCancelled

        def fail() -> None:
            raise ConsumerCancelled("the queue of jobs was deleted")

        self._consumer.hub.call_later(0, fail)


def _was_told_again() -> bool:
    """Whether Celery was told a second time to end."""
    from celery.worker import state

    return state.should_terminate is not None and state.should_terminate is not False


def _acknowledge(message: Any, errors: tuple[type[Exception], ...]) -> None:
    with suppress(*errors):  # it comes again, and is known
        message.ack()


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


def _watched(name: str, on_deleted: Callable[[str], None]) -> Any:
    """The queue of jobs, which tells when the broker has deleted it."""
    import kombu

    class Watched(kombu.Queue):  # type: ignore[misc]  # it has no types
        def consume(self, *arguments: Any, **options: Any) -> Any:
            return super().consume(*arguments, **{**options, "on_cancel": on_deleted})

    return Watched(name, kombu.Exchange(""), routing_key=name)


def _pool(finish: Callable[[], None], end_all: Callable[[], None]) -> Any:
    """That of Celery for threads, of which none is used; it ends when all messages are done with.

    The connection is there until then, so that they can be acknowledged.
    """
    from celery.concurrency.thread import TaskPool

    class Waiting(TaskPool):  # type: ignore[misc]  # it has no types
        def on_stop(self) -> None:
            finish()
            super().on_stop()

        def on_terminate(self) -> None:
            end_all()
            super().on_terminate()

    return Waiting


def _consumer(is_unwanted: Callable[[], bool], may_connect: Callable[[], bool]) -> Any:
    """That of Celery, which connects only when it may.

    It does not begin where it is unwanted by the time that Celery has set handlers for signals.
    """
    from celery.exceptions import WorkerShutdown
    from celery.worker.consumer import Consumer
    from celery.worker.state import maybe_shutdown

    class Patient(Consumer):  # type: ignore[misc]  # it has no types
        def start(self) -> None:
            if is_unwanted():
                raise WorkerShutdown(0)
            super().start()

        def ensure_connected(self, conn: Any) -> Any:
            while True:
                maybe_shutdown()
                if may_connect():
                    with suppress(*conn.connection_errors, *conn.channel_errors):
                        conn.connect()
                        return conn
                sleep(_WAIT)

    return Patient


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
