"""Erasure that is interrupted, that finds old epochs, and that meets a worker which seals at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from agents import erasing
from agents.clients import consumer_of, producer_of
from agents.envelopes import MARK, ORPHANS_MOST, Envelopes, deletable
from agents.erasing import forget
from agents.person_keys import PersonKeys
from agents.privacy import IDENTITIES, KEYS, Privacy, read_people
from agents.settings import Settings
from alerts.keyring import KEY_BYTES, KeyRing
from alerts.sealing import Sealer
from schemas.topics import PRIVACY_IDENTITIES, PRIVACY_KEYS
from tests.agents.test_privacy import OFFICERS, RING, _with_topics, about, everything, working
from tests.alerts.pseudonymous import key
from tests.brokers.embedded import EmbeddedBroker, missing
from tests.conftest import require

WHO, OTHER = "e-0042", "e-0043"


@pytest.fixture
def settings() -> Iterator[Settings]:
    require(missing())
    with EmbeddedBroker() as server:
        yield _with_topics(server.bootstrap)


def sealer() -> Sealer:
    return Sealer({signer.name: signer.public for signer in OFFICERS})


async def told_of(settings: Settings, *people: str) -> dict[str, tuple[str, ...]]:
    """Publish an alert about each, as a worker does; return under which pseudonyms."""
    async with working(settings, sealer()) as (privacy, publisher):
        await asyncio.gather(*await publisher.alerts([about(who, f"a-{who}") for who in people]))
        return {who: privacy.keys.tokens_of(who) for who in people}


async def envelopes(settings: Settings) -> set[str]:
    """Return the pseudonyms under which an envelope stands, as compaction leaves it."""
    last = {record.key.decode(): record.value for record in await everything(settings, PRIVACY_IDENTITIES)}
    return {token for token, value in last.items() if value is not None}


async def until(settings: Settings, there: set[str]) -> None:
    async with asyncio.timeout(60):
        while await envelopes(settings) != there:
            await asyncio.sleep(0.05)


@pytest.mark.broker
@pytest.mark.parametrize("takes", range(4))
async def test_an_erasure_that_was_killed_can_be_done_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, takes: int
) -> None:
    """Killed after each of its three writes (two envelopes, a key), and not at all."""
    tokens = await told_of(settings, WHO, OTHER)
    assert await envelopes(settings) == {*tokens[WHO], *tokens[OTHER]}

    class Dying(AIOKafkaProducer):  # type: ignore[misc]  # it has no types
        left = takes

        async def send(self, *arguments: Any, **named: Any) -> Any:
            if self.left == 0:
                await self.flush()
                raise ConnectionError("killed here")
            self.left -= 1
            return await super().send(*arguments, **named)

    def dying(given: Settings) -> AIOKafkaProducer:
        return Dying(bootstrap_servers=given.broker)

    with monkeypatch.context() as patched:
        patched.setattr(erasing, "producer_of", dying)
        if takes < 3:
            with pytest.raises(ConnectionError):
                await forget(settings, await read_people(settings, RING), WHO)
            people = await read_people(settings, RING)
            assert WHO in people, "the key goes last: as long as anything is left it says what"
        else:
            await forget(settings, await read_people(settings, RING), WHO)
    await forget(settings, await read_people(settings, RING), WHO)
    assert await envelopes(settings) == {*tokens[OTHER]}
    people = await read_people(settings, RING)
    assert WHO not in people
    assert people.tokens_of(OTHER) == tokens[OTHER]


@pytest.mark.broker
async def test_envelopes_of_an_epoch_that_was_taken_out_of_the_file_are_erased_too(settings: Settings) -> None:
    tokens = await told_of(settings, WHO, OTHER)
    later = replace(RING, epochs=RING.epochs[1:])
    people = await read_people(settings, later)
    assert people.tokens_of(WHO) == tokens[WHO][1:]
    assert await forget(settings, people, WHO) == tokens[WHO]
    assert await envelopes(settings) == {*tokens[OTHER]}


class _Held:
    """A worker's way to the brokers, on which envelopes wait."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self.waits, self.goes = asyncio.Event(), asyncio.Event()

    async def send(self, topic: str, **named: Any) -> Any:
        if topic == PRIVACY_IDENTITIES and named["value"] is not None:
            self.waits.set()
            await self.goes.wait()
        return await self._producer.send(topic, **named)


@pytest.mark.broker
@pytest.mark.parametrize("killed", [False, True])
async def test_a_worker_that_seals_at_that_moment_brings_nothing_back(settings: Settings, killed: bool) -> None:
    await told_of(settings, OTHER)
    before = await envelopes(settings)
    producer = producer_of(settings)
    await producer.start()
    held = _Held(producer)
    privacy = Privacy(consumer_of(settings, PRIVACY_KEYS, PRIVACY_IDENTITIES), held, RING, sealer())
    await privacy.start()
    try:
        sealing = asyncio.create_task(privacy.prepare([about(WHO)]))
        await asyncio.wait_for(held.waits.wait(), 60)
        old = privacy.keys.tokens_of(WHO)
        if killed:
            await privacy._consumer.stop()  # it writes to its end, and reads nothing any more
        await forget(settings, await read_people(settings, RING), WHO)
        assert await envelopes(settings) == before
        held.goes.set()
        await asyncio.wait_for(sealing, 60)
        if not killed:  # it looked again, and sealed under a new key
            new = privacy.keys.tokens_of(WHO)
            assert not {*new} & {*old}
            await until(settings, {*before, *new})
    finally:
        await privacy.stop()
        await producer.stop()
    if killed:
        assert await envelopes(settings) == {*before, *old}, "nothing was brought back: nothing is tested"
        async with working(settings, sealer()):
            await until(settings, before)


@pytest.mark.broker
async def test_whoever_erases_next_deletes_what_a_killed_worker_left(settings: Settings) -> None:
    tokens = await told_of(settings, WHO, OTHER)
    old = PersonKeys(RING)
    old.take(old.name(WHO), old.sealed(WHO, bytes(KEY_BYTES)))
    late = old.tokens_of(WHO)[0]
    producer = producer_of(settings)
    await producer.start()
    await producer.send_and_wait(
        PRIVACY_IDENTITIES, key=late.encode(), value=b"sealed", headers=[(MARK, old.mark(WHO, late))], partition=0
    )
    await producer.stop()
    await forget(settings, await read_people(settings, RING), "somebody of whom nothing is known")
    assert await envelopes(settings) == {*tokens[WHO], *tokens[OTHER]}


# Without a broker: in which order the two topics are read.


class Topics:
    """Stands for a consumer that was handed some records of each topic."""

    def __init__(self) -> None:
        self.read, self.end = {KEYS: 0, IDENTITIES: 0}, {KEYS: 0, IDENTITIES: 0}

    async def end_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self.end[tp] for tp in tps}

    async def position(self, tp: TopicPartition) -> int:
        return self.read[tp]

    def highwater(self, tp: TopicPartition) -> int:
        return self.end[tp]


class Written:
    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes | None]] = []

    async def send(self, topic: str, *, key: bytes, value: bytes | None, partition: int) -> None:
        self.records.append((topic, key, value))


def _record(keys: PersonKeys, token: str, value: bytes | None = b"sealed") -> Any:
    return SimpleNamespace(key=token.encode(), value=value, headers=((MARK, keys.mark(WHO, token)),))


def _known(ring: KeyRing = RING, seed: str = "theirs") -> PersonKeys:
    keys = PersonKeys(ring)
    keys.take(keys.name(WHO), keys.sealed(WHO, key(seed)))
    return keys


async def test_an_envelope_that_is_read_before_its_key_stays() -> None:
    topics, written, others = Topics(), Written(), _known()
    privacy = Privacy(topics, written, RING)
    topics.end = {KEYS: 1, IDENTITIES: 1}
    await privacy._take(IDENTITIES, _record(others, others.tokens_of(WHO)[0]))
    for _ in range(3):
        await privacy._sweep()
    assert written.records == [], "the key may be among what is not read yet"
    topics.read[KEYS] = 1
    stored = SimpleNamespace(key=others.name(WHO), value=others.sealed(WHO, key("theirs")))
    await privacy._take(KEYS, stored)
    await privacy._sweep()
    assert written.records == []
    await privacy._take(KEYS, SimpleNamespace(key=others.name(WHO), value=None))
    await privacy._sweep()
    await privacy._sweep()
    assert written.records == [(PRIVACY_IDENTITIES, others.tokens_of(WHO)[0].encode(), None)]


async def test_an_envelope_whose_key_is_not_there_goes() -> None:
    topics, written, gone = Topics(), Written(), _known()
    privacy = Privacy(topics, written, RING)
    await privacy._take(IDENTITIES, _record(gone, gone.tokens_of(WHO)[0]))
    await privacy._sweep()
    await privacy._sweep()
    assert [each[1:] for each in written.records] == [(gone.tokens_of(WHO)[0].encode(), None)]


def test_a_topic_of_keys_that_lost_records_takes_no_envelopes_with_it(caplog: pytest.LogCaptureFixture) -> None:
    assert len(deletable({f"p1:{number}" for number in range(ORPHANS_MOST)})) == ORPHANS_MOST
    assert deletable({f"p1:{number}" for number in range(ORPHANS_MOST + 1)}) == []
    assert f"{ORPHANS_MOST + 1} envelopes" in caplog.text


def test_a_mark_is_of_one_key_and_one_pseudonym_and_names_nobody() -> None:
    keys = _known()
    first, second = keys.tokens_of(WHO)
    marks = [keys.mark(WHO, first), keys.mark(WHO, first), keys.mark(WHO, second)]
    assert len(set(marks)) == 3, "who has no keys cannot tell which belong together"
    assert keys.marked(first, marks[0]) == keys.marked(second, marks[2]) == keys.print_of(WHO)
    assert keys.marked(second, marks[0]) is None, "moved under another pseudonym"
    assert _known(replace(RING, wrap=key("other"))).marked(first, marks[0]) is None
    assert _known(seed="another").print_of(WHO) != keys.print_of(WHO)
    for mark in marks:
        assert WHO.encode() not in mark
        assert keys.name(WHO) not in mark
    found = Envelopes()
    assert found.take(keys, _record(keys, first))
    assert not found.take(keys, SimpleNamespace(key=second.encode(), value=b"sealed", headers=()))
    assert (found.of(keys, WHO), found.orphans(keys)) == ({first}, set())
    keys.take(keys.name(WHO), None)
    assert (found.of(keys, OTHER), found.orphans(keys)) == (set(), {first})
    assert not found.take(keys, SimpleNamespace(key=first.encode(), value=None, headers=()))
    assert found.orphans(keys) == set()
