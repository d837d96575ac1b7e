"""A large config that was loaded before, kept by the content of what it was loaded from.

A file of the cache is a line that says what it is, a digest of the rest, and the rest: a pickle
whose classes are those of the config and no others, so that reading a foreign one runs nothing
but the module of an installed storage type, which whoever names that type runs as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import runner
from runner.config import plugins
from runner.config.document import Layer

MOST_KEPT: Final = 8
"""Files of one cache folder."""

_HEAD: Final = b"runner config cache 3\n"
_SUFFIX: Final = ".config"
_MODULES: Final = frozenset(
    {
        "runner.config.model",
        "runner.config.options",
        "runner.config.references",
        "runner.diagnostics",
    }
)
_OTHERS: Final = frozenset(
    {
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("builtins", "frozenset"),
        ("pathlib", "PosixPath"),
        ("pathlib", "WindowsPath"),
    }
)
_UNKEPT: Final = ("env[", "password", "secret", "token", "access_key", "broker_url")
_STORAGE_FOLDER: Final = re.compile(r"^\s*storage_folder\s*=\s*[\"']([^\"'\n]*)[\"']", re.MULTILINE)


def is_kept(layers: Sequence[Layer]) -> bool:
    """Whether a config may be kept: it holds no secret and reads no environment."""
    if any(not layer.name for layer in layers):
        return False
    lowered = [(layer.text or layer.name).lower() for layer in layers]
    return not any(word in text for text in lowered for word in _UNKEPT)


def folder_of(layers: Sequence[Layer], application_path: Path) -> Path:
    """Where the cache of a config is; told from its text, since it is asked before parsing.

    A wrong guess costs time and nothing else: what counts is the content.
    """
    texts = [layer.text for layer in layers if layer.text and "storage_folder" in layer.text]
    found = [match[1] for text in texts for match in _STORAGE_FOLDER.finditer(text)]
    return application_path / (found[-1] if found else ".runner") / "cache"


def read(folder: Path, layers: Sequence[Layer]) -> Any:
    """What was kept for layers that say the same; None where nothing (whole) was."""
    try:
        data = (folder / _name(layers)).read_bytes()
    except (OSError, ValueError):
        return None
    head, digest, body = data[: len(_HEAD)], data[len(_HEAD) :][:32], data[len(_HEAD) + 32 :]
    if head != _HEAD or hashlib.sha256(body).digest() != digest:
        return None
    try:
        return _Reader(io.BytesIO(body)).load()
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it can be made again
        return None


def write(folder: Path, layers: Sequence[Layer], value: Any) -> None:
    """Keep what was loaded. What cannot be kept is not: nobody relies on it."""
    with contextlib.suppress(OSError, pickle.PicklingError, TypeError, RecursionError):
        body = pickle.dumps(value, protocol=5)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _drop_oldest(folder)
        descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_HEAD + hashlib.sha256(body).digest() + body)
            Path(temporary).replace(folder / _name(layers))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


class _Reader(pickle.Unpickler):
    """Makes nothing but configs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module in _MODULES and "." not in name) or (module, name) in _OTHERS:
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        for options in plugins.storage_types().values():
            if (options.__module__, options.__qualname__) == (module, name):
                return options
        raise pickle.UnpicklingError(f"{module}.{name} is none of a config's classes")


def _name(layers: Sequence[Layer]) -> str:
    digest = hashlib.sha256(f"{runner.__version__} {sys.version}".encode())
    for layer in layers:
        text = (layer.name if layer.text is None else layer.text).encode("utf-8", "surrogatepass")
        digest.update(f"\0{len(text)}\0".encode())
        digest.update(text)
    return digest.hexdigest()[:32] + _SUFFIX


def _drop_oldest(folder: Path) -> None:
    kept = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in kept[MOST_KEPT - 1 :]:
        file.unlink(missing_ok=True)
