"""Why a job failed, as plain data: what crosses a process, is recorded and is shown."""

from __future__ import annotations

import importlib
import os
import traceback
from types import TracebackType
from typing import Final

import attrs

import runner
from runner.errors import JobError
from runner.masks import Mask

_OURS: Final = os.path.join(os.path.dirname(os.path.abspath(runner.__file__)), "")  # noqa: PTH100, PTH118, PTH120 - frames carry text
_STANDARD: Final = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")  # noqa: PTH100, PTH118, PTH120 - as above
_LIMIT: Final = 64 * 1024
"""Characters of a traceback that are kept, from its head and its tail."""
_UNTOLD: Final = "(its text cannot be made)"


class TaskTimeoutError(BaseException):
    """Raised in a job that ran for too long; no `except Exception` of the user's stops it."""


class InterruptedRunError(BaseException):
    """Raised in whatever runs when the user asks a second time to stop."""


def _encodable(text: str) -> str:
    """The text with escapes for what UTF-8 cannot say: parts of file names that are not text."""
    return text.encode("utf-8", "backslashreplace").decode()


@attrs.frozen(kw_only=True)
class Failure:
    """Why a job failed.

    Attributes:
        code: `RUNnnn`.
        type: the exception's class, without the module.
        message: what it says, in one line.
        traceback: as Python prints it, less the frames of runner; empty where there is none.
        file, line, function, source: where the user's code raised; empty where it did not.
        hint: advice.
    """

    code: str
    type: str
    message: str = attrs.field(converter=_encodable)
    traceback: str = attrs.field(default="", converter=_encodable)
    file: str = attrs.field(default="", converter=_encodable)
    line: int = 0
    function: str = ""
    source: str = attrs.field(default="", converter=_encodable)
    hint: str | None = None


def failure_of(error: BaseException, *, full: bool = False) -> Failure:
    """Describe what a job raised.

    Args:
        error: it; its text is made here, since it may not survive a way between processes.
        full: whether the frames of runner stay in the traceback.
    """
    if isinstance(error, JobError):
        return _of_ours(error, full=full)
    if isinstance(error, TaskTimeoutError):
        return Failure(code="RUN602", type="TaskTimeout", message=str(error))
    return _of_users(error, "RUN601", full=full)


def masked(failure: Failure, mask: Mask) -> Failure:
    """The failure without secrets in its texts."""
    if not mask:
        return failure
    return attrs.evolve(
        failure,
        message=mask.text(failure.message),
        traceback=mask.text(failure.traceback),
        source=mask.text(failure.source),
        hint=None if failure.hint is None else mask.text(failure.hint),
    )


def import_failure(error: BaseException, code: str, *, full: bool = False) -> Failure:
    """Describe what a user's module raised when it was imported."""
    return _of_users(error, code, full=full)


def bug_failure(error: BaseException) -> Failure:
    """Describe a bug of ours by which a job cannot go on."""
    return _of_users(error, "RUN901", full=True)


def _of_ours(error: JobError, *, full: bool) -> Failure:
    message, hint = str(error), error.hint
    cause = error.__cause__
    if cause is None:
        return Failure(code=error.code, type="", message=message, hint=hint)
    theirs = _of_users(cause, error.code, full=full)
    if not full and (not theirs.file or _is_installed(theirs.file)):  # nothing of the user's
        return Failure(code=error.code, type="", message=message, hint=hint)
    return attrs.evolve(theirs, type="", message=message, hint=hint)


def _of_users(error: BaseException, code: str, *, full: bool) -> Failure:
    try:
        return _described(error, code, full=full)
    except Exception:  # noqa: BLE001 - the user's class raises anything when it is looked at
        name = type.__getattribute__(type(error), "__name__")
        return Failure(code=code, type=name, message=_UNTOLD)


def _described(error: BaseException, code: str, *, full: bool) -> Failure:
    trace = error.__traceback__ if full else users_frames(error.__traceback__)
    said = traceback.TracebackException(type(error), error, trace, compact=True)
    if not full:
        _drop_ours(said)
    frame = _last_frame(said)
    return Failure(
        code=code,
        type=type(error).__name__,
        message=_message(error),
        traceback=_capped("".join(said.format())),
        file=frame.filename if frame else "",
        line=(frame.lineno or 0) if frame else 0,
        function=frame.name if frame else "",
        source=(frame.line or "") if frame else "",
    )


def users_frames(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame on that is not ours; None where all are."""
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _is_ours(file: str) -> bool:
    """Whether a frame is of runner, or of the machinery that imports the user's modules."""
    return file.startswith((_OURS, "<frozen importlib")) or file == importlib.__file__


def is_our_frame(line: str) -> bool:
    """Whether a line of what Python says where it crashes is about a frame of runner."""
    file = line.removeprefix('  File "')
    return file != line and (_is_ours(file) or file == '<string>", line 1 in <module>')


def _drop_ours(said: traceback.TracebackException) -> None:
    """Take our frames out of causes and contexts too, which have not been cut at the front."""
    waiting: list[traceback.TracebackException | None] = [said]
    while waiting:
        each = waiting.pop()
        if each is not None:
            kept = [f for f in each.stack if not _is_ours(f.filename)]
            each.stack[:] = kept
            waiting += [each.__cause__, each.__context__, *(each.exceptions or ())]


def _last_frame(said: traceback.TracebackException) -> traceback.FrameSummary | None:
    """Where it was raised: the last frame outside of installed packages, else the last of all."""
    stack = list(said.stack)
    found = [frame for frame in stack if not _is_installed(frame.filename)] or stack
    return found[-1] if found else None


def _is_installed(file: str) -> bool:
    # What was compiled by Cython has the names of files where it was made: `pandas/_libs/x.pyx`.
    is_compiled = file.endswith((".pyx", ".pxi", ".pxd"))
    return is_compiled or "site-packages" in file or file.startswith(("<", _STANDARD))


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the user's __str__ raises anything
        return _UNTOLD
    first, _, rest = text.strip().partition("\n")
    return first[:1000] + (" ..." if rest or len(first) > 1000 else "")


def _capped(text: str) -> str:
    if len(text) <= _LIMIT:
        return text
    half = _LIMIT // 2
    return f"{text[:half]}\n... {len(text) - _LIMIT:,} characters left out ...\n{text[-half:]}"
