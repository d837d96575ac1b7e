"""The code fingerprint: of a function and of everything of the application that it reaches.

Only source is read. What counts, by name and never by its place in a file:

- the function, with its decorators and defaults, and by the names that it mentions, through any
  chain of modules: functions, whole classes with their bases, and whatever else is assigned to a
  name, with all that these mention. Conditions around a definition count with it;
- what fills such a thing after it was bound: `TABLE["a"] = f`, `TABLE.update(…)`, a decorator that
  registers, a subclass of a class that keeps its subclasses;
- statements for their effect (`random.seed(3)`, `pandas.set_option(…)`) in every module of the
  application that is run when the function is imported: they may change what anything does;
- versions of installed packages that are reached; of Python, `X.Y`.

What does not count: comments, docstrings, layout, order, annotations (but those that make the
fields of a class, or that a decorator such as `validate_call` reads), what only type checkers or
`if __name__ == "__main__"` see, and the other things of a module.

What is not seen: names that are made when the code is run, as far as not the whole module counts
(`getattr(module, text)`, `globals`, `eval`), files that are read, and effects of an assignment
besides its value. Of a package that is neither installed nor of the application, all files count.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import attrs

from runner.config.references import FunctionRef
from runner.functions.given import Given, read_given
from runner.functions.installed import PYTHON
from runner.functions.leads import Key, Leads
from runner.functions.modules import Modules
from runner.functions.reach import Reach, digest_of

What: TypeAlias = Literal["changed", "added", "removed"]


@attrs.frozen
class Part:
    """One thing that a function's result may rest on.

    Attributes:
        name: its dotted name, unique in a fingerprint; of a module `name.<module>`.
        kind: "function", "class", "constant", "import" (what a name was imported as), "statement"
            (fills something of another module), "module" (its statements for their effect; or its
            file, where that cannot be parsed), "package" (a top module that is installed).
        file: relative to the application path where it lies there; empty for a package.
        line: of the definition, from 1; to be shown, not part of any digest.
        digest: 16 hexadecimal digits.
        via: the name of the part that reached it first; empty for the function itself.
        version: of a package.
    """

    name: str
    kind: str
    file: str
    line: int
    digest: str
    via: str = ""
    version: str = ""


@attrs.frozen
class Fingerprint:
    """The code of a function, part by part.

    Attributes:
        digest: 16 hexadecimal digits over the names and digests of all parts.
        parts: in the order in which they are reached, the function itself first.
    """

    digest: str
    parts: tuple[Part, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        parts = [
            [each.name, each.kind, each.file, each.line, each.digest, each.via, each.version]
            for each in self.parts
        ]
        return {"digest": self.digest, "parts": parts}

    def by_name(self) -> dict[str, Part]:
        return {each.name: each for each in self.parts}


def from_plain(plain: Mapping[str, Any]) -> Fingerprint:
    """What `Fingerprint.plain` gave."""
    return Fingerprint(plain["digest"], tuple(Part(*each) for each in plain["parts"]))


@attrs.frozen
class Change:
    """The first thing in which the code of a function differs from before.

    Attributes:
        part: as it is now; as it was where it is no more.
        before: None where it is new.
    """

    what: What
    part: Part
    before: Part | None = None

    def __str__(self) -> str:
        """`code changed algos/f.py:22 build (called by clean)`."""
        part = self.part
        if part.kind == "package":
            was = self.before.version if self.before is not None else ""
            now = part.version if self.what != "removed" else ""
            told = f"package {self.what} {part.name} {was or 'none'} -> {now or 'none'}"
        else:
            where = f"{part.file}:{part.line} " if part.file else ""
            told = f"code {self.what} {where}{_short(part.name)}"
        verb = "called" if part.kind == "function" else "used"
        return f"{told} ({verb} by {_short(part.via)})" if part.via else told


def _short(name: str) -> str:
    return name.removesuffix(".<module>").rpartition(".")[2]


def difference(before: Mapping[str, Part], now: Fingerprint) -> Change | None:
    """The first part in the order of reach that is new or another one, else one that is gone."""
    for part in now.parts:
        was = before.get(part.name)
        if was is None:
            return Change("added", part)
        if was.digest != part.digest:
            return Change("changed", part, was)
    left = now.by_name()
    gone = next((part for name, part in before.items() if name not in left), None)
    return None if gone is None else Change("removed", gone, gone)


@attrs.frozen(eq=False)
class Fingerprints:
    """Fingerprints of the source as it is: it is read once, so a later state needs a new one.

    Attributes:
        application: the application path.
    """

    modules: Modules
    application: Path
    _reach: Reach = attrs.field(init=False, repr=False)
    _known: dict[str, Fingerprint | str] = attrs.field(factory=dict, init=False, repr=False)
    _given: dict[int, tuple[object, Fingerprint | str]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    @_reach.default
    def _new_reach(self) -> Reach:
        return Reach(Leads(self.modules, self.application))

    def of(self, ref: FunctionRef) -> Fingerprint | None:
        """The fingerprint of a function; None where it has none, and `reason` says why."""
        found = self._of(ref)
        return None if isinstance(found, str) else found

    def reason(self, ref: FunctionRef) -> str:
        """Why a function has no fingerprint, for the end of a message; empty where it has one."""
        found = self._of(ref)
        return found if isinstance(found, str) else ""

    def _of(self, ref: FunctionRef) -> Fingerprint | str:
        if ref.target is not None:
            if id(ref.target) not in self._given:  # kept with it, so that nothing else has its id
                self._given[id(ref.target)] = (ref.target, self._of_object(ref))
            return self._given[id(ref.target)][1]
        if ref.name not in self._known:
            self._known[ref.name] = self._of_name(ref)
        return self._known[ref.name]

    def _of_name(self, ref: FunctionRef) -> Fingerprint | str:
        module, chain = self._split(ref.parts)
        if self.modules.find(module) is None:
            return f"there is no module `{module}`"
        starts = self._reach.leads.lead(module, chain)
        if not starts:
            return f"the source of `{module}` binds no `{'.'.join(chain)}`"
        if starts[0].kind == "package":  # all that is known of it is where it comes from
            part = Part(ref.name, "function", "", 0, digest_of(ref.name))
            return self._collect([part], [(key, ref.name) for key in starts])
        return self._collect([], [(key, "") for key in starts])

    def _split(self, parts: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """The longest part of a name that is a module, and the names that are taken from it."""
        module = parts[0]
        for count in range(1, len(parts) - 1):
            longer = f"{module}.{parts[count]}"
            if self.modules.find(longer) is None:
                return module, tuple(parts[count:])
            module = longer
        return module, tuple(parts[max(len(parts) - 1, 1) :])

    def _of_object(self, ref: FunctionRef) -> Fingerprint | str:
        given = read_given(ref.target, ref.name, self._is_told)
        if isinstance(given, str):
            return given
        parts = [
            Part(
                each.name,
                each.kind,
                self._reach.shown(Path(each.file)) if each.file else "",
                each.line,
                digest_of(each.text),
                each.via,
            )
            for each in given.parts
        ]
        return self._collect(parts, self._starts(given))

    def _starts(self, given: Given) -> Iterator[tuple[Key, str]]:
        yield Key("package", PYTHON), given.parts[0].name  # instructions are those of its version
        for module, chain, via in given.mentions:
            yield from ((key, via) for key in self._reach.leads.lead(module, chain))

    def _is_told(self, module: str, name: str) -> bool:
        """Whether source, or the version of a package, tells of a name in a module."""
        leads = self._reach.leads
        if leads.source(module) is not None:
            return leads.binds(module, name)
        return self.modules.find(module) is not None

    def _collect(self, parts: Sequence[Part], starts: Iterable[tuple[Key, str]]) -> Fingerprint:
        """Follow what is reached, the nearest first."""
        found = list(parts)
        waiting: deque[tuple[Key, str]] = deque()
        seen: set[Key] = set()
        fillers: dict[Key, list[Key]] = {}
        arrived = list(starts)
        while arrived or waiting:
            for key, via in arrived:
                if key not in seen:
                    seen.add(key)
                    waiting.append((key, via))
            arrived = []
            if not waiting:
                break
            key, via = waiting.popleft()
            node = self._reach.node(key)
            if node.digest:
                found.append(
                    Part(node.name, node.kind, node.file, node.line, node.digest, via, node.version)
                )
                via = node.name
            arrived += [(other, via) for other in node.reaches]
            arrived += [(filler, via) for filler in fillers.get(key, ())]
            for filled, filler in node.fills:
                fillers.setdefault(filled, []).append(filler)
                if filled in seen:
                    arrived.append((filler, self._reach.node(filled).name))
        digest = digest_of("\n".join(sorted(f"{each.name} {each.digest}" for each in found)))
        return Fingerprint(digest, tuple(found))
