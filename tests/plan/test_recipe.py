from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from runner.config.loader import load, load_again
from runner.config.model import Config, Mode
from runner.plan.compiler import compile_plan
from runner.plan.model import ExecutionPlan, Selection
from runner.plan.recipe import Recipe, digest_of, recipe_from, recipe_of

TEXT = """\
[DATA_NODE.a]
default_data = 1
[DATA_NODE.b]
[TASK.t]
function = "builtins.abs"
inputs = ["a"]
outputs = ["b"]
"""


def loaded(folder: Path, *overrides: str) -> Config:
    path = folder / "p.toml"
    path.write_text(TEXT, encoding="utf-8")
    return load([path], overrides, environ={}).config


def plan_of(config: Config) -> ExecutionPlan:
    return compile_plan(config, "default", name="june", selection=Selection(to=("t",)))


def test_what_is_dumped_is_read_again(tmp_path: Path) -> None:
    recipe = recipe_of(
        plan_of(loaded(tmp_path)), has_secrets=False, resumes="7h3k", code={"builtins.abs": "f"}
    )

    assert recipe_from(recipe.dumped()) == recipe
    assert recipe.mode is Mode.DEVELOPMENT
    assert recipe.selection == Selection(to=("t",))


def test_what_another_version_dumped_is_not_read() -> None:
    assert recipe_from('{"format": 99}') is None


def test_the_config_of_a_recipe_is_the_one_of_then(tmp_path: Path) -> None:
    config = loaded(tmp_path, "DATA_NODE.a.default_data=5", "TASK.t.retries=2")
    recipe = recipe_of(plan_of(config), has_secrets=False)
    (tmp_path / "p.toml").write_text("broken = ", encoding="utf-8")

    assert recipe.can_be_made_again
    again = load_again(recipe.written, environ={}, application_path=recipe.application_path)

    assert again.diagnostics == ()
    assert again.config == config
    assert again.config.application_path == tmp_path


def test_secrets_are_not_kept(tmp_path: Path) -> None:
    recipe = recipe_of(plan_of(loaded(tmp_path)), has_secrets=True)

    assert TEXT not in recipe.dumped()
    assert not recipe.can_be_made_again


@pytest.mark.parametrize(
    "written",
    [
        pytest.param((), id="nothing"),
        pytest.param((("", None), ("/p.toml", "")), id="made-in-python"),
        pytest.param((("/p.toml", ""), ("--set DATA_NODE.x.db_password=***", None)), id="secret"),
    ],
)
def test_what_cannot_be_made_again(
    tmp_path: Path, written: tuple[tuple[str, str | None], ...]
) -> None:
    recipe = recipe_of(plan_of(loaded(tmp_path)), has_secrets=False)

    assert not attrs.evolve(recipe, written=written).can_be_made_again


def test_a_digest_tells_recipes_apart(tmp_path: Path) -> None:
    plan = plan_of(loaded(tmp_path))
    recipe: Recipe = recipe_of(plan, has_secrets=False)

    again = recipe_of(plan, has_secrets=False)
    other = attrs.evolve(recipe, name="july")
    assert digest_of(recipe.dumped()) == digest_of(again.dumped()) != digest_of(other.dumped())
