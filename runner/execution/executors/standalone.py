"""Jobs on all cores of this machine, in worker processes that are supervised one by one.

    orchestrator          this module                                  process.py
    submit ──────► calls ──► what a worker has ──► socket ──► run one after the other
    wait   ◄── outcomes ◄── by call number     ◄── socket ◄── outcomes, some at a time
                              ▲                     page  ◄── what was begun, what was not sent
                              └── how it ended  ◄── guardian

A worker is sent as many calls as it can do in `AHEAD` seconds, by what jobs of the same function
took before, so that it is never idle for want of a message and a long job never waits behind
others for long. One whose function is new to us travels alone. Where a job takes longer than was
thought, the calls behind it are taken back and go to another worker.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import takewhile
from operator import attrgetter, is_
from threading import Lock
from time import monotonic, time
from typing import Any, Final, NamedTuple, Protocol

import attrs

from runner.config.model import DataNodeConfig, StartMethod
from runner.config.references import FunctionRef
from runner.data.storage import Mark
from runner.errors import JobError, SetupError
from runner.execution import messages
from runner.execution.blueprint import Blueprint, Functions, blueprint_of, first_of
from runner.execution.errands import Errands
from runner.execution.executor import Source, Work
from runner.execution.failures import Failure
from runner.execution.importing import UserCodeError
from runner.execution.jobs import stopped_at_work
from runner.execution.page import SETTLED
from runner.execution.process import LOST
from runner.execution.session import Session
from runner.execution.steps import classes_of, write_first_values
from runner.execution.values import Encoded, EncodedMemory
from runner.execution.worker import Call, Outcome, Output
from runner.execution.workers import Event, Lost, Worker, Workers

AHEAD: Final = 0.002
"""Seconds of work that a worker is sent ahead."""
MOST_AHEAD: Final = 128
"""Calls that a worker is sent ahead."""
LATE: Final = 0.005
"""Seconds of silence after which a worker is thought to be in a longer job than was expected."""
OVERHEAD: Final = 10e-6
"""Seconds that a call takes beside its function."""
MOST_BLUEPRINTS: Final = 16
"""Plans that workers remember, so that a scenario which is submitted again is not told again."""
_LONG: Final = 3600.0  # what a job of an unknown function is taken for
_NEVER: Final = float("inf")

_LOAD: Final = attrgetter("load")


class Permits(Protocol):
    """Says whether calls may commit. Asked by the thread that waits."""

    def ask(self, call: Call, answer: Callable[[float], None]) -> None:
        """Call `answer`, in any thread, now or later, with the moment until which a call may.

        That is one of the monotonic clock; 0: it may not.
        """

    def known(self, call: Call) -> float:
        """The same, where it is known now; else 0."""


class Sent(NamedTuple):
    """A call that a worker has.

    Attributes:
        call: it.
        known: its submission.
        function: by number.
        seconds: how long it is expected to take.
        follows: whether it needs the one before it, and is dropped where that fails.
        timeout: seconds that it may take; None: as many as it wants.
    """

    call: Call
    known: Known
    function: int
    seconds: float
    follows: bool
    timeout: float | None


@attrs.define(eq=False)
class Desk:
    """What a worker has to do.

    Attributes:
        worker: it.
        log: the file of what it prints, below the folder of logs.
        sent: the calls that it has, by number, in the order in which it runs them.
        load: seconds that they are expected to take.
        heard: when it last ended something, or was sent something while it had nothing.
        deadline: when the first call has taken too long; None: it may take as long as it wants.
        entering: the submissions that it was told of and has not entered yet.
        firsts: the default data that it is to write, and who waits for it.
        knows, blueprints: the functions and the blueprints that it was told of.
        printed: bytes of its log that belong to ended jobs.
        retires: whether it ends of its own, having been changed by a job.
        killed: the call for which it is being killed, and what that fails with.
        withdrawn: the calls that are being taken back, and when that is settled.
        is_stuck: whether calls were taken back from behind the one that it runs.
    """

    worker: Worker
    log: str
    sent: dict[int, Sent] = attrs.field(factory=dict)
    load: float = 0.0
    heard: float = 0.0
    deadline: float | None = None
    entering: deque[int] = attrs.field(factory=deque)
    firsts: deque[tuple[bytes, Future[Any]]] = attrs.field(factory=deque)
    knows: set[int] = attrs.field(factory=set)
    blueprints: set[int] = attrs.field(factory=set)
    printed: int = 0
    retires: bool = False
    killed: tuple[int, Failure] | None = None
    withdrawn: tuple[Sequence[int], float] | None = None
    is_stuck: bool = False

    @property
    def is_free(self) -> bool:
        """Whether it can be sent calls: it does not have enough, and some are worth a message."""
        return (
            self.load < AHEAD / 2
            and len(self.sent) <= MOST_AHEAD // 2
            and not (self.entering or self.firsts or self.is_stuck or self.retires or self.killed)
        )

    @property
    def is_full(self) -> bool:
        """Whether it has enough for a while."""
        return self.load >= AHEAD or len(self.sent) >= MOST_AHEAD


@attrs.frozen(eq=False)
class Known:
    """A submission, prepared for workers.

    Attributes:
        work: it.
        blueprint: what its jobs are.
        memory: the values of its data nodes in memory.
        readers: how many jobs are still to read one, by the place of its node.
    """

    work: Work
    blueprint: Blueprint
    memory: EncodedMemory
    readers: dict[int, int]


class StandaloneExecutor:
    """Runs jobs in worker processes.

    One thread is in `submit` and `wait`. `enter`, `write_first` and `wake` are for the others; what
    those two begin is done by the one that waits.
    """

    in_background = True

    def __init__(
        self,
        workers: int,
        start_method: StartMethod = StartMethod.SPAWN,
        permits: Permits | None = None,
    ) -> None:
        """Begin to start workers.

        Args:
            workers: how many.
            start_method: how they are started.
            permits: says whether calls may commit what they have staged; None: they may.

        Raises:
            SetupError: this system cannot have them.
        """
        self.start_method = start_method
        self._permits = permits
        self._workers = Workers(workers, start_method)
        self._session: Session | None = None
        self._desks: dict[int, Desk] = {}
        self._lock = Lock()
        self._functions = Functions()
        self._blueprints: deque[tuple[Any, Any, Blueprint]] = deque(maxlen=MOST_BLUEPRINTS)
        self._numbers = 0
        self._imported: set[int] = set()
        self._known: dict[int, Known] = {}
        self._entering: dict[int, Future[None]] = {}
        self._broken: dict[int, Failure] = {}
        self._errands = Errands(self.wake)
        self._took: dict[int, float] = {}
        self._outcomes: list[Outcome] = []
        self._holders: dict[str, int] = {}
        self._doomed: set[tuple[int, int]] = set()
        self._number = 0

    @property
    def slots(self) -> int:
        return self._workers.count

    def resize(self, workers: int) -> None:
        """Have so many workers; before the first submission is entered."""
        self._workers.resize(workers)

    def enter(self, work: Work) -> None:
        known = self._prepared(work)
        entered: Future[None] = Future()
        self._errands.ask(entered, lambda: self._announce(known, entered))

    def hurry(self) -> None:
        """What is waited for ends by itself."""

    def write_first(self, work: Work, nodes: Sequence[DataNodeConfig]) -> None:
        if not any(_runs_users_code(node) for node in nodes):
            write_first_values(nodes, work.instance.storages)
            return
        written: Future[Sequence[tuple[str, Encoded]]] = Future()
        request = messages.frame(messages.FIRST, work.full_traceback, first_of(work, nodes))
        values = self._errands.ask(written, lambda: self._ask_for_first(request, written))
        assert isinstance(work.memory, EncodedMemory), "values in memory have to be encoded"
        for node_id, value in values:
            work.memory.put(work.instance.places[node_id].key, value)

    def leave(self, number: int) -> None:
        known = self._known.pop(number, None)
        if known is not None:
            self._broken.pop(number, None)
            for desk in self._desks.values():
                self._workers.send(desk.worker, messages.frame(messages.LEAVE, number))

    def submit(self, source: Source) -> None:
        batches: dict[int, list[Any]] = {}
        free = [desk for desk in self._desks.values() if desk.is_free]
        while free:
            call = source.take()
            if call is None:
                break
            if call.work in self._broken:
                self._outcomes.append(Outcome.failed(call, self._broken[call.work]))
                continue
            desk = self._holder_of_inputs(call, free) or min(free, key=_LOAD)
            self._hand(desk, call, source, batches.setdefault(desk.worker.number, []))
            if desk.is_full:
                free.remove(desk)
        for number, batch in batches.items():
            self._workers.send(self._desks[number].worker, messages.frame(messages.CALLS, batch))

    def wait(self, timeout: float | None) -> Sequence[Outcome]:
        self._errands.run()
        self._furnish()
        now = monotonic()
        self._look_after(now)
        if not self._outcomes:
            for event in self._workers.wait(self._patience(now, timeout)):
                self._heed(event)
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def wake(self) -> None:
        self._workers.wake()

    def give_up(self, error: BaseException) -> None:
        """Nobody will wait any more: let no other thread wait for an answer."""
        self._errands.give_up(error)

    def printing(self) -> list[tuple[Call, Output]]:
        """What runs, and what it has printed so far. For any thread; another may be faster."""
        found = []
        for desk in list(self._desks.values()):
            sent = next(iter(list(desk.sent.values())), None)
            if sent is not None and self._session is not None:
                end = self._session.size_of(desk.log)
                found.append((sent.call, Output(desk.log, desk.printed, end)))
        return found

    def recall(self, number: int) -> None:
        """What waits begins in a moment."""

    def cancel(self, call: Call) -> None:
        self._doomed.add((call.work, call.job))

    def close(self) -> None:
        self.give_up(SetupError("the workers have been ended"))
        self._workers.close()

    # Submissions

    def _prepared(self, work: Work) -> Known:
        """The submission with its blueprint, which is made once as long as it is the same plan.

        A function that is itself given holds what it refers to, which may have changed since.
        """
        assert isinstance(work.memory, EncodedMemory), "values in memory have to be encoded"
        with self._lock:
            made = (work.plan, work.instance)
            found = [each for *of, each in self._blueprints if all(map(is_, of, made))]
            if not found:
                self._numbers += 1
                found.append(blueprint_of(work, self._functions, self._numbers))
                if not self._functions.are_given(found[0].functions):
                    self._blueprints.append((*made, found[0]))
        return Known(work, found[0], work.memory, dict(found[0].readers))

    def _announce(self, known: Known, entered: Future[None]) -> None:
        work = known.work
        if self._session is None:
            self._session = work.session
            work.session.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._workers.own(work.session.values)
            modules = self._functions.modules_of(known.blueprint.functions)
            self._workers.preload(modules, str(work.session.application_path))
        self._furnish()
        self._known[work.number] = known
        self._tell(self._desks.values(), known)
        blueprint = known.blueprint
        is_imported = blueprint.functions <= self._imported and not blueprint.about["classes"]
        if is_imported or all(desk.load > AHEAD for desk in self._desks.values()):
            entered.set_result(None)  # of a function that fails later, the jobs fail
        else:
            self._entering[work.number] = entered

    def _tell(self, desks: Iterable[Desk], known: Known) -> None:
        """Tell workers of a submission; and first of its blueprint, those that do not know it."""
        blueprint, definitions = known.blueprint, self._functions.definitions
        number, full = known.work.number, known.work.full_traceback
        asks = self._permits is not None
        with self._lock:
            kept = {each.number for _, _, each in self._blueprints}
        kept |= {each.blueprint.number for each in self._known.values()}
        learn = b""  # the same for all, and large
        for desk in desks:
            told = b""
            for old in desk.blueprints - kept:
                told += messages.frame(messages.FORGET, old)
            if blueprint.number not in desk.blueprints:
                learn = learn or messages.frame(messages.LEARN, blueprint.number, blueprint.about)
                told += learn
            desk.blueprints = (desk.blueprints & kept) | {blueprint.number}
            new = [(each, definitions[each]) for each in blueprint.functions - desk.knows]
            told += messages.frame(messages.ENTER, number, blueprint.number, new, full, asks)
            desk.knows |= blueprint.functions
            desk.entering.append(number)
            self._workers.send(desk.worker, told)

    def _furnish(self) -> None:
        """Tell workers that are new what the others know."""
        if len(self._desks) == len(self._workers.alive) or self._session is None:
            return
        for number, worker in self._workers.alive.items():
            if number not in self._desks:
                session = self._session
                log = session.log_of(number)
                desk = self._desks[number] = Desk(worker, log)
                request = messages.frame(
                    messages.SESSION,
                    str(session.application_path),
                    str(session.logs / log),
                    session.values.disk,
                    session.values.memory,
                    session.most_printed,
                    session.mask_of_jobs.secrets,
                )
                self._workers.send(worker, request)
                for known in self._known.values():
                    if known.work.number not in self._broken:
                        self._tell([desk], known)

    def _ask_for_first(self, request: bytes, written: Future[Any]) -> None:
        self._furnish()  # the last worker may have ended just before
        desk = min(self._desks.values(), key=lambda each: each.load)
        desk.firsts.append((request, written))
        self._workers.send(desk.worker, request)

    # Calls go out

    def _holder_of_inputs(self, call: Call, free: Sequence[Desk]) -> Desk | None:
        """The free worker that wrote a large value which a job reads."""
        if self._holders:
            blueprint = self._known[call.work].blueprint
            for place in blueprint.jobs[call.job][2]:
                key = blueprint.keys[place]
                for desk in free:
                    if key is not None and desk.worker.number == self._holders.get(key):
                        return desk
        return None

    def _hand(self, desk: Desk, call: Call, source: Source, batch: list[Any]) -> None:
        """Put a call, and what can follow it, among what is sent to a worker."""
        known = self._known[call.work]
        memory, blueprint = known.memory, known.blueprint
        following: Call | None = call
        made: set[int] = set()
        follows = False
        while following is not None:
            call = following
            _, function, reads, writes = blueprint.jobs[call.job]
            values = [
                messages.HERE if place in made else memory.encoded(key, messages.HERE)
                for place in reads
                if (key := blueprint.keys[place]) is not None
            ]
            timeout = blueprint.timeouts.get(call.job)
            seconds = self._took.get(function, _LONG) if timeout is None else _LONG
            self._number += 1
            if not desk.sent:
                desk.heard = monotonic()
                desk.deadline = None if timeout is None else desk.heard + timeout
            desk.sent[self._number] = Sent(call, known, function, seconds, follows, timeout)
            desk.load += seconds
            until = 0.0 if self._permits is None else self._permits.known(call)
            batch.append((self._number, call.work, call.job, follows, values, until))
            if desk.is_full:
                return
            following = source.follow(call)
            if following is not None:
                made.update(writes)
                follows = True

    # What comes back

    def _heed(self, event: Event) -> None:
        desk = self._desks.get(event.worker.number)
        if isinstance(event, Lost):
            if desk is not None:
                self._lose(desk, event)
            self._workers.forget(event.worker)
            return
        if desk is None:
            return
        what, *arguments = event.message
        if what == messages.DID:
            desk.heard = monotonic()
            desk.is_stuck = False
            for outcome in arguments[0]:
                self._settle(desk, outcome)
            self._start_clock(desk)
        elif what == messages.ENTERED:
            self._entered(desk, *arguments)
        elif what == messages.FIRST_DONE:
            _answer(desk.firsts.popleft()[1], *arguments)
        elif what == messages.RETIRE:
            desk.retires = True
            self._give_back(desk, desk.sent)
        elif what == messages.MAY:
            self._ask_for(desk, *arguments)

    def _ask_for(self, desk: Desk, number: int) -> None:
        """Ask whether a call may commit; the answer may come later, in any thread."""

        def answer(until: float) -> None:
            self._errands.add(partial(self._answer, desk, number, until))

        sent = desk.sent.get(number)
        if sent is None or self._permits is None:  # taken back
            answer(0.0)
        else:
            self._permits.ask(sent.call, answer)

    def _answer(self, desk: Desk, number: int, until: float) -> None:
        """Tell a worker what it has asked, and what it would ask next."""
        assert self._permits is not None, "it was asked"
        allowed = [(number, until)]
        for other, sent in desk.sent.items():
            if other > number and (known := self._permits.known(sent.call)):
                allowed.append((other, known))
        self._workers.send(desk.worker, messages.frame(messages.ANSWER, allowed))

    def _entered(self, desk: Desk, number: int, refusal: tuple[str, Any] | None) -> None:
        desk.entering.popleft()
        entered = self._entering.pop(number, None)
        known = self._known.get(number)
        if refusal is None:
            if known is not None:
                self._imported |= known.blueprint.functions
            if entered is not None:
                entered.set_result(None)
            return
        what, plain = refusal
        self._break(number, what, messages.failure_from(plain), entered)

    def _break(
        self, number: int, what: str, failure: Failure, entered: Future[None] | None
    ) -> None:
        self._broken[number] = failure
        if entered is not None:
            entered.set_exception(UserCodeError(what, failure))

    def _settle(self, desk: Desk, packed: bytes) -> None:
        number, started, seconds, passed, plain, start, end, marks = messages.unpacked(packed)
        sent = desk.sent.pop(number, None)
        if sent is None:  # known from the page, or taken back
            return
        desk.load = desk.load - sent.seconds if desk.sent else 0.0
        call = sent.call
        if started is None:
            self._outcomes.append(Outcome.taken_back(call))
            self._give_back(desk, takewhile(lambda each: desk.sent[each].follows, [*desk.sent]))
            return
        took = self._took.get(sent.function)
        now = seconds + OVERHEAD
        self._took[sent.function] = now if took is None else 0.7 * took + 0.3 * now
        desk.printed = end
        output = Output(desk.log, start, end) if end > start else None
        failure = None
        if plain is None:
            self._keep_values(desk, sent, passed)
        else:
            failure = messages.failure_from(plain)
            self._drop_followers(desk)
        self._outcomes.append(
            Outcome(
                call.work,
                call.job,
                started,
                seconds,
                failure,
                desk.worker.slot,
                output,
                [each and Mark(*each) for each in marks],
            )
        )

    def _keep_values(self, desk: Desk, sent: Sent, passed: Sequence[Encoded]) -> None:
        known = sent.known
        memory, keys = known.memory, known.blueprint.keys
        _, _, reads, writes = known.blueprint.jobs[sent.call.job]
        values = iter(passed)
        for place in writes:
            key = keys[place]
            if key is not None:
                value = next(values)
                memory.put(key, value)
                if type(value) is tuple:  # in a file, whose pages that worker has
                    self._holders[key] = desk.worker.number
        if not known.work.keep:
            for place in reads:
                key = keys[place]
                known.readers[place] -= 1
                if key is not None and known.readers[place] <= 0:
                    memory.discard(key)
                    self._holders.pop(key, None)

    def _drop_followers(self, desk: Desk) -> None:
        """Of a call that failed and was the first: what needs it is not run, and not told."""
        for number in [*desk.sent]:
            if not desk.sent[number].follows:
                return
            desk.load -= desk.sent.pop(number).seconds

    def _give_back(self, desk: Desk, numbers: Iterable[int]) -> None:
        for number in list(numbers):
            sent = desk.sent.pop(number, None)
            if sent is not None:
                desk.load = desk.load - sent.seconds if desk.sent else 0.0
                self._outcomes.append(Outcome.taken_back(sent.call))

    def _start_clock(self, desk: Desk) -> None:
        """Of the call that the worker is at now."""
        desk.deadline = None
        # One that has a time limit counts as long; sums of what is short and long are inexact.
        if desk.load > _LONG / 2 and desk.sent:
            first = next(iter(desk.sent.values()))
            if first.timeout is not None:
                desk.deadline = desk.heard + first.timeout

    # What goes wrong

    def _look_after(self, now: float) -> None:
        """Act where time has passed: a timeout, a job to be ended, a worker that is late."""
        for desk in self._desks.values():
            if desk.withdrawn is not None and desk.withdrawn[1] <= now:
                self._take_back(desk)
            if desk.killed is not None or not desk.sent:
                continue
            if _due_at(desk) <= now:
                self._catch_up(desk, now)
        if self._doomed:
            self._end_doomed()

    def _patience(self, now: float, timeout: float | None) -> float | None:
        times = [now + timeout] if timeout is not None else []
        for desk in self._desks.values():
            if desk.withdrawn is not None:
                times.append(desk.withdrawn[1])
            if desk.sent and desk.killed is None:
                times.append(_due_at(desk))
        if self._doomed:
            times.append(now + SETTLED)
        soonest = min(times, default=_NEVER)
        return None if soonest == _NEVER else max(soonest - now, 0.0)

    def _catch_up(self, desk: Desk, now: float) -> None:
        """Take in what a worker has said and done while nobody listened; act if it is late yet."""
        # What is on the page came after all that was said by then.
        unsent = desk.worker.page.unsent()
        events = self._workers.hear(desk.worker)
        for event in events:
            self._heed(event)
        left = len(desk.sent)
        for outcome in unsent:
            self._settle(desk, outcome)
        if len(desk.sent) < left:  # else it was there when we last looked
            desk.heard = now
            self._start_clock(desk)
        if not desk.sent:
            return
        if desk.deadline is None and not events:
            self._withdraw(desk, now)
        elif desk.deadline is not None and desk.deadline <= now:
            number, sent = next(iter(desk.sent.items()))
            self._kill(desk, number, _timed_out(sent.timeout))

    def _withdraw(self, desk: Desk, now: float) -> None:
        """Take back what waits behind the call that a worker is at."""
        desk.heard = now
        begun = desk.worker.page.begun
        waiting = [number for number in desk.sent if number > begun]
        if waiting and desk.withdrawn is None:
            # from `begun` on, since it may not have come to those that were withdrawn before
            desk.worker.page.forbid(begun + 1, waiting[-1])
            desk.withdrawn = (waiting, now + SETTLED)
            desk.is_stuck = True

    def _take_back(self, desk: Desk) -> None:
        """The calls that were withdrawn and not begun; the last that was may still be told of."""
        assert desk.withdrawn is not None
        numbers, _ = desk.withdrawn
        desk.withdrawn = None
        begun = desk.worker.page.begun
        self._give_back(desk, [number for number in numbers if number > begun])

    def _end_doomed(self) -> None:
        there = {
            (sent.call.work, sent.call.job): (desk, number)
            for desk in self._desks.values()
            for number, sent in desk.sent.items()
        }
        for each in list(self._doomed):
            if each not in there:
                self._doomed.discard(each)
            else:
                desk, number = there[each]
                if desk.worker.page.begun == number and desk.killed is None:
                    self._doomed.discard(each)
                    self._kill(desk, number, stopped_at_work())

    def _kill(self, desk: Desk, number: int, failure: Failure) -> None:
        desk.killed = (number, failure)
        self._workers.kill(desk.worker)

    def _lose(self, desk: Desk, lost: Lost) -> None:
        """A worker has ended: the job that it ran fails, and nothing else does."""
        del self._desks[desk.worker.number]
        page = desk.worker.page
        for outcome in page.unsent():
            self._settle(desk, outcome)
        begun = page.begun
        ran_a_job = begun in desk.sent or desk.killed is not None
        if desk.firsts:
            self._lose_firsts(desk, lost, again=ran_a_job)
        if desk.entering and not ran_a_job:
            self._lose_entering(desk, lost)
        if begun in desk.sent:
            self._blame(desk, begun, lost)
        self._give_back(desk, desk.sent)

    def _lose_firsts(self, desk: Desk, lost: Lost, *, again: bool) -> None:
        """The default data that it was to write is written by another, or refused."""
        for request, waiting in desk.firsts:
            if again:
                self._errands.add(partial(self._ask_for_first, request, waiting))
            else:
                message = f"the worker that was to write default data {lost.how}"
                waiting.set_exception(JobError(message, code="RUN603"))

    def _lose_entering(self, desk: Desk, lost: Lost) -> None:
        number = desk.entering[0]
        if number in self._known and not self._known[number].blueprint.functions <= self._imported:
            printed = self._said_before(desk)
            message = f"the worker {lost.how}"
            failure = Failure(code="RUN603", type="", message=message, traceback=printed)
            what = "the functions cannot be imported"
            self._break(number, what, failure, self._entering.pop(number, None))

    def _said_before(self, desk: Desk) -> str:
        """The last of what a worker has printed that ran no job."""
        if self._session is None:
            return ""
        self._session.trim(desk.log, desk.printed)
        return self._session.end_of(desk.log)

    def _blame(self, desk: Desk, number: int, lost: Lost) -> None:
        earlier = [each for each in desk.sent if each < number]
        self._give_back(desk, earlier)
        sent = desk.sent.pop(number)
        self._drop_followers(desk)
        failure = desk.killed[1] if desk.killed and desk.killed[0] == number else _lost(lost)
        end = self._session.trim(desk.log, desk.printed) if self._session else 0
        output = Output(desk.log, desk.printed, end) if end > desk.printed else None
        seconds = monotonic() - desk.heard
        call, slot = sent.call, desk.worker.slot
        self._outcomes.append(
            Outcome(call.work, call.job, time() - seconds, seconds, failure, slot, output)
        )


def _due_at(desk: Desk) -> float:
    """When the first call has taken too long, or something should have been said about it."""
    if desk.deadline is not None:
        return desk.deadline
    if len(desk.sent) < 2 or desk.withdrawn is not None:
        return _NEVER
    return desk.heard + next(iter(desk.sent.values())).seconds + LATE


def _answer(written: Future[Any], refusal: tuple[str, Any] | None, values: Any) -> None:
    if refusal is None:
        written.set_result(values)
        return
    what, plain = refusal
    failure = messages.failure_from(plain)
    if what:
        written.set_exception(UserCodeError(what, failure))
    else:
        written.set_exception(JobError(failure.message, code=failure.code, hint=failure.hint))


def _runs_users_code(node: DataNodeConfig) -> bool:
    return isinstance(node.default_data, FunctionRef) or any(classes_of([node]))


def _timed_out(seconds: float | None) -> Failure:
    return Failure(code="RUN602", type="TaskTimeout", message=f"took longer than {seconds:g} s")


def _lost(lost: Lost) -> Failure:
    if lost.status == LOST:
        message = "it closed the descriptors of its worker"
        return Failure(code="RUN603", type="", message=message)
    hint = None
    if lost.status == -signal.SIGKILL:
        hint = "was it out of memory? the kernel kills a process then, and says so in its log"
    return Failure(code="RUN603", type="", message=f"its worker {lost.how}", hint=hint)
