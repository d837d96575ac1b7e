"""Against a server in a process of its own that is no MongoDB.

No package carries one. What answers here speaks MongoDB's protocol over a socket, keeps documents
in WiredTiger as MongoDB does, and passes the tests of its drivers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pandas as pd
import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from runner.config.references import FunctionRef
from runner.data.files import _host
from runner.data.storage import Storage, write_all
from runner.errors import JobError

Opened = Callable[..., Storage]
Options = dict[str, Any]
Serving = Callable[..., AbstractContextManager[Any]]


@pytest.fixture
def database(mongo: Options) -> Iterator[Database[Any]]:
    """What somebody else reads and writes with."""
    with MongoClient[Any](mongo["db_host"], mongo["db_port"]) as client:
        yield client[mongo["db_name"]]


def shown(mongo: Options) -> str:
    return f"collection `{mongo['collection_name']}` of database `{mongo['db_name']}`"


def without_ids(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in each.items() if key != "_id"} for each in documents]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param([], [], id="none"),
        pytest.param({"a": 1}, [{"a": 1}], id="one"),
        pytest.param(
            ({"a": 1}, {"b": [{"c": b"d"}]}), [{"a": 1}, {"b": [{"c": b"d"}]}], id="tuple"
        ),
        pytest.param([{"_id": None, "a": 1}], [{"a": 1}], id="id-that-is-none"),
        pytest.param(
            [{"at": datetime(2024, 2, 29, 12, tzinfo=UTC)}],
            [{"at": datetime(2024, 2, 29, 12)}],
            id="time",
        ),
    ],
)
def test_what_is_written_is_read(opened: Opened, mongo: Options, written: Any, read: Any) -> None:
    storage = opened("mongo_collection", **mongo)
    storage.stage(written).commit()
    assert storage.exists()
    assert without_ids(storage.read()) == read


def test_a_document_keeps_its_id_or_gets_one(opened: Opened, mongo: Options) -> None:
    storage = opened("mongo_collection", **mongo)
    storage.stage([{"_id": "mine"}, {"a": 1}]).commit()
    mine, given = storage.read()
    assert mine == {"_id": "mine"}
    assert type(given["_id"]) is ObjectId


def test_more_documents_than_one_answer_holds(opened: Opened, mongo: Options) -> None:
    storage = opened("mongo_collection", **mongo)
    storage.stage([{"_id": each} for each in range(1000)]).commit()
    assert [each["_id"] for each in storage.read()] == list(range(1000))


class Plain:
    def __init__(self, a: int) -> None:
        self.a = a


class Taking(Plain):
    """Takes whatever there is."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Coded(Plain):
    @staticmethod
    def encode(row: Plain) -> dict[str, Any]:
        if not isinstance(row, Coded):
            raise TypeError("not one of ours")
        return {"b": row.a}

    @classmethod
    def decode(cls, document: Mapping[str, Any]) -> Coded:
        return cls(document["b"])


@dataclass
class Data:
    a: int


@attrs.frozen
class Frozen:
    a: int


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        pytest.param(Plain, {"a": 3}, id="plain"),
        pytest.param(Data, {"a": 3}, id="dataclass"),
        pytest.param(Frozen, {"a": 3}, id="attrs"),
        pytest.param(Coded, {"b": 3}, id="encode-and-decode"),
    ],
)
def test_custom_documents(
    opened: Opened, mongo: Options, document: Callable[[int], Any], kept: dict[str, Any]
) -> None:
    storage = opened("mongo_collection", **mongo, custom_document=FunctionRef("m.D", document))
    storage.stage([document(3)]).commit()
    (found,) = storage.read()
    assert (type(found), found.a) == (document, 3)
    assert without_ids(opened("mongo_collection", **mongo).read()) == [kept]


def test_a_class_that_takes_the_id_gets_it(opened: Opened, mongo: Options) -> None:
    opened("mongo_collection", **mongo).stage([{"_id": 1, "a": 2}]).commit()
    reference = FunctionRef("m.Taking", Taking)
    (found,) = opened("mongo_collection", **mongo, custom_document=reference).read()
    assert vars(found) == {"_id": 1, "a": 2}


def test_mappings_need_no_encoding(opened: Opened, mongo: Options) -> None:
    storage = opened("mongo_collection", **mongo, custom_document=FunctionRef("m.Coded", Coded))
    storage.stage([{"b": 1}]).commit()
    assert [each.a for each in storage.read()] == [1]


def test_a_class_that_fails(opened: Opened, mongo: Options) -> None:
    opened("mongo_collection", **mongo).stage([{"c": 1}]).commit()
    storage = opened("mongo_collection", **mongo, custom_document=FunctionRef("m.Coded", Coded))
    with pytest.raises(JobError, match=r"^data node `x`: collection") as read:
        storage.read()
    assert str(read.value) == (
        f"data node `x`: {shown(mongo)} cannot be read: `m.Coded` raised KeyError: 'b'"
    )
    assert (read.value.code, type(read.value.__cause__)) == ("RUN604", KeyError)
    with pytest.raises(JobError, match=r"^data node `x` cannot be written: ") as written:
        storage.stage([Coded(1), Plain(1)])
    assert str(written.value) == (
        "data node `x` cannot be written: `m.Coded.encode` raised TypeError: not one of ours "
        "for `result[1]`, which is a `Plain`"
    )
    assert (written.value.code, type(written.value.__cause__)) == ("RUN606", TypeError)


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        pytest.param(
            5, "`result` is a `int`, which is no document", "return a list of dicts", id="number"
        ),
        pytest.param(
            [{"a": 1}, "b"],
            "`result[1]` is a `str`, which is no document",
            "return a list of dicts",
            id="text",
        ),
        pytest.param(
            pd.DataFrame({"a": [1]}),
            "`result` is a `DataFrame`, which is no document",
            "return a list of dicts",
            id="table",
        ),
        pytest.param(
            [{"a": [1, {"b": {2}}]}],
            "`result[0]['a'][1]['b']` is a `set`, which does not go into BSON: "
            "cannot encode object: {2}, of type: <class 'set'>",
            None,
            id="set",
        ),
        pytest.param(
            {1: 2},
            "`result` is a `dict`, which does not go into BSON: "
            "documents must have only string keys, key was 1",
            None,
            id="key",
        ),
        pytest.param(
            [{"a": 2**64}],
            "`result[0]['a']` is a `int`, which does not go into BSON: "
            "OverflowError: MongoDB can only handle up to 8-byte ints",
            None,
            id="large",
        ),
    ],
)
def test_what_is_no_document(
    opened: Opened, mongo: Options, value: Any, message: str, hint: str | None
) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written: ") as caught:
        opened("mongo_collection", **mongo).stage(value)
    assert str(caught.value) == f"data node `x` cannot be written: {message}"
    assert (caught.value.code, caught.value.hint) == ("RUN606", hint)


def test_further_parameters_count(opened: Opened, mongo: Options) -> None:
    identity = uuid.UUID(int=5)
    storage = opened(
        "mongo_collection",
        **mongo,
        db_extra_args={"uuidRepresentation": "standard", "tz_aware": True},
    )
    now = datetime(2024, 1, 1, tzinfo=UTC)
    storage.stage([{"a": identity, "at": now}]).commit()
    assert without_ids(storage.read()) == [{"a": identity, "at": now}]


def test_indexes_and_options_stay(opened: Opened, mongo: Options, database: Database[Any]) -> None:
    options: dict[str, Any] = {"validator": {"$jsonSchema": {"required": ["a"]}}}
    made = database.create_collection("x", **options)
    made.create_index("a", unique=True)
    made.create_index([("b", -1)], name="by_b", expireAfterSeconds=60)
    indexes = made.index_information()
    storage = opened("mongo_collection", **mongo)

    refused = [
        ([{"a": 2}, {"a": 2}], f"{mongo['db_name']}.x index: a_1 dup key: {{ a: 2 }}"),
        ([{"b": 2}], "Document failed validation"),
    ]
    for value, why in refused:
        with pytest.raises(JobError, match=r"cannot be written") as caught:
            storage.stage(value)
        assert str(caught.value).endswith(why)
        assert caught.value.code == "RUN605"
        assert database.list_collection_names() == ["x"]
    staged = storage.stage([{"_id": 1, "a": 1}])
    (beside,) = set(database.list_collection_names()) - {"x"}
    # Before it is renamed, with which this server loses the options; MongoDB does not.
    assert database[beside].options() == options
    staged.commit()
    assert database["x"].index_information() == indexes
    assert storage.read() == [{"_id": 1, "a": 1}]


def test_a_view_is_read_and_not_replaced(
    opened: Opened, mongo: Options, database: Database[Any]
) -> None:
    database["other"].insert_one({"_id": 1})
    database.command("create", "x", viewOn="other", pipeline=[])
    storage = opened("mongo_collection", **mongo)
    assert storage.exists()
    assert storage.read() == [{"_id": 1}]
    with pytest.raises(JobError, match=r"it is a view, which cannot be replaced$"):
        storage.stage([])


def test_a_killed_writer_leaves_the_old_documents_and_the_next_one_cleans_up(
    opened: Opened, mongo: Options, database: Database[Any]
) -> None:
    storage = opened("mongo_collection", **mongo)
    storage.stage([{"_id": "old"}]).commit()
    program = f"""
import os, signal
from runner.config.options import MongoOptions
from runner.data.mongo_collection import open_mongo_collection
from runner.data.storage import Opening
options = MongoOptions(**{mongo!r})
opening = Opening(node="x", options=options, key="x", memory={{}}, load=str)
open_mongo_collection(opening).stage([{{"_id": "new"}}])
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False)
    assert killed.returncode == -signal.SIGKILL
    left = set(database.list_collection_names()) - {"x"}
    assert len(left) == 1
    assert storage.read() == [{"_id": "old"}]
    others = {f"x.runner-{_host()}-{os.getpid()}-0x", "x.runner-00000000-1-1", "x.runner", "xs"}
    for name in others:
        database.create_collection(name)

    storage.stage([{"_id": "new"}]).commit()

    assert storage.read() == [{"_id": "new"}]
    assert set(database.list_collection_names()) == {"x", *others}


def test_a_reader_sees_the_old_documents_or_the_new_ones(opened: Opened, mongo: Options) -> None:
    storage = opened("mongo_collection", **mongo)

    def documents(version: int) -> list[dict[str, int]]:
        return [{"_id": each, "version": version} for each in range(250)]

    def write() -> None:
        for version in range(1, 15):
            opened("mongo_collection", **mongo).stage(documents(version)).commit()

    storage.stage(documents(0)).commit()
    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append(storage.read())
    writer.join()
    for read in [*seen, storage.read()]:
        assert read == documents(read[0]["version"])
    assert storage.read() == documents(14)


@pytest.fixture
def failing(database: Database[Any]) -> Iterator[Callable[..., None]]:
    """Makes the server fail the next of some commands."""

    def fail(*commands: str, times: int, **how: Any) -> None:
        database.client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode={"times": times},
            data={"failCommands": [*commands], **how},
        )

    yield fail
    database.client.admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.mark.parametrize("code", [pytest.param(43, id="cursor"), pytest.param(175, id="plan")])
def test_what_was_replaced_while_it_was_read_is_read_again(
    opened: Opened, mongo: Options, failing: Callable[..., None], code: int
) -> None:
    storage = opened("mongo_collection", **mongo)
    storage.stage([{"_id": each} for each in range(250)]).commit()
    failing("getMore", times=2, errorCode=code)
    assert len(storage.read()) == 250
    failing("getMore", times=3, errorCode=code)
    with pytest.raises(JobError, match=r"cannot be read"):
        storage.read()


@pytest.mark.parametrize(
    ("command", "times"),
    [
        pytest.param("listCollections", 2, id="looking"),
        pytest.param("create", 1, id="making"),
        pytest.param("insert", 2, id="filling"),
        pytest.param("renameCollection", 1, id="replacing"),
    ],
)
def test_a_server_that_hangs_up_in_the_midst_of_a_write(
    opened: Opened,
    mongo: Options,
    database: Database[Any],
    failing: Callable[..., None],
    command: str,
    times: int,
) -> None:
    storage = opened("mongo_collection", **mongo)
    storage.stage([{"_id": "old"}]).commit()
    failing(command, times=times, closeConnection=True)
    with pytest.raises(JobError, match=r"cannot be written") as caught:
        write_all([(storage, [{"_id": "new"}])])
    assert str(caught.value) == (
        f"data node `x`: {shown(mongo)} cannot be written: "
        f"the connection to 127.0.0.1:{mongo['db_port']} broke"
    )
    assert (caught.value.code, caught.value.__cause__) == ("RUN605", None)
    assert storage.read() == [{"_id": "old"}]
    assert database.list_collection_names() == ["x"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        pytest.param(13, "the server wants `db_username` and `db_password`", id="no-permission"),
        pytest.param(14031, "Failing command via 'failCommand' failpoint", id="full-disk"),
    ],
)
def test_a_server_that_refuses_a_write(
    opened: Opened, mongo: Options, failing: Callable[..., None], code: int, why: str
) -> None:
    storage = opened("mongo_collection", **mongo)
    storage.stage([{"_id": "old"}]).commit()
    failing("insert", times=1, errorCode=code)
    with pytest.raises(JobError, match=r"cannot be written") as caught:
        storage.stage([{"_id": "new"}])
    assert str(caught.value) == f"data node `x`: {shown(mongo)} cannot be written: {why}"
    assert caught.value.code == "RUN605"
    assert storage.read() == [{"_id": "old"}]


def test_a_server_that_has_gone(
    opened: Opened, mongo_serving: Serving, tmp_path: Path, mongo: Options
) -> None:
    """After staging, and for good; what it had on its disk is as it was."""
    quick = {"db_extra_args": {"serverSelectionTimeoutMS": 200}}
    with mongo_serving(str(tmp_path), "--sync-on-commit") as server:
        storage = opened("mongo_collection", **mongo | {"db_port": server.port} | quick)
        storage.stage([{"_id": "old"}]).commit()
        staged = storage.stage([{"_id": "new"}])
        server.process.kill()
        server.process.wait()
        with pytest.raises(JobError, match=r"cannot be written") as caught:
            staged.commit()
        staged.discard()
        where = f"127.0.0.1:{server.port}"
        gone = f"no server answers at {where} within 0.2s: Connection refused"
        assert str(caught.value) in {  # the others, where the driver has noticed it by itself
            f"data node `x`: {shown(mongo)} cannot be written: {why}"
            for why in (
                f"the connection to {where} broke",
                gone,
                f"no server answers at {where} within 0.2s: Connection reset by peer",
            )
        }
        with pytest.raises(JobError, match=r"cannot be read") as read:
            storage.read()
        assert str(read.value) == f"data node `x`: {shown(mongo)} cannot be read: {gone}"
        assert read.value.code == "RUN604"
    with mongo_serving(str(tmp_path)) as server:
        storage = opened("mongo_collection", **mongo | {"db_port": server.port})
        assert storage.read() == [{"_id": "old"}]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param(
            {"db_extra_args": {"w": 0}},
            "`db_extra_args` has w=0, with which nobody learns of a failure",
            id="unacknowledged",
        ),
        pytest.param(
            {"db_extra_args": {"authMechanism": "none"}},
            "authMechanism must be in (",
            id="value-of-a-parameter",
        ),
        pytest.param(
            {"db_extra_args": {"fsunk": 1}},
            "ConfigurationError: Unknown option: fsunk",
            id="parameter",
        ),
        pytest.param(
            {"db_driver": "pymongo"}, '`db_driver` can be "srv" only, got "pymongo"', id="driver"
        ),
        pytest.param(
            {"db_driver": "srv", "db_host": "h"}, "ConfigurationError: ", id="srv-without-a-domain"
        ),
        pytest.param(
            {"db_username": "somebody", "db_password": "s3cr3t"},
            "the server refuses `db_username` with this `db_password`",
            id="login",
        ),
        pytest.param(
            {"db_username": "somebody"},
            "ConfigurationError: A password is required",
            id="half-a-login",
        ),
        pytest.param(
            {"db_host": "somebody:s3cr3t@h"},
            "Port contains non-digit characters. ",
            id="login-in-the-host",
        ),
        pytest.param(
            {"collection_name": "a$b"},
            "Invalid collection name: a$b",
            id="name",
        ),
    ],
)
def test_a_mistake(opened: Opened, mongo: Options, options: Options, why: str) -> None:
    used = {**mongo, **options}
    with pytest.raises(JobError, match=r"cannot be written") as caught:
        opened("mongo_collection", **used).stage([{"a": 1}])
    start = f"data node `x`: {shown(used)} cannot be written: {why}"
    assert str(caught.value)[: len(start)] == start
    assert "s3cr3t" not in str(caught.value)
    assert "somebody" not in str(caught.value)


def test_who_may_write_and_who_may_only_read(
    opened: Opened, mongo_serving: Serving, mongo: Options, tmp_path: Path
) -> None:
    name = mongo["db_name"]
    with (
        mongo_serving(str(tmp_path)) as server,
        MongoClient[Any]("127.0.0.1", server.port) as client,
    ):
        for user, role in (("writer", "readWrite"), ("reader", "read")):
            roles = [{"role": role, "db": name}]
            client.admin.command("createUser", user, pwd="p@ss:w/rd", roles=roles)
    with mongo_serving(str(tmp_path), "--auth") as server:
        reached = mongo | {"db_port": server.port}
        login = {"db_username": "writer", "db_password": "p@ss:w/rd"}
        writer = opened("mongo_collection", **reached, **login)
        writer.stage([{"_id": 1}]).commit()
        writer.stage([{"_id": 2}]).commit()
        reader = opened("mongo_collection", **reached, **login | {"db_username": "reader"})
        assert reader.exists()
        assert reader.read() == [{"_id": 2}]
        refusals = [
            (reader, "`db_username` is not authorized to do this"),
            (
                opened("mongo_collection", **reached),
                "the server wants `db_username` and `db_password`",
            ),
        ]
        for storage, why in refusals:
            with pytest.raises(JobError, match=r"cannot be written") as caught:
                storage.stage([{"_id": 3}])
            assert str(caught.value).endswith(f"cannot be written: {why}")
        with pytest.raises(JobError, match=r"`db_username` is not authorized to do this$"):
            reader.delete()
        assert writer.read() == [{"_id": 2}]


def test_nobody_can_tell_what_has_changed(opened: Opened, mongo: Options) -> None:
    storage = opened("mongo_collection", **mongo)
    staged = storage.stage([])
    staged.commit()
    assert (staged.mark, storage.mark()) == (None, None)


def test_a_refused_write_leaves_the_other_outputs(
    opened: Opened, mongo: Options, failing: Callable[..., None]
) -> None:
    sure = opened("json")
    sure.stage("old").commit()
    failing("renameCollection", times=1, errorCode=13)
    with pytest.raises(JobError, match=r"cannot be written: the server wants "):
        write_all([(sure, "new"), (opened("mongo_collection", **mongo), [{"a": 1}])])
    assert sure.read() == "old"


@pytest.mark.parametrize("act", ["exists()", "read()", "stage([])"])
def test_without_pymongo(act: str) -> None:
    program = f"""
import sys
sys.modules["pymongo"] = None
from runner.config.options import MongoOptions
from runner.data.mongo_collection import open_mongo_collection
from runner.data.storage import Opening
from runner.errors import JobError
opening = Opening(node="x", options=MongoOptions(), key="x", memory={{}}, load=str)
try:
    open_mongo_collection(opening).{act}
except JobError as error:
    print(error.code, error, error.hint, sep="\\n")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True
    )
    assert ended.stdout.splitlines() == [
        "RUN402",
        "data node `x` needs pymongo: import of pymongo halted; None in sys.modules",
        "install it: pip install 'toml-runner[mongo]'",
    ]
