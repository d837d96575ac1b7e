from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from runner.config.loader import load
from runner.config.model import Config
from runner.diagnostics import Diagnostic
from runner.execution.surroundings import (
    missing_files,
    unreachable_broker,
    unusable_storage_folder,
    unwritable_files,
    wrong_surroundings,
)

Read = Callable[[str], Config]

NOBODY: Final = 65534
APPLICATION_PATH: Final = (
    "relative paths start at the application path, the folder of the first config file"
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(text: str) -> Config:
        path = tmp_path / "runner.toml"
        path.write_text(text.replace("<app>", str(tmp_path)), encoding="utf-8")
        return load([path], environ={}).config

    return read_text


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Iterable[Diagnostic]], list[str]]:
    return lambda diagnostics: [str(each).replace(str(tmp_path), "<app>") for each in diagnostics]


@pytest.fixture
def restricted() -> Iterator[None]:
    """Permissions count for root too, which asks as somebody else."""
    if os.geteuid() == 0:
        os.setreuid(NOBODY, 0)
        yield
        os.setreuid(0, 0)
    else:
        yield


def flow(*, reads: str = "", writes: str = "") -> str:
    """A task, and data nodes `a` that it reads and `b` that it writes."""
    return (
        f"[DATA_NODE.a]\nstorage_type = 'json'\n{reads}\n"
        f"[DATA_NODE.b]\nstorage_type = 'json'\n{writes}\n"
        "[TASK.t]\nfunction = 'm.f'\ninputs = ['a']\noutputs = ['b']\n"
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(
            "path = 'nowhere.json'",
            f"DATA_NODE.a.path: error[RUN404]: no file <app>/nowhere.json ({APPLICATION_PATH})",
            id="missing",
        ),
        pytest.param(
            "default_path = 'in/orders.jsn'",
            "DATA_NODE.a.default_path: error[RUN404]: no file <app>/in/orders.jsn "
            "(did you mean <app>/in/orders.json?)",
            id="misspelt",
        ),
        pytest.param(
            "path = 'inn/orders.json'",
            "DATA_NODE.a.path: error[RUN404]: no file <app>/inn/orders.json "
            "(did you mean <app>/in?)",
            id="misspelt-folder",
        ),
        pytest.param(
            "path = 'in'",
            "DATA_NODE.a.path: error[RUN404]: <app>/in is a folder, not a file "
            f"({APPLICATION_PATH})",
            id="folder",
        ),
        pytest.param(
            'path = "a\\u0000b"',
            f"DATA_NODE.a.path: error[RUN404]: no file <app>/a\0b ({APPLICATION_PATH})",
            id="no-name-of-a-file",
        ),
        pytest.param(
            "path = '~nobody_of_that_name/x.json'",
            "DATA_NODE.a.path: error[RUN404]: no file <app>/~nobody_of_that_name/x.json "
            f"({APPLICATION_PATH})",
            id="folder-of-nobody",
        ),
    ],
)
def test_a_file_that_is_not_there(
    read: Read,
    told: Callable[[Iterable[Diagnostic]], list[str]],
    tmp_path: Path,
    lines: str,
    expected: str,
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "orders.json").touch()
    assert told(missing_files(read(flow(reads=lines)))) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(flow(reads="path = 'there.json'"), id="there"),
        pytest.param(flow(reads="path = 'x.json'\ndefault_data = 1"), id="default-data"),
        pytest.param(flow(writes="path = 'x.json'"), id="written"),
        pytest.param(flow(writes="path = 'x.json'").replace("'b'", "'bb'"), id="misspelt-output"),
        pytest.param(
            flow(writes="path = 'x.json'").replace("['b']", "'b'"), id="outputs-not-understood"
        ),
        pytest.param(flow(reads="path = 'ENV[MISSING]'"), id="not-in-the-environment"),
        pytest.param(
            flow(reads="path = 'x.json'\ndefault_data = 'ENV[MISSING]'"), id="default-not-known"
        ),
        pytest.param(flow(reads="path = '.'").replace("'json'", "'parquet'"), id="parquet-folder"),
        pytest.param(
            flow(writes="path = 'tables'").replace("'json'", "'parquet'"), id="written-folder"
        ),
        pytest.param(flow(reads="path = 'x.json'") + "[TASK", id="not-toml"),
    ],
)
def test_no_file_is_missing(read: Read, tmp_path: Path, text: str) -> None:
    (tmp_path / "there.json").touch()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.parquet").write_bytes(b"PAR1")
    assert list(wrong_surroundings(read(text))) == []


def test_a_folder_without_a_file_of_parquet(
    read: Read, told: Callable[[Iterable[Diagnostic]], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "_SUCCESS").touch()
    text = flow(reads="path = 'in'").replace("'json'", "'parquet'")
    assert told(missing_files(read(text))) == [
        f"DATA_NODE.a.path: error[RUN404]: no parquet file in <app>/in ({APPLICATION_PATH})"
    ]


def test_a_folder_that_holds_more_than_a_data_node(
    read: Read, told: Callable[[Iterable[Diagnostic]], list[str]]
) -> None:
    text = flow(writes="path = '.'").replace("'json'", "'parquet'")
    (message,) = told(unwritable_files(read(text)))
    assert message == (
        "DATA_NODE.b.path: error[RUN405]: <app>/. cannot be written: "
        "the folder holds `runner.toml`, which is no part of the data node"
    )


def test_what_is_not_understood_elsewhere_hides_no_missing_file(read: Read) -> None:
    text = flow(reads="path = 'x.json'") + "timeout = 'ENV[MISSING]:timedelta'\n"
    assert [each.code for each in missing_files(read(text))] == ["RUN404"]


@pytest.mark.usefixtures("restricted")
def test_a_file_that_may_not_be_read(
    read: Read, told: Callable[[Iterable[Diagnostic]], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "a.json").touch(mode=0o200)
    assert told(missing_files(read(flow(reads="path = 'a.json'")))) == [
        "DATA_NODE.a.path: error[RUN404]: no permission to read <app>/a.json"
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param("folder", "is a directory", id="folder"),
        pytest.param("link", "is a directory", id="link-to-a-folder"),
        pytest.param("file/b.json", "<app>/file is no folder", id="in-a-file"),
        pytest.param("file/new/b.json", "<app>/file is no folder", id="below-a-file"),
        pytest.param("/dev/null", "not a regular file", id="device"),
        pytest.param("a\\u0000b", "the name holds a null character", id="no-name-of-a-file"),
    ],
)
def test_a_file_that_cannot_be_written(
    read: Read,
    told: Callable[[Iterable[Diagnostic]], list[str]],
    tmp_path: Path,
    path: str,
    why: str,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("folder")
    (message,) = told(unwritable_files(read(flow(writes=f'path = "{path}"'))))
    assert message.startswith("DATA_NODE.b.path: error[RUN405]: ")
    assert message.endswith(f" cannot be written: {why}")


@pytest.mark.usefixtures("restricted")
@pytest.mark.parametrize("path", ["locked/b.json", "locked/new/b.json"])
def test_a_folder_that_may_not_be_written(
    read: Read, told: Callable[[Iterable[Diagnostic]], list[str]], tmp_path: Path, path: str
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    (message,) = told(unwritable_files(read(flow(writes=f"path = '{path}'"))))
    assert message == (
        f"DATA_NODE.b.path: error[RUN405]: <app>/{path} cannot be written: "
        "no permission to write in <app>/locked"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(flow(writes="path = 'b.json'"), id="new"),
        pytest.param(flow(writes="path = 'new/folder/b.json'"), id="new-folder"),
        pytest.param(flow(writes="path = 'there'"), id="there"),
        pytest.param(flow(reads="path = 'folder'"), id="only-read"),
        pytest.param(flow(), id="file-of-the-runner"),
    ],
)
def test_files_that_can_be_written(read: Read, tmp_path: Path, text: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "there").touch()
    assert list(unwritable_files(read(text))) == []


def test_a_first_value_must_be_written_where_there_is_none(read: Read, tmp_path: Path) -> None:
    config = read(flow(reads="path = 'file/a.json'\ndefault_data = 1"))
    (tmp_path / "file").touch()
    assert [each.key for each in unwritable_files(config)] == [("DATA_NODE", "a", "path")]


def test_a_storage_folder_that_is_a_file(
    read: Read, told: Callable[[Iterable[Diagnostic]], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (message,) = told(unusable_storage_folder(read("[CORE]\nstorage_folder = 'file'\n")))
    assert message == (
        "CORE.storage_folder: error[RUN508]: storage folder: <app>/file cannot be used: "
        "<app>/file is no folder "
        "(look at its permissions, or set [CORE] storage_folder to another)"
    )


@pytest.mark.parametrize("mode", ["development", "standalone", "cluster"])
def test_a_storage_folder_on_a_network(
    tmp_path: Path, read: Read, told: Callable[[Iterable[Diagnostic]], list[str]], mode: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"9 1 0:9 / {os.path.realpath(tmp_path)} rw - nfs4 files:/ rw\n")

    messages = told(unusable_storage_folder(read(f"[JOB]\nmode = '{mode}'\n"), mounts))

    refused = (
        "CORE.storage_folder: error[RUN508]: storage folder: <app>/.runner cannot be used: "
        "it is on a network file system (nfs4), where other machines may damage its record "
        "(set [CORE] storage_folder to a folder of a local disk)"
    )
    assert messages == ([] if mode == "cluster" else [refused])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="default"),
        pytest.param("[CORE]\nstorage_folder = 'a/b/c'\n", id="to-be-made"),
        pytest.param("[CORE]\nstorage_folder = 'ENV[MISSING]'\n", id="not-known"),
    ],
)
def test_a_storage_folder_that_can_be_used(read: Read, text: str) -> None:
    assert list(unusable_storage_folder(read(text))) == []


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def silent() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def cluster(url: str) -> str:
    return f"[JOB]\nmode = 'cluster'\nbroker_url = '{url}'\n"


def test_a_broker_that_answers(read: Read, listening: int, silent: int) -> None:
    answers = f"amqp://guest:guest@127.0.0.1:{listening}//"
    refuses = f"amqp://127.0.0.1:{silent}"
    assert list(unreachable_broker(read(cluster(answers)), patience=0.5)) == []
    assert list(unreachable_broker(read(cluster(f"{refuses};{answers}")), patience=0.5)) == []


def test_a_broker_that_does_not_answer(read: Read, silent: int) -> None:
    url = f"amqp://user:hunter2@127.0.0.1:{silent}//"
    assert list(unreachable_broker(read(cluster(url)))) == [
        Diagnostic(
            code="RUN501",
            key=("JOB", "broker_url"),
            message=f"no broker at 127.0.0.1:{silent}: connection refused",
            hint="is it running? [JOB] broker_url says where it is",
        )
    ]


def test_a_broker_url_of_the_environment_that_is_none(read: Read) -> None:
    environ = {"RUNNER_BROKER_URL": "amqp://me:hunter/2@host"}
    (diagnostic,) = unreachable_broker(read("[JOB]\nmode = 'cluster'\n"), environ=environ)
    assert (diagnostic.code, diagnostic.message) == (
        "RUN501",
        "`RUNNER_BROKER_URL` has no host and port that can be read",
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[JOB]\nbroker_url = 'amqp://localhost:1'\n", id="no-cluster"),
        pytest.param(cluster("ENV[MISSING]"), id="not-known"),
        pytest.param(cluster("memory://"), id="no-url-as-check-tells"),
    ],
)
def test_a_broker_that_nobody_asks(read: Read, text: str) -> None:
    assert list(unreachable_broker(read(text))) == []


@pytest.fixture
def overrun() -> Iterator[int]:
    """A port that takes no more connections, and refuses none."""
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_a_broker_that_takes_too_long(read: Read, overrun: int) -> None:
    url = f"amqp://127.0.0.1:{overrun}"
    (diagnostic,) = unreachable_broker(read(cluster(url)), patience=0.1)
    assert diagnostic.message == f"no broker at 127.0.0.1:{overrun}: no answer within 0.1 s"
