"""Threads that ask the one that waits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from runner.execution.errands import Errands


def test_what_is_asked_is_done_in_order_by_who_runs_it() -> None:
    done: list[int] = []
    wakes: list[bool] = []
    errands = Errands(lambda: wakes.append(True))

    errands.add(lambda: done.append(1))
    errands.add(lambda: errands.add(lambda: done.append(3)))
    errands.add(lambda: done.append(2))
    assert errands
    assert done == []
    errands.run()

    assert done == [1, 2, 3]
    assert len(wakes) == 4
    assert not errands


def asking(errands: Errands, errand: Callable[[Future[str]], None]) -> Callable[[], str]:
    answer: Future[str] = Future()
    return lambda: errands.ask(answer, lambda: errand(answer))


def test_an_answer_reaches_who_has_asked() -> None:
    woken = Event()
    errands = Errands(woken.set)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(asking(errands, lambda answer: answer.set_result("yes")))
        assert woken.wait(60)
        errands.run()

        assert asked.result(60) == "yes"


def test_who_asks_is_told_why_there_is_no_answer() -> None:
    woken = Event()
    errands = Errands(woken.set)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(asking(errands, lambda _: None))
        assert woken.wait(60)
        errands.run()
        errands.give_up(LookupError("the first"))
        errands.give_up(LookupError("the second"))

        with pytest.raises(LookupError, match=r"^the first$"):
            asked.result(60)
        with pytest.raises(LookupError, match=r"^the first$"):
            asking(errands, lambda answer: answer.set_result("too late"))()
