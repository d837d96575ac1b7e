"""Pipelines of any size: as TOML for runner, as Python for a peer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

Sums: TypeAlias = list[tuple[str, str, str]]
"""Of each sum its name and those of its two terms."""

SEEDS = {"seed_0": 1, "seed_1": 2}

_FUNCTIONS = """\
def add(a, b):
    return a + b


def increment(number):
    return number + 1
"""


def layered(count: int) -> Sums:
    """Sums in layers, about as many as are in one; each adds two of the layer before its own."""
    width = math.isqrt(count)
    names = [f"value_{index:06d}" for index in range(count)]
    first, second = SEEDS
    sums = [(name, first, second) for name in names[:width]]
    for index in range(width, count):
        above = index - width
        beside = above + 1 if (index + 1) % width else above + 1 - width
        sums.append((names[index], names[above], names[beside]))
    return sums


def last_layer(sums: Sums) -> list[str]:
    return [name for name, _, _ in sums[-math.isqrt(len(sums)) :]]


def write_layered(folder: Path, count: int) -> None:
    """A config of so many tasks of two inputs and one in_memory output, about 215 bytes a task."""
    seeds = [
        f'[DATA_NODE.{name}]\nstorage_type = "in_memory"\ndefault_data = {value}\n'
        for name, value in SEEDS.items()
    ]
    sums = layered(count)
    tasks = [
        f"[DATA_NODE.{name}]\n"
        'storage_type = "in_memory"\n'
        "\n"
        f"[TASK.{_task(name)}]\n"
        'function = "functions.add:function"\n'
        f'inputs = ["{left}:SECTION", "{right}:SECTION"]\n'
        f'outputs = ["{name}:SECTION"]\n'
        for name, left, right in sums
    ]
    _write(folder, [*seeds, *tasks, _scenario(_task(name) for name, _, _ in sums)])


def write_chain(folder: Path, count: int) -> None:
    """A config of so many tasks, each of which adds 1 to what the one before has pickled."""
    start = "[DATA_NODE.value_000000]\ndefault_data = 0\n"
    tasks = [
        f"[DATA_NODE.value_{index + 1:06d}]\n"
        "\n"
        f"[TASK.step_{index:06d}]\n"
        'function = "functions.increment:function"\n'
        f'inputs = ["value_{index:06d}:SECTION"]\n'
        f'outputs = ["value_{index + 1:06d}:SECTION"]\n'
        for index in range(count)
    ]
    _write(folder, [start, *tasks, _scenario(f"step_{index:06d}" for index in range(count))])


def python_source(sums: Sums) -> str:
    """A module with a function for each sum, its parameters named for the terms."""
    functions = [
        f"def {name}({left}: int, {right}: int) -> int:\n    return {left} + {right}\n"
        for name, left, right in sums
    ]
    return "\n\n".join(functions)


def _task(name: str) -> str:
    return name.replace("value", "add")


def _scenario(tasks: Iterator[str]) -> str:
    listed = "".join(f'    "{task}:SECTION",\n' for task in tasks)
    return f"[SCENARIO.all]\ntasks = [\n{listed}]\n"


def _write(folder: Path, parts: list[str]) -> None:
    folder.mkdir(parents=True)
    (folder / "functions.py").write_text(_FUNCTIONS, encoding="utf-8")
    (folder / "runner.toml").write_text("\n".join(parts), encoding="utf-8")
