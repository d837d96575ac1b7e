"""A table of a million rows of numbers, names and times, through five steps."""

from typing import Any

import crossing  # type: ignore[import-not-found]  # it is in the same folder there
import functions  # type: ignore[import-not-found]  # as above
import numpy as np
import pandas as pd

ROWS = 1_000_000


def make() -> Any:
    numbers = np.arange(ROWS)
    return pd.DataFrame(
        {
            "id": numbers,
            "price": numbers * 0.25,
            "weight": numbers * 0.5,
            "sold": numbers % 3 == 0,
            "when": pd.Timestamp(2024, 1, 1) + pd.to_timedelta(numbers, unit="s"),
            "kind": pd.Categorical.from_codes(numbers % 4, categories=pd.Index(list("abcd"))),
        }
    )


def step(table: Any) -> Any:
    return table.assign(price=table["price"] + 1.0)


def digest(table: Any) -> list[float]:
    """What tells one value from another."""
    return [len(table), float(table["price"].sum()), float(table["id"].iloc[-1])]


def pause() -> Any:
    """Run by each worker before, so that it has imported this module."""
    return functions.pause()


def begin() -> Any:
    return crossing.begin(make())


def cross(*pair: Any) -> Any:
    return crossing.cross(step, pair)
