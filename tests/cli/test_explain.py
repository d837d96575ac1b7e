from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from runner.checker.codes.pages import page_of
from runner.cli.app import run
from runner.diagnostics import CODES

Told: TypeAlias = Callable[..., tuple[int, str, str]]

EMPTY = """\
RUN208 empty-scenario (warning)

A scenario has no tasks.

Running it does nothing, and ends well: a nightly run of it would be green for ever.

How to mend it

Write the ids of its tasks: `tasks = ["clean", "train"]`.

Bad

  pipeline.toml
    [SCENARIO.daily]  # <- here
    frequency = "DAILY"

Good

  pipeline.toml
    [DATA_NODE.raw]
    default_data = [3, 1, 2]

    [TASK.clean]
    function = "algos.clean"
    inputs = ["raw"]

    [SCENARIO.daily]
    frequency = "DAILY"
    tasks = ["clean"]

  algos.py
    def clean(raw):
        return sorted(raw)
"""


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs `runner explain`: exit code, stdout and stderr."""

    def explain(*arguments: str) -> tuple[int, str, str]:
        code = run(["explain", *arguments])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return explain


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("RUN208", id="code"),
        pytest.param("run208", id="code-in-lower-case"),
        pytest.param("empty-scenario", id="slug"),
    ],
)
def test_a_page_for_a_terminal(told: Told, name: str) -> None:
    assert told(name) == (0, EMPTY, "")


def test_several_pages_each_once(told: Told) -> None:
    _, first, _ = told("RUN208")
    _, second, _ = told("RUN901")
    assert told("RUN208", "RUN901", "empty-scenario") == (0, f"{first}\n{second}", "")


def test_headings_are_styled_when_colours_are_on(told: Told) -> None:
    _, text, _ = told("RUN208", "--color", "always")
    assert text.startswith("\x1b[1mRUN208 empty-scenario\x1b[0m (\x1b[33mwarning\x1b[0m)\n")
    assert "\n\x1b[1mHow to mend it\x1b[0m\n" in text
    assert "\n  \x1b[34mpipeline.toml\x1b[0m\n    [SCENARIO.daily]" in text


@pytest.mark.parametrize("code", CODES)
def test_no_mark_of_markdown_is_left(told: Told, code: str) -> None:
    _, text, _ = told(code)
    assert "```" not in text
    assert not [line for line in text.splitlines() if line.startswith("#")]


def test_the_list_has_a_line_for_each_code(told: Told) -> None:
    exit_code, text, _ = told("--list")
    assert exit_code == 0
    assert [line[:6] for line in text.splitlines()] == list(CODES)


def test_the_list_of_some(told: Told) -> None:
    assert told("--list", "unused", "RUN203") == (
        0,
        """\
RUN205  unused  warning  A task is in no scenario, or a data node is used by no task.
RUN203  cycle   error    Tasks need each other's outputs in a circle.
""",
        "",
    )


def test_a_page_as_json(told: Told) -> None:
    exit_code, text, _ = told("RUN208", "--format", "json")
    assert exit_code == 0
    assert json.loads(text) == {
        "format": "runner.explain",
        "version": 1,
        "codes": [
            {
                "code": "RUN208",
                "slug": "empty-scenario",
                "severity": "warning",
                "meaning": "A scenario has no tasks.",
                "page": page_of("RUN208").text,
            }
        ],
    }


def test_the_list_as_json_has_no_pages(told: Told) -> None:
    _, text, _ = told("--list", "--format", "json")
    codes = json.loads(text)["codes"]
    assert [each["code"] for each in codes] == list(CODES)
    assert {frozenset(each) for each in codes} == {
        frozenset({"code", "slug", "severity", "meaning"})
    }


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(
            ["RUN208", "unknow-task"],
            "error: `unknow-task` is no code\n  = help: did you mean `unknown-task`?\n",
            id="near-a-slug",
        ),
        pytest.param(
            ["nonsense"],
            "error: `nonsense` is no code\n  = help: runner explain --list has all\n",
            id="near-nothing",
        ),
        pytest.param(
            ["--list", "RUN2O1"],
            "error: `RUN2O1` is no code\n  = help: did you mean `RUN201`?\n",
            id="in-a-list",
        ),
        pytest.param(
            [],
            "error: name a code, for example RUN201\n  = help: runner explain --list has all\n",
            id="none",
        ),
        pytest.param(
            ["RUN201", "--format", "jsn"],
            "error: --format takes no `jsn`\n  = help: did you mean `json`?\n",
            id="format",
        ),
    ],
)
def test_what_cannot_be_explained(told: Told, arguments: list[str], error: str) -> None:
    assert told(*arguments) == (2, "", error)
