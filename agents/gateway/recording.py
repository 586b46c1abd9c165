"""Decisions go to `gateway.decisions` and are stored there before they are answered; else it was no decision.

A message that is on its way cannot be called back. Where an allow was not stored in time, a denial is answered, and if
the brokers store the allow after all, a second record under the same id follows it in the same partition and says what
was answered. Whoever reads takes the last.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from mode import Service
from msgspec import structs

from agents.gateway.answers import refused_unrecorded
from agents.gateway.metrics import GatewayMetrics
from agents.publisher import Sent, partition_of
from schemas.codec import encode
from schemas.decision import SALT_DIGITS, Decision
from schemas.gateway_topics import GATEWAY_DECISIONS

log = logging.getLogger(__name__)

LINGER_MS: Final = 5
"""How long a decision waits for others that travel with it: a produce request costs far more processor time, here and
at the broker, than a decision in it, and 5 ms are a fifth of what an answer may take."""

PARTITIONS_KEPT: Final = 65_536
"""People whose partition is remembered: murmur2 over a name costs as much as many a rule."""

REQUEST_TIMEOUT_MS: Final = 5_000
"""How long one produce request may hang before it is tried again. While it does nothing else is stored, and a broker
that was killed leaves requests that nobody answers: with the 30 s of other producers, decisions were denied for a
minute after it was back. An idempotent producer tries again for as long as it takes and writes nothing twice."""

FLUSH_WITHIN_S: Final = 5.0
"""How long the end of the process waits for messages that are on their way."""

SAY_EVERY_S: Final = 10.0
"""Between two lines of log about decisions that could not be recorded: thousands a second would say no more."""


def stored(decision: Decision) -> bytes:
    """Return the record of a decision, with a salt of its own."""
    return encode(structs.replace(decision, salt=secrets.token_hex(SALT_DIGITS // 2)))


class Recorder:
    """Stores decisions.

    Args:
        producer: idempotent, all replicas; started by somebody else.
        partitions: of the topic.
        within_s: how long brokers may take.
        metrics: told of it.
    """

    def __init__(self, producer: AIOKafkaProducer, partitions: int, within_s: float, metrics: GatewayMetrics) -> None:
        self._producer, self._within_s = producer, within_s
        self._partition_of = lru_cache(maxsize=PARTITIONS_KEPT)(partial(partition_of, partitions=partitions))
        self._metrics = metrics
        self._overdue: dict[int, int] = {}
        """By partition, messages that were not stored in time and of which nothing is known yet."""
        self._said = float("-inf")

    @property
    def overdue(self) -> bool:
        """Whether the brokers owe an answer for longer than they may take."""
        return bool(self._overdue)

    async def record(self, decisions: Sequence[Decision], *, stands: bool) -> bool:
        """Return whether all of them are stored.

        While a partition owes an answer nothing more is sent to it: everybody would only wait, to be denied.

        Args:
            decisions: of one request; all or nothing.
            stands: what is answered where they are not stored; True: the decisions as they are, False: denials.
        """
        if not decisions:
            return True
        partitions = [self._partition_of(decision.person) for decision in decisions]
        if self._overdue and not self._overdue.keys().isdisjoint(partitions):
            self._say("the brokers have not answered yet")
            return False
        began = time.perf_counter()
        sends: list[Sent] = []
        problem: str | None = None
        try:
            async with asyncio.timeout(self._within_s):
                for decision, partition in zip(decisions, partitions, strict=True):
                    sends.append(await self._send(decision, partition))
                await _settled(sends)
        except TimeoutError:
            problem = f"not stored within {self._within_s:g} s"
        except KafkaError as error:
            problem = type(error).__name__
        if problem is None:
            failed = [type(each.exception()).__name__ for each in sends if each.exception() is not None]
            problem = failed[0] if failed else None
        if problem is None:
            self._metrics.record.observe(time.perf_counter() - began)
            return True
        for send, decision, partition in zip(sends, decisions, partitions, strict=False):
            settled = partial(self._settled, None if stands or decision.effect == "deny" else decision, partition)
            if not send.done():
                self._overdue[partition] = self._overdue.get(partition, 0) + 1
                send.add_done_callback(partial(self._no_longer_overdue, partition))
            send.add_done_callback(settled)
        self._say(problem)
        return False

    async def _send(self, decision: Decision, partition: int) -> Sent:
        sent: Sent = await self._producer.send(
            GATEWAY_DECISIONS, key=decision.person.encode(), value=stored(decision), partition=partition
        )
        return sent

    def _no_longer_overdue(self, partition: int, _: asyncio.Future[Any]) -> None:
        left = self._overdue[partition] - 1
        if left:
            self._overdue[partition] = left
        else:
            del self._overdue[partition]

    def _settled(self, allowed: Decision | None, partition: int, send: asyncio.Future[Any]) -> None:
        """An allow that was answered as a denial is stored after all: let what was answered follow it."""
        if send.cancelled() or send.exception() is not None or allowed is None:
            return
        correcting = asyncio.ensure_future(self._correct(refused_unrecorded(allowed), partition))
        _CORRECTING.add(correcting)
        correcting.add_done_callback(_CORRECTING.discard)

    async def _correct(self, denied: Decision, partition: int) -> None:
        try:
            await (await self._send(denied, partition))
        except KafkaError as error:
            log.error("Decision %s stands as allowed and was answered as denied: %r", denied.decision_id, error)
        else:
            self._metrics.corrected.inc()

    def _say(self, problem: str) -> None:
        now = time.monotonic()
        if now - self._said >= SAY_EVERY_S:
            self._said = now
            log.error("Decisions cannot be recorded in %s: %s", GATEWAY_DECISIONS, problem)


async def _settled(sends: Sequence[Sent]) -> None:
    """Wait until all are done, whatever becomes of them; whoever gives up waiting cancels none."""
    for each in sends:
        if not each.done():
            waiter = asyncio.get_running_loop().create_future()
            wake = partial(_wake, waiter)
            each.add_done_callback(wake)
            try:
                await waiter
            finally:
                each.remove_done_callback(wake)


def _wake(waiter: asyncio.Future[None], _: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Producing(Service):
    """Starts the producer, and stops it within bounds: while brokers are away it would wait for them.

    What it still holds then was answered as a denial, or is answered by nobody.
    """

    def __init__(self, producer: AIOKafkaProducer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._producer = producer

    async def on_start(self) -> None:
        """Start it."""
        await self._producer.start()

    async def on_stop(self) -> None:
        """Flush it, if brokers take what there is."""
        try:
            async with asyncio.timeout(FLUSH_WITHIN_S):
                await self._producer.stop()
        except TimeoutError:
            self.log.error("Brokers did not take the last messages within %g s", FLUSH_WITHIN_S)


_CORRECTING: Final[set[asyncio.Task[None]]] = set()
"""Tasks that nobody waits for: the loop alone would let go of them."""
