"""Let mypy judge every edge of a pipeline: `runner check --types`."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from runner.checker.typed import Finding, diagnose, write_program
from runner.config.model import Config
from runner.diagnostics import Diagnostic, has_errors
from runner.errors import SetupError
from runner.functions.modules import Modules

TIME_LIMIT: Final = 300.0
"""Seconds that mypy may take."""

_MODULE: Final = "_runner_pipeline.py"
_OPTIONS: Final = (
    "--config-file=",  # only annotations count, whatever the project asks of its own code
    "--follow-imports=silent",
    "--ignore-missing-imports",
    "--namespace-packages",
    "--explicit-package-bases",
    "--no-error-summary",
    "--output=json",
    "--cache-dir=cache",
)


def type_check(
    config: Config,
    modules: Modules,
    known: Sequence[Diagnostic] = (),
    *,
    time_limit: float = TIME_LIMIT,
) -> list[Diagnostic]:
    """What mypy says of what tasks hand to each other, beyond what is known.

    Raises:
        SetupError: RUN402, mypy is not installed; or it gives no answer where nothing that is
            known may be the reason.
    """
    if importlib.util.find_spec("mypy") is None:
        hint = "install it: pip install 'toml-runner[types]'"
        raise SetupError("`--types` needs mypy, which is not installed", code="RUN402", hint=hint)
    program = write_program(config, modules)
    with tempfile.TemporaryDirectory(prefix="runner-types-") as folder:
        Path(folder, _MODULE).write_text(program.text, encoding="utf-8")
        try:
            output = _run_mypy(folder, config.application_path, time_limit)
        except SetupError:
            if has_errors(known):
                return []
            raise
    told = {(each.code, each.key) for each in known}
    found = diagnose(_findings(output), program, modules)
    return [each for each in found if (each.code, each.key) not in told]


def _run_mypy(folder: str, application_path: Path, time_limit: float) -> str:
    inherited = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    own = dict.fromkeys(str(Path(each).absolute()) for each in (str(application_path), *inherited))
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(own)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *_OPTIONS, _MODULE],
            cwd=folder,  # where no module of the user's can stand in the way of mypy's own
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(
            f"mypy has not judged the pipeline within {time_limit:g} seconds",
            hint="check without --types",
        ) from None
    if done.returncode not in {0, 1}:
        raise SetupError(
            f"mypy cannot judge the pipeline: {_reason(done)}", hint="check without --types"
        )
    return done.stdout


def _findings(output: str) -> Iterator[Finding]:
    for line in output.splitlines():
        told = json.loads(line)
        if told["severity"] == "error" and told["file"] == _MODULE:
            yield Finding(told["line"], told["code"] or "", told["message"])


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    first = next(filter(None, map(str.strip, lines)), f"it ended with exit code {done.returncode}")
    try:
        told = json.loads(first)
    except ValueError:
        return first
    return f"{told['file']}:{told['line']}: {told['message']}"
