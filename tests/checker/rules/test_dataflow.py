from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from runner.checker.check import check
from runner.checker.rules.dataflow import MOST_SHOWN, cycles, flows, has_source, multiple_producers
from runner.config.loader import Loaded
from runner.config.model import Config, DataNodeConfig, TaskConfig
from runner.config.references import FunctionRef
from runner.diagnostics import Related

NO_SOURCE = "(give [DATA_NODE.a] a `default_data` or a `path`, or write it before the run)"


def task(name: str, inputs: str = "", outputs: str = "") -> str:
    """A task; the data nodes by letters: `ab` are `a` and `b`."""
    return f"[TASK.{name}]\nfunction = 'm.f'\ninputs = {list(inputs)}\noutputs = {list(outputs)}\n"


def nodes(letters: str) -> str:
    return "".join(f"[DATA_NODE.{letter}]\n" for letter in letters)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            nodes("ab") + task("x", "a", "b") + task("y", "b", "a"),
            ["TASK.x: error[RUN203]: tasks form a cycle: x -> y -> x"],
            id="two",
        ),
        pytest.param(
            nodes("abc") + task("x", "c", "a") + task("y", "a", "b") + task("z", "b", "c"),
            ["TASK.x: error[RUN203]: tasks form a cycle: x -> y -> z -> x"],
            id="three",
        ),
        pytest.param(
            nodes("abcd")
            + task("x", "a", "b")
            + task("y", "b", "a")
            + task("v", "c", "d")
            + task("w", "d", "c"),
            [
                "TASK.x: error[RUN203]: tasks form a cycle: x -> y -> x",
                "TASK.v: error[RUN203]: tasks form a cycle: v -> w -> v",
            ],
            id="two-cycles",
        ),
        pytest.param(
            nodes("abc") + task("before", "", "c") + task("x", "ac", "b") + task("y", "b", "a"),
            ["TASK.x: error[RUN203]: tasks form a cycle: x -> y -> x"],
            id="behind-a-task",
        ),
        pytest.param(
            nodes("ab")
            + task("x", "a", "b")
            + task("y", "b", "a")
            + "[SCENARIO.r]\ntasks = ['x', 'y']\n[SCENARIO.s]\ntasks = ['y', 'x']\n",
            ["TASK.x: error[RUN203]: tasks form a cycle: x -> y -> x"],
            id="told-once-for-all-scenarios",
        ),
        pytest.param(
            nodes("ab")
            + task("x", "a", "b")
            + task("y", "b", "a")
            + "[DATA_NODE.a.default_data]\n[DATA_NODE.b.default_data]\n"
            + "[SCENARIO.r]\ntasks = ['x']\n[SCENARIO.s]\ntasks = ['y']\n",
            [],
            id="no-cycle-in-any-scenario",
        ),
        pytest.param(
            nodes("abc") + task("x", "", "a") + task("y", "a", "b") + task("z", "ab", "c"),
            [],
            id="two-ways-are-no-cycle",
        ),
    ],
)
def test_cycles(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_a_cycle_tells_each_of_its_edges(loaded: Callable[[str], Loaded]) -> None:
    text = nodes("ab") + task("x", "a", "b") + task("y", "b", "a")
    config = loaded(text).config
    (diagnostic,) = cycles(config, flows(config))
    assert diagnostic.on_key
    assert diagnostic.related == (
        Related(message="x writes `b`, which y reads", key=("TASK", "x", "outputs", 0)),
        Related(message="y writes `a`, which x reads", key=("TASK", "y", "outputs", 0)),
    )


def test_a_long_cycle_is_told_in_short() -> None:
    count = 100_000
    config = Config(
        data_nodes={f"d{i}": DataNodeConfig(id=f"d{i}") for i in range(count)},
        tasks={
            f"t{i}": TaskConfig(
                id=f"t{i}",
                function=FunctionRef("m.f"),
                inputs=(f"d{i}",),
                outputs=(f"d{(i + 1) % count}",),
            )
            for i in range(count)
        },
    )
    (diagnostic,) = cycles(config, flows(config))
    path = " -> ".join(f"t{i}" for i in range(MOST_SHOWN))
    assert diagnostic.message == f"tasks form a cycle: {path} -> (99,988 more) -> t0"
    assert len(diagnostic.related) == MOST_SHOWN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            nodes("a") + task("x", "", "a") + task("y", "", "a"),
            ["TASK.y.outputs.0: error[RUN204]: tasks `x` and `y` both write `a`"],
            id="without-scenario",
        ),
        pytest.param(
            nodes("a")
            + task("x", "", "a")
            + task("y", "", "a")
            + task("z", "", "a")
            + "[SCENARIO.r]\ntasks = ['x', 'y', 'z']\n[SCENARIO.s]\ntasks = ['x', 'y']\n",
            [
                "TASK.y.outputs.0: error[RUN204]: tasks `x` and `y` both write `a`",
                "TASK.z.outputs.0: error[RUN204]: tasks `x` and `z` both write `a`",
            ],
            id="each-told-once",
        ),
        pytest.param(
            nodes("a")
            + task("x", "", "a")
            + task("y", "", "a")
            + "[SCENARIO.r]\ntasks = ['x']\n[SCENARIO.s]\ntasks = ['y']\n",
            [],
            id="in-different-scenarios",
        ),
        pytest.param(
            nodes("a") + task("x", "", "a") + "[SCENARIO.s]\ntasks = ['x', 'x']\n",
            [],
            id="one-task-named-twice",
        ),
        pytest.param(
            nodes("ab") + task("x", "", "aba"),
            ["TASK.x.outputs.2: error[RUN204]: task `x` writes `a` twice"],
            id="twice-by-one-task",
        ),
    ],
)
def test_producers(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_a_second_producer_shows_the_first(loaded: Callable[[str], Loaded]) -> None:
    text = nodes("ab") + task("x", "", "ba") + task("y", "", "a")
    config = loaded(text).config
    (diagnostic,) = multiple_producers(config, flows(config))
    assert diagnostic.related == (
        Related(message="`x` writes it here", key=("TASK", "x", "outputs", 1)),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            nodes("a") + task("x", "a", "a"),
            [
                (
                    "TASK.x.outputs.0: error[RUN209]: task `x` reads and writes `a` "
                    "(write to a data node of its own)"
                )
            ],
            id="reads-what-it-writes",
        ),
        pytest.param("[DATA_NODE.a]\ndefault_data = 1\n" + task("x", "aa"), [], id="reads-twice"),
    ],
)
def test_a_task_of_its_own(
    found: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            nodes("a") + task("x", "a"),
            [
                (
                    "TASK.x.inputs.0: warning[RUN206]: nothing in scenario `default` writes `a`, "
                    f"and it has no value {NO_SOURCE}"
                )
            ],
            id="without-scenario",
        ),
        pytest.param(
            nodes("a")
            + task("x", "", "a")
            + task("y", "a")
            + "[SCENARIO.r]\ntasks = ['x']\n[SCENARIO.s]\ntasks = ['y']\n",
            [
                (
                    "TASK.y.inputs.0: warning[RUN206]: nothing in scenario `s` writes `a`, "
                    f"and it has no value {NO_SOURCE}"
                )
            ],
            id="written-in-another-scenario",
        ),
        pytest.param(
            nodes("a")
            + task("x", "a")
            + task("y", "a")
            + "[SCENARIO.r]\ntasks = ['x']\n[SCENARIO.s]\ntasks = ['x', 'y']\n",
            [
                (
                    "TASK.x.inputs.0: warning[RUN206]: nothing in scenario `r` writes `a`, "
                    f"and it has no value {NO_SOURCE}"
                ),
                (
                    "TASK.y.inputs.0: warning[RUN206]: nothing in scenario `s` writes `a`, "
                    f"and it has no value {NO_SOURCE}"
                ),
            ],
            id="each-input-told-once",
        ),
        pytest.param(nodes("a") + task("x", "", "a") + task("y", "a"), [], id="written"),
        pytest.param(nodes("a") + task("y", "a") + task("x", "", "a"), [], id="written-later"),
    ],
)
def test_inputs_without_source(
    found: Callable[[str], list[str]], text: str, expected: list[str]
) -> None:
    assert found(text) == expected


DATABASE = "db_name = 'd'\ndb_engine = 'sqlite'"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        pytest.param("", False, id="nothing"),
        pytest.param("default_data = 0", True, id="default"),
        pytest.param("default_data = 'm.f:function'", True, id="default-function"),
        pytest.param("path = 'a.p'", True, id="path"),
        pytest.param("default_path = 'a.p'", True, id="default-path"),
        pytest.param("storage_type = 'in_memory'", False, id="in-memory"),
        pytest.param("storage_type = 'csv'", False, id="file-of-the-runner"),
        pytest.param(
            f"storage_type = 'sql_table'\ntable_name = 't'\n{DATABASE}", True, id="database"
        ),
        pytest.param("storage_type = 'generic'\nread_fct = 'm.f'", True, id="generic-reads"),
        pytest.param("storage_type = 'generic'\nwrite_fct = 'm.f'", True, id="generic-writes"),
    ],
)
def test_has_source(loaded: Callable[[str], Loaded], keys: str, expected: bool) -> None:
    node = loaded(f"[DATA_NODE.a]\n{keys}\n").config.data_nodes["a"]
    assert has_source(node) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[SCENARIO.s]\n",
            ["SCENARIO.s: warning[RUN208]: scenario `s` has no tasks"],
            id="no-tasks",
        ),
        pytest.param(
            "[SCENARIO.s]\ntasks = []\n",
            ["SCENARIO.s: warning[RUN208]: scenario `s` has no tasks"],
            id="empty-list",
        ),
        pytest.param(task("x") + "[SCENARIO.s]\ntasks = ['x']\n", [], id="a-task"),
        pytest.param(
            task("x") + "[Scenario.s]\ntasks = ['x']\n[SCENARIO.s.properties]\ncolour = 1\n",
            ["Scenario: error[RUN102]: unknown section `Scenario` (did you mean `SCENARIO`?)"],
            id="misspelt-section",
        ),
    ],
)
def test_empty_scenarios(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(text) == expected


SHARED = "[DATA_NODE.a]\nscope = 'CYCLE'\n" + task("x", "", "a") + task("y", "a")
ACTS_AS_GLOBAL = (
    "DATA_NODE.a.scope: warning[RUN116]: `a` has scope CYCLE, scenario `s` no frequency "
    "(it acts as GLOBAL there)"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            SHARED + "[SCENARIO.s]\ntasks = ['x', 'y']\n", [ACTS_AS_GLOBAL], id="no-frequency"
        ),
        pytest.param(
            SHARED + "[SCENARIO.s]\ntasks = ['x']\n[SCENARIO.r]\ntasks = ['x', 'y']\n",
            [ACTS_AS_GLOBAL],
            id="told-once",
        ),
        pytest.param(
            SHARED + "[SCENARIO.s]\ntasks = ['x', 'y']\nfrequency = 'DAILY'\n", [], id="frequency"
        ),
        pytest.param(SHARED, [], id="without-scenario"),
        pytest.param(
            SHARED + "[SCENARIO.s]\ntasks = ['x', 'y']\nfrequency = 5\n",
            [
                (
                    "SCENARIO.s.frequency: error[RUN105]: "
                    "expected DAILY or WEEKLY or MONTHLY or QUARTERLY or YEARLY, got 5"
                )
            ],
            id="frequency-that-cannot-be-read",
        ),
    ],
)
def test_cycle_scope(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(text) == expected


def test_rules_keep_quiet_about_a_config_of_which_a_file_is_missing(
    loaded: Callable[[str], Loaded],
) -> None:
    config = loaded(nodes("a") + task("x", "a", "b")).config
    assert check(config) != []
    assert check(attrs.evolve(config, unread=frozenset({()}))) == []
