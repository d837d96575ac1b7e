"""Disturb runs in cluster mode at random moments, and see that they end as if nothing had been.

    python tests/cluster/faults.py --rounds 300 [--seed 1] [--jobs 24] [--keep FOLDER]

starts a broker and two workers, and runs a pipeline so many times. In each round it does one to
three things to them at random moments: kills or stops a worker, cuts it or the run off from the
broker or lets their connections hang, for less or for more than the lease, restarts the broker or
makes it forget all, deletes queues, delivers messages twice, or kills the run and resumes it. It
prints how much of what there was, and what went wrong. tests/cluster/test_random.py does a few.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import amqp
import attrs
import brokers
import kombu
import machines
from machines import Command, Ground, layers

from runner.execution.cluster.link import Names

LEASE: Final = 1.5
HANG: Final = 60
"""Seconds after which a run counts as stuck."""
TOLD_EVERY: Final = 25
"""Rounds after which it is told how far it is."""
WORKERS: Final = ("a", "b")
PROBLEMS: Final = (
    "wrong data nodes",
    "jobs without a commit",
    "commits of attempts that did not count",
    "jobs run again though recorded",
    "bad ends",
    "workers that have ended by themselves",
)
WORK: Final = """\
    for _ in range(20_000):
        seed.update(seed.digest())
    return"""
"""Some milliseconds of it, so that there is something to disturb."""


@attrs.define(kw_only=True)
class Yard:
    """A broker, two workers and the ways to it.

    Attributes:
        ground: where the pipeline is.
        broker: of our own.
        ways: to it, of the workers and of the run.
        workers: that live, or ought to.
        random: says what happens.
        golden: the data nodes as they have to be.
        counts: what there was.
        found: problems of the round, each of a kind.
        log: what was done in it.
    """

    ground: Ground
    broker: brokers.Broker
    ways: Mapping[str, brokers.Proxy]
    random: Random
    golden: Mapping[str, Any]
    workers: dict[str, Command] = attrs.field(factory=dict)
    counts: Counter[str] = attrs.field(factory=Counter)
    found: list[tuple[str, str]] = attrs.field(factory=list)
    log: list[str] = attrs.field(factory=list)
    run: Command | None = None

    # A round

    def play(self) -> None:
        """Run the pipeline, disturb it, and look at what has come of it."""
        for folder in ("ran", "commits"):
            for file in (self.ground.folder / folder).iterdir():
                file.unlink()
        self.found.clear()
        self.log.clear()
        self.man()
        self.run = self.begin("execute", "--mode", "cluster", "-q")
        for _ in range(self.random.randint(1, 3)):
            self.disturb()
        self.finish()
        self.examine()

    def man(self) -> None:
        """See that all workers are there."""
        for name in WORKERS:
            worker = self.workers.get(name)
            if worker is not None and not worker.still_runs(0) and worker.process.returncode >= 0:
                self.found.append(("workers that have ended by themselves", worker.rest()))
            if worker is None or not worker.still_runs(0):
                self.workers[name] = self.ground.worker(self.ways[name].url, name)
                self.workers[name].read_on()

    def begin(self, *arguments: str) -> Command:
        return self.ground.command(*arguments, RUNNER_TEST_BROKER=self.ways["run"].url)

    def disturb(self) -> None:
        """Do one thing, some time after some job has begun."""
        fault = self.random.choice(list(FAULTS))
        wanted = self.random.randint(0, len(self.ground.tasks))
        if not self.comes_to(wanted):
            self.counts["faults that came too late"] += 1
            return
        assert self.run is not None, "it was begun"
        if not self.run.still_runs(self.random.uniform(0, 0.05)):
            self.counts["faults that came too late"] += 1
            return
        self.counts[f"faults: {fault}"] += 1
        self.counts["faults"] += 1
        before = time.monotonic()
        FAULTS[fault](self)
        took = time.monotonic() - before
        self.log.append(f"{time.time():.3f}: {fault} after {wanted} calls, {took:.2f} s")

    def comes_to(self, calls: int) -> bool:
        """Whether so many jobs have been begun before the run was over."""
        assert self.run is not None, "it was begun"
        end = time.monotonic() + HANG
        while self.ground.calls().total() < calls and time.monotonic() < end:
            if not self.run.still_runs(0.005):
                return False
        return self.run.still_runs(0)

    def finish(self) -> None:
        """Wait for the run, and resume it as often as it takes."""
        for _ in range(5):
            assert self.run is not None, "it was begun"
            self.man()
            if self.run.still_runs(HANG):
                self.found.append(("bad ends", "it was stuck"))
                self.run.kill()
            said = self.run.rest()
            code = self.run.process.returncode
            self.log.append(f"the run ends with {code}:\n{said}")
            if code == 0:
                return
            if code != -signal.SIGKILL:
                self.found.append(("bad ends", f"{code}: {said}"))
            calls = self.ground.calls()
            done = self.recorded() if self.has_run() else set()
            again = ["resume"] if self.has_run() else ["execute"]  # it was killed before it began
            self.counts["runs resumed"] += 1
            self.run = self.begin(*again, "--mode", "cluster", "-q")
            self.run.still_runs(HANG)
            for task in sorted(done):
                if self.ground.calls()[task] > calls[task]:
                    noted = [(name, self.ground.noted(name, task)) for name in ("ran", "commits")]
                    self.found.append(("jobs run again though recorded", f"{task}: {noted}"))
        self.found.append(("bad ends", "it was not complete after 5 times"))
        self.log += [f"worker {name} said:\n{each.text}" for name, each in self.workers.items()]
        assert self.run is not None, "it was begun"
        self.run.kill()  # it would keep the data nodes of the next round

    def has_run(self) -> bool:
        """Whether the store has a run that is to be resumed."""
        return self.rows("SELECT status FROM runs ORDER BY number DESC LIMIT 1") not in (
            [],
            ["COMPLETED"],
        )

    def recorded(self) -> set[str]:
        """The tasks that the store has as completed in the last run."""
        query = (
            "SELECT task FROM jobs WHERE status = 'COMPLETED'"
            " AND run = (SELECT id FROM runs ORDER BY number DESC LIMIT 1)"
        )
        return set(self.rows(query))

    def rows(self, query: str) -> list[str]:
        """Of a copy: to open the store would mend what a killed run has left."""
        with tempfile.TemporaryDirectory() as copy:
            for name in ("runner.db", "runner.db-wal"):
                with suppress(FileNotFoundError):
                    shutil.copy(self.ground.folder / ".runner" / name, copy)
            with closing(sqlite3.connect(Path(copy) / "runner.db")) as store:
                return [first for first, *_ in store.execute(query)]

    def examine(self) -> None:
        values = self.ground.values()
        for task in self.ground.tasks:
            name = task.id
            if values.get(name) != self.golden[name]:
                self.found.append(("wrong data nodes", name))
            calls, commits = self.ground.noted("ran", name), self.ground.noted("commits", name)
            self.counts["jobs"] += 1
            self.counts["jobs that were called again"] += len(calls) > 1
            if not commits:
                self.found.append(("jobs without a commit", name))
            self.counts["jobs that ran again since word of their end was lost"] += len(commits) > 1
            for commit in commits:
                own = max(
                    (
                        each.when
                        for each in calls
                        if each.process == commit.process and each.when <= commit.when
                    ),
                    default=0.0,
                )
                later = [each for each in calls if own < each.when < commit.when]
                # of one commit alone, the run has the end: a later call was of an earlier attempt,
                # of which the message was late, or of the same, of which the message came twice
                if later and len(commits) > 1:
                    what = f"{name}: calls {calls}, commits {commits}"
                    self.found.append(("commits of attempts that did not count", what))

    # What is done to them

    def pause(self) -> float:
        """Shorter or longer than the lease."""
        return self.random.choice((0.2, 0.6, 1.4, 2.5)) * LEASE * self.random.uniform(0.5, 1.2)

    def lull(self) -> None:
        """A time in which the run may end."""
        assert self.run is not None, "it was begun"
        self.run.still_runs(self.pause())

    def kill_worker(self) -> None:
        self.workers[self.random.choice(WORKERS)].kill()
        self.lull()
        self.man()

    def kill_all_workers(self) -> None:
        for each in self.workers.values():
            each.kill()
        self.lull()
        self.man()

    def end_worker(self) -> None:
        """It finishes what runs."""
        name = self.random.choice(WORKERS)
        worker = self.workers.pop(name)
        worker.terminate()
        self.man()
        if worker.still_runs(HANG):
            self.found.append(("bad ends", "a worker does not end"))
            worker.kill()

    def stop_worker(self) -> None:
        """As a machine that sleeps, and wakes up."""
        worker = self.workers[self.random.choice(WORKERS)]
        worker.process.send_signal(signal.SIGSTOP)
        self.lull()
        worker.process.send_signal(signal.SIGCONT)

    def stop_run(self) -> None:
        assert self.run is not None, "it was begun"
        self.run.process.send_signal(signal.SIGSTOP)
        time.sleep(self.pause())
        self.run.process.send_signal(signal.SIGCONT)

    def kill_run(self) -> None:
        assert self.run is not None, "it was begun"
        self.run.kill()

    def cut(self, *names: str) -> None:
        for name in names:
            self.ways[name].cut()
        self.lull()
        for name in names:
            self.ways[name].mend()

    def hang(self, *names: str) -> None:
        for name in names:
            self.ways[name].hang()
        self.lull()
        for name in names:
            self.ways[name].mend()

    def restart_broker(self) -> None:
        self.broker.stop()
        self.lull()
        self.broker.start()

    def forget(self) -> None:
        self.broker.reset()

    def delete_queues(self) -> None:
        names = Names(self.ground.queue)
        folder = self.ground.folder / ".runner/cluster"
        queues = [names.jobs, *(names.results(each.name) for each in folder.glob("*"))]
        self.random.shuffle(queues)
        with kombu.Connection(self.broker.url) as connection, connection.channel() as channel:
            for queue in queues[: self.random.randint(1, len(queues))]:
                channel.queue_delete(queue)

    def double(self) -> None:
        """Deliver what waits twice."""
        jobs = Names(self.ground.queue).jobs
        with kombu.Connection(self.broker.url) as connection, connection.channel() as channel:
            producer = connection.Producer()
            for _ in range(self.random.randint(1, 5)):
                try:
                    message = channel.basic_get(jobs, no_ack=True)
                except amqp.exceptions.NotFound:  # it was deleted just before
                    message = None
                if message is None:
                    self.counts["messages that were not there to be doubled"] += 1
                    return
                self.counts["messages that were doubled"] += 1
                for _ in range(2):
                    producer.publish(
                        message.body,
                        routing_key=jobs,
                        content_type=message.content_type,
                        content_encoding=message.content_encoding,
                        headers=message.headers,
                        correlation_id=message.properties["correlation_id"],
                    )


FAULTS: Final[Mapping[str, Callable[[Yard], None]]] = {
    "a worker is killed": Yard.kill_worker,
    "all workers are killed": Yard.kill_all_workers,
    "a worker is told to end": Yard.end_worker,
    "a worker is stopped for a while": Yard.stop_worker,
    "the run is stopped for a while": Yard.stop_run,
    "the run is killed": Yard.kill_run,
    "a worker is cut off": lambda yard: yard.cut(yard.random.choice(WORKERS)),
    "all workers are cut off": lambda yard: yard.cut(*WORKERS),
    "the run is cut off": lambda yard: yard.cut("run"),
    "a worker's connections hang": lambda yard: yard.hang(yard.random.choice(WORKERS)),
    "the run's connection hangs": lambda yard: yard.hang("run"),
    "the broker is restarted": Yard.restart_broker,
    "the broker forgets all": Yard.forget,
    "queues are deleted": Yard.delete_queues,
    "messages come twice": Yard.double,
}


# --- All of it


@attrs.define
class Outcome:
    """What there was, and what went wrong, each so many times."""

    counts: Counter[str] = attrs.field(factory=Counter)
    problems: Counter[str] = attrs.field(factory=Counter)


def disturb(
    folder: Path, rounds: int, *, seed: int, jobs: int, keep: Path | None = None
) -> Outcome:
    """So many rounds; the same ones for a seed, but for how fast the machine is."""
    outcome = Outcome()
    ground = Ground(folder / "ground", layers(jobs, 4), f"faults-{secrets.token_hex(4)}", LEASE)
    ground.write(steps=machines.STEPS.replace("    return", WORK, 1))
    (folder / "broker").mkdir()
    ways: dict[str, brokers.Proxy] = {}
    try:
        with brokers.own(folder / "broker") as broker:
            ways |= {name: brokers.Proxy(broker.port) for name in (*WORKERS, "run")}
            yard = Yard(
                ground=ground,
                broker=broker,
                ways=ways,
                random=Random(0),
                golden=_golden(ground),
                counts=outcome.counts,
            )
            for number in range(rounds):
                yard.random = Random(f"{seed} {number}")
                yard.play()
                _tell(yard, f"round {number} of seed {seed}", outcome, keep)
    finally:
        ground.close()
        for each in ways.values():
            each.close()
    return outcome


def _golden(ground: Ground) -> dict[str, Any]:
    other = Ground(ground.folder.with_name("golden"), ground.tasks, ground.queue)
    other.write(steps=machines.STEPS.replace("    return", WORK, 1))
    command = other.command("execute", "--mode", "development", RUNNER_TEST_BROKER="")
    assert command.end() == 0, command.text
    other.close()
    return other.values()


def _tell(yard: Yard, what: str, outcome: Outcome, keep: Path | None) -> None:
    outcome.counts["rounds"] += 1
    outcome.problems.update(kind for kind, _ in yard.found)
    if outcome.counts["rounds"] % TOLD_EVERY == 0:
        done = f"{outcome.counts['rounds']} rounds, {outcome.problems.total()} problems"
        print(done, file=sys.stderr, flush=True)
    if yard.found:
        said = "\n".join(f"  {kind}: {each}" for kind, each in yard.found[:8])
        print(f"{what}:\n{said}", flush=True)
        if keep is not None:
            log = "\n".join([*yard.log, said])
            (keep / f"{what}.log").write_text(log, encoding="utf-8")


def _numbered(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number from 1")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=_numbered, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=_numbered, default=24, help="of the pipeline; 24")
    parser.add_argument("--keep", type=Path, help="a folder for logs of rounds that went wrong")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        outcome = disturb(
            Path(folder),
            options.rounds,
            seed=options.seed,
            jobs=options.jobs,
            keep=options.keep,
        )
    for name, count in sorted(outcome.counts.items()):
        print(f"{count:7,}  {name}")
    for name in PROBLEMS:
        print(f"{outcome.problems[name]:7,}  {name}")
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
