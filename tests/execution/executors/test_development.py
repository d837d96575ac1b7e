from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from runner.execution.executors.development import DevelopmentExecutor, can_time_out
from runner.execution.failures import Failure
from runner.execution.worker import Call, Step


class Given:
    """Calls that can be taken, one after the other."""

    def __init__(self, *jobs: int) -> None:
        self._jobs = list(jobs)

    def take(self) -> Call | None:
        return Call(0, self._jobs.pop(0)) if self._jobs else None

    def ready(self) -> int:
        raise AssertionError("one is run after the other")

    def follow(self, call: Call) -> Call | None:  # noqa: ARG002 - a Source's
        raise AssertionError("jobs run one by one here")


def executor_of(*steps: Step, **options: Any) -> DevelopmentExecutor:
    executor = DevelopmentExecutor(**options)
    executor._steps[0] = steps  # type: ignore[assignment]  # it is asked for items as well
    return executor


def nothing() -> None:
    pass


def broken() -> None:
    raise ValueError("broken")


def forever() -> None:
    while True:
        pass


def asleep() -> None:
    threading.Event().wait()


async def asleep_async() -> None:
    await asyncio.Event().wait()


def deaf() -> None:
    while True:
        try:
            asleep()
        except Exception:  # noqa: BLE001 - what a user's loop might say
            continue


@pytest.fixture
def alarm_handler() -> object:
    if not can_time_out():
        pytest.skip("timeouts need Unix and the main thread")
    return signal.getsignal(signal.SIGALRM)


@pytest.mark.parametrize("function", [forever, asleep, asleep_async, deaf])
def test_a_timeout_interrupts_the_job(alarm_handler: object, function: Callable[[], Any]) -> None:
    executor = executor_of(Step("t", function, (), (), timeout=0.02))

    executor.submit(Given(0))

    (outcome,) = executor.wait(None)
    assert outcome.failure == Failure(
        code="RUN602", type="TaskTimeout", message="took longer than 0.02 s"
    )
    assert signal.getsignal(signal.SIGALRM) is alarm_handler
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_time_in_a_debugger_does_not_count(alarm_handler: object) -> None:
    timers: list[tuple[float, float]] = []

    executor = executor_of(
        Step("t", broken, (), (), timeout=60),
        on_error=lambda _: timers.append(signal.getitimer(signal.ITIMER_REAL)),
    )
    executor.submit(Given(0))

    assert timers == [(0.0, 0.0)]


def test_a_job_within_its_time(alarm_handler: object) -> None:
    executor = executor_of(Step("t", nothing, (), (), timeout=60))

    executor.submit(Given(0))

    assert [outcome.failure for outcome in executor.wait(None)] == [None]
    assert executor.wait(0) == []
    assert signal.getsignal(signal.SIGALRM) is alarm_handler


def test_jobs_run_while_they_are_submitted_and_wait_gives_them_once() -> None:
    executor = executor_of(Step("good", nothing, (), ()), Step("bad", broken, (), ()))

    jobs = Given(0, 1)
    executor.submit(jobs)
    executor.submit(jobs)

    good, bad = executor.wait(None)
    assert (good.job, good.failure) == (0, None)
    assert bad.job == 1
    assert bad.failure is not None
    assert bad.failure.message == "broken"
    assert executor.wait(0) == []
    assert executor.slots == 1


def test_only_the_main_thread_can_be_interrupted() -> None:
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(can_time_out()))
    thread.start()
    thread.join()

    assert told == [False]
