"""The example is run by two workers, as its README says."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import kombu
import machines
import pytest

from runner.execution.cluster.link import Names

EXAMPLE = Path(__file__).parents[2] / "examples" / "cluster"


@pytest.fixture
def copy(tmp_path: Path, broker_url: str) -> Iterator[machines.Ground]:
    """The example's folder, on a queue of its own."""
    made = shutil.ignore_patterns(".runner", "__pycache__")
    folder = Path(shutil.copytree(EXAMPLE, tmp_path / "cluster", ignore=made))
    ground = machines.Ground(folder, (), f"test-{secrets.token_hex(6)}")
    yield ground
    ground.close()
    names = Names(ground.queue)
    with kombu.Connection(broker_url) as connection, connection.channel() as channel:
        channel.queue_delete(names.jobs)
        channel.exchange_delete(names.control)


def test_two_workers_make_the_expected_files(copy: machines.Ground, broker_url: str) -> None:
    options = ("pipeline.toml", "--set", f"JOB.queue={copy.queue}")
    for _ in range(2):
        worker = copy.command("run-worker", *options, RUNNER_BROKER_URL=broker_url)
        worker.expect("takes jobs from")

    run = copy.command("execute", *options, "--all", RUNNER_BROKER_URL=broker_url)

    assert run.end() == 0, run.text
    assert texts(copy.folder / ".runner" / "data") == texts(EXAMPLE / "expected") != {}


def texts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }
