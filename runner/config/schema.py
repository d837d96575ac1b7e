"""The model as JSON Schema (draft-07), for editors: what a TOML file may say, and where.

A table is flat and closed: every key that it may have is one of its `properties`. What `check`
keeps as a property, with a warning, is therefore wrong in an editor; free keys go under
`properties`. Whatever else `check` accepts, the schema accepts; `check` knows more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import attrs

from runner.config.keys import SECTIONS, Key, Kind, section_keys, storage_keys, summary
from runner.config.model import TAIPY_SECTIONS, Frequency, Scope
from runner.config.options import DatabaseOptions, GenericOptions, required_keys
from runner.config.plugins import storage_types
from runner.config.values import TYPES
from runner.diagnostics import CODES

Schema: TypeAlias = dict[str, Any]


@attrs.frozen(kw_only=True)
class Project:
    """What the schema of a project knows beyond the language.

    Attributes:
        data_nodes, tasks: the ids that there are, identifiers all.
        functions: what the application's modules offer to call, as dotted names.
        names: what else is there and may be called, itself or a part of it.
        modules: the top modules of the application that have no names but these.
        in_layers: whether it is of several files, of which each may leave out what another says.
    """

    data_nodes: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    in_layers: bool = False


def make_schema(project: Project | None = None) -> Schema:
    """The schema of the language or, with its ids and functions as enumerations, of a project."""
    forms = _Forms(project)
    is_layer = project is not None and project.in_layers
    task = _record("TASK", forms)
    properties = {
        "RUNNER": _free("Free properties of the application."),
        "TAIPY": {**_free("The old name of `[RUNNER]`."), **_OLD},
        **{section: _record(section, forms) for section in ("JOB", "CORE", "CHECK")},
        "DATA_NODE": _by_id("DATA_NODE") if is_layer else {**_by_id("DATA_NODE"), **_COMPLETE},
        "TASK": _by_id("TASK", default="default_task"),
        "SCENARIO": _by_id("SCENARIO"),
        **{
            name: {"description": "Of Taipy; it means nothing here.", **_OLD}
            for name in TAIPY_SECTIONS
        },
    }
    definitions = {
        "data_node": {**_record("DATA_NODE", forms), "allOf": list(_keys_by_storage_type())},
        "complete_data_node": {**_OPEN, "allOf": list(_needs_by_storage_type())},
        "task": task if is_layer else {**task, "required": _required(section_keys("TASK"))},
        "default_task": task,
        "scenario": _record("SCENARIO", forms),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A pipeline of runner",
        **_closed("What `runner check` proves right and `runner execute` runs.", properties),
        "definitions": definitions,
    }


def _record(section: str, forms: _Forms) -> Schema:
    """The table of a section, or of an id in it."""
    properties = {key.name: forms.of(key) for key in section_keys(section)}
    if section == "DATA_NODE":
        properties |= _options(forms)
    if section != "CHECK":
        properties["properties"] = _free("Free keys of the application.")
    return _closed(summary(SECTIONS[section]), properties)


def _options(forms: _Forms) -> dict[str, Schema]:
    """The keys of all storage types; what a name means may depend on the type."""
    variants: dict[str, dict[Key, list[str]]] = {}
    for storage_type in storage_types():
        for key in storage_keys(storage_type):
            variants.setdefault(key.name, {}).setdefault(key, []).append(storage_type)
    return {name: _option(found, forms) for name, found in variants.items()}


def _option(variants: Mapping[Key, Collection[str]], forms: _Forms) -> Schema:
    told = [f"{', '.join(types)}: {key.description}" for key, types in variants.items()]
    form = forms.of_any(variants)
    if len({key.default for key in variants}) > 1:
        form.pop("default", None)
    return {**form, "description": "\n\n".join(told)}


def _by_id(section: str, default: str = "") -> Schema:
    """A section of tables by id, of which `default` is one."""
    name = section.lower()
    return {
        "type": "object",
        "description": summary(SECTIONS[section]),
        "propertyNames": {"pattern": f"^{_NAME}$"},
        "properties": {"default": {"$ref": f"#/definitions/{default or name}"}},
        "additionalProperties": {"$ref": f"#/definitions/{name}"},
    }


def _keys_by_storage_type() -> Iterator[Schema]:
    common = [*(key.name for key in section_keys("DATA_NODE")), "properties"]
    for name in storage_types():
        allowed = [*common, *(key.name for key in storage_keys(name))]
        yield {"if": _says("storage_type", [name]), "then": {"propertyNames": {"enum": allowed}}}


def _needs_by_storage_type() -> Iterator[Schema]:
    for name, cls in storage_types().items():
        needed: Schema = {}
        if required_keys(cls):
            needed["required"] = list(required_keys(cls))
        if issubclass(cls, DatabaseOptions):
            engine = attrs.fields_dict(cls)["db_engine"]
            servers = [each for each in engine.metadata["choices"] if each != "sqlite"]
            needed["if"] = _says("db_engine", servers)
            needed["then"] = {"required": ["db_username", "db_password"]}
        if issubclass(cls, GenericOptions):
            needed["anyOf"] = [{"required": ["read_fct"]}, {"required": ["write_fct"]}]
        if needed:
            yield {"if": _says("storage_type", [name]), "then": needed}


def _says(name: str, texts: Iterable[str]) -> Schema:
    """A table that has one of these texts under that key."""
    text = {"type": "string", "pattern": f"^({'|'.join(texts)})(:str)?$"}
    return {**_OPEN, "properties": {name: text}, "required": [name]}


def _required(keys: Iterable[Key]) -> list[str]:
    return [key.name for key in keys if key.required]


def _closed(description: str, properties: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": dict(properties),
    }


def _free(description: str) -> Schema:
    return {"type": "object", "description": description, "additionalProperties": True}


class _Forms:
    """How the values of keys are written, in general or in a project."""

    def __init__(self, project: Project | None) -> None:
        self._project = project

    def of(self, key: Key) -> Schema:
        """The schema of a key's value, with what there is to say of the key."""
        told: Schema = {"description": key.description}
        if key.default is not None:
            told["default"] = key.default
        if key.is_old:
            told |= _OLD
        return {**self._form(key), **told}

    def of_any(self, keys: Collection[Key]) -> Schema:
        """The same for keys of one name, whose values may be written differently."""
        first, *others = keys
        forms = [self._form(first)]
        forms += [form for key in others if (form := self._form(key)) not in forms]
        return self.of(first) if len(forms) == 1 else _any_of(*forms)

    def _form(self, key: Key) -> Schema:
        match key.kind:
            case Kind.CHOICE | Kind.STORAGE_TYPE:
                return _choice(key)
            case Kind.EXPOSED_TYPE:
                return _any_of(_choice(key), self._function(), _text(_CLASS_AS_TEXT))
            case Kind.INT:
                return _int(key.minimum)
            case Kind.FUNCTION | Kind.CLASS:
                return self._function()
            case Kind.DATA_NODES:
                return _list(self._data_node())
            case Kind.TASKS:
                return _list(self._task())
            case Kind.SEQUENCES:
                return _table(_list(self._task()))
            case Kind.COMPARATORS:
                return self._comparators()
        return dict(_FORMS[key.kind])

    def _comparators(self) -> Schema:
        function = self._function()
        form = _table(_any_of(function, _list(function)))
        if self._project is not None:
            form["propertyNames"] = {"enum": list(self._project.data_nodes)}
        return form

    def _data_node(self) -> Schema:
        return _text(_REFERENCE) if self._project is None else _known(self._project.data_nodes)

    def _task(self) -> Schema:
        return _text(_REFERENCE) if self._project is None else _known(self._project.tasks)

    def _function(self) -> Schema:
        """A dotted name; in a project, one that starts in a module of its own must be there."""
        if self._project is None or not self._project.modules:
            return {**_text(_FUNCTION), "not": {"pattern": _typed_as_none_of(*_CALLABLE)}}
        known = _alternatives((*self._project.functions, *self._project.names), dot="[.:]")
        own = rf"^\s*({_alternatives(self._project.modules)})[.:]"
        part_of_known = _text(rf"\s*({known})([.:]{_NAME})*\s*(:(function|class))?")
        other_type = _typed_as_none_of(*_CALLABLE)
        return _any_of(
            {"type": "string", "enum": list(self._project.functions)},
            {**part_of_known, "not": {"pattern": other_type}},
            {**_text(_FUNCTION), "not": {"pattern": f"{own}|{other_type}"}},
        )


def _text(pattern: str, *types: str) -> Schema:
    """A string of that form, or of what the environment says; or a native value of the types."""
    kind = [*types, "string"] if types else "string"
    return {"type": kind, "pattern": f"^({pattern}|{_ENV})$"}


def _typed_as_none_of(*types: str) -> str:
    """The pattern of a typed string of any other type."""
    return rf"^[^\n]+:({'|'.join(each for each in TYPES if each not in types)})$"


def _int(minimum: int | None) -> Schema:
    digits = "[+-]?[0-9][0-9_]*" if minimum is None else r"(\+?[0-9][0-9_]*|-0+)"
    form = _text(rf"\s*{digits}\s*(:int)?", "integer")
    return form if minimum is None else {**form, "minimum": minimum}


def _choice(key: Key) -> Schema:
    """One of some texts; of an enumeration in upper or lower case and with its own type too."""
    if key.enumeration is None:
        other = _text(rf"({_alternatives(key.choices)}):str")
    else:
        types = _TYPES_OF_CHOICES.get(key.enumeration, "str")
        other = _text(rf"\s*({'|'.join(map(_any_case, key.choices))})\s*(:({types}))?")
    return _any_of({"type": "string", "enum": list(key.choices)}, other)


def _known(ids: Collection[str]) -> Schema:
    """One of some ids, with or without `:SECTION`."""
    if not ids:
        return _text(_ENV)
    typed = _text(rf"\s*({_alternatives(ids)})\s*(:(SECTION|str))?")
    return _any_of({"type": "string", "enum": list(ids)}, typed)


def _any_of(*forms: Schema) -> Schema:
    flat: list[Schema] = []
    for form in forms:
        flat += form["anyOf"] if form.keys() == {"anyOf"} else [form]
    return {"anyOf": flat}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _table(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _alternatives(texts: Iterable[str], dot: str = r"\.") -> str:
    return "|".join(text.replace(".", dot) for text in texts)


def _any_case(text: str) -> str:
    return "".join(f"[{c.upper()}{c.lower()}]" if c.isalpha() else c for c in text)


# Patterns are of the part of the language that Python, ECMAScript and Rust read alike.
_NAME: Final = r"[A-Za-z_\u0080-\uffff][0-9A-Za-z_\u0080-\uffff]*"
_REFERENCE: Final = rf"\s*{_NAME}\s*(:(SECTION|str))?"
_FUNCTION: Final = rf"\s*{_NAME}([.:]{_NAME})+\s*(:(function|class))?"
_CLASS_AS_TEXT: Final = rf"\s*{_NAME}([.:]{_NAME})+\s*:str"
_ENV: Final = r"ENV\[[A-Za-z_][0-9A-Za-z_]*(:-.*)?\](:[A-Za-z]+)?"
_CALLABLE: Final = ("function", "class")
_TYPES_OF_CHOICES: Final = {Scope: "SCOPE|str", Frequency: "FREQUENCY|str"}
_OPEN: Final[Mapping[str, Any]] = {"type": "object", "additionalProperties": True}
_OLD: Final[Mapping[str, Any]] = {"deprecated": True}
_COMPLETE: Final[Mapping[str, Any]] = {
    "if": {**_OPEN, "required": ["default"]},
    "else": {
        "type": "object",
        "additionalProperties": {"$ref": "#/definitions/complete_data_node"},
    },
}
"""A data node has what its storage type needs, unless `[DATA_NODE.default]` may give it."""
_SLUGS: Final = tuple(code.slug for code in CODES.values())
_CODE: Final = _any_of(
    {"type": "string", "enum": [*CODES, *_SLUGS]},
    _text(f"({'|'.join(map(_any_case, (*CODES, *_SLUGS)))})(:str)?"),
)
_STRING: Final[Mapping[str, Any]] = {
    "type": "string",
    "not": {"pattern": _typed_as_none_of("str")},
}
_FORMS: Final[Mapping[Kind, Schema]] = {
    Kind.TEXT: dict(_STRING),
    Kind.BOOL: _text(rf"\s*({_any_case('true')}|{_any_case('false')})\s*(:bool)?", "boolean"),
    Kind.NUMBER: _text(
        r"\s*[+-]?([0-9_.]+([eE][+-]?[0-9_]+)?|inf|infinity|nan)\s*(:float)?", "number"
    ),
    Kind.DURATION: _text(r"\s*([0-9]+(\.[0-9]+)?[dhms]\s*)+(:timedelta)?"),
    Kind.WORKERS: {
        **_text(r"\s*auto\s*(:str)?|\s*\+?[0-9_]*[1-9][0-9_]*\s*(:int)?", "integer"),
        "minimum": 1,
    },
    Kind.TEXTS: _list(dict(_STRING)),
    Kind.SHEETS: _any_of(dict(_STRING), _list(dict(_STRING))),
    Kind.CODES: _list(_CODE),
    Kind.SEVERITIES: {
        **_table(
            _any_of(
                {"type": "string", "enum": ["error", "warning", "off"]},
                _text("(error|warning|off):str"),
            )
        ),
        "propertyNames": _CODE,
    },
    Kind.ARGUMENTS: {"type": "array"},
    Kind.TABLE: {"type": "object", "additionalProperties": True},
    Kind.ANY: {},
}
