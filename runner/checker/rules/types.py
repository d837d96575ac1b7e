"""What functions give and take, as their source says it: so many values, and of which types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs

from runner.checker.held import EXPOSED, held, is_workbook, table_of
from runner.checker.rules.dataflow import task_groups
from runner.config.model import Config, DataNodeConfig, TaskConfig
from runner.config.options import GenericOptions, InMemoryOptions, PickleOptions, TabularOptions
from runner.diagnostics import Diagnostic, Place, Related
from runner.functions.annotations import Type, type_of
from runner.functions.missing import place_of
from runner.functions.modules import Modules
from runner.functions.returns import Returned, returned, values, with_article
from runner.functions.signatures import Found
from runner.functions.types import Contract, contract_of

_SEQUENCES = type_of("tuple", "list")


@attrs.frozen(eq=False)
class _Use:
    """What comes of calling a function with so many inputs and for so many outputs.

    Attributes:
        called: the function's contract.
        takes: the inputs that go to a parameter which does not take everything.
        gives: the types of the outputs.
        wrong: what it returns, where that is certainly not a value for each of several outputs.
    """

    called: Contract
    takes: tuple[tuple[int, Type], ...]
    gives: tuple[Type, ...]
    wrong: Returned | None


@attrs.frozen(eq=False)
class _Mismatch:
    """An input that is certainly not what its parameter takes."""

    task: TaskConfig
    index: int
    given: Type
    wanted: Type


def wrong_types(config: Config, modules: Modules) -> Iterator[Diagnostic]:
    """Functions return a value for each output, and take what their inputs hold."""
    uses = _uses(config, modules)
    for task in config.tasks.values():
        use = uses[task.id]
        if use.wrong is not None:
            yield _wrong_count(task, use.called, use.wrong, modules)
    if not any(use.takes for use in uses.values()):
        return
    told: set[tuple[str, int]] = set()
    for tasks in task_groups(config).values():
        mismatches = list(_mismatches(tasks, uses, config, modules))
        writers = _writers(tasks) if mismatches else {}
        for each in mismatches:
            if (each.task.id, each.index) not in told:
                told.add((each.task.id, each.index))
                yield _wrong_type(each, writers, uses, config)


def _uses(config: Config, modules: Modules) -> Mapping[str, _Use]:
    """How each task uses its function; many tasks use one in the same way."""
    incomplete = config.incomplete()
    known: dict[tuple[str, int, int], _Use] = {}
    uses: dict[str, _Use] = {}
    for task in config.tasks.values():
        ref = None if incomplete and ("TASK", task.id) in incomplete else task.function
        name = ref.name if ref is not None and ref.target is None else ""
        way = (name, len(task.inputs), len(task.outputs))
        use = known.get(way)
        if use is None:
            known[way] = use = _use(*way, modules)
        uses[task.id] = use
    return uses


def _use(name: str, inputs: int, outputs: int, modules: Modules) -> _Use:
    called = contract_of(name, modules) if name else Contract()
    signature = called.function.signature if called.function is not None else None
    is_taken = signature is not None and signature.accepts(inputs)  # else RUN304 tells
    parameters = called.parameters[:inputs] if is_taken else ()
    return _Use(
        called,
        takes=tuple((index, each) for index, each in enumerate(parameters) if each.kinds),
        gives=(called.returns,) if outputs == 1 else called.returns.unpacked(outputs),
        wrong=_wrong_return(called, outputs) if outputs > 1 else None,
    )


def _mismatches(
    tasks: Sequence[TaskConfig], uses: Mapping[str, _Use], config: Config, modules: Modules
) -> Iterator[_Mismatch]:
    """The inputs of the tasks of a scenario that are certainly of another type."""
    incomplete = config.incomplete()
    written: dict[str, Type] = {}
    for task in reversed(tasks):  # where several write a data node, the first counts
        written.update(zip(task.outputs, uses[task.id].gives, strict=True))
    known: dict[tuple[Type, Type], bool] = {}
    for task in tasks:
        for index, wanted in uses[task.id].takes:
            node = config.data_nodes.get(task.inputs[index])
            if node is None or (incomplete and ("DATA_NODE", node.id) in incomplete):
                continue
            given = held(node, written.get(node.id), modules)
            is_wrong = known.get((given, wanted))
            if is_wrong is None:
                known[given, wanted] = is_wrong = given.certainly_not(wanted)
            if is_wrong:
                yield _Mismatch(task, index, given, wanted)


def _writers(tasks: Sequence[TaskConfig]) -> dict[str, tuple[TaskConfig, int]]:
    """By data node, the first of the tasks that writes it, with the rank of the output."""
    return {
        node_id: (task, index)
        for task in reversed(tasks)
        for index, node_id in enumerate(task.outputs)
    }


def _wrong_return(called: Contract, count: int) -> Returned | None:
    """What a function returns that is certainly not so many values."""
    found = returned(called.node) if called.node is not None else ()
    if found:
        fits = any(each.count == count for each in found)
        return None if fits else found[0]
    returns = called.returns
    if returns.parts is not None:
        length = len(returns.parts)
        return None if length == count else Returned(values(length), length)
    if len(returns.kinds) != 1 or not returns.certainly_not(_SEQUENCES):
        return None
    is_none = returns.kinds[0].name == "NoneType"
    return Returned("None" if is_none else with_article(returns.shown), None)


def _wrong_count(
    task: TaskConfig, called: Contract, wrong: Returned, modules: Modules
) -> Diagnostic:
    count = len(task.outputs)
    function = called.function
    place = function.place if function is not None else None
    if wrong.node is not None and called.home is not None:
        place = place_of(modules, wrong.node, called.home)
    return Diagnostic(
        code="RUN306",
        key=("TASK", task.id, "outputs"),
        message=f"`{task.function}` returns {wrong.text}, [TASK.{task.id}] has {count} outputs",
        label=", ".join(f"`{node_id}`" for node_id in task.outputs),
        hint=f"return a tuple of {count}",
        related=defined(place),
    )


def _wrong_type(
    found: _Mismatch,
    writers: Mapping[str, tuple[TaskConfig, int]],
    uses: Mapping[str, _Use],
    config: Config,
) -> Diagnostic:
    task = found.task
    node = config.data_nodes[task.inputs[found.index]]
    writer = writers.get(node.id)
    giver, origin = _origin(node, writer, uses[writer[0].id] if writer else None, found.given)
    function = uses[task.id].called.function
    return Diagnostic(
        code="RUN305",
        key=("TASK", task.id, "inputs", found.index),
        message=f"`{task.id}` takes `{node.id}` as {found.wanted.shown}, "
        f"{giver} {found.given.shown}",
        label=goes_to(function, found.index),
        hint=_other_exposed_type(node, found.wanted),
        related=(*defined(function.place if function else None), *origin),
    )


def _origin(
    node: DataNodeConfig, writer: tuple[TaskConfig, int] | None, use: _Use | None, given: Type
) -> tuple[str, tuple[Related, ...]]:
    """Who gives a value its type, with a verb, and where."""
    options = node.options
    if writer is not None and use is not None and given is use.gives[writer[1]]:
        task, index = writer
        place = use.called.function.place if use.called.function is not None else None
        written = Related(
            message=f"`{task.id}` writes it here", key=("TASK", task.id, "outputs", index)
        )
        return f"`{task.id}` gives", (*defined(place), written)
    if isinstance(options, PickleOptions | InMemoryOptions):
        default = Related(message="its default is here", key=("DATA_NODE", node.id, "default_data"))
        return "its `default_data` is", (default,)
    by = f"`{options.read_fct}`" if isinstance(options, GenericOptions) else node.storage_type
    declared = Related(message=f"`{node.id}` is declared here", key=("DATA_NODE", node.id))
    return f"{by} gives", (declared,)


def _other_exposed_type(node: DataNodeConfig, wanted: Type) -> str | None:
    if not isinstance(node.options, TabularOptions):
        return None
    if is_workbook(node.options):
        table = table_of(node.options)
        if table.kinds and not table.certainly_not(wanted):
            return f"`sheet_name` with the name of one sheet gives {table.shown}"
        return None
    for name, table in EXPOSED.items():
        if not table.certainly_not(wanted):
            return f'`exposed_type = "{name}"` gives {table.shown}'
    return None


def goes_to(function: Found | None, index: int) -> str | None:
    """A label for an input, naming its parameter."""
    signature = function.signature if function is not None else None
    if function is None or signature is None or index >= len(signature.positional):
        return None
    return f"goes to `{signature.positional[index].name}` of `{function.name}`"


def defined(place: Place | None) -> tuple[Related, ...]:
    """The lines of a definition, to be shown."""
    return (Related(message="", place=place),) if place is not None else ()
