from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.data import files
from runner.data.files import NodeFile, remove_strays
from runner.errors import JobError


def node_file(path: Path, *, durable: bool = False) -> NodeFile:
    return NodeFile("x", str(path), durable)


def write(path: Path, data: bytes = b"new") -> None:
    node_file(path).stage_bytes(data).commit()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("durable", [False, True], ids=["process", "power"])
def test_missing_folders_are_made(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a" / "b" / "x"
    node_file(path, durable=durable).stage_bytes(b"new").commit()
    assert path.read_bytes() == b"new"


def test_a_temporary_file_is_hidden_and_named_for_its_process(tmp_path: Path) -> None:
    node_file(tmp_path / "x.p").stage_bytes(b"new")
    (name,) = names(tmp_path)
    assert name.startswith(".x.p.")
    assert f"-{os.getpid()}-" in name
    assert name.endswith(".tmp")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("n" * 255, id="ascii"),
        pytest.param("é" * 127, id="two-bytes-each"),
        pytest.param("a" + "😀" * 63, id="four-bytes-each"),
    ],
)
def test_the_longest_names_work(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert names(tmp_path) == [name]


def test_a_large_value_is_written_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    write(tmp_path / "x", data)
    assert (tmp_path / "x").read_bytes() == data


def test_a_copy_is_as_the_other_file(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "other").write_bytes(data)
    file = node_file(tmp_path / "x")

    staged = file.stage_copy(str(tmp_path / "other"), 7)
    staged.commit()

    assert (tmp_path / "x").read_bytes() == data
    assert staged.mark is not None
    assert staged.mark == file.mark()._replace(rows=7)  # type: ignore[union-attr]  # there is one


def test_a_copy_of_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"/x cannot be written: No such file or directory$"):
        node_file(tmp_path / "x").stage_copy(str(tmp_path / "other"))

    assert names(tmp_path) == []


def test_a_new_file_has_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "x")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o666, 0o755], ids=oct)
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x"
    path.touch()
    path.chmod(mode)
    write(path)
    assert path.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_read_only_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    path.chmod(0o444)
    with pytest.raises(JobError, match=r"x cannot be written: Permission denied$"):
        write(path)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("exists", [True, False], ids=["target", "no-target-yet"])
def test_a_link_is_written_through(tmp_path: Path, exists: bool) -> None:
    target = tmp_path / "far" / "target"
    target.parent.mkdir()
    if exists:
        target.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(Path("far") / "target")
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["far", "link"]


@pytest.mark.parametrize("durable", [False, True], ids=["process", "power"])
def test_of_a_link_the_target_is_deleted(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "target"
    link = tmp_path / "x"
    link.symlink_to(target)
    write(link)

    node_file(link, durable=durable).delete()

    assert link.is_symlink()
    assert not target.exists()


def test_what_is_no_ordinary_file_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "x"
    os.mkfifo(path)

    with pytest.raises(JobError, match=r"/x cannot be removed: Not a regular file$") as caught:
        node_file(path).delete()

    assert caught.value.code == "RUN605"
    assert path.exists()


def test_nothing_is_deleted_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")

    node_file(tmp_path / "x" / "y").delete()

    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(
        JobError, match=r"link cannot be written: Too many levels of symbolic links"
    ):
        write(link)
    assert link.is_symlink()


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(JobError, match=r"x cannot be written: Not a regular file$"):
        write(tmp_path / "x")
    assert names(tmp_path) == ["x"]


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(JobError, match=r"x cannot be written: Not a directory$") as caught:
        write(tmp_path / "a" / "x")
    assert caught.value.code == "RUN605"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def half(file: object) -> None:
        print("half", file=file)  # type: ignore[call-overload]  # a text file
        raise error("stop")

    with pytest.raises(error, match=r"^stop$"):
        node_file(path).stage_text(half, "utf-8")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_a_commit_that_fails_can_be_discarded(tmp_path: Path) -> None:
    staged = node_file(tmp_path / "x").stage_bytes(b"new")
    (tmp_path / "x").mkdir()
    with pytest.raises(JobError, match=r"x cannot be written: Is a directory$"):
        staged.commit()
    staged.discard()
    assert names(tmp_path) == ["x"]


def test_a_stray_in_the_way_is_stepped_over(tmp_path: Path) -> None:
    staged = node_file(tmp_path / "x").stage_bytes(b"a")
    head, _, number = staged.temporary.removesuffix(".tmp").rpartition("-")
    Path(f"{head}-{int(number) + 1}.tmp").touch()
    again = node_file(tmp_path / "x").stage_bytes(b"b")
    assert again.temporary == f"{head}-{int(number) + 2}.tmp"


def stray(folder: Path, *, pid: int, host: str | None = None) -> Path:
    path = folder / f".x.p.{host or files._host()}-{pid}-3.tmp"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("make", "stays"),
    [
        pytest.param(lambda folder: stray(folder, pid=dead_process()), False, id="dead"),
        pytest.param(lambda folder: stray(folder, pid=os.getpid()), True, id="own"),
        pytest.param(lambda folder: stray(folder, pid=1), True, id="of-somebody-else"),
        pytest.param(
            lambda folder: stray(folder, pid=dead_process(), host="00000000"),
            True,
            id="of-another-machine",
        ),
        pytest.param(lambda folder: stray(folder, pid=9_999_999_999), False, id="no-such-number"),
    ],
)
def test_strays(tmp_path: Path, make: Callable[[Path], Path], stays: bool) -> None:
    path = make(tmp_path)
    remove_strays(tmp_path)
    assert path.exists() == stays


@pytest.mark.parametrize("name", [".x.tmp", "x.p.00000000-1-1.tmp", ".hidden"])
def test_what_is_no_temporary_of_ours_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    remove_strays(tmp_path)
    assert names(tmp_path) == [name]


def test_strays_of_no_folder(tmp_path: Path) -> None:
    remove_strays(tmp_path / "missing")
    assert names(tmp_path) == []


def test_a_killed_writer_leaves_a_stray_that_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from runner.data.files import NodeFile\n"
        "NodeFile('x', sys.argv[1], False).stage_bytes(b'half')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=False)
    assert len(names(tmp_path)) == 1
    remove_strays(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else tells")
def test_a_writer_that_is_only_waited_for_is_dead(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from runner.data.files import NodeFile\n"
        "NodeFile('x', sys.argv[1], False).stage_bytes(b'half')\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "x")]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert len(names(tmp_path)) == 1
        remove_strays(tmp_path)
        assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        pytest.param("utf-8", "utf-8-sig", id="utf-8"),
        pytest.param("UTF8", "utf-8-sig", id="other-spelling"),
        pytest.param("latin-1", "latin-1", id="other"),
    ],
)
def test_reading_encoding(encoding: str, expected: str) -> None:
    assert files.reading_encoding(encoding) == expected
