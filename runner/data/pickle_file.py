"""Data nodes of storage type `pickle`: any value, in one file."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, Final

import attrs

from runner.data.files import NodeFile, StagedFile
from runner.data.locate import culprit
from runner.data.storage import Mark, Opening, no_value, read_failed, reason
from runner.data.tables import count_rows
from runner.errors import JobError

_PROTOCOL: Final = 5  # not the highest: a newer Python's file is read by an older one


@attrs.frozen
class PickleFile:
    """A pickle of protocol 5.

    What pickle cannot name (a lambda, a closure, a class of `__main__` in a worker) is pickled by
    value, by cloudpickle.
    """

    file: NodeFile

    def exists(self) -> bool:
        return self.file.exists()

    def mark(self, known: Mark | None = None) -> Mark | None:
        return self.file.mark(known)

    def read(self) -> Any:
        file = self.file
        try:
            opened = open(file.path, "rb")  # noqa: PTH123, SIM115 - a Path costs as much; closed below
        except FileNotFoundError:
            raise no_value(file.node, f"no file {file.path}") from None
        except OSError as error:
            raise read_failed(file.node, file.path, reason(error)) from error
        try:
            with opened:
                return pickle.load(opened)  # by the bytes, a large value would be there twice
        except Exception as error:  # a damaged pickle, like the user's own classes, raises anything
            raise read_failed(file.node, file.path, reason(error)) from error

    def stage(self, value: Any) -> StagedFile:
        try:
            data = _serialise(value)
        except Exception as error:  # the user's __reduce__ raises anything
            raise not_picklable(self.file.node, value, error) from error
        return self.file.stage_bytes(data, count_rows(value))

    def delete(self) -> None:
        self.file.delete()


def open_pickle(opening: Opening) -> PickleFile:
    return PickleFile(NodeFile.of(opening))


def _serialise(value: Any) -> bytes:
    try:
        return pickle.dumps(value, _PROTOCOL)
    except Exception:  # noqa: BLE001 - whatever it is, cloudpickle gets its turn
        import cloudpickle

        data: bytes = cloudpickle.dumps(value, _PROTOCOL)
        return data


def not_picklable(
    node: str, value: Any, error: Exception, pickled: Callable[[Any], object] = _serialise
) -> JobError:
    """RUN606, naming the part of a value that does not pickle.

    Args:
        node: where it was to be written.
        value: it.
        error: what pickling it raised.
        pickled: how it was pickled; tried on the parts.
    """
    path, part = culprit(value, pickled)
    return JobError(
        f"data node `{node}` cannot be written: `{path}` is a `{type(part).__name__}`, "
        f"which does not pickle: {reason(error)}",
        code="RUN606",
    )
