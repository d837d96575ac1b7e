from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any, Final

import attrs
import pytest
from jsonschema import Draft7Validator

from runner.cli import history
from runner.cli.app import run as run_command
from runner.config.model import CoreConfig
from runner.config.sources import FILE_NAMES
from runner.store.database import FILE_NAME
from runner.store.store import About, JobRow, NodeRow, Store

ROOT: Final = Path(__file__).parents[2]
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
CONFIG: Final = "[SCENARIO.monthly]\ntasks = []\n"
ABOUT: Final = About(
    config='{"jobs": []}',
    digest="00c0ffee",
    environment='{"python": "3.11.2", "runner": "0.1.0"}',
    command="runner execute -s monthly",
    commit_id="12ab34c-dirty",
)
TRACEBACK: Final = (
    'Traceback (most recent call last):\n  File "f.py", line 1, in train\nValueError: negative\n'
)


@attrs.frozen
class Ended:
    """How a command line ended, and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], folder: Path) -> Callable[..., Ended]:
    """Run a command line in this process; ids and times stay, since here they are what matters."""

    def call(*arguments: str) -> Ended:
        capfd.readouterr()
        code = run_command(list(arguments))
        sys.stdout.flush()
        out, err = (text.replace(str(folder), "<folder>") for text in capfd.readouterr())
        return Ended(code, out, err)

    return call


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "runner.toml").write_text(CONFIG, encoding="utf-8")
    return folder


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store.open(folder / ".runner") as store:
        store.scenario("monthly", "monthly", datetime.now(UTC))
        store.scenario("may", "monthly", datetime.now(UTC))
        yield store


class Past:
    """Runs with ids that tell their number, the latest last."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._numbers = iter(range(1, 10))

    def begin(self, ago: float, *statuses: str, name: str = "monthly") -> str:
        """Begin a run, and let jobs end."""
        number = next(self._numbers)
        session = f"session-{number}"
        run = self.store.begin_run(name, "standalone", time() - ago, session=session, about=ABOUT)
        new = f"{number}aaa"
        self.store._rows("UPDATE runs SET id = ? WHERE id = ?", new, run)
        jobs = [
            JobRow(new, f"t{index}", status, 1, 1.0, 0.5, None, 1)
            for index, status in enumerate(statuses)
        ]
        self.store.record(jobs, ())
        return new

    def ended(self, ago: float, *statuses: str, name: str = "monthly", seconds: float = 62) -> str:
        run = self.begin(ago, *statuses, name=name)
        self.store.end_run(run, max(statuses, default="COMPLETED"), seconds)
        return run

    def died(self, ago: float, *statuses: str) -> str:
        run = self.begin(ago, *statuses)
        self.leave(run)
        return run

    def leave(self, run: str) -> None:
        """Let the process of a run be gone."""
        query = "UPDATE runs SET process_start = 'b007/1/2', examined = 1 WHERE id = ?"
        self.store._rows(query, run)


@pytest.fixture
def past(store: Store) -> Past:
    return Past(store)


def test_what_has_run(cli: Any, past: Past) -> None:
    past.ended(40 * DAY)
    past.store._rows("UPDATE runs SET started = ?", datetime(2026, 5, 1, 12).timestamp())
    past.ended(2 * DAY, "COMPLETED", "COMPLETED")
    past.ended(1.5 * HOUR, "COMPLETED", "FAILED", "ABANDONED", name="may")
    past.died(90, "COMPLETED")
    past.begin(1)

    ended = cli("runs")

    assert (ended.code, ended.err) == (0, "")
    head, running, *lines = ended.out.splitlines()
    assert head.split() == ["run", "scenario", "status", "began", "took", "jobs"]
    assert running.split()[:3] == ["5aaa", "monthly", "running"]
    assert running.endswith(" so far")
    assert [[cell.strip() for cell in line.split("  ") if cell] for line in lines] == [
        ["4aaa", "monthly", "interrupted", "1 minute ago", "1 completed"],
        ["3aaa", "may of monthly", "failed", "1 hour ago", "1m 02s",
         "1 completed, 1 failed, 1 abandoned"],
        ["2aaa", "monthly", "completed", "2 days ago", "1m 02s", "2 completed"],
        ["1aaa", "monthly", "completed", "on 2026-05-01", "1m 02s"],
    ]  # fmt: skip


def test_columns_are_below_each_other(cli: Any, past: Past) -> None:
    past.ended(2 * DAY, "COMPLETED", name="may")
    past.ended(2 * DAY, "COMPLETED", "FAILED", seconds=0.5)

    assert cli("runs").out == (
        "run   scenario        status     began       took    jobs\n"
        "2aaa  monthly         failed     2 days ago  500 ms  1 completed, 1 failed\n"
        "1aaa  may of monthly  completed  2 days ago  1m 02s  1 completed\n"
    )


def test_quiet_leaves_out_the_head(cli: Any, past: Past) -> None:
    past.ended(2 * DAY, "COMPLETED")

    ended = cli("runs", "-q")

    assert ended.out == "1aaa  monthly  completed  2 days ago  1m 02s  1 completed\n"


def test_a_clock_that_was_set_back(cli: Any, past: Past) -> None:
    past.ended(-DAY)

    assert f"{datetime.fromtimestamp(time() + DAY):%Y-%m-%d}" in cli("runs").out


def test_only_the_latest(cli: Any, past: Past) -> None:
    for _ in range(3):
        past.ended(DAY)

    ended = cli("runs", "--limit", "2", "-q")
    assert [line[:4] for line in ended.out.splitlines()] == ["3aaa", "2aaa"]
    assert cli("runs", "--limit", "2").err == "there are more: --limit 20\n"
    assert cli("runs", "--limit", "3").err == ""


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        pytest.param("completed", ["3aaa", "1aaa"], id="completed"),
        pytest.param("failed", ["2aaa"], id="failed"),
        pytest.param("interrupted", ["4aaa"], id="interrupted"),
        pytest.param("running", ["5aaa"], id="running"),
        pytest.param("canceled", [], id="none"),
    ],
)
def test_only_those_of_a_status(cli: Any, past: Past, status: str, runs: list[str]) -> None:
    past.ended(DAY, "COMPLETED")
    past.ended(DAY, "FAILED")
    past.ended(DAY, "COMPLETED")
    past.died(DAY)
    past.begin(DAY)

    ended = cli("runs", "--status", status)

    assert [line[:4] for line in ended.out.splitlines()[1:]] == runs
    assert ended.err == ("" if runs else f"no run is {status}\n")
    assert ended.code == 0


@pytest.mark.parametrize("format_", ["human", "json"])
def test_where_nothing_has_run_nothing_is_made(cli: Any, folder: Path, format_: str) -> None:
    ended = cli("runs", "--format", format_)

    assert (ended.code, ended.err) == (0, "there is no run yet; runner execute begins one\n")
    if format_ == "json":
        assert json.loads(ended.out)["runs"] == []
    else:
        assert ended.out == ""
    assert not (folder / ".runner").exists()


def shown(cli: Any, *arguments: str) -> Any:
    ended = cli(*arguments, "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


def test_as_json(cli: Any, past: Past) -> None:
    past.ended(DAY, "COMPLETED", "FAILED", name="may")
    past.died(DAY)

    document = shown(cli, "runs", "--limit", "1")
    assert (document["format"], document["version"], document["more"]) == (
        "runner.history",
        1,
        True,
    )
    (run,) = document["runs"]
    assert (run["run"], run["status"], run["seconds"]) == ("2aaa", "INTERRUPTED", None)
    (_, run) = shown(cli, "runs")["runs"]
    assert abs(datetime.fromisoformat(run.pop("started")).timestamp() + DAY - time()) < HOUR
    assert run == {
        "run": "1aaa",
        "scenario": "monthly",
        "name": "may",
        "mode": "standalone",
        "status": "FAILED",
        "seconds": 62.0,
        "jobs_by_status": {"COMPLETED": 1, "FAILED": 1},
    }


@pytest.fixture
def failed(past: Past) -> str:
    """A run of which one job failed and one did not run."""
    run = past.begin(DAY)
    past.store.record(
        [
            JobRow(run, "clean", "COMPLETED", 1, 1.0, 12.4, None, 1, "s-1.log", 5, 9, "never run"),
            JobRow(run, "train", "FAILED", 3, 2.0, 48.7, "RUN601 negative", 2,
                   reason="code changed", failure_type="ValueError", traceback=TRACEBACK),
            JobRow(run, "publish", "ABANDONED", 0, None, None, "RUN608 train failed"),
        ],
        (),
    )  # fmt: skip
    past.store.end_run(run, "FAILED", 62.1)
    when = datetime(2026, 5, 1, 12, 0, 1).timestamp()
    past.store._rows("UPDATE runs SET started = ?", when)
    return run


def test_one_run_in_full(cli: Any, failed: str) -> None:
    ended = cli("runs", "show", failed)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "Run 1aaa of monthly: failed\n"
        "  began     2026-05-01 12:00:01\n"
        "  took      1m 02s\n"
        "  mode      standalone\n"
        "  jobs      1 completed, 1 failed, 1 abandoned\n"
        "  command   runner execute -s monthly\n"
        "  commit    12ab34c-dirty\n"
        "  plan      00c0ffee\n"
        "  python    3.11.2\n"
        "  runner    0.1.0\n"
        "\n"
        "task     status     attempts  took   worker  why\n"
        "clean    completed  1         12.4s  1       never run\n"
        "train    failed     3         48.7s  2       ValueError: negative\n"
        "publish  abandoned                           train failed\n"
    )


def test_when_a_run_of_late_began(cli: Any, past: Past) -> None:
    past.ended(2 * DAY)

    assert cli("runs", "show").out.splitlines()[1].endswith(" (2 days ago)")


def test_where_jobs_failed(cli: Any, failed: str) -> None:
    out = cli("runs", "show", "-v").out

    assert out.endswith(f"\ntrain: {TRACEBACK}")
    assert out.startswith(cli("runs", "show").out)


def test_one_run_as_json(cli: Any, failed: str) -> None:
    document = shown(cli, "runs", "show")

    train = document["jobs"][1]
    assert document["config"] == {"jobs": []}
    assert document["environment"] == {"python": "3.11.2", "runner": "0.1.0"}
    assert document["process"]["pid"] == os.getpid()
    assert (document["commit"], document["digest"]) == ("12ab34c-dirty", "00c0ffee")
    assert train["started"] == "1970-01-01T00:00:02+00:00"
    assert train["failure"] == {
        "code": "RUN601",
        "type": "ValueError",
        "message": "negative",
        "traceback": TRACEBACK,
    }
    assert document["jobs"][0]["log"] == {"file": "s-1.log", "start": 5, "end": 9}


def test_a_run_of_which_nothing_more_is_known(cli: Any, store: Store) -> None:
    run = store.begin_run("may", "development", 5.0)
    store.end_run(run, "COMPLETED", 1.0)

    began, *rest = cli("runs", "show").out.splitlines()[1:]
    document = shown(cli, "runs", "show")

    assert began.startswith("  began     1970-01-01 ")
    assert rest == ["  took      1.0s", "  mode      development"]
    assert (document["config"], document["environment"], document["command"]) == (None,) * 3


def test_what_was_recorded_and_is_no_json_is_left_out(cli: Any, past: Past) -> None:
    past.ended(DAY)
    past.store._rows("UPDATE runs SET environment = '{'")

    assert cli("runs", "show").code == 0
    assert shown(cli, "runs", "show")["environment"] is None


def test_control_characters_are_written_out(cli: Any, past: Past) -> None:
    run = past.begin(DAY)
    past.store.record([JobRow(run, "t", "FAILED", 1, 1.0, 0.5, "RUN601 \x1b[2J")], ())

    assert cli("runs", "show", "--color", "always").out.endswith("  \\x1b[2J\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(
            ["show", "1aab"],
            "error: unknown run `1aab`\n  = help: did you mean `1aaa`?\n",
            id="misspelt",
        ),
        pytest.param(
            ["1aaa"],
            "error: no command `runs 1aaa`\n  = help: of a run: runner runs show 1aaa\n",
            id="no-show",
        ),
        pytest.param(
            ["--format", "json", "show"],
            "error: options follow the command\n  = help: runner runs show --help tells which\n",
            id="options-before",
        ),
        pytest.param(
            ["--status", "faild"],
            "error: --status takes no `faild`\n  = help: did you mean `failed`?\n",
            id="status",
        ),
    ],
)
def test_usage(cli: Any, past: Past, arguments: list[str], told: str) -> None:
    past.ended(DAY)

    ended = cli("runs", *arguments)

    assert (ended.code, ended.out, ended.err) == (2, "", told)


def test_prune_removes_old_runs_and_their_logs(cli: Any, folder: Path, past: Past) -> None:
    runs = [past.ended(DAY, "COMPLETED", "COMPLETED") for _ in range(4)]
    logs = folder / ".runner" / "logs"
    logs.mkdir()
    for run in runs:
        (logs / f"session-{run[0]}-1.log").write_text("printed\n")
        past.leave(run)

    ended = cli("runs", "prune", "--keep", "1")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "removed 3 runs with 6 jobs and 3 logs\n"
    assert [run.id for run in past.store.runs()] == [runs[3]]
    assert [path.name for path in logs.iterdir()] == ["session-4-1.log"]


def test_prune_leaves_logs_that_a_process_still_writes(cli: Any, folder: Path, past: Past) -> None:
    past.ended(DAY)
    logs = folder / ".runner" / "logs"
    logs.mkdir()
    (logs / "session-1-1.log").write_text("printed\n")

    assert cli("runs", "prune", "--keep", "0").out == "removed 1 run with 0 jobs and 0 logs\n"
    assert (logs / "session-1-1.log").exists()


def test_prune_keeps_what_is_in_use(cli: Any, past: Past) -> None:
    run = past.ended(DAY, "COMPLETED")
    past.store.record((), [NodeRow("scenarios/monthly/a", "task", run, "t0", 1.0)])
    past.begin(DAY)
    past.died(DAY)

    ended = cli("runs", "prune", "--keep", "0")

    assert ended.out == (
        "removed 1 run with 0 jobs and 0 logs\n"
        "kept 1aaa: what they wrote is there still\n"
        "kept 2aaa: no end is on record\n"
    )
    assert past.store.data_nodes()["scenarios/monthly/a"].run == run


def test_nothing_to_prune(cli: Any, past: Past) -> None:
    past.ended(DAY)

    assert cli("runs", "prune", "--keep", "5").out == "nothing to remove\n"


def test_prune_as_json(cli: Any, past: Past) -> None:
    for _ in range(2):
        past.ended(DAY, "COMPLETED")
    past.begin(DAY)

    assert shown(cli, "runs", "prune", "--keep", "0") == {
        "format": "runner.pruned",
        "version": 1,
        "removed": {"runs": ["2aaa", "1aaa"], "jobs": 2, "logs": 0},
        "kept": {"in_use": [], "running": ["3aaa"]},
    }


def test_prune_says_how_many_to_keep(cli: Any, past: Past) -> None:
    ended = cli("runs", "prune")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: missing option '--keep'\n")


@pytest.mark.parametrize(
    "arguments", [["runs"], ["runs", "show"], ["runs", "prune", "--keep", "0"]], ids=len
)
def test_outputs_are_as_their_schema_says(cli: Any, failed: str, arguments: list[str]) -> None:
    schema = json.loads((ROOT / "schemas" / "runs.schema.json").read_text(encoding="utf-8"))
    validator = Draft7Validator(schema)

    document = shown(cli, *arguments)

    assert [error.message for error in validator.iter_errors(document)] == []
    assert not validator.is_valid({**document, "more": 1})
    assert not validator.is_valid({**document, "version": 2})


@pytest.mark.parametrize(
    "config",
    [
        pytest.param("[JOB]\nmode = 'standalon'\n", id="wrong"),
        pytest.param("[JOB\n", id="unreadable"),
    ],
)
def test_errors_of_the_config_do_not_matter(
    cli: Any, folder: Path, past: Past, config: str
) -> None:
    past.ended(DAY)
    (folder / "runner.toml").write_text(config, encoding="utf-8")

    assert cli("runs").code == 0


@pytest.mark.parametrize(
    ("config", "code"),
    [
        pytest.param("[CORE]\nstorage_folder = 'kept'\n", 0, id="named"),
        pytest.param('[CORE]\n"storage\\u005ffolder" = "kept"\n', 0, id="in-escapes"),
        pytest.param("[CORE]\nstorage_folder = 5\n", 3, id="wrong"),
    ],
)
def test_the_storage_folder_of_the_config(
    cli: Any, folder: Path, past: Past, config: str, code: int
) -> None:
    past.ended(DAY)
    (folder / ".runner").rename(folder / "kept")
    (folder / "runner.toml").write_text(config, encoding="utf-8")

    assert cli("runs", "-q").code == code


def test_the_storage_folder_may_be_named_elsewhere(
    cli: Any, folder: Path, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    past.ended(DAY)
    (folder / ".runner").rename(folder / "kept")
    (folder / "more.toml").write_text("[CORE]\nstorage_folder = 'kept'\n", encoding="utf-8")

    assert cli("runs", "show", "--set", "CORE.storage_folder=kept").code == 0
    assert cli("runs", "show", "-c", "runner.toml", "-c", "more.toml").code == 0
    monkeypatch.setenv("RUNNER_CONFIG_PATH", "more.toml")
    assert cli("runs", "show").code == 0
    monkeypatch.delenv("RUNNER_CONFIG_PATH")
    assert cli("runs", "show").code == 2


def test_the_config_is_found_from_below(
    cli: Any, folder: Path, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    past.ended(DAY)
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")

    assert cli("runs", "-q").out.startswith("1aaa ")


def test_without_a_config(cli: Any, folder: Path) -> None:
    (folder / "runner.toml").unlink()

    ended = cli("runs")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: no `runner.toml` or `config.toml` in ")


def test_what_is_known_of_configs_without_loading_one() -> None:
    assert history._FILES == FILE_NAMES
    assert CoreConfig().storage_folder == history._USUAL


def test_a_damaged_store(cli: Any, folder: Path, past: Past) -> None:
    path = folder / ".runner" / FILE_NAME
    past.store.close()
    path.write_bytes(b"")

    ended = cli("runs")

    assert (ended.code, ended.out) == (4, "")
    assert ended.err == (
        "error[RUN508]: storage folder: <folder>/.runner/runner.db cannot be used: "
        "it is damaged: it is empty\n"
        "  = help: the files of data nodes are whole: move <folder>/.runner/runner.db* away, "
        "and a new record is begun\n"
    )
