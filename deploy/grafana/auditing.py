"""The audit log, as its process tells of itself: a row of the dashboard of gateways and audit."""

from __future__ import annotations

from typing import Final

from deploy.grafana.parts import (
    EVENTS_A_SECOND,
    NONE_IS_BAD,
    NONE_IS_GOOD,
    NUMBER,
    SECONDS,
    Query,
    Row,
    W,
    graph,
    number,
)

RECENT: Final = "$__rate_interval"


def or_none(expr: str, ready: str) -> str:
    """Say 0 where nothing was counted yet, as long as such a process answers: never 0 of silence."""
    return f"{expr} or on () 0 * sum({ready}{{{W}}})"


AUDIT: Final = Row(
    "The audit log",
    (
        number(
            "Log is written",
            "1 while the process that writes the audit log is ready.",
            NUMBER,
            f"sum(cloverwatch_audit_ready{{{W}}})",
            NONE_IS_BAD,
        ),
        number("Entries", "Entries of the log.", NUMBER, f"max(cloverwatch_audit_log_entries{{{W}}})"),
        number(
            "Age of the checkpoint",
            "Since a checkpoint was last signed; grows while nothing is to be appended.",
            SECONDS,
            f"max(cloverwatch_audit_checkpoint_age_seconds{{{W}}})",
        ),
        number(
            "Not witnessed yet",
            "Entries behind the last checkpoint that enough witnesses cosigned; 0 where none is asked.",
            NUMBER,
            f"max(cloverwatch_audit_unwitnessed_entries{{{W}}})",
        ),
        number(
            "Records missing",
            "Records that were gone when the log came to them, in the time that is shown; compaction is no loss.",
            NUMBER,
            "sum(increase(cloverwatch_audit_missing_records_total"
            f'{{why=~"lost_by_retention|unexplained|log_went_back",{W}}}[$__range]))',
            NONE_IS_GOOD,
        ),
        number(
            "Appends that failed",
            "Appends that the storage refused, in the time that is shown; each is tried again.",
            NUMBER,
            f"sum(increase(cloverwatch_audit_append_failures_total{{{W}}}[$__range]))",
            NONE_IS_GOOD,
        ),
        graph(
            "Entries appended",
            "Entries of the log, by kind.",
            EVENTS_A_SECOND,
            Query(f"sum by (kind) (rate(cloverwatch_audit_entries_total{{{W}}}[{RECENT}]))", "{{kind}}"),
            width=8,
            stacked=True,
        ),
        graph(
            "Not in the log yet",
            "Records that are not in the log yet, by topic.",
            NUMBER,
            Query(f"max by (topic) (cloverwatch_audit_lag_records{{{W}}})", "{{topic}}"),
            width=8,
        ),
        graph(
            "Witnesses that did not cosign",
            "Witnesses that were asked and did not cosign, within the hour before.",
            NUMBER,
            Query(
                or_none(
                    f"sum by (witness) (increase(cloverwatch_audit_witness_failures_total{{{W}}}[1h]))",
                    "cloverwatch_audit_ready",
                ),
                "{{witness}}",
            ),
            width=8,
            steps=NONE_IS_GOOD,
        ),
    ),
)
