from __future__ import annotations

from typing import Any


def clean(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row]


def merge(rows: list[dict[str, Any]], limits: dict[str, float]) -> list[dict[str, Any]]:
    return [row for row in rows if row["value"] < limits["high"]]
