"""Whatever happens to workers and brokers, a run ends as one in development mode does.

What is lost of time is bounded by the lease; no job runs again that has finished, and none commits
twice.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import amqp
import brokers
import kombu
import pytest
from machines import (
    KEY,
    LEASE,
    PATIENCE,
    STEPS,
    Command,
    Ground,
    Make,
    Task,
    chain,
    layers,
    once,
    wide,
)

from runner.execution.cluster.link import Names
from runner.execution.cluster.sealing import Seal


def is_whole(ground: Ground, run: Command) -> None:
    """The run has ended well, all is as it should be, and all was committed once."""
    try:
        code = run.end()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{told(ground)}") from None
    assert code == 0, told(ground)
    assert ground.values() == ground.golden()
    assert ground.commits() == once(ground.tasks)


def told(ground: Ground) -> str:
    for each in ground.commands:
        if each.process.poll() is None:
            each.kill()
    return "\n".join(each.rest() for each in ground.commands)


def wait_until(is_so: Callable[[], bool], seconds: float = PATIENCE) -> None:
    until = monotonic() + seconds
    while not is_so():
        assert monotonic() < until
        sleep(0.02)


# Nothing


def test_nothing_happens(broker_url: str, ground: Make) -> None:
    here = ground(layers(12, 4))
    here.worker(broker_url)

    is_whole(here, here.run(broker_url))

    assert here.calls() == once(here.tasks)


def test_what_jobs_print_is_told_with_the_run(broker_url: str, ground: Make) -> None:
    here = ground(wide(2))
    here.worker(broker_url)
    is_whole(here, here.run(broker_url))

    logs = here.command("logs", RUNNER_TEST_BROKER=broker_url)

    assert logs.end() == 0
    assert sorted(line for line in logs.said if "is at work" in line) == [
        "t0 is at work\n",
        "t1 is at work\n",
    ]


# Workers


def test_a_worker_is_killed_while_a_job_runs(broker_url: str, ground: Make) -> None:
    here = ground(chain(4))
    here.hold("t2", "a")
    lost = here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t2", "a")
    here.worker(broker_url, "b")

    lost.kill()

    is_whole(here, run)
    assert here.calls() == once(here.tasks) | {"t2": 2}
    assert here.callers("t2") == ["a", "b"]


def test_a_worker_that_hangs_loses_its_jobs(broker_url: str, ground: Make) -> None:
    """And has none when it goes on."""
    here = ground(chain(3))
    here.hold("t1", "a")
    slow = here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t1", "a")
    here.worker(broker_url, "b")

    slow.process.send_signal(signal.SIGSTOP)
    run.expect("is silent: t1 goes to another")
    is_whole(here, run)
    slow.process.send_signal(signal.SIGCONT)
    here.free("t1", "a")
    slow.terminate()

    assert slow.end() == 0, slow.text
    assert here.commits() == once(here.tasks)
    assert here.committers("t1") == ["b"]


def test_functions_take_longer_to_import_than_the_lease(broker_url: str, ground: Make) -> None:
    """A worker that imports them lives, and keeps what it has taken."""
    here = ground(chain(2))
    slow = f"\nif WORKER:\n    time.sleep({2.5 * LEASE})\n"
    here.write(steps=STEPS + slow)
    here.worker(broker_url, "a")
    here.worker(broker_url, "b")
    before = monotonic()

    run = here.run(broker_url)

    is_whole(here, run)
    assert monotonic() - before > 2.5 * LEASE
    assert here.calls() == once(here.tasks)
    assert "is silent" not in run.text


def test_a_job_is_killed(broker_url: str, ground: Make) -> None:
    """It fails as in standalone mode; the others go on."""
    here = ground([Task("t0"), Task("t1"), Task("t2", ("t1",))])
    steps = STEPS.replace(
        "    seed =",
        '    if task == "t0":\n        os.kill(os.getpid(), 9)\n    seed =',
    )
    here.write(steps=steps)
    here.worker(broker_url)
    run = here.run(broker_url)

    assert run.end() == 1
    assert "SIGKILL" in run.text
    assert here.calls() == once(here.tasks)
    assert here.commits() == {"t1": 1, "t2": 1}


def test_a_job_that_takes_its_worker_with_it_fails_in_the_end(
    broker_url: str, ground: Make
) -> None:
    here = ground([Task("t0")])
    for name in "abc":
        here.hold("t0", name)
    run = here.run(broker_url)
    for name in "abc":
        worker = here.worker(broker_url, name)
        here.reach("t0", name)
        worker.kill()

    assert run.end() == 1
    assert "task `t0` failed: its worker was lost 3 times" in run.text
    assert here.calls() == {"t0": 3}


def test_there_is_no_worker_for_a_while(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    run = here.run(broker_url)

    run.expect(f"no worker takes jobs from queue `{here.queue}`: 1 job waiting")
    here.worker(broker_url)

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_workers_come_and_go(broker_url: str, ground: Make) -> None:
    here = ground(layers(24, 6))
    run = here.run(broker_url)
    for name in "abc":
        worker = here.worker(broker_url, name)
        worker.terminate()
        assert worker.end() == 0, worker.text
    here.worker(broker_url, "d")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_sigterm_where_there_is_no_broker_any_more(broker: brokers.Broker, ground: Make) -> None:
    """Others have its jobs by then, and it does not wait for ever."""
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker.url, "a")
    run = here.run(broker.url)
    here.reach("t0", "a")

    broker.stop()
    worker.terminate()
    assert worker.still_runs(LEASE / 2)
    here.free("t0", "a")

    assert worker.end() == 0, worker.text
    assert here.commits() == {}
    broker.start()
    here.worker(broker.url, "b")
    is_whole(here, run)


def test_sigterm_finishes_what_runs(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t0", "a")

    worker.terminate()
    worker.expect("Warm shutdown")
    here.worker(broker_url, "b")
    here.free("t0", "a")

    assert worker.end() == 0
    is_whole(here, run)
    assert (here.callers("t0"), here.callers("t1")) == (["a"], ["b"])


# The way to the broker


@pytest.mark.parametrize("numbers", [[signal.SIGINT, signal.SIGINT], [signal.SIGQUIT]])
def test_a_worker_is_ended_at_once(
    broker_url: str, ground: Make, numbers: Sequence[signal.Signals]
) -> None:
    """Its jobs end, and go to another without delay."""
    here = ground(chain(3))
    here.lease = 60
    here.write()
    here.hold("t1", "a")
    ended = here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t1", "a")
    here.worker(broker_url, "b")

    for number in numbers:
        ended.process.send_signal(number)
        sleep(1)

    assert ended.end() == 0, ended.text
    is_whole(here, run)
    assert here.callers("t1") == ["a", "b"]
    assert here.committers("t1") == ["b"]


def test_a_worker_is_ended_while_functions_are_imported(broker_url: str, ground: Make) -> None:
    here = ground(chain(1))
    here.write(steps=f'{STEPS}\nif WORKER == "a":\n    note("ran", "import")\n    time.sleep(60)\n')
    worker = here.worker(broker_url, "a")
    run = here.run(broker_url)
    wait_until(lambda: here.calls()["import"] > 0)

    for _ in range(2):
        worker.process.send_signal(signal.SIGINT)
        sleep(0.5)

    assert worker.end() == 0, worker.text
    here.worker(broker_url, "b")
    is_whole(here, run)


@pytest.mark.parametrize("how", ["cut", "hang"])
def test_a_worker_is_cut_off_and_comes_back_with_a_late_result(
    broker_url: str, proxy: brokers.Proxy, ground: Make, how: str
) -> None:
    here = ground(chain(3))
    here.hold("t1", "a")
    here.hold("t1", "b")
    here.worker(proxy.url, "a")
    run = here.run(broker_url)
    here.reach("t1", "a")
    here.worker(broker_url, "b")

    getattr(proxy, how)()
    run.expect("is silent: t1 goes to another")
    here.reach("t1", "b")
    here.free("t1", "a")
    proxy.mend()
    here.free("t1", "b")

    is_whole(here, run)
    assert here.committers("t1") == ["b"]


@pytest.mark.parametrize("how", ["cut", "hang"])
def test_a_worker_is_cut_off_for_less_than_the_lease(
    broker_url: str, proxy: brokers.Proxy, ground: Make, how: str
) -> None:
    """Its job goes on, and nobody else has it."""
    here = ground(chain(3))
    here.lease = 30
    here.write()
    here.hold("t1", "a")
    here.worker(proxy.url, "a")
    run = here.run(broker_url)
    here.reach("t1", "a")

    getattr(proxy, how)()
    here.free("t1", "a")
    proxy.mend()

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_a_worker_that_is_back_takes_no_more_than_it_has_room_for(
    broker_url: str, proxy: brokers.Proxy, ground: Make
) -> None:
    """What it runs still has its slots: what is ready goes to others, until one is free."""
    after = dict.fromkeys(range(3, 9), "t2") | dict.fromkeys((9, 10), "t0")
    here = ground([*wide(3), *(Task(f"t{each}", (above,)) for each, above in after.items())])
    here.lease = 20
    here.write()
    for task, worker in (("t0", "a"), ("t1", "a"), ("t2", "b"), ("t9", "a"), ("t10", "a")):
        here.hold(task, worker)
    here.worker(proxy.url, "a", slots=2)
    run = here.run(broker_url)
    here.reach("t0", "a")
    here.reach("t1", "a")
    other = here.worker(broker_url, "b", slots=2)
    here.reach("t2", "b")
    proxy.cut()
    sleep(0.5)  # meanwhile the broker gives the messages of t0 and t1 to b, which does not run them
    proxy.mend()
    sleep(0.5)

    here.free("t2", "b")
    wait_until(lambda: here.commits().total() == 7, seconds=here.lease / 2)
    other.terminate()
    assert other.end() == 0, other.text
    here.free("t0", "a")
    here.reach("t9", "a")
    here.free("t1", "a")
    here.reach("t10", "a")  # while t9 still runs: there is room for two again
    here.free("t9", "a")
    here.free("t10", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


@pytest.mark.parametrize("how", ["cut", "hang"])
def test_the_run_is_cut_off(broker_url: str, proxy: brokers.Proxy, ground: Make, how: str) -> None:
    """Its jobs go on meanwhile, and none runs again, however long that takes."""
    here = ground(wide(2))
    here.hold("t1", "a")
    here.worker(broker_url, "a")
    run = here.run(proxy.url)
    here.reach("t1", "a")

    getattr(proxy, how)()
    if how == "cut":
        run.expect("cannot be reached")
    here.free("t1", "a")
    proxy.mend()

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


# The broker


def test_the_broker_is_restarted_while_jobs_run(broker: brokers.Broker, ground: Make) -> None:
    here = ground(layers(8, 2))
    here.hold("t2", "a")
    here.worker(broker.url, "a")
    run = here.run(broker.url)
    here.reach("t2", "a")

    broker.stop()
    here.free("t2", "a")
    broker.start()

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_the_broker_is_gone_for_longer_than_the_lease(broker: brokers.Broker, ground: Make) -> None:
    here = ground(chain(3))
    here.hold("t1", "a")
    here.worker(broker.url, "a")
    run = here.run(broker.url)
    here.reach("t1", "a")

    broker.stop()
    run.expect("cannot be reached")
    assert run.still_runs(3 * LEASE)
    broker.start()
    run.expect("the broker is back")
    here.free("t1", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_the_broker_forgets_all(broker: brokers.Broker, ground: Make) -> None:
    here = ground(layers(8, 2))
    here.hold("t2", "a")
    here.worker(broker.url, "a")
    run = here.run(broker.url)
    here.reach("t2", "a")

    broker.reset()
    here.free("t2", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


@pytest.mark.parametrize("what", ["jobs", "results", "both"])
def test_queues_are_deleted(broker_url: str, ground: Make, what: str) -> None:
    here = ground(layers(8, 2))
    here.hold("t2", "a")
    here.worker(broker_url, "a", slots=1)
    run = here.run(broker_url)
    here.reach("t2", "a")

    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        if what != "results":
            channel.queue_delete(Names(here.queue).jobs)
        if what != "jobs":
            for queue in results_of(here):
                channel.queue_delete(queue)
    here.free("t2", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_a_queue_is_deleted_again_as_soon_as_a_worker_is_back(
    broker_url: str, ground: Make
) -> None:
    here = ground(layers(8, 2))
    here.hold("t2", "a")
    here.worker(broker_url, "a", slots=2)
    run = here.run(broker_url)
    here.reach("t2", "a")

    queue = Names(here.queue).jobs
    with kombu.Connection(broker_url) as connection:
        for _ in range(3):
            until = monotonic() + PATIENCE
            while not state_of(connection, queue)[1] and monotonic() < until:
                sleep(0.002)
            connection.default_channel.queue_delete(queue)
    here.free("t2", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def state_of(connection: kombu.Connection, queue: str) -> tuple[int, int]:
    """How many messages wait in a queue, and how many take them; none where it is not there."""
    with connection.channel() as channel:
        try:
            found = channel.queue_declare(queue, passive=True)
        except amqp.exceptions.NotFound:
            return 0, 0
        return found.message_count, found.consumer_count


def results_of(ground: Ground) -> list[str]:
    """The queues of the results of its runs."""
    sessions = [each.name for each in (ground.folder / ".runner/cluster").iterdir()]
    assert sessions
    return [Names(ground.queue).results(each) for each in sessions]


def test_all_messages_are_deleted_while_nobody_works(broker_url: str, ground: Make) -> None:
    here = ground(wide(3))
    run = here.run(broker_url)
    run.expect("no worker takes jobs")

    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        assert channel.queue_purge(Names(here.queue).jobs)
    here.worker(broker_url)

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_what_a_message_that_is_lost_costs(broker_url: str, ground: Make) -> None:
    """One lease, and what it takes to miss it; not one to miss it and another one to be sure."""
    here = ground(wide(1))
    here.lease = 4
    here.write()
    run = here.run(broker_url)
    queue = Names(here.queue).jobs
    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        wait_until(lambda: state_of(connection, queue)[0] == 1)
        assert channel.queue_purge(queue) == 1
    lost = monotonic()
    here.worker(broker_url)

    is_whole(here, run)
    assert here.lease < here.noted("ran", "t0")[0].when - lost < 1.75 * here.lease


def test_a_job_is_longer_than_a_broker_waits(broker: brokers.Broker, ground: Make) -> None:
    """It gives the message to another then, and ends the connection."""
    broker.set("consumer_timeout", "2000")
    broker.set("channel_tick_interval", "500")
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker.url, "a")
    run = here.run(broker.url)
    here.reach("t0", "a")
    try:
        assert run.still_runs(4 * LEASE)
    finally:
        broker.set("consumer_timeout", "1800000")
    here.free("t0", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)
    assert worker.still_runs(0)


def test_the_broker_takes_no_messages(broker: brokers.Broker, ground: Make) -> None:
    """As with a full disk."""
    here = ground(chain(3))
    here.hold("t1", "a")
    here.worker(broker.url, "a")
    run = here.run(broker.url)
    here.reach("t1", "a")

    broker.control("eval", "rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []}).")
    run.expect("the broker takes no messages for now")
    here.free("t1", "a")
    broker.control("eval", "rabbit_alarm:clear_alarm({resource_limit, disk, node()}).")

    is_whole(here, run)
    assert here.commits() == once(here.tasks)


# Messages


def test_messages_are_delivered_twice(broker_url: str, ground: Make) -> None:
    here = ground(wide(3))
    run = here.run(broker_url)
    run.expect("no worker takes jobs")
    messages = brokers.messages_in(broker_url, Names(here.queue).jobs)
    for message in messages * 2:
        publish_again(broker_url, here, message)

    here.worker(broker_url)

    assert messages
    is_whole(here, run)
    assert here.calls() == once(here.tasks)


def test_a_message_is_delivered_to_two_workers(broker_url: str, ground: Make) -> None:
    """The second may begin, but not commit."""
    here = ground(chain(2))
    here.hold("t0", "a")
    run = here.run(broker_url)
    run.expect("no worker takes jobs")
    (message,) = brokers.messages_in(broker_url, Names(here.queue).jobs)
    publish_again(broker_url, here, message)
    here.worker(broker_url, "a", slots=1)
    here.reach("t0", "a")
    publish_again(broker_url, here, message)
    with kombu.Connection(broker_url) as connection:
        celery_task(connection.Producer(), here, "nothing")
    other = here.worker(broker_url, "b", slots=1)
    other.expect("a message is refused")  # so it is done with the one before

    here.free("t0", "a")

    is_whole(here, run)
    assert here.committers("t0") == ["a"]


def publish_again(url: str, ground: Ground, message: Any) -> None:
    with kombu.Connection(url) as connection:
        connection.Producer().publish(
            message.body,
            routing_key=Names(ground.queue).jobs,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=message.headers,
            correlation_id=message.properties["correlation_id"],
        )


def test_forged_messages_are_refused(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t0", "a")
    forged = Seal.to_workers(b"another key" * 3).close({"kind": "jobs"})

    with kombu.Connection(broker_url) as connection:
        producer = connection.Producer()
        for queue in results_of(here):
            producer.publish(forged, routing_key=queue, content_type="text/plain")
        producer.publish(forged, exchange=Names(here.queue).control, content_type="text/plain")
        celery_task(producer, here, forged)
        celery_task(producer, here, Seal.from_workers(KEY.encode()).close({"kind": "jobs"}))
    changed = "it is sealed with another key, or was changed on the way"
    run.expect(f"a message of results is refused: {changed}")
    refused = [worker.expect("is refused: ") for _ in range(3)]
    assert sorted(refused) == [
        f"a message is refused: {changed}\n",
        f"a message is refused: {changed}\n",
        f"what all are told is refused: {changed}\n",
    ]
    here.free("t0", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)


BROKEN: Final[Sequence[dict[str, Any]]] = (
    {"kind": "who"}, {"kind": "kept"}, {"kind": "kept", "asked": "x", "attempts": []},
    {"kind": "dropped", "attempts": 7}, {"kind": "over"}, {"kind": ["who"]}, {}, {"session": []},
    {"kind": "here"}, {"kind": "here", "slots": "many", "worker": []}, {"kind": "begun"},
    {"kind": "alive", "attempts": [[1, "t0"]]}, {"kind": "doubt", "attempts": None},
    {"kind": "did", "work": 1}, {"kind": "did", "work": 1, "ended": [[]]}, {"kind": "bounced"},
    {"kind": "refused"}, {"kind": "refused", "attempts": [[1, "t0", 1]], "why": "versions"},
    {"kind": "echo"}, {"kind": "echo", "at": None},
)  # fmt: skip
"""Bodies that one of another version may send, who has the key; none is right."""


def test_messages_of_another_version_do_no_harm(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t0", "a")

    with kombu.Connection(broker_url) as connection:
        producer = connection.Producer()
        (queue,) = results_of(here)
        for body in BROKEN:
            text = Seal.to_workers(KEY.encode()).close(body)
            producer.publish(text, exchange=Names(here.queue).control, content_type="text/plain")
            celery_task(producer, here, text)
            text = Seal.from_workers(KEY.encode()).close(body)
            producer.publish(text, routing_key=queue, content_type="text/plain")
    for _ in BROKEN:
        assert "it is no message that gives jobs" in worker.expect("a message is refused: ")
    here.free("t0", "a")

    is_whole(here, run)
    assert here.calls() == once(here.tasks)
    worker.terminate()
    assert worker.end() == 0, worker.text


def celery_task(producer: kombu.Producer, ground: Ground, text: object) -> None:
    producer.publish(
        [[text], {}, dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))],
        routing_key=Names(ground.queue).jobs,
        headers={"lang": "py", "task": "runner.jobs", "id": "1", "root_id": "1"},
        serializer="json",
    )


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"task": "os.system", "id": "1", "lang": "py"}, b"[[1], {}, {}]", id="task"),
        pytest.param({}, b"nothing", id="no-task"),
        pytest.param({"task": "runner.jobs", "id": "1", "lang": "py"}, b"[", id="no-json"),
        pytest.param({"task": "runner.jobs", "id": "1", "lang": "py"}, b"[[], {}, {}]", id="none"),
    ],
)
def test_what_is_no_message_of_ours_is_gone(
    broker_url: str, ground: Make, headers: dict[str, str], body: bytes
) -> None:
    here = ground(chain(2))
    with kombu.Connection(broker_url) as connection:
        jobs = Names(here.queue).jobs
        connection.channel().queue_declare(jobs, durable=True, auto_delete=False)
        connection.Producer().publish(
            body,
            routing_key=jobs,
            headers=headers,
            content_type="application/json",
            content_encoding="utf-8",
        )
    here.worker(broker_url)

    is_whole(here, here.run(broker_url))


# Workers that are others


@pytest.mark.parametrize(
    ("old", "new", "file", "message"),
    [
        pytest.param(
            "hexdigest()", "hexdigest()[:8]", "steps.py",
            "takes no jobs of this run: other code there", id="code",
        ),
        pytest.param(
            '"pickle"', '"json"', "runner.toml",
            "DATA_NODE.d_t0.storage_type is pickle here and json there", id="settings",
        ),
    ],
)  # fmt: skip
def test_a_worker_that_means_something_else(
    broker_url: str, ground: Make, old: str, new: str, file: str, message: str
) -> None:
    here, there = ground(chain(2)), ground(chain(2))
    here.lease = 30  # the other begins meanwhile
    here.write()
    there.queue = here.queue
    there.write()
    there.change(file, old, new)
    there.worker(broker_url, "other")
    run = here.run(broker_url)

    assert message in run.expect("takes no jobs of this run")
    here.worker(broker_url, "a")

    is_whole(here, run)
    assert {name: here.callers(name) for name in ("t0", "t1")} == {"t0": ["a"], "t1": ["a"]}


def test_a_worker_that_refuses_leaves_jobs_to_one_that_is_busy(
    broker_url: str, ground: Make
) -> None:
    here, there = ground(wide(4)), ground(wide(4))
    there.queue = here.queue
    there.write(steps=STEPS.replace("hexdigest()", "hexdigest()[:8]"))
    here.hold("t0", "a")
    here.worker(broker_url, "a", slots=1)
    run = here.run(broker_url)
    here.reach("t0", "a")
    other = there.worker(broker_url, "other")
    run.expect("takes no jobs of this run: other code there")

    assert run.still_runs(LEASE)
    other.terminate()
    here.free("t0", "a")

    assert other.end() == 0, other.text
    assert 1 < other.text.count("are refused: code") < 40
    is_whole(here, run)


def test_workers_that_all_mean_something_else(broker_url: str, ground: Make) -> None:
    here, there = ground(chain(2)), ground(chain(2))
    there.queue = here.queue
    there.write(steps=STEPS.replace("hexdigest()", "hexdigest()[:8]"))
    there.worker(broker_url, "other")

    run = here.run(broker_url)

    assert run.end() == 1
    assert "task `t0` failed: no worker takes it: other code there" in run.text
    assert there.calls() == {}


def test_a_worker_of_another_version(broker_url: str, ground: Make, tmp_path: Path) -> None:
    here = ground(chain(2))
    here.lease = 30  # the other begins meanwhile
    here.write()
    (tmp_path / "sitecustomize.py").write_text(
        "import runner\nrunner.__version__ = '99.0'\n", encoding="utf-8"
    )
    path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
    here.worker(broker_url, "other", PYTHONPATH=path)
    run = here.run(broker_url)

    assert "it has runner 99.0" in run.expect("takes no jobs of this run")
    here.worker(broker_url, "a")

    is_whole(here, run)


def test_a_worker_of_another_key(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    other = here.worker(broker_url, "other", RUNNER_CLUSTER_KEY="another key" * 3)
    run = here.run(broker_url)

    other.expect("a message is refused: it is sealed with another key")
    other.kill()
    here.worker(broker_url, "a")

    is_whole(here, run)


def test_code_that_changes_is_read_again(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    worker = here.worker(broker_url)
    is_whole(here, here.run(broker_url))
    here.write(steps=STEPS.replace("hexdigest()", "hexdigest()[:8]"))

    run = here.run(broker_url)

    worker.expect("the config or the code has changed: it is read again")
    assert run.end() == 0, told(here)
    assert {len(str(value)) for value in here.values().values()} == {8}


# The run


def test_a_run_is_interrupted_twice(broker_url: str, ground: Make) -> None:
    """Its jobs are ended, and commit nothing."""
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t0", "a")

    run.process.send_signal(signal.SIGINT)
    run.expect("stopping")
    run.process.send_signal(signal.SIGINT)
    code = run.end()
    worker.terminate()

    assert code == 130, run.text
    assert worker.end() == 0, worker.text
    assert here.commits() == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_is_interrupted_while_there_is_no_broker(
    ground: Make, number: signal.Signals
) -> None:
    """It ends at once, as one that a signal has stopped."""
    run = ground(chain(2)).run(f"amqp://{brokers.HOST}:{brokers.free_port()}//")
    run.expect("no broker: Connection refused; trying for 30 s")

    run.process.send_signal(number)

    assert not run.still_runs(10)
    assert run.end() == 128 + number, run.text
    assert re.search(r"\nRun \w+ was stopped: 2 canceled in ", run.text)


def test_a_run_is_interrupted_while_a_broker_does_not_answer(ground: Make) -> None:
    with socket.create_server((brokers.HOST, 0)) as server:
        server.settimeout(PATIENCE)
        run = ground(chain(2)).run(f"amqp://{brokers.HOST}:{server.getsockname()[1]}//")
        connection, _ = server.accept()

        run.process.send_signal(signal.SIGINT)

        with connection:
            assert not run.still_runs(4)  # a connection is waited for for 5 s
    assert run.end() == 130, run.text


def test_a_run_is_interrupted_when_the_broker_is_gone(proxy: brokers.Proxy, ground: Make) -> None:
    run = ground(chain(2)).run(proxy.url)
    run.expect("no worker takes jobs")
    proxy.cut()
    run.expect("cannot be reached")

    run.process.send_signal(signal.SIGINT)

    assert not run.still_runs(10)
    assert run.end() == 130, run.text


def test_a_run_is_canceled(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a")
    run = here.run(broker_url)
    (number,) = re.findall("run (\\w+) of", run.expect("start"))
    here.reach("t0", "a")
    cancel = here.command("cancel", number, RUNNER_TEST_BROKER=broker_url)
    assert cancel.end() == 0, cancel.text
    run.end()
    worker.terminate()

    assert worker.end() == 0, worker.text
    assert here.commits() == {}


def test_a_run_that_is_killed_is_resumed(broker_url: str, ground: Make) -> None:
    here = ground(chain(4))
    here.hold("t2", "a")
    here.worker(broker_url, "a")
    run = here.run(broker_url)
    here.reach("t2", "a")

    run.kill()
    here.free("t2", "a")
    resumed = here.command("resume", RUNNER_TEST_BROKER=broker_url)

    assert resumed.end() == 0, resumed.text
    assert here.values() == here.golden()
    assert here.calls()["t2"] <= 2, resumed.text
    assert here.calls() | {"t2": 1} == once(here.tasks), resumed.text


def test_a_worker_is_free_again_when_a_run_is_gone_for_good(broker_url: str, ground: Make) -> None:
    """Its job waits for leave to commit, which nobody will give."""
    here = ground(chain(1))
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a", slots=1)
    run = here.run(broker_url)
    here.reach("t0", "a")

    run.kill()
    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        for queue in results_of(here):
            channel.queue_delete(queue)
    assert worker.still_runs(LEASE)
    here.free("t0", "a")
    worker.terminate()

    assert worker.end() == 0, worker.text


# Secrets


def test_no_secret_is_in_a_message(broker_url: str, ground: Make) -> None:
    here = with_secret(ground)
    run = here.run(broker_url, SECRET="c4nary-secret")
    run.expect("no worker takes jobs")

    messages = brokers.messages_in(broker_url, Names(here.queue).jobs)

    assert messages
    for message in messages:
        sent = f"{message.body!r} {message.headers} {message.properties}"
        assert "t0" in sent
        assert "c4nary" not in sent


@pytest.mark.parametrize("end", ["", '\n    raise ValueError(os.environ["SECRET"])'])
def test_no_secret_that_a_job_prints_is_in_a_message(
    broker_url: str, ground: Make, end: str
) -> None:
    here = with_secret(ground)
    printing = '    print("see", os.environ["SECRET"], flush=True)' + end
    here.change("steps.py", "    seed =", printing + "\n    seed =")
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a", SECRET="c4nary-secret")
    run = here.run(broker_url, SECRET="c4nary-secret")
    here.reach("t0", "a")
    (results,) = results_of(here)
    run.kill()
    here.free("t0", "a")
    worker.terminate()
    assert worker.end() == 0, worker.text

    messages = brokers.messages_in(broker_url, results)

    told = [body for message in messages if '"did"' in (body := str(message.body))]
    assert len(told) == 1
    assert "see" in told[0]
    assert "c4nary" not in told[0]


def test_what_leads_to_the_cluster_is_kept_from_jobs(broker_url: str, ground: Make) -> None:
    here = ground(chain(1))
    shows = """
    paths = [f"/proc/{each}/environ" for each in ("self", os.getppid())]
    seen = [str(dict(os.environ)), *(Path(each).read_text() for each in paths)]
    fds = [f"/proc/self/fd/{each}" for each in os.listdir("/proc/self/fd")]
    sockets = [each for each in map(os.path.realpath, fds) if "socket:" in each]
    (HERE / "seen.json").write_text(json.dumps([seen, sockets]))
"""
    here.change("steps.py", "    seed =", f"{shows}    seed =")
    unset = "amqp://localhost"
    here.worker(unset, RUNNER_BROKER_URL=broker_url, RUNNER_CLUSTER_KEY_FILE="c4nary-file")
    is_whole(here, here.run(unset, RUNNER_BROKER_URL=broker_url))

    seen, sockets = json.loads((here.folder / "seen.json").read_text())
    for text in seen:
        assert "RUNNER_TEST_WORKER" in text
        assert broker_url not in text
        assert "c4nary" not in text
    assert len(sockets) == 1


def with_secret(ground: Make) -> Ground:
    """A job that reads a table of a database, which takes a password."""
    here = ground(chain(1))
    here.write(
        more="[DATA_NODE.d_extra]\n"
        'storage_type = "sql_table"\ndb_engine = "sqlite"\ndb_name = "c4nary-name"\n'
        'db_password = "ENV[SECRET]"\ntable_name = "t"\n'
    )
    here.change("runner.toml", "inputs = []", 'inputs = ["d_extra"]')
    here.change("steps.py", "def t0():", "def t0(extra):")
    with closing(sqlite3.connect(here.folder / "c4nary-name.db")) as database:
        database.execute("CREATE TABLE t (a TEXT)")
    return here
