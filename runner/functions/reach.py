"""What is behind a name of an application, and what that reaches in turn."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from runner.functions.installed import Installations, contents_of
from runner.functions.leads import Key, Leads, absolute
from runner.functions.mentions import FILLS, Reading, chain_of, read
from runner.functions.modules import ModuleKind, ModuleSource
from runner.functions.outline import DEFINITIONS, Definition, Loose, Outline, Statement

_FILLING: Final = ("add_", "register_")
"""Beginnings of names of other methods that fill what they are called on."""


@attrs.frozen(eq=False)
class Node:
    """Something that code reaches.

    Attributes:
        name, kind, file, line, digest, version: as in a part of a fingerprint. Without a digest it
            is only a way to others.
        reaches: in the order in which they are mentioned.
        fills: what is filled here, each with what fills it.
    """

    name: str
    kind: str = ""
    file: str = ""
    line: int = 0
    digest: str = ""
    version: str = ""
    reaches: tuple[Key, ...] = ()
    fills: tuple[tuple[Key, Key], ...] = ()


def digest_of(text: str) -> str:
    """16 hexadecimal digits."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


@attrs.frozen(eq=False)
class Reach:
    """Reads what keys stand for, each once."""

    leads: Leads
    _nodes: dict[Key, Node] = attrs.field(factory=dict, init=False, repr=False)
    _readings: dict[Key, Reading] = attrs.field(factory=dict, init=False, repr=False)
    _shown: dict[Path, str] = attrs.field(factory=dict, init=False, repr=False)

    def node(self, key: Key) -> Node:
        if key not in self._nodes:
            self._nodes[key] = _MAKERS[key.kind](self, key)
        return self._nodes[key]

    def shown(self, path: Path | None) -> str:
        """A file, relative to the application where it lies in it."""
        if path is None:
            return ""
        if path not in self._shown:
            home = self.leads.application
            below = path.relative_to(home) if path.is_relative_to(home) else path
            self._shown[path] = below.as_posix()
        return self._shown[path]

    def named(self, key: Key) -> Node:
        """A name of a module: all that binds it and all that fills it there."""
        source, statements = self._source(key), self._statements(key)
        reading = self._reading(key)
        targets = [self.leads.target(source, each) for each in statements]
        imported = [".".join((each[0], *each[1])) for each in targets if each is not None]
        return Node(
            name=f"{key.module}.{key.name}",
            kind=_kind(statements),
            file=self.shown(source.path),
            line=statements[0].node.lineno,
            digest=digest_of("\n".join([reading.text, *imported])),
            reaches=(*self._mentioned(source, reading), Key("effects", key.module)),
        )

    def filling(self, key: Key) -> Node:
        """What a module puts into something of another one, or hands to a function that does."""
        source, statements = self._source(key), self._statements(key)
        reading = self._reading(key)
        return Node(
            name=f"{key.module}[{key.name}]",
            kind="statement",
            file=self.shown(source.path),
            line=statements[0].node.lineno,
            digest=digest_of(reading.text),
            reaches=(*self._mentioned(source, reading), Key("effects", key.module)),
        )

    def effects(self, key: Key) -> Node:
        """What running a module does besides binding its names, and the modules that it runs."""
        source = self._source(key)
        parent = key.module.rpartition(".")[0]
        run = [*self.leads.run(parent)] if parent else []
        outline = self.leads.outline(source)
        if outline is None:
            return Node(key.module, reaches=(*run, Key("file", key.module)))
        for written, names in outline.imports:
            module = absolute(written, source)
            run += self.leads.run(module, names) if module else ()
        statements, reading = self._statements(key), self._reading(key)
        return Node(
            name=_as_a_whole(key.module),
            kind="module",
            file=self.shown(source.path),
            line=statements[0].node.lineno if statements else 0,
            digest=digest_of(reading.text) if statements else "",
            reaches=tuple(dict.fromkeys((*self._mentioned(source, reading), *run))),
            fills=tuple(dict.fromkeys(self._fills(source, outline))),
        )

    def whole(self, key: Key) -> Node:
        """All that a module binds, but not the whole of the modules that it imports."""
        source = self._source(key)
        outline = self.leads.outline(source)
        reaches: list[Key] = []
        for name, statements in outline.names.items() if outline is not None else ():
            targets = [self.leads.target(source, each) for each in statements]
            if any(each is not None and self.leads.is_module(each) for each in targets):
                reaches.append(Key("name", key.module, name))
            else:
                reaches += self.leads.lead(key.module, (name,))
        return Node(key.module, reaches=(*reaches, Key("effects", key.module)))

    def file(self, key: Key) -> Node:
        """A module that cannot be read as source: the bytes of its file count."""
        source = self._source(key)
        digest = _contents(source)
        return Node(_as_a_whole(key.module), "module", self.shown(source.path), 1, digest)

    def missing(self, key: Key) -> Node:
        """A module of the application that is imported and not there."""
        return Node(_as_a_whole(key.module), "module", digest=digest_of("missing"))

    def package(self, key: Key) -> Node:
        """Something that is installed."""
        found = self.leads.modules.companion(Installations).of(key.module)
        return Node(found.name, "package", digest=digest_of(found.version), version=found.version)

    def _source(self, key: Key) -> ModuleSource:
        source = self.leads.source(key.module)
        assert source is not None, "only modules of the application are read"
        return source

    def _statements(self, key: Key) -> Sequence[Statement]:
        source = self._source(key)
        outline = self.leads.outline(source)
        if outline is None:
            return ()
        if key.kind == "name":
            return outline.names[key.name]
        if key.kind == "filling":
            return [each.statement for each in outline.loose if each.label == key.name]
        return [each.statement for each in outline.loose if not self._filled(source, each)]

    def _reading(self, key: Key) -> Reading:
        if key not in self._readings:
            parts = [part for each in self._statements(key) for part in each.parts]
            self._readings[key] = read(parts)
        return self._readings[key]

    def _mentioned(self, home: ModuleSource, reading: Reading) -> dict[Key, None]:
        return dict.fromkeys(
            key for mention in reading.mentions for key in self.leads.mentioned(home, mention)
        )

    def _fills(self, source: ModuleSource, outline: Outline) -> Iterator[tuple[Key, Key]]:
        """What the statements of a module fill, with what fills it."""
        for loose in outline.loose:
            for filled in self._filled(source, loose):
                yield filled, Key("filling", source.name, loose.label)
        for definition in outline.definitions:
            filler = Key("name", source.name, definition.name)
            for filled in self._handed_to(source, definition):
                if filled != filler:
                    yield filled, filler

    def _filled(self, source: ModuleSource, loose: Loose) -> list[Key]:
        """What a loose statement fills of the application; nothing: its effect is unknown."""
        if not loose.chain:
            return []
        found = self._things(source, loose.chain)
        if loose.is_call:
            return [filled for key in found for filled in self._filled_in(key)]
        return found

    def _handed_to(self, source: ModuleSource, definition: Definition) -> Iterator[Key]:
        """Whatever a function or class is put into by its decorators or bases."""
        for decorator in definition.decorator_list:
            chain = chain_of(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if not chain:
                continue
            if chain[1:] and (chain[-1] in FILLS or chain[-1].startswith(_FILLING)):
                yield from self._things(source, chain[:-1])
            for key in self._things(source, chain):
                yield from self._filled_in(key)
        if isinstance(definition, ast.ClassDef):
            yield from self._registering(source, definition)

    def _registering(self, source: ModuleSource, cls: ast.ClassDef) -> Iterator[Key]:
        """The classes above a class that are told of it."""
        waiting = [(source, cls)]
        seen: set[Key] = set()
        while waiting:
            home, node = waiting.pop()
            for base in node.bases:
                chain = chain_of(base.value if isinstance(base, ast.Subscript) else base)
                for key in self._things(home, chain) if chain else ():
                    if key in seen:
                        continue
                    seen.add(key)
                    for statement in self._statements(key):
                        if isinstance(statement.node, ast.ClassDef):
                            waiting.append((self._source(key), statement.node))
                            if _registers(statement.node):
                                yield key

    def _filled_in(self, key: Key) -> Iterator[Key]:
        """What the code of a function or class puts something into."""
        if any(isinstance(each.node, DEFINITIONS) for each in self._statements(key)):
            source = self._source(key)
            for mention in self._reading(key).mentions:
                if mention.filled and mention.kind == "name":
                    yield from self._things(source, (mention.root, *mention.chain))

    def _things(self, source: ModuleSource, chain: tuple[str, ...]) -> list[Key]:
        """What a name leads to in the application, the imports on the way left out."""
        return [
            key
            for key in self.leads.lead(source.name, chain)
            if key.kind == "name" and any(each.imported is None for each in self._statements(key))
        ]


_MAKERS: Final[Mapping[str, Callable[[Reach, Key], Node]]] = {
    "effects": Reach.effects,
    "file": Reach.file,
    "filling": Reach.filling,
    "missing": Reach.missing,
    "name": Reach.named,
    "package": Reach.package,
    "whole": Reach.whole,
}


def _as_a_whole(module: str) -> str:
    """As a traceback does; a module may have the name of an import in its package."""
    return f"{module}.<module>"


def _kind(statements: Sequence[Statement]) -> str:
    node = statements[0].node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return "function"
    if isinstance(node, ast.ClassDef):
        return "class"
    return "constant" if any(each.imported is None for each in statements) else "import"


def _registers(cls: ast.ClassDef) -> bool:
    """Whether a class may keep what inherits from it."""
    names = [each.name for each in cls.body if isinstance(each, ast.FunctionDef)]
    return "__init_subclass__" in names or any(each.arg == "metaclass" for each in cls.keywords)


def _contents(source: ModuleSource) -> str:
    if source.archive is not None:
        return contents_of([Path(source.archive.archive)])
    if source.path is None:
        return contents_of([])
    if source.kind is ModuleKind.COMPILED:  # it may be large
        return contents_of([source.path])
    try:
        data = source.path.read_bytes()
    except OSError:
        return contents_of([source.path])
    return hashlib.blake2b(data, digest_size=8).hexdigest()
