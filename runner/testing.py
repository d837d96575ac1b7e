"""What every storage promises, as a check for packages that bring one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runner.errors import JobError


def check_storage(opened: Callable[[], Any], first: Any, second: Any) -> None:
    """Write, read and delete a data node, and see that its storage does as `Storage` says.

    Args:
        opened: opens the data node anew at each call; it has no value yet.
        first: a value that is read as it was written.
        second: another one.

    Raises:
        AssertionError: it breaks a promise, and which.
    """
    _check_nothing_is_there(opened())
    _check_staging(opened, first)
    _check_writing(opened, first, second)
    _check_marks(opened, first, second)
    opened().delete()
    _check_nothing_is_there(opened())
    opened().delete()


def _check_nothing_is_there(storage: Any) -> None:
    _see(storage.exists() is False, "`exists` is not False where there is no value")
    _see(storage.mark() is None, "`mark` is not None where there is no value")
    code = None
    try:
        storage.read()
    except JobError as error:
        code = error.code
    _see(code is not None, "`read` gives something where there is no value")
    _see(code == "RUN604", f"`read` of nothing raises {code}, not RUN604")


def _check_staging(opened: Callable[[], Any], value: Any) -> None:
    staged = opened().stage(value)
    _see(not opened().exists(), "what is only staged is seen")
    staged.discard()
    _see(not opened().exists(), "what was discarded is seen")


def _check_writing(opened: Callable[[], Any], first: Any, second: Any) -> None:
    staged = opened().stage(first)
    staged.commit()
    staged.discard()
    _see(opened().exists(), "`exists` is False after a commit, and a discard that was too late")
    _see(opened().read() == first, "`read` gives something else than was written")
    opened().stage(second).discard()
    _see(opened().read() == first, "a discard changed what was there before")
    opened().stage(second).commit()
    _see(opened().read() == second, "the last commit does not count")


def _check_marks(opened: Callable[[], Any], first: Any, second: Any) -> None:
    fingerprints = []
    for value in (first, second, first):
        staged = opened().stage(value)
        mark = staged.mark
        staged.commit()
        _see(opened().mark() == mark, "`mark` differs from that of what was staged")
        _see(opened().mark(mark) == mark, "`mark` differs where nothing has changed")
        fingerprints.append(None if mark is None else mark.fingerprint)
    one, other, again = fingerprints
    _see(one == again, "the same value has two fingerprints")
    _see(one is None or one != other, "two values have one fingerprint")


def _see(kept: bool, otherwise: str) -> None:  # noqa: FBT001 - as `assert` has it, which -O drops
    if not kept:
        raise AssertionError(otherwise)
