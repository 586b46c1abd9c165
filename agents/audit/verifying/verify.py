"""The whole verification: checkpoint, witnesses, tree, history, entries, completeness, deliveries, topics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, get_args

import msgspec

from agents.audit.verifying import age, signers, verdicts, who_and_why
from agents.audit.verifying.acts import Acts
from agents.audit.verifying.adoptions import Adoptions
from agents.audit.verifying.alerts import Alerts
from agents.audit.verifying.continuity import Continuity
from agents.audit.verifying.coverage import Completeness
from agents.audit.verifying.destinations import Destinations
from agents.audit.verifying.ends import name_unjudged
from agents.audit.verifying.exported import Exported
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.judgement import Claim
from agents.audit.verifying.log_files import LogFiles, Walk
from agents.audit.verifying.notes import Checkpoint, Verifier, checkpoint
from agents.audit.verifying.passes import Passes
from agents.audit.verifying.processes import Processes
from agents.audit.verifying.succession import Beginning
from agents.audit.verifying.tenure import SILENT_MS
from agents.audit.verifying.unclaimed import name_unclaimed
from agents.audit.verifying.who_and_why import Told
from schemas.entry import Entry, EntryKind
from schemas.gateway_topics import GATEWAY_DECISIONS, POLICY_CHANGES
from schemas.policy_change import PolicyChange
from schemas.topics import ACCESS_EVENTS

GRACE_MS: Final = 15 * 60_000
"""What is younger than this at the log's end may be under way still: an alert stored and not yet logged, or not yet
delivered. Delivery counts as late after minutes."""

TELL_EVERY: Final = 100_000
"""Entries between two lines of progress."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What bytes that are no entry raise: not JSON, not of the shape, not UTF-8, nested without end."""

KINDS: Final = frozenset(get_args(EntryKind))
_decode: Final = msgspec.json.Decoder(Entry).decode


class _Kind(msgspec.Struct):
    kind: str


_kind: Final = msgspec.json.Decoder(_Kind).decode


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be verified, with what."""

    folder: Path
    keys: Sequence[Verifier]
    witnesses: Sequence[Verifier] = ()
    needed: int = 0
    """How many of the witnesses must have signed."""
    earlier: Sequence[Path] = ()
    export: Path | None = None
    origin: str = ""
    """Whose checkpoint it must be; empty: of the name of one of the keys."""
    grace: int = GRACE_MS
    auditors: Mapping[str, str] = field(default_factory=dict)
    """Public keys, base64, by name, of whom policies must be signed by; empty: it is not looked at."""
    auditors_needed: int = 1
    changes: Mapping[str, PolicyChange] = field(default_factory=dict)
    """Records of `policy.changes` that were kept, by the SHA-256 of their bytes; beside those of the export."""
    now: int = 0
    """The auditor's clock, milliseconds."""
    oldest: int | None = None
    """How old the log's last entry and the witnesses' signatures may be, milliseconds; None: as old as they are."""
    tell: Callable[[str], None] = lambda _: None
    seen: Callable[[int, Entry], None] = lambda _, __: None
    """Handed every entry that can be read, with its index."""


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    signed: Checkpoint
    findings: Findings
    spans: Continuity
    completeness: Completeness
    alerts: Alerts
    acts: Acts
    adoptions: Adoptions
    exported: Exported | None
    passes: Passes
    beginning: Beginning
    processes: Processes = field(default_factory=Processes)
    signers: list[str] = field(default_factory=list)
    witnessed: list[tuple[str, int, int]] = field(default_factory=list)
    """(witness, when it signed in seconds since 1970, how many entries)."""
    kept: list[tuple[str, int]] = field(default_factory=list)
    """Earlier checkpoints that were compared: (file, size)."""
    beside: Checkpoint | None = None
    """The last checkpoint that had enough cosignatures, where the newest has not."""
    agreed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    """Entries of kinds that this version does not know."""
    since: int = 0
    until: int = 0
    """Times of the first and the last entry, milliseconds."""
    destinations: Destinations = field(default_factory=lambda: Destinations(()))
    told: dict[int, list[Told]] = field(default_factory=dict)
    """Who changed the policy and why, by the index of the change's entry."""
    ends: int = 0
    """Partitions of which the export says how far they were, so that it was compared with what was judged."""
    now: int = 0
    """The auditor's clock, milliseconds."""
    read: int = 0
    spent: float = 0.0
    """Seconds."""

    @property
    def rate(self) -> float:
        """Entries a second."""
        return self.read / max(self.spent, 1e-9)

    @property
    def proven(self) -> int:
        """How many entries were seen by somebody else, or earlier: they cannot have been replaced since."""
        return max([self.agreed, *(size for _, _, size in self.witnessed)])


def verify(asked: Asked) -> Outcome:
    """Verify a log.

    Raises:
        ConfigurationError: files that were named cannot be read.
        NoteError: the log's checkpoint is no checkpoint at all.
    """
    begun = time.perf_counter()
    findings = Findings()
    files = LogFiles(asked.folder)
    signed = checkpoint(files.checkpoint())
    beginning = Beginning()
    judged = Completeness(findings, beginning)
    outcome = Outcome(
        signed,
        findings,
        Continuity(findings),
        judged,
        Alerts(findings, grace=asked.grace),
        Acts(findings, beginning),
        Adoptions(findings, asked.auditors, asked.auditors_needed),
        None if asked.export is None else Exported(asked.export, findings, beginning),
        Passes(findings, judged, max(asked.grace, GRACE_MS)),
        beginning,
    )
    signers.signatures(asked, outcome)
    signers.origin(asked, signed, findings)
    walk = Walk(files, signed, signers.earlier(asked, outcome), findings)
    for index, raw in walk:
        if raw is not None:
            _take(outcome, index, raw, asked.seen)
        outcome.read += 1
        if outcome.read % TELL_EVERY == 0:
            rate = outcome.read / (time.perf_counter() - begun)
            asked.tell(f"{outcome.read:,} of {signed.size:,} entries ({rate:,.0f}/s)")
    outcome.agreed = walk.agreed
    signers.stale(asked, outcome)
    outcome.completeness.end(outcome.until, max(asked.grace, GRACE_MS), max(asked.grace, SILENT_MS))
    outcome.passes.end(outcome.until)
    outcome.processes.end(outcome.until)
    _never_judged(outcome)
    outcome.destinations = Destinations(outcome.completeness.in_force)
    outcome.alerts.end(_claims(outcome), outcome.spans, outcome.destinations, outcome.until)
    name_unclaimed(outcome.alerts, outcome.completeness, outcome.spans, outcome.until - asked.grace)
    outcome.acts.end(outcome.spans, outcome.completeness, outcome.until - asked.grace)
    if outcome.exported is not None:
        outcome.exported.end(outcome.spans, outcome.until - asked.grace)
        settled = outcome.until - max(asked.grace, SILENT_MS)
        outcome.ends = name_unjudged(outcome.completeness.judged, outcome.exported.manifest, settled, findings)
        verdicts.compare(_claims(outcome), outcome.exported, findings)
    _policies(asked, outcome)
    outcome.now = asked.now
    if asked.oldest is not None:
        signed_at = [at * 1000 for _, at, _ in outcome.witnessed]
        age.check(outcome.until, signed_at, asked.needed, asked.oldest, asked.now, findings)
    outcome.spent = time.perf_counter() - begun
    return outcome


def _policies(asked: Asked, outcome: Outcome) -> None:
    """Say who changed the policy and why, and whether auditors signed what was judged by."""
    records = {**asked.changes, **({} if outcome.exported is None else outcome.exported.changes)}
    changes, span = outcome.acts.changes, outcome.spans.spans.get((POLICY_CHANGES, 0))
    outcome.told = who_and_why.told(changes, records, asked.auditors, outcome.findings)
    outcome.adoptions.end(changes, records, whole=span is None or span.first == 0)


def _never_judged(outcome: Outcome) -> None:
    """Name the partitions of accesses that no record of coverage is about.

    Decisions lie in as many partitions as accesses, so that both of a person meet (`docs/topics.md`); which those are
    the log says whenever it is opened.
    """
    decided = {partition for topic, partition in outcome.spans.spans if topic == GATEWAY_DECISIONS}
    for each, done in ((outcome.completeness, "judged"), (outcome.passes.matched, "held against decisions")):
        begun = {partition for topic, partition in each.judged if topic == ACCESS_EVENTS}
        if each is outcome.passes.matched and outcome.beginning.continues:
            continue  # it may have begun in the log before, and nothing came; else `Passes` names it
        for partition in sorted(decided - begun) if begun else ():
            outcome.findings.add(
                "not_covered",
                f"nobody ever began with this partition: nothing of it was {done}",
                topic=ACCESS_EVENTS,
                partition=partition,
            )


def _claims(outcome: Outcome) -> list[Claim]:
    return [*outcome.completeness.claims, *outcome.passes.matched.claims]


def _take(outcome: Outcome, index: int, raw: bytes, seen: Callable[[int, Entry], None]) -> None:
    """Take one entry."""
    try:
        entry = _decode(raw)
    except UNREADABLE as error:
        _unread(outcome, index, raw, error)
        return
    seen(index, entry)
    outcome.kinds[entry.kind] += 1
    at = entry.at if isinstance(entry.at, int) else 0
    outcome.since = outcome.since or at
    outcome.until = max(outcome.until, at)
    if entry.kind == "opened":
        outcome.beginning.take(index, entry)
        outcome.spans.opened(index, entry)
        return
    if entry.kind == "hole":
        outcome.spans.hole(index, entry)
        return
    outcome.spans.record(index, entry)
    if outcome.exported is not None:
        outcome.exported.take(index, entry)
    if entry.kind == "alert":
        outcome.alerts.alert(index, entry)
    elif entry.kind == "receipt":
        outcome.alerts.receipt(index, entry)
    elif entry.kind == "coverage":
        _coverage(outcome, index, entry)
    else:
        outcome.acts.take(index, entry)
        if entry.kind == "decision":
            outcome.adoptions.decided(index, entry)


def _coverage(outcome: Outcome, index: int, entry: Entry) -> None:
    if not entry.sha256 or "type" not in entry.about:
        said = (
            "a record of coverage that its entry does not repeat (unreadable, or too long): what it covers is not known"
        )
        outcome.findings.add("entry", said, index=index, topic=entry.topic, offset=entry.offset)
        return
    record = outcome.passes.take(index, entry)
    outcome.adoptions.covered(index, record)
    if record is not None:
        outcome.processes.take(record, entry.at)
    if sha256(msgspec.json.encode(entry.about)).hexdigest() != entry.sha256:
        outcome.findings.add(
            "verdicts",
            "what the entry says of a range is not what its own hash is over: it was edited",
            index=index, topic=entry.topic, partition=entry.partition, offset=entry.offset,
        )  # fmt: skip


def _unread(outcome: Outcome, index: int, raw: bytes, error: Exception) -> None:
    try:
        kind = _kind(raw).kind
    except UNREADABLE:
        outcome.findings.add("entry", f"cannot be read ({error})", index=index)
        return
    if kind in KINDS:
        outcome.findings.add("entry", f"an entry of kind {kind} that is none ({error})", index=index)
    else:
        outcome.unknown[kind[:64]] += 1
