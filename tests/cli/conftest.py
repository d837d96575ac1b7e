from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import attrs
import pytest

from runner.cli.app import run


@attrs.frozen
class Ended:
    """How a command line ended, and what it wrote."""

    code: int
    out: str
    err: str


Cli: TypeAlias = Callable[..., Ended]
Write: TypeAlias = Callable[[Mapping[str, str]], Path]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder. What is imported from it is forgotten at the end."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "RUNNER_CONFIG_PATH", "TAIPY_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def write(folder: Path) -> Write:
    """Write files into the working folder, by name."""

    def write_files(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return folder

    return write_files


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], folder: Path) -> Cli:
    """Run a command line in this process; times and ids in what it writes are made alike."""

    def call(*arguments: str) -> Ended:
        capfd.readouterr()
        code = run(list(arguments))
        sys.stdout.flush()
        out, err = capfd.readouterr()
        return Ended(code, alike(out, folder), alike(err, folder))

    return call


def alike(text: str, folder: Path) -> str:
    text = text.replace(str(folder), "<folder>")
    text = re.sub(r"\b\d\d:\d\d:\d\d\b", "<clock>", text)
    text = re.sub(r"\b([Rr])un [0-9a-z]{4}\b", r"\1un <id>", text)
    text = re.sub(r"\brunner (resume|logs) [0-9a-z]{4}\b", r"runner \1 <id>", text)
    text = re.sub(r'"run": "[0-9a-z]{4}"', '"run": "<id>"', text)
    text = re.sub(r'"seconds": [0-9.e-]+', '"seconds": "<time>"', text)
    return re.sub(r"\b\d+ ms\b|\b\d+\.\d+s\b", "<time>", text)
