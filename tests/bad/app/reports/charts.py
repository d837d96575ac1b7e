from __future__ import annotations


def bar_chart(values: list[float], width: int = 80) -> str:
    return "\n".join("#" * min(width, int(value)) for value in values)
