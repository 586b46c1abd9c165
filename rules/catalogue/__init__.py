"""The rules: one file each, registered here and nowhere else."""

from __future__ import annotations

from rules.catalogue import (
    dataset_outside_perimeter,
    dataset_unknown,
    employee_inactive,
    employee_unknown,
    event_id_reused,
    export_outside_perimeter,
    place_conditional,
    place_conflict,
    place_third_country,
    place_unknown,
    purpose_not_allowed,
    role_none,
    role_out_of_time,
    role_place_not_covered,
    workload_off_place,
)
from rules.rule import Rule

RULES: tuple[Rule, ...] = (
    place_third_country.RULE,
    place_conditional.RULE,
    place_unknown.RULE,
    place_conflict.RULE,
    export_outside_perimeter.RULE,
    dataset_outside_perimeter.RULE,
    dataset_unknown.RULE,
    employee_unknown.RULE,
    employee_inactive.RULE,
    role_none.RULE,
    role_out_of_time.RULE,
    role_place_not_covered.RULE,
    purpose_not_allowed.RULE,
    workload_off_place.RULE,
    event_id_reused.RULE,
)

RULE_IDS: frozenset[str] = frozenset(rule.id for rule in RULES)
