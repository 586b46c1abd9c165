"""What rules see and what they know: the working of detection itself."""

from __future__ import annotations

from typing import Final

from deploy.grafana.parts import (
    EVENTS_A_SECOND,
    NONE_IS_GOOD,
    NUMBER,
    SECONDS,
    SHARE,
    Query,
    Row,
    Sheet,
    W,
    bars,
    graph,
    number,
    or_none,
)

DAY: Final = 86_400
LATE_PEERS: Final = ((None, "green"), (2 * DAY, "orange"), (4 * DAY, "red"))
"""A day's statistics are closed within the next day; beyond two something stands still (docs/operating.md)."""

DETECTION: Final = Sheet(
    uid="cloverwatch-detection",
    title="cloverwatch / detection",
    description="Findings by rule, what is hidden or only tried, and what habits and peers are known.",
    rows=(
        Row(
            "Findings",
            (
                bars(
                    "Findings by rule",
                    "Findings in alerts in the time that is shown.",
                    NUMBER,
                    Query(
                        f"sort_desc(sum by (rule) (increase(cloverwatch_findings_total{{{W}}}[$__range])))", "{{rule}}"
                    ),
                ),
                graph(
                    "Alerts by family",
                    "Alerts stored within the hour before: about one access, about behaviour, a dataset or the stream itself.",
                    NUMBER,
                    Query(f"sum by (family) (increase(cloverwatch_alerts_total{{{W}}}[1h]))", "{{family}}"),
                    stacked=True,
                ),
                graph(
                    "Findings by severity",
                    "Findings in alerts within the hour before.",
                    NUMBER,
                    Query(f"sum by (severity) (increase(cloverwatch_findings_total{{{W}}}[1h]))", "{{severity}}"),
                    stacked=True,
                ),
                graph(
                    "Found in shadow",
                    "Findings within the hour before of rules that are tried out: in no alert that anybody is told of.",
                    NUMBER,
                    Query(
                        or_none(f"sum by (rule) (increase(cloverwatch_shadow_findings_total{{{W}}}[1h]))"), "{{rule}}"
                    ),
                ),
            ),
        ),
        Row(
            "Judging",
            (
                number(
                    "Rules that raised",
                    "Events without a rule's verdict because the rule failed, in the time that is shown.",
                    NUMBER,
                    f"sum(increase(cloverwatch_rule_failures_total{{{W}}}[$__range]))",
                    NONE_IS_GOOD,
                ),
                number(
                    "Waiting events",
                    "Accesses that wait for a directory row of somebody or something unknown.",
                    NUMBER,
                    f"sum(cloverwatch_waiting_events{{{W}}})",
                ),
                number(
                    "Judged as unknown",
                    "Accesses judged as unknown because too many waited already, in the time that is shown.",
                    NUMBER,
                    f"sum(increase(cloverwatch_waiting_overflow_total{{{W}}}[$__range]))",
                    NONE_IS_GOOD,
                ),
                number(
                    "Verdicts remembered",
                    "Share of accesses whose verdict still held from an earlier one of the same kind.",
                    SHARE,
                    f"sum(increase(cloverwatch_memo_hits_total{{{W}}}[$__range])) / "
                    f"sum(increase(cloverwatch_events_judged_total{{{W}}}[$__range]))",
                ),
                number(
                    "Repetitions",
                    "Accesses that came again and were judged already, in the time that is shown.",
                    NUMBER,
                    f"sum(increase(cloverwatch_duplicates_total{{{W}}}[$__range]))",
                ),
                number(
                    "Policies in force",
                    "Different policies by which workers judge: one, but for the seconds of a change.",
                    NUMBER,
                    "count(count by (policy) (cloverwatch_policy_info))",
                    ((None, "green"), (2, "red")),
                ),
                graph(
                    "From access to verdict",
                    "How long after it happened an access is judged: half of them, and 99 in 100. Includes how late sources write.",
                    SECONDS,
                    Query(
                        "histogram_quantile(0.5, sum by (le) "
                        f"(rate(cloverwatch_occurrence_to_verdict_seconds_bucket{{{W}}}[$__rate_interval])))",
                        "half",
                    ),
                    Query(
                        "histogram_quantile(0.99, sum by (le) "
                        f"(rate(cloverwatch_occurrence_to_verdict_seconds_bucket{{{W}}}[$__rate_interval])))",
                        "99 in 100",
                    ),
                ),
                graph(
                    "Odd times",
                    "Accesses dated later than their append time, or older than history may reach.",
                    EVENTS_A_SECOND,
                    Query(f"sum(rate(cloverwatch_events_ahead_total{{{W}}}[$__rate_interval]))", "in the future"),
                    Query(f"sum(rate(cloverwatch_events_late_total{{{W}}}[$__rate_interval]))", "too old"),
                    Query(
                        f"sum(rate(cloverwatch_habit_late_events_total{{{W}}}[$__rate_interval]))",
                        "of an earlier day",
                    ),
                ),
            ),
        ),
        Row(
            "What is known of behaviour",
            (
                number(
                    "Habits",
                    "People whose habit is kept.",
                    NUMBER,
                    f"sum(cloverwatch_habits{{{W}}})",
                    width=6,
                ),
                number(
                    "Sources watched",
                    "Sources whose rhythm is kept, so that their silence is told.",
                    NUMBER,
                    f"max(cloverwatch_watched_sources{{{W}}})",
                    width=6,
                ),
                number(
                    "Sources not watched",
                    "Reports of sources beyond those that can be watched.",
                    NUMBER,
                    f"max(cloverwatch_refused_source_reports{{{W}}})",
                    NONE_IS_GOOD,
                    width=6,
                ),
                number(
                    "Data subjects remembered",
                    "Data subjects whose visitors are remembered, for crowds around one of them.",
                    NUMBER,
                    f"sum(cloverwatch_watched_subjects{{{W}}})",
                    width=6,
                ),
                graph(
                    "Age of peers' statistics",
                    "Time since the end of the last day of which peers' statistics are known; 0 before the first.",
                    SECONDS,
                    Query(f"max by (instance) (cloverwatch_peers_version_age_seconds{{{W}}})", "{{instance}}"),
                    width=8,
                    steps=LATE_PEERS,
                ),
                graph(
                    "Age of the overseer's view",
                    "How long ago all partitions were known to be read; silences are judged up to then. 0 where another worker oversees.",
                    SECONDS,
                    Query(f"max(cloverwatch_overseer_age_seconds{{{W}}})", "overseer"),
                    width=8,
                    steps=((None, "green"), (600, "red")),
                ),
                graph(
                    "Silent sources",
                    "Sources that have gone quiet, as the alerts behaviour.silence say by name.",
                    NUMBER,
                    Query(f"max(cloverwatch_silent_sources{{{W}}})", "silent"),
                    width=8,
                    steps=NONE_IS_GOOD,
                ),
            ),
        ),
        Row(
            "Privacy of the watched",
            (
                number(
                    "Names in clear",
                    "Workers that publish alerts which name people in clear instead of by pseudonyms.",
                    NUMBER,
                    f"sum(cloverwatch_identities_clear{{{W}}})",
                    NONE_IS_GOOD,
                    width=12,
                ),
                number(
                    "Keys of people",
                    "People of whom there is a key of pseudonyms; destroying it makes what remains unlinkable.",
                    NUMBER,
                    f"max(cloverwatch_people_keys{{{W}}})",
                    width=12,
                ),
            ),
        ),
    ),
)
