"""What the two tasks of pipeline.toml call."""

from __future__ import annotations


def double(number: int) -> int:
    return number * 2


def add(number: int) -> int:
    return number + 10
