"""Whether a text says where RabbitMQ is."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = frozenset({"amqp", "amqps", "pyamqp"})


def split_brokers(text: str) -> list[str]:
    """The URLs of a text that has one, or several that are separated by `;`."""
    return [url for each in text.split(";") if (url := each.strip())]


def why_no_broker(text: str) -> str | None:
    """What is wrong with the URLs of a broker, to follow their name; None: nothing.

    It tells no part of them, for they may hold a password.
    """
    urls = split_brokers(text)
    if not urls:
        return "is empty"
    for url in urls:
        try:
            parts = urlsplit(url)
            _ = parts.hostname, parts.port  # looked at only here
        except ValueError:
            return "has no host and port that can be read"
        if parts.scheme not in _SCHEMES:
            return "is no URL of RabbitMQ, which begins with amqp:// or amqps://"
    return None
