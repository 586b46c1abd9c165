"""The legal classification of an access: is a separate importer involved, and on which basis. A record, no verdict.

Kept apart from the place on purpose (`docs/semantics.md`): an employee of the EU entity who travels is not a transfer
(EDPB Guidelines 05/2021, example 5), and an importer stays one wherever its staff sit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from rules.jurisdictions import Classification
from rules.policy import Entity, Policy
from schemas.alert import Basis, Transfer
from schemas.fields import iso
from schemas.places import PlaceClass

FRAMEWORK: Final = {
    ("EU", "US"): "DPF",
    ("EEA_EFTA", "US"): "DPF",
    ("UK", "US"): "UK-DPF",
    ("CH", "US"): "CH-DPF",
    ("EU", "CA"): "PIPEDA",
    ("EEA_EFTA", "CA"): "PIPEDA",
    ("UK", "CA"): "PIPEDA",
    ("CH", "CA"): "PIPEDA",
}
"""Which certification of the employer makes a conditional adequacy decision hold, by regime and country: the
conditions of the decisions as `jurisdictions.csv` gives them."""

_DAY_MS: Final = 86_400_000

DAYS_MAX: Final = 1_000
"""Days whose date is remembered: more than any history that is judged at once."""

NOTHING_RECORDED: Final = "no basis recorded"


def certified(entity: Entity | None, regime: str, country: str) -> bool:
    """Whether the entity meets the condition of the country's conditional adequacy decision."""
    return entity is not None and FRAMEWORK.get((regime, country)) in entity.frameworks


def effective_class(entity: Entity | None, country: str, answer: Classification) -> PlaceClass:
    """Return the class of a country for staff of `entity`: conditional counts as adequate where it is certified."""
    if answer.cls is PlaceClass.CONDITIONAL and certified(entity, answer.judged_under, country):
        return PlaceClass.ADEQUATE
    return answer.cls


@lru_cache(maxsize=DAYS_MAX)
def _day(number: int) -> str:
    return iso(number * _DAY_MS)[:10]


def classify_transfer(
    employer: str | None, policy: Policy, regime: str, at: int, classify: Callable[[str], Classification]
) -> Transfer:
    """Return the classification of an access by staff of `employer` to data under `regime`."""
    day = _day(at // _DAY_MS)
    if employer is None or (entity := policy.entities.get(employer)) is None:
        note = "the employer is not known" if employer is None else "the policy does not know the employer"
        return _transfer(employer, None, "none_recorded", day, regime, f"{NOTHING_RECORDED}: {note}")
    if entity.establishment == "eu":
        return _transfer(None, None, "not_a_transfer", day, regime, "staff of the controller's own entity")
    answer = classify(entity.country)
    if answer.cls is PlaceClass.INSIDE:
        return _transfer(None, None, "not_a_transfer", day, regime, "the importer is inside the perimeter")
    note = f"judged under {answer.judged_under}" if answer.fallback else ""
    if effective_class(entity, entity.country, answer) is PlaceClass.ADEQUATE:
        return _transfer(employer, entity.country, "adequacy", day, regime, note or answer.basis)
    if entity.instruments:
        return _transfer(employer, entity.country, entity.instruments[0], day, regime, note)
    return _transfer(employer, entity.country, "none_recorded", day, regime, note or NOTHING_RECORDED)


def _transfer(importer: str | None, country: str | None, basis: Basis, day: str, regime: str, note: str) -> Transfer:
    return Transfer(importer=importer, importer_country=country, basis=basis, judged_on=day, regime=regime, note=note)
