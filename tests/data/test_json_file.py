from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.references import FunctionRef
from runner.data.storage import Storage
from runner.errors import JobError

Opened = Callable[..., Storage]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


class DateEncoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        return {"date": o.isoformat()} if isinstance(o, date) else super().default(o)


class DateDecoder(json.JSONDecoder):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options, object_hook=self.revive)

    def revive(self, found: dict[str, str]) -> Any:
        return date.fromisoformat(found["date"])


@given(value=VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # each example writes anew
def test_what_is_written_is_read(opened: Opened, value: Any) -> None:
    storage = opened("json")
    storage.stage(value).commit()
    assert storage.read() == value


def test_the_file_is_made_for_people(opened: Opened, path: Path) -> None:
    opened("json").stage({"ü": [1, float("nan")], "a": None}).commit()
    assert path.read_text("utf-8") == '{\n  "ü": [\n    1,\n    NaN\n  ],\n  "a": null\n}\n'


def test_encoding(opened: Opened, path: Path) -> None:
    storage = opened("json", encoding="latin-1")
    storage.stage("ü").commit()
    assert path.read_bytes() == b'"\xfc"\n'
    assert storage.read() == "ü"


def test_a_byte_order_mark_is_skipped(opened: Opened, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbf[1]")
    assert opened("json").read() == [1]


def test_encoder_and_decoder(opened: Opened) -> None:
    storage = opened(
        "json",
        encoder=FunctionRef("m.DateEncoder", DateEncoder),
        decoder=FunctionRef("m.DateDecoder", DateDecoder),
    )
    storage.stage([date(2024, 2, 29)]).commit()
    assert storage.read() == [date(2024, 2, 29)]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(
            {"when": [date(2024, 1, 1)]},
            "`result['when'][0]` is a `date`, which does not go into JSON: "
            "Object of type date is not JSON serializable",
            id="date",
        ),
        pytest.param(
            {"n": np.int64(1)},
            "`result['n']` is a `int64`, which does not go into JSON: "
            "Object of type int64 is not JSON serializable",
            id="numpy",
        ),
        pytest.param(
            [{(1, 2): 3}],
            "`result[0]` is a `dict`, which does not go into JSON: "
            "keys must be str, int, float, bool or None, not tuple",
            id="key",
        ),
        pytest.param(
            ["\ud800"],
            "`result[0]` is a `str`, which does not go into JSON: UnicodeEncodeError: "
            "'utf-8' codec can't encode character '\\ud800' in position 5: surrogates not allowed",
            id="surrogate",
        ),
    ],
)
def test_what_is_no_json(opened: Opened, value: object, message: str) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written") as caught:
        opened("json").stage(value)
    assert str(caught.value) == f"data node `x` cannot be written: {message}"
    assert caught.value.code == "RUN606"
    assert caught.value.hint == (
        "`encoder` names a subclass of json.JSONEncoder that knows what to make of it"
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "line 1, column 1: Expecting value", id="empty"),
        pytest.param(b'{\n "a" 1}', "line 2, column 6: Expecting ':' delimiter", id="delimiter"),
        pytest.param(b"[1, 2", "line 1, column 6: Expecting ',' delimiter", id="truncated"),
        pytest.param(
            b'"\xff"',
            "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 1: "
            "invalid start byte",
            id="encoding",
        ),
    ],
)
def test_a_damaged_file(opened: Opened, path: Path, data: bytes, why: str) -> None:
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(JobError, match=r"^data node `x`") as caught:
        opened("json").read()
    assert str(caught.value) == f"data node `x`: {path} cannot be read: {why}"


def test_a_decoder_that_fails(opened: Opened, path: Path) -> None:
    storage = opened("json", decoder=FunctionRef("m.DateDecoder", DateDecoder))
    storage.stage({"when": 1}).commit()
    with pytest.raises(JobError, match=r"^data node `x`: .* cannot be read: KeyError: 'date'$"):
        storage.read()


def test_a_missing_file(opened: Opened, path: Path) -> None:
    with pytest.raises(JobError, match=r"^data node `x` has no value yet") as caught:
        opened("json").read()
    assert str(caught.value) == f"data node `x` has no value yet: no file {path}"
