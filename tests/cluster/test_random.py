"""A few random faults of cluster mode; for many, python tests/cluster/faults.py --rounds 300."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import brokers
import pytest

SCRIPT = Path(__file__).with_name("faults.py")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the clocks of processes agree")


def test_a_few_faults(tmp_path: Path) -> None:
    brokers.need(own=True)

    ended = subprocess.run(
        [sys.executable, str(SCRIPT), "--rounds", "6", "--jobs", "40", "--keep", str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    counts = {name: int(number) for number, name in re.findall(r"(\d+)  (.+)", ended.stdout)}
    assert counts["faults"] > 0
    assert counts["wrong data nodes"] == 0
    assert list(tmp_path.iterdir()) == []
