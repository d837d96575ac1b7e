"""The Python API: scenarios, and what is submitted of them."""

from __future__ import annotations

import os
import traceback
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from threading import Event
from time import perf_counter, time
from types import TracebackType
from typing import Any, Final, Self, TypeAlias
from weakref import WeakSet

import attrs

from runner.checker.check import check as check_rules
from runner.checker.rules.settings import plain_secrets
from runner.checker.severity import judge
from runner.config.model import Config, DataNodeConfig, Durability, Mode, SectionRef
from runner.config.pauses import collector_paused
from runner.config.references import FunctionRef
from runner.config.secrets import text_holds_secrets
from runner.data.exchange import stage_from, write_to
from runner.data.storage import Appending, Mark, Opening, Staged, Storage
from runner.diagnostics import Diagnostic, has_errors
from runner.errors import ConfigError, JobError, UsageError
from runner.execution.circumstances import commit_of, environment, own_command_line
from runner.execution.comparing import Comparison, compare
from runner.execution.engine import Engine
from runner.execution.executor import Executor, Work
from runner.execution.executors import workers_of
from runner.execution.failures import Failure
from runner.execution.holdings import Holding, holdings_of
from runner.execution.importing import UserCodeError, importable
from runner.execution.instance import (
    Instance,
    open_instance,
    opened,
    opening_of,
    remove_leftovers,
    storage_folder,
)
from runner.execution.jobs import JobEnd, Jobs, Observer
from runner.execution.lifecycle import JobStatus, SubmissionStatus
from runner.execution.mailbox import Mailbox
from runner.execution.orchestrator import Entry
from runner.execution.preparation import (
    due_defaults,
    inputs_without_value,
    write_defaults,
)
from runner.execution.session import Session, memory_of, remove_remains, session_of
from runner.execution.skipping import ALL, Past, Skipping, known_mark, past_of
from runner.execution.values import EncodedMemory
from runner.execution.worker import Output
from runner.functions.fingerprint import Fingerprints
from runner.functions.modules import modules_of
from runner.masks import Mask
from runner.plan.compiler import compile_plan, find_scenario
from runner.plan.model import ExecutionPlan
from runner.plan.recipe import digest_of, recipe_of
from runner.plan.staleness import Verdict
from runner.store.database import is_there
from runner.store.locks import Locks, acquire, keys_of, locked
from runner.store.places import check_name
from runner.store.store import About, JobRow, NodeRow, RunRow, Store, TraceRow, VersionRow
from runner.suggestions import did_you_mean

ENDED_SUBMISSION: Final = frozenset(
    {SubmissionStatus.COMPLETED, SubmissionStatus.FAILED, SubmissionStatus.CANCELED}
)


def check(config: Config) -> list[Diagnostic]:
    """Everything that is wrong with a config; imports and runs nothing of the user's.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(config, Config):
        what = type(config).__name__  # type: ignore[unreachable]  # not everybody has types
        hint = "Config.load(file) gives one, or ConfigBuilder.build()"
        raise TypeError(f"expected a Config, not {what}: {hint}")
    return list(judge(check_rules(config, modules_of(config)), config.check))


@attrs.frozen
class Forecast:
    """What a plan would do now.

    Attributes:
        verdicts: of each job, whether it would run, and why.
        seconds: how long that would take, by earlier runs; None: nobody can tell.
        runs: how many runs that rests on.
        warnings: of tasks that are to be skipped and never can be.
        cycle: the one that the scenario belongs to, or will; None: to none.
    """

    verdicts: tuple[Verdict, ...]
    seconds: float | None = None
    runs: int = 0
    warnings: tuple[Diagnostic, ...] = ()
    cycle: str | None = None


def forecast(
    config: Config,
    plan: ExecutionPlan,
    *,
    force: bool | Collection[str] = False,
    clock: Callable[[], float] = time,
) -> Forecast:
    """What a plan would do now. Nothing is written, and of data no more read than has changed.

    Args:
        config: what the plan was made of.
        plan: it.
        force: whether jobs run although they could be skipped: all, or those of some tasks.
        clock: gives the seconds since 1970, UTC.

    Raises:
        UsageError: the scenario was created on another date than the plan says.
    """
    code = Fingerprints(modules_of(config), config.application_path)
    forced = (ALL,) if force is True else force or ()
    folder = storage_folder(config)
    if not is_there(folder):
        instance = _instance(config, plan, _created(plan, None, clock), {})
        skipping = Skipping(plan, instance, Past(), code, force=forced, now=clock())
        warnings = tuple(skipping.without_fingerprint())
        verdicts = tuple(skipping.verdicts())
        return Forecast(verdicts, warnings=warnings, cycle=instance.cycle)
    with Store.open_to_read(folder) as store:
        created = _created(plan, store.created(plan.name), clock)
        instance = _instance(config, plan, created, {})
        past = past_of(store, plan.name, store.data_nodes())
        changing = [node.id for node, _ in due_defaults(plan, instance, past.rows)]
        skipping = Skipping(plan, instance, past, code, force=forced, now=clock())
        verdicts, warnings = (
            tuple(skipping.verdicts(changing)),
            tuple(skipping.without_fingerprint()),
        )
        usual, runs = store.usual_seconds(plan.name)
    due = [job.task.id for job, each in zip(plan.jobs, verdicts, strict=True) if not each.skip]
    if not due or not all(task in usual for task in due):
        return Forecast(verdicts, warnings=warnings, cycle=instance.cycle)
    slots = 1 if plan.mode is Mode.DEVELOPMENT else workers_of(config.job)
    longest = max(usual[task] for task in due)
    seconds = max(sum(usual[task] for task in due) / slots, longest)
    return Forecast(verdicts, seconds, runs, warnings, instance.cycle)


def unfinished(config: Config, plan: ExecutionPlan, completed: Collection[str]) -> set[str]:
    """The tasks of a plan that have to run so that all of it has run.

    Those that did not complete; those that did, and whose values are not as they left them; and
    those that did, and whose values in memory are gone and wanted by one of these.

    Args:
        config: what the plan was made of.
        plan: it.
        completed: the tasks that have.
    """
    with Store.open(storage_folder(config)) as store:
        created = _created(plan, store.created(plan.name), time)
        rows = store.data_nodes()
    instance = _instance(config, plan, created, {})
    left: set[str] = set()
    for job in reversed(plan.jobs):
        task = job.task
        nodes = [plan.data_nodes[node] for node in task.outputs]
        if task.id not in completed or not _are_as_recorded(nodes, instance, rows):
            left.add(task.id)
        if task.id in left:
            gone = (node for node in task.inputs if not plan.data_nodes[node].options.lasts)
            left.update(plan.produced[node] for node in gone if node in plan.produced)
    return left


def gathered(config: Config, plan: ExecutionPlan, run: RunRow) -> list[JobEnd]:
    """The jobs that ended in a cluster when the process of their run was gone.

    It is recorded, and what workers still do for the run is ended.

    Args:
        config: of the run.
        plan: of the run.
        run: it.

    Raises:
        SetupError: RUN501, the broker cannot be reached.
    """
    from runner.execution.cluster.broker import broker_of
    from runner.execution.cluster.gathering import gather  # it takes Celery
    from runner.execution.cluster.sealing import key_of

    key = key_of(os.environ, storage_folder(config).absolute())
    broker = broker_of(config.job, os.environ)
    told = gather(config.job, broker, key, run.session or "", run.scenario) if run.session else []
    with Store.open(storage_folder(config)) as store:
        known = {job.task for job in store.jobs(run.id)}
        created = _created(plan, store.created(plan.name), time)
        lasting = _lasting_by_task(plan, _instance(config, plan, created, {}))
        ends = [
            JobEnd(
                each.task,
                JobStatus.COMPLETED if each.failure is None else JobStatus.FAILED,
                1,
                each.started,
                each.seconds,
                each.failure,
                marks=each.marks,
            )
            for each in told
            if each.task not in known
        ]
        rows = [_job_row(run.id, end) for end in ends]
        store.record(rows, _written(run.id, ends, lasting))
    return ends


def _are_as_recorded(
    nodes: Iterable[DataNodeConfig], instance: Instance, rows: Mapping[str, NodeRow]
) -> bool:
    """Whether data nodes hold what the store says, as far as their marks tell."""
    for node in nodes:
        if node.options.is_marked:
            row = rows.get(instance.places[node.id].key)
            known = None if row is None else known_mark(row)
            mark = instance.storages[node.id].mark(known)
            if known is None or mark is None or mark.fingerprint != known.fingerprint:
                return False
    return True


@attrs.define(eq=False, slots=False)
class _Shared:
    """What the scenarios and submissions of one core have in common.

    Attributes:
        config: what is run.
        mode: where jobs run.
        session: where what belongs to this core is kept.
        memory: the values of data nodes in memory, by key.
        engine: what runs jobs.
        clock: says when scenarios are created and what is valid.
        submissions: those that anybody still knows.
        numbers: of submissions.
    """

    config: Config
    mode: Mode
    session: Session
    memory: MutableMapping[str, Any]
    engine: Engine
    clock: Callable[[], float]
    submissions: WeakSet[Submission] = attrs.field(factory=WeakSet)
    numbers: Iterator[int] = attrs.field(factory=count)
    _store: Store | None = None

    @cached_property
    def code(self) -> Fingerprints:
        """Of the source as it was when the first functions were imported; so they stay."""
        return Fingerprints(modules_of(self.config), self.config.application_path)

    @cached_property
    def has_secrets(self) -> bool:
        """Whether the files of the config hold secrets in plain text, be they overridden."""
        if self.session.holds_secrets and any(plain_secrets(self.config)):
            return True
        written = self.config.written
        are_overridden = len(written) > 1
        return are_overridden and any(text_holds_secrets(text) for _, text in written if text)

    @property
    def store(self) -> Store:
        """The store, opened when it is first needed."""
        if self._store is None:
            self._store = Store.open(
                storage_folder(self.config),
                durable=self._is_durable,
                may_be_shared=self.mode is Mode.CLUSTER,  # its workers see the same files
            )
        return self._store

    @property
    def past(self) -> Store | None:
        """The store, if there is one: to look back makes none."""
        if self._store is None:
            folder = storage_folder(self.config)
            if not is_there(folder):
                return None
            self._store = Store.open_to_read(folder, durable=self._is_durable)
        return self._store

    @property
    def _is_durable(self) -> bool:
        return self.config.core.durability is Durability.POWER

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
        clock: Callable[[], float] = time,
    ) -> None:
        """Take a config and refuse one that is wrong.

        Args:
            config: what is run.
            checked: whether `check` has found it right already.
            mode: where jobs run; None: as the config says.
            executor: of that mode, which the core closes; None: one is made when it is needed.
            clock: gives the seconds since 1970, UTC: when scenarios are created, and whether data
                nodes with a `validity_period` are still valid.

        Raises:
            ConfigError: with everything that `check` finds.
            TypeError: it is no config.
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
            clock,
        )

    @property
    def mode(self) -> Mode:
        """Where jobs run."""
        return self._shared.mode

    @property
    def mask(self) -> Mask:
        """Takes the secrets of the config out of what is shown."""
        return self._shared.session.mask

    @property
    def logs(self) -> Path:
        """The folder of what jobs print."""
        return self._shared.session.logs

    def hurry(self) -> None:
        """Wait no more for what jobs would need, such as a broker, since none is to run.

        What is prepared meanwhile, or from now on, has to be stopped. Safe in a signal handler.
        """
        self._shared.engine.hurry()

    def printing(self) -> list[tuple[str, Output]]:
        """The tasks whose jobs run, and what they have printed so far."""
        by_number = {each.number: each.plan for each in list(self._shared.submissions)}
        return [
            (by_number[call.work].jobs[call.job].task.id, output)
            for call, output in self._shared.engine.executor.printing()
            if call.work in by_number
        ]

    def create_scenario(
        self,
        config: str | SectionRef,
        name: str | None = None,
        *,
        creation_date: datetime | None = None,
    ) -> Scenario:
        """The scenario of that name, with its data nodes of earlier runs; made if there is none.

        Args:
            config: id of a scenario config.
            name: None: the id itself.
            creation_date: says to which cycle a new scenario belongs, by the day that it names;
                local, unless it has an offset; None: now.

        Raises:
            UsageError: there is no such scenario config, the name is another's, or the scenario
                is there and was created on another date.
            SetupError: the storage folder cannot be used.
        """
        plan = attrs.evolve(self._plan(config, name), creation_date=creation_date)
        created = _created(plan, None, self._shared.clock)
        row = self._shared.store.scenario(plan.name, plan.scenario, created)
        return self._scenario(plan, _created(plan, row.created, self._shared.clock))

    def get_scenario(
        self, config: str | SectionRef, name: str | None = None, *, new: bool = False
    ) -> Scenario:
        """The scenario of that name, to look at; nothing is made before one of its values is.

        Args:
            config: id of a scenario config.
            name: None: the id itself, of which nothing need have been run yet.
            new: whether there need be none of that name yet.

        Raises:
            UsageError: there is no such scenario config, or no scenario of that name.
            SetupError: the storage folder cannot be used.
        """
        plan = self._plan(config, name)
        names = self.scenario_names(config)
        if name is not None and name not in names and not new:
            hint = did_you_mean(name, names) or f"runner execute --name {name} makes it"
            raise UsageError(f"`{plan.scenario}` has no scenario `{plan.name}`", hint=hint)
        store = self._shared.past
        created = None if store is None else store.created(plan.name)
        return self._scenario(plan, _created(plan, created, self._shared.clock))

    def scenario_names(self, config: str | SectionRef) -> list[str]:
        """The names of the scenarios that were made of a config, the oldest first."""
        store = self._shared.past
        return [] if store is None else store.names(_id_of(config))

    def compare(self, *scenarios: Scenario) -> list[Comparison]:
        """What the comparators of a config say of scenarios: each is called with their values.

        Args:
            scenarios: of one config, at least two, in the order of the comparators' arguments.

        Raises:
            UsageError: they cannot be compared.
            SetupError: a storage type does not run in this version.
        """
        configs = dict.fromkeys(each.config for each in scenarios)
        if len(scenarios) < 2:
            raise UsageError("a comparison takes two scenarios, or more")
        if len(configs) > 1:
            raise UsageError(f"these are scenarios of {' and '.join(configs)}, not of one config")
        comparators = _comparators(self.config, scenarios[0])
        mask = self._shared.session.mask
        with importable(self.config.application_path):
            return list(compare(comparators, [each.instance for each in scenarios], mask))

    def _plan(self, config: str | SectionRef, name: str | None) -> ExecutionPlan:
        config_id = _id_of(config)
        find_scenario(self.config, config_id)
        name = check_name(config_id if name is None else name)
        plan = compile_plan(self.config, config_id, name=name)
        return plan if plan.mode is self.mode else attrs.evolve(plan, mode=self.mode)

    def _scenario(self, plan: ExecutionPlan, created: datetime) -> Scenario:
        instance = _instance(self.config, plan, created, self._shared.memory)
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
        config: the id of its config.
        plan: what all its tasks are.
        instance: its data nodes, opened.
        creation_date: with its offset from UTC.
        cycle: the name of the cycle that it belongs to, `MONTHLY_2026-11`; None: to none.
        data_nodes: by id.
    """

    def __init__(self, shared: _Shared, plan: ExecutionPlan, instance: Instance) -> None:
        self._shared = shared
        self.plan = plan
        self.instance = instance
        self.name = instance.name
        self.config = plan.scenario
        self.creation_date = instance.created
        self.cycle = instance.cycle
        self.data_nodes: Mapping[str, DataNode] = {
            node_id: DataNode(node, instance, shared, plan.scenario)
            for node_id, node in plan.data_nodes.items()
        }

    def holdings(self) -> list[Holding]:
        """What its data nodes hold, and who wrote it; no value is read."""
        store = self._shared.past
        rows = {} if store is None else store.data_nodes()
        return list(holdings_of(self.plan.data_nodes.values(), self.instance, rows))

    def submit(
        self,
        *,
        wait: bool = False,
        timeout: float | None = None,
        fail_fast: bool = False,
        force: bool | Collection[str] = False,
        wait_lock: float = 0.0,
        on_change: OnChange | None = None,
    ) -> Submission:
        """Run all its tasks.

        In development mode the run is over when this returns, whatever `wait` and `timeout` say.
        In standalone mode it returns as soon as the first jobs can be handed out.

        Args:
            wait: whether to return only when the run is over.
            timeout: seconds after which to return even so; the run goes on.
            fail_fast: whether no job is started after one has failed.
            force: whether jobs run although they could be skipped: all, or those of some tasks.
            wait_lock: seconds to wait where another run writes the same data nodes.
            on_change: is called with the submission, a task and its new status, and with None for
                the task when the status is the submission's. It is called in the thread of the
                run; what it raises is printed and changes nothing.

        Raises:
            ConfigError: a function cannot be imported, or an input has no value; nothing ran.
            SetupError: the config asks for what this version cannot do, the storage folder
                cannot be used, or another run writes the same data nodes.
        """
        watching = [Watching(on_change)] if on_change else []
        submission = self.prepare(
            fail_fast=fail_fast, force=force, wait_lock=wait_lock, observers=watching
        )
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
        force: bool | Collection[str] = False,
        resumes: str = "",
        wait_lock: float = 0.0,
        observers: Sequence[Observer] = (),
        full_traceback: bool = False,
        keep: bool = True,
    ) -> Submission:
        """Import the functions and write first values, so that only `run` is left to do.

        Args:
            plan: of this scenario; None: of all its tasks.
            fail_fast: whether no job is started after one has failed.
            force: as of `submit`.
            resumes: the run that this one goes on with; empty: it is none of another.
            wait_lock: as of `submit`.
            observers: are told what happens.
            full_traceback: whether failures tell the frames of runner too.
            keep: whether values in memory are wanted after the last job that reads them.

        Raises:
            ConfigError, SetupError: as `submit`.
        """
        shared, instance = self._shared, self.instance
        plan = plan or self.plan
        work = Work(
            number=next(shared.numbers),
            plan=plan,
            instance=instance,
            config=shared.config,
            session=shared.session,
            memory=shared.memory,
            keep=keep,
            full_traceback=full_traceback,
            say=partial(_tell, observers),
        )
        executor = shared.engine.executor
        with _concealing(shared.session.mask), importable(shared.config.application_path):
            executor.enter(work)
            try:
                remove_leftovers(instance)
                write = partial(executor.write_first, work)
                rows = write_defaults(plan, instance, shared.store, write)
                refuse_errors(inputs_without_value(plan, instance))
            except BaseException:
                executor.leave(work.number)
                raise
        submission = Submission(
            shared,
            work,
            rows,
            observers=observers,
            fail_fast=fail_fast,
            force=(ALL,) if force is True else force or (),
            resumes=resumes,
            wait_lock=wait_lock,
        )
        shared.submissions.add(submission)
        return submission


class DataNode:
    """A data node of a scenario.

    Attributes:
        id: as in the config.
        key: names it in the storage folder.
        path: its file, if it is one.
        lasts: whether its value outlives a run.
    """

    def __init__(
        self, config: DataNodeConfig, instance: Instance, shared: _Shared, scenario: str
    ) -> None:
        place = instance.places[config.id]
        self.id = config.id
        self.key = place.key
        self.path = place.path
        self.lasts = config.options.lasts
        self._config = config
        self._place = place
        self._instance = instance
        self._shared = shared
        self._scenario = scenario

    @property
    def is_written(self) -> bool:
        """Whether there is a value to read."""
        return self._storage().exists()

    def read(self) -> Any:
        """The value, a copy of your own.

        Raises:
            JobError: there is none, or it cannot be read.
        """
        with self._importable():
            return self._storage().read()

    def write(self, value: Any, *, wait_lock: float = 0.0) -> None:
        """Give it a value, which no default replaces.

        Args:
            value: it.
            wait_lock: seconds to wait where a run writes it.

        Raises:
            JobError: it cannot be written; the old value stays.
            SetupError: a run writes it; the old value stays.
        """
        self._commit(lambda: self._storage().stage(value), wait_lock)

    def append(self, value: Any, *, wait_lock: float = 0.0) -> None:
        """Add to its value, where it is rows of a database; no default replaces it then.

        Args:
            value: it.
            wait_lock: as of `write`.

        Raises:
            JobError: it cannot be written; the old value stays.
            UsageError: it is of a storage type whose values nothing is added to.
            SetupError: as of `write`.
        """
        storage = self._storage()
        if not isinstance(storage, Appending):
            message = f"nothing can be added to `{self.id}`, a data node of type"
            hint = "read it, and write it anew"
            raise UsageError(f"{message} `{self._config.storage_type}`", hint=hint)
        self._commit(lambda: storage.stage_append(value), wait_lock)

    def export_file(self, file: str | Path) -> None:
        """Write the value to a file, in the format that its suffix tells.

        Raises:
            JobError: there is no value, it cannot be read, or does not go into such a file.
            UsageError: the suffix tells no format.
        """
        with self._importable():
            self._storage()
            write_to(Path(file).absolute(), self._opening(), self._config.storage_type)

    def import_file(self, file: str | Path, *, wait_lock: float = 0.0) -> None:
        """Give it what a file holds, in its own format or in the one that the suffix tells.

        Args:
            file: the file.
            wait_lock: as of `write`.

        Raises:
            JobError: the file cannot be read, or the value not be written; the old one stays.
            UsageError: there is no such file, or it is of a format that does not fit.
            SetupError: as of `write`.
        """
        path = Path(file).absolute()
        self._storage()
        opening = self._opening()
        self._commit(lambda: stage_from(path, opening, self._config.storage_type), wait_lock)

    def reset(self, *, even_own: bool = False, wait_lock: float = 0.0) -> bool:
        """Remove the value, so that the next run writes the default; whether there was one.

        Args:
            even_own: whether also where it is not in the storage folder: a file of your own, a
                table of a database.
            wait_lock: as of `write`.

        Raises:
            JobError: it cannot be removed.
            UsageError: it is your own.
            SetupError: as of `write`.
        """
        storage = self._storage()
        if not self.lasts:
            existed = storage.exists()
            storage.delete()
            return existed
        store = self._shared.store
        with self._importable(), self._locked(wait_lock):
            existed = storage.exists()
            if existed and not even_own:
                self._refuse_own()
            if existed:
                storage.delete()
            if existed or store.data_node(self.key) is not None:
                store.forget(self.key, time())
        return existed

    def holding(self) -> Holding:
        """What it holds, and who wrote it; the value is not read."""
        store = self._shared.past
        rows = {} if store is None else store.data_nodes()
        return next(holdings_of([self._config], self._instance, rows))

    def edits(self, limit: int | None = None) -> list[VersionRow]:
        """What it has held, the latest first; so many of them, None: all."""
        store = self._shared.past
        return [] if store is None else store.versions(self.key, limit)

    def _commit(self, stage: Callable[[], Staged], wait_lock: float) -> None:
        with self._importable():
            staged = stage()
            try:
                with self._locked(wait_lock):
                    if self.lasts:
                        self._make_scenario()
                    staged.commit()
                    if self.lasts:
                        row = _node_row(self.key, "user", staged.mark, time())
                        self._shared.store.record_written([row])
            except BaseException:
                staged.discard()
                raise

    def _make_scenario(self) -> None:
        instance = self._instance
        self._shared.store.scenario(instance.name, self._scenario, instance.created)

    def _locked(self, wait: float) -> AbstractContextManager[None]:
        if not self.lasts:
            return nullcontext()
        return locked(self._shared.store, keys_of([self._place]), wait=wait)

    @contextmanager
    def _importable(self) -> Iterator[None]:
        shared = self._shared
        with _concealing(shared.session.mask), importable(shared.config.application_path):
            yield

    def _storage(self) -> Storage:
        return opened(self._config, self._instance)

    def _opening(self) -> Opening:
        shared = self._shared
        return opening_of(self._config, self._place, shared.config.core, shared.memory)

    def _refuse_own(self) -> None:
        """Go on only where what would be removed is in a place that runner has made."""
        path = self._place.path
        if path is None or self._place.is_users:
            where = "outside of the storage folder" if path is None else f"in your own file {path}"
            hint = "--yes removes it all the same; in Python, even_own=True"
            raise UsageError(f"data node `{self.id}` is kept {where}", hint=hint)

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
        self,
        shared: _Shared,
        work: Work,
        rows: Mapping[str, NodeRow],
        *,
        observers: Sequence[Observer],
        fail_fast: bool,
        force: Collection[str] = (),
        resumes: str = "",
        wait_lock: float = 0.0,
    ) -> None:
        self.id = ""
        self.number = work.number
        self.plan = work.plan
        self.jobs: list[JobEnd] = []
        self._shared = shared
        self._store = shared.store
        self._lasting = _lasting_by_task(work.plan, work.instance)
        self._begun: float | None = None
        self._took: float | None = None
        self._over = Event()
        self._mailbox: Mailbox | None = None
        self._locks: Locks | None = None
        self._wait_lock = wait_lock
        self._written_places = [
            work.instance.places[node_id]
            for node_id in work.plan.produced
            if work.plan.data_nodes[node_id].options.lasts
        ]
        self._watching = [each for each in observers if isinstance(each, Watching)]
        self._resumes = resumes
        self._code = shared.code
        self._skipping = _skipping(work, self._store, rows, self._code, force, shared.clock())
        jobs = Jobs(
            work.plan,
            self._record,
            observers=observers,
            fail_fast=fail_fast,
            judge=self._skipping,
            mask=shared.session.mask,
        )
        self._entry = Entry(work.number, jobs, self._end)

    @property
    def status(self) -> SubmissionStatus:
        status = self._entry.jobs.status
        is_ahead = status in ENDED_SUBMISSION and self.id and not self._over.is_set()
        return SubmissionStatus.RUNNING if is_ahead else status

    @property
    def warnings(self) -> list[Diagnostic]:
        """Of tasks that are to be skipped and never can be."""
        return [] if self._skipping is None else list(self._skipping.without_fingerprint())

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

    @collector_paused()
    def begin(self) -> str:
        """Record that the run begins; its id.

        Raises:
            SetupError: RUN507, another run writes the same data nodes; RUN508, the storage folder
                cannot be used.
        """
        self._begun = perf_counter()
        shared = self._shared
        self.id = self._store.begin_run(
            self.plan.name,
            self.plan.mode.value,
            time(),
            session=shared.session.name,
            about=self._about(),
        )
        try:
            keys = keys_of(self._written_places)
            self._locks = acquire(self._store, keys, self.id, wait=self._wait_lock)
        except BaseException:
            self._store.remove_runs([self.id])  # it has not begun after all
            raise
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

    def _about(self) -> About:
        shared, plan = self._shared, self.plan
        found = {name: self._code.of(ref) for name, ref in plan.functions.items()}
        code = {name: each.digest for name, each in found.items() if each is not None}
        recipe = recipe_of(plan, has_secrets=shared.has_secrets, resumes=self._resumes, code=code)
        config = recipe.dumped()
        return About(
            config=config,
            digest=digest_of(config),
            environment=environment(),
            command=own_command_line(),
            commit_id=commit_of(shared.config.application_path.absolute()),
        )

    def _record(self, ended: Sequence[JobEnd]) -> None:
        traces: list[TraceRow] = []
        if self._skipping is not None:
            found = (self._skipping.trace(self.id, end) for end in ended)
            traces += [each for each in found if each is not None]
            codes, settings = self._skipping.named()
            if codes:
                self._store.keep_codes(codes)
                self._store.keep_settings(settings)
        rows = [_job_row(self.id, end) for end in ended]
        self._store.record(rows, _written(self.id, ended, self._lasting), traces)
        self.jobs.extend(ended)

    def _end(self) -> None:
        self._took = self.seconds
        if self._mailbox is not None:
            self._mailbox.close()
        try:
            if self._locks is not None:
                self._locks.release()
            self._store.end_run(self.id, self._entry.jobs.status.value, self._took)
        finally:
            self._over.set()
        for watching in self._watching:
            watching.tell(None, self.status)


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

    def told(self, text: str) -> None:
        """It is no change of status."""

    def tell(self, task: str | None, status: JobStatus | SubmissionStatus) -> None:
        assert self.submission is not None, "it is told before the run starts"
        try:
            self._on_change(self.submission, task, status)
        except Exception:  # noqa: BLE001 - the user's function raises anything, and the run goes on
            traceback.print_exc()


def _id_of(config: str | SectionRef) -> str:
    return config.id if isinstance(config, SectionRef) else config


def _comparators(config: Config, scenario: Scenario) -> Mapping[str, Sequence[FunctionRef]]:
    """The comparators of a scenario.

    Raises:
        UsageError: it has none, or one is for a data node that is not its own.
        SetupError: the storage type of such a data node does not run in this version.
    """
    found = find_scenario(config, scenario.config).comparators
    if not found:
        *_, some = "output", *scenario.data_nodes
        section = f"[SCENARIO.{scenario.config}.comparators]"
        hint = f'write some under {section}: {some} = "module.function"'
        raise UsageError(f"scenario `{scenario.config}` has no comparators", hint=hint)
    for node_id in found:
        if node_id not in scenario.data_nodes:
            hint = f"write it into `additional_data_nodes` of [SCENARIO.{scenario.config}]"
            what = f"scenario `{scenario.config}` compares data node `{node_id}`"
            message = f"{what}, which is none of its own"
            raise UsageError(message, hint=hint)
        opened(scenario.plan.data_nodes[node_id], scenario.instance)
    return found


@contextmanager
def _concealing(mask: Mask) -> Iterator[None]:
    """Take secrets out of what is raised in the block."""
    try:
        yield
    except UserCodeError as error:
        raise error.masked(mask) from error.__cause__
    except JobError as error:
        hint = None if error.hint is None else mask.text(error.hint)
        raise JobError(mask.text(str(error)), code=error.code, hint=hint) from error.__cause__


def refuse_errors(diagnostics: Iterable[Diagnostic]) -> None:
    """Raise what is wrong, if anything is.

    Raises:
        ConfigError: with all diagnostics, where one of them is an error.
    """
    found = list(diagnostics)
    if has_errors(found):
        message = "\n".join(str(each) for each in found if each.is_error)
        raise ConfigError(message, diagnostics=found)


def _tell(observers: Sequence[Observer], text: str) -> None:
    for observer in observers:
        observer.told(text)


def _created(plan: ExecutionPlan, known: datetime | None, clock: Callable[[], float]) -> datetime:
    """When the scenario of a plan was made, or will be.

    Raises:
        UsageError: it was made at another time than the plan says.
    """
    wanted = plan.creation_date
    if known is None:
        return _located(wanted or datetime.fromtimestamp(clock()))
    same = known.replace(tzinfo=None) if wanted is not None and wanted.tzinfo is None else known
    if wanted is not None and wanted != same:
        message = f"scenario `{plan.name}` was created {_shown(known)}, not {_shown(wanted)}"
        hint = "it stays in its cycle: choose another name, or leave the creation date out"
        raise UsageError(message, hint=hint)
    return known


def _located(moment: datetime) -> datetime:
    """A moment with its offset. The day that it names stays, though its hour be skipped there."""
    return moment if moment.tzinfo else moment.replace(tzinfo=moment.astimezone().tzinfo)


def _shown(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")


def _instance(
    config: Config, plan: ExecutionPlan, created: datetime, memory: MutableMapping[str, Any]
) -> Instance:
    return open_instance(
        config,
        plan.name,
        created,
        plan.data_nodes.values(),
        frequency=find_scenario(config, plan.scenario).frequency,
        memory=memory,
    )


def _lasting_by_task(plan: ExecutionPlan, instance: Instance) -> dict[str, list[tuple[int, str]]]:
    """The places among its outputs, and the keys, of what each task writes to last."""
    keys: dict[str, list[tuple[int, str]]] = {}
    lasting = {node.id for node in plan.data_nodes.values() if node.options.lasts}
    for job in plan.jobs if lasting else ():
        for output, node_id in enumerate(job.task.outputs):
            if node_id in lasting:
                key = instance.places[node_id].key
                keys.setdefault(job.task.id, []).append((output, key))
    return keys


def _skipping(
    work: Work,
    store: Store,
    rows: Mapping[str, NodeRow],
    code: Fingerprints,
    force: Collection[str],
    now: float,
) -> Skipping | None:
    """What judges the jobs of a plan; None where none of them can be skipped."""
    if not any(job.task.skippable for job in work.plan.jobs):
        return None
    past = past_of(store, work.instance.name, rows)
    return Skipping(work.plan, work.instance, past, code, force=force, now=now)


def _written(
    run: str, ended: Sequence[JobEnd], lasting: Mapping[str, Sequence[tuple[int, str]]]
) -> Iterator[NodeRow]:
    """What completed jobs wrote that lasts."""
    for end in ended if lasting else ():
        if end.status is JobStatus.COMPLETED:
            written = (end.started or 0.0) + (end.seconds or 0.0)
            for output, key in lasting.get(end.task, ()):
                mark = end.marks[output] if end.marks else None
                yield _node_row(key, "task", mark, written, run, end.task)


def _node_row(
    key: str,
    origin: str,
    mark: Mark | None,
    written: float,
    run: str | None = None,
    task: str | None = None,
) -> NodeRow:
    row = NodeRow(key, origin, run, task, written)
    if mark is None:
        return row
    return row._replace(
        stamp=mark.stamp, size=mark.size, rows=mark.rows, fingerprint=mark.fingerprint
    )


def _job_row(run: str, end: JobEnd) -> JobRow:
    task, status, attempts, started, seconds, failure, worker, output, _, reason = end
    word, why = _WORDS[status], reason or None
    row = JobRow(run, task, word, attempts, started, seconds, None, worker, None, None, None, why)
    if output is not None:
        row = row._replace(log=output.file, log_start=output.start, log_end=output.end)
    if failure is not None:
        row = row._replace(
            failure=f"{failure.code} {failure.message}",
            failure_type=failure.type,
            traceback=failure.traceback or None,
        )
    return row


_WORDS: Final = {status: status.value for status in JobStatus}
"""What SQLite takes at once, which it does not with a member of an enumeration."""
