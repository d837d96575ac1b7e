"""`runner run-worker`: a worker of the cluster mode, or who works for it."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click

from runner.cli.columns import table
from runner.cli.options import Common, OneOf, common_options, workers_option
from runner.cli.rendering import show_bug
from runner.cli.signals import signals_noted
from runner.cli.style import count, painter
from runner.errors import ExitCode, SetupError, UsageError

if TYPE_CHECKING:  # Celery takes long to import
    from runner.config.model import Config
    from runner.execution.cluster.roll import Roll


@click.command(name="run-worker", context_settings={"help_option_names": ["-h", "--help"]})
@workers_option
@click.option("--status", is_flag=True, help="Tell who works, and how much waits; do no work.")
@click.option(
    "--format", "format_", type=OneOf(["human", "json"]), default="human",
    show_default=True, help="How the status is told.",
)  # fmt: skip
@common_options
def command(common: Common, workers: int | None, *, status: bool, format_: str) -> int:
    """Work for runs in cluster mode, until SIGTERM comes: then what runs is finished."""
    if format_ != "human" and not status:
        raise UsageError("--format tells how --status is told")
    if status:
        config = _loaded(common, workers)
        _tell(common, config, _key(config), format_)
    else:
        with signals_noted() as noted:
            config = _loaded(common, workers)
            _work(common, workers, config, _key(config), noted)
    return ExitCode.DONE


def _work(
    common: Common, workers: int | None, config: Config, key: bytes, noted: Sequence[int]
) -> None:
    from runner.execution.cluster.broker import broker_of
    from runner.execution.cluster.link import count_workers, places
    from runner.execution.cluster.service import Service

    broker = broker_of(config.job, os.environ)
    count_workers(broker, config.job.queue)  # it is not tried for ever where that is refused
    service = Service(config, lambda: _loaded(common, workers), broker, key)
    where = f"queue `{config.job.queue}` at {places(broker)}"
    print(
        f"worker {service.name} takes jobs from {where}, {service.slots} at once,"
        f" for {config.application_path}",
        file=sys.stderr,
        flush=True,
    )
    threading.excepthook = _end
    service.run(is_unwanted=lambda: bool(noted))


def _end(raised: threading.ExceptHookArgs) -> None:
    """End a worker of which a thread has failed; others of its threads may wait for that for ever.

    Its job processes end with it, and its jobs go to others.
    """
    if isinstance(raised.exc_value, Exception):
        try:
            show_bug(raised.exc_value, sys.argv[1:])
        finally:
            os._exit(ExitCode.INTERNAL)


def _tell(common: Common, config: Config, key: bytes, format_: str) -> None:
    from runner.execution.cluster.broker import broker_of
    from runner.execution.cluster.roll import call_the_roll

    roll = call_the_roll(config.job, broker_of(config.job, os.environ), key)
    if format_ == "json":
        print(json.dumps(_document(roll)))
        return
    rows = [(each.name, f"{each.busy} of {each.slots}") for each in roll.workers]
    if rows:
        print("\n".join(table(("worker", "busy"), rows, painter(sys.stdout, common.color))))
        print()
    messages = count(roll.waiting, "message")
    print(f"{count(len(rows), 'worker')} on queue `{roll.queue}`, {messages} waiting")


def _document(roll: Roll) -> dict[str, Any]:
    return {
        "format": "runner.workers",
        "version": 1,
        "queue": roll.queue,
        "waiting": roll.waiting,
        "slots": roll.slots,
        "busy": roll.busy,
        "workers": [attrs.asdict(each) for each in roll.workers],
    }


def _loaded(common: Common, workers: int | None) -> Config:
    from runner.cli.loading import load_and_check, refuse_errors  # by now, signals are noted

    checked = load_and_check(common)
    refuse_errors(checked, common)
    config = checked.config
    if workers is None:
        return config
    return attrs.evolve(config, job=attrs.evolve(config.job, max_nb_of_workers=workers or None))


def _key(config: Config) -> bytes:
    try:
        import celery  # noqa: F401 - whether it is there
    except ImportError as error:
        hint = "pip install 'toml-runner[cluster]'"
        message = f"a worker of the cluster needs celery: {error}"
        raise SetupError(message, code="RUN402", hint=hint) from None
    from runner.execution.cluster.sealing import key_of
    from runner.execution.instance import storage_folder

    return key_of(os.environ, storage_folder(config).absolute())
