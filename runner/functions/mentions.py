"""What a piece of source says, its layout left aside, and which names from outside it mentions."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import attrs

MentionKind: TypeAlias = Literal["name", "module", "runs"]

FILLS: Final = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "extend",
        "insert",
        "register",
        "setdefault",
        "update",
    }
)
"""Methods that put something into what they are called on."""

_WHOLE_NAMESPACE: Final = frozenset({"eval", "exec", "globals"})
_ANNOTATIONS_READ_BY: Final = frozenset(
    {"beartype", "inject", "register", "typechecked", "validate_arguments", "validate_call"}
)
"""Last names of decorators to which the annotations of a function are more than a remark."""

_UNSAID: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores", "type_params"})
_ORDERS: Final[Mapping[type[ast.AST], tuple[str, ...]]] = {
    ast.Assign: ("value", "targets"),  # as they are run: a class body may name what it binds later
    ast.AugAssign: ("value", "op", "target"),
    ast.For: ("iter", "target", "body", "orelse"),
    ast.AsyncFor: ("iter", "target", "body", "orelse"),
}
_FIELDS: Final[Mapping[type[ast.AST], tuple[str, ...]]] = {
    cls: tuple(field for field in reversed(_ORDERS.get(cls, cls._fields)) if field not in _UNSAID)
    for cls in vars(ast).values()
    if isinstance(cls, type) and issubclass(cls, ast.AST)
}
"""What a kind of node has that says something, the last first: it goes on a stack."""


@attrs.frozen
class Mention:
    """A name that means something outside of the piece that was read.

    Attributes:
        kind: "name": of the module the piece stands in; "module": `root` is a module, as an import
            inside of the piece names it (`..pkg.mod`); "runs": that import itself, which runs it.
        root: the name, or the module.
        chain: the attributes that are taken from it, as far as they are written one after another.
        filled: whether something is put into it there.
    """

    kind: MentionKind
    root: str
    chain: tuple[str, ...] = ()
    filled: bool = False

    @property
    def is_namespace(self) -> bool:
        """Whether the whole module in which it is used is meant, if it does not bind the name."""
        return self.kind == "name" and self.root in _WHOLE_NAMESPACE


@attrs.frozen(eq=False)
class Reading:
    """A piece of source that was read.

    Attributes:
        text: the same for two pieces whose syntax trees are, but for docstrings, annotations and
            statements that do nothing.
        mentions: each once, in their order.
    """

    text: str
    mentions: tuple[Mention, ...]


def read(nodes: Sequence[ast.AST]) -> Reading:
    """Read statements or expressions that stand at the top of a module."""
    reader = _Reader()
    reader.read(nodes)
    return Reading("\n".join(reader.said), tuple(dict.fromkeys(reader.mentions())))


def chain_of(node: ast.AST) -> tuple[str, ...]:
    """`a.b.c` as its parts; empty for what does not begin with a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else ()


def is_type_checking(node: ast.stmt) -> bool:
    """Whether it is `if TYPE_CHECKING:`, which is never true when the code is run."""
    return isinstance(node, ast.If) and chain_of(node.test)[-1:] == ("TYPE_CHECKING",)


@attrs.frozen(eq=False)
class _Scope:
    """Where names are bound: the top, a function, a class, or a comprehension.

    Attributes:
        imports: what names stand for that imports in this scope bind: module and attributes.
        elsewhere: names that are declared `global` (True) or `nonlocal` (False).
        has_fields: whether it is a class whose annotations may say what its instances hold.
    """

    kind: Literal["top", "function", "class", "comprehension"]
    parent: _Scope | None = None
    bound: set[str] = attrs.field(factory=set)
    imports: dict[str, list[tuple[str, tuple[str, ...]]]] = attrs.field(factory=dict)
    elsewhere: dict[str, bool] = attrs.field(factory=dict)
    has_fields: bool = False

    def bind(self, name: str) -> None:
        if name not in self.elsewhere:
            self.bound.add(name)

    def owner(self, name: str) -> _Scope | None:
        """The scope inside of the piece that binds a name for code in this one."""
        scope: _Scope | None = self
        while scope is not None and scope.kind != "top":
            if scope.elsewhere.get(name):
                return None
            if name in scope.bound and scope.kind != "class":
                return scope
            scope = scope.parent
        return None


_Item: TypeAlias = ast.AST | str


@attrs.frozen(eq=False)
class _Reader:
    """Walks trees of any depth without recursion.

    A scope is read when the one around it is through, and names are looked up when all are:
    whether a name is local is known at the end of a function.
    """

    said: list[str] = attrs.field(factory=list)
    _seen: list[Mention | tuple[str, tuple[str, ...], bool, _Scope]] = attrs.field(factory=list)
    _scopes: deque[tuple[_Scope, list[_Item]]] = attrs.field(factory=deque)

    def read(self, nodes: Sequence[ast.AST]) -> None:
        self._scopes.append((_Scope("top"), [*reversed(nodes)]))
        while self._scopes:
            scope, items = self._scopes.popleft()
            self._read_scope(scope, items)
            self.said.append(";")

    def mentions(self) -> Iterable[Mention]:
        for seen in self._seen:
            if isinstance(seen, Mention):
                yield seen
                continue
            name, chain, filled, scope = seen
            owner = scope.owner(name)
            if owner is None:
                yield Mention("name", name, chain, filled)
            else:
                for module, path in owner.imports.get(name, ()):
                    yield Mention("module", module, path + chain, filled)

    def _read_scope(self, scope: _Scope, items: list[_Item]) -> None:
        """Read what is on a stack, its top first."""
        said = self.said
        while items:
            item = items.pop()
            if isinstance(item, str):
                said.append(item)
                continue
            special = _SPECIAL.get(type(item))
            if special is None:
                self._plain(item, scope, items)
            else:
                special(self, item, scope, items)

    def _plain(self, node: ast.AST, scope: _Scope, items: list[_Item]) -> None:
        self.said.append(type(node).__name__)
        for field in _FIELDS[type(node)]:
            value = getattr(node, field, None)
            if value is None:
                continue
            if isinstance(value, ast.AST):
                items += (value, field)
            elif not isinstance(value, list):
                items.append(f"{field}={value!r}")
            elif value and isinstance(value[0], ast.stmt):
                self._block(field, value, scope, items)
            elif value:
                self._list(field, value, items)

    def _list(self, field: str, values: Sequence[ast.AST | None], items: list[_Item]) -> None:
        items += ["-" if each is None else each for each in reversed(values)]
        items.append(f"{field}*{len(values)}")

    def _block(
        self, field: str, body: Sequence[ast.stmt], scope: _Scope, items: list[_Item]
    ) -> None:
        """Statements but those that do nothing."""
        meant: list[ast.AST] = []
        waiting = [*reversed(body)]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.If) and is_type_checking(node):
                waiting += reversed(node.orelse)
            elif isinstance(node, ast.AnnAssign) and node.value is None and not scope.has_fields:
                if isinstance(node.target, ast.Name):  # it makes the name a local one
                    scope.bind(node.target.id)
            elif not _says_nothing(node):
                meant.append(node)
        self._list(field, meant, items)

    def _see(self, chain: Sequence[str], scope: _Scope, *, filled: bool = False) -> None:
        name = chain[0]
        if scope.kind == "class" and name in scope.bound and not scope.elsewhere.get(name):
            for module, path in scope.imports.get(name, ()):
                self._seen.append(Mention("module", module, (*path, *chain[1:]), filled))
            return
        self._seen.append((name, tuple(chain[1:]), filled, scope))

    def name(self, node: ast.Name, scope: _Scope, _: list[_Item]) -> None:
        self.said.append(f"Name {node.id}")
        if isinstance(node.ctx, ast.Load):
            self._see((node.id,), scope)
        elif scope.elsewhere.get(node.id) or scope.kind == "top":
            self._see((node.id,), scope, filled=True)
        else:
            scope.bind(node.id)

    def attribute(self, node: ast.Attribute, scope: _Scope, items: list[_Item]) -> None:
        chain = chain_of(node)
        if chain:
            self.said.append(f"Attribute {'.'.join(chain)}")
            self._see(chain, scope, filled=not isinstance(node.ctx, ast.Load))
        else:
            self.said.append(f"Attribute of {node.attr}")
            items.append(node.value)

    def subscript(self, node: ast.Subscript, scope: _Scope, items: list[_Item]) -> None:
        chain = () if isinstance(node.ctx, ast.Load) else chain_of(node.value)
        if chain:
            self._see(chain, scope, filled=True)
        self._plain(node, scope, items)

    def call(self, node: ast.Call, scope: _Scope, items: list[_Item]) -> None:
        chain = chain_of(node.func)
        if len(chain) > 1 and chain[-1] in FILLS:
            self._see(chain[:-1], scope, filled=True)
        if chain[-1:] in (("import_module",), ("__import__",)):
            match node.args:
                case [ast.Constant(value=str(module)), *_] if not module.startswith("."):
                    self._seen.append(Mention("module", module))
        self._plain(node, scope, items)

    def constant(self, node: ast.Constant, *_: object) -> None:
        value = node.value
        # A very long number has no decimal text in Python, and `1 == True`.
        self.said.append(f"={value:#x}" if type(value) is int else f"={value!r}")

    def named(self, node: ast.NamedExpr, scope: _Scope, items: list[_Item]) -> None:
        while scope.kind == "comprehension" and scope.parent is not None:
            scope = scope.parent
        scope.bind(node.target.id)
        items += (node.value, f"NamedExpr {node.target.id}")

    def declared(self, node: ast.Global | ast.Nonlocal, scope: _Scope, _: list[_Item]) -> None:
        is_global = isinstance(node, ast.Global)
        self.said.append(f"{type(node).__name__} {' '.join(node.names)}")
        scope.elsewhere.update(dict.fromkeys(node.names, is_global))

    def captured(
        self,
        node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping,
        scope: _Scope,
        items: list[_Item],
    ) -> None:
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name is not None:
            scope.bind(name)
        self._plain(node, scope, items)

    def annotated(self, node: ast.AnnAssign, scope: _Scope, items: list[_Item]) -> None:
        if scope.has_fields:
            items += (*_annotation(node.annotation), "annotated")
        if node.value is None:
            items.append(node.target)
        else:  # the same as without the annotation
            items += (node.target, "targets*1", node.value, "value", "Assign")

    def imported(self, node: ast.Import, scope: _Scope, items: list[_Item]) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self._bind_import(scope, name, alias.name if alias.asname else name, ())
            self._seen.append(Mention("runs", alias.name))
        self._plain(node, scope, items)

    def imported_from(self, node: ast.ImportFrom, scope: _Scope, items: list[_Item]) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            self._bind_import(scope, alias.asname or alias.name, module, (alias.name,))
            self._seen.append(Mention("runs", module, (alias.name,)))
        self._plain(node, scope, items)

    def _bind_import(self, scope: _Scope, name: str, module: str, chain: tuple[str, ...]) -> None:
        if name in scope.elsewhere:  # whoever uses it finds no other trace of it
            self._seen.append(Mention("module", module, chain))
            return
        scope.bind(name)
        scope.imports.setdefault(name, []).append((module, chain))

    def function(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        scope: _Scope,
        items: list[_Item],
    ) -> None:
        self.said.append(type(node).__name__)
        args = node.args
        inner = _Scope("function", self._with_type_parameters(node, scope))
        inside: list[_Item] = []
        if isinstance(node, ast.Lambda):
            inside.append(node.body)
        else:
            scope.bind(node.name)
            self.said.append(node.name)
            self._block("body", node.body, inner, inside)
            if any(chain_of(_called(each))[-1:] in _READERS for each in node.decorator_list):
                items += _annotations(node)
            self._list("decorators", node.decorator_list, items)
        self._list("defaults", args.defaults, items)
        self._list("kw_defaults", args.kw_defaults, items)
        groups = (args.posonlyargs, args.args, [args.vararg], args.kwonlyargs, [args.kwarg])
        for group in groups:
            names = [each.arg for each in group if each is not None]
            inner.bound.update(names)
            self.said.append(",".join(names))
        self._scopes.append((inner, inside))

    def class_(self, node: ast.ClassDef, scope: _Scope, items: list[_Item]) -> None:
        scope.bind(node.name)
        self.said.append(f"ClassDef {node.name}")
        self._list("decorators", node.decorator_list, items)
        self._list("bases", node.bases, items)
        self._list("keywords", node.keywords, items)
        # A class without any of these has nobody who would look at its annotations.
        has_fields = bool(node.decorator_list or node.bases or node.keywords)
        parent = self._with_type_parameters(node, scope)
        inner = _Scope("class", parent, has_fields=has_fields)
        inside: list[_Item] = []
        self._block("body", node.body, inner, inside)
        self._scopes.append((inner, inside))

    def _with_type_parameters(self, node: ast.AST, scope: _Scope) -> _Scope:
        names = {each.name for each in getattr(node, "type_params", ())}
        return _Scope("function", scope, names) if names else scope

    def comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        scope: _Scope,
        items: list[_Item],
    ) -> None:
        inside: list[_Item] = []
        for each in reversed(node.generators):
            self._list("ifs", each.ifs, inside)
            inside += (each.target, f"for {each.is_async}", each.iter)
        # The first is evaluated where the comprehension stands.
        items += (inside.pop(), type(node).__name__)
        if isinstance(node, ast.DictComp):
            inside += (node.value, node.key)
        else:
            inside.append(node.elt)
        self._scopes.append((_Scope("comprehension", scope), inside))


_SPECIAL: Final[Mapping[type[ast.AST], Callable[..., None]]] = {
    ast.AnnAssign: _Reader.annotated,
    ast.AsyncFunctionDef: _Reader.function,
    ast.Attribute: _Reader.attribute,
    ast.Call: _Reader.call,
    ast.ClassDef: _Reader.class_,
    ast.Constant: _Reader.constant,
    ast.DictComp: _Reader.comprehension,
    ast.ExceptHandler: _Reader.captured,
    ast.FunctionDef: _Reader.function,
    ast.GeneratorExp: _Reader.comprehension,
    ast.Global: _Reader.declared,
    ast.Import: _Reader.imported,
    ast.ImportFrom: _Reader.imported_from,
    ast.Lambda: _Reader.function,
    ast.ListComp: _Reader.comprehension,
    ast.MatchAs: _Reader.captured,
    ast.MatchMapping: _Reader.captured,
    ast.MatchStar: _Reader.captured,
    ast.Name: _Reader.name,
    ast.NamedExpr: _Reader.named,
    ast.Nonlocal: _Reader.declared,
    ast.SetComp: _Reader.comprehension,
    ast.Subscript: _Reader.subscript,
}
_READERS: Final = frozenset((name,) for name in _ANNOTATIONS_READ_BY)


def _says_nothing(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
    return False


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _annotations(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[_Item]:
    args = node.args
    found = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    annotations = [each.annotation if each else None for each in found]
    items: list[_Item] = []
    for each in reversed([*annotations, node.returns]):
        items += ("-",) if each is None else _annotation(each)
    return items


def _annotation(node: ast.expr) -> list[_Item]:
    """An annotation; what is written in quotes is read as if it were not."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return [ast.parse(node.value.strip(), mode="eval").body]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return [node]
    return [node]
