from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from runner.config.model import DataNodeConfig
from runner.config.options import S3Options
from runner.data.storage import Mark, Staged
from runner.errors import JobError
from runner.execution.holdings import holdings_of
from runner.execution.instance import Instance
from runner.store.places import Place
from runner.store.store import NodeRow

ROW = NodeRow("s/x", "task", "7h3k", "t", 5.0, None, "etag", 8, 2, "f00d")


@attrs.frozen
class Far:
    """What is kept on a server."""

    answers: bool = True
    has_one: bool = True

    def exists(self) -> bool:
        if not self.answers:
            raise JobError("data node `x`: the server does not answer", code="RUN604")
        return self.has_one

    def mark(self, known: Mark | None = None) -> Mark | None:
        raise AssertionError(f"whoever lists data nodes marks none, not even {known}")

    def read(self) -> Any:
        raise AssertionError("whoever lists data nodes reads none")

    def stage(self, value: Any) -> Staged:
        raise AssertionError(f"whoever lists data nodes writes none, not even {value}")

    def delete(self) -> None:
        raise AssertionError("whoever lists data nodes removes none")


def instance(**storages: Any) -> Instance:
    places = {name: Place(f"s/{name}", None, is_users=False) for name in ("x", "y")}
    return opened(places, **storages)


def opened(places: Mapping[str, Place], **storages: Any) -> Instance:
    return Instance(
        name="s",
        created=datetime(2026, 11, 24, tzinfo=UTC),
        cycle=None,
        places=places,
        files={},
        storages=storages,
    )


NODES = [DataNodeConfig(id=each, storage_type="s3_object", options=S3Options()) for each in "xy"]


def test_what_is_out_of_reach_hides_no_other() -> None:
    x, y = holdings_of(NODES, instance(x=Far(answers=False), y=Far()), {})

    assert (x.exists, str(x.problem)) == (None, "data node `x`: the server does not answer")
    assert (y.exists, y.problem, y.origin, y.written) == (True, None, None, None)


def test_of_what_is_no_file_the_record_counts() -> None:
    (x,) = holdings_of(NODES[:1], instance(x=Far()), {"s/x": ROW})

    assert (x.exists, x.origin, x.run, x.task) == (True, "task", "7h3k", "t")
    assert (x.written, x.size, x.rows, x.fingerprint) == (5.0, 8, 2, "f00d")


def test_where_nothing_is_the_record_does_not_count() -> None:
    (x,) = holdings_of(NODES[:1], instance(x=Far(has_one=False)), {"s/x": ROW})

    assert (x.exists, x.origin, x.size) == (False, None, None)


def test_a_storage_that_this_version_does_not_have() -> None:
    (x,) = holdings_of(NODES[:1], instance(), {})

    assert x.exists is None
    assert str(x.problem) == "storage type `s3_object` does not run in this version"


@pytest.mark.parametrize("stamp", [None, "1:2:3"], ids=["none", "another"])
def test_a_file_of_another_stamp_was_written_by_somebody_else(
    tmp_path: Path, stamp: str | None
) -> None:
    path = tmp_path / "x.p"
    path.write_bytes(b"12345")
    node = DataNodeConfig(id="x")
    place = Place("s/x", path, is_users=True)

    (x,) = holdings_of([node], opened({"x": place}, x=Far()), {"s/x": ROW._replace(stamp=stamp)})

    assert (x.origin, x.run, x.size, x.fingerprint) == ("outside", None, 5, None)
    assert x.written == path.stat().st_mtime


def test_a_file_that_has_just_gone(tmp_path: Path) -> None:
    place = Place("s/x", tmp_path / "x.p", is_users=True)

    (x,) = holdings_of([DataNodeConfig(id="x")], opened({"x": place}, x=Far()), {})

    assert (x.exists, x.origin) == (False, None)


def test_of_a_folder_the_record_counts(tmp_path: Path) -> None:
    place = Place("s/x", tmp_path, is_users=True)

    (x,) = holdings_of([DataNodeConfig(id="x")], opened({"x": place}, x=Far()), {"s/x": ROW})

    assert (x.origin, x.size, x.rows) == ("task", 8, 2)
