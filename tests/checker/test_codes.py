"""Every code has a page; the bad example of a page gives its code, the good one nothing."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import attrs
import pytest

import runner
import runner.cli.check  # before what it is made with is hidden from it
from runner.checker.codes.pages import page_of
from runner.cli.app import run
from runner.diagnostics import CODES

MARK = "  # <- here"
NOT_GIVEN_BY_CHECK = frozenset({"RUN211", "RUN307", "RUN308"})
"""Of the codes 1xx to 4xx; what is no mistake of a file has no file as an example."""
CHECKED = [code for code in CODES if code[3] in "1234" and code not in NOT_GIVEN_BY_CHECK]
RUN = [
    code
    for code in CODES
    if re.search(r"^```toml |^```python main.py", page_of(code).text, re.M) and code not in CHECKED
]
"""Those whose examples are run, and have to give what they show."""
PROGRAMS = {"runner": ["-m", "runner"], "python": []}
"""What an example calls, as arguments of Python."""


@attrs.frozen
class Example:
    """A part of a page that can be run.

    Attributes:
        arguments: the command line after `runner`.
        environment: what is set before it.
        without: a package that is not installed.
        files: what they hold, by name.
        place: file and line of the mark; None where there is none.
    """

    arguments: list[str]
    environment: Mapping[str, str]
    without: str | None
    files: Mapping[str, bytes]
    place: tuple[str, int] | None


Outcome: TypeAlias = Callable[[Example], tuple[int, list[tuple[str, str, int]]]]


def bad_of(code: str) -> Example:
    return _example(_section(code, "Bad"))


def good_of(code: str) -> Example:
    """What it does not show again is as in the bad example."""
    good = _example(_section(code, "Good"))
    return attrs.evolve(good, files={**bad_of(code).files, **good.files})


def _section(code: str, heading: str) -> str:
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page_of(code).text, re.M | re.S)
    assert found, f"{code}.md has no section {heading}"
    return found[1]


def _example(text: str) -> Example:
    blocks = re.findall(r"^```\w+ (\S+) ?(\S*)\n(.*?)^```$", text, re.M | re.S)
    contents = {
        name: body.replace(MARK, "").encode(encoding or "utf-8") for name, encoding, body in blocks
    }
    places = [
        (name, number)
        for name, _, body in blocks
        for number, line in enumerate(body.splitlines(), 1)
        if line.endswith(MARK)
    ]
    assert len(places) <= 1
    environment, arguments = _command(text, contents)
    without = re.search(r"^Without: `(.*)`$", text, re.M)
    return Example(
        arguments, environment, without and without[1], contents, next(iter(places), None)
    )


def _command(text: str, names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """The environment and the arguments of the line `Run:`; without one, the files are checked."""
    told = re.search(r"^Run: `(.*)`$", text, re.M)
    if told is None:
        return {}, ["check", *(name for name in names if name.endswith(".toml"))]
    words = shlex.split(told[1])
    start = words.index("runner")
    return dict(word.split("=", 1) for word in words[:start]), words[start + 1 :]


@pytest.fixture
def outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Outcome:
    """Runs an example: its exit code and its diagnostics as code, file and line."""

    def check(example: Example) -> tuple[int, list[tuple[str, str, int]]]:
        monkeypatch.chdir(tmp_path)
        for name in ("RUNNER_CONFIG_PATH", "TAIPY_CONFIG_PATH", "SALES"):
            monkeypatch.delenv(name, raising=False)
        for name, value in example.environment.items():
            monkeypatch.setenv(name, value)
        if example.without is not None:
            path = [each for each in sys.path if not Path(each, example.without).exists()]
            monkeypatch.setattr(sys, "path", path)
        for name, content in example.files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        exit_code = run([*example.arguments, "--format", "json"])
        document = json.loads(capsys.readouterr().out)
        found = [
            (each["code"], each["file"], each["start"] and each["start"]["line"])
            for each in document["diagnostics"]
        ]
        return exit_code, found

    return check


@pytest.mark.parametrize("code", CHECKED)
def test_the_bad_example_gives_its_code_at_the_mark(code: str, outcome: Outcome) -> None:
    example = bad_of(code)
    _, found = outcome(example)
    assert [each for each, _, _ in found] == [code]
    assert example.place is None or [(code, *example.place)] == found


@pytest.mark.parametrize("code", CHECKED)
def test_the_good_example_gives_nothing(code: str, outcome: Outcome) -> None:
    assert outcome(good_of(code)) == (0, [])


@pytest.mark.parametrize("code", RUN)
def test_a_run_gives_what_its_example_shows(code: str, tmp_path: Path) -> None:
    section = _section(code, "Example")
    for name, content in _example(section).files.items():
        (tmp_path / name).write_bytes(content)
    shown = re.search(r"^```text\n\$ (.*?)\n(.*?)^```$", section, re.M | re.S)
    assert shown

    program, *arguments = shown[1].split()
    ended = subprocess.run(
        [sys.executable, *PROGRAMS[program], *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(runner.__file__).parent.parent)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert _same_each_time(shown[2], "/srv/sales") in _same_each_time(ended.stdout, str(tmp_path))


def test_all_that_can_go_wrong_in_a_run_is_run() -> None:
    assert {"RUN308", *(code for code in CODES if code[3] == "6")} - {"RUN605"} <= {*RUN}


def _same_each_time(text: str, folder: str) -> str:
    """What is said of a run, less what differs from run to run."""
    text = re.sub(r"^\d\d:\d\d:\d\d ", "12:00:00 ", text.replace(folder, ""), flags=re.M)
    return re.sub(r"\b\d+ ms\b", "0 ms", re.sub(r"\brun \w{4}\b", "run 8k2p", text))


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    names = [entry.name for entry in files("runner.checker.codes").iterdir()]
    pages = [name.removesuffix(".md") for name in names if name.endswith(".md")]
    assert sorted(pages) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_title_is_that_of_the_table(code: str) -> None:
    page = page_of(code)
    assert page.title == f"{code} {CODES[code].slug}"
    assert page.text.startswith(f"# {page.title}\n")


@pytest.mark.parametrize("code", CODES)
def test_the_meaning_is_one_sentence_on_one_line(code: str) -> None:
    meaning = page_of(code).meaning
    assert re.fullmatch(r"[^\n]{10,90}\.", meaning)


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_why_it_matters_and_how_to_mend_it_and_shows_it(code: str) -> None:
    text = page_of(code).text
    why = text.split("\n\n")[2]
    shows = ["Bad", "Good"] if code in CHECKED else ["Example"]
    assert not why.startswith(("#", "```"))
    assert re.findall(r"^## (.*)$", text, re.M) == ["How to mend it", *shows]


@pytest.mark.parametrize("code", sorted(set(CODES) - set(CHECKED)))
def test_an_example_shows_the_code_or_what_is_seen_of_it(code: str) -> None:
    seen = {"RUN607": "canceled: ", "RUN608": "abandoned: "}
    assert re.search(r"^```text\n(.*?)^```$", page_of(code).text, re.M | re.S)
    assert seen.get(code, f"[{code}]: ") in _section(code, "Example")


@pytest.mark.parametrize("code", CHECKED)
def test_only_what_is_in_no_file_is_not_marked(code: str) -> None:
    assert (bad_of(code).place is None) == (code in {"RUN108", "RUN114"})
