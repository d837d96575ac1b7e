"""The steps from daily weather records to a report; pipeline.toml says how they are joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

Limits: TypeAlias = Mapping[str, Sequence[float]]
Thresholds: TypeAlias = Mapping[str, float]
Record: TypeAlias = dict[str, Any]

SEASONS = ("winter", "spring", "summer", "autumn")


def clean(raw: pd.DataFrame, limits: Limits) -> tuple[pd.DataFrame, dict[str, int]]:
    """Keep one plausible row a day, and count what was found.

    Raises:
        ValueError: no row is left.
    """
    dates = pd.to_datetime(raw["date"], format="%Y/%m/%d", errors="coerce")
    dated = raw.assign(date=dates).dropna(subset=["date"])
    unique = dated.drop_duplicates("date", keep="last")
    days = unique[is_plausible(unique, limits)].sort_values("date", ignore_index=True)
    if days.empty:
        raise ValueError("no row has both a readable date and plausible values")
    sunny_but_wet = days["weather"].eq("sun") & days["precipitation"].gt(0)
    quality = {
        "rows_read": len(raw),
        "unreadable_dates": len(raw) - len(dated),
        "repeated_days": len(dated) - len(unique),
        "implausible_rows": len(unique) - len(days),
        "days_kept": len(days),
        "days_missing": (days["date"].iloc[-1] - days["date"].iloc[0]).days + 1 - len(days),
        "sunny_days_with_rain": int(sunny_but_wet.sum()),
    }
    return with_calendar(days), quality


def is_plausible(rows: pd.DataFrame, limits: Limits) -> pd.Series[bool]:
    """Whether every value is there and within its limits, and no night is warmer than its day."""
    plausible = rows["temp_min"] <= rows["temp_max"]
    for column, (lowest, highest) in limits.items():
        plausible &= rows[column].between(lowest, highest)
    return plausible


def with_calendar(days: pd.DataFrame) -> pd.DataFrame:
    month = days["date"].dt.month
    return days.assign(
        year=days["date"].dt.year,
        month=month,
        season=(month % 12 // 3).map(dict(enumerate(SEASONS))),
        temp_mean=(days["temp_max"] + days["temp_min"]) / 2,
    )


def summarise_months(days: pd.DataFrame, thresholds: Thresholds) -> pd.DataFrame:
    """One row a month."""
    marked = days.assign(wet=days["precipitation"] >= thresholds["wet_day"])
    months = marked.groupby(["year", "month"], as_index=False).agg(
        days=("date", "size"),
        wet_days=("wet", "sum"),
        precipitation=("precipitation", "sum"),
        temp_mean=("temp_mean", "mean"),
        temp_max=("temp_max", "max"),
        temp_min=("temp_min", "min"),
        wind=("wind", "mean"),
    )
    return months.round({"precipitation": 1, "temp_mean": 1, "wind": 1})


def find_extremes(days: pd.DataFrame) -> dict[str, Record]:
    """The day that holds each record; the first one where several do."""
    return {
        "hottest_day": extreme(days["date"], days["temp_max"], "°C"),
        "coldest_night": extreme(days["date"], days["temp_min"], "°C", lowest=True),
        "largest_swing": extreme(days["date"], days["temp_max"] - days["temp_min"], "°C"),
        "wettest_day": extreme(days["date"], days["precipitation"], "mm"),
        "windiest_day": extreme(days["date"], days["wind"], "m/s"),
    }


def extreme(
    dates: pd.Series[Any], values: pd.Series[float], unit: str, *, lowest: bool = False
) -> Record:
    where = int(values.argmin() if lowest else values.argmax())
    return {"date": iso(dates.iloc[where]), "value": rounded(values.iloc[where]), "unit": unit}


def find_spells(days: pd.DataFrame, thresholds: Thresholds) -> dict[str, Record | None]:
    """The longest stretches of wet and of dry days; a missing day ends a stretch."""
    wet = days["precipitation"] >= thresholds["wet_day"]
    starts = wet.astype(int).diff().ne(0) | days["date"].diff().ne(pd.Timedelta(days=1))
    spells = (
        days.assign(wet=wet)
        .groupby(starts.cumsum())
        .agg(
            wet=("wet", "first"),
            first=("date", "min"),
            last=("date", "max"),
            days=("date", "size"),
            precipitation=("precipitation", "sum"),
        )
    )
    return {
        "longest_wet": longest(spells[spells["wet"]]),
        "longest_dry": longest(spells[~spells["wet"]]),
    }


def longest(spells: pd.DataFrame) -> Record | None:
    if spells.empty:
        return None
    spell = spells.iloc[int(spells["days"].argmax())]
    return {
        "days": int(spell["days"]),
        "first": iso(spell["first"]),
        "last": iso(spell["last"]),
        "precipitation": rounded(spell["precipitation"]),
    }


def find_trend(days: pd.DataFrame, thresholds: Thresholds) -> Record:
    """Every year beside the others, and the slope of a line through their mean temperatures."""
    marked = days.assign(
        hot=days["temp_max"] >= thresholds["hot_day"],
        frost=days["temp_min"] <= thresholds["frost_day"],
    )
    years = marked.groupby("year", as_index=False).agg(
        temp_mean=("temp_mean", "mean"), hot_days=("hot", "sum"), frost_days=("frost", "sum")
    )
    slope = years["year"].cov(years["temp_mean"]) / years["year"].var()
    return {
        "years": years.round({"temp_mean": 1}).to_dict("records"),
        "celsius_per_year": rounded(slope, 2) if len(years) > 1 else None,
    }


def count_weather(days: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The share of each kind of weather in a season's days, in percent."""
    shares = pd.crosstab(days["season"], days["weather"], normalize="index").mul(100)
    return {
        str(season): {str(kind): rounded(share) for kind, share in row.items()}
        for season, row in shares.sort_index(key=lambda names: names.map(SEASONS.index)).iterrows()
    }


def write_report(
    months: pd.DataFrame,
    extremes: dict[str, Record],
    spells: dict[str, Record | None],
    trend: Record,
    weather_types: dict[str, dict[str, float]],
) -> Record:
    """Everything a reader wants to know, the most telling first."""
    first, last = months["year"].min(), months["year"].max()
    return {
        "title": f"Weather in Seattle, {first} to {last}",
        "in_short": [*about_rain(months, spells), *about_temperature(extremes, trend)],
        "extremes": extremes,
        "spells": spells,
        "trend": trend,
        "weather_in_percent_of_days": weather_types,
    }


def about_rain(months: pd.DataFrame, spells: dict[str, Record | None]) -> Iterator[str]:
    days, wet_days = months["days"].sum(), months["wet_days"].sum()
    yield f"{wet_days} of {days} days were wet: {wet_days / days:.0%}."
    wettest = months.nlargest(1, "precipitation").to_dict("records")[0]
    month = f"{wettest['year']}-{wettest['month']:02}"
    yield f"The wettest month was {month}, with {wettest['precipitation']} mm."
    for kind in ("wet", "dry"):
        if spell := spells[f"longest_{kind}"]:
            yield f"It stayed {kind} for up to {spell['days']} days, until {spell['last']}."


def about_temperature(extremes: dict[str, Record], trend: Record) -> Iterator[str]:
    hottest, coldest = extremes["hottest_day"], extremes["coldest_night"]
    yield f"The hottest day was {hottest['date']}, with {hottest['value']} °C."
    yield f"The coldest night was {coldest['date']}, with {coldest['value']} °C."
    warmest = max(trend["years"], key=lambda year: year["temp_mean"])
    yield f"The warmest year was {warmest['year']}, with {warmest['temp_mean']} °C on average."


def iso(day: pd.Timestamp) -> str:
    return day.date().isoformat()


def rounded(value: float, digits: int = 1) -> float:
    """A plain float: numpy's own kind is nothing that json could write."""
    return round(float(value), digits)
