"""What comes out when something is measured."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """Figures by name, and the answer, which is the same for all that do the same work.

    A figure is named `seconds`, or as `compare.py` has it.
    """

    figures: Mapping[str, float]
    answer: Any


def took(seconds: float, answer: Any, **others: float) -> Sample:
    return Sample({"seconds": seconds, **others}, answer)


def application(folder: Path, name: str) -> Any:
    """A function of the pipeline's application, which processes started later find too."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
        os.environ["PYTHONPATH"] = str(folder)
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)
