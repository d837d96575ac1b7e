"""`runner check`: prove a config right, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import click

from runner.checker.severity import known_code
from runner.cli.depth import Depth, depth_options
from runner.cli.formats import FORMATS
from runner.cli.loading import load_and_check
from runner.cli.options import Common, OneOf, common_options
from runner.diagnostics import has_errors
from runner.errors import ExitCode


@click.command(name="check", context_settings={"help_option_names": ["-h", "--help"]})
@common_options
@click.option(
    "--format",
    "format_",
    type=OneOf(list(FORMATS)),
    default="human",
    show_default=True,
    help="How diagnostics are told.",
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--select", multiple=True, metavar="CODES", help="Only these, by commas.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="CODES",
    help="Not these: warnings, and errors of functions and files.",
)
@depth_options
def command(
    common: Common,
    format_: str,
    strict: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    depth: Depth,
) -> int:
    """Prove a config right, before anything runs.

    Reads FILES, laid over each other; without any, runner.toml or config.toml, here or above.
    Imports and runs nothing of yours: functions are read as text, unless you say --import.
    """
    begun = perf_counter()
    checked = load_and_check(
        common, select=_codes(select), ignore=_codes(ignore), strict=strict, depth=depth
    )
    FORMATS[format_](checked, common, perf_counter() - begun)
    return ExitCode.FAILED if has_errors(checked.diagnostics) else ExitCode.DONE


def _codes(options: Sequence[str]) -> list[str]:
    names = [name.strip() for option in options for name in option.split(",")]
    return [known_code(name) for name in names if name]
