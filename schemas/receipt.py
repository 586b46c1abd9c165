"""A receipt: where one revision of an alert went, and what the destination answered. What proves delivery."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.alert import Status
from schemas.fields import Id, Text, Time

ReceiptState = Literal["delivered", "grouped", "digested", "silenced", "not_routed", "over", "parked"]
"""`delivered`: in a message of its own. `grouped`: listed in the message of its group. `digested`: counted in a digest,
because of a rate limit. `silenced`: held back by a silence of the policy. `not_routed`: no route leads there.
`over`: nothing was sent, because it was over before it was told, or older than anything that can be open still; its
`answer` says which.
`parked`: the destination refused it, or did not answer within its budget; `cloverwatch deliver --replay` sends it."""

ANSWER_MAX: int = 512
"""Characters of one part of an answer: an id or a sentence, never a page."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `alerts.receipts`, keyed by `destination|alert_id`; a later revision replaces the former."""

    destination: Id
    """Its name in the policy."""
    alert_id: Id
    dedup_key: Id
    revision: Annotated[int, Meta(ge=0)]
    status: Status
    state: ReceiptState
    at: Time
    """When it was answered, or decided."""
    published_at: Time
    """Append time of the alert's record."""
    partition: int
    offset: int
    """Of the alert's record in `alerts`."""
    attempts: Annotated[int, Meta(ge=0)] = 1
    answer: dict[str, str] = {}
    """What the destination answered, by name: `dedup_key`, `ack_id`, `status`, `item_id` ...; or why it did not."""
    group: Text = ""
    """What the receiver folds messages by: the key of the notice that it was in."""
    notice: Text = ""
    """Id of the notice that it was in: all alerts of one notice name the same."""
    silence: Text = ""
    """The silence that held it back."""
    policy: Text = ""
    """Version of the policy that routed it."""
    test: bool = False
