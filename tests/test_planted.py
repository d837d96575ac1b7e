"""Whatever mistake is planted into a right config, `check` tells it: there, and nowhere else."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mistakes import KINDS, plant
from pipelines import Pipeline, from_examples, generated
from planted import Verdict, judged

LEAST = 0.99
"""Of the mistakes that are planted, how many are told right."""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return generated(tmp_path_factory.mktemp("generated"), seed=0)


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory, large: Pipeline) -> list[Pipeline]:
    return [*from_examples(tmp_path_factory.mktemp("examples")), large]


def test_mistakes_are_told_where_they_are(pipelines: list[Pipeline], large: Pipeline) -> None:
    verdicts: list[Verdict] = []

    @settings(
        max_examples=8,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(pipeline=st.sampled_from(pipelines), seed=st.integers(0, 2**32 - 1))
    def plant_each_kind(pipeline: Pipeline, seed: int) -> None:
        random = Random(seed)
        for kind in KINDS:
            for host in (pipeline, large, *pipelines):
                planted = plant(kind, host, random)
                if planted is not None:
                    verdicts.append(judged(host, kind, planted))
                    break

    plant_each_kind()

    assert {verdict.kind for verdict in verdicts} == set(KINDS)
    wrong = [verdict for verdict in verdicts if verdict.outcome != "right"]
    assert len(wrong) <= (1 - LEAST) * len(verdicts), "\n\n".join(map(str, wrong))
