from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import SetupError, UsageError
from runner.store.database import FILE_NAME, VERSION, _use_wal
from runner.store.processes import this_process
from runner.store.store import (
    RESET,
    About,
    JobRow,
    Locking,
    LockRow,
    NodeRow,
    NoRunError,
    RunRow,
    Store,
    TraceRow,
    VersionRow,
)

NOW = datetime(2026, 5, 1, 12, 30, 1, 5, tzinfo=timezone(timedelta(hours=2)))
WHY: Final = ("never run", "ValueError", "Traceback: bad")
HINT = "look at its permissions and the free space, or set [CORE] storage_folder to another"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "app" / ".runner"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.open(folder) as opened:
        opened.scenario("s", "s", NOW)
        yield opened


def rows(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return connection.execute(query).fetchall()


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def alive(_: object) -> bool:
    return False


def gone(_: object) -> bool:
    return True


def together(count: int, work: Callable[[int], object]) -> list[BaseException]:
    """Do the work in so many threads at once; what they raised."""
    barrier = threading.Barrier(count)
    raised: list[BaseException] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - told to the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def refused(folder: Path, **options: Any) -> SetupError:
    with pytest.raises(SetupError, match=r"runner") as caught:
        Store.open(folder, **options)
    return caught.value


def test_the_folder_is_the_owners_alone(folder: Path, store: Store) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_of_the_users_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)

    Store.open(tmp_path).close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


def test_what_was_recorded_is_there_when_it_is_opened_again(folder: Path, store: Store) -> None:
    run = store.begin_run("s", "development", 5.0)
    store.record(
        [
            JobRow(run, "t", "FAILED", 2, 6.0, 0.5, "RUN601 bad", 2, "s-1.log", 10, 20, *WHY),
            JobRow(run, "u", "ABANDONED", 0, *[None] * 3),
        ],
        [NodeRow("global/a", "task", run, "t", 6.5, None, "1:2:3", 2, 1, "f00d")],
    )
    store.record_written([NodeRow("global/b", "default", None, None, 1.0, "abc", "1:2:3")])
    store.end_run(run, "FAILED", 1.5)
    store.close()

    with Store.open(folder) as again:
        assert again.data_nodes() == {
            "global/a": NodeRow("global/a", "task", run, "t", 6.5, None, "1:2:3", 2, 1, "f00d"),
            "global/b": NodeRow("global/b", "default", None, None, 1.0, "abc", "1:2:3"),
        }
        assert again.run(run)[:6] == (run, "s", "development", "FAILED", 5.0, 1.5)
        assert again.jobs(run) == [
            JobRow(run, "t", "FAILED", 2, 6.0, 0.5, "RUN601 bad", 2, "s-1.log", 10, 20, *WHY),
            JobRow(run, "u", "ABANDONED", 0, *[None] * 3),
        ]


def test_a_run_that_has_not_ended_is_running(store: Store) -> None:
    run = store.run(store.begin_run("s", "development", 5.0))

    assert (run.status, run.seconds, run.is_running) == ("RUNNING", None, True)


def test_a_run_that_has_ended_is_not(store: Store) -> None:
    run = store.begin_run("s", "development", 5.0)

    store.end_run(run, "CANCELED", 1.0)

    assert not store.run(run).is_running


def test_a_run_knows_its_process(store: Store) -> None:
    run = store.run(store.begin_run("s", "standalone", 5.0, session="here-1"))

    assert run.session == "here-1"
    assert run.process == this_process()
    assert run.process.is_alive()


def test_a_run_of_an_old_version_knows_none() -> None:
    assert RunRow("2abc", "s", "development", "RUNNING", 5.0, None).process is None


def test_the_latest_run_is_the_one_begun_last(store: Store) -> None:
    ids = [store.begin_run("s", "development", started) for started in (9.0, 5.0, 7.0)]

    assert store.run() == store.run(ids[2])
    assert [run.id for run in store.runs()] == ids[::-1]
    assert [run.id for run in store.runs(2)] == [ids[2], ids[1]]


def test_before_the_first_run(store: Store) -> None:
    assert store.runs() == []
    for asked in (None, "2abc"):
        with pytest.raises(UsageError, match="run") as caught:
            store.run(asked)
        assert caught.value.hint == "runner execute begins one"


def test_there_is_no_run_yet(store: Store) -> None:
    with pytest.raises(NoRunError, match=r"^there is no run yet$"):
        store.run()


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        pytest.param("8k2q", "did you mean `8k2p`?", id="misspelt"),
        pytest.param("zzzz", "the latest are 8k2p, 6k2p, 4k2p", id="no-other"),
        pytest.param("", "the latest are 8k2p, 6k2p, 4k2p", id="empty"),
    ],
)
def test_an_unknown_run(folder: Path, store: Store, asked: str, hint: str) -> None:
    for number in range(2, 9, 2):
        run = store.begin_run("s", "development", 5.0)
        change(folder, f"UPDATE runs SET id = '{number}k2p' WHERE id = '{run}'")

    with pytest.raises(UsageError, match="unknown") as caught:
        store.run(asked)

    assert (str(caught.value), caught.value.hint) == (f"unknown run `{asked}`", hint)


def test_jobs_are_those_of_one_run_in_order(store: Store) -> None:
    runs = [store.begin_run("s", "standalone", 5.0) for _ in range(2)]
    jobs = [
        JobRow(runs[number % 2], f"t{number}", "COMPLETED", 1, 6.0, 0.5, None, 1)
        for number in range(250)
    ]
    store.record(jobs, ())

    assert store.jobs(runs[0]) == jobs[::2]
    assert store.jobs("none") == []


def test_one_job(store: Store) -> None:
    run = store.begin_run("s", "standalone", 5.0)
    job = JobRow(run, "t", "COMPLETED", 1, 6.0, 0.5, None, 1)
    store.record([job], ())

    assert store.job(run, "t") == job
    assert store.job(run, "u") is None


COLUMNS: Final = st.fixed_dictionaries(
    {
        "task": st.text(max_size=3),
        "status": st.sampled_from(["COMPLETED", "FAILED"]),
        "attempts": st.integers(0, 3),
        "started": st.none() | st.floats(0, 9),
        "seconds": st.none() | st.floats(0, 9),
        "failure": st.none() | st.text(max_size=3),
        "worker": st.none() | st.integers(1, 9),
        "log": st.none() | st.text(max_size=3),
        "log_start": st.none() | st.integers(0, 9),
        "log_end": st.none() | st.integers(0, 9),
        "reason": st.none() | st.text(max_size=3),
    }
)


@given(st.lists(COLUMNS, max_size=4), st.integers(0, 60))
def test_whatever_jobs_have_in_common_they_come_back(
    tmp_path_factory: pytest.TempPathFactory, some: list[dict[str, Any]], times: int
) -> None:
    with Store.open(tmp_path_factory.mktemp("store")) as store:
        store.scenario("s", "s", NOW)
        run = store.begin_run("s", "standalone", 5.0)
        jobs = [JobRow(run=run, **columns) for columns in some] * times

        store.record(jobs, ())

        assert store.jobs(run) == jobs


def test_how_far_logs_are_those_of_jobs(store: Store) -> None:
    runs = [store.begin_run("s", "standalone", 5.0, session=name) for name in ("a", "a", "b")]
    silent = JobRow(runs[0], "t", "COMPLETED", 1, 6.0, 0.5, None, 1)
    store.record(
        [
            silent,
            silent._replace(log="a-1.log", log_start=0, log_end=10),
            silent._replace(run=runs[1], log="a-1.log", log_start=10, log_end=30),
            silent._replace(log="a-2.log", log_start=5, log_end=7),
            silent._replace(run=runs[2], log="b-1.log", log_start=0, log_end=50),
        ],
        (),
    )

    assert store.logged("a") == {"a-1.log": 30, "a-2.log": 7}


def test_the_last_writer_counts(store: Store) -> None:
    store.record_written([NodeRow("a", "default", None, None, 1.0, "abc")])
    store.record_written([NodeRow("a", "user", None, None, 2.0)])

    assert store.data_nodes() == {"a": NodeRow("a", "user", None, None, 2.0)}


def test_all_that_a_data_node_has_held_is_known(store: Store) -> None:
    run = store.begin_run("s", "development", 5.0)
    store.record_written([NodeRow("a", "default", None, None, 2.0, "abc", "1:2:3", 2)])
    store.record((), [NodeRow("a", "task", run, "t", 1.0, None, "1:2:3", 5, 3, "f00d")])
    store.record_written([NodeRow("b", "user", None, None, 2.0)])

    assert store.versions("a") == [
        VersionRow("a", run, "t", "task", 1.0, 5, 3, "f00d"),
        VersionRow("a", None, None, "default", 2.0, 2),
    ]
    assert store.versions("c") == []


def test_the_latest_that_a_data_node_has_held(store: Store) -> None:
    store.record_written(NodeRow("a", "user", None, None, float(each)) for each in range(3))

    assert [each.written for each in store.versions("a", 2)] == [2.0, 1.0]


def test_one_data_node(store: Store) -> None:
    row = NodeRow("a", "user", None, None, 1.0)
    store.record_written([row])

    assert store.data_node("a") == row
    assert store.data_node("b") is None


def test_what_was_removed_stays_in_the_history(store: Store) -> None:
    store.record_written(
        [NodeRow("a", "user", None, None, 1.0), NodeRow("b", "user", None, None, 1.0)]
    )

    store.forget("a", 2.0)

    assert list(store.data_nodes()) == ["b"]
    assert store.versions("a") == [
        VersionRow("a", None, None, RESET, 2.0),
        VersionRow("a", None, None, "user", 1.0),
    ]


def test_a_run_knows_what_it_was_begun_with(store: Store) -> None:
    about = About(
        config='{"jobs": []}',
        digest="abcd",
        environment='{"python": "3.11.2"}',
        command="runner execute",
        commit_id="12ab-dirty",
    )

    with_all = store.begin_run("s", "development", 5.0, about=about)
    with_none = store.begin_run("s", "development", 5.0)

    assert store.about(with_all) == about
    assert store.about(with_none) == About()
    assert store.about("none") == About()


def test_a_config_that_runs_have_in_common_is_kept_once(folder: Path, store: Store) -> None:
    for number in (1, 1, 2):
        store.begin_run(
            "s", "development", 5.0, about=About(config=f"[{number}]", digest=f"{number}")
        )

    assert sorted(rows(folder, "SELECT document FROM configs")) == [("[1]",), ("[2]",)]


def test_the_last_trace_counts(store: Store) -> None:
    old = TraceRow("may", "t", "2abc", 1.0, "c0de", "5e75", '{"a": "1"}', '{"b": ["2", "1:2:3"]}')
    new = TraceRow("may", "t", "3abc", 2.0)
    other = old._replace(task="u")

    store.record((), (), [old, other, old._replace(owner="june")])
    store.record((), (), [new])

    assert store.traces("may") == {"t": new, "u": other}
    assert store.traces("april") == {}


def test_parts_of_code_and_settings_are_kept_by_digest(store: Store) -> None:
    store.keep_codes({"a": "[1]", "b": "[2]"})
    store.keep_codes({"a": "[3]"})
    store.keep_codes({})
    store.keep_settings({"a": "{}"})

    assert [store.code(each) for each in "abc"] == ["[1]", "[2]", None]
    assert [store.settings(each) for each in "ab"] == ["{}", None]


def test_how_many_jobs_ended_how(folder: Path, store: Store) -> None:
    runs = [store.begin_run("s", "development", 5.0) for _ in range(3)]
    for run, statuses in zip(runs, ("CCF", "C", ""), strict=True):
        store.record([JobRow(run, "t", each, 1, 1.0, 1.0, None) for each in statuses], ())
    store.end_run(runs[0], "FAILED", 1.0)
    expected = {runs[0]: {"C": 2, "F": 1}, runs[1]: {"C": 1}, runs[2]: {}}

    assert store.counts(store.runs()) == expected
    change(folder, "UPDATE runs SET counts = '{'")
    assert store.counts(store.runs()) == expected


def test_runs_of_a_status(store: Store) -> None:
    runs = [store.begin_run("s", "development", 5.0) for _ in range(4)]
    for run in runs[:3]:
        store.end_run(run, "FAILED", 1.0)

    assert [run.id for run in store.runs(status="FAILED")] == runs[2::-1]
    assert [run.id for run in store.runs(1, status="FAILED")] == [runs[2]]
    assert [run.id for run in store.runs(status="RUNNING")] == [runs[3]]


def test_locks_are_given_all_or_none(store: Store) -> None:
    one, other = (store.begin_run("s", "development", 5.0) for _ in range(2))
    me = this_process()

    assert store.lock(["a", "b", "a"], one, 7.0, alive) == Locking()
    refused = store.lock(["c", "b"], other, 8.0, alive)

    assert refused == Locking(held=(LockRow("b", one, me.pid, me.host, me.start, 7.0),))
    assert refused.held[0].process == me
    assert store.lock(["c"], one, 9.0, alive) == Locking()


def test_a_run_may_lock_what_it_has_locked(store: Store) -> None:
    run = store.begin_run("s", "development", 5.0)

    assert [store.lock(["a"], run, 7.0, alive) for _ in range(2)] == [Locking(), Locking()]


def test_the_locks_of_a_run_that_is_gone_are_taken_over(folder: Path, store: Store) -> None:
    gone, other = (store.begin_run("s", "development", 5.0) for _ in range(2))
    store.lock(["a", "b"], gone, 7.0, alive)
    asked: list[str] = []

    def is_gone(lock: LockRow) -> bool:
        asked.append(lock.run)
        return True

    locking = store.lock(["b", "c", "a"], other, 8.0, is_gone)

    assert [(lock.key, lock.run) for lock in locking.taken_over] == [("b", gone), ("a", gone)]
    assert asked == [gone]
    assert rows(folder, "SELECT key, run FROM locks") == [(key, other) for key in "abc"]


def test_one_that_lives_is_enough_to_refuse(folder: Path, store: Store) -> None:
    lives, gone, other = (store.begin_run("s", "development", 5.0) for _ in range(3))
    store.lock(["a"], gone, 7.0, alive)
    store.lock(["b"], lives, 7.0, alive)

    locking = store.lock(["a", "b"], other, 8.0, lambda lock: lock.run == gone)

    assert [lock.run for lock in locking.held] == [lives]
    assert rows(folder, "SELECT key, run FROM locks") == [("a", gone), ("b", lives)]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda store, run: store.unlock(run), id="unlock"),
        pytest.param(lambda store, run: store.end_run(run, "COMPLETED", 1.0), id="end"),
        pytest.param(lambda store, run: store.remove_runs([run]), id="remove"),
    ],
)
def test_locks_end_with_their_run(
    folder: Path, store: Store, end: Callable[[Store, str], object]
) -> None:
    one, other = (store.begin_run("s", "development", 5.0) for _ in range(2))
    store.lock(["a"], one, 7.0, alive)
    store.lock(["b"], other, 7.0, alive)

    end(store, one)

    assert rows(folder, "SELECT key FROM locks") == [("b",)]


class Past:
    """Ten runs of one job each, of sessions that two runs each have in common."""

    def __init__(self, store: Store) -> None:
        self.runs = []
        for number in range(10):
            about = About(config=f"[{number}]", digest=f"{number}")
            session = f"session-{number // 2}"
            run = store.begin_run("s", "standalone", float(number), session=session, about=about)
            job = JobRow(run, "t", "COMPLETED", 1, 1.0, 1.0, None)
            node = NodeRow("a", "task", run, "t", float(number))
            store.record([job], [node])
            store.record_written([NodeRow("u", "user", None, None, number - 0.5)])
            store.end_run(run, "COMPLETED", 1.0)
            self.runs.append(run)


def test_old_runs_can_be_removed(store: Store) -> None:
    runs = Past(store).runs

    prunable = store.prunable(3, gone)

    assert prunable.runs == tuple(runs[6::-1])
    assert prunable.sessions == ("session-2", "session-1", "session-0")
    assert (prunable.wrote, prunable.goes_on) == ((), ())


def test_what_wrote_present_values_or_traces_stays(store: Store) -> None:
    runs = Past(store).runs
    store.record((), [NodeRow("b", "task", runs[0], "t", 6.5)], [TraceRow("s", "t", runs[2], 1.0)])

    prunable = store.prunable(3, gone)

    assert prunable.wrote == (runs[2], runs[0])
    assert prunable.runs == (runs[6], runs[5], runs[4], runs[3], runs[1])
    assert prunable.sessions == ("session-2",)


def test_a_run_that_may_go_on_stays(store: Store) -> None:
    runs = [store.begin_run("s", "standalone", 5.0) for _ in range(3)]

    prunable = store.prunable(0, lambda run: run.id == runs[1])

    assert (prunable.runs, prunable.goes_on) == ((runs[1],), (runs[2], runs[0]))


def test_nothing_is_left_of_removed_runs(folder: Path, store: Store) -> None:
    runs = Past(store).runs
    kept = runs[7:]

    assert store.remove_runs(store.prunable(3, gone).runs) == 7

    assert [run.id for run in store.runs()] == kept[::-1]
    assert rows(folder, "SELECT run FROM jobs ORDER BY rowid") == [(run,) for run in kept]
    assert [each.run for each in store.versions("a")] == kept[::-1]
    assert [each.written for each in store.versions("u")] == [8.5, 7.5]
    assert rows(folder, "SELECT document FROM configs") == [("[7]",), ("[8]",), ("[9]",)]
    assert store.data_nodes()["a"].run == runs[9]


def test_the_last_version_stays_whoever_wrote_it(store: Store) -> None:
    runs = Past(store).runs

    store.remove_runs(runs)

    assert [each.run for each in store.versions("a")] == [runs[9]]


@pytest.mark.parametrize(
    ("is_gone", "codes"),
    [
        pytest.param(lambda _: True, ["[1]", None], id="no-run-goes-on"),
        pytest.param(lambda _: False, ["[1]", "[2]"], id="one-may-be-about-to-name-them"),
    ],
)
def test_codes_that_no_trace_names_are_removed(
    store: Store, is_gone: Callable[[RunRow], bool], codes: list[str | None]
) -> None:
    store.begin_run("s", "standalone", 5.0)
    store.keep_codes({"a": "[1]", "b": "[2]"})
    store.keep_settings({"a": "[1]", "b": "[2]"})
    store.record((), (), [TraceRow("s", "t", "2abc", 1.0, "a", "a")])

    store.remove_runs((), is_gone)

    assert [store.code(each) for each in "ab"] == codes
    assert [store.settings(each) for each in "ab"] == codes


def test_the_disk_gets_back_what_many_runs_took(folder: Path, store: Store) -> None:
    run = store.begin_run("s", "standalone", 5.0)
    store.record([JobRow(run, f"t{i}", "C", 1, 1.0, 1.0, "x" * 99) for i in range(20_000)], ())
    store.end_run(run, "COMPLETED", 1.0)

    store.remove_runs([run])

    assert rows(folder, "PRAGMA page_count")[0][0] < 100
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]


def test_a_record_that_fails_records_nothing(folder: Path, store: Store) -> None:
    run = store.begin_run("s", "development", 5.0)
    with pytest.raises(SetupError, match=r"NOT NULL constraint failed: jobs\.status"):
        store.record(
            [JobRow(run, "t", None, 1, 1.0, 1.0, None)],  # type: ignore[arg-type]  # that is the point
            [NodeRow("a", "user", None, None, 2.0)],
        )

    assert store.data_nodes() == {}
    assert rows(folder, "SELECT * FROM jobs") == []


def test_a_scenario_is_made_once(store: Store) -> None:
    made = store.scenario("may", "monthly", NOW)
    found = store.scenario("may", "monthly", datetime.now(UTC))

    assert made == found
    assert (made.name, made.config, made.created) == ("may", "monthly", NOW)
    assert made.created.utcoffset() == timedelta(hours=2)


def test_the_names_of_a_config(store: Store) -> None:
    for name, config in (("may", "monthly"), ("w19", "weekly"), ("june", "monthly")):
        store.scenario(name, config, datetime.now(UTC))

    assert store.names("monthly") == ["may", "june"]
    assert store.names("daily") == []


def test_a_name_is_of_one_config(store: Store) -> None:
    store.scenario("may", "monthly", NOW)

    with pytest.raises(UsageError, match="may") as caught:
        store.scenario("may", "weekly", NOW)

    assert str(caught.value) == "`may` is the name of a scenario of `monthly`, not of `weekly`"
    assert caught.value.hint == "choose another --name"


def test_ids_of_runs_are_short_and_differ(store: Store) -> None:
    ids = [store.begin_run("s", "development", 5.0) for _ in range(500)]

    assert len(set(ids)) == 500
    assert {len(each) for each in ids} == {4}
    assert set("".join(ids)) <= set("23456789abcdefghjkmnpqrstuvwxyz")


@pytest.mark.parametrize("attempt", range(5))
def test_many_open_a_new_store_at_once(folder: Path, attempt: int) -> None:
    raised = together(6, lambda _: Store.open(folder).close())

    assert raised == []
    assert rows(folder, "PRAGMA user_version") == [(VERSION,)]


def test_who_opens_a_new_store_waits_for_who_does_too(folder: Path) -> None:
    folder.mkdir(parents=True)
    change(folder, "CREATE TABLE any (a)")
    path = folder / FILE_NAME
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as reading,
        closing(sqlite3.connect(path, isolation_level=None)) as opening,
    ):
        reading.execute("BEGIN")
        reading.execute("SELECT * FROM any").fetchall()
        # the lock that is in the way is gone as soon as SQLite is asked to wait for it
        opening.set_trace_callback(
            lambda text: reading.rollback() if text.startswith("BEGIN") else None
        )
        _use_wal(opening)

    assert rows(folder, "PRAGMA journal_mode") == [("wal",)]


def test_many_write_at_once(folder: Path, store: Store) -> None:
    def write(number: int) -> None:
        with Store.open(folder) as other:
            run = other.begin_run("s", "development", float(number))
            for index in range(10):
                node = NodeRow(f"{number}-{index}", "user", None, None, 1.0)
                other.record([JobRow(run, "t", "COMPLETED", 1, 1.0, 1.0, None)], [node])

    assert together(4, write) == []
    assert len(store.data_nodes()) == 40
    assert rows(folder, "SELECT count(*) FROM jobs") == [(40,)]


def test_threads_share_a_store(folder: Path, store: Store) -> None:
    def write(number: int) -> None:
        run = store.begin_run("s", "development", float(number))
        for index in range(20):
            node = NodeRow(f"{number}-{index}", "user", None, None, 1.0)
            store.record([JobRow(run, "t", "COMPLETED", 1, 1.0, 1.0, None)], [node])
            assert f"{number}-{index}" in store.data_nodes()
            assert len(store.jobs(run)) == index + 1
        store.end_run(run, "COMPLETED", 1.0)

    assert together(4, write) == []
    assert rows(folder, "SELECT count(*) FROM jobs") == [(80,)]
    assert {run.status for run in store.runs()} == {"COMPLETED"}


def test_a_store_can_be_closed_by_another_thread(folder: Path) -> None:
    store = Store.open(folder)

    assert together(1, lambda _: store.close()) == []
    with pytest.raises(SetupError, match="closed database"):
        store.data_nodes()


@pytest.mark.parametrize(("durable", "synchronous"), [(False, 0), (True, 2)])
def test_journal(folder: Path, durable: bool, synchronous: int) -> None:
    with Store.open(folder, durable=durable) as opened:
        (found,) = opened._connection.execute("PRAGMA synchronous").fetchone()

    assert found == synchronous
    assert rows(folder, "PRAGMA journal_mode") == [("wal",)]


VERSION_1: Final = """\
PRAGMA application_id = 0x72756E72;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
CREATE TABLE scenarios (name TEXT PRIMARY KEY, config TEXT NOT NULL, created TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE runs (id TEXT PRIMARY KEY, scenario TEXT NOT NULL REFERENCES scenarios (name),
    mode TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL, seconds REAL) WITHOUT ROWID;
CREATE TABLE jobs (run TEXT NOT NULL REFERENCES runs (id), task TEXT NOT NULL, status TEXT NOT NULL,
    attempts INTEGER NOT NULL, started REAL, seconds REAL, failure TEXT);
CREATE TABLE data_nodes (key TEXT PRIMARY KEY, origin TEXT NOT NULL, run TEXT, task TEXT,
    written REAL NOT NULL, digest TEXT, stamp TEXT) WITHOUT ROWID;
INSERT INTO scenarios VALUES ('s', 's', '2026-05-01T12:30:01+02:00');
INSERT INTO runs VALUES ('zzzz', 's', 'development', 'FAILED', 5.0, 1.5);
INSERT INTO runs VALUES ('2222', 's', 'development', 'RUNNING', 7.0, NULL);
INSERT INTO runs VALUES ('3333', 's', 'development', 'COMPLETED', 5.0, 1.0);
INSERT INTO jobs VALUES ('zzzz', 't', 'FAILED', 2, 6.0, 0.5, 'RUN601 bad');
INSERT INTO jobs VALUES ('zzzz', 'u', 'ABANDONED', 0, NULL, NULL, NULL);
INSERT INTO data_nodes VALUES ('global/a', 'task', 'zzzz', 't', 6.5, NULL, NULL);
"""
"""A store as version 1 made it."""


@pytest.fixture
def old(folder: Path) -> Path:
    folder.mkdir(parents=True)
    change(folder, *VERSION_1.split(";"))
    return folder


def test_an_old_store_keeps_what_it_has(old: Path) -> None:
    with Store.open(old) as store:
        assert store.runs() == [
            RunRow("2222", "s", "development", "RUNNING", 7.0, None),
            RunRow("zzzz", "s", "development", "FAILED", 5.0, 1.5),
            RunRow("3333", "s", "development", "COMPLETED", 5.0, 1.0),
        ]
        assert store.jobs("zzzz") == [
            JobRow("zzzz", "t", "FAILED", 2, 6.0, 0.5, "RUN601 bad"),
            JobRow("zzzz", "u", "ABANDONED", 0, None, None, None),
        ]
        assert store.data_nodes() == {"global/a": NodeRow("global/a", "task", "zzzz", "t", 6.5)}
        assert store.versions("global/a") == [VersionRow("global/a", "zzzz", "t", "task", 6.5)]
        assert store.about("zzzz") == About()
        assert store.counts(store.runs())["zzzz"] == {"FAILED": 1, "ABANDONED": 1}
    assert rows(old, "PRAGMA user_version") == [(VERSION,)]


def test_an_old_store_takes_new_rows(old: Path) -> None:
    with Store.open(old) as store:
        run = store.begin_run("s", "standalone", 6.0, session="here-1")
        job = JobRow(run, "t", "COMPLETED", 1, 6.0, 0.5, None, 2, "here-1-1.log", 10, 20)
        store.record([job], ())

        assert store.run().id == run
        assert store.jobs(run) == [job]


def test_an_old_store_is_as_a_new_one(old: Path, tmp_path: Path) -> None:
    Store.open(old).close()
    Store.open(tmp_path / "new").close()

    query = "SELECT name FROM sqlite_master UNION SELECT group_concat(m.name || i.name || i.type)"
    query += " FROM sqlite_master AS m, pragma_table_info(m.name) AS i GROUP BY m.name"
    assert rows(old, query) == rows(tmp_path / "new", query)


@pytest.mark.parametrize("attempt", range(3))
def test_many_open_an_old_store_at_once(old: Path, attempt: int) -> None:
    raised = together(6, lambda _: Store.open(old).close())

    assert raised == []
    assert rows(old, "SELECT count(*) FROM runs WHERE number > 0") == [(3,)]


def test_an_old_store_that_cannot_be_led_on_stays_as_it_is(old: Path) -> None:
    change(old, "CREATE TABLE jobs_by_run (a)")  # the name of an index of version 2

    error = refused(old)

    path = old / FILE_NAME
    why = "there is already a table named jobs_by_run"
    assert str(error) == f"storage folder: {path} cannot be used: {why}"
    assert rows(old, "PRAGMA user_version") == [(1,)]
    assert "number" not in [row[1] for row in rows(old, "PRAGMA table_info(runs)")]


def test_a_newer_store_is_left_alone(folder: Path, store: Store) -> None:
    store.close()
    change(folder, f"PRAGMA user_version = {VERSION + 1}")
    before = (folder / FILE_NAME).read_bytes()

    error = refused(folder)

    path = folder / FILE_NAME
    assert str(error) == f"{path} was made by a newer runner (version 4, this one knows 3)"
    assert (error.code, error.hint) == ("RUN701", "upgrade toml-runner")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(("CREATE TABLE users (name)",), id="no-version"),
        pytest.param(("CREATE TABLE users (name)", "PRAGMA user_version = 1"), id="our-version"),
        pytest.param(("CREATE TABLE users (name)", "PRAGMA user_version = 9"), id="newer"),
    ],
)
def test_the_database_of_another_program_is_left_alone(
    folder: Path, statements: tuple[str, ...]
) -> None:
    folder.mkdir(parents=True)
    change(folder, *statements)
    path = folder / FILE_NAME
    before = path.read_bytes()

    error = refused(folder)

    why = "it is the database of another program"
    assert str(error) == f"storage folder: {path} cannot be used: {why}"
    assert (error.code, error.hint) == ("RUN508", HINT)
    assert path.read_bytes() == before


def test_what_is_no_database(folder: Path) -> None:
    folder.mkdir(parents=True)
    path = folder / FILE_NAME
    path.write_bytes(b"not a database, but long enough to be taken for the head of one" * 20)

    error = refused(folder)

    why = "it is damaged: file is not a database"
    assert str(error) == f"storage folder: {path} cannot be used: {why}"
    assert error.code == "RUN508"


def test_a_damaged_database(folder: Path, store: Store) -> None:
    store.close()
    path = folder / FILE_NAME
    data = path.read_bytes()
    path.write_bytes(data[:100] + b"\xff" * (len(data) - 100))

    error = refused(folder)

    why = "it is damaged: database disk image is malformed"
    assert str(error) == f"storage folder: {path} cannot be used: {why}"
    assert error.code == "RUN508"


def test_a_folder_in_the_place_of_the_database(folder: Path) -> None:
    (folder / FILE_NAME).mkdir(parents=True)

    error = refused(folder)

    path = folder / FILE_NAME
    assert str(error) == f"storage folder: {path} cannot be used: unable to open database file"


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    folder.parent.mkdir()
    folder.touch()

    error = refused(folder)

    assert str(error) == f"storage folder: {folder} cannot be used: File exists"


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that we may not enter; root becomes somebody to whom that applies."""
    if os.name == "nt":
        pytest.skip("permissions are others on Windows")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        os.seteuid(before)


def test_a_folder_without_permission(closed: Path) -> None:
    error = refused(closed / ".runner")

    assert str(error) == f"storage folder: {closed / '.runner'} cannot be used: Permission denied"
    assert (error.code, error.hint) == ("RUN508", HINT)


def test_which_tasks_failed_last(tmp_path: Path) -> None:
    def run(store: Store, **statuses: str) -> None:
        run_id = store.begin_run("june", "development", 1.0)
        store.record([JobRow(run_id, *job, 1, 1.0, 1.0, None) for job in statuses.items()], [])
        store.end_run(run_id, "FAILED", 1.0)

    with Store.open(tmp_path) as store:
        for name in ("june", "july"):
            store.scenario(name, "monthly", datetime.now().astimezone())
        assert store.failed_last("june") == set()
        run(store, a="COMPLETED", b="FAILED", c="FAILED")
        assert store.failed_last("june") == {"b", "c"}
        run(store, b="COMPLETED", c="ABANDONED")
        assert store.failed_last("june") == {"c"}
        run(store, c="SKIPPED")
        assert store.failed_last("june") == set()
        run(store, a="FAILED")
        assert store.failed_last("june") == {"a"}
        assert store.failed_last("july") == set()
