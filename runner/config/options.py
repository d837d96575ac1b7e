"""What each storage type may be told: its own keys of a data node."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

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
_required: Final[Any] = attrs.field(default=None, metadata={REQUIRED: True})


@attrs.frozen(kw_only=True, slots=False)
class StorageOptions:
    """The keys of one storage type.

    Attributes:
        extra: the extra of the distribution that it needs, or an empty string.
        extension: of the file that the runner makes for a node without a path; empty: no file.
    """

    extra: ClassVar[str] = ""
    extension: ClassVar[str] = ""


@attrs.frozen(kw_only=True, slots=False)
class FileOptions(StorageOptions):
    """Of every storage that keeps a value in a file.

    Attributes:
        path: the user's file; wins over `default_path`.
        default_path: the user's file.
    """

    path: str | None = None
    default_path: str | None = None

    @property
    def user_path(self) -> str | None:
        return self.path if self.path is not None else self.default_path


@attrs.frozen(kw_only=True, slots=False)
class PickleOptions(FileOptions):
    extension: ClassVar[str] = "p"


@attrs.frozen(kw_only=True, slots=False)
class InMemoryOptions(StorageOptions):
    """Attributes: copy_mode: `deepcopy`, `copy` or `assign`; None: by the type of the value."""

    copy_mode: str | None = attrs.field(
        default=None, metadata={CHOICES: ("deepcopy", "copy", "assign")}
    )


@attrs.frozen(kw_only=True, slots=False)
class JsonOptions(FileOptions):
    """Attributes: encoder, decoder: subclasses of `json.JSONEncoder` and `json.JSONDecoder`."""

    extension: ClassVar[str] = "json"

    encoding: str = "utf-8"
    encoder: FunctionRef | None = None
    decoder: FunctionRef | None = None


@attrs.frozen(kw_only=True, slots=False)
class TabularOptions(StorageOptions):
    """Of every storage that hands out tables.

    Attributes:
        exposed_type: `pandas`, `numpy`, `polars`, `records` (a list of dicts), or a class, called
            once a row with the columns as keyword arguments.
    """

    exposed_type: str | FunctionRef = "pandas"


@attrs.frozen(kw_only=True, slots=False)
class CsvOptions(FileOptions, TabularOptions):
    extension: ClassVar[str] = "csv"

    encoding: str = "utf-8"
    has_header: bool = True


@attrs.frozen(kw_only=True, slots=False)
class ExcelOptions(FileOptions, TabularOptions):
    """Attributes: sheet_name: a sheet, or several; None: all sheets."""

    extra: ClassVar[str] = "tables"
    extension: ClassVar[str] = "xlsx"

    has_header: bool = True
    sheet_name: str | tuple[str, ...] | None = None


@attrs.frozen(kw_only=True, slots=False)
class ParquetOptions(FileOptions, TabularOptions):
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
    """How an SQL database is reached. `db_username` and `db_password` are not for sqlite."""

    extra: ClassVar[str] = "sql"

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


@attrs.frozen(kw_only=True, slots=False)
class SqlTableOptions(DatabaseOptions):
    table_name: str | None = _required


@attrs.frozen(kw_only=True, slots=False)
class SqlOptions(DatabaseOptions):
    """Attributes: write_query_builder: value -> statements, or (statement, parameters) pairs."""

    read_query: str | None = _required
    write_query_builder: FunctionRef | None = _required
    append_query_builder: FunctionRef | None = None


@attrs.frozen(kw_only=True, slots=False)
class MongoOptions(StorageOptions):
    """Attributes: custom_document: a class, called once a document with its fields."""

    extra: ClassVar[str] = "mongo"

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
    extra: ClassVar[str] = "s3"

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
    """At least one of `read_fct` and `write_fct` is given."""

    read_fct: FunctionRef | None = None
    write_fct: FunctionRef | None = None
    read_fct_args: tuple[Any, ...] = ()
    write_fct_args: tuple[Any, ...] = ()


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
REQUIRED_KEYS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        name: tuple(field.name for field in attrs.fields(cls) if REQUIRED in field.metadata)
        for name, cls in STORAGE_TYPES.items()
    }
)
"""By storage type, the keys without which a data node means nothing."""
