"""What the bad files call: rows of numbers to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LEARNING_RATE = 0.1


@dataclass
class Model:
    weights: list[float]

    def predict(self, row: dict[str, Any]) -> float:
        return sum(self.weights) * row["value"]

    @classmethod
    def empty(cls) -> Model:
        return cls([])


class Scaler:
    def __init__(self, limits: dict[str, float]) -> None:
        self.limits = limits


def clean(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["value"] is not None]


def build(rows: list[dict[str, Any]], limits: dict[str, float]) -> list[float]:
    return [min(row["value"], limits["high"]) for row in rows]


def train(features: list[float], params: dict[str, float]) -> Model:
    return Model([each * params["rate"] for each in features])


def train_seeded(features: list[float], params: dict[str, float], seed: int) -> Model:
    return Model([each * params["rate"] + seed for each in features])


def split(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    half = len(rows) // 2
    return rows[:half], rows[half:]


def count(rows: list[dict[str, Any]]) -> int:
    return len(rows)


def tune(model: Model, *, rounds: int) -> Model:
    return Model(model.weights * rounds)


def first_params(rounds: int) -> dict[str, float]:
    return {"rate": LEARNING_RATE, "rounds": rounds}


def best(*models: Model) -> Model:
    return max(models, key=lambda model: sum(model.weights))


def announce(model: Model) -> None:
    print(model)


def merge(first: Any, second: Any) -> Any:
    return [*first, *second]


def same(value: Any) -> Any:
    return value
