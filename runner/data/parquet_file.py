"""Data nodes of storage type `parquet`: a table, in one file or in a folder of them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

import attrs

from runner.config.options import ParquetOptions
from runner.config.references import FunctionRef
from runner.data import tables
from runner.data.files import NodeFile
from runner.data.folders import NodeFolder
from runner.data.storage import Mark, Opening, Staged, no_value, reason

Target = str | BinaryIO
"""An empty folder, or a file open for bytes."""

_MAGIC: Final = (b"PAR1", b"PARE")  # of a plain and of an encrypted file
_PARTS: Final = "part-{i}.parquet"
_INDEX: Final = re.compile(r"__index_level_[0-9]+__")
_FASTPARQUET: Final = {"index": "write_index", "partition_cols": "partition_on"}
"""What it calls the arguments of pandas."""
_UNKNOWN_KEYWORD: Final = re.compile(r"unexpected keyword argument '(\w+)'")
_NO_COLUMN: Final = re.compile(
    r"No match for FieldRef\.Name\((?P<name>.*?)\) in (?P<there>.*)", re.DOTALL
)


@attrs.frozen
class ParquetFile:
    """A parquet file; or a folder, where `path` is one or `write_kwargs` has `partition_cols`.

    A folder is one table: all files in it and in its folders, in the order of their names, but
    those that are hidden or begin with `_`. Of folders that are named `key=value` each key is a
    column. A folder is replaced as a whole, like a file, and never where something else is in it.

    What is read depends on `exposed_type`:

    - `pandas`, `numpy`: as pandas reads it, by the `engine`.
    - `records`, a class: as csv has it. With pyarrow no pandas is needed.
    - `polars`: as polars reads it, which needs no engine.

    `read_kwargs` go to the function that reads: of pandas (which hands on what it does not know),
    for records and classes that of the engine, for polars its own. What is written may be any table
    that `runner.data.tables` knows; `write_kwargs` are those of `DataFrame.to_parquet`, whatever it
    is. In both, what is said there wins over `engine` and `compression`.

    Columns have names that are text; a number becomes its digits where pandas does not restore it.
    """

    opening: Opening
    options: ParquetOptions
    file: NodeFile
    folder: NodeFolder

    def exists(self) -> bool:
        return self.file.exists() or self.folder.exists()

    def mark(self, known: Mark | None = None) -> Mark | None:
        return self.folder.mark(known) if self._is_folder() else self.file.mark(known)

    def read(self) -> Any:
        read = self._reader()

        def why(error: Exception) -> str:
            return self._damage() or _why(error, "read_kwargs", self.options.read_kwargs)

        with self.file.reading(why):
            return self._read_folder(read) if self._is_folder() else read()

    def stage(self, value: Any) -> Staged:
        given = self.options.write_kwargs
        with self.file.writing(lambda error: _why(error, "write_kwargs", given)):
            write, rows = self._writer(value)
            if self._is_folder() or "partition_cols" in given:
                return self.folder.stage(write, rows)
            return self.file.stage_binary(write, rows)

    def delete(self) -> None:
        if self._is_folder():
            self.folder.delete()
        else:
            self.file.delete()

    def _is_folder(self) -> bool:
        return os.path.isdir(self.file.path)  # noqa: PTH112 - a path is text here

    def _read_folder(self, read: Callable[[], Any]) -> Any:
        if not self.folder.exists():
            raise no_value(self.file.node, f"no parquet file in {self.file.path}")
        return self.folder.read(read)

    def _damage(self) -> str | None:
        """Which file is the reason for a failure, as far as its ends tell."""
        if not self._is_folder():
            return None if _is_whole(self.file.path) else "it is damaged, or no parquet file"
        for part in self.folder.parts():
            if not _is_whole(part):
                name = os.path.relpath(part, self.file.path)
                return f"`{name}` is damaged, or no parquet file"
        return None

    def _import(self, name: str) -> Any:
        return tables.import_library(self.file.node, name)

    def _reader(self) -> Callable[[], Any]:
        exposed = self.options.exposed_type
        if isinstance(exposed, FunctionRef):
            row_class = self.opening.load(exposed)
            return lambda: [row_class(**record) for record in self._read_records()]
        match exposed:
            case "pandas":
                return self._read_pandas
            case "numpy":
                return lambda: self._read_pandas().to_numpy()
            case "polars":
                return self._read_polars
        return self._read_records

    def _read_pandas(self) -> Any:
        engine, keywords = self._keywords(self.options.read_kwargs)
        if engine == "fastparquet":
            return self.folder.read(lambda: self._read_fastparquet(keywords))
        pandas = self._import("pandas")
        with self._source() as source:
            return pandas.read_parquet(source, engine=engine, **keywords)

    def _read_records(self) -> list[dict[Any, Any]]:
        engine, keywords = self._keywords(self.options.read_kwargs)
        if engine == "fastparquet":
            frame = self.folder.read(lambda: self._read_fastparquet(keywords))
            return tables.table_of(frame, self.file.node).records()
        with self._source() as source:
            table = self._import("pyarrow.parquet").read_table(source, **keywords)
        records: list[dict[Any, Any]] = _without_index(table).to_pylist()
        return records

    def _read_fastparquet(self, keywords: Mapping[str, Any]) -> Any:
        library = self._import("fastparquet")
        with contextlib.ExitStack() as opened:  # it leaves its files open

            def open_with(path: str, mode: str = "rb") -> Any:
                return opened.enter_context(open(path, mode))  # noqa: PTH123 - a path is text here

            if self._is_folder():
                parts, root = self.folder.parts(), self.file.path
                found = library.ParquetFile(parts, root=root, open_with=open_with)
            else:
                found = library.ParquetFile(self.file.path, open_with=open_with)
            return found.to_pandas(**keywords)

    @contextlib.contextmanager
    def _source(self) -> Iterator[Any]:
        """What pyarrow reads: the folder, or the file, opened once.

        By its path it would open a file once more for its content, when another may be there.
        """
        arrow = self._import("pyarrow")
        if self._is_folder():
            yield self.file.path
        else:
            with arrow.OSFile(self.file.path) as file:
                yield file

    def _read_polars(self) -> Any:
        polars = self._import("polars")
        _, keywords = self._keywords(self.options.read_kwargs)
        if not self._is_folder():
            with open(self.file.path, "rb") as file:  # noqa: PTH123 - a path is text here
                return polars.read_parquet(file, **keywords)
        return polars.read_parquet(self.folder.parts(), **{"hive_partitioning": True, **keywords})

    def _keywords(self, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The engine, and all else that is given for a function of it."""
        keywords = dict(given)
        return keywords.pop("engine", self.options.engine), keywords

    def _writer(self, value: Any) -> tuple[Callable[[Target], object], int]:
        """What writes the value, and its rows; what is no table is refused before a file is."""
        engine, keywords = self._keywords(self.options.write_kwargs)
        compression = keywords.get("compression", self.options.compression)
        keywords["compression"] = None if compression == "none" else compression
        if isinstance(keywords.get("partition_cols"), str):
            keywords["partition_cols"] = [keywords["partition_cols"]]
        if engine == "fastparquet":
            library = self._import("fastparquet")
            frame = self._frame(value)
            _refuse_unknown_partitions(keywords, list(frame.columns))
            return functools.partial(_write_fastparquet, library, frame, keywords), len(frame)
        arrow, parquet = self._import("pyarrow"), self._import("pyarrow.parquet")
        if tables.is_array_like(value) and not isinstance(value, arrow.Table):
            frame = tables.as_frame(value, self.file.node)
            _refuse_unknown_partitions(keywords, list(frame.columns))
            keywords["engine"] = engine
            return functools.partial(_write_frame, frame, keywords), len(frame)
        table = _arrow_table(arrow, value)
        _refuse_unknown_partitions(keywords, table.column_names)
        return functools.partial(_write_arrow, parquet, table, keywords), table.num_rows

    def _frame(self, value: Any) -> Any:
        """A DataFrame whose columns have names that are text, as fastparquet wants them."""
        if tables.is_array_like(value):
            frame = tables.as_frame(value, self.file.node)
        else:
            table = tables.table_of(value, self.file.node)
            frame = self._import("pandas").DataFrame(table.rows, columns=list(table.columns))
        return frame.rename(columns=str)


def open_parquet(opening: Opening) -> ParquetFile:
    options = opening.options
    assert isinstance(options, ParquetOptions)
    file = NodeFile.of(opening)
    folder = NodeFolder(file.node, file.path, file.durable, is_parquet)
    return ParquetFile(opening, options, file, folder)


def _arrow_table(arrow: Any, value: Any) -> Any:
    if isinstance(value, arrow.Table):
        return value
    if tables.is_polars(value):
        return (value.to_frame() if hasattr(value, "to_frame") else value).to_arrow()
    table = tables.tabulate(value)
    columns = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.columns)
    return arrow.table(
        {
            str(name): _arrow_column(arrow, name, cells)
            for name, cells in zip(table.columns, columns, strict=True)
        }
    )


def _arrow_column(arrow: Any, name: Hashable, cells: Sequence[Any]) -> Any:
    try:
        return arrow.array([None if tables.is_missing(cell) else cell for cell in cells])
    except arrow.ArrowException as error:
        raise ValueError(f"column `{name}` has no single type: {error}") from error


def _refuse_unknown_partitions(keywords: Mapping[str, Any], names: Sequence[Hashable]) -> None:
    for name in keywords.get("partition_cols", ()):
        if name not in names:
            there = ", ".join(f"`{each}`" for each in names)
            raise ValueError(f"it has no column `{name}`, as `partition_cols` has, but {there}")


def _without_index(table: Any) -> Any:
    """A table without the index that pandas writes where it has no name."""
    return table.select([name for name in table.column_names if not _INDEX.fullmatch(name)])


def _write_frame(frame: Any, keywords: Mapping[str, Any], target: Target) -> None:
    if "partition_cols" in keywords:
        keywords = {"basename_template": _PARTS, **keywords}
    frame.to_parquet(_file_in(target, keywords), **keywords)


def _write_arrow(parquet: Any, table: Any, keywords: Mapping[str, Any], target: Target) -> None:
    """As pandas does it with a DataFrame."""
    passed = {name: value for name, value in keywords.items() if name != "index"}
    if "partition_cols" in keywords:
        parquet.write_to_dataset(table, target, **{"basename_template": _PARTS, **passed})
    else:
        parquet.write_table(table, _file_in(target, keywords), **passed)


def _write_fastparquet(
    library: Any, frame: Any, keywords: Mapping[str, Any], target: Target
) -> None:
    """As pandas does it."""
    passed = {_FASTPARQUET.get(name, name): value for name, value in keywords.items()}
    if "partition_cols" in keywords:
        passed["file_scheme"] = "hive"
    place = _file_in(target, keywords)
    if isinstance(place, str):
        library.write(place, frame, **passed)
    else:
        library.write("", frame, open_with=lambda *_: place, **passed)


def _file_in(target: Target, keywords: Mapping[str, Any]) -> Target:
    """The only file of a folder, unless the folder is to be filled with more."""
    if isinstance(target, str) and "partition_cols" not in keywords:
        return os.path.join(target, _PARTS.format(i=0))  # noqa: PTH118 - a path is text here
    return target


def is_parquet(path: str) -> bool:
    """Whether a file begins as one of parquet does.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:  # noqa: PTH123 - a path is text here
        return file.read(4) in _MAGIC


def _is_whole(path: str) -> bool:
    """Whether a file begins and ends as one of parquet does; what cannot be read may be one."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path is text here
            head = file.read(4)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4))
            return head in _MAGIC and file.read() in _MAGIC
    except OSError:
        return True


def _why(error: Exception, key: str, keywords: Mapping[str, Any]) -> str:
    """What went wrong, where it is a matter of the keywords in the words of the config."""
    unknown = _UNKNOWN_KEYWORD.search(str(error))
    if unknown and unknown[1] in keywords:
        return f"`{key}` has `{unknown[1]}`, which is unknown there"
    column = _NO_COLUMN.match(str(error))
    if column:
        names = (line.partition(": ")[0] for line in column["there"].splitlines())
        there = ", ".join(f"`{name}`" for name in names if name.strip() and name[:2] != "__")
        return f"it has no column `{column['name']}`, but {there}"
    return reason(error)
