"""Approvals over HTTP: signed records in, what stands out. Mounted by whoever listens, which authenticates callers.

A caller (a portal, a chat bot) hands on what a person has signed with their own key; it cannot sign for them. The body
of a POST is JSON: `{"record": APPROVAL, "source_ip": ADDRESS}`, where the record is the approval as it stands with the
new step, and the address, from which the person calls, may be left out. Errors are `{"error": WHY}`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web
from aiokafka.errors import KafkaError

from agents.approvals.folding import CODEC
from agents.approvals.service import ApprovalService, StepRefusedError
from rules.gateway.granting import span
from schemas.approval import MAX_BYTES, Approval, StepName
from schemas.errors import BadRecordError, ReferenceUnavailableError

log = logging.getLogger(__name__)

BASE: Final = "/approvals/v1"

BODY_MAX: Final = MAX_BYTES + 4096
"""Bytes of a body: an approval and an address."""

STEPS: Final[dict[str, tuple[StepName, ...]]] = {
    "request": ("requested",),
    "approve": ("approved",),
    "refuse": ("refused",),
    "withdraw": ("withdrawn",),
    "break-glass": ("requested", "approved"),
    "review": ("reviewed",),
}
"""By path, the steps that a record must take."""

_ADDRESS_MAX: Final = 64
"""Characters of an address: the longest IPv6 with a zone is shorter."""

Handler = Callable[[web.Request], Awaitable[web.Response]]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    record: msgspec.Raw
    source_ip: str = ""


def mount(app: web.Application, service: ApprovalService) -> None:
    """Add the routes to an application; the service and its tail must run by the time of the first request."""
    for path, names in STEPS.items():
        app.router.add_post(f"{BASE}/{path}", _taking(service, path, names))
    app.router.add_get(f"{BASE}/{{approval_id}}", _showing(service))


def _taking(service: ApprovalService, path: str, names: tuple[StepName, ...]) -> Handler:
    async def take(request: web.Request) -> web.Response:
        try:
            body = _body(await _read(request))
            record = CODEC.decode(bytes(body.record))
            if path == "break-glass" and not record.break_glass:
                raise BadRecordError("invalid_value", "break_glass: false; allowed here: true")
            if path in {"request", "approve"} and record.break_glass:
                raise BadRecordError("invalid_value", f"break_glass: true; POST it to {BASE}/break-glass")
            stands = await service.take(record, *names, address=body.source_ip)
        except BadRecordError as error:
            return _error(400, f"{error.reason}: {error.detail}")
        except StepRefusedError as error:
            return _error(409, str(error))
        except (ReferenceUnavailableError, KafkaError) as error:
            return _unavailable(error)
        return _shown(service, stands)

    return take


def _showing(service: ApprovalService) -> Handler:
    async def show(request: web.Request) -> web.Response:
        try:
            stands = await service.standing(request.match_info["approval_id"])
        except (ReferenceUnavailableError, KafkaError) as error:
            return _unavailable(error)
        if stands is None:
            return _error(404, "no such approval")
        return _shown(service, stands)

    return show


async def _read(request: web.Request) -> bytes:
    """Return the body, at most `BODY_MAX` of it.

    Raises:
        BadRecordError: it is longer.
    """
    body = await request.content.read(BODY_MAX + 1)
    while len(body) <= BODY_MAX and not request.content.at_eof():
        body += await request.content.read(BODY_MAX + 1 - len(body))
    if len(body) > BODY_MAX:
        raise BadRecordError("too_large", f"a body of more than {BODY_MAX} bytes")
    return body


def _body(raw: bytes) -> _Body:
    try:
        body = msgspec.json.decode(raw, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRecordError("wrong_type", f'{error}; allowed: {{"record": …, "source_ip": …}}') from None
    if len(body.source_ip) > _ADDRESS_MAX:
        raise BadRecordError("wrong_type", f"source_ip: at most {_ADDRESS_MAX} characters")
    return body


def _shown(service: ApprovalService, stands: Approval) -> web.Response:
    """Answer with the approval, signatures too: whoever answers it next signs over it."""
    gateway = service.tail.policy().gateway
    grant = None if gateway is None else span(stands, gateway)
    holds: dict[str, Any] | None = None if grant is None else {"since": grant.since, "until": grant.until}
    return _json(200, {"state": stands.state, "holds": holds, "record": stands})


def _unavailable(error: Exception) -> web.Response:
    log.warning("Approvals: the brokers do not answer: %r", error)
    return _error(
        503, "the brokers do not answer: nothing is known of whether it was stored; ask for it, then try again"
    )


def _error(status: int, why: str) -> web.Response:
    return _json(status, {"error": why})


def _json(status: int, value: Any) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
