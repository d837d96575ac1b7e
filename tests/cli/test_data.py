"""`runner data` as a user sees it."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from runner.cli.nodes import list_lines, node_lines
from runner.cli.style import painter
from runner.config.model import Config
from runner.core import Core
from runner.errors import JobError
from runner.execution.holdings import Holding
from runner.store.locks import locked
from runner.store.store import Store

ROOT: Final = Path(__file__).parents[2]
CONFIG: Final = """\
[DATA_NODE.raw]
storage_type = "csv"
path = "in/raw.csv"
exposed_type = "records"

[DATA_NODE.rate]
default_data = 2
scope = "GLOBAL"
description = "what one is worth"

[DATA_NODE.scaled]
storage_type = "json"

[DATA_NODE.total]
validity_period = "1d"

[DATA_NODE.hint]
storage_type = "in_memory"

[TASK.scale]
function = "shop.scale"
inputs = ["raw", "rate"]
outputs = ["scaled"]
skippable = true

[TASK.sum]
function = "shop.total"
inputs = ["scaled"]
outputs = ["total"]

[SCENARIO.daily]
tasks = ["scale", "sum"]
additional_data_nodes = ["hint"]
"""
FUNCTIONS: Final = """\
def scale(raw, rate):
    return [row["n"] * rate for row in raw]


def total(scaled):
    return sum(scaled)
"""


@pytest.fixture(autouse=True)
def shop(write: Any) -> Path:
    folder: Path = write(
        {"runner.toml": CONFIG, "shop.py": FUNCTIONS, "in/raw.csv": "n,name\n1,a\n2,b\n3,c\n"}
    )
    os.utime(folder / "shop.py", (1e9, 1e9))  # as if it was there before this process
    return folder


@pytest.fixture
def ran(cli: Any, shop: Path) -> Path:
    """The folder after a run."""
    assert cli("execute", "-q").code == 0
    return shop


def dated(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d <clock>", "<time>", text)


def shown(cli: Any, *arguments: str) -> Any:
    ended = cli(*arguments, "--format", "json")
    assert (ended.code, ended.err) == (0, "")
    return json.loads(ended.out)


@contextmanager
def stdin(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        yield


@pytest.fixture
def read_only(ran: Path) -> Iterator[Path]:
    """The folder after a run, where nobody may write."""
    bind = ["mount", "--bind", str(ran), str(ran)]
    if sys.platform != "linux" or subprocess.run(bind, check=False, capture_output=True).returncode:
        pytest.skip("only root mounts folders")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(ran)], check=True)
        os.chdir(ran)  # else it is that below the mount
        yield ran
    finally:
        os.chdir("/")
        subprocess.run(["umount", "--lazy", str(ran)], check=True)


def test_before_the_first_run(cli: Any, folder: Path) -> None:
    ended = cli("data")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "data node  storage    scope      value  written   by                 place\n"
        "raw        csv                19 bytes  just now  outside of runner  in/raw.csv\n"
        "rate       pickle     GLOBAL         -"
        "                               .runner/data/global/rate.p\n"
        "scaled     json                      -"
        "                               .runner/data/scenarios/daily/scaled.json\n"
        "total      pickle                    -"
        "                               .runner/data/scenarios/daily/total.p\n"
        "hint       in_memory                 -"
        "                               in memory, while a run lasts\n"
    )
    assert not (folder / ".runner").exists()


def test_after_a_run(cli: Any, ran: Path) -> None:
    ended = cli("data")

    assert (ended.code, ended.err) == (0, "")
    assert [re.split(r"  +", line) for line in ended.out.splitlines()[2:5]] == [
        ["rate", "pickle", "GLOBAL", "5 bytes", "just now", "default",
         ".runner/data/global/rate.p"],
        ["scaled", "json", "18 bytes", "just now", "scale in run <id>",
         ".runner/data/scenarios/daily/scaled.json"],
        ["total", "pickle", "5 bytes", "just now", "sum in run <id>",
         ".runner/data/scenarios/daily/total.p"],
    ]  # fmt: skip


def test_a_file_that_was_changed_since(cli: Any, ran: Path) -> None:
    (ran / ".runner/data/scenarios/daily/scaled.json").write_text("[5]", encoding="utf-8")

    scaled = shown(cli, "data")["data_nodes"][2]

    assert (scaled["origin"], scaled["run"], scaled["size"]) == ("outside", None, 3)


def test_one_file_of_two_scenarios(cli: Any, ran: Path) -> None:
    config = CONFIG.replace('storage_type = "json"', 'storage_type = "json"\npath = "out.json"')
    (ran / "runner.toml").write_text(config, encoding="utf-8")
    cli("execute", "-q", "--name", "may")
    cli("execute", "-q", "--name", "june")

    may = shown(cli, "data", "scaled", "--name", "may")
    june = shown(cli, "data", "scaled", "--name", "june")

    assert may["edits"] != june["edits"]
    assert may["written"] == june["written"] == june["edits"][0]["written"]
    assert (may["origin"], may["task"]) == ("task", "scale")


def test_what_is_out_of_reach_hides_no_other() -> None:
    with Core(Config.load("runner.toml"), checked=True) as core:
        fine, gone, *_ = core.get_scenario("daily").holdings()
    problem = JobError("data node `rate`: the server does not answer", code="RUN604")
    gone = Holding(node=gone.node, place=gone.place, exists=None, problem=problem)

    lines = list(list_lines([fine, gone], painter(sys.stdout, "never")))

    assert [line.split()[:4] for line in lines[1:]] == [
        ["raw", "csv", "19", "bytes"],
        ["rate", "pickle", "GLOBAL", "?"],
    ]


def test_one_that_is_out_of_reach() -> None:
    with Core(Config.load("runner.toml"), checked=True) as core:
        scenario = core.get_scenario("daily")
        holding = scenario.data_nodes["rate"].holding()
    gone = Holding(node=holding.node, place=holding.place, exists=None, problem=JobError("x"))

    lines = list(node_lines(scenario, gone, [], painter(sys.stdout, "never")))

    assert "  value     out of reach" in lines


def test_one_data_node(cli: Any, ran: Path) -> None:
    ended = cli("data", "total")

    assert (ended.code, ended.err) == (0, "")
    assert dated(ended.out) == (
        "Data node total of daily: pickle\n"
        "  place     .runner/data/scenarios/daily/total.p\n"
        "  value     5 bytes\n"
        "  written   <time> (just now)\n"
        "  by        sum in run <id>\n"
        "  content   6923bcf0b25fbbbcf91970d28a8066bb\n"
        "  valid for 1 day, 0:00:00\n"
        "  task      sum\n"
        "\n"
        "written              by                  size  fingerprint\n"
        "<time>  sum in run <id>  5 bytes  6923bcf0\n"
    )


def test_a_data_node_that_all_scenarios_share(cli: Any) -> None:
    assert cli("data", "rate").out == (
        "Data node rate (GLOBAL): pickle\n"
        "  about     what one is worth\n"
        "  place     .runner/data/global/rate.p\n"
        "  value     none\n"
        "  read by   scale\n"
    )


def test_the_edit_history(cli: Any, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ran / "new.csv").write_text("n\n7\n", encoding="utf-8")
    cli("data", "write", "raw", "new.csv")
    cli("data", "reset", "raw", "--yes")
    with stdin(b'[{"n": 1}, {"n": 2}]', monkeypatch):
        cli("data", "write", "raw", "-")

    assert dated(cli("data", "raw").out).partition("\n\n")[2] == (
        "written              by        size  rows  fingerprint\n"
        "<time>  user   6 bytes     2  43beb1cc\n"
        "<time>  reset\n"
        "<time>  user   4 bytes     1  ddeb72cd\n"
    )
    ended = cli("data", "raw", "--limit", "1")
    assert ended.err == "there are more: --limit 10\n"
    document = shown(cli, "data", "raw", "--limit", "2")
    assert [each["origin"] for each in document["edits"]] == ["user", None]
    assert document["more"]


def test_the_table_of_a_value(cli: Any) -> None:
    ended = cli("data", "read", "raw", "--limit", "2")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "n  name\n1  a\n2  b\n... 1 more row\n"


def test_a_value_that_is_no_table(cli: Any, ran: Path) -> None:
    assert cli("data", "read", "scaled").out == "[2, 4, 6]\n"
    assert cli("data", "read", "total").out == "12\n"


def test_a_value_as_json(cli: Any, ran: Path) -> None:
    assert json.loads(cli("data", "read", "raw", "--format", "json").out) == [
        {"n": 1, "name": "a"},
        {"n": 2, "name": "b"},
        {"n": 3, "name": "c"},
    ]
    assert cli("data", "read", "total", "--format", "json").out == "12\n"


def test_a_value_that_json_has_not(cli: Any, ran: Path) -> None:
    (ran / "set.p").write_bytes(pickle.dumps({"a": [{1, 2}]}))
    cli("data", "write", "total", "set.p")

    ended = cli("data", "read", "total", "--format", "json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "error[RUN606]: data node `total` does not go into JSON: `result['a'][0]` is a `set`\n"
        "  = help: -o FILE writes it to a file of another format\n"
    )
    assert cli("data", "read", "total").out == '{\n  "a": [\n    {1, 2}\n  ]\n}\n'


@pytest.mark.parametrize(
    ("node", "hint"),
    [
        pytest.param("total", "task `sum` writes it: runner execute", id="written-by-a-task"),
        pytest.param("rate", "its default is written by the next run: runner execute",
                     id="default"),
        pytest.param("raw", "give it one: runner data write raw FILE", id="the-users"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("arguments", [(), ("-o", "x.json")], ids=["shown", "to-a-file"])
def test_where_there_is_no_value(
    cli: Any, folder: Path, node: str, hint: str, arguments: tuple[str, ...]
) -> None:
    (folder / "in/raw.csv").unlink()
    file = {"raw": "in/raw.csv", "rate": ".runner/data/global/rate.p"}
    place = file.get(node, f".runner/data/scenarios/daily/{node}.p")

    ended = cli("data", "read", node, *arguments)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"error[RUN604]: data node `{node}` has no value yet: no file <folder>/{place}\n"
        f"  = help: {hint}\n"
    )
    assert not (folder / ".runner").exists()


def test_a_file_of_its_own_format_is_a_copy(cli: Any, folder: Path) -> None:
    text = "n,name\n007, x \n\n"
    (folder / "in/raw.csv").write_text(text, encoding="utf-8")

    ended = cli("data", "read", "raw", "-o", "out/copy.csv")

    assert ended == type(ended)(0, "", "")
    assert (folder / "out/copy.csv").read_text(encoding="utf-8") == text


def test_a_file_of_another_format(cli: Any, ran: Path) -> None:
    for name in ("raw.json", "raw.p"):
        assert cli("data", "read", "raw", "-o", name).code == 0

    records = json.loads((ran / "raw.json").read_text(encoding="utf-8"))
    assert records == pickle.loads((ran / "raw.p").read_bytes())
    assert records[0] == {"n": 1, "name": "a"}


@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        pytest.param("x.txt", 2, "error: `.txt` tells no format\n  = help: name it with one of "
                     ".csv, .json, .p, .parquet, .pickle, .pkl, .xls, .xlsb, .xlsm, .xlsx\n",
                     id="unknown-suffix"),
        pytest.param("x", 2, "error: <folder>/x has no suffix\n  = help: name it with one of "
                     ".csv, .json, .p, .parquet, .pickle, .pkl, .xls, .xlsb, .xlsm, .xlsx\n",
                     id="no-suffix"),
        pytest.param("x.csv", 1, "error[RUN606]: <folder>/x.csv: data node `total` cannot be "
                     "written: `result` is a `int`, which is no table\n", id="no-table"),
        pytest.param(".runner/data/scenarios/daily/total.p", 2, "error: <folder>/.runner/data/"
                     "scenarios/daily/total.p is the data node's own file\n", id="its-own"),
        pytest.param("in", 2, "error: <folder>/in has no suffix\n  = help: name it with one of "
                     ".csv, .json, .p, .parquet, .pickle, .pkl, .xls, .xlsb, .xlsm, .xlsx\n",
                     id="folder"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_written(
    cli: Any, ran: Path, file: str, code: int, message: str
) -> None:
    ended = cli("data", "read", "total", "-o", file)

    assert (ended.code, ended.out, ended.err) == (code, "", message)


def test_a_set_goes_into_no_json_file(cli: Any, ran: Path) -> None:
    (ran / "set.p").write_bytes(pickle.dumps({1}))
    cli("data", "write", "total", "set.p")

    ended = cli("data", "read", "total", "-o", "x.json")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        "error[RUN606]: <folder>/x.json: data node `total` does not go into JSON: "
        "`result` is a `set`\n"
        "  = help: name a file of another format\n"
    )
    assert not (ran / "x.json").exists()


DECODER: Final = """\
import json


class Decoder(json.JSONDecoder):
    def decode(self, text):
        print("decoding")
        return [decoded(text)]


def decoded(text):
    if "bad" in text:
        raise LookupError("no such word")
    return text.strip()
"""


def test_values_are_made_by_the_users_code(cli: Any, ran: Path) -> None:
    config = CONFIG.replace(
        'storage_type = "json"', 'storage_type = "json"\ndecoder = "words.Decoder"'
    )
    (ran / "runner.toml").write_text(config, encoding="utf-8")
    (ran / "words.py").write_text(DECODER, encoding="utf-8")
    path = ran / ".runner/data/scenarios/daily/scaled.json"

    path.write_text("good\n", encoding="utf-8")
    ended = cli("data", "read", "scaled")
    assert (ended.code, ended.out, ended.err) == (0, '["good"]\n', "decoding\n")

    path.write_text("bad\n", encoding="utf-8")
    ended = cli("data", "read", "scaled")
    assert (ended.code, ended.out) == (1, "")
    message = (
        f"data node `scaled`: <folder>/{path.relative_to(ran)} cannot be read: "
        "LookupError: no such word"
    )
    assert ended.err.startswith(
        f"decoding\n\nerror[RUN604]: {message}\n"
        "  --> words.py:12 in decoded\n"
        "   |\n"
        '12 |     raise LookupError("no such word")\n'
        "   |\n"
    )
    assert "json_file.py" not in ended.err


def test_a_decoder_that_cannot_be_imported(cli: Any, ran: Path) -> None:
    config = CONFIG.replace(
        'storage_type = "json"', 'storage_type = "json"\ndecoder = "words.Decoder"'
    )
    (ran / "runner.toml").write_text(config, encoding="utf-8")
    (ran / "words.py").write_text(f"{DECODER}\n\n1 / 0\n", encoding="utf-8")

    ended = cli("data", "read", "scaled")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "\nerror[RUN301]: `words.Decoder` cannot be imported: ZeroDivisionError: division by zero\n"
        "  --> words.py:16 in <module>\n"
        "   |\n"
        "16 |     1 / 0\n"
        "   |\n"
    )


def test_a_file_is_written_as_it_is(cli: Any, folder: Path) -> None:
    text = "n,name\n1,007\n"
    (folder / "new.csv").write_text(text, encoding="utf-8")

    ended = cli("data", "write", "raw", "new.csv")

    assert (ended.code, ended.out, ended.err) == (0, "wrote raw of daily: 13 bytes, 1 row\n", "")
    assert (folder / "in/raw.csv").read_text(encoding="utf-8") == text


def test_a_value_from_stdin(cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stdin(b"5", monkeypatch):
        ended = cli("data", "write", "rate", "-")

    assert (ended.code, ended.out, ended.err) == (0, "wrote rate (GLOBAL): 5 bytes\n", "")
    assert cli("data", "read", "rate").out == "5\n"
    assert cli("execute", "-q").code == 0
    assert cli("data", "read", "total").out == "30\n"  # no default has replaced it


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"{bad", "line 1, column 2: Expecting property name enclosed in double quotes",
                     id="no-json"),
        pytest.param(b"", "line 1, column 1: Expecting value", id="nothing"),
        pytest.param(b'"\xff"', "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in "
                     "position 1: invalid start byte", id="no-text"),
    ],
)  # fmt: skip
def test_what_stdin_gives_is_no_json(
    cli: Any, monkeypatch: pytest.MonkeyPatch, data: bytes, why: str
) -> None:
    with stdin(data, monkeypatch):
        ended = cli("data", "write", "rate", "-")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == (
        f"error[RUN604]: what stdin gives for data node `rate` is no JSON: {why}\n"
        "  = help: a text has quotes around it: echo '\"text\"' | runner data write NODE -\n"
    )


@pytest.mark.parametrize(
    ("node", "file", "content", "value"),
    [
        pytest.param("total", "x.json", b"[1, 2]", "[1, 2]", id="json-to-pickle"),
        pytest.param("scaled", "x.pickle", pickle.dumps([1]), "[1]", id="pickle-to-json"),
        pytest.param("raw", "x.json", b'[{"n": 1}]', "n\n1", id="json-to-csv"),
        pytest.param("raw", "x.dat", b"n\n5\n", "n\n5", id="no-suffix-that-tells"),
    ],
)
def test_files_of_other_formats(
    cli: Any, folder: Path, node: str, file: str, content: bytes, value: str
) -> None:
    (folder / file).write_bytes(content)

    assert cli("data", "write", node, file).code == 0

    assert cli("data", "read", node).out == f"{value}\n"


@pytest.mark.parametrize(
    ("node", "file", "code", "message"),
    [
        pytest.param("total", "none.p", 2, "error: no file <folder>/none.p\n", id="no-file"),
        pytest.param("total", "in", 2, "error: <folder>/in is a folder, not a file\n", id="folder"),
        pytest.param("total", "in/raw.csv", 2, "error: data node `total` takes no csv file: "
                     "<folder>/in/raw.csv\n  = help: it takes one of .p, .json\n", id="table"),
        pytest.param("scaled", "shop.py", 1, "error[RUN604]: data node `scaled`: <folder>/shop.py "
                     "cannot be read: line 1, column 1: Expecting value\n", id="damaged"),
        pytest.param("hint", "shop.py", 2, "error: data node `hint` is kept in memory as long as a "
                     "run lasts, so it would be gone at once\n"
                     "  = help: give it another `storage_type`, or `default_data`\n", id="memory"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_replaces_nothing(
    cli: Any, ran: Path, node: str, file: str, code: int, message: str
) -> None:
    before = shown(cli, "data")

    ended = cli("data", "write", node, file)

    assert (ended.code, ended.out, ended.err) == (code, "", message)
    assert shown(cli, "data") == before


def test_who_writes_what_a_task_writes_is_told(cli: Any, ran: Path) -> None:
    (ran / "x.json").write_text("5", encoding="utf-8")

    ended = cli("data", "write", "total", "x.json")

    assert ended.err == "task `sum` writes `total` too: when it runs, it replaces this\n"
    assert cli("data", "write", "total", "x.json", "-q").err == ""


def test_a_written_input_is_a_changed_input(cli: Any, ran: Path) -> None:
    (ran / "new.csv").write_text("n\n7\n", encoding="utf-8")

    cli("data", "write", "raw", "new.csv")

    assert "  ~  scale  input changed  raw\n" in cli("plan").out


def test_a_new_scenario_is_made_by_a_write(cli: Any, folder: Path) -> None:
    (folder / "x.json").write_text("[1]", encoding="utf-8")

    assert cli("data", "write", "scaled", "none.json", "--name", "may").code == 2
    assert not (folder / ".runner").exists()
    assert cli("data", "write", "scaled", "x.json", "--name", "may").code == 0

    assert cli("data", "read", "scaled", "--name", "may").out == "[1]\n"
    assert cli("data", "read", "scaled").code == 1


def test_a_name_of_another_config(cli: Any, folder: Path) -> None:
    (folder / "runner.toml").write_text(CONFIG + TWO, encoding="utf-8")
    (folder / "x.json").write_text("[1]", encoding="utf-8")
    cli("data", "write", "scaled", "x.json", "--name", "may", "-s", "daily")

    ended = cli("data", "write", "scaled", "x.json", "--name", "may", "-s", "weekly")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: `may` is the name of a scenario of `daily`, not of `weekly`\n"
        "  = help: choose another --name\n"
    )
    assert len(shown(cli, "data", "scaled", "--name", "may", "-s", "daily")["edits"]) == 1


@pytest.mark.parametrize("command", ["write", "reset"])
def test_a_run_that_writes_it_comes_first(cli: Any, ran: Path, command: str) -> None:
    (ran / "x.json").write_text("[5]", encoding="utf-8")
    file = ["x.json"] if command == "write" else []
    with Store.open(ran / ".runner") as store, locked(store, ["scenarios/daily/scaled"]):
        ended = cli("data", command, "scaled", *file)
        late = cli("data", command, "scaled", *file, "--wait-lock", "0.001s")

    assert (ended.code, ended.out) == (late.code, late.out) == (4, "")
    assert re.sub(r"\(process .*\)", "(process)", ended.err) == (
        "error[RUN507]: a user (process) has been writing `scaled` since <clock>\n"
        "  = help: wait for it: --wait-lock 60s\n"
    )
    assert cli("data", "read", "scaled").out == "[2, 4, 6]\n"
    assert [*(ran / ".runner/data/scenarios/daily").glob(".*")] == []


def test_a_reset(cli: Any, ran: Path) -> None:
    ended = cli("data", "reset", "total")

    assert (ended.code, ended.out, ended.err) == (0, "reset total of daily\n", "")
    assert not (ran / ".runner/data/scenarios/daily/total.p").exists()
    assert cli("data", "reset", "total").out == "nothing to reset: total of daily\n"
    assert len(shown(cli, "data", "total")["edits"]) == 2


def test_after_a_reset_the_default_is_written(
    cli: Any, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stdin(b"5", monkeypatch):
        cli("data", "write", "rate", "-")

    ended = cli("data", "reset", "rate")

    assert ended.err == "the next run writes its default\n"
    cli("execute", "-q")
    assert cli("data", "read", "rate").out == "2\n"
    origins = [each["origin"] for each in shown(cli, "data", "rate")["edits"]]
    assert origins == ["default", None, "user", "default"]


def test_a_file_of_the_users_is_removed_only_where_they_say_so(cli: Any, ran: Path) -> None:
    ended = cli("data", "reset", "raw")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: data node `raw` is kept in your own file <folder>/in/raw.csv\n"
        "  = help: --yes removes it all the same; in Python, even_own=True\n"
    )
    assert (ran / "in/raw.csv").exists()
    assert cli("data", "reset", "raw", "--yes").out == "reset raw of daily\n"
    assert not (ran / "in/raw.csv").exists()


def test_nothing_is_reset_in_memory(cli: Any) -> None:
    ended = cli("data", "reset", "hint")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "error: data node `hint` is kept in memory as long as a run lasts, "
        "so there is nothing to reset\n"
        "  = help: give it another `storage_type`, or `default_data`\n"
    )


TWO: Final = "\n[SCENARIO.weekly]\ntasks = ['sum']\n"


@pytest.mark.parametrize(
    ("more", "arguments", "message"),
    [
        pytest.param("", ["rwa"], "scenario `daily` has no data node `rwa`\n"
                     "  = help: did you mean `raw`?", id="data-node"),
        pytest.param("", ["x"], "scenario `daily` has no data node `x`\n"
                     "  = help: there are raw, rate, scaled, total, hint", id="far-off"),
        pytest.param("", ["raed", "raw"], "no command `data raed`\n"
                     "  = help: did you mean `read`?", id="command"),
        pytest.param("", ["raw", "x"], "no command `data raw`\n"
                     "  = help: there are show, read, write, reset", id="two-nodes"),
        pytest.param("", ["-s", "dialy"], "unknown scenario `dialy`\n"
                     "  = help: did you mean `daily`?", id="scenario"),
        pytest.param("", ["--name", "may"], "`daily` has no scenario `may`\n"
                     "  = help: runner execute --name may makes it", id="name"),
        pytest.param("", ["--name", "daly"], "`daily` has no scenario `daly`\n"
                     "  = help: did you mean `daily`?", id="name-like-another"),
        pytest.param("", ["--name", "a/b"], '"a/b" cannot be the name of a scenario\n'
                     "  = help: letters, digits, `_`, `-` and `.`, at most 128", id="no-name"),
        pytest.param(TWO, [], "the config has 2 scenarios\n"
                     "  = help: name one with -s: daily, weekly", id="several"),
        pytest.param("", ["read"], "missing argument 'NODE'\n"
                     "  = help: runner data read --help tells what there is", id="no-node"),
    ],
)  # fmt: skip
def test_usage(cli: Any, ran: Path, more: str, arguments: list[str], message: str) -> None:
    (ran / "runner.toml").write_text(CONFIG + more, encoding="utf-8")

    ended = cli("data", *arguments)

    assert (ended.code, ended.out, ended.err) == (2, "", f"error: {message}\n")


def test_a_config_without_tasks(cli: Any, folder: Path) -> None:
    (folder / "runner.toml").write_text("[DATA_NODE.a]\n", encoding="utf-8")

    ended = cli("data")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: there are no data nodes to look at: the config has no tasks\n"


def test_a_scenario_without_data_nodes(cli: Any, folder: Path) -> None:
    (folder / "runner.toml").write_text("[SCENARIO.a]\ntasks = []\n", encoding="utf-8")

    ended = cli("data")

    assert (ended.code, ended.out, ended.err) == (0, "", "a has no data nodes\n")


def test_a_config_that_is_wrong(cli: Any, folder: Path) -> None:
    (folder / "runner.toml").write_text(
        CONFIG.replace('["scaled"]\noutputs = ["total"]', '["scald"]\noutputs = ["total"]'),
        encoding="utf-8",
    )

    ended = cli("data")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("error[RUN201]: unknown data node `scald`\n")
    assert ended.err.endswith("\nerror: the config is invalid, nothing ran\n")


def test_a_storage_folder_that_cannot_be_used(cli: Any, folder: Path) -> None:
    (folder / ".runner").mkdir()
    (folder / ".runner/runner.db").write_bytes(b"")

    ended = cli("data")

    assert (ended.code, ended.out) == (4, "")
    assert ended.err.startswith("error[RUN508]: storage folder: <folder>/.runner/runner.db ")


def test_options_stand_where_one_likes(cli: Any, ran: Path) -> None:
    (ran / "runner.toml").rename(ran / "other.toml")

    before = cli("data", "-c", "other.toml", "--name", "daily", "read", "total")
    after = cli("data", "read", "total", "-c", "other.toml", "--name", "daily")
    of_all = cli("-c", "other.toml", "data", "read", "total")

    assert before == after == of_all
    assert before.out == "12\n"
    assert cli("data", "-c", "other.toml", "total").code == 0


def test_a_data_node_that_is_named_like_a_command(cli: Any, folder: Path) -> None:
    config = CONFIG.replace("total]", "read]").replace('"total"', '"read"')
    (folder / "runner.toml").write_text(config, encoding="utf-8")

    assert cli("data", "show", "read").out.startswith("Data node read of daily: pickle\n")


def test_warnings_are_for_those_who_run_it(cli: Any, folder: Path) -> None:
    (folder / "runner.toml").write_text(f"{CONFIG}\n[DATA_NODE.unused]\n", encoding="utf-8")

    assert "RUN205" in cli("plan").err
    assert cli("data").err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["data"], id="list"),
        pytest.param(["data", "raw"], id="one"),
        pytest.param(["data", "write", "raw", "in/raw.csv"], id="write"),
        pytest.param(["data", "reset", "scaled"], id="reset"),
    ],
)
def test_outputs_are_as_their_schema_says(cli: Any, ran: Path, arguments: list[str]) -> None:
    schema = json.loads((ROOT / "schemas" / "data.schema.json").read_text(encoding="utf-8"))
    validator = Draft7Validator(schema)

    document = shown(cli, *arguments)

    assert [error.message for error in validator.iter_errors(document)] == []
    assert not validator.is_valid({**document, "more_of_it": 1})
    assert not validator.is_valid({**document, "version": 2})


def test_a_data_node_as_json(cli: Any, ran: Path) -> None:
    document = shown(cli, "data", "scaled")
    written = document.pop("written")
    (edit,) = document.pop("edits")

    assert datetime.fromisoformat(written).tzinfo is not None
    assert edit == {
        "written": written,
        "origin": "task",
        "run": "<id>",
        "task": "scale",
        "size": 18,
        "rows": None,
        "fingerprint": document["fingerprint"],
    }
    assert document == {
        "format": "runner.data_node",
        "version": 1,
        "scenario": "daily",
        "name": "daily",
        "data_node": "scaled",
        "storage_type": "json",
        "scope": "SCENARIO",
        "key": "scenarios/daily/scaled",
        "path": "<folder>/.runner/data/scenarios/daily/scaled.json",
        "has_value": True,
        "origin": "task",
        "run": "<id>",
        "task": "scale",
        "size": 18,
        "rows": None,
        "fingerprint": edit["fingerprint"],
        "problem": None,
        "description": None,
        "writers": ["scale"],
        "readers": ["sum"],
        "more": False,
    }


def test_what_may_only_be_read_can_be_looked_at(cli: Any, read_only: Path) -> None:
    assert cli("data").code == 0
    assert json.loads(cli("data", "read", "total").out) == 12
    assert cli("data", "show", "total").code == 0
    assert cli("plan", "--detailed-exitcode").code == 6
    assert cli("runs").code == 0


@pytest.mark.parametrize(
    "command", [("execute",), ("data", "reset", "total")], ids=lambda each: each[0]
)
def test_what_may_only_be_read_is_left_alone(
    cli: Any, read_only: Path, command: tuple[str, ...]
) -> None:
    ended = cli(*command)

    assert (ended.code, ended.out) == (4, "")
    assert "error[RUN508]: storage folder" in ended.err
    assert "only be read" in ended.err or "Read-only file system" in ended.err
