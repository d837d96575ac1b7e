from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runner.config.options import STORAGE_TYPES
from runner.data.storage import Opening, Storage
from runner.data.storages import open_storage
from runner.execution.failures import Failure, InterruptedRunError
from runner.execution.worker import Call, Outcome, Step, run_job

Open = Callable[..., Storage]


@pytest.fixture
def node(tmp_path: Path) -> Open:
    """Opens a data node, with a value if one is given."""
    memory: dict[str, Any] = {}

    def open_node(name: str, *value: Any, storage_type: str = "pickle") -> Storage:
        opening = Opening(
            node=name,
            options=STORAGE_TYPES[storage_type](),
            key=name,
            path=tmp_path / name,
            memory=memory,
            load=operator.attrgetter("target"),
        )
        storage = open_storage(storage_type, opening)
        for each in value:
            storage.stage(each).commit()
        return storage

    return open_node


def job(step: Step, **options: Any) -> Outcome:
    outcome = run_job(Call(0, 7), step, **options)
    assert outcome.job == 7
    assert outcome.started > 0
    assert outcome.seconds >= 0
    return outcome


def failure_of_job(step: Step) -> Failure:
    failure = job(step).failure
    assert failure is not None
    return failure


def returns(value: Any) -> Callable[..., Any]:
    return lambda: value


class Pair(NamedTuple):
    first: Any
    second: Any


class Shape:
    def __init__(self, side: int) -> None:
        self.side = side

    def area(self) -> int:
        return self.side**2

    @staticmethod
    def double(value: int) -> int:
        return 2 * value

    @classmethod
    def triple(cls, value: int) -> int:
        return 3 * value


async def awaited(value: int) -> int:
    return 2 * value


@pytest.mark.parametrize(
    ("function", "value", "result"),
    [
        pytest.param(lambda value: 2 * value, 21, 42, id="lambda"),
        pytest.param(len, [1, 2], 2, id="builtin"),
        pytest.param(str.upper, "a", "A", id="method-of-a-builtin"),
        pytest.param(Shape.area, Shape(3), 9, id="method"),
        pytest.param(Shape.double, 2, 4, id="static-method"),
        pytest.param(Shape.triple, 2, 6, id="class-method"),
        pytest.param(Shape(3).area, None, 9, id="bound-method"),
        pytest.param(functools.partial(pow, 2), 3, 8, id="partial"),
        pytest.param(awaited, 21, 42, id="async"),
        pytest.param(functools.partial(awaited), 21, 42, id="partial-async"),
        pytest.param(complex, 1, 1 + 0j, id="class"),
    ],
)
def test_everything_that_can_be_called(
    node: Open, function: Callable[..., Any], value: Any, result: Any
) -> None:
    inputs = () if value is None else (node("a", value),)
    step = Step("t", function, inputs, (node("b"),))

    assert job(step).failure is None
    assert node("b").read() == result


def test_inputs_are_given_in_order_and_may_be_named_twice(node: Open) -> None:
    a, b = node("a", 1), node("b", 2)

    job(Step("t", lambda *values: values, (b, a, b), (node("c"),)))

    assert node("c").read() == (2, 1, 2)


@pytest.mark.parametrize(
    ("outputs", "result", "values"),
    [
        pytest.param([], "ignored", {}, id="none-declared"),
        pytest.param(["b"], None, {"b": None}, id="one-none"),
        pytest.param(["b"], (1, 2), {"b": (1, 2)}, id="one-tuple-is-not-taken-apart"),
        pytest.param(["b", "c"], (1, 2), {"b": 1, "c": 2}, id="tuple"),
        pytest.param(["b", "c"], [1, None], {"b": 1, "c": None}, id="list"),
        pytest.param(["b", "c"], Pair(1, 2), {"b": 1, "c": 2}, id="named-tuple"),
    ],
)
def test_outputs(node: Open, outputs: list[str], result: Any, values: dict[str, Any]) -> None:
    step = Step("t", returns(result), (), tuple(map(node, outputs)))

    assert job(step).failure is None
    assert {name: node(name).read() for name in outputs} == values


@pytest.mark.parametrize(
    ("result", "got"),
    [
        pytest.param((1,), "1", id="too-few"),
        pytest.param([1, 2, 3], "3", id="too-many"),
        pytest.param((), "0", id="empty"),
        pytest.param("ab", "a str", id="string-of-that-length"),
        pytest.param(b"ab", "a bytes", id="bytes"),
        pytest.param({"b": 1, "c": 2}, "a dict", id="dict"),
        pytest.param(None, "a NoneType", id="none"),
    ],
)
def test_a_wrong_number_of_results_writes_nothing(node: Open, result: Any, got: str) -> None:
    step = Step("t", returns(result), (), (node("b", "old"), node("c")))

    assert failure_of_job(step) == Failure(
        code="RUN306",
        type="",
        message=f"task `t` has 2 outputs, its function returned {got}",
        hint="return a tuple of 2",
    )
    assert node("b").read() == "old"
    assert not node("c").exists()


def test_one_output_that_cannot_be_written_leaves_all_as_they_were(
    node: Open, tmp_path: Path
) -> None:
    outputs = (node("b", "old"), node("m", 1, storage_type="in_memory"), node("c"))
    step = Step("t", returns((1, 2, threading.Lock())), (), outputs)

    failure = failure_of_job(step)

    assert failure.code == "RUN606"
    assert failure.message == (
        "data node `c` cannot be written: `result` is a `lock`, which does not pickle: "
        "cannot pickle '_thread.lock' object"
    )
    assert node("b").read() == "old"
    assert node("m", storage_type="in_memory").read() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_an_input_without_a_value(node: Open, tmp_path: Path) -> None:
    step = Step("t", nothing_called, (node("a"),), ())

    assert failure_of_job(step) == Failure(
        code="RUN604",
        type="",
        message=f"data node `a` has no value yet: no file {tmp_path / 'a'}",
    )


def nothing_called(*_: Any) -> None:
    raise AssertionError("a job without its inputs is not called")


@pytest.mark.parametrize("storage_type", ["pickle", "in_memory", "json"])
def test_a_function_that_changes_its_input_changes_it_for_nobody(
    node: Open, storage_type: str
) -> None:
    a = node("a", {"rows": [1]}, storage_type=storage_type)

    def change(value: dict[str, list[int]], again: dict[str, list[int]]) -> int:
        value["rows"].append(2)
        return len(again["rows"])

    outcome = job(Step("t", change, (a, a), (node("b"),)))

    assert outcome.failure is None
    assert a.read() == {"rows": [1]}
    assert node("b").read() == 1


def test_a_result_that_is_changed_later_is_not_changed_where_it_was_written(node: Open) -> None:
    kept: list[int] = [1]
    b = node("b", storage_type="in_memory")

    job(Step("t", lambda: kept, (), (b,)))
    kept.append(2)

    assert b.read() == [1]


def test_a_second_interrupt_ends_the_run_not_the_job() -> None:
    def interrupted() -> None:
        raise InterruptedRunError

    with pytest.raises(InterruptedRunError, match=r"^$"):
        job(Step("t", interrupted, (), ()))


def test_a_debugger_is_shown_the_exception_itself() -> None:
    shown: list[BaseException] = []
    error = ValueError("broken")

    def broken() -> None:
        raise error

    job(Step("t", broken, (), ()), on_error=shown.append)

    assert shown == [error]
