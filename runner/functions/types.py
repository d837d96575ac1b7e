"""What values a function takes and gives, as far as its annotations tell for certain."""

from __future__ import annotations

import ast
from typing import Final

import attrs

from runner.functions.annotations import ANYTHING, Annotations, Scope, Type, type_parameters
from runner.functions.bindings import read_block
from runner.functions.modules import Modules, ModuleSource
from runner.functions.names import HOPS, Class, Function, FunctionNode, Names, Partial, Thing
from runner.functions.signatures import Found, resolve

_NO_TYPE_CHECK: Final = frozenset({"typing.no_type_check", "typing_extensions.no_type_check"})


@attrs.frozen(eq=False)
class Contract:
    """What a function takes by position and what it gives.

    Attributes:
        parameters: those that have a name of their own.
        returns: of an async function, what awaiting its result gives.
        function: what was found; None where nothing was.
        node: the function itself, where its result is what the caller gets.
        home: the module of that function.
    """

    parameters: tuple[Type, ...] = ()
    returns: Type = ANYTHING
    function: Found | None = None
    node: FunctionNode | None = None
    home: ModuleSource | None = None


def contract_of(name: str, modules: Modules) -> Contract:
    """The contract of `package.module.name`, worked out once."""
    return modules.companion(_Contracts).of(name)


@attrs.frozen(eq=False)
class _Contracts:
    """The contracts that were worked out in one `Modules`, kept."""

    modules: Modules
    _known: dict[str, Contract] = attrs.field(factory=dict, init=False, repr=False)

    def of(self, name: str) -> Contract:
        if name not in self._known:
            self._known[name] = _contract(name, self.modules)
        return self._known[name]


def _contract(name: str, modules: Modules) -> Contract:
    found = resolve(name, modules)
    if not isinstance(found, Found) or found.signature is None:
        return Contract()
    names = modules.companion(Names)
    annotations = modules.companion(Annotations)
    thing = _behind_partials(names.follow(name))
    signature = found.signature
    if isinstance(thing, Class):
        kind = annotations.kind(thing)
        gives = Type(thing.node.name, (kind,)) if kind and not kind.is_abstract else ANYTHING
        thing = names.member(thing, "__init__", HOPS)
    else:
        gives = None
    home = modules.find(signature.module)
    if home is None or not isinstance(thing, Function) or _is_untyped(thing, names):
        return Contract(returns=gives or ANYTHING, function=found)
    scope = Scope(home, _hidden(thing))
    optional = _default_none(thing.node)
    taken = [
        annotations.read(each.annotation, scope, or_none=each.name in optional)
        for each in signature.positional
    ]
    return Contract(
        parameters=tuple(taken),
        returns=gives or annotations.read(signature.returns, scope),
        function=found,
        node=None if gives else thing.node,
        home=home,
    )


def _behind_partials(thing: Thing) -> Thing:
    while isinstance(thing, Partial):
        thing = thing.target
    return thing


def _default_none(node: FunctionNode) -> frozenset[str]:
    """The parameters whose default is None: many write `x: int = None` for `x: int | None`."""
    args = [*node.args.posonlyargs, *node.args.args]
    defaults = node.args.defaults
    pairs = zip(args[len(args) - len(defaults) :], defaults, strict=True)
    return frozenset(
        arg.arg
        for arg, default in pairs
        if isinstance(default, ast.Constant) and default.value is None
    )


def _is_untyped(function: Function, names: Names) -> bool:
    """Whether its annotations are said to be no types."""
    decorators = getattr(function.node, "decorator_list", ())
    return any(names.qualified(each, function.home) in _NO_TYPE_CHECK for each in decorators)


def _hidden(function: Function) -> frozenset[str]:
    """Names that mean something else in the annotations of a function than in its module."""
    hidden = type_parameters(function.node)
    owner = function.owner
    if owner is not None:
        hidden = hidden.union(read_block(owner.node.body).names)
    while owner is not None:
        hidden |= type_parameters(owner.node)
        owner = owner.owner
    return hidden
