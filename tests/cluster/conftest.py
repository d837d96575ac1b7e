from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import brokers
import kombu
import machines
import pytest

from runner.execution.cluster.link import Names


@pytest.fixture(scope="session")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[brokers.Broker]:
    """One that may be stopped, and comes up again for the next test."""
    brokers.need(own=True)
    with brokers.own(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def broker(own_broker: brokers.Broker) -> Iterator[brokers.Broker]:
    yield own_broker
    own_broker.start()


@pytest.fixture(scope="session")
def broker_url(request: pytest.FixtureRequest) -> str:
    """Of a broker that others use too."""
    brokers.need()
    url = brokers.there()
    if url is None:
        url = request.getfixturevalue("own_broker").url
    return str(url)


@pytest.fixture
def ground(tmp_path: Path, broker_url: str) -> Iterator[machines.Make]:
    """Makes a folder with a pipeline of such tasks."""
    made: list[machines.Ground] = []

    def make(tasks: Sequence[machines.Task]) -> machines.Ground:
        folder = tmp_path / f"ground{len(made)}"
        made.append(machines.Ground(folder, tasks, f"test-{secrets.token_hex(6)}"))
        made[-1].write()
        return made[-1]

    yield make
    for each in made:
        each.close()
        names = Names(each.queue)
        with kombu.Connection(broker_url) as connection, connection.channel() as channel:
            channel.queue_delete(names.jobs)
            channel.exchange_delete(names.control)


@pytest.fixture
def proxy(broker_url: str) -> Iterator[brokers.Proxy]:
    proxy = brokers.Proxy(urlsplit(broker_url).port or 5672)
    yield proxy
    proxy.close()
