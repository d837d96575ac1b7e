"""What a scenario's tasks read and write: in an order that exists, from sources that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from runner import graph
from runner.config.model import UNSET, Config, DataNodeConfig, Scope, TaskConfig
from runner.config.options import FileOptions, InMemoryOptions
from runner.diagnostics import Diagnostic, KeyPath, Related, Severity

MOST_SHOWN = 12
"""How many tasks of a cycle are written out."""


@attrs.frozen
class Flow:
    """Who writes what among tasks that run together.

    Attributes:
        scenario: the scenario's id.
        tasks: its tasks.
        writers: data node id -> the tasks that write it.
    """

    scenario: str
    tasks: Sequence[TaskConfig]
    writers: Mapping[str, Sequence[str]]


def flows(config: Config) -> list[Flow]:
    """That of each scenario."""
    return [Flow(name, tasks, _writers(tasks)) for name, tasks in task_groups(config).items()]


def cycles(config: Config, flows: Sequence[Flow]) -> Iterator[Diagnostic]:
    """The tasks of a scenario can be put in an order."""
    told: set[frozenset[str]] = set()
    for flow in flows:
        writers = flow.writers
        before = {
            task.id: [
                writer
                for node_id in task.inputs
                if node_id in writers
                for writer in writers[node_id]
                if writer != task.id  # RUN209 tells those
            ]
            for task in flow.tasks
        }
        for cycle in graph.cycles(before):
            if frozenset(cycle) not in told:
                told.add(frozenset(cycle))
                yield _cycle(cycle, config)


def multiple_producers(config: Config, flows: Sequence[Flow]) -> Iterator[Diagnostic]:
    """In a scenario, one task writes a data node."""
    told: set[tuple[str, str]] = set()
    for flow in flows:
        for node_id, writers in flow.writers.items():
            if len(writers) == 1:
                continue
            first, *others = dict.fromkeys(writers)
            for other in others:
                if node_id in config.tasks[other].inputs:  # RUN209 tells that
                    continue
                if (other, node_id) not in told:
                    told.add((other, node_id))
                    yield _second_producer(config.tasks[other], node_id, config.tasks[first])


def outputs_written_twice(config: Config) -> Iterator[Diagnostic]:
    """A task writes a data node once."""
    for task in config.tasks.values():
        if len(set(task.outputs)) == len(task.outputs):
            continue
        for index, node_id in enumerate(task.outputs):
            if task.outputs.index(node_id) < index:
                key = ("TASK", task.id, "outputs")
                first = (*key, task.outputs.index(node_id))
                yield Diagnostic(
                    code="RUN204",
                    key=(*key, index),
                    message=f"task `{task.id}` writes `{node_id}` twice",
                    related=(Related(message="the first time", key=first),),
                )


def inputs_written_too(config: Config) -> Iterator[Diagnostic]:
    """A task does not read what it writes."""
    for task in config.tasks.values():
        for index, node_id in enumerate(task.outputs):
            if node_id in task.inputs:
                related_key = ("TASK", task.id, "inputs", task.inputs.index(node_id))
                yield Diagnostic(
                    code="RUN209",
                    key=("TASK", task.id, "outputs", index),
                    message=f"task `{task.id}` reads and writes `{node_id}`",
                    hint="write to a data node of its own",
                    related=(Related(message="read here", key=related_key),),
                )


def inputs_without_source(config: Config, flows: Sequence[Flow]) -> Iterator[Diagnostic]:
    """What a task reads is written by a task of its scenario, or has a value from elsewhere."""
    if any(key[0] == "TASK" or "tasks" in key for key in config.unread):
        return  # an output that could not be read may be the source
    incomplete = config.incomplete()
    told: set[KeyPath] = set()
    for flow in flows:
        if _is_misspelt(flow, config):
            continue  # what was meant may be the source
        for task in flow.tasks:
            for index, node_id in enumerate(task.inputs):
                if node_id in flow.writers:
                    continue
                node = config.data_nodes.get(node_id)
                if node is None or has_source(node) or ("DATA_NODE", node_id) in incomplete:
                    continue
                key = ("TASK", task.id, "inputs", index)
                if key not in told:
                    told.add(key)
                    yield _without_source(key, node_id, flow.scenario)


def empty_scenarios(config: Config) -> Iterator[Diagnostic]:
    """A scenario has tasks."""
    if ("SCENARIO",) in config.unread:
        return
    incomplete = config.incomplete()
    for scenario in config.scenarios.values():
        if not scenario.tasks and ("SCENARIO", scenario.id) not in incomplete:
            key = ("SCENARIO", scenario.id)
            message = f"scenario `{scenario.id}` has no tasks"
            yield Diagnostic(code="RUN208", key=key, on_key=True, message=message)


def cycle_scope_without_frequency(config: Config) -> Iterator[Diagnostic]:
    """A CYCLE data node is in scenarios that belong to a cycle."""
    shared = {node.id for node in config.data_nodes.values() if node.scope is Scope.CYCLE}
    incomplete = config.incomplete()
    for scenario in config.scenarios.values():
        is_unread = ("SCENARIO", scenario.id, "frequency") in incomplete
        if scenario.frequency is not None or is_unread or not shared:
            continue
        for node_id in _nodes_of(_tasks_of(config, scenario.tasks)):
            if node_id in shared:
                shared.remove(node_id)  # told once
                yield Diagnostic(
                    code="RUN116",
                    key=("DATA_NODE", node_id, "scope"),
                    severity=Severity.WARNING,
                    message=f"`{node_id}` has scope CYCLE, scenario `{scenario.id}` no frequency",
                    hint="it acts as GLOBAL there",
                )


def has_source(node: DataNodeConfig) -> bool:
    """Whether a data node may have a value that no task wrote.

    Of a generic one without `read_fct`, that is what is told: RUN104.
    """
    if node.default_data is not UNSET:
        return True
    options = node.options
    if isinstance(options, FileOptions):
        return options.user_path is not None
    return not isinstance(options, InMemoryOptions)


def task_groups(config: Config) -> Mapping[str, Sequence[TaskConfig]]:
    """The tasks of each scenario; of all, where there is no scenario."""
    if ("SCENARIO",) in config.unread:
        return {}
    if not config.scenarios:
        return {"default": list(config.tasks.values())}
    return {
        scenario.id: _tasks_of(config, scenario.tasks) for scenario in config.scenarios.values()
    }


def _tasks_of(config: Config, ids: Sequence[str]) -> list[TaskConfig]:
    return [config.tasks[task_id] for task_id in dict.fromkeys(ids) if task_id in config.tasks]


def _nodes_of(tasks: Sequence[TaskConfig]) -> Iterator[str]:
    for task in tasks:
        yield from task.inputs
        yield from task.outputs


def _writers(tasks: Sequence[TaskConfig]) -> dict[str, list[str]]:
    writers: dict[str, list[str]] = {}
    for task in tasks:
        for node_id in task.outputs:
            if node_id in writers:
                writers[node_id].append(task.id)
            else:
                writers[node_id] = [task.id]
    return writers


def _is_misspelt(flow: Flow, config: Config) -> bool:
    """Whether a scenario has a task, or one of its tasks an output, that leads nowhere."""
    scenario = config.scenarios.get(flow.scenario)
    unknown_task = scenario is not None and not config.tasks.keys() >= set(scenario.tasks)
    return unknown_task or not config.data_nodes.keys() >= flow.writers.keys()


def _second_producer(task: TaskConfig, node_id: str, first: TaskConfig) -> Diagnostic:
    first_key = ("TASK", first.id, "outputs", first.outputs.index(node_id))
    return Diagnostic(
        code="RUN204",
        key=("TASK", task.id, "outputs", task.outputs.index(node_id)),
        message=f"tasks `{first.id}` and `{task.id}` both write `{node_id}`",
        related=(Related(message=f"`{first.id}` writes it here", key=first_key),),
    )


def _cycle(cycle: Sequence[str], config: Config) -> Diagnostic:
    shown = list(cycle[:MOST_SHOWN])
    if len(cycle) > MOST_SHOWN:
        shown.append(f"({len(cycle) - MOST_SHOWN:,} more)")
    path = " -> ".join([*shown, cycle[0]])
    steps = zip(cycle, [*cycle[1:], cycle[0]], strict=True)
    related = []
    for writer, reader in list(steps)[:MOST_SHOWN]:
        outputs = config.tasks[writer].outputs
        reads = config.tasks[reader].inputs
        node_id = next(node for node in outputs if node in reads)
        key = ("TASK", writer, "outputs", outputs.index(node_id))
        message = f"{writer} writes `{node_id}`, which {reader} reads"
        related.append(Related(message=message, key=key))
    return Diagnostic(
        code="RUN203",
        key=("TASK", cycle[0]),
        on_key=True,
        message=f"tasks form a cycle: {path}",
        related=tuple(related),
    )


def _without_source(key: KeyPath, node_id: str, scenario_id: str) -> Diagnostic:
    return Diagnostic(
        code="RUN206",
        key=key,
        message=f"nothing in scenario `{scenario_id}` writes `{node_id}`, and it has no value",
        hint=f"give [DATA_NODE.{node_id}] a `default_data` or a `path`, or write it before the run",
        related=(Related(message=f"`{node_id}` is declared here", key=("DATA_NODE", node_id)),),
    )
