"""Whatever happens to workers and brokers, a run ends as one in development mode does.

What is lost of time is bounded by the lease; no job runs again that has finished, and none commits
twice.
"""

from __future__ import annotations

import machines
from machines import Make, layers, once


def is_whole(ground: machines.Ground, run: machines.Command) -> None:
    """The run has ended well, all is as it should be, and all was committed once."""
    assert run.end() == 0, run.text
    assert ground.values() == ground.golden()
    assert ground.commits() == once(ground.tasks)


def test_nothing_happens(broker_url: str, ground: Make) -> None:
    here = ground(layers(12, 4))
    here.worker(broker_url)

    is_whole(here, here.run(broker_url))

    assert here.calls() == once(here.tasks)
