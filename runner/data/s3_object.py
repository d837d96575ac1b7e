"""Data nodes of storage type `s3_object`: text or bytes, in one object of an S3 bucket."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, Final

import attrs

from runner.config.options import S3Options
from runner.data.remote import masked, refusals, secrets_of, without_login
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
from runner.errors import JobError
from runner.suggestions import did_you_mean

_CONFIG: Final[Mapping[str, Any]] = {
    "connect_timeout": 3,
    "retries": {"mode": "standard", "total_max_attempts": 3},
}
"""Of the client, unless the user says otherwise: who does not answer is named within seconds."""
_KIND: Final = "runner-type"
"""Metadata of an object that holds bytes which could pass for text."""
_REFUSALS: Final[Mapping[str, str]] = {
    "403": "access denied",
    "AccessDenied": "access denied",
    "InvalidAccessKeyId": "the server does not know `aws_access_key`",
    "SignatureDoesNotMatch": "`aws_secret_access_key` is not that of `aws_access_key`",
}


@attrs.define
class StagedObject:
    """A request that is complete, and not yet sent.

    The mark is what S3 says of the object that it has taken.
    """

    sure: ClassVar[bool] = False

    storage: S3Object
    client: Any
    arguments: Mapping[str, Any]
    mark: Mark | None = None

    def commit(self) -> None:
        with self.storage.refusals(write_failed):
            answer = _whole(self.client.put_object(**self.arguments))
        kind = self.arguments.get("Metadata", {}).get(_KIND)
        self.mark = _mark(answer, len(self.arguments["Body"]), kind)
        self.client.close()

    def discard(self) -> None:
        self.client.close()


@attrs.frozen
class S3Object:
    """What is read is text where the object is UTF-8, else bytes; both can be written.

    Bytes that could pass for text are written with metadata (`runner-type`) that says so, and come
    back as bytes. S3 replaces an object in one step: whatever dies, a reader gets the old one or
    the new one.

    The mark rests on the ETag, which S3 changes whenever the content changes. The same content in
    another ETag (sent in parts, encrypted with a key of its own) counts as changed: the jobs that
    read it run once more, and none is skipped that should run.
    """

    node: str
    options: S3Options

    def exists(self) -> bool:
        with self._client(read_failed) as client:
            return self._head(client) is not None

    def mark(self, known: Mark | None = None) -> Mark | None:  # noqa: ARG002 - nothing is read anyway
        try:
            with self._client(read_failed) as client:
                found = self._head(client)
        except JobError:
            return None
        if found is None:
            return None
        return _mark(found, found["ContentLength"], found["Metadata"].get(_KIND))

    def read(self) -> str | bytes:
        with self._client(read_failed) as client:
            arguments = self._arguments(client, "GetObject")
            try:
                found = _whole(client.get_object(**arguments))
            except client.exceptions.NoSuchKey:
                raise no_value(self.node, f"no object {self._place}") from None
            content = found["Body"].read()
        return _decoded(content, found["Metadata"])

    def stage(self, value: Any) -> StagedObject:
        body, metadata = _encoded(self.node, value)
        with self.refusals(write_failed):
            client = self._open()
            try:
                arguments = self._arguments(client, "PutObject") | {"Body": body}
                if metadata:
                    arguments["Metadata"] = {**arguments.get("Metadata", {}), **metadata}
                _validate(client, "PutObject", arguments)
            except BaseException:
                client.close()
                raise
        return StagedObject(self, client, arguments)

    def delete(self) -> None:
        with self._client(delete_failed) as client:
            client.delete_object(**self._address)

    def refusals(self, failed: Failed) -> AbstractContextManager[None]:
        """Turn whatever boto3 raises into a JobError without secrets."""

        def told(error: Exception) -> JobError:
            why = masked(self._why(error), secrets_of(self.options))
            return failed(self.node, self._place, why)

        return refusals(self.node, "boto3", "s3", told)

    @contextmanager
    def _client(self, failed: Failed) -> Iterator[Any]:
        with self.refusals(failed):
            client = self._open()
            try:
                yield client
            finally:
                client.close()

    def _open(self) -> Any:
        """A client, which connects when it is first used."""
        import boto3
        from botocore.config import Config
        from botocore.session import Session

        options = self.options
        for name in ("aws_access_key", "aws_secret_access_key"):
            _refuse_blanks(getattr(options, name), name)
        own = Session()
        own.register_component("data_loader", _loader())
        make = boto3.session.Session(botocore_session=own).client
        given = options.aws_s3_client_parameters
        known = frozenset(inspect.signature(make).parameters) - {"service_name"}
        _refuse_unknown(given, known, "aws_s3_client_parameters")
        config = given.get("config", {})
        if isinstance(config, Mapping):
            known = frozenset(Config.OPTION_DEFAULTS)
            _refuse_unknown(config, known, "aws_s3_client_parameters.config")
            config = Config(**config)
        login = {
            "aws_access_key_id": options.aws_access_key,
            "aws_secret_access_key": options.aws_secret_access_key,
            "region_name": options.aws_region,
        }
        return make("s3", **{**login, **given, "config": Config(**_CONFIG).merge(config)})

    @property
    def _place(self) -> str:
        return f"s3://{self.options.aws_s3_bucket_name}/{self.options.aws_s3_object_key}"

    @property
    def _address(self) -> dict[str, Any]:
        options = self.options
        return {"Bucket": options.aws_s3_bucket_name, "Key": options.aws_s3_object_key}

    def _head(self, client: Any) -> Mapping[str, Any] | None:
        """What S3 says of the object; None where it is not there, though its bucket is."""
        arguments = self._arguments(client, "GetObject")
        asked = {key: arguments[key] for key in _members(client, "HeadObject") & arguments.keys()}
        try:
            return _whole(client.head_object(**asked))
        except client.exceptions.ClientError as error:
            if _status(error) != 404:
                raise
            self._refuse_missing_bucket(client)
            return None

    def _refuse_missing_bucket(self, client: Any) -> None:
        try:
            client.head_bucket(Bucket=self.options.aws_s3_bucket_name)
        except client.exceptions.ClientError as error:
            if _status(error) == 404:  # with another, the user may not ask for it
                raise read_failed(self.node, self._place, self._no_bucket) from None

    @property
    def _no_bucket(self) -> str:
        return f"there is no bucket `{self.options.aws_s3_bucket_name}`"

    def _arguments(self, client: Any, operation: str) -> dict[str, Any]:
        """The user's parameters of an operation; of those for both, the ones that it has."""
        options = self.options
        if operation == "GetObject":
            key, own = "aws_s3_get_object_parameters", options.aws_s3_get_object_parameters
        else:
            key, own = "aws_s3_put_object_parameters", options.aws_s3_put_object_parameters
        known = _members(client, operation)
        _refuse_unknown(own, known, key)
        both = _members(client, "GetObject") | _members(client, "PutObject")
        shared = options.aws_s3_object_parameters
        _refuse_unknown(shared, both, "aws_s3_object_parameters")
        kept = {name: value for name, value in shared.items() if name in known}
        return {**kept, **own, **self._address}

    def _why(self, error: Exception) -> str:
        """What a reader wants to know of what boto3 raised; the URL in its own text is not."""
        from botocore import exceptions as boto

        match error:
            case boto.ClientError():
                return self._refusal(error)
            case boto.ParamValidationError():
                return (
                    str(error.kwargs["report"])
                    .partition("\n")[0]
                    .partition(": Bucket name must")[0]
                )
            case boto.EndpointConnectionError():
                return f"cannot connect to {self._server(error)}"
            case boto.ConnectTimeoutError():
                return f"{self._server(error)} does not answer"
            case boto.ReadTimeoutError():
                return f"{self._server(error)} stopped answering"
            case boto.ConnectionClosedError() | boto.ResponseStreamingError():
                return "the server closed the connection before it had answered"
        return reason(error)

    def _refusal(self, error: Any) -> str:
        told = error.response.get("Error", {})
        code, message = told.get("Code", ""), told.get("Message", "")
        if code == "NoSuchBucket":
            return self._no_bucket
        return _REFUSALS.get(code) or f"{code}: {message}".partition("\n")[0]

    @staticmethod
    def _server(error: Any) -> str:
        scheme, _, rest = str(error.kwargs.get("endpoint_url", "")).partition("://")
        return without_login(f"{scheme}://{rest.partition('/')[0]}")


def open_s3_object(opening: Opening) -> S3Object:
    assert isinstance(opening.options, S3Options)
    return S3Object(opening.node, opening.options)


@functools.cache
def _loader() -> Any:
    """What reads boto3's descriptions of services, once: they take longer than a request."""
    from botocore.loaders import create_loader

    return create_loader()


def _refuse_blanks(value: str | None, key: str) -> None:
    """A key that was read from a file may have the end of its line, and fits no more."""
    if value is not None and value.split() != [value]:
        raise ValueError(f"`{key}` is empty, or there is a blank or a line end in it")


def _members(client: Any, operation: str) -> frozenset[str]:
    return frozenset(client.meta.service_model.operation_model(operation).input_shape.members)


def _refuse_unknown(given: Mapping[str, Any], known: frozenset[str], key: str) -> None:
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"`{key}`: unknown parameter `{name}`" + (f"; {hint}" if hint else ""))


def _validate(client: Any, operation: str, arguments: Mapping[str, Any]) -> None:
    from botocore.exceptions import ParamValidationError
    from botocore.validate import ParamValidator

    shape = client.meta.service_model.operation_model(operation).input_shape
    found = ParamValidator().validate(arguments, shape)
    if found.has_errors():
        raise ParamValidationError(report=found.generate_report())


def _status(error: Any) -> int | None:
    status: int | None = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status


def _whole(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer that was not cut off among its headers, where HTTP would not notice."""
    if not answer.get("ETag"):
        raise ValueError("the answer of the server has no ETag, so it may not be whole")
    return answer


def _mark(answer: Mapping[str, Any], size: int, kind: str | None) -> Mark:
    stamp = f"{kind or 'text'}:{size}:{answer['ETag']}"
    return Mark(hashlib.blake2b(stamp.encode(), digest_size=16).hexdigest(), stamp, size)


def _decoded(content: bytes, metadata: Mapping[str, str]) -> str | bytes:
    if metadata.get(_KIND) == "bytes":
        return content
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def _encoded(node: str, value: Any) -> tuple[bytes, Mapping[str, str]]:
    """The content of an object, and the metadata that it needs."""
    if isinstance(value, str):
        try:
            return value.encode(), {}
        except UnicodeEncodeError as error:
            message = f"data node `{node}` cannot be written: {reason(error)}"
            raise JobError(message, code="RUN606") from error
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return content, {_KIND: "bytes"} if isinstance(_decoded(content, {}), str) else {}
    raise JobError(
        f"data node `{node}` cannot be written: `result` is a `{type(value).__name__}`, "
        "which is neither text nor bytes",
        code="RUN606",
        hint="return text or bytes, for example `json.dumps(result)` or `pickle.dumps(result)`",
    )
