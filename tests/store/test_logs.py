from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import SetupError
from runner.store.logs import (
    MOST_BESIDE,
    Slice,
    last_lines,
    read,
    read_slice,
    slice_of,
    tail,
    whole_lines,
)
from runner.store.store import JobRow

JOB = JobRow("8k2p", "t", "COMPLETED", 1, 6.0, 0.5, None, 1)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "s-1.log"


def whole(log: Path, data: bytes) -> Slice:
    """A slice of all the bytes, between those of others."""
    log.write_bytes(b"before\n" + data + b"after\n")
    return Slice(log, 7, 7 + len(data))


def text(part: Slice) -> str:
    return "".join(read(part))


def test_what_a_job_printed(tmp_path: Path) -> None:
    job = JOB._replace(log="s-1.log", log_start=5, log_end=9)

    assert slice_of(job, tmp_path) == Slice(tmp_path / "logs" / "s-1.log", 5, 9)


def test_a_job_that_printed_nothing_has_no_slice(tmp_path: Path) -> None:
    assert slice_of(JOB, tmp_path) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"a\nb", "a\nb", id="lines"),
        pytest.param(b"", "", id="nothing"),
        pytest.param("é".encode(), "é", id="utf-8"),
        pytest.param(b"a\xffb\x00", "a\\xffb\x00", id="no-utf-8"),
        pytest.param("日".encode()[:2], r"\xe6\x97", id="half-a-character"),
    ],
)
def test_read(log: Path, data: bytes, expected: str) -> None:
    assert text(whole(log, data)) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 7))
def test_pieces_make_the_text(
    tmp_path_factory: pytest.TempPathFactory, printed: str, block: int
) -> None:
    part = whole(tmp_path_factory.mktemp("logs") / "s-1.log", printed.encode())

    assert "".join(read(part, block=block)) == printed


@given(st.lists(st.sampled_from(["", "a", "bcd", "é"]), max_size=9), st.integers(1, 7), st.data())
def test_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], block: int, data: st.DataObject
) -> None:
    end = data.draw(st.sampled_from(["", "\n"]))
    printed = "\n".join(lines) + end
    part = whole(tmp_path_factory.mktemp("logs") / "s-1.log", printed.encode())
    number = data.draw(st.integers(0, 11))

    found = text(tail(part, number, block=block))

    told = printed.splitlines(keepends=True)
    assert found == "".join(told[max(0, len(told) - number) :])


@given(st.lists(st.sampled_from(["", "a", "bcd", "é"]), max_size=9), st.integers(1, 7))
def test_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], block: int
) -> None:
    printed = "\n".join(lines)
    part = whole(tmp_path_factory.mktemp("logs") / "s-1.log", printed.encode())

    found = text(whole_lines(part, block=block))

    assert found == printed[: printed.rfind("\n") + 1]


def test_the_last_lines_are_found_from_the_end(log: Path) -> None:
    log.touch()
    os.truncate(log, 1 << 40)  # takes no room, and an age to be read
    with log.open("ab") as file:
        file.write(b"\none\ntwo\n")
    end = (1 << 40) + 9

    assert text(tail(Slice(log, 0, end), 2)) == "one\ntwo\n"
    assert last_lines(log.parent, log.name, 0, end, 1) == ["two"]


def test_a_log_that_is_gone(log: Path) -> None:
    for asked in (lambda: text(Slice(log, 0, 5)), lambda: tail(Slice(log, 0, 5), 1)):
        with pytest.raises(SetupError, match="not there") as caught:
            asked()
        assert str(caught.value) == f"the log `{log}` is not there any more"


def test_a_log_that_cannot_be_read(log: Path) -> None:
    log.mkdir()

    with pytest.raises(SetupError, match="cannot be read") as caught:
        text(Slice(log, 0, 5))

    assert str(caught.value) == f"the log `{log}` cannot be read: Is a directory"


def test_a_log_that_was_cut_gives_what_is_left(log: Path) -> None:
    log.write_bytes(b"0123456789")
    found: list[str] = []

    with pytest.raises(SetupError, match="cut") as caught:
        found.extend(read(Slice(log, 5, 2005)))

    assert found == ["56789"]
    message = f"the log `{log}` has been cut: 1,995 bytes of this job are missing"
    assert str(caught.value) == message


def test_bytes_beside_a_run(log: Path) -> None:
    log.write_bytes(b"0123456789")

    assert read_slice(log.parent, log.name, 2, 5) == b"234"
    assert read_slice(log.parent, log.name, 8, 50) == b"89"
    assert read_slice(log.parent, log.name, 5, 2) == b""
    assert read_slice(log.parent, "none.log", 0, 5) == b""


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        pytest.param(b"a\nb\nc\n", ["b", "c"], id="ended"),
        pytest.param(b"a\nb\nc", ["b", "c"], id="not-ended"),
        pytest.param(b"a\n\n\n", ["", ""], id="empty-lines"),
        pytest.param(b"a\r\n\xff", ["a\r", r"\xff"], id="no-utf-8"),
        pytest.param(b"\n", [""], id="one-empty-line"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_lines_beside_a_run(log: Path, printed: bytes, lines: list[str]) -> None:
    log.write_bytes(printed)

    assert last_lines(log.parent, log.name, 0, len(printed), 2) == lines


def test_no_lines_beside_a_run(log: Path) -> None:
    assert last_lines(log.parent, log.name, 0, 5, 2) == []


def test_a_line_without_end_beside_a_run(log: Path) -> None:
    log.write_bytes(b"a" * (MOST_BESIDE + 1) + b"\nb\n")

    first, second = last_lines(log.parent, log.name, 0, MOST_BESIDE + 4, 2)

    assert (first, second) == ("a" * (MOST_BESIDE - 3), "b")
