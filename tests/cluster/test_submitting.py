"""Submissions in cluster mode: from Python, from several processes, and what tasks ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machines import KEY, STEPS, Ground, Make, chain, once

from runner import Config, ConfigBuilder, ConfigError, Core, JobStatus, SubmissionStatus
from runner.config.model import Mode


@pytest.fixture
def here(broker_url: str, ground: Make, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A chain of two, of which the second one is held, and a worker."""
    monkeypatch.setenv("RUNNER_TEST_BROKER", broker_url)
    monkeypatch.setenv("RUNNER_CLUSTER_KEY", KEY)
    here = ground(chain(2))
    here.hold("t1", "a")
    here.worker(broker_url, "a")
    return here


@pytest.fixture
def core(here: Ground) -> Iterator[Core]:
    config = Config.load(here.folder / "runner.toml")
    with Core(config, mode=Mode.CLUSTER) as core:
        yield core


def test_a_submission_is_waited_for(here: Ground, core: Core) -> None:
    scenario = core.create_scenario("default")

    submission = scenario.submit()
    here.reach("t1", "a")

    assert submission.wait(timeout=0.01) is SubmissionStatus.RUNNING
    assert submission.job_status("t0") is JobStatus.COMPLETED
    here.free("t1", "a")
    assert submission.wait() is SubmissionStatus.COMPLETED
    assert scenario.data_nodes["d_t1"].read() == here.golden()["t1"]


def test_a_submission_has_only_so_much_time(here: Ground, core: Core) -> None:
    """Whoever waits for it goes on; so does the submission."""
    scenario = core.create_scenario("default")

    submission = scenario.submit(wait=True, timeout=0.5)

    assert submission.status is SubmissionStatus.RUNNING
    here.reach("t1", "a")
    here.free("t1", "a")
    assert submission.wait() is SubmissionStatus.COMPLETED


def test_a_submission_is_canceled(here: Ground, core: Core) -> None:
    submission = core.create_scenario("default").submit()
    here.reach("t1", "a")

    submission.cancel()

    assert submission.wait() is SubmissionStatus.CANCELED
    assert submission.job_status("t0") is JobStatus.COMPLETED
    assert submission.job_status("t1") is JobStatus.CANCELED
    assert here.commits() == {"t0": 1}


def test_a_core_that_is_closed_leaves_the_worker_free(
    broker_url: str, here: Ground, core: Core
) -> None:
    core.create_scenario("default").submit()
    here.reach("t1", "a")
    core.close()
    here.free("t1", "a")

    assert here.run(broker_url).end() == 0


def test_a_function_that_has_no_name_is_refused(tmp_path: Path) -> None:
    """Messages name tasks: no function travels to a worker."""
    builder = ConfigBuilder()
    builder.configure_job_executions(mode="cluster", broker_url="amqp://localhost")
    node = builder.configure_data_node("node", storage_type="pickle")
    task = builder.configure_task("task", lambda: 1, output=node)
    builder.configure_scenario("scenario", [task])

    with pytest.raises(ConfigError) as caught:
        Core(builder.build())

    assert [each.code for each in caught.value.diagnostics] == ["RUN307"]


def test_several_processes_share_a_worker(broker_url: str, ground: Make) -> None:
    """Each has its own jobs back, and they run side by side."""
    names = ("one", "two", "three")
    more = "".join(f'[SCENARIO.{each}]\ntasks = ["t0", "t1", "t2"]\n' for each in names)
    here = ground(chain(3))
    here.change("runner.toml", "[JOB]\n", f"{more}[JOB]\n")
    here.hold("t1", "a")
    here.worker(broker_url, "a", slots=3)

    runs = [here.run(broker_url, "-s", each) for each in names]
    here.reach("t1", "a")
    here.free("t1", "a")

    assert [(run.end(), run.text) for run in runs if run.end()] == []
    assert here.commits() == {task: 3 * count for task, count in once(here.tasks).items()}


def test_a_task_that_takes_too_long_is_tried_again(broker_url: str, ground: Make) -> None:
    here = ground(chain(2))
    limits = '[TASK.t0]\n"timeout" = "1s"\n"retries" = 1\n'
    here.write(
        steps=STEPS.replace(
            "    seed =",
            '    if task == "t0" and len((HERE / "ran" / "t0").read_text().splitlines()) == 1:\n'
            "        time.sleep(60)\n"
            "    seed =",
        )
    )
    here.change("runner.toml", "[TASK.t0]\n", limits)
    here.worker(broker_url, "a")

    run = here.run(broker_url)

    assert run.end() == 0, run.text
    assert here.calls() == {"t0": 2, "t1": 1}
    assert here.commits() == once(here.tasks)
