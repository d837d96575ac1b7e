"""Which jobs of a run need not run, since nothing that they rest on has changed."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from time import time
from typing import Any, Final

import attrs

from runner.config.model import DataNodeConfig, Mode, TaskConfig
from runner.config.options import StorageOptions, field_names
from runner.config.values import is_secret_key
from runner.data.storage import Mark
from runner.diagnostics import Diagnostic, KeyPath, Severity
from runner.execution.instance import Instance
from runner.execution.jobs import JobEnd
from runner.execution.lifecycle import JobStatus
from runner.execution.steps import function_of
from runner.functions.fingerprint import Fingerprint, Fingerprints, difference, from_plain
from runner.plan.model import ExecutionPlan
from runner.plan.staleness import (
    ALWAYS,
    FAILED,
    FORCED,
    NEVER_RUN,
    Basis,
    Settings,
    Trace,
    Verdict,
    changed_inputs,
    changed_outputs,
    changed_setting,
    expired,
    up_to_date,
)
from runner.store.store import NodeRow, Store, TraceRow

_BEGUN: Final = time()
ALL: Final = "*"
"""Of `force`: every task."""


@attrs.frozen(kw_only=True, eq=False)
class Past:
    """What the store knows of a scenario.

    Attributes:
        rows: where every present value comes from, by key.
        traces: what jobs rested on when they last completed, by task.
        failed: tasks whose last job failed.
        code: the parts of a code fingerprint as JSON, by digest; None: nobody knows any more.
        settings: the settings of a job, likewise.
    """

    rows: Mapping[str, NodeRow] = attrs.field(factory=dict)
    traces: Mapping[str, TraceRow] = attrs.field(factory=dict)
    failed: Collection[str] = ()
    code: Callable[[str], str | None] = lambda _: None
    settings: Callable[[str], str | None] = lambda _: None


def past_of(store: Store, owner: str, rows: Mapping[str, NodeRow]) -> Past:
    """What a store knows of the scenario of that name; `rows` as of `Past`."""
    return Past(
        rows=rows,
        traces=store.traces(owner),
        failed=store.failed_last(owner),
        code=store.code,
        settings=store.settings,
    )


class Skipping:
    """Judges the jobs of one submission when they could run, and remembers what they rested on.

    Used by one thread, that of the run.
    """

    def __init__(
        self,
        plan: ExecutionPlan,
        instance: Instance,
        past: Past,
        fingerprints: Fingerprints,
        *,
        force: Collection[str] = (),
        now: float,
    ) -> None:
        self._plan = plan
        self._instance = instance
        self._past = past
        self._jobs = {planned.task.id: job for job, planned in enumerate(plan.jobs)}
        self._fingerprints = fingerprints
        self._force = frozenset(force)
        self._traces = dict(zip(past.traces, _traces_of([*past.traces.values()]), strict=True))
        self._marks: dict[str, Mark | None] = {}
        self._rested: dict[int, tuple[Basis, Fingerprint]] = {}
        self._codes: dict[str, Fingerprint] = {}
        self._settings: dict[str, Settings] = {}
        self._texts: dict[str, str] = {}
        self._edited: dict[str, bool] = {}
        self._now = now

    def verdicts(self, changing: Iterable[str] = ()) -> Iterator[Verdict]:
        """Of each job of the plan, as far as it can be told before any has run.

        What a job writes that will run counts as changed.

        Args:
            changing: data nodes that will be written before the first job.
        """
        due = set(changing)
        for job, planned in enumerate(self._plan.jobs):
            task = planned.task
            new = [node for node in task.inputs if node in due]
            verdict = self.verdict(job)
            if new and (verdict.skip or verdict.reason == "no fingerprint:"):
                verdict = Verdict(skip=False, reason="input changed:", detail=new[0])
            if not verdict.skip:
                due.update(task.outputs)
            yield verdict

    def verdict(self, job: int) -> Verdict:
        """Whether a job is skipped; all that it reads is there."""
        task = self._plan.jobs[job].task
        if not task.skippable or not task.outputs:
            return ALWAYS
        code = self._fingerprints.of(function_of(task))
        basis = self._basis(task, code)
        if code is not None:
            self._rested[job] = (basis, code)
        before = self._traces.get(task.id)
        if self._force and self._force & {ALL, task.id}:
            return FORCED
        if task.id in self._past.failed:
            return FAILED
        if before is None:
            return NEVER_RUN
        return self._compared(task, code, basis, before)

    def wrote(self, job: int, marks: Sequence[Mark | None]) -> None:
        """Take in what a job has written."""
        self._marks.update(zip(self._plan.jobs[job].task.outputs, marks, strict=False))

    def trace(self, run: str, end: JobEnd) -> TraceRow | None:
        """What an ended job rested on, if it can be skipped from now on."""
        job = self._jobs[end.task]
        task = self._plan.jobs[job].task
        rested = self._rested.pop(job, None)
        if end.status is not JobStatus.COMPLETED or rested is None:
            return None
        basis, code = rested
        if not self._inputs_are_as_they_were(task) or self._may_be_stale(code):
            return None
        self._codes[code.digest] = code
        self._settings[basis.settings] = self._settings_of(task)
        written = self._marks_of(task.outputs).items()
        outputs = {node: mark.fingerprint for node, mark in written if mark}
        return TraceRow(
            self._instance.name,
            task.id,
            run,
            (end.started or 0.0) + (end.seconds or 0.0),
            code.digest,
            basis.settings,
            json.dumps(basis.inputs),
            json.dumps(outputs),
        )

    def named(self) -> tuple[dict[str, str], dict[str, str]]:
        """The codes and the settings that traces since the last call name, as JSON by digest."""
        codes = {digest: json.dumps(code.plain()) for digest, code in self._codes.items()}
        settings = {digest: json.dumps(each) for digest, each in self._settings.items()}
        self._codes.clear()
        self._settings.clear()
        return codes, settings

    def without_fingerprint(self) -> Iterator[Diagnostic]:
        """Tasks that are to be skipped and never can be, since nobody can tell what has changed."""
        for job in self._plan.jobs:
            task = job.task
            if task.skippable:
                if self._fingerprints.of(function_of(task)) is None:
                    why = self._fingerprints.reason(function_of(task))
                    yield _always_run(task, ("function",), f"its code cannot be read: {why}")
                for name, nodes in (("inputs", task.inputs), ("outputs", task.outputs)):
                    yield from self._unmarked(task, name, nodes)

    def _unmarked(self, task: TaskConfig, name: str, nodes: Sequence[str]) -> Iterator[Diagnostic]:
        for index, node in enumerate(nodes):
            config = self._plan.data_nodes[node]
            if not config.options.is_marked:
                kind = config.storage_type
                why = f"nobody can tell whether {kind} data node `{node}` has changed"
                yield _always_run(task, (name, index), why)

    def _compared(
        self, task: TaskConfig, code: Fingerprint | None, basis: Basis, before: Trace
    ) -> Verdict:
        """The first reason to run, in the order in which a reader wants to know."""
        if code is None:
            return Verdict(skip=False, reason="no fingerprint:", detail=str(task.function))
        if code.digest != before.code:
            return self._changed_code(code, before)
        if basis.settings != before.settings:
            known = json.loads(self._past.settings(before.settings) or "{}")
            return changed_setting(self._settings_of(task), known)
        changed = changed_inputs(task, basis, before)
        if changed is not None:
            return self._told_by_whom(changed)
        changed = changed_outputs(task, basis, before) or self._expired(task, before)
        return changed or up_to_date(before.run)

    def _changed_code(self, code: Fingerprint, before: Trace) -> Verdict:
        parts = self._past.code(before.code)
        change = (
            None if parts is None else difference(from_plain(json.loads(parts)).by_name(), code)
        )
        if change is None:
            return Verdict(skip=False, reason="code changed")
        what, how, where = str(change).split(" ", 2)
        return Verdict(skip=False, reason=f"{what} {how}", detail=where)

    def _basis(self, task: TaskConfig, code: Fingerprint | None) -> Basis:
        inputs = self._marks_of(task.inputs)
        return Basis(
            code=None if code is None else code.digest,
            settings=self._digest_of(task),
            inputs={node: mark and mark.fingerprint for node, mark in inputs.items()},
            outputs=self._marks_of(task.outputs),
        )

    def _marks_of(self, nodes: Sequence[str]) -> dict[str, Mark | None]:
        marks = self._marks
        return {node: marks[node] if node in marks else self._look_at(node) for node in nodes}

    def _look_at(self, node: str) -> Mark | None:
        row = self._past.rows.get(self._instance.places[node].key)
        known = None if row is None else known_mark(row)
        self._marks[node] = mark = self._instance.storages[node].mark(known)
        return mark

    def _inputs_are_as_they_were(self, task: TaskConfig) -> bool:
        """Whether what a job read is still there, so that its trace tells what it has read."""
        storages = self._instance.storages
        known = self._marks_of(task.inputs)
        return all(storages[node].mark(mark) == mark for node, mark in known.items())

    def _may_be_stale(self, code: Fingerprint) -> bool:
        """Whether this very process may have imported another code than the files hold now."""
        if self._plan.mode is not Mode.DEVELOPMENT:
            return False
        return any(self._was_edited(file) for file in {part.file for part in code.parts})

    def _was_edited(self, file: str) -> bool:
        """Whether a file was written since this process has begun, as far as that can be told."""
        if file not in self._edited:
            path = self._fingerprints.application / file
            self._edited[file] = path.is_file() and path.stat().st_mtime > _BEGUN
        return self._edited[file]

    def _told_by_whom(self, changed: Verdict) -> Verdict:
        row = self._past.rows.get(self._instance.places[changed.detail].key)
        if row is None or row.run is None:
            return changed
        return changed._replace(detail=f"{changed.detail} (written by run {row.run})")

    def _expired(self, task: TaskConfig, before: Trace) -> Verdict | None:
        """Of the first output that is too old, whoever has written it last: it may be shared."""
        for node in task.outputs:
            validity = self._plan.data_nodes[node].validity_period
            if validity is None:
                continue
            row = self._past.rows.get(self._instance.places[node].key)
            written = before.ended if row is None else max(before.ended, row.written)
            verdict = expired(written, validity, self._now)
            if verdict is not None:
                return verdict
        return None

    def _settings_of(self, task: TaskConfig) -> Settings:
        settings = {
            f"TASK.{task.id}.function": str(task.function),
            f"TASK.{task.id}.inputs": ", ".join(task.inputs),
            f"TASK.{task.id}.outputs": ", ".join(task.outputs),
        }
        for node_id in (*task.inputs, *task.outputs):
            settings |= _of_node(self._plan.data_nodes[node_id])
        return settings

    def _digest_of(self, task: TaskConfig) -> str:
        """Tells one of `_settings_of` from another, at a fraction of its cost."""
        inputs, outputs, texts = task.inputs, task.outputs, self._texts
        for node_id in (*inputs, *outputs):
            if node_id not in texts:
                texts[node_id] = _text_of(self._plan.data_nodes[node_id])
        nodes = [texts[node_id] for node_id in (*inputs, *outputs)]
        text = "\0".join((function_of(task).name, *inputs, "->", *outputs, *nodes))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _always_run(task: TaskConfig, key: KeyPath, why: str) -> Diagnostic:
    return Diagnostic(
        code="RUN704",
        key=("TASK", task.id, *key),
        message=f"`{task.id}` is run each time: {why}",
        severity=Severity.WARNING,
    )


def _of_node(node: DataNodeConfig) -> dict[str, str]:
    """What the config says of a data node, without secrets and what changes no content."""
    start = f"DATA_NODE.{node.id}"
    settings = {f"{start}.storage_type": node.storage_type, f"{start}.scope": node.scope.value}
    for name, value in _told_of(node.options):
        settings[f"{start}.{name}"] = json.dumps(_without_secrets(value), default=str)
    return settings


def _text_of(node: DataNodeConfig) -> str:
    """Tells one of `_of_node` from another, at a fraction of its cost."""
    told = [
        (name, value if type(value) is str else json.dumps(_without_secrets(value), default=str))
        for name, value in _told_of(node.options)
    ]
    return f"{node.storage_type} {node.scope.value} {told}"


def _told_of(options: StorageOptions) -> list[tuple[str, Any]]:
    """What is said of a data node beside its storage type and its scope, but for secrets."""
    names = _open_keys(type(options))  # type: ignore[arg-type]  # a class can be hashed
    return [(name, value) for name in names if (value := getattr(options, name)) is not None]


@functools.cache
def _open_keys(options: type[StorageOptions]) -> tuple[str, ...]:
    return tuple(name for name in field_names(options) if not is_secret_key(name))


def _without_secrets(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {key: _without_secrets(value[key]) for key in value if not is_secret_key(str(key))}


def known_mark(row: NodeRow) -> Mark | None:
    """What a data node was marked with when it was recorded; None: it was not."""
    if row.fingerprint is None or row.stamp is None:
        return None
    return Mark(row.fingerprint, row.stamp, row.size or 0, row.rows)


def _traces_of(rows: Sequence[TraceRow]) -> Iterator[Trace]:
    inputs, outputs = _parsed([row.inputs for row in rows]), _parsed([row.outputs for row in rows])
    for row, read, written in zip(rows, inputs, outputs, strict=True):
        yield Trace(
            run=row.run,
            ended=row.ended,
            code=row.code or "",
            settings=row.settings or "",
            inputs=read,
            outputs=written,
        )


def _parsed(texts: Iterable[str | None]) -> list[dict[str, str]]:
    """JSON objects, read all at once: one by one takes three times as long."""
    found: list[dict[str, str]] = json.loads(f"[{','.join(text or '{}' for text in texts)}]")
    return found
