"""The keys of each section, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from runner.config.model import (
    CheckConfig,
    CoreConfig,
    JobConfig,
    ScenarioConfig,
    TaskConfig,
)
from runner.config.options import STORAGE_TYPES, option_keys

OPTION_KEYS: Final[Mapping[str, frozenset[str]]] = {
    name: option_keys(cls) for name, cls in STORAGE_TYPES.items()
}
"""By storage type of runner itself, its own keys."""
ANY_OPTION: Final = frozenset().union(*OPTION_KEYS.values())
FIELDS: Final[Mapping[type, frozenset[str]]] = {
    cls: frozenset(field.name for field in attrs.fields(cls)) - {"id", "properties"}
    for cls in (JobConfig, CoreConfig, CheckConfig, TaskConfig, ScenarioConfig)
}
"""By class, the keys of its section."""
NODE_FIELDS: Final = frozenset({"scope", "validity_period", "default_data", "description"})
NODE_COMMON: Final = NODE_FIELDS | {"storage_type"}
"""Keys of a data node of any storage type."""
DEPTH: Final[Mapping[str, int]] = {
    "JOB": 1, "CORE": 1, "CHECK": 1, "DATA_NODE": 2, "TASK": 2, "SCENARIO": 2,
}  # fmt: skip
"""How many parts of a key path lead to the section whose keys follow."""
ALL_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "JOB": FIELDS[JobConfig],
    "CORE": FIELDS[CoreConfig],
    "CHECK": FIELDS[CheckConfig],
    "DATA_NODE": NODE_COMMON | ANY_OPTION,
    "TASK": FIELDS[TaskConfig],
    "SCENARIO": FIELDS[ScenarioConfig],
}
"""By section, every key that it may have."""
