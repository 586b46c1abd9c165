"""Is everything watched, and what is found: what one looks at first."""

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
    Sheet,
    W,
    bars,
    graph,
    number,
    states,
)

OVERVIEW: Final = Sheet(
    uid="cloverwatch-overview",
    title="cloverwatch / overview",
    description="Whether everything is watched, what is found, and whether people hear of it.",
    rows=(
        Row(
            "Is everything watched?",
            (
                number(
                    "Workers that judge",
                    "Workers that say they are ready. With none, brokers keep the events until one is.",
                    NUMBER,
                    f"sum(cloverwatch_ready{{{W}}})",
                    NONE_IS_BAD,
                ),
                number(
                    "Partitions nobody reads",
                    "Partitions of access.events that no worker holds: accesses in them are not judged.",
                    NUMBER,
                    "max(cloverwatch_topic_partitions) - "
                    'count(count by (partition) (cloverwatch_consumer_lag_records{topic="access.events"}))',
                    NONE_IS_GOOD,
                ),
                number(
                    "Silent sources",
                    "Gateways, systems and partitions that write nothing for longer than they ever do at this hour.",
                    NUMBER,
                    f"max(cloverwatch_silent_sources{{{W}}})",
                    NONE_IS_GOOD,
                ),
                number(
                    "Records lost",
                    "Records that the broker deleted before they were judged, in the time that is shown.",
                    NUMBER,
                    f'sum(increase(cloverwatch_offset_gap_records_total{{kind="lost_by_retention",{W}}}[$__range]))',
                    NONE_IS_GOOD,
                ),
                number(
                    "Records that wait",
                    "Offsets between what is committed and the end of the log, over all topics.",
                    NUMBER,
                    "sum(topic:cloverwatch_consumer_lag_records:sum)",
                    ((None, "green"), (10_000, "orange"), (1_000_000, "red")),
                ),
                number(
                    "Alerts about the monitor",
                    "Alerts of deploy/prometheus/alerts.yml that fire now, each with its runbook.",
                    NUMBER,
                    'count(ALERTS{alertstate="firing",alertname=~"Cloverwatch.+"}) or vector(0)',
                    NONE_IS_GOOD,
                ),
            ),
        ),
        Row(
            "What is found",
            (
                graph(
                    "Accesses by place",
                    "Accesses judged, by class of the country they came from.",
                    EVENTS_A_SECOND,
                    Query("place_class:cloverwatch_events_judged:rate5m", "{{place_class}}"),
                    stacked=True,
                ),
                graph(
                    "Alerts by severity",
                    "Alerts that the brokers have stored within the hour before.",
                    NUMBER,
                    Query("severity:cloverwatch_alerts:increase1h", "{{severity}}"),
                    stacked=True,
                ),
                bars(
                    "Rules that spoke",
                    "The ten rules with most findings within the last hour.",
                    NUMBER,
                    Query("topk(10, rule:cloverwatch_findings:increase1h)", "{{rule}}"),
                ),
                graph(
                    "From record to alert",
                    "How long after a record was appended its alert is stored: half of them, and 99 in 100. The promise is 10 s.",
                    SECONDS,
                    Query(
                        "histogram_quantile(0.5, sum by (le) "
                        f"(rate(cloverwatch_arrival_to_alert_seconds_bucket{{{W}}}[$__rate_interval])))",
                        "half",
                    ),
                    Query(
                        "histogram_quantile(0.99, sum by (le) "
                        f"(rate(cloverwatch_arrival_to_alert_seconds_bucket{{{W}}}[$__rate_interval])))",
                        "99 in 100",
                    ),
                    steps=((None, "green"), (10, "red")),
                ),
            ),
        ),
        Row(
            "Do people hear of it?",
            (
                number(
                    "Overdue alerts",
                    "Alerts undelivered for longer than their destination's deadline.",
                    NUMBER,
                    "sum(cloverwatch_delivery_overdue_alerts)",
                    NONE_IS_GOOD,
                    width=6,
                ),
                number(
                    "Parked alerts",
                    "Alerts that a destination has not taken and that are tried no more until somebody replays them.",
                    NUMBER,
                    "sum(cloverwatch_delivery_parked_alerts)",
                    NONE_IS_GOOD,
                    width=6,
                ),
                number(
                    "Open alerts",
                    "Alerts that nobody has closed and that have not ended.",
                    NUMBER,
                    "sum(cloverwatch_delivery_open_alerts)",
                    width=6,
                ),
                number(
                    "Hidden by silences",
                    "Open alerts that a silence or a maintenance window hides now.",
                    NUMBER,
                    "sum(cloverwatch_delivery_silenced_alerts) or on () 0 * sum(cloverwatch_delivery_ready)",
                    width=6,
                ),
                states(
                    "Destinations that answer",
                    "Whether the last attempt at each destination succeeded.",
                    Query("min by (destination) (cloverwatch_delivery_destination_up)", "{{destination}}"),
                ),
                graph(
                    "From alert to destination",
                    "99 in 100 alerts were taken by each destination within this time after they were published.",
                    SECONDS,
                    Query("destination:cloverwatch_delivery_latency_seconds:p99_5m", "{{destination}}"),
                ),
            ),
        ),
    ),
)
