from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[TASK.train]\nfunction = 'm.f'\n[TASK.tarin]\nretries = 3\n",
            [
                (
                    "TASK.tarin: error[RUN104]: `[TASK.tarin]` has no `function` "
                    "(did you mean [TASK.train]?)"
                )
            ],
            id="misspelt-override",
        ),
        pytest.param(
            "[TASK.t]\n",
            [
                (
                    "TASK.t: error[RUN104]: `[TASK.t]` has no `function` "
                    '(function = "package.module.name")'
                )
            ],
            id="task",
        ),
        pytest.param("[TASK.t]\nfunction = 'm.f'\n", [], id="complete-task"),
        pytest.param(
            "[TASK.t]\nfunction = 5\n",
            [
                (
                    "TASK.t.function: error[RUN105]: "
                    'expected a function like "package.module.name", got 5'
                )
            ],
            id="wrong-is-not-missing",
        ),
        pytest.param(
            "[TASK.t]\nfuntion = 'm.f'\n",
            [
                (
                    "TASK.t.funtion: error[RUN103]: unknown key `funtion` in `[TASK.t]` "
                    "(did you mean `function`?)"
                )
            ],
            id="misspelt-is-not-missing",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'sql_table'\ntable_name = 't'\n",
            [
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `db_name` "
                    "(`sql_table` needs it)"
                ),
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `db_engine` "
                    "(`sql_table` needs it)"
                ),
            ],
            id="database",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'sql_table'\ntable_name = 't'\ndb_name = 'd'\n"
            "db_engine = 'sqlite'\n",
            [],
            id="sqlite-needs-no-password",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'sql_table'\ntable_name = 't'\ndb_name = 'd'\n"
            "db_engine = 'mysql'\n",
            [
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `db_username` "
                    "(`sql_table` needs it)"
                ),
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `db_password` "
                    "(`sql_table` needs it)"
                ),
            ],
            id="a-server-needs-one",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'sql'\ndb_name = 'd'\ndb_engine = 'sqlite'\n",
            [
                "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `read_query` (`sql` needs it)",
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `write_query_builder` "
                    "(`sql` needs it)"
                ),
            ],
            id="queries",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'mongo_collection'\ndb_name = 'd'\n",
            [
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `collection_name` "
                    "(`mongo_collection` needs it)"
                ),
            ],
            id="mongo",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 's3_object'\naws_access_key = 'ENV[FROM_ENV]'\n"
            "aws_secret_access_key = 'ENV[FROM_ENV]'\naws_s3_object_key = 'k'\n",
            [
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `aws_s3_bucket_name` "
                    "(`s3_object` needs it)"
                ),
            ],
            id="s3",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'generic'\n",
            [
                (
                    "DATA_NODE.d: error[RUN104]: `[DATA_NODE.d]` has no `read_fct` "
                    "(`generic` needs `read_fct`, `write_fct` or both)"
                ),
            ],
            id="generic",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'generic'\nread_fct = 'm.f'\n", [], id="generic-reads"
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'generic'\nwrite_fct = 'm.f'\n", [], id="generic-writes"
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'generic'\nwrite_fct = 5\n",
            [
                (
                    "DATA_NODE.d.write_fct: error[RUN105]: "
                    'expected a function like "package.module.name", got 5'
                )
            ],
            id="generic-wrong-is-not-missing",
        ),
        pytest.param(
            "[DATA_NODE.default]\nstorage_type = 'mongo_collection'\ndb_name = 'd'\n"
            "[DATA_NODE.d]\ncollection_name = 'c'\n",
            [
                (
                    "DATA_NODE.default: warning[RUN104]: "
                    "`collection_name` is missing, which `mongo_collection` nodes need"
                )
            ],
            id="default-need-not-have-it",
        ),
    ],
)
def test_missing_keys(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(text) == expected


def plain(key: str, name: str) -> str:
    variable = name.upper().replace("-", "_")
    return (
        f"{key}: warning[RUN118]: `{name}` is written in plain text "
        f'(take it from the environment: "ENV[{variable}]")'
    )


SERVER = (
    "[DATA_NODE.d]\nstorage_type = 'sql_table'\ntable_name = 't'\ndb_name = 'd'\n"
    "db_engine = 'mysql'\ndb_username = 'u'\n"
)


NO_URL = "is no URL of RabbitMQ, which begins with amqp:// or amqps://"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        pytest.param("amqp://localhost", None, id="amqp"),
        pytest.param("amqps://me@host/shop;amqp://other:5673", None, id="several"),
        pytest.param("", "is empty", id="empty"),
        pytest.param(" ; ", "is empty", id="none-of-several"),
        pytest.param("localhost:5672", NO_URL, id="no-scheme"),
        pytest.param("amqp://localhost;redis://localhost", NO_URL, id="another-broker"),
        pytest.param("amqp://localhost:many", "has no host and port that can be read", id="port"),
        pytest.param("amqp://[::1", "has no host and port that can be read", id="host"),
    ],
)
@pytest.mark.parametrize("mode", ["cluster", "standalone"])
def test_the_broker(
    found: Callable[[str], list[str]], url: str, why: str | None, mode: str
) -> None:
    text = f"[JOB]\nmode = '{mode}'\nbroker_url = '{url}'\n"

    told = f'JOB.broker_url: error[RUN116]: `broker_url` {why} (broker_url = "amqp://localhost")'
    assert found(text) == ([told] if why and mode == "cluster" else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            SERVER + "db_password = 'hunter2'\n",
            [plain("DATA_NODE.d.db_password", "db_password")],
            id="option",
        ),
        pytest.param(SERVER + "db_password = 'ENV[FROM_ENV]'\n", [], id="from-environment"),
        pytest.param(SERVER + "db_password = ''\n", [], id="empty"),
        pytest.param(
            SERVER + "db_password = 'ENV[FROM_ENV]'\ndb_extra_args = {token = 't'}\n",
            [plain("DATA_NODE.d.db_extra_args.token", "token")],
            id="inside-an-option",
        ),
        pytest.param(
            "[DATA_NODE.default]\nstorage_type = 'mongo_collection'\ndb_name = 'd'\n"
            "collection_name = 'c'\ndb_password = 'hunter2'\n[DATA_NODE.d]\n",
            [plain("DATA_NODE.d.db_password", "db_password")],
            id="inherited",
        ),
        pytest.param(
            "[JOB]\nbroker_url = 'amqp://me:hunter2@host'\n",
            [plain("JOB.broker_url", "broker_url")],
            id="broker",
        ),
        pytest.param("[JOB]\nbroker_url = 'amqp://guest:guest@host'\n", [], id="broker-guest"),
        pytest.param("[JOB]\nbroker_url = 'amqp://host'\n", [], id="broker-without"),
        pytest.param("[JOB]\nbroker_url = 'amqp://[host'\n", [], id="broker-no-url"),
        pytest.param(
            "[RUNNER]\nmy-token = 't'\n", [plain("RUNNER.my-token", "my-token")], id="application"
        ),
        pytest.param(
            "[RUNNER.mail]\nsmtp = [{password = 'p'}]\n",
            [plain("RUNNER.mail.smtp.0.password", "password")],
            id="deep",
        ),
        pytest.param(
            "[RUNNER]\ntokens = ['ENV[FROM_ENV]', 't']\n",
            [plain("RUNNER.tokens.1", "tokens")],
            id="list",
        ),
        pytest.param("[RUNNER]\nmax_tokens = 5\n", [], id="number"),
        pytest.param(
            "[JOB.properties]\nsecret = 's'\n",
            [plain("JOB.properties.secret", "secret")],
            id="job-property",
        ),
        pytest.param(
            "[CORE.properties]\nsecret = 's'\n",
            [plain("CORE.properties.secret", "secret")],
            id="core-property",
        ),
        pytest.param(
            "[DATA_NODE.d.properties]\nsecret = 's'\n",
            [plain("DATA_NODE.d.properties.secret", "secret")],
            id="data-node-property",
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'm.f'\nproperties = {secret = 's'}\n",
            [plain("TASK.t.properties.secret", "secret")],
            id="task-property",
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'm.f'\n"
            "[SCENARIO.s]\ntasks = ['t']\nproperties = {secret = 's'}\n",
            [plain("SCENARIO.s.properties.secret", "secret")],
            id="scenario-property",
        ),
        pytest.param(
            "[DATA_NODE.d]\ndefault_data = {user = 'u', password = 'p'}\n",
            [plain("DATA_NODE.d.default_data.password", "password")],
            id="default-data",
        ),
        pytest.param(
            "[DATA_NODE.d]\ndefault_data = {user = 'u', password = 'ENV[FROM_ENV]'}\n",
            [],
            id="default-data-from-environment",
        ),
    ],
)
def test_plain_secrets(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(text) == expected
