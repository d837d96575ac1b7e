"""What is installed beside the application: of which distribution a module is, in which version."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from runner.functions.modules import Modules, ModuleSource

PYTHON: Final = "Python"

_STANDARD_LIBRARY: Final = Path(os.__file__).parent
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_SEPARATORS: Final = re.compile(r"[-_.]+")


@attrs.frozen
class Installed:
    """A top module that is not of the application.

    Attributes:
        name: of the module; `Python` for all of the standard library.
        version: of its distribution, with its name where that is another one. Without a
            distribution: a digest of the names, sizes and times of its files. Empty: not there.
    """

    name: str
    version: str


@attrs.frozen(eq=False)
class Installations:
    """Looks up what is installed, each top module once."""

    modules: Modules
    _known: dict[str, Installed] = attrs.field(factory=dict, init=False, repr=False)
    _listed: dict[str, list[str]] = attrs.field(factory=dict, init=False, repr=False)

    def of(self, name: str) -> Installed:
        """What a dotted name of a module leads to, as far as its top module tells."""
        top = name.partition(".")[0]
        if top not in self._known:
            self._known[top] = self._look_up(top)
        return self._known[top]

    def _look_up(self, top: str) -> Installed:
        python = Installed(PYTHON, f"{sys.version_info.major}.{sys.version_info.minor}")
        if top == PYTHON:
            return python
        source = self.modules.find(top)
        if source is None:
            return Installed(top, "")
        places = _places(source)
        if _is_standard(top, places):
            return python
        folders = dict.fromkeys(str(place.parent) for place in places)
        found = [each for folder in folders for each in self._distributions(folder, top)]
        return Installed(top, ", ".join(sorted(set(found))) or contents_of(places))

    def _distributions(self, folder: str, top: str) -> Iterator[str]:
        """The distributions in a folder that hold the module, those of its own name first."""
        listed = self._entries(folder)
        same = [each for each in listed if _module_name(each) == _normal(top)]
        for entry in same:
            if _holds(folder, entry, top):
                yield _version(entry)
                return
        for entry in listed:
            if entry not in same and _holds(folder, entry, top):
                yield _told(entry)

    def _entries(self, folder: str) -> list[str]:
        """The folders `name-version.dist-info`, and what Debian and old tools write for them.

        See the specification of the Python Packaging Authority, "Recording installed projects".
        """
        if folder not in self._listed:
            # Beside the source of an editable install, `.egg-info` tells of any time before.
            is_installed = Path(folder).name in _INSTALLED
            ends = (".dist-info", ".egg-info") if is_installed else (".dist-info",)
            try:
                entries = sorted(os.listdir(folder))  # noqa: PTH208 - names are all we need
            except OSError:  # in a zip file, or gone
                entries = []
            self._listed[folder] = [each for each in entries if each.endswith(ends)]
        return self._listed[folder]


def is_of_application(source: ModuleSource, application: Path) -> bool:
    """Whether a module lies in the application, and not in an environment inside of it."""
    places = _places(source)
    return bool(places) and all(
        place.is_relative_to(application)
        and _INSTALLED.isdisjoint(place.relative_to(application).parts)
        for place in places
    )


def contents_of(places: Sequence[Path]) -> str:
    """A digest of the names, sizes and times of files and of all files in folders."""
    digest = hashlib.blake2b(digest_size=8)
    waiting = [*map(str, places)]
    while waiting:
        place = waiting.pop()
        try:
            if os.path.isdir(place):  # noqa: PTH112 - there may be thousands
                entries = sorted(os.listdir(place), reverse=True)  # noqa: PTH208
                waiting += [f"{place}/{each}" for each in entries if each != "__pycache__"]
                continue
            status = os.stat(place)  # noqa: PTH116
        except OSError:
            continue
        told = f"{place}\0{status.st_size}\0{status.st_mtime_ns}\0"
        digest.update(told.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _places(source: ModuleSource) -> list[Path]:
    """The folders of a package, else the file of a module."""
    if source.locations:
        return [Path(each) for each in source.locations]
    return [source.path] if source.path is not None else []


def _is_standard(top: str, places: Sequence[Path]) -> bool:
    if not places:  # built in or frozen
        return top in sys.stdlib_module_names or top in sys.builtin_module_names
    return any(
        place.is_relative_to(_STANDARD_LIBRARY) and _INSTALLED.isdisjoint(place.parts)
        for place in places
    )


def _holds(folder: str, entry: str, top: str) -> bool:
    """Whether a distribution says that a top module is of it."""
    for file in ("RECORD", "top_level.txt"):
        try:
            # As bytes, since some are long and there may be hundreds.
            listed = b"\n" + Path(folder, entry, file).read_bytes()
        except OSError:
            continue
        name = b"\n" + top.encode()
        return any(name + end in listed for end in (b"/", b".", b"\n", b"\r")) or (
            listed.endswith(name)
        )
    return _module_name(entry) == _normal(top)


def _module_name(entry: str) -> str:
    return _normal(entry.partition("-")[0].removesuffix(".egg"))


def _normal(name: str) -> str:
    return _SEPARATORS.sub("_", name).lower()


def _version(entry: str) -> str:
    """`2.2.3` of `pandas-2.2.3.dist-info`; `1.0` of `old-1.0-py3.11.egg-info`."""
    parts = entry.rpartition(".")[0].split("-")
    return parts[1] if len(parts) > 1 else "installed"


def _told(entry: str) -> str:
    return f"{entry.partition('-')[0]} {_version(entry)}"
