"""The variables of the environment that lead to the cluster, which jobs do not get.

A job that itself runs something in cluster mode has to be given them in another way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

BROKER: Final = "RUNNER_BROKER_URL"
"""The broker, where the config names none."""
KEY: Final = "RUNNER_CLUSTER_KEY"
"""The key of the cluster."""
KEY_FILE: Final = "RUNNER_CLUSTER_KEY_FILE"
"""The path of a file that holds it."""


def left_to_jobs(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of processes that run jobs: all else."""
    return {name: environ[name] for name in environ if name not in {BROKER, KEY, KEY_FILE}}
