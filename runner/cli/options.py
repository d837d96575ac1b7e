"""The options that commands share, and what they are read to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import click

from runner.errors import UsageError
from runner.suggestions import did_you_mean

Option: TypeAlias = Callable[[Callable[..., int]], Callable[..., int]]


class OneOf(click.Choice[str]):
    """One of some words; for any other it suggests one."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            hint = did_you_mean(value, self.choices) or f"there are {', '.join(self.choices)}"
            option = param.opts[-1] if param is not None else "an option"
            raise UsageError(f"{option} takes no `{value}`", hint=hint)
        return super().convert(value, param, ctx)


class Workers(click.ParamType[int]):
    """How many: a number from 1, or `auto` for the cores; that is 0 here."""

    name = "workers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:  # noqa: ARG002 - click's signature
        if value == "auto":
            return 0
        if not str(value).isdecimal() or int(value) < 1:
            raise UsageError(f"-j takes a number from 1, or auto, not `{value}`")
        return int(value)


class Duration(click.ParamType[float]):
    """So many seconds, written as in the config: `90s`, `10m`, `1h 30m`."""

    name = "duration"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 - click's signature
    ) -> float:
        from runner.config.values import parse_timedelta

        try:
            seconds = parse_timedelta(str(value)).total_seconds()
        except ValueError:
            seconds = 0.0
        if seconds <= 0:
            option = param.opts[-1] if param is not None else "an option"
            hint = "write it like 90s, 10m or 1h 30m"
            raise UsageError(f"{option} takes no `{value}`", hint=hint)
        return seconds


class Moment(click.ParamType[datetime]):
    """A day, or a time of it, as ISO 8601 writes it; local unless it says its offset."""

    name = "moment"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002 - click's signature
    ) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
            moment.astimezone()  # which a day may be too early or too late for
        except (ValueError, OverflowError):
            option = param.opts[-1] if param is not None else "an option"
            hint = "write it like 2026-11-22 or 2026-11-22T10:30"
            raise UsageError(f"{option} takes no `{value}`", hint=hint) from None
        return moment


class Common(NamedTuple):  # `runner --help` needs this module, and attrs would double its time
    """What every command that reads a config is told.

    Attributes:
        files: the config files, the lowest first; none: found from this folder up.
        overrides: `KEY=VALUE` texts.
        application_path: where relative paths start; None: the first file's folder.
        color: `auto`, `always` or `never`.
        quiet: whether only errors and the answer are shown.
        verbose: whether more is told.
    """

    files: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    application_path: Path | None = None
    color: str = "auto"
    quiet: bool = False
    verbose: bool = False


_FILES: Option = click.argument("files", nargs=-1, type=click.Path())

_GLOBAL: tuple[Option, ...] = (
    click.option(
        "-c", "--config", "more_files", multiple=True, type=click.Path(), metavar="FILE",
        help="A config file; later ones override earlier ones, key by key. Repeatable.",
    ),
    click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE",
        help="Override a key: --set JOB.mode=standalone. Repeatable.",
    ),
    click.option(
        "--application-path", metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Where relative paths start and functions are; default: the first file's folder.",
    ),
    click.option(
        "--color", type=OneOf(["auto", "always", "never"]), default="auto",
        show_default=True, help="Whether output is coloured.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Only errors and the answer."),
    click.option("-v", "--verbose", is_flag=True, help="More about what is done."),
)  # fmt: skip

_SELECTION: tuple[Option, ...] = (
    click.option("--task", "tasks", multiple=True, metavar="GLOB", help="Only these tasks."),
    click.option("--from", "from_", multiple=True, metavar="TASK", help="These and all after."),
    click.option("--to", multiple=True, metavar="TASK", help="These and all before."),
    click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only tasks of this tag."),
    click.option("--exclude", multiple=True, metavar="GLOB", help="Not these tasks."),
    click.option("--sequence", metavar="NAME", help="Only the tasks of this sequence."),
)

_SCENARIOS: tuple[Option, ...] = (
    click.option("-s", "--scenario", "scenarios", multiple=True, metavar="ID", help="Which one."),
    click.option("--all", "all_", is_flag=True, help="All scenarios."),
    click.option("--name", metavar="NAME", help="Of the scenario; default: its id."),
    click.option(
        "--creation-date", type=Moment(), metavar="DATE",
        help="Of a new scenario, which puts it into a cycle: 2026-11-22; default: now.",
    ),
    click.option(
        "--mode", type=OneOf(["development", "standalone", "cluster"]),
        help="Where it runs, whatever the config says.",
    ),
)  # fmt: skip


_INSTANCE: tuple[Option, ...] = (
    click.option("-s", "--scenario", metavar="ID", help="Which one, of several."),
    click.option("--name", metavar="NAME", help="Of the scenario; default: its id."),
)  # fmt: skip

wait_lock_option: Option = click.option(
    "--wait-lock", type=Duration(), metavar="TIME",
    help="Wait so long where another run writes the same data nodes: 60s.",
)  # fmt: skip


workers_option: Option = click.option(
    "-j", "--workers", type=Workers(), metavar="N",
    help="How many jobs run at once, in standalone mode; auto: as many as there are cores.",
)  # fmt: skip


ALL_TASKS = "*"
"""What `--force` without a task says."""

force_option: Option = click.option(
    "--force", multiple=True, metavar="[TASK]", is_flag=False, flag_value=ALL_TASKS,
    help="Run what could be skipped: all, or a task. Repeatable.",
)  # fmt: skip


def global_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options that stand before a command as well as after it."""
    return _added(function, _GLOBAL)


def common_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add files and the options of every command; they arrive as one `Common`."""

    @functools.wraps(function)
    def with_common(**options: Any) -> int:
        files = options.pop("files")
        after = {name: options.pop(name) for name in _global_names()}
        context = click.get_current_context()
        root = context.find_root()
        before = {} if root is context else root.params
        return function(_common(files, before, after), **options)

    return _added(with_common, (_FILES, *_GLOBAL))


def _global_names() -> tuple[str, ...]:
    return ("more_files", "overrides", "application_path", "color", "quiet", "verbose")


def _common(files: tuple[str, ...], before: Mapping[str, Any], after: Mapping[str, Any]) -> Common:
    """What was said after the command on top of what was said before it."""
    more_files = (*before.get("more_files", ()), *after["more_files"])
    color = after["color"] if after["color"] != "auto" else before.get("color", "auto")
    return Common(
        files=(*files, *more_files),
        overrides=(*before.get("overrides", ()), *after["overrides"]),
        application_path=after["application_path"] or before.get("application_path"),
        color=color,
        quiet=after["quiet"] or before.get("quiet", False),
        verbose=after["verbose"] or before.get("verbose", False),
    )


def scenario_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add `-s`, `--all`, `--name`, `--creation-date` and `--mode`."""
    return _added(function, _SCENARIOS)


def instance_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add `-s` and `--name`, of one scenario."""
    return _added(function, _INSTANCE)


def selection_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add the options that select tasks."""
    return _added(function, _SELECTION)


def _added(function: Callable[..., int], options: Sequence[Option]) -> Callable[..., int]:
    for option in reversed(options):
        function = option(function)
    return function
