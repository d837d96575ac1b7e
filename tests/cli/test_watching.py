from __future__ import annotations

import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from runner.cli.watching import PAUSE, Watch

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it only looks again")
PATIENCE: Final = 10.0


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def watch(folder: Path, process: subprocess.Popen[bytes]) -> Iterator[Watch]:
    (folder / "s-1.log").touch()
    with Watch([folder], process.pid) as watch:
        yield watch


def wakes(watch: Watch) -> bool:
    thread = threading.Thread(target=watch.wait, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return not thread.is_alive()


def has_reason_to_wake(watch: Watch) -> bool:
    return bool(select.select(watch._descriptors, [], [], 0)[0])


def append(path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write("more\n")


@LINUX
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda folder: (folder / "s-2.log").touch(), id="new"),
        pytest.param(lambda folder: append(folder / "s-1.log"), id="more"),
        pytest.param(lambda folder: (folder / "s-1.log").replace(folder / "b"), id="renamed"),
        pytest.param(lambda folder: (folder / "s-1.log").unlink(), id="gone"),
    ],
)
def test_a_change_wakes(folder: Path, watch: Watch, change: Callable[[Path], object]) -> None:
    assert not has_reason_to_wake(watch)

    change(folder)

    assert wakes(watch)
    assert not has_reason_to_wake(watch)


@LINUX
def test_the_end_of_the_process_wakes(watch: Watch, process: subprocess.Popen[bytes]) -> None:
    assert not has_reason_to_wake(watch)

    process.kill()

    assert wakes(watch)


@LINUX
def test_reading_is_no_reason(folder: Path, watch: Watch) -> None:
    (folder / "s-1.log").read_bytes()

    assert not has_reason_to_wake(watch)


@LINUX
def test_nothing_is_left_open(folder: Path, process: subprocess.Popen[bytes]) -> None:
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))

    with Watch([folder], process.pid):
        pass
    with Watch([folder / "nowhere"], process.pid):
        pass

    assert len(list(descriptors.iterdir())) == before


@pytest.mark.parametrize(
    ("below", "pid"),
    [
        pytest.param("", None, id="another-machine"),
        pytest.param("nowhere", 1, id="no-folder"),
        pytest.param("", 2**22 + 1, id="no-process"),
    ],
)
def test_without_news_it_looks_again(folder: Path, below: str, pid: int | None) -> None:
    with Watch([folder / below], pid) as watch:
        begun = monotonic()
        assert wakes(watch)

    assert monotonic() - begun >= PAUSE
