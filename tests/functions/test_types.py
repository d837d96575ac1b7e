from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.functions.modules import Modules
from runner.functions.types import Contract, contract_of

Contracts = Callable[..., Contract]


@pytest.fixture
def contract(tmp_path: Path) -> Contracts:
    """The contract of a name in the module `m` of this source."""

    def find(source: str, name: str = "f") -> Contract:
        (tmp_path / "m.py").write_text(f"import functools\nimport typing\n{source}\n")
        return contract_of(f"m.{name}", Modules((str(tmp_path),)))

    return find


def described(found: Contract) -> str:
    """`int, ? -> str`; a question mark where any value will do."""
    types = [*found.parameters, found.returns]
    *taken, given = (" | ".join(kind.name for kind in each.kinds) or "?" for each in types)
    return f"{', '.join(taken)} -> {given}".strip()


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        pytest.param(
            "def f(a: int, b, *c: str, d: str) -> list[int]: ...", "f", "int, ? -> list", id="def"
        ),
        pytest.param("async def f(a: int) -> str: ...", "f", "int -> str", id="async"),
        pytest.param("def f(a: int = None): ...", "f", "int | NoneType -> ?", id="none-by-default"),
        pytest.param("def f(a=None, b: int = 1): ...", "f", "?, int -> ?", id="other-default"),
        pytest.param("f = lambda a: a", "f", "? -> ?", id="lambda"),
        pytest.param(
            "class f:\n    def __init__(self, a: int): ...", "f", "int -> m.f", id="class"
        ),
        pytest.param("class f: ...", "f", "-> m.f", id="class-without-init"),
        pytest.param("import abc\nclass f(abc.ABC): ...", "f", "-> ?", id="abstract-class"),
        pytest.param(
            "class C:\n    def f(self, a: int) -> str: ...", "C.f", "?, int -> str", id="method"
        ),
        pytest.param(
            "class C:\n    @classmethod\n    def f(cls, a: int) -> str: ...",
            "C.f",
            "int -> str",
            id="class-method",
        ),
        pytest.param(
            "class C:\n    str = 1\n    @staticmethod\n    def f(a: int) -> str: ...",
            "C.f",
            "int -> ?",
            id="hidden-in-the-class",
        ),
        pytest.param(
            "class C:\n    def list(self): ...\n    def f(self) -> 'list | None': ...",
            "C.f",
            "? -> ?",
            id="hidden-in-text",
        ),
        pytest.param(
            "def g(a: int, b: str) -> str: ...\nf = functools.partial(g, 1)",
            "f",
            "str -> str",
            id="partial",
        ),
        pytest.param(
            "class C:\n    def __init__(self, a: int, b: str): ...\nf = functools.partial(C, 1)",
            "f",
            "str -> m.C",
            id="partial-of-a-class",
        ),
        pytest.param(
            "@functools.lru_cache\ndef f(a: int) -> str: ...",
            "f",
            "int -> str",
            id="neutral-decorator",
        ),
        pytest.param("@nobody\ndef f(a: int) -> str: ...", "f", "-> ?", id="unknown-decorator"),
        pytest.param(
            "@typing.no_type_check\ndef f(a: int) -> str: ...", "f", "-> ?", id="no-types"
        ),
        pytest.param(
            "import contextlib\n@contextlib.contextmanager\ndef f(a: int) -> str: ...",
            "f",
            "int -> ?",
            id="context-manager",
        ),
        pytest.param(
            "if typing:\n    def f(a: int) -> str: ...\nelse:\n    def f(a: str) -> int: ...",
            "f",
            "-> ?",
            id="one-of-two",
        ),
        pytest.param(
            "@typing.overload\ndef f(a: int) -> str: ...\n"
            "@typing.overload\ndef f(a: str) -> int: ...\n"
            "def f(a: int | str) -> int | str: ...",
            "f",
            "int | str -> int | str",
            id="overloads",
        ),
        pytest.param("f = 1", "f", "-> ?", id="not-callable"),
        pytest.param("", "f", "-> ?", id="not-there"),
    ],
)
def test_contracts(contract: Contracts, source: str, name: str, expected: str) -> None:
    assert described(contract(source, name)) == expected


def test_only_a_function_whose_result_is_the_callers_has_a_node(contract: Contracts) -> None:
    assert contract("def f(): ...").node is not None
    assert contract("class f:\n    def __init__(self): ...").node is None


def test_a_contract_is_worked_out_once(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(): ...\n")
    modules = Modules((str(tmp_path),))
    assert contract_of("m.f", modules) is contract_of("m.f", modules)
