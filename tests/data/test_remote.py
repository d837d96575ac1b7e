from __future__ import annotations

import pytest

from runner.config.options import MongoOptions, S3Options
from runner.data.remote import masked, said, secrets_of, without_login


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("login by p@ss w/rd failed", "login by *** failed", id="as-it-is"),
        pytest.param("mongodb://u:p%40ss%20w%2Frd@h", "mongodb://u:***@h", id="in-a-url"),
        pytest.param("?key=p%40ss+w%2Frd", "?key=***", id="in-a-query"),
        pytest.param("p%40ss%20w/rd", "***", id="in-a-path"),
        pytest.param("abc is in abcdef", "abc is in abcdef", id="too-short-to-be-told"),
    ],
)
def test_masked(text: str, expected: str) -> None:
    assert masked(text, ["p@ss w/rd", "abc"]) == expected


def test_a_secret_with_the_end_of_its_line() -> None:
    assert masked(repr(b"key=s3cret\n;"), ["s3cret\n"]) == "b'key=***;'"
    assert masked("key=s3cret;", ["s3cret\n"]) == "key=***;"


def test_a_secret_within_another_is_masked_last() -> None:
    assert masked("longsecret secret", ["secret", "longsecret"]) == "*** ***"


def test_what_is_secret() -> None:
    s3 = S3Options(
        aws_access_key="id",
        aws_secret_access_key="key",
        aws_region="region",
        aws_s3_client_parameters={"aws_session_token": "token", "endpoint_url": "url"},
        aws_s3_put_object_parameters={"SSECustomerKey": "sse", "Metadata": {"password": "pw"}},
    )
    assert secrets_of(s3) == {"id", "key", "token", "sse", "pw"}
    mongo = MongoOptions(
        db_password="pw",
        db_username="u",
        db_extra_args={"tlsCertificateKeyFilePassword": "file", "secrets": {"a": "inner"}},
    )
    assert secrets_of(mongo) == {"pw", "file", "inner"}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("http://u:p@h:1", "http://h:1", id="url"),
        pytest.param("u:p@h", "h", id="host"),
        pytest.param("h", "h", id="plain"),
    ],
)
def test_without_login(address: str, expected: str) -> None:
    assert without_login(address) == expected


def test_said() -> None:
    assert said(KeyError("a")) == "KeyError: 'a'"
    assert said(EOFError()) == "EOFError"
