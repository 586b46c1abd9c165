"""Counts of findings by rule against the alerts that a range gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from agents.audit.verifying.alerts import where_of
from agents.audit.verifying.exported import Exported
from agents.audit.verifying.findings import Findings
from agents.audit.verifying.judgement import Claim


def compare(claims: Iterable[Claim], exported: Exported, findings: Findings) -> None:
    """Compare the counts of findings by rule with the alerts' own reasons, where the export has them all."""
    for claim in claims:
        found: Counter[str] = Counter()
        whole = True
        for text in claim.alerts:
            alert_id, _, revision = text.rpartition("|")
            rules = (
                exported.reasons.get((alert_id, int(revision)))
                if revision.isascii() and revision.isdecimal() and len(revision) < 10
                else None
            )
            whole = whole and rules is not None
            found.update(rules or ())
        told = Counter({rule: count for rule, count in claim.verdicts.items() if count})
        if whole and found != told:
            wrong = sorted(rule for rule in {*found, *told} if found[rule] != told[rule])
            said = ", ".join(f"{rule} {told[rule]} and not {found[rule]}" for rule in wrong)
            findings.add(
                "verdicts",
                f"{where_of(claim)} counts findings that its alerts do not have: {said}",
                index=claim.index, topic=claim.topic, partition=claim.partition, offset=claim.first,
            )  # fmt: skip
