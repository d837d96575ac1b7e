"""What the statements at the top of a module are for: to bind a name, to fill it, or to be run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from runner.functions.bindings import Binding, read_block
from runner.functions.mentions import chain_of, is_type_checking

Definition: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Placed: TypeAlias = tuple[ast.stmt, tuple[ast.AST, ...]]
"""A statement and the heads of those around it."""

DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@attrs.frozen(eq=False)
class Statement:
    """A statement, or the head of a compound one, with what decides whether it is run.

    Attributes:
        node: the statement.
        parts: what of it and of the statements around it counts, to be read in this order.
        imported: what it imports under the name in question.
    """

    node: ast.stmt
    parts: tuple[ast.AST, ...]
    imported: ast.alias | None = None


@attrs.frozen(eq=False)
class Loose:
    """A statement that binds nothing: it puts something somewhere, or has an effect of its own.

    Attributes:
        statement: itself.
        chain: the name, with attributes, of what is filled or called; empty where that is unclear.
        is_call: whether it is a bare call of that.
    """

    statement: Statement
    chain: tuple[str, ...]
    is_call: bool = False

    @property
    def label(self) -> str:
        return ".".join(self.chain) + "()" * self.is_call


@attrs.frozen(eq=False)
class Outline:
    """The statements of a module that are run when it is imported, by what they are for.

    Attributes:
        names: what binds a name, and what fills it afterwards.
        stars: the modules of `from … import *`, as written.
        loose: what is none of these.
        imports: modules as written, with the names that are taken from them.
        definitions: functions and classes that are handed to others: decorated or derived ones.
    """

    names: Mapping[str, Sequence[Statement]]
    stars: tuple[str, ...]
    loose: tuple[Loose, ...]
    imports: tuple[tuple[str, tuple[str, ...]], ...]
    definitions: tuple[Definition, ...]


def outline_of(tree: ast.Module) -> Outline:
    """Sort the statements of a module; those that only a type checker or a script runs left out."""
    placed = {id(node): (node, above) for node, above in _placed(tree.body)}
    block = read_block(tree.body)
    names: dict[str, list[Statement]] = {}
    for name, bindings in block.names.items():
        bound = [
            _binding(each, placed[id(each.node)][1]) for each in bindings if id(each.node) in placed
        ]
        if bound:
            names[name] = bound
    for name, statement in _walruses(placed.values()):
        names.setdefault(name, []).append(statement)
    loose: list[Loose] = []
    for found in _loose(placed.values()):
        own = names.get(found.chain[0]) if found.chain and not found.is_call else None
        if own and all(each.imported is None for each in own):
            own.append(found.statement)
        else:
            loose.append(found)
    nodes = [node for node, _ in placed.values()]
    return Outline(
        names=names,
        stars=tuple(
            written(each.node)
            for each in block.stars
            if isinstance(each.node, ast.ImportFrom) and id(each.node) in placed
        ),
        loose=tuple(loose),
        imports=tuple(_imports(nodes)),
        definitions=tuple(
            node
            for node in nodes
            if isinstance(node, DEFINITIONS)
            and (node.decorator_list or (isinstance(node, ast.ClassDef) and node.bases))
        ),
    )


def written(node: ast.ImportFrom) -> str:
    """The module that `from … import` names: `..pkg.mod`."""
    return "." * node.level + (node.module or "")


def _binding(binding: Binding, above: tuple[ast.AST, ...]) -> Statement:
    if isinstance(binding.value, ast.alias):  # what it imports is told apart from the statement
        return Statement(binding.node, above, binding.value)
    return Statement(binding.node, (*above, *_head(binding.node)))


def _walruses(placed: Iterable[_Placed]) -> Iterator[tuple[str, Statement]]:
    for node, above in placed:
        if isinstance(node, ast.If | ast.While):
            for each in ast.walk(node.test):
                if isinstance(each, ast.NamedExpr):
                    yield each.target.id, Statement(node, (*above, node.test))


def _placed(body: Sequence[ast.stmt]) -> Iterator[_Placed]:
    """The statements that are run, those inside of others too, with the heads they are under."""
    waiting: list[_Placed] = [(node, ()) for node in reversed(body)]
    while waiting:
        node, above = waiting.pop()
        if is_type_checking(node) or _is_main_guard(node):
            waiting += [(each, above) for each in reversed(getattr(node, "orelse", ()))]
            continue
        yield node, above
        if not isinstance(node, DEFINITIONS):
            inside = [(each, (*above, *head)) for each, head in _inside(node)]
            waiting += reversed(inside)


def _inside(node: ast.stmt) -> Iterator[_Placed]:
    """The statements directly inside one, with the head of their block.

    A text before the head tells the blocks of a statement from each other.
    """
    head = _head(node)
    for part in ("body", "orelse", "finalbody"):
        mark = ast.Constant(f"{type(node).__name__} {part}")
        yield from ((each, (mark, *head)) for each in getattr(node, part, ()))
    for handler in getattr(node, "handlers", ()):
        caught = () if handler.type is None else (handler.type,)
        yield from ((each, (ast.Constant("except"), *caught)) for each in handler.body)
    if isinstance(node, ast.Match):
        for case in node.cases:
            guard = () if case.guard is None else (case.guard,)
            yield from ((each, (node.subject, case.pattern, *guard)) for each in case.body)


def _head(node: ast.stmt) -> tuple[ast.AST, ...]:
    """What of a statement is run besides the blocks in it."""
    match node:
        case ast.If() | ast.While():
            return (node.test,)
        case ast.For() | ast.AsyncFor():
            return (node.iter, node.target)
        case ast.With() | ast.AsyncWith():
            return tuple(node.items)
        case ast.Try() | ast.TryStar():
            return tuple(each.type for each in node.handlers if each.type is not None)
        case ast.Match():
            return (node.subject, *(each.pattern for each in node.cases))
    return (node,)


def _loose(placed: Iterable[_Placed]) -> Iterator[Loose]:
    for node, above in placed:
        statement = Statement(node, (*above, node))
        match node:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                for target in targets:
                    yield from _filled(target, statement)
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                yield from _filled(target, statement)
            case ast.Expr(value=ast.Constant()):
                pass
            case ast.Expr(value=ast.Call(func=func)):
                chain = chain_of(func)
                is_call = len(chain) == 1
                yield Loose(statement, chain if is_call else chain[:-1], is_call)
            case ast.Expr() | ast.Assert() | ast.Raise():
                yield Loose(statement, ())


def _filled(target: ast.expr, statement: Statement) -> Iterator[Loose]:
    match target:
        case ast.Attribute(value=inner) | ast.Subscript(value=inner):
            chain = chain_of(target if isinstance(target, ast.Attribute) else inner)
            yield Loose(statement, chain)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for each in elements:
                yield from _filled(each, statement)
        case ast.Name() if isinstance(statement.node, ast.Delete):
            yield Loose(statement, (target.id,))


def _imports(nodes: Sequence[ast.stmt]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield written(node), tuple(alias.name for alias in node.names)


def _is_main_guard(node: ast.stmt) -> bool:
    match node:
        case ast.If(
            test=ast.Compare(
                left=ast.Name("__name__"), ops=[ast.Eq()], comparators=[ast.Constant("__main__")]
            )
        ):
            return True
    return False
