from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner.config.references import FunctionRef
from runner.data.storage import Storage, write_all
from runner.errors import JobError

Opened = Callable[..., Storage]


def named(function: Callable[..., Any]) -> FunctionRef:
    return FunctionRef("shop.place", function)


def test_both_functions_get_their_arguments(opened: Opened) -> None:
    calls: list[Any] = []
    storage = opened(
        "generic",
        read_fct=named(lambda *arguments: arguments),
        write_fct=named(lambda *arguments: calls.append(arguments)),
        read_fct_args=(1, {"a": [2]}),
        write_fct_args=("b",),
    )

    storage.stage("value").commit()

    assert calls == [("value", "b")]
    assert storage.read() == (1, {"a": [2]})


def test_a_function_that_changes_its_arguments_changes_them_for_itself(opened: Opened) -> None:
    arguments: tuple[list[int], ...] = ([1],)

    def read(numbers: list[int]) -> int:
        numbers.append(0)
        return len(numbers)

    storage = opened("generic", read_fct=named(read), read_fct_args=arguments)

    assert (storage.read(), storage.read(), arguments) == (2, 2, ([1],))


def test_what_cannot_be_copied_is_handed_out_as_it_is(opened: Opened) -> None:
    def read() -> Iterator[int]:
        yield from (1, 2)

    storage = opened("generic", read_fct=named(read))

    assert list(storage.read()) == [1, 2]
    assert list(storage.read()) == [1, 2]


def test_nothing_is_called_before_the_commit(opened: Opened, kept: dict[str, Any]) -> None:
    storage = opened("generic", **kept)
    storage.stage(1).commit()
    storage.stage(2).discard()
    storage.stage(3)
    assert storage.read() == 1


def test_nobody_can_tell_what_has_changed(opened: Opened, kept: dict[str, Any]) -> None:
    storage = opened("generic", **kept)
    staged = storage.stage(1)
    staged.commit()
    assert (staged.mark, storage.mark()) == (None, None)


def test_whether_it_may_have_a_value(opened: Opened) -> None:
    assert opened("generic", read_fct=named(list)).exists()
    assert not opened("generic", write_fct=named(print)).exists()


def refuse(*_: Any) -> None:
    raise LookupError("no such tax\nat all")


def leave(*_: Any) -> None:
    raise SystemExit(3)


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError


def mute(*_: Any) -> None:
    raise MuteError


async def wait(*_: Any) -> None:
    """Is never awaited."""


FAILURES = [
    pytest.param(refuse, "`shop.place` raised LookupError: no such tax", id="raises"),
    pytest.param(leave, "`shop.place` raised SystemExit: 3", id="exits"),
    pytest.param(mute, "`shop.place` raised MuteError", id="says-nothing"),
    pytest.param(wait, "`shop.place` is async, and nobody awaits it", id="async"),
]


@pytest.mark.parametrize(("function", "why"), FAILURES)
def test_a_read_that_fails(opened: Opened, function: Callable[..., Any], why: str) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be read: ") as caught:
        opened("generic", read_fct=named(function)).read()
    assert str(caught.value) == f"data node `x` cannot be read: {why}"
    assert caught.value.code == "RUN604"


@pytest.mark.parametrize(("function", "why"), FAILURES)
def test_a_write_that_fails(opened: Opened, function: Callable[..., Any], why: str) -> None:
    staged = opened("generic", write_fct=named(function)).stage(1)
    with pytest.raises(JobError, match=r"^data node `x` cannot be written: ") as caught:
        staged.commit()
    staged.discard()
    assert str(caught.value) == f"data node `x` cannot be written: {why}"
    assert caught.value.code == "RUN605"


def test_the_cause_is_what_the_function_raised(opened: Opened) -> None:
    with pytest.raises(JobError, match=r"LookupError") as caught:
        opened("generic", read_fct=named(refuse)).read()
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_missing_function(opened: Opened) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be read: it has no `read_fct`$") as (
        read
    ):
        opened("generic", write_fct=named(print)).read()
    assert (read.value.code, read.value.hint) == (
        "RUN604",
        "name a function in [DATA_NODE.x] read_fct",
    )
    with pytest.raises(
        JobError, match=r"^data node `x` cannot be written: it has no `write_fct`$"
    ) as written:
        opened("generic", read_fct=named(list)).stage(1)
    assert written.value.code == "RUN605"


def test_only_the_user_can_remove_it(opened: Opened, kept: dict[str, Any]) -> None:
    storage = opened("generic", **kept)
    storage.stage(1).commit()
    with pytest.raises(JobError, match=r"^the value of data node `x` cannot be removed$") as caught:
        storage.delete()
    assert caught.value.code == "RUN605"
    assert caught.value.hint == "only its functions know where it is: remove it there"
    assert storage.read() == 1


def test_a_write_that_fails_leaves_the_other_outputs(opened: Opened) -> None:
    sure = opened("pickle")
    sure.stage("old").commit()
    unsure = opened("generic", write_fct=named(refuse))

    with pytest.raises(JobError, match=r"no such tax$"):
        write_all([(sure, "new"), (unsure, "new")])

    assert sure.read() == "old"
