"""Webhooks: signed JSON, Slack, Teams, or a template of your own; one message a group, or one an alert.

Sources: Standard Webhooks 1.0.0 for the signature, the shape of the JSON and what a status means ("Delivery success and
failure"); `alerts/chat.py` names those of the chat programs.

Two kinds, since `Kind` says whether a kind is grouped: `webhook` tells people and is grouped; `webhook-each` tells a
machine, every alert in every revision.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from alerts.chat import slack, teams
from alerts.destination import Context, Destination, Kind
from alerts.http import Auth, Http, check_url, outcome_of
from alerts.notice import Delivered, Failed, Notice, Outcome
from alerts.secrets import SecretRef
from alerts.signature import SECRETS_MAX, signed_headers, signing_key
from alerts.template import check_template, filled
from alerts.tls import Tls
from alerts.wording import check_link, ids_of
from schemas.errors import ConfigurationError
from schemas.fields import iso

TIMEOUT_S: Final = 15.0
"""Within which a receiver must answer: "somewhere between 15 and 30s" (Request timeouts)."""

FULL_MAX: Final = 50
"""Alerts of a group that the JSON holds in full, some 2 KB each; of the others the ids."""

IDS_MAX: Final = 5000
"""Ids in the JSON, 175 KB. The receipts name the message of the others."""

AT_ONCE: Final = 8
"""Requests at once of `webhook-each`, each for another key: a receiver that takes 20 ms takes 400 alerts/s then."""

SLACK_ERRORS: Final = frozenset(
    {
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_payload",
        "invalid_token",
        "message_limit_exceeded",
        "missing_text_or_fallback_or_attachments",
        "no_active_hooks",
        "no_service",
        "no_service_id",
        "no_team",
        "no_text",
        "posting_to_general_channel_denied",
        "team_disabled",
        "too_many_attachments",
        "user_not_found",
    }
)
"""What Slack answers to what it refuses ("Sending messages using incoming webhooks", "Handling errors", and the list of
changes to errors of incoming webhooks). Any other word is not repeated: it might quote what was sent."""

Shape = Literal["json", "slack", "teams", "template"]


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of `[destinations.NAME]` with `kind = "webhook"` or `"webhook-each"`."""

    url: str | None = None
    """Where to. One of `url` and `secret_url`."""
    secret_url: SecretRef | None = None
    """Where the URL is, where it is a secret itself: those of Slack and Teams are."""
    shape: Shape = "json"
    """`json`: the alerts themselves. `slack`, `teams`: a message for people. `template`: your own."""
    secrets: tuple[SecretRef, ...] = ()
    """Signing secrets (`whsec_...`): one, or two while they change. `json` and `template` need one."""
    template: str | None = None
    """For `shape = "template"`: the body, with `${name}` where values belong."""
    content_type: str = "application/json"
    """Of the template; it decides how values are escaped."""
    link: str | None = None
    """Where an alert is to be seen, with `{alert_id}` or `{key}` where they belong."""
    auth: Auth | None = None
    """Beside the signature: a bearer token, or user and password."""
    tls: Tls | None = None
    """An own authority, a client certificate."""
    proxy: str | None = None
    """URL of an HTTP proxy on the way out."""
    allow_plaintext: bool = False
    """Whether `http://` may lead to another machine."""


class Webhook:
    """One receiver."""

    def __init__(self, config: WebhookConfig, context: Context) -> None:
        self._config = config
        self._what = f"destinations.{context.name}"
        agent = f"cloverwatch/{context.version}"
        self._http = Http(what=self._what, tls=config.tls, timeout_s=TIMEOUT_S, proxy=config.proxy, agent=agent)
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def start(self) -> None:
        """Read certificates and secrets.

        Raises:
            ConfigurationError: one of them is not there, or is none.
        """
        self._url()
        self._keys()
        self._auth()
        await self._http.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.stop()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Send each in a request of its own: those of one key in their order, several keys at once.

        After one that failed, the later ones of its key are not sent: they would overtake it.
        """
        chains: dict[str, list[int]] = {}
        for at, notice in enumerate(notices):
            chains.setdefault(notice.key, []).append(at)
        outcomes: list[Outcome] = [Failed("an earlier message of its key was not taken")] * len(notices)

        async def chain(places: list[int]) -> None:
            async with self._gate:
                for at in places:
                    outcomes[at] = await self._one(notices[at])
                    if isinstance(outcomes[at], Failed):
                        return

        await asyncio.gather(*(chain(places) for places in chains.values()))
        return outcomes

    async def _one(self, notice: Notice) -> Outcome:
        try:
            url, keys, headers = self._url(), self._keys(), self._auth()
        except ConfigurationError as error:
            return Failed(str(error))
        body, content_type = self._body(notice)
        if keys:
            headers |= signed_headers(keys, notice.id, int(time.time()), body)
        answer = await self._http.post(url, body, headers, content_type=content_type)
        if isinstance(answer, Failed):
            return answer
        detail = ""
        if self._config.shape == "slack":
            said = answer.body[:64].decode("utf-8", "replace").strip()
            detail = said if said in SLACK_ERRORS else ""
        outcome = outcome_of(answer, detail=detail)
        return Delivered({**outcome.answer, "message_id": notice.id}) if isinstance(outcome, Delivered) else outcome

    def _body(self, notice: Notice) -> tuple[bytes, str]:
        config = self._config
        match config.shape:
            case "slack":
                return msgspec.json.encode(slack(notice, config.link)), "application/json"
            case "teams":
                return msgspec.json.encode(teams(notice, config.link)), "application/json"
            case "template":
                content_type = config.content_type
                return filled(config.template or "", content_type, notice, config.link), content_type
            case "json":
                return msgspec.json.encode(payload(notice)), "application/json"

    def _url(self) -> str:
        if self._config.url is not None:
            return self._config.url
        if self._config.secret_url is None:
            raise ConfigurationError(f"{self._what}: one of url and secret_url is to be named")
        what = f"{self._what}.secret_url"
        url = self._config.secret_url.read(what).reveal()
        if wrong := check_url(url, allow_plaintext=self._config.allow_plaintext):
            raise ConfigurationError(f"{what}: {wrong}")
        return url

    def _keys(self) -> list[bytes]:
        return [signing_key(ref, f"{self._what}.secrets[{at}]") for at, ref in enumerate(self._config.secrets)]

    def _auth(self) -> dict[str, str]:
        return {} if self._config.auth is None else self._config.auth.headers(f"{self._what}.auth")


def payload(notice: Notice) -> dict[str, Any]:
    """Return the JSON of a message: `type`, `timestamp`, `data`, as the specification recommends ("Payload structure").

    `data.alerts` are records of the topic `alerts`, whose schema is published with the program; `FULL_MAX` of them at
    most. `data.alert_ids` are all that the message tells of, up to `IDS_MAX`.
    """
    ids, left_out = ids_of(notice, IDS_MAX)
    return {
        "type": f"cloverwatch.alerts.{notice.state}",
        "timestamp": iso(notice.at),
        "data": {
            "id": notice.id,
            "key": notice.key,
            "state": notice.state,
            "severity": notice.severity,
            "title": notice.title,
            "firing": notice.firing,
            "started_at": iso(notice.started_at),
            "digest": notice.digest,
            "test": notice.test,
            "alerts": notice.alerts[:FULL_MAX],
            "alert_ids": ids,
            "alert_ids_left_out": left_out,
        },
    }


def _check(config: WebhookConfig) -> str | None:
    if (config.url is None) == (config.secret_url is None):
        return "url: one of url and secret_url is to be named"
    for name, url in (("url", config.url), ("proxy", config.proxy)):
        if url is not None and (wrong := check_url(url, allow_plaintext=config.allow_plaintext or name != "url")):
            return f"{name}: {wrong}"
    if wrong := check_link("link", config.link):
        return wrong
    if len(config.secrets) > SECRETS_MAX:
        return f"secrets: {len(config.secrets)}; at most {SECRETS_MAX} at once, the new one and the one before"
    if config.shape in {"json", "template"} and not config.secrets:
        return f"secrets: shape {config.shape!r} is signed; name a secret ({{ file = ... }} or {{ env = ... }})"
    if (config.template is None) == (config.shape == "template"):
        return 'template: to be given with shape = "template", and with no other'
    return check_template(config.template, config.content_type) if config.template is not None else None


def _make(config: WebhookConfig, context: Context) -> Destination:
    return Webhook(config, context)


KIND: Final = Kind(
    name="webhook",
    title="Webhook, a message a group: signed JSON, Slack, Teams, a template",
    config=WebhookConfig,
    make=_make,
    grouped=True,
    promise=(
        "Delivered when it answered 2xx. `webhook-id` is the same however often a message is sent, so a receiver that "
        "keeps to Standard Webhooks recognises a repetition; Slack and Teams do not, and may show one twice. Up to "
        f"{IDS_MAX} alerts are listed in the JSON; the receipts name the message of the others."
    ),
    check=_check,
)

EACH: Final = Kind(
    name="webhook-each",
    title="Webhook, a message an alert and revision",
    config=WebhookConfig,
    make=_make,
    grouped=False,
    batch_max=100,
    promise="As `webhook`, with one alert in each message: nothing is grouped, and every revision is told.",
    check=_check,
)
