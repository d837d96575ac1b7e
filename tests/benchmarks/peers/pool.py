"""A loop by hand over the standard library's pool of processes."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import configs
from samples import Sample

from peers import loops


def graph(folder: Path, jobs: configs.Graph) -> Sample:
    """Measured: the loop."""
    return loops.measure(folder, jobs, lambda: ProcessPoolExecutor(2))
