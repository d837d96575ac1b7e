"""Typed strings: text to value and back, by a closed table of types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from runner.config.model import Frequency, Scope, SectionRef
from runner.config.references import FunctionRef, parse_reference
from runner.suggestions import did_you_mean, distance

E = TypeVar("E", bound=StrEnum)

_TIMEDELTA: Final = re.compile(
    r"\s*+(?:(?P<days>\d++(?:\.\d++)?)d)?\s*+(?:(?P<hours>\d++(?:\.\d++)?)h)?"
    r"\s*+(?:(?P<minutes>\d++(?:\.\d++)?)m)?\s*+(?:(?P<seconds>\d++(?:\.\d++)?)s)?\s*+",
    re.ASCII,
)
_ENV: Final = re.compile(
    r"ENV\[(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?\](?::(?P<type>[A-Za-z]+))?"
)
_LONGEST_HINT: Final = 100
SECRET_WORDS: Final = ("password", "secret", "token", "access_key")


class BadValueError(ValueError):
    """A value is not what its place asks for.

    Attributes:
        code: `RUNnnn`.
        expected: what the place asks for; says nothing of the value, so it may be shown.
        got: what stands there, in quotes where it is text; empty where `expected` says it all.
        hint: advice.
    """

    def __init__(self, code: str, expected: str, got: str = "", hint: str | None = None) -> None:
        super().__init__(f"{expected}, got {got}" if got else expected)
        self.code = code
        self.expected = expected
        self.got = got
        self.hint = hint


class EnvText(NamedTuple):
    """`ENV[NAME:-default]:type`, taken apart. Default and type are None where left out."""

    name: str
    default: str | None
    type: str | None


def quote(text: str, limit: int = 60) -> str:
    """A value as it stands in a message: in quotes, on one line, cut in the middle when long."""
    if len(text) > limit:
        text = f"{text[: limit - 20]}...{text[-17:]}"
    return '"' + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + '"'


def parse_bool(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in {"true", "false"}:
        raise BadValueError("RUN106", "expected bool", quote(text), "write true or false")
    return lowered == "true"


def parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadValueError("RUN106", "expected int", quote(text)) from None


def parse_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadValueError("RUN106", "expected float", quote(text)) from None


def parse_datetime(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        hint = 'ISO 8601: "2026-11-22T10:30:00"'
        raise BadValueError("RUN106", "expected datetime", quote(text), hint) from None


def parse_timedelta(text: str) -> timedelta:
    """Read `[Nd][Nh][Nm][Ns]`, in this order, with blanks between and decimals, not empty."""
    match = _TIMEDELTA.fullmatch(text)
    parts = {unit: float(n) for unit, n in match.groupdict().items() if n} if match else {}
    if not parts:
        hint = 'days, hours, minutes, seconds in this order: "1d2h30m15s"'
        raise BadValueError("RUN106", "expected timedelta", quote(text), hint)
    try:
        return timedelta(**parts)
    except OverflowError:
        raise BadValueError("RUN106", "expected a shorter timedelta", quote(text)) from None


def parse_function(text: str) -> FunctionRef:
    try:
        return parse_reference(text)
    except ValueError:
        expected = 'expected a dotted name like "package.module.name"'
        raise BadValueError("RUN106", expected, quote(text), _function_hint(text)) from None


def _function_hint(text: str) -> str | None:
    """What a call, a path or a bare name should be written as."""
    name = re.sub(r"\(.*\)$", "", text.strip())
    name = re.sub(r"\.py(?=[.:]|$)", "", name)
    name = re.sub(r"[./\\:]+", ".", name).strip(".")
    if len(name) > _LONGEST_HINT:
        return None
    if name.isidentifier():
        return f'name its module too: "module.{name}"'
    if all(part.isidentifier() for part in name.split(".")):
        return f'write "{name}"'
    return "name a function of one of your modules"


def parse_choice(kind: type[E], text: str) -> E:
    """The member of an enumeration that the text names, in upper or lower case."""
    for member in kind:
        if member.value.lower() == text.strip().lower():
            return member
    raise not_allowed(text, [member.value for member in kind])


def not_allowed(text: str, choices: Sequence[str]) -> BadValueError:
    """The problem of a value that is none of the choices."""
    expected = f"expected one of {', '.join(choices)}"
    meant = did_you_mean(text.rpartition(".")[2], choices)  # also of `Scope.GLOBAL`
    return BadValueError("RUN116", expected, quote(text), meant)


def parse_section(text: str) -> SectionRef:
    return SectionRef(text.strip())


TYPES: Final[Mapping[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "bool": parse_bool,
        "int": parse_int,
        "float": parse_float,
        "str": str,
        "datetime": parse_datetime,
        "timedelta": parse_timedelta,
        "function": parse_function,
        "class": parse_function,
        "SCOPE": lambda text: parse_choice(Scope, text),
        "FREQUENCY": lambda text: parse_choice(Frequency, text),
        "SECTION": parse_section,
    }
)


def is_typed(text: str) -> bool:
    """Whether the text is `TEXT:TYPE`: split at the last colon, one line, TEXT not empty."""
    head, _, kind = text.rpartition(":")
    return kind in TYPES and head != "" and "\n" not in text


def coerce(text: str) -> Any:
    """The value of a string in a free place: that of its type, or the text itself.

    Raises:
        BadValueError: the text before the type is none of that type.
    """
    head, _, kind = text.rpartition(":")
    if kind not in TYPES or not head or "\n" in text:
        return text
    return TYPES[kind](head)


def misspelt_type(text: str) -> str | None:
    """The type that a plain text's suffix was probably meant to be: `int` for `8:itn`."""
    head, _, kind = text.rpartition(":")
    if not head or not kind.isalpha() or kind in TYPES or "\n" in text:
        return None
    for name in TYPES:
        if kind.lower() == name.lower():
            return name
    limit = 2 if len(kind) > 2 else 1
    near = [(edits, name) for name in TYPES if (edits := distance(kind, name, limit)) <= limit]
    return min(near)[1] if near else None


def parse_env(text: str) -> EnvText | None:
    """Take `ENV[…]` apart; None where the whole text is none."""
    match = _ENV.fullmatch(text)
    if match is None or (match["type"] is not None and match["type"] not in TYPES):
        return None
    return EnvText(match["name"], match["default"], match["type"])


def is_secret_key(key: str) -> bool:
    """Whether a value under a key of that name is shown nowhere."""
    lowered = key.lower()
    return any(word in lowered for word in SECRET_WORDS)


def format_timedelta(value: timedelta) -> str:
    """The text that `parse_timedelta` reads back exactly."""
    seconds = f"{value.seconds}.{value.microseconds:06d}" if value.microseconds else value.seconds
    parts = [f"{value.days}d" if value.days else "", f"{seconds}s" if value - _days(value) else ""]
    return "".join(parts) or "0s"


def _days(value: timedelta) -> timedelta:
    return timedelta(days=value.days)
