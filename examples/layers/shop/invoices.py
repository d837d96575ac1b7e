"""From orders to invoices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shop.orders import Order


@dataclass(frozen=True)
class Invoice:
    """What a customer has to pay, and for how many articles."""

    customer: str
    articles: int
    total: float

    @classmethod
    def for_customers(
        cls, orders: Sequence[Order], prices: Sequence[Mapping[str, Any]], rate: float
    ) -> list[Invoice]:
        """One invoice a customer, in the order of their names."""
        price = {row["article"]: row["price"] * rate for row in prices}
        return [
            cls(
                customer=customer,
                articles=sum(order.quantity for order in theirs),
                total=round(sum(order.quantity * price[order.article] for order in theirs), 2),
            )
            for customer, theirs in by_customer(orders).items()
        ]


def by_customer(orders: Sequence[Order]) -> dict[str, list[Order]]:
    customers = sorted({order.customer for order in orders})
    return {name: [order for order in orders if order.customer == name] for name in customers}


def summarise(invoices: Sequence[Invoice], currency: str) -> dict[str, Any]:
    return {
        "currency": currency,
        "total": round(sum(invoice.total for invoice in invoices), 2),
        "invoices": [asdict(invoice) for invoice in invoices],
    }
