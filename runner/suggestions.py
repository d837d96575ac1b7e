"""What a misspelt name was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def distance(left: str, right: str, limit: int) -> int:
    """Edits between two texts, at most `limit + 1`.

    An edit inserts, deletes or replaces a character or swaps two neighbours
    (optimal string alignment: Boytsov, "Indexing methods for approximate dictionary searching",
    2011, section 2.2). Counting stops as soon as the limit is passed.
    """
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and (not before or min(previous) > limit):
            return limit + 1
        before, previous = previous, row
    return min(previous[-1], limit + 1)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate a reader most likely meant, or None where nothing is near.

    Near is within two edits, and within one for names of up to four characters; upper and lower
    case count as equal.
    """
    limit = 1 if len(name) <= 4 else 2
    lowered = name.lower()
    best: tuple[int, str] | None = None
    for candidate in candidates:
        if abs(len(candidate) - len(name)) > limit:
            continue
        edits = distance(lowered, candidate.lower(), limit)
        if edits > limit or edits >= len(name):
            continue
        rank = (edits, candidate)
        if best is None or rank < best:
            best = rank
    return best[1] if best is not None else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str | None:
    """A hint naming the nearest candidate, or None."""
    meant = nearest(name, candidates)
    return f"did you mean `{meant}`?" if meant is not None else None
