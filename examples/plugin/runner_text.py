"""Data nodes of storage type `text`: one text, or its lines, in a file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs

from runner.storages import (
    FileOptions,
    JobError,
    Mark,
    NodeFile,
    Opening,
    StagedFile,
    StorageType,
    no_value,
    read_failed,
    reason,
    write_failed,
)


@attrs.frozen(kw_only=True)
class TextOptions(FileOptions):
    """A text file.

    Attributes:
        encoding: of the file.
        unit: what a task gets and gives: the whole `text`, or a list of its `lines`.
    """

    extension: ClassVar[str] = "txt"

    encoding: str = "utf-8"
    unit: str = attrs.field(default="text", metadata={"choices": ("text", "lines")})


@attrs.frozen
class TextFile:
    """A text as it is; of lines, each ends with a line feed in the file and with none outside."""

    file: NodeFile
    options: TextOptions

    def exists(self) -> bool:
        return self.file.exists()

    def mark(self, known: Mark | None = None) -> Mark | None:
        return self.file.mark(known)

    def read(self) -> str | list[str]:
        file = self.file
        try:
            text = Path(file.path).read_bytes().decode(self.options.encoding)
        except FileNotFoundError:
            raise no_value(file.node, f"no file {file.path}") from None
        except (OSError, ValueError) as error:
            raise read_failed(file.node, file.path, reason(error)) from error
        return text.splitlines() if self.options.unit == "lines" else text

    def stage(self, value: object) -> StagedFile:
        try:
            text = self._joined(value).encode(self.options.encoding)
        except (TypeError, ValueError) as error:
            message = f"data node `{self.file.node}` cannot be written: {reason(error)}"
            raise JobError(message, code="RUN606") from error
        return self.file.stage_bytes(text)

    def delete(self) -> None:
        try:
            Path(self.file.path).unlink(missing_ok=True)
        except OSError as error:
            raise write_failed(self.file.node, self.file.path, reason(error)) from error

    def _joined(self, value: object) -> str:
        if self.options.unit == "text":
            return _text(value, "result")
        if not isinstance(value, list | tuple):
            raise TypeError(f"`result` is a `{type(value).__name__}`, expected a list of str")
        return "".join(f"{_text(line, f'result[{n}]')}\n" for n, line in enumerate(value))


def open_text(opening: Opening) -> TextFile:
    assert isinstance(opening.options, TextOptions)
    return TextFile(NodeFile.of(opening), opening.options)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"`{name}` is a `{type(value).__name__}`, expected str")
    return value


STORAGE_TYPE = StorageType(options=TextOptions, open="runner_text:open_text")
