"""Data nodes of storage type `excel`: tables, as the sheets of one workbook."""

from __future__ import annotations

import datetime as dt
import decimal
import functools
import io
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import attrs

from runner.config.options import ExcelOptions
from runner.config.references import FunctionRef
from runner.data import tables
from runner.data.files import NodeFile, StagedFile
from runner.data.storage import Mark, Opening, reason
from runner.data.tables import Table
from runner.errors import JobError
from runner.suggestions import nearest

ONLY_SHEET: Final = "Sheet1"
"""What a sheet is called that has been given no name, as Excel calls it."""
MOST_ROWS: Final = 1_048_576
MOST_COLUMNS: Final = 16_384
LONGEST_TEXT: Final = 32_767
"""The limits of a sheet: "Excel specifications and limits" of its maker."""

_EXACT: Final = 2**53  # beyond it not every int is a double, and Excel has nothing else
_FIRST_DAY: Final = dt.date(1900, 3, 1)  # before it Excel counts a day that never was
_MADE: Final = dt.datetime(2000, 1, 1)  # the same value makes the same file
_FORMATS: Final[Mapping[type, str]] = {
    dt.datetime: "yyyy-mm-dd hh:mm:ss",  # it is a date too, so it comes first
    dt.date: "yyyy-mm-dd",
    dt.time: "hh:mm:ss",
    dt.timedelta: "[h]:mm:ss",
}
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
"""What an encrypted workbook has inside: [MS-OFFCRYPTO] 2.3."""
_MIDNIGHT: Final = dt.time()


@attrs.frozen
class ExcelFile:
    """A workbook, whose sheets are tables, with a row of column names unless `has_header` is false.

    With one `sheet_name`, its table is what is read; with a list of them, or without any (that is
    all sheets), a dict of sheet name to table, whatever their number. What is read depends on
    `exposed_type`:

    - `pandas`, `numpy`: as pandas reads a sheet by itself.
    - `records`, `polars`, a class: as csv has it, but the cells have their types of Excel. An empty
      cell is None, and so is an error like `#DIV/0!`; of merged cells, the first has the value.
      Excel has no numbers but floats: a column becomes int where all its numbers are whole. A
      column of dates becomes datetimes where one of them has a time of day.

    What is written may be any table that `runner.data.tables` knows, or a dict of sheet name to
    table. One table goes to the sheet that `sheet_name` names, else to `Sheet1`. With one
    `sheet_name`, a dict of lists is one table, by columns. The index of a DataFrame is not written.

    Text is always text, also where it begins with `=` and Excel would take it for a formula. What
    Excel cannot keep is refused: ints beyond 2**53, infinite numbers, times with a zone, dates
    before March 1900. Times are kept to the millisecond. Empty text is an empty cell, and so are
    None and NaN; rows at the end of a sheet with nothing else are not there when it is read.
    """

    opening: Opening
    options: ExcelOptions
    file: NodeFile

    def exists(self) -> bool:
        return self.file.exists()

    def mark(self, known: Mark | None = None) -> Mark | None:
        return self.file.mark(known)

    def read(self) -> Any:
        read = self._reader()
        file = self.file
        with (
            file.reading(functools.partial(_why, path=file.path)),
            open(file.path, "rb") as opened,  # noqa: PTH123 - a path is text here
        ):
            return read(opened)

    def stage(self, value: Any) -> StagedFile:
        file = self.file
        with file.writing():  # cells are the user's, and so is their __str__
            sheets = self._sheets(value)
            book = _book(sheets, self._import("xlsxwriter"), has_header=self.options.has_header)
            return file.stage_bytes(book, sum(len(table.rows) for table in sheets.values()))

    def delete(self) -> None:
        self.file.delete()

    def _import(self, name: str) -> Any:
        return tables.import_library(self.file.node, name)

    def _reader(self) -> Callable[[BinaryIO], Any]:
        exposed = self.options.exposed_type
        if isinstance(exposed, FunctionRef):
            row_class = self.opening.load(exposed)
            return self._read_tables(functools.partial(_instances, row_class, self.options))
        match exposed:
            case "pandas":
                return functools.partial(self._read_frames, self._import("pandas"))
            case "numpy":
                return functools.partial(self._read_arrays, self._import("pandas"))
            case "polars":
                return self._read_tables(functools.partial(_polars_frame, self._import("polars")))
        return self._read_tables(Table.records)

    def _read_frames(self, pandas: Any, opened: BinaryIO) -> Any:
        self._import("python_calamine")
        header = 0 if self.options.has_header else None
        with pandas.ExcelFile(opened, engine="calamine") as book:
            read = functools.partial(pandas.read_excel, book, header=header)
            return self._chosen(book.book, lambda name: read(sheet_name=name))

    def _read_arrays(self, pandas: Any, opened: BinaryIO) -> Any:
        frames = self._read_frames(pandas, opened)
        if isinstance(frames, dict):
            return {name: frame.to_numpy() for name, frame in frames.items()}
        return frames.to_numpy()

    def _read_tables(self, made: Callable[[Table], Any]) -> Callable[[BinaryIO], Any]:
        calamine = self._import("python_calamine")

        def read(opened: BinaryIO) -> Any:
            with calamine.CalamineWorkbook.from_filelike(opened) as book:
                return self._chosen(book, lambda name: made(self._table(book, name)))

        return read

    def _table(self, book: Any, name: str) -> Table:
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        try:
            return parse(rows, has_header=self.options.has_header)
        except ValueError as error:
            raise ValueError(f"sheet `{name}`: {error}") from error

    def _chosen(self, book: Any, read: Callable[[str], Any]) -> Any:
        """What is read from the sheets that are wanted: one, or a dict of them."""
        wanted = self.options.sheet_name
        table = self._import("python_calamine").SheetTypeEnum.WorkSheet  # a chart is none
        there = [each.name for each in book.sheets_metadata if each.typ == table]
        if isinstance(wanted, str):
            self._find(wanted, there)
            return read(wanted)
        for name in wanted or ():
            self._find(name, there)
        return {name: read(name) for name in wanted or there}

    def _find(self, name: str, there: Sequence[str]) -> None:
        if name in there:
            return
        meant = nearest(name, there)
        message = f"data node `{self.file.node}`: {self.file.path} has no sheet `{name}`"
        hint = f"did you mean `{meant}`?" if meant else f"it has {_listed(there)}"
        raise JobError(message, code="RUN604", hint=hint)

    def _sheets(self, value: Any) -> dict[str, Table]:
        """The tables to write, by the names of their sheets."""
        node, named = self.file.node, self.options.sheet_name
        wanted = (named,) if isinstance(named, str) else named or ()
        if _is_workbook(value, one_table=isinstance(named, str)):
            sheets = {
                str(name): tables.table_of(table, node, f"result[{name!r}]")
                for name, table in value.items()
            }
            if len(sheets) < len(value):
                raise ValueError(f"two of its sheets have one name: {_listed(list(sheets))}")
            for name in wanted:
                if name not in sheets:
                    has = f"it has {_listed(list(sheets))}"
                    raise ValueError(f"`result` has no sheet `{name}`, as `sheet_name` has: {has}")
            return sheets
        if len(wanted) > 1:
            raise ValueError(
                f"`result` is one table, and `sheet_name` names {len(wanted)} sheets: "
                f"a dict of sheet name to table has room for them"
            )
        return {wanted[0] if wanted else ONLY_SHEET: tables.table_of(value, node)}


def open_excel(opening: Opening) -> ExcelFile:
    options = opening.options
    assert isinstance(options, ExcelOptions)
    return ExcelFile(opening, options, NodeFile.of(opening))


def parse(rows: Sequence[Sequence[Any]], *, has_header: bool) -> Table:
    """The table of a sheet's cells, in which an empty cell is an empty text.

    A row of column names is the first that is not empty, and columns that are empty together with
    their name are none.

    Raises:
        ValueError: a column name is there twice.
    """
    if not has_header:
        width = max(map(len, rows), default=0)
        return _from_columns(range(width), [typed(cells) for cells in zip(*rows, strict=True)])
    first = next((place for place, row in enumerate(rows) if any(map(_is_filled, row))), len(rows))
    names: list[Hashable] = []
    columns = []
    for place, (name, *cells) in enumerate(zip(*rows[first:], strict=True)):
        if _is_filled(name) or any(map(_is_filled, cells)):
            names.append(typed([name])[0] if _is_filled(name) else place)
            columns.append(typed(cells))
    tables.refuse_same_names(names)
    return _from_columns(names, columns)


def typed(cells: Sequence[Any]) -> list[Any]:
    """The values of one column of cells."""
    if any(type(cell) is dt.datetime for cell in cells):
        cells = [
            dt.datetime.combine(cell, _MIDNIGHT) if type(cell) is dt.date else cell
            for cell in cells
        ]
    numbers = [cell for cell in cells if type(cell) is float]
    if all(number.is_integer() and abs(number) <= _EXACT for number in numbers):
        cells = [int(cell) if type(cell) is float else cell for cell in cells]
    return [cell if _is_filled(cell) else None for cell in cells]


def _is_filled(cell: Any) -> bool:
    return bool(cell != "")


def _from_columns(names: Iterable[Hashable], columns: Sequence[Sequence[Any]]) -> Table:
    return Table(tuple(names), list(zip(*columns, strict=True)))


def _instances(row_class: Callable[..., Any], options: ExcelOptions, table: Table) -> list[Any]:
    if options.has_header:
        return [row_class(**record) for record in table.records()]
    return [row_class(*row) for row in table.rows]


def _polars_frame(polars: Any, table: Table) -> Any:
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    named = {str(name): cells for name, cells in zip(table.columns, columns, strict=True)}
    return polars.DataFrame(named, strict=False)


def _is_workbook(value: Any, *, one_table: bool) -> bool:
    """Whether a value stands for several sheets.

    Args:
        value: to be written.
        one_table: whether a mapping means a table by columns unless it clearly holds tables.
    """
    if not isinstance(value, Mapping):
        return False
    if not one_table:
        return True
    return bool(value) and all(
        tables.is_array_like(each) or tables.is_polars(each) for each in value.values()
    )


def _book(sheets: Mapping[str, Table], xlsxwriter: Any, *, has_header: bool) -> bytes:
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True})
    book.set_properties({"created": _MADE})
    formats = {kind: book.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
    for name, table in sheets.items():
        if not name:
            raise ValueError("a sheet has no name")
        try:
            sheet = book.add_worksheet(_encodable(name))
        except xlsxwriter.exceptions.XlsxInputError as error:
            raise ValueError(str(error)) from error
        try:
            _fill(sheet, table, formats, has_header=has_header)
        except ValueError as error:
            raise ValueError(f"sheet `{name}`: {error}") from error
    book.close()
    return made.getvalue()


def _fill(sheet: Any, table: Table, formats: Mapping[type, Any], *, has_header: bool) -> None:
    if len(table.columns) > MOST_COLUMNS:
        raise ValueError(f"{len(table.columns):,} columns, and Excel has {MOST_COLUMNS:,}")
    if len(table.rows) + has_header > MOST_ROWS:
        with_names = " and one of column names" if has_header else ""
        raise ValueError(f"{len(table.rows):,} rows{with_names}, and Excel has {MOST_ROWS:,}")
    if has_header:
        for place, name in enumerate(table.columns):
            _put(sheet, 0, place, name, formats)
    for number, row in enumerate(table.rows):
        for place, value in enumerate(row):
            try:
                _put(sheet, number + has_header, place, value, formats)
            except ValueError as error:
                where = f"row {number + 1}, column `{table.columns[place]}`"
                raise ValueError(f"{where}: {error}") from error


def _put(sheet: Any, row: int, column: int, value: Any, formats: Mapping[type, Any]) -> None:
    """Write one cell.

    Raises:
        ValueError: Excel has no such value.
    """
    value = tables.plain(value)
    match value:
        case None:
            return
        case bool():
            sheet.write_boolean(row, column, value)
        case int() | float() | decimal.Decimal():
            sheet.write_number(row, column, _number(value))
        case dt.datetime() | dt.date() | dt.time() | dt.timedelta():
            kind = next(each for each in formats if isinstance(value, each))
            _refuse_moment(value)
            sheet.write_datetime(row, column, value, formats[kind])
        case _:
            text = str(value)
            if len(text) > LONGEST_TEXT:
                raise ValueError(
                    f"text of {len(text):,} characters, and Excel has {LONGEST_TEXT:,} in a cell"
                )
            sheet.write_string(row, column, _encodable(text))


def _encodable(text: str) -> str:
    """The text; it is looked at here since the workbook would be half made later."""
    text.encode()
    return text


class _Exact(float):
    """A number that is written with all its digits, not with sixteen as XlsxWriter has it."""

    def __format__(self, spec: str) -> str:
        return float.__repr__(self)


def _number(value: float | decimal.Decimal) -> float:
    if abs(value) == math.inf:
        raise ValueError(f"{value} is no number that Excel has")
    if not _is_kept(value):
        raise ValueError(f"{value} has more digits than Excel keeps of a number")
    return _Exact(value)


def _is_kept(value: float | decimal.Decimal) -> bool:
    if isinstance(value, int):
        return abs(value) <= _EXACT
    return isinstance(value, float) or decimal.Decimal(repr(float(value))) == value


def _refuse_moment(value: dt.datetime | dt.date | dt.time | dt.timedelta) -> None:
    if getattr(value, "tzinfo", None) is not None:
        raise ValueError(f"{value} has a time zone, and Excel has none")
    if isinstance(value, dt.date):
        day = value.date() if isinstance(value, dt.datetime) else value
        if day < _FIRST_DAY:
            raise ValueError(f"{value} is before March 1900, where the dates of Excel begin")


def _why(error: Exception, path: str) -> str:
    why = reason(error)
    if not why.endswith("Cannot detect file format"):
        return why
    is_encrypted = _ENCRYPTED in Path(path).read_bytes()
    return "it has a password" if is_encrypted else "it is damaged, or no workbook"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) if names else "none"
