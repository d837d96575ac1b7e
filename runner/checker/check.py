"""All rules over a config."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.checker.rules import dataflow, functions, names, references, settings
from runner.config.model import Config
from runner.diagnostics import Diagnostic
from runner.functions.modules import Modules

RULES: tuple[Callable[[Config], Iterator[Diagnostic]], ...] = (
    names.invalid_ids,
    names.clashing_ids,
    settings.missing_keys,
    settings.plain_secrets,
    references.unknown_data_nodes,
    references.unknown_tasks,
    references.tasks_outside_their_scenario,
    references.unused,
    dataflow.cycles,
    dataflow.multiple_producers,
    dataflow.inputs_written_too,
    dataflow.inputs_without_source,
    dataflow.empty_scenarios,
    dataflow.cycle_scope_without_frequency,
)
"""Rules that need nothing but the config."""


def check(config: Config, modules: Modules | None = None) -> list[Diagnostic]:
    """Everything that is wrong with a config, in the order of the rules.

    Args:
        config: to be judged; what could not be read of it has been told by the loader.
        modules: where functions are looked up; None leaves the rules on functions out.
    """
    if () in config.unread:  # a whole file is missing, and who knows what it declares
        return []
    found = [diagnostic for rule in RULES for diagnostic in rule(config)]
    if modules is not None:
        found += functions.wrong_functions(config, modules)
    return found
