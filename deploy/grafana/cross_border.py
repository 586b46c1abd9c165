"""From where European users' data is reached: the question that the program is there for."""

from __future__ import annotations

from typing import Final

from deploy.grafana.parts import EVENTS_A_SECOND, NUMBER, SHARE, Query, Row, Sheet, W, bars, graph, number, or_none

JUDGED: Final = "cloverwatch_events_judged_total"
OUTSIDE: Final = 'place_class!~"inside|adequate"'
"""Places that neither lie inside nor have an adequacy decision that holds without conditions; unknown ones too."""

TRANSFER_RULES: Final = 'rule=~"place[.].+|dataset[.].+|export[.].+|role[.]place_not_covered|workload[.]off_place|behaviour[.](new_country|impossible_travel)"'
"""Rules about where somebody or something is."""


def _share(of: str, window: str) -> str:
    return f"sum(rate({JUDGED}{{{of},{W}}}[{window}])) / sum(rate({JUDGED}{{{W}}}[{window}]))"


CROSS_BORDER: Final = Sheet(
    uid="cloverwatch-cross-border",
    title="cloverwatch / cross-border",
    description="Accesses by class of the country they came from, and what rules say of them. No country, person or dataset is a label.",
    rows=(
        Row(
            "Now",
            (
                number(
                    "From outside",
                    "Share of accesses from places without an adequacy decision that holds as it is, of all in the time that is shown.",
                    SHARE,
                    _share(OUTSIDE, "$__range"),
                    width=6,
                ),
                number(
                    "From third countries",
                    "Share of accesses from countries without any adequacy decision.",
                    SHARE,
                    _share('place_class="third_country"', "$__range"),
                    width=6,
                ),
                number(
                    "Place unknown",
                    "Share of accesses whose country no evidence tells. They are judged as outside.",
                    SHARE,
                    _share('place_class="unknown"', "$__range"),
                    ((None, "green"), (0.01, "orange"), (0.05, "red")),
                    width=6,
                ),
                number(
                    "Denied, of those from outside",
                    "Share of the accesses from outside that the system itself refused.",
                    SHARE,
                    f'sum(rate({JUDGED}{{{OUTSIDE},outcome="denied",{W}}}[$__range])) / '
                    f"sum(rate({JUDGED}{{{OUTSIDE},{W}}}[$__range]))",
                    width=6,
                ),
            ),
        ),
        Row(
            "Over time",
            (
                graph(
                    "Accesses by place",
                    "Accesses judged, by class of the country they came from.",
                    EVENTS_A_SECOND,
                    Query(f"sum by (place_class) (rate({JUDGED}{{{W}}}[$__rate_interval]))", "{{place_class}}"),
                    stacked=True,
                ),
                graph(
                    "From outside, by sensitivity",
                    "Accesses from outside, by sensitivity of the data that they reached.",
                    EVENTS_A_SECOND,
                    Query(
                        f"sum by (sensitivity) (rate({JUDGED}{{{OUTSIDE},{W}}}[$__rate_interval]))", "{{sensitivity}}"
                    ),
                    stacked=True,
                ),
                graph(
                    "From outside, by outcome",
                    "Whether the accesses from outside were served, refused or failed.",
                    EVENTS_A_SECOND,
                    Query(f"sum by (outcome) (rate({JUDGED}{{{OUTSIDE},{W}}}[$__rate_interval]))", "{{outcome}}"),
                    stacked=True,
                ),
                graph(
                    "Share from outside",
                    "Share of all accesses that came from outside.",
                    SHARE,
                    Query(_share(OUTSIDE, "$__rate_interval"), "outside"),
                    most=1,
                ),
            ),
        ),
        Row(
            "What rules say of it",
            (
                bars(
                    "Findings about places",
                    "Findings of the rules about where somebody or something is, in the time that is shown.",
                    NUMBER,
                    Query(
                        f"sort_desc(sum by (rule) (increase(cloverwatch_findings_total{{{TRANSFER_RULES},{W}}}[$__range])))",
                        "{{rule}}",
                    ),
                ),
                bars(
                    "Place and sensitivity",
                    "Accesses in the time that is shown, by class of the place and sensitivity of the data: the ten most frequent.",
                    NUMBER,
                    Query(
                        f"topk(10, sum by (place_class, sensitivity) (increase({JUDGED}{{{OUTSIDE},{W}}}[$__range])))",
                        "{{place_class}}, {{sensitivity}}",
                    ),
                ),
                graph(
                    "Findings about places, by severity",
                    "Findings of the rules about places, within the hour before.",
                    NUMBER,
                    Query(
                        f"sum by (severity) (increase(cloverwatch_findings_total{{{TRANSFER_RULES},{W}}}[1h]))",
                        "{{severity}}",
                    ),
                    stacked=True,
                ),
                graph(
                    "Hidden by exemptions",
                    "Findings within the hour before that an exemption of the policy hides; each has an owner and an end there.",
                    NUMBER,
                    Query(
                        or_none(f"sum by (rule, exemption) (increase(cloverwatch_exempted_total{{{W}}}[1h]))"),
                        "{{exemption}}: {{rule}}",
                    ),
                ),
            ),
        ),
    ),
)
