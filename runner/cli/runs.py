"""`runner runs`: what has run, one run in full, and what is not needed any more."""

from __future__ import annotations

import glob
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Final

import click

from runner.cli.columns import table
from runner.cli.history import INTERRUPTED, config_options, opened_store, status_of
from runner.cli.options import Common, OneOf
from runner.cli.style import Paint, ago, clean, count, duration, painter
from runner.errors import ExitCode, UsageError
from runner.store.store import About, JobRow, NoRunError, Prunable, RunRow, Store

LOGS: Final = "logs"
"""The folder, in the storage folder, of what jobs printed."""
_STATUSES: Final = ("running", "interrupted", "completed", "failed", "canceled")
_COLORS: Final = {
    "RUNNING": "cyan",
    "COMPLETED": "green",
    "SKIPPED": "cyan",
    "FAILED": "red",
    "CANCELED": "yellow",
    "ABANDONED": "yellow",
    "INTERRUPTED": "yellow",
}
"""Of statuses, in the order in which they are told."""

_FORMAT = click.option(
    "--format", "format_", type=OneOf(["human", "json"]), default="human",
    show_default=True, help="How it is told.",
)  # fmt: skip


class Runs(click.Group):
    """The commands about runs; a run where one of them is expected is helped on."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            raise UsageError(
                f"no command `runs {args[0]}`", hint=f"of a run: runner runs show {args[0]}"
            )
        given = [
            name
            for name in ctx.params
            if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        ]
        if given:
            raise UsageError(
                "options follow the command", hint=f"runner runs {args[0]} --help tells which"
            )
        return super().resolve_command(ctx, args)


@click.group(
    name="runs",
    cls=Runs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_options
@_FORMAT
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=20, show_default=True,
    help="At most so many, the latest.",
)  # fmt: skip
@click.option("--status", type=OneOf(_STATUSES), help="Only those of this status.")
def command(common: Common, format_: str, limit: int, status: str | None) -> int:
    """List what has run, the latest first.

    A run is interrupted where its process is gone and no end was recorded: runner resume finishes
    it.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return ExitCode.DONE
    try:
        with opened_store(common) as store:
            listed = _listed(store, limit, status)
    except NoRunError as error:
        _note(f"{error}; {error.advice}", common)
        listed = []
    more, listed = len(listed) > limit, listed[:limit]
    if format_ == "json":
        _print({"format": "runner.history", "version": 1, "runs": listed, "more": more})
        return ExitCode.DONE
    if listed:
        print("\n".join(_lines(listed, common)))
    elif status is not None:
        _note(f"no run is {status}", common)
    if more:
        _note(f"there are more: --limit {10 * limit}", common)
    return ExitCode.DONE


@command.command("show")
@click.argument("run", required=False)
@config_options
@_FORMAT
def show(common: Common, run: str | None, format_: str) -> int:
    """Show one run in full: its jobs, and what it was begun with; without RUN, the latest.

    With -v, where jobs failed in full too.
    """
    with opened_store(common) as store:
        found = store.run(run)
        jobs = store.jobs(found.id)
        about = store.about(found.id)
        (record,) = _records(store, [found])
    if format_ == "json":
        head = {"format": "runner.record", "version": 1}
        _print({**head, **record, **_about(found, about), "jobs": list(map(_job, jobs))})
        return ExitCode.DONE
    paint = painter(sys.stdout, common.color)
    print("\n".join(_told(record, about, jobs, paint)))
    for job in jobs if common.verbose else ():
        if job.traceback:
            print(f"\n{paint(clean(job.task), bold=True)}: {clean(job.traceback.rstrip())}")
    return ExitCode.DONE


@command.command("prune")
@config_options
@_FORMAT
@click.option(
    "--keep", type=click.IntRange(min=0), metavar="N", required=True, help="So many, the latest."
)
def prune(common: Common, keep: int, format_: str) -> int:
    """Remove old runs with their jobs and logs.

    What data nodes hold stays, and so do the runs that wrote it or that a skipped job rests on.
    """
    from runner.store.locks import is_gone

    with opened_store(common) as store:

        def gone(run: RunRow) -> bool:
            return is_gone(run.id, run.process, store.folder)

        prunable = store.prunable(keep, gone)
        logs = _remove_logs(store.folder / LOGS, prunable.sessions)
        jobs = store.remove_runs(prunable.runs, gone)
    if format_ == "json":
        _print(
            {
                "format": "runner.pruned",
                "version": 1,
                "removed": {"runs": prunable.runs, "jobs": jobs, "logs": logs},
                "kept": {"in_use": prunable.wrote, "running": prunable.goes_on},
            }
        )
    else:
        print("\n".join(_removed(prunable, jobs, logs)))
    return ExitCode.DONE


def _listed(store: Store, limit: int, status: str | None) -> list[dict[str, Any]]:
    """The runs that are asked for, and one more if there is one."""
    wanted = status.upper() if status else None
    if wanted in {"RUNNING", INTERRUPTED}:  # which of the two it is, no column says
        runs = store.runs(status="RUNNING")
        runs = [run for run in runs if status_of(run, store.folder) == wanted]
    else:
        runs = store.runs(limit + 1, status=wanted)
    return _records(store, runs[: limit + 1])


def _records(store: Store, runs: Sequence[RunRow]) -> list[dict[str, Any]]:
    """What is told of runs in a list."""
    counts = store.counts(runs)
    configs = {name: store.config_of(name) for name in {run.scenario for run in runs}}
    return [
        {
            "run": run.id,
            "scenario": configs[run.scenario],
            "name": run.scenario,
            "mode": run.mode,
            "status": status_of(run, store.folder),
            "started": _iso(run.started),
            "seconds": None if run.seconds is None else round(run.seconds, 6),
            "jobs_by_status": dict(sorted(counts[run.id].items(), key=_place)),
        }
        for run in runs
    ]


def _lines(listed: Sequence[dict[str, Any]], common: Common) -> Iterator[str]:
    paint = painter(sys.stdout, common.color)
    rows = [
        (
            each["run"],
            _name(each),
            each["status"].lower(),
            ago(_seconds(each["started"])),
            _took(each),
            _counts(each["jobs_by_status"]),
        )
        for each in listed
    ]
    head = ("run", "scenario", "status", "began", "took", "jobs")
    colors = [_COLORS.get(each["status"]) for each in listed]
    yield from table(() if common.quiet else head, rows, paint, colored=2, colors=colors)


def _told(
    record: dict[str, Any], about: About, jobs: Sequence[JobRow], paint: Paint
) -> Iterator[str]:
    status = paint(record["status"].lower(), fg=_COLORS.get(record["status"]), bold=True)
    yield f"Run {record['run']} of {_name(record)}: {status}"
    began = f"{datetime.fromisoformat(record['started']).astimezone():%Y-%m-%d %H:%M:%S}"
    when = ago(_seconds(record["started"]))
    facts = {
        "began": began if when in f"on {began}" else f"{began} ({when})",
        "took": _took(record),
        "mode": record["mode"],
        "jobs": _counts(record["jobs_by_status"]),
        "command": about.command,
        "commit": about.commit_id,
        "plan": about.digest,
        **_environment(about),
    }
    for name, fact in facts.items():
        if fact:
            yield f"  {paint(name.ljust(9), dim=True)} {clean(str(fact))}"
    if jobs:
        yield ""
        head = ("task", "status", "attempts", "took", "worker", "why")
        colors = [_COLORS.get(job.status) for job in jobs]
        yield from table(head, list(map(_row, jobs)), paint, colored=1, colors=colors)


def _row(job: JobRow) -> tuple[str, ...]:
    took = "" if job.seconds is None else duration(job.seconds)
    worker = "" if job.worker is None else str(job.worker)
    attempts = str(job.attempts) if job.attempts else ""
    return job.task, job.status.lower(), attempts, took, worker, _why(job)


def _why(job: JobRow) -> str:
    """Why a job failed, else why it ran."""
    failure = _failure(job)
    if failure is None:
        return job.reason or ""
    return ": ".join(filter(None, (failure["type"], failure["message"])))


def _removed(prunable: Prunable, jobs: int, logs: int) -> Iterator[str]:
    if prunable.runs:
        told = f"{count(len(prunable.runs), 'run')} with {count(jobs, 'job')}"
        yield f"removed {told} and {count(logs, 'log')}"
    else:
        yield "nothing to remove"
    if prunable.wrote:
        which = clean(", ".join(prunable.wrote))
        yield f"kept {which}: what they wrote is there still"
    if prunable.goes_on:
        yield f"kept {clean(', '.join(prunable.goes_on))}: no end is on record"


def _remove_logs(folder: Path, sessions: Iterable[str]) -> int:
    """Remove the logs of sessions; how many there were."""
    removed = 0
    for session in sessions:
        for file in folder.glob(f"{glob.escape(session)}-*.log"):
            with suppress(OSError):  # somebody else is at it
                file.unlink()
                removed += 1
    return removed


def _about(run: RunRow, about: About) -> dict[str, Any]:
    process = {"pid": run.pid, "host": run.host}
    return {
        "process": process if run.pid is not None else None,
        "command": about.command,
        "commit": about.commit_id,
        "digest": about.digest,
        "environment": _document(about.environment),
        "config": _document(about.config),
    }


def _job(job: JobRow) -> dict[str, Any]:
    log = {"file": job.log, "start": job.log_start, "end": job.log_end}
    return {
        "task": job.task,
        "status": job.status,
        "attempts": job.attempts,
        "started": None if job.started is None else _iso(job.started),
        "seconds": None if job.seconds is None else round(job.seconds, 6),
        "worker": job.worker,
        "reason": job.reason,
        "failure": _failure(job),
        "log": log if job.log is not None else None,
    }


def _failure(job: JobRow) -> dict[str, str] | None:
    """The failure of a job; its code stands before the message."""
    if job.failure is None:
        return None
    code, _, message = job.failure.partition(" ")
    type_, traceback = job.failure_type or "", job.traceback or ""
    return {"code": code, "type": type_, "message": message, "traceback": traceback}


def _environment(about: About) -> dict[str, str]:
    found = _document(about.environment)
    return found if isinstance(found, dict) else {}


def _document(text: str | None) -> Any:
    """What was recorded as JSON; None where nothing was, or it is damaged."""
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def _name(record: dict[str, Any]) -> str:
    of = "" if record["name"] == record["scenario"] else f" of {record['scenario']}"
    return f"{record['name']}{of}"


def _took(record: dict[str, Any]) -> str:
    if record["seconds"] is not None:
        return duration(record["seconds"])
    if record["status"] == "RUNNING":
        return f"{duration(max(time() - _seconds(record['started']), 0.0))} so far"
    return ""


def _place(counted: tuple[str, int]) -> int:
    """Where the number of jobs of a status is told."""
    return list(_COLORS).index(counted[0]) if counted[0] in _COLORS else len(_COLORS)


def _counts(by_status: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {status.lower()}" for status, number in by_status.items())


def _seconds(started: str) -> float:
    return datetime.fromisoformat(started).timestamp()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _note(text: str, common: Common) -> None:
    """Tell what is no answer."""
    if not common.quiet:
        print(clean(text), file=sys.stderr)


def _print(document: dict[str, Any]) -> None:
    print(json.dumps(document, indent=1))
