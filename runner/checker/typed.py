"""A pipeline as typed Python, for a type checker to judge, and its findings as diagnostics."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from runner import graph
from runner.checker.held import held
from runner.checker.rules.dataflow import task_groups
from runner.checker.rules.types import defined, goes_to
from runner.config.model import UNSET, Config, DataNodeConfig, TaskConfig
from runner.config.options import (
    ExcelOptions,
    GenericOptions,
    InMemoryOptions,
    JsonOptions,
    PickleOptions,
    TabularOptions,
)
from runner.config.references import FunctionRef
from runner.diagnostics import Diagnostic, KeyPath, Related
from runner.functions.annotations import Type
from runner.functions.modules import Modules
from runner.functions.names import Class, Names
from runner.functions.signatures import Found, resolve
from runner.functions.types import contract_of

MOST_ITEMS: Final = 100
"""Of a list or table in `default_data` that is written out; a longer one counts as anything."""

_ARGUMENT_CODES: Final = frozenset(
    {"arg-type", "dict-item", "list-item", "type-var", "typeddict-item", "typeddict-unknown-key"}
)
_INCOMPATIBLE: Final = re.compile(r'Argument \d+ .*has incompatible type "(.+)"; expected "(.+)"')
_UNPACKED: Final = re.compile(
    r"Too many values to unpack \(\d+ expected, (\d+) provided\)"
    r"|Need more than (\d+) values? to unpack \(\d+ expected\)"
)
_HEAD: Final = """\
from typing import Any, Coroutine, TypeVar, overload

_T = TypeVar("_T")


@overload
def _awaited(value: Coroutine[Any, Any, _T]) -> _T: ...
@overload
def _awaited(value: _T) -> _T: ...
def _awaited(value: Any) -> Any: ...
"""
_TABLES: Final[Mapping[str, tuple[str, str]]] = {
    "pandas": ("pandas", "pandas.DataFrame"),
    "numpy": ("numpy", "numpy.ndarray[Any, Any]"),
    "polars": ("polars", "polars.DataFrame"),
    "records": ("", "list[Any]"),
}
"""By exposed type, what must be imported, and the annotation."""
_JSON_NAMES: Final = frozenset(
    {"Any", "Dict", "List", "Optional", "Union", "bool", "dict", "float", "int", "list", "str"}
)
_ANYTHING: Final = "_any"


@attrs.frozen
class Finding:
    """What a type checker says of a line of a program."""

    line: int
    code: str
    message: str


@attrs.frozen(eq=False)
class Passed:
    """A value that goes to a parameter of a task's function.

    Attributes:
        task: the task.
        index: the rank of the input.
        giver: who gives the value, with a verb.
        origin: where.
    """

    task: TaskConfig
    index: int
    giver: str
    origin: Related

    @property
    def node(self) -> str:
        return self.task.inputs[self.index]


@attrs.frozen(eq=False)
class Program:
    """A module that does in typed Python what the tasks of a config do.

    Attributes:
        text: the module.
        passed: by line, the value that stands there.
        unpacked: by line, the task whose outputs are taken out of one value there.
    """

    text: str
    passed: Mapping[int, Passed]
    unpacked: Mapping[int, TaskConfig]


def write_program(config: Config, modules: Modules) -> Program:
    """Write a module in which every task is a call, and every data node a variable."""
    return _Writer(config, modules).write()


def diagnose(
    findings: Iterable[Finding], program: Program, modules: Modules
) -> Iterator[Diagnostic]:
    """What a type checker found out, told of the config; what is not about an edge is left out."""
    told: set[KeyPath] = set()
    for finding in findings:
        passed = program.passed.get(finding.line)
        task = program.unpacked.get(finding.line)
        if passed is not None and finding.code in _ARGUMENT_CODES:
            diagnostic = _wrong_type(passed, finding, modules)
        elif task is not None and (counted := _UNPACKED.fullmatch(finding.message)):
            diagnostic = _wrong_count(task, counted[1] or counted[2])
        else:
            continue
        if diagnostic.key not in told:
            told.add(diagnostic.key)
            yield diagnostic


def _wrong_type(passed: Passed, finding: Finding, modules: Modules) -> Diagnostic:
    task, index = passed.task, passed.index
    assert task.function is not None
    called = contract_of(task.function.name, modules).function
    types = _INCOMPATIBLE.fullmatch(finding.message)
    if types is not None:
        what = f"takes `{passed.node}` as {types[2]}, {passed.giver} {types[1]}"
    else:
        what = f"cannot take `{passed.node}`: {finding.message[0].lower()}{finding.message[1:]}"
    return Diagnostic(
        code="RUN305",
        key=("TASK", task.id, "inputs", index),
        message=f"`{task.id}` {what}",
        label=goes_to(called, index),
        related=(*defined(called.place if called else None), passed.origin),
    )


def _wrong_count(task: TaskConfig, given: str) -> Diagnostic:
    noun = "value" if given == "1" else "values"
    count = len(task.outputs)
    return Diagnostic(
        code="RUN306",
        key=("TASK", task.id, "outputs"),
        message=f"`{task.function}` returns {given} {noun}, [TASK.{task.id}] has {count} outputs",
        hint=f"return a tuple of {count}",
    )


@attrs.frozen(eq=False)
class _Writer:
    """Writes a program, one scenario after the other."""

    config: Config
    modules: Modules
    _imports: dict[str, None] = attrs.field(factory=dict, init=False)
    _givens: dict[str, str] = attrs.field(factory=dict, init=False)
    _lines: list[str] = attrs.field(factory=list, init=False)
    _passed: dict[int, Passed] = attrs.field(factory=dict, init=False)
    _unpacked: dict[int, TaskConfig] = attrs.field(factory=dict, init=False)

    def write(self) -> Program:
        written: set[frozenset[str]] = set()
        for tasks in task_groups(self.config).values():
            names = frozenset(task.id for task in tasks)
            if names not in written:
                written.add(names)
                self._write_scenario(tasks)
        head = [f"import {name}" for name in self._imports] + _HEAD.splitlines()
        head += [f"{name}: {annotation}" for name, annotation in self._givens.items()]
        head += [f"{_ANYTHING}: Any", ""]
        shift = len(head)
        return Program(
            "\n".join([*head, *self._lines, ""]),
            {shift + line: passed for line, passed in self._passed.items()},
            {shift + line: task for line, task in self._unpacked.items()},
        )

    def _write_scenario(self, tasks: Sequence[TaskConfig]) -> None:
        self._lines.extend(["", f"def _scenario_{len(self._lines)}() -> None:", "    pass"])
        writers: dict[str, tuple[TaskConfig, int]] = {}
        for task in _in_order(tasks):
            self._write_task(task, writers)
            for index, node_id in enumerate(task.outputs):
                writers.setdefault(node_id, (task, index))

    def _write_task(self, task: TaskConfig, writers: Mapping[str, tuple[TaskConfig, int]]) -> None:
        called = self._called(task)
        result = f"_result_{task.id}"
        if called is None:
            self._lines.append(f"    {result} = {_ANYTHING}")
        else:
            self._lines.append(f"    {result} = {called}(")
            for index, node_id in enumerate(task.inputs):
                self._write_input(task, index, node_id, writers)
            self._lines.append("    )")
        if len(task.outputs) == 1:
            self._lines.append(f"    {_output(task, 0)} = _awaited({result})")
        elif task.outputs:
            targets = ", ".join(_output(task, index) for index in range(len(task.outputs)))
            self._lines.append(f"    {targets} = _awaited({result})")
            self._unpacked[len(self._lines)] = task

    def _called(self, task: TaskConfig) -> str | None:
        """The function as an expression; None where its call is not to be judged."""
        ref = task.function
        if ref is None or ("TASK", task.id) in self.config.incomplete():
            return None
        found = None if ref.target is not None else resolve(ref.name, self.modules)
        if not isinstance(found, Found):
            return None
        if found.signature is not None and not found.signature.accepts(len(task.inputs)):
            return None
        return self._named(ref)

    def _write_input(
        self,
        task: TaskConfig,
        index: int,
        node_id: str,
        writers: Mapping[str, tuple[TaskConfig, int]],
    ) -> None:
        node = self.config.data_nodes.get(node_id)
        if node is None or ("DATA_NODE", node_id) in self.config.incomplete():
            self._lines.append(f"        {_ANYTHING},")
            return
        value, giver, origin = self._value(node, writers.get(node_id))
        self._lines.append(f"        {value},")
        self._passed[len(self._lines)] = Passed(task, index, giver, origin)

    def _value(
        self, node: DataNodeConfig, writer: tuple[TaskConfig, int] | None
    ) -> tuple[str, str, Related]:
        """What a reader gets, as an expression, with who gives it and where."""
        options = node.options
        if isinstance(options, PickleOptions | InMemoryOptions | JsonOptions):
            is_changed = isinstance(options, JsonOptions) and not self._is_kept(node, writer)
            if writer is not None:
                task, index = writer
                key: KeyPath = ("TASK", task.id, "outputs", index)
                written = Related(message=f"`{task.id}` writes it here", key=key)
                value = _ANYTHING if is_changed else _output(task, index)
                return value, f"`{task.id}` gives", written
            key = ("DATA_NODE", node.id, "default_data")
            default = Related(message="its default is here", key=key)
            value = _ANYTHING if is_changed else self._default(node)
            return value, "its `default_data` is", default
        declared = Related(message=f"`{node.id}` is declared here", key=("DATA_NODE", node.id))
        if isinstance(options, GenericOptions):
            return self._generic(options), f"`{options.read_fct}` gives", declared
        value = self._table(options) if isinstance(options, TabularOptions) else _ANYTHING
        return value, f"{node.storage_type} gives", declared

    def _is_kept(self, node: DataNodeConfig, writer: tuple[TaskConfig, int] | None) -> bool:
        """Whether JSON gives back a value of the type that it was given."""
        if writer is None:
            return not isinstance(node.default_data, FunctionRef) and not _is_custom(node)
        task, index = writer
        if task.function is None or task.function.target is not None or _is_custom(node):
            return False
        returns = contract_of(task.function.name, self.modules).returns
        count = len(task.outputs)
        given = returns if count == 1 else returns.unpacked(count)[index]
        return held(node, given, self.modules) is given and _is_plain(given)

    def _default(self, node: DataNodeConfig) -> str:
        default = node.default_data
        key = ("DATA_NODE", node.id, "default_data")
        if default is UNSET or any(path[:3] == key for path in self.config.env):
            return _ANYTHING
        if not isinstance(default, FunctionRef):
            return _literal(default)
        return f"{self._named(default)}()" if self._is_plain_call(default) else _ANYTHING

    def _generic(self, options: GenericOptions) -> str:
        ref = options.read_fct
        if ref is None or not self._is_plain_call(ref):
            return _ANYTHING
        return f"{self._named(ref)}(*{_ANYTHING})"

    def _is_plain_call(self, ref: FunctionRef) -> bool:
        found = None if ref.target is not None else resolve(ref.name, self.modules)
        signature = found.signature if isinstance(found, Found) else None
        return signature is not None and not signature.is_async

    def _table(self, options: TabularOptions) -> str:
        exposed = options.exposed_type
        if isinstance(options, ExcelOptions) and not isinstance(options.sheet_name, str):
            return _ANYTHING  # a table a sheet
        if isinstance(exposed, FunctionRef):
            thing = self.modules.companion(Names).follow(exposed.name)
            if exposed.target is not None or not isinstance(thing, Class):
                return _ANYTHING
            name = f"_{exposed.name.replace('.', '_')}"
            self._givens[name] = f"list[{self._named(exposed)}]"
            return name
        module, annotation = _TABLES[exposed]
        if module:
            self._imports[module] = None
        self._givens[f"_{exposed}"] = annotation
        return f"_{exposed}"

    def _named(self, ref: FunctionRef) -> str:
        """The expression for what a reference leads to; its module is imported."""
        parts = ref.parts
        for count in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:count])
            if self.modules.find(module) is not None:
                self._imports[module] = None
                break
        return ref.name


def _in_order(tasks: Sequence[TaskConfig]) -> list[TaskConfig]:
    """The tasks, writers before readers; those on a cycle, and behind one, are left out."""
    writers = {node_id: task.id for task in reversed(tasks) for node_id in task.outputs}
    by_id = {task.id: task for task in tasks}
    after = {
        task.id: [writers[node_id] for node_id in task.inputs if node_id in writers]
        for task in tasks
    }
    return [by_id[task_id] for task_id in graph.order(after)]


def _output(task: TaskConfig, index: int) -> str:
    return f"_output_{task.id}_{index}"


def _is_custom(node: DataNodeConfig) -> bool:
    options = node.options
    return isinstance(options, JsonOptions) and bool(options.decoder or options.encoder)


def _is_plain(given: Type) -> bool:
    """Whether an annotation is made of what JSON gives back as it is, at every depth."""
    if isinstance(given.written, str):
        return True
    for node in ast.walk(given.written):
        match node:
            case ast.Name(name) if name not in _JSON_NAMES:
                return False
            case ast.Attribute() | ast.Constant(value=str()):
                return False
            case ast.Subscript(ast.Name("dict" | "Dict"), ast.Tuple([key, *_])):
                if not isinstance(key, ast.Name) or key.id != "str":
                    return False
    return True


def _literal(value: Any) -> str:
    """A value of TOML as Python."""
    match value:
        case bool() | int() | str():
            return repr(value)
        case float():
            return repr(value) if math.isfinite(value) else f'float("{value}")'
        case list() if len(value) <= MOST_ITEMS:
            return f"[{', '.join(map(_literal, value))}]"
        case dict() if len(value) <= MOST_ITEMS:
            items = (f"{key!r}: {_literal(inner)}" for key, inner in value.items())
            return f"{{{', '.join(items)}}}"
    return _ANYTHING
