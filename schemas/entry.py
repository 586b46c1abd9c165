"""An entry of the audit log: that a record exists, where, and its hash; no personal data.

One kind for every topic that is logged. What a log holds is thereby the order of the topics themselves, and where
reading goes on after a crash is what the last entries say.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from schemas.fields import Count, Text, Time

ENTRY_MAX: Final = 65_535
"""Bytes of an entry: C2SP tlog-tiles, entry bundles."""

EntryKind = Literal[
    "coverage", "alert", "receipt", "action", "decision", "approval", "request", "policy", "hole", "opened"
]
"""`coverage`: `about` is the whole record of `monitor.coverage`. `alert receipt action decision approval request
policy`: a record of `alerts`, `alerts.receipts`, `alerts.actions`, `gateway.decisions`, `gateway.approvals`,
`privacy.requests`, `policy.changes`.
`hole`: offsets of such a topic that were gone when the log came to them (`about`: first, last, why).
`opened`: a process that writes the log began (`about`: version, topics with the offsets at which it goes on, and where
the log goes on from another one that has ended, its origin, size and root: continues)."""

LOGGED: Final[dict[str, EntryKind]] = {
    "monitor.coverage": "coverage",
    "alerts": "alert",
    "alerts.receipts": "receipt",
    "alerts.actions": "action",
    "gateway.decisions": "decision",
    "gateway.approvals": "approval",
    "privacy.requests": "request",
    "policy.changes": "policy",
}
"""Which kind a topic's records are."""

ABOUT: Final[dict[EntryKind, tuple[str, ...]]] = {
    "alert": ("alert_id", "revision", "status", "family", "rule_id", "severity", "dedup_key"),
    "receipt": ("destination", "alert_id", "revision", "state", "at", "partition", "offset"),
    "action": ("action_id", "alert_id", "kind", "at"),
    "decision": (
        "decision_id",
        "gateway_id",
        "effect",
        "decided_at",
        "expires_at",
        "approval_id",
        "approvals",
        "break_glass",
        "policy",
    ),
    "approval": ("approval_id", "step", "state", "since", "until", "break_glass"),
    "request": ("request_id", "step_id", "kind", "at"),
    "policy": ("sha256", "before", "version", "changes", "steps", "adopted_at"),
}
"""Fields of the record that its entry repeats; none of them names anybody, neither who is watched nor who acted: the
record's hash holds who that was, for whoever is shown the record. `dedup_key` is left out where
alerts name people in clear. `steps` of a policy: who proposed and signed it by the ids of their keys, why by a hash
(`schemas/policy_change.py`). The entry of a tombstone repeats nothing, but of an approval the id and the step that
its key says: what was deleted is gone from the topic, and the log still says that it was deleted."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry; its bytes in the log are its JSON, keys in this order."""

    kind: EntryKind
    topic: Text = ""
    partition: Count = 0
    offset: Count = 0
    at: Time
    """Append time of the record; of `opened` the writer's clock."""
    sha256: Text = ""
    """Of the record's value, hex; empty for a tombstone."""
    about: dict[str, Any] = {}


def encode(entry: Entry) -> bytes:
    """Return an entry's bytes."""
    return msgspec.json.encode(entry)


decode: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
