from __future__ import annotations

import ast

import pytest

from runner.functions.returns import returned


def texts(source: str) -> list[str]:
    node = ast.parse(source).body[0]
    if isinstance(node, ast.Expr):
        assert isinstance(node.value, ast.Lambda)
        return [each.text for each in returned(node.value)]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return [each.text for each in returned(node)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("return 1, a", ["2 values"], id="tuple"),
        pytest.param("return (a,)", ["1 value"], id="tuple-of-one"),
        pytest.param("return ()", ["0 values"], id="empty-tuple"),
        pytest.param("return [a, a, a]", ["3 values"], id="list"),
        pytest.param("return {'a': a}", ["a dict"], id="dict"),
        pytest.param("return {a}", ["a set"], id="set"),
        pytest.param("return 'ab'", ["a str"], id="text"),
        pytest.param("return f'{a}'", ["a str"], id="formatted-text"),
        pytest.param("return -1", ["an int"], id="number"),
        pytest.param("return None", ["None"], id="none"),
        pytest.param("return", ["None"], id="bare"),
        pytest.param("if a:\n  return a, a\nreturn None", ["2 values", "None"], id="two-ways"),
        pytest.param("with a:\n  for b in a:\n    return 1,", ["1 value"], id="deep-inside"),
        pytest.param(
            "match a:\n  case 1: return 1, 2\nreturn 1", ["2 values", "an int"], id="match"
        ),
        pytest.param("try:\n  return 1, 2\nexcept a:\n  return", ["2 values", "None"], id="try"),
        pytest.param("b = 1", ["nothing"], id="no-return"),
        pytest.param(
            "def g(): return 1\nclass C:\n  def h(self): return 2\nreturn a, g",
            ["2 values"],
            id="only-its-own",
        ),
        pytest.param("g = lambda: (yield)\nreturn a, g", ["2 values"], id="yield-of-another"),
    ],
)
def test_sure(body: str, expected: list[str]) -> None:
    lines = body.replace("\n", "\n    ")
    assert texts(f"def f(a):\n    {lines}") == expected
    assert texts(f"async def f(a):\n    {lines}") == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("return a", id="name"),
        pytest.param("return f(a)", id="call"),
        pytest.param("return a, *a", id="star"),
        pytest.param("return [a for a in a]", id="list-comprehension"),
        pytest.param("return (1, 2) if a else (1, 2, 3)", id="condition"),
        pytest.param("return (1, 2) + a", id="sum"),
        pytest.param("return ...", id="ellipsis"),
        pytest.param("if a:\n        return 1, 2, 3\n    return a", id="one-is-not-sure"),
        pytest.param("yield 1", id="generator"),
        pytest.param("yield from a\n    return 1, 2", id="delegating-generator"),
        pytest.param("...", id="not-written-yet"),
        pytest.param("pass", id="pass"),
        pytest.param("'What it will do.'", id="docstring-alone"),
        pytest.param("raise NotImplementedError", id="raises"),
        pytest.param("b = a\n    if b:\n        raise ValueError(b)", id="may-raise"),
    ],
)
def test_not_sure(body: str) -> None:
    assert texts(f"def f(a):\n    {body}") == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("lambda: (1, 2)", ["2 values"], id="tuple"),
        pytest.param("lambda: 'a'", ["a str"], id="text"),
        pytest.param("lambda a: a", [], id="name"),
    ],
)
def test_lambdas(source: str, expected: list[str]) -> None:
    assert texts(source) == expected
