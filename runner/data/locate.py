"""Which part of a value is the one that cannot be copied or serialised."""

from __future__ import annotations

import itertools
import reprlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_MOST: Final = 10_000  # parts of one container that are tried: a message is not worth minutes


def culprit(
    value: Any, attempt: Callable[[Any], object], *, attributes: bool = True
) -> tuple[str, Any]:
    """The way to the part that makes `attempt` raise, and the part: `result['handle']`.

    That is the nearest part which fails though none of its own parts does; the value itself where
    no such part is found.

    Args:
        value: something that `attempt` raises for.
        attempt: tried on the parts; may raise whatever it likes.
        attributes: whether those of an object are parts of it.
    """
    seen = {id(value)}
    waiting = deque([("result", value)])
    while waiting:
        path, whole = waiting.popleft()
        parts = itertools.islice(_parts(whole, attributes=attributes), _MOST)
        failing = [(path + step, part) for step, part in parts if _raises(attempt, part)]
        if not failing:
            return path, whole
        waiting.extend(pair for pair in failing if id(pair[1]) not in seen)
        seen.update(id(part) for _, part in failing)
    return "result", value


def _raises(attempt: Callable[[Any], object], part: Any) -> bool:
    try:
        attempt(part)
    except Exception:  # noqa: BLE001 - it runs the user's __reduce__, __deepcopy__, encoder
        return True
    return False


def _parts(whole: Any, *, attributes: bool) -> Iterator[tuple[str, Any]]:
    if isinstance(whole, Mapping):
        for key, item in whole.items():
            yield f"[{reprlib.repr(key)}]", item
    elif isinstance(whole, (list, tuple)):
        for index, item in enumerate(whole):
            yield f"[{index}]", item
    elif attributes and not isinstance(whole, type):
        for name in _attribute_names(whole):
            if hasattr(whole, name):
                yield f".{name}", getattr(whole, name)


def _attribute_names(whole: Any) -> Iterator[str]:
    yield from getattr(whole, "__dict__", ())
    for base in type(whole).__mro__:
        slots = getattr(base, "__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        yield from (name for name in names if not name.startswith("__"))
