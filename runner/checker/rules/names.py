"""Ids: Python identifiers, each naming one thing."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator

from runner.config.model import Config
from runner.diagnostics import Diagnostic, KeyPath, Related


def invalid_ids(config: Config) -> Iterator[Diagnostic]:
    """Ids are Python identifiers and no keywords."""
    for section, ids in _sections(config).items():
        for name in ids:
            if not name.isidentifier() or keyword.iskeyword(name):
                yield _invalid((section, name), name)
    for scenario in config.scenarios.values():
        for name in scenario.sequences:
            if not name.isidentifier() or keyword.iskeyword(name):
                yield _invalid(("SCENARIO", scenario.id, "sequences", name), name)


def clashing_ids(config: Config) -> Iterator[Diagnostic]:
    """One id is one thing, over sections and inside a scenario and a task."""
    first: dict[str, KeyPath] = {}
    for section, ids in _sections(config).items():
        for name in ids:
            if name in first:
                yield _clash((section, name), first[name])
            first.setdefault(name, (section, name))
    yield from _clashes_in_scenarios(config)
    for task in config.tasks.values():
        for name in task.properties:
            if name in task.inputs or name in task.outputs:
                yield _clash(_property("TASK", task.id, name), ("DATA_NODE", name))


def _clashes_in_scenarios(config: Config) -> Iterator[Diagnostic]:
    for scenario in config.scenarios.values():
        if not (scenario.sequences or scenario.properties):
            continue
        used: dict[str, KeyPath] = {name: ("TASK", name) for name in scenario.tasks}
        for task_id in scenario.tasks:
            task = config.tasks.get(task_id)
            if task is not None:
                used.update({node: ("DATA_NODE", node) for node in (*task.inputs, *task.outputs)})
        used.update({node: ("DATA_NODE", node) for node in scenario.additional_data_nodes})
        for name in scenario.sequences:
            key = ("SCENARIO", scenario.id, "sequences", name)
            if name in used:
                yield _clash(key, used[name])
            used.setdefault(name, key)
        for name in scenario.properties:
            if name in used:
                yield _clash(_property("SCENARIO", scenario.id, name), used[name])


def _sections(config: Config) -> dict[str, list[str]]:
    return {
        "DATA_NODE": list(config.data_nodes),
        "TASK": list(config.tasks),
        "SCENARIO": list(config.scenarios),
    }


def _property(section: str, owner: str, name: str) -> KeyPath:
    return (section, owner, name)


def _invalid(key: KeyPath, name: str) -> Diagnostic:
    if keyword.iskeyword(name):
        message = f"`{name}` is a Python keyword"
    else:
        message = f'"{name}" is no id: letters, digits and underscores, no digit first'
    better = re.sub(r"\W", "_", name.strip())
    better = f"_{better}" if not better[:1].isidentifier() or keyword.iskeyword(name) else better
    hint = f"for example `{better}`" if better.strip("_") else None
    return Diagnostic(code="RUN115", key=key, on_key=True, message=message, hint=hint)


def _clash(key: KeyPath, other: KeyPath) -> Diagnostic:
    name = key[-1]
    return Diagnostic(
        code="RUN212",
        key=key,
        on_key=True,
        message=f"`{name}` is the name of another thing: `[{'.'.join(map(str, other))}]`",
        related=(Related(message=f"the other `{name}`", key=other),),
    )
