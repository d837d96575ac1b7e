from __future__ import annotations

from collections.abc import Callable

import pytest

from runner.checker.rules.references import unknown_data_nodes
from runner.config.loader import Loaded
from runner.diagnostics import Related

GOOD = """
[DATA_NODE.raw]
default_data = 1
[DATA_NODE.limits]
[DATA_NODE.clean_data]
[TASK.clean]
function = "m.f"
inputs = ["raw"]
outputs = ["clean_data"]
[TASK.publish]
function = "m.f"
inputs = ["clean_data"]
[SCENARIO.daily]
tasks = ["clean", "publish"]
additional_data_nodes = ["limits"]
[SCENARIO.daily.sequences]
first = ["clean"]
[SCENARIO.daily.comparators]
clean_data = "m.f"
"""


def test_ids_that_are_declared(found: Callable[[str], list[str]]) -> None:
    assert found(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            'inputs = ["raw"]',
            'inputs = ["raw", "rwa"]',
            ["TASK.clean.inputs.1: error[RUN201]: unknown data node `rwa` (did you mean `raw`?)"],
            id="input",
        ),
        pytest.param(
            'outputs = ["clean_data"]',
            'outputs = ["claen_data"]',
            [
                (
                    "TASK.clean.outputs.0: error[RUN201]: unknown data node `claen_data` "
                    "(did you mean `clean_data`?)"
                )
            ],
            id="output",
        ),
        pytest.param(
            '["limits"]',
            '["limit"]',
            [
                (
                    "SCENARIO.daily.additional_data_nodes.0: error[RUN201]: "
                    "unknown data node `limit` (did you mean `limits`?)"
                )
            ],
            id="additional-data-node",
        ),
        pytest.param(
            'clean_data = "m.f"',
            'clean_date = "m.f"',
            [
                (
                    "SCENARIO.daily.comparators.clean_date: error[RUN201]: "
                    "unknown data node `clean_date` (did you mean `clean_data`?)"
                )
            ],
            id="comparator",
        ),
        pytest.param(
            '["raw"]',
            '["raw", "something_else"]',
            ["TASK.clean.inputs.1: error[RUN201]: unknown data node `something_else`"],
            id="nothing-near",
        ),
        pytest.param(
            '["raw"]',
            '["DATA_NODE.raw"]',
            [
                (
                    "TASK.clean.inputs.0: error[RUN201]: unknown data node `DATA_NODE.raw` "
                    "(did you mean `raw`?)"
                )
            ],
            id="with-its-section",
        ),
        pytest.param(
            '["raw"]',
            '["r\u0430w"]',
            [
                (
                    "TASK.clean.inputs.0: error[RUN201]: unknown data node `r\u0430w` "
                    "(did you mean `raw`? `\u0430` is U+0430)"
                )
            ],
            id="letter-that-looks-alike",
        ),
        pytest.param(
            '["raw"]',
            '["raw", "publish"]',
            [
                (
                    "TASK.clean.inputs.1: error[RUN201]: unknown data node `publish` "
                    "(`publish` is a task)"
                )
            ],
            id="task-as-data-node",
        ),
        pytest.param(
            '["raw"]',
            '["raw", "daily"]',
            [
                (
                    "TASK.clean.inputs.1: error[RUN201]: unknown data node `daily` "
                    "(`daily` is a scenario)"
                )
            ],
            id="scenario-as-data-node",
        ),
        pytest.param(
            'tasks = ["clean", "publish"]',
            'tasks = ["clean", "publihs"]',
            [
                (
                    "SCENARIO.daily.tasks.1: error[RUN202]: unknown task `publihs` "
                    "(did you mean `publish`?)"
                )
            ],
            id="task",
        ),
        pytest.param(
            '"publish"]',
            '"publish", "limits"]',
            [
                (
                    "SCENARIO.daily.tasks.2: error[RUN202]: unknown task `limits` "
                    "(`limits` is a data node)"
                )
            ],
            id="data-node-as-task",
        ),
        pytest.param(
            'first = ["clean"]',
            'first = ["clean", "claen"]',
            [
                (
                    "SCENARIO.daily.sequences.first.1: error[RUN202]: unknown task `claen` "
                    "(did you mean `clean`?)"
                )
            ],
            id="task-of-sequence",
        ),
        pytest.param(
            'tasks = ["clean", "publish"]',
            'tasks = ["publish"]',
            [
                (
                    "SCENARIO.daily.sequences.first.0: error[RUN207]: "
                    "`clean` is no task of scenario `daily` (add it to `tasks` of [SCENARIO.daily])"
                ),
                "TASK.clean: warning[RUN205]: task `clean` is in no scenario",
                (
                    "TASK.publish.inputs.0: warning[RUN206]: "
                    "nothing in scenario `daily` writes `clean_data`, and it has no value "
                    "(give [DATA_NODE.clean_data] a `default_data` or a `path`, "
                    "or write it before the run)"
                ),
            ],
            id="sequence-task-not-in-scenario",
        ),
        pytest.param(
            'additional_data_nodes = ["limits"]',
            "",
            [
                (
                    "DATA_NODE.limits: warning[RUN205]: data node `limits` is used by no task "
                    "(`additional_data_nodes` of a scenario keeps it)"
                )
            ],
            id="unused-data-node",
        ),
        pytest.param(
            "[SCENARIO.daily]",
            '[TASK.more]\nfunction = "m.f"\n[SCENARIO.daily]',
            ["TASK.more: warning[RUN205]: task `more` is in no scenario"],
            id="unused-task",
        ),
    ],
)
def test_ids_that_lead_nowhere(
    found: Callable[[str], list[str]], old: str, new: str, expected: list[str]
) -> None:
    assert GOOD.count(old) == 1
    assert found(GOOD.replace(old, new)) == expected


def test_nothing_is_unused_without_a_scenario(found: Callable[[str], list[str]]) -> None:
    assert found("[DATA_NODE.raw]\n[TASK.clean]\nfunction = 'm.f'\n") == []


def test_a_suggestion_says_where_the_meant_one_is(loaded: Callable[[str], Loaded]) -> None:
    text = "[DATA_NODE.raw]\n[TASK.t]\nfunction = 'm.f'\ninputs = ['rwa']\n"
    (diagnostic,) = unknown_data_nodes(loaded(text).config)
    assert diagnostic.label == "no [DATA_NODE.rwa] in any file"
    assert diagnostic.related == (
        Related(message="`raw` is declared here", key=("DATA_NODE", "raw")),
    )


def test_what_nothing_names_is_meant_first(found: Callable[[str], list[str]]) -> None:
    text = "[DATA_NODE.row_11]\n[DATA_NODE.row_1]\n[TASK.t]\nfunction = 'm.f'\n"
    assert found(f"{text}outputs = ['row_11', 'row_12']\n") == [
        "TASK.t.outputs.1: error[RUN201]: unknown data node `row_12` (did you mean `row_1`?)"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "DATA_NODE = 5\n[TASK.t]\nfunction = 'm.f'\ninputs = ['a']\n",
            ["DATA_NODE: error[RUN105]: expected a table `[DATA_NODE]`, got 5"],
            id="data-nodes",
        ),
        pytest.param(
            "[DATA_NODES.a]\n[TASK.t]\nfunction = 'm.f'\ninputs = ['a']\n",
            ["DATA_NODES: error[RUN102]: unknown section `DATA_NODES` (did you mean `DATA_NODE`?)"],
            id="misspelt-data-nodes",
        ),
        pytest.param(
            "[TASKS.t]\nfunction = 'm.f'\n[SCENARIO.s]\ntasks = ['t']\n",
            ["TASKS: error[RUN102]: unknown section `TASKS` (did you mean `TASK`?)"],
            id="misspelt-tasks",
        ),
        pytest.param(
            "[task.t]\nfunction = 'm.f'\n[SCENARIO.s]\ntasks = ['t']\n",
            ["task: error[RUN102]: unknown section `task` (did you mean `TASK`?)"],
            id="lower-case",
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'm.f'\n[SCENARIO.s]\ntasks = 't'\n"
            "[SCENARIO.s.sequences]\nq = ['t']\n",
            ['SCENARIO.s.tasks: error[RUN105]: expected a list of ids, got "t" (write ["t"])'],
            id="tasks-of-scenario",
        ),
        pytest.param(
            "[DATA_NODE.a]\n[TASK.t]\nfunction = 'm.f'\noutputs = 'a'\n"
            "[TASK.u]\nfunction = 'm.f'\ninputs = ['a']\n[SCENARIO.s]\ntasks = ['t', 'u']\n",
            ['TASK.t.outputs: error[RUN105]: expected a list of ids, got "a" (write ["a"])'],
            id="outputs",
        ),
        pytest.param(
            "[DATA_NODE.a]\n[TASK.t]\nfunction = 'm.f'\nouputs = ['a']\n"
            "[TASK.u]\nfunction = 'm.f'\ninputs = ['a']\n[SCENARIO.s]\ntasks = ['t', 'u']\n",
            [
                (
                    "TASK.t.ouputs: error[RUN103]: unknown key `ouputs` in `[TASK.t]` "
                    "(did you mean `outputs`?)"
                )
            ],
            id="misspelt-outputs",
        ),
        pytest.param(
            "[DATA_NODE.a]\n[TASK.t]\nfunction = 'm.f'\noutputs = ['aa']\n"
            "[TASK.u]\nfunction = 'm.f'\ninputs = ['a']\n[SCENARIO.s]\ntasks = ['t', 'u']\n",
            ["TASK.t.outputs.0: error[RUN201]: unknown data node `aa` (did you mean `a`?)"],
            id="misspelt-output",
        ),
        pytest.param(
            "[DATA_NODE.a]\n[TASK.make]\nfunction = 'm.f'\noutputs = ['a']\n"
            "[TASK.u]\nfunction = 'm.f'\ninputs = ['a']\n[SCENARIO.s]\ntasks = ['maek', 'u']\n",
            ["SCENARIO.s.tasks.0: error[RUN202]: unknown task `maek` (did you mean `make`?)"],
            id="misspelt-task",
        ),
        pytest.param(
            "[DATA_NODE.a]\npath = 5\n[TASK.t]\nfunction = 'm.f'\ninputs = ['a']\n",
            ["DATA_NODE.a.path: error[RUN105]: expected str, got 5"],
            id="path",
        ),
        pytest.param(
            "[SCENARIO]\ns = 5\n[TASK.t]\nfunction = 'm.f'\n",
            ["SCENARIO.s: error[RUN105]: expected a table `[SCENARIO.s]`, got 5"],
            id="scenario",
        ),
        pytest.param(
            "[DATA_NODE.a]\n[TASK.t]\nfunction = 'm.f'\noutputs = ['a']\n"
            "[TASK.u]\nfunction = 'm.f'\noutputs = ['a']\n"
            "[SCENARIOS.s]\ntasks = ['t']\n[SCENARIOS.r]\ntasks = ['u']\n",
            ["SCENARIOS: error[RUN102]: unknown section `SCENARIOS` (did you mean `SCENARIO`?)"],
            id="misspelt-scenarios",
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'm.f'\n[scenario.s]\ntasks = ['t']\n"
            "[SCENARIO.s.sequences]\nq = ['t']\n",
            ["scenario: error[RUN102]: unknown section `scenario` (did you mean `SCENARIO`?)"],
            id="misspelt-scenario-with-sequences",
        ),
        pytest.param(
            "[TASK.make]\nfunction = 'm.f'\n[SCENARIO.s]\ntasks = ['maek']\n"
            "[SCENARIO.s.sequences]\nq = ['make']\n",
            ["SCENARIO.s.tasks.0: error[RUN202]: unknown task `maek` (did you mean `make`?)"],
            id="misspelt-task-of-a-sequence",
        ),
        pytest.param(
            "[TASK.make]\nfunction = 'm.f'\n[SCENARIO.s]\ntasks = ['other']\n"
            "[SCENARIO.s.sequences]\nq = ['make']\n",
            ["SCENARIO.s.tasks.0: error[RUN202]: unknown task `other`"],
            id="unknown-task-of-a-sequence",
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'm.f'\n[TASK.u]\nfunction = 'm.f'\n"
            "[SCENARIO.s]\ntasks = ['t']\n[SCENARIO.r]\ntasks = []\n",
            ["SCENARIO.r: warning[RUN208]: scenario `r` has no tasks"],
            id="tasks-of-an-empty-scenario",
        ),
        pytest.param(
            "[DATA_NODE.a]\n[TASK.step_1]\nfunction = 'm.f'\n"
            "[SCENARIO.s]\ntasks = ['step_1', 'step_2']\n",
            ["SCENARIO.s.tasks.1: error[RUN202]: unknown task `step_2` (did you mean `step_1`?)"],
            id="task-that-is-not-there",
        ),
    ],
)
def test_nothing_follows_from_what_could_not_be_read(
    found: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert found(text) == expected


def test_a_path_leads_to_the_data_node_that_has_it(found: Callable[[str], list[str]]) -> None:
    text = GOOD.replace("default_data = 1", 'path = "raw.p"').replace('["raw"]', '["raw.p"]')
    assert found(text) == [
        "TASK.clean.inputs.0: error[RUN201]: unknown data node `raw.p` (did you mean `raw`?)"
    ]
    text = GOOD.replace("default_data = 1", 'path = "in/rows.p"').replace(
        '["raw"]', '["in/rows.p"]'
    )
    assert found(text) == [
        (
            "TASK.clean.inputs.0: error[RUN201]: unknown data node `in/rows.p` "
            "(name a data node; `raw` has this path)"
        )
    ]


def test_the_nearest_is_looked_for_only_so_often(found: Callable[[str], list[str]]) -> None:
    unknown = [f"nod{index}" for index in range(60)]
    text = "".join(f"[DATA_NODE.node{index}]\n" for index in range(60))
    told = found(f"{text}[TASK.t]\nfunction = 'm.f'\ninputs = {unknown}\n")
    assert len(told) == 60
    assert sum("did you mean" in each for each in told) == 50
