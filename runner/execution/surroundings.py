"""What surrounds a config where it is checked: files, the storage folder, the broker, as they are.

Nothing of the user's is run and nothing is written. Others may change all of it at any time: what
is right here may be wrong when a run gets there.
"""

# Paths are text here: Path raises where a folder on the way may not be entered.
# ruff: noqa: PTH100, PTH110, PTH112, PTH113, PTH118, PTH120, PTH208

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

import attrs

from runner.checker.rules.storage import path_key, users_files, uses_of
from runner.config.brokers import split_brokers, why_no_broker
from runner.config.model import UNSET, Config, DataNodeConfig, Mode
from runner.config.options import ParquetOptions
from runner.data.files import destination
from runner.data.folders import holds_parts, why_not_replaced
from runner.data.parquet_file import is_parquet
from runner.data.storage import reason
from runner.diagnostics import Diagnostic
from runner.errors import SetupError
from runner.execution.cluster import variables
from runner.execution.cluster.broker import broker_of
from runner.execution.instance import storage_folder
from runner.execution.preparation import no_file
from runner.store.database import on_network
from runner.store.mounts import MOUNTS, network_of
from runner.suggestions import nearest

PATIENCE: Final = 2.0
"""Seconds within which a server must answer."""


def wrong_surroundings(config: Config) -> Iterator[Diagnostic]:
    """Everything around a config that keeps it from running."""
    if () in config.unread:  # a whole file is missing, and who knows what it declares
        return
    yield from missing_files(config)
    yield from unwritable_files(config)
    yield from unusable_storage_folder(config)
    yield from unreachable_broker(config)


def missing_files(config: Config) -> Iterator[Diagnostic]:
    """A file that is named and that no task makes is there, and may be read."""
    if any(_may_hide_outputs(key) for key in config.unread):
        return
    written = uses_of(config).written
    meant = {nearest(each, config.data_nodes) for each in written - config.data_nodes.keys()}
    for node, path in _known_files(config):
        if node.id in written | meant or node.default_data is not UNSET:
            continue
        if not _is_there(node, path):
            yield _with_nearest(no_file(node, path), path)
        elif not os.access(path, os.R_OK):
            message = f"no permission to read {path}"
            yield Diagnostic(code="RUN404", key=path_key(node), message=message)


def unwritable_files(config: Config) -> Iterator[Diagnostic]:
    """A file that a task writes can be written; folders on the way to it are made."""
    written = uses_of(config).written
    for node, path in _known_files(config):
        is_first_value = node.default_data is not UNSET and not os.path.exists(path)
        if node.id in written or is_first_value:
            why = _why_not_writable(node, path)
            if why is not None:
                message = f"{path} cannot be written: {why}"
                yield Diagnostic(code="RUN405", key=path_key(node), message=message)


def unusable_storage_folder(config: Config, mounts: Path = MOUNTS) -> Iterator[Diagnostic]:
    """The storage folder can be written, or made; but in cluster mode it is on no network."""
    if ("CORE", "storage_folder") in config.unread:
        return
    folder = storage_folder(config)
    why = _why_no_room(os.path.abspath(folder))
    network = None if config.job.mode is Mode.CLUSTER else network_of(folder, mounts)
    if network is not None:
        error = on_network(folder, network)
        key = ("CORE", "storage_folder")
        yield Diagnostic(code="RUN508", key=key, message=str(error), hint=error.hint)
    if why is not None:
        yield Diagnostic(
            code="RUN508",
            key=("CORE", "storage_folder"),
            message=f"storage folder: {folder} cannot be used: {why}",
            hint="look at its permissions, or set [CORE] storage_folder to another",
        )


def unreachable_broker(
    config: Config, patience: float = PATIENCE, environ: Mapping[str, str] = os.environ
) -> Iterator[Diagnostic]:
    """In cluster mode, the broker is there, lets us in, and has workers; nothing is sent to it.

    Of several brokers, separated by `;`, one is enough.
    """
    key = ("JOB", "broker_url")
    if config.job.mode is not Mode.CLUSTER or key in config.unread:
        return
    text = broker_of(config.job, environ)
    why = why_no_broker(text)
    if why is not None:
        if text != config.job.broker_url:  # else `check` has told it
            yield Diagnostic(code="RUN501", key=key, message=f"`{variables.BROKER}` {why}")
        return
    refusals = []
    hint: str | None = "is it running? [JOB] broker_url says where it is"
    for url in split_brokers(text):
        refusal = _why_unreachable(url, patience)
        if refusal is None:
            try:
                yield from _missing_workers(url, config.job.queue, patience)
            except SetupError as error:
                refusal, hint = str(error), error.hint
            else:
                return
        refusals.append(refusal)
    yield Diagnostic(code="RUN501", key=key, message="; ".join(refusals), hint=hint)


def _may_hide_outputs(key: tuple[str | int, ...]) -> bool:
    """Whether what could not be read may say that a task writes, or that a scenario has it."""
    match key:
        case ("TASK" | "SCENARIO",) | ("TASK" | "SCENARIO", _):
            return True
        case ("TASK", _, "outputs", *_) | ("SCENARIO", _, "tasks", *_):
            return True
    return False


def _known_files(config: Config) -> Iterator[tuple[DataNodeConfig, str]]:
    for node_id, path in users_files(config):
        if ("DATA_NODE", node_id, "default_data") not in config.unread:
            yield config.data_nodes[node_id], path


def _is_there(node: DataNodeConfig, path: str) -> bool:
    if os.path.isfile(path):
        return True
    return isinstance(node.options, ParquetOptions) and holds_parts(path)


def _with_nearest(missing: Diagnostic, path: str) -> Diagnostic:
    """The diagnostic with what the file, or a folder on the way to it, was meant to be."""
    while not os.path.lexists(os.path.dirname(path)):
        path = os.path.dirname(path)
    folder, name = os.path.split(path)
    names: list[str] = []
    with suppress(OSError, ValueError):
        names = [] if os.path.lexists(path) else os.listdir(folder)
    meant = nearest(name, names)
    if meant is None:
        return missing
    return attrs.evolve(missing, hint=f"did you mean {os.path.join(folder, meant)}?")


def _why_not_writable(node: DataNodeConfig, path: str) -> str | None:
    if isinstance(node.options, ParquetOptions) and os.path.isdir(path):
        final = os.path.realpath(path)
        return why_not_replaced(final, is_parquet) or _why_no_room(os.path.dirname(final))
    final = path
    try:
        final, _ = destination(path)
    except NotADirectoryError:
        pass  # told with its name below
    except ValueError:  # Python's words for it differ from version to version
        return "the name holds a null character"
    except OSError as error:
        return _said(error)
    return _why_no_room(os.path.dirname(final))


def _why_no_room(folder: str) -> str | None:
    """Why no file can be made in a folder, which is made itself where it is missing."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        return f"{folder} is no folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"no permission to write in {folder}"
    return None


def _why_unreachable(url: str, patience: float) -> str | None:
    """Why nothing can be reached there; None where something listens."""
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    why = _why_no_connection(host, port, patience)
    return None if why is None else f"no broker at {host}:{port}: {why}"


def _missing_workers(url: str, queue: str, patience: float) -> Iterator[Diagnostic]:
    """There are workers, as far as the broker tells.

    Raises:
        SetupError: RUN501, it lets nobody in who comes with that URL.
    """
    from runner.execution.cluster.link import count_workers  # it takes ssl

    with suppress(ImportError):  # what speaks to brokers is not installed: `check` has told it
        if count_workers(url, queue, patience) == 0:
            message = f"no worker takes jobs from queue `{queue}`: they would wait for one"
            hint = "start one: runner run-worker --application-path DIR"
            yield Diagnostic(code="RUN502", key=("JOB", "queue"), message=message, hint=hint)


def _why_no_connection(host: str, port: int, patience: float) -> str | None:
    answers: SimpleQueue[str | None] = SimpleQueue()

    def connect() -> None:
        try:
            socket.create_connection((host, port)).close()
        except (OSError, UnicodeError) as error:  # the latter for a host that is no name
            answers.put(_said(error))
        else:
            answers.put(None)

    # Looking up a name knows no time limit: what takes too long is left behind.
    Thread(target=connect, daemon=True).start()
    try:
        return answers.get(timeout=patience)
    except Empty:
        return f"no answer within {patience:g} s"


def _said(error: Exception) -> str:
    why = reason(error)
    return why[:1].lower() + why[1:]
