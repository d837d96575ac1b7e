"""What functions really are, asked of a process of its own that imports them."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any, Final, Self

import attrs

from runner.config.values import quote
from runner.data.storage import reason
from runner.diagnostics import Place, Position
from runner.errors import SetupError
from runner.functions.modules import Modules
from runner.functions.signatures import Found, NotFound, Parameter, Signature

TIME_LIMIT: Final = 60.0
"""Seconds that the import of one function may take."""

_GRACE: Final = 5.0
"""Seconds within which the process ends itself, having reached the limit."""
_START: Final = 60.0
"""Seconds until the process has started."""
_MOST_KEPT: Final = 32_768
"""Bytes of what is printed."""
_PROGRAM: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop());"
    "from runner.execution.interview import main; main()"
)
_FRAME: Final = re.compile(r'^ +File "(?P<file>.+)", line (?P<line>\d+) in ', re.MULTILINE)
_LATE: Final = "Timeout ("
"""What a process says that ends itself, having reached the limit."""


@attrs.frozen
class _End:
    """How a process ended that had more to answer.

    Attributes:
        why: the end of a message.
        output: the last that was printed.
        has_begun: whether it had come to the first question.
    """

    why: str
    output: str
    has_begun: bool


def ask(
    names: Iterable[str],
    modules: Modules,
    *,
    application_path: Path,
    limit: float = TIME_LIMIT,
) -> dict[str, Found | NotFound]:
    """Import functions in another process, and tell what each is or why it is none.

    Where a module ends the process or takes too long, the others are asked again, without it.

    Args:
        names: dotted names of functions and classes.
        modules: says how files are named.
        application_path: where they are imported; heads their `sys.path`.
        limit: seconds for each.

    Raises:
        SetupError: no process can be started there.
    """
    waiting = list(dict.fromkeys(names))
    known: dict[str, Found | NotFound] = {}
    while waiting:
        request = {"names": waiting, "application_path": str(application_path), "limit": limit}
        answers, end = _interview(request, application_path, limit)
        for name, answer in zip(waiting, answers, strict=False):
            known[name] = _read(name, answer, modules)
        waiting = waiting[len(answers) :]
        if end is not None and waiting:
            blamed = _blamed(waiting, end)
            known |= {name: _ended(name, end, modules, application_path) for name in blamed}
            waiting = [name for name in waiting if name not in known]
    return known


def _blamed(waiting: Sequence[str], end: _End) -> list[str]:
    """The functions that would end the process again: those of the module that was imported."""
    if not end.has_begun:
        return list(waiting)
    module = waiting[0].rpartition(".")[0]
    return [name for name in waiting if name.rpartition(".")[0] == module]


def _interview(
    request: Mapping[str, Any], folder: Path, limit: float
) -> tuple[list[Mapping[str, Any]], _End | None]:
    """The answers that came, and how the process ended where some are missing."""
    answers: list[Mapping[str, Any]] = []
    has_begun = timed_out = False
    with _Process(folder) as process:
        process.send(request)
        try:
            has_begun = process.line(_START) is not None
            while has_begun and len(answers) < len(request["names"]):
                line = process.line(limit + _GRACE)
                if line is None:
                    break
                answers.append(json.loads(line))
        except Empty:
            timed_out = True
    if len(answers) == len(request["names"]):
        return answers, None
    timed_out = timed_out or _LATE in process.output
    why = f"its module took longer than {limit:g} s" if timed_out else _why(process.status)
    return answers, _End(why, process.output, has_begun)


class _Process:
    """The process, in a session of its own, which ends with the block and all it has started.

    Attributes:
        status: how it ended; negative: by that signal.
        output: the last that was printed in it, known at the end.
    """

    def __init__(self, folder: Path) -> None:
        path = json.dumps([os.path.abspath(entry) for entry in sys.path])  # noqa: PTH100 - text in, text out
        command = [sys.executable, "-P", "-c", _PROGRAM, path]
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, start_new_session=True
            )
        except OSError as error:
            message = f"functions cannot be imported in {folder}: {reason(error)}"
            raise SetupError(message) from None
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._printed = b""
        self._readers = [
            Thread(target=self._read_lines, args=(self._process.stdout,), daemon=True),
            Thread(target=self._read_printed, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def status(self) -> int:
        return self._process.returncode

    @property
    def output(self) -> str:
        return self._printed.decode(errors="backslashreplace")

    def send(self, request: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as stream:
            stream.write(json.dumps(request).encode())

    def line(self, patience: float) -> bytes | None:
        """The next line; None: there will be no more.

        Raises:
            Empty: there was none in so many seconds.
        """
        return self._lines.get(timeout=patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Before it is waited for, so that its number is still its own; one that has ended by
        # itself keeps its status.
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join(_GRACE)

    def _read_lines(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def _read_printed(self, stream: io.BufferedReader) -> None:
        with stream:
            while chunk := stream.read1(_MOST_KEPT):
                self._printed = (self._printed + chunk)[-_MOST_KEPT:]


def _why(status: int) -> str:
    if status >= 0:
        return f"its module ended the process (exit code {status})"
    try:
        return f"its module ended the process ({signal.Signals(-status).name})"
    except ValueError:
        return f"its module ended the process (signal {-status})"


def _read(name: str, answer: Mapping[str, Any], modules: Modules) -> Found | NotFound:
    if "kind" in answer:
        return Found(
            name=name,
            kind=answer["kind"],
            callable=True,
            signature=_signature(answer["signature"]),
        )
    return NotFound(
        code=answer["code"],
        message=f"`{name}` cannot be imported: {answer['why']}",
        hint=answer["hint"],
        place=_place(answer["file"], answer["line"], modules) if answer["file"] else None,
    )


def _signature(told: Mapping[str, Any] | None) -> Signature | None:
    if told is None:
        return None
    positional = [Parameter(name=name, has_default=default) for name, default in told["positional"]]
    return Signature(
        positional=tuple(positional),
        var_positional=told["var_positional"],
        keyword_only_required=tuple(told["keyword_only_required"]),
    )


def _ended(name: str, end: _End, modules: Modules, application_path: Path) -> NotFound:
    """Why there is no answer; where the traceback says it, with the line that was run."""
    own = f"{application_path}{os.sep}"
    frames = [each for each in _FRAME.finditer(end.output) if each["file"].startswith(own)]
    place = _place(frames[0]["file"], int(frames[0]["line"]), modules) if frames else None
    printed = end.output.strip().rpartition("\n")[2]
    return NotFound(
        code="RUN301",
        message=f"`{name}` cannot be imported: {end.why}",
        hint=f"the last it printed: {quote(printed)}" if printed and place is None else None,
        place=place,
    )


def _place(file: str, line: int, modules: Modules) -> Place:
    return Place(modules.shown(Path(file)), Position(line, 1), Position(line, 1))
