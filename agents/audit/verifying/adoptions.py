"""That every policy by which something was judged or decided was adopted with the signatures of auditors.

The signatures stand in the records of `policy.changes`, which the auditor is given as files; that these are the records
which were adopted the log says by their hashes. Who agreed is looked up in the auditor's own keys: what the operator
has set, or the record itself says of its signers, counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from agents.audit.verifying.acts import Change
from agents.audit.verifying.findings import Findings
from agents.policy_changes import agreed
from schemas.coverage import Coverage, InForce, Judged
from schemas.entry import Entry
from schemas.fields import iso
from schemas.gateway_topics import GATEWAY_DECISIONS, POLICY_CHANGES
from schemas.policy_change import PolicyChange


class Use(msgspec.Struct, kw_only=True):
    """Offsets of one partition, one range after the other, that were judged (or decided) under one policy."""

    topic: str
    partition: int
    first: int
    last: int
    index: int
    """Of the entry of the first range, or decision."""
    until: int
    """Of that of the last one."""
    by: str = "judge"
    """By which pass: `match` held them against decisions."""

    @property
    def where(self) -> str:
        """Which offsets, and by which entries of the log."""
        entries = f"entry {self.index}" if self.index == self.until else f"entries {self.index} to {self.until}"
        matched = "matching of " if self.by == "match" else ""
        return f"{matched}{self.topic}/{self.partition} offsets {self.first} to {self.last} ({entries})"


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one policy that was used."""

    policy: str
    sha256: str
    signed: dict[str, int]
    """By auditor whose key was given, when they signed."""
    entry: int | None
    """Of the log's entry of its adoption; None where there is none."""
    wrong: str
    """Why it does not count as signed; empty where it does."""
    uses: tuple[Use, ...]


@dataclass(slots=True)
class Adoptions:
    """Takes note of what was judged and decided by which policy; says which of these policies were signed."""

    findings: Findings
    auditors: Mapping[str, str] = field(default_factory=dict)
    """Public keys, base64, by name; empty: nothing is checked."""
    needed: int = 1
    found: list[Adopted] = field(default_factory=list)
    _uses: dict[str, dict[tuple[str, int, str], list[Use]]] = field(default_factory=dict)
    _sha256: dict[str, str] = field(default_factory=dict)
    """By version, the hash of the file, as workers say it."""

    def decided(self, index: int, entry: Entry) -> None:
        """Take the entry of a decision."""
        if self.auditors and isinstance(policy := entry.about.get("policy"), str) and policy:
            self._use(policy, GATEWAY_DECISIONS, entry.partition, entry.offset, entry.offset, index)

    def covered(self, index: int, record: Coverage | None) -> None:
        """Take a record of coverage."""
        if isinstance(record, InForce):
            self._sha256.setdefault(record.policy, record.sha256)
        elif isinstance(record, Judged) and self.auditors:
            self._use(record.policy, record.topic, record.partition, record.first, record.last, index, record.by)

    def _use(
        self, policy: str, topic: str, partition: int, first: int, last: int, index: int, by: str = "judge"
    ) -> None:
        uses = self._uses.setdefault(policy, {}).setdefault((topic, partition, by), [])
        # Of decisions the first and the last are told: by a policy that changes, others may lie between.
        if uses and (topic == GATEWAY_DECISIONS or uses[-1].first <= first <= uses[-1].last + 1):
            uses[-1].last, uses[-1].until = max(last, uses[-1].last), index
        else:
            uses.append(Use(topic=topic, partition=partition, first=first, last=last, index=index, until=index, by=by))

    def end(self, changes: Sequence[Change], records: Mapping[str, PolicyChange], *, whole: bool) -> None:
        """Check each policy that was used.

        Args:
            changes: as the log holds them, in its order.
            records: those of `policy.changes` that were given, by the SHA-256 of their bytes.
            whole: whether the log holds that topic from its beginning.
        """
        if not self.auditors:
            return
        self._order(changes, records)
        for policy, places in self._uses.items():
            uses = tuple(use for some in places.values() for use in some)
            known = [each.sha256 for each in changes if each.version == policy]
            known += [each.sha256 for each in records.values() if each.version == policy and not whole]
            sha256 = self._sha256.get(policy) or next(iter(known), "")
            adopted = [each for each in changes if each.sha256 == sha256 and each.adopted_at]
            signed, entry, wrong = self._signed(sha256, adopted, records, whole=whole)
            if sha256 and not sha256.startswith(policy):
                wrong = (
                    f"the log says that its file has the SHA-256 {sha256[: len(policy)]}…, which is another policy's"
                )
            found = Adopted(policy=policy, sha256=sha256, signed=signed, entry=entry, wrong=wrong, uses=uses)
            self.found.append(found)
            for use in uses if wrong else ():
                done = "decided" if use.topic == GATEWAY_DECISIONS else "judged"
                self.findings.add(
                    "policy",
                    f"{use.where} were {done} under the policy {policy}, which was not adopted with the signatures of "
                    f"auditors: {wrong}",
                    index=use.index, topic=use.topic, partition=use.partition, offset=use.first,
                )  # fmt: skip

    def _signed(
        self, sha256: str, adopted: Sequence[Change], records: Mapping[str, PolicyChange], *, whole: bool
    ) -> tuple[dict[str, int], int | None, str]:
        """Return who signed a policy, the entry of its adoption, and why that is not enough."""
        if not sha256:
            return {}, None, "the log never says which file it is"
        best: tuple[dict[str, int], int | None] = {}, adopted[0].index if adopted else None
        absent = [each for each in adopted if each.record not in records]
        given: list[tuple[int | None, PolicyChange]]
        given = [(each.index, records[each.record]) for each in adopted if each.record in records]
        if not whole and not adopted:
            given = [(None, each) for each in records.values() if each.sha256 == sha256 and each.adopted_at]
        for index, record in given:
            if record.sha256 != sha256:
                continue  # the entry says something else of its record: `who_and_why` names it
            names = agreed(record, self.auditors)
            if len(names) >= self.needed:
                return names, index, ""
            if len(names) >= len(best[0]):
                best = names, index
        if absent and not best[0]:
            places = ", ".join(f"{POLICY_CHANGES}/0 offset {each.offset} (entry {each.index})" for each in absent)
            return {}, absent[0].index, f"its change, {places}, is not among the records that were given"
        if not given:
            return {}, None, "the log holds no change that was adopted and put it in place"
        return *best, f"signed by {_names(best[0])}; needed: {self.needed} of {_names(self.auditors)}, not its proposer"

    def _order(self, changes: Sequence[Change], records: Mapping[str, PolicyChange]) -> None:
        """Name what was adopted with signatures older than those of a policy before: it was put back, not signed."""
        latest: tuple[int, Change] | None = None
        for change in changes:
            record = records.get(change.record)
            if record is None or not change.adopted_at:
                continue
            at = max(agreed(record, self.auditors).values(), default=0)
            if not at:
                continue
            if latest is not None and at < latest[0]:
                self.findings.add(
                    "policy",
                    f"the policy {change.version} was adopted with signatures of {iso(at)}, and {latest[1].version} "
                    f"(entry {latest[1].index}) had been adopted with one of {iso(latest[0])}: an older policy was "
                    "put back",
                    index=change.index, topic=POLICY_CHANGES, partition=0, offset=change.offset,
                )  # fmt: skip
                continue
            latest = at, change


def lines(found: Adoptions) -> list[str]:
    """Return the part of the report about signatures; nothing where no keys were given."""
    if not found.auditors:
        return []
    told = [f"  auditors           {found.needed} needed of {_names(found.auditors)}"]
    for each in found.found:
        entry = "" if each.entry is None else f", adopted in entry {each.entry}"
        names = ", ".join(f"{name} at {iso(at)}" for name, at in sorted(each.signed.items()))
        state = f"NOT SIGNED: {each.wrong}" if each.wrong else f"signed by {names}{entry}"
        told.append(f"  used {each.policy}: {state}")
        told += [f"    {use.where}" for use in each.uses]
    return told or ["  no policy was used"]


def builtins(found: Adoptions) -> list[Any]:
    """Return the same for a machine."""
    return [msgspec.to_builtins(each) for each in found.found]


def _names(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"
