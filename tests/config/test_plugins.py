"""Storage types of other packages: found, judged, read, written back, described and cached."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from runner.checker.check import check as check_rules
from runner.config.keys import Kind, storage_keys
from runner.config.loader import LARGE, Loaded, load
from runner.config.options import STORAGE_TYPES, StorageType
from runner.config.plugins import Plugin, Unusable, names, plugin, storage_types, unusable
from runner.config.reference import make_reference
from runner.config.schema import make_schema
from runner.config.writer import write_config
from runner.diagnostics import Diagnostic, Severity
from runner.functions.modules import modules_of

Install = Callable[..., None]

HEAD = """\
from __future__ import annotations
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
import attrs
from runner.storages import FileOptions, FunctionRef, StorageOptions, StorageType

"""
OPTIONS = '''\
def _even(options, attribute, value):
    if value % 2:
        raise ValueError(f"expected an even level, got {value}")


@attrs.frozen(kw_only=True)
class Options(FileOptions):
    """A file of notes.

    Attributes:
        level: how deep.
        pen: what with.
        inputs: a share of the page.
    """

    extension: ClassVar[str] = "note"

    author: str | None = attrs.field(default=None, metadata={"required": True})
    level: int = attrs.field(default=2, metadata={"minimum": 0}, validator=_even)
    pen: str = attrs.field(default="ink", metadata={"choices": ("ink", "chalk")})
    inputs: float = 0.5
    every: timedelta | None = None
    convert: FunctionRef | None = None
    more: Mapping[str, Any] = attrs.field(factory=dict)
    words: tuple[str, ...] = ()
    rest: tuple[Any, ...] = ()
    whatever: Any = None
    token: str | None = None

    def __attrs_post_init__(self):
        if self.pen == "chalk" and self.level > 4:
            raise ValueError("chalk goes no deeper than 4")


TYPE = StorageType(options=Options, open="{module}:nothing")
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package that brings storage types, for as long as the test lasts."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    imported: list[str] = []

    def install_package(
        source: str = OPTIONS,
        *,
        name: str = "note",
        package: str = "notes",
        version: str = "1.0",
        value: str = "{module}:TYPE",
    ) -> None:
        module = f"{package}_module"
        imported.append(module)
        (site / f"{module}.py").write_text(HEAD + source.replace("{module}", module))
        info = site / f"{package}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n")
        points = f"[runner.storages]\n{name} = {value.replace('{module}', module)}\n"
        (info / "entry_points.txt").write_text(points)
        again()

    def again() -> None:
        """As in a new process: a different path, on which nothing has been looked for."""
        importlib.invalidate_caches()
        monkeypatch.setattr(sys, "path", [*sys.path, f"{tmp_path}/{len(sys.path)}"])

    yield install_package
    for module in imported:
        sys.modules.pop(module, None)


def loaded(text: str, tmp_path: Path) -> Loaded:
    path = tmp_path / "runner.toml"
    path.write_text(text)
    return load([path], environ={})


def told(text: str, tmp_path: Path) -> list[tuple[str, str, str | None]]:
    """What is wrong with data node `x` of storage type `note`, less that nothing uses it."""
    read = loaded(f'[DATA_NODE.x]\nstorage_type = "note"\n{text}', tmp_path)
    rules = check_rules(read.config, modules_of(read.config))
    return [(each.code, each.message, each.hint) for each in (*read.diagnostics, *rules)]


def test_nobody_brings_any() -> None:
    assert names() == tuple(STORAGE_TYPES)
    assert storage_types() == STORAGE_TYPES
    assert plugin("note") is None
    assert list(unusable()) == []


def test_what_is_found(install: Install) -> None:
    install()

    assert names() == (*STORAGE_TYPES, "note")
    assert [*storage_types()] == [*STORAGE_TYPES, "note"]
    found = plugin("note")
    assert isinstance(found, Plugin)
    assert (found.name, found.package) == ("note", "notes 1.0")
    assert isinstance(found.type, StorageType)


def test_every_kind_of_key(install: Install, tmp_path: Path) -> None:
    install()
    config = loaded(
        """\
        [DATA_NODE.x]
        storage_type = "note"
        path = "x.note"
        author = "me"
        level = "4:int"
        pen = "chalk"
        inputs = 1
        every = "1h"
        convert = "m.f"
        more = { a = "1:int", b = "2h:timedelta" }
        words = ["a", "1:int:str"]
        rest = ["1:int", { c = 1979-05-27 }]
        whatever = "true:bool"
        """,
        tmp_path,
    ).config
    options: Any = config.data_nodes["x"].options

    assert type(options).__name__ == "Options"
    assert (options.path, options.author, options.level, options.pen) == (
        "x.note",
        "me",
        4,
        "chalk",
    )
    assert (type(options.inputs), options.inputs, options.whatever) == (float, 1.0, True)
    assert options.every.total_seconds() == 3600
    assert str(options.convert) == "m.f"
    assert options.more["a"] == 1
    assert options.words == ("a", "1:int")
    assert options.rest[0] == 1
    assert loaded(write_config(config), tmp_path).config == config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "",
            ("RUN104", "`[DATA_NODE.x]` has no `author`", "`note` needs it"),
            id="required",
        ),
        pytest.param(
            'author = "a"\npen = "inc"',
            ("RUN116", 'expected one of ink, chalk, got "inc"', "did you mean `ink`?"),
            id="choice",
        ),
        pytest.param(
            'author = "a"\nlevel = -2',
            ("RUN116", "expected at least 0, got -2", None),
            id="minimum",
        ),
        pytest.param(
            'author = "a"\nlevel = "two"',
            ("RUN105", 'expected int, got "two"', None),
            id="type",
        ),
        pytest.param(
            'author = "a"\ninputs = "much"',
            ("RUN105", 'expected float, got "much"', None),
            id="float-by-a-name-of-ours",
        ),
        pytest.param(
            'author = "a"\nlevel = 3',
            ("RUN116", "expected an even level, got 3", None),
            id="validator",
        ),
        pytest.param(
            'author = "a"\nlevel = 6\npen = "chalk"',
            ("RUN116", "chalk goes no deeper than 4", None),
            id="validator-of-two-keys",
        ),
        pytest.param(
            'author = "a"\nlevle = 2',
            ("RUN103", "unknown key `levle` in `[DATA_NODE.x]`", "did you mean `level`?"),
            id="unknown",
        ),
        pytest.param(
            'author = "a"\nhas_header = true',
            (
                "RUN403",
                "`has_header` means nothing to storage type `note`",
                "it is a key of csv, excel",
            ),
            id="of-another-type",
        ),
        pytest.param(
            'author = "a"\ntoken = "abc"',
            (
                "RUN118",
                "`token` is written in plain text",
                'take it from the environment: "ENV[TOKEN]"',
            ),
            id="secret",
        ),
        pytest.param(
            'author = "a"\nmore = { password = "abc" }',
            (
                "RUN118",
                "`password` is written in plain text",
                'take it from the environment: "ENV[PASSWORD]"',
            ),
            id="secret-in-a-table",
        ),
        pytest.param(
            'author = "a"\npath = "x.json"',
            (
                "RUN409",
                '"x.json" is named like a file of `json`, not of `note`',
                'if it is one, write storage_type = "json"',
            ),
            id="suffix",
        ),
    ],
)
def test_what_is_wrong_with_a_key(
    install: Install, tmp_path: Path, text: str, expected: tuple[str, str, str | None]
) -> None:
    install()

    assert told(text, tmp_path) == [expected]


def test_a_function_that_is_not_there(install: Install, tmp_path: Path) -> None:
    install()

    ((code, message, _),) = told('author = "a"\nconvert = "hotes.f"', tmp_path)

    assert (code, message) == ("RUN301", "no module `hotes`")


def test_two_wrong_values_and_what_validators_say(install: Install, tmp_path: Path) -> None:
    install()

    found = told('author = "a"\nlevel = 3\npen = "inc"', tmp_path)

    assert [message for _, message, _ in found] == [
        'expected one of ink, chalk, got "inc"',
        "expected an even level, got 3",
    ]


def test_a_validator_shows_no_value_of_the_environment(install: Install, tmp_path: Path) -> None:
    install()
    path = tmp_path / "runner.toml"
    path.write_text(
        '[DATA_NODE.x]\nstorage_type = "note"\nauthor = "a"\nlevel = "ENV[LEVEL]:int"\n'
    )

    (found,) = load([path], environ={"LEVEL": "77"}).diagnostics

    assert (found.code, found.message) == (
        "RUN112",
        "environment variable `LEVEL`: its storage type refuses it",
    )


@pytest.mark.parametrize(
    "section",
    [
        pytest.param("[DATA_NODE.x]\n", id="its-own"),
        pytest.param("[DATA_NODE.x]\n[DATA_NODE.default]\n", id="default"),
    ],
)
def test_the_environment_in_its_keys(install: Install, tmp_path: Path, section: str) -> None:
    install()
    path = tmp_path / "runner.toml"
    path.write_text(f'{section}storage_type = "note"\nauthor = "a"\ntoken = "ENV[TOKEN]"\n')

    config = load([path], environ={"TOKEN": "hunter2"}).config

    options: Any = config.data_nodes["x"].options
    assert options.token == "hunter2"
    assert [*config.env] == [("DATA_NODE", "x", "token")]
    assert list(check_rules(config, modules_of(config))) == []
    assert write_config(config) == (
        '[DATA_NODE.x]\nstorage_type = "note"\nauthor = "a"\ntoken = "ENV[TOKEN]"\n'
    )


def test_defaults_go_to_nodes_of_the_same_type(install: Install, tmp_path: Path) -> None:
    install()

    config = loaded(
        """\
        [DATA_NODE.default]
        storage_type = "note"
        author = "me"
        level = 4
        [DATA_NODE.x]
        [DATA_NODE.y]
        storage_type = "json"
        """,
        tmp_path,
    ).config

    assert config.data_nodes["x"].options == storage_types()["note"](author="me", level=4)  # type: ignore[call-arg]  # the class is that of note
    assert config.data_nodes["y"].options == STORAGE_TYPES["json"]()


def test_an_overlay_drops_its_keys(install: Install, tmp_path: Path) -> None:
    install()
    (tmp_path / "over.toml").write_text('[DATA_NODE.x]\nstorage_type = "json"\n')
    text = '[DATA_NODE.x]\nstorage_type = "note"\nauthor = "a"\n'
    (tmp_path / "runner.toml").write_text(text)

    read = load([tmp_path / "runner.toml", tmp_path / "over.toml"], environ={})

    assert [each.message for each in read.diagnostics] == [
        "`author` is dropped: storage type `note` is overridden by `json`"
    ]
    assert read.config.data_nodes["x"].options == STORAGE_TYPES["json"]()


def test_packages_that_are_missing(install: Install, tmp_path: Path) -> None:
    install(
        OPTIONS.replace(
            'extension: ClassVar[str] = "note"',
            'extension: ClassVar[str] = "note"\n'
            '    packages: ClassVar[Mapping[str, str]] = {"inkwell": "\'notes[ink]\'"}',
        )
    )
    node = 'author = "a"\npath = "a.note"\n[TASK.t]\nfunction = "builtins.print"\ninputs = ["x"]'

    assert told(node, tmp_path) == [
        (
            "RUN402",
            "data node `x` needs inkwell, which is not installed",
            "install it: pip install 'notes[ink]'",
        )
    ]


@pytest.mark.parametrize(
    ("source", "value", "message", "hint"),
    [
        pytest.param(
            "import inkwell\n",
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be loaded: "
            "ModuleNotFoundError: No module named 'inkwell'",
            'all of it is shown by: python -c "import notes_module"',
            id="import-fails",
        ),
        pytest.param(
            "raise SystemExit(3)\n",
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be loaded: SystemExit: 3",
            'all of it is shown by: python -c "import notes_module"',
            id="import-ends-the-process",
        ),
        pytest.param(
            OPTIONS,
            "{module}:Options",
            "storage type `note` of notes 1.0 cannot be used: "
            "`notes_module:Options` is no `runner.storages.StorageType`, but a `type`",
            "its authors have to mend it",
            id="no-storage-type",
        ),
        pytest.param(
            OPTIONS.replace("{module}:nothing", "notes module"),
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: "
            '`open` is "notes module", expected "package.module:function"',
            "its authors have to mend it",
            id="open",
        ),
        pytest.param(
            'TYPE = StorageType(options=dict, open="a:b")\n',
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: "
            "`options` is no subclass of `runner.storages.StorageOptions`",
            "its authors have to mend it",
            id="options",
        ),
        pytest.param(
            "class Options(StorageOptions):\n    deep: int = 1\n\n"
            'TYPE = StorageType(options=Options, open="a:b")\n',
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: "
            "`Options` is not decorated with `attrs.frozen`",
            "its authors have to mend it",
            id="no-attrs",
        ),
        pytest.param(
            OPTIONS.replace('    extension: ClassVar[str] = "note"\n', ""),
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: "
            "`Options` has no `extension` for the files that runner names",
            "its authors have to mend it",
            id="extension",
        ),
        pytest.param(
            OPTIONS.replace("inputs: float = 0.5", "inputs: float"),
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: `Options()` raises TypeError: "
            "Options.__init__() missing 1 required keyword-only argument: 'inputs'",
            "its authors have to mend it",
            id="no-default",
        ),
        pytest.param(
            OPTIONS.replace("inputs: float", "scope: float"),
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: "
            "its key `scope` is one of every data node",
            "its authors have to mend it",
            id="common-key",
        ),
        pytest.param(
            OPTIONS.replace("inputs: float = 0.5", "inputs: set[int] | None = None"),
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: "
            "its key `inputs` is annotated with what no value of TOML becomes",
            "its authors have to mend it",
            id="annotation",
        ),
        pytest.param(
            OPTIONS.replace("inputs: float", "_inputs: float"),
            "{module}:TYPE",
            "storage type `note` of notes 1.0 cannot be used: its key `_inputs` cannot be given",
            "its authors have to mend it",
            id="private-key",
        ),
    ],
)
def test_what_cannot_be_used_is_told_once(
    install: Install, tmp_path: Path, source: str, value: str, message: str, hint: str
) -> None:
    install(source, value=value)

    found = told('author = "a"\n[DATA_NODE.y]\nstorage_type = "note"\n', tmp_path)

    assert found == [("RUN401", message, hint)]
    assert plugin("note") == Unusable("note", message, hint)
    assert list(unusable()) == [Unusable("note", message, hint)]
    assert "note" not in storage_types()


def test_two_packages_with_one_name(install: Install, tmp_path: Path) -> None:
    install()
    install(package="other", version="2.0")

    assert told("", tmp_path) == [
        (
            "RUN401",
            "storage type `note` is brought by notes 1.0 and by other 2.0",
            "uninstall all of these but one",
        )
    ]


def test_a_name_of_runners_own_is_left_out(install: Install, tmp_path: Path) -> None:
    install(name="json")

    read = loaded('[DATA_NODE.x]\nstorage_type = "json"\n', tmp_path)

    assert type(read.config.data_nodes["x"].options) is STORAGE_TYPES["json"]
    assert names() == tuple(STORAGE_TYPES)
    assert list(unusable()) == [
        Unusable(
            "json",
            "storage type `json` of notes 1.0 is left out: runner has one of its own",
            "its authors have to call it something else",
        )
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("ntoe", "did you mean `note`?", id="misspelt"),
        pytest.param("zzz", f"there are {', '.join(STORAGE_TYPES)}, note", id="unknown"),
    ],
)
def test_it_is_suggested(install: Install, tmp_path: Path, text: str, hint: str) -> None:
    install()

    (found,) = loaded(f'[DATA_NODE.x]\nstorage_type = "{text}"\n', tmp_path).diagnostics

    assert (found.code, found.hint) == ("RUN401", hint)


def test_its_keys_are_described(install: Install) -> None:
    install()

    keys = {key.name: key for key in storage_keys("note")}

    assert {name: key.kind for name, key in keys.items()} == {
        "path": Kind.TEXT,
        "default_path": Kind.TEXT,
        "author": Kind.TEXT,
        "level": Kind.INT,
        "pen": Kind.CHOICE,
        "inputs": Kind.NUMBER,
        "every": Kind.DURATION,
        "convert": Kind.FUNCTION,
        "more": Kind.TABLE,
        "words": Kind.TEXTS,
        "rest": Kind.ARGUMENTS,
        "whatever": Kind.ANY,
        "token": Kind.TEXT,
    }
    assert keys["author"].required
    assert keys["level"].description == "How deep. Default: `2`."
    assert keys["token"].description == "Its authors do not say what it means."


def test_the_reference_has_it(install: Install) -> None:
    install()

    page = make_reference()

    assert "### `note`\n\nA file of notes.\n" in page
    assert '| `pen` | `ink`, `chalk` | `"ink"` | What with. |' in page


def test_the_schema_has_it(install: Install) -> None:
    install()

    schema = make_schema()

    node = schema["definitions"]["data_node"]
    assert "note" in node["properties"]["storage_type"]["anyOf"][0]["enum"]
    assert node["properties"]["pen"]["anyOf"][0]["enum"] == ["ink", "chalk"]
    assert "note" in json.dumps(schema["definitions"]["complete_data_node"])


def test_the_schema_takes_a_shared_name_in_each_form(install: Install) -> None:
    install(OPTIONS.replace("inputs: float = 0.5", "engine: int = 4"))

    engine = make_schema()["definitions"]["data_node"]["properties"]["engine"]

    assert {"type": ["integer", "string"]}.items() <= engine["anyOf"][-1].items()
    assert engine["anyOf"][0]["enum"] == ["pyarrow", "fastparquet"]
    assert engine["description"].startswith("parquet: The library that reads and writes it.")


def large(tmp_path: Path) -> str:
    node = "[DATA_NODE.node_{}]\ndefault_data = [1, 2.5, 'three', 1979-05-27]\nscope = 'GLOBAL'\n"
    text = "".join(node.format(number) for number in range(4000))
    assert len(text) > LARGE
    return f'{text}[DATA_NODE.x]\nstorage_type = "note"\nauthor = "a"\n'


def errors(read: Loaded) -> list[Diagnostic]:
    return [each for each in read.diagnostics if each.severity is Severity.ERROR]


def test_a_large_config_is_kept_with_it(install: Install, tmp_path: Path) -> None:
    install()
    first = loaded(large(tmp_path), tmp_path)
    (file,) = (tmp_path / ".runner/cache").iterdir()
    kept = file.read_bytes()

    second = loaded(large(tmp_path), tmp_path)

    assert second.config == first.config
    assert file.read_bytes() == kept
    assert second.config.data_nodes["x"] is not first.config.data_nodes["x"]


def test_what_was_unknown_is_looked_for_again(install: Install, tmp_path: Path) -> None:
    before = loaded(large(tmp_path), tmp_path)
    install()

    assert [each.code for each in errors(before)] == ["RUN401"]
    assert errors(loaded(large(tmp_path), tmp_path)) == []


def test_what_has_gone_is_missed(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    assert errors(loaded(large(tmp_path), tmp_path)) == []

    monkeypatch.setattr(sys, "path", [each for each in sys.path if str(tmp_path) not in each])

    assert [each.code for each in errors(loaded(large(tmp_path), tmp_path))] == ["RUN401"]


def test_another_version_is_noticed(install: Install, tmp_path: Path) -> None:
    install()
    assert errors(loaded(large(tmp_path), tmp_path)) == []
    (file,) = (tmp_path / ".runner/cache").iterdir()
    kept = file.read_bytes()

    metadata = tmp_path / "site/notes-1.0.dist-info/METADATA"
    metadata.write_text("Name: notes\nVersion: 1.1\n")
    sys.path.append(f"{tmp_path}/new")  # as in a new process; the fixture puts the old one back

    read = loaded(large(tmp_path), tmp_path)

    assert plugin("note")._asdict()["package"] == "notes 1.1"  # type: ignore[union-attr]  # it is there
    assert file.read_bytes() != kept
    assert attrs.fields_dict(type(read.config.data_nodes["x"].options)).keys() >= {"author"}
