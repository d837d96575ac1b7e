from __future__ import annotations

import pytest
import tomli

from runner.config.syntax import Mistake, mistake


def told(text: str) -> Mistake:
    with pytest.raises(tomli.TOMLDecodeError, match=r"\w") as caught:
        tomli.loads(text)
    return mistake(text, caught.value.pos, caught.value.msg)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("a = b", "invalid value", 'texts stand in quotes: "..."', id="bare-text"),
        pytest.param("a = ./b", "invalid value", 'texts stand in quotes: "..."', id="bare-path"),
        pytest.param("a = [b]", "invalid value", 'texts stand in quotes: "..."', id="in-a-list"),
        pytest.param(
            "a = \u201cb\u201d", "invalid value", 'texts stand in straight quotes: "..."',
            id="typographic-quotes",
        ),
        pytest.param("a = True", "invalid value", "write true", id="python-true"),
        pytest.param("a = no", "invalid value", "write false", id="yaml-no"),
        pytest.param(
            "a = null", "invalid value", "leave out the key that has no value", id="null"
        ),
        pytest.param("a == 1", "invalid value", "one `=` is enough", id="two-equals"),
        pytest.param(
            "a = # none", "invalid value", "write a value, or leave out the key", id="no-value"
        ),
        pytest.param(
            "a = (1, 2)", "invalid value", 'lists stand in brackets: ["a", "b"]', id="tuple"
        ),
        pytest.param("a = *", "invalid value", None, id="nothing-known"),
        pytest.param(
            "a: 1", "expected '=' after a key in a key/value pair",
            "TOML has `=` between a key and its value", id="colon",
        ),
        pytest.param(
            "a b = 1", "expected '=' after a key in a key/value pair",
            "keys have no blanks; write `_`", id="key-with-a-blank",
        ),
        pytest.param(
            "[TASK clean]", "expected ']' at the end of a table declaration",
            "dots join the parts of a name: [TASK.clean]", id="header-with-a-blank",
        ),
        pytest.param(
            r'a = "C:\data"', "unescaped '\\' in a string",
            "write / for \\, or put the text in single quotes", id="backslash",
        ),
        pytest.param(
            r'a = "C:\Users"', "unescaped '\\' in a string",
            "write / for \\, or put the text in single quotes", id="backslash-and-u",
        ),
        pytest.param(
            "a = 1 // one", "expected the end of the line", "comments begin with #",
            id="c-comment",
        ),
        pytest.param("; a", "invalid statement", "comments begin with #", id="ini-comment"),
        pytest.param(
            "a = 1,", "expected the end of the line", "lines end without a comma",
            id="comma-at-the-end",
        ),
        pytest.param(
            "a = 30s", "expected the end of the line", 'durations are texts: "1h30m", "30s"',
            id="duration",
        ),
        pytest.param(
            "a = 1,5", "expected the end of the line", "decimals have a point: 1.5",
            id="decimal-comma",
        ),
        pytest.param(
            "a = 03", "expected the end of the line", "numbers have no zero in front",
            id="leading-zero",
        ),
        pytest.param(
            "a = 'it's'", "expected the end of the line",
            "a text with such quotes in it needs the others", id="quote-in-quotes",
        ),
        pytest.param(
            "a = 1\rb = 2", "expected the end of the line",
            "end lines with a line feed, not a carriage return", id="carriage-return",
        ),
        pytest.param("= 1", "invalid statement", "write a key before it", id="no-key"),
        pytest.param(
            "[\u00e9]", "invalid initial character for a key part",
            "quote a key that is not all of A-Z, a-z, 0-9, _, -", id="key-with-an-accent",
        ),
        pytest.param(
            'a = "b\nc = 1', "the text is not closed on its line",
            'add the quote; a text of several lines stands in """', id="quote-missing",
        ),
        pytest.param("a = [1 2]", "expected `,` or `]` in a list", None, id="comma-in-a-list"),
        pytest.param(
            "a = {b = 1 c = 2}", "expected `,` between the keys of a table", None,
            id="comma-in-a-table",
        ),
    ],
)  # fmt: skip
def test_a_mistake_of_syntax_is_told_with_what_was_meant(
    text: str, message: str, hint: str | None
) -> None:
    assert told(text) == Mistake(message, hint)


@pytest.mark.parametrize(
    ("text", "message", "begin"),
    [
        pytest.param("a = [1\n[b]\n", "the list is not closed", 4, id="list-before-a-section"),
        pytest.param("a = [1,\n[b]\n", "the list is not closed", 4, id="comma-before-a-section"),
        pytest.param("a = [1,\nb = 2\n", "the list is not closed", 4, id="comma-before-a-key"),
        pytest.param("a = [1\nb = 2\n", "the list is not closed", 4, id="list-before-a-key"),
        pytest.param("a = 1\nb = [2\n", "the list is not closed", 10, id="list-at-the-end"),
        pytest.param("a = {b = 1\n", "the table is not closed", 4, id="table"),
        pytest.param('a = """b\nc\n', "the text is not closed", 4, id="text"),
    ],
)
def test_what_is_not_closed_is_told_with_its_begin(text: str, message: str, begin: int) -> None:
    assert told(text) == Mistake(message, None, begin)
