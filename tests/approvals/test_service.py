"""Two people at once, through two processes, and over HTTP: what stands, what is stored last, who is told what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from agents.approvals.api import BASE, BODY_MAX, mount
from agents.approvals.folding import OLD_FORM, Standing
from agents.approvals.reading import ApprovalTail, tail_of
from agents.approvals.service import ApprovalService, StepRefusedError, serving
from agents.approvals.whereabouts import Whereabouts
from agents.clients import producer_of, started, with_admin
from agents.settings import Settings
from agents.topic_admin import create
from agents.topic_reading import read_topic
from alerts.approvals import step
from demo.broker import EmbeddedBroker
from rules.join import Joiner
from rules.knowledge import Knowledge
from schemas.approval import Approval, Signed, StepName, step_key
from schemas.errors import BadRecordError
from schemas.gateway_topics import GATEWAY_APPROVALS
from tests.approvals.office import HOUR, SIGNERS, now_ms, rows
from tests.approvals.test_steps import MINUTE, PEOPLE, POLICY_, terms
from tests.brokers.embedded import missing
from tests.cli.test_brokers import PARTITIONS
from tests.conftest import require
from tests.rules.world import GEO, LEGAL

pytestmark = pytest.mark.broker


class Offices:
    """Services at one broker, each as in a process of its own."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self.settings, self._stack = settings, stack

    async def open(self, *, tidy: bool = False) -> ApprovalService:
        knowledge = Knowledge()
        for row in rows(now_ms()):
            knowledge.apply(row)
        joiner = Joiner(POLICY_, knowledge, LEGAL, GEO)
        service = await self._stack.enter_async_context(
            serving(self.settings, PEOPLE, POLICY_, Whereabouts(lambda: joiner))
        )
        if tidy:
            await self._stack.enter_async_context(service)
        return service

    async def put(self, approval: Approval | None, name: StepName) -> None:
        """Write under the key of a step past every service; None is a tombstone."""
        value = None if approval is None else msgspec.json.encode(approval)
        async with started(self.settings, producer_of(self.settings)) as producer:
            await producer.send_and_wait(GATEWAY_APPROVALS, key=step_key("a-1", name), value=value)

    async def last(self, approval_id: str) -> Approval | None:
        """What stands for whoever starts when compaction has left the last record of every key."""
        found: dict[bytes, Any] = {}

        def take(record: Any) -> None:
            found.pop(record.key, None)
            found[record.key] = record

        await read_topic(self.settings, GATEWAY_APPROVALS, take)
        standing = Standing(lambda: PEOPLE, terms)
        for record in found.values():
            with suppress(BadRecordError):
                standing.take(record.key, record.value, record.timestamp)
        return standing.approvals.get(approval_id)


@pytest.fixture
async def offices() -> AsyncIterator[Offices]:
    require(missing())
    with EmbeddedBroker() as server:
        settings = Settings(broker=server.bootstrap, partitions=PARTITIONS, replication_factor=1, identities="clear")
        await with_admin(settings, lambda admin: create(admin, settings))
        async with AsyncExitStack() as stack:
            yield Offices(settings, stack)


def asked(by: str = "anna", number: int = 1, **fields: Any) -> Approval:
    at = now_ms()
    whole: dict[str, Any] = {
        "approval_id": f"a-{number}",
        "person": "e-1",
        "datasets": ("users",),
        "actions": ("read",),
        "until": at + HOUR - 1000,
        "requested": Signed(by=by, at=at),
        **fields,
    }
    return step(Approval(**whole), "requested", SIGNERS[by], at, reason="restore")


def then(approval: Approval, name: StepName, by: str, place: str = "") -> Approval:
    at = max(now_ms(), approval.requested.at)
    return step(approval, name, SIGNERS[by], at, reason="seen", place=place)


async def outcome(taking: Any) -> Approval | str:
    """What came of a step, or why it was refused."""
    try:
        found: Approval = await taking
    except StepRefusedError as error:
        return str(error)
    return found


async def test_of_two_approvers_at_once_one_is_told_that_the_other_was_faster(offices: Offices) -> None:
    here, there = await offices.open(), await offices.open()
    for number in range(8):
        request = await here.take(asked(number=number), "requested")
        both = await asyncio.gather(
            outcome(here.take(then(request, "approved", "ben", "IE"), "approved")),
            outcome(there.take(then(request, "approved", "dora", "IE"), "approved")),
        )
        (stands,) = (each for each in both if isinstance(each, Approval))
        (why,) = (each for each in both if isinstance(each, str))
        assert stands.approved is not None
        assert f"{stands.approved.by!r}" in why
        assert await here.standing(request.approval_id) == await there.standing(request.approval_id) == stands
        assert await offices.last(request.approval_id) == stands


async def test_a_withdrawal_that_races_an_approval_stands_for_everybody_and_for_whoever_comes_later(
    offices: Offices,
) -> None:
    here, there = await offices.open(), await offices.open()
    for number in range(8):
        request = await here.take(asked(number=number), "requested")
        one, other = await asyncio.gather(
            outcome(here.take(then(request, "approved", "ben", "IE"), "approved")),
            outcome(there.take(then(request, "withdrawn", "anna"), "withdrawn")),
        )
        assert isinstance(other, Approval), other
        stands = await here.standing(request.approval_id)
        assert stands is not None
        assert stands.state == "withdrawn"
        assert isinstance(one, Approval) or "withdrawn by 'anna'" in one
        assert await there.standing(request.approval_id) == stands
        assert await offices.last(request.approval_id) == stands
    later = await offices.open()
    assert {each.state for each in later.tail.approvals.values()} == {"withdrawn"}


async def test_what_a_rogue_writes_last_is_written_over_by_what_stands(offices: Offices) -> None:
    service = await offices.open(tidy=True)
    request = await service.take(asked(), "requested")
    approved = await service.take(then(request, "approved", "ben", "IE"), "approved")
    stands = await service.take(then(approved, "withdrawn", "anna"), "withdrawn")
    for old, name in (
        (then(request, "approved", "dora", "IE"), "approved"),
        (then(approved, "withdrawn", "dora"), "withdrawn"),
        (None, "withdrawn"),
        (asked(by="ben"), "requested"),
    ):
        await offices.put(old, name)  # type: ignore[arg-type]  # a step
        async with asyncio.timeout(30):
            while await offices.last("a-1") != stands:
                await asyncio.sleep(0.05)
        assert await service.standing("a-1") == stands
    later = await offices.open()
    assert later.tail.approvals == {"a-1": stands}


async def test_a_step_is_only_what_it_says_and_only_of_what_was_asked_for(offices: Offices) -> None:
    service = await offices.open()
    request = asked()
    approved = then(request, "approved", "ben", "IE")
    assert "nobody asked for it" in str(await outcome(service.take(approved, "approved")))
    assert "the record takes approved, not requested" in str(await outcome(service.take(approved, "requested")))
    assert await outcome(service.take(request, "requested")) == request
    assert await outcome(service.take(request, "requested")) == request, "asked twice is asked once"
    assert "does not take the step" in str(await outcome(service.take(request, "approved")))
    for by, place, words in (
        ("cleo", "IE", "the approver was in India"),
        ("emil", "IE", "nothing is known of where you are"),
        ("ben", "DE", "'DE' is signed; the directories say 'IE'"),
        ("anna", "IE", "no approver"),
    ):
        why = await outcome(service.take(then(request, "approved", by, place), "approved"))
        assert words in str(why), by
    (one,) = service.tail.approvals.values()
    assert one.state == "requested"
    from_ireland = service.take(then(request, "approved", "emil", "IE"), "approved", address="87.32.0.1")
    assert isinstance(await outcome(from_ireland), Approval)


class Portal:
    """A client of the HTTP routes."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def post(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self._client.post(f"{BASE}/{path}", data=raw) as answer:
            return answer.status, await answer.json()

    async def get(self, approval_id: str) -> tuple[int, dict[str, Any]]:
        async with self._client.get(f"{BASE}/{approval_id}") as answer:
            return answer.status, await answer.json()


async def test_over_http_signed_records_go_in_and_what_stands_comes_out(offices: Offices) -> None:
    app = web.Application(client_max_size=1)
    mount(app, await offices.open())
    async with TestClient(TestServer(app)) as client:
        portal = Portal(client)
        request = asked()
        assert await portal.get("a-1") == (404, {"error": "no such approval"})
        status, said = await portal.post("request", {"record": request})
        assert (status, said["state"], said["holds"]) == (200, "requested", None)
        assert msgspec.convert(said["record"], Approval) == request
        status, said = await portal.post("approve", {"record": then(request, "approved", "anna", "IE")})
        assert (status, "'anna' is no approver" in said["error"]) == (409, True)
        approved = then(request, "approved", "emil", "IE")
        assert (await portal.post("approve", {"record": approved}))[0] == 409, "nobody knows where emil is"
        status, said = await portal.post("approve", {"record": approved, "source_ip": "87.32.0.1"})
        assert (status, said["state"]) == (200, "approved")
        assert said["holds"] == {"since": (approved.approved or request.requested).at, "until": request.until}
        gone = then(approved, "withdrawn", "anna")
        assert (await portal.post("withdraw", {"record": gone}))[1]["state"] == "withdrawn"
        status, said = await portal.post("withdraw", {"record": then(approved, "withdrawn", "ben")})
        assert (status, said["error"]) == (409, "withdrawn: 'anna' did so before, at " + said["error"][-24:])
        assert msgspec.convert((await portal.get("a-1"))[1]["record"], Approval) == gone

        refused = asked(number=2)
        assert (await portal.post("request", {"record": refused}))[0] == 200
        assert (await portal.post("refuse", {"record": then(refused, "refused", "ben")}))[1]["state"] == "refused"

        taken = asked(number=3, break_glass=True)
        taken = step(taken, "approved", SIGNERS["anna"], taken.requested.at)
        assert (await portal.post("request", {"record": taken}))[0] == 400, "break-glass has a path of its own"
        assert (await portal.post("break-glass", {"record": asked(number=4)}))[0] == 400
        assert (await portal.post("break-glass", {"record": taken}))[1]["state"] == "approved"
        status, said = await portal.post("review", {"record": then(taken, "reviewed", "ben")})
        assert said["record"]["reviewed"]["by"] == "ben"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "truncated"),
        (b"[]", "allowed: {"),
        (b'{"record": {}}', "missing_field"),
        (b'{"record": {}, "more": 1}', "unknown field"),
        (b'{"record": {}, "source_ip": "' + b"1" * 65 + b'"}', "at most 64"),
        (b'{"record": "' + b"x" * BODY_MAX + b'"}', "too_large"),
        (b"\xff", "allowed: {"),
    ],
)
async def test_a_body_that_is_none_is_refused_with_what_is_allowed(body: bytes, words: str) -> None:
    app = web.Application()
    mount(app, ApprovalService(None, None, dict, None))  # type: ignore[arg-type]  # never asked
    async with TestClient(TestServer(app)) as client:
        status, said = await Portal(client).post("approve", body)
    assert status == 400
    assert words in said["error"]


async def test_another_policy_is_another_answer_of_who_may(offices: Offices) -> None:
    """Whoever runs says then what whoever starts then would say."""
    service = await offices.open()
    request = await service.take(asked(), "requested")
    approved = await service.take(then(request, "approved", "ben", "IE"), "approved")
    await service.take(asked(number=2), "requested")
    people, known, bad = dict(PEOPLE), Knowledge(), list[str]()

    async def refused(_: Any, error: BadRecordError) -> None:
        bad.append(error.detail)

    tail = ApprovalTail(
        tail_of(offices.settings),
        lambda: people,
        lambda: POLICY_,
        known.approve,
        on_bad=refused,
        on_gone=known.revoke,
        legal=LEGAL,
    )
    async with tail:
        await tail.to_end()
        assert list(known.approvals()) == [approved]
        people["ben"] = msgspec.structs.replace(PEOPLE["ben"], roles=())
        tail.reread(b"people.number = 1")
        async with asyncio.timeout(30):
            while list(known.approvals()):
                await asyncio.sleep(0.01)
        assert tail.approvals["a-1"] == request, "what was asked for stands"
        assert len(tail.approvals) == 2
        assert bad == ["approved: 'ben' is no approver: roles none"]
        people.update(PEOPLE)
        tail.reread(b"people.number = 2")
        async with asyncio.timeout(30):
            while list(known.approvals()) != [approved]:
                await asyncio.sleep(0.01)
        people["ben"] = msgspec.structs.replace(PEOPLE["ben"], roles=())
        tail.reread(b"people.number = 3")
        await tail.to_end()
        await asyncio.sleep(0)
        assert len(bad) == 1, "put away once, however often it is read"


async def test_what_compaction_left_of_before_is_counted_at_a_start_and_what_comes_in_that_form_is_put_away(
    offices: Offices, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody writes that form any more: a record of it that comes while somebody reads is no old one."""
    counted, bad = list[str](), list[str]()
    hour_ago = now_ms() - HOUR + MINUTE

    async def put_away(_: Any, error: BadRecordError) -> None:
        bad.append(error.reason)

    async def whole(number: int, producer: Any) -> None:
        asked_for = {
            "approval_id": f"a-{number}",
            "requested": Signed(by="anna", at=hour_ago),
            "until": now_ms() + HOUR,
        }
        request = msgspec.structs.replace(asked(), **asked_for)
        record = then(step(request, "requested", SIGNERS["anna"], hour_ago, reason="restore"), "approved", "ben", "IE")
        key = record.approval_id.encode()
        await producer.send_and_wait(GATEWAY_APPROVALS, key=key, value=msgspec.json.encode(record))

    async with started(offices.settings, producer_of(offices.settings)) as producer:
        await whole(1, producer)
        await whole(2, producer)
        tail = ApprovalTail(
            tail_of(offices.settings),
            lambda: PEOPLE,
            lambda: POLICY_,
            lambda _: None,
            on_bad=put_away,
            on_old_form=lambda: counted.append("one"),
            legal=LEGAL,
        )
        async with tail:
            await tail.to_end()
            assert (len(counted), bad, dict(tail.approvals)) == (2, [], {})
            assert [each.message for each in caplog.records if "one record" in each.message] != []
            tail.reread(b"people.number = 1")
            await whole(3, producer)
            await tail.to_end()
            assert (len(counted), bad, dict(tail.approvals)) == (2, [OLD_FORM], {})
    assert len([each for each in caplog.records if "one record" in each.message]) == 1
