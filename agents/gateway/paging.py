"""Pages of a search: which part of the results, and the token by which the next part is asked for.

Source: AuthZEN Authorization API 1.0, "Pagination", and its certification scenario, section 4.5. A token is no secret
and grants nothing; it fits the question for which it was given and no other.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NoReturn

import msgspec

from agents.gateway.refusal import Refusal

ASKED: Final = ("subject", "action", "resource", "context")
"""What a question is: the rest of a request's body may differ from page to page."""

OFFSET_MAX: Final = 1_000_000
"""How far results can be paged through: every page computes those before it again."""


class _Token(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    question: str
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Page:
    """Which results are asked for."""

    kind: str
    question: str
    offset: int
    limit: int

    @property
    def most(self) -> int:
        """How many results are needed: one more tells whether there is a next page."""
        return self.offset + self.limit + 1

    def response(self, found: Sequence[dict[str, str]]) -> dict[str, Any]:
        """Return the response, of the first `most` results."""
        results = list(found[self.offset : self.offset + self.limit])
        more = len(found) > self.offset + self.limit
        token = _Token(self.kind, self.question, self.offset + self.limit, self.limit)
        next_token = urlsafe_b64encode(msgspec.json.encode(token)).decode() if more else ""
        return {"results": results, "page": {"next_token": next_token, "count": len(results)}}


def page_of(kind: str, asked: Mapping[str, Any], most: int) -> Page:
    """Return which results a request asks for.

    Args:
        kind: which search.
        asked: the request's body.
        most: results of one page at most; also where the request names no limit.

    Raises:
        Refusal: `page` is malformed, or its token belongs to another question.
    """
    wanted = asked.get("page", {})
    if not isinstance(wanted, dict):
        _malformed("page: allowed: an object")
    question = blake2b(msgspec.json.encode([asked.get(name) for name in ASKED], order="sorted"), digest_size=12)
    limit, offset = wanted.get("limit"), 0
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        _malformed("page.limit: allowed: a whole number, 0 or more")
    token = wanted.get("token", "")
    if not isinstance(token, str):
        _malformed("page.token: allowed: the next_token of a response")
    if token:
        try:
            before = msgspec.json.decode(urlsafe_b64decode(token.encode()), type=_Token)
        except ValueError:
            _malformed("page.token: allowed: the next_token of a response")
        if (before.kind, before.question) != (kind, question.hexdigest()) or not 0 <= before.offset <= OFFSET_MAX:
            _malformed("page.token: belongs to another search; repeat the search it came from, with the token")
        offset = before.offset
        limit = before.limit if limit is None else limit
    return Page(kind, question.hexdigest(), offset, most if limit is None else max(0, min(limit, most)))


def _malformed(text: str) -> NoReturn:
    raise Refusal("malformed", text)
