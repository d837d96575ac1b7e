"""`runner init`: a small project that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from runner.cli.schema import project_of, schema_text, write
from runner.config.loader import load_config
from runner.errors import ExitCode, SetupError, UsageError

SCHEMA: Final = "runner.schema.json"
FILES: Final[Mapping[str, str]] = {
    "runner.toml": """\
#:schema ./runner.schema.json
# What runs, and where its values are kept; `runner check` proves it right.

[DATA_NODE.names]
default_data = ["Ada", "Grace", "Katherine"]

[DATA_NODE.greetings]

[DATA_NODE.letter]
storage_type = "json"
path = "out/letter.json"

[TASK.greet]
function = "functions.greet"
inputs = ["names"]
outputs = ["greetings"]

[TASK.write_letter]
function = "functions.write_letter"
inputs = ["greetings"]
outputs = ["letter"]

[SCENARIO.letters]
tasks = ["greet", "write_letter"]
""",
    "functions.py": '''\
"""What the tasks of runner.toml call: plain Python that knows nothing of runner."""

from __future__ import annotations


def greet(names: list[str]) -> list[str]:
    return [f"Hello {name}!" for name in names]


def write_letter(greetings: list[str]) -> dict[str, object]:
    return {"greetings": greetings, "count": len(greetings)}
''',
    "README.md": """\
# A pipeline

    runner check      # is everything right? Nothing runs
    runner plan       # what would run, and why
    runner execute    # run it; the result is in out/letter.json

Jobs run one by one in this process; `runner execute --mode standalone`, or `mode = "standalone"` in
a section `[JOB]`, runs them in worker processes.

Editors that know TOML schemas complete ids and functions from runner.schema.json. After adding
some, write it anew:

    runner schema --project -o runner.schema.json
""",
    ".gitignore": """\
.runner/
__pycache__/
out/
""",
}


@click.command(name="init", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> int:
    """Make a small project that runs, in DIR or in this folder.

    No file that is there already is touched.
    """
    _refuse_existing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"`{folder}` cannot be made: {error.strerror}") from None
    for name, text in FILES.items():
        write(folder / name, text)
    config = load_config([folder / "runner.toml"], environ={})
    write(folder / SCHEMA, schema_text(project_of(config)))
    for name in (*FILES, SCHEMA):
        print(f"wrote {folder / name}")
    place = "" if folder == Path() else f"cd {folder} && "
    print(f"\nNow run it: {place}runner execute")
    return ExitCode.DONE


def _refuse_existing(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"`{folder}` is a file", hint="name a folder")
    there = [f"`{folder / name}`" for name in (*FILES, SCHEMA) if _is_there(folder / name)]
    if there:
        verb = "is" if len(there) == 1 else "are"
        hint = "name another folder"
        raise UsageError(f"{', '.join(there)} {verb} there already", hint=hint)


def _is_there(file: Path) -> bool:
    return file.exists() or file.is_symlink()
