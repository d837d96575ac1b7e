from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import SetupError
from runner.execution.cluster.sealing import ForgedError, Seal, key_of

KEY = b"k" * 32
BODY = {"kind": "jobs", "jobs": [["clean", 1, "a", "b"]], "text": "é \udc80"}
CHANGED = "it is sealed with another key, or was changed on the way"
HINT = "python -c 'import secrets; print(secrets.token_hex(32))'"

Make = Callable[[bytes], Seal]


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda each: st.lists(each) | st.dictionaries(st.text(), each),
            max_leaves=10,
        ),
    )
)
def test_what_is_sealed_is_opened(body: dict[str, object]) -> None:
    assert Seal.to_workers(KEY).open(Seal.to_workers(KEY).close(body)) == body


def test_a_sealed_text_is_ascii() -> None:
    """So it is the same in every encoding on the way."""
    assert Seal.to_workers(KEY).close(BODY).isascii()


def test_every_character_counts() -> None:
    seal = Seal.to_workers(KEY)
    sealed = seal.close(BODY)
    changed = [
        sealed[:place] + other + sealed[place + 1 :]
        for place, here in enumerate(sealed)
        for other in {chr(ord(here) ^ bit) for bit in (1, 2, 4, 8, 16, 32, 64)}
    ]

    assert len(changed) == 7 * len(sealed)
    for text in changed:
        with pytest.raises(ForgedError, match=CHANGED):
            seal.open(text)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text[:-1], id="cut"),
        pytest.param(lambda text: text + " ", id="longer"),
        pytest.param(lambda text: text[1:], id="cut-at-the-start"),
        pytest.param(lambda text: text[64:], id="no-proof"),
        pytest.param(lambda text: text[:64], id="no-text"),
        pytest.param(lambda text: text[:64].upper() + text[64:], id="proof-in-capitals"),
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(lambda text: 2 * text, id="twice"),
    ],
)
def test_a_text_that_is_not_whole_is_refused(change: Callable[[str], str]) -> None:
    seal = Seal.to_workers(KEY)

    with pytest.raises(ForgedError, match=CHANGED):
        seal.open(change(seal.close(BODY)))


@pytest.mark.parametrize(
    ("closing", "opening"),
    [
        pytest.param(Seal.to_workers(KEY), Seal.to_workers(b"K" * 32), id="another-key"),
        pytest.param(Seal.to_workers(KEY), Seal.to_workers(KEY + b"k"), id="a-longer-key"),
        pytest.param(Seal.to_workers(KEY), Seal.from_workers(KEY), id="sent-back-by-a-worker"),
        pytest.param(Seal.from_workers(KEY), Seal.to_workers(KEY), id="sent-back-to-a-worker"),
        pytest.param(Seal(KEY), Seal.to_workers(KEY), id="with-the-key-itself"),
    ],
)
def test_another_seal_is_refused(closing: Seal, opening: Seal) -> None:
    with pytest.raises(ForgedError, match=CHANGED):
        opening.open(closing.close(BODY))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(None, id="none"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(7, id="number"),
        pytest.param({"kind": "jobs"}, id="not-sealed"),
        pytest.param("é" * 80, id="not-ascii"),
        pytest.param("\udc80" * 80, id="no-text-at-all"),
    ],
)
def test_what_is_no_text_of_ours_is_refused(given: object) -> None:
    with pytest.raises(ForgedError, match="it is no text of ours"):
        Seal.to_workers(KEY).open(given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "it is no JSON", id="half"),
        pytest.param("", "it is no JSON", id="nothing"),
        pytest.param("[" * 100_000, "it is no JSON", id="too-deep"),
        pytest.param("[]", "it is no JSON object", id="list"),
        pytest.param('"jobs"', "it is no JSON object", id="text"),
        pytest.param("9" * 5000, "it is no JSON", id="a-number-of-five-thousand-digits"),
    ],
)
def test_what_is_sealed_must_be_a_json_object(text: str, message: str) -> None:
    seal = Seal.to_workers(KEY)

    with pytest.raises(ForgedError, match=f"^{message}$"):
        seal.open(seal._proof(text.encode()) + text)


def test_the_key_is_not_shown() -> None:
    assert KEY.decode() not in repr(Seal(KEY))


def test_the_key_of_the_environment(tmp_path: Path) -> None:
    assert key_of({"RUNNER_CLUSTER_KEY": f" {'e' * 32}\n"}, tmp_path / "storage") == b"e" * 32
    assert not (tmp_path / "storage").exists()


def test_the_key_of_a_file(tmp_path: Path) -> None:
    path = _file(tmp_path, "f" * 40 + "\n")

    assert key_of({"RUNNER_CLUSTER_KEY_FILE": str(path)}, tmp_path / "storage") == b"f" * 40
    assert not (tmp_path / "storage").exists()


def test_the_environment_goes_before_its_file(tmp_path: Path) -> None:
    environ = {"RUNNER_CLUSTER_KEY": "e" * 32, "RUNNER_CLUSTER_KEY_FILE": str(tmp_path / "none")}

    assert key_of(environ, tmp_path) == b"e" * 32


def test_a_key_is_made_in_the_storage_folder(tmp_path: Path) -> None:
    key = key_of({}, tmp_path / "a/storage")

    file = tmp_path / "a/storage/cluster.key"
    assert file.read_bytes() == key + b"\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert len(bytes.fromhex(key.decode())) == 32
    assert [*file.parent.iterdir()] == [file]


def test_the_key_in_the_storage_folder_stays(tmp_path: Path) -> None:
    assert key_of({}, tmp_path) == key_of({}, tmp_path)
    assert key_of({}, tmp_path / "other") != key_of({}, tmp_path)


def test_all_who_make_a_key_at_once_have_the_same(tmp_path: Path) -> None:
    together = Barrier(8)

    def make(_: int) -> bytes:
        together.wait()
        return key_of({}, tmp_path)

    with ThreadPoolExecutor(8) as threads:
        keys = {*threads.map(make, range(8))}

    assert keys == {(tmp_path / "cluster.key").read_bytes().strip()}
    assert [path.name for path in tmp_path.iterdir()] == ["cluster.key"]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param("RUNNER_CLUSTER_KEY", 31, id="one-too-few"),
        pytest.param("RUNNER_CLUSTER_KEY", 0, id="empty"),
    ],
)
def test_a_key_that_is_too_short(tmp_path: Path, name: str, size: int) -> None:
    with pytest.raises(SetupError) as caught:
        key_of({name: "k" * size}, tmp_path)

    message = f"{name} has {size} characters, and a key of the cluster 32 or more"
    assert (str(caught.value), caught.value.hint) == (message, HINT)


def test_a_file_whose_key_is_too_short(tmp_path: Path) -> None:
    path = _file(tmp_path, "k" * 31 + "\n")

    with pytest.raises(SetupError) as caught:
        key_of({"RUNNER_CLUSTER_KEY_FILE": str(path)}, tmp_path)

    message = f"{path} has 31 characters, and a key of the cluster 32 or more"
    assert (str(caught.value), caught.value.hint) == (message, HINT)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610], ids=oct)
def test_a_file_that_others_may_read(tmp_path: Path, mode: int) -> None:
    path = _file(tmp_path, "k" * 32)
    path.chmod(mode)

    with pytest.raises(SetupError) as caught:
        key_of({"RUNNER_CLUSTER_KEY_FILE": str(path)}, tmp_path)

    message = f"others may read {path}, the key of the cluster"
    assert (str(caught.value), caught.value.hint) == (message, f"chmod 600 {path}")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("missing", "No such file or directory", id="missing"),
        pytest.param("folder", "Is a directory", id="folder"),
        pytest.param("file/below", "Not a directory", id="below-a-file"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "file").touch()
    path = tmp_path / name

    with pytest.raises(SetupError) as caught:
        key_of({"RUNNER_CLUSTER_KEY_FILE": str(path)}, tmp_path)

    assert str(caught.value) == f"{path}, the key of the cluster, cannot be used: {why}"
    assert caught.value.hint == "RUNNER_CLUSTER_KEY or RUNNER_CLUSTER_KEY_FILE may give it"


def test_a_storage_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SetupError) as caught:
        key_of({}, tmp_path / "file/storage")

    path = tmp_path / "file/storage/cluster.key"
    assert str(caught.value) == f"{path}, the key of the cluster, cannot be used: Not a directory"


def _file(folder: Path, text: str) -> Path:
    path = folder / "key"
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
    return path


def test_what_json_cannot_hold_is_not_sealed() -> None:
    with pytest.raises(TypeError, match="Object of type bytes is not JSON serializable"):
        Seal.to_workers(KEY).close({"value": b""})
    assert json.loads(Seal.to_workers(KEY).close({})[64:]) == {}
