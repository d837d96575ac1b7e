"""Ids that are named: each leads to a section, and each section is led to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from runner.config.model import Config
from runner.diagnostics import Diagnostic, KeyPath, Related
from runner.suggestions import nearest


def unknown_data_nodes(config: Config) -> Iterator[Diagnostic]:
    """Tasks and scenarios name only declared data nodes."""
    known = config.data_nodes
    for task in config.tasks.values():
        for name, ids in (("inputs", task.inputs), ("outputs", task.outputs)):
            for index, node_id in enumerate(ids):
                if node_id not in known:
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
    for scenario in config.scenarios.values():
        key: KeyPath = ("SCENARIO", scenario.id, "tasks")
        yield from _unknown_tasks(key, scenario.tasks, config)
        for name, tasks in scenario.sequences.items():
            yield from _unknown_tasks(("SCENARIO", scenario.id, "sequences", name), tasks, config)


def tasks_outside_their_scenario(config: Config) -> Iterator[Diagnostic]:
    """A sequence is made of tasks of its scenario."""
    for scenario in config.scenarios.values():
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
    tasks = {task_id for scenario in config.scenarios.values() for task_id in scenario.tasks}
    for task_id in config.tasks:
        if task_id not in tasks:
            message = f"task `{task_id}` is in no scenario"
            yield Diagnostic(code="RUN205", key=("TASK", task_id), on_key=True, message=message)
    nodes = {node_id for task in config.tasks.values() for node_id in (*task.inputs, *task.outputs)}
    for scenario in config.scenarios.values():
        nodes.update(scenario.additional_data_nodes)
    for node_id in config.data_nodes:
        if node_id not in nodes:
            message = f"data node `{node_id}` is used by no task"
            hint = "`additional_data_nodes` of a scenario keeps it"
            key = ("DATA_NODE", node_id)
            yield Diagnostic(code="RUN205", key=key, on_key=True, message=message, hint=hint)


def _has_unread_references(config: Config) -> bool:
    return any(key[0] in {"TASK", "SCENARIO"} for key in config.unread)


def _unknown_tasks(key: KeyPath, tasks: Iterable[str], config: Config) -> Iterator[Diagnostic]:
    for index, task_id in enumerate(tasks):
        if task_id not in config.tasks:
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
    return _unknown(
        "RUN201",
        key,
        node_id,
        ("DATA_NODE", "data node"),
        known=config.data_nodes,
        others=others,
        on_key=on_key,
    )


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
    meant = nearest(name, known)
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
