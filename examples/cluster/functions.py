"""What the two tasks of pipeline.toml call. Each takes its time, as real ones do."""

from __future__ import annotations

from time import sleep

SECONDS = 0.5


def double(number: int) -> int:
    print(f"doubling {number}")
    sleep(SECONDS)
    return number * 2


def add(number: int) -> int:
    print(f"adding 10 to {number}")
    sleep(SECONDS)
    return number + 10
