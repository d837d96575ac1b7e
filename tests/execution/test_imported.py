"""Of `imported` and of `interview`, which is what it starts."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from runner.diagnostics import Place, Position
from runner.errors import SetupError
from runner.execution.imported import ask
from runner.functions.modules import Modules
from runner.functions.signatures import Found, NotFound, Parameter, Signature

FILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "good.py": (
            "def f(a, b=1, *rest, key, more=2): pass\n"
            "class Row:\n"
            "    def __init__(self, a): pass\n"
            "    def method(self): pass\n"
            "number = 5\n"
            "class Odd:\n"
            "    __signature__ = 5\n"
            "    def __call__(self): pass\n"
            "odd = Odd()\n"
        ),
        "prints.py": (
            "import sys\nprint('{}\\n' * 100_000, file=sys.stderr)\nprint('{}')\ndef f(): pass\n"
        ),
        "reads.py": "def f(): pass\ninput()\n",
        "raises.py": "import json\ndef f(): pass\ndef g(): pass\njson.loads('nope')\n",
        "exits.py": "import sys\ndef f(): pass\nsys.exit(3)\n",
        "exits_at_ease.py": "raise SystemExit\n",
        "ends.py": "import os\nprint('bye', flush=True)\nos._exit(7)\n",
        "interrupts.py": "raise KeyboardInterrupt\n",
        "crashes.py": "import os, signal\n\nos.kill(os.getpid(), signal.SIGSEGV)\n",
        "hangs.py": "import threading\nthreading.Event().wait()\n",
        "leaves.py": (
            "import subprocess, sys, threading\n"
            "hang = 'import threading; threading.Event().wait()'\n"
            "child = subprocess.Popen([sys.executable, '-c', hang])\n"
            "open('child', 'w').write(str(child.pid))\n"
            "threading.Thread(target=threading.Event().wait).start()\n"
            "def f(): pass\n"
        ),
        "lazy.py": "def __getattr__(name): raise AttributeError\ncolor = 1\n",
        "json.py": "def f(): pass\n",
        "where.py": "open('here', 'w').close()\ndef f(): pass\n",
    }
)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def asked(app: Path) -> Callable[..., dict[str, Found | NotFound]]:
    modules = Modules((str(app),), base=app)

    def ask_all(*names: str, limit: float = 60) -> dict[str, Found | NotFound]:
        return ask(names, modules, application_path=app, limit=limit)

    return ask_all


def refusal(name: str, why: str, line: int | None = None, hint: str | None = None) -> NotFound:
    place = None
    if line is not None:
        start = Position(line, 1)
        place = Place(f"{name.partition('.')[0]}.py", start, start)
    message = f"`{name}` cannot be imported: {why}"
    return NotFound(code="RUN301", message=message, hint=hint, place=place)


def test_what_functions_take(asked: Callable[..., dict[str, Found | NotFound]]) -> None:
    assert asked("good.f", "good.Row", "good.Row.method", "good.odd", "builtins.len") == {
        "good.f": Found(
            name="good.f",
            kind="function",
            callable=True,
            signature=Signature(
                positional=(Parameter(name="a"), Parameter(name="b", has_default=True)),
                var_positional=True,
                keyword_only_required=("key",),
            ),
        ),
        "good.Row": Found(
            name="good.Row",
            kind="class",
            callable=True,
            signature=Signature(positional=(Parameter(name="a"),)),
        ),
        "good.Row.method": Found(
            name="good.Row.method",
            kind="function",
            callable=True,
            signature=Signature(positional=(Parameter(name="self"),)),
        ),
        "good.odd": Found(name="good.odd", kind="function", callable=True),
        "builtins.len": Found(
            name="builtins.len",
            kind="function",
            callable=True,
            signature=Signature(positional=(Parameter(name="obj"),)),
        ),
    }


def test_what_is_there_and_no_function(asked: Callable[..., dict[str, Found | NotFound]]) -> None:
    found = asked("good.number", "lazy.colour", "nowhere.f")
    assert {
        name: (each.code, each.hint) for name, each in found.items() if isinstance(each, NotFound)
    } == {
        "good.number": ("RUN303", None),
        "lazy.colour": ("RUN302", "did you mean `color`?"),
        "nowhere.f": ("RUN301", None),
    }


def test_modules_that_do_not_go_on_do_not_hide_others(
    asked: Callable[..., dict[str, Found | NotFound]],
) -> None:
    raised = "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
    bad = {
        "raises.f": refusal("raises.f", raised, line=4),
        "ends.f": refusal(
            "ends.f",
            "its module ended the process (exit code 7)",
            hint='the last it printed: "bye"',
        ),
        "exits.f": refusal("exits.f", "its module called sys.exit(3)", line=3),
        "exits_at_ease.f": refusal("exits_at_ease.f", "its module called sys.exit()", line=1),
        "reads.f": refusal("reads.f", "EOFError: EOF when reading a line", line=2),
        "crashes.f": refusal("crashes.f", "its module ended the process (SIGSEGV)", line=3),
        "crashes.g": refusal("crashes.g", "its module ended the process (SIGSEGV)", line=3),
        "raises.g": refusal("raises.g", raised, line=4),
        "interrupts.f": refusal("interrupts.f", "KeyboardInterrupt", line=1),
    }
    found = asked("prints.f", *bad, "good.f")
    assert isinstance(found.pop("prints.f"), Found)
    assert isinstance(found.pop("good.f"), Found)
    assert found == bad


def test_a_module_that_takes_too_long(asked: Callable[..., dict[str, Found | NotFound]]) -> None:
    found = asked("hangs.f", "good.f", "hangs.g", limit=1.5)
    assert isinstance(found.pop("good.f"), Found)
    late = "its module took longer than 1.5 s"
    assert found == {name: refusal(name, late, line=2) for name in ("hangs.f", "hangs.g")}


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells when others end")
def test_nothing_that_was_started_is_left(
    asked: Callable[..., dict[str, Found | NotFound]], app: Path
) -> None:
    assert isinstance(asked("leaves.f")["leaves.f"], Found)
    assert _ends(int((app / "child").read_text()))


def _ends(pid: int) -> bool:
    """Whether a process that was killed ends."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended, _, _ = select.select([descriptor], [], [], 10)
    os.close(descriptor)
    return bool(ended)


def test_modules_of_the_application_are_not_taken_for_those_of_the_runner(
    asked: Callable[..., dict[str, Found | NotFound]],
) -> None:
    assert isinstance(asked("good.f")["good.f"], Found)  # though there is a json.py


def test_the_working_folder_is_the_application_path(
    asked: Callable[..., dict[str, Found | NotFound]], app: Path
) -> None:
    asked("where.f")
    assert (app / "here").is_file()


def test_nothing_is_started_for_nothing(tmp_path: Path) -> None:
    assert ask([], Modules(()), application_path=tmp_path / "nowhere") == {}


def test_an_application_path_that_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    message = f"functions cannot be imported in {folder}: No such file or directory"
    with pytest.raises(SetupError, match=f"^{message}$"):
        ask(["good.f"], Modules(()), application_path=folder)
