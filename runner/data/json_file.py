"""Data nodes of storage type `json`: what JSON can say, in one file made to be read by people."""

from __future__ import annotations

import json
from typing import Any

import attrs

from runner.config.options import JsonOptions
from runner.data.files import NodeFile, StagedFile, reading_encoding
from runner.data.locate import culprit
from runner.data.storage import Mark, Opening, no_value, read_failed, reason
from runner.errors import JobError


@attrs.frozen
class JsonFile:
    """A JSON document, indented by two, keys in their own order.

    `nan` and `inf` are written as Python's json does. A tuple comes back as a list, and a key that
    is no text as text: that is all JSON has.
    """

    opening: Opening
    options: JsonOptions
    file: NodeFile

    def exists(self) -> bool:
        return self.file.exists()

    def mark(self, known: Mark | None = None) -> Mark | None:
        return self.file.mark(known)

    def read(self) -> Any:
        file = self.file
        decoder = self._class("decoder")
        try:
            with open(file.path, encoding=reading_encoding(self.options.encoding)) as opened:  # noqa: PTH123 - a Path costs as much
                return json.load(opened, cls=decoder)
        except FileNotFoundError:
            raise no_value(file.node, f"no file {file.path}") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}: {error.msg}"
            raise read_failed(file.node, file.path, where) from error
        except Exception as error:  # a decoder is the user's and raises anything
            raise read_failed(file.node, file.path, reason(error)) from error

    def stage(self, value: Any) -> StagedFile:
        encoder = self._class("encoder")

        def serialise(part: Any) -> bytes:
            text = json.dumps(part, cls=encoder, indent=2, ensure_ascii=False)
            return f"{text}\n".encode(self.options.encoding)

        try:
            data = serialise(value)
        except Exception as error:  # an encoder is the user's and raises anything
            path, part = culprit(value, serialise)
            raise _not_json(self.file.node, path, part, error) from error
        return self.file.stage_bytes(data)

    def delete(self) -> None:
        self.file.delete()

    def _class(self, key: str) -> Any:
        reference = getattr(self.options, key)
        return None if reference is None else self.opening.load(reference)


def open_json(opening: Opening) -> JsonFile:
    assert isinstance(opening.options, JsonOptions)
    return JsonFile(opening, opening.options, NodeFile.of(opening))


def _not_json(node: str, path: str, part: Any, error: Exception) -> JobError:
    return JobError(
        f"data node `{node}` cannot be written: `{path}` is a `{type(part).__name__}`, "
        f"which does not go into JSON: {reason(error)}",
        code="RUN606",
        hint="`encoder` names a subclass of json.JSONEncoder that knows what to make of it",
    )
