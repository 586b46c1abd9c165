"""How far two countries are apart at least.

Each country is told by up to sixteen of its airports, chosen so that every other one lies near one of them, and by how
near (`country_points.csv`). The distance between two countries is that of their nearest points less both radii: never
more than the true distance between any two of their airports, so that nobody is said to have travelled faster than they
did. Neighbours are 0 km apart.

`table` writes it anew from a list of airports with the columns `country`, `lat` and `lon` (the shipped one is made of
airportsdata of September 2026, MIT licence).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from math import asin, cos, radians, sin, sqrt
from typing import Final, NamedTuple

from schemas.countries import NAMES

EARTH_KM: Final = 6371.0
"""Mean radius of the Earth (IUGG)."""

POINTS: Final = 16
"""Points that tell a country: beyond them the radius hardly shrinks, but for the very largest."""

TABLE: Final = "country_points.csv"


class Point(NamedTuple):
    """A place, in degrees."""

    lat: float
    lon: float


class Extent(NamedTuple):
    """Where a country is: every one of its airports is within `radius_km` of one of the points."""

    points: tuple[Point, ...]
    radius_km: float


@lru_cache(maxsize=len(NAMES) ** 2)
def apart_km(first: str, second: str) -> float:
    """Return the least distance of two countries in km; 0 where nothing is known of one of them."""
    if first == second:
        return 0.0
    one, other = _extents().get(first), _extents().get(second)
    if one is None or other is None:
        return 0.0
    nearest = min(distance_km(a, b) for a in one.points for b in other.points)
    return max(0.0, nearest - one.radius_km - other.radius_km)


def distance_km(one: Point, other: Point) -> float:
    """Return the length of the great circle between two places."""
    lat, lat2 = radians(one.lat), radians(other.lat)
    half = sin((lat2 - lat) / 2) ** 2 + cos(lat) * cos(lat2) * sin(radians(other.lon - one.lon) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))


def extent(places: list[Point]) -> Extent:
    """Return the points that tell a country best: each next one is the place farthest from those before."""
    chosen = [places[0]]
    far = [distance_km(place, chosen[0]) for place in places]
    while len(chosen) < POINTS and max(far) > 0:
        chosen.append(places[far.index(max(far))])
        far = [min(least, distance_km(place, chosen[-1])) for least, place in zip(far, places, strict=True)]
    return Extent(tuple(chosen), max(far))


@lru_cache(maxsize=1)
def _extents() -> dict[str, Extent]:
    text = resources.files(__package__).joinpath(TABLE).read_text(encoding="utf-8")
    points: dict[str, list[Point]] = {}
    radius: dict[str, float] = {}
    for row in csv.DictReader(text.splitlines()):
        points.setdefault(row["country"], []).append(Point(float(row["lat"]), float(row["lon"])))
        radius[row["country"]] = float(row["radius_km"])
    return {country: Extent(tuple(found), radius[country]) for country, found in points.items()}


def table(airports: Iterable[dict[str, str]]) -> str:
    """Return the table of a list of airports."""
    places: dict[str, list[Point]] = {}
    for row in airports:
        if row["country"] in NAMES:
            places.setdefault(row["country"], []).append(Point(float(row["lat"]), float(row["lon"])))
    lines = ["country,lat,lon,radius_km"]
    for country in sorted(places):
        found = extent(sorted(places[country]))
        lines += [f"{country},{point.lat:.2f},{point.lon:.2f},{found.radius_km + 2:.0f}" for point in found.points]
    return "\n".join(lines) + "\n"
