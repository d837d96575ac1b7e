"""Which data nodes are one and the same, and where their files are."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from runner.config.model import DataNodeConfig, Frequency, Scope
from runner.config.options import DatabaseOptions, FileOptions
from runner.errors import UsageError

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")


@attrs.frozen
class Place:
    """One data node of one owner.

    Attributes:
        key: names it in the storage folder: `scenarios/monthly/raw`, `global/limits`.
        path: its file, absolute; None for what is not a file.
        is_users: whether the file is the user's own, and never moved.
        database: the SQLite file that it is in, absolute; it may be there with others.
    """

    key: str
    path: Path | None
    is_users: bool
    database: Path | None = None


def check_name(name: str) -> str:
    """The name of a scenario, which is also that of a folder.

    Raises:
        UsageError: it cannot be one.
    """
    if not _NAME.fullmatch(name) or name.endswith("."):
        hint = "letters, digits, `_`, `-` and `.`, at most 128"
        raise UsageError(f'"{name}" cannot be the name of a scenario', hint=hint)
    return name


def cycle_of(frequency: Frequency, created: datetime) -> str:
    """The name of the cycle that holds a date: `WEEKLY_2026-W47`.

    Weeks are those of ISO 8601, and so is the year of a week.
    """
    match frequency:
        case Frequency.DAILY:
            period = f"{created:%Y-%m-%d}"
        case Frequency.WEEKLY:
            year, week, _ = created.isocalendar()
            period = f"{year:04d}-W{week:02d}"
        case Frequency.MONTHLY:
            period = f"{created:%Y-%m}"
        case Frequency.QUARTERLY:
            period = f"{created:%Y}-Q{(created.month + 2) // 3}"
        case Frequency.YEARLY:
            period = f"{created:%Y}"
    return f"{frequency.value}_{period}"


def place_of(
    node: DataNodeConfig,
    *,
    scenario: str,
    cycle: str | None,
    storage_folder: Path,
    application_path: Path,
) -> Place:
    """Where a data node of a scenario lives.

    Args:
        node: the data node.
        scenario: the scenario's name.
        cycle: the cycle it belongs to; None: CYCLE counts as GLOBAL.
        storage_folder: absolute.
        application_path: absolute; a user's relative path starts here.
    """
    owner = _owner(node.scope, scenario, cycle)
    key = f"{owner}/{node.id}"
    if isinstance(node.options, FileOptions):
        file = node.options.user_file(application_path)
        if file is not None:
            return Place(key, Path(file), is_users=True)
    if node.options.extension:
        path = storage_folder / "data" / owner / f"{node.id}.{node.options.extension}"
        return Place(key, path, is_users=False)
    database = None
    if isinstance(node.options, DatabaseOptions):
        database = node.options.sqlite_file(application_path)
    return Place(key, None, is_users=False, database=None if database is None else Path(database))


def _owner(scope: Scope, scenario: str, cycle: str | None) -> str:
    if scope is Scope.SCENARIO:
        return f"scenarios/{scenario}"
    if scope is Scope.CYCLE and cycle is not None:
        return f"cycles/{cycle}"
    return "global"
