"""Whether alerts reach people and machines: what `cloverwatch deliver` says of itself."""

from __future__ import annotations

from typing import Final

from deploy.grafana.parts import (
    EVENTS_A_SECOND,
    NONE_IS_BAD,
    NONE_IS_GOOD,
    NUMBER,
    SECONDS,
    SHARE,
    Query,
    Row,
    Sheet,
    W,
    graph,
    number,
    states,
)


def _quantile(share: float) -> str:
    return (
        f"histogram_quantile({share}, sum by (destination, le) "
        f"(rate(cloverwatch_delivery_latency_seconds_bucket{{{W}}}[$__rate_interval])))"
    )


def _by_destination(metric: str, how: str = "sum") -> str:
    """Processes of one group share a destination's alerts among them: counts add up, the oldest of all is the oldest."""
    return f"{how} by (destination) ({metric}{{{W}}})"


DELIVERY: Final = Sheet(
    uid="cloverwatch-delivery",
    title="cloverwatch / delivery",
    description="What each destination took and answered, what waits for it, and what is hidden.",
    by="cloverwatch_delivery_ready",
    rows=(
        Row(
            "Now",
            (
                number(
                    "Delivers",
                    "Processes that deliver and say they are ready. With none, alerts stay in their topic.",
                    NUMBER,
                    f"sum(cloverwatch_delivery_ready{{{W}}})",
                    NONE_IS_BAD,
                ),
                number(
                    "Overdue",
                    "Alerts undelivered for longer than their destination's deadline.",
                    NUMBER,
                    f"sum(cloverwatch_delivery_overdue_alerts{{{W}}})",
                    NONE_IS_GOOD,
                ),
                number(
                    "Undelivered",
                    "Alerts that some destination should have and has not.",
                    NUMBER,
                    f"sum(cloverwatch_delivery_undelivered_alerts{{{W}}})",
                ),
                number(
                    "Parked",
                    "Alerts tried no more until `cloverwatch deliver --replay DESTINATION`.",
                    NUMBER,
                    f"sum(cloverwatch_delivery_parked_alerts{{{W}}})",
                    NONE_IS_GOOD,
                ),
                number(
                    "Open",
                    "Alerts that nobody has closed and that have not ended.",
                    NUMBER,
                    f"sum(cloverwatch_delivery_open_alerts{{{W}}})",
                ),
                number(
                    "Hidden",
                    "Open alerts that a silence or a maintenance window hides now.",
                    NUMBER,
                    f"sum(cloverwatch_delivery_silenced_alerts{{{W}}}) or on () 0 * sum(cloverwatch_delivery_ready{{{W}}})",
                ),
            ),
        ),
        Row(
            "Destinations",
            (
                states(
                    "Answer",
                    "Whether the last attempt at each destination succeeded.",
                    Query(f"min by (destination) (cloverwatch_delivery_destination_up{{{W}}})", "{{destination}}"),
                ),
                graph(
                    "Time left used up",
                    "Age of the oldest undelivered alert as a share of the destination's deadline.",
                    SHARE,
                    Query(
                        f"{_by_destination('cloverwatch_delivery_oldest_undelivered_age_seconds', 'max')} / "
                        f"{_by_destination('cloverwatch_delivery_deadline_seconds', 'max')}",
                        "{{destination}}",
                    ),
                    steps=((None, "green"), (0.5, "orange"), (1, "red")),
                ),
                graph(
                    "From published to answered",
                    "99 in 100 alerts were taken by the destination within this time.",
                    SECONDS,
                    Query(_quantile(0.99), "{{destination}}"),
                ),
                graph(
                    "From published to answered, usually",
                    "Half of the alerts were taken by the destination within this time.",
                    SECONDS,
                    Query(_quantile(0.5), "{{destination}}"),
                ),
                graph(
                    "Attempts that failed",
                    "Share of attempts that a destination did not answer, or refused.",
                    SHARE,
                    Query(
                        "sum by (destination) "
                        f'(rate(cloverwatch_delivery_attempts_total{{outcome!="delivered",{W}}}[$__rate_interval])) / '
                        f"sum by (destination) (rate(cloverwatch_delivery_attempts_total{{{W}}}[$__rate_interval]))",
                        "{{destination}}",
                    ),
                    most=1,
                ),
                graph(
                    "What became of alerts",
                    "Alerts by destination and state: delivered, within a group or a digest, silenced, not routed there, parked.",
                    EVENTS_A_SECOND,
                    Query(
                        "sum by (destination, state) "
                        f"(rate(cloverwatch_delivery_alerts_total{{{W}}}[$__rate_interval]))",
                        "{{destination}}: {{state}}",
                    ),
                    stacked=True,
                ),
            ),
        ),
        Row(
            "What waits",
            (
                graph(
                    "Undelivered, by destination",
                    "Alerts that each destination should have and has not.",
                    NUMBER,
                    Query(_by_destination("cloverwatch_delivery_undelivered_alerts"), "{{destination}}"),
                    width=8,
                ),
                graph(
                    "Held on purpose",
                    "Alerts that wait for a group's interval or a rate limit.",
                    NUMBER,
                    Query(_by_destination("cloverwatch_delivery_held_alerts"), "{{destination}}"),
                    width=8,
                ),
                graph(
                    "Not read yet",
                    "Records of the alerts topic that each destination's group has not read.",
                    NUMBER,
                    Query(_by_destination("cloverwatch_delivery_lag_records"), "{{destination}}"),
                    width=8,
                ),
            ),
        ),
        Row(
            "Processes",
            (
                states(
                    "Ready",
                    "Whether each process reads alerts for all its destinations, or stands by to take over.",
                    Query(f"min by (instance) (cloverwatch_delivery_ready{{{W}}})", "{{instance}}"),
                ),
                graph(
                    "Policy not taken up",
                    "1 while a process cannot take up the policy file and delivers as an older policy says.",
                    NUMBER,
                    Query(f"max by (instance) (cloverwatch_delivery_policy_reload_failed{{{W}}})", "{{instance}}"),
                    steps=NONE_IS_GOOD,
                ),
            ),
        ),
        Row(
            "People",
            (
                graph(
                    "Open alerts by severity",
                    "Alerts that nobody has closed and that have not ended.",
                    NUMBER,
                    Query(f"sum by (severity) (cloverwatch_delivery_open_alerts{{{W}}})", "{{severity}}"),
                    width=8,
                    stacked=True,
                ),
                graph(
                    "Hidden by silences",
                    "Open alerts that each silence hides now.",
                    NUMBER,
                    Query(
                        f"max by (silence) (cloverwatch_delivery_silenced_alerts{{{W}}}) "
                        f"or on () 0 * sum(cloverwatch_delivery_ready{{{W}}})",
                        "{{silence}}",
                    ),
                    width=8,
                ),
                graph(
                    "What people did",
                    "Acknowledgements, comments and closings within the hour before, by what came of them.",
                    NUMBER,
                    Query(
                        f"sum by (kind, result) (increase(cloverwatch_delivery_actions_total{{{W}}}[1h])) "
                        f"or on () 0 * sum(cloverwatch_delivery_ready{{{W}}})",
                        "{{kind}}: {{result}}",
                    ),
                    width=8,
                ),
                graph(
                    "Receipts stored",
                    "Receipts written to their topic: what a destination answered, for each alert.",
                    EVENTS_A_SECOND,
                    Query(
                        f"sum(rate(cloverwatch_delivery_receipts_stored_total{{{W}}}[$__rate_interval]))", "receipts"
                    ),
                ),
                graph(
                    "Records that cannot be read",
                    "Records of the topics that delivery reads and cannot use, within the hour before.",
                    NUMBER,
                    Query(
                        f"sum by (topic, reason) (increase(cloverwatch_delivery_bad_records_total{{{W}}}[1h])) "
                        f"or on () 0 * sum(cloverwatch_delivery_ready{{{W}}})",
                        "{{topic}}: {{reason}}",
                    ),
                    steps=NONE_IS_GOOD,
                ),
            ),
        ),
    ),
)
