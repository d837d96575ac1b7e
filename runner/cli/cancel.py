"""`runner cancel`: stop a run or a job from another terminal."""

from __future__ import annotations

import click

from runner.cli.history import config_options, fate, opened_history
from runner.cli.options import Common
from runner.errors import ExitCode, SetupError, UsageError
from runner.execution.mailbox import IS_POSSIBLE, post
from runner.store.store import RunRow, Store


@click.command(name="cancel", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run")
@click.argument("task", required=False)
@config_options
def command(common: Common, run: str, task: str | None) -> int:
    """Stop a run, or one of its jobs, from another terminal.

    What runs is ended and no further job is started; all is recorded as canceled. With TASK only
    that task's job is, and what needs its outputs is abandoned.
    """
    with opened_history(common) as history:
        found = history.store.run(run)
        _refuse_ended(found)
        if task is not None:
            history.check_task(found, task)
            _refuse_ended_job(history.store, found, task)
        request = "cancel" if task is None else f"cancel {task}"
        if not post(history.folder / "locks", found.id, request):
            _refuse_ended(history.store.run(run))  # it has ended meanwhile
            raise _deaf(found)
    asked = "to stop" if task is None else f"to cancel {task}"
    print(f"asked run {found.id} {asked}")
    return ExitCode.DONE


def _refuse_ended(run: RunRow) -> None:
    over = fate(run)
    if over is not None:
        raise UsageError(over)


def _refuse_ended_job(store: Store, run: RunRow, task: str) -> None:
    job = store.job(run.id, task)
    if job is not None:
        raise UsageError(f"job `{task}` of run {run.id} has ended: {job.status}")


def _deaf(run: RunRow) -> SetupError:
    """Why nobody takes a request to a run that may well be running."""
    if not IS_POSSIBLE:
        message = "runs cannot be canceled from another terminal on this system"
        return SetupError(message, code="RUN509", hint="press Ctrl-C where it runs")
    message = f"run {run.id} takes no requests"
    if run.process is None:
        return SetupError(message)
    if run.process.is_alive():
        return SetupError(message, hint=f"to stop it as Ctrl-C does: kill -TERM {run.pid}")
    where = f"it was begun by process {run.pid} of {run.host}"
    return SetupError(message, hint=f"{where}: look there whether it runs")
