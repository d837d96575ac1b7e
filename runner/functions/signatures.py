"""What the user's functions take and return, read from their source."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import attrs

from runner.diagnostics import Place
from runner.functions.missing import NotFound, place_of
from runner.functions.modules import Modules
from runner.functions.names import (
    HOPS,
    NEUTRAL_DECORATORS,
    Class,
    Function,
    Module,
    Names,
    OneOf,
    Partial,
    Thing,
    Value,
)
from runner.functions.returns import with_article

__all__ = ["Found", "Kind", "NotFound", "Parameter", "Signature", "resolve"]

Kind: TypeAlias = Literal["function", "class", "partial", "unknown"]

_CONTEXT_MANAGERS: Final = frozenset(
    {"contextlib.contextmanager", "contextlib.asynccontextmanager"}
)


@attrs.frozen(kw_only=True)
class Parameter:
    """One that can be given by position.

    Attributes:
        name: as written.
        has_default: whether it may be left out.
        annotation: as parsed, None where there is none.
        by_name: whether it can be given by keyword too.
    """

    name: str
    has_default: bool = False
    annotation: ast.expr | None = attrs.field(default=None, eq=False, repr=False)
    by_name: bool = True


@attrs.frozen(kw_only=True)
class Signature:
    """What a call takes. `self` and `cls` are left out where Python gives them.

    Attributes:
        positional: in order.
        var_positional: whether it takes any further ones (`*args`).
        keyword_only_required: what a call by position alone can never give.
        var_keyword: whether it takes any keywords (`**kwargs`).
        returns: the annotation of what the call gives, None where that is not told. For an async
            function that is what awaiting the result gives.
        is_async: whether the call gives a coroutine or an asynchronous generator.
        module: the module in which the annotations are to be understood.
    """

    positional: tuple[Parameter, ...] = ()
    var_positional: bool = False
    keyword_only_required: tuple[str, ...] = ()
    var_keyword: bool = False
    returns: ast.expr | None = attrs.field(default=None, eq=False, repr=False)
    is_async: bool = False
    module: str = attrs.field(default="", eq=False)

    @property
    def min_args(self) -> int:
        return sum(not parameter.has_default for parameter in self.positional)

    @property
    def max_args(self) -> int | None:
        """None: no limit."""
        return None if self.var_positional else len(self.positional)

    def accepts(self, count: int) -> bool:
        """Whether it can be called with so many arguments by position and no others."""
        is_room = self.max_args is None or count <= self.max_args
        return is_room and not self.missing(count)

    def missing(self, count: int) -> tuple[str, ...]:
        """The parameters that get nothing when so many arguments are given by position."""
        rest = [each.name for each in self.positional[count:] if not each.has_default]
        return (*rest, *self.keyword_only_required)


@attrs.frozen(kw_only=True)
class Found:
    """What a reference leads to, as far as the source tells.

    Attributes:
        name: the reference.
        kind: what it is; "unknown" where only running the code would tell.
        callable: True, or None where it is not known.
        signature: None where it is not known; then any number of arguments may be right.
        place: of the definition.
    """

    name: str
    kind: Kind
    callable: bool | None = None
    signature: Signature | None = None
    place: Place | None = None


def resolve(name: str, modules: Modules) -> Found | NotFound:
    """Find `package.module.name` or `package.module.Class.method` without importing anything.

    `NotFound` is given only for what is certainly an error when the code is run.
    """
    return modules.companion(_Resolutions).resolve(name)


@attrs.frozen(eq=False)
class _Resolutions:
    """What was resolved in one `Modules`, kept."""

    modules: Modules
    _known: dict[str, Found | NotFound] = attrs.field(factory=dict, init=False, repr=False)

    def resolve(self, name: str) -> Found | NotFound:
        if name not in self._known:
            self._known[name] = _resolve(name, self.modules.companion(Names))
        return self._known[name]


def _resolve(name: str, names: Names) -> Found | NotFound:
    thing = names.follow(name)
    match thing:
        case NotFound():
            return thing
        case Module():
            return _module_as_function(name, thing, names)
        case Value(type_name=type_name, node=node, home=home):
            message = f"`{name}` is not callable ({with_article(type_name)})"
            return NotFound(
                code="RUN303", message=message, place=place_of(names.modules, node, home)
            )
        case OneOf(options):
            return _found_one_of(name, [_found(name, each, names) for each in options])
    return _found(name, thing, names)


def _module_as_function(name: str, module: Module, names: Names) -> Found | NotFound:
    if names.is_open(module.source):  # it may put something else in its place
        return Found(name=name, kind="unknown")
    functions = names.public_functions(module.source)
    hint = f"did you mean `{name}.{functions[0]}`?" if len(functions) == 1 else None
    hint = hint or f"name a function of it: `{name}.<function>`"
    return NotFound(code="RUN303", message=f"`{name}` is a module", hint=hint)


def _found_one_of(name: str, options: Sequence[Found]) -> Found:
    """What several definitions have in common; their annotations may differ."""
    last = options[-1]
    if any(each.signature != last.signature or each.kind != last.kind for each in options):
        is_callable = all(each.callable for each in options)
        return Found(name=name, kind="unknown", callable=True if is_callable else None)
    return attrs.evolve(last, signature=_without_annotations(last.signature))


def _without_annotations(signature: Signature | None) -> Signature | None:
    if signature is None:
        return None
    positional = tuple(attrs.evolve(each, annotation=None) for each in signature.positional)
    return attrs.evolve(signature, positional=positional, returns=None)


def _found(name: str, thing: Thing, names: Names) -> Found:
    match thing:
        case Function(node=node, home=home):
            signature = _function_signature(thing, names)
            return Found(
                name=name,
                kind="function" if signature else "unknown",
                callable=True if signature else None,
                signature=signature,
                place=place_of(names.modules, node, home),
            )
        case Class(node=node, home=home):
            is_class = names.is_plain(thing)
            return Found(
                name=name,
                kind="class" if is_class else "unknown",
                callable=True if is_class else None,
                signature=_class_signature(thing, names),
                place=place_of(names.modules, node, home),
            )
        case Partial(call=call, home=home):
            return Found(
                name=name,
                kind="partial",
                callable=True,
                signature=_partial_signature(thing, names),
                place=place_of(names.modules, call, home),
            )
    return Found(name=name, kind="unknown")


def _function_signature(function: Function, names: Names) -> Signature | None:
    """The signature under the decorators; None where one of them may have changed it."""
    signature = _written(function)
    if _is_given_its_class(function):
        signature = _without_first(signature)
    for decorator in getattr(function.node, "decorator_list", ()):
        known = names.qualified(decorator, function.home)
        if known == "classmethod" and function.owner is not None:
            signature = _without_first(signature)
        elif known in _CONTEXT_MANAGERS:
            signature = attrs.evolve(signature, returns=None, is_async=False)
        elif known not in NEUTRAL_DECORATORS and known != "staticmethod":
            return None
    return signature


def _is_given_its_class(function: Function) -> bool:
    """Whether Python makes it a class method by its name alone."""
    name = getattr(function.node, "name", "")
    return function.owner is not None and name in {"__class_getitem__", "__init_subclass__"}


def _written(function: Function) -> Signature:
    node = function.node
    args = node.args
    written = [*args.posonlyargs, *args.args]
    required = len(written) - len(args.defaults)
    return Signature(
        positional=tuple(
            Parameter(
                name=arg.arg,
                has_default=index >= required,
                annotation=arg.annotation,
                by_name=index >= len(args.posonlyargs),
            )
            for index, arg in enumerate(written)
        ),
        var_positional=args.vararg is not None,
        keyword_only_required=tuple(
            arg.arg
            for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)
            if default is None
        ),
        var_keyword=args.kwarg is not None,
        returns=None if isinstance(node, ast.Lambda) else node.returns,
        is_async=isinstance(node, ast.AsyncFunctionDef),
        module=function.home.name,
    )


def _without_first(signature: Signature) -> Signature:
    return attrs.evolve(signature, positional=signature.positional[1:])


def _class_signature(cls: Class, names: Names) -> Signature | None:
    """That of `__init__`; None where a metaclass, `__new__` or a decorator has a say."""
    lineage = names.lineage(cls)
    if lineage is None or not all(names.is_as_written(each) for each in lineage):
        return None
    if any(names.binds(each, "__new__") for each in lineage):
        return None
    if not any(names.binds(each, "__init__") for each in lineage):
        return Signature(module=cls.home.name)
    init = names.member(cls, "__init__", HOPS)
    if not isinstance(init, Function):
        return None
    signature = _function_signature(init, names)
    return attrs.evolve(_without_first(signature), returns=None) if signature else None


def _partial_signature(partial: Partial, names: Names) -> Signature | None:
    """What is left of the target's signature; None where the call does not tell."""
    given = partial.call.args[1:]
    target = _found("", partial.target, names).signature
    if target is None or any(isinstance(each, ast.Starred) for each in given):
        return None
    if len(given) > len(target.positional) and not target.var_positional:
        return None
    left = attrs.evolve(target, positional=target.positional[len(given) :])
    return _with_keywords(left, [keyword.arg for keyword in partial.call.keywords])


def _with_keywords(signature: Signature, keywords: Sequence[str | None]) -> Signature | None:
    """The signature when keywords are given; None where it may not take them."""
    by_name = [each.name if each.by_name else None for each in signature.positional]
    takes = {*filter(None, by_name), *signature.keyword_only_required}
    if None in keywords or not (signature.var_keyword or takes.issuperset(keywords)):
        return None
    # The parameters after the first that is given by keyword are out of reach by position.
    given = (index for index, name in enumerate(by_name) if name and name in keywords)
    reach = next(given, None)
    if reach is None:
        beyond: list[str] = []
    else:
        beyond = [each.name for each in signature.positional[reach:] if not each.has_default]
    required = (*beyond, *signature.keyword_only_required)
    return attrs.evolve(
        signature,
        positional=signature.positional[:reach],
        var_positional=signature.var_positional and reach is None,
        keyword_only_required=tuple(name for name in required if name not in keywords),
    )
