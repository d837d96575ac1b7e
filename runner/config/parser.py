"""Text to tables: reads files and TOML; the only module that imports tomli."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any, Final

import attrs
import tomli

from runner.config.duplicates import Twice, written_twice
from runner.config.positions import position, too_deep
from runner.config.syntax import Mistake, mistake
from runner.diagnostics import Diagnostic, Place, Position, Related
from runner.suggestions import did_you_mean

_HUGE_INTEGER: Final = re.compile(r"\d[\d_]{4300,}")
_CONFLICT: Final = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
_LOOKS_LIKE: Final = (
    (re.compile(r"\s*\{\s*[\"}]"), "JSON"),
    (re.compile(r"\s*(---\s|\w+:\s)"), "YAML"),
    (re.compile(r"\s*(import|from) \w"), "Python"),
)


class UnreadableFileError(Exception):
    """A file that gives no tables; `diagnostic` says why and where."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def read_text(path: Path, name: str) -> str:
    """The text of a regular file, without its byte-order mark.

    Args:
        path: the file.
        name: the file as the user knows it.

    Raises:
        UnreadableFileError: RUN108 where it cannot be read, RUN109 where it is not UTF-8.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a FIFO would block for ever
            what = "is a directory" if path.is_dir() else "is not a regular file"
            raise UnreadableFileError(_unreadable(name, what))
        data = path.read_bytes()
    except ValueError:  # Python's words for it differ from version to version
        reason = "the name holds a null character"
        raise UnreadableFileError(_unreadable(name, reason)) from None
    except OSError as error:
        reason = error.strerror or str(error)
        hint = _near(path) if isinstance(error, FileNotFoundError) else None
        raise UnreadableFileError(_unreadable(name, reason.lower(), hint)) from None
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(_not_utf8(data, error.start, name)) from None


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        UnreadableFileError: RUN101, with the place.
    """
    problem = too_deep(text)
    if problem is not None:
        offset, what = problem
        raise UnreadableFileError(_syntax(text, offset, what, name))
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise UnreadableFileError(_tomli_syntax(text, error, name)) from None
    except RecursionError:
        raise UnreadableFileError(_syntax(text, 0, "nested too deep", name)) from None
    except (ValueError, OverflowError) as error:  # Python's own limits, which tomli lets through
        huge = _HUGE_INTEGER.search(text)
        offset = huge.start() if huge else 0
        message = "an integer of more than 4300 digits" if huge else str(error).lower()
        raise UnreadableFileError(_syntax(text, offset, message, name)) from None


def parse_value(text: str) -> Any:
    """A single TOML value; a text that is none is a string."""
    try:
        tables = tomli.loads(f"value = {text}")
    except (ValueError, RecursionError, OverflowError):
        return text
    return tables["value"] if len(tables) == 1 else text


def parse_key(text: str) -> tuple[str, ...] | None:
    """The parts of a dotted key, or None where the text is none."""
    if "\n" in text or "=" in text or too_deep(text) is not None:
        return None
    try:
        table: Any = tomli.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        return None
    parts = []
    while isinstance(table, dict) and len(table) == 1:
        part, table = next(iter(table.items()))
        parts.append(part)
    return tuple(parts) if table == 0 and parts else None


def _tomli_syntax(text: str, error: tomli.TOMLDecodeError, name: str) -> Diagnostic:
    conflict = _CONFLICT.search(text)
    if conflict is not None:
        return _syntax(text, conflict.start(), "git conflict marker", name)
    # tomli counts in the text as it sees it, in which "\r\n" is "\n"
    offset = _original_offset(text, error.pos)
    twice = written_twice(text, offset) if error.msg.startswith("Cannot") else None
    if twice is not None:
        return _twice(text, twice, name)
    told = mistake(text, offset, error.msg)
    languages = (language for pattern, language in _LOOKS_LIKE if pattern.match(text))
    foreign = next((f"this looks like {each}; runner reads TOML" for each in languages), None)
    wrong = _syntax(text, offset, told.message, name, foreign or told.hint)
    return wrong if told.begin is None else attrs.evolve(wrong, related=_begun(text, told, name))


def _begun(text: str, told: Mistake, name: str) -> tuple[Related, ...]:
    assert told.begin is not None
    start = position(text, told.begin)
    return (Related(message="it begins here", place=Place(name, start, start)),)


def _twice(text: str, twice: Twice, name: str) -> Diagnostic:
    first, second = (
        Place(name, position(text, start), position(text, end))
        for start, end in (twice.first, twice.second)
    )
    return Diagnostic(
        code="RUN101",
        message=f"`{'.'.join(map(str, twice.key))}` is written twice",
        place=second,
        related=(Related(message="the first time", place=first),),
    )


def _original_offset(text: str, offset: int) -> int:
    if "\r\n" not in text:
        return offset
    for match in re.finditer("\r\n", text):
        if match.start() >= offset:
            break
        offset += 1
    return offset


def _syntax(text: str, offset: int, message: str, name: str, hint: str | None = None) -> Diagnostic:
    start = position(text, min(offset, len(text)))
    end = Position(start.line, start.column + 1)
    return Diagnostic(code="RUN101", message=message, hint=hint, place=Place(name, start, end))


def _near(path: Path) -> str | None:
    """A file that may be meant by the name of one that is not there."""
    return did_you_mean(path.name, [each.name for each in path.parent.glob("*.toml")])


def _unreadable(name: str, reason: str, hint: str | None = None) -> Diagnostic:
    start = Position(1, 1)
    place = Place(name, start, start)
    message = f"`{name}` cannot be read: {reason}"
    return Diagnostic(code="RUN108", message=message, hint=hint, place=place)


def _not_utf8(data: bytes, offset: int, name: str) -> Diagnostic:
    before = data[:offset].decode("utf-8")
    start = position(before, len(before))
    utf16 = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
    return Diagnostic(
        code="RUN109",
        message=f"not UTF-8: byte 0x{data[offset]:02x}",
        hint="the file looks like UTF-16; save it as UTF-8" if utf16 else "save the file as UTF-8",
        place=Place(name, start, Position(start.line, start.column + 1)),
    )
