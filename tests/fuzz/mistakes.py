"""Mistakes that people make in a config, each planted by chance into a right one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Final, TypeAlias

import attrs
from ground import (
    ALL_KEYS,
    HEADER,
    KEYS,
    KEYS_OF_STORAGE,
    Ground,
    NoPlaceError,
    Planted,
    Site,
    plain,
)
from pipelines import Pipeline

from runner.checker.rules.dataflow import has_source
from runner.config.model import TaskConfig
from runner.config.options import STORAGE_TYPES, FileOptions, required_keys

Plant: TypeAlias = Callable[[Ground], Planted]
"""Makes a mistake by chance; raises NoPlaceError where a config has no place for it."""


@attrs.frozen
class Kind:
    """A kind of mistake, and the codes that may tell it."""

    plant: Plant
    codes: tuple[str, ...]


def plant(kind: str, pipeline: Pipeline, random: Random) -> Planted | None:
    """Make a mistake of a kind; None where the pipeline has no place for it."""
    try:
        return KINDS[kind].plant(Ground(pipeline, random))
    except NoPlaceError:
        return None


# --- Mistakes of syntax


def cut_quote(ground: Ground) -> Planted:
    def is_quoted(site: Site) -> bool:
        return site.is_text and ground.texts[site.file][site.mark.value[0]] in "\"'"

    site = ground.site(is_quoted)
    start, end = site.mark.value
    text = ground.texts[site.file][start:end]
    return ground.replaced(site, ground.one_of([text[1:], text[:-1]]))


def drop_header_bracket(ground: Ground) -> Planted:
    file, found = ground.header(lambda _: True)
    return ground.edited(file, found.span(), ground.one_of([found[0][1:], found[0][:-1]]))


def drop_list_bracket(ground: Ground) -> Planted:
    site = ground.site(lambda site: isinstance(site.value, list) and site.mark.key)
    text = ground.texts[site.file][slice(*site.mark.value)]
    return ground.replaced(site, ground.one_of([text[1:], text[:-1]]))


def drop_comma(ground: Ground) -> Planted:
    return _without(ground, re.compile(r"\"(,)(?=\s*\")"))


def drop_equals(ground: Ground) -> Planted:
    return _without(ground, re.compile(r"^\w+ *(=)", re.MULTILINE))


def drop_value(ground: Ground) -> Planted:
    return _without(ground, re.compile(r"^\w+ *=( *[^\s\[{].*)", re.MULTILINE))


def _without(ground: Ground, pattern: re.Pattern[str]) -> Planted:
    file = ground.file()
    found = ground.one_of(pattern.finditer(ground.texts[file]))
    return ground.edited(file, found.span(1), "")


def double_header(ground: Ground) -> Planted:
    file, found = ground.header(lambda header: not header["rest"])
    return ground.edited(file, found.span(), f"[{found[0]}]")


def duplicate_table(ground: Ground) -> Planted:
    file = ground.file()
    text = ground.texts[file]
    starts = [*(each.start() for each in HEADER.finditer(text)), len(text)]
    index = ground.random.randrange(len(starts) - 1)
    copied = text[starts[index] : starts[index + 1]].rstrip()
    at = ground.one_of(starts)
    return ground.edited(file, (at, at), f"\n{copied}\n")


def duplicate_key(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_key and not site.is_table)
    text = ground.texts[site.file]
    start, end = text.rfind("\n", 0, site.mark.key[0]) + 1, site.mark.value[1]
    return ground.edited(site.file, (end, end), f"\n{text[start:end]}")


# --- Mistakes of keys and sections


def drop_required_key(ground: Ground) -> Planted:
    def is_required(site: Site) -> bool:
        if len(site.key) != 3 or site.owner == "default" or not ground.is_written_once(site.key):
            return False
        if site.section == "DATA_NODE":
            node = ground.config.data_nodes[site.owner]
            return site.name in required_keys(type(node.options))
        return site.section == "TASK" and site.name == "function"

    site = ground.site(is_required)
    text = ground.texts[site.file]
    start = text.rfind("\n", 0, site.mark.key[0]) + 1
    end = text.find("\n", site.mark.value[1]) + 1 or len(text)
    planted = ground.edited(site.file, (start, end), "")
    return planted.also_at(planted.lines_of(site.key[:2]))


def misspell_key(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_key)
    slips = [ground.misspelt(site.name, ALL_KEYS) for _ in range(8)]
    planted = ground.renamed(
        site, ground.one_of([*slips, site.name.upper(), site.name.capitalize()])
    )
    return planted.also_at(planted.lines_of(site.key[:-1]))  # told where another one is missing


def add_key_of_another_section(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_id)
    name = ground.one_of(sorted(frozenset().union(*KEYS.values()) - KEYS[site.section]))
    return ground.inserted(site, f"{name} = 1")


def misspell_section(ground: Ground) -> Planted:
    file, found = ground.header(lambda _: True)
    name = found["section"]
    slips = [ground.misspelt(name), name.lower(), name.capitalize(), f"{name}S"]
    return ground.edited(file, found.span("section"), ground.one_of(slips))


def add_section(ground: Ground) -> Planted:
    file, found = ground.header(lambda _: True)
    name = ground.one_of(["STEP.first", "SETTINGS", "workflow.main", "logging", "OPERATOR.x"])
    return ground.edited(file, (found.start(),) * 2, f"[{name}]\ndescription = 'one more'\n\n")


def add_top_level_key(ground: Ground) -> Planted:
    name = ground.one_of(["version", "name", "retries", "schedule"])
    return ground.edited(ground.file(), (0, 0), f"{name} = 1\n")


def drop_id(ground: Ground) -> Planted:
    """`[TASK]` for `[TASK.clean]`."""
    site = ground.site(_has_own_keys)
    planted = ground.edited(site.file, ground.own_header(site).span(), f"[{site.section}]")
    return planted.also_at(ground.lines_of_section(site)).also_naming(site.name)


def drop_header(ground: Ground) -> Planted:
    """The keys of a section fall to the one before."""
    site = ground.site(_has_own_keys)
    planted = ground.edited(site.file, ground.own_header(site).span(), "")
    return planted.also_at(ground.lines_of_section(site)).also_naming(site.name)


def _has_own_keys(site: Site) -> bool:
    return site.is_id and any(not isinstance(each, dict) for each in site.value.values())


# --- Mistakes of ids


def misspell_use(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_use)
    if not isinstance(site.key[-1], int):
        return ground.renamed(site, ground.misspelt(site.name, ground.names))
    word = plain(site.value)
    return ground.reworded(site, word, ground.misspelt(word, ground.names))


def misspell_declaration(ground: Ground) -> Planted:
    def is_named(site: Site) -> bool:
        return site.is_id and site.section != "SCENARIO" and ground.is_written_once(site.key)

    site = ground.site(is_named)
    return ground.renamed(site, ground.misspelt(site.name, ground.names))


def use_id_of_another_section(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_use and isinstance(site.key[-1], int))
    config = ground.config
    is_task = {"tasks", "sequences"}.intersection(site.key)
    others = [*(config.data_nodes if is_task else config.tasks), *config.scenarios]
    return ground.reworded(site, plain(site.value), ground.one_of(others))


def make_id_invalid(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_id)
    new = ground.one_of([f"{site.name}-1", f"1{site.name}", "class", f"{site.name}-".lower()])
    return _renamed_everywhere(ground, site, new)


def make_ids_clash(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_id and site.section != "DATA_NODE")
    return _renamed_everywhere(ground, site, ground.one_of(ground.config.data_nodes))


def _renamed_everywhere(ground: Ground, site: Site, new: str) -> Planted:
    name = site.name
    header, listed = rf"(?<=^\[{site.section}\.){name}(?=[\].])", rf"(?<=\"){name}(?=[\":])"
    key = rf"(?<![\w.\"]){name}(?= =)"
    texts = {}
    for file, text in ground.texts.items():
        changed = re.sub(f"{header}|{listed}", new, text, flags=re.MULTILINE)
        texts[file] = re.sub(key, f'"{new}"', changed)
    return Planted(texts).also_naming(new)


# --- Mistakes of values


def swap_type(ground: Ground) -> Planted:
    def has_value(site: Site) -> bool:
        return site.is_key and site.name in _SWAPS and site.mark.key != site.mark.value

    site = ground.site(has_value)
    return ground.replaced(site, ground.one_of(_SWAPS[site.name]))


def misspell_suffix(ground: Ground) -> Planted:
    site = ground.site(lambda site: _suffix(site.value) in _SUFFIXES)
    suffix = _suffix(site.value)
    start = site.mark.value[1] - 1 - len(suffix)
    slips = (ground.misspelt(suffix, _SUFFIXES) for _ in range(20))
    new = ground.one_of(filter(str.isalpha, slips))
    return ground.edited(site.file, (start, start + len(suffix)), new)


def break_typed_value(ground: Ground) -> Planted:
    """`"eight:int"`."""
    site = ground.site(lambda site: _suffix(site.value) in _PARSED and "ENV[" not in site.value)
    return ground.replaced(site, f'"{ground.one_of(["eight", "?", "1,5"])}:{_suffix(site.value)}"')


def _suffix(value: Any) -> str:
    return value.rpartition(":")[2] if isinstance(value, str) else ""


def wrong_choice(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_key and site.name in _CHOICES)
    slips = [ground.misspelt(site.value)] if site.value.isidentifier() else []
    return ground.replaced(site, f'"{ground.one_of([*slips, *_CHOICES[site.name]])}"')


def out_of_range(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_key and site.name in _TOO_LITTLE)
    return ground.replaced(site, _TOO_LITTLE[site.name])


def unknown_storage_type(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.name == "storage_type")
    slip = ground.misspelt(site.value, STORAGE_TYPES)
    return ground.replaced(site, f'"{ground.one_of([slip, "database", "text", "CSV"])}"')


def foreign_option(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_id and site.section == "DATA_NODE")
    own = KEYS_OF_STORAGE[ground.config.data_nodes[site.name].storage_type]
    name = ground.one_of(sorted(frozenset().union(*KEYS_OF_STORAGE.values()) - own))
    return ground.inserted(site, f'{name} = "x"')


def write_secret(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.name in _SECRETS)
    return ground.replaced(site, '"hunter2"')


def write_secret_property(ground: Ground) -> Planted:
    file, found = ground.header(lambda _: True)
    section = ground.one_of(["JOB.properties", "CORE.properties", "RUNNER.service"])
    key = ground.one_of(["api_token", "password", "SECRET_KEY"])
    return ground.edited(file, (found.start(),) * 2, f'[{section}]\n{key} = "hunter2"\n\n')


def missing_variable(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_text and site.is_key)
    bare = re.sub(r"ENV\[(\w+):-.*\]", r"ENV[\1]", site.value)
    return ground.replaced(site, f'"{bare if bare != site.value else "ENV[NOT_THERE]"}"')


def bad_variable(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.is_key and site.name in _TOO_LITTLE)
    return ground.replaced(site, '"ENV[NOT_THERE:-many]"')


def old_key(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.key in {("JOB",), ("CORE",)})
    return ground.inserted(
        site, {"CORE": 'root_folder = "x"', "JOB": "nb_of_workers = 3"}[site.name]
    )


# --- Mistakes of edges


def remove_output(ground: Ground) -> Planted:
    site, ids = ground.ids("outputs")
    nodes = ground.config.data_nodes
    removed = ground.one_of(each for each in ids if not has_source(nodes[each]))
    return ground.listed(site, [each for each in ids if each != removed]).also_naming(removed)


def add_output(ground: Ground) -> Planted:
    """One more than the function gives, where that is told."""
    site, ids = ground.ids("outputs", _is_of(ground, _GIVES_ONE))
    planted = ground.listed(site, [*ids, "one_more"])
    declared = f"{planted.texts[site.file]}\n[DATA_NODE.one_more]\n"
    return attrs.evolve(planted, texts={**planted.texts, site.file: declared})


def remove_input(ground: Ground) -> Planted:
    site, ids = ground.ids("inputs")
    removed = ids.pop(ground.random.randrange(len(ids)))
    return ground.listed(site, ids).also_naming(removed)


def add_input(ground: Ground) -> Planted:
    site, ids = ground.ids("inputs")
    return ground.listed(site, [*ids, ground.one_of(ids)])


def swap_inputs(ground: Ground) -> Planted:
    """In the wrong order, where the function tells what it takes."""

    def is_typed(site: Site) -> bool:
        is_one = _is_of(ground, _TAKES_TWO_TYPES)(site)
        return is_one and any(_tells_type(ground, plain(each)) for each in site.value)

    site, ids = ground.ids("inputs", is_typed)
    return ground.listed(site, reversed(ids))


def wrong_default(ground: Ground) -> Planted:
    """A text where functions take a number."""

    def is_number(site: Site) -> bool:
        if site.section != "DATA_NODE" or site.key[2:] != ("default_data",):
            return False
        node = ground.config.data_nodes[site.owner]
        is_kept = node.storage_type in {"pickle", "in_memory"}
        is_typed = any(
            node.id in task.inputs and str(task.function) not in _UNTYPED
            for task in ground.config.tasks.values()
        )
        return is_kept and is_typed and isinstance(node.default_data, int | float)

    return ground.replaced(ground.site(is_number), '"half"')


def _is_of(ground: Ground, functions: Sequence[str]) -> Callable[[Site], bool]:
    """Whether a list is that of a task which calls one of the functions."""
    return lambda site: str(ground.task_of(site).function) in functions


def _tells_type(ground: Ground, node_id: str) -> bool:
    """Whether what writes a data node, or its default, has a type."""
    writers = [task for task in ground.config.tasks.values() if node_id in task.outputs]
    if not writers:
        return ground.config.data_nodes[node_id].storage_type != "generic"
    return all(str(task.function) not in _UNTYPED for task in writers)


def close_cycle(ground: Ground) -> Planted:
    """A task reads what comes of what it writes."""
    site, ids = ground.ids("inputs")
    at = ground.random.randrange(len(ids))
    if _uses(ground, ids[at]) < 2:
        raise NoPlaceError  # what nobody reads any more is another mistake
    writer = ground.one_of(_later(ground, ground.task_of(site)))
    ids[at] = ground.one_of(writer.outputs)
    planted = ground.listed(site, ids)
    return planted.also_at(planted.lines_of(("TASK", writer.id, "outputs")))


def _later(ground: Ground, task: TaskConfig) -> list[TaskConfig]:
    """The tasks that come after a task; all pipelines are written in the order of their tasks."""
    known = set(task.outputs)
    later = []
    for each in ground.config.tasks.values():
        if each.outputs and known.intersection(each.inputs):
            later.append(each)
            known.update(each.outputs)
    return later


def _uses(ground: Ground, node_id: str) -> int:
    tasks = ground.config.tasks.values()
    return sum((*task.inputs, *task.outputs).count(node_id) for task in tasks)


def second_producer(ground: Ground) -> Planted:
    site, ids = ground.ids("outputs")
    task = ground.task_of(site)
    scenario = next(each for each in ground.config.scenarios.values() if task.id in each.tasks)
    others = [ground.config.tasks[each] for each in scenario.tasks if each != task.id]
    written = {node_id for other in others for node_id in other.outputs}
    return ground.listed(site, [*ids, ground.one_of(sorted(written.difference(task.inputs)))])


def write_what_is_read(ground: Ground) -> Planted:
    site, ids = ground.ids("outputs")
    return ground.listed(site, [*ids, ground.one_of(ground.task_of(site).inputs)])


def write_twice(ground: Ground) -> Planted:
    site, ids = ground.ids("outputs")
    return ground.listed(site, [*ids, ground.one_of(ids)])


def remove_node(ground: Ground) -> Planted:
    return _without_section(ground, "DATA_NODE")


def remove_task(ground: Ground) -> Planted:
    return _without_section(ground, "TASK")


def _without_section(ground: Ground, section: str) -> Planted:
    """A section left out of each file, told where its id stands."""
    site = ground.site(lambda site: site.is_id and site.section == section)
    pattern = rf"^\[{section}\.{site.name}[\].](?:[^\n]*\n(?!\[))*[^\n]*(?:\n|$)"
    texts = {
        file: re.sub(pattern, "", text, flags=re.MULTILINE) for file, text in ground.texts.items()
    }
    return Planted(texts).also_naming(site.name)


def remove_task_from_scenario(ground: Ground) -> Planted:
    site, ids = ground.ids("tasks", lambda site: len(site.value) > 1)
    listed = [task for each in ground.config.scenarios.values() for task in each.tasks]
    removed = ground.one_of(each for each in ids if listed.count(each) == 1)
    planted = ground.listed(site, [each for each in ids if each != removed])
    return planted.also_naming(removed, *ground.config.tasks[removed].outputs)


def empty_scenario(ground: Ground) -> Planted:
    site, _ = ground.ids("tasks")
    planted = ground.listed(site, [])
    keys = [("sequences",), *(("sequences", name) for name in _sequences(ground, site))]
    lines = {line for key in keys for line in planted.lines_of((*site.key[:2], *key))}
    return planted.also_at({*lines, *planted.lines_of(site.key[:2])})


def _sequences(ground: Ground, site: Site) -> list[str]:
    return list(ground.config.scenarios[site.owner].sequences)


def sequence_outside(ground: Ground) -> Planted:
    site, ids = ground.ids("sequences")
    inside = ground.config.scenarios[site.owner].tasks
    outside = [each for each in ground.config.tasks if each not in inside]
    return ground.listed(site, [*ids, ground.one_of(outside)])


# --- Mistakes of functions


def misspell_function(ground: Ground) -> Planted:
    site, dotted = _function(ground)
    head, _, name = dotted.rpartition(".")
    return ground.reworded(site, dotted, f"{head}.{ground.misspelt(name)}")


def misspell_module(ground: Ground) -> Planted:
    site, dotted = _function(ground)
    parts = dotted.split(".")
    at = ground.random.randrange(len(parts) - 1)
    parts[at] = ground.misspelt(parts[at])
    return ground.reworded(site, dotted, ".".join(parts))


def name_the_module(ground: Ground) -> Planted:
    site, dotted = _function(ground)
    module, _, _ = dotted.rpartition(".")
    if module.rpartition(".")[2][0].isupper():
        raise NoPlaceError  # a class, which can be called as well
    return ground.reworded(site, dotted, module)


def _function(ground: Ground) -> tuple[Site, str]:
    site = ground.site(lambda site: site.is_function)
    return site, site.value.partition(":")[0]


# --- Mistakes of files and places


def same_path_twice(ground: Ground) -> Planted:
    site = ground.site(_is_path)
    node = ground.config.data_nodes[site.owner]
    others = [
        each.options.user_path
        for each in ground.config.data_nodes.values()
        if isinstance(each.options, FileOptions)
        and each.storage_type == node.storage_type
        and each is not node
    ]
    return ground.replaced(site, f'"./{ground.one_of(filter(None, others))}"')


def wrong_file_suffix(ground: Ground) -> Planted:
    site = ground.site(_is_path)
    stem, _, suffix = site.value.rpartition(".")
    other = ground.one_of(sorted({"csv", "json", "xlsx", "parquet"} - {suffix}))
    return ground.replaced(site, f'"{stem}.{other}"')


def _is_path(site: Site) -> bool:
    return site.name in {"path", "default_path"}


def memory_in_cluster(ground: Ground) -> Planted:
    site = ground.site(lambda site: site.key == ("JOB", "mode"))
    if all(each.storage_type != "in_memory" for each in ground.config.data_nodes.values()):
        raise NoPlaceError
    return ground.replaced(site, '"cluster"')


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
    "drop a bracket of a header": Kind(drop_header_bracket, ("RUN101",)),
    "drop a bracket of a list": Kind(drop_list_bracket, ("RUN101",)),
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
    "write a secret of one's own": Kind(write_secret_property, ("RUN118",)),
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
