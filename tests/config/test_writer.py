from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, get_type_hints

import attrs
import pytest
import tomli
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from runner.config.builder import ConfigBuilder
from runner.config.loader import load
from runner.config.model import (
    CheckConfig,
    Config,
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
from runner.config.options import CHOICES, REQUIRED, STORAGE_TYPES, StorageOptions
from runner.config.references import FunctionRef
from runner.config.writer import config_tables, data_node_table, write_config, write_tables
from runner.diagnostics import has_errors
from runner.errors import UsageError

ENVIRON = {"TEXT": "8:int", "NUMBER": "7", "SECRET": "hunter2", "SCOPE": "GLOBAL", "ID": "a"}

ids = st.from_regex(r"[a-z]{1,4}", fullmatch=True).filter(lambda name: name != "default")
texts = st.text(max_size=8) | st.sampled_from(
    ["8:int", "a:SECTION", "x:str:str", 'q"\\', "\x00\x7f\n\t", "'''", "Total:", "ENV[1X]", "é😀"]
)
spans = st.timedeltas(min_value=timedelta(0))
offsets = st.sampled_from([0, 3600, -19800, 3661]).map(lambda s: timezone(timedelta(seconds=s)))
functions = st.lists(ids, min_size=2, max_size=3).map(lambda parts: FunctionRef(".".join(parts)))
leaves = (
    st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | texts
    | st.datetimes(timezones=st.none() | offsets)
    | st.dates()
    | st.times()
    | spans
    | functions
    | st.sampled_from([*Scope, *Frequency])
    | ids.map(SectionRef)
)
free = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
tables = st.dictionaries(texts, free, max_size=3)
properties = st.dictionaries(texts, free, max_size=2)
id_tuples = st.lists(ids, max_size=3).map(tuple)
text_tuples = st.lists(texts, max_size=2).map(tuple)

paths = texts.filter(lambda text: text.strip() and "://" not in text)
OF_NAMES: Mapping[str, st.SearchStrategy[Any]] = {
    "path": st.none() | paths,
    "default_path": st.none() | paths,
    "sqlite_folder_path": st.none() | paths,
    "encoding": st.sampled_from(["utf-8", "latin-1"]),
}
OF_FIELDS: Mapping[Any, st.SearchStrategy[Any]] = {
    str: texts,
    str | None: st.none() | texts,
    bool: st.booleans(),
    int: st.integers(-(2**62), 2**62),
    int | None: st.none() | st.integers(0, 2**62),
    FunctionRef | None: st.none() | functions,
    str | FunctionRef: st.sampled_from(["pandas", "numpy", "records"]) | functions,
    str | tuple[str, ...] | None: st.none() | texts | text_tuples,
    tuple[Any, ...]: st.lists(free, max_size=2).map(tuple),
    Mapping[str, Any]: tables,
}


def options_of(cls: type[StorageOptions]) -> st.SearchStrategy[StorageOptions]:
    """Options with any values that their keys may have."""
    values = {}
    types = get_type_hints(cls)
    for field in attrs.fields(cls):
        values[field.name] = OF_NAMES.get(field.name, OF_FIELDS[types[field.name]])
        if CHOICES in field.metadata:
            values[field.name] = st.sampled_from([field.default, *field.metadata[CHOICES]])
    return st.builds(cls, **values)


def data_nodes(node_id: str) -> st.SearchStrategy[DataNodeConfig]:
    return st.sampled_from(sorted(STORAGE_TYPES)).flatmap(
        lambda kind: st.builds(
            DataNodeConfig,
            id=st.just(node_id),
            storage_type=st.just(kind),
            scope=st.sampled_from(Scope),
            validity_period=st.none() | spans,
            default_data=st.just(DataNodeConfig(id="x").default_data) | free,
            description=st.none() | texts,
            options=options_of(STORAGE_TYPES[kind]),
            properties=properties,
        )
    )


def tasks(task_id: str) -> st.SearchStrategy[TaskConfig]:
    return st.builds(
        TaskConfig,
        id=st.just(task_id),
        function=st.none() | functions,
        inputs=id_tuples,
        outputs=id_tuples,
        skippable=st.booleans(),
        retries=st.integers(0, 5),
        retry_delay=spans,
        timeout=st.none() | spans.filter(bool),
        tags=text_tuples,
        description=st.none() | texts,
        properties=properties,
    )


def scenarios(scenario_id: str) -> st.SearchStrategy[ScenarioConfig]:
    return st.builds(
        ScenarioConfig,
        id=st.just(scenario_id),
        tasks=id_tuples,
        additional_data_nodes=id_tuples,
        frequency=st.none() | st.sampled_from(Frequency),
        sequences=st.dictionaries(texts, id_tuples, max_size=2),
        comparators=st.dictionaries(
            ids, st.lists(functions, min_size=1, max_size=2).map(tuple), max_size=2
        ),
        tags=text_tuples,
        description=st.none() | texts,
        properties=properties,
    )


def by_id(make: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Records by their ids."""
    return st.lists(ids.flatmap(make), max_size=2).map(
        lambda records: {record.id: record for record in records}
    )


configs = st.builds(
    Config,
    runner=tables,
    job=st.builds(
        JobConfig,
        mode=st.sampled_from(Mode),
        max_nb_of_workers=st.none() | st.integers(1, 99),
        start_method=st.sampled_from(StartMethod),
        broker_url=texts,
        queue=ids,
        worker_lease=spans.filter(lambda span: span >= timedelta(seconds=1)),
        properties=properties,
    ),
    core=st.builds(
        CoreConfig,
        storage_folder=paths,
        durability=st.sampled_from(Durability),
        properties=properties,
    ),
    check=st.builds(
        CheckConfig,
        ignore=text_tuples,
        strict=st.booleans(),
        severity=st.dictionaries(texts, st.sampled_from(["error", "warning", "off"]), max_size=2),
    ),
    data_nodes=by_id(data_nodes),
    tasks=by_id(tasks),
    scenarios=by_id(scenarios),
)


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written") / "c.toml"


def reloaded(text: str, path: Path) -> Config:
    """The config of a text, which must be TOML 1.0 and give no error."""
    path.write_text(text, encoding="utf-8", newline="")
    loaded = load([path], environ=ENVIRON)
    assert [str(each) for each in loaded.diagnostics if each.is_error] == []
    return loaded.config


@given(config=configs, full=st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_config_is_written_so_that_it_is_loaded_again(
    path: Path, config: Config, full: bool
) -> None:
    assert reloaded(write_config(config, full=full), path) == config


raw_leaves = (
    st.sampled_from(
        ["ENV[TEXT]", "ENV[NUMBER]:int", "ENV[NONE:-x]", "ENV[TEXT]:str", "ENV[NUMBER]:timedelta"]
    )
    | texts
    | st.integers(0, 9)
).filter(lambda raw: raw != "ENV[NUMBER]:timedelta")
raw_free = st.recursive(
    raw_leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ids, inner, max_size=3),
    max_leaves=4,
)
raw_configs = st.fixed_dictionaries(
    {},
    optional={
        "RUNNER": st.dictionaries(ids, raw_free, max_size=3),
        "TAIPY": st.dictionaries(ids, raw_free, max_size=3),
        "JOB": st.fixed_dictionaries(
            {},
            optional={
                "queue": st.sampled_from(["q", "ENV[TEXT]", "ENV[TEXT]:str"]),
                "max_nb_of_workers": st.sampled_from(["auto", 3, "ENV[NUMBER]:int"]),
                "nb_of_workers": st.sampled_from([3, "ENV[NUMBER]:int", "ENV[NUMBER]"]),
                "properties": st.dictionaries(ids, raw_free, max_size=2),
                "aaaaa": raw_free,
            },
        ),
        "DATA_NODE": st.dictionaries(
            ids | st.just("default"),
            st.fixed_dictionaries(
                {},
                optional={
                    "scope": st.sampled_from(["CYCLE", "SCENARIO:SCOPE", "ENV[SCOPE]"]),
                    "storage_type": st.sampled_from(["json", "pickle"]),
                    "path": st.sampled_from(["p", "ENV[TEXT]", "ENV[TEXT]:str"]),
                    "default_data": raw_free,
                    "properties": st.dictionaries(ids, raw_free, max_size=2),
                    "api_token": st.just("ENV[SECRET]"),
                    "aaaaa": raw_free,
                },
            ),
            max_size=4,
        ),
        "TASK": st.dictionaries(
            ids | st.just("default"),
            st.fixed_dictionaries(
                {"function": st.sampled_from(["m.f", "m.f:function"])},
                optional={
                    "retries": st.sampled_from([1, "2:int", "ENV[NUMBER]:int", "ENV[NUMBER]"]),
                    "inputs": st.lists(st.sampled_from(["a", "ENV[ID]:SECTION", "ENV[ID]"])),
                    "properties": st.dictionaries(ids, raw_free, max_size=2),
                },
            ),
            max_size=3,
        ),
    },
)


@given(raw=raw_configs, full=st.booleans())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_what_was_loaded_is_written_so_that_it_is_loaded_again(
    path: Path, raw: dict[str, Any], full: bool
) -> None:
    path.write_text(write_tables(raw), encoding="utf-8", newline="")
    loaded = load([path], environ=ENVIRON)
    assume(not has_errors(loaded.diagnostics))
    written = write_config(loaded.config, full=full)
    assert "hunter2" not in written
    assert reloaded(written, path) == loaded.config


plain_leaves = (
    st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=6)
    | st.datetimes(timezones=st.none() | st.just(timezone(timedelta(minutes=-90))))
    | st.dates() | st.times()
)  # fmt: skip
plain_values = st.recursive(
    plain_leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), plain_values, max_size=4))
@example({"\ufeff": 1})
@example({"": {"": {}}})
@example({"a": {"b": {}, "c": 1}})
def test_tables_are_what_tomli_reads_back(plain: dict[str, Any]) -> None:
    assert tomli.loads(write_tables(plain)) == plain


def test_nan_is_written() -> None:
    assert math.isnan(tomli.loads(write_tables({"x": math.nan}))["x"])


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({"a": 1}, "a = 1\n", id="value"),
        pytest.param({"A": {"b": {"c": 1}}}, "[A.b]\nc = 1\n", id="implied-table"),
        pytest.param({"A": {}}, "[A]\n", id="empty-table"),
        pytest.param(
            {"A": {"x": {"y": 1}, "z": 2}}, "[A]\nz = 2\n\n[A.x]\ny = 1\n", id="values-first"
        ),
        pytest.param({"a b": {"é": 1}}, '["a b"]\n"é" = 1\n', id="quoted-keys"),
        pytest.param({"a": [1, {"b": True}]}, "a = [1, {b = true}]\n", id="list-of-tables"),
        pytest.param({"a": 'x"\\\n\x01'}, 'a = "x\\"\\\\\\n\\u0001"\n', id="escapes"),
        pytest.param({"a": date(2026, 1, 2)}, "a = 2026-01-02\n", id="date"),
        pytest.param({"a": time(1, 2)}, "a = 01:02:00\n", id="time"),
        pytest.param({"a": datetime(2026, 1, 2)}, "a = 2026-01-02T00:00:00\n", id="datetime"),
        pytest.param({"a": 1e22, "b": math.inf}, "a = 1e+22\nb = inf\n", id="floats"),
    ],
)
def test_write_tables(raw: Mapping[str, Any], text: str) -> None:
    assert write_tables(raw) == text


def test_a_config_of_defaults_is_an_empty_file() -> None:
    assert write_config(Config()) == ""


def test_a_config_as_a_file() -> None:
    config = Config(
        job=JobConfig(max_nb_of_workers=None),
        data_nodes={
            "a": DataNodeConfig(
                id="a",
                storage_type="csv",
                scope=Scope.GLOBAL,
                validity_period=timedelta(hours=36),
                default_data=[FunctionRef("m.f"), "8:int", timedelta(seconds=1)],
                options=STORAGE_TYPES["csv"](),
                properties={"unit": "EUR"},
            )
        },
        tasks={"t": TaskConfig(id="t", function=FunctionRef("m.f"), inputs=("a",))},
    )
    assert write_config(config) == (
        '[JOB]\nmax_nb_of_workers = "auto"\n'
        "\n"
        '[DATA_NODE.a]\nstorage_type = "csv"\nscope = "GLOBAL"\nvalidity_period = "1d43200s"\n'
        'default_data = ["m.f:function", "8:int:str", "1s:timedelta"]\n'
        "\n"
        '[DATA_NODE.a.properties]\nunit = "EUR"\n'
        "\n"
        '[TASK.t]\nfunction = "m.f"\ninputs = ["a"]\n'
    )


def test_full_writes_what_stands_at_its_default() -> None:
    config = Config(tasks={"t": TaskConfig(id="t", function=FunctionRef("m.f"))})
    assert config_tables(config, full=True)["TASK"]["t"] == {
        "function": "m.f",
        "inputs": [],
        "outputs": [],
        "skippable": False,
        "retries": 0,
        "retry_delay": "0s",
        "tags": [],
    }


def test_a_data_node_has_the_keys_of_its_storage_type_beside_the_common_ones() -> None:
    node = DataNodeConfig(
        id="a",
        storage_type="in_memory",
        description="d",
        options=STORAGE_TYPES["in_memory"](copy_mode="copy"),  # type: ignore[call-arg]  # the class is that of in_memory
        properties={"p": 1},
    )
    assert data_node_table(node) == {
        "storage_type": "in_memory",
        "description": "d",
        "copy_mode": "copy",
        "properties": {"p": 1},
    }


SECRETS = """
[RUNNER]
api_token = "hunter2"
nested = [{password = "hunter2"}]
secrets = ["hunter2"]

[JOB]
broker_url = "amqp://u:hunter2@h"

[DATA_NODE.a]
storage_type = "s3_object"
aws_access_key = "hunter2"
aws_secret_access_key = "ENV[SECRET]"
aws_s3_bucket_name = "b"
aws_s3_object_key = "k"
aws_s3_client_parameters = {aws_session_token = "hunter2"}

[TASK.t]
function = "m.f"
properties.password = "hunter2"
"""


def test_literal_secrets_are_masked(path: Path) -> None:
    path.write_text(SECRETS)
    config = load([path], environ=ENVIRON).config
    assert write_config(config).count("hunter2") == 7
    masked = write_config(config, mask=True)
    assert "hunter2" not in masked
    assert masked.count('"***"') == 7
    assert 'aws_secret_access_key = "ENV[SECRET]"' in masked


def test_what_came_from_the_environment_is_written_as_it_was(path: Path) -> None:
    path.write_text(
        '[DATA_NODE.default]\npath = "ENV[TEXT]"\n[DATA_NODE.a]\n'
        'default_data = [{x = "ENV[NUMBER:-8]:int"}]\n'
    )
    assert write_config(load([path], environ=ENVIRON).config) == (
        '[DATA_NODE.a]\ndefault_data = [{x = "ENV[NUMBER:-8]:int"}]\npath = "ENV[TEXT]"\n'
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            object(), "`DATA_NODE.a.default_data` holds a object, which TOML cannot write",
            id="object",
        ),
        pytest.param(
            None, "`DATA_NODE.a.default_data` holds a NoneType, which TOML cannot write", id="none"
        ),
        pytest.param(
            {"x": [b"y"]}, "`DATA_NODE.a.default_data.x` holds a bytes, which TOML cannot write",
            id="inside",
        ),
    ],
)  # fmt: skip
def test_what_toml_cannot_write_is_refused(value: object, message: str) -> None:
    builder = ConfigBuilder()
    builder.configure_data_node("a", default_data=value)
    with pytest.raises(UsageError, match=r"which TOML cannot write") as caught:
        write_config(builder.build(environ={}))
    assert str(caught.value) == message


def test_an_array_that_toml_cannot_write_is_refused() -> None:
    numpy = pytest.importorskip("numpy")
    builder = ConfigBuilder()
    builder.configure_data_node("a", default_data=numpy.zeros(2))
    with pytest.raises(UsageError, match=r"holds a ndarray, which TOML cannot write"):
        write_config(builder.build(environ={}))


def test_a_function_without_a_name_is_refused() -> None:
    builder = ConfigBuilder()
    builder.configure_task("t", lambda: 1)
    with pytest.raises(UsageError, match=r"which has no name to import it by$"):
        write_config(builder.build(environ={}))


def test_every_required_key_may_be_missing(path: Path) -> None:
    """A config that is wrong can be written too: `config show` comes before `check`."""
    kinds = [
        name
        for name, cls in STORAGE_TYPES.items()
        if any(REQUIRED in field.metadata for field in attrs.fields(cls))
    ]
    nodes = {
        kind: DataNodeConfig(id=kind, storage_type=kind, options=STORAGE_TYPES[kind]())
        for kind in kinds
    }
    assert reloaded(write_config(Config(data_nodes=nodes)), path).data_nodes == nodes
