"""What values an annotation allows, as far as that is certain.

Names are followed through the modules of the application alone: a library's class is known by its
name or not at all. Whatever is not understood allows any value.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from sys import maxsize
from types import EllipsisType
from typing import Final

import attrs

from runner.functions.classes import Kind, can_share, derived, kind_named
from runner.functions.modules import Modules, ModuleSource
from runner.functions.names import HOPS, Class, Names

LONGEST_SHOWN: Final = 60
"""Characters of an annotation in a message."""

_STANDARD_LIBRARY: Final = Path(os.__file__).parent
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_WITHOUT_VALUES: Final = frozenset({"object", "typing.Generic"})
"""Bases that say nothing of a value."""
_TRANSPARENT: Final = frozenset({"typing.Annotated", "typing.Final"})
_ABSTRACT: Final = frozenset({"abc.ABC", "typing.Protocol"})
_BASES: Final[Mapping[str, str]] = {"typing.NamedTuple": "tuple", "typing.TypedDict": "dict"}
"""What classes inherit from that are written with these as their base."""


@attrs.frozen(eq=False)
class Type:
    """The values that an annotation allows.

    Attributes:
        written: the annotation, or what is told to the user in its place.
        kinds: the classes of these values; empty: any value.
        parts: of a tuple of a known length, what its elements are.
        element: of a list or of any other tuple, what each of its elements is.
    """

    written: str | ast.expr
    kinds: tuple[Kind, ...] = ()
    parts: tuple[Type, ...] | None = attrs.field(default=None, repr=False)
    element: Type | None = attrs.field(default=None, repr=False)

    @property
    def shown(self) -> str:
        """As it is told to the user."""
        return self.written if isinstance(self.written, str) else _shown(self.written)

    def certainly_not(self, wanted: Type) -> bool:
        """Whether none of its values can be of the other type."""
        if not self.kinds or not wanted.kinds:
            return False
        return not any(can_share(own, other) for own in self.kinds for other in wanted.kinds)

    def unpacked(self, count: int) -> tuple[Type, ...]:
        """The types of so many values that are taken out of one."""
        if self.parts is not None and len(self.parts) == count:
            return self.parts
        each = self.element if self.parts is None else None
        return (each or ANYTHING,) * count


ANYTHING: Final = Type("Any")


def type_of(*names: str) -> Type:
    """The type of the values of well-known classes, of which one at least."""
    shown = ", ".join(name.rpartition(".")[2] for name in names)
    head, comma, tail = shown.rpartition(", ")
    kinds = [kind_named(name) for name in names]
    known = tuple(kind for kind in kinds if kind is not None)
    return Type(f"{head} or {tail}" if comma else shown, known if len(known) == len(kinds) else ())


@attrs.frozen(eq=False)
class Scope:
    """Where an annotation stands.

    Attributes:
        home: the module.
        hidden: names that do not mean there what they mean in the module.
    """

    home: ModuleSource
    hidden: frozenset[str] = frozenset()


@attrs.frozen(eq=False)
class _Form:
    """An annotation when strings, imports and aliases are followed.

    Attributes:
        name: the dotted name of what it is made with, `typing` standing for `typing_extensions`
            too; None: not understood.
        cls: the class, where it is one of the user's.
        args: what stands in its brackets; None where there are none.
        scope: where the brackets stand.
    """

    name: str | None = None
    cls: Class | None = None
    args: tuple[ast.expr, ...] | None = None
    scope: Scope | None = None


_UNKNOWN: Final = _Form()


@attrs.frozen(eq=False)
class Annotations:
    """Reads annotations; what a name stands for in a module, and what a class is, is kept."""

    modules: Modules
    _kinds: dict[int, Kind | None] = attrs.field(factory=dict, init=False, repr=False)
    _forms: dict[tuple[str, str], _Form] = attrs.field(factory=dict, init=False, repr=False)
    _read: dict[_Form, Type] = attrs.field(factory=dict, init=False, repr=False)
    _own: dict[str, bool] = attrs.field(factory=dict, init=False, repr=False)

    def read(
        self, node: ast.expr | None, scope: Scope, hops: int = HOPS, *, or_none: bool = False
    ) -> Type:
        """What an annotation allows; with `or_none`, None too."""
        if node is None:
            return ANYTHING
        form = self._form(node, scope, hops)
        # Kept by form, since aliases of aliases may hold one form a thousand times.
        if form not in self._read:
            self._read[form] = ANYTHING  # what an alias holds of itself
            read = Type(node, tuple(self._kinds_of(form, hops)))
            self._read[form] = self._with_elements(read, form, hops)
        read = self._read[form]
        kinds = (*read.kinds, *type_of("None").kinds) if read.kinds and or_none else read.kinds
        return attrs.evolve(read, written=node, kinds=kinds)

    def kind(self, cls: Class, hops: int = HOPS) -> Kind | None:
        """What a class of the user's inherits from; None where not all of it is known."""
        key = id(cls.node)
        if key not in self._kinds:
            self._kinds[key] = None  # a class that inherits from itself
            self._kinds[key] = self._kind(cls, hops) if hops > 0 else None
        return self._kinds[key]

    def _kind(self, cls: Class, hops: int) -> Kind | None:
        names = self.modules.companion(Names)
        if not names.is_plain(cls) or cls.owner is not None:
            return None
        scope = Scope(cls.home, type_parameters(cls.node))
        forms = [self._form(base, scope, HOPS) for base in cls.node.bases]
        is_abstract = bool(cls.node.keywords) or any(form.name in _ABSTRACT for form in forms)
        bases = [form for form in forms if form.name not in _ABSTRACT | _WITHOUT_VALUES]
        kinds = [self._base(form, hops - 1) for form in bases]
        known = [kind for kind in kinds if kind is not None]
        if len(known) < len(kinds):
            return None
        return derived(cls.name, known, is_abstract=is_abstract)

    def _base(self, form: _Form, hops: int) -> Kind | None:
        if form.cls is not None:
            return self.kind(form.cls, hops)
        return kind_named(_BASES.get(form.name, form.name)) if form.name else None

    def _with_elements(self, read: Type, form: _Form, hops: int) -> Type:
        """The type of a list or tuple with what its brackets say of its elements."""
        container = kind_named(form.name) if form.name else None
        if container is None or form.args is None or form.scope is None:
            return read
        scope = form.scope
        match container.name, form.args:
            case ("list", [element]) | ("tuple", [element, ast.Constant(value=EllipsisType())]):
                return attrs.evolve(read, element=self.read(element, scope, hops - 1))
            case "tuple", parts if not any(map(_may_be_several, parts)):
                read_parts = tuple(self.read(each, scope, hops - 1) for each in parts)
                return attrs.evolve(read, parts=read_parts)
        return read

    def _kinds_of(self, form: _Form, hops: int) -> Iterator[Kind]:
        """The classes of a form, none where any value will do."""
        if hops <= 0:
            return
        if form.cls is not None:
            kind = self.kind(form.cls)
            if kind is not None and not kind.is_abstract:
                yield kind
        elif form.name == "typing.Union" and form.scope is not None:
            options = [self.read(each, form.scope, hops - 1).kinds for each in form.args or ()]
            if all(options):
                yield from dict.fromkeys(kind for option in options for kind in option)
        elif form.name == "typing.Literal":
            yield from _literal_kinds(form.args or ())
        elif form.name is not None:
            kind = kind_named(form.name)
            if kind is not None:
                yield kind

    def _form(self, node: ast.expr, scope: Scope, hops: int) -> _Form:
        if hops <= 0:
            return _UNKNOWN
        match node:
            case ast.Constant(value=None):
                return _Form("None")
            case ast.Constant(value=str(text)):
                parsed = _parsed(text)
                return self._form(parsed, scope, hops - 1) if parsed else _UNKNOWN
            case ast.BinOp(left, ast.BitOr(), right):
                return _Form("typing.Union", None, (left, right), scope)
            case ast.Subscript(value, index):
                args = tuple(index.elts) if isinstance(index, ast.Tuple) else (index,)
                return self._subscripted(value, args, scope, hops - 1)
            case ast.Name(name):
                return self._named(name, scope, hops - 1)
            case ast.Attribute():
                dotted = self._dotted(node, scope)
                return self._at(dotted, scope.home, hops - 1) if dotted else _UNKNOWN
        return _UNKNOWN

    def _subscripted(
        self, value: ast.expr, args: tuple[ast.expr, ...], scope: Scope, hops: int
    ) -> _Form:
        form = self._form(value, scope, hops)
        if form.args is not None:  # an alias with type variables, which are filled in here
            return form
        if form.name in _TRANSPARENT and args:
            return self._form(args[0], scope, hops)
        if form.name == "typing.Optional":
            return _Form("typing.Union", None, (*args, ast.Constant(None)), scope)
        return attrs.evolve(form, args=args, scope=scope)

    def _named(self, name: str, scope: Scope, hops: int) -> _Form:
        """What a name stands for in a module, or, where that does not bind it, in Python."""
        if name in scope.hidden:
            return _UNKNOWN
        key = (scope.home.name, name)
        if key not in self._forms:
            self._forms[key] = _UNKNOWN  # an alias of itself
            self._forms[key] = self._in_module(name, scope.home, hops)
        return self._forms[key]

    def _in_module(self, name: str, home: ModuleSource, hops: int) -> _Form:
        imported = self._imported(name, home)
        if imported == name:
            return self._built_in(name)
        return self._at(imported, home, hops) if imported else self._bound(name, home, hops)

    def _built_in(self, name: str) -> _Form:
        kind = kind_named(name)
        return _Form(name) if kind is not None or name == "object" else _UNKNOWN

    def _imported(self, name: str, home: ModuleSource) -> str | None:
        """The dotted name that a name was imported from; itself where nothing binds it."""
        # A reader of annotations takes a name for what it means at the end of its module.
        at_end = ast.Name(name, ast.Load(), lineno=maxsize, col_offset=0)
        return self.modules.companion(Names).qualified(at_end, home)

    def _bound(self, name: str, home: ModuleSource, hops: int) -> _Form:
        """What the one statement that binds a name in a module makes of it."""
        binding = self.modules.companion(Names).only_binding(home, name)
        if binding is None or hops <= 0:
            return _UNKNOWN
        scope = Scope(home)
        match binding.node, binding.value:
            case ast.ClassDef() as node, _:
                return _Form(None, Class(node, home))
            case _, ast.Call(func, [_, base]):
                made = self._form(func, scope, hops)
                return self._form(base, scope, hops) if made.name == "typing.NewType" else _UNKNOWN
            case _, (ast.Name() | ast.Attribute() | ast.Subscript() | ast.BinOp()) as value:
                return self._form(value, scope, hops)
            case _, ast.Constant(value=str()) as value if _is_type_alias(binding.node):
                return self._form(value, scope, hops)
            case node, _ if type(node).__name__ == "TypeAlias":  # Python 3.12
                meant: ast.expr = vars(node)["value"]
                return self._form(meant, Scope(home, type_parameters(node)), hops)
        return _UNKNOWN

    def _dotted(self, node: ast.Attribute, scope: Scope) -> str | None:
        attributes = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            attributes.append(value.attr)
            value = value.value
        if not isinstance(value, ast.Name) or value.id in scope.hidden:
            return None
        root = self._imported(value.id, scope.home)
        if root is None or (root == value.id and kind_named(root)):
            return None
        return ".".join([root, *reversed(attributes)])

    def _at(self, dotted: str, home: ModuleSource, hops: int) -> _Form:
        """What an imported name stands for: followed in the user's own modules, else as it is."""
        if hops <= 0:
            return _UNKNOWN
        module, _, name = dotted.rpartition(".")
        top = dotted.partition(".")[0]
        if self.modules.hides_standard(top):  # which of the two is meant, who knows
            return _UNKNOWN
        if top not in self._own:
            self._own[top] = self._is_own(top)
        if not self._own[top] and top != home.name.partition(".")[0]:
            module = "typing" if module == "typing_extensions" else module
            return _Form(f"{module}.{name}") if module else _UNKNOWN
        source = self.modules.find(module) if module else None
        if source is None:
            return _UNKNOWN
        imported = self._imported(name, source)
        if imported == name:  # bound by nothing that can be seen
            return _UNKNOWN
        return self._at(imported, source, hops - 1) if imported else self._bound(name, source, hops)

    def _is_own(self, top: str) -> bool:
        """Whether a module is the user's: not of Python, and not installed."""
        source = self.modules.find(top)
        places = () if source is None else (source.path, *(source.locations or ()))
        place = next((Path(each) for each in places if each is not None), None)
        if place is None or place.is_relative_to(_STANDARD_LIBRARY):
            return False
        return not _INSTALLED.intersection(place.parts)


def type_parameters(node: ast.AST) -> frozenset[str]:
    """The names in `def f[T]`, `class C[T]` and `type A[T]` of Python 3.12."""
    return frozenset(each.name for each in getattr(node, "type_params", ()))


def _shown(node: ast.expr) -> str:
    text = node.value if isinstance(node, ast.Constant) else None
    shown = text if isinstance(text, str) else ast.unparse(node)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}..."


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _literal_kinds(args: Sequence[ast.expr]) -> Iterator[Kind]:
    """The classes of the values in `Literal[…]`; none where one of them is no plain value."""
    found = []
    for each in args:
        node = each.operand if isinstance(each, ast.UnaryOp) else each
        kind = kind_named(type(node.value).__name__) if isinstance(node, ast.Constant) else None
        if kind is None:
            return
        found.append(kind)
    yield from dict.fromkeys(found)


def _is_type_alias(node: ast.stmt) -> bool:
    match node:
        case ast.AnnAssign(annotation=ast.Name("TypeAlias") | ast.Attribute(attr="TypeAlias")):
            return True
    return False


def _may_be_several(node: ast.expr) -> bool:
    """Whether it may stand for several elements of a tuple."""
    match node:
        case ast.Starred():
            return True
        case ast.Subscript(value=ast.Name("Unpack") | ast.Attribute(attr="Unpack")):
            return True
        case ast.Constant(value=value):
            return value is ... or (isinstance(value, str) and "*" in value)
    return False
