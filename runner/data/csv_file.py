"""Data nodes of storage type `csv`: a table, as text, in one file."""

from __future__ import annotations

import csv
import functools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TextIO

import attrs

from runner.config.options import CsvOptions
from runner.config.references import FunctionRef
from runner.data import tables
from runner.data.files import NodeFile, StagedFile, is_utf8, reading_encoding
from runner.data.storage import Mark, Opening
from runner.data.tables import Table

_LONGEST_CELL: Final = 2**31 - 1  # the csv module stops at 128 KiB unless told otherwise
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,307}")
_NUMBER: Final = re.compile(
    r"-?(0|[1-9][0-9]{0,307})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?|nan|-?inf", re.ASCII
)
_TRUTHS: Final = {"True": True, "False": False}


@attrs.frozen
class CsvFile:
    """A table, with a line of column names unless `has_header` is false.

    What is read depends on `exposed_type`:

    - `pandas`, `numpy`, `polars`: as these libraries read a csv by themselves.
    - `records`: a dict a row, by the standard library alone. An empty cell is None. A column
      becomes int, float or bool where each of its cells is written as Python writes such a value,
      else it stays text: a column with `007` or `1,5` in it is text. Without a header the keys
      are numbers from 0, as pandas has them.
    - a class: it is called once a row, with the row as keyword arguments, without a header as
      positional ones.

    What is written may be any table that `runner.data.tables` knows, whatever the exposed type.
    The index of a DataFrame is not written, as in Taipy: `reset_index()` makes it a column.

    A file without a byte is an error, as a truncated one; one empty line is an empty table.
    """

    opening: Opening
    options: CsvOptions
    file: NodeFile

    def exists(self) -> bool:
        return self.file.exists()

    def mark(self, known: Mark | None = None) -> Mark | None:
        return self.file.mark(known)

    def read(self) -> Any:
        read = self._reader()
        with self.file.reading():
            return read()

    def stage(self, value: Any) -> StagedFile:
        file = self.file
        with file.writing():  # cells are the user's, and so is their __str__
            write, rows = self._writer(value)
            return file.stage_text(lambda opened: _fill(opened, write), self.options.encoding, rows)

    def delete(self) -> None:
        self.file.delete()

    def _reader(self) -> Callable[[], Any]:
        exposed = self.options.exposed_type
        if isinstance(exposed, FunctionRef):
            return functools.partial(self._read_instances, self.opening.load(exposed))
        match exposed:
            case "pandas":
                return self._read_pandas
            case "numpy":
                return lambda: self._read_pandas().to_numpy()
            case "polars":
                return self._read_polars
        return lambda: self._read_table().records()

    def _read_pandas(self) -> Any:
        pandas = tables.import_library(self.file.node, "pandas")
        try:
            return pandas.read_csv(
                self.file.path,
                encoding=self.options.encoding,
                header=0 if self.options.has_header else None,
            )
        except pandas.errors.EmptyDataError:
            _refuse_no_bytes(self.file.path)
            return pandas.DataFrame()

    def _read_polars(self) -> Any:
        polars = tables.import_library(self.file.node, "polars")
        if not self.options.has_header and self._is_one_empty_line():
            return polars.DataFrame()  # polars makes a row of it
        source: str | bytes = self.file.path
        if not is_utf8(self.options.encoding):
            with self._open() as opened:
                source = opened.read().encode()
        try:
            return polars.read_csv(source, has_header=self.options.has_header)
        except polars.exceptions.NoDataError:
            _refuse_no_bytes(self.file.path)
            return polars.DataFrame()

    def _is_one_empty_line(self) -> bool:
        with self._open() as opened:
            return opened.read(3) in ("\n", "\r\n")

    def _read_instances(self, row_class: Callable[..., Any]) -> list[Any]:
        table = self._read_table()
        if self.options.has_header:
            return [row_class(**record) for record in table.records()]
        return [row_class(*row) for row in table.rows]

    def _read_table(self) -> Table:
        _refuse_no_bytes(self.file.path)
        with self._open() as opened:
            return parse(opened, has_header=self.options.has_header)

    def _open(self) -> TextIO:
        encoding = reading_encoding(self.options.encoding)
        return open(self.file.path, encoding=encoding, newline="")  # noqa: PTH123 - a path is text here

    def _writer(self, value: Any) -> tuple[Callable[[TextIO], object], int]:
        """What writes the value, and the number of its rows.

        Whatever is no table is refused before a file is opened.
        """
        has_header = self.options.has_header
        if tables.is_polars(value):
            frame = value.to_frame() if hasattr(value, "to_frame") else value
            return lambda file: file.write(frame.write_csv(include_header=has_header)), len(frame)
        if tables.is_array_like(value):
            frame = tables.as_frame(value, self.file.node)
            options = {"index": False, "header": has_header, "lineterminator": "\n"}
            return lambda file: frame.to_csv(file, **options), len(frame)
        table = tables.tabulate(value)
        return functools.partial(render, table, has_header=has_header), len(table.rows)


def open_csv(opening: Opening) -> CsvFile:
    options = opening.options
    assert isinstance(options, CsvOptions)
    return CsvFile(opening, options, NodeFile.of(opening))


def parse(lines: Iterable[str], *, has_header: bool) -> Table:
    """Read csv text, line by line, into a table of typed columns.

    Raises:
        ValueError: a row is longer than the first one, or a column name is there twice.
        csv.Error: the text is no csv.
    """
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(lines, strict=True)
    rows = [row for row in reader if row]
    width = len(rows[0]) if rows else 0
    header: Sequence[Any] = rows.pop(0) if has_header and rows else range(width)
    tables.refuse_same_names(header)
    for number, row in enumerate(rows, 1):
        if len(row) > width:
            raise ValueError(f"row {number} has {len(row)} cells, not {width}")
        if len(row) < width:
            row.extend([""] * (width - len(row)))
    columns = [typed([row[index] for row in rows]) for index in range(width)] if rows else []
    return Table(tuple(header), list(zip(*columns, strict=True)))


def typed(cells: Sequence[str]) -> Sequence[Any]:
    """The values of one column: bool, int or float where all cells are such, else text."""
    filled = [cell for cell in cells if cell]
    convert: Callable[[str], Any]
    if all(cell in _TRUTHS for cell in filled):
        convert = _TRUTHS.__getitem__
    elif all(map(_INTEGER.fullmatch, filled)):
        convert = int
    elif all(map(_NUMBER.fullmatch, filled)):
        convert = float
    else:
        convert = str
    return [convert(cell) if cell else None for cell in cells]


def render(table: Table, file: TextIO, *, has_header: bool) -> None:
    """Write a table as csv text."""
    # With "\n" as its own end of line the csv module of Python 3.11 leaves a "\r" unquoted.
    rows = csv.writer(_Unixed(file), lineterminator="\r\n")
    if has_header:
        rows.writerow(table.columns)
    rows.writerows(table.rows)


@attrs.frozen
class _Unixed:
    """Ends lines, which the csv module writes one at a time, with a line feed alone."""

    file: TextIO

    def write(self, line: str) -> None:
        self.file.write(f"{line[:-2]}\n")


def _fill(file: TextIO, write: Callable[[TextIO], object]) -> None:
    """Write a table, and at least one line, which tells an empty table from a truncated file."""
    write(file)
    if file.tell() == 0:
        file.write("\n")


def _refuse_no_bytes(path: str) -> None:
    if os.stat(path).st_size == 0:  # noqa: PTH116 - a path is text here
        raise ValueError("the file is empty")
