"""The example of a package that brings a storage type: built, installed, used in every mode."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runner

EXAMPLE = Path(__file__).parent.parent / "examples/plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package is installed."""
    folder = tmp_path_factory.mktemp("plugin")
    made = shutil.ignore_patterns("out", ".runner", "__pycache__", "dist")
    source = shutil.copytree(EXAMPLE, folder / "source", ignore=made)
    arguments = ["--no-build-isolation", "--no-deps", "--quiet", "--target", str(folder / "site")]
    subprocess.run([sys.executable, "-m", "pip", "install", *arguments, str(source)], check=True)
    return folder / "site"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    made = shutil.ignore_patterns("out", ".runner", "__pycache__")
    return shutil.copytree(EXAMPLE / "demo", tmp_path / "demo", ignore=made)


def call(demo: Path, *arguments: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Call the command line, with the package or without it."""
    folders = [str(Path(runner.__file__).parent.parent), *([str(site)] if site else [])]
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=demo,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders), "PYTHONWARNINGS": "error"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def statuses(ran: subprocess.CompletedProcess[str]) -> list[str]:
    return [job["status"] for job in json.loads(ran.stdout)["jobs"]]


def test_explains_itself() -> None:
    assert (EXAMPLE / "README.md").is_file()


def test_checks_without_a_warning(demo: Path, site: Path) -> None:
    checked = call(demo, "check", "--strict", "-q", site=site)

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_without_the_package_it_is_unknown(demo: Path) -> None:
    checked = call(demo, "check", "--format", "concise")

    assert checked.returncode == 1
    line = checked.stdout.splitlines()[0]
    assert line.startswith('runner.toml:2:16: error[RUN401]: unknown storage type "text"')


@pytest.mark.parametrize("mode", ["development", "standalone"])
def test_runs_and_skips(demo: Path, site: Path, mode: str) -> None:
    first, second, forced = (
        call(demo, "execute", "--mode", mode, "--format", "json", *more, site=site)
        for more in ([], [], ["--force"])
    )

    assert statuses(first) == ["COMPLETED", "COMPLETED"]
    assert statuses(second) == ["SKIPPED", "SKIPPED"]
    assert statuses(forced) == ["COMPLETED", "COMPLETED"]
    expected = (demo / "expected/loud.txt").read_bytes()
    assert (demo / "out/loud.txt").read_bytes() == expected
    kept = demo / ".runner/data/scenarios/poem_of_the_day/longest.txt"
    assert kept.read_text() == "what the mountains have long forgotten,"


@pytest.mark.parametrize("mode", ["development", "standalone"])
def test_a_run_is_resumed(demo: Path, site: Path, mode: str) -> None:
    code = (demo / "verses.py").read_text()
    (demo / "verses.py").write_text(code.replace("return f", "raise ValueError; return f"))
    assert statuses(call(demo, "execute", "--mode", mode, "--format", "json", site=site)) == [
        "COMPLETED",
        "FAILED",
    ]
    (demo / "verses.py").write_text(code)

    resumed = call(demo, "resume", "--mode", mode, "--format", "json", site=site)

    assert statuses(resumed) == ["COMPLETED"]
    assert (demo / "out/loud.txt").is_file()


def test_a_changed_key_is_a_reason_to_run(demo: Path, site: Path) -> None:
    call(demo, "execute", site=site)
    config = demo / "runner.toml"
    config.write_text(config.read_text().replace("latin-1", "utf-8"))

    planned = call(demo, "plan", "--format", "json", site=site)

    verdicts = json.loads(planned.stdout)["plans"][0]["verdicts"]
    assert [(each["task"], each["reason"]) for each in verdicts] == [
        ("find_longest", verdicts[0]["reason"]),
        ("shout", 'DATA_NODE.loud.encoding changed: "latin-1" -> "utf-8"'),
    ]
    assert [each["skip"] for each in verdicts] == [True, False]


@pytest.mark.parametrize(
    ("unit", "body", "message"),
    [
        pytest.param("text", "return 1", "`result` is a `int`, expected str", id="no-text"),
        pytest.param(
            "lines",
            "return ['a', 1]",
            "`result[1]` is a `int`, expected str",
            id="no-line",
        ),
    ],
)
def test_a_value_that_it_refuses(
    demo: Path, site: Path, unit: str, body: str, message: str
) -> None:
    config = demo / "runner.toml"
    config.write_text(config.read_text().replace('"latin-1"', f'"latin-1"\nunit = "{unit}"'))
    code = (demo / "verses.py").read_text()
    (demo / "verses.py").write_text(code.replace('return f"{verse.upper()}!\\n"', body))

    ran = call(demo, "execute", "--format", "json", site=site)

    failure = json.loads(ran.stdout)["jobs"][1]["failure"]
    assert (failure["code"], failure["message"]) == (
        "RUN606",
        f"data node `loud` cannot be written: {message}",
    )


def test_an_input_that_is_no_text(demo: Path, site: Path) -> None:
    (demo / "data/poem.txt").write_bytes(b"\xff")

    ran = call(demo, "execute", "--format", "json", site=site)

    failure = json.loads(ran.stdout)["jobs"][0]["failure"]
    assert failure["code"] == "RUN604"
    assert failure["message"].startswith(f"data node `poem`: {demo}/data/poem.txt cannot be read: ")


def test_the_schema_knows_it(demo: Path, site: Path) -> None:
    schema = json.loads(call(demo, "schema", site=site).stdout)

    unit = schema["definitions"]["data_node"]["properties"]["unit"]
    assert unit["anyOf"][0]["enum"] == ["text", "lines"]
    meaning = "What a task gets and gives: the whole `text`, or a list of its `lines`."
    assert unit["description"] == f'text: {meaning} Default: `"text"`.'


def test_the_reference_knows_it(demo: Path, site: Path) -> None:
    assert call(demo, "schema", "-o", "reference.md", site=site).returncode == 0

    assert "### `text`\n\nA text file.\n" in (demo / "reference.md").read_text()


def test_what_opens_it_fails(demo: Path, site: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(site, tmp_path / "site")
    module = broken / "runner_text.py"
    module.write_text(module.read_text().replace('"runner_text:open_text"', '"runner_txt:open"'))

    checked = call(demo, "check", site=broken)
    ran = call(demo, "execute", site=broken)

    assert checked.returncode == 0
    assert (ran.returncode, ran.stdout) == (4, "")
    assert ran.stderr == (
        "error[RUN402]: data node `poem`: storage type `text` of runner-text 1.0 cannot be opened: "
        "ModuleNotFoundError: No module named 'runner_txt'\n"
        "  = help: `runner_txt:open` should give a storage, and touch nothing\n"
    )


def test_it_has_no_part_in_other_configs(demo: Path, site: Path) -> None:
    """Nor costs them anything: neither is it imported, nor is asked what is installed."""
    (demo / "runner.toml").write_text('[TASK.t]\nfunction = "builtins.print"\n')
    program = (
        "import sys\nfrom runner.cli.app import run\nrun(['check', '-q'])\n"
        "print(*({'runner_text', 'importlib.metadata', 'runner.storages'} & sys.modules.keys()))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=demo,
        env={**os.environ, "PYTHONPATH": f"{Path(runner.__file__).parent.parent}:{site}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert (ran.stdout, ran.stderr) == ("\n", "")


def test_its_own_tests_pass(demo: Path, site: Path) -> None:
    tests = shutil.copy(EXAMPLE / "test_runner_text.py", demo)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)],
        cwd=demo,
        env={**os.environ, "PYTHONPATH": f"{Path(runner.__file__).parent.parent}:{site}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("3 passed")
