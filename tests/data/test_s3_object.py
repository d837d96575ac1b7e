"""Against an S3 server in a process of its own, and against servers that break off."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import boto3
import pytest

from runner.data.storage import Mark, Storage, write_all
from runner.errors import JobError

Opened = Callable[..., Storage]


@pytest.fixture
def client(s3: dict[str, Any]) -> Iterator[Any]:
    """What somebody else reads and writes with."""
    made = boto3.client(
        "s3",
        aws_access_key_id="b",
        aws_secret_access_key="t",
        region_name="us-east-1",
        **s3["aws_s3_client_parameters"],
    )
    yield made
    made.close()


def place(s3: dict[str, Any]) -> dict[str, str]:
    return {"Bucket": s3["aws_s3_bucket_name"], "Key": s3["aws_s3_object_key"]}


def shown(s3: dict[str, Any]) -> str:
    return f"s3://{s3['aws_s3_bucket_name']}/in/x.txt"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("ü\r\n\ufeff", "ü\r\n\ufeff", id="text"),
        pytest.param(b"", b"", id="no-bytes"),
        pytest.param(b"abc", b"abc", id="bytes-like-text"),
        pytest.param(b"\xff\x00", b"\xff\x00", id="bytes"),
        pytest.param(bytearray(b"abc"), b"abc", id="bytearray"),
        pytest.param(memoryview(b"abc"), b"abc", id="memoryview"),
    ],
)
def test_what_is_written_is_read(
    opened: Opened, s3: dict[str, Any], written: Any, read: object
) -> None:
    storage = opened("s3_object", **s3)
    storage.stage(written).commit()
    found = storage.read()
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    ("body", "read"),
    [pytest.param("ü".encode(), "ü", id="text"), pytest.param(b"\xfc", b"\xfc", id="bytes")],
)
def test_what_somebody_else_put_there(
    opened: Opened, s3: dict[str, Any], client: Any, body: bytes, read: object
) -> None:
    client.put_object(**place(s3), Body=body)
    assert opened("s3_object", **s3).read() == read


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        pytest.param(
            {"a": 1},
            "`result` is a `dict`, which is neither text nor bytes",
            "return text or bytes, for example `json.dumps(result)` or `pickle.dumps(result)`",
            id="dict",
        ),
        pytest.param(
            "\ud800",
            "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: "
            "surrogates not allowed",
            None,
            id="surrogate",
        ),
    ],
)
def test_what_is_no_object(
    opened: Opened, s3: dict[str, Any], value: object, message: str, hint: str | None
) -> None:
    with pytest.raises(JobError, match=r"^data node `x` cannot be written: ") as caught:
        opened("s3_object", **s3).stage(value)
    assert str(caught.value) == f"data node `x` cannot be written: {message}"
    assert (caught.value.code, caught.value.hint) == ("RUN606", hint)


def test_parameters_reach_the_server(opened: Opened, s3: dict[str, Any], client: Any) -> None:
    storage = opened(
        "s3_object",
        **s3,
        aws_s3_put_object_parameters={"ContentType": "text/csv", "Metadata": {"by": "me"}},
        aws_s3_object_parameters={"CacheControl": "no-store", "ResponseContentType": "a/b"},
    )
    storage.stage(b"abc").commit()
    found = client.head_object(**place(s3))
    assert (found["ContentType"], found["CacheControl"]) == ("text/csv", "no-store")
    assert found["Metadata"] == {"by": "me", "runner-type": "bytes"}
    assert storage.read() == b"abc"


def test_an_older_version_can_be_read(opened: Opened, s3: dict[str, Any], client: Any) -> None:
    bucket = s3["aws_s3_bucket_name"]
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(**place(s3), Body=b"first")
    client.put_object(**place(s3), Body=b"second")
    version = {"VersionId": first["VersionId"]}

    storage = opened("s3_object", **s3, aws_s3_get_object_parameters=version)

    assert storage.read() == "first"
    assert storage.mark() != opened("s3_object", **s3).mark()


def test_the_mark_is_of_the_content(opened: Opened, s3: dict[str, Any], client: Any) -> None:
    storage = opened("s3_object", **s3)
    marks: list[Mark | None] = []
    for value in ("first", "second", b"first", "first"):
        staged = storage.stage(value)
        assert staged.mark is None
        staged.commit()
        assert staged.mark == storage.mark()
        marks.append(staged.mark)
    first, second, as_bytes, again = marks
    assert first is not None
    assert first.size == 5
    assert len({first, second, as_bytes}) == 3
    assert first == again

    client.put_object(**place(s3), Body=b"by somebody else")
    assert storage.mark(first) not in {None, first}


def test_a_server_that_is_away_tells_no_mark(opened: Opened, s3: dict[str, Any]) -> None:
    gone = s3 | {"aws_s3_client_parameters": quick("http://127.0.0.1:1")}
    assert opened("s3_object", **gone).mark() is None


def quick(url: str, **config: Any) -> dict[str, Any]:
    """Parameters of a client that tries once."""
    retries = {"total_max_attempts": 1}
    return {"endpoint_url": url, "config": {"retries": retries, **config}}


MISTAKES = [
    pytest.param({"aws_s3_bucket_name": "nope"}, "there is no bucket `nope`", id="bucket"),
    pytest.param({"aws_s3_bucket_name": "a b"}, 'Invalid bucket name "a b"', id="bucket-name"),
    pytest.param(
        {"aws_s3_client_parameters": {"endpont_url": "x"}},
        "`aws_s3_client_parameters`: unknown parameter `endpont_url`; did you mean `endpoint_url`?",
        id="client-parameter",
    ),
    pytest.param(
        {"aws_s3_client_parameters": {"config": {"retris": {}}}},
        "`aws_s3_client_parameters.config`: unknown parameter `retris`; did you mean `retries`?",
        id="config-parameter",
    ),
    pytest.param(
        {"aws_s3_client_parameters": {"endpoint_url": "foo"}}, "Invalid endpoint: foo", id="url"
    ),
    pytest.param(
        {"aws_s3_object_parameters": {"Metdata": {}}},
        "`aws_s3_object_parameters`: unknown parameter `Metdata`; did you mean `Metadata`?",
        id="object-parameter",
    ),
    pytest.param(
        {"aws_s3_client_parameters": quick("http://user:s3cr3t@127.0.0.1:1")},
        "cannot connect to http://127.0.0.1:1",
        id="nobody-there",
    ),
    pytest.param(
        {"aws_secret_access_key": "s3cr3t\n"},
        "`aws_secret_access_key` is empty, or there is a blank or a line end in it",
        id="line-end",
    ),
    pytest.param(
        {"aws_access_key": ""},
        "`aws_access_key` is empty, or there is a blank or a line end in it",
        id="empty",
    ),
]


@pytest.mark.parametrize(("options", "why"), MISTAKES)
def test_a_read_that_is_refused(
    opened: Opened, s3: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    used = {**s3, **options}
    with pytest.raises(JobError, match=r"^data node `x`: s3://") as caught:
        opened("s3_object", **used).read()
    assert str(caught.value) == f"data node `x`: {shown(used)} cannot be read: {why}"
    assert (caught.value.code, caught.value.__cause__) == ("RUN604", None)
    with pytest.raises(JobError, match=r"^data node `x`: s3://") as asked:
        opened("s3_object", **used).exists()
    assert str(asked.value) == str(caught.value)


@pytest.mark.parametrize(("options", "why"), MISTAKES)
def test_a_write_that_is_refused(
    opened: Opened, s3: dict[str, Any], options: dict[str, Any], why: str
) -> None:
    opened("s3_object", **s3).stage("old").commit()
    used = {**s3, **options}
    with pytest.raises(JobError, match=r"^data node `x`: s3://") as caught:
        write_all([(opened("s3_object", **used), "new")])
    assert str(caught.value) == f"data node `x`: {shown(used)} cannot be written: {why}"
    assert (caught.value.code, caught.value.__cause__) == ("RUN605", None)
    assert opened("s3_object", **s3).read() == "old"


@pytest.mark.parametrize(
    ("key", "parameters", "why"),
    [
        pytest.param(
            "aws_s3_put_object_parameters",
            {"VersionId": "1"},
            "`aws_s3_put_object_parameters`: unknown parameter `VersionId`",
            id="unknown",
        ),
        pytest.param(
            "aws_s3_put_object_parameters",
            {"Metadata": "mine"},
            "Invalid type for parameter Metadata, value: mine, type: <class 'str'>, "
            "valid types: <class 'dict'>",
            id="type",
        ),
    ],
)
def test_a_wrong_parameter_is_told_before_anything_is_sent(
    opened: Opened, s3: dict[str, Any], key: str, parameters: dict[str, Any], why: str
) -> None:
    storage = opened("s3_object", **s3, **{key: parameters})
    with pytest.raises(JobError, match=r"cannot be written") as caught:
        storage.stage(b"new") if parameters != {"Metadata": "mine"} else storage.stage("new")
    assert str(caught.value) == f"data node `x`: {shown(s3)} cannot be written: {why}"


def test_a_delete_that_is_refused(opened: Opened, s3: dict[str, Any]) -> None:
    used = {**s3, "aws_s3_bucket_name": "nope"}
    with pytest.raises(JobError, match=r"^data node `x`: s3://nope") as caught:
        opened("s3_object", **used).delete()
    assert str(caught.value) == (
        "data node `x`: s3://nope/in/x.txt cannot be removed: there is no bucket `nope`"
    )
    assert caught.value.code == "RUN605"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads the head of a request, answers with these bytes, and hangs up."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            self.request.sendall(answer)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


OK = b'HTTP/1.1 200 OK\r\nETag: "a"\r\n'
CUT = "the answer of the server has no ETag, so it may not be whole"
BROKE = "the server closed the connection before it had answered"


def refusal(status: str, code: str, message: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(b"", BROKE, id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", CUT, id="half-a-head"),
        pytest.param(refusal("403 Forbidden", "AccessDenied", "No"), "access denied", id="denied"),
        pytest.param(
            refusal("403 Forbidden", "InvalidAccessKeyId", "No AKIAEXAMPLE"),
            "the server does not know `aws_access_key`",
            id="unknown-key",
        ),
        pytest.param(
            refusal("403 Forbidden", "SignatureDoesNotMatch", "No"),
            "`aws_secret_access_key` is not that of `aws_access_key`",
            id="wrong-secret",
        ),
        pytest.param(
            refusal("400 Bad Request", "AuthorizationHeaderMalformed", "not AKIAEXAMPLE/x"),
            "AuthorizationHeaderMalformed: not ***/x",
            id="told-with-the-key",
        ),
        pytest.param(refusal("503 Slow Down", "SlowDown", "Reduce"), "SlowDown: Reduce", id="busy"),
        pytest.param(
            refusal("507 Insufficient Storage", "XMinioStorageFull", "No space left"),
            "XMinioStorageFull: No space left",
            id="full",
        ),
    ],
)
def test_a_write_that_the_server_breaks_off(
    opened: Opened, s3: dict[str, Any], answer: bytes, why: str
) -> None:
    with answering(answer) as url:
        storage = opened("s3_object", **s3 | {"aws_s3_client_parameters": quick(url)})
        staged = storage.stage("new" * 100_000)
        with pytest.raises(JobError, match=r"cannot be written") as caught:
            staged.commit()
        staged.discard()
    assert str(caught.value) == f"data node `x`: {shown(s3)} cannot be written: {why}"
    assert (caught.value.code, staged.mark) == ("RUN605", None)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(b"", BROKE, id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", CUT, id="half-a-head"),
        pytest.param(OK + b"Content-Length: 9\r\n\r\nabc", BROKE, id="half-of-it"),
        pytest.param(
            OK + b"Content-Length: 3\r\nx-amz-checksum-crc32: AAAAAA==\r\n\r\nabc",
            "FlexibleChecksumError: Expected checksum AAAAAA== did not match calculated checksum: "
            "NSRBwg==",
            id="other-content",
        ),
    ],
)
def test_a_read_that_the_server_breaks_off(
    opened: Opened, s3: dict[str, Any], answer: bytes, why: str
) -> None:
    with answering(answer) as url:
        storage = opened("s3_object", **s3 | {"aws_s3_client_parameters": quick(url)})
        with pytest.raises(JobError, match=r"cannot be read") as caught:
            storage.read()
    assert str(caught.value) == f"data node `x`: {shown(s3)} cannot be read: {why}"
    assert caught.value.code == "RUN604"


def test_a_server_that_never_answers(opened: Opened, s3: dict[str, Any]) -> None:
    held = threading.Event()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            held.wait()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        parameters = quick(url, read_timeout=0.1)
        try:
            with pytest.raises(JobError, match=r"stopped answering$") as caught:
                opened("s3_object", **s3 | {"aws_s3_client_parameters": parameters}).read()
        finally:
            held.set()
            server.shutdown()
            thread.join()
    assert str(caught.value).endswith(f"cannot be read: {url} stopped answering")


def test_a_server_that_is_busy_for_a_moment(opened: Opened, s3: dict[str, Any]) -> None:
    """A write is tried again, since S3 cannot put the same thing twice."""
    answers = iter([refusal("503 Slow Down", "SlowDown", "Reduce")])
    done = OK + b"Content-Length: 0\r\n\r\n"

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            self.request.sendall(next(answers, done))

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            parameters = {"endpoint_url": url}
            staged = opened("s3_object", **s3 | {"aws_s3_client_parameters": parameters}).stage("a")
            staged.commit()
        finally:
            server.shutdown()
            thread.join()
    assert staged.mark is not None
    assert staged.mark.stamp == 'text:1:"a"'


def test_a_refused_write_leaves_the_other_outputs(opened: Opened, s3: dict[str, Any]) -> None:
    sure = opened("json")
    sure.stage("old").commit()
    unsure = opened("s3_object", **s3 | {"aws_s3_bucket_name": "nope"})

    with pytest.raises(JobError, match=r"there is no bucket `nope`$"):
        write_all([(sure, "new"), (unsure, "new")])

    assert sure.read() == "old"


@pytest.mark.parametrize("act", ["exists()", "read()", "stage('a')"])
def test_without_boto3(s3: dict[str, Any], act: str) -> None:
    program = f"""
import sys
sys.modules["boto3"] = None
from runner.config.options import S3Options
from runner.data.s3_object import open_s3_object
from runner.data.storage import Opening
from runner.errors import JobError
opening = Opening(node="x", options=S3Options(), key="x", memory={{}}, load=str)
try:
    open_s3_object(opening).{act}
except JobError as error:
    print(error.code, error, error.hint, sep="\\n")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True
    )
    assert ended.stdout.splitlines() == [
        "RUN402",
        "data node `x` needs boto3: import of boto3 halted; None in sys.modules",
        "install it: pip install 'toml-runner[s3]'",
    ]
