"""Why matching again may come to something else than was told then, without anybody's doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agents.audit.verdict_part import verdict_hash
from agents.audit.verifying.verify import GRACE_MS
from schemas.alert import Alert

ADOPTED_MS: Final = 60_000
"""How far apart workers and `cloverwatch match` may take up another policy: both look at the file every second
(`policy_check_s`), and a machine may be busy. Clocks may differ so far too."""

NO_ACCESSES: Final = "the export holds no access of the range"
NO_GATEWAY: Final = "the policy has no [gateway]"
OTHER_POLICY: Final = "it was judged under the policy {}: replay it with that one"
MATCHED_UNDER: Final = "it was matched under the policy {}: replay it with that one"
CHANGED: Final = "the policy was changed within a minute of it, and matching does not say under which it was matched"
MIXED: Final = "the policy was changed while its range was matched, and under which of the two it was is not recorded"
NO_DECISIONS: Final = "the export does not hold all decisions that it may refer to"
NO_USES: Final = (
    "its person had decisions that may have been used before the export begins, or under another policy: how often is "
    "not known"
)
NO_IDS: Final = (
    "the decision that it names is older than ids are remembered for, younger than the wait, or not exported"
)
NO_APPROVAL: Final = "the approval of its decision was changed or deleted since, and the state of then is not exported"
OLD_FORM: Final = (
    "it may rest on an approval of before each step had a record of its own, of which compaction has left one: whether "
    "it counted then is not known"
)
LATER_ROWS: Final = (
    "it depends on directory rows that were appended after it and, where matching says when that was, before it was "
    "matched: whether they were known is not recorded"
)
CROWDED: Final = (
    "decisions of people with very many were forgotten while they were live: which of them depends on how far ahead "
    "decisions were read then"
)
YOUNG: Final = (
    f"it was appended, or said to be matched, less than {GRACE_MS // 60_000} minutes before the log's end: its alert "
    "may not be there yet"
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a result may differ without anybody's doing."""

    why: str
    rules: frozenset[str] = frozenset()
    """Only where the difference is of these; empty: whatever it is."""
    silent: bool = False
    """Whether an access without alert, then and now, is to be counted too: there might have been one."""

    def explains(self, ours: Alert | None, theirs: Alert | None) -> bool:
        """Whether it explains a difference."""
        return not self.rules or rules_of(ours) ^ rules_of(theirs) <= self.rules


def rules_of(alert: Alert | None) -> frozenset[str]:
    """Return the rules that speak in an alert."""
    return frozenset() if alert is None else frozenset(each.rule_id for each in alert.reasons)


def alike(ours: Alert | None, theirs: Alert | None) -> bool:
    """Whether two judgements of one access come to the same."""
    if ours is None or theirs is None:
        return ours is theirs
    return verdict_hash(ours) == verdict_hash(theirs)
