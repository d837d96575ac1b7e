"""What generic, sql and tabular data nodes call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CURRENCY = "EUR"


@dataclass
class Order:
    id: int
    total: float


def read_orders() -> list[dict[str, Any]]:
    return [{"id": 1, "total": 9.5}]


def write_orders(orders: list[dict[str, Any]]) -> None:
    print(orders)


def insert(orders: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [("INSERT INTO orders VALUES (:id, :total)", order) for order in orders]
