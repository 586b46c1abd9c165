"""What PagerDuty's Events API v2 answers, and what it means for an event.

Source: PagerDuty developer documentation, "Events API v2 Overview" (response codes), "Send an Alert Event" (fields).
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from alerts.http import Answer, outcome_of
from alerts.notice import Delivered, Failed, Outcome, Refused

THROTTLED_S: Final = 120.0
"""Wait after a 429 that names none: "preferably with a backoff of a few minutes" (API Limits)."""

FIELDS: Final = (
    "routing_key",
    "event_action",
    "dedup_key",
    "client",
    "links",
    "payload",
    "summary",
    "source",
    "severity",
    "timestamp",
    "component",
    "group",
    "class",
    "custom_details",
)
"""Fields of an event ("Send an Alert Event"), which a receipt may name."""

QUOTED: Final = re.compile(r"'(?:payload\.)?([a-z_]+)'|\b(?:I|i)nvalid (routing_key|routing key)\b")
"""How PagerDuty names a field: `'routing_key' is missing or blank`, `Invalid routing key`."""


def judged(answer: Answer, ours: str) -> Outcome:
    """Return what an answer means by the documentation's table of response codes.

    202: accepted. 400, and 413 of a gateway: not to be sent again. 429: after minutes. 5xx: later. Any other comes from
    something on the way, since PagerDuty documents none: it is tried again, for a page is worth it.

    Its words are not repeated, because they may quote what was sent: only which fields of an event they name.

    Args:
        answer: what came.
        ours: the key of the event; the receipt has it where the answer names it.
    """
    said = _said(answer.body)
    match answer.status:
        case 202:
            told = {"status": "202 success" if said.status == "success" else "202"}
            return Delivered(told | ({"dedup_key": ours} if said.dedup_key == ours else {}))
        case 400 | 413:
            named = {"".join(found).replace(" ", "_") for text in said.texts for found in QUOTED.findall(text)}
            about = ", ".join(name for name in FIELDS if name in named)
            return Refused(f"answered {answer.status}" + (f", about {about}" if about else ""))
        case 429:
            return Failed("answered 429: too many events", answer.retry_after_s or THROTTLED_S)
    if answer.status >= 500 or answer.status == 408:
        return outcome_of(answer)
    unexpected = f"answered {answer.status}, which PagerDuty does not: what is on the way to it?"
    return Failed(unexpected, answer.retry_after_s)


class _Said(msgspec.Struct):
    status: str = ""
    message: str = ""
    dedup_key: str = ""
    errors: list[str] = []

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.message, *self.errors)


def _said(body: bytes) -> _Said:
    try:
        return msgspec.json.decode(body, type=_Said)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Said()
