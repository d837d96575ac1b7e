from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

import runner
from runner import ConfigBuilder, Core, SubmissionStatus
from runner.core import DataNode
from runner.execution.importing import UserCodeError
from runner.store.store import Store

TEXT: Final = """\
[DATA_NODE.input]
default_data = -21

[DATA_NODE.intermediate]

[DATA_NODE.output]
storage_type = "json"
default_path = "out/result.json"

[TASK.positive]
function = "builtins.abs"
inputs = ["input:SECTION"]
outputs = ["intermediate:SECTION"]

[TASK.negative]
function = "operator.neg"
inputs = ["intermediate:SECTION"]
outputs = ["output:SECTION"]

[SCENARIO.main]
tasks = ["positive:SECTION", "negative:SECTION"]
"""
IN_MEMORY: Final = '[DATA_NODE.intermediate]\nstorage_type = "in_memory"'
SHARED: Final = """\
[DATA_NODE.everybody]
scope = "GLOBAL"
[DATA_NODE.period]
scope = "CYCLE"
[DATA_NODE.own]
[TASK.t]
function = "builtins.max"
inputs = ["everybody", "period", "own"]
[SCENARIO.monthly]
frequency = "MONTHLY"
tasks = ["t"]
[SCENARIO.single]
tasks = ["t"]
"""

Load = Callable[..., runner.Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str = TEXT, *overrides: str) -> runner.Config:
        path = tmp_path / "pipeline.toml"
        path.write_text(text, encoding="utf-8")
        return runner.Config.load(path, overrides=overrides)

    return load_text


@pytest.fixture
def builder(tmp_path: Path) -> runner.ConfigBuilder:
    made = runner.ConfigBuilder()
    made.configure_core(storage_folder=str(tmp_path / "kept"))
    return made


def submitted(
    config: runner.Config, scenario: str = "main", **options: Any
) -> tuple[runner.Scenario, runner.Submission]:
    with runner.Core(config) as core:
        made = core.create_scenario(scenario)
        return made, made.submit(**options)


def statuses(submission: runner.Submission) -> dict[str, str]:
    return {job.task: job.status.value for job in submission.jobs}


def recorded(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "runner.db")) as connection:
        return connection.execute(query).fetchall()


def value(config: runner.Config, node: str, scenario: str = "main") -> Any:
    """A data node's value, as a new process would see it."""
    with runner.Core(config) as core:
        return core.create_scenario(scenario).data_nodes[node].read()


def test_a_run(load: Load, tmp_path: Path) -> None:
    scenario, submission = submitted(load())

    assert submission.status is runner.SubmissionStatus.COMPLETED
    assert statuses(submission) == {"positive": "COMPLETED", "negative": "COMPLETED"}
    assert submission.job_status("negative") is runner.JobStatus.COMPLETED
    assert scenario.data_nodes["output"].read() == -21
    assert (tmp_path / "out" / "result.json").read_text(encoding="utf-8").strip() == "-21"
    assert submission.plan.name == scenario.name == "main"
    assert submission.seconds > 0
    assert repr(submission) == f"<Submission {submission.id} of main: COMPLETED>"


def test_a_run_is_recorded(load: Load, tmp_path: Path) -> None:
    _, submission = submitted(load())

    folder = tmp_path / ".runner"
    assert recorded(folder, "SELECT id, scenario, mode, status, seconds FROM runs") == [
        (submission.id, "main", "development", "COMPLETED", submission.seconds)
    ]
    assert recorded(folder, "SELECT run, task, status, attempts FROM jobs") == [
        (submission.id, "positive", "COMPLETED", 1),
        (submission.id, "negative", "COMPLETED", 1),
    ]
    assert recorded(folder, "SELECT key, origin, run, task FROM data_nodes ORDER BY key") == [
        ("scenarios/main/input", "default", None, None),
        ("scenarios/main/intermediate", "task", submission.id, "positive"),
        ("scenarios/main/output", "task", submission.id, "negative"),
    ]


@pytest.mark.parametrize("timeout", [None, 0.0, 5.0])
def test_waiting(load: Load, timeout: float | None) -> None:
    _, submission = submitted(load(), wait=True, timeout=timeout)

    assert submission.wait(timeout) is runner.SubmissionStatus.COMPLETED


def test_a_scenario_can_be_submitted_again(load: Load) -> None:
    with runner.Core(load()) as core:
        scenario = core.create_scenario("main")
        first, second = scenario.submit(), scenario.submit()

    assert first.id != second.id
    assert statuses(first) == statuses(second)


def test_what_is_prepared_has_not_begun(load: Load, tmp_path: Path) -> None:
    with runner.Core(load()) as core:
        submission = core.create_scenario("main").prepare()

        assert (submission.id, submission.jobs, submission.seconds) == ("", [], 0.0)
        assert submission.status is runner.SubmissionStatus.SUBMITTED
        assert recorded(tmp_path / ".runner", "SELECT * FROM runs") == []
        assert submission.run() is runner.SubmissionStatus.COMPLETED


def test_a_written_value_is_used_and_kept(load: Load) -> None:
    with runner.Core(load()) as core:
        scenario = core.create_scenario("main")
        scenario.data_nodes["input"].write(-7)
        scenario.submit()
        assert scenario.data_nodes["output"].read() == -7

    submitted(load(TEXT, "DATA_NODE.input.default_data=5"))

    assert value(load(), "input") == -7


def test_a_default_that_is_edited_counts_at_the_next_run(load: Load) -> None:
    submitted(load())
    submitted(load(TEXT, "DATA_NODE.input.default_data=5"))

    assert value(load(), "output") == -5


def test_no_default_replaces_what_a_task_wrote(load: Load) -> None:
    submitted(load())
    text = TEXT.replace("[DATA_NODE.intermediate]", "[DATA_NODE.intermediate]\ndefault_data = 3")

    with runner.Core(load(text)) as core:
        core.create_scenario("main").prepare()

    assert value(load(text), "intermediate") == 21


def test_what_is_reset_gets_its_default_again(load: Load) -> None:
    with runner.Core(load()) as core:
        node = core.create_scenario("main").data_nodes["input"]
        node.write(-7)

        assert node.reset()
        assert not node.reset()
        assert not node.is_written

    submitted(load())
    assert value(load(), "input") == -21


def test_a_file_of_ones_own_is_reset_only_where_one_says_so(load: Load, tmp_path: Path) -> None:
    with runner.Core(load()) as core:
        node = core.create_scenario("main").data_nodes["output"]
        node.write(5)

        with pytest.raises(runner.UsageError, match=r"is kept in your own file ") as caught:
            node.reset()
        assert caught.value.hint == "--yes removes it all the same; in Python, even_own=True"
        assert node.read() == 5
        assert node.reset(even_own=True)

    assert not (tmp_path / "out" / "result.json").exists()


def test_a_value_in_memory_is_written_and_reset_without_a_record(load: Load) -> None:
    config = load(TEXT.replace("[DATA_NODE.intermediate]", IN_MEMORY))
    with runner.Core(config) as core:
        node = core.create_scenario("main").data_nodes["intermediate"]
        node.write(5)

        assert node.read() == 5
        assert node.edits() == []
        assert node.reset()
        assert not node.is_written


def test_what_a_data_node_holds_and_held(load: Load, tmp_path: Path) -> None:
    with runner.Core(load()) as core:
        scenario = core.create_scenario("main")
        node = scenario.data_nodes["intermediate"]
        assert (node.holding().exists, node.edits()) == (False, [])
        submission = scenario.submit(wait=True)
        node.write(5)

        holding = node.holding()
        user, task = node.edits()
        assert (holding.exists, holding.origin, holding.run) == (True, "user", None)
        assert (user.origin, task.run, task.task) == ("user", submission.id, "positive")
        assert holding.fingerprint == user.fingerprint != task.fingerprint
        assert node.edits(1) == [user]
        assert [each.origin for each in scenario.holdings()] == ["default", "user", "task"]


def test_values_from_and_to_files(load: Load, tmp_path: Path) -> None:
    with runner.Core(load()) as core:
        nodes = core.create_scenario("main").data_nodes
        nodes["intermediate"].write([1, 2])
        nodes["intermediate"].export_file(tmp_path / "x.json")
        nodes["output"].import_file(tmp_path / "x.json")

        assert nodes["output"].read() == [1, 2]


def test_who_writes_while_a_run_does_is_refused(load: Load, tmp_path: Path) -> None:
    with runner.Core(load()) as core, runner.Core(load()) as other:
        node = other.create_scenario("main").data_nodes["intermediate"]
        submission = core.create_scenario("main").prepare()
        submission.begin()

        with pytest.raises(runner.SetupError, match=r" has been writing `intermediate` ") as caught:
            node.write(5)

        assert caught.value.code == "RUN507"
        assert not node.is_written
        submission.run()
        node.write(5)
        assert node.read() == 5


def test_looking_at_a_scenario_makes_nothing(load: Load, tmp_path: Path) -> None:
    with runner.Core(load()) as core:
        scenario = core.get_scenario("main")

        assert core.scenario_names("main") == []
        assert [each.exists for each in scenario.holdings()] == [False] * 3
        with pytest.raises(runner.UsageError, match=r"^`main` has no scenario `may`$"):
            core.get_scenario("main", "may")
        assert not (tmp_path / ".runner").exists()
        core.create_scenario("main", "may")
        assert core.get_scenario("main", "may").name == "may"
        assert core.scenario_names("main") == ["may"]


def test_a_scenario_that_is_looked_at_is_of_its_cycle(load: Load, tmp_path: Path) -> None:
    with runner.Core(load(SHARED)) as core:
        made = core.create_scenario("monthly", "old")
        core._shared.store._rows("UPDATE scenarios SET created = '2020-02-03T00:00:00+00:00'")

        assert core.get_scenario("monthly", "old").data_nodes["period"].key == (
            "cycles/MONTHLY_2020-02/period"
        )
        assert made.data_nodes["period"].key != "cycles/MONTHLY_2020-02/period"


def test_a_comparison(load: Load) -> None:
    config = load(
        f'{TEXT}[SCENARIO.main.comparators]\noutput = ["builtins.max", "operator.truth"]\n'
    )
    with runner.Core(config) as core:
        first, second = (core.create_scenario("main", name) for name in ("a", "b"))
        first.data_nodes["output"].write(1)
        second.data_nodes["output"].write(2)

        best, wrong = core.compare(first, second)

        assert (best.data_node, best.comparator, best.result) == ("output", "builtins.max", 2)
        assert wrong.failure is not None
        assert wrong.failure.type == "TypeError"
        with pytest.raises(runner.UsageError, match=r"^a comparison takes two scenarios, or more$"):
            core.compare(first)


def test_scenarios_of_two_configs_are_not_compared(load: Load) -> None:
    with runner.Core(load(SHARED)) as core:
        one, other = core.create_scenario("monthly"), core.create_scenario("single")

        with pytest.raises(
            runner.UsageError, match=r"^these are scenarios of monthly and single, "
        ):
            core.compare(one, other)


def test_reading_what_was_never_written(load: Load, tmp_path: Path) -> None:
    with runner.Core(load()) as core:
        node = core.create_scenario("main").data_nodes["intermediate"]

        assert not node.is_written
        with pytest.raises(runner.JobError, match=r"has no value yet") as caught:
            node.read()

    path = tmp_path / ".runner" / "data" / "scenarios" / "main" / "intermediate.p"
    assert str(caught.value) == f"data node `intermediate` has no value yet: no file {path}"
    assert caught.value.code == "RUN604"
    assert node.path == path


def test_a_value_that_cannot_be_written_leaves_the_old_one(load: Load) -> None:
    with runner.Core(load()) as core:
        node = core.create_scenario("main").data_nodes["output"]
        node.write([1])

        with pytest.raises(runner.JobError, match=r"^data node `output` cannot be written"):
            node.write(object())

        assert node.is_written
        assert node.read() == [1]


def test_a_read_value_is_ones_own(load: Load) -> None:
    with runner.Core(load(TEXT, 'DATA_NODE.input.storage_type="in_memory"')) as core:
        node = core.create_scenario("main").data_nodes["input"]
        node.write([1])
        node.read().append(2)

        assert node.read() == [1]


def test_values_in_memory_live_as_long_as_the_core(load: Load) -> None:
    config = load(TEXT, 'DATA_NODE.input.storage_type="in_memory"')
    with runner.Core(config) as core:
        core.create_scenario("main").data_nodes["input"].write(-8)
        core.create_scenario("main").submit()
        assert core.create_scenario("main").data_nodes["output"].read() == -8

    assert submitted(config)[0].data_nodes["output"].read() == -21


def test_a_data_node_says_which_it_is(load: Load) -> None:
    scenario, _ = submitted(load())

    assert {node.id: node.key for node in scenario.data_nodes.values()} == {
        "input": "scenarios/main/input",
        "intermediate": "scenarios/main/intermediate",
        "output": "scenarios/main/output",
    }
    assert repr(scenario.data_nodes["output"]) == "<DataNode scenarios/main/output>"


def nodes_of(core: runner.Core, scenario: str, name: str) -> dict[str, DataNode]:
    return dict(core.create_scenario(scenario, name).data_nodes)


def test_scopes_say_who_shares_a_value(load: Load) -> None:
    with runner.Core(load(SHARED)) as core:
        one, two = nodes_of(core, "monthly", "one"), nodes_of(core, "monthly", "two")
        single = nodes_of(core, "single", "three")
        for node in one.values():
            node.write(1)

        assert [name for name, node in two.items() if node.is_written] == ["everybody", "period"]
        assert [name for name, node in single.items() if node.is_written] == ["everybody"]
        # without a frequency there is no cycle, and CYCLE is as GLOBAL
        assert single["period"].key == "global/period"


def test_scenarios_of_different_cycles_share_no_cycle_data_node(load: Load, tmp_path: Path) -> None:
    with Store.open(tmp_path / ".runner") as store:
        for name, created in (
            ("old", datetime(2026, 1, 31, 23, 59, tzinfo=UTC)),
            ("same", datetime(2026, 1, 1, tzinfo=UTC)),
            ("new", datetime(2026, 2, 1, tzinfo=UTC)),
        ):
            store.scenario(name, "monthly", created)

    with runner.Core(load(SHARED)) as core:
        keys = {name: nodes_of(core, "monthly", name)["period"].key for name in ("old", "same")}
        nodes_of(core, "monthly", "old")["period"].write(1)

        assert set(keys.values()) == {"cycles/MONTHLY_2026-01/period"}
        assert nodes_of(core, "monthly", "same")["period"].read() == 1
        assert not nodes_of(core, "monthly", "new")["period"].is_written


def test_named_scenarios_have_data_nodes_of_their_own(load: Load) -> None:
    config = load(TEXT.replace('storage_type = "json"\ndefault_path = "out/result.json"\n', ""))
    with runner.Core(config) as core:
        one, two = core.create_scenario("main", "one"), core.create_scenario("main", "two")
        one.data_nodes["input"].write(-1)
        one.submit()
        two.submit()

        assert one.data_nodes["intermediate"].read() == 1
        assert two.data_nodes["intermediate"].read() == 21


@pytest.mark.parametrize("name", ["", "../x", "a b"])
def test_what_cannot_be_a_name(load: Load, name: str) -> None:
    with (
        runner.Core(load()) as core,
        pytest.raises(runner.UsageError, match=r"cannot be the name of a scenario$"),
    ):
        core.create_scenario("main", name)


def test_a_name_of_another_scenario(load: Load) -> None:
    with runner.Core(load(SHARED)) as core:
        core.create_scenario("monthly", "mine")

        with pytest.raises(
            runner.UsageError,
            match=r"^`mine` is the name of a scenario of `monthly`, not of `single`$",
        ):
            core.create_scenario("single", "mine")


def test_an_unknown_scenario(load: Load) -> None:
    with (
        runner.Core(load()) as core,
        pytest.raises(runner.UsageError, match=r"^unknown scenario `mian`$") as caught,
    ):
        core.create_scenario("mian")

    assert caught.value.hint == "did you mean `main`?"


def test_a_storage_folder_of_ones_own(load: Load, tmp_path: Path) -> None:
    submitted(load(TEXT, 'CORE.storage_folder="kept/here"'))

    assert (tmp_path / "kept" / "here" / "runner.db").is_file()
    assert not (tmp_path / ".runner").exists()


def test_checking_tells_and_runs_nothing(load: Load, tmp_path: Path) -> None:
    config = load(TEXT, 'TASK.positive.inputs=["inptu"]')

    found = [each for each in runner.check(config) if each.is_error]

    assert [(each.code, each.message) for each in found] == [
        ("RUN201", "unknown data node `inptu`")
    ]
    assert not (tmp_path / ".runner").exists()


def test_a_config_with_errors_does_not_run(load: Load, tmp_path: Path) -> None:
    config = load(TEXT, 'TASK.positive.inputs=["inptu"]')

    with pytest.raises(runner.ConfigError, match=r"unknown data node `inptu`") as caught:
        runner.Core(config)

    assert "RUN201" in {each.code for each in caught.value.diagnostics}
    assert not (tmp_path / ".runner").exists()


def test_a_file_with_errors_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[TASK.a]\nretries = 'x'\nskippable = 3\n", encoding="utf-8")

    with pytest.raises(runner.ConfigError, match=r"retries") as caught:
        runner.Config.load(tmp_path / "bad.toml")

    assert [each.code for each in caught.value.diagnostics if each.is_error] == ["RUN105", "RUN105"]


MODULES: Final = {
    "core_raises": "raise LookupError('no licence')\n",
    "core_exits": "raise SystemExit(3)\n",
    "core_needs": "import core_not_installed\ndef f(value): pass\n",
}


@pytest.mark.parametrize(
    ("module", "raised"),
    [
        ("core_raises", "LookupError: no licence"),
        ("core_exits", "SystemExit: 3"),
        ("core_needs", "ModuleNotFoundError: No module named 'core_not_installed'"),
    ],
    ids=MODULES,
)
def test_where_a_function_cannot_be_imported_nothing_runs(
    load: Load, tmp_path: Path, module: str, raised: str
) -> None:
    (tmp_path / f"{module}.py").write_text(MODULES[module], encoding="utf-8")
    text = f'{TEXT}[TASK.last]\nfunction = "{module}.f"\ninputs = ["input"]\n'
    text = text.replace('"negative:SECTION"]', '"negative:SECTION", "last"]')
    config = load(text)
    before = list(sys.path)

    with runner.Core(config, checked=True) as core:
        scenario = core.create_scenario("main")
        with pytest.raises(UserCodeError, match=r"cannot be imported") as caught:
            scenario.submit()

        assert not scenario.data_nodes["input"].is_written

    assert str(caught.value) == f"`{module}.f` cannot be imported: {raised}"
    assert caught.value.failure.file == str(tmp_path / f"{module}.py")
    assert recorded(tmp_path / ".runner", "SELECT * FROM runs") == []
    assert sys.path == before


def test_all_functions_are_imported_before_the_first_job_runs(load: Load, tmp_path: Path) -> None:
    (tmp_path / "core_first.py").write_text(
        "import sys\n"
        "def f(value):\n"
        "    return [name for name in ('core_second', 'core_third') if name in sys.modules]\n",
        encoding="utf-8",
    )
    for module in ("core_second", "core_third"):
        (tmp_path / f"{module}.py").write_text("def f(value):\n    pass\n", encoding="utf-8")
    text = TEXT.replace("builtins.abs", "core_first.f").replace("operator.neg", "core_second.f")
    text += '[TASK.third]\nfunction = "core_third.f"\ninputs = ["output"]\n'
    text = text.replace('"negative:SECTION"]', '"negative:SECTION", "third"]')

    submitted(load(text))

    assert value(load(text), "intermediate") == ["core_second", "core_third"]


def test_an_input_without_a_value_stops_the_run_before_it_begins(
    load: Load, tmp_path: Path
) -> None:
    text = TEXT.replace("default_data = -21", 'storage_type = "json"\npath = "in.json"')

    with pytest.raises(runner.ConfigError, match=r"no file") as caught:
        submitted(load(text))

    assert [each.code for each in caught.value.diagnostics] == ["RUN404"]
    assert recorded(tmp_path / ".runner", "SELECT * FROM runs") == []


def test_a_failed_job_abandons_what_needs_it_and_nothing_else(load: Load, tmp_path: Path) -> None:
    text = TEXT.replace("builtins.abs", "operator.index").replace("-21", '"no number"')
    text += '[TASK.beside]\nfunction = "builtins.len"\ninputs = ["input"]\n'
    text = text.replace('"negative:SECTION"]', '"negative:SECTION", "beside"]')

    scenario, submission = submitted(load(text))

    assert submission.status is runner.SubmissionStatus.FAILED
    assert statuses(submission) == {
        "positive": "FAILED",
        "negative": "ABANDONED",
        "beside": "COMPLETED",
    }
    assert not scenario.data_nodes["output"].is_written
    assert recorded(tmp_path / ".runner", "SELECT task, failure FROM jobs ORDER BY task") == [
        ("beside", None),
        ("negative", "RUN608 positive failed"),
        ("positive", "RUN601 'str' object cannot be interpreted as an integer"),
    ]


def test_failing_fast(load: Load) -> None:
    text = TEXT.replace("builtins.abs", "operator.index").replace("-21", '"no number"')
    text += '[TASK.beside]\nfunction = "builtins.len"\ninputs = ["input"]\n'
    text = text.replace('"negative:SECTION"]', '"negative:SECTION", "beside"]')

    _, submission = submitted(load(text), fail_fast=True)

    assert statuses(submission)["beside"] == "CANCELED"


def test_a_failure_that_utf8_cannot_say_is_recorded(builder: runner.ConfigBuilder) -> None:
    def fail() -> None:
        raise ValueError("no file \udcff")

    builder.configure_task("t", fail)

    _, submission = submitted(builder.build(), "default")

    assert statuses(submission) == {"t": "FAILED"}
    (job,) = submission.jobs
    assert job.failure is not None
    assert job.failure.message == "no file \\udcff"


def test_temporary_files_of_the_dead_are_removed_when_a_run_starts(
    load: Load, tmp_path: Path
) -> None:
    program = (
        "import os, sys\n"
        "from runner.data.files import NodeFile\n"
        "NodeFile('output', sys.argv[1], False).stage_bytes(b'half')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "out" / "result.json"
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert len(list(path.parent.iterdir())) == 1

    submitted(load())

    assert list(path.parent.iterdir()) == [path]


async def slowly(value: int) -> int:
    return value + 1


def test_a_config_made_in_python(builder: runner.ConfigBuilder) -> None:
    number = builder.configure_data_node("number", default_data=20)
    more = builder.configure_data_node("more", scope=runner.Scope.GLOBAL)
    result = builder.configure_data_node("result", "in_memory")
    add = builder.configure_task("add", slowly, number, more)
    double = builder.configure_task("double", lambda value: 2 * value, [more], [result])
    main = builder.configure_scenario("main", [add, double], frequency=runner.Frequency.DAILY)

    with runner.Core(builder.build()) as core:
        scenario = core.create_scenario(main)
        submission = scenario.submit(wait=True)

        assert statuses(submission) == {"add": "COMPLETED", "double": "COMPLETED"}
        assert scenario.data_nodes["result"].read() == 42
        assert scenario.data_nodes["more"].key == "global/more"


def test_lambdas_of_one_name_are_told_apart(builder: runner.ConfigBuilder) -> None:
    builder.configure_data_node("one")
    builder.configure_data_node("two")
    builder.configure_task("first", lambda: 1, output="one")
    builder.configure_task("second", lambda: 2, output="two")

    scenario, _ = submitted(builder.build(), "default")

    assert (scenario.data_nodes["one"].read(), scenario.data_nodes["two"].read()) == (1, 2)


class Anything:
    def __init__(self, number: int) -> None:
        self.number = number


def test_any_object_is_a_default(builder: runner.ConfigBuilder) -> None:
    builder.configure_data_node("thing", default_data=Anything(5))
    builder.configure_data_node("number")
    builder.configure_task("t", lambda thing: thing.number, "thing", "number")

    scenario, _ = submitted(builder.build(), "default")

    assert scenario.data_nodes["number"].read() == 5


def test_a_table_is_a_default_and_nobody_changes_it(builder: runner.ConfigBuilder) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": [1, 2]})

    def total(given: Any) -> int:
        given["x"] += 10
        return int(given["x"].sum())

    builder.configure_data_node("table", "in_memory", default_data=table)
    builder.configure_data_node("sum")
    builder.configure_task("t", total, "table", "sum")

    scenario, _ = submitted(builder.build(), "default")

    assert scenario.data_nodes["sum"].read() == 23
    assert scenario.data_nodes["table"].read()["x"].tolist() == [1, 2]
    assert table["x"].tolist() == [1, 2]


def test_files_are_laid_over_what_was_made_in_python(
    builder: runner.ConfigBuilder, tmp_path: Path
) -> None:
    builder.configure_data_node("number", default_data=20)
    builder.configure_data_node("result")
    builder.configure_task("t", lambda value: value + 1, "number", "result")
    (tmp_path / "over.toml").write_text("[DATA_NODE.number]\ndefault_data = 5\n", encoding="utf-8")

    scenario, _ = submitted(builder.build(tmp_path / "over.toml"), "default")

    assert scenario.data_nodes["result"].read() == 6


@pytest.mark.parametrize(
    ("below", "is_kept"),
    [
        pytest.param('[RUNNER]\nmail_password = "swordfish"\n', False, id="password"),
        pytest.param('[RUNNER]\nmail = {tokens = ["swordfish"]}\n', False, id="in-a-table"),
        pytest.param('[JOB]\nbroker_url = "amqp://me:swordfish@host"\n', False, id="broker"),
        pytest.param('[RUNNER]\nmail_password = "ENV[SWORDFISH]"\n', True, id="named"),
        pytest.param('[RUNNER]\nmail = "swordfish"\n', True, id="none"),
    ],
)
def test_a_password_that_another_file_overrides_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str, is_kept: bool
) -> None:
    monkeypatch.setenv("SWORDFISH", "in the environment")
    over = """[RUNNER]
mail_password = ""
mail = {tokens = []}
[JOB]
broker_url = "amqp://host"
"""
    paths = [tmp_path / "below.toml", tmp_path / "over.toml"]
    for path, text in zip(paths, (below + TEXT, over), strict=True):
        path.write_text(text, encoding="utf-8")

    submitted(runner.Config.load(*paths))

    record = (tmp_path / ".runner" / "runner.db").read_bytes()
    assert (b"mail_password" in record) == is_kept
    assert is_kept or b"swordfish" not in record


@pytest.mark.parametrize("password", ["swordfish", "guest"])
def test_a_password_that_an_override_replaces_is_not_recorded(
    load: Load, tmp_path: Path, password: str
) -> None:
    submitted(load(f'[RUNNER]\ndb_password = "{password}"\n{TEXT}', 'RUNNER.db_password=""'))

    assert password.encode() not in (tmp_path / ".runner" / "runner.db").read_bytes()


def press_ctrl_c(number: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return number


def test_ctrl_c_ends_the_run_and_is_raised_when_that_is_recorded(tmp_path: Path) -> None:
    builder = ConfigBuilder()
    builder.configure_core(storage_folder=str(tmp_path))
    first = builder.configure_data_node("first", default_data=1)
    second = builder.configure_data_node("second")
    third = builder.configure_data_node("third")
    one = builder.configure_task("one", press_ctrl_c, first, second)
    two = builder.configure_task("two", press_ctrl_c, second, third)
    builder.configure_scenario("main", [one, two])

    with Core(builder.build()) as core:
        submission = core.create_scenario("main").prepare()
        with pytest.raises(KeyboardInterrupt, match=r"^$"):
            submission.run()

    assert submission.status is SubmissionStatus.CANCELED
    assert [(job.task, job.status.value) for job in submission.jobs] == [
        ("one", "CANCELED"),
        ("two", "CANCELED"),
    ]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_async_task_in_a_thread_that_has_a_loop(tmp_path: Path) -> None:
    async def double(number: int) -> int:
        return 2 * number

    async def as_in_a_notebook() -> object:
        builder = ConfigBuilder()
        builder.configure_core(storage_folder=str(tmp_path))
        first = builder.configure_data_node("first", default_data=21)
        second = builder.configure_data_node("second")
        task = builder.configure_task("double", double, first, second)
        builder.configure_scenario("main", [task])
        with Core(builder.build()) as core:
            scenario = core.create_scenario("main")
            scenario.submit()
            return scenario.data_nodes["second"].read()

    assert asyncio.run(as_in_a_notebook()) == 42


TABLE: Final = """\
[DATA_NODE.input]
storage_type = "sql_table"
db_engine = "sqlite"
db_name = "shop"
sqlite_folder_path = "db"
table_name = "numbers"
exposed_type = "records"
default_data = [{ n = 1 }]

[DATA_NODE.output]

[TASK.count]
function = "builtins.len"
inputs = ["input"]
outputs = ["output"]

[SCENARIO.main]
tasks = ["count"]
"""


@pytest.mark.parametrize("mode", ["development", "standalone"])
def test_a_table_is_below_the_application_path(
    load: Load, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")

    _, submission = submitted(load(TABLE, f'JOB.mode="{mode}"'))

    assert submission.status is SubmissionStatus.COMPLETED
    with closing(sqlite3.connect(tmp_path / "db" / "shop.db")) as connection:
        assert connection.execute("SELECT * FROM numbers").fetchall() == [(1,)]
    assert value(load(TABLE), "output") == 1


def test_rows_can_be_appended(load: Load) -> None:
    with Core(load(TABLE)) as core:
        node = core.create_scenario("main").data_nodes["input"]
        node.write([{"n": 1}])
        node.append([{"n": 2}])
        assert node.read() == [{"n": 1}, {"n": 2}]


def test_nothing_is_appended_to_what_is_no_table(load: Load) -> None:
    with Core(load(TABLE)) as core:
        node = core.create_scenario("main").data_nodes["output"]
        with pytest.raises(runner.UsageError, match=r"^nothing can be added") as caught:
            node.append(1)
    message = "nothing can be added to `output`, a data node of type `pickle`"
    assert (str(caught.value), caught.value.hint) == (message, "read it, and write it anew")


def test_a_table_that_is_not_there_is_told_before_a_run(load: Load, tmp_path: Path) -> None:
    text = TABLE.replace("default_data = [{ n = 1 }]\n", "")

    with pytest.raises(runner.ConfigError, match=r"has no value") as caught:
        submitted(load(text))

    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.hint) == (
        "RUN206",
        "make the table `numbers`, or give [DATA_NODE.input] a `default_data`",
    )
    assert recorded(tmp_path / ".runner", "SELECT * FROM runs") == []


def test_a_file_is_no_config() -> None:
    with pytest.raises(TypeError, match=r"expected a Config, not str: Config\.load\(file\) gives"):
        Core("runner.toml")  # type: ignore[arg-type]
