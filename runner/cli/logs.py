"""`runner logs`: what the jobs of a run printed."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

import attrs
import click

from runner.cli.history import History, config_options, fate, opened_history
from runner.cli.options import Common
from runner.cli.rendering import show_error
from runner.cli.style import Paint, clean, painter
from runner.cli.watching import Watch
from runner.config.model import Mode
from runner.config.secrets import mask_of
from runner.errors import ExitCode, SetupError, UsageError
from runner.masks import Mask
from runner.store.logs import FOLDER, Slice, read, slice_of, tail, whole_lines
from runner.store.store import JobRow, RunRow
from runner.store.trimming import where_now


@click.command(name="logs", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", required=False)
@click.argument("task", required=False)
@config_options
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Of each job the last lines.")
@click.option("--follow", is_flag=True, help="Go on with what comes until the run has ended.")
def command(
    common: Common, run: str | None, task: str | None, tail: int | None, follow: bool
) -> int:
    r"""Show what the jobs of a run printed; without RUN, of the latest.

    With TASK it is the bare text of that job. Control characters are written out, as in \x1b, on
    a terminal and elsewhere; -v tells which bytes of which file hold them as they were.

    With --follow, what a job is printing shows up under the worker that runs it: all jobs of one
    process share these. With TASK too, it shows up as soon as the job has ended.
    """
    with opened_history(common) as history:
        found = _find(history, run)
        if task is not None:
            history.check_task(found, task)
        printed = Printed(painter(sys.stdout, common.color), mask_of(history.config))
        logs = Logs(history, found, common, tail, printed)
        if found.mode == Mode.DEVELOPMENT.value:
            logs.note(
                f"run {found.id} is of development mode: "
                "its jobs print where runner itself runs, and no log is kept"
            )
            return ExitCode.DONE
        if task is not None:
            return logs.show_task(task, follow=follow)
        return logs.follow() if follow and fate(found) is None else logs.show()


def _find(history: History, run: str | None) -> RunRow:
    """The run that is meant.

    Raises:
        UsageError: there is none.
    """
    try:
        return history.store.run(run)
    except UsageError as error:
        if run not in history.config.tasks:
            raise
        latest = history.store.run().id
        raise UsageError(f"{error}", hint=f"for a task: runner logs {latest} {run}") from None


@attrs.define
class Logs:
    """Shows what the jobs of a run printed.

    Attributes:
        history: what has run.
        run: which run.
        common: how much is told, and in which colours.
        tail: how many lines of each job; None: all.
        printed: where it goes.
    """

    history: History
    run: RunRow
    common: Common
    tail: int | None
    printed: Printed

    def note(self, text: str) -> None:
        """Tell what is no answer."""
        if not self.common.quiet:
            print(clean(text), file=sys.stderr, flush=True)

    def show_task(self, task: str, *, follow: bool) -> int:
        """The text of one job, as soon as it is there."""
        with self._watch() if follow else nullcontext() as watch:
            while True:
                over = self._fate()  # asked first: what comes between it and the next is found
                job = self.history.store.job(self.run.id, task)
                if job is not None:
                    return self._show_bare(job)
                if over is not None:
                    self.note(f"`{task}` has no end on record: {over}")
                    return ExitCode.DONE
                if watch is None:
                    self.note(f"`{task}` has not ended yet; --follow waits for it")
                    return ExitCode.DONE
                watch.wait()

    def show(self) -> int:
        """The texts of all jobs that printed something."""
        over = self._fate()
        code = self._show_jobs(self.history.store.jobs(self.run.id))
        self.printed.end_line()
        if over is None:
            self.note(f"run {self.run.id} has not ended yet; --follow goes on with it")
        elif self.run.is_running:
            self.note(over)
        elif not self.printed.heading:
            self.note(f"no job of run {self.run.id} printed anything")
        return code

    def follow(self) -> int:
        """The same, and then what the workers of the run print until it has ended."""
        session = self.run.session or ""
        with self._watch() as watch:
            begun = self.history.store.logged(session)
            shown = dict(begun)
            jobs = self.history.store.jobs(self.run.id)
            code = self._show_jobs([job for job in jobs if _is_within(job, begun)])
            over = None
            while over is None:
                over = self._fate()
                for worker, file in _workers(self.history.folder / FOLDER, session):
                    first = begun.get(file.name, 0)
                    start = shown.get(file.name, first)
                    new = _new(file, start, first, all_=over is not None)
                    shown[file.name] = new.end
                    self._show_new(worker, new)
                self.printed.flush()
                if over is None:
                    watch.wait()
        self.printed.end_line()
        self.note(over)
        return code

    def _watch(self) -> Watch:
        folders = (self.history.folder, self.history.folder / FOLDER)
        with suppress(OSError):  # without it, the watch only looks again
            folders[1].mkdir(mode=0o700, exist_ok=True)
        process = self.run.process
        is_here = process is not None and process.is_alive()
        return Watch(folders, self.run.pid if is_here else None)

    def _fate(self) -> str | None:
        self.run = self.history.store.run(self.run.id)
        return fate(self.run)

    def _show_jobs(self, jobs: Iterable[JobRow]) -> int:
        code = ExitCode.DONE
        for job in jobs:
            part = slice_of(job, self.history.folder)
            if part is not None:
                self.printed.head(f"== {job.task} ({job.status})")
                try:
                    self._show(part)
                except SetupError as error:  # of one job; the others have theirs
                    show_error(error)
                    code = ExitCode.ENVIRONMENT
        return code

    def _show_bare(self, job: JobRow) -> int:
        part = slice_of(job, self.history.folder)
        if part is not None:
            self._show(part)
        elif job.started is None:
            self.note(f"`{job.task}` did not run: {job.status}")
        else:
            self.note(f"`{job.task}` printed nothing")
        return ExitCode.DONE

    def _show_new(self, worker: int, part: Slice) -> None:
        if part.start < part.end:
            self.printed.head(f"== worker process {worker}")
            with suppress(SetupError):  # it is trimmed: the next look finds where to go on
                self.printed.write(read(part))

    def _show(self, part: Slice) -> None:
        if self.common.verbose:
            self.note(f"read {part.file}, bytes {part.start} to {part.end}")
        self.printed.write(read(part if self.tail is None else tail(part, self.tail)))


class Printed:
    """Text on stdout, without control characters and secrets, under headings.

    Workers take secrets out of their logs when a job has ended; what is shown before has some yet.

    Attributes:
        heading: the last one.
    """

    def __init__(self, paint: Paint, mask: Mask) -> None:
        self.heading = ""
        self._mask = mask
        self._paint = paint
        self._ends_line = True

    def head(self, heading: str) -> None:
        """What comes is under this heading; it is not told twice in a row."""
        if heading == self.heading:
            return
        self.end_line()
        sys.stdout.write(f"{self._paint(clean(heading), bold=True)}\n")
        self.heading = heading

    def write(self, pieces: Iterable[str]) -> None:
        for text in pieces:
            lines = self._mask.text(text).split("\n")
            sys.stdout.write("\n".join(map(clean, lines)))  # most lines need no cleaning
            self._ends_line = text.endswith("\n")

    def end_line(self) -> None:
        """What comes is on a line of its own."""
        if not self._ends_line:
            sys.stdout.write("\n")
            self._ends_line = True

    def flush(self) -> None:
        sys.stdout.flush()


def _workers(folder: Path, session: str) -> Iterator[tuple[int, Path]]:
    """The logs of a session, by the numbers of the processes that write them."""
    found = []
    for file in folder.glob(f"{glob.escape(session)}-*.log"):
        number = file.stem.removeprefix(f"{session}-")
        if number.isdecimal():
            found.append((int(number), file))
    return iter(sorted(found))


def _new(file: Path, start: int, begun: int, *, all_: bool) -> Slice:
    """The lines that a worker has completed since; at the end also one that it has not."""
    try:
        with file.open("rb") as log:
            start = where_now(log, start, begun)
            part = Slice(file, start, max(start, log.seek(0, os.SEEK_END)))
        return part if all_ else whole_lines(part)
    except (FileNotFoundError, SetupError):  # it was empty, and its worker has ended
        return Slice(file, start, start)


def _is_within(job: JobRow, shown: Mapping[str, int]) -> bool:
    """Whether what it printed is in the part of its log that is shown as that of jobs."""
    return job.log is None or (job.log_end or 0) <= shown.get(job.log, 0)
