"""Local days: daylight saving, half-hour zones, weekends and holidays of the place."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from rules.habits.calendar import HOUR_MS, day_off, span_at, zones_of


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "moment", "hours", "hour"),
    [
        ("Europe/Dublin", "2026-03-29T12:00:00", 23, 13),
        ("Europe/Dublin", "2026-10-25T12:00:00", 25, 12),
        ("Asia/Kolkata", "2026-03-02T18:45:00", 24, 0),
        ("America/St_Johns", "2026-01-05T12:00:00", 24, 8),
        ("No/Such_Zone", "2026-01-05T12:00:00", 24, 12),
        ("../../etc/passwd", "2026-01-05T12:00:00", 24, 12),
    ],
)
def test_local_hours_and_days(zone: str, moment: str, hours: int, hour: int) -> None:
    span = span_at(zone, at(moment))
    assert span.day_from <= span.hour_from <= at(moment) < span.hour_until <= span.day_until
    assert (span.day_until - span.day_from) / HOUR_MS == hours
    assert span.hour == hour


@pytest.mark.parametrize(
    ("country", "on", "off"),
    [
        ("IE", date(2026, 3, 17), True),  # Saint Patrick's Day
        ("NO", date(2026, 5, 17), True),  # Constitution Day
        ("DE", date(2026, 3, 17), False),
        ("AE", date(2026, 3, 6), False),  # a Friday
        ("SA", date(2026, 3, 6), True),  # the weekend there
        (None, date(2026, 3, 7), True),
        ("ZZ", date(2026, 3, 9), False),
    ],
)
def test_days_off(country: str | None, on: date, off: bool) -> None:
    assert day_off(country, on.toordinal()) is off


def test_zones_of_countries() -> None:
    assert zones_of("IE") == ("Europe/Dublin",)
    assert "America/Los_Angeles" in zones_of("US")
    assert zones_of(None) == zones_of("ZZ") == ()
