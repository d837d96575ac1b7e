from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import runner
import runner.storages

README: Final = Path(__file__).parent.parent / "README.md"


def loaded_by(program: str, *names: str) -> set[str]:
    """Which of these packages a new interpreter has loaded after the program."""
    asked = f"{program}\nimport sys\nprint(*({names!r} & sys.modules.keys()), file=sys.stderr)\n"
    asked = asked.replace(repr(names), repr(set(names)))
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("name", runner.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(runner, name)

    assert callable(found)
    assert vars(found)["__doc__"] if isinstance(found, type) else found.__doc__


def test_the_names_are_in_order_and_listed() -> None:
    assert sorted(runner.__all__) == runner.__all__
    assert set(runner.__all__) <= set(dir(runner))


def test_what_the_loader_of_names_knows_is_public() -> None:
    known = [name for names in runner._MODULES.values() for name in names]

    assert sorted(known) == runner.__all__


def test_a_star_import_has_them_all() -> None:
    names: dict[str, object] = {}

    exec("from runner import *", names)

    assert set(runner.__all__) <= names.keys()


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match=r"^module `runner` has no attribute `Confg`$"):
        runner.Confg  # noqa: B018 - asking is the point


def test_the_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", runner.__version__)


def test_importing_costs_nothing() -> None:
    heavy = ("click", "attrs", "attr", "cattrs", "tomli", "pandas", "numpy", "rich", "sqlite3")

    assert loaded_by("import runner", *heavy) == set()


def test_help_costs_little() -> None:
    program = "from runner.cli.app import run\nrun(['--help'])"

    assert loaded_by(program, "rich", "pandas", "numpy", "cattrs", "tomli", "sqlite3") == set()


def test_checking_loads_nothing_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.toml"
    path.write_text('[TASK.t]\nfunction = "builtins.print"\n', encoding="utf-8")
    program = f"from runner.cli.app import run\nrun(['check', {str(path)!r}])"

    assert loaded_by(program, "rich", "pandas", "numpy", "sqlite3", "cloudpickle") == set()


@pytest.mark.parametrize("name", runner.storages.__all__)
def test_every_name_for_authors_of_storages_says_what_it_is(name: str) -> None:
    found = getattr(runner.storages, name)

    assert found.__doc__
