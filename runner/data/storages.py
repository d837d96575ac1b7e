"""The storage types that run, and how a storage is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from runner.data.csv_file import open_csv
from runner.data.excel_file import open_excel
from runner.data.generic import open_generic
from runner.data.in_memory import open_in_memory
from runner.data.json_file import open_json
from runner.data.mongo_collection import open_mongo_collection
from runner.data.parquet_file import open_parquet
from runner.data.pickle_file import open_pickle
from runner.data.s3_object import open_s3_object
from runner.data.sql_query import open_sql
from runner.data.sql_table import open_sql_table
from runner.data.storage import Opening, Storage
from runner.errors import SetupError

if TYPE_CHECKING:
    from runner.config.plugins import Plugin

STORAGES: Mapping[str, Callable[[Opening], Storage]] = {
    "csv": open_csv,
    "excel": open_excel,
    "generic": open_generic,
    "in_memory": open_in_memory,
    "json": open_json,
    "mongo_collection": open_mongo_collection,
    "parquet": open_parquet,
    "pickle": open_pickle,
    "s3_object": open_s3_object,
    "sql": open_sql,
    "sql_table": open_sql_table,
}


def runs(storage_type: str) -> bool:
    """Whether data nodes of a storage type can be opened."""
    return storage_type in STORAGES or _plugin(storage_type) is not None


def open_storage(storage_type: str, opening: Opening) -> Storage:
    """Open the storage of one data node. Reads and writes nothing, imports no user code.

    Raises:
        SetupError: RUN509, the storage type (or a choice within it) is none of this version;
            RUN402, what opens a storage type of another package does not.
    """
    if storage_type in STORAGES:
        return STORAGES[storage_type](opening)
    found = _plugin(storage_type)
    if found is None:
        message = f"storage type `{storage_type}` does not run in this version"
        raise SetupError(message, code="RUN509")
    from runner.data.foreign import open_foreign

    return open_foreign(found, opening)


def _plugin(storage_type: str) -> Plugin | None:
    # Most workers never do this, and start sooner without.
    from runner.config.plugins import usable

    return usable(storage_type)
