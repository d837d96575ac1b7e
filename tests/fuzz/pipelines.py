"""Pipelines without a mistake: the examples, and large ones made by chance."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

import attrs

from runner.config.loader import load
from runner.config.model import Config
from runner.config.parser import parse_toml
from runner.config.positions import Mark, scan
from runner.diagnostics import KeyPath

EXAMPLES: Final = Path(__file__).parent.parent.parent / "examples"
NEED_PANDAS: Final = frozenset({"weather"})


@attrs.frozen(eq=False)
class Pipeline:
    """Files that make a config together, and what stands where in them.

    Attributes:
        name: of the pipeline.
        folder: where its files and its modules are.
        texts: the files by name, the lowest layer first.
        config: what they say together.
        marks: where each key of a file stands.
    """

    name: str
    folder: Path
    texts: Mapping[str, str]
    config: Config = attrs.field(init=False, repr=False)
    marks: Mapping[str, Mapping[KeyPath, Mark]] = attrs.field(init=False, repr=False)
    raw: Mapping[str, Mapping[str, object]] = attrs.field(init=False, repr=False)

    @config.default
    def _config(self) -> Config:
        return load([self.folder / name for name in self.texts], environ={}).config

    @marks.default
    def _marks(self) -> Mapping[str, Mapping[KeyPath, Mark]]:
        return {name: scan(text) for name, text in self.texts.items()}

    @raw.default
    def _raw(self) -> Mapping[str, Mapping[str, object]]:
        return {name: parse_toml(text, name) for name, text in self.texts.items()}


def from_examples(folder: Path) -> Iterator[Pipeline]:
    """Every example, and every overlay of one; copied below a folder, since checks may write."""
    for example in sorted(path.parent for path in EXAMPLES.glob("*/pipeline.toml")):
        if example.name in NEED_PANDAS and importlib.util.find_spec("pandas") is None:
            continue
        made = shutil.ignore_patterns("out", ".runner", "__pycache__")
        copy = Path(shutil.copytree(example, folder / example.name, ignore=made))
        overlays = sorted(set(copy.glob("*.toml")) - {copy / "pipeline.toml"})
        for files in ([], *([each] for each in overlays)):
            layers = [copy / "pipeline.toml", *files]
            texts = {path.name: path.read_text(encoding="utf-8") for path in layers}
            yield Pipeline(" + ".join([example.name, *(each.name for each in files)]), copy, texts)


def generated(folder: Path, seed: int, *, tasks: int = 300) -> Pipeline:
    """A pipeline of many layers, written below a folder; always the same for a seed."""
    for name, source in _MODULES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    text = _Writer(Random(seed)).write(tasks)
    (folder / "runner.toml").write_text(text, encoding="utf-8")
    return Pipeline(f"generated {seed}", folder, {"runner.toml": text})


_MODULES: Final[Mapping[str, str]] = {
    "station/__init__.py": "from station.tables import merge\n",
    "station/numbers.py": '''\
"""Numbers."""

import dataclasses


def total(rows: list) -> float:
    return float(len(rows))


def add(left: float, right: float) -> float:
    return left + right


def scale(value: float, factor: float) -> float:
    return value * factor


def largest(first, second, third):
    return max(first, second, third)


@dataclasses.dataclass
class Limits:
    low: float
    high: float

    @staticmethod
    def within(value: float, limits: dict) -> float:
        return min(value, limits["high"])
''',
    "station/tables.py": '''\
"""Rows and tables."""

from functools import cache


class Row:
    def __init__(self, **columns):
        self.columns = columns


def parse(text: str) -> list[dict]:
    return [{"text": line} for line in text.splitlines()]


def index(rows: list) -> dict:
    return dict(enumerate(rows))


def merge(left: dict, right: dict) -> dict:
    return left | right


def split(rows: list[dict], share: float) -> tuple[list[dict], list[dict]]:
    middle = int(len(rows) * share)
    return rows[:middle], rows[middle:]


def describe(rows, table):
    return rows[:3], table


async def fetch(table: dict) -> list:
    return list(table)


@cache
def read_rows(name):
    return []


def write_rows(rows, name):
    pass


def compare(*values):
    return max(values)
''',
}
_FUNCTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "station.numbers.total": ("r", "n"),
    "station.numbers.add": ("nn", "n"),
    "station.numbers.scale": ("nn", "n"),
    "station.numbers.largest": ("nnn", "n"),
    "station.numbers.Limits.within": ("nt", "n"),
    "station.tables.index": ("r", "t"),
    "station.merge": ("tt", "t"),
    "station.tables.split": ("rn", "rr"),
    "station.tables.describe": ("rt", "rt"),
    "station.tables.fetch": ("t", "r"),
}
"""What each function takes and gives: numbers, rows, tables."""
_ADJECTIVES: Final = ["ancient", "brisk", "coastal", "daily", "eastern", "frozen", "golden",
                      "humid", "idle", "jagged", "kindred", "lunar", "muddy", "northern",
                      "opaque", "polar", "quiet", "rugged", "stormy", "tropical", "upper",
                      "vivid", "windy"]  # fmt: skip
_NOUNS: Final = ["anchor", "breeze", "cloud", "drizzle", "estuary", "forecast", "glacier",
                 "horizon", "island", "jetty", "kelp", "lagoon", "monsoon", "nebula", "orbit",
                 "pressure", "quarry", "rainfall", "sunshine", "thunder", "upland", "valley",
                 "waterfall"]  # fmt: skip
_SEEDS: Final = """\
[RUNNER]
title = "Stations"
contact = {mail = "stations@example.org", rooms = [1, 2.5, "cellar"]}

[JOB]
mode = "standalone"
max_nb_of_workers = "ENV[STATION_WORKERS:-4]:int"
worker_lease = "1m30s"

[CORE]
storage_folder = "ENV[STATION_FOLDER:-.runner]"
durability = "process"

[CHECK]
severity = {deprecated-key = "off"}

[DATA_NODE.default]
storage_type = "json"
encoding = "utf-8"
validity_period = "2d:timedelta"

[TASK.default]
retries = 2
timeout = "90s"

[DATA_NODE.report_text]
default_data = "ENV[STATION_TEXT:-one line]"
[DATA_NODE.first_share]
default_data = "0.5:float"
scope = "GLOBAL"
[DATA_NODE.second_share]
storage_type = "pickle"
default_data = 0.25
validity_period = "1h"
[DATA_NODE.known_limits]
default_data = {low = 1.5, high = "2.5:float", since = "2026-11-22:datetime"}
description = "What a sensor can have seen"
[DATA_NODE.station_rows]
storage_type = "csv"
path = "data/stations.csv"
exposed_type = "records"
has_header = true
[DATA_NODE.typed_rows]
storage_type = "csv"
default_path = "data/typed.csv"
exposed_type = "station.tables.Row:class"
[DATA_NODE.own_rows]
storage_type = "generic"
read_fct = "station.tables.read_rows"
write_fct = "station.tables.write_rows:function"
read_fct_args = ["rows", "1:int"]

[DATA_NODE.customers]
storage_type = "sql_table"
db_name = "stations"
db_engine = "postgresql"
db_username = "reader"
db_password = "ENV[STATION_PASSWORD:-]"
table_name = "customers"
[DATA_NODE.archive]
storage_type = "s3_object"
aws_access_key = "ENV[STATION_KEY:-]"
aws_secret_access_key = "ENV[STATION_SECRET:-]"
aws_s3_bucket_name = "archive"
aws_s3_object_key = "stations"
[DATA_NODE.documents]
storage_type = "mongo_collection"
db_name = "stations"
collection_name = "documents"
[DATA_NODE.workbook]
storage_type = "excel"
path = "data/book.xlsx"
sheet_name = ["one", "two"]
[DATA_NODE.columns]
storage_type = "parquet"
path = "data/columns.parquet"
compression = "zstd"

[TASK.parse_text]
function = "station.tables.parse:function"
inputs = ["report_text:SECTION"]
outputs = ["parsed_rows:SECTION"]
[DATA_NODE.parsed_rows]
"""
_SEED_NODES: Final[Mapping[str, tuple[str, ...]]] = {
    "n": ("first_share", "second_share"),
    "r": ("station_rows", "typed_rows", "own_rows", "parsed_rows"),
    "t": ("known_limits",),
}
_STORAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "n": ("", 'storage_type = "in_memory"\n', 'storage_type = "pickle"\nscope = "CYCLE:SCOPE"\n'),
    "r": (
        "",
        'storage_type = "csv"\npath = "out/{}.csv"\nexposed_type = "records"\n',
        'storage_type = "json"\ndefault_path = "out/{}.json"\n',
        'storage_type = "in_memory"\ncopy_mode = "copy"\n',
    ),
    "t": ("", 'storage_type = "pickle"\n', 'description = "A table"\nscope = "SCENARIO"\n'),
}
_SETTINGS: Final = (
    "",
    "",
    "skippable = true\n",
    'tags = ["slow", "nightly"]\n',
    'retries = 1\nretry_delay = "5s"\n',
    'timeout = "ENV[STATION_TIMEOUT:-10m]"\n',
    'description = """\nIn several\nlines."""\n',
)


@attrs.frozen(eq=False)
class _Writer:
    """Writes a pipeline, task by task."""

    random: Random
    _nodes: dict[str, list[str]] = attrs.field(factory=dict, init=False)

    def write(self, count: int) -> str:
        self._nodes.update({kind: list(names) for kind, names in _SEED_NODES.items()})
        names = self._names()
        tasks = ["parse_text"]
        written = [_SEEDS]
        used = ("own_rows", "typed_rows", "station_rows", "known_limits", *_SEED_NODES["n"])
        for _ in range(count - 1):
            task, text = self._task(names)
            tasks.append(task)
            written.append(text)
        spare = [each for each in used if not any(f'"{each}' in text for text in written[1:])]
        return "\n".join([*written, self._scenarios(tasks, spare)])

    def _names(self) -> Iterator[str]:
        """Names as people give them: most of words, some with a number."""
        words = [f"{adjective}_{noun}" for adjective in _ADJECTIVES for noun in _NOUNS]
        self.random.shuffle(words)
        for number, each in enumerate(words):
            yield each
            if number % 4 == 0:
                yield f"sample_{number:03d}"

    def _task(self, names: Iterator[str]) -> tuple[str, str]:
        """A task and the data nodes that it writes: its id and the text."""
        function, (takes, gives) = self.random.choice(list(_FUNCTIONS.items()))
        inputs = [self._input(kind) for kind in takes]
        outputs = [(kind, next(names)) for kind in gives]
        task = f"make_{outputs[0][1]}"
        text = (
            f"[TASK.{task}]\n"
            f'function = "{function}{self.random.choice(["", ":function"])}"\n'
            f"inputs = {self._listed(inputs)}\n"
            f"outputs = {self._listed([name for _, name in outputs])}\n"
            f"{self.random.choice(_SETTINGS)}"
        )
        for kind, name in outputs:
            self._nodes[kind].append(name)
            text += f"[DATA_NODE.{name}]\n{self.random.choice(_STORAGES[kind]).format(name)}"
        return task, text

    def _input(self, kind: str) -> str:
        """One of the latest nodes of the kind, so that the pipeline gets deep as well as wide."""
        return self.random.choice(self._nodes[kind][-12:])

    def _listed(self, ids: Sequence[str]) -> str:
        suffix = self.random.choice(["", ":SECTION"])
        return "[" + ", ".join(f'"{each}{suffix}"' for each in ids) + "]"

    def _scenarios(self, tasks: Sequence[str], spare: Sequence[str]) -> str:
        others = ["customers", "archive", "documents", "workbook", "columns", *spare]
        half = tasks[: len(tasks) // 2]
        listed = "".join(f'    "{task}:SECTION",\n' for task in tasks)
        return (
            f"[SCENARIO.nightly]\n"
            f"tasks = [\n{listed}]\n"
            f"additional_data_nodes = {self._listed(others)}\n"
            f'frequency = "DAILY:FREQUENCY"\n'
            f'tags = ["all"]\n'
            f"[SCENARIO.nightly.sequences]\n"
            f"opening = {self._listed(tasks[:5])}\n"
            f"sampled = {self._listed(self.random.sample(tasks, min(len(tasks), 8)))}\n"
            f"[SCENARIO.nightly.comparators]\n"
            f'parsed_rows = "station.tables.compare"\n'
            f"\n"
            f"[SCENARIO.preview]\n"
            f"tasks = {self._listed(half)}\n"
            f'frequency = "MONTHLY"\n'
            f"sequences.preview_start = {self._listed(half[:3])}\n"
            f'comparators = {{parsed_rows = ["station.tables.compare:function"]}}\n'
        )
