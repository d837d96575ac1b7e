from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runner.checker.check import check
from runner.config.loader import Loaded, load
from runner.functions.modules import modules_of

Find = Callable[..., list[str]]

EDGE = """
[DATA_NODE.start]
default_data = 0
[DATA_NODE.thing]
{node}
[TASK.make]
function = "m.make"
inputs = ["start"]
outputs = ["thing"]
[TASK.take]
function = "m.take"
inputs = ["thing"]
"""
DEFAULT = """
[DATA_NODE.thing]
{node}
[TASK.take]
function = "m.take"
inputs = ["thing"]
"""
TAKES = "TASK.take.inputs.0: error[RUN305]: `take` takes `thing` as"
ANY_JSON = "json gives dict, list, str, int, float, bool or None"
HEAD = """\
from __future__ import annotations
import datetime
import typing
from dataclasses import dataclass
from pathlib import Path
import numpy as np
import pandas as pd
import polars as pl

class Animal: ...
class Dog(Animal): ...
class Cat(Animal): ...
@dataclass
class Row:
    a: int
class Fields(typing.TypedDict):
    a: int
Table = pd.DataFrame
Pair: typing.TypeAlias = tuple[int, str]
"""


def other(exposed_type: str) -> str:
    """The hint that another exposed type would do."""
    gives = {"records": "list[dict]", "pandas": "DataFrame", "numpy": "ndarray"}
    return f' (`exposed_type = "{exposed_type}"` gives {gives[exposed_type]})'


@pytest.fixture
def found(tmp_path: Path) -> Find:
    """RUN305 and RUN306 of a config whose functions are in the module `m`."""

    def find(text: str, source: str) -> list[str]:
        (tmp_path / "runner.toml").write_text(text)
        (tmp_path / "m.py").write_text(HEAD + source)
        config = load([tmp_path / "runner.toml"], environ={}).config
        diagnostics = check(config, modules_of(config))
        return [str(each) for each in diagnostics if each.code in {"RUN305", "RUN306"}]

    return find


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str, Mapping[str, str]], Loaded]:
    def load_text(text: str, files: Mapping[str, str]) -> Loaded:
        (tmp_path / "runner.toml").write_text(text)
        for name, source in files.items():
            (tmp_path / name).write_text(source)
        return load([tmp_path / "runner.toml"], environ={})

    return load_text


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param("int", "str", id="scalars"),
        pytest.param("list[int]", "dict[str, int]", id="containers"),
        pytest.param("pd.DataFrame", "dict", id="table"),
        pytest.param("Table", "list", id="alias"),
        pytest.param("'pd.DataFrame'", "'typing.List[dict]'", id="texts"),
        pytest.param("int | None", "str", id="no-alternative-fits"),
        pytest.param("None", "int", id="nothing-returned"),
        pytest.param("Row", "Fields", id="record-and-dict"),
        pytest.param("Dog", "Cat", id="siblings"),
        pytest.param("str", "Path", id="text-and-path"),
        pytest.param("int", "typing.Sequence[int]", id="number-and-abc"),
        pytest.param("typing.Iterator[int]", "list[int]", id="generator"),
        pytest.param("typing.Literal['a']", "int", id="literal"),
        pytest.param("pd.DataFrame", "np.ndarray", id="table-and-array"),
        pytest.param("datetime.date", "str", id="date-and-text"),
    ],
)
def test_types_without_a_common_value(found: Find, given: str, wanted: str) -> None:
    source = f"def make(a) -> {given}:\n    return a\ndef take(b: {wanted}): ..."
    shown = [each.strip("'") for each in (wanted, given)]
    assert found(EDGE.format(node=""), source) == [f"{TAKES} {shown[0]}, `make` gives {shown[1]}"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param("int", "float", id="numeric-tower"),
        pytest.param("float", "int", id="a-float-may-be-an-int"),
        pytest.param("bool", "int", id="bool"),
        pytest.param("Dog", "Animal", id="subclass"),
        pytest.param("Animal", "Dog", id="may-be-the-subclass"),
        pytest.param("Fields", "dict[str, int]", id="typed-dict"),
        pytest.param("dict", "typing.Mapping[str, int]", id="mapping"),
        pytest.param("str", "typing.Sequence[str]", id="text-is-a-sequence"),
        pytest.param("list[str]", "list[int]", id="an-empty-list-is-both"),
        pytest.param("int | None", "int", id="may-fit"),
        pytest.param("typing.Any", "int", id="any"),
        pytest.param("object", "int", id="object"),
        pytest.param("nobody", "int", id="undefined"),
        pytest.param("pd.DataFrame", "typing.Mapping", id="library-and-abc"),
        pytest.param("pd.DataFrame", "typing.Any", id="takes-any"),
        pytest.param("np.float64", "float", id="library-class"),
        pytest.param("typing.Awaitable[int]", "int", id="awaited"),
        pytest.param("typing.NoReturn", "int", id="never"),
        pytest.param("datetime.datetime", "datetime.date", id="dates"),
    ],
)
def test_whatever_may_fit_is_left_alone(found: Find, given: str, wanted: str) -> None:
    source = f"def make(a) -> {given}:\n    return a\ndef take(b: {wanted}): ..."
    assert found(EDGE.format(node=""), source) == []


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("def make(a): ...\ndef take(b: int): ...", id="producer-not-annotated"),
        pytest.param("def make(a) -> str: ...\ndef take(b): ...", id="consumer-not-annotated"),
        pytest.param(
            "def make(a) -> None: ...\ndef take(b: int = None): ...", id="none-by-default"
        ),
        pytest.param("def make(a) -> str: ...\ndef take(*b: int): ...", id="any-number-of"),
        pytest.param("def make(a) -> str: ...\ndef take(b: int, c): ...", id="wrong-arity"),
        pytest.param("@nobody\ndef make(a) -> str: ...\ndef take(b: int): ...", id="decorator"),
        pytest.param("make = str\ndef take(b: int): ...", id="built-in"),
        pytest.param("def take(b: int): ...", id="producer-not-there"),
        pytest.param(
            "@typing.no_type_check\ndef make(a) -> str: ...\ndef take(b: int): ...", id="no-types"
        ),
        pytest.param(
            "T = typing.TypeVar('T')\ndef make(a: T) -> T: ...\ndef take(b: str): ...",
            id="variable",
        ),
    ],
)
def test_silent_where_not_all_is_known(found: Find, source: str) -> None:
    assert found(EDGE.format(node=""), source) == []


@pytest.mark.parametrize(
    ("node", "wanted", "told"),
    [
        pytest.param('storage_type = "in_memory"', "str", "`make` gives int", id="in-memory"),
        pytest.param('storage_type = "json"', "str", "`make` gives int", id="json-as-it-is"),
        pytest.param(
            'storage_type = "csv"', "list[dict]", f"csv gives DataFrame{other('records')}", id="csv"
        ),
        pytest.param(
            'storage_type = "csv"\nexposed_type = "records"',
            "Table",
            f"csv gives list[dict]{other('pandas')}",
            id="records",
        ),
        pytest.param(
            'storage_type = "parquet"',
            "np.ndarray",
            f"parquet gives DataFrame{other('numpy')}",
            id="parquet",
        ),
        pytest.param(
            'storage_type = "csv"\nexposed_type = "numpy"', "dict", "csv gives ndarray", id="numpy"
        ),
        pytest.param(
            'storage_type = "csv"\nexposed_type = "polars"',
            "dict",
            "csv gives DataFrame",
            id="polars",
        ),
        pytest.param(
            'storage_type = "csv"\nexposed_type = "m.Row:class"',
            "Row",
            "csv gives list[Row]",
            id="class",
        ),
        pytest.param(
            'storage_type = "excel"\nsheet_name = "a"',
            "dict",
            "excel gives DataFrame",
            id="excel-sheet",
        ),
        pytest.param(
            'storage_type = "excel"',
            "list",
            "excel gives dict[str, DataFrame]",
            id="excel-sheets",
        ),
        pytest.param(
            'storage_type = "excel"',
            "pd.DataFrame",
            "excel gives dict[str, DataFrame] "
            "(`sheet_name` with the name of one sheet gives DataFrame)",
            id="excel-all-for-one",
        ),
        pytest.param(
            'storage_type = "excel"\nsheet_name = ["a"]\nexposed_type = "m.Row:class"',
            "list[Row]",
            "excel gives dict[str, list[Row]] "
            "(`sheet_name` with the name of one sheet gives list[Row])",
            id="excel-list-of-one",
        ),
        pytest.param(
            'storage_type = "generic"\nread_fct = "m.read"',
            "str",
            "`m.read` gives bytes",
            id="generic",
        ),
    ],
)
def test_what_a_storage_hands_back(found: Find, node: str, wanted: str, told: str) -> None:
    source = "def make(a) -> int:\n    return a\ndef read() -> bytes: ...\n"
    assert found(EDGE.format(node=node), f"{source}def take(b: {wanted}): ...") == [
        f"{TAKES} {wanted}, {told}"
    ]


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        pytest.param('storage_type = "csv"', "pd.DataFrame", id="csv"),
        pytest.param('storage_type = "csv"\nexposed_type = "numpy"', "np.ndarray", id="numpy"),
        pytest.param('storage_type = "csv"\nexposed_type = "polars"', "pl.DataFrame", id="polars"),
        pytest.param(
            'storage_type = "csv"\nexposed_type = "records"', "list[Fields]", id="records"
        ),
        pytest.param('storage_type = "csv"\nexposed_type = "m.Row:class"', "list[Row]", id="class"),
        pytest.param('storage_type = "excel"', "dict[str, pd.DataFrame]", id="excel-sheets"),
        pytest.param('storage_type = "generic"\nread_fct = "m.read"', "bytes", id="generic"),
        pytest.param('storage_type = "generic"\nread_fct = "m.aread"', "str", id="not-awaited"),
        pytest.param('storage_type = "generic"\nwrite_fct = "m.write"', "str", id="write-only"),
        pytest.param('storage_type = "json"\ndecoder = "m.Row:class"', "Row", id="json-decoder"),
        pytest.param('storage_type = "s3_object"', "str", id="s3"),
        pytest.param('storage_type = "mongo_collection"', "list", id="mongo"),
    ],
)
def test_what_a_storage_may_hand_back(found: Find, node: str, wanted: str) -> None:
    source = "def make(a) -> complex: ...\ndef read() -> bytes: ...\ndef write(a): ...\n"
    source += "async def aread() -> bytes: ...\n"
    assert found(EDGE.format(node=node), f"{source}def take(b: {wanted}): ...") == []


@pytest.mark.parametrize(
    ("given", "wanted", "told"),
    [
        pytest.param("tuple[int, int]", "tuple", "json gives list", id="tuple"),
        pytest.param("Row", "Row", ANY_JSON, id="record"),
        pytest.param("pd.DataFrame", "pd.DataFrame", ANY_JSON, id="table"),
        pytest.param("nobody", "Path", ANY_JSON, id="unknown"),
        pytest.param("tuple[int, int] | None", "str", "json gives list or None", id="alternatives"),
        pytest.param("dict[str, int]", "list", "`make` gives dict[str, int]", id="dict"),
    ],
)
def test_json_changes_types(found: Find, given: str, wanted: str, told: str) -> None:
    source = f"def make(a) -> {given}:\n    return a\ndef take(b: {wanted}): ..."
    assert found(EDGE.format(node='storage_type = "json"'), source) == [f"{TAKES} {wanted}, {told}"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        pytest.param("tuple[int, int]", "list[int]", id="tuple-to-list"),
        pytest.param("dict[int, str]", "typing.Mapping[str, str]", id="dict"),
        pytest.param("float", "int", id="number"),
        pytest.param("nobody", "Fields", id="unknown"),
        pytest.param("typing.Sequence[int]", "list[int]", id="abc"),
        pytest.param("bool | None", "bool", id="or-none"),
    ],
)
def test_json_keeps_types(found: Find, given: str, wanted: str) -> None:
    source = f"def make(a) -> {given}:\n    return a\ndef take(b: {wanted}): ..."
    assert found(EDGE.format(node='storage_type = "json"'), source) == []


@pytest.mark.parametrize(
    ("node", "wanted", "told"),
    [
        pytest.param('default_data = "a"', "int", "its `default_data` is str", id="text"),
        pytest.param('default_data = "1:int"', "str", "its `default_data` is int", id="typed-text"),
        pytest.param(
            "default_data = [1, 2]", "tuple[int, int]", "its `default_data` is list", id="list"
        ),
        pytest.param("default_data = {a = 1}", "Row", "its `default_data` is dict", id="table"),
        pytest.param("default_data = 2024-01-02", "str", "its `default_data` is date", id="date"),
        pytest.param(
            'default_data = "m.make:function"',
            "int",
            "its `default_data` is list[int]",
            id="function",
        ),
        pytest.param(
            'storage_type = "csv"\ndefault_data = [{a = 1}]',
            "list",
            f"csv gives DataFrame{other('records')}",
            id="csv",
        ),
        pytest.param(
            'storage_type = "csv"\npath = "a.csv"', "dict", "csv gives DataFrame", id="a-file"
        ),
    ],
)
def test_defaults(found: Find, node: str, wanted: str, told: str) -> None:
    source = f"def make() -> list[int]: ...\ndef take(b: {wanted}): ..."
    assert found(DEFAULT.format(node=node), source) == [f"{TAKES} {wanted}, {told}"]


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        pytest.param("default_data = 1", "float", id="numeric-tower"),
        pytest.param("default_data = {a = 1}", "Fields", id="typed-dict"),
        pytest.param("default_data = 2024-01-02T03:04:05", "datetime.date", id="datetime"),
        pytest.param('default_data = "other:SECTION"', "int", id="section"),
        pytest.param('default_data = "m.make:function"', "list", id="function"),
        pytest.param("", "int", id="no-default"),
        pytest.param('default_data = "ENV[NOBODY]"', "int", id="unread"),
    ],
)
def test_defaults_that_may_fit(found: Find, node: str, wanted: str) -> None:
    source = f"def make() -> list[int]: ...\ndef take(b: {wanted}): ..."
    assert found(DEFAULT.format(node=node), source) == []


def test_a_written_value_counts_before_a_default(found: Find) -> None:
    source = "def make(a) -> int:\n    return a\ndef take(b: int): ..."
    assert found(EDGE.format(node='default_data = "a"'), source) == []


def test_the_default_counts_where_no_task_of_the_scenario_writes(found: Find) -> None:
    scenarios = '[SCENARIO.all]\ntasks = ["make", "take"]\n[SCENARIO.part]\ntasks = ["take"]\n'
    source = "def make(a) -> int:\n    return a\ndef take(b: int): ..."
    assert found(EDGE.format(node='default_data = "a"') + scenarios, source) == [
        "TASK.take.inputs.0: error[RUN305]: `take` takes `thing` as int, its `default_data` is str"
    ]


def test_tasks_that_never_meet_are_not_compared(found: Find) -> None:
    scenarios = '[SCENARIO.one]\ntasks = ["make"]\n[SCENARIO.other]\ntasks = ["take"]\n'
    source = "def make(a) -> int:\n    return a\ndef take(b: str): ..."
    assert found(EDGE.format(node="") + scenarios, source) == []


def test_an_edge_of_several_scenarios_is_told_once(found: Find) -> None:
    scenarios = (
        '[SCENARIO.one]\ntasks = ["make", "take"]\n[SCENARIO.two]\ntasks = ["take", "make"]\n'
    )
    source = "def make(a) -> int:\n    return a\ndef take(b: str): ..."
    assert len(found(EDGE.format(node="") + scenarios, source)) == 1


OUTPUTS = """
[DATA_NODE.a]
[DATA_NODE.b]
[TASK.split]
function = "m.split"
outputs = {outputs}
[TASK.first]
function = "m.take"
inputs = ["a"]
[TASK.second]
function = "m.take"
inputs = ["b"]
"""


@pytest.mark.parametrize(
    ("returns", "told"),
    [
        pytest.param("tuple[str, int]", ["first takes a, split gives str"], id="tuple"),
        pytest.param("tuple[int, str]", ["second takes b, split gives str"], id="second"),
        pytest.param(
            "list[str]",
            ["first takes a, split gives str", "second takes b, split gives str"],
            id="list",
        ),
        pytest.param("Pair", ["second takes b, split gives str"], id="alias"),
        pytest.param("tuple[int, ...]", [], id="any-length"),
        pytest.param("tuple", [], id="bare"),
    ],
)
def test_each_output_has_its_part(found: Find, returns: str, told: list[str]) -> None:
    source = f"def split() -> {returns}: ...\ndef take(x: int): ..."
    messages = found(OUTPUTS.format(outputs='["a", "b"]'), source)
    short = [each.rpartition("]: ")[2].replace("`", "").replace(" as int", "") for each in messages]
    assert short == told


@pytest.mark.parametrize(
    ("function", "told"),
    [
        pytest.param("def split() -> tuple[int, int, int]: ...", "3 values", id="tuple"),
        pytest.param("def split() -> tuple[()]: ...", "0 values", id="empty"),
        pytest.param("def split() -> str: ...", "a str", id="text"),
        pytest.param("def split() -> int: ...", "an int", id="number"),
        pytest.param("def split() -> pd.DataFrame: ...", "a pd.DataFrame", id="table"),
        pytest.param("def split() -> dict[str, int]: ...", "a dict[str, int]", id="dict"),
        pytest.param("def split() -> Row: ...", "a Row", id="record"),
        pytest.param("def split() -> None: ...", "None", id="none"),
        pytest.param("def split():\n    return 1, 2, 3", "3 values", id="literal"),
        pytest.param("def split():\n    return [1]", "1 value", id="literal-list"),
        pytest.param("def split():\n    return", "None", id="bare-return"),
        pytest.param("def split():\n    print()", "nothing", id="no-return"),
        pytest.param(
            "def split() -> Pair:\n    return 1, 2, 3", "3 values", id="body-counts-first"
        ),
        pytest.param("async def split():\n    return 1, 2, 3", "3 values", id="async"),
        pytest.param("split = lambda: (1, 2, 3)", "3 values", id="lambda"),
        pytest.param("split = Animal", "an Animal", id="class"),
    ],
)
def test_wrong_return_counts(found: Find, function: str, told: str) -> None:
    source = f"{function}\ndef take(x): ..."
    message = f"`m.split` returns {told}, [TASK.split] has 2 outputs (return a tuple of 2)"
    assert found(OUTPUTS.format(outputs='["a", "b"]'), source) == [
        f"TASK.split.outputs: error[RUN306]: {message}"
    ]


@pytest.mark.parametrize(
    "function",
    [
        pytest.param("def split() -> tuple[int, int]: ...", id="tuple"),
        pytest.param("def split() -> tuple[int, ...]: ...", id="any-length"),
        pytest.param("def split() -> list[int]: ...", id="list"),
        pytest.param("def split() -> typing.Sequence[int]: ...", id="sequence"),
        pytest.param("def split() -> typing.NamedTuple: ...", id="named-tuple"),
        pytest.param("def split() -> tuple[int, int] | None: ...", id="or-none"),
        pytest.param("def split() -> typing.Any: ...", id="any"),
        pytest.param("def split(): ...", id="not-written-yet"),
        pytest.param("def split():\n    return 1, 2", id="literal"),
        pytest.param("def split() -> int:\n    return 1, 2", id="body-fits-annotation-does-not"),
        pytest.param("def split(x=0):\n    if x: return 1, 2, 3\n    return 1, 2", id="one-fits"),
        pytest.param("def split():\n    x = 1, 2\n    return x", id="name"),
        pytest.param("def split():\n    yield 1", id="generator"),
        pytest.param("def split():\n    raise NotImplementedError", id="raises"),
        pytest.param("@nobody\ndef split():\n    return 1", id="decorator"),
        pytest.param("def split():\n    return (1, *split())", id="star"),
    ],
)
def test_return_counts_that_may_fit(found: Find, function: str) -> None:
    assert found(OUTPUTS.format(outputs='["a", "b"]'), f"{function}\ndef take(x): ...") == []


@pytest.mark.parametrize(
    "outputs", [pytest.param("[]", id="none"), pytest.param('["a"]', id="one")]
)
def test_one_output_takes_any_value_as_it_is(found: Find, outputs: str) -> None:
    source = "def split() -> None:\n    print()\ndef take(x): ..."
    assert found(OUTPUTS.format(outputs=outputs), source) == []


def test_a_mismatch_shows_both_functions_and_where_it_is_written(
    loaded: Callable[[str, Mapping[str, str]], Loaded],
) -> None:
    source = "def make(a) -> int:\n    return a\n\n\ndef take(b: str): ...\n"
    config = loaded(EDGE.format(node=""), {"m.py": source}).config
    (found,) = [each for each in check(config, modules_of(config)) if each.code == "RUN305"]
    assert found.label == "goes to `b` of `m.take`"
    places = [each.place.start for each in found.related if each.place is not None]
    assert places == [(5, 1), (1, 1)]
    assert [(each.message, each.key) for each in found.related if each.place is None] == [
        ("`make` writes it here", ("TASK", "make", "outputs", 0))
    ]


def test_a_wrong_count_shows_the_return(
    loaded: Callable[[str, Mapping[str, str]], Loaded],
) -> None:
    source = "def split():\n    return 1\n\ndef take(b): ...\n"
    config = loaded(OUTPUTS.format(outputs='["a", "b"]'), {"m.py": source}).config
    (found,) = [each for each in check(config, modules_of(config)) if each.code == "RUN306"]
    assert found.label == "`a`, `b`"
    assert [each.place and each.place.start for each in found.related] == [(2, 5)]
