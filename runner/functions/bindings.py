"""What a block of source, a module or a class body, binds: read from its statements alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

_DISPLAYS: Final[Mapping[type[ast.expr], str]] = {
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.JoinedStr: "str",
    ast.List: "list",
    ast.ListComp: "list",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
}
_NAMESPACE_READERS: Final = frozenset({"globals", "exec", "setattr", "__path__"})
_LOCAL_READERS: Final = frozenset({"locals", "vars"})
_LOGGERS: Final = frozenset({"getLogger", "get_logger", "getChild"})


@attrs.frozen(eq=False)
class Binding:
    """One statement that gives a name its meaning.

    Attributes:
        node: the statement.
        value: what is assigned or imported, where the name gets exactly that.
        sure: whether it is run whenever the block is.
        order: its rank in the block.
    """

    node: ast.stmt
    value: ast.expr | ast.alias | None
    sure: bool
    order: int

    @property
    def is_star(self) -> bool:
        return isinstance(self.value, ast.alias) and self.value.name == "*"


@attrs.frozen(eq=False)
class Block:
    """The bindings of a block by name, and its star imports, which may bind any."""

    names: Mapping[str, Sequence[Binding]]
    stars: Sequence[Binding]

    def candidates(self, name: str) -> list[Binding]:
        """The bindings that may be the last one to be run, in their order."""
        bindings = sorted([*self.names.get(name, ()), *self.stars], key=lambda each: each.order)
        last = 0
        for index, binding in enumerate(bindings):
            if binding.sure and not binding.is_star:
                last = index
        return bindings[last:]

    def is_settled(self, name: str, line: int) -> bool:
        """Whether a name that is used in that line means there what it means in the end."""
        own = self.names.get(name, ())
        if not own:
            return True
        is_only = len(own) == 1 and not self.stars
        return is_only and (own[0].node.end_lineno or line) < line

    def exported(self) -> frozenset[str] | None:
        """The names in `__all__`; None where it is not a plain list of them."""
        bindings = self.names.get("__all__", ())
        value = bindings[0].value if len(bindings) == 1 else None
        if not isinstance(value, ast.List | ast.Tuple):
            return None
        names = [each.value for each in value.elts if isinstance(each, ast.Constant)]
        texts = [name for name in names if isinstance(name, str)]
        return frozenset(texts) if len(texts) == len(value.elts) else None


def read_block(body: Sequence[ast.stmt]) -> Block:
    """Read the bindings of a block, those in its `if`, `try` and `with` statements too.

    A name that a function inside declares `global` counts: it may be set at any time.
    """
    names: dict[str, list[Binding]] = {}
    order = 0
    waiting = [(node, True) for node in reversed(body)]
    while waiting:
        node, sure = waiting.pop()
        for name, value in _bound(node):
            names.setdefault(name, []).append(Binding(node, value, sure=sure, order=order))
            order += 1
        for name, declaration in _declared_global(node):
            names.setdefault(name, []).append(Binding(declaration, None, sure=False, order=order))
            order += 1
        waiting += [(inner, False) for inner in reversed(_run_inside(node))]
    return Block(names, names.pop("*", []))


def hidden_names(tree: ast.Module) -> frozenset[str] | None:
    """Names that a module may set in other ways than its statements show.

    Those are attributes that are set on anything, and targets of `:=`. None: any name may be set,
    since the module gets hold of its own namespace.
    """
    names: set[str] = set()
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, deep = waiting.pop()
        if _reaches_namespace(node) or (not deep and _reaches_scope(node)):
            return None
        match node:
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.NamedExpr(target=ast.Name(name)):
                names.add(name)
        deep = deep or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting += [(child, deep) for child in ast.iter_child_nodes(node)]
    return frozenset(names)


def uncallable_type(value: ast.expr) -> str | None:
    """The type of a literal that cannot be called; None where only running tells."""
    match value:
        case ast.Constant(value=constant):
            # None and `...` are what a name holds that is set later.
            return None if constant in (None, ...) else type(constant).__name__
        case ast.UnaryOp(operand=ast.Constant(value=int() | float() as number)):
            return type(number).__name__
    return _DISPLAYS.get(type(value))


def _bound(node: ast.stmt) -> Iterator[tuple[str, ast.expr | ast.alias | None]]:
    """The names that a statement binds by itself, with what they get."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            if not any(map(_is_overload, node.decorator_list)):
                yield node.name, None
        case ast.Import():
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias
        case ast.ImportFrom():
            for alias in node.names:
                yield alias.asname or alias.name, alias
        case ast.Assign():
            for target in node.targets:
                yield from _targets(target, node.value)
        case ast.AnnAssign() | ast.AugAssign():
            value = node.value if isinstance(node, ast.AnnAssign) else None
            yield from _targets(node.target, value)
        case _:
            yield from ((name, None) for name in _bound_by_header(node))


def _bound_by_header(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.For() | ast.AsyncFor():
            yield from _stored(node.target)
        case ast.With() | ast.AsyncWith():
            for item in node.items:
                yield from _stored(item.optional_vars) if item.optional_vars else ()
        case ast.Try() | ast.TryStar():
            yield from (each.name for each in node.handlers if each.name)
        case ast.Match():
            for case in node.cases:
                yield from _captured(case.pattern)
        case _ if type(node).__name__ == "TypeAlias":  # Python 3.12
            yield from _stored(node)


def _targets(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    else:
        yield from ((name, None) for name in _stored(target))


def _stored(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id


def _captured(pattern: ast.pattern) -> Iterator[str]:
    for each in ast.walk(pattern):
        match each:
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name


def _run_inside(node: ast.stmt) -> list[ast.stmt]:
    """The statements inside one that are run with the block, or may be."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return []
    if isinstance(node, ast.If) and _is_main_guard(node.test):
        return node.orelse
    return _inside(node)


def _inside(node: ast.stmt) -> list[ast.stmt]:
    """The statements directly inside one, in the order of the source."""
    found: list[ast.stmt] = []
    for part in ("body", "handlers", "cases", "orelse", "finalbody"):
        for child in getattr(node, part, ()):
            found += [child] if isinstance(child, ast.stmt) else child.body
    return found


def _declared_global(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """The names that functions in a definition declare `global`, with the declarations."""
    is_definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    waiting = [node] if is_definition else []
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.Global):
            yield from ((name, each) for name in each.names)
        waiting += _inside(each)


def _is_main_guard(test: ast.expr) -> bool:
    match test:
        case ast.Compare(
            left=ast.Name("__name__"), ops=[ast.Eq()], comparators=[ast.Constant("__main__")]
        ):
            return True
    return False


def _is_overload(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Name("overload") | ast.Attribute(attr="overload"):
            return True
    return False


def _reaches_namespace(node: ast.AST) -> bool:
    match node:
        case ast.Name(name):
            return name in _NAMESPACE_READERS
        case ast.Attribute(value=ast.Name(name), attr="modules"):
            return name.endswith("sys")
        case ast.ImportFrom(module="sys", names=names):
            return any(alias.name in {"modules", "*"} for alias in names)
    return False


def _reaches_scope(node: ast.AST) -> bool:
    """Whether code outside of functions gets hold of a namespace."""
    match node:
        case ast.Name(name):
            return name in _LOCAL_READERS
        case ast.Attribute(attr="__dict__"):
            return True
        case ast.Call(
            func=ast.Name(name) | ast.Attribute(attr=name), args=[ast.Name("__name__"), *_]
        ):
            return name not in _LOGGERS
    return False
