from __future__ import annotations

import pytest

from runner.config.meant import (
    dotted_id_hint,
    free_key_hint,
    is_section,
    meant_key,
    meant_section,
    section_hint,
    storage_type_hint,
)

KEYS = {
    "JOB": frozenset({"mode"}),
    "DATA_NODE": frozenset({"storage_type", "path", "mode"}),
    "TASK": frozenset({"function", "inputs", "retries"}),
}
TASK = KEYS["TASK"]


@pytest.mark.parametrize(
    ("name", "section", "hint"),
    [
        pytest.param("task", "TASK", "did you mean `TASK`?", id="lower-case"),
        pytest.param("SCENARIOS", "SCENARIO", "did you mean `SCENARIO`?", id="plural"),
        pytest.param("TAS", "TASK", "did you mean `TASK`?", id="no-plural"),
        pytest.param("DATA-NODE", "DATA_NODE", "did you mean `DATA_NODE`?", id="dash"),
        pytest.param("TASK.t", "TASK", "write [TASK.t], without quotes", id="quoted"),
        pytest.param(
            "PIPELINE",
            None,
            "what was a pipeline is a sequence: [SCENARIO.<id>.sequences]",
            id="old",
        ),
        pytest.param(
            "settings",
            None,
            "there are [RUNNER], [TAIPY], [JOB], [CORE], [CHECK], [DATA_NODE.<id>], [TASK.<id>], "
            "[SCENARIO.<id>]",
            id="near-to-nothing",
        ),
    ],
)
def test_a_section_that_there_is_not(name: str, section: str | None, hint: str) -> None:
    assert (meant_section(name), section_hint(name)) == (section, hint)


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        pytest.param("inptus", set(), "inputs", id="slip"),
        pytest.param("input", set(), "inputs", id="taipy"),
        pytest.param("output", set(), None, id="taipy-of-another-section"),
        pytest.param("func", {"func"}, "function", id="other-word-for-what-must-be-there"),
        pytest.param("func", {"func", "function"}, None, id="the-key-is-there-too"),
        pytest.param("retry", {"function"}, None, id="other-word-for-what-may-be-left-out"),
        pytest.param("color", set(), None, id="near-to-nothing"),
    ],
)
def test_a_key_that_was_surely_meant(name: str, written: set[str], meant: str | None) -> None:
    assert meant_key(name, TASK, written) == meant


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param(
            "retry",
            "did you mean `retries`? If not, free keys can go under [TASK.t.properties]",
            id="other-word",
        ),
        pytest.param(
            "needs", "what runs first follows from `inputs` and `outputs`", id="order-of-tasks"
        ),
        pytest.param("path", "it is a key of [DATA_NODE.<id>]", id="of-another-section"),
        pytest.param("mode", "it is a key of [JOB] and [DATA_NODE.<id>]", id="of-two-others"),
        pytest.param("color", "free keys can go under [TASK.t.properties]", id="free"),
    ],
)
def test_a_key_that_is_kept(name: str, hint: str) -> None:
    assert free_key_hint(name, "TASK.t", TASK, KEYS) == hint


@pytest.mark.parametrize(
    ("section", "keys", "is_one"),
    [
        pytest.param("TASK", {"function", "inputs"}, True, id="task"),
        pytest.param("TASK", {"retries"}, False, id="free-table-of-a-task"),
        pytest.param("DATA_NODE", {"path"}, True, id="data-node"),
        pytest.param("SCENARIO", {"tasks"}, True, id="scenario"),
    ],
)
def test_a_table_that_was_meant_to_be_a_section(section: str, keys: set[str], is_one: bool) -> None:
    assert is_section(section, keys) == is_one


def test_an_id_with_a_dot() -> None:
    assert dotted_id_hint("TASK", "clean", "fast") == "for example [TASK.clean_fast]"
    assert (
        dotted_id_hint("DATA_NODE", "raw", "csv")
        == 'write storage_type = "csv" under [DATA_NODE.raw]'
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("CSV", "did you mean `csv`?", id="case"),
        pytest.param("parket", "did you mean `parquet`?", id="slip"),
        pytest.param("xlsx", "did you mean `excel`?", id="suffix"),
        pytest.param("postgres", "did you mean `sql_table`?", id="server"),
        pytest.param("pandas.ParquetDataset", "did you mean `parquet`?", id="dataset"),
        pytest.param(
            "yaml",
            "there are pickle, in_memory, json, csv, excel, parquet, sql_table, sql, "
            "mongo_collection, s3_object, generic",
            id="near-to-nothing",
        ),
    ],
)
def test_a_storage_type_that_there_is_not(text: str, hint: str) -> None:
    assert storage_type_hint(text) == hint
