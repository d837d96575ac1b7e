"""What a config holds that nobody is shown."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from runner.config.model import Config, JobConfig, Section
from runner.config.options import is_ours
from runner.config.parser import parse_toml
from runner.config.values import SECRET_WORDS, is_secret_key, parse_env
from runner.masks import LEAST, Mask

_CONTAINERS: Final = (dict, list, tuple)


def mask_of(config: Config) -> Mask:
    """What takes the secrets of a config out of a text."""
    return mask_from(secrets_of(config))


def mask_from(secrets: Iterable[str]) -> Mask:
    """What takes these out of a text; short ones stay."""
    return Mask(tuple(sorted(each for each in secrets if len(each) >= LEAST)))


def secrets_of(config: Config) -> frozenset[str]:
    """All that a config holds, or was given by the environment, that nobody is shown."""
    return frozenset({*_secrets(config), broker_secret(config.job)} - {""})


def broker_secret(job: JobConfig) -> str:
    """What of the broker's URL nobody is shown; nothing where it has no password."""
    try:
        return urlsplit(job.broker_url).password or ""
    except ValueError:
        return job.broker_url


def text_holds_secrets(text: str) -> bool:
    """Whether a config file has a password, or the like, in plain text.

    It does even where another file, which is laid over it, has something else there.
    """
    lowered = text.lower()
    if not any(word in lowered for word in (*SECRET_WORDS, "broker_url")):
        return False  # most files, and to read one again takes a while
    tables = parse_toml(text, "")
    job = tables.get("JOB")
    url = job.get("broker_url") if isinstance(job, Mapping) else None
    found = [*_in(tables)]
    if isinstance(url, str) and (secret := broker_secret(JobConfig(broker_url=url))) != "guest":
        found.append(secret)
    return any(each and parse_env(each) is None for each in found)


def _secrets(config: Config) -> Iterator[str]:
    for table in (config.runner, config.job.properties, config.core.properties):
        yield from _in(table)
    for node in config.data_nodes.values():
        options = node.options
        for name in may_hold_secrets(type(options)):
            yield from _in(getattr(options, name), is_secret=is_secret_key(name))
        if isinstance(node.default_data, _CONTAINERS):
            yield from _in(node.default_data)
    sections: Iterable[Mapping[str, Section]] = (config.data_nodes, config.tasks, config.scenarios)
    for section in sections:
        for each in section.values():
            if each.properties:
                yield from _in(each.properties)


def _may_hold_secrets(options: type) -> tuple[str, ...]:
    return tuple(
        name
        for name in attrs.fields_dict(options)
        if is_secret_key(name)
        or name.endswith(("args", "parameters"))
        or not is_ours(options, name)
    )


may_hold_secrets: Final[Callable[[type], tuple[str, ...]]] = functools.cache(_may_hold_secrets)
"""The keys of a storage type that are secrets, and the tables and lists that may hold some."""


def _in(value: Any, *, is_secret: bool = False) -> Iterator[str]:
    """The values under password-like keys."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _in(inner, is_secret=is_secret or is_secret_key(str(name)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _in(inner, is_secret=is_secret)
    elif is_secret and isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
