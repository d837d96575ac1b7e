"""Who shares a data node: scopes, cycles and their borders, and until when a value is valid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

import runner
from runner.core import forecast
from runner.plan.compiler import compile_plan
from runner.store.store import Store

PIPELINE: Final = """\
[DATA_NODE.number]
default_data = -21
scope = "GLOBAL"
[DATA_NODE.period]
scope = "CYCLE"
[DATA_NODE.own]
[TASK.fill]
function = "builtins.abs"
inputs = ["number"]
outputs = ["period"]
skippable = true
[TASK.look]
function = "operator.neg"
inputs = ["period"]
outputs = ["own"]
[SCENARIO.default]
frequency = "MONTHLY"
[SCENARIO.filling]
tasks = ["fill"]
[SCENARIO.looking]
tasks = ["look"]
[SCENARIO.weekly]
tasks = ["look"]
frequency = "WEEKLY"
"""
MODE = pytest.mark.parametrize("mode", ["development", "standalone"])

Load = Callable[..., runner.Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(*overrides: str, text: str = PIPELINE) -> runner.Config:
        path = tmp_path / "runner.toml"
        path.write_text(text, encoding="utf-8")
        return runner.Config.load(path, overrides=overrides)

    return load_text


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


BORDERS = pytest.mark.parametrize(
    ("frequency", "last", "first", "ended", "begun"),
    [
        pytest.param(
            "DAILY", "2026-12-31T23:59:59", "2027-01-01", "2026-12-31", "2027-01-01", id="day"
        ),
        pytest.param(
            "WEEKLY", "2021-01-03T23:59:59", "2021-01-04", "2020-W53", "2021-W01", id="week-53"
        ),
        pytest.param(
            "WEEKLY", "2024-12-29T23:59:59", "2024-12-30", "2024-W52", "2025-W01", id="week-1"
        ),
        pytest.param(
            "MONTHLY", "2024-02-29T23:59:59", "2024-03-01", "2024-02", "2024-03", id="leap-month"
        ),
        pytest.param(
            "QUARTERLY", "2026-06-30T23:59:59", "2026-07-01", "2026-Q2", "2026-Q3", id="quarter"
        ),
        pytest.param(
            "QUARTERLY",
            "2026-12-31T23:59:59",
            "2027-01-01",
            "2026-Q4",
            "2027-Q1",
            id="last-quarter",
        ),
        pytest.param("YEARLY", "2020-12-31T23:59:59", "2021-01-01", "2020", "2021", id="year"),
    ],
)


@BORDERS
def test_a_cycle_ends_where_the_next_one_begins(
    load: Load, frequency: str, last: str, first: str, ended: str, begun: str
) -> None:
    with runner.Core(load(f"SCENARIO.default.frequency={frequency}")) as core:
        old = core.create_scenario("filling", "old", creation_date=at(last))
        same = core.create_scenario("looking", "same", creation_date=at(last))
        new = core.create_scenario("looking", "new", creation_date=at(first))
        old.submit(wait=True)

        assert (old.cycle, new.cycle) == (f"{frequency}_{ended}", f"{frequency}_{begun}")
        assert same.data_nodes["period"].read() == 21
        assert not new.data_nodes["period"].is_written


@BORDERS
def test_the_clock_says_the_cycle_of_a_new_scenario(
    load: Load, frequency: str, last: str, first: str, ended: str, begun: str
) -> None:
    config = load(f"SCENARIO.default.frequency={frequency}")
    for name, now, cycle in (("old", last, ended), ("new", first, begun), ("old", first, ended)):
        with runner.Core(config, clock=at(now).timestamp) as core:
            assert core.create_scenario("filling", name).cycle == f"{frequency}_{cycle}"


@MODE
def test_two_scenario_configs_share_the_data_node_of_their_cycle(load: Load, mode: str) -> None:
    with runner.Core(load(f"JOB.mode={mode}")) as core:
        core.create_scenario("filling", "a", creation_date=at("2026-05-01")).submit(wait=True)
        may = core.create_scenario("looking", "b", creation_date=at("2026-05-31"))
        june = core.create_scenario("looking", "c", creation_date=at("2026-06-01"))
        week = core.create_scenario("weekly", "d", creation_date=at("2026-05-01"))

        may.submit(wait=True)
        assert may.data_nodes["own"].read() == -21
        for other in (june, week):
            with pytest.raises(runner.ConfigError, match=r"`period` has no value"):
                other.submit(wait=True)


def test_a_cycle_data_node_of_a_scenario_without_frequency_is_global(load: Load) -> None:
    config = load(text=PIPELINE.replace('frequency = "MONTHLY"', "tags = []"))

    assert [each.message for each in runner.check(config) if each.code == "RUN116"] == [
        "`period` has scope CYCLE, scenario `filling` no frequency"
    ]
    with runner.Core(config) as core:
        old = core.create_scenario("filling", "a", creation_date=at("2020-01-01"))
        old.submit(wait=True)
        new = core.create_scenario("looking", "b", creation_date=at("2026-01-01"))

        assert old.cycle is None
        assert new.data_nodes["period"].read() == 21
        assert new.data_nodes["period"].key == "global/period"


def test_another_frequency_leads_to_another_cycle(load: Load) -> None:
    with runner.Core(load()) as core:
        scenario = core.create_scenario("filling", creation_date=at("2026-05-31"))
        scenario.submit(wait=True)
    with runner.Core(load("SCENARIO.default.frequency=YEARLY")) as core:
        again = core.create_scenario("filling")

        assert (scenario.cycle, again.cycle) == ("MONTHLY_2026-05", "YEARLY_2026")
        assert not again.data_nodes["period"].is_written
        submission = again.submit(wait=True)
        assert [str(job.reason) for job in submission.jobs] == ["output missing: period"]
    with runner.Core(load()) as core:
        assert core.create_scenario("filling").data_nodes["period"].is_written


@pytest.mark.parametrize(
    ("created", "again"),
    [
        pytest.param("2026-05-31T23:30", "2026-05-31T23:30", id="local"),
        pytest.param("2026-05-31T23:30+02:00", "2026-05-31T23:30+02:00", id="offset"),
        pytest.param("2026-05-31T23:30+02:00", "2026-05-31T21:30+00:00", id="the-same-moment"),
        pytest.param("2026-05-31T23:30+02:00", "2026-05-31T23:30", id="as-its-own-clock-said"),
    ],
)
def test_the_same_creation_date_finds_the_scenario(load: Load, created: str, again: str) -> None:
    with runner.Core(load()) as core:
        core.create_scenario("filling", creation_date=at(created))
        scenario = core.create_scenario("filling", creation_date=at(again))

    assert scenario.cycle == "MONTHLY_2026-05"


def test_another_creation_date_is_refused(load: Load) -> None:
    config = load()
    with runner.Core(config) as core:
        core.create_scenario("filling", "a", creation_date=at("2026-05-31T12:00+02:00"))
        with pytest.raises(runner.UsageError) as caught:
            core.create_scenario("filling", "a", creation_date=at("2026-06-01"))

        assert str(caught.value) == (
            "scenario `a` was created 2026-05-31 12:00+02:00, not 2026-06-01 00:00"
        )
        assert caught.value.hint == (
            "it stays in its cycle: choose another name, or leave the creation date out"
        )
        assert core.create_scenario("filling", "a").cycle == "MONTHLY_2026-05"


@pytest.mark.parametrize(
    ("offset", "cycle"),
    [
        pytest.param(14, "DAILY_2027-01-01", id="ahead"),
        pytest.param(0, "DAILY_2026-12-31", id="utc"),
        pytest.param(-8, "DAILY_2026-12-31", id="behind"),
    ],
)
def test_the_day_counts_that_the_creation_date_names(load: Load, offset: int, cycle: str) -> None:
    moment = datetime(2026, 12, 31, 12, tzinfo=UTC).astimezone(timezone(timedelta(hours=offset)))
    config = load("SCENARIO.default.frequency=DAILY")
    with runner.Core(config) as core:
        first = core.create_scenario("filling", creation_date=moment)
    with runner.Core(config) as core:
        again = core.create_scenario("filling")

    assert (first.cycle, again.cycle) == (cycle, cycle)


@pytest.mark.parametrize("scope", ["SCENARIO", "CYCLE", "GLOBAL"])
def test_a_value_is_valid_up_to_the_last_moment(load: Load, tmp_path: Path, scope: str) -> None:
    config = load(f"DATA_NODE.period.scope={scope}", "DATA_NODE.period.validity_period=1h")
    with runner.Core(config) as core:
        scenario = core.create_scenario("filling", "a", creation_date=at("2026-05-31"))
        scenario.submit(wait=True)
        key = scenario.data_nodes["period"].key
    with Store.open(tmp_path / ".runner") as store:
        written = store.data_nodes()[key].written
    last = written + 3600

    for now, status in ((last, "SKIPPED"), (last + 0.001, "COMPLETED")):
        with runner.Core(config, clock=lambda now=now: now) as core:  # type: ignore[misc]  # a default keeps the value
            submission = core.create_scenario("filling", "a").submit(wait=True)
        assert [job.status for job in submission.jobs] == [status]


def test_a_plan_tells_what_is_valid_when(load: Load, tmp_path: Path) -> None:
    config = load("DATA_NODE.period.validity_period=1h")
    plan = compile_plan(config, "filling")
    with runner.Core(config) as core:
        core.create_scenario("filling", creation_date=at("2026-05-31")).submit(wait=True)
    with Store.open(tmp_path / ".runner") as store:
        written = store.data_nodes()["cycles/MONTHLY_2026-05/period"].written

    valid = forecast(config, plan, clock=lambda: written + 3600)
    over = forecast(config, plan, clock=lambda: written + 3601)

    assert [each.skip for each in (*valid.verdicts, *over.verdicts)] == [True, False]
    assert over.verdicts[0].reason == "validity period over since"
    assert over.cycle == "MONTHLY_2026-05"


def test_who_writes_a_shared_data_node_makes_it_valid_for_all(load: Load, tmp_path: Path) -> None:
    config = load("DATA_NODE.period.validity_period=1h")
    written = []
    with runner.Core(config) as core:
        for name in ("a", "b"):
            scenario = core.create_scenario("filling", name, creation_date=at("2026-05-31"))
            scenario.submit(wait=True)
            with Store.open(tmp_path / ".runner") as store:
                written.append(store.data_nodes()["cycles/MONTHLY_2026-05/period"].written)
    first, second = written
    assert first < second
    now = second + 3600  # when what `a` wrote itself is older than an hour

    with runner.Core(config, clock=lambda: now) as core:
        submission = core.create_scenario("filling", "a").submit(wait=True)

    assert [job.status for job in submission.jobs] == ["SKIPPED"]


# --- The command line


def call(
    folder: Path, *arguments: str, zone: str | None = None
) -> subprocess.CompletedProcess[str]:
    package = Path(runner.__file__).parent.parent
    environ = {**os.environ, "PYTHONPATH": str(package), "PYTHONWARNINGS": "error"}
    if zone is not None:
        environ["TZ"] = zone
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def project(load: Load, tmp_path: Path) -> Path:
    load()
    return tmp_path


def cycles(project: Path) -> list[str]:
    return sorted(path.name for path in (project / ".runner/data/cycles").iterdir())


@MODE
def test_scenarios_of_one_cycle_on_the_command_line(project: Path, mode: str) -> None:
    fill = ("execute", "-q", "-s", "filling", "--mode", mode)
    look = ("execute", "-q", "-s", "looking", "--mode", mode)
    filled = call(project, *fill, "--name", "a", "--creation-date", "2026-05-01")
    may = call(project, *look, "--name", "b", "--creation-date", "2026-05-31T23:59:59")
    june = call(project, *look, "--name", "c", "--creation-date", "2026-06-01")
    again = call(project, *look, "--name", "b")

    assert (filled.returncode, may.returncode, again.returncode) == (0, 0, 0), may.stderr
    assert june.returncode == 3
    assert "`period` has no value" in june.stderr
    assert cycles(project) == ["MONTHLY_2026-05"]


def test_a_plan_says_the_cycle_and_is_saved_with_the_date(project: Path) -> None:
    planned = call(
        project, "plan", "-s", "filling", "--name", "a",
        "--creation-date", "2024-12-30", "--out", "plan.json",
    )  # fmt: skip
    executed = call(project, "execute", "-q", "--plan", "plan.json")

    assert planned.stdout.splitlines()[0] == (
        "Plan for a of filling in MONTHLY_2024-12: development"
    )
    assert executed.returncode == 0, executed.stderr
    assert cycles(project) == ["MONTHLY_2024-12"]


@pytest.mark.parametrize("command", ["plan", "execute"])
def test_a_scenario_keeps_its_date(project: Path, command: str) -> None:
    call(project, "execute", "-q", "-s", "filling", "--creation-date", "2026-05-31T12:00+02:00")

    told = call(project, command, "-q", "-s", "filling", "--creation-date", "2026-06-01")

    assert told.returncode == 2
    assert told.stderr == (
        "error: scenario `filling` was created 2026-05-31 12:00+02:00, not 2026-06-01 00:00\n"
        "  = help: it stays in its cycle: choose another name, or leave the creation date out\n"
    )


@pytest.mark.parametrize("date", ["tomorrow", "2026-02-30", "0001-01-01", "9999-12-31T23:59"])
def test_what_is_no_date(project: Path, date: str) -> None:
    told = call(project, "plan", "-s", "filling", "--creation-date", date, zone="Etc/GMT+12")

    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == (
        f"error: --creation-date takes no `{date}`\n"
        "  = help: write it like 2026-11-22 or 2026-11-22T10:30\n"
    )


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles", "UTC"])
def test_now_is_the_users_own_day(project: Path, zone: str) -> None:
    planned = ("plan", "-s", "filling", "--set", "SCENARIO.default.frequency=DAILY")
    before = datetime.now(ZoneInfo(zone)).date()
    told = call(project, *planned, zone=zone)
    after = datetime.now(ZoneInfo(zone)).date()

    assert told.stdout.splitlines()[0] in {
        f"Plan for filling in DAILY_{day}: development" for day in (before, after)
    }


@pytest.mark.parametrize(
    ("zone", "date", "day"),
    [
        pytest.param("Europe/Berlin", "2026-03-29T02:30", "2026-03-29", id="no-such-hour"),
        pytest.param("Africa/Cairo", "2026-04-24", "2026-04-24", id="no-such-midnight"),
        pytest.param("Europe/Berlin", "2026-10-25T02:30", "2026-10-25", id="an-hour-twice"),
        pytest.param("Europe/Berlin", "2026-03-28T23:59:59", "2026-03-28", id="short-day-begins"),
        pytest.param("Europe/Berlin", "2026-10-26T00:00", "2026-10-26", id="long-day-ends"),
    ],
)
def test_days_on_which_the_clock_is_changed(project: Path, zone: str, date: str, day: str) -> None:
    daily = ("-s", "filling", "--set", "SCENARIO.default.frequency=DAILY")
    ran = call(project, "execute", "-q", *daily, "--creation-date", date, zone=zone)
    again = call(project, "execute", "-q", *daily, "--creation-date", date, zone=zone)
    elsewhere = call(project, "plan", *daily, "--format", "json", zone="Pacific/Kiritimati")

    assert (ran.returncode, again.returncode) == (0, 0), ran.stderr
    assert cycles(project) == [f"DAILY_{day}"]
    (plan,) = json.loads(elsewhere.stdout)["plans"]
    assert [verdict["skip"] for verdict in plan["verdicts"]] == [True]
