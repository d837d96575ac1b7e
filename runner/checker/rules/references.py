"""Ids that are named: each leads to a section, and each section is led to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from runner.config.model import Config, DataNodeConfig
from runner.config.options import FileOptions
from runner.diagnostics import Diagnostic, KeyPath, Related
from runner.suggestions import nearest

MOST_SUGGESTED: Final = 50
"""Ids that lead nowhere for which the nearest is looked for, which takes time."""


def unknown_data_nodes(config: Config) -> Iterator[Diagnostic]:
    """Tasks and scenarios name only declared data nodes."""
    if ("DATA_NODE",) in config.unread:
        return
    unknown = [
        (key, node_id)
        for key, node_id in _unknown_data_nodes(config)
        if ("DATA_NODE", node_id) not in config.unread
    ]
    named = _named(_lists_of_nodes(config)) if unknown else set()
    for index, (key, node_id) in enumerate(unknown):
        known = config.data_nodes if index < MOST_SUGGESTED else {}
        yield _unknown_node(key, node_id, known, named, config)


def unknown_tasks(config: Config) -> Iterator[Diagnostic]:
    """Scenarios and sequences name only declared tasks."""
    if ("TASK",) in config.unread:
        return
    unknown = [
        (key, task_id)
        for key, task_id in _named_tasks(config)
        if task_id not in config.tasks and ("TASK", task_id) not in config.unread
    ]
    named = _named(each.tasks for each in config.scenarios.values()) if unknown else set()
    others = {"data node": config.data_nodes, "scenario": config.scenarios}
    for index, (key, task_id) in enumerate(unknown):
        known = config.tasks if index < MOST_SUGGESTED else {}
        what = ("TASK", "task")
        yield _unknown("RUN202", key, task_id, what, known=known, named=named, others=others)


def tasks_outside_their_scenario(config: Config) -> Iterator[Diagnostic]:
    """A sequence is made of tasks of its scenario."""
    if ("SCENARIO",) in config.unread:
        return
    incomplete = config.incomplete()
    for scenario in config.scenarios.values():
        if not scenario.sequences or ("SCENARIO", scenario.id, "tasks") in incomplete:
            continue
        inside = _named_or_meant([scenario.tasks], config.tasks)
        if None in inside:
            continue
        for name, tasks in scenario.sequences.items():
            for index, task_id in enumerate(tasks):
                if task_id in config.tasks and task_id not in inside:
                    yield Diagnostic(
                        code="RUN207",
                        key=("SCENARIO", scenario.id, "sequences", name, index),
                        message=f"`{task_id}` is no task of scenario `{scenario.id}`",
                        hint=f"add it to `tasks` of [SCENARIO.{scenario.id}]",
                    )


def unused(config: Config) -> Iterator[Diagnostic]:
    """Where there are scenarios, every task and data node belongs to one."""
    if not config.scenarios or _has_unread_references(config):
        return
    scenarios = config.scenarios.values()
    tasks = _named_or_meant((each.tasks for each in scenarios), config.tasks)
    is_whole = None not in tasks and all(each.tasks for each in scenarios)  # else RUN208 tells
    for task_id, task in config.tasks.items():
        is_missing_all = task.function is None  # RUN104 tells that
        if task_id not in tasks and is_whole and not is_missing_all:
            message = f"task `{task_id}` is in no scenario"
            yield Diagnostic(code="RUN205", key=("TASK", task_id), on_key=True, message=message)
    if None in tasks:  # a task that leads nowhere may be what uses a data node
        return
    nodes = _named_or_meant(_lists_of_nodes(config), config.data_nodes)
    if None in nodes:
        return
    for node_id in config.data_nodes:
        if node_id not in nodes and ("DATA_NODE", node_id) not in config.unread:
            message = f"data node `{node_id}` is used by no task"
            hint = "`additional_data_nodes` of a scenario keeps it"
            key = ("DATA_NODE", node_id)
            yield Diagnostic(code="RUN205", key=key, on_key=True, message=message, hint=hint)


def _named_or_meant(lists: Iterable[Iterable[str]], known: Mapping[str, object]) -> set[str | None]:
    """The ids in the lists; for those that lead nowhere, what was meant, which is told already."""
    named = _named(lists)
    unknown = named - known.keys()
    if len(unknown) > MOST_SUGGESTED:
        return {None}
    meant = {each: _meant(each, known, named) for each in unknown}
    return (named & known.keys()) | {
        None if other in named and _letters(each) == _letters(other) else other
        for each, other in meant.items()
    }


def _meant(name: str, known: Mapping[str, object], named: set[str]) -> str | None:
    """The id that was meant: spelt nearly so, or with its section or module before it.

    One that nothing names is likelier to be misspelt itself.
    """
    near = nearest(name, known.keys() - named) or nearest(name, known)
    return near or ("." in name and nearest(name.rpartition(".")[2], known)) or None


def _letters(name: str | None) -> str:
    """A name without its number: `step_1` is not what is meant by `step_2`."""
    return "".join(char for char in name or "" if not char.isdigit())


def _named(lists: Iterable[Iterable[str]]) -> set[str]:
    return {each for ids in lists for each in ids}


def _lists_of_nodes(config: Config) -> Iterator[Iterable[str]]:
    """The ids of data nodes that belong to a scenario or a task, list by list."""
    for task in config.tasks.values():
        yield task.inputs
        yield task.outputs
    for scenario in config.scenarios.values():
        yield scenario.additional_data_nodes


def _has_unread_references(config: Config) -> bool:
    return any(key[0] in {"TASK", "SCENARIO"} for key in config.unread)


def _look_alike(name: str, meant: str) -> str:
    """What tells two ids apart that look the same."""
    foreign = next((char for char in name if not char.isascii() and char not in meant), None)
    return f" `{foreign}` is U+{ord(foreign):04X}" if foreign else ""


def _unknown_data_nodes(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Every id that is named as that of a data node and is of none, with the key that does."""
    known = config.data_nodes
    for task in config.tasks.values():
        for name, ids in (("inputs", task.inputs), ("outputs", task.outputs)):
            for index, node_id in enumerate(ids):
                if node_id not in known:
                    yield ("TASK", task.id, name, index), node_id
    for scenario in config.scenarios.values():
        for index, node_id in enumerate(scenario.additional_data_nodes):
            if node_id not in known:
                yield ("SCENARIO", scenario.id, "additional_data_nodes", index), node_id
        for node_id in scenario.comparators:
            if node_id not in known:
                yield ("SCENARIO", scenario.id, "comparators", node_id), node_id


def _named_tasks(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Every id of a task that is named, with the key that does."""
    for scenario in config.scenarios.values():
        for index, task_id in enumerate(scenario.tasks):
            yield ("SCENARIO", scenario.id, "tasks", index), task_id
        for name, tasks in scenario.sequences.items():
            for index, task_id in enumerate(tasks):
                yield ("SCENARIO", scenario.id, "sequences", name, index), task_id


def _unknown_node(
    key: KeyPath,
    node_id: str,
    known: Mapping[str, DataNodeConfig],
    named: set[str],
    config: Config,
) -> Diagnostic:
    others = {"task": config.tasks, "scenario": config.scenarios}
    what = ("DATA_NODE", "data node")
    unknown = _unknown("RUN201", key, node_id, what, known=known, named=named, others=others)
    if unknown.hint is None:
        having = (each.id for each in known.values() if _path_of(each) == node_id)
        hints = (f"name a data node; `{each}` has this path" for each in having)
        unknown = attrs.evolve(unknown, hint=next(hints, None))
    return unknown


def _path_of(node: DataNodeConfig) -> str | None:
    return node.options.user_path if isinstance(node.options, FileOptions) else None


def _unknown(
    code: str,
    key: KeyPath,
    name: str,
    what: tuple[str, str],
    *,
    known: Mapping[str, object],
    named: set[str],
    others: Mapping[str, Mapping[str, object]],
) -> Diagnostic:
    """An id that leads nowhere, and where the meant one is declared."""
    section, noun = what
    meant = _meant(name, known, named)
    hint = f"did you mean `{meant}`?{_look_alike(name, meant)}" if meant else None
    related: tuple[Related, ...] = ()
    if meant:
        related = (Related(message=f"`{meant}` is declared here", key=(section, meant)),)
    else:
        kind = next((kind for kind, ids in others.items() if name in ids), None)
        hint = f"`{name}` is a {kind}" if kind else None
    return Diagnostic(
        code=code,
        key=key,
        on_key=key[-1] == name,
        message=f"unknown {noun} `{name}`",
        label=f"no [{section}.{name}] in any file",
        hint=hint,
        related=related,
    )
