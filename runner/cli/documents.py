"""A run as JSON: one document when it is over, or an event a line while it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TextIO

from runner.core import Submission
from runner.execution.failures import Failure
from runner.execution.jobs import JobEnd
from runner.plan.model import ExecutionPlan


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
        self._lock = Lock()
        self._write({"format": "runner.events", "version": 1})

    def of(self, plan: ExecutionPlan) -> RunEvents:
        """What happens in the run of one plan."""
        return RunEvents(self, plan)

    def over(self, submission: Submission) -> None:
        self.event("run_ended", **_run(submission))

    def event(self, event: str, /, **values: Any) -> None:
        self._write({"event": event, "time": datetime.now(UTC).isoformat(), **values})

    def _write(self, document: dict[str, Any]) -> None:
        with self._lock:
            print(json.dumps(document), file=self._answer, flush=True)


class RunEvents:
    """The events of one run, each of which names it."""

    def __init__(self, events: Events, plan: ExecutionPlan) -> None:
        self._events = events
        self._plan = plan
        self._run = ""

    def begun(self, submission: Submission) -> None:
        plan = self._plan
        self._run = submission.id
        jobs = [job.task.id for job in plan.jobs]
        about = {"run": self._run, "scenario": plan.scenario, "name": plan.name}
        self._events.event("run_started", **about, mode=plan.mode.value, tasks=jobs)

    def started(self, task: str, attempt: int) -> None:
        self._events.event("job_started", run=self._run, task=task, attempt=attempt)

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:
        told = {"attempt": attempt, "delay": delay, "failure": _failure(failure)}
        self._events.event("job_retrying", run=self._run, task=task, **told)

    def ended(self, job: JobEnd) -> None:
        self._events.event("job_ended", run=self._run, **_job(job))

    def told(self, text: str) -> None:
        self._events.event("note", run=self._run, text=text)


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
        "worker": job.worker,
        "failure": None if job.failure is None else _failure(job.failure),
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {name: getattr(failure, name) for name in ("code", "type", "message", "traceback")}
