"""Keys that a section must have, and secrets that it should not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from runner.config.model import Config, DataNodeConfig
from runner.config.options import REQUIRED_KEYS, STORAGE_TYPES, DatabaseOptions, GenericOptions
from runner.config.values import is_secret_key
from runner.diagnostics import Diagnostic, KeyPath


def missing_keys(config: Config) -> Iterator[Diagnostic]:
    """A task has a function; a data node has what its storage type needs."""
    incomplete = config.incomplete()
    for task in config.tasks.values():
        if task.function is None and ("TASK", task.id, "function") not in incomplete:
            hint = 'function = "package.module.name"'
            yield _missing(("TASK", task.id), "function", hint)
    for node in config.data_nodes.values():
        for name in _missing_options(node):
            if ("DATA_NODE", node.id, name) not in incomplete:
                yield _missing(("DATA_NODE", node.id), name, f"`{node.storage_type}` needs it")


def plain_secrets(config: Config) -> Iterator[Diagnostic]:
    """A secret comes from the environment."""
    password = _password_of(config.job.broker_url)
    if password not in {None, "guest"} and ("JOB", "broker_url") not in config.env:
        yield _plain_secret(("JOB", "broker_url"))
    secret_options = {
        storage_type: [field.name for field in attrs.fields(cls) if is_secret_key(field.name)]
        for storage_type, cls in STORAGE_TYPES.items()
    }
    for node in config.data_nodes.values():
        for name in secret_options[node.storage_type]:
            yield from _secrets_in(
                getattr(node.options, name), ("DATA_NODE", node.id, name), config
            )
        for name, value in node.properties.items():
            yield from _secrets_in(value, ("DATA_NODE", node.id, "properties", name), config)
    yield from _secrets_in(config.job.properties, ("JOB", "properties"), config)
    yield from _secrets_in(config.runner, ("RUNNER",), config)


def _missing_options(node: DataNodeConfig) -> Iterator[str]:
    options = node.options
    for name in REQUIRED_KEYS[node.storage_type]:
        if getattr(options, name) is None:
            yield name
    if isinstance(options, DatabaseOptions) and options.db_engine not in {None, "sqlite"}:
        for name in ("db_username", "db_password"):
            if getattr(options, name) is None:
                yield name
    if isinstance(options, GenericOptions) and not (options.read_fct or options.write_fct):
        yield "read_fct"


def _missing(key: KeyPath, name: str, hint: str) -> Diagnostic:
    section = ".".join(map(str, key))
    message = f"`[{section}]` has no `{name}`"
    return Diagnostic(code="RUN104", key=key, on_key=True, message=message, hint=hint)


def _secrets_in(value: Any, key: KeyPath, config: Config) -> Iterator[Diagnostic]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets_in(inner, (*key, name), config)
    elif isinstance(value, str) and value and is_secret_key(str(key[-1])) and key not in config.env:
        yield _plain_secret(key)


def _plain_secret(key: KeyPath) -> Diagnostic:
    variable = str(key[-1]).upper()
    return Diagnostic(
        code="RUN118",
        key=key,
        message=f"`{key[-1]}` is written in plain text",
        hint=f'take it from the environment: "ENV[{variable}]"',
    )


def _password_of(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
