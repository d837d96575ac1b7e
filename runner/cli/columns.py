"""Tables as people read them: columns below each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from runner.cli.style import Paint, clean, width


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    paint: Paint,
    *,
    colored: int = 0,
    colors: Sequence[str | None] = (),
    right: Collection[int] = (),
) -> Iterator[str]:
    """Lines of columns, one of which is coloured.

    Args:
        head: the names of the columns; none: there is no such line.
        rows: the cells.
        paint: how lines are coloured.
        colored: the column that is.
        colors: of its cells, one a row; none: it is as the others.
        right: the columns that end below each other, as those of numbers do.
    """
    cleaned = [[clean(cell) for cell in row] for row in rows]
    all_ = [head, *cleaned] if head else cleaned
    widths = [max(map(width, column)) for column in zip(*all_, strict=True)]
    if head:
        yield paint("  ".join(_padded(head, widths, right)).rstrip(), dim=True)
    for row, color in zip(cleaned, colors or [None] * len(cleaned), strict=True):
        cells = _padded(row, widths, right)
        if color is not None:
            cells[colored] = paint(cells[colored], fg=color)
        yield "  ".join(cells).rstrip()


def filled(head: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """The columns in which any row has something."""
    kept = [index for index in range(len(head)) if any(row[index] for row in rows)]
    return [head[index] for index in kept], [[row[index] for index in kept] for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    cells = []
    for index, (cell, size) in enumerate(zip(row, widths, strict=True)):
        space = " " * (size - width(cell))
        cells.append(space + cell if index in right else cell + space)
    return cells
