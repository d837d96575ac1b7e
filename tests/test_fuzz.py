"""Whatever a user writes is told to be wrong or is right; nothing ends as a bug of ours.

The suite runs a few hundred examples that are always the same. To look for new ones, longer:

    RUNNER_FUZZ_EXAMPLES=20000 python -m pytest tests/test_fuzz.py
    python tests/fuzz/fuzz.py --count 100000 --seed 1
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest
from fuzz import ALGOS, BASE, IDS, LOOK_ALIKES, ODD, SECTIONS, TEXTS, Ended, call, throw
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runner.config.loader import load
from runner.config.model import CoreConfig, JobConfig, ScenarioConfig, TaskConfig
from runner.config.options import STORAGE_TYPES
from runner.config.writer import MASK, write_config, write_tables
from runner.diagnostics import has_errors

WANTED = os.environ.get("RUNNER_FUZZ_EXAMPLES")
VARIABLES = sorted({*re.findall(r"ENV\[(\w+)", BASE), "RUNNER_CONFIG_PATH", "NO_COLOR"})
KEYS = sorted(
    {
        field.name
        for cls in (JobConfig, CoreConfig, TaskConfig, ScenarioConfig, *STORAGE_TYPES.values())
        for field in attrs.fields(cls)
    }
    | {
        "storage_type",
        "scope",
        "default_data",
        "nb_of_workers",
        "root_folder",
        "input",
        "id",
        "options",
    }
)


def examples(count: int) -> settings:
    """So many examples in the suite; by hand, as many as are wanted, other ones each time."""
    return settings(
        max_examples=int(WANTED or count),
        derandomize=WANTED is None,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# --- What users write


texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(ODD)
leaves = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | st.just(timezone(timedelta(hours=-3)))),
    st.sampled_from(IDS),
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, *IDS, *ODD]), inner, max_size=3)
    ),
    max_leaves=6,
)


def toml(value: Any) -> str:
    return write_tables({"x": value} if not isinstance(value, Mapping) else {"x": [value]})[4:-1]


written = values.map(toml)
keys = st.sampled_from([*KEYS, *IDS, *SECTIONS]) | texts
tables = st.dictionaries(keys, values, max_size=4)
documents = st.dictionaries(
    st.sampled_from(SECTIONS) | texts,
    st.dictionaries(st.sampled_from([*IDS, *ODD, *KEYS]), tables | values, max_size=4) | values,
    max_size=5,
)


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """The text after one edit: of a character, by a neighbour or a look-alike."""
    if not text:
        return draw(texts)
    at = draw(st.integers(0, len(text) - 1))
    kept = text[at]
    alike = kept.translate(LOOK_ALIKES)
    new = draw(
        st.sampled_from([kept * 2, "", alike, kept.swapcase(), *"[]{}=\"'.,#\n\t:"])
        | st.characters(codec="utf-8")
    )
    return text[:at] + new + text[at + 1 :]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A config that was right once."""
    lines = draw(st.sampled_from(TEXTS)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        key, equals, value = lines[at].partition("=")
        change = draw(st.sampled_from(["key", "value", "edit", "cut", "twice", "move", "splice"]))
        if change == "key":
            lines[at] = draw(edited(key)) + equals + value
        elif change == "value" and equals:
            lines[at] = f"{key}= {draw(written)}"
        elif change == "cut" and len(lines) > 1:
            del lines[at]
        elif change == "twice":
            lines.insert(draw(st.integers(0, len(lines))), lines[at])
        elif change == "move":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
        elif change == "splice":
            other = draw(st.sampled_from(TEXTS)).splitlines()
            lines[at:] = other[draw(st.integers(0, len(other))) :] or [""]
        else:
            lines[at] = draw(edited(lines[at]))
    return "\n".join(lines)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A config in which some bytes are others."""
    data = draw(st.sampled_from(TEXTS)).encode()
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=8)) + data[at + draw(st.integers(0, 8)) :]


names = st.sampled_from([*IDS, *ODD, "cl*", "[", "*"]) | st.text(max_size=8)
paths = st.lists(st.sampled_from([*SECTIONS, *IDS, *KEYS]), min_size=1, max_size=5).map(".".join)
overrides = st.one_of(
    st.builds("{}={}".format, paths, written | texts),
    st.builds("{}={}".format, texts, texts),
    st.text(max_size=20),
)
options = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "-s",
                "--task",
                "--from",
                "--to",
                "--tag",
                "--exclude",
                "--sequence",
                "--name",
                "--mode",
                "--format",
                "--color",
                "--nothing",
            ]
        ),
        names,
    ),
    st.sampled_from([("--all",), ("-q",), ("-v",), ("-s", "monthly"), ("--mode", "cluster")]),
)
environments = st.dictionaries(
    st.sampled_from(VARIABLES),
    (st.sampled_from(ODD) | st.text()).filter(lambda text: "\0" not in text and encodable(text)),
)


def encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


# --- What becomes of it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("fuzz")
    (path / "algos.py").write_text(ALGOS)
    before = Path.cwd()
    os.chdir(path)
    yield path
    os.chdir(before)


def is_answered(ended: Ended, codes: Sequence[int], folder: Path) -> None:
    """It ended as it may, without a bug of ours, and left nothing behind."""
    told = ended.out + ended.err
    assert ended.code in codes, told
    assert "Traceback" not in told
    assert "internal error" not in told  # the code may be the name of a section
    assert all(each.isprintable() or each in "\n\t" for each in told)
    left = {path.name for path in folder.iterdir()}
    assert left <= {"runner.toml", "algos.py", "plan.json"}


def is_checked(folder: Path, *more: str, environ: Mapping[str, str] | None = None) -> None:
    """What `check` says of the config holds together, in each format."""
    ended = call(["check", "runner.toml", "--format", "json", *more], environ)
    is_answered(ended, [0, 1], folder)
    document = json.loads(ended.out)
    errors = [each for each in document["diagnostics"] if each["severity"] == "error"]
    assert (document["ok"], bool(errors)) == (ended.code == 0, ended.code == 1)
    lines = (folder / "runner.toml").read_bytes().decode(errors="replace").split("\n")
    for each in document["diagnostics"]:
        assert each["message"]
        if each["file"] == "runner.toml":
            start, end = each["start"], each["end"]
            assert 1 <= start["line"] <= end["line"] <= len(lines)
            assert 1 <= start["column"] <= len(lines[start["line"] - 1]) + 1
            assert (start["line"], start["column"]) <= (end["line"], end["column"])
    human = call(["check", "runner.toml", *more], environ)
    is_answered(human, [ended.code], folder)


def is_planned(folder: Path, *more: str, environ: Mapping[str, str] | None = None) -> None:
    """What `plan` saves is whole or not there."""
    saved = folder / "plan.json"
    saved.unlink(missing_ok=True)
    ended = call(["plan", "runner.toml", "--out", "plan.json", *more], environ)
    is_answered(ended, [0, 2, 3], folder)
    assert saved.exists() is (ended.code == 0)
    if saved.exists():
        assert json.loads(saved.read_text())["format"] == "runner.plan"
    if ended.code != 0:
        assert ended.out == ""


def is_exported(folder: Path) -> None:
    """What `config export` writes loads as the same, but for the stars of secrets."""
    ended = call(["config", "export", "runner.toml", "-q"])
    is_answered(ended, [0, 3], folder)
    if ended.code == 0 and MASK not in ended.out:
        config = load([folder / "runner.toml"], environ=os.environ).config
        (folder / "runner.toml").write_text(ended.out, encoding="utf-8", newline="")
        again = load([folder / "runner.toml"], environ=os.environ)
        assert not has_errors(again.diagnostics)
        assert write_config(again.config) == write_config(config)


@examples(160)
@given(text=mutated())
def test_configs_that_were_right_once(folder: Path, text: str) -> None:
    (folder / "runner.toml").write_text(text, encoding="utf-8", newline="")
    is_checked(folder)
    is_planned(folder, "--all")
    is_exported(folder)


@examples(90)
@given(data=damaged() | st.binary(max_size=60))
def test_bytes(folder: Path, data: bytes) -> None:
    (folder / "runner.toml").write_bytes(data)
    is_checked(folder)
    is_planned(folder, "--all")


@examples(160)
@given(document=documents)
def test_tables_of_any_shape(folder: Path, document: dict[str, Any]) -> None:
    (folder / "runner.toml").write_text(write_tables(document), encoding="utf-8", newline="")
    is_checked(folder)
    is_planned(folder, "--all")
    is_exported(folder)


@examples(90)
@given(several=st.lists(overrides, min_size=1, max_size=3))
def test_overrides(folder: Path, several: list[str]) -> None:
    assume(all(map(encodable, several)))
    (folder / "runner.toml").write_text(BASE, encoding="utf-8")
    more = [part for each in several for part in ("--set", each)]
    is_checked(folder, *more)
    is_planned(folder, "--all", *more)


@examples(90)
@given(environ=environments)
def test_environments(folder: Path, environ: dict[str, str]) -> None:
    (folder / "runner.toml").write_text(BASE, encoding="utf-8")
    is_checked(folder, environ=environ)
    is_planned(folder, environ=environ)


@examples(90)
@given(several=st.lists(options, min_size=1, max_size=4))
def test_options(folder: Path, several: list[tuple[str, ...]]) -> None:
    (folder / "runner.toml").write_text(BASE, encoding="utf-8")
    is_planned(folder, *(part for each in several for part in each))


def test_a_few_thousand_texts(folder: Path) -> None:
    thrown = list(throw(folder, 2000, seed=0, most_bytes=10_000))
    assert [(each.kind, each.problem) for each in thrown if each.problem is not None] == []
