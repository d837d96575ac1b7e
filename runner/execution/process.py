"""A worker: a process of the standalone mode that runs the jobs it is sent, one by one.

It is started with a socket to the runner as descriptor 3 and the page that both share as 4. It
ends when the socket does.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from time import monotonic, perf_counter
from typing import Any, ClassVar, Final, NoReturn

import attrs

from runner.data.pickle_file import not_picklable
from runner.data.storage import Mark, Storage, no_value, read_failed, reason, write_failed
from runner.errors import JobError
from runner.execution import messages
from runner.execution.definitions import function_from, storage_from
from runner.execution.failures import Failure, failure_of, import_failure
from runner.execution.housekeeping import Housekeeping
from runner.execution.importing import UserCodeError
from runner.execution.page import Page
from runner.execution.values import Encoded, Folders, decode, encode, serialise
from runner.execution.worker import Call, Outcome, Step, run_job
from runner.masks import NO_MASK, Mask
from runner.store.trimming import MOST_PRINTED, trim

LOST: Final = 79
"""The exit code of a worker whose descriptors a job has closed."""
SENT_EVERY: Final = 0.001
"""Seconds for which outcomes are kept back, so that several travel together."""

_HIGH: Final = 200  # descriptors that a job which closes some of its own is unlikely to meet


class StagedPassed:
    """A value that is encoded: it goes with the outcome."""

    sure: ClassVar[bool] = True
    mark: ClassVar[None] = None

    def commit(self) -> None:
        """Nothing more is to be done."""

    def discard(self) -> None:
        """Nothing was left but a file, which goes with the run."""


_STAGED: Final = StagedPassed()


@attrs.define(eq=False)
class Passed:
    """A data node in memory, of one job: its value came with the call, or goes with the outcome."""

    node: str
    value: Encoded
    folders: Folders

    def exists(self) -> bool:
        return True

    def mark(self, known: Mark | None = None) -> None:
        """Nobody can tell."""

    def read(self) -> Any:
        try:
            return decode(self.value)
        except Exception as error:  # the user's classes raise anything
            raise read_failed(self.node, "its value", reason(error)) from error

    def stage(self, value: Any) -> StagedPassed:
        try:
            self.value = encode(value, self.folders)
        except OSError as error:
            raise write_failed(self.node, "its value", reason(error)) from error
        except Exception as error:  # the user's __reduce__ raises anything
            raise not_picklable(self.node, value, error, serialise) from error
        return _STAGED

    def delete(self) -> None:
        raise AssertionError(f"no job removes {self.node}")


@attrs.define(eq=False)
class Absent:
    """A data node in memory that nobody has written."""

    node: str

    def exists(self) -> bool:
        return False

    def mark(self, known: Mark | None = None) -> None:
        """There is none."""

    def read(self) -> Any:
        hint = "an in_memory data node keeps its value as long as the run"
        raise no_value(self.node, "nothing was written in this run", hint)

    def stage(self, value: Any) -> Any:  # noqa: ARG002 - a storage's
        raise AssertionError(f"{self.node} is an input")

    def delete(self) -> None:
        """There is none."""


@attrs.frozen(eq=False)
class Entered:
    """A submission whose functions are imported.

    Attributes:
        jobs: of each its task, its function's number, the places of its inputs and outputs.
        ids: of the data nodes, by place.
        storages: None where it is in memory.
        full_traceback: whether failures tell the frames of runner too.
        asks: whether its calls ask before they commit.
    """

    jobs: Sequence[tuple[str, int, Sequence[int], Sequence[int]]]
    ids: Sequence[str]
    storages: Sequence[Storage | None]
    full_traceback: bool = False
    asks: bool = False


class Worker:
    """What the process knows, and what it does with each message."""

    def __init__(self, socket: int, page: int) -> None:
        self._socket = _moved(socket)
        self._received = bytearray()
        self._arrived: deque[Any] = deque()
        self._allowed: dict[int, float] = {}
        self._waited = 0.0
        self._page = Page(page)
        os.close(page)
        self._pid = os.getpid()
        self._works: dict[int, Entered] = {}
        self._blueprints: dict[int, dict[str, Any]] = {}
        self._functions: dict[int, Callable[..., Any]] = {}
        self._outcomes: list[bytes] = []
        self._sent = 0.0
        self._folders = Folders("")
        self._log = 1
        self._log_file = ""
        self._printed = 0
        self._most = MOST_PRINTED
        self._mask = NO_MASK
        self._housekeeping: Housekeeping | None = None

    def live(self) -> NoReturn:
        """Do what is said until nobody says any more."""
        does: dict[int, Callable[..., None]] = {
            messages.SESSION: self._open_session,
            messages.LEARN: self._learn,
            messages.ENTER: self._enter,
            messages.FORGET: self._forget,
            messages.FIRST: self._write_first,
            messages.CALLS: self._run,
            messages.LEAVE: self._leave,
        }
        while True:
            while self._arrived:
                what, *arguments = self._arrived.popleft()
                does[what](*arguments)
            self._listen()

    def _listen(self) -> None:
        """Take in what is said next."""
        try:
            data = os.read(self._socket, 1 << 20)
        except OSError:
            os._exit(LOST)
        if not data:
            os._exit(0)
        self._received += data
        self._arrived.extend(messages.frames(self._received))

    def _ask(self, number: int, until: float) -> None:
        """Ask whether a call may commit, and wait for the answer; what else is said can wait.

        Where the answer was told with the call, or with that to another one, there is nothing to
        ask; one that is read too late, since this process was stopped, is no answer.

        Raises:
            JobError: RUN603, it may not.
        """
        if max(self._allowed.pop(number, 0.0), until) > monotonic():
            return
        begun = perf_counter()
        self._send()
        try:
            while self._answer(number) <= monotonic():
                pass
        finally:
            self._waited += perf_counter() - begun

    def _answer(self, number: int) -> float:
        """Until when a call may commit."""
        self._say(messages.MAY, number)
        while True:
            for place, (what, *arguments) in enumerate(self._arrived):
                if what == messages.ANSWER:
                    del self._arrived[place]
                    self._allowed = dict(arguments[0])
                    until = self._allowed.pop(number)
                    if not until:
                        raise JobError("another worker has its job by now", code="RUN603")
                    return until
            self._listen()

    def _open_session(
        self,
        application_path: str,
        log: str,
        disk: str,
        memory: str | None,
        most: int,
        secrets: Sequence[str],
    ) -> None:
        self._log_file = log
        self._most = most
        self._mask = Mask(tuple(secrets))
        sys.path.insert(0, application_path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(log, flags, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        self._log = _copied(1)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # it is a TextIOWrapper
        _buffer_lines_in_c()
        faulthandler.enable(self._log)
        self._folders = Folders(disk, memory)
        self._housekeeping = Housekeeping()

    def _learn(self, number: int, about: dict[str, Any]) -> None:
        self._blueprints[number] = about

    def _enter(
        self,
        work: int,
        blueprint: int,
        functions: Iterable[tuple[int, Any]],
        full: bool,  # noqa: FBT001 - as it arrives
        asks: bool,  # noqa: FBT001 - as it arrives
    ) -> None:
        try:
            for number, definition in functions:
                self._functions[number] = function_from(definition)
            entered = self._entered(self._blueprints[blueprint])
            self._works[work] = attrs.evolve(entered, full_traceback=full, asks=asks)
        except UserCodeError as error:
            self._take_printed()
            self._say(messages.ENTERED, work, _told(error, full=full))
            return
        except BaseException as error:  # noqa: BLE001 - what is unpickled is the user's, and raises anything
            failure = import_failure(error, "RUN301", full=full)
            told = ("what was given in Python cannot be made", messages.plain_failure(failure))
            self._take_printed()
            self._say(messages.ENTERED, work, told)
            return
        self._take_printed()
        if self._housekeeping:
            self._housekeeping.remember()
        self._say(messages.ENTERED, work, None)

    def _entered(self, about: dict[str, Any]) -> Entered:
        entered: Entered | None = about.get("entered")
        if entered is None:
            nodes = about["nodes"]
            storages = [None if by is None else storage_from(node, by) for node, by in nodes]
            for name in about["classes"]:
                function_from(name)
            entered = about["entered"] = Entered(
                about["jobs"], [node for node, _ in nodes], storages
            )
        return entered

    def _write_first(self, full: bool, nodes: Iterable[tuple[bytes, bytes | None]]) -> None:  # noqa: FBT001 - as it arrives
        # Most workers never do this, and the config takes as long to import as all the rest.
        from runner.config.model import DataNodeConfig
        from runner.execution.steps import import_classes, write_first_values

        configs: list[DataNodeConfig] = []
        storages: dict[str, Storage] = {}
        for dumped, opened_by in nodes:
            config: DataNodeConfig = pickle.loads(dumped)
            configs.append(config)
            if opened_by is None:
                storages[config.id] = Passed(config.id, None, self._folders)
            else:
                storages[config.id] = storage_from(config.id, opened_by)
        try:
            import_classes(configs)
            write_first_values(configs, storages)
        except UserCodeError as error:
            self._say(messages.FIRST_DONE, _told(error, full=full), ())
        except BaseException as error:  # noqa: BLE001 - whatever it is, the runner tells it
            failure = failure_of(error, full=full)
            self._say(messages.FIRST_DONE, ("", messages.plain_failure(failure)), ())
        else:
            passed = [(each.node, each.value) for each in storages.values() if type(each) is Passed]
            self._say(messages.FIRST_DONE, None, passed)

    def _leave(self, work: int) -> None:
        self._works.pop(work, None)

    def _forget(self, number: int) -> None:
        self._blueprints.pop(number, None)

    def _run(self, calls: Sequence[tuple[int, int, int, bool, Sequence[Encoded], float]]) -> None:
        made: dict[int, Encoded] = {}
        went_well = True
        is_alone = len(calls) == 1
        is_long = False
        for number, work, job, follows, values, until in calls:
            if follows and not went_well:
                continue
            if not self._page.begin(number):
                self._keep(messages.packed((number, None, 0.0, None, None, 0, 0, ())))
                went_well = False
                continue
            entered = self._works[work]
            permit = partial(self._ask, number, until) if entered.asks else None
            outcome, passed = self._run_one(Call(work, job), entered, values, made, permit)
            went_well = outcome.failure is None
            self._note(number, outcome, passed)
            is_long = outcome.seconds > SENT_EVERY
            if is_long or is_alone:
                self._send()
            tidied = self._housekeeping is None or self._housekeeping.tidy(thoroughly=is_long)
            if not tidied:
                self._retire()
            if perf_counter() - self._sent > SENT_EVERY:
                self._send()
        self._send()
        if is_long:  # it was thorough
            return
        if self._housekeeping and not self._housekeeping.tidy(thoroughly=True):
            self._retire()

    def _run_one(
        self,
        call: Call,
        entered: Entered,
        values: Sequence[Encoded],
        made: dict[int, Encoded],
        permit: Callable[[], None] | None,
    ) -> tuple[Outcome, tuple[Encoded, ...]]:
        task, function, reads, writes = entered.jobs[call.job]
        storages, ids, folders = entered.storages, entered.ids, self._folders
        given = iter(values)
        inputs: list[Storage] = []
        for place in reads:
            storage = storages[place]
            if storage is None:
                value = next(given)
                if value == messages.HERE:
                    value = made.get(place, messages.HERE)
                if value == messages.HERE:
                    storage = Absent(ids[place])
                else:
                    storage = Passed(ids[place], value, folders)
            inputs.append(storage)
        outputs = [storages[place] or Passed(ids[place], None, folders) for place in writes]
        step = Step(task, self._functions[function], inputs, outputs, permit=permit)
        self._waited = 0.0
        outcome = run_job(call, step, full_traceback=entered.full_traceback)
        outcome.seconds -= self._waited  # of the job itself
        if os.getpid() != self._pid:  # the job has forked, and this is the child
            os._exit(0)
        if outcome.failure is not None:
            return outcome, ()
        passed = []
        for place, storage in zip(writes, outputs, strict=True):
            if type(storage) is Passed:
                made[place] = storage.value
                passed.append(storage.value)
        return outcome, tuple(passed)

    def _note(self, number: int, outcome: Outcome, passed: tuple[Encoded, ...]) -> None:
        failure = None if outcome.failure is None else messages.plain_failure(outcome.failure)
        marks = [each and tuple(each) for each in outcome.marks] if any(outcome.marks) else ()
        start, end = self._take_printed()
        self._keep(
            messages.packed(
                (number, outcome.started, outcome.seconds, passed, failure, start, end, marks)
            )
        )

    def _keep(self, outcome: bytes) -> None:
        is_kept = self._page.keep(outcome)
        if not is_kept:
            self._send()
            is_kept = self._page.keep(outcome)
        self._outcomes.append(outcome)
        if not is_kept:  # it is larger than the page, and must not be lost with what comes next
            self._send()

    def _send(self) -> None:
        if self._outcomes:
            self._say(messages.DID, self._outcomes)
            self._outcomes = []
            self._page.forget()
        self._sent = perf_counter()

    def _retire(self) -> NoReturn:
        self._send()
        self._say(messages.RETIRE)
        os._exit(0)

    def _say(self, *message: Any) -> None:
        data = memoryview(messages.frame(*message))
        try:
            while data:
                data = data[os.write(self._socket, data) :]
        except OSError:
            os._exit(LOST)

    def _take_printed(self) -> tuple[int, int]:
        """Where in the log is what was printed since the last time; it is trimmed."""
        self._flush_streams()
        start, end = self._printed, self._end_of_log()
        if end > start:
            whole, end = end, trim(self._log_file, start, end, self._most, self._mask)
            if end < whole:  # the next write goes there anyway, but the offset only with it
                os.lseek(self._log, end, os.SEEK_SET)
        self._printed = end
        return start, end

    def _end_of_log(self) -> int:
        try:
            return os.lseek(self._log, 0, os.SEEK_CUR)
        except OSError:  # a job has closed it
            return self._printed

    def _flush_streams(self) -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001 - a job has closed them, or replaced them by anything
            return


def serve() -> NoReturn:
    """Be a worker, on the descriptors 3 and 4."""
    Worker(3, 4).live()


def _moved(descriptor: int) -> int:
    copy = _copied(descriptor)
    os.close(descriptor)
    return copy


def _copied(descriptor: int) -> int:
    """A copy that programs which the job starts do not get."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)


def _buffer_lines_in_c() -> None:
    """Let what C code prints be written line by line, as Python's is: a job owns what it printed.

    Where the C library has no `stdout` of that name, its output may be told of a later job.
    """
    import ctypes

    try:
        library = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(library, "stdout")
        library.setvbuf(stdout, None, 1, 0)  # _IOLBF
    except (OSError, ValueError, AttributeError):
        return


def _told(error: UserCodeError, *, full: bool) -> tuple[str, tuple[Any, ...]]:
    failure: Failure = error.failure
    if full and error.__cause__ is not None:
        failure = import_failure(error.__cause__, failure.code, full=True)
    return error.what, messages.plain_failure(failure)
