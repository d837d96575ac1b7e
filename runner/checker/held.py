"""What a task reads from a data node: of which type, as far as that is certain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from runner.config.model import UNSET, DataNodeConfig, SectionRef
from runner.config.options import (
    ExcelOptions,
    GenericOptions,
    InMemoryOptions,
    JsonOptions,
    PickleOptions,
    StorageOptions,
    TabularOptions,
)
from runner.config.references import FunctionRef
from runner.functions.annotations import ANYTHING, Type, type_of
from runner.functions.classes import Kind
from runner.functions.modules import Modules
from runner.functions.types import Contract, contract_of

EXPOSED: Final[Mapping[str, Type]] = {
    "pandas": type_of("pandas.DataFrame"),
    "numpy": type_of("numpy.ndarray"),
    "polars": type_of("polars.DataFrame"),
    "records": attrs.evolve(type_of("list"), written="list[dict]"),
}
"""What tabular storages hand out, by exposed type."""

_JSON: Final[Mapping[str, Type]] = {
    "dict": type_of("dict"),
    "str": type_of("str"),
    "list": type_of("list"),
    "tuple": type_of("list"),
    "bool": type_of("bool"),
    "int": type_of("int"),
    "float": type_of("float"),
    "NoneType": type_of("None"),
}
"""What JSON makes of the values of a class; the first that fits counts."""
_ANY_JSON: Final = type_of("dict", "list", "str", "int", "float", "bool", "None")


def contract(ref: FunctionRef | None, modules: Modules) -> Contract:
    """The contract of a reference; of an object that is already here nothing is known."""
    if ref is None or ref.target is not None:
        return Contract()
    return contract_of(ref.name, modules)


def held(node: DataNodeConfig, written: Type | None, modules: Modules) -> Type:
    """What a task reads from a data node.

    Args:
        node: the data node.
        written: what a task wrote there; None where no task does, and the default counts.
        modules: where functions are looked up.
    """
    options = node.options
    if isinstance(options, PickleOptions | InMemoryOptions):
        return written or _default(node, modules)
    if isinstance(options, JsonOptions) and options.decoder is None:
        return _through_json(options, written or _default(node, modules))
    if isinstance(options, TabularOptions):
        return _table(options)
    if isinstance(options, GenericOptions) and options.read_fct is not None:
        return _result(options.read_fct, modules)
    return ANYTHING


def is_workbook(options: StorageOptions) -> bool:
    """Whether a dict of tables is handed out, one a sheet."""
    return isinstance(options, ExcelOptions) and not isinstance(options.sheet_name, str)


def table_of(options: TabularOptions) -> Type:
    """What one table is handed out as."""
    exposed = options.exposed_type
    if isinstance(exposed, FunctionRef):
        return attrs.evolve(type_of("list"), written=f"list[{exposed.parts[-1]}]")
    return EXPOSED.get(exposed, ANYTHING)


def _default(node: DataNodeConfig, modules: Modules) -> Type:
    default = node.default_data
    if default is UNSET or isinstance(default, SectionRef):
        return ANYTHING
    return _result(default, modules) if isinstance(default, FunctionRef) else _type_of(default)


def _result(ref: FunctionRef, modules: Modules) -> Type:
    """What a function gives that is called by the runner itself, which awaits nothing then."""
    called = contract(ref, modules)
    signature = called.function.signature if called.function is not None else None
    return ANYTHING if signature is None or signature.is_async else called.returns


def _type_of(value: Any) -> Type:
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"
    read = type_of(name)
    return read if read.kinds else ANYTHING


def _table(options: TabularOptions) -> Type:
    table = table_of(options)
    if is_workbook(options):
        return attrs.evolve(type_of("dict"), written=f"dict[str, {table.shown}]")
    return table


def _through_json(options: JsonOptions, given: Type) -> Type:
    """What JSON gives back for a value; the very type where it changes nothing."""
    made = [_from_json(kind) for kind in given.kinds]
    kinds = tuple(kind for kind in made if kind is not None)
    if options.encoder is not None or not kinds or len(kinds) < len(made):
        return _ANY_JSON
    if kinds == given.kinds:
        return given
    shown = " or ".join(dict.fromkeys(kind.name for kind in kinds))
    return Type(shown.replace("NoneType", "None"), kinds)


def _from_json(kind: Kind) -> Kind | None:
    """The class of what JSON gives back for a value of this one; None where that is not sure."""
    made = next((made for name, made in _JSON.items() if name in kind.supers), None)
    return made.kinds[0] if made is not None else None
