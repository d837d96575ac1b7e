from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.diagnostics import Place, Position
from runner.functions.modules import Modules
from runner.functions.signatures import Found, NotFound, Parameter, Signature, resolve

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


def described(found: Found | NotFound) -> str:
    """`(a, b=, *, c)`, as short as a table needs it; `?` where the signature is not known."""
    if isinstance(found, NotFound):
        return f"{found.code} {found.message}"
    signature = found.signature
    if signature is None:
        return f"{found.kind} ?"
    words = [each.name + "=" * each.has_default for each in signature.positional]
    words += ["*"] * signature.var_positional
    words += [f"!{name}" for name in signature.keyword_only_required]
    return f"{found.kind} ({', '.join(words)})"


FOLLOWED = {
    "plain": ("def f(a, b=1, *c, d, e=2, **g): ...", "m.f", "function (a, b=, *, !d)"),
    "positional-only": ("def f(a, b=1, /, c=2): ...", "m.f", "function (a, b=, c=)"),
    "async": ("async def f(a): ...", "m.f", "function (a)"),
    "generator": ("def f(a): yield a", "m.f", "function (a)"),
    "lambda": ("f = lambda a, b: a", "m.f", "function (a, b)"),
    "alias": ("def g(a): ...\nf = g", "m.f", "function (a)"),
    "annotated-alias": ("def g(a): ...\nf: object = g", "m.f", "function (a)"),
    "chained-alias": ("def g(a): ...\nf = h = g", "m.f", "function (a)"),
    "class-without-init": ("class C: ...", "m.C", "class ()"),
    "class": ("class C:\n    def __init__(self, a): ...", "m.C", "class (a)"),
    "inherited-init": (
        "class B:\n    def __init__(self, a): ...\nclass C(B): ...",
        "m.C",
        "class (a)",
    ),
    "generic-class": (
        "from typing import Generic\nclass C(Generic[T]):\n    def __init__(self, a): ...",
        "m.C",
        "class (a)",
    ),
    "abstract-class": ("import abc\nclass C(abc.ABC): ...", "m.C", "class ()"),
    "method": ("class C:\n    def f(self, a): ...", "m.C.f", "function (self, a)"),
    "inherited-method": (
        "class B:\n    def f(self, a): ...\nclass C(B): ...",
        "m.C.f",
        "function (self, a)",
    ),
    "static-method": (
        "class C:\n    @staticmethod\n    def f(a): ...",
        "m.C.f",
        "function (a)",
    ),
    "class-method": (
        "class C:\n    @classmethod\n    def f(cls, a): ...",
        "m.C.f",
        "function (a)",
    ),
    "nested-class": ("class C:\n    class D:\n        def f(a): ...", "m.C.D.f", "function (a)"),
    "method-alias": ("class C:\n    def g(a): ...\n    f = g", "m.C.f", "function (a)"),
    "method-out-of-a-class": ("class C:\n    def g(a): ...\nf = C.g", "m.f", "function (a)"),
    "partial": (
        "from functools import partial\ndef g(a, b, c): ...\nf = partial(g, 1)",
        "m.f",
        "partial (b, c)",
    ),
    "partial-with-keyword": (
        "import functools as ft\ndef g(a, b, c=0): ...\nf = ft.partial(g, b=1)",
        "m.f",
        "partial (a)",
    ),
    "partial-out-of-reach": (
        "import functools\ndef g(a, b, c): ...\nf = functools.partial(g, b=1)",
        "m.f",
        "partial (a, !c)",
    ),
    "partial-of-keyword-only": (
        "import functools\ndef g(a, *, b): ...\nf = functools.partial(g, b=1)",
        "m.f",
        "partial (a)",
    ),
    "partial-of-partial": (
        "from functools import partial\ndef g(a, b, c): ...\nf = partial(partial(g, 1), 2)",
        "m.f",
        "partial (c)",
    ),
    "cached": ("import functools\n@functools.cache\ndef f(a): ...", "m.f", "function (a)"),
    "lru-cached": (
        "from functools import lru_cache as keep\n@keep(maxsize=3)\ndef f(a): ...",
        "m.f",
        "function (a)",
    ),
    "context-manager": (
        "import contextlib\n@contextlib.contextmanager\ndef f(a): yield",
        "m.f",
        "function (a)",
    ),
    "overloaded": (
        "from typing import overload\n@overload\ndef f(a): ...\ndef f(*a): ...",
        "m.f",
        "function (*)",
    ),
    "last-definition": ("def f(a): ...\ndef f(a, b): ...", "m.f", "function (a, b)"),
    "either-alike": (
        "try:\n    def f(a): ...\nexcept OSError:\n    def f(a): ...",
        "m.f",
        "function (a)",
    ),
    "in-with": ("with open('x'):\n    def f(a): ...", "m.f", "function (a)"),
    "main-guard": (
        "def f(a): ...\nif __name__ == '__main__':\n    f = f(1)",
        "m.f",
        "function (a)",
    ),
}
"""What is found, and what it takes."""

LEFT_ALONE = {
    "either-different": ("if X:\n    def f(a): ...\nelse:\n    def f(a, b): ...", "m.f"),
    "redefined-in-if": ("def f(a): ...\nif X:\n    def f(a, b): ...", "m.f"),
    "optional-import": ("try:\n    from fast import f\nexcept ImportError:\n    f = None", "m.f"),
    "optional-module": ("try:\n    import fast\nexcept ImportError:\n    fast = None", "m.fast.f"),
    "decorator": ("def d(g): ...\n@d\ndef f(a): ...", "m.f"),
    "singledispatch": ("import functools\n@functools.singledispatch\ndef f(a): ...", "m.f"),
    "unknown-decorator": ("import x\n@x.y.z(1)\ndef f(a): ...", "m.f"),
    "property": ("class C:\n    @property\n    def f(self): ...", "m.C.f"),
    "call": ("def g(): ...\nf = g()", "m.f"),
    "instance": ("class C:\n    def __call__(self, a): ...\nf = C()", "m.f"),
    "attribute-of-instance": ("class C: ...\nc = C()", "m.c.f"),
    "attribute-of-function": ("def g(): ...", "m.g.f"),
    "partial-of-unknown": ("import functools\nf = functools.partial(X)", "m.f"),
    "star-args-in-partial": (
        "import functools\ndef g(a): ...\nf = functools.partial(g, *X)",
        "m.f",
    ),
    "unpacked": ("f, g = X", "m.f"),
    "loop": ("for f in X: ...", "m.f"),
    "in-with-as": ("with X as f: ...", "m.f"),
    "matched": ("match X:\n    case [f, *g]: ...", "m.f"),
    "except-as": ("try: ...\nexcept OSError as f: ...", "m.f"),
    "added-to": ("f = 1\nf += X", "m.f"),
    "declared": ("f: object", "m.f"),
    "walrus": ("print(f := X)", "m.f"),
    "placeholder": ("f = None", "m.f"),
    "set-by-a-function": ("f = 1\ndef g():\n    global f\n    f = print", "m.f"),
    "replaced-by-a-function": ("def f(a): ...\ndef g():\n    global f\n    f = print", "m.f"),
    "module-getattr": ("def __getattr__(name): ...", "m.f"),
    "globals": ("globals()['f'] = print", "m.f"),
    "own-module": ("import sys\nsys.modules[__name__] = X", "m.f"),
    "given-its-name": ("import lazy\nlazy.install(__name__)", "m.f"),
    "exec": ("exec('def f(): ...')", "m.f"),
    "special": ("", "m.__doc__"),
    "star-of-unknown": ("from sys import *", "m.f"),
    "computed-all": ("from n import *", "m.f"),
    "self-alias": ("f = f", "m.f"),
    "unreadable-base": ("class C(X): ...", "m.C"),
    "builtin-base": ("class C(dict): ...", "m.C"),
    "metaclass": ("class C(metaclass=X): ...", "m.C.f"),
    "dataclass": ("import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int", "m.C"),
    "attrs-class": ("import attrs\n@attrs.frozen\nclass C:\n    a: int", "m.C"),
    "new": ("class C:\n    def __new__(cls, a): ...", "m.C"),
    "decorated-class": ("@X\nclass C: ...", "m.C.f"),
    "method-of-unreadable-base": ("class C(X): ...", "m.C.f"),
    "init-subclass": ("class B:\n    def __init_subclass__(cls): ...\nclass C(B): ...", "m.C.f"),
    "set-on-class": ("class C: ...\nC.f = print", "m.C.f"),
    "of-every-class": ("class C: ...", "m.C.mro"),
    "two-bases": (
        "class A:\n    def f(self): ...\nclass B:\n    def f(self, a): ...\nclass C(A, B): ...",
        "m.C.f",
    ),
    "class-inherits-itself": ("class C(C): ...", "m.C.f"),
    "class-over-its-base": ("from n import C\nclass C(C): ...", "m.C.f"),
    "alias-of-an-earlier": ("def g(a): ...\nf = g\ndef g(a, b): ...", "m.f"),
    "alias-of-a-builtin": ("f = max\ndef max(a): ...", "m.f"),
    "partial-of-itself": (
        "import functools\ndef f(a): ...\nf = functools.partial(f, 1)",
        "m.f",
    ),
    "builtin": ("", "builtins.print"),
    "built-in-module": ("", "time.sleep"),
    "frozen-module": ("", "os.path.join"),
    "what-no-builtin-has": ("", "builtins.prnt"),
}
"""What cannot be told without running the code; it is never an error."""

REFUSED = {
    "constant": ("LIMIT = 3", "m.LIMIT", "RUN303 `m.LIMIT` is not callable (an int)"),
    "text": ("f = 'x'", "m.f", "RUN303 `m.f` is not callable (a str)"),
    "negative": ("f = -1.5", "m.f", "RUN303 `m.f` is not callable (a float)"),
    "list": ("f = [g for g in X]", "m.f", "RUN303 `m.f` is not callable (a list)"),
    "class-constant": ("class C:\n    f = {}", "m.C.f", "RUN303 `m.C.f` is not callable (a dict)"),
    "constant-by-alias": ("g = ()\nf = g", "m.f", "RUN303 `m.f` is not callable (a tuple)"),
    "imported-module": ("import json", "m.json", "RUN303 `m.json` is a module"),
    "name": ("def train(): ...", "m.trian", "RUN302 module `m` has no name `trian`"),
    "only-when-run": (
        "if __name__ == '__main__':\n    f = print",
        "m.f",
        "RUN302 module `m` has no name `f`",
    ),
    "method": ("class C:\n    def g(self): ...", "m.C.f", "RUN302 class `m.C` has no `f`"),
    "nested": (
        "class C:\n    class D: ...",
        "m.C.D.f",
        "RUN302 class `m.C.D` has no `f`",
    ),
    "dataclass-method": (
        "from dataclasses import dataclass\n@dataclass\nclass C: ...",
        "m.C.f",
        "RUN302 class `m.C` has no `f`",
    ),
    "local-function": (
        "def g():\n    def f(): ...",
        "m.f",
        "RUN302 module `m` has no name `f`",
    ),
    "module": ("", "nowhere.f", "RUN301 no module `nowhere`"),
    "module-of-class": ("", "nowhere.C.f", "RUN301 no module `nowhere`"),
    "imported-missing": ("from nowhere import f", "m.f", "RUN301 no module `nowhere`"),
    "imported-name": ("from n import f", "m.f", "RUN302 module `n` has no name `f`"),
    "not-in-all": ("from k import *", "m.hidden", "RUN302 module `m` has no name `hidden`"),
}
"""What is certainly wrong."""

OTHERS = {
    "n.py": "__all__ = sorted(X)",
    "k.py": "__all__ = ['shown']\ndef shown(a): ...\ndef hidden(): ...",
}


@pytest.mark.parametrize(("source", "name", "text"), FOLLOWED.values(), ids=FOLLOWED)
def test_resolve_finds(project: Project, source: str, name: str, text: str) -> None:
    assert described(resolve(name, project({"m.py": source}))) == text


@pytest.mark.parametrize(("source", "name"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_resolve_leaves_alone(project: Project, source: str, name: str) -> None:
    found = resolve(name, project({"m.py": source, **OTHERS}))
    assert isinstance(found, Found)
    assert found.signature is None


@pytest.mark.parametrize(("source", "name", "text"), REFUSED.values(), ids=REFUSED)
def test_resolve_refuses(project: Project, source: str, name: str, text: str) -> None:
    assert described(resolve(name, project({"m.py": source, **OTHERS}))) == text


PACKAGE = {
    "pkg/__init__.py": (
        "from .clean import clean\n"
        "from . import train as training, load\n"
        "from .star import *\n"
        "from .gone import lost\n"
        "from .load import missing\n"
        "import pkg.load as loading\n"
        "import json.decoder\n"
    ),
    "pkg/clean.py": "from .load import load as clean, rows",
    "pkg/load.py": "def load(path, sep=','): ...\ndef rows(path): ...\nROWS = 3",
    "pkg/train.py": "from .load import load\nfrom ..other import f\n"
    "from pkg import load as l, clean as c",
    "pkg/star.py": "from .load import rows\n_private = 1",
    "pkg/a.py": "from .b import f",
    "pkg/b.py": "from .a import f",
    "pkg/broken.py": "def f(:",
    "pkg/uses_broken.py": "from .broken import f",
    "pkg/cleaning_up.py": "",
    "pkg/only.py": "def run(a): ...",
    "bare/mod.py": "def f(a): ...",
    "broken/__init__.py": "x = (",
    "broken/mod.py": "def f(): ...",
    "lazy/__init__.py": "def __getattr__(name): ...",
    "lazy/mod.py": "",
    "patching/__init__.py": "from . import mod\nmod.extra = print",
    "patching/mod.py": "",
}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("pkg.clean", "function (path, sep=)", id="two-imports"),
        pytest.param("pkg.clean.clean", "function (path, sep=)", id="module-before-name"),
        pytest.param("pkg.training.load", "function (path, sep=)", id="module-alias"),
        pytest.param("pkg.loading.rows", "function (path)", id="import-as"),
        pytest.param("pkg.rows", "function (path)", id="star"),
        pytest.param("pkg.json.dumps", "function (obj)", id="installed"),
        pytest.param("pkg.train.f", "unknown ?", id="above-the-top"),
        pytest.param("pkg.train.l", "RUN303 `pkg.train.l` is a module", id="submodule"),
        pytest.param("pkg.train.c", "function (path, sep=)", id="absolute-import"),
        pytest.param("pkg.load", "RUN303 `pkg.load` is a module", id="imported-submodule"),
        pytest.param("pkg.only", "RUN303 `pkg.only` is a module", id="submodule-as-function"),
        pytest.param("pkg.lost", "RUN301 no module `pkg.gone`", id="import-of-nothing"),
        pytest.param("pkg.missing", "RUN302 module `pkg.load` has no name `missing`", id="import"),
        pytest.param("pkg._private", "RUN302 module `pkg` has no name `_private`", id="underscore"),
        pytest.param("pkg.a.f", "unknown ?", id="import-cycle"),
        pytest.param("pkg.claen.f", "RUN301 no module `pkg.claen`", id="no-submodule"),
        pytest.param("pkg.only.x.f", "RUN302 module `pkg.only` has no name `x`", id="no-package"),
        pytest.param(
            "pkg.broken.f",
            "RUN301 module `pkg.broken` cannot be read: invalid syntax (pkg/broken.py, line 1)",
            id="syntax",
        ),
        pytest.param(
            "pkg.uses_broken.f",
            "RUN301 module `pkg.broken` cannot be read: invalid syntax (pkg/broken.py, line 1)",
            id="syntax-behind-import",
        ),
        pytest.param(
            "broken.mod.f",
            "RUN301 module `broken` cannot be read: '(' was never closed "
            "(broken/__init__.py, line 1)",
            id="syntax-of-parent",
        ),
        pytest.param("bare.mod.f", "function (a)", id="namespace"),
        pytest.param("bare.mod", "RUN303 `bare.mod` is a module", id="in-namespace"),
        pytest.param("bare", "RUN303 `bare` is a module", id="one-part"),
        pytest.param("lazy.mod", "unknown ?", id="lazy-before-submodule"),
        pytest.param("lazy.other.f", "unknown ?", id="lazy"),
        pytest.param("patching.mod.extra", "unknown ?", id="set-by-parent"),
    ],
)
def test_resolve_follows_packages(project: Project, name: str, text: str) -> None:
    assert described(resolve(name, project(PACKAGE))) == text


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("m.trian", "did you mean `train`? It is at m.py:2:1", id="function"),
        pytest.param("m.lod", "did you mean `load`? It is at m.py:1:1", id="import"),
        pytest.param("m.Model.fti", "did you mean `fit`? It is at m.py:4:5", id="method"),
        pytest.param("m.nothing_like_it", None, id="nothing-near"),
        pytest.param("mm.train", "did you mean `m`?", id="module"),
        pytest.param("pkg.claen.f", "did you mean `pkg.clean`?", id="submodule"),
        pytest.param("pkg.tra.f", "there is `pkg/training.py`", id="longer"),
        pytest.param("pkg.claen", "did you mean `clean`?", id="submodule-as-name"),
        pytest.param("pkg.clean", "did you mean `pkg.clean.clean`?", id="one-function"),
        pytest.param("m.clean", "did you mean `pkg.clean.clean`?", id="in-another-module"),
        pytest.param("m.Model.clean", None, id="no-method-of-another-module"),
        pytest.param("m.py.train", "name the module without `.py`", id="file-name"),
        pytest.param(
            "app.m.train", "names start inside of `app`: leave it out", id="application-path"
        ),
        pytest.param(
            "pkg.training", "name a function of it: `pkg.training.<function>`", id="no-function"
        ),
    ],
)
def test_resolve_suggests(project: Project, name: str, hint: str | None) -> None:
    modules = project(
        {
            "m.py": "from json import load\ndef train(): ...\n"
            "class Model:\n    def fit(self): ...\n",
            "pkg/__init__.py": "",
            "pkg/clean.py": "def clean(): ...",
            "pkg/training.py": "",
        }
    )
    found = resolve(name, modules)
    assert isinstance(found, NotFound)
    assert found.hint == hint


def test_resolve_suggests_no_installed_module(project: Project, tmp_path: Path) -> None:
    found = resolve("functions.f", project({"m.py": ""}))  # not `fractions`
    assert isinstance(found, NotFound)
    folder = tmp_path / "app"
    assert found.hint == f"there is no functions.py in {folder}, and no such module is installed"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        pytest.param("m.f", Place("m.py", Position(3, 1), Position(3, 6)), id="def"),
        pytest.param("m.g", Place("m.py", Position(4, 1), Position(4, 12)), id="async"),
        pytest.param("m.C", Place("m.py", Position(5, 1), Position(5, 8)), id="class"),
        pytest.param("m.C.h", Place("m.py", Position(6, 9), Position(6, 23)), id="lambda"),
        pytest.param("m.LIMIT", Place("m.py", Position(7, 1), Position(7, 10)), id="constant"),
        pytest.param("m.lost", Place("m.py", Position(1, 1), Position(1, 25)), id="import"),
        pytest.param("n.f", Place("n.py", Position(1, 7), Position(1, 8)), id="syntax"),
    ],
)
def test_resolve_tells_the_place(project: Project, name: str, place: Place) -> None:
    source = (
        "from nowhere import lost\n"
        "# a comment\n"
        "def f(): ...\n"
        "async def g(): ...\n"
        "class C:\n"
        "    h = lambda self: 0\n"
        "LIMIT = 3\n"
    )
    assert resolve(name, project({"m.py": source, "n.py": "def f(:"})).place == place


def test_resolve_reads_each_file_once(project: Project, tmp_path: Path) -> None:
    modules = project({"m.py": "def f(a): ..."})
    found = resolve("m.f", modules)
    (tmp_path / "app" / "m.py").unlink()
    assert resolve("m.f", modules) is found


def test_resolve_ends_in_a_long_chain(project: Project) -> None:
    links = {f"m{i}.py": f"from m{i + 1} import f" for i in range(200)}
    assert described(resolve("m0.f", project(links))) == "unknown ?"


def test_resolve_ends_in_a_web_of_choices(project: Project) -> None:
    links = {
        f"m{i}.py": f"if X:\n    from m{i + 1} import f\nelse:\n    from m{i + 2} import f"
        for i in range(60)
    }
    assert described(resolve("m0.f", project(links))) == "unknown ?"


def test_resolve_ends_in_deep_expressions(project: Project) -> None:
    assert described(resolve("m.f", project({"m.py": "f = X" + ".x" * 900}))) == "unknown ?"


def test_resolve_leaves_a_module_too_large_to_read_alone(project: Project) -> None:
    modules = project({"m.py": "#" * 5_000_000})
    assert described(resolve("m.f", modules)) == "unknown ?"


def test_resolve_leaves_alone_what_has_the_name_of_a_standard_module(project: Project) -> None:
    # Whether `queue` is theirs or ours depends on who imported it first.
    assert described(resolve("queue.missing", project({"queue.py": ""}))) == "unknown ?"


def test_annotations_are_kept(project: Project) -> None:
    import ast

    modules = project({"m.py": "def f(a: int, b) -> list[str]: ...", "n.py": "from m import f"})
    found = resolve("n.f", modules)
    assert isinstance(found, Found)
    assert found.signature is not None
    annotations = [
        each.annotation and ast.unparse(each.annotation) for each in found.signature.positional
    ]
    assert annotations == ["int", None]
    assert found.signature.returns is not None
    assert ast.unparse(found.signature.returns) == "list[str]"
    assert found.signature.module == "m"


@pytest.mark.parametrize(
    ("source", "is_async"),
    [("async def f(): ...", True), ("def f(): ...", False), ("f = lambda: 0", False)],
)
def test_signature_says_whether_it_is_async(project: Project, source: str, is_async: bool) -> None:
    found = resolve("m.f", project({"m.py": source}))
    assert isinstance(found, Found)
    assert found.signature is not None
    assert found.signature.is_async is is_async


def test_context_managers_do_not_give_what_they_yield(project: Project) -> None:
    source = "import contextlib\n@contextlib.contextmanager\ndef f() -> Iterator[int]: yield 1"
    found = resolve("m.f", project({"m.py": source}))
    assert isinstance(found, Found)
    assert found.signature is not None
    assert found.signature.returns is None


TRAIN = Signature(
    positional=(
        Parameter(name="features"),
        Parameter(name="params"),
        Parameter(name="seed", has_default=True),
    )
)


@pytest.mark.parametrize(
    ("count", "accepts", "missing"),
    [(0, False, ("features", "params")), (1, False, ("params",)), (2, True, ()), (3, True, ())],
)
def test_signature_tells_what_is_missing(
    count: int, accepts: bool, missing: tuple[str, ...]
) -> None:
    assert (TRAIN.accepts(count), TRAIN.missing(count)) == (accepts, missing)


def test_signature_tells_its_bounds() -> None:
    assert (TRAIN.min_args, TRAIN.max_args, TRAIN.accepts(4)) == (2, 3, False)
    assert Signature(var_positional=True).max_args is None
    assert Signature(keyword_only_required=("seed",)).missing(5) == ("seed",)


@st.composite
def parameter_lists(draw: st.DrawFn) -> str:
    """The parameters of a function, as text."""
    names = iter("abcdefghij")
    count = draw(st.integers(0, 4))
    defaults = draw(st.integers(0, count))
    words = [next(names) + ("=0" if index >= count - defaults else "") for index in range(count)]
    if count and draw(st.booleans()):
        words.insert(draw(st.integers(1, count)), "/")
    keyword_only = [
        next(names) + draw(st.sampled_from(["", "=0"])) for _ in range(draw(st.integers(0, 2)))
    ]
    has_star = draw(st.booleans())
    words += ["*rest"] if has_star else ["*"] if keyword_only else []
    words += keyword_only
    return ", ".join([*words, *(["**more"] if draw(st.booleans()) else [])])


def accepts(function: Callable[..., Any], count: int) -> bool:
    try:
        function(*range(count))
    except TypeError:
        return False
    return True


def promises(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


@given(parameters=parameter_lists(), given_names=st.sets(st.sampled_from("abcde")))
def test_the_signature_read_is_that_of_the_function(
    tmp_path_factory: pytest.TempPathFactory, parameters: str, given_names: set[str]
) -> None:
    keywords = ", ".join(f"{name}=1" for name in sorted(given_names))
    source = f"import functools\ndef f({parameters}): ...\n"
    partial = f"p = functools.partial(f, {keywords})\n"
    folder = tmp_path_factory.mktemp("app")
    (folder / "generated.py").write_text(source + partial)
    modules = Modules((str(folder), *sys.path))
    namespace: dict[str, Any] = {}
    exec(source + partial, namespace)
    for name in ("f", "p"):
        found = resolve(f"generated.{name}", modules)
        assert isinstance(found, Found)
        if found.signature is not None:
            read = [found.signature.accepts(count) for count in range(8)]
            assert read == [accepts(namespace[name], count) for count in range(8)]


@pytest.mark.parametrize("module", ["functools", "json.decoder", "shutil", "textwrap", "tempfile"])
def test_what_is_read_of_an_installed_module_is_true_of_it(module: str) -> None:
    modules = Modules(tuple(sys.path))
    imported = __import__(module, fromlist=["_"])
    for name, value in vars(imported).items():
        found = resolve(f"{module}.{name}", modules)
        if isinstance(found, NotFound):
            assert (found.code, callable(value)) == ("RUN303", False)
        elif found.signature is not None:
            read = [found.signature.accepts(count) for count in range(6)]
            assert read == [promises(value, count) for count in range(6)]
