"""Data nodes, what they hold and held, as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from runner.cli.columns import filled, table
from runner.cli.failed import near
from runner.cli.style import Paint, ago, clean, count, size
from runner.config.model import Scope
from runner.core import Scenario
from runner.errors import RunnerError
from runner.execution.holdings import OUTSIDE, Holding
from runner.store.store import RESET, VersionRow

_HEAD = ("data node", "storage", "scope", "value", "rows", "written", "by", "place")
_EDITS = ("written", "by", "size", "rows", "fingerprint")
_NUMBERS = frozenset({"value", "rows", "size"})


def list_lines(holdings: Sequence[Holding], paint: Paint) -> Iterator[str]:
    """A line for each data node, under a head."""
    yield from _columns(_HEAD, [_row(each) for each in holdings], paint)


def list_document(scenario: Scenario, holdings: Sequence[Holding]) -> dict[str, Any]:
    """The same for programs."""
    listed = [_record(each) for each in holdings]
    return {"format": "runner.data", "version": 1, **_scenario(scenario), "data_nodes": listed}


def node_lines(
    scenario: Scenario, holding: Holding, edits: Sequence[VersionRow], paint: Paint
) -> Iterator[str]:
    """All that is known of a data node, and under it a line for each edit."""
    node = holding.node
    yield f"Data node {paint(title(scenario, holding), bold=True)}: {node.storage_type}"
    facts = {
        "about": node.description,
        "place": _place(holding),
        "value": holds(holding),
        "written": _when(holding.written),
        "by": _writer(holding.origin, holding.run, holding.task),
        "content": holding.fingerprint,
        "valid for": None if node.validity_period is None else f"{node.validity_period}",
        "task": ", ".join(writers_of(scenario, node.id)),
        "read by": ", ".join(_readers(scenario, node.id)),
    }
    for name, fact in facts.items():
        if fact:
            yield f"  {paint(name.ljust(9), dim=True)} {clean(fact)}"
    if edits:
        yield ""
        yield from _columns(_EDITS, [_edit_row(each) for each in edits], paint)


def node_document(
    scenario: Scenario, holding: Holding, edits: Sequence[VersionRow], *, more: bool
) -> dict[str, Any]:
    """The same for programs."""
    return {
        "format": "runner.data_node",
        "version": 1,
        **_scenario(scenario),
        **_record(holding),
        "description": holding.node.description,
        "writers": writers_of(scenario, holding.node.id),
        "readers": _readers(scenario, holding.node.id),
        "edits": [_edit(each) for each in edits],
        "more": more,
    }


def title(scenario: Scenario, holding: Holding) -> str:
    """A data node by its name, and whose it is."""
    scope = _scope(holding)
    return f"{holding.node.id} ({scope})" if scope else f"{holding.node.id} of {scenario.name}"


def holds(holding: Holding) -> str:
    """What a data node holds, in a few words."""
    if holding.exists is None:
        return "out of reach"
    if not holding.exists:
        return "none"
    return ", ".join(_measures(holding)) or "there is one"


def measures(holding: Holding) -> str:
    """How much a data node holds, to follow its name; nothing where nobody can tell."""
    told = ", ".join(_measures(holding))
    return f": {told}" if told else ""


def _measures(holding: Holding) -> Iterator[str]:
    if holding.size is not None:
        yield size(holding.size)
    if holding.rows is not None:
        yield count(holding.rows, "row")


def writers_of(scenario: Scenario, node_id: str) -> list[str]:
    """The tasks of a scenario that write a data node."""
    return [task.id for task in scenario.plan.tasks.values() if node_id in task.outputs]


def _readers(scenario: Scenario, node_id: str) -> list[str]:
    return [task.id for task in scenario.plan.tasks.values() if node_id in task.inputs]


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], paint: Paint) -> Iterator[str]:
    names, cells = filled(head, rows)
    right = [index for index, each in enumerate(names) if each in _NUMBERS]
    yield from table(names, cells, paint, right=right)


def _row(holding: Holding) -> tuple[str, ...]:
    value = {None: "?", False: "-", True: "yes"}[holding.exists]
    return (
        holding.node.id,
        holding.node.storage_type,
        _scope(holding),
        value if holding.size is None else size(holding.size),
        "" if holding.rows is None else f"{holding.rows:,}",
        "" if holding.written is None else ago(holding.written),
        _writer(holding.origin, holding.run, holding.task),
        _place(holding),
    )


def _edit_row(edit: VersionRow) -> tuple[str, ...]:
    return (
        _clock(edit.written),
        _writer(edit.origin, edit.run, edit.task),
        "" if edit.size is None else size(edit.size),
        "" if edit.rows is None else f"{edit.rows:,}",
        "" if edit.fingerprint is None else edit.fingerprint[:8],
    )


def _scope(holding: Holding) -> str:
    return "" if holding.node.scope is Scope.SCENARIO else holding.node.scope.value


def _place(holding: Holding) -> str:
    if not holding.node.options.lasts:
        return "in memory, while a run lasts"
    path = holding.place.path
    return "" if path is None else near(str(path))


def _writer(origin: str | None, run: str | None, task: str | None) -> str:
    if origin == "task":
        return f"{task} in run {run}"
    return {None: "", OUTSIDE: "outside of runner"}.get(origin, f"{origin}")


def _when(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    clock, when = _clock(seconds), ago(seconds)
    return clock if when in f"on {clock}" else f"{clock} ({when})"


def _clock(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


def _scenario(scenario: Scenario) -> dict[str, Any]:
    return {"scenario": scenario.config, "name": scenario.name}


def _record(holding: Holding) -> dict[str, Any]:
    path = holding.place.path
    return {
        "data_node": holding.node.id,
        "storage_type": holding.node.storage_type,
        "scope": holding.node.scope.value,
        "key": holding.place.key,
        "path": None if path is None else str(path),
        "has_value": holding.exists,
        "origin": holding.origin,
        "run": holding.run,
        "task": holding.task,
        "written": _iso(holding.written),
        "size": holding.size,
        "rows": holding.rows,
        "fingerprint": holding.fingerprint,
        "problem": _problem(holding.problem),
    }


def _edit(edit: VersionRow) -> dict[str, Any]:
    return {
        "written": _iso(edit.written),
        "origin": None if edit.origin == RESET else edit.origin,
        "run": edit.run,
        "task": edit.task,
        "size": edit.size,
        "rows": edit.rows,
        "fingerprint": edit.fingerprint,
    }


def _problem(error: RunnerError | None) -> dict[str, str | None] | None:
    return (
        None if error is None else {"code": error.code, "message": f"{error}", "hint": error.hint}
    )


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
