from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import attrs
import pytest

from runner.config.model import (
    CheckConfig,
    CoreConfig,
    DataNodeConfig,
    Durability,
    Frequency,
    JobConfig,
    Mode,
    ScenarioConfig,
    Scope,
    SectionRef,
    StartMethod,
    TaskConfig,
)
from runner.config.options import STORAGE_TYPES
from runner.config.references import FunctionRef
from runner.config.structure import coerce_free, describe, misspelt_types, structure
from runner.config.values import BadValueError
from runner.diagnostics import KeyPath

WORKERS_HINT = '"auto" stands for all cores'
TIMEDELTA_HINT = 'days, hours, minutes, seconds in this order: "1d2h30m15s"'
AS_TEXT = 'a text of days, hours, minutes, seconds: "1h30m"'
MODES = "development, standalone, cluster"
STORAGES = {f"{name}": cls for name, cls in STORAGE_TYPES.items()}


def made(cls: type, key: str, raw: Any) -> Any:
    """The value of a key in a record; None of the others may be touched."""
    given = structure({"id": "x", key: raw} if has_id(cls) else {key: raw}, cls)
    assert given.problems == ()
    plain = structure({"id": "x"} if has_id(cls) else {}, cls).value
    assert attrs.evolve(plain, **{key: getattr(given.value, key)}) == given.value
    return getattr(given.value, key)


def has_id(cls: type) -> bool:
    return any(field.name == "id" for field in attrs.fields(cls))


def told(cls: type, key: str, raw: Any) -> list[tuple[KeyPath, str, str, str | None]]:
    """What is wrong with a key's value; the record has the default there."""
    given = structure({"id": "x", key: raw} if has_id(cls) else {key: raw}, cls)
    assert given.value == structure({"id": "x"} if has_id(cls) else {}, cls).value
    return [(path, each.code, str(each), each.hint) for path, each in given.problems]


@pytest.mark.parametrize(
    ("cls", "key", "raw", "value"),
    [
        pytest.param(JobConfig, "mode", "standalone", Mode.STANDALONE, id="choice"),
        pytest.param(JobConfig, "mode", "Standalone", Mode.STANDALONE, id="choice-any-case"),
        pytest.param(JobConfig, "mode", "standalone:str", Mode.STANDALONE, id="choice-str"),
        pytest.param(JobConfig, "start_method", "forkserver", StartMethod.FORKSERVER, id="start"),
        pytest.param(JobConfig, "max_nb_of_workers", 8, 8, id="native-int"),
        pytest.param(JobConfig, "max_nb_of_workers", "8:int", 8, id="typed-int"),
        pytest.param(JobConfig, "max_nb_of_workers", "8", 8, id="int-without-suffix"),
        pytest.param(JobConfig, "max_nb_of_workers", " 1_0 ", 10, id="int-as-python-reads-it"),
        pytest.param(JobConfig, "max_nb_of_workers", "auto", None, id="auto"),
        pytest.param(JobConfig, "max_nb_of_workers", "auto:str", None, id="auto-str"),
        pytest.param(JobConfig, "broker_url", "amqp://u:p@h:80", "amqp://u:p@h:80", id="url"),
        pytest.param(JobConfig, "queue", "a:int:str", "a:int", id="escaped-text"),
        pytest.param(JobConfig, "queue", "8:itn", "8:itn", id="text-with-a-misspelt-type"),
        pytest.param(JobConfig, "worker_lease", "1m", timedelta(minutes=1), id="timedelta"),
        pytest.param(JobConfig, "worker_lease", "1m:timedelta", timedelta(minutes=1), id="typed"),
        pytest.param(CoreConfig, "storage_folder", "a/b", "a/b", id="path"),
        pytest.param(CoreConfig, "durability", "power", Durability.POWER, id="durability"),
        pytest.param(CheckConfig, "strict", True, True, id="native-bool"),
        pytest.param(CheckConfig, "strict", "True:bool", True, id="typed-bool"),
        pytest.param(CheckConfig, "strict", "true", True, id="bool-without-suffix"),
        pytest.param(CheckConfig, "ignore", ["RUN205"], ("RUN205",), id="texts"),
        pytest.param(CheckConfig, "severity", {"unused": "off"}, {"unused": "off"}, id="severity"),
        pytest.param(DataNodeConfig, "scope", "GLOBAL:SCOPE", Scope.GLOBAL, id="typed-scope"),
        pytest.param(DataNodeConfig, "scope", "global", Scope.GLOBAL, id="scope"),
        pytest.param(DataNodeConfig, "scope", Scope.CYCLE, Scope.CYCLE, id="native-scope"),
        pytest.param(DataNodeConfig, "validity_period", "1d", timedelta(1), id="validity"),
        pytest.param(DataNodeConfig, "default_data", [1, "2:int"], [1, 2], id="free-place"),
        pytest.param(DataNodeConfig, "default_data", False, False, id="free-native"),
        pytest.param(
            DataNodeConfig, "default_data", "m.f:function", FunctionRef("m.f"), id="free-function"
        ),
        pytest.param(TaskConfig, "function", "m.f", FunctionRef("m.f"), id="function"),
        pytest.param(TaskConfig, "function", "m.f:function", FunctionRef("m.f"), id="typed-fn"),
        pytest.param(TaskConfig, "function", "m:f", FunctionRef("m.f"), id="function-colon"),
        pytest.param(TaskConfig, "function", FunctionRef("m.f"), FunctionRef("m.f"), id="ref"),
        pytest.param(TaskConfig, "inputs", ["a", "b:SECTION"], ("a", "b"), id="ids"),
        pytest.param(TaskConfig, "inputs", ["a", "a"], ("a", "a"), id="same-twice"),
        pytest.param(TaskConfig, "inputs", [], (), id="no-ids"),
        pytest.param(TaskConfig, "inputs", [" a ", " b :SECTION"], ("a", "b"), id="blanks"),
        pytest.param(TaskConfig, "inputs", [SectionRef("a")], ("a",), id="native-id"),
        pytest.param(TaskConfig, "inputs", ["a:str"], ("a",), id="id-as-str"),
        pytest.param(TaskConfig, "retries", 0, 0, id="retries"),
        pytest.param(TaskConfig, "retry_delay", "0s", timedelta(0), id="no-delay"),
        pytest.param(TaskConfig, "timeout", "0.5s", timedelta(seconds=0.5), id="timeout"),
        pytest.param(ScenarioConfig, "frequency", "DAILY", Frequency.DAILY, id="frequency"),
        pytest.param(ScenarioConfig, "sequences", {"s": ["a:SECTION"]}, {"s": ("a",)}, id="seq"),
        pytest.param(
            ScenarioConfig,
            "comparators",
            {"a": "m.f", "b": ["m.f:function", "m.g"]},
            {"a": (FunctionRef("m.f"),), "b": (FunctionRef("m.f"), FunctionRef("m.g"))},
            id="comparators",
        ),
        pytest.param(STORAGES["csv"], "has_header", "False:bool", False, id="has-header"),
        pytest.param(STORAGES["csv"], "exposed_type", "numpy", "numpy", id="exposed-type"),
        pytest.param(
            STORAGES["csv"], "exposed_type", "m.Row:class", FunctionRef("m.Row"), id="exposed-class"
        ),
        pytest.param(
            STORAGES["csv"], "exposed_type", "m.Row", FunctionRef("m.Row"), id="class-no-suffix"
        ),
        pytest.param(STORAGES["excel"], "sheet_name", "a", "a", id="sheet"),
        pytest.param(STORAGES["excel"], "sheet_name", ["a", "b"], ("a", "b"), id="sheets"),
        pytest.param(STORAGES["parquet"], "compression", "none", "none", id="compression"),
        pytest.param(
            STORAGES["parquet"], "read_kwargs", {"a": ["1:int"]}, {"a": [1]}, id="free-table"
        ),
        pytest.param(STORAGES["sql"], "db_port", "5432:int", 5432, id="port"),
        pytest.param(STORAGES["json"], "encoder", "m.E:class", FunctionRef("m.E"), id="encoder"),
        pytest.param(
            STORAGES["generic"], "read_fct_args", ["1:int", {"a": "x"}], (1, {"a": "x"}), id="args"
        ),
    ],
)
def test_a_key_accepts(cls: type, key: str, raw: Any, value: object) -> None:
    found = made(cls, key, raw)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("cls", "key", "raw", "code", "message", "hint"),
    [
        pytest.param(
            JobConfig, "mode", "standalne", "RUN116",
            f'expected one of {MODES}, got "standalne"', "did you mean `standalone`?",
            id="choice",
        ),
        pytest.param(
            JobConfig, "mode", 1, "RUN105",
            "expected development or standalone or cluster, got 1", None,
            id="choice-of-another-type",
        ),
        pytest.param(
            JobConfig, "max_nb_of_workers", 0, "RUN116",
            'expected at least 1, or "auto", got 0', None,
            id="no-workers",
        ),
        pytest.param(
            JobConfig, "max_nb_of_workers", True, "RUN105", "expected int, got true", WORKERS_HINT,
            id="a-bool-is-no-int",
        ),
        pytest.param(
            JobConfig, "max_nb_of_workers", 2.0, "RUN105", "expected int, got 2.0", WORKERS_HINT,
            id="a-float-is-no-int",
        ),
        pytest.param(
            JobConfig, "max_nb_of_workers", "eight:int", "RUN106", 'expected int, got "eight"',
            WORKERS_HINT, id="bad-typed-int",
        ),
        pytest.param(
            JobConfig, "max_nb_of_workers", "eight", "RUN105", 'expected int, got "eight"',
            WORKERS_HINT, id="text-for-an-int",
        ),
        pytest.param(
            JobConfig, "max_nb_of_workers", "8:float", "RUN105", 'expected int, got "8:float"',
            WORKERS_HINT, id="another-type",
        ),
        pytest.param(
            JobConfig, "max_nb_of_workers", "8:itn", "RUN107",
            'expected a type after the colon, got "itn"',
            'did you mean "8:int"?', id="misspelt-type",
        ),
        pytest.param(
            JobConfig, "queue", 8, "RUN105", "expected str, got 8", None, id="int-for-a-text"
        ),
        pytest.param(
            JobConfig, "queue", "8:int", "RUN105", 'expected str, got "8:int"',
            'the text itself is written "8:int:str"', id="typed-for-a-text",
        ),
        pytest.param(
            JobConfig, "worker_lease", 30, "RUN105", "expected timedelta, got 30", AS_TEXT,
            id="number-for-a-timedelta",
        ),
        pytest.param(
            JobConfig, "worker_lease", time(0, 0, 30), "RUN105",
            "expected timedelta, got the time 00:00:30", AS_TEXT, id="time-for-a-timedelta",
        ),
        pytest.param(
            JobConfig, "worker_lease", "soon", "RUN105", 'expected timedelta, got "soon"',
            TIMEDELTA_HINT, id="text-for-a-timedelta",
        ),
        pytest.param(
            CheckConfig, "strict", 1, "RUN105", "expected bool, got 1", "write true or false",
            id="an-int-is-no-bool",
        ),
        pytest.param(
            CheckConfig, "strict", "yes", "RUN105", 'expected bool, got "yes"',
            "write true or false", id="text-for-a-bool",
        ),
        pytest.param(
            DataNodeConfig, "scope", "GLOBL:SCOPE", "RUN116",
            'expected one of SCENARIO, CYCLE, GLOBAL, got "GLOBL"', "did you mean `GLOBAL`?",
            id="scope",
        ),
        pytest.param(
            DataNodeConfig, "scope", "DAILY:FREQUENCY", "RUN105",
            'expected SCENARIO or CYCLE or GLOBAL, got "DAILY:FREQUENCY"', None,
            id="a-frequency-is-no-scope",
        ),
        pytest.param(
            DataNodeConfig, "scope", "GLOBAL:SCOP", "RUN107",
            'expected a type after the colon, got "SCOP"', 'did you mean "GLOBAL:SCOPE"?',
            id="scope-with-a-misspelt-type",
        ),
        pytest.param(
            DataNodeConfig, "validity_period", date(2026, 11, 22), "RUN105",
            "expected timedelta, got the date 2026-11-22", AS_TEXT, id="date-for-a-timedelta",
        ),
        pytest.param(
            TaskConfig, "function", 5, "RUN105",
            'expected a function like "package.module.name", got 5', None,
            id="int-for-a-function",
        ),
        pytest.param(
            TaskConfig, "function", "f", "RUN106",
            'expected a dotted name like "package.module.name", got "f"',
            'name its module too: "module.f"', id="function-without-module",
        ),
        pytest.param(
            TaskConfig, "function", "8:int", "RUN105",
            'expected a function like "package.module.name", got "8:int"', None,
            id="typed-int-for-a-function",
        ),
        pytest.param(
            TaskConfig, "inputs", "abc", "RUN105", 'expected a list of ids, got "abc"',
            'write ["abc"]', id="text-for-ids",
        ),
        pytest.param(
            TaskConfig, "inputs", {"a": 1}, "RUN105", "expected a list of ids, got a table", None,
            id="table-for-ids",
        ),
        pytest.param(
            TaskConfig, "tags", "nightly", "RUN105", 'expected a list of strings, got "nightly"',
            'write ["nightly"]', id="text-for-tags",
        ),
        pytest.param(
            TaskConfig, "retries", -1, "RUN116", "expected at least 0, got -1", None,
            id="fewer-than-no-retries",
        ),
        pytest.param(
            TaskConfig, "retries", 2**70, "RUN105",
            "expected int of 64 bits, got a huge integer", None, id="huge-int",
        ),
        pytest.param(
            TaskConfig, "retries", 1 << 50_000, "RUN105",
            "expected int of 64 bits, got a huge integer", None,
            id="int-that-python-does-not-print",
        ),
        pytest.param(
            TaskConfig, "timeout", 1 << 50_000, "RUN105",
            "expected timedelta, got a huge integer", None, id="huge-timedelta",
        ),
        pytest.param(
            TaskConfig, "timeout", "0s", "RUN116", 'expected more than 0s, got "0s"', None,
            id="no-time-at-all",
        ),
        pytest.param(
            JobConfig, "worker_lease", "0.9s", "RUN116", 'expected at least 1s, got "0.9s"', None,
            id="no-time-to-be-silent",
        ),
        pytest.param(
            JobConfig, "queue", " ", "RUN116", 'expected a name, got " "', None, id="blank-queue",
        ),
        pytest.param(
            JobConfig, "queue", "é" * 101, "RUN116", "expected a name of 200 bytes at most", None,
            id="long-queue",
        ),
        pytest.param(
            TaskConfig, "timeout", "", "RUN105", 'expected timedelta, got ""', TIMEDELTA_HINT,
            id="empty-timedelta",
        ),
        pytest.param(
            ScenarioConfig, "sequences", ["a"], "RUN105",
            "expected a table: name = [tasks], got a list", None, id="list-of-sequences",
        ),
        pytest.param(
            ScenarioConfig, "comparators", "m.f", "RUN105",
            'expected a table: data node = function, got "m.f"', None,
            id="comparators-without-node",
        ),
        pytest.param(
            STORAGES["csv"], "exposed_type", "panda", "RUN116",
            'expected one of pandas, numpy, polars, records, a class, got "panda"',
            "did you mean `pandas`?", id="exposed-type",
        ),
        pytest.param(
            STORAGES["in_memory"], "copy_mode", "deep", "RUN116",
            'expected one of deepcopy, copy, assign, got "deep"', None, id="copy-mode",
        ),
        pytest.param(
            STORAGES["parquet"], "engine", "pyarow", "RUN116",
            'expected one of pyarrow, fastparquet, got "pyarow"', "did you mean `pyarrow`?",
            id="engine",
        ),
        pytest.param(
            STORAGES["parquet"], "read_kwargs", ["a"], "RUN105",
            "expected a table: name = value, got a list", None, id="list-of-kwargs",
        ),
        pytest.param(
            STORAGES["generic"], "read_fct_args", "a", "RUN105",
            'expected a list of arguments, got "a"', 'write ["a"]', id="text-for-arguments",
        ),
        pytest.param(
            STORAGES["excel"], "sheet_name", 1, "RUN105", "expected str, got 1", None, id="sheet"
        ),
        pytest.param(
            STORAGES["csv"], "exposed_type", "Row", "RUN116",
            'expected one of pandas, numpy, polars, records, a class, got "Row"',
            'a class is named with its module: "module.Row"', id="class-without-module",
        ),
        pytest.param(
            STORAGES["csv"], "exposed_type", "m.Row:clas", "RUN107",
            'expected a type after the colon, got "clas"', 'did you mean "m.Row:class"?',
            id="misspelt-class",
        ),
        pytest.param(
            STORAGES["json"], "path", " ", "RUN116", 'expected a path, got " "', None,
            id="blank-path",
        ),
        pytest.param(
            STORAGES["json"], "path", "https://me:hunter2@h/a.json", "RUN116",
            "expected a path, got a URL", 'storage_type = "generic" reads what is no file',
            id="url-for-a-path",
        ),
        pytest.param(
            STORAGES["json"], "default_path", "s3://bucket/a.json", "RUN116",
            "expected a path, got a URL", 'storage_type = "s3_object" reads what is no file',
            id="bucket-for-a-path",
        ),
        pytest.param(
            STORAGES["csv"], "encoding", "utf-9", "RUN116",
            'expected an encoding that Python knows, got "utf-9"', 'such as "utf-8"',
            id="encoding",
        ),
        pytest.param(
            TaskConfig, "inputs", "a, b", "RUN105", 'expected a list of ids, got "a, b"',
            'write ["a", "b"]', id="commas-in-a-text",
        ),
        pytest.param(
            TaskConfig, "retries", "${N}", "RUN105", 'expected int, got "${N}"',
            'a variable of the environment is written "ENV[NAME]"', id="variable-of-a-shell",
        ),
        pytest.param(
            TaskConfig, "function", "m.f:fonction", "RUN107",
            'expected a type after the colon, got "fonction"',
            'did you mean "m.f:function"?', id="misspelt-function-suffix",
        ),
        pytest.param(
            TaskConfig, "function", "./src/m.py:f", "RUN106",
            'expected a dotted name like "package.module.name", got "./src/m.py:f"',
            'write "src.m.f"', id="path-of-a-function",
        ),
        pytest.param(
            TaskConfig, "function", "m.f()", "RUN106",
            'expected a dotted name like "package.module.name", got "m.f()"', 'write "m.f"',
            id="call-of-a-function",
        ),
    ],
)  # fmt: skip
def test_a_key_refuses(
    cls: type, key: str, raw: Any, code: str, message: str, hint: str | None
) -> None:
    assert told(cls, key, raw) == [((key,), code, message, hint)]


@pytest.mark.parametrize(
    ("cls", "key", "raw", "found"),
    [
        pytest.param(
            TaskConfig, "inputs", ["a", 1, "b", True],
            [
                (("inputs", 1), "RUN105", "expected an id, got 1"),
                (("inputs", 3), "RUN105", "expected an id, got true"),
            ],
            id="ids",
        ),
        pytest.param(
            TaskConfig, "inputs", ["a:SECTON", "b:int"],
            [
                (("inputs", 0), "RUN107", 'expected a type after the colon, got "SECTON"'),
                (("inputs", 1), "RUN105", 'expected an id, got "b:int"'),
            ],
            id="typed-ids",
        ),
        pytest.param(
            TaskConfig, "tags", ["a", 1],
            [(("tags", 1), "RUN105", "expected str, got 1")],
            id="tags",
        ),
        pytest.param(
            ScenarioConfig, "sequences", {"a": ["t", 1], "b": "t"},
            [
                (("sequences", "a", 1), "RUN105", "expected an id, got 1"),
                (("sequences", "b"), "RUN105", 'expected a list of ids, got "t"'),
            ],
            id="sequences",
        ),
        pytest.param(
            ScenarioConfig, "comparators", {"a": ["m.f", "f"]},
            [
                (
                    ("comparators", "a", 1), "RUN106",
                    'expected a dotted name like "package.module.name", got "f"',
                )
            ],
            id="comparators",
        ),
        pytest.param(
            DataNodeConfig, "default_data", {"a": [{"b": "x:int"}], "c": "y:bool"},
            [
                (("default_data", "a", 0, "b"), "RUN106", 'expected int, got "x"'),
                (("default_data", "c"), "RUN106", 'expected bool, got "y"'),
            ],
            id="default-data",
        ),
        pytest.param(
            CheckConfig, "severity", {"RUN205": "of", "unused": 1},
            [
                (("severity", "RUN205"), "RUN116", 'expected one of error, warning, off, got "of"'),
                (("severity", "unused"), "RUN105", "expected str, got 1"),
            ],
            id="severity",
        ),
        pytest.param(
            STORAGES["s3_object"], "aws_s3_client_parameters", {"a": {"b": "x:int"}},
            [(("aws_s3_client_parameters", "a", "b"), "RUN106", 'expected int, got "x"')],
            id="free-table",
        ),
    ],
)  # fmt: skip
def test_every_bad_value_inside_one_is_told_with_its_way(
    cls: type, key: str, raw: Any, found: list[tuple[KeyPath, str, str]]
) -> None:
    assert [each[:3] for each in told(cls, key, raw)] == found


def test_one_bad_key_leaves_the_others() -> None:
    made = structure({"id": "x", "retries": "no", "tags": ["a"], "timeout": 1}, TaskConfig)
    assert made.value == TaskConfig(id="x", tags=("a",))
    assert [path for path, _ in made.problems] == [("retries",), ("timeout",)]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param("8:int", 8, id="typed"),
        pytest.param("text", "text", id="text"),
        pytest.param(["1:int", ["2:int"], {"a": "3:int"}], [1, [2], {"a": 3}], id="nested"),
        pytest.param({"a:int": "b"}, {"a:int": "b"}, id="keys-are-left-alone"),
        pytest.param(True, True, id="bool"),
        pytest.param(1.5, 1.5, id="float"),
        pytest.param(date(2026, 1, 2), date(2026, 1, 2), id="date"),
        pytest.param(datetime(2026, 1, 2), datetime(2026, 1, 2), id="datetime"),
        pytest.param([], [], id="empty-list"),
        pytest.param({}, {}, id="empty-table"),
    ],
)
def test_coerce_free(raw: Any, value: object) -> None:
    assert coerce_free(raw) == value


def test_an_int_that_python_does_not_print_is_refused_in_a_free_place() -> None:
    message = r"^expected an int that Python can print, got a huge integer$"
    with pytest.raises(BadValueError, match=message):
        coerce_free(1 << 50_000)


def test_misspelt_types_are_found_in_any_depth() -> None:
    raw: Mapping[str, Any] = {"a": ["8:itn", "8:int", {"b": "x:strr"}], "c": "http://h:80"}
    assert list(misspelt_types(raw, ("RUNNER",))) == [
        (("RUNNER", "a", 0), "8:itn", "int"),
        (("RUNNER", "a", 2, "b"), "x:strr", "str"),
    ]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param("a", '"a"', id="text"),
        pytest.param(True, "true", id="bool"),
        pytest.param(7, "7", id="int"),
        pytest.param(1 << 50_000, "a huge integer", id="huge-int"),
        pytest.param(0.5, "0.5", id="float"),
        pytest.param([1], "a list", id="list"),
        pytest.param({}, "a table", id="table"),
        pytest.param(date(2026, 1, 2), "the date 2026-01-02", id="date"),
        pytest.param(datetime(2026, 1, 2), "the datetime 2026-01-02T00:00:00", id="datetime"),
        pytest.param(time(10, 30), "the time 10:30:00", id="time"),
    ],
)
def test_describe(raw: Any, text: str) -> None:
    assert describe(raw) == text
