"""Local hours and days, weekends and public holidays. Daylight saving is the time zone database's business."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from importlib import resources
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import holidays

HOUR_MS: Final = 3_600_000

DAY_MS: Final = 24 * HOUR_MS

LAST_DAY: Final = date.max - timedelta(days=1)
"""The last day of which the next one's midnight is known in every time zone."""

WEEKEND: Final = frozenset({5, 6})
"""Saturday and Sunday, where the holidays of a country are not known."""

CALENDARS_MAX: Final = 300
"""Countries whose holidays are remembered: all of them."""


class Span(NamedTuple):
    """A local hour and the local day around it. Times are milliseconds; a day may have 23 or 25 hours."""

    hour_from: int
    hour_until: int
    day_from: int
    day_until: int
    day: int
    """Number of the local day, 1 for 1 January of year 1."""
    hour: int
    """0 to 23."""


def span_at(zone: str, at: int) -> Span:
    """Return the local hour and day of a moment; an unknown zone counts as UTC."""
    where = _zone(zone)
    local = datetime.fromtimestamp(at / 1000, where)
    into = (local.minute * 60 + local.second) * 1000 + at % 1000
    hour_from = at - into
    today = local.date()
    day_from = _midnight(today, where)
    day_until = day_from + DAY_MS if today >= LAST_DAY else _midnight(today + timedelta(days=1), where)
    return Span(hour_from, hour_from + HOUR_MS, day_from, day_until, today.toordinal(), local.hour)


def local_hour(zone: str, at: int) -> int:
    """Return the hour of a moment, 0 to 23, on another zone's clocks."""
    return datetime.fromtimestamp(at / 1000, _zone(zone)).hour


@lru_cache(maxsize=65_536)
def day_off(country: str | None, day: int) -> bool:
    """Whether a local day is a weekend or a public holiday of a country."""
    on = date.fromordinal(day)
    known = None if country is None else _holidays(country)
    if known is None:
        return on.weekday() in WEEKEND
    return on.weekday() in known.weekend or on in known


@lru_cache(maxsize=8192)
def public_holiday(country: str, hour: int) -> bool:
    """Whether an hour since 1970 (UTC) lies on a public holiday of a country that is no day off anyway."""
    zones = zones_of(country)
    on = datetime.fromtimestamp(hour * 3600, _zone(zones[0] if zones else "UTC")).date()
    known = _holidays(country)
    return known is not None and on.weekday() not in known.weekend and on in known


def zones_of(country: str | None) -> tuple[str, ...]:
    """Return the time zones of a country, the one with most people first as the database lists them; none unknown."""
    return _zones().get(country or "", ())


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # ZoneInfoNotFoundError is a LookupError
        return UTC


@lru_cache(maxsize=8192)
def _midnight(day: date, where: tzinfo) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=where).timestamp() * 1000)


@lru_cache(maxsize=CALENDARS_MAX)
def _holidays(country: str) -> holidays.HolidayBase | None:
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return None


@lru_cache(maxsize=1)
def _zones() -> dict[str, tuple[str, ...]]:
    """Return the zones by country, from the table that the time zone database ships with itself."""
    table = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    found: dict[str, tuple[str, ...]] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found[country] = (*found.get(country, ()), zone)
    return found
