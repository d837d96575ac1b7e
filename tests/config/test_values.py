from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.config.model import Frequency, Scope, SectionRef
from runner.config.references import FunctionRef
from runner.config.values import (
    TYPES,
    BadValueError,
    EnvText,
    coerce,
    format_timedelta,
    is_secret_key,
    is_typed,
    misspelt_type,
    parse_env,
    parse_timedelta,
    quote,
)

HUGE = "9" * 5000


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param("true:bool", True, id="bool-true"),
        pytest.param("FALSE:bool", False, id="bool-any-case"),
        pytest.param(" True :bool", True, id="bool-blanks"),
        pytest.param("42:int", 42, id="int"),
        pytest.param("-7:int", -7, id="int-sign"),
        pytest.param("+7:int", 7, id="int-plus"),
        pytest.param("  7 :int", 7, id="int-blanks"),
        pytest.param("1_000:int", 1000, id="int-underscores"),
        pytest.param("007:int", 7, id="int-leading-zeros"),
        pytest.param("0.5:float", 0.5, id="float"),
        pytest.param("1e3:float", 1000.0, id="float-exponent"),
        pytest.param("-inf:float", -math.inf, id="float-inf"),
        pytest.param("1_0.5:float", 10.5, id="float-underscores"),
        pytest.param("a:str", "a", id="str"),
        pytest.param("1:int:str", "1:int", id="str-escapes"),
        pytest.param("1:str:str", "1:str", id="str-escapes-itself"),
        pytest.param(" :str", " ", id="str-keeps-blanks"),
        pytest.param("12:30:str", "12:30", id="last-colon-wins"),
        pytest.param("2026-11-22T10:30:00:datetime", datetime(2026, 11, 22, 10, 30), id="datetime"),
        pytest.param(
            "2026-11-22T10:30:00+02:00:datetime",
            datetime(2026, 11, 22, 10, 30, tzinfo=timezone(timedelta(hours=2))),
            id="datetime-with-offset",
        ),
        pytest.param("2026-11-22:datetime", datetime(2026, 11, 22), id="datetime-of-a-day"),
        pytest.param("1d2h3m4s:timedelta", timedelta(1, 4, 0, 0, 3, 2), id="timedelta"),
        pytest.param("m.f:function", FunctionRef("m.f"), id="function"),
        pytest.param("p.m.C.method:function", FunctionRef("p.m.C.method"), id="method"),
        pytest.param("m:f:function", FunctionRef("m.f"), id="function-with-a-colon"),
        pytest.param("m.Row:class", FunctionRef("m.Row"), id="class"),
        pytest.param("GLOBAL:SCOPE", Scope.GLOBAL, id="scope"),
        pytest.param("cycle:SCOPE", Scope.CYCLE, id="scope-any-case"),
        pytest.param("QUARTERLY:FREQUENCY", Frequency.QUARTERLY, id="frequency"),
        pytest.param("raw:SECTION", SectionRef("raw"), id="section"),
        pytest.param(" raw :SECTION", SectionRef("raw"), id="section-blanks"),
        pytest.param("remember this:", "remember this:", id="nothing-after-the-colon"),
        pytest.param("Total:", "Total:", id="text-with-a-colon"),
        pytest.param(":int", ":int", id="nothing-before-the-colon"),
        pytest.param("http://h:80", "http://h:80", id="url"),
        pytest.param("a:b", "a:b", id="no-type"),
        pytest.param("12:30", "12:30", id="time"),
        pytest.param("8:itn", "8:itn", id="misspelt-type-is-text"),
        pytest.param("8:INT", "8:INT", id="types-have-a-case"),
        pytest.param("8: int", "8: int", id="no-blank-before-the-type"),
        pytest.param("a\nb:int", "a\nb:int", id="two-lines"),
        pytest.param("plain", "plain", id="plain"),
        pytest.param("", "", id="empty"),
    ],
)
def test_coerce(raw: str, value: object) -> None:
    found = coerce(raw)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_float() -> None:
    assert math.isnan(coerce("nan:float"))


@pytest.mark.parametrize(
    ("raw", "code", "message", "hint"),
    [
        pytest.param(
            "yes:bool", "RUN106", 'expected bool, got "yes"', "write true or false", id="bool"
        ),
        pytest.param("eight:int", "RUN106", 'expected int, got "eight"', None, id="int"),
        pytest.param("1.0:int", "RUN106", 'expected int, got "1.0"', None, id="int-no-float"),
        pytest.param("0x10:int", "RUN106", 'expected int, got "0x10"', None, id="int-decimal"),
        pytest.param(" :int", "RUN106", 'expected int, got " "', None, id="int-of-blanks"),
        pytest.param(
            f"{HUGE}:int",
            "RUN106",
            f'expected int, got "{"9" * 40}...{"9" * 17}"',
            None,
            id="int-of-5000-digits",
        ),
        pytest.param("1,5:float", "RUN106", 'expected float, got "1,5"', None, id="float"),
        pytest.param(
            "22.11.2026:datetime",
            "RUN106",
            'expected datetime, got "22.11.2026"',
            'ISO 8601: "2026-11-22T10:30:00"',
            id="datetime",
        ),
        pytest.param(
            "1h 1d:timedelta",
            "RUN106",
            'expected timedelta, got "1h 1d"',
            'days, hours, minutes, seconds in this order: "1d2h30m15s"',
            id="timedelta",
        ),
        pytest.param(
            "f:function",
            "RUN106",
            'expected a dotted name like "package.module.name", got "f"',
            'name its module too: "module.f"',
            id="function-without-a-dot",
        ),
        pytest.param(
            "a.1b:class",
            "RUN106",
            'expected a dotted name like "package.module.name", got "a.1b"',
            "name a function of one of your modules",
            id="class",
        ),
        pytest.param(
            "GLOBL:SCOPE",
            "RUN116",
            'expected one of SCENARIO, CYCLE, GLOBAL, got "GLOBL"',
            "did you mean `GLOBAL`?",
            id="scope",
        ),
        pytest.param(
            "HOURLY:FREQUENCY",
            "RUN116",
            'expected one of DAILY, WEEKLY, MONTHLY, QUARTERLY, YEARLY, got "HOURLY"',
            None,
            id="frequency",
        ),
    ],
)
def test_a_bad_typed_string(raw: str, code: str, message: str, hint: str | None) -> None:
    with pytest.raises(BadValueError, match=f"^{re.escape(message)}$") as caught:
        coerce(raw)
    assert (caught.value.code, caught.value.hint) == (code, hint)


@given(st.text())
def test_every_text_has_an_escape(text: str) -> None:
    escaped = f"{text}:str" if is_typed(text) else text
    assert coerce(escaped) == text


@given(st.text(alphabet="a:\n", max_size=6), st.sampled_from([*TYPES, "itn", ""]))
def test_what_is_typed_is_what_coerce_does_not_leave_alone(head: str, kind: str) -> None:
    text = f"{head}:{kind}"
    try:
        left_alone = coerce(text) is text
    except BadValueError:
        left_alone = False
    assert is_typed(text) is not left_alone


@given(st.integers(-(10**40), 10**40))
def test_ints(value: int) -> None:
    assert coerce(f"{value}:int") == value


@given(st.floats(allow_nan=False))
def test_floats(value: float) -> None:
    assert coerce(f"{value!r}:float") == value


@given(st.datetimes(timezones=st.none() | st.just(timezone(timedelta(seconds=3661)))))
def test_datetimes(value: datetime) -> None:
    assert coerce(f"{value.isoformat()}:datetime") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("2d", timedelta(days=2), id="days"),
        pytest.param("3h", timedelta(hours=3), id="hours"),
        pytest.param("4m", timedelta(minutes=4), id="minutes"),
        pytest.param("5s", timedelta(seconds=5), id="seconds"),
        pytest.param("1d0h0m0s", timedelta(days=1), id="as-taipy-writes-it"),
        pytest.param(" 1d  2h 3m 4s ", timedelta(1, 4, 0, 0, 3, 2), id="blanks"),
        pytest.param("1.5h", timedelta(minutes=90), id="decimals"),
        pytest.param("90m", timedelta(minutes=90), id="more-than-the-next-unit"),
        pytest.param("0s", timedelta(0), id="nothing"),
        pytest.param("0.000001s", timedelta(microseconds=1), id="microsecond"),
    ],
)
def test_parse_timedelta(text: str, value: timedelta) -> None:
    assert parse_timedelta(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        "1w",
        "1s1m",
        "1 d",
        "-1s",
        "1.s",
        ".5s",
        "1d1d",
        "1e3s",
        "1D",
        "\N{ARABIC-INDIC DIGIT ONE}s",
        "1s;",
    ],
)
def test_what_is_no_timedelta(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected timedelta, got ") as caught:
        parse_timedelta(text)
    assert str(caught.value) == f"expected timedelta, got {quote(text)}"


@pytest.mark.parametrize("text", ["1000000000d", f"{HUGE}d", f"{HUGE}s"])
def test_a_timedelta_that_python_cannot_hold(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected a shorter timedelta, got "):
        parse_timedelta(text)


@pytest.mark.parametrize("text", [" " * 5000 + "x", "1" * 50_000, "1d" + " " * 5000 + "x"])
def test_a_long_text_that_is_no_timedelta_is_refused_in_linear_time(text: str) -> None:
    with pytest.raises(BadValueError, match=r"^expected timedelta"):
        parse_timedelta(text)


@given(st.timedeltas(min_value=timedelta(0)))
@example(timedelta.max)
@example(timedelta(microseconds=1))
@example(timedelta(days=999999999, seconds=86399, microseconds=999999))
def test_timedelta_is_written_so_that_it_is_read_back(value: timedelta) -> None:
    assert parse_timedelta(format_timedelta(value)) == value


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        pytest.param("8:itn", "int", id="swapped"),
        pytest.param("8:integer", None, id="too-far"),
        pytest.param("x:funtion", "function", id="left-out"),
        pytest.param("a:SECTIN", "SECTION", id="section"),
        pytest.param("a:section", "SECTION", id="another-case"),
        pytest.param("a:int", None, id="a-type"),
        pytest.param(":itn", None, id="nothing-before"),
        pytest.param("http://h:80", None, id="port"),
        pytest.param("12:30", None, id="time"),
        pytest.param("a\nb:itn", None, id="two-lines"),
        pytest.param("plain", None, id="no-colon"),
    ],
)
def test_misspelt_type(text: str, meant: str | None) -> None:
    assert misspelt_type(text) == meant


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        pytest.param("ENV[X]", EnvText("X", None, None), id="name"),
        pytest.param("ENV[_x1]", EnvText("_x1", None, None), id="underscore"),
        pytest.param("ENV[X]:int", EnvText("X", None, "int"), id="type"),
        pytest.param("ENV[X:-8]", EnvText("X", "8", None), id="default"),
        pytest.param("ENV[X:-]", EnvText("X", "", None), id="empty-default"),
        pytest.param("ENV[X:-8]:int", EnvText("X", "8", "int"), id="default-and-type"),
        pytest.param("ENV[X:-a]b]", EnvText("X", "a]b", None), id="bracket-in-the-default"),
        pytest.param("ENV[X:-a:int]", EnvText("X", "a:int", None), id="typed-default"),
        pytest.param("env[X]", None, id="lower-case"),
        pytest.param("ENV[1X]", None, id="no-name"),
        pytest.param("ENV[]", None, id="nothing"),
        pytest.param("pre-ENV[X]", None, id="text-before"),
        pytest.param("ENV[X]/sub", None, id="text-behind"),
        pytest.param(" ENV[X]", None, id="blank-before"),
        pytest.param("ENV[X]:itn", None, id="no-type"),
        pytest.param("ENV[X]\n", None, id="two-lines"),
        pytest.param("ENV[Ä]", None, id="ascii-only"),
    ],
)
def test_parse_env(text: str, parsed: EnvText | None) -> None:
    assert parse_env(text) == parsed


@pytest.mark.parametrize(
    ("key", "is_secret"),
    [
        ("db_password", True),
        ("aws_secret_access_key", True),
        ("aws_access_key", True),
        ("API_TOKEN", True),
        ("clientSecret", True),
        ("db_username", False),
        ("passwd", False),
    ],
)
def test_is_secret_key(key: str, is_secret: bool) -> None:
    assert is_secret_key(key) is is_secret


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        pytest.param("a", '"a"', id="short"),
        pytest.param("a\nb\x1b[31m", r'"a\nb\x1b[31m"', id="control-characters"),
        pytest.param("x" * 60, f'"{"x" * 60}"', id="as-long-as-may-be"),
        pytest.param("a" * 40 + "b" * 40, f'"{"a" * 40}...{"b" * 17}"', id="cut-in-the-middle"),
    ],
)
def test_quote(text: str, quoted: str) -> None:
    assert quote(text) == quoted


@given(st.text())
def test_a_quoted_text_is_one_short_line(text: str) -> None:
    assert quote(text).isprintable()
