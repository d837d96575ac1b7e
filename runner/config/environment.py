"""`ENV[NAME]` in any place and depth: what the environment says, and that it said it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.config.fields import ALL_FIELDS, DEPTH
from runner.config.model import TAIPY_CORE_KEYS, DataNodeConfig, EnvRef
from runner.config.options import option_keys
from runner.config.values import (
    TYPES,
    BadValueError,
    EnvText,
    is_secret_key,
    is_typed,
    parse_env,
)
from runner.diagnostics import Diagnostic, KeyPath


def resolve_env(
    tables: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[Mapping[str, Any], dict[KeyPath, EnvRef], list[Diagnostic]]:
    """Replace every `ENV[…]` by its value.

    Returns:
        The tables; where a value came from the environment; and what is missing (RUN111) or none
        of its type (RUN112), where the text stays as it was written.
    """
    refs: dict[KeyPath, EnvRef] = {}
    problems: list[Diagnostic] = []

    def resolve(raw: Any, key: KeyPath) -> Any:
        if type(raw) is str:
            found = parse_env(raw) if raw.startswith("ENV[") else None
            return raw if found is None else read(raw, found, key)
        if type(raw) is dict:
            return {name: resolve(value, (*key, name)) for name, value in raw.items()}
        if type(raw) is list:
            return [resolve(value, (*key, index)) for index, value in enumerate(raw)]
        return raw

    def read(raw: str, found: EnvText, key: KeyPath) -> Any:
        text = environ.get(found.name, found.default)
        refs[key] = EnvRef(raw, found.name, any(is_secret_key(str(part)) for part in key))
        if text is None:
            message = f"environment variable `{found.name}` is not set"
            hint = f"set it, or give a default: ENV[{found.name}:-…]"
            problems.append(Diagnostic(code="RUN111", key=key, message=message, hint=hint))
            return raw
        try:
            return _value(text, found.type)
        except BadValueError as problem:
            message = f"environment variable `{found.name}`: {problem.expected}"
            problems.append(Diagnostic(code="RUN112", key=key, message=message))
            return raw

    return resolve(tables, ()), refs, problems


def _value(text: str, kind: str | None) -> Any:
    if kind is not None and kind != "str":
        return TYPES[kind](text)
    # a text that reads like a typed string is escaped, so that it stays a text
    escaped = f"{text}:str"
    return escaped if is_typed(escaped) and (kind == "str" or is_typed(text)) else text


def normal_env(
    env: Mapping[KeyPath, EnvRef],
    tables: Mapping[str, Any],
    data_nodes: Mapping[str, DataNodeConfig],
) -> dict[KeyPath, EnvRef]:
    """By the key paths at which `writer` writes the values; `default` sections are resolved."""
    normal: dict[KeyPath, EnvRef] = {}
    for key, ref in env.items():
        if len(key) <= DEPTH.get(str(key[0]), 1) or _means_nothing(key, tables):
            continue
        if key[0] == "TAIPY":
            normal[("RUNNER", *key[1:])] = ref
        elif key == ("JOB", "nb_of_workers"):
            normal[("JOB", "max_nb_of_workers")] = ref
        elif key[0] in DEPTH:
            depth = DEPTH[str(key[0])]
            node = data_nodes.get(str(key[1])) if key[0] == "DATA_NODE" else None
            own = frozenset() if node is None else option_keys(type(node.options))
            is_field = key[depth] in {*ALL_FIELDS[str(key[0])], *own, "properties"}
            normal[key if is_field else (*key[:depth], "properties", *key[depth:])] = ref
        elif key[0] == "RUNNER":
            normal[key] = ref
    return normal


def _means_nothing(key: KeyPath, tables: Mapping[str, Any]) -> bool:
    """Whether a key is not a part of the config, or another name of it has the say."""
    match key:
        case ("TAIPY", name, *_):
            return isinstance(own := tables.get("RUNNER"), dict) and name in own
        case ("JOB", "nb_of_workers"):
            return "max_nb_of_workers" in tables["JOB"]
        case ("CORE", name, *_):
            return name in TAIPY_CORE_KEYS
        case ("DATA_NODE" | "TASK" | "SCENARIO", "default", *_):
            return True
    return False
