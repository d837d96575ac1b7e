"""A data node of another package: opened, called, and told where it breaks the protocol."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner.config.options import StorageOptions, StorageType
from runner.config.plugins import Plugin
from runner.data.foreign import open_foreign
from runner.data.storage import Mark, Opening, Storage, write_all
from runner.errors import JobError, SetupError


class Fine:
    """Keeps a value in the run's memory."""

    sure = False
    staged_mark: Mark | None = Mark("f", "s", 1)

    def __init__(self, opening: Opening) -> None:
        self.memory = opening.memory
        self.value: Any = None

    def exists(self) -> bool:
        return "x" in self.memory

    def mark(self, known: Mark | None = None) -> Mark | None:
        return self.staged_mark if self.exists() else known

    def read(self) -> Any:
        return self.memory["x"]

    def stage(self, value: Any) -> Any:
        self.value = value
        return types.SimpleNamespace(
            sure=False, mark=self.staged_mark, commit=self.commit, discard=self.discard
        )

    def commit(self) -> None:
        self.memory["x"] = self.value

    def discard(self) -> None:
        """Nothing is kept."""

    def delete(self) -> None:
        self.memory.pop("x", None)


def boom(*_: object) -> None:
    raise ValueError("boom\nand more")


@pytest.fixture
def opened() -> Iterator[Callable[..., Storage]]:
    """Opens data node `x` by a function of a module that is there as long as the test lasts."""

    def open_by(function: object, name: str = "foreign_module:open_it") -> Storage:
        module: Any = types.ModuleType("foreign_module")
        module.open_it = function
        sys.modules["foreign_module"] = module
        plugin = Plugin("note", StorageType(StorageOptions, name), "notes 1.0", "")
        opening = Opening(node="x", options=StorageOptions(), key="x", memory={}, load=str)
        return open_foreign(plugin, opening)

    yield open_by
    sys.modules.pop("foreign_module", None)


def test_it_is_called(opened: Callable[..., Any]) -> None:
    storage = opened(Fine)
    assert not storage.exists()

    assert write_all([(storage, 5)]) == [Mark("f", "s", 1)]

    assert (storage.exists(), storage.read()) == (True, 5)
    assert storage.mark() == Mark("f", "s", 1)
    storage.delete()
    assert not storage.exists()


def test_it_says_itself_whether_it_is_sure(opened: Callable[..., Any]) -> None:
    assert opened(Fine).stage(1).sure is False


@pytest.mark.parametrize(
    ("function", "name", "why"),
    [
        pytest.param(Fine, "no_such_module:f", "ModuleNotFoundError: No module named "
            "'no_such_module'", id="no-module"),
        pytest.param(Fine, "foreign_module:f", "AttributeError: module 'foreign_module' has no "
            "attribute 'f'", id="no-function"),
        pytest.param(boom, "foreign_module:open_it", "ValueError: boom\nand more", id="raises"),
        pytest.param(lambda _: None, "foreign_module:open_it", "its `NoneType` has no `exists`",
            id="gives-nothing"),
        pytest.param(lambda _: types.SimpleNamespace(exists=1), "foreign_module:open_it",
            "its `SimpleNamespace` has no `exists`", id="no-method"),
    ],
)  # fmt: skip
def test_what_does_not_open(
    opened: Callable[..., Any], function: object, name: str, why: str
) -> None:
    with pytest.raises(SetupError, match=r"^data node `x`: ") as caught:
        opened(function, name)

    assert str(caught.value) == (
        f"data node `x`: storage type `note` of notes 1.0 cannot be opened: {why}"
    )
    assert caught.value.code == "RUN402"
    assert caught.value.hint == f"`{name}` should give a storage, and touch nothing"


CALLS = {
    "exists": lambda storage: storage.exists(),
    "mark": lambda storage: storage.mark(),
    "read": lambda storage: storage.read(),
    "stage": lambda storage: storage.stage(1),
    "commit": lambda storage: storage.stage(1).commit(),
    "delete": lambda storage: storage.delete(),
}
CODES = {"exists": "RUN604", "mark": "RUN604", "read": "RUN604"}


@pytest.mark.parametrize("method", CALLS)
def test_what_a_method_raises(opened: Callable[..., Any], method: str) -> None:
    storage = opened(type("Broken", (Fine,), {method: boom}))

    with pytest.raises(JobError, match=r"^data node `x`: ") as caught:
        CALLS[method](storage)

    assert str(caught.value) == (
        f"data node `x`: `{method}` of storage type `note` of notes 1.0 raised ValueError: boom"
    )
    assert caught.value.code == CODES.get(method, "RUN605")
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("method", CALLS)
def test_a_job_error_is_told_as_it_is(opened: Callable[..., Any], method: str) -> None:
    def refuse(*_: object) -> None:
        raise JobError("its own words", code="RUN606")

    storage = opened(type("Refusing", (Fine,), {method: refuse}))

    with pytest.raises(JobError, match=r"^its own words$") as caught:
        CALLS[method](storage)

    assert caught.value.code == "RUN606"


def test_a_discard_never_raises(opened: Callable[..., Any]) -> None:
    opened(type("Broken", (Fine,), {"discard": boom})).stage(1).discard()
