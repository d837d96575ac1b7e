from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from runner.config.parser import (
    UnreadableFileError,
    parse_key,
    parse_toml,
    parse_value,
    read_text,
)
from runner.diagnostics import Diagnostic, Place, Position

NO_VALUE = "write a value, or leave out the key"


def refused(text: str) -> Diagnostic:
    with pytest.raises(UnreadableFileError, match=r"\w") as caught:
        parse_toml(text, "c.toml")
    diagnostic = caught.value.diagnostic
    assert diagnostic.place is not None
    assert diagnostic.place.file == "c.toml"
    return diagnostic


def unreadable(path: Path) -> Diagnostic:
    with pytest.raises(UnreadableFileError, match=r"\w") as caught:
        read_text(path, "c.toml")
    return caught.value.diagnostic


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param("é".encode(), "é", id="utf-8"),
        pytest.param(b"\xef\xbb\xbfa = 1", "a = 1", id="byte-order-mark"),
        pytest.param(b"a = 1\r\n", "a = 1\r\n", id="carriage-returns-stay"),
    ],
)
def test_read_text(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(data)
    assert read_text(path, "c.toml") == text


@pytest.mark.parametrize(
    ("data", "message", "hint", "line", "column"),
    [
        pytest.param(
            "a = 'é'".encode("latin-1"),
            "not UTF-8: byte 0xe9",
            "save the file as UTF-8",
            1,
            6,
            id="latin-1",
        ),
        pytest.param(
            b"a = 1\nb = '\xc3\xa9\xff'",
            "not UTF-8: byte 0xff",
            "save the file as UTF-8",
            2,
            7,
            id="columns-count-characters",
        ),
        pytest.param(
            "a = 1".encode("utf-16"),
            "not UTF-8: byte 0xff",
            "the file looks like UTF-16; save it as UTF-8",
            1,
            1,
            id="utf-16",
        ),
    ],
)
def test_what_is_not_utf8(
    tmp_path: Path, data: bytes, message: str, hint: str, line: int, column: int
) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(data)
    place = Place("c.toml", Position(line, column), Position(line, column + 1))
    assert unreadable(path) == Diagnostic(code="RUN109", message=message, hint=hint, place=place)


def test_a_missing_file(tmp_path: Path) -> None:
    diagnostic = unreadable(tmp_path / "no.toml")
    assert (diagnostic.code, diagnostic.message) == (
        "RUN108",
        "`c.toml` cannot be read: no such file or directory",
    )
    assert diagnostic.place == Place("c.toml", Position(1, 1), Position(1, 1))


def test_a_directory(tmp_path: Path) -> None:
    assert unreadable(tmp_path).message == "`c.toml` cannot be read: is a directory"


def test_a_name_that_no_file_can_have() -> None:
    assert (
        unreadable(Path("a\0b")).message
        == "`c.toml` cannot be read: the name holds a null character"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    message = "`c.toml` cannot be read: is not a regular file"
    assert unreadable(tmp_path / "pipe").message == message


@pytest.mark.parametrize(
    ("text", "message", "hint", "line", "column"),
    [
        pytest.param("a = ", "invalid value", NO_VALUE, 1, 5, id="no-value"),
        pytest.param("a = 1\r\nb = \r\n", "invalid value", NO_VALUE, 2, 5, id="carriage-returns"),
        pytest.param(
            '{"JOB": {"mode": "standalone"}}',
            "invalid statement",
            "this looks like JSON; runner reads TOML",
            1,
            1,
            id="json",
        ),
        pytest.param(
            "JOB:\n  mode: standalone\n",
            "expected '=' after a key in a key/value pair",
            "this looks like YAML; runner reads TOML",
            1,
            4,
            id="yaml",
        ),
        pytest.param(
            "from taipy import Config\n",
            "expected '=' after a key in a key/value pair",
            "this looks like Python; runner reads TOML",
            1,
            6,
            id="python",
        ),
        pytest.param(
            "[JOB]\n<<<<<<< HEAD\nmode = 'a'\n=======\nmode = 'b'\n>>>>>>> other\n",
            "git conflict marker",
            None,
            2,
            1,
            id="conflict",
        ),
        pytest.param(
            "a = 'x\0'",
            "found invalid character '\\x00'",
            None,
            1,
            7,
            id="nul",
        ),
        pytest.param(
            "a = 1\nb = " + "9" * 5000,
            "an integer of more than 4300 digits",
            None,
            2,
            5,
            id="5000-digits",
        ),
        pytest.param("a = " + "[" * 50_000, "nested deeper than 64", None, 1, 69, id="arrays"),
        pytest.param("a = " + "{a=" * 50_000, "nested deeper than 64", None, 1, 197, id="tables"),
        pytest.param(
            "x = 1\n" + "a." * 50_000 + "a = 1",
            "a key of more than 32 parts",
            None,
            2,
            1,
            id="100-kb-of-a-dotted-key",
        ),
        pytest.param(
            "[" + "a." * 50_000 + "a]", "a key of more than 32 parts", None, 1, 2, id="long-header"
        ),
    ],
)
def test_bad_syntax(text: str, message: str, hint: str | None, line: int, column: int) -> None:
    diagnostic = refused(text)
    assert (diagnostic.code, diagnostic.message, diagnostic.hint) == ("RUN101", message, hint)
    assert diagnostic.place == Place("c.toml", Position(line, column), Position(line, column + 1))


@pytest.mark.parametrize(
    ("text", "message", "second", "first"),
    [
        pytest.param("[a]\nb = 1\n[a]\n", "`a` is written twice", 3, 1, id="table"),
        pytest.param("[a]\nb = 1\nb = 2\n", "`a.b` is written twice", 3, 2, id="key"),
    ],
)
def test_what_is_written_twice(text: str, message: str, second: int, first: int) -> None:
    diagnostic = refused(text)
    assert (diagnostic.code, diagnostic.message) == ("RUN101", message)
    assert diagnostic.place is not None
    assert diagnostic.place.start.line == second
    (related,) = diagnostic.related
    assert related.message == "the first time"
    assert related.place is not None
    assert related.place.start.line == first


def test_what_looks_like_a_conflict_in_good_toml_is_none() -> None:
    assert parse_toml('a = """\n<<<<<<< HEAD\n"""', "c.toml") == {"a": "<<<<<<< HEAD\n"}


@given(st.text(alphabet="ab.=[]{}'\"# \n\r\\,1", max_size=30))
def test_a_text_is_toml_or_is_refused_with_a_place_in_it(text: str) -> None:
    try:
        tables = parse_toml(text, "c.toml")
    except UnreadableFileError as error:
        place = error.diagnostic.place
        assert place is not None
        lines = text.split("\n")
        assert 1 <= place.start.line <= len(lines)
        assert 1 <= place.start.column <= len(lines[place.start.line - 1]) + 1
    else:
        assert tables == tomli.loads(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("8", 8, id="int"),
        pytest.param("true", True, id="bool"),
        pytest.param('"8:int"', "8:int", id="string"),
        pytest.param("[1, 2]", [1, 2], id="list"),
        pytest.param("{a = 1}", {"a": 1}, id="table"),
        pytest.param("standalone", "standalone", id="bare-word"),
        pytest.param("8:int", "8:int", id="typed-string"),
        pytest.param("", "", id="empty"),
        pytest.param("1\nb = 2", "1\nb = 2", id="more-than-a-value"),
        pytest.param("[1, 2", "[1, 2", id="broken"),
        pytest.param("9" * 5000, "9" * 5000, id="5000-digits"),
        pytest.param("[" * 5000, "[" * 5000, id="deep"),
    ],
)
def test_parse_value(text: str, value: Any) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("JOB", ("JOB",), id="one"),
        pytest.param("JOB.mode", ("JOB", "mode"), id="two"),
        pytest.param('RUNNER."a.b".c', ("RUNNER", "a.b", "c"), id="quoted"),
        pytest.param("a . b", ("a", "b"), id="blanks"),
        pytest.param("", None, id="empty"),
        pytest.param("a.", None, id="dot-at-the-end"),
        pytest.param("a b", None, id="two-words"),
        pytest.param("a=1\nb", None, id="two-lines"),
        pytest.param("[a]", None, id="header"),
        pytest.param("a." * 50_000 + "a", None, id="deep"),
    ],
)
def test_parse_key(text: str, parts: tuple[str, ...] | None) -> None:
    assert parse_key(text) == parts


@given(st.lists(st.text(alphabet="ab.é \"'\\", max_size=4), min_size=1, max_size=4))
def test_a_key_is_read_part_by_part(parts: list[str]) -> None:
    quoted = ".".join('"' + re.sub(r'(["\\])', r"\\\1", part) + '"' for part in parts)
    assert parse_key(quoted) == tuple(parts)
