"""Splunk's HTTP Event Collector: batches of concatenated events, delivered when they are indexed.

Sources: Splunk Enterprise, "Get data in": "Format events for HTTP Event Collector", "Troubleshoot HTTP Event Collector"
(the codes), "About HTTP Event Collector Indexer Acknowledgment".
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import orjson

from alerts.batching import packed, runs, written
from alerts.destination import SEND_TIMEOUT_S, Context, Kind
from alerts.formats import ecs, ocsf
from alerts.hec_answers import CODES, body_of, code_of, cut, indexed, not_taken
from alerts.http import Answer, Http, check_proxy, check_url, token
from alerts.notice import Delivered, Failed, Notice, Outcome
from alerts.secrets import SecretRef
from alerts.tls import Tls
from schemas.alert import Alert
from schemas.codec import encode
from schemas.errors import ConfigurationError

BATCH_MAX: Final = 4000
"""Alerts in one `send`. With acknowledgement one batch waits for its indexing, which takes seconds: the more are in it,
the more pass: 1,000 and 0.3 s for an acknowledgement are 2,000 a second. It leaves in requests of `BODY_MAX`."""

BODY_MAX: Final = 900_000
"""Bytes of one request before compression: Splunk Cloud's service description names 1 MB as the most; Splunk
Enterprise takes 800 MB."""

ACK_LIMIT_S: Final = 60.0
"""From a batch's answer until it is taken for lost and sent again. Indexing takes a few seconds; a queue that is longer
behind would only be made longer by what comes twice."""

ACK_FIRST_S: Final = 0.1
"""First wait between two questions for acknowledgements; it doubles up to `ACK_MOST_S`."""

ACK_MOST_S: Final = 2.0
"""Longest wait between two questions: what is indexed is then told at most two seconds late."""

Format = Literal["ocsf", "ecs", "alert"]


class HecConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[destinations.NAME]` with `kind = "splunk-hec"`."""

    url: str
    """Where the collector listens: scheme, host and port (`https://splunk.example:8088`)."""
    token: SecretRef
    """The token of the collector's input, read for each batch."""
    format: Format = "ocsf"
    """What an event is: an OCSF Detection Finding, an ECS document, or the alert as it stands in the topic."""
    acknowledge: bool = True
    """Wait until the events are indexed; the token must have indexer acknowledgement enabled. With `false` an answer of
    200 counts: Splunk gives it before the event enters its pipeline, and a crash there loses it."""
    index: str | None = None
    """Where events go; without it where the token says."""
    source: str = "cloverwatch"
    sourcetype: str | None = None
    """`cloverwatch:FORMAT` where it is not said."""
    tls: Tls | None = None
    allow_plaintext: bool = False
    """Allow `http://` to another machine."""
    proxy: str | None = None


class Hec:
    """Sends to one collector."""

    def __init__(self, config: HecConfig, context: Context) -> None:
        self._config = config
        self._context = context
        self._what = f"destinations.{context.name}"
        base = config.url.rstrip("/")
        self._events = f"{base}/services/collector/event"
        self._channel = str(uuid.uuid4())
        self._acks = f"{base}/services/collector/ack?channel={self._channel}"
        self._http = Http(what=self._what, tls=config.tls, timeout_s=SEND_TIMEOUT_S, proxy=config.proxy)
        self._sleep: Callable[[float], Awaitable[None]] = context.sleep or asyncio.sleep
        self._about: dict[str, Any] = {
            "host": context.host,
            "source": config.source,
            "sourcetype": config.sourcetype or f"cloverwatch:{config.format}",
        }
        if config.index is not None:
            self._about["index"] = config.index

    async def start(self) -> None:
        """Read certificates and token.

        Raises:
            ConfigurationError: they are not there.
        """
        self._headers()
        await self._http.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.stop()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Send a batch, in as many requests as it needs; with `acknowledge`, return when it is indexed."""
        parts = await written(notices, self._event)
        outcomes: list[Outcome] = [Failed("not sent: what was before it failed")] * len(parts)
        waiting: dict[int, tuple[int, int]] = {}
        todo = list(runs(parts, BODY_MAX))[::-1]
        while todo:
            first, last = todo.pop()
            answered = await self._post(parts[first:last])
            instead = cut(answered, first, last)
            if instead is not None:
                todo += instead[::-1]
                continue
            made = self._made_of(answered)
            if isinstance(made, int):
                waiting[made] = first, last
                outcomes[first:last] = [Failed(f"not acknowledged within {ACK_LIMIT_S:g} s: it may be indexed")] * (
                    last - first
                )
                continue
            outcomes[first:last] = [made] * (last - first)
            if isinstance(made, Failed):
                break  # away, busy or not to be used as it is: the rest would fare no better
        if waiting:
            await self._await_indexing(waiting, outcomes)
        return outcomes

    def _event(self, notice: Notice) -> bytes:
        alert = notice.alerts[0]
        return orjson.dumps(
            {
                "time": ocsf.revised_at(alert) / 1000,
                **self._about,
                "fields": {"alert_id": alert.alert_id, "revision": alert.revision},
                "event": orjson.Fragment(_encoded(alert, self._config.format, notice.at, self._context.version)),
            }
        )

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": "Splunk " + token(self._config.token, f"{self._what}.token"),
            "X-Splunk-Request-Channel": self._channel,
        }

    async def _post(self, parts: Sequence[bytes]) -> Answer | Failed:
        try:
            headers = self._headers() | {"Content-Encoding": "gzip"}
        except ConfigurationError as error:  # the secret is being replaced, perhaps
            return Failed(str(error))
        return await self._http.post(self._events, packed(b"\n".join(parts)), headers)

    def _made_of(self, answer: Answer | Failed) -> int | Outcome:
        """Return what an answer to events means; of those that are taken in, the acknowledgement to wait for."""
        if isinstance(answer, Failed) or answer.status != 200 or code_of(answer) in CODES:
            return not_taken(answer)
        if not self._config.acknowledge:
            return Delivered({"status": "200", "code": str(code_of(answer))})
        ack = body_of(answer).get("ackId")
        if type(ack) is not int:
            return Failed("answered 200 without an ackId: enable indexer acknowledgement for the token")
        return ack

    async def _await_indexing(self, waiting: dict[int, tuple[int, int]], outcomes: list[Outcome]) -> None:
        """Ask for acknowledgements until all are there or the limit is over; put down what came."""
        pause, left = ACK_FIRST_S, ACK_LIMIT_S
        while waiting and left > 0:
            await self._sleep(pause)
            left -= pause
            pause = min(2 * pause, ACK_MOST_S)
            try:
                headers = self._headers()
            except ConfigurationError:  # the secret is being replaced, perhaps
                continue
            answer = await self._http.post(self._acks, orjson.dumps({"acks": list(waiting)}), headers)
            if isinstance(answer, Answer) and answer.status == 200:
                for ack in indexed(answer, list(waiting)):
                    first, last = waiting.pop(ack)
                    said = {"status": "200", "ack_id": str(ack), "channel": self._channel}
                    outcomes[first:last] = [Delivered(said)] * (last - first)
            elif isinstance(answer, Answer) and (answer.status == 429 or answer.status >= 500):
                pause = min(max(pause, answer.retry_after_s or 0.0), max(left, ACK_FIRST_S))
            else:  # a receiver that went away has forgotten which acknowledgements it owes
                why = Failed(f"not acknowledged, it may be indexed: {not_taken(answer).reason}")
                for first, last in waiting.values():
                    outcomes[first:last] = [why] * (last - first)
                return


def _encoded(alert: Alert, form: Format, now: int, version: str) -> bytes:
    if form == "ocsf":
        return ocsf.encode(alert, now=now, version=version)
    return ecs.encode(alert, now=now, version=version) if form == "ecs" else encode(alert)


def _check(config: HecConfig) -> str | None:
    wrong = check_url(config.url, allow_plaintext=config.allow_plaintext)
    if wrong is None and (urlsplit(config.url).path.strip("/") or urlsplit(config.url).query):
        wrong = "the url names a path; write scheme, host and port: /services/collector is added"
    return f"url: {wrong}" if wrong else check_proxy(config.proxy)


KIND: Final = Kind(
    name="splunk-hec",
    title="Splunk HTTP Event Collector",
    config=HecConfig,
    make=Hec,
    grouped=False,
    batch_max=BATCH_MAX,
    promise="Indexed, as `/services/collector/ack` says. With `acknowledge = false`: taken in (200), which a "
    "crash of the collector can still lose. Splunk recognises no repetition: each event carries the indexed fields "
    "`alert_id` and `revision`, by which a search removes it (`| dedup alert_id revision`).",
    check=_check,
)
