"""What is right is called right: `check` says nothing of it, neither error nor warning."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from pipelines import Pipeline, from_examples, generated
from planted import diagnostics

README = Path(__file__).parent.parent / "README.md"
QUICKSTART = Path(__file__).parent.parent / "examples" / "quickstart" / "functions.py"
MODULES = {
    "m.py": """\
from dataclasses import dataclass


def none(): ...
def one(first): ...
def two(first, second): ...
def any_number(*values): ...
def default(first, second=2, *, third=3): ...
def statements(value): ...


@dataclass
class Row:
    name: str
    size: int = 0

    @classmethod
    def make(cls, first): ...
    @staticmethod
    def build(first): ...


class Encoder: ...
""",
    "algos.py": "def summarise(sales): ...\n",
    "package/__init__.py": "from package.inner import found as exported\n",
    "package/inner.py": "def found(first): ...\n",
}
ENVIRON = {
    "HOME_OF_DATA": "data",
    "NUMBER": "3",
    "PASSWORD": "hunter2",
    "SHOP_PASSWORD": "hunter2",
    "EMPTY": "",
}

Told: TypeAlias = Callable[[str], list[str]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """What is said of a config, with a few modules beside it."""

    def tell(text: str) -> list[str]:
        for name, source in {**MODULES, "functions.py": QUICKSTART.read_text()}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(source, encoding="utf-8")
        texts = {"runner.toml": text}
        return [str(each) for each in diagnostics(tmp_path, texts, environ=ENVIRON)]

    return tell


def said_of(pipeline: Pipeline) -> list[str]:
    return [str(each) for each in diagnostics(pipeline.folder, pipeline.texts)]


def test_examples(tmp_path: Path) -> None:
    said = {each.name: said_of(each) for each in from_examples(tmp_path)}
    assert {"quickstart", "layers", "layers + prod.toml"} <= said.keys()
    assert not any(said.values()), said


@pytest.mark.parametrize(("seed", "tasks"), [(1, 300), (2, 40), (3, 40), (4, 3), (5, 2)])
def test_generated_configs(tmp_path: Path, seed: int, tasks: int) -> None:
    assert said_of(generated(tmp_path, seed, tasks=tasks)) == []


@pytest.mark.parametrize(
    "text", re.findall(r"^```toml\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
)
def test_what_the_readme_shows(told: Told, text: str) -> None:
    assert told(text) == []


def node(keys: str) -> str:
    return f"[DATA_NODE.n]\n{keys}\n"


def task(keys: str, function: str = "m.none") -> str:
    return f'[TASK.t]\nfunction = "{function}"\n{keys}\n'


PIPELINE = """\
[DATA_NODE.raw]
default_data = 1
[DATA_NODE.clean]
[DATA_NODE.model]
[TASK.first]
function = "m.one"
inputs = ["raw"]
outputs = ["clean"]
[TASK.second]
function = "m.one"
inputs = ["clean"]
outputs = ["model"]
[SCENARIO.s]
tasks = ["first", "second"]
"""


@pytest.mark.parametrize(
    "text",
    [
        # Files and layers
        pytest.param("", id="nothing"),
        pytest.param("# only a comment", id="a-comment"),
        pytest.param("\ufeff[DATA_NODE.n]\n", id="a-byte-order-mark"),
        pytest.param("[DATA_NODE.n]\r\ndefault_data = 1\r\n", id="lines-of-windows"),
        pytest.param("DATA_NODE.n.default_data = 1\n", id="dotted-keys"),
        pytest.param("DATA_NODE = {n = {default_data = 1}}\n", id="inline-tables"),
        pytest.param('["DATA_NODE"."n"]\n', id="quoted-keys"),
        pytest.param('[ DATA_NODE . n ]\n"scope" = "GLOBAL"\n', id="blanks-in-a-header"),
        # Sections
        pytest.param("[RUNNER]\nany = 1\nkey = {that = ['is', 'free']}\n", id="RUNNER"),
        pytest.param("[TAIPY]\nany = 1\n", id="TAIPY"),
        pytest.param("[RUNNER.deeper.still]\nany = 1\n", id="RUNNER-with-tables"),
        pytest.param("[JOB]\n[CORE]\n[CHECK]\n[DATA_NODE]\n[TASK]\n", id="empty-sections"),
        pytest.param(node("[DATA_NODE.n.properties]\ninput = 1\nouputs = 2"), id="properties"),
        pytest.param("[JOB.properties]\ncolour = 'red'\n", id="properties-of-JOB"),
        pytest.param("[CORE.properties]\nmodes = 1\n", id="properties-of-CORE"),
        pytest.param(task("properties = {colour = 'red'}"), id="properties-of-a-task"),
        pytest.param('[DATA_NODE._]\n[DATA_NODE."Été_1"]\n', id="ids"),
        pytest.param("[DATA_NODE.match]\n[DATA_NODE.type]\n", id="soft-keywords-as-ids"),
        # JOB
        pytest.param("[JOB]\nmode = 'development'\n", id="development"),
        pytest.param("[JOB]\nmode = 'standalone:str'\n", id="standalone"),
        pytest.param("[JOB]\nmode = 'cluster'\n", id="cluster"),
        pytest.param("[JOB]\nmax_nb_of_workers = 8\n", id="workers"),
        pytest.param("[JOB]\nmax_nb_of_workers = '8'\n", id="workers-without-a-suffix"),
        pytest.param("[JOB]\nmax_nb_of_workers = '8:int'\n", id="typed-workers"),
        pytest.param("[JOB]\nmax_nb_of_workers = 'auto'\n", id="auto-workers"),
        pytest.param("[JOB]\nstart_method = 'forkserver'\n", id="start-method"),
        pytest.param("[JOB]\nbroker_url = 'amqp://localhost:5672'\n", id="broker"),
        pytest.param("[JOB]\nbroker_url = 'amqp://guest:guest@host'\n", id="guest-of-the-broker"),
        pytest.param("[JOB]\nbroker_url = 'ENV[BROKER:-amqp://a:b@c]'\n", id="broker-of-ENV"),
        pytest.param("[JOB]\nqueue = 'a:b'\nworker_lease = '1m30s'\n", id="queue-and-lease"),
        # CORE
        pytest.param("[CORE]\nstorage_folder = '/tmp/x'\ndurability = 'power'\n", id="CORE"),
        # CHECK
        pytest.param("[CHECK]\nignore = ['RUN205', 'unused']\nstrict = false\n", id="CHECK"),
        pytest.param("[CHECK.severity]\nRUN206 = 'error'\nunused = 'off'\n", id="severities"),
        # TASK
        pytest.param(task(""), id="only-a-function"),
        pytest.param(task("inputs = []\noutputs = []"), id="no-inputs"),
        pytest.param(task("skippable = true\nretries = 3\nretry_delay = '5s'"), id="retries"),
        pytest.param(task("timeout = '1.5h'\ntags = ['a', 'b']"), id="timeout-and-tags"),
        pytest.param(task('description = """\nof\nlines"""'), id="description"),
        pytest.param("[TASK.default]\nretries = 2\n" + task(""), id="default-task"),
        pytest.param(
            "[DATA_NODE.n]\ndefault_data = 1\n" + task("inputs = ['n', 'n']", "m.two"),
            id="an-input-twice",
        ),
        pytest.param(
            "[DATA_NODE.a]\n[DATA_NODE.b]\n" + task("outputs = ['a', 'b']"), id="two-outputs"
        ),
        # SCENARIO
        pytest.param(PIPELINE, id="scenario"),
        pytest.param(PIPELINE + "frequency = 'QUARTERLY'\n", id="frequency"),
        pytest.param(PIPELINE + "frequency = 'yearly:FREQUENCY'\n", id="typed-frequency"),
        pytest.param(PIPELINE + "sequences = {end = ['second']}\n", id="sequences"),
        pytest.param(PIPELINE + "[SCENARIO.s.sequences]\nend = ['second:SECTION']\n", id="a-table"),
        pytest.param(PIPELINE + "comparators.model = 'm.any_number'\n", id="comparator"),
        pytest.param(PIPELINE + "comparators = {model = ['m.one', 'm.two']}\n", id="comparators"),
        pytest.param(PIPELINE + "tags = ['x']\ndescription = 'y'\n", id="tags"),
        pytest.param(PIPELINE + "[SCENARIO.default]\nfrequency = 'DAILY'\n", id="default-scenario"),
        pytest.param(PIPELINE + "[SCENARIO.t]\ntasks = ['first']\n", id="a-task-in-two-scenarios"),
        pytest.param(
            PIPELINE + "additional_data_nodes = ['more']\n[DATA_NODE.more]\n", id="additional-nodes"
        ),
        pytest.param(
            PIPELINE.replace("[DATA_NODE.model]", "[DATA_NODE.model]\nscope = 'CYCLE'")
            + "frequency = 'DAILY'\n",
            id="data-of-a-cycle",
        ),
        # DATA_NODE
        pytest.param(node("scope = 'global'"), id="scope"),
        pytest.param(node("scope = 'CYCLE:SCOPE'\nvalidity_period = '1d2h'"), id="typed-scope"),
        pytest.param(node("validity_period = '0.5h:timedelta'"), id="validity"),
        pytest.param(node("default_data = 'm.none:function'"), id="default-by-a-function"),
        pytest.param(node("default_data = false"), id="default-false"),
        pytest.param("[DATA_NODE.default]\nstorage_type = 'json'\n" + node(""), id="default-node"),
        pytest.param(node("storage_type = 'pickle'\npath = 'a.p'"), id="pickle"),
        pytest.param(node("storage_type = 'in_memory'\ncopy_mode = 'assign'"), id="in-memory"),
        pytest.param(
            node("storage_type = 'json'\nencoding = 'latin-1'\nencoder = 'm.Encoder:class'"),
            id="json",
        ),
        pytest.param(node("storage_type = 'csv'\nhas_header = false"), id="csv"),
        pytest.param(
            node("storage_type = 'csv'\nexposed_type = 'm.Row:class'"), id="csv-of-a-class"
        ),
        pytest.param(node("storage_type = 'csv'\nexposed_type = 'm.Row'"), id="csv-of-a-name"),
        pytest.param(node("storage_type = 'csv'\npath = 'a.csv.gz'"), id="compressed-csv"),
        pytest.param(node("storage_type = 'csv'\npath = 'a.txt'"), id="csv-in-another-suffix"),
        pytest.param(node("storage_type = 'excel'\nsheet_name = 'a'"), id="excel-sheet"),
        pytest.param(node("storage_type = 'excel'\nsheet_name = ['a', 'b']"), id="excel-sheets"),
        pytest.param(
            node("storage_type = 'parquet'\ncompression = 'none'\nread_kwargs = {columns = ['a']}"),
            id="parquet",
        ),
        pytest.param(
            node(
                "storage_type = 'sql_table'\ndb_name = 'd'\ndb_engine = 'sqlite'\ntable_name = 't'"
            ),
            id="sql-table",
        ),
        pytest.param(
            node(
                "storage_type = 'sql'\ndb_name = 'd'\ndb_engine = 'mysql'\ndb_username = 'u'\n"
                "db_password = 'ENV[PASSWORD]'\ndb_port = 3306\nread_query = 'select 1 as a:b'\n"
                "write_query_builder = 'm.statements:function'\n"
                "append_query_builder = 'm.statements'\ndb_extra_args = {ssl = true}"
            ),
            id="sql",
        ),
        pytest.param(
            node(
                "storage_type = 'mongo_collection'\ndb_name = 'd'\ncollection_name = 'c'\n"
                "custom_document = 'm.Row:class'\ndb_password = 'ENV[PASSWORD]'"
            ),
            id="mongo-collection",
        ),
        pytest.param(
            node(
                "storage_type = 's3_object'\naws_access_key = 'ENV[PASSWORD]'\n"
                "aws_secret_access_key = 'ENV[PASSWORD]'\naws_s3_bucket_name = 'b'\n"
                "aws_s3_object_key = 'k'\naws_region = 'eu-west-1'"
            ),
            id="s3-object",
        ),
        pytest.param(
            node("storage_type = 'generic'\nread_fct = 'm.one'\nread_fct_args = ['x', '1:int']"),
            id="generic",
        ),
        pytest.param(node("storage_type = 'generic'\nwrite_fct = 'm.two'"), id="only-written"),
        # Values
        pytest.param(node("default_data = 'TRUE:bool'"), id="bool"),
        pytest.param(node("default_data = ' +1_000 :int'"), id="int"),
        pytest.param(node("default_data = ['nan:float', '1e3:float', '-inf:float']"), id="float"),
        pytest.param(node("default_data = '1:int:str'"), id="the-text-of-a-typed-value"),
        pytest.param(node("default_data = '2026-11-22T10:30:00+01:00:datetime'"), id="datetime"),
        pytest.param(node("default_data = '1d 2h 3m 4.5s:timedelta'"), id="timedelta"),
        pytest.param(node("default_data = 'a_task:SECTION'"), id="a-section-in-a-free-place"),
        pytest.param(node("default_data = 'http://h:80'"), id="a-port"),
        pytest.param(node("default_data = ['a:b', 'Total:', '12:30', ':int', ':']"), id="colons"),
        pytest.param(node("default_data = {a = [1, 'x', {b = '2:int'}]}"), id="deep-values"),
        pytest.param(node("default_data = [1979-05-27, 07:32:00]"), id="native-dates"),
        pytest.param(node("default_data = 'ENV[NUMBER]:int'"), id="variable"),
        pytest.param(node("default_data = 'ENV[EMPTY]'"), id="empty-variable"),
        pytest.param(node("default_data = 'ENV[NOT_THERE:-3]:int'"), id="variable-with-a-default"),
        pytest.param(node("default_data = {a = ['ENV[NUMBER]']}"), id="deep-variable"),
        pytest.param(node("default_data = ['env[X]', 'ENV[1X]', 'pre-ENV[X]']"), id="no-variable"),
        pytest.param(node("storage_type = 'json'\npath = 'ENV[HOME_OF_DATA]'"), id="path-of-ENV"),
        pytest.param(
            task("timeout = 'ENV[NOT_THERE:-2s]'\nretries = 'ENV[NUMBER]'"), id="typed-ENV"
        ),
        pytest.param("[RUNNER]\npassword = 'ENV[PASSWORD]'\ntoken = ''\n", id="secrets"),
        # Functions
        pytest.param(task("", "m:none"), id="function-after-a-colon"),
        pytest.param(task("", "m.none:function"), id="typed-function"),
        pytest.param(task("", "os.getcwd"), id="function-of-Python"),
        pytest.param(task("", "math.hypot"), id="function-in-C"),
        pytest.param(task("", "json.encoder.JSONEncoder"), id="class-of-Python"),
        pytest.param(task("", "m.any_number"), id="any-number-of-arguments"),
        *(
            pytest.param(
                "[DATA_NODE.n]\ndefault_data = 1\n" + task("inputs = ['n']", name), id=name
            )
            for name in (
                "m.one",
                "m.default",
                "m.any_number",
                "m.Row",
                "m.Row.make",
                "m.Row.build",
                "package.exported",
                "package.inner.found",
                "operator.neg",
            )
        ),
    ],
)
def test_what_the_language_has(told: Told, text: str) -> None:
    assert told(text) == []
