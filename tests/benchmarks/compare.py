"""How long runner takes, against the least that Python needs for the same and against peers.

    python tests/benchmarks/compare.py [--case NAME]... [--quick] [--json FILE]

A side is one way to do a case's work. After a round that does not count, each side is measured in
each of five rounds, one after the other (A B A B ...), each time in a process of its own, so that
nobody finds memory or caches warm. A ratio is that of the medians, ours and the best other one's.
All sides have the same interpreter, environment, file system and garbage collector, and bytecode
that the round that does not count has compiled, as pip does it. Sides that do the same work must
come to the same answer. A peer that is not installed is left out, and so is one that takes longer
than two minutes for a sample: `pip install '.[bench]'`, and for the larger ones `pip install ray`
and `pip install taipy-core`.

What is measured, and what is not:

- Whole processes: from before they are started until they have ended, by the clock outside.
  runner is started by its console script, as users start it.
- Loading and checking: from the name of the file until all diagnostics are placed, reading,
  parsing and keeping the parsed form included; of the floor, `tomli.loads` of the text alone.
- A run in memory: `scenario.submit()`, which imports the functions, writes the defaults, runs and
  records every job on disk; of Hamilton, `execute` of its dict driver for the values that nothing
  else reads. Making the scenario (which compiles the plan) and building the driver are out; in
  the case `run-whole` they are in. Importing the libraries, loading and checking the config and
  generating the module for Hamilton are out in both.
- A chain in files: `scenario.submit()` as above; of the floor, a loop that pickles each value to a
  temporary file, renames it and unpickles it, and records nothing.
- Tables in files (`csv-read`, ...): of pandas, its function alone; of runner, `read` or `write` of
  a data node, which takes a fingerprint of what it writes, replaces the file whole and records it.
  Either reads or writes the same once before. Writing is told and not judged.
- On two workers (`layers-2`, `chain-2`, `wide-2`, `cpu-2`): `scenario.submit()` until the run is
  over, as above; of the peers, all calls until the values that nothing else reads are there. The
  workers of all sides are started before and have each run a job. Further lines tell it from
  before they are started; they are not judged.
- Files on two workers (`files-2`): the same from before the workers are started, since the peers
  start them in each run. Scenario, catalog, tasks are made before, but for doit, where making them
  is a part of running. All write a file a value; runner, luigi and Taipy replace it whole, kedro
  and doit are spared that. runner, doit and Taipy record what was done.
- From worker to worker (`array-2`, `table-2`): as on two workers; each step runs on another worker
  than the one before, which is checked. The floor does the same steps in one process, and writes,
  maps and removes what each has made. Of memory, the most that a single process held at any time,
  and what all processes together held at a time, above what they held just before.
- In cluster mode (`cluster-...`): `scenario.submit()` until the run is over, with one worker of two
  slots, each of which has run a job before; all values are in files, and all jobs are recorded.
  Celery has a worker of two processes on the same broker, which have each run a task before, and
  sends results by messages; its tasks of `cluster-wide` do nothing. Left out where no RabbitMQ
  answers at BENCHMARK_BROKER_URL, which is amqp://127.0.0.1:5672// unless set.
- Memory of the runner: of its own process, the most that was resident during a run above what was
  when the scenario was made, and what a second run of it has added when it is over.

`TMPDIR` says on which file system. With --quick everything is tiny, but for the array and the
table, and nothing is judged. Ends with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final, NamedTuple

import attrs
import configs
from cases import Bound, Case, Side, cases

ROUNDS = (False, True, True, True, True, True)
"""Which rounds count."""
QUICK_ROUNDS = (True,)
COMPARED: Final = (
    "toml-runner",
    "tomli",
    "attrs",
    "cattrs",
    "click",
    "numpy",
    "pandas",
    "celery",
    "apache-hamilton",
    "loky",
    "joblib",
    "distributed",
    "ray",
    "kedro",
    "luigi",
    "doit",
    "taipy-core",
)
"""Distributions whose versions are told."""


class Unit(NamedTuple):
    """How a figure is printed: a heading, what it is divided by, and the unit's name."""

    heading: str
    divisor: float
    name: str


UNITS: Final[Mapping[str, Unit]] = {
    "seconds": Unit("", 1e-3, "ms"),
    "whole": Unit("from before the workers are started", 1e-3, "ms"),
    "largest": Unit("peak memory of the largest process", 1e6, "MB"),
    "growth": Unit("peak memory of all, above idle", 1e6, "MB"),
    "bytes_a_job": Unit("memory of a job above the plan", 1, "B"),
    "kept_a_job": Unit("kept of a job by a second run", 1, "B"),
}


@attrs.frozen(kw_only=True)
class Compared:
    """A bound, and what came out. The ratio is None where no other side is there."""

    bound: Bound
    ratio: float | None
    is_judged: bool

    @property
    def is_met(self) -> bool | None:
        if self.ratio is None or not self.is_judged:
            return None
        return self.bound.is_met(self.ratio)


@attrs.frozen(kw_only=True)
class Result:
    """What came out of a case.

    Attributes:
        case: which.
        figures: medians, by label and by name.
        left_out: the sides that are not there or took too long, and why, by label.
        compared: a bound each.
    """

    case: Case
    figures: Mapping[str, Mapping[str, float]]
    left_out: Mapping[str, str]
    compared: Sequence[Compared]


def compare(case: Case, folder: Path, rounds: Sequence[bool], environ: Mapping[str, str]) -> Result:
    """Measure all sides in turn."""
    sides = [*case.others, case.ours]  # in this order, since ours may go on where another ended
    left_out = {side.label: f"{side.needs} is not installed" for side in sides if not side.is_here}
    taken: dict[str, list[Mapping[str, float]]] = {}
    for counts in rounds:
        answers: dict[int, Any] = {}
        for side in [each for each in sides if each.label not in left_out]:
            try:
                sample = side.run(_prepared(side, folder), side.count, environ)
            except subprocess.TimeoutExpired as error:
                if side is case.ours:
                    raise
                left_out[side.label] = f"it took longer than {error.timeout:g} s"
                taken.pop(side.label, None)
                continue
            if sample.answer is not None:
                assert sample.answer == answers.setdefault(side.count, sample.answer), side.label
            if counts:
                taken.setdefault(side.label, []).append(sample.figures)
    figures = {label: _medians(samples) for label, samples in taken.items()}
    return Result(
        case=case,
        figures=figures,
        left_out=left_out,
        compared=[
            Compared(bound=bound, ratio=_ratio(case, bound, figures), is_judged=rounds is ROUNDS)
            for bound in case.bounds
        ],
    )


def _medians(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in samples) for name in samples[0]}


def _ratio(case: Case, bound: Bound, figures: Mapping[str, Mapping[str, float]]) -> float | None:
    others = [figures[side.label][bound.figure] for side in case.others if side.label in figures]
    return bound.ratio(figures[case.ours.label][bound.figure], min(others)) if others else None


def _prepared(side: Side, folder: Path) -> Path:
    """The side's pipeline, and nothing left there by others but what the side may find."""
    if side.pipeline is None:
        return folder
    each = side.pipeline
    made = folder / f"{each.shape}_{each.storage}_{each.workers}_{side.count}"
    if not made.exists():
        configs.write(each, made, side.count)
    for left in ("loop",) if side.keeps else ("loop", ".runner"):
        if (made / left).exists():
            # Not removed: where many files were just removed, ext4 takes long to make new ones.
            (made / left).rename(Path(tempfile.mkdtemp(dir=folder)) / left)
    return made


def _environ(bytecode: Path | None) -> dict[str, str]:
    """Ours, less what would change a measurement, and with a folder to keep bytecode in."""
    left_out = ("PYTHON", "RUNNER_", "TAIPY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept if bytecode is None else {**kept, "PYTHONPYCACHEPREFIX": str(bytecode)}


def _versions() -> dict[str, str]:
    found = {}
    for name in COMPARED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _machine() -> str:
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _show(result: Result) -> None:
    print(f"\n{result.case.name}: {result.case.title}")
    for compared in result.compared:
        _show_figure(result, compared)
    for label, reason in result.left_out.items():
        print(f"  left out: {label}, since {reason}")
    sys.stdout.flush()


def _show_figure(result: Result, compared: Compared) -> None:
    bound = compared.bound
    unit = UNITS[bound.figure]
    if unit.heading:
        print(f"  {unit.heading}")
    counts = {side.label: side.count for side in (*result.case.others, result.case.ours)}
    for label, figures in result.figures.items():
        value = figures[bound.figure]
        speed = f"{counts[label] / value:>14,.0f} / s" if _is_speed(bound, counts[label]) else ""
        print(f"  {label:<42} {value / unit.divisor:>10,.1f} {unit.name}{speed}")
    if compared.ratio is not None:
        print(f"  {'ratio':<42} {compared.ratio:>10.2f} x   {_verdict(compared)}")


def _is_speed(bound: Bound, count: int) -> bool:
    return bool(count) and bound.least is not None


def _verdict(compared: Compared) -> str:
    bound = compared.bound
    words = {True: "met", False: "NOT MET", None: "not judged"}
    if bound.least is not None:
        return f"at least {bound.least:g} x as fast: {words[compared.is_met]}"
    if bound.most is not None:
        return f"at most {bound.most:g} x: {words[compared.is_met]}"
    return "no bound"


def _document(results: Sequence[Result]) -> dict[str, Any]:
    return {
        "machine": _machine(),
        "versions": _versions(),
        "cases": [
            {
                "name": result.case.name,
                "title": result.case.title,
                "figures": result.figures,
                "left_out": result.left_out,
                "bounds": [
                    {**attrs.asdict(each.bound), "ratio": each.ratio, "met": each.is_met}
                    for each in result.compared
                ],
            }
            for result in results
        ],
    }


def _options(known: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare runner with floors and peers.")
    parser.add_argument("--case", action="append", choices=known, help="only this one; repeatable")
    parser.add_argument("--quick", action="store_true", help="tiny, one round, nothing is judged")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    return parser.parse_args()


def main() -> int:
    options = _options([case.name for case in cases(0, 0)])
    wanted = cases(100, 1000) if options.quick else cases(10_000, 100_000)
    wanted = [case for case in wanted if not options.case or case.name in options.case]
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    print(_machine())
    print(", ".join(f"{name} {version}" for name, version in _versions().items()))
    print(f"medians of {sum(rounds)}", flush=True)
    results = []
    with tempfile.TemporaryDirectory(prefix="runner-benchmark-") as name:
        environ = _environ(None if options.quick else Path(name) / "bytecode")
        for case in wanted:
            results.append(compare(case, Path(name), rounds, environ))
            _show(results[-1])
    if options.json:
        document = json.dumps(_document(results), indent=1)
        options.json.write_text(document + "\n", encoding="utf-8")
    return int(any(each.is_met is False for result in results for each in result.compared))


if __name__ == "__main__":
    sys.exit(main())
