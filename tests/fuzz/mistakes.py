"""Mistakes that people make in a config, each planted by chance into a right one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final, TypeAlias

import attrs
from pipelines import Pipeline

from runner.checker.rules.dataflow import has_source
from runner.config.model import CheckConfig, CoreConfig, JobConfig, ScenarioConfig, TaskConfig
from runner.config.options import REQUIRED_KEYS, STORAGE_TYPES, FileOptions
from runner.config.positions import Mark, Stretch, position, scan
from runner.diagnostics import KeyPath

Line: TypeAlias = tuple[str, int]
"""A file and the number of a line."""


@attrs.frozen
class Planted:
    """Files with a mistake in them.

    Attributes:
        texts: the files by name.
        lines: where the mistake is; where an edge is broken, both its ends.
    """

    texts: Mapping[str, str]
    lines: frozenset[Line]


Plant: TypeAlias = Callable[[Pipeline, Random], Planted | None]
"""Makes a mistake by chance; None where a pipeline has no place for it."""


@attrs.frozen
class Kind:
    """A kind of mistake, and the codes that may tell it."""

    plant: Plant
    codes: tuple[str, ...]


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


# --- Where a mistake can be


def _sites(pipeline: Pipeline) -> Iterator[Site]:
    for file, marks in pipeline.marks.items():
        for key, mark in marks.items():
            yield Site(file, key, mark, _value(pipeline.raw[file], key))


def _value(tables: Any, key: KeyPath) -> Any:
    for part in key:
        tables = tables[part]
    return tables


def _choose(pipeline: Pipeline, random: Random, test: Callable[[Site], object]) -> Site | None:
    """One of the sites that count, which no later file overrides."""
    sites = {}
    for site in _sites(pipeline):
        if isinstance(site.value, dict) and site.key in sites:
            continue
        sites[site.key] = site
    fitting = [site for site in sites.values() if test(site)]
    return random.choice(fitting) if fitting else None


def _is_key(site: Site) -> bool:
    """Whether it is a key of a section, where a misspelt one has no meaning of its own."""
    depth = _DEPTH.get(str(site.key[0]))
    return depth is not None and len(site.key) == depth + 1 and site.name in _KNOWN[site.key[0]]


def _has_value(site: Site) -> bool:
    """Whether it is a key of a section with a value behind it, and no header of its own."""
    return _is_key(site) and site.mark.key != site.mark.value


def _is_id(site: Site) -> bool:
    return len(site.key) == 2 and site.key[0] in _KINDS_OF_ID and site.name != "default"


def _is_text(site: Site) -> bool:
    return isinstance(site.value, str)


def _is_list_of_ids(site: Site) -> bool:
    section, *_, name = site.key if len(site.key) > 2 else ("", "")
    if section == "TASK":
        return len(site.key) == 3 and name in {"inputs", "outputs"}
    is_list = len(site.key) == 3 and name in {"tasks", "additional_data_nodes"}
    return section == "SCENARIO" and (is_list or site.key[2:3] == ("sequences",) == site.key[2:-1])


def _is_use(site: Site) -> bool:
    """Whether it is an id that is named somewhere."""
    if isinstance(site.key[-1], int):
        return _is_list_of_ids(attrs.evolve(site, key=site.key[:-1]))
    return site.key[0] == "SCENARIO" and site.key[2:-1] == ("comparators",)


def _is_written_once(pipeline: Pipeline, key: KeyPath) -> bool:
    return sum(key in marks for marks in pipeline.marks.values()) == 1


def _line(text: str, offset: int) -> int:
    return position(text, offset).line


# --- How a file is changed


def _edited(
    texts: Mapping[str, str], file: str, stretch: Stretch, new: str, also: Iterable[Line] = ()
) -> Planted:
    """Something else in place of a stretch of a file; the lines are those of the new text."""
    start, end = stretch
    text = texts[file]
    first = _line(text, start)
    lines = range(first, first + new.count("\n") + 1)
    changed = {**texts, file: text[:start] + new + text[end:]}
    return Planted(changed, frozenset({*also, *((file, line) for line in lines)}))


def _replaced(pipeline: Pipeline, site: Site | None, new: str) -> Planted | None:
    """The value of a site replaced."""
    if site is None:
        return None
    return _edited(pipeline.texts, site.file, site.mark.value, new)


def _reworded(
    pipeline: Pipeline, random: Random, site: Site | None, word: str, typo: str | None = None
) -> Planted | None:
    """A word of a site's value misspelt."""
    if site is None or not word:
        return None
    start, end = site.mark.value
    at = pipeline.texts[site.file].find(word, start, end)
    new = typo or misspelt(word, random, _names(pipeline))
    return _edited(pipeline.texts, site.file, (at, at + len(word)), new)


def _without_lines(pipeline: Pipeline, site: Site, also: Iterable[Line] = ()) -> Planted:
    """The lines of a key and its value left out."""
    text = pipeline.texts[site.file]
    start = text.rfind("\n", 0, site.mark.key[0]) + 1
    end = text.find("\n", site.mark.value[1]) + 1 or len(text)
    return _edited(pipeline.texts, site.file, (start, end), "", also)


def _inserted(pipeline: Pipeline, site: Site | None, line: str) -> Planted | None:
    """A line more, after that of a section's header."""
    if site is None:
        return None
    text = pipeline.texts[site.file]
    header = _HEADER.match(text, text.rfind("\n", 0, site.mark.key[0]) + 1)
    end = text.find("\n", site.mark.key[1]) + 1
    if not end or header is None or header["rest"]:
        return None
    return _edited(pipeline.texts, site.file, (end, end), f"{line}\n")


def _listed(
    pipeline: Pipeline, site: Site, ids: Iterable[str], also: Iterable[Line] = ()
) -> Planted:
    """Other ids in a list."""
    new = "[" + ", ".join(f'"{each}"' for each in ids) + "]"
    return _edited(pipeline.texts, site.file, site.mark.value, new, also)


def _naming(planted: Planted, names: Iterable[str]) -> Planted:
    """The same; where one of the names stands is a place of the mistake too."""
    wanted = set(names)
    lines = {
        (file, _line(text, mark.key[0]))
        for file, text in planted.texts.items()
        for key, mark in scan(text).items()
        if key[-1] in wanted or _plain(text[slice(*mark.value)]) in wanted
    }
    return attrs.evolve(planted, lines=planted.lines | lines)


def _plain(written: str) -> str:
    """An id as it is meant: without quotes and suffix."""
    return written.strip("\"'").removesuffix(":SECTION")


def misspelt(word: str, random: Random, known: Iterable[str] = ()) -> str:
    """The word after a slip of the fingers, which makes it none of the known ones."""
    avoided = {word, *known}
    while True:
        at = random.randrange(len(word))
        left, letter, right = word[:at], word[at], word[at + 1 :]
        slips = [left + letter + letter + right, left + random.choice(_BESIDE) + right]
        if right:
            slips.append(left + right[0] + letter + right[1:])
        if len(word) > 3:
            slips.append(left + right)
        slip = random.choice(slips)
        if slip not in avoided and slip.isidentifier() >= word.isidentifier():
            return slip


def _names(pipeline: Pipeline) -> set[str]:
    config = pipeline.config
    return {*config.data_nodes, *config.tasks, *config.scenarios, *_ALL_KEYS, *STORAGE_TYPES}


# --- Mistakes of syntax


def cut_quote(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _is_quoted(pipeline))
    if site is None:
        return None
    start, end = site.mark.value
    text = pipeline.texts[site.file]
    cut = random.choice([start, end - 1])
    new = text[start:cut] + text[cut + 1 : end]
    return _edited(pipeline.texts, site.file, site.mark.value, new)


def _is_quoted(pipeline: Pipeline) -> Callable[[Site], bool]:
    return lambda site: pipeline.texts[site.file][site.mark.value[0]] in "\"'" and _is_text(site)


def drop_bracket(pipeline: Pipeline, random: Random) -> Planted | None:
    file = random.choice(list(pipeline.texts))
    text = pipeline.texts[file]
    headers = [at for each in _HEADER.finditer(text) for at in (each.start(), each.end() - 1)]
    containers = [
        offset
        for site in _sites(pipeline)
        if site.file == file and isinstance(site.value, list)
        for offset in (site.mark.value[0], site.mark.value[1] - 1)
        if text[offset] in "[]"
    ]
    at = random.choice([*headers, *containers])
    return _edited(pipeline.texts, file, (at, at + 1), "")


def drop_comma(pipeline: Pipeline, random: Random) -> Planted | None:
    return _without_one(pipeline, random, re.compile(r"\"(,)(?=\s*\")"))


def drop_equals(pipeline: Pipeline, random: Random) -> Planted | None:
    return _without_one(pipeline, random, re.compile(r"^\w+ *(=)", re.MULTILINE))


def drop_value(pipeline: Pipeline, random: Random) -> Planted | None:
    return _without_one(pipeline, random, re.compile(r"^\w+ *=( *[^\s\[{].*)", re.MULTILINE))


def _without_one(pipeline: Pipeline, random: Random, pattern: re.Pattern[str]) -> Planted | None:
    file = random.choice(list(pipeline.texts))
    found = [each.span(1) for each in pattern.finditer(pipeline.texts[file])]
    return _edited(pipeline.texts, file, random.choice(found), "") if found else None


def double_header(pipeline: Pipeline, random: Random) -> Planted | None:
    file = random.choice(list(pipeline.texts))
    headers = [each for each in _HEADER.finditer(pipeline.texts[file]) if not each["rest"]]
    found = random.choice(headers)
    return _edited(pipeline.texts, file, found.span(), f"[{found[0]}]")


def duplicate_table(pipeline: Pipeline, random: Random) -> Planted | None:
    file = random.choice(list(pipeline.texts))
    text = pipeline.texts[file]
    headers = [each.start() for each in _HEADER.finditer(text)]
    index = random.randrange(len(headers))
    copied = text[headers[index] : [*headers, len(text)][index + 1]]
    at = random.choice([*headers, len(text)])
    before = "" if text[:at].endswith("\n") or not at else "\n"
    return _edited(pipeline.texts, file, (at, at), f"{before}{copied.rstrip()}\n")


def duplicate_key(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(
        pipeline, random, lambda site: _is_key(site) and not isinstance(site.value, dict)
    )
    if site is None:
        return None
    text = pipeline.texts[site.file]
    start, end = text.rfind("\n", 0, site.mark.key[0]) + 1, site.mark.value[1]
    if text[start] == "[":
        return None
    return _edited(pipeline.texts, site.file, (end, end), f"\n{text[start:end]}")


# --- Mistakes of keys and sections


def drop_required_key(pipeline: Pipeline, random: Random) -> Planted | None:
    def is_required(site: Site) -> bool:
        section, name, *rest = site.key
        if name == "default" or not _is_written_once(pipeline, site.key):
            return False
        if section == "TASK":
            return rest == ["function"]
        node = pipeline.config.data_nodes.get(str(name))
        return (
            section == "DATA_NODE"
            and node is not None
            and rest in [[each] for each in REQUIRED_KEYS[node.storage_type]]
        )

    site = _choose(pipeline, random, lambda site: len(site.key) == 3 and is_required(site))
    return None if site is None else _without_lines(pipeline, site, _header(pipeline, site))


def _header(pipeline: Pipeline, site: Site) -> list[Line]:
    """The lines of a section's header, in each file that has it."""
    key = site.key[:2]
    return [
        (file, _line(pipeline.texts[file], marks[key].key[0]))
        for file, marks in pipeline.marks.items()
        if key in marks
    ]


def _section(pipeline: Pipeline, site: Site) -> list[Line]:
    """The lines of all that a section has."""
    return [
        (file, _line(pipeline.texts[file], mark.key[0]))
        for file, marks in pipeline.marks.items()
        for key, mark in marks.items()
        if key[:2] == site.key[:2]
    ]


def misspell_key(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _is_key)
    if site is None:
        return None
    if random.random() < 0.2:
        changed = random.choice([site.name.upper(), site.name.capitalize()])
    else:
        changed = misspelt(site.name, random, _ALL_KEYS)
    return _edited(pipeline.texts, site.file, site.mark.key, changed, _header(pipeline, site))


def add_key_of_another_section(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _is_id)
    if site is None:
        return None
    others = [each for section, keys in _KNOWN.items() if section != site.key[0] for each in keys]
    name = random.choice(sorted({*others} - {*_KNOWN[site.key[0]]}))
    return _inserted(pipeline, site, f"{name} = 1")


def misspell_section(pipeline: Pipeline, random: Random) -> Planted | None:
    file = random.choice(list(pipeline.texts))
    found = random.choice(list(_HEADER.finditer(pipeline.texts[file])))
    section = found["section"]
    slips = [misspelt(section, random), section.lower(), section.capitalize(), f"{section}S"]
    return _edited(pipeline.texts, file, found.span("section"), random.choice(slips))


def add_section(pipeline: Pipeline, random: Random) -> Planted | None:
    file = random.choice(list(pipeline.texts))
    text = pipeline.texts[file]
    at = random.choice([each.start() for each in _HEADER.finditer(text)])
    name = random.choice(["STEP.first", "SETTINGS", "workflow.main", "logging", "OPERATOR.x"])
    return _edited(pipeline.texts, file, (at, at), f"[{name}]\ndescription = 'one more'\n\n")


def add_top_level_key(pipeline: Pipeline, random: Random) -> Planted | None:
    file = random.choice(list(pipeline.texts))
    name = random.choice(["version", "name", "retries", "schedule"])
    return _edited(pipeline.texts, file, (0, 0), f"{name} = 1\n")


def drop_id(pipeline: Pipeline, random: Random) -> Planted | None:
    """`[TASK]` for `[TASK.clean]`."""
    site = _choose(pipeline, random, lambda site: _is_id(site) and isinstance(site.value, dict))
    if site is None or not _is_written_once(pipeline, site.key):
        return None
    text = pipeline.texts[site.file]
    found = _HEADER.match(text, text.rfind("\n", 0, site.mark.key[0]) + 1)
    if found is None or not _own_keys(site) or found["id"] != site.name:
        return None
    also = _section(pipeline, site)
    planted = _edited(pipeline.texts, site.file, found.span(), f"[{site.key[0]}]", also)
    return _naming(planted, [site.name])


# --- Mistakes of ids


def drop_header(pipeline: Pipeline, random: Random) -> Planted | None:
    """The keys of a section fall to the one before."""
    site = _choose(pipeline, random, lambda site: _is_id(site) and len(_own_keys(site)) > 0)
    if site is None or not _is_written_once(pipeline, site.key):
        return None
    text = pipeline.texts[site.file]
    found = _HEADER.match(text, text.rfind("\n", 0, site.mark.key[0]) + 1)
    if found is None or found["rest"]:
        return None
    also = _section(pipeline, site)
    planted = _edited(pipeline.texts, site.file, found.span(), "", also)
    return _naming(planted, [site.name])


def _own_keys(site: Site) -> list[str]:
    return [key for key in site.value if not isinstance(site.value[key], dict)]


def misspell_use(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _is_use)
    if site is None:
        return None
    word = site.name if isinstance(site.key[-1], str) else _plain(site.value)
    if isinstance(site.key[-1], str):
        new = misspelt(word, random, _names(pipeline))
        return _edited(pipeline.texts, site.file, site.mark.key, new)
    return _reworded(pipeline, random, site, word)


def misspell_declaration(pipeline: Pipeline, random: Random) -> Planted | None:
    def is_named(site: Site) -> bool:
        is_once = _is_written_once(pipeline, site.key)
        return _is_id(site) and site.key[0] != "SCENARIO" and is_once

    site = _choose(pipeline, random, is_named)
    if site is None:
        return None
    new = misspelt(site.name, random, _names(pipeline))
    return _edited(pipeline.texts, site.file, site.mark.key, new)


def use_id_of_another_section(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _is_use(site) and _is_text(site))
    if site is None:
        return None
    config = pipeline.config
    is_task = "tasks" in site.key or "sequences" in site.key
    others = [*(config.data_nodes if is_task else config.tasks), *config.scenarios]
    return _reworded(pipeline, random, site, _plain(site.value), random.choice(others))


def make_id_invalid(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _is_id)
    if site is None:
        return None
    new = random.choice(
        [f"{site.name}-1", f"1{site.name}", "class", site.name.replace("_", "-") + "-"]
    )
    return _renamed(pipeline, site, new, [new])


def make_ids_clash(pipeline: Pipeline, random: Random) -> Planted | None:
    config = pipeline.config
    site = _choose(pipeline, random, lambda site: _is_id(site) and site.key[0] != "DATA_NODE")
    if site is None:
        return None
    taken = random.choice(list(config.data_nodes))
    return _renamed(pipeline, site, taken, [taken])


def _renamed(pipeline: Pipeline, site: Site, new: str, places: Iterable[str]) -> Planted:
    """An id changed wherever it stands."""
    section, name = site.key
    header, listed = rf"(?<=^\[{section}\.){name}(?=[\].])", rf"(?<=\"){name}(?=[\":])"
    key = rf"(?<![\w.\"]){name}(?= =)"
    texts = {}
    for file, text in pipeline.texts.items():
        changed = re.sub(f"{header}|{listed}", new, text, flags=re.MULTILINE)
        texts[file] = re.sub(key, f'"{new}"', changed)
    return _naming(Planted(texts, frozenset()), places)


# --- Mistakes of values


def swap_type(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _has_value(site) and site.name in _SWAPS)
    return _replaced(pipeline, site, random.choice(_SWAPS[site.name])) if site else None


def misspell_suffix(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _suffix(site.value) is not None)
    if site is None:
        return None
    suffix = str(_suffix(site.value))
    start = site.mark.value[1] - 1 - len(suffix)
    new = ""
    while not new.isalpha():
        new = misspelt(suffix, random, _SUFFIXES)
    return _edited(pipeline.texts, site.file, (start, start + len(suffix)), new)


def _suffix(value: Any) -> str | None:
    suffix = value.rpartition(":")[2] if isinstance(value, str) else None
    return suffix if suffix in _SUFFIXES else None


def break_typed_value(pipeline: Pipeline, random: Random) -> Planted | None:
    """`"eight:int"`."""
    site = _choose(pipeline, random, lambda site: _suffix(site.value) in _PARSED)
    if site is None or "ENV[" in site.value:
        return None
    return _replaced(
        pipeline, site, f'"{random.choice(["eight", "?", "1,5"])}:{_suffix(site.value)}"'
    )


def wrong_choice(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _is_key(site) and site.name in _CHOICES)
    if site is None:
        return None
    choices = [*_CHOICES[site.name]]
    if site.value.isidentifier():
        choices.append(misspelt(site.value, random))
    return _replaced(pipeline, site, f'"{random.choice(choices)}"')


def out_of_range(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _is_key(site) and site.name in _TOO_LITTLE)
    return _replaced(pipeline, site, _TOO_LITTLE[site.name]) if site else None


def unknown_storage_type(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: site.name == "storage_type")
    if site is None:
        return None
    typo = misspelt(site.value, random, STORAGE_TYPES)
    return _replaced(pipeline, site, f'"{random.choice([typo, "database", "text", "CSV"])}"')


def foreign_option(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _is_id(site) and site.key[0] == "DATA_NODE")
    if site is None:
        return None
    node = pipeline.config.data_nodes[site.name]
    own = _KEYS_OF_STORAGE[node.storage_type]
    name = random.choice(
        sorted({each for keys in _KEYS_OF_STORAGE.values() for each in keys} - own)
    )
    return _inserted(pipeline, site, f'{name} = "x"')


def write_secret(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: site.name in _SECRETS)
    if site is not None and random.random() < 0.5:
        return _replaced(pipeline, site, '"hunter2"')
    file = random.choice(list(pipeline.texts))
    text = pipeline.texts[file]
    at = random.choice([each.start() for each in _HEADER.finditer(text)])
    section = random.choice(["RUNNER.service", "JOB.properties", "CORE.properties"])
    if ("RUNNER", "service") in pipeline.marks[file]:
        return None
    secret = random.choice(["api_token", "password", "SECRET_KEY"])
    return _edited(pipeline.texts, file, (at, at), f'[{section}]\n{secret} = "hunter2"\n\n')


def missing_variable(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _is_text(site) and _is_key(site))
    if site is None:
        return None
    default = re.compile(r"ENV\[(\w+):-.*\]").sub(r"ENV[\1]", site.value)
    new = default if default != site.value else "ENV[NOT_THERE]"
    return _replaced(pipeline, site, f'"{new}"')


def bad_variable(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: _is_key(site) and site.name in _TOO_LITTLE)
    return _replaced(pipeline, site, '"ENV[NOT_THERE:-many]"') if site else None


def old_key(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: site.key in {("JOB",), ("CORE",)})
    if site is None:
        return None
    line = 'root_folder = "x"' if site.name == "CORE" else "nb_of_workers = 3"
    return _inserted(pipeline, site, line)


# --- Mistakes of edges


def remove_output(pipeline: Pipeline, random: Random) -> Planted | None:
    nodes = pipeline.config.data_nodes
    site, ids = _list_of(pipeline, random, "outputs")
    removable = [each for each in ids if not has_source(nodes[each])]
    if site is None or not removable:
        return None
    removed = random.choice(removable)
    planted = _listed(pipeline, site, [each for each in ids if each != removed])
    return _naming(planted, [removed])


def remove_input(pipeline: Pipeline, random: Random) -> Planted | None:
    site, ids = _list_of(pipeline, random, "inputs")
    if site is None:
        return None
    at = random.randrange(len(ids))
    return _naming(_listed(pipeline, site, [*ids[:at], *ids[at + 1 :]]), [ids[at]])


def add_input(pipeline: Pipeline, random: Random) -> Planted | None:
    site, ids = _list_of(pipeline, random, "inputs")
    return _listed(pipeline, site, [*ids, random.choice(ids)]) if site else None


def swap_inputs(pipeline: Pipeline, random: Random) -> Planted | None:
    """In the wrong order, where the function tells what it takes."""
    site, ids = _list_of(pipeline, random, "inputs", _is_of(pipeline, _TAKES_TWO_TYPES))
    if site is None or not any(_tells_type(pipeline, each) for each in ids):
        return None
    return _listed(pipeline, site, reversed(ids))


def _tells_type(pipeline: Pipeline, node_id: str) -> bool:
    """Whether what writes a data node, or its default, has a type."""
    tasks = [task for task in pipeline.config.tasks.values() if node_id in task.outputs]
    node = pipeline.config.data_nodes[node_id]
    return all(str(task.function) not in _UNTYPED for task in tasks) and (
        bool(tasks) or node.storage_type != "generic"
    )


def _is_of(pipeline: Pipeline, functions: Sequence[str]) -> Callable[[Site], bool]:
    """Whether a list is that of a task which calls one of the functions."""
    tasks = pipeline.config.tasks
    return lambda site: str(tasks[str(site.key[1])].function) in functions


def wrong_default(pipeline: Pipeline, random: Random) -> Planted | None:
    """A text where functions take a number."""

    def is_number(site: Site) -> bool:
        node = pipeline.config.data_nodes.get(str(site.key[1]))
        is_kept = node is not None and node.storage_type in {"pickle", "in_memory"}
        return is_kept and isinstance(node and node.default_data, int | float)

    site = _choose(
        pipeline, random, lambda site: site.key[2:] == ("default_data",) and is_number(site)
    )
    return _replaced(pipeline, site, '"half"')


def add_output(pipeline: Pipeline, random: Random) -> Planted | None:
    """One more than the function gives, where that is told."""
    site, ids = _list_of(pipeline, random, "outputs", _is_of(pipeline, _GIVES_ONE))
    if site is None:
        return None
    planted = _listed(pipeline, site, [*ids, "one_more"])
    texts = {**planted.texts}
    texts[site.file] += "\n[DATA_NODE.one_more]\n"
    return attrs.evolve(planted, texts=texts)


def close_cycle(pipeline: Pipeline, random: Random) -> Planted | None:
    """A task reads what comes of what it writes."""
    tasks = pipeline.config.tasks
    site, ids = _list_of(pipeline, random, "inputs", lambda site: site.name == "inputs")
    if site is None:
        return None
    task = tasks[str(site.key[1])]
    later = _later(pipeline, task)
    at = random.randrange(len(ids))
    if not later or _uses(pipeline, ids[at]) < 2:
        return None
    writer = random.choice(later)
    read = random.choice(writer.outputs)
    planted = _listed(pipeline, site, [*ids[:at], read, *ids[at + 1 :]])
    return attrs.evolve(
        planted, lines=planted.lines | _lines_of(planted, ("TASK", writer.id, "outputs"))
    )


def _later(pipeline: Pipeline, task: TaskConfig) -> list[TaskConfig]:
    """The tasks that come after a task."""
    known = set(task.outputs)
    later: list[TaskConfig] = []
    tasks = list(pipeline.config.tasks.values())
    for _ in range(2):  # written in any order, but no example needs more
        for each in tasks:
            if each.outputs and each not in later and known.intersection(each.inputs):
                later.append(each)
                known.update(each.outputs)
    return later


def _uses(pipeline: Pipeline, node_id: str) -> int:
    tasks = pipeline.config.tasks.values()
    return sum((*task.inputs, *task.outputs).count(node_id) for task in tasks)


def _lines_of(planted: Planted, key: KeyPath) -> set[Line]:
    return {
        (file, _line(text, marks[key].key[0]))
        for file, text in planted.texts.items()
        if key in (marks := scan(text))
    }


def second_producer(pipeline: Pipeline, random: Random) -> Planted | None:
    site, ids = _list_of(pipeline, random, "outputs")
    if site is None:
        return None
    others = [
        node_id
        for task in _beside(pipeline, str(site.key[1]))
        for node_id in task.outputs
        if node_id not in pipeline.config.tasks[str(site.key[1])].inputs
    ]
    if not others:
        return None
    return _listed(pipeline, site, [*ids, random.choice(others)])


def _beside(pipeline: Pipeline, task_id: str) -> list[TaskConfig]:
    """The other tasks of a scenario that has the task."""
    config = pipeline.config
    scenario = next(each for each in config.scenarios.values() if task_id in each.tasks)
    return [config.tasks[each] for each in scenario.tasks if each != task_id]


def write_what_is_read(pipeline: Pipeline, random: Random) -> Planted | None:
    site, ids = _list_of(pipeline, random, "outputs")
    if site is None:
        return None
    inputs = pipeline.config.tasks[str(site.key[1])].inputs
    return _listed(pipeline, site, [*ids, random.choice(inputs)]) if inputs else None


def write_twice(pipeline: Pipeline, random: Random) -> Planted | None:
    site, ids = _list_of(pipeline, random, "outputs")
    return _listed(pipeline, site, [*ids, random.choice(ids)]) if site else None


def _list_of(
    pipeline: Pipeline, random: Random, name: str, test: Callable[[Site], object] = bool
) -> tuple[Site | None, list[str]]:
    """A list of ids under a key of that name, and the ids."""
    site = _choose(
        pipeline,
        random,
        lambda site: _is_list_of_ids(site) and name in site.key and site.value and test(site),
    )
    return site, [_plain(each) for each in site.value] if site else []


def remove_node(pipeline: Pipeline, random: Random) -> Planted | None:
    return _without_section(pipeline, random, "DATA_NODE")


def remove_task(pipeline: Pipeline, random: Random) -> Planted | None:
    return _without_section(pipeline, random, "TASK")


def _without_section(pipeline: Pipeline, random: Random, section: str) -> Planted | None:
    """A section left out of each file, told where its id stands."""
    site = _choose(pipeline, random, lambda site: _is_id(site) and site.key[0] == section)
    if site is None:
        return None
    pattern = re.compile(
        rf"^\[{section}\.{site.name}[\].](?:[^\n]*\n(?!\[))*[^\n]*(?:\n|$)", re.MULTILINE
    )
    texts = {name: pattern.sub("", text) for name, text in pipeline.texts.items()}
    return _naming(Planted(texts, frozenset()), [site.name])


def remove_task_from_scenario(pipeline: Pipeline, random: Random) -> Planted | None:
    site, ids = _list_of(pipeline, random, "tasks", lambda site: len(site.value) > 1)
    lists = [task for each in pipeline.config.scenarios.values() for task in each.tasks]
    removable = [each for each in ids if lists.count(each) == 1]
    if site is None or not removable:
        return None
    removed = random.choice(removable)
    planted = _listed(pipeline, site, [each for each in ids if each != removed])
    return _naming(planted, [removed, *pipeline.config.tasks[removed].outputs])


def empty_scenario(pipeline: Pipeline, random: Random) -> Planted | None:
    site, _ = _list_of(pipeline, random, "tasks")
    if site is None:
        return None
    return _listed(pipeline, site, [], _section(pipeline, site))


def sequence_outside(pipeline: Pipeline, random: Random) -> Planted | None:
    site, ids = _list_of(pipeline, random, "sequences")
    if site is None:
        return None
    inside = pipeline.config.scenarios[str(site.key[1])].tasks
    outside = [each for each in pipeline.config.tasks if each not in inside]
    return _listed(pipeline, site, [*ids, random.choice(outside)]) if outside else None


# --- Mistakes of functions


def _functions(site: Site) -> bool:
    name = site.key[-2] if isinstance(site.key[-1], int) else site.key[-1]
    is_comparator = "comparators" in site.key
    return _is_text(site) and (is_comparator or name in {"function", "read_fct", "write_fct"})


def misspell_function(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _functions)
    if site is None:
        return None
    dotted = site.value.partition(":")[0]
    head, _, name = dotted.rpartition(".")
    return _reworded(pipeline, random, site, dotted, f"{head}.{misspelt(name, random)}")


def misspell_module(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _functions)
    if site is None:
        return None
    dotted = site.value.partition(":")[0]
    parts = dotted.split(".")
    at = random.randrange(len(parts) - 1)
    parts[at] = misspelt(parts[at], random)
    return _reworded(pipeline, random, site, dotted, ".".join(parts))


def name_the_module(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, _functions)
    if site is None:
        return None
    dotted = site.value.partition(":")[0]
    module = dotted.rpartition(".")[0]
    is_class = module.rpartition(".")[2][0].isupper()  # which can be called as well
    return None if is_class else _reworded(pipeline, random, site, dotted, module)


# --- Mistakes of files and places


def same_path_twice(pipeline: Pipeline, random: Random) -> Planted | None:
    config = pipeline.config
    site = _choose(pipeline, random, lambda site: site.name in {"path", "default_path"})
    if site is None:
        return None
    node = config.data_nodes[str(site.key[1])]
    others = [
        each.options.user_path
        for each in config.data_nodes.values()
        if isinstance(each.options, FileOptions)
        and each.options.user_path is not None
        and each.storage_type == node.storage_type
        and each is not node
    ]
    return _replaced(pipeline, site, f'"./{random.choice(others)}"') if others else None


def wrong_file_suffix(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: site.name in {"path", "default_path"})
    if site is None:
        return None
    stem, _, suffix = site.value.rpartition(".")
    others = {"csv", "json", "xlsx", "parquet"} - {suffix}
    return _replaced(pipeline, site, f'"{stem}.{random.choice(sorted(others))}"')


def memory_in_cluster(pipeline: Pipeline, random: Random) -> Planted | None:
    site = _choose(pipeline, random, lambda site: site.key == ("JOB", "mode"))
    is_there = any(each.storage_type == "in_memory" for each in pipeline.config.data_nodes.values())
    return _replaced(pipeline, site, '"cluster"') if is_there else None


_BESIDE: Final = "aeiostrnlk"
_HEADER: Final = re.compile(
    r"^\[(?P<section>\w+)(?:\.(?P<id>[\w-]+))?(?P<rest>[\w.-]*)\]", re.MULTILINE
)
_DEPTH: Final = {"JOB": 1, "CORE": 1, "CHECK": 1, "DATA_NODE": 2, "TASK": 2, "SCENARIO": 2}
_KINDS_OF_ID: Final = ("DATA_NODE", "TASK", "SCENARIO")
_KEYS_OF_STORAGE: Final = {
    name: frozenset(field.name for field in attrs.fields(cls))
    for name, cls in STORAGE_TYPES.items()
}
_KNOWN: Final[Mapping[Any, frozenset[str]]] = {
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
    ).union(*_KEYS_OF_STORAGE.values()),
}
_ALL_KEYS: Final = frozenset().union(*_KNOWN.values()) | {"id", "properties", "nb_of_workers"}
_SUFFIXES: Final = ("bool", "int", "float", "str", "datetime", "timedelta", "function", "class",
                    "SCOPE", "FREQUENCY", "SECTION")  # fmt: skip
_PARSED: Final = ("bool", "int", "float", "datetime", "timedelta")
_NO_LIST: Final = ("3", "true", '"text"', "{a = 1}")
_NO_TEXT: Final = ("3", "true", '["x"]', "1979-05-27", "1.5")
_NO_TIME: Final = ("30", "true", '"30 seconds"', '["1s"]')
_SWAPS: Final[Mapping[str, Sequence[str]]] = {
    **dict.fromkeys(("inputs", "outputs", "tasks", "tags", "additional_data_nodes"), _NO_LIST),
    **dict.fromkeys(("function", "path", "default_path", "storage_type", "description"), _NO_TEXT),
    **dict.fromkeys(("storage_folder", "db_name", "table_name", "encoding"), _NO_TEXT),
    **dict.fromkeys(("mode", "scope", "frequency", "durability", "compression"), _NO_TEXT),
    **dict.fromkeys(("timeout", "retry_delay", "validity_period", "worker_lease"), _NO_TIME),
    **dict.fromkeys(("max_nb_of_workers", "retries"), ('"many"', "true", "1.5", "[2]")),
    **dict.fromkeys(("has_header", "skippable"), ("1", '"yes"', "[true]")),
    **dict.fromkeys(("sequences", "comparators", "severity"), ("3", '"text"')),
    "read_fct_args": ('"text"', "3"),
}
"""By key, values of types that it does not have."""
_CHOICES: Final[Mapping[str, Sequence[str]]] = {
    "scope": ("PIPELINE", "Scope.ALL"),
    "frequency": ("HOURLY", "monthly-ish"),
    "mode": ("parallel", "stand-alone"),
    "durability": ("disk",),
    "db_engine": ("postgres", "oracle"),
    "compression": ("lzma",),
    "copy_mode": ("clone",),
    "exposed_type": ("dask", "dicts"),
}
_TOO_LITTLE: Final = {"max_nb_of_workers": "0", "retries": "-1", "timeout": '"0s"'}
_SECRETS: Final = ("db_password", "aws_access_key", "aws_secret_access_key")
_TAKES_TWO_TYPES: Final = ("station.tables.split", "station.numbers.Limits.within")
_UNTYPED: Final = ("station.numbers.largest", "station.tables.describe")
_GIVES_ONE: Final = (
    "station.numbers.add",
    "station.numbers.scale",
    "station.numbers.total",
    "station.merge",
    "station.tables.index",
)


KINDS: Final[Mapping[str, Kind]] = {
    "cut a quote": Kind(cut_quote, ("RUN101",)),
    "drop a bracket": Kind(drop_bracket, ("RUN101",)),
    "drop a comma": Kind(drop_comma, ("RUN101",)),
    "drop an equals sign": Kind(drop_equals, ("RUN101",)),
    "drop a value": Kind(drop_value, ("RUN101",)),
    "duplicate a table": Kind(duplicate_table, ("RUN101",)),
    "duplicate a key": Kind(duplicate_key, ("RUN101",)),
    "double a header's brackets": Kind(double_header, ("RUN101", "RUN105")),
    "drop a required key": Kind(drop_required_key, ("RUN104",)),
    "misspell a key": Kind(misspell_key, ("RUN103",)),
    "add a key of another section": Kind(add_key_of_another_section, ("RUN103",)),
    "misspell a section": Kind(misspell_section, ("RUN102",)),
    "add a section": Kind(add_section, ("RUN102",)),
    "add a top-level key": Kind(add_top_level_key, ("RUN102",)),
    "drop an id": Kind(drop_id, ("RUN105",)),
    "drop a header": Kind(drop_header, ("RUN101", "RUN103", "RUN201", "RUN202", "RUN403")),
    "misspell an id where it is used": Kind(misspell_use, ("RUN201", "RUN202")),
    "misspell an id where it is declared": Kind(misspell_declaration, ("RUN201", "RUN202")),
    "use an id of another section": Kind(use_id_of_another_section, ("RUN201", "RUN202")),
    "make an id invalid": Kind(make_id_invalid, ("RUN115",)),
    "make two ids clash": Kind(make_ids_clash, ("RUN212",)),
    "swap a type": Kind(swap_type, ("RUN105",)),
    "misspell a type suffix": Kind(misspell_suffix, ("RUN107",)),
    "break a typed value": Kind(break_typed_value, ("RUN106", "RUN105")),
    "write what is no choice": Kind(wrong_choice, ("RUN116",)),
    "write less than the least": Kind(out_of_range, ("RUN116",)),
    "write an unknown storage type": Kind(unknown_storage_type, ("RUN401",)),
    "add an option of another storage type": Kind(foreign_option, ("RUN403",)),
    "write a secret": Kind(write_secret, ("RUN118",)),
    "name a missing variable": Kind(missing_variable, ("RUN111",)),
    "give a variable a bad default": Kind(bad_variable, ("RUN112",)),
    "add an old key": Kind(old_key, ("RUN119",)),
    "remove an output": Kind(remove_output, ("RUN206", "RUN205", "RUN306")),
    "add an output": Kind(add_output, ("RUN306",)),
    "remove an input": Kind(remove_input, ("RUN304",)),
    "add an input": Kind(add_input, ("RUN304",)),
    "swap two inputs": Kind(swap_inputs, ("RUN305",)),
    "give a wrong default": Kind(wrong_default, ("RUN305",)),
    "remove a data node": Kind(remove_node, ("RUN201",)),
    "remove a task": Kind(remove_task, ("RUN202",)),
    "remove a task from a scenario": Kind(
        remove_task_from_scenario, ("RUN205", "RUN206", "RUN207")
    ),
    "empty a scenario": Kind(empty_scenario, ("RUN208",)),
    "put a task outside into a sequence": Kind(sequence_outside, ("RUN207",)),
    "close a cycle": Kind(close_cycle, ("RUN203",)),
    "add a second producer": Kind(second_producer, ("RUN204",)),
    "write what is read": Kind(write_what_is_read, ("RUN209",)),
    "write twice": Kind(write_twice, ("RUN204",)),
    "misspell a function": Kind(misspell_function, ("RUN302",)),
    "misspell a module": Kind(misspell_module, ("RUN301", "RUN302")),
    "name the module": Kind(name_the_module, ("RUN303", "RUN106", "RUN105")),
    "write one path twice": Kind(same_path_twice, ("RUN407",)),
    "write a wrong file suffix": Kind(wrong_file_suffix, ("RUN409",)),
    "keep in memory in a cluster": Kind(memory_in_cluster, ("RUN406",)),
}
