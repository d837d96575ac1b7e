"""A connection to the broker, of one thread, which is made anew whenever it breaks.

It is polled: who owns it waits for its socket together with whatever else may happen, and calls
`turn` when that is ready or time has passed. Nothing that is published is waited for: the broker
confirms later, or does not (https://www.rabbitmq.com/docs/confirms). Nor is a broker that does not
answer waited for: a thread does, and whoever owns the link may leave it to that.
"""

from __future__ import annotations

import json
import os
import random
import select
import ssl
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from runner.config.brokers import split_brokers, why_no_broker
from runner.errors import SetupError
from runner.execution.cluster import variables

if TYPE_CHECKING:
    import amqp

HEARTBEAT: Final = 10
"""Seconds after twice which a connection that is silent counts as broken."""
TASK: Final = "runner.jobs"
"""The task of Celery by which workers are given jobs."""
KEPT: Final = 7 * 24 * 3600
"""Seconds for which what workers tell is kept while nobody listens."""

_PATIENCE: Final = 10.0
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_PERSISTENT: Final = 2


class Confirmed(Protocol):
    """Is told whether the broker has a message in a queue."""

    def __call__(self, *, is_there: bool) -> None: ...


@attrs.frozen
class Names:
    """What things are called at the broker, by the `queue` of the config.

    A queue cannot be declared again with other arguments, so each name has the version of them.
    """

    queue: str

    @property
    def jobs(self) -> str:
        """The queue from which workers take jobs."""
        return f"{self.queue}.jobs.v1"

    @property
    def control(self) -> str:
        """The exchange by which all are told something."""
        return f"{self.queue}.control.v1"

    @property
    def workers(self) -> str:
        """A queue in which nothing ever is: whoever takes from it is a worker."""
        return f"{self.queue}.workers.v1"

    def results(self, run: str) -> str:
        """The queue to which workers tell what became of the jobs of a run."""
        return f"{self.queue}.results.{run}"


@attrs.frozen
class Delivery:
    """A message that has arrived.

    Attributes:
        queue: from which.
        body: a sealed text.
        tag: for `Link.ack`; None: it needs none.
    """

    queue: str
    body: Any
    tag: int | None


class _Connecting:
    """A connection that comes about in a thread of its own.

    Attributes:
        connected: it, or why there is none.
        descriptor: can be read when that is known.
    """

    def __init__(self, connection: Any) -> None:
        self.connected: Future[Any] = Future()
        self.descriptor, self._end = os.pipe()
        Thread(target=self._run, args=(connection,), name="connecting", daemon=True).start()

    def _run(self, connection: Any) -> None:
        try:
            connection.connect()
            self.connected.set_result(connection)
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody wants to connect
            self.connected.set_exception(error)
        finally:
            os.close(self._end)

    def close(self) -> None:
        """End the wait for it; the connection goes on."""
        os.close(self.descriptor)

    def abandon(self) -> None:
        """Nobody wants it any more: it is closed as soon as it comes about."""
        self.close()
        self.connected.add_done_callback(_close_late)


class Link:
    """A connection to the broker.

    Attributes:
        is_up: whether there is one now.
        why: why there is none.
        is_refused: whether the one broker there is lets nobody in who comes with this URL.
        blocked: why the broker takes no messages for now; empty: it does.
        since: when it came up, or went down.
    """

    def __init__(
        self,
        url: str,
        prepare: Callable[[Link], None],
        unheard: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Connect at the first `turn`.

        Args:
            url: of the broker, or of several, separated by `;`.
            prepare: is called whenever there is a new connection; declares, and consumes.
            unheard: is told, later, of a queue that is not there, where that was asked for.

        Raises:
            SetupError: RUN501, that is no URL of a broker.
        """
        why = why_no_broker(url)
        if why is not None:
            hint = f"[JOB] broker_url, or {variables.BROKER}, says where it is: amqp://localhost"
            raise SetupError(f"the URL of the broker {why}", code="RUN501", hint=hint)
        import kombu.transport.pyamqp  # all of it, since threads that import it at once collide

        self._kombu = kombu
        self._url = url
        self._urls = deque(split_brokers(url))
        self._prepare = prepare
        self._unheard = unheard
        self._connecting: _Connecting | None = None
        self._connection: Any = None
        self._amqp: Any = None  # the same without kombu, which looks at each use whether it is up
        self._channel: Any = None
        self._confirming: Any = None  # the channel of what the broker confirms
        self._arrived: deque[Delivery] = deque()
        self._unconfirmed: dict[int, Confirmed] = {}
        self._confirmations: deque[tuple[int, bool, bool]] = deque()
        self._unrouted: deque[str] = deque()
        self._published = 0
        self._pause = _FIRST_PAUSE
        self._next = 0.0
        self._beat = 0.0
        self._canceled = False
        self.is_up = False
        self.why = ""
        self.is_refused = False
        self.blocked = ""
        self.since = monotonic()

    def fileno(self) -> int | None:
        """What can be read when `turn` has something to do; None: there is no connection."""
        if self._connecting is not None:
            return self._connecting.descriptor
        return self._amqp.sock.fileno() if self.is_up else None

    def patience(self) -> float:
        """Seconds after which `turn` is to be called in any case."""
        # they came while something was published
        if self._arrived or self._confirmations or self._unrouted:
            return 0.0
        if self._connecting is not None:
            return _PATIENCE
        due = self._beat if self.is_up else self._next
        return max(0.0, due - monotonic())

    def try_for(self, seconds: float) -> None:
        """Wait for so long until it is known whether there is a connection."""
        until = monotonic() + seconds
        while not (self.is_up or self.why) and monotonic() < until:
            self.turn()
            if self._connecting is not None:
                poll = select.poll()
                poll.register(self._connecting.descriptor, select.POLLIN)
                poll.poll(1000 * max(0.0, until - monotonic()))

    def unreachable(self) -> SetupError:
        """RUN501: why there is no connection."""
        return unreachable(self._url, self.why, is_refused=self.is_refused)

    def turn(self) -> list[Delivery]:
        """Connect where that is due, and take in what has arrived."""
        if not self.is_up:
            if self._connecting is None and monotonic() >= self._next:
                self._connecting = _Connecting(self._new())
            if self._connecting is None or not self._connecting.connected.done():
                return []
            self._connect(self._connecting)
        with self._told():
            if self.is_up:
                self._read()
        arrived = list(self._arrived)
        self._arrived.clear()
        return arrived

    def publish(
        self,
        text: str,
        queue: str,
        *,
        exchange: str = "",
        is_task: bool = False,
        is_lasting: bool = True,
        is_wanted: bool = False,
        confirmed: Confirmed | None = None,
    ) -> None:
        """Send a sealed text to a queue, or to an exchange.

        Args:
            text: it.
            queue: its name.
            exchange: instead.
            is_task: whether a worker of Celery is to take it.
            is_lasting: whether it survives a restart of the broker.
            is_wanted: whether to tell where there is no such queue.
            confirmed: is told, later, whether the broker has it in a queue, where that was asked
                for (`confirm`); at once, and that it has not, where there is no connection.
        """
        if not self.is_up:
            if confirmed is not None:
                confirmed(is_there=False)
            return
        message = self._task(text) if is_task else self._kombu_message(text)
        if is_lasting:
            message.properties["delivery_mode"] = _PERSISTENT
        channel = self._channel
        if confirmed is not None:
            channel, is_wanted = self._confirming, True
            self._published += 1
            self._unconfirmed[self._published] = confirmed
            message.properties["message_id"] = str(self._published)
        with self._told():
            channel.basic_publish(message, exchange, queue, mandatory=is_wanted)

    def ack(self, tag: int) -> None:
        """All deliveries of this connection up to that one are taken care of."""
        with self._told():
            if self.is_up:
                self._channel.basic_ack(tag, multiple=True)

    def waiting(self, queue: str) -> tuple[int, int] | None:
        """How many messages wait in a queue, and how many consumers it has.

        None: there is no connection, or no such queue.
        """
        found: Any = None
        with self._told():
            if self.is_up:
                channel = self._amqp.channel()
                try:
                    found = channel.queue_declare(queue, passive=True)
                except self._errors()[1]:  # that it is not there closes the channel
                    return None
                channel.close()
        return None if found is None else (found.message_count, found.consumer_count)

    # For `prepare`

    def confirm(self) -> None:
        """Have the broker confirm what it is asked to. Each confirmation is a message too."""
        self._channel.events["basic_return"].add(self._on_unrouted)
        self._confirming = self._amqp.channel()
        self._confirming.confirm_select()
        self._confirming.events["basic_ack"].add(self._on_ack)
        self._confirming.events["basic_nack"].add(self._on_nack)
        self._confirming.events["basic_return"].add(self._on_return)

    def declare_jobs(self, names: Names) -> None:
        """The queue of jobs."""
        self._channel.queue_declare(names.jobs, durable=True, auto_delete=False)

    def declare_results(self, queue: str) -> None:
        self._channel.queue_declare(
            queue, durable=True, auto_delete=False, arguments={"x-expires": KEPT * 1000}
        )

    def declare_control(self, names: Names) -> None:
        """The exchange by which all are told something."""
        self._channel.exchange_declare(names.control, "fanout", durable=True, auto_delete=False)

    def listen(self, names: Names) -> str:
        """Hear what all workers are told, and what is told to a queue of our own: its name.

        From then on we count as a worker.
        """
        self.declare_control(names)
        self._channel.queue_declare(names.workers, durable=True, auto_delete=True)
        self._channel.basic_consume(names.workers, no_ack=True)
        queue = self.listen_alone()
        self._channel.queue_bind(queue, names.control)
        return queue

    def listen_alone(self) -> str:
        """Hear what is told to a queue of our own, whose name this is; it ends with the link."""
        name: str = self._channel.queue_declare("", exclusive=True, auto_delete=True).queue
        self._channel.basic_consume(
            name,
            no_ack=True,
            callback=lambda message: self._arrived.append(Delivery(name, message.body, None)),
        )
        return name

    def consume(self, queue: str) -> None:
        """Take what arrives in a queue, alone; each delivery waits for `ack`."""
        self._channel.basic_consume(
            queue,
            exclusive=True,
            callback=lambda message: self._arrived.append(
                Delivery(queue, message.body, message.delivery_tag)
            ),
            on_cancel=self._on_cancel,
        )

    def delete(self, queue: str) -> None:
        with self._told():
            if self.is_up:
                self._channel.queue_delete(queue)

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.abandon()
            self._connecting = None
        connection, self._connection = self._connection, None
        self.is_up = False
        if connection is not None:
            with suppress(Exception):  # whatever a broken connection says to that
                connection.close()

    # The connection

    def _new(self) -> Any:
        options = {
            "read_timeout": _PATIENCE,
            "write_timeout": _PATIENCE,
            "on_blocked": self._on_blocked,
            "on_unblocked": self._on_unblocked,
        }
        return self._kombu.Connection(
            self._urls[0], heartbeat=HEARTBEAT, connect_timeout=5, transport_options=options
        )

    def _connect(self, connecting: _Connecting) -> None:
        connecting.close()
        self._connecting = None
        try:
            self._connection = connecting.connected.result()
            self._amqp = self._connection.connection
            self._amqp.sock.settimeout(_PATIENCE)
            self._channel = self._amqp.channel()
            self._published = 0
            self._confirmations.clear()
            self._unrouted.clear()
            self._canceled = False
            self._prepare(self)
        except self._errors()[0] as error:
            self.is_refused = (
                self._connection is None and len(self._urls) == 1 and _lets_nobody_in(error)
            )
            if self._connection is not None:
                with suppress(Exception):
                    self._connection.close()
            self._connection = None
            self._urls.rotate(-1)
            self._go_down(error)
        else:
            self.is_up = True
            self.is_refused = False
            self.why = self.blocked = ""
            self.since = monotonic()
            self._pause = _FIRST_PAUSE
            self._beat = monotonic() + HEARTBEAT / 4

    def _errors(self) -> tuple[tuple[type[BaseException], ...], tuple[type[BaseException], ...]]:
        """What a connection that cannot go on raises, and what a channel does."""
        from amqp import exceptions

        fatal = (exceptions.AMQPError, OSError, ssl.SSLError)
        return fatal, (exceptions.ChannelError,)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Around what the connection does: where it breaks, it is down, and nothing is raised."""
        try:
            yield
        except self._errors()[0] as error:
            self._go_down(error)

    def _go_down(self, error: BaseException) -> None:
        if self.is_up:
            self.since = monotonic()
        self.is_up = False
        self.why = _said(error)
        self._next = monotonic() + self._pause * random.uniform(0.8, 1.2)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is broken
                connection.collect(socket_timeout=0.1)
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for confirmed in unconfirmed.values():
            confirmed(is_there=False)

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._amqp.sock, select.POLLIN)
        while poll.poll(0) or _pending(self._amqp.sock):
            self._amqp.blocking_read()
        if self._canceled:  # its queue is gone
            raise ConnectionResetError("the queue of results was deleted")
        if monotonic() >= self._beat:
            self._amqp.heartbeat_tick(rate=2)
            self._beat = monotonic() + HEARTBEAT / 4
        while self._confirmations:
            self._settle(*self._confirmations.popleft())
        while self._unrouted:
            self._unheard(self._unrouted.popleft())

    def _settle(self, tag: int, multiple: bool, is_there: bool) -> None:  # noqa: FBT001 - as it arrives
        tags = [each for each in self._unconfirmed if each <= tag] if multiple else [tag]
        for each in tags:
            confirmed = self._unconfirmed.pop(each, None)
            if confirmed is not None:
                confirmed(is_there=is_there)

    # What the broker says meanwhile; it may come in the middle of anything

    def _on_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - as it arrives
        self._confirmations.append((tag, multiple, True))

    def _on_nack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - as it arrives
        self._confirmations.append((tag, multiple, False))

    def _on_return(self, _error: Any, _exchange: str, _key: str, message: Any) -> None:
        """It is in no queue; the broker confirms it nonetheless, after this."""
        tag = int(message.properties.get("message_id", 0))
        self._confirmations.append((tag, False, False))

    def _on_unrouted(self, _error: Any, _exchange: str, queue: str, _message: Any) -> None:
        self._unrouted.append(queue)

    def _on_cancel(self, _tag: str) -> None:
        self._canceled = True

    def _on_blocked(self, reason: str) -> None:
        self.blocked = reason or "an alarm"

    def _on_unblocked(self) -> None:
        self.blocked = ""

    # Messages

    def _task(self, text: str) -> Any:
        """A message that Celery takes for a task: its protocol 2.

        https://docs.celeryq.dev/en/stable/internals/protocol.html
        """
        number = str(uuid.uuid4())
        headers = {"lang": "py", "task": TASK, "id": number, "root_id": number, "parent_id": None}
        embed: Mapping[str, None] = dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))
        body = json.dumps([[text], {}, embed])
        return self._kombu_message(
            body, content_type="application/json", headers=headers, correlation_id=number
        )

    def _kombu_message(self, body: str, **properties: Any) -> amqp.Message:
        from amqp.basic_message import Message

        properties = {"content_type": "text/plain", "content_encoding": "utf-8", **properties}
        headers = properties.pop("headers", None)
        return Message(body, application_headers=headers, **properties)


def _close_late(connected: Future[Any]) -> None:
    if connected.exception() is None:
        with suppress(Exception):  # whatever a broken connection says to that
            connected.result().close()


def count_workers(url: str, queue: str, patience: float = _PATIENCE) -> int | None:
    """How many workers there are for a queue; None: there is no broker yet, or it does not answer.

    Args:
        url: of the broker.
        queue: as the config has it.
        patience: seconds in which it has to answer.

    Raises:
        SetupError: RUN501, it lets nobody in who comes with that URL.
    """
    link = Link(url, lambda _: None)
    try:
        link.try_for(patience)
        if link.is_refused:
            raise link.unreachable()
        found = link.waiting(Names(queue).workers)
        return (0 if found is None else found[1]) if link.is_up else None
    finally:
        link.close()


def unreachable(url: str, why: str, *, is_refused: bool = False) -> SetupError:
    """RUN501: no broker, at a place that is told without its password.

    Args:
        url: of the broker.
        why: there is no connection.
        is_refused: whether the broker is there, and lets nobody in.
    """
    if is_refused:
        message = f"the broker at {places(url)} refuses the connection: {why}"
        hint = "[JOB] broker_url has the user, the password and the virtual host"
    else:
        message = f"the broker at {places(url)} cannot be reached: {why}"
        hint = "is it running? [JOB] broker_url says where it is"
    return SetupError(message, code="RUN501", hint=hint)


def places(url: str) -> str:
    """Where brokers are, without who logs in there."""
    from urllib.parse import urlsplit

    return ", ".join(_place(urlsplit(each)) for each in split_brokers(url))


def _place(parts: Any) -> str:
    default = 5671 if parts.scheme == "amqps" else 5672
    return f"{parts.hostname or '127.0.0.1'}:{parts.port or default}"


def _pending(sock: Any) -> bool:
    """Whether bytes wait that TLS has read ahead."""
    return bool(getattr(sock, "pending", int)())


def _said(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = getattr(error, "reply_text", None) or str(error)
    return text.partition("\n")[0].partition(". ")[0].removesuffix(".") or type(error).__name__


def _lets_nobody_in(error: BaseException) -> bool:
    from amqp import exceptions

    return isinstance(error, exceptions.AccessRefused | exceptions.NotAllowed)
