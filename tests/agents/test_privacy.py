"""What a worker does before it publishes, over real brokers: keys, seals, erasure; several workers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest

from agents.clients import consumer_of, producer_of, with_admin
from agents.erasing import forget
from agents.privacy import Privacy, read_people
from agents.publisher import Publisher, partition_of
from agents.settings import Settings
from agents.topic_admin import create
from alerts.sealing import Sealer, open_inner, open_outer
from alerts.signatures import Signer
from schemas.alert import Alert
from schemas.codec import ALERT
from schemas.errors import ConfigurationError
from schemas.topics import ALERTS, ALERTS_SHADOW, PRIVACY_IDENTITIES, PRIVACY_KEYS
from tests.alerts.pseudonymous import DAY, START, key, ring
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.conftest import Broker, require
from tests.schemas.records import ALERT_RECORD

pytestmark = pytest.mark.broker

PARTITIONS = 4
RING = ring(START - 100 * DAY, START)
OFFICERS = (Signer("ana", b"a" * 32), Signer("ben", b"b" * 32))


on_both = pytest.mark.parametrize("settings", ["embedded", "kafka"], indirect=True)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Iterator[Settings]:
    """A broker of its own for each test, with our topics; the embedded one unless told otherwise."""
    if getattr(request, "param", "embedded") == "kafka":
        broker: Broker = request.getfixturevalue("own_kafka")
        yield _with_topics(broker.bootstrap)
        return
    require(missing())
    with EmbeddedBroker() as server:
        yield _with_topics(server.bootstrap)


def _with_topics(bootstrap: str) -> Settings:
    made = Settings(broker=bootstrap, partitions=PARTITIONS, replication_factor=1)
    asyncio.run(with_admin(made, lambda admin: create(admin, made)))
    return made


@asynccontextmanager
async def working(settings: Settings, sealer: Sealer | None = None) -> AsyncIterator[tuple[Privacy, Publisher]]:
    """One worker's part."""
    producer = producer_of(settings)
    await producer.start()
    privacy = Privacy(consumer_of(settings, PRIVACY_KEYS, PRIVACY_IDENTITIES), producer, RING, sealer)
    await privacy.start()
    try:
        yield privacy, Publisher(producer, PARTITIONS, privacy.hidden)
    finally:
        await privacy.stop()
        await producer.stop()


def about(who: str, alert_id: str = "a", at: int = START + DAY, **more: Any) -> Alert:
    record = {**ALERT_RECORD, "alert_id": alert_id, "person": who, "occurred_at": at, **more}
    return ALERT.decode(orjson.dumps({**record, "explanation": f"Employee {who} read users."}))


async def everything(settings: Settings, topic: str) -> list[Any]:
    consumer = consumer_of(settings, topic)
    await consumer.start()
    try:
        found: list[Any] = []
        idle = 0
        while idle < 3:
            batches = await consumer.getmany(timeout_ms=200)
            idle = 0 if batches else idle + 1
            found += [record for records in batches.values() for record in records]
        return found
    finally:
        await consumer.stop()


@on_both
async def test_workers_that_meet_the_same_people_at_once_give_them_the_same_pseudonyms(settings: Settings) -> None:
    people = [f"e-{number}" for number in range(100)]
    alerts = [about(who, f"a-{who}") for who in people]
    async with working(settings) as (one, first), working(settings) as (other, second):
        both = await asyncio.gather(first.alerts(alerts), second.alerts(alerts))
        await asyncio.gather(*both[0], *both[1])
        assert [one.keys.tokens_of(who) for who in people] == [other.keys.tokens_of(who) for who in people]
    found: dict[str, set[str]] = {}
    for record in await everything(settings, ALERTS):
        alert = ALERT.decode(record.value)
        assert record.key == alert.alert_id.encode()
        assert record.partition == partition_of(alert.dedup_key, PARTITIONS)
        assert b"e-" not in record.value
        found.setdefault(alert.alert_id, set()).add(str(alert.person))
    assert len(found) == len(people)
    assert all(len(tokens) == 1 for tokens in found.values())
    late = await read_people(settings, RING)
    assert {late.person_of(token) for tokens in found.values() for token in tokens} == {*people}


async def test_later_revisions_do_not_overtake_those_that_wait_for_somebody_new(settings: Settings) -> None:
    async with working(settings) as (_, publisher):
        await asyncio.gather(*await publisher.alerts([about("e-1")]))
        sends = await asyncio.gather(
            publisher.alerts([about("e-new", "b"), about("e-1", revision=1, status="amended")]),
            publisher.alerts([about("e-1", revision=2, status="amended")]),
        )
        await asyncio.gather(*sends[0], *sends[1])
    told = [ALERT.decode(record.value) for record in await everything(settings, ALERTS)]
    assert [each.revision for each in told if each.alert_id == RING.keyed("alert", "a")] == [0, 1, 2]


class Counting(Sealer):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__({signer.name: signer.public for signer in OFFICERS})
        self.asked: list[str] = []

    def seal(self, person: str, token: str) -> bytes | None:
        self.asked.append(person)
        return super().seal(person, token)


async def test_identities_are_sealed_before_alerts_and_once(settings: Settings) -> None:
    first, second = Counting(), Counting()
    alerts = [about("e-1"), about("e-1", "b"), about("e-2", "d", START - DAY)]
    async with working(settings, first) as (privacy, publisher):
        await asyncio.gather(*await publisher.alerts(alerts[:2], alerts[2:]))
        tokens = {*privacy.keys.tokens_of("e-1"), privacy.keys.tokens_of("e-2")[0]}
    async with working(settings, second) as (privacy, publisher):
        await asyncio.gather(*await publisher.alerts(alerts))
        assert privacy.sealed == tokens, "known from the topic after a restart"
    assert sorted(first.asked) == ["e-1", "e-1", "e-2"]
    assert second.asked == []
    records = await everything(settings, PRIVACY_IDENTITIES)
    assert sorted(record.key.decode() for record in records) == sorted(tokens), "each once; the former epoch's too"
    for record in records:
        token, (ana, ben) = record.key.decode(), OFFICERS
        assert open_inner(record.value, open_outer(record.value, token, ana, ben.public), token, ben) in {"e-1", "e-2"}
    assert len(await everything(settings, ALERTS_SHADOW)) == 1


async def test_other_officers_get_envelopes_of_their_own(settings: Settings) -> None:
    async with working(settings, Counting()) as (privacy, publisher):
        await asyncio.gather(*await publisher.alerts([about("e-1")]))
        others = Sealer({name: Signer(name, seed * 32).public for name, seed in (("cleo", b"c"), ("dan", b"d"))})
        privacy.seal_to(others)
        await asyncio.gather(*await publisher.alerts([about("e-1", "b")]))
    last = {record.key: record.value for record in await everything(settings, PRIVACY_IDENTITIES)}
    assert last
    assert all(others.is_current(value) for value in last.values())


@on_both
async def test_erased_somebody_is_told_of_anew_under_another_pseudonym(settings: Settings) -> None:
    async with working(settings, Counting()) as (privacy, publisher):
        await asyncio.gather(*await publisher.alerts([about("e-1"), about("e-2", "b")]))
        before = privacy.keys.tokens_of("e-1")
        gone = await forget(settings, await read_people(settings, RING), "e-1")
        assert gone == before
        async with asyncio.timeout(30):
            while "e-1" in privacy.keys or privacy.sealed & {*before}:
                await asyncio.sleep(0.05)
        await asyncio.gather(*await publisher.alerts([about("e-1", "c")]))
        after = privacy.keys.tokens_of("e-1")
        assert not {*before} & {*after}
        assert {*after} <= privacy.sealed
    keys = await read_people(settings, RING)
    assert [keys.person_of(token) for token in (*before, *after)] == [None, None, "e-1", "e-1"]
    told = {str(ALERT.decode(record.value).person) for record in await everything(settings, ALERTS)}
    assert told == {before[1], after[1], keys.tokens_of("e-2")[1]}


async def test_an_alert_about_nobody_waits_for_nothing(settings: Settings) -> None:
    producer = producer_of(settings)
    await producer.start()
    try:
        privacy = Privacy(consumer_of(settings), producer, RING)  # never started: it is never ready
        alert = msgspec.structs.replace(about("e-1"), person=msgspec.UNSET, family="stream")
        async with asyncio.timeout(10):
            await (await Publisher(producer, PARTITIONS, privacy.hidden).alert(alert))
    finally:
        await producer.stop()
    (record,) = await everything(settings, ALERTS)
    assert ALERT.decode(record.value).alert_id == RING.keyed("alert", "a")


async def test_a_worker_with_other_keys_than_the_topics_ends(settings: Settings) -> None:
    async with working(settings) as (_, publisher):
        await asyncio.gather(*await publisher.alerts([about("e-1")]))
    other = replace(RING, ids=key("other ids"), wrap=key("other wrap"))
    with pytest.raises(ConfigurationError, match="none of the 1 records"):
        await read_people(settings, other)
    producer = producer_of(settings)
    await producer.start()
    privacy = Privacy(consumer_of(settings, PRIVACY_KEYS, PRIVACY_IDENTITIES), producer, other)
    try:
        await privacy.start()
        async with asyncio.timeout(30):
            while not privacy.crashed:
                await asyncio.sleep(0.05)
        assert isinstance(privacy.crash_reason, ConfigurationError)
        assert not privacy.ready.is_set()
    finally:
        await privacy.stop()
        await producer.stop()
    assert len(await everything(settings, ALERTS)) == 1
