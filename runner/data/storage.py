"""What reads and writes one data node: the protocol, and how several are written as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias, runtime_checkable

import attrs

from runner.config.options import StorageOptions
from runner.config.references import FunctionRef
from runner.errors import JobError


class Mark(NamedTuple):
    """What tells one content of a data node from another.

    Attributes:
        fingerprint: of the content: 32 hexadecimal digits.
        stamp: of the file, `inode:size:mtime_ns`: as long as it stays, so does the content.
        size: in bytes.
        rows: of a table; None: it is none.
    """

    fingerprint: str
    stamp: str
    size: int
    rows: int | None = None


class Staged(Protocol):
    """A value that is ready but not yet seen by any reader.

    It ends with `commit` or with `discard`; after a commit that raised, `discard` is still due,
    and after one that did not, it does nothing.

    Attributes:
        sure: whether nothing but the machine can make `commit` fail, as with a rename. False
            where another party may still refuse: a database its constraints, S3 the request, the
            user's write function anything. `write_all` commits those first.
        mark: of what it is, at the latest once it is committed; None where nobody can tell.
    """

    sure: ClassVar[bool]

    @property
    def mark(self) -> Mark | None: ...

    def commit(self) -> None:
        """Let readers see it, in one step where the place has one."""

    def discard(self) -> None:
        """Forget it; what readers saw before stays. Never raises."""


class Storage(Protocol):
    """Reads and writes one data node. Holds nothing open between two calls.

    A job stages all its outputs before it commits the first, so that a failing write leaves every
    data node as it was. Staging therefore does all that can fail by the value itself (copying,
    serialising, making rows), and takes nothing that a second output of the same job could wait
    for: a database's transaction begins and ends in `commit`.

    Whatever goes wrong is a `JobError` that names the data node: RUN604 for a read, RUN605 for a
    write, RUN606 for a value that cannot be serialised, RUN402 for a library that is missing.
    """

    def exists(self) -> bool:
        """Whether there is a value to read, asked without reading it.

        True where only reading could tell: a query, the user's own read function.
        """

    def mark(self, known: Mark | None = None) -> Mark | None:
        """What is there now; None: nothing is, or nobody can tell.

        Args:
            known: what was there before; where its stamp still holds, nothing is read.
        """

    def read(self) -> Any:
        """The value, the reader's own: changing it changes nothing for anybody else."""

    def stage(self, value: Any) -> Staged:
        """Make the value ready where no reader looks."""

    def delete(self) -> None:
        """Remove the value: `exists` is then False. Does nothing where there is none.

        Raises:
            JobError: RUN605, also where only the user could tell how, as with a query.
        """


@runtime_checkable
class Appending(Protocol):
    """What a storage has beside the rest whose values can be added to, as a table's rows."""

    def stage_append(self, value: Any) -> Staged:
        """As `stage`, for a value that is added to the one that is there."""


@attrs.frozen(kw_only=True)
class Opening:
    """What a storage is opened with.

    Attributes:
        node: the data node's id, for messages.
        options: the storage type's own keys.
        key: names this data node among all of the storage folder: `scenarios/monthly/raw`.
        path: its file, absolute, for SQLite that of the database; None for what is not a file.
        memory: the values of in_memory data nodes by key; lives as long as the run.
        load: the object that a reference names; importing it is the caller's affair.
        durable: whether a write survives power loss (`[CORE] durability = "power"`).
    """

    node: str
    options: StorageOptions
    key: str
    path: Path | None = None
    memory: MutableMapping[str, Any]
    load: Callable[[FunctionRef], Any]
    durable: bool = False


def write_all(
    writes: Iterable[tuple[Storage, Any]], permit: Callable[[], None] = lambda: None
) -> list[Mark | None]:
    """Write several values: none is committed before all are staged, the unsure ones first.

    Args:
        writes: where to, and what.
        permit: is called before the first commit; raises where none may be.

    Returns:
        Of each what was written.

    Raises:
        JobError: of the first that failed. As long as no commit has succeeded, every data node is
            as it was.
    """
    staged: list[Staged] = []
    due = staged
    try:
        for storage, value in writes:
            staged.append(storage.stage(value))
        due = sorted(staged, key=attrgetter("sure"))
        permit()
        while due:
            due[0].commit()
            del due[0]
    except BaseException:
        for each in due:
            each.discard()
        raise
    return [each.mark for each in staged]


Failed: TypeAlias = Callable[[str, str, str], JobError]
"""Makes an error of a data node's id, a place, and what went wrong there."""


def no_value(node: str, why: str, hint: str | None = None) -> JobError:
    """RUN604, of a read where nothing was ever written."""
    return JobError(f"data node `{node}` has no value yet: {why}", code="RUN604", hint=hint)


def read_failed(node: str, place: str, why: str) -> JobError:
    """RUN604, of a read of what is there."""
    return JobError(f"data node `{node}`: {place} cannot be read: {why}", code="RUN604")


def write_failed(node: str, place: str, why: str) -> JobError:
    """RUN605, of a write for a reason that is not the value."""
    return JobError(f"data node `{node}`: {place} cannot be written: {why}", code="RUN605")


def delete_failed(node: str, place: str, why: str) -> JobError:
    return JobError(f"data node `{node}`: {place} cannot be removed: {why}", code="RUN605")


def reason(error: BaseException) -> str:
    """What an exception says, in one line, with its type where the words alone may not do."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    kind = type(error)
    text = str(error).partition("\n")[0]
    if text and kind in (TypeError, ValueError):
        return text
    return f"{kind.__name__}: {text}" if text else kind.__name__
