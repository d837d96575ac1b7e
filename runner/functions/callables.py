"""What an application's own modules offer to call; nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from runner.functions.modules import ModuleKind, Modules, ModuleSource, module_names
from runner.functions.names import HOPS, Class, Function, Module, Names, OneOf, Partial, Unknown

NOBODY: Final = "no name of anybody's choice"
"""A module that may have a name that is no identifier may have any."""


@attrs.frozen(kw_only=True)
class Callables:
    """What an application's own modules offer to call, as dotted names.

    Attributes:
        modules: the top modules whose names are all in `functions` and `others`.
        functions: public functions and classes where they are defined, and what of a class can be
            called without an instance.
        others: what else is there and may be called, itself or a part of it.
    """

    modules: tuple[str, ...]
    functions: tuple[str, ...]
    others: tuple[str, ...]


def callables_of(modules: Modules, folder: Path) -> Callables:
    """Read every module below a folder that a top name of it leads to."""
    names = modules.companion(Names)
    closed: list[str] = []
    offered: list[str] = []
    others: list[str] = []
    for top in _modules_in(folder, modules):
        sources = list(_with_submodules(top, modules))
        found = [_offered(source, names) for source in sources]
        offered += [name for each in found for name in each]
        others += [name for source in sources for name in _callable(source, names)]
        if any(found) and all(_is_closed(source, names) for source in sources):
            closed.append(top.name)
    return Callables(
        modules=tuple(closed),
        functions=tuple(offered),
        others=tuple(sorted(set(others) - set(offered))),
    )


def _modules_in(folder: Path, modules: Modules) -> Iterator[ModuleSource]:
    for name in module_names([str(folder)]):
        source = modules.find(name)
        if source is not None and _lies_in(source, folder) and not modules.hides_standard(name):
            yield source


def _lies_in(source: ModuleSource, folder: Path) -> bool:
    """Whether it is of the application, and no virtual environment that stands beside it."""
    places = [Path(each) for each in source.locations or ()] or [source.path or Path()]
    return all(
        place.is_relative_to(folder) and not (place / "pyvenv.cfg").exists() for place in places
    )


def _with_submodules(
    source: ModuleSource, modules: Modules, above: frozenset[Path] = frozenset()
) -> Iterator[ModuleSource]:
    """A module and all below it; a folder that leads back to one above it is left out."""
    places = {Path(each).resolve() for each in source.locations or ()}
    if places & above:
        return
    yield source
    for name in modules.submodules(source):
        below = modules.find(f"{source.name}.{name}")
        if below is not None:
            yield from _with_submodules(below, modules, above | places)


def _is_closed(source: ModuleSource, names: Names) -> bool:
    if source.kind is ModuleKind.NAMESPACE:
        return True
    return not isinstance(names.member(Module(source), NOBODY, HOPS), Unknown)


def _callable(source: ModuleSource, names: Names) -> Iterator[str]:
    """The names that a module binds to what may be called."""
    for name in names.bound_names(source):
        thing = names.member(Module(source), name, HOPS)
        if isinstance(thing, Function | Class | Partial | OneOf | Unknown):
            yield f"{source.name}.{name}"


def _offered(source: ModuleSource, names: Names) -> list[str]:
    """The public functions and classes that a module defines itself."""
    offered: list[str] = []
    for name in names.bound_names(source):
        thing = names.member(Module(source), name, HOPS)
        if name.startswith("_") or not isinstance(thing, Function | Class | Partial):
            continue
        if thing.home.name == source.name:
            offered.append(f"{source.name}.{name}")
            offered += [f"{source.name}.{name}.{each}" for each in _methods(thing)]
    return offered


def _methods(thing: Function | Class | Partial) -> Iterator[str]:
    """What of a class can be called without an instance."""
    for node in thing.node.body if isinstance(thing, Class) else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {each.id for each in node.decorator_list if isinstance(each, ast.Name)}
            if decorators & {"classmethod", "staticmethod"} and not node.name.startswith("_"):
                yield node.name
