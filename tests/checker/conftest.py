from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from runner.checker.check import check
from runner.config.loader import Loaded, load
from runner.functions.modules import modules_of

Find: TypeAlias = Callable[[str], list[str]]
FindIn: TypeAlias = Callable[[str, Mapping[str, str]], list[str]]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Loaded]:
    monkeypatch.chdir(tmp_path)

    def load_text(text: str) -> Loaded:
        path = tmp_path / "runner.toml"
        path.write_text(text, encoding="utf-8")
        return load([path], environ={"FROM_ENV": "hunter2"})

    return load_text


@pytest.fixture
def found(loaded: Callable[[str], Loaded]) -> Find:
    """What loading and all rules but those on functions say of a TOML text."""

    def find(text: str) -> list[str]:
        read = loaded(text)
        return [str(each) for each in (*read.diagnostics, *check(read.config))]

    return find


@pytest.fixture
def found_in(loaded: Callable[[str], Loaded], tmp_path: Path) -> FindIn:
    """The same and the rules on functions, with modules beside the config."""

    def find(text: str, modules: Mapping[str, str]) -> list[str]:
        for name, source in modules.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        read = loaded(text)
        diagnostics = [*read.diagnostics, *check(read.config, modules_of(read.config))]
        return [str(each).replace(str(tmp_path), "<app>") for each in diagnostics]

    return find
