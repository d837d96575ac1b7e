"""All rules over a config."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from runner.checker.rules import dataflow, functions, names, references, settings, storage, types
from runner.config.model import Config
from runner.diagnostics import Diagnostic
from runner.functions.modules import Modules

RULES: tuple[Callable[[Config], Iterator[Diagnostic]], ...] = (
    names.invalid_ids,
    names.clashing_ids,
    settings.missing_keys,
    settings.unusable_broker,
    settings.plain_secrets,
    references.unknown_data_nodes,
    references.unknown_tasks,
    references.tasks_outside_their_scenario,
    references.unused,
    dataflow.outputs_written_twice,
    dataflow.inputs_written_too,
    dataflow.empty_scenarios,
    dataflow.cycle_scope_without_frequency,
    storage.missing_functions,
    storage.in_memory_in_cluster,
    storage.shared_files,
    storage.files_in_folders,
    storage.foreign_suffixes,
    storage.drivers_of_no_use,
    storage.defaults_of_queries,
)
"""Rules that need nothing but the config."""

FLOW_RULES: tuple[Callable[[Config, Sequence[dataflow.Flow]], Iterator[Diagnostic]], ...] = (
    dataflow.cycles,
    dataflow.multiple_producers,
    dataflow.inputs_without_source,
)
"""Rules on who writes what."""


def check(
    config: Config,
    modules: Modules | None = None,
    imported: functions.Imported = functions.NOTHING_IMPORTED,
) -> list[Diagnostic]:
    """Everything that is wrong with a config, in the order of the rules.

    Args:
        config: to be judged; what could not be read of it has been told by the loader.
        modules: where functions are looked up; None leaves the rules on functions out.
        imported: what functions are, of those that were imported.
    """
    if () in config.unread:  # a whole file is missing, and who knows what it declares
        return []
    found = [diagnostic for rule in RULES for diagnostic in rule(config)]
    flows = dataflow.flows(config)
    found += [diagnostic for rule in FLOW_RULES for diagnostic in rule(config, flows)]
    if modules is not None:
        found += functions.wrong_functions(config, modules, imported)
        found += types.wrong_types(config, modules)
        found += storage.functions_without_a_name(config, modules)
        found += storage.missing_packages(config, modules)
    return found
