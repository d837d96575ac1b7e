"""From what a worker is told of functions and storages to the things themselves."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from runner.config.references import FunctionRef
from runner.data.storage import Opening, Storage
from runner.data.storages import open_storage
from runner.execution.importing import load


def function_from(definition: str | bytes) -> Callable[..., Any]:
    """The function of a definition.

    Raises:
        UserCodeError: it cannot be imported.
    """
    if isinstance(definition, str):
        function: Callable[..., Any] = load(FunctionRef(definition))
        return function
    given: Callable[..., Any] = pickle.loads(definition)
    return given


def storage_from(node: str, opened_by: bytes) -> Storage:
    """The storage of a data node that is not in memory."""
    storage_type, options, key, path, durable = pickle.loads(opened_by)
    opening = Opening(
        node=node, options=options, key=key, path=path, memory={}, load=load, durable=durable
    )
    return open_storage(storage_type, opening)
