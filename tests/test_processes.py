from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runner.processes import started


def test_this_process_has_a_start_that_stays() -> None:
    assert started(os.getpid()) is not None
    assert started(os.getpid()) == started(os.getpid())


@pytest.mark.parametrize("pid", [4_194_305, 2**70], ids=["too-high", "no-number-at-all"])
def test_no_process_has_that_number(pid: int) -> None:
    assert started(pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else tells")
def test_one_that_is_only_waited_for_does_not_live() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert started(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert started(process.pid) is None
