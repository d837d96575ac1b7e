"""What the one who hands jobs out and the workers say to each other, as plain data.

Each message is one JSON object; `kind` says which. Names of tasks and data nodes are those of a
config that both sides have read for themselves: no function, no path and no value is ever named.
Whatever does not fit is refused.

    to workers, by the queue of jobs
    jobs     what the jobs belong to, the versions, and of each job its task, number, attempt and
             what its settings and its code are, as digests

    to a worker, by a queue of its own, whose name it tells when it asks
    kept     attempts that count, and when that was asked

    to workers, by the exchange that all hear
    who      tell who you are, and how much of a session is left
    dropped  to one or to all: attempts that do not count: end them
    over     a submission, or a whole session; nothing of it counts any more

    from workers, by the queue of results
    here     who a worker is, and how much it has to do
    begun    attempts that it has taken, and when; asks whether they count
    alive    attempts that it still has
    doubt    attempts of which it does not know whether they count, and when it asks
    did      how attempts ended
    bounced  attempts that the broker had given to a worker before, and which are not run
    refused  attempts that it cannot run, and why
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, Final, TypeAlias

import attrs

import runner
from runner.data.storage import Mark
from runner.execution.cluster.sealing import ForgedError
from runner.execution.failures import Failure

PROTOCOL: Final = 1
_LONGEST_NAME: Final = 255  # bytes of AMQP's short texts

Attempted: TypeAlias = tuple[int, str, int]
"""The number of a submission, a task and the number of an attempt."""


_KINDS: Final[Mapping[Any, tuple[type, ...]]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "str | None": (str, NoneType),
}
"""What a field may hold, by its annotation."""


@attrs.frozen
class Versions:
    """What both sides have to have in common."""

    protocol: int
    runner: str
    python: str

    @classmethod
    def here(cls) -> Versions:
        major, minor, _ = platform.python_version_tuple()
        return cls(PROTOCOL, runner.__version__, f"{major}.{minor}")

    def __str__(self) -> str:
        return f"runner {self.runner}, Python {self.python}, protocol {self.protocol}"


@attrs.frozen
class Owner:
    """What the jobs of a message belong to.

    Attributes:
        session: of the one who hands them out; results go to the queue of that name.
        work: the number of the submission, in that session.
        scenario: the id of its config.
        name: of the scenario.
        created: when it was made; ISO 8601.
        full: whether failures tell the frames of runner too.
    """

    session: str
    work: int
    scenario: str
    name: str
    created: str
    full: bool


@attrs.frozen
class Job:
    """A job that is handed out.

    Attributes:
        task: its task.
        attempt: the number of the attempt.
        settings: digest of what the config says of it.
        code: digest of its function's code; empty where nobody can tell.
    """

    task: str
    attempt: int
    settings: str
    code: str


@attrs.frozen
class Ended:
    """How an attempt ended.

    Attributes:
        task, attempt: which.
        started: seconds since 1970, UTC, by the worker's clock.
        seconds: how long it took.
        failure: None: it has written its outputs.
        marks: of each output what was written, where anybody can tell.
        printed: what it printed, of much only the beginning and the end.
    """

    task: str
    attempt: int
    started: float
    seconds: float
    failure: Failure | None
    marks: tuple[Mark | None, ...]
    printed: str


def jobs_message(owner: Owner, jobs: Sequence[Job]) -> dict[str, Any]:
    return {
        "kind": "jobs",
        "versions": attrs.astuple(Versions.here(), recurse=False),
        "owner": attrs.asdict(owner),
        "jobs": [attrs.astuple(each, recurse=False) for each in jobs],
    }


def read_jobs(body: Mapping[str, Any]) -> tuple[Versions, Owner, list[Job]]:
    """What `jobs_message` said.

    Raises:
        ForgedError: it is something else.
    """
    if body.get("kind") != "jobs":
        raise ForgedError("it is no message that gives jobs")
    found: tuple[Versions, Owner, list[Job]] = _read(
        lambda: (
            Versions(*_typed(body["versions"], int, str, str)),
            Owner(**_fields(Owner, body["owner"])),
            [Job(*_typed(each, str, int, str, str)) for each in body["jobs"]],
        )
    )
    if not found[2]:
        raise ForgedError("it gives no jobs")
    return found


def ended_message(work: int, ended: Sequence[Ended]) -> dict[str, Any]:
    return {"kind": "did", "work": work, "ended": [_plain(each) for each in ended]}


def read_ended(body: Mapping[str, Any]) -> tuple[int, list[Ended]]:
    """What `ended_message` said.

    Raises:
        ForgedError: it is something else.
    """
    found: tuple[int, list[Ended]] = _read(
        lambda: (*_typed([body["work"]], int), [_ended(*each) for each in body["ended"]])
    )
    return found


def read_attempts(body: Mapping[str, Any]) -> list[Attempted]:
    """The attempts that a message is about.

    Raises:
        ForgedError: it is about something else.
    """
    found: list[Attempted] = _read(lambda: [_attempted(*each) for each in body["attempts"]])
    return found


def read_versions(body: Mapping[str, Any]) -> Versions:
    """The versions that a message tells of.

    Raises:
        ForgedError: it tells of something else.
    """
    found: Versions = _read(lambda: Versions(*_typed(body["versions"], int, str, str)))
    return found


def read_failure(body: Mapping[str, Any]) -> Failure:
    """The failure that a message tells of.

    Raises:
        ForgedError: it tells of something else.
    """
    found: Failure = _read(lambda: Failure(**_fields(Failure, body["failure"])))
    return found


def read_reply(body: Mapping[str, Any]) -> str:
    """The queue in which an answer to a message is awaited.

    Raises:
        ForgedError: it names none.
    """
    found: str = _read(lambda: _queue(*_typed([body["reply"]], str)))
    return found


def read_part(body: Mapping[str, Any], name: str, *kinds: type) -> Any:
    """What a message says of something, which is of one of these types.

    Raises:
        ForgedError: it is not, or is not said.
    """
    value = body.get(name)
    if type(value) not in kinds:
        raise ForgedError(f"it is no message of ours: `{name}` is of another type")
    return value


def _queue(name: str) -> str:
    if len(name.encode()) > _LONGEST_NAME:
        raise ValueError("no queue has a name of that length")
    return name


def _attempted(work: int, task: str, attempt: int) -> Attempted:
    _typed((work, task, attempt), int, str, int)
    return work, task, attempt


def _plain(ended: Ended) -> list[Any]:
    failure = None if ended.failure is None else attrs.asdict(ended.failure)
    marks = [each and [*each] for each in ended.marks]
    return [
        ended.task, ended.attempt, ended.started, ended.seconds, failure, marks, ended.printed,
    ]  # fmt: skip


def _ended(
    task: str,
    attempt: int,
    started: float,
    seconds: float,
    failure: Mapping[str, Any] | None,
    marks: Sequence[Sequence[Any] | None],
    printed: str,
) -> Ended:
    _typed((task, attempt, started, seconds, printed), str, int, float, float, str)
    return Ended(
        task,
        attempt,
        started,
        seconds,
        None if failure is None else Failure(**_fields(Failure, failure)),
        tuple([None if each is None else _mark(*each) for each in marks]),
        printed,
    )


def _mark(fingerprint: str, stamp: str, size: int, rows: int | None) -> Mark:
    _typed((fingerprint, stamp, size, 0 if rows is None else rows), str, str, int, int)
    return Mark(fingerprint, stamp, size, rows)


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ForgedError(f"it is no message of ours: {error}") from None


def _typed(values: Sequence[Any], *types: type) -> list[Any]:
    if len(values) != len(types):
        raise ValueError("it has other parts")
    for value, kind in zip(values, types, strict=True):
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}")
    return [*values]


def _fields(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a class of plain fields; none is missing, and none unknown."""
    kinds = {field.name: _KINDS[field.type] for field in attrs.fields(cls)}
    if set(values) != set(kinds):
        raise ValueError("it has other parts")
    for name, value in values.items():
        if type(value) not in kinds[name]:
            raise TypeError(f"{name} is of another type")
    return dict(values)
