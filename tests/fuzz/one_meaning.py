"""Draw graphs, run each in development and in standalone mode, and see that both mean the same.

    python tests/fuzz/one_meaning.py --examples 500 [--seed 1] [--workers 4] [--start forkserver]

takes a way of standalone mode by turns unless one is named, tells how many graphs and jobs were
compared, and shows the smallest example that differs. tests/test_one_meaning.py runs a few.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

import attrs
import labour
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from runner.config.builder import ConfigBuilder
from runner.config.model import Config
from runner.config.references import FunctionRef
from runner.core import Core, Scenario, Submission
from runner.execution.failures import Failure
from runner.execution.lifecycle import JobStatus

Way: TypeAlias = tuple[int, str]
"""How many workers there are, and how they are started."""
WAYS: Final[Sequence[Way]] = [(n, start) for start in ("spawn", "forkserver") for n in (1, 2, 4)]

_PLAIN: Final = ["number", "long number", "half", "truth", "text", "list", "dict", "none"]
_LARGE: Final = ["large bytes", "large text", "large list"]
_ANY: Final = [*_PLAIN, *_LARGE, "rows", "tuple", "set", "bytes", "thing", "closure"]
_ARRAYS: Final = ["array", "large array"]
_TABLES: Final = ["rows", "frame"]
_TABULAR: Final = frozenset({"csv", "excel", "parquet"})
_REFUSED: Final = re.compile(r", which (cannot be copied|does not pickle): ")
"""What is said where an in_memory data node refuses a value: it is copied, or goes elsewhere."""
KINDS: Final[Mapping[str, int]] = {
    "plain": 8,
    "mutating": 4,
    "later": 2,
    "closed over": 2,
    "slow": 1,
    "noisy": 1,
}
"""What tasks do that come to their end, and how often beside each other."""
TROUBLE: Final = ("failing", "failing", "failing", "wrong_count", "generating")
CALM: Final = (2, 8, 30, 300)
"""One in so many tasks is in trouble."""


# --- What is drawn


@attrs.frozen(kw_only=True)
class Node:
    """A data node: keys are those of the TOML."""

    id: str
    keys: Mapping[str, Any]
    shape: str

    def __str__(self) -> str:
        return f"{self.id} {self.shape} {dict(self.keys)}"


@attrs.frozen(kw_only=True)
class Task:
    """A task: its first input, `told`, says the function how. Keys are further ones of the TOML."""

    id: str
    kind: str
    told: Mapping[str, Any]
    reads: Sequence[str]
    writes: Sequence[Node]
    keys: Mapping[str, Any]

    def __str__(self) -> str:
        reads, writes = ", ".join(self.reads), "; ".join(map(str, self.writes))
        return f"{self.id} {self.kind}({dict(self.told)}, {reads}) -> {writes} {dict(self.keys)}"


@attrs.frozen(kw_only=True)
class Graph:
    """A scenario."""

    form: str
    frequency: str | None
    sources: Sequence[Node]
    tasks: Sequence[Task]

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        head = f"{self.form} of {len(self.tasks)} tasks, {self.frequency}"
        printer.text("\n    ".join([head, *map(str, self.sources), *map(str, self.tasks)]))


@attrs.frozen(kw_only=True)
class Drawn:
    """Graphs that run at the same time, each `times` times."""

    graphs: Sequence[Graph]
    times: int


@attrs.frozen
class Palette:
    """What may occur in a graph: numpy and pandas take long to import; a worker, to replace."""

    arrays: bool
    pandas: bool
    replaces: bool
    dies: bool


@attrs.define
class Drawing:
    """Draws a graph with a source of chance, which may be one that can shrink what it gave."""

    random: Random
    palette: Palette
    name: str
    calm: int

    def graph(self, size: int, form: str) -> Graph:
        sources = [self.node(f"{self.name}_in{n}", first=True) for n in range(self.upto(2) + 1)]
        tasks: list[Task] = []
        for number in range(size):
            tasks.append(self.task(number, size, form, sources, tasks))
        frequency = self.one_of([None, None, "DAILY", "MONTHLY"])
        return Graph(form=form, frequency=frequency, sources=sources, tasks=tasks)

    def task(
        self, number: int, size: int, form: str, sources: Sequence[Node], before: Sequence[Task]
    ) -> Task:
        name = f"{self.name}_t{number}"
        kind = self.kind()
        count = self.one_of([1, 1, 1, 2, 3, 0]) if kind != "wrong_count" else 2
        if form == "chain":
            count = max(count, 1)
        writes = [self.node(f"{name}_o{n}") for n in range(count)]
        told = {
            "task": name,
            "shapes": [node.shape for node in writes] or ["number"],
            "seconds": self.one_of([0.0, 0.002, 0.01]),
            "fails": self.one_of([1, 2, 99]),
            "how": self.one_of(labour.HOW),
        }
        return Task(
            id=name,
            kind=kind,
            told=told,
            reads=self.reads(number, size, form, sources, before),
            writes=writes,
            keys=self.task_keys(kind),
        )

    def kind(self) -> str:
        kinds: Sequence[str] = [kind for kind, often in KINDS.items() for _ in range(often)]
        if self.palette.replaces and not self.upto(9):
            kinds = ["hanging"]
        elif self.palette.dies and not self.upto(3):
            kinds = ["dying"]
        elif not self.upto(self.calm):
            kinds = TROUBLE
        return str(self.one_of(kinds))

    def task_keys(self, kind: str) -> dict[str, Any]:
        keys: dict[str, Any] = {}
        if kind == "hanging":
            keys["timeout"] = timedelta(milliseconds=50)
        elif not self.upto(5):
            keys["timeout"] = "60s"
        if self.upto(2) == 0 or (kind == "failing" and self.upto(3)):
            keys["retries"] = 1 if kind == "hanging" else self.one_of([1, 2])
            keys["retry_delay"] = timedelta(milliseconds=self.upto(2))
        if not self.upto(4):
            keys["skippable"] = True
        return keys

    def reads(
        self, number: int, size: int, form: str, sources: Sequence[Node], before: Sequence[Task]
    ) -> list[str]:
        written = [[node.id for node in task.writes] for task in before]
        ids = [each.id for each in sources]
        last = [written[-1]] if written else []
        match form:
            case "chain":
                there = last
            case "fan":  # one, many, one
                there = [] if not number else written[1:] if number == size - 1 else written[:1]
            case "diamonds":
                there = last if number % 4 != 3 else written[-2:]
                there = written[-number % 4 - 1 :][:1] if number % 4 in (1, 2) else there
            case "wide":
                there = []
            case _:
                there = [self.one_of(written) for _ in range(self.upto(3))] if written else []
        found = [self.one_of(each) for each in there if each]
        more = [self.one_of(ids)] if not found or not self.upto(4) else []
        if form == "chain" and found:
            more = []
        return [*found, *more]

    def node(self, name: str, *, first: bool = False) -> Node:
        tabular = ["csv", "excel", "parquet"] if self.palette.pandas else ["csv"]
        kept = [*["in_memory", "pickle"] * len(tabular) * 2, *["json"] * len(tabular), *tabular]
        storage = self.one_of(kept)
        keys: dict[str, Any] = {"storage_type": storage}
        if self.one_of([False, False, True]):
            keys["scope"] = self.one_of(["SCENARIO", "CYCLE", "GLOBAL"])
        shapes = list(_PLAIN)
        if storage in tabular:
            if storage == "excel":
                keys["sheet_name"] = "table"
            keys["exposed_type"] = self.one_of(
                ["records", "pandas"] if self.palette.pandas else ["records"]
            )
            shapes = _TABLES if self.palette.pandas else ["rows"]
        elif storage != "json":
            shapes = [*_ANY, *(_ARRAYS if self.palette.arrays else ())]
            shapes += _TABLES if self.palette.pandas else ()
        elif not self.upto(3):
            shapes = ["rows", "large text", "large list"]
        shape = self.one_of(shapes)
        if not first and not self.upto(4 * self.calm):  # what the storage may refuse
            shape = self.one_of(["set", "thing", "number"])
        if first or not self.upto(7):
            keys["default_data"] = self.default(storage, shape)
        return Node(id=name, keys=keys, shape=shape)

    def default(self, storage: str, shape: str) -> Any:
        if storage in _TABULAR or not self.upto(4):
            return FunctionRef("labour.first_rows")
        given = ["number", "half", "text", "list", "dict", "rows"]
        return labour.SHAPES[shape if shape in given else self.one_of(given)](self.upto(99))

    def one_of(self, choices: Sequence[Any]) -> Any:
        return choices[self.upto(len(choices) - 1)]

    def upto(self, most: int) -> int:
        return self.random.randint(0, most)


FORMS: Final = ("chain", "fan", "diamonds", "random", "wide")
MANY: Final = 15
"""Tasks from which on a graph is made of one number, as so many draws could not be remembered."""


@st.composite
def graphs(draw: st.DrawFn, name: str, palette: Palette, sizes: Sequence[int]) -> Graph:
    """A graph whose names begin with that one."""
    size = draw(st.integers(1, 8) | st.sampled_from(sizes))
    form = draw(st.sampled_from(FORMS))
    if size > MANY:
        random = Random(draw(st.integers(0, 2**32)))
        palette = attrs.evolve(palette, replaces=False)
    else:
        random = draw(st.randoms(use_true_random=False))
    return Drawing(random, palette, name, draw(st.sampled_from(CALM))).graph(size, form)


@st.composite
def examples(draw: st.DrawFn, *, dies: bool = False) -> Drawn:
    """What one comparison is of."""
    has_pandas = importlib.util.find_spec("pandas") is not None
    palette = Palette(
        arrays=importlib.util.find_spec("numpy") is not None and draw(st.booleans()),
        pandas=has_pandas and not draw(st.integers(0, 7)),
        replaces=not dies and draw(st.integers(0, 3)) == 3,
        dies=dies,
    )
    count = draw(st.integers(1, 3 if dies else 6))
    sizes = [3] if dies else [15, 40, 120, 200] if count < 3 else [15, 30]
    return Drawn(
        graphs=[draw(graphs(f"g{number}", palette, sizes)) for number in range(count)],
        times=draw(st.sampled_from([1, 1, 2])),
    )


# --- What becomes of it


def config_of(drawn: Drawn, folder: Path, functions: Mapping[str, Any], **job: Any) -> Config:
    """The config of all its graphs, one scenario each."""
    builder = ConfigBuilder()
    builder.configure_job_executions(**job)
    for number, graph in enumerate(drawn.graphs):
        for node in (*graph.sources, *(each for task in graph.tasks for each in task.writes)):
            builder.configure_data_node(node.id, **node.keys)
        for task in graph.tasks:
            told = builder.configure_data_node(
                f"{task.id}_told", _told_in(task), default_data=dict(task.told)
            )
            builder.configure_task(
                task.id,
                functions.get(task.kind, f"labour.{task.kind}"),
                [told, *task.reads],
                [node.id for node in task.writes],
                **task.keys,
            )
        keys = {"frequency": graph.frequency} if graph.frequency else {}
        builder.configure_scenario(f"s{number}", [task.id for task in graph.tasks], **keys)
    return attrs.evolve(builder.build(environ={}), application_path=folder)


def _told_in(task: Task) -> str:
    return ("in_memory", "pickle", "json")[len(task.id) % 3]


@attrs.frozen
class Result:
    """What became of a run of one graph.

    Attributes:
        submissions: how each ended.
        jobs: how each of them ended, by times and task: status, attempts, failure.
        values: of each data node, what tells its value from others; None where it has none.
    """

    submissions: Sequence[str]
    jobs: Mapping[tuple[int, str], tuple[str, int, Failure | None]]
    values: Mapping[str, str | None]


def run_in_development(drawn: Drawn, folder: Path, functions: Mapping[str, Any]) -> list[Result]:
    """The results of all graphs, run one after the other."""
    config = config_of(drawn, folder, functions, mode="development")
    with _counted(folder), _silent(), Core(config) as core:
        scenarios = [core.create_scenario(f"s{number}") for number in range(len(drawn.graphs))]
        submissions = [[each.submit() for each in scenarios] for _ in range(drawn.times)]
        return _results(scenarios, submissions, folder)


def run_in_standalone(
    drawn: Drawn, folder: Path, functions: Mapping[str, Any], way: Way
) -> list[Result]:
    """The results of all graphs, run at the same time."""
    workers, start = way
    job = {"mode": "standalone", "max_nb_of_workers": workers, "start_method": start}
    with _counted(folder), Core(config_of(drawn, folder, functions, **job)) as core:
        scenarios = [core.create_scenario(f"s{number}") for number in range(len(drawn.graphs))]
        submissions = []
        for _ in range(drawn.times):
            submissions.append([each.submit() for each in scenarios])
            for each in submissions[-1]:
                each.wait(120)
                assert each.is_over, f"{each} hangs"
        return _results(scenarios, submissions, folder)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what jobs print off the terminal, as workers do."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


@contextmanager
def _counted(folder: Path) -> Iterator[None]:
    """Count attempts in a folder, which is where the application is as well."""
    marks = folder / "marks"
    marks.mkdir(parents=True)
    os.environ[labour.MARKS] = str(marks)
    try:
        yield
    finally:
        del os.environ[labour.MARKS]


def _results(
    scenarios: Sequence[Scenario], submissions: Sequence[Sequence[Submission]], folder: Path
) -> list[Result]:
    return [
        _result(scenario, [each[number] for each in submissions], folder)
        for number, scenario in enumerate(scenarios)
    ]


def _result(scenario: Scenario, submissions: Sequence[Submission], folder: Path) -> Result:
    jobs = {}
    for times, submission in enumerate(submissions):
        failed = {job.task for job in submission.jobs if job.status is JobStatus.FAILED}
        for job in submission.jobs:
            failure = job.failure
            if failure and job.status is JobStatus.ABANDONED:
                # of several that failed, the first in time is named
                assert failure.message.removesuffix(" failed") in failed
                failure = attrs.evolve(failure, message="")
            jobs[times, job.task] = (str(job.status), job.attempts, _anywhere(failure, folder))
        assert submission.status in ("COMPLETED", "FAILED"), submission
        assert len(submission.jobs) == len(submission.plan.jobs)
    values = {
        node.id: labour.digest(node.read()) if node.is_written else None
        for node in scenario.data_nodes.values()
    }
    return Result([str(each.status) for each in submissions], jobs, values)


def _anywhere(failure: Failure | None, folder: Path) -> Failure | None:
    """The failure as it would be told of a run in another folder."""
    if failure is None:
        return None
    told: dict[str, Any] = {
        name: _REFUSED.sub(", refused: ", text.replace(str(folder), ""))
        for name, text in attrs.asdict(failure).items()
        if isinstance(text, str)
    }
    if failure.code == "RUN606":
        told["hint"] = ""
    return attrs.evolve(failure, **told)


# --- What has to be the same


def compare(drawn: Drawn, way: Way, folder: Path) -> Counter[str]:
    """Run in both modes and refuse any difference; how much was compared."""
    closures = {"closed over": labour.closed_over(7)}
    wanted = run_in_development(drawn, _new(folder / "development"), closures)
    found = run_in_standalone(drawn, _new(folder / "standalone"), closures, way)
    _refuse_differences(wanted, found)
    return _counts(wanted)


def compare_dying(drawn: Drawn, way: Way, folder: Path) -> Counter[str]:
    """The same of jobs that end their worker, beside such that raise instead."""
    closures = {"closed over": labour.closed_over(7)}
    in_development = {**closures, "dying": "labour.like_dying"}
    wanted = run_in_development(drawn, _new(folder / "development"), in_development)
    found = run_in_standalone(drawn, _new(folder / "standalone"), closures, way)
    dying = {task.id for graph in drawn.graphs for task in graph.tasks if task.kind == "dying"}
    lost = Failure(code="RUN603", type="", message="its worker exited with code 3")
    wanted = [
        attrs.evolve(
            each,
            jobs={
                (times, task): (
                    status,
                    attempts,
                    lost if _raised(failure, task, dying) else failure,
                )
                for (times, task), (status, attempts, failure) in each.jobs.items()
            },
        )
        for each in wanted
    ]
    _refuse_differences(wanted, found)
    return _counts(wanted)


def _raised(failure: Failure | None, task: str, dying: Container[str]) -> bool:
    return failure is not None and failure.code == "RUN601" and task in dying


def _new(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _refuse_differences(wanted: Sequence[Result], found: Sequence[Result]) -> None:
    for number, (one, other) in enumerate(zip(wanted, found, strict=True)):
        told = []
        for name in ("jobs", "values"):
            of_one, of_other = getattr(one, name), getattr(other, name)
            for key in sorted({*of_one, *of_other}, key=str):
                if of_one.get(key) != of_other.get(key):
                    told.append(f"{key}:\n  {of_one.get(key)}\n  {of_other.get(key)}")
        assert not told, f"scenario s{number}: development, standalone:\n" + "\n".join(told)
        assert one == other


def _counts(results: Sequence[Result]) -> Counter[str]:
    counts = Counter(graphs=len(results))
    for result in results:
        counts["data nodes"] += len(result.values)
        for status, attempts, failure in result.jobs.values():
            counts["jobs"] += 1
            counts[status] += 1
            counts["retried"] += attempts > 1
            if failure:
                counts[failure.code] += 1
    return counts


def look(
    what: Callable[[Drawn, Way, Path], Counter[str]],
    strategy: st.SearchStrategy[Drawn],
    ways: Sequence[Way],
    *,
    count: int,
    chance: int | None = None,
    shrinks: bool = False,
) -> Counter[str]:
    """Compare so many examples, and refuse the first that differs; how much was compared.

    Args:
        what: compares one.
        strategy: draws them.
        ways: of standalone mode; each example takes one of them.
        count: how many examples.
        chance: examples of one number are always the same; None: other ones each time.
        shrinks: whether to look for a smaller one that differs, which takes long.
    """
    totals = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:

        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn=strategy, way=st.sampled_from(ways))
        def each(drawn: Drawn, way: Way) -> None:
            totals.update(what(drawn, way, Path(folder)))

        (each if chance is None else seed(chance)(each))()
    return totals


# --- The script


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--examples", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--start", choices=["spawn", "forkserver"])
    parser.add_argument("--shrink", action="store_true", help="look for a smaller example")
    options = parser.parse_args()
    ways = [
        (workers, start)
        for workers, start in WAYS
        if options.workers in (None, workers) and options.start in (None, start)
    ]
    begun = time.monotonic()
    totals = Counter[str]()
    for what, strategy in ((compare, examples()), (compare_dying, examples(dies=True))):
        totals += look(
            what,
            strategy,
            ways,
            count=options.examples,
            chance=options.seed,
            shrinks=options.shrink,
        )
    for name, number in totals.items():
        print(f"{name:12} {number:9,}")
    print(f"in {time.monotonic() - begun:.0f} s, seed {options.seed}: no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
