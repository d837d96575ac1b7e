"""A run as JSON: one document when it is over, or an event a line while it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from runner.core import Submission
from runner.execution.failures import Failure
from runner.execution.orchestrator import JobEnd


def runs_document(submissions: Sequence[Submission]) -> dict[str, Any]:
    """How runs ended: `runner.run` of one, `runner.runs` of several."""
    documents = [{**_run(each), "jobs": list(map(_job, each.jobs))} for each in submissions]
    if len(documents) == 1:
        return {"format": "runner.run", "version": 1, **documents[0]}
    return {"format": "runner.runs", "version": 1, "runs": documents}


class Events:
    """Writes what happens, an event a line; the first line says the format and its version.

    Each event has its name and the time, ISO 8601 in UTC.
    """

    def __init__(self, answer: TextIO) -> None:
        self._answer = answer
        self._write({"format": "runner.events", "version": 1})

    def begun(self, submission: Submission) -> None:
        plan = submission.plan
        jobs = [job.task.id for job in plan.jobs]
        about = {"run": submission.id, "scenario": plan.scenario, "name": plan.name}
        self._event("run_started", **about, mode=plan.mode.value, tasks=jobs)

    def started(self, task: str, attempt: int) -> None:
        self._event("job_started", task=task, attempt=attempt)

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        told = {"attempt": attempt, "delay": delay, "failure": _failure(failure)}
        self._event("job_retrying", task=task, **told)

    def ended(self, job: JobEnd) -> None:
        self._event("job_ended", **_job(job))

    def over(self, submission: Submission) -> None:
        self._event("run_ended", **_run(submission))

    def _event(self, event: str, /, **values: Any) -> None:
        self._write({"event": event, "time": datetime.now(UTC).isoformat(), **values})

    def _write(self, document: dict[str, Any]) -> None:
        print(json.dumps(document), file=self._answer, flush=True)


def _run(submission: Submission) -> dict[str, Any]:
    return {
        "run": submission.id,
        "scenario": submission.plan.scenario,
        "name": submission.plan.name,
        "status": submission.status.value,
        "seconds": round(submission.seconds, 6),
    }


def _job(job: JobEnd) -> dict[str, Any]:
    return {
        "task": job.task,
        "status": job.status.value,
        "attempts": job.attempts,
        "seconds": None if job.seconds is None else round(job.seconds, 6),
        "worker": None,
        "failure": None if job.failure is None else _failure(job.failure),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {name: getattr(failure, name) for name in ("code", "type", "message", "traceback")}
