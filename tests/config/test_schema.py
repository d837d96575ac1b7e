"""Of the schema: what `check` accepts it accepts; what it refuses is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from runner.checker.check import check
from runner.checker.codes.pages import page_of
from runner.checker.severity import unknown_codes
from runner.config.keys import SECTIONS, Kind, section_keys, storage_keys
from runner.config.loader import load
from runner.config.options import STORAGE_TYPES
from runner.config.schema import Project, make_schema
from runner.diagnostics import CODES, Diagnostic, has_errors

ROOT = Path(__file__).parent.parent.parent
SCHEMA = json.loads(json.dumps(make_schema()))
VALIDATOR = Draft7Validator(SCHEMA)
EXAMPLES = sorted(
    set((ROOT / "examples").glob("*/*.toml")) - {ROOT / "examples/plugin/pyproject.toml"}
)
SCRIPTS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
TOMBI = shutil.which("tombi", path=SCRIPTS)
CHECK_JSONSCHEMA = shutil.which("check-jsonschema", path=SCRIPTS)

GOOD = re.compile(r"```toml[^\n]*\n(.*?)```", re.DOTALL)

ACCEPTED = {
    "empty": "",
    "every-key-of-job": """
        [JOB]
        mode = "standalone"
        max_nb_of_workers = 8
        start_method = "forkserver:str"
        broker_url = "ENV[BROKER:-amqp://localhost]"
        queue = "runner"
        worker_lease = "1m 30s:timedelta"
        [JOB.properties]
        team = "weather"
    """,
    "workers-auto": '[JOB]\nmax_nb_of_workers = "auto"',
    "workers-typed": '[JOB]\nmax_nb_of_workers = "2:int"',
    "workers-from-the-environment": '[JOB]\nmax_nb_of_workers = "ENV[WORKERS:-2]:int"',
    "old-number-of-workers": "[JOB]\nnb_of_workers = 2",
    "mode-in-upper-case": '[JOB]\nmode = "Standalone"',
    "core": '[CORE]\nstorage_folder = "kept"\ndurability = "power"',
    "core-of-taipy": """
        [CORE]
        root_folder = "./taipy"
        read_entity_retry = "3:int"
        force = "False:bool"
    """,
    "sections-of-taipy": '[TAIPY]\na = 1\n[AUTHENTICATION]\nprotocol = "none"\n[gui]\ndark = true',
    "free-section": "[RUNNER]\na = 1979-05-27T07:32:00Z\nb = [1, 'a', 1.5]\nc = {d = nan}",
    "check": """
        [CHECK]
        ignore = ["RUN205", "unused", "run206"]
        strict = "true:bool"
        [CHECK.severity]
        unused = "off"
        RUN118 = "error"
    """,
    "defaults": """
        [DATA_NODE.default]
        storage_type = "sql_table"
        db_name = "shop"
        db_engine = "sqlite"
        [DATA_NODE.a]
        storage_type = "sql_table"
        table_name = "orders"
        [TASK.default]
        retries = 3
        [SCENARIO.default]
        frequency = "DAILY"
    """,
    "empty-data-node": "[DATA_NODE.a]",
    "scopes": """
        [DATA_NODE]
        a.scope = "CYCLE:SCOPE"
        b.scope = "global"
        c.scope = "ENV[S:-GLOBAL]:SCOPE"
    """,
    "any-default": "[DATA_NODE.a]\ndefault_data = [1, 'a', {b = 2024-01-01}]",
    "default-table": "[DATA_NODE.a.default_data]\nx = 1",
    "validity": '[DATA_NODE.a]\nvalidity_period = "1d2h3m4.5s"',
    "json": """
        [DATA_NODE.a]
        storage_type = "json"
        path = "a.json"
        encoder = "m.E:class"
        decoder = "m.D"
    """,
    "csv": """
        [DATA_NODE.a]
        storage_type = "csv:str"
        has_header = "False:bool"
        exposed_type = "m.Row:class"
    """,
    "excel": '[DATA_NODE.a]\nstorage_type = "excel"\npath = "a.xlsx"\nsheet_name = ["x", "y"]',
    "parquet": """
        [DATA_NODE.a]
        storage_type = "parquet"
        compression = "gzip"
        read_kwargs = {columns = ["a"]}
    """,
    "sqlite": """
        [DATA_NODE.a]
        storage_type = "sql_table"
        db_name = "n"
        db_engine = "sqlite"
        table_name = "t"
    """,
    "sql": """
        [DATA_NODE.a]
        storage_type = "sql"
        db_name = "n"
        db_engine = "postgresql"
        db_username = "u"
        db_password = "ENV[PASSWORD:-p]"
        db_port = "5432:int"
        read_query = "select 1"
        write_query_builder = "m.build:function"
    """,
    "mongo": """
        [DATA_NODE.a]
        storage_type = "mongo_collection"
        db_name = "n"
        collection_name = "c"
        db_port = 1
    """,
    "s3": """
        [DATA_NODE.a]
        storage_type = "s3_object"
        aws_access_key = "ENV[KEY:-k]"
        aws_secret_access_key = "ENV[SECRET:-s]"
        aws_s3_bucket_name = "b"
        aws_s3_object_key = "o"
        aws_s3_client_parameters = {timeout = 3}
    """,
    "generic": """
        [DATA_NODE.a]
        storage_type = "generic"
        read_fct = "m.f"
        read_fct_args = [1, "2:int"]
    """,
    "storage-type-from-the-environment": """
        [DATA_NODE.a]
        storage_type = "ENV[KIND:-csv]"
        has_header = true
    """,
    "every-key-of-a-task": """
        [DATA_NODE.a]
        [DATA_NODE.b]
        [TASK.t]
        function = "m.f:function"
        inputs = ["a:SECTION", "a"]
        outputs = ["b"]
        skippable = "True:bool"
        retries = "2:int"
        retry_delay = "0.5s"
        timeout = "1h:timedelta"
        tags = ["x"]
        description = "what it is"
        [TASK.t.properties]
        owner = "me"
    """,
    "function-with-a-colon": '[TASK.t]\nfunction = "m.n:f"',
    "method": '[TASK.t]\nfunction = "m.C.f"',
    "names-beyond-ascii": """
        [DATA_NODE."größe"]
        [TASK.t]
        function = "maße.größe"
        inputs = ["größe"]
    """,
    "scenario": """
        [DATA_NODE.a]
        [TASK.t]
        function = "m.f"
        inputs = ["a"]
        [SCENARIO.s]
        tasks = ["t:SECTION"]
        additional_data_nodes = []
        frequency = "weekly:FREQUENCY"
        tags = ["x"]
        description = "what it is"
        sequences = {first = ["t"]}
        comparators = {a = ["m.compare", "m.n:function"]}
    """,
    "one-comparator": '[DATA_NODE.a]\n[SCENARIO.s]\ncomparators = {a = "m.compare"}',
}
REFUSED = {
    "unknown-section": "[TASKS.t]\nfunction = 'm.f'",
    "top-level-key": "mode = 'standalone'",
    "unknown-key-of-job": "[JOB]\nworkers = 2",
    "unknown-mode": "[JOB]\nmode = 'parallel'",
    "no-workers": "[JOB]\nmax_nb_of_workers = 0",
    "no-workers-typed": "[JOB]\nmax_nb_of_workers = '0:int'",
    "workers-in-words": "[JOB]\nmax_nb_of_workers = 'two'",
    "workers-float": "[JOB]\nmax_nb_of_workers = 2.5",
    "duration-number": "[JOB]\nworker_lease = 30",
    "duration-words": "[JOB]\nworker_lease = '30 seconds'",
    "unknown-key-of-core": "[CORE]\nstorage_foldr = 'x'",
    "unknown-durability": "[CORE]\ndurability = 'forever'",
    "unknown-key-of-check": "[CHECK]\nignored = []",
    "unknown-code": "[CHECK]\nignore = ['RUN999']",
    "unknown-severity": "[CHECK.severity]\nunused = 'fatal'",
    "data-node-no-table": "[DATA_NODE]\na = 1",
    "id-no-identifier": "[DATA_NODE.'a-b']",
    "misspelt-key": "[DATA_NODE.a]\nstorage_typ = 'csv'",
    "free-key-beside-the-others": "[DATA_NODE.a]\ncacheable = true",
    "unknown-storage-type": "[DATA_NODE.a]\nstorage_type = 'cvs'",
    "key-of-another-storage-type": "[DATA_NODE.a]\nstorage_type = 'csv'\nsheet_name = 'x'",
    "unknown-scope": "[DATA_NODE.a]\nscope = 'WORLD'",
    "has-header-text": "[DATA_NODE.a]\nstorage_type = 'csv'\nhas_header = 'yes'",
    "path-number": "[DATA_NODE.a]\npath = 1",
    "unknown-exposed-type": "[DATA_NODE.a]\nstorage_type = 'csv'\nexposed_type = 'panda'",
    "unknown-compression": "[DATA_NODE.a]\nstorage_type = 'parquet'\ncompression = 'zip'",
    "no-table-name": """
        [DATA_NODE.a]
        storage_type = 'sql_table'
        db_name = 'n'
        db_engine = 'sqlite'
    """,
    "no-password": """
        [DATA_NODE.a]
        storage_type = "sql_table"
        db_name = "n"
        db_engine = "mysql"
        table_name = "t"
    """,
    "no-collection": "[DATA_NODE.a]\nstorage_type = 'mongo_collection'\ndb_name = 'n'",
    "no-key-of-s3": "[DATA_NODE.a]\nstorage_type = 's3_object'",
    "generic-without-function": "[DATA_NODE.a]\nstorage_type = 'generic'",
    "kwargs-no-table": "[DATA_NODE.a]\nstorage_type = 'parquet'\nread_kwargs = ['a']",
    "no-function": "[TASK.t]\ninputs = []",
    "empty-task": "[TASK.t]",
    "function-without-module": "[TASK.t]\nfunction = 'f'",
    "function-number": "[TASK.t]\nfunction = 5",
    "function-no-name": "[TASK.t]\nfunction = 'm.1f'",
    "function-other-type": "[TASK.t]\nfunction = 'm.f:int'",
    "inputs-text": "[TASK.t]\nfunction = 'm.f'\ninputs = 'a'",
    "inputs-number": "[TASK.t]\nfunction = 'm.f'\ninputs = [1]",
    "inputs-other-type": "[TASK.t]\nfunction = 'm.f'\ninputs = ['a:int']",
    "inputs-of-taipy-in-python": "[TASK.t]\nfunction = 'm.f'\ninput = ['a']",
    "skippable-text": "[TASK.t]\nfunction = 'm.f'\nskippable = 'maybe'",
    "negative-retries": "[TASK.t]\nfunction = 'm.f'\nretries = -1",
    "retries-text": "[TASK.t]\nfunction = 'm.f'\nretries = 'three:int'",
    "description-of-another-type": "[TASK.t]\nfunction = 'm.f'\ndescription = '5:int'",
    "tags-text": "[TASK.t]\nfunction = 'm.f'\ntags = 'x'",
    "unknown-frequency": "[SCENARIO.s]\nfrequency = 'HOURLY'",
    "tasks-text": "[SCENARIO.s]\ntasks = 't'",
    "sequences-list": "[SCENARIO.s]\nsequences = ['t']",
    "comparator-text": "[SCENARIO.s.comparators]\na = 'compare'",
    "unknown-key-of-a-scenario": "[SCENARIO.s]\ntask_configs = []",
}


def dedented(cases: Mapping[str, str]) -> list[Any]:
    return [
        pytest.param("\n".join(map(str.strip, text.splitlines())), id=name)
        for name, text in cases.items()
    ]


def written(folder: Path, cases: Mapping[str, str]) -> dict[str, Path]:
    """A file of each case, whose first line names the schema beside it."""
    (folder / "runner.schema.json").write_text(json.dumps(SCHEMA))
    files = {}
    for name, text in cases.items():
        files[name] = folder / f"{name}.toml"
        lines = ["#:schema ./runner.schema.json", *map(str.strip, text.splitlines())]
        files[name].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files


def refused_by_tombi(files: Mapping[str, Path]) -> set[str]:
    if TOMBI is None:
        pytest.skip("tombi is not installed: pip install 'toml-runner[test]'")
    folder = next(iter(files.values())).parent
    linted = subprocess.run(
        [TOMBI, "lint", "--offline", *[file.name for file in files.values()]],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    told = linted.stderr.split("\n")
    places = [at for error, at in pairwise(told) if "Error: " in error]
    assert bool(places) == bool(linted.returncode), linted.stderr
    return {name for name, file in files.items() if any(f" {file.name}:" in at for at in places)}


def refused_by_check_jsonschema(files: Mapping[str, Path]) -> set[str]:
    if CHECK_JSONSCHEMA is None:
        pytest.skip("check-jsonschema is not installed: pip install 'toml-runner[test]'")
    folder = next(iter(files.values())).parent
    command = [CHECK_JSONSCHEMA, "--schemafile", "runner.schema.json", "-o", "json"]
    checked = subprocess.run(
        [*command, *[file.name for file in files.values()]],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    wrong = {error["filename"] for error in json.loads(checked.stdout)["errors"]}
    return {name for name, file in files.items() if file.name in wrong}


def found_in(tables: Mapping[str, Any]) -> list[Diagnostic]:
    """What `check` says of a config, less its functions."""
    loaded = load([], environ={}, base=tables)
    return [*loaded.diagnostics, *unknown_codes(loaded.config.check), *check(loaded.config)]


def of_loading(tables: Mapping[str, Any]) -> list[str]:
    """What loading finds, less what is only told for the sake of old files."""
    found = load([], environ={}, base=tables).diagnostics
    return [each.code for each in found if each.is_error or each.code == "RUN103"]


def test_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", dedented(ACCEPTED))
def test_accepts(text: str) -> None:
    tables = tomli.loads(text)

    assert of_loading(tables) == []
    assert [error.message for error in VALIDATOR.iter_errors(tables)] == []


@pytest.mark.parametrize("text", dedented(REFUSED))
def test_refuses(text: str) -> None:
    tables = tomli.loads(text)

    assert not VALIDATOR.is_valid(tables)
    assert found_in(tables)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_accepts_example(path: Path) -> None:
    tables = tomli.loads(path.read_text(encoding="utf-8"))

    assert [error.message for error in VALIDATOR.iter_errors(tables)] == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(text, id=f"{code}-{number}")
        for code in CODES
        for number, text in enumerate(GOOD.findall(page_of(code).text.rpartition("## Good")[2]))
    ],
)
def test_accepts_every_good_example_of_a_code(text: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(tomli.loads(text))] == []


def test_tombi_accepts_and_refuses(tmp_path: Path) -> None:
    examples = {
        f"example-{path.parent.name}-{path.stem}": path.read_text("utf-8") for path in EXAMPLES
    }
    files = written(tmp_path, {**ACCEPTED, **examples, **REFUSED})

    assert refused_by_tombi(files) == set(REFUSED)


def test_check_jsonschema_accepts_and_refuses(tmp_path: Path) -> None:
    examples = {
        f"example-{path.parent.name}-{path.stem}": path.read_text("utf-8") for path in EXAMPLES
    }
    files = written(tmp_path, {**ACCEPTED, **examples, **REFUSED})

    assert refused_by_check_jsonschema(files) == set(REFUSED)


TEXTS = st.one_of(
    st.sampled_from(
        [
            "a",
            "t",
            "m.f",
            "m:f",
            "auto",
            "true",
            "GLOBAL",
            "daily",
            "Spawn",
            "power",
            "pandas",
            "csv",
            "sqlite",
        ]
    ),
    st.sampled_from(
        [" 1_0 ", "+2", "-1", "0", "1.5", "2h 3s", "0s", "1d", "RUN205", "unused", "ä.ö"]
    ),
    st.from_regex(r"\A[0-9]{1,2}[dhms]\Z"),
)
SUFFIXES = st.sampled_from(["", "", ":int", ":bool", ":str", ":timedelta", ":function", ":class",
                            ":SCOPE", ":FREQUENCY", ":SECTION"])  # fmt: skip
WRITTEN = st.one_of(
    st.builds(str.__add__, TEXTS, SUFFIXES),
    st.builds("ENV[X:-{}]{}".format, TEXTS, SUFFIXES),
    st.booleans(),
    st.integers(-1, 3),
    st.floats(allow_nan=False),
    st.dates(),
)
RAW = st.recursive(
    WRITTEN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)
PLACES = [(section, "", key.name) for section in SECTIONS for key in section_keys(section)] + [
    ("DATA_NODE", kind, key.name) for kind in STORAGE_TYPES for key in storage_keys(kind)
]


def with_value(section: str, storage_type: str, name: str, raw: Any) -> dict[str, Any]:
    """Tables in which the key has that value, and ids that it may name."""
    ids: dict[str, Any] = {
        "DATA_NODE": {"a": {}},
        "TASK": {"t": {"function": "m.f"}},
        "SCENARIO": {"s": {"tasks": ["t"]}},
    }
    if section in {"JOB", "CORE", "CHECK"}:
        return {section: {name: raw}}
    if section == "DATA_NODE":
        kind = {"storage_type": storage_type} if storage_type else {}
        return {section: {"default": {**kind, name: raw}}}
    (name_of_it,) = ids[section]
    return {**ids, section: {name_of_it: {**ids[section][name_of_it], name: raw}}}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(place=st.sampled_from(PLACES), raw=RAW)
@example(place=("JOB", "", "max_nb_of_workers"), raw=" auto ")
@example(place=("TASK", "", "function"), raw=" m.n :function")
@example(place=("DATA_NODE", "csv", "exposed_type"), raw="records:str")
@example(place=("DATA_NODE", "sql_table", "exposed_type"), raw="m.Row:str")
@example(place=("TASK", "", "retries"), raw="-0:int")
@example(place=("CHECK", "", "ignore"), raw=["UNUSED", "run205:str"])
def test_accepts_every_value_that_check_accepts(place: tuple[str, str, str], raw: Any) -> None:
    tables = with_value(*place, raw)
    assume(not has_errors(found_in(tables)))

    assert [error.message for error in VALIDATOR.iter_errors(tables)] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_describes_every_key(section: str) -> None:
    keys = {key.name: key for key in section_keys(section)}
    if section == "DATA_NODE":
        keys |= {key.name: key for kind in STORAGE_TYPES for key in storage_keys(kind)}
    tables = SCHEMA["properties"] if section in SCHEMA["properties"] else {}
    record = SCHEMA["definitions"].get(section.lower(), tables[section])

    assert record["properties"].keys() - {"properties"} == keys.keys()
    assert all(each["description"].endswith(".") for each in record["properties"].values())
    assert record["additionalProperties"] is False


def test_says_what_a_key_means_its_unit_and_its_default() -> None:
    assert SCHEMA["properties"]["JOB"]["properties"]["worker_lease"] == {
        "type": "string",
        "pattern": (
            r"^(\s*([0-9]+(\.[0-9]+)?[dhms]\s*)+(:timedelta)?"
            r"|ENV\[[A-Za-z_][0-9A-Za-z_]*(:-.*)?\](:[A-Za-z]+)?)$"
        ),
        "description": (
            "After how long a silence a worker of the cluster counts as dead; 1s at least. "
            "A duration: days, hours, minutes, seconds, such as `1h30m`. "
            'Default: `"30s"`.'
        ),
        "default": "30s",
    }


def test_tells_keys_apart_that_mean_different_things() -> None:
    port = SCHEMA["definitions"]["data_node"]["properties"]["db_port"]

    assert port["description"] == (
        "sql_table, sql: Where the server listens; without it, the engine's own port.\n\n"
        "mongo_collection: Where the server listens. Default: `27017`."
    )
    assert "default" not in port


PROJECT = Project(
    data_nodes=("raw", "clean"),
    tasks=("load",),
    functions=("tasks.load", "tasks.Model.fit"),
    names=("tasks.Frame", "tasks._hidden"),
    modules=("tasks",),
)


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        pytest.param("[TASK.t]\nfunction = 'tasks.load'\ninputs = ['raw']", True, id="known"),
        pytest.param(
            "[TASK.t]\nfunction = 'tasks.load'\ninputs = ['raw:SECTION']", True, id="typed"
        ),
        pytest.param("[TASK.t]\nfunction = 'tasks.load'\ninputs = ['ENV[X]']", True, id="env"),
        pytest.param(
            "[TASK.t]\nfunction = 'tasks.load'\ninputs = ['rwa']", False, id="unknown-input"
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'tasks.load'\noutputs = ['rwa']", False, id="unknown-output"
        ),
        pytest.param("[TASK.t]\nfunction = 'tasks:load'", True, id="colon"),
        pytest.param("[TASK.t]\nfunction = 'tasks.load:function'", True, id="typed-function"),
        pytest.param("[TASK.t]\nfunction = 'tasks.Model.fit'", True, id="method"),
        pytest.param("[TASK.t]\nfunction = 'tasks.Frame.read'", True, id="part-of-a-name"),
        pytest.param("[TASK.t]\nfunction = 'tasks.laod'", False, id="unknown-function"),
        pytest.param("[TASK.t]\nfunction = 'tasks.load2'", False, id="longer-name"),
        pytest.param("[TASK.t]\nfunction = 'tasksX.load2'", True, id="module-of-somebody-else"),
        pytest.param("[TASK.t]\nfunction = 'json.loads'", True, id="installed"),
        pytest.param("[TASK.t]\nretries = 2", False, id="no-function"),
        pytest.param("[SCENARIO.s]\ntasks = ['load']", True, id="known-task"),
        pytest.param("[SCENARIO.s]\ntasks = ['laod']", False, id="unknown-task"),
        pytest.param(
            "[SCENARIO.s.sequences]\nx = ['laod']", False, id="unknown-task-of-a-sequence"
        ),
        pytest.param("[SCENARIO.s.comparators]\nraw = 'json.loads'", True, id="comparator"),
        pytest.param(
            "[SCENARIO.s.comparators]\nrwa = 'json.loads'", False, id="unknown-comparator"
        ),
        pytest.param("[DATA_NODE.a]\nexposed_type = 'tasks.Frame:class'", True, id="class"),
    ],
)
def test_of_a_project(text: str, is_right: bool) -> None:
    schema = json.loads(json.dumps(make_schema(PROJECT)))
    Draft7Validator.check_schema(schema)

    assert Draft7Validator(schema).is_valid(tomli.loads(text)) is is_right


def test_of_a_project_without_ids_or_functions_yet() -> None:
    schema = json.loads(json.dumps(make_schema(Project())))
    Draft7Validator.check_schema(schema)

    assert Draft7Validator(schema).is_valid(tomli.loads("[TASK.t]\nfunction = 'm.f'"))
    assert not Draft7Validator(schema).is_valid({"SCENARIO": {"s": {"tasks": ["t"]}}})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[TASK.t]\nretries = 2", id="task"),
        pytest.param("[DATA_NODE.a]\nstorage_type = 'sql'\ndb_port = 1", id="data-node"),
    ],
)
def test_of_layers_requires_nothing(text: str) -> None:
    schema = json.loads(json.dumps(make_schema(Project(in_layers=True))))
    Draft7Validator.check_schema(schema)

    assert Draft7Validator(schema).is_valid(tomli.loads(text))


def test_kinds_are_all_in_use() -> None:
    keys = [key for section in SECTIONS for key in section_keys(section)]
    keys += [key for kind in STORAGE_TYPES for key in storage_keys(kind)]

    assert {key.kind for key in keys} == set(Kind) - {Kind.NUMBER}  # of other packages alone
