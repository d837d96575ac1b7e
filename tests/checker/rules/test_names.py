from __future__ import annotations

from collections.abc import Callable

import pytest

NO_ID = "no id: letters, digits and underscores, no digit first"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("raw", id="word"),
        pytest.param("_raw_2", id="underscores-and-digits"),
        pytest.param("'größe'", id="letters-of-all-languages"),
        pytest.param("match", id="soft-keyword"),
        pytest.param("none", id="keyword-but-for-its-case"),
    ],
)
@pytest.mark.parametrize("section", ["DATA_NODE", "TASK", "SCENARIO"])
def test_ids_are_identifiers(found: Callable[[str], list[str]], section: str, name: str) -> None:
    assert [line for line in found(f"[{section}.{name}]\n") if "RUN115" in line] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[DATA_NODE.1st]\n",
            [f'DATA_NODE.1st: error[RUN115]: "1st" is {NO_ID} (for example `_1st`)'],
            id="digit-first",
        ),
        pytest.param(
            "[DATA_NODE.'a b']\n",
            [f'DATA_NODE.a b: error[RUN115]: "a b" is {NO_ID} (for example `a_b`)'],
            id="blank",
        ),
        pytest.param(
            "[DATA_NODE.a-b]\n",
            [f'DATA_NODE.a-b: error[RUN115]: "a-b" is {NO_ID} (for example `a_b`)'],
            id="hyphen",
        ),
        pytest.param(
            "[DATA_NODE.'']\n",
            [f'DATA_NODE.: error[RUN115]: "" is {NO_ID}'],
            id="empty",
        ),
        pytest.param(
            "[DATA_NODE.class]\n",
            ["DATA_NODE.class: error[RUN115]: `class` is a Python keyword (for example `_class`)"],
            id="keyword",
        ),
        pytest.param(
            "[TASK.a-b]\nfunction = 'm.f'\n",
            [f'TASK.a-b: error[RUN115]: "a-b" is {NO_ID} (for example `a_b`)'],
            id="task",
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'm.f'\n[SCENARIO.a-b]\ntasks = ['t']\n",
            [f'SCENARIO.a-b: error[RUN115]: "a-b" is {NO_ID} (for example `a_b`)'],
            id="scenario",
        ),
        pytest.param(
            "[TASK.t]\nfunction = 'm.f'\n"
            "[SCENARIO.s]\ntasks = ['t']\n[SCENARIO.s.sequences]\n'in' = ['t']\n",
            [
                (
                    "SCENARIO.s.sequences.in: error[RUN115]: `in` is a Python keyword "
                    "(for example `_in`)"
                )
            ],
            id="sequence",
        ),
    ],
)
def test_invalid_ids(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(text) == expected


USED = """
[DATA_NODE.raw]
default_data = 1
[DATA_NODE.kept]
[TASK.clean]
function = "m.f"
inputs = ["raw"]
[SCENARIO.daily]
tasks = ["clean"]
additional_data_nodes = ["kept"]
"""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[SCENARIO.daily.sequences]\nfirst = ['clean']\n", id="sequence"),
        pytest.param("[SCENARIO.daily.properties]\ncolour = 'red'\n", id="scenario-property"),
        pytest.param("[TASK.clean.properties]\ncolour = 'red'\n", id="task-property"),
        pytest.param("[TASK.clean.properties]\nclean = 'red'\n", id="named-like-the-task-itself"),
        pytest.param("[RUNNER]\nraw = 1\nclean = 2\ndaily = 3\n", id="application-property"),
    ],
)
def test_different_names_do_not_clash(found: Callable[[str], list[str]], text: str) -> None:
    assert found(USED + text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "[TASK.raw]\nfunction = 'm.f'\n[SCENARIO.more]\ntasks = ['raw']\n",
            ["TASK.raw: error[RUN212]: `raw` is the name of another thing: `[DATA_NODE.raw]`"],
            id="task-and-data-node",
        ),
        pytest.param(
            "[SCENARIO.clean]\ntasks = ['clean']\n",
            ["SCENARIO.clean: error[RUN212]: `clean` is the name of another thing: `[TASK.clean]`"],
            id="scenario-and-task",
        ),
        pytest.param(
            "[SCENARIO.daily.sequences]\nclean = ['clean']\n",
            [
                (
                    "SCENARIO.daily.sequences.clean: error[RUN212]: "
                    "`clean` is the name of another thing: `[TASK.clean]`"
                )
            ],
            id="sequence-and-task",
        ),
        pytest.param(
            "[SCENARIO.daily.sequences]\nkept = ['clean']\n",
            [
                (
                    "SCENARIO.daily.sequences.kept: error[RUN212]: "
                    "`kept` is the name of another thing: `[DATA_NODE.kept]`"
                )
            ],
            id="sequence-and-data-node",
        ),
        pytest.param(
            "[SCENARIO.daily.properties]\nraw = 1\n",
            [
                (
                    "SCENARIO.daily.raw: error[RUN212]: "
                    "`raw` is the name of another thing: `[DATA_NODE.raw]`"
                )
            ],
            id="property-and-data-node",
        ),
        pytest.param(
            "[SCENARIO.daily.properties]\nfirst = 1\n"
            "[SCENARIO.daily.sequences]\nfirst = ['clean']\n",
            [
                (
                    "SCENARIO.daily.first: error[RUN212]: "
                    "`first` is the name of another thing: `[SCENARIO.daily.sequences.first]`"
                )
            ],
            id="property-and-sequence",
        ),
        pytest.param(
            "[TASK.clean.properties]\nraw = 1\n",
            [
                (
                    "TASK.clean.raw: error[RUN212]: "
                    "`raw` is the name of another thing: `[DATA_NODE.raw]`"
                )
            ],
            id="property-and-data-node-of-task",
        ),
    ],
)
def test_clashing_ids(found: Callable[[str], list[str]], text: str, expected: list[str]) -> None:
    assert found(USED + text) == expected
