"""Where jobs run, as the orchestrator sees it."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, Protocol

import attrs

from runner.config.model import Config, DataNodeConfig
from runner.execution.instance import Instance
from runner.execution.session import Session
from runner.execution.worker import Call, Outcome, Output
from runner.plan.model import ExecutionPlan


@attrs.frozen(kw_only=True, eq=False)
class Work:
    """A submission, as an executor needs to know it.

    Attributes:
        number: which, among all that the executor is given; what `Call.work` says.
        plan: what runs; `Call.job` is a place in its `jobs`.
        instance: the data nodes.
        config: what it was made of.
        session: where what belongs to this process is kept.
        memory: the values of its data nodes in memory, by key.
        keep: whether values in memory are wanted after the last job that reads them.
        full_traceback: whether failures tell the frames of runner too.
        say: tells the users something about how it goes on, in a line.
    """

    number: int
    plan: ExecutionPlan
    instance: Instance
    config: Config
    session: Session
    memory: MutableMapping[str, Any]
    keep: bool = True
    full_traceback: bool = False
    say: Callable[[str], None] = lambda _: None


class Source(Protocol):
    """Where an executor takes calls from, as long as it has room for more."""

    def take(self) -> Call | None:
        """A job that can run now, which counts as running from here on; None: there is none."""

    def follow(self, call: Call) -> Call | None:
        """The job that needs nothing but the one of this call, and which nothing else follows.

        It may be handed over together with it. None: there is none.
        """

    def ready(self) -> int:
        """How many jobs can run now; of those some may turn out to be skipped."""


class Executor(Protocol):
    """Runs jobs somewhere. One thread is in `submit` and `wait`; `wake` is for any.

    Attributes:
        in_background: whether jobs run on when `submit` has come back.
    """

    in_background: bool

    @property
    def slots(self) -> int:
        """How many jobs may run at once."""

    def enter(self, work: Work) -> None:
        """Get ready for a submission: its functions are imported where they will run.

        Raises:
            UserCodeError: one cannot be imported.
            SetupError: what runs jobs cannot be started.
        """

    def hurry(self) -> None:
        """Let all that wait in `enter` for what is not there go on without, now and from now on.

        For whoever does not want a job to run any more. Safe in a signal handler.
        """

    def write_first(self, work: Work, nodes: Sequence[DataNodeConfig]) -> None:
        """Write the default data of data nodes, where the functions that make it may run.

        Raises:
            JobError: a value cannot be written; none is.
            UserCodeError: a function that makes one raises.
        """

    def leave(self, number: int) -> None:
        """Forget a submission, by its number; none of its jobs runs any more."""

    def submit(self, source: Source) -> None:
        """Take calls while there is room for more; never waits for a job."""

    def wait(self, timeout: float | None) -> Sequence[Outcome]:
        """The outcomes since the last call; waits for one, for so many seconds, or for `wake`."""

    def wake(self) -> None:
        """End a wait. Safe in another thread and in a signal handler."""

    def give_up(self, error: BaseException) -> None:
        """Nobody will wait any more: raise an error in all threads that wait for an answer."""

    def printing(self) -> Sequence[tuple[Call, Output]]:
        """What runs, and what it has printed so far, where that is kept. For any thread."""

    def recall(self, number: int) -> None:
        """Give back the calls of a submission that have not begun, where they could wait long."""

    def cancel(self, call: Call) -> None:
        """End a running job; its outcome is a failure RUN607, unless it was faster."""

    def close(self) -> None:
        """End everything that was started."""
