"""Needs what is not installed."""

from __future__ import annotations

from typing import Any

import a_library_that_is_nowhere


def clean(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if a_library_that_is_nowhere.likes(row)]
