"""Everybody's decisions, for their ids and for when each gateway was heard: `gateway.decisions` read whole and tailed.

What it costs: a decision in 5 µs or so and 16 bytes (`rules/matching/elsewhere.py`), in each process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from agents.settings import Settings
from agents.watching import wall_clock
from rules.matching.elsewhere import Elsewhere
from rules.matching.gateways import Gateways
from schemas.gateway_topics import GATEWAY_DECISIONS, GATEWAY_HEARD

log = logging.getLogger(__name__)

POLL_MS: Final = 50
"""How long one fetch may wait: how late it is noticed that somebody wants to know that all is read."""

FETCH_WAIT_MS: Final = 20
"""How long a broker may hold a fetch back while there is nothing."""

SETTLE_MS: Final = 120
"""How long an answer of the embedded broker is not believed: its end of a partition can be that of the batch before the
last one. By then the fetch that was under way has brought that batch, and the position is behind it."""

RECORDS_A_TURN: Final = 2_000
"""Decisions taken before other work gets a turn: some 10 ms."""


def settle_of(settings: Settings) -> int:
    """Return how old an end of a partition must be before it is believed, milliseconds.

    A broker of one replica is one of a demonstration or a test, as in `agents.clients.producer_of`: maybe the embedded.
    """
    return 0 if settings.replication_factor > 1 else SETTLE_MS


class _Ids(msgspec.Struct):
    decision_id: str
    person: str
    gateway_id: str
    effect: str


_ids = msgspec.json.Decoder(_Ids).decode


class DecisionsTail(Service):
    """Fills the index of ids and hears gateways.

    Args:
        consumer: of `gateway.decisions` and `gateway.heard`, without a group, not started.
        elsewhere: the index; a policy with other durations may bring another.
        gateways: hears.
        since: append time from which decisions are read at the start, milliseconds.
        settle: how old an answer of the brokers must be before it is believed, milliseconds (`settle_of`).
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        elsewhere: Callable[[], Elsewhere],
        gateways: Gateways,
        since: int,
        settle: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._consumer, self._elsewhere, self._gateways, self._since = consumer, elsewhere, gateways, since
        self._settle = settle
        self.ready = asyncio.Event()
        self.known_to = 0
        """Every decision that was appended until then is taken, milliseconds."""
        self._wanted = 1
        self._goal: tuple[int, dict[TopicPartition, int]] | None = None

    def want(self, at: int) -> None:
        """Ask that `known_to` reach a time, which is past."""
        self._wanted = max(self._wanted, at)

    async def on_start(self) -> None:
        """Begin where decisions are remembered from."""
        await self._consumer.start()
        tps = sorted(self._consumer.assignment())
        await self._consumer.seek_to_beginning(*tps)
        decisions = [tp for tp in tps if tp.topic == GATEWAY_DECISIONS]
        ends = await self._consumer.end_offsets(decisions)
        try:
            found = await self._consumer.offsets_for_times(dict.fromkeys(decisions, self._since))
        except KafkaError:
            return  # from the beginning, which is only slower
        for tp, at in found.items():
            # An offset at the end is no answer (where there is no record since, there is none): the embedded broker's.
            if at is not None and at.offset < ends[tp]:
                self._consumer.seek(tp, at.offset)

    async def on_stop(self) -> None:
        """Leave the brokers."""
        await self._consumer.stop()

    @Service.task
    async def _tail(self) -> None:
        while not self.should_stop:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_A_TURN)
            for tp, records in fetched.items():
                for record in records:
                    if tp.topic == GATEWAY_DECISIONS:
                        self._decision(record)
                    else:
                        self._access(record)
            await self._progress()

    def _decision(self, record: Any) -> None:
        try:
            found = _ids(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # put away by whoever owns its partition
        self._elsewhere().add(found.decision_id, found.person, record.timestamp)
        self._gateways.decided(found.gateway_id, record.timestamp, allow=found.effect == "allow")

    def _access(self, record: Any) -> None:
        if record.value is None or record.key is None:
            return
        _, _, gateway = record.key.decode("utf-8", "replace").partition("|")
        try:
            self._gateways.accessed(gateway, int(record.value))
        except ValueError:
            log.warning("A record of %s is no time: left out", GATEWAY_HEARD)

    async def _progress(self) -> None:
        if self._goal is None and self._wanted > self.known_to:
            now = wall_clock()
            try:
                self._goal = now, dict(await self._consumer.end_offsets(sorted(self._consumer.assignment())))
            except KafkaError as error:
                log.warning("No ends of %s from the brokers, asked again: %r", GATEWAY_DECISIONS, error)
        if self._goal is None:
            return
        at, ends = self._goal
        if wall_clock() < at + self._settle:
            return
        for tp, end in ends.items():
            if await self._consumer.position(tp) < end:
                return
        self._goal, self.known_to = None, at
        if not self.ready.is_set():
            log.info("Decisions read: the ids of %d", len(self._elsewhere()))
            self.ready.set()
