"""`runner resume`: finish a run that failed, was stopped or died."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import attrs
import click

from runner.cli.ahead import Ahead
from runner.cli.execute import Manner, execute_plans, running_options
from runner.cli.history import config_options, fate, opened_history
from runner.cli.loading import Checked, check_loaded, refuse_errors
from runner.cli.options import Common, OneOf, workers_option
from runner.cli.style import count
from runner.config.loader import Loaded, load, load_again
from runner.config.model import Config, Mode
from runner.core import gathered, unfinished
from runner.errors import UsageError
from runner.execution.lifecycle import JobStatus
from runner.functions.fingerprint import Fingerprints
from runner.functions.modules import modules_of
from runner.plan.compiler import compile_plan, restricted
from runner.plan.model import ExecutionPlan
from runner.plan.recipe import Recipe, recipe_from
from runner.store.store import RunRow, Store

_DONE = frozenset({"COMPLETED", "SKIPPED"})


@attrs.frozen(kw_only=True)
class Stopped:
    """A run that can be resumed.

    Attributes:
        run: it.
        recipe: how it came about.
        done: the tasks whose jobs have completed, in it or in one that it went on with.
    """

    run: RunRow
    recipe: Recipe
    done: frozenset[str]


@click.command(name="resume", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", required=False)
@config_options
@workers_option
@click.option(
    "--mode",
    type=OneOf(["development", "standalone", "cluster"]),
    help="Where it runs now, whatever it ran in before.",
)
@running_options
def command(
    common: Common, run: str | None, workers: int | None, mode: str | None, **options: Any
) -> int:
    """Finish a run that failed, was stopped or died.

    What has completed is not run again. The config is the one that the run began with, whatever
    the files say by now, but for --set. Without RUN: the latest run.
    """
    with opened_history(common) as history:
        stopped = _stopped(history.store, history.store.run(run))
        history.store.unlock(stopped.run.id)  # nobody works at it; what is left may not need them
    checked = check_loaded(_loaded(stopped, common), common)
    refuse_errors(checked, common)
    plan = _plan(stopped, checked.config, mode)
    done = stopped.done
    if stopped.run.mode == Mode.CLUSTER.value and stopped.run.is_running:
        found = gathered(checked.config, _plan(stopped, checked.config, None), stopped.run)
        if found:
            _tell(f"{count(len(found), 'job')} ended in the cluster meanwhile")
        done |= {end.task for end in found if end.status is JobStatus.COMPLETED}
    left = unfinished(checked.config, plan, done)
    _tell_what_moved(stopped, checked, plan, left)
    if not left and not stopped.run.is_running:  # else its end has yet to be recorded
        raise _nothing_to_resume(stopped.run)
    _tell(f"resuming run {stopped.run.id}: {len(left):,} of {count(len(plan.jobs), 'job')} to run")
    manner = Manner(workers=workers, resumes=stopped.run.id, **options)
    return execute_plans(checked, [restricted(plan, left)], common, manner, Ahead(None))


def _stopped(store: Store, run: RunRow) -> Stopped:
    if run.is_running and fate(run) is None:
        raise UsageError(f"run {run.id} is still running", hint=f"runner cancel {run.id} stops it")
    if run.status == "COMPLETED":
        raise _nothing_to_resume(run)
    recipe = _recipe(store, run)
    done: set[str] = set()
    for each in _chain(store, run, recipe):
        done |= {job.task for job in store.jobs(each) if job.status in _DONE}
    return Stopped(run=run, recipe=recipe, done=frozenset(done))


def _recipe(store: Store, run: RunRow) -> Recipe:
    text = store.about(run.id).config
    recipe = None if text is None else recipe_from(text)
    if recipe is None:
        raise UsageError(f"run {run.id} was recorded by another version, which kept less")
    if not recipe.written or any(name == "" for name, _ in recipe.written):
        hint = "submit it again from there; with `skippable`, what has not changed is skipped"
        raise UsageError(f"run {run.id} was made in Python, not of files", hint=hint)
    return recipe


def _chain(store: Store, run: RunRow, recipe: Recipe) -> Iterator[str]:
    """The run, the one that it went on with, and so on."""
    yield run.id
    before: Recipe | None = recipe
    while before is not None and before.resumes:
        yield before.resumes
        text = store.about(before.resumes).config
        before = None if text is None else recipe_from(text)


def _loaded(stopped: Stopped, common: Common) -> Loaded:
    """The config as it was; where it was not kept, since it holds secrets, as it is now."""
    recipe = stopped.recipe
    path = recipe.application_path
    if recipe.can_be_made_again:
        again = [*recipe.written, *((f"--set {each}", None) for each in common.overrides)]
        return load_again(again, environ=os.environ, application_path=path)
    _tell("the config holds secrets and was not kept: its files are taken as they are now")
    files = [name for name, _ in recipe.written if not name.startswith("--set ")]
    return load(files, common.overrides, environ=os.environ, application_path=path)


def _plan(stopped: Stopped, config: Config, mode: str | None) -> ExecutionPlan:
    recipe = stopped.recipe
    plan = compile_plan(config, recipe.scenario, name=recipe.name, selection=recipe.selection)
    return attrs.evolve(plan, mode=recipe.mode if mode is None else Mode(mode))


def _tell_what_moved(
    stopped: Stopped, checked: Checked, plan: ExecutionPlan, left: Collection[str]
) -> None:
    """Where files and code are not what the run began with."""
    recipe = stopped.recipe
    for name, text in recipe.written:
        if text is not None and _text_of(name) != text:
            _tell(f"{name} has changed since: the run goes on with what it began with")
    code = Fingerprints(modules_of(checked.config), checked.config.application_path)
    for task in plan.tasks.values():
        ref = task.function
        before = recipe.code.get(str(ref))
        now = None if ref is None else code.of(ref)
        if before is not None and now is not None and now.digest != before:
            again = "runs as it is now" if task.id in left else "is not run again"
            _tell(f"the code of `{ref}` has changed since: `{task.id}` {again}")


def _text_of(name: str) -> str | None:
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return None


def _nothing_to_resume(run: RunRow) -> UsageError:
    message = f"run {run.id} has completed, nothing is left to resume"
    return UsageError(message, code="RUN703")


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
