"""Jobs on many machines, which take them from a broker.

    orchestrator          this module                    broker                cluster/service.py
    submit ──────► batches ──► link ──► sealed ──► queue of jobs ─────► a worker, and its processes
    wait   ◄── outcomes ◄── attempts ◄── opened ◄── queue of results ◄── begun, alive, did, refused
                                          sealed ──► queue of a worker ► kept
                                          sealed ──► exchange of all ──► dropped, over

A job that is handed out is an attempt, of which only the latest of a job counts (`attempts`). A
worker whose attempt does not count any more is told to drop it, and before that it cannot commit
(`permits`). So a message that is lost, comes twice or comes late does no harm, whatever the broker
did meanwhile.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from math import ceil
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, Final

import attrs

from runner.config.model import DataNodeConfig, JobConfig, TaskConfig
from runner.errors import SetupError
from runner.execution.cluster.attempts import MOST_LOSSES, Attempt, Attempts
from runner.execution.cluster.broker import broker_of
from runner.execution.cluster.link import Delivery, Link, Names
from runner.execution.cluster.sameness import Meaning, first_difference
from runner.execution.cluster.sealing import ForgedError, Seal, key_of
from runner.execution.cluster.sharing import leave_sign, remove_sign
from runner.execution.cluster.talk import (
    Attempted,
    Ended,
    Job,
    Owner,
    Versions,
    jobs_message,
    read_attempts,
    read_ended,
    read_failure,
    read_part,
    read_reply,
    read_versions,
)
from runner.execution.errands import Errands
from runner.execution.executor import Source, Work
from runner.execution.failures import Failure
from runner.execution.instance import storage_folder
from runner.execution.jobs import stopped_at_work
from runner.execution.session import Session
from runner.execution.steps import write_first_values
from runner.execution.worker import Call, Outcome, Output
from runner.functions.fingerprint import difference, from_plain

PATIENCE: Final = 30.0
"""Seconds for which a broker that cannot be reached is tried before a run begins."""
AHEAD: Final = 0.04
"""Seconds of work that travel in one message."""
MOST_IN_ONE: Final = 64
"""Jobs that travel in one message."""
WORTH_IT: Final = 32
"""Jobs that go to one worker rather than to several, however short they are."""
_QUIET: Final = 2.0  # seconds after which it is said that there is no worker
_SETTLED: Final = 1.0  # seconds after which an outcome that was given on is recorded
_UNSETTLED: Final = 2.0  # seconds after which the broker is told of all that is
_LONG: Final = 3600.0
_AT_WORK: Final = ("alive", "doubt", "did")
"""What only a worker tells that has not refused what it began."""
_KEPT_OF_LOG: Final = 1 << 20


@attrs.define(eq=False)
class Known:
    """A submission that is run.

    Attributes:
        work: it.
        owner: what its messages say of it.
        meaning: what its tasks mean here.
        places: the place of each task's job in the plan.
        broken: why none of its jobs can be run.
    """

    work: Work
    owner: Owner
    meaning: Meaning
    places: Mapping[str, int]
    broken: Failure | None = None

    def task(self, job: int) -> TaskConfig:
        return self.work.plan.jobs[job].task


@attrs.define(eq=False)
class Peer:
    """A worker, as it told of itself.

    Attributes:
        number: of it, in the order in which they were heard of.
        slots: how many jobs it runs at once.
        heard: when.
        refusal: why it takes none of our jobs.
    """

    number: int
    slots: int = 0
    heard: float = 0.0
    refusal: str = ""


class ClusterExecutor:
    """Hands jobs to whoever takes them from the broker.

    One thread is in `submit` and `wait`. `enter`, `write_first` and `wake` are for the others; what
    those two begin is done by the one that waits.
    """

    in_background = True

    def __init__(self, job: JobConfig, environ: Mapping[str, str]) -> None:
        self._job = job
        self._environ = environ
        self._names = Names(job.queue)
        self._lease = job.worker_lease.total_seconds()
        self._broker = broker_of(job, environ)
        self._link = Link(self._broker, self._prepare)
        self._attempts = Attempts(self._lease)
        self._lock = Lock()
        self._session: Session | None = None
        self._sign: Path | None = None
        self._seals: tuple[Seal, Seal] | None = None
        self._known: dict[int, Known] = {}
        self._entering: deque[tuple[Known, Future[None], float]] = deque()
        self._errands = Errands(self.wake)
        self._outcomes: list[Outcome] = []
        self._peers: dict[str, Peer] = {}
        self._took: dict[str, float] = {}
        self._batches: dict[int, tuple[int, float]] = {}  # attempts left, by the first of them
        self._batch_of: dict[int, int] = {}
        self._least = 1  # jobs that are worth a message, as of those that were sent last
        self._acks: deque[tuple[float, int]] = deque()
        self._said: set[str] = set()
        self._was_up = False
        self._last_turn = monotonic()
        self._last_call = 0.0  # for workers to tell who they are
        self._called_out = 0.0  # when we last told ourselves something
        self._echoed = 0.0  # when we told ourselves what we have read by now
        self._refused_since: float | None = None
        self._wakes, self._waking = os.pipe()
        for descriptor in (self._wakes, self._waking):
            os.set_blocking(descriptor, False)
        self._is_hurried = False
        self._is_closed = False

    @property
    def slots(self) -> int:
        """How many jobs run at once, as far as workers have told."""
        return sum(peer.slots for peer in self._peers.values() if not peer.refusal)

    # For other threads

    def enter(self, work: Work) -> None:
        known = self._prepared(work)
        entered: Future[None] = Future()
        until = monotonic() + PATIENCE
        self._errands.ask(entered, lambda: self._entering.append((known, entered, until)))

    def hurry(self) -> None:
        self._is_hurried = True
        self.wake()

    def write_first(self, work: Work, nodes: Sequence[DataNodeConfig]) -> None:
        write_first_values(nodes, work.instance.storages)

    def wake(self) -> None:
        if not self._is_closed:
            with suppress(OSError):  # full: it will end
                os.write(self._waking, b"!")

    def give_up(self, error: BaseException) -> None:
        """Nobody will wait any more: let no other thread wait for an answer."""
        self._errands.give_up(error)

    def printing(self) -> Sequence[tuple[Call, Output]]:
        """What a job prints is here when it has ended."""
        return ()

    # For the thread that waits

    def leave(self, number: int) -> None:
        known = self._known.pop(number, None)
        if known is not None:
            self._attempts.leave(number)
            self._tell_all({"kind": "over", "session": known.owner.session, "work": number})

    def submit(self, source: Source) -> None:
        if not self._link.is_up or self._link.blocked:
            return
        while room := self._room(source):
            calls = self._gather(source, room)
            if not calls:
                break
            seconds = sum(self._expected(self._known[each.work].task(each.job)) for each in calls)
            self._least = _worth_it(seconds / len(calls))
            for batch in _divided(calls, self._least, room):
                self._send(batch)

    def recall(self, number: int) -> None:
        waiting = [each for each in self._attempts if each.call.work == number and not each.worker]
        self._drop(waiting)
        for attempt in waiting:
            self._end(attempt)
            self._outcomes.append(Outcome.taken_back(attempt.call))

    def cancel(self, call: Call) -> None:
        attempt = self._attempts.of(call)
        if attempt is not None:
            self._drop([attempt])
            self._end(attempt)
            self._outcomes.append(Outcome.failed(call, stopped_at_work()))

    def close(self) -> None:
        if self._is_closed:
            return
        self.give_up(SetupError("the cluster has been left"))
        if self._link.is_up:
            self._link.turn()
        if self._acks:
            self._link.ack(self._acks.pop()[1])
        if self._session is not None:
            self._link.delete(self._names.results(self._session.name))
        self._is_closed = True
        self._link.close()
        if self._sign is not None:
            remove_sign(self._sign)
        for descriptor in (self._wakes, self._waking):
            os.close(descriptor)

    # Submissions

    def _prepared(self, work: Work) -> Known:
        plan, instance = work.plan, work.instance
        with self._lock:
            if self._seals is None:
                key = key_of(self._environ, storage_folder(work.config).absolute())
                self._seals = Seal.to_workers(key), Seal.from_workers(key)
            if self._session is None:
                self._sign = leave_sign(work.config, work.session.name)
                self._session = work.session
                work.session.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = Owner(
            session=self._session.name,
            work=work.number,
            scenario=plan.scenario,
            name=plan.name,
            created=instance.created.isoformat(),
            full=work.full_traceback,
        )
        places = {job.task.id: place for place, job in enumerate(plan.jobs)}
        meaning = Meaning(work.config)
        for job in plan.jobs:  # here, where it keeps nobody waiting
            meaning.of(job.task)
        return Known(work, owner, meaning, places)

    def _admit(self) -> None:
        """Let submissions begin as soon as there is a broker."""
        while self._entering:
            known, entered, until = self._entering[0]
            may_begin = self._link.is_up or self._is_hurried
            if not may_begin and not self._link.is_refused and monotonic() < until:
                if self._link.why:
                    self._say(f"no broker: {self._link.why}; trying for {PATIENCE:g} s")
                return
            self._entering.popleft()
            if may_begin:
                self._known[known.work.number] = known
                entered.set_result(None)
            else:
                entered.set_exception(self._link.unreachable())

    def _prepare(self, link: Link) -> None:
        assert self._session is not None, "there is a submission before there is a link"
        link.declare_jobs(self._names)
        link.declare_control(self._names)
        queue = self._names.results(self._session.name)
        link.declare_results(queue)
        link.consume(queue)

    # Jobs go out

    def _room(self, source: Source) -> int:
        """How many messages may be sent: one for each slot, and as many ahead of short jobs.

        Those ahead have to be worth it: by the time that a slot is free, more jobs may be ready.
        """
        slots = max(self.slots, 2)
        are_short = all(seconds < 10 * AHEAD for _, seconds in self._batches.values())
        goes_ahead = are_short and source.ready() >= self._least
        return max(0, slots * (2 if goes_ahead else 1) - len(self._batches))

    def _gather(self, source: Source, room: int) -> list[Call]:
        calls: list[Call] = []
        seconds = 0.0
        while seconds < AHEAD * room and len(calls) < MOST_IN_ONE * room:
            call = source.take()
            if call is None:
                break
            known = self._known[call.work]
            if known.broken is not None:
                self._outcomes.append(Outcome.failed(call, known.broken))
                continue
            seconds += self._expected(known.task(call.job))
            calls.append(call)
        return calls

    def _expected(self, task: TaskConfig) -> float:
        if task.timeout is not None:
            return _LONG
        return self._took.get(str(task.function), _LONG)

    def _send(self, calls: Sequence[Call]) -> None:
        """Send jobs of one submission after the other, a message each."""
        by_work: dict[int, list[Call]] = {}
        for call in calls:
            by_work.setdefault(call.work, []).append(call)
        for number, of_work in by_work.items():
            known = self._known[number]
            now = monotonic()
            attempts = [self._attempts.begin(call, now) for call in of_work]
            jobs = []
            seconds = 0.0
            for attempt in attempts:
                task = known.task(attempt.call.job)
                jobs.append(Job(task.id, attempt.number, *known.meaning.of(task)))
                seconds += self._expected(task)
                self._batch_of[attempt.number] = attempts[0].number
            self._batches[attempts[0].number] = (len(attempts), seconds)
            self._publish(jobs_message(known.owner, jobs))

    def _publish(self, body: Mapping[str, Any]) -> None:
        assert self._seals is not None, "there is a submission"
        self._link.publish(self._seals[0].close(body), self._names.jobs, is_task=True)

    def _tell(self, queue: str, body: Mapping[str, Any], *, exchange: str = "") -> None:
        if self._seals is not None:
            text = self._seals[0].close(body)
            self._link.publish(text, queue, exchange=exchange, is_lasting=False)

    def _tell_all(self, body: Mapping[str, Any]) -> None:
        self._tell("", body, exchange=self._names.control)

    def _drop(self, attempts: Iterable[Attempt]) -> None:
        told = [self._named(each.call, each.number) for each in attempts]
        self._tell_all_of("dropped", [each for each in told if each is not None])

    def _named(self, call: Call, number: int) -> tuple[int, str, int] | None:
        known = self._known.get(call.work)
        return None if known is None else (call.work, known.task(call.job).id, number)

    def _tell_all_of(
        self, kind: str, attempts: Sequence[tuple[int, str, int]], **more: Any
    ) -> None:
        if attempts and self._session is not None:
            session = self._session.name
            self._tell_all({"kind": kind, "session": session, "attempts": attempts, **more})

    # Outcomes come in

    def wait(self, timeout: float | None) -> Sequence[Outcome]:
        if not (self._outcomes or self._errands):
            self._sleep(timeout)
        self._errands.run()
        if self._session is not None:
            self._turn()
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _sleep(self, timeout: float | None) -> None:
        """Until there is something to do, for so many seconds at most."""
        times = [] if timeout is None else [timeout]
        poll = select.poll()
        poll.register(self._wakes, select.POLLIN)
        if self._session is not None:
            times.append(min(self._link.patience(), self._patience()))
            descriptor = self._link.fileno()
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        milliseconds = round(min(times) * 1000 + 0.499) if times else None
        for descriptor, _ in poll.poll(milliseconds):
            if descriptor == self._wakes:
                with suppress(BlockingIOError):
                    os.read(self._wakes, 4096)

    def _patience(self) -> float:
        """Seconds until something may have to be done though nothing arrives."""
        if not (len(self._attempts) or self._entering):
            return _LONG
        call = self._next_call() - monotonic() if len(self._attempts) and self._was_up else _LONG
        return max(0.0, min(self._lease / 6, call))

    def _turn(self) -> None:
        now = monotonic()
        arrived = self._link.turn()
        self._notice_link()
        for delivery in arrived:
            self._hear(delivery)
        self._admit()
        self._acknowledge(now)
        if not self._link.is_up:
            self._last_turn = now
            return
        if now - self._last_turn > self._lease / 3:  # we were stopped, and have heard nothing
            self._attempts.excuse(now)
        self._last_turn = now
        self._look_for_silence()
        self._look_for_workers(now)

    def _notice_link(self) -> None:
        link = self._link
        if link.is_up and not self._was_up:
            self._attempts.excuse(monotonic())
            self._last_call = 0.0
            if self._said:
                self._say("the broker is back", again=True)
            self._said.clear()
        elif not link.is_up and self._was_up:
            self._echoed = self._called_out = 0.0
            self._say(f"the broker cannot be reached: {link.why}; trying again")
        if link.blocked:
            self._say(f"the broker takes no messages for now ({link.blocked})")
        self._was_up = link.is_up

    def _say(self, text: str, *, again: bool = False) -> None:
        """Tell the users, once."""
        if text not in self._said or again:
            self._said.add(text)
            waiting = [known for known, _, _ in self._entering]
            for known in (*self._known.values(), *waiting):
                known.work.say(text)

    def _hear(self, delivery: Delivery) -> None:
        if delivery.tag is not None:
            self._acks.append((monotonic(), delivery.tag))
        assert self._seals is not None, "there is a submission"
        try:
            body = self._seals[1].open(delivery.body)
            self._heed(body)
        except ForgedError as error:
            if delivery.tag is not None:  # what all are told is mostly not for us
                self._say(f"a message of results is refused: {error}")

    def _acknowledge(self, now: float) -> None:
        """Tell the broker what need not be told again: what was recorded by now."""
        if not self._link.is_up:
            self._acks.clear()  # they are told again, and known then
            return
        if not self._acks or now - self._acks[0][0] < _UNSETTLED:
            return
        while self._acks and now - self._acks[0][0] > _SETTLED:
            last = self._acks.popleft()[1]
        self._link.ack(last)

    def _heed(self, body: Mapping[str, Any]) -> None:
        if body.get("kind") == "echo":
            self._echoed = read_part(body, "at", float)
            return
        worker = str(body.get("worker", ""))
        peer = self._peers.setdefault(worker, Peer(len(self._peers) + 1))
        peer.heard = monotonic()
        if body.get("kind") in _AT_WORK:
            self._refused_since = None
        match body.get("kind"):
            case "here":
                peer.slots = read_part(body, "slots", int)
            case "alive":
                self._alive(body, worker)
            case "begun" | "doubt":
                self._decide(body, worker)
            case "did":
                self._did(body, peer)
            case "bounced":
                self._bounced(body)
            case "refused":
                self._refused(body, peer)

    def _found(self, work: int, task: str, number: int) -> Attempt | None:
        known = self._known.get(work)
        if known is None or task not in known.places:
            return None
        return self._attempts.find(work, known.places[task], number)

    def _alive(self, body: Mapping[str, Any], worker: str) -> list[Attempted]:
        """Hear of attempts; those that count."""
        kept, dropped = [], []
        now = monotonic()
        for named in read_attempts(body):
            attempt = self._found(*named)
            if attempt is None or attempt.worker not in {"", worker}:  # a message came twice
                dropped.append(named)
            else:
                self._attempts.hear(attempt, worker, now)
                kept.append(named)
        self._tell_all_of("dropped", dropped, to=worker)
        return kept

    def _decide(self, body: Mapping[str, Any], worker: str) -> None:
        kept = self._alive(body, worker)
        if kept and self._session is not None:
            told = {"kind": "kept", "session": self._session.name, "attempts": kept}
            self._tell(read_reply(body), {**told, "asked": body.get("asked")})

    def _did(self, body: Mapping[str, Any], peer: Peer) -> None:
        work, ended = read_ended(body)
        for each in ended:
            attempt = self._found(work, each.task, each.attempt)
            if attempt is not None:
                self._settle(attempt, each, peer)

    def _settle(self, attempt: Attempt, ended: Ended, peer: Peer) -> None:
        call = attempt.call
        function = str(self._known[call.work].task(call.job).function)
        took = self._took.get(function, ended.seconds)
        self._took[function] = 0.7 * took + 0.3 * ended.seconds
        self._end(attempt)
        self._outcomes.append(
            Outcome(
                call.work,
                call.job,
                ended.started,
                ended.seconds,
                ended.failure,
                peer.number,
                self._printed(peer, ended.printed),
                ended.marks,
            )
        )

    def _printed(self, peer: Peer, text: str) -> Output | None:
        """Keep what a job has printed as if it had been printed here."""
        if not text or self._session is None:
            return None
        log = self._session.log_of(peer.number)
        with (self._session.logs / log).open("ab") as file:
            start = file.tell()
            file.write(text.encode("utf-8", "backslashreplace")[:_KEPT_OF_LOG])
            return Output(log, start, file.tell())

    def _bounced(self, body: Mapping[str, Any]) -> None:
        """The broker gave the attempts to a worker before, which has gone or was cut off."""
        for named in read_attempts(body):
            attempt = self._found(*named)
            if attempt is not None:
                self._attempts.suspect(attempt, monotonic())

    def _refused(self, body: Mapping[str, Any], peer: Peer) -> None:
        for named in read_attempts(body):
            attempt = self._found(*named)
            if attempt is None:
                continue
            known = self._known[named[0]]
            why, code = self._why(known, named[1], body)
            self._end(attempt)
            if body.get("why") == "import":
                known.broken = read_failure(body)
                self._outcomes.append(Outcome.failed(attempt.call, known.broken))
                continue
            if not peer.refusal:
                peer.refusal = why
                self._say(f"worker {body.get('worker')} takes no jobs of this run: {why}")
            self._refuse_or_return(attempt, why, code)

    def _refuse_or_return(self, attempt: Attempt, why: str, code: str) -> None:
        """Another worker may take it; not for ever, where all refuse."""
        now = monotonic()
        if self._refused_since is None:
            self._refused_since = now
        others = [each for each in self._peers.values() if each.slots and not each.refusal]
        if not others and now - self._refused_since > self._lease:
            known = self._known[attempt.call.work]
            known.broken = Failure(code=code, type="", message=f"no worker takes it: {why}")
            self._outcomes.append(Outcome.failed(attempt.call, known.broken))
        else:
            self._outcomes.append(Outcome.taken_back(attempt.call))

    def _why(self, known: Known, task: str, body: Mapping[str, Any]) -> tuple[str, str]:
        here = known.work.config.tasks[task]
        match body.get("why"):
            case "versions":
                theirs = read_versions(body)
                return f"it has {theirs}; here is {Versions.here()}", "RUN503"
            case "settings":
                settings = known.meaning.settings(here)
                return first_difference(settings, read_part(body, "settings", dict)), "RUN504"
            case "code":
                return _code_differs(known.meaning, here, body.get("code")), "RUN504"
        return str(body.get("message", "it gives no reason")), "RUN504"

    def _end(self, attempt: Attempt) -> None:
        self._attempts.end(attempt)
        batch = self._batch_of.pop(attempt.number, None)
        if batch is not None:
            left, seconds = self._batches[batch]
            if left == 1:
                del self._batches[batch]
            else:
                self._batches[batch] = (left - 1, seconds)

    # What goes wrong

    def _look_for_silence(self) -> None:
        """Give to others what was lost, as of when all that workers had told by then was read.

        That is known of the time when we told ourselves something by the same queue: a broker that
        is slow, or a connection of ours that hangs, makes no worker silent.
        """
        now = monotonic()
        if len(self._attempts) and now - self._called_out > self._lease / 6:
            assert self._session is not None, "there are attempts"
            assert self._seals is not None, "there are attempts"
            self._called_out = now
            text = self._seals[1].close({"kind": "echo", "at": now})
            self._link.publish(text, self._names.results(self._session.name), is_lasting=False)
        for attempt in self._attempts.silent(self._echoed):
            call = attempt.call
            self._drop([attempt])
            task = self._known[call.work].task(call.job).id
            who = f"worker {attempt.worker}" if attempt.worker else "whoever may have it"
            self._say(f"{who} is silent: {task} goes to another", again=True)
            self._end(attempt)
            if self._attempts.lose(attempt):
                message = f"its worker was lost {MOST_LOSSES} times"
                self._outcomes.append(
                    Outcome.failed(call, Failure(code="RUN603", type="", message=message))
                )
            else:
                self._outcomes.append(Outcome.taken_back(call))

    def _look_for_workers(self, now: float) -> None:
        """Ask who is there, and find messages that the broker has lost."""
        if not len(self._attempts):
            return
        if now >= self._next_call():
            self._last_call = now
            assert self._session is not None, "there are attempts"
            reply = self._names.results(self._session.name)
            self._tell_all({"kind": "who", "reply": reply})
            self._forget_peers(now)
            waiting = self._attempts.waiting(now, _QUIET)
            if waiting and not self._peers:
                jobs = f"{len(waiting)} job{'' if len(waiting) == 1 else 's'}"
                self._say(f"no worker takes jobs from queue `{self._names.queue}`: {jobs} waiting")
            self._find_lost(now)

    def _next_call(self) -> float:
        return self._last_call + min(self._lease / 3, _QUIET)

    def _forget_peers(self, now: float) -> None:
        gone = [name for name, each in self._peers.items() if now - each.heard > self._lease]
        for name in gone:
            self._peers[name].slots = 0

    def _find_lost(self, now: float) -> None:
        """Attempts that nobody has begun, and of which the broker knows nothing any more."""
        late = self._attempts.waiting(now, min(_QUIET, self._lease / 3))
        found = self._link.waiting(self._names.jobs) if late else None
        if found is not None and found[0] == 0:
            for attempt in late:
                self._attempts.suspect(attempt, now)


def _worth_it(seconds: float) -> int:
    """How many jobs that take so long are worth a message: half of what travels in one."""
    return WORTH_IT if seconds * WORTH_IT < AHEAD / 2 else ceil(AHEAD / 2 / seconds)


def _divided(calls: Sequence[Call], least: int, room: int) -> list[Sequence[Call]]:
    """For so many messages at most, of which none but a last one has less than the least."""
    size = min(max(least, -(-len(calls) // room)), MOST_IN_ONE)
    return [calls[start : start + size] for start in range(0, len(calls), size)]


def _code_differs(meaning: Meaning, task: TaskConfig, theirs: Any) -> str:
    ours = meaning.code(task)
    if ours is None or not isinstance(theirs, Mapping):
        return f"the code of `{task.function}` cannot be read on one side"
    change = difference(from_plain(theirs).by_name(), ours)
    return f"other code there: {change}" if change is not None else "other code there"
