"""`runner plan`: what would run. Touches no data."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from runner.cli.loading import load_and_check, refuse_errors
from runner.cli.options import Common, OneOf, common_options, scenario_options, selection_options
from runner.cli.scenarios import plans_of, wanted
from runner.cli.style import Paint, count, painter
from runner.config.model import TaskConfig
from runner.data.files import NodeFile
from runner.data.storage import reason
from runner.errors import ExitCode, JobError, SetupError
from runner.plan.document import plans_document
from runner.plan.model import ExecutionPlan


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
def command(common: Common, format_: str, out: Path | None, **options: Any) -> int:
    """Show what would run, in which order.

    Touches no data. A saved plan is run by runner execute --plan FILE, as long as nothing that it
    rests on has changed.
    """
    which = wanted(options)
    checked = load_and_check(common)
    refuse_errors(checked, common)
    plans = plans_of(checked.config, which)
    documents = [plan.document for plan in plans]
    document = plans_document(documents, checked.files, common.overrides)
    if out is not None:
        _save(document, out)
    if format_ == "json":
        print(json.dumps(document, indent=1))
    else:
        paint = painter(sys.stdout, common.color)
        print("\n\n".join(_human(plan, paint) for plan in plans))
    return ExitCode.DONE


def _save(document: Mapping[str, Any], out: Path) -> None:
    text = json.dumps(document, indent=1) + "\n"
    try:
        file = NodeFile("", str(out.absolute()), durable=False)
        file.stage_bytes(text.encode()).commit()
    except (JobError, ValueError) as error:
        why = reason(error.__cause__ or error).lower()
        raise SetupError(f"`{out}` cannot be written: {why}") from None


def _human(plan: ExecutionPlan, paint: Paint) -> str:
    of = "" if plan.name == plan.scenario else f" of {plan.scenario}"
    lines = [f"Plan for {paint(plan.name, bold=True)}{of}: {_where(plan)}", ""]
    rows = [_row(job.task) for job in plan.jobs]
    tasks = [*(row[0] for row in rows), *plan.not_selected]
    widths = [max(map(len, column), default=0) for column in (tasks, [row[1] for row in rows])]
    for task, function, flow in rows:
        lines.append(
            f"  {paint('+', fg='green')}  {task.ljust(widths[0])}  "
            f"{function.ljust(widths[1])}  {flow}".rstrip()
        )
    for task in plan.not_selected:
        lines.append(paint(f"  -  {task.ljust(widths[0])}  not selected", dim=True))
    left_out = f", {len(plan.not_selected):,} not selected" if plan.not_selected else ""
    return "\n".join([*lines, "", f"{len(plan.jobs):,} to run{left_out}"])


def _where(plan: ExecutionPlan) -> str:
    if plan.mode == "development":
        return plan.mode
    workers = "a worker a core" if plan.workers is None else count(plan.workers, "worker")
    return f"{plan.mode}, {workers}"


def _row(task: TaskConfig) -> tuple[str, str, str]:
    """A task, its function, and what flows through it."""
    reads = ", ".join(task.inputs)
    writes = f"-> {', '.join(task.outputs)}" if task.outputs else ""
    return task.id, str(task.function), f"{reads} {writes}".strip()
