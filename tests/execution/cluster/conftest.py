from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import brokers
import pytest


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a broker that others use too."""
    brokers.need()
    url = brokers.there()
    if url is not None:
        yield url
        return
    with brokers.own(tmp_path_factory.mktemp("broker")) as broker:
        yield broker.url


@pytest.fixture
def proxy(broker_url: str) -> Iterator[brokers.Proxy]:
    proxy = brokers.Proxy(urlsplit(broker_url).port or 5672)
    yield proxy
    proxy.close()
