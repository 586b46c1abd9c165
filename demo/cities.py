"""Where people live, for journeys: the largest city or the capital of some countries."""

from __future__ import annotations

import math
from typing import Final

CITIES: Final = {
    "IE": (53.3, -6.3),
    "NO": (59.9, 10.7),
    "DE": (52.5, 13.4),
    "ES": (40.4, -3.7),
    "PL": (52.2, 21.0),
    "IN": (12.97, 77.6),
    "US": (40.7, -74.0),
    "SG": (1.35, 103.8),
    "BR": (-23.55, -46.6),
    "JP": (35.7, 139.7),
    "ZA": (-26.2, 28.0),
    "AU": (-33.9, 151.2),
}
"""Country → latitude and longitude in degrees."""


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the length of the great circle between two places, in km."""
    lat, lon, lat2, lon2 = map(math.radians, (*one, *other))
    half = math.sin((lat2 - lat) / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return 2 * 6371 * math.asin(math.sqrt(half))
