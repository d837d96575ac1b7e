"""The pages of the codes: what each means, why it matters, how it is mended."""

from __future__ import annotations

from importlib.resources import files

import attrs


@attrs.frozen
class Page:
    """What there is to say of a code.

    Attributes:
        code: `RUNnnn`.
        title: code and slug.
        meaning: one line.
        text: all of it as Markdown, title and meaning too.
    """

    code: str
    title: str
    meaning: str
    text: str


def page_of(code: str) -> Page:
    """The page of a code of `CODES`."""
    text = files("runner.checker.codes").joinpath(f"{code}.md").read_text(encoding="utf-8")
    title, meaning, _ = text.split("\n\n", 2)
    return Page(code=code, title=title.removeprefix("# "), meaning=meaning, text=text)
