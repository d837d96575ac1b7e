"""`runner run-worker`: a worker of the cluster mode."""

from __future__ import annotations

import os
import sys

import click

from runner.cli.loading import load_and_check, refuse_errors
from runner.cli.options import Common, common_options, workers_option
from runner.config.model import Config
from runner.errors import ExitCode


@click.command(name="run-worker", context_settings={"help_option_names": ["-h", "--help"]})
@workers_option
@common_options
def command(common: Common, workers: int | None) -> int:
    """Work for runs in cluster mode, until SIGTERM comes: then what runs is finished."""
    from runner.execution.cluster.link import places
    from runner.execution.cluster.sealing import key_of
    from runner.execution.cluster.service import Service
    from runner.execution.instance import storage_folder

    def load() -> Config:
        checked = load_and_check(common)
        refuse_errors(checked, common)
        return _with_workers(checked.config, workers)

    config = load()
    key = key_of(os.environ, storage_folder(config).absolute())
    service = Service(load, key)
    where = f"queue `{config.job.queue}` at {places(config.job.broker_url)}"
    print(
        f"worker {service.name} takes jobs from {where}, {service.slots} at once,"
        f" for {config.application_path}",
        file=sys.stderr,
        flush=True,
    )
    service.run()
    return ExitCode.DONE


def _with_workers(config: Config, workers: int | None) -> Config:
    import attrs

    if workers is None:
        return config
    return attrs.evolve(config, job=attrs.evolve(config.job, max_nb_of_workers=workers or None))
