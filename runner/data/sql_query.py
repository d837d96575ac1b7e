"""Data nodes of storage type `sql`: what a query reads, and what the user's statements write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import attrs

from runner.config.options import SqlOptions
from runner.config.references import FunctionRef
from runner.data.cells import adapted, plain
from runner.data.database import Database
from runner.data.exposed import exposed
from runner.data.storage import Mark, Opening, no_value, read_failed, reason
from runner.errors import JobError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_AS_WRITTEN: Final = {"no_parameters": True}
"""So that `%` is no placeholder."""
_HINT: Final = (
    "a statement is SQL text, a clause of SQLAlchemy, or a pair of one and its parameters"
)

Parameters: TypeAlias = Sequence[Mapping[str, Any]]


@attrs.frozen
class Statement:
    """One statement of a write.

    Attributes:
        text: SQL, or a clause of SQLAlchemy.
        parameters: what it is executed with, once each; None: it has none.
    """

    text: Any
    parameters: Parameters | None = None


@attrs.define(eq=False)
class StagedStatements:
    """Statements of the user's builder, to be executed in one transaction."""

    sure: ClassVar[bool] = False
    mark: ClassVar[Mark | None] = None

    database: Database
    place: str
    statements: Sequence[Statement]

    def commit(self) -> None:
        with self.database.writing(self.place) as connection:
            for statement in self.statements:
                _execute(connection, statement)

    def discard(self) -> None:
        """Nothing was left anywhere."""


@attrs.frozen
class SqlQuery:
    r"""The rows of `read_query`; statements of `write_query_builder` write.

    The query, and a statement without parameters, are sent as they are written: `%` and `:` mean
    what they mean in SQL. Only `\:`, which Taipy needs for a colon, is one. A builder gets the
    value and returns a statement or a list of them, each SQL text, a clause of SQLAlchemy, or a
    pair of one of these and its parameters: a dict for `:name` in the text, or a list of dicts, for
    each of which it is executed. Parameters are bound, never put into the text. All statements are
    one transaction. Whatever a builder raises is its own failure, before anything is written.

    What MySQL cannot take back, such as a new table, it cannot here either.
    """

    opening: Opening
    options: SqlOptions
    database: Database

    def exists(self) -> bool:
        """True: only the query could tell."""
        return True

    def mark(self, known: Mark | None = None) -> None:
        """Nobody can tell without reading it all."""

    def read(self) -> Any:
        node = self.opening.node
        if not self.database.can_be_there:
            raise no_value(node, f"no file {self.database.file}")
        with self.database.reading(self._place) as connection:
            result = connection.exec_driver_sql(
                _unescaped(str(self.options.read_query)), execution_options=_AS_WRITTEN
            )
            if not result.returns_rows:
                raise read_failed(node, self._place, "`read_query` gives no rows")
            names, rows = list(result.keys()), result.fetchall()
            return exposed(names, rows, self.options.exposed_type, node, self.opening.load)

    def stage(self, value: Any) -> StagedStatements:
        return self._staged("write_query_builder", value)

    def stage_append(self, value: Any) -> StagedStatements:
        """As `stage`, by the statements of `append_query_builder`.

        Raises:
            JobError: RUN605 too, where there is none.
        """
        return self._staged("append_query_builder", value)

    def delete(self) -> None:
        """Refuse to: only the user could tell how.

        Raises:
            JobError: RUN605.
        """
        raise JobError(
            f"data node `{self.opening.node}`: {self._place} cannot be removed: "
            "only you know what the query reads",
            code="RUN605",
        )

    @property
    def _place(self) -> str:
        return self.database.name

    def _staged(self, key: str, value: Any) -> StagedStatements:
        builder: FunctionRef | None = getattr(self.options, key)
        node = self.opening.node
        if builder is None:
            message = f"data node `{node}` cannot be appended to: it has no `{key}`"
            raise JobError(message, code="RUN605", hint=f"write {key} = ...")
        self.database.check_installed()
        build = self.opening.load(builder)
        try:
            made = build(value)
        except Exception as error:  # it is the user's, and raises anything
            message = f"data node `{node}` cannot be written: `{builder}` failed"
            raise JobError(f"{message}: {reason(error)}", code="RUN606") from error
        try:
            statements = list(statements_of(made, str(self.options.db_engine)))
        except (TypeError, ValueError) as error:
            message = f"data node `{node}` cannot be written: `{builder}` returned {error}"
            raise JobError(message, code="RUN606", hint=_HINT) from error
        return StagedStatements(self.database, self._place, statements)


def open_sql(opening: Opening) -> SqlQuery:
    assert isinstance(opening.options, SqlOptions)
    return SqlQuery(opening, opening.options, Database.of(opening))


def statements_of(made: Any, engine: str) -> Iterator[Statement]:
    """The statements that a builder returned.

    Args:
        made: what it returned.
        engine: of the database: which types its driver takes.

    Raises:
        TypeError: something of it is no statement; the message goes on after `returned`.
    """
    if _is_text(made) or (isinstance(made, tuple) and _is_pair(made)):
        made = [made]
    elif isinstance(made, Mapping) or not isinstance(made, Iterable):
        raise TypeError(f"a `{type(made).__name__}`, which is no statement")
    for each in made:
        if _is_text(each):
            yield Statement(each)
        elif _is_pair(each):
            text, parameters = each
            yield Statement(text, _bound(parameters, engine, is_clause=not isinstance(text, str)))
        else:
            raise TypeError(f"a `{type(each).__name__}` among its statements")


def _is_text(made: Any) -> bool:
    from sqlalchemy import Executable

    return isinstance(made, str | Executable)


def _is_pair(made: Any) -> bool:
    return (
        isinstance(made, tuple | list)
        and len(made) == 2
        and _is_text(made[0])
        and not _is_text(made[1])
        and not (isinstance(made[1], tuple) and _is_pair(made[1]))
    )


def _bound(parameters: Any, engine: str, *, is_clause: bool) -> Parameters | None:
    if parameters is None or parameters == {}:
        return None
    rows = [parameters] if isinstance(parameters, Mapping) else parameters
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
        raise TypeError(f"parameters in a `{type(parameters).__name__}`, not in a dict each")
    return [
        {str(name): _value(name, value, engine, is_clause=is_clause) for name, value in row.items()}
        for row in rows
    ]


def _value(name: Any, value: Any, engine: str, *, is_clause: bool) -> Any:
    """A parameter as the driver takes it; a clause has types of its own that see to that."""
    try:
        value = plain(value)
    except TypeError:
        return value  # a driver's own, such as psycopg's Jsonb
    try:
        return value if is_clause else adapted(value, engine)
    except (TypeError, ValueError) as error:
        raise type(error)(f"parameter `{name}`: {error}") from error


def _execute(connection: Connection, statement: Statement) -> None:
    from sqlalchemy import text

    made, parameters = statement.text, statement.parameters
    if parameters is not None:
        if parameters:  # a list of none is executed for none
            connection.execute(text(made) if isinstance(made, str) else made, parameters)
    elif isinstance(made, str):
        connection.exec_driver_sql(_unescaped(made), execution_options=_AS_WRITTEN)
    else:
        connection.execute(made)


def _unescaped(text: str) -> str:
    return text.replace("\\:", ":")
