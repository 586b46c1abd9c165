"""Which families of alerts there are, and the ids of all rules: what routes and silences may name."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class AlertNames(NamedTuple):
    """What an alert's `family` and its reasons' `rule_id` can be."""

    families: frozenset[str]
    rule_ids: frozenset[str]


@cache
def alert_names() -> AlertNames:
    """Return the names, each from where its alerts are made."""
    from agents import integrity, request_log  # they read the policy themselves
    from alerts.routing import ALWAYS, INTEGRITY
    from rules import report
    from rules.behaviour import BEHAVIOUR_IDS
    from rules.catalogue import RULE_IDS
    from rules.gateway import unreviewed
    from rules.habits import across
    from rules.habits import report as behaviour
    from rules.judge import FAILED
    from rules.matching import kinds

    stream = {kind.rule_id for kind in (integrity.LOST, integrity.UNEXPLAINED, integrity.REWOUND)}
    privacy = {f"{request_log.FAMILY}.{name}" for name, *_ in request_log.TOLD.values()}
    return AlertNames(
        families=frozenset(
            {report.ACCESS, report.DATASET, FAILED, behaviour.FAMILY, across.FAMILY, across.SILENCE, integrity.FAMILY}
            | {kinds.FAMILY, unreviewed.FAMILY}
            | ALWAYS
            | INTEGRITY
        ),
        rule_ids=RULE_IDS | BEHAVIOUR_IDS | kinds.MATCHING_IDS | {FAILED} | stream | privacy | unreviewed.RULE_IDS,
    )
