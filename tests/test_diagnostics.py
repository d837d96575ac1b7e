from __future__ import annotations

import re

import pytest

from runner.diagnostics import CODES, Diagnostic, Severity, has_errors


@pytest.mark.parametrize(
    ("diagnostic", "text"),
    [
        pytest.param(
            Diagnostic(
                code="RUN201",
                message="unknown data node `rwa`",
                key=("TASK", "clean", "inputs", 0),
                hint="did you mean `raw`?",
            ),
            "TASK.clean.inputs.0: error[RUN201]: unknown data node `rwa` (did you mean `raw`?)",
            id="key-and-hint",
        ),
        pytest.param(
            Diagnostic(code="RUN208", message="nothing to do", key=("SCENARIO", "s")),
            "SCENARIO.s: warning[RUN208]: nothing to do",
            id="no-hint",
        ),
        pytest.param(
            Diagnostic(code="RUN101", message="expected ="),
            "error[RUN101]: expected =",
            id="no-key",
        ),
    ],
)
def test_a_diagnostic_as_one_line(diagnostic: Diagnostic, text: str) -> None:
    assert str(diagnostic) == text


def test_the_severity_is_that_of_the_code() -> None:
    assert Diagnostic(code="RUN103", message="m").severity is Severity.WARNING
    assert Diagnostic(code="RUN104", message="m").severity is Severity.ERROR


def test_the_severity_can_be_another() -> None:
    diagnostic = Diagnostic(code="RUN103", message="m", severity=Severity.ERROR)
    assert diagnostic.is_error


def test_the_slug_is_that_of_the_code() -> None:
    assert Diagnostic(code="RUN201", message="m").slug == "unknown-data-node"


def test_only_errors_are_errors() -> None:
    warning = Diagnostic(code="RUN103", message="m")
    error = Diagnostic(code="RUN104", message="m")
    assert not has_errors([])
    assert not has_errors([warning])
    assert has_errors([warning, error])


def test_every_code_and_slug_is_well_formed_and_one_of_a_kind() -> None:
    slugs = [code.slug for code in CODES.values()]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"RUN\d{3}", code) for code in CODES)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in slugs)
