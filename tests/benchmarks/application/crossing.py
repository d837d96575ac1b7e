"""Steps that hand a value from one worker to the other, wherever their jobs are put.

A step is a pair of tasks that call the same function with the same inputs: what the pair before
has made, once as a value and once as None. The job that finds itself on another worker than the
maker of the value works. The other one keeps the maker's worker busy until that has begun.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

Made: TypeAlias = tuple[list[int], Any]
"""A value, and the processes it went through."""


def begin(value: Any) -> Made:
    return [os.getpid()], value


def cross(step: Callable[[Any], Any], pair: tuple[Made | None, ...]) -> Made | None:
    (made,) = [each for each in pair if each is not None]
    processes, value = made
    here = os.getpid()
    is_makers = here == processes[-1]
    end = os.O_RDONLY if is_makers else os.O_WRONLY
    # A named pipe: whoever opens one end waits until the other end is opened.
    meeting = Path(__file__).with_name(f"meeting_{len(processes)}")
    with suppress(FileExistsError):
        os.mkfifo(meeting)
    os.close(os.open(meeting, end))
    return None if is_makers else ([*processes, here], step(value))
