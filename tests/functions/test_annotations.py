from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.functions.annotations import ANYTHING, Type, type_of
from runner.functions.modules import Modules
from runner.functions.types import contract_of

Read = Callable[..., Type]

IMPORTS = """\
import collections.abc
import datetime as dt
import typing as t
from abc import ABC, ABCMeta
from dataclasses import dataclass
from enum import Enum
from typing import (Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, Protocol,
    Tuple, TypedDict, TypeAlias, TypeVar, Union)
import numpy as np
import pandas as pd
from pandas import DataFrame as Frame
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The type of an annotation, in a module that begins with some lines."""

    def read_annotation(annotation: str, before: str = "", **others: str) -> Type:
        text = f"{IMPORTS}{before}\ndef f(x: {annotation}): ...\n"
        for name, source in {**others, "m": text}.items():
            path = tmp_path / f"{name.replace('.', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        contract = contract_of("m.f", Modules((str(tmp_path),)))
        return contract.parameters[0]

    return read_annotation


def names(read: Type) -> list[str]:
    return [kind.name for kind in read.kinds]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param("int", ["int"], id="built-in"),
        pytest.param("None", ["NoneType"], id="none"),
        pytest.param("'int'", ["int"], id="text"),
        pytest.param("'list[int]'", ["list"], id="text-with-brackets"),
        pytest.param("list[dict[str, int]]", ["list"], id="brackets"),
        pytest.param("t.List[int]", ["list"], id="typing-module"),
        pytest.param("Tuple[int, int]", ["tuple"], id="typing-name"),
        pytest.param("collections.abc.Mapping[str, int]", ["collections.abc.Mapping"], id="abc"),
        pytest.param("t.Mapping", ["collections.abc.Mapping"], id="typing-abc"),
        pytest.param("collections.Counter[str]", ["collections.Counter"], id="dotted"),
        pytest.param("int | None", ["int", "NoneType"], id="or-none"),
        pytest.param("'int | None'", ["int", "NoneType"], id="or-none-in-text"),
        pytest.param("int | 'str'", ["int", "str"], id="partly-text"),
        pytest.param("Optional[int]", ["int", "NoneType"], id="optional"),
        pytest.param("Union[int, str, int]", ["int", "str"], id="union"),
        pytest.param("Union[int, Union[str, None]]", ["int", "str", "NoneType"], id="nested"),
        pytest.param("Annotated[int, 'of what']", ["int"], id="annotated"),
        pytest.param(
            "Literal['a', 1, -1, True, None]", ["str", "int", "bool", "NoneType"], id="lit"
        ),
        pytest.param("dt.datetime", ["datetime.datetime"], id="renamed-module"),
        pytest.param("pd.DataFrame", ["pandas.DataFrame"], id="library"),
        pytest.param("Frame", ["pandas.DataFrame"], id="renamed-class"),
        pytest.param("np.ndarray[Any, Any]", ["numpy.ndarray"], id="array"),
    ],
)
def test_known(read: Read, annotation: str, expected: list[str]) -> None:
    found = read(annotation)
    assert names(found) == expected
    assert found.shown == annotation.strip("'") or annotation == "int | 'str'"


@pytest.mark.parametrize(
    "annotation",
    [
        pytest.param("Any", id="any"),
        pytest.param("object", id="object"),
        pytest.param("int | Any", id="or-any"),
        pytest.param("Optional[nobody]", id="or-undefined"),
        pytest.param("nobody.Thing", id="undefined-module"),
        pytest.param("type[int]", id="class-itself"),
        pytest.param("t.Callable[[int], int] | t.Hashable | t.Any", id="some-any"),
        pytest.param("t.Self", id="self"),
        pytest.param("Literal[nobody.RED]", id="literal-member"),
        pytest.param("np.float64", id="library-class-nobody-listed"),
        pytest.param("'not python'", id="no-python"),
        pytest.param("''", id="empty-text"),
        pytest.param("'(' * 9", id="expression"),
        pytest.param("5", id="number"),
        pytest.param("f()", id="call"),
        pytest.param("[int, str]", id="display"),
        pytest.param("int if 1 else str", id="condition"),
        pytest.param("int.real", id="attribute-of-a-class"),
        pytest.param("t.Awaitable[int]", id="awaitable"),
    ],
)
def test_unknown_allows_anything(read: Read, annotation: str) -> None:
    assert names(read(annotation)) == []


@pytest.mark.parametrize(
    ("before", "annotation", "expected"),
    [
        pytest.param("Rows = list[int]", "Rows", ["list"], id="alias"),
        pytest.param("Rows: TypeAlias = 'list[int]'", "Rows", ["list"], id="explicit-alias"),
        pytest.param("Row = 'list[int]'", "Row", [], id="plain-text-is-no-alias"),
        pytest.param(
            "A = Union[int, str]\nB = Optional[A]", "B", ["int", "str", "NoneType"], id="deep"
        ),
        pytest.param("T = TypeVar('T')\nRows = list[T]", "Rows[int]", ["list"], id="generic-alias"),
        pytest.param("T = TypeVar('T')", "T", [], id="type-variable"),
        pytest.param("T = TypeVar('T', bound=int)", "T", [], id="bound-variable"),
        pytest.param("UserId = NewType('UserId', int)", "UserId", ["int"], id="new-type"),
        pytest.param("A = A | A", "A", [], id="alias-of-itself"),
        pytest.param("A = 'B'\nB = 'A'", "A", [], id="alias-in-a-circle"),
        pytest.param("class A: ...", "A", ["m.A"], id="class"),
        pytest.param("class A: ...", "'A'", ["m.A"], id="class-in-text"),
        pytest.param("@dataclass(frozen=True)\nclass A: x: int", "A", ["m.A"], id="dataclass"),
        pytest.param("class A(Generic[t.T]): ...", "A[int]", ["m.A"], id="generic-class"),
        pytest.param("class A(TypedDict): x: int", "A", ["m.A"], id="typed-dict"),
        pytest.param("class A(Protocol): ...", "A", [], id="protocol"),
        pytest.param("class A(Protocol[t.T]): ...", "A", [], id="generic-protocol"),
        pytest.param("class A(ABC): ...", "A", [], id="abstract"),
        pytest.param("class A(metaclass=ABCMeta): ...", "A", [], id="abstract-by-metaclass"),
        pytest.param("class A(ABC): ...\nclass B(A): ...", "B", ["m.B"], id="of-an-abstract-one"),
        pytest.param("class A(nobody): ...", "A", [], id="unknown-base"),
        pytest.param("class A(np.generic): ...", "A", [], id="library-base"),
        pytest.param("class A(metaclass=nobody): ...", "A", [], id="metaclass"),
        pytest.param("@nobody\nclass A: ...", "A", [], id="unknown-decorator"),
        pytest.param("class A(A): ...", "A", [], id="its-own-base"),
        pytest.param("class A: ...\nclass A: ...", "A", ["m.A"], id="the-later-counts"),
        pytest.param("if f:\n    A = int\nelse:\n    A = str", "A", [], id="one-or-the-other"),
        pytest.param("if t.TYPE_CHECKING:\n    from o import A", "A", ["o.A"], id="type-checking"),
        pytest.param(
            "try:\n    A = nobody\nexcept NameError:\n    A = int", "A", [], id="fallback"
        ),
        pytest.param("list = dict", "list", ["dict"], id="hidden-built-in"),
        pytest.param("def list(): ...", "list", [], id="built-in-hidden-by-a-function"),
        pytest.param("from nobody import *", "int", [], id="star-may-hide"),
        pytest.param("from o import A", "A", ["o.A"], id="from-another-module"),
        pytest.param("import o", "o.A", ["o.A"], id="by-the-module"),
        pytest.param("from o import Sheet", "Sheet", ["pandas.DataFrame"], id="re-exported"),
        pytest.param("from o import Table", "Table", ["pandas.DataFrame"], id="foreign-alias"),
        pytest.param("from p.q import A", "A", ["p.q.A"], id="package"),
        pytest.param("import p.q", "p.q.A", ["p.q.A"], id="dotted-module"),
        pytest.param("from o import nobody", "nobody", [], id="not-there"),
        pytest.param("from o import int", "int", [], id="built-in-from-a-module"),
        pytest.param("A: int = 5", "A", [], id="value"),
    ],
)
def test_followed(read: Read, before: str, annotation: str, expected: list[str]) -> None:
    other = "import pandas as pd\nfrom pandas import DataFrame as Sheet\n"
    other += "Table = pd.DataFrame\nclass A: ...\n"
    found = read(annotation, before, o=other, **{"p.__init__": "", "p.q": "class A: ..."})
    assert names(found) == expected


@pytest.mark.parametrize(
    "name", [pytest.param("pandas", id="library"), pytest.param("datetime", id="standard")]
)
def test_a_module_of_the_user_hides_a_known_one(read: Read, name: str) -> None:
    found = read(
        f"{name}.date | {name}.DataFrame", f"import {name}", **{name: "date = DataFrame = int"}
    )
    assert names(found) == (["int"] if name == "pandas" else [])


@pytest.mark.parametrize(
    ("base", "other", "shares"),
    [
        pytest.param("TypedDict", "dict", True, id="typed-dict-is-dict"),
        pytest.param("TypedDict", "list", False, id="typed-dict-is-no-list"),
        pytest.param("NamedTuple", "tuple", True, id="named-tuple-is-tuple"),
        pytest.param("NamedTuple", "int", False, id="named-tuple-is-no-number"),
        pytest.param("str, Enum", "str", True, id="enumeration-of-texts"),
        pytest.param("Enum", "str", False, id="enumeration"),
        pytest.param("dict[str, int]", "collections.abc.Mapping", True, id="inherited-abc"),
    ],
)
def test_bases_count(read: Read, base: str, other: str, shares: bool) -> None:
    found = read("A", f"class A({base}):\n    x: int")
    assert found.certainly_not(type_of(other)) is not shares


@pytest.mark.parametrize(
    ("annotation", "parts"),
    [
        pytest.param("tuple[int, str]", ["int", "str"], id="two"),
        pytest.param("'Tuple[int, str, None]'", ["int", "str", "None"], id="three"),
        pytest.param("tuple[()]", [], id="none-at-all"),
        pytest.param("tuple[int]", ["int"], id="one"),
        pytest.param("tuple", None, id="bare"),
        pytest.param("tuple[int, ...]", None, id="any-length"),
        pytest.param("tuple[int, *tuple[str, ...]]", None, id="star"),
        pytest.param("tuple[int, t.Unpack[tuple[str, ...]]]", None, id="unpack"),
        pytest.param("'tuple[int, \"*Ts\"]'", None, id="star-in-text"),
        pytest.param("list[int]", None, id="list"),
        pytest.param("tuple[int, str] | None", None, id="or-none"),
    ],
)
def test_parts_of_a_tuple(read: Read, annotation: str, parts: list[str] | None) -> None:
    found = read(annotation)
    assert (None if found.parts is None else [each.shown for each in found.parts]) == parts


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param("tuple[int, str]", ["int", "str"], id="as-many"),
        pytest.param("tuple[int, str, str]", ["Any", "Any"], id="other-number"),
        pytest.param("list[int]", ["int", "int"], id="list"),
        pytest.param("tuple[int, ...]", ["int", "int"], id="any-length"),
        pytest.param("tuple", ["Any", "Any"], id="bare"),
        pytest.param("dict[int, int]", ["Any", "Any"], id="no-sequence"),
        pytest.param("Pair", ["int", "str"], id="alias"),
    ],
)
def test_unpacked(read: Read, annotation: str, expected: list[str]) -> None:
    found = read(annotation, "Pair = tuple[int, str]")
    assert [each.shown for each in found.unpacked(2)] == expected


def test_a_long_annotation_is_cut(read: Read) -> None:
    shown = read("Literal['" + "a" * 80 + "']").shown
    assert (len(shown), shown[-3:]) == (60, "...")


def test_aliases_that_double_take_no_time(read: Read) -> None:
    doubled = "\n".join(f"A{n + 1} = Annotated[A{n}, 1] | Optional['A{n}']" for n in range(300))
    assert names(read("A9", f"A0 = int\n{doubled}")) == ["int", "NoneType"]
    assert names(read("A300", f"A0 = int\n{doubled}")) == []


def test_a_long_line_of_classes_is_not_followed_to_its_end(read: Read) -> None:
    lines = "\n".join(f"class A{n + 1}(A{n}): ..." for n in range(2000))
    assert names(read("A2000", f"class A0: ...\n{lines}")) == []


def test_what_is_not_known_is_never_certain() -> None:
    assert not ANYTHING.certainly_not(type_of("int"))
    assert not type_of("int").certainly_not(ANYTHING)
    assert type_of("int", "None").certainly_not(type_of("str", "list"))
    assert not type_of("int", "None").certainly_not(type_of("str", "None"))


def test_type_of_tells_its_classes() -> None:
    assert type_of("dict", "pandas.DataFrame", "None").shown == "dict, DataFrame or None"
