"""A request that gets no decision: the status, a sentence for the caller, and a bounded word for the metric."""

from __future__ import annotations

from typing import Final, Literal

Why = Literal[
    "malformed",
    "unauthenticated",
    "forbidden",
    "not_found",
    "method",
    "too_large",
    "rate",
    "busy",
    "not_ready",
    "too_slow",
    "failed",
]

STATUS: Final[dict[Why, int]] = {
    "malformed": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method": 405,
    "too_slow": 408,
    "too_large": 413,
    "rate": 429,
    "failed": 500,
    "busy": 503,
    "not_ready": 503,
}
"""HTTP's status of each. 400, 401, 403 and 500 are AuthZEN 1.0's ("Error Responses"); a denial is none of them."""


class Refusal(Exception):  # noqa: N818 - the request is refused; nothing of ours went wrong
    """What is answered in place of a decision. `text` goes to the caller, names no secret and quotes no value.

    Args:
        why: what kind it is: a label of a metric.
        text: a sentence.
        headers: of the answer, beside its usual ones.
    """

    def __init__(self, why: Why, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.why, self.text, self.headers = why, text, headers or {}

    @property
    def status(self) -> int:
        """HTTP's status."""
        return STATUS[self.why]
