"""A plan as a document: printed, saved, compared; and read back from a saved one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs

from runner.config.model import Mode
from runner.config.values import is_secret_key
from runner.errors import UsageError
from runner.plan.model import Selection

FORMAT: Final = "runner.plan"
VERSION: Final = 1


@attrs.frozen(kw_only=True)
class SavedPlan:
    """One plan of a saved document, as far as it says how to make it again.

    Attributes:
        scenario, name, mode, selection, creation_date: as in the plan.
        digest: of the plan that was saved.
    """

    scenario: str
    name: str
    mode: str
    selection: Selection
    digest: str
    creation_date: datetime | None = None


@attrs.frozen(kw_only=True)
class SavedPlans:
    """What a saved document says.

    Attributes:
        files: of the config, as absolute paths.
        overrides: `KEY=VALUE` texts.
        plans: in the order in which they run.
    """

    files: tuple[str, ...]
    overrides: tuple[str, ...]
    plans: tuple[SavedPlan, ...]


def plans_document(
    plans: Sequence[Mapping[str, Any]], files: Sequence[str], overrides: Sequence[str]
) -> dict[str, Any]:
    """Several plans as one document. Overrides that hold a secret are left out."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "config": {
            "files": [str(Path(file).absolute()) for file in files],
            "set": [each for each in overrides if not _holds_secret(each)],
        },
        "plans": list(plans),
    }


def read_plans(text: str, name: str) -> SavedPlans:
    """Read a saved document.

    Raises:
        UsageError: it is none, or of another version.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise UsageError(f"`{name}` is no saved plan")
        if document["version"] != VERSION:
            version = document["version"]
            raise UsageError(
                f"`{name}` is a plan of version {version}, this runner reads {VERSION}"
            )
        config = document["config"]
        return SavedPlans(
            files=_texts(config["files"]),
            overrides=_texts(config["set"]),
            plans=tuple(_saved(plan) for plan in document["plans"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        hint = "runner plan --out FILE saves one"
        raise UsageError(f"`{name}` is no saved plan", hint=hint) from None


def _saved(plan: Mapping[str, Any]) -> SavedPlan:
    selection = plan["selection"]
    several = {name: _texts(selection[name]) for name in ("tasks", "to", "tags", "exclude")}
    sequence, created = selection["sequence"], plan.get("creation_date")
    return SavedPlan(
        scenario=_text(plan["scenario"]),
        name=_text(plan["name"]),
        mode=Mode(_text(plan["mode"])).value,
        selection=Selection(
            **several,
            from_=_texts(selection["from"]),
            sequence=None if sequence is None else _text(sequence),
        ),
        digest=_text(plan["digest"]),
        creation_date=None if created is None else datetime.fromisoformat(_text(created)),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError
    return tuple(_text(value) for value in values)


def _holds_secret(override: str) -> bool:
    return is_secret_key(override) or "broker_url" in override
