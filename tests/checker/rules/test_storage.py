from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.checker.rules.storage import (
    files_in_folders,
    foreign_suffixes,
    functions_without_a_name,
    in_memory_in_cluster,
    missing_functions,
    missing_packages,
    shared_files,
)
from runner.config.builder import ConfigBuilder
from runner.config.loader import Loaded
from runner.config.model import Config, DataNodeConfig, TaskConfig
from runner.config.options import JsonOptions
from runner.diagnostics import Diagnostic, Related
from runner.functions.modules import Modules

Load = Callable[[str], Loaded]

CLUSTER: Final = "[JOB]\nmode = 'cluster'\n"
READ: Final = "[TASK.t]\nfunction = 'm.f'\ninputs = ['d']\n"
WRITTEN: Final = "[TASK.t]\nfunction = 'm.f'\noutputs = ['d']\n"
ON_SERVER: Final = (
    "db_name = 'd'\ntable_name = 't'\ndb_username = 'u'\ndb_password = 'ENV[PW:-x]'\n"
)
DATABASE: Final = "db_name = 'd'\ndb_engine = 'sqlite'\ntable_name = 't'\n"


def told(diagnostics: Iterable[Diagnostic]) -> list[str]:
    return list(map(str, diagnostics))


def node(lines: str, name: str = "d") -> str:
    return f"[DATA_NODE.{name}]\n{lines}\n"


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., Modules]:
    """Where only these packages are installed."""

    def install(*packages: str) -> Modules:
        folder = tmp_path / "packages"
        folder.mkdir()
        for package in packages:
            (folder / f"{package}.py").write_text("raise RuntimeError('imported')\n")
        return Modules((str(folder),), finders=())

    return install


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            node("storage_type = 'csv'") + READ,
            "DATA_NODE.d.exposed_type: error[RUN402]: data node `d` needs pandas, "
            "which is not installed (install it: pip install 'toml-runner[tables]', "
            'or write exposed_type = "records", which needs nothing)',
            id="csv",
        ),
        pytest.param(
            node("storage_type = 'csv'\nexposed_type = 'numpy'") + READ,
            "DATA_NODE.d.exposed_type: error[RUN402]: data node `d` needs pandas, "
            "which is not installed (install it: pip install 'toml-runner[tables]', "
            'or write exposed_type = "records", which needs nothing)',
            id="numpy",
        ),
        pytest.param(
            node("storage_type = 'csv'\nexposed_type = 'polars'") + READ,
            "DATA_NODE.d.exposed_type: error[RUN402]: data node `d` needs polars, "
            "which is not installed (install it: pip install polars, "
            'or write exposed_type = "records", which needs nothing)',
            id="polars",
        ),
        pytest.param(
            node("storage_type = 'excel'") + READ,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs python-calamine "
            "and pandas, which are not installed (install it: pip install 'toml-runner[tables]')",
            id="excel-read",
        ),
        pytest.param(
            node("storage_type = 'excel'") + WRITTEN,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs xlsxwriter, "
            "which is not installed (install it: pip install 'toml-runner[tables]')",
            id="excel-written",
        ),
        pytest.param(
            node("storage_type = 'excel'\nexposed_type = 'records'\ndefault_data = [1]") + READ,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs python-calamine "
            "and xlsxwriter, which are not installed "
            "(install it: pip install 'toml-runner[tables]')",
            id="excel-with-a-first-value",
        ),
        pytest.param(
            node("storage_type = 'parquet'\nexposed_type = 'polars'") + READ,
            "DATA_NODE.d.exposed_type: error[RUN402]: data node `d` needs polars, "
            "which is not installed (install it: pip install polars)",
            id="parquet-for-polars",
        ),
        pytest.param(
            node("storage_type = 'parquet'\nexposed_type = 'polars'\ndefault_data = [1]") + READ,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs pyarrow and polars, "
            "which are not installed (install it: pip install 'toml-runner[tables]' polars)",
            id="parquet-for-polars-written",
        ),
        pytest.param(
            node("storage_type = 'parquet'\nexposed_type = 'records'") + READ,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs pyarrow, "
            "which is not installed (install it: pip install 'toml-runner[tables]')",
            id="parquet-as-records",
        ),
        pytest.param(
            node("storage_type = 'parquet'\nengine = 'fastparquet'") + WRITTEN,
            "DATA_NODE.d.engine: error[RUN402]: data node `d` needs fastparquet, "
            "which is not installed (install it: pip install fastparquet)",
            id="fastparquet",
        ),
        pytest.param(
            node(f"storage_type = 'sql_table'\n{DATABASE}") + READ,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs sqlalchemy, "
            "which is not installed (install it: pip install 'toml-runner[sql]')",
            id="sql",
        ),
        pytest.param(
            node(f"storage_type = 'sql_table'\n{ON_SERVER}db_engine = 'postgresql'") + READ,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs sqlalchemy and psycopg, "
            "which are not installed (install it: pip install 'toml-runner[sql]')",
            id="sql-with-its-driver",
        ),
        pytest.param(
            node(f"storage_type = 'sql_table'\n{ON_SERVER}db_engine = 'mssql'") + WRITTEN,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs sqlalchemy and pyodbc, "
            "which are not installed (install it: pip install 'toml-runner[sql]' "
            "'toml-runner[mssql]')",
            id="mssql",
        ),
        pytest.param(
            node("storage_type = 'mongo_collection'\ndb_name = 'd'\ncollection_name = 'c'") + READ,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs pymongo, "
            "which is not installed (install it: pip install 'toml-runner[mongo]')",
            id="mongo",
        ),
        pytest.param(
            node("storage_type = 's3_object'") + WRITTEN,
            "DATA_NODE.d.storage_type: error[RUN402]: data node `d` needs boto3, "
            "which is not installed (install it: pip install 'toml-runner[s3]')",
            id="s3",
        ),
        pytest.param(
            CLUSTER + node("") + WRITTEN,
            "JOB.mode: error[RUN402]: mode `cluster` needs celery, which is not installed "
            "(install it: pip install 'toml-runner[cluster]')",
            id="cluster",
        ),
        pytest.param(
            node("storage_type = 'csv'") + "[SCENARIO.s]\n[SCENARIO.s.comparators]\nd = 'm.f'\n",
            "DATA_NODE.d.exposed_type: error[RUN402]: data node `d` needs pandas, "
            "which is not installed (install it: pip install 'toml-runner[tables]', "
            'or write exposed_type = "records", which needs nothing)',
            id="compared",
        ),
    ],
)
def test_a_package_that_is_missing(
    loaded: Load, installed: Callable[..., Modules], text: str, expected: str
) -> None:
    assert told(missing_packages(loaded(text).config, installed())) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(node("storage_type = 'csv'") + WRITTEN, id="csv-only-written"),
        pytest.param(node("storage_type = 'csv'"), id="nothing-runs"),
        pytest.param(
            node("storage_type = 'csv'") + READ + "[SCENARIO.s]\ntasks = []\n", id="in-no-scenario"
        ),
        pytest.param(node("storage_type = 'csv'\nexposed_type = 'records'") + READ, id="records"),
        pytest.param(node("storage_type = 'csv'\nexposed_type = 'm.Row'") + READ, id="class"),
        pytest.param(node("storage_type = 'json'") + READ, id="json"),
        pytest.param(node("storage_type = 'generic'\nread_fct = 'm.f'") + READ, id="generic"),
        pytest.param(node("storage_type = 'csv'\nexposed_type = 5") + READ, id="not-understood"),
        pytest.param(CLUSTER + node(""), id="cluster-of-nothing"),
    ],
)
def test_nothing_is_needed(loaded: Load, installed: Callable[..., Modules], text: str) -> None:
    assert told(missing_packages(loaded(text).config, installed())) == []


def test_what_is_installed_is_not_imported(loaded: Load, installed: Callable[..., Modules]) -> None:
    text = node("storage_type = 'excel'") + READ
    modules = installed("pandas", "python_calamine")
    assert told(missing_packages(loaded(text).config, modules)) == []


def test_the_label_says_which_key_asks_for_it(
    loaded: Load, installed: Callable[..., Modules]
) -> None:
    text = node("storage_type = 'csv'") + READ
    (diagnostic,) = missing_packages(loaded(text).config, installed())
    assert diagnostic.label == '`exposed_type` is "pandas"'


def test_memory_in_a_cluster(loaded: Load) -> None:
    in_memory = node("storage_type = 'in_memory'")
    assert list(in_memory_in_cluster(loaded(CLUSTER + in_memory).config)) == [
        Diagnostic(
            code="RUN406",
            key=("DATA_NODE", "d", "storage_type"),
            message="data node `d` is kept in memory, which a cluster does not share",
            hint="keep it in a file that all machines reach, or in a database",
            related=(Related(message="the mode", key=("JOB", "mode")),),
        )
    ]
    assert list(in_memory_in_cluster(loaded(in_memory).config)) == []


TWO: Final = (
    "[DATA_NODE.a]\nstorage_type = 'json'\npath = 'data/x.json'\n"
    "[DATA_NODE.b]\nstorage_type = 'json'\ndefault_path = '{path}'\n"
    "[TASK.t]\nfunction = 'm.f'\ninputs = ['a']\noutputs = ['b']\n"
    "[SCENARIO.s]\ntasks = ['t']\n"
)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("data/x.json", id="same"),
        pytest.param("./data//x.json", id="dot"),
        pytest.param("other/../data/x.json", id="up-and-down"),
        pytest.param("{folder}/data/x.json", id="absolute"),
    ],
)
def test_two_data_nodes_with_one_file(loaded: Load, tmp_path: Path, path: str) -> None:
    text = TWO.replace("{path}", path.replace("{folder}", str(tmp_path)))
    assert list(shared_files(loaded(text).config)) == [
        Diagnostic(
            code="RUN407",
            key=("DATA_NODE", "b", "default_path"),
            message="`a` and `b` of scenario `s` have the same file",
            hint="give each a file of its own",
            related=(Related(message="the file of `a`", key=("DATA_NODE", "a", "path")),),
        )
    ]


def test_a_shared_file_that_nobody_writes_is_suspicious(loaded: Load) -> None:
    text = TWO.format(path="data/x.json").replace(
        "inputs = ['a']\noutputs", "inputs = ['a', 'b']\n#"
    )
    (message,) = told(shared_files(loaded(text).config))
    assert message == (
        "DATA_NODE.b.default_path: warning[RUN407]: `a` and `b` of scenario `s` both read "
        "the same file (one data node will do)"
    )


def test_each_of_several_is_told_once(loaded: Load) -> None:
    text = TWO.format(path="data/x.json") + (
        "additional_data_nodes = ['c']\n[SCENARIO.r]\ntasks = ['t']\n"
        "[DATA_NODE.c]\npath = 'data/x.json'\n"
    )
    assert [each.key[1] for each in shared_files(loaded(text).config)] == ["b", "c"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TWO.format(path="data/y.json"), id="two-files"),
        pytest.param(
            TWO.format(path="data/x.json").replace("inputs = ['a']\n", ""), id="not-in-one-scenario"
        ),
    ],
)
def test_files_of_their_own(loaded: Load, text: str) -> None:
    assert told(shared_files(loaded(text).config)) == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param(
            "storage_type = 'csv'\npath = 'data/a.parquet'",
            '"a.parquet" is named like a file of `parquet`, not of `csv` '
            '(if it is one, write storage_type = "parquet")',
            id="csv-parquet",
        ),
        pytest.param(
            "path = 'A.CSV'",
            '"A.CSV" is named like a file of `csv`, not of `pickle` '
            '(if it is one, write storage_type = "csv")',
            id="no-storage-type",
        ),
        pytest.param(
            "storage_type = 'json'\npath = 'a.csv.gz'",
            '"a.csv.gz" is named like a file of `csv`, not of `json` '
            '(if it is one, write storage_type = "csv")',
            id="compressed-and-foreign",
        ),
        pytest.param(
            "storage_type = 'json'\npath = 'a.json.gz'",
            '"a.json.gz" is named like a compressed file; `json` makes none '
            "(name it without `.gz`)",
            id="compressed",
        ),
        pytest.param(
            "storage_type = 'csv'\nexposed_type = 'records'\npath = 'a.csv.bz2'",
            '"a.csv.bz2" is named like a compressed file; `csv` makes none '
            "(name it without `.bz2`)",
            id="read-as-it-is",
        ),
        pytest.param(
            "storage_type = 'csv'\npath = 'a.csv.gz'\ndefault_data = [1]",
            '"a.csv.gz" is named like a compressed file; `csv` makes none (name it without `.gz`)',
            id="first-value-written",
        ),
    ],
)
def test_a_suffix_of_another_storage_type(loaded: Load, lines: str, message: str) -> None:
    expected = [f"DATA_NODE.d.path: warning[RUN409]: {message}"]
    assert told(foreign_suffixes(loaded(node(lines)).config)) == expected


@pytest.mark.parametrize("suffix", [".xls", ".xlsb", ".XLSM"])
def test_a_workbook_that_is_written_is_named_as_one(loaded: Load, suffix: str) -> None:
    text = node(f"storage_type = 'excel'\npath = 'a{suffix}'") + WRITTEN
    (message,) = told(foreign_suffixes(loaded(text).config))
    assert message == (
        f'DATA_NODE.d.path: warning[RUN409]: "a{suffix}" is named like another kind of workbook '
        f"than is written (name it `.xlsx`: Excel does not open such a file as `{suffix}`)"
    )


FOLDER: Final = (
    "[DATA_NODE.a]\nstorage_type = 'parquet'\npath = 'data'\n"
    "[DATA_NODE.b]\nstorage_type = 'json'\npath = '{path}'\n"
    "[TASK.t]\nfunction = 'm.f'\n{uses}\n"
    "[SCENARIO.s]\ntasks = ['t']\nadditional_data_nodes = ['a', 'b']\n"
)


@pytest.mark.parametrize("path", ["data/b.json", "./data/deeper/x/../b.json"])
def test_a_file_in_a_folder_that_is_replaced(loaded: Load, path: str) -> None:
    text = FOLDER.format(path=path, uses="outputs = ['a']")
    assert list(files_in_folders(loaded(text).config)) == [
        Diagnostic(
            code="RUN407",
            key=("DATA_NODE", "b", "path"),
            message="the file of `b` is in the folder of `a`, "
            "which scenario `s` replaces as a whole",
            hint="give each a place of its own",
            related=(Related(message="the folder of `a`", key=("DATA_NODE", "a", "path")),),
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FOLDER.format(path="data/b.json", uses="inputs = ['a']"), id="only-read"),
        pytest.param(FOLDER.format(path="data.json", uses="outputs = ['a']"), id="beside"),
        pytest.param(
            FOLDER.format(path="data/b.json", uses="outputs = ['a']").replace("'parquet'", "'csv'"),
            id="of-another-storage-type",
        ),
        pytest.param(
            FOLDER.format(path="data/b.json", uses="outputs = ['a']").replace(", 'b'", ""),
            id="not-in-one-scenario",
        ),
    ],
)
def test_files_that_no_folder_replaces(loaded: Load, text: str) -> None:
    assert told(files_in_folders(loaded(text).config)) == []


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("storage_type = 'csv'\npath = 'a.csv'", id="own"),
        pytest.param("storage_type = 'csv'\npath = 'a.tsv'", id="unknown"),
        pytest.param("storage_type = 'json'\npath = 'a'", id="none"),
        pytest.param("storage_type = 'csv'\npath = '.csv'", id="only-a-dot-name"),
        pytest.param("storage_type = 'excel'\npath = 'a.xls'", id="old-excel"),
        pytest.param("storage_type = 'csv'\npath = 'a.csv.gz'", id="pandas-decompresses"),
        pytest.param("storage_type = 'parquet'\npath = 'a.parquet.gz'", id="parquet-compresses"),
        pytest.param("storage_type = 'cvs'\npath = 'a.csv'", id="misspelt-storage-type"),
        pytest.param("storage_type = 5\npath = 'a.csv'", id="bad-storage-type"),
        pytest.param("storage_type = 'json'", id="file-of-the-runner"),
    ],
)
def test_suffixes_that_are_right(loaded: Load, lines: str) -> None:
    assert told(foreign_suffixes(loaded(node(lines)).config)) == []


def test_functions_that_no_worker_can_import() -> None:
    builder = ConfigBuilder()
    builder.configure_job_executions(mode="cluster")
    raw = builder.configure_data_node("raw", default_data=lambda: 1)
    builder.configure_task("named", os.path.basename, raw)
    builder.configure_task("nameless", lambda _: None, raw)
    expected = (
        "TASK.nameless.function: error[RUN307]: `"
        f"{__name__}.test_functions_that_no_worker_can_import.<locals>.<lambda>` "
        "cannot be imported by a worker of the cluster (define it at the top level of a module)"
    )
    standard = Modules((str(Path(os.__file__).parent),), finders=())
    assert told(functions_without_a_name(builder.build(), standard)) == [expected]
    builder.configure_job_executions(mode="development")
    assert told(functions_without_a_name(builder.build(), standard)) == []


@given(parts=st.lists(st.sampled_from(["a", "b", ".", ".."]), min_size=1))
def test_what_names_one_file_is_one_file(parts: list[str]) -> None:
    written = "/".join(parts)
    nodes = {
        name: DataNodeConfig(id=name, options=JsonOptions(path=path))
        for name, path in (("a", written), ("b", os.path.normpath(f"/app/{written}")))
    }
    task = TaskConfig(id="t", inputs=("a",), outputs=("b",))
    config = Config(data_nodes=nodes, tasks={"t": task}, application_path=Path("/app"))
    assert [each.key[1] for each in shared_files(config)] == ["b"]


GENERIC: Final = node("storage_type = 'generic'\nread_fct = 'm.f'\nwrite_fct = 'm.f'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(GENERIC + READ, [], id="read"),
        pytest.param(GENERIC + WRITTEN, [], id="written"),
        pytest.param(
            GENERIC.replace("read_fct = 'm.f'", "") + READ,
            ["DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `read_fct` (task `t` reads it)"],
            id="read-without",
        ),
        pytest.param(
            GENERIC.replace("write_fct = 'm.f'", "") + WRITTEN,
            ["DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `write_fct` (task `t` writes it)"],
            id="written-without",
        ),
        pytest.param(GENERIC.replace("read_fct = 'm.f'", "") + WRITTEN, [], id="not-read"),
        pytest.param(GENERIC.replace("write_fct = 'm.f'", "") + READ, [], id="not-written"),
        pytest.param(
            GENERIC.replace("read_fct = 'm.f'", "") + READ + "[SCENARIO.s]\ntasks = []\n",
            [],
            id="read-in-no-scenario",
        ),
        pytest.param(node("storage_type = 'generic'") + READ, [], id="neither-is-told-elsewhere"),
        pytest.param(
            GENERIC.replace("read_fct = 'm.f'", "read_fct = 5") + READ, [], id="unread-key"
        ),
    ],
)
def test_missing_functions(loaded: Callable[[str], Loaded], text: str, expected: list[str]) -> None:
    assert told(missing_functions(loaded(text).config)) == expected


def test_a_missing_function_is_told_with_who_needs_it(loaded: Callable[[str], Loaded]) -> None:
    config = loaded(GENERIC.replace("read_fct = 'm.f'", "") + READ).config
    (found,) = missing_functions(config)
    assert found.related == (Related(message="`t` reads it here", key=("TASK", "t", "inputs", 0)),)
