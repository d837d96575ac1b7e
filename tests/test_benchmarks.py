"""The benchmarks run; how long anything takes is not asked here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMPARE = Path(__file__).parent / "benchmarks" / "compare.py"
CASES = ("help", "check", "load", "load-large", "load-again", "run", "run-whole", "chain")
WITH_PEERS = ("run", "run-whole")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick run prints, and what it writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "compared.json"
    command = [sys.executable, str(COMPARE), "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))


def test_these_are_all_cases(compared: tuple[str, dict[str, Any]]) -> None:
    assert [case["name"] for case in compared[1]["cases"]] == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_a_ratio(compared: tuple[str, dict[str, Any]], name: str) -> None:
    printed, document = compared
    (case,) = [case for case in document["cases"] if case["name"] == name]
    if name in WITH_PEERS and case["ratio"] is None:
        pytest.skip("its peer is not installed")
    assert case["ratio"] > 0
    assert f"{case['ratio']:.2f} x" in printed


def test_a_quick_run_judges_nothing(compared: tuple[str, dict[str, Any]]) -> None:
    assert {case["met"] for case in compared[1]["cases"]} == {None}


def test_a_case_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "compared.json"
    command = [sys.executable, str(COMPARE), "--quick", "--case", "load", "--json", str(file)]
    subprocess.run(command, capture_output=True, check=True)
    document = json.loads(file.read_text(encoding="utf-8"))
    assert [case["name"] for case in document["cases"]] == ["load"]
