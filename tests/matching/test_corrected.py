"""A decision that was stored as an allow and answered as a denial: its second record is what counts."""

from __future__ import annotations

from msgspec.structs import replace

from rules.matching.matcher import Matcher
from rules.matching.memory import restore, save
from schemas.alert import EventRef
from tests.matching.world import T, access, comparer_of, decision

DENIED = replace(decision(), effect="deny", uses=0, expires_at=T + 1_000)


def told(*, read_first: bool, stored_at: int, saved: bool = False) -> list[str]:
    """Kinds found on Ann's access, where the correction is read before the access is judged, or only after."""
    matcher = Matcher(comparer_of())
    matcher.decide(decision(), 0, T)
    event = access(decision_id="d-1")
    matcher.access(event, EventRef(event_id="e-1"), 0, T + 1_000)
    if read_first:
        matcher.decide(DENIED, 1, stored_at)
    if saved:
        matcher.people["ann"] = restore(save(matcher.people["ann"]))
    (judged,) = matcher.advance(T + 60_000, T + 60_000)
    return [each.kind.id for each in judged.compared.findings]


def test_the_last_record_of_a_decision_counts() -> None:
    assert told(read_first=True, stored_at=T + 400) == ["gateway.denied_yet_done"]
    assert told(read_first=True, stored_at=T + 400, saved=True) == ["gateway.denied_yet_done"]


def test_a_correction_behind_what_is_waited_for_is_not_looked_at() -> None:
    """Or the answer would depend on which topic was read faster."""
    assert told(read_first=True, stored_at=T + 2_000) == told(read_first=False, stored_at=T + 2_000) == []
