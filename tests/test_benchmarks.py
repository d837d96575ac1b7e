"""The benchmarks run; how long anything takes is not asked here."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

COMPARE = Path(__file__).parent / "benchmarks" / "compare.py"
CASES = (
    "help",
    "check",
    "load",
    "load-large",
    "load-again",
    "run",
    "run-whole",
    "chain",
    "csv-read",
    "csv-write",
    "parquet-read",
    "parquet-write",
    "layers-2",
    "chain-2",
    "wide-2",
    "files-2",
    "again",
    "cpu-2",
    "array-2",
    "table-2",
    "first-job",
    "memory",
)
IN_CLUSTER = ("cluster-wide", "cluster-layers", "cluster-latency", "cluster-long")
"""Those that take a broker."""
WITH_PEERS = ("run", "run-whole", "wide-2", "files-2", "again")
"""Those that are compared with nothing else."""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick run prints, and what it writes."""
    file = tmp_path_factory.mktemp("benchmarks") / "compared.json"
    command = [sys.executable, str(COMPARE), "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, json.loads(file.read_text(encoding="utf-8"))


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(COMPARE.parent))
    return importlib.import_module("cases")


def test_these_are_all_cases(compared: tuple[str, dict[str, Any]], cases: ModuleType) -> None:
    expected = (*CASES, *(IN_CLUSTER if cases.is_broker_there() else ()))
    assert tuple(case["name"] for case in compared[1]["cases"]) == expected


@pytest.mark.parametrize("name", [*CASES, *IN_CLUSTER])
def test_a_case_has_a_ratio_for_each_bound(compared: tuple[str, dict[str, Any]], name: str) -> None:
    printed, document = compared
    found = [case for case in document["cases"] if case["name"] == name]
    if name in IN_CLUSTER and not found:
        pytest.skip("there is no RabbitMQ")
    (case,) = found
    ratios = [bound["ratio"] for bound in case["bounds"]]
    if name in WITH_PEERS and None in ratios:
        pytest.skip("none of its peers is installed")
    assert ratios
    assert [f"{ratio:.2f} x" for ratio in ratios if f"{ratio:>10.2f} x" not in printed] == []


def test_a_peer_that_is_not_installed_is_left_out(compared: tuple[str, dict[str, Any]]) -> None:
    printed, document = compared
    left_out = [each for case in document["cases"] for each in case["left_out"].items()]
    lines = [line for line in printed.splitlines() if line.startswith("  left out: ")]
    assert lines == [f"  left out: {label}, since {reason}" for label, reason in left_out]
    assert {reason.rpartition(" is ")[2] for _, reason in left_out} <= {"not installed"}


def test_a_quick_run_judges_nothing(compared: tuple[str, dict[str, Any]]) -> None:
    assert {bound["met"] for case in compared[1]["cases"] for bound in case["bounds"]} == {None}


def test_a_case_can_be_named(tmp_path: Path) -> None:
    file = tmp_path / "compared.json"
    command = [sys.executable, str(COMPARE), "--quick", "--case", "load", "--json", str(file)]
    subprocess.run(command, capture_output=True, check=True)
    document = json.loads(file.read_text(encoding="utf-8"))
    assert [case["name"] for case in document["cases"]] == ["load"]


@pytest.mark.parametrize(
    ("bound", "ours", "best", "ratio", "is_met"),
    [
        pytest.param({"most": 2.0}, 3.0, 2.0, 1.5, True, id="at-most"),
        pytest.param({"most": 2.0}, 5.0, 2.0, 2.5, False, id="more-than-that"),
        pytest.param({"least": 2.0}, 1.0, 3.0, 3.0, True, id="at-least-as-fast"),
        pytest.param({"least": 2.0}, 2.0, 3.0, 1.5, False, id="slower-than-that"),
        pytest.param({}, 3.0, 2.0, 1.5, None, id="told-only"),
    ],
)
def test_a_bound(
    cases: ModuleType,
    bound: dict[str, float],
    ours: float,
    best: float,
    ratio: float,
    is_met: bool | None,
) -> None:
    made = cases.Bound(**bound)
    assert made.ratio(ours, best) == ratio
    assert made.is_met(ratio) is is_met
