from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

import runner
from runner import JobStatus, SubmissionStatus

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it rests on subreapers")

JOBS: Final = '''
import ctypes, os, resource, signal, subprocess, sys, threading, time
from pathlib import Path

HERE = Path(__file__).parent
LIBC = ctypes.CDLL(None)


def work(what, name):
    """Note that it is run, and do what it says; the rest of the time, nothing."""
    descriptor = os.open(HERE / "ran.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{name}\\n".encode())
    os.close(descriptor)
    return globals()[what]()


def nothing():
    return 1


def two(what, name):
    return work(what, name)


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a}-{b}")


class Unpicklable(Exception):
    def __reduce__(self):
        raise RuntimeError("not me")


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Exits(Exception):
    def __str__(self):
        sys.exit(9)


class Bomb:
    def __reduce__(self):
        return exec, ("raise RuntimeError('made of nothing')",)


class Fuse:
    def __reduce__(self):
        os._exit(7)


def raises(): raise ValueError("too bad")
def two_arguments(): raise TwoArguments(1, 2)
def unpicklable_error(): raise Unpicklable("odd")
def mute(): raise Mute
def exits_in_str(): raise Exits
def control_characters(): raise ValueError("red \\x1b[31m \\udc80 \\0 end")
def group(): raise ExceptionGroup("both", [ValueError(1), TypeError(2)])
def long_text(): raise ValueError("x" * 50_000_000)
def base(): raise BaseException("base")
def generator_exit(): raise GeneratorExit
def interrupt(): raise KeyboardInterrupt
def stop(): raise StopIteration
def sys_exit(): sys.exit("leaving")
def sys_exit_0(): sys.exit(0)


def deep():
    error = None
    for number in range(1000):
        try:
            raise ValueError(number) from error
        except ValueError as raised:
            error = raised
    raise error


def recursion():
    return recursion()


def memory():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 29, resource.RLIM_INFINITY))
    return bytearray(1 << 31)


def said(): print("last words")
def exits_0(): said(); os._exit(0)
def exits_3(): said(); os._exit(3)
def killed(): said(); os.kill(os.getpid(), signal.SIGKILL)
def terminated(): said(); os.kill(os.getpid(), signal.SIGTERM)
def segfaults(): said(); ctypes.string_at(0)
def aborts(): said(); os.abort()
def real_time(): said(); os.kill(os.getpid(), signal.SIGRTMIN + 1)
def kills_group(): said(); os.killpg(0, signal.SIGKILL)
def exits_in_c(): said(); LIBC.exit(5)
def a_lambda(): return lambda lock=threading.Lock(): lock
def a_lock(): return [1, {"lock": threading.Lock()}]
def a_generator(): return (each for each in ())
def a_file(): return open(os.devnull, "w")
def bomb(): return Bomb()
def fuse(): said(); return Fuse()
def three(): return 1, 2, 3
def one(): return 1


def closes_its_own():
    os.closerange(3, 199)
    return 1


def closes_some():
    os.closerange(3, 5000)
    return 1


def closes_all():
    os.closerange(0, 5000)
    return 1


def closes_standard():
    sys.stdout.close()
    os.close(1)
    os.close(2)
    return 1


def replaces_stdout():
    sys.stdout = sys.stderr = None
    return 1


def odd_stdout():
    class Odd:
        def flush(self):
            raise RuntimeError("I do not flush")
        write = flush
    sys.stdout = Odd()
    return 1


def child():
    subprocess.Popen(["sleep", "600"])
    return 1


def daemon():
    subprocess.run("setsid sleep 600 & setsid sh -c 'setsid sleep 600 & sleep 600' &", shell=True)
    return 1


def thread():
    threading.Thread(target=time.sleep, args=(600,)).start()
    return 1


def daemon_thread():
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    return 1


def thread_that_raises():
    thread = threading.Thread(target=raises)
    thread.start()
    thread.join()
    return 1


def forks():
    os.fork()
    return 1


def fork_raises():
    if not os.fork():
        raise ValueError("in the child")
    return 1


def fork_exits():
    if not os.fork():
        sys.exit(3)
    return 1


def surroundings():
    os.chdir("/")
    os.environ["ODD"] = "1"
    os.environ.pop("PATH")
    os.umask(0)
    sys.path.clear()
    sys.setrecursionlimit(60)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return 1


def no_modules():
    for name in ["runner", "runner.execution", "runner.data.storage", "os", "pickle"]:
        sys.modules.pop(name, None)
    return 1


def odd_hooks():
    sys.settrace(lambda *_: None)
    sys.excepthook = None
    sys.unraisablehook = None
    threading.excepthook = None
    return 1


def odd_builtins():
    import builtins
    builtins.open = builtins.print = None
    return 1


def megabytes():
    print("x" * 5_000_000)
    return 1


def megabytes_in_lines():
    for _ in range(50_000):
        print("x" * 99)
    return 1


def blocks_and_hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(600)


def hangs_in_c():
    ctypes.PyDLL(None).sleep(600)


def stops():
    os.kill(os.getpid(), signal.SIGSTOP)


def alarm():
    signal.alarm(600)
    return 1
'''

LOST: Final = "its worker "
KERNEL: Final = "was it out of memory? the kernel kills a process then, and says so in its log"


@attrs.frozen
class Case:
    """What a bad job comes to."""

    code: str = ""
    message: str = ""
    type: str = ""
    printed: str | None = None
    hint: str | None = None
    more: str = ""
    outputs: int = 1


def raised(type: str, message: str) -> Case:  # noqa: A002 - as the field
    return Case("RUN601", message, type)


def lost(how: str, hint: str | None = None) -> Case:
    return Case("RUN603", f"its worker {how}", printed="last words\n", hint=hint)


def unpicklable(path: str, kind: str, why: str) -> Case:
    message = f"data node `bad_OUT` cannot be written: `result{path}` is a `{kind}`, "
    return Case("RUN606", f"{message}which does not pickle: {why}")


FINE: Final = Case()
LATE: Final = Case("RUN602", "took longer than 0.3 s", "TaskTimeout", more="timeout = '0.3s'")
CASES: Final[Mapping[str, Case]] = {
    "raises": raised("ValueError", "too bad"),
    "two_arguments": raised("TwoArguments", "1-2"),
    "unpicklable_error": raised("Unpicklable", "odd"),
    "mute": raised("Mute", "(its text cannot be made)"),
    "control_characters": raised("ValueError", "red \x1b[31m \\udc80 \0 end"),
    "group": raised("ExceptionGroup", "both (2 sub-exceptions)"),
    "long_text": raised("ValueError", "x" * 1000 + " ..."),
    "base": raised("BaseException", "base"),
    "generator_exit": raised("GeneratorExit", ""),
    "interrupt": raised("KeyboardInterrupt", ""),
    "stop": raised("StopIteration", ""),
    "sys_exit": raised("SystemExit", "leaving"),
    "sys_exit_0": raised("SystemExit", "0"),
    "deep": raised("ValueError", "999"),
    "recursion": raised("RecursionError", "maximum recursion depth exceeded"),
    "memory": raised("MemoryError", ""),
    "exits_0": lost("exited with code 0"),
    "exits_3": lost("exited with code 3"),
    "exits_in_c": lost("exited with code 5"),
    "killed": lost("was killed by SIGKILL", KERNEL),
    "kills_group": lost("was killed by SIGKILL", KERNEL),
    "terminated": lost("was killed by SIGTERM"),
    "segfaults": attrs.evolve(lost("was killed by SIGSEGV"), printed=None),
    "aborts": attrs.evolve(lost("was killed by SIGABRT"), printed=None),
    "real_time": lost(f"was killed by signal {signal.SIGRTMIN + 1}"),
    "a_lambda": unpicklable("", "function", "cannot pickle '_thread.lock' object"),
    "a_lock": unpicklable("[1]['lock']", "lock", "cannot pickle '_thread.lock' object"),
    "a_generator": unpicklable("", "generator", "cannot pickle 'generator' object"),
    "a_file": unpicklable(
        "", "TextIOWrapper", "PicklingError: Cannot pickle files that are not opened for reading: w"
    ),
    "bomb": FINE,
    "fuse": lost("exited with code 7"),
    "three": Case("RUN306", "task `bad_OUT` has 2 outputs, its function returned 3", outputs=2),
    "one": Case("RUN306", "task `bad_OUT` has 2 outputs, its function returned a int", outputs=2),
    "closes_its_own": FINE,
    "closes_some": FINE,
    "closes_all": FINE,
    "closes_standard": FINE,
    "replaces_stdout": FINE,
    "odd_stdout": FINE,
    "child": FINE,
    "daemon": FINE,
    "thread": FINE,
    "daemon_thread": FINE,
    "thread_that_raises": FINE,
    "forks": FINE,
    "fork_raises": FINE,
    "fork_exits": FINE,
    "surroundings": FINE,
    "no_modules": FINE,
    "odd_hooks": FINE,
    "odd_builtins": FINE,
    "megabytes": FINE,
    "megabytes_in_lines": FINE,
    "alarm": FINE,
    "blocks_and_hangs": LATE,
    "hangs_in_c": LATE,
    "stops": LATE,
}


FORKED: Final = {
    "raises", "exits_3", "killed", "segfaults", "memory", "recursion", "closes_all", "closes_some",
    "child", "daemon", "thread", "forks", "fork_exits", "surroundings", "no_modules", "odd_stdout",
    "hangs_in_c", "stops",
}  # fmt: skip
"""What is tried in forked workers too: all that has to do with processes."""


@pytest.mark.parametrize("what", [pytest.param(each, id=each) for each in CASES])
def test_a_bad_job_harms_no_other(application: Any, task: Any, given: Any, what: str) -> None:
    """The first of all jobs, and one in the midst of a batch of quick ones of its function."""
    if application.start_method == "forkserver" and what not in FORKED:
        pytest.skip("how workers are started changes nothing about it")
    case = CASES[what]
    application.module(JOBS)
    names = [f"bad_{n}" if n in {0, 50} else f"fine_{n}" for n in range(100)]
    text = given("bad", what) + given("nothing", "nothing")
    for name in names:
        text += given(f"of_{name}", name)
        is_bad = name.startswith("bad")
        inputs = ("bad" if is_bad else "nothing", f"of_{name}")
        more = {"outputs": case.outputs, "more": case.more} if is_bad else {}
        text += task(name, "jobs.work", *inputs, **more)

    submission = application.run(text)

    jobs = {job.task: job for job in submission.jobs}
    status = JobStatus.FAILED if case.code else JobStatus.COMPLETED
    told = {name: (job.status, job.attempts) for name, job in jobs.items()}
    assert told == {
        name: (status if name.startswith("bad") else JobStatus.COMPLETED, 1) for name in names
    }
    assert sorted(application.lines()) == sorted(names)
    for bad in (jobs["bad_0"], jobs["bad_50"]):
        if case.code:
            failure = bad.failure
            assert failure is not None
            message = case.message.replace(
                "bad_OUT", f"{bad.task}_0" if "606" in case.code else bad.task
            )
            expected = (case.code, case.type, message, case.hint)
            if "306" in case.code:
                expected = (*expected[:3], "return a tuple of 2")
            assert (failure.code, failure.type, failure.message, failure.hint) == expected
        if case.printed is not None:
            assert application.printed(bad) == case.printed
    assert application.leftovers() == []
    # The fixtures assert that no process is left.


RETRIED: Final = '''
import os, signal, sys, time
from pathlib import Path

HERE = Path(__file__).parent


def counted(name):
    """How often it has been called before."""
    with open(HERE / f"{name}.txt", "a") as file:
        file.write("x")
        return file.tell() - 1


def dies_twice(name):
    if counted(name) < 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def late_once(name):
    if counted(name) < 1:
        time.sleep(600)
    return name


def sleeps(name):
    time.sleep(0.1)
    return name


def large(name):
    counted(name)
    return ["x" * 30_000] * 12


def dies(*names):
    counted("dies")
    os.kill(os.getpid(), signal.SIGKILL)


def small(name):
    counted(name)
    return name
'''


def test_a_job_whose_worker_was_lost_is_tried_again(
    application: Any, task: Any, given: Any
) -> None:
    application.module(RETRIED)
    more = "retries = 2\nretry_delay = '0.02s'"
    text = given("name", "a") + task("t", "jobs.dies_twice", "name", more=more)

    seen: list[Any] = []
    with runner.Core(application.config(text)) as core:
        submission = core.create_scenario("default").submit(
            on_change=lambda *it: seen.append(it[1:])
        )

    (job,) = submission.jobs
    assert (job.status, job.attempts, job.failure) == (JobStatus.COMPLETED, 3, None)
    again = [("t", JobStatus.RUNNING), ("t", JobStatus.PENDING)]
    assert [each for each in seen if each[0]] == [
        *again, *again, ("t", JobStatus.RUNNING), ("t", JobStatus.COMPLETED)
    ]  # fmt: skip


def test_a_job_that_loses_its_worker_each_time_fails(
    application: Any, task: Any, given: Any
) -> None:
    application.module(RETRIED)
    text = given("name", "a") + task("t", "jobs.dies_twice", "name", more="retries = 1")

    (job,) = application.run(text).jobs

    assert (job.status, job.attempts) == (JobStatus.FAILED, 2)
    assert (job.failure.code, job.failure.message) == ("RUN603", "its worker was killed by SIGKILL")


def test_a_job_that_took_too_long_is_tried_again(application: Any, task: Any, given: Any) -> None:
    application.module(RETRIED)
    more = "retries = 1\ntimeout = '0.3s'"
    text = given("name", "a") + task("t", "jobs.late_once", "name", more=more)

    (job,) = application.run(text).jobs

    assert (job.status, job.attempts) == (JobStatus.COMPLETED, 2)


def test_a_time_limit_is_of_the_job_alone(application: Any, task: Any, given: Any) -> None:
    """Not of those before it: all together take twice as long as each may."""
    application.module(RETRIED)
    text = given("name", "a")
    for number in range(12):
        text += task(f"t{number}", "jobs.sleeps", "name", more="timeout = '0.5s'")

    submission = application.run(text, workers=1)

    assert {(job.status, job.attempts) for job in submission.jobs} == {(JobStatus.COMPLETED, 1)}
    assert submission.seconds > 1.0


def test_what_a_lost_worker_had_done_is_not_done_again(
    application: Any, task: Any, given: Any
) -> None:
    """Also where it is more than the page takes that tells of it."""
    application.module(RETRIED)
    text = ""
    names = [f"t{number}" for number in range(20)]
    for name in names:
        text += given(f"of_{name}", name) + task(name, "jobs.large", f"of_{name}")
    for number in range(len(names)):
        text += given(f"of_s{number}", f"s{number}")
        text += task(f"s{number}", "jobs.small", f"of_s{number}")
    text += task("dies", "jobs.dies", *(f"{name}_0" for name in names))

    submission = application.run(text, workers=1)

    ended = {job.task: (job.status, job.attempts) for job in submission.jobs}
    assert ended.pop("dies") == (JobStatus.FAILED, 1)
    assert set(ended.values()) == {(JobStatus.COMPLETED, 1)}
    for name in [*names, *(f"s{number}" for number in range(20)), "dies"]:
        assert (application.folder / f"{name}.txt").read_text() == "x"


IMPORTING: Final[Mapping[str, tuple[str, str, str]]] = {
    "exits": (
        "print('importing', flush=True); import os; os._exit(4)",
        "RUN603",
        "the functions cannot be imported: the worker exited with code 4",
    ),
    "segfaults": (
        "import ctypes; ctypes.string_at(0)",
        "RUN603",
        "the functions cannot be imported: the worker was killed by SIGSEGV",
    ),
    "raises": (
        "raise ValueError('not today')",
        "RUN301",
        "`broken.function` cannot be imported: ValueError: not today",
    ),
    "sys_exit": (
        "import sys; sys.exit('bye')",
        "RUN301",
        "`broken.function` cannot be imported: SystemExit: bye",
    ),
}


@pytest.mark.parametrize("how", [pytest.param(each, id=each) for each in IMPORTING])
def test_where_a_module_cannot_be_imported_nothing_runs(
    application: Any, task: Any, given: Any, how: str
) -> None:
    source, code, message = IMPORTING[how]
    application.module(f"{source}\ndef function(name): return 1\n", "broken")
    application.module(JOBS)
    text = given("nothing", "nothing") + given("name", "a")
    text += task("t", "jobs.work", "nothing", "name") + task("u", "broken.function", "name")

    with runner.Core(application.config(text)) as core:
        scenario = core.create_scenario("default")
        with pytest.raises(runner.ConfigError, match="cannot be imported") as raised:
            scenario.submit()

    if application.start_method == "forkserver" and code == "RUN603":
        message = message.replace("worker", "worker cannot be started: its template process")
    assert (raised.value.code, str(raised.value)) == (code, message)
    assert application.lines() == []


def test_a_core_lives_on_when_a_module_could_not_be_imported(
    application: Any, task: Any, given: Any
) -> None:
    if application.start_method == "forkserver":
        pytest.skip("what is preloaded is preloaded by each template that replaces it")
    application.module("import os; os._exit(4)\ndef function(name): return 1\n", "broken")
    application.module(JOBS)
    text = given("nothing", "nothing") + given("name", "a")
    text += task("t", "jobs.work", "nothing", "name") + task("u", "broken.function", "name")
    text += '[SCENARIO.bad]\ntasks = ["t", "u"]\n[SCENARIO.good]\ntasks = ["t"]\n'

    with runner.Core(application.config(text)) as core:
        with pytest.raises(runner.ConfigError, match="exited with code 4"):
            core.create_scenario("bad").submit()
        submission = core.create_scenario("good").submit()
        assert submission.wait(15) is SubmissionStatus.COMPLETED

    assert application.lines() == ["a"]


def test_the_jobs_of_a_killed_guardian_fail_and_no_others(
    application: Any, processes: Any, task: Any, given: Any
) -> None:
    application.module(WAITING)
    text = "".join(
        given(f"of_{n}", n) + task(n, "jobs.waits", f"of_{n}") for n in ("a", "b", "c", "d")
    )
    with runner.Core(application.config(text)) as core, opened(application.folder) as begun:
        submission = core.create_scenario("default").submit()
        first = {begun(), begun()}
        (guardian,) = processes.of("guardian.main")
        os.kill(guardian, signal.SIGKILL)
        assert processes.ends(guardian, within=15)
        (application.folder / "go").touch()
        assert submission.wait(15) is SubmissionStatus.FAILED

    for job in submission.jobs:
        if job.task in first:
            assert job.status is JobStatus.FAILED
            assert job.failure is not None
            message = "its worker was killed together with its guardian"
            assert (job.failure.code, job.failure.message) == ("RUN603", message)
        else:
            assert (job.status, job.attempts) == (JobStatus.COMPLETED, 1)
    assert sorted(application.lines()) == ["a", "b", "c", "d"]


WAITING: Final = '''
import ctypes, os, subprocess, time
from pathlib import Path

HERE = Path(__file__).parent


def note(name):
    for file in (HERE / "ran.txt", HERE / "begun"):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{name}\\n".encode())
        os.close(descriptor)


def waits(name):
    """Until a file is there."""
    note(name)
    while not (HERE / "go").exists():
        time.sleep(0.002)
    return name


def hangs(name):
    note(name)
    time.sleep(600)


def holds(name):
    note(name)
    ctypes.PyDLL(None).sleep(600)


def leaves_daemons(name):
    subprocess.run("setsid sleep 600 & setsid sh -c 'sleep 600' &", shell=True)
    note(name)
    ctypes.PyDLL(None).sleep(600)
'''


@contextmanager
def opened(folder: Path) -> Iterator[Callable[[], str]]:
    """The names of jobs as they begin, one a call."""
    path = folder / "begun"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    lines: list[str] = []

    def begun() -> str:
        while not lines:
            assert select.select([descriptor], [], [], 15)[0], "no job begins"
            lines.extend(os.read(descriptor, 4096).decode().splitlines())
        return lines.pop(0)

    try:
        yield begun
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("function", ["hangs", "holds", "leaves_daemons"])
def test_nothing_outlives_a_killed_runner(
    application: Any, processes: Any, task: Any, given: Any, function: str
) -> None:
    application.module(WAITING)
    text = given("a", "a") + given("b", "b")
    text += task("t", f"jobs.{function}", "a") + task("u", f"jobs.{function}", "b")
    application.config(text)
    command = [sys.executable, "-m", "runner", "execute", "pipeline.toml", "--mode", "standalone"]
    command += ["--set", f"JOB.start_method={application.start_method}"]
    with opened(application.folder) as begun:
        started = subprocess.Popen(
            command, cwd=application.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        begun()
        begun()
        started.kill()
        started.wait()

    assert processes.gone(within=2.0)


LARGE: Final = """
def large():
    return b"x" * 1_000_000


def hangs_over(value):
    hangs(len(value))
"""


@pytest.fixture
def killed(
    application: Any, processes: Any, task: Any, given: Any
) -> Iterator[Callable[..., runner.Config]]:
    """Kills a runner, one of whose jobs has a large value."""
    application.module(f"{WAITING}\n{LARGE}")
    text = task("l", "jobs.large") + task("t", "jobs.hangs_over", "l_0")
    text += given("a", "a") + task("u", "jobs.waits", "a")
    text += '[SCENARIO.large]\ntasks = ["l", "t"]\n[SCENARIO.small]\ntasks = ["u"]\n'
    config: runner.Config = application.config(text)
    command = [sys.executable, "-m", "runner", "execute", "pipeline.toml", "-s", "large"]

    with opened(application.folder) as begun:

        def kill(*, first: str | None = None) -> runner.Config:
            process = subprocess.Popen(
                [*command, "--mode", "standalone"],
                cwd=application.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            begun()
            process.send_signal(signal.SIGSTOP)
            for pid in processes.of(first) if first else ():
                os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()
            assert processes.gone(within=2.0)
            return config

        yield kill


def test_large_values_end_with_their_runner(application: Any, killed: Any) -> None:
    killed()

    assert application.leftovers() == []


def test_large_values_that_nobody_could_remove_are_at_the_next_start(
    application: Any, killed: Any
) -> None:
    config = killed(first="guardian")
    assert len(application.leftovers()) == 1

    (application.folder / "go").touch()
    with runner.Core(config) as core:
        core.create_scenario("small").submit()

    assert application.leftovers() == []
