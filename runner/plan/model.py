"""What will run, in which order: plain frozen data with a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import cached_property
from math import isfinite
from typing import Any

import attrs

from runner.config.model import Config, CoreConfig, DataNodeConfig, Mode, TaskConfig
from runner.config.references import FunctionRef
from runner.config.writer import config_tables
from runner.diagnostics import KeyPath


@attrs.frozen(kw_only=True)
class Selection:
    """Which tasks of a scenario are meant. Empty: all of them.

    What one option names adds up; what several options name is narrowed down to what all of them
    name.

    Attributes:
        tasks: globs of task ids.
        from_: tasks; they and all that comes after them.
        to: tasks; they and all that comes before them.
        tags: tasks with one of these tags.
        exclude: globs of task ids that are left out.
        sequence: the tasks of this sequence.
    """

    tasks: tuple[str, ...] = ()
    from_: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    sequence: str | None = None


@attrs.frozen
class PlannedJob:
    """One job to be: a task, and the jobs of the plan whose outputs it reads.

    Attributes:
        task: what runs.
        needs: places in the plan's `jobs`, each before this one's own.
    """

    task: TaskConfig
    needs: tuple[int, ...]


@attrs.frozen(kw_only=True, slots=False)
class ExecutionPlan:
    """What will run.

    Attributes:
        scenario: the scenario config's id.
        name: of the scenario, the instance whose data nodes are read and written.
        mode: where it runs.
        workers: how many jobs at once; None: as many as there are cores.
        jobs: in an order in which they can run.
        data_nodes: every data node of the scenario, by id.
        produced: the data nodes that jobs write -> the task that does.
        sources: the data nodes that jobs read and none writes -> where the first one names it.
        not_selected: the scenario's other tasks.
        selection: how the jobs were chosen.
        creation_date: which the scenario gets where it is not there yet; None: now.
        config: what it was made of.
    """

    scenario: str
    name: str
    mode: Mode
    workers: int | None
    jobs: tuple[PlannedJob, ...]
    data_nodes: Mapping[str, DataNodeConfig]
    produced: Mapping[str, str] = attrs.field(factory=dict)
    sources: Mapping[str, KeyPath] = attrs.field(factory=dict)
    not_selected: tuple[str, ...] = ()
    selection: Selection = attrs.field(factory=Selection)
    creation_date: datetime | None = None
    config: Config = attrs.field(factory=Config, eq=False, repr=False)

    @cached_property
    def digest(self) -> str:
        """A short name: equal for plans that do the same, in any process.

        It covers the values that came from the environment, but for secrets.

        Raises:
            UsageError: a value that the Python builder was given has no TOML form.
        """
        secret = {key: ref for key, ref in self.config.env.items() if ref.secret}
        resolved = config_tables(attrs.evolve(self.config, env=secret), mask=True)
        text = json.dumps(_document(self, resolved), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def document(self) -> dict[str, Any]:
        """All that it rests on as plain data, `ENV[…]` as written, and its digest.

        Raises:
            UsageError: as `digest`.
        """
        return {"digest": self.digest, **_document(self, config_tables(self.config, mask=True))}

    @cached_property
    def functions(self) -> Mapping[str, FunctionRef]:
        """What the plan's jobs call, by name."""
        called = [job.task.function for job in self.jobs]
        return {ref.name: ref for ref in called if ref is not None}

    @cached_property
    def tasks(self) -> Mapping[str, TaskConfig]:
        """What the plan's jobs run, by id."""
        return {job.task.id: job.task for job in self.jobs}


def plain(value: Any) -> Any:
    """The value with dates, `nan` and `inf` as text, since JSON has none of them."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value


def _document(plan: ExecutionPlan, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    created = plan.creation_date
    return {
        "scenario": plan.scenario,
        "name": plan.name,
        **({} if created is None else {"creation_date": created.isoformat()}),
        "mode": plan.mode.value,
        "workers": plan.workers,
        "storage_folder": tables.get("CORE", {}).get("storage_folder", CoreConfig().storage_folder),
        "frequency": tables.get("SCENARIO", {}).get(plan.scenario, {}).get("frequency"),
        "selection": _selection(plan.selection),
        "jobs": [
            {
                "task": job.task.id,
                "needs": [plan.jobs[need].task.id for need in job.needs],
                "inputs": list(job.task.inputs),
                "outputs": list(job.task.outputs),
                "function": str(job.task.function),
                "settings": _settings(tables.get("TASK", {}).get(job.task.id, {})),
            }
            for job in plan.jobs
        ],
        "data_nodes": {
            node_id: plain(tables.get("DATA_NODE", {}).get(node_id, {}))
            for node_id in plan.data_nodes
        },
        "not_selected": list(plan.not_selected),
    }


def _selection(selection: Selection) -> dict[str, Any]:
    return {
        "tasks": list(selection.tasks),
        "from": list(selection.from_),
        "to": list(selection.to),
        "tags": list(selection.tags),
        "exclude": list(selection.exclude),
        "sequence": selection.sequence,
    }


def _settings(table: Mapping[str, Any]) -> dict[str, Any]:
    told = {"inputs", "outputs", "function"}
    return {name: plain(value) for name, value in table.items() if name not in told}
