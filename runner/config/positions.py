"""Where a key path stands in a TOML text, and whether a text is too deep to be parsed at all."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import attrs

from runner.config.pauses import collector_paused
from runner.diagnostics import KeyPath, Position

MAX_DEPTH: Final = 64
"""Brackets that may be open at once."""
MAX_PARTS: Final = 32
"""Parts that a dotted key may have."""

Stretch: TypeAlias = tuple[int, int]
"""Half-open offsets into a text."""


class Mark(NamedTuple):
    """Where a key and its value are written, as offsets into the text.

    Of a dotted key, each part is the key of its own path. What has no text of its own borrows it:
    an array's element has its value as key, a table that is named by a header or a dotted key has
    that part as value.
    """

    key: Stretch
    value: Stretch


_BOM: Final = "\ufeff"
_LINE_END: Final = re.compile("\n")

# Strings without their end.
_BASIC: Final = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
_LITERAL: Final = r"'[^'\n]*+"
_BASIC_LINES: Final = r'"""[^"\\]*+(?:(?:\\.|(?!""")")[^"\\]*+)*+'
_LITERAL_LINES: Final = r"'''[^']*+(?:(?!''')'[^']*+)*+"

_BLANKS: Final = re.compile(r"[ \t]*+")
_GAP: Final = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_COMMAS: Final = re.compile(r"(?:[ \t\r\n,]++|#[^\n]*+)*+")
# A part of a key, and either the dot that leads to the next one or what ends the key.
_PART: Final = re.compile(rf"""([\w-]++|{_BASIC}"|{_LITERAL}')[ \t]*+(?:(\.)|=|\]\]?)[ \t]*+""")
_LEAF: Final = re.compile(
    rf"""{_BASIC_LINES}"{{3,5}}|{_LITERAL_LINES}'{{3,5}}|{_BASIC}"|{_LITERAL}'"""
    r"|(?:\d{4}-\d\d-\d\d[ ](?=\d))?[^ \t\r\n,\]}#]++",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(?:x..|u.{4}|U.{8}|.)")
_ESCAPED: Final[Mapping[str, str]] = {
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    '"': '"',
    "\\": "\\",
}


def scan(text: str) -> dict[KeyPath, Mark]:
    """Every path of `text`, tables, arrays and their elements included, and where it is written.

    A table that is only implied has the mark of the first key that names it; a header of its own,
    wherever it stands, comes before that.

    Args:
        text: as it is in the file, byte order mark and carriage returns included; accepted by
            tomli and not `too_deep`.

    Raises:
        ValueError: the text is no TOML.
    """
    with collector_paused():
        return _scan(text)


def _scan(text: str) -> dict[KeyPath, Mark]:
    # tomli has accepted the text, so this scanner only has to find its way, never to judge.
    marks: dict[KeyPath, Mark] = {}
    last: dict[KeyPath, int] = {}
    table: KeyPath = ()
    pos = _skip(_GAP, text, _start(text))
    while pos < len(text):
        if text[pos] == "[":
            pos, table = _header(text, pos, marks, last)
        else:
            pos = _pair(text, pos, table, marks, last)
        pos = _skip(_GAP, text, pos)
    return marks


def nearest_mark(marks: Mapping[KeyPath, Mark], key: KeyPath) -> Mark | None:
    """The mark of `key`, or of the longest part of it that is written."""
    for length in range(len(key), 0, -1):
        if (mark := marks.get(key[:length])) is not None:
            return mark
    return None


def position(text: str, offset: int) -> Position:
    """The line and column of an offset; a byte order mark takes no column."""
    line_start = text.rfind("\n", 0, offset) + 1 or _start(text)
    return Position(text.count("\n", 0, offset) + 1, max(offset - line_start, 0) + 1)


def line_starts(text: str) -> list[int]:
    """Where each line begins, as offsets; the first one after a byte order mark."""
    return [_start(text), *(found.end() for found in _LINE_END.finditer(text))]


def position_among(starts: Sequence[int], offset: int) -> Position:
    """As `position`, for many offsets into one text: `starts` are its `line_starts`."""
    line = max(bisect_right(starts, offset), 1)
    return Position(line, max(offset - starts[line - 1], 0) + 1)


def _start(text: str) -> int:
    return len(_BOM) if text.startswith(_BOM) else 0


def _header(
    text: str, pos: int, marks: dict[KeyPath, Mark], last: dict[KeyPath, int]
) -> tuple[int, KeyPath]:
    """Read `[key]` or `[[key]]`; gives the path of the table that it opens."""
    brackets = 2 if text.startswith("[[", pos) else 1
    pos = _skip(_BLANKS, text, pos + brackets)
    pos, path, stretch = _key(text, pos, (), marks, last)
    mark = Mark(stretch, stretch)
    if brackets == 2:
        marks.setdefault(path, mark)
        last[path] = last.get(path, -1) + 1
        path = (*path, last[path])
    marks[path] = mark
    return pos, path


@attrs.define
class _Container:
    """An array or inline table whose end is still to come."""

    path: KeyPath
    key: Stretch | None
    start: int
    is_array: bool
    length: int = 0


def _pair(
    text: str, pos: int, table: KeyPath, marks: dict[KeyPath, Mark], last: Mapping[KeyPath, int]
) -> int:
    """Read `key = value` and all that is inside the value."""
    inside: list[_Container] = []
    key: Stretch | None
    pos, path, key = _key(text, pos, table, marks, last)
    while True:
        start = pos
        if text.startswith(("[", "{"), pos):
            inside.append(_Container(path, key, start, text[pos] == "["))
            pos += 1
        else:
            pos = _skip(_LEAF, text, pos)
            marks[path] = Mark(key or (start, pos), (start, pos))
        pos = _close(text, pos, inside, marks)
        if not inside:
            return pos
        pos, path, key = _member(text, pos, inside[-1], marks, last)


def _close(text: str, pos: int, inside: list[_Container], marks: dict[KeyPath, Mark]) -> int:
    """Leave the containers that end here; gives where the next member of the others starts."""
    while inside:
        pos = _skip(_COMMAS, text, pos)
        if not text.startswith(("]", "}"), pos):
            break
        pos += 1
        ended = inside.pop()
        value = (ended.start, pos)
        marks[ended.path] = Mark(ended.key or value, value)
    return pos


def _member(
    text: str,
    pos: int,
    container: _Container,
    marks: dict[KeyPath, Mark],
    last: Mapping[KeyPath, int],
) -> tuple[int, KeyPath, Stretch | None]:
    """Where the value of the next member starts, its path and its key; an element has none."""
    if not container.is_array:
        return _key(text, pos, container.path, marks, last)
    path = (*container.path, container.length)
    container.length += 1
    return pos, path, None


def _key(
    text: str, pos: int, path: KeyPath, marks: dict[KeyPath, Mark], last: Mapping[KeyPath, int]
) -> tuple[int, KeyPath, Stretch]:
    """Follow a dotted key down from `path`, and pass what ends it.

    `last` has the index of the last table of each array of tables, which a key leads into.
    """
    while True:
        part = _expect(_PART, text, pos)
        pos, stretch = part.end(), part.span(1)
        path = (*path, _name(part[1]))
        if part[2] is None:
            return pos, path, stretch
        marks.setdefault(path, Mark(stretch, stretch))
        if path in last:
            path = (*path, last[path])


def _name(written: str) -> str:
    """A part of a key as it is meant: without quotes and escapes."""
    if written[0] == '"':
        return _ESCAPE.sub(_unescape, written[1:-1])
    return written.strip("'")


def _unescape(escape: re.Match[str]) -> str:
    kind, digits = escape[0][1], escape[0][2:]
    return chr(int(digits, 16)) if digits else _ESCAPED[kind]


def _skip(pattern: re.Pattern[str], text: str, pos: int) -> int:
    return _expect(pattern, text, pos).end()


def _expect(pattern: re.Pattern[str], text: str, pos: int) -> re.Match[str]:
    found = pattern.match(text, pos)
    if found is None:
        raise ValueError(f"no TOML at offset {pos}")
    return found


# Possessive repeats, and ends that may be missing since the text need not be valid, keep it linear.
_QUOTED: Final = (
    rf"""{_BASIC_LINES}(?:"{{3,5}})?|{_LITERAL_LINES}(?:'{{3,5}})?|{_BASIC}"?|{_LITERAL}'?"""
)
_BRACKET: Final = re.compile(
    rf"""(?:[^"'\#\[\]{{}}]++|{_QUOTED}|\#[^\n]*+)*+(?:(?P<opening>[\[{{])|[\]}}]|\Z)""",
    re.DOTALL,
)
_WORD: Final = rf"""(?:[\w-]++|{_BASIC}"?|{_LITERAL}'?)"""
_DOT: Final = r"[ \t]*+\.[ \t]*+"
_DOTTED: Final = rf"{_WORD}(?:{_DOT}{_WORD}){{{MAX_PARTS}}}"
_LONG_KEY: Final = re.compile(
    rf"""(?:{_BASIC_LINES}(?:"{{3,5}})?|{_LITERAL_LINES}(?:'{{3,5}})?|\#[^\n]*+"""
    rf"""|(?!{_DOTTED}){_WORD}(?:{_DOT}{_WORD})*+|[^\w"'#-]++)*+({_DOTTED})""",
    re.DOTALL,
)

_FLESH: Final = bytes(set(range(256)) - set(b"[]{}\"'#.,=\\\n"))
"""What is taken from a text to leave its bones: what opens, closes, quotes and divides."""
_SIMPLY_QUOTED: Final = re.compile(rb"\"[^\"\n]*+\"?|'[^'\n]*+'?|#[^\n]*+")


def too_deep(text: str) -> tuple[int, str] | None:
    """What in `text` is nested so deep that a parser should not see it: where, and what it is.

    Takes linear time, whatever the text; it need not be valid.
    """
    bones = text.encode(errors="replace").translate(None, _FLESH)
    if _may_nest_deeply(bones) and (offset := _deep_bracket(text)) is not None:
        return offset, f"nested deeper than {MAX_DEPTH}"
    if _may_have_long_key(bones) and (long_key := _LONG_KEY.match(text)):
        return long_key.start(1), f"a key of more than {MAX_PARTS} parts"
    return None


def _may_have_long_key(bones: bytes) -> bool:
    """Whether a line has as many dots as a key with too many parts."""
    return b"." * MAX_PARTS in bones.translate(None, b"[]{}\"'#,=\\")


def _may_nest_deeply(bones: bytes) -> bool:
    """Whether the brackets deserve an exact look: too often rather than too rarely."""
    if b"\\" in bones or b'"""' in bones or b"'''" in bones:
        return True
    # Two quotes in a row are an empty string or join two strings: what is quoted stays quoted.
    bones = bones.translate(None, b".,=").replace(b'""', b"").replace(b"''", b"")
    bones = bones.replace(b"[]", b"").replace(b"#\n", b"\n")
    brackets = _SIMPLY_QUOTED.sub(b"", bones).translate(None, b"\n")
    for _ in range(4):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    # Each of the nine replacements of brackets took one level away at most.
    return len(brackets) > MAX_DEPTH - 9


def _deep_bracket(text: str) -> int | None:
    """The first bracket that is open inside too many others."""
    depth = 0
    for bracket in _BRACKET.finditer(text):
        if bracket["opening"] is None:
            depth = max(depth - 1, 0)
            continue
        depth += 1
        if depth > MAX_DEPTH:
            return bracket.start("opening")
    return None
