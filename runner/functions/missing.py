"""What is said of a module or a name that is not there."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

import attrs

from runner.diagnostics import Place, Position
from runner.functions.bindings import Block
from runner.functions.modules import Modules, ModuleSource, Unreadable, module_names
from runner.suggestions import nearest


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
    submodules: Sequence[str] = (),
) -> NotFound:
    """A name that neither the blocks bind nor the submodules bear."""
    bound = [each for _, block in blocks for each in block.names]
    meant = nearest(name, [*bound, *submodules])
    hint = (
        None if meant is None else f"did you mean `{meant}`?{_whereabouts(modules, meant, blocks)}"
    )
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


def _below(modules: Modules, parent: ModuleSource, name: str) -> str | None:
    if not parent.is_package:
        return f"`{parent.name}` is a module, not a package"
    names = modules.submodules(parent)
    meant = nearest(name, names)
    if meant is not None:
        return f"did you mean `{parent.name}.{meant}`?"
    return _alike(modules, name, {each: f"{parent.name}.{each}" for each in names})


def _at_top(modules: Modules, name: str) -> str | None:
    for folders in (modules.search_path[:1], modules.search_path[1:]):
        meant = nearest(name, module_names(folders))
        if meant is not None:
            return f"did you mean `{meant}`?"
    own = module_names(modules.search_path[:1])
    alike = _alike(modules, name, {each: each for each in own})
    searched = [f"searched: {folder or '.'}" for folder in modules.search_path[:1]]
    return alike or next(iter(searched), None)


def _alike(modules: Modules, name: str, candidates: Mapping[str, str]) -> str | None:
    """A module whose name begins like this one."""
    for short, full in candidates.items():
        if short.startswith(name) or name.startswith(short):
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
