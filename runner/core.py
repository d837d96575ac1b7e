"""The Python API: scenarios, and what is submitted of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import perf_counter, time
from types import TracebackType
from typing import Any, Self

from runner.checker.check import check as check_rules
from runner.checker.severity import judge
from runner.config.model import Config, DataNodeConfig, Durability, SectionRef
from runner.config.pauses import collector_paused
from runner.data.storage import Storage, write_all
from runner.diagnostics import Diagnostic, has_errors
from runner.errors import ConfigError, SetupError
from runner.execution.executor import Executor
from runner.execution.executors import EXECUTORS
from runner.execution.executors.development import can_time_out, interruptible
from runner.execution.importing import importable
from runner.execution.lifecycle import JobStatus, SubmissionStatus
from runner.execution.orchestrator import JobEnd, Observer, Orchestrator
from runner.execution.preparation import (
    Instance,
    import_classes,
    inputs_without_value,
    not_in_this_version,
    open_instance,
    remove_leftovers,
    steps_of,
    storage_folder,
    write_defaults,
)
from runner.functions.modules import modules_of
from runner.plan.compiler import compile_plan, find_scenario
from runner.plan.model import ExecutionPlan
from runner.store.places import check_name
from runner.store.store import JobRow, NodeRow, Store


def check(config: Config) -> list[Diagnostic]:
    """Everything that is wrong with a config; imports and runs nothing of the user's."""
    return list(judge(check_rules(config, modules_of(config)), config.check))


class Core:
    """Runs the scenarios of one config. Ends everything that it started when it is closed."""

    def __init__(self, config: Config, *, checked: bool = False) -> None:
        """Take a config and refuse one that is wrong.

        Args:
            config: what is run.
            checked: whether `check` has found it right already.

        Raises:
            ConfigError: with everything that `check` finds.
        """
        if not checked:
            refuse_errors(check(config))
        self.config = config
        self._memory: dict[str, Any] = {}
        self._store: Store | None = None

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
        row = self._opened().scenario(plan.name, config_id, datetime.now().astimezone())
        instance = open_instance(
            self.config,
            row.name,
            row.created,
            plan.data_nodes.values(),
            frequency=found.frequency,
            memory=self._memory,
        )
        return Scenario(self.config, plan, instance, self._opened())

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _opened(self) -> Store:
        if self._store is None:
            durable = self.config.core.durability is Durability.POWER
            self._store = Store.open(storage_folder(self.config), durable=durable)
        return self._store


class Scenario:
    """A named instance of a scenario config, with data nodes of its own.

    Attributes:
        name: what it is found by.
        data_nodes: by id.
    """

    def __init__(
        self, config: Config, plan: ExecutionPlan, instance: Instance, store: Store
    ) -> None:
        self._config = config
        self._plan = plan
        self._instance = instance
        self._store = store
        self.name = instance.name
        self.data_nodes: Mapping[str, DataNode] = {
            node_id: DataNode(node, instance, store, config.application_path)
            for node_id, node in plan.data_nodes.items()
        }

    def submit(
        self, *, wait: bool = False, timeout: float | None = None, fail_fast: bool = False
    ) -> Submission:
        """Run all its tasks.

        In development mode, the only one of this version, the run is over when this returns,
        whatever `wait` and `timeout` say.

        Args:
            wait: whether to return only when the run is over.
            timeout: seconds after which to return even so; the run goes on.
            fail_fast: whether no job is started after one has failed.

        Raises:
            ConfigError: a function cannot be imported, or an input has no value; nothing ran.
            SetupError: the config asks for what this version cannot do, or the storage folder
                cannot be used.
        """
        submission = self.prepare(fail_fast=fail_fast)
        submission.run()
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
        on_error: Callable[[BaseException], None] | None = None,
        full_traceback: bool = False,
    ) -> Submission:
        """Import the functions and write first values, so that only `run` is left to do.

        Args:
            plan: of this scenario; None: of all its tasks.
            fail_fast: whether no job is started after one has failed.
            observers: are told what happens.
            on_error: is shown what a job raised, while its frames are alive.
            full_traceback: whether failures tell the frames of runner too.

        Raises:
            ConfigError, SetupError: as `submit`.
        """
        plan = plan or self._plan
        _refuse_unbuilt(self._config, plan)
        with importable(self._config.application_path):
            steps = steps_of(plan, self._instance)
            import_classes(plan)
            remove_leftovers(self._instance)
            write_defaults(plan, self._instance, self._store)
        refuse_errors(inputs_without_value(plan, self._instance))
        executor = EXECUTORS[plan.mode](steps, on_error=on_error, full_traceback=full_traceback)
        return Submission(
            plan,
            self._instance,
            self._store,
            executor,
            application_path=self._config.application_path,
            observers=observers,
            fail_fast=fail_fast,
        )


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
        plan: what runs.
        jobs: those that have ended, in the order in which they did.
        seconds: how long it took, or has taken so far.
    """

    def __init__(
        self,
        plan: ExecutionPlan,
        instance: Instance,
        store: Store,
        executor: Executor,
        *,
        application_path: Path,
        observers: Sequence[Observer],
        fail_fast: bool,
    ) -> None:
        self.id = ""
        self.plan = plan
        self.jobs: list[JobEnd] = []
        self._instance = instance
        self._store = store
        self._executor = executor
        self._application_path = application_path
        self._files = _files_by_task(plan, instance)
        self._begun: float | None = None
        self._took: float | None = None
        self._orchestrator = Orchestrator(
            plan, executor, self._record, observers=observers, fail_fast=fail_fast
        )

    @property
    def status(self) -> SubmissionStatus:
        return self._orchestrator.status

    @property
    def seconds(self) -> float:
        if self._took is not None:
            return self._took
        return 0.0 if self._begun is None else perf_counter() - self._begun

    def job_status(self, task: str) -> JobStatus:
        """The status of a task's job, as of now."""
        return self._orchestrator.statuses[task]

    def begin(self) -> str:
        """Record that the run begins; its id."""
        self._begun = perf_counter()
        self.id = self._store.begin_run(self.plan.name, self.plan.mode.value, time())
        return self.id

    def run(self) -> SubmissionStatus:
        """Run all jobs to their ends.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed; the run is canceled, and recorded as such.
        """
        if not self.id:
            self.begin()
        with interruptible():
            try:
                with importable(self._application_path):
                    self._orchestrator.run()
            finally:
                self._took = self.seconds
                self._executor.close()
                self._store.end_run(self.id, self.status.value, self._took)
        return self.status

    def stop(self) -> None:
        """Start no further job; those that run may finish. Safe in a signal handler."""
        self._orchestrator.stop()

    def wait(self, timeout: float | None = None) -> SubmissionStatus:  # noqa: ARG002 - of all modes
        """Wait until the run is over, or so many seconds; the status then.

        A run in development mode is over before anybody can wait for it.
        """
        return self.status

    def __repr__(self) -> str:
        return f"<Submission {self.id} of {self.plan.name}: {self.status}>"

    def _record(self, ended: Sequence[JobEnd]) -> None:
        self._store.record([_job_row(self.id, end) for end in ended], self._written(ended))
        self.jobs.extend(ended)

    def _written(self, ended: Sequence[JobEnd]) -> Iterator[NodeRow]:
        for end in ended if self._files else ():
            if end.status is JobStatus.COMPLETED:
                written = (end.started or 0.0) + (end.seconds or 0.0)
                for key in self._files.get(end.task, ()):
                    yield NodeRow(key, "task", self.id, end.task, written)


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
    if not can_time_out() and any(job.task.timeout for job in plan.jobs):
        message = "a timeout in development mode needs Unix and the main thread"
        found.append(Diagnostic(code="RUN509", message=message))
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
    failure = f"{end.failure.code} {end.failure.message}" if end.failure else None
    task, status, attempts, started, seconds, _ = end
    return JobRow(run, task, str(status), attempts, started, seconds, failure)
