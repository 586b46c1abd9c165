"""OTLP: what each answer of a receiver means for each alert, by the specification's table of response codes."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from alerts.http import Auth
from alerts.notice import Delivered, Failed, Refused
from alerts.otlp import KIND, Otlp, OtlpConfig
from alerts.secrets import SecretRef
from schemas.alert import SEVERITIES
from tests.alerts.stream_alerts import CONTEXT, alert, notice


class Server:
    """An OTLP receiver that answers as it is told, and holds to the specification in what it takes."""

    def __init__(self) -> None:
        self.url = ""
        self.batches: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self.requests: list[ExportLogsServiceRequest] = []
        self.answer: Callable[[list[str]], web.Response] = lambda _: success()

    async def take(self, request: web.Request) -> web.Response:
        assert request.path == "/v1/logs"
        assert request.headers["Content-Type"] == "application/x-protobuf"
        assert request.headers["Content-Encoding"] == "gzip"
        raw = await request.read()  # aiohttp's server expands it
        message = ExportLogsServiceRequest.FromString(gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw)
        ids = [
            attribute.value.string_value
            for record in message.resource_logs[0].scope_logs[0].log_records
            for attribute in record.attributes
            if attribute.key == "cloverwatch.alert.id"
        ]
        self.requests.append(message)
        self.batches.append(ids)
        self.headers.append(dict(request.headers))
        return self.answer(ids)


def success() -> web.Response:
    return answered(ExportLogsServiceResponse())


def answered(message: ExportLogsServiceResponse) -> web.Response:
    return web.Response(body=message.SerializeToString(), content_type="application/x-protobuf")


def rejecting(number: int, why: str = "too old") -> web.Response:
    partial = ExportLogsPartialSuccess(rejected_log_records=number, error_message=why)
    return answered(ExportLogsServiceResponse(partial_success=partial))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def sender(server: Server) -> AsyncIterator[Otlp]:
    made = Otlp(OtlpConfig(url=server.url), CONTEXT)
    await made.start()
    yield made
    await made.stop()


NOTICES = [notice(alert(number)) for number in range(8)]
IDS = [each.alerts[0].alert_id for each in NOTICES]


async def test_a_batch_is_one_request(server: Server, sender: Otlp) -> None:
    assert await sender.send(NOTICES) == [Delivered({"status": "200"})] * 8
    assert server.batches == [IDS]
    resource = {each.key: each.value.string_value for each in server.requests[0].resource_logs[0].resource.attributes}
    assert resource == {
        "service.name": "cloverwatch",
        "service.version": "0.1.0",
        "host.name": "monitor-1.example",
    }


async def test_severities_are_those_of_the_data_model(server: Server, sender: Otlp) -> None:
    await sender.send([notice(alert(severity=each)) for each in SEVERITIES])
    records = server.requests[0].resource_logs[0].scope_logs[0].log_records
    assert [record.severity_number for record in records] == [9, 10, 13, 17, 18]
    assert [record.severity_text for record in records] == list(SEVERITIES)
    assert {record.event_name for record in records} == {"cloverwatch.alert"}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_these_are_tried_again(server: Server, sender: Otlp, status: int) -> None:
    server.answer = lambda _: web.Response(status=status, headers={"Retry-After": "7"})
    outcomes = await sender.send(NOTICES)
    assert len(server.batches) == 1
    assert all(isinstance(each, Failed) and each.retry_after_s == 7 for each in outcomes)


@pytest.mark.parametrize("status", [401, 403, 404, 415, 500, 501])
async def test_all_others_are_not(server: Server, sender: Otlp, status: int) -> None:
    server.answer = lambda _: web.Response(status=status)
    assert all(isinstance(each, Refused) for each in await sender.send(NOTICES))
    assert len(server.batches) == 1


BAD = {IDS[2], IDS[7]}


@pytest.mark.parametrize(
    "answer",
    [
        lambda ids: rejecting(len(BAD & set(ids))) if BAD & set(ids) else success(),
        lambda ids: web.Response(status=400) if BAD & set(ids) else success(),
        lambda ids: web.Response(status=413) if BAD & set(ids) else success(),
    ],
    ids=["partial success", "400", "413"],
)
async def test_a_bad_record_is_found_and_the_others_arrive(
    server: Server, sender: Otlp, answer: Callable[[list[str]], web.Response]
) -> None:
    server.answer = answer
    outcomes = await sender.send(NOTICES)
    refused = {of.alerts[0].alert_id for of, each in zip(NOTICES, outcomes, strict=True) if isinstance(each, Refused)}
    assert refused == BAD
    assert all(isinstance(each, Delivered | Refused) for each in outcomes)
    assert len(server.batches) == len({tuple(each) for each in server.batches}), "no request is made twice"


async def test_a_warning_is_a_success(server: Server, sender: Otlp) -> None:
    """Partial success with nothing rejected is only a hint ("Partial Success")."""
    server.answer = lambda _: rejecting(0, "use gzip")
    assert await sender.send(NOTICES) == [Delivered({"status": "200"})] * 8


async def test_all_rejected_is_refused_without_the_receivers_words(server: Server, sender: Otlp) -> None:
    server.answer = lambda ids: rejecting(len(ids))
    outcomes = await sender.send(NOTICES)
    assert len(server.batches) == 1
    assert all(isinstance(each, Refused) and each.reason.endswith("answered 200 and rejected it") for each in outcomes)


async def test_a_page_is_no_confirmation(server: Server, sender: Otlp) -> None:
    server.answer = lambda _: web.Response(text="<html>Sign in</html>", content_type="text/html")
    assert all(isinstance(each, Failed) for each in await sender.send(NOTICES))


async def test_nobody_there_is_a_failure(server: Server) -> None:
    sender = Otlp(OtlpConfig(url="http://127.0.0.1:9/v1/logs"), CONTEXT)
    await sender.start()
    assert all(isinstance(each, Failed) for each in await sender.send(NOTICES))
    await sender.stop()


async def test_secrets_go_into_headers_and_nowhere_else(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTLP_KEY", "s3cret-key")
    monkeypatch.setenv("OTLP_TOKEN", "s3cret-token")
    config = OtlpConfig(
        url=server.url, headers={"api-key": SecretRef(env="OTLP_KEY")}, auth=Auth(bearer=SecretRef(env="OTLP_TOKEN"))
    )
    sender = Otlp(config, CONTEXT)
    await sender.start()
    outcomes: Sequence[Any] = await sender.send(NOTICES[:1])
    monkeypatch.delenv("OTLP_KEY")
    outcomes = [*outcomes, *await sender.send(NOTICES[:1])]
    await sender.stop()
    assert server.headers[0]["api-key"] == "s3cret-key"
    assert server.headers[0]["Authorization"] == "Bearer s3cret-token"
    assert isinstance(outcomes[1], Failed)
    assert "OTLP_KEY" in outcomes[1].reason
    assert "s3cret" not in repr(outcomes) + repr(config)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"url": "http://collector.example:4318"}, "allow_plaintext"),
        ({"url": "ftp://collector.example"}, "https://"),
        ({"url": "https://c.example", "headers": {"a b": SecretRef(env="X")}}, "no header's name"),
        ({"url": "https://c.example", "headers": {"Content-Encoding": SecretRef(env="X")}}, "set by OTLP"),
    ],
)
def test_configurations_that_cannot_be_meant(more: dict[str, Any], what: str) -> None:
    found = KIND.check(OtlpConfig(**more))
    assert found is not None
    assert what in found
