"""The guardian: the process that starts workers, and that ends whatever they have started.

    runner --- guardian -+- worker
                         +- worker --- what its job has started
                         +- template (start method forkserver), which forks workers

The runner holds the other end of a stream socket, which is the guardian's descriptor 0. Its end of
file is the end of the runner, whatever it died of: then every process below is killed, and so are
those that turn up as their parents die. Nothing that a worker does can put this off, for the
guardian shares nothing with it. Requests come over the socket as lines, and events go back:

    start N, with two descriptors    started N PID | failed N WHY | lost N STATUS (the template's)
    kill N                           ended N STATUS, as for every worker; negative: that signal
    preload JSON                     nothing; it is passed on to the template
    own PATH                         nothing; the folder is removed when everything has ended

A worker finds its two descriptors at 3 and 4, nothing at 0, and no others beside 1 and 2.

Linux gives orphans to the nearest subreaper above them. A worker is one for its job, and the
guardian is one for its workers: a child that it does not know is what a dead worker has left,
whatever session that moved to. It is killed, and only then has the worker `ended`. Where the
guardian itself is killed, the parent-death signal ends the workers, but not what they have
started. macOS has neither: there the process group of a worker is killed with it, a process that
has left the group stays, and so do workers whose guardian is killed.

It starts before anything else can, so it imports next to nothing: `_socket` and `_signal` are what
`socket` and `signal` are made of, without the enumerations, which take as long to build as the
interpreter takes to start.
"""

# For the same reason neither `__future__` is imported here, nor contextlib or pathlib:
# ruff: noqa: SIM105, PTH106, PTH108, PTH118, PTH123, PTH208

import _signal  # type: ignore[import-not-found]  # no stubs say what it has
import _socket
import errno
import os
import select
import sys

_PARENT_DEATH_SIGNAL = 1  # of prctl
_CHILD_SUBREAPER = 36
_NO_ROOM = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ETOOMANYREFS}
_TRIES = 2
"""How many templates may die over one worker."""
_PAIR = 8
"""Bytes of the two descriptors that may come with a request."""


class Channel:
    """Lines over a stream socket; two descriptors may come with one. Nothing here blocks."""

    def __init__(self, stream: _socket.socket) -> None:
        self._stream = stream
        self._begun = b""
        self._pairs: list[tuple[int, ...]] = []
        self._unsent: list[tuple[bytes, tuple[int, ...]]] = []

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` is to be called when there is room again."""
        return bool(self._unsent)

    def fileno(self) -> int:
        return self._stream.fileno()

    def receive(self) -> list[bytes] | None:
        """The lines that have come, perhaps none; None: there will be no more."""
        lines: list[bytes] = []
        while True:
            try:
                data = self._read()
            except BlockingIOError:
                return lines
            except ConnectionError:
                data = b""
            if not data:
                return lines or None
            *whole, self._begun = (self._begun + data).split(b"\n")
            lines += whole

    def take_pair(self) -> tuple[int, ...]:
        """The descriptors of a request, in the order of requests; none if they were lost."""
        return self._pairs.pop(0)

    def send(self, line: bytes, pair: tuple[int, ...] = ()) -> None:
        """Send a line, now or later; then the pair is closed."""
        self._unsent.append((line + b"\n", pair))
        self.flush()

    def flush(self) -> None:
        """Send what there is room for; what nobody will read is dropped."""
        while self._unsent:
            data, pair = self._unsent[0]
            rights = b"".join(fd.to_bytes(4, sys.byteorder) for fd in pair)
            extra = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if pair else []
            try:
                sent = self._stream.sendmsg([data], extra, _socket.MSG_DONTWAIT)
            except ConnectionError:
                sent = len(data)
            except OSError as error:
                if error.errno in _NO_ROOM:
                    return
                raise
            close_all(pair)
            if sent == len(data):
                del self._unsent[0]
            else:
                self._unsent[0] = (data[sent:], ())

    def close(self) -> None:
        for pair in self._pairs:
            close_all(pair)
        for _, pair in self._unsent:
            close_all(pair)
        self._stream.close()

    def abandon(self) -> None:
        """Forget the socket, whose descriptor is to become another's; what was to come is closed.

        In a process that was forked: who keeps an end of another's socket open hides its end.
        """
        for pair in self._pairs:
            close_all(pair)
        self._stream.detach()

    def _read(self) -> bytes:
        flags = _socket.MSG_DONTWAIT | getattr(_socket, "MSG_CMSG_CLOEXEC", 0)  # not on macOS
        data, extras, told, _ = self._stream.recvmsg(65536, _socket.CMSG_SPACE(_PAIR), flags)
        # The descriptors of one request never come together with those of the next.
        for _, _, content in extras:
            self._pairs.append(_received(content))
        if told & _socket.MSG_CTRUNC and not extras:
            self._pairs.append(())
        return data


def _received(content: bytes) -> tuple[int, ...]:
    """Two descriptors, or none: of one alone, this process can have no more."""
    pair = tuple(memoryview(content[: len(content) // 4 * 4]).cast("i"))
    for fd in pair:
        os.set_inheritable(fd, False)  # noqa: FBT003 - it takes no keyword
    if len(pair) * 4 == _PAIR:
        return pair
    close_all(pair)
    return ()


class _Template:
    """The process that forks workers, and those that it still owes."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel
        self.owed: dict[int, tuple[int, ...]] = {}

    def ask(self, number: int, pair: tuple[int, ...]) -> None:
        copies = os.dup(pair[0]), os.dup(pair[1])
        self.owed[number] = pair
        self.channel.send(b"fork %d" % number, copies)

    def take(self, number: int) -> bool:
        """Whether it owed this worker; now it does not."""
        pair = self.owed.pop(number, ())
        close_all(pair)
        return bool(pair)


class _Guardian:
    """Does what the runner asks for, and tells how each worker ended."""

    def __init__(self, control: Channel, worker: list[str], template: list[str]) -> None:
        self._control = control
        self._worker_command = worker
        self._template_command = template
        self._template: _Template | None = None
        self._preloads: list[bytes] = []
        self._tries: dict[int, int] = {}
        self._workers: dict[int, int] = {}  # by pid
        self._ended: list[tuple[int, int]] = []  # with their statuses; not told yet
        self._owned: list[bytes] = []
        self._nothing = reserve()
        self._woken = _wake_on_children()

    def watch(self) -> None:
        """Serve until the runner is gone."""
        if self._template_command:
            self._start_template_early()
        while True:
            ready = self._wait()
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._settle()
            if self._template and self._template.channel.fileno() in ready:
                self._hear_template()
            if self._control.fileno() in ready and not self._obey():
                return

    def end(self) -> None:
        """Kill all there are, and remove what is left of them."""
        self._kill_all()
        for folder in self._owned:
            _remove(folder)

    def _kill_all(self) -> None:
        """Children of those that die become ours."""
        while True:
            for pid in self._workers:
                _kill_group(pid)
            known = [*self._workers, *([self._template.pid] if self._template else [])]
            if not _kill_all({*known, *_children()}):
                return
            self._forget(os.waitpid(-1, 0)[0])

    def _forget(self, pid: int) -> None:
        self._workers.pop(pid, None)
        if self._template and self._template.pid == pid:
            self._template = None

    def _wait(self) -> dict[int, int]:
        """The descriptors that have something to read, or have ended."""
        channels = [self._control]
        if self._template:
            channels.append(self._template.channel)
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        for channel in channels:
            poll.register(channel, select.POLLIN | (channel.has_unsent and select.POLLOUT))
        ready = dict(poll.poll())
        for channel in channels:
            channel.flush()
        return {fd: event for fd, event in ready.items() if event != select.POLLOUT}

    # What the runner asks for.

    def _obey(self) -> bool:
        """Do what was asked for; whether there is still anybody who asks."""
        lines = self._control.receive()
        for line in lines or ():
            word, _, rest = line.partition(b" ")
            if word == b"start":
                self._start(int(rest), self._control.take_pair())
            elif word == b"kill":
                self._kill(int(rest))
            elif word == b"preload":
                self._preload(line)
            elif word == b"own":
                self._owned.append(rest)
        return lines is not None

    def _start(self, number: int, pair: tuple[int, ...]) -> None:
        if not pair:
            self._fail(number, "the guardian has too many open files")
        elif self._template_command:
            self._ask_template(number, pair)
        else:
            self._start_worker(number, pair)

    def _start_worker(self, number: int, pair: tuple[int, ...]) -> None:
        try:
            pid = self._run(self._worker_command, pair)
        except OSError as error:
            self._fail(number, _reason(error))
        else:
            self._has_started(number, pid)
        close_all(pair)

    def _kill(self, number: int) -> None:
        if self._template and self._template.take(number):
            self._fail(number, "it was killed before it had started")
        for pid, each in self._workers.items():
            if each == number:
                _kill_group(pid)
                _kill(pid)

    def _preload(self, line: bytes) -> None:
        self._preloads.append(line)
        if self._template:
            self._template.channel.send(line)

    def _has_started(self, number: int, pid: int) -> None:
        self._workers[pid] = number
        self._tries.pop(number, None)
        self._tell("started", number, pid)

    def _fail(self, number: int, why: str) -> None:
        self._tries.pop(number, None)
        self._tell("failed", number, why)

    def _tell(self, event: str, number: int, more: object) -> None:
        self._control.send(f"{event} {number} {more}".encode("utf-8", "backslashreplace"))

    def _run(self, command: list[str], fds: tuple[int, ...], *, reaps: bool = True) -> int:
        """The pid of a new process, when it has become what the command says."""
        guardian = os.getpid()
        failed, failing = os.pipe()
        try:
            try:
                pid = os.fork()
                if pid == 0:
                    self._become(command, fds, failing, guardian, reaps=reaps)
            finally:
                os.close(failing)
            error = os.read(failed, 16)
        finally:
            os.close(failed)
        if error:
            raise OSError(int(error), os.strerror(int(error)), command[0])
        return pid

    def _become(
        self, command: list[str], fds: tuple[int, ...], failing: int, guardian: int, *, reaps: bool
    ) -> None:
        """In the new process: be that, or end. All other descriptors close with the exec."""
        try:
            if not adopted(guardian, reaps=reaps):
                os._exit(1)
            os.dup2(self._nothing, 0)
            place(fds)
            _reset_signals()
            os.execvp(command[0], command)
        except OSError as error:
            os.write(failing, b"%d" % (error.errno or 0))
        finally:
            os._exit(127)

    # Who has ended.

    def _settle(self) -> None:
        """Take note of who has ended; tell of the workers when nothing is left of them."""
        gone = _reap()
        children = _children() if gone or self._ended else []
        # The template tells of a worker before it becomes our child. So, having listened, we take
        # none for a stray.
        self._hear_template()
        for pid, status in gone:
            if pid in self._workers:
                _kill_group(pid)
                self._ended.append((self._workers.pop(pid), status))
            elif self._template and pid == self._template.pid:
                self._replace_template(status)
        template = self._template.pid if self._template else 0
        strays = {pid for pid in children if pid not in self._workers and pid != template}
        if self._ended and not _kill_all(strays):
            for number, status in self._ended:
                self._tell("ended", number, status)
            self._ended.clear()

    # The template.

    def _start_template(self) -> None:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        channel = Channel(ours)
        try:
            pid = self._run(self._template_command, (theirs.fileno(),), reaps=False)
        except OSError:
            channel.close()
            raise
        finally:
            theirs.close()
        self._template = _Template(pid, channel)
        for line in self._preloads:
            channel.send(line)

    def _start_template_early(self) -> None:
        try:
            self._start_template()
        except OSError:
            pass  # the first worker will try again, and tell

    def _ask_template(self, number: int, pair: tuple[int, ...]) -> None:
        try:
            if self._template is None:
                self._start_template()
            assert self._template is not None
            self._template.ask(number, pair)
        except OSError as error:
            self._fail(number, _reason(error))
            close_all(pair)
        else:
            self._tries[number] = self._tries.get(number, 0) + 1

    def _hear_template(self) -> None:
        template = self._template
        if template is None:
            return
        lines = template.channel.receive()
        if lines is None:  # also when what it has loaded closes descriptors that are not its own
            _kill(template.pid)
        for line in lines or ():
            event, number, rest = line.split(b" ", 2)
            is_owed = template.take(int(number))
            if event == b"forked" and is_owed:
                self._has_started(int(number), int(rest))
            elif event == b"forked":
                _kill(int(rest))
            elif is_owed:
                self._fail(int(number), rest.decode())

    def _replace_template(self, status: int) -> None:
        assert self._template is not None
        owed = self._template.owed
        self._template.channel.close()
        self._template = None
        for number, pair in owed.items():
            if self._tries[number] < _TRIES:
                self._ask_template(number, pair)
            else:
                del self._tries[number]
                self._tell("lost", number, status)
                close_all(pair)


def adopted(guardian: int, *, reaps: bool = True) -> bool:
    """Bind this process to the guardian, its parent; whether that is still there.

    Args:
        guardian: its pid.
        reaps: whether this process gets the orphans among its descendants.
    """
    os.setsid()
    if sys.platform == "linux":
        _control_process(_PARENT_DEATH_SIGNAL, _signal.SIGKILL)
        _control_process(_CHILD_SUBREAPER, reaps)
    return os.getppid() == guardian


def _control_process(option: int, value: int) -> None:
    import ctypes  # slow to import, and what else is in this module is used by the runner too

    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def reserve() -> int:
    """Keep 3 and 4 from becoming anything that is still needed when they are placed.

    Returns:
        A descriptor of nothing, for reading and writing.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 4:
        os.set_inheritable(fd, fd <= 2)
    return fd


def place(fds: tuple[int, ...]) -> None:
    """Put descriptors at 3 and upwards, where they survive an exec."""
    for target, fd in enumerate(fds, 3):
        os.dup2(fd, target)


def close_all(fds: tuple[int, ...]) -> None:
    for fd in fds:
        os.close(fd)


def _reset_signals() -> None:
    for number in _signal.valid_signals() - {_signal.SIGKILL, _signal.SIGSTOP}:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def _wake_on_children() -> int:
    """A descriptor that has something to read when a child may have ended."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    return reading


def _reap() -> list[tuple[int, int]]:
    """The pids of children that have ended, and their statuses."""
    gone = []
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            gone.append((ended[0], os.waitstatus_to_exitcode(ended[1])))
    except ChildProcessError:
        pass  # none is left
    return gone


def _children() -> list[int]:
    """Our children, also those whose status has not been asked for; none where nobody tells."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:  # a kernel may be without it
        return _children_of_all(me)


def _children_of_all(parent: int) -> list[int]:
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:  # not Linux
        return []
    return [pid for pid in pids if _parent(pid) == parent]


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _remove(folder: bytes) -> None:
    """Remove a folder of files; what cannot be removed stays."""
    try:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
    except OSError:
        pass  # most often: it was never made


def _kill(pid: int) -> bool:
    """Whether it is there, and could be killed: a program may run with another user's rights."""
    try:
        os.kill(pid, _signal.SIGKILL)
    except OSError:
        return False
    return True


def _kill_all(pids: set[int]) -> bool:
    return any([_kill(pid) for pid in pids])  # noqa: C419 - not only until the first


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, _signal.SIGKILL)
    except OSError:
        pass  # it has not come to make a group, or nobody is left in it


def _reason(error: OSError) -> str:
    return ": ".join(filter(None, (error.strerror, error.filename))).replace("\n", " ")


def main() -> None:
    """Guard, as the command line says: the length of the worker's command, it, the template's."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_IGN)
    if sys.platform == "linux":
        _control_process(_CHILD_SUBREAPER, 1)
    split = 2 + int(sys.argv[1])
    control = Channel(_socket.socket(fileno=0))
    guardian = _Guardian(control, sys.argv[2:split], sys.argv[split:])
    try:
        guardian.watch()
    finally:
        guardian.end()


if __name__ == "__main__":
    main()
