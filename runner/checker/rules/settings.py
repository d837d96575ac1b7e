"""Keys that a section must have, and secrets that it should not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from runner.config.brokers import why_no_broker
from runner.config.model import Config, DataNodeConfig, Mode, Section, TaskConfig
from runner.config.options import (
    DatabaseOptions,
    GenericOptions,
    required_keys,
)
from runner.config.secrets import may_hold_secrets
from runner.config.values import is_secret_key
from runner.diagnostics import Diagnostic, KeyPath
from runner.suggestions import nearest

MOST_SUGGESTED: Final = 10
"""Tasks without a function for which the nearest is looked for, which takes time."""


def missing_keys(config: Config) -> Iterator[Diagnostic]:
    """A task has a function; a data node has what its storage type needs."""
    incomplete = config.incomplete()
    lacking = (task for task in config.tasks.values() if task.function is None)
    for index, task in enumerate(lacking):
        key: KeyPath = ("TASK", task.id)
        if key not in config.unread and (*key, "function") not in incomplete:
            hint = _meant_task(task, config) if index < MOST_SUGGESTED else None
            yield _missing(key, "function", hint or 'function = "package.module.name"')
    for node in config.data_nodes.values():
        key = ("DATA_NODE", node.id)
        for name in _missing_options(node):
            if (*key, name) not in incomplete:
                yield _missing(key, name, f"`{node.storage_type}` needs it")
        if _does_nothing(node) and not incomplete & {(*key, "read_fct"), (*key, "write_fct")}:
            yield _missing(key, "read_fct", "`generic` needs `read_fct`, `write_fct` or both")


def unusable_broker(config: Config) -> Iterator[Diagnostic]:
    """In cluster mode, the broker is one of the kind that there is."""
    key: KeyPath = ("JOB", "broker_url")
    if config.job.mode is Mode.CLUSTER and key not in config.unread:
        why = why_no_broker(config.job.broker_url)
        if why is not None:
            yield Diagnostic(
                code="RUN116",
                key=key,
                message=f"`broker_url` {why}",
                hint='broker_url = "amqp://localhost"',
            )


def plain_secrets(config: Config) -> Iterator[Diagnostic]:
    """A secret comes from the environment."""
    password = _password_of(config.job.broker_url)
    if password not in {None, "guest"} and ("JOB", "broker_url") not in config.env:
        yield _plain_secret(("JOB", "broker_url"))
    for node in config.data_nodes.values():
        key: KeyPath = ("DATA_NODE", node.id)
        for name in may_hold_secrets(type(node.options)):
            yield from _secrets_in(getattr(node.options, name), (*key, name), config)
        yield from _secrets_in(node.default_data, (*key, "default_data"), config)
    for key, properties in _properties(config):
        yield from _secrets_in(properties, key, config)


def _properties(config: Config) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """Every table of free keys, by its key path."""
    yield ("RUNNER",), config.runner
    yield ("JOB", "properties"), config.job.properties
    yield ("CORE", "properties"), config.core.properties
    sections: Mapping[str, Mapping[str, Section]] = {
        "DATA_NODE": config.data_nodes,
        "TASK": config.tasks,
        "SCENARIO": config.scenarios,
    }
    for name, records in sections.items():
        for record in records.values():
            if record.properties:
                yield (name, record.id, "properties"), record.properties


def _meant_task(task: TaskConfig, config: Config) -> str | None:
    """The task that another layer was meant to override."""
    whole = [each.id for each in config.tasks.values() if each.function is not None]
    meant = None if task.inputs or task.outputs else nearest(task.id, whole)
    return f"did you mean [TASK.{meant}]?" if meant else None


def _missing_options(node: DataNodeConfig) -> Iterator[str]:
    options = node.options
    for name in required_keys(type(options)):
        if getattr(options, name) is None:
            yield name
    if isinstance(options, DatabaseOptions) and options.db_engine not in {None, "sqlite"}:
        for name in ("db_username", "db_password"):
            if getattr(options, name) is None:
                yield name


def _does_nothing(node: DataNodeConfig) -> bool:
    options = node.options
    return isinstance(options, GenericOptions) and not (options.read_fct or options.write_fct)


def _missing(key: KeyPath, name: str, hint: str) -> Diagnostic:
    section = ".".join(map(str, key))
    message = f"`[{section}]` has no `{name}`"
    return Diagnostic(code="RUN104", key=key, on_key=True, message=message, hint=hint)


def _secrets_in(value: Any, key: KeyPath, config: Config) -> Iterator[Diagnostic]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets_in(inner, (*key, name), config)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            if isinstance(inner, str | Mapping | list):
                yield from _secrets_in(inner, (*key, index), config)
    elif isinstance(value, str) and value and is_secret_key(_name(key)) and key not in config.env:
        yield _plain_secret(key)


def _name(key: KeyPath) -> str:
    """The key itself; of an element of a list, that of the list."""
    return next(part for part in reversed(key) if isinstance(part, str))


def _plain_secret(key: KeyPath) -> Diagnostic:
    name = _name(key)
    variable = re.sub(r"\W", "_", name.upper(), flags=re.ASCII)
    return Diagnostic(
        code="RUN118",
        key=key,
        message=f"`{name}` is written in plain text",
        hint=f'take it from the environment: "ENV[{variable}]"',
    )


def _password_of(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
