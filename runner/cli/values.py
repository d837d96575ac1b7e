"""Values as people read them: tables as tables, all else much like JSON, and never without end."""

from __future__ import annotations

import json
import numbers
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from runner.cli.columns import table
from runner.cli.style import Paint, clean, count, width
from runner.data.plain import fields_of, is_missing, table_of
from runner.data.tables import Table, count_rows

MOST_LINES: Final = 1_000
"""Of a value that is no table."""
_CELL: Final = 40
"""Columns that a cell of a table takes at most."""
_LINE: Final = 80
"""Columns up to which a list of plain values stands in one line."""
_TEXT: Final = 1_000
"""Characters of a text, or of what an object says of itself."""
_DEPTH: Final = 50
_MORE_COLUMNS: Final = "..."


def lines_of(value: Any, limit: int, paint: Paint, columns: int | None = None) -> Iterator[str]:
    """The lines that show a value.

    Args:
        value: it.
        limit: how many rows of a table, or parts of a list, are shown.
        paint: how the names of columns are coloured.
        columns: how wide a table may be; None: as wide as it is.
    """
    found = _table(value, limit)
    if found is not None:
        yield from _table_lines(found, _length(value), paint, columns)
    elif _is_several_tables(value):
        for name, each in value.items():
            yield paint(f"== {clean(str(name))}", bold=True)
            yield from lines_of(each, limit, paint, columns)
    else:
        lines = _tree(value, limit, _DEPTH)
        yield from islice(lines, MOST_LINES)
        if next(lines, None) is not None:
            yield f"... cut after {MOST_LINES:,} lines"


def line_of(value: Any) -> str:
    """A value in one line."""
    found = count_rows(value)
    if found is not None:
        return f"a {type(value).__name__} of {count(found, 'row')}"
    return _flat(value, _TEXT) or f"a {type(value).__name__} of {count(len(value), 'part')}"


def _table(value: Any, limit: int) -> Table | None:
    try:
        return table_of(value, limit)
    except Exception:  # noqa: BLE001 - the fields of an object are the user's, and raise anything
        return None


def _is_several_tables(value: Any) -> bool:
    """Whether it is the sheets of a workbook, or the like."""
    is_mapping = isinstance(value, Mapping) and bool(value)
    return is_mapping and all(_table(each, 1) is not None for each in value.values())


def _length(value: Any) -> int:
    found = count_rows(value)
    return len(value) if found is None else found


def _table_lines(found: Table, rows: int, paint: Paint, columns: int | None) -> Iterator[str]:
    head = [_cut(str(name)) for name in found.columns]
    cells = [[_cell(cell) for cell in row] for row in found.rows]
    shown = _fitting(head, cells, columns)
    right = [index for index in range(shown) if _is_numeric([row[index] for row in found.rows])]
    if shown < len(head):
        head[shown:] = [_MORE_COLUMNS]
        cells = [[*row[:shown], ""] for row in cells]
    yield from table(head, cells, paint, right=right)
    more = [f"{count(rows - len(cells), 'more row')}"] if rows > len(cells) else []
    more += [f"{count(len(found.columns) - shown, 'more column')}"] * (shown < len(found.columns))
    if more:
        yield f"... {' and '.join(more)}"
    elif not cells:
        yield "no rows"


def _fitting(head: list[str], cells: list[list[str]], columns: int | None) -> int:
    """How many columns fit, at least one."""
    if columns is None:
        return len(head)
    widths = [max(map(width, column)) + 2 for column in zip(head, *cells, strict=True)]
    room = columns + 2
    if sum(widths) <= room:
        return len(head)
    room -= len(_MORE_COLUMNS) + 2
    fit = sum(sum(widths[: end + 1]) <= room for end in range(len(widths)))
    return max(fit, 1)


def _cell(cell: Any) -> str:
    if is_missing(cell):
        return "-"
    text = cell if isinstance(cell, str) else _said(cell, str)
    return _cut(text)


def _cut(text: str) -> str:
    text = text[: _CELL + 1].replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= _CELL else f"{text[: _CELL - 3]}..."


def _is_numeric(cells: list[Any]) -> bool:
    there = [cell for cell in cells if not is_missing(cell)]
    return bool(there) and all(
        isinstance(cell, numbers.Number) and not isinstance(cell, bool) for cell in there
    )


def _tree(value: Any, limit: int, depth: int) -> Iterator[str]:
    """The lines of a value that is no table."""
    flat = _flat(value, _LINE)
    if flat is not None:
        yield flat
        return
    name, begin, end, named = _parts(value)
    if depth == 0:
        yield f"{name}{begin} ... {end}"
        return
    yield f"{name}{begin}"
    items = iter(named.items()) if isinstance(named, Mapping) else ((None, each) for each in named)
    left = len(named)
    for key, item in islice(items, limit):
        left -= 1
        before = "" if key is None else f"{_scalar(key)}: "
        lines = _tree(item, limit, depth - 1)
        line = f"{before}{next(lines)}"
        for following in lines:
            yield f"  {line}"
            line = following
        yield f"  {line}," if left else f"  {line}"
    if left:
        yield f"  ... {left:,} more"
    yield end


def _parts(value: Any) -> tuple[str, str, str, Any]:
    """The name of what holds others, its brackets, and what it holds; all as they are shown."""
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        return "", "[", "]", value
    if isinstance(value, set | frozenset):
        return "", "{", "}", value
    name = "" if isinstance(value, dict) else f"{type(value).__name__} "
    return name, "{", "}", fields_of(value)


def _flat(value: Any, columns: int) -> str | None:
    """The value in one line, where it holds nothing, or little; else None."""
    if not _holds_others(value):
        return _scalar(value)
    name, begin, end, held = _parts(value)
    if len(held) * 2 > columns:
        return None
    is_named = isinstance(held, Mapping)
    cells = [*held.values(), *held] if is_named else [*held]
    if any(map(_holds_others, cells)):
        return None
    texts = [f"{_scalar(key)}: {_scalar(held[key])}" for key in held] if is_named else []
    line = f"{name}{begin}{', '.join(texts or map(_scalar, held))}{end}"
    return line if len(line) <= columns else None


def _holds_others(value: Any) -> bool:
    if isinstance(value, str | bytes | bytearray):
        return False
    try:
        return isinstance(value, list | tuple | set | frozenset) or fields_of(value) is not None
    except Exception:  # noqa: BLE001 - the fields of an object are the user's, and raise anything
        return False


def _scalar(value: Any) -> str:
    """A value that holds no others, in one line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        text = json.dumps(value[:_TEXT], ensure_ascii=False)
        return text if len(value) <= _TEXT else f"{text}... ({count(len(value), 'character')})"
    if isinstance(value, bytes | bytearray):
        text = repr(bytes(value[:_TEXT]))
        return text if len(value) <= _TEXT else f"{text}... ({count(len(value), 'byte')})"
    said = clean(_said(value, repr))
    first, _, rest = said.partition("\n")
    return f"{first[:_TEXT]} ..." if rest or len(first) > _TEXT else first


def _said(value: Any, say: Any) -> str:
    try:
        text: str = say(value)
    except Exception:  # noqa: BLE001 - the user's __repr__ raises anything, and Python's of long numbers
        return f"a {type(value).__name__} of which no text can be made"
    return text
