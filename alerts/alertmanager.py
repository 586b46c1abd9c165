"""Alertmanager, API v2: what fires is repeated while it lasts and ends with the alert, at every replica.

Source: Prometheus documentation, "Alerts API" and "Sending alerts"; `api/v2/openapi.yaml` of Alertmanager.

Labels are an alert's identity there: two sets of labels are two alerts. So the set that was sent last is part of each
answer (`Notice.before`), and where it changes, the old set is ended in the same request, before the new one.

An incident is one alert there, however many of ours it holds. Its annotation `alert_ids` lists those of the newest
message, `IDS_MAX` at most: a request replaces the annotations of the one before. The ids of earlier messages are in the
notifications that Alertmanager sent on and in the receipts, each of which names the incident by its `dedup_key`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from alerts.alertmanager_labels import check_labels, kept, labels_before, labels_of
from alerts.destination import Context, Destination, Kind
from alerts.http import Auth, Http, bounded, check_url, host_of, outcome_of
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.tls import Tls
from alerts.wording import check_link, counts, handled_by, ids_of, in_words, last_comment, link_to
from schemas.errors import ConfigurationError
from schemas.fields import iso

AGAIN_EVERY_S: Final = 60.0
"""How often what fires is repeated: the documentation asks for 30 seconds to 3 minutes."""

ENDS_AFTER_S: Final = 5 * AGAIN_EVERY_S
"""When an alert ends that is not repeated: four repetitions may be lost on their way before one ends that still fires,
and what a monitor that died had fired is gone five minutes later."""

STRAGGLER_S: Final = 1.0
"""How long the other replicas are waited for when one has taken an alert: one whose host is gone would hold back every
message for the whole of its timeout. It hears of the alert by the next repetition."""

IDS_MAX: Final = 100
"""Ids in an annotation: 3 KiB, which every template that prints them can bear."""


class AlertmanagerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of `[destinations.NAME]` with `kind = "alertmanager"`."""

    urls: tuple[str, ...]
    """Every replica, without `/api/v2/alerts`: `["https://am-1.example:9093", "https://am-2.example:9093"]`."""
    auth: Auth | None = None
    """A bearer token, or user and password."""
    tls: Tls | None = None
    """An own authority, a client certificate."""
    generator_url: str | None = None
    """Where an alert is to be seen, with `{alert_id}` or `{key}` where they belong."""
    labels: dict[str, str] = {}
    """Labels of your own for Alertmanager's routes, such as `{ environment = "production" }`. No personal data."""
    allow_plaintext: bool = False
    """Whether `http://` may lead to another machine."""


class Alertmanager:
    """All replicas of one Alertmanager."""

    def __init__(self, config: AlertmanagerConfig, context: Context) -> None:
        self._config = config
        self._what = f"destinations.{context.name}"
        self._http = Http(what=self._what, tls=config.tls, agent=f"cloverwatch/{context.version}")
        self._urls = tuple(url.rstrip("/") + "/api/v2/alerts" for url in config.urls)

    async def start(self) -> None:
        """Read certificates and secrets.

        Raises:
            ConfigurationError: one of them is not there.
        """
        self._headers()
        await self._http.start()

    async def stop(self) -> None:
        """Close the connections. What fires there ends by itself, `ENDS_AFTER_S` after its last repetition."""
        await self._http.stop()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Post each to all replicas; delivered when one of them has it."""
        return [await self._one(notice) for notice in notices]

    async def _one(self, notice: Notice) -> Outcome:
        try:
            headers = self._headers()
        except ConfigurationError as error:
            return Failed(str(error))
        now = max(int(time.time() * 1000), notice.at)
        body = msgspec.json.encode(posted(notice, self._config, now))
        tasks = [asyncio.create_task(self._post(url, body, headers)) for url in self._urls]
        try:
            outcomes = await _all_or_late(tasks)
        finally:
            for task in tasks:
                task.cancel()
        return self._sum(notice, outcomes)

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        answer = await self._http.post(url, body, headers)
        return answer if isinstance(answer, Failed) else outcome_of(answer)

    def _sum(self, notice: Notice, outcomes: Sequence[Outcome]) -> Outcome:
        """Return what came of a notice from what came of it at each replica."""
        took = [outcome for outcome in outcomes if isinstance(outcome, Delivered)]
        missed = [
            outcome.reason if host in outcome.reason else f"{host}: {outcome.reason}"
            for url, outcome in zip(self._urls, outcomes, strict=True)
            if not isinstance(outcome, Delivered)
            for host in (host_of(url),)
        ]
        if took:
            answer = {
                **took[0].answer,
                **kept(notice, self._config.labels),
                "replicas": f"{len(took)} of {len(outcomes)}",
            }
            if missed:
                answer["missed"] = bounded("; ".join(missed))
            return Delivered(answer)
        failed = [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        if failed:
            waits = [outcome.retry_after_s for outcome in failed if outcome.retry_after_s is not None]
            return Failed(bounded("; ".join(missed)), min(waits) if len(waits) == len(outcomes) else None)
        return Refused(bounded("; ".join(missed)))

    def _headers(self) -> dict[str, str]:
        return {} if self._config.auth is None else self._config.auth.headers(f"{self._what}.auth")


async def _all_or_late(tasks: Sequence[asyncio.Task[Outcome]]) -> list[Outcome]:
    """Wait for all, but not long for the last ones when one has succeeded."""
    waiting = set(tasks)
    until: float | None = None
    while waiting:
        left = None if until is None else max(until - time.monotonic(), 0)
        done, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            break
        if until is None and any(isinstance(task.result(), Delivered) for task in done):
            until = time.monotonic() + STRAGGLER_S
    late = Failed(f"no answer within {STRAGGLER_S:g} s of another replica's")
    return [task.result() if task.done() else late for task in tasks]


def posted(notice: Notice, config: AlertmanagerConfig, now: int) -> list[dict[str, Any]]:
    """Return the body of a request: the old set of labels as ended where it changed, then the alert.

    Args:
        notice: what to tell.
        config: the destination's.
        now: milliseconds since 1970; an alert that fires ends `ENDS_AFTER_S` later, unless it is repeated.
    """
    labels, former = labels_of(notice, config.labels).labels, labels_before(notice)
    starts = min(notice.started_at, now)
    ends = now if notice.state == "resolved" else now + int(ENDS_AFTER_S * 1000)
    words = in_words(notice)
    alert = {
        "labels": labels,
        "annotations": _annotations(notice),
        "startsAt": iso(starts),
        "endsAt": iso(ends),
    }
    link = link_to(config.generator_url, notice, words.lead)
    if link is not None:
        alert["generatorURL"] = link
    if not former or former == labels:
        return [alert]
    ended = {
        "labels": former,
        "annotations": {"summary": f"Goes on with other labels: {bounded(notice.title, 300)}"},
        "startsAt": iso(starts),
        "endsAt": iso(now),
    }
    return [ended, alert]


def _annotations(notice: Notice) -> dict[str, str]:
    words = in_words(notice)
    ids, more = ids_of(notice, IDS_MAX)
    said = {
        "summary": words.headline,
        "description": words.explanation,
        "counts": counts(notice),
        "alert_ids": ",".join(ids),
        "alert_ids_left_out": str(more) if more else "",
        "acknowledged_by": handled_by(notice),
        "comment": last_comment(notice),
        "next_step": words.next_step,
    }
    return {name: text for name, text in said.items() if text}


def _check(config: AlertmanagerConfig) -> str | None:
    if not config.urls:
        return "urls: at least one replica is to be named"
    for url in config.urls:
        if wrong := check_url(url, allow_plaintext=config.allow_plaintext):
            return f"urls: {wrong}"
        if sum(other.rstrip("/") == url.rstrip("/") for other in config.urls) > 1:
            return f"urls: {host_of(url)} is there twice; each replica once"
    return check_link("generator_url", config.generator_url) or check_labels(config.labels)


def _make(config: AlertmanagerConfig, context: Context) -> Destination:
    return Alertmanager(config, context)


KIND: Final = Kind(
    name="alertmanager",
    title="Prometheus Alertmanager, API v2",
    config=AlertmanagerConfig,
    make=_make,
    grouped=True,
    again_every_s=AGAIN_EVERY_S,
    promise=(
        "Delivered when one replica answered 2xx; replicas agree among themselves. The labels identify an incident, so "
        f"a repetition is none there. What is not repeated ends after {ENDS_AFTER_S:g} seconds. Up to {IDS_MAX} alerts "
        "of the newest message are listed in the annotation `alert_ids`; the receipts name the incident of the others."
    ),
    check=_check,
)
