"""What is kept in files comes through a run, in this process and in workers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import runner
from runner import JobStatus
from runner.store.store import Store

MODES = [
    "development",
    pytest.param(
        "standalone",
        marks=pytest.mark.skipif(sys.platform != "linux", reason="it rests on subreapers"),
    ),
]
SHOP = """
import datetime as dt
import json

import pandas as pd


class Encoder(json.JSONEncoder):
    def default(self, o):
        return {"day": o.isoformat()}


class Decoder(json.JSONDecoder):
    def __init__(self, **options):
        super().__init__(**options, object_hook=lambda read: dt.date.fromisoformat(read["day"]))


class Sale:
    def __init__(self, shop, amount):
        self.shop, self.amount = shop, amount


def begin():
    return {"North": [{"amount": 1}, {"amount": 2}], "South": [{"amount": 4}]}


def gather(books):
    frames = [frame.assign(shop=shop) for shop, frame in books.items()]
    return pd.concat(frames), [dt.date(2024, 2, 29)]


def total(sales, days):
    assert days == [dt.date(2024, 2, 29)], days
    sums = {}
    for sale in sales:
        sums[sale.shop] = sums.get(sale.shop, 0) + sale.amount
    return [{"shop": shop, "total": total} for shop, total in sums.items()]
"""
PIPELINE = """
[JOB]
mode = "{mode}"

[DATA_NODE.books]
storage_type = "excel"

[DATA_NODE.sales]
storage_type = "parquet"
path = "sales"
write_kwargs = {{ partition_cols = ["shop"], index = false }}
exposed_type = "shop.Sale:class"

[DATA_NODE.days]
storage_type = "json"
encoder = "shop.Encoder:class"
decoder = "shop.Decoder:class"

[DATA_NODE.totals]
storage_type = "csv"
exposed_type = "records"

[TASK.default]
skippable = true

[TASK.begin]
function = "shop.begin"
outputs = ["books"]

[TASK.gather]
function = "shop.gather"
inputs = ["books"]
outputs = ["sales", "days"]

[TASK.total]
function = "shop.total"
inputs = ["sales", "days"]
outputs = ["totals"]

[SCENARIO.all]
tasks = ["begin", "gather", "total"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Callable[[str], runner.Config]]:
    def write(mode: str) -> runner.Config:
        (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
        os.utime(tmp_path / "shop.py", (1, 1))  # nothing is skipped by a process older than code
        (tmp_path / "runner.toml").write_text(PIPELINE.format(mode=mode), encoding="utf-8")
        return runner.Config.load(tmp_path / "runner.toml")

    yield write
    sys.modules.pop("shop", None)


def statuses(config: runner.Config) -> list[JobStatus]:
    with runner.Core(config) as core:
        submission = core.create_scenario("all").submit(wait=True)
        return [job.status for job in submission.jobs]


@pytest.mark.parametrize("mode", MODES)
def test_tables_and_classes(
    config: Callable[[str], runner.Config], tmp_path: Path, mode: str
) -> None:
    read = config(mode)
    assert statuses(read) == [JobStatus.COMPLETED] * 3
    with runner.Core(read) as core:
        nodes = core.create_scenario("all").data_nodes
        assert nodes["totals"].read() == [
            {"shop": "North", "total": 3},
            {"shop": "South", "total": 4},
        ]
    assert sorted(each.name for each in (tmp_path / "sales").iterdir()) == [
        "shop=North",
        "shop=South",
    ]
    with Store.open(tmp_path / ".runner") as store:
        rows = {key.rpartition("/")[2]: row.rows for key, row in store.data_nodes().items()}
    assert rows == {"books": 3, "sales": 3, "days": None, "totals": 2}


@pytest.mark.parametrize("mode", MODES)
def test_a_folder_that_has_not_changed_is_skipped(
    config: Callable[[str], runner.Config], tmp_path: Path, mode: str
) -> None:
    read = config(mode)
    statuses(read)
    assert statuses(read) == [JobStatus.SKIPPED] * 3

    (part,) = (tmp_path / "sales" / "shop=South").iterdir()
    part.unlink()

    assert statuses(read) == [JobStatus.SKIPPED, JobStatus.COMPLETED, JobStatus.SKIPPED]
    assert part.exists()


DEFAULT = """
[DATA_NODE.table]
storage_type = "parquet"
path = "table"
write_kwargs = {{ partition_cols = ["a"] }}
exposed_type = "records"
default_data = [{{ a = {value}, b = 1 }}]

[DATA_NODE.copy]

[TASK.read]
function = "builtins.list"
inputs = ["table"]
outputs = ["copy"]

[SCENARIO.all]
tasks = ["read"]
"""


def test_a_folder_of_default_data_follows_the_config(tmp_path: Path) -> None:
    path = tmp_path / "runner.toml"
    found = []
    for value in (1, 2):
        path.write_text(DEFAULT.format(value=value), encoding="utf-8")
        config = runner.Config.load(path)
        statuses(config)
        with runner.Core(config) as core:
            found.append(core.create_scenario("all").data_nodes["copy"].read())
    assert found == [[{"b": 1, "a": 1}], [{"b": 1, "a": 2}]]
