"""The worker's side of pseudonyms: people's keys are there before their alerts are, and no alert goes out in clear.

Before alerts are published `prepare` makes keys for whoever has none, all of them in one round trip: written, stored by
all replicas, and read back, so that what is used is what every other worker reads too (`agents/person_keys.py`). Then
it seals who is behind each pseudonym, where the policy names officers. A process that is killed in between leaves a key
that the next one finds.

An erasure may come at the moment in which a worker seals. So whoever reads an envelope whose key is gone deletes it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from agents.clients import consumer_of, started
from agents.envelopes import MARK, Envelopes, deletable, token_of
from agents.person_keys import PersonKeys
from agents.settings import Settings
from alerts.keyring import KEY_BYTES, KeyRing
from alerts.pseudonyms import people_of
from alerts.sealing import Sealer
from schemas.alert import Alert
from schemas.topics import PRIVACY_IDENTITIES, PRIVACY_KEYS

log = logging.getLogger(__name__)

POLL_MS: Final = 200
"""How long one fetch may wait for records; it ends at once when one comes, so nobody waits for it."""

FETCH_WAIT_MS: Final = 20
"""How long a broker may hold a fetch back while there is nothing: an alert about somebody new waits for what was
written to be read. Brokers answer at once when a record comes; the embedded one looks when the time is half over."""

KEYS: Final = TopicPartition(PRIVACY_KEYS, 0)
IDENTITIES: Final = TopicPartition(PRIVACY_IDENTITIES, 0)


class Privacy(Service):
    """Tails `privacy.keys` and `privacy.identities`, makes what is missing, and hides.

    Args:
        consumer: of both topics, without a group, not started.
        producer: writes what is missing; started by others.
        ring: the keys.
        sealer: seals to the policy's officers; asked once for each pseudonym that is not sealed to them yet.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        producer: AIOKafkaProducer,
        ring: KeyRing,
        sealer: Sealer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._consumer, self._producer = consumer, producer
        self.keys = PersonKeys(ring)
        self._sealer = sealer or Sealer({})
        self.sealed: set[str] = set()
        """Pseudonyms whose identity is sealed in `privacy.identities`, to the officers of now."""
        self.ready = asyncio.Event()
        self._envelopes = Envelopes()
        self._look = False
        self._suspects: tuple[set[str], dict[TopicPartition, int]] | None = None
        """Envelopes whose key is not read, and up to where keys are to be read before that means that it is gone."""
        self._position = 0
        self._moved = asyncio.Condition()
        self._making = asyncio.Lock()

    def seal_to(self, sealer: Sealer) -> None:
        """Go on with other officers: whoever there is another alert about is sealed anew, to them."""
        if sealer.officers != self._sealer.officers:
            self._sealer = sealer
            self.sealed.clear()

    async def prepare(self, alerts: Sequence[Alert]) -> None:
        """Return when everybody in these alerts can be hidden, and is sealed."""
        people = {person for alert in alerts for person in people_of(alert)}
        if not people:
            return
        if not self.ready.is_set():
            await self.ready.wait()
        while True:
            if any(person not in self.keys for person in people):
                async with self._making:
                    await self._make(people)
            if not self._sealer.officers or not await self._seal(alerts):
                return
            # Something was written: meanwhile somebody may have been erased. Look again.

    async def hidden(self, alerts: Sequence[Alert]) -> list[tuple[Alert, bytes]]:
        """Return alerts that name nobody with their records, in their order."""
        await self.prepare(alerts)
        hide = self.keys.pseudonyms.hide
        return [hide(alert) for alert in alerts]

    async def _make(self, people: Iterable[str]) -> None:
        """Make keys for those who have none, and return when this worker's reading says which are in force."""
        while new := sorted(person for person in people if person not in self.keys):
            sends = [
                await self._producer.send(
                    PRIVACY_KEYS,
                    key=self.keys.name(person),
                    value=self.keys.sealed(person, secrets.token_bytes(KEY_BYTES)),
                    partition=0,
                )
                for person in new
            ]
            stored = await asyncio.gather(*sends)
            last = max(each.offset for each in stored)
            async with self._moved:
                await self._moved.wait_for(lambda: self._position > last)  # noqa: B023 - awaited within the turn

    async def _seal(self, alerts: Sequence[Alert]) -> bool:
        """Seal what is not; return whether anything was."""
        sends: dict[str, Awaitable[Any]] = {}
        for alert in alerts:
            for person in people_of(alert):
                if person not in self.keys:
                    continue  # erased meanwhile: `prepare` looks again
                # Pseudonyms and marks at once, of one key: while a message is sent the person may be erased.
                marks = {
                    token: self.keys.mark(person, token)
                    for token in self.keys.pseudonyms.in_alert(person, alert.occurred_at)
                    if token not in self.sealed and token not in sends
                }
                for token, mark in marks.items():
                    if (value := self._sealer.seal(person, token)) is not None:
                        sends[token] = await self._producer.send(
                            PRIVACY_IDENTITIES, key=token.encode(), value=value, headers=[(MARK, mark)], partition=0
                        )
        if sends:
            await asyncio.gather(*sends.values())
            self.sealed.update(sends)
        return bool(sends)

    async def on_start(self) -> None:
        """Begin at the beginning."""
        await self._consumer.start()
        await self._consumer.seek_to_beginning(KEYS, IDENTITIES)

    async def on_stop(self) -> None:
        """Leave the brokers."""
        await self._consumer.stop()

    @Service.task
    async def _tail(self) -> None:
        ends = await self._consumer.end_offsets([KEYS, IDENTITIES])
        while not self.should_stop:
            for tp, records in (await self._consumer.getmany(timeout_ms=POLL_MS)).items():
                for record in records:
                    await self._take(tp, record)
            async with self._moved:
                self._position = await self._consumer.position(KEYS)
                self._moved.notify_all()
            if not self.ready.is_set() and await at_end(self._consumer, ends):
                self.keys.refuse_foreign()
                log.info("Keys of %d people read", len(self.keys))
                self._look = True
                self.ready.set()
            if self.ready.is_set():
                await self._sweep()

    async def _take(self, tp: TopicPartition, record: Any) -> None:
        if tp == IDENTITIES:
            token = token_of(record)
            marked = self._envelopes.take(self.keys, record)
            if record.value is None:
                self.sealed.discard(token)
            elif marked and self._sealer.is_current(record.value):
                self.sealed.add(token)
            self._look |= marked and bool(self._envelopes.orphans(self.keys, [token]))
            return
        self._look |= record.value is None
        answer = self.keys.take(record.key, record.value)
        if answer is not None:
            name, value = answer
            what = "brought back: deleted" if value is None else "written twice at once: the one in force is written"
            log.warning("A person's key was %s once more", what)
            await self._producer.send(PRIVACY_KEYS, key=name, value=value, partition=0)

    async def _sweep(self) -> None:
        """Delete envelopes whose key is gone.

        A worker seals with a key that it has read, so the key of an envelope stands in the log when the envelope does.
        But the two topics are fetched apart: only when all is read that `privacy.keys` held after the envelope had
        been read is a key that is not there gone.
        """
        if self._suspects is None:
            if not self._look:
                return
            self._look = False
            if suspects := self._envelopes.orphans(self.keys):
                try:
                    self._suspects = suspects, await self._consumer.end_offsets([KEYS])
                except KafkaError as error:
                    log.warning("No end of %s from the brokers, asked again: %r", PRIVACY_KEYS, error)
                    self._look = True
            return
        suspects, ends = self._suspects
        if not await at_end(self._consumer, ends):
            return
        self._suspects = None
        gone = deletable(self._envelopes.orphans(self.keys, suspects))
        for token in gone:
            await self._producer.send(PRIVACY_IDENTITIES, key=token.encode("ascii", "replace"), value=None, partition=0)
            self._envelopes.drop(token)
            self.sealed.discard(token)
        if gone:
            log.warning("%d envelopes of persons who were erased are deleted", len(gone))


def tail_of(settings: Settings) -> AIOKafkaConsumer:
    """Return a consumer of keys and envelopes, not started, that is told of a record as soon as may be."""
    return consumer_of(settings, PRIVACY_KEYS, PRIVACY_IDENTITIES, fetch_max_wait_ms=FETCH_WAIT_MS)


async def at_end(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    """Whether everything that was there is read. The embedded broker's end can be short: believe the larger."""
    for tp, end in ends.items():
        if await consumer.position(tp) < max(end, consumer.highwater(tp) or 0):
            return False
    return True


async def read_people(settings: Settings, ring: KeyRing) -> PersonKeys:
    """Return everybody's key as the log has it now: for `show` in delivery, and for commands.

    Raises:
        ConfigurationError: these keys open none of what is there.
        ReferenceUnavailableError: no broker answers.
    """
    keys = PersonKeys(ring)
    async with started(settings, consumer_of(settings)) as consumer:
        consumer.assign([KEYS])
        await consumer.seek_to_beginning(KEYS)
        ends = await consumer.end_offsets([KEYS])
        while True:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    keys.take(record.key, record.value)  # what would have to be answered is a worker's to answer
            if await at_end(consumer, ends):
                break
    keys.refuse_foreign()
    return keys
