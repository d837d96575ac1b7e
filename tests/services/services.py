"""Servers of databases, as they answer on this machine, for tests that need real ones.

Where one does not answer, its tests are skipped, unless RUNNER_TEST_SERVICES=1 says that all have
to. What a test needs on one is made with a random name, and dropped at the end.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import attrs
import pytest
from sqlalchemy import URL, Engine, create_engine
from sqlalchemy.pool import NullPool

HOST: Final = "127.0.0.1"
PORTS: Final[Mapping[str, int]] = {"postgresql": 5432, "mysql": 3306}
PASSWORD: Final = "c4nary p@ss:w/rd%25+'\"\\é☃"
"""With all that a URL, a query and a message could stumble over."""
_ADMINISTRATORS: Final = {
    "postgresql": URL.create("postgresql+psycopg", "postgres", None, HOST, 5432, "postgres"),
    "mysql": URL.create("mysql+pymysql", "root", "", HOST, 3306),
}


@attrs.frozen
class Made:
    """A database of its own with a user of its own, who may do everything there.

    Attributes:
        engine: `db_engine`.
        name: of the database, and of the user.
        administrator: connects as one who may do anything, each statement a transaction.
        owner: the same as its user.
    """

    engine: str
    name: str
    administrator: Engine
    owner: Engine

    @property
    def options(self) -> dict[str, Any]:
        """What a data node says to reach it."""
        return {
            "db_engine": self.engine,
            "db_name": self.name,
            "db_host": HOST,
            "db_username": self.name,
            "db_password": PASSWORD,
        }

    def run(self, statement: str) -> Any:
        """Execute a statement as its user; its rows, if it has any."""
        return execute(self.owner, statement)

    def administer(self, statement: str) -> Any:
        """The same as one who may do anything."""
        return execute(self.administrator, statement)

    def connections(self) -> dict[int, str]:
        """What the user's own connections are waiting for, by their numbers."""
        if self.engine == "postgresql":
            rows = self.administer(
                "SELECT pid, coalesce(wait_event_type, '') FROM pg_stat_activity "
                f"WHERE usename = '{self.name}'"
            )
        else:
            rows = self.administer(
                "SELECT id, coalesce(state, '') FROM information_schema.processlist "
                f"WHERE user = '{self.name}'"
            )
        return dict(map(tuple, rows))

    def kill(self, connection: int) -> None:
        if self.engine == "postgresql":
            self.administer(f"SELECT pg_terminate_backend({connection})")
        else:
            self.administer(f"KILL {connection}")


def need(engine: str) -> None:
    """Skip the test where a server does not answer."""
    try:
        socket.create_connection((HOST, PORTS[engine]), timeout=2).close()
    except OSError:
        message = f"no server of {engine} answers on port {PORTS[engine]}"
        if os.environ.get("RUNNER_TEST_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)


def execute(engine: Engine, statement: str) -> Any:
    with engine.connect() as connection:
        as_written = {"no_parameters": True}
        result = connection.exec_driver_sql(statement, execution_options=as_written)
        return result.fetchall() if result.returns_rows else None


@contextmanager
def database(engine: str) -> Iterator[Made]:
    """A database for a test; dropped at the end with its user."""
    need(engine)
    name = f"runner_{secrets.token_hex(6)}"
    url = _ADMINISTRATORS[engine]
    administrator = _connecting(url)
    password = PASSWORD.replace("\\", "\\\\") if engine == "mysql" else PASSWORD
    password = password.replace("'", "''")
    owner = url.set(username=name, database=name)
    inside = _connecting(url.set(database=name))
    made = Made(engine, name, inside, _connecting(owner, PASSWORD.encode()))
    if engine == "postgresql":
        begin = [
            f"CREATE USER {name} PASSWORD '{password}'",
            f"CREATE DATABASE {name} OWNER {name}",
        ]
        end = [f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"DROP USER IF EXISTS {name}"]
    else:
        begin = [
            f"CREATE DATABASE {name} CHARACTER SET latin1",
            f"CREATE USER {name}@'{HOST}' IDENTIFIED BY '{password}'",
            f"GRANT ALL ON {name}.* TO {name}@'{HOST}'",
        ]
        end = [f"DROP DATABASE IF EXISTS {name}", f"DROP USER IF EXISTS {name}@'{HOST}'"]
    try:
        for statement in begin:
            execute(administrator, statement)
        yield made
    finally:
        for statement in end:
            execute(administrator, statement)


def _connecting(url: URL, password: bytes | None = None) -> Engine:
    arguments: dict[str, Any] = {}
    if password is not None:
        is_mysql = url.get_backend_name() == "mysql"
        arguments["password"] = password if is_mysql else password.decode()
    return create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments
    )
