"""`runner check --deep`: files, the storage folder and the broker are looked at too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

PIPELINE: Final = """\
[CORE]
storage_folder = "algos.py"

[DATA_NODE.raw]
storage_type = "json"
path = "data/raws.json"

[DATA_NODE.cleaned]
storage_type = "json"
path = "algos.py/cleaned.json"

[TASK.clean]
function = "algos.clean"
inputs = ["raw"]
outputs = ["cleaned"]
"""
FILES: Final = {
    "pipeline.toml": PIPELINE,
    "algos.py": "def clean(raw): pass\nprint('imported')\n",
    "data/raw.json": "[]",
}

Cli = Callable[..., Any]
Write = Callable[[Mapping[str, str]], Path]


def test_files_and_folders_are_looked_at(cli: Cli, write: Write) -> None:
    write(FILES)
    ended = cli("check", "--deep", "pipeline.toml")
    assert ended.code == 1
    assert ended.err == ""
    assert ended.out == (
        "error[RUN508]: storage folder: <folder>/algos.py cannot be used: "
        "<folder>/algos.py is no folder\n"
        " --> pipeline.toml:2:18\n"
        "  |\n"
        '2 | storage_folder = "algos.py"\n'
        "  |                  ^^^^^^^^^^\n"
        "  |\n"
        "  = help: look at its permissions, or set [CORE] storage_folder to another\n"
        "\n"
        "error[RUN404]: no file <folder>/data/raws.json\n"
        " --> pipeline.toml:6:8\n"
        "  |\n"
        '6 | path = "data/raws.json"\n'
        "  |        ^^^^^^^^^^^^^^^^\n"
        "  |\n"
        "  = help: did you mean <folder>/data/raw.json?\n"
        "\n"
        "error[RUN405]: <folder>/algos.py/cleaned.json cannot be written: "
        "<folder>/algos.py is no folder\n"
        "  --> pipeline.toml:10:8\n"
        "   |\n"
        '10 | path = "algos.py/cleaned.json"\n'
        "   |        ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "\n"
        "Checked 1 file: 2 data nodes, 1 task, 0 scenarios in <time>\n"
        "3 errors. More about a code: runner explain RUN508\n"
    )


def test_without_it_they_are_not(cli: Cli, write: Write) -> None:
    write(FILES)
    assert cli("check", "pipeline.toml").code == 0


def test_what_is_right(cli: Cli, write: Write) -> None:
    right = PIPELINE.replace("raws", "raw").replace("algos.py", "out")
    write({**FILES, "pipeline.toml": right})
    ended = cli("check", "--deep", "--strict", "--format", "concise", "pipeline.toml")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_nothing_is_made(cli: Cli, write: Write) -> None:
    folder = write({**FILES, "pipeline.toml": PIPELINE.replace("algos.py", "out")})
    cli("check", "--deep", "pipeline.toml")
    assert not (folder / "out").exists()
