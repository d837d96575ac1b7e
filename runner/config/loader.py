"""Files, overrides and defaults to a `Config`, with every problem on the way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from runner.config.document import Document, Layer
from runner.config.model import Config
from runner.config.parser import UnreadableFileError
from runner.config.pauses import collector_paused
from runner.config.plugins import are_current, stamps_of
from runner.config.reading import Reading
from runner.config.sources import find_config, layers_again, layers_of
from runner.diagnostics import Diagnostic, has_errors
from runner.errors import ConfigError

LARGE: Final = 200_000
"""Characters of TOML from which on what was loaded is kept; less would not be worth it."""


@attrs.frozen
class Loaded:
    """What loading gives: a config, what is wrong with it, and what it was read from.

    Attributes:
        config: whole but for what `diagnostics` says; run it only where none is an error.
        diagnostics: in the order in which they were found, without places.
        document: for finding the places.
    """

    config: Config
    diagnostics: tuple[Diagnostic, ...]
    document: Document


@collector_paused()
def load(
    paths: Sequence[str | Path],
    overrides: Iterable[str] = (),
    *,
    environ: Mapping[str, str],
    application_path: Path | None = None,
    base: Mapping[str, Any] | None = None,
) -> Loaded:
    """Load files over each other, then the overrides; never raises for what a user wrote.

    Args:
        paths: the files, the lowest first; none: the one that `find_config` finds.
        overrides: `KEY=VALUE` texts, on top of all files.
        environ: for `ENV[…]` and the files that `PATH_VARIABLES` name.
        application_path: where relative paths start; None: the folder of the first file.
        base: what the Python builder says, below all files.
    """
    if application_path is None:
        application_path = Path(paths[0]).parent if paths else Path()
    application_path = application_path.absolute()
    diagnostics: list[Diagnostic] = []
    layers = tuple(layers_of(paths, overrides, environ, base, diagnostics))
    loaded = _loaded(layers, environ, diagnostics, application_path)
    written = tuple((layer.name, layer.text) for layer in layers)
    return attrs.evolve(loaded, config=attrs.evolve(loaded.config, written=written))


def load_again(
    written: Iterable[tuple[str, str | None]],
    *,
    environ: Mapping[str, str],
    application_path: Path,
) -> Loaded:
    """Load what a config was once loaded from, whatever the files say by now.

    Args:
        written: `Config.written`.
        environ: for `ENV[…]`.
        application_path: where relative paths start.
    """
    diagnostics: list[Diagnostic] = []
    layers = tuple(layers_again(written, diagnostics))
    loaded = _structured(layers, environ, diagnostics, application_path)
    return attrs.evolve(loaded, config=attrs.evolve(loaded.config, written=tuple(written)))


def _loaded(
    layers: tuple[Layer, ...],
    environ: Mapping[str, str],
    diagnostics: list[Diagnostic],
    application_path: Path,
) -> Loaded:
    """A config of layers, from the cache where it is large."""
    if diagnostics or sum(len(layer.text or "") for layer in layers) < LARGE:
        return _structured(layers, environ, diagnostics, application_path)
    from runner.config import cache

    if not cache.is_kept(layers):
        return _structured(layers, environ, diagnostics, application_path)
    folder = cache.folder_of(layers, application_path)
    match cache.read(folder, layers):
        case (dict() as stamps, Config() as config, tuple() as found) if are_current(stamps):
            config = attrs.evolve(config, application_path=application_path)
            return Loaded(config, found, Document(layers))
    loaded = _structured(layers, environ, diagnostics, application_path)
    folder = application_path / loaded.config.core.storage_folder / "cache"
    if not any(map(_is_passing, loaded.diagnostics)):
        stamps = stamps_of(loaded.config)
        cache.write(folder, layers, (stamps, loaded.config, loaded.diagnostics))
    return loaded


def _structured(
    layers: Sequence[Layer],
    environ: Mapping[str, str],
    diagnostics: list[Diagnostic],
    application_path: Path,
) -> Loaded:
    """Parse the layers and make a config of what they say together."""
    config = Config(application_path=application_path)
    document = Document(tuple(_parsed(layers, diagnostics)))
    try:
        config = Reading(environ, diagnostics).config(document, application_path)
    except RecursionError:
        diagnostics.append(Diagnostic(code="RUN101", message="tables are nested too deep"))
    if any(map(is_unreadable, diagnostics)):  # what else there is, nobody knows
        config = attrs.evolve(config, unread=config.unread | {()})
    return Loaded(config, tuple(diagnostics), document)


def _parsed(layers: Iterable[Layer], diagnostics: list[Diagnostic]) -> Iterator[Layer]:
    """The layers that can be parsed, each parsed."""
    for layer in layers:
        try:
            _ = layer.tables
        except UnreadableFileError as error:
            diagnostics.append(error.diagnostic)
        else:
            yield layer


def is_unreadable(diagnostic: Diagnostic) -> bool:
    """Whether it says that a whole file gives nothing."""
    return diagnostic.code in {"RUN101", "RUN108", "RUN109"}


def _is_passing(diagnostic: Diagnostic) -> bool:
    """Whether another day may judge otherwise, by what is installed or can be read then."""
    return is_unreadable(diagnostic) or diagnostic.code == "RUN401"


def load_config(
    paths: Sequence[str | Path],
    overrides: Iterable[str] = (),
    *,
    environ: Mapping[str, str] = os.environ,
    base: Mapping[str, Any] | None = None,
) -> Config:
    """Load a config that has no errors.

    Raises:
        ConfigError: with every problem that loading found.
    """
    if not paths and base is None:
        paths = [find_config(Path())]
    loaded = load(paths, overrides, environ=environ, base=base)
    if has_errors(loaded.diagnostics):
        wrong = [diagnostic for diagnostic in loaded.diagnostics if diagnostic.is_error]
        raise ConfigError("\n".join(map(str, wrong)), diagnostics=loaded.diagnostics)
    return loaded.config
