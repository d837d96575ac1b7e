from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.config.loader import load

CONFIG = """\
[RUNNER]
name = "shop"

[JOB]
nb_of_workers = "4:int"

[DATA_NODE.default]
storage_type = "json"

[DATA_NODE.city]
default_data = "ENV[CITY:-Paris]"

[DATA_NODE.since]
default_data = 1979-05-27T07:32:00Z

[TASK.clean]
function = "algos.clean"
inputs = ["city:SECTION"]
timeout = "90s"

[SCENARIO.daily]
tasks = ["clean"]
frequency = "daily"
colour = "3:int:str"
"""
EXPORTED = """\
[RUNNER]
name = "shop"

[JOB]
max_nb_of_workers = 4

[DATA_NODE.city]
storage_type = "json"
default_data = "ENV[CITY:-Paris]"

[DATA_NODE.since]
storage_type = "json"
default_data = 1979-05-27T07:32:00+00:00

[TASK.clean]
function = "algos.clean"
inputs = ["city"]
timeout = "90s"

[SCENARIO.daily]
tasks = ["clean"]
frequency = "DAILY"

[SCENARIO.daily.properties]
colour = "3:int:str"
"""
SHOWN = """\
[RUNNER]
name = "shop"

[JOB]
mode = "development"
max_nb_of_workers = 4
start_method = "spawn"
broker_url = "amqp://localhost"
queue = "runner"
worker_lease = "30s"

[CORE]
storage_folder = ".runner"
durability = "process"

[CHECK]
ignore = []
strict = false

[DATA_NODE.city]
storage_type = "json"
scope = "SCENARIO"
default_data = "ENV[CITY:-Paris]"
encoding = "utf-8"

[DATA_NODE.since]
storage_type = "json"
scope = "SCENARIO"
default_data = 1979-05-27T07:32:00+00:00
encoding = "utf-8"

[TASK.clean]
function = "algos.clean"
inputs = ["city"]
outputs = []
skippable = false
retries = 0
retry_delay = "0s"
timeout = "90s"
tags = []

[SCENARIO.daily]
tasks = ["clean"]
additional_data_nodes = []
frequency = "DAILY"
tags = []

[SCENARIO.daily.properties]
colour = "3:int:str"
"""
ORIGINS = """\
RUNNER.name = "shop"                                      # runner.toml:2
JOB.mode = "standalone"                                   # --set JOB.mode=standalone
JOB.max_nb_of_workers = 4                                 # runner.toml:5
JOB.start_method = "spawn"                                # default
JOB.broker_url = "amqp://localhost"                       # default
JOB.queue = "runner"                                      # default
JOB.worker_lease = "30s"                                  # default
CORE.storage_folder = ".runner"                           # default
CORE.durability = "process"                               # default
CHECK.ignore = []                                         # default
CHECK.strict = false                                      # default
DATA_NODE.city.storage_type = "json"                      # runner.toml:8
DATA_NODE.city.scope = "SCENARIO"                         # default
DATA_NODE.city.default_data = "ENV[CITY:-Paris]"          # runner.toml:11
DATA_NODE.city.encoding = "utf-8"                         # default
DATA_NODE.since.storage_type = "json"                     # runner.toml:8
DATA_NODE.since.scope = "SCENARIO"                        # default
DATA_NODE.since.default_data = 1979-05-27T07:32:00+00:00  # runner.toml:14
DATA_NODE.since.encoding = "utf-8"                        # default
TASK.clean.function = "algos.clean"                       # runner.toml:17
TASK.clean.inputs = ["city"]                              # runner.toml:18
TASK.clean.outputs = []                                   # default
TASK.clean.skippable = false                              # default
TASK.clean.retries = 5                                    # more.toml:2
TASK.clean.retry_delay = "0s"                             # default
TASK.clean.timeout = "90s"                                # runner.toml:19
TASK.clean.tags = []                                      # default
SCENARIO.daily.tasks = ["clean"]                          # runner.toml:22
SCENARIO.daily.additional_data_nodes = []                 # default
SCENARIO.daily.frequency = "DAILY"                        # runner.toml:23
SCENARIO.daily.tags = []                                  # default
SCENARIO.daily.properties.colour = "3:int:str"            # runner.toml:24
"""


@pytest.fixture
def files(write: Any) -> Path:
    algos = "def clean(city):\n    return city\n"
    more = "[TASK.clean]\nretries = 5\n"
    folder: Path = write({"runner.toml": CONFIG, "more.toml": more, "algos.py": algos})
    return folder


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["show"], SHOWN, id="show"),
        pytest.param(["export"], EXPORTED, id="export"),
        pytest.param(
            ["show", "--origin", "runner.toml", "more.toml", "--set", "JOB.mode=standalone"],
            ORIGINS,
            id="origins",
        ),
    ],
)
def test_as_toml(cli: Any, files: Path, arguments: list[str], expected: str) -> None:
    ended = cli("config", *arguments, "-q")
    assert (ended.code, ended.out, ended.err) == (0, expected, "")


@pytest.mark.parametrize("command", ["show", "export"])
def test_what_is_told_loads_as_the_same(cli: Any, files: Path, command: str) -> None:
    ended = cli("config", command, "-q")
    (files / "again.toml").write_text(ended.out, encoding="utf-8")
    again = load([files / "again.toml"], environ={})
    assert again.diagnostics == ()
    assert again.config == load([files / "runner.toml"], environ={}).config


def test_as_json(cli: Any, files: Path) -> None:
    ended = cli("config", "export", "-q", "--format", "json")
    assert json.loads(ended.out) == {
        "format": "runner.config",
        "version": 1,
        "config": {
            "RUNNER": {"name": "shop"},
            "JOB": {"max_nb_of_workers": 4},
            "DATA_NODE": {
                "city": {"storage_type": "json", "default_data": "ENV[CITY:-Paris]"},
                "since": {"storage_type": "json", "default_data": "1979-05-27T07:32:00+00:00"},
            },
            "TASK": {"clean": {"function": "algos.clean", "inputs": ["city"], "timeout": "90s"}},
            "SCENARIO": {
                "daily": {
                    "tasks": ["clean"],
                    "frequency": "DAILY",
                    "properties": {"colour": "3:int:str"},
                }
            },
        },
    }


def test_as_json_with_origins(cli: Any, files: Path) -> None:
    ended = cli("config", "show", "-q", "--format", "json", "--origin")
    shown = json.loads(ended.out)["config"]
    assert shown["RUNNER"] == {"name": {"value": "shop", "origin": "runner.toml:2"}}
    assert shown["JOB"]["mode"] == {"value": "development", "origin": "default"}


def test_numbers_that_json_has_not(cli: Any, files: Path) -> None:
    override = "DATA_NODE.since.default_data=[nan, -inf]"
    ended = cli("config", "export", "-q", "--format", "json", "--set", override)
    since = json.loads(ended.out, parse_constant=pytest.fail)["config"]["DATA_NODE"]["since"]
    assert since["default_data"] == ["nan", "-inf"]


@pytest.mark.parametrize("command", ["show", "export"])
def test_a_wrong_config_is_refused(cli: Any, files: Path, command: str) -> None:
    ended = cli("config", command, "-q", "--set", "SCENARIO.daily.additional_data_nodes=['ctiy']")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        """\
error[RUN201]: unknown data node `ctiy`
  --> --set SCENARIO.daily.additional_data_nodes=['ctiy']
   = help: did you mean `city`? It is declared at runner.toml:10:12

error: the config is invalid, nothing ran
"""
    )


SECRETS = """\
[JOB]
broker_url = "amqp://me:hunter2@host"
[DATA_NODE.db]
storage_type = "sql_table"
db_engine = "mysql"
db_name = "shop"
table_name = "orders"
db_username = "me"
db_password = "hunter2"
[DATA_NODE.db.db_extra_args]
token = "hunter2"
[DATA_NODE.object]
storage_type = "s3_object"
aws_access_key = "ENV[KEY]"
aws_secret_access_key = "ENV[SECRET:-hunter2]"
aws_s3_bucket_name = "ENV[BUCKET]"
aws_s3_object_key = "k"
[DATA_NODE.free]
default_data = [{user = "me", password = "hunter2"}, {tokens = ["hunter2", "ENV[SECRET]"]}]
[DATA_NODE.free.properties]
my_secret = "hunter2"
[TASK.clean]
function = "algos.clean"
inputs = ["free"]
[TASK.clean.properties]
my_secret = "hunter2"
[SCENARIO.daily]
tasks = ["clean"]
additional_data_nodes = ["object", "db"]
[SCENARIO.daily.properties.deep]
my_secret = "hunter2"
"""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["config", "show"], id="show"),
        pytest.param(["config", "show", "--origin"], id="origins"),
        pytest.param(["config", "show", "--format", "json"], id="show-json"),
        pytest.param(["config", "show", "--format", "json", "--origin"], id="origins-json"),
        pytest.param(["config", "export"], id="export"),
        pytest.param(["config", "export", "--format", "json"], id="export-json"),
        pytest.param(["plan"], id="plan"),
        pytest.param(["plan", "--format", "json"], id="plan-json"),
        pytest.param(["plan", "--out", "plan.json"], id="saved-plan"),
        pytest.param(["check"], id="check"),
        pytest.param(["check", "--format", "json", "--strict"], id="check-json"),
        pytest.param(["check", "-v"], id="verbose"),
        pytest.param(["execute"], id="execute"),
    ],
)
def test_secrets_are_told_nowhere(
    cli: Any, files: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    (files / "runner.toml").write_text(SECRETS, encoding="utf-8")
    (files / "algos.py").write_text("def clean(free): ...\n", encoding="utf-8")
    for name in ("KEY", "SECRET"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("BUCKET", "a-bucket")
    overrides = ["RUNNER.password=hunter2", "RUNNER.more={token='hunter2'}"]
    ended = cli(*arguments, *(part for each in overrides for part in ("--set", each)))
    assert ended.code in {0, 1, 4}
    assert "hunter2" not in ended.out + ended.err
    (files / "runner.toml").unlink()
    (files / ".runner/data/scenarios/daily/free.p").unlink(missing_ok=True)  # it is the data
    assert not any(b"hunter2" in file.read_bytes() for file in files.rglob("*") if file.is_file())


def test_masked_values(cli: Any, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "runner.toml").write_text(SECRETS, encoding="utf-8")
    for name in ("KEY", "SECRET", "BUCKET"):
        monkeypatch.setenv(name, "from the environment")
    out = cli("config", "export", "-q").out
    for line in (
        'broker_url = "***"',
        'db_password = "***"',
        'token = "***"',
        'aws_access_key = "ENV[KEY]"',
        'aws_secret_access_key = "ENV[SECRET:-***]"',
        'aws_s3_bucket_name = "ENV[BUCKET]"',
        'my_secret = "***"',
    ):
        assert f"\n{line}\n" in out
