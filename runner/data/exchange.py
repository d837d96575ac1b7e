"""Values from and to files that a user names, in the format that a file's suffix says."""

from __future__ import annotations

from os.path import isdir, isfile
from pathlib import Path
from typing import Any

import attrs

from runner.checker.rules.storage import SUFFIXES
from runner.config.options import STORAGE_TYPES, FileOptions, JsonOptions, TabularOptions
from runner.data.files import NodeFile
from runner.data.plain import plain
from runner.data.storage import Opening, Staged, Storage, write_all
from runner.data.storages import open_storage
from runner.data.tables import count_rows
from runner.errors import JobError, UsageError


def stage_from(file: Path, opening: Opening, storage_type: str) -> Staged:
    """Make ready what a file holds, of which all is read first, so that only what is right gets in.

    A file of the data node's own format is then copied as it is.

    Args:
        file: the file; where its suffix tells no format, it has the data node's own.
        opening: of the data node.
        storage_type: of it.

    Raises:
        UsageError: there is no such file, or the data node does not take its format.
        JobError: RUN604, it is not what its suffix says; RUN605 and RUN606 as of `Storage.stage`.
        SetupError: RUN509, RUN402, what reads that format is missing.
    """
    if not _is_file(file):
        what = f"{file} is a folder, not a file" if _is_folder(file) else f"no file {file}"
        raise UsageError(what)
    otherwise = storage_type if isinstance(opening.options, FileOptions) else None
    format_ = _format(file, opening, storage_type, otherwise)
    if format_ != otherwise:
        _check_takes(file, opening, format_)
        return open_storage(storage_type, opening).stage(_opened(file, opening, format_).read())
    value = open_storage(storage_type, attrs.evolve(opening, path=file)).read()
    if _is_folder(opening.path):  # in which the data node is kept, in several files
        return open_storage(storage_type, opening).stage(value)
    return NodeFile.of(opening).stage_copy(str(file), rows_of(value, opening))


def write_to(file: Path, opening: Opening, storage_type: str) -> None:
    """Write the value of a data node to a file, in one step; one of the same format is a copy.

    Args:
        file: the file; its suffix tells the format.
        opening: of the data node.
        storage_type: of it.

    Raises:
        UsageError: the suffix tells no format, or it is the data node's own file.
        JobError: RUN604, RUN605, RUN606, as of a storage.
        SetupError: RUN509, RUN402, what writes that format is missing.
    """
    storage = open_storage(storage_type, opening)
    format_ = _format(file, opening, storage_type, None)
    if format_ == storage_type and opening.path is not None and _is_file(opening.path):
        if _is_file(file) and file.samefile(opening.path):
            raise UsageError(f"{file} is the data node's own file")
        copy = NodeFile(opening.node, str(file), durable=False).stage_copy(str(opening.path))
        copy.commit()
        return
    target = _opened(file, opening, format_)
    value = storage.read()
    if issubclass(STORAGE_TYPES[format_], JsonOptions):
        value = _as_json(value, file, opening)
    try:
        write_all([(target, value)])
    except JobError as error:
        raise JobError(f"{file}: {error}", code=error.code, hint=error.hint) from error.__cause__


def rows_of(value: Any, opening: Opening) -> int | None:
    """How many rows a value has as a table of a data node; None: it is none."""
    is_records = isinstance(opening.options, TabularOptions) and isinstance(value, list)
    return len(value) if is_records else count_rows(value)


def _format(file: Path, opening: Opening, storage_type: str, otherwise: str | None) -> str:
    """The storage type of which a file is, told from its suffix."""
    path = opening.path if isinstance(opening.options, FileOptions) else None
    if path is not None and file.suffix == path.suffix:
        return storage_type
    found = SUFFIXES.get(file.suffix.lower(), otherwise)
    if found is None:
        told = f"`{file.suffix}` tells no format" if file.suffix else f"{file} has no suffix"
        raise UsageError(told, hint=f"name it with one of {', '.join(SUFFIXES)}")
    return found


def _check_takes(file: Path, opening: Opening, format_: str) -> None:
    """What is kept in a file and is no table, is made of no table."""
    options = opening.options
    is_table = issubclass(STORAGE_TYPES[format_], TabularOptions)
    if is_table and isinstance(options, FileOptions) and not isinstance(options, TabularOptions):
        own = dict.fromkeys([f".{options.extension}", ".json", ".p"])
        message = f"data node `{opening.node}` takes no {format_} file: {file}"
        raise UsageError(message, hint=f"it takes one of {', '.join(own)}")


def _opened(file: Path, opening: Opening, format_: str) -> Storage:
    """What reads and writes a file of another format than the data node's."""
    options = STORAGE_TYPES[format_]()
    if isinstance(options, TabularOptions):
        node = opening.options
        exposed = node.exposed_type if isinstance(node, TabularOptions) else "records"
        options = attrs.evolve(options, exposed_type=exposed)
    return open_storage(format_, attrs.evolve(opening, options=options, path=file, durable=False))


def _as_json(value: Any, file: Path, opening: Opening) -> Any:
    try:
        return plain(value)
    except ValueError as error:
        message = f"{file}: data node `{opening.node}` does not go into JSON: {error}"
        raise JobError(message, code="RUN606", hint="name a file of another format") from None


def _is_file(path: Path) -> bool:
    return isfile(path)  # noqa: PTH113 - Path raises where a folder may not be entered


def _is_folder(path: Path | None) -> bool:
    return path is not None and isdir(path)  # noqa: PTH112 - as above
