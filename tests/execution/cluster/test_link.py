from __future__ import annotations

import json
import re
import secrets
import select
from collections.abc import Callable, Iterator
from time import monotonic, sleep

import brokers
import kombu
import pytest

from runner.errors import SetupError
from runner.execution.cluster.link import (
    TASK,
    Delivery,
    Link,
    Names,
    count_workers,
    places,
    unreachable,
)

PATIENCE = 60


class Turned:
    """A link that is turned until something has happened, and what has arrived meanwhile."""

    def __init__(self, url: str, prepare: Callable[[Link], str]) -> None:
        self.unheard: list[str] = []
        self.link = Link(url, self._prepare, self.unheard.append)
        self.prepare = prepare
        self.own = ""  # the name of its queue
        self.arrived: list[Delivery] = []

    def _prepare(self, link: Link) -> None:
        self.own = self.prepare(link)

    def until(self, happened: Callable[[], object]) -> None:
        end = monotonic() + PATIENCE
        while not happened():
            assert monotonic() < end, self.link.why or "nothing happens"
            self.arrived += self.link.turn()
            poll = select.poll()
            descriptor = self.link.fileno()
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
            if not happened():
                poll.poll(min(self.link.patience(), 1) * 1000)

    def up(self) -> Link:
        self.until(lambda: self.link.is_up)
        return self.link

    def bodies(self, count: int) -> list[object]:
        """What has arrived, when there is so much of it."""
        self.until(lambda: len(self.arrived) >= count)
        return [each.body for each in self.arrived]


class Told:
    """Takes confirmations."""

    def __init__(self) -> None:
        self.found: list[bool] = []

    def __call__(self, *, is_there: bool) -> None:
        self.found.append(is_there)


def eventually(happens: Callable[[], object]) -> None:
    end = monotonic() + PATIENCE
    while not happens():
        assert monotonic() < end, "it does not happen"
        sleep(0.01)


@pytest.fixture
def names(broker_url: str) -> Iterator[Names]:
    names = Names(f"test-{secrets.token_hex(6)}")
    yield names
    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        for queue in (names.jobs, names.results("r")):
            channel.queue_delete(queue)
        channel.exchange_delete(names.control)


Make = Callable[..., Turned]


@pytest.fixture
def link(names: Names) -> Iterator[Make]:
    made: list[Link] = []

    def make(url: str, *, results: bool = True) -> Turned:
        def prepare(link: Link) -> str:
            link.confirm()
            link.declare_jobs(names)
            if results:
                link.declare_results(names.results("r"))
                link.consume(names.results("r"))
            return link.listen(names)

        turned = Turned(url, prepare)
        made.append(turned.link)
        return turned

    yield make
    for each in made:
        each.close()


def test_what_is_published_arrives_and_is_confirmed(
    broker_url: str, names: Names, link: Make
) -> None:
    here = link(broker_url)
    told = Told()

    here.up().publish("text", names.results("r"), confirmed=told)
    here.until(lambda: told.found and here.arrived)

    assert told.found == [True]
    (delivery,) = here.arrived
    assert (delivery.queue, delivery.body) == (names.results("r"), "text")
    assert delivery.tag is not None


@pytest.mark.parametrize("is_lasting", [False, True])
def test_what_is_for_no_queue_is_not_confirmed(
    broker_url: str, names: Names, link: Make, is_lasting: bool
) -> None:
    here = link(broker_url)
    told = Told()

    here.up().publish("text", names.results("gone"), is_lasting=is_lasting, confirmed=told)
    here.until(lambda: told.found)

    assert (told.found, here.link.is_up) == ([False], True)


def test_where_nobody_hears_that_is_told(broker_url: str, names: Names, link: Make) -> None:
    """Where it was asked for, and with no confirmation."""
    here = link(broker_url)

    here.up().publish("text", names.results("gone"), is_lasting=False)
    here.link.publish("text", names.results("r"), is_lasting=False, is_wanted=True)
    here.link.publish("text", names.results("lost"), is_lasting=False, is_wanted=True)
    here.until(lambda: here.unheard and here.arrived)

    assert here.unheard == [names.results("lost")]


def test_each_message_is_confirmed_by_itself(broker_url: str, names: Names, link: Make) -> None:
    here = link(broker_url)
    told = [Told() for _ in range(300)]
    there = [number % 3 == 0 for number in range(300)]

    here.up()
    for each, is_there in zip(told, there, strict=True):
        queue = names.results("r" if is_there else "gone")
        here.link.publish("text", queue, is_lasting=False, confirmed=each)
    here.until(lambda: all(each.found for each in told))

    assert [each.found for each in told] == [[each] for each in there]


def test_messages_arrive_in_their_order(broker_url: str, names: Names, link: Make) -> None:
    here = link(broker_url)
    here.up()
    for number in range(500):
        here.link.publish(str(number), names.results("r"))

    assert here.bodies(500) == [str(number) for number in range(500)]


def test_all_hear_what_all_are_told(broker_url: str, names: Names, link: Make) -> None:
    one, other = link(broker_url), link(broker_url, results=False)
    one.up()
    other.up()

    one.link.publish("text", "", exchange=names.control)

    for each in (one, other):
        assert each.bodies(1) == ["text"]
        assert each.arrived == [Delivery(each.own, "text", None)]


def test_one_can_be_told_alone(broker_url: str, names: Names, link: Make) -> None:
    one, other = link(broker_url, results=False), link(broker_url, results=False)
    one.up()
    other.up()

    one.link.publish("for the other", other.own)
    one.link.publish("for all", "", exchange=names.control)

    assert one.bodies(1) == ["for all"]
    assert other.bodies(2) == ["for the other", "for all"]


def test_a_task_is_one_of_celery(broker_url: str, names: Names, link: Make) -> None:
    here = link(broker_url)
    told = Told()

    here.up().publish("text", names.jobs, is_task=True, confirmed=told)
    here.until(lambda: told.found)

    (message,) = brokers.messages_in(broker_url, names.jobs)
    assert json.loads(message.body)[:2] == [["text"], {}]
    assert message.headers["task"] == TASK
    assert message.content_type == "application/json"
    assert message.properties["delivery_mode"] == 2


def test_what_is_not_acknowledged_arrives_again(broker_url: str, names: Names, link: Make) -> None:
    first = link(broker_url)
    first.up()
    for number in range(3):
        first.link.publish(str(number), names.results("r"))
    first.bodies(3)
    tag = first.arrived[1].tag
    assert tag is not None

    first.link.ack(tag)
    first.link.close()

    assert link(broker_url).bodies(1) == ["2"]


def test_a_link_that_is_down_confirms_nothing(names: Names, link: Make) -> None:
    here = link(f"amqp://{brokers.HOST}:{brokers.free_port()}//")
    told = Told()
    here.until(lambda: here.link.why)

    here.link.publish("text", names.results("r"), confirmed=told)
    here.link.ack(1)

    assert told.found == [False]
    assert (here.link.is_up, here.link.fileno()) == (False, None)
    assert here.link.why == "Connection refused"
    assert here.link.waiting(names.jobs) is None


def test_a_link_that_breaks_comes_up_again(proxy: brokers.Proxy, names: Names, link: Make) -> None:
    here = link(proxy.url)
    here.up()

    proxy.cut()
    here.until(lambda: not here.link.is_up)
    assert here.link.why
    proxy.mend()
    here.up().publish("text", names.results("r"))

    assert here.bodies(1) == ["text"]
    assert here.link.why == ""


def test_what_is_under_way_when_a_link_breaks_is_not_confirmed(
    proxy: brokers.Proxy, names: Names, link: Make
) -> None:
    """Nor lost for it: whoever wants to be sure says it again."""
    here = link(proxy.url)
    told = Told()
    here.up()

    proxy.hang()
    here.link.publish("text", names.results("r"), confirmed=told)
    assert told.found == []
    proxy.cut()
    here.until(lambda: told.found)

    assert (told.found, here.link.is_up) == ([False], False)


def test_confirmations_are_those_of_the_connection(
    proxy: brokers.Proxy, names: Names, link: Make
) -> None:
    """The numbers begin anew with each."""
    here = link(proxy.url)
    lost, told = Told(), Told()
    here.up().publish("before", names.results("r"))
    here.bodies(1)
    proxy.hang()
    here.link.publish("lost", names.results("r"), confirmed=lost)
    proxy.cut()
    here.until(lambda: not here.link.is_up)
    proxy.mend()

    here.up().publish("after", names.results("gone"), confirmed=told)
    here.until(lambda: told.found)

    assert (lost.found, told.found) == ([False], [False])


def test_what_connects_when_the_link_is_closed_is_closed_too(
    proxy: brokers.Proxy, link: Make
) -> None:
    here = link(proxy.url)
    proxy.hang()
    here.link.turn()
    eventually(lambda: proxy.connections == 1)

    here.link.close()
    proxy.mend()

    eventually(lambda: proxy.connections == 0)


def test_the_second_of_two_brokers(broker_url: str, names: Names, link: Make) -> None:
    nobody = f"amqp://{brokers.HOST}:{brokers.free_port()}//"
    here = link(f"{nobody};{broker_url}")

    here.up().publish("text", names.results("r"))

    assert here.bodies(1) == ["text"]


@pytest.mark.parametrize("queue", ["r", None], ids=["results", "jobs"])
def test_a_queue_that_is_deleted_is_made_again(
    broker_url: str, names: Names, link: Make, queue: str | None
) -> None:
    here = link(broker_url)
    here.up()
    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        channel.queue_delete(names.results("r"))
        channel.queue_delete(names.jobs)
    here.until(lambda: not here.link.is_up)
    assert here.link.why == "the queue of results was deleted"

    told = Told()
    here.up().publish("text", names.jobs if queue is None else names.results(queue), confirmed=told)
    here.until(lambda: told.found)

    assert told.found == [True]


def test_how_much_waits(broker_url: str, names: Names, link: Make) -> None:
    here = link(broker_url)
    told = [Told() for _ in range(3)]
    here.up()
    for each in told:
        here.link.publish("text", names.jobs, is_task=True, confirmed=each)
    here.until(lambda: all(each.found for each in told))

    assert here.link.waiting(names.jobs) == (3, 0)
    assert here.link.waiting(names.results("r")) == (0, 1)


def test_how_much_waits_in_no_queue(broker_url: str, names: Names, link: Make) -> None:
    here = link(broker_url)

    assert here.up().waiting(names.results("gone")) is None
    assert here.link.waiting(names.jobs) == (0, 0)
    assert here.link.is_up


def test_one_alone_reads_results(broker_url: str, link: Make) -> None:
    link(broker_url).up()
    other = link(broker_url)

    other.until(lambda: other.link.why)

    assert not other.link.is_up
    assert "exclusive" in other.link.why


def test_a_wrong_password(broker_url: str, link: Make) -> None:
    here = link(broker_url.replace("guest:guest", "guest:c4nary"))

    here.until(lambda: here.link.why)

    error = here.link.unreachable()
    assert here.link.is_refused
    assert re.fullmatch(
        r"the broker at \S+ refuses the connection: ACCESS_REFUSED - Login was refused using"
        r" authentication mechanism \w+",
        str(error),
    )
    assert error.hint == "[JOB] broker_url has the user, the password and the virtual host"


def test_a_virtual_host_that_is_not_there(broker_url: str, link: Make) -> None:
    here = link(f"{broker_url.rstrip('/')}/nowhere")

    here.until(lambda: here.link.why)

    assert (here.link.is_refused, here.link.why) == (True, "NOT_ALLOWED - vhost nowhere not found")


def test_of_two_brokers_one_may_still_let_us_in(broker_url: str, link: Make) -> None:
    here = link(f"{broker_url.replace('guest:guest', 'guest:c4nary')};{broker_url}")

    here.until(lambda: here.link.why)
    assert not here.link.is_refused

    here.up()


def test_workers_are_counted(broker_url: str, names: Names, link: Make) -> None:
    assert count_workers(broker_url, names.queue) == 0
    for _ in range(2):
        link(broker_url, results=False).up()

    assert count_workers(broker_url, names.queue) == 2


def test_of_a_broker_that_is_not_there_nobody_knows(broker_url: str) -> None:
    assert count_workers(f"amqp://{brokers.HOST}:{brokers.free_port()}//", "q") is None

    with pytest.raises(SetupError, match="ACCESS_REFUSED") as caught:
        count_workers(broker_url.replace("guest:guest", "guest:c4nary"), "q")
    assert caught.value.code == "RUN501"
    assert "c4nary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("amqp://guest:secret@broker:1234//", "broker:1234", id="all"),
        pytest.param("amqp://broker", "broker:5672", id="port"),
        pytest.param("amqps://broker/shop", "broker:5671", id="port-of-tls"),
        pytest.param("amqp://u:p@a;amqp://u:p@b:1", "a:5672, b:1", id="several"),
        pytest.param("amqp://", "127.0.0.1:5672", id="none"),
        pytest.param("amqp://u:p@[::1]:1", "::1:1", id="ipv6"),
    ],
)
def test_places(url: str, expected: str) -> None:
    assert places(url) == expected


@pytest.mark.parametrize("url", ["", " ; ", "http://broker", "amqp://u:c4nary/w@broker:1"])
def test_what_is_no_url_of_a_broker_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match=r"^the URL of the broker ") as caught:
        Link(url, lambda _: None)

    assert caught.value.code == "RUN501"
    assert "c4nary" not in str(caught.value)


def test_a_broker_that_cannot_be_reached() -> None:
    error = unreachable("amqp://guest:secret@broker//", "Connection refused")

    assert str(error) == "the broker at broker:5672 cannot be reached: Connection refused"
    assert (error.code, error.hint) == (
        "RUN501", "is it running? [JOB] broker_url says where it is",
    )  # fmt: skip
