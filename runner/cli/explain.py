"""`runner explain`: what a code means, with a bad and a good example."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import click

from runner.checker.codes.pages import Page, page_of
from runner.checker.severity import known_code
from runner.cli.options import OneOf
from runner.cli.style import Paint, painter
from runner.diagnostics import CODES, Severity
from runner.errors import ExitCode, UsageError

_COLORS: Final[Mapping[Severity, str]] = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_ALL: Final = "runner explain --list has all"
_FENCE: Final = re.compile(r"```\w+ (\S+)")
"""The first line of an example that is a file."""


@click.command(name="explain", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="[CODE]...")
@click.option("--list", "list_", is_flag=True, help="A line for each code; without any, for all.")
@click.option(
    "--format",
    "format_",
    type=OneOf(["human", "json"]),
    default="human",
    show_default=True,
    help="How it is told.",
)
@click.option(
    "--color",
    type=OneOf(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether output is coloured.",
)
def command(names: tuple[str, ...], list_: bool, format_: str, color: str) -> int:
    """Tell what a code means, why it matters and how it is mended.

    CODE is one like RUN201, or its slug: unknown-data-node.
    """
    pages = [page_of(code) for code in _codes(names, list_=list_)]
    if format_ == "json":
        print(_json(pages, list_=list_))
    elif list_:
        print("\n".join(_lines(pages, painter(sys.stdout, color))))
    else:
        print("\n\n".join(_shown(page, painter(sys.stdout, color)) for page in pages))
    return ExitCode.DONE


def _codes(names: Sequence[str], *, list_: bool) -> Iterable[str]:
    if not names and not list_:
        raise UsageError("name a code, for example RUN201", hint=_ALL)
    return dict.fromkeys(known_code(name, advice=_ALL) for name in names) or CODES


def _json(pages: Iterable[Page], *, list_: bool) -> str:
    document = {
        "format": "runner.explain",
        "version": 1,
        "codes": [_record(page, list_=list_) for page in pages],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _record(page: Page, *, list_: bool) -> dict[str, Any]:
    slug, severity = CODES[page.code]
    record = {"code": page.code, "slug": slug, "severity": severity, "meaning": page.meaning}
    return record if list_ else {**record, "page": page.text}


def _lines(pages: Sequence[Page], paint: Paint) -> Iterator[str]:
    widest = max(len(CODES[page.code].slug) for page in pages)
    for page in pages:
        slug, severity = CODES[page.code]
        told = paint(severity.ljust(7), fg=_COLORS[severity])
        yield f"{paint(page.code, bold=True)}  {slug.ljust(widest)}  {told}  {page.meaning}"


def _shown(page: Page, paint: Paint) -> str:
    """The page without the marks of Markdown; examples are indented under their file."""
    severity = CODES[page.code].severity
    lines = [f"{paint(page.title, bold=True)} ({paint(severity, fg=_COLORS[severity])})"]
    in_example = False
    for line in page.text.splitlines()[1:]:
        if line.startswith("```"):
            in_example = not in_example
            named = _FENCE.match(line)
            lines += [f"  {paint(named[1], fg='blue')}"] if named else []
        elif in_example:
            lines.append(f"    {line}".rstrip())
        else:
            lines.append(paint(line[3:], bold=True) if line.startswith("## ") else line)
    return "\n".join(lines)
