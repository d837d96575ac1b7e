from __future__ import annotations

import functools
import marshal
import operator
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from runner.config.loader import load_config
from runner.config.references import FunctionRef
from runner.data.storage import write_all
from runner.execution.blueprint import (
    Blueprint,
    Functions,
    blueprint_of,
    first_of,
)
from runner.execution.definitions import function_from, storage_from
from runner.execution.executor import Work
from runner.execution.importing import UserCodeError
from runner.execution.instance import open_instance
from runner.execution.session import session_of
from runner.execution.values import EncodedMemory
from runner.plan.compiler import compile_plan

TEXT: Final = """\
[DATA_NODE.a]
storage_type = "in_memory"
default_data = 1
[DATA_NODE.b]
storage_type = "in_memory"
[DATA_NODE.c]
[DATA_NODE.d]
storage_type = "json"
encoder = "json.JSONEncoder:class"
decoder = "json.JSONDecoder:class"
[TASK.first]
function = "builtins.abs"
inputs = ["a"]
outputs = ["b"]
timeout = "1m"
[TASK.second]
function = "operator.add"
inputs = ["a", "b"]
outputs = ["c"]
[TASK.third]
function = "builtins.abs"
inputs = ["c"]
outputs = ["d"]
"""

Prepare = Callable[..., Work]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    def prepare_work(text: str = TEXT) -> Work:
        path = tmp_path / "pipeline.toml"
        path.write_text(text, encoding="utf-8")
        config = load_config([path])
        plan = compile_plan(config, "default", name="default")
        session = session_of(config)
        memory = EncodedMemory(session.values)
        nodes = plan.data_nodes.values()
        created = datetime.now(UTC)
        instance = open_instance(config, "x", created, nodes, frequency=None, memory=memory)
        return Work(
            number=1, plan=plan, instance=instance, config=config, session=session, memory=memory
        )

    return prepare_work


@pytest.fixture
def blueprint(prepare: Prepare) -> Blueprint:
    return blueprint_of(prepare(), Functions(), 7)


def test_what_workers_are_told_is_plain(blueprint: Blueprint) -> None:
    assert marshal.loads(marshal.dumps(dict(blueprint.about))) == blueprint.about
    assert blueprint.number == 7


def test_what_the_jobs_are(blueprint: Blueprint) -> None:
    ids = [node for node, _ in blueprint.about["nodes"]]
    jobs = [
        (task, function, [ids[place] for place in reads], [ids[place] for place in writes])
        for task, function, reads, writes in blueprint.about["jobs"]
    ]
    assert jobs == [
        ("first", 0, ["a"], ["b"]), ("second", 1, ["a", "b"], ["c"]), ("third", 0, ["c"], ["d"])
    ]  # fmt: skip
    assert blueprint.functions == {0, 1}


def test_which_values_travel(blueprint: Blueprint) -> None:
    a, b = "scenarios/x/a", "scenarios/x/b"

    assert blueprint.jobs == blueprint.about["jobs"]
    by_node = dict(zip(dict(blueprint.about["nodes"]), blueprint.keys, strict=True))
    assert by_node == {"a": a, "b": b, "c": None, "d": None}


def test_how_often_a_node_is_read(blueprint: Blueprint) -> None:
    ids = [node for node, _ in blueprint.about["nodes"]]
    assert {ids[place]: count for place, count in blueprint.readers.items()} == {
        "a": 2, "b": 1, "c": 1
    }  # fmt: skip


def test_which_jobs_have_a_limit(blueprint: Blueprint) -> None:
    assert blueprint.timeouts == {0: 60.0}


def test_which_data_nodes_workers_open_themselves(blueprint: Blueprint, prepare: Prepare) -> None:
    opened = dict(blueprint.about["nodes"])
    assert {node for node, opened_by in opened.items() if opened_by is None} == {"a", "b"}
    storage = storage_from("d", opened["d"])

    write_all([(storage, [1, 2])])

    assert storage.read() == [1, 2]
    assert prepare().instance.storages["d"].read() == [1, 2]
    assert sorted(blueprint.about["classes"]) == ["json.JSONDecoder", "json.JSONEncoder"]


def test_which_default_data_is_written_where(prepare: Prepare) -> None:
    work = prepare()
    nodes = work.plan.data_nodes

    in_memory, in_a_file = first_of(work, [nodes["a"], nodes["c"]])

    assert in_memory[1] is None
    assert in_a_file[1] is not None


def twice(value: int) -> int:
    return 2 * value


def given(target: Callable[..., Any]) -> FunctionRef:
    return FunctionRef("given", target)


@pytest.mark.parametrize(
    ("ref", "definition"),
    [
        pytest.param(FunctionRef("builtins.abs"), "builtins.abs", id="name"),
        pytest.param(given(abs), "builtins.abs", id="built-in"),
        pytest.param(given(operator.add), "_operator.add", id="imported-name"),
        pytest.param(given(Path.exists), "pathlib.Path.exists", id="method"),
    ],
)
def test_functions_that_go_by_name(ref: FunctionRef, definition: str) -> None:
    functions = Functions()

    assert functions.number(ref) == 0
    assert functions.definitions == [definition]


@pytest.mark.parametrize(
    ("target", "argument", "result"),
    [
        pytest.param(lambda value: value + 1, 1, 2, id="lambda"),
        pytest.param(functools.partial(operator.add, 5), 1, 6, id="partial"),
        pytest.param([1, 2].count, 2, 1, id="bound-method"),
        pytest.param(operator.itemgetter(0), "abc", "a", id="callable-object"),
    ],
)
def test_functions_that_go_themselves(
    target: Callable[..., Any], argument: object, result: object
) -> None:
    functions = Functions()
    functions.number(given(target))
    (definition,) = functions.definitions

    assert isinstance(definition, bytes)
    assert function_from(definition)(argument) == result


def test_a_function_has_one_number() -> None:
    functions = Functions()
    refs = [FunctionRef("builtins.abs"), given(lambda: 1), FunctionRef("builtins.abs"), given(abs)]

    assert [functions.number(ref) for ref in refs] == [0, 1, 0, 0]


def test_a_function_that_was_defined_again_has_another_number() -> None:
    functions = Functions()
    first = functions.number(given(lambda: 1))
    second = functions.number(given(lambda: 2))

    assert [function_from(functions.definitions[each])() for each in (first, second)] == [1, 2]


def test_a_function_that_cannot_be_pickled() -> None:
    lock = threading.Lock()

    with pytest.raises(TypeError, match=r"cannot pickle '_thread\.lock' object"):
        Functions().number(given(lambda: lock))


def test_a_name_that_leads_nowhere() -> None:
    with pytest.raises(UserCodeError, match=r"`nowhere\.function` cannot be imported"):
        function_from("nowhere.function")
