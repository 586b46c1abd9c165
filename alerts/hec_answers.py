"""What Splunk's HTTP Event Collector answers, and what it means for the events that were sent.

Source: Splunk Enterprise, "Get data in", "Troubleshoot HTTP Event Collector", the table of possible error codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import orjson

from alerts.batching import halves
from alerts.http import Answer
from alerts.notice import Failed, Refused

CODES: Final[dict[int, str]] = {
    1: "token disabled",
    2: "token is required",
    3: "invalid authorization",
    4: "invalid token",
    5: "no data",
    6: "invalid data format",
    7: "incorrect index",
    8: "internal server error",
    9: "server is busy",
    10: "data channel is missing",
    11: "invalid data channel",
    12: "event field is required",
    13: "event field cannot be blank",
    14: "acknowledgement is disabled for this token",
    15: "error in handling indexed fields",
    16: "query string authorization is not enabled",
    18: "unhealthy, queues are full",
    19: "unhealthy, acknowledgement service unavailable",
    20: "unhealthy, queues are full, acknowledgement service unavailable",
    21: "invalid token",
    22: "token disabled",
    23: "server is shutting down",
    26: "queue is at capacity",
    27: "acknowledgement channel is at capacity",
}
"""The documented codes that are errors (0, 17, 24 and 25 are none). Our words, not the receiver's: those might repeat
what was sent."""

OF_THE_EVENT: Final = frozenset({5, 6, 12, 13, 15})
"""Codes that say what is wrong with an event: it is refused. All others are about the receiver, its token, its index:
whoever runs it can put that right, and then the same alert is taken. So they are failures, tried again."""

TOO_LARGE: Final = 413


def body_of(answer: Answer) -> dict[str, Any]:
    """Return what was answered, empty where that is no JSON object."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def code_of(answer: Answer) -> int | None:
    """Return the code of an answer, None where it has none."""
    code = body_of(answer).get("code")
    return code if type(code) is int else None


def cut(answer: Answer | Failed, first: int, last: int) -> list[tuple[int, int]] | None:
    """Return the runs to send instead, where a request is too large or something is wrong with one of its events.

    What was before that event may be indexed already: it comes twice. Splunk does not say.
    """
    if isinstance(answer, Failed) or last - first == 1 or not _refuses(answer):
        return None
    at = body_of(answer).get("invalid-event-number")
    if type(at) is int and 0 <= at < last - first and answer.status != TOO_LARGE:
        bad = first + at
        return [run for run in ((first, bad), (bad, bad + 1), (bad + 1, last)) if run[0] < run[1]]
    return list(halves(first, last))


def not_taken(answer: Answer | Failed) -> Failed | Refused:
    """Return what an answer that is no success means for the events of its request."""
    if isinstance(answer, Failed):
        return answer
    code = code_of(answer)
    reason = f"answered {answer.status}" + (f" (code {code}, {CODES[code]})" if code in CODES else "")
    return Refused(reason) if _refuses(answer) else Failed(reason, answer.retry_after_s)


def indexed(answer: Answer, waiting: Iterable[int]) -> list[int]:
    """Return which of the acknowledgements that are waited for an answer says are there."""
    acks = body_of(answer).get("acks")
    return [ack for ack in waiting if acks.get(str(ack)) is True] if isinstance(acks, dict) else []


def _refuses(answer: Answer) -> bool:
    return answer.status == TOO_LARGE or (answer.status == 400 and code_of(answer) in OF_THE_EVENT)
