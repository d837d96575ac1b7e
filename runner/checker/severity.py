"""Which diagnostics count, and how much: `[CHECK]`, `--select`, `--ignore`, `--strict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from runner.config.model import CheckConfig
from runner.diagnostics import CODES, Diagnostic, KeyPath, Severity
from runner.errors import UsageError
from runner.suggestions import did_you_mean

OFF: Final = "off"
OPINIONS: Final = frozenset(
    {
        "RUN301",
        "RUN302",
        "RUN303",
        "RUN304",
        "RUN305",
        "RUN306",
        "RUN307",
        "RUN308",
        "RUN402",
        "RUN404",
        "RUN405",
        "RUN407",
    }
)
"""Errors that can be turned off: of the user's code and machine, which may know better. Any other
leaves no config that could run."""


def judge(
    diagnostics: Iterable[Diagnostic],
    config: CheckConfig,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Iterator[Diagnostic]:
    """The diagnostics that count, with the severities that they were given.

    Warnings can be turned off, down and up; of errors, only those in `OPINIONS`.

    Args:
        diagnostics: as found.
        config: what the config says of them.
        select: codes or slugs; none: all.
        ignore: codes or slugs.
        strict: whether warnings are errors.
    """
    severities = {code_of(name): severity for name, severity in config.severity.items()}
    ignored = {code_of(name) for name in (*config.ignore, *ignore)}
    selected = {code_of(name) for name in select}
    for diagnostic in diagnostics:
        severity = severities.get(diagnostic.code, diagnostic.severity.value)
        is_fixed = diagnostic.is_error and diagnostic.code not in OPINIONS
        if is_fixed:
            severity = Severity.ERROR.value
        is_off = severity == OFF or diagnostic.code in ignored
        if (is_off and not is_fixed) or (selected and diagnostic.code not in selected):
            continue
        if strict or config.strict:
            severity = Severity.ERROR.value
        yield attrs.evolve(diagnostic, severity=Severity(severity))


def unknown_codes(config: CheckConfig) -> Iterator[Diagnostic]:
    """`[CHECK]` names only codes and slugs that there are."""
    for index, name in enumerate(config.ignore):
        if code_of(name) is None:
            yield _unknown(("CHECK", "ignore", index), name)
    for name in config.severity:
        if code_of(name) is None:
            yield _unknown(("CHECK", "severity", name), name)


def code_of(name: str) -> str | None:
    """The code that a code or a slug names; None where there is none."""
    if name.upper() in CODES:
        return name.upper()
    return next((code for code, known in CODES.items() if known.slug == name.lower()), None)


def known_code(name: str, advice: str | None = None) -> str:
    """The code that a code or a slug names.

    Args:
        name: the code or slug.
        advice: for one that is near to none.

    Raises:
        UsageError: there is no such code.
    """
    code = code_of(name)
    if code is None:
        raise UsageError(f"`{name}` is no code", hint=meant_code(name) or advice)
    return code


def meant_code(name: str) -> str | None:
    """A hint for a code or a slug that there is not."""
    return did_you_mean(name, [*CODES, *(code.slug for code in CODES.values())])


def _unknown(key: KeyPath, name: str) -> Diagnostic:
    message = f"`{name}` is no code"
    return Diagnostic(code="RUN116", key=key, message=message, hint=meant_code(name))
