from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.config.options import STORAGE_TYPES
from runner.config.references import FunctionRef
from runner.data.storage import Opening, Storage
from runner.data.storages import open_storage


def load(reference: FunctionRef) -> Any:
    return reference.target


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "x"


@pytest.fixture
def opened(path: Path) -> Callable[..., Storage]:
    """Opens data node `x`, all its openings over one file and one memory."""
    memory: dict[str, Any] = {}

    def open_node(storage_type: str, *, durable: bool = False, **options: Any) -> Storage:
        opening = Opening(
            node="x",
            options=STORAGE_TYPES[storage_type](**options),
            key="global/x",
            path=path,
            memory=memory,
            load=load,
            durable=durable,
        )
        return open_storage(storage_type, opening)

    return open_node
