"""What the user wrote, as one frozen value."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs

from runner.config.options import MINIMUM, PickleOptions, StorageOptions
from runner.config.references import FunctionRef
from runner.diagnostics import KeyPath


class Scope(enum.StrEnum):
    """Who shares a data node: one scenario, the scenarios of one cycle, or all."""

    SCENARIO = "SCENARIO"
    CYCLE = "CYCLE"
    GLOBAL = "GLOBAL"


class Frequency(enum.StrEnum):
    """How long a cycle is."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    YEARLY = "YEARLY"


class Mode(enum.StrEnum):
    """Where jobs are executed."""

    DEVELOPMENT = "development"
    STANDALONE = "standalone"
    CLUSTER = "cluster"


class StartMethod(enum.StrEnum):
    """How worker processes are started."""

    SPAWN = "spawn"
    FORKSERVER = "forkserver"


class Durability(enum.StrEnum):
    """What a write survives: the death of any process, or of the machine."""

    PROCESS = "process"
    POWER = "power"


class Unset(enum.Enum):
    """Stands where None is a value of its own."""

    UNSET = enum.auto()

    def __bool__(self) -> bool:
        return False


UNSET: Final = Unset.UNSET


@attrs.frozen(kw_only=True, slots=False)
class JobConfig:
    """How jobs are executed: `[JOB]`.

    Attributes:
        mode: where jobs are executed: `development` (one by one, in this process), `standalone`
            (on all cores) or `cluster` (on many machines, through RabbitMQ).
        max_nb_of_workers: how many jobs run at once in standalone mode, and per worker service in
            cluster mode; `auto` is the number of cores.
        start_method: how worker processes are started: `spawn` (anew) or `forkserver` (from a
            process that has the task modules loaded).
        broker_url: where RabbitMQ listens in cluster mode. With credentials it is a secret: take
            it from the environment.
        queue: the name of the queue in cluster mode.
        worker_lease: after how long a silence a worker of the cluster counts as dead; 1s at least.
        properties: free keys of the application.
    """

    mode: Mode = Mode.DEVELOPMENT
    max_nb_of_workers: int | None = 2  # None stands for `auto`
    start_method: StartMethod = StartMethod.SPAWN
    broker_url: str = attrs.field(default="amqp://localhost", repr=False)
    queue: str = "runner"
    worker_lease: timedelta = attrs.field(
        default=timedelta(seconds=30), metadata={MINIMUM: timedelta(seconds=1)}
    )
    properties: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class CoreConfig:
    """Where things are kept: `[CORE]`.

    Attributes:
        storage_folder: where runs, logs and the runner's own files are kept; under the application
            path unless absolute.
        durability: what a write survives: `process`, the death of any process, or `power`, a power
            loss too, which costs time.
        properties: free keys of the application.
    """

    storage_folder: str = ".runner"
    durability: Durability = Durability.PROCESS
    properties: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class CheckConfig:
    """How the checker judges: `[CHECK]`.

    Attributes:
        ignore: codes or slugs that are not reported: of warnings, and of errors of functions and
            files.
        strict: whether warnings count as errors.
        severity: code or slug -> `error`, `warning` or `off`, for what can be ignored too.
    """

    ignore: tuple[str, ...] = ()
    strict: bool = False
    severity: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class DataNodeConfig:
    """A value, or a table, or a file, that tasks read and write: `[DATA_NODE.<id>]`.

    Attributes:
        storage_type: what reads and writes it, and which further keys it has.
        scope: who shares it: `SCENARIO` (one scenario), `CYCLE` (the scenarios of one cycle) or
            `GLOBAL` (all).
        validity_period: how long after its last write it counts as up to date; without it, for
            ever.
        default_data: its first value, any TOML value, or a function that makes it
            ("package.module.name:function"); without it, nothing is written.
        description: what it is, for the reader.
        options: the storage type's own keys.
        properties: free keys of the application.
    """

    id: str
    storage_type: str = "pickle"
    scope: Scope = Scope.SCENARIO
    validity_period: timedelta | None = None
    default_data: Any = UNSET
    description: str | None = None
    options: StorageOptions = attrs.field(factory=PickleOptions)
    properties: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class TaskConfig:
    """A call to a function that reads and writes data nodes: `[TASK.<id>]`.

    Attributes:
        function: called with the inputs, positionally, in order.
        inputs: the data nodes that it reads; one may be named twice.
        outputs: the data nodes that it writes. None: the return value is ignored; one: it is the
            value; several: a tuple or list of that length is matched by position.
        skippable: whether a job whose outputs are there and whose code, inputs and settings did
            not change is skipped.
        retries: how many further attempts follow a failed one.
        retry_delay: how long to wait before the second attempt; doubled before each further one.
        timeout: how long one attempt may take; without it, as long as it wants.
        tags: names that `--tag` selects by.
        description: what it is, for the reader.
        properties: free keys of the application.
    """

    id: str
    function: FunctionRef | None = None  # None only in a config that `check` refuses
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    skippable: bool = False
    retries: int = attrs.field(default=0, metadata={MINIMUM: 0})
    retry_delay: timedelta = timedelta(0)
    timeout: timedelta | None = attrs.field(
        default=None, metadata={MINIMUM: timedelta(microseconds=1)}
    )
    tags: tuple[str, ...] = ()
    description: str | None = None
    properties: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True, slots=False)
class ScenarioConfig:
    """Tasks that belong together: `[SCENARIO.<id>]`.

    Attributes:
        tasks: the tasks that it runs; which comes first follows from what they read and write.
        additional_data_nodes: data nodes that belong to it and that none of its tasks uses.
        frequency: how long its cycles are; without it, it belongs to none.
        sequences: parts of the scenario that can be run alone: name -> tasks.
        comparators: what compares scenarios: data node -> a function, or several, called with its
            values over the compared scenarios.
        tags: names of the application's own choice.
        description: what it is, for the reader.
        properties: free keys of the application.
    """

    id: str
    tasks: tuple[str, ...] = ()
    additional_data_nodes: tuple[str, ...] = ()
    frequency: Frequency | None = None
    sequences: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    comparators: Mapping[str, tuple[FunctionRef, ...]] = attrs.field(factory=dict)
    tags: tuple[str, ...] = ()
    description: str | None = None
    properties: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen
class SectionRef:
    """`"<id>:SECTION"` in a free place: the data node, task or scenario of that id."""

    id: str


@attrs.frozen
class EnvRef:
    """A value that came from the environment.

    Attributes:
        text: as written, `ENV[NAME:-default]:type`; what is written back.
        name: of the variable.
        secret: whether its value is shown nowhere.
    """

    text: str
    name: str
    secret: bool = False


@attrs.frozen(kw_only=True, slots=False)
class Config:
    """Everything the TOML says.

    Attributes:
        runner: `[RUNNER]`, the application's free properties.
        data_nodes, tasks, scenarios: by id, in the order in which they were first written.
        env: where a value came from the environment.
        unread: keys whose value could not be read and stands at its default; the empty key stands
            for a whole file. A config in which there are any has errors and is not run; rules use
            it to keep quiet about what follows.
        application_path: relative paths start here, and it heads `sys.path`.
        written: what it was loaded from, the lowest first: the name of each layer, and its TOML;
            None where there is none, for `--set` and what was made in Python.
    """

    runner: Mapping[str, Any] = attrs.field(factory=dict)
    job: JobConfig = JobConfig()
    core: CoreConfig = CoreConfig()
    check: CheckConfig = CheckConfig()
    data_nodes: Mapping[str, DataNodeConfig] = attrs.field(factory=dict)
    tasks: Mapping[str, TaskConfig] = attrs.field(factory=dict)
    scenarios: Mapping[str, ScenarioConfig] = attrs.field(factory=dict)
    env: Mapping[KeyPath, EnvRef] = attrs.field(factory=dict)
    unread: frozenset[KeyPath] = attrs.field(default=frozenset(), eq=False, repr=False)
    application_path: Path = attrs.field(factory=Path, eq=False)
    written: tuple[tuple[str, str | None], ...] = attrs.field(default=(), eq=False, repr=False)

    def incomplete(self) -> frozenset[KeyPath]:
        """Every key path that could not be read, or under which something could not."""
        return frozenset(key[:end] for key in self.unread for end in range(1, len(key) + 1))

    @classmethod
    def load(cls, *paths: str | Path, overrides: Iterable[str] = ()) -> Config:
        """Load files over each other, the later ones on top, and refuse what is wrong.

        Relative paths in the config start at the folder of the first file.

        Args:
            paths: TOML files; none: `runner.toml` or `config.toml`, here or above.
            overrides: `KEY=VALUE` texts, as `--set` takes them.

        Raises:
            ConfigError: with every problem that loading found; rules are `runner.check`'s.
        """
        from runner.config.loader import load_config

        return load_config(paths, overrides)


Section: TypeAlias = DataNodeConfig | TaskConfig | ScenarioConfig

TAIPY_SECTIONS: Final = ("AUTHENTICATION", "VERSION_MIGRATION", "gui")
"""Sections of Taipy that mean nothing here."""
TAIPY_CORE_KEYS: Final = (
    "root_folder",
    "taipy_storage_folder",
    "repository_type",
    "repository_properties",
    "read_entity_retry",
    "mode",
    "version_number",
    "force",
    "core_version",
)
"""Keys of Taipy's `[CORE]` that mean nothing here."""
