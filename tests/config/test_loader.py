from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.checker.check import check
from runner.config.document import Places
from runner.config.loader import Loaded, load, load_config
from runner.config.model import (
    CheckConfig,
    Config,
    CoreConfig,
    DataNodeConfig,
    Durability,
    EnvRef,
    Frequency,
    JobConfig,
    Mode,
    ScenarioConfig,
    Scope,
    SectionRef,
    StartMethod,
    TaskConfig,
)
from runner.config.options import (
    CsvOptions,
    ExcelOptions,
    GenericOptions,
    InMemoryOptions,
    JsonOptions,
    MongoOptions,
    ParquetOptions,
    PickleOptions,
    S3Options,
    SqlOptions,
    SqlTableOptions,
)
from runner.config.parser import parse_toml
from runner.config.references import FunctionRef
from runner.config.sources import find_config
from runner.config.writer import write_tables
from runner.errors import ConfigError

Loading: TypeAlias = Callable[..., Loaded]
CORPUS = Path(__file__).resolve().parents[2].parent / "shared/toml-test"

EVERYTHING = """
[RUNNER]
title = "Sales"
owner.team = "8:int:str"

[JOB]
mode = "standalone"
max_nb_of_workers = 8
start_method = "forkserver"
broker_url = "amqp://h"
queue = "sales"
worker_lease = "1m"

[CORE]
storage_folder = "state"
durability = "power"

[CHECK]
ignore = ["RUN205"]
strict = true
severity.no-source = "error"

[DATA_NODE.default]
storage_type = "csv"
scope = "GLOBAL"
validity_period = "1d"
has_header = false

[DATA_NODE.plain]

[DATA_NODE.pickled]
storage_type = "pickle"
path = "a.p"
default_path = "b.p"
default_data = {a = ["1:int", 2026-11-22]}
description = "first"

[DATA_NODE.memory]
storage_type = "in_memory"
copy_mode = "assign"

[DATA_NODE.rows]
path = "rows.csv"
encoding = "latin-1"
has_header = true
exposed_type = "records"

[DATA_NODE.doc]
storage_type = "json"
encoder = "m.E:class"
decoder = "m.D"
properties.unit = "EUR"

[DATA_NODE.book]
storage_type = "excel"
sheet_name = ["a", "b"]

[DATA_NODE.columns]
storage_type = "parquet"
engine = "fastparquet"
compression = "zstd"
read_kwargs = {columns = ["a"]}
write_kwargs = {level = "3:int"}

[DATA_NODE.table]
storage_type = "sql_table"
db_name = "d"
db_engine = "sqlite"
table_name = "t"
sqlite_folder_path = "db"
sqlite_file_extension = ".sqlite"

[DATA_NODE.query]
storage_type = "sql"
db_name = "d"
db_engine = "postgresql"
db_username = "u"
db_password = "ENV[PW]"
db_host = "h"
db_port = "5432:int"
db_driver = "pg"
db_extra_args = {ssl = true}
read_query = "select 1"
write_query_builder = "m.w"
append_query_builder = "m.a"

[DATA_NODE.documents]
storage_type = "mongo_collection"
db_name = "d"
collection_name = "c"
custom_document = "m.Doc"
db_port = 1

[DATA_NODE.object]
storage_type = "s3_object"
aws_access_key = "ENV[AK]"
aws_secret_access_key = "ENV[SK]"
aws_s3_bucket_name = "b"
aws_s3_object_key = "k"
aws_region = "eu"
aws_s3_get_object_parameters = {RequestPayer = "x"}

[DATA_NODE.own]
storage_type = "generic"
read_fct = "m.r"
write_fct = "m.w"
read_fct_args = ["1:int"]

[TASK.default]
skippable = true
retries = 2
tags = ["all"]
color = "red"

[TASK.one]
function = "m.f"
inputs = ["plain", "pickled:SECTION"]
outputs = ["rows"]

[TASK.two]
function = "m.g:function"
skippable = "False:bool"
retries = 0
retry_delay = "2s"
timeout = "1h"
tags = ["slow"]
description = "second"
properties.color = "blue"

[SCENARIO.default]
frequency = "DAILY"
tags = ["all"]

[SCENARIO.sales]
tasks = ["one", "two"]
additional_data_nodes = ["doc"]
sequences.first = ["one"]
comparators.rows = ["m.c", "m.d"]
description = "both"

[SCENARIO.weekly]
frequency = "WEEKLY:FREQUENCY"
tags = []
"""
SECRETS = {"PW": "pw", "AK": "ak", "SK": "sk"}
ALL: dict[str, Any] = {"scope": Scope.GLOBAL, "validity_period": timedelta(days=1)}
DAY: dict[str, Any] = {"validity_period": timedelta(days=1)}
EVERYTHING_LOADED = Config(
    runner={"title": "Sales", "owner": {"team": "8:int"}},
    job=JobConfig(
        mode=Mode.STANDALONE,
        max_nb_of_workers=8,
        start_method=StartMethod.FORKSERVER,
        broker_url="amqp://h",
        queue="sales",
        worker_lease=timedelta(minutes=1),
    ),
    core=CoreConfig(storage_folder="state", durability=Durability.POWER),
    check=CheckConfig(ignore=("RUN205",), strict=True, severity={"no-source": "error"}),
    data_nodes={
        "plain": DataNodeConfig(
            id="plain", storage_type="csv", options=CsvOptions(has_header=False), **ALL
        ),
        "pickled": DataNodeConfig(
            id="pickled",
            default_data={"a": [1, date(2026, 11, 22)]},
            description="first",
            options=PickleOptions(path="a.p", default_path="b.p"),
            **DAY,
        ),
        "memory": DataNodeConfig(
            id="memory",
            storage_type="in_memory",
            options=InMemoryOptions(copy_mode="assign"),
            **DAY,
        ),
        "rows": DataNodeConfig(
            id="rows",
            storage_type="csv",
            options=CsvOptions(path="rows.csv", encoding="latin-1", exposed_type="records"),
            **ALL,
        ),
        "doc": DataNodeConfig(
            id="doc",
            storage_type="json",
            options=JsonOptions(encoder=FunctionRef("m.E"), decoder=FunctionRef("m.D")),
            properties={"unit": "EUR"},
            **DAY,
        ),
        "book": DataNodeConfig(
            id="book", storage_type="excel", options=ExcelOptions(sheet_name=("a", "b")), **DAY
        ),
        "columns": DataNodeConfig(
            id="columns",
            storage_type="parquet",
            options=ParquetOptions(
                engine="fastparquet",
                compression="zstd",
                read_kwargs={"columns": ["a"]},
                write_kwargs={"level": 3},
            ),
            **DAY,
        ),
        "table": DataNodeConfig(
            id="table",
            storage_type="sql_table",
            options=SqlTableOptions(
                db_name="d",
                db_engine="sqlite",
                table_name="t",
                sqlite_folder_path="db",
                sqlite_file_extension=".sqlite",
            ),
            **DAY,
        ),
        "query": DataNodeConfig(
            id="query",
            storage_type="sql",
            options=SqlOptions(
                db_name="d",
                db_engine="postgresql",
                db_username="u",
                db_password="pw",
                db_host="h",
                db_port=5432,
                db_driver="pg",
                db_extra_args={"ssl": True},
                read_query="select 1",
                write_query_builder=FunctionRef("m.w"),
                append_query_builder=FunctionRef("m.a"),
            ),
            **DAY,
        ),
        "documents": DataNodeConfig(
            id="documents",
            storage_type="mongo_collection",
            options=MongoOptions(
                db_name="d",
                collection_name="c",
                custom_document=FunctionRef("m.Doc"),
                db_port=1,
            ),
            **DAY,
        ),
        "object": DataNodeConfig(
            id="object",
            storage_type="s3_object",
            options=S3Options(
                aws_access_key="ak",
                aws_secret_access_key="sk",
                aws_s3_bucket_name="b",
                aws_s3_object_key="k",
                aws_region="eu",
                aws_s3_get_object_parameters={"RequestPayer": "x"},
            ),
            **DAY,
        ),
        "own": DataNodeConfig(
            id="own",
            storage_type="generic",
            options=GenericOptions(
                read_fct=FunctionRef("m.r"), write_fct=FunctionRef("m.w"), read_fct_args=(1,)
            ),
            **DAY,
        ),
    },
    tasks={
        "one": TaskConfig(
            id="one",
            function=FunctionRef("m.f"),
            inputs=("plain", "pickled"),
            outputs=("rows",),
            skippable=True,
            retries=2,
            tags=("all",),
            properties={"color": "red"},
        ),
        "two": TaskConfig(
            id="two",
            function=FunctionRef("m.g"),
            retry_delay=timedelta(seconds=2),
            timeout=timedelta(hours=1),
            tags=("slow",),
            description="second",
            properties={"color": "blue"},
        ),
    },
    scenarios={
        "sales": ScenarioConfig(
            id="sales",
            tasks=("one", "two"),
            additional_data_nodes=("doc",),
            frequency=Frequency.DAILY,
            sequences={"first": ("one",)},
            comparators={"rows": (FunctionRef("m.c"), FunctionRef("m.d"))},
            tags=("all",),
            description="both",
        ),
        "weekly": ScenarioConfig(id="weekly", frequency=Frequency.WEEKLY),
    },
    env={
        ("DATA_NODE", "query", "db_password"): EnvRef("ENV[PW]", "PW", secret=True),
        ("DATA_NODE", "object", "aws_access_key"): EnvRef("ENV[AK]", "AK", secret=True),
        ("DATA_NODE", "object", "aws_secret_access_key"): EnvRef("ENV[SK]", "SK", secret=True),
    },
)

TASK = '[TASK.t]\nfunction = "m.f"\n'
NODES = "[DATA_NODE.a]\n[DATA_NODE.b]\n"


@pytest.fixture
def loading(tmp_path: Path) -> Loading:
    """Loads texts as files laid over each other."""

    def load_texts(*texts: str | bytes, **more: Any) -> Loaded:
        paths = []
        for index, text in enumerate(texts):
            paths.append(tmp_path / f"{index}.toml")
            paths[-1].write_bytes(text.encode() if isinstance(text, str) else text)
        return load(paths, more.pop("overrides", ()), environ=more.pop("environ", {}), **more)

    return load_texts


def said(loaded: Loaded) -> list[str]:
    return [str(diagnostic) for diagnostic in loaded.diagnostics]


def all_said(loaded: Loaded) -> list[str]:
    """What loading and all rules that need no functions say."""
    return said(loaded) + [str(diagnostic) for diagnostic in check(loaded.config)]


def clean(loaded: Loaded) -> Config:
    assert said(loaded) == []
    return loaded.config


# Sections and keys


def test_every_section_and_key(loading: Loading) -> None:
    loaded = loading(EVERYTHING, environ=SECRETS)
    assert said(loaded) == [
        (
            "TASK.default.color: warning[RUN103]: unknown key `color` in `[TASK.default]`, "
            "kept as a property (free keys can go under [TASK.default.properties])"
        )
    ]
    assert loaded.config == EVERYTHING_LOADED


def test_an_empty_file_is_a_config_of_defaults(loading: Loading) -> None:
    config = clean(loading(""))
    assert config == Config()
    assert config.job == JobConfig(mode=Mode.DEVELOPMENT, max_nb_of_workers=2)
    assert config.core.storage_folder == ".runner"


def test_a_native_value_does_where_a_key_fixes_the_type(loading: Loading) -> None:
    typed = """
        [JOB]
        max_nb_of_workers = "8:int"
        [DATA_NODE.a]
        scope = "GLOBAL:SCOPE"
        [TASK.t]
        function = "m.f:function"
        inputs = ["a:SECTION"]
        skippable = "True:bool"
        timeout = "2s:timedelta"
    """
    native = """
        [JOB]
        max_nb_of_workers = 8
        [DATA_NODE.a]
        scope = "GLOBAL"
        [TASK.t]
        function = "m.f"
        inputs = ["a"]
        skippable = true
        timeout = "2s"
    """
    assert clean(loading(typed)) == clean(loading(native))


def test_free_places_take_all_of_toml(loading: Loading) -> None:
    config = clean(
        loading(
            """
            [RUNNER]
            mixed = [1, "a", 2.5, true, {b = "1m:timedelta"}]
            day = 2026-11-22
            at = "a:SECTION"
            who = "GLOBAL:SCOPE"
            """
        )
    )
    assert config.runner == {
        "mixed": [1, "a", 2.5, True, {"b": timedelta(minutes=1)}],
        "day": date(2026, 11, 22),
        "at": SectionRef("a"),
        "who": Scope.GLOBAL,
    }


# `default` sections


@pytest.mark.parametrize(
    ("default", "own", "node"),
    [
        pytest.param(
            'storage_type = "json"',
            "",
            DataNodeConfig(id="a", storage_type="json", options=JsonOptions()),
            id="storage-type",
        ),
        pytest.param(
            'scope = "GLOBAL"', "", DataNodeConfig(id="a", scope=Scope.GLOBAL), id="scope"
        ),
        pytest.param(
            'scope = "GLOBAL"\nvalidity_period = "1d"',
            'storage_type = "json"',
            DataNodeConfig(
                id="a", storage_type="json", options=JsonOptions(), validity_period=timedelta(1)
            ),
            id="another-storage-type-has-no-scope-of-it",
        ),
        pytest.param(
            'storage_type = "csv"\nencoding = "latin-1"',
            "",
            DataNodeConfig(id="a", storage_type="csv", options=CsvOptions(encoding="latin-1")),
            id="options",
        ),
        pytest.param(
            'storage_type = "csv"\nencoding = "latin-1"',
            'storage_type = "json"',
            DataNodeConfig(id="a", storage_type="json", options=JsonOptions()),
            id="options-only-to-its-own-type",
        ),
        pytest.param(
            "properties.x = 1\nproperties.y = 1",
            "properties.x = 2",
            DataNodeConfig(id="a", properties={"x": 2, "y": 1}),
            id="properties-key-by-key",
        ),
        pytest.param(
            'default_data = 1\ndescription = "d"', "", DataNodeConfig(id="a"), id="not-its-value"
        ),
        pytest.param(
            'storage_type = "csv"\nscope = "GLOBAL"',
            'storage_type = "csv"\nscope = "CYCLE"',
            DataNodeConfig(id="a", storage_type="csv", options=CsvOptions(), scope=Scope.CYCLE),
            id="own-keys-win",
        ),
    ],
)
def test_what_a_data_node_has_from_default(
    loading: Loading, default: str, own: str, node: DataNodeConfig
) -> None:
    config = clean(loading(f"[DATA_NODE.a]\n{own}\n[DATA_NODE.default]\n{default}"))
    assert config.data_nodes == {"a": node}


def test_what_a_task_has_from_default(loading: Loading) -> None:
    config = clean(
        loading(
            TASK,
            """
            [TASK.default]
            function = "m.other"
            inputs = ["a"]
            outputs = ["b"]
            skippable = true
            retries = 1
            retry_delay = "1s"
            timeout = "1m"
            tags = ["x"]
            description = "d"
            """,
        )
    )
    assert config.tasks["t"] == TaskConfig(
        id="t",
        function=FunctionRef("m.f"),
        skippable=True,
        retries=1,
        retry_delay=timedelta(seconds=1),
        timeout=timedelta(minutes=1),
        tags=("x",),
        description="d",
    )


def test_what_a_scenario_has_from_default(loading: Loading) -> None:
    config = clean(
        loading(
            """
            [SCENARIO.default]
            tasks = ["t"]
            additional_data_nodes = ["a"]
            frequency = "DAILY"
            tags = ["x"]
            description = "d"
            sequences.s = ["t"]
            comparators.a = "m.f"
            properties.p = 1
            [SCENARIO.s]
            """
        )
    )
    assert config.scenarios == {
        "s": ScenarioConfig(id="s", frequency=Frequency.DAILY, tags=("x",), properties={"p": 1})
    }


def test_what_a_storage_type_needs_is_only_a_warning_in_default(loading: Loading) -> None:
    loaded = loading('[DATA_NODE.default]\nstorage_type = "sql_table"\ndb_name = "d"')
    assert all_said(loaded) == [
        "DATA_NODE.default: warning[RUN104]: `db_engine` is missing, which `sql_table` nodes need",
        "DATA_NODE.default: warning[RUN104]: `table_name` is missing, which `sql_table` nodes need",
    ]


def test_a_bad_key_of_default_is_told_once_and_not_handed_on(loading: Loading) -> None:
    loaded = loading(f'[TASK.default]\nretries = "x"\n{TASK}[TASK.u]\nfunction = "m.f"')
    assert all_said(loaded) == ['TASK.default.retries: error[RUN105]: expected int, got "x"']


def test_a_bad_storage_type_of_default_is_told_once(loading: Loading) -> None:
    loaded = loading(
        '[DATA_NODE.default]\nstorage_type = "cvs"\n[DATA_NODE.a]\nhas_header = false\n'
        '[DATA_NODE.b]\nstorage_type = "json"\n[DATA_NODE.c]'
    )
    assert all_said(loaded) == [
        (
            'DATA_NODE.default.storage_type: error[RUN401]: unknown storage type "cvs" '
            "(did you mean `csv`?)"
        )
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '[data_node.default]\nstorage_type = "csv"\n[DATA_NODE.a]\nhas_header = false\n',
            "data_node: error[RUN102]: unknown section `data_node` (did you mean `DATA_NODE`?)",
            id="section",
        ),
        pytest.param(
            '[DATA_NODE.default]\nstorage_typ = "csv"\n[DATA_NODE.a]\nhas_header = false\n',
            "DATA_NODE.default.storage_typ: error[RUN103]: unknown key `storage_typ` in "
            "`[DATA_NODE.default]` (did you mean `storage_type`?)",
            id="key-of-default",
        ),
        pytest.param(
            '[DATA_NODE.default]\nstorage_type = "json"\n'
            '[DATA_NODE.a]\nstorage_typ = "csv"\nhas_header = false\n',
            "DATA_NODE.a.storage_typ: error[RUN103]: unknown key `storage_typ` in "
            "`[DATA_NODE.a]` (did you mean `storage_type`?)",
            id="key-over-default",
        ),
    ],
)
def test_a_storage_type_that_was_misspelt_is_told_once(
    loading: Loading, text: str, expected: str
) -> None:
    assert all_said(loading(text)) == [expected]


def test_a_table_properties_wins_over_a_free_key_whatever_the_order(loading: Loading) -> None:
    first = loading(f"{TASK}note = 1\nproperties.note = 2").config
    second = loading(f"{TASK}properties.note = 2\nnote = 1").config
    assert first == second
    assert first.tasks["t"].properties == {"note": 2}


# Layers


def test_later_files_lie_over_earlier_ones_key_by_key(loading: Loading) -> None:
    config = clean(loading(f"{TASK}retries = 1", "[TASK.t]\nretries = 2"))
    assert config.tasks["t"] == TaskConfig(id="t", function=FunctionRef("m.f"), retries=2)


@pytest.mark.parametrize(
    ("lower", "upper", "section"),
    [
        pytest.param("[[CORE]]\ndurability = 'power'", "[CORE]", "CORE", id="section"),
        pytest.param("[[TASK.t]]\nfunction = 'm.f'", "[TASK.t]", "TASK.t", id="id"),
    ],
)
def test_what_is_no_table_is_told_under_one_too(
    loading: Loading, lower: str, upper: str, section: str
) -> None:
    assert all_said(loading(lower, upper)) == [
        (
            f"{section}: error[RUN105]: expected a table `[{section}]`, got a list "
            f"(write [{section}], in single brackets)"
        )
    ]


def test_a_list_is_replaced_whole(loading: Loading) -> None:
    config = clean(loading(f'{TASK}inputs = ["a", "b"]', '[TASK.t]\ninputs = ["c"]'))
    assert config.tasks["t"].inputs == ("c",)


def test_default_sections_lie_below_all_files(loading: Loading) -> None:
    config = clean(loading(f"{TASK}retries = 1", "[TASK.default]\nretries = 2"))
    assert config.tasks["t"].retries == 1


def test_the_builder_lies_below_the_files(loading: Loading) -> None:
    base = {"JOB": {"queue": "built", "max_nb_of_workers": 7}}
    config = clean(loading('[JOB]\nqueue = "filed"', base=base))
    assert config.job == JobConfig(queue="filed", max_nb_of_workers=7)


def test_the_file_of_the_environment_lies_over_the_others(loading: Loading, tmp_path: Path) -> None:
    over = tmp_path / "over.toml"
    over.write_text('[JOB]\nqueue = "over"')
    config = clean(loading('[JOB]\nqueue = "a"', environ={"RUNNER_CONFIG_PATH": str(over)}))
    assert config.job.queue == "over"


def test_taipys_variable_is_read_below_the_runners_with_a_warning(
    loading: Loading, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text('[JOB]\nqueue = "old"\nmax_nb_of_workers = 7')
    new.write_text('[JOB]\nqueue = "new"')
    environ = {"TAIPY_CONFIG_PATH": str(old), "RUNNER_CONFIG_PATH": str(new)}
    loaded = loading("", environ=environ)
    assert loaded.config.job == JobConfig(queue="new", max_nb_of_workers=7)
    assert said(loaded) == [
        (
            "warning[RUN119]: environment variable `TAIPY_CONFIG_PATH` is Taipy's "
            "(use `RUNNER_CONFIG_PATH`)"
        )
    ]


def test_overrides_lie_over_everything(loading: Loading) -> None:
    overrides = ["JOB.queue=b", "JOB.queue=c"]
    assert clean(loading('[JOB]\nqueue = "a"', overrides=overrides)).job.queue == "c"


@pytest.mark.parametrize(
    ("override", "value"),
    [
        pytest.param("RUNNER.x=8", 8, id="int"),
        pytest.param("RUNNER.x = 8 ", 8, id="blanks"),
        pytest.param("RUNNER.x=true", True, id="bool"),
        pytest.param("RUNNER.x=[1, 2]", [1, 2], id="list"),
        pytest.param("RUNNER.x={a = 1}", {"a": 1}, id="table"),
        pytest.param("RUNNER.x=8:int", 8, id="typed-string"),
        pytest.param('RUNNER.x="8:int"', 8, id="quoted-typed-string"),
        pytest.param("RUNNER.x=a b", "a b", id="text"),
        pytest.param("RUNNER.x=a=b", "a=b", id="equals-in-the-value"),
        pytest.param("RUNNER.x=", "", id="empty"),
        pytest.param("RUNNER.x=ENV[E]", "e", id="environment"),
    ],
)
def test_the_value_of_an_override(loading: Loading, override: str, value: object) -> None:
    config = clean(loading("", overrides=[override], environ={"E": "e"}))
    assert config.runner == {"x": value}


@pytest.mark.parametrize("override", ["JOB.mode", "=1", "a b=1", "JOB.=1", "a\nb=1", ""])
def test_what_sets_no_key(loading: Loading, override: str) -> None:
    loaded = loading("", overrides=[override])
    shown = override.replace("\n", "\\n")
    assert said(loaded) == [
        f'error[RUN114]: "{shown}" sets no key (write it like JOB.mode=standalone)'
    ]


def test_a_secret_of_an_override_is_not_in_its_name(loading: Loading) -> None:
    overrides = ["DATA_NODE.a.db_password=hunter2", "JOB.broker_url=amqp://u:hunter2@h"]
    loaded = loading("", overrides=overrides)
    assert [layer.name for layer in loaded.document.layers[1:]] == [
        "--set DATA_NODE.a.db_password=***",
        "--set JOB.broker_url=***",
    ]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(TASK)
    assert len(load([path, path], environ={}).document.layers) == 1


@pytest.mark.parametrize(
    ("lower", "upper", "dropped"),
    [
        pytest.param(
            'storage_type = "csv"\nhas_header = false\npath = "a"',
            'storage_type = "json"',
            ["has_header"],
            id="only-what-the-new-one-has-not",
        ),
        pytest.param('path = "a"', 'storage_type = "in_memory"', ["path"], id="pickle-by-default"),
        pytest.param(
            'storage_type = "csv"\nhas_header = false', 'storage_type = "excel"', [], id="shared"
        ),
    ],
)
def test_a_changed_storage_type_drops_what_only_the_old_one_had(
    loading: Loading, lower: str, upper: str, dropped: list[str]
) -> None:
    loaded = loading(f"[DATA_NODE.a]\n{lower}", f"[DATA_NODE.a]\n{upper}")
    assert [(each.key, each.severity.value) for each in loaded.diagnostics] == [
        (("DATA_NODE", "a", name), "warning") for name in dropped
    ]


def test_what_is_dropped_says_by_what(loading: Loading) -> None:
    loaded = loading(
        '[DATA_NODE.default]\nstorage_type = "csv"\n[DATA_NODE.a]\nhas_header = false',
        '[DATA_NODE.a]\nstorage_type = "json"',
    )
    assert said(loaded) == [
        (
            "DATA_NODE.a.has_header: warning[RUN403]: "
            "`has_header` is dropped: storage type `csv` is overridden by `json`"
        )
    ]
    (related,) = loaded.diagnostics[0].related
    assert (related.message, related.key) == (
        "overridden here",
        ("DATA_NODE", "a", "storage_type"),
    )


# A file means the same whatever the order of its sections, and however it is cut


def leaves(tables: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Any]:
    for name, value in tables.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


@given(data=st.data())
def test_a_file_means_the_same_however_it_is_cut_and_ordered(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    pieces: list[dict[str, Any]] = [{}, {}, {}]
    written = list(leaves(parse_toml(EVERYTHING, "c.toml")))
    order = data.draw(st.permutations(written))
    choices = data.draw(st.lists(st.integers(0, 2), min_size=len(written), max_size=len(written)))
    for choice, (path, value) in zip(choices, order, strict=True):
        table = pieces[choice]
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = value
    folder = tmp_path_factory.mktemp("cut")
    paths = [folder / f"{index}.toml" for index in range(3)]
    for path, piece in zip(paths, pieces, strict=True):
        path.write_text(write_tables(piece))
    loaded = load(paths, environ=SECRETS)
    assert len(loaded.diagnostics) == 1
    assert loaded.config == EVERYTHING_LOADED


# The environment


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        pytest.param('[JOB]\nmode = "ENV[X]"', ("JOB", "mode"), "standalone", id="job"),
        pytest.param('[RUNNER]\na.b = ["ENV[X]"]', ("RUNNER", "a", "b", 0), "v", id="free"),
        pytest.param('[TAIPY]\na = "ENV[X]"', ("RUNNER", "a"), "v", id="taipy"),
        pytest.param('[JOB]\nfree = "ENV[X]"', ("JOB", "properties", "free"), "v", id="job-free"),
        pytest.param(
            '[JOB]\ndefault = "ENV[X]"', ("JOB", "properties", "default"), "v", id="job-default"
        ),
        pytest.param(
            '[JOB]\nnb_of_workers = "ENV[X]:int"', ("JOB", "max_nb_of_workers"), "3", id="old-name"
        ),
        pytest.param(
            f'{TASK}inputs = ["ENV[X]:SECTION"]', ("TASK", "t", "inputs", 0), "a", id="id"
        ),
        pytest.param(
            '[DATA_NODE.a]\nstorage_type = "ENV[X]"',
            ("DATA_NODE", "a", "storage_type"),
            "json",
            id="storage-type",
        ),
        pytest.param(
            f'{TASK}[TASK.default]\nretries = "ENV[X]:int"', ("TASK", "t", "retries"), "3",
            id="from-default",
        ),
        pytest.param(
            f'{TASK}[TASK.default.properties]\nx = "ENV[X]"', ("TASK", "t", "properties", "x"),
            "v", id="property-from-default",
        ),
    ],
)  # fmt: skip
def test_what_came_from_the_environment_is_known(
    loading: Loading, text: str, key: tuple[str | int, ...], value: str
) -> None:
    loaded = loading(text, environ={"X": value})
    assert [each for each in loaded.diagnostics if each.is_error] == []
    assert [(key, ref.name) for key, ref in loaded.config.env.items()] == [(key, "X")]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('[TAIPY]\na = "ENV[X]"\n[RUNNER]\na = 1', id="runner-over-taipy"),
        pytest.param(
            '[JOB]\nnb_of_workers = "ENV[X]:int"\nmax_nb_of_workers = 4', id="the-new-name"
        ),
        pytest.param('[CORE]\nroot_folder = "ENV[X]"', id="a-key-that-means-nothing"),
        pytest.param('[gui]\nport = "ENV[X]"', id="a-section-that-means-nothing"),
        pytest.param(f'{TASK}retries = 1\n[TASK.default]\nretries = "ENV[X]:int"', id="default"),
    ],
)
def test_what_does_not_count_did_not_come_from_the_environment(loading: Loading, text: str) -> None:
    assert loading(text, environ={"X": "3"}).config.env == {}


def test_all_missing_variables_are_told_at_once_and_nothing_that_follows(
    loading: Loading,
) -> None:
    loaded = loading(
        """
        [JOB]
        max_nb_of_workers = "ENV[A]:int"
        [RUNNER]
        x = ["ENV[B]:int"]
        [DATA_NODE.a]
        storage_type = "ENV[C]"
        has_header = false
        [DATA_NODE.b]
        default_data = "ENV[D]:timedelta"
        [DATA_NODE.c]
        storage_type = "sql_table"
        db_name = "ENV[E]"
        db_engine = "sqlite"
        table_name = "t"
        [TASK.t]
        function = "ENV[F]:function"
        inputs = ["b", "ENV[G]:SECTION"]
        outputs = ["c"]
        [SCENARIO.s]
        tasks = ["ENV[H]"]
        sequences.q = ["ENV[I]"]
        comparators.b = ["ENV[J]:function"]
        frequency = "ENV[K]:FREQUENCY"
        """
    )
    assert sorted(all_said(loaded)) == sorted(
        f"{key}: error[RUN111]: environment variable `{name}` is not set "
        f"(set it, or give a default: ENV[{name}:-…])"
        for key, name in {
            "JOB.max_nb_of_workers": "A",
            "RUNNER.x.0": "B",
            "DATA_NODE.a.storage_type": "C",
            "DATA_NODE.b.default_data": "D",
            "DATA_NODE.c.db_name": "E",
            "TASK.t.function": "F",
            "TASK.t.inputs.1": "G",
            "SCENARIO.s.tasks.0": "H",
            "SCENARIO.s.sequences.q.0": "I",
            "SCENARIO.s.comparators.b.0": "J",
            "SCENARIO.s.frequency": "K",
        }.items()
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            '[JOB]\nmax_nb_of_workers = "ENV[X]:int"',
            "JOB.max_nb_of_workers: error[RUN112]: environment variable `X`: expected int",
            id="typed",
        ),
        pytest.param(
            '[JOB]\nmode = "ENV[X]"',
            "JOB.mode: error[RUN112]: environment variable `X`: "
            "expected one of development, standalone, cluster",
            id="choice",
        ),
        pytest.param(
            '[JOB]\nnb_of_workers = "ENV[X]"\n[CHECK]\nignore = ["RUN119"]',
            "JOB.nb_of_workers: error[RUN112]: environment variable `X`: expected int",
            id="old-name",
        ),
        pytest.param(
            "JOB = 'ENV[X]'",
            "JOB: error[RUN112]: environment variable `X`: expected a table `[JOB]`",
            id="section",
        ),
        pytest.param(
            "[TASK]\nt = 'ENV[X]'\n[TASK.default]\nretries = 1",
            "TASK.t: error[RUN112]: environment variable `X`: expected a table `[TASK.t]`",
            id="id",
        ),
        pytest.param(
            "[TASK]\ndefault = 'ENV[X]'\n[TASK.t]\nfunction = 'm.f'",
            "TASK.default: error[RUN112]: environment variable `X`: "
            "expected a table `[TASK.default]`",
            id="default",
        ),
        pytest.param(
            '[DATA_NODE.a]\nstorage_type = "ENV[X]"',
            "DATA_NODE.a.storage_type: error[RUN112]: environment variable `X`: expected one of "
            "pickle, in_memory, json, csv, excel, parquet, sql_table, sql, mongo_collection, "
            "s3_object, generic",
            id="storage-type",
        ),
        pytest.param(
            '[TASK.t]\nfunction = "ENV[X]"',
            "TASK.t.function: error[RUN112]: environment variable `X`: "
            'expected a dotted name like "package.module.name"',
            id="function",
        ),
        pytest.param(
            f'{TASK}inputs = "ENV[X]"',
            "TASK.t.inputs: error[RUN112]: environment variable `X`: expected a list of ids",
            id="list",
        ),
        pytest.param(
            f'{TASK}timeout = "ENV[X]:str"',
            "TASK.t.timeout: error[RUN112]: environment variable `X`: expected timedelta",
            id="str-for-another-type",
        ),
    ],
)
def test_a_bad_value_of_the_environment_is_told_once_and_never_shown(
    loading: Loading, text: str, told: str
) -> None:
    loaded = loading(text, environ={"X": "hunter2"})
    assert [each for each in all_said(loaded) if "RUN119" not in each] == [told]
    assert "hunter2" not in repr(loaded.diagnostics)


# What is old, unknown or wrong


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            "[JOB]\nnb_of_workers = 3",
            "JOB.nb_of_workers: warning[RUN119]: `nb_of_workers` is the old name "
            "(write `max_nb_of_workers`)",
            id="nb-of-workers",
        ),
        *[
            pytest.param(
                f'[CORE]\n{name} = "x"',
                f"CORE.{name}: warning[RUN119]: `{name}` is Taipy's and means nothing here",
                id=name,
            )
            for name in (
                "root_folder",
                "taipy_storage_folder",
                "repository_type",
                "repository_properties",
                "read_entity_retry",
                "mode",
                "version_number",
                "force",
                "core_version",
            )
        ],
        *[
            pytest.param(
                f"[{name}]\nx = 1",
                f"{name}: warning[RUN119]: section `{name}` is Taipy's and means nothing here",
                id=name,
            )
            for name in ("AUTHENTICATION", "VERSION_MIGRATION", "gui")
        ],
        pytest.param(
            "[JOBS]\nx = 1",
            "JOBS: error[RUN102]: unknown section `JOBS` (did you mean `JOB`?)",
            id="section-with-a-typo",
        ),
        pytest.param(
            "[data_node.a]",
            "data_node: error[RUN102]: unknown section `data_node` (did you mean `DATA_NODE`?)",
            id="section-in-lower-case",
        ),
        pytest.param(
            "[DATANODES.a]",
            "DATANODES: error[RUN102]: unknown section `DATANODES` (did you mean `DATA_NODE`?)",
            id="section-in-the-plural",
        ),
        pytest.param(
            "[PIPELINE.a]",
            "PIPELINE: error[RUN102]: unknown section `PIPELINE` "
            "(what was a pipeline is a sequence: [SCENARIO.<id>.sequences])",
            id="section-of-an-old-taipy",
        ),
        pytest.param(
            "[settings.a]",
            "settings: error[RUN102]: unknown section `settings` (there are [RUNNER], [TAIPY], "
            "[JOB], [CORE], [CHECK], [DATA_NODE.<id>], [TASK.<id>], [SCENARIO.<id>])",
            id="unknown-section",
        ),
        pytest.param(
            "['TASK.t']\nfunction = 'm.f'",
            "TASK.t: error[RUN102]: unknown section `TASK.t` (write [TASK.t], without quotes)",
            id="quoted-header",
        ),
        pytest.param(
            "[TASK]\nfunction = 'm.f'\ninputs = ['a']\n[SCENARIO.s]\ntasks = ['t']",
            "TASK.function: error[RUN105]: `function`, `inputs` under `[TASK]`, which has no id "
            "(write [TASK.<id>] above)",
            id="section-without-an-id",
        ),
        pytest.param(
            "[TASK.t.fast]\nfunction = 'm.f'\n[SCENARIO.s]\ntasks = ['t.fast']",
            'TASK.t.fast: error[RUN115]: "t.fast" is no id: it has a dot '
            "(for example [TASK.t_fast])",
            id="id-with-a-dot",
        ),
        pytest.param(
            "[DATA_NODE.a.csv]\npath = 'a.csv'",
            'DATA_NODE.a.csv: error[RUN115]: "a.csv" is no id: it has a dot '
            '(write storage_type = "csv" under [DATA_NODE.a])',
            id="storage-type-as-a-section",
        ),
        pytest.param(
            "[DATA_NODE.a]\nstorage_type = 'pandas.CSVDataset'",
            "DATA_NODE.a.storage_type: error[RUN401]: unknown storage type "
            '"pandas.CSVDataset" (did you mean `csv`?)',
            id="dataset-for-a-storage-type",
        ),
        pytest.param(
            "[DATA_NODE.a]\nstorage_type = 'postgres'",
            'DATA_NODE.a.storage_type: error[RUN401]: unknown storage type "postgres" '
            "(did you mean `sql_table`?)",
            id="server-for-a-storage-type",
        ),
        pytest.param(
            "[TASK.t]\nfunc = 'm.f'",
            "TASK.t.func: error[RUN103]: unknown key `func` in `[TASK.t]` "
            "(did you mean `function`?)",
            id="other-word-for-a-function",
        ),
        pytest.param(
            f"{TASK}retry = 3",
            "TASK.t.retry: warning[RUN103]: unknown key `retry` in `[TASK.t]`, kept as a property "
            "(did you mean `retries`? If not, free keys can go under [TASK.t.properties])",
            id="other-word-for-a-key",
        ),
        pytest.param(
            f"{TASK}depends_on = ['a']",
            "TASK.t.depends_on: warning[RUN103]: unknown key `depends_on` in `[TASK.t]`, kept as "
            "a property (what runs first follows from `inputs` and `outputs`)",
            id="order-of-tasks",
        ),
        pytest.param(
            f"{TASK}scope = 'GLOBAL'",
            "TASK.t.scope: warning[RUN103]: unknown key `scope` in `[TASK.t]`, kept as a property "
            "(it is a key of [DATA_NODE.<id>])",
            id="key-of-another-section",
        ),
        pytest.param(
            "mode = 'standalone'",
            "mode: error[RUN102]: unknown top-level key `mode` "
            "(free keys of the application go under [RUNNER])",
            id="top-level-key",
        ),
        pytest.param(
            f"{TASK}color = 1",
            "TASK.t.color: warning[RUN103]: unknown key `color` in `[TASK.t]`, kept as a "
            "property (free keys can go under [TASK.t.properties])",
            id="free-key",
        ),
        pytest.param(
            f"{TASK}ouputs = []",
            "TASK.t.ouputs: error[RUN103]: unknown key `ouputs` in `[TASK.t]` "
            "(did you mean `outputs`?)",
            id="key-with-a-typo",
        ),
        pytest.param(
            f"{TASK}input = []",
            "TASK.t.input: error[RUN103]: unknown key `input` in `[TASK.t]` "
            "(did you mean `inputs`?)",
            id="taipys-python-spelling",
        ),
        pytest.param(
            "[SCENARIO.s]\ntask_configs = []",
            "SCENARIO.s.task_configs: error[RUN103]: unknown key `task_configs` in "
            "`[SCENARIO.s]` (did you mean `tasks`?)",
            id="task-configs",
        ),
        pytest.param(
            '[DATA_NODE.a]\nstorage_typ = "csv"\nhas_header = true',
            "DATA_NODE.a.storage_typ: error[RUN103]: unknown key `storage_typ` in "
            "`[DATA_NODE.a]` (did you mean `storage_type`?)",
            id="storage-type-with-a-typo",
        ),
        pytest.param(
            "[CHECK]\nlevel = 1",
            "CHECK.level: error[RUN103]: unknown key `level` in `[CHECK]`",
            id="check-keeps-no-properties",
        ),
        pytest.param(
            '[DATA_NODE.a]\nstorage_type = "cvs"\nhas_header = true',
            'DATA_NODE.a.storage_type: error[RUN401]: unknown storage type "cvs" '
            "(did you mean `csv`?)",
            id="storage-type",
        ),
        pytest.param(
            "[DATA_NODE.a]\nstorage_type = 1",
            "DATA_NODE.a.storage_type: error[RUN105]: expected str, got 1",
            id="storage-type-that-is-no-text",
        ),
        pytest.param(
            "[DATA_NODE.a]\nhas_header = true",
            "DATA_NODE.a.has_header: error[RUN403]: `has_header` means nothing to storage type "
            "`pickle` (it is a key of csv, excel: write a `storage_type`)",
            id="key-of-another-storage-type",
        ),
        pytest.param(
            "JOB = 1", "JOB: error[RUN105]: expected a table `[JOB]`, got 1", id="section-no-table"
        ),
        pytest.param(
            "[[TASK.t]]\nfunction = 'm.f'",
            "TASK.t: error[RUN105]: expected a table `[TASK.t]`, got a list "
            "(write [TASK.t], in single brackets)",
            id="list-of-tables",
        ),
        pytest.param(
            f"{TASK}properties = 1",
            "TASK.t.properties: error[RUN105]: expected a table `[TASK.t.properties]`, got 1",
            id="properties-no-table",
        ),
        pytest.param(
            f"[TASK.default.properties]\nx = 1\n{TASK}properties = 1",
            "TASK.t.properties: error[RUN105]: expected a table `[TASK.t.properties]`, got 1",
            id="properties-no-table-over-default",
        ),
        pytest.param(
            "[DATA_NODE]\na = 1",
            "DATA_NODE.a: error[RUN105]: expected a table `[DATA_NODE.a]`, got 1",
            id="id-no-table",
        ),
        pytest.param(
            f'{TASK}inputs = ["a", 1]\n{NODES}',
            "TASK.t.inputs.1: error[RUN105]: expected an id, got 1",
            id="place-in-a-list",
        ),
        pytest.param(
            '[RUNNER]\na = {b = ["x:int"]}',
            'RUNNER.a.b.0: error[RUN106]: expected int, got "x"',
            id="place-in-a-free-value",
        ),
        pytest.param(
            '[RUNNER]\nport = "8:itn"',
            "RUNNER.port: warning[RUN107]: `itn` is no type, the text stays "
            '(did you mean "8:int"? For the text itself: "8:itn:str")',
            id="misspelt-type-in-a-free-place",
        ),
        pytest.param(
            '[DATA_NODE.a]\ndefault_data = ["8:itn"]',
            "DATA_NODE.a.default_data.0: warning[RUN107]: `itn` is no type, the text stays "
            '(did you mean "8:int"? For the text itself: "8:itn:str")',
            id="misspelt-type-in-default-data",
        ),
        pytest.param(
            '[JOB]\nmax_nb_of_workers = "8:itn"',
            'JOB.max_nb_of_workers: error[RUN107]: expected a type after the colon, got "itn" '
            '(did you mean "8:int"?)',
            id="misspelt-type-of-an-int",
        ),
        pytest.param(
            f'{TASK}inputs = ["a:SECTON"]',
            'TASK.t.inputs.0: error[RUN107]: expected a type after the colon, got "SECTON" '
            '(did you mean "a:SECTION"?)',
            id="misspelt-type-of-an-id",
        ),
        pytest.param(
            f'{TASK}inputs = "a"',
            'TASK.t.inputs: error[RUN105]: expected a list of ids, got "a" (write ["a"])',
            id="id-for-a-list",
        ),
    ],
)
def test_each_mistake_is_told_once_and_nothing_follows(
    loading: Loading, text: str, told: str
) -> None:
    assert [each for each in all_said(loading(text)) if "RUN206" not in each] == [told]


def test_keys_under_properties_are_free(loading: Loading) -> None:
    config = clean(loading(f"{TASK}[TASK.t.properties]\ninput = 1\nouputs = 2\n"))
    assert config.tasks["t"].properties == {"input": 1, "ouputs": 2}


def test_the_new_name_counts_where_both_are_given(loading: Loading) -> None:
    loaded = loading("[JOB]\nnb_of_workers = 3\nmax_nb_of_workers = 4")
    assert [each.code for each in loaded.diagnostics] == ["RUN119"]
    assert loaded.config.job.max_nb_of_workers == 4


def test_the_old_name_is_judged_as_the_new_one(loading: Loading) -> None:
    loaded = loading("[JOB]\nnb_of_workers = 0")
    assert said(loaded)[1:] == [
        'JOB.nb_of_workers: error[RUN116]: expected at least 1, or "auto", got 0'
    ]


def test_runner_wins_over_taipy(loading: Loading) -> None:
    assert clean(loading("[TAIPY]\na = 1\nb = 1\n[RUNNER]\na = 2")).runner == {"a": 2, "b": 1}


def test_one_bad_section_hides_no_other(loading: Loading) -> None:
    loaded = loading(
        """
        JOB = 1
        [CORE]
        durability = "none"
        [DATA_NODE]
        b = 1
        [DATA_NODE.a]
        storage_type = "cvs"
        [TASK.t]
        function = 1
        retries = "x"
        inputs = ["rwa"]
        [TASK.u]
        function = "m.f"
        inputs = ["c"]
        [SCENARIO.s]
        tasks = ["t", 1]
        """
    )
    assert [(each.code, each.key) for each in loaded.diagnostics] == [
        ("RUN105", ("JOB",)),
        ("RUN116", ("CORE", "durability")),
        ("RUN105", ("DATA_NODE", "b")),
        ("RUN401", ("DATA_NODE", "a", "storage_type")),
        ("RUN105", ("TASK", "t", "function")),
        ("RUN105", ("TASK", "t", "retries")),
        ("RUN105", ("SCENARIO", "s", "tasks", 1)),
    ]
    assert [(each.code, each.key) for each in check(loaded.config)] == [
        ("RUN201", ("TASK", "t", "inputs", 0)),
        ("RUN201", ("TASK", "u", "inputs", 0)),
    ]


def test_a_bad_file_hides_no_other(loading: Loading) -> None:
    loaded = loading("a = ", TASK, "[JOB]\nmode = 1")
    assert [each.code for each in loaded.diagnostics] == ["RUN101", "RUN105"]
    assert list(loaded.config.tasks) == ["t"]


# Files made for Taipy

TAIPY_4 = """
[TAIPY]

[JOB]
mode = "standalone"
max_nb_of_workers = "2:int"

[CORE]
root_folder = "./taipy/"
storage_folder = "user_data/"
repository_type = "filesystem"
read_entity_retry = "0:int"
mode = "development"
version_number = ""
force = "False:bool"
core_version = "4.0"

[VERSION_MIGRATION.migration_fcts]

[DATA_NODE.default]
storage_type = "in_memory"
scope = "SCENARIO:SCOPE"

[DATA_NODE.history]
storage_type = "csv"
scope = "GLOBAL:SCOPE"
validity_period = "1d0h0m0s:timedelta"
default_path = "history.csv"
has_header = "True:bool"
exposed_type = "pandas"

[DATA_NODE.day]
default_data = "2026-11-22T00:00:00:datetime"

[DATA_NODE.forecast]

[TASK.default]
inputs = []
outputs = []
skippable = "False:bool"

[TASK.predict]
function = "algos.predict.run:function"
inputs = [ "history:SECTION", "day:SECTION",]
outputs = [ "forecast:SECTION",]
skippable = "True:bool"

[SCENARIO.default]
tasks = []
additional_data_nodes = []

[SCENARIO.default.comparators]

[SCENARIO.default.sequences]

[SCENARIO.monthly]
tasks = [ "predict:SECTION",]
additional_data_nodes = []
frequency = "MONTHLY:FREQUENCY"

[SCENARIO.monthly.comparators]
forecast = [ "algos.compare.mape:function",]

[SCENARIO.monthly.sequences]
all = [ "predict:SECTION",]

[gui]
port = "5000:int"
"""
TAIPY_2 = """
[TAIPY]
root_folder = "./taipy/"
clean_entities_enabled = "True:bool"

[JOB]
mode = "standalone"
nb_of_workers = "4:int"

[DATA_NODE.default]
storage_type = "pickle"
cacheable = "False:bool"

[DATA_NODE.amount]
default_data = "ENV[AMOUNT]:float"

[DATA_NODE.tax]
storage_type = "generic"
read_fct = "io.tax.read:function"
write_fct = "io.tax.write:function"
read_fct_args = [ "1:int", "x",]

[TASK.pay]
function = "bank:pay.run:function"
inputs = [ "amount:SECTION",]
outputs = [ "tax:SECTION",]

[SCENARIO.year]
tasks = [ "pay:SECTION",]
frequency = "YEARLY:FREQUENCY"
owner = "ENV[OWNER]"
"""


def test_a_file_that_taipy_4_exported(loading: Loading) -> None:
    loaded = loading(TAIPY_4)
    assert {each.code for each in loaded.diagnostics} == {"RUN119"}
    config = loaded.config
    assert config.job == JobConfig(mode=Mode.STANDALONE)
    assert config.core == CoreConfig(storage_folder="user_data/")
    assert config.data_nodes["history"] == DataNodeConfig(
        id="history",
        storage_type="csv",
        scope=Scope.GLOBAL,
        validity_period=timedelta(days=1),
        options=CsvOptions(default_path="history.csv"),
    )
    assert config.data_nodes["forecast"] == DataNodeConfig(
        id="forecast", storage_type="in_memory", options=InMemoryOptions()
    )
    assert config.tasks == {
        "predict": TaskConfig(
            id="predict",
            function=FunctionRef("algos.predict.run"),
            inputs=("history", "day"),
            outputs=("forecast",),
            skippable=True,
        )
    }
    assert config.scenarios == {
        "monthly": ScenarioConfig(
            id="monthly",
            tasks=("predict",),
            frequency=Frequency.MONTHLY,
            comparators={"forecast": (FunctionRef("algos.compare.mape"),)},
            sequences={"all": ("predict",)},
        )
    }
    assert check(config) == []


def test_an_old_file_of_taipy(loading: Loading) -> None:
    loaded = loading(TAIPY_2, environ={"AMOUNT": "1.5", "OWNER": "me"})
    assert [each.code for each in loaded.diagnostics if each.is_error] == []
    config = loaded.config
    assert config.runner == {"root_folder": "./taipy/", "clean_entities_enabled": True}
    assert config.job.max_nb_of_workers == 4
    assert config.data_nodes["amount"].default_data == 1.5
    assert config.data_nodes["amount"].properties == {"cacheable": False}
    assert config.data_nodes["tax"].options == GenericOptions(
        read_fct=FunctionRef("io.tax.read"),
        write_fct=FunctionRef("io.tax.write"),
        read_fct_args=(1, "x"),
    )
    assert config.tasks["pay"].function == FunctionRef("bank.pay.run")
    assert config.scenarios["year"].properties == {"owner": "me"}
    assert check(config) == []


# Files that are none


def corpus() -> list[Any]:
    if not CORPUS.is_dir():
        missing = pytest.mark.skip(reason=f"the corpus of TOML is not in {CORPUS}")
        return [pytest.param(Path(), marks=missing)]
    # What is invalid in TOML 1.0 alone is read, as TOML 1.1.
    lists = [(CORPUS / f"files-toml-{version}").read_text() for version in ("1.0.0", "1.1.0")]
    names = sorted(set(lists[0].split()) & set(lists[1].split()))
    invalid = [name for name in names if name.startswith("invalid/") and name.endswith(".toml")]
    return [pytest.param(CORPUS / name, id=name) for name in invalid]


@pytest.mark.parametrize("path", corpus())
def test_every_invalid_document_is_refused_with_a_place(path: Path) -> None:
    loaded = load([path], environ={})
    assert loaded.diagnostics
    assert {each.code for each in loaded.diagnostics} <= {"RUN101", "RUN109"}
    assert all(each.place and each.place.file == str(path) for each in loaded.diagnostics)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a." * 50_000 + "a = 1", id="dotted-key"),
        pytest.param("[" + "a." * 50_000 + "a]", id="dotted-header"),
        pytest.param("a = " + "[" * 100_000, id="arrays"),
        pytest.param("a = " + "[" * 5000 + "]" * 5000, id="closed-arrays"),
        pytest.param("a = " + "{a=" * 50_000, id="inline-tables"),
        pytest.param("a = 1" + "9" * 5000, id="huge-int"),
        pytest.param("[RUNNER]\na = 0x" + "f" * 100_000, id="huge-hexadecimal-int"),
        pytest.param("[TASK.t]\nretries = 0x" + "f" * 100_000, id="huge-int-for-a-key"),
        pytest.param("[TASK.t]\ntimeout = '" + " " * 50_000 + "x'", id="blanks-for-a-timedelta"),
        pytest.param("[JOB]\nmode = '" + "x:" * 50_000 + "'", id="colons"),
        pytest.param("[TASK.t]\nfunction = '" + "a." * 50_000 + "'", id="dots"),
        pytest.param(
            "RUNNER = " + ("{" + ".".join("a" * 32) + " = ") * 63 + "1" + "}" * 63,
            id="a-table-of-depth-2000",
        ),
        pytest.param(
            "[DATA_NODE.a]\ndefault_data = "
            + ("{" + ".".join("a" * 32) + " = ") * 63
            + "'ENV[X]'"
            + "}" * 63,
            id="an-environment-variable-at-depth-2000",
        ),
        pytest.param("JOB:\n  mode: standalone", id="yaml"),
        pytest.param('{"JOB": {}}', id="json"),
        pytest.param("<<<<<<< HEAD\n[JOB]\n", id="conflict"),
        pytest.param("a = '\0'", id="nul"),
    ],
)
def test_a_bomb_is_refused(loading: Loading, text: str) -> None:
    loaded = loading(text)
    assert any(each.is_error for each in loaded.diagnostics)
    check(loaded.config)
    places = Places(loaded.document)
    assert all(len(str(places.located(each))) < 2000 for each in loaded.diagnostics)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbf" + TASK.encode(), id="byte-order-mark"),
        pytest.param(TASK.replace("\n", "\r\n").encode(), id="carriage-returns"),
        pytest.param(TASK.encode().rstrip(b"\n"), id="no-newline-at-the-end"),
        pytest.param(TASK.encode() + b"\t# \xc3\xa9", id="comment"),
    ],
)
def test_the_form_of_the_file_does_not_matter(loading: Loading, data: bytes) -> None:
    assert list(clean(loading(data)).tasks) == ["t"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param("[JOB]".encode("utf-16"), "RUN109", id="utf-16"),
        pytest.param("# é".encode("latin-1"), "RUN109", id="latin-1"),
        pytest.param(b"a = \xed\xa0\x80", "RUN109", id="surrogate"),
        pytest.param(b"[JOB]\0", "RUN101", id="nul"),
        pytest.param(b"[JOB]\rx", "RUN101", id="bare-carriage-return"),
    ],
)
def test_bytes_that_are_no_toml(loading: Loading, data: bytes, code: str) -> None:
    (diagnostic,) = loading(data).diagnostics
    assert diagnostic.code == code
    assert diagnostic.place is not None


def test_files_that_cannot_be_read_are_all_told(tmp_path: Path) -> None:
    paths = [tmp_path / "no.toml", tmp_path]
    assert said(load(paths, environ={})) == [
        f"error[RUN108]: `{paths[0]}` cannot be read: no such file or directory",
        f"error[RUN108]: `{paths[1]}` cannot be read: is a directory",
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert said(load([path], environ={})) == [
        f"error[RUN108]: `{path}` cannot be read: is not a regular file"
    ]


@given(st.text(alphabet="TASKJOB.a[]={}\"' \n:1", max_size=40))
def test_no_text_makes_loading_raise(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text)
    loaded = load([path], environ={})
    check(loaded.config)


def test_a_large_file_that_is_no_toml_is_told_by_its_own_name(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text("# large\n" * 40_000 + "a = ")
        (diagnostic,) = load([tmp_path / name], environ={}).diagnostics
        assert diagnostic.place is not None
        assert diagnostic.place.file == str(tmp_path / name)


def test_a_large_file_is_loaded_twice_as_the_same(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("# large\n" * 40_000 + TASK + "color = 1\nretries = 'x'\n")
    first, second = load([path], environ={}), load([path], environ={})
    assert first.config == second.config
    assert first.config.unread == second.config.unread
    assert first.diagnostics == second.diagnostics


# Finding the file


def test_the_application_path_is_the_folder_of_the_first_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "1.toml", tmp_path / "b" / "2.toml"
    for path in (first, second):
        path.parent.mkdir()
        path.write_text("")
    assert load([first, second], environ={}).config.application_path == first.parent
    loaded = load([first], environ={}, application_path=second.parent)
    assert loaded.config.application_path == second.parent


def test_find_config_prefers_runner_toml(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    assert find_config(tmp_path) == tmp_path / "config.toml"
    (tmp_path / "runner.toml").touch()
    assert find_config(tmp_path) == tmp_path / "runner.toml"


def test_find_config_looks_in_the_folders_above(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "config.toml").touch()
    assert find_config(below) == tmp_path / "config.toml"


def test_find_config_finds_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^no `runner.toml` or `config.toml` in .* or above$"):
        find_config(tmp_path)


def test_load_config_refuses_errors_and_keeps_warnings_aside(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[JOB]\nmode = 1\nfree = 1")
    with pytest.raises(
        ConfigError, match=r"^JOB\.mode: error\[RUN105\]: expected [^\n]*$"
    ) as caught:
        load_config([path], environ={})
    assert sorted(each.code for each in caught.value.diagnostics) == ["RUN103", "RUN105"]


def test_config_load(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(TASK)
    config = Config.load(path, overrides=["TASK.t.retries=2"])
    assert attrs.evolve(config.tasks["t"], retries=0) == TaskConfig(
        id="t", function=FunctionRef("m.f")
    )
    assert config.tasks["t"].retries == 2
