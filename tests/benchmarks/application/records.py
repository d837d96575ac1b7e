"""A table of whole numbers, of others and of texts, as it is kept in a file."""

from typing import Any

import numpy as np
import pandas as pd


def make(rows: int) -> Any:
    random = np.random.default_rng(1)
    numbers = np.arange(rows)
    return pd.DataFrame(
        {
            "id": numbers,
            "count": random.integers(0, 1000, rows),
            "price": random.random(rows),
            "change": random.normal(size=rows) * 1e3,
            "name": [f"name {number % 5000}" for number in range(rows)],
            "colour": random.choice(["red", "green", "blue"], rows),
        }
    )


def digest(table: Any) -> list[float]:
    """What tells one value from another."""
    return [len(table), float(table["price"].sum()), float(table["id"].iloc[-1])]
