"""What a topic is."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Cleanup = Literal["delete", "compact", "compact,delete"]

DAY_MS: Final = 86_400_000


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic and what is promised of it. Retention is in milliseconds; None is for ever."""

    name: str
    key: str
    partitions: int | None
    """None: as many as the settings say for `access.events`."""
    cleanup: Cleanup
    retention_ms: int | None
    max_message_bytes: int = 1024 * 1024
    writers: str
    readers: str
    personal_data: str
    holds: str
