from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are processes of Linux")

# In a process of its own, since it changes that.
PROGRAM: Final = """
import os, resource, signal, subprocess, sys, threading, time
from runner.execution.housekeeping import Housekeeping

NOWHERE = dict.fromkeys(['stdout', 'stderr'], subprocess.DEVNULL)

def state():
    old = os.umask(0)
    os.umask(old)
    return (
        os.getcwd(), dict(os.environ), list(sys.path), sys.getrecursionlimit(), old,
        [signal.getsignal(n) for n in (2, 15, 1, 14)],
        signal.pthread_sigmask(signal.SIG_BLOCK, ()), sys.stdout, sys.stderr,
    )

kept = Housekeeping()
before = state()
exec(sys.argv[1])
print(*(state() == before, kept.tidy(thoroughly={}), state() == before), file=sys.__stderr__)
for pid in [p.pid] if "p" in globals() else []:
    os.kill(pid, 9)
os._exit(0)
"""


def tidied(folder: Path, change: str, *, thoroughly: bool = True) -> str:
    """Whether all was as before; whether it could be put back; and whether it was."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(thoroughly), change],
        cwd=folder, capture_output=True, text=True, check=False, timeout=15,
    )  # fmt: skip
    return ended.stderr.strip()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("os.chdir('/')", id="folder"),
        pytest.param("os.environ['ODD'] = '1'", id="variable"),
        pytest.param("os.environ.pop('PATH')", id="variable-that-is-gone"),
        pytest.param("os.environ.clear()", id="no-variables"),
        pytest.param("sys.path.insert(0, '/x')", id="path"),
        pytest.param("sys.setrecursionlimit(5000)", id="recursion-limit"),
        pytest.param("os.umask(0o7)", id="umask"),
        pytest.param("signal.signal(2, signal.SIG_IGN)", id="handler"),
        pytest.param("signal.pthread_sigmask(signal.SIG_BLOCK, [15])", id="mask"),
        pytest.param("sys.stdout = None", id="stdout"),
        pytest.param("sys.stderr = sys.stdout", id="stderr"),
    ],
)
def test_it_is_put_back(tmp_path: Path, change: str) -> None:
    assert tidied(tmp_path, change) == "False True True"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("os.chdir('/')", id="folder"),
        pytest.param("os.environ['ODD'] = '1'", id="variable"),
        pytest.param("sys.stdout = None", id="stdout"),
        pytest.param("sys.path.append('/x')", id="path"),
        pytest.param("sys.path = ['/x']", id="another-path"),
        pytest.param("sys.setrecursionlimit(5000)", id="recursion-limit"),
        pytest.param("os.umask(0o7)", id="umask"),
    ],
)
def test_some_of_it_is_put_back_at_once(tmp_path: Path, change: str) -> None:
    assert tidied(tmp_path, change, thoroughly=False) == "False True True"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("os.close(1)", id="closed-descriptor"),
        pytest.param("os.dup2(os.open('/dev/null', os.O_WRONLY), 1)", id="other-descriptor"),
        pytest.param("sys.stdout.close()", id="closed-stream"),
        pytest.param("threading.Thread(target=time.sleep, args=(99,)).start()", id="thread"),
        pytest.param("resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))", id="limit"),
        pytest.param("p = subprocess.Popen(['sleep', '9'], **NOWHERE)", id="child"),
    ],
)
def test_it_cannot_be_put_back(tmp_path: Path, change: str) -> None:
    assert tidied(tmp_path, change).split()[1] == "False"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))", id="limit"),
        pytest.param("p = subprocess.Popen(['sleep', '9'], **NOWHERE)", id="child"),
    ],
)
def test_some_of_it_cannot_be_put_back_and_that_is_seen_at_once(
    tmp_path: Path, change: str
) -> None:
    assert tidied(tmp_path, change, thoroughly=False).split()[1] == "False"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("pass", id="nothing"),
        pytest.param("subprocess.run(['true'])", id="child-that-has-ended"),
        pytest.param("subprocess.Popen(['true']).wait()", id="child-that-was-waited-for"),
        pytest.param("t = threading.Thread(target=int); t.start(); t.join()", id="thread-over"),
        pytest.param(
            "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()", id="daemon"
        ),
        pytest.param("os.chdir(os.getcwd()); os.environ['PATH'] = os.environ['PATH']", id="same"),
    ],
)
def test_what_is_left_alone(tmp_path: Path, change: str) -> None:
    assert tidied(tmp_path, change) == "True True True"


def test_a_folder_that_is_gone_cannot_be_gone_back_to(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()

    assert tidied(here, "f = os.getcwd(); os.chdir('/'); os.rmdir(f)").split()[1] == "False"


def test_children_that_have_ended_are_reaped(tmp_path: Path) -> None:
    """Also those that nobody waited for: they would be there as long as the worker."""
    change = (
        "pid = os.posix_spawn('/bin/true', ['true'], {}); "
        "os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)"
    )

    assert tidied(tmp_path, change) == "True True True"


def test_what_modules_change_when_they_are_imported_is_kept(tmp_path: Path) -> None:
    change = "os.environ['MODULE'] = '1'; kept.remember(); before = state(); os.chdir('/')"

    assert tidied(tmp_path, change) == "False True True"
