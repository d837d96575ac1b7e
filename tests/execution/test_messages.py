from __future__ import annotations

import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.execution import messages
from runner.execution.failures import Failure
from runner.execution.values import Folders, decode, encode

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary(),
    lambda each: st.lists(each) | st.tuples(each, each) | st.dictionaries(st.text(), each),
    max_leaves=10,
)  # fmt: skip
FAILURE = Failure(
    code="RUN601", type="ValueError", message="too bad \udc80", traceback="Traceback ...",
    file="jobs.py", line=7, function="work", source="raise", hint="do not",
)  # fmt: skip


@given(st.lists(st.lists(PLAIN, min_size=1, max_size=3), max_size=4), st.randoms())
def test_messages_arrive_as_they_were_sent(sent: list[list[object]], chosen: random.Random) -> None:
    """However the bytes between them are cut."""
    stream = b"".join(messages.frame(*message) for message in sent)
    received = bytearray()
    arrived = []
    while stream:
        size = chosen.randint(1, len(stream))
        received += stream[:size]
        stream = stream[size:]
        arrived += list(messages.frames(received))

    assert arrived == [tuple(message) for message in sent]
    assert not received


def test_a_part_of_a_message_is_waited_for() -> None:
    whole = messages.frame("one", 2)
    received = bytearray(whole + whole[:-1])

    assert list(messages.frames(received)) == [("one", 2)]
    assert received == whole[:-1]


def test_a_part_of_a_length_is_waited_for() -> None:
    received = bytearray(messages.frame("one")[:3])

    assert list(messages.frames(received)) == []
    assert len(received) == 3


@pytest.mark.parametrize("value", [object(), Failure, lambda: 0], ids=["object", "class", "lambda"])
def test_what_is_no_plain_data_is_not_sent(value: object) -> None:
    with pytest.raises(ValueError, match="unmarshallable object"):
        messages.frame(value)


@given(PLAIN)
def test_an_outcome_is_unpacked_as_it_was_packed(value: object) -> None:
    assert messages.unpacked(messages.packed((1, value))) == (1, value)


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(Failure)])
def test_a_failure_arrives_whole(field: str) -> None:
    arrived = messages.failure_from(messages.unpacked(messages.packed(
        messages.plain_failure(FAILURE)
    )))  # fmt: skip

    assert getattr(arrived, field) == getattr(FAILURE, field)


def test_no_value_is_taken_for_one_that_is_made_on_the_way() -> None:
    value = ("", ())
    encoded = encode(value, Folders("it is small"))

    assert encoded != messages.HERE
    assert decode(encoded) == value


def test_the_words_differ() -> None:
    words = [
        messages.SESSION, messages.LEARN, messages.ENTER, messages.FIRST, messages.CALLS,
        messages.LEAVE, messages.FORGET, messages.ENTERED, messages.FIRST_DONE, messages.DID,
        messages.ANSWER, messages.MAY,
        messages.RETIRE,
    ]  # fmt: skip

    assert len(set(words)) == len(words)
