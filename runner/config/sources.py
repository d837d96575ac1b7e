"""Where a config is written: files, variables that name files, overrides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from runner.config.document import Layer
from runner.config.parser import (
    UnreadableFileError,
    parse_key,
    parse_toml,
    parse_value,
    read_text,
)
from runner.config.values import is_secret_key, quote
from runner.diagnostics import (
    Diagnostic,
    Place,
    Position,
)
from runner.errors import ConfigError

FILE_NAMES: Final = ("runner.toml", "config.toml")
_SET: Final = "--set "
PATH_VARIABLES: Final = ("TAIPY_CONFIG_PATH", "RUNNER_CONFIG_PATH")


def find_config(folder: Path) -> Path:
    """The config file of a folder or of the nearest one above that has one.

    Raises:
        ConfigError: there is none.
    """
    start = folder.absolute()
    for place in (start, *start.parents):
        for name in FILE_NAMES:
            if (place / name).is_file():
                return folder / name if place == start else place / name
    names = " or ".join(f"`{name}`" for name in FILE_NAMES)
    message = f"no {names} in {start} or above"
    wrong = Diagnostic(code="RUN108", message=message, hint="name a file")
    raise ConfigError(message, diagnostics=[wrong])


def layers_of(
    paths: Sequence[str | Path],
    overrides: Iterable[str],
    environ: Mapping[str, str],
    base: Mapping[str, Any] | None,
    diagnostics: list[Diagnostic],
) -> Iterator[Layer]:
    """The layers of a config, the lowest first, each still to be parsed.

    Args:
        paths: the files.
        overrides: `KEY=VALUE` texts.
        environ: names more files, by `PATH_VARIABLES`.
        base: what the Python builder says; None: nothing.
        diagnostics: gets what is wrong; a file that cannot be read is left out.
    """
    if base is not None:
        yield Layer("", lambda: base)
    named = [Path(path) for path in paths]
    for variable in PATH_VARIABLES:
        if environ.get(variable):
            named.append(Path(environ[variable]))
            if variable == "TAIPY_CONFIG_PATH":
                diagnostics.append(_old_variable(variable))
    for path in dict.fromkeys(named):
        try:
            text = read_text(path, str(path))
        except UnreadableFileError as error:
            diagnostics.append(error.diagnostic)
        else:
            yield Layer(str(path), partial(parse_toml, text, str(path)), text)
    for override in overrides:
        tables = _override(override, diagnostics)
        if tables is not None:
            yield Layer(f"{_SET}{_without_secret(override)}", partial(dict, tables))


def layers_again(
    written: Iterable[tuple[str, str | None]], diagnostics: list[Diagnostic]
) -> Iterator[Layer]:
    """Layers of another time, of which the names and the TOML were kept."""
    for name, text in written:
        if text is not None:
            yield Layer(name, partial(parse_toml, text, name), text)
            continue
        tables = _override(name.removeprefix(_SET), diagnostics)
        if tables is not None:
            yield Layer(name, partial(dict, tables))


def _without_secret(override: str) -> str:
    key, _, value = override.partition("=")
    may_hold_one = is_secret_key(override) or "broker_url" in override
    return f"{key}={'***' if may_hold_one else value}"


def _old_variable(variable: str) -> Diagnostic:
    message = f"environment variable `{variable}` is Taipy's"
    return Diagnostic(code="RUN119", message=message, hint="use `RUNNER_CONFIG_PATH`")


def _override(text: str, diagnostics: list[Diagnostic]) -> Mapping[str, Any] | None:
    key, equals, value = text.partition("=")
    parts = parse_key(key.strip()) if equals else None
    if parts is None:
        place = Place(f"--set {text}", Position(1, 1), Position(1, 1))
        message = f"{quote(text)} sets no key"
        hint = "write it like JOB.mode=standalone"
        diagnostics.append(Diagnostic(code="RUN114", message=message, hint=hint, place=place))
        return None
    tables: Any = parse_value(value.strip())
    for part in reversed(parts):
        tables = {part: tables}
    return dict(tables)
