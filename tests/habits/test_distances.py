"""The least distance of two countries is never more than the true one of two of their cities."""

from __future__ import annotations

from itertools import combinations

import pytest

from demo.cities import CITIES
from rules.habits.distances import Point, apart_km, distance_km, extent


@pytest.mark.parametrize(("one", "other"), list(combinations(sorted(CITIES), 2)))
def test_never_farther_than_their_cities(one: str, other: str) -> None:
    assert apart_km(one, other) == apart_km(other, one)
    assert apart_km(one, other) <= distance_km(Point(*CITIES[one]), Point(*CITIES[other]))


def test_neighbours_are_no_journey_and_continents_are() -> None:
    assert apart_km("IE", "GB") == apart_km("DE", "PL") == apart_km("IE", "IE") == 0.0
    assert apart_km("IE", "ZZ") == 0.0
    assert apart_km("IE", "IN") > 5000
    assert apart_km("NO", "SG") > 8000


def test_every_place_lies_within_the_radius_of_a_point() -> None:
    places = [Point(lat, lon) for lat in range(40, 60, 3) for lon in range(-10, 30, 3)]
    found = extent(places)
    for place in places:
        assert min(distance_km(place, point) for point in found.points) <= found.radius_km + 1e-6
