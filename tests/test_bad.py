"""Each bad file gives what its first line says, and nothing else.

The line is a comment: `# RUN201 14:13` or `# RUN201 14:13, RUN304 19:10`, codes with the line and
column that they are told at. Before it may stand how the file is checked:

    # check --strict --set JOB.mode=x: RUN116 --set      the place is in an override
    # ENV TRIES=three check: RUN112 12:11                with that variable set
    # WITHOUT polars check: RUN402 5:16                  where that package is not installed
    # check pipeline.toml prod.toml: RUN116 prod.toml:2:8

A place in another file than the first has its name in front; `-` is no place at all. Where a file
cannot begin with a comment, or is not there, the line is in a file of its name with the suffix
`.expect`. Functions are in `bad/app`, or beside the files of a folder.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

import runner.cli.check  # noqa: F401 - before what it is made with is hidden from it
from runner.cli.app import run
from runner.diagnostics import CODES, Severity

BAD = Path(__file__).parent / "bad"
FIRST_LINE = re.compile(r"# (?:(?P<command>.*?): )?(?P<expected>RUN\d{3} .*)")
NOT_GIVEN_BY_CHECK = frozenset({"RUN211", "RUN307", "RUN308"})
"""Of the codes 1xx to 4xx, those of selections and of objects that the Python builder is given."""


@attrs.frozen
class Found:
    """A diagnostic: its code and where it is told."""

    code: str
    file: str | None
    line: int | None
    column: int | None


@attrs.frozen
class Case:
    """A bad file, or a folder of some.

    Attributes:
        folder: where it is checked.
        arguments: after `runner check`.
        environment: the variables that are set.
        without: a package that is not installed; empty: none is hidden.
        expected: what is found.
    """

    folder: Path
    arguments: Sequence[str]
    environment: Mapping[str, str]
    without: str
    expected: Sequence[Found]


def names() -> list[str]:
    paths = BAD.glob("[0-9][0-9][0-9]-*")
    return sorted({path.name if path.is_dir() else path.stem for path in paths})


def case_of(name: str) -> Case:
    folder = BAD / name if (BAD / name).is_dir() else BAD
    main, line = first_line(name)
    environment, without, arguments = how(line["command"] or "")
    files = [each for each in arguments if each.endswith((".toml", "/"))] or [main]
    if not any(each.endswith((".toml", "/")) for each in arguments):
        arguments = [main, *arguments]
    if folder == BAD:
        arguments = [*arguments, "--application-path", "app"]
    first = str(Path(files[0]))
    found = [place(each, first) for each in line["expected"].split(", ")]
    return Case(folder, arguments, environment, without, found)


def first_line(name: str) -> tuple[str, re.Match[str]]:
    """The file whose first line tells what is expected, and that line."""
    folder = BAD / name
    if folder.is_dir():
        candidates = sorted(folder.glob("*.toml"))
    else:
        candidates = [BAD / f"{name}.expect", BAD / f"{name}.toml"]
    for path in candidates:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        match = FIRST_LINE.fullmatch(text.partition("\n")[0])
        if match:
            return path.with_suffix(".toml").name, match
    raise AssertionError(f"{name}: no file begins with `# RUNnnn line:column`")


def how(command: str) -> tuple[dict[str, str], str, list[str]]:
    """The variables, the package that is missing and the arguments of a command."""
    words = shlex.split(command)
    start = words.index("check") if "check" in words else 0
    before, arguments = words[:start], words[start + 1 :]
    without = before[before.index("WITHOUT") + 1] if "WITHOUT" in before else ""
    environment = dict(each.split("=", 1) for each in before if "=" in each)
    return environment, without, arguments


def place(expected: str, first: str) -> Found:
    code, _, where = expected.partition(" ")
    if where == "-":
        return Found(code, None, None, None)
    if where == "--set":
        return Found(code, where, 1, 1)
    file, line, column = (f"{first}:{where}" if where.count(":") == 1 else where).split(":")
    return Found(code, file, int(line), int(column))


def found(diagnostic: Mapping[str, Any]) -> Found:
    file, start = diagnostic["file"], diagnostic["start"]
    if start is None:
        return Found(diagnostic["code"], file, None, None)
    file = "--set" if file.startswith("--set ") else file
    return Found(diagnostic["code"], file, start["line"], start["column"])


@pytest.fixture(params=names())
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Each of the cases, in its surroundings."""
    made = case_of(request.param)
    monkeypatch.chdir(made.folder)
    for name in ("RUNNER_CONFIG_PATH", "TAIPY_CONFIG_PATH", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    if made.without:
        path = [each for each in sys.path if not Path(each, made.without).exists()]
        monkeypatch.setattr(sys, "path", path)
    return made


def test_a_bad_file_gives_what_its_first_line_says_and_nothing_else(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["check", *case.arguments, "--format", "json"])

    answer = json.loads(capsys.readouterr().out)
    assert sorted(map(found, answer["diagnostics"]), key=str) == sorted(case.expected, key=str)
    has_errors = any(each["severity"] == Severity.ERROR for each in answer["diagnostics"])
    assert (code, answer["ok"]) == ((1, False) if has_errors else (0, True))


@pytest.mark.parametrize(
    ("format_", "told"),
    [
        pytest.param("human", r"^(?:error|warning)\[(RUN\d{3})\]: ", id="human"),
        pytest.param("concise", r"^(?:.*: )?(?:error|warning)\[(RUN\d{3})\]: ", id="concise"),
        pytest.param("github", r"^::(?:error|warning) .*title=(RUN\d{3})", id="github"),
        pytest.param("sarif", r"^ *\"ruleId\": \"(RUN\d{3})\"", id="sarif"),
    ],
)
def test_every_format_tells_them_and_no_secret(
    case: Case, format_: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["check", *case.arguments, "--format", format_])

    out, err = capsys.readouterr()
    codes = re.findall(told, out, re.MULTILINE)
    assert sorted(codes) == sorted(each.code for each in case.expected)
    assert "hunter2" not in out
    assert err == ""


def test_every_code_that_check_gives_has_a_bad_file() -> None:
    given = {each.code for name in names() for each in case_of(name).expected}
    known = {code for code in CODES if code[3] in "1234"}
    assert given == known - NOT_GIVEN_BY_CHECK


def test_there_are_many_and_each_has_a_number_of_its_own() -> None:
    numbers = [int(name[:3]) for name in names()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 150
