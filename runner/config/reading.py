"""Merged tables to a `Config`, with all that is wrong and all that could not be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from runner.config import meant, plugins
from runner.config.document import Document, merge
from runner.config.environment import normal_env, resolve_env
from runner.config.fields import (
    ALL_FIELDS,
    ANY_OPTION,
    DEPTH,
    FIELDS,
    NODE_COMMON,
    NODE_FIELDS,
    OPTION_KEYS,
)
from runner.config.model import (
    TAIPY_CORE_KEYS,
    TAIPY_SECTIONS,
    CheckConfig,
    Config,
    CoreConfig,
    DataNodeConfig,
    EnvRef,
    JobConfig,
    ScenarioConfig,
    TaskConfig,
)
from runner.config.options import (
    STORAGE_TYPES,
    PickleOptions,
    StorageOptions,
    option_keys,
    required_keys,
)
from runner.config.overlays import text_of, without_stale_options
from runner.config.structure import (
    BadValuesError,
    coerce_free,
    describe,
    misspelt_types,
    structure,
)
from runner.config.values import BadValueError, is_secret_key, quote
from runner.diagnostics import (
    Diagnostic,
    KeyPath,
    Severity,
)
from runner.suggestions import nearest

_NOT_FROM_DEFAULT: Final[Mapping[str, tuple[str, ...]]] = {
    "DATA_NODE": ("default_data", "description"),
    "TASK": ("function", "inputs", "outputs"),
    "SCENARIO": ("tasks", "additional_data_nodes", "sequences", "comparators", "description"),
}
_NOT_KEYS: Final = frozenset({"id", "options"})
"""Fields that no key of theirs gives; one of that name is a property."""
_NO_OPTIONS: Final[Mapping[str, StorageOptions]] = {
    name: cls() for name, cls in STORAGE_TYPES.items()
}


class Reading:
    """One pass over the merged tables, gathering what is wrong and what could not be read."""

    def __init__(self, environ: Mapping[str, str], diagnostics: list[Diagnostic]) -> None:
        self._environ = environ
        self._diagnostics = diagnostics
        self._env: dict[KeyPath, EnvRef] = {}
        self._env_of_defaults: dict[KeyPath, EnvRef] = {}
        self._not_in_env: frozenset[KeyPath] = frozenset()
        self._unread: set[KeyPath] = set()
        self._unusable: set[str] = set()

    def config(self, document: Document, application_path: Path) -> Config:
        """The config that a document's layers make together."""
        layers = [layer.tables for layer in without_stale_options(document, self._report)]
        tables = merge(layers)
        if document.mentions("ENV["):
            tables, self._env, problems = resolve_env(tables, self._environ)
            self._diagnostics.extend(problems)
            self._env_of_defaults = {
                key: ref for key, ref in self._env.items() if key[1:2] == ("default",)
            }
            self._unread.update(problem.key for problem in problems)
            self._not_in_env = frozenset(
                key[:end] for key in self._unread for end in range(1, len(key) + 1)
            )
        self._unknown_sections(tables)
        self._hidden_sections(layers[:-1], tables)
        config = Config(
            runner={**self._free_section(tables, "TAIPY"), **self._free_section(tables, "RUNNER")},
            job=self._job(self._table(tables, ("JOB",))),
            core=self._core(self._table(tables, ("CORE",))),
            check=self._record(self._table(tables, ("CHECK",)), CheckConfig, ("CHECK",)),
            data_nodes=self._data_nodes(self._table(tables, ("DATA_NODE",))),
            tasks=self._sections(self._table(tables, ("TASK",)), "TASK", TaskConfig),
            scenarios=self._sections(
                self._table(tables, ("SCENARIO",)), "SCENARIO", ScenarioConfig
            ),
            unread=frozenset(self._unread),
            application_path=application_path,
        )
        env = normal_env(self._env, tables, config.data_nodes)
        return attrs.evolve(config, env=env) if env else config

    def _report(self, code: str, key: KeyPath, message: str, **more: Any) -> None:
        self._diagnostics.append(Diagnostic(code=code, key=key, message=message, **more))

    def _table(self, tables: Mapping[str, Any], key: KeyPath) -> Mapping[str, Any]:
        """The table under the last part of the key; anything else there is told and left out."""
        table = tables.get(str(key[-1]), {})
        if isinstance(table, Mapping):
            return table
        expected = f"expected a table `[{_shown(key)}]`"
        is_doubled = isinstance(table, list) and all(type(each) is dict for each in table)
        name = meant.header(_shown(key)) if len(key) == 1 else f"[{_shown(key)}]"
        hint = f"write {name}, in single brackets" if is_doubled and table else None
        self._refuse(key, BadValueError("RUN105", expected, describe(table), hint))
        return {}

    def _hidden_sections(
        self, layers: Iterable[Mapping[str, Any]], merged: Mapping[str, Any]
    ) -> None:
        """Tell what should be a table, and would be lost under one of a later layer."""
        for tables in layers:
            for section in filter(tables.__contains__, meant.SECTIONS):
                if not isinstance(merged[section], Mapping):
                    continue
                own = self._table(tables, (section,))
                for name in own if DEPTH.get(section) == 2 else ():
                    if isinstance(merged[section][name], Mapping):
                        self._table(own, (section, name))

    def _unknown_sections(self, tables: Mapping[str, Any]) -> None:
        for name, value in tables.items():
            if name in meant.SECTIONS:
                continue
            if name in TAIPY_SECTIONS:
                message = f"section `{name}` is Taipy's and means nothing here"
                self._report("RUN119", (name,), message, on_key=True)
            elif isinstance(value, Mapping | list):
                section = meant.meant_section(name)
                # what stands there may be what others look for
                is_meant = ((each, name) for each in ("DATA_NODE", "TASK"))
                self._unread.update(is_meant if section is None else {(section,)})
                message = f"unknown section `{name}`"
                self._report("RUN102", (name,), message, hint=meant.section_hint(name), on_key=True)
            else:
                hint = "free keys of the application go under [RUNNER]"
                self._report(
                    "RUN102", (name,), f"unknown top-level key `{name}`", hint=hint, on_key=True
                )

    def _free_section(self, tables: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        return self._free_table(self._table(tables, (name,)), (name,))

    def _free_table(self, table: Mapping[str, Any], key: KeyPath) -> dict[str, Any]:
        return {name: self._free(raw, (*key, name)) for name, raw in table.items()}

    def _free(self, raw: Any, key: KeyPath) -> Any:
        """The value in a free place; where it is none of its type, the text stays."""
        self._warn_misspelt(raw, key)
        try:
            return coerce_free(raw)
        except BadValueError as problem:
            self._refuse(key, problem)
        except BadValuesError as problems:
            for path, inner in problems.found:
                self._refuse((*key, *path), inner)
        return raw

    def _warn_misspelt(self, raw: Any, key: KeyPath) -> None:
        for place, text, kind in misspelt_types(raw, key):
            if place not in self._env and not _is_secret(place):
                head, _, suffix = text.rpartition(":")
                hint = f'did you mean "{head}:{kind}"? For the text itself: "{text}:str"'
                self._report("RUN107", place, f"`{suffix}` is no type, the text stays", hint=hint)

    def _refuse(self, key: KeyPath, problem: BadValueError) -> None:
        """Tell a bad value; of a secret, or from the environment, only what was expected."""
        if key in self._not_in_env:  # told already
            return
        self._unread.add(key)
        ref = self._env.get(key)
        if ref is not None:
            message = f"environment variable `{ref.name}`: {problem.expected}"
            self._report("RUN112", key, message)
            return
        severity = {"severity": Severity.ERROR} if problem.code == "RUN107" else {}
        if _is_secret(key):
            self._report(problem.code, key, problem.expected, **severity)
        else:
            self._report(problem.code, key, str(problem), hint=problem.hint, **severity)

    def _record(self, table: Mapping[str, Any], cls: type, key: KeyPath) -> Any:
        """A record of the class; what it cannot use is told and stands at its default."""
        known = {name: raw for name, raw in table.items() if name in FIELDS[cls]}
        for name in table:
            if name not in known:
                self._unknown_key((*key, name), FIELDS[cls], always_error=True)
        return self._structured(known, cls, key)

    def _structured(self, table: Mapping[str, Any], cls: type, key: KeyPath) -> Any:
        if self._not_in_env:
            table = {
                name: raw
                for name, raw in table.items()
                if (*key, name) not in self._not_in_env or name in _NOT_KEYS
            }
        made = structure(table, cls)
        for path, problem in made.problems:
            self._refuse((*key, *path), problem)
        return made.value

    def _job(self, table: Mapping[str, Any]) -> JobConfig:
        named = {name: raw for name, raw in table.items() if name != "nb_of_workers"}
        key: KeyPath = ("JOB", "nb_of_workers")
        if "nb_of_workers" in table:
            hint = "write `max_nb_of_workers`"
            self._report("RUN119", key, "`nb_of_workers` is the old name", hint=hint, on_key=True)
            if "max_nb_of_workers" not in table:
                old = structure({"max_nb_of_workers": table["nb_of_workers"]}, JobConfig)
                for path, problem in old.problems:
                    self._refuse((*key, *path[1:]), problem)
                named["max_nb_of_workers"] = old.value.max_nb_of_workers or "auto"
        job: JobConfig = self._with_properties(named, JobConfig, ("JOB",))
        return job

    def _core(self, table: Mapping[str, Any]) -> CoreConfig:
        for name in table:
            if name in TAIPY_CORE_KEYS:
                message = f"`{name}` is Taipy's and means nothing here"
                self._report("RUN119", ("CORE", name), message, on_key=True)
        own = {name: raw for name, raw in table.items() if name not in TAIPY_CORE_KEYS}
        core: CoreConfig = self._with_properties(own, CoreConfig, ("CORE",))
        return core

    def _sections(self, table: Mapping[str, Any], section: str, cls: type) -> dict[str, Any]:
        """The records of all ids of a section, `default` laid under each."""
        table = self._with_ids(table, section, FIELDS[cls])
        below: dict[str, Any] = {}
        if "default" in table:
            below = self._default(self._table(table, (section, "default")), section, cls)
        read: dict[str, Any] = {}
        for name, raw in table.items():
            if name != "default":
                own = raw if type(raw) is dict else self._table(table, (section, name))
                merged = self._over(below, own, (section, name)) if below else own
                read[name] = self._with_properties(merged, cls, (section, name), id=name)
        return read

    def _default(self, table: Mapping[str, Any], section: str, cls: type) -> dict[str, Any]:
        """What of a `default` section the others get: its raw keys that could be read."""
        key = (section, "default")
        self._with_properties(table, cls, key, id="default")
        return self._inheritable(table, key, FIELDS[cls])

    def _inheritable(
        self, table: Mapping[str, Any], key: tuple[str, str], fields: frozenset[str]
    ) -> dict[str, Any]:
        left_out = _NOT_FROM_DEFAULT[key[0]]
        readable = {
            name: raw
            for name, raw in table.items()
            if name not in left_out and not self._is_unread((*key, name))
        }
        free = {name: raw for name, raw in readable.items() if name not in fields}
        properties = {**free, **_properties_of(free)}
        properties.pop("properties", None)
        known = {name: raw for name, raw in readable.items() if name in fields}
        return {**known, "properties": properties} if properties else known

    def _over(
        self, below: Mapping[str, Any], own: Mapping[str, Any], key: tuple[str, str]
    ) -> dict[str, Any]:
        """A section laid over its `default`; their `properties` tables key by key."""
        merged = {**below, **own}
        if "properties" in below and isinstance(own.get("properties", {}), dict):
            free = {name: raw for name, raw in below["properties"].items() if name not in own}
            merged["properties"] = {**free, **_properties_of(own)}
        for (section, _, *path), ref in self._env_of_defaults.items():
            if section == key[0] and path and _inherits(below, own, path):
                self._env[(*key, *path)] = ref
        return merged

    def _is_unread(self, key: KeyPath) -> bool:
        return any(unread[: len(key)] == key for unread in self._unread)

    def _with_properties(
        self, table: Mapping[str, Any], cls: type, key: KeyPath, **fixed: Any
    ) -> Any:
        """A record of the class; the keys that are none of its fields become its properties."""
        fields = FIELDS[cls]
        if table.keys() <= fields:
            return self._structured({**table, **fixed}, cls, key)
        known = {name: raw for name, raw in table.items() if name in fields}
        properties = self._properties(table, fields, key)
        return self._structured({**known, **fixed, "properties": properties}, cls, key)

    def _properties(
        self, table: Mapping[str, Any], fields: frozenset[str], key: KeyPath
    ) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for name, raw in table.items():
            if name in fields or name == "properties":
                continue
            if self._is_dotted_id((*key, name), raw):
                continue
            if self._unknown_key((*key, name), fields, written=table.keys()):
                properties[name] = self._free(raw, (*key, name))
        inner = self._table(table, (*key, "properties"))
        return {**properties, **self._free_table(inner, (*key, "properties"))}

    def _is_dotted_id(self, key: KeyPath, raw: Any) -> bool:
        """Tell a section whose id has a dot, which makes it a table of another section."""
        if len(key) != 3 or type(raw) is not dict:
            return False
        section, name, inner = map(str, key)
        if not meant.is_section(section, raw):
            return False
        self._unread.update({key[:2], (section, f"{name}.{inner}")})
        message = f'"{name}.{inner}" is no id: it has a dot'
        hint = meant.dotted_id_hint(section, name, inner)
        self._report("RUN115", key, message, hint=hint, on_key=True)
        return True

    def _unknown_key(
        self,
        key: KeyPath,
        fields: frozenset[str],
        *,
        written: Collection[str] = (),
        always_error: bool = False,
    ) -> bool:
        """Tell an unknown key; whether it is kept as a property."""
        name = str(key[-1])
        known = meant.meant_key(name, fields, written)
        message = f"unknown key `{name}` in `[{_shown(key[:-1])}]`"
        if known or always_error:
            hint = f"did you mean `{known}`?" if known else None
            self._unread.add((*key[:-1], known) if known else key)
            self._report("RUN103", key, message, hint=hint, on_key=True, severity=Severity.ERROR)
            return False
        hint = meant.free_key_hint(name, _shown(key[:-1]), fields, ALL_FIELDS)
        self._report("RUN103", key, f"{message}, kept as a property", hint=hint, on_key=True)
        return True

    def _with_ids(
        self, table: Mapping[str, Any], section: str, fields: frozenset[str]
    ) -> Mapping[str, Any]:
        """The ids of a section; keys that stand in it as in one of them are told and left out."""
        stray = [name for name in fields if name in table and type(table[name]) is not dict]
        if not stray:
            return table
        stray = [name for name in table if name in stray]
        names = ", ".join(f"`{name}`" for name in stray)
        message = f"{names} under `[{section}]`, which has no id"
        hint = f"write [{section}.<id>] above"
        self._unread.add((section,))
        self._report("RUN105", (section, stray[0]), message, hint=hint, on_key=True)
        return {name: raw for name, raw in table.items() if name not in stray}

    def _data_nodes(self, table: Mapping[str, Any]) -> dict[str, DataNodeConfig]:
        table = self._with_ids(table, "DATA_NODE", NODE_COMMON | ANY_OPTION)
        below: dict[str, Any] = {}
        if "default" in table:
            below = self._default_node(self._table(table, ("DATA_NODE", "default")))
        default_type = below.get("storage_type", "pickle")
        shared = NODE_COMMON - {"scope"}
        common = {name: raw for name, raw in below.items() if name in shared}
        key = ("DATA_NODE", "default", "storage_type")
        is_type_unknown = any(key[:end] in self._unread for end in range(1, len(key) + 1))
        read: dict[str, DataNodeConfig] = {}
        for name, raw in table.items():
            if name == "default":
                continue
            own = raw if type(raw) is dict else self._table(table, ("DATA_NODE", name))
            if is_type_unknown:
                self._unread.update(_own_type_unknown(name, own))
            if below:
                own_type = text_of(own.get("storage_type", default_type))
                inherited = below if own_type == default_type else common
                own = self._over(inherited, own, ("DATA_NODE", name))
            read[name] = self._data_node(name, own)
        return read

    def _default_node(self, table: Mapping[str, Any]) -> dict[str, Any]:
        key = ("DATA_NODE", "default")
        node = self._data_node("default", table)
        for name in required_keys(type(node.options)):
            if name not in table:
                message = f"`{name}` is missing, which `{node.storage_type}` nodes need"
                self._report("RUN104", key, message, severity=Severity.WARNING)
        fields = NODE_COMMON | ANY_OPTION | option_keys(type(node.options))
        raw = self._inheritable(table, key, fields)
        return {**raw, "storage_type": node.storage_type}

    def _data_node(self, node_id: str, table: Mapping[str, Any]) -> DataNodeConfig:
        if not table:
            return DataNodeConfig(id=node_id)
        key = ("DATA_NODE", node_id)
        storage_type = self._storage_type(table, key)
        if storage_type in STORAGE_TYPES and table.keys() <= NODE_COMMON:
            common = {name: raw for name, raw in table.items() if name != "storage_type"}
            return self._node(common, storage_type, _NO_OPTIONS[storage_type], key)
        cls = plugins.storage_type(storage_type)
        common = {name: raw for name, raw in table.items() if name in NODE_FIELDS}
        if cls is None:  # what its other keys mean is anybody's guess
            self._unread.update((*key, name) for name in table)
            return self._node(common, "pickle", PickleOptions(), key)
        own_keys = option_keys(cls)
        table = {name: raw for name, raw in table.items() if name not in common}
        known = ANY_OPTION | own_keys
        rest = {name: raw for name, raw in table.items() if name not in known}
        others = rest.keys() - {"storage_type"}  # which may be that of `default`
        if not any(nearest(name, ["storage_type"]) for name in others):
            for name in table:
                if name in ANY_OPTION - own_keys:
                    is_default = "storage_type" not in rest
                    self._foreign_option((*key, name), storage_type, is_default=is_default)
        own = {name: raw for name, raw in table.items() if name in own_keys}
        options: StorageOptions = self._structured(own, cls, key)
        if rest:
            fields = NODE_COMMON | own_keys
            common["properties"] = self._properties(rest, fields, key)
        return self._node(common, storage_type, options, key)

    def _node(
        self,
        common: Mapping[str, Any],
        storage_type: str,
        options: StorageOptions,
        key: tuple[str, str],
    ) -> DataNodeConfig:
        if "default_data" in common:
            self._warn_misspelt(common["default_data"], (*key, "default_data"))
        fixed = {"id": key[1], "storage_type": storage_type, "options": options}
        node: DataNodeConfig = self._structured({**common, **fixed}, DataNodeConfig, key)
        return node

    def _storage_type(self, table: Mapping[str, Any], key: KeyPath) -> str:
        place = (*key, "storage_type")
        if place in self._unread:
            return ""
        raw = table.get("storage_type", "pickle")
        text = text_of(raw)
        if text in STORAGE_TYPES:
            return text
        if type(raw) is not str:
            self._refuse(place, BadValueError("RUN105", "expected str", describe(raw)))
            return ""
        match plugins.plugin(text):
            case plugins.Plugin():
                return text
            case plugins.Unusable() as plugin:
                self._tell_unusable(plugin, place)
            case None if place in self._env:
                expected = f"expected one of {', '.join(plugins.names())}"
                self._refuse(place, BadValueError("RUN401", expected))
            case None:
                message = f"unknown storage type {quote(text)}"
                self._report("RUN401", place, message, hint=meant.storage_type_hint(text))
        return ""

    def _tell_unusable(self, plugin: plugins.Unusable, place: KeyPath) -> None:
        """Tell once why a storage type of another package cannot be used."""
        self._unread.add(place)
        if plugin.name not in self._unusable:
            self._unusable.add(plugin.name)
            self._report("RUN401", place, plugin.message, hint=plugin.hint)

    def _foreign_option(self, key: KeyPath, storage_type: str, *, is_default: bool) -> None:
        name = str(key[-1])
        owners = [kind for kind, keys in OPTION_KEYS.items() if name in keys]
        message = f"`{name}` means nothing to storage type `{storage_type}`"
        hint = f"it is a key of {', '.join(owners)}"
        hint += ": write a `storage_type`" if is_default else ""
        self._report("RUN403", key, message, hint=hint, on_key=True)


def _is_secret(key: KeyPath) -> bool:
    return any(is_secret_key(str(part)) for part in key)


def _inherits(below: Mapping[str, Any], own: Mapping[str, Any], path: Sequence[str | int]) -> bool:
    """Whether a section has from its `default` what stands there at that path."""
    name, *rest = path
    if name == "properties" and rest:
        name = rest[0]
    if name in below:
        return name not in own
    return name in _properties_of(below) and name not in {**own, **_properties_of(own)}


def _own_type_unknown(node_id: str, own: Mapping[str, Any]) -> Iterator[KeyPath]:
    """The storage type of a node that has it from a `default` whose own is not known."""
    if "storage_type" not in own:
        yield ("DATA_NODE", node_id, "storage_type")


def _properties_of(table: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = table.get("properties")
    return properties if isinstance(properties, dict) else {}


def _shown(key: KeyPath) -> str:
    return ".".join(map(str, key))
