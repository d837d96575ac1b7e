from collections import Counter
from typing import Any


def add_up(orders: list[dict[str, Any]]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for order in orders:
        totals[order["customer"]] += order["amount"]
    return totals


def statements(totals: Counter[str]) -> list[Any]:
    """One transaction: all of them, or none. Values are bound, never put into the text."""
    rows = [{"customer": customer, "total": total} for customer, total in totals.items()]
    return [
        "CREATE TABLE IF NOT EXISTS totals (customer VARCHAR(50) PRIMARY KEY, total INTEGER)",
        "DELETE FROM totals",
        ("INSERT INTO totals VALUES (:customer, :total)", rows),
    ]


def tell(totals: list[dict[str, Any]]) -> list[str]:
    return [f"{row['customer']} ordered for {row['total']}" for row in totals]
