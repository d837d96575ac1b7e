"""What was meant by a name of the language that there is not: a slip, or another tool's word."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from runner.config.plugins import names
from runner.suggestions import nearest

SECTIONS: Final = ("RUNNER", "TAIPY", "JOB", "CORE", "CHECK", "DATA_NODE", "TASK", "SCENARIO")
WITH_IDS: Final = frozenset({"DATA_NODE", "TASK", "SCENARIO"})
"""Sections whose tables have an id."""

_TAIPY_SPELLINGS: Final[Mapping[str, str]] = {
    "input": "inputs",
    "output": "outputs",
    "task_configs": "tasks",
    "additional_data_node_configs": "additional_data_nodes",
    "data_node_configs": "additional_data_nodes",
}
_FOREIGN_KEYS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("func", "fn", "callable", "python_callable", "handler"), "function"),
    **dict.fromkeys(("type", "format", "kind"), "storage_type"),
    **dict.fromkeys(("file", "filename", "filepath", "file_path", "location"), "path"),
    **dict.fromkeys(("default", "value", "data"), "default_data"),
    **dict.fromkeys(("retry", "max_retries", "attempts"), "retries"),
    **dict.fromkeys(("schedule", "schedule_interval", "cron", "interval"), "frequency"),
    **dict.fromkeys(("workers", "max_workers", "nb_workers", "n_jobs"), "max_nb_of_workers"),
    **dict.fromkeys(("steps", "jobs", "nodes"), "tasks"),
    **dict.fromkeys(("deps", "sources"), "inputs"),
    **dict.fromkeys(("targets", "returns"), "outputs"),
}
"""What other tools call our keys."""
_FOREIGN_STORAGE_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("xls", "xlsx", "xlsm"), "excel"),
    **dict.fromkeys(("p", "pkl"), "pickle"),
    **dict.fromkeys(("memory", "ram"), "in_memory"),
    **dict.fromkeys(("sqlite", "postgres", "postgresql", "mysql", "mssql", "table"), "sql_table"),
    **dict.fromkeys(("mongo", "mongodb"), "mongo_collection"),
    "s3": "s3_object",
}
"""Names of files and servers that may be taken for those of storage types."""
_OLD_SECTIONS: Final[Mapping[str, str]] = {
    "PIPELINE": "what was a pipeline is a sequence: [SCENARIO.<id>.sequences]",
}
_ORDER: Final = frozenset({"depends_on", "needs", "after", "before", "upstream", "downstream"})
"""How other tools say what runs first."""
_TELLING: Final[Mapping[str, frozenset[str]]] = {
    "DATA_NODE": frozenset({"storage_type", "path", "default_path", "default_data"}),
    "TASK": frozenset({"function"}),
    "SCENARIO": frozenset({"tasks"}),
}
"""Keys that make a section of a table, where it has an id."""


def meant_section(name: str) -> str | None:
    """The section that was meant: in the plural, in lower case, with its id in its quotes."""
    section = name.partition(".")[0].upper()
    return nearest(section, SECTIONS) or nearest(section.rstrip("S"), SECTIONS)


def section_hint(name: str) -> str:
    """Advice on a section that there is not."""
    meant = meant_section(name)
    if meant is None:
        return _OLD_SECTIONS.get(name, f"there are {', '.join(map(header, SECTIONS))}")
    _, dot, rest = name.partition(".")
    return f"write [{meant}.{rest}], without quotes" if dot else f"did you mean `{meant}`?"


def header(section: str) -> str:
    """How a section is headed."""
    return f"[{section}.<id>]" if section in WITH_IDS else f"[{section}]"


def meant_key(name: str, known: Collection[str], written: Collection[str]) -> str | None:
    """The key that was surely meant by one that is unknown.

    Args:
        name: of the unknown key.
        known: the keys that its section may have.
        written: those that it has.
    """
    meant = _TAIPY_SPELLINGS.get(name, nearest(name, known))
    if _FOREIGN_KEYS.get(name) == "function" and "function" not in written:
        meant = "function"  # without one, the task is wrong in any case
    return meant if meant in known else None


def free_key_hint(
    name: str, section: str, known: Collection[str], keys: Mapping[str, Collection[str]]
) -> str:
    """Advice on a key that is kept as a property.

    Args:
        name: of the key.
        section: where it is, as it is shown.
        known: the keys of that section.
        keys: by section, those of all.
    """
    free = f"free keys can go under [{section}.properties]"
    meant = _FOREIGN_KEYS.get(name)
    if meant in known:
        return f"did you mean `{meant}`? If not, {free}"
    if name in _ORDER:
        return "what runs first follows from `inputs` and `outputs`"
    owners = [header(each) for each, names in keys.items() if name in names]
    return f"it is a key of {' and '.join(owners)}" if owners else free


def is_section(section: str, keys: Collection[str]) -> bool:
    """Whether a table with these keys in a section's table was meant to be one beside it."""
    return not _TELLING[section].isdisjoint(keys)


def dotted_id_hint(section: str, name: str, inner: str) -> str:
    """Advice on `[section.name.inner]`."""
    if section == "DATA_NODE" and inner in names():
        return f'write storage_type = "{inner}" under [DATA_NODE.{name}]'
    return f"for example [{section}.{name}_{inner}]"


def storage_type_hint(text: str) -> str:
    """Advice on a storage type that there is not."""
    lowered, there = text.lower(), names()
    named = next((kind for kind in there if kind in lowered), None)
    meant = nearest(text, there) or _FOREIGN_STORAGE_TYPES.get(lowered, named)
    return f"did you mean `{meant}`?" if meant else f"there are {', '.join(there)}"
