"""Ids that are named: each leads to a section, and each section is led to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from runner.config.model import Config, DataNodeConfig
from runner.config.options import FileOptions
from runner.diagnostics import Diagnostic, KeyPath, Related
from runner.suggestions import nearest


def unknown_data_nodes(config: Config) -> Iterator[Diagnostic]:
    """Tasks and scenarios name only declared data nodes."""
    known = config.data_nodes
    if ("DATA_NODE",) in config.unread:
        return
    for task in config.tasks.values():
        for name, ids in (("inputs", task.inputs), ("outputs", task.outputs)):
            for index, node_id in enumerate(ids):
                if node_id not in known and ("DATA_NODE", node_id) not in config.unread:
                    yield _unknown_node(("TASK", task.id, name, index), node_id, config)
    for scenario in config.scenarios.values():
        for index, node_id in enumerate(scenario.additional_data_nodes):
            if node_id not in known:
                listed = ("SCENARIO", scenario.id, "additional_data_nodes", index)
                yield _unknown_node(listed, node_id, config)
        for node_id in scenario.comparators:
            if node_id not in known:
                key = ("SCENARIO", scenario.id, "comparators", node_id)
                yield _unknown_node(key, node_id, config, on_key=True)


def unknown_tasks(config: Config) -> Iterator[Diagnostic]:
    """Scenarios and sequences name only declared tasks."""
    if ("TASK",) in config.unread:
        return
    for scenario in config.scenarios.values():
        key: KeyPath = ("SCENARIO", scenario.id, "tasks")
        yield from _unknown_tasks(key, scenario.tasks, config)
        for name, tasks in scenario.sequences.items():
            yield from _unknown_tasks(("SCENARIO", scenario.id, "sequences", name), tasks, config)


def tasks_outside_their_scenario(config: Config) -> Iterator[Diagnostic]:
    """A sequence is made of tasks of its scenario."""
    incomplete = config.incomplete()
    for scenario in config.scenarios.values():
        if ("SCENARIO", scenario.id, "tasks") in incomplete:
            continue
        inside = set(scenario.tasks)
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
    for task_id in config.tasks:
        if task_id not in tasks and None not in tasks:
            message = f"task `{task_id}` is in no scenario"
            yield Diagnostic(code="RUN205", key=("TASK", task_id), on_key=True, message=message)
    if None in tasks:  # a task that leads nowhere may be what uses a data node
        return
    lists = [ids for task in config.tasks.values() for ids in (task.inputs, task.outputs)]
    lists += [each.additional_data_nodes for each in scenarios]
    nodes = _named_or_meant(lists, config.data_nodes)
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
    named = {each for ids in lists for each in ids}
    return {each if each in known else _meant(each, known) for each in named}


def _meant(name: str, known: Mapping[str, object]) -> str | None:
    """The id that was meant: spelt nearly so, or with its section or module before it."""
    return nearest(name, known) or nearest(name.rpartition(".")[2], known)


def _has_unread_references(config: Config) -> bool:
    return any(key[0] in {"TASK", "SCENARIO"} for key in config.unread)


def _unknown_tasks(key: KeyPath, tasks: Iterable[str], config: Config) -> Iterator[Diagnostic]:
    for index, task_id in enumerate(tasks):
        if task_id not in config.tasks and ("TASK", task_id) not in config.unread:
            others = {"data node": config.data_nodes, "scenario": config.scenarios}
            yield _unknown(
                "RUN202",
                (*key, index),
                task_id,
                ("TASK", "task"),
                known=config.tasks,
                others=others,
            )


def _unknown_node(
    key: KeyPath, node_id: str, config: Config, *, on_key: bool = False
) -> Diagnostic:
    others = {"task": config.tasks, "scenario": config.scenarios}
    unknown = _unknown(
        "RUN201",
        key,
        node_id,
        ("DATA_NODE", "data node"),
        known=config.data_nodes,
        others=others,
        on_key=on_key,
    )
    if unknown.hint is None:
        having = (each.id for each in config.data_nodes.values() if _path_of(each) == node_id)
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
    others: Mapping[str, Mapping[str, object]],
    on_key: bool = False,
) -> Diagnostic:
    """An id that leads nowhere, and where the meant one is declared."""
    section, noun = what
    meant = _meant(name, known)
    hint = f"did you mean `{meant}`?" if meant else None
    related: tuple[Related, ...] = ()
    if meant:
        related = (Related(message=f"`{meant}` is declared here", key=(section, meant)),)
    else:
        kind = next((kind for kind, ids in others.items() if name in ids), None)
        hint = f"`{name}` is a {kind}" if kind else None
    return Diagnostic(
        code=code,
        key=key,
        on_key=on_key,
        message=f"unknown {noun} `{name}`",
        label=f"no [{section}.{name}] in any file",
        hint=hint,
        related=related,
    )
