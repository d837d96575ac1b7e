"""Diagnostics as annotations of a GitHub workflow.

The format is that of GitHub's "Workflow commands for GitHub Actions": one command a line, with
escapes for what would end a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from runner.cli.style import clean
from runner.diagnostics import Diagnostic

_IN_MESSAGE: Final[Mapping[str, str]] = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_VALUE: Final[Mapping[str, str]] = {**_IN_MESSAGE, ":": "%3A", ",": "%2C"}


def annotation(diagnostic: Diagnostic) -> str:
    """One line, from which GitHub marks the place in the pull request."""
    values = ",".join(f"{name}={_escaped(value, _IN_VALUE)}" for name, value in _values(diagnostic))
    hint = f"\n{diagnostic.hint}" if diagnostic.hint else ""
    message = _escaped(f"{diagnostic.message}{hint}", _IN_MESSAGE)
    return clean(f"::{diagnostic.severity.value} {values}::{message}")


def _values(diagnostic: Diagnostic) -> Iterator[tuple[str, str]]:
    place = diagnostic.place
    if place is not None:
        yield "file", place.file
        yield "line", str(place.start.line)
        yield "endLine", str(place.end.line)
        if place.end.line == place.start.line:  # GitHub takes columns of one line only
            yield "col", str(place.start.column)
            yield "endColumn", str(place.end.column)
    yield "title", f"{diagnostic.code} {diagnostic.slug}"


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
