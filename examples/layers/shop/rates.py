"""What a currency costs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from statistics import mean

BANKS: Mapping[str, Mapping[str, float]] = {
    "north": {"EUR": 1.0, "USD": 1.08, "SEK": 11.3},
    "south": {"EUR": 1.0, "USD": 1.1, "SEK": 11.1},
}


async def fetch_rate(currency: str) -> float:
    """How much of a currency one euro buys: the mean of what the banks say."""
    answers = await asyncio.gather(*(ask(bank, currency) for bank in BANKS))
    return round(mean(answers), 4)


async def ask(bank: str, currency: str) -> float:
    await asyncio.sleep(0)  # stands for the way to the bank and back
    return BANKS[bank][currency]
