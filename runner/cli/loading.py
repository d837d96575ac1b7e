"""Load and check a config for a command, once for all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from runner.checker.check import check
from runner.checker.severity import judge, unknown_codes
from runner.cli.depth import Depth
from runner.cli.options import Common
from runner.cli.rendering import Source, file_source, show_diagnostics
from runner.config.document import Places
from runner.config.loader import Loaded, is_unreadable, load
from runner.config.model import Config
from runner.config.pauses import collector_paused
from runner.config.plugins import unusable
from runner.config.sources import find_config
from runner.diagnostics import Diagnostic, Place, Severity, has_errors
from runner.errors import ConfigError, UsageError
from runner.functions.modules import modules_of

_SHALLOW: Final = Depth()


@attrs.frozen
class Checked:
    """A config and all that is wrong with it.

    Attributes:
        loaded: what loading gave.
        diagnostics: with their places, in the order of these.
        files: those that were named, or found.
        places: where the keys of the document stand.
    """

    loaded: Loaded
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...]
    places: Places

    @property
    def config(self) -> Config:
        return self.loaded.config

    @property
    def source(self) -> Source:
        return file_source(self.loaded.document.text)

    def located(self, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
        """Diagnostics that were found later, with their places."""
        return [self.places.located(diagnostic) for diagnostic in diagnostics]


@collector_paused()
def load_and_check(
    common: Common,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    strict: bool = False,
    depth: Depth = _SHALLOW,
) -> Checked:
    """Load the config that a command is about, and find everything that is wrong with it.

    Raises:
        UsageError: no file is named, and none is found.
    """
    loaded = load(
        common.files or [found_config()],
        common.overrides,
        environ=os.environ,
        application_path=common.application_path,
    )
    return check_loaded(loaded, common, select=select, ignore=ignore, strict=strict, depth=depth)


def check_loaded(
    loaded: Loaded,
    common: Common,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    strict: bool = False,
    depth: Depth = _SHALLOW,
) -> Checked:
    """Find everything that is wrong with a config that is loaded."""
    if common.verbose:
        _tell_layers(loaded)
        show_unusable(common.color)
    config = loaded.config
    modules = modules_of(config)
    found = [*depth.counting(loaded.diagnostics), *unknown_codes(config.check)]
    found += check(config, modules, depth.imported(config, modules))
    found += depth.typed(config, modules, found)
    found += depth.surroundings(config)
    judged = judge(found, loaded.config.check, select=select, ignore=ignore, strict=strict)
    places = Places(loaded.document)
    located = [places.located(diagnostic) for diagnostic in judged]
    named = [str(Path(file)) for file in common.files]
    layers = [layer.name for layer in loaded.document.layers]
    order = {name: rank for rank, name in enumerate(dict.fromkeys([*named, *layers]))}
    located.sort(key=lambda each: _rank(each.place, order))
    files = tuple(dict.fromkeys(_files(loaded)))
    return Checked(loaded, tuple(located), files, places)


def refuse_errors(checked: Checked, common: Common) -> None:
    """Go on only with a config that has no errors; warnings are shown.

    Raises:
        ConfigError: it has; they have been shown.
    """
    shown = [each for each in checked.diagnostics if each.is_error or not common.quiet]
    show_diagnostics(shown, checked.source, color=common.color)
    if has_errors(checked.diagnostics):
        raise ConfigError("the config is invalid, nothing ran")


def _files(loaded: Loaded) -> Iterator[str]:
    """The files that were read, and those that could not be."""
    for layer in loaded.document.layers:
        if layer.text is not None:
            yield layer.name
    for diagnostic in loaded.diagnostics:
        if is_unreadable(diagnostic) and diagnostic.place is not None:
            yield diagnostic.place.file


def _tell_layers(loaded: Loaded) -> None:
    print(f"application path {loaded.config.application_path}", file=sys.stderr)
    for layer in loaded.document.layers:
        print(f"read {layer.name}", file=sys.stderr)


def show_unusable(color: str) -> None:
    """Tell of storage types that other packages bring and nobody can use."""
    found = [
        Diagnostic(code="RUN401", severity=Severity.WARNING, message=each.message, hint=each.hint)
        for each in unusable()
    ]
    show_diagnostics(found, lambda _: None, color=color)


def found_config() -> Path:
    """The config file that is meant where none is named.

    Raises:
        UsageError: there is none.
    """
    try:
        return find_config(Path())
    except ConfigError as error:
        hint = "name a file: runner check pipeline.toml"
        raise UsageError(str(error), hint=hint) from None


def _rank(place: Place | None, order: dict[str, int]) -> tuple[int, int, int]:
    if place is None:
        return len(order), 0, 0
    return order.get(place.file, -1), place.start.line, place.start.column
