"""A large config is kept by content, and nothing but a config is ever read back."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.config import cache
from runner.config.loader import LARGE, Loaded, load


def write_large(folder: Path, more: str = "") -> Path:
    """A config that is large enough to be kept."""
    node = "[DATA_NODE.node_{}]\ndefault_data = [1, 2.5, 'three', 1979-05-27]\nscope = 'GLOBAL'\n"
    text = "".join(node.format(number) for number in range(4000))
    assert len(text) > LARGE
    path = folder / "large.toml"
    path.write_text(text + more, encoding="utf-8")
    return path


def load_it(path: Path, *overrides: str) -> Loaded:
    return load([path], overrides, environ={"NAME": "value"})


def kept(folder: Path) -> list[Path]:
    return sorted((folder / ".runner" / "cache").glob("*"))


def test_what_is_read_back_is_what_was_loaded(tmp_path: Path) -> None:
    path = write_large(tmp_path, "[TASK.t]\nfunction = 'a.f'\ntimeout = '2s'\nunknown = 1\n")

    first = load_it(path)
    (file,) = kept(tmp_path)
    second = load_it(path)

    assert second.config == first.config
    assert second.diagnostics == first.diagnostics
    assert len(first.diagnostics) == 1
    assert second.config.application_path == tmp_path
    assert kept(tmp_path) == [file]


def test_the_document_of_what_is_read_back_has_its_tables(tmp_path: Path) -> None:
    path = write_large(tmp_path)
    load_it(path)

    (layer,) = load_it(path).document.layers

    assert "node_17" in layer.tables["DATA_NODE"]


def test_another_text_is_loaded_anew(tmp_path: Path) -> None:
    load_it(write_large(tmp_path))

    again = load_it(write_large(tmp_path, "[DATA_NODE.new]\n"))

    assert "new" in again.config.data_nodes


def test_an_override_counts(tmp_path: Path) -> None:
    path = write_large(tmp_path)
    load_it(path)

    assert load_it(path, "JOB.queue=other").config.job.queue == "other"
    assert load_it(path).config.job.queue == "runner"


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("[RUNNER]\nx = 'ENV[NAME]'\n", id="environment"),
        pytest.param("[RUNNER]\nPassword = 'hunter2'\n", id="secret"),
        pytest.param("[JOB]\nbroker_url = 'amqp://u:p@h'\n", id="broker"),
    ],
)
def test_what_may_hold_a_secret_is_not_kept(more: str, tmp_path: Path) -> None:
    load_it(write_large(tmp_path, more))

    assert kept(tmp_path) == []


def test_a_small_config_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text("[DATA_NODE.a]\n", encoding="utf-8")

    load_it(path)

    assert list(tmp_path.iterdir()) == [path]


def test_it_is_kept_in_the_storage_folder_of_the_config(tmp_path: Path) -> None:
    path = write_large(tmp_path, "[CORE]\nstorage_folder = 'kept here'\n")

    first = load_it(path)

    assert len(list((tmp_path / "kept here" / "cache").iterdir())) == 1
    assert load_it(path).config == first.config


class Hostile:
    """Its pickle calls `print` when it is read."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return print, ("hostile code ran",)


def with_digest(body: bytes) -> bytes:
    return b"runner config cache 2\n" + hashlib.sha256(body).digest() + body


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda data: data[:-7], id="truncated"),
        pytest.param(lambda data: data[:-7] + b"0123456", id="damaged"),
        pytest.param(lambda data: b"other program\n" + data, id="another-program's"),
        pytest.param(lambda _: with_digest(b"no pickle"), id="no-pickle"),
        pytest.param(lambda _: with_digest(pickle.dumps(Hostile())), id="hostile"),
        pytest.param(lambda _: with_digest(pickle.dumps(["a", "list"])), id="no-config"),
    ],
)
def test_a_broken_or_foreign_file_is_ignored(
    spoil: Callable[[bytes], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_large(tmp_path)
    first = load_it(path)
    (file,) = kept(tmp_path)
    file.write_bytes(spoil(file.read_bytes()))

    assert load_it(path).config == first.config
    assert "hostile" not in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / ".runner").write_text("a file where the folder should be", encoding="utf-8")

    assert len(load_it(write_large(tmp_path)).config.data_nodes) == 4000


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for number in range(cache.MOST_KEPT + 3):
        load_it(write_large(tmp_path, f"[DATA_NODE.more_{number}]\n"))

    assert len(kept(tmp_path)) == cache.MOST_KEPT
