from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

import attrs
import pytest

from runner.config.model import Config, DataNodeConfig, JobConfig, TaskConfig
from runner.config.options import GenericOptions, SqlTableOptions, StorageOptions
from runner.config.secrets import mask_of
from runner.masks import NO_MASK, Mask

SECRET = "c4nary p@ss:w/rd%25'\"\\é☃"
MASK = Mask((SECRET,))


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(SECRET, id="raw"),
        pytest.param(quote(SECRET), id="in-a-path"),
        pytest.param(quote(SECRET, safe=""), id="in-a-url"),
        pytest.param(quote_plus(SECRET), id="in-a-form"),
        pytest.param(repr(SECRET)[1:-1], id="repr"),
        pytest.param(repr(SECRET.encode())[2:-1], id="repr-of-bytes"),
        pytest.param(json.dumps(SECRET)[1:-1], id="json"),
        pytest.param(base64.b64encode(SECRET.encode()).decode(), id="base64"),
    ],
)
def test_a_secret_is_found_however_it_is_written(form: str) -> None:
    assert MASK.text(f"<{form}> and <{form}>") == "<***> and <***>"


@pytest.mark.parametrize("user", ["a", "ab", "abc"])
def test_a_secret_is_found_behind_a_user_in_base64(user: str) -> None:
    whole = base64.b64encode(f"{user}:{SECRET}".encode()).decode()
    masked = MASK.text(whole)
    assert "***" in masked
    assert len(masked) < 13  # what the user's name makes, and the end that fills it up


def test_of_two_secrets_the_longer_one_is_taken_whole() -> None:
    assert Mask(("pass", "password")).text("password, pass") == "***, ***"


def test_without_secrets_nothing_changes() -> None:
    assert not NO_MASK
    assert NO_MASK.text("anything") == "anything"


def test_no_secret_is_shown_by_the_mask() -> None:
    assert "c4nary" not in repr(MASK)


def test_only_a_part_of_a_file_is_looked_through(tmp_path: Path) -> None:
    file = tmp_path / "w.log"
    file.write_bytes(b"c4nary c4nary\xff\nc4nary\n")
    Mask(("c4nary",)).conceal(str(file), 7, 15)
    assert file.read_bytes() == b"c4nary ******\xff\nc4nary\n"


def test_a_secret_across_two_blocks_is_found(tmp_path: Path) -> None:
    file = tmp_path / "w.log"
    before = (1 << 24) - 3
    file.write_bytes(b"x" * before + b"c4nary" + b"y" * 100)
    Mask(("c4nary",)).conceal(str(file), 0, before + 106)
    assert file.read_bytes() == b"x" * before + b"******" + b"y" * 100


def test_a_file_that_is_gone_is_left_alone(tmp_path: Path) -> None:
    MASK.conceal(str(tmp_path / "gone.log"), 0, 10)
    assert list(tmp_path.iterdir()) == []


@attrs.frozen
class ShopOptions(StorageOptions):
    """Of a storage type that is not ours."""

    login: Mapping[str, str] = attrs.field(factory=dict)


def node(**more: object) -> Config:
    return Config(data_nodes={"d": DataNodeConfig(id="d", **more)})  # type: ignore[arg-type]  # as each test has it


@pytest.mark.parametrize(
    ("config", "secrets"),
    [
        pytest.param(
            node(options=SqlTableOptions(db_password="c4nary", db_username="ada1")),
            ("c4nary",),
            id="option",
        ),
        pytest.param(
            node(
                options=SqlTableOptions(db_extra_args={"sslpassword": "c4nary", "sslmode": "full"})
            ),
            ("c4nary",),
            id="option-in-a-table",
        ),
        pytest.param(
            node(options=ShopOptions(login={"user": "ada1", "password": "c4nary"})),
            ("c4nary",),
            id="option-of-a-plugin",
        ),
        pytest.param(
            node(options=GenericOptions(read_fct_args=({"token": ["c4nary", 12345]}, "else"))),
            ("12345", "c4nary"),
            id="argument",
        ),
        pytest.param(node(default_data={"api_secret": "c4nary"}), ("c4nary",), id="default"),
        pytest.param(node(properties={"my_Password": "c4nary"}), ("c4nary",), id="property"),
        pytest.param(
            Config(tasks={"t": TaskConfig(id="t", properties={"token": "c4nary"})}),
            ("c4nary",),
            id="property-of-a-task",
        ),
        pytest.param(
            Config(job=JobConfig(broker_url="amqp://ada:c4nary@host")), ("c4nary",), id="broker"
        ),
        pytest.param(Config(runner={"token": "abc"}), (), id="too-short"),
        pytest.param(Config(runner={"token": True}), (), id="truth"),
        pytest.param(Config(), (), id="none"),
    ],
)
def test_what_is_a_secret_of_a_config(config: Config, secrets: tuple[str, ...]) -> None:
    assert mask_of(config).secrets == secrets
