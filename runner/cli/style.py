"""Colours, times and numbers as the terminal shows them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from datetime import datetime
from time import time
from typing import Any, Final, TextIO, TypeAlias

import click

Paint: TypeAlias = Callable[..., str]

_AGO: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
_MONTH: Final = 30 * 86_400


def painter(stream: TextIO, color: str = "auto") -> Paint:
    """`paint(text, fg="red", bold=True)`; the text itself where colours are not wanted.

    `--color` decides, then NO_COLOR and FORCE_COLOR, then whether the stream is a terminal that
    knows colours.
    """
    return _painted if wants_color(stream, color) else _plain


def wants_color(stream: TextIO, color: str = "auto") -> bool:
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def clean(text: str) -> str:
    r"""The text without what could steer a terminal: `\x1b` for an escape character."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(_character_width(character) for character in text)


def duration(seconds: float) -> str:
    """`41 ms`, `12.4s`, `1m 02s`, `2h 05m`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def ago(when: float) -> str:
    """`2 hours ago`; `on` a day if that is long ago, or to come by a clock that was set back."""
    seconds = time() - when
    if not 0 <= seconds < _MONTH:
        return f"on {datetime.fromtimestamp(when).astimezone():%Y-%m-%d}"
    for unit, noun in _AGO:
        if seconds >= unit:
            return f"{count(int(seconds // unit), noun)} ago"
    return "just now"


def count(number: int, noun: str) -> str:
    """`1 task`, `1,200 tasks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size(number: int) -> str:
    """`512 bytes`, `1.5 kB`, `12 MB`."""
    if number < 1000:
        return count(number, "byte")
    amount, units = number / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while amount >= 999.5 and unit != "TB":
        amount, unit = amount / 1000, next(units)
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:,.0f} {unit}"


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _painted(text: str, **styles: Any) -> str:
    return click.style(text, **styles)


def _plain(text: str, **_styles: Any) -> str:
    return text
