"""`cloverwatch audit log`: the writer, the witnesses and what listens, in one process. The composition root."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import suppress
from importlib.metadata import version
from typing import Final

from agents.audit.note_keys import note_signer
from agents.audit.tlog import InconsistentLogError, Log, LogBrokenError
from agents.audit.tlog.store import STATE
from agents.audit.tlog.witnessing import Told
from agents.audit.writing.metrics import AuditMetrics
from agents.audit.writing.positions import INDEX
from agents.audit.writing.succession import ended
from agents.audit.writing.tail import Tail
from agents.audit.writing.witnesses import witnesses_of
from agents.audit.writing.writer import Writer
from agents.clients import consumer_of, producer_of, with_admin, within_start
from agents.life import STOP_WITHIN_S, Life, stored_by
from agents.preflight import check_topics
from agents.settings import Settings
from agents.topic_admin import described
from agents.web import WebServer, listening
from schemas.entry import LOGGED
from schemas.errors import ConfigurationError, ReferenceUnavailableError

log = logging.getLogger(__name__)

TOPICS_EVERY_S: Final = 30.0
"""How often new partitions are looked for; their records wait for the log meanwhile."""


async def write(settings: Settings) -> int:
    """Write the log until told to stop (SIGTERM, SIGINT).

    Returns:
        The exit code: 0 after a stop, 1 where the log must not go on.

    Raises:
        ConfigurationError: settings or topics cannot be used.
        ReferenceUnavailableError: no broker answers.
        InconsistentLogError: the log's files or a witness tell of another history.
        LogBusyError: another process writes it.
    """
    if settings.audit_log is None or settings.audit_key is None:
        raise ConfigurationError(
            "audit_log, audit_key: the log needs a folder and a key; name them with CLOVERWATCH_AUDIT_LOG and "
            "CLOVERWATCH_AUDIT_KEY (`cloverwatch audit keys` makes one)"
        )
    signer = note_signer(settings.audit_key, option="audit_key")
    metrics = AuditMetrics(version("cloverwatch"))

    def observe(told: Told) -> None:
        metrics.witness_failures.labels(told.witness).inc(not told.cosigned)
        if not told.cosigned:
            log.warning("Witness %s did not cosign %d entries: %s", told.witness, told.size, told.what)

    witnesses = witnesses_of(settings, observe)
    await with_admin(settings, lambda admin: check_topics(admin, settings.partitions))
    with (
        listening(settings.web_host, settings.audit_port, "audit_port") as listener,
        Log(
            settings.audit_log,
            signer,
            time.time,
            origin=settings.audit_origin,
            state=settings.audit_state,
            witnesses=witnesses,
            tell=lambda said: log.warning("%s", said),
        ) as written,
    ):
        return await _Process(settings, written, metrics).run(listener)


class _Process:
    """The writer, the witnesses and what listens, until one of them ends."""

    def __init__(self, settings: Settings, written: Log, metrics: AuditMetrics) -> None:
        assert settings.audit_log is not None  # noqa: S101  # held by `write`
        self._settings, self._log = settings, written
        self.metrics = metrics
        clear = settings.identities == "clear"
        if clear:
            log.warning(
                "identities = clear: ids of alerts are hashes of people, datasets and times without a key; "
                "whoever gets the log can try out whom it speaks of, and nothing is taken from it; see docs/privacy.md"
            )
        self._tail = Tail(consumer_of(settings), clear=clear)
        index = settings.audit_log / STATE / INDEX
        self.writer = Writer(written, self._tail, self.metrics, index, settings.audit_interval_s)
        self._partitions: asyncio.Queue[dict[str, int]] = asyncio.Queue()
        self._cosigned = 0
        self._open = False
        self._orderly = False
        """Whether it was told to stop, and did."""

    async def run(self, listener: object) -> int:
        """Run; see `write`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.writer.stopping.set)
        web = WebServer(
            listener,  # type: ignore[arg-type]  # a socket
            registry=self.metrics.registry,
            refresh=self._refresh,
            not_ready=self._not_ready,
        )
        await web.start()
        tasks: list[asyncio.Task[None]] = []
        producer = producer_of(self._settings)
        life = Life("audit_log", stored_by(producer), failed=lambda: not self._orderly)
        try:
            await within_start(self._settings, self._tail.start)
            await within_start(self._settings, producer.start)
            before = self._settings.audit_continues
            await self.writer.open(
                await self._counts(),
                ended(before, self._log.origin) if before is not None and self._log.size == 0 else None,
            )
            self._open = True
            log.warning("The log of %d entries goes on", self._log.size)
            await life.start()
            tasks = [asyncio.create_task(self._witness()), asyncio.create_task(self._look())]
            main = asyncio.create_task(self.writer.run(self._partitions))
            done, _ = await asyncio.wait([main, *tasks], return_when=asyncio.FIRST_COMPLETED)
            self.writer.stopping.set()
            await asyncio.wait([main])
            for each in (*done, main):
                each.result()
            self._orderly = True
        except (LogBrokenError, InconsistentLogError) as error:
            log.critical("The log does not go on: %s", error)
            return 1
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._tail.stop()
            await life.stop()
            with suppress(TimeoutError):  # brokers that are away get no last word
                async with asyncio.timeout(STOP_WITHIN_S):
                    await producer.stop()
            await web.stop()
        return 0

    async def _counts(self) -> dict[str, int]:
        there = await with_admin(self._settings, described)
        return {topic: there[topic].partitions for topic in LOGGED if topic in there}

    async def _look(self) -> None:
        """Look for new partitions."""
        while True:
            await asyncio.sleep(TOPICS_EVERY_S)
            try:
                self._partitions.put_nowait(await self._counts())
            except ReferenceUnavailableError as error:
                log.warning("%s", error)

    async def _witness(self) -> None:
        """Have the newest checkpoint cosigned."""
        while True:
            await asyncio.sleep(self._settings.audit_witness_interval_s)
            size = self._log.size
            if size == self._cosigned or not self._log.witnesses.clients:
                continue
            told = await asyncio.to_thread(self._log.cosign)
            if sum(each.cosigned for each in told) >= max(1, self._log.witnesses.policy.needed):
                self._cosigned = size

    def _refresh(self) -> None:
        self.metrics.ready.set(0 if self._not_ready() else 1)
        self.metrics.age.set(time.monotonic() - self.writer.signed)
        self.metrics.witnessed.set(self._log.size - self._cosigned if self._log.witnesses.clients else 0)
        for topic, number in self._tail.lag().items():
            self.metrics.lag.labels(topic).set(number)

    def _not_ready(self) -> list[str]:
        if not self._open:
            return ["the log is being opened"]
        return [] if self.writer.failing is None else [self.writer.failing]
