"""Kill runs at random moments, finish them with `resume`, and see that nothing is lost.

    python tests/crash/crash.py --times 500 [--seed 1] [--jobs 200] [--workers 2] [--keep FOLDER]

runs a pipeline of 200 jobs over every file storage, undisturbed at first. Then, so many times and
each time anew, it kills the runner, a worker, the guardian, or the runner and a worker, and goes on
until the run is complete. A part of the resumed runs are killed as well; some of the runs may not
write large files, as on a full disk; and some are resumed with a clock that was set back. It prints
how much of what there was, and what went wrong. tests/test_crash.py does a few.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import resource
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs

from runner.processes import started

WIDTH: Final = 20
"""Jobs of a layer."""
STORAGES: Final = {
    "pickle": "",
    "json": "",
    "csv": 'exposed_type = "records"',
    "in_memory": "",
    "parquet": 'exposed_type = "records"',
    "excel": 'exposed_type = "records"',
    "folder": 'storage_type = "parquet"\nexposed_type = "records"\npartition_cols = ["text"]',
}
"""What else is said of a data node, by storage type; `folder` is parquet in a folder."""
ENDINGS: Final = {
    "pickle": "p",
    "json": "json",
    "csv": "csv",
    "parquet": "parquet",
    "excel": "xlsx",
    "folder": "parquet",
}
VICTIMS: Final = ("runner", "worker", "guardian", "runner and worker")
MARK: Final = "RUNNER_CRASH_TEST"
"""The variable by which the processes of a round are known."""
HANG: Final = 60
"""Seconds after which a run counts as stuck."""
TOLD_EVERY: Final = 25
"""Rounds after which it is told how far it is."""
GRACE: Final = 5
"""Seconds in which the processes below a runner may end after it."""
PROBLEMS: Final = (
    "wrong data nodes",
    "jobs run again though recorded",
    "jobs lost",
    "stray processes",
    "left files",
    "left locks",
    "integrity failures",
    "bad ends",
)

STEPS: Final = '''\
import hashlib
import json
import os
from pathlib import Path

RAN = Path(__file__).parent / "ran"


def step(task, outputs, *inputs):
    """A table that depends on the inputs alone; each call is noted before it does anything."""
    descriptor = os.open(RAN / task, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, b".")
    os.close(descriptor)
    seed = hashlib.sha256((task + json.dumps(inputs, sort_keys=True)).encode()).digest()
    for _ in range(2000 + 40 * seed[0]):
        seed = hashlib.sha256(seed).digest()
    rows = 2000 if seed[1] < 20 else 1 + seed[1] % 30
    number = int.from_bytes(seed[:6], "big")
    table = [{"number": number + row, "text": f"x{seed.hex()}"} for row in range(rows)]
    return table if outputs == 1 else tuple(table[: row + 1] for row in range(outputs))


'''

CLOCK: Final = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define BACK 93784 /* a day, two hours and a bit */
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec -= BACK;
    return failed;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    if (clock_gettime(CLOCK_REALTIME, &found)) return -1;
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *to) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (to) *to = found.tv_sec;
    return found.tv_sec;
}
"""


# --- The pipeline


@attrs.frozen
class Task:
    """A task of the pipeline.

    Attributes:
        id: names it, and its function.
        inputs: ids of data nodes.
        outputs: storage types by the ids of data nodes.
    """

    id: str
    inputs: tuple[str, ...]
    outputs: Mapping[str, str]


def tasks_of(jobs: int) -> dict[str, Task]:
    """Layers of tasks that each read what two or three of the layer before have written."""
    tasks: dict[str, Task] = {}
    above: list[str] = []
    for number in range(jobs):
        layer, column = divmod(number, WIDTH)
        if column == 0:
            above = [f"d{each}" for each in range(max(0, number - WIDTH), number)]
        name = f"t{number}"
        inputs = (
            tuple(
                dict.fromkeys(
                    above[(column * step + layer) % WIDTH] for step in (1, 3, 7)[: 2 + layer % 2]
                )
            )
            if above
            else ()
        )
        outputs = {f"d{number}": [*STORAGES][(number + layer) % len(STORAGES)]}
        if number % 7 == 3:
            outputs[f"e{number}"] = [*STORAGES][number % 3]
        tasks[name] = Task(name, inputs, outputs)
    return tasks


def write_pipeline(folder: Path, tasks: Mapping[str, Task]) -> None:
    lines, steps = [], [STEPS]
    for task in tasks.values():
        for node, storage in task.outputs.items():
            kind = [] if "storage_type" in STORAGES[storage] else [f'storage_type = "{storage}"']
            lines += [f"[DATA_NODE.{node}]", *kind, STORAGES[storage]]
        lines += [f"[TASK.{task.id}]", f'function = "steps.{task.id}"']
        lines += [f"inputs = {json.dumps(task.inputs)}", f"outputs = {json.dumps([*task.outputs])}"]
        names = ", ".join(task.inputs)
        more = f", {names}" if names else ""
        steps.append(
            f"def {task.id}({names}):\n"
            f'    return step("{task.id}", {len(task.outputs)}{more})\n\n\n'
        )
    folder.mkdir()
    for name in ("ran", "tmp"):
        (folder / name).mkdir()
    (folder / "runner.toml").write_text("\n".join(lines), encoding="utf-8")
    (folder / "steps.py").write_text("".join(steps), encoding="utf-8")


def _rows_of_parquet(path: Path) -> Any:
    from pyarrow import parquet

    return parquet.read_table(path, memory_map=False).to_pylist()


def _rows_of_excel(path: Path) -> Any:
    from python_calamine import CalamineWorkbook

    return CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()


READERS: Final[Mapping[str, Callable[[Path], Any]]] = {
    "pickle": lambda path: pickle.loads(path.read_bytes()),
    "parquet": _rows_of_parquet,
    "folder": _rows_of_parquet,
    "excel": _rows_of_excel,  # of which the bytes tell when it was made
}
"""How a value is read; of other storage types the bytes are compared."""


def values_in(folder: Path, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """What data nodes that are files hold; those without a file, or half of one, are not there."""
    values = {}
    for task in tasks.values():
        for node, storage in task.outputs.items():
            if storage in ENDINGS:
                file = folder / ".runner/data/scenarios/default" / f"{node}.{ENDINGS[storage]}"
                with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
                    values[node] = READERS.get(storage, Path.read_bytes)(file)
    return values


def ran_in(folder: Path) -> Counter[str]:
    """How often each task has been called."""
    return Counter({file.name: file.stat().st_size for file in (folder / "ran").iterdir()})


# --- What a run has recorded


@attrs.frozen
class Recorded:
    """What the store says, read from a copy: to open it would mend what a killed run has left."""

    runs: tuple[str, ...]
    done: frozenset[str]
    locks: int
    integrity: str


def recorded_in(folder: Path) -> Recorded:
    storage = folder / ".runner"
    if not (storage / "runner.db").exists():
        return Recorded((), frozenset(), 0, "ok")
    with tempfile.TemporaryDirectory(dir=folder.parent) as copy:
        for name in ("runner.db", "runner.db-wal"):
            with suppress(FileNotFoundError):
                shutil.copy(storage / name, copy)
        with closing(sqlite3.connect(Path(copy) / "runner.db")) as store:
            runs = store.execute("SELECT status FROM runs ORDER BY number").fetchall()
            done = store.execute("SELECT task FROM jobs WHERE status IN ('COMPLETED', 'SKIPPED')")
            return Recorded(
                tuple(status for (status,) in runs),
                frozenset(task for (task,) in done),
                store.execute("SELECT count(*) FROM locks").fetchone()[0],
                store.execute("PRAGMA integrity_check").fetchone()[0],
            )


def due_again(tasks: Mapping[str, Task], done: frozenset[str]) -> set[str]:
    """The tasks that may run: those not done, and those that held in memory what these read."""
    producers = {node: task.id for task in tasks.values() for node in task.outputs}
    due: set[str] = set()
    for task in reversed(list(tasks.values())):
        if task.id not in done:
            due.add(task.id)
        if task.id in due:
            makers = [(tasks[producers[node]], node) for node in task.inputs]
            due |= {maker.id for maker, node in makers if maker.outputs[node] == "in_memory"}
    return due


# --- Processes


def marked(mark: str) -> dict[int, str]:
    """The processes of a round, and what they are."""
    found = {}
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = _kind((entry / "cmdline").read_bytes())
    return found


def _kind(command: bytes) -> str:
    if b"guardian.main()" in command:
        return "guardian"
    return "runner" if b"-m\0runner" in command else "worker"


def still_there(mark: str, seconds: float) -> dict[int, str]:
    """The processes of a round that have not ended after so long."""
    deadline = time.monotonic() + seconds
    while left := marked(mark):
        poll = select.poll()
        descriptors = []
        for pid in left:
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(pid))
                poll.register(descriptors[-1], select.POLLIN)
        rest = deadline - time.monotonic()
        if descriptors and rest > 0:
            poll.poll(rest * 1000)
        for each in descriptors:
            os.close(each)
        if rest <= 0:
            return left
    return {}


@attrs.frozen
class Ended:
    """How a command ended; `hit` says whether it was there to be killed."""

    code: int | None
    err: str
    hit: bool


@attrs.define
class Shot:
    """Who is killed, and when: so many seconds after so many jobs have been begun."""

    victim: str
    after: float
    calls: int = 0


@attrs.define(kw_only=True)
class Round:
    """One pipeline, killed and resumed.

    Attributes:
        folder: its own.
        mark: of its processes.
        random: says what happens.
        tasks: of the pipeline.
        workers: how many.
        found: problems, each of a kind.
        log: what was done.
    """

    folder: Path
    mark: str
    random: Random
    tasks: Mapping[str, Task]
    workers: int
    found: list[tuple[str, str]] = attrs.field(factory=list)
    log: list[str] = attrs.field(factory=list)

    def command(
        self, *arguments: str, shot: Shot | None = None, limit: int = 0, clock: Path | None = None
    ) -> Ended:
        """Run the command line to its end, whoever brings that about."""
        environ = {**os.environ, MARK: self.mark, "TMPDIR": str(self.folder / "tmp")}
        if clock is not None:
            environ["LD_PRELOAD"] = str(clock)

        def limited() -> None:
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        with tempfile.TemporaryFile(dir=self.folder.parent) as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "runner", *arguments, "-q", "-j", str(self.workers)],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
                preexec_fn=limited,  # noqa: PLW1509 - there are no threads here
            )
            hit = shot is not None and self._fire(process, shot)
            try:
                code = process.wait(HANG)
            except subprocess.TimeoutExpired:
                code = None
                for pid in marked(self.mark):
                    _kill(pid)
                process.wait()
            err.seek(0)
            told = err.read().decode()
        self.log.append(f"{' '.join(arguments)} {shot} limit={limit} hit={hit} -> {code}\n{told}")
        if code is None:
            self.found.append(("bad ends", "it was stuck"))
        elif code == 5 or "internal error" in told or ": internal" in told:
            self.found.append(("bad ends", told))
        return Ended(code, told, hit)

    def shot(self, jobs: int, longest: float) -> Shot:
        """One that hits a run of so many jobs somewhere, mostly while they run."""
        victim = self.random.choice(VICTIMS)
        if jobs and self.random.random() < 0.8:
            return Shot(victim, self.random.uniform(0, 0.01), self.random.randint(1, jobs))
        return Shot(victim, self.random.uniform(0, longest))

    def _fire(self, process: subprocess.Popen[bytes], shot: Shot) -> bool:
        """Kill who is to be killed; whether that one was there."""
        wanted = shot.calls + sum(ran_in(self.folder).values()) if shot.calls else 0
        deadline = time.monotonic() + HANG
        while sum(ran_in(self.folder).values()) < wanted and time.monotonic() < deadline:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.005)
                return False
        with suppress(subprocess.TimeoutExpired):
            process.wait(shot.after)
            return False
        there = marked(self.mark)
        pids = [process.pid] if "runner" in shot.victim else []
        for kind in ("worker", "guardian"):
            some = sorted(pid for pid, each in there.items() if each == kind)
            if kind in shot.victim and some:
                pids.append(self.random.choice(some))
        self.random.shuffle(pids)
        return sum(map(_kill, pids)) > 0

    def finish(self, *, again: float, longest: float, clock: Path | None) -> int:
        """Resume until it is complete, with a further kill now and then; how many there were."""
        kills = 0
        for _ in range(12):
            before, recorded = ran_in(self.folder), recorded_in(self.folder)
            shot = None
            if kills < 3 and self.random.random() < again:
                shot = self.shot(len(due_again(self.tasks, recorded.done)), longest)
            command = ["resume"] if recorded.runs else ["execute"]
            ended = self.command(*command, "--mode", "standalone", shot=shot, clock=clock)
            kills += ended.hit
            due = due_again(self.tasks, recorded.done)
            for task in sorted(set(self.tasks) - due):
                if ran_in(self.folder)[task] != before[task]:
                    self.found.append(("jobs run again though recorded", task))
            if ended.code == 0:
                return kills
            if recorded.runs and recorded.runs[-1] == "COMPLETED":
                if ended.code != 2 or "RUN703" not in ended.err:
                    self.found.append(("bad ends", f"{ended.code}, and nothing was left to do"))
                # it was killed between that and its end; the next run removes what it has left
                self.command("execute", "--mode", "standalone")
                return kills
            if not ended.hit and recorded.runs:
                self.found.append(("bad ends", f"resume ended with {ended.code}:\n{ended.err}"))
        self.found.append(("bad ends", "it was not complete after 12 times"))
        return kills

    def examine(self, golden: Mapping[str, Any]) -> None:
        """Look at all that is to be as if nothing had happened."""
        values, ran = values_in(self.folder, self.tasks), ran_in(self.folder)
        for node, value in golden.items():
            if node not in values or values[node] != value:
                self.found.append(("wrong data nodes", node))
        for pid, kind in still_there(self.mark, GRACE).items():
            self.found.append(("stray processes", f"{kind} {pid}"))
            _kill(pid)
        recorded = recorded_in(self.folder)
        for task in self.tasks:
            if not ran[task] or task not in recorded.done:
                self.found.append(("jobs lost", task))
        if recorded.integrity != "ok":
            self.found.append(("integrity failures", recorded.integrity))
        if recorded.locks:
            self.found.append(("left locks", f"{recorded.locks} rows"))
        for path in self._left():
            self.found.append(("left files", str(path)))

    def _left(self) -> Iterator[Path]:
        storage = self.folder / ".runner"
        yield from (self.folder / "tmp").iterdir()
        yield from _values_in_memory()
        for path in storage.rglob("*"):
            place = path.relative_to(storage).parts
            is_temporary = path.name.endswith((".tmp", ".new"))
            if is_temporary or (len(place) > 1 and place[0] in {"locks", "values"}):
                yield path


def _values_in_memory() -> Iterator[Path]:
    """The folders of large values that runners which do not live any more have left."""
    for path in Path("/dev/shm").glob("runner-*-*-*"):
        _, _, pid, start, *_ = path.name.split("-")
        if started(int(pid)) != start:
            yield path


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


# --- All of it


def built_clock(folder: Path) -> Path | None:
    """A library that sets back the clock of whoever loads it; None where none can be built."""
    compiler = shutil.which("cc")
    library = folder / "clock.so"
    if compiler is None:
        return None
    (folder / "clock.c").write_text(CLOCK, encoding="utf-8")
    build = [compiler, "-shared", "-fPIC", "-o", str(library), str(folder / "clock.c"), "-ldl"]
    if subprocess.run(build, capture_output=True, check=False).returncode:
        return None
    say = [sys.executable, "-c", "import time; print(time.time())"]
    environ = {**os.environ, "LD_PRELOAD": str(library)}
    told = subprocess.run(say, env=environ, capture_output=True, check=False).stdout
    return library if told and time.time() - float(told) > 90_000 else None


@attrs.define
class Outcome:
    """What there was, and what went wrong, each so many times."""

    counts: Counter[str] = attrs.field(factory=Counter)
    problems: Counter[str] = attrs.field(factory=Counter)


def crash(
    folder: Path, times: int, *, seed: int, jobs: int, workers: int, keep: Path | None = None
) -> Outcome:
    """So many rounds; always the same ones for a seed, but for how fast the machine is."""
    outcome, tasks = Outcome(), tasks_of(jobs)
    clock = built_clock(folder)
    if clock is None:
        print("no clock is set back: that takes a C compiler", flush=True)
    golden, longest = _undisturbed(folder, tasks, workers)
    for number in range(times):
        random = Random(f"{seed} {number}")
        mark = f"{os.getpid()}-{seed}-{number}"
        one = Round(
            folder=folder / f"round{number}", mark=mark, random=random, tasks=tasks, workers=workers
        )
        write_pipeline(one.folder, tasks)
        _play(one, outcome.counts, longest, clock)
        one.examine(golden)
        outcome.problems.update(kind for kind, _ in one.found)
        if (number + 1) % TOLD_EVERY == 0:
            done = f"{number + 1} rounds, {outcome.problems.total()} problems"
            print(done, file=sys.stderr, flush=True)
        if one.found:
            said = "\n".join(f"  {kind}: {what}" for kind, what in one.found[:8])
            print(f"round {number} of seed {seed}:\n{said}", flush=True)
            if keep is not None:
                shutil.copytree(one.folder, keep / f"{seed}-{number}", symlinks=True)
                (keep / f"{seed}-{number}.log").write_text("\n".join(one.log), encoding="utf-8")
        shutil.rmtree(one.folder)
    return outcome


def _undisturbed(
    folder: Path, tasks: Mapping[str, Task], workers: int
) -> tuple[dict[str, Any], float]:
    """The data nodes of a run that nobody disturbs, and how many seconds it takes."""
    one = Round(
        folder=folder / "golden",
        mark=f"{os.getpid()}-golden",
        random=Random(0),
        tasks=tasks,
        workers=workers,
    )
    write_pipeline(one.folder, tasks)
    begun = time.monotonic()
    ended = one.command("execute", "--mode", "standalone")
    seconds = time.monotonic() - begun
    assert ended.code == 0, ended.err
    golden = values_in(one.folder, tasks)
    one.examine(golden)
    assert not one.found, one.found
    assert set(ran_in(one.folder).values()) == {1}
    return golden, seconds


def _play(one: Round, counts: Counter[str], longest: float, clock: Path | None) -> None:
    """Kill it, let some of it fail for want of room, and finish it."""
    random = one.random
    kind = random.choice(("plain", "plain", "forkserver", "full disk", "clock set back"))
    if kind == "clock set back" and clock is None:
        kind = "plain"
    counts[f"rounds: {kind}"] += 1
    shot: Shot | None = one.shot(len(one.tasks), longest)
    more = ["--set", "JOB.start_method=forkserver"] if kind == "forkserver" else []
    limit = 2 ** random.randint(12, 20) if kind == "full disk" else 0
    if limit and random.random() < 0.6:
        shot = None
    ended = one.command("execute", "--mode", "standalone", *more, shot=shot, limit=limit)
    if shot is None:
        counts["runs on a full disk that failed"] += ended.code != 0
        if ended.code not in {0, 1, 4}:
            one.found.append(("bad ends", f"on a full disk: {ended.code}:\n{ended.err}"))
    else:
        counts["kills tried"] += 1
        counts["kills that hit while it ran"] += ended.hit
        counts[f"kills of {shot.victim}"] += ended.hit
    if random.random() < 0.5:  # else the resumed run meets what is left of the killed one
        still_there(one.mark, GRACE)
    recorded = recorded_in(one.folder)
    if ended.hit or "COMPLETED" not in recorded.runs:
        counts["runs resumed"] += recorded.runs == ("RUNNING",) or "FAILED" in recorded.runs
        counts["jobs that were recorded by then"] += len(recorded.done)
        back = clock if kind == "clock set back" else None
        counts["kills of resumed runs"] += one.finish(again=0.3, longest=longest, clock=back)


def _numbered(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number from 1")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=_numbered, default=500, help="rounds; 500")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=_numbered, default=200, help="of the pipeline; 200")
    parser.add_argument("--workers", type=_numbered, default=2)
    parser.add_argument("--keep", type=Path, help="an empty folder for the rounds that went wrong")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        outcome = crash(
            Path(folder),
            options.times,
            seed=options.seed,
            jobs=options.jobs,
            workers=options.workers,
            keep=options.keep,
        )
    for name, count in sorted(outcome.counts.items()):
        print(f"{count:7,}  {name}")
    for name in PROBLEMS:
        print(f"{outcome.problems[name]:7,}  {name}")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
