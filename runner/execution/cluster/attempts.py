"""Which worker has which job, as far as the one who hands them out knows; no clock, no broker.

A job that is handed out is an attempt, which has a number of its own. Only the latest attempt of a
job counts: whatever an earlier one says or does is too late. An attempt is lost when its worker has
been silent for the lease, as far as we could have heard it; or when the broker gives the message
that named it to a second worker and the first has said nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from runner.execution.worker import Call

MOST_LOSSES: Final = 3
"""How often a job may take its worker with it, or lose it, before it counts as failed."""


@attrs.define(eq=False)
class Attempt:
    """One time that a job was handed out.

    Attributes:
        call: the job.
        number: of the attempt; no two of a run have the same.
        sent: when it was handed out, in the seconds of whatever clock is used.
        heard: when its worker was last heard of; None: it has not begun.
        worker: who has begun it.
    """

    call: Call
    number: int
    sent: float
    heard: float | None = None
    worker: str = ""


class Attempts:
    """The attempts that count, and how often jobs were lost. Times are given by the caller."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._current: dict[tuple[int, int], Attempt] = {}
        self._losses: dict[tuple[int, int], int] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._current)

    def __iter__(self) -> Iterator[Attempt]:
        return iter(self._current.values())

    def begin(self, call: Call, now: float) -> Attempt:
        """Hand a job out; an earlier attempt of it does not count from here on."""
        self._number += 1
        attempt = Attempt(call, self._number, now)
        self._current[call.work, call.job] = attempt
        return attempt

    def find(self, work: int, job: int, number: int) -> Attempt | None:
        """The attempt of that number, if it counts."""
        attempt = self._current.get((work, job))
        return attempt if attempt is not None and attempt.number == number else None

    def of(self, call: Call) -> Attempt | None:
        """The attempt of a job that counts; None: it is not handed out."""
        return self._current.get((call.work, call.job))

    def hear(self, attempt: Attempt, worker: str, now: float) -> None:
        """Its worker lives."""
        attempt.heard = now
        attempt.worker = worker

    def suspect(self, attempt: Attempt, now: float) -> None:
        """Somebody may have begun it without our hearing of it: from here on the lease runs."""
        if attempt.heard is None:
            attempt.heard = now

    def end(self, attempt: Attempt) -> None:
        """It counts no longer: its outcome is known, or wanted by nobody."""
        self._current.pop((attempt.call.work, attempt.call.job), None)

    def leave(self, work: int) -> None:
        """A submission is over."""
        self._current = {key: each for key, each in self._current.items() if key[0] != work}
        self._losses = {key: each for key, each in self._losses.items() if key[0] != work}

    def lose(self, attempt: Attempt) -> bool:
        """Its worker is gone; whether that has happened to its job too often."""
        self.end(attempt)
        key = (attempt.call.work, attempt.call.job)
        self._losses[key] = times = self._losses.get(key, 0) + 1
        return times >= MOST_LOSSES

    def silent(self, now: float) -> list[Attempt]:
        """Those that have begun, and whose workers have been silent for the lease."""
        return [
            each
            for each in self._current.values()
            if each.heard is not None and now - each.heard > self._lease
        ]

    def waiting(self, now: float, patience: float) -> list[Attempt]:
        """Those that nobody has begun for so many seconds."""
        return [
            each
            for each in self._current.values()
            if each.heard is None and now - each.sent > patience
        ]

    def excuse(self, now: float) -> None:
        """Nothing could be heard until now: all silence begins anew."""
        for each in self._current.values():
            each.sent = max(each.sent, now)
            if each.heard is not None:
                each.heard = max(each.heard, now)
