"""The thread of a cluster's worker that has the link to the broker."""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic
from typing import Final

from runner.execution.cluster.link import Confirmed, Delivery, Link

_PAUSE: Final = 1.0  # seconds after which what was not taken is told again


class Talker:
    """The thread that has the link, and what is said by others through it.

    Who says something sends it, unless the link is in use, since to wake a thread takes longer.
    """

    def __init__(self, link: Link, heard: Callable[[Delivery], None], lease: float) -> None:
        self._link = link
        self._heard = heard
        self._lease = lease
        self._using = Lock()  # the link
        self._to_say: deque[Callable[[], None]] = deque()
        self._wakes, self._waking = os.pipe()
        for descriptor in (self._wakes, self._waking):
            os.set_blocking(descriptor, False)
        self._delayed: deque[Callable[[], None]] = deque()
        self._again = 0.0
        self.is_closed = False
        self.on_beat: Callable[[], None] = lambda: None
        self._thread = Thread(target=self._run, name="talker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def say(
        self,
        text: str,
        queue: str,
        *,
        is_lasting: bool = True,
        is_wanted: bool = False,
        confirmed: Confirmed | None = None,
    ) -> None:
        """Say something; whether the broker has it is told later. For any thread."""
        self._to_say.append(
            lambda: self._link.publish(
                text, queue, is_lasting=is_lasting, is_wanted=is_wanted, confirmed=confirmed
            )
        )
        is_left = True  # for the thread to see to
        if self._using.acquire(blocking=False):
            try:
                self._say_all()
                is_left = not self._link.is_up or not self._link.patience() or bool(self._delayed)
            finally:
                self._using.release()
        if is_left:
            self.wake()

    def later(self, do: Callable[[], None]) -> None:
        """Do something in a while, by the talker's own thread, which calls this."""
        self._delayed.append(do)

    def wake(self) -> None:
        with suppress(OSError):  # full: it will end
            os.write(self._waking, b"!")

    def close(self) -> None:
        self.is_closed = True
        self.wake()
        self._thread.join()
        with self._using:
            self._link.close()

    def _run(self) -> None:
        beat = 0.0
        while not (self.is_closed and not self._to_say):
            was_up = self._link.is_up
            with self._using:
                arrived = self._link.turn()
                self._say_all()
            for delivery in arrived:
                self._heard(delivery)
            now = monotonic()
            if now >= self._again or self._link.is_up > was_up:
                self._again = now + _PAUSE
                for _ in range(len(self._delayed)):
                    self._delayed.popleft()()
            if now >= beat or self._link.is_up > was_up:
                beat = now + self._lease / 6
                self.on_beat()
            if not (self.is_closed or self._to_say):
                patience = min(self._link.patience(), beat - now)
                self._sleep(min(patience, self._again - now) if self._delayed else patience)
        while self._delayed:  # nobody waits for it to be told any more
            self._delayed.popleft()()

    def _say_all(self) -> None:
        while self._to_say:
            self._to_say.popleft()()

    def _sleep(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._wakes, select.POLLIN)
        with self._using:
            descriptor = self._link.fileno()
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
        for ready, _ in poll.poll(max(0, round(seconds * 1000 + 0.499))):
            if ready == self._wakes:
                with suppress(BlockingIOError):
                    os.read(self._wakes, 4096)
