"""What a mistake of TOML syntax is called, and what was probably meant.

Nothing of a value is repeated here: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class Mistake(NamedTuple):
    """A mistake in the reader's words.

    Attributes:
        message: what is wrong.
        hint: advice; None where there is none.
        begin: where what is not closed begins, as an offset; None where that is not the mistake.
    """

    message: str
    hint: str | None = None
    begin: int | None = None


class _Advice(NamedTuple):
    """A hint, and what the parser says and the line says around its place where it is due."""

    problem: str
    before: str
    after: str
    hint: str


_COMMENT: Final = "comments begin with #"
_QUOTES: Final = 'texts stand in quotes: "..."'
_STRAIGHT: Final = 'texts stand in straight quotes: "..."'
_SEVERAL_LINES: Final = 'add the quote; a text of several lines stands in """'
_BACKSLASH: Final = "write / for \\, or put the text in single quotes"
_ADVICE: Final = (
    _Advice("", "", r"[\u00ab\u00bb\u2018\u2019\u201c-\u201e]", _STRAIGHT),
    _Advice("Invalid value", "", r"(?i:true|yes|on)\b", "write true"),
    _Advice("Invalid value", "", r"(?i:false|no|off)\b", "write false"),
    _Advice("Invalid value", "", r"(?i:none|null|nil)\b|~", "leave out the key that has no value"),
    _Advice("Invalid value", "", r"=", "one `=` is enough"),
    _Advice("Invalid value", "", r"\s*(#|$)", "write a value, or leave out the key"),
    _Advice("Invalid value", "", r"\(", 'lists stand in brackets: ["a", "b"]'),
    _Advice("Invalid value", "", r"[^\W\d]|[./~$]", _QUOTES),
    _Advice("Expected '='", "", r":", "TOML has `=` between a key and its value"),
    _Advice("Expected '='", "", r"[\w-]+\s*=", "keys have no blanks; write `_`"),
    _Advice("Expected ']'", "", r"[\w/-]", "dots join the parts of a name: [TASK.clean]"),
    _Advice("Unescaped '\\'", "", "", _BACKSLASH),
    _Advice("Invalid hex value", "", "", _BACKSLASH),
    _Advice("Expected newline", "", r"//|/\*|;|--", _COMMENT),
    _Advice("Expected newline", "", r",\s*(#|$)", "lines end without a comma"),
    _Advice("Expected newline", r"\d$", r"[a-z]+\b", 'durations are texts: "1h30m", "30s"'),
    _Advice("Expected newline", r"\d$", r",\s*\d", "decimals have a point: 1.5"),
    _Advice("Expected newline", r"\b0$", r"\d", "numbers have no zero in front"),
    _Advice("Expected newline", r"[\"']$", r"\w", "a text with such quotes in it needs the others"),
    _Advice("Expected newline", "", r"\r", "end lines with a line feed, not a carriage return"),
    _Advice("Invalid statement", "", r"//|/\*|;", _COMMENT),
    _Advice("Invalid statement", "", r"=", "write a key before it"),
    _Advice("Invalid initial", "", r"[^\W_]", "quote a key that is not all of A-Z, a-z, 0-9, _, -"),
)
"""The first that fits counts."""

_MESSAGES: Final[Mapping[str, str]] = {
    "Expected newline or end of document after a statement": "expected the end of the line",
    "Invalid hex value": "unescaped '\\' in a string",
}
"""Where those of tomli would not be understood."""

_LIST: Final = re.compile(r"=\s*(\[)")
_TABLE: Final = re.compile(r"=\s*(\{)")
_TEXT: Final = re.compile(r"=\s*(\"{3}|'{3})")
_OPEN: Final = {
    "Unclosed array": ("list", "]", _LIST),
    "Unclosed inline table": ("table", "}", _TABLE),
}
_NEXT_STATEMENT: Final = re.compile(r"\s*(\[[\w.\"' -]+\]\s*(#|$)|[\w.-]+\s*=|$)")


def mistake(text: str, offset: int, problem: str) -> Mistake:
    """Tell a mistake that tomli tells as `problem`.

    Args:
        text: the TOML.
        offset: where tomli stopped.
        problem: its message.
    """
    before = text[text.rfind("\n", 0, offset) + 1 : offset]
    after = text[offset:].partition("\n")[0]
    if problem == "Invalid value" and _begins_a_statement(before, after):
        return Mistake("the list is not closed", begin=_last(_LIST, text, offset))
    if problem in _OPEN:
        return _left_open(text, offset, after, *_OPEN[problem])
    if problem == "Unterminated string":
        return Mistake("the text is not closed", begin=_last(_TEXT, text, offset))
    if problem in {"Illegal character '\\n'", "Illegal character '\\r'"}:
        return Mistake("the text is not closed on its line", _SEVERAL_LINES)
    hints = (
        advice.hint
        for advice in _ADVICE
        if problem.startswith(advice.problem)
        and re.search(advice.before, before)
        and re.match(advice.after, after)
    )
    message = _MESSAGES.get(problem, problem[:1].lower() + problem[1:])
    return Mistake(message, next(hints, None))


def _begins_a_statement(before: str, after: str) -> bool:
    """Whether what is read as an item of a list is the line of a key, or of a section."""
    is_first = before.strip() in {"", "["}
    return is_first and after != "" and _NEXT_STATEMENT.match(before + after) is not None


def _left_open(
    text: str, offset: int, after: str, noun: str, close: str, pattern: re.Pattern[str]
) -> Mistake:
    if noun == "table" and re.match(r"[\w.-]+\s*=", after):
        return Mistake("expected `,` between the keys of a table")
    if _NEXT_STATEMENT.match(after):
        return Mistake(f"the {noun} is not closed", begin=_last(pattern, text, offset))
    return Mistake(f"expected `,` or `{close}` in a {noun}")


def _last(pattern: re.Pattern[str], text: str, end: int) -> int | None:
    """Where the last match before an offset begins."""
    return max((found.start(1) for found in pattern.finditer(text, 0, end)), default=None)
