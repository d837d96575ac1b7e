"""The least that Python needs for what runner does, by the calls that cost least here."""

from __future__ import annotations

import mmap
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import configs
import memory
from samples import Sample, application, took

ALIGNED = 64
"""Buffers begin at multiples of it, as arrays like it."""


def parse(folder: Path, _graph: configs.Graph) -> Sample:
    """Measured: `tomli.loads`, without reading the file."""
    import tomli

    text = (folder / "runner.toml").read_text(encoding="utf-8")
    begun = perf_counter()
    tables = tomli.loads(text)
    return took(perf_counter() - begun, len(tables["TASK"]))


def pickle_loop(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: a chain, each value in a file of its own."""
    scratch = folder / "loop"
    scratch.mkdir()
    count = len(graph.jobs)
    temporaries = [f"{scratch}/.value_{index:06d}.tmp" for index in range(count + 1)]
    finals = [f"{scratch}/value_{index:06d}.p" for index in range(count + 1)]
    new = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    begun = perf_counter()
    number = 0
    for temporary, final in zip(temporaries, finals, strict=True):
        descriptor = os.open(temporary, new, 0o666)
        os.write(descriptor, pickle.dumps(number, 5))
        os.close(descriptor)
        os.replace(temporary, final)  # noqa: PTH105 - a Path would cost as much again
        with open(final, "rb") as file:  # noqa: PTH123 - as above
            number = pickle.load(file) + 1
    return took(perf_counter() - begun, number - 1)


def array_through_files(folder: Path, _graph: configs.Graph) -> Sample:
    """Measured: the steps of `arrays`, the value of each through a mapped file."""
    return _through_files(folder, "arrays")


def table_through_files(folder: Path, _graph: configs.Graph) -> Sample:
    """Measured: the steps of `tables`, the value of each through a mapped file."""
    return _through_files(folder, "tables")


def read_csv(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `pandas.read_csv`, where it has read the same before."""
    import pandas as pd

    return _read(folder, graph, "csv", pd.read_csv)


def read_parquet(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `pandas.read_parquet`, where it has read the same before."""
    import pandas as pd

    return _read(folder, graph, "parquet", pd.read_parquet)


def write_csv(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `DataFrame.to_csv`, where it has written the same before."""
    table = _records(folder, graph)
    return _write(lambda: _to_csv(table, folder / "table.csv"), len(table))


def write_parquet(folder: Path, graph: configs.Graph) -> Sample:
    """Measured: `DataFrame.to_parquet`, where it has written the same before."""
    table = _records(folder, graph)
    return _write(lambda: table.to_parquet(folder / "table.parquet"), len(table))


def _records(folder: Path, graph: configs.Graph) -> Any:
    return application(folder, "records.make")(graph.seeds["rows"])


def _to_csv(table: Any, file: Path) -> None:
    table.to_csv(file, index=False)


def _read(folder: Path, graph: configs.Graph, suffix: str, read: Callable[[Path], Any]) -> Sample:
    file = folder / f"table.{suffix}"
    if not file.exists():
        table = _records(folder, graph)
        _to_csv(table, file) if suffix == "csv" else table.to_parquet(file)
    read(file)
    begun = perf_counter()
    table = read(file)
    return took(perf_counter() - begun, application(folder, "records.digest")(table))


def _write(write: Callable[[], None], answer: int) -> Sample:
    write()
    begun = perf_counter()
    write()
    return took(perf_counter() - begun, answer)


def _through_files(folder: Path, module: str) -> Sample:
    make, step, digest = (
        application(folder, f"{module}.{name}") for name in ("make", "step", "digest")
    )
    scratch = folder / "loop"
    scratch.mkdir()

    def steps() -> Any:
        value = _through_file(make(), scratch / "value_1")
        for number in range(2, configs.STEPS + 1):
            value = step(value)
            value = _through_file(value, scratch / f"value_{number}")
        return value

    idle = memory.held()
    begun = perf_counter()
    answer = digest(steps())
    seconds = perf_counter() - begun
    with memory.Watch() as watch:
        steps()
    return took(seconds, answer, largest=watch.largest, growth=watch.most - idle)


def _through_file(value: Any, file: Path) -> Any:
    """Written by write(2), which is faster than into a map; read where it is mapped."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, 5, buffer_callback=buffers.append)
    del value
    places = []
    with file.open("xb", buffering=0) as out:
        for buffer in buffers:
            start = out.seek(-(-out.tell() // ALIGNED) * ALIGNED)
            with buffer.raw() as raw:
                out.write(raw)
                places.append(slice(start, start + raw.nbytes))
    buffers.clear()
    if not places:
        return pickle.loads(head)
    with file.open("rb") as written:
        mapped = memoryview(mmap.mmap(written.fileno(), 0, access=mmap.ACCESS_READ))
    file.unlink()
    return pickle.loads(head, buffers=[mapped[place] for place in places])
