"""Secrets, taken out of what is shown and kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

import attrs

STARS: Final = "***"
LEAST: Final = 4
"""Characters of a secret; a shorter one would turn up in every other word."""
_BLOCK: Final = 1 << 24
"""Bytes of a file that are looked through at once."""


@attrs.frozen(slots=False)
class Mask:
    """Takes secrets out of texts and files, also as URLs, JSON, Python and base64 have them.

    Attributes:
        secrets: of `LEAST` characters each, or more.
    """

    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.secrets)

    @property
    def reach(self) -> int:
        """Bytes that a secret takes in a file at most."""
        return 4 * len(self._forms[0]) if self.secrets else 0

    def text(self, text: str) -> str:
        """The text with stars for secrets."""
        return self._pattern.sub(STARS, text) if self.secrets else text

    def conceal(self, file: str, start: int, end: int) -> None:
        """Overwrite secrets in a part of a file with as many stars: all else stays where it is.

        What cannot be opened, or is not there any more, is left alone.
        """
        if not self.secrets:
            return
        try:
            with open(file, "r+b", buffering=0) as opened:  # noqa: PTH123 - a path is text here
                while start < end:
                    opened.seek(start)
                    data = opened.read(min(end - start, _BLOCK))
                    for found in self._bytes.finditer(data):
                        opened.seek(start + found.start())
                        opened.write(b"*" * len(found[0]))
                    is_last = len(data) < _BLOCK
                    start += len(data) - (0 if is_last else self.reach)
                    if is_last:
                        return
        except OSError:
            return

    @cached_property
    def _forms(self) -> list[str]:
        """How secrets may be written; the longest first, since one may be a part of another."""
        return sorted({form for each in self.secrets for form in _forms(each)}, key=len)[::-1]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._forms)))

    @cached_property
    def _bytes(self) -> re.Pattern[bytes]:
        forms = [form.encode("utf-8", "surrogateescape") for form in self._forms]
        return re.compile(b"|".join(map(re.escape, forms)))


NO_MASK: Final = Mask()


def _forms(secret: str) -> set[str]:
    import json  # here, since most processes have no secret
    from urllib.parse import quote, quote_plus

    data = secret.encode("utf-8", "surrogateescape")
    return {
        secret,
        quote(data, safe=""),
        quote(data),
        quote_plus(data),
        repr(secret)[1:-1],
        repr(data)[2:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        *map(bytes.decode, _in_base64(data)),
    }


def _in_base64(data: bytes) -> Iterator[bytes]:
    """The secret alone, and what of it stays the same behind one or two other bytes."""
    import base64

    yield base64.b64encode(data)
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data)
        inner = whole[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]
        if len(inner) >= LEAST:
            yield inner
            yield inner.replace(b"+", b"-").replace(b"/", b"_")
