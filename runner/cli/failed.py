"""What the user's code has raised, as the terminal shows it."""

from __future__ import annotations

import sys
from pathlib import Path

from runner.cli.style import Paint, clean
from runner.execution.failures import Failure


def show_failure(failure: Failure, head: str, paint: Paint, *, full: bool = False) -> None:
    """Print on stderr why the user's code failed, and where.

    Args:
        failure: why.
        head: in one line.
        paint: for stderr.
        full: whether its traceback is shown, be it of one frame.
    """
    label = paint(f"error[{failure.code}]", fg="red", bold=True)
    print(f"\n{label}: {paint(clean(head), bold=True)}", file=sys.stderr)
    bar = paint("|", fg="blue")
    if failure.file:
        gutter = " " * len(str(failure.line))
        place = f"{near(failure.file)}:{failure.line} in {failure.function}"
        print(f"{gutter}{paint('-->', fg='blue')} {place}", file=sys.stderr)
        if failure.source:
            print(f"{gutter} {bar}", file=sys.stderr)
            number = paint(str(failure.line), fg="blue")
            print(f"{number} {bar}     {clean(failure.source)}", file=sys.stderr)
            print(f"{gutter} {bar}", file=sys.stderr)
    if failure.traceback and (full or failure.traceback.count("  File ") > 1):
        print(clean(failure.traceback.rstrip()), file=sys.stderr)
    if failure.hint:
        show_note("help", failure.hint, paint)


def show_note(word: str, text: str, paint: Paint) -> None:
    """Print on stderr what belongs to the failure above it."""
    print(f"  {paint('=', fg='blue')} {word}: {clean(text)}".rstrip(), file=sys.stderr)


def near(file: str) -> str:
    """A path as the reader would write it here."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
