"""The storage types of other packages: what entry points of `runner.storages` lead to.

Whoever has none pays nothing: only a storage type that is not runner's own is looked for.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs

from runner.config.options import (
    CHOICES,
    STORAGE_TYPES,
    FileOptions,
    StorageOptions,
    StorageType,
    is_ours,
)
from runner.config.references import FunctionRef

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from runner.config.model import Config

GROUP: Final = "runner.storages"
COMMON: Final = frozenset(
    {
        "id", "storage_type", "scope", "validity_period", "default_data", "description",
        "options", "properties",
    }
)  # fmt: skip
"""What a key of a storage type cannot be called: the names of a data node's other keys."""
HINTS: Final = (
    str, bool, int, float, timedelta, FunctionRef, Any,
    Mapping[str, Any], dict[str, Any], tuple[str, ...], tuple[Any, ...],
)  # fmt: skip
"""The annotations that a key of another package's storage type may have, or that or None."""


class Plugin(NamedTuple):  # attrs would take every command a millisecond more to start
    """A storage type that another package brings.

    Attributes:
        name: of the storage type.
        type: what it is.
        package: the distribution and its version: `runner-text 1.0`.
        stamp: tells one state of the module that declares its keys from another.
    """

    name: str
    type: StorageType
    package: str
    stamp: str


class Unusable(NamedTuple):
    """A storage type that another package brings, and why it cannot be used."""

    name: str
    message: str
    hint: str | None = None


def storage_type(name: str) -> type[StorageOptions] | None:
    """The keys of a storage type, runner's own or another package's; None: there is none."""
    own = STORAGE_TYPES.get(name)
    if own is not None or not name:
        return own
    found = usable(name)
    return None if found is None else found.type.options


def storage_types() -> Mapping[str, type[StorageOptions]]:
    """Every storage type that can be used: runner's own, then those of other packages."""
    return {name: options for name in names() if (options := storage_type(name)) is not None}


def names() -> tuple[str, ...]:
    """The names of all storage types; none is loaded."""
    others = _entry_points(tuple(sys.path)).keys() - STORAGE_TYPES.keys()
    return (*STORAGE_TYPES, *sorted(others))


def plugin(name: str) -> Plugin | Unusable | None:
    """The storage type of that name that another package brings; None: there is none."""
    return None if name in STORAGE_TYPES else _loaded(name, tuple(sys.path))


def usable(name: str) -> Plugin | None:
    """The same, where it can be used."""
    found = plugin(name)
    return found if isinstance(found, Plugin) else None


def unusable() -> Iterator[Unusable]:
    """Whatever other packages bring and nobody can use."""
    for name, entry_points in sorted(_entry_points(tuple(sys.path)).items()):
        if name in STORAGE_TYPES:
            packages = " and ".join(map(_package, entry_points))
            message = f"storage type `{name}` of {packages} is left out: runner has one of its own"
            yield Unusable(name, message, "its authors have to call it something else")
        else:
            found = plugin(name)
            if isinstance(found, Unusable):
                yield found


def stamps_of(config: Config) -> dict[str, str]:
    """The state of each storage type of another package that a config names."""
    others = {node.storage_type for node in config.data_nodes.values()} - STORAGE_TYPES.keys()
    return {name: _state_of(name) for name in others}


def are_current(stamps: Mapping[str, str]) -> bool:
    """Whether storage types are as they were when `stamps_of` told."""
    return all(stamp == _state_of(name) for name, stamp in stamps.items())


def _state_of(name: str) -> str:
    found = usable(name)
    return "" if found is None else f"{found.package} {found.stamp}"


@cache
def _entry_points(path: tuple[str, ...]) -> Mapping[str, Sequence[EntryPoint]]:  # noqa: ARG001 - what is found depends on it
    """The entry points of the group by name, without anything being imported."""
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for entry_point in entry_points(group=GROUP):
        found.setdefault(entry_point.name, []).append(entry_point)
    return MappingProxyType(found)


@cache
def _loaded(name: str, path: tuple[str, ...]) -> Plugin | Unusable | None:
    entry_points = _entry_points(path).get(name, ())
    if not entry_points:
        return None
    if len(entry_points) > 1:
        packages = " and by ".join(sorted(map(_package, entry_points)))
        message = f"storage type `{name}` is brought by {packages}"
        return Unusable(name, message, "uninstall all of these but one")
    entry_point = entry_points[0]
    package = _package(entry_point)
    whole = f"storage type `{name}` of {package}"
    try:
        found = entry_point.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a foreign module raises anything
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        hint = f'all of it is shown by: python -c "import {entry_point.module}"'
        return Unusable(name, f"{whole} cannot be loaded: {why}", hint)
    reason = next(_objections(found, entry_point.value), None)
    if reason is not None:
        return Unusable(name, f"{whole} cannot be used: {reason}", "its authors have to mend it")
    return Plugin(name, found, package, _stamp(found.options))


def _package(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    return "an unknown package" if distribution is None else _named(distribution)


def _named(distribution: Any) -> str:
    return f"{distribution.name} {distribution.version}"


def _stamp(options: type) -> str:
    file = getattr(sys.modules.get(options.__module__), "__file__", None)
    try:
        found = Path(file or "").stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}:{found.st_size}"


def _objections(found: Any, value: str) -> Iterator[str]:
    """What is wrong with that to which an entry point leads."""
    if not isinstance(found, StorageType):
        yield f"`{value}` is no `runner.storages.StorageType`, but a `{type(found).__name__}`"
        return
    module, _, function = found.open.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *function.split("."))):
        yield f'`open` is "{found.open}", expected "package.module:function"'
    options: Any = found.options
    if not (isinstance(options, type) and issubclass(options, StorageOptions)):
        yield "`options` is no subclass of `runner.storages.StorageOptions`"
        return
    if "__attrs_attrs__" not in vars(options):
        yield f"`{options.__name__}` is not decorated with `attrs.frozen`"
        return
    if issubclass(options, FileOptions) and not options.extension:
        yield f"`{options.__name__}` has no `extension` for the files that runner names"
    try:
        options()
    except Exception as error:  # noqa: BLE001 - a foreign class raises anything
        yield f"`{options.__name__}()` raises {type(error).__name__}: {error}"
    yield from _bad_keys(options)


def _bad_keys(options: type[StorageOptions]) -> Iterator[str]:
    try:
        hints = get_type_hints(options)
    except Exception as error:  # noqa: BLE001 - so does an annotation that is text
        yield f"the annotations of `{options.__name__}` cannot be read: {error}"
        return
    for field in attrs.fields(options):
        key = field.name
        if is_ours(options, key):
            continue
        if key in COMMON:
            yield f"its key `{key}` is one of every data node"
        elif key.startswith("_") or not field.init:
            yield f"its key `{key}` cannot be given"
        elif without_none(hints[key]) not in HINTS:
            yield f"its key `{key}` is annotated with what no value of TOML becomes"
        elif CHOICES in field.metadata and without_none(hints[key]) is not str:
            yield f"its key `{key}` has choices, but is no str"


def without_none(hint: Any) -> Any:
    """What an annotation allows beside None; of several types, all of them."""
    if get_origin(hint) in {Union, UnionType}:
        rest = [each for each in get_args(hint) if each is not NoneType]
        return rest[0] if len(rest) == 1 else hint
    return hint


def opened_by(found: Plugin) -> Any:
    """What opens a data node of a storage type; imported here.

    Raises whatever importing a foreign module raises.
    """
    module, _, function = found.type.open.partition(":")
    opener: Any = importlib.import_module(module)
    for part in function.split("."):
        opener = getattr(opener, part)
    return opener
