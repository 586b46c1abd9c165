"""One access against what was decided for its person: which decision is it of, and what is wrong with that.

An access that names a decision is compared with that one. One that names none (data planes that cannot carry an id are
common) is compared with the person's decisions for the same dataset; two sessions are two people's work, where both
say which. What each of these comes to stands in docs/matching.md, "Which decision an access belongs to".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rules.join import UNKNOWN_SENSITIVITY, Joiner
from rules.matching import kinds
from rules.matching.approved import wrong_with_approvals
from rules.matching.covering import CLOCKS_MS, covers, latest, rows_unsaid, span, times, wider
from rules.matching.elsewhere import Elsewhere
from rules.matching.kinds import Kind
from rules.matching.memory import KEPT_MS, Known, Memory
from rules.place import Interval
from rules.policy import Policy
from schemas.access import AccessEvent
from schemas.approval import Approval
from schemas.directory import Sensitivity
from schemas.fields import known, plain

PASSES_MAX: Final = 100_000
"""Datasets whose patterns are looked at once: more than any company has."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of one access."""

    decision: Known | None
    """To which it belongs, be it as it may; None: to none."""
    findings: tuple[Finding, ...] = ()
    rows_unsaid: bool = False
    """Whether it is under a row limit and does not say how many records it reached."""


NOTHING: Final = Compared(None)


class Comparer:
    """Compares under one policy and what is known.

    Args:
        joiner: policy, directories, tables: for the sensitivity of datasets and for where somebody was.
        approvals: by id the latest state of each.
        elsewhere: everybody's decisions.
    """

    def __init__(self, joiner: Joiner, approvals: Mapping[str, Approval], elsewhere: Elsewhere) -> None:
        gateway = joiner.policy.gateway
        if gateway is None:
            raise ValueError("a policy without [gateway]")
        self.joiner, self.gateway = joiner, gateway
        self.policy: Policy = joiner.policy
        self._approvals, self._elsewhere = approvals, elsewhere
        self._passes: dict[str, bool] = {}

    def sensitivity(self, event: AccessEvent) -> Sensitivity:
        """Return how sensitive the data was; what the directory does not know is the worst that it could be."""
        timeline = self.joiner.knowledge.datasets.get(event.dataset_id)
        row = None if timeline is None else timeline.at(event.occurred_at)[0]
        return UNKNOWN_SENSITIVITY if row is None else row.sensitivity

    def must_pass(self, event: AccessEvent) -> bool:
        """Whether the access needs a decision."""
        passes = self._passes.get(event.dataset_id)
        if passes is None:
            if len(self._passes) > PASSES_MAX:
                self._passes.clear()
            passes = self._passes[event.dataset_id] = self.gateway.passes(event.dataset_id)
        return (
            passes
            and event.principal in self.gateway.principals
            and self.sensitivity(event) in self.gateway.sensitivities
        )

    def concerns(self, event: AccessEvent) -> bool:
        """Whether the access is looked at: it reached something, and needs a decision or names one."""
        return event.result == "success" and (known(event.decision_id) is not None or self.must_pass(event))

    def compare(self, event: AccessEvent, memory: Memory, appended_at: int) -> Compared:
        """Return which decision an access is of and what is wrong, and count its use.

        Only decisions count that were appended within `wait` after the access, and end less than `KEPT_MS` before it,
        whatever else has been read by now: so the answer is the same whenever it is given.
        """
        until = appended_at + self.gateway.wait
        named = known(event.decision_id)
        if named is not None:
            found = memory.decisions.get(named)
            if found is None or not self._usable(found, appended_at):
                return self._unknown(event, named, memory, until)
            if found.principal != event.principal:
                return self._only(kinds.OTHER_PERSON, "it names a decision that was made for somebody else of that id")
            return self._of(event, found)
        about = [
            each
            for each in memory.decisions.values()
            if each.dataset_id == event.dataset_id
            and each.principal == event.principal
            and self._usable(each, appended_at)
        ]
        return self._unnamed(event, about)

    def _usable(self, decision: Known, appended_at: int) -> bool:
        if decision.denied_at is not None and decision.denied_at <= appended_at + self.gateway.wait:
            decision.allow = False  # for good: accesses are judged in the order in which they were appended
        return (
            decision.appended_at <= appended_at + self.gateway.wait
            and kept_until(decision, self.gateway.valid_for) >= appended_at
        )

    def _unknown(self, event: AccessEvent, named: str, memory: Memory, until: int) -> Compared:
        late = memory.decisions.get(named)
        whose = "nobody's" if late is not None and late.appended_at > until else None
        whose = whose or self._elsewhere.whose(named, event.person)
        if whose == "another's":
            return self._only(kinds.OTHER_PERSON, "it names a decision that was made for somebody else")
        if whose == "theirs":
            return self._only(
                kinds.EXPIRED, f"it names a decision that ended more than {KEPT_MS // 60_000} minutes before"
            )
        if not self.must_pass(event):
            return NOTHING
        return self._only(
            kinds.BYPASS, "the decision that it names was never made, or not within the time that is waited"
        )

    def _unnamed(self, event: AccessEvent, about: list[Known]) -> Compared:
        session, at = known(event.session_id), event.occurred_at
        about = [each for each in about if each.decided_at <= at + self.gateway.wait + CLOCKS_MS]
        mine = [each for each in about if session is None or each.session_id in {"", session}]
        allows = [each for each in mine if each.allow and at <= each.expires_at + CLOCKS_MS]
        covering = [each for each in allows if covers(each.action, event.action)]
        if covering:
            return self._of(event, covering[0] if len(covering) == 1 else self._best(event, covering))
        for denied in sorted((each for each in mine if not each.allow), key=latest):
            if covers(denied.action, event.action) and at - denied.decided_at <= self.gateway.valid_for:
                return self._of(event, denied)
        if allows:  # of the same dataset and session, for something else
            return self._of(event, min(allows, key=latest))
        over = [each for each in mine if each.allow and covers(each.action, event.action)]
        if over:
            return self._of(event, min(over, key=latest))
        others = [
            each
            for each in about
            if each.allow and at <= each.expires_at + CLOCKS_MS and covers(each.action, event.action)
        ]
        if others:
            return self._of(event, min(others, key=latest))
        return self._only(kinds.BYPASS, "no gateway decided on it")

    def _only(self, kind: Kind, sentence: str) -> Compared:
        return Compared(None, (Finding(kind, sentence),)) if kind.enabled(self.policy) else NOTHING

    def _best(self, event: AccessEvent, covering: list[Known]) -> Known:
        """Of several decisions that would cover it the least in rank; mostly the latest, and no other is asked."""
        ranked: list[tuple[tuple[int, int, str], Known]] = []
        for each in sorted(covering, key=latest):
            rank = self._rank(event, each)
            if not rank[0]:
                return each
            ranked.append((rank, each))
        return min(ranked, key=lambda each: each[0])[1]

    def _rank(self, event: AccessEvent, decision: Known) -> tuple[int, int, str]:
        """Of several decisions that would cover it, the one with the least against it; of these the latest."""
        used_up = decision.used >= decision.uses
        return (len(self._against(event, decision)) + used_up, *latest(decision))

    def _of(self, event: AccessEvent, decision: Known) -> Compared:
        findings = self._against(event, decision)
        decision.used += 1
        if decision.allow and (over := times(decision.used, decision.uses)):
            findings.append(
                Finding(
                    kinds.OVERUSED,
                    f"its decision covers {decision.uses} accesses and was used {decision.used} times"
                    + ("" if over == 1 else f", {over} times as often"),
                )
            )
        findings = [each for each in findings if each.kind.enabled(self.policy)]
        return Compared(decision, tuple(findings), rows_unsaid(event, decision))

    def _against(self, event: AccessEvent, decision: Known) -> list[Finding]:
        """Return what is wrong with an access under a decision, but for how often it was used."""
        found = []
        at = event.occurred_at
        if not decision.allow:
            found.append(Finding(kinds.DENIED, f"a gateway had denied it on {plain(decision.decided_at)}"))
        elif at > decision.expires_at + CLOCKS_MS:
            after = span(at - decision.expires_at)
            found.append(Finding(kinds.EXPIRED, f"its decision had ended {after} before"))
        elif at < decision.decided_at - self.gateway.wait - CLOCKS_MS:
            before = span(decision.decided_at - at)
            found.append(Finding(kinds.BYPASS, f"its decision was made {before} after it"))
        more = wider(event, decision)
        if self.gateway.rows_unsaid == "tell" and rows_unsaid(event, decision):
            more.append(f"how many records is not said, granted were {decision.row_limit}")
        if more:
            found.append(Finding(kinds.WIDER, "it took more than was granted: " + ", ".join(more)))
        session = known(event.session_id)
        if session is not None and decision.session_id not in {"", session}:
            found.append(Finding(kinds.OTHER_SESSION, "its decision was made for another session"))
        purpose = known(event.purpose)
        if purpose is not None and decision.purpose not in {"", purpose}:
            found.append(
                Finding(kinds.OTHER_PURPOSE, f"it was for {purpose}, its decision was made for {decision.purpose}")
            )
        country = self._other_country(event, decision)
        if country is not None:
            found.append(
                Finding(kinds.OTHER_COUNTRY, f"it came from {country}, its decision was made for {decision.country}")
            )
        if wrong := wrong_with_approvals(event, decision, self._approvals):
            found.append(Finding(kinds.APPROVAL, "; ".join(wrong)))
        return [each for each in found if each.kind.enabled(self.policy)]

    def _other_country(self, event: AccessEvent, decision: Known) -> str | None:
        """Return the country that an access came from, where that is another than decided on.

        Only where the access itself says anything of a place. What it leaves out is as in the decision; an address in
        another country than the decision's address is another country, whatever a device said then.
        """
        device, address = known(event.device_country), known(event.source_ip)
        if not decision.country or (device is None and address is None):
            return None
        if (device or decision.device_country) == decision.device_country and (
            address is None or address == decision.source_ip
        ):
            return None
        if address is not None and decision.source_ip and address != decision.source_ip:
            now, then = (self.joiner.origin(each).country for each in (address, decision.source_ip))
            if now is not None and then is not None:
                if now != then:
                    return now
                if device is None:
                    return None  # another address of the same country, and nothing else is said
        knowledge, at = self.joiner.knowledge, event.occurred_at
        person, interval = knowledge.find(event.person), Interval()
        timeline = knowledge.datasets.get(event.dataset_id)
        row = None if timeline is None else timeline.at(at)[0]
        seen = address or decision.source_ip
        located = self.joiner.locate(
            person,
            self.joiner.standing(person, at),
            at,
            device or decision.device_country or None,
            self.joiner.origin(seen) if seen else None,
            self.joiner.regime(row),
            interval,
        )
        country = located.place.country
        return None if country is None or country == decision.country else country


def kept_until(decision: Known, valid_for: int) -> int:
    """Return until when a decision is remembered; a denial as long as an allow might have been used."""
    ends = (
        decision.expires_at
        if decision.allow or decision.denied_at is not None
        else max(decision.expires_at, decision.decided_at + valid_for)
    )
    return max(ends, decision.appended_at) + KEPT_MS
