"""How a worker begins and ends, whatever comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from machines import LEASE, STEPS, Make, chain


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_when_a_worker_has_just_begun(
    broker_url: str, ground: Make, number: signal.Signals
) -> None:
    """It ends well, and has nothing to complain of, not even to root."""
    worker = ground(chain(1)).worker(broker_url)

    worker.process.send_signal(number)

    assert worker.end() == 0, worker.text
    words = ("worker: Hitting Ctrl+C again", "worker: Warm shutdown")
    assert [line for line in worker.said[1:] if line.strip() and not line.startswith(words)] == []


def broken_by(folder: Path, code: str) -> str:
    """A PYTHONPATH for a process in which that code breaks something."""
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))


TALKER = """\
from runner.execution.cluster.service import Service

def beat(self):
    if self._orders:
        raise KeyError("tasks")

Service._beat = beat
"""

DRIVER = """\
from runner.execution.cluster.driver import Driver

def take(self):
    if self._waiting:
        raise KeyError("tasks")

Driver.take = take
"""


@pytest.mark.parametrize(
    "bug", [pytest.param(TALKER, id="talker"), pytest.param(DRIVER, id="driver")]
)
def test_a_thread_of_a_worker_fails(
    broker_url: str, ground: Make, tmp_path: Path, bug: str
) -> None:
    """The worker ends, so that it can be started again, and its jobs go to others."""
    here = ground(chain(2))
    here.hold("t0", "a")
    worker = here.worker(broker_url, "a", PYTHONPATH=broken_by(tmp_path, bug))
    run = here.run(broker_url)

    assert worker.end() == 5, worker.text
    assert worker.said[1] == "error[RUN901]: internal error: KeyError: 'tasks'\n"
    here.worker(broker_url, "b")

    assert run.end() == 0, run.text
    assert here.commits() == {"t0": 1, "t1": 1}


def test_celery_cannot_go_on(broker_url: str, ground: Make, tmp_path: Path) -> None:
    """Whoever started the worker learns that it has not ended of its own accord."""
    bug = """\
from celery.worker.consumer.consumer import Consumer

def start(self):
    raise KeyError("tasks")

Consumer.start = start
"""
    worker = ground(chain(1)).worker(broker_url, PYTHONPATH=broken_by(tmp_path, bug))

    assert worker.end() == 5, worker.text
    assert "Unrecoverable error: KeyError('tasks')" in worker.text
    assert "error[RUN901]: internal error: RuntimeError: Celery could not go on" in worker.text


@pytest.mark.parametrize(
    ("where", "commits"),
    [
        ("Driver.prepare = bug", {}),
        ("Driver.hand = late", {}),
        ("Service._tell_ended = bug", {"t0": 1}),
    ],
)
def test_a_message_cannot_be_dealt_with(
    broker_url: str, ground: Make, tmp_path: Path, where: str, commits: Mapping[str, int]
) -> None:
    """What has begun is ended, and the worker goes on."""
    here = ground(chain(2))
    if not commits:
        here.hold("t0", "a")
    bug = f"""\
from runner.execution.cluster.driver import Driver
from runner.execution.cluster.service import Service

def bug(*_):
    raise KeyError("tasks")

def late(*arguments, hand=Driver.hand):
    hand(*arguments)
    bug()

{where}
"""
    worker = here.worker(broker_url, "a", PYTHONPATH=broken_by(tmp_path, bug))

    run = here.run(broker_url)

    assert run.end() == 1, run.text
    assert "error[RUN901]: task `t0` failed: KeyError: 'tasks'\n" in run.said
    worker.terminate()
    assert worker.end() == 0, worker.text
    assert worker.said[1:3] == [
        "1 jobs of default cannot be run:\n",
        "Traceback (most recent call last):\n",
    ]
    assert here.commits() == commits


def test_a_worker_gives_signs_of_life_while_it_ends_processes_of_old_code(
    broker_url: str, ground: Make, tmp_path: Path
) -> None:
    here = ground(chain(2))
    slow = f"""\
from pathlib import Path

from runner.execution.guard import Guard

def close(self, close=Guard.close):
    gate = Path({str(here.gate("closing", "a"))!r})
    if gate.exists():
        gate.read_bytes()
    close(self)

Guard.close = close
"""
    worker = here.worker(broker_url, "a", PYTHONPATH=broken_by(tmp_path, slow))
    assert here.run(broker_url).end() == 0
    here.write(steps=STEPS.replace("at work", "at work again"))
    here.hold("closing")
    here.hold("t1")

    run = here.run(broker_url)
    here.reach("t1")
    here.reach("closing")
    assert run.still_runs(2 * LEASE)
    here.free("t1")

    assert run.end() == 0, run.text
    assert here.calls() == {"t0": 2, "t1": 2}, run.text
    worker.terminate()
    here.free("closing")
    assert worker.end() == 0, worker.text


@pytest.mark.parametrize("where", ["submit", "_hear"])
def test_the_thread_of_a_run_fails(
    broker_url: str, ground: Make, tmp_path: Path, where: str
) -> None:
    """It ends, whether it was waiting to begin or for its jobs."""
    here = ground(chain(2))
    here.worker(broker_url)
    bug = f"""\
from runner.execution.executors.cluster import ClusterExecutor

def bug(self, _):
    if self._link.is_up:
        raise KeyError("tasks")

ClusterExecutor.{where} = bug
"""

    run = here.run(broker_url, PYTHONPATH=broken_by(tmp_path, bug))

    assert run.end() == 5, run.text
    assert "error[RUN901]: internal error: KeyError: 'tasks'\n" in run.said
