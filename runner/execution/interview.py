"""What a process is started for that imports functions and tells of each what it takes.

What it imports may print, read, exit, crash or hang. So it has no input, what it prints goes
where errors go, and answers have a way of their own: a line of JSON each, in the order of the
questions, after one that says that it has begun. The one who asked ends the process; it ends
itself where one answer takes too long.
"""

from __future__ import annotations

import faulthandler
import json
import os
import reprlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from runner.config.references import FunctionRef
from runner.execution.failures import import_failure
from runner.execution.importing import UserCodeError, importable, load, not_imported
from runner.functions.objects import signature_of
from runner.functions.signatures import Signature
from runner.suggestions import did_you_mean


def interview(request: Mapping[str, Any]) -> None:
    """Answer a request.

    Args:
        request: `names` of functions, the `application_path`, and `limit`: seconds for each.
    """
    answers = _way_of_answers()
    _tell("ready", answers)
    failed: dict[str, Mapping[str, Any]] = {}
    with importable(Path(request["application_path"])):
        for name in request["names"]:
            module = name.rpartition(".")[0]
            faulthandler.dump_traceback_later(request["limit"], exit=True, file=2)
            answer = failed[module] if module in failed else _answer(name)
            faulthandler.cancel_dump_traceback_later()
            if answer.get("code") == "RUN301":  # a module is not tried twice
                failed[module] = answer
            _tell(answer, answers)


def _way_of_answers() -> TextIO:
    """What was stdout, where from now on nobody else writes."""
    faulthandler.enable(file=2)
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return answers


def _tell(answer: object, answers: TextIO) -> None:
    answers.write(f"{json.dumps(answer)}\n")
    answers.flush()


def _answer(name: str) -> Mapping[str, Any]:
    try:
        found = load(FunctionRef(name))
    except UserCodeError as error:
        return _refusal(error)
    except KeyboardInterrupt as error:  # of the module: this process gets none
        return _refusal(not_imported(FunctionRef(name), import_failure(error, "RUN301")))
    kind = "class" if isinstance(found, type) else "function"
    return {"kind": kind, "signature": _plain(_signature(found))}


def _refusal(error: UserCodeError) -> Mapping[str, Any]:
    failure = error.failure
    why = ": ".join(filter(None, (failure.type, failure.message)))
    if isinstance(error.__cause__, SystemExit):
        status = error.__cause__.code
        why = f"its module called sys.exit({'' if status is None else reprlib.repr(status)})"
    return {
        "code": failure.code,
        "why": why,
        "hint": _meant(error.__context__),
        "file": failure.file,
        "line": failure.line,
    }


def _meant(error: BaseException | None) -> str | None:
    """A hint where something has no attribute of a name, but one of a name that is near."""
    if not isinstance(error, AttributeError) or error.name is None:
        return None
    try:
        return did_you_mean(error.name, map(str, dir(error.obj)))
    except Exception:  # noqa: BLE001 - the user's __dir__ raises anything
        return None


def _signature(found: Any) -> Signature | None:
    try:
        return signature_of(found)
    except Exception:  # noqa: BLE001 - the user's __signature__ raises anything
        return None


def _plain(signature: Signature | None) -> Mapping[str, Any] | None:
    if signature is None:
        return None
    return {
        "positional": [[each.name, each.has_default] for each in signature.positional],
        "var_positional": signature.var_positional,
        "keyword_only_required": list(signature.keyword_only_required),
    }


def main() -> None:
    """Answer the request on stdin, with the search path that it gives."""
    interview(json.loads(sys.stdin.buffer.read()))
    # Not by returning: threads and exit handlers of what was imported are nobody's concern.
    os._exit(0)
