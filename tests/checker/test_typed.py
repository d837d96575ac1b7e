from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runner.checker.typed import Finding, Program, diagnose, write_program
from runner.config.loader import load
from runner.functions.modules import Modules, modules_of

Write = Callable[..., tuple[Program, Modules]]

SOURCE = """\
from dataclasses import dataclass
@dataclass
class Row:
    a: int
def make(a): ...
async def amake(): ...
def take(a, b): ...
def pair(): ...
def default(): ...
def read(path): ...
"""
TASKS = """
[TASK.make]
function = "m.make"
inputs = ["{made_of}"]
outputs = ["made"]
[TASK.take]
function = "m.take"
inputs = ["made", "made"]
outputs = ["left", "right"]
[DATA_NODE.left]
[DATA_NODE.right]
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """The program for a config, with the module `m` beside it."""

    def write_for(
        text: str, source: str = SOURCE, environ: Mapping[str, str] | None = None
    ) -> tuple[Program, Modules]:
        (tmp_path / "runner.toml").write_text(text)
        (tmp_path / "m.py").write_text(source)
        config = load([tmp_path / "runner.toml"], environ=environ or {}).config
        modules = modules_of(config)
        program = write_program(config, modules)
        ast.parse(program.text)
        return program, modules

    return write_for


def body(program: Program) -> list[str]:
    """The lines of the last scenario."""
    lines = program.text.splitlines()
    first = max(index for index, line in enumerate(lines) if line.startswith("def _scenario"))
    return [line.strip() for line in lines[first + 2 :]]


def value_of(program: Program) -> str:
    """What the first argument of the first call is."""
    return body(program)[1].removesuffix(",")


def test_tasks_are_calls_in_an_order_that_exists(write: Write) -> None:
    program, _ = write(
        "[DATA_NODE.seed]\ndefault_data = 1\n[DATA_NODE.made]\n"
        '[TASK.take]\nfunction = "m.take"\ninputs = ["made", "seed"]\noutputs = ["left", "right"]\n'
        '[TASK.make]\nfunction = "m.make"\ninputs = ["seed"]\noutputs = ["made"]\n'
        "[DATA_NODE.left]\n[DATA_NODE.right]\n"
    )
    assert body(program) == [
        "_result_make = m.make(",
        "1,",
        ")",
        "_output_make_0 = _awaited(_result_make)",
        "_result_take = m.take(",
        "_output_make_0,",
        "1,",
        ")",
        "_output_take_0, _output_take_1 = _awaited(_result_take)",
    ]


@pytest.mark.parametrize(
    ("node", "value"),
    [
        pytest.param("default_data = 1", "1", id="int"),
        pytest.param("default_data = 'a\"b'", "'a\"b'", id="text"),
        pytest.param("default_data = inf", 'float("inf")', id="infinite"),
        pytest.param("default_data = true", "True", id="bool"),
        pytest.param("default_data = [1, [2.5]]", "[1, [2.5]]", id="list"),
        pytest.param("default_data = {a = [1], b = 'c'}", "{'a': [1], 'b': 'c'}", id="table"),
        pytest.param("default_data = 2024-01-02", "_any", id="date"),
        pytest.param(f"default_data = {[0] * 101}", "_any", id="long-list"),
        pytest.param('default_data = "m.default:function"', "m.default()", id="function"),
        pytest.param('default_data = "m.amake:function"', "_any", id="nobody-awaits-it"),
        pytest.param('default_data = "ENV[TOKEN]"', "_any", id="environment"),
        pytest.param("", "_any", id="nothing"),
        pytest.param('storage_type = "json"\ndefault_data = [1]', "[1]", id="json"),
        pytest.param('storage_type = "csv"\npath = "a"', "_pandas", id="csv"),
        pytest.param('storage_type = "csv"\nexposed_type = "records"', "_records", id="records"),
        pytest.param('storage_type = "csv"\nexposed_type = "m.Row:class"', "_m_Row", id="class"),
        pytest.param('storage_type = "csv"\nexposed_type = "m.make"', "_any", id="no-class"),
        pytest.param('storage_type = "excel"', "_any", id="excel-sheets"),
        pytest.param('storage_type = "excel"\nsheet_name = "a"', "_pandas", id="excel-sheet"),
        pytest.param(
            'storage_type = "generic"\nread_fct = "m.read"', "m.read(*_any)", id="generic"
        ),
        pytest.param('storage_type = "s3_object"', "_any", id="s3"),
    ],
)
def test_what_goes_to_a_parameter(write: Write, node: str, value: str) -> None:
    text = f'[DATA_NODE.seed]\n{node}\n[TASK.make]\nfunction = "m.make"\ninputs = ["seed"]\n'
    program, _ = write(text, environ={"TOKEN": "hunter2"})
    assert value_of(program) == value
    assert "hunter2" not in program.text


@pytest.mark.parametrize(
    ("returns", "is_kept"),
    [
        pytest.param("int", True, id="number"),
        pytest.param("dict[str, list[int]]", True, id="plain"),
        pytest.param("dict[int, str]", False, id="keys-become-text"),
        pytest.param("list[tuple[int, int]]", False, id="tuple-inside"),
        pytest.param("tuple[int, int]", False, id="tuple"),
        pytest.param("Row", False, id="record"),
        pytest.param("list['Row']", False, id="text-inside"),
    ],
)
def test_json_keeps_plain_types_alone(write: Write, returns: str, is_kept: bool) -> None:
    text = (
        '[DATA_NODE.made]\nstorage_type = "json"\n[TASK.make]\nfunction = "m.make"\n'
        'outputs = ["made"]\n[TASK.take]\nfunction = "m.take"\ninputs = ["made"]\n'
    )
    program, _ = write(text, f"class Row: ...\ndef make() -> {returns}: ...\ndef take(a): ...\n")
    assert ("_output_make_0," in body(program)) is is_kept


@pytest.mark.parametrize(
    "function",
    [
        pytest.param("m.nobody", id="not-there"),
        pytest.param("nobody.make", id="no-module"),
        pytest.param("m.take", id="wrong-arity"),
    ],
)
def test_a_call_that_fails_anyway_is_left_out(write: Write, function: str) -> None:
    program, _ = write(
        f'[DATA_NODE.made]\n[TASK.make]\nfunction = "{function}"\noutputs = ["made"]\n'
    )
    assert body(program) == ["_result_make = _any", "_output_make_0 = _awaited(_result_make)"]
    assert program.passed == {}


def test_tasks_on_a_cycle_are_left_out(write: Write) -> None:
    program, _ = write(
        '[DATA_NODE.a]\n[DATA_NODE.b]\n[TASK.x]\nfunction = "m.make"\ninputs = ["a"]\n'
        'outputs = ["b"]\n[TASK.y]\nfunction = "m.make"\ninputs = ["b"]\noutputs = ["a"]\n'
    )
    assert body(program) == []


def test_scenarios_of_the_same_tasks_are_written_once(write: Write) -> None:
    program, _ = write(
        '[TASK.x]\nfunction = "m.default"\n[TASK.y]\nfunction = "m.default"\n'
        '[SCENARIO.a]\ntasks = ["x", "y"]\n[SCENARIO.b]\ntasks = ["y", "x"]\n'
        '[SCENARIO.c]\ntasks = ["x"]\n'
    )
    assert program.text.count("def _scenario") == 2


def line_of(program: Program, text: str) -> int:
    return program.text.splitlines().index(f"        {text},") + 1


CONFIG = f"[DATA_NODE.seed]\ndefault_data = 1\n[DATA_NODE.made]\n{TASKS.format(made_of='seed')}"


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        pytest.param(
            "arg-type",
            'Argument 1 to "make" has incompatible type "int"; expected "dict[str, int]"',
            "`make` takes `seed` as dict[str, int], its `default_data` is int",
            id="argument",
        ),
        pytest.param(
            "typeddict-item",
            'Missing key "a" for TypedDict "Row"',
            '`make` cannot take `seed`: missing key "a" for TypedDict "Row"',
            id="part-of-a-value",
        ),
    ],
)
def test_findings_are_told_of_the_input(write: Write, code: str, message: str, told: str) -> None:
    program, modules = write(CONFIG)
    finding = Finding(line_of(program, "1"), code, message)
    (found,) = diagnose([finding, finding], program, modules)
    assert str(found) == f"TASK.make.inputs.0: error[RUN305]: {told}"
    assert found.label == "goes to `a` of `m.make`"


@pytest.mark.parametrize(
    ("message", "count"),
    [
        pytest.param("Too many values to unpack (2 expected, 3 provided)", "3 values", id="more"),
        pytest.param("Need more than 1 value to unpack (2 expected)", "1 value", id="fewer"),
    ],
)
def test_findings_are_told_of_the_outputs(write: Write, message: str, count: str) -> None:
    program, modules = write(CONFIG)
    (line,) = program.unpacked
    (found,) = diagnose([Finding(line, "misc", message)], program, modules)
    assert found.key == ("TASK", "take", "outputs")
    assert found.message == f"`m.take` returns {count}, [TASK.take] has 2 outputs"


def test_other_findings_are_left_out(write: Write) -> None:
    program, modules = write(CONFIG)
    line = line_of(program, "1")
    findings = [
        Finding(1, "arg-type", 'Argument 1 to "f" has incompatible type "int"; expected "str"'),
        Finding(line, "attr-defined", 'Module has no attribute "make"'),
        Finding(line, "call-arg", 'Too many arguments for "make"'),
    ]
    assert list(diagnose(findings, program, modules)) == []
