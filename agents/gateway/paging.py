"""Pages of a search: which part of the results, and the token by which the next part is asked for.

Source: AuthZEN Authorization API 1.0, "Pagination", and its certification scenario, section 4.5. A token is no secret
and grants nothing; it fits the question for which it was given and no other.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NoReturn

import msgspec

from agents.gateway.refusal import Refusal
from rules.gateway.search import Found

ASKED: Final = ("subject", "action", "resource", "context")
"""What a question is: the rest of a request's body may differ from page to page."""


class _Token(msgspec.Struct, frozen=True, array_like=True):
    kind: str
    question: str
    after: str
    limit: int


@dataclass(frozen=True, slots=True)
class Page:
    """Which results are asked for: at most `limit`, behind the id `after`."""

    kind: str
    question: str
    after: str
    limit: int

    def response(self, found: Found) -> dict[str, Any]:
        """Return the response. A page may be shorter than asked, or empty, and still not be the last one."""
        token = _Token(self.kind, self.question, found.last or self.after, self.limit)
        next_token = urlsafe_b64encode(msgspec.json.encode(token)).decode() if found.cut else ""
        return {"results": list(found), "page": {"next_token": next_token, "count": len(found)}}


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
    limit, after = wanted.get("limit"), ""
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
        if (before.kind, before.question) != (kind, question.hexdigest()):
            _malformed("page.token: belongs to another search; repeat the search it came from, with the token")
        after = before.after
        limit = before.limit if limit is None else limit
    return Page(kind, question.hexdigest(), after, most if limit is None else max(0, min(limit, most)))


def _malformed(text: str) -> NoReturn:
    raise Refusal("malformed", text)
