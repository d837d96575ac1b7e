"""A `Config` to TOML 1.0 that loads as the same `Config`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, Final, get_origin, get_type_hints

import attrs

from runner.config.model import (
    UNSET,
    Config,
    DataNodeConfig,
    EnvRef,
    Frequency,
    Scope,
    SectionRef,
)
from runner.config.options import is_ours
from runner.config.plugins import without_none
from runner.config.references import FunctionRef
from runner.config.values import format_timedelta, is_secret_key, is_typed
from runner.diagnostics import KeyPath
from runner.errors import UsageError

MASK: Final = "***"

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def write_config(config: Config, *, mask: bool = False, full: bool = False) -> str:
    """The config as TOML: `default` sections and layers resolved, `ENV[…]` as it was written.

    Args:
        config: what is written; only what differs from the defaults.
        mask: whether literal secrets are written as `***`.
        full: whether keys that stand at their defaults are written too.

    Raises:
        UsageError: a value has no TOML form: an object or a function without a name, given to the
            Python builder.
    """
    return write_tables(config_tables(config, mask=mask, full=full))


def config_tables(
    config: Config, *, mask: bool = False, full: bool = False
) -> dict[str, dict[str, Any]]:
    """The config as the tables that its TOML would be read to, typed strings and all."""
    tables: dict[str, dict[str, Any]] = {
        "RUNNER": {name: _raw(value, ("RUNNER", name)) for name, value in config.runner.items()},
        "JOB": _fields(config.job, ("JOB",), full=full),
        "CORE": _fields(config.core, ("CORE",), full=full),
        "CHECK": _fields(config.check, ("CHECK",), full=full),
        "DATA_NODE": {
            name: data_node_table(node, full=full) for name, node in config.data_nodes.items()
        },
        "TASK": {
            name: _fields(task, ("TASK", name), full=full) for name, task in config.tasks.items()
        },
        "SCENARIO": {
            name: _fields(scenario, ("SCENARIO", name), full=full)
            for name, scenario in config.scenarios.items()
        },
    }
    if full or config.job.max_nb_of_workers is None:
        tables["JOB"]["max_nb_of_workers"] = config.job.max_nb_of_workers or "auto"
    for key, ref in config.env.items():
        _put(tables, key, ref)
    if mask:
        _mask(tables)
    return {name: table for name, table in tables.items() if table}


def data_node_table(node: DataNodeConfig, *, full: bool = False) -> dict[str, Any]:
    """A data node as its table: the storage type's own keys beside the common ones."""
    key = ("DATA_NODE", node.id)
    table = _fields(node, key, full=full)
    options = _fields(node.options, key, full=full)
    properties = {"properties": table.pop("properties")} if "properties" in table else {}
    return {**table, **options, **properties}


def write_tables(tables: Mapping[str, Any]) -> str:
    """Tables as TOML, a blank line between them."""
    return "\n".join(_blocks(tables, ()))


def _blocks(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if values or (path and not inner):
        header = f"[{'.'.join(map(_key, path))}]\n" if path else ""
        yield header + "".join(f"{_key(k)} = {_value(v)}\n" for k, v in values.items())
    for key, value in inner.items():
        yield from _blocks(value, (*path, key))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}"


def _value(value: Any) -> str:
    match value:
        case str():
            return _string(value)
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
        case _:
            return "[" + ", ".join(map(_value, value)) + "]"


def _fields(record: Any, key: KeyPath, *, full: bool) -> dict[str, Any]:
    """A record's fields as raw values, without those that stand at their defaults."""
    table: dict[str, Any] = {}
    for field in attrs.fields(type(record)):
        value = getattr(record, field.name)
        if field.name in {"id", "options"} or value is UNSET:
            continue
        if value is None and field.default is not UNSET:
            continue
        if not _is_default(value, field, record) or (full and not isinstance(value, dict)):
            write = _raw if _holds_any(type(record), field.name) else _fixed
            table[field.name] = write(value, (*key, field.name))
    return table


def _is_default(value: Any, field: attrs.Attribute[Any], record: Any) -> bool:
    default = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # Factory is a class at run time
        default = default.factory() if not default.takes_self else default.factory(record)  # type: ignore[union-attr]  # as above
    return type(value) is type(default) and bool(value == default)


def _fixed(value: Any, key: KeyPath) -> Any:
    """A value whose key says its type: no suffix is needed, but a text that has one is escaped."""
    match value:
        case FunctionRef():
            return _function(value, key)
        case StrEnum():
            return value.value
        case str():
            return f"{value}:str" if is_typed(value) else value
        case timedelta():
            return format_timedelta(value)
        case tuple() | list():
            return [_fixed(item, key) for item in value]
        case Mapping():
            return {name: _fixed(item, (*key, name)) for name, item in value.items()}
        case _:
            return _raw(value, key)


def _raw(value: Any, key: KeyPath) -> Any:
    """A value in a free place, as `coerce_free` reads it back."""
    for kind, write in _TYPED:
        if isinstance(value, kind):
            return write(value, key)
    match value:
        case str():
            return f"{value}:str" if is_typed(value) else value
        case datetime() if _has_odd_offset(value):
            return f"{value.isoformat()}:datetime"
        case bool() | int() | float() | datetime() | date() | time():
            return value
        case list() | tuple():
            return [_raw(item, key) for item in value]
        case dict():
            return {name: _raw(item, (*key, name)) for name, item in value.items()}
        case _:
            what = type(value).__name__
            place = ".".join(map(str, key))
            raise UsageError(f"`{place}` holds a {what}, which TOML cannot write")


def _function(ref: FunctionRef, key: KeyPath) -> str:
    if not all(part.isidentifier() for part in ref.parts) or ref.parts[0] == "__main__":
        place = ".".join(map(str, key))
        raise UsageError(f"`{place}` is `{ref}`, which has no name to import it by")
    return ref.name


_TYPED: Final[tuple[tuple[type, Callable[[Any, KeyPath], str]], ...]] = (
    (Scope, lambda value, _: f"{value.value}:SCOPE"),
    (Frequency, lambda value, _: f"{value.value}:FREQUENCY"),
    (SectionRef, lambda value, _: f"{value.id}:SECTION"),
    (FunctionRef, lambda value, key: f"{_function(value, key)}:function"),
    (timedelta, lambda value, _: f"{format_timedelta(value)}:timedelta"),
)
_FREE: Final = frozenset(
    {
        "default_data",
        "properties",
        "read_kwargs",
        "write_kwargs",
        "db_extra_args",
        "aws_s3_client_parameters",
        "aws_s3_get_object_parameters",
        "aws_s3_put_object_parameters",
        "aws_s3_object_parameters",
        "read_fct_args",
        "write_fct_args",
    }
)


def _is_free(cls: type, name: str) -> bool:
    if is_ours(cls, name):
        return name in _FREE
    hint = without_none(get_type_hints(cls)[name])
    return hint is Any or get_origin(hint) in {Mapping, dict, tuple}


_holds_any: Final[Callable[[type, str], bool]] = cache(_is_free)
"""Whether the values of a key are those of a free place."""


def _has_odd_offset(value: datetime) -> bool:
    offset = value.utcoffset()
    return offset is not None and offset % timedelta(minutes=1) != timedelta(0)


def _put(tables: Any, key: KeyPath, ref: EnvRef) -> None:
    """Write `ENV[…]` where its value stands."""
    for part in key[:-1]:
        tables = tables.setdefault(part, {}) if isinstance(tables, dict) else tables[part]
    tables[key[-1]] = ref.text


def _mask(table: dict[str, Any]) -> None:
    for key, value in table.items():
        table[key] = _masked(value, key)


def _masked(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, key) for inner in value]
    return _stars(value) if isinstance(value, str) and _is_secret(key, value) else value


def _stars(text: str) -> str:
    """Stars for a secret; of `ENV[NAME:-default]`, for the default alone."""
    return re.sub(r"(?<=:-).+(?=\])", MASK, text) if text.startswith("ENV[") else MASK


def _is_secret(key: str, value: str) -> bool:
    return is_secret_key(key) or (key == "broker_url" and "@" in value)
