"""Alerts: that ranges gave the alerts that the log holds, and that each was delivered or is listed as undelivered."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice, product
from typing import Final

import msgspec

from agents.audit.verifying.continuity import Continuity
from agents.audit.verifying.destinations import Destinations
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.judgement import Claim
from schemas.coverage import hash_of
from schemas.entry import Entry
from schemas.topics import ALERTS, RECEIPTS

TOLD: Final = frozenset({"delivered", "grouped", "digested", "silenced", "not_routed", "over"})
"""States of receipts after which nothing more is owed to a destination (`schemas/receipt.py`)."""

PARKED: Final = "parked"

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_REVISION: Final = re.compile(r"[0-9]{1,9}")

VERSIONS_MOST: Final = 4_096
"""Combinations of records that are tried for one range where none by time fits (`_choices`). A revision has more than
one record only where a worker was killed between storing it and storing its range."""


def _choices(versions: Sequence[Sequence[Stored]]) -> Iterator[Sequence[Stored]]:
    """Yield which of its records each alert of a range may have had when the range was said.

    Whoever took over from a worker that was killed wrote all of theirs behind all of its: of each alert the last record
    up to some time, the latest time first. Then any others, up to a bound: of thirteen alerts with two records each
    there are 8,192.
    """
    for until in sorted({each.at for some in versions for each in some}, reverse=True):
        yield [next((each for each in reversed(some) if each.at <= until), some[0]) for some in versions]
    if not versions:
        yield []
    yield from islice(product(*versions), VERSIONS_MOST)


def where_of(claim: Claim) -> str:
    """Return which range it is, in words."""
    return f"the range {claim.first} to {claim.last}" + (" of matching" if claim.by == "match" else "")


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One record of an alert's revision."""

    sha256: bytes
    index: int
    partition: int
    offset: int
    at: int
    rule_id: str
    family: str


class Undelivered(msgspec.Struct, frozen=True):
    """A revision of an alert that a destination has no receipt for."""

    alert_id: str
    revision: int
    partition: int
    offset: int
    index: int
    at: int
    why: str


class Alerts:
    """Alerts and receipts of the log."""

    def __init__(self, findings: Findings, *, grace: int) -> None:
        """Take where findings go, and what is still under way at the log's end: what is younger, milliseconds."""
        self.stored: dict[tuple[str, int], list[Stored]] = {}
        self.by_family: Counter[str] = Counter()
        self.receipts: Counter[tuple[str, str]] = Counter()
        """By destination and state."""
        self.undelivered: list[Undelivered] = []
        self.under_way: list[str] = []
        """What the log does not hold yet: told, no finding."""
        self.before = 0
        """Alerts that ranges name which reach over the log's beginning, and that are in the log before."""
        self.unclaimed: Counter[str] = Counter()
        """Revisions that no range names, by family."""
        self._told: dict[tuple[str, str], int] = {}
        self._parked: dict[tuple[str, str], int] = {}
        self._span: dict[tuple[str, int], tuple[int, int]] = {}
        """By destination and partition of `alerts`, the least and the greatest offset with a receipt."""
        self._unknown: list[tuple[int, str, int, int, int]] = []
        self.claimed: set[tuple[str, int]] = set()
        """Revisions that a range names."""
        self.of_killed = 0
        """Unclaimed ones of workers that were killed before they could name them (`unclaimed.py`)."""
        self.findings = findings
        self._grace = grace

    def alert(self, index: int, entry: Entry) -> None:
        """Take the entry of an alert."""
        alert_id, revision = entry.about.get("alert_id"), entry.about.get("revision")
        if not entry.sha256:
            return  # a tombstone: compaction forgot it
        if not isinstance(alert_id, str) or not isinstance(revision, int) or not _HASH.fullmatch(entry.sha256):
            self.findings.add(
                "entry",
                "a record of the topic that is no alert: its entry has no id and revision",
                index=index,
                topic=ALERTS,
            )
            return
        family, rule = str(entry.about.get("family", "")), str(entry.about.get("rule_id", ""))
        self.by_family[family] += 1
        self.stored.setdefault((alert_id, revision), []).append(
            Stored(bytes.fromhex(entry.sha256), index, entry.partition, entry.offset, entry.at, rule, family)
        )

    def receipt(self, index: int, entry: Entry) -> None:
        """Take the entry of a receipt."""
        about = entry.about
        if not entry.sha256:
            return
        destination, alert_id, state = (str(about.get(name, "")) for name in ("destination", "alert_id", "state"))
        revision, partition, offset = (about.get(name) for name in ("revision", "partition", "offset"))
        if (
            not isinstance(revision, int)
            or not isinstance(partition, int)
            or not isinstance(offset, int)
            or not alert_id
        ):
            self.findings.add("entry", "a receipt that does not say of which alert", index=index, topic=RECEIPTS)
            return
        self.receipts[destination, state] += 1
        key = destination, alert_id
        if state in TOLD:
            self._told[key] = max(revision, self._told.get(key, -1))
        elif state == PARKED:
            self._parked[key] = max(revision, self._parked.get(key, -1))
        least, most = self._span.get((destination, partition), (offset, offset))
        self._span[destination, partition] = min(least, offset), max(most, offset)
        if (alert_id, revision) not in self.stored:
            self._unknown.append((index, alert_id, revision, partition, offset))

    def end(self, claims: list[Claim], spans: Continuity, destinations: Destinations, now: int) -> None:
        """Compare everything; `now` is the time of the log's last entry, milliseconds."""
        for claim in claims:
            self._compare(claim, now)
        for key, stored in self.stored.items():
            if key not in self.claimed:
                self.unclaimed[stored[0].family] += 1
        self._receipts_of_nothing(spans)
        self._deliveries(destinations, now)

    def _compare(self, claim: Claim, now: int) -> None:
        """Compare a range's counts and hash with the alerts that it names."""
        names, versions, missing = [], [], []
        for text in claim.alerts:
            alert_id, _, revision = text.rpartition("|")
            key = (alert_id, int(revision)) if _REVISION.fullmatch(revision) else (text, 0)
            self.claimed.add(key)
            if key in self.stored:
                names.append(key)
                versions.append(self.stored[key])
            else:
                missing.append(text)
        where = where_of(claim)
        if missing:
            if claim.over:
                self.before += len(missing)
                return
            if claim.at + self._grace >= now:
                self.under_way += [f"alert {text} of {claim.topic}/{claim.partition}" for text in missing]
                return
            for text in missing:
                self._say(claim, f"{where} gave the alert {text}, and the log holds no such alert: it was left out")
            return
        least = Counter(stored[0].rule_id for stored in versions)
        for rule, count in least.items():
            if claim.verdicts.get(rule, 0) < count:
                told = claim.verdicts.get(rule, 0)
                self._say(claim, f"{where} counts {told} findings of {rule}; its alerts have {count} at least")
        if not any(
            hash_of([(*key, one.sha256.hex()) for key, one in zip(names, each, strict=True)]) == claim.alerts_hash
            for each in _choices(versions)
        ):
            named = ", ".join(claim.alerts[:3]) + (" …" if len(claim.alerts) > 3 else "")
            self._say(
                claim,
                f"{where}: the hash of its alerts is not that of the alerts which the log holds ({named or 'none'})",
            )

    def _say(self, claim: Claim, what: str) -> None:
        self.findings.add(
            "verdicts", what, index=claim.index, topic=claim.topic, partition=claim.partition, offset=claim.first
        )

    def _receipts_of_nothing(self, spans: Continuity) -> None:
        """Name receipts of alerts that the log should hold, and does not."""
        for index, alert_id, revision, partition, offset in self._unknown:
            span = spans.spans.get((ALERTS, partition))
            if (alert_id, revision) in self.stored or (span is not None and offset < span.first):
                continue  # it came later in the log, or from before the log begins
            if span is None:
                self.findings.add(
                    "delivery",
                    f"a receipt is of alert {alert_id} revision {revision}, and the log holds nothing of "
                    f"{ALERTS}/{partition}: the partition was left out",
                    index=index, topic=ALERTS, partition=partition, offset=offset,
                )  # fmt: skip
                continue
            if offset >= span.following:
                self.under_way.append(f"alert {alert_id}|{revision} of which there is a receipt")
                continue
            self.findings.add(
                "delivery",
                f"a receipt is of alert {alert_id} revision {revision}, which the log does not hold at "
                f"{ALERTS}/{partition} "
                f"offset {offset}: the alert was left out",
                index=index, topic=ALERTS, partition=partition, offset=offset,
            )  # fmt: skip

    def _deliveries(self, destinations: Destinations, now: int) -> None:
        """Name revisions without receipts.

        A destination is owed one for an alert when the policy in force named it, or where it has receipts of alerts
        before and behind it in the same partition; where no destination has any, the alert went nowhere.
        """
        by_partition: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
        for (destination, partition), span in self._span.items():
            by_partition[partition][destination] = span
        answered = {destination for destination, _ in self._span}
        silent: Counter[str] = Counter()
        for (alert_id, revision), stored in self.stored.items():
            last = stored[-1]
            there, named = by_partition[last.partition], destinations.owing(last.at)
            told, parked, owed = [], [], []
            for destination in sorted(there.keys() | named):
                key = destination, alert_id
                least, most = there.get(destination, (last.offset, last.offset))
                if self._told.get(key, -1) >= revision:
                    told.append(destination)
                elif self._parked.get(key, -1) >= revision:
                    parked.append(destination)
                elif destination in named or least < last.offset < most:
                    owed.append(destination)
            if told and not parked and not owed:
                continue
            why = [f"parked at {name}" for name in parked] + [f"no receipt of {name}" for name in owed]
            said = "; ".join(why) or "no receipt at all"
            self.undelivered.append(
                Undelivered(alert_id, revision, last.partition, last.offset, last.index, last.at, said)
            )
            if last.at + self._grace < now and not (told and parked and not owed):
                silent.update(name for name in owed if name not in answered)
                self.findings.add(
                    "delivery",
                    f"alert {alert_id} revision {revision} was not delivered: {said}",
                    index=last.index, topic=ALERTS, partition=last.partition, offset=last.offset,
                )  # fmt: skip
        for name, count in sorted(silent.items()):
            self.findings.add(
                "delivery",
                f"the policy names the destination {name}, and the log holds no receipt of it at all: it owes {count}",
                topic=RECEIPTS,
            )  # fmt: skip
