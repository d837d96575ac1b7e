from __future__ import annotations

import os
import subprocess
import sys

import attrs
import pytest

from runner.store.processes import Process, this_process

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="rests on /proc")
SAYS_WHO_IT_IS = """\
import attrs
from runner.store.processes import this_process
print(*attrs.astuple(this_process()), flush=True)
input()
"""


def test_this_process_lives() -> None:
    me = this_process()

    assert me.pid == os.getpid()
    assert me.is_alive()


def test_another_lives_until_it_ends() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", SAYS_WHO_IT_IS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        pid, host, start = child.stdout.readline().split()
        other = Process(int(pid), host, start)
        assert other.is_alive()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended and is waited for
        assert other.is_alive() is False
    assert other.is_alive() is False


@LINUX
def test_a_number_that_is_used_again_is_of_another_process() -> None:
    me = this_process()
    boot, namespace, ticks = me.start.split("/")

    before = attrs.evolve(me, start=f"{boot}/{namespace}/{int(ticks) - 1}")
    last_boot = attrs.evolve(me, start=f"00000000/{namespace}/{ticks}")

    assert before.is_alive() is False
    assert last_boot.is_alive() is False


@LINUX
def test_what_cannot_be_seen_from_here_may_live() -> None:
    me = this_process()
    boot, _, ticks = me.start.split("/")

    assert attrs.evolve(me, host=f"not-{me.host}").is_alive() is None
    assert attrs.evolve(me, start=f"{boot}/1/{ticks}").is_alive() is None


def test_without_its_start_the_number_counts() -> None:
    assert attrs.evolve(this_process(), start="").is_alive()


@LINUX
def test_numbers_that_none_can_have() -> None:
    me = this_process()

    assert attrs.evolve(me, pid=2**22 + 1).is_alive() is False  # above pid_max
    assert attrs.evolve(me, pid=2**70).is_alive() is False
