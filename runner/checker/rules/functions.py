"""Functions and classes that the config names: there, callable, and called with what they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import attrs

from runner.config.model import Config, DataNodeConfig, TaskConfig
from runner.config.references import FunctionRef
from runner.diagnostics import Diagnostic, KeyPath, Related
from runner.functions.modules import Modules
from runner.functions.objects import signature_of
from runner.functions.signatures import Found, NotFound, Signature, resolve

Imported: TypeAlias = Mapping[str, Found | NotFound]
"""What functions turned out to be when they were imported, by name."""

NOTHING_IMPORTED: Final[Imported] = MappingProxyType({})


def wrong_functions(
    config: Config, modules: Modules, imported: Imported = NOTHING_IMPORTED
) -> Iterator[Diagnostic]:
    """Every reference leads to something callable; tasks give their functions what they take."""
    incomplete = config.incomplete()
    for task in config.tasks.values():
        if task.function is None:
            continue
        found = _find(task.function, modules, imported)
        if isinstance(found, NotFound):
            yield _not_found(("TASK", task.id, "function"), found)
        elif ("TASK", task.id) not in incomplete:
            yield from _wrong_arity(task, task.function, found)
    for key, ref in _other_references(config):
        found = _find(ref, modules, imported)
        if isinstance(found, NotFound):
            yield _not_found(key, found)
        elif key[-1] == "default_data" and found.signature and not found.signature.accepts(0):
            missing = ", ".join(f"`{name}`" for name in found.signature.missing(0))
            message = f"`{ref}` makes default data, is called without arguments and needs {missing}"
            yield Diagnostic(code="RUN304", key=key, message=message, related=_defined(found))


def references(config: Config) -> Iterator[tuple[KeyPath, FunctionRef]]:
    """Every function and class that the config names, with the key that does."""
    for task in config.tasks.values():
        if task.function is not None:
            yield ("TASK", task.id, "function"), task.function
    yield from _other_references(config)


def _find(ref: FunctionRef, modules: Modules, imported: Imported) -> Found | NotFound:
    if ref.target is not None:
        return Found(name=ref.name, kind="function", signature=signature_of(ref.target))
    read, seen = resolve(ref.name, modules), imported.get(ref.name)
    if seen is None or isinstance(read, NotFound):  # what is read says more of what is missing
        return read
    if isinstance(seen, NotFound):
        return seen
    return attrs.evolve(seen, signature=read.signature or seen.signature, place=read.place)


def _other_references(config: Config) -> Iterator[tuple[KeyPath, FunctionRef]]:
    for node in config.data_nodes.values():
        yield from _node_references(node)
    for scenario in config.scenarios.values():
        for node_id, functions in scenario.comparators.items():
            key: KeyPath = ("SCENARIO", scenario.id, "comparators", node_id)
            for index, ref in enumerate(functions):
                yield (*key, index), ref


def _node_references(node: DataNodeConfig) -> Iterator[tuple[KeyPath, FunctionRef]]:
    if isinstance(node.default_data, FunctionRef):
        yield ("DATA_NODE", node.id, "default_data"), node.default_data
    for field in attrs.fields(type(node.options)):
        value = getattr(node.options, field.name)
        if isinstance(value, FunctionRef):
            yield ("DATA_NODE", node.id, field.name), value


def _not_found(key: KeyPath, found: NotFound) -> Diagnostic:
    related = (Related(message="", place=found.place),) if found.place is not None else ()
    return Diagnostic(
        code=found.code, key=key, message=found.message, hint=found.hint, related=related
    )


def _wrong_arity(task: TaskConfig, ref: FunctionRef, found: Found) -> Iterator[Diagnostic]:
    given = len(task.inputs)
    signature = found.signature
    if signature is None or signature.accepts(given):
        return
    yield Diagnostic(
        code="RUN304",
        key=("TASK", task.id, "inputs"),
        message=f"`{ref}` {_takes(signature, given)}, [TASK.{task.id}] gives {given}",
        label=_label(task, signature),
        related=_defined(found),
    )


def _takes(signature: Signature, given: int) -> str:
    least, most = signature.min_args, signature.max_args
    if signature.keyword_only_required and (most is None or least <= given <= most):
        names = ", ".join(f"`{name}`" for name in signature.keyword_only_required)
        return f"takes {names} by keyword only, which no task can give"
    if given < least:
        word = "needs" if least == most else "needs at least"
        return f"{word} {least} argument{'' if least == 1 else 's'}"
    assert most is not None
    word = "takes" if least == most else "takes at most"
    return f"{word} {most} argument{'' if most == 1 else 's'}"


def _label(task: TaskConfig, signature: Signature) -> str:
    given = ", ".join(f"`{node_id}`" for node_id in task.inputs) or "no inputs"
    spare = () if signature.max_args is None else task.inputs[signature.max_args :]
    if spare:
        return f"{given}; nothing takes {', '.join(f'`{node_id}`' for node_id in spare)}"
    missing = signature.missing(len(task.inputs))
    return f"{given}; nothing for {', '.join(f'`{name}`' for name in missing)}"


def _defined(found: Found) -> tuple[Related, ...]:
    return (Related(message="", place=found.place),) if found.place is not None else ()
