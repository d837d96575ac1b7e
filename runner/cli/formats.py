"""How all that a check found is told, a function a format."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from runner.cli.github import annotation
from runner.cli.loading import Checked
from runner.cli.options import Common
from runner.cli.rendering import MOST_SHOWN, as_json, render_concise, render_human
from runner.cli.sarif import sarif_document
from runner.cli.style import count, duration, painter
from runner.diagnostics import Severity


def _count(checked: Checked, severity: Severity) -> int:
    return sum(each.severity is severity for each in checked.diagnostics)


def _human(checked: Checked, common: Common, seconds: float) -> None:
    paint = painter(sys.stdout, common.color)
    source = checked.source
    for diagnostic in checked.diagnostics[:MOST_SHOWN]:
        print(render_human(diagnostic, source, paint) + "\n")
    if len(checked.diagnostics) > MOST_SHOWN:
        print(f"... and {len(checked.diagnostics) - MOST_SHOWN:,} more: --format concise has all\n")
    if common.quiet:
        return
    config = checked.config
    print(
        f"Checked {count(len(checked.files), 'file')}: "
        f"{count(len(config.data_nodes), 'data node')}, {count(len(config.tasks), 'task')}, "
        f"{count(len(config.scenarios), 'scenario')} in {duration(seconds)}"
    )
    errors, warnings = _count(checked, Severity.ERROR), _count(checked, Severity.WARNING)
    told = [
        count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number
    ]
    verdict = " and ".join(told) if told else "No problems found"
    color = "red" if errors else "yellow" if warnings else "green"
    more = f". More about a code: runner explain {checked.diagnostics[0].code}" if told else ""
    print(paint(verdict, fg=color, bold=True) + more)


def _concise(checked: Checked, common: Common, seconds: float) -> None:  # noqa: ARG001 - as all formats
    for diagnostic in checked.diagnostics:
        print(render_concise(diagnostic))


def _json(checked: Checked, common: Common, seconds: float) -> None:  # noqa: ARG001 - as all formats
    config = checked.config
    errors = _count(checked, Severity.ERROR)
    document: dict[str, Any] = {
        "format": "runner.check",
        "version": 1,
        "ok": not errors,
        "summary": {
            "files": len(checked.files),
            "data_nodes": len(config.data_nodes),
            "tasks": len(config.tasks),
            "scenarios": len(config.scenarios),
            "errors": errors,
            "warnings": _count(checked, Severity.WARNING),
        },
        "diagnostics": [as_json(diagnostic) for diagnostic in checked.diagnostics],
    }
    print(json.dumps(document, indent=1))


def _github(checked: Checked, common: Common, seconds: float) -> None:  # noqa: ARG001 - as all formats
    for diagnostic in checked.diagnostics:
        print(annotation(diagnostic))


def _sarif(checked: Checked, common: Common, seconds: float) -> None:  # noqa: ARG001 - as all formats
    print(json.dumps(sarif_document(checked.diagnostics), indent=1))


FORMATS: Final[Mapping[str, Callable[[Checked, Common, float], None]]] = {
    "human": _human,
    "concise": _concise,
    "json": _json,
    "github": _github,
    "sarif": _sarif,
}
"""Each prints all diagnostics of a check, which took so many seconds."""
