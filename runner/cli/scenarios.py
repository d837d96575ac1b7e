"""From the options of a command to the plans that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from runner.cli.options import ALL_TASKS
from runner.config.model import Config, Mode
from runner.errors import UsageError
from runner.plan.compiler import compile_plan, scenario_ids
from runner.plan.model import ExecutionPlan, Selection
from runner.store.places import check_name
from runner.suggestions import did_you_mean


@attrs.frozen(kw_only=True)
class Wanted:
    """Which scenarios and tasks a command is about.

    Attributes:
        scenarios: ids; none: the only one there is.
        all: whether all of them.
        name: of the scenario; None: its id.
        creation_date: of the scenario, where it is not there yet; None: now.
        mode: instead of the config's.
        selection: of tasks.
    """

    scenarios: tuple[str, ...] = ()
    all: bool = False
    name: str | None = None
    creation_date: datetime | None = None
    mode: str | None = None
    selection: Selection = attrs.field(factory=Selection)


def wanted(options: dict[str, Any]) -> Wanted:
    """Take the options of `scenario_options` and `selection_options` out of a command's."""
    names = ("tasks", "from_", "to", "tags", "exclude", "sequence")
    selection = Selection(**{name: options.pop(name) for name in names})
    return Wanted(
        scenarios=options.pop("scenarios"),
        all=options.pop("all_"),
        name=options.pop("name"),
        creation_date=options.pop("creation_date"),
        mode=options.pop("mode"),
        selection=selection,
    )


def plans_of(config: Config, wanted: Wanted) -> list[ExecutionPlan]:
    """The plans that are meant, in the order in which they were named.

    Raises:
        UsageError: none is named and there are several, or there is none of that name.
    """
    ids = _scenarios(config, wanted)
    if wanted.name is not None and len(ids) > 1:
        raise UsageError("--name fits one scenario", hint=f"these are {', '.join(ids)}")
    name = None if wanted.name is None else check_name(wanted.name)
    plans = [compile_plan(config, each, name=name, selection=wanted.selection) for each in ids]
    plans = [attrs.evolve(plan, creation_date=wanted.creation_date) for plan in plans]
    if wanted.mode is None:
        return plans
    return [attrs.evolve(plan, mode=Mode(wanted.mode)) for plan in plans]


def one_scenario(config: Config, told: str | None) -> str:
    """The id of the one scenario that a command is about.

    Raises:
        UsageError: none is named and there are several, or there is none at all.
    """
    there = scenario_ids(config)
    if told is not None:
        return told
    if not there:
        raise UsageError("there are no data nodes to look at: the config has no tasks")
    if len(there) > 1:
        hint = f"name one with -s: {', '.join(there)}"
        raise UsageError(f"the config has {len(there)} scenarios", hint=hint)
    return there[0]


def forced(told: Sequence[str], plan: ExecutionPlan) -> bool | Sequence[str]:
    """What `--force` says of a plan: all of its tasks, some, or none.

    Raises:
        UsageError: a name is none of its tasks.
    """
    if ALL_TASKS in told:
        return True
    for name in told:
        if name not in plan.tasks:
            hint = did_you_mean(name, plan.tasks) or "a file stands before --force"
            raise UsageError(f"--force `{name}` is no task of the plan", hint=hint)
    return told


def _scenarios(config: Config, wanted: Wanted) -> Sequence[str]:
    there = scenario_ids(config)
    if wanted.scenarios:
        return list(dict.fromkeys(wanted.scenarios))
    if not there:
        raise UsageError("there is nothing to run: the config has no tasks")
    if wanted.all or len(there) == 1:
        return there
    hint = f"name some with -s, or all with --all: {', '.join(there)}"
    raise UsageError(f"the config has {len(there)} scenarios", hint=hint)
