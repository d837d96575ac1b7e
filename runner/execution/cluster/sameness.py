"""Whether two machines mean the same by a task: its settings and its code, as digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from runner.config.model import Config, DataNodeConfig, TaskConfig
from runner.config.values import is_secret_key
from runner.functions.fingerprint import Fingerprint, Fingerprints
from runner.functions.modules import modules_of


class Meaning:
    """What the tasks of a config mean where this process runs."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._fingerprints = Fingerprints(modules_of(config), config.application_path)
        self._digests: dict[str, tuple[str, str]] = {}

    def of(self, task: TaskConfig) -> tuple[str, str]:
        """Digests of the settings and of the code; an empty one of code that cannot be read."""
        found = self._digests.get(task.id)
        if found is None:
            code = self.code(task)
            settings = json.dumps(self.settings(task), sort_keys=True)
            digest = hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()
            found = self._digests[task.id] = (digest, "" if code is None else code.digest)
        return found

    def code(self, task: TaskConfig) -> Fingerprint | None:
        assert task.function is not None, "check refuses a task without a function"
        return self._fingerprints.of(task.function)

    def settings(self, task: TaskConfig) -> dict[str, str]:
        """What the config says, as text by dotted key; secrets are not among it."""
        found = {
            f"TASK.{task.id}.function": str(task.function),
            f"TASK.{task.id}.inputs": ", ".join(task.inputs),
            f"TASK.{task.id}.outputs": ", ".join(task.outputs),
            f"TASK.{task.id}.timeout": str(task.timeout),
            "CORE.storage_folder": str(self._config.core.storage_folder),
        }
        for node_id in dict.fromkeys((*task.inputs, *task.outputs)):
            found |= _of_node(self._config.data_nodes[node_id])
        return found


def first_difference(here: Mapping[str, str], there: Mapping[str, Any]) -> str:
    """The first setting that is another, and both: `TASK.t.function: a.f here, b.f there`."""
    for key in (*here, *there):
        one, other = here.get(key, "nothing"), there.get(key, "nothing")
        if one != other:
            return f"{key} is {one} here and {other} there"
    return "the settings differ"


def _of_node(node: DataNodeConfig) -> dict[str, str]:
    start = f"DATA_NODE.{node.id}"
    found = {f"{start}.storage_type": node.storage_type, f"{start}.scope": node.scope.value}
    for name, value in vars(node.options).items():
        if value is not None and not is_secret_key(name):
            found[f"{start}.{name}"] = json.dumps(value, default=str)
    return found
