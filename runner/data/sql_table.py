"""Data nodes of storage type `sql_table`: all rows of one table of an SQL database."""

from __future__ import annotations

import contextlib
import secrets
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import attrs

from runner.config.options import SqlTableOptions
from runner.data.cells import Column, Rows, rows_of
from runner.data.database import Database, telling
from runner.data.exposed import exposed
from runner.data.sql_types import UNTYPED, as_declared, type_of
from runner.data.storage import Mark, Opening, no_value, write_failed
from runner.errors import JobError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_CHUNK: Final = 10_000
"""Rows that are sent at once."""
_MOST_NAMED: Final = 20
"""Columns that a message lists."""


@attrs.frozen
class Found:
    """A table that is there.

    Attributes:
        name: as the database has it.
        types: of its columns, by name.
        loses: what of it cannot take changes back; empty: it can.
    """

    name: str
    types: Mapping[str, Any]
    loses: str = ""


@attrs.define(eq=False)
class StagedRows:
    """Rows that fit the table, to be written in one transaction."""

    sure: ClassVar[bool] = False
    mark: ClassVar[Mark | None] = None

    write: Callable[[], None]

    def commit(self) -> None:
        self.write()

    def discard(self) -> None:
        """Nothing was left anywhere."""


@attrs.frozen
class SqlTable:
    """All rows of one table.

    A write replaces them in one transaction: the rows are deleted and the new ones inserted, so
    that types, constraints, indexes and rights of the table stay what they are, and readers see the
    old rows or the new ones. Columns go by their names; those that the value lacks get what the
    database has for them. Rows without names, such as tuples, go by the place of the columns and
    have to be as long. Where there is no table yet, one is made with the types of the values.

    Another writer of the same table waits. MySQL's tables of a kind without transactions are
    refused.

    What SQLite has no type for is text there: dates and times as ISO 8601 has them, decimals as the
    column takes them. When it is read, a column that is declared as dates, times or truths is
    handed out so where each of its cells is one, else as it is.
    """

    opening: Opening
    options: SqlTableOptions
    database: Database

    def exists(self) -> bool:
        if not self.database.can_be_there:
            return False
        with self.database.reading(self._place) as connection:
            return self._known_name(connection) is not None

    def mark(self, known: Mark | None = None) -> None:
        """Nobody can tell without reading it all."""

    def read(self) -> Any:
        if not self.database.can_be_there:
            raise no_value(self.opening.node, f"no file {self.database.file}")
        with self.database.reading(self._place) as connection:
            name = self._known_name(connection)
            if name is None:
                raise no_value(self.opening.node, f"there is no {self._place}")
            names, rows = self._columns_and_rows(connection, name)
            opening = self.opening
            return exposed(names, rows, self.options.exposed_type, opening.node, opening.load)

    def stage(self, value: Any) -> StagedRows:
        return self._staged(value, deletes=True)

    def stage_append(self, value: Any) -> StagedRows:
        """As `stage`, for rows that are added to those that are there."""
        return self._staged(value, deletes=False)

    def delete(self) -> None:
        """Drop the table: its definition is the value's too, or there would still be one."""
        if self.database.can_be_there:
            with self.database.writing(self._place) as connection:
                name = self._known_name(connection)
                if name is not None:
                    self._table(name).drop(connection)

    @property
    def _place(self) -> str:
        return f"table `{self.options.table_name}` of {self.database.name}"

    @property
    def _schema(self) -> str | None:
        return str(self.options.table_name).rpartition(".")[0] or None

    def _known_name(self, connection: Connection) -> str | None:
        """The table's name, without its schema; None: there is none.

        PostgreSQL has names in lower case unless they were quoted, as queries of Taipy never do.
        """
        from sqlalchemy import inspect

        name = str(self.options.table_name).rpartition(".")[2]
        names = (name, name.lower()) if connection.dialect.name == "postgresql" else (name,)
        inspector = inspect(connection)
        return next((each for each in names if inspector.has_table(each, self._schema)), None)

    def _find(self, connection: Connection) -> Found | None:
        from sqlalchemy import inspect

        name = self._known_name(connection)
        if name is None:
            return None
        loses = ""
        if connection.dialect.name == "mysql":
            of_table = inspect(connection).get_table_options(name, self._schema)
            loses = str(of_table.get("mysql_engine", "InnoDB")).replace("InnoDB", "")
        return Found(name, self._types(connection, name), loses)

    def _table(self, name: str, columns: Iterable[Any] = ()) -> Table:
        from sqlalchemy import MetaData, Table

        return Table(name, MetaData(), *columns, schema=self._schema, mysql_charset="utf8mb4")

    def _columns_and_rows(
        self, connection: Connection, name: str
    ) -> tuple[list[str], Sequence[Sequence[Any]]]:
        table = _quoted(connection, self._table(name))
        result = connection.exec_driver_sql(f"SELECT * FROM {table}")
        names = list(result.keys())
        rows: Sequence[Sequence[Any]] = result.fetchall()
        if connection.dialect.name in UNTYPED:
            types = self._types(connection, name)
            rows = as_declared(rows, [types.get(each) for each in names])
        return names, rows

    def _types(self, connection: Connection, name: str) -> dict[str, Any]:
        from sqlalchemy import inspect

        with warnings.catch_warnings():  # of types that SQLAlchemy does not know
            warnings.simplefilter("ignore")
            columns = inspect(connection).get_columns(name, self._schema)
        return {column["name"]: column["type"] for column in columns}

    def _staged(self, value: Any, *, deletes: bool) -> StagedRows:
        node = self.opening.node
        found = self._found_for_writing()
        with telling(lambda why: _refused(node, why)):
            rows = rows_of(value, node, str(self.options.db_engine), _documents(found))
            if found is None:
                self._new_columns(rows)
            else:
                _fitting(rows, found, self._place)
        return StagedRows(partial(self._write, rows, deletes=deletes))

    def _new_columns(self, rows: Rows) -> list[Any]:
        """The columns of a table that is made for rows.

        Raises:
            ValueError: they have no names, or the cells of one no type in common.
        """
        from sqlalchemy import Column

        if not rows.names:
            has = "its rows have no names" if rows.columns else "there are none in the value"
            raise ValueError(f"there is no {self._place} to take the columns from, and {has}")
        engine = str(self.options.db_engine)
        return [
            Column(name, type_of(name, column, engine, rows.count))
            for name, column in zip(rows.names, rows.columns, strict=True)
        ]

    def _found_for_writing(self) -> Found | None:
        """The table as it is; None: there is none.

        Raises:
            JobError: RUN605, also where a failing write could not be taken back.
        """
        database = self.database
        database.check_installed()
        if not database.can_be_there:
            return None
        with database.reading(self._place, failed=write_failed) as connection:
            found = self._find(connection)
        if found is not None and found.loses:
            raise JobError(
                f"data node `{self.opening.node}`: {self._place} cannot be written: "
                f"its engine {found.loses} has no transactions",
                code="RUN605",
                hint=f"ALTER TABLE {self.options.table_name} ENGINE = InnoDB",
            )
        return found

    def _write(self, rows: Rows, *, deletes: bool) -> None:
        with self.database.writing(self._place) as connection:
            found = self._find(connection)  # others may have made or dropped it since
            if found is None:
                self._create(connection, rows)
                return
            rows = _fitting(rows, found, self._place)
            table = self._table(found.name)
            if deletes:
                _lock(connection, table)
                connection.execute(table.delete())
            _insert(connection, table, rows)

    def _create(self, connection: Connection, rows: Rows) -> None:
        """Make the table, with all its rows or not at all."""
        name = str(self.options.table_name).rpartition(".")[2]
        columns = self._new_columns(rows)
        if connection.dialect.name == "mysql":
            self._create_apart(connection, name, columns, rows)
        else:
            table = self._table(name, columns)
            table.create(connection)
            _insert(connection, table, rows)

    def _create_apart(
        self, connection: Connection, name: str, columns: Sequence[Any], rows: Rows
    ) -> None:
        """Make it under another name: MySQL ends a transaction with every new table."""
        table = self._table(f"_runner_{secrets.token_hex(8)}", columns)
        made = _quoted(connection, table)
        try:
            table.create(connection)
            _insert(connection, table, rows)
            final = _quoted(connection, self._table(name))
            connection.exec_driver_sql(f"RENAME TABLE {made} TO {final}")
        except BaseException:
            with contextlib.suppress(Exception):  # the connection may be gone; that is told
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {made}")
            raise


def open_sql_table(opening: Opening) -> SqlTable:
    assert isinstance(opening.options, SqlTableOptions)
    return SqlTable(opening, opening.options, Database.of(opening))


def _refused(node: str, why: str) -> JobError:
    return JobError(f"data node `{node}` cannot be written: {why}", code="RUN606")


def _documents(found: Found | None) -> frozenset[str]:
    from sqlalchemy import JSON

    types = {} if found is None else found.types
    return frozenset(name for name, kind in types.items() if isinstance(kind, JSON))


def _fitting(rows: Rows, found: Found, place: str) -> Rows:
    """The rows, each of whose columns has the name of one of the table's, and its type.

    Raises:
        ValueError: the table lacks a column.
    """
    has = list(found.types)
    shown = ", ".join(f"`{name}`" for name in has[:_MOST_NAMED])
    rest = f" and {len(has) - _MOST_NAMED} more" if len(has) > _MOST_NAMED else ""
    if rows.names is None:
        if rows.columns and len(rows.columns) != len(has):
            raise ValueError(
                f"{place} has {len(has)} columns, and the rows {len(rows.columns)}: {shown}{rest}"
            )
        names = has[: len(rows.columns)]
    else:
        names = list(rows.names)
        unknown = [name for name in names if name not in found.types]
        if unknown:
            raise ValueError(f"{place} has no column `{unknown[0]}`; it has {shown}{rest}")
    columns = [
        _whole(column, found.types[name]) for column, name in zip(rows.columns, names, strict=True)
    ]
    return Rows(tuple(names), columns, rows.count)


def _whole(column: Column, kind: Any) -> Column:
    """Integers for an integer column: with pandas they are floats where one is missing."""
    from sqlalchemy import Integer

    if not isinstance(kind, Integer) or column.kinds.isdisjoint({float, bool}):
        return column
    cells = column.cells
    return attrs.evolve(column, cells=lambda first, last: list(map(_as_whole, cells(first, last))))


def _as_whole(cell: Any) -> Any:
    is_whole = (type(cell) is float and cell.is_integer()) or type(cell) is bool
    return int(cell) if is_whole else cell


def _lock(connection: Connection, table: Table) -> None:
    """Keep other writers out, whose rows this transaction might not see, and let readers in."""
    if connection.dialect.name == "postgresql":
        name = _quoted(connection, table)
        connection.exec_driver_sql(f"LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")


def _insert(connection: Connection, table: Table, rows: Rows) -> None:
    names = rows.names
    if not rows.count or names is None:
        return
    dialect = connection.dialect
    quote = dialect.identifier_preparer.quote
    into = f"{_quoted(connection, table)} ({', '.join(map(quote, names))})"
    if dialect.driver == "psycopg":
        into = into.replace("%%", "%")  # doubled for statements with parameters, which this is not
        cursor: Any = connection.connection.cursor()
        with cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for chunk in rows.chunks(_CHUNK):
                for row in chunk:
                    copy.write_row(row)
        return
    mark = "?" if dialect.paramstyle == "qmark" else "%s"
    statement = f"INSERT INTO {into} VALUES ({', '.join([mark] * len(names))})"
    for chunk in rows.chunks(_CHUNK):
        connection.exec_driver_sql(statement, chunk)


def _quoted(connection: Connection, table: Table) -> str:
    return connection.dialect.identifier_preparer.format_table(table)
