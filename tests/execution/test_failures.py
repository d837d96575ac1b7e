from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import runner
from runner.config.options import CsvOptions
from runner.data.storage import Opening
from runner.data.storages import open_storage
from runner.errors import JobError
from runner.execution.failures import Failure, TaskTimeoutError, failure_of, import_failure
from runner.execution.worker import Call, Step, run_job

OURS = str(Path(runner.__file__).parent)


def failure_in(function: Callable[[], Any], **options: Any) -> Failure:
    """The failure of a job that calls the function."""
    failure = run_job(Call(0, 0), Step("t", function, (), ()), **options).failure
    assert failure is not None
    return failure


class OfTwoError(Exception):
    def __init__(self, name: str, value: int) -> None:
        super().__init__(f"{name} is {value}")


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class NotTextError(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]  # noqa: PLE0307 - that is the point


class NotedError(Exception):
    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # that it is none is the point
        raise RuntimeError("no notes")


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def recurse() -> None:
    recurse()


def deep() -> None:
    error = ValueError("number 0")
    for number in range(1, 1000):
        following = ValueError(f"number {number}")
        following.__cause__ = error
        error = following
    raise error


def group() -> None:
    raise ExceptionGroup("both", [ValueError("one"), ExceptionGroup("in", [TypeError("two")])])


def handling() -> None:
    try:
        raising(KeyError("first"))()
    except KeyError:
        raise ValueError("second")  # noqa: B904 - that there is a context is the point


def compile_wrong() -> None:
    compile("a b", "made.py", "exec")


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        pytest.param(raising(ValueError("bad")), "ValueError", "bad", id="plain"),
        pytest.param(raising(ValueError()), "ValueError", "", id="no-text"),
        pytest.param(raising(KeyError("x")), "KeyError", "'x'", id="key-error"),
        pytest.param(raising(OfTwoError("a", 1)), "OfTwoError", "a is 1", id="constructor-of-two"),
        pytest.param(
            raising(MuteError()), "MuteError", "(its text cannot be made)", id="str-raises"
        ),
        pytest.param(
            raising(NotTextError()), "NotTextError", "(its text cannot be made)", id="str-no-text"
        ),
        pytest.param(group, "ExceptionGroup", "both (2 sub-exceptions)", id="group"),
        pytest.param(deep, "ValueError", "number 999", id="deep-cause"),
        pytest.param(handling, "ValueError", "second", id="context"),
        pytest.param(raising(SystemExit(3)), "SystemExit", "3", id="exit"),
        pytest.param(raising(KeyboardInterrupt()), "KeyboardInterrupt", "", id="interrupt"),
        pytest.param(raising(GeneratorExit()), "GeneratorExit", "", id="generator-exit"),
        pytest.param(raising(StopIteration(1)), "StopIteration", "1", id="stop-iteration"),
        pytest.param(recurse, "RecursionError", "maximum recursion depth exceeded", id="recursion"),
        pytest.param(
            compile_wrong, "SyntaxError", "invalid syntax (made.py, line 1)", id="syntax-error"
        ),
        pytest.param(raising(ValueError("a\nb")), "ValueError", "a ...", id="two-lines"),
        pytest.param(raising(ValueError("\n a \n")), "ValueError", "a", id="blank-lines-around"),
        pytest.param(
            raising(ValueError("x" * 10**6)), "ValueError", "x" * 1000 + " ...", id="huge"
        ),
        pytest.param(raising(ValueError("a\udcff")), "ValueError", "a\\udcff", id="no-character"),
    ],
)
def test_whatever_is_raised_is_told(function: Callable[[], None], kind: str, message: str) -> None:
    failure = failure_in(function)

    assert (failure.code, failure.type, failure.message) == ("RUN601", kind, message)
    assert failure.file == __file__
    assert failure.traceback
    assert OURS not in failure.traceback
    assert len(failure.traceback) < 66_000
    assert failure.traceback.encode()


def test_an_exception_that_cannot_be_looked_at_is_a_failure_too() -> None:
    failure = failure_in(raising(NotedError("bad")))

    assert (failure.code, failure.type) == ("RUN601", "NotedError")
    assert failure.message in {"(its text cannot be made)", "bad"}  # "bad" from Python 3.13 on


def test_the_place_is_where_the_user_raised() -> None:
    failure = failure_in(handling)

    assert failure.function == "handling"
    assert failure.source.startswith('raise ValueError("second")')
    assert Path(__file__).read_text(encoding="utf-8").splitlines()[failure.line - 1].strip() == (
        failure.source
    )


def test_the_traceback_has_the_users_frames_only() -> None:
    failure = failure_in(raising(ValueError("bad")))

    assert failure.traceback == (
        "Traceback (most recent call last):\n"
        f'  File "{__file__}", line {failure.line}, in fail\n'
        "    raise error\n"
        "ValueError: bad\n"
    )


def test_our_frames_are_there_for_who_asks() -> None:
    failure = failure_in(raising(ValueError("bad")), full_traceback=True)

    assert OURS in failure.traceback
    assert failure.file == __file__


def test_a_call_that_never_reached_the_users_code_has_no_place() -> None:
    failure = failure_in(lambda: None, attempt=lambda step: step.function(1))

    assert failure.type == "TypeError"
    assert failure.message.endswith("takes 0 positional arguments but 1 was given")


def test_frames_of_compiled_packages_are_not_the_place() -> None:
    source = compile("def parse():\n    raise KeyError('bad')\n", "lib/_parsers.pyx", "exec")
    namespace: dict[str, Any] = {}
    exec(source, namespace)

    def job() -> None:
        namespace["parse"]()

    failure = failure_in(job)

    assert "lib/_parsers.pyx" in failure.traceback
    assert failure.file == __file__


def test_frames_of_installed_packages_are_not_the_place() -> None:
    source = compile("def inside(f):\n    f()\n", "/x/site-packages/lib.py", "exec")
    names: dict[str, Any] = {}
    exec(source, names)
    library = compile(
        "def broken():\n    raise ValueError('bad')\n", "/x/site-packages/b.py", "exec"
    )
    exec(library, names)

    failure = failure_in(lambda: names["inside"](names["broken"]))

    assert failure.file == __file__
    assert "/x/site-packages/b.py" in failure.traceback


def test_a_huge_traceback_keeps_its_ends() -> None:
    failure = failure_in(raising(ValueError("x" * 100_000 + "end")))

    head, _, tail = failure.traceback.partition(" characters left out ...\n")
    assert head.startswith("Traceback")
    assert tail.endswith("end\n")
    assert len(tail) == 32 * 1024


def test_what_runner_says_of_a_job_has_no_traceback() -> None:
    error = JobError("no value", code="RUN604", hint="write one")

    assert failure_of(error) == Failure(
        code="RUN604", type="", message="no value", hint="write one"
    )


def test_what_a_library_of_runner_raises_has_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a\n1\n1,2\n", encoding="utf-8")
    opening = Opening(node="x", options=CsvOptions(), key="x", path=file, memory={}, load=str)

    failure = failure_in(open_storage("csv", opening).read)  # pandas is compiled for a part

    assert failure.message.startswith(f"data node `x`: {file} cannot be read: ParserError: ")
    assert (failure.file, failure.traceback) == ("", "")


def test_what_runner_says_points_to_the_users_code_behind_it() -> None:
    def write() -> None:
        try:
            raising(TypeError("no encoder"))()
        except TypeError as error:
            raise JobError("cannot be written", code="RUN605") from error

    failure = failure_in(write)

    assert (failure.code, failure.type, failure.message) == ("RUN605", "", "cannot be written")
    assert (failure.file, failure.function) == (__file__, "fail")


def test_a_timeout_has_no_traceback() -> None:
    assert failure_of(TaskTimeoutError("took longer than 1 s")) == Failure(
        code="RUN602", type="TaskTimeout", message="took longer than 1 s"
    )


def test_an_import_has_the_code_it_is_given() -> None:
    assert import_failure(ImportError("x"), "RUN301") == Failure(
        code="RUN301", type="ImportError", message="x", traceback="ImportError: x\n"
    )
