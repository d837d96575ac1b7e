"""Every folder of examples/ is complete, right, and makes the files it promises."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import runner

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/pipeline.toml"))
NEEDS = {
    "database": ("sqlalchemy", "pip install 'toml-runner[sql]'"),
    "weather": ("pandas", "pip install 'toml-runner[tables]'"),
}
"""What an example needs beside runner, and how to get it."""
OPTIONS = {"cluster": ["--all"], "two_scenarios": ["--all"]}
"""Further arguments of `execute`, by example."""
OUT = {"cluster": ".runner/data", "two_scenarios": ".runner/data"}
"""Where the files are that it makes, if not in `out`."""


def layered() -> Iterator[tuple[Path, list[str], str]]:
    """Folder, files and expected outputs: of pipeline.toml, and of each file laid over it."""
    for folder in FOLDERS:
        yield folder, ["pipeline.toml"], "expected"
        for overlay in sorted(set(folder.glob("*.toml")) - {folder / "pipeline.toml"}):
            yield folder, ["pipeline.toml", overlay.name], f"expected-{overlay.stem}"


EXAMPLE = pytest.mark.parametrize(
    ("folder", "files", "expected"),
    [pytest.param(*case, id=f"{case[0].name}-{case[1][-1]}") for case in layered()],
)


def copied(folder: Path, target: Path) -> Path:
    library, command = NEEDS.get(folder.name, ("runner", ""))
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"the example {folder.name} needs {library}: {command}")
    made = shutil.ignore_patterns("db", "out", ".runner", "__pycache__")
    return shutil.copytree(folder, target / folder.name, ignore=made)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the command line."""
    return python(folder, "-m", "runner", *arguments)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call Python with the very package that is being tested, warnings being errors."""
    package = Path(runner.__file__).parent
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONWARNINGS": "error"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def texts(folder: Path) -> dict[str, str]:
    """What every file below a folder holds, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_there_are_examples() -> None:
    names = [folder.name for folder in FOLDERS]
    assert names == ["cluster", "database", "layers", "quickstart", "two_scenarios", "weather"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_explains_itself(folder: Path) -> None:
    assert (folder / "README.md").is_file()


@EXAMPLE
def test_checks_without_a_warning(
    folder: Path, files: list[str], expected: str, tmp_path: Path
) -> None:
    checked = run(copied(folder, tmp_path), "check", "--strict", *files)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param([], id="as-written"),
        pytest.param(["--mode", "development"], id="development"),
        pytest.param(["--mode", "standalone"], id="standalone"),
    ],
)
@EXAMPLE
def test_makes_the_expected_files(
    folder: Path, files: list[str], expected: str, mode: list[str], tmp_path: Path
) -> None:
    if folder.name == "cluster" and not mode:
        pytest.skip("tests/cluster runs it, with workers")
    copy = copied(folder, tmp_path)

    executed = run(copy, "execute", *files, *mode, *OPTIONS.get(folder.name, ()))

    assert executed.returncode == 0, executed.stdout + executed.stderr
    assert texts(copy / OUT.get(folder.name, "out")) == texts(folder / expected) != {}


def test_two_scenarios_from_python(tmp_path: Path) -> None:
    copy = copied(EXAMPLES / "two_scenarios", tmp_path)

    ran = python(copy, "main.py")

    assert (ran.stdout, ran.stderr) == ("first: COMPLETED\nsecond: COMPLETED\n52 18\n", "")
    assert ran.returncode == 0
    made = texts(copy / ".runner" / "data" / "scenarios")
    assert (made["first/output.json"], made["second/output.json"]) == ("52\n", "18\n")
