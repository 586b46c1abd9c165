"""Decisions against the clock: none before its approval was given, none by a policy that another one had replaced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from agents.audit.verifying.continuity import COMPACTED, Continuity
from agents.audit.verifying.findings import Findings
from schemas.entry import Entry
from schemas.fields import TIME_MAX, iso
from schemas.gateway_topics import GATEWAY_APPROVALS, GATEWAY_DECISIONS

CLOCKS_MS: Final = 60_000
"""How far the clocks of a gateway, of whoever approves and of a broker may be apart."""

AT_ONCE_MS: Final = 15 * 60_000
"""Of the decisions of one gateway by one policy the first and the last are kept for each quarter of an hour, however
many there are: what is looked for is one made a quarter of an hour after its policy was replaced."""


class Adopted(Protocol):
    """A change of the policy."""

    @property
    def version(self) -> str:
        """Of the policy."""

    @property
    def adopted_at(self) -> int:
        """When it was adopted, milliseconds; 0: not yet."""


class Decided(NamedTuple):
    """A decision: when, and where it stands."""

    at: int
    entry: int
    """Its index."""
    partition: int
    offset: int


class Approved(NamedTuple):
    """When an approval was given: as its record says, and when the broker stored that; 0 where that is not known."""

    since: int
    stored: int


class Early:
    """Looks for decisions that were made before the approval was given on which they rest."""

    def __init__(self, findings: Findings) -> None:
        self._first: dict[str, Decided] = {}
        """By approval, the first decision that rests on it, by the gateway's clock."""
        self._approved: dict[str, Approved] = {}
        self._findings = findings

    def take(self, index: int, entry: Entry) -> None:
        """Take a decision or an approval."""
        if entry.kind == "decision":
            decided = Decided(_time(entry.about.get("decided_at")) or entry.at, index, entry.partition, entry.offset)
            named = entry.about.get("approvals") or [entry.about.get("approval_id")]  # several, or one
            for each in named if isinstance(named, list) else ():
                if isinstance(each, str) and each:
                    self._first[each] = min(decided, self._first.get(each, decided))
            return
        approval = entry.about.get("approval_id")
        if entry.kind != "approval" or not isinstance(approval, str):
            return
        if entry.about.get("state") in {"approved", "withdrawn"}:
            stored = entry.at if entry.about["state"] == "approved" else 0
            before = self._approved.get(approval, Approved(0, 0))
            since = before.since or _time(entry.about.get("since"))
            self._approved[approval] = Approved(since, before.stored or stored)

    def end(self, spans: Continuity) -> None:
        """Name them."""
        span = spans.spans.get((GATEWAY_APPROVALS, 0))
        whole = span is not None and not span.first and COMPACTED not in span.holes
        for approval, decided in self._first.items():
            approved = self._approved.get(approval)
            if approved is None:
                continue
            given, what = approved.since, "was given"
            if whole and approved.stored > given:  # a date that is set back does not make it older
                given, what = approved.stored, "was stored"
            if decided.at + CLOCKS_MS < given:
                self._findings.add(
                    "approval",
                    f"a decision of {iso(decided.at)} rests on the approval {approval}, which {what} at {iso(given)} "
                    "only: it was made before its approval",
                    index=decided.entry, topic=GATEWAY_DECISIONS, partition=decided.partition, offset=decided.offset,
                )  # fmt: skip


class Replaced:
    """Looks for decisions by a policy that another one had replaced."""

    def __init__(self, findings: Findings) -> None:
        self._decided: dict[tuple[str, str], dict[int, tuple[Decided, Decided]]] = {}
        """By gateway and policy, and quarter of an hour, the first and the last decision."""
        self._findings = findings

    def take(self, index: int, entry: Entry) -> None:
        """Take a decision; when it was stored counts, not what the gateway says."""
        gateway, policy = entry.about.get("gateway_id"), entry.about.get("policy")
        if not isinstance(gateway, str) or not isinstance(policy, str) or not policy:
            return
        decided = Decided(entry.at, index, entry.partition, entry.offset)
        theirs = self._decided.setdefault((gateway, policy), {})
        first, last = theirs.get(decided.at // AT_ONCE_MS, (decided, decided))
        theirs[decided.at // AT_ONCE_MS] = min(first, decided), max(last, decided)

    def end(self, changes: Sequence[Adopted], in_force: Mapping[str, int], within: int, settled: int) -> None:
        """Name the first and the last of each gateway, policy, and policy that had replaced it.

        Args:
            changes: of the policy.
            in_force: by policy, when a worker first said that it was in force. One that came so behind the others, and
                was not adopted, is told of elsewhere.
            within: how long after it was replaced it may still be decided by, milliseconds.
            settled: what was stored later may be under way.
        """
        adopted = sorted((each.adopted_at, each.version) for each in changes if each.adopted_at)
        for (gateway, policy), theirs in sorted(self._decided.items()):
            since = 0 if any(version == policy for _, version in adopted) else in_force.get(policy, TIME_MAX)
            found: dict[tuple[int, str], list[Decided]] = {}
            for decided in _both(theirs):
                by = replaced(adopted, policy, decided.at, within)
                if by is not None and decided.at <= settled and since <= by[0]:
                    found.setdefault(by, []).append(decided)
            for (at, version), some in found.items():
                first, last = some[0], some[-1]
                self._findings.add(
                    "policy",
                    f"gateway {gateway} decided by the policy {policy} from {iso(first.at)} to {iso(last.at)}, and "
                    f"{version} had replaced it at {iso(at)}",
                    index=first.entry, topic=GATEWAY_DECISIONS, partition=first.partition, offset=first.offset,
                )  # fmt: skip


def replaced(adopted: Sequence[tuple[int, str]], policy: str, at: int, within: int) -> tuple[int, str] | None:
    """Return what had replaced a policy for longer than `within` at a time: when, and which policy; None: nothing had.

    Args:
        adopted: (when, which policy), sorted.
        policy: which.
        at: when it was gone by.
        within: how long that is no fault, milliseconds.
    """
    before = [each for each in adopted if each[0] + within <= at]
    if not before or before[-1][1] == policy:
        return None
    again = any(version == policy and since >= before[-1][0] for since, version in adopted if since <= at + CLOCKS_MS)
    # What replaced it is the first that came behind its own adoption.
    own = max((since for since, version in before if version == policy), default=-1)
    return None if again else next(each for each in before if each[0] > own)


def _both(theirs: dict[int, tuple[Decided, Decided]]) -> Iterator[Decided]:
    for _, (first, last) in sorted(theirs.items()):
        yield first
        if last is not first:
            yield last


def _time(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value <= TIME_MAX else 0
