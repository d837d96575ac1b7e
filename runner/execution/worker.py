"""One job: read inputs, call, write outputs. The one function that every executor runs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from time import perf_counter, time
from types import CoroutineType
from typing import Any, TypeAlias

import attrs

from runner.data.storage import Mark, Storage, write_all
from runner.errors import JobError
from runner.execution.failures import Failure, InterruptedRunError, failure_of

Marks: TypeAlias = Sequence[Mark | None]


@attrs.define(eq=False)
class Step:
    """What a worker needs to run a task's jobs: the function, and its data nodes opened.

    Attributes:
        permit: is called before the outputs are committed, and raises where they must not be;
            None: they may.
    """

    task: str
    function: Callable[..., Any]
    inputs: Sequence[Storage]
    outputs: Sequence[Storage]
    timeout: float | None = None
    permit: Callable[[], None] | None = None


# None of the three is frozen, against the custom here: freezing would double the time to make one.
@attrs.define
class Call:
    """Run a job, this once: goes to an executor.

    Attributes:
        work: the number of its submission.
        job: its place among the jobs of the submission's plan.
    """

    work: int
    job: int


@attrs.define
class Output:
    """What a job printed: so many bytes of a file in the storage folder's `logs/`."""

    file: str
    start: int
    end: int


@attrs.define
class Outcome:
    """What became of a call: comes back from an executor.

    Attributes:
        work, job: the call's.
        started: seconds since 1970, UTC.
        seconds: how long it took.
        failure: None where its outputs are written.
        worker: which one ran it; None: this very process.
        output: what it printed, where that was kept.
        marks: of each output what was written, where anybody can tell.
        returned: whether it has not run at all and has to be taken once more.
    """

    work: int
    job: int
    started: float
    seconds: float
    failure: Failure | None = None
    worker: int | None = None
    output: Output | None = None
    marks: Marks = ()
    returned: bool = False

    @classmethod
    def taken_back(cls, call: Call) -> Outcome:
        """Of a call that has not run."""
        return cls(call.work, call.job, 0.0, 0.0, returned=True)

    @classmethod
    def failed(cls, call: Call, failure: Failure) -> Outcome:
        """Of a call whose worker tells nothing of it."""
        return cls(call.work, call.job, time(), 0.0, failure)


def attempt(step: Step) -> Marks:
    """Read inputs, call, write outputs; of each output what was written."""
    result = step.function(*[storage.read() for storage in step.inputs])
    if type(result) is CoroutineType:
        result = awaited(result)
    outputs, permit = step.outputs, step.permit
    if permit is not None:
        parts = (result,) if len(outputs) == 1 else _parts(step, result) if outputs else ()
        return write_all(zip(outputs, parts, strict=True), permit)
    if len(outputs) == 1:
        return (_write(outputs[0], result),)
    if not outputs:
        return ()
    return write_all(zip(outputs, _parts(step, result), strict=True))


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives; a thread that has a loop already, as in notebooks, gets help."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def run_job(
    call: Call,
    step: Step,
    *,
    attempt: Callable[[Step], Marks] = attempt,
    on_error: Callable[[BaseException], None] | None = None,
    full_traceback: bool = False,
) -> Outcome:
    """Run a job in this process; whatever it raises becomes its outcome.

    Args:
        call: which.
        step: what it does.
        attempt: what an executor puts limits around.
        on_error: is shown the exception itself, while its frames are alive: for a debugger.
        full_traceback: whether a failure tells the frames of runner too.
    """
    started = time()
    clock = perf_counter()
    try:
        marks = attempt(step)
    except InterruptedRunError:
        raise
    except BaseException as error:  # noqa: BLE001 - any failure, also sys.exit, becomes an outcome
        seconds = perf_counter() - clock
        if on_error is not None:
            on_error(error)
        failure = failure_of(error, full=full_traceback)
        return Outcome(call.work, call.job, started, seconds, failure)
    return Outcome(call.work, call.job, started, perf_counter() - clock, marks=marks)


def _write(storage: Storage, value: Any) -> Mark | None:
    staged = storage.stage(value)
    try:
        staged.commit()
    except BaseException:
        staged.discard()
        raise
    return staged.mark


def _parts(step: Step, result: Any) -> tuple[Any, ...] | list[Any]:
    """A value for each output, by position."""
    expected = len(step.outputs)
    if not isinstance(result, tuple | list):
        got = f"a {type(result).__name__}"
    elif len(result) != expected:
        got = f"{len(result)}"
    else:
        return result
    message = f"task `{step.task}` has {expected} outputs, its function returned {got}"
    raise JobError(message, code="RUN306", hint=f"return a tuple of {expected}")
