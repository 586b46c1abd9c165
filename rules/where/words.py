"""The words of reports: classes of place and bases of transfer as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.alert import Basis
from schemas.places import PlaceClass

CLASSES: Final[Mapping[PlaceClass, str]] = {
    PlaceClass.INSIDE: "inside",
    PlaceClass.ADEQUATE: "adequate",
    PlaceClass.CONDITIONAL: "conditional",
    PlaceClass.THIRD_COUNTRY: "third country",
    PlaceClass.UNKNOWN: "unknown",
}

BASES: Final[Mapping[Basis, str]] = {
    "adequacy": "adequacy decision",
    "scc": "standard clauses",
    "bcr": "binding rules",
    "art49": "Art. 49",
    "not_a_transfer": "no transfer",
    "none_recorded": "no basis recorded",
}
"""Short: GDPR Art. 45, 46(2)(c), 47, 49; the last is a statement about our records, and none about the law."""

UNKNOWN: Final = "unknown"


def or_unknown(value: str) -> str:
    """Return a value, or the word for one that nothing says."""
    return value or UNKNOWN
