"""Make many objects without the garbage collector looking through all of them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collector; what is made in the block is kept, so that there is nothing to find.

    All that is there at its end counts as old, so that it is not looked through at once after all.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            _age_all()
            gc.enable()


@contextmanager
def collector_seldom() -> Iterator[None]:
    """Let the collector look less often, for as long as much is made that stays.

    It still looks: other threads of the process may leave something to find.
    """
    before = gc.get_threshold()
    ours = (max(before[0], 50_000), *before[1:])
    if before[0] > 0:  # else it is turned off
        gc.set_threshold(*ours)
    try:
        yield
    finally:
        if gc.get_threshold() == ours:
            gc.set_threshold(*before)


def _age_all() -> None:
    """Make all objects old without a look at them, unless somebody has frozen some to stay so."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
