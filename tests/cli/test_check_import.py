"""`runner check --import`: functions are imported, in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

Cli = Callable[..., Any]
Write = Callable[[Mapping[str, str]], object]

ALGOS: Final = """\
def given(function):
    def takes_two(a, b):
        print("called")
    return takes_two


@given
def clean(raw):
    pass


print("imported")
"""


def pipeline(function: str) -> str:
    return (
        "[DATA_NODE.raw]\ndefault_data = 1\n\n"
        f'[TASK.clean]\nfunction = "{function}"\ninputs = ["raw"]\n'
    )


def test_what_is_only_known_when_it_is_imported(cli: Cli, write: Write) -> None:
    write({"pipeline.toml": pipeline("algos.clean"), "algos.py": ALGOS})
    assert cli("check", "--strict", "pipeline.toml").code == 0
    ended = cli("check", "--import", "pipeline.toml")
    assert ended.code == 1
    assert ended.err == ""
    assert ended.out == (
        "error[RUN304]: `algos.clean` needs 2 arguments, [TASK.clean] gives 1\n"
        " --> pipeline.toml:6:10\n"
        "  |\n"
        '6 | inputs = ["raw"]\n'
        "  |          ^^^^^^^ `raw`; nothing for `b`\n"
        "  |\n"
        " ::: algos.py:8:1\n"
        "  |\n"
        "8 | def clean(raw):\n"
        "  |\n"
        "\n"
        "Checked 1 file: 1 data node, 1 task, 0 scenarios in <time>\n"
        "1 error. More about a code: runner explain RUN304\n"
    )


def test_a_module_that_raises(cli: Cli, write: Write) -> None:
    write(
        {
            "conf/pipeline.toml": pipeline("algos.clean"),
            "conf/algos.py": "import inner\ndef clean(raw): pass\n",
            "conf/inner.py": "limits = {}\nlimits['rate']\n",
        }
    )
    ended = cli("check", "--import", "conf/pipeline.toml")
    assert ended.code == 1
    assert ended.out == (
        "error[RUN301]: `algos.clean` cannot be imported: KeyError: 'rate'\n"
        " --> conf/pipeline.toml:5:12\n"
        "  |\n"
        '5 | function = "algos.clean"\n'
        "  |            ^^^^^^^^^^^^^\n"
        "  |\n"
        " ::: conf/inner.py:2:1\n"
        "  |\n"
        "2 | limits['rate']\n"
        "  |\n"
        "\n"
        "Checked 1 file: 1 data node, 1 task, 0 scenarios in <time>\n"
        "1 error. More about a code: runner explain RUN301\n"
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        pytest.param(
            "nowhere.clean",
            "pipeline.toml:5:12: error[RUN301]: no module `nowhere` "
            "(there is no nowhere.py in <folder>, and no such module is installed)\n",
            id="module",
        ),
        pytest.param(
            "algos.claen",
            "pipeline.toml:5:12: error[RUN302]: module `algos` has no name `claen` "
            "(did you mean `clean`? It is at algos.py:8:1)\n",
            id="name",
        ),
    ],
)
def test_what_can_be_read_is_told_as_without_importing(
    cli: Cli, write: Write, function: str, expected: str
) -> None:
    write({"pipeline.toml": pipeline(function), "algos.py": ALGOS})
    plain = cli("check", "--format", "concise", "pipeline.toml")
    assert plain.out == expected
    assert cli("check", "--import", "--format", "concise", "pipeline.toml") == plain


def test_all_that_is_named_is_imported(cli: Cli, write: Write) -> None:
    text = """\
[DATA_NODE.made]
default_data = "m1.f:function"
[DATA_NODE.read]
storage_type = "generic"
read_fct = "m2.f"
[TASK.t]
function = "m3.f"
inputs = ["made", "read"]
[SCENARIO.s]
tasks = ["t"]
[SCENARIO.s.comparators]
made = "m4.f"
"""
    raises = {f"m{number}.py": "def f(*_): pass\nraise OSError\n" for number in range(1, 5)}
    write({"pipeline.toml": text, **raises})
    ended = cli("check", "--import", "--format", "concise", "pipeline.toml")
    assert ended.out.splitlines() == [
        f"pipeline.toml:{place}: error[RUN301]: `m{number}.f` cannot be imported: OSError"
        for number, place in enumerate(("2:16", "5:12", "7:12", "12:8"), 1)
    ]
