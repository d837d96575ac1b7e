"""An order, as one row of the file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    customer: str
    article: str
    quantity: int
