"""What a process says of itself: that it started, that it still runs, that it stopped in order. The audit log keeps it.

One mechanism for every process of the monitor. A process that is killed says nothing: that it was is seen by a start
without a stop, and until when it ran by what it said last.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from mode import Service

from agents.program import program
from agents.watching import wall_clock
from schemas.coverage import ALIVE_EVERY_S, Process, ProcessKind, Step
from schemas.gateway_topics import COVERAGE

log = logging.getLogger(__name__)

RETRY_S: Final = 5.0
"""Between two tries to say that it started, while brokers are away."""

STOP_WITHIN_S: Final = 5.0
"""How long a process that stops waits until the brokers have what it says last: they may be why it stops."""

Stores = Callable[[Process], Awaitable[Any]]
"""Returns when a record is stored."""


def stored_by(producer: AIOKafkaProducer) -> Stores:
    """Return what stores records of processes."""

    async def store(record: Process) -> None:
        key, value = record.process.encode(), msgspec.json.encode(record)
        await producer.send_and_wait(COVERAGE, key=key, value=value, partition=0)

    return store


def hash_of_policy(content: bytes) -> str:
    """Return the hash by which a policy file is known, as that of `InForce`."""
    return sha256(content).hexdigest()


class Life(Service):
    """Says how a process lives, and never holds it up: what cannot be stored is tried again beside its work.

    Args:
        kind: of the process.
        store: returns when a record is stored.
        policy: the hash of the policy file's bytes that it goes by; empty where it goes by none.
        failed: whether it ends because something failed. Then it says nothing: it did not stop in order.
        process: an id that says nothing of the machine; else a random one.
        every_s: how often it says that it runs.
    """

    def __init__(
        self,
        kind: ProcessKind,
        store: Stores,
        *,
        policy: Callable[[], str] = str,
        failed: Callable[[], bool],
        process: str | None = None,
        every_s: float = ALIVE_EVERY_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._kind, self._store, self._policy, self._failed = kind, store, policy, failed
        self.process = process or secrets.token_hex(8)
        self._every_s = every_s
        self._one = asyncio.Lock()
        self._start: Process | None = None
        """That it started, until it is stored."""
        self._silent = False
        """Whether the last record could not be stored."""

    async def on_start(self) -> None:
        """Take note of when."""
        self._start = self._record("started")

    def _record(self, step: Step) -> Process:
        return Process(
            kind=self._kind,
            process=self.process,
            step=step,
            version=version("cloverwatch"),
            policy=self._policy(),
            program=program().sha256,
            at=wall_clock(),
        )

    @Service.task
    async def _say(self) -> None:
        while not self.should_stop:
            said = False
            async with self._one:
                if not self.should_stop:
                    said = await self._stored()
            await self.sleep(self._every_s if said else RETRY_S)

    async def _stored(self) -> bool:
        try:
            if self._start is not None:
                await self._store(self._start)
                self._start = None
            else:
                await self._store(self._record("running"))
        except KafkaError as error:
            if not self._silent:
                log.warning("That this process runs is not stored in %s, tried again: %r", COVERAGE, error)
            self._silent = True
            return False
        self._silent = False
        return True

    async def on_stop(self) -> None:
        """Say that it stops, if it does so in order."""
        if self._failed():
            return
        try:
            async with asyncio.timeout(STOP_WITHIN_S), self._one:
                if self._start is not None:
                    await self._store(self._start)
                await self._store(self._record("stopped"))
        except (TimeoutError, KafkaError) as error:
            log.warning("That this process stops in order is not stored in %s: %r", COVERAGE, error)
