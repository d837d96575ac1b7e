"""What each job of a plan calls and with what: functions imported, storages opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from runner.config.model import DataNodeConfig, TaskConfig
from runner.config.options import InMemoryOptions, PickleOptions, items_of
from runner.config.references import FunctionRef
from runner.data.storage import Storage, write_all
from runner.execution.failures import failure_of
from runner.execution.importing import UserCodeError, load
from runner.execution.instance import Instance
from runner.execution.worker import Step
from runner.plan.model import ExecutionPlan

_PLAIN: Final = frozenset({PickleOptions, InMemoryOptions})
"""Those of most data nodes; they name no function."""


@attrs.frozen(eq=False)
class Steps:
    """The steps of a plan's jobs, each made when it is asked for.

    Made beforehand, all of them together would no longer be in the processor's cache when they
    are used, and the garbage collector would look through them.
    """

    plan: ExecutionPlan
    functions: Mapping[str, Callable[..., Any]]
    storages: Mapping[str, Storage]

    def __getitem__(self, job: int) -> Step:
        task, storages = self.plan.jobs[job].task, self.storages
        ref, timeout = task.function, task.timeout
        assert ref is not None, "check refuses a task without a function"
        return Step(
            task.id,
            self.functions[ref.name] if ref.target is None else ref.target,
            [storages[node_id] for node_id in task.inputs],
            [storages[node_id] for node_id in task.outputs],
            None if timeout is None else timeout.total_seconds(),
        )


def steps_of(plan: ExecutionPlan, instance: Instance) -> Steps:
    """What is needed for each job; every function is imported here.

    Raises:
        UserCodeError: a function cannot be imported.
    """
    functions = {name: load(ref) for name, ref in plan.functions.items() if ref.target is None}
    return Steps(plan, functions, instance.storages)


def function_of(task: TaskConfig) -> FunctionRef:
    assert task.function is not None, "check refuses a task without a function"
    return task.function


def classes_of(nodes: Iterable[DataNodeConfig]) -> Iterator[FunctionRef]:
    """What data nodes name to read and write with: encoders, decoders, classes of rows."""
    for node in nodes:
        if type(node.options) not in _PLAIN:
            for _, value in items_of(node.options):
                if isinstance(value, FunctionRef):
                    yield value


def import_classes(nodes: Iterable[DataNodeConfig]) -> None:
    """Import what data nodes name.

    Raises:
        UserCodeError: one cannot be imported.
    """
    for ref in classes_of(nodes):
        load(ref)


def write_first_values(nodes: Iterable[DataNodeConfig], storages: Mapping[str, Storage]) -> None:
    """Write default data; functions that make it are called without arguments.

    Raises:
        JobError: a value cannot be written; none is.
        UserCodeError: a function that makes one cannot be imported, or raises.
    """
    write_all((storages[node.id], _first_value(node)) for node in nodes)


def _first_value(node: DataNodeConfig) -> Any:
    value = node.default_data
    if not isinstance(value, FunctionRef):
        return value
    function = load(value)
    try:
        return function()
    except (Exception, SystemExit) as error:
        what = f"`{value}`, which makes the default data of `{node.id}`, raised"
        raise UserCodeError(what, failure_of(error)) from error
