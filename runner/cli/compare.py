"""`runner compare`: what the comparators of a scenario say of its instances."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

import attrs
import click

from runner.cli.failed import show_failure
from runner.cli.history import config_options
from runner.cli.loading import load_and_check, refuse_errors
from runner.cli.options import Common, OneOf
from runner.cli.scenarios import one_scenario
from runner.cli.signals import answer_stream
from runner.cli.style import Paint, clean, painter
from runner.cli.values import lines_of
from runner.config.model import Mode
from runner.core import Core, Scenario
from runner.data.plain import plain
from runner.errors import ExitCode, UsageError
from runner.execution.comparing import Comparison
from runner.execution.failures import Failure

_MOST_ROWS = 20
"""Of a result that are shown."""


@click.command(name="compare", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, metavar="NAME NAME...")
@config_options
@click.option("-s", "--scenario", metavar="ID", help="Which one, of several.")
@click.option(
    "--format", "format_", type=OneOf(["human", "json"]), default="human",
    show_default=True, help="How it is told.",
)  # fmt: skip
def command(common: Common, names: tuple[str, ...], scenario: str | None, format_: str) -> int:
    """Compare instances of a scenario, those that runner execute --name has made.

    Each comparator of the scenario is called with the values that its data node has in them, in
    the order of the names.
    """
    checked = load_and_check(common)
    refuse_errors(checked, common._replace(quiet=True))  # warnings are for those who run it
    config_id = one_scenario(checked.config, scenario)
    with (
        answer_stream(divert=True) as answer,
        Core(checked.config, checked=True, mode=Mode.DEVELOPMENT) as core,
    ):
        scenarios = [
            core.get_scenario(config_id, name) for name in _distinct(core, config_id, names)
        ]
        comparisons = core.compare(*scenarios)
        if format_ == "json":
            print(json.dumps(_document(scenarios, comparisons), indent=1), file=answer)
        else:
            print(
                "\n".join(_lines(scenarios, comparisons, painter(answer, common.color))),
                file=answer,
            )
    paint = painter(sys.stderr, common.color)
    failed = [each for each in comparisons if each.failure is not None]
    for each in failed if format_ == "human" else ():
        _show(each, paint)
    return ExitCode.FAILED if failed else ExitCode.DONE


def _distinct(core: Core, config_id: str, names: Sequence[str]) -> Sequence[str]:
    """The names, of which there are at least two and none twice.

    Raises:
        UsageError: it is otherwise.
    """
    for index, name in enumerate(names):
        if name in names[:index]:
            raise UsageError(f"`{name}` is named twice", hint="name each scenario once")
    if len(names) < 2:
        there = core.scenario_names(config_id)
        hint = f"there are {', '.join(there)}" if there else "runner execute --name NAME makes one"
        raise UsageError("name two scenarios or more", hint=hint)
    return names


def _lines(
    scenarios: Sequence[Scenario], comparisons: Sequence[Comparison], paint: Paint
) -> Iterator[str]:
    *names, last = [each.name for each in scenarios]
    yield f"{', '.join(names)} and {last} of {scenarios[0].config}"
    for data_node, group in groupby(comparisons, attrgetter("data_node")):
        yield ""
        yield paint(data_node, bold=True)
        told = list(group)
        longest = max(len(each.comparator) for each in told)
        for each in told:
            first, *rest = _result(each, paint)
            if rest:
                yield f"  {each.comparator}"
                yield from (f"    {line}" for line in (first, *rest))
            else:
                yield f"  {each.comparator.ljust(longest)}  {first}"


def _result(comparison: Comparison, paint: Paint) -> list[str]:
    if comparison.failure is not None:
        failure = comparison.failure
        return [f"{paint(f'failed[{failure.code}]', fg='red')}: {clean(_said(failure))}"]
    return list(lines_of(comparison.result, _MOST_ROWS, paint))


def _said(failure: Failure) -> str:
    return ": ".join(filter(None, (failure.type, failure.message)))


def _show(comparison: Comparison, paint: Paint) -> None:
    """Where a comparator has failed; in one line, where it is no code of the user's."""
    assert comparison.failure is not None, "it has failed"
    what = f"comparator `{comparison.comparator}` of `{comparison.data_node}` failed"
    show_failure(comparison.failure, f"{what}: {_said(comparison.failure)}", paint)


def _document(scenarios: Sequence[Scenario], comparisons: Sequence[Comparison]) -> dict[str, Any]:
    return {
        "format": "runner.compare",
        "version": 1,
        "scenario": scenarios[0].config,
        "names": [each.name for each in scenarios],
        "comparisons": [
            {
                "data_node": each.data_node,
                "comparator": each.comparator,
                **_plain_result(each),
                "failure": None if each.failure is None else _failure(each.failure),
            }
            for each in comparisons
        ],
    }


def _plain_result(comparison: Comparison) -> dict[str, Any]:
    """The result as JSON has it; else, what it says of itself."""
    try:
        return {"result": plain(comparison.result), "text": None}
    except ValueError:
        lines = lines_of(comparison.result, _MOST_ROWS, painter(sys.stdout, "never"))
        return {"result": None, "text": "\n".join(lines)}


def _failure(failure: Failure) -> dict[str, str]:
    known = attrs.asdict(failure)
    return {name: known[name] for name in ("code", "type", "message", "traceback")}
