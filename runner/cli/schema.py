"""`runner schema`: what an editor needs to complete and judge a TOML file."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from runner.cli.loading import found_config, show_unusable
from runner.cli.options import Common, common_options
from runner.cli.rendering import file_source, render_error, show_diagnostics
from runner.cli.style import painter
from runner.config.document import Places
from runner.config.loader import load
from runner.config.model import Config
from runner.config.reference import make_reference
from runner.config.schema import Project, make_schema
from runner.errors import ConfigError, ExitCode, RunnerError, SetupError, UsageError
from runner.functions.callables import callables_of
from runner.functions.modules import modules_of

COMMITTED: Final = (Path("schemas/runner.schema.json"), Path("schemas/reference.md"))
"""What `--check` looks at unless told otherwise."""


@click.command(name="schema", context_settings={"help_option_names": ["-h", "--help"]})
@common_options
@click.option("--project", is_flag=True, help="With the ids and functions of this project.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there; to a file *.md, the language as a page.",
)
@click.option("--check", is_flag=True, help="Only tell whether the file is up to date.")
def command(common: Common, project: bool, out: Path | None, check: bool) -> int:
    r"""Print the JSON Schema of the TOML, for editors.

    \b
    In the first line of a TOML file, this has an editor use it:
    #:schema ./runner.schema.json

    With --project, FILES may stand; their ids and the functions beside them become enumerations.
    What several files say together is required of none of them.
    """
    if common.files and not project:
        raise UsageError("FILES are for --project alone", hint="the language is always the same")
    if check and project and out is None:
        raise UsageError("--check --project needs -o FILE", hint="it says which file to look at")
    known = _project(common) if project else None
    show_unusable(common.color)
    if check:
        files = COMMITTED if out is None else (out,)
        return _check({file: _text(file, known) for file in files}, common, project=project)
    if out is None:
        print(schema_text(known), end="")
    else:
        write(out, _text(out, known))
    return ExitCode.DONE


def schema_text(project: Project | None = None) -> str:
    """The schema as it stands in a file."""
    return json.dumps(make_schema(project), indent=2, ensure_ascii=False) + "\n"


def project_of(config: Config, *, in_layers: bool = False) -> Project:
    """What the schema of a config's project knows; functions are read as text."""
    callables = callables_of(modules_of(config), config.application_path)
    return Project(
        data_nodes=tuple(filter(str.isidentifier, config.data_nodes)),
        tasks=tuple(filter(str.isidentifier, config.tasks)),
        functions=callables.functions,
        names=callables.others,
        modules=callables.modules,
        in_layers=in_layers,
    )


def write(file: Path, text: str) -> None:
    """Write a file for people.

    Raises:
        SetupError: it cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise SetupError(f"`{file}` cannot be written: {error.strerror}") from None


def _project(common: Common) -> Project:
    """What there is in a project, whose files may well be wrong: somebody is at work on them.

    Raises:
        ConfigError: a file cannot be read at all.
    """
    loaded = load(
        common.files or [found_config()],
        common.overrides,
        environ=os.environ,
        application_path=common.application_path,
    )
    if () in loaded.config.unread:
        places = Places(loaded.document)
        located = [places.located(each) for each in loaded.diagnostics if each.is_error]
        show_diagnostics(located, file_source(loaded.document.text), color=common.color)
        raise ConfigError("the config cannot be read, nothing was written")
    files = [layer for layer in loaded.document.layers if layer.text is not None]
    return project_of(loaded.config, in_layers=len(files) > 1)


def _text(file: Path, project: Project | None) -> str:
    if file.suffix != ".md":
        return schema_text(project)
    if project is not None:
        raise UsageError("a project has no page of its own", hint="leave --project out")
    return make_reference()


def _check(texts: Mapping[Path, str], common: Common, *, project: bool) -> int:
    option = "--project " if project else ""
    wrong = [each for each in texts if _differs(each, texts[each])]
    for file in texts:
        if file in wrong:
            hint = f"write it: runner schema {option}-o {file}"
            error = RunnerError(f"`{file}` is not up to date", hint=hint)
            print(render_error(error, painter(sys.stderr, common.color)), file=sys.stderr)
        elif not common.quiet:
            print(f"{file} is up to date")
    return ExitCode.FAILED if wrong else ExitCode.DONE


def _differs(file: Path, text: str) -> bool:
    try:
        return file.read_text(encoding="utf-8") != text
    except (OSError, ValueError):
        return True
