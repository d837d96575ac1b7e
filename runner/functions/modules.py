"""Where a dotted module name leads: the source, found part by part; nothing is imported."""

from __future__ import annotations

import ast
import enum
import os
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import (
    SOURCE_SUFFIXES,
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    all_suffixes,
)
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from zipimport import zipimporter

import attrs

from runner.config.model import Config
from runner.diagnostics import Place, Position

SIZE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of source above which a module is not read."""

T = TypeVar("T")


class ModuleKind(enum.StrEnum):
    """What there is to read of a module."""

    SOURCE = "source"
    COMPILED = "compiled"  # C, built in, frozen, bytecode, or of a loader that is not Python's own
    NAMESPACE = "namespace"


class Finder(Protocol):
    """An entry of `sys.meta_path`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, /
    ) -> ModuleSpec | None: ...  # pragma: no cover


@attrs.frozen(kw_only=True)
class ModuleSource:
    """A module that is there.

    Attributes:
        name: its dotted name.
        kind: what there is to read of it.
        path: its file; None where it has none.
        locations: the folders of its submodules; None where it is no package.
        archive: reads `path` where that lies in a zip file.
    """

    name: str
    kind: ModuleKind
    path: Path | None = None
    locations: tuple[str, ...] | None = None
    archive: zipimporter | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def is_package(self) -> bool:
        return self.locations is not None

    @property
    def package(self) -> str:
        """What its relative imports start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@attrs.frozen(kw_only=True)
class Unreadable:
    """Why a source gives no tree.

    Attributes:
        reason: lower case, for the end of a message.
        place: where in the file, if at one place.
        refused: whether Python refuses the file too; otherwise it is only too much for us.
    """

    reason: str
    place: Place | None = None
    refused: bool = True


def installed_finders() -> tuple[Finder, ...]:
    """What `sys.meta_path` holds beside Python's own: editable installs, mostly."""
    own: tuple[object, ...] = (BuiltinImporter, FrozenImporter, PathFinder)
    return tuple(finder for finder in sys.meta_path if finder not in own)


@attrs.frozen(eq=False)
class Modules:
    """The modules that a task's function may come from. Each is looked for and read once.

    Attributes:
        search_path: folders and zip files, the application path first.
        base: file names are told from here where they lie below it.
        finders: asked about what the search path does not have.
    """

    search_path: tuple[str, ...]
    base: Path = attrs.field(factory=Path.cwd, kw_only=True)
    finders: tuple[Finder, ...] = attrs.field(factory=installed_finders, kw_only=True, repr=False)
    _found: dict[str, ModuleSource | None] = attrs.field(factory=dict, init=False, repr=False)
    _trees: dict[str, ast.Module | Unreadable] = attrs.field(factory=dict, init=False, repr=False)
    _companions: dict[object, Any] = attrs.field(factory=dict, init=False, repr=False)

    def find(self, name: str) -> ModuleSource | None:
        """The module of that dotted name, or None; none of its parents is imported either."""
        if name in self._found:
            return self._found[name]
        found: ModuleSource | None = None
        for prefix in prefixes(name):
            if prefix not in self._found:
                self._found[prefix] = self._below(found, prefix)
            found = self._found[prefix]
            if found is None:
                break
        self._found[name] = found
        return found

    def parse(self, source: ModuleSource) -> ast.Module | Unreadable:
        """The tree of a module; an empty one where there is no source by nature."""
        if source.name not in self._trees:
            self._trees[source.name] = self._parse(source)
        return self._trees[source.name]

    def companion(self, make: Callable[[Modules], T]) -> T:
        """The one `make(self)` of this instance: for what others work out and keep."""
        if make not in self._companions:
            self._companions[make] = make(self)
        kept: T = self._companions[make]
        return kept

    def shown(self, path: Path) -> str:
        """A file as it is told to the user."""
        return (path.relative_to(self.base) if path.is_relative_to(self.base) else path).as_posix()

    def submodules(self, source: ModuleSource) -> list[str]:
        """Names of what lies in a package's folders, in order; for suggestions only."""
        return module_names(source.locations or ())

    def hides_standard(self, name: str) -> bool:
        """Whether a module has the name of a standard one, which may be loaded already."""
        top = name.partition(".")[0]
        source = self.find(top)
        if top not in sys.stdlib_module_names or source is None or source.path is None:
            return False
        return not source.path.is_relative_to(Path(os.__file__).parent)

    def _parse(self, source: ModuleSource) -> ast.Module | Unreadable:
        if source.kind is not ModuleKind.SOURCE or source.path is None:
            return ast.Module(body=[], type_ignores=[])
        try:
            data = _read(source.path, source.archive)
        except OSError as error:
            return Unreadable(reason=(error.strerror or str(error)).lower())
        except (ImportError, zlib.error):
            return Unreadable(reason="its archive is damaged")
        return parse_source(data, self.shown(source.path))

    def _below(self, parent: ModuleSource | None, name: str) -> ModuleSource | None:
        if parent is None:
            return self._top(name)
        return None if parent.locations is None else self._on_path(name, parent.locations)

    def _top(self, name: str) -> ModuleSource | None:
        # Python asks these two first, and `__main__` is whatever was started.
        if name in sys.builtin_module_names or name == "__main__" or FrozenImporter.find_spec(name):
            return ModuleSource(name=name, kind=ModuleKind.COMPILED)
        return self._on_path(name, None)

    def _on_path(self, name: str, locations: Sequence[str] | None) -> ModuleSource | None:
        # By its last part: for a dotted name, PathFinder asks the parent in sys.modules
        # where a namespace package lies.
        tail = name.rpartition(".")[2]
        if not tail.isidentifier():
            return None
        path = self.search_path if locations is None else locations
        spec = PathFinder.find_spec(tail, path)
        if spec is not None:
            return _from_spec(name, spec)
        return self._ask_finders(name, locations)

    def _ask_finders(self, name: str, locations: Sequence[str] | None) -> ModuleSource | None:
        for finder in self.finders:
            try:
                spec = finder.find_spec(name, locations)
            except Exception:  # noqa: BLE001 - others' code, and their failure tells nothing
                return ModuleSource(name=name, kind=ModuleKind.COMPILED)
            if spec is not None:
                return _from_spec(name, spec)
        return None


def modules_of(config: Config) -> Modules:
    """Where the functions of a config are looked up: the application path, then `sys.path`."""
    return Modules((str(config.application_path), *filter(None, sys.path)))


def prefixes(name: str) -> Iterator[str]:
    """`a.b.c`: `a`, `a.b`, `a.b.c`."""
    end = name.find(".")
    while end != -1:
        yield name[:end]
        end = name.find(".", end + 1)
    yield name


def module_names(folders: Sequence[str]) -> list[str]:
    """What could be imported from these folders."""
    names: dict[str, None] = {}
    for folder in folders:
        try:
            entries = sorted(os.listdir(folder or "."))  # noqa: PTH208 - names are all we need
        except OSError:
            continue
        names.update(dict.fromkeys(filter(str.isidentifier, map(_stem, entries))))
    names.pop("__pycache__", None)
    names.pop("__init__", None)
    return list(names)


def parse_source(data: bytes, file: str) -> ast.Module | Unreadable:
    """Parse as Python would, or say why not."""
    if len(data) > SIZE_LIMIT:
        return Unreadable(reason=f"larger than {SIZE_LIMIT >> 20} MiB", refused=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string is the user's affair
            return ast.parse(data, file)
    except SyntaxError as error:
        return _refusal(error, file)
    except (RecursionError, MemoryError):
        return Unreadable(reason="nested too deeply", refused=False)
    except ValueError as error:
        return Unreadable(reason=str(error))


def _refusal(error: SyntaxError, file: str) -> Unreadable:
    if not error.lineno:
        return Unreadable(reason=error.msg)
    start = Position(error.lineno, max(error.offset or 1, 1))
    end = Position(error.end_lineno or error.lineno, error.end_offset or 0)
    end = max(end, Position(start.line, start.column + 1))
    return Unreadable(reason=error.msg, place=Place(file, start, end))


def _from_spec(name: str, spec: ModuleSpec) -> ModuleSource:
    folders = spec.submodule_search_locations
    locations = None if folders is None else tuple(folders)
    if spec.loader is None:
        return ModuleSource(name=name, kind=ModuleKind.NAMESPACE, locations=locations)
    path = Path(spec.origin) if spec.origin and spec.has_location else None
    is_source = isinstance(spec.loader, SourceFileLoader | zipimporter) and (
        path is not None and path.suffix in SOURCE_SUFFIXES
    )
    return ModuleSource(
        name=name,
        kind=ModuleKind.SOURCE if is_source else ModuleKind.COMPILED,
        path=path,
        locations=locations,
        archive=spec.loader if isinstance(spec.loader, zipimporter) else None,
    )


def _read(path: Path, archive: zipimporter | None) -> bytes:
    if archive is not None:
        return archive.get_data(str(path))
    with path.open("rb") as file:
        return file.read(SIZE_LIMIT + 1)


def _stem(entry: str) -> str:
    """The module name of a folder's entry: `f` of `f.py`, `f.cpython-311.so` and `f`."""
    for suffix in sorted(all_suffixes(), key=len, reverse=True):
        if entry.endswith(suffix):
            return entry.removesuffix(suffix)
    return entry
