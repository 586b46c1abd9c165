"""Matching a range's accesses with the gateways' decisions again, and comparing with the alerts of family `gateway`.

The matcher is the stream's (`rules/matching`); every access of the export goes through it in order, so that it is known
how often a decision was used and which accesses are repetitions. Each is matched with the decisions that were appended
until `wait` after it, as in the stream.

`cloverwatch match` says which accesses it went over, under which policy, and by when (coverage, `by` is `match`); where
a log has none of these records, the workers' ranges have to do. What it knew at that moment it does not
say. What rests on that, or on decisions and accesses that the export does not hold, is doubtful: where it comes out as
it was it counts as equal, otherwise it is counted as not judged again, with why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agents.audit import doubts
from agents.audit.decided import Decided
from agents.audit.doubts import Doubt, alike
from agents.audit.granted import Granted
from agents.audit.known import Known
from agents.audit.matched_ranges import Under
from agents.audit.replay_log import Log
from agents.audit.tally import Comparison
from agents.audit.verdict_part import verdict_hash
from agents.audit.verifying.exported import Record, manifest_of, records
from agents.audit.verifying.verify import GRACE_MS
from agents.matching.states import kept_of
from agents.publisher import partition_of
from rules.geo import GeoTable
from rules.join import Joiner
from rules.jurisdictions import LegalTable
from rules.matching.compare import Comparer
from rules.matching.kinds import APPROVAL, FAMILY
from rules.matching.matcher import Judged, Matcher
from rules.matching.memory import KEPT_MS, Memory
from rules.matching.report import match_alert
from rules.policy import Policy
from rules.report import identity_of
from schemas.access import AccessEvent
from schemas.alert import Alert, EventRef, JudgedWith
from schemas.codec import ACCESS
from schemas.decision_codec import DECISION
from schemas.errors import BadRecordError
from schemas.fields import known

Key = tuple[object, ...]
"""What makes an access the same one wherever it is recorded (`rules.report.identity_of`)."""


@dataclass(slots=True)
class Round:
    """What matching all accesses once came to."""

    matched: int = 0
    """Accesses of the range that needed, or named, a decision."""
    crowded: int = 0
    """Decisions that were forgotten while they were live."""
    computed: dict[Key, Alert] = field(default_factory=dict)
    offsets: dict[Key, int] = field(default_factory=dict)
    """Where an access of the range is, of those that there is an alert or a doubt about."""
    appended: dict[Key, int] = field(default_factory=dict)
    """And when it was appended."""
    told: dict[int, Key] = field(default_factory=dict)
    """By offset, which access it is that there was an alert about."""
    doubts: dict[Key, Doubt] = field(default_factory=dict)
    exact: set[Key] = field(default_factory=set)
    """Matched with exactly the directories that the alert says."""


class MatchedAgain:
    """Matches a range again.

    Args:
        log: what the log says of it.
        export: the folder.
        policy: judges; with a `[gateway]`.
        content: its bytes.
        legal: the legal table.
        geo: the table of addresses.
        told: the exported alerts of the family about accesses of the partition, by offset.
        span: append times of the range's first and last access, milliseconds.
        found: counted into.
    """

    def __init__(
        self,
        log: Log,
        export: Path,
        policy: Policy,
        content: bytes,
        legal: LegalTable,
        geo: GeoTable | None,
        told: dict[int, Alert],
        span: tuple[int, int],
        found: Comparison,
    ) -> None:
        assert policy.gateway is not None  # noqa: S101  # asked by the caller
        self._log, self._export, self._policy, self._content = log, export, policy, content
        self._legal, self._geo, self._told, self._found = legal, geo, told, found
        self._gateway = policy.gateway
        manifest = manifest_of(export)
        accesses = manifest.topics.get(log.topic, {})
        self._partitions = len(accesses)
        self._begins = accesses[str(log.partition)].first if str(log.partition) in accesses else None
        self._kept = kept_of(policy.gateway)
        self._decided = Decided(
            export, manifest, log, span[0] - self._kept, span[1] + policy.gateway.wait, self._partitions, found
        )
        judged = max((last for one, last in log.before.items() if one != policy.version), default=-1)
        self._under = Under(log.matched, log.ranges, judged, policy.version)
        self._placed: dict[str, bool] = {}

    def compare(self, known_at: int | None) -> None:
        """Match and compare; with the directories as of `known_at` (milliseconds), or as they were appended."""
        first = self._round(known_at)
        self._found.matched = first.matched
        if first.crowded:
            self._found.limits.append(f"{first.crowded} {doubts.CROWDED}")
        theirs: dict[Key, Alert] = {}
        for offset, alert in sorted(self._told.items()):
            name = first.told.get(offset, (offset,))  # of what is no access at all there is an alert all the same
            theirs.setdefault(name, alert)
            if self._log.first <= offset <= self._log.last:
                first.offsets.setdefault(name, offset)
        unlike = [name for name in first.offsets if not alike(first.computed.get(name), theirs.get(name))]
        later = self._round(None, late=True) if unlike and known_at is None else None
        for name, offset in sorted(first.offsets.items(), key=lambda each: each[1]):
            self._one(name, offset, first, theirs.get(name), later)

    def _one(self, name: Key, offset: int, first: Round, theirs: Alert | None, later: Round | None) -> None:
        ours, family = first.computed.get(name), self._found.families[FAMILY]
        where = f"{self._log.topic}/{self._log.partition} offset {offset}"
        policy, doubt = self._under.policy(offset), first.doubts.get(name)
        if theirs is not None:
            policy = theirs.judged_with.policy
        if policy != self._policy.version:
            if theirs is not None or ours is not None:
                other = doubts.OTHER_POLICY if self._under.said(offset) is None else doubts.MATCHED_UNDER
                family.passed_over(other.format(policy or "of nobody that the log knows"))
            return
        if ours is not None:
            self._found.hashes.append(f"{self._log.topic}/{self._log.partition}/{offset} {FAMILY} {verdict_hash(ours)}")
        if ours is None and theirs is None:
            if doubt is not None and doubt.silent:
                family.passed_over(doubt.why)
            return
        why = None if alike(ours, theirs) else self._why_unlike(name, offset, first, theirs, later)
        if why is None:
            self._found.compare(FAMILY, where, ours, theirs)
        else:
            family.passed_over(why)

    def _why_unlike(
        self, name: Key, offset: int, first: Round, theirs: Alert | None, later: Round | None
    ) -> str | None:
        """Return why nobody needs to have done anything that an access's alert is another; None: it is a difference."""
        ours, doubt = first.computed.get(name), first.doubts.get(name)
        if doubt is not None and doubt.explains(ours, theirs):
            return doubt.why
        if later is not None and name not in first.exact and not alike(ours, later.computed.get(name)):
            return doubts.LATER_ROWS
        if theirs is None and name in first.appended:
            at, matched = first.appended[name], self._under.said(offset)
            if (at if matched is None else matched.at) + GRACE_MS > self._log.end:
                return doubts.YOUNG
            if matched is not None:
                return doubts.MIXED if self._log.matched.is_mixed(offset) else None
            if any(abs(changed - at) < doubts.ADOPTED_MS for changed in self._log.changes):
                return doubts.CHANGED
        return None

    def _round(self, known_at: int | None, *, late: bool = False) -> Round:
        """Match everything once; `late`: with the rows that may have been known when it was matched at the latest."""
        made, log, wait = Round(), self._log, self._gateway.wait
        known_rows = Known(self._export)
        if known_at is not None:
            known_rows.until(known_at)
        joiner = Joiner(self._policy, known_rows.knowledge, self._legal, self._geo)
        granted = Granted(self._export, self._content, joiner)
        matcher = Matcher(Comparer(joiner, granted.standing, self._decided))
        decisions = self._decided.own()
        decision = next(decisions, None)
        now, whole_from, begins = 0, 0, self._begins
        for record in records(self._export, log.topic, log.partition):
            if record.offset > log.last and record.offset not in self._told:
                continue
            event = self._event(record)
            if event is None:
                continue
            now = max(now, record.timestamp)
            name, theirs = identity_of(event), self._told.get(record.offset)
            if theirs is not None:
                made.told[record.offset] = name
            if record.offset > log.last:
                continue
            if begins is None:
                begins = record.offset
            if (begins and not whole_from) or self._under.other(record.offset):
                whole_from = now
            exact = False
            if known_at is None:
                known_rows.until(self._under.by(record.offset) + doubts.ADOPTED_MS if late else now + wait)
                if theirs is not None:
                    exact = known_rows.until(theirs.detected_at, theirs.judged_with.directories)
            if not matcher.comparer.concerns(event):
                continue
            granted.until(now + wait)
            self._decided.now = now + wait
            while decision is not None and decision.timestamp <= now + wait:
                self._decide(matcher, decision)
                decision = next(decisions, None)
            ref = EventRef(event_id=event.event_id, topic=log.topic, partition=log.partition, offset=record.offset)
            matcher.access(event, ref, record.offset, now)
            for judged in matcher.advance(now + wait, now):
                if judged.compared.findings:
                    made.computed.setdefault(name, self._alert(judged, joiner))
                if record.offset < log.first:
                    continue
                made.matched += 1
                doubt = self._doubt(judged, matcher.people[event.person], granted, whole_from)
                if doubt is not None:
                    made.doubts.setdefault(name, doubt)
                if exact:
                    made.exact.add(name)
                if theirs is not None or doubt is not None or name in made.computed:
                    made.offsets.setdefault(name, record.offset)
                    made.appended.setdefault(name, now)
        made.crowded = matcher.crowded
        return made

    def _event(self, record: Record) -> AccessEvent | None:
        """Return the access of a record, where it is one and in its person's partition."""
        try:
            event = ACCESS.decode(record.raw or b"")
        except BadRecordError:
            return None
        return event if self._here(event.person) else None

    def _here(self, person: str) -> bool:
        """Whether a person's records are in the range's partition."""
        here = self._placed.get(person)
        if here is None:
            here = not self._partitions or partition_of(person, self._partitions) == self._log.partition
            self._placed[person] = here
        return here

    def _decide(self, matcher: Matcher, record: Record) -> None:
        try:
            decision = DECISION.decode(record.raw or b"")
        except BadRecordError:
            return
        if self._here(decision.person):
            matcher.decide(decision, record.offset, record.timestamp)

    def _doubt(self, judged: Judged, memory: Memory, granted: Granted, whole_from: int) -> Doubt | None:
        """Return why the result may be another than then."""
        access, decision = judged.access, judged.compared.decision
        lives, now = self._gateway.valid_for + KEPT_MS, access.appended_at
        if now - lives - self._gateway.wait < self._decided.mine_from:
            return Doubt(doubts.NO_DECISIONS, silent=True)
        older = (each.appended_at <= whole_from for each in memory.decisions.values())
        if now - lives - self._gateway.wait < whole_from and any(older):
            return Doubt(doubts.NO_USES, silent=True)
        named = known(access.event.decision_id)
        if (
            named is not None
            and decision is None
            and self._decided.doubtful(named, access.event.person, now, self._kept)
        ):
            return Doubt(doubts.NO_IDS)
        named_by = () if decision is None else decision.rests_on or (decision.approval_id,)
        for approval_id in filter(None, named_by):
            if approval_id in granted.old_form:
                return Doubt(doubts.OLD_FORM, frozenset({APPROVAL.id}))
            stored = granted.appended.get(approval_id)
            gone = stored is None and approval_id in self._log.approvals
            if gone or (stored is not None and stored > now + self._gateway.wait):
                return Doubt(doubts.NO_APPROVAL, frozenset({APPROVAL.id}))
        return None

    def _alert(self, judged: Judged, joiner: Joiner) -> Alert:
        access = judged.access
        return match_alert(
            access.event,
            joiner.knowledge.find(access.event.person),
            judged.compared,
            access.ref,
            joiner,
            appended_at=access.appended_at,
            detected_at=access.appended_at,
            judged_with=JudgedWith(policy=self._policy.version, legal_table="", geo_table="", directories="", known={}),
        )
