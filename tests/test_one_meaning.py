"""The same file gives the same data nodes and the same job outcomes, in development and standalone.

The suite compares a few hundred graphs, always the same ones. To look for others, longer:

    RUNNER_FUZZ_EXAMPLES=200 python -m pytest tests/test_one_meaning.py
    python tests/fuzz/one_meaning.py --examples 500 --seed 1
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from one_meaning import WAYS, Way, compare, compare_dying, examples, look

EVERY_WAY = pytest.mark.parametrize(
    "way", [pytest.param(way, id=f"{way[1]}-{way[0]}") for way in WAYS]
)
WANTED = os.environ.get("RUNNER_FUZZ_EXAMPLES")


def few_or_wanted(way: Way, few: int) -> dict[str, Any]:
    """How many examples in the suite, the same each time; by hand, as many as are wanted."""
    if WANTED is None:
        return {"count": few, "chance": WAYS.index(way)}
    return {"count": int(WANTED)}


@EVERY_WAY
def test_both_modes_mean_the_same(way: Way) -> None:
    compared = look(compare, examples(), [way], **few_or_wanted(way, 7))

    assert compared["COMPLETED"] > compared["FAILED"] > 0


@EVERY_WAY
def test_a_job_that_ends_its_worker_fails_as_one_that_raises(way: Way) -> None:
    compared = look(compare_dying, examples(dies=True), [way], **few_or_wanted(way, 3))

    assert compared["RUN603"] + compared["retried"] > 0
