"""What data nodes ask of the place where jobs run: packages, a memory, files of their own."""

# Paths are text here, which are compared and not looked up.
# ruff: noqa: PTH100, PTH119, PTH120, PTH122

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from runner.checker.rules.dataflow import task_groups
from runner.checker.rules.functions import references
from runner.config.model import UNSET, Config, DataNodeConfig, Mode, TaskConfig
from runner.config.options import (
    DRIVERS,
    STORAGE_TYPES,
    CsvOptions,
    DatabaseOptions,
    ExcelOptions,
    FileOptions,
    GenericOptions,
    InMemoryOptions,
    MongoOptions,
    ParquetOptions,
    S3Options,
    SqlOptions,
    TabularOptions,
)
from runner.config.references import FunctionRef
from runner.config.values import quote
from runner.diagnostics import Diagnostic, KeyPath, Related, Severity
from runner.functions.modules import Modules
from runner.functions.signatures import NotFound, resolve

_INSTALLED_BY: Final[Mapping[str, str]] = {
    "boto3": "'toml-runner[s3]'",
    "celery": "'toml-runner[cluster]'",
    "fastparquet": "fastparquet",
    "pandas": "'toml-runner[tables]'",
    "polars": "polars",
    "psycopg": "'toml-runner[sql]'",
    "pyarrow": "'toml-runner[tables]'",
    "pymongo": "'toml-runner[mongo]'",
    "pymysql": "'toml-runner[sql]'",
    "pyodbc": "'toml-runner[mssql]'",
    "python_calamine": "'toml-runner[tables]'",
    "sqlalchemy": "'toml-runner[sql]'",
    "xlsxwriter": "'toml-runner[tables]'",
}
"""By import package, what pip is told."""
_EXPOSED_BY: Final[Mapping[str, str]] = {"pandas": "pandas", "numpy": "pandas", "polars": "polars"}
"""By exposed type, the package that reads the table; pandas brings numpy with it."""
_WITH_NEEDS: Final = (TabularOptions, MongoOptions, S3Options)
SUFFIXES: Final[Mapping[str, str]] = {
    ".csv": "csv",
    ".json": "json",
    ".p": "pickle",
    ".parquet": "parquet",
    ".pickle": "pickle",
    ".pkl": "pickle",
    ".xls": "excel",
    ".xlsb": "excel",
    ".xlsm": "excel",
    ".xlsx": "excel",
}
"""By suffix, the storage type whose files are named so."""
_COMPRESSED: Final = frozenset({".bz2", ".gz", ".xz", ".zip", ".zst"})


@attrs.frozen
class Uses:
    """The ids of the data nodes that a run reads, and of those that its tasks write."""

    read: frozenset[str]
    written: frozenset[str]


def missing_packages(config: Config, modules: Modules) -> Iterator[Diagnostic]:
    """What a run reads and writes with is installed where it is checked."""
    nodes = [
        node
        for node in config.data_nodes.values()
        if isinstance(node.options, _WITH_NEEDS) or node.options.packages
    ]
    is_cluster = config.job.mode is Mode.CLUSTER
    if not (nodes or is_cluster):
        return
    uses = uses_of(config)
    incomplete = config.incomplete()
    if is_cluster and (uses.read or uses.written):
        yield from _missing_celery(modules)
    for node in nodes:
        if ("DATA_NODE", node.id) in incomplete:
            continue
        is_read = node.id in uses.read
        is_written = node.id in uses.written or (is_read and node.default_data is not UNSET)
        needs = _needs(node, is_read=is_read, is_written=is_written)
        missing = [need for need in needs if modules.find(need[0]) is None]
        if missing:
            yield _missing(node, missing)


def missing_functions(config: Config) -> Iterator[Diagnostic]:
    """A generic data node has a function for each way in which tasks use it."""
    nodes = [
        each for each in config.data_nodes.values() if isinstance(each.options, GenericOptions)
    ]
    if not nodes:
        return
    tasks = [task for tasks in task_groups(config).values() for task in tasks]
    incomplete = config.incomplete()
    for node in nodes:
        for way, name, verb in (
            ("inputs", "read_fct", "reads"),
            ("outputs", "write_fct", "writes"),
        ):
            other = "write_fct" if name == "read_fct" else "read_fct"
            if getattr(node.options, name) or not getattr(node.options, other):
                continue  # a node without either is told of in any case
            user = next((task for task in tasks if node.id in getattr(task, way)), None)
            key = ("DATA_NODE", node.id)
            if user is not None and (*key, name) not in incomplete:
                yield _missing_function(node, name, user, way, verb)


def in_memory_in_cluster(config: Config) -> Iterator[Diagnostic]:
    """The machines of a cluster share no memory."""
    if config.job.mode is not Mode.CLUSTER:
        return
    for node in config.data_nodes.values():
        if isinstance(node.options, InMemoryOptions):
            yield Diagnostic(
                code="RUN406",
                key=("DATA_NODE", node.id, "storage_type"),
                message=f"data node `{node.id}` is kept in memory, which a cluster does not share",
                hint="keep it in a file that all machines reach, or in a database",
                related=(Related(message="the mode", key=("JOB", "mode")),),
            )


def shared_files(config: Config) -> Iterator[Diagnostic]:
    """Each data node of a scenario has a file of its own; those that are only read may share."""
    files = {node_id: _resolved(file) for node_id, file in users_files(config)}
    if len(set(files.values())) == len(files):
        return
    uses = uses_of(config)
    told: set[str] = set()
    for scenario_id, used in _nodes_by_scenario(config).items():
        for sharing in _sharing({each: file for each, file in files.items() if each in used}):
            changed = any(_is_written(config.data_nodes[each], uses) for each in sharing)
            for node_id in sharing[1:]:
                if node_id not in told:
                    told.add(node_id)
                    node, other = config.data_nodes[node_id], config.data_nodes[sharing[0]]
                    yield _shared(node, other, scenario_id, changed=changed)


def files_in_folders(config: Config) -> Iterator[Diagnostic]:
    """No file is in the folder of a parquet data node, which is replaced with all that is in it."""
    files = {node_id: _resolved(file) for node_id, file in users_files(config)}
    nodes = config.data_nodes
    parquet = [each for each in files if isinstance(nodes[each].options, ParquetOptions)]
    if not parquet:
        return
    uses = uses_of(config)
    folders = {files[each]: each for each in parquet if _is_written(nodes[each], uses)}
    scenarios = _nodes_by_scenario(config)
    for node_id, file in files.items():
        for owner_id in _owners(file, folders):
            used = {node_id, owner_id}
            together = next((each for each, ids in scenarios.items() if used <= ids), None)
            if together is not None:
                yield _within(nodes[node_id], nodes[owner_id], together)


def foreign_suffixes(config: Config) -> Iterator[Diagnostic]:
    """A file is named for what is in it."""
    uses = None
    incomplete = config.incomplete()
    for node in config.data_nodes.values():
        options = node.options
        if not isinstance(options, FileOptions) or options.user_path is None:
            continue
        if options.user_path.endswith(f".{options.extension}"):
            continue  # as nearly all are
        if ("DATA_NODE", node.id) in incomplete:
            continue
        name = os.path.basename(options.user_path)
        stem, suffix = _split_compression(name)
        ending = os.path.splitext(stem)[1].lower()
        owner = SUFFIXES.get(ending, node.storage_type)
        if owner != node.storage_type:
            if ending != f".{options.extension}":  # the types of other packages may share theirs
                yield _foreign_suffix(node, name, owner)
        elif suffix and node.storage_type in STORAGE_TYPES and owner != "parquet":
            uses = uses or uses_of(config)
            if _is_written(node, uses) or not _decompresses(options):
                yield _not_compressed(node, name, suffix)
        elif isinstance(options, ExcelOptions) and _is_other_workbook(name):
            uses = uses or uses_of(config)
            if _is_written(node, uses):
                yield _not_xlsx(node, name)


def drivers_of_no_use(config: Config) -> Iterator[Diagnostic]:
    """Only SQL Server is reached through a driver of the user's choice."""
    for node in config.data_nodes.values():
        options = node.options
        if not isinstance(options, DatabaseOptions) or not options.db_driver:
            continue
        engine = options.db_engine or ""
        if engine in DRIVERS and engine != "mssql":
            yield Diagnostic(
                code="RUN403",
                key=("DATA_NODE", node.id, "db_driver"),
                severity=Severity.WARNING,
                message=f"`db_driver` means nothing to `{engine}`",
                hint=f"it is always reached with {DRIVERS[engine]}: take the key out",
            )


def defaults_of_queries(config: Config) -> Iterator[Diagnostic]:
    """Only a query could tell whether there is a value, so there always is one."""
    for node in config.data_nodes.values():
        if isinstance(node.options, SqlOptions) and node.default_data is not UNSET:
            yield Diagnostic(
                code="RUN403",
                key=("DATA_NODE", node.id, "default_data"),
                severity=Severity.WARNING,
                message=f"`default_data` means nothing to `{node.storage_type}`",
                hint="what its query reads is in the database already: fill that",
            )


def functions_without_a_name(config: Config, modules: Modules) -> Iterator[Diagnostic]:
    """A worker on another machine imports what it calls."""
    if config.job.mode is not Mode.CLUSTER:
        return
    for key, ref in references(config):
        is_called_here = key[0] == "SCENARIO" or key[-1] == "default_data"
        if ref.target is not None and not is_called_here and not _is_importable(ref, modules):
            yield Diagnostic(
                code="RUN307",
                key=key,
                message=f"`{ref}` cannot be imported by a worker of the cluster",
                hint="define it at the top level of a module",
            )


def uses_of(config: Config) -> Uses:
    """What the scenarios read and write; all tasks, where there is no scenario."""
    tasks = [task for tasks in task_groups(config).values() for task in tasks]
    read = {node_id for task in tasks for node_id in task.inputs}
    compared = {node_id for each in config.scenarios.values() for node_id in each.comparators}
    written = {node_id for task in tasks for node_id in task.outputs}
    return Uses(frozenset(read | compared), frozenset(written))


def users_files(config: Config) -> Iterator[tuple[str, str]]:
    """The data nodes that name a file, and the file, absolute."""
    for node in config.data_nodes.values():
        if isinstance(node.options, FileOptions):
            file = node.options.user_file(config.application_path)
            if file is not None:
                yield node.id, file


def path_key(node: DataNodeConfig) -> KeyPath:
    """The key under which a data node names its file."""
    options = node.options
    assert isinstance(options, FileOptions)
    return ("DATA_NODE", node.id, "path" if options.path is not None else "default_path")


def _missing_function(
    node: DataNodeConfig, name: str, user: TaskConfig, way: str, verb: str
) -> Diagnostic:
    place = getattr(user, way).index(node.id)
    return Diagnostic(
        code="RUN104",
        key=("DATA_NODE", node.id),
        on_key=True,
        message=f"`[DATA_NODE.{node.id}]` has no `{name}`",
        hint=f"task `{user.id}` {verb} it",
        related=(
            Related(message=f"`{user.id}` {verb} it here", key=("TASK", user.id, way, place)),
        ),
    )


def _missing_celery(modules: Modules) -> Iterator[Diagnostic]:
    if modules.find("celery") is None:
        message = "mode `cluster` needs celery, which is not installed"
        key: KeyPath = ("JOB", "mode")
        hint = _install(["celery"])
        yield Diagnostic(code="RUN402", key=key, message=message, hint=hint)


def _needs(node: DataNodeConfig, *, is_read: bool, is_written: bool) -> Iterator[tuple[str, str]]:
    """The packages that a data node is read and written with, and the key that asks for each."""
    match node.options:
        case ExcelOptions():
            if is_read:
                yield "python_calamine", "storage_type"
            if is_written:
                yield "xlsxwriter", "storage_type"
        case ParquetOptions(engine=engine, exposed_type=exposed_type):
            if is_written or (is_read and exposed_type != "polars"):
                yield engine, "storage_type" if engine == "pyarrow" else "engine"
        case DatabaseOptions(db_engine=db_engine) if is_read or is_written:
            yield "sqlalchemy", "storage_type"
            if db_engine is not None and db_engine in DRIVERS:
                yield DRIVERS[db_engine], "db_engine"
    if is_read or is_written:
        for package in node.options.packages:
            yield package, "storage_type"
    if is_read and isinstance(node.options, TabularOptions):
        exposed = _exposed_by(node.options)
        if exposed is not None:
            yield exposed, "exposed_type"


def _exposed_by(options: TabularOptions) -> str | None:
    """The package that makes what is handed out; None where none is needed."""
    if isinstance(options.exposed_type, FunctionRef):
        return None
    if isinstance(options, DatabaseOptions) and options.exposed_type == "pandas":
        return None  # without pandas, they hand out records
    return _EXPOSED_BY.get(options.exposed_type)


def _missing(node: DataNodeConfig, missing: Sequence[tuple[str, str]]) -> Diagnostic:
    packages = [package for package, _ in missing]
    key = missing[0][1]
    hint = _install(packages, node.options.packages)
    if key == "exposed_type" and isinstance(node.options, CsvOptions):
        hint += ', or write exposed_type = "records", which needs nothing'
    names = " and ".join(package.replace("_", "-") for package in packages)
    verb = "is" if len(packages) == 1 else "are"
    return Diagnostic(
        code="RUN402",
        key=("DATA_NODE", node.id, key),
        message=f"data node `{node.id}` needs {names}, which {verb} not installed",
        label=f"`{key}` is {quote(str(getattr(node, key, None) or getattr(node.options, key)))}",
        hint=hint,
    )


def _install(packages: Sequence[str], of_plugin: Mapping[str, str] | None = None) -> str:
    installed_by = {**_INSTALLED_BY, **(of_plugin or {})}
    arguments = dict.fromkeys(installed_by[package] for package in packages)
    return f"install it: pip install {' '.join(arguments)}"


def _resolved(file: str) -> str:
    """The file without `.` and `..`; nothing is looked up, so links are no part of it."""
    return os.path.normcase(os.path.abspath(file))


def _nodes_by_scenario(config: Config) -> Mapping[str, frozenset[str]]:
    nodes = {
        scenario_id: {each for task in tasks for each in (*task.inputs, *task.outputs)}
        for scenario_id, tasks in task_groups(config).items()
    }
    for scenario in config.scenarios.values():
        nodes.setdefault(scenario.id, set()).update(scenario.additional_data_nodes)
    return {scenario_id: frozenset(ids) for scenario_id, ids in nodes.items()}


def _sharing(files: Mapping[str, str]) -> Iterator[list[str]]:
    """Of data nodes with their files: those that have the same, together."""
    sharing: dict[str, list[str]] = {}
    for node_id, file in files.items():
        sharing.setdefault(file, []).append(node_id)
    return (ids for ids in sharing.values() if len(ids) > 1)


def _owners(file: str, folders: Mapping[str, str]) -> Iterator[str]:
    """The data nodes whose folders a file is in."""
    folder = os.path.dirname(file)
    while folder != file:
        if folder in folders:
            yield folders[folder]
        file, folder = folder, os.path.dirname(folder)


def _is_written(node: DataNodeConfig, uses: Uses) -> bool:
    return node.id in uses.written or node.default_data is not UNSET


def _shared(
    node: DataNodeConfig, other: DataNodeConfig, scenario_id: str, *, changed: bool
) -> Diagnostic:
    does = "have" if changed else "both read"
    return Diagnostic(
        code="RUN407",
        key=path_key(node),
        severity=Severity.ERROR if changed else Severity.WARNING,
        message=f"`{other.id}` and `{node.id}` of scenario `{scenario_id}` {does} the same file",
        hint="give each a file of its own" if changed else "one data node will do",
        related=(Related(message=f"the file of `{other.id}`", key=path_key(other)),),
    )


def _within(node: DataNodeConfig, owner: DataNodeConfig, scenario_id: str) -> Diagnostic:
    return Diagnostic(
        code="RUN407",
        key=path_key(node),
        message=f"the file of `{node.id}` is in the folder of `{owner.id}`, "
        f"which scenario `{scenario_id}` replaces as a whole",
        hint="give each a place of its own",
        related=(Related(message=f"the folder of `{owner.id}`", key=path_key(owner)),),
    )


def _split_compression(name: str) -> tuple[str, str]:
    """A file's name without the suffix of a compressed file, and that suffix."""
    stem, suffix = os.path.splitext(name)
    return (stem, suffix) if suffix.lower() in _COMPRESSED else (name, "")


def _decompresses(options: FileOptions) -> bool:
    """Whether the library that reads it goes by the suffix."""
    return isinstance(options, CsvOptions) and _exposed_by(options) is not None


def _foreign_suffix(node: DataNodeConfig, name: str, owner: str) -> Diagnostic:
    return Diagnostic(
        code="RUN409",
        key=path_key(node),
        message=f"{quote(name)} is named like a file of `{owner}`, not of `{node.storage_type}`",
        hint=f'if it is one, write storage_type = "{owner}"',
    )


def _not_compressed(node: DataNodeConfig, name: str, suffix: str) -> Diagnostic:
    return Diagnostic(
        code="RUN409",
        key=path_key(node),
        message=f"{quote(name)} is named like a compressed file; `{node.storage_type}` makes none",
        hint=f"name it without `{suffix}`",
    )


def _is_other_workbook(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()
    return suffix != ".xlsx" and SUFFIXES.get(suffix) == "excel"


def _not_xlsx(node: DataNodeConfig, name: str) -> Diagnostic:
    suffix = os.path.splitext(name)[1]
    return Diagnostic(
        code="RUN409",
        key=path_key(node),
        message=f"{quote(name)} is named like another kind of workbook than is written",
        hint=f"name it `.xlsx`: Excel does not open such a file as `{suffix}`",
    )


def _is_importable(ref: FunctionRef, modules: Modules) -> bool:
    is_name = all(part.isidentifier() for part in ref.parts) and ref.parts[0] != "__main__"
    return is_name and not isinstance(resolve(ref.name, modules), NotFound)
