from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import boto3
import pytest

import runner
from runner.config.options import STORAGE_TYPES
from runner.config.references import FunctionRef
from runner.data.storage import Opening, Storage
from runner.data.storages import open_storage

LISTENS: Final = re.compile(r"127\.0\.0\.1:(\d+)")
MONGO: Final = ("secantus", "--port", "0", "--enable-test-commands", "--storage-path")
"""No MongoDB, but it talks as one does, over a socket, and keeps documents as one does."""


@attrs.frozen
class Server:
    """A server in a process of its own.

    Attributes:
        process: to be killed where a test is about that.
        port: it listens there, at 127.0.0.1.
    """

    process: subprocess.Popen[str]
    port: int


@contextmanager
def serving(*module: str) -> Iterator[Server]:
    """Start a server by a module of Python; it says where it listens."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", *module],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env=environment,
    ) as process:
        assert process.stdout is not None
        port = next(int(found[1]) for line in process.stdout if (found := LISTENS.search(line)))
        rest = threading.Thread(target=process.stdout.read)
        rest.start()
        try:
            yield Server(process, port)
        finally:
            process.terminate()
            rest.join()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of an S3 server."""
    with serving("moto.server", "-H", "127.0.0.1", "-p", "0") as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[Server]:
    with serving(*MONGO, ":memory:") as server:
        yield server


@pytest.fixture(scope="session")
def mongo_serving() -> Callable[..., AbstractContextManager[Server]]:
    """Starts a MongoDB server of the test's own over a folder, with further options."""
    return lambda *options: serving(*MONGO, *options)


@pytest.fixture
def s3(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options of an object in a bucket of its own, which is empty.

    Nothing of whoever runs the tests is used, and no server but ours is asked.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    bucket = f"bucket-{uuid.uuid4().hex}"
    login = {"aws_access_key_id": "a", "aws_secret_access_key": "s", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=s3_server, **login)
    client.create_bucket(Bucket=bucket)
    client.close()
    return {
        "aws_access_key": "AKIAEXAMPLE",
        "aws_secret_access_key": "s3cr3t/+key",
        "aws_s3_bucket_name": bucket,
        "aws_s3_object_key": "in/x.txt",
        "aws_s3_client_parameters": {"endpoint_url": s3_server},
    }


@pytest.fixture
def mongo(mongo_server: Server) -> dict[str, Any]:
    """The options of a collection in a database of its own, which is empty."""
    return {
        "db_name": f"d{uuid.uuid4().hex}",
        "collection_name": "x",
        "db_host": "127.0.0.1",
        "db_port": mongo_server.port,
    }


@attrs.frozen
class Project:
    """A folder in which `runner` is run, with functions in `steps.py`."""

    folder: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "runner", *arguments, **environment)

    def python(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        package = Path(runner.__file__).parent.parent
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(package),
                "HOME": str(self.folder / "home"),  # where nobody has logged in
                **environment,
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str, str], Project]:
    """Makes a project of a config and functions."""

    def make(config: str, functions: str) -> Project:
        (tmp_path / "runner.toml").write_text(config, encoding="utf-8")
        (tmp_path / "steps.py").write_text(functions, encoding="utf-8")
        return Project(tmp_path)

    return make


@pytest.fixture
def toml() -> Callable[[Any], str]:
    """Writes a value as TOML; of a table without its braces, a key a line."""

    def inline(value: Any) -> str:
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{key} = {inline(each)}" for key, each in value.items()) + "}"
        return json.dumps(value)

    def write(value: Any) -> str:
        if isinstance(value, Mapping):
            return "".join(f"{key} = {inline(each)}\n" for key, each in value.items())
        return inline(value)

    return write


@pytest.fixture
def kept() -> dict[str, Any]:
    """The options of a place of the user's own: a list that two functions know."""
    place: list[Any] = []

    def read() -> Any:
        return place[-1]

    return {
        "read_fct": FunctionRef("m.read", read),
        "write_fct": FunctionRef("m.write", place.append),
    }


def load(reference: FunctionRef) -> Any:
    return reference.target


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "x"


@pytest.fixture
def opened(path: Path) -> Callable[..., Storage]:
    """Opens data node `x`, all its openings over one file and one memory."""
    memory: dict[str, Any] = {}

    def open_node(storage_type: str, *, durable: bool = False, **options: Any) -> Storage:
        opening = Opening(
            node="x",
            options=STORAGE_TYPES[storage_type](**options),
            key="global/x",
            path=path,
            memory=memory,
            load=load,
            durable=durable,
        )
        return open_storage(storage_type, opening)

    return open_node
