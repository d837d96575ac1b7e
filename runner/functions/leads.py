"""What of an application a name leads to: followed through imports, each of which counts."""

from __future__ import annotations

import ast
import builtins
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import attrs

from runner.functions.installed import Installations, is_of_application
from runner.functions.mentions import Mention
from runner.functions.modules import ModuleKind, Modules, ModuleSource, Unreadable
from runner.functions.outline import Outline, Statement, outline_of, written

Target: TypeAlias = tuple[str, tuple[str, ...]]
"""A module, and the names that are taken from it one after the other; none: all of it."""


class Key(NamedTuple):
    """Something that a name leads to.

    Attributes:
        kind: a "name" in a module; the "effects" of running a module; the "whole" of what it binds;
            a "file" that cannot be read as source; a module that is "missing"; a "filling" of what
            is another module's; a "package" that is installed.
        module: the module; of a package its top module.
        name: in the module; of a filling its label.
    """

    kind: str
    module: str
    name: str = ""


def _absolute_path(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - symbolic links stay as they are


@attrs.frozen(eq=False)
class Leads:
    """Follows names through the modules of an application; each is read and followed once."""

    modules: Modules
    application: Path = attrs.field(converter=_absolute_path)
    _sources: dict[str, ModuleSource | None] = attrs.field(factory=dict, init=False, repr=False)
    _outlines: dict[str, Outline | None] = attrs.field(factory=dict, init=False, repr=False)
    _known: dict[Target, tuple[Key, ...]] = attrs.field(factory=dict, init=False, repr=False)

    def source(self, module: str) -> ModuleSource | None:
        """A module of the application; None for all others."""
        if module not in self._sources:
            source = self.modules.find(module)
            is_own = source is not None and is_of_application(source, self.application)
            self._sources[module] = source if is_own else None
        return self._sources[module]

    def outline(self, source: ModuleSource) -> Outline | None:
        """None where there is no source that can be read."""
        if source.name not in self._outlines:
            tree = self.modules.parse(source)
            if source.kind is ModuleKind.COMPILED or isinstance(tree, Unreadable):
                self._outlines[source.name] = None
            else:
                self._outlines[source.name] = outline_of(tree)
        return self._outlines[source.name]

    def lead(self, module: str, chain: tuple[str, ...]) -> tuple[Key, ...]:
        """What `module.chain` may be, with each import on the way."""
        target = (module, chain)
        if target not in self._known:
            self._known[target] = tuple(dict.fromkeys(self._follow(target)))
        return self._known[target]

    def mentioned(self, home: ModuleSource, mention: Mention) -> tuple[Key, ...]:
        """What is meant by a mention in a module."""
        if mention.kind == "name":
            if mention.is_namespace and not self.binds(home.name, mention.root):
                return (Key("whole", home.name),)
            return self.lead(home.name, (mention.root, *mention.chain))
        module = absolute(mention.root, home)
        if module is None:
            return ()
        if mention.kind == "runs":
            return tuple(self.run(module, mention.chain))
        return self.lead(module, mention.chain)

    def run(self, module: str, names: Sequence[str] = ()) -> Iterator[Key]:
        """The modules of the application that `from module import names` runs."""
        found = self.modules.find(module)
        if self.source(module) is not None:
            yield Key("effects", module)
        for name in names if found is not None and found.is_package else ():
            below = f"{module}.{name}"
            if self.source(below) is not None:
                yield Key("effects", below)

    def binds(self, module: str, name: str) -> bool:
        """Whether a name is bound in a module of the application."""
        source = self.source(module)
        outline = None if source is None else self.outline(source)
        return outline is not None and name in outline.names

    def target(self, home: ModuleSource, statement: Statement) -> Target | None:
        """Where that comes from what a statement imports; None where it imports nothing."""
        node, alias = statement.node, statement.imported
        if alias is None:
            return None
        if not isinstance(node, ast.ImportFrom):
            return (alias.name if alias.asname else alias.name.partition(".")[0]), ()
        module = absolute(written(node), home)
        if module == home.name:  # `from . import clean` in a package: a module, not this very name
            return f"{module}.{alias.name}", ()
        return None if module is None else (module, (alias.name,))

    def is_module(self, target: Target) -> bool:
        """Whether a module as such is imported."""
        module, chain = target
        if not chain:
            return True
        return not self.binds(module, chain[0]) and self.source(f"{module}.{chain[0]}") is not None

    def _follow(self, target: Target) -> Iterator[Key]:
        waiting = [target]
        seen: set[Target] = set()
        while waiting:
            module, chain = at = waiting.pop()
            if at in seen:
                continue
            seen.add(at)
            source = self.source(module)
            outline = None if source is None else self.outline(source)
            if source is None and chain and self._is_namespace(module):
                waiting.append((f"{module}.{chain[0]}", chain[1:]))  # which may be ours
            elif source is None:
                yield self._foreign(module)
            elif outline is None:
                yield Key("file", module)
            elif not chain:
                yield Key("whole", module)
            else:
                yield from self._here(source, outline, chain[0])
                waiting += reversed(self._further(source, outline, chain))

    def _here(self, source: ModuleSource, outline: Outline, name: str) -> Iterator[Key]:
        if name in outline.names:
            yield Key("name", source.name, name)
        elif "__getattr__" in outline.names and not hasattr(builtins, name):
            yield Key("name", source.name, "__getattr__")

    def _further(
        self, source: ModuleSource, outline: Outline, chain: tuple[str, ...]
    ) -> list[Target]:
        """Where else to look for a chain of names that begins in a module."""
        name, rest = chain[0], chain[1:]
        if name in outline.names:
            targets = [self.target(source, each) for each in outline.names[name]]
            return [(each[0], each[1] + rest) for each in targets if each is not None]
        below = f"{source.name}.{name}"
        if source.is_package and self.modules.find(below) is not None:
            return [(below, rest)]
        if name.startswith("_"):  # a star does not bring it
            return []
        stars = [absolute(star, source) for star in outline.stars]
        return [(module, chain) for module in stars if module is not None]

    def _is_namespace(self, module: str) -> bool:
        found = self.modules.find(module)
        return found is not None and found.kind is ModuleKind.NAMESPACE

    def _foreign(self, module: str) -> Key:
        top = module.partition(".")[0]
        if self.source(top) is not None:  # it is of the application, and not there
            return Key("missing", module)
        return Key("package", self.modules.companion(Installations).of(top).name)


def absolute(module: str, home: ModuleSource) -> str | None:
    """The name of a module that is written `..pkg.mod`; None where it climbs above the top."""
    name = module.lstrip(".")
    level = len(module) - len(name)
    if level == 0:
        return name
    parts = home.package.split(".") if home.package else []
    if level > len(parts):
        return None
    kept = parts[: len(parts) - level + 1]
    return ".".join([*kept, name] if name else kept)
