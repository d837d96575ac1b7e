from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.masks import NO_MASK, Mask
from runner.store.trimming import trim, where_now

MOST = 1 << 16
HALF = MOST // 2


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "s-1.log"


def numbered(size: int) -> bytes:
    """Lines that are all different, of so many bytes."""
    return b"".join(b"line %d\n" % number for number in range(size // 6))[: size - 1] + b"\n"


def trimmed(log: Path, data: bytes, mask: Mask = NO_MASK, before: bytes = b"of another") -> bytes:
    """What is left of what a job printed behind what another did."""
    log.write_bytes(before + data)
    end = trim(str(log), len(before), len(before) + len(data), MOST, mask)
    left = log.read_bytes()
    assert left.startswith(before)
    assert end == len(left)
    return left[len(before) :]


def now(log: Path, position: int, begun: int = 0) -> int:
    with log.open("rb") as opened:
        return where_now(opened, position, begun)


def split(left: bytes) -> tuple[bytes, int, bytes]:
    """What is kept of the beginning, how much is left out, what is kept of the end."""
    found = re.fullmatch(rb"(.*)\n\.\.\. ([0-9,]+) bytes are left out\n(.*)", left, re.DOTALL)
    assert found
    return found[1], int(found[2].replace(b",", b"")), found[3]


def test_what_is_not_too_much_stays(log: Path) -> None:
    data = numbered(MOST)

    assert trimmed(log, data) == data


@pytest.mark.parametrize("size", [MOST + 1, 3 * MOST, 100 * MOST], ids=["just", "some", "much"])
def test_the_middle_is_left_out_between_lines(log: Path, size: int) -> None:
    data = numbered(size)

    left = trimmed(log, data)

    head, left_out, tail = split(left)
    assert (data.startswith(head + b"\n"), data.endswith(b"\n" + tail)) == (True, True)
    assert len(head) + left_out + len(tail) == size
    assert MOST - 200 < len(left) <= MOST


def test_what_was_trimmed_is_not_trimmed_again(log: Path) -> None:
    """As where a worker dies before it has told of it."""
    left = trimmed(log, numbered(3 * MOST))

    assert trimmed(log, left) == left


@pytest.mark.parametrize("shift", range(3))
def test_without_lines_characters_stay_whole(log: Path, shift: int) -> None:
    data = b"x" * shift + "日".encode() * MOST

    head, left_out, tail = split(trimmed(log, data))

    assert set(head.decode()) <= {"x", "日"}
    assert set(tail.decode()) == {"日"}
    assert len(head) + left_out + len(tail) == len(data)


@pytest.mark.parametrize("byte", [b"\0", b"\xff", b"\x80"], ids=["nul", "no-utf-8", "continuation"])
def test_what_is_no_text_is_kept_too(log: Path, byte: bytes) -> None:
    head, left_out, tail = split(trimmed(log, byte * 3 * MOST))

    assert len(head) + left_out + len(tail) == 3 * MOST


@pytest.mark.parametrize("shift", range(-8, 2))
def test_no_part_of_a_secret_is_left(log: Path, shift: int) -> None:
    """It lies across the cut, is before it or behind it."""
    for place in (HALF + shift, 3 * MOST - HALF + 64 + shift):
        data = bytearray(b"x" * 3 * MOST)
        data[place : place + 6] = b"c4nary"

        left = trimmed(log, bytes(data), Mask(("c4nary",)))

        assert re.sub(rb"\n.*\n", b"", left).strip(b"x*") == b""


def test_secrets_of_what_stays_are_concealed(log: Path) -> None:
    data = b"c4nary\n" + numbered(2 * MOST) + b"c4nary\n"

    left = trimmed(log, data, Mask(("c4nary",)))

    assert left.startswith(b"******\nline ")
    assert left.endswith(b"\n******\n")


def test_no_part_of_a_long_secret_is_left(log: Path) -> None:
    secret = "s3cret" * 4000

    assert b"s3cret" not in trimmed(log, secret.encode() * 10, Mask((secret,)))


def test_a_log_that_is_gone_is_left_alone(log: Path) -> None:
    assert trim(str(log), 0, 3 * MOST, MOST, NO_MASK) == 3 * MOST
    assert not log.exists()


def test_a_file_that_is_not_what_was_printed_to_is_left_alone(log: Path) -> None:
    log.write_bytes(b"another")

    assert trim(str(log), 0, 3 * MOST, MOST, NO_MASK) == 3 * MOST
    assert log.read_bytes() == b"another"


# Who reads meanwhile


def test_who_reads_what_nobody_trims_goes_on(log: Path) -> None:
    log.write_bytes(b"no end" + b"one\ntwo\n")

    assert [now(log, at, 6) for at in (6, 10, 14)] == [6, 10, 14]


def test_who_has_read_all_goes_on_with_what_comes(log: Path) -> None:
    data = numbered(3 * MOST)
    left = trimmed(log, data, before=b"")

    assert now(log, len(data)) == len(left)


def test_who_has_read_the_beginning_goes_on_there(log: Path) -> None:
    left = trimmed(log, numbered(3 * MOST), before=b"")
    place = left.index(b"\n", 1000) + 1

    assert now(log, place) == place


def test_who_was_in_the_middle_is_told_what_is_left_out(log: Path) -> None:
    data = numbered(3 * MOST)
    left = trimmed(log, data, before=b"")

    place = now(log, data.index(b"\n", len(data) // 2) + 1)

    assert left[place:].startswith(b"... ")


def test_who_was_in_the_end_reads_no_line_again(log: Path) -> None:
    data = numbered(3 * MOST)
    left = trimmed(log, data, before=b"no end")
    place = data.index(b"\n", len(data) - 1000) + 1
    assert left.endswith(data[place:])
    with log.open("ab") as more:
        more.write(b"of the next\n")

    found = now(log, 6 + place, 6)

    assert log.read_bytes()[found:] == data[place:] + b"of the next\n"


def test_who_reads_a_file_that_others_have_cut_goes_on_at_its_end(log: Path) -> None:
    log.write_bytes(b"one\n")

    assert now(log, 100) == 4
