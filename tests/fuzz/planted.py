"""Plant a mistake in a right config, and see whether `check` tells it: there, and nowhere else.

    python tests/fuzz/planted.py --examples 5000 [--seed 1] [--kind "cut a quote"] [--missed]

prints how many were told of each kind of `mistakes.KINDS`; tests/test_planted.py holds the share.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from types import MappingProxyType

import attrs
from ground import Line, Planted
from mistakes import KINDS, plant
from pipelines import Pipeline, from_examples, generated

from runner.checker.check import check
from runner.config.document import Places
from runner.config.loader import load
from runner.diagnostics import Diagnostic
from runner.functions.modules import modules_of


@attrs.frozen
class Verdict:
    """What became of a mistake.

    Attributes:
        kind: a key of `KINDS`.
        planted: the mistake.
        told: whether a diagnostic with a code of the kind is at its place or next to it.
        elsewhere: what was said of other places.
    """

    kind: str
    planted: Planted
    told: bool
    elsewhere: tuple[Diagnostic, ...]

    @property
    def outcome(self) -> str:
        if not self.told:
            return "missed"
        return "elsewhere too" if self.elsewhere else "right"

    def __str__(self) -> str:
        changed = [
            f"  {file}:{number}: {line}"
            for file, text in self.planted.texts.items()
            for number, line in enumerate(text.splitlines(), 1)
            if (file, number) in self.planted.lines
        ]
        said = [
            f"  {each.place.start.line if each.place else '?'}: said elsewhere: {each}"
            for each in self.elsewhere
        ]
        return "\n".join([f"{self.kind}: {self.outcome}", *changed[:8], *said[:8]])


def judged(pipeline: Pipeline, kind: str, planted: Planted) -> Verdict:
    """What `check` says of a mistake of that kind."""
    found = diagnostics(pipeline.folder, planted.texts)
    at = [each for each in found if _is_at(each, planted.lines)]
    told = any(each.code in KINDS[kind].codes for each in at)
    return Verdict(kind, planted, told, tuple(each for each in found if each not in at))


def diagnostics(
    folder: Path, texts: Mapping[str, str], *, environ: Mapping[str, str] = MappingProxyType({})
) -> Sequence[Diagnostic]:
    """All that is wrong with files that are written into a folder, with places."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    loaded = load([folder / name for name in texts], environ=environ)
    found = [*loaded.diagnostics, *check(loaded.config, modules_of(loaded.config))]
    places = Places(loaded.document)
    return [places.located(each) for each in found]


def _is_at(diagnostic: Diagnostic, lines: Iterable[Line]) -> bool:
    """Whether it is about one of the lines or one next to it, itself or by a related place."""
    places = [diagnostic.place, *(related.place for related in diagnostic.related)]
    return any(
        place is not None
        and os.path.basename(place.file) == file  # noqa: PTH119 - a name, not a path
        and abs(place.start.line - line) <= 1
        for place in places
        for file, line in lines
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--examples", type=int, default=5000, help="mistakes to plant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=[*KINDS], action="append", help="only such mistakes")
    parser.add_argument("--missed", action="store_true", help="show what was not told right")
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in options.kind or KINDS}
    for verdict in _verdicts(list(counts), options.examples, Random(options.seed)):
        counts[verdict.kind][verdict.outcome] += 1
        if options.missed and verdict.outcome != "right":
            print(f"{verdict}\n")
    _print_counts(counts)
    return 0


def _verdicts(kinds: Sequence[str], examples: int, random: Random) -> Iterator[Verdict]:
    with tempfile.TemporaryDirectory() as folder:
        large = generated(Path(folder) / "generated", random.randrange(1_000_000))
        pipelines = [*from_examples(Path(folder)), large]
        for number in range(examples):
            kind = kinds[number % len(kinds)]
            for pipeline in (random.choice(pipelines), large):
                planted = plant(kind, pipeline, random)
                if planted is not None:
                    yield judged(pipeline, kind, planted)
                    break


def _print_counts(counts: Mapping[str, Counter[str]]) -> None:
    print(f"{'':40} {'planted':>8} {'right':>8} {'missed':>8} {'elsewhere too':>14}")
    total = sum(counts.values(), Counter[str]())
    for name, count in [*counts.items(), ("all", total)]:
        share = f"{count['right'] / max(count.total(), 1):.2%}"
        row = f"{count['missed']:8,} {count['elsewhere too']:14,}"
        print(f"{name:40} {count.total():8,} {share:>8} {row}")


if __name__ == "__main__":
    sys.exit(main())
