"""An SQL database: how it is reached, one transaction at a time, and what it says in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import attrs

from runner.config.options import DRIVERS, DatabaseOptions
from runner.data.storage import Failed, Opening, read_failed, reason, write_failed
from runner.errors import JobError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_PATIENCE: Final = 60.0
"""Seconds for which SQLite waits for another writer."""
_CONNECTING: Final = 10
"""Seconds after which a server that does not answer is given up."""
_ODBC_DRIVER: Final = "ODBC Driver 18 for SQL Server"
_MODULES: Final = {"psycopg": "psycopg", "pymysql": "PyMySQL", "pyodbc": "pyodbc"}
"""What the packages of drivers are called."""


@attrs.define(eq=False, slots=False)
class Database:
    """The database of one data node. Nothing is connected between two transactions.

    Passwords are only in the engine's URL, which nothing here shows, and parameters of statements
    in none of its messages.
    """

    node: str
    options: DatabaseOptions
    file: str | None

    @classmethod
    def of(cls, opening: Opening) -> Database:
        assert isinstance(opening.options, DatabaseOptions)
        file = None if opening.path is None else str(opening.path)
        return cls(opening.node, opening.options, file)

    @property
    def name(self) -> str:
        """For messages: the file, or server and database, without who logs in."""
        if self.file is not None:
            return self.file
        options = self.options
        port = "" if options.db_port is None else f":{options.db_port}"
        return f"{options.db_engine}://{options.db_host}{port}/{options.db_name}"

    @property
    def can_be_there(self) -> bool:
        """False where SQLite has no file, which opening it would make."""
        return self.file is None or os.path.exists(self.file)  # noqa: PTH110 - a path is text here

    def check_installed(self) -> None:
        """Refuse to go on without SQLAlchemy and the driver.

        Raises:
            JobError: RUN402.
        """
        assert self.engine is not None

    @cached_property
    def engine(self) -> Engine:
        """What connects to it; made once, since it learns about the server at first.

        Raises:
            JobError: RUN402, SQLAlchemy or the driver is missing.
        """
        try:
            from sqlalchemy import create_engine, event
            from sqlalchemy.pool import NullPool
        except ImportError as error:
            raise self._missing("SQLAlchemy", error) from error
        url = self.url()
        try:
            engine = create_engine(
                url, poolclass=NullPool, hide_parameters=True, connect_args=self._arguments()
            )
        except ImportError as error:
            raise self._missing(_MODULES[DRIVERS[url.get_backend_name()]], error) from error
        if self.file is not None:
            event.listen(engine, "connect", _leave_transactions_to_us)
            event.listen(engine, "begin", _begin)
        return engine

    def url(self) -> URL:
        """Where it is, and who logs in."""
        from sqlalchemy import URL

        options = self.options
        extra = {key: _parameter(value) for key, value in options.db_extra_args.items()}
        if self.file is not None:
            return URL.create("sqlite", database=self.file, query=extra)
        engine = str(options.db_engine)
        if engine == "mssql":
            # Files of Taipy may have the blanks of a URL
            extra.setdefault("driver", (options.db_driver or _ODBC_DRIVER).replace("+", " "))
        return URL.create(
            f"{engine}+{DRIVERS[engine]}",
            username=options.db_username,
            password=options.db_password,
            host=options.db_host,
            port=options.db_port,
            database=options.db_name,
            query=extra,
        )

    @contextmanager
    def reading(self, place: str, failed: Failed = read_failed) -> Iterator[Connection]:
        """A transaction in which nothing is changed.

        Args:
            place: what is read, for messages.
            failed: makes the error.

        Raises:
            JobError: for whatever is raised in the block too.
        """
        with self._telling(failed, place), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, place: str) -> Iterator[Connection]:
        """A transaction: committed at the end, and rolled back whole when anything is raised.

        Args:
            place: what is written, for messages.

        Raises:
            JobError: RUN605, for whatever is raised in the block too.
        """
        with self._telling(write_failed, place):
            if self.file is not None:
                os.makedirs(os.path.dirname(self.file), exist_ok=True)  # noqa: PTH103, PTH120 - as above
            with self.engine.connect() as connection:
                connection.execution_options(begins="BEGIN IMMEDIATE")
                with connection.begin():
                    yield connection

    def _telling(self, failed: Failed, place: str) -> AbstractContextManager[None]:
        return telling(lambda why: failed(self.node, place, why))

    def _arguments(self) -> dict[str, Any]:
        """What a driver is told beside the URL: how long to wait, unless the user has said it."""
        options = self.options
        extra = options.db_extra_args
        if self.file is not None:
            return {} if "timeout" in extra else {"timeout": _PATIENCE}
        if options.db_engine == "postgresql" and "connect_timeout" not in extra:
            return {"connect_timeout": _CONNECTING}
        if options.db_engine == "mysql" and options.db_password is not None:
            return {"password": options.db_password.encode()}  # it would take text for Latin-1
        return {}

    def _missing(self, library: str, error: ImportError) -> JobError:
        extra = "mssql" if self.options.db_engine == "mssql" else "sql"
        return JobError(
            f"data node `{self.node}` needs {library}: {error}",
            code="RUN402",
            hint=f"install it: pip install 'toml-runner[{extra}]'",
        )


@contextmanager
def telling(failed: Callable[[str], JobError]) -> Iterator[None]:
    """Make whatever is raised in the block a JobError, of what is told of it in one line."""
    try:
        yield
    except JobError:
        raise
    except Exception as error:  # drivers have their own, and classes of rows are the user's
        raise failed(told(error)) from error


def told(error: Exception) -> str:
    """What a database says, in one line, without the statement and its parameters."""
    from sqlalchemy.exc import StatementError

    found: BaseException = error
    if isinstance(error, StatementError) and error.orig is not None:
        found = error.orig
    elif not _is_a_drivers(error):
        return reason(error)
    arguments = found.args
    is_numbered = len(arguments) == 2 and isinstance(arguments[0], int)
    text = str(arguments[1] if is_numbered else found)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    details = [line.removeprefix("DETAIL:").strip() for line in lines if line.startswith("DETAIL:")]
    first = [line.removeprefix("connection failed: ") for line in lines[:1]]  # it says so again
    return ": ".join([*first, *details]) or type(found).__name__


def _is_a_drivers(error: Exception) -> bool:
    """Whether a driver's own error came past SQLAlchemy, as when rows are copied."""
    return type(error).__module__.partition(".")[0] in {"psycopg", "pymysql", "sqlite3", "pyodbc"}


def _parameter(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _leave_transactions_to_us(connection: Any, _record: object) -> None:
    """Let Python's sqlite3 begin no transaction of its own, which it does too late."""
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    """Begin as a writer at once: one that finds out later cannot wait for another."""
    begins = connection.get_execution_options().get("begins", "BEGIN")
    connection.exec_driver_sql(begins)
