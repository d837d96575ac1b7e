"""What jobs print, shown without secrets: as it comes, or by line with the task in front."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from threading import Lock
from typing import Any, Final, TextIO, cast

from runner.cli.style import Paint, clean, painter
from runner.execution.failures import Failure
from runner.execution.jobs import JobEnd
from runner.execution.worker import Output
from runner.masks import Mask
from runner.store.trimming import where_now

_LONGEST: Final = 1 << 16  # bytes of a line that are shown as one


class Streaming:
    """Shows what jobs print: when they end, and what `look` finds of those that run.

    Lines are shown whole; the last one of a job may have no end.
    """

    def __init__(self, logs: Path, color: str, mask: Mask) -> None:
        self._logs = logs
        self._mask = mask
        self._paint: Paint = painter(sys.stderr, color)
        self._shown: dict[tuple[str, int], int] = {}
        self._lock = Lock()

    def started(self, task: str, attempt: int) -> None:
        """Nothing is printed yet."""

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        """What it printed was shown by `look`, or belongs to no end."""

    def ended(self, job: JobEnd) -> None:
        if job.output is not None:
            with self._lock:
                self._show(job.task, job.output, whole=True)
                self._shown.pop((job.output.file, job.output.start), None)

    def told(self, text: str) -> None:
        """It is shown with the progress."""

    def look(self, running: Iterable[tuple[str, Output]]) -> None:
        """Show what running jobs have printed since."""
        with self._lock:
            for task, output in running:
                self._show(task, output, whole=False)

    def _show(self, task: str, output: Output, *, whole: bool) -> None:
        place = (output.file, output.start)
        start = self._shown.get(place, output.start)
        with (self._logs / output.file).open("rb") as file:
            start = where_now(file, start, output.start)
            file.seek(start)
            while start < output.end:
                data = file.readline(min(output.end - start, _LONGEST))
                if not data or (not whole and not data.endswith(b"\n")):
                    break
                start += len(data)
                line = self._mask.text(data.decode(errors="backslashreplace").rstrip("\n"))
                print(f"{self._paint(task, fg='cyan')} | {clean(line)}", file=sys.stderr)
        self._shown[place] = start


@contextmanager
def masked_output(mask: Mask) -> Iterator[None]:
    """Take secrets out of what Python prints in the block, on stdout and stderr.

    What a program that a job starts prints by itself goes past it.
    """
    if not mask:
        yield
        return
    out, err = (cast("TextIO", _Masked(each, mask)) for each in (sys.stdout, sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        yield


class _Masked:
    """A stream whose text is masked; all else is that of the stream itself."""

    def __init__(self, stream: TextIO, mask: Mask) -> None:
        self._stream = stream
        self._mask = mask

    def write(self, text: str) -> int:
        self._stream.write(self._mask.text(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
