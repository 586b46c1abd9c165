"""What people and gateways did: decisions, approvals, break-glass, actions, requests; and under which policy."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, TypeGuard

import msgspec

from agents.audit.verifying.continuity import Continuity
from agents.audit.verifying.coverage import Completeness
from agents.audit.verifying.decided import Early, Replaced
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.succession import Beginning
from schemas.entry import Entry
from schemas.fields import TIME_MAX, iso
from schemas.gateway_topics import GATEWAY_APPROVALS, GATEWAY_DECISIONS
from schemas.policy_change import Said

WITHDRAWN_WITHIN_MS: Final = 60_000
"""How long after its record an approval that was withdrawn may still be decided by: a decision point reads it within a
second, or is behind; clocks differ."""


ADOPTED_WITHIN_MS: Final = 15 * 60_000
"""How long after a policy was adopted a process may still begin, or decide, under the one before: it looks at its file
every few seconds, and the change is published before the file is in its place."""


CORRECTED_WITHIN: Final = 4_000
"""Decisions of a partition among which an earlier record of the same id is looked for. While brokers owe an answer for
a partition nothing more is sent to it, so a correction lies behind what was on its way at once: some hundreds."""


class Change(msgspec.Struct, frozen=True):
    """A change of the policy as the log holds it."""

    index: int
    offset: int
    record: str
    """SHA-256 of the record of `policy.changes`, hex."""
    steps: tuple[Said, ...] | None
    """Who proposed and signed it and why, without names; None in logs of versions that did not say it."""
    sha256: str
    before: str
    version: str
    changes: tuple[str, ...]
    adopted_at: int


class Acts:
    """Counts what was done, and checks what it rests on."""

    def __init__(self, findings: Findings, beginning: Beginning) -> None:
        self.decisions: Counter[str] = Counter()
        """By effect, each once, by its last record; `break_glass` counts those that rest on it, `by approval` those
        that need one, `corrected` those that were answered otherwise than first recorded."""
        self.approvals: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.changes: list[Change] = []
        self._approved: dict[str, int] = {}
        """Until when each approval holds that was given."""
        self._withdrawn: dict[str, int] = {}
        """When the first record was stored that says that an approval was withdrawn."""
        self._rests: dict[str, tuple[int, Entry, int]] = {}
        """By approval, the latest decision that rests on it: index, entry, time."""
        self._decided_by: dict[str, tuple[int, Entry]] = {}
        """By the version of a policy, the first decision under it: index and entry. Where the log goes on from another
        one, the first that the policies of that one do not explain."""
        self._lately: defaultdict[int, OrderedDict[str, tuple[str, ...]]] = defaultdict(OrderedDict)
        """By partition, the last decisions, and as what each was counted."""
        self._early, self._replaced = Early(findings), Replaced(findings)
        self._findings, self._beginning = findings, beginning

    def take(self, index: int, entry: Entry) -> None:
        """Take the entry of a record."""
        about = entry.about
        self._early.take(index, entry)
        if entry.kind == "decision":
            self._replaced.take(index, entry)
            self._decision(index, entry)
        elif entry.kind == "approval":
            state = str(about.get("state", "deleted"))
            self.approvals[state] += 1
            if about.get("break_glass") is True:
                self.approvals["break_glass"] += 1
            if state in {"approved", "withdrawn"} and _is_time(until := about.get("until")):
                self._approved[str(about.get("approval_id"))] = until
            if state == "withdrawn":
                self._withdrawn.setdefault(str(about.get("approval_id")), entry.at)
        elif entry.kind == "action":
            self.actions[str(about.get("kind", "?"))] += 1
        elif entry.kind == "request":
            self.requests[str(about.get("kind", "?"))] += 1
        elif entry.kind == "policy":
            self.changes.append(_change(index, entry))

    def _decision(self, index: int, entry: Entry) -> None:
        about = entry.about
        self._count(entry)
        policy = about.get("policy")
        if isinstance(policy, str) and policy and not self._beginning.near(entry.at):
            self._decided_by.setdefault(policy, (index, entry))
        at = about.get("decided_at")
        moment = at if _is_time(at) else entry.at
        for approval in _approvals_of(about):
            before = self._rests.get(approval)
            if before is None or before[2] < moment:
                self._rests[approval] = index, entry, moment

    def _count(self, entry: Entry) -> None:
        """Count a decision once: a later record of its id says what was answered (`agents/gateway/recording.py`)."""
        about = entry.about
        counted = [str(about.get("effect", "?"))]
        if about.get("break_glass") is True:
            counted.append("break_glass")
        if _approvals_of(about):
            counted.append("by approval")
        lately = self._lately[entry.partition]
        before = lately.pop(str(about.get("decision_id", "")), None)
        if before is not None:
            self.decisions.subtract(before)
            if before[0] != counted[0] or "corrected" in before:
                counted.append("corrected")
        self.decisions.update(counted)
        lately[str(about.get("decision_id", ""))] = tuple(counted)
        if len(lately) > CORRECTED_WITHIN:
            lately.popitem(last=False)

    def end(self, spans: Continuity, completeness: Completeness, settled: int) -> None:
        """Check decisions against approvals, and what was in force against the changes that were recorded.

        What was appended after `settled`, milliseconds, may be under way.
        """
        span = spans.spans.get((GATEWAY_APPROVALS, 0))
        whole = span is None or span.first == 0
        for approval, (index, entry, at) in self._rests.items():
            until, withdrawn = self._approved.get(approval), self._withdrawn.get(approval)
            if until is None and whole:
                said = f"a decision rests on the approval {approval}, and the log holds none of that id that was given"
            elif until is not None and at > until:
                said = f"a decision of {iso(at)} rests on the approval {approval}, which ended at {iso(until)}"
            elif withdrawn is not None and at > withdrawn + WITHDRAWN_WITHIN_MS:
                said = (
                    f"a decision of {iso(at)} rests on the approval {approval}, which was withdrawn at {iso(withdrawn)}"
                )
            else:
                continue
            self._findings.add(
                "approval", said, index=index, topic=GATEWAY_DECISIONS, partition=entry.partition, offset=entry.offset
            )
        self._early.end(spans)
        before = dict(filter(None, completeness.carried.values()))
        first = {record.policy: record.at for _, record in reversed(completeness.in_force)} | before
        self._replaced.end(self.changes, first, ADOPTED_WITHIN_MS, settled)
        known = {change.sha256 for change in self.changes if change.adopted_at}
        adopted = sorted((change.adopted_at, change.sha256, change.version) for change in self.changes)
        begun = {record.sha256 for _, record in completeness.in_force[:1] if not before or record.policy in before}
        begun |= completeness.near
        for index, record in completeness.in_force:
            others = [each for each in adopted if each[0] and each[0] + ADOPTED_WITHIN_MS <= record.at]
            if others and others[-1][1] != record.sha256 and record.sha256 in known | begun:
                again = [each for each in adopted if each[1] == record.sha256 and each[0] >= others[-1][0]]
                if not again:
                    self._findings.add(
                        "policy",
                        f"the policy {record.policy} came into force at {iso(record.at)}, and {others[-1][2]} had been "
                        f"adopted after it, at {iso(others[-1][0])}: an older policy was put back",
                        index=index,
                    )
            if record.sha256 not in known | begun:
                begun.add(record.sha256)
                self._findings.add(
                    "policy",
                    f"the policy {record.policy} (SHA-256 {record.sha256[:16]}…) came into force at "
                    f"{iso(record.at)}, and the "
                    "log holds no change that was adopted and says who and why",
                    index=index,
                )
        self._gateways(completeness, settled)

    def _gateways(self, completeness: Completeness, settled: int) -> None:
        """Name decisions under a policy that was neither adopted nor judged by: a gateway went by rules of its own."""
        if not completeness.in_force:
            return  # the log does not say what is in force
        known = {change.version for change in self.changes if change.adopted_at}
        known.update(*completeness.workers.values())
        for policy, (index, entry) in self._decided_by.items():
            if policy not in known and entry.at <= settled:
                self._findings.add(
                    "policy",
                    f"a gateway decided by the policy {policy}, which no worker said to be in force and no change that "
                    "was adopted put in place",
                    index=index, topic=GATEWAY_DECISIONS, partition=entry.partition, offset=entry.offset,
                )  # fmt: skip


def _is_time(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value <= TIME_MAX


def _change(index: int, entry: Entry) -> Change:
    about = entry.about
    changes, adopted = about.get("changes"), about.get("adopted_at")
    steps: tuple[Said, ...] | None = None
    with suppress(msgspec.ValidationError):
        steps = msgspec.convert(about.get("steps"), tuple[Said, ...] | None)
    return Change(
        index=index,
        offset=entry.offset,
        record=entry.sha256,
        steps=steps,
        sha256=str(about.get("sha256", "")),
        before=str(about.get("before", "")),
        version=str(about.get("version", "")),
        changes=tuple(map(str, changes)) if isinstance(changes, list | tuple) else (),
        adopted_at=adopted if _is_time(adopted) else 0,
    )


def _approvals_of(about: Mapping[str, Any]) -> set[str]:
    """Return the approvals that a decision rests on; entries of before name one."""
    named = about.get("approvals") or [about.get("approval_id")]
    return {each for each in named if isinstance(each, str) and each} if isinstance(named, list) else set()
