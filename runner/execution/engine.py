"""What drives the loop: this thread in development mode, one of its own otherwise."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from runner.config.model import JobConfig, Mode
from runner.errors import UsageError
from runner.execution.executor import Executor
from runner.execution.executors import EXECUTORS
from runner.execution.executors.development import interruptible
from runner.execution.orchestrator import Entry, Orchestrator


class Engine:
    """An executor and the loop on it, both made when they are needed."""

    def __init__(self, mode: Mode, job: JobConfig, executor: Executor | None = None) -> None:
        self._mode = mode
        self._job = job
        self._executor = executor
        self._orchestrator: Orchestrator | None = None
        self._thread: Thread | None = None
        self._is_hurried = False
        self._is_closed = False

    @property
    def error(self) -> BaseException | None:
        """Why the loop cannot go on; None: it can."""
        return None if self._orchestrator is None else self._orchestrator.error

    @property
    def executor(self) -> Executor:
        """The executor, and in the background the loop on it.

        Raises:
            UsageError: it is closed.
            RunnerError: the loop could not go on.
        """
        if self.error is not None:
            raise self.error
        if self._is_closed:
            raise UsageError("the core is closed")
        if self._executor is None:
            self._executor = EXECUTORS[self._mode](self._job)
            if self._is_hurried:
                self._executor.hurry()
        if self._orchestrator is None:
            self._orchestrator = Orchestrator(self._executor)
            if self._mode is not Mode.DEVELOPMENT:
                self._thread = Thread(target=self._drive, name="runner", daemon=True)
                self._thread.start()
        return self._executor

    def run(self, entry: Entry) -> None:
        """Run a submission: to its end in development mode, in the background otherwise.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed in development mode.
        """
        assert self._orchestrator is not None, "what is run was prepared"
        needs_driver = self._orchestrator.add(entry)
        if self._thread is None and needs_driver:
            with interruptible():
                self._orchestrator.run()

    def ask(self, entry: Entry, request: str) -> None:
        if self._orchestrator is not None:
            self._orchestrator.ask(entry, request)

    def hurry(self) -> None:
        """Let nobody wait for what jobs would need. Safe in a signal handler."""
        self._is_hurried = True
        if self._executor is not None:
            self._executor.hurry()

    def close(self) -> None:
        """End everything that was started; what runs is canceled."""
        self._is_closed = True
        if self._orchestrator is not None:
            self._orchestrator.close()
        if self._thread is not None:
            self._thread.join()
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    def _drive(self) -> None:
        assert self._orchestrator is not None, "the thread is started after it"
        with suppress(BaseException):  # it is raised where somebody waits
            self._orchestrator.run_until_closed()
