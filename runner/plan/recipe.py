"""How a run came about: enough to make its plan again when the config has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from runner.config.model import Config, Mode
from runner.plan.model import ExecutionPlan, Selection

_FORMAT: Final = 1


@attrs.frozen(kw_only=True)
class Recipe:
    """What a plan was made of.

    Attributes:
        written: `Config.written`; of a file its text is None where it may hold a secret.
        application_path: where relative paths start.
        scenario, name, mode, selection: as in the plan.
        resumes: the run that this one goes on with; empty: it is none of another.
        code: the code fingerprint of each function, by its name.
    """

    written: tuple[tuple[str, str | None], ...]
    application_path: Path
    scenario: str
    name: str
    mode: Mode
    selection: Selection
    resumes: str = ""
    code: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def can_be_made_again(self) -> bool:
        """Whether all of it was kept."""
        return bool(self.written) and all(
            text is not None or (name.startswith("--set ") and not name.endswith("=***"))
            for name, text in self.written
        )

    def dumped(self) -> str:
        """As JSON."""
        plain = attrs.asdict(self)
        return json.dumps(
            {"format": _FORMAT, **plain, "application_path": str(plain["application_path"])}
        )


def digest_of(dumped: str) -> str:
    """Tells one recipe from another, by what `dumped` gave: 16 hexadecimal digits."""
    return hashlib.sha256(dumped.encode()).hexdigest()[:16]


def recipe_of(
    plan: ExecutionPlan,
    *,
    has_secrets: bool,
    resumes: str = "",
    code: Mapping[str, str] | None = None,
) -> Recipe:
    """How a plan came about.

    Args:
        plan: it.
        has_secrets: whether its files hold any in plain text; then their text is not kept.
        resumes: the run that it goes on with.
        code: the code fingerprint of each function.
    """
    config: Config = plan.config
    return Recipe(
        written=tuple(_kept(name, text, has_secrets=has_secrets) for name, text in config.written),
        application_path=config.application_path,
        scenario=plan.scenario,
        name=plan.name,
        mode=plan.mode,
        selection=plan.selection,
        resumes=resumes,
        code=code or {},
    )


def recipe_from(text: str) -> Recipe | None:
    """What `dumped` wrote; None: it is of another version."""
    plain: dict[str, Any] = json.loads(text)
    if plain.pop("format", None) != _FORMAT:
        return None
    selection: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in plain.pop("selection").items()
    }
    return Recipe(
        **{
            **plain,
            "written": tuple((name, text) for name, text in plain["written"]),
            "application_path": Path(plain["application_path"]),
            "mode": Mode(plain["mode"]),
            "selection": Selection(**selection),
        }
    )


def _kept(name: str, text: str | None, *, has_secrets: bool) -> tuple[str, str | None]:
    if text is None:
        return name, None
    return str(Path(name).absolute()), None if has_secrets else text
