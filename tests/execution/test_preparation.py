from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from runner.config.loader import load_config
from runner.config.model import Config
from runner.data.storage import write_all
from runner.diagnostics import Diagnostic, Related, Severity
from runner.errors import JobError
from runner.execution.importing import UserCodeError, importable
from runner.execution.instance import Instance, open_instance, remove_leftovers, storage_folder
from runner.execution.preparation import (
    inputs_without_value,
    write_defaults,
)
from runner.execution.steps import import_classes, steps_of, write_first_values
from runner.plan.compiler import compile_plan, find_scenario
from runner.plan.model import ExecutionPlan, Selection
from runner.store.store import NodeRow, Store

CREATED: Final = datetime.fromisoformat("2026-12-31T12:00:00+01:00")
TEXT: Final = """\
[DATA_NODE.a]
default_data = 1
[DATA_NODE.b]
[TASK.t]
function = "builtins.abs"
inputs = ["a"]
outputs = ["b"]
"""


@attrs.frozen
class Prepared:
    plan: ExecutionPlan
    instance: Instance

    def read(self, node: str) -> Any:
        return self.instance.storages[node].read()

    def write(self, node: str, value: Any) -> None:
        write_all([(self.instance.storages[node], value)])

    def path(self, node: str) -> Path:
        path = self.instance.places[node].path
        assert path is not None
        return path


Prepare = Callable[..., Prepared]


def load(text: str, folder: Path) -> Config:
    path = folder / "pipeline.toml"
    path.write_text(text, encoding="utf-8")
    return load_config([path], environ={})


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """A plan and its data nodes opened, as a new process would."""

    def opened(
        text: str = TEXT, scenario: str = "default", name: str = "s", **selection: Any
    ) -> Prepared:
        config = load(text, tmp_path)
        plan = compile_plan(config, scenario, name=name, selection=Selection(**selection))
        instance = open_instance(
            config,
            name,
            CREATED,
            plan.data_nodes.values(),
            frequency=find_scenario(config, scenario).frequency,
            memory={},
        )
        return Prepared(plan, instance)

    return opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".runner") as opened:
        yield opened


def first_values(prepared: Prepared, store: Store) -> None:
    storages = prepared.instance.storages
    write = functools.partial(write_first_values, storages=storages)
    write_defaults(prepared.plan, prepared.instance, store, write)


def edited(value: str) -> str:
    return TEXT.replace("default_data = 1", f"default_data = {value}")


def row(store: Store, key: str) -> NodeRow:
    return store.data_nodes()[key]


def test_a_default_is_written_when_nothing_ever_was(prepare: Prepare, store: Store) -> None:
    prepared = prepare()

    first_values(prepared, store)

    assert prepared.read("a") == 1
    assert not prepared.instance.storages["b"].exists()
    assert row(store, "scenarios/s/a").origin == "default"
    assert list(store.data_nodes()) == ["scenarios/s/a"]


def test_a_default_that_stays_is_not_written_again(prepare: Prepare, store: Store) -> None:
    first_values(prepare(), store)
    before = row(store, "scenarios/s/a"), prepare().path("a").stat()

    first_values(prepare(), store)

    assert (row(store, "scenarios/s/a"), prepare().path("a").stat()) == before


@pytest.mark.parametrize("value", ["2", "true", "1.0", "[1]", '"1"'])
def test_a_default_replaces_another(prepare: Prepare, store: Store, value: str) -> None:
    first_values(prepare(), store)
    prepared = prepare(edited(value))

    first_values(prepared, store)

    assert repr(prepared.read("a")) == repr(prepared.plan.data_nodes["a"].default_data)


def test_a_default_that_is_gone_leaves_its_value(prepare: Prepare, store: Store) -> None:
    first_values(prepare(), store)
    prepared = prepare(TEXT.replace("default_data = 1\n", ""))

    first_values(prepared, store)

    assert prepared.read("a") == 1


@pytest.mark.parametrize("origin", ["user", "task"])
def test_no_default_replaces_what_was_written(prepare: Prepare, store: Store, origin: str) -> None:
    prepared = prepare()
    first_values(prepared, store)
    prepared.write("a", 7)
    store.record_written([NodeRow("scenarios/s/a", origin, None, None, 2.0)])

    first_values(prepare(edited("2")), store)

    assert prepared.read("a") == 7


def test_no_default_replaces_a_file_that_the_user_changed(prepare: Prepare, store: Store) -> None:
    text = TEXT.replace("[DATA_NODE.a]", '[DATA_NODE.a]\nstorage_type = "json"')
    prepared = prepare(text)
    first_values(prepared, store)
    prepared.path("a").write_text("700", encoding="utf-8")

    first_values(prepare(text.replace("default_data = 1", "default_data = 2")), store)

    assert prepared.read("a") == 700


def test_no_default_replaces_a_file_that_was_there_before(
    prepare: Prepare, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "mine.json").write_text("5", encoding="utf-8")
    prepared = prepare(
        TEXT.replace("[DATA_NODE.a]", '[DATA_NODE.a]\nstorage_type = "json"\npath = "mine.json"')
    )

    first_values(prepared, store)

    assert prepared.read("a") == 5
    assert store.data_nodes() == {}


def test_a_default_comes_back_when_its_file_is_gone(prepare: Prepare, store: Store) -> None:
    prepared = prepare()
    first_values(prepared, store)
    prepared.path("a").unlink()

    first_values(prepared, store)

    assert prepared.read("a") == 1


def test_another_storage_type_begins_with_the_default(prepare: Prepare, store: Store) -> None:
    first_values(prepare(), store)
    prepared = prepare(TEXT.replace("[DATA_NODE.a]", '[DATA_NODE.a]\nstorage_type = "json"'))

    first_values(prepared, store)

    assert prepared.path("a").read_text(encoding="utf-8").strip() == "1"


def test_a_default_in_memory_is_not_recorded(prepare: Prepare, store: Store) -> None:
    text = TEXT.replace("[DATA_NODE.a]", '[DATA_NODE.a]\nstorage_type = "in_memory"')
    prepared = prepare(text)

    first_values(prepared, store)
    prepared.write("a", 7)
    first_values(prepared, store)

    assert prepared.read("a") == 7
    assert store.data_nodes() == {}


def test_a_function_makes_a_default_once(prepare: Prepare, store: Store, tmp_path: Path) -> None:
    (tmp_path / "prep_made.py").write_text(
        "made = []\ndef make():\n    made.append(1)\n    return len(made)\n", encoding="utf-8"
    )
    text = edited('"prep_made.make:function"')

    with importable(tmp_path):
        first_values(prepare(text), store)
        first_values(prepare(text), store)

    assert prepare(text).read("a") == 1


@pytest.mark.parametrize(
    ("body", "raised"),
    [("raise ValueError('bad')", "ValueError: bad"), ("raise SystemExit(3)", "SystemExit: 3")],
    ids=["raises", "exits"],
)
def test_a_function_that_makes_no_default(
    prepare: Prepare, store: Store, tmp_path: Path, body: str, raised: str
) -> None:
    module = f"prep_{raised.partition(':')[0].lower()}"
    (tmp_path / f"{module}.py").write_text(f"def make():\n    {body}\n", encoding="utf-8")
    text = edited(f'"{module}.make:function"')
    text = f"[DATA_NODE.first]\ndefault_data = 1\n{text}".replace('["a"]', '["first", "a"]')
    prepared = prepare(text)

    with importable(tmp_path), pytest.raises(UserCodeError, match=r"raised") as caught:
        first_values(prepared, store)

    assert str(caught.value) == (
        f"`{module}.make`, which makes the default data of `a`, raised: {raised}"
    )
    assert caught.value.failure.file == str(tmp_path / f"{module}.py")
    assert not prepared.instance.storages["first"].exists()
    assert store.data_nodes() == {}


def test_a_default_that_cannot_be_written_leaves_all_as_they_were(
    prepare: Prepare, store: Store
) -> None:
    text = (
        TEXT + '[DATA_NODE.c]\nstorage_type = "csv"\nexposed_type = "records"\ndefault_data = 5\n'
        '[TASK.u]\nfunction = "builtins.abs"\ninputs = ["c"]\n'
    )
    prepared = prepare(text)

    with pytest.raises(JobError, match=r"^data node `c` cannot be written") as caught:
        first_values(prepared, store)

    assert caught.value.code == "RUN606"
    assert not prepared.instance.storages["a"].exists()
    assert store.data_nodes() == {}


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("SCENARIO", "scenarios/s/a"),
        ("CYCLE", "cycles/QUARTERLY_2026-Q4/a"),
        ("GLOBAL", "global/a"),
    ],
)
def test_data_nodes_live_where_their_scope_says(prepare: Prepare, scope: str, key: str) -> None:
    text = TEXT.replace("[DATA_NODE.a]", f'[DATA_NODE.a]\nscope = "{scope}"')
    text += '[SCENARIO.q]\nfrequency = "QUARTERLY"\ntasks = ["t"]\n'

    assert prepare(text, "q").instance.places["a"].key == key


def test_a_value_that_nobody_has_written(prepare: Prepare) -> None:
    prepared = prepare(TEXT.replace("default_data = 1\n", ""))

    assert list(inputs_without_value(prepared.plan, prepared.instance)) == [
        Diagnostic(
            code="RUN206",
            key=("TASK", "t", "inputs", 0),
            message="`a` has no value",
            hint="give [DATA_NODE.a] a `default_data` or a `path`",
            severity=Severity.ERROR,
            related=(Related(message="`a` is declared here", key=("DATA_NODE", "a")),),
        )
    ]


@pytest.mark.parametrize("key", ["path", "default_path"])
def test_a_users_file_that_is_not_there(prepare: Prepare, tmp_path: Path, key: str) -> None:
    declared = f'storage_type = "json"\n{key} = "in/a.json"'
    prepared = prepare(TEXT.replace("default_data = 1", declared))

    assert list(inputs_without_value(prepared.plan, prepared.instance)) == [
        Diagnostic(
            code="RUN404",
            key=("DATA_NODE", "a", key),
            message=f"no file {tmp_path / 'in' / 'a.json'}",
            hint=(
                "relative paths start at the application path, the folder of the first config file"
            ),
        )
    ]


def test_a_missing_input_is_told_once_and_every_one_is(prepare: Prepare) -> None:
    text = TEXT.replace("default_data = 1\n", "").replace('inputs = ["a"]', 'inputs = ["a", "a"]')
    text += '[DATA_NODE.c]\n[TASK.u]\nfunction = "builtins.abs"\ninputs = ["b", "c", "a"]\n'
    prepared = prepare(text)

    found = list(inputs_without_value(prepared.plan, prepared.instance))

    assert [each.key for each in found] == [("TASK", "t", "inputs", 0), ("TASK", "u", "inputs", 1)]


def test_what_is_not_selected_does_not_write(prepare: Prepare, store: Store) -> None:
    text = TEXT + '[TASK.u]\nfunction = "builtins.abs"\ninputs = ["b"]\n'
    prepared = prepare(text, tasks=("u",))

    (found,) = inputs_without_value(prepared.plan, prepared.instance)

    assert (found.code, found.message) == ("RUN206", "`b` has no value")
    assert found.hint == "select the task that writes it too, for example with --to"


def test_nothing_is_missing_once_it_is_written(prepare: Prepare, store: Store) -> None:
    prepared = prepare()
    first_values(prepared, store)

    assert list(inputs_without_value(prepared.plan, prepared.instance)) == []


def test_every_function_is_imported(prepare: Prepare) -> None:
    prepared = prepare(TEXT.replace("[TASK.t]", '[TASK.t]\ntimeout = "2s"'))

    steps = steps_of(prepared.plan, prepared.instance)

    step = steps[0]
    assert (step.task, step.function, step.timeout) == ("t", abs, 2.0)
    assert step.inputs == [prepared.instance.storages["a"]]
    assert step.outputs == [prepared.instance.storages["b"]]


def test_a_function_that_cannot_be_imported(prepare: Prepare) -> None:
    prepared = prepare(TEXT.replace("builtins.abs", "builtins.gone"))

    with pytest.raises(
        UserCodeError,
        match=r"^`builtins\.gone` cannot be imported: `builtins` has no `gone`$",
    ):
        steps_of(prepared.plan, prepared.instance)


def test_classes_of_data_nodes_are_imported_too(prepare: Prepare) -> None:
    text = TEXT.replace(
        "[DATA_NODE.b]", '[DATA_NODE.b]\nstorage_type = "json"\nencoder = "json.Gone:class"'
    )

    with pytest.raises(
        UserCodeError, match=r"^`json\.Gone` cannot be imported: `json` has no `Gone`$"
    ):
        import_classes(prepare(text).plan.data_nodes.values())

    import_classes(prepare(text.replace("json.Gone", "json.JSONEncoder")).plan.data_nodes.values())


def test_temporary_files_of_the_dead_are_removed(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "b.json")
    text = TEXT.replace("[DATA_NODE.b]", '[DATA_NODE.b]\nstorage_type = "json"\npath = "link.json"')
    prepared = prepare(text)
    prepared.write("a", "old")
    left = [die_while_writing(prepared.path("a")), die_while_writing(tmp_path / "real" / "b.json")]
    prepared.instance.storages["a"].stage("of the living")
    assert all(path.exists() for path in left)

    remove_leftovers(prepared.instance)

    assert [path.name for path in left if path.exists()] == []
    assert len(list(prepared.path("a").parent.iterdir())) == 2
    assert prepared.read("a") == "old"


def die_while_writing(path: Path) -> Path:
    """What a process leaves that is killed between a temporary file and its rename."""
    program = (
        "import os, sys\n"
        "from runner.data.files import NodeFile\n"
        "staged = NodeFile('a', sys.argv[1], False).stage_bytes(b'half')\n"
        "print(staged.temporary, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert died.returncode == -9
    return Path(died.stdout.strip())


def test_folders_that_are_not_there_have_no_leftovers(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = TEXT.replace("default_data = 1", 'storage_type = "json"\npath = "file/a.json"')

    remove_leftovers(prepare(path).instance)

    assert [each.name for each in sorted(tmp_path.iterdir())] == ["file", "pipeline.toml"]


def test_the_storage_folder(tmp_path: Path) -> None:
    assert storage_folder(load(TEXT, tmp_path)) == tmp_path / ".runner"
    assert storage_folder(load('[CORE]\nstorage_folder = "/kept"\n', tmp_path)) == Path("/kept")
