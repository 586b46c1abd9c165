"""What a person does with an alert: acknowledge, comment, close. Signed, as events."""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.fields import Id, Text, Time

ActionKind = Literal["ack", "comment", "close"]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `alerts.actions`, keyed by `alert_id`, in the partition of the alert's `dedup_key`."""

    action_id: Id
    alert_id: Id
    kind: ActionKind
    by: Id
    """Who, by the name under which the policy knows their key."""
    at: Time
    text: Text = ""
    """A comment, or why it is closed. No personal data of those watched belongs here."""
    signature: Text = ""
    """Ed25519 over `signed_part()`, base64; by the key that the policy names for `by`."""

    def signed_part(self) -> bytes:
        """Return the bytes that the signature is over: every other field, in order, as a JSON array."""
        return msgspec.json.encode([self.action_id, self.alert_id, self.kind, self.by, self.at, self.text])


class Handling(msgspec.Struct, frozen=True, kw_only=True):
    """What people did with an alert so far; part of the alert."""

    state: Literal["none", "acknowledged", "closed"] = "none"
    by: Text = ""
    at: Time = 0
    comments: tuple[Comment, ...] = ()


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of a person about an alert."""

    by: Id
    at: Time
    text: Text
