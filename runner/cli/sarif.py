"""Diagnostics as SARIF 2.1.0, the exchange format of static analysis tools.

Source: OASIS Standard "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from runner import __version__
from runner.diagnostics import CODES, Diagnostic, Place

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_document(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """All diagnostics as one run of the tool `runner`."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    run = {
        "tool": {
            "driver": {
                "name": "runner",
                "version": __version__,
                "rules": [_rule(code) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, codes.index(each.code)) for each in diagnostics],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    known = CODES[code]
    return {
        "id": code,
        "name": known.slug,
        "shortDescription": {"text": known.slug.replace("-", " ")},
        "help": {"text": f"runner explain {code}"},
        "defaultConfiguration": {"level": known.severity.value},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    hint = f"\n{diagnostic.hint}" if diagnostic.hint else ""
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": diagnostic.severity.value,
        "message": {"text": f"{diagnostic.message}{hint}"},
        "locations": [] if diagnostic.place is None else [_location(diagnostic.place)],
    }
    related = list(_related(diagnostic))
    return {**result, "relatedLocations": related} if related else result


def _related(diagnostic: Diagnostic) -> Iterator[dict[str, Any]]:
    places = [each for each in diagnostic.related if each.place is not None]
    for number, related in enumerate(places):
        assert related.place is not None
        message = {"text": related.message or "defined here"}
        yield {"id": number, **_location(related.place), "message": message}


def _location(place: Place) -> dict[str, Any]:
    region = {
        "startLine": place.start.line,
        "startColumn": place.start.column,
        "endLine": place.end.line,
        "endColumn": place.end.column,
    }
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(place.file)}, "region": region}}


def _uri(file: str) -> str:
    """A relative reference stays one: viewers take it from the root of the repository."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
