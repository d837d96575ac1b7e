"""What must be there before the first job runs: functions, storages, first values."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime
from os.path import isdir, realpath
from pathlib import Path
from time import time
from typing import Any, Final

import attrs

from runner.checker.rules.storage import path_key
from runner.config.model import (
    UNSET,
    Config,
    CoreConfig,
    DataNodeConfig,
    Durability,
    Frequency,
    TaskConfig,
)
from runner.config.options import InMemoryOptions, PickleOptions
from runner.config.references import FunctionRef
from runner.data.files import remove_strays
from runner.data.storage import Opening, Storage, write_all
from runner.data.storages import STORAGES, open_storage
from runner.diagnostics import Diagnostic, KeyPath, Related, Severity
from runner.execution.executors import EXECUTORS
from runner.execution.failures import failure_of
from runner.execution.importing import UserCodeError, load
from runner.execution.worker import Step
from runner.plan.model import ExecutionPlan
from runner.store.places import Place, cycle_of, place_of
from runner.store.store import NodeRow, Store


@attrs.frozen(kw_only=True)
class Instance:
    """A scenario with data nodes of its own.

    Attributes:
        name: the scenario's.
        places: its data nodes by id.
        files: those of them that are files.
        storages: what reads and writes them, by id.
    """

    name: str
    places: Mapping[str, Place]
    files: Mapping[str, Place]
    storages: Mapping[str, Storage]


@attrs.frozen(eq=False)
class _Steps(Mapping[str, Step]):
    """The steps by task, each made when it is asked for.

    Made beforehand, all of them together would no longer be in the processor's cache when they
    are used, and the garbage collector would look through them.
    """

    tasks: Mapping[str, TaskConfig]
    functions: Mapping[str, Callable[..., Any]]
    storages: Mapping[str, Storage]

    def __getitem__(self, task_id: str) -> Step:
        task, storages = self.tasks[task_id], self.storages
        ref, timeout = task.function, task.timeout
        assert ref is not None, "check refuses a task without a function"
        return Step(
            task_id,
            self.functions[ref.name] if ref.target is None else ref.target,
            [storages[node_id] for node_id in task.inputs],
            [storages[node_id] for node_id in task.outputs],
            None if timeout is None else timeout.total_seconds(),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)


def not_in_this_version(config: Config, plan: ExecutionPlan) -> Iterator[Diagnostic]:
    """What the plan asks for and this version cannot do; it is never silently ignored."""
    if plan.mode not in EXECUTORS:
        key: KeyPath = ("JOB", "mode") if config.job.mode is plan.mode else ()
        message = f"mode `{plan.mode}` does not run in this version"
        hint = "run it with --mode development"
        yield Diagnostic(code="RUN509", key=key, message=message, hint=hint)
    for node in plan.data_nodes.values():
        if node.storage_type not in STORAGES:
            yield Diagnostic(
                code="RUN509",
                key=("DATA_NODE", node.id, "storage_type"),
                message=f"storage type `{node.storage_type}` does not run in this version",
                hint=f"those that do are {', '.join(STORAGES)}",
            )


_PLAIN: Final = frozenset({PickleOptions, InMemoryOptions})
"""Those of most data nodes; they name no function."""


def storage_folder(config: Config) -> Path:
    return config.application_path / config.core.storage_folder


def open_instance(
    config: Config,
    name: str,
    created: datetime,
    nodes: Iterable[DataNodeConfig],
    *,
    frequency: Frequency | None,
    memory: MutableMapping[str, Any],
) -> Instance:
    """Open the data nodes of a scenario; nothing is read, written or made.

    Args:
        config: the config.
        name: of the scenario.
        created: when it was made; says which cycle it belongs to.
        nodes: its data nodes.
        frequency: of its scenario config.
        memory: where in_memory values live.
    """
    places = {
        node.id: place_of(
            node,
            scenario=name,
            cycle=None if frequency is None else cycle_of(frequency, created),
            storage_folder=storage_folder(config),
            application_path=config.application_path,
        )
        for node in nodes
    }
    storages = {
        node.id: _open(node, places[node.id], config.core, memory)
        for node in nodes
        if node.storage_type in STORAGES
    }
    files = {node_id: place for node_id, place in places.items() if place.path is not None}
    return Instance(name=name, places=places, files=files, storages=storages)


def steps_of(plan: ExecutionPlan, instance: Instance) -> Mapping[str, Step]:
    """What a worker needs for each task; every function is imported here.

    Raises:
        UserCodeError: a function cannot be imported.
    """
    functions: dict[str, Callable[..., Any]] = {}
    for task in plan.tasks.values():
        ref = _function_of(task)
        if ref.target is None and ref.name not in functions:
            functions[ref.name] = load(ref)
    return _Steps(plan.tasks, functions, instance.storages)


def import_classes(plan: ExecutionPlan) -> None:
    """Import what data nodes name to read and write with: encoders, decoders, classes of rows.

    Raises:
        UserCodeError: one cannot be imported.
    """
    for node in plan.data_nodes.values():
        if type(node.options) not in _PLAIN:
            for value in vars(node.options).values():
                if isinstance(value, FunctionRef):
                    load(value)


def remove_leftovers(instance: Instance) -> None:
    """Remove the temporary files that dead processes left beside those of the data nodes."""
    for folder in set(_folders(instance.files.values())):
        remove_strays(folder)


def write_defaults(plan: ExecutionPlan, instance: Instance, store: Store) -> None:
    """Give data nodes their first values, and new ones where the config now says another.

    A value that a task or a user wrote is never replaced. Functions that make a default are
    called without arguments. Where one value cannot be made, none is written.

    Raises:
        JobError: a value cannot be written.
        UserCodeError: a function that makes one cannot be imported.
    """
    known = store.data_nodes()
    due: list[tuple[DataNodeConfig, str | None]] = []
    for node in plan.data_nodes.values():
        if node.default_data is not UNSET:
            place, digest = instance.places[node.id], _default_digest(node.default_data)
            if _is_due(known.get(place.key), instance.storages[node.id], place, digest):
                due.append((node, digest))
    write_all((instance.storages[node.id], _first_value(node)) for node, _ in due)
    store.record_written(_first_rows(due, instance))


def inputs_without_value(plan: ExecutionPlan, instance: Instance) -> Iterator[Diagnostic]:
    """What a job reads, no job of the plan writes, and is not there."""
    for node_id, key in plan.sources.items():
        if instance.storages[node_id].exists():
            continue
        place = instance.places[node_id]
        if place.is_users:
            yield no_file(plan.data_nodes[node_id], str(place.path))
        else:
            yield _no_value(key, node_id, plan)


def no_file(node: DataNodeConfig, path: str) -> Diagnostic:
    """That the file which a data node names is not there, or is none."""
    is_folder = isdir(path)  # noqa: PTH112 - Path raises where a folder may not be entered
    return Diagnostic(
        code="RUN404",
        key=path_key(node),
        message=f"{path} is a folder, not a file" if is_folder else f"no file {path}",
        hint="relative paths start at the application path, the folder of the first config file",
    )


def _folders(places: Iterable[Place]) -> Iterator[Path]:
    for place in places:
        if place.path is not None:
            yield place.path.parent
            if place.is_users and place.path.is_symlink():  # its target is replaced, not the link
                yield Path(realpath(place.path)).parent


def _open(
    node: DataNodeConfig, place: Place, core: CoreConfig, memory: MutableMapping[str, Any]
) -> Storage:
    opening = Opening(
        node=node.id,
        options=node.options,
        key=place.key,
        path=place.path,
        memory=memory,
        load=load,
        durable=core.durability is Durability.POWER,
    )
    return open_storage(node.storage_type, opening)


def _function_of(task: TaskConfig) -> FunctionRef:
    assert task.function is not None, "check refuses a task without a function"
    return task.function


def _default_digest(value: Any) -> str | None:
    """Tells one default from another; None where that cannot be told."""
    try:
        data = f"function {value}".encode() if isinstance(value, FunctionRef) else _pickled(value)
    except Exception:  # noqa: BLE001 - the user's __reduce__ raises anything
        return None
    return hashlib.sha256(data).hexdigest()[:16]


def _pickled(value: Any) -> bytes:
    return pickle.dumps(value, protocol=5)


def _first_rows(
    due: Iterable[tuple[DataNodeConfig, str | None]], instance: Instance
) -> Iterator[NodeRow]:
    for node, digest in due:
        place = instance.places[node.id]
        if place.path is not None:
            stamp = _stamp(place.path)
            yield NodeRow(place.key, "default", None, None, time(), digest, stamp)


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


def _is_due(row: NodeRow | None, storage: Storage, place: Place, digest: str | None) -> bool:
    if not storage.exists():
        return True
    if row is None or row.origin != "default":  # a user's own file, a task's, this run's memory
        return False
    return row.digest != digest and place.path is not None and row.stamp == _stamp(place.path)


def _stamp(path: Path) -> str | None:
    """Tells a file from what somebody made of it since."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _no_value(key: KeyPath, node_id: str, plan: ExecutionPlan) -> Diagnostic:
    message = f"`{node_id}` has no value"
    related = (Related(message=f"`{node_id}` is declared here", key=("DATA_NODE", node_id)),)
    hint = f"give [DATA_NODE.{node_id}] a `default_data` or a `path`"
    if plan.not_selected:
        hint = "select the task that writes it too, for example with --to"
    return Diagnostic(
        code="RUN206", key=key, message=message, hint=hint, severity=Severity.ERROR, related=related
    )
