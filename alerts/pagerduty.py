"""PagerDuty, Events API v2: an incident is triggered, acknowledged and resolved by the same key.

Source: PagerDuty developer documentation, "Events API v2 Overview" (response codes, limits, PD-CEF) and "Send an Alert
Event" (fields and their lengths, what each action does).

An event only applies to an open alert if it comes with the routing key of the trigger, and is dropped with a 202
otherwise. So each answer keeps a fingerprint of the routing key that was used: while a key is being replaced, the
former one is named by `former_routing_key`, and what it opened is updated and resolved with it. It can go when nothing
that it opened is open any more; replaced without it, a key leaves what it opened to be resolved by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from alerts.destination import Context, Destination, Kind
from alerts.http import Http, check_url, token
from alerts.notice import Delivered, Failed, Notice, Outcome
from alerts.pagerduty_answers import judged
from alerts.pagerduty_event import IDS_MAX, Action, dedup_key, event_of
from alerts.secrets import SecretRef
from alerts.tls import Tls
from alerts.wording import check_link
from schemas.errors import ConfigurationError

HOSTS: Final = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
"""Service regions: an account lives in one of them, and its keys are unknown in the other."""

ROUTING_KEY_LENGTH: Final = 32
"""Characters of an integration key."""


class PagerDutyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of `[destinations.NAME]` with `kind = "pagerduty"`."""

    routing_key: SecretRef
    """The integration key of a service or of an event orchestration, 32 characters."""
    former_routing_key: SecretRef | None = None
    """While a key is replaced: the one before, with which is resolved what it opened."""
    region: Literal["us", "eu"] = "us"
    """Where the account lives."""
    url: str | None = None
    """Of a gateway in place of the region's host, without `/v2/enqueue`."""
    link: str | None = None
    """Where an alert is to be seen, with `{alert_id}` or `{key}` where they belong: a link of the incident."""
    proxy: str | None = None
    """URL of an HTTP proxy on the way out."""
    tls: Tls | None = None
    """For a gateway: an own authority, a client certificate."""
    allow_plaintext: bool = False
    """Whether `url` may be `http://` to another machine."""


class PagerDuty:
    """One integration of one service."""

    def __init__(self, config: PagerDutyConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._what = f"destinations.{context.name}"
        self._url = (config.url or HOSTS[config.region]).rstrip("/") + "/v2/enqueue"
        agent = f"cloverwatch/{context.version}"
        self._http = Http(what=self._what, tls=config.tls, proxy=config.proxy, agent=agent)

    async def start(self) -> None:
        """Read certificates and keys.

        Raises:
            ConfigurationError: one of them is not there, or is no integration key.
        """
        self._keys()
        await self._http.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.stop()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Send each as one event, or as two where an acknowledged one brings news."""
        return [await self._one(notice) for notice in notices]

    async def _one(self, notice: Notice) -> Outcome:
        try:
            current, former = self._keys()
        except ConfigurationError as error:
            return Failed(str(error))
        before = notice.before
        is_formers = former and before.get("action") != "resolve" and before.get("routing") == fingerprint(former)
        key = former if former and is_formers else current
        outcome: Outcome = Failed("nothing was sent")
        for action in actions_of(notice):
            body = event_of(notice, action, key, link=self._config.link, host=self._context.host)
            answer = await self._http.post(self._url, body, {})
            outcome = answer if isinstance(answer, Failed) else judged(answer, dedup_key(notice.key))
            if not isinstance(outcome, Delivered):
                return outcome
            outcome = Delivered({**outcome.answer, "action": action, "routing": fingerprint(key)})
        return outcome

    def _keys(self) -> tuple[str, str | None]:
        """Return the key and the one before it: read for each message, so that they can be replaced."""
        current = _key(self._config.routing_key, f"{self._what}.routing_key")
        ref = self._config.former_routing_key
        return current, _key(ref, f"{self._what}.former_routing_key") if ref else None


def actions_of(notice: Notice) -> tuple[Action, ...]:
    """Return what to send for a notice.

    An acknowledgement alone changes a state and carries no text. So it comes after a trigger where the incident is not
    open there as far as we know, where an alert is new to it, or where it is acknowledged already, so that the news is
    a comment; a trigger for an acknowledged incident notifies nobody. For what is resolved before anything was
    triggered nobody is woken: the event is dropped there, unless an answer had been lost.
    """
    if notice.state == "firing":
        return ("trigger",)
    if notice.state == "resolved":
        return ("resolve",)
    new = any(not alert.handled or alert.handled.state == "none" for alert in notice.alerts)
    if notice.before.get("action") == "trigger" and not new:
        return ("acknowledge",)
    return ("trigger", "acknowledge")


def fingerprint(routing_key: str) -> str:
    """Return what a routing key is recognised by in a receipt: 32 bits of a hash, of which the key is not found."""
    return hashlib.sha256(b"cloverwatch routing key\0" + routing_key.encode()).hexdigest()[:8]


def _key(ref: SecretRef, what: str) -> str:
    key = token(ref, what)
    if len(key) != ROUTING_KEY_LENGTH:
        raise ConfigurationError(f"{what}: {len(key)} characters; an integration key has {ROUTING_KEY_LENGTH}")
    return key


def _check(config: PagerDutyConfig) -> str | None:
    for name, url in (("url", config.url), ("proxy", config.proxy)):
        if url is not None and (wrong := check_url(url, allow_plaintext=config.allow_plaintext or name == "proxy")):
            return f"{name}: {wrong}"
    return check_link("link", config.link)


def _make(config: PagerDutyConfig, context: Context) -> Destination:
    return PagerDuty(config, context)


KIND: Final = Kind(
    name="pagerduty",
    title="PagerDuty, Events API v2",
    config=PagerDutyConfig,
    make=_make,
    grouped=True,
    promise=(
        "Delivered when it answered 202. An event with the key of an open incident updates it, so a repetition opens "
        "no second one; after it was resolved there, a trigger opens a new one. Up to "
        f"{IDS_MAX} alerts of a message are listed in the details; the receipts name the incident of the others."
    ),
    check=_check,
)
