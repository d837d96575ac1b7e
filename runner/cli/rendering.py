"""Diagnostics and errors, as people and programs read them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from runner import __version__
from runner.cli.style import Paint, clean, painter, width
from runner.diagnostics import Diagnostic, Place, Position, Related, Severity
from runner.errors import RunnerError

MOST_SHOWN: Final = 50
LINE_WIDTH: Final = 110
"""Of a line of source; a longer one is cut around its mark."""
TEXT_WIDTH: Final = 400
"""Of a message or a label, which may hold a name of any length."""

Source = Callable[[str], str | None]
"""The text of a file by the name it is shown under."""

_SECRETS: Final = (
    re.compile(
        r"""
        ((?:password|secret|token|access_key)[\w-]{0,64}["']?\s*=\s*)
        (?! ["'] ENV\[\w+\] (?: :\w+ )? ["'] )
        ( \"{3}.*?(?:\"{3}|$) | '{3}.*?(?:'{3}|$) | "(?:\\.|[^"\\])*"? | '[^']*'?
        | \[[^\]]* | [^\s,\]}\#]+ )
        """,
        re.VERBOSE | re.IGNORECASE,
    ),
    re.compile(r"""(://)([^\s"'/@]+)(?=@)"""),
)
"""Before and what of a line that holds a secret: after a password-like key, and before a host."""
_COLORS: Final[Mapping[Severity, str]] = {Severity.ERROR: "red", Severity.WARNING: "yellow"}
_DECLARED: Final = " is declared here"


def render_human(diagnostic: Diagnostic, source: Source, paint: Paint) -> str:
    """A diagnostic with the lines it is about."""
    color = _COLORS[diagnostic.severity]
    head = paint(f"{diagnostic.severity}[{diagnostic.code}]", fg=color, bold=True)
    lines = [f"{head}: {paint(_cut(clean(diagnostic.message)), bold=True)}"]
    place = diagnostic.place
    defined = [each.place for each in diagnostic.related if each.place and not each.message]
    gutter = _gutter([place, *defined] if place is not None else defined, source)
    bar = f"{' ' * gutter} {paint('|', fg='blue')}"
    if place is not None:
        shown = _line(source(place.file), place.start.line)
        lines.append(f"{' ' * gutter}{paint('-->', fg='blue')} {_at(place)}")
        if shown is not None and not (diagnostic.on_key and len(diagnostic.related) > 1):
            label = _cut(clean(diagnostic.label or ""))
            lines += [bar, *_excerpt(shown, place, label, paint, color, gutter)]
    for other in defined:
        lines += [bar, *_defined_at(other, source, paint, gutter)]
    notes = [f"{' ' * gutter} {paint('=', fg='blue')} {note}" for note in _notes(diagnostic)]
    has_excerpt = len(lines) > 2
    if defined or (notes and has_excerpt):
        lines.append(bar)
    return "\n".join([*lines, *notes])


def render_concise(diagnostic: Diagnostic) -> str:
    """A diagnostic on one line."""
    where = f"{_at(diagnostic.place)}: " if diagnostic.place is not None else ""
    hint = f" ({clean(diagnostic.hint)})" if diagnostic.hint else ""
    head = f"{diagnostic.severity}[{diagnostic.code}]"
    return f"{where}{head}: {clean(diagnostic.message)}{hint}".replace("\n", " ")


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as the JSON formats have it."""
    place = diagnostic.place
    return {
        "code": diagnostic.code,
        "slug": diagnostic.slug,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "key": list(diagnostic.key),
        "file": place.file if place else None,
        "start": _position(place.start) if place else None,
        "end": _position(place.end) if place else None,
        "related": [
            {
                "file": related.place.file,
                **_position(related.place.start),
                "message": related.message or "defined here",
            }
            for related in diagnostic.related
            if related.place is not None
        ],
    }


def show_diagnostics(
    diagnostics: Sequence[Diagnostic], source: Source, *, color: str = "auto"
) -> None:
    """Print diagnostics on stderr, as errors of a command that cannot go on."""
    paint = painter(sys.stderr, color)
    for diagnostic in diagnostics[:MOST_SHOWN]:
        print(render_human(diagnostic, source, paint) + "\n", file=sys.stderr)
    if len(diagnostics) > MOST_SHOWN:
        print(f"... and {len(diagnostics) - MOST_SHOWN:,} more\n", file=sys.stderr)


def show_error(error: RunnerError) -> None:
    """Print an error that is not about a place in the config."""
    print(render_error(error, painter(sys.stderr)), file=sys.stderr)


def render_error(error: RunnerError, paint: Paint) -> str:
    code = f"[{error.code}]" if error.code else ""
    head = paint(f"error{code}", fg="red", bold=True)
    lines = [f"{head}: {paint(clean(str(error)), bold=True)}"]
    if error.hint:
        lines.append(f"  {paint('=', fg='blue')} help: {clean(error.hint)}")
    return "\n".join(lines)


def show_bug(error: Exception, arguments: Iterable[str]) -> None:
    """Print that runner itself has failed, and write the details where they can be sent from."""
    import tempfile
    import traceback

    details = "".join(traceback.format_exception(error))
    paint = painter(sys.stderr)
    print(
        f"{paint('error[RUN901]', fg='red', bold=True)}: internal error: "
        f"{type(error).__name__}: {clean(str(error))}",
        file=sys.stderr,
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w",
            prefix="runner-",
            suffix=".txt",
            delete=False,
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            command = _without_secrets(" ".join(arguments))
            file.write(f"runner {__version__}, Python {sys.version}\nrunner {command}\n\n{details}")
    except OSError:
        print(details, file=sys.stderr)
    else:
        print(f"  = this is a bug of runner; its details are in {file.name}", file=sys.stderr)


def file_source(source: Source) -> Source:
    """The same, and for files it does not know, what they say."""
    known: dict[str, str | None] = {}

    def find(name: str) -> str | None:
        if name not in known:
            known[name] = source(name)
            if known[name] is None:
                known[name] = _read(name)
        return known[name]

    return find


def _read(name: str) -> str | None:
    try:
        with open(name, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - text in, text out
            return file.read()
    except (OSError, ValueError):
        return None


def _position(position: Position) -> dict[str, int]:
    return {"line": position.line, "column": position.column}


def _at(place: Place) -> str:
    if place.file.startswith("--set "):
        return clean(place.file)
    return f"{clean(place.file)}:{place.start.line}:{place.start.column}"


def _line(text: str | None, number: int) -> str | None:
    if text is None:
        return None
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else None


def _gutter(places: Iterable[Place], source: Source) -> int:
    """Columns that the numbers of the lines that are shown need."""
    shown = [each for each in places if _line(source(each.file), each.start.line) is not None]
    return max((len(str(each.start.line)) for each in shown), default=2)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_WIDTH else f"{text[: TEXT_WIDTH - 3]}..."


def _excerpt(
    line: str, place: Place, label: str, paint: Paint, color: str, gutter: int
) -> list[str]:
    """The line under its number, with its mark."""
    line = _without_secrets(line)
    start = place.start.column - 1
    end = place.end.column - 1 if place.end.line == place.start.line else len(line)
    line, start, end = _window(line, start, max(end, start + 1))
    before, marked, after = (_shown(part) for part in (line[:start], line[start:end], line[end:]))
    bar = paint("|", fg="blue")
    mark = paint(f"{'^' * max(width(marked), 1)} {label}".rstrip(), fg=color, bold=True)
    number = str(place.start.line).rjust(gutter)
    return [
        f"{paint(number, fg='blue')} {bar} {before}{marked}{after}".rstrip(),
        f"{' ' * gutter} {bar} {' ' * width(before)}{mark}",
    ]


def _without_secrets(line: str) -> str:
    """The line with stars for what a password-like key is given; every column stays."""
    for pattern in _SECRETS:
        line = pattern.sub(lambda found: f"{found[1]}{'*' * len(found[2])}", line)
    return line


def _window(line: str, start: int, end: int) -> tuple[str, int, int]:
    """A long line, cut so that its mark can be seen."""
    if len(line) <= LINE_WIDTH:
        return line, start, end
    end = min(end, start + LINE_WIDTH // 2)
    first = max(0, min(start - LINE_WIDTH // 3, len(line) - LINE_WIDTH))
    last = first + LINE_WIDTH
    head, tail = ("..." if first else ""), ("..." if last < len(line) else "")
    shift = len(head) - first
    return head + line[first:last] + tail, start + shift, end + shift


def _shown(text: str) -> str:
    return clean(text).replace("\t", "    ")


def _defined_at(place: Place, source: Source, paint: Paint, gutter: int) -> list[str]:
    bar = paint("|", fg="blue")
    lines = [f"{' ' * gutter}{paint(':::', fg='blue')} {_at(place)}"]
    line = _line(source(place.file), place.start.line)
    if line is None:
        return lines
    number = str(place.start.line).rjust(gutter)
    shown = _shown(_window(line, 0, 1)[0])
    return [*lines, f"{' ' * gutter} {bar}", f"{paint(number, fg='blue')} {bar} {shown}"]


def _notes(diagnostic: Diagnostic) -> Iterator[str]:
    related = [each for each in diagnostic.related if each.message and each.place is not None]
    hint = clean(diagnostic.hint) if diagnostic.hint else ""
    declared = [each for each in related if each.message.endswith(_DECLARED)]
    if hint and len(declared) == 1:
        related.remove(declared[0])
        assert declared[0].place is not None
        stop = "" if hint.endswith("?") else "."
        hint = f"{hint}{stop} It is declared at {_at(declared[0].place)}"
    if hint:
        yield f"help: {hint}"
    for each in related:
        yield f"note: {_with_place(each)}"


def _with_place(related: Related) -> str:
    assert related.place is not None
    head, comma, tail = clean(related.message).partition(",")
    return f"{head} ({_at(related.place)}){comma}{tail}"
