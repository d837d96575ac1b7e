"""100 MB of numbers, through five steps."""

from typing import Any

import crossing  # type: ignore[import-not-found]  # it is in the same folder there
import functions  # type: ignore[import-not-found]  # as above
import numpy as np

NUMBERS = 12_500_000


def make() -> Any:
    return np.arange(NUMBERS, dtype=np.float64)


def step(array: Any) -> Any:
    return array + 1.0


def digest(array: Any) -> list[float]:
    """What tells one value from another."""
    return [len(array), float(array[0]), float(array[-1])]


def pause() -> Any:
    """Run by each worker before, so that it has imported this module."""
    return functions.pause()


def begin() -> Any:
    return crossing.begin(make())


def cross(*pair: Any) -> Any:
    return crossing.cross(step, pair)
