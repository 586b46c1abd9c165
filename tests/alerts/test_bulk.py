"""OpenSearch and Elasticsearch: each alert is one document in its last revision, whatever dies in between."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from alerts import bulk
from alerts.batching import packed, runs, written
from alerts.bulk import KINDS, Bulk, BulkConfig
from alerts.destination import Context
from alerts.http import Auth, Basic
from alerts.notice import Delivered, Failed, Outcome, Refused
from alerts.secrets import SecretRef
from schemas.errors import ConfigurationError
from tests.alerts.samples import ACKNOWLEDGED, VARIETY, alert, bare, notice, notices
from tests.conftest import require
from tests.receivers.opensearch import INDEX, OpenSearchReceiver

HERE = Context(name="search", host="monitor-1", version="1.2.3")


# What a cluster answers, without one.


class Stub:
    """Answers as it is told, and keeps what it was sent: for statuses that a real cluster has in trouble only."""

    def __init__(self) -> None:
        self.bodies: list[list[dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[list[dict[str, Any]]], web.Response] = lambda ids: self.items([201] * len(ids))

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        lines = [json.loads(line) for line in body.splitlines()]
        actions = [line["index"] for line in lines[::2]]
        self.bodies.append(actions)
        self.headers.append(dict(request.headers))
        return self.answer(actions)

    @staticmethod
    def items(statuses: list[int], kind: str = "some_exception", reason: str = "because") -> web.Response:
        made = []
        for number, status in enumerate(statuses):
            item: dict[str, Any] = {"_id": str(number), "status": status}
            if status < 300:
                item["result"] = "created"
            else:
                item["error"] = {"type": kind, "reason": reason}
            made.append({"index": item})
        return web.json_response({"errors": any(status > 299 for status in statuses), "items": made})


@pytest.fixture
async def stub() -> AsyncIterator[tuple[Stub, str]]:
    made = Stub()
    app = web.Application(client_max_size=10**9)
    app.router.add_post("/_bulk", made.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        yield made, str(server.make_url("")).rstrip("/")


async def sent(config: BulkConfig, count: int = 1) -> list[Outcome]:
    destination = Bulk(config, HERE)
    await destination.start()
    try:
        return list(await destination.send(notices([alert(number) for number in range(count)])))
    finally:
        await destination.stop()


async def test_the_id_is_the_alerts_and_the_version_its_revision(stub: tuple[Stub, str]) -> None:
    await sent(BulkConfig(url=stub[1]))
    [[action]] = stub[0].bodies
    assert action == {"_index": INDEX, "_id": alert(0).alert_id, "version": 0, "version_type": "external"}
    assert stub[0].headers[0]["Content-Type"] == "application/x-ndjson"
    assert stub[0].headers[0]["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    ("status", "kind", "outcome"),
    [
        (200, "", Delivered),
        (201, "", Delivered),
        (409, "version_conflict_engine_exception", Delivered),
        (400, "mapper_parsing_exception", Refused),
        (400, "document_parsing_exception", Refused),
        (413, "es_rejected_execution_exception", Refused),
        (403, "security_exception", Failed),
        (403, "cluster_block_exception", Failed),
        (404, "index_not_found_exception", Failed),
        (429, "rejected_execution_exception", Failed),
        (500, "exception", Failed),
        (503, "unavailable_shards_exception", Failed),
    ],
)
async def test_each_document_has_an_outcome_of_its_own(
    stub: tuple[Stub, str], status: int, kind: str, outcome: type
) -> None:
    stub[0].answer = lambda _: Stub.items([201, status, 201], kind)
    first, second, third = await sent(BulkConfig(url=stub[1]), 3)
    assert isinstance(first, Delivered)
    assert isinstance(third, Delivered)
    assert isinstance(second, outcome)
    if not isinstance(second, Delivered):
        assert kind in second.reason


async def test_a_reason_names_the_field_and_never_its_value(stub: tuple[Stub, str]) -> None:
    reason = "failed to parse field [event.action] of type [long] in document with id '7'. Preview: 'maria.example'"
    stub[0].answer = lambda _: Stub.items([400], "mapper_parsing_exception", reason)
    [outcome] = await sent(BulkConfig(url=stub[1]))
    assert outcome == Refused("answered 400 (mapper_parsing_exception, field event.action)")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, Refused), (401, Failed), (403, Failed), (404, Failed), (413, Refused), (429, Failed), (503, Failed)],
)
async def test_a_request_that_is_answered_as_a_whole(stub: tuple[Stub, str], status: int, outcome: type) -> None:
    stub[0].answer = lambda _: web.Response(status=status, headers={"Retry-After": "7"})
    [made] = await sent(BulkConfig(url=stub[1]))
    assert isinstance(made, outcome)
    if isinstance(made, Failed):
        assert made.retry_after_s == 7.0


async def test_a_busy_cluster_is_not_asked_again_for_the_rest(
    stub: tuple[Stub, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BODY_MAX", 3_000)
    stub[0].answer = lambda _: web.Response(status=503)
    assert all(isinstance(each, Failed) for each in await sent(BulkConfig(url=stub[1]), 5))
    assert len(stub[0].bodies) == 1


async def test_what_is_too_long_is_halved_until_it_fits(stub: tuple[Stub, str]) -> None:
    stub[0].answer = lambda ids: web.Response(status=413) if len(ids) > 2 else Stub.items([201] * len(ids))
    assert all(isinstance(each, Delivered) for each in await sent(BulkConfig(url=stub[1]), 7))
    taken = [action["_id"] for body in stub[0].bodies if len(body) <= 2 for action in body]
    assert taken == [alert(number).alert_id for number in range(7)], "each once, in order"


@pytest.mark.parametrize(
    "answer",
    [b"", b"{", b"[]", b"{}", b'{"items":[]}', b'{"items":[{}]}', b'{"items":[{"index":{}}]}', b'{"items":[1]}'],
)
async def test_an_answer_that_is_none_fails(stub: tuple[Stub, str], answer: bytes) -> None:
    stub[0].answer = lambda _: web.Response(body=answer)
    assert isinstance((await sent(BulkConfig(url=stub[1])))[0], Failed)


async def test_credentials(stub: tuple[Stub, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "aWQ6a2V5")
    secret = SecretRef(env="SECRET")
    await sent(BulkConfig(url=stub[1], api_key=secret))
    await sent(BulkConfig(url=stub[1], auth=Auth(basic=Basic(user="monitor", password=secret))))
    await sent(BulkConfig(url=stub[1], auth=Auth(bearer=secret)))
    said = [headers["Authorization"] for headers in stub[0].headers]
    basic = base64.b64encode(b"monitor:aWQ6a2V5").decode()
    assert said == ["ApiKey aWQ6a2V5", f"Basic {basic}", "Bearer aWQ6a2V5"]


async def test_credentials_that_are_away_at_the_start_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"destinations\.search\.api_key"):
        await Bulk(BulkConfig(url="https://search.example", api_key=SecretRef(env="NOT_THERE")), HERE).start()


async def test_nobody_there_is_a_failure() -> None:
    [outcome] = await sent(BulkConfig(url="http://127.0.0.1:1"))
    assert isinstance(outcome, Failed)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (BulkConfig(url="https://search.example:9200"), False),
        (BulkConfig(url="https://search.example/es"), False),
        (BulkConfig(url="http://search.example:9200"), True),
        (BulkConfig(url="https://search.example?x=1"), True),
        (BulkConfig(url="https://search.example", index="Alerts"), True),
        (BulkConfig(url="https://search.example", index="a,b"), True),
        (
            BulkConfig(url="https://search.example", api_key=SecretRef(env="A"), auth=Auth(bearer=SecretRef(env="B"))),
            True,
        ),
    ],
)
def test_a_configuration_is_checked(config: BulkConfig, wrong: bool) -> None:
    assert all((kind.check(config) is not None) is wrong for kind in KINDS)


def test_runs_cover_everything_once_in_order_within_the_limit() -> None:
    parts = [b"x" * size for size in (3, 3, 9, 1, 1, 1, 12, 2)]
    found = list(runs(parts, 6))
    assert found == [(0, 2), (2, 3), (3, 6), (6, 7), (7, 8)]
    assert not list(runs([], 6))


def test_packed_is_gzip() -> None:
    assert gzip.decompress(packed(b"x" * 1000)) == b"x" * 1000


# A real one.


@pytest.fixture(scope="module")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearchReceiver]:
    require(OpenSearchReceiver.missing())
    receiver = OpenSearchReceiver(tmp_path_factory.mktemp("opensearch"))
    try:
        receiver.start()
        yield receiver
    finally:
        receiver.stop()


@pytest.fixture
async def real(opensearch: OpenSearchReceiver) -> AsyncIterator[Bulk]:
    destination = Bulk(BulkConfig(url=opensearch.url), HERE)
    await destination.start()
    yield destination
    await destination.stop()


def revision_of(receiver: OpenSearchReceiver, alert_id: str) -> int:
    found = receiver.ask("GET", f"/{INDEX}/_doc/{alert_id}")
    assert found is not None
    revision: int = found["_source"]["event"]["sequence"]
    return revision


@pytest.mark.slow
async def test_every_kind_of_alert_is_taken_and_found(real: Bulk, opensearch: OpenSearchReceiver) -> None:
    outcomes = await real.send(notices(list(VARIETY.values())))
    assert all(isinstance(outcome, Delivered) for outcome in outcomes)
    opensearch.ask("POST", f"/{INDEX}/_refresh")
    query = {
        "query": {
            "bool": {
                "filter": [{"term": {"user.hash": str(alert().person)}}, {"term": {"rule.id": "place.third_country"}}]
            }
        }
    }
    found = opensearch.ask("POST", f"/{INDEX}/_search", query)
    assert found is not None
    assert found["hits"]["total"]["value"] >= 8
    words = opensearch.ask("POST", f"/{INDEX}/_search", {"query": {"match": {"message": "offsets"}}})
    assert words is not None
    assert words["hits"]["total"]["value"] == 1


@pytest.mark.slow
async def test_an_older_revision_never_replaces_a_newer_one(real: Bulk, opensearch: OpenSearchReceiver) -> None:
    one = alert(20_000)
    first = notice(one)
    second = notice(alert(20_000, revision=1, status="amended", handled=ACKNOWLEDGED))
    results = []
    for batch in ([first], [first], [second], [first], [second, first, second]):
        for outcome in await real.send(batch):
            assert isinstance(outcome, Delivered)
            assert outcome.answer["item_id"] == one.alert_id
            results.append(outcome.answer["result"])
    assert results == ["created", "already there", "updated", *["already there"] * 4]
    assert revision_of(opensearch, one.alert_id) == 1


@pytest.mark.slow
async def test_a_document_that_the_mapping_refuses_is_refused_alone(opensearch: OpenSearchReceiver) -> None:
    mapping = {"mappings": {"properties": {"event": {"properties": {"action": {"type": "long"}}}}}}
    opensearch.ask("PUT", "/elsewhere", mapping)
    destination = Bulk(BulkConfig(url=opensearch.url, index="elsewhere"), HERE)
    await destination.start()
    outcomes = await destination.send(notices([bare(), alert(1), bare(alert_id="c" * 32)]))
    await destination.stop()
    assert [type(outcome) for outcome in outcomes] == [Delivered, Refused, Delivered]
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].reason == "answered 400 (mapper_parsing_exception, field event.action)"


@pytest.mark.slow
async def test_an_index_that_is_closed_to_writing_fails_and_takes_it_later(
    real: Bulk, opensearch: OpenSearchReceiver
) -> None:
    block = {"index.blocks.write": True}
    opensearch.ask("PUT", f"/{INDEX}/_settings", block)
    [outcome] = await real.send([notice(alert(21_000))])
    assert isinstance(outcome, Failed)
    assert "cluster_block_exception" in outcome.reason
    opensearch.ask("PUT", f"/{INDEX}/_settings", {"index.blocks.write": None})
    assert isinstance((await real.send([notice(alert(21_000))]))[0], Delivered)


async def test_others_run_while_a_long_batch_is_written() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    assert await written(notices([alert(0)] * 1_000), lambda _: b"x") == [b"x"] * 1_000
    beside.cancel()
    assert turns >= 9
