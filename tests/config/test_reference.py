from __future__ import annotations

import pytest

from runner.config.keys import SECTIONS, section_keys, storage_keys
from runner.config.options import STORAGE_TYPES
from runner.config.reference import TYPE_WORDS, make_reference
from runner.config.values import TYPES

PAGE = make_reference()


def part(title: str) -> str:
    """A part of the page, from its title to the next."""
    return PAGE.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]


def test_tells_every_type() -> None:
    assert TYPE_WORDS.keys() == TYPES.keys()


@pytest.mark.parametrize("section", SECTIONS)
def test_tells_every_key(section: str) -> None:
    name = f"{section}.<id>" if section in {"DATA_NODE", "TASK", "SCENARIO"} else section
    text = part(f"`[{name}]`")

    assert [key.name for key in section_keys(section) if f"`{key.name}`" not in text] == []


@pytest.mark.parametrize("storage_type", STORAGE_TYPES)
def test_tells_every_key_of_a_storage_type(storage_type: str) -> None:
    text = part(f"`{storage_type}`")

    assert [key.name for key in storage_keys(storage_type) if f"| `{key.name}` |" not in text] == []


def test_row() -> None:
    assert "| `retries` | int ≥ 0 | `0` | How many further attempts follow a failed one. |" in PAGE


def test_every_row_has_four_cells_or_two() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|")]

    assert {row.replace(r"\|", "").count("|") for row in rows} == {3, 5}
