"""How a worker begins and ends, whatever comes."""

from __future__ import annotations

import signal

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
