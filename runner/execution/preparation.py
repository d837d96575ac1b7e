"""What must be there before the first job runs: modes and storages that run, first values."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os.path import isdir
from time import time
from typing import Any

from runner.checker.rules.storage import path_key
from runner.config.model import UNSET, DataNodeConfig
from runner.config.options import FileOptions, ParquetOptions, SqlTableOptions
from runner.config.references import FunctionRef
from runner.data.storage import Storage
from runner.diagnostics import Diagnostic, KeyPath, Related, Severity
from runner.execution.instance import Instance
from runner.execution.skipping import known_mark
from runner.plan.model import ExecutionPlan
from runner.store.store import NodeRow, Store


def write_defaults(
    plan: ExecutionPlan,
    instance: Instance,
    store: Store,
    write: Callable[[Sequence[DataNodeConfig]], None],
) -> Mapping[str, NodeRow]:
    """Give data nodes their first values, and new ones where the config now says another.

    A value that a task or a user wrote is never replaced.

    Args:
        plan: whose data nodes.
        instance: where they are.
        store: says what wrote them last, and is told.
        write: writes the first values of these, all or none; `Executor.write_first`.

    Returns:
        What wrote all data nodes last, by key.
    """
    known = store.data_nodes()
    due = list(due_defaults(plan, instance, known))
    if not due:
        return known
    write([node for node, _ in due])
    store.record_written(_first_rows(due, instance))
    return store.data_nodes()


def due_defaults(
    plan: ExecutionPlan, instance: Instance, known: Mapping[str, NodeRow]
) -> Iterator[tuple[DataNodeConfig, str | None]]:
    """The data nodes whose default data is to be written, each with a digest of that.

    Args:
        plan: whose data nodes.
        instance: where they are.
        known: what wrote their values last, by key.
    """
    for node in plan.data_nodes.values():
        if node.default_data is not UNSET:
            place, digest = instance.places[node.id], _default_digest(node.default_data)
            if _is_due(known.get(place.key), instance.storages[node.id], digest):
                yield node, digest


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
    what = f"no file {path}"
    if isdir(path):  # noqa: PTH112 - Path raises where a folder may not be entered
        may_be_one = isinstance(node.options, ParquetOptions)
        what = f"no parquet file in {path}" if may_be_one else f"{path} is a folder, not a file"
    return Diagnostic(
        code="RUN404",
        key=path_key(node),
        message=what,
        hint="relative paths start at the application path, the folder of the first config file",
    )


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
        mark = instance.storages[node.id].mark()
        if mark is not None:
            row = NodeRow(place.key, "default", None, None, time(), digest, mark.stamp)
            yield row._replace(size=mark.size, rows=mark.rows, fingerprint=mark.fingerprint)
        elif node.options.lasts:
            yield NodeRow(place.key, "default", None, None, time(), digest)


def _is_due(row: NodeRow | None, storage: Storage, digest: str | None) -> bool:
    if not storage.exists():
        return True
    if row is None or row.origin != "default":  # a user's own file, a task's, this run's memory
        return False
    return row.digest != digest and _is_as_recorded(row, storage)


def _is_as_recorded(row: NodeRow, storage: Storage) -> bool:
    """Whether nobody has made anything else of it since."""
    mark = storage.mark(known_mark(row))
    return mark is not None and mark.stamp == row.stamp


def _no_value(key: KeyPath, node_id: str, plan: ExecutionPlan) -> Diagnostic:
    message = f"`{node_id}` has no value"
    related = (Related(message=f"`{node_id}` is declared here", key=("DATA_NODE", node_id)),)
    options = plan.data_nodes[node_id].options
    hint = f"give [DATA_NODE.{node_id}] a `default_data`"
    if isinstance(options, FileOptions):
        hint += " or a `path`"
    if isinstance(options, SqlTableOptions):
        hint = f"make the table `{options.table_name}`, or {hint}"
    if plan.not_selected:
        hint = "select the task that writes it too, for example with --to"
    return Diagnostic(
        code="RUN206", key=key, message=message, hint=hint, severity=Severity.ERROR, related=related
    )
