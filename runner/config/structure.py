"""A table to a frozen record, with exact types; the only module that imports cattrs."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final, TypeVar, get_type_hints

import attrs
from cattrs import ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from runner.config.model import (
    Durability,
    Frequency,
    Mode,
    Scope,
    SectionRef,
    StartMethod,
)
from runner.config.options import CHOICES, EXPOSED_TYPES, MINIMUM, is_ours
from runner.config.plugins import without_none
from runner.config.references import FunctionRef
from runner.config.values import (
    TYPES,
    BadValueError,
    coerce,
    format_timedelta,
    is_typed,
    misspelt_type,
    not_allowed,
    parse_choice,
    parse_function,
    quote,
)
from runner.diagnostics import KeyPath
from runner.suggestions import distance

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

_HOW_WRITTEN: Final[Mapping[str, str]] = {
    "bool": "write true or false",
    "timedelta": 'a text of days, hours, minutes, seconds: "1h30m"',
}
_LIKE_ENV: Final = re.compile(r"env\[|\$[{(]?\w|%\w+%", re.IGNORECASE)
_ENV_HINT: Final = 'a variable of the environment is written "ENV[NAME]"'
_LONGEST_QUEUE: Final = 200
"""Bytes: AMQP has 255, and queues beside it have longer names."""
_INT_BITS: Final = 63
_MOST_BITS: Final = 14_000
"""Of an int in a free place: Python turns no more than 4300 digits into text."""


class BadValuesError(ValueError):
    """Several values inside one are not what they should be; each with its way from there."""

    def __init__(self, found: list[tuple[KeyPath, BadValueError]]) -> None:
        super().__init__(f"{len(found)} bad values")
        self.found = found


@attrs.frozen
class Structured:
    """A record, and what of its table it could not use.

    Attributes:
        value: the record; what could not be used stands at its default.
        problems: why, each with the way from the table.
    """

    value: Any
    problems: tuple[tuple[KeyPath, BadValueError], ...] = ()


def structure(table: Mapping[str, Any], cls: type) -> Structured:
    """Make a record of a table whose keys are all fields of the class."""
    make = _maker(cls)
    try:
        return Structured(make(table, cls))
    except ClassValidationError as error:
        problems = tuple(_flatten(error))
    bad = {path[0] for path, _ in problems}
    good = {key: value for key, value in table.items() if key not in bad}
    if cls.__module__.startswith("runner."):
        return Structured(make(good, cls), problems)
    return _with_objections(good, cls, problems)


def _with_objections(
    table: Mapping[str, Any], cls: type, problems: tuple[tuple[KeyPath, BadValueError], ...]
) -> Structured:
    """A record of another package's class, whose own validators may raise.

    They do not say which key they mean, so it is the one without which they say another thing.
    """
    left = dict(table)
    while left and (said := _said(left, cls)) is not None:
        rest = ({each: left[each] for each in left if each != key} for key in left)
        meant = (key for key, others in zip(left, rest, strict=True) if _said(others, cls) != said)
        key = next(meant, None)
        problem = BadValueError("RUN116", "its storage type refuses it")
        problem.args = (said,)  # which may show the value, and `expected` must not
        problems = (*problems, (() if key is None else (key,), problem))
        left = {} if key is None else {each: raw for each, raw in left.items() if each != key}
    return Structured(_maker(cls)(left, cls), problems)


def _said(table: Mapping[str, Any], cls: type) -> str | None:
    """What validators say of a table: in the first argument, as those of attrs do."""
    try:
        _maker(cls)(table, cls)
    except ClassValidationError as error:
        cause: BaseException = error
        while isinstance(cause, ClassValidationError):
            cause = cause.exceptions[0]
        return str(cause.args[0] if cause.args else type(cause).__name__).partition("\n")[0]
    return None


def coerce_free(raw: Any) -> Any:
    """The value in a free place: typed strings become their values, in tables and lists too.

    Raises:
        BadValuesError: a typed string is none of its type.
    """
    if type(raw) is str:
        return coerce(raw) if ":" in raw else raw
    if type(raw) is int and raw.bit_length() > _MOST_BITS:
        raise _wrong("an int that Python can print", raw)
    if not isinstance(raw, list | dict):
        return raw
    items = raw.items() if isinstance(raw, dict) else enumerate(raw)
    values, found = _each(items, coerce_free)
    if found:
        raise BadValuesError(found)
    return values if isinstance(raw, dict) else list(values.values())


def misspelt_types(raw: Any, key: KeyPath) -> Iterator[tuple[KeyPath, str, str]]:
    """Plain texts in a free place that were probably meant to be typed: key, text, type."""
    if type(raw) is str and ":" in raw:
        meant = misspelt_type(raw)
        if meant is not None:
            yield key, raw, meant
    elif isinstance(raw, dict):
        for name, value in raw.items():
            yield from misspelt_types(value, (*key, name))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from misspelt_types(value, (*key, index))


def describe(raw: Any) -> str:
    """A raw value as it stands in `expected …, got …`."""
    match raw:
        case str():
            return quote(raw)
        case bool():
            return str(raw).lower()
        case int() if raw.bit_length() > _INT_BITS:  # Python may refuse to print it
            return "a huge integer"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a table"
        case datetime() | date() | time():
            return f"the {type(raw).__name__} {raw.isoformat()}"
        case _:
            return quote(str(raw))[1:-1]


@cache
def converter() -> Converter:
    """The one converter: exact types, no key beyond the fields, every problem at once."""
    made = Converter(forbid_extra_keys=True, detailed_validation=True)
    scalars = ((bool, "bool"), (int, "int"), (float, "float"), (timedelta, "timedelta"))
    for kind, name in scalars:
        made.register_structure_hook(kind, _scalar(kind, name))
    made.register_structure_hook(str, _text)
    made.register_structure_hook(FunctionRef, lambda raw, _: _function(raw))
    for choice in (Scope, Frequency, Mode, StartMethod, Durability):
        made.register_structure_hook(choice, _choice(choice))
    made.register_structure_hook_factory(attrs.has, lambda cls: _record(cls, made))
    return made


@cache
def _maker(cls: type) -> Callable[[Mapping[str, Any], Any], Any]:
    """What the converter would look up for each table anew."""
    return converter().get_structure_hook(cls)


def _record(cls: type, made: Converter) -> Callable[[Mapping[str, Any], Any], Any]:
    hooks: dict[str, Any] = {
        field.name: override(struct_hook=hook)
        for field in attrs.fields(cls)
        if (hook := _field_hook(cls, field, made)) is not None
    }
    return make_dict_structure_fn(
        cls, made, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **hooks
    )


def _field_hook(cls: type, field: attrs.Attribute[Any], made: Converter) -> Hook | None:
    if field.name in _BY_NAME and is_ours(cls, field.name):
        return _BY_NAME[field.name]
    if not is_ours(cls, field.name):
        hint = get_type_hints(cls)[field.name]
        if field.name == "encoding" and hint is str:
            return _encoding
        by_hint = next((hook for each, hook in _BY_HINT if each == without_none(hint)), None)
        if by_hint is not None:
            return by_hint
    if CHOICES in field.metadata:
        return _among(field.metadata[CHOICES])
    if MINIMUM in field.metadata:
        return _at_least(field.metadata[MINIMUM], made)
    return None


def _flatten(error: ClassValidationError) -> Iterator[tuple[KeyPath, BadValueError]]:
    noted, _ = error.group_exceptions()
    for problem, note in noted:
        if isinstance(problem, BadValueError):
            yield (note.name,), problem
        elif isinstance(problem, BadValuesError):
            for path, inner in problem.found:
                yield (note.name, *path), inner
        else:
            raise problem  # no hook of ours raises anything else, and no validator gets here


def _each(
    items: Any, step: Callable[[Any], Any]
) -> tuple[dict[Any, Any], list[tuple[KeyPath, BadValueError]]]:
    """Apply a step to each value; what it refuses is collected with its key."""
    values: dict[Any, Any] = {}
    found: list[tuple[KeyPath, BadValueError]] = []
    for key, raw in items:
        try:
            values[key] = step(raw)
        except BadValueError as problem:
            found.append(((key,), problem))
        except BadValuesError as problems:
            found.extend(((key, *path), problem) for path, problem in problems.found)
    return values, found


def _wrong(expected: str, raw: Any, hint: str | None = None) -> BadValueError:
    return BadValueError("RUN105", f"expected {expected}", describe(raw), hint)


def _scalar(kind: type[T], name: str) -> Hook:
    """A native value, `"v:type"`, or the text of one without the suffix."""

    def hook(raw: Any, _: Any) -> T:
        if type(raw) is int and raw.bit_length() > _INT_BITS:
            raise _wrong(f"{name} of 64 bits" if kind is int else name, raw)
        if kind is float and type(raw) is int:
            raw = float(raw)
        if type(raw) is kind:
            return raw
        if type(raw) is not str:
            raise _wrong(name, raw, _HOW_WRITTEN.get(name))
        return _typed(raw, kind, name)

    return hook


def _typed(raw: str, kind: type[T], name: str) -> T:
    if is_typed(raw):
        value = coerce(raw)
        if type(value) is kind:
            return value
        raise _wrong(name, raw, _HOW_WRITTEN.get(name))
    try:
        value = TYPES[name](raw)
    except BadValueError as problem:
        _refuse_misspelt(raw)
        hint = _ENV_HINT if _LIKE_ENV.match(raw) else problem.hint
        raise BadValueError("RUN105", problem.expected, problem.got, hint) from None
    assert type(value) is kind
    return value


def _refuse_misspelt(text: str) -> None:
    meant = misspelt_type(text)
    if meant is not None:
        head, _, suffix = text.rpartition(":")
        hint = f'did you mean "{head}:{meant}"?'
        raise BadValueError("RUN107", "expected a type after the colon", quote(suffix), hint)


def _refuse_misspelt_function(text: str) -> None:
    """Refuse `package.module.name:fonction`, which reads like a name of the function's own."""
    head, _, suffix = text.rpartition(":")
    meant = ("function", "class")
    if "." in head and any(distance(suffix.lower(), each, 1) <= 1 for each in meant):
        _refuse_misspelt(text)


def _text(raw: Any, _: Any) -> str:
    if type(raw) is not str:
        raise _wrong("str", raw)
    value = coerce(raw) if ":" in raw else raw
    if type(value) is not str:
        raise _wrong("str", raw, f'the text itself is written "{raw}:str"')
    return value


def _choice(kind: type[StrEnum]) -> Hook:
    def hook(raw: Any, _: Any) -> StrEnum:
        if isinstance(raw, kind):
            return raw
        if type(raw) is not str:
            raise _wrong(" or ".join(member.value for member in kind), raw)
        value = coerce(raw) if is_typed(raw) else raw
        if isinstance(value, kind):
            return value
        if type(value) is not str:
            raise _wrong(" or ".join(member.value for member in kind), raw)
        _refuse_misspelt(value)
        return parse_choice(kind, value)

    return hook


def _among(choices: tuple[str, ...]) -> Hook:
    def hook(raw: Any, _: Any) -> str:
        text = _text(raw, None)
        if text not in choices:
            raise not_allowed(text, choices)
        return text

    return hook


def _at_least(least: Any, made: Converter) -> Hook:
    kind = type(least)

    def hook(raw: Any, _: Any) -> Any:
        value = made.structure(raw, kind)
        if value < least:
            expected = f"at least {format_timedelta(least) if kind is timedelta else least}"
            if least == timedelta.resolution:
                expected = "more than 0s"
            raise BadValueError("RUN116", f"expected {expected}", describe(raw))
        return value

    return hook


def _function(raw: Any) -> FunctionRef:
    if isinstance(raw, FunctionRef):
        return raw
    if type(raw) is not str:
        raise _wrong('a function like "package.module.name"', raw)
    return _function_of(raw)


@lru_cache(4096)  # a large config names few functions, each many times
def _function_of(raw: str) -> FunctionRef:
    if not is_typed(raw):
        _refuse_misspelt_function(raw)
    value = coerce(raw) if is_typed(raw) else parse_function(raw)
    if not isinstance(value, FunctionRef):
        raise _wrong('a function like "package.module.name"', raw)
    return value


def _section_id(raw: Any) -> str:
    if isinstance(raw, SectionRef):
        return raw.id
    if type(raw) is not str or not raw:
        raise _wrong("an id", raw)
    if raw.endswith(":SECTION"):  # by far the most frequent typed string
        return raw[:-8].strip()
    if is_typed(raw) and not raw.endswith(":str"):
        raise _wrong("an id", raw)
    text = str(coerce(raw))
    _refuse_misspelt(text)
    return text


def _list_of(what: str, step: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    def structure_list(raw: Any) -> tuple[T, ...]:
        if not isinstance(raw, list | tuple):
            hint = f"write [{_each_quoted(raw)}]" if type(raw) is str else None
            raise _wrong(f"a list of {what}", raw, hint)
        values, found = _each(enumerate(raw), step)
        if found:
            raise BadValuesError(found)
        return tuple(values.values())

    return structure_list


def _each_quoted(text: str) -> str:
    return ", ".join(f'"{each.strip()}"' for each in text.strip("[]").split(","))


def _table_of(what: str, step: Callable[[Any], T]) -> Hook:
    def hook(raw: Any, _: Any) -> dict[str, T]:
        if not isinstance(raw, Mapping):
            raise _wrong(f"a table: {what}", raw)
        values, found = _each(raw.items(), step)
        if found:
            raise BadValuesError(found)
        return values

    return hook


def _ids(raw: Any, _: Any = None) -> tuple[str, ...]:
    if type(raw) is list:  # the way of nearly every file, at a third of the cost
        for item in raw:
            if type(item) is not str or not item or (":" in item and item[-8:] != ":SECTION"):
                break
        else:
            return tuple([item.removesuffix(":SECTION").strip() for item in raw])
    return _list_of("ids", _section_id)(raw)


def _texts(raw: Any, _: Any = None) -> tuple[str, ...]:
    return _list_of("strings", lambda item: _text(item, None))(raw)


def _comparators(raw: Any) -> tuple[FunctionRef, ...]:
    return _list_of("functions", _function)(raw) if isinstance(raw, list) else (_function(raw),)


def _workers(raw: Any, _: Any) -> int | None:
    if type(raw) is str and raw.strip().removesuffix(":str") == "auto":
        return None
    try:
        value = _scalar(int, "int")(raw, None)
    except BadValueError as problem:
        hint = problem.hint or '"auto" stands for all cores'
        raise BadValueError(problem.code, problem.expected, problem.got, hint) from None
    if value < 1:
        raise BadValueError("RUN116", 'expected at least 1, or "auto"', describe(raw))
    return int(value)


def _exposed_type(raw: Any, _: Any) -> str | FunctionRef:
    if isinstance(raw, FunctionRef):
        return raw
    if type(raw) is str and is_typed(raw) and isinstance(coerce(raw), FunctionRef):
        return _function(raw)
    text = _text(raw, None)
    if text in EXPOSED_TYPES:
        return text
    if "." in text or ":" in text:
        _refuse_misspelt_function(text)
        return parse_function(text)
    problem = not_allowed(text, [*EXPOSED_TYPES, "a class"])
    if problem.hint is None and text[:1].isupper():
        problem.hint = 'a class is named with its module: "module.Row"'
    raise problem


def _path(raw: Any, _: Any) -> str:
    text = _text(raw, None)
    if not text.strip():
        raise BadValueError("RUN116", "expected a path", quote(text))
    if "://" in text:  # which may hold a password, so it is not shown
        kind = "s3_object" if text.startswith("s3:") else "generic"
        hint = f'storage_type = "{kind}" reads what is no file'
        raise BadValueError("RUN116", "expected a path, got a URL", hint=hint)
    return text


def _queue(raw: Any, _: Any) -> str:
    text = _text(raw, None)
    if not text.strip():
        raise BadValueError("RUN116", "expected a name", quote(text))
    if len(text.encode(errors="replace")) > _LONGEST_QUEUE:
        raise BadValueError("RUN116", f"expected a name of {_LONGEST_QUEUE} bytes at most")
    return text


def _encoding(raw: Any, _: Any) -> str:
    text = _text(raw, None)
    try:
        codecs.lookup(text)
    except (LookupError, ValueError):
        expected = "expected an encoding that Python knows"
        raise BadValueError("RUN116", expected, quote(text), 'such as "utf-8"') from None
    return text


def _sheet_name(raw: Any, _: Any) -> str | tuple[str, ...]:
    return _texts(raw) if isinstance(raw, list | tuple) else _text(raw, None)


def _arguments(raw: Any, _: Any) -> tuple[Any, ...]:
    return _list_of("arguments", coerce_free)(raw)


def _as_it_is(raw: Any, _: Any) -> Any:
    return raw


def _free(raw: Any, _: Any) -> Any:
    return coerce_free(raw)


def _severity(raw: Any) -> str:
    return str(_among(("error", "warning", "off"))(raw, None))


_BY_NAME: Final[Mapping[str, Hook]] = {
    "id": _as_it_is,
    "storage_type": _as_it_is,
    "options": _as_it_is,
    "properties": _as_it_is,
    "default_data": _free,
    "inputs": _ids,
    "outputs": _ids,
    "tasks": _ids,
    "additional_data_nodes": _ids,
    "tags": _texts,
    "ignore": _texts,
    "sequences": _table_of("name = [tasks]", _ids),
    "comparators": _table_of("data node = function", _comparators),
    "severity": _table_of("code = severity", _severity),
    "max_nb_of_workers": _workers,
    "path": _path,
    "default_path": _path,
    "storage_folder": _path,
    "sqlite_folder_path": _path,
    "queue": _queue,
    "encoding": _encoding,
    "exposed_type": _exposed_type,
    "sheet_name": _sheet_name,
    "read_kwargs": _table_of("name = value", coerce_free),
    "write_kwargs": _table_of("name = value", coerce_free),
    "db_extra_args": _table_of("name = value", coerce_free),
    "aws_s3_client_parameters": _table_of("name = value", coerce_free),
    "aws_s3_get_object_parameters": _table_of("name = value", coerce_free),
    "aws_s3_put_object_parameters": _table_of("name = value", coerce_free),
    "aws_s3_object_parameters": _table_of("name = value", coerce_free),
    "read_fct_args": _arguments,
    "write_fct_args": _arguments,
}
"""Hooks of fields whose type alone does not say how they are written."""
_BY_HINT: Final[Sequence[tuple[Any, Hook]]] = (
    (Any, _free),
    (Mapping[str, Any], _BY_NAME["read_kwargs"]),
    (dict[str, Any], _BY_NAME["read_kwargs"]),
    (tuple[str, ...], _texts),
    (tuple[Any, ...], _arguments),
)
"""Hooks of keys of other packages' storage types, whose names say nothing."""
