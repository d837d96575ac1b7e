"""What a package needs that brings a storage type of its own.

It declares an entry point in the group `runner.storages`, named as the storage type and leading to
a `StorageType`:

    [project.entry-points."runner.storages"]
    text = "runner_text:STORAGE_TYPE"

`options` is a class of keys: fields of `str`, `bool`, `int`, `float`, `timedelta`, `FunctionRef`,
`Mapping[str, Any]`, `tuple[str, ...]`, `tuple[Any, ...]` or `Any`, or one of these or None, each
with a default. A field's `metadata` may say `{"required": True}`, `{"choices": ("a", "b")}` or
`{"minimum": 1}`, and its validator may refuse a value. Class variables say the
`extension` of files that runner names, and the `packages` without which nothing is read or written.
`open` names the function that takes an `Opening` and gives a `Storage`; whatever goes wrong there
is a `JobError`. `runner.testing` checks that it does as it promises.

`examples/plugin` of runner's source is such a package.
"""

from __future__ import annotations

from runner.config.options import FileOptions, StorageOptions, StorageType, TabularOptions
from runner.config.references import FunctionRef
from runner.data.files import NodeFile, StagedFile
from runner.data.storage import (
    Mark,
    Opening,
    Staged,
    Storage,
    no_value,
    read_failed,
    reason,
    write_failed,
)
from runner.errors import JobError

__all__ = [
    "FileOptions",
    "FunctionRef",
    "JobError",
    "Mark",
    "NodeFile",
    "Opening",
    "Staged",
    "StagedFile",
    "Storage",
    "StorageOptions",
    "StorageType",
    "TabularOptions",
    "no_value",
    "read_failed",
    "reason",
    "write_failed",
]
