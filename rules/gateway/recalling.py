"""What was weighed and found clean, remembered as the stream remembers it: under what person, place and dataset mean.

A clean verdict is a function of the access's meaning and of the fields that rules read (`rules/meaning.py`,
`rules/session.py`), and so is everything that a decision takes from it: place, obligations, roles, how long it holds.
What is found, hidden, failed, approved, overridden or missing is judged anew each time; so is whoever has approvals,
since those end decisions. A change of a person's rows or approvals drops what they mean, a change of a dataset makes
another history of it, another policy is another decision point: the same that ends what the stream remembers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from rules.facts import ALWAYS_READ, EVENT_FIELDS
from rules.judge import Judge, Verdict
from rules.knowledge import Person
from rules.meaning import Meanings
from rules.session import BY_MEANING
from schemas.access import AccessEvent
from schemas.decision import Obligations
from schemas.places import PlaceClass

RECALLED_MAX: Final = 65_536
"""Clean outcomes remembered, some 300 bytes each; the next one forgets them all."""


class Outcome(NamedTuple):
    """What a decision takes from a clean verdict; on [`law_since`, `law_until`) and while the meanings hold."""

    law_since: int
    law_until: int
    country: str | None
    place_class: PlaceClass
    roles: frozenset[str]
    obligations: Obligations
    ticket_refused: bool


class Place(NamedTuple):
    """Where in the memory an access belongs, and until when its meaning holds."""

    key: Hashable
    until: int


class Recall:
    """Clean outcomes under one policy. It keeps meanings beside people: one at a time over the same directories."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        policy = judge.policy
        reads = ALWAYS_READ.union(*(rule.reads for rule in judge.rules)) & EVENT_FIELDS.keys()
        fields = {name for read in reads for name in EVENT_FIELDS[read]} | {"dataset_id", "action", "purpose"}
        self._key = attrgetter(*sorted(fields - BY_MEANING))
        self._tickets = {
            name: policy.ticket_patterns[name].fullmatch for name, purpose in policy.purposes.items() if purpose.ticket
        }
        self._bounds = sorted({time for e in policy.exemptions for time in (e.since, e.until)})
        self._begin()

    def _begin(self) -> None:
        self._judge.joiner.knowledge.forget_verdicts()
        self._meanings = Meanings(self._judge.joiner)
        self._outcomes: dict[Hashable, Outcome] = {}

    def place(self, event: AccessEvent, person: Person) -> Place | None:
        """Return where an access belongs; None where nothing may be remembered of this person."""
        if person.approvals:
            return None
        if self._meanings.full:
            self._begin()
        at = event.occurred_at
        where = event.dataset_id, event.source_ip, event.device_country
        scene = None if person.meaning is None else person.meaning.scenes.get(where)
        if (
            scene is None
            or not scene.since <= at < scene.until
            or scene.timeline is not self._judge.joiner.knowledge.datasets.get(event.dataset_id)
        ):
            scene = self._meanings.scene(person, at, where)
        asked = self._tickets.get(event.purpose)  # type: ignore[arg-type]  # UNSET is in no table
        ticket: Any = None
        if asked is not None:
            ticket = UNSET if event.ticket is UNSET else asked(event.ticket) is not None
        following = bisect_right(self._bounds, at)
        until = scene.until if following == len(self._bounds) else min(scene.until, self._bounds[following])
        return Place((scene.number, ticket, self._key(event)), until)

    def find(self, place: Place, at: int) -> Outcome | None:
        """Return what is remembered, None where nothing that holds is."""
        found = self._outcomes.get(place.key)
        return found if found is not None and found.law_since <= at < found.law_until else None

    def keep(self, place: Place, verdict: Verdict, obligations: Obligations) -> None:
        """Remember a verdict, where it is one that may be."""
        if not verdict.clean or verdict.missing or verdict.exempted or verdict.approved:
            return
        if len(self._outcomes) >= RECALLED_MAX:
            self._outcomes.clear()
        facts = verdict.facts
        self._outcomes[place.key] = Outcome(
            verdict.law_since,
            verdict.law_until,
            facts.place.country,
            facts.place.place_class,
            frozenset(facts.roles),
            obligations,
            facts.ticket == "refused",
        )
