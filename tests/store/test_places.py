from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.model import DataNodeConfig, Frequency, Scope
from runner.config.options import (
    CsvOptions,
    InMemoryOptions,
    JsonOptions,
    SqlTableOptions,
    StorageOptions,
)
from runner.errors import UsageError
from runner.store.places import Place, check_name, cycle_of, place_of

STORAGE = Path("/app/.runner")


def place(
    options: StorageOptions, scope: Scope = Scope.SCENARIO, cycle: str | None = None
) -> Place:
    node = DataNodeConfig(id="raw", scope=scope, options=options)
    return place_of(
        node, scenario="may", cycle=cycle, storage_folder=STORAGE, application_path=Path("/app")
    )


@pytest.mark.parametrize(
    ("scope", "cycle", "key"),
    [
        pytest.param(Scope.SCENARIO, None, "scenarios/may/raw", id="scenario"),
        pytest.param(Scope.SCENARIO, "DAILY_2026-05-01", "scenarios/may/raw", id="of-a-cycle"),
        pytest.param(Scope.CYCLE, "DAILY_2026-05-01", "cycles/DAILY_2026-05-01/raw", id="cycle"),
        pytest.param(Scope.CYCLE, None, "global/raw", id="cycle-without-frequency"),
        pytest.param(Scope.GLOBAL, None, "global/raw", id="global"),
        pytest.param(Scope.GLOBAL, "DAILY_2026-05-01", "global/raw", id="global-in-a-cycle"),
    ],
)
def test_who_shares_it(scope: Scope, cycle: str | None, key: str) -> None:
    assert place(JsonOptions(), scope, cycle) == Place(
        key, STORAGE / "data" / f"{key}.json", is_users=False
    )


def test_what_is_no_file_has_no_path() -> None:
    assert place(InMemoryOptions()) == Place("scenarios/may/raw", None, is_users=False)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        pytest.param(CsvOptions(path="in/a.csv"), "/app/in/a.csv", id="relative"),
        pytest.param(CsvOptions(default_path="/in/a.csv"), "/in/a.csv", id="absolute"),
        pytest.param(CsvOptions(path="p.csv", default_path="d.csv"), "/app/p.csv", id="path-wins"),
        pytest.param(CsvOptions(path="~/a.csv"), str(Path("~/a.csv").expanduser()), id="home"),
    ],
)
def test_a_users_file_stays_where_it_is(options: CsvOptions, path: str) -> None:
    assert place(options) == Place("scenarios/may/raw", Path(path), is_users=True)


@pytest.mark.parametrize(
    ("options", "file"),
    [
        pytest.param({}, "/app/shop.db", id="in-the-application-path"),
        pytest.param({"sqlite_folder_path": "in"}, "/app/in/shop.db", id="relative"),
        pytest.param({"sqlite_folder_path": "/in"}, "/in/shop.db", id="absolute"),
        pytest.param({"sqlite_folder_path": "~"}, str(Path("~/shop.db").expanduser()), id="home"),
        pytest.param({"sqlite_file_extension": ".sqlite3"}, "/app/shop.sqlite3", id="extension"),
    ],
)
def test_a_table_of_sqlite_is_in_a_file_with_others(options: dict[str, Any], file: str) -> None:
    table = SqlTableOptions(db_engine="sqlite", db_name="shop", table_name="t", **options)
    assert place(table) == Place("scenarios/may/raw", None, is_users=False, database=Path(file))


def test_a_table_of_a_server_is_in_no_file() -> None:
    table = SqlTableOptions(db_engine="mysql", db_name="shop", table_name="t")
    assert place(table) == Place("scenarios/may/raw", None, is_users=False)


@pytest.mark.parametrize(
    ("frequency", "created", "cycle"),
    [
        pytest.param("DAILY", "2026-12-31T23:59:59", "2026-12-31", id="day-end"),
        pytest.param("DAILY", "2027-01-01T00:00:00", "2027-01-01", id="day-begin"),
        pytest.param("WEEKLY", "2026-12-28", "2026-W53", id="week-53"),
        pytest.param("WEEKLY", "2027-01-03T23:59:59", "2026-W53", id="sunday-of-last-years-week"),
        pytest.param("WEEKLY", "2027-01-04", "2027-W01", id="first-monday"),
        pytest.param("WEEKLY", "2024-12-30", "2025-W01", id="monday-of-next-years-week"),
        pytest.param("MONTHLY", "2024-02-29", "2024-02", id="leap-day"),
        pytest.param("MONTHLY", "2024-03-01", "2024-03", id="month-begin"),
        pytest.param("QUARTERLY", "2026-01-01", "2026-Q1", id="q1"),
        pytest.param("QUARTERLY", "2026-03-31", "2026-Q1", id="q1-end"),
        pytest.param("QUARTERLY", "2026-04-01", "2026-Q2", id="q2"),
        pytest.param("QUARTERLY", "2026-06-30", "2026-Q2", id="q2-end"),
        pytest.param("QUARTERLY", "2026-07-01", "2026-Q3", id="q3"),
        pytest.param("QUARTERLY", "2026-10-01", "2026-Q4", id="q4"),
        pytest.param("QUARTERLY", "2026-12-31", "2026-Q4", id="q4-end"),
        pytest.param("YEARLY", "2026-12-31T23:59:59", "2026", id="year-end"),
        pytest.param("YEARLY", "2027-01-01", "2027", id="year-begin"),
    ],
)
def test_cycles(frequency: str, created: str, cycle: str) -> None:
    name = cycle_of(Frequency(frequency), datetime.fromisoformat(created))

    assert name == f"{frequency}_{cycle}"


@given(st.sampled_from(Frequency), st.datetimes(min_value=datetime(1000, 1, 1)))
def test_a_cycle_can_be_a_folder(frequency: Frequency, created: datetime) -> None:
    assert check_name(cycle_of(frequency, created))


@pytest.mark.parametrize("name", ["a", "_", "2026", "v1.2", "a-b_c.d", "x" * 128])
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a", "-a", "a.", "a/b", "a\\b", "a b", "a\n", "a\0", "é", "x" * 129, "../a"],
    ids=repr,
)
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a scenario") as caught:
        check_name(name)

    assert str(caught.value) == f'"{name}" cannot be the name of a scenario'
    assert caught.value.hint == "letters, digits, `_`, `-` and `.`, at most 128"
