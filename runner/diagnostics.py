"""What is wrong with a config, as a value: a code, a key path, a message."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import attrs

KeyPath: TypeAlias = tuple[str | int, ...]
"""The way to a value: `("TASK", "clean", "inputs", 0)`. Empty: the config as a whole."""


class Severity(enum.StrEnum):
    """Whether a diagnostic keeps the config from running."""

    ERROR = "error"
    WARNING = "warning"


class Code(NamedTuple):
    slug: str
    severity: Severity = Severity.ERROR


CODES: Mapping[str, Code] = {
    "RUN101": Code("toml-syntax"),
    "RUN102": Code("unknown-section"),
    "RUN103": Code("unknown-key", Severity.WARNING),
    "RUN104": Code("missing-key"),
    "RUN105": Code("wrong-type"),
    "RUN106": Code("bad-typed-value"),
    "RUN107": Code("unknown-type-suffix", Severity.WARNING),
    "RUN108": Code("not-readable"),
    "RUN109": Code("not-utf8"),
    "RUN111": Code("env-var-missing"),
    "RUN112": Code("env-var-bad-value"),
    "RUN114": Code("bad-override"),
    "RUN115": Code("invalid-id"),
    "RUN116": Code("value-not-allowed"),
    "RUN118": Code("plain-secret", Severity.WARNING),
    "RUN119": Code("deprecated-key", Severity.WARNING),
    "RUN201": Code("unknown-data-node"),
    "RUN202": Code("unknown-task"),
    "RUN203": Code("cycle"),
    "RUN204": Code("multiple-producers"),
    "RUN205": Code("unused", Severity.WARNING),
    "RUN206": Code("no-source", Severity.WARNING),
    "RUN207": Code("sequence-task-not-in-scenario"),
    "RUN208": Code("empty-scenario", Severity.WARNING),
    "RUN209": Code("same-input-and-output"),
    "RUN211": Code("selection-empty"),
    "RUN212": Code("id-clash"),
    "RUN301": Code("module-not-found"),
    "RUN302": Code("name-not-found"),
    "RUN303": Code("not-callable"),
    "RUN304": Code("arity-mismatch"),
    "RUN305": Code("type-mismatch"),
    "RUN306": Code("return-count-mismatch"),
    "RUN307": Code("not-importable-in-worker"),
    "RUN308": Code("not-picklable"),
    "RUN401": Code("unknown-storage-type"),
    "RUN402": Code("missing-extra"),
    "RUN403": Code("key-not-for-storage"),
    "RUN404": Code("path-not-found"),
    "RUN405": Code("path-not-writable"),
    "RUN406": Code("in-memory-in-cluster"),
    "RUN407": Code("same-path-twice"),
    "RUN409": Code("suffix-mismatch", Severity.WARNING),
    "RUN501": Code("broker-unreachable"),
    "RUN502": Code("no-workers", Severity.WARNING),
    "RUN503": Code("version-skew"),
    "RUN504": Code("code-mismatch"),
    "RUN507": Code("lock-held"),
    "RUN508": Code("storage-folder"),
    "RUN509": Code("not-on-this-system"),
    "RUN601": Code("task-raised"),
    "RUN602": Code("task-timeout"),
    "RUN603": Code("worker-lost"),
    "RUN604": Code("read-failed"),
    "RUN605": Code("write-failed"),
    "RUN606": Code("result-not-picklable"),
    "RUN607": Code("canceled"),
    "RUN608": Code("abandoned"),
    "RUN701": Code("store-version"),
    "RUN702": Code("stale-plan"),
    "RUN703": Code("nothing-to-resume"),
    "RUN704": Code("fingerprint-unavailable", Severity.WARNING),
    "RUN901": Code("internal-error"),
}


class Position(NamedTuple):
    """A place in a text. Both count from 1; a column counts characters, not bytes."""

    line: int
    column: int


class Place(NamedTuple):
    """Where something stands: a file as the user named it, and the half-open stretch in it."""

    file: str
    start: Position
    end: Position


@attrs.frozen(kw_only=True)
class Related:
    """Another place that explains a diagnostic.

    Attributes:
        message: what is to be seen there.
        key: the place, by key path; or
        place: the place itself, for what is not TOML (a function's source).
    """

    message: str
    key: KeyPath | None = None
    place: Place | None = None


@attrs.frozen(kw_only=True)
class Diagnostic:
    """One thing that is wrong, or suspicious.

    Attributes:
        code: `RUNnnn`, a key of `CODES`.
        message: lower case, names in backticks, values in quotes; no full stop.
        key: what it is about. The longest part of it that was written gives the place.
        on_key: whether the key itself is marked (an unknown key), or its value.
        label: what stands under the mark; empty where the message says it all.
        hint: advice; empty where there is none.
        severity: that of the code unless said otherwise.
        related: other places, in the order they should be read.
        place: where it is, known from the start only for what is not reached by a key.
    """

    code: str
    message: str
    key: KeyPath = ()
    on_key: bool = False
    label: str | None = None
    hint: str | None = None
    severity: Severity = attrs.field(
        default=attrs.Factory(lambda self: CODES[self.code].severity, takes_self=True)
    )
    related: tuple[Related, ...] = ()
    place: Place | None = None

    @property
    def slug(self) -> str:
        return CODES[self.code].slug

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        where = ".".join(map(str, self.key))
        advice = f" ({self.hint})" if self.hint else ""
        return f"{where}: {self.severity}[{self.code}]: {self.message}{advice}".removeprefix(": ")


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(diagnostic.is_error for diagnostic in diagnostics)
