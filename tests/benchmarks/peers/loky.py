"""A loop by hand over loky."""

from __future__ import annotations

from pathlib import Path

import configs
import loky
from samples import Sample

from peers import loops


def graph(folder: Path, jobs: configs.Graph) -> Sample:
    """Measured: the loop."""
    return loops.measure(folder, jobs, lambda: loky.get_reusable_executor(max_workers=2))
