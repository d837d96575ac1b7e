"""A dotted name of a function or class, as text; nothing is looked up here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs


@attrs.frozen
class FunctionRef:
    """`package.module.name`, also `package.module.Class.method`.

    Which of the parts is the module is only known where the source is read.

    Attributes:
        name: the dotted name, or for an object given by the Python builder its qualified name.
        target: the object itself, where the Python builder was given one that no name leads to
            (a lambda, a closure, something of `__main__`).
    """

    name: str
    target: Callable[..., Any] | None = attrs.field(default=None, eq=False, repr=False)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))

    def __str__(self) -> str:
        return self.name


def parse_reference(text: str) -> FunctionRef:
    """Read `package.module.name` or `package.module:name`.

    Raises:
        ValueError: the text is no dotted name with at least two parts; the message says why.
    """
    name = text.strip()
    module, colon, rest = name.partition(":")
    if colon and module and rest:
        name = f"{module}.{rest}"
    parts = name.split(".")
    if len(parts) < 2:
        raise ValueError(f'expected a dotted name like "package.module.name", got "{text}"')
    for part in parts:
        if not part.isidentifier():
            raise ValueError(f'"{text}" is no dotted name: `{part}` is not a Python name')
    return FunctionRef(name)
