"""What was written, layer over layer, and where each key of it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

from runner.config.positions import Mark, line_starts, nearest_mark, position_among, scan
from runner.diagnostics import Diagnostic, KeyPath, Place, Position, Related


@attrs.frozen(slots=False)
class Layer:
    """One source of keys.

    Attributes:
        name: a file as the user named it, or `--set KEY=VALUE`; empty for the Python builder.
        parse: gives what it says; called once, when that is first asked for.
        text: the TOML it says it in; None where there is none.
    """

    name: str
    parse: Callable[[], Mapping[str, Any]] = attrs.field(eq=False, repr=False)
    text: str | None = None

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """What it says."""
        return self.parse()


@attrs.frozen
class Document:
    """All layers, the lowest first; each key means what the highest layer that has it says."""

    layers: tuple[Layer, ...]

    def writers(self, key: KeyPath) -> Iterator[Layer]:
        """The layers that have the key, the one that counts first."""
        return (layer for layer in reversed(self.layers) if _has(layer.tables, key))

    def mentions(self, text: str) -> bool:
        """Whether any layer may hold the text; quick, and never wrongly False."""
        return any(layer.text is None or text in layer.text for layer in self.layers)

    def text(self, name: str) -> str | None:
        """The text of a layer, for showing a line of it."""
        return next((layer.text for layer in self.layers if layer.name == name), None)


class Places:
    """Where the keys of a document stand; a layer is scanned when it is first asked for."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._marks: dict[str, Mapping[KeyPath, Mark]] = {}
        self._lines: dict[str, Sequence[int]] = {}

    def of(self, key: KeyPath, *, on_key: bool = False) -> Place | None:
        """Where a key is written, or the nearest table above it that is; None: nowhere.

        Args:
            key: the key path.
            on_key: whether the key itself is meant, or its value.
        """
        for end in range(len(key), 0, -1):
            for written in _as_written(key[:end]):
                for layer in self._document.writers(written):
                    if layer.name:
                        is_above = end < len(key) and not _is_only_item(key[end:])
                        return self._in_layer(layer, written, on_key=on_key or is_above)
        return None

    def located(self, diagnostic: Diagnostic) -> Diagnostic:
        """The diagnostic with all its places known that can be."""
        place = diagnostic.place or self.of(diagnostic.key, on_key=diagnostic.on_key)
        related = [self._related(other) for other in diagnostic.related]
        if diagnostic.place is None and place is not None and not diagnostic.on_key:
            related += self._overridden(diagnostic.key, place)
        return attrs.evolve(diagnostic, place=place, related=tuple(related))

    def _overridden(self, key: KeyPath, place: Place) -> Iterator[Related]:
        """What a value was in the layers below the one that counts."""
        where = place.file
        if self._document.text(place.file) is not None:
            where = f"{where}:{place.start.line}"
        for layer in list(self._document.writers(key))[1:]:
            if layer.name and not isinstance(_value_at(layer.tables, key), dict):
                message = f"{where} overrides what is written below it"
                yield Related(message=message, place=self._in_layer(layer, key, on_key=False))

    def _related(self, related: Related) -> Related:
        if related.key is None or related.place is not None:
            return related
        return attrs.evolve(related, place=self.of(related.key, on_key=True))

    def _in_layer(self, layer: Layer, key: KeyPath, *, on_key: bool) -> Place:
        if layer.text is None:
            return Place(layer.name, Position(1, 1), Position(1, 1))
        if layer.name not in self._marks:
            self._marks[layer.name] = scan(layer.text)
            self._lines[layer.name] = line_starts(layer.text)
        mark = nearest_mark(self._marks[layer.name], key)
        start, end = (mark.key if on_key else mark.value) if mark is not None else (0, 0)
        lines = self._lines[layer.name]
        return Place(layer.name, position_among(lines, start), position_among(lines, end))


def merge(layers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Lay tables over each other, key by key, in tables of any depth; a list is replaced whole."""
    if len(layers) == 1:
        return layers[0]
    merged: dict[str, Any] = {}
    for tables in layers:
        _lay_over(merged, tables)
    return merged


def _lay_over(lower: dict[str, Any], upper: Mapping[str, Any]) -> None:
    for key, value in upper.items():
        if not isinstance(value, dict):
            lower[key] = value
            continue
        below = lower.get(key)
        # a fresh table, since the layer's own must stay as it was written
        lower[key] = table = dict(below) if isinstance(below, dict) else {}
        _lay_over(table, value)


def _as_written(key: KeyPath) -> Iterator[KeyPath]:
    """A key path, and the other way in which a free key may be written: in `properties` or not."""
    yield key
    if "properties" in key[:-1]:
        index = key.index("properties")
        yield (*key[:index], *key[index + 1 :])
    else:
        yield (*key[:-1], "properties", key[-1])


def _is_only_item(rest: KeyPath) -> bool:
    """Whether what is not written is the list around a single value."""
    return rest == (0,)


def _value_at(tables: Any, key: KeyPath) -> Any:
    for part in key:
        tables = tables[part]
    return tables


def _has(tables: Any, key: KeyPath) -> bool:
    for part in key:
        try:
            tables = tables[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
