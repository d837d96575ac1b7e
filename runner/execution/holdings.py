"""What data nodes hold and who wrote it, told from files and the store; no value is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os.path import isdir
from typing import Final

import attrs

from runner.config.model import DataNodeConfig
from runner.config.options import FileOptions
from runner.data.files import stamp_of
from runner.errors import RunnerError
from runner.execution.instance import Instance, opened
from runner.store.places import Place
from runner.store.store import NodeRow

OUTSIDE: Final = "outside"
"""The origin of a value that was not written through runner, or was changed since."""


@attrs.frozen(kw_only=True)
class Holding:
    """What a data node holds.

    Attributes:
        node: the data node.
        place: where it is.
        exists: whether there is a value; None: nobody can tell, for the `problem`.
        origin: `task`, `default`, `user`, or `OUTSIDE`; None: there is no value, or nobody knows.
        run, task: what wrote it, for `task`.
        written: seconds since 1970, UTC.
        size: in bytes.
        rows: of a table.
        fingerprint: of the content.
        problem: why nobody can tell whether there is a value.
    """

    node: DataNodeConfig
    place: Place
    exists: bool | None = False
    origin: str | None = None
    run: str | None = None
    task: str | None = None
    written: float | None = None
    size: int | None = None
    rows: int | None = None
    fingerprint: str | None = None
    problem: RunnerError | None = None


def holdings_of(
    nodes: Iterable[DataNodeConfig], instance: Instance, rows: Mapping[str, NodeRow]
) -> Iterator[Holding]:
    """What data nodes of a scenario hold.

    Args:
        nodes: the data nodes.
        instance: the scenario.
        rows: where all values that the store knows of come from, by key. A file may have been
            written for another scenario, which names the same.
    """
    by_stamp = {row.stamp: row for row in rows.values() if row.stamp is not None}
    for node in nodes:
        yield _holding(node, instance, rows.get(instance.places[node.id].key), by_stamp)


def _holding(
    node: DataNodeConfig,
    instance: Instance,
    row: NodeRow | None,
    by_stamp: Mapping[str, NodeRow],
) -> Holding:
    place = instance.places[node.id]
    nothing = Holding(node=node, place=place)
    try:
        exists = opened(node, instance).exists()
    except RunnerError as error:
        return attrs.evolve(nothing, exists=None, problem=error)
    if not exists:
        return nothing
    is_file = isinstance(node.options, FileOptions) and place.path is not None
    if is_file and not isdir(str(place.path)):  # noqa: PTH112 - Path raises where it may not look
        return _of_file(nothing, by_stamp)
    return attrs.evolve(nothing, exists=True) if row is None else _recorded(nothing, row)


def _of_file(nothing: Holding, by_stamp: Mapping[str, NodeRow]) -> Holding:
    path = nothing.place.path
    assert path is not None, "what is kept in a file has a path"
    try:
        found = path.stat()
    except OSError:  # it has just gone
        return nothing
    row = by_stamp.get(stamp_of(found))
    if row is not None:
        return _recorded(nothing, row)
    return attrs.evolve(
        nothing, exists=True, origin=OUTSIDE, written=found.st_mtime, size=found.st_size
    )


def _recorded(nothing: Holding, row: NodeRow) -> Holding:
    return attrs.evolve(
        nothing,
        exists=True,
        origin=row.origin,
        run=row.run,
        task=row.task,
        written=row.written,
        size=row.size,
        rows=row.rows,
        fingerprint=row.fingerprint,
    )
