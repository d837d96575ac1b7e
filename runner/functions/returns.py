"""How many values a function returns, as its `return` statements are written."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import attrs

from runner.functions.bindings import uncallable_type
from runner.functions.names import FunctionNode

_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@attrs.frozen
class Returned:
    """What is returned at one place.

    Attributes:
        text: for a message: `3 values`, `a str`.
        count: of the values in a tuple or list; None for what cannot be taken apart.
        node: where it stands; None for a function that ends without a `return`.
    """

    text: str
    count: int | None
    node: ast.stmt | ast.expr | None = attrs.field(default=None, eq=False, repr=False)


def returned(function: FunctionNode) -> Sequence[Returned]:
    """What a function may return; empty where that is not sure.

    Sure are displays, `return a, b` and `return [a, b]`, and values that are no tuple and no list.
    Of a generator, of a function that raises or is not written yet, nothing is.
    """
    if isinstance(function, ast.Lambda):
        found = [_value(function.body, function)]
    else:
        own = list(_own_nodes(function))
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own):
            return ()
        found = [_value(node.value, node) for node in own if isinstance(node, ast.Return)]
        if not found and not _is_unfinished(function.body, own):
            return (Returned("nothing", None),)
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else ()


def values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


def with_article(type_name: str) -> str:
    return f"{'an' if type_name[0].lower() in 'aeiou' else 'a'} {type_name}"


def _own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Everything in the body of a function but the insides of what has a scope of its own."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _OWN_SCOPE):
            waiting += reversed(list(ast.iter_child_nodes(node)))


def _value(value: ast.expr | None, node: ast.stmt | ast.expr) -> Returned | None:
    match value:
        case None | ast.Constant(value=None):
            return Returned("None", None, node)
        case ast.Tuple(parts) | ast.List(parts):
            has_star = any(isinstance(part, ast.Starred) for part in parts)
            return None if has_star else Returned(values(len(parts)), len(parts), node)
        case ast.ListComp():
            return None
        case ast.Constant(value=constant) if constant is not ...:
            return Returned(with_article(type(constant).__name__), None, node)
    type_name = uncallable_type(value)
    return Returned(with_article(type_name), None, node) if type_name else None


def _is_unfinished(body: Sequence[ast.stmt], own: Sequence[ast.AST]) -> bool:
    """Whether it only raises, or has no body yet."""
    has_body = any(
        not isinstance(node, ast.Pass)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in body
    )
    return not has_body or any(isinstance(node, ast.Raise) for node in own)
