"""RabbitMQ for tests: one that is there, one of their own to break, and a way to it that breaks.

The broker that is there is that of RUNNER_TEST_BROKER_URL, else the one at 127.0.0.1:5672, else one
that is started where rabbitmq-server is installed. Where there is none, tests are skipped, unless
RUNNER_TEST_SERVICES=1 says that none may be. What breaks a broker breaks one of the tests' own.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final

import attrs
import pytest

HOST: Final = "127.0.0.1"
DEFAULT: Final = "amqp://guest:guest@127.0.0.1:5672//"
_PLACES: Final = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin")
"""Where the scripts are that do not change the user, as those on the path may."""


def there() -> str | None:
    """The URL of a broker that is there; None: there is none."""
    url = os.environ.get("RUNNER_TEST_BROKER_URL")
    if url is None and not _answers():
        return None
    return url or DEFAULT


def need(*, own: bool = False) -> None:
    """Skip the test where it cannot have a broker, or one of its own."""
    if not (is_installed() if own else there() or is_installed()):
        message = "rabbitmq-server is not installed" if own else "there is no RabbitMQ"
        if os.environ.get("RUNNER_TEST_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)


def is_installed() -> bool:
    return _script("rabbitmq-server") is not None


def _answers() -> bool:
    with suppress(OSError), socket.create_connection((HOST, 5672), timeout=2):
        return True
    return False


def _script(name: str) -> str | None:
    places = os.pathsep.join((*_PLACES, os.environ.get("PATH", "")))
    return shutil.which(name, path=places)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@attrs.frozen
class Broker:
    """A node of the tests' own.

    Attributes:
        port: where it listens.
        environ: by which its commands find it.
    """

    port: int
    environ: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{HOST}:{self.port}//"

    def control(self, *arguments: str) -> str:
        """What `rabbitmqctl` says."""
        script = _script("rabbitmqctl")
        assert script is not None, "it is installed"
        done = subprocess.run(
            [script, "-q", *arguments],
            env=self.environ,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        """Stop to be a broker; the connections of all break."""
        self.control("stop_app")

    def start(self) -> None:
        self.control("start_app")

    def reset(self) -> None:
        """Stop, forget all there was, and start."""
        self.stop()
        self.control("force_reset")
        self.start()

    def set(self, name: str, value: str) -> None:
        """Set a value of the broker, in terms of Erlang."""
        self.control("eval", f"application:set_env(rabbit, {name}, {value}).")


@contextmanager
def own(folder: Path) -> Iterator[Broker]:
    """A node that lives as long as this."""
    server = _script("rabbitmq-server")
    assert server is not None, "it is installed"
    port = free_port()
    (folder / "rabbit.conf").touch()
    (folder / "plugins").write_text("[].\n", encoding="ascii")
    environ = {
        "HOME": str(folder),  # for a cookie of its own
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "RABBITMQ_NODENAME": f"runner{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": HOST,
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbit"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
    }
    with (folder / "out").open("wb") as out:
        process = subprocess.Popen(
            [server], env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL, process_group=0
        )
    broker = Broker(port, environ)
    try:
        broker.control("wait", "--pid", str(process.pid), "--timeout", "60")
        yield broker
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _end_daemon(int(environ["ERL_EPMD_PORT"]))


def _end_daemon(port: int) -> None:
    """End the daemon that the node has started, by which its commands have found it.

    https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html, `KILL_REQ`
    """
    with suppress(OSError), socket.create_connection((HOST, port), timeout=5) as daemon:
        daemon.sendall(b"\0\1k")
        daemon.recv(2)


class Proxy:
    """A way to a broker that can be cut, and be made to hang.

    All that is between the two, in both directions, is one thread's.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = Lock()
        self._is_open = True
        self._hangs = False
        self._wakes, self._waking = socket.socketpair()
        self._is_closed = False
        self._thread = Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{HOST}:{self.port}//"

    @property
    def connections(self) -> int:
        """How many there are now."""
        with self._lock:
            return len(self._pairs) // 2

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        with self._lock:
            self._is_open = False
            self._end_all()
        self._wake()

    def mend(self) -> None:
        """Let all through, also what was kept back."""
        with self._lock:
            self._is_open, self._hangs = True, False
        self._wake()

    def hang(self) -> None:
        """Keep all back from now on, and let nobody know."""
        with self._lock:
            self._hangs = True
        self._wake()

    def close(self) -> None:
        self._is_closed = True
        self._wake()
        self._thread.join()
        self._end_all()
        for each in (self._server, self._wakes, self._waking):
            each.close()

    def _wake(self) -> None:
        self._waking.send(b"!")

    def _end_all(self) -> None:
        for each in self._pairs:
            each.close()
        self._pairs.clear()

    def _run(self) -> None:
        while not self._is_closed:
            with self._lock:
                watched = [self._wakes, self._server, *([] if self._hangs else self._pairs)]
            with suppress(OSError, ValueError):  # one was closed meanwhile
                ready, _, _ = select.select(watched, [], [])
                for each in ready:
                    self._attend(each)

    def _attend(self, ready: socket.socket) -> None:
        if ready is self._wakes:
            self._wakes.recv(4096)
        elif ready is self._server:
            self._accept()
        else:
            self._pass_on(ready)

    def _accept(self) -> None:
        near, _ = self._server.accept()
        with self._lock:
            if not self._is_open:
                near.close()
                return
            try:
                far = socket.create_connection((HOST, self._to), timeout=5)
            except OSError:
                near.close()
                return
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[near], self._pairs[far] = far, near

    def _pass_on(self, source: socket.socket) -> None:
        try:
            data = source.recv(1 << 16)
        except OSError:
            data = b""
        with self._lock:
            target = self._pairs.get(source)
            if target is None:
                return
            with suppress(OSError):
                if data:
                    target.sendall(data)
                    return
            for each in (source, target):
                self._pairs.pop(each, None)
                each.close()


def messages_in(url: str, queue: str) -> list[Any]:
    """Take all messages out of a queue."""
    import kombu

    found = []
    with kombu.Connection(url) as connection, connection.channel() as channel:
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            found.append(message)
    return found
