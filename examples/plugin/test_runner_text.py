from __future__ import annotations

from pathlib import Path

import pytest
from runner_text import TextOptions, open_text

from runner.storages import JobError, Opening
from runner.testing import check_storage


def opening(path: Path, **options: str) -> Opening:
    return Opening(
        node="poem", options=TextOptions(**options), key="poem", path=path, memory={}, load=str
    )


@pytest.mark.parametrize(
    ("unit", "first", "second"),
    [("text", "a\nb", ""), ("lines", ["a", "b"], [])],
    ids=["text", "lines"],
)
def test_it_does_as_every_storage(
    tmp_path: Path, unit: str, first: str | list[str], second: str | list[str]
) -> None:
    check_storage(lambda: open_text(opening(tmp_path / "x.txt", unit=unit)), first, second)


def test_a_letter_that_the_encoding_does_not_have(tmp_path: Path) -> None:
    storage = open_text(opening(tmp_path / "x.txt", encoding="ascii"))

    with pytest.raises(JobError, match=r"^data node `poem` cannot be written: ") as caught:
        storage.stage("é")

    assert caught.value.code == "RUN606"
    assert not storage.exists()
