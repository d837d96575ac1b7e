"""Throw texts of all kinds at `check` and `plan`, and see that each is answered, and in time.

    python tests/fuzz/fuzz.py --count 100000 [--seed 1] [--seconds 600] [--keep FOLDER]

prints how many there were of each kind, how long the slowest took, and what went wrong; inputs that
went wrong are kept in a folder. tests/test_fuzz.py runs a few thousand.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import gc
import io
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

import attrs

from runner.cli.app import run
from runner.cli.formats import FORMATS

MOST_SECONDS: Final = 1.0
"""Of this process, for one input."""
MOST_BYTES: Final = 100_000
HANG: Final = 120
"""Seconds after which the stack is shown and all is over."""

BASE: Final = """\
# A bit of everything.
[RUNNER]
name = "shop"
limits = {low = 1, high = [1.5, 2e3], when = 1979-05-27}

[JOB]
mode = "development"
max_nb_of_workers = "ENV[WORKERS:-2]:int"
broker_url = "ENV[BROKER:-amqp://localhost]"

[CORE]
storage_folder = ".runner"
durability = "process"

[CHECK]
ignore = ["unused"]
severity = {no-source = "off"}

[DATA_NODE.default]
storage_type = "json"
encoding = "ENV[ENCODING:-utf-8]"
validity_period = "1d2h"

[DATA_NODE.raw]
storage_type = "csv"
path = "ENV[RAW]"
exposed_type = "algos.Row:class"
has_header = "true:bool"
[DATA_NODE.limits]
default_data = ["ENV[LOW]:int", "0.5:float", "1979-05-27T07:32:00Z:datetime", "x:y:str"]
scope = "GLOBAL:SCOPE"
[DATA_NODE.made]
default_data = "algos.make:function"
[DATA_NODE.clean_data]
scope = "cycle"
encoder = "algos.Row"
[DATA_NODE.model]
storage_type = "pickle"
default_path = "out/model.p"
[DATA_NODE.db]
storage_type = "sql_table"
db_name = "shop"
db_engine = "sqlite"
table_name = 'orders'
db_extra_args = {token = "ENV[TOKEN]"}
[DATA_NODE.own]
storage_type = "generic"
read_fct = "algos.make"
write_fct = "algos.train"
write_fct_args = [1, "2:int"]

[TASK.default]
retries = "1:int"
timeout = "ENV[TIMEOUT:-10s]"
[TASK.clean]
function = "algos.clean:function"
inputs = ["raw:SECTION", "limits"]
outputs = ["clean_data:SECTION"]
skippable = true
tags = ["fast", "rain"]
[TASK.train]
function = "algos.train"
inputs = ["clean_data", "made"]
outputs = ["model", "own"]
retry_delay = "1m 30s"
description = \"\"\"
of several
lines\"\"\"
properties = {colour = "red"}

[SCENARIO.monthly]
tasks = ["clean:SECTION", "train"]
additional_data_nodes = ["db"]
frequency = "MONTHLY:FREQUENCY"
[SCENARIO.monthly.sequences]
first = ["clean"]
[SCENARIO.monthly.comparators]
model = ["algos.compare:function"]
"""
ALGOS: Final = """\
class Row: ...
def make(): ...
def clean(raw, limits): ...
def train(clean_data, made): ...
def compare(*models): ...
"""
TEXTS: Final = [
    BASE,
    *(
        path.read_text(encoding="utf-8")
        for path in sorted((Path(__file__).parents[2] / "examples").glob("*/*.toml"))
    ),
]
"""Configs that are right."""
IDS: Final = ["raw", "limits", "model", "clean", "train", "monthly", "first", "fast", "default",
              "nothing"]  # fmt: skip
SECTIONS: Final = ["RUNNER", "TAIPY", "JOB", "CORE", "CHECK", "DATA_NODE", "TASK", "SCENARIO",
                   "gui"]  # fmt: skip
ODD: Final = ["", " ", ":", "1:int", "x:int", "8:itn", "a:SECTION", ":SECTION", "ENV[RAW]",
              "ENV[NOT]:int", "ENV[RAW:-:]", "algos.clean", "algos", "os.system:function",
              "..:class", "999999d", "1e400", "\x1b[2J", "\u202e", "\0", "日本", "GLOBAL", "auto",
              "csv", "../..", "/dev/null", "nan:float", "9" * 5000 + ":int",
              "2000-01-01:datetime", "x" * 1000]  # fmt: skip
"""Texts that mean something somewhere, or look as if they did."""
LOOK_ALIKES: Final = str.maketrans(
    'aeio_=".[1-: ',
    "\u0430\u0435\u03bf\u0456\uff3f\uff1d\u201d\u2024\uff3b\uff11\u2013\uff1a\u00a0",
)

_KEYS: Final = ("storage_type", "path", "default_data", "scope", "function", "inputs", "outputs",
                "tasks", "sequences", "frequency", "retries", "timeout", "mode", "tags",
                "properties", "max_nb_of_workers", "db_password", "comparators")  # fmt: skip
_WORDS: Final = (*"[]{}=,.#\n\r\t\"'\\:-+_ ", '"""', "'''", "[[", "]]", "true", "inf", "nan", "0x",
                 "1e9", "1979-05-27", "07:32:00", "\\u00e9", "\\x", "ENV[", "\r\n", "\ufeff",
                 *_KEYS, *SECTIONS, *IDS)  # fmt: skip


# --- What is thrown


def some_bytes(random: Random) -> bytes:
    return random.randbytes(_length(random))


def some_characters(random: Random) -> bytes:
    return "".join(random.choices(_WORDS, k=_length(random) // 4 + 1)).encode()


def statements(random: Random) -> bytes:
    """Sections, keys and values that are there, put together without sense."""
    lines = []
    for _ in range(_length(random) // 30 + 1):
        if random.random() < 0.3:
            names = [random.choice(SECTIONS), random.choice(IDS), random.choice(_KEYS)]
            lines.append(f"[{'.'.join(names[: random.randint(1, 3)])}]")
        else:
            lines.append(f"{random.choice(_KEYS)} = {_value(random, 3)}")
    return "\n".join(lines).encode()


def edited_config(random: Random) -> bytes:
    """A config that was right once."""
    lines = random.choice(TEXTS).splitlines()
    for _ in range(random.randint(1, 4)):
        _EDITS[random.randrange(len(_EDITS))](lines, random)
    return "\n".join(lines).encode()


def damaged_config(random: Random) -> bytes:
    """A config in which some bytes are others."""
    data = random.choice(TEXTS).encode()
    at = random.randrange(len(data))
    return data[:at] + random.randbytes(random.randint(0, 8)) + data[at + random.randint(0, 8) :]


def deep_nesting(random: Random) -> bytes:
    opening, closing = random.choice(
        [("[", "]"), ("{a = ", "}"), ("[{a = ", "}]"), ("[\n", "]"), ("[# ]\n", "\n]"), ("a.", "b")]
    )
    depth = _length(random) // len(opening)
    key = random.choice(["a = ", "[DATA_NODE.n]\ndefault_data = ", "[RUNNER]\nx = ", "[", ""])
    return (key + opening * depth + random.choice(["", "1"]) + closing * depth).encode()


def huge_values(random: Random) -> bytes:
    size = _length(random)
    digits = random.choice("0189")
    value = random.choice(
        [
            digits * size,
            f"0x{'f' * size}",
            f"1.{digits * size}e{digits * 5}",
            f'"{digits * size}:int"',
            f'"{digits * size}:float"',
            f'"{digits * size}d:timedelta"',
            f'"ENV[X:-{digits * size}]:int"',
            f'"{"a." * size}:function"',
            f'"{": " * size}int"',
            f'"""{chr(10) * size}"""',
            f"'{chr(92) * size}'",
            f"9999-12-31T23:59:59.{digits * size}",
        ]
    )
    section = random.choice(["DATA_NODE.n", "TASK.t", "SCENARIO.s", "RUNNER", "JOB"])
    return f"[{section}]\n{random.choice(_KEYS)} = {value}\n".encode()


def many_sections(random: Random) -> bytes:
    """So many of one thing that whatever is not linear takes its time."""
    count = int(MOST_BYTES ** random.uniform(0.4, 1)) // 45 + 1
    wrong = random.choice(["", "x", "0"])
    lines = random.choice(
        [
            [
                f'[TASK.t{i}]\nfunction = "algos.make{wrong}"\ninputs = ["n{i}{wrong}"]'
                for i in range(count)
            ],
            [
                f'[TASK.t{i}]\ninputs = ["n{i}"]\noutputs = ["n{(i + 1) % count}"]'
                for i in range(count)
            ],
            [f'[TASK.t{i}]\noutputs = ["n"]\n[DATA_NODE.n{i}]' for i in range(count)],
            [
                f'[DATA_NODE.n{i}]\nstorage_type = "json"\npath = "a{wrong}.json"'
                for i in range(count)
            ],
            [f"[DATA_NODE.n{i}]\nunknown{i} = {i}\nscope{wrong} = 1" for i in range(count)],
            [f'[SCENARIO.s{i}]\ntasks = ["t{wrong}", "t{i}"]\n[TASK.t{i}]' for i in range(count)],
            [
                "[SCENARIO.s]",
                f"tasks = {[f't{i}' for i in range(count)]}",
                *(f"[TASK.t{i}x]" for i in range(count)),
            ],
            [f"[SECTION{i}]\nkey = {i}" for i in range(count)],
            [f"[DATA_NODE.{'n' * (i + 1)}]" for i in range(min(count, 400))],
            [f"a{'.b' * (i % 40)}.c{i} = 1" for i in range(count)],
            [f"[[DATA_NODE.n]]\nx = {i}" for i in range(count)],
        ]
    )
    return "\n".join(lines).encode()[:MOST_BYTES]


SOURCES: Final[Mapping[str, Callable[[Random], bytes]]] = {
    "bytes": some_bytes,
    "characters": some_characters,
    "statements": statements,
    "edited configs": edited_config,
    "damaged configs": damaged_config,
    "deep nesting": deep_nesting,
    "huge values": huge_values,
    "many sections": many_sections,
}


def _length(random: Random) -> int:
    """Small as a rule, now and then as long as can be."""
    return int(MOST_BYTES ** random.choice([random.random(), *[random.random() * 0.6] * 9]))


def _value(random: Random, depth: int) -> str:
    match random.randrange(8 if depth else 6):
        case 0 | 1:
            return f'"{random.choice(IDS)}{random.choice(["", ":SECTION", ":int", ":itn"])}"'
        case 2:
            return json.dumps(random.choice(ODD))
        case 3:
            return random.choice(["true", "1", "-1", "0.5", "inf", "1979-05-27", "07:32:00", "''"])
        case 4:
            return str(random.randint(-(2**70), 2**70))
        case 5:
            return f'"{random.choice(["csv", "json", "sql", "generic", "GLOBAL", "algos.make"])}"'
        case 6:
            return f"[{', '.join(_value(random, depth - 1) for _ in range(random.randint(0, 4)))}]"
    return f"{{{random.choice(_KEYS)} = {_value(random, depth - 1)}}}"


def _edit_character(lines: list[str], random: Random) -> None:
    at = random.randrange(len(lines))
    line = lines[at]
    if line:
        place = random.randrange(len(line))
        kept = line[place]
        new = random.choice([kept * 2, "", kept.translate(LOOK_ALIKES), *"[]{}=\"'.,#\n\t:", "\0"])
        lines[at] = line[:place] + new + line[place + 1 :]


def _edit_value(lines: list[str], random: Random) -> None:
    at = random.randrange(len(lines))
    key, equals, _ = lines[at].partition("=")
    if equals:
        lines[at] = f"{key}= {_value(random, 3)}"


def _cut_line(lines: list[str], random: Random) -> None:
    if len(lines) > 1:
        del lines[random.randrange(len(lines))]


def _copy_line(lines: list[str], random: Random) -> None:
    lines.insert(random.randrange(len(lines)), random.choice(lines))


def _move_line(lines: list[str], random: Random) -> None:
    lines.insert(random.randrange(len(lines)), lines.pop(random.randrange(len(lines))))


def _splice(lines: list[str], random: Random) -> None:
    other = random.choice(TEXTS).splitlines()
    lines[random.randrange(len(lines)) :] = other[random.randrange(len(other)) :]


_EDITS: Final = (_edit_character, _edit_value, _cut_line, _copy_line, _move_line, _splice)


# --- What becomes of it


@attrs.frozen
class Ended:
    """How a command line ended, and what it wrote."""

    code: int
    out: str
    err: str


class Stream(io.TextIOWrapper):
    """As the process has them: UTF-8, and escapes for what that cannot say."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="backslashreplace", newline="")

    def text(self) -> str:
        self.flush()
        data: bytes = self.buffer.getvalue()  # type: ignore[attr-defined]  # a BytesIO, see above
        return data.decode()


def call(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> Ended:
    """Run a command line in this process."""
    out, err = Stream(), Stream()
    before = dict(os.environ)
    os.environ.update(environ or {})
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(list(arguments))
    finally:
        os.environ.clear()
        os.environ.update(before)
    return Ended(code, out.text(), err.text())


@attrs.frozen
class Thrown:
    """An input, and what became of it.

    Attributes:
        kind: a key of `SOURCES`.
        data: the input.
        problem: what went wrong; None: nothing.
        seconds: of this process.
    """

    kind: str
    data: bytes
    problem: str | None
    seconds: float


def throw(folder: Path, count: int, seed: int, *, most_bytes: int = MOST_BYTES) -> Iterator[Thrown]:
    """So many inputs, always the same for a seed, each a config file in the folder."""
    random = Random(seed)
    (folder / "algos.py").write_text(ALGOS, encoding="utf-8")
    path = folder / "runner.toml"
    kinds = list(SOURCES)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        data = SOURCES[kind](random)[:most_bytes]
        path.write_bytes(data)
        begun = time.process_time()
        problem = _problem(str(path), random)
        yield Thrown(kind, data, problem, time.process_time() - begun)
        if number % 200 == 0:
            gc.collect()  # what is read at once counts as old, and is seldom looked at


def _problem(path: str, random: Random) -> str | None:
    """What is wrong with how the commands answer."""
    form = random.choice(list(FORMATS))
    ended = call(["check", path, "--format", form])
    if ended.code == 0 and random.random() < 0.5:
        return _badly_ended(call(["plan", path, "--all"]), (0, 2, 3))
    problem = _badly_ended(ended, (0, 1))
    if problem is None and form == "json":
        document = json.loads(ended.out)
        has_errors = any(each["severity"] == "error" for each in document["diagnostics"])
        if not document["ok"] == (ended.code == 0) == (not has_errors):
            problem = f"exit code {ended.code}, and it says {ended.out[:200]}"
    return problem


def _badly_ended(ended: Ended, codes: Sequence[int]) -> str | None:
    told = ended.out + ended.err
    if ended.code not in codes:
        return f"exit code {ended.code}: {told[-500:]}"
    if "Traceback" in told or "RUN901" in told:
        return told[-500:]
    if ended.code != 0 and not told.strip():
        return f"exit code {ended.code} without a word"
    odd = next((char for char in told if not (char.isprintable() or char in "\n\t")), None)
    return f"the character {odd!r} is printed" if odd else None


# --- The script


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000, help="of inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="stop after so many")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "runner-fuzz")
    options = parser.parse_args()
    begun = time.monotonic()
    counts, slowest, wrong = Counter[str](), Thrown("", b"", None, 0.0), 0
    with tempfile.TemporaryDirectory() as folder:
        for thrown in throw(Path(folder), options.count, options.seed):
            faulthandler.dump_traceback_later(HANG, exit=True)
            counts[thrown.kind] += 1
            slowest = max(slowest, thrown, key=lambda each: each.seconds)
            if thrown.problem is not None or thrown.seconds > MOST_SECONDS:
                wrong += 1
                _keep(thrown, options.keep, counts.total())
            if options.seconds is not None and time.monotonic() - begun > options.seconds:
                break
    for kind, count in counts.items():
        print(f"{kind:16} {count:9,}")
    print(
        f"{'all':16} {counts.total():9,}  in {time.monotonic() - begun:.0f} s, seed {options.seed}"
    )
    print(f"slowest: {slowest.seconds:.3f} s for {len(slowest.data):,} bytes of {slowest.kind}")
    print(f"wrong: {wrong}")
    return 1 if wrong else 0


def _keep(thrown: Thrown, folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{number}.toml"
    path.write_bytes(thrown.data)
    print(f"{path}: {thrown.kind}, {thrown.seconds:.3f} s: {thrown.problem or 'slow'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
