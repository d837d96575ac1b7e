"""A few writers and readers of one data node; for many, python tests/concurrency/concurrency.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from runner.data.storages import STORAGES

SCRIPT = Path(__file__).parent / "concurrency/concurrency.py"
WRITERS, WRITES, READERS = 3, 40, 2
NO_FILES = frozenset({"generic", "in_memory", "mongo_collection", "s3_object", "sql"})


def contended(storage_type: str) -> subprocess.CompletedProcess[str]:
    load = ["--writers", str(WRITERS), "--writes", str(WRITES), "--readers", str(READERS)]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *load, storage_type],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize("storage_type", sorted(STORAGES.keys() - NO_FILES))
def test_no_reader_sees_half_a_value(storage_type: str) -> None:
    ended = contended(storage_type)

    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    counts = {name: int(number) for number, name in re.findall(r"(\d+)  (.+)", ended.stdout)}
    assert counts["writes"] == WRITERS * WRITES * 7 // 8
    assert counts["writes discarded"] == WRITERS * WRITES // 8
    assert counts["reads"] >= READERS
    assert [counts[name] for name in ("torn", "missing", "failed writes", "left files")] == [0] * 4
