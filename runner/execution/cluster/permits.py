"""Whether a worker may commit what a job has made: it must not when another may have the job.

The one who hands jobs out gives a job to another worker when it has not heard of this one for the
lease. So an attempt may commit when that one has said that it counts, which a worker asks for when
it begins, and from then on as long as the broker has confirmed, within a third of the lease, that
it took a sign of life of it. After a longer gap nobody here can tell: then the attempt is in doubt,
what it has staged waits, and the one who hands out is asked once more. It is not enough that the
broker takes the first sign: the message that gave the job may have been on its way for so long that
it was given to another meanwhile. No clock, no broker: times are given by the caller, from a clock
that nobody sets.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

import attrs

Answer: TypeAlias = Callable[[float], None]
"""Is called with the moment until which an attempt may commit; 0: it may not."""


@attrs.define(eq=False)
class Permit:
    """What one attempt may do.

    Attributes:
        until: when the last sign of life that the broker has confirmed is too old; at first, when
            there must have been an answer.
        is_kept: whether the one who hands out has said that it counts.
        in_doubt: whether there was a gap, and an answer is waited for.
        is_dropped: whether another has the job.
        waiting: the job that has asked.
    """

    until: float
    is_kept: bool = False
    in_doubt: bool = False
    is_dropped: bool = False
    waiting: Answer | None = None
    _answering: Lock = attrs.field(factory=Lock, init=False, repr=False)

    def confirmed(self, until: float, now: float) -> None:
        """The broker has a sign of life, which counts until then."""
        if self.is_kept and not self.lapse(now):
            self.until = until
            self._answer(now)

    def lapse(self, now: float) -> bool:
        """Whether it is in doubt, be it from now on."""
        if now > self.until:
            self.in_doubt = True
        return self.in_doubt

    def keep(self, until: float, now: float) -> None:
        """The one who hands out says that the attempt counts.

        The answer counts from when it was asked for: one that has been on its way for too long
        says nothing of today.
        """
        if now <= until:
            self.in_doubt = False
            self.is_kept = True
            self.until = until
            self._answer(now)

    def drop(self) -> None:
        """The one who hands out says that the attempt does not count."""
        self.is_dropped = True
        self._tell(0.0)

    def allowed(self, now: float) -> float:
        """Until when it may commit, as far as that is known now; 0: it has to ask."""
        is_allowed = self.is_kept and not self.is_dropped and not self.lapse(now)
        return self.until if is_allowed else 0.0

    def ask(self, answer: Answer, now: float) -> None:
        """A job wants to commit."""
        self.waiting = answer
        if self.is_dropped:
            self._tell(0.0)
        else:
            self._answer(now)

    def _answer(self, now: float) -> None:
        if self.is_kept and not self.lapse(now):
            self._tell(self.until)

    def _tell(self, until: float) -> None:
        with self._answering:  # two threads may be here, and one answer is due
            waiting, self.waiting = self.waiting, None
        if waiting is not None:
            waiting(until)
