"""Every behaviour rule, registered here and nowhere else."""

from __future__ import annotations

from typing import Final

from rules.behaviour import (
    canary,
    composite,
    denied_burst,
    dormant,
    enumeration,
    first_of_kind,
    impossible_travel,
    low_and_slow,
    machine_pace,
    new_country,
    off_hours,
    peer_volume,
    silence,
    snooping,
    split_accounts,
    split_people,
    volume,
)
from rules.habits.signal import BehaviourRule

RULES: Final[tuple[BehaviourRule, ...]] = (
    volume.RULE,
    peer_volume.RULE,
    first_of_kind.RULE,
    off_hours.RULE,
    impossible_travel.RULE,
    new_country.RULE,
    enumeration.RULE,
    snooping.RULE,
    low_and_slow.RULE,
    split_accounts.RULE,
    split_people.RULE,
    dormant.RULE,
    denied_burst.RULE,
    machine_pace.RULE,
    canary.RULE,
    silence.RULE,
    composite.RULE,
)
"""In the order of the documents."""

BEHAVIOUR_IDS: Final = frozenset(rule.id for rule in RULES)
