"""A few kills of each kind; for many, python tests/crash/crash.py --times 500."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "crash/crash.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")


def test_a_few_kills(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "--times", "5", "--jobs", "80", "--keep", str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    counts = {name: int(number) for number, name in re.findall(r"(\d+)  (.+)", ended.stdout)}
    assert counts["kills that hit while it ran"] > 0
    assert counts["wrong data nodes"] == 0
    assert list(tmp_path.iterdir()) == []
