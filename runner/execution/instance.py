"""A scenario with its data nodes opened: which files they are, and what reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime
from os.path import dirname, realpath
from pathlib import Path
from typing import Any

import attrs

from runner.config.model import Config, CoreConfig, DataNodeConfig, Durability, Frequency
from runner.data.files import remove_strays
from runner.data.storage import Opening, Storage
from runner.data.storages import open_storage, runs
from runner.errors import SetupError
from runner.execution.importing import load
from runner.store.places import Place, cycle_of, place_of


@attrs.frozen(kw_only=True)
class Instance:
    """A scenario with data nodes of its own.

    Attributes:
        name: the scenario's.
        created: when it was made.
        cycle: the name of its cycle; None: it belongs to none.
        places: its data nodes by id.
        files: those of them that are files.
        storages: what reads and writes them, by id.
    """

    name: str
    created: datetime
    cycle: str | None
    places: Mapping[str, Place]
    files: Mapping[str, Place]
    storages: Mapping[str, Storage]


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
    cycle = None if frequency is None else cycle_of(frequency, created)
    places = {
        node.id: place_of(
            node,
            scenario=name,
            cycle=cycle,
            storage_folder=storage_folder(config),
            application_path=config.application_path,
        )
        for node in nodes
    }
    storages = {
        node.id: open_storage(
            node.storage_type, opening_of(node, places[node.id], config.core, memory)
        )
        for node in nodes
        if runs(node.storage_type)
    }
    files = {node_id: place for node_id, place in places.items() if place.path is not None}
    return Instance(
        name=name, created=created, cycle=cycle, places=places, files=files, storages=storages
    )


def opened(node: DataNodeConfig, instance: Instance) -> Storage:
    """What reads and writes a data node of a scenario.

    Raises:
        SetupError: RUN509, its storage type does not run in this version.
    """
    try:
        return instance.storages[node.id]
    except KeyError:
        message = f"storage type `{node.storage_type}` does not run in this version"
        raise SetupError(message, code="RUN509") from None


def remove_leftovers(instance: Instance) -> None:
    """Remove the temporary files that dead processes left beside those of the data nodes."""
    for folder in set(_folders(instance.files.values())):
        remove_strays(Path(folder))


def _folders(places: Iterable[Place]) -> Iterator[str]:
    for place in places:
        if place.path is not None:
            yield dirname(str(place.path))  # noqa: PTH120 - a Path of each takes ten times as long
            if place.is_users and place.path.is_symlink():  # its target is replaced, not the link
                yield dirname(realpath(place.path))  # noqa: PTH120 - as above


def opening_of(
    node: DataNodeConfig, place: Place, core: CoreConfig, memory: MutableMapping[str, Any]
) -> Opening:
    """What the storage of a data node is opened with."""
    return Opening(
        node=node.id,
        options=node.options,
        key=place.key,
        path=place.path or place.database,
        memory=memory,
        load=load,
        durable=core.durability is Durability.POWER,
    )
