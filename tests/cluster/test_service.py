"""How a worker begins and ends, whatever comes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from machines import Make, chain


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_when_a_worker_has_just_begun(
    broker_url: str, ground: Make, number: signal.Signals
) -> None:
    """It ends well, and has nothing to complain of, not even to root."""
    worker = ground(chain(1)).worker(broker_url)

    worker.process.send_signal(number)

    assert worker.end() == 0, worker.text
    assert {line for line in worker.said[1:] if line.strip()} <= {
        "worker: Hitting Ctrl+C again will initiate cold shutdown, terminating all running tasks!\n",
        "worker: Warm shutdown (MainProcess)\n",
    }


def with_bug(folder: Path, code: str) -> str:
    """A PYTHONPATH for a worker in which something is broken."""
    (folder / "sitecustomize.py").write_text(
        f"import runner.execution.cluster.service as service\n\n{code}", encoding="utf-8"
    )
    return os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))


TALKER = """\
def beat(self):
    if self._orders:
        raise KeyError("tasks")

service.Service._beat = beat
"""

DRIVER = """\
def take(self):
    if self._waiting:
        raise KeyError("tasks")

service.Driver.take = take
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
    worker = here.worker(broker_url, "a", PYTHONPATH=with_bug(tmp_path, bug))
    run = here.run(broker_url)

    assert worker.end() == 5, worker.text
    assert worker.said[1] == "error[RUN901]: internal error: KeyError: 'tasks'\n"
    here.worker(broker_url, "b")

    assert run.end() == 0, run.text
    assert here.commits() == {"t0": 1, "t1": 1}
