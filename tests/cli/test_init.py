from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

MADE = ["runner.toml", "functions.py", "README.md", ".gitignore", "runner.schema.json"]


def test_makes_a_project_that_is_right_and_runs(cli: Any, folder: Path) -> None:
    ended = cli("init")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "".join(f"wrote {name}\n" for name in MADE) + "\nNow run it: runner execute\n"
    )
    assert cli("check", "--strict").code == 0
    assert cli("execute").code == 0
    assert json.loads((folder / "out" / "letter.json").read_text(encoding="utf-8")) == {
        "greetings": ["Hello Ada!", "Hello Grace!", "Hello Katherine!"],
        "count": 3,
    }


def test_makes_the_folder(cli: Any, folder: Path) -> None:
    ended = cli("init", "new/project")

    assert ended.code == 0
    assert sorted(path.name for path in (folder / "new" / "project").iterdir()) == sorted(MADE)
    assert ended.out.endswith("\nNow run it: cd new/project && runner execute\n")


def test_what_a_run_makes_is_ignored_by_git(cli: Any, folder: Path) -> None:
    cli("init")
    cli("execute")

    made = {f"{path.name}/" for path in folder.iterdir() if path.name not in MADE}
    assert made <= set((folder / ".gitignore").read_text(encoding="utf-8").splitlines())


def test_the_schema_is_that_of_the_project(cli: Any, folder: Path) -> None:
    cli("init")

    first, _ = (folder / "runner.toml").read_text(encoding="utf-8").split("\n", 1)
    assert first == "#:schema ./runner.schema.json"
    assert cli("schema", "--project", "--check", "-o", "runner.schema.json").code == 0


@pytest.mark.parametrize(
    ("there", "message"),
    [
        pytest.param(
            ["README.md"],
            "error: `README.md` is there already\n  = help: name another folder\n",
            id="one",
        ),
        pytest.param(
            ["runner.toml", ".gitignore"],
            "error: `runner.toml`, `.gitignore` are there already\n  = help: name another folder\n",
            id="two",
        ),
    ],
)
def test_overwrites_nothing(there: list[str], message: str, cli: Any, folder: Path) -> None:
    for name in there:
        (folder / name).write_text("mine", encoding="utf-8")

    ended = cli("init")

    assert (ended.code, ended.out, ended.err) == (2, "", message)
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == (
        dict.fromkeys(there, "mine")
    )


def test_leaves_other_files_alone(cli: Any, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine", encoding="utf-8")

    assert cli("init").code == 0
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_a_file_is_no_folder(cli: Any, folder: Path) -> None:
    (folder / "taken").write_text("mine", encoding="utf-8")

    ended = cli("init", "taken")

    assert ended.code == 2
    assert ended.err == "error: `taken` is a file\n  = help: name a folder\n"


def test_a_folder_that_cannot_be_made(cli: Any, folder: Path) -> None:
    (folder / "taken").write_text("mine", encoding="utf-8")

    ended = cli("init", "taken/inner")

    assert ended.code == 4
    assert ended.err == "error: `taken/inner` cannot be made: Not a directory\n"
