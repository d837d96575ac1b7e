from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import pytest

import runner
from runner import JobStatus, SubmissionStatus
from runner.core import ENDED_SUBMISSION
from runner.store.trimming import MOST_PRINTED

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it rests on subreapers")

PATIENCE: Final = 15.0
RUNNING: Final = SubmissionStatus.RUNNING
JOBS: Final = '''
import ctypes, os, signal, subprocess, sys, threading, time
from pathlib import Path

HERE = Path(__file__).parent
LIBC = ctypes.CDLL(None)


def note(name):
    descriptor = os.open(HERE / "ran.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{name}\\n".encode())
    os.close(descriptor)


def sleeps(seconds, name):
    note(name)
    if seconds:
        time.sleep(seconds)
    return name


def waits(name):
    """Until a file is there."""
    note(name)
    while not (HERE / "go").exists():
        time.sleep(0.002)
    return name


def waits_if_told(what, name):
    return waits(name) if what == "wait" else sleeps(0, name)


def add(a, b):
    return a + b


def one():
    return 1


def surroundings():
    return (
        os.getcwd(), dict(os.environ), list(sys.path), sys.getrecursionlimit(),
        os.umask(0o22) or True, [str(signal.getsignal(n)) for n in (2, 15)],
        signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(),
        sys.stdout is sys.__stdout__, os.getpid(), [t.name for t in threading.enumerate()],
    )


def before():
    return surroundings()


def after(_):
    return surroundings()


def changes(how):
    globals()[how]()
    return 1


def umask_of(_):
    old = os.umask(0)
    os.umask(old)
    return old


def looks_and_changes():
    found = (os.getcwd(), dict(os.environ), sys.path[:], sys.getrecursionlimit(), umask_of(None))
    folder(); environment(); path(); limit(); umask()
    return found


def folder(): os.chdir("/")
def environment(): os.environ.update(ODD="1"); os.environ.pop("PATH"); os.putenv("B", "2")
def path(): sys.path[:] = ["/nowhere"]
def limit(): sys.setrecursionlimit(5000)
def umask(): os.umask(0o7)
def handlers(): signal.signal(15, signal.SIG_IGN); signal.signal(2, lambda *_: None)
def mask(): signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
def streams(): sys.stdout = sys.stderr = None
def closed(): os.close(1); os.close(2)
def other(): os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
def thread(): threading.Thread(target=time.sleep, args=(600,)).start()
def child(): subprocess.Popen(["sleep", "600"])
def limits():
    import resource
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def prints(how):
    match how:
        case "print": print("said")
        case "stderr": print("said", file=sys.stderr)
        case "unfinished": sys.stdout.write("said")
        case "os": os.write(1, b"said\\n")
        case "c": LIBC.puts(b"said")
        case "c-unfinished": LIBC.printf(b"said")
        case "subprocess": subprocess.run(["echo", "said"])
        case "surrogate": print("said \\udc80 \\u20ac")
        case "silent": pass
        case "much": much()
        case "much-and-dies": much(); os._exit(3)
        case "much-by-a-child":
            subprocess.run("yes | head -c 30000000 && echo last", shell=True)
    return how


def much():
    print("first c4nary")
    os.write(2, b"x" * 79 + b"\\n")
    for _ in range(30):
        os.write(1, (b"x" * 79 + b"\\n") * 12_500)
    print("last c4nary", end="", flush=True)


def shown():
    """The environment, as Python and as the system tell it, and what the descriptors lead to."""
    told = Path("/proc/self/environ").read_bytes().decode().split("\\0")
    open_ = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return dict(os.environ), told, [os.readlink(each) for each in open_ if os.path.exists(each)]


def wakes(a): a.append(4); return len(a)
def reads(a, _): return a


class Dumper:
    pass
'''
CHANGES: Final = [
    "folder", "environment", "path", "limit", "umask", "handlers", "mask", "streams", "closed",
    "other", "thread", "child", "limits",
]  # fmt: skip


def values(core: Any, scenario: str = "default") -> Any:
    return core.create_scenario(scenario).data_nodes


@pytest.mark.parametrize("how", CHANGES)
def test_what_a_job_changes_in_its_process_the_next_one_does_not_see(
    application: Any, task: Any, given: Any, how: str
) -> None:
    application.module(JOBS)
    text = task("before", "jobs.before") + given("how", how)
    text += task("change", "jobs.changes", "how") + task("after", "jobs.after", "change_0")
    text += task("mask", "jobs.umask_of", "change_0") + task("print", "jobs.prints", "said")
    text += given("said", "print")

    with runner.Core(application.config(text, workers=1)) as core:
        submission = core.create_scenario("default").submit(wait=True, timeout=PATIENCE)
        assert submission.status is SubmissionStatus.COMPLETED
        nodes = values(core)
        before, after = nodes["before_0"].read(), nodes["after_0"].read()
        mask = nodes["mask_0"].read()

    is_new = how in {"thread", "child", "limits", "other", "closed"}
    assert (before[8] != after[8]) == is_new  # such a process is replaced
    assert after[:8] == before[:8]
    assert after[9] == before[9] == ["MainThread"]
    assert mask == 0o022
    (printed,) = [job for job in submission.jobs if job.task == "print"]
    assert application.printed(printed) == "said\n"


def test_short_jobs_that_travel_together_do_not_see_what_each_other_changes(
    application: Any, task: Any
) -> None:
    application.module(JOBS)
    text = "".join(task(f"job_{number}", "jobs.looks_and_changes") for number in range(100))

    with runner.Core(application.config(text, workers=1)) as core:
        core.create_scenario("default").submit(wait=True, timeout=PATIENCE)
        found = [repr(values(core)[f"job_{number}_0"].read()) for number in range(100)]

    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("how", "said"),
    [
        pytest.param("print", "said\n", id="print"),
        pytest.param("stderr", "said\n", id="stderr"),
        pytest.param("unfinished", "said", id="without-an-end"),
        pytest.param("os", "said\n", id="os-write"),
        pytest.param("c", "said\n", id="c-puts"),
        pytest.param("subprocess", "said\n", id="subprocess"),
        pytest.param("surrogate", "said \\udc80 €\n", id="surrogate"),
        pytest.param("silent", "", id="silent"),
    ],
)
def test_what_a_job_prints_is_its_own(
    application: Any, task: Any, given: Any, how: str, said: str
) -> None:
    """Of many quick ones in one worker, each has what it printed and nothing else."""
    application.module(JOBS)
    text = given("how", how) + given("silent", "silent")
    for number in range(20):
        text += task(f"t{number}", "jobs.prints", "silent" if number % 3 else "how")

    submission = application.run(text, workers=1)

    printed = {job.task: application.printed(job) for job in submission.jobs}
    assert printed == {f"t{n}": "" if n % 3 else said for n in range(20)}


def test_what_leads_to_the_cluster_is_kept_from_jobs(
    application: Any, task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = {"RUNNER_BROKER_URL", "RUNNER_CLUSTER_KEY", "RUNNER_CLUSTER_KEY_FILE"}
    for name in (*hidden, "RUNNER_AND_MORE"):
        monkeypatch.setenv(name, f"c4nary-{name}")
    application.module(JOBS)

    with runner.Core(application.config(task("t", "jobs.shown"), workers=1)) as core:
        core.create_scenario("default").submit(wait=True, timeout=PATIENCE)
        environ, told, descriptors = values(core)["t_0"].read()

    assert environ == {name: os.environ[name] for name in os.environ if name not in hidden}
    assert "RUNNER_AND_MORE=c4nary-RUNNER_AND_MORE" in told
    assert not [line for line in told if line.split("=")[0] in hidden]
    own = Counter(each.partition(":")[0].rpartition("/")[2] for each in descriptors)
    (log,) = [name for name in own if name.endswith(".log")]
    assert own == {"null": 1, log: 3, "socket": 1, "memfd": 1}  # the last two are the worker's


@pytest.mark.parametrize("how", ["much", "much-by-a-child", "much-and-dies"])
def test_of_much_that_a_job_prints_the_middle_is_left_out(
    application: Any, task: Any, given: Any, how: str
) -> None:
    application.module(JOBS)
    text = given("how", how) + given("said", "print")
    text += task("before", "jobs.prints", "said") + task("much", "jobs.prints", "how")
    text += task("after", "jobs.prints", "said", more='token = "c4nary"')

    submission = application.run(text, workers=1)

    printed = {job.task: application.printed(job) for job in submission.jobs}
    assert printed["before"] == printed["after"] == "said\n"
    assert printed["much"].endswith("last ******" if how != "much-by-a-child" else "last\n")
    assert "c4nary" not in printed["much"]
    assert printed["much"].count(" bytes are left out\n") == 1
    assert MOST_PRINTED - 500 < len(printed["much"]) <= MOST_PRINTED
    logs = (application.folder / ".runner" / "logs").iterdir()
    assert sum(log.stat().st_size for log in logs) == sum(map(len, printed.values()))


# A long job


def test_jobs_behind_one_that_is_suddenly_long_are_run_elsewhere(
    application: Any, task: Any, given: Any
) -> None:
    application.module(JOBS)
    names = [f"t{number}" for number in range(200)]
    text = given("wait", "wait") + given("go_on", "go on")
    for number, name in enumerate(names):
        what = "wait" if number == 100 else "go_on"
        text += given(f"of_{name}", name) + task(name, "jobs.waits_if_told", what, f"of_{name}")
    ended: list[str] = []
    all_others = threading.Event()

    def note(_: Any, name: str | None, status: Any) -> None:
        if name and status is JobStatus.COMPLETED:
            ended.append(name)
            if len(ended) == len(names) - 1:
                all_others.set()

    with runner.Core(application.config(text)) as core:
        submission = core.create_scenario("default").submit(on_change=note)
        others_have_ended = all_others.wait(PATIENCE)
        (application.folder / "go").touch()
        assert submission.wait(PATIENCE) is SubmissionStatus.COMPLETED

    assert others_have_ended
    assert ended[-1] == "t100"
    assert {job.attempts for job in submission.jobs} == {1}
    assert sorted(application.lines()) == sorted(names)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_each_job_is_run_once_however_long_each_takes(
    application: Any, task: Any, given: Any, workers: int, seed: int
) -> None:
    """Most take no time, so that they travel in batches; some up to 20 ms."""
    if application.start_method == "forkserver" and seed:
        pytest.skip("how workers are started changes nothing about it")
    application.module(JOBS)
    chosen = random.Random(seed)
    text = ""
    names = [f"t{number}" for number in range(400)]
    for index, name in enumerate(names):
        seconds = chosen.choice([0.0] * 12 + [0.0005, 0.003, 0.006, chosen.uniform(0, 0.02)])
        text += given(f"s_{name}", seconds) + given(f"n_{name}", name)
        needs = f"n_{name}"
        if index and chosen.random() < 0.4:  # chains, which are handed over whole
            needs = f"{names[chosen.choice([index - 1, chosen.randrange(index)])]}_0"
        text += task(name, "jobs.sleeps", f"s_{name}", needs)

    submission = application.run(text, workers)

    assert submission.status is SubmissionStatus.COMPLETED
    assert {(job.status, job.attempts) for job in submission.jobs} == {(JobStatus.COMPLETED, 1)}
    assert len(submission.jobs) == len(names)
    assert len(application.lines()) == len(names)


def test_what_was_said_before_counts_before_what_the_page_tells(
    application: Any, task: Any, given: Any
) -> None:
    """The runner is busy while a chain goes on: its first outcome was sent, the next one is not."""
    application.module(JOBS)
    text = given("s", 0) + given("short", 0.002) + given("n", "n") + given("go", "go on")
    text += given("wait", "wait") + given("long", 0.03) + given("an_x", "x")
    quick = [f"quick{number}" for number in range(60)]
    for name in quick:
        text += task(name, "jobs.sleeps", "s", "n")
        text += task(f"w_{name}", "jobs.waits_if_told", "go", "n")
    text += task("x", "jobs.sleeps", "short", "an_x")
    text += task("a", "jobs.sleeps", "long", "n") + task("b", "jobs.sleeps", "s", "a_0")
    text += task("c", "jobs.waits_if_told", "wait", "b_0")
    warm = [*quick, *(f"w_{name}" for name in quick)]
    text += f'[SCENARIO.warm]\ntasks = {warm}\n[SCENARIO.chain]\ntasks = ["x", "a", "b", "c"]\n'
    busy = threading.Event()

    def wait(_: Any, name: str | None, status: Any) -> None:
        if name == "x" and status is JobStatus.COMPLETED:
            until = monotonic() + 2  # a machine that is busy may have handed out only a part of it
            while len(application.lines()) < 4 and monotonic() < until:
                sleep(0.005)
            sleep(0.02)  # in the thread of the runner: this is what makes it late
            busy.set()

    with runner.Core(application.config(text)) as core:
        core.create_scenario("warm").submit(wait=True, timeout=PATIENCE)
        (application.folder / "ran.txt").unlink()
        submission = core.create_scenario("chain").submit(on_change=wait)
        assert busy.wait(PATIENCE)
        (application.folder / "go").touch()
        assert submission.wait(PATIENCE) is SubmissionStatus.COMPLETED

    assert [job.task for job in submission.jobs] == ["x", "a", "b", "c"]
    assert len(application.lines()) == 4


def test_a_job_that_was_in_time_is_not_late_because_the_runner_is(
    application: Any, task: Any, given: Any
) -> None:
    application.module(JOBS)
    text = given("none", 0) + given("short", 0.2) + given("an_x", "x") + given("n", "n")
    text += task("x", "jobs.sleeps", "none", "an_x")
    text += task("t", "jobs.sleeps", "short", "n", more="timeout = '0.4s'")
    text += task("u", "jobs.sleeps", "none", "t_0")

    def wait(_: Any, name: str | None, status: Any) -> None:
        if name == "x" and status is JobStatus.COMPLETED:
            sleep(0.6)  # in the thread of the runner: this is what makes it late

    with runner.Core(application.config(text)) as core:
        submission = core.create_scenario("default").submit(on_change=wait)
        assert submission.wait(PATIENCE) is SubmissionStatus.COMPLETED

    assert {job.attempts for job in submission.jobs} == {1}


# Submissions


def test_submit_does_not_wait(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    with runner.Core(application.config(given("a", "a") + task("t", "jobs.waits", "a"))) as core:
        submission = core.create_scenario("default").submit()
        assert submission.status not in ENDED_SUBMISSION
        assert submission.wait(timeout=0.05) not in ENDED_SUBMISSION
        (application.folder / "go").touch()
        assert submission.wait(PATIENCE) is SubmissionStatus.COMPLETED


def test_submit_waits_as_long_as_it_is_told_to(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    with runner.Core(application.config(given("a", "a") + task("t", "jobs.waits", "a"))) as core:
        submission = core.create_scenario("default").submit(wait=True, timeout=0.05)
        assert submission.status not in ENDED_SUBMISSION
        (application.folder / "go").touch()


def two_scenarios(task: Any, given: Any, count: int = 20) -> str:
    text = ""
    for letter in "ab":
        names = [f"{letter}{number}" for number in range(count)]
        for name in names:
            text += given(f"s_{name}", 0.005) + given(f"n_{name}", name)
            text += task(name, "jobs.sleeps", f"s_{name}", f"n_{name}")
        text += f'[SCENARIO.{letter}]\ntasks = {names}\nfrequency = "DAILY"\n'
    return text


def test_submissions_share_the_workers(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    with runner.Core(application.config(two_scenarios(task, given))) as core:
        scenarios = [core.create_scenario(letter) for letter in "ab"]
        submissions = [scenario.submit() for scenario in scenarios]
        for submission in submissions:
            assert submission.wait(PATIENCE) is SubmissionStatus.COMPLETED

    order = [line[0] for line in application.lines()]
    assert Counter(order) == {"a": 20, "b": 20}
    last_of_first = max(index for index, letter in enumerate(order) if letter == "a")
    assert order[:last_of_first].count("b") >= 5  # they did not come one after the other


def test_a_submission_is_canceled(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    text = given("a", "a") + task("t", "jobs.waits", "a") + task("u", "jobs.waits", "t_0")
    started = threading.Event()
    with runner.Core(application.config(text)) as core:
        submission = core.create_scenario("default").submit(
            on_change=lambda *told: started.set() if told[1] == "t" else None
        )
        assert started.wait(PATIENCE)
        submission.cancel()
        assert submission.wait(PATIENCE) is SubmissionStatus.CANCELED

    ended = {job.task: job.status for job in submission.jobs}
    assert ended == {"t": JobStatus.CANCELED, "u": JobStatus.ABANDONED}


def test_a_job_is_canceled(application: Any, task: Any, given: Any) -> None:
    """What needs it is abandoned, the rest goes on."""
    application.module(JOBS)
    text = given("a", "a") + given("b", "b") + given("none", 0)
    text += task("t", "jobs.waits", "a") + task("u", "jobs.waits", "t_0")
    text += task("v", "jobs.waits", "b") + task("w", "jobs.sleeps", "none", "v_0")
    started = threading.Event()
    with runner.Core(application.config(text)) as core:
        submission = core.create_scenario("default").submit(
            on_change=lambda *told: started.set() if told[1] == "t" else None
        )
        assert started.wait(PATIENCE)
        submission.cancel("t")
        while submission.job_status("t") is not JobStatus.CANCELED:
            submission.wait(0.01)
        (application.folder / "go").touch()
        submission.wait(PATIENCE)

    assert {job.task: job.status for job in submission.jobs} == {
        "t": JobStatus.CANCELED,
        "u": JobStatus.ABANDONED,
        "v": JobStatus.COMPLETED,
        "w": JobStatus.COMPLETED,
    }


def test_changes_are_told_in_order_and_may_raise(
    application: Any, task: Any, given: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    application.module(JOBS)
    seen: list[Any] = []

    def note(_: Any, name: str | None, status: Any) -> None:
        seen.append((name, status))
        raise RuntimeError("from the callback")

    text = given("s", 0) + given("a", "a")
    text += task("t", "jobs.sleeps", "s", "a") + task("u", "jobs.sleeps", "s", "t_0")
    with runner.Core(application.config(text)) as core:
        submission = core.create_scenario("default").submit(on_change=note)
        assert submission.wait(PATIENCE) is SubmissionStatus.COMPLETED
    own = {name: [status for each, status in seen if each == name] for name in (None, "t", "u")}
    assert own == {
        None: [RUNNING, SubmissionStatus.COMPLETED],
        "t": [JobStatus.RUNNING, JobStatus.COMPLETED],
        "u": [JobStatus.RUNNING, JobStatus.COMPLETED],
    }
    assert (seen[0][0], seen[-1][0]) == (None, None)
    assert "RuntimeError: from the callback" in capfd.readouterr().err


def test_a_core_waits_at_the_end_of_its_block(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    text = given("s", 0.2) + given("a", "a") + task("t", "jobs.sleeps", "s", "a")
    with runner.Core(application.config(text)) as core:
        submission = core.create_scenario("default").submit()

    assert submission.status is SubmissionStatus.COMPLETED


def test_a_core_cancels_where_its_block_raises(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    config = application.config(given("a", "a") + task("t", "jobs.waits", "a"))
    core = runner.Core(config)

    def submitted_and_out() -> None:
        with core:
            submissions.append(core.create_scenario("default").submit())
            raise ValueError("out of here")

    submissions: list[runner.Submission] = []
    with pytest.raises(ValueError, match="out of here"):
        submitted_and_out()

    (submission,) = submissions
    assert submission.status is SubmissionStatus.CANCELED


def test_closing_a_core_ends_everything(
    application: Any, processes: Any, task: Any, given: Any
) -> None:
    application.module(JOBS)
    core = runner.Core(application.config(given("a", "a") + task("t", "jobs.waits", "a")))
    submission = core.create_scenario("default").submit()

    core.close()

    assert submission.status is SubmissionStatus.CANCELED
    assert processes.gone(within=2.0)


def test_a_core_is_used_in_another_thread(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    text = given("s", 0) + given("a", "a") + task("t", "jobs.sleeps", "s", "a")
    ended: list[SubmissionStatus] = []

    def work() -> None:
        with runner.Core(application.config(text)) as core:
            submission = core.create_scenario("default").submit(wait=True, timeout=PATIENCE)
            ended.append(submission.status)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert ended == [SubmissionStatus.COMPLETED]


def test_two_cores_in_one_process(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    text = given("s", 0) + given("a", "a") + task("t", "jobs.sleeps", "s", "a")
    config = application.config(text)
    with runner.Core(config) as first, runner.Core(config) as second:
        submissions = [core.create_scenario("default").submit() for core in (first, second)]
        ended = [submission.wait(PATIENCE) for submission in submissions]

    assert ended == [SubmissionStatus.COMPLETED] * 2


def script(application: Any, text: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the application's folder."""
    path = application.folder / "script.py"
    path.write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(path), application.start_method, *more],
        cwd=application.folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def test_a_core_that_is_not_closed_keeps_nothing_alive(
    application: Any, processes: Any, task: Any, given: Any
) -> None:
    application.module(JOBS)
    application.config(given("a", "a") + task("t", "jobs.waits", "a"))
    ended = script(
        application,
        "import runner, sys\n"
        "method = f'JOB.start_method={sys.argv[1]}'\n"
        "given = ['JOB.mode=standalone', method]\n"
        "core = runner.Core(runner.Config.load('pipeline.toml', overrides=given))\n"
        "core.create_scenario('default').submit()\n",
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert processes.gone(within=2.0)


# Functions from anywhere


class Adder:
    def __init__(self, more: int) -> None:
        self.more = more

    def method(self, value: int) -> int:
        return value - self.more


def a_closure(more: int) -> Any:
    def add(value: int) -> int:
        return value + more

    return add


FUNCTIONS: Final = [
    pytest.param(lambda value: value + 3, 5, id="lambda"),
    pytest.param(a_closure(5), 7, id="closure"),
    pytest.param(Adder(100).method, -98, id="bound-method"),
    pytest.param(abs, 2, id="built-in"),
    pytest.param(float, 2.0, id="class"),
]


@pytest.mark.parametrize(("function", "expected"), FUNCTIONS)
def test_a_function_that_is_given_in_python(
    application: Any, function: Any, expected: object
) -> None:
    builder = runner.ConfigBuilder()
    builder.configure_core(storage_folder=str(application.folder / ".runner"))
    builder.configure_job_executions(mode="standalone", start_method=application.start_method)
    number = builder.configure_data_node("number", default_data=2)
    result = builder.configure_data_node("result", storage_type="in_memory")
    task = builder.configure_task("t", function, number, result)
    builder.configure_scenario("s", [task])
    with runner.Core(builder.build()) as core:
        scenario = core.create_scenario("s")
        assert scenario.submit(wait=True).status is SubmissionStatus.COMPLETED
        assert scenario.data_nodes["result"].read() == expected


def test_any_callable_that_a_name_leads_to(application: Any, task: Any, given: Any) -> None:
    application.module(
        "import functools, operator\n"
        "class Adder:\n"
        "    def __call__(self, value): return value + 100\n"
        "tenfold = functools.partial(operator.mul, 10)\n"
        "adder = Adder()\n"
    )
    text = given("a", 2) + task("t", "jobs.tenfold", "a") + task("u", "jobs.adder", "t_0")
    with runner.Core(application.config(text)) as core:
        scenario = core.create_scenario("default")
        scenario.submit(wait=True, timeout=PATIENCE)
        assert scenario.data_nodes["u_0"].read() == 120


MAIN: Final = """\
import sys
import json
import runner

FACTOR = 3


class Point:
    def __init__(self, x):
        self.x = x


class Encoder(json.JSONEncoder):
    def default(self, value):
        return {"x": value.x}


def made(number):
    return Point(number * FACTOR)


def used(point):
    assert type(point) is Point, type(point)
    return Point(point.x + FACTOR)


if __name__ == "__main__":
    builder = runner.ConfigBuilder()
    builder.configure_job_executions(mode="standalone", start_method=sys.argv[1])
    number = builder.configure_data_node("number", default_data=2)
    between = builder.configure_data_node("between", storage_type=sys.argv[2])
    end = builder.configure_data_node(
        "end", storage_type="json", default_path="end.json", encoder=Encoder
    )
    tasks = [
        builder.configure_task("made", made, number, between),
        builder.configure_task("used", used, between, end),
    ]
    builder.configure_scenario("s", tasks)
    with runner.Core(builder.build()) as core:
        submission = core.create_scenario("s").submit(wait=True)
        for job in submission.jobs:
            print(job.task, job.status, job.failure and job.failure.message)
"""


@pytest.mark.parametrize("between", ["in_memory", "pickle"])
def test_what_a_script_defines_itself(application: Any, between: str) -> None:
    """Its functions with the module's globals, its classes as values, and as encoders."""
    ended = script(application, MAIN, between)

    assert ended.stderr == ""
    assert ended.stdout == "made COMPLETED None\nused COMPLETED None\n"
    assert json.loads((application.folder / "end.json").read_text()) == {"x": 9}


def test_the_orchestrating_process_imports_nothing_of_the_users(application: Any) -> None:
    """Neither functions nor what makes default data, encodes and decodes."""
    application.module("import os\nPID = os.getpid()\ndef copy(value): return [*value, PID]\n")
    application.module("def default(): return [1]\n", "defaults")
    application.module(
        "import json\n"
        "class Encoder(json.JSONEncoder): pass\n"
        "class Decoder(json.JSONDecoder): pass\n",
        "coders",
    )
    text = """
[DATA_NODE.first]
storage_type = "json"
default_path = "first.json"
default_data = "defaults.default:function"
encoder = "coders.Encoder:class"
decoder = "coders.Decoder:class"
[DATA_NODE.second]
storage_type = "in_memory"
[TASK.t]
function = "jobs.copy"
inputs = ["first"]
outputs = ["second"]
"""
    with runner.Core(application.config(text)) as core:
        scenario = core.create_scenario("default")
        submission = scenario.submit(wait=True, timeout=PATIENCE)
        assert [(job.status, job.failure) for job in submission.jobs] == [
            (JobStatus.COMPLETED, None)
        ]
        first, pid = scenario.data_nodes["second"].read()
    assert first == 1
    assert pid != os.getpid()
    # That none of the three is in `sys.modules`, the fixture asserts.


# Values


FRAMES: Final = '''
import numpy, pandas, pyarrow


def array(): return numpy.arange(2_500_000, dtype="float64")
def frame(): return pandas.DataFrame({"a": numpy.arange(100_000), "b": ["x"] * 100_000})
def table(): return pyarrow.table({"a": list(range(100_000))})
def small(): return numpy.arange(3)


def changed(value):
    """Changes its input in place, and gives what is told of it."""
    if isinstance(value, numpy.ndarray):
        value[0] = 77
        return float(value.sum())
    if isinstance(value, pandas.DataFrame):
        value.loc[0, "a"] = 77
        return float(value["a"].sum())
    return float(sum(value["a"].to_pylist())) + 77


def told(value, _):
    if isinstance(value, numpy.ndarray):
        return float(value.sum())
    if isinstance(value, pandas.DataFrame):
        return float(value["a"].sum())
    return float(sum(value["a"].to_pylist()))
'''


@pytest.mark.parametrize("made", ["array", "frame", "table", "small"])
@pytest.mark.parametrize("workers", [1, 2])
def test_values_of_other_libraries(application: Any, task: Any, made: str, workers: int) -> None:
    """A job that changes its input in place changes it for nobody else, and itself once only."""
    if application.start_method == "forkserver" and workers == 1:
        pytest.skip("how workers are started changes nothing about it")
    for library in ("numpy", "pandas", "pyarrow"):
        pytest.importorskip(library)
    application.module(FRAMES)
    text = task("made", f"jobs.{made}")
    text += "".join(task(f"c{n}", "jobs.changed", "made_0") for n in range(3))
    text += task("told", "jobs.told", "made_0", "c0_0")
    with runner.Core(application.config(text, workers)) as core:
        scenario = core.create_scenario("default")
        submission = scenario.submit(wait=True, timeout=PATIENCE)
        assert submission.status is SubmissionStatus.COMPLETED
        nodes = scenario.data_nodes
        told, *changed = [nodes[f"{each}_0"].read() for each in ("told", "c0", "c1", "c2")]
        assert changed == [told + 77] * 3
        has_files = bool(application.leftovers())
    assert has_files == (made != "small")
    assert application.leftovers() == []


def test_a_value_that_cannot_be_read_back_fails_the_job_that_reads_it(
    application: Any, task: Any
) -> None:
    application.module(
        "class Bomb:\n"
        "    def __reduce__(self): return exec, (\"raise RuntimeError('made of nothing')\",)\n"
        "def bomb(): return Bomb()\n"
        "def reads(value): return 1\n"
    )
    text = task("bomb", "jobs.bomb") + task("reads", "jobs.reads", "bomb_0")

    bomb, reads = application.run(text).jobs

    assert (bomb.task, bomb.status) == ("bomb", JobStatus.COMPLETED)
    assert (reads.status, reads.attempts, reads.failure.code) == (JobStatus.FAILED, 1, "RUN604")
    assert reads.failure.message == (
        "data node `bomb_0`: its value cannot be read: RuntimeError: made of nothing"
    )


def test_default_data_does_not_count_against_a_time_limit(
    application: Any, task: Any, given: Any
) -> None:
    application.module(JOBS)
    application.module("import jobs\ndef slow(): return jobs.waits('default')\n", "defaults")
    text = given("s", 0) + given("a", "a")
    text += task("t", "jobs.sleeps", "s", "a", more="timeout = '0.3s'")
    text += '[DATA_NODE.slow]\ndefault_data = "defaults.slow:function"\n'
    text += task("u", "jobs.sleeps", "s", "slow")
    text += '[SCENARIO.one]\ntasks = ["t"]\n[SCENARIO.two]\ntasks = ["u"]\n'
    with runner.Core(application.config(text, workers=1)) as core:
        scenario = core.create_scenario("two")
        thread = threading.Thread(target=scenario.submit)
        thread.start()
        while not application.lines():
            thread.join(0.01)
        submission = core.create_scenario("one").submit()
        assert submission.wait(0.5) is SubmissionStatus.PENDING
        (application.folder / "go").touch()
        thread.join()
        assert submission.wait(PATIENCE) is SubmissionStatus.COMPLETED


def test_a_worker_is_as_well_found_after_the_only_one_has_died(
    application: Any, task: Any, given: Any
) -> None:
    """Default data is written by the one that replaces it."""
    application.module("import os\ndef dies(_): os._exit(1)\ndef one(): return 1\n")
    text = given("a", "a") + task("t", "jobs.dies", "a")
    text += '[DATA_NODE.made]\ndefault_data = "jobs.one:function"\n'
    text += task("u", "builtins.abs", "made")
    text += '[SCENARIO.one]\ntasks = ["t"]\n[SCENARIO.two]\ntasks = ["u"]\n'
    with runner.Core(application.config(text, workers=1)) as core:
        for _ in range(10):
            first = core.create_scenario("one").submit()
            second = core.create_scenario("two").submit()
            (core.create_scenario("two").data_nodes["made"]).write(1)
            assert first.wait(PATIENCE) is SubmissionStatus.FAILED
            assert second.wait(PATIENCE) is SubmissionStatus.COMPLETED


def test_paths_of_logs_are_private(application: Any, task: Any, given: Any) -> None:
    application.module(JOBS)
    application.run(given("how", "print") + task("t", "jobs.prints", "how"))

    logs: Path = application.folder / ".runner" / "logs"
    assert logs.stat().st_mode & 0o777 == 0o700
    assert [log.stat().st_mode & 0o777 for log in logs.iterdir()] == [0o600]
