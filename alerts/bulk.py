"""OpenSearch and Elasticsearch: `_bulk` with the alert's id as `_id` and its revision as external version.

A document that is there in this revision or a later one is left as it is (409), so that what is sent again changes
nothing and an older revision never replaces a newer one. No data streams: they only take documents that are new
(`op_type` create), and an alert is amended.

This is one request that both products answer alike, so it goes over `alerts.http`, not over `opensearch-py`: that
client writes the documents to its log, drops `Retry-After`, keeps the credentials of its start, and repeats the
receiver's words in its errors, which may quote a document. What it has beyond a request (its own retries, dead nodes)
is the business of whoever calls `send`.

Sources: OpenSearch, "Bulk"; Elasticsearch, "Bulk API" and "Index API", section "Versioning".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import orjson

from alerts.batching import halves, packed, runs, written
from alerts.destination import Context, Kind
from alerts.formats import ecs
from alerts.http import Answer, Auth, Http, check_proxy, check_url, host_of, token
from alerts.notice import Delivered, Failed, Notice, Outcome, Refused
from alerts.secrets import SecretRef
from alerts.tls import Tls
from schemas.errors import ConfigurationError

BATCH_MAX: Final = 500
"""Alerts in one `send`: about a megabyte, a tenth of a second of a small node's work."""

BODY_MAX: Final = 8 * 1024 * 1024
"""Bytes of one request before compression. Both take 100 MB (`http.max_content_length`) and do best with 5 to 15 MB."""

BULK_TIMEOUT_S: Final = 60.0
"""Both wait up to a minute for the primary shard (`timeout`, 1m) and then say for each document that it was away: an
answer that is worth waiting for."""

ANSWER_MAX: Final = 4 * 1024 * 1024
"""Bytes of an answer: some 200 for each document, more for one in error."""

WANTED: Final = (
    "errors,items.*._id,items.*.status,items.*.result,items.*._version,items.*.error.type,items.*.error.reason"
)
"""Parts of the answer (`filter_path`): each document's status is always there, so none is missing."""

CONFLICT: Final = 409
TOO_LARGE: Final = 413
LATER: Final = frozenset({401, 403, 404, 408, 429})
"""Statuses that are not about the document: credentials, a missing index, a full disk, a full queue. Whoever runs the
receiver puts that right, and then the same document is taken. 5xx are like them."""

FIELD: Final = re.compile(
    r"field \[(@timestamp|message|tags|"
    r"(?:cloverwatch|ecs|event|observer|related|rule|source|user)(?:\.[a-z_]{1,40}){0,3})\]"
)
"""The only part of a receiver's reason that is repeated, a field of our documents: the rest may quote the document."""

ERRORS: Final = frozenset(
    {
        "action_request_validation_exception",
        "circuit_breaking_exception",
        "cluster_block_exception",
        "document_parsing_exception",
        "exception",
        "es_rejected_execution_exception",
        "illegal_argument_exception",
        "illegal_state_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_index_name_exception",
        "json_parse_exception",
        "mapper_parsing_exception",
        "parsing_exception",
        "process_cluster_event_timeout_exception",
        "rejected_execution_exception",
        "security_exception",
        "strict_dynamic_mapping_exception",
        "unavailable_shards_exception",
        "version_conflict_engine_exception",
    }
)
"""Types of errors of both that are told by their name; any other is "another error"."""

RESULTS: Final = frozenset({"created", "updated", "noop"})
"""What an item may say came of it."""

INDEX: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,199}")
"""A name of an index or an alias that both allow."""


class BulkConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[destinations.NAME]` with `kind = "opensearch"` or `kind = "elasticsearch"`."""

    url: str
    """Scheme, host and port, and a path where a proxy wants one (`https://search.example:9200`)."""
    index: str = "cloverwatch-alerts"
    """An index, or an alias that has one write index: after its rollover, revisions of one alert stand in two indices,
    and the one with the greatest `event.sequence` counts. `deploy/search/cloverwatch-alerts.json` is its template."""
    auth: Auth | None = None
    """User and password, or a bearer token."""
    api_key: SecretRef | None = None
    """Elasticsearch's API key as it is given out, encoded: `id:key` in base64."""
    tls: Tls | None = None
    compress: bool = True
    """Whether requests are gzip."""
    allow_plaintext: bool = False
    """Allow `http://` to another machine."""
    proxy: str | None = None


class Bulk:
    """Sends to one cluster."""

    def __init__(self, config: BulkConfig, context: Context) -> None:
        self._config = config
        self._version = context.version
        self._what = f"destinations.{context.name}"
        self._where = host_of(config.url)
        self._url = f"{config.url.rstrip('/')}/_bulk?filter_path={WANTED}"
        self._http = Http(
            what=self._what, tls=config.tls, timeout_s=BULK_TIMEOUT_S, answer_max=ANSWER_MAX, proxy=config.proxy
        )

    async def start(self) -> None:
        """Read certificates and credentials.

        Raises:
            ConfigurationError: they are not there.
        """
        self._headers()
        await self._http.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._http.stop()

    async def send(self, notices: Sequence[Notice]) -> Sequence[Outcome]:
        """Send a batch, in as many requests as it needs; each document has an outcome of its own."""
        parts = await written(notices, self._lines)
        outcomes: list[Outcome] = [Failed("not sent: what was before it failed")] * len(parts)
        todo = list(runs(parts, BODY_MAX))[::-1]
        while todo:
            first, last = todo.pop()
            answered = await self._post(parts[first:last])
            if isinstance(answered, Answer) and answered.status in {400, TOO_LARGE} and last - first > 1:
                todo += halves(first, last)[::-1]
                continue
            outcomes[first:last] = made = _outcomes(answered, last - first)
            if all(isinstance(each, Failed) for each in made):
                break  # away, busy or not to be used as it is: the rest would fare no better
        return outcomes

    def _lines(self, notice: Notice) -> bytes:
        alert = notice.alerts[0]
        action = {
            "_index": self._config.index,
            "_id": alert.alert_id,
            "version": alert.revision,
            "version_type": "external",
        }
        document = ecs.encode(alert, now=notice.at, version=self._version)
        return b"%b\n%b\n" % (orjson.dumps({"index": action}), document)

    def _headers(self) -> dict[str, str]:
        if self._config.api_key is not None:
            return {"Authorization": "ApiKey " + token(self._config.api_key, f"{self._what}.api_key")}
        return {} if self._config.auth is None else self._config.auth.headers(f"{self._what}.auth")

    async def _post(self, parts: Sequence[bytes]) -> Answer | Failed:
        try:
            headers = self._headers()
        except ConfigurationError as error:  # the secret is being replaced, perhaps
            return Failed(str(error))
        body = b"".join(parts)
        if self._config.compress:
            headers["Content-Encoding"], body = "gzip", packed(body)
        return await self._http.post(self._url, body, headers, content_type="application/x-ndjson")


def _outcomes(answer: Answer | Failed, count: int) -> list[Outcome]:
    """Return what an answer says of each of `count` documents."""
    if isinstance(answer, Failed):
        return [answer] * count
    if answer.status != 200:
        reason = f"answered {answer.status}"
        refused = answer.status in {400, TOO_LARGE}
        return [Refused(reason) if refused else Failed(reason, answer.retry_after_s)] * count
    try:
        items = orjson.loads(answer.body)["items"]
        return [_item(next(iter(item.values())), answer) for item in _all(items, count)]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, StopIteration, ValueError):
        return [Failed("answered 200 with something that is no bulk answer")] * count


def _all(items: list[dict[str, dict[str, Any]]], count: int) -> list[dict[str, dict[str, Any]]]:
    if len(items) != count:
        raise ValueError("an answer for each document")
    return items


def _item(item: dict[str, Any], answer: Answer) -> Outcome:
    status = int(item["status"])
    if status in {200, 201}:
        result = item["result"] if item["result"] in RESULTS else "another one"
        return Delivered({"item_id": str(item["_id"]), "result": result, "status": str(status)})
    if status == CONFLICT:
        return Delivered({"item_id": str(item["_id"]), "result": "already there", "status": str(status)})
    error = item.get("error", {})
    kind = error["type"] if error.get("type") in ERRORS else "another error"
    field = FIELD.search(str(error.get("reason", "")))
    reason = f"answered {status} ({kind}{f', field {field[1]}' if field else ''})"
    if status in LATER or status >= 500 or kind == "cluster_block_exception":
        return Failed(reason, answer.retry_after_s)
    return Refused(reason)


def _check(config: BulkConfig) -> str | None:
    wrong = check_url(config.url, allow_plaintext=config.allow_plaintext)
    if wrong is not None:
        return f"url: {wrong}"
    if urlsplit(config.url).query:
        return "url: the url has a query; write scheme, host, port and path"
    if not INDEX.fullmatch(config.index):
        return f"index: {config.index!r} is no name of an index: small letters, digits, _ . and - are allowed"
    if config.auth is not None and config.api_key is not None:
        return "api_key: one of auth and api_key is to be named, not both"
    return check_proxy(config.proxy)


def _kind(name: str, title: str) -> Kind:
    return Kind(
        name=name,
        title=title,
        config=BulkConfig,
        make=Bulk,
        grouped=False,
        batch_max=BATCH_MAX,
        promise="In the primary shard's log on disk and in those of its replicas, as the item's status says "
        "(`index.translog.durability` is `request`, as it is by default). An index has an alert once: `_id` is the "
        "alert's id, and a revision that is there already, or a later one, is left as it is. But an id is one in one "
        "index only: after a rollover of the alias a later revision is a document of its own in the new index, beside "
        "the earlier one in the old. Of an `event.id` the one with the greatest `event.sequence` counts.",
        check=_check,
    )


KINDS: Final = (_kind("opensearch", "OpenSearch"), _kind("elasticsearch", "Elasticsearch"))
