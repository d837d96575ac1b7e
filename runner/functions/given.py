"""What the code is of an object that Python was given: a lambda, a closure, what a notebook has.

There may be no source of it, or a newer one, so its code objects count: instructions, names and
constants, without lines and docstrings, and the values behind the names that they use.
"""

from __future__ import annotations

import dis
import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from inspect import getattr_static
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import attrs

MOST_VALUES: Final = 100_000
"""Values in what a function uses that are looked at; with more there is no fingerprint."""

_SCALARS: Final = (type(None), bool, int, float, complex, str, bytes, type(...))
_CONTAINERS: Final = (tuple, list, dict, set, frozenset)
_TOLD_BY_REPR: Final = frozenset(
    {
        "builtins.range",
        "builtins.slice",
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "logging.Logger",
        "logging.RootLogger",
        "pathlib.PosixPath",
        "pathlib.PurePosixPath",
        "pathlib.PureWindowsPath",
        "pathlib.WindowsPath",
        "uuid.UUID",
    }
)
_GLOBAL_READERS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})


@attrs.frozen
class GivenPart:
    """Something that was read of an object; all but `text` as in a part of a fingerprint."""

    name: str
    kind: str
    text: str
    file: str
    line: int
    via: str


@attrs.frozen
class Given:
    """An object that was read.

    Attributes:
        parts: the object itself first.
        mentions: what source tells of: a module, names in it, and the part that mentions them.
    """

    parts: tuple[GivenPart, ...]
    mentions: tuple[tuple[str, tuple[str, ...], str], ...]


def read_given(target: object, name: str, is_bound: Callable[[str, str], bool], /) -> Given | str:
    """Read an object and what it uses; the reason where a change of that could not be seen.

    `is_bound(module, name)`: whether source, or the version of a package, tells of that name.
    """
    reader = _Reader(is_bound)
    try:
        reader.read(target, name)
    except _UnseenError as error:
        return str(error)
    return Given(tuple(reader.parts.values()), tuple(dict.fromkeys(reader.mentions)))


class _UnseenError(Exception):
    """A value that may change without a trace; it ends the reading of one object."""


@attrs.frozen(eq=False)
class _Use:
    """A value that is used under a name by a part."""

    value: Any
    name: str
    via: str

    @property
    def shown(self) -> str:
        """The last part of its name that somebody gave."""
        named = [each for each in self.name.split(".") if not each.isdecimal()]
        return named[-1] if named else self.name


@attrs.frozen(eq=False)
class _Reader:
    is_bound: Callable[[str, str], bool]
    parts: dict[str, GivenPart] = attrs.field(factory=dict)
    mentions: list[tuple[str, tuple[str, ...], str]] = attrs.field(factory=list)
    _seen: dict[int, object] = attrs.field(factory=dict)
    _looked_at: list[int] = attrs.field(factory=lambda: [0])
    _waiting: deque[_Use] = attrs.field(factory=deque)

    def read(self, target: object, name: str) -> None:
        self._waiting.append(_Use(target, name, ""))
        while self._waiting:
            use = self._waiting.popleft()
            if isinstance(use.value, _SCALARS):  # equal ones are one object, whoever uses them
                self._add(use, "constant", _scalar(use.value))
            elif id(use.value) not in self._seen:
                self._seen[id(use.value)] = use.value
                self._read(use)

    def _read(self, use: _Use) -> None:
        value = use.value
        if isinstance(value, ModuleType):
            self.mentions.append((value.__name__, (), use.via))
        elif isinstance(value, FunctionType | type) and self._is_told_by_source(use):
            path = tuple(value.__qualname__.split("."))
            self.mentions.append((value.__module__, path, use.via))
        elif isinstance(value, FunctionType):
            self._function(value, use)
        elif isinstance(value, type):
            self._class(value, use)
        elif isinstance(value, BuiltinFunctionType | MethodType):
            self._method(value, use)
        elif isinstance(value, functools.partial):
            self._made_of(use, [value.func, value.args, value.keywords])
        elif isinstance(getattr_static(value, "__wrapped__", None), FunctionType):
            self._made_of(use, [value.__wrapped__])
        elif isinstance(value, staticmethod | classmethod):
            self._made_of(use, [value.__func__])
        elif isinstance(value, property):
            self._made_of(use, [value.fget, value.fset, value.fdel])
        else:
            self._value(value, use)

    def _is_told_by_source(self, use: _Use) -> bool:
        module, name = use.value.__module__, use.value.__qualname__
        if not module or module == "__main__" or "<" in name or not use.via:
            return False
        return self.is_bound(module, name.partition(".")[0])

    def _function(self, function: FunctionType, use: _Use) -> None:
        codes = _codes(function.__code__)
        text = "\n".join(map(_text_of_code, codes))
        name = self._add(use, "function", text, function.__code__)
        attributes = {each for code in codes for each in code.co_names}
        for label, value in _used_by(function, codes):
            if isinstance(value, ModuleType):
                used = sorted(attributes & vars(value).keys())
                chains: list[tuple[str, ...]] = [(each,) for each in used]
                self.mentions.extend((value.__name__, each, name) for each in chains or [()])
            else:
                self._waiting.append(_Use(value, f"{name}.{label}", name))

    def _class(self, cls: type, use: _Use) -> None:
        members = [
            (key, value)
            for key, value in vars(cls).items()
            if isinstance(value, FunctionType | staticmethod | classmethod | property)
            or not (key.startswith("__") or key == "_abc_impl" or _is_slot(value))
        ]
        bases = [base for base in cls.__bases__ if base is not object]
        name = self._add(use, "class", " ".join(key for key, _ in members))
        self._waiting.extend(_Use(value, f"{name}.{key}", name) for key, value in members)
        self._waiting.extend(_Use(base, f"{name}.{base.__name__}", name) for base in bases)

    def _method(self, method: BuiltinFunctionType | MethodType, use: _Use) -> None:
        owner = method.__self__
        if isinstance(method, MethodType):
            self._made_of(use, [method.__func__, owner])
        elif isinstance(owner, ModuleType):
            via = use.via or self._add(use, "function", method.__name__)
            self.mentions.append((owner.__name__, (method.__name__,), via))
        else:
            self._made_of(use, [method.__name__, owner])

    def _value(self, value: Any, use: _Use) -> None:
        cls = type(value)
        if cls in _CONTAINERS:
            self._container(use)
        elif f"{cls.__module__}.{cls.__qualname__}" in _TOLD_BY_REPR:
            self._add(use, "constant", repr(value))
        elif cls.__module__ == "re" and hasattr(value, "pattern"):
            self._made_of(use, [value.pattern, value.flags])
        elif self._is_users(cls) and not hasattr(cls, "__slots__") and hasattr(value, "__dict__"):
            self._made_of(use, [cls, vars(value)])
        else:
            shown = f"it uses `{use.shown}`"
            raise _UnseenError(f"{shown}, and changes of a {cls.__name__} are not seen")

    def _is_users(self, cls: type) -> bool:
        """Whether a class is written in Python by the user, as far as its module tells."""
        return cls.__module__ == "__main__" or not self.is_bound(cls.__module__, "")

    def _made_of(self, use: _Use, values: Sequence[Any]) -> None:
        """An object that is told by the values it holds."""
        name = self._add(use, "constant", f"{type(use.value).__name__} {len(values)}")
        self._waiting.extend(_Use(each, f"{name}.{i}", name) for i, each in enumerate(values))

    def _container(self, use: _Use) -> None:
        """Values in values as one part; functions and the like in them are parts of their own."""
        said: list[str] = []
        others: list[Any] = []
        waiting: list[Any] = [use.value]
        inside: dict[int, Any] = {}
        while waiting:
            value = waiting.pop()
            self._looked_at[0] += 1
            if self._looked_at[0] > MOST_VALUES:
                shown = f"it uses `{use.shown}`"
                raise _UnseenError(f"{shown}, which holds too many values to look at")
            if isinstance(value, _SCALARS):
                said.append(_scalar(value))
            elif type(value) in _CONTAINERS and id(value) not in inside:
                inside[id(value)] = value
                said.append(f"{type(value).__name__} {len(value)}")
                waiting += reversed(_items(value))
            elif id(value) in inside:
                said.append(f"again {list(inside).index(id(value))}")
            else:
                said.append(f"other {len(others)}")
                others.append(value)
        name = self._add(use, "constant", "\n".join(said))
        self._waiting.extend(_Use(each, f"{name}.{i}", name) for i, each in enumerate(others))

    def _add(self, use: _Use, kind: str, text: str, code: CodeType | None = None) -> str:
        name, count = use.name, 1
        while name in self.parts:
            count += 1
            name = f"{use.name}#{count}"
        file, line = (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)
        self.parts[name] = GivenPart(name, kind, text, file, line, use.via)
        return name


def _used_by(function: FunctionType, codes: Sequence[CodeType]) -> Iterator[tuple[str, Any]]:
    """What a function uses besides its arguments, by name."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # nothing was assigned yet
            continue
    names = [
        each.argval
        for code in codes
        for each in dis.get_instructions(code)
        if each.opname in _GLOBAL_READERS
    ]
    for name in dict.fromkeys(names):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    if function.__defaults__:
        yield "defaults", function.__defaults__
    if function.__kwdefaults__:
        yield "keyword defaults", function.__kwdefaults__


def _codes(code: CodeType) -> list[CodeType]:
    """A code object and those of the functions inside of it."""
    found = [code]
    for each in found:  # grows on the way
        found += [const for const in each.co_consts if isinstance(const, CodeType)]
    return found


def _text_of_code(code: CodeType) -> str:
    constants = list(code.co_consts)
    if constants and isinstance(constants[0], str) and not _uses_first_constant(code):
        constants[0] = None  # the docstring
    return " ".join(
        [
            code.co_name,
            f"{code.co_argcount},{code.co_posonlyargcount},{code.co_kwonlyargcount}",
            code.co_code.hex(),
            code.co_exceptiontable.hex(),
            ",".join((*code.co_names, "", *code.co_varnames, "", *code.co_freevars)),
            *("code" if isinstance(each, CodeType) else _scalar(each) for each in constants),
        ]
    )


def _uses_first_constant(code: CodeType) -> bool:
    return any(each.opcode in dis.hasconst and not each.arg for each in dis.get_instructions(code))


def _items(container: Any) -> list[Any]:
    if isinstance(container, dict):
        return [each for pair in container.items() for each in pair]
    if isinstance(container, set | frozenset):
        return sorted(container, key=_scalar)
    return list(container)


def _scalar(value: Any) -> str:
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_scalar, value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_scalar, value))},)"
    return f"{value:#x}" if type(value) is int else repr(value)


def _is_slot(value: object) -> bool:
    return type(value).__name__ in {"member_descriptor", "getset_descriptor"}
