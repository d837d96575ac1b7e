"""`runner check`: prove a config right, before anything runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Final

import click

from runner.checker.severity import code_of, meant_code
from runner.cli.loading import Checked, load_and_check
from runner.cli.options import Common, common_options
from runner.cli.rendering import MOST_SHOWN, as_json, render_concise, render_human
from runner.cli.style import count, duration, painter
from runner.diagnostics import Severity
from runner.errors import ExitCode, UsageError


@click.command(name="check", context_settings={"help_option_names": ["-h", "--help"]})
@common_options
@click.option(
    "--format",
    "format_",
    type=click.Choice(["human", "concise", "json"]),
    default="human",
    show_default=True,
    help="How diagnostics are told.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--select", multiple=True, metavar="CODES", help="Only these, by commas.")
@click.option("--ignore", multiple=True, metavar="CODES", help="Warnings to leave out.")
def command(
    common: Common,
    format_: str,
    strict: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
) -> int:
    """Prove a config right, before anything runs.

    Reads FILES, laid over each other; without any, runner.toml or config.toml, here or above.
    Imports and runs nothing of yours: functions are read as text.
    """
    begun = perf_counter()
    checked = load_and_check(common, select=_codes(select), ignore=_codes(ignore), strict=strict)
    _FORMATS[format_](checked, common, perf_counter() - begun)
    return ExitCode.FAILED if _count(checked, Severity.ERROR) else ExitCode.DONE


def _codes(options: Sequence[str]) -> list[str]:
    names = [name.strip() for option in options for name in option.split(",") if name.strip()]
    for name in names:
        if code_of(name) is None:
            raise UsageError(f"`{name}` is no code", hint=meant_code(name))
    return names


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
    print(paint(verdict, fg=color, bold=True))


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
    print(json.dumps(document, indent=1, ensure_ascii=False))


_FORMATS: Final[Mapping[str, Any]] = {"human": _human, "concise": _concise, "json": _json}
