"""What the tasks of drawn graphs do: the first input says how, and what they give tells all inputs.

It is imported by workers, so it imports little. A job that fails at first and then does not counts
its attempts in files of the folder that the environment names.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

MARKS: Final = "RUNNER_TEST_MARKS"
"""Names the folder in which attempts are counted."""
LARGE: Final = 160_000
"""Numbers of an array that is too large for a message, of 8 bytes each."""


class Thing:
    """An object without anything that Python gives to those it knows."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.parts = [number]


class DemandingError(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class SilentError(Exception):
    """Cannot say what it is about."""

    def __str__(self) -> str:
        raise ValueError("no")


class UnsendableError(Exception):
    """Holds what cannot be pickled."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.held = iter(range(3)), lambda: self


# --- Values


def _array(number: int) -> Any:
    import numpy as np

    return np.arange(number % 50, dtype=np.float64) + number


def _large_array(number: int) -> Any:
    import numpy as np

    return np.full(LARGE, number, dtype=np.int64)


def _frame(number: int) -> Any:
    import pandas as pd

    return pd.DataFrame({"number": [number, number + 1], "text": ["a", "b"]})


SHAPES: Final[Mapping[str, Callable[[int], Any]]] = {
    "number": lambda number: number,
    "long number": lambda number: number**9,
    "half": lambda number: number / 2,
    "truth": lambda number: number % 2 == 0,
    "text": lambda number: f"é\n{number}",
    "list": lambda number: [number, [number]],
    "dict": lambda number: {"number": number, "inner": {"list": [number]}},
    "rows": lambda number: [{"n": n, "text": f"t{n}"} for n in range(number % 5, number % 5 + 3)],
    "none": lambda _: None,
    "tuple": lambda number: (number, "x"),
    "set": lambda number: {number, number + 1},
    "bytes": lambda number: b"%d" % number,
    "thing": Thing,
    "array": _array,
    "large array": _large_array,
    "large bytes": lambda number: b"%d" % number * 20_000,
    "large text": lambda number: f"{number}ü" * 20_000,
    "large list": lambda number: list(range(number, number + 20_000)),
    "frame": _frame,
    "closure": lambda number: lambda: number,
}
"""By name, what makes a value of a number."""


def digest(value: Any) -> str:
    """Tells values from each other, and is the same in each process."""
    found = hashlib.blake2b(digest_size=8)
    for part in _parts(value):
        found.update(part)
    return found.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    yield f"({type(value).__name__}:".encode()
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _parts(key)
            yield from _parts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
    elif isinstance(value, set):
        yield repr(sorted(value)).encode()
    elif isinstance(value, Thing):
        yield from _parts(vars(value))
    elif callable(value):
        yield from _parts(value())
    elif hasattr(value, "tobytes"):
        yield f"{value.dtype}{value.shape}".encode()
        yield value.tobytes()
    elif hasattr(value, "to_csv"):
        yield f"{list(value.dtypes)}{value.to_csv()}".encode()
    else:
        yield repr(value).encode()
    yield b")"


# --- Functions


def _made(told: Mapping[str, Any], inputs: Sequence[Any]) -> Any:
    """What a task gives: a value for each of its outputs, made of all its inputs."""
    number = int(digest([told["task"], *inputs])[:6], 16)
    made = [SHAPES[shape](number + place) for place, shape in enumerate(told["shapes"])]
    return made[0] if len(made) == 1 else tuple(made)


def plain(told: Mapping[str, Any], *inputs: Any) -> Any:
    return _made(told, inputs)


async def later(told: Mapping[str, Any], *inputs: Any) -> Any:
    await asyncio.sleep(0)
    return _made(told, inputs)


def slow(told: Mapping[str, Any], *inputs: Any) -> Any:
    time.sleep(told["seconds"])
    return _made(told, inputs)


def mutating(told: Mapping[str, Any], *inputs: Any) -> Any:
    """Changes all that it is given, after it has looked at it."""
    made = _made(told, inputs)
    for value in (told, *inputs):
        _change(value)
    return made


def _change(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _change(item)
        value.append("changed")
    elif isinstance(value, dict):
        for item in list(value.values()):
            _change(item)
        value["changed"] = True
    elif isinstance(value, set):
        value.add("changed")
    elif isinstance(value, Thing):
        value.number = -1
        value.parts.append(-1)
    elif hasattr(value, "fill"):
        value.fill(-1)
    elif hasattr(value, "loc"):
        value.loc[:, value.columns[0]] = 0


def noisy(told: Mapping[str, Any], *inputs: Any) -> Any:
    print("out", told["task"])
    print("err", told["task"], file=sys.stderr)
    return _made(told, inputs)


def wrong_count(told: Mapping[str, Any], *inputs: Any) -> Any:
    made = tuple(inputs)
    return (*made, *made, *range(7))


def generating(told: Mapping[str, Any], *inputs: Any) -> Any:
    """Gives something that no storage takes."""
    return (each for each in (told, *inputs))


def failing(told: Mapping[str, Any], *inputs: Any) -> Any:
    """Raises in its first attempts, as many as it is told."""
    if _attempt(told["task"]) <= told["fails"]:
        _fail(told["how"], f"{told['task']} {digest(inputs)}")
    return _made(told, inputs)


def _attempt(task: str) -> int:
    with Path(os.environ[MARKS], task).open("a+") as file:
        file.write("x")
        file.flush()
        return file.tell()


def _fail(how: str, text: str) -> None:
    match how:
        case "exit":
            sys.exit(text)
        case "exit 0":
            sys.exit(0)
        case "interrupt":
            raise KeyboardInterrupt
        case "demanding":
            raise DemandingError(text, text)
        case "silent":
            raise SilentError
        case "unsendable":
            raise UnsendableError(text)
        case "caused":
            try:
                int(text)
            except ValueError as error:
                raise RuntimeError("caused") from error
        case "group":
            raise ExceptionGroup(text, [ValueError(1), KeyError(2)])
        case "canceled":
            raise asyncio.CancelledError
        case "assertion":
            assert not text
        case "lines":
            raise ValueError(f"{text}\nand more")
    raise ValueError(text)


HOW: Final = (
    "error",
    "exit",
    "exit 0",
    "interrupt",
    "demanding",
    "silent",
    "unsendable",
    "caused",
    "group",
    "canceled",
    "assertion",
    "lines",
)


def hanging(told: Mapping[str, Any], *inputs: Any) -> Any:
    while told:
        time.sleep(10)
    return _made(told, inputs)


def dying(told: Mapping[str, Any], *inputs: Any) -> Any:
    """Takes its process with it, in its first attempts."""
    if _attempt(told["task"]) <= told["fails"]:
        sys.stdout.flush()
        os._exit(3)
    return _made(told, inputs)


def like_dying(told: Mapping[str, Any], *inputs: Any) -> Any:
    """The same for a process that is needed."""
    if _attempt(told["task"]) <= told["fails"]:
        raise ValueError(told["task"])
    return _made(told, inputs)


def closed_over(number: int) -> Callable[..., Any]:
    """A function that no name leads to."""

    def function(told: Mapping[str, Any], *inputs: Any) -> Any:
        return _made(told, [number, *inputs])

    return function


def first_rows() -> list[dict[str, Any]]:
    """Default data that a function makes."""
    return [{"n": 1, "text": "first"}, {"n": 2, "text": "second"}]
