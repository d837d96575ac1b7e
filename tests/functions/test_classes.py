from __future__ import annotations

import builtins
import collections.abc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.functions.classes import Kind, can_share, derived, kind_named

CONCRETE = ["bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"]
CONCRETE += ["range", "set", "str", "tuple", "ValueError", "OSError"]
ABSTRACT = ["Callable", "Collection", "Container", "Hashable", "Iterable", "Iterator", "Mapping"]
ABSTRACT += ["MutableMapping", "MutableSequence", "Reversible", "Sequence", "Set", "Sized"]
NAMES = [*CONCRETE, *(f"collections.abc.{name}" for name in ABSTRACT)]


def known(name: str) -> Kind:
    kind = kind_named(name)
    assert kind is not None
    return kind


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("int", "str", id="numbers-and-text"),
        pytest.param("list", "dict", id="containers"),
        pytest.param("list", "tuple", id="sequences"),
        pytest.param("set", "frozenset", id="sets"),
        pytest.param("str", "bytes", id="texts"),
        pytest.param("None", "int", id="none"),
        pytest.param("int", "typing.Iterable", id="number-is-no-iterable"),
        pytest.param("str", "typing.Mapping", id="text-is-no-mapping"),
        pytest.param("list", "collections.abc.Iterator", id="list-is-no-iterator"),
        pytest.param("pandas.DataFrame", "list", id="table-and-list"),
        pytest.param("pandas.DataFrame", "pandas.Series", id="table-and-column"),
        pytest.param("pandas.core.frame.DataFrame", "polars.DataFrame", id="tables"),
        pytest.param("pathlib.Path", "str", id="path-and-text"),
        pytest.param("decimal.Decimal", "float", id="decimal-and-float"),
        pytest.param("datetime.date", "datetime.timedelta", id="dates"),
    ],
)
def test_classes_without_a_common_value(left: str, right: str) -> None:
    assert not can_share(known(left), known(right))
    assert not can_share(known(right), known(left))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("int", "float", id="int-counts-as-float"),
        pytest.param("bool", "complex", id="bool-counts-as-complex"),
        pytest.param("float", "complex", id="float-counts-as-complex"),
        pytest.param("bool", "int", id="bool-is-int"),
        pytest.param("bytearray", "bytes", id="bytearray-counts-as-bytes"),
        pytest.param("collections.Counter", "typing.Dict", id="counter-is-dict"),
        pytest.param("collections.OrderedDict", "collections.abc.Mapping", id="dict-is-mapping"),
        pytest.param("list", "typing.Sequence", id="list-is-sequence"),
        pytest.param("str", "typing_extensions.Sequence", id="text-is-sequence"),
        pytest.param("datetime.datetime", "datetime.date", id="datetime-is-date"),
        pytest.param("pandas.DataFrame", "collections.abc.Mapping", id="who-knows-a-library"),
        pytest.param("collections.abc.Mapping", "collections.abc.Sequence", id="abstract-ones"),
        pytest.param("numpy.typing.NDArray", "numpy.ndarray", id="two-names"),
        pytest.param("enum.StrEnum", "str", id="enumeration-of-texts"),
    ],
)
def test_classes_that_may_have_a_common_value(left: str, right: str) -> None:
    assert can_share(known(left), known(right))
    assert can_share(known(right), known(left))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("object", id="everything"),
        pytest.param("type", id="classes"),
        pytest.param("typing.Any", id="any"),
        pytest.param("len", id="function"),
        pytest.param("nobody", id="undefined"),
        pytest.param("collections.abc.Awaitable", id="awaited-by-the-runner"),
        pytest.param("xarray.Dataset", id="library"),
    ],
)
def test_what_is_not_known(name: str) -> None:
    assert kind_named(name) is None


def test_a_class_inherits_what_its_bases_count_as() -> None:
    tag = derived("m.Tag", [known("int"), derived("m.Base", [])])
    assert can_share(tag, known("float"))
    assert can_share(tag, derived("m.Base", []))
    assert not can_share(tag, known("str"))


def test_unrelated_classes_of_the_user_have_no_common_value() -> None:
    assert not can_share(derived("m.A", []), derived("m.B", []))


def test_anything_of_the_user_may_be_abstract() -> None:
    assert can_share(derived("m.A", []), known("collections.abc.Mapping"))


def _class(name: str) -> type:
    module, _, short = name.rpartition(".")
    found: type = getattr(collections.abc if module else builtins, short)
    return found


@given(left=st.sampled_from(NAMES), right=st.sampled_from(NAMES))
def test_subclasses_share_values_with_their_bases(left: str, right: str) -> None:
    assert can_share(known(left), known(right)) == can_share(known(right), known(left))
    if issubclass(_class(left), _class(right)):
        assert can_share(known(left), known(right))
