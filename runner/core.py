"""The Python API: scenarios, and what is submitted of them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from time import perf_counter, time
from types import TracebackType
from typing import Any, Final, Self, TypeAlias
from weakref import WeakSet

import attrs

from runner.checker.check import check as check_rules
from runner.checker.severity import judge
from runner.config.model import Config, DataNodeConfig, Durability, Mode, SectionRef
from runner.config.pauses import collector_paused
from runner.data.storage import Storage, write_all
from runner.diagnostics import Diagnostic, has_errors
from runner.errors import ConfigError, SetupError
from runner.execution.engine import Engine
from runner.execution.executor import Executor, Work
from runner.execution.failures import Failure
from runner.execution.importing import importable
from runner.execution.instance import (
    Instance,
    open_instance,
    remove_leftovers,
    storage_folder,
)
from runner.execution.jobs import JobEnd, Jobs, Observer
from runner.execution.lifecycle import JobStatus, SubmissionStatus
from runner.execution.mailbox import Mailbox
from runner.execution.orchestrator import Entry
from runner.execution.preparation import (
    inputs_without_value,
    not_in_this_version,
    write_defaults,
)
from runner.execution.session import Session, memory_of, remove_remains, session_of
from runner.execution.values import EncodedMemory
from runner.execution.worker import Output
from runner.functions.modules import modules_of
from runner.plan.compiler import compile_plan, find_scenario
from runner.plan.model import ExecutionPlan
from runner.store.places import check_name
from runner.store.store import JobRow, NodeRow, Store

ENDED_SUBMISSION: Final = frozenset(
    {SubmissionStatus.COMPLETED, SubmissionStatus.FAILED, SubmissionStatus.CANCELED}
)


def check(config: Config) -> list[Diagnostic]:
    """Everything that is wrong with a config; imports and runs nothing of the user's."""
    return list(judge(check_rules(config, modules_of(config)), config.check))


@attrs.define(eq=False)
class _Shared:
    """What the scenarios and submissions of one core have in common.

    Attributes:
        config: what is run.
        mode: where jobs run.
        session: where what belongs to this core is kept.
        memory: the values of data nodes in memory, by key.
        engine: what runs jobs.
        submissions: those that anybody still knows.
        numbers: of submissions.
    """

    config: Config
    mode: Mode
    session: Session
    memory: MutableMapping[str, Any]
    engine: Engine
    submissions: WeakSet[Submission] = attrs.field(factory=WeakSet)
    numbers: Iterator[int] = attrs.field(factory=count)
    _store: Store | None = None

    @property
    def store(self) -> Store:
        """The store, opened when it is first needed."""
        if self._store is None:
            durable = self.config.core.durability is Durability.POWER
            self._store = Store.open(storage_folder(self.config), durable=durable)
        return self._store

    def close(self) -> None:
        for submission in list(self.submissions):
            submission.cancel()
        self.engine.close()
        if isinstance(self.memory, EncodedMemory):
            self.memory.clear()
            remove_remains(self.session)
        if self._store is not None:
            self._store.close()
            self._store = None


class Core:
    """Runs the scenarios of one config. Ends everything that it started when it is closed.

    As a context manager it waits, at the end of the block, for the submissions that still run;
    where the block raises, they are canceled.
    """

    def __init__(
        self,
        config: Config,
        *,
        checked: bool = False,
        mode: Mode | None = None,
        executor: Executor | None = None,
    ) -> None:
        """Take a config and refuse one that is wrong.

        Args:
            config: what is run.
            checked: whether `check` has found it right already.
            mode: where jobs run; None: as the config says.
            executor: of that mode, which the core closes; None: one is made when it is needed.

        Raises:
            ConfigError: with everything that `check` finds.
        """
        if not checked:
            refuse_errors(check(config))
        self.config = config
        mode = mode or config.job.mode
        session = session_of(config)
        self._shared = _Shared(
            config,
            mode,
            session,
            memory_of(mode, session),
            Engine(mode, config.job, executor),
        )

    @property
    def mode(self) -> Mode:
        """Where jobs run."""
        return self._shared.mode

    @property
    def logs(self) -> Path:
        """The folder of what jobs print."""
        return self._shared.session.logs

    def printing(self) -> list[tuple[str, Output]]:
        """The tasks whose jobs run, and what they have printed so far."""
        by_number = {each.number: each.plan for each in list(self._shared.submissions)}
        return [
            (by_number[call.work].jobs[call.job].task.id, output)
            for call, output in self._shared.engine.executor.printing()
            if call.work in by_number
        ]

    def create_scenario(self, config: str | SectionRef, name: str | None = None) -> Scenario:
        """The scenario of that name, with its data nodes of earlier runs; made if there is none.

        Args:
            config: id of a scenario config.
            name: None: the id itself.

        Raises:
            UsageError: there is no such scenario config, or the name is another's.
            SetupError: the storage folder cannot be used.
        """
        config_id = config.id if isinstance(config, SectionRef) else config
        found = find_scenario(self.config, config_id)
        name = check_name(config_id if name is None else name)
        plan = compile_plan(self.config, config_id, name=name)
        if plan.mode is not self.mode:
            plan = attrs.evolve(plan, mode=self.mode)
        row = self._shared.store.scenario(plan.name, config_id, datetime.now().astimezone())
        instance = open_instance(
            self.config,
            row.name,
            row.created,
            plan.data_nodes.values(),
            frequency=found.frequency,
            memory=self._shared.memory,
        )
        return Scenario(self._shared, plan, instance)

    def close(self) -> None:
        """Cancel what still runs, and end all that was started."""
        self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                for submission in list(self._shared.submissions):
                    if submission.id:
                        submission.wait()
        finally:
            self.close()


class Scenario:
    """A named instance of a scenario config, with data nodes of its own.

    Attributes:
        name: what it is found by.
        data_nodes: by id.
    """

    def __init__(self, shared: _Shared, plan: ExecutionPlan, instance: Instance) -> None:
        self._shared = shared
        self._plan = plan
        self._instance = instance
        self.name = instance.name
        store, application_path = shared.store, shared.config.application_path
        self.data_nodes: Mapping[str, DataNode] = {
            node_id: DataNode(node, instance, store, application_path)
            for node_id, node in plan.data_nodes.items()
        }

    def submit(
        self,
        *,
        wait: bool = False,
        timeout: float | None = None,
        fail_fast: bool = False,
        on_change: OnChange | None = None,
    ) -> Submission:
        """Run all its tasks.

        In development mode the run is over when this returns, whatever `wait` and `timeout` say.
        In standalone mode it returns as soon as the first jobs can be handed out.

        Args:
            wait: whether to return only when the run is over.
            timeout: seconds after which to return even so; the run goes on.
            fail_fast: whether no job is started after one has failed.
            on_change: is called with the submission, a task and its new status, and with None for
                the task when the status is the submission's. It is called in the thread of the
                run; what it raises is printed and changes nothing.

        Raises:
            ConfigError: a function cannot be imported, or an input has no value; nothing ran.
            SetupError: the config asks for what this version cannot do, or the storage folder
                cannot be used.
        """
        watching = [Watching(on_change)] if on_change else []
        submission = self.prepare(fail_fast=fail_fast, observers=watching)
        for each in watching:
            each.submission = submission
        submission.start()
        if wait:
            submission.wait(timeout)
        return submission

    @collector_paused()
    def prepare(
        self,
        plan: ExecutionPlan | None = None,
        *,
        fail_fast: bool = False,
        observers: Sequence[Observer] = (),
        full_traceback: bool = False,
        keep: bool = True,
    ) -> Submission:
        """Import the functions and write first values, so that only `run` is left to do.

        Args:
            plan: of this scenario; None: of all its tasks.
            fail_fast: whether no job is started after one has failed.
            observers: are told what happens.
            full_traceback: whether failures tell the frames of runner too.
            keep: whether values in memory are wanted after the last job that reads them.

        Raises:
            ConfigError, SetupError: as `submit`.
        """
        shared, instance = self._shared, self._instance
        plan = plan or self._plan
        _refuse_unbuilt(shared.config, plan)
        work = Work(
            number=next(shared.numbers),
            plan=plan,
            instance=instance,
            config=shared.config,
            session=shared.session,
            memory=shared.memory,
            keep=keep,
            full_traceback=full_traceback,
        )
        executor = shared.engine.executor
        with importable(shared.config.application_path):
            executor.enter(work)
            try:
                remove_leftovers(instance)
                write = partial(executor.write_first, work)
                write_defaults(plan, instance, shared.store, write)
                refuse_errors(inputs_without_value(plan, instance))
            except BaseException:
                executor.leave(work.number)
                raise
        submission = Submission(shared, work, observers=observers, fail_fast=fail_fast)
        shared.submissions.add(submission)
        return submission


class DataNode:
    """A data node of a scenario.

    Attributes:
        id: as in the config.
        key: names it in the storage folder.
        path: its file, if it is one.
    """

    def __init__(
        self, config: DataNodeConfig, instance: Instance, store: Store, application_path: Path
    ) -> None:
        place = instance.places[config.id]
        self.id = config.id
        self.key = place.key
        self.path = place.path
        self._storage = instance.storages.get(config.id)
        self._storage_type = config.storage_type
        self._store = store
        self._application_path = application_path

    @property
    def is_written(self) -> bool:
        """Whether there is a value to read."""
        return self._opened().exists()

    def read(self) -> Any:
        """The value, a copy of your own.

        Raises:
            JobError: there is none, or it cannot be read.
        """
        with importable(self._application_path):
            return self._opened().read()

    def write(self, value: Any) -> None:
        """Give it a value, which no default replaces.

        Raises:
            JobError: it cannot be written; the old value stays.
        """
        with importable(self._application_path):
            write_all([(self._opened(), value)])
        if self.path is not None:
            self._store.record_written([NodeRow(self.key, "user", None, None, time())])

    def _opened(self) -> Storage:
        if self._storage is None:
            message = f"storage type `{self._storage_type}` does not run in this version"
            raise SetupError(message, code="RUN509")
        return self._storage

    def __repr__(self) -> str:
        return f"<DataNode {self.key}>"


class Submission:
    """One execution of a plan.

    Attributes:
        id: of the run; empty before it has begun.
        number: which of its core, from 0.
        plan: what runs.
        jobs: those that have ended, in the order in which they did.
        seconds: how long it took, or has taken so far.
    """

    def __init__(
        self, shared: _Shared, work: Work, *, observers: Sequence[Observer], fail_fast: bool
    ) -> None:
        self.id = ""
        self.number = work.number
        self.plan = work.plan
        self.jobs: list[JobEnd] = []
        self._shared = shared
        self._store = shared.store
        self._files = _files_by_task(work.plan, work.instance)
        self._begun: float | None = None
        self._took: float | None = None
        self._over = Event()
        self._mailbox: Mailbox | None = None
        self._watching = [each for each in observers if isinstance(each, Watching)]
        jobs = Jobs(work.plan, self._record, observers=observers, fail_fast=fail_fast)
        self._entry = Entry(work.number, jobs, self._end)

    @property
    def status(self) -> SubmissionStatus:
        status = self._entry.jobs.status
        is_ahead = status in ENDED_SUBMISSION and self.id and not self._over.is_set()
        return SubmissionStatus.RUNNING if is_ahead else status

    @property
    def slots(self) -> int:
        """How many jobs may run at once."""
        return self._shared.engine.executor.slots

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and that is recorded."""
        return self._over.is_set()

    @property
    def seconds(self) -> float:
        if self._took is not None:
            return self._took
        return 0.0 if self._begun is None else perf_counter() - self._begun

    def job_status(self, task: str) -> JobStatus:
        """The status of a task's job, as of now."""
        return self._entry.jobs.statuses[task]

    def begin(self) -> str:
        """Record that the run begins; its id."""
        self._begun = perf_counter()
        shared = self._shared
        self.id = self._store.begin_run(
            self.plan.name, self.plan.mode.value, time(), session=shared.session.name
        )
        if shared.mode is not Mode.DEVELOPMENT:  # there, nobody could act on a request
            self._mailbox = Mailbox(storage_folder(shared.config) / "locks", self.id, self.ask)
        return self.id

    def start(self) -> None:
        """Run all jobs: to their ends in development mode, in the background otherwise.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed in development mode; the run is canceled, and
                recorded as such.
        """
        if not self.id:
            self.begin()
        for watching in self._watching:
            watching.tell(None, SubmissionStatus.RUNNING)
        with importable(self._shared.config.application_path):
            self._shared.engine.run(self._entry)

    def run(self) -> SubmissionStatus:
        """Run all jobs to their ends.

        Raises:
            KeyboardInterrupt: as `start`.
        """
        self.start()
        return self.wait()

    def stop(self) -> None:
        """Start no further job; those that run may finish. Safe in a signal handler."""
        self.ask("stop")

    def cancel(self, task: str | None = None) -> None:
        """End it now, or one of its jobs: what runs of it is ended, and what waits does not run.

        In development mode, a job that runs is not ended. Safe in a signal handler.
        """
        self.ask("cancel" if task is None else f"cancel {task}")

    def ask(self, request: str) -> None:
        """Ask it to `stop`, to `cancel` or to `cancel TASK`; anything else is left alone."""
        self._shared.engine.ask(self._entry, request)

    def wait(self, timeout: float | None = None) -> SubmissionStatus:
        """Wait until the run is over, or so many seconds; the status then.

        Raises:
            RunnerError: the run could not go on, for a reason that is not a job's.
        """
        self._over.wait(timeout)
        if self._shared.engine.error is not None:
            raise self._shared.engine.error
        return self.status

    def __repr__(self) -> str:
        return f"<Submission {self.id} of {self.plan.name}: {self.status}>"

    def _record(self, ended: Sequence[JobEnd]) -> None:
        self._store.record([_job_row(self.id, end) for end in ended], self._written(ended))
        self.jobs.extend(ended)

    def _end(self) -> None:
        self._took = self.seconds
        if self._mailbox is not None:
            self._mailbox.close()
        try:
            self._store.end_run(self.id, self._entry.jobs.status.value, self._took)
        finally:
            self._over.set()
        for watching in self._watching:
            watching.tell(None, self.status)

    def _written(self, ended: Sequence[JobEnd]) -> Iterator[NodeRow]:
        for end in ended if self._files else ():
            if end.status is JobStatus.COMPLETED:
                written = (end.started or 0.0) + (end.seconds or 0.0)
                for key in self._files.get(end.task, ()):
                    yield NodeRow(key, "task", self.id, end.task, written)


OnChange: TypeAlias = Callable[[Submission, str | None, JobStatus | SubmissionStatus], object]


class Watching:
    """Tells a function of every change of status."""

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self.submission: Submission | None = None

    def started(self, task: str, attempt: int) -> None:  # noqa: ARG002 - an Observer's
        self.tell(task, JobStatus.RUNNING)

    def retrying(self, task: str, attempt: int, failure: Failure, delay: float) -> None:  # noqa: ARG002 - an Observer's
        self.tell(task, JobStatus.PENDING)

    def ended(self, job: JobEnd) -> None:
        self.tell(job.task, job.status)

    def tell(self, task: str | None, status: JobStatus | SubmissionStatus) -> None:
        assert self.submission is not None, "it is told before the run starts"
        try:
            self._on_change(self.submission, task, status)
        except Exception:  # noqa: BLE001 - the user's function raises anything, and the run goes on
            traceback.print_exc()


def refuse_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Raise what is wrong, if anything is.

    Raises:
        ConfigError: with all diagnostics, where one of them is an error.
    """
    found = list(diagnostics)
    if has_errors(found):
        message = "\n".join(str(each) for each in found if each.is_error)
        raise ConfigError(message, diagnostics=found)


def _refuse_unbuilt(config: Config, plan: ExecutionPlan) -> None:
    found = list(not_in_this_version(config, plan))
    if found:
        raise SetupError("\n".join(map(str, found)), code="RUN509", diagnostics=found)


def _files_by_task(plan: ExecutionPlan, instance: Instance) -> dict[str, list[str]]:
    """The keys of the files that each task writes."""
    keys: dict[str, list[str]] = {}
    for node_id, place in instance.files.items():
        if node_id in plan.produced:
            keys.setdefault(plan.produced[node_id], []).append(place.key)
    return keys


def _job_row(run: str, end: JobEnd) -> JobRow:
    task, status, attempts, started, seconds, failure, worker, output, _, _ = end
    why = f"{failure.code} {failure.message}" if failure else None
    if output is None:
        return JobRow(run, task, _WORDS[status], attempts, started, seconds, why, worker)
    log, start, stop = output.file, output.start, output.end
    return JobRow(
        run, task, _WORDS[status], attempts, started, seconds, why, worker, log, start, stop
    )


_WORDS: Final = {status: status.value for status in JobStatus}
"""What SQLite takes at once, which it does not with a member of an enumeration."""
