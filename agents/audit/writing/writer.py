"""The process that writes the log. Where it goes on is what the log holds, so a kill leaves out and repeats nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from aiokafka.errors import KafkaError

from agents.audit.tlog import InconsistentLogError, Log, LogBrokenError, NoteSigner
from agents.audit.tlog.store import STATE
from agents.audit.writing.entries import TP, opened
from agents.audit.writing.metrics import AuditMetrics
from agents.audit.writing.positions import Positions, Readable
from agents.audit.writing.tail import Tail
from agents.clients import consumer_of, with_admin, within_start
from agents.preflight import check_topics
from agents.settings import Settings
from agents.signing import OTHERS
from agents.topic_admin import described
from agents.watching import wall_clock
from agents.web import WebServer, listening
from schemas.entry import LOGGED, Entry
from schemas.errors import ConfigurationError, ReferenceUnavailableError

log = logging.getLogger(__name__)

INDEX: Final = "positions.json"
INDEX_EVERY_S: Final = 10.0
"""How often the index is written: so many seconds of entries are read again at a start."""

TOPICS_EVERY_S: Final = 30.0
"""How often new partitions are looked for; their records wait for the log meanwhile."""

RETRY_S: Final = 1.0
"""Between two tries to append, where the disk refuses, and to read, where the brokers do."""

KEY_MAX: Final = 4_096
"""Bytes of a key's file at most."""


class Written(Protocol):
    """What the writer asks of a log (`agents.audit.tlog.Log`)."""

    @property
    def size(self) -> int:
        """Entries."""

    @property
    def root(self) -> bytes:
        """Of the tree."""

    def tree(self) -> Readable:
        """The tree."""

    def append(self, entries: list[bytes]) -> range:
        """Append them, durably."""


class Writer:
    """Appends what the tail reads, and keeps the index.

    Args:
        written: the log.
        tail: reads the topics.
        metrics: told of all.
        index: where the positions are kept.
        interval: seconds between two appends at least.
    """

    def __init__(self, written: Written, tail: Tail, metrics: AuditMetrics, index: Path, interval: float) -> None:
        self._log, self._tail, self._metrics = written, tail, metrics
        self._index, self._interval = index, interval
        self.positions = Positions.of(written.tree(), index)
        self._saved = 0.0
        self.signed = time.monotonic()
        self.failing: str | None = None
        """Why nothing is appended now; None where it is."""
        self.stopping = asyncio.Event()
        metrics.size.set(written.size)

    async def open(self, partitions: dict[str, int]) -> None:
        """Say in the log where it goes on, and read from there; `partitions` by topic."""
        for topic in LOGGED:
            for partition in range(partitions[topic]):
                self.positions.next.setdefault((topic, partition), 0)
        await self._append(list(opened(version("cloverwatch"), self.positions.next, wall_clock())))
        await self._tail.assign(self.positions.next)

    async def widen(self, partitions: dict[str, int]) -> None:
        """Read partitions too that are new."""
        new: dict[TP, int] = {
            (topic, partition): 0
            for topic in LOGGED
            for partition in range(partitions.get(topic, 0))
            if (topic, partition) not in self.positions.next
        }
        if new:
            log.warning("New partitions, read from their beginning: %s", sorted(new))
            self.positions.next.update(new)
            await self._tail.assign(self.positions.next)

    async def run(self, partitions: asyncio.Queue[dict[str, int]]) -> None:
        """Append until told to stop; what was read is appended before it returns."""
        while not self.stopping.is_set():
            began = time.monotonic()
            while not partitions.empty():
                await self.widen(partitions.get_nowait())
            try:
                found = await self._tail.read()
            except KafkaError as error:
                self.failing = f"the brokers do not answer: {error!r}"
                log.warning("Not read, tried again: %r", error)
                # What the client handed out and we have not is read again.
                await self._pause(RETRY_S)
                await self._tail.assign(self.positions.next)
                continue
            if found:
                await self._append(found)
                # The batch that was full has more behind it; else a moment's records travel together.
                await self._pause(self._interval - (time.monotonic() - began))
            elif self.failing is not None:
                self.failing = None
            if time.monotonic() - self._saved > INDEX_EVERY_S:
                self.save()
        self.save()

    def save(self) -> None:
        """Write the index."""
        self._saved = time.monotonic()
        try:
            self.positions.save(self._index, self._log.size, self._log.root)
        except OSError as error:
            log.warning("The index of positions is not written, the log itself is read at the next start: %s", error)

    async def _append(self, found: list[tuple[Entry, bytes]]) -> None:
        """Append, trying again while the storage refuses.

        Raises:
            LogBrokenError: it cannot be told whether they count; the process ends, and the next one finds out.
        """
        encoded = [each for _, each in found]
        while True:
            try:
                await asyncio.to_thread(self._log.append, encoded)
                break
            except OSError as error:
                self._metrics.append_failures.inc()
                self.failing = f"the log's storage refuses: {error.strerror or error}"
                log.error("Not appended, tried again: %s", error)
                if self.stopping.is_set():
                    return  # read again at the next start
                await self._pause(RETRY_S)
        self.failing = None
        self.signed = time.monotonic()
        for entry, _ in found:
            self.positions.take(entry)
            self._metrics.entries.labels(entry.kind).inc()
            if entry.kind == "hole":
                said = entry.about
                self._metrics.missing.labels(entry.topic, said["why"]).inc(said["last"] - said["first"] + 1)
        self._metrics.size.set(self._log.size)

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)


def signer_of(path: Path) -> NoteSigner:
    """Return the key of the log.

    Raises:
        ConfigurationError: it cannot be read, is none, or others may read the file.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(KEY_MAX)
    except OSError as error:
        raise ConfigurationError(f"audit_key: {path} cannot be read: {error.strerror}") from None
    if os.name == "posix" and mode & OTHERS:
        raise ConfigurationError(
            f"audit_key: {path} may be read or changed by others (mode {mode & 0o777:04o}); do chmod 600 {path}"
        )
    return NoteSigner.read(content.decode("ascii", "replace"), f"audit_key: {path}")


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
    signer = signer_of(settings.audit_key)
    await with_admin(settings, lambda admin: check_topics(admin, settings.partitions))
    with (
        listening(settings.web_host, settings.audit_port, "audit_port") as listener,
        Log(
            settings.audit_log,
            signer,
            time.time,
            origin=settings.audit_origin,
            state=settings.audit_state,
            tell=lambda said: log.warning("%s", said),
        ) as written,
    ):
        return await _Process(settings, written).run(listener)


class _Process:
    """The writer, the witnesses and what listens, until one of them ends."""

    def __init__(self, settings: Settings, written: Log) -> None:
        assert settings.audit_log is not None  # noqa: S101  # held by `write`
        self._settings, self._log = settings, written
        self.metrics = AuditMetrics(version("cloverwatch"))
        self._tail = Tail(consumer_of(settings), clear=settings.identities == "clear")
        index = settings.audit_log / STATE / INDEX
        self.writer = Writer(written, self._tail, self.metrics, index, settings.audit_interval_s)
        self._partitions: asyncio.Queue[dict[str, int]] = asyncio.Queue()
        self._cosigned = 0
        self._open = False

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
        try:
            await within_start(self._settings, self._tail.start)
            await self.writer.open(await self._counts())
            self._open = True
            log.warning("The log of %d entries goes on", self._log.size)
            tasks = [asyncio.create_task(self._witness()), asyncio.create_task(self._look())]
            main = asyncio.create_task(self.writer.run(self._partitions))
            done, _ = await asyncio.wait([main, *tasks], return_when=asyncio.FIRST_COMPLETED)
            self.writer.stopping.set()
            await asyncio.wait([main])
            for each in (*done, main):
                each.result()
        except (LogBrokenError, InconsistentLogError) as error:
            log.critical("The log does not go on: %s", error)
            return 1
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._tail.stop()
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
            failed = [each for each in told if not each.cosigned]
            for each in failed:
                self.metrics.witness_failures.labels(each.witness).inc()
                log.warning("Witness %s did not cosign: %s", each.witness, each.what)
            if not failed:
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
