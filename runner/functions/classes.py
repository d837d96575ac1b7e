"""Classes of values, and whether a value can be of two of them; nothing is imported for it."""

from __future__ import annotations

import builtins
import collections.abc
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import attrs

_ABSTRACT: Final = (
    "Callable",
    "Collection",
    "Container",
    "Generator",
    "Hashable",
    "Iterable",
    "Iterator",
    "Mapping",
    "MutableMapping",
    "MutableSequence",
    "MutableSet",
    "Reversible",
    "Sequence",
    "Set",
    "Sized",
)
"""Of `collections.abc`: Python itself tells which of its classes are such."""

_PROMOTED: Final[Mapping[str, tuple[str, ...]]] = {
    "int": ("float", "complex"),
    "float": ("complex",),
    "bytearray": ("bytes",),
    "memoryview": ("bytes",),
}
"""What type checkers accept in the place of another (PEP 484, "the numeric tower")."""

_BASES: Final[Mapping[str, tuple[str, ...]]] = {
    "collections.Counter": ("dict",),
    "collections.OrderedDict": ("dict",),
    "collections.defaultdict": ("dict",),
    "collections.deque": (),
    "datetime.date": (),
    "datetime.datetime": ("datetime.date",),
    "datetime.time": (),
    "datetime.timedelta": (),
    "decimal.Decimal": (),
    "enum.Enum": (),
    "enum.IntEnum": ("int", "enum.Enum"),
    "enum.StrEnum": ("str", "enum.Enum"),
    "fractions.Fraction": (),
    "numpy.ndarray": (),
    "pandas.DataFrame": (),
    "pandas.Index": (),
    "pandas.Series": (),
    "pathlib.Path": ("pathlib.PurePath",),
    "pathlib.PurePath": (),
    "polars.DataFrame": (),
    "polars.LazyFrame": (),
    "polars.Series": (),
    "uuid.UUID": (),
}
"""Well-known classes of other modules, with what they inherit from."""

_TYPING: Final[Mapping[str, str]] = {
    "AbstractSet": "collections.abc.Set",
    "Counter": "collections.Counter",
    "DefaultDict": "collections.defaultdict",
    "Deque": "collections.deque",
    "Dict": "dict",
    "FrozenSet": "frozenset",
    "List": "list",
    "LiteralString": "str",
    "OrderedDict": "collections.OrderedDict",
    "Set": "set",
    "Text": "str",
    "Tuple": "tuple",
    **{name: f"collections.abc.{name}" for name in _ABSTRACT if name != "Set"},
}
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "None": "NoneType",
    "types.NoneType": "NoneType",
    "numpy.typing.NDArray": "numpy.ndarray",
    "pandas.core.api.DataFrame": "pandas.DataFrame",
    "pandas.core.frame.DataFrame": "pandas.DataFrame",
    "pandas.core.series.Series": "pandas.Series",
    **{
        f"{module}.{name}": meant
        for module in ("typing", "typing_extensions")
        for name, meant in _TYPING.items()
    },
}


@attrs.frozen
class Kind:
    """A class, as far as one must know it to say what is certainly not of it.

    Attributes:
        name: its dotted name; that of a built-in class has no dot.
        supers: the names of all classes whose values its own are, itself included.
        is_abstract: whether values belong to it that do not inherit from it.
        is_settled: whether `supers` has all abstract classes that it belongs to.
    """

    name: str
    supers: frozenset[str] = attrs.field(eq=False, repr=False)
    is_abstract: bool = attrs.field(default=False, eq=False, repr=False)
    is_settled: bool = attrs.field(default=False, eq=False, repr=False)


def kind_named(name: str) -> Kind | None:
    """The class of that dotted name; None where it is not known, or where any value is of it."""
    name = _OTHER_NAMES.get(name, name)
    module, _, short = name.rpartition(".")
    if module == "collections.abc":
        return _abstract(short) if short in _ABSTRACT else None
    return _built_in(name) if not module else _well_known(name)


def derived(name: str, bases: Iterable[Kind], *, is_abstract: bool = False) -> Kind:
    """A class of the user's."""
    supers = frozenset({name}.union(*(base.supers for base in bases)))
    return Kind(name, supers, is_abstract=is_abstract)


def can_share(left: Kind, right: Kind) -> bool:
    """Whether a value may be of both classes, as type checkers see it.

    Two concrete classes share values only where one inherits from the other: that somebody may
    inherit from both is left aside.
    """
    if left.name in right.supers or right.name in left.supers:
        return True
    if left.is_abstract or right.is_abstract:
        return not (left.is_settled or right.is_settled)
    return False


@cache
def _built_in(name: str) -> Kind | None:
    cls = type(None) if name == "NoneType" else getattr(builtins, name, None)
    if not isinstance(cls, type) or cls in {object, type}:
        return None
    supers = {each.__name__ for each in cls.__mro__ if each is not object}
    for base in [*supers]:
        supers.update(_PROMOTED.get(base, ()))
    supers.update(
        f"collections.abc.{each}"
        for each in _ABSTRACT
        if issubclass(cls, getattr(collections.abc, each))
    )
    return Kind(name, frozenset(supers), is_settled=True)


@cache
def _abstract(name: str) -> Kind:
    lineage = getattr(collections.abc, name).__mro__
    supers = (f"collections.abc.{each.__name__}" for each in lineage if each.__name__ in _ABSTRACT)
    return Kind(f"collections.abc.{name}", frozenset(supers), is_abstract=True)


@cache
def _well_known(name: str) -> Kind | None:
    if name not in _BASES:
        return None
    return derived(name, filter(None, map(kind_named, _BASES[name])))
