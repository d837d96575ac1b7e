from __future__ import annotations

import ast
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from runner.diagnostics import Place, Position
from runner.functions.modules import (
    SIZE_LIMIT,
    ModuleKind,
    Modules,
    Unreadable,
    parse_source,
    prefixes,
)

Project = Callable[[Mapping[str, str]], Modules]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Writes an application whose every module leaves a trace when it is imported."""
    canary = tmp_path / "imported"

    def write(files: Mapping[str, str]) -> Modules:
        for name, text in files.items():
            path = tmp_path / "app" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'{text}\n__import__("pathlib").Path({str(canary)!r}).touch()\n')
        return Modules((str(tmp_path / "app"), *sys.path), base=tmp_path / "app")

    yield write
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "kind", "path"),
    [
        pytest.param("tasks", ModuleKind.SOURCE, "tasks.py", id="module"),
        pytest.param("pkg", ModuleKind.SOURCE, "pkg/__init__.py", id="package"),
        pytest.param("pkg.mod", ModuleKind.SOURCE, "pkg/mod.py", id="in-package"),
        pytest.param("pkg.sub.mod", ModuleKind.SOURCE, "pkg/sub/mod.py", id="in-subpackage"),
        pytest.param("bare", ModuleKind.NAMESPACE, None, id="namespace"),
        pytest.param("bare.deep", ModuleKind.NAMESPACE, None, id="nested-namespace"),
        pytest.param("bare.deep.mod", ModuleKind.SOURCE, "bare/deep/mod.py", id="in-namespace"),
        pytest.param("both", ModuleKind.SOURCE, "both/__init__.py", id="package-before-module"),
        pytest.param("sys", ModuleKind.COMPILED, None, id="built-in"),
        pytest.param("os", ModuleKind.COMPILED, None, id="frozen"),
        pytest.param("__main__", ModuleKind.COMPILED, None, id="main"),
    ],
)
def test_find(project: Project, name: str, kind: ModuleKind, path: str | None) -> None:
    modules = project(
        {
            "tasks.py": "",
            "pkg/__init__.py": "",
            "pkg/mod.py": "",
            "pkg/sub/__init__.py": "",
            "pkg/sub/mod.py": "",
            "bare/deep/mod.py": "",
            "both.py": "",
            "both/__init__.py": "",
        }
    )
    source = modules.find(name)
    assert source is not None
    shown = modules.shown(source.path) if source.path else None
    assert (source.name, source.kind, shown) == (name, kind, path)


@pytest.mark.parametrize(
    "name",
    ["missing", "pkg.missing", "pkg.mod.below", "missing.below.it", "pkg.not a name", "", "pkg."],
)
def test_find_gives_none_for_what_is_not_there(project: Project, name: str) -> None:
    modules = project({"pkg/__init__.py": "", "pkg/mod.py": ""})
    assert modules.find(name) is None


def test_find_knows_installed_modules(project: Project) -> None:
    source = project({}).find("json.decoder")
    assert source is not None
    assert source.kind is ModuleKind.SOURCE


def test_find_knows_the_application_before_installed_modules(project: Project) -> None:
    modules = project({"attrs.py": ""})
    source = modules.find("attrs")
    assert source is not None
    assert source.path is not None
    assert modules.shown(source.path) == "attrs.py"


def test_find_takes_bytecode_for_compiled(tmp_path: Path) -> None:
    (tmp_path / "made.pyc").write_bytes(b"\0")
    source = Modules((str(tmp_path),)).find("made")
    assert source is not None
    assert source.kind is ModuleKind.COMPILED


def test_find_reads_zip_files(tmp_path: Path) -> None:
    archive = tmp_path / "lib.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("pkg/__init__.py", "")
        file.writestr("pkg/mod.py", "def f(): pass")
    modules = Modules((str(archive),))
    source = modules.find("pkg.mod")
    assert source is not None
    tree = modules.parse(source)
    assert isinstance(tree, ast.Module)
    assert ast.unparse(tree) == "def f():\n    pass"


class EditableInstall:
    """As build backends put one on `sys.meta_path`."""

    def find_spec(self, name: str, _path: object) -> ModuleSpec | None:
        return ModuleSpec(name, loader=None, is_package=True) if name == "editable" else None


class BrokenFinder:
    def find_spec(self, name: str, _path: object) -> ModuleSpec | None:
        raise LookupError(name)


def test_find_asks_further_finders(tmp_path: Path) -> None:
    modules = Modules((str(tmp_path),), finders=(EditableInstall(),))
    assert modules.find("editable") is not None
    assert modules.find("other") is None


def test_a_finder_that_fails_makes_a_module_of_which_nothing_is_known(tmp_path: Path) -> None:
    source = Modules((str(tmp_path),), finders=(BrokenFinder(),)).find("other")
    assert source is not None
    assert source.kind is ModuleKind.COMPILED


def test_a_module_is_read_once(project: Project, tmp_path: Path) -> None:
    modules = project({"tasks.py": "def f(): pass"})
    source = modules.find("tasks")
    assert source is not None
    tree = modules.parse(source)
    (tmp_path / "app" / "tasks.py").unlink()
    assert modules.find("tasks") is source
    assert modules.parse(source) is tree


def test_a_file_that_went_away_is_unreadable(project: Project, tmp_path: Path) -> None:
    modules = project({"tasks.py": ""})
    source = modules.find("tasks")
    assert source is not None
    (tmp_path / "app" / "tasks.py").unlink()
    assert modules.parse(source) == Unreadable(reason="no such file or directory")


def test_there_is_nothing_to_read_of_compiled_modules(project: Project) -> None:
    modules = project({})
    source = modules.find("sys")
    assert source is not None
    tree = modules.parse(source)
    assert isinstance(tree, ast.Module)
    assert tree.body == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(
            b"x = 1\ndef f(:\n",
            Unreadable(
                reason="invalid syntax", place=Place("f.py", Position(2, 7), Position(2, 8))
            ),
            id="syntax",
        ),
        pytest.param(
            b"# coding: klingon\n", Unreadable(reason="unknown encoding: klingon"), id="cookie"
        ),
        pytest.param(
            b"x = " + b"-" * 100_000 + b"1",
            Unreadable(reason="nested too deeply", refused=False),
            id="deep",
        ),
        pytest.param(
            b"#" * (SIZE_LIMIT + 1),
            Unreadable(reason="larger than 4 MiB", refused=False),
            id="too-large",
        ),
    ],
)
def test_parse_source_says_why_not(data: bytes, problem: Unreadable) -> None:
    assert parse_source(data, "f.py") == problem


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"x = 1\0", "null bytes", id="null"),
        pytest.param(b"x = '\xff'\n", "can't decode byte 0xff", id="not-utf8"),
    ],
)
def test_parse_source_says_why_not_in_words_of_python(data: bytes, words: str) -> None:
    problem = parse_source(data, "f.py")
    assert isinstance(problem, Unreadable)
    assert problem.refused
    assert words in problem.reason


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xef\xbb\xbfx = 1", id="byte-order-mark"),
        pytest.param("# coding: latin-1\nx = 'é'".encode("latin-1"), id="cookie"),
        pytest.param(rb"x = '\d'", id="odd-escape"),
    ],
)
def test_parse_source_reads_as_python_does(data: bytes) -> None:
    assert isinstance(parse_source(data, "f.py"), ast.Module)


def test_submodules(project: Project) -> None:
    modules = project(
        {"pkg/__init__.py": "", "pkg/b.py": "", "pkg/a/__init__.py": "", "pkg/not-one.py": ""}
    )
    source = modules.find("pkg")
    assert source is not None
    assert modules.submodules(source) == ["a", "b"]


def test_shown_tells_files_outside_the_base_whole(tmp_path: Path) -> None:
    modules = Modules((), base=tmp_path / "app")
    assert modules.shown(tmp_path / "app" / "f.py") == "f.py"
    assert modules.shown(tmp_path / "other" / "f.py") == (tmp_path / "other" / "f.py").as_posix()


@pytest.mark.parametrize(
    ("name", "hides"), [("queue", True), ("queue.put", True), ("json", False), ("tasks", False)]
)
def test_hides_standard(project: Project, name: str, hides: bool) -> None:
    assert project({"queue.py": "", "tasks.py": ""}).hides_standard(name) is hides


def test_a_companion_is_made_once() -> None:
    class Notes:
        def __init__(self, modules: Modules) -> None:
            self.modules = modules

    modules = Modules(())
    notes = modules.companion(Notes)
    assert notes.modules is modules
    assert modules.companion(Notes) is notes


def test_prefixes() -> None:
    assert list(prefixes("a.b.c")) == ["a", "a.b", "a.b.c"]
    assert list(prefixes("a")) == ["a"]
