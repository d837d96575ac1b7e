from __future__ import annotations

from typing import Any


def table(rows: list[dict[str, Any]], title: str = "") -> str:
    return "\n".join([title, *map(str, rows)])
