"""What was verified, for a person to read: what was covered, when, and what was not; then what does not hold."""

from __future__ import annotations

from collections import Counter
from typing import Final

from agents.audit.verifying import adoptions, age, destinations, monitor, who_and_why
from agents.audit.verifying.continuity import EXPLAINED
from agents.audit.verifying.coverage import Completeness
from agents.audit.verifying.findings import KINDS, Finding
from agents.audit.verifying.passes import without_matching
from agents.audit.verifying.verify import Outcome
from agents.audit.verifying.wording import SHOWN_MOST, when

ALONE: Final = (
    "without an earlier or witnessed checkpoint nobody can tell whether this history replaced another one: "
    "whoever holds "
    "the log's key can build a new one that is right in itself. Keep this checkpoint, and give it the next "
    "time with --earlier"
)
"""What files and the log's own signature cannot prove."""


def limits(outcome: Outcome) -> list[str]:
    """Return what this verification could not prove, with what it was given."""
    found = []
    if not outcome.agreed and not outcome.witnessed:
        found.append(ALONE)
    elif outcome.signed.size > outcome.proven:
        found.append(
            f"entries {outcome.proven} to {outcome.signed.size - 1} lie behind the last checkpoint that was kept or "
            "witnessed: that they were not replaced rests on the log's signature alone"
        )
    if outcome.exported is None:
        found.append(
            "no topics were given (--topics): that alerts exist as the log says, and that no record of a "
            "topic is missing at "
            "the log's end, was not looked at"
        )
    elif outcome.completeness.judged and not outcome.ends:
        found.append(
            "the export does not say how far the accesses were, or not of before the log's end: that the last of them "
            "were judged rests on what workers say"
        )
    if outcome.exported is not None and not outcome.exported.topics:
        found.append("the export holds none of the topics of the log")
    if not outcome.adoptions.auditors:
        found.append(
            "no keys of auditors were given (--auditor): whether they signed the policies that were in force was not "
            "looked at"
        )
    found += [destinations.ROUTES] if outcome.destinations.known else [destinations.UNKNOWN, destinations.ROUTES]
    if outcome.findings.counts["tree"]:
        found.append("what the entries say was read from files that are not those that were signed, or not all of them")
    if outcome.unknown:
        said = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(outcome.unknown.items()))
        found.append(f"entries that this version does not know were not looked at: {said}")
    if untold := sum(of.untold for of in outcome.completeness.judged.values()):
        found.append(
            f"the workers of {untold} of {len(outcome.completeness.judged)} partitions do not say what they hold, as "
            "those of earlier versions: whether what they judged last was left out is not known"
        )
    if not outcome.completeness.judged:
        found.append("the log holds no record of coverage: nothing says what was judged")
    if said := _without_matching(outcome):
        found.append(said)
    found.append(
        "whether a verdict is right is not in the log: `cloverwatch audit replay` judges again; and whether "
        "every access "
        "reached a topic is nothing that a log of topics can say"
    )
    return found


def lines(outcome: Outcome) -> list[str]:
    """Return the report."""
    signed = outcome.signed
    told = [
        f"Audit of {signed.origin}",
        f"  checkpoint         {signed.size:,} entries, root {signed.root.hex()}",
        f"  signed by          {', '.join(outcome.signers) or 'no key that was given'}",
        f"  cosigned by        {_witnesses(outcome)}",
        f"  earlier            {_earlier(outcome)}",
        f"  from, to           {when(outcome.since)} to {when(outcome.until)}",
        f"  ends               {age.said(outcome.until, outcome.now)}",
        f"  read               {outcome.read:,} entries in {outcome.spent:.1f} s ({outcome.rate:,.0f}/s)",
        f"  entries            {_counts(outcome.kinds)}",
        "",
        "Judged, by partition",
        *_judged(outcome.completeness),
        "",
        "Held against gateways' decisions, by partition",
        *_judged(outcome.passes.matched),
        "",
        "Not covered",
        *_not_covered(outcome),
        "",
        "The monitor itself",
        *monitor.lines(outcome),
        "",
        "In the log, by topic and partition",
        *_logged(outcome),
        "",
        "Policies",
        *_policies(outcome),
        "",
        "Alerts and deliveries",
        *_alerts(outcome),
        "",
        "People and gateways",
        f"  decisions          {_counts(outcome.acts.decisions)}",
        f"  approvals          {_counts(outcome.acts.approvals)}",
        f"  actions on alerts  {_counts(outcome.acts.actions)}",
        f"  requests           {_counts(outcome.acts.requests)}",
    ]
    if outcome.exported is not None:
        exported = outcome.exported
        told += [
            "",
            "Topics as exported",
            f"  compared           {exported.compared:,} records of {', '.join(exported.topics) or 'no topic'}",
            f"  gone since         {exported.gone:,} by retention or compaction",
            f"  younger            {exported.beyond:,} records are not in the log yet",
            *_older(exported.older),
            f"  ends of accesses   {outcome.ends:,} partitions: how far they were then, against what was judged",
        ]
    told += ["", "What this does not prove", *(f"  - {limit}" for limit in limits(outcome)), ""]
    return told + _findings(outcome)


def _older(older: int) -> list[str]:
    said = f"  older              {older:,} records are from before this log, which goes on from another one"
    return [said] if older else []


def _findings(outcome: Outcome) -> list[str]:
    findings = outcome.findings
    if not findings:
        return ["No findings: everything that was looked at holds."]
    told = [f"Findings: {sum(findings.counts.values()):,}"]
    for kind, meaning in KINDS.items():
        if not findings.counts[kind]:
            continue
        told.append(f"  {kind}: {meaning}")
        some = [each for each in findings.kept if each.kind == kind][:SHOWN_MOST]
        told += [f"    {_sentence(each)}" for each in some]
        if findings.counts[kind] > len(some):
            told.append(f"    … and {findings.counts[kind] - len(some):,} more")
    return told


def _sentence(finding: Finding) -> str:
    return f"{finding.where}: {finding.what}" if finding.where else finding.what


def _witnesses(outcome: Outcome) -> str:
    if not outcome.witnessed:
        return "nobody that was given"
    return ", ".join(f"{name} at {when(at * 1000)} ({size:,} entries)" for name, at, size in outcome.witnessed)


def _earlier(outcome: Outcome) -> str:
    if not outcome.kept:
        return "none was given"
    said = ", ".join(f"{name} ({size:,} entries)" for name, size in outcome.kept)
    return f"{said}; this history goes on from {outcome.agreed:,} entries"


def _without_matching(outcome: Outcome) -> str:
    return without_matching(outcome.passes, outcome.kinds["decision"], outcome.alerts.by_family["gateway"])


def _judged(completeness: Completeness) -> list[str]:
    told = []
    for (topic, partition), of in sorted(completeness.judged.items()):
        if not of.ranges:
            told.append(f"  {topic}/{partition}: nothing yet; begun at offset {of.first}")
            continue
        told.append(
            f"  {topic}/{partition}: offsets {of.first} to {of.following - 1}, {when(of.since)} to {when(of.until)}, "
            f"{of.ranges:,} ranges, {of.records:,} records, {of.alerts:,} alerts"
        )
        more = {
            "dead letters": of.dead_letters,
            "repetitions": of.duplicates,
            "moved": of.moved,
            "judged again after a start": of.again,
        }
        more |= {f"offsets without a record ({why})": count for why, count in of.holes.items() if why in EXPLAINED}
        if said := ", ".join(f"{name} {count:,}" for name, count in more.items() if count):
            told.append(f"    {said}")
        if of.verdicts:
            told.append(f"    findings: {_counts(of.verdicts)}")
    return told or ["  nothing"]


def _not_covered(outcome: Outcome) -> list[str]:
    told = [f"  {each}" for each in outcome.passes.older()]
    if said := _without_matching(outcome):
        told.append(f"  {said}")
    some = [each for each in outcome.findings.kept if each.kind == "not_covered"]
    told += [f"  {_sentence(each)}" for each in some[:SHOWN_MOST]]
    if outcome.findings.counts["not_covered"] > SHOWN_MOST:
        told.append(f"  … and {outcome.findings.counts['not_covered'] - SHOWN_MOST:,} more")
    return told or ["  nothing is missing between the first and the last offset of any partition"]


def _logged(outcome: Outcome) -> list[str]:
    told = []
    for (topic, partition), span in sorted(outcome.spans.spans.items()):
        holes = ", ".join(f"{count:,} offsets {why}" for why, count in sorted(span.holes.items()))
        times = f", {when(span.since)} to {when(span.until)}" if span.records else ""
        if span.following == span.first:
            continue
        told.append(
            f"  {topic}/{partition}: offsets {span.first} to {span.following - 1}, {span.records:,} records{times}"
            + (f"; {holes}" if holes else "")
        )
    return told or ["  nothing"]


def _policies(outcome: Outcome) -> list[str]:
    told = [
        f"  in force from {when(record.at)}: {record.policy}, SHA-256 {record.sha256}, legal table "
        f"{record.legal_table}, "
        f"addresses {record.geo_table} (entry {index})"
        for index, record in outcome.completeness.in_force
    ]
    told += [
        f"  in force before this log: {said[0]}, by what worker {worker} judged"
        for each in (outcome.completeness, outcome.passes.matched)
        for worker, said in each.carried.items()
        if said is not None
    ]
    for change in outcome.acts.changes:
        state = f"adopted at {when(change.adopted_at)}" if change.adopted_at else "proposed, or signed"
        told.append(f"  change to {change.version} (entry {change.index}): {state}")
        told += who_and_why.lines(outcome.told.get(change.index, []))
        told += [f"    {sentence}" for sentence in change.changes[:SHOWN_MOST]]
    told += adoptions.lines(outcome.adoptions)
    return told or ["  none"]


def _alerts(outcome: Outcome) -> list[str]:
    alerts = outcome.alerts
    told = [f"  revisions          {len(alerts.stored):,} ({_counts(alerts.by_family)})"]
    if alerts.unclaimed:
        told.append(
            f"  of no range        {_counts(alerts.unclaimed)}: named by none, as are later revisions "
            "(delivery), those of the overseer and of privacy"
        )
    if alerts.of_killed:
        told.append(f"  of killed workers  {alerts.of_killed:,} about accesses: stored, and not said in which range")
    told += destinations.lines(outcome.destinations)
    states: dict[str, Counter[str]] = {}
    for (destination, state), count in alerts.receipts.items():
        states.setdefault(destination, Counter())[state] += count
    told += [f"  receipts of {destination}: {_counts(counts)}" for destination, counts in sorted(states.items())]
    told.append(f"  undelivered        {len(alerts.undelivered):,}")
    told += [
        f"    {each.alert_id} revision {each.revision}, alerts/{each.partition} offset {each.offset}, "
        f"{when(each.at)}: {each.why}"
        for each in alerts.undelivered[:SHOWN_MOST]
    ]
    if len(alerts.undelivered) > SHOWN_MOST:
        told.append(f"    … and {len(alerts.undelivered) - SHOWN_MOST:,} more")
    if alerts.before:
        told.append(
            f"  of the log before  {alerts.before:,} alerts, named by ranges that reach over this log's beginning"
        )
    if alerts.under_way:
        told.append(f"  not in the log yet {len(alerts.under_way):,}: look again with a later checkpoint")
    return told


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count) or "none"
