from __future__ import annotations

import io
from datetime import datetime
from time import time

import pytest

from runner.cli.style import ago, clean, count, duration, painter, size, wants_color, width


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("option", "environ", "terminal", "wanted"),
    [
        pytest.param("auto", {"TERM": "xterm"}, True, True, id="terminal"),
        pytest.param("auto", {"TERM": "xterm"}, False, False, id="pipe"),
        pytest.param("auto", {"TERM": "dumb"}, True, False, id="dumb-terminal"),
        pytest.param("auto", {"NO_COLOR": "1"}, True, False, id="no-color"),
        pytest.param("auto", {"NO_COLOR": ""}, True, True, id="empty-no-color"),
        pytest.param("auto", {"FORCE_COLOR": "1"}, False, True, id="force-color"),
        pytest.param("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False, id="both"),
        pytest.param("always", {"NO_COLOR": "1"}, False, True, id="always"),
        pytest.param("never", {"FORCE_COLOR": "1"}, True, False, id="never"),
    ],
)
def test_wants_color(
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    environ: dict[str, str],
    terminal: bool,
    wanted: bool,
) -> None:
    for name, value in {"TERM": "xterm", **environ}.items():
        monkeypatch.setenv(name, value)
    assert wants_color(Terminal() if terminal else io.StringIO(), option) is wanted


def test_painter() -> None:
    stream = io.StringIO()
    assert painter(stream, "always")("text", fg="red") == "\x1b[31mtext\x1b[0m"
    assert painter(stream, "never")("text", fg="red", bold=True) == "text"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("größe 日本 😀", "größe 日本 😀", id="letters-of-all-languages"),
        pytest.param("a\nb\tc", "a\nb\tc", id="line-end-and-tab"),
        pytest.param("\x1b[31mred\x07", r"\x1b[31mred\x07", id="escape"),
        pytest.param("\x9b31m", r"\x9b31m", id="escape-of-one-byte"),
        pytest.param("a\rb", r"a\rb", id="carriage-return"),
        pytest.param("a\u202eb", r"a\u202eb", id="turns-the-direction"),
        pytest.param("a\u2028b", r"a\u2028b", id="line-separator"),
        pytest.param("a\udcffb", r"a\udcffb", id="no-text"),
        pytest.param("a\0b", r"a\x00b", id="null"),
    ],
)
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("abc", 3, id="ascii"),
        pytest.param("größe", 5, id="latin"),
        pytest.param("gro\u0308ße", 5, id="combining"),
        pytest.param("日本", 4, id="wide"),
        pytest.param("😀", 2, id="emoji"),
    ],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0.0, "0 ms", id="nothing"),
        pytest.param(0.041, "41 ms", id="milliseconds"),
        pytest.param(0.9994, "999 ms", id="nearly-a-second"),
        pytest.param(0.9996, "1.0s", id="rounds-to-a-second"),
        pytest.param(1.0, "1.0s", id="a-second"),
        pytest.param(12.44, "12.4s", id="seconds"),
        pytest.param(59.94, "59.9s", id="nearly-a-minute"),
        pytest.param(59.96, "1m 00s", id="a-minute"),
        pytest.param(62.0, "1m 02s", id="minutes"),
        pytest.param(3599.6, "1h 00m", id="an-hour"),
        pytest.param(7500.0, "2h 05m", id="hours"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(0, "0 tasks", id="none"),
        pytest.param(1, "1 task", id="one"),
        pytest.param(1200, "1,200 tasks", id="thousands"),
    ],
)
def test_count(number: int, text: str) -> None:
    assert count(number, "task") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_951, "10 kB"),
        (999_499, "999 kB"),
        (999_501, "1.0 MB"),
        (12_345_678, "12 MB"),
        (10**12, "1.0 TB"),
        (10**16, "10,000 TB"),
    ],
)
def test_size(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "just now"),
        (90.0, "1 minute ago"),
        (7_300.0, "2 hours ago"),
        (86_500.0, "1 day ago"),
    ],
)
def test_ago(seconds: float, text: str) -> None:
    assert ago(time() - seconds) == text


@pytest.mark.parametrize("seconds", [-86_400.0, 40 * 86_400.0], ids=["to-come", "long-ago"])
def test_what_is_far_off_has_its_day(seconds: float) -> None:
    when = time() - seconds
    assert ago(when) == f"on {datetime.fromtimestamp(when):%Y-%m-%d}"
