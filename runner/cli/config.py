"""`runner config`: the resolved config, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from runner.cli.loading import Checked, load_and_check, refuse_errors
from runner.cli.options import Common, OneOf, common_options
from runner.config.writer import config_tables, write_config, write_tables
from runner.diagnostics import KeyPath
from runner.errors import ExitCode
from runner.plan.model import plain

_FORMAT = click.option(
    "--format", "format_", type=OneOf(["toml", "json"]), default="toml",
    show_default=True, help="How the config is told.",
)  # fmt: skip


@click.group(name="config", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Show or export the resolved config: layers merged, defaults applied, secrets masked."""


@command.command("show")
@common_options
@_FORMAT
@click.option("--origin", is_flag=True, help="Say where each value was written.")
def show(common: Common, format_: str, origin: bool) -> int:
    """Show every key with the value that counts."""
    checked = load_and_check(common)
    refuse_errors(checked, common)
    tables = config_tables(checked.config, mask=True, full=True)
    if format_ == "json":
        shown = _with_origin(tables, checked) if origin else plain(tables)
        print(json.dumps({"format": "runner.config", "version": 1, "config": shown}, indent=1))
    elif origin:
        print("\n".join(_origin_lines(tables, checked)))
    else:
        print(write_tables(tables), end="")
    return ExitCode.DONE


@command.command("export")
@common_options
@_FORMAT
def export(common: Common, format_: str) -> int:
    """Write the config as one file that means the same."""
    checked = load_and_check(common)
    refuse_errors(checked, common)
    if format_ == "json":
        tables = plain(config_tables(checked.config, mask=True))
        print(json.dumps({"format": "runner.config", "version": 1, "config": tables}, indent=1))
    else:
        print(write_config(checked.config, mask=True), end="")
    return ExitCode.DONE


def _origin_lines(tables: dict[str, Any], checked: Checked) -> Iterator[str]:
    """Each key on a line, the places of all of them under each other."""
    rows = [(_line(key, value), _origin(key, checked)) for key, value in _leaves(tables, ())]
    width = min(max((len(line) for line, _ in rows), default=0), 60)
    for line, origin in rows:
        yield f"{line.ljust(width)}  # {origin}"


def _line(key: KeyPath, value: Any) -> str:
    return f"{'.'.join(map(str, key[:-1]))}.{write_tables({str(key[-1]): value}).strip()}"


def _leaves(table: dict[str, Any], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _origin(key: KeyPath, checked: Checked) -> str:
    """Where a value was written: in its section, in the section's `default`, or nowhere."""
    document = checked.loaded.document
    bare = tuple(part for part in key if part != "properties")
    candidates = [key, bare]
    if len(key) > 2:
        candidates += [(key[0], "default", *key[2:]), (bare[0], "default", *bare[2:])]
    if key[0] == "RUNNER":
        candidates.append(("TAIPY", *key[1:]))
    if key == ("JOB", "max_nb_of_workers"):
        candidates.append(("JOB", "nb_of_workers"))
    for candidate in candidates:
        if any(True for _ in document.writers(candidate)):
            place = checked.places.of(candidate)
            assert place is not None
            return (
                place.file if place.file.startswith("--set") else f"{place.file}:{place.start.line}"
            )
    return "default"


def _with_origin(table: dict[str, Any], checked: Checked, path: KeyPath = ()) -> dict[str, Any]:
    return {
        name: _with_origin(value, checked, (*path, name))
        if isinstance(value, dict)
        else {"value": plain(value), "origin": _origin((*path, name), checked)}
        for name, value in table.items()
    }
