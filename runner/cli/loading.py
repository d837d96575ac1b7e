"""Load and check a config for a command, once for all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from runner.checker.check import check
from runner.checker.severity import judge, unknown_codes
from runner.cli.options import Common
from runner.cli.rendering import Source, file_source, show_diagnostics
from runner.config.document import Places
from runner.config.loader import Loaded, find_config, load
from runner.config.model import Config
from runner.diagnostics import Diagnostic, Place, has_errors
from runner.errors import ConfigError, UsageError
from runner.functions.modules import modules_of


@attrs.frozen
class Checked:
    """A config and all that is wrong with it.

    Attributes:
        loaded: what loading gave.
        diagnostics: with their places, in the order of these.
        files: those that were named, or found.
    """

    loaded: Loaded
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]

    @property
    def config(self) -> Config:
        return self.loaded.config

    @property
    def source(self) -> Source:
        return file_source(self.loaded.document.text)

    def located(self, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Diagnostics that were found later, with their places."""
        places = Places(self.loaded.document)
        return [places.located(diagnostic) for diagnostic in diagnostics]


def load_and_check(
    common: Common,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Checked:
    """Load the config that a command is about, and find everything that is wrong with it.

    Raises:
        UsageError: no file is named, and none is found.
    """
    loaded = load(
        common.files or [_found()],
        common.overrides,
        environ=os.environ,
        application_path=common.application_path,
    )
    if common.verbose:
        _tell_layers(loaded)
    found = [*loaded.diagnostics, *unknown_codes(loaded.config.check)]
    found += check(loaded.config, modules_of(loaded.config))
    judged = judge(found, loaded.config.check, select=select, ignore=ignore, strict=strict)
    places = Places(loaded.document)
    located = [places.located(diagnostic) for diagnostic in judged]
    order = {layer.name: index for index, layer in enumerate(loaded.document.layers)}
    located.sort(key=lambda each: _rank(each.place, order))
    return Checked(loaded, tuple(located), tuple(order))


def refuse_errors(checked: Checked, common: Common) -> None:
    """Go on only with a config that has no errors; warnings are shown.

    Raises:
        ConfigError: it has; they have been shown.
    """
    if has_errors(checked.diagnostics):
        show_diagnostics(checked.diagnostics, checked.source, color=common.color)
        raise ConfigError("the config is invalid, nothing ran")
    if not common.quiet:
        show_diagnostics(checked.diagnostics, checked.source, color=common.color)


def _tell_layers(loaded: Loaded) -> None:
    print(f"application path {loaded.config.application_path}", file=sys.stderr)
    for layer in loaded.document.layers:
        print(f"read {layer.name}", file=sys.stderr)


def _found() -> Path:
    try:
        return find_config(Path())
    except ConfigError as error:
        hint = "name a file: runner check pipeline.toml"
        raise UsageError(str(error), hint=hint) from None


def _rank(place: Place | None, order: dict[str, int]) -> tuple[int, int, int]:
    if place is None:
        return len(order), 0, 0
    return order.get(place.file, -1), place.start.line, place.start.column
