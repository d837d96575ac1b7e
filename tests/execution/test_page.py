from __future__ import annotations

import itertools
import os
import random
import select
import signal
from collections.abc import Iterator

import pytest

from runner.execution.page import SETTLED, Page


@pytest.fixture
def both() -> Iterator[tuple[Page, Page]]:
    """The page as the runner has it, and as the worker has it."""
    ours, descriptor = Page.create()
    theirs = Page(descriptor)
    os.close(descriptor)
    yield ours, theirs
    theirs.close()
    ours.close()


def test_a_new_page_tells_nothing(both: tuple[Page, Page]) -> None:
    ours, _ = both

    assert (ours.begun, ours.unsent()) == (0, [])


def test_what_was_begun_last(both: tuple[Page, Page]) -> None:
    ours, theirs = both

    assert all(theirs.begin(number) for number in (1, 2, 7))
    assert ours.begun == 7


def test_outcomes_that_were_not_sent(both: tuple[Page, Page]) -> None:
    ours, theirs = both

    assert theirs.keep(b"first")
    assert theirs.keep(b"")
    assert theirs.keep(b"x" * 100_000)

    assert ours.unsent() == [b"first", b"", b"x" * 100_000]
    assert ours.unsent() == [b"first", b"", b"x" * 100_000]


def test_outcomes_that_were_sent(both: tuple[Page, Page]) -> None:
    ours, theirs = both
    theirs.keep(b"first")

    theirs.forget()

    assert ours.unsent() == []
    theirs.keep(b"second")
    assert ours.unsent() == [b"second"]


def test_an_outcome_for_which_there_is_no_room(both: tuple[Page, Page]) -> None:
    ours, theirs = both
    large = b"x" * 100_000
    kept = [theirs.keep(large) for _ in range(4)]

    assert kept == [True, True, False, False]
    assert ours.unsent() == [large, large]


def test_the_last_byte_is_used(both: tuple[Page, Page]) -> None:
    ours, theirs = both
    most = 256 * 1024 - 32 - 4

    assert not theirs.keep(b"x" * (most + 1))
    assert theirs.keep(b"x" * most)
    assert not theirs.keep(b"")
    assert ours.unsent() == [b"x" * most]


def test_the_page_outlives_the_descriptor_and_the_worker(both: tuple[Page, Page]) -> None:
    ours, theirs = both
    theirs.begin(5)
    theirs.keep(b"done")
    theirs.close()

    assert (ours.begun, ours.unsent()) == (5, [b"done"])
    ours, descriptor = Page.create()
    os.close(descriptor)
    assert ours.begun == 0
    ours.close()


@pytest.mark.parametrize(
    ("number", "may"),
    [
        pytest.param(4, True, id="before"),
        pytest.param(5, False, id="first"),
        pytest.param(7, False, id="between"),
        pytest.param(9, False, id="last"),
        pytest.param(10, True, id="after"),
    ],
)
def test_calls_that_are_forbidden(both: tuple[Page, Page], number: int, may: bool) -> None:
    ours, theirs = both
    ours.forbid(5, 9)

    assert theirs.begin(number) is may
    assert ours.begun == number  # so that it is known that it was looked at


def test_what_is_forbidden_later_takes_the_place(both: tuple[Page, Page]) -> None:
    ours, theirs = both
    ours.forbid(5, 9)
    ours.forbid(20, 30)

    assert [theirs.begin(number) for number in (9, 19, 20, 30, 31)] == [
        True, True, False, False, True
    ]  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs two processes")
@pytest.mark.parametrize("seed", range(20))
def test_a_call_is_either_begun_or_taken_back(both: tuple[Page, Page], seed: int) -> None:
    """Whatever the moment: one process begins calls as fast as it can, this one forbids some."""
    ours, theirs = both
    count = 20_000
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        may = bytes(theirs.begin(number) for number in range(1, count + 1))
        os.write(writing, may)
        os._exit(0)
    os.close(writing)
    chosen = random.Random(seed)
    taken: set[int] = set()
    while (begun := ours.begun) < count:
        last = min(begun + chosen.choice([1, 10, 100, 3000]), count)
        ours.forbid(begun + 1, last)
        select.select([], [], [], SETTLED)  # as the executor waits before it looks
        settled = ours.begun
        taken |= set(range(settled + 1, last + 1))
        if last == count:
            break
        while ours.begun < last and not select.select([reading], [], [], 0)[0]:
            pass
    with os.fdopen(reading, "rb") as file:
        may = file.read()
    os.waitpid(pid, 0)

    assert len(may) == count
    assert [number for number in sorted(taken) if may[number - 1]] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs two processes")
def test_a_number_is_never_seen_half_written(both: tuple[Page, Page]) -> None:
    ours, theirs = both
    numbers = [2**40 + 1, 2**56 - 1]
    theirs.begin(numbers[0])
    pid = os.fork()
    if pid == 0:
        for number in itertools.cycle(numbers):
            theirs.begin(number)
    seen: set[int] = set()
    try:
        while seen < set(numbers):
            seen |= {ours.begun for _ in range(100_000)}
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    assert seen == set(numbers)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs two processes")
def test_outcomes_are_read_whole_while_the_worker_goes_on(both: tuple[Page, Page]) -> None:
    """What is read is a stretch of what was kept one after the other, or nothing at all."""
    ours, theirs = both
    pid = os.fork()
    if pid == 0:
        chosen = random.Random(1)
        for number in itertools.count(1):
            theirs.begin(number)
            outcome = number.to_bytes(4, "little") * chosen.choice([1, 10, 1000, 9000])
            if not theirs.keep(outcome):
                theirs.forget()
                theirs.keep(outcome)
            elif chosen.random() < 0.1:
                theirs.forget()
    looked = 0
    try:
        while looked < 500:
            found = ours.unsent()
            looked += bool(found)
            numbers = [int.from_bytes(each[:4], "little") for each in found]
            assert numbers == list(range(numbers[0], numbers[0] + len(found)) if found else [])
            for number, each in zip(numbers, found, strict=True):
                assert each == number.to_bytes(4, "little") * (len(each) // 4)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
