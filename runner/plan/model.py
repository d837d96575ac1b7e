"""What will run, in which order: plain frozen data with a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs

from runner.config.model import DataNodeConfig, Mode, TaskConfig


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
        not_selected: the scenario's other tasks.
        selection: how the jobs were chosen.
    """

    scenario: str
    name: str
    mode: Mode
    workers: int | None
    jobs: tuple[PlannedJob, ...]
    data_nodes: Mapping[str, DataNodeConfig]
    not_selected: tuple[str, ...] = ()
    selection: Selection = attrs.field(factory=Selection)

    @cached_property
    def produced(self) -> Mapping[str, str]:
        """Data nodes that the plan's jobs write -> the task that does."""
        return {node_id: job.task.id for job in self.jobs for node_id in job.task.outputs}


def digest(document: Mapping[str, Any]) -> str:
    """A short name of a plan's document: equal for plans that do the same, in any process."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
