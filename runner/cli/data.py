"""`runner data`: the data nodes of a scenario: where they are, what they hold, and since when."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from runner.cli.failed import show_failure
from runner.cli.history import config_options
from runner.cli.loading import load_and_check, refuse_errors
from runner.cli.nodes import (
    list_document,
    list_lines,
    measures,
    node_document,
    node_lines,
    title,
    writers_of,
)
from runner.cli.options import Common, OneOf, instance_options, wait_lock_option
from runner.cli.rendering import show_error
from runner.cli.scenarios import one_scenario
from runner.cli.signals import answer_stream
from runner.cli.style import clean, painter
from runner.cli.values import lines_of
from runner.config.model import UNSET, Mode
from runner.core import Core, DataNode, Scenario
from runner.data.plain import plain
from runner.data.storage import reason
from runner.errors import ExitCode, JobError, UsageError
from runner.execution.failures import failure_of
from runner.execution.holdings import Holding
from runner.execution.importing import UserCodeError
from runner.suggestions import did_you_mean

STDIN = "-"
"""As a file: a JSON value comes from stdin."""

_EDITS = 20
"""As many are told, the latest."""
_FORMAT = click.option(
    "--format", "format_", type=OneOf(["human", "json"]), default="human",
    show_default=True, help="How it is told.",
)  # fmt: skip
_NODE = click.argument("node", metavar="NODE")


class Data(click.Group):
    """The commands about data nodes; a data node in the place of one is shown."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # all options are those of the command that follows, wherever they stand
        _, rest, _ = self.make_parser(ctx).parse_args(list(args))
        if rest:
            args = [rest[0], *args[: len(args) - len(rest)], *rest[1:]]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        if len(args) > 1 and not args[1].startswith("-"):
            hint = did_you_mean(args[0], self.commands) or f"there are {', '.join(self.commands)}"
            raise UsageError(f"no command `data {args[0]}`", hint=hint)
        return "show", show, args


@click.group(
    name="data",
    cls=Data,
    invoke_without_command=True,
    subcommand_metavar="[NODE | COMMAND [ARGS]...]",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@config_options
@instance_options
@_FORMAT
def command(common: Common, scenario: str | None, name: str | None, format_: str) -> int:
    """List the data nodes of a scenario: what each holds, since when, and by whom.

    With NODE, tell all about that one, as runner data show NODE does.
    """
    if click.get_current_context().invoked_subcommand is not None:
        return ExitCode.DONE
    with _opened(common, scenario, name) as found:
        holdings = found.holdings()
    if format_ == "json":
        _print(list_document(found, holdings))
    elif holdings:
        print("\n".join(list_lines(holdings, painter(sys.stdout, common.color))))
    else:
        _note(f"{found.name} has no data nodes", common)
    return _problems(holdings)


@command.command("show", short_help="All about one, with its edit history.")
@_NODE
@config_options
@instance_options
@_FORMAT
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=_EDITS, show_default=True,
    help="At most so many edits, the latest.",
)  # fmt: skip
def show(
    common: Common, node: str, scenario: str | None, name: str | None, format_: str, limit: int
) -> int:
    """Tell all about one data node: what it is, where, and its edit history."""
    with _opened(common, scenario, name) as found:
        data_node = _find(found, node)
        holding = data_node.holding()
        edits = data_node.edits(limit + 1)
    more, edits = len(edits) > limit, edits[:limit]
    if format_ == "json":
        _print(node_document(found, holding, edits, more=more))
    else:
        print("\n".join(node_lines(found, holding, edits, painter(sys.stdout, common.color))))
        if more:
            _note(f"there are more: --limit {10 * limit}", common)
    return _problems([holding])


@command.command("read", short_help="Show a value, or write it to a file.")
@_NODE
@config_options
@instance_options
@_FORMAT
@click.option(
    "-o", "output", type=click.Path(path_type=Path), metavar="FILE",
    help="Write it to a file instead, in the format of its suffix.",
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=20, show_default=True,
    help="At most so many rows, or parts of a list; of no account with -o and json.",
)  # fmt: skip
def read(
    common: Common,
    node: str,
    scenario: str | None,
    name: str | None,
    format_: str,
    output: Path | None,
    limit: int,
) -> int:
    """Show the value of a data node: a table as such, all else much like JSON.

    With --format json it is the value alone, as JSON. With -o FILE a file of the data node's own
    format is a copy; .json, .csv and the like are made of the value. Your modules are imported
    where the value needs them.
    """
    with _opened(common, scenario, name) as found, answer_stream(divert=True) as answer:
        data_node = _find(found, node)
        try:
            if output is not None:
                data_node.export_file(output)
                return ExitCode.DONE
            value = data_node.read()
            if format_ == "json":
                print(_as_json(data_node, value), file=answer)
                return ExitCode.DONE
        except (JobError, UserCodeError) as error:
            return _failed(found, data_node, error, common)
        width = shutil.get_terminal_size().columns if answer.isatty() else None
        for line in lines_of(value, limit, painter(answer, common.color), width):
            print(line, file=answer)
    return ExitCode.DONE


@command.command("write", short_help="Give a data node a value.")
@_NODE
@click.argument("file", metavar="FILE")
@config_options
@instance_options
@_FORMAT
@wait_lock_option
def write(
    common: Common,
    node: str,
    file: str,
    scenario: str | None,
    name: str | None,
    format_: str,
    wait_lock: float | None,
) -> int:
    """Give a data node the value that a file holds, or with - a JSON value from stdin.

    The file is of the data node's own format: a csv file for a csv data node. JSON files and
    pickles go into any, tables into any that holds tables. It is read first: what cannot be read
    replaces nothing. No default replaces the value; a task that writes the data node does.
    """
    with _opened(common, scenario, name, new=True) as found, answer_stream(divert=True) as answer:
        data_node = _find(found, node)
        _refuse_memory(data_node, "so it would be gone at once")
        try:
            if file == STDIN:
                data_node.write(_from_stdin(node), wait_lock=wait_lock or 0.0)
            else:
                data_node.import_file(file, wait_lock=wait_lock or 0.0)
        except (JobError, UserCodeError) as error:
            return _failed(found, data_node, error, common)
        _tell(found, data_node, "wrote", format_, answer)
        for task in writers_of(found, node):
            _note(f"task `{task}` writes `{node}` too: when it runs, it replaces this", common)
    return ExitCode.DONE


@command.command("reset", short_help="Remove a value.")
@_NODE
@config_options
@instance_options
@_FORMAT
@wait_lock_option
@click.option("--yes", is_flag=True, help="Also a file of your own, or what is kept in no file.")
def reset(
    common: Common,
    node: str,
    scenario: str | None,
    name: str | None,
    format_: str,
    wait_lock: float | None,
    yes: bool,
) -> int:
    """Remove the value of a data node; if it has a default, the next run writes that.

    What is outside of the storage folder, a file that the config names or a table of a database,
    is removed with --yes only.
    """
    with _opened(common, scenario, name) as found, answer_stream(divert=True) as answer:
        data_node = _find(found, node)
        _refuse_memory(data_node, "so there is nothing to reset")
        try:
            existed = data_node.reset(even_own=yes, wait_lock=wait_lock or 0.0)
        except (JobError, UserCodeError) as error:
            return _failed(found, data_node, error, common)
        _tell(found, data_node, "reset" if existed else "nothing to reset:", format_, answer)
        if found.plan.data_nodes[node].default_data is not UNSET:
            _note("the next run writes its default", common)
    return ExitCode.DONE


@contextmanager
def _opened(
    common: Common, scenario: str | None, name: str | None, *, new: bool = False
) -> Iterator[Scenario]:
    """The scenario that a command is about; `new` as of `Core.get_scenario`."""
    checked = load_and_check(common)
    refuse_errors(checked, common._replace(quiet=True))  # warnings are for those who run it
    config_id = one_scenario(checked.config, scenario)
    # no job is run here, so that no worker is needed
    with Core(checked.config, checked=True, mode=Mode.DEVELOPMENT) as core:
        yield core.get_scenario(config_id, name, new=new)


def _find(scenario: Scenario, node: str) -> DataNode:
    """A data node of a scenario.

    Raises:
        UsageError: it has none of that name.
    """
    there = scenario.data_nodes
    if node in there:
        return there[node]
    some = ", ".join([*there][:10]) + (", ..." if len(there) > 10 else "")
    hint = did_you_mean(node, there) or (f"there are {some}" if there else None)
    raise UsageError(f"scenario `{scenario.config}` has no data node `{node}`", hint=hint)


def _refuse_memory(data_node: DataNode, so: str) -> None:
    if not data_node.lasts:
        message = f"data node `{data_node.id}` is kept in memory as long as a run lasts, {so}"
        hint = "give it another `storage_type`, or `default_data`"
        raise UsageError(message, hint=hint)


def _from_stdin(node: str) -> Any:
    """The JSON value that stdin gives.

    Raises:
        JobError: RUN604, it is none.
    """
    try:
        return json.loads(sys.stdin.buffer.read())
    except json.JSONDecodeError as error:
        why = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError) as error:  # no UTF-8, or nested without end
        why = reason(error)
    hint = """a text has quotes around it: echo '"text"' | runner data write NODE -"""
    message = f"what stdin gives for data node `{node}` is no JSON: {why}"
    raise JobError(message, code="RUN604", hint=hint)


def _as_json(data_node: DataNode, value: Any) -> str:
    try:
        return json.dumps(plain(value), indent=1, allow_nan=False)
    except ValueError as error:
        message = f"data node `{data_node.id}` does not go into JSON: {error}"
        hint = "-o FILE writes it to a file of another format"
        raise JobError(message, code="RUN606", hint=hint) from None


def _failed(
    scenario: Scenario, data_node: DataNode, error: JobError | UserCodeError, common: Common
) -> int:
    """Tell why a value could not be read or written; the exit code."""
    failure = error.failure if isinstance(error, UserCodeError) else failure_of(error)
    if failure.file:
        head = f"{error}" if isinstance(error, UserCodeError) else failure.message
        show_failure(failure, head, painter(sys.stderr, common.color))
    else:
        error.hint = error.hint or _hint(scenario, data_node)
        show_error(error)
    return error.exit_code


def _hint(scenario: Scenario, data_node: DataNode) -> str | None:
    """What gives a data node a value that has none."""
    if data_node.holding().exists is not False:
        return None
    writers = writers_of(scenario, data_node.id)
    if writers:
        return f"task `{writers[0]}` writes it: runner execute"
    if scenario.plan.data_nodes[data_node.id].default_data is not UNSET:
        return "its default is written by the next run: runner execute"
    return f"give it one: runner data write {data_node.id} FILE"


def _tell(scenario: Scenario, data_node: DataNode, what: str, format_: str, answer: TextIO) -> None:
    """Tell what a data node holds now."""
    holding = data_node.holding()
    if format_ == "json":
        edits = data_node.edits(_EDITS + 1)
        more = len(edits) > _EDITS
        _print(node_document(scenario, holding, edits[:_EDITS], more=more), answer)
    else:
        print(f"{what} {title(scenario, holding)}{measures(holding)}", file=answer)


def _problems(holdings: Sequence[Holding]) -> int:
    """Tell what is out of reach, below the others; the exit code."""
    code = ExitCode.DONE
    for holding in holdings:
        if holding.problem is not None:
            show_error(holding.problem)
            code = ExitCode.ENVIRONMENT
    return code


def _note(text: str, common: Common) -> None:
    """Tell what is no answer."""
    if not common.quiet:
        print(clean(text), file=sys.stderr)


def _print(document: dict[str, Any], answer: TextIO | None = None) -> None:
    print(json.dumps(document, indent=1), file=answer)
