"""Data nodes of storage type `mongo_collection`: documents, in one collection of MongoDB."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import attrs

from runner.config.options import MongoOptions
from runner.config.references import FunctionRef
from runner.data import tables
from runner.data.files import _host
from runner.data.locate import culprit
from runner.data.remote import masked, refusals, said, secrets_of, without_login
from runner.data.storage import (
    Failed,
    Mark,
    Opening,
    delete_failed,
    no_value,
    read_failed,
    reason,
    write_failed,
)
from runner.data.tables import record_of
from runner.errors import JobError
from runner.processes import started

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument
    from pymongo import MongoClient
    from pymongo.database import Database

Document: TypeAlias = MutableMapping[str, Any]
_PATIENCE: Final = 5000
"""Milliseconds, unless the user says otherwise: who does not answer is named within seconds."""
_TEMPORARY: Final = re.compile(r"\.runner-(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-[0-9]+")
_ATTEMPTS: Final = 3
_REPLACED: Final = frozenset({43, 175})
"""Codes of what is read while another collection takes its place: CursorNotFound and
QueryPlanKilled."""
_NOT_REPLACED: Final[Mapping[str, str]] = {"view": "a view", "timeseries": "a time series"}
_numbers: Final = itertools.count()


@attrs.frozen
class StagedCollection:
    """A collection beside the final one, renamed over it by `commit`."""

    sure: ClassVar[bool] = False
    mark: ClassVar[None] = None

    storage: MongoCollection
    client: MongoClient[Document]
    temporary: str

    @property
    def database(self) -> Database[Document]:
        return self.client[str(self.storage.options.db_name)]

    def commit(self) -> None:
        final = str(self.storage.options.collection_name)
        with self.storage.refusals(write_failed):
            self.database[self.temporary].rename(final, dropTarget=True)
        self.client.close()

    def discard(self) -> None:
        import pymongo

        # whatever the driver lets through; where the server has gone, not for long
        with contextlib.suppress(Exception), pymongo.timeout(1):
            self.database.drop_collection(self.temporary)
        self.client.close()


@attrs.frozen
class MongoCollection:
    """All documents of a collection, as a list.

    What is read are dicts, as BSON has their values, or instances of `custom_document`: what its
    `decode` makes of a document if it has one, else it is called with the fields as keyword
    arguments, with `_id` only where it takes one.

    What is written may be one document or a list of them: mappings, or objects, of which
    `custom_document.encode` makes mappings if there is one, else their attributes count. It
    replaces whatever was there. A document without `_id` gets one, as MongoDB has it. An empty
    list makes an empty collection, which is a value too.

    A write goes to a collection beside the final one (`<name>.runner-...`), which then takes its
    place in one step. A reader sees the old documents or the new ones, also without a replica
    set, where there would be no transaction. Indexes and options such as a validator are copied
    first; a sharded collection would not be sharded any more. The next write removes what writers
    of this machine left beside it that were killed.
    """

    opening: Opening
    options: MongoOptions

    def exists(self) -> bool:
        with self._database(read_failed) as database:
            return self._is_in(database)

    def mark(self, known: Mark | None = None) -> None:
        """Nobody can tell without reading all of it."""

    def read(self) -> list[Any]:
        reference = self.options.custom_document
        make = None if reference is None else _decoder(self.opening.load(reference))
        with self._database(read_failed) as database:
            documents = self._find(database)
            if not documents and not self._is_in(database):
                raise no_value(self.opening.node, f"no {self._place}")
        if make is None:
            return documents
        try:
            return [make(each) for each in documents]
        except Exception as error:  # the class is the user's and raises anything
            why = f"`{reference}` raised {said(error)}"
            raise read_failed(self.opening.node, self._place, why) from error

    def stage(self, value: Any) -> StagedCollection:
        documents = self._documents(value)
        with self.refusals(write_failed):
            client = self._connect()
            temporary = f"{self.options.collection_name}.runner-{_host()}-{os.getpid()}"
            staged = StagedCollection(self, client, f"{temporary}-{next(_numbers)}")
            try:
                self._fill(staged, self._encoded(documents, value, client.codec_options))
            except BaseException:
                staged.discard()
                raise
        return staged

    def delete(self) -> None:
        with self._database(delete_failed) as database:
            database.drop_collection(str(self.options.collection_name))

    def refusals(self, failed: Failed) -> AbstractContextManager[None]:
        """Turn whatever pymongo raises into a JobError without secrets."""

        def told(error: Exception) -> JobError:
            why = masked(self._why(error), self._secrets)
            return failed(self.opening.node, self._place, why)

        return refusals(self.opening.node, "pymongo", "mongo", told)

    @contextmanager
    def _database(self, failed: Failed) -> Iterator[Database[Document]]:
        with self.refusals(failed), self._connect() as client:
            yield client[str(self.options.db_name)]

    def _connect(self) -> MongoClient[Document]:
        """A client, which connects when it is first used."""
        from pymongo import MongoClient

        options = self.options
        host = options.db_host
        if options.db_driver == "srv":
            host = f"mongodb+srv://{host}"
        elif options.db_driver:
            raise ValueError(f'`db_driver` can be "srv" only, got "{options.db_driver}"')
        patience = {"serverSelectionTimeoutMS": _PATIENCE, "connectTimeoutMS": _PATIENCE}
        given = {key.lower() for key in options.db_extra_args}
        arguments: dict[str, Any] = {
            key: value for key, value in patience.items() if key.lower() not in given
        }
        if self.opening.durable and not given & {"journal", "j"}:
            arguments["journal"] = True
        client: MongoClient[Document] = MongoClient(
            host,
            options.db_port,
            connect=False,
            username=options.db_username or None,
            password=options.db_password or None,
            **arguments,
            **options.db_extra_args,
        )
        return client

    @property
    def _place(self) -> str:
        return f"collection `{self.options.collection_name}` of database `{self.options.db_name}`"

    @property
    def _server(self) -> str:
        host = without_login(self.options.db_host)
        return host if self.options.db_driver else f"{host}:{self.options.db_port}"

    @property
    def _secrets(self) -> frozenset[str]:
        return secrets_of(self.options) | {self.options.db_username or ""}

    def _is_in(self, database: Database[Document]) -> bool:
        name = str(self.options.collection_name)
        return name in database.list_collection_names(filter={"name": name})

    def _find(self, database: Database[Document]) -> list[Document]:
        """All documents; from the start again where they were replaced in the midst of it."""
        from pymongo.errors import OperationFailure

        collection = database[str(self.options.collection_name)]
        for _ in range(_ATTEMPTS - 1):
            try:
                return list(collection.find())
            except OperationFailure as error:
                if error.code not in _REPLACED:
                    raise
        return list(collection.find())

    def _documents(self, value: Any) -> list[Mapping[str, Any]]:
        """A mapping of each row; an `_id` that is None counts as none."""
        reference = self.options.custom_document
        found = None if reference is None else self.opening.load(reference)
        encode = getattr(found, "encode", None)
        documents: list[Mapping[str, Any]] = []
        for path, row in _rows(value):
            try:
                document = row if isinstance(row, Mapping) or encode is None else encode(row)
            except Exception as error:  # the user's class raises anything
                raise self._not_encoded(path, row, reference, error) from error
            if not isinstance(document, Mapping):
                document = None if tables.is_array_like(document) else record_of(document)
            if document is None:
                raise self._no_document(path, row)
            documents.append(document)
        return documents

    def _encoded(
        self,
        documents: Sequence[Mapping[str, Any]],
        value: Any,
        codec: CodecOptions[Any],
    ) -> list[RawBSONDocument]:
        from bson import encode
        from bson.objectid import ObjectId
        from bson.raw_bson import RawBSONDocument

        def encoded(document: Mapping[str, Any]) -> RawBSONDocument:
            if document.get("_id") is None:
                document = {"_id": ObjectId(), **{k: v for k, v in document.items() if k != "_id"}}
            return RawBSONDocument(encode(document, codec_options=codec))

        try:
            return [encoded(each) for each in documents]
        except Exception as error:  # values of any class are looked at
            whole = documents if isinstance(value, list | tuple) else documents[0]
            path, part = culprit(
                whole, lambda part: encode({"": part}, codec_options=codec), attributes=False
            )
            raise self._not_bson(path, part, error) from error

    def _fill(self, staged: StagedCollection, documents: Sequence[RawBSONDocument]) -> None:
        """Make the collection beside the final one, with its options and indexes."""
        if not staged.client.write_concern.acknowledged:
            raise ValueError("`db_extra_args` has w=0, with which nobody learns of a failure")
        database, name = staged.database, str(self.options.collection_name)
        beside = {"name": {"$regex": f"^{re.escape(name)}(\\.runner-.*)?$"}}
        there = {each["name"]: each for each in database.list_collections(filter=beside)}
        final = there.pop(name, {})
        kind = str(final.get("type"))
        if kind in _NOT_REPLACED:
            raise ValueError(f"it is {_NOT_REPLACED[kind]}, which cannot be replaced")
        for each in there:
            if _is_stray(each.removeprefix(name)):
                database.drop_collection(each)
        database.command({"create": staged.temporary, **final.get("options", {})})
        indexes = [_without_place(each) for each in database[name].list_indexes()] if final else []
        if len(indexes) > 1:
            database.command({"createIndexes": staged.temporary, "indexes": indexes})
        if documents:
            database[staged.temporary].insert_many(documents)

    def _why(self, error: Exception) -> str:
        """What a reader wants to know of what pymongo raised."""
        from pymongo import errors

        match error:
            case errors.ServerSelectionTimeoutError():
                return self._no_server(error)
            case errors.AutoReconnect():
                return f"the connection to {self._server} broke"
            case errors.BulkWriteError():
                failures = error.details.get("writeErrors") or error.details["writeConcernErrors"]
                return self._told(failures[0])
            case errors.OperationFailure():
                return self._told(error.details or {"code": error.code, "errmsg": str(error)})
        return reason(error)

    def _no_server(self, error: Exception) -> str:
        text = re.sub(r" \(configured timeouts: [^)]*\)|\[Errno -?\d+\] ", "", str(error))
        cause, _, rest = text.partition(", Timeout: ")
        within = rest.partition(",")[0]
        cause = cause.replace(f"{self._server}: ", "")
        return f"no server answers at {self._server} within {within}: {cause}"

    def _told(self, failure: Mapping[str, Any]) -> str:
        """What the server says, less what only it knows: the name beside the final one."""
        match failure.get("code"):
            case 13 if not self.options.db_username:
                return "the server wants `db_username` and `db_password`"
            case 13:
                return "`db_username` is not authorized to do this"
            case 18:
                return "the server refuses `db_username` with this `db_password`"
        text = str(failure.get("errmsg", failure)).partition("\n")[0]
        return _TEMPORARY.sub("", text)

    def _no_document(self, path: str, row: Any) -> JobError:
        return JobError(
            f"data node `{self.opening.node}` cannot be written: "
            f"`{path}` is a `{type(row).__name__}`, which is no document",
            code="RUN606",
            hint="return a list of dicts",
        )

    def _not_bson(self, path: str, part: Any, error: Exception) -> JobError:
        why = reason(error).removeprefix("InvalidDocument: Invalid document: ")
        return JobError(
            f"data node `{self.opening.node}` cannot be written: "
            f"`{path}` is a `{type(part).__name__}`, which does not go into BSON: {why}",
            code="RUN606",
        )

    def _not_encoded(
        self, path: str, row: Any, reference: FunctionRef | None, error: Exception
    ) -> JobError:
        return JobError(
            f"data node `{self.opening.node}` cannot be written: `{reference}.encode` raised "
            f"{said(error)} for `{path}`, which is a `{type(row).__name__}`",
            code="RUN606",
        )


def open_mongo_collection(opening: Opening) -> MongoCollection:
    assert isinstance(opening.options, MongoOptions)
    return MongoCollection(opening, opening.options)


def _decoder(document: Any) -> Callable[[Document], Any]:
    """What makes an instance of the user's class of a document."""
    decode = getattr(document, "decode", None)
    if callable(decode):
        return decode  # type: ignore[no-any-return]  # of a class that nobody knows
    if _takes_id(document):
        return lambda fields: document(**fields)
    return lambda fields: document(**{k: v for k, v in fields.items() if k != "_id"})


def _takes_id(document: Callable[..., Any]) -> bool:
    parameters = inspect.signature(document).parameters.values()
    return any(each.name == "_id" or each.kind is each.VAR_KEYWORD for each in parameters)


def _rows(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        for index, row in enumerate(value):
            yield f"result[{index}]", row
    else:
        yield "result", value


def _is_stray(suffix: str) -> bool:
    """Whether the writer of a collection beside the final one is dead, as far as we can tell."""
    found = _TEMPORARY.fullmatch(suffix)
    return found is not None and found["host"] == _host() and started(int(found["pid"])) is None


def _without_place(index: Mapping[str, Any]) -> dict[str, Any]:
    """An index as it is created; old servers say of which collection it is."""
    return {key: value for key, value in index.items() if key != "ns"}
