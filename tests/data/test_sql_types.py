from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

import pytest
from sqlalchemy.dialects import mssql, mysql, postgresql, sqlite

from runner.data.cells import rows_of
from runner.data.sql_types import type_of


def of_sql_server() -> Any:
    dialect: Any = mssql.dialect
    made = dialect()
    made.server_version_info = (16,)  # as it is learnt from a server
    made._setup_version_attributes()
    return made


POSTGRESQL: Any = postgresql.dialect
DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(),
    "postgresql": POSTGRESQL(),
    "mysql": mysql.dialect(),
    "mssql": of_sql_server(),
}
NOW = dt.datetime(2024, 2, 29)


@pytest.mark.parametrize(
    ("cells", "types"),
    [
        pytest.param([True, None], ["BOOLEAN", "BOOLEAN", "BOOL", "BIT"], id="bool"),
        pytest.param([1, True], ["BIGINT"] * 4, id="int"),
        pytest.param(
            [1, 0.5], ["DOUBLE", "DOUBLE PRECISION", "DOUBLE", "DOUBLE PRECISION"], id="float"
        ),
        pytest.param(
            [1, decimal.Decimal("0.5")],
            ["NUMERIC", "NUMERIC", "NUMERIC(65, 30)", "NUMERIC(38, 10)"],
            id="decimal",
        ),
        pytest.param(["x"], ["TEXT", "TEXT", "LONGTEXT", "NVARCHAR(max)"], id="text"),
        pytest.param([b"x"], ["BLOB", "BYTEA", "LONGBLOB", "VARBINARY(max)"], id="bytes"),
        pytest.param([NOW.date()], ["DATE"] * 4, id="date"),
        pytest.param(
            [NOW, NOW.date()],
            ["DATETIME", "TIMESTAMP WITHOUT TIME ZONE", "DATETIME(6)", "DATETIME2"],
            id="datetime",
        ),
        pytest.param(
            [NOW.replace(tzinfo=dt.UTC)],
            ["DATETIME", "TIMESTAMP WITH TIME ZONE", "DATETIME(6)", "DATETIMEOFFSET"],
            id="moment",
        ),
        pytest.param(
            [NOW.time()], ["TIME", "TIME WITHOUT TIME ZONE", "TIME(6)", "TIME"], id="time"
        ),
        pytest.param(
            [uuid.UUID(int=1)], ["VARCHAR(36)", "UUID", "VARCHAR(36)", "VARCHAR(36)"], id="uuid"
        ),
        pytest.param([{"a": 1}, [1]], ["JSON", "JSON", "JSON", "NVARCHAR(max)"], id="document"),
        pytest.param([None], ["TEXT", "TEXT", "LONGTEXT", "NVARCHAR(max)"], id="nothing"),
    ],
)
def test_type_of_a_new_column(cells: list[Any], types: list[str]) -> None:
    found = []
    for engine, dialect in DIALECTS.items():
        (column,) = rows_of({"a": cells}, "x", engine).columns
        found.append(type_of("a", column, engine, len(cells)).compile(dialect=dialect))
    assert found == types


@pytest.mark.parametrize(
    ("cells", "kinds"),
    [
        pytest.param([1, "x"], "`int` and `str`", id="numbers-and-text"),
        pytest.param([b"x", "x", NOW.date()], "`bytes` and `date` and `str`", id="three"),
    ],
)
def test_no_one_type(cells: list[Any], kinds: str) -> None:
    (column,) = rows_of({"a": cells}, "x", "postgresql").columns
    with pytest.raises(ValueError, match=r"no one type") as caught:
        type_of("a", column, "postgresql", len(cells))
    assert str(caught.value) == f"column `a` holds {kinds}, and no one type is for these"
