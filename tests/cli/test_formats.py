"""The formats of `runner check` that other programs read: GitHub's and SARIF."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.cli.app import run
from runner.cli.github import annotation
from runner.diagnostics import CODES, Diagnostic, Place, Position

BAD = """\
[DATA_NODE.raw]
default_data = 1

[TASK.clean]
function = "builtins.abs"
inputs = ["rwa"]
password = "hunter2"
"""


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = Path("a folder") / "pipeline.toml"
    path.parent.mkdir()
    path.write_text(BAD, encoding="utf-8")
    return path


def test_github(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--format", "github", str(bad)]) == 1

    assert capsys.readouterr().out == (
        "::error file=a folder/pipeline.toml,line=6,endLine=6,col=11,endColumn=16,"
        "title=RUN201 unknown-data-node::unknown data node `rwa`%0Adid you mean `raw`?\n"
        "::warning file=a folder/pipeline.toml,line=7,endLine=7,col=1,endColumn=9,"
        "title=RUN103 unknown-key::unknown key `password` in `[TASK.clean]`, kept as a property"
        "%0Afree keys can go under [TASK.clean.properties]\n"
        "::warning file=a folder/pipeline.toml,line=7,endLine=7,col=12,endColumn=21,"
        "title=RUN118 plain-secret::`password` is written in plain text"
        '%0Atake it from the environment: "ENV[PASSWORD]"\n'
    )


def test_github_escapes_what_would_end_a_value() -> None:
    start = Position(1, 1)
    place = Place("50%:a,b\n.toml", start, Position(3, 2))
    diagnostic = Diagnostic(code="RUN101", message="100%\r\nwrong: a, b", place=place)

    assert annotation(diagnostic) == (
        "::error file=50%25%3Aa%2Cb%0A.toml,line=1,endLine=3,title=RUN101 toml-syntax"
        "::100%25%0D%0Awrong: a, b"
    )


def test_github_shows_what_could_steer_a_terminal() -> None:
    diagnostic = Diagnostic(code="RUN101", message="odd", hint='write "\u202e"')
    assert annotation(diagnostic).endswith('::odd%0Awrite "\\u202e"')


def test_github_without_a_place() -> None:
    diagnostic = Diagnostic(code="RUN119", message="old")

    assert annotation(diagnostic) == "::warning title=RUN119 deprecated-key::old"


def sarif_of(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    run(["check", "--format", "sarif", str(path)])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_sarif(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = sarif_of(bad, capsys)

    (tool_run,) = document["runs"]
    rules = tool_run["tool"]["driver"]["rules"]
    assert document["version"] == "2.1.0"
    assert [rule["id"] for rule in rules] == ["RUN103", "RUN118", "RUN201"]
    assert [rule["name"] for rule in rules] == [CODES[rule["id"]].slug for rule in rules]
    assert tool_run["results"][0] == {
        "ruleId": "RUN201",
        "ruleIndex": 2,
        "level": "error",
        "message": {"text": "unknown data node `rwa`\ndid you mean `raw`?"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "a%20folder/pipeline.toml"},
                    "region": {"startLine": 6, "startColumn": 11, "endLine": 6, "endColumn": 16},
                }
            }
        ],
        "relatedLocations": [
            {
                "id": 0,
                "physicalLocation": {
                    "artifactLocation": {"uri": "a%20folder/pipeline.toml"},
                    "region": {"startLine": 1, "startColumn": 12, "endLine": 1, "endColumn": 15},
                },
                "message": {"text": "`raw` is declared here"},
            }
        ],
    }


def test_sarif_has_what_viewers_need(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As GitHub's code scanning asks: a known rule, a level, a text, a place that counts from 1."""
    (tool_run,) = sarif_of(bad, capsys)["runs"]

    assert tool_run["columnKind"] == "unicodeCodePoints"
    for result in tool_run["results"]:
        rule = tool_run["tool"]["driver"]["rules"][result["ruleIndex"]]
        region = result["locations"][0]["physicalLocation"]["region"]
        assert rule["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning"}
        assert result["message"]["text"]
        assert min(region.values()) >= 1


def test_sarif_of_a_right_config_has_no_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("", encoding="utf-8")

    (tool_run,) = sarif_of(path, capsys)["runs"]

    assert tool_run["results"] == []


def test_sarif_fits_the_models_made_from_the_published_schema(
    bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = pytest.importorskip("pydantic_sarif.model", reason="pydantic-sarif is not installed")

    parsed = models.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(
        sarif_of(bad, capsys)
    )

    assert len(parsed.runs[0].results) == 3
