"""What an application offers to call is read, never imported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from runner.functions.callables import Callables, callables_of
from runner.functions.modules import Modules

Found = Callable[[Mapping[str, str]], Callables]


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Found]:
    """Writes an application and reads it; every module leaves a trace when it is imported."""
    canary = tmp_path / "imported"
    app = tmp_path / "app"

    def write(files: Mapping[str, str]) -> Callables:
        for name, text in files.items():
            path = app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'{text}\n__import__("pathlib").Path({str(canary)!r}).touch()\n')
        return callables_of(Modules((str(app), *sys.path), base=app), app)

    yield write
    assert not canary.exists()


@pytest.mark.parametrize(
    ("text", "functions", "others"),
    [
        pytest.param("def f(): ...", ["m.f"], [], id="function"),
        pytest.param("async def f(): ...", ["m.f"], [], id="async"),
        pytest.param("f = lambda x: x", ["m.f"], [], id="lambda"),
        pytest.param("def _f(): ...", [], ["m._f"], id="private"),
        pytest.param("limit = 3\ndef f(): ...", ["m.f"], [], id="value"),
        pytest.param("f = make()", [], ["m.f"], id="may-be-callable"),
        pytest.param("import json\ndef f(): ...", ["m.f"], [], id="module"),
        pytest.param(
            "from json import loads\ndef f(): ...", ["m.f"], ["m.loads"], id="of-somebody-else"
        ),
        pytest.param(
            "import functools\ndef f(x): ...\ng = functools.partial(f, 1)",
            ["m.f", "m.g"],
            [],
            id="partial",
        ),
        pytest.param(
            "class C:\n"
            "    def method(self): ...\n"
            "    @classmethod\n"
            "    def make(cls): ...\n"
            "    @staticmethod\n"
            "    def build(): ...\n"
            "    @staticmethod\n"
            "    def _hidden(): ...",
            ["m.C", "m.C.make", "m.C.build"],
            [],
            id="class",
        ),
    ],
)
def test_of_a_module(found: Found, text: str, functions: list[str], others: list[str]) -> None:
    callables = found({"m.py": text})

    assert list(callables.functions) == functions
    assert list(callables.others) == others


def test_follows_packages(found: Found) -> None:
    callables = found(
        {
            "shop/__init__.py": "from shop.orders import read",
            "shop/orders.py": "def read(): ...",
            "shop/deep/prices.py": "def read(): ...",
            "readme.txt": "",
            "out/result.json": "",
            ".hidden/m.py": "def f(): ...",
        }
    )

    assert callables == Callables(
        modules=("shop",),
        functions=("shop.deep.prices.read", "shop.orders.read"),
        others=("shop.read",),
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("def __getattr__(name): ...", id="getattr"),
        pytest.param("from somewhere_else import *", id="star"),
        pytest.param("globals()['x'] = 1", id="globals"),
        pytest.param("def f(:", id="syntax"),
    ],
)
def test_a_module_that_may_have_other_names_is_not_closed(found: Found, text: str) -> None:
    callables = found({"m.py": f"def f(): ...\n{text}", "n.py": "def g(): ..."})

    assert callables.modules == ("n",)


def test_a_star_brings_names_of_the_application(found: Found) -> None:
    callables = found({"m.py": "from n import *", "n.py": "def g(): ..."})

    assert callables.others == ("m.g",)
    assert "n" in callables.modules


def test_a_folder_that_leads_to_itself_ends(found: Found, tmp_path: Path) -> None:
    package = tmp_path / "app" / "p"
    package.mkdir(parents=True)
    (package / "again").symlink_to(package, target_is_directory=True)

    assert found({"p/m.py": "def f(): ..."}).functions == ("p.m.f",)


def test_a_virtual_environment_is_not_of_the_application(found: Found) -> None:
    callables = found({"venv/pyvenv.cfg": "", "venv/m.py": "def f(): ...", "n.py": "def g(): ..."})

    assert callables.functions == ("n.g",)


def test_a_name_of_the_standard_library_is_left_alone(found: Found) -> None:
    assert found({"json.py": "def f(): ..."}).functions == ()
