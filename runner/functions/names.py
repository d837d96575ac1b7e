"""What a dotted name stands for: followed through imports, aliases and classes, as text.

Three answers are kept apart: a thing that was found, `None` for a name that is certainly not
there, and `Unknown` for everything that only running the code would tell. When in doubt it is
`Unknown`: a wrong error is worse than none.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final, TypeAlias

import attrs

from runner.functions.bindings import Binding, Block, hidden_names, read_block, uncallable_type
from runner.functions.missing import NotFound, cannot_be_read, no_module, no_name, place_of
from runner.functions.modules import (
    ModuleKind,
    Modules,
    ModuleSource,
    Unreadable,
    prefixes,
)

HOPS: Final = 64
"""Imports, aliases and attributes that are followed one after the other."""

NEUTRAL_DECORATORS: Final = frozenset(
    {
        "abc.abstractmethod",
        "atexit.register",
        "enum.unique",
        "functools.cache",
        "functools.lru_cache",
        "functools.total_ordering",
        "functools.wraps",
        "typing.final",
        "typing.no_type_check",
        "typing.override",
        "typing.runtime_checkable",
        "typing_extensions.deprecated",
        "typing_extensions.final",
        "typing_extensions.override",
        "typing_extensions.runtime_checkable",
        "warnings.deprecated",
    }
)
"""What they decorate is called as it was written."""

RECORD_DECORATORS: Final = frozenset(
    {
        "attr.attrs",
        "attr.define",
        "attr.frozen",
        "attr.mutable",
        "attr.s",
        "attrs.define",
        "attrs.frozen",
        "attrs.mutable",
        "dataclasses.dataclass",
    }
)
"""They write `__init__` and its like, and leave the other names of a class alone."""

PLAIN_BASES: Final = frozenset({"abc.ABC", "object", "typing.Generic"})
"""Bases that change neither how a class is called nor which names it has."""

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@attrs.frozen(eq=False)
class Module:
    source: ModuleSource


@attrs.frozen(eq=False)
class Function:
    """A `def` or a lambda; `owner` is the class whose body it stands in."""

    node: FunctionNode
    home: ModuleSource
    owner: Class | None = None


@attrs.frozen(eq=False)
class Class:
    node: ast.ClassDef
    home: ModuleSource
    owner: Class | None = None

    @property
    def name(self) -> str:
        return f"{self.owner.name if self.owner else self.home.name}.{self.node.name}"


@attrs.frozen(eq=False)
class Scope:
    """Where an expression stands: in a module, and there perhaps in the body of a class."""

    home: ModuleSource
    owner: Class | None = None


@attrs.frozen(eq=False)
class Partial:
    """`functools.partial(target, …)`."""

    target: Thing
    call: ast.Call
    home: ModuleSource


@attrs.frozen(eq=False)
class Value:
    """Something that is certainly not callable."""

    type_name: str
    node: ast.stmt
    home: ModuleSource


@attrs.frozen(eq=False)
class OneOf:
    """Several definitions of one name; which one counts is decided at run time."""

    options: tuple[Function | Class | Partial | Value, ...]


@attrs.frozen(eq=False)
class Unknown:
    """It is there, or may be there; more cannot be told without running the code."""


Thing: TypeAlias = Module | Function | Class | Partial | Value | OneOf | Unknown | NotFound


@attrs.frozen(eq=False)
class Names:
    """Follows names through the modules. Every step is worked out once and kept.

    A step that is asked for again while it is worked out (a cycle of imports) is `Unknown`.
    """

    modules: Modules
    _blocks: dict[int, Block] = attrs.field(factory=dict, init=False, repr=False)
    _members: dict[tuple[object, str], Thing | None] = attrs.field(
        factory=dict, init=False, repr=False
    )
    _lineages: dict[int, tuple[Class, ...] | None] = attrs.field(
        factory=dict, init=False, repr=False
    )
    _hidden: dict[str, frozenset[str] | None] = attrs.field(factory=dict, init=False, repr=False)

    def follow(self, name: str) -> Thing:
        """What `package.module.name` stands for; the module is the longest part that can be one."""
        if self.modules.hides_standard(name):
            return Unknown()
        module, rest = self._split(name)
        thing: Thing = self.module(module)
        if len(rest) > 1 and isinstance(thing, Module) and thing.source.is_package:
            below = self._member(thing, rest[0], HOPS)
            thing = no_module(self.modules, f"{module}.{rest[0]}") if below is None else below
            rest = rest[1:]
        for attribute in rest:
            thing = self.member(thing, attribute, HOPS)
        return thing

    def module(self, name: str) -> Module | NotFound | Unknown:
        """A module that can be imported as far as its own and its parents' text goes."""
        parent: ModuleSource | None = None
        for prefix in prefixes(name):
            source = self.modules.find(prefix)
            if source is None:
                is_open = parent is not None and self.is_open(parent)
                return Unknown() if is_open else no_module(self.modules, prefix)
            tree = self.modules.parse(source)
            if isinstance(tree, Unreadable) and tree.refused:
                return cannot_be_read(self.modules, source, tree)
            parent = source
        return Unknown() if parent is None else Module(parent)

    def member(self, thing: Thing, name: str, hops: int) -> Thing:
        """What `thing.name` stands for."""
        found = self._member(thing, name, hops)
        return self._no_name(thing, name) if found is None else found

    def lineage(self, cls: Class, hops: int = HOPS) -> tuple[Class, ...] | None:
        """A class and all that it inherits from; None where not all of it can be read."""
        key = id(cls.node)
        if key not in self._lineages:
            self._lineages[key] = None
            self._lineages[key] = self._lineage(cls, hops)
        return self._lineages[key]

    def qualified(self, expression: ast.expr, home: ModuleSource) -> str | None:
        """The dotted name under which a decorator or a base was imported."""
        node = expression.func if isinstance(expression, ast.Call) else expression
        node = node.value if isinstance(node, ast.Subscript) else node
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        root = self._imported_as(node, home) if isinstance(node, ast.Name) else None
        return None if root is None else ".".join([root, *reversed(attributes)])

    def only_binding(self, source: ModuleSource, name: str) -> Binding | None:
        """The one statement that binds a name in a module; None for none, and for several."""
        block = self._module_block(source)
        found = block.candidates(name) if block is not None else []
        return found[0] if len(found) == 1 and not found[0].is_star else None

    def is_open(self, source: ModuleSource) -> bool:
        """Whether a module may have names that its statements do not bind."""
        block = self._module_block(source)
        return block is None or "__getattr__" in block.names or self._hidden_names(source) is None

    def public_functions(self, source: ModuleSource) -> list[str]:
        """The functions that a module defines itself."""
        block = self._module_block(source)
        return [
            name
            for name, bindings in (block.names.items() if block else ())
            if not name.startswith("_")
            and isinstance(bindings[-1].node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def bound_names(self, source: ModuleSource) -> list[str]:
        """The names that the statements of a module bind, also by a star."""
        blocks = [block for _, block in self._visible(source)]
        return list(dict.fromkeys(name for block in blocks for name in block.names))

    def binds(self, cls: Class, name: str) -> bool:
        """Whether the body of a class itself binds a name."""
        return name in self._class_block(cls).names

    def is_plain(self, cls: Class) -> bool:
        """Whether a class has the names of its body and of its bases, and no others."""
        known = NEUTRAL_DECORATORS | RECORD_DECORATORS
        return all(
            self.qualified(decorator, cls.home) in known for decorator in cls.node.decorator_list
        ) and all(
            keyword.arg == "metaclass" and self.qualified(keyword.value, cls.home) == "abc.ABCMeta"
            for keyword in cls.node.keywords
        )

    def is_as_written(self, cls: Class) -> bool:
        """Whether no decorator changes how a class is called."""
        return all(
            self.qualified(decorator, cls.home) in NEUTRAL_DECORATORS
            for decorator in cls.node.decorator_list
        )

    def _split(self, name: str) -> tuple[str, list[str]]:
        parts = name.split(".")
        module = parts[0]
        for count in range(1, len(parts) - 1):
            longer = f"{module}.{parts[count]}"
            if self.modules.find(longer) is None:
                return module, parts[count:]
            module = longer
        return module, parts[max(len(parts) - 1, 1) :]

    # In the following, None stands for a name that is certainly not there.

    def _member(self, thing: Thing, name: str, hops: int) -> Thing | None:
        match thing:
            case NotFound():
                return thing
            case Module(source):
                return self._module_member(source, name, hops)
            case Class():
                return self._class_member(thing, name, hops)
        return Unknown()

    def _module_member(self, source: ModuleSource, name: str, hops: int) -> Thing | None:
        key = (source.name, name)
        if key not in self._members:
            self._members[key] = Unknown()
            self._members[key] = self._in_module(source, name, hops)
        return self._members[key]

    def _in_module(self, source: ModuleSource, name: str, hops: int) -> Thing | None:
        block = self._module_block(source)
        if block is None:
            return Unknown()
        found = self._choose(block, name, Scope(source), hops)
        if found is not None:
            return found
        if _is_special(name) or self.is_open(source):
            return Unknown()
        below = self.modules.find(f"{source.name}.{name}")
        if below is not None:
            return self.module(below.name)
        return Unknown() if self._is_set_elsewhere(source, name) else None

    def _class_member(self, cls: Class, name: str, hops: int) -> Thing | None:
        lineage = self.lineage(cls, hops)
        if lineage is None:
            return Unknown()
        found = [thing for each in lineage if (thing := self._own(each, name, hops)) is not None]
        if found:
            # With several bases the order is Python's own (C3): told only where it cannot matter.
            in_line = all(len(each.node.bases) <= 1 for each in lineage)
            return found[0] if in_line or len(found) == 1 else Unknown()
        return Unknown() if any(self._is_loose(each, name) for each in lineage) else None

    def _own(self, cls: Class, name: str, hops: int) -> Thing | None:
        """What the body of a class makes of a name, its bases left aside."""
        key = (id(cls.node), name)
        if key not in self._members:
            self._members[key] = Unknown()
            self._members[key] = self._choose(
                self._class_block(cls), name, Scope(cls.home, cls), hops
            )
        return self._members[key]

    def _is_loose(self, cls: Class, name: str) -> bool:
        """Whether a name that the body does not bind may be there all the same."""
        return (
            name.startswith("_")  # Python and its decorators add such
            or hasattr(type, name)
            or self.binds(cls, "__getattr__")
            or self._is_set_elsewhere(cls.home, name)
        )

    def _choose(self, block: Block, name: str, scope: Scope, hops: int) -> Thing | None:
        """What the bindings of a name agree on."""
        if hops <= 0:
            return Unknown()
        found: list[Thing] = []
        for binding in block.candidates(name):
            thing = self._bound(binding, name, scope, hops - 1)
            if isinstance(thing, NotFound) and not binding.sure:
                thing = Unknown()
            if thing is not None:
                found.append(thing)
        return _agreed(found)

    def _bound(self, binding: Binding, name: str, scope: Scope, hops: int) -> Thing | None:
        home = scope.home
        match binding.node, binding.value:
            case (ast.FunctionDef() | ast.AsyncFunctionDef()) as node, _:
                return Function(node, home, scope.owner)
            case ast.ClassDef() as node, _:
                return Class(node, home, scope.owner)
            case ast.Import() as node, ast.alias(name=module, asname=asname):
                module = module if asname else module.partition(".")[0]
                return self._at(self.module(module), node, home)
            case ast.ImportFrom() as node, ast.alias() as alias:
                thing = self._imported(node, alias, name, home, hops)
                return None if thing is None else self._at(thing, node, home)
            case node, ast.expr() as value:
                return self._assigned(node, value, name, scope, hops)
        return Unknown()

    def _imported(
        self, node: ast.ImportFrom, alias: ast.alias, name: str, home: ModuleSource, hops: int
    ) -> Thing | None:
        module_name = _absolute(node, home)
        module: Thing = Unknown() if module_name is None else self.module(module_name)
        if alias.name == "*":
            return self._starred(module, name, hops)
        if isinstance(module, Module) and module.source.name == home.name:
            # `from . import clean` in a package: the name would be this very binding.
            return self.module(f"{home.name}.{alias.name}")
        return self.member(module, alias.name, hops)

    def _starred(self, module: Thing, name: str, hops: int) -> Thing | None:
        """What `from module import *` makes of a name; None: it does not bring it."""
        block = self._module_block(module.source) if isinstance(module, Module) else None
        if block is None or not isinstance(module, Module):
            return Unknown()
        if "__all__" in block.names:
            exported = block.exported()
            if exported is None:
                return Unknown()
            return self.member(module, name, hops) if name in exported else None
        return None if name.startswith("_") else self._module_member(module.source, name, hops)

    def _assigned(
        self, node: ast.stmt, value: ast.expr, name: str, scope: Scope, hops: int
    ) -> Thing:
        type_name = uncallable_type(value)
        if type_name is not None:
            is_set = self._is_set_elsewhere(scope.home, name)
            return Unknown() if is_set else Value(type_name, node, scope.home)
        thing = self._evaluate(value, scope, hops)
        return Unknown() if isinstance(thing, NotFound) else thing

    def _evaluate(self, value: ast.expr, scope: Scope, hops: int) -> Thing:
        if hops <= 0:
            return Unknown()
        match value:
            case ast.Lambda():
                return Function(value, scope.home, scope.owner)
            case ast.Name():
                return self._named(value, scope, hops)
            case ast.Attribute(inner, name):
                return self.member(self._evaluate(inner, scope, hops - 1), name, hops - 1)
            case ast.Call(function, [target, *_]):
                if self.qualified(function, scope.home) == "functools.partial":
                    return Partial(self._evaluate(target, scope, hops - 1), value, scope.home)
        return Unknown()

    def _named(self, node: ast.Name, scope: Scope, hops: int) -> Thing:
        block = self._module_block(scope.home)
        if scope.owner is not None and self.binds(scope.owner, node.id):
            block = self._class_block(scope.owner)
            thing = self._own(scope.owner, node.id, hops)
        else:
            thing = self._module_member(scope.home, node.id, hops)
        is_settled = block is not None and block.is_settled(node.id, node.lineno)
        return thing if thing is not None and is_settled else Unknown()

    def _lineage(self, cls: Class, hops: int) -> tuple[Class, ...] | None:
        found = {id(cls.node): cls}
        waiting = [cls]
        while waiting:
            each = waiting.pop()
            if not self.is_plain(each) or hops <= 0:
                return None
            for expression in each.node.bases:
                if self.qualified(expression, each.home) in PLAIN_BASES:
                    continue
                base = self._base(expression, each, hops - 1)
                if base is None:
                    return None
                if id(base.node) not in found:
                    found[id(base.node)] = base
                    waiting.append(base)
        return tuple(found.values())

    def _base(self, expression: ast.expr, cls: Class, hops: int) -> Class | None:
        node = expression.value if isinstance(expression, ast.Subscript) else expression
        thing = self._evaluate(node, Scope(cls.home, cls.owner), hops)
        if not isinstance(thing, Class):
            return None
        return None if self.binds(thing, "__init_subclass__") else thing

    def _module_block(self, source: ModuleSource) -> Block | None:
        tree = self.modules.parse(source)
        if source.kind is ModuleKind.COMPILED or isinstance(tree, Unreadable):
            return None
        if id(tree) not in self._blocks:
            self._blocks[id(tree)] = read_block(tree.body)
        return self._blocks[id(tree)]

    def _class_block(self, cls: Class) -> Block:
        if id(cls.node) not in self._blocks:
            self._blocks[id(cls.node)] = read_block(cls.node.body)
        return self._blocks[id(cls.node)]

    def _imported_as(self, node: ast.Name, home: ModuleSource) -> str | None:
        block = self._module_block(home)
        if block is None or not block.is_settled(node.id, node.lineno):
            return None
        match [(each.node, each.value) for each in block.candidates(node.id)]:
            case []:
                return node.id
            case [(ast.Import(), ast.alias(name=module, asname=asname))]:
                return module if asname else node.id
            case [(ast.ImportFrom() as statement, ast.alias(name=imported))]:
                return f"{_absolute(statement, home)}.{imported}"
        return None

    def _is_set_elsewhere(self, source: ModuleSource, name: str) -> bool:
        """Whether the module or a parent of it sets an attribute of that name on something."""
        hidden = self._hidden_names(source)
        if hidden is None or name in hidden:
            return True
        parents = (self.modules.find(prefix) for prefix in prefixes(source.package))
        return any(
            name in (self._hidden_names(parent) or ()) for parent in parents if parent is not None
        )

    def _hidden_names(self, source: ModuleSource) -> frozenset[str] | None:
        if source.name not in self._hidden:
            tree = self.modules.parse(source)
            hidden = hidden_names(tree) if isinstance(tree, ast.Module) else None
            self._hidden[source.name] = hidden
        return self._hidden[source.name]

    def _at(self, thing: Thing, node: ast.stmt, home: ModuleSource) -> Thing:
        """A name that is not found is shown where it is imported."""
        if isinstance(thing, NotFound) and thing.place is None:
            return attrs.evolve(thing, place=place_of(self.modules, node, home))
        return thing

    def _no_name(self, thing: Thing, name: str) -> NotFound:
        """What is said of a name that `_member` did not find."""
        if isinstance(thing, Class):
            blocks = [(each.home, self._class_block(each)) for each in self.lineage(thing) or ()]
            return no_name(self.modules, f"class `{thing.name}` has no `{name}`", name, blocks)
        assert isinstance(thing, Module), "only modules and classes are known to lack a name"
        source = thing.source
        return no_name(
            self.modules,
            f"module `{source.name}` has no name `{name}`",
            name,
            self._visible(source),
            self.modules.submodules(source),
        )

    def _visible(self, source: ModuleSource) -> list[tuple[ModuleSource, Block]]:
        """The blocks that give a module its names: its own, and those it imports with a star."""
        block = self._module_block(source)
        if block is None:
            return []
        found = [(source, block)]
        for star in block.stars:
            name = _absolute(star.node, source) if isinstance(star.node, ast.ImportFrom) else None
            starred = self.modules.find(name) if name else None
            other = self._module_block(starred) if starred else None
            if starred is not None and other is not None:
                found.append((starred, other))
        return found


def _absolute(node: ast.ImportFrom, home: ModuleSource) -> str | None:
    """The module that `from … import` names; None where it climbs above the top."""
    if node.level == 0:
        return node.module
    parts = home.package.split(".") if home.package else []
    if node.level > len(parts):
        return None
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def _agreed(things: Sequence[Thing]) -> Thing | None:
    """One thing for the several that a name may stand for; None for none."""
    if len(things) <= 1:
        return things[0] if things else None
    modules = {thing.source.name for thing in things if isinstance(thing, Module)}
    if len(modules) == 1 and all(isinstance(thing, Module) for thing in things):
        return things[0]
    options = [each for each in things if isinstance(each, Function | Class | Partial | Value)]
    return OneOf(tuple(options)) if len(options) == len(things) else Unknown()


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
