"""A dead letter: the raw bytes of a record that could not be used, with the reason and where it came from.

The value of the message stays byte for byte what it was; what we add travels in headers, so that a dead letter can be
sent again as it is after a fix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from schemas.errors import REASONS, BadRecordError

PREFIX: Final = "cloverwatch-"
DETAIL_MAX: Final = 1024
"""Characters of a detail: a sentence for a person."""

Headers = Sequence[tuple[str, bytes]]


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One record of `dead-letters`. Times are integer milliseconds."""

    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    """Append time of the record that could not be used."""
    index: int | None = None
    """Which record in a message that held many, from 0; None for the message as a whole."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    """The record's own headers."""

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Return the headers of the message that carries it: the record's own, then ours."""
        said = {
            "reason": self.reason,
            "detail": self.detail[:DETAIL_MAX],
            "topic": self.topic,
            "partition": str(self.partition),
            "offset": str(self.offset),
            "timestamp": str(self.timestamp),
            **({} if self.index is None else {"index": str(self.index)}),
            **({"null": "1"} if self.value is None else {}),
        }
        return [*self.headers, *((PREFIX + name, text.encode()) for name, text in said.items())]

    @staticmethod
    def from_message(key: bytes | None, value: bytes | None, headers: Headers) -> DeadLetter:
        """Return the dead letter that a message carries.

        Raises:
            BadRecordError: where the message is not one of ours.
        """
        own = tuple((name, text) for name, text in headers if not name.startswith(PREFIX))
        ours = {
            name[len(PREFIX) :]: text.decode("utf-8", "replace") for name, text in headers if name.startswith(PREFIX)
        }
        try:
            return DeadLetter(
                reason=ours["reason"] if ours["reason"] in REASONS else "invalid_value",
                detail=ours["detail"][:DETAIL_MAX],
                topic=ours["topic"],
                partition=int(ours["partition"]),
                offset=int(ours["offset"]),
                timestamp=int(ours["timestamp"]),
                index=int(ours["index"]) if "index" in ours else None,
                key=key,
                value=None if "null" in ours else value,
                headers=own,
            )
        except KeyError as error:
            raise BadRecordError("missing_field", f"not a dead letter of cloverwatch: no header {error}") from None
        except ValueError:
            detail = "not a dead letter of cloverwatch: a place in a log that is no number"
            raise BadRecordError("invalid_value", detail) from None
