"""Hamilton: a dict driver in this process."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import configs
from hamilton import ad_hoc_utils, base, driver
from samples import Sample, took


def execute(_folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `execute`, for the values that nothing else reads."""
    return _measure(graph, set_up=False)


def build_and_execute(_folder: Path, graph: configs.Graph) -> Sample:
    """Measured: building the driver from a module that is imported, and `execute`."""
    return _measure(graph, set_up=True)


def _measure(graph: configs.Graph, *, set_up: bool) -> Sample:
    module = ad_hoc_utils.module_from_source(configs.python_source(graph))
    begun = perf_counter()
    made = driver.Builder().with_modules(module).with_adapters(base.DictResult()).build()
    if not set_up:
        begun = perf_counter()
    values = made.execute(list(graph.last), inputs=dict(graph.seeds))
    return took(perf_counter() - begun, sum(values.values()))
