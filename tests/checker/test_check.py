from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.checker.check import check
from runner.config.loader import load

SECTIONS = (
    "[JOB]\nbroker_url = 'amqp://me:hunter2@host'\n",
    "[DATA_NODE.raw]\ndefault_data = 1\n",
    "[DATA_NODE.clean_data]\nscope = 'CYCLE'\n",
    "[DATA_NODE.nowhere]\n",
    "[DATA_NODE.a-b]\n",
    "[DATA_NODE.base]\nstorage_type = 'generic'\n",
    "[TASK.clean]\nfunction = 'm.f'\ninputs = ['raw', 'rwa']\noutputs = ['clean_data']\n",
    "[TASK.train]\nfunction = 'm.f'\ninputs = ['clean_data', 'nowhere']\n",
    "[TASK.own]\nfunction = 'm.f'\ninputs = ['base']\noutputs = ['base']\n",
    "[TASK.incomplete]\n",
    "[SCENARIO.daily]\ntasks = ['clean', 'train', 'tarin', 'own']\n",
    "[SCENARIO.daily.sequences]\nlast = ['incomplete']\n",
    "[SCENARIO.empty]\n",
    "[SCENARIO.alone]\ntasks = ['train']\nfrequency = 'DAILY'\n",
)
EXPECTED = {
    "RUN104": 2,
    "RUN115": 1,
    "RUN116": 1,
    "RUN118": 1,
    "RUN201": 1,
    "RUN202": 1,
    "RUN205": 1,
    "RUN206": 2,
    "RUN207": 1,
    "RUN208": 1,
    "RUN209": 1,
}


def test_all_mistakes_are_told_at_once(found: Callable[[str], list[str]]) -> None:
    codes = [line.partition("[")[2][:6] for line in found("".join(SECTIONS))]
    assert Counter(codes) == EXPECTED


@pytest.fixture(scope="module")
def in_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    path = tmp_path_factory.mktemp("order") / "runner.toml"

    def find(text: str) -> list[str]:
        path.write_text(text, encoding="utf-8")
        loaded = load([path], environ={})
        return sorted(map(str, (*loaded.diagnostics, *check(loaded.config))))

    return find


@settings(max_examples=50)
@given(sections=st.permutations(SECTIONS))
def test_the_order_of_sections_means_nothing(
    in_file: Callable[[str], list[str]], sections: list[str]
) -> None:
    assert in_file("".join(sections)) == in_file("".join(SECTIONS))


def test_an_empty_config_is_right(found: Callable[[str], list[str]]) -> None:
    assert found("") == []
