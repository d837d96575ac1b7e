"""What is measured inside of a process: `python measured.py NAME FOLDER COUNT` does one thing once.

It prints a JSON object: `seconds`, and `answer`, which is the same for all that do the same work.
Imports, and whatever else stands before the clock is read, are not measured. The garbage collector
is as Python has it.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import configs


class Sample(NamedTuple):
    seconds: float
    answer: Any


def load(folder: Path, _count: int) -> Sample:
    """Measured: all that `runner check` does but start up and print; it reads and keeps a cache."""
    from runner.cli.loading import load_and_check
    from runner.cli.options import Common

    begun = perf_counter()
    checked = load_and_check(Common(files=(str(folder / "runner.toml"),)))
    seconds = perf_counter() - begun
    assert not checked.diagnostics, checked.diagnostics[0]
    return Sample(seconds, len(checked.config.tasks))


def parse(folder: Path, _count: int) -> Sample:
    """Measured: `tomli.loads`, without reading the file."""
    import tomli

    text = (folder / "runner.toml").read_text(encoding="utf-8")
    begun = perf_counter()
    tables = tomli.loads(text)
    return Sample(perf_counter() - begun, len(tables["TASK"]))


def submit(folder: Path, count: int) -> Sample:
    """Measured: `submit`, which imports functions, writes defaults, runs and records on disk."""
    return _submit(folder, count, set_up=False)


def create_and_submit(folder: Path, count: int) -> Sample:
    """Measured: `create_scenario`, which makes the store and compiles the plan, and `submit`."""
    return _submit(folder, count, set_up=True)


def hamilton_execute(folder: Path, count: int) -> Sample:
    """Measured: `execute` of a dict driver, for the values that nothing else reads."""
    return _hamilton(folder, count, set_up=False)


def hamilton_build_and_execute(folder: Path, count: int) -> Sample:
    """Measured: building the driver from a module that is imported, and `execute`."""
    return _hamilton(folder, count, set_up=True)


def submit_chain(folder: Path, count: int) -> Sample:
    """Measured: as `submit`."""
    return _submit(folder, count, set_up=False)


def pickle_loop(folder: Path, count: int) -> Sample:
    """Measured: what a chain cannot do without, by the calls that cost least here."""
    scratch = folder / "loop"
    scratch.mkdir()
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
    return Sample(perf_counter() - begun, number - 1)


def _submit(folder: Path, count: int, *, set_up: bool) -> Sample:
    import runner

    with runner.Core(runner.Config.load(folder / "runner.toml")) as core:
        begun = perf_counter()
        scenario = core.create_scenario("all")
        if not set_up:
            begun = perf_counter()
        submission = scenario.submit()
        seconds = perf_counter() - begun
        assert submission.status is runner.SubmissionStatus.COMPLETED
        assert len(submission.jobs) == count
        if "seed_0" not in scenario.data_nodes:
            return Sample(seconds, scenario.data_nodes[f"value_{count:06d}"].read())
        last = configs.last_layer(configs.layered(count))
        return Sample(seconds, sum(scenario.data_nodes[name].read() for name in last))


def _hamilton(_folder: Path, count: int, *, set_up: bool) -> Sample:
    from hamilton import ad_hoc_utils, base, driver

    sums = configs.layered(count)
    last = configs.last_layer(sums)
    module = ad_hoc_utils.module_from_source(configs.python_source(sums))
    begun = perf_counter()
    made = driver.Builder().with_modules(module).with_adapters(base.DictResult()).build()
    if not set_up:
        begun = perf_counter()
    values = made.execute(last, inputs=configs.SEEDS)
    return Sample(perf_counter() - begun, sum(values.values()))


MEASURED: Mapping[str, Callable[[Path, int], Sample]] = {
    function.__name__: function
    for function in (
        load,
        parse,
        submit,
        create_and_submit,
        hamilton_execute,
        hamilton_build_and_execute,
        submit_chain,
        pickle_loop,
    )
}

if __name__ == "__main__":
    name, folder, count = sys.argv[1:]
    print(json.dumps(MEASURED[name](Path(folder), int(count))._asdict()))
