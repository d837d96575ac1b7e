from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from runner.config.model import Config, CoreConfig, JobConfig, Mode, TaskConfig
from runner.execution.session import Session, memory_of, remove_remains, session_of
from runner.execution.values import EncodedMemory, Folders

in_memory = pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no files in memory here")


def config_in(folder: Path) -> Config:
    return Config(core=CoreConfig(storage_folder="kept"), application_path=folder)


def test_where_a_session_keeps_things(tmp_path: Path) -> None:
    session = session_of(config_in(tmp_path))

    assert session.application_path == tmp_path
    assert session.logs == tmp_path / "kept" / "logs"
    assert session.values.disk == str(tmp_path / "kept" / "values" / session.name)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("found", "secrets"),
    [
        pytest.param("amqp://ada:c4nary@host", ("c4nary", "of-a-task"), id="in-the-environment"),
        pytest.param("else", ("of-a-task",), id="elsewhere"),
    ],
)
def test_jobs_are_told_of_the_broker_what_they_can_see(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: str, secrets: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WHERE_THE_BROKER_IS", found)
    monkeypatch.setenv("RUNNER_BROKER_URL", "amqp://ada:c4nary@host")
    task = TaskConfig(id="t", properties={"token": "of-a-task"})
    job = JobConfig(broker_url="amqp://ada:c4nary@host")
    config = attrs.evolve(config_in(tmp_path), job=job, tasks={"t": task})

    session = session_of(config)

    assert session.mask.secrets == ("c4nary", "of-a-task")
    assert session.mask_of_jobs.secrets == secrets


@pytest.mark.parametrize(
    ("config", "holds"),
    [
        pytest.param(Config(), False, id="none"),
        pytest.param(Config(runner={"token": ""}), False, id="empty"),
        pytest.param(Config(runner={"token": "c4nary"}), True, id="one"),
        pytest.param(Config(runner={"token": "abc"}), True, id="too-short-to-be-taken-out"),
    ],
)
def test_whether_a_config_holds_secrets(config: Config, holds: bool) -> None:
    assert session_of(config).holds_secrets is holds


def test_no_two_sessions_share_anything(tmp_path: Path) -> None:
    one, other = session_of(config_in(tmp_path)), session_of(config_in(tmp_path))

    assert one.name != other.name
    assert one.log_of(1) != other.log_of(1) != other.log_of(2)
    assert one.values != other.values


def test_a_log_and_its_end(tmp_path: Path) -> None:
    session = Session("s", tmp_path, tmp_path, Folders(""))
    (tmp_path / session.log_of(1)).write_bytes(b"x" * 5000 + b"the end \xff\n")

    assert session.size_of(session.log_of(1)) == 5010
    assert session.end_of(session.log_of(1)).endswith("xthe end \\xff\n")
    assert len(session.end_of(session.log_of(1))) < 5000


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    session = Session("s", tmp_path, tmp_path, Folders(""))

    assert session.size_of("gone.log") == 0
    assert session.end_of("gone.log") == ""


def test_values_of_other_processes_are_encoded(tmp_path: Path) -> None:
    session = session_of(config_in(tmp_path))

    assert memory_of(Mode.DEVELOPMENT, session) == {}
    memory = memory_of(Mode.STANDALONE, session)
    assert isinstance(memory, EncodedMemory)
    memory.close()


@in_memory
def test_large_values_are_in_memory_for_nobody_else(tmp_path: Path) -> None:
    session = session_of(config_in(tmp_path))
    memory = memory_of(Mode.STANDALONE, session)

    memory["x"] = bytes(100_000)

    folder = Path(session.values.memory or "")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(list(folder.iterdir())) == 1
    remove_remains(session)
    assert not folder.exists()


@in_memory
def test_what_a_dead_session_left_in_memory_is_removed(tmp_path: Path) -> None:
    session = session_of(config_in(tmp_path))
    assert session.values.memory is not None
    host = session.name.split("-")[0]
    dead = Path(session.values.memory).parent / f"runner-{host}-4194304-77-1-0af0"
    dead.mkdir()
    (dead / "1-1").touch()

    memory_of(Mode.STANDALONE, session)

    assert not dead.exists()
    remove_remains(session)


def test_what_a_dead_session_left_is_removed(tmp_path: Path) -> None:
    session = session_of(config_in(tmp_path))
    host = session.name.split("-")[0]
    mine = Path(session.values.disk)
    dead = mine.parent / f"{host}-4194304-77-1"
    mine.mkdir(parents=True)
    dead.mkdir()
    (dead / "1-1").touch()

    memory_of(Mode.STANDALONE, session)

    assert list(mine.parent.iterdir()) == [mine]
    remove_remains(session)


def test_what_remains_of_a_session(tmp_path: Path) -> None:
    session = session_of(config_in(tmp_path))
    values = Path(session.values.disk)
    values.mkdir(parents=True)
    (values / "orphan").touch()
    session.logs.mkdir()
    (session.logs / session.log_of(1)).touch()
    (session.logs / session.log_of(2)).write_text("said", encoding="utf-8")
    (session.logs / "another-1.log").touch()

    remove_remains(session)

    left = sorted(path.name for path in session.logs.iterdir())
    assert left == sorted([session.log_of(2), "another-1.log"])
    assert not values.exists()
