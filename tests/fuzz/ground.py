"""Where in a right config a mistake can be planted, and how its text is changed there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random
from typing import Any, Final, TypeAlias, TypeVar

import attrs
from pipelines import Pipeline

from runner.config.model import (
    CheckConfig,
    Config,
    CoreConfig,
    JobConfig,
    ScenarioConfig,
    TaskConfig,
)
from runner.config.options import STORAGE_TYPES
from runner.config.positions import Mark, Stretch, position, scan
from runner.diagnostics import KeyPath

T = TypeVar("T")
Line: TypeAlias = tuple[str, int]
"""A file and the number of a line."""

HEADER: Final = re.compile(
    r"^\[(?P<section>\w+)(?:\.(?P<id>[\w-]+))?(?P<rest>[\w.-]*)\]", re.MULTILINE
)
DEPTH: Final = {"JOB": 1, "CORE": 1, "CHECK": 1, "DATA_NODE": 2, "TASK": 2, "SCENARIO": 2}
"""How many parts of a key path lead to the section whose keys follow."""
KEYS_OF_STORAGE: Final = {
    name: frozenset(field.name for field in attrs.fields(cls))
    for name, cls in STORAGE_TYPES.items()
}
KEYS: Final[Mapping[Any, frozenset[str]]] = {
    **{
        name: frozenset(field.name for field in attrs.fields(cls)) - {"id", "properties"}
        for name, cls in (
            ("JOB", JobConfig),
            ("CORE", CoreConfig),
            ("CHECK", CheckConfig),
            ("TASK", TaskConfig),
            ("SCENARIO", ScenarioConfig),
        )
    },
    "DATA_NODE": frozenset(
        {"storage_type", "scope", "validity_period", "default_data", "description"}
    ).union(*KEYS_OF_STORAGE.values()),
}
"""By section, the keys that it knows."""
ALL_KEYS: Final = frozenset().union(*KEYS.values()) | {"id", "properties", "nb_of_workers"}

_BESIDE: Final = "aeiostrnlk"


class NoPlaceError(Exception):
    """The config has no place for such a mistake."""


@attrs.frozen
class Planted:
    """Files with a mistake in them.

    Attributes:
        texts: the files by name.
        lines: where the mistake is; where an edge is broken, both its ends.
    """

    texts: Mapping[str, str]
    lines: frozenset[Line] = frozenset()

    def also_at(self, lines: Iterable[Line]) -> Planted:
        return attrs.evolve(self, lines=self.lines | {*lines})

    def also_naming(self, *names: str) -> Planted:
        """The same; where one of the names stands is a place of the mistake too."""
        return self.also_at(
            (file, _line(text, mark.key[0]))
            for file, text in self.texts.items()
            for key, mark in scan(text).items()
            if key[-1] in names or plain(text[slice(*mark.value)]) in names
        )

    def lines_of(self, key: KeyPath) -> Iterator[Line]:
        for file, text in self.texts.items():
            marks = scan(text)
            if key in marks:
                yield file, _line(text, marks[key].key[0])


@attrs.frozen
class Site:
    """A key, where it is written, and what it is."""

    file: str
    key: KeyPath
    mark: Mark
    value: Any

    @property
    def name(self) -> str:
        return str(self.key[-1])

    @property
    def section(self) -> str:
        return str(self.key[0])

    @property
    def owner(self) -> str:
        """The id of the section."""
        return str(self.key[1])

    @property
    def is_key(self) -> bool:
        """Whether it is a key that its section knows."""
        depth = DEPTH.get(self.section)
        return depth is not None and len(self.key) == depth + 1 and self.name in KEYS[self.section]

    @property
    def is_id(self) -> bool:
        return len(self.key) == 2 == DEPTH.get(self.section) and self.name != "default"

    @property
    def is_text(self) -> bool:
        return isinstance(self.value, str)

    @property
    def is_table(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def is_list_of_ids(self) -> bool:
        match self.key:
            case ("TASK", _, "inputs" | "outputs"):
                return True
            case ("SCENARIO", _, "tasks" | "additional_data_nodes"):
                return True
            case ("SCENARIO", _, "sequences", _):
                return True
        return False

    @property
    def is_use(self) -> bool:
        """Whether it names an id that is declared elsewhere."""
        match self.key:
            case (*above, int()):
                return attrs.evolve(self, key=tuple(above)).is_list_of_ids
            case ("SCENARIO", _, "comparators", _):
                return True
        return False

    @property
    def is_function(self) -> bool:
        names = {"function", "read_fct", "write_fct"}
        return self.is_text and ("comparators" in self.key or self.name in names)


@attrs.frozen(eq=False)
class Ground:
    """A right config, and the chance that says where in it a mistake goes."""

    pipeline: Pipeline
    random: Random

    @property
    def config(self) -> Config:
        return self.pipeline.config

    @property
    def texts(self) -> Mapping[str, str]:
        return self.pipeline.texts

    @property
    def names(self) -> frozenset[str]:
        """All that has a meaning somewhere."""
        config = self.config
        ids = (config.data_nodes, config.tasks, config.scenarios)
        return ALL_KEYS.union(STORAGE_TYPES, *ids)

    def one_of(self, things: Iterable[T]) -> T:
        listed = list(things)
        if not listed:
            raise NoPlaceError
        return self.random.choice(listed)

    def site(self, test: Callable[[Site], object]) -> Site:
        """One of the sites that count, which no later file overrides."""
        sites: dict[KeyPath, Site] = {}
        for site in self._sites():
            if not (site.is_table and site.key in sites):
                sites[site.key] = site
        return self.one_of(filter(test, sites.values()))

    def _sites(self) -> Iterator[Site]:
        for file, marks in self.pipeline.marks.items():
            for key, mark in marks.items():
                yield Site(file, key, mark, _value(self.pipeline.raw[file], key))

    def ids(
        self, name: str, test: Callable[[Site], object] = lambda _: True
    ) -> tuple[Site, list[str]]:
        """A list of ids that is not empty, under a key of that name, and the ids."""
        site = self.site(
            lambda site: site.is_list_of_ids and name in site.key and site.value and test(site)
        )
        return site, list(map(plain, site.value))

    def task_of(self, site: Site) -> TaskConfig:
        return self.config.tasks[site.owner]

    def file(self) -> str:
        return self.one_of(self.texts)

    def header(self, test: Callable[[re.Match[str]], object]) -> tuple[str, re.Match[str]]:
        """The header of a section, and the file."""
        file = self.file()
        return file, self.one_of(filter(test, HEADER.finditer(self.texts[file])))

    def own_header(self, site: Site) -> re.Match[str]:
        """The header of a section, which no other file has, and which no sub-table stands for."""
        text = self.texts[site.file]
        found = HEADER.match(text, text.rfind("\n", 0, site.mark.key[0]) + 1)
        if found is None or found["rest"] or not self.is_written_once(site.key):
            raise NoPlaceError
        return found

    def is_written_once(self, key: KeyPath) -> bool:
        return sum(key in marks for marks in self.pipeline.marks.values()) == 1

    def lines_of_section(self, site: Site) -> Iterator[Line]:
        """The lines of all that a section has."""
        for file, marks in self.pipeline.marks.items():
            for key, mark in marks.items():
                if key[:2] == site.key[:2]:
                    yield file, _line(self.texts[file], mark.key[0])

    def edited(self, file: str, stretch: Stretch, new: str) -> Planted:
        """Something else in place of a stretch of a file; the lines are those of the new text."""
        start, end = stretch
        text = self.texts[file]
        first = _line(text, start)
        lines = range(first, first + new.count("\n") + 1)
        changed = {**self.texts, file: text[:start] + new + text[end:]}
        return Planted(changed, frozenset((file, line) for line in lines))

    def renamed(self, site: Site, new: str) -> Planted:
        return self.edited(site.file, site.mark.key, new)

    def replaced(self, site: Site, new: str) -> Planted:
        return self.edited(site.file, site.mark.value, new)

    def reworded(self, site: Site, word: str, new: str) -> Planted:
        """A word of a value replaced."""
        at = self.texts[site.file].index(word, *site.mark.value)
        return self.edited(site.file, (at, at + len(word)), new)

    def listed(self, site: Site, ids: Iterable[str]) -> Planted:
        """Other ids in a list."""
        return self.replaced(site, "[" + ", ".join(f'"{each}"' for each in ids) + "]")

    def inserted(self, site: Site, line: str) -> Planted:
        """A line more, after that of a section's header."""
        end = self.texts[site.file].find("\n", self.own_header(site).end()) + 1
        if not end:
            raise NoPlaceError
        return self.edited(site.file, (end, end), f"{line}\n")

    def misspelt(self, word: str, known: Iterable[str] = ()) -> str:
        """The word after a slip of the fingers, which makes it none of the known ones."""
        avoided = {word, *known}
        while True:
            slip = self.random.choice(list(self._slips(word)))
            if slip not in avoided and slip.isidentifier() >= word.isidentifier():
                return slip

    def _slips(self, word: str) -> Iterator[str]:
        at = self.random.randrange(len(word))
        left, letter, right = word[:at], word[at], word[at + 1 :]
        yield left + letter + letter + right
        yield left + self.random.choice(_BESIDE) + right
        if right:
            yield left + right[0] + letter + right[1:]
        if len(word) > 3:
            yield left + right


def plain(written: str) -> str:
    """An id as it is meant: without quotes and suffix."""
    return written.strip("\"'").removesuffix(":SECTION")


def _line(text: str, offset: int) -> int:
    return position(text, offset).line


def _value(tables: Any, key: KeyPath) -> Any:
    for part in key:
        tables = tables[part]
    return tables
