"""What the worker says of its own work: which offsets it judged and what they gave, stored before they are committed.

What a batch gives is added up with the batch, and goes out when the batch is part of the finished prefix: batches
finish out of order and events wait, so what a waiting event gives in the end still counts where its record stands. An
auditor sees every offset in one range, in one hole, or after a `Started` that says that it was judged again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from aiokafka.errors import KafkaError
from mode import Service

from agents.cutting import cut
from agents.gave import Gave, Mark
from agents.holding import FIRST_AFTER_S, holdings
from agents.ledger import TP
from agents.ledger import Hole as LedgerHole
from agents.life import hash_of_policy
from agents.policy_watch import destinations_in
from schemas.alert import Alert
from schemas.coverage import HELD_EVERY_S, Hole, InForce, Judged, Started, Stopped, hash_of
from schemas.coverage import Coverage as Record

log = logging.getLogger(__name__)

AGAIN_S: Final = 5.0
"""Between two tries to store what is to be said, while brokers are away and no commit waits for it."""

STOP_WITHIN_S: Final = 5.0
"""How long a worker that stops waits until the brokers have what it says last: they may be why it stops."""


@dataclass(slots=True)
class _Held:
    """A partition that this worker has."""

    next: int
    """The first offset of which nothing is said yet."""
    gave: deque[Gave] = field(default_factory=deque)
    """Batches behind it, in the order of the log."""
    holes: deque[Hole] = field(default_factory=deque)
    extra: list[Gave] = field(default_factory=list)
    """Alerts beside those of batches: about the stream itself, and of batches that were judged and read again."""


class Coverage(Service):
    """Says what was judged, and holds commits back until that is stored.

    Args:
        send: publishes a record.
        policy: says by which policy is judged now.
        directories: the hash of the offsets to which the directories are known.
        clock: the wall clock, milliseconds.
        version: of the program.
        ends: where the logs of partitions end, of those of which the brokers have told it.
    """

    def __init__(
        self,
        send: Callable[[Record], Any],
        policy: Callable[[], str],
        directories: Callable[[], str],
        clock: Callable[[], int],
        version: str,
        ends: Callable[[], Mapping[TP, int]] = dict,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._ends = ends
        self._send, self._policy, self._directories, self._clock = send, policy, directories, clock
        self._version = version
        self.worker = secrets.token_hex(8)
        """A random id of this process."""
        self._held: dict[TP, _Held] = {}
        self._pending: list[Record] = []
        self._lock = asyncio.Lock()
        self._noted = asyncio.Event()

    # --- what is judged

    def begin(self, batch: Any) -> Gave:
        """Take note of a batch (`RecordBatch`) that is about to be judged; what it gives is added to the answer."""
        gave = Gave.of(batch)
        gave.policy = self._policy()
        held = self._held.get(gave.place)
        if held is not None:
            held.gave.append(gave)
        return gave

    def about(self, tp: TP, last: int, alert: Alert, value: bytes) -> None:
        """Count an alert about the stream itself with the range in which `last` is."""
        held = self._held.get(tp)
        if held is not None:
            gave = Gave(last, last, place=tp)
            gave.add(alert, value)
            held.extra.append(gave)

    # --- whose it is

    def positioned(self, tp: TP, offset: int, committed: int | None) -> None:
        """Take note that reading begins at `offset`; before it lies what retention deleted, from what was committed."""
        begin = offset if committed is None else min(offset, committed)
        before = self._held.get(tp)
        held = self._held[tp] = _Held(begin)
        if before is not None:
            # Read again within one assignment: what was published of it is, and is not published again. What is still
            # on its way is added to the same objects.
            held.extra = [*before.extra, *before.gave]
            if before.next == begin:
                return
        self._start(tp, begin)

    def rewound(self, tp: TP, first: int) -> None:
        """Take note that a log went back: offsets from `first` on are others."""
        if tp in self._held:
            self._held[tp] = _Held(first)
            self._start(tp, first)

    def hole(self, hole: LedgerHole) -> None:
        """Take note of offsets that will not be delivered."""
        held = self._held.get(hole.tp)
        if held is not None:
            held.holes.append(Hole(first=hole.first, last=hole.last, why=hole.kind.value))

    def revoked(self, tps: Iterable[TP]) -> None:
        """Say that partitions are given up; what could be committed has been said."""
        for topic, partition in sorted((topic, partition) for topic, partition in tps):
            held = self._held.pop((topic, partition), None)
            if held is not None:
                self._note(
                    Stopped(topic=topic, partition=partition, offset=held.next, worker=self.worker, at=self._clock())
                )

    def forget(self) -> None:
        """Partitions change hands: each is said to begin when it is positioned."""
        self._held.clear()

    def hold(self) -> None:
        """Say which partitions this worker has, how far each is judged, and where its log ends where that is known."""
        nexts = {tp: held.next for tp, held in self._held.items()}
        for record in holdings(self.worker, nexts, self._ends(), self._clock()):
            self._note(record)

    def in_force(self, policy: str, content: bytes, legal_table: str, geo_table: str) -> None:
        """Say by what is judged from now on; `content` is the policy file's."""
        self.policy_hash = hash_of_policy(content)
        self._note(
            InForce(
                policy=policy, sha256=self.policy_hash, legal_table=legal_table, geo_table=geo_table,
                destinations=destinations_in(content), worker=self.worker, at=self._clock(),
            )
        )  # fmt: skip

    def _start(self, tp: TP, offset: int) -> None:
        topic, partition = tp
        self._note(
            Started(
                topic=topic,
                partition=partition,
                offset=offset,
                policy=self._policy(),
                version=self._version,
                worker=self.worker,
                at=self._clock(),
            )
        )

    # --- saying it

    async def before_commit(self, offsets: Mapping[TP, int]) -> None:
        """Return when what was judged below `offsets` is said, and stored."""
        for tp, offset in offsets.items():
            self._pending += self._judged((tp[0], tp[1]), offset)
        await self._flush()

    def _judged(self, tp: TP, until: int) -> list[Judged]:
        """Return what is to be said of a partition up to `until`: a record for each policy that it was judged by."""
        held = self._held.get(tp)
        if held is None or until <= held.next:
            return []
        runs: list[list[Gave]] = []
        while held.gave and held.gave[0].last < until:
            gave = held.gave.popleft()
            if runs and runs[-1][0].policy == gave.policy:
                runs[-1].append(gave)
            else:
                runs.append([gave])
        found: list[Judged] = []
        for number, run in enumerate(runs or [[]]):
            end = until - 1 if number >= len(runs) - 1 else run[-1].last
            extra = [each for each in held.extra if each.last <= end]
            held.extra = [each for each in held.extra if each.last > end]
            holes = []
            while held.holes and held.holes[0].last <= end:
                holes.append(held.holes.popleft())
            found += self._records(tp, held.next, end, run, extra, holes)
            held.next = end + 1
        return found

    def _records(
        self, tp: TP, first: int, last: int, run: list[Gave], extra: list[Gave], holes: list[Hole]
    ) -> list[Judged]:
        """Return the record of a range, or several where it has too many holes or alerts for one.

        Counts that no offset is known for (dead letters, repetitions, moved) stand in the last.
        """
        found = []
        records = sum(gave.records for gave in run)
        # What was read twice is counted in `extra` with its alerts alone; nothing lies outside of the range.
        given = {each.mark: each for gave in (*extra, *run) for each in gave.alerts}
        alerts = sorted((max(first, min(each.offset, last)), each.mark, each.rules) for each in given.values())
        while (end := cut(last, [each[0] for each in alerts], holes)) < last:
            some = [hole for hole in holes if hole.last <= end]
            part = end + 1 - first - sum(hole.last + 1 - hole.first for hole in some)
            records -= part
            found.append(self._record(tp, (first, end), part, some, run, [each for each in alerts if each[0] <= end]))
            holes = holes[len(some) :]
            alerts = [each for each in alerts if each[0] > end]
            first = end + 1
        whole = self._record(tp, (first, last), records, holes, run, alerts)
        counts = {name: sum(getattr(gave, name) for gave in run) for name in ("dead_letters", "duplicates", "moved")}
        return [*found, msgspec.structs.replace(whole, **counts)]

    def _record(
        self,
        tp: TP,
        span: tuple[int, int],
        records: int,
        holes: list[Hole],
        run: list[Gave],
        alerts: list[tuple[int, Mark, tuple[str, ...]]],
    ) -> Judged:
        topic, partition = tp
        return Judged(
            topic=topic,
            partition=partition,
            first=span[0],
            last=span[1],
            records=records,
            holes=tuple(holes),
            verdicts=dict(Counter(rule for _, _, rules in alerts for rule in rules)),
            alerts=len(alerts),
            alerts_hash=hash_of([mark for _, mark, _ in alerts]),
            alerts_of=tuple(sorted(f"{mark[0]}|{mark[1]}" for _, mark, _ in alerts)),
            policy=run[-1].policy if run else self._policy(),
            directories=self._directories(),
            worker=self.worker,
            at=self._clock(),
        )

    def _note(self, record: Record) -> None:
        self._pending.append(record)
        self._noted.set()

    async def _flush(self) -> None:
        """Store what is to be said, in its order."""
        async with self._lock:
            while self._pending:
                some = self._pending[:]
                await asyncio.gather(*[await self._send(record) for record in some])
                del self._pending[: len(some)]

    @Service.task
    async def _publish(self) -> None:
        while not self.should_stop:
            await self.wait(self._noted.wait())
            self._noted.clear()
            try:
                await self._flush()
            except KafkaError as error:  # a commit that waits for it fails; by itself it holds nothing up
                log.warning("What was judged is not stored, tried again: %r", error)
                await self.sleep(AGAIN_S)
                self._noted.set()

    @Service.task
    async def _say_again(self) -> None:
        await self.sleep(FIRST_AFTER_S)
        while not self.should_stop:
            self.hold()
            await self.sleep(HELD_EVERY_S)

    async def on_stop(self) -> None:
        """Say that every partition is given up."""
        self.revoked(list(self._held))
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self._flush()
        except (TimeoutError, KafkaError):
            log.warning("What is said of the last partitions is not stored: the brokers do not answer")
