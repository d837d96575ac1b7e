from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import example, given
from hypothesis import strategies as st

from runner.config.positions import (
    MAX_DEPTH,
    MAX_PARTS,
    Mark,
    line_starts,
    nearest_mark,
    position,
    position_among,
    scan,
    too_deep,
)
from runner.diagnostics import KeyPath, Position

BOM = "\ufeff"
CORPUS = Path(__file__).resolve().parents[2].parent / "shared/toml-test"


def corpus() -> list[Any]:
    if not CORPUS.is_dir():
        missing = pytest.mark.skip(reason=f"the corpus of TOML is not in {CORPUS}")
        return [pytest.param(Path(), marks=missing)]
    files = sorted((CORPUS / "valid").rglob("*.toml"))
    return [pytest.param(file, id=str(file.relative_to(CORPUS / "valid"))) for file in files]


def leaves_and_nests(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every path below a value, and what stands there."""
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    else:
        return
    for key, member in members:
        yield (*path, key), member
        yield from leaves_and_nests(member, (*path, key))


def assert_scanned(text: str) -> None:
    """The scan has the paths that tomli has, and each value and key is where its mark says."""
    expected = dict(leaves_and_nests(tomli.loads(text.removeprefix(BOM))))
    marks = scan(text)
    assert set(marks) == set(expected)
    for path, (key, value) in marks.items():
        if isinstance(path[-1], str):
            assert list(tomli.loads(f"{text[slice(*key)]} = 0")) == [path[-1]]
        if not isinstance(expected[path], dict | list):
            # By repr, since nan is not nan, and 1 is 1.0 is True.
            assert repr(tomli.loads(f"x = {text[slice(*value)]}")["x"]) == repr(expected[path])


newlines = st.sampled_from(["\n", "\r\n"])
blanks = st.sampled_from(["", "", " ", "\t "])
comments = st.builds("#{}{}".format, st.sampled_from(["", " it's", ' [x] = """', " 'é"]), newlines)
gaps = st.lists(blanks | newlines | comments, max_size=2).map("".join)

ESCAPES = [r"\"", r"\\", r"\n", r"\e", r"\x41", r"\u00e9", r"\U0001F600"]
NASTY = ["a", "é", " ", "#", "=", ".", ",", "[", "]]", "{", "}", "\t", "😀"]
basic = st.lists(st.sampled_from([*NASTY, *ESCAPES, "'"]), max_size=5).map("".join)
literal = st.lists(st.sampled_from([*NASTY, "\\", '"']), max_size=5).map("".join)
basic_lines = st.lists(
    st.sampled_from([*NASTY, *ESCAPES, "'''", '""', '"', "\n", "\r\n", "\\\n", "\\ \r\n "])
).map("".join)
literal_lines = st.lists(st.sampled_from([*NASTY, "\\", '"""', "''", "'", "\n", "\r\n"])).map(
    "".join
)
strings = (
    basic.map('"{}"'.format)
    | literal.map("'{}'".format)
    | basic_lines.map('"""{}"""'.format)
    | literal_lines.map("'''{}'''".format)
)
numbers = st.sampled_from(["0", "-1_000", "0xDEAD", "1.5", "-0.0", "6.6e-3", "+inf", "nan"])
dates = st.sampled_from(["1979-05-27", "07:32", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.1"])
scalars = strings | numbers | dates | st.sampled_from(["true", "false"])
parts = st.sampled_from(
    ["a", "b", "c", "1", "-_", '""', "''", '"a"', "'b'", '"\\u0061"', '"\\x62\\e"']
) | (basic.map('"{}"'.format) | literal.map("'{}'".format))


@st.composite
def keys(draw: st.DrawFn, most: int = 3) -> str:
    written = draw(st.lists(parts, min_size=1, max_size=most))
    return f"{draw(blanks)}.{draw(blanks)}".join(written)


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    elements = st.lists(st.builds("{}{}{}".format, gaps, values, gaps), max_size=3)
    return st.builds("[{}{}{}]".format, elements.map(",".join), st.sampled_from(["", ","]), gaps)


def inline_tables(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.builds("{}{}{}={}{}{}".format, gaps, keys(2), blanks, blanks, values, gaps)
    members = st.lists(pairs, max_size=3).map(",".join)
    return st.builds("{{{}{}{}}}".format, members, st.sampled_from(["", ","]), gaps)


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=4)
statements = (
    st.builds("{}{}{}={}{}{}".format, blanks, keys(), blanks, blanks, values, blanks)
    | st.builds("{0}[{1}{2}{1}]{0}".format, blanks, blanks, keys())
    | st.builds("{0}[[{1}{2}{1}]]{0}".format, blanks, blanks, keys(2))
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A text that tomli accepts: statements, each left out if it does not fit those before."""
    text = ""
    for statement in draw(st.lists(statements, max_size=8)):
        longer = text + statement + draw(newlines | comments)
        try:
            tomli.loads(longer)
        except tomli.TOMLDecodeError:
            continue
        text = longer + draw(gaps)
    return draw(st.sampled_from(["", BOM])) + draw(st.sampled_from([text, text.rstrip()]))


@given(documents())
@example('a = [{b.c = 1, b.d = [[], {}]},\r\n # ]\r\n {"e\\"]" = "]"}, ]\r\n')
@example("[a.b.c]\n[[a.d]]\n[a.d.e]\nx = 1\n[[a.d]]\n[[a.d.e]]\n[a]\ny.z = 2\n[a.b]\n")
def test_a_scan_has_the_paths_and_values_of_the_parser(text: str) -> None:
    assert_scanned(text)


@pytest.mark.parametrize("file", corpus())
def test_a_scan_of_the_corpus_has_the_paths_and_values_of_the_parser(file: Path) -> None:
    assert_scanned(file.read_bytes().decode())


PIPELINE = """\
# a pipeline
[JOB]
mode = "standalone"  # all cores

[DATA_NODE.raw]
default_data = { rows = [1, 2], "a.b" = 1979-05-27 07:32:00 }

[TASK.clean]
function = "algos.f:clean"
inputs = ["raw", "limits"]
outputs = [
    "clean_data",  # the é of été
    'é', "report",
]

[[products]]
name = '''
two
lines'''

[[products]]
size.width = 3

[SCENARIO.monthly.sequences]
all = ["clean"]

[SCENARIO.monthly]
tasks = ["clean"]
"""


def shown(text: str, path: KeyPath) -> tuple[str, str]:
    """The key and the value of a path, as `line:column-line:column text`."""

    def show(stretch: tuple[int, int]) -> str:
        start, end = (position(text, offset) for offset in stretch)
        return f"{start.line}:{start.column}-{end.line}:{end.column} {text[slice(*stretch)]}"

    key, value = scan(text)[path]
    return show(key), show(value)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        pytest.param(("JOB",), "2:2-2:5 JOB", "2:2-2:5 JOB", id="header"),
        pytest.param(
            ("JOB", "mode"), "3:1-3:5 mode", '3:8-3:20 "standalone"', id="before-a-comment"
        ),
        pytest.param(
            ("DATA_NODE",), "5:2-5:11 DATA_NODE", "5:2-5:11 DATA_NODE", id="implied-by-a-header"
        ),
        pytest.param(
            ("DATA_NODE", "raw"), "5:12-5:15 raw", "5:12-5:15 raw", id="last-part-of-a-header"
        ),
        pytest.param(
            ("DATA_NODE", "raw", "default_data"),
            "6:1-6:13 default_data",
            '6:16-6:62 { rows = [1, 2], "a.b" = 1979-05-27 07:32:00 }',
            id="inline-table",
        ),
        pytest.param(
            ("DATA_NODE", "raw", "default_data", "rows"),
            "6:18-6:22 rows",
            "6:25-6:31 [1, 2]",
            id="in-an-inline-table",
        ),
        pytest.param(
            ("DATA_NODE", "raw", "default_data", "rows", 1),
            "6:29-6:30 2",
            "6:29-6:30 2",
            id="element",
        ),
        pytest.param(
            ("DATA_NODE", "raw", "default_data", "a.b"),
            '6:33-6:38 "a.b"',
            "6:41-6:60 1979-05-27 07:32:00",
            id="quoted-key-and-date-with-a-blank",
        ),
        pytest.param(
            ("TASK", "clean", "inputs", 0), '10:11-10:16 "raw"', '10:11-10:16 "raw"', id="string"
        ),
        pytest.param(
            ("TASK", "clean", "outputs", 2),
            '13:10-13:18 "report"',
            '13:10-13:18 "report"',
            id="columns-count-characters",
        ),
        pytest.param(
            ("products",), "16:3-16:11 products", "16:3-16:11 products", id="array-of-tables"
        ),
        pytest.param(
            ("products", 1), "21:3-21:11 products", "21:3-21:11 products", id="table-of-an-array"
        ),
        pytest.param(
            ("products", 0, "name"),
            "17:1-17:5 name",
            "17:8-19:9 '''\ntwo\nlines'''",
            id="string-of-several-lines",
        ),
        pytest.param(
            ("products", 1, "size"), "22:1-22:5 size", "22:1-22:5 size", id="implied-by-a-key"
        ),
        pytest.param(
            ("products", 1, "size", "width"), "22:6-22:11 width", "22:14-22:15 3", id="dotted-key"
        ),
        pytest.param(
            ("SCENARIO",), "24:2-24:10 SCENARIO", "24:2-24:10 SCENARIO", id="first-that-implies"
        ),
        pytest.param(
            ("SCENARIO", "monthly"),
            "27:11-27:18 monthly",
            "27:11-27:18 monthly",
            id="own-header-after-it-was-implied",
        ),
    ],
)
@pytest.mark.parametrize(
    ("bom", "newline"),
    [
        pytest.param("", "\n", id="lf"),
        pytest.param("", "\r\n", id="crlf"),
        pytest.param(BOM, "\n", id="bom"),
    ],
)
def test_where_a_path_is_written(
    path: KeyPath, key: str, value: str, bom: str, newline: str
) -> None:
    text = bom + PIPELINE.replace("\n", newline)
    assert shown(text, path) == (key, value.replace("\n", newline))


def test_each_part_of_a_dotted_key_marks_its_own_path() -> None:
    assert scan("a.b . 'c' = 1") == {
        ("a",): Mark((0, 1), (0, 1)),
        ("a", "b"): Mark((2, 3), (2, 3)),
        ("a", "b", "c"): Mark((6, 9), (12, 13)),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a = ", "no TOML at offset 4", id="no-value"),
        pytest.param("a = [1", "no TOML at offset 6", id="open-array"),
        pytest.param("a = {b = 1", "no TOML at offset 10", id="open-inline-table"),
        pytest.param("= 1", "no TOML at offset 0", id="no-key"),
    ],
)
def test_a_scan_of_what_is_no_toml_ends(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        scan(text)
    assert gc.isenabled()


def test_a_scan_knows_no_limit_of_nesting() -> None:
    depth = 2_000
    assert len(scan("x = " + "[" * depth + "]" * depth)) == depth


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        pytest.param("", 0, Position(1, 1), id="empty"),
        pytest.param("ab\ncd", 2, Position(1, 3), id="end-of-line"),
        pytest.param("ab\ncd", 3, Position(2, 1), id="start-of-line"),
        pytest.param("ab\r\ncd", 2, Position(1, 3), id="end-of-line-crlf"),
        pytest.param("ab\r\ncd", 4, Position(2, 1), id="start-of-line-crlf"),
        pytest.param("é😀x", 2, Position(1, 3), id="characters"),
        pytest.param("ab\ncd", 5, Position(2, 3), id="end-of-text"),
        pytest.param("\ufeffab", 0, Position(1, 1), id="at-the-bom"),
        pytest.param("\ufeffab", 1, Position(1, 1), id="after-the-bom"),
        pytest.param("\ufeffab\ncd", 5, Position(2, 2), id="below-the-bom"),
    ],
)
def test_position(text: str, offset: int, expected: Position) -> None:
    assert position(text, offset) == expected


@pytest.mark.parametrize(
    ("key", "written"),
    [
        pytest.param(("a", "b"), ("a", "b"), id="written"),
        pytest.param(("a", "b", 7), ("a", "b"), id="element-too-far"),
        pytest.param(("a", "x", "y"), ("a",), id="two-levels-up"),
    ],
)
def test_nearest_mark(key: KeyPath, written: KeyPath) -> None:
    marks = scan("[a]\nb = [1]")
    assert nearest_mark(marks, key) == marks[written]


@pytest.mark.parametrize("key", [pytest.param((), id="root"), pytest.param(("b",), id="unknown")])
def test_nothing_is_near_what_is_not_written_at_all(key: KeyPath) -> None:
    assert nearest_mark(scan("a = 1"), key) is None


NESTED = f"nested deeper than {MAX_DEPTH}"
LONG_KEY = f"a key of more than {MAX_PARTS} parts"
DEEPEST = "[" * MAX_DEPTH + "]" * MAX_DEPTH
LONGEST = ".".join("k" * MAX_PARTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("x = [" + DEEPEST + "]", (4 + MAX_DEPTH, NESTED), id="arrays"),
        pytest.param("x = " + "{a = [" * 33, (4 + 32 * 6, NESTED), id="mixed"),
        pytest.param("[" * 100_000, (MAX_DEPTH, NESTED), id="never-closed"),
        pytest.param("x = " + '[ "]", ' * 65, (4 + 64 * 7, NESTED), id="closed-in-strings"),
        pytest.param("x = " + "[ ']'," * 65, (4 + 64 * 6, NESTED), id="closed-in-literals"),
        pytest.param("x = " + "[ # ]\n" * 65, (4 + 64 * 6, NESTED), id="closed-in-comments"),
        pytest.param(
            "x = " + '["""\n"]""",' * 65, (4 + 64 * 11, NESTED), id="closed-in-long-strings"
        ),
        pytest.param("x = " + '["\\"]",' * 65, (4 + 64 * 7, NESTED), id="closed-after-escapes"),
        pytest.param(
            "é = " + '["é", ""],' * 9 + "[" * 65, (4 + 90 + 64, NESTED), id="after-others"
        ),
        pytest.param(LONGEST + ".k = 1", (0, LONG_KEY), id="key"),
        pytest.param(f"é = 1\n[ {LONGEST} . k ]", (8, LONG_KEY), id="header"),
        pytest.param(f"x = {{{LONGEST}.k = 1}}", (5, LONG_KEY), id="key-in-a-value"),
        pytest.param('\'a.b\'."\\"" . ' * 16 + "c = 1", (0, LONG_KEY), id="quoted-key"),
        pytest.param("a." * 50_000 + "a = 1", (0, LONG_KEY), id="hundred-kilobytes-of-key"),
        pytest.param("\ud800 = 1\n" + "[" * 65, (70, NESTED), id="surrogate"),
    ],
)
def test_too_deep(text: str, expected: tuple[int, str]) -> None:
    assert too_deep(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(PIPELINE, id="pipeline"),
        pytest.param("x = " + DEEPEST, id="deepest"),
        pytest.param(LONGEST + " = 1", id="longest"),
        pytest.param(f"[{LONGEST}]\n{LONGEST} = 1", id="longest-of-header-and-key"),
        pytest.param("x = [" + "[1.5, {a = 2.5}], " * 100 + "]", id="wide"),
        pytest.param("[a]\n" * 100, id="headers"),
        pytest.param("]" * 100 + DEEPEST, id="closed-too-often"),
        pytest.param('x = "' + "[" * 100 + "." * 100 + '"', id="string"),
        pytest.param("x = '" + "[" * 100 + "a." * 100 + "'", id="literal"),
        pytest.param('x = """\n' + '""' + "[" * 100 + "a." * 100 + '"""""', id="long-string"),
        pytest.param("x = '''\n" + "''" + "[" * 100 + "a." * 100 + "'''''", id="long-literal"),
        pytest.param('x = "\\"' + "[" * 100 + "a." * 100 + '"', id="after-an-escape"),
        pytest.param("# it's" + "[" * 100 + "a." * 100, id="comment"),
        pytest.param('"' + "a." * 100 + '" = 1', id="quoted-part"),
        pytest.param("x = [\n" + '"#]", # [\n' * 100 + "]", id="brackets-in-elements"),
    ],
)
def test_not_too_deep(text: str) -> None:
    assert too_deep(text) is None


def brackets_of(text: str) -> int:
    """How deep the values of a text are nested."""

    def depth(value: Any) -> int:
        members = value.values() if isinstance(value, dict) else value
        if not isinstance(value, dict | list):
            return 0
        return 1 + max(map(depth, members), default=0)

    return depth(tomli.loads(text)["x"])


@given(values.filter(lambda value: "." not in value), st.integers(0, MAX_DEPTH + 9))
def test_only_what_is_deeper_than_the_limit_is_too_deep(value: str, around: int) -> None:
    text = f"x = {'[' * around}{value}{']' * around}"
    try:
        depth = brackets_of(text)
    except tomli.TOMLDecodeError:
        return
    assert (too_deep(text) is not None) == (depth > MAX_DEPTH)


@given(st.text("ab.\"'#\\[]{}=,\n ", max_size=60), st.integers(1, 70))
def test_any_text_has_an_answer(piece: str, times: int) -> None:
    found = too_deep(piece * times)
    assert found is None or found[0] < len(piece) * times


@given(st.text(alphabet="a\n\r\ufeffé"))
def test_many_positions_are_those_of_one(text: str) -> None:
    starts = line_starts(text)
    offsets = range(len(text) + 1)
    assert [position_among(starts, each) for each in offsets] == [
        position(text, each) for each in offsets
    ]
