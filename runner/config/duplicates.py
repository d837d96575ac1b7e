"""A key or table that is written twice, which TOML refuses: which, and where both times."""

from __future__ import annotations

from typing import NamedTuple

from runner.config.positions import Stretch, scan
from runner.diagnostics import KeyPath


class Twice(NamedTuple):
    """What is written twice.

    Attributes:
        key: its path.
        first, second: where, as offsets into the text.
    """

    key: KeyPath
    first: Stretch
    second: Stretch


def written_twice(text: str, end: int) -> Twice | None:
    """What the statement that ends at an offset writes again.

    Args:
        text: the TOML, right up to that statement.
        end: where the parser refused it: after its value, or in a header after the key.

    Returns:
        None where the statement is of another kind, as a key inside an inline table.
    """
    for close in ("", "]", "]]"):
        try:
            marks = scan(text[:end] + close)
        except (ValueError, IndexError):  # the text ends in the middle of a header or a value
            continue
        ending = [(key, mark) for key, mark in marks.items() if end in {mark.value[1], mark.key[1]}]
        if not ending:
            continue
        key, second = min(ending, key=lambda found: len(found[0]))
        before = scan(text[: text.rfind("\n", 0, second.key[0]) + 1])
        return Twice(key, before[key].key, second.key) if key in before else None
    return None
