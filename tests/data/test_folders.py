from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.data import files
from runner.data.files import remove_strays
from runner.data.folders import NodeFolder, exchanged, parts_of, replace
from runner.errors import JobError


def node_folder(path: Path, *, durable: bool = False) -> NodeFolder:
    return NodeFolder("x", str(path), durable, lambda file: file.endswith(".part"))


def filling(text: str, *names: str) -> Callable[[str], None]:
    def fill(folder: str) -> None:
        for name in names or ("0.part",):
            file = Path(folder) / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)

    return fill


def write(path: Path, text: str, *names: str) -> None:
    node_folder(path).stage(filling(text, *names)).commit()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def contents(folder: Path) -> dict[str, str]:
    return {str(part): (folder / part).read_text() for part in parts_of(str(folder))}


@pytest.mark.parametrize("durable", [False, True], ids=["process", "power"])
def test_missing_folders_are_made(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a" / "b" / "x"
    node_folder(path, durable=durable).stage(filling("new", "k=1/0.part")).commit()
    assert contents(path) == {"k=1/0.part": "new"}


def test_a_folder_replaces_another_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, "old", "0.part", "1.part")
    write(path, "new", "0.part")
    assert contents(path) == {"0.part": "new"}
    assert names(tmp_path) == ["x"]


def test_a_folder_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    write(path, "new")
    assert contents(path) == {"0.part": "new"}
    assert names(tmp_path) == ["x"]


def test_what_is_staged_is_hidden_and_named_for_its_process(tmp_path: Path) -> None:
    staged = node_folder(tmp_path / "x").stage(filling("new"))
    (name,) = names(tmp_path)
    assert name.startswith(".x.")
    assert f"-{os.getpid()}-" in name
    staged.discard()
    assert names(tmp_path) == []


def test_a_discard_after_the_commit_does_nothing(tmp_path: Path) -> None:
    staged = node_folder(tmp_path / "x").stage(filling("new"))
    staged.commit()
    staged.discard()
    assert contents(tmp_path / "x") == {"0.part": "new"}


def test_a_replaced_folder_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.mkdir()
    path.chmod(0o750)
    write(path, "new")
    assert path.stat().st_mode & 0o777 == 0o750


def test_a_link_is_written_through(tmp_path: Path) -> None:
    target = tmp_path / "far" / "target"
    target.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(target)
    write(link, "new")
    assert link.is_symlink()
    assert contents(target) == {"0.part": "new"}
    assert names(tmp_path / "far") == ["target"]


@pytest.mark.parametrize(
    ("foreign", "named"),
    [
        pytest.param("notes.txt", "notes.txt", id="file"),
        pytest.param("k=1/notes.txt", "k=1/notes.txt", id="deeper"),
        pytest.param(".git/config", ".git", id="hidden-folder"),
        pytest.param("_delta_log/0.json", "_delta_log", id="folder-of-others"),
    ],
)
def test_a_folder_that_holds_more_is_never_replaced(
    tmp_path: Path, foreign: str, named: str
) -> None:
    path = tmp_path / "x"
    path.mkdir()
    filling("old", foreign)(str(path))
    message = (
        f"^data node `x`: {path} cannot be {{}}: "
        f"the folder holds `{named}`, which is no part of the data node$"
    )
    with pytest.raises(JobError, match=message.format("written")) as caught:
        write(path, "new")
    assert caught.value.code == "RUN605"
    with pytest.raises(JobError, match=message.format("removed")):
        node_folder(path).delete()
    assert (path / foreign).read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_what_others_put_beside_their_files_goes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, "old", "0.part", "_SUCCESS", ".0.part.crc")
    assert contents(path) == {"0.part": "old"}
    write(path, "new")
    assert names(path) == ["0.part"]


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(JobError, match=r"x cannot be written: Not a regular file$"):
        write(tmp_path / "x", "new")
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_write_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "x"
    write(path, "old")

    def half(folder: str) -> None:
        filling("half")(folder)
        raise error("stop")

    with pytest.raises(error, match=r"^stop$"):
        node_folder(path).stage(half)
    assert contents(path) == {"0.part": "old"}
    assert names(tmp_path) == ["x"]


def test_a_commit_that_fails_can_be_discarded(tmp_path: Path) -> None:
    staged = node_folder(tmp_path / "x").stage(filling("new"))
    Path(staged.temporary).rename(tmp_path / "gone")
    with pytest.raises(JobError, match=r"x cannot be written: No such file or directory$"):
        staged.commit()
    staged.discard()
    assert names(tmp_path) == ["gone"]


def never(one: str, other: str) -> bool:
    return False


def test_where_nothing_can_be_exchanged(tmp_path: Path) -> None:
    old, new = tmp_path / "x", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "0.part").write_text(folder.name)
    replace(str(new), str(old), never)
    assert contents(old) == {"0.part": "new"}
    assert names(tmp_path) == ["x"]


def test_where_nothing_can_be_exchanged_the_old_one_comes_back(tmp_path: Path) -> None:
    old = tmp_path / "x"
    old.mkdir()
    with pytest.raises(FileNotFoundError, match=r"new"):
        replace(str(tmp_path / "new"), str(old), never)
    assert names(tmp_path) == ["x"]


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such call")
def test_exchanged(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_text("file")
    assert exchanged(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "a").is_file()
    assert (tmp_path / "b").is_dir()


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such call")
def test_what_is_not_there_is_not_exchanged(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileNotFoundError, match=r"No such file or directory"):
        exchanged(str(tmp_path / "a"), str(tmp_path / "b"))


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def stray(path: Path, suffix: str, pid: int) -> Path:
    folder = path.with_name(f".{path.name}.{files._host()}-{pid}-1.{suffix}")
    folder.mkdir()
    (folder / "0.part").write_text("stray")
    return folder


def test_strays_of_the_dead_are_removed(tmp_path: Path) -> None:
    stray(tmp_path / "x", "tmp", dead_process())
    remove_strays(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("suffix", ["tmp", "old"])
def test_strays_of_the_living_stay(tmp_path: Path, suffix: str) -> None:
    left = stray(tmp_path / "x", suffix, os.getpid())
    remove_strays(tmp_path)
    assert names(tmp_path) == [left.name]


def test_what_was_moved_away_and_never_replaced_comes_back(tmp_path: Path) -> None:
    stray(tmp_path / "x", "old", dead_process())
    remove_strays(tmp_path)
    assert contents(tmp_path / "x") == {"0.part": "stray"}
    assert names(tmp_path) == ["x"]


def test_what_was_moved_away_and_replaced_goes(tmp_path: Path) -> None:
    stray(tmp_path / "x", "old", dead_process())
    write(tmp_path / "x", "new")
    remove_strays(tmp_path)
    assert contents(tmp_path / "x") == {"0.part": "new"}
    assert names(tmp_path) == ["x"]


def test_what_was_moved_away_from_a_name_that_is_unknown_stays(tmp_path: Path) -> None:
    left = stray(tmp_path / ("n" * 60), "old", dead_process())
    remove_strays(tmp_path)
    assert names(tmp_path) == [left.name]


def test_the_mark_is_of_names_and_contents(tmp_path: Path) -> None:
    marks = []
    for text, part in (("a", "0.part"), ("b", "0.part"), ("a", "1.part"), ("a", "0.part")):
        staged = node_folder(tmp_path / "x").stage(filling(text, part), rows=7)
        staged.commit()
        found = node_folder(tmp_path / "x").mark()
        assert staged.mark is not None
        assert found == staged.mark._replace(rows=None)
        marks.append(staged.mark)
    first, content, name, again = marks
    assert len({first.fingerprint, content.fingerprint, name.fingerprint}) == 3
    assert first.fingerprint == again.fingerprint
    assert first.stamp != again.stamp
    assert (first.size, first.rows) == (1, 7)


def test_what_has_the_known_stamp_is_not_read(tmp_path: Path) -> None:
    folder = node_folder(tmp_path / "x")
    write(tmp_path / "x", "a")
    mark = folder.mark()
    assert mark is not None
    known = mark._replace(fingerprint="as it was told", rows=7)
    assert folder.mark(known) == known

    (tmp_path / "x" / "0.part").write_text("a")
    os.utime(tmp_path / "x" / "0.part", (1, 1))
    found = folder.mark(mark._replace(rows=7))
    assert found is not None
    assert found == mark._replace(stamp=found.stamp, rows=7)
    assert found.stamp != mark.stamp


@pytest.mark.parametrize("name", [None, "_SUCCESS", ".hidden", "_more/0.part"])
def test_a_folder_without_parts_is_no_value(tmp_path: Path, name: str | None) -> None:
    (tmp_path / "x").mkdir()
    if name is not None:
        filling("a", name)(str(tmp_path / "x"))
    folder = node_folder(tmp_path / "x")
    assert not folder.exists()
    assert folder.mark() is None


def test_a_folder_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, "old", "0.part", "1.part")
    texts = iter(["new", "newest"])

    def read() -> list[str]:
        found = [(path / name).read_text() for name in names(path)]
        text = next(texts, None)
        if text is not None:
            write(path, text, "0.part", "1.part")
        return found

    assert node_folder(path).read(read) == ["newest", "newest"]


def test_a_folder_whose_files_go_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write(path, "old", "0.part")

    def read() -> list[str]:
        listed = names(path)
        if listed == ["0.part"]:
            write(path, "new", "1.part")
        return [(path / name).read_text() for name in listed]

    assert node_folder(path).read(read) == ["new"]


def test_a_read_that_fails_is_not_repeated(tmp_path: Path) -> None:
    write(tmp_path / "x", "old")
    times = []

    def read() -> None:
        times.append(1)
        raise ValueError("damaged")

    with pytest.raises(ValueError, match=r"^damaged$"):
        node_folder(tmp_path / "x").read(read)
    assert len(times) == 1


def test_delete(tmp_path: Path) -> None:
    write(tmp_path / "x", "old", "k=1/0.part")
    node_folder(tmp_path / "x", durable=True).delete()
    node_folder(tmp_path / "x").delete()
    assert names(tmp_path) == []


def test_a_killed_writer_leaves_a_stray_that_is_removed(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys\n"
        "from runner.data.folders import NodeFolder\n"
        "folder = NodeFolder('x', sys.argv[1], False, bool)\n"
        "folder.stage(lambda path: (pathlib.Path(path) / '0.part').write_text('half'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=False)
    assert len(names(tmp_path)) == 1
    remove_strays(tmp_path)
    assert names(tmp_path) == []


def test_a_reader_sees_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    """Another process replaces the folder as often as it can, while this one reads it."""
    path = tmp_path / "x"
    write(path, "0", "0.part", "1.part")
    code = (
        "import itertools, pathlib, sys\n"
        "from runner.data.folders import NodeFolder\n"
        "folder = NodeFolder('x', sys.argv[1], False, bool)\n"
        "def fill(path, number):\n"
        "    for name in ('0.part', '1.part'):\n"
        "        (pathlib.Path(path) / name).write_text(str(number))\n"
        "print('ready', flush=True)\n"
        "for number in itertools.count():\n"
        "    folder.stage(lambda path: fill(path, number)).commit()\n"
    )
    seen: list[list[str]] = []
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        while len({text for each in seen for text in each}) < 20:
            assert path.is_dir()
            seen.append(node_folder(path).read(lambda: [*contents(path).values()]))
        writer.kill()
    assert [each for each in seen if len(each) != 2 or each[0] != each[1]] == []
