"""Jobs that ask whether they may commit, of whoever hands them out."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

import pytest

import runner
from runner import JobStatus
from runner.execution.cluster.permits import Answer
from runner.execution.executors.standalone import StandaloneExecutor
from runner.execution.worker import Call

JOBS = """\
def made():
    return 7
"""


class Told:
    """Gives such answers, one after the other: for how many seconds a call may commit.

    For so many it is known before.
    """

    def __init__(self, answers: Sequence[float], known: float = 0) -> None:
        self.left = list(answers)
        self.seconds = known

    def ask(self, _call: Call, answer: Answer) -> None:
        seconds = self.left.pop(0)
        answer(monotonic() + seconds if seconds else 0.0)

    def known(self, _call: Call) -> float:
        return monotonic() + self.seconds if self.seconds else 0.0


@pytest.mark.parametrize(
    ("known", "answers", "status"),
    [
        pytest.param(0, [60], JobStatus.COMPLETED, id="it-may"),
        pytest.param(0, [0], JobStatus.FAILED, id="it-may-not"),
        pytest.param(
            0, [-1, 60], JobStatus.COMPLETED, id="it-asks-again-when-the-answer-is-too-old"
        ),
        pytest.param(0, [-1, 0], JobStatus.FAILED, id="it-asks-again-and-may-not"),
        pytest.param(60, [], JobStatus.COMPLETED, id="it-need-not-ask"),
        pytest.param(-1, [0], JobStatus.FAILED, id="it-asks-when-what-was-known-is-too-old"),
    ],
)
def test_a_job_commits_when_it_may(
    application: Any, task: Any, known: float, answers: list[float], status: JobStatus
) -> None:
    application.module(JOBS)
    config = application.config(task("made", "jobs.made"), 1)
    told = Told(answers, known)
    executor = StandaloneExecutor(1, application.start_method, told)

    with runner.Core(config, executor=executor) as core:
        scenario = core.create_scenario("default")
        submission = scenario.submit(wait=True, timeout=60)

        assert submission.jobs[0].status is status
        assert scenario.data_nodes["made_0"].is_written == (status is JobStatus.COMPLETED)
    assert told.left == []
