"""`runner execute`: check, plan and run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TextIO

import attrs
import click

from runner.cli.ahead import Ahead, started_ahead
from runner.cli.documents import Events, runs_document
from runner.cli.failed import show_failure, show_note
from runner.cli.loading import Checked, load_and_check, refuse_errors
from runner.cli.options import (
    Common,
    Duration,
    OneOf,
    common_options,
    force_option,
    scenario_options,
    selection_options,
    wait_lock_option,
    workers_option,
)
from runner.cli.output import Streaming, masked_output
from runner.cli.progress import said, shown_progress
from runner.cli.rendering import show_diagnostics
from runner.cli.scenarios import Wanted, forced, plans_of, wanted
from runner.cli.signals import Stopping, answer_stream
from runner.cli.style import Paint, clean, count, duration, painter
from runner.config.model import Mode
from runner.core import Core, Submission
from runner.errors import ExitCode, RunnerError, UsageError
from runner.execution.executors.development import DevelopmentExecutor
from runner.execution.failures import import_failure, is_our_frame
from runner.execution.importing import UserCodeError
from runner.execution.jobs import Observer
from runner.execution.lifecycle import DONE, JobStatus, SubmissionStatus
from runner.execution.worker import Output
from runner.plan.document import SavedPlans, read_plans
from runner.plan.model import ExecutionPlan
from runner.store.logs import last_lines

LOOK_EVERY: Final = 0.2
"""Seconds after which what running jobs have printed is shown, with `--logs all`."""
SIGNALS_EVERY: Final = 1.0
"""Seconds after which a signal is answered that came in the moment before we began to wait, when
the system tells Python of it and Python has just looked."""
MOST_LINES: Final = 20
"""Lines of a failed job's output that are shown."""
MOST_CHARACTERS: Final = 1000
"""Of each of them."""


@attrs.frozen(kw_only=True)
class Manner:
    """How a run is run and told."""

    format: str
    fail_fast: bool
    pdb: bool
    full_traceback: bool
    logs: str
    timeout: float | None
    workers: int | None
    wait_lock: float | None = None
    force: tuple[str, ...] = ()
    resumes: str = ""


_RUNNING: Final = (
    click.option(
        "--timeout", type=Duration(), metavar="TIME", help="End it all after so long: 10m."
    ),
    click.option(
        "--logs",
        type=OneOf(["failed", "all", "none"]),
        default="failed",
        show_default=True,
        help="Whose output is shown: under failures its end; of all jobs, as it comes.",
    ),
    wait_lock_option,
    click.option("--fail-fast", is_flag=True, help="Start no job after one has failed."),
    click.option(
        "--format",
        "format",
        type=OneOf(["human", "json", "jsonl"]),
        default="human",
        show_default=True,
        help="How it is told; jsonl: an event a line while it runs.",
    ),
    click.option("--pdb", is_flag=True, help="Open a debugger where a task raises."),
    click.option("--full-traceback", is_flag=True, help="Show the frames of runner too."),
)


def running_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add how a run is run and told; they arrive as the fields of `Manner`."""
    for option in reversed(_RUNNING):
        function = option(function)
    return function


@click.command(name="execute", context_settings={"help_option_names": ["-h", "--help"]})
@common_options
@scenario_options
@selection_options
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run a plan that runner plan --out has saved.",
)
@workers_option
@force_option
@running_options
def command(
    common: Common,
    plan_file: Path | None,
    **options: Any,
) -> int:
    """Check, plan and run a scenario.

    A failed job fails alone: what needs its outputs is abandoned, the rest goes on.
    """
    told = {name: options.pop(name) for name in attrs.fields_dict(Manner) if name in options}
    manner = Manner(**told)
    which = wanted(options)
    with started_ahead(common, which.mode, manner.workers) as ahead:
        if plan_file is not None:
            return _execute_saved(common, which, plan_file, manner, ahead)
        checked = load_and_check(common)
        refuse_errors(checked, common)
        return execute_plans(checked, plans_of(checked.config, which), common, manner, ahead)


def _execute_saved(
    common: Common, which: Wanted, plan_file: Path, manner: Manner, ahead: Ahead
) -> int:
    """Make the saved plans again, and run them if they are the same."""
    if which != Wanted():
        raise UsageError("--plan says already which scenario and which tasks")
    saved = _read_saved(plan_file)
    common = common._replace(
        files=common.files or saved.files,
        overrides=(*saved.overrides, *common.overrides),
    )
    checked = load_and_check(common)
    refuse_errors(checked, common)
    plans = []
    for each in saved.plans:
        again = Wanted(
            scenarios=(each.scenario,),
            name=each.name,
            creation_date=each.creation_date,
            mode=each.mode,
            selection=each.selection,
        )
        (plan,) = plans_of(checked.config, again)
        if plan.digest != each.digest:
            message = f"the plan for {each.name} is stale: the config has changed since"
            hint = f"look at it again: runner plan --out {plan_file}"
            raise UsageError(message, code="RUN702", hint=hint)
        plans.append(plan)
    return execute_plans(checked, plans, common, manner, ahead)


def _read_saved(plan_file: Path) -> SavedPlans:
    try:
        text = plan_file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UsageError(f"`{plan_file}` cannot be read: {reason.lower()}") from None
    return read_plans(text, str(plan_file))


def execute_plans(
    checked: Checked,
    plans: Sequence[ExecutionPlan],
    common: Common,
    manner: Manner,
    ahead: Ahead,
) -> int:
    """Run plans of a config that is right, and tell how they end; the exit code."""
    mode = plans[0].mode if plans else checked.config.job.mode
    if manner.pdb and mode is not Mode.DEVELOPMENT:
        hint = "add --mode development"
        raise UsageError(f"--pdb needs the mode `development`, this is `{mode}`", hint=hint)
    config = checked.config
    if manner.workers is not None:
        job = attrs.evolve(config.job, max_nb_of_workers=manner.workers or None)
        config = attrs.evolve(config, job=job)
    executor = DevelopmentExecutor(on_error=_debug) if manner.pdb else ahead.taken(config, mode)
    submissions: list[Submission] = []
    with (
        answer_stream(divert=not manner.pdb) as answer,
        Core(config, checked=True, mode=mode, executor=executor) as core,
    ):
        events = Events(answer) if manner.format == "jsonl" else None
        with Stopping(core, manner.timeout) as stopping:
            # where jobs share workers, so do scenarios; in this thread, they come one by one
            groups = [[plan] for plan in plans] if mode is Mode.DEVELOPMENT else [plans]
            for group in groups:
                if stopping.exit_code is None:
                    ran = _run(core, group, checked, common, manner, stopping, events)
                    submissions += ran
                    for submission in ran if manner.format == "human" else ():
                        _tell(core, submission, answer, common, manner)
        if manner.format == "json":
            print(json.dumps(runs_document(submissions), indent=1), file=answer)
    if stopping.exit_code is not None:
        return stopping.exit_code
    failed = any(each.status is not SubmissionStatus.COMPLETED for each in submissions)
    return ExitCode.FAILED if failed else ExitCode.DONE


def _run(
    core: Core,
    plans: Sequence[ExecutionPlan],
    checked: Checked,
    common: Common,
    manner: Manner,
    stopping: Stopping,
    events: Events | None,
) -> list[Submission]:
    """Run plans, at the same time where the mode can."""
    live = not manner.pdb and manner.format == "human" and manner.logs != "all" and len(plans) == 1
    submissions: list[Submission] = []
    here = core.mode is Mode.DEVELOPMENT
    streaming = Streaming(core.logs, common.color, core.mask) if manner.logs == "all" else None
    with ExitStack() as stack:
        for plan in plans:
            shown = stack.enter_context(
                shown_progress(plan, common, live=live, named=len(plans) > 1)
            )
            if here and not manner.pdb:
                stack.enter_context(masked_output(core.mask))
            told = events.of(plan) if events else None
            observers: list[Observer] = [*shown.observers]
            observers += [each for each in (streaming, told) if each is not None]
            submission = _prepared(core, plan, observers, checked, common, manner)
            submissions.append(submission)
            if not common.quiet:
                warnings = checked.located(submission.warnings)
                show_diagnostics(warnings, checked.source, color=common.color)
            submission.begin()
            shown.begun(submission)
            if told:
                told.begun(submission)
        with stopping.of(submissions, here=here):
            for submission in submissions:
                submission.start()
            for submission in submissions:
                while not submission.is_over:
                    submission.wait(LOOK_EVERY if streaming else SIGNALS_EVERY)
                    if streaming:
                        streaming.look(core.printing())
                submission.wait()
                if events:
                    events.over(submission)
    return submissions


def _prepared(
    core: Core,
    plan: ExecutionPlan,
    observers: Sequence[Observer],
    checked: Checked,
    common: Common,
    manner: Manner,
) -> Submission:
    try:
        created = plan.creation_date
        scenario = core.create_scenario(plan.scenario, plan.name, creation_date=created)
        return scenario.prepare(
            plan,
            fail_fast=manner.fail_fast,
            force=forced(manner.force, plan),
            resumes=manner.resumes,
            wait_lock=manner.wait_lock or 0.0,
            observers=observers,
            full_traceback=manner.full_traceback,
            keep=False,
        )
    except UserCodeError as error:
        failure = error.failure
        if manner.full_traceback and error.__cause__ is not None:
            failure = import_failure(error.__cause__, failure.code, full=True)
        paint = painter(sys.stderr, common.color)
        show_failure(failure, f"{error}", paint, full=manner.full_traceback)
        print(file=sys.stderr)
        raise _Told(error, plan.name) from None
    except RunnerError as error:
        if not error.diagnostics:
            raise
        show_diagnostics(checked.located(error.diagnostics), checked.source, color=common.color)
        raise _Told(error, plan.name) from None


class _Told(RunnerError):  # noqa: N818 - an error whose reasons have been shown
    def __init__(self, error: RunnerError, name: str) -> None:
        super().__init__(f"nothing of {name} ran")
        self.exit_code = error.exit_code  # type: ignore[misc]  # of this error alone


def _tell(
    core: Core, submission: Submission, answer: TextIO, common: Common, manner: Manner
) -> None:
    """Why jobs failed, on stderr, and how the run ended."""
    paint = painter(sys.stderr, common.color)
    for job in submission.jobs:
        if job.status is JobStatus.FAILED and job.failure is not None:
            head = f"task `{job.task}` failed: {said(job.failure)}"
            show_failure(job.failure, head, paint, full=manner.full_traceback)
            if job.output is not None and manner.logs == "failed":
                _show_output(core.logs, job.output, paint)
            if job.output is not None:
                show_note("log", f"runner logs {submission.id} {job.task}", paint)
    if submission.status is not SubmissionStatus.COMPLETED and not common.quiet:
        done = sum(job.status in DONE for job in submission.jobs)
        again = f"{done:,} of {count(len(submission.plan.jobs), 'job')} need not run again"
        show_note("resume", f"runner resume {submission.id}  ({again})", paint)
        print(file=sys.stderr)
    paint = painter(answer, common.color)
    words = {SubmissionStatus.COMPLETED: "completed", SubmissionStatus.FAILED: "failed"}
    word = words.get(submission.status, "was stopped")
    color = "green" if submission.status is SubmissionStatus.COMPLETED else "red"
    told = ", ".join(_counts(submission)) or "nothing to do"
    verdict = paint(f"Run {submission.id} {word}", fg=color, bold=True)
    print(f"{verdict}: {told} in {duration(submission.seconds)}", file=answer, flush=True)


def _counts(submission: Submission) -> list[str]:
    statuses = [job.status for job in submission.jobs]
    return [
        f"{statuses.count(status):,} {status.value.lower()}"
        for status in JobStatus
        if status in statuses
    ]


def _show_output(logs: Path, output: Output, paint: Paint) -> None:
    """The end of what a job printed."""
    lines = last_lines(logs, output.file, output.start, output.end, MOST_LINES)
    show_note("output", f"the last {MOST_LINES} lines" if len(lines) == MOST_LINES else "", paint)
    for line in lines:
        if not is_our_frame(line):
            text = f"  {paint('|', fg='blue')} {clean(line[:MOST_CHARACTERS])}"
            print(text.rstrip(), file=sys.stderr)


def _debug(error: BaseException) -> None:
    """A debugger at the place where the user's code raised."""
    import pdb

    from runner.execution.failures import failure_of, users_frames

    print(clean(failure_of(error).traceback), file=sys.stderr)
    frames = users_frames(error.__traceback__) or error.__traceback__
    pdb.post_mortem(frames)
