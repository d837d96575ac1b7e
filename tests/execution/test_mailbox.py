from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.execution.mailbox import IS_POSSIBLE, LONGEST, Lines, Mailbox, post

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="there are no named pipes")

PATIENCE: Final = 10.0
DIES: Final = """\
import os, sys
from pathlib import Path
from runner.execution.mailbox import Mailbox
Mailbox(Path(sys.argv[1]), "8k2p", print)
os._exit(0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def received() -> SimpleQueue[str]:
    return SimpleQueue()


@pytest.fixture
def mailbox(folder: Path, received: SimpleQueue[str]) -> Iterator[Mailbox]:
    mailbox = Mailbox(folder, "8k2p", received.put)
    yield mailbox
    mailbox.close()


@pytest.fixture
def pipe(folder: Path, mailbox: Mailbox) -> Path:
    return folder / "8k2p.requests"


def write(pipe: Path, data: bytes) -> None:
    with pipe.open("wb", buffering=0) as file:
        file.write(data)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a Path is made for each


def test_requests_arrive_in_order(
    folder: Path, mailbox: Mailbox, received: SimpleQueue[str]
) -> None:
    lines = ["cancel", "cancel train", "cancel größe", "stop"]

    assert all(post(folder, "8k2p", line) for line in lines)
    assert [received.get(timeout=PATIENCE) for _ in lines] == lines


def test_many_post_at_once(folder: Path, mailbox: Mailbox, received: SimpleQueue[str]) -> None:
    lines = [f"cancel {number:0500}" for number in range(40)]
    threads = [threading.Thread(target=post, args=(folder, "8k2p", line)) for line in lines]
    for thread in threads:
        thread.start()

    assert sorted(received.get(timeout=PATIENCE) for _ in lines) == lines
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"\xff\xfe\n\x00\n", ["\x00"], id="no-utf-8"),
        pytest.param(b"\n\n\n", [], id="empty-lines"),
        pytest.param(b"a" * 3 * LONGEST + b"\n", [], id="too-long"),
        pytest.param(os.urandom(20).replace(b"\n", b"") + b"\xff\n", [], id="bytes"),
        pytest.param(b"can", None, id="half-a-line"),
    ],
)
def test_garbage_is_no_obstacle(
    folder: Path,
    pipe: Path,
    received: SimpleQueue[str],
    data: bytes,
    expected: list[str] | None,
) -> None:
    write(pipe, data)
    post(folder, "8k2p", "cancel")

    wanted = ["cancancel"] if expected is None else [*expected, "cancel"]
    assert [received.get(timeout=PATIENCE) for _ in wanted] == wanted


def test_a_line_that_arrives_in_pieces(pipe: Path, received: SimpleQueue[str]) -> None:
    for piece in (b"can", b"cel tr", b"ain", b"\n"):
        write(pipe, piece)

    assert received.get(timeout=PATIENCE) == "cancel train"


@given(st.lists(st.text(max_size=5), max_size=5), st.lists(st.integers(0, 9), max_size=9))
def test_lines_are_the_same_in_any_pieces(texts: list[str], sizes: list[int]) -> None:
    texts = [text.replace("\n", "") for text in texts]
    data = "".join(f"{text}\n" for text in texts).encode()
    lines = Lines()
    found = []
    for size in sizes:
        found += lines.after(data[:size])
        data = data[size:]
    found += lines.after(data)

    assert found == [text for text in texts if text]


@pytest.mark.parametrize("size", [LONGEST - 1, LONGEST, LONGEST + 1, 5 * LONGEST])
@pytest.mark.parametrize("pieces", [1, 100, 5 * LONGEST])
def test_what_is_too_long_is_left_out(size: int, pieces: int) -> None:
    data = b"a" * size + b"\ncancel\n"
    lines = Lines()
    found = []
    for start in range(0, len(data), pieces):
        found += lines.after(data[start : start + pieces])

    assert found == (["a" * size, "cancel"] if size < LONGEST else ["cancel"])


def test_the_longest_request(folder: Path, mailbox: Mailbox, received: SimpleQueue[str]) -> None:
    assert post(folder, "8k2p", "a" * (LONGEST - 1))
    assert received.get(timeout=PATIENCE) == "a" * (LONGEST - 1)


@pytest.mark.parametrize("line", ["a" * LONGEST, "a\nb", "\n"], ids=["long", "two", "break"])
def test_what_is_no_request(folder: Path, mailbox: Mailbox, line: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^a request is one line of less than {LONGEST:,} bytes$"
    ):
        post(folder, "8k2p", line)


def test_only_the_owner_may_ask(folder: Path, pipe: Path) -> None:
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nobody_is_there(folder: Path) -> None:
    assert not post(folder, "8k2p", "cancel")


def test_another_run_is_not_meant(folder: Path, mailbox: Mailbox) -> None:
    assert not post(folder, "2abc", "cancel")


def test_a_closed_mailbox_leaves_nothing(folder: Path) -> None:
    before = open_descriptors()
    mailbox = Mailbox(folder, "8k2p", print)

    mailbox.close()
    mailbox.close()

    assert list(folder.iterdir()) == []
    assert open_descriptors() == before
    assert not any(thread.name == "requests of 8k2p" for thread in threading.enumerate())
    assert not post(folder, "8k2p", "cancel")


def test_it_can_be_closed_by_what_it_calls(folder: Path) -> None:
    closed = threading.Event()
    mailbox: Mailbox

    def receive(line: str) -> None:
        mailbox.close()
        closed.set()

    mailbox = Mailbox(folder, "8k2p", receive)
    post(folder, "8k2p", "cancel")

    assert closed.wait(PATIENCE)
    assert list(folder.iterdir()) == []


def test_who_does_not_read_keeps_nobody_waiting(folder: Path) -> None:
    reads, goes_on = threading.Event(), threading.Event()

    def receive(line: str) -> None:
        reads.set()
        goes_on.wait(PATIENCE)

    mailbox = Mailbox(folder, "8k2p", receive)
    post(folder, "8k2p", "cancel")
    assert reads.wait(PATIENCE)
    line = "a" * (LONGEST - 1)

    assert [post(folder, "8k2p", line) for _ in range(100)][-1] is False

    threading.Timer(0, goes_on.set).start()  # close waits for the thread, and not for the pipe
    mailbox.close()


@pytest.mark.parametrize("by", ["post", "new-run"])
def test_what_a_dead_run_left_is_removed(folder: Path, by: str) -> None:
    subprocess.run([sys.executable, "-c", DIES, str(folder)], check=True)
    assert (folder / "8k2p.requests").is_fifo()

    if by == "post":
        assert not post(folder, "8k2p", "cancel")
    else:
        Mailbox(folder, "2abc", print).close()

    assert list(folder.iterdir()) == []


def test_a_run_that_is_resumed_takes_over(folder: Path, received: SimpleQueue[str]) -> None:
    subprocess.run([sys.executable, "-c", DIES, str(folder)], check=True)

    mailbox = Mailbox(folder, "8k2p", received.put)

    assert post(folder, "8k2p", "cancel")
    assert received.get(timeout=PATIENCE) == "cancel"
    mailbox.close()


def test_the_others_stay(folder: Path, mailbox: Mailbox, received: SimpleQueue[str]) -> None:
    Mailbox(folder, "2abc", print).close()

    assert post(folder, "8k2p", "cancel")
    assert received.get(timeout=PATIENCE) == "cancel"


def test_a_file_is_no_mailbox(folder: Path) -> None:
    folder.mkdir()
    (folder / "8k2p.requests").write_text("mine", encoding="utf-8")

    assert not post(folder, "8k2p", "cancel")
    assert (folder / "8k2p.requests").read_text(encoding="utf-8") == "mine"


def test_where_there_can_be_none_nothing_happens(tmp_path: Path) -> None:
    before = open_descriptors()
    (tmp_path / "locks").touch()

    Mailbox(tmp_path / "locks", "8k2p", print).close()

    assert open_descriptors() == before
    assert not post(tmp_path / "locks", "8k2p", "cancel")


def test_children_do_not_inherit_it(mailbox: Mailbox) -> None:
    assert mailbox._ends is not None
    assert not any(map(os.get_inheritable, mailbox._ends))
