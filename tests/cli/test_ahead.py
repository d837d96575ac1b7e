from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli.ahead import started_ahead
from runner.cli.options import Common
from runner.config.model import Config, JobConfig, Mode, StartMethod

STANDALONE = '[JOB]\nmode = "standalone"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.toml"
    path.write_text(STANDALONE, encoding="utf-8")
    return path


def taken_slots(
    common: Common,
    config: Config,
    running: Mode = Mode.STANDALONE,
    *,
    mode: str | None = None,
) -> int | None:
    """How many workers there are that were started ahead, once they are taken."""
    with started_ahead(common, mode, None) as ahead:
        executor = ahead.taken(config, running)
        if executor is None:
            return None
        try:
            return executor.slots
        finally:
            executor.close()


def config_of(**job: object) -> Config:
    return Config(job=JobConfig(mode=Mode.STANDALONE, **job))  # type: ignore[arg-type]  # a table of cases


def test_workers_are_started_where_the_text_asks_for_them(file: Path) -> None:
    assert taken_slots(Common(files=(str(file),)), config_of()) == 2


@pytest.mark.parametrize(
    ("text", "options"),
    [
        pytest.param('[JOB]\nmode = "development"\n', {}, id="another-mode"),
        pytest.param("[JOB]\n", {}, id="no-mode"),
        pytest.param(STANDALONE, {"mode": "development"}, id="the-option-says-another"),
        pytest.param(STANDALONE + 'start_method = "forkserver"\n', {}, id="to-be-forked"),
    ],
)
def test_none_is_started(file: Path, text: str, options: dict[str, str]) -> None:
    file.write_text(text, encoding="utf-8")

    assert taken_slots(Common(files=(str(file),)), config_of(), mode=options.get("mode")) is None


@pytest.mark.parametrize(
    ("text", "overrides", "options"),
    [
        pytest.param("", (), {"mode": "standalone"}, id="option"),
        pytest.param("", ("JOB.mode=standalone",), {}, id="set"),
        pytest.param("[JOB]\nmode = 'standalone:str'\n", (), {}, id="typed"),
    ],
)
def test_other_ways_to_ask(
    file: Path, text: str, overrides: tuple[str, ...], options: dict[str, str]
) -> None:
    file.write_text(text, encoding="utf-8")
    common = Common(files=(str(file),), overrides=overrides)

    assert taken_slots(common, config_of(), mode=options.get("mode")) == 2


@pytest.mark.parametrize("count", [1, 3])
def test_there_are_as_many_as_the_config_says_in_the_end(file: Path, count: int) -> None:
    common = Common(files=(str(file),))

    assert taken_slots(common, config_of(max_nb_of_workers=count)) == count


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        pytest.param(config_of(), Mode.DEVELOPMENT, id="mode"),
        pytest.param(
            config_of(start_method=StartMethod.FORKSERVER), Mode.STANDALONE, id="start-method"
        ),
    ],
)
def test_what_does_not_fit_is_ended(file: Path, config: Config, mode: Mode) -> None:
    assert taken_slots(Common(files=(str(file),)), config, mode) is None


def test_files_that_are_not_there_start_nothing(tmp_path: Path) -> None:
    assert taken_slots(Common(files=(str(tmp_path / "gone.toml"),)), config_of()) is None
