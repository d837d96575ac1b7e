"""Whether a job has to run again, and the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

import attrs

from runner.config.model import TaskConfig
from runner.data.storage import Mark
from runner.diagnostics import KeyPath

Settings = Mapping[str, str]
"""What the config says of a job, as text by dotted key: `DATA_NODE.out.default_path`."""


class Verdict(NamedTuple):
    """Whether a job is skipped, and why or why not.

    Attributes:
        skip: whether.
        reason: in two or three words: `code changed`.
        detail: the place: `algos/f.py:22 build (called by clean)`.
        key: of the setting that has changed, whose place the reader wants.
    """

    skip: bool
    reason: str
    detail: str = ""
    key: KeyPath = ()

    def __str__(self) -> str:
        return f"{self.reason} {self.detail}".strip()


@attrs.frozen(kw_only=True)
class Basis:
    """What a job rests on.

    Attributes:
        code: digest of its function's fingerprint; None: it cannot be read.
        settings: digest of what the config says of it.
        inputs: the content of what it reads, by data node; None: nobody can tell.
        outputs: what it has written, by data node; None: nothing is there, or nobody can tell.
    """

    code: str | None
    settings: str
    inputs: Mapping[str, str | None]
    outputs: Mapping[str, Mark | None]


@attrs.frozen(kw_only=True)
class Trace:
    """What a job rested on when it last completed.

    Attributes:
        run: the run that it was in.
        ended: seconds since 1970, UTC.
        code: digest of its function's fingerprint.
        settings: digest of its settings.
        inputs: fingerprint by data node; None: nobody could tell.
        outputs: fingerprint by data node.
    """

    run: str
    ended: float
    code: str
    settings: str
    inputs: Mapping[str, str | None]
    outputs: Mapping[str, str]


FORCED: Final = Verdict(skip=False, reason="forced")
ALWAYS: Final = Verdict(skip=False, reason="not skippable")
NEVER_RUN: Final = Verdict(skip=False, reason="never run")
FAILED: Final = Verdict(skip=False, reason="failed last time")


def changed_inputs(task: TaskConfig, now: Basis, before: Trace) -> Verdict | None:
    """Of the first input whose content is another, or cannot be told."""
    if now.inputs == before.inputs and None not in now.inputs.values():
        return None
    for node in dict.fromkeys(task.inputs):
        fingerprint = now.inputs.get(node)
        if fingerprint is None:
            return Verdict(skip=False, reason="no fingerprint:", detail=node)
        if before.inputs.get(node) != fingerprint:
            return Verdict(skip=False, reason="input changed:", detail=node)
    return None


def changed_outputs(task: TaskConfig, now: Basis, before: Trace) -> Verdict | None:
    """Of the first output that is gone, that somebody has changed, or of which nobody can tell."""
    for node in task.outputs:
        mark = now.outputs.get(node)
        if mark is None:
            reason = "output missing:" if node in before.outputs else "no fingerprint:"
            return Verdict(skip=False, reason=reason, detail=node)
        if before.outputs.get(node) != mark.fingerprint:
            return Verdict(skip=False, reason="output changed:", detail=node)
    return None


def expired(written: float, validity: timedelta, now: float) -> Verdict | None:
    """Where an output was valid only for a while, and that is over.

    Args:
        written: when it was last written, in seconds since 1970, UTC.
        validity: how long it is valid from then on, the last moment included.
        now: likewise.
    """
    if now <= written + validity.total_seconds():
        return None
    since = datetime.fromtimestamp(written + validity.total_seconds()).astimezone()
    return Verdict(
        skip=False, reason="validity period over since", detail=f"{since:%Y-%m-%d %H:%M}"
    )


@lru_cache
def up_to_date(run: str) -> Verdict:
    """What a job that needs not run says of the run that it last completed in."""
    return Verdict(skip=True, reason="up to date", detail=f"written by run {run}")


def changed_setting(now: Settings, before: Settings) -> Verdict:
    """The first setting that is another; of some there is at least one."""
    for key in [*now, *(key for key in before if key not in now)]:
        old, new = before.get(key), now.get(key)
        if old != new:
            detail = f"{key} changed: {old or 'nothing'} -> {new or 'nothing'}"
            return Verdict(skip=False, reason="", detail=detail, key=tuple(key.split(".")))
    return Verdict(skip=False, reason="settings changed")
