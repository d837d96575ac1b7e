from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import pytest

from runner.checker.rules.functions import wrong_functions
from runner.config.loader import Loaded
from runner.config.model import Config, TaskConfig
from runner.config.references import FunctionRef
from runner.diagnostics import Place, Position, Related
from runner.functions.modules import modules_of

FindIn: TypeAlias = Callable[[str, Mapping[str, str]], list[str]]

MODULES = {
    "tasks.py": """\
import functools

def none(): ...
def one(a): ...
def two(a, b): ...
def optional(a, b=1): ...
def any_number(*args): ...
def at_least_one(a, *args): ...
def keyword(a, *, b): ...
def keyword_optional(a, *, b=1): ...
async def awaited(a): ...
bound = functools.partial(two, 1)
short = lambda a: a
number = 5

class Model:
    def __init__(self, a, b): ...
    def method(self, a): ...
    @classmethod
    def make(cls, a): ...
    @staticmethod
    def load(a): ...

@functools.wraps(one)
def wrapped(*args): ...

@unknown
def decorated(a): ...
""",
    "pkg/__init__.py": "",
    "pkg/algo.py": "def train(features, params, seed): ...\n",
    "broken.py": "def f(:\n",
}


def config(function: str, inputs: int) -> str:
    """A task with so many inputs."""
    nodes = "".join(f"[DATA_NODE.n{i}]\ndefault_data = 1\n" for i in range(inputs))
    ids = [f"n{i}" for i in range(inputs)]
    return f"{nodes}[TASK.t]\nfunction = '{function}'\ninputs = {ids}\n"


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        pytest.param("tasks.none", 0, id="none"),
        pytest.param("tasks.two", 2, id="two"),
        pytest.param("tasks.optional", 1, id="default-left-out"),
        pytest.param("tasks.optional", 2, id="default-given"),
        pytest.param("tasks.any_number", 0, id="args-none"),
        pytest.param("tasks.any_number", 5, id="args-many"),
        pytest.param("tasks.at_least_one", 3, id="one-and-args"),
        pytest.param("tasks.keyword_optional", 1, id="keyword-with-default"),
        pytest.param("tasks.awaited", 1, id="async"),
        pytest.param("tasks.bound", 1, id="partial"),
        pytest.param("tasks.short", 1, id="lambda"),
        pytest.param("tasks.Model", 2, id="class"),
        pytest.param("tasks.Model.make", 1, id="class-method"),
        pytest.param("tasks.Model.load", 1, id="static-method"),
        pytest.param("tasks.Model.method", 2, id="method-of-the-class"),
        pytest.param("tasks.decorated", 7, id="decorator-nobody-knows"),
        pytest.param("tasks:two", 2, id="colon"),
        pytest.param("pkg.algo.train", 3, id="in-package"),
        pytest.param("json.dumps", 1, id="installed"),
        pytest.param("math.sqrt", 1, id="compiled"),
    ],
)
def test_functions_that_fit(found_in: FindIn, function: str, inputs: int) -> None:
    assert found_in(config(function, inputs), MODULES) == []


@pytest.mark.parametrize(
    ("function", "inputs", "message"),
    [
        pytest.param("tasks.none", 1, "takes 0 arguments, [TASK.t] gives 1", id="none"),
        pytest.param("tasks.one", 0, "needs 1 argument, [TASK.t] gives 0", id="one"),
        pytest.param("tasks.one", 2, "takes 1 argument, [TASK.t] gives 2", id="too-many"),
        pytest.param("tasks.two", 1, "needs 2 arguments, [TASK.t] gives 1", id="two"),
        pytest.param(
            "tasks.optional", 0, "needs at least 1 argument, [TASK.t] gives 0", id="default"
        ),
        pytest.param(
            "tasks.optional", 3, "takes at most 2 arguments, [TASK.t] gives 3", id="past-default"
        ),
        pytest.param(
            "tasks.at_least_one", 0, "needs at least 1 argument, [TASK.t] gives 0", id="args"
        ),
        pytest.param(
            "tasks.keyword",
            1,
            "takes `b` by keyword only, which no task can give, [TASK.t] gives 1",
            id="keyword-only",
        ),
        pytest.param("tasks.keyword", 2, "takes 1 argument, [TASK.t] gives 2", id="past-keyword"),
        pytest.param("tasks.awaited", 2, "takes 1 argument, [TASK.t] gives 2", id="async"),
        pytest.param("tasks.bound", 2, "takes 1 argument, [TASK.t] gives 2", id="partial"),
        pytest.param("tasks.short", 0, "needs 1 argument, [TASK.t] gives 0", id="lambda"),
        pytest.param("tasks.Model", 1, "needs 2 arguments, [TASK.t] gives 1", id="class"),
        pytest.param(
            "tasks.Model.make", 2, "takes 1 argument, [TASK.t] gives 2", id="class-method"
        ),
        pytest.param(
            "tasks.Model.load", 2, "takes 1 argument, [TASK.t] gives 2", id="static-method"
        ),
        pytest.param(
            "tasks.Model.method", 1, "needs 2 arguments, [TASK.t] gives 1", id="method-of-the-class"
        ),
    ],
)
def test_arity(found_in: FindIn, function: str, inputs: int, message: str) -> None:
    told = found_in(config(function, inputs), MODULES)
    assert told == [f"TASK.t.inputs: error[RUN304]: `{function}` {message}"]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(
            "task.one", "error[RUN301]: no module `task` (did you mean `tasks`?)", id="module"
        ),
        pytest.param(
            "functions.one",
            "error[RUN301]: no module `functions` "
            "(there is no functions.py in <app>, and no such module is installed)",
            id="nothing-like-it",
        ),
        pytest.param(
            "pkg.alog.train",
            "error[RUN301]: no module `pkg.alog` (did you mean `pkg.algo`?)",
            id="submodule",
        ),
        pytest.param("pkg.other.train", "error[RUN301]: no module `pkg.other`", id="no-submodule"),
        pytest.param(
            "broken.f",
            "error[RUN301]: module `broken` cannot be read: invalid syntax (broken.py, line 1)",
            id="syntax-error",
        ),
        pytest.param(
            "tasks.onee",
            "error[RUN302]: module `tasks` has no name `onee` "
            "(did you mean `one`? It is at tasks.py:4:1)",
            id="name",
        ),
        pytest.param(
            "tasks.nothing_like_it",
            "error[RUN302]: module `tasks` has no name `nothing_like_it`",
            id="no-name",
        ),
        pytest.param(
            "tasks.Model.mkae",
            "error[RUN302]: class `tasks.Model` has no `mkae` "
            "(did you mean `make`? It is at tasks.py:20:5)",
            id="method",
        ),
        pytest.param(
            "tasks.number",
            "error[RUN303]: `tasks.number` is not callable (an int)",
            id="not-callable",
        ),
        pytest.param(
            "pkg.algo",
            "error[RUN303]: `pkg.algo` is a module (did you mean `pkg.algo.train`?)",
            id="module-as-function",
        ),
    ],
)
def test_functions_that_are_not_there(found_in: FindIn, function: str, expected: str) -> None:
    assert found_in(config(function, 0), MODULES) == [f"TASK.t.function: {expected}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("[DATA_NODE.d]\ndefault_data = 'tasks.none:function'\n", [], id="default"),
        pytest.param(
            "[DATA_NODE.d]\ndefault_data = 'tasks.optional:function'\n",
            [
                (
                    "DATA_NODE.d.default_data: error[RUN304]: `tasks.optional` makes default data, "
                    "is called without arguments and needs `a`"
                )
            ],
            id="default-with-argument",
        ),
        pytest.param(
            "[DATA_NODE.d]\ndefault_data = 'tasks.nnoe:function'\n",
            [
                (
                    "DATA_NODE.d.default_data: error[RUN302]: module `tasks` has no name `nnoe` "
                    "(did you mean `none`? It is at tasks.py:3:1)"
                )
            ],
            id="default-not-there",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'json'\nencoder = 'tasks.Model'\n"
            "decoder = 'tasks.Modle'\n",
            [
                (
                    "DATA_NODE.d.decoder: error[RUN302]: module `tasks` has no name `Modle` "
                    "(did you mean `Model`? It is at tasks.py:16:1)"
                )
            ],
            id="encoder-and-decoder",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'csv'\nexposed_type = 'tasks.number:class'\n",
            ["DATA_NODE.d.exposed_type: error[RUN303]: `tasks.number` is not callable (an int)"],
            id="exposed-type",
        ),
        pytest.param(
            "[DATA_NODE.d]\nstorage_type = 'generic'\nread_fct = 'tasks.one'\n"
            "write_fct = 'nothing.one'\n",
            [
                (
                    "DATA_NODE.d.write_fct: error[RUN301]: no module `nothing` "
                    "(there is no nothing.py in <app>, and no such module is installed)"
                )
            ],
            id="generic",
        ),
        pytest.param(
            "[DATA_NODE.d]\n[TASK.t]\nfunction = 'tasks.none'\noutputs = ['d']\n"
            "[SCENARIO.s]\ntasks = ['t']\n"
            "[SCENARIO.s.comparators]\nd = ['tasks.any_number', 'tasks.number']\n",
            [
                (
                    "SCENARIO.s.comparators.d.1: error[RUN303]: "
                    "`tasks.number` is not callable (an int)"
                )
            ],
            id="comparators",
        ),
        pytest.param(
            "[DATA_NODE.d]\n[TASK.t]\nfunction = 'tasks.two'\ninputs = 'd'\n",
            ['TASK.t.inputs: error[RUN105]: expected a list of ids, got "d" (write ["d"])'],
            id="inputs-that-could-not-be-read",
        ),
    ],
)
def test_other_references(found_in: FindIn, text: str, expected: list[str]) -> None:
    assert found_in(text, MODULES) == expected


@pytest.mark.parametrize(
    ("function", "inputs", "label"),
    [
        pytest.param("tasks.two", 0, "no inputs; nothing for `a`, `b`", id="no-inputs"),
        pytest.param("tasks.two", 1, "`n0`; nothing for `b`", id="one-missing"),
        pytest.param("tasks.one", 3, "`n0`, `n1`, `n2`; nothing takes `n1`, `n2`", id="spare"),
        pytest.param("tasks.keyword", 1, "`n0`; nothing for `b`", id="keyword-only"),
        pytest.param("tasks.keyword", 2, "`n0`, `n1`; nothing takes `n1`", id="past-keyword"),
    ],
)
def test_the_label_says_which(
    found_in: FindIn,
    loaded: Callable[[str], Loaded],
    function: str,
    inputs: int,
    label: str,
) -> None:
    found_in("", MODULES)
    checked = loaded(config(function, inputs)).config
    (diagnostic,) = wrong_functions(checked, modules_of(checked))
    assert diagnostic.label == label


def test_the_definition_is_shown(found_in: FindIn, loaded: Callable[[str], Loaded]) -> None:
    found_in("", MODULES)
    checked = loaded(config("tasks.two", 1)).config
    (diagnostic,) = wrong_functions(checked, modules_of(checked))
    start, end = Position(5, 1), Position(5, 8)
    assert diagnostic.related == (Related(message="", place=Place("tasks.py", start, end)),)


def test_objects_of_the_python_builder_are_looked_at(loaded: Callable[[str], Loaded]) -> None:
    ref = FunctionRef("<lambda>", target=lambda a: a)
    checked = Config(tasks={"t": TaskConfig(id="t", function=ref)})
    (diagnostic,) = wrong_functions(checked, modules_of(checked))
    assert diagnostic.message == "`<lambda>` needs 1 argument, [TASK.t] gives 0"


def test_nothing_is_imported(found_in: FindIn) -> None:
    modules = {"loud.py": "raise SystemExit\ndef f(): ...\n"}
    assert found_in(config("loud.f", 0), modules) == []
