"""Seeing who a pseudonym stands for: asked for by one officer, approved by another, opened by the first.

Each step is signed, told of by an alert, and stored in `privacy.requests` before it has any effect. What an approver
takes out of the envelope is sealed to whoever asked: nothing on any topic is clear. Time is the log's.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any, Final

from agents.clients import partitions_there, producer_of, started
from agents.request_log import Office, now_ms, requests, step_by, store, stored_steps, tell
from agents.settings import Settings
from agents.topic_reading import read_topic
from alerts.people import officers_of
from alerts.requests import Request, Stored, fold
from alerts.sealing import SealingError, key_id, open_inner, open_outer
from alerts.sealing import read as read_envelope
from alerts.signatures import Signer
from schemas.alert import Alert
from schemas.codec import ALERT
from schemas.errors import BadRecordError, CloverwatchError
from schemas.request import LOOK, Step
from schemas.topics import ALERTS, PRIVACY_IDENTITIES, PRIVACY_REQUESTS

CLOCKS_MS: Final = 5 * 60_000
"""How far this machine's clock may be ahead of the log's before an approval is refused here: nobody takes an identity
out of its envelope for a request that has expired. Whether it had is then decided by the log."""


class RefusedError(CloverwatchError):
    """The step does not count, and why."""


async def ask(
    settings: Settings,
    office: Office,
    signer: Signer,
    *,
    token: str,
    alert_id: str,
    reason: str,
    ticket: str,
    life: int,
) -> Stored:
    """Store a request to see who `token` is, or whom the alert `alert_id` is about; `life` in milliseconds.

    Raises:
        RefusedError: there is nothing that could be opened.
    """
    if not token:
        token = await _person_of(settings, alert_id)
    step = step_by(signer, office, kind="requested", subject=token, alert_id=alert_id, reason=reason, ticket=ticket,
                   life=life)  # fmt: skip
    envelope = read_envelope(await envelope_of(settings, token))
    mine = key_id(signer.public)
    others = [name for name, key in officers_of(office.people).items() if key_id(key) in envelope.officers]
    if mine not in envelope.officers or len(others) < 2:
        raise RefusedError(
            f"{token} was sealed to other officers than you: of those of today {', '.join(others) or 'none'} can open "
            "it, and it takes two of them. Workers seal anew what they know when the officers of the policy change"
        )
    return await store(settings, office, step)


async def approve(settings: Settings, office: Office, signer: Signer, request_id: str) -> Step:
    """Take the inner box out for whoever asked, and store it; return the request that was approved.

    Raises:
        RefusedError: it cannot be approved, or not by them.
        SealingError: the envelope is not ours to open, or was changed.
    """
    request = await _request(settings, office, request_id)
    asked = request.asked.step
    if officers_of(office.people).get(signer.name) != signer.public:
        raise RefusedError(f"{signer.name!r} is no officer of the policy, or has another key there")
    if asked.by == signer.name:
        raise RefusedError("nobody approves what they ask for themselves: another officer is needed")
    _expect(request, "waiting")
    sealed = await envelope_of(settings, asked.subject)
    box = open_outer(sealed, asked.subject, signer, office.people[asked.by].key)
    step = step_by(signer, office, kind="approved", request_id=request_id, subject=asked.subject, over=asked.digest(),
                   box=b64encode(box).decode("ascii"))  # fmt: skip
    # Told again, should whoever asked have left that out; it is the same alert.
    partitions = len(await partitions_there(settings, ALERTS))
    async with started(settings, producer_of(settings)) as producer:
        await tell(producer, partitions, asked, office.policy)
    await _store(settings, office, step)
    return asked


async def deny(settings: Settings, office: Office, signer: Signer, request_id: str, reason: str) -> None:
    """End a request that was not opened yet; whoever asked may withdraw it so.

    Raises:
        RefusedError: it is over already.
    """
    request = await _request(settings, office, request_id)
    _expect(request, "waiting", "approved")
    asked = request.asked.step
    step = step_by(signer, office, kind="denied", request_id=request_id, subject=asked.subject, over=asked.digest(),
                   reason=reason)  # fmt: skip
    await _store(settings, office, step)


async def open_(settings: Settings, office: Office, signer: Signer, request_id: str) -> tuple[str, str]:
    """Return the pseudonym and who it is, once it is stored that it was opened.

    Raises:
        RefusedError: it is not approved, is over, or was opened already.
        SealingError: the box or the envelope was changed, or the identity sealed anew since.
    """
    request = await _request(settings, office, request_id)
    asked = request.asked.step
    if asked.by != signer.name:
        raise RefusedError(f"only {asked.by!r} opens what they asked for")
    _expect(request, "approved")
    approval = request.approval
    assert approval is not None  # noqa: S101  # the state says so
    try:
        box = b64decode(approval.step.box, validate=True)
    except binascii.Error:
        raise SealingError("the approval holds no box") from None
    sealed = await envelope_of(settings, asked.subject)
    person = open_inner(sealed, box, asked.subject, signer)
    step = step_by(signer, office, kind="opened", request_id=request_id, subject=asked.subject, over=asked.digest())
    await _store(settings, office, step)
    return asked.subject, person


async def envelope_of(settings: Settings, token: str) -> bytes:
    """Return the envelope that stands under a pseudonym.

    Raises:
        RefusedError: there is none.
    """
    if token.startswith(LOOK):
        return await _of_look(settings, token)
    found: list[bytes | None] = [None]
    key = token.encode("utf-8", "surrogateescape")

    def take(record: Any) -> None:
        if record.key == key:
            found[0] = record.value

    await read_topic(settings, PRIVACY_IDENTITIES, take)
    if found[0] is None:
        raise RefusedError(
            f"{PRIVACY_IDENTITIES} holds nothing under {token!r}: no such pseudonym, its person was erased, or the "
            "policy named no officers when it was made"
        )
    return found[0]


async def _of_look(settings: Settings, token: str) -> bytes:
    """Return the envelope of a look whose maker knew no pseudonym: it stands in the record itself."""
    for stored in await stored_steps(settings):
        if stored.step.subject == token and stored.step.kind == "looked" and stored.step.sealed:
            try:
                return b64decode(stored.step.sealed, validate=True)
            except binascii.Error:
                break
    raise RefusedError(f"{PRIVACY_REQUESTS} holds no look {token!r} that is sealed")


async def _person_of(settings: Settings, alert_id: str) -> str:
    found: list[Alert] = []

    def take(record: Any) -> None:
        if record.key == alert_id.encode() and record.value is not None:
            try:
                found.append(ALERT.decode(record.value))
            except BadRecordError:
                return

    await read_topic(settings, ALERTS, take)
    if not found:
        raise RefusedError(
            f"{ALERTS} holds no alert {alert_id!r}; `cloverwatch alerts --from-beginning --json` has ids"
        )
    person = found[-1].person
    if not isinstance(person, str):
        raise RefusedError(f"alert {alert_id!r} is about nobody; give --token for one of those whom its facts name")
    return person


async def _request(settings: Settings, office: Office, request_id: str) -> Request:
    request = (await requests(settings, office)).get(request_id)
    if request is None or request.asked.step.kind != "requested":
        raise RefusedError(f"there is no request {request_id!r}; `cloverwatch reveal list` has them")
    return request


def _expect(request: Request, *states: str) -> None:
    """Refuse a request in another state; of one whose end is near, the log decides later."""
    state = request.state(now_ms() - CLOCKS_MS)
    if state in states:
        return
    step = request.asked.step
    because = {
        "waiting": "nobody has approved it yet",
        "approved": f"it is approved; only {step.by!r} opens it",
        "opened": "it was opened, which is done once; ask again",
        "denied": "it was denied",
        "expired": "it has expired; ask again",
        "invalid": f"it does not count: {request.invalid}",
    }
    raise RefusedError(f"request {step.request_id}: {because[state]}")


async def _store(settings: Settings, office: Office, step: Step) -> None:
    """Store an answer, and look whether it counts where it came to lie.

    Raises:
        RefusedError: something came before it, or the request had expired by the log's time.
    """
    stored = await store(settings, office, step)
    request = fold(await stored_steps(settings), office.people).get(step.request_id)
    if request is None:
        raise RefusedError("the request is not there any more")
    counts = {each.step.step_id for each in (request.approval, request.denial, request.opening) if each is not None}
    if step.step_id not in counts:
        why = next((why for each, why in request.refused if each.step.step_id == step.step_id), "it is not in the log")
        raise RefusedError(f"request {step.request_id}: stored at offset {stored.offset}, and does not count: {why}")
