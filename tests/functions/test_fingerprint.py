from __future__ import annotations

import ast
import io
import itertools
import json
import os
import re
import symtable
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.references import FunctionRef
from runner.functions.fingerprint import (
    Change,
    Fingerprint,
    Fingerprints,
    Part,
    difference,
    from_plain,
)
from runner.functions.mentions import read
from runner.functions.modules import Modules

Application = Callable[[Mapping[str, str]], Fingerprints]


@pytest.fixture
def application(tmp_path: Path) -> Application:
    """Writes an application, each to a folder of its own."""
    homes = (tmp_path / f"app{number}" for number in itertools.count())

    def write(files: Mapping[str, str]) -> Fingerprints:
        home = next(homes)
        for name, text in files.items():
            path = home / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return fingerprints_in(home)

    return write


def fingerprints_in(home: Path) -> Fingerprints:
    return Fingerprints(Modules((str(home), *sys.path), base=home), home)


def of(fingerprints: Fingerprints, name: str = "tasks.f") -> Fingerprint:
    found = fingerprints.of(FunctionRef(name))
    assert found is not None
    return found


def names(found: Fingerprint) -> list[str]:
    return [part.name for part in found.parts]


def in_tasks(before: str, after: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"tasks.py": before}, {"tasks.py": after}


def with_helper(tasks: str, before: str, after: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"tasks.py": tasks, "helpers.py": before}, {"tasks.py": tasks, "helpers.py": after}


F = "def f(x):\n    return "
TABLE = "TABLE = {}\ndef f(x):\n    return TABLE[x]()\n"

CHANGED = {
    "constant": in_tasks(F + "1", F + "2"),
    "bool-is-no-int": in_tasks(F + "1", F + "True"),
    "int-is-no-float": in_tasks(F + "1", F + "1.0"),
    "operator": in_tasks(F + "x + 1", F + "x - 1"),
    "text": in_tasks(F + "'a'", F + "b'a'"),
    "very-long-number": in_tasks(F + "0x1" + "0" * 9999, F + "0x2" + "0" * 9999),
    "default": in_tasks("def f(x=1): return x", "def f(x=2): return x"),
    "keyword-default": in_tasks("def f(*, x=1): return x", "def f(*, x=2): return x"),
    "default-moves": in_tasks("def f(x=1, *, y): ...", "def f(x, *, y=1): ..."),
    "positional-only": in_tasks("def f(x, y): ...", "def f(x, /, y): ..."),
    "default-names": in_tasks("A = 1\ndef f(x=A): ...", "A = 2\ndef f(x=A): ..."),
    "async": in_tasks("def f(x): ...", "async def f(x): ..."),
    "decorator": in_tasks("def f(x): ...", "import functools\n@functools.cache\ndef f(x): ..."),
    "decorator-argument": in_tasks(
        "import retries\n@retries.of(3)\ndef f(x): ...",
        "import retries\n@retries.of(4)\ndef f(x): ...",
    ),
    "decorator-of-ours": in_tasks(
        "def twice(g): return lambda x: g(g(x))\n@twice\ndef f(x): ...",
        "def twice(g): return lambda x: g(g(g(x)))\n@twice\ndef f(x): ...",
    ),
    "helper": in_tasks(F + "g(x)\ndef g(x): return 1", F + "g(x)\ndef g(x): return 2"),
    "helper-of-helper": in_tasks(
        F + "g()\ndef g(): return h()\ndef h(): return 1",
        F + "g()\ndef g(): return h()\ndef h(): return 2",
    ),
    "helper-only-named": in_tasks(
        F + "map(g, x)\ndef g(): return 1", F + "map(g, x)\ndef g(): return 2"
    ),
    "lambda": in_tasks("g = lambda x: 1\n" + F + "g(x)", "g = lambda x: 2\n" + F + "g(x)"),
    "function-is-a-lambda": in_tasks("f = lambda x: 1", "f = lambda x: 2"),
    "nested-function": in_tasks(
        "A = 1\ndef f(x):\n    def g(): return A\n    return g()",
        "A = 2\ndef f(x):\n    def g(): return A\n    return g()",
    ),
    "lambda-inside": in_tasks("A = 1\n" + F + "lambda y: A", "A = 2\n" + F + "lambda y: A"),
    "comprehension": in_tasks(
        "A = 1\n" + F + "[A for y in x]", "A = 2\n" + F + "[A for y in x]"
    ),
    "first-iterable": in_tasks(
        "rows = 1\n" + F + "[rows for rows in rows]", "rows = 2\n" + F + "[rows for rows in rows]"
    ),
    "constant-of-module": in_tasks("A = 1\n" + F + "A", "A = 2\n" + F + "A"),
    "annotated-constant": in_tasks("A: int = 1\n" + F + "A", "A: int = 2\n" + F + "A"),
    "constant-of-constant": in_tasks("B = 1\nA = B\n" + F + "A", "B = 2\nA = B\n" + F + "A"),
    "unpacked": in_tasks("A, B = 1, 2\n" + F + "B", "A, B = 1, 3\n" + F + "B"),
    "added-to": in_tasks("A = 1\nA += 1\n" + F + "A", "A = 1\nA += 2\n" + F + "A"),
    "declared-global": in_tasks(
        "A = 1\ndef f(x):\n    global A\n    A = A + 1",
        "A = 2\ndef f(x):\n    global A\n    A = A + 1",
    ),
    "loop-over": in_tasks(
        "for A in (1, 2): pass\n" + F + "A", "for A in (1, 3): pass\n" + F + "A"
    ),
    "with-as": in_tasks("with a(1) as A: pass\n" + F + "A", "with a(2) as A: pass\n" + F + "A"),
    "walrus": in_tasks("if (A := 1): pass\n" + F + "A", "if (A := 2): pass\n" + F + "A"),
    "condition": in_tasks(
        "import sys\nif sys.platform == 'a': A = 1\nelse: A = 2\n" + F + "A",
        "import sys\nif sys.platform == 'b': A = 1\nelse: A = 2\n" + F + "A",
    ),
    "branch": in_tasks(
        "if a: A = 1\nelse: A = 2\n" + F + "A", "if a: A = 2\nelse: A = 1\n" + F + "A"
    ),
    "fallback-import": in_tasks(
        "try:\n    from fast import g\nexcept ImportError:\n    def g(x): return 1\n" + F + "g(x)",
        "try:\n    from fast import g\nexcept ImportError:\n    def g(x): return 2\n" + F + "g(x)",
    ),
    "partial": in_tasks(
        "from functools import partial\ndef g(x, y): return 1\nh = partial(g, 1)\n" + F + "h(x)",
        "from functools import partial\ndef g(x, y): return 2\nh = partial(g, 1)\n" + F + "h(x)",
    ),
    "function-is-a-partial": in_tasks(
        "from functools import partial\ndef g(x, y): return 1\nf = partial(g, 1)",
        "from functools import partial\ndef g(x, y): return 2\nf = partial(g, 1)",
    ),
    "registry": in_tasks(
        "def g(): return 1\nTABLE = {'a': g}\n" + F + "TABLE[x]()",
        "def g(): return 2\nTABLE = {'a': g}\n" + F + "TABLE[x]()",
    ),
    "registry-filled-later": in_tasks(
        TABLE + "def g(): return 1\nTABLE['a'] = g", TABLE + "def g(): return 2\nTABLE['a'] = g"
    ),
    "registry-filled-by-method": in_tasks(
        TABLE + "def g(): return 1\nTABLE.update(a=g)",
        TABLE + "def g(): return 2\nTABLE.update(a=g)",
    ),
    "registry-filled-in-loop": in_tasks(
        TABLE + "for n in 'ab': TABLE[n] = n", TABLE + "for n in 'abc': TABLE[n] = n"
    ),
    "registry-filled-by-decorator": in_tasks(
        TABLE + "def add(g):\n    TABLE[g.__name__] = g\n    return g\n@add\ndef g(): return 1",
        TABLE + "def add(g):\n    TABLE[g.__name__] = g\n    return g\n@add\ndef g(): return 2",
    ),
    "registry-filled-by-call": in_tasks(
        TABLE + "def put(n, g):\n    TABLE[n] = g\ndef g(): return 1\nput('a', g)",
        TABLE + "def put(n, g):\n    TABLE[n] = g\ndef g(): return 2\nput('a', g)",
    ),
    "registry-object": in_tasks(
        "reg = Registry()\n@reg.register('a')\ndef g(): return 1\n" + F + "reg.run(x)",
        "reg = Registry()\n@reg.register('a')\ndef g(): return 2\n" + F + "reg.run(x)",
    ),
    "registry-of-subclasses": in_tasks(
        "class B:\n    def __init_subclass__(cls): ...\nclass C(B):\n    a = 1\n" + F + "B.get(x)",
        "class B:\n    def __init_subclass__(cls): ...\nclass C(B):\n    a = 2\n" + F + "B.get(x)",
    ),
    "single-dispatch": in_tasks(
        "from functools import singledispatch\n@singledispatch\ndef f(x): ...\n"
        "@f.register\ndef _(x: int): return 1",
        "from functools import singledispatch\n@singledispatch\ndef f(x): ...\n"
        "@f.register\ndef _(x: float): return 1",
    ),
    "class": in_tasks(
        "class C:\n    def m(self): return 1\n" + F + "C().m()",
        "class C:\n    def m(self): return 2\n" + F + "C().m()",
    ),
    "base": in_tasks(
        "class B:\n    a = 1\nclass C(B): ...\n" + F + "C()",
        "class B:\n    a = 2\nclass C(B): ...\n" + F + "C()",
    ),
    "reach-of-method": in_tasks(
        "A = 1\nclass C:\n    def m(self): return A\n" + F + "C().m()",
        "A = 2\nclass C:\n    def m(self): return A\n" + F + "C().m()",
    ),
    "fields-of-a-record": in_tasks(
        "@dataclass\nclass C:\n    a: int\n    b: int\n" + F + "C(1, x)",
        "@dataclass\nclass C:\n    b: int\n    a: int\n" + F + "C(1, x)",
    ),
    "model-in-a-field": in_tasks(
        "class A(BaseModel):\n    limit = 1\nclass C(BaseModel):\n    a: 'list[A]'\n" + F + "C(x)",
        "class A(BaseModel):\n    limit = 2\nclass C(BaseModel):\n    a: 'list[A]'\n" + F + "C(x)",
    ),
    "class-attribute-from-global": in_tasks(
        "a = 1\nclass C:\n    a = a\n" + F + "C", "a = 2\nclass C:\n    a = a\n" + F + "C"
    ),
    "effect-in-module": in_tasks(
        "import random\nrandom.seed(3)\n" + F + "x", "import random\nrandom.seed(4)\n" + F + "x"
    ),
    "effect-of-own-function": in_tasks(
        "def setup(): a(1)\nsetup()\n" + F + "x", "def setup(): a(2)\nsetup()\n" + F + "x"
    ),
    "module-helper": with_helper(
        "import helpers\n" + F + "helpers.g()", "def g(): return 1", "def g(): return 2"
    ),
    "module-under-alias": with_helper(
        "import helpers as h\n" + F + "h.g()", "def g(): return 1", "def g(): return 2"
    ),
    "from-import": with_helper(
        "from helpers import g as h\n" + F + "h()", "def g(): return 1", "def g(): return 2"
    ),
    "star-import": with_helper(
        "from helpers import *\n" + F + "g()", "def g(): return 1", "def g(): return 2"
    ),
    "import-inside": with_helper(
        "def f(x):\n    from helpers import g\n    return g(x)",
        "def g(): return 1",
        "def g(): return 2",
    ),
    "module-import-inside": with_helper(
        "def f(x):\n    import helpers as h\n    return (lambda: h.g(x))()",
        "def g(): return 1",
        "def g(): return 2",
    ),
    "import-by-text": with_helper(
        "import importlib\n" + F + "importlib.import_module('helpers').g(x)",
        "def g(): return 1",
        "def g(): return 2",
    ),
    "module-as-a-value": with_helper(
        "import helpers\n" + F + "getattr(helpers, x)()", "def g(): return 1", "def g(): return 2"
    ),
    "attribute-by-module-function": with_helper(
        "import helpers\n" + F + "helpers.g()",
        "def __getattr__(name): return 1",
        "def __getattr__(name): return 2",
    ),
    "alias-of-helper": with_helper(
        "import helpers\ng = helpers.g\n" + F + "g()", "def g(): return 1", "def g(): return 2"
    ),
    "globals": in_tasks(
        "def g(): return 1\n" + F + "globals()[x]()", "def g(): return 2\n" + F + "globals()[x]()"
    ),
    "effect-of-imported": with_helper("import helpers\n" + F + "x", "go(1)", "go(2)"),
    "setting-of-another-module": (
        {"tasks.py": "import settings, prod\n" + F + "settings.A", "settings.py": "A = 1",
         "prod.py": "import settings\nsettings.A = 2"},
        {"tasks.py": "import settings, prod\n" + F + "settings.A", "settings.py": "A = 1",
         "prod.py": "import settings\nsettings.A = 3"},
    ),
    "plugin": (
        {"tasks.py": "import core, plugin\n" + F + "core.TABLE[x]()",
         "core.py": "TABLE = {}\ndef put(g):\n    TABLE[g.__name__] = g\n    return g",
         "plugin.py": "from core import put\n@put\ndef g(): return 1"},
        {"tasks.py": "import core, plugin\n" + F + "core.TABLE[x]()",
         "core.py": "TABLE = {}\ndef put(g):\n    TABLE[g.__name__] = g\n    return g",
         "plugin.py": "from core import put\n@put\ndef g(): return 2"},
    ),
    "imports-swapped": (
        {"tasks.py": "from m import a as p, b as q\n" + F + "p(1) + q(2)", "m.py": "a = b = abs"},
        {"tasks.py": "from m import b as p, a as q\n" + F + "p(1) + q(2)", "m.py": "a = b = abs"},
    ),
    "other-name-of-a-package": in_tasks(
        "from math import floor as r\n" + F + "r(x)", "from math import ceil as r\n" + F + "r(x)"
    ),
    "deep-module": (
        {"tasks.py": "import a.b.c\n" + F + "a.b.c.g()", "a/b/c.py": "def g(): return 1"},
        {"tasks.py": "import a.b.c\n" + F + "a.b.c.g()", "a/b/c.py": "def g(): return 2"},
    ),
    "re-export": (
        {"tasks.py": "import a\n" + F + "a.g()", "a/__init__.py": "from .b import *",
         "a/b.py": "from ._c import h as g", "a/_c.py": "def h(): return 1"},
        {"tasks.py": "import a\n" + F + "a.g()", "a/__init__.py": "from .b import *",
         "a/b.py": "from ._c import h as g", "a/_c.py": "def h(): return 2"},
    ),
    "submodule-from-its-package": (
        {"tasks.py": "from a import b\n" + F + "b.g()", "a/__init__.py": "from . import b",
         "a/b.py": "def g(): return 1"},
        {"tasks.py": "from a import b\n" + F + "b.g()", "a/__init__.py": "from . import b",
         "a/b.py": "def g(): return 2"},
    ),
    "function-re-exported": (
        {"tasks/__init__.py": "from .impl import f", "tasks/impl.py": F + "1"},
        {"tasks/__init__.py": "from .impl import f", "tasks/impl.py": F + "2"},
    ),
    "parent-is-run": (
        {"tasks.py": "from a.b import g\n" + F + "g()", "a/__init__.py": "go(1)",
         "a/b.py": "def g(): ..."},
        {"tasks.py": "from a.b import g\n" + F + "g()", "a/__init__.py": "go(2)",
         "a/b.py": "def g(): ..."},
    ),
    "cycle-of-helpers": (
        {"tasks.py": "from m import g\n" + F + "g()", "m.py": "import tasks\ndef g(): tasks.f(1)"},
        {"tasks.py": "from m import g\n" + F + "g()", "m.py": "import tasks\ndef g(): tasks.f(2)"},
    ),
    "syntax-error-in-reach": with_helper("from helpers import g\n" + F + "g()", "def (", "def  ("),
    "missing-module-arrives": (
        {"tasks.py": "from a import b\n" + F + "b.g()", "a/__init__.py": ""},
        {"tasks.py": "from a import b\n" + F + "b.g()", "a/__init__.py": "",
         "a/b.py": "def g(): ..."},
    ),
    "module-of-a-namespace": (
        {"tasks.py": "from a import b\n" + F + "x", "a/b.py": "go(1)"},
        {"tasks.py": "from a import b\n" + F + "x", "a/b.py": "go(2)"},
    ),
    "import-declared-global": with_helper(
        "def f(x):\n    global g\n    from helpers import g\n    return h(x)\n"
        "def h(x): return g(x)",
        "def g(x): return 1",
        "def g(x): return 2",
    ),
    "loop-in-module": in_tasks(
        "A = []\nwhile len(A) < 3: A.append(1)\n" + F + "A",
        "A = []\nwhile len(A) < 4: A.append(1)\n" + F + "A",
    ),
    "match-in-module": in_tasks(
        "match x:\n    case 1: A = 1\n" + F + "A", "match x:\n    case 2: A = 1\n" + F + "A"
    ),
    "deleted-item": in_tasks(
        "A = {1: 2}\ndel A[1]\n" + F + "A", "A = {1: 2}\ndel A[2]\n" + F + "A"
    ),
    "attribute-of-own-function": in_tasks(
        "def f(x): return f.a\nf.a = 1", "def f(x): return f.a\nf.a = 2"
    ),
    "types-of-a-validated-function": in_tasks(
        "@validate_call\ndef f(x: int): ...", "@validate_call\ndef f(x: float): ..."
    ),
    "match": in_tasks(
        "A = 1\ndef f(x):\n    match x:\n        case C(y): return A",
        "A = 2\ndef f(x):\n    match x:\n        case C(y): return A",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(*each, id=name) for name, each in CHANGED.items()]
)
def test_changed(
    application: Application, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    first = of(application(before))
    assert of(application(after)).digest != first.digest


UNCHANGED = {
    "comment": in_tasks(F + "1", "# new\n" + F + "1  # one"),
    "docstring": in_tasks(F + "1", 'def f(x):\n    """New."""\n    return 1'),
    "other-docstring": in_tasks(
        "class C:\n    'a'\n    def m(self): 'b'\n" + F + "C",
        "class C:\n    def m(self): pass\n" + F + "C",
    ),
    "docstring-of-module": in_tasks(F + "1", '"""New."""\n' + F + "1"),
    "layout": in_tasks(F + "g(1, 2)", "\n\ndef f( x ):\n\n        return (g(1,\n  2,))"),
    "quotes": in_tasks(F + "'a'", F + '"""a"""'),
    "number-as-written": in_tasks(F + "1000", F + "1_000"),
    "pass": in_tasks("def f(x):\n    g()", "def f(x):\n    pass\n    g()"),
    "annotation": in_tasks("def f(x): return x", "def f(x: A) -> B: return x"),
    "annotation-names": in_tasks("A = 1\ndef f(x: A): ...", "A = 2\ndef f(x: A): ..."),
    "annotated-variable": in_tasks("def f(x):\n    y = 1", "def f(x):\n    y: int = 1"),
    "bare-annotation": in_tasks("def f(x):\n    y = 1", "def f(x):\n    y: int\n    y = 1"),
    "annotated-constant": in_tasks("A = 1\n" + F + "A", "A: Final = 1\n" + F + "A"),
    "attribute-of-a-plain-class": in_tasks(
        "class C:\n    a = 1\n" + F + "C", "class C:\n    a: int = 1\n    b: str\n" + F + "C"
    ),
    "type-checking": in_tasks(
        F + "1",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from m import A\n" + F + "1",
    ),
    "type-checking-inside": in_tasks(
        F + "1", "def f(x):\n    if typing.TYPE_CHECKING:\n        go(3)\n    return 1"
    ),
    "main": in_tasks(F + "1", F + "1\nif __name__ == '__main__':\n    print(f(1))"),
    "overload": in_tasks(
        F + "1", "from typing import overload\n@overload\ndef f(x): ...\n" + F + "1"
    ),
    "unrelated-function": in_tasks(F + "1", F + "1\ndef g(): return 2"),
    "unrelated-constant": in_tasks("A = 1\n" + F + "1", "A = 2\n" + F + "1"),
    "order": in_tasks(F + "g() + A\ndef g(): 1\nA = 1\n", "A = 1\ndef g(): 1\n" + F + "g() + A"),
    "parameter-shadows": in_tasks("x = 1\n" + F + "x", "x = 2\n" + F + "x"),
    "assignment-shadows": in_tasks("y = 1\ndef f(x):\n    y = x\n    return y",
                                   "y = 2\ndef f(x):\n    y = x\n    return y"),
    "comprehension-target-shadows": in_tasks(
        "y = 1\n" + F + "{y: y for y in x if y}", "y = 2\n" + F + "{y: y for y in x if y}"
    ),
    "enclosing-function-shadows": in_tasks(
        "y = 1\ndef f(x):\n    def g():\n        nonlocal y\n        y = 1\n    y = 0\n    g()",
        "y = 2\ndef f(x):\n    def g():\n        nonlocal y\n        y = 1\n    y = 0\n    g()",
    ),
    "walrus-shadows": in_tasks(
        "y = 1\n" + F + "[y for z in x if (y := z)]", "y = 2\n" + F + "[y for z in x if (y := z)]"
    ),
    "handler-shadows": in_tasks(
        "e = 1\ndef f(x):\n    try: g()\n    except E as e: return e",
        "e = 2\ndef f(x):\n    try: g()\n    except E as e: return e",
    ),
    "capture-shadows": in_tasks(
        "y = 1\ndef f(x):\n    match x:\n        case [y, *z]: return y, z",
        "y = 2\ndef f(x):\n    match x:\n        case [y, *z]: return y, z",
    ),
    "attribute-is-no-name": in_tasks("g = 1\n" + F + "x.g", "g = 2\n" + F + "x.g"),
    "import-inside-shadows": in_tasks(
        "m = 1\ndef f(x):\n    import math as m\n    return m.pi",
        "m = 2\ndef f(x):\n    import math as m\n    return m.pi",
    ),
    "unrelated-in-imported": with_helper(
        "import helpers\n" + F + "helpers.g()", "def g(): ...\nA = 1", "def g(): ...\nA = 2"
    ),
    "relative-or-absolute": (
        {"tasks/__init__.py": "from .m import g\n" + F + "g()", "tasks/m.py": "def g(): ..."},
        {"tasks/__init__.py": "from tasks.m import g\n" + F + "g()", "tasks/m.py": "def g(): ..."},
    ),
    "module-not-imported": (
        {"tasks.py": F + "1", "other.py": "go(1)"},
        {"tasks.py": F + "1", "other.py": "go(2)"},
    ),
    "registry-nobody-reads": in_tasks(
        "TABLE = {}\nTABLE['a'] = 1\n" + F + "1", "TABLE = {}\nTABLE['a'] = 2\n" + F + "1"
    ),
    "decorated-neighbour": in_tasks(
        "import functools\n@functools.cache\ndef g(): return 1\n" + F + "1",
        "import functools\n@functools.cache\ndef g(): return 2\n" + F + "1",
    ),
    "environment-in-the-application": (
        {"tasks.py": F + "1", "venv/lib/site-packages/m.py": ""},
        {"tasks.py": F + "1", "venv/lib/site-packages/m.py": "go()"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(*each, id=name) for name, each in UNCHANGED.items()]
)
def test_unchanged(
    application: Application, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    first = of(application(before))
    assert of(application(after)).digest == first.digest


def test_parts_in_order_of_reach(application: Application) -> None:
    tasks = "from algos.g import build\nA = 1\ndef f(x):\n    return build(x) + A\n"
    algos = (
        "import random\n\nrandom.seed(3)\n\n\ndef build(x):\n    return B(x)\n\n\nclass B: ...\n"
    )
    found = of(application({"tasks.py": tasks, "algos/g.py": algos}))
    assert [attrs_of(part) for part in found.parts] == [
        ("tasks.f", "function", "tasks.py", 3, "", ""),
        ("tasks.build", "import", "tasks.py", 1, "tasks.f", ""),
        ("algos.g.build", "function", "algos/g.py", 6, "tasks.f", ""),
        ("tasks.A", "constant", "tasks.py", 2, "tasks.f", ""),
        ("algos.g.B", "class", "algos/g.py", 10, "algos.g.build", ""),
        ("algos.g.<module>", "module", "algos/g.py", 3, "algos.g.build", ""),
        ("algos.g.random", "import", "algos/g.py", 1, "algos.g.<module>", ""),
        ("Python", "package", "", 0, "algos.g.<module>", PYTHON),
    ]


PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def attrs_of(part: Part) -> tuple[str, str, str, int, str, str]:
    return (part.name, part.kind, part.file, part.line, part.via, part.version)


def test_digests_are_16_hexadecimal_digits(application: Application) -> None:
    found = of(application({"tasks.py": "import math\n" + F + "math.pi"}))
    digests = [found.digest, *(part.digest for part in found.parts)]
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in digests)


def test_method_counts_as_its_class(application: Application) -> None:
    files = {"tasks.py": "class C:\n    @staticmethod\n    def f(x): return 1"}
    assert names(of(application(files), "tasks.C.f")) == ["tasks.C"]


def test_nothing_is_imported(application: Application) -> None:
    fingerprints = application(
        {
            "h7_tasks.py": "import h7_helpers\nprint(1)\n" + F + "h7_helpers",
            "h7_helpers.py": "A = 1",
        }
    )
    of(fingerprints, "h7_tasks.f")
    assert not {"h7_tasks", "h7_helpers"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("files", "name", "reason"),
    [
        pytest.param({}, "tasks.f", "there is no module `tasks`", id="no-module"),
        pytest.param(
            {"tasks.py": ""}, "tasks.f", "the source of `tasks` binds no `f`", id="no-name"
        ),
        pytest.param({"tasks.py": "def f(): ..."}, "tasks.f", "", id="there"),
    ],
)
def test_reason(application: Application, files: Mapping[str, str], name: str, reason: str) -> None:
    fingerprints = application(files)
    ref = FunctionRef(name)
    assert (fingerprints.reason(ref), fingerprints.of(ref) is None) == (reason, bool(reason))


def test_function_in_a_module_with_a_syntax_error_is_its_bytes(application: Application) -> None:
    found = of(application({"tasks.py": "def f(:"}))
    assert [attrs_of(part) for part in found.parts] == [
        ("tasks.<module>", "module", "tasks.py", 1, "", "")
    ]


def test_compiled_module_is_the_state_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("import fast\n" + F + "fast.g(x)")
    compiled = tmp_path / f"fast{EXTENSION_SUFFIXES[0]}"
    compiled.write_bytes(b"1")
    first = of(fingerprints_in(tmp_path))
    assert names(first) == ["tasks.f", "tasks.fast", "fast.<module>"]
    compiled.write_bytes(b"11")
    assert of(fingerprints_in(tmp_path)).digest != first.digest


def test_import_from_above_the_top_leads_nowhere(application: Application) -> None:
    files = {"tasks.py": "from ..m import g\ndef f(x):\n    from ...m import h\n    g(h)"}
    assert names(of(application(files))) == ["tasks.f", "tasks.g"]


def test_function_in_a_deep_module(application: Application) -> None:
    assert names(of(application({"a/b/c.py": "def f(): ..."}), "a.b.c.f")) == ["a.b.c.f"]


def test_chain_of_ten_thousand_helpers(application: Application) -> None:
    count = 10_000
    text = "\n".join(f"def f{i}(x): return f{i + 1}(x)" for i in range(count))
    assert len(of(application({"tasks.py": text}), "tasks.f0").parts) == count


def test_deep_expression(application: Application) -> None:
    deep = "1" + " + 1" * 900
    found = of(application({"tasks.py": F + deep + " + A\nA = 1\n"}))
    assert names(found) == ["tasks.f", "tasks.A"]


def test_cycle_of_imports(application: Application) -> None:
    files = {"tasks.py": "from m import f", "m.py": "from tasks import f"}
    assert names(of(application(files))) == ["tasks.f", "m.f"]


# Installed packages.


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "lib" / "site-packages"
    folder.mkdir(parents=True)
    return folder


def install(site: Path, distribution: str, version: str, record: str) -> None:
    for old in site.glob(f"{distribution}-*.dist-info"):
        (old / "RECORD").unlink()
        old.rmdir()
    info = site / f"{distribution}-{version}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(record)


def package(home: Path, site: Path, uses: str) -> Part:
    home.mkdir(exist_ok=True)
    (home / "tasks.py").write_text(f"import {uses}\n{F}{uses}.g(x)\n")
    found = of(Fingerprints(Modules((str(home), str(site)), finders=()), home))
    assert names(found) == ["tasks.f", f"tasks.{uses}", uses]
    return found.parts[-1]


@pytest.mark.parametrize(
    ("distribution", "record", "version"),
    [
        pytest.param("thing", "thing/__init__.py,,\n", "1.0", id="same-name"),
        pytest.param("Thing", "thing/__init__.py,,\n", "1.0", id="other-case"),
        pytest.param("py_thing", "a.py,,\nthing/__init__.py,,\n", "py_thing 1.0", id="other-name"),
    ],
)
def test_package_is_its_version(
    tmp_path: Path, site: Path, distribution: str, record: str, version: str
) -> None:
    (site / "thing").mkdir()
    (site / "thing" / "__init__.py").write_text("")
    install(site, "other", "3.0", "other.py,,\n")
    install(site, distribution, "1.0", record)
    first = package(tmp_path / "app", site, "thing")
    (site / "thing" / "__init__.py").write_text("a = 1")
    same = package(tmp_path / "app", site, "thing")
    install(site, distribution, "1.1", record)
    other = package(tmp_path / "app", site, "thing")
    assert (first.version, same, first.digest != other.digest) == (version, first, True)


def test_package_without_metadata_is_its_files(tmp_path: Path, site: Path) -> None:
    (site / "thing").mkdir()
    (site / "thing" / "__init__.py").write_text("")
    (site / "thing" / "part.py").write_text("a = 1")
    first = package(tmp_path / "app", site, "thing")
    (site / "thing" / "part.py").write_text("a = 11")
    assert package(tmp_path / "app", site, "thing").digest != first.digest


def test_source_beside_the_application_is_its_files(tmp_path: Path) -> None:
    beside = tmp_path / "src"
    beside.mkdir()
    (beside / "thing.py").write_text("a = 1")
    first = package(tmp_path / "app", beside, "thing")
    os.utime(beside / "thing.py", (1, 1))
    assert package(tmp_path / "app", beside, "thing").digest != first.digest


def test_package_that_is_not_installed(application: Application) -> None:
    files = {"tasks.py": "try: import h7_fast as g\nexcept ImportError: g = None\n" + F + "g(x)"}
    assert attrs_of(of(application(files)).parts[-1]) == (
        "h7_fast",
        "package",
        "",
        0,
        "tasks.f",
        "",
    )


def test_our_part_of_a_namespace_that_is_installed_too(tmp_path: Path, site: Path) -> None:
    (site / "shared" / "theirs").mkdir(parents=True)
    (site / "shared" / "theirs" / "__init__.py").write_text("")
    install(site, "theirs", "1.0", "shared/theirs/__init__.py,,\n")
    home = tmp_path / "app"
    (home / "shared").mkdir(parents=True)
    (home / "shared" / "ours.py").write_text("def g(x): ...")
    text = "import shared.ours, shared.theirs\ndef f(x): shared.ours.g(shared.theirs.h(x))"
    (home / "tasks.py").write_text(text)
    found = of(Fingerprints(Modules((str(home), str(site)), finders=()), home))
    assert names(found) == ["tasks.f", "tasks.shared", "shared.ours.g", "shared"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        pytest.param("math.sqrt", ["math.sqrt", "Python"], id="compiled"),
        pytest.param("json.dumps", ["json.dumps", "Python"], id="standard-library"),
        pytest.param("attrs.evolve", ["attrs.evolve", "attrs"], id="installed"),
    ],
)
def test_function_that_is_not_of_the_application(
    application: Application, name: str, parts: list[str]
) -> None:
    assert names(of(application({}), name)) == parts


# What differs.


def part(name: str, digest: str, **others: Any) -> Part:
    known = {"kind": "function", "file": "algos/f.py", "line": 22, "via": "tasks.clean", **others}
    return Part(name=name, digest=digest, **known)


CLEAN = part("tasks.clean", "1", file="tasks.py", line=3, via="")
BUILD = part("algos.f.build", "1")
PANDAS = part("pandas", "1", kind="package", file="", line=0, version="2.2.2")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        pytest.param([CLEAN, BUILD], [CLEAN, BUILD], None, id="nothing"),
        pytest.param(
            [CLEAN, BUILD],
            [CLEAN, part("algos.f.build", "2")],
            "code changed algos/f.py:22 build (called by clean)",
            id="changed",
        ),
        pytest.param(
            [CLEAN, BUILD],
            [part("tasks.clean", "2", file="tasks.py", line=4, via=""), part("algos.f.build", "2")],
            "code changed tasks.py:4 clean",
            id="the-function-first",
        ),
        pytest.param(
            [CLEAN],
            [CLEAN, part("algos.f.RATE", "1", kind="constant")],
            "code added algos/f.py:22 RATE (used by clean)",
            id="added",
        ),
        pytest.param(
            [CLEAN, BUILD],
            [CLEAN],
            "code removed algos/f.py:22 build (called by clean)",
            id="removed",
        ),
        pytest.param(
            [CLEAN, BUILD],
            [CLEAN, part("algos.f.build", "1", line=99, via="tasks.f")],
            None,
            id="only-moved",
        ),
        pytest.param(
            [part("algos.<module>", "1", kind="module")],
            [part("algos.<module>", "2", kind="module", via="algos.f.<module>")],
            "code changed algos/f.py:22 algos (used by f)",
            id="module",
        ),
        pytest.param(
            [PANDAS],
            [part("pandas", "2", kind="package", file="", line=0, version="2.2.3")],
            "package changed pandas 2.2.2 -> 2.2.3 (used by clean)",
            id="package",
        ),
        pytest.param([], [PANDAS], "package added pandas none -> 2.2.2 (used by clean)", id="new"),
        pytest.param(
            [PANDAS], [], "package removed pandas 2.2.2 -> none (used by clean)", id="gone-package"
        ),
    ],
)
def test_difference(before: list[Part], now: list[Part], told: str | None) -> None:
    change = difference(Fingerprint("", tuple(before)).by_name(), Fingerprint("", tuple(now)))
    assert (None if change is None else str(change)) == told


def test_change_has_both_parts() -> None:
    now = part("algos.f.build", "2")
    change = difference({"algos.f.build": BUILD}, Fingerprint("", (now,)))
    assert change == Change("changed", now, BUILD)


def test_plain_survives_json(application: Application) -> None:
    found = of(application({"tasks.py": "import math\n" + F + "math.pi"}))
    assert from_plain(json.loads(json.dumps(found.plain()))) == found


# Objects.


def given_object(source: str, name: str = "f") -> FunctionRef:
    """What a notebook or a script hands over."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "notebook.py", "exec"), namespace)
    return FunctionRef(name, namespace[name])


def of_object(source: str) -> Fingerprint:
    home = Path("/nowhere")
    fingerprints = Fingerprints(Modules(tuple(sys.path), base=home), home)
    ref = given_object(source)
    found = fingerprints.of(ref)
    assert found is not None, fingerprints.reason(ref)
    return found


WRAPS = """
from functools import wraps
def w(g):
    @wraps(g)
    def h(x): return g(x)
    return h
"""

OBJECTS_CHANGED = {
    "constant": (F + "1", F + "2"),
    "bool": ("f = lambda: True", "f = lambda: 1"),
    "operator": (F + "x + 1", F + "x - 1"),
    "attribute": (F + "x.a", F + "x.b"),
    "text-of-lambda": ("f = lambda: 'a'", "f = lambda: 'b'"),
    "default": ("def f(x=1): ...", "def f(x=2): ..."),
    "keyword-default": ("def f(*, x=1): ...", "def f(*, x=2): ..."),
    "global": ("A = 1\n" + F + "A", "A = 2\n" + F + "A"),
    "equal-global": ("A = 1\nB = 2\n" + F + "A - B", "A = 1\nB = 1\n" + F + "A - B"),
    "global-in-list": ("A = [{1: {2}}]\n" + F + "A", "A = [{1: {3}}]\n" + F + "A"),
    "helper": (F + "g()\ndef g(): return 1", F + "g()\ndef g(): return 2"),
    "global-of-inner": (
        "A = 1\ndef f(x):\n    def g(): return A\n    return g",
        "A = 2\ndef f(x):\n    def g(): return A\n    return g",
    ),
    "closure": (
        "def m(y):\n    return lambda x: x + y\nf = m(1)",
        "def m(y):\n    return lambda x: x + y\nf = m(2)",
    ),
    "function-in-table": (
        "T = {'a': lambda: 1}\n" + F + "T[x]()",
        "T = {'a': lambda: 2}\n" + F + "T[x]()",
    ),
    "partial": (
        "from functools import partial\nf = partial(lambda a, b: a, 1)",
        "from functools import partial\nf = partial(lambda a, b: a, 2)",
    ),
    "cached": (
        "from functools import cache\n@cache\ndef f(x): return 1",
        "from functools import cache\n@cache\ndef f(x): return 2",
    ),
    "method": (
        "class C:\n    def __init__(self): self.a = 1\n    def m(self): ...\nf = C().m",
        "class C:\n    def __init__(self): self.a = 1\n    def m(self): return 1\nf = C().m",
    ),
    "state-of-method": (
        "class C: pass\ndef m(self): ...\nC.m = m\nc = C()\nc.a = 1\nf = c.m",
        "class C: pass\ndef m(self): ...\nC.m = m\nc = C()\nc.a = 2\nf = c.m",
    ),
    "class": (
        "class C:\n    @property\n    def a(self): return 1\n" + F + "C()",
        "class C:\n    @property\n    def a(self): return 2\n" + F + "C()",
    ),
    "base": (
        "class B:\n    a = 1\nclass C(B): ...\n" + F + "C()",
        "class B:\n    a = 2\nclass C(B): ...\n" + F + "C()",
    ),
    "enum": (
        "from enum import Enum\nclass E(Enum):\n    A = 1\n" + F + "E.A",
        "from enum import Enum\nclass E(Enum):\n    A = 2\n" + F + "E.A",
    ),
    "member-of-enum": (
        "from enum import Enum\nclass E(Enum):\n    A = 1\n    B = 2\nM = E.A\n" + F + "M",
        "from enum import Enum\nclass E(Enum):\n    A = 1\n    B = 2\nM = E.B\n" + F + "M",
    ),
    "record": (
        "import dataclasses as d\n@d.dataclass\nclass C:\n    a: int = 1\nc = C()\n" + F + "c",
        "import dataclasses as d\n@d.dataclass\nclass C:\n    a: int = 2\nc = C()\n" + F + "c",
    ),
    "wrapped": (WRAPS + "@w\ndef f(x): return 1", WRAPS + "@w\ndef f(x): return 2"),
    "pattern": (
        "import re\nP = re.compile('a')\n" + F + "P",
        "import re\nP = re.compile('b')\n" + F + "P",
    ),
    "handled": (
        "def f(x):\n    try: g()\n    except A: ...\n    h()",
        "def f(x):\n    try: g(); h()\n    except A: ...",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(*each, id=name) for name, each in OBJECTS_CHANGED.items()]
)
def test_object_changed(before: str, after: str) -> None:
    assert of_object(before).digest != of_object(after).digest


OBJECTS_UNCHANGED = {
    "line": (F + "1", "\n\n\n" + F + "1"),
    "docstring": ("def f(x):\n    'a'\n    return 'c'", "def f(x):\n    'b'\n    return 'c'"),
    "inner-docstring": (
        "def f(x):\n    def g():\n        'a'\n    g()",
        "def f(x):\n    def g():\n        'b'\n    g()",
    ),
    "annotation": ("def f(x: int): ...", "def f(x: str): ..."),
    "unused-global": ("A = 1\n" + F + "1", "A = 2\n" + F + "1"),
    "order-of-set": ("A = {'a', 'b', 'c'}\n" + F + "A", "A = {'c', 'b', 'a'}\n" + F + "A"),
    "set-constant": (F + "x in {'a', 'b'}", F + "x in {'b', 'a'}"),
    "logger": (
        "import logging\nL = logging.getLogger('a')\n" + F + "L.info(x)",
        "import logging\n\nL = logging.getLogger('a')\n" + F + "L.info(x)",
    ),
    "recursion": (F + "f(x)", F + "f(x)"),
    "list-in-itself": ("A = []\nA.append(A)\n" + F + "A", "A = []\nA.append(A)\n" + F + "A"),
}


@pytest.mark.parametrize(
    ("before", "after"), [pytest.param(*each, id=name) for name, each in OBJECTS_UNCHANGED.items()]
)
def test_object_unchanged(before: str, after: str) -> None:
    assert of_object(before).digest == of_object(after).digest


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(
            "import threading\nA = threading.Lock()\n" + F + "A",
            "it uses `A`, and changes of a lock are not seen",
            id="lock",
        ),
        pytest.param(
            "A = [iter([])]\n" + F + "A",
            "it uses `A`, and changes of a list_iterator are not seen",
            id="in-a-list",
        ),
        pytest.param(
            "A = list(range(200_000))\n" + F + "A",
            "it uses `A`, which holds too many values to look at",
            id="too-many",
        ),
    ],
)
def test_reason_of_object(source: str, reason: str) -> None:
    fingerprints = fingerprints_in(Path("/nowhere"))
    ref = given_object(source)
    assert (fingerprints.of(ref), fingerprints.reason(ref)) == (None, reason)


def test_object_that_uses_packages(application: Application) -> None:
    ref = given_object("import json\nfrom attrs import evolve\nf = lambda x: json.dumps(evolve(x))")
    found = application({}).of(ref)
    assert found is not None
    assert names(found) == ["f", "Python", "attr"]


def test_object_that_uses_the_application(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprints = application({"h7_app.py": "def g(): return A\nA = 1\n"})
    monkeypatch.syspath_prepend(fingerprints.application)
    ref = given_object("from h7_app import g\n" + F + "g()")
    found = fingerprints.of(ref)
    del sys.modules["h7_app"]
    assert found is not None
    assert names(found) == ["f", "Python", "h7_app.g", "h7_app.A"]


def test_two_objects_of_one_name() -> None:
    fingerprints = fingerprints_in(Path("/nowhere"))
    one, other = given_object("f = lambda: 1"), given_object("f = lambda: 2")
    assert fingerprints.of(one) != fingerprints.of(other)


# Properties.

MODULES = {
    "tasks.py": '''
"""About tasks."""
import helpers
from helpers import Table as Rows, clean
from shapes import *

RATE = 3
LIMITS = {"low": 1, "high": RATE * 2}


def scaled(value):
    """Scale."""
    return [each * RATE + 1 for each in value if each > LIMITS["low"]]


def unrelated(value):
    return value - 100


def f(x, *, start=5):
    """Do it."""
    rows = Rows(clean(x))
    total = start
    while total < LIMITS["high"] or not rows:
        total += area(rows.width, 2) - 1
    return scaled([total]) + [helpers.last(x)[-1], f"{total:>{4}}"]
''',
    "helpers.py": '''
SIZE = 7


class Table:
    """Rows."""

    width = SIZE + 1

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows) % 11


def clean(rows):
    try:
        return sorted(rows, key=lambda row: row * -1)
    except (TypeError, ValueError) as error:
        raise RuntimeError("unsorted") from error


def last(rows):
    return rows[0:9] and rows[-1:]


def unrelated():
    return 5
''',
    "shapes.py": """
def area(width, height):
    if width is None:
        return 0.5
    return width * height / 2
""",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


def digest_in(home: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        (home / name).write_text(text)
    return of(fingerprints_in(home)).digest


def with_comments(text: str, draw: st.DrawFn) -> str:
    lines = text.splitlines()
    ends = [
        token.start[0] - 1
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.NEWLINE
    ]
    for line in draw(st.sets(st.sampled_from(ends))):
        lines[line] += "  # " + draw(st.text("ab'\"\\#(", max_size=5)) + "\n\n"
    return "\n".join(lines) + "\n"


def with_docstrings(text: str, draw: st.DrawFn) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if ast.get_docstring(node) is not None:
                node.body[0] = ast.Pass()
            if draw(st.booleans()):
                node.body.insert(0, ast.Expr(ast.Constant(draw(st.text(max_size=8)))))
    return ast.unparse(ast.fix_missing_locations(tree))


def reordered(text: str, draw: st.DrawFn) -> str:
    body = ast.parse(text).body
    is_definition = [isinstance(each, ast.FunctionDef | ast.ClassDef) for each in body]
    moved = iter(draw(st.permutations(list(itertools.compress(body, is_definition)))))
    placed = [
        next(moved) if is_one else each for each, is_one in zip(body, is_definition, strict=True)
    ]
    return "\n".join(map(ast.unparse, placed))


@st.composite
def written_otherwise(draw: st.DrawFn) -> dict[str, str]:
    changes: list[Callable[[str, st.DrawFn], str]] = [
        lambda text, _: ast.unparse(ast.parse(text)),
        with_comments,
        with_docstrings,
        reordered,
    ]
    files = dict(MODULES)
    for name in MODULES:
        for change in draw(st.lists(st.sampled_from(changes), max_size=3)):
            files[name] = change(files[name], draw)
    return files


@settings(max_examples=60, deadline=None)
@given(files=written_otherwise())
def test_how_it_is_written_does_not_count(home: Path, files: dict[str, str]) -> None:
    assert digest_in(home, files) == digest_in(home, MODULES)


def changeable(tree: ast.Module) -> list[ast.AST]:
    """The constants and operators of all that is reached."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
        and isinstance(node.body[0], ast.Expr)
    }
    kept = [each for each in tree.body if getattr(each, "name", "") != "unrelated"]
    return [
        node
        for top in kept
        for node in ast.walk(top)
        if isinstance(node, ast.Constant | ast.BinOp | ast.Compare | ast.BoolOp | ast.UnaryOp)
        and id(node) not in docstrings
    ]


def change(node: ast.AST) -> None:
    match node:
        case ast.Constant(value=str(text)):
            node.value = text + "~"
        case ast.Constant(value=None):
            node.value = ...
        case ast.Constant(value=value):
            node.value = value + 1  # type: ignore[operator]  # there are only numbers left
        case ast.BinOp():
            node.op = ast.MatMult()
        case ast.Compare():
            node.ops = [ast.NotEq()]
        case ast.BoolOp():
            node.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        case ast.UnaryOp():
            node.op = ast.Invert()


PLACES = [
    (name, index)
    for name, text in MODULES.items()
    for index in range(len(changeable(ast.parse(text))))
]


@pytest.mark.parametrize(
    ("name", "index"), [pytest.param(*each, id=f"{each[0]}-{each[1]}") for each in PLACES]
)
def test_every_constant_and_operator_that_is_reached_counts(
    home: Path, name: str, index: int
) -> None:
    tree = ast.parse(MODULES[name])
    change(changeable(tree)[index])
    assert digest_in(home, {**MODULES, name: ast.unparse(tree)}) != digest_in(home, MODULES)


STANDARD = ("argparse", "ast", "dataclasses", "difflib", "inspect", "tarfile", "typing")


@pytest.mark.parametrize("module", STANDARD)
def test_reading_is_the_same_after_unparsing(module: str) -> None:
    tree = ast.parse((Path(os.__file__).parent / f"{module}.py").read_text())
    assert read(tree.body).text == read(ast.parse(ast.unparse(tree)).body).text


@pytest.mark.parametrize("module", STANDARD)
def test_mentions_are_the_globals_that_the_compiler_sees(module: str) -> None:
    tree = ast.parse((Path(os.__file__).parent / f"{module}.py").read_text())
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
    texts = [ast.unparse(without_annotations(each)) for each in functions]
    mentioned = [
        {each.root for each in read(ast.parse(text).body).mentions if each.kind == "name"}
        for text in texts
    ]
    assert mentioned == [set(globals_in(symtable.symtable(text, "", "exec"))) for text in texts]


def without_annotations(function: ast.FunctionDef) -> ast.FunctionDef:
    for node in ast.walk(function):
        match node:
            case ast.arg():
                node.annotation = None
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                node.returns = None
    return function


def globals_in(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        is_global = table.get_type() == "module" or symbol.is_global()
        if is_global and (symbol.is_referenced() or symbol.is_declared_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from globals_in(child)
