"""What the runner and a worker say to each other: frames of plain data over a socket.

A frame is the length of its body in four bytes, little-endian, and the body: a tuple as `marshal`
writes it, which can carry numbers, text, bytes, tuples, lists and dicts and nothing else. Both
sides are the same interpreter. The first of each tuple says what it is:

    runner to worker
    session  application path, log file, folders of values on disk and in memory, secrets that no
             log keeps
    enter    a submission: its number, that of its blueprint, functions, all frames or not, and
             whether its calls ask before they commit
    learn    a blueprint: its number, and what it says
    first    all frames or not, and the data nodes whose default data is to be written
    answer   until when the call that has asked may commit, and others that have not: pairs of its
             number and a moment of the monotonic clock; 0: it may not
    calls    calls: number, submission, job, whether it needs the one before, values from memory,
             until when it may commit; 0: it has to ask, where its submission's calls do
    leave    a submission that is over
    forget   a blueprint

    worker to runner
    entered  a submission; why it cannot be run, or None
    first    why it was not written, or None; the values of those that are in memory
    did      outcomes, each as bytes of `marshal`
    may      the number of a call that asks whether it may commit, and waits
    retire   the process has been changed by its job and ends itself
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Any, Final

import attrs

from runner.execution.failures import Failure
from runner.execution.values import Encoded

SESSION, LEARN, ENTER, FIRST, CALLS, LEAVE, FORGET, ANSWER = range(8)
ENTERED, FIRST_DONE, DID, RETIRE, MAY = range(8, 13)

HERE: Final[Encoded] = ((), ())
"""Stands for the value of an input that a call before it in the same message makes."""

_LENGTH: Final = Struct("<I")
_VERSION: Final = 2  # the last one without references, which nothing here has


def frame(*message: Any) -> bytes:
    """A message as it is sent."""
    body = marshal.dumps(message, _VERSION)
    return _LENGTH.pack(len(body)) + body


def frames(received: bytearray) -> Iterator[Any]:
    """The messages that have arrived whole; they are taken out of what was received."""
    start = 0
    while len(received) - start >= _LENGTH.size:
        body = start + _LENGTH.size
        end = body + _LENGTH.unpack_from(received, start)[0]
        if end > len(received):
            break
        yield marshal.loads(memoryview(received)[body:end])
        start = end
    if start:
        del received[:start]


def packed(outcome: tuple[Any, ...]) -> bytes:
    return marshal.dumps(outcome, _VERSION)


def unpacked(outcome: bytes) -> Any:
    return marshal.loads(outcome)


def plain_failure(failure: Failure) -> tuple[Any, ...]:
    return attrs.astuple(failure)


def failure_from(plain: Iterable[Any]) -> Failure:
    names = [field.name for field in attrs.fields(Failure)]
    return Failure(**dict(zip(names, plain, strict=True)))
