"""A config made in Python: a layer that files are laid over."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from runner.config.loader import load_config
from runner.config.model import Config, SectionRef
from runner.config.references import FunctionRef
from runner.config.values import is_typed, parse_env

Named: TypeAlias = SectionRef | str


class ConfigBuilder:
    """Collects sections; `build` makes a config of them.

    Keys are those of the TOML and values are taken as they are: a text never turns into something
    else, but for `ENV[…]`. Each `configure_…` of a thing with an id gives a reference to it, for
    naming it elsewhere.
    """

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Any]] = {}

    def configure_job_executions(self, **keys: Any) -> ConfigBuilder:
        """`[JOB]`: `mode`, `max_nb_of_workers` and the like."""
        self._section("JOB").update(_raw(keys))
        return self

    def configure_core(self, **keys: Any) -> ConfigBuilder:
        """`[CORE]`: `storage_folder` and the like."""
        self._section("CORE").update(_raw(keys))
        return self

    def configure_global_app(self, **properties: Any) -> ConfigBuilder:
        """`[RUNNER]`: free properties of the application."""
        self._section("RUNNER").update(_raw(properties))
        return self

    def configure_data_node(self, id: str, storage_type: str = "pickle", **keys: Any) -> SectionRef:  # noqa: A002 - the word of the language
        """`[DATA_NODE.<id>]`; `default_data` may be any object."""
        default = {"default_data": keys.pop("default_data")} if "default_data" in keys else {}
        table = {"storage_type": storage_type, **_raw(keys), **_raw(default, keep_none=True)}
        return self._add("DATA_NODE", id, table)

    def configure_task(
        self,
        id: str,  # noqa: A002 - the word of the language
        function: Callable[..., Any] | str,
        input: Named | Sequence[Named] = (),  # noqa: A002 - Taipy's word
        output: Named | Sequence[Named] = (),
        **keys: Any,
    ) -> SectionRef:
        """`[TASK.<id>]`: a call of the function with the inputs, in order."""
        table = {"function": function, "inputs": _ids(input), "outputs": _ids(output), **keys}
        return self._add("TASK", id, _raw(table))

    def configure_scenario(
        self,
        id: str,  # noqa: A002 - the word of the language
        task_configs: Sequence[Named] = (),
        additional_data_node_configs: Sequence[Named] = (),
        **keys: Any,
    ) -> SectionRef:
        """`[SCENARIO.<id>]`: tasks that belong together."""
        sequences = {
            name: _ids(tasks) for name, tasks in (keys.pop("sequences", None) or {}).items()
        }
        table = {
            "tasks": _ids(task_configs),
            "additional_data_nodes": _ids(additional_data_node_configs),
            **keys,
        }
        if sequences:
            table["sequences"] = sequences
        return self._add("SCENARIO", id, _raw(table))

    def build(
        self,
        *paths: str | Path,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
    ) -> Config:
        """The config, with files and `KEY=VALUE` overrides laid over what was configured here.

        Raises:
            ConfigError: with every problem that was found.
        """
        return load_config(paths, overrides, environ=environ, base=self._tables)

    def _section(self, name: str) -> dict[str, Any]:
        return self._tables.setdefault(name, {})

    def _add(self, section: str, name: str, table: dict[str, Any]) -> SectionRef:
        self._section(section)[name] = table
        return SectionRef(name)


def _ids(named: Named | Sequence[Named]) -> list[str]:
    several = [named] if isinstance(named, SectionRef | str) else named
    return [name.id if isinstance(name, SectionRef) else name for name in several]


def _raw(value: Any, *, keep_none: bool = False) -> Any:
    """The value as the loader takes it: texts escaped, functions as references."""
    if type(value) is str:
        return f"{value}:str" if is_typed(value) and parse_env(value) is None else value
    if type(value) is dict:
        kept = {k: v for k, v in value.items() if v is not None or keep_none}
        return {name: _raw(item, keep_none=keep_none) for name, item in kept.items()}
    if type(value) is list:
        return [_raw(item, keep_none=keep_none) for item in value]
    if callable(value) and hasattr(value, "__qualname__") and not keep_none:
        return FunctionRef(f"{value.__module__}.{value.__qualname__}", value)
    return value
