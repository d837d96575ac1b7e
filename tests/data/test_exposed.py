from __future__ import annotations

from typing import Any

import attrs
import pytest

from runner.config.references import FunctionRef
from runner.data.exposed import exposed

ROWS = [(1, "x"), (2, None)]


@attrs.frozen
class Row:
    a: int
    b: str | None


def handed_out(exposed_type: str | FunctionRef, rows: Any = ROWS) -> Any:
    return exposed(["a", "b"], rows, exposed_type, "x", lambda ref: ref.target)


def test_records() -> None:
    assert handed_out("records") == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert handed_out("records", []) == []


def test_instances() -> None:
    assert handed_out(FunctionRef("m.Row", Row)) == [Row(1, "x"), Row(2, None)]


def test_a_frame() -> None:
    frame = handed_out("pandas")
    assert frame["a"].tolist() == [1, 2]
    assert list(frame.columns) == ["a", "b"]


def test_an_empty_frame_has_its_columns() -> None:
    assert list(handed_out("pandas", []).columns) == ["a", "b"]


def test_an_array() -> None:
    assert handed_out("numpy")[0].tolist() == [1, "x"]


def test_polars() -> None:
    polars = pytest.importorskip("polars")
    assert handed_out("polars").equals(polars.DataFrame({"a": [1, 2], "b": ["x", None]}))
    assert handed_out("polars", []).columns == ["a", "b"]
