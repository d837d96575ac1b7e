from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from runner.config.keys import SECTIONS, Key, Kind, section_keys, storage_keys, summary, written
from runner.config.model import JobConfig
from runner.config.options import STORAGE_TYPES

KEYS = {(section, key.name): key for section in SECTIONS for key in section_keys(section)} | {
    (name, key.name): key for name in STORAGE_TYPES for key in storage_keys(name)
}


@pytest.mark.parametrize(
    ("place", "key"),
    [
        pytest.param(
            ("JOB", "mode"),
            {"kind": Kind.CHOICE, "default": "development", "minimum": None, "required": False},
            id="enumeration",
        ),
        pytest.param(
            ("TASK", "retries"), {"kind": Kind.INT, "default": 0, "minimum": 0}, id="minimum"
        ),
        pytest.param(
            ("TASK", "timeout"),
            {"kind": Kind.DURATION, "default": None, "minimum": None},
            id="none",
        ),
        pytest.param(
            ("TASK", "retry_delay"), {"kind": Kind.DURATION, "default": "0s"}, id="duration"
        ),
        pytest.param(
            ("TASK", "function"), {"kind": Kind.FUNCTION, "required": True}, id="required"
        ),
        pytest.param(("TASK", "inputs"), {"kind": Kind.DATA_NODES, "default": ()}, id="by-name"),
        pytest.param(("CORE", "root_folder"), {"kind": Kind.ANY, "is_old": True}, id="old"),
        pytest.param(
            ("sql", "db_engine"),
            {"required": True, "choices": ("sqlite", "postgresql", "mysql", "mssql")},
            id="choices",
        ),
        pytest.param(("csv", "path"), {"kind": Kind.TEXT, "default": None}, id="of-a-base"),
        pytest.param(("generic", "read_fct"), {"kind": Kind.FUNCTION}, id="optional-type"),
        pytest.param(("parquet", "read_kwargs"), {"kind": Kind.TABLE, "default": None}, id="table"),
    ],
)
def test_key(place: tuple[str, str], key: dict[str, Any]) -> None:
    told = attrs.asdict(KEYS[place])

    assert {name: told[name] for name in key} == key


@pytest.mark.parametrize("place", KEYS, ids=".".join)
def test_every_key_means_something(place: tuple[str, str]) -> None:
    assert KEYS[place].meaning.endswith(".")


def test_description() -> None:
    key = Key(name="x", kind=Kind.DURATION, meaning="how long. At most.", default="2s")

    assert key.description == (
        "How long. At most. A duration: days, hours, minutes, seconds, such as `1h30m`. "
        'Default: `"2s"`.'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(True, "true", id="bool"),
        pytest.param(2, "2", id="int"),
        pytest.param("a", '"a"', id="str"),
        pytest.param((), "[]", id="empty"),
        pytest.param(("a", "b"), '["a", "b"]', id="list"),
    ],
)
def test_written(value: Any, text: str) -> None:
    assert written(value) == text


def test_summary() -> None:
    assert summary(JobConfig) == "How jobs are executed: `[JOB]`."
    assert summary(timedelta) != ""
