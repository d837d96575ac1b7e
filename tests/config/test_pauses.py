"""What the collector is spared, and what it is not."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from runner.config.pauses import collector_paused


class Thing:
    """Refers to itself, so that only the collector removes it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def collector_on() -> Iterator[None]:
    gc.collect()
    gc.enable()
    yield
    gc.unfreeze()
    gc.enable()


def test_what_was_made_meanwhile_is_old() -> None:
    with collector_paused():
        assert not gc.isenabled()
        made = [Thing() for _ in range(100)]
    assert gc.isenabled()
    assert not {id(each) for each in made} & {id(each) for each in gc.get_objects(generation=0)}
    assert gc.get_freeze_count() == 0


def test_what_is_left_of_it_is_still_found() -> None:
    with collector_paused():
        thing = Thing()
    left = ref(thing)
    del thing
    gc.collect()
    assert left() is None


def test_what_others_have_frozen_stays_frozen() -> None:
    gc.freeze()
    with collector_paused():
        pass
    assert gc.get_freeze_count()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    with collector_paused():
        pass
    assert not gc.isenabled()
