"""`runner compare` as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = """\
[DATA_NODE.raw]
default_data = [1, 2]

[DATA_NODE.total]
storage_type = "json"

[TASK.sum]
function = "shop.total"
inputs = ["raw"]
outputs = ["total"]

[SCENARIO.monthly]
tasks = ["sum"]
"""
COMPARATORS: Final = """\
[SCENARIO.monthly.comparators]
total = ["shop.largest", "shop.ratio"]
raw = "shop.table"
"""
FUNCTIONS: Final = """\
def total(raw):
    return sum(raw)


def largest(*totals):
    print("comparing")
    return max(totals)


async def ratio(first, *others):
    return [each / first for each in others]


def table(*values):
    values[0].append(7)
    return [{"first": value[0], "last": value[-1]} for value in values]


def both(first, second):
    raise ValueError("cannot\\ncompare")


def asks(*values):
    return open


def leaves(*values):
    raise SystemExit(3)
"""


@pytest.fixture
def shop(write: Any, cli: Any) -> Path:
    folder: Path = write({"runner.toml": CONFIG + COMPARATORS, "shop.py": FUNCTIONS})
    for name, raw in (("may", "[1, 2]"), ("june", "[5, 4]"), ("july", "[0]")):
        made = ("--name", name, "--set", f"DATA_NODE.raw.default_data={raw}")
        assert cli("execute", "-q", *made).code == 0
    return folder


def compares(shop: Path, comparators: str) -> None:
    text = f"{CONFIG}[SCENARIO.monthly.comparators]\n{comparators}\n"
    (shop / "runner.toml").write_text(text, encoding="utf-8")


def test_a_comparison(cli: Any, shop: Path) -> None:
    ended = cli("compare", "may", "june", "july")

    assert (ended.code, ended.err) == (0, "comparing\n")
    assert ended.out == (
        "may, june and july of monthly\n"
        "\n"
        "total\n"
        "  shop.largest  9\n"
        "  shop.ratio    [3.0, 0.0]\n"
        "\n"
        "raw\n"
        "  shop.table\n"
        "    first  last\n"
        "        1     7\n"
        "        5     4\n"
        "        0     0\n"
    )


def test_values_come_in_the_order_of_the_names(cli: Any, shop: Path) -> None:
    compares(shop, 'total = "shop.ratio"')

    assert "[0.3333333333333333]" in cli("compare", "june", "may").out
    assert "[3.0]" in cli("compare", "may", "june").out


def test_what_a_comparator_changes_is_its_own(cli: Any, shop: Path) -> None:
    compares(shop, 'raw = ["shop.table", "shop.table"]')

    first, again = (
        cli("compare", "may", "june").out.partition("raw\n")[2].split("  shop.table\n")[1:]
    )

    assert first == again == "    first  last\n        1     7\n        5     4\n"
    assert cli("data", "read", "raw", "--name", "may").out == "[1, 2]\n"


def test_a_comparator_that_raises_takes_no_other_with_it(cli: Any, shop: Path) -> None:
    compares(shop, 'total = ["shop.both", "shop.largest"]')

    ended = cli("compare", "may", "june")

    assert ended.code == 1
    assert ended.out.partition("\n\n")[2] == (
        "total\n  shop.both     failed[RUN601]: ValueError: cannot ...\n  shop.largest  9\n"
    )
    assert ended.err == (
        "comparing\n"
        "\n"
        "error[RUN601]: comparator `shop.both` of `total` failed: ValueError: cannot ...\n"
        "  --> shop.py:20 in both\n"
        "   |\n"
        '20 |     raise ValueError("cannot\\ncompare")\n'
        "   |\n"
    )


@pytest.mark.parametrize(
    ("comparator", "told"),
    [
        pytest.param("both", "TypeError: both() takes 2 positional arguments but 3 were given",
                     id="arguments"),
        pytest.param("leaves", "SystemExit: 3", id="exits"),
    ],
)  # fmt: skip
def test_other_ways_to_fail(cli: Any, shop: Path, comparator: str, told: str) -> None:
    compares(shop, f'total = "shop.{comparator}"')

    ended = cli("compare", "may", "june", "july")

    assert ended.code == 1
    assert f"\n  shop.{comparator}  failed[RUN601]: {told}\n" in ended.out


def test_a_result_of_which_json_has_nothing(cli: Any, shop: Path) -> None:
    compares(shop, 'total = "shop.asks"')

    assert cli("compare", "may", "june").out.endswith("  shop.asks  <built-in function open>\n")
    (told,) = json.loads(cli("compare", "may", "june", "--format", "json").out)["comparisons"]
    assert (told["result"], told["text"]) == (None, "<built-in function open>")


def test_a_value_that_is_missing(cli: Any, shop: Path) -> None:
    cli("data", "reset", "total", "--name", "june")

    ended = cli("compare", "may", "june")

    path = "<folder>/.runner/data/scenarios/june/total.json"
    why = f"june: data node `total` has no value yet: no file {path}"
    assert ended.code == 1
    assert f"  shop.largest  failed[RUN604]: {why}\n" in ended.out
    assert "    first  last\n        1     7\n        5     4\n" in ended.out
    assert ended.err.splitlines()[1:2] == [
        f"error[RUN604]: comparator `shop.largest` of `total` failed: {why}"
    ]


def test_a_module_that_cannot_be_imported(cli: Any, shop: Path) -> None:
    compares(shop, 'total = "late.compare"')
    (shop / "late.py").write_text("def compare(*values): pass\n1 / 0\n", encoding="utf-8")

    ended = cli("compare", "may", "june")

    why = "`late.compare` cannot be imported: ZeroDivisionError: division by zero"
    assert (ended.code, ended.out.splitlines()[-1]) == (
        1,
        f"  late.compare  failed[RUN301]: {why}",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "name two scenarios or more\n  = help: there are may, june, july",
                     id="none"),
        pytest.param(["may"], "name two scenarios or more\n  = help: there are may, june, july",
                     id="one"),
        pytest.param(["may", "june", "may"],
                     "`may` is named twice\n  = help: name each scenario once", id="twice"),
        pytest.param(["may", "jun"], "`monthly` has no scenario `jun`\n"
                     "  = help: did you mean `june`?", id="unknown"),
        pytest.param(["may", "monthly"], "`monthly` has no scenario `monthly`\n"
                     "  = help: runner execute --name monthly makes it", id="not-run"),
        pytest.param(["-s", "mothly", "may", "june"], "unknown scenario `mothly`\n"
                     "  = help: did you mean `monthly`?", id="config"),
    ],
)  # fmt: skip
def test_usage(cli: Any, shop: Path, arguments: list[str], message: str) -> None:
    ended = cli("compare", *arguments)

    assert (ended.code, ended.out, ended.err) == (2, "", f"error: {message}\n")


def test_before_the_first_run(cli: Any, write: Any, folder: Path) -> None:
    write({"runner.toml": CONFIG + COMPARATORS, "shop.py": FUNCTIONS})

    ended = cli("compare")

    assert (ended.code, ended.err) == (
        2,
        "error: name two scenarios or more\n  = help: runner execute --name NAME makes one\n",
    )
    assert not (folder / ".runner").exists()


def test_without_comparators(cli: Any, shop: Path) -> None:
    (shop / "runner.toml").write_text(CONFIG, encoding="utf-8")

    ended = cli("compare", "may", "june")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: scenario `monthly` has no comparators\n"
        "  = help: write some under [SCENARIO.monthly.comparators]: "
        'total = "module.function"\n'
    )


def test_a_comparator_of_a_data_node_of_no_task(cli: Any, shop: Path) -> None:
    compares(shop, 'other = "shop.largest"\n[DATA_NODE.other]')

    ended = cli("compare", "may", "june")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: scenario `monthly` compares data node `other`, which is none of its own\n"
        "  = help: write it into `additional_data_nodes` of [SCENARIO.monthly]\n"
    )


def test_as_json(cli: Any, shop: Path) -> None:
    compares(shop, 'total = ["shop.largest", "shop.both"]\nraw = "shop.table"')
    schema = json.loads((ROOT / "schemas" / "compare.schema.json").read_text(encoding="utf-8"))
    validator = Draft7Validator(schema)

    ended = cli("compare", "may", "june", "--format", "json")

    document = json.loads(ended.out)
    assert (ended.code, ended.err) == (1, "comparing\n")
    assert [error.message for error in validator.iter_errors(document)] == []
    assert not validator.is_valid({**document, "more": 1})
    assert not validator.is_valid({**document, "version": 2})
    assert document["names"] == ["may", "june"]
    assert [each["result"] for each in document["comparisons"]] == [
        9,
        None,
        [{"first": 1, "last": 7}, {"first": 5, "last": 4}],
    ]
    failure = document["comparisons"][1]["failure"]
    assert failure.pop("traceback").count("  File ") == 1
    assert failure == {"code": "RUN601", "type": "ValueError", "message": "cannot ..."}
