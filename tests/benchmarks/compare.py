"""How long runner takes, against the least that Python needs for the same and against peers.

    python tests/benchmarks/compare.py [--case NAME]... [--quick] [--json FILE]

A side is one way to do a case's work. After a round that does not count, each side is measured in
each of five rounds, one after the other (A B A B ...), each time in a process of its own, so that
nobody finds memory or caches warm. A ratio is that of the medians. All sides have the same
interpreter, environment, file system and garbage collector, and bytecode that the round that does
not count has compiled, as pip does it. Sides that do the same work must come to the same answer.

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

`TMPDIR` says on which file system. With --quick everything is tiny and nothing is judged.
Ends with 1 where a bound is not met.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import attrs
import configs
from measured import Sample

ROUNDS = (False, True, True, True, True, True)
"""Which rounds count."""
QUICK_ROUNDS = (True,)
SCRIPT = Path(sysconfig.get_path("scripts")) / "runner"
MEASURED = Path(__file__).with_name("measured.py")

Run: TypeAlias = Callable[[Path, int, Mapping[str, str]], Sample]


@attrs.frozen(kw_only=True)
class Side:
    """One way to do a case's work.

    Attributes:
        label: as printed.
        run: does it once, given a pipeline's folder, its tasks' number and the environment.
        write: makes that folder; None: any will do.
        count: how many tasks.
        needs: a module without which it is left out; empty: none.
        keeps: whether it finds the storage folder that the side before it has left.
    """

    label: str
    run: Run
    write: Callable[[Path, int], None] | None = None
    count: int = 0
    needs: str = ""
    keeps: bool = False

    @property
    def is_here(self) -> bool:
        return not self.needs or importlib.util.find_spec(self.needs) is not None


@attrs.frozen(kw_only=True)
class Case:
    """What is compared.

    Attributes:
        name: for `--case`.
        title: as printed.
        ours, other: the two sides.
        most: how many times the other's time ours may be; None: it is only told.
    """

    name: str
    title: str
    ours: Side
    other: Side
    most: float | None


@attrs.frozen(kw_only=True)
class Result:
    """What came out. `seconds` are medians by label; the ratio is None where a side is left out."""

    case: Case
    seconds: Mapping[str, float]
    ratio: float | None
    is_judged: bool

    @property
    def is_met(self) -> bool | None:
        if self.ratio is None or self.case.most is None or not self.is_judged:
            return None
        return self.ratio <= self.case.most


def process(*command: str) -> Run:
    """A whole process, in the pipeline's folder."""

    def run(folder: Path, _count: int, environ: Mapping[str, str]) -> Sample:
        begun = perf_counter()
        subprocess.run(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, check=True)
        return Sample(perf_counter() - begun, None)

    return run


def inside(name: str) -> Run:
    """A part of a process: a function of `measured.py`."""

    def run(folder: Path, count: int, environ: Mapping[str, str]) -> Sample:
        command = [sys.executable, str(MEASURED), name, str(folder), str(count)]
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
        return Sample(**json.loads(done.stdout))

    return run


def python(imports: str) -> Side:
    code = f"import {imports}"
    return Side(label=f'python -c "{code}"', run=process(sys.executable, "-c", code))


def loading(count: int, label: str = "load and check", *, keeps: bool = False) -> Side:
    write = configs.write_layered
    return Side(label=label, run=inside("load"), write=write, count=count, keeps=keeps)


def in_layers(label: str, name: str, count: int, needs: str = "") -> Side:
    write = configs.write_layered
    return Side(label=label, run=inside(name), write=write, count=count, needs=needs)


def in_chain(label: str, name: str, count: int) -> Side:
    return Side(label=label, run=inside(name), write=configs.write_chain, count=count)


def cases(small: int, large: int) -> list[Case]:
    """All cases, with so many tasks where there are many."""
    layers = configs.write_layered
    return [
        Case(
            name="help",
            title="runner --help, whole process",
            ours=Side(label="runner --help", run=process(str(SCRIPT), "--help")),
            other=python("click"),
            most=1.6,
        ),
        Case(
            name="check",
            title="runner check, 50 tasks, whole process",
            ours=Side(
                label="runner check", run=process(str(SCRIPT), "check"), write=layers, count=50
            ),
            other=python("click, attrs, cattrs, tomli"),
            most=2.0,
        ),
        Case(
            name="load",
            title=f"load and check, {small:,} tasks",
            ours=loading(small),
            other=in_layers("tomli.loads", "parse", small),
            most=2.5,
        ),
        Case(
            name="load-large",
            title=f"load and check, {large:,} tasks against {small:,}",
            ours=loading(large, f"{large:,} tasks"),
            other=loading(small, f"{small:,} tasks"),
            most=12.0,
        ),
        Case(
            name="load-again",
            title=f"load and check, {small:,} tasks, the same file again",
            ours=loading(small, "again", keeps=True),
            other=loading(small, "the first time"),
            most=0.4,
        ),
        Case(
            name="run",
            title=f"run {small:,} jobs of a + b in memory, development",
            ours=in_layers("submit", "submit", small),
            other=in_layers("Hamilton, execute", "hamilton_execute", small, "hamilton"),
            most=0.8,
        ),
        Case(
            name="run-whole",
            title=f"compile and run {small:,} jobs of a + b in memory, development",
            ours=in_layers("create_scenario, submit", "create_and_submit", small),
            other=in_layers(
                "Hamilton, build, execute", "hamilton_build_and_execute", small, "hamilton"
            ),
            most=None,
        ),
        Case(
            name="chain",
            title=f"run a chain of {small:,} jobs, each value in a pickle file, development",
            ours=in_chain("submit", "submit_chain", small),
            other=in_chain("pickle, rename, unpickle", "pickle_loop", small),
            most=2.0,
        ),
    ]


def compare(case: Case, folder: Path, rounds: Sequence[bool], environ: Mapping[str, str]) -> Result:
    """Measure both sides in turn."""
    sides = [case.other, case.ours]  # in this order, since ours may go on where the other ended
    present = [side for side in sides if side.is_here]
    taken: dict[str, list[float]] = {side.label: [] for side in present}
    for counts in rounds:
        answers = []
        for side in present:
            sample = side.run(_prepared(side, folder), side.count, environ)
            answers.append((side.count, sample.answer))
            if counts:
                taken[side.label].append(sample.seconds)
        assert len(set(answers)) == len({count for count, _ in answers}), answers
    seconds = {label: statistics.median(each) for label, each in taken.items()}
    both = len(present) == len(sides)
    ratio = seconds[case.ours.label] / seconds[case.other.label] if both else None
    return Result(case=case, seconds=seconds, ratio=ratio, is_judged=rounds is ROUNDS)


def _prepared(side: Side, folder: Path) -> Path:
    """The side's pipeline, and nothing left there by others but what the side may find."""
    if side.write is None:
        return folder
    pipeline = folder / f"{side.write.__name__}_{side.count}"
    if not pipeline.exists():
        side.write(pipeline, side.count)
    for left in ("loop",) if side.keeps else ("loop", ".runner"):
        if (pipeline / left).exists():
            # Not removed: where many files were just removed, ext4 takes long to make new ones.
            (pipeline / left).rename(Path(tempfile.mkdtemp(dir=folder)) / left)
    return pipeline


def _environ(bytecode: Path | None) -> dict[str, str]:
    """Ours, less what would change a measurement, and with a folder to keep bytecode in."""
    left_out = ("PYTHON", "RUNNER_", "TAIPY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept if bytecode is None else {**kept, "PYTHONPYCACHEPREFIX": str(bytecode)}


def _versions() -> dict[str, str]:
    named = ("toml-runner", "tomli", "attrs", "cattrs", "click", "apache-hamilton")
    found = {}
    for name in named:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _machine() -> str:
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _show(result: Result) -> None:
    case = result.case
    print(f"\n{case.name}: {case.title}")
    for label, seconds in result.seconds.items():
        print(f"  {label:<42} {seconds * 1e3:>10,.1f} ms")
    if result.ratio is None:
        print(f"  left out: {case.other.needs} is not installed")
        return
    print(f"  {'ratio':<42} {result.ratio:>10.2f} x   {_verdict(result)}", flush=True)


def _verdict(result: Result) -> str:
    if result.case.most is None:
        return "no bound"
    words = {True: "met", False: "NOT MET", None: "not judged"}
    return f"at most {result.case.most:g} x: {words[result.is_met]}"


def _document(results: Sequence[Result]) -> dict[str, Any]:
    return {
        "machine": _machine(),
        "versions": _versions(),
        "cases": [
            {
                "name": result.case.name,
                "title": result.case.title,
                "seconds": dict(result.seconds),
                "ratio": result.ratio,
                "most": result.case.most,
                "met": result.is_met,
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
    return int(any(result.is_met is False for result in results))


if __name__ == "__main__":
    sys.exit(main())
