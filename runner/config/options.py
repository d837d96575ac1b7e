"""What each storage type may be told: its own keys of a data node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

import attrs

from runner.config.references import FunctionRef

REQUIRED: Final = "required"
"""Metadata: the data node means nothing without this key."""
CHOICES: Final = "choices"
"""Metadata: the texts that are allowed."""
MINIMUM: Final = "minimum"
"""Metadata: the least value."""

EXPOSED_TYPES: Final = ("pandas", "numpy", "polars", "records")
"""What a tabular data node may hand out, beside instances of a class."""
DRIVERS: Final[Mapping[str, str]] = MappingProxyType(
    {"postgresql": "psycopg", "mysql": "pymysql", "mssql": "pyodbc"}
)
"""By `db_engine`, the package that talks to the server; sqlite is Python's own."""
_required: Final[Any] = attrs.field(default=None, metadata={REQUIRED: True})


@attrs.frozen(kw_only=True, slots=False)
class StorageOptions:
    """The keys of one storage type.

    Attributes:
        extra: the extra of the distribution that it needs, or an empty string.
        extension: of the file that the runner makes for a node without a path; empty: no file.
        lasts: whether a value outlives the run that wrote it.
        is_marked: whether its mark tells one content from another, so that jobs can be skipped.
        packages: import packages without which it neither reads nor writes -> what pip is told.
            What else runner's own types need differs by what a node is for.
    """

    extra: ClassVar[str] = ""
    extension: ClassVar[str] = ""
    lasts: ClassVar[bool] = True
    is_marked: ClassVar[bool] = True
    packages: ClassVar[Mapping[str, str]] = MappingProxyType({})


@attrs.frozen(kw_only=True, slots=False)
class FileOptions(StorageOptions):
    """Of every storage that keeps a value in a file.

    Attributes:
        path: the file, under the application path unless absolute; without one the runner keeps a
            file of its own.
        default_path: the same; `path` wins over it.
    """

    path: str | None = None
    default_path: str | None = None

    @property
    def user_path(self) -> str | None:
        return self.path if self.path is not None else self.default_path

    def user_file(self, application_path: Path) -> str | None:
        """The user's file, absolute, as it is written otherwise; None where none is named."""
        if self.user_path is None:
            return None
        # Path raises for `~nobody`, where a shell takes it as it is
        path = os.path.expanduser(self.user_path)  # noqa: PTH111
        return os.path.join(application_path.absolute(), path)  # noqa: PTH118 - `.` stays


@attrs.frozen(kw_only=True, slots=False)
class PickleOptions(FileOptions):
    """A pickle file, for any Python value."""

    extension: ClassVar[str] = "p"


@attrs.frozen(kw_only=True, slots=False)
class InMemoryOptions(StorageOptions):
    """A value in memory, which lives as long as the run.

    Attributes:
        copy_mode: how a reader's value is made of the written one: `deepcopy`, `copy` (what is
            inside of it is shared) or `assign` (all of it is). Without it, by its type: Arrow,
            Spark, Ibis and Snowpark tables, which nobody can change, are shared, anything else is
            copied deeply. In standalone mode a value goes from process to process, and is each
            one's own in any case.
    """

    lasts: ClassVar[bool] = False
    is_marked: ClassVar[bool] = False

    copy_mode: str | None = attrs.field(
        default=None, metadata={CHOICES: ("deepcopy", "copy", "assign")}
    )


@attrs.frozen(kw_only=True, slots=False)
class JsonOptions(FileOptions):
    """A JSON file.

    Attributes:
        encoding: of the file.
        encoder: a subclass of `json.JSONEncoder`.
        decoder: a subclass of `json.JSONDecoder`.
    """

    extension: ClassVar[str] = "json"

    encoding: str = "utf-8"
    encoder: FunctionRef | None = None
    decoder: FunctionRef | None = None


@attrs.frozen(kw_only=True, slots=False)
class TabularOptions(StorageOptions):
    """Of every storage that hands out tables.

    Attributes:
        exposed_type: what a task gets: `pandas`, `numpy`, `polars`, `records` (a list of dicts), or
            a class ("package.module.Row:class"), called once a row with the columns as keyword
            arguments.
    """

    exposed_type: str | FunctionRef = "pandas"


@attrs.frozen(kw_only=True, slots=False)
class CsvOptions(FileOptions, TabularOptions):
    """A csv file.

    Attributes:
        encoding: of the file.
        has_header: whether the first row names the columns.
    """

    extension: ClassVar[str] = "csv"

    encoding: str = "utf-8"
    has_header: bool = True


@attrs.frozen(kw_only=True, slots=False)
class ExcelOptions(FileOptions, TabularOptions):
    """An Excel workbook.

    Attributes:
        has_header: whether the first row names the columns.
        sheet_name: a sheet, or a list of sheets; without it, all sheets.
    """

    extra: ClassVar[str] = "tables"
    extension: ClassVar[str] = "xlsx"

    has_header: bool = True
    sheet_name: str | tuple[str, ...] | None = None


@attrs.frozen(kw_only=True, slots=False)
class ParquetOptions(FileOptions, TabularOptions):
    """A parquet file.

    Attributes:
        engine: the library that reads and writes it.
        compression: of what is written.
        read_kwargs: further arguments of the function that reads.
        write_kwargs: further arguments of the function that writes.
    """

    extra: ClassVar[str] = "tables"
    extension: ClassVar[str] = "parquet"

    engine: str = attrs.field(default="pyarrow", metadata={CHOICES: ("pyarrow", "fastparquet")})
    compression: str = attrs.field(
        default="snappy", metadata={CHOICES: ("snappy", "gzip", "brotli", "zstd", "none")}
    )
    read_kwargs: Mapping[str, Any] = attrs.field(factory=dict)
    write_kwargs: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class DatabaseOptions(TabularOptions):
    """How an SQL database is reached.

    Attributes:
        db_name: the name of the database.
        db_engine: which database it is.
        db_username: who logs in; needed unless the engine is sqlite.
        db_password: a secret, so take it from the environment; needed unless the engine is sqlite.
        db_host: where the server is.
        db_port: where the server listens; without it, the engine's own port.
        db_driver: of mssql, the name of the ODBC driver; without it, `ODBC Driver 18 for SQL
            Server`.
        db_extra_args: further parameters of the connection.
        sqlite_folder_path: the folder of the sqlite file, under the application path unless
            absolute; without it, the application path.
        sqlite_file_extension: of the sqlite file.
    """

    extra: ClassVar[str] = "sql"
    is_marked: ClassVar[bool] = False

    db_name: str | None = _required
    db_engine: str | None = attrs.field(
        default=None,
        metadata={REQUIRED: True, CHOICES: ("sqlite", "postgresql", "mysql", "mssql")},
    )
    db_username: str | None = None
    db_password: str | None = attrs.field(default=None, repr=False)
    db_host: str = "localhost"
    db_port: int | None = None
    db_driver: str | None = None
    db_extra_args: Mapping[str, Any] = attrs.field(factory=dict)
    sqlite_folder_path: str | None = None
    sqlite_file_extension: str = ".db"

    def sqlite_file(self, application_path: Path) -> str | None:
        """The sqlite file, absolute, as it is written otherwise; None for a server's database."""
        if self.db_engine != "sqlite":
            return None
        folder = os.path.expanduser(self.sqlite_folder_path or "")  # noqa: PTH111 - as above
        name = f"{self.db_name}{self.sqlite_file_extension}"
        return os.path.join(application_path.absolute(), folder, name)  # noqa: PTH118 - as above


@attrs.frozen(kw_only=True, slots=False)
class SqlTableOptions(DatabaseOptions):
    """A whole table of an SQL database.

    Attributes:
        table_name: the table.
    """

    table_name: str | None = _required


@attrs.frozen(kw_only=True, slots=False)
class SqlOptions(DatabaseOptions):
    """What queries read from an SQL database and write to it.

    Attributes:
        read_query: the query whose rows are read.
        write_query_builder: a function that makes statements, or (statement, parameters) pairs, of
            the value to write.
        append_query_builder: the same, for a value to append.
    """

    read_query: str | None = _required
    write_query_builder: FunctionRef | None = _required
    append_query_builder: FunctionRef | None = None


@attrs.frozen(kw_only=True, slots=False)
class MongoOptions(StorageOptions):
    """A collection of a MongoDB database.

    Attributes:
        db_name: the name of the database.
        collection_name: the collection.
        custom_document: a class, called once a document with its fields; without it, dicts. Its
            `decode` and `encode`, where it has them, make it of a document and the other way.
        db_username: who logs in.
        db_password: a secret, so take it from the environment.
        db_host: where the server is.
        db_port: where the server listens.
        db_driver: `srv`, where `db_host` is a name that DNS has the servers of; else none.
        db_extra_args: further parameters of the connection.
    """

    extra: ClassVar[str] = "mongo"
    packages: ClassVar[Mapping[str, str]] = {"pymongo": "'toml-runner[mongo]'"}
    is_marked: ClassVar[bool] = False

    db_name: str | None = _required
    collection_name: str | None = _required
    custom_document: FunctionRef | None = None
    db_username: str | None = None
    db_password: str | None = attrs.field(default=None, repr=False)
    db_host: str = "localhost"
    db_port: int = 27017
    db_driver: str | None = None
    db_extra_args: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class S3Options(StorageOptions):
    """An object of an S3 bucket.

    Attributes:
        aws_access_key: a secret, so take it from the environment.
        aws_secret_access_key: a secret, so take it from the environment.
        aws_s3_bucket_name: the bucket.
        aws_s3_object_key: the object.
        aws_region: the region of the bucket.
        aws_s3_client_parameters: further arguments of the client; its `config` is a table.
        aws_s3_get_object_parameters: further arguments of reading.
        aws_s3_put_object_parameters: further arguments of writing.
        aws_s3_object_parameters: further arguments of reading, of writing, or of both.
    """

    extra: ClassVar[str] = "s3"
    packages: ClassVar[Mapping[str, str]] = {"boto3": "'toml-runner[s3]'"}

    aws_access_key: str | None = attrs.field(default=None, repr=False, metadata={REQUIRED: True})
    aws_secret_access_key: str | None = attrs.field(
        default=None, repr=False, metadata={REQUIRED: True}
    )
    aws_s3_bucket_name: str | None = _required
    aws_s3_object_key: str | None = _required
    aws_region: str | None = None
    aws_s3_client_parameters: Mapping[str, Any] = attrs.field(factory=dict)
    aws_s3_get_object_parameters: Mapping[str, Any] = attrs.field(factory=dict)
    aws_s3_put_object_parameters: Mapping[str, Any] = attrs.field(factory=dict)
    aws_s3_object_parameters: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class GenericOptions(StorageOptions):
    """Whatever two functions of the user read and write; at least one is given.

    Attributes:
        read_fct: a function that gives the value.
        write_fct: a function that keeps the value, which is its first argument.
        read_fct_args: what `read_fct` is called with.
        write_fct_args: what `write_fct` is called with after the value.
    """

    is_marked: ClassVar[bool] = False

    read_fct: FunctionRef | None = None
    write_fct: FunctionRef | None = None
    read_fct_args: tuple[Any, ...] = ()
    write_fct_args: tuple[Any, ...] = ()


class StorageType(NamedTuple):  # attrs would take every command longer to start
    """A storage type of another package: what an entry point of `runner.storages` leads to.

    Attributes:
        options: its keys: fields of an attrs class, each with a default. The docstring of the
            class says what they mean, under `Attributes:`.
        open: the function that opens one of its data nodes, as "package.module:function". It is
            imported by what reads and writes, and not by `runner check`.
    """

    options: type[StorageOptions]
    open: str


STORAGE_TYPES: Final[Mapping[str, type[StorageOptions]]] = MappingProxyType(
    {
        "pickle": PickleOptions,
        "in_memory": InMemoryOptions,
        "json": JsonOptions,
        "csv": CsvOptions,
        "excel": ExcelOptions,
        "parquet": ParquetOptions,
        "sql_table": SqlTableOptions,
        "sql": SqlOptions,
        "mongo_collection": MongoOptions,
        "s3_object": S3Options,
        "generic": GenericOptions,
    }
)
"""The storage types of runner itself; `plugins.storage_types` has those of other packages too."""


def _option_keys(options: type) -> frozenset[str]:
    return frozenset(field.name for field in attrs.fields(options))


def _required_keys(options: type) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(options) if REQUIRED in field.metadata)


def _is_ours(options: type, key: str) -> bool:
    ours = (each for each in options.__mro__ if each.__module__.startswith("runner."))
    return any(key in attrs.fields_dict(each) for each in ours if attrs.has(each))


def _field_names(options: type) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(options))


field_names: Final[Callable[[type], tuple[str, ...]]] = cache(_field_names)
"""The keys of a storage type, in the order in which it declares them."""
option_keys: Final[Callable[[type], frozenset[str]]] = cache(_option_keys)
"""The keys of a storage type."""
required_keys: Final[Callable[[type], tuple[str, ...]]] = cache(_required_keys)
"""The keys without which a data node of a storage type means nothing."""
is_ours: Final[Callable[[type, str], bool]] = cache(_is_ours)
"""Whether a key is one that runner has declared, so that its name says how it is written."""


def items_of(options: StorageOptions) -> Iterator[tuple[str, Any]]:
    """The keys of a data node and their values; a class of another package may have slots."""
    for name in field_names(type(options)):
        yield name, getattr(options, name)
