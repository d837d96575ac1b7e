"""What is said of a module or a name that is not there."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import attrs

from runner.diagnostics import Place, Position
from runner.functions.bindings import Block
from runner.functions.modules import Modules, ModuleSource, Unreadable, module_names
from runner.suggestions import nearest

_MOST_SEARCHED: Final = 200
"""Modules in which a name is looked for that stands in another one."""


@attrs.frozen(kw_only=True)
class NotFound:
    """Nothing that can be called.

    Attributes:
        code: RUN301 no such module, RUN302 no such name in it, RUN303 there, but not callable.
        message: for a diagnostic.
        hint: for a diagnostic.
        place: what to show of a source: a syntax error, an import that fails, the value that is
            not callable.
    """

    code: str
    message: str
    hint: str | None = None
    place: Place | None = None


def cannot_be_read(modules: Modules, source: ModuleSource, problem: Unreadable) -> NotFound:
    file = modules.shown(source.path) if source.path else source.name
    where = f"{file}, line {problem.place.start.line}" if problem.place else file
    message = f"module `{source.name}` cannot be read: {problem.reason} ({where})"
    return NotFound(code="RUN301", message=message, place=problem.place)


def no_module(modules: Modules, name: str) -> NotFound:
    parent, _, tail = name.rpartition(".")
    source = modules.find(parent) if parent else None
    hint = _below(modules, source, tail) if source else _at_top(modules, name)
    return NotFound(code="RUN301", message=f"no module `{name}`", hint=hint)


def no_name(
    modules: Modules,
    message: str,
    name: str,
    blocks: Sequence[tuple[ModuleSource, Block]],
    submodules: Sequence[str] | None = None,
) -> NotFound:
    """A name that neither the blocks bind nor the submodules bear; None: those of a class."""
    bound = [each for _, block in blocks for each in block.names]
    if name == "py":
        return NotFound(code="RUN302", message=message, hint="name the module without `.py`")
    meant = nearest(name, [*bound, *(submodules or ())])
    hint = None
    if meant is not None:
        hint = f"did you mean `{meant}`?{_whereabouts(modules, meant, blocks)}"
    elif submodules is not None and (other := modules.companion(_definitions).get(name)):
        hint = f"did you mean `{other}`?"
    return NotFound(code="RUN302", message=message, hint=hint)


def place_of(modules: Modules, node: ast.stmt | ast.expr, home: ModuleSource) -> Place | None:
    """Where a definition stands: its first words, not its body."""
    if home.path is None:
        return None
    start = Position(node.lineno, node.col_offset + 1)
    return Place(modules.shown(home.path), start, _header_end(node, start))


def _whereabouts(modules: Modules, name: str, blocks: Sequence[tuple[ModuleSource, Block]]) -> str:
    for home, block in blocks:
        place = place_of(modules, block.names[name][-1].node, home) if name in block.names else None
        if place is not None:
            return f" It is at {place.file}:{place.start.line}:{place.start.column}"
    return ""


def _definitions(modules: Modules) -> dict[str, str]:
    """Where the application defines functions and classes: by name, the first dotted one."""
    found: dict[str, str] = {}
    for source in islice(_own_sources(modules), _MOST_SEARCHED):
        tree = modules.parse(source)
        for node in tree.body if isinstance(tree, ast.Module) else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.setdefault(node.name, f"{source.name}.{node.name}")
    return found


def _own_sources(modules: Modules) -> Iterator[ModuleSource]:
    """The modules of the application, and those one level below them."""
    for name in module_names(modules.search_path[:1]):
        source = modules.find(name)
        if source is not None:
            yield source
            below = (modules.find(f"{name}.{each}") for each in modules.submodules(source))
            yield from (each for each in below if each is not None)


def _below(modules: Modules, parent: ModuleSource, name: str) -> str | None:
    if not parent.is_package:
        return f"`{parent.name}` is a module, not a package"
    names = modules.submodules(parent)
    meant = nearest(name, names)
    if meant is not None:
        return f"did you mean `{parent.name}.{meant}`?"
    return _alike(modules, name, {each: f"{parent.name}.{each}" for each in names})


def _at_top(modules: Modules, name: str) -> str | None:
    """Only a module of the application is suggested: `functions` is no misspelt `fractions`."""
    own = module_names(modules.search_path[:1])
    meant = nearest(name, own)
    if meant is not None:
        return f"did you mean `{meant}`?"
    if modules.search_path and name == Path(modules.search_path[0]).name:
        return f"names start inside of `{name}`: leave it out"
    alike = _alike(modules, name, {each: each for each in own})
    return alike or _where_searched(modules, name)


def _where_searched(modules: Modules, name: str) -> str | None:
    for folder in modules.search_path[:1]:
        return f"there is no {name}.py in {folder or '.'}, and no such module is installed"
    return None


def _alike(modules: Modules, name: str, candidates: Mapping[str, str]) -> str | None:
    """A module whose name begins like this one."""
    for short, full in candidates.items():
        if short.startswith(name) or (len(short) > 2 and name.startswith(short)):
            found = modules.find(full)
            if found is not None and found.path is not None:
                return f"there is `{modules.shown(found.path)}`"
    return None


def _header_end(node: ast.stmt | ast.expr, start: Position) -> Position:
    match node:
        case ast.FunctionDef(name=name):
            return Position(start.line, start.column + len(f"def {name}"))
        case ast.AsyncFunctionDef(name=name):
            return Position(start.line, start.column + len(f"async def {name}"))
        case ast.ClassDef(name=name):
            return Position(start.line, start.column + len(f"class {name}"))
    return Position(node.end_lineno or start.line, (node.end_col_offset or 0) + 1)
