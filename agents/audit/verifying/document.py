"""What was verified, for a machine: one JSON object; no finding is left out but beyond `KEPT_MOST` of a kind."""

from __future__ import annotations

from typing import Any

import msgspec

from agents.audit.verifying.adoptions import builtins
from agents.audit.verifying.coverage import Completeness
from agents.audit.verifying.processes import KINDS
from agents.audit.verifying.report import limits
from agents.audit.verifying.verify import Outcome


def document(outcome: Outcome) -> dict[str, Any]:
    """Return the report for a machine."""
    signed, alerts, processes = outcome.signed, outcome.alerts, outcome.processes
    return {
        "origin": signed.origin,
        "size": signed.size,
        "root": signed.root.hex(),
        "signers": outcome.signers,
        "witnesses": [{"name": name, "at": at * 1000, "size": size} for name, at, size in outcome.witnessed],
        "earlier": [{"file": name, "size": size} for name, size in outcome.kept],
        "agreed": outcome.agreed,
        "since": outcome.since,
        "until": outcome.until,
        "verified_at": outcome.now,
        "entries": dict(outcome.kinds),
        "unknown": dict(outcome.unknown),
        "seconds": round(outcome.spent, 3),
        "judged": _ranges(outcome.completeness),
        "matched": _ranges(outcome.passes.matched),
        "processes": [
            {
                "kind": run.kind,
                "process": run.process,
                "since": run.since,
                "until": run.until,
                "started": run.started,
                "stopped": run.stopped,
                "crashed": processes.crashed(run),
                "version": run.version,
                "program": run.program,
                "policies": run.policies,
            }
            for kind in KINDS
            for run in processes.of(kind)
        ],
        "without_process": {kind: [list(each) for each in processes.without(kind)] for kind in KINDS},
        "logged": [
            {
                "topic": topic,
                "partition": partition,
                "first": span.first,
                "last": span.following - 1,
                "holes": span.holes,
            }
            for (topic, partition), span in sorted(outcome.spans.spans.items())
        ],
        "policies": [{"index": index, **msgspec.to_builtins(each)} for index, each in outcome.completeness.in_force],
        "changes": [
            msgspec.to_builtins(each) | {"steps": msgspec.to_builtins(outcome.told.get(each.index, []))}
            for each in outcome.acts.changes
        ],
        "adopted": builtins(outcome.adoptions),
        "destinations": [msgspec.to_builtins(each) for each in outcome.destinations.named()],
        "alerts": {
            "revisions": len(alerts.stored),
            "families": dict(alerts.by_family),
            "of_no_range": dict(alerts.unclaimed),
            "of_killed": alerts.of_killed,
            "undelivered": [msgspec.to_builtins(each) for each in alerts.undelivered],
            "under_way": alerts.under_way,
        },
        "acts": {
            "decisions": dict(+outcome.acts.decisions),
            "approvals": dict(outcome.acts.approvals),
            "actions": dict(outcome.acts.actions),
            "requests": dict(outcome.acts.requests),
        },
        "limits": limits(outcome),
        "counts": dict(outcome.findings.counts),
        "findings": [msgspec.to_builtins(each) for each in outcome.findings.kept],
    }


def _ranges(completeness: Completeness) -> list[dict[str, Any]]:
    return [
        {
            "topic": topic,
            "partition": partition,
            "first": of.first,
            "last": of.following - 1,
            "since": of.since,
            "until": of.until,
            "ranges": of.ranges,
            "records": of.records,
            "alerts": of.alerts,
            "verdicts": dict(of.verdicts),
            "holes": dict(of.holes),
            "again": of.again,
            "starts": of.starts,
            "stops": of.stops,
            "carried": of.carried,
            "killed": of.killed,
            "heard": of.heard,
            "without_worker": [list(each) for each in of.without],
        }
        for (topic, partition), of in sorted(completeness.judged.items())
    ]
