"""How far a check goes: what it does only when it is told to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
import click

from runner.config.model import Config
from runner.diagnostics import Diagnostic
from runner.functions.modules import Modules
from runner.functions.signatures import Found, NotFound


@attrs.frozen(kw_only=True)
class Depth:
    """Nothing, unless said otherwise, that needs more than the text of the config and its modules.

    Attributes:
        deep: whether files, the storage folder and the broker are looked at.
        import_: whether the functions are imported, in a process of its own.
        types: whether mypy judges what tasks hand to each other.
        no_env: whether variables may be missing from the environment; what they say is unknown.
    """

    deep: bool = False
    import_: bool = False
    types: bool = False
    no_env: bool = False

    def counting(self, diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
        """Those of loading that are to be told."""
        return (each for each in diagnostics if not (self.no_env and each.code == "RUN111"))

    def imported(self, config: Config, modules: Modules) -> Mapping[str, Found | NotFound]:
        """What the functions of a config turn out to be."""
        if not self.import_ or () in config.unread:
            return {}
        from runner.checker.rules.functions import references
        from runner.execution.imported import ask

        names = [ref.name for _, ref in references(config) if ref.target is None]
        return ask(names, modules, application_path=config.application_path)

    def typed(
        self, config: Config, modules: Modules, known: Sequence[Diagnostic]
    ) -> list[Diagnostic]:
        """What mypy finds beyond what is known.

        Raises:
            SetupError: mypy is not installed, or gives no answer on a config without errors.
        """
        if not self.types or () in config.unread:
            return []
        from runner.cli.type_checking import type_check

        return type_check(config, modules, known)

    def surroundings(self, config: Config) -> Iterator[Diagnostic]:
        """What is wrong around a config."""
        if not self.deep:
            return
        from runner.execution.surroundings import wrong_surroundings

        yield from wrong_surroundings(config)


def depth_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add `--deep`, `--import`, `--types` and `--no-env`; they arrive as one `Depth`."""

    @click.option("--deep", is_flag=True, help="Look at files, the storage folder, the broker too.")
    @click.option("--import", "import_", is_flag=True, help="Import the functions too.")
    @click.option("--types", is_flag=True, help="Let mypy judge what tasks hand to each other.")
    @click.option("--no-env", is_flag=True, help="Let environment variables be missing.")
    @functools.wraps(function)
    def with_depth(*arguments: Any, **options: Any) -> int:
        names = ("deep", "import_", "types", "no_env")
        depth = Depth(**{name: options.pop(name) for name in names})
        return function(*arguments, depth=depth, **options)

    return with_depth
