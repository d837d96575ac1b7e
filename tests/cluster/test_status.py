"""`runner run-worker --status`: who works, and how much waits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Any

import brokers
import pytest
from jsonschema import Draft7Validator
from machines import Ground, Make, chain, wide

SCHEMA = Path(__file__).parents[2] / "schemas" / "workers.schema.json"


def status(ground: Ground, url: str, *more: str) -> str:
    command = ground.command("run-worker", "--status", *more, RUNNER_TEST_BROKER=url)
    assert command.end() == 0, command.text
    return command.rest()


def document(ground: Ground, url: str) -> Any:
    found = json.loads(status(ground, url, "--format", "json"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(found)] == []
    return found


def test_nobody_works(broker_url: str, ground: Make) -> None:
    here = ground(chain(1))

    assert document(here, broker_url) == {
        "format": "runner.workers", "version": 1, "queue": here.queue,
        "waiting": 0, "slots": 0, "busy": 0, "workers": [],
    }  # fmt: skip
    assert status(here, broker_url) == f"0 workers on queue `{here.queue}`, 0 messages waiting\n"


def test_what_waits_is_counted(broker_url: str, ground: Make) -> None:
    here = ground(chain(1))
    here.run(broker_url).expect("no worker takes jobs")

    assert document(here, broker_url)["waiting"] == 1


def test_workers_tell_how_much_they_do(broker_url: str, ground: Make) -> None:
    here = ground(chain(1))
    here.hold("t0", "a")
    here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t0", "a")
    here.worker(broker_url, "b", slots=3)

    found = document(here, broker_url)
    told = status(here, broker_url)
    here.free("t0", "a")

    assert (found["waiting"], found["slots"], found["busy"]) == (0, 5, 1)
    assert sorted((each["slots"], each["busy"]) for each in found["workers"]) == [(2, 1), (3, 0)]
    assert [each["name"] for each in found["workers"]] == [
        line.split()[0] for line in told.splitlines()[1:3]
    ]
    assert told.endswith(f"\n2 workers on queue `{here.queue}`, 0 messages waiting\n")
    assert run.end() == 0


def test_a_worker_that_is_back_and_takes_nothing_is_there(
    broker_url: str, proxy: brokers.Proxy, ground: Make
) -> None:
    here = ground(chain(1))
    here.lease = 20
    here.write()
    here.hold("t0", "a")
    here.worker(proxy.url, "a", slots=1)
    run = here.run(broker_url)
    here.reach("t0", "a")
    proxy.cut()
    proxy.mend()
    sleep(2)

    found = document(here, broker_url)
    here.free("t0", "a")

    assert (found["slots"], found["busy"]) == (1, 1)
    assert run.end() == 0, run.text


def test_check_tells_whether_there_are_workers(broker_url: str, ground: Make) -> None:
    here = ground(chain(1))
    check = ("check", "--deep", "--set", "JOB.mode=cluster", "--format", "concise")

    alone = here.command(*check, RUNNER_TEST_BROKER=broker_url)
    assert alone.end() == 0
    assert f"warning[RUN502]: no worker takes jobs from queue `{here.queue}`" in alone.text
    here.worker(broker_url)

    served = here.command(*check, RUNNER_TEST_BROKER=broker_url)
    assert served.end() == 0
    assert "RUN502" not in served.text


def test_a_broker_is_not_there(ground: Make) -> None:
    here = ground(wide(1))
    url = f"amqp://127.0.0.1:{brokers.free_port()}//"

    command = here.command("run-worker", "--status", RUNNER_TEST_BROKER=url)

    assert command.end() == 4
    assert "RUN501" in command.rest()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("run-worker",), 4, id="worker"),
        pytest.param(("run-worker", "--status"), 4, id="status"),
        pytest.param(("execute", "--mode", "cluster"), 4, id="run"),
        pytest.param(("check", "--deep", "--set", "JOB.mode=cluster"), 1, id="check"),
    ],
)
def test_a_broker_lets_nobody_in(
    broker_url: str, ground: Make, arguments: Sequence[str], code: int
) -> None:
    """It is said at once, in one message: to try again is of no use."""
    url = broker_url.replace("guest:guest", "guest:c4nary")
    command = ground(wide(1)).command(*arguments, RUNNER_TEST_BROKER=url)

    assert command.end() == code
    told = command.rest()
    assert told.count("ACCESS_REFUSED") == 1
    assert "refuses the connection" in told
    assert "c4nary" not in told
