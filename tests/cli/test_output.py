from __future__ import annotations

from pathlib import Path

import pytest

from runner.cli.output import Streaming
from runner.execution.jobs import JobEnd
from runner.execution.lifecycle import JobStatus
from runner.execution.worker import Output
from runner.masks import NO_MASK
from runner.store.trimming import trim


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "w.log"
    path.write_bytes(b"of another\none\ntwo \x1b[31m\nhalf")
    return path


def ended(start: int, end: int) -> JobEnd:
    return JobEnd("build", JobStatus.COMPLETED, output=Output("w.log", start, end))


def test_what_a_job_printed_is_shown_when_it_ends(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Streaming(log.parent, "never", NO_MASK).ended(ended(11, log.stat().st_size))

    assert capsys.readouterr() == ("", "build | one\nbuild | two \\x1b[31m\nbuild | half\n")


def test_while_it_runs_whole_lines_are_shown_once(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streaming = Streaming(log.parent, "never", NO_MASK)
    so_far = Output("w.log", 11, 15)
    streaming.look([("build", so_far)])
    assert capsys.readouterr().err == "build | one\n"

    streaming.look([("build", so_far)])
    streaming.look([("build", Output("w.log", 11, log.stat().st_size))])
    assert capsys.readouterr().err == "build | two \\x1b[31m\n"

    streaming.ended(ended(11, log.stat().st_size))
    assert capsys.readouterr().err == "build | half\n"


def test_of_a_log_that_was_trimmed_no_line_is_shown_twice(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streaming = Streaming(log.parent, "never", NO_MASK)
    log.write_bytes(b"of another\n" + b"".join(b"line %d\n" % each for each in range(20_000)))
    streaming.look([("build", Output("w.log", 11, log.stat().st_size))])
    assert capsys.readouterr().err.endswith("\nbuild | line 19999\n")
    with log.open("ab") as more:
        more.write(b"last\n")

    end = trim(str(log), 11, log.stat().st_size, 1 << 16, NO_MASK)
    streaming.look([("build", Output("w.log", 11, end))])
    streaming.ended(ended(11, end))

    assert end < 1 << 17
    assert capsys.readouterr().err == "build | last\n"


def test_a_job_that_printed_nothing_shows_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Streaming(tmp_path, "never", NO_MASK).ended(JobEnd("quiet", JobStatus.COMPLETED))

    assert capsys.readouterr() == ("", "")
