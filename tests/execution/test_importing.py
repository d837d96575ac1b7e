from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from runner.config.references import FunctionRef
from runner.errors import ConfigError
from runner.execution.importing import UserCodeError, importable, load

# One package for all tests: Python keeps what it has imported.
FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "imp/__init__.py": "from .twin import twin\nnumber = 5\ndef top(): return 'top'\n",
        "imp/sub.py": (
            "class Shape:\n"
            "    def area(self): return 'area'\n"
            "    class Inner:\n"
            "        @staticmethod\n"
            "        def make(): return 'made'\n"
            "def plain(): return 'plain'\n"
        ),
        "imp/twin.py": "def twin(): return 'twin'\ndef other(): return 'other'\n",
        "imp/deep/__init__.py": "import math\n",
        "imp/deep/er.py": "def f(): return 'deeper'\n",
        "imp_space/part.py": "def f(): return 'namespace'\n",
        "imp_raises.py": "value = {}\nvalue['missing']\n",
        "imp_exits.py": "raise SystemExit(3)\n",
        "imp_interrupts.py": "raise KeyboardInterrupt\n",
        "imp_needs.py": "def before(): pass\nimport imp_not_installed.deep\n",
        "imp_wrong.py": "def f(:\n",
        "imp_package/__init__.py": "import imp_not_installed\n",
        "imp_package/sub.py": "def f(): pass\n",
    }
)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def _in_app(app: Path) -> Iterator[None]:
    with importable(app):
        yield


def refused(name: str) -> UserCodeError:
    with pytest.raises(UserCodeError, match=r"cannot be imported") as caught:
        load(FunctionRef(name))
    return caught.value


@pytest.mark.parametrize(
    ("name", "result"),
    [
        pytest.param("imp.top", "top", id="of-a-package"),
        pytest.param("imp.sub.plain", "plain", id="of-a-submodule"),
        pytest.param("imp.sub.Shape.Inner.make", "made", id="nested-class"),
        pytest.param("imp.deep.er.f", "deeper", id="submodule-of-a-subpackage"),
        pytest.param("imp_space.part.f", "namespace", id="namespace-package"),
        pytest.param("imp.twin", "twin", id="function-named-as-its-module"),
        pytest.param("imp.twin.twin", "twin", id="in-a-module-that-a-function-hides"),
        pytest.param("imp.twin.other", "other", id="beside-it"),
    ],
)
def test_functions_of_the_application(name: str, result: str) -> None:
    assert load(FunctionRef(name))() == result


@pytest.mark.parametrize(
    ("name", "argument", "result"),
    [
        pytest.param("builtins.len", [1], 1, id="builtin"),
        pytest.param("builtins.str.upper", "a", "A", id="method-of-a-builtin"),
        pytest.param("math.sqrt", 4, 2.0, id="compiled-module"),
        pytest.param("os.path.basename", "a/b", "b", id="attribute-that-is-a-module"),
        pytest.param("imp.deep.math.sqrt", 9, 3.0, id="module-imported-by-a-package"),
        pytest.param("collections.abc.Sized.__subclasshook__", int, NotImplemented, id="dunder"),
    ],
)
def test_functions_from_elsewhere(name: str, argument: Any, result: Any) -> None:
    assert load(FunctionRef(name))(argument) == result


def test_a_method_takes_its_object() -> None:
    shape = load(FunctionRef("imp.sub.Shape"))()

    assert load(FunctionRef("imp.sub.Shape.area"))(shape) == "area"


def test_an_object_of_the_builder_is_taken_as_it_is() -> None:
    assert load(FunctionRef("nowhere.f", len)) is len


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        pytest.param("imp.missing", "RUN302", "`imp` has no `missing`", id="no-name"),
        pytest.param("imp.sub.Shape.x", "RUN302", "`imp.sub.Shape` has no `x`", id="no-method"),
        pytest.param("imp.sub.x.y", "RUN302", "`imp.sub` has no `x`", id="no-class"),
        pytest.param("imp.number", "RUN303", "it is not callable: its type is int", id="number"),
        pytest.param("imp.sub", "RUN303", "it is not callable: its type is module", id="module"),
        pytest.param(
            "imp_gone.f",
            "RUN301",
            "ModuleNotFoundError: No module named 'imp_gone'",
            id="no-module",
        ),
        pytest.param("imp_raises.f", "RUN301", "KeyError: 'missing'", id="module-raises"),
        pytest.param("imp_exits.f", "RUN301", "SystemExit: 3", id="module-exits"),
        pytest.param(
            "imp_needs.before",
            "RUN301",
            "ModuleNotFoundError: No module named 'imp_not_installed'",
            id="missing-dependency",
        ),
        pytest.param(
            "imp_package.sub.f",
            "RUN301",
            "ModuleNotFoundError: No module named 'imp_not_installed'",
            id="missing-dependency-of-the-package",
        ),
    ],
)
def test_what_cannot_be_imported(name: str, code: str, message: str) -> None:
    error = refused(name)

    assert str(error) == f"`{name}` cannot be imported: {message}"
    assert isinstance(error, ConfigError)
    assert error.code == error.failure.code == code


def test_the_users_own_error_has_its_place(app: Path) -> None:
    failure = refused("imp_raises.g").failure

    assert (failure.file, failure.line) == (str(app / "imp_raises.py"), 2)
    assert failure.source == "value['missing']"
    assert failure.traceback == (
        "Traceback (most recent call last):\n"
        f'  File "{app / "imp_raises.py"}", line 2, in <module>\n'
        "    value['missing']\n"
        "    ~~~~~^^^^^^^^^^^\n"
        "KeyError: 'missing'\n"
    )


def test_a_syntax_error_is_the_users_own(app: Path) -> None:
    failure = refused("imp_wrong.f").failure

    assert failure.type == "SyntaxError"
    assert str(app / "imp_wrong.py") in failure.traceback


def test_an_interrupt_is_not_the_modules_affair() -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        load(FunctionRef("imp_interrupts.f"))


def test_the_search_path_is_as_it_was(tmp_path: Path) -> None:
    before = list(sys.path)

    with importable(tmp_path):
        assert sys.path == [str(tmp_path), *before]

    assert sys.path == before


def test_the_search_path_is_as_it_was_after_an_error(tmp_path: Path) -> None:
    before = list(sys.path)

    with pytest.raises(LookupError, match=r"^broken$"), importable(tmp_path):
        raise LookupError("broken")

    assert sys.path == before


def test_what_users_do_to_the_search_path_is_theirs(tmp_path: Path) -> None:
    before = list(sys.path)
    try:
        with importable(tmp_path):
            sys.path.remove(str(tmp_path))
            sys.path.append("/users/own")
        assert sys.path == [*before, "/users/own"]
    finally:
        sys.path[:] = before


def test_an_application_path_that_was_there_stays(tmp_path: Path) -> None:
    with importable(tmp_path):
        before = list(sys.path)
        with importable(tmp_path):
            pass
        assert sys.path == before
