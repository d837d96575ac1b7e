"""What a layer takes from those below it: the keys of a storage type that it changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import attrs

from runner.config.document import Document, Layer
from runner.config.options import option_keys
from runner.config.plugins import storage_type
from runner.config.values import BadValueError, coerce
from runner.diagnostics import Related, Severity


def without_stale_options(document: Document, report: Callable[..., None]) -> list[Layer]:
    """The layers, less the keys of a data node that only a storage type it no longer has had."""
    layers = list(document.layers)
    for upper in range(1, len(layers)):
        nodes = layers[upper].tables.get("DATA_NODE")
        for node_id, table in nodes.items() if isinstance(nodes, dict) else ():
            new = text_of(table.get("storage_type")) if isinstance(table, dict) else ""
            if storage_type(new) is not None:
                own = table.keys()
                layers[:upper] = _drop_options(layers[:upper], node_id, new, own, report)
    return layers


def _drop_options(
    layers: list[Layer],
    node_id: str,
    new: str,
    written: Collection[str],
    report: Callable[..., None],
) -> list[Layer]:
    tables = [_node_table(layer, node_id) for layer in layers]
    types = [text_of(table["storage_type"]) for table in tables if "storage_type" in table]
    if not types:
        defaults = [_node_table(layer, "default") for layer in layers]
        types = [text_of(table["storage_type"]) for table in defaults if "storage_type" in table]
    old = types[-1] if types else "pickle"
    stale = _keys_of(old) - _keys_of(new)
    kept = []
    for layer, table in zip(layers, tables, strict=True):
        dropped = [name for name in table if name in stale]
        for name in dropped:
            if name in written:  # what stands above is told as an error
                continue
            report(
                "RUN403",
                ("DATA_NODE", node_id, name),
                f"`{name}` is dropped: storage type `{old}` is overridden by `{new}`",
                on_key=True,
                severity=Severity.WARNING,
                related=(
                    Related(message="overridden here", key=("DATA_NODE", node_id, "storage_type")),
                ),
            )
        if dropped:
            rest = {name: raw for name, raw in table.items() if name not in stale}
            nodes = {**layer.tables["DATA_NODE"], node_id: rest}
            tables_left = {**layer.tables, "DATA_NODE": nodes}
            kept.append(attrs.evolve(layer, parse=partial(dict, tables_left)))
        else:
            kept.append(layer)
    return kept


def _keys_of(name: str) -> frozenset[str]:
    options = storage_type(name)
    return frozenset() if options is None else option_keys(options)


def _node_table(layer: Layer, node_id: str) -> Mapping[str, Any]:
    nodes = layer.tables.get("DATA_NODE")
    table = nodes.get(node_id) if isinstance(nodes, dict) else None
    return table if isinstance(table, dict) else {}


def text_of(raw: Any) -> str:
    """The text of a storage type as it may be written; empty for what is no text."""
    try:
        value = coerce(raw) if type(raw) is str else ""
    except BadValueError:
        return ""
    return value if type(value) is str else ""
