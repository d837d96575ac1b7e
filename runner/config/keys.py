"""Every key of the language: what it is called, how it is written, what it means, its default."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, get_origin, get_type_hints

import attrs

from runner.config.model import (
    TAIPY_CORE_KEYS,
    CheckConfig,
    CoreConfig,
    DataNodeConfig,
    JobConfig,
    ScenarioConfig,
    TaskConfig,
)
from runner.config.options import (
    CHOICES,
    EXPOSED_TYPES,
    MINIMUM,
    REQUIRED,
    is_ours,
)
from runner.config.plugins import storage_types, without_none
from runner.config.references import FunctionRef
from runner.config.values import format_timedelta


class Kind(enum.StrEnum):
    """How the value of a key is written, in the words of the reference."""

    TEXT = "str"
    BOOL = "bool"
    INT = "int"
    NUMBER = "float"
    DURATION = "timedelta"
    CHOICE = "one of"
    FUNCTION = "function"
    CLASS = "class"
    STORAGE_TYPE = "storage type"
    WORKERS = 'int ≥ 1, or "auto"'
    EXPOSED_TYPE = "one of these, or a class:"
    SHEETS = "str, or list of str"
    TEXTS = "list of str"
    CODES = "list of codes or slugs"
    DATA_NODES = "list of data node ids"
    TASKS = "list of task ids"
    SEQUENCES = "table: name → list of task ids"
    COMPARATORS = "table: data node id → function, or list of functions"
    SEVERITIES = "table: code or slug → `error`, `warning`, `off`"
    ARGUMENTS = "list"
    TABLE = "table"
    ANY = "anything"


@attrs.frozen(kw_only=True)
class Key:
    """A key of a section.

    Attributes:
        name: as it is written.
        kind: how its value is written.
        meaning: whole sentences, the first one in lower case.
        default: as it would be written; None: there is none.
        required: whether the section means nothing without it.
        choices: the texts that are allowed, where only some are.
        enumeration: the enumeration that the choices are the members of, if they are.
        minimum: the least value, where there is one.
        is_old: whether it is only there for files of Taipy or of old versions.
    """

    name: str
    kind: Kind
    meaning: str
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    enumeration: type[enum.StrEnum] | None = None
    minimum: int | None = None
    is_old: bool = False

    @property
    def description(self) -> str:
        """The meaning, the unit and the default, for people."""
        unit = " A duration: days, hours, minutes, seconds, such as `1h30m`."
        return "".join(
            [
                self.meaning[0].upper() + self.meaning[1:],
                unit if self.kind is Kind.DURATION else "",
                " Required." if self.required else "",
                "" if self.default is None else f" Default: `{written(self.default)}`.",
            ]
        )


def section_keys(section: str) -> list[Key]:
    """The keys of `[JOB]`, `[CORE]`, `[CHECK]`, or of an id's table in the other sections.

    Of a data node, those that all storage types have.
    """
    return [*_keys_of(SECTIONS[section]), *_OLD_KEYS.get(section, ())]


def storage_keys(storage_type: str) -> list[Key]:
    """The keys that a storage type has beside those of every data node."""
    return list(_keys_of(storage_types()[storage_type]))


def summary(cls: type) -> str:
    """The first line of what a class says of itself."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


def written(value: Any) -> str:
    """A default as TOML has it."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(map(written, value))}]"
        case _:
            return str(value)


def _keys_of(cls: type) -> Iterator[Key]:
    meanings = _meanings(cls)
    hints = get_type_hints(cls)
    for field in attrs.fields(cls):
        if field.name not in _NO_KEYS:
            meaning = meanings.get(field.name, "its authors do not say what it means.")
            yield _key(field, hints[field.name], meaning, named=is_ours(cls, field.name))


def _key(field: attrs.Attribute[Any], hint: Any, meaning: str, *, named: bool) -> Key:
    """A key.

    Args:
        field: of the class.
        hint: its annotation.
        meaning: what the docstring says.
        named: whether its name says how it is written.
    """
    bare = without_none(hint)
    enumeration = bare if isinstance(bare, type) and issubclass(bare, enum.StrEnum) else None
    choices = field.metadata.get(CHOICES, tuple(enumeration or ()))
    minimum = field.metadata.get(MINIMUM)
    return Key(
        name=field.name,
        kind=(named and _KINDS.get(field.name)) or (Kind.CHOICE if choices else _kind(bare)),
        meaning=meaning,
        default=_raw_default(field.default),
        required=REQUIRED in field.metadata or (named and field.name == "function"),
        choices=(named and _choices(field.name)) or tuple(map(str, choices)),
        enumeration=enumeration,
        minimum=minimum if isinstance(minimum, int) else None,
    )


def _kind(hint: Any) -> Kind:
    return _BY_TYPE.get(hint) or _BY_TYPE[get_origin(hint)]


def _choices(name: str) -> tuple[str, ...]:
    match name:
        case "storage_type":
            return tuple(storage_types())
        case "exposed_type":
            return EXPOSED_TYPES
    return ()


def _raw_default(default: Any) -> Any:
    match default:
        case enum.StrEnum():
            return default.value
        case timedelta():
            return format_timedelta(default)
        case bool() | int() | float() | str() | tuple():
            return default
    return None


def _meanings(cls: type) -> dict[str, str]:
    """What the docstrings of a class and of its bases say of each attribute."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        text = inspect.cleandoc(vars(each).get("__doc__") or "").partition("Attributes:\n")[2]
        for entry in _ATTRIBUTE.finditer(text):
            found[entry["name"]] = " ".join(entry["meaning"].split())
    return found


def _old(names: tuple[str, ...], meaning: str, kind: Kind = Kind.ANY) -> tuple[Key, ...]:
    return tuple(Key(name=name, kind=kind, meaning=meaning, is_old=True) for name in names)


_ATTRIBUTE: Final = re.compile(r"^ {4}(?P<name>\w+): (?P<meaning>.+(?:\n {8}.+)*)", re.MULTILINE)
_NO_KEYS: Final = frozenset({"id", "options", "properties"})
SECTIONS: Final[Mapping[str, type]] = MappingProxyType(
    {
        "JOB": JobConfig,
        "CORE": CoreConfig,
        "CHECK": CheckConfig,
        "DATA_NODE": DataNodeConfig,
        "TASK": TaskConfig,
        "SCENARIO": ScenarioConfig,
    }
)
_OLD_KEYS: Final[Mapping[str, tuple[Key, ...]]] = {
    "JOB": _old(("nb_of_workers",), "the old name of `max_nb_of_workers`.", Kind.WORKERS),
    "CORE": _old(TAIPY_CORE_KEYS, "of Taipy; it means nothing here."),
}
_BY_TYPE: Final[Mapping[Any, Kind]] = {
    str: Kind.TEXT,
    bool: Kind.BOOL,
    int: Kind.INT,
    float: Kind.NUMBER,
    timedelta: Kind.DURATION,
    FunctionRef: Kind.FUNCTION,
    Mapping: Kind.TABLE,
    dict: Kind.TABLE,
    tuple[str, ...]: Kind.TEXTS,
    tuple[Any, ...]: Kind.ARGUMENTS,
    Any: Kind.ANY,
}
_KINDS: Final[Mapping[str, Kind]] = {
    "storage_type": Kind.STORAGE_TYPE,
    "default_data": Kind.ANY,
    "max_nb_of_workers": Kind.WORKERS,
    "exposed_type": Kind.EXPOSED_TYPE,
    "sheet_name": Kind.SHEETS,
    "encoder": Kind.CLASS,
    "decoder": Kind.CLASS,
    "custom_document": Kind.CLASS,
    "inputs": Kind.DATA_NODES,
    "outputs": Kind.DATA_NODES,
    "additional_data_nodes": Kind.DATA_NODES,
    "tasks": Kind.TASKS,
    "sequences": Kind.SEQUENCES,
    "comparators": Kind.COMPARATORS,
    "tags": Kind.TEXTS,
    "ignore": Kind.CODES,
    "severity": Kind.SEVERITIES,
    "read_fct_args": Kind.ARGUMENTS,
    "write_fct_args": Kind.ARGUMENTS,
}
"""Of keys whose type alone does not say how they are written."""
