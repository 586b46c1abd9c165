"""Under which key the record of an entry is compacted, as far as the entry says it."""

from __future__ import annotations

from typing import Final

from schemas.entry import Entry
from schemas.gateway_topics import GATEWAY_APPROVALS

KEY_OF: Final[dict[str, tuple[str, ...]]] = {
    "alerts": ("alert_id",),
    "alerts.receipts": ("destination", "alert_id"),
    GATEWAY_APPROVALS: ("approval_id", "step"),
}
"""Of what an entry repeats, what the key of a compacted topic is made of (`docs/topics.md`)."""


def key_text(entry: Entry) -> str:
    """Return it; empty where the entry does not say it."""
    return "|".join(str(entry.about[name]) for name in KEY_OF.get(entry.topic, ()) if name in entry.about)


def keys_of(entry: Entry) -> set[str]:
    """Return under which keys it may stand: an approval's record of before is under the id alone, whatever its step."""
    keys = {key_text(entry)}
    if entry.topic == GATEWAY_APPROVALS:
        keys.add(str(entry.about.get("approval_id", "")))
    return keys - {""}
