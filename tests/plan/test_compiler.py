from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import pytest

from runner.config.model import Config, DataNodeConfig, JobConfig, Mode, ScenarioConfig, TaskConfig
from runner.errors import UsageError
from runner.plan.compiler import compile_plan, find_scenario, restricted, scenario_ids
from runner.plan.model import ExecutionPlan, Selection

# load -> clean -> train -> publish, and audit beside: load -> audit
FLOWS: Mapping[str, tuple[str, str]] = {
    "publish": ("model", "page"),
    "train": ("rows", "model"),
    "load": ("raw", "table"),
    "clean": ("table", "rows"),
    "audit": ("table", "findings"),
}
TAGS: Mapping[str, tuple[str, ...]] = {"train": ("slow", "ml"), "clean": ("ml",)}


def config_of(flows: Mapping[str, tuple[str, str]], **scenarios: ScenarioConfig) -> Config:
    nodes = dict.fromkeys(node for flow in flows.values() for node in flow)
    return Config(
        data_nodes={node: DataNodeConfig(id=node) for node in [*nodes, "extra"]},
        tasks={
            task: TaskConfig(id=task, inputs=(source,), outputs=(target,), tags=TAGS.get(task, ()))
            for task, (source, target) in flows.items()
        },
        scenarios=scenarios,
    )


CONFIG = config_of(
    FLOWS,
    all=ScenarioConfig(
        id="all",
        tasks=tuple(FLOWS),
        additional_data_nodes=("extra",),
        sequences={"prepare": ("load", "clean")},
    ),
    few=ScenarioConfig(id="few", tasks=("clean", "load", "clean")),
)


def names(plan: ExecutionPlan) -> list[str]:
    return [job.task.id for job in plan.jobs]


def test_jobs_come_after_what_they_need() -> None:
    plan = compile_plan(CONFIG, "all")

    assert names(plan) == ["load", "clean", "audit", "train", "publish"]
    assert [job.needs for job in plan.jobs] == [(), (0,), (0,), (1,), (3,)]


def test_the_order_of_the_config_is_kept_where_it_can_be() -> None:
    flows = {f"t{number}": ("raw", f"n{number}") for number in (3, 1, 2)}

    plan = compile_plan(config_of(flows), "default")

    assert names(plan) == ["t3", "t1", "t2"]


def test_what_a_plan_says() -> None:
    config = attrs.evolve(CONFIG, job=JobConfig(mode=Mode.STANDALONE, max_nb_of_workers=None))

    plan = compile_plan(config, "few", name="mine")

    assert (plan.scenario, plan.name) == ("few", "mine")
    assert (plan.mode, plan.workers) == (Mode.STANDALONE, None)
    assert names(plan) == ["load", "clean"]
    assert list(plan.data_nodes) == ["table", "rows", "raw"]
    assert plan.produced == {"table": "load", "rows": "clean"}
    assert plan.not_selected == ()
    assert plan.selection == Selection()


def test_a_plan_is_named_as_its_scenario() -> None:
    assert compile_plan(CONFIG, "few").name == "few"


def test_additional_data_nodes_belong_to_it() -> None:
    assert "extra" in compile_plan(CONFIG, "all").data_nodes


def test_a_plan_cannot_be_changed() -> None:
    plan = compile_plan(CONFIG, "few")

    with pytest.raises(attrs.exceptions.FrozenInstanceError, match=r"^can't set attribute$"):
        plan.name = "other"  # type: ignore[misc]  # that is the point


def test_a_data_node_read_twice_is_needed_once() -> None:
    config = config_of({"first": ("raw", "a")})
    twice = TaskConfig(id="twice", inputs=("a", "a", "raw"))
    config = attrs.evolve(config, tasks={**config.tasks, "twice": twice})

    plan = compile_plan(config, "default")

    assert [job.needs for job in plan.jobs] == [(), (0,)]


SELECTIONS = [
    pytest.param(Selection(), "load clean audit train publish", id="all"),
    pytest.param(Selection(tasks=("clean",)), "clean", id="one"),
    pytest.param(Selection(tasks=("c*", "a*")), "clean audit", id="globs-add-up"),
    pytest.param(Selection(from_=("clean",)), "clean train publish", id="from"),
    pytest.param(Selection(to=("clean",)), "load clean", id="to"),
    pytest.param(Selection(from_=("clean",), to=("train",)), "clean train", id="between"),
    pytest.param(Selection(tags=("ml",)), "clean train", id="tag"),
    pytest.param(Selection(tags=("slow", "ml")), "clean train", id="tags-add-up"),
    pytest.param(Selection(exclude=("train", "p*")), "load clean audit", id="exclude"),
    pytest.param(Selection(sequence="prepare"), "load clean", id="sequence"),
    pytest.param(Selection(sequence="prepare", tags=("ml",)), "clean", id="several-options-narrow"),
]


@pytest.mark.parametrize(("selection", "expected"), SELECTIONS)
def test_selection(selection: Selection, expected: str) -> None:
    plan = compile_plan(CONFIG, "all", selection=selection)

    assert names(plan) == expected.split()
    assert {*names(plan), *plan.not_selected} == set(FLOWS)
    assert plan.selection == selection


def test_only_what_is_selected_is_needed() -> None:
    plan = compile_plan(CONFIG, "all", selection=Selection(tasks=("clean", "publish")))

    assert [job.needs for job in plan.jobs] == [(), ()]
    assert plan.produced == {"rows": "clean", "page": "publish"}


@pytest.mark.parametrize(
    ("selection", "message", "hint"),
    [
        pytest.param(
            Selection(tasks=("clena",)),
            "--task `clena` matches no task of the scenario",
            "did you mean `clean`?",
            id="task",
        ),
        pytest.param(
            Selection(from_=("x*",)), "--from `x*` matches no task of the scenario", None, id="from"
        ),
        pytest.param(
            Selection(to=("pubish",)),
            "--to `pubish` matches no task of the scenario",
            "did you mean `publish`?",
            id="to",
        ),
        pytest.param(
            Selection(exclude=("xyz",)),
            "--exclude `xyz` matches no task of the scenario",
            None,
            id="exclude",
        ),
        pytest.param(
            Selection(tags=("slwo",)),
            "--tag `slwo` is a tag of no task of the scenario",
            "did you mean `slow`?",
            id="tag",
        ),
        pytest.param(
            Selection(sequence="xyz"),
            "scenario `all` has no sequence `xyz`",
            "there are prepare",
            id="sequence",
        ),
        pytest.param(
            Selection(tasks=("load",), tags=("ml",)),
            "nothing is selected",
            "no task fits all options",
            id="nothing-left",
        ),
    ],
)
def test_a_selection_that_fits_nothing(
    selection: Selection, message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError, match=r"select|match|tag|sequence") as caught:
        compile_plan(CONFIG, "all", selection=selection)

    assert str(caught.value) == message
    assert (caught.value.code, caught.value.hint) == ("RUN211", hint)


def test_scenarios_that_can_be_planned() -> None:
    assert scenario_ids(CONFIG) == ("all", "few")
    assert scenario_ids(Config()) == ()


def test_tasks_alone_are_one_scenario() -> None:
    config = config_of(FLOWS)

    assert scenario_ids(config) == ("default",)
    assert find_scenario(config, "default").tasks == tuple(FLOWS)
    assert len(compile_plan(config, "default").jobs) == 5


@pytest.mark.parametrize(
    ("config", "wanted", "hint"),
    [
        pytest.param(CONFIG, "al", "did you mean `all`?", id="near"),
        pytest.param(CONFIG, "monthly", "there are all, few", id="far"),
        pytest.param(CONFIG, "default", "there are all, few", id="not-implicit"),
        pytest.param(Config(), "all", "the config has no tasks", id="none"),
    ],
)
def test_an_unknown_scenario(config: Config, wanted: str, hint: str) -> None:
    with pytest.raises(UsageError, match=r"unknown scenario") as caught:
        compile_plan(config, wanted)

    assert str(caught.value) == f"unknown scenario `{wanted}`"
    assert caught.value.hint == hint


def test_a_scenario_without_tasks_has_nothing_to_run() -> None:
    config = config_of({}, empty=ScenarioConfig(id="empty", additional_data_nodes=("extra",)))

    plan = compile_plan(config, "empty")

    assert plan.jobs == ()
    assert list(plan.data_nodes) == ["extra"]


@pytest.mark.parametrize("turned", [False, True], ids=["in-order", "backwards"])
def test_a_long_chain_does_not_recurse(turned: bool) -> None:
    count = 100_000
    numbers: Sequence[int] = range(count)[::-1] if turned else range(count)
    flows = {f"t{number}": (f"n{number}", f"n{number + 1}") for number in numbers}

    plan = compile_plan(config_of(flows), "default", selection=Selection(to=(f"t{count - 1}",)))

    assert [job.task.id for job in plan.jobs[:3]] == ["t0", "t1", "t2"]
    assert len(plan.jobs) == count
    assert plan.jobs[-1].needs == (count - 2,)


def test_a_part_of_a_plan() -> None:
    plan = restricted(compile_plan(CONFIG, "all"), {"train", "publish", "audit"})

    assert names(plan) == ["audit", "train", "publish"]
    assert [job.needs for job in plan.jobs] == [(), (), (1,)]
    assert plan.produced == {"findings": "audit", "model": "train", "page": "publish"}
    assert set(plan.sources) == {"table", "rows"}
    assert plan.not_selected == ("load", "clean")


def test_nothing_of_a_plan() -> None:
    assert restricted(compile_plan(CONFIG, "all"), set()).jobs == ()
