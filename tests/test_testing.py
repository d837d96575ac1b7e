"""The check for storages of other packages: it sees each promise that is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from runner.config.options import PickleOptions
from runner.data.files import NodeFile
from runner.data.pickle_file import PickleFile
from runner.data.storage import Mark, Opening
from runner.errors import JobError
from runner.testing import check_storage


@attrs.frozen
class Own(PickleFile):
    """A storage that keeps every promise."""

    def delete(self) -> None:
        Path(self.file.path).unlink(missing_ok=True)


class Blind(Own):
    def exists(self) -> bool:
        return True


class Unmarked(Own):
    def mark(self, known: Mark | None = None) -> Mark | None:  # noqa: ARG002 - the protocol's
        return Mark("", "", 0)


class Silent(Own):
    def read(self) -> Any:
        try:
            return super().read()
        except JobError:
            return None


class OddCode(Own):
    def read(self) -> Any:
        try:
            return super().read()
        except JobError as error:
            raise JobError(str(error), code="RUN605") from None


class Hasty(Own):
    def stage(self, value: Any) -> Any:
        staged = super().stage(value)
        staged.commit()
        return staged


class Forgetful(Own):
    def read(self) -> Any:
        value = super().read()
        return value[:1]


class Moody(Own):
    def stage(self, value: Any) -> Any:
        staged = super().stage(value)
        assert staged.mark is not None
        staged.mark = staged.mark._replace(size=-1)
        return staged


class Immortal(Own):
    def delete(self) -> None:
        """Nothing is."""


def opened(kind: type[PickleFile], path: Path) -> Callable[[], PickleFile]:
    opening = Opening(
        node="x", options=PickleOptions(), key="x", path=path / "x", memory={}, load=str
    )
    return lambda: kind(NodeFile.of(opening))


def test_one_that_keeps_every_promise(tmp_path: Path) -> None:
    check_storage(opened(Own, tmp_path), "first", "second")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        pytest.param(Blind, "`exists` is not False where there is no value", id="exists"),
        pytest.param(Unmarked, "`mark` is not None where there is no value", id="mark"),
        pytest.param(Silent, "`read` gives something where there is no value", id="read"),
        pytest.param(OddCode, "`read` of nothing raises RUN605, not RUN604", id="code"),
        pytest.param(Hasty, "what is only staged is seen", id="stage"),
        pytest.param(Forgetful, "`read` gives something else than was written", id="value"),
        pytest.param(Moody, "`mark` differs from that of what was staged", id="staged-mark"),
        pytest.param(Immortal, "`exists` is not False where there is no value", id="delete"),
    ],
)
def test_one_that_breaks_a_promise(kind: type[PickleFile], told: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        check_storage(opened(kind, tmp_path), "first", "second")

    assert str(caught.value) == told


def test_two_values_that_are_the_same(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"^two values have one fingerprint"):
        check_storage(opened(Own, tmp_path), "same", "same")
