"""What a destination is handed, and what it answers: notices and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from schemas.alert import Alert, Severity

NoticeState = Literal["firing", "acknowledged", "resolved"]
"""Of the group as a whole: `resolved` when every alert of it is resolved or withdrawn."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a destination: about one alert (a SIEM), or about a group of them (a pager).

    Times are integer milliseconds since 1970, UTC.
    """

    id: str
    """Stable: the same alerts in the same revisions give the same id, also after a restart. 32 hex digits."""
    key: str
    """What the receiver folds by: one incident of a pager. The `dedup_key` unless the policy groups otherwise."""
    state: NoticeState
    alerts: tuple[Alert, ...]
    """Those that this notice tells of for the first time in these revisions, in order. Of a repetition (`again`): some
    of those that fire still."""
    firing: int
    """How many alerts of the group are open."""
    severity: Severity
    """The gravest of those open; of the last one where none is."""
    title: str
    """One line, without personal data where the alerts have none."""
    started_at: int
    """When the oldest alert of the group was detected."""
    at: int
    """Now."""
    before: Mapping[str, str] = {}
    """The answer that the destination gave to the former notice of this key; empty for the first."""
    again: bool = False
    """A repetition: nothing is new. For receivers that forget what they are not told again (Alertmanager)."""
    digest: bool = False
    """It sums up groups that a rate limit held back; its key is its own."""
    test: bool = False


class Delivered(msgspec.Struct, frozen=True):
    """The receiver has it."""

    answer: dict[str, str] = {}
    """What it answered, by name, for the receipt: ids and states, no personal data."""


class Failed(msgspec.Struct, frozen=True):
    """The receiver does not have it, and may take it later."""

    reason: str
    """For a person; no personal data, no secret."""
    retry_after_s: float | None = None
    """What the receiver asks for, where it does."""


class Refused(msgspec.Struct, frozen=True):
    """The receiver will never take it as it is: it is parked at once."""

    reason: str


Outcome = Delivered | Failed | Refused
