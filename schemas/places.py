"""Classes of place: from which kind of country, in law and by the policy's perimeter, data was reached."""

from __future__ import annotations

from enum import StrEnum


class PlaceClass(StrEnum):
    """Where an access came from, ordered by how bad it is for data inside the perimeter."""

    INSIDE = "inside"
    ADEQUATE = "adequate"
    CONDITIONAL = "conditional"
    THIRD_COUNTRY = "third_country"
    UNKNOWN = "unknown"

    @property
    def badness(self) -> int:
        """0 (inside) to 3 (third country); unknown is judged as the worst of what it could be."""
        return _BADNESS[self]

    def worse_than(self, other: PlaceClass) -> bool:
        """Whether an access from here is worse than one from `other`."""
        return self.badness > other.badness


_BADNESS = {
    PlaceClass.INSIDE: 0,
    PlaceClass.ADEQUATE: 1,
    PlaceClass.CONDITIONAL: 2,
    PlaceClass.THIRD_COUNTRY: 3,
    PlaceClass.UNKNOWN: 3,
}
