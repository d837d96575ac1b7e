"""The life of a job, as a table."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

from runner.errors import IllegalTransitionError


class JobStatus(enum.StrEnum):
    """Where a job is in its life; ABANDONED: one that it needs did not complete."""

    __hash__ = str.__hash__  # that of Enum is Python, and every move of every job takes two

    SUBMITTED = "SUBMITTED"
    BLOCKED = "BLOCKED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    ABANDONED = "ABANDONED"


class SubmissionStatus(enum.StrEnum):
    """Where a submission is, by the statuses of its jobs."""

    SUBMITTED = "SUBMITTED"
    BLOCKED = "BLOCKED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


_S = JobStatus

NEXT: Final[Mapping[JobStatus, frozenset[JobStatus]]] = MappingProxyType(
    {
        _S.SUBMITTED: frozenset({_S.BLOCKED, _S.PENDING, _S.CANCELED}),
        _S.BLOCKED: frozenset({_S.PENDING, _S.ABANDONED, _S.CANCELED}),
        _S.PENDING: frozenset({_S.RUNNING, _S.SKIPPED, _S.CANCELED}),
        # back to PENDING: the job failed and is tried again
        _S.RUNNING: frozenset({_S.COMPLETED, _S.FAILED, _S.PENDING, _S.CANCELED}),
        _S.COMPLETED: frozenset(),
        _S.SKIPPED: frozenset(),
        _S.FAILED: frozenset(),
        _S.CANCELED: frozenset(),
        _S.ABANDONED: frozenset(),
    }
)
"""Where each status leads. A job whose status leads nowhere has ended."""

ENDED: Final = frozenset(status for status, following in NEXT.items() if not following)
DONE: Final = frozenset({_S.COMPLETED, _S.SKIPPED})
"""Its outputs are there."""


def move(status: JobStatus, to: JobStatus) -> JobStatus:
    """The new status of a job.

    Raises:
        IllegalTransitionError: its present status does not lead there.
    """
    if to not in NEXT[status]:
        raise IllegalTransitionError(f"a job cannot go from {status} to {to}")
    return to


_JUDGED: Final = (
    (_S.RUNNING, SubmissionStatus.RUNNING),
    (_S.PENDING, SubmissionStatus.PENDING),
    (_S.BLOCKED, SubmissionStatus.BLOCKED),
    (_S.SUBMITTED, SubmissionStatus.SUBMITTED),
    (_S.FAILED, SubmissionStatus.FAILED),
    (_S.CANCELED, SubmissionStatus.CANCELED),
)


def submission_status(statuses: Collection[JobStatus]) -> SubmissionStatus:
    """What the statuses of all its jobs say of a submission, the liveliest first."""
    there = set(statuses)
    if there & ENDED and there - ENDED:
        return SubmissionStatus.RUNNING
    for status, verdict in _JUDGED:
        if status in there:
            return verdict
    return SubmissionStatus.COMPLETED
