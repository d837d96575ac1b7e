"""The language as a page for people, made from the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from runner.config.keys import SECTIONS, Key, Kind, section_keys, storage_keys, summary, written
from runner.config.model import TAIPY_SECTIONS, Frequency, Scope
from runner.config.plugins import storage_types
from runner.config.values import TYPES

TYPE_WORDS: Final[Mapping[str, str]] = {
    "bool": "`true` or `false`, in any case",
    "int": "a decimal whole number: sign, `1_000`",
    "float": "a number, also `1e-3`, `nan`, `inf`",
    "str": "any text; the way to write a text that ends like a typed string: `1:int:str`",
    "datetime": "ISO 8601: `2026-11-22T10:30:00`",
    "timedelta": "days, hours, minutes, seconds in this order, decimals allowed: `1d2h30m15s`",
    "function": "a dotted name: `package.module.name`, also `package.module.Class.method`",
    "class": "a dotted name",
    "SCOPE": ", ".join(f"`{scope}`" for scope in Scope),
    "FREQUENCY": ", ".join(f"`{frequency}`" for frequency in Frequency),
    "SECTION": "the id of a data node, a task or a scenario",
}
"""What stands before each type suffix."""

_INTRODUCTION: Final = """\
# The language

`runner schema -o schemas/reference.md` writes this page from the model, as it writes the JSON
Schema beside it. `runner explain CODE` tells more of what `runner check` says.

A pipeline is TOML. Its sections may stand in any order and in several files: of files that are
given together, the later ones override the earlier ones, key by key; a list is replaced whole.
`RUNNER_CONFIG_PATH` names one more file, laid over them, and `--set KEY=VALUE` is laid over all.

Ids are Python identifiers, and one id is one thing. The id `default` stands for no data node, task
or scenario: it gives defaults to the others of its section, data nodes the keys of a storage type
only where they have the same. `[TASK.default]` gives everything but `function`, `inputs` and
`outputs`, `[SCENARIO.default]` frequency, tags and properties.
"""
_VALUES: Final = """\
## Values

Every value may be a native one of TOML, or a typed string: `"TEXT:TYPE"`, split at the last colon.
Where the key says the type, the suffix may be left out: `inputs = ["raw"]`, `timeout = "2s"`. In
free places, `default_data` and properties, a typed string becomes its value and everything else
stays as TOML has it. A text after the last colon that is no type makes the whole a plain string.
"""
_ENVIRONMENT: Final = """\
`"ENV[NAME]"` is what the environment variable says, `"ENV[NAME:-text]"` that or the text, and
`"ENV[NAME]:int"` an int: as a whole string, in any place and depth. In keys whose name contains
password, secret, token or access_key it is a secret and shown nowhere.
"""
_FREE: Final = (
    "Free keys go under `properties`; beside the keys above, a key is kept with a warning, or "
    "refused where it looks like one of them misspelt."
)


def make_reference() -> str:
    """The page, in Markdown."""
    return "\n".join(_page())


def _page() -> Iterator[str]:
    yield _INTRODUCTION
    yield _VALUES
    yield from _table(("type", "text"), ([f"`{each}`", TYPE_WORDS[each]] for each in TYPES))
    yield _ENVIRONMENT
    for section in SECTIONS:
        yield from _section(section)
    yield "## Storage types\n"
    yield "The keys that a data node has beside those above, by its `storage_type`.\n"
    for name, cls in storage_types().items():
        yield f"### `{name}`\n"
        needs = f" Needs the extra `{cls.extra}`." if cls.extra else ""
        packages = ", ".join(f"`{each}`" for each in cls.packages)
        needs += f" Needs {packages}." if packages else ""
        yield f"{summary(cls)}{needs}\n"
        yield from _keys(storage_keys(name))
    yield "## Other sections\n"
    yield "`[RUNNER]`, once `[TAIPY]`, has the free properties of the application.\n"
    old = ", ".join(f"`[{name}]`" for name in TAIPY_SECTIONS)
    yield f"{old} are of Taipy and mean nothing here.\n"


def _section(section: str) -> Iterator[str]:
    title, _, name = summary(SECTIONS[section]).rstrip(".").rpartition(": ")
    yield f"## {name}\n"
    yield f"{title}.\n"
    keys = section_keys(section)
    yield from _keys([key for key in keys if not key.is_old])
    if section != "CHECK":
        yield f"{_FREE}\n"
    old = [f"`{key.name}`" for key in keys if key.is_old]
    if old:
        yield f"Read, with a warning, for the sake of old files: {', '.join(old)}.\n"


def _keys(keys: Iterable[Key]) -> Iterator[str]:
    rows = ([f"`{key.name}`", _type(key), _default(key), _meaning(key)] for key in keys)
    return _table(("key", "type", "default", "meaning"), rows)


def _type(key: Key) -> str:
    choices = ", ".join(f"`{choice}`" for choice in key.choices)
    if key.kind is Kind.CHOICE:
        return choices
    if key.kind is Kind.EXPOSED_TYPE:
        return f"{choices}, or a class"
    if key.kind is Kind.STORAGE_TYPE:
        return "[storage type](#storage-types)"
    least = f" ≥ {key.minimum}" if key.minimum is not None else ""
    return f"{key.kind}{least}"


def _default(key: Key) -> str:
    if key.required:
        return "required"
    return "" if key.default is None else f"`{written(key.default)}`"


def _meaning(key: Key) -> str:
    return attrs.evolve(key, kind=Kind.ANY, default=None, required=False).description


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = list(head)
    yield _row(head)
    yield _row("---" for _ in head)
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Iterable[str]) -> str:
    inner = " | ".join(cell.replace("|", r"\|") for cell in cells)
    return f"| {inner} |"
