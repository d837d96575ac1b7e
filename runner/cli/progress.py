"""What a run shows while it runs: a bar on a terminal, a line a change elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from runner.cli.options import Common
from runner.cli.style import clean, count, duration, painter, wants_color
from runner.config.model import Mode
from runner.core import Submission
from runner.execution.failures import Failure
from runner.execution.jobs import JobEnd, Observer
from runner.execution.lifecycle import JobStatus
from runner.plan.model import ExecutionPlan


class Lines:
    """One line a change, on stderr."""

    def __init__(
        self, widest: int, retries: Mapping[str, int], color: str, *, starts: bool, run: str = ""
    ) -> None:
        self._width = widest
        self._run = f"{run}: " if run else ""
        self._retries = retries
        self._paint = painter(sys.stderr, color)
        self._starts = starts

    def begun(self, text: str) -> None:
        self._say("start", text)

    def started(self, task: str, attempt: int) -> None:
        if self._starts:
            again = f"attempt {attempt}" if attempt > 1 else ""
            self._print("run", f"{task.ljust(self._width)}  {again}".rstrip())

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        wait = f", again in {duration(delay)}" if delay else ""
        attempts = f"(attempt {attempt} of {self._retries[task] + 1}{wait})"
        self._print("retry", f"{task.ljust(self._width)}  {said(failure)} {attempts}", "yellow")

    def ended(self, job: JobEnd) -> None:
        word, color, told = _WORDS[job.status]
        text = told(job)
        if job.status is JobStatus.FAILED and self._retries[job.task]:
            text += f" (attempt {job.attempts} of {self._retries[job.task] + 1})"
        self._print(word, f"{job.task.ljust(self._width)}  {text}", color)

    def told(self, text: str) -> None:
        self._print("note", clean(text), "yellow")

    def _print(self, word: str, text: str, color: str | None = None) -> None:
        self._say(word, f"{self._run}{text}", color)

    def _say(self, word: str, text: str, color: str | None = None) -> None:
        clock = f"{datetime.now():%H:%M:%S}"
        print(
            f"{clock} {self._paint(word.ljust(5), fg=color)}  {text}", file=sys.stderr, flush=True
        )


class Bar:
    """A bar, and above it what did not go well."""

    def __init__(self, progress: Any, total: int, lines: Lines) -> None:
        self._progress = progress
        self._lines = lines
        self._bar = progress.add_task("", total=total)

    def started(self, task: str, attempt: int) -> None:
        again = f" (attempt {attempt})" if attempt > 1 else ""
        self._progress.update(self._bar, description=f"{task}{again}")

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        self._lines.retrying(task, attempt, failure, delay)

    def ended(self, job: JobEnd) -> None:
        self._progress.advance(self._bar)
        if job.status is not JobStatus.COMPLETED:
            self._lines.ended(job)

    def told(self, text: str) -> None:
        self._lines.told(text)


@contextmanager
def shown_progress(
    plan: ExecutionPlan, common: Common, *, live: bool, named: bool = False
) -> Iterator[Shown]:
    """What shows the progress of a run, as long as the block lasts.

    Args:
        plan: what runs.
        common: how much is shown.
        live: whether there may be a bar.
        named: whether lines name the run, since others run beside it.
    """
    jobs = plan.jobs
    widest = min(max((len(job.task.id) for job in jobs), default=0), 40)
    retries = {job.task.id: job.task.retries for job in jobs}
    run = plan.name if named else ""
    lines = Lines(widest, retries, common.color, starts=common.verbose, run=run)
    if common.quiet:
        yield Shown((), lines)
    elif live and sys.stderr.isatty() and wants_color(sys.stderr, common.color):
        with _bar() as progress:
            yield Shown((Bar(progress, len(jobs), lines),), lines)
    else:
        yield Shown((lines,), lines)


class Shown:
    """Observers for a submission, and the line of its beginning."""

    def __init__(self, observers: tuple[Observer, ...], lines: Lines) -> None:
        self.observers = observers
        self._lines = lines

    def begun(self, submission: Submission) -> None:
        if self.observers:
            plan = submission.plan
            jobs = f"{len(plan.jobs):,} job{'' if len(plan.jobs) == 1 else 's'}"
            workers = ""
            if plan.mode is not Mode.DEVELOPMENT and submission.slots:  # else not known yet
                workers = f", {count(submission.slots, 'worker')}"
            self._lines.begun(f"run {submission.id} of {plan.name}: {jobs}, {plan.mode}{workers}")


def said(failure: Failure) -> str:
    """A failure on one line: `ValueError: negative learning rate`."""
    if failure.type and failure.message:
        return clean(f"{failure.type}: {failure.message}")
    return clean(failure.type or failure.message)


@contextmanager
def _bar() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        yield progress


def _seconds(job: JobEnd) -> str:
    return duration(job.seconds or 0.0)


_WORDS: Any = {
    JobStatus.COMPLETED: ("ok", "green", _seconds),
    JobStatus.SKIPPED: ("same", "cyan", lambda _: "up to date"),
    JobStatus.FAILED: (
        "FAIL",
        "red",
        lambda job: f"{_seconds(job)}  {said(job.failure) if job.failure else ''}",
    ),
    JobStatus.ABANDONED: (
        "skip",
        "yellow",
        lambda job: f"abandoned: {job.failure.message if job.failure else ''}",
    ),
    JobStatus.CANCELED: (
        "stop",
        "yellow",
        lambda job: f"canceled: {job.failure.message if job.failure else ''}",
    ),
}
"""How each end of a job is told: a word, its colour, the rest of the line."""
