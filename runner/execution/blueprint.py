"""What the jobs of a plan call and with what, as plain data: all that workers are told of it."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import attrs

from runner.config.model import DataNodeConfig, Durability, TaskConfig
from runner.config.references import FunctionRef
from runner.data.storage import reason
from runner.errors import ConfigError
from runner.execution.executor import Work
from runner.execution.steps import classes_of, function_of


@attrs.frozen(eq=False)
class Blueprint:
    """The jobs of a plan, prepared for workers.

    Attributes:
        number: names it.
        about: `nodes`, each its id and how it is opened, None where it is in memory; `jobs`, each
            its task, the number of its function, the places of its inputs and outputs among the
            nodes; `classes`, names of what the nodes need.
        functions: the numbers of all functions.
        jobs: those of `about`.
        keys: of each node, by its place, the key of its value in memory; None: it is elsewhere.
        timeouts: seconds that a job may take, of those that have a limit.
        readers: by how many jobs a node is read, by its place.
    """

    number: int
    about: Mapping[str, Any]
    functions: frozenset[int]
    jobs: Sequence[tuple[str, int, Sequence[int], Sequence[int]]]
    keys: Sequence[str | None]
    timeouts: Mapping[int, float]
    readers: Mapping[int, int]


class Functions:
    """The functions that workers are told of, each once, by number."""

    def __init__(self) -> None:
        self.definitions: list[str | bytes] = []
        self._numbers: dict[str | bytes, int] = {}

    def number(self, ref: FunctionRef) -> int:
        """The number of a function.

        Raises whatever pickling one raises that no name leads to.
        """
        definition = ref.name if ref.target is None else _definition(ref.target)
        number = self._numbers.get(definition)
        if number is None:
            number = self._numbers[definition] = len(self.definitions)
            self.definitions.append(definition)
        return number

    def are_given(self, numbers: Iterable[int]) -> bool:
        """Whether any of these goes to workers as it is, and not by its name."""
        return any(isinstance(self.definitions[number], bytes) for number in numbers)

    def modules_of(self, numbers: Iterable[int]) -> list[str]:
        """The modules in which these are, as far as names tell."""
        definitions = [self.definitions[number] for number in numbers]
        names = [each for each in definitions if isinstance(each, str)]
        return sorted({name.rpartition(".")[0] for name in names})


def blueprint_of(work: Work, functions: Functions, number: int) -> Blueprint:
    """Prepare the plan of a submission.

    Raises:
        ConfigError: RUN308, a function that no name leads to cannot be pickled.
    """
    plan, instance = work.plan, work.instance
    nodes: list[tuple[str, bytes | None]] = []
    keys: list[str | None] = []
    for node_id, node in plan.data_nodes.items():
        in_memory = node.storage_type == "in_memory"
        keys.append(instance.places[node_id].key if in_memory else None)
        nodes.append((node_id, None if in_memory else _opened_by(work, node)))
    tasks = [job.task for job in plan.jobs]
    numbers = _numbered(tasks, functions)
    place_of = {node_id: place for place, node_id in enumerate(plan.data_nodes)}.__getitem__
    jobs = [
        (task.id, function, list(map(place_of, task.inputs)), list(map(place_of, task.outputs)))
        for task, function in zip(tasks, numbers, strict=True)
    ]
    timeouts = {
        job: task.timeout.total_seconds()
        for job, task in enumerate(tasks)
        if task.timeout is not None
    }
    readers = Counter(chain.from_iterable([reads for _, _, reads, _ in jobs]))
    classes = [ref.name for ref in classes_of(plan.data_nodes.values()) if ref.target is None]
    about = {"nodes": nodes, "jobs": jobs, "classes": classes}
    return Blueprint(number, about, frozenset(numbers), jobs, keys, timeouts, readers)


def _numbered(tasks: Iterable[TaskConfig], functions: Functions) -> list[int]:
    """Of each task the number of its function."""
    numbers = []
    known: dict[str | int, int] = {}
    for task in tasks:
        ref = function_of(task)
        name = ref.name if ref.target is None else id(ref.target)
        number = known.get(name)
        if number is None:
            try:
                number = known[name] = functions.number(ref)
            except Exception as error:  # whatever it holds raises anything
                raise _not_sent(task, error) from error
        numbers.append(number)
    return numbers


def first_of(work: Work, nodes: Iterable[DataNodeConfig]) -> list[tuple[bytes, bytes | None]]:
    """Data nodes whose default data is to be written: what they are, and how they are opened."""
    return [
        (_dumped(node), None if node.storage_type == "in_memory" else _opened_by(work, node))
        for node in nodes
    ]


def _definition(target: Callable[..., Any]) -> str | bytes:
    """The name that leads to a function in any process, else the function itself."""
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", "")
    found: Any = sys.modules.get(module or "")
    if found is not None and module != "__main__" and getattr(found, "__spec__", None):
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is target:
            return f"{module}.{name}"
    return _dumped(target)


def _opened_by(work: Work, node: DataNodeConfig) -> bytes:
    place = work.instance.places[node.id]
    file = place.path or place.database
    path = None if file is None else str(file)
    durable = work.config.core.durability is Durability.POWER
    opening = (node.storage_type, node.options, place.key, path, durable)
    names_objects = any(ref.target is not None for ref in classes_of([node]))
    return _dumped(opening) if names_objects else pickle.dumps(opening, 5)


def _not_sent(task: TaskConfig, error: Exception) -> ConfigError:
    message = f"the function of task `{task.id}` cannot be pickled: {reason(error)}"
    hint = "open inside the function what it needs, or define it in a module"
    return ConfigError(message, code="RUN308", hint=hint)


def _dumped(value: Any) -> bytes:
    """A pickle; of what no name leads to, the thing itself."""
    import cloudpickle

    data: bytes = cloudpickle.dumps(value, 5)
    return data
