"""A config, a scenario and a selection to an execution plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import attrs

from runner import graph
from runner.config.model import Config, ScenarioConfig, TaskConfig
from runner.diagnostics import KeyPath
from runner.errors import UsageError
from runner.plan.model import ExecutionPlan, PlannedJob, Selection
from runner.suggestions import did_you_mean

IMPLICIT = "default"
"""The scenario of all tasks, where a config has none."""


def compile_plan(
    config: Config,
    scenario_id: str,
    *,
    name: str | None = None,
    selection: Selection | None = None,
) -> ExecutionPlan:
    """What has to run so that a scenario's selected tasks have run.

    Args:
        config: one that `check` has found right.
        scenario_id: one of `scenario_ids(config)`.
        name: of the instance; None: the scenario's own id.
        selection: which of its tasks; None: all.

    Raises:
        UsageError: the scenario, or a name in the selection, does not exist, or nothing is
            selected.
    """
    scenario = find_scenario(config, scenario_id)
    tasks = [config.tasks[task_id] for task_id in dict.fromkeys(scenario.tasks)]
    before = _before(tasks)
    chosen = _select(scenario, config, before, selection or Selection())
    ordered = [config.tasks[task_id] for task_id in graph.order(before) if task_id in chosen]
    produced = {node_id: task.id for task in ordered for node_id in task.outputs}
    return ExecutionPlan(
        scenario=scenario_id,
        name=scenario_id if name is None else name,
        mode=config.job.mode,
        workers=config.job.max_nb_of_workers,
        jobs=tuple(_jobs(ordered, before)),
        data_nodes={node_id: config.data_nodes[node_id] for node_id in _node_ids(scenario, tasks)},
        produced=produced,
        sources=_sources(ordered, produced),
        not_selected=tuple(task.id for task in tasks if task.id not in chosen),
        selection=selection or Selection(),
        config=config,
    )


def restricted(plan: ExecutionPlan, task_ids: Collection[str]) -> ExecutionPlan:
    """The same plan with no other jobs than those of some of its tasks."""
    left = [job.task for job in plan.jobs if job.task.id in task_ids]
    before = _before([job.task for job in plan.jobs])
    produced = {node_id: task.id for task in left for node_id in task.outputs}
    out = tuple(job.task.id for job in plan.jobs if job.task.id not in task_ids)
    return attrs.evolve(
        plan,
        jobs=tuple(_jobs(left, before)),
        produced=produced,
        sources=_sources(left, produced),
        not_selected=(*plan.not_selected, *out),
    )


def scenario_ids(config: Config) -> tuple[str, ...]:
    """The scenarios that can be planned; a config of tasks alone has one of all of them."""
    if not config.scenarios and config.tasks:
        return (IMPLICIT,)
    return tuple(config.scenarios)


def find_scenario(config: Config, scenario_id: str) -> ScenarioConfig:
    """The scenario config of that id, the implicit one included.

    Raises:
        UsageError: there is none.
    """
    ids = scenario_ids(config)
    if scenario_id not in ids:
        there = f"there are {', '.join(ids)}" if ids else "the config has no tasks"
        hint = did_you_mean(scenario_id, ids) or there
        raise UsageError(f"unknown scenario `{scenario_id}`", hint=hint)
    if not config.scenarios:
        return ScenarioConfig(id=IMPLICIT, tasks=tuple(config.tasks))
    return config.scenarios[scenario_id]


def _before(tasks: Sequence[TaskConfig]) -> dict[str, list[str]]:
    """Each task -> the tasks that write what it reads."""
    producer = {node_id: task.id for task in tasks for node_id in task.outputs}
    return {
        task.id: [producer[node_id] for node_id in task.inputs if node_id in producer]
        for task in tasks
    }


def _jobs(ordered: Sequence[TaskConfig], before: Mapping[str, list[str]]) -> Iterable[PlannedJob]:
    place: dict[str, int] = {}
    for index, task in enumerate(ordered):
        needs = tuple(dict.fromkeys([place[other] for other in before[task.id] if other in place]))
        yield PlannedJob(task, needs)
        place[task.id] = index


def _sources(tasks: Sequence[TaskConfig], produced: Mapping[str, str]) -> dict[str, KeyPath]:
    sources: dict[str, KeyPath] = {}
    for task in tasks:
        for index, node_id in enumerate(task.inputs):
            if node_id not in produced:
                sources.setdefault(node_id, ("TASK", task.id, "inputs", index))
    return sources


def _node_ids(scenario: ScenarioConfig, tasks: Sequence[TaskConfig]) -> dict[str, None]:
    used = [node_id for task in tasks for ids in (task.inputs, task.outputs) for node_id in ids]
    return dict.fromkeys([*used, *scenario.additional_data_nodes])


def _select(
    scenario: ScenarioConfig,
    config: Config,
    before: Mapping[str, list[str]],
    selection: Selection,
) -> set[str]:
    chosen = set(before)
    if selection.tasks:
        chosen &= _matching(selection.tasks, before, "--task")
    if selection.from_:
        starts = _matching(selection.from_, before, "--from")
        downstream: set[str] = graph.reachable(starts, graph.successors(before))
        chosen &= downstream
    if selection.to:
        upstream: set[str] = graph.reachable(_matching(selection.to, before, "--to"), before)
        chosen &= upstream
    if selection.tags:
        chosen &= _tagged(selection.tags, before, config)
    if selection.sequence is not None:
        chosen &= _sequence(selection.sequence, scenario)
    if selection.exclude:
        chosen -= _matching(selection.exclude, before, "--exclude")
    if before and not chosen:
        raise UsageError("nothing is selected", code="RUN211", hint="no task fits all options")
    return chosen


def _matching(globs: Sequence[str], known: Mapping[str, object], option: str) -> set[str]:
    found: set[str] = set()
    for glob in globs:
        matches = {glob} if glob in known else {name for name in known if fnmatchcase(name, glob)}
        if not matches:
            message = f"{option} `{glob}` matches no task of the scenario"
            raise UsageError(message, code="RUN211", hint=did_you_mean(glob, known))
        found |= matches
    return found


def _tagged(tags: Sequence[str], known: Mapping[str, object], config: Config) -> set[str]:
    found: set[str] = set()
    there = dict.fromkeys(tag for name in known for tag in config.tasks[name].tags)
    for tag in tags:
        if tag not in there:
            message = f"--tag `{tag}` is a tag of no task of the scenario"
            raise UsageError(message, code="RUN211", hint=did_you_mean(tag, there))
        found |= {name for name in known if tag in config.tasks[name].tags}
    return found


def _sequence(name: str, scenario: ScenarioConfig) -> set[str]:
    if name not in scenario.sequences:
        message = f"scenario `{scenario.id}` has no sequence `{name}`"
        there = f"there are {', '.join(scenario.sequences)}" if scenario.sequences else None
        hint = did_you_mean(name, scenario.sequences) or there
        raise UsageError(message, code="RUN211", hint=hint)
    return set(scenario.sequences[name])
