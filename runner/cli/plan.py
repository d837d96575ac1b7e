"""`runner plan`: what would run. Touches no data."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from runner.cli.loading import Checked, load_and_check, refuse_errors
from runner.cli.options import (
    Common,
    OneOf,
    common_options,
    force_option,
    scenario_options,
    selection_options,
)
from runner.cli.rendering import show_diagnostics
from runner.cli.scenarios import forced, plans_of, wanted
from runner.cli.style import Paint, count, duration, painter
from runner.config.model import TaskConfig
from runner.core import Forecast, forecast
from runner.data.files import NodeFile
from runner.data.storage import reason
from runner.errors import ExitCode, JobError, SetupError
from runner.plan.document import plans_document
from runner.plan.model import ExecutionPlan
from runner.plan.staleness import ALWAYS, NEVER_RUN, Verdict


@click.command(name="plan", context_settings={"help_option_names": ["-h", "--help"]})
@common_options
@scenario_options
@selection_options
@click.option(
    "--format",
    "format_",
    type=OneOf(["human", "json"]),
    default="human",
    show_default=True,
    help="How the plan is told.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Save it, for execute --plan."
)
@force_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 6 where there is work to do.")
def command(
    common: Common,
    format_: str,
    out: Path | None,
    force: tuple[str, ...],
    detailed_exitcode: bool,
    **options: Any,
) -> int:
    """Show what would run, in which order, and why.

    Touches no data. A saved plan is run by runner execute --plan FILE, as long as nothing that it
    rests on has changed.
    """
    which = wanted(options)
    checked = load_and_check(common)
    refuse_errors(checked, common)
    plans = plans_of(checked.config, which)
    forecasts = [forecast(checked.config, plan, force=forced(force, plan)) for plan in plans]
    warnings = [each for told in forecasts for each in told.warnings]
    if not common.quiet:
        show_diagnostics(checked.located(warnings), checked.source, color=common.color)
    documents = [
        {**plan.document, "verdicts": _verdicts(plan, each)}
        for plan, each in zip(plans, forecasts, strict=True)
    ]
    document = plans_document(documents, checked.files, common.overrides)
    if out is not None:
        _save(document, out)
    if format_ == "json":
        print(json.dumps(document, indent=1))
    else:
        paint = painter(sys.stdout, common.color)
        told = (
            _human(plan, each, checked, paint) for plan, each in zip(plans, forecasts, strict=True)
        )
        print("\n\n".join(told))
    has_work = any(not verdict.skip for each in forecasts for verdict in each.verdicts)
    return ExitCode.WORK_TO_DO if detailed_exitcode and has_work else ExitCode.DONE


def _save(document: Mapping[str, Any], out: Path) -> None:
    text = json.dumps(document, indent=1) + "\n"
    try:
        file = NodeFile("", str(out.absolute()), durable=False)
        file.stage_bytes(text.encode()).commit()
    except (JobError, ValueError) as error:
        why = reason(error.__cause__ or error).lower()
        raise SetupError(f"`{out}` cannot be written: {why}") from None


def _verdicts(plan: ExecutionPlan, told: Forecast) -> list[dict[str, Any]]:
    return [
        {"task": job.task.id, "skip": verdict.skip, "reason": str(verdict)}
        for job, verdict in zip(plan.jobs, told.verdicts, strict=True)
    ]


def _human(plan: ExecutionPlan, told: Forecast, checked: Checked, paint: Paint) -> str:
    of = "" if plan.name == plan.scenario else f" of {plan.scenario}"
    of += "" if told.cycle is None else f" in {told.cycle}"
    lines = [f"Plan for {paint(plan.name, bold=True)}{of}: {_where(plan)}", ""]
    verdicts = [_placed(verdict, checked) for verdict in told.verdicts]
    jobs = zip(plan.jobs, verdicts, strict=True)
    rows = [_row(job.task, verdict) for job, verdict in jobs]
    tasks = [*(row[1] for row in rows), *plan.not_selected]
    widths = [max(map(len, column), default=0) for column in (tasks, [row[2] for row in rows])]
    for sign, task, why, detail in rows:
        lines.append(
            f"  {paint(sign, fg=_COLORS[sign])}  {task.ljust(widths[0])}  "
            f"{why.ljust(widths[1])}  {detail}".rstrip()
        )
    for task in plan.not_selected:
        lines.append(paint(f"  -  {task.ljust(widths[0])}  not selected", dim=True))
    return "\n".join([*lines, "", _sum(plan, told)])


def _sum(plan: ExecutionPlan, told: Forecast) -> str:
    current = sum(verdict.skip for verdict in told.verdicts)
    counted = [f"{len(plan.jobs) - current:,} to run"]
    counted += [f"{current:,} up to date"] * bool(current)
    counted += [f"{len(plan.not_selected):,} not selected"] * bool(plan.not_selected)
    text = ", ".join(counted)
    if told.seconds is None:
        return text
    return f"{text}. About {duration(told.seconds)} (from {count(told.runs, 'run')})"


def _placed(verdict: Verdict, checked: Checked) -> Verdict:
    """The verdict with the place of the setting that it is about."""
    if not verdict.key:
        return verdict
    place = checked.places.of(verdict.key)
    if place is None:
        return verdict
    at = f" changed at {place.file}:{place.start.line}:"
    return verdict._replace(detail=verdict.detail.replace(" changed:", at, 1))


def _where(plan: ExecutionPlan) -> str:
    if plan.mode == "development":
        return plan.mode
    workers = "a worker a core" if plan.workers is None else count(plan.workers, "worker")
    return f"{plan.mode}, {workers}"


def _row(task: TaskConfig, verdict: Verdict) -> tuple[str, str, str, str]:
    """A sign, a task, and why it runs; or its function and what flows through it."""
    if verdict.skip:
        return "=", task.id, verdict.reason, verdict.detail
    if verdict not in {ALWAYS, NEVER_RUN}:
        return "~", task.id, verdict.reason.rstrip(":") or "config", verdict.detail
    reads = ", ".join(task.inputs)
    writes = f"-> {', '.join(task.outputs)}" if task.outputs else ""
    flow = f"{reads} {writes}".strip()
    if verdict == NEVER_RUN:
        return "+", task.id, verdict.reason, f"{task.function}  {flow}"
    return "+", task.id, str(task.function), flow


_COLORS: Final[Mapping[str, str | None]] = {"=": None, "~": "yellow", "+": "green"}
