from __future__ import annotations

from typing import Any, ClassVar

import attrs
import pytest

from runner.data.storage import Mark, Staged, reason, write_all
from runner.errors import JobError


@attrs.frozen
class LoggedStaged:
    """Tells what happens to it; refuses to commit where it is told so."""

    log: list[str]
    name: str
    refuses: bool

    def commit(self) -> None:
        self.log.append(f"commit {self.name}")
        if self.refuses:
            raise JobError(f"{self.name} refused")

    def discard(self) -> None:
        self.log.append(f"discard {self.name}")


class Sure(LoggedStaged):
    sure: ClassVar[bool] = True
    mark: ClassVar[Mark | None] = Mark("f", "s", 1)


class Unsure(LoggedStaged):
    """Knows what it is once another party has taken it."""

    sure: ClassVar[bool] = False

    @property
    def mark(self) -> Mark | None:
        is_committed = f"commit {self.name}" in self.log
        return Mark("u", "s", 2) if is_committed else None


@attrs.frozen
class Logged:
    log: list[str]
    name: str
    sure: bool = True
    refuses: bool = False

    def exists(self) -> bool:
        return True

    def mark(self, known: Mark | None = None) -> Mark | None:
        return known

    def read(self) -> Any:
        return None

    def stage(self, value: Any) -> Staged:
        if value is None:
            raise JobError(f"{self.name} has nothing to stage")
        self.log.append(f"stage {self.name}")
        return (Sure if self.sure else Unsure)(self.log, self.name, self.refuses)

    def delete(self) -> None:
        self.log.append(f"delete {self.name}")


def test_all_are_staged_before_one_is_committed() -> None:
    log: list[str] = []
    write_all([(Logged(log, "a"), 1), (Logged(log, "b"), 2)])
    assert log == ["stage a", "stage b", "commit a", "commit b"]


def test_a_failing_stage_discards_the_others() -> None:
    log: list[str] = []
    with pytest.raises(JobError, match=r"^b has nothing to stage$"):
        write_all([(Logged(log, "a"), 1), (Logged(log, "b"), None), (Logged(log, "c"), 3)])
    assert log == ["stage a", "discard a"]


def test_what_may_refuse_is_committed_first() -> None:
    log: list[str] = []
    with pytest.raises(JobError, match=r"^b refused$"):
        write_all([(Logged(log, "a"), 1), (Logged(log, "b", sure=False, refuses=True), 2)])
    assert log == ["stage a", "stage b", "commit b", "discard b", "discard a"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(
            OSError(28, "No space left on device", "f"), "No space left on device", id="os"
        ),
        pytest.param(ValueError("bad\nvery bad"), "bad", id="first-line"),
        pytest.param(TypeError("cannot"), "cannot", id="plain"),
        pytest.param(KeyError("a"), "KeyError: 'a'", id="words-need-the-type"),
        pytest.param(EOFError(), "EOFError", id="no-words"),
        pytest.param(OSError("odd"), "OSError: odd", id="os-without-number"),
    ],
)
def test_reason(error: Exception, text: str) -> None:
    assert reason(error) == text


def test_what_was_written_is_told_in_order() -> None:
    log: list[str] = []

    marks = write_all([(Logged(log, "a"), 1), (Logged(log, "b", sure=False), 2)])

    assert log == ["stage a", "stage b", "commit b", "commit a"]
    assert marks == [Mark("f", "s", 1), Mark("u", "s", 2)]
