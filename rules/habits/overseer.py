"""The overseer: what workers report is added up once, for all of them.

Workers say how far they have read (`Clock`), which sources they heard, and what people's days came to. From that the
overseer makes the peers' versions of a day, once all partitions are past it, and says which sources have gone quiet
up to the time until which all partitions are read: a worker that lags makes nobody silent.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from rules.habits.across import Across
from rules.habits.peers import DAY_MS, EndedDay, GroupDay, OpenDays
from rules.habits.rhythm import Heard, Moment, Rhythm
from rules.habits.saved import StateVersionError
from schemas.alert import Alert
from schemas.fields import TIME_MAX

VERSION: Final = 1
"""Of reports, of peers' versions and of what is saved here."""

GROUPS_A_MESSAGE: Final = 200
"""Groups in one message of a version: some 100 KB where a group has 25 people."""

CLOCK: Final = "clock"


class Clock(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How far a partition of `access.events` is read. Milliseconds."""

    partition: Annotated[int, Meta(ge=0, le=1 << 20)]
    until: Moment
    """Append time up to which every record is judged."""
    progress: Moment
    """Time up to which people's days have ended that are going to, as far as a backlog shows it; 0 unknown."""
    read: bool = False
    """Whether there is nothing left to read up to `until`."""
    delay: Annotated[int, Meta(ge=-1, le=TIME_MAX)] = -1
    """How long after it happened the last access was judged, -1 where this worker has seen none: history that is
    filled in is old, and an idle partition is no further than its last accesses were."""


class Report(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a worker reports."""

    version: int = VERSION
    clocks: tuple[Clock, ...] = ()
    heard: tuple[Heard, ...] = ()
    days: tuple[EndedDay, ...] = ()


class PeersVersion(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A part of the peers' version of a UTC day."""

    version: int
    day: int
    groups: tuple[GroupDay, ...]


class Outcome(NamedTuple):
    """What came of a report."""

    alerts: list[Alert]
    versions: list[tuple[str, PeersVersion]]
    """Key and record of everything to be published for the workers."""


class Overseer:
    """Takes reports in the order of their log. A shelf of items, for whoever keeps its state.

    Args:
        across: judges sources.
        partitions: of `access.events`, all of which must have reported before anything is said.
        touched: told of every item that changes.
    """

    def __init__(self, across: Across, partitions: int, touched: Callable[[str], None]) -> None:
        self._across, self._partitions, self._touched = across, partitions, touched
        self._clocks: dict[int, Clock] = {}
        self._days = OpenDays()

    @property
    def until(self) -> int:
        """Append time up to which all partitions are judged, 0 before all have reported."""
        times = [clock.until for clock in self._clocks.values()]
        return min(times) if len(times) >= self._partitions else 0

    @property
    def progress(self) -> int:
        """Time up to which all people's days have ended that are going to, 0 before all have reported.

        A partition in which nothing is holds up nobody; one of whose backlog nothing is judged yet holds up all.
        """
        clocks = self._clocks.values()
        if len(clocks) < self._partitions or any(not each.progress and not each.read for each in clocks):
            return 0
        return min((each.progress for each in clocks if each.progress), default=0)

    @property
    def dropped(self) -> int:
        """People's days that came too late for their version."""
        return self._days.dropped

    def take(self, report: Report, offset: int, appended_at: int, clock: int) -> Outcome:
        """Take one report.

        Args:
            report: the next of its log.
            offset: its place there.
            appended_at: when it was appended, by the brokers' clock: no worker's is believed beyond it. Milliseconds.
            clock: the wall clock, milliseconds.
        """
        alerts = []
        for day in report.days:
            utc = self._days.add(day)
            if utc is not None:
                self._touched(f"days|{utc}|{day.group}")
        for heard in report.heard:
            rhythm = self._across.rhythms.sources.get(heard.source)
            if rhythm is not None and offset <= rhythm.applied:
                continue  # counted before a restart
            alert = self._across.heard(heard, clock)
            if alert is not None:
                alerts.append(alert)
            rhythm = self._across.rhythms.sources.get(heard.source)
            if rhythm is not None:
                rhythm.applied = offset
                self._touched(f"source|{heard.source}")
        if not report.clocks:
            return Outcome(alerts, [])
        for each in report.clocks:
            if each.partition < self._partitions:
                now = _not_after(each, appended_at)
                self._clocks[each.partition] = _later(self._clocks.get(each.partition, now), now)
        self._touched(CLOCK)
        for alert in self._across.silent(self.until, clock):
            self._touched(f"source|{alert.facts['source']}")
            alerts.append(alert)
        for source in self._across.rhythms.forgotten:
            self._touched(f"source|{source}")
        self._across.rhythms.forgotten.clear()
        return Outcome(alerts, self._close())

    def _close(self) -> list[tuple[str, PeersVersion]]:
        versions = []
        for day, groups in self._days.close(self.progress // DAY_MS):
            for at in range(0, len(groups), GROUPS_A_MESSAGE):
                part = tuple(groups[at : at + GROUPS_A_MESSAGE])
                versions.append((f"{day}|{at // GROUPS_A_MESSAGE}", PeersVersion(VERSION, day, part)))
            for each in groups:
                self._touched(f"days|{day}|{each.group}")
        return versions

    # A shelf of items (`agents/snapshots.py`).

    def save(self, name: str) -> bytes | None:
        """Return an item as bytes; None where it is gone."""
        kind, _, rest = name.partition("|")
        item: Any = None
        if kind == CLOCK:
            item = (list(self._clocks.values()), self._days.closed_before)
        elif kind == "source":
            item = self._across.rhythms.sources.get(rest)
        else:
            utc, _, group = rest.partition("|")
            item = self._days.of(int(utc), int(group)) or None
        return None if item is None else msgspec.msgpack.encode((VERSION, item))

    def restore(self, name: str, partition: int, saved: bytes) -> None:  # noqa: ARG002 - the protocol's signature
        """Put an item back where it is newer than what is there.

        Raises:
            StateVersionError: it is of a version that this program does not know.
        """
        kind, _, rest = name.partition("|")
        try:
            version, item = msgspec.msgpack.decode(saved)
            if version != VERSION:
                raise StateVersionError(
                    f"state: {name}: version {version!r}: this program reads version {VERSION}; run the one that "
                    "wrote it, or newer"
                )
            if kind == CLOCK:
                clocks, closed = msgspec.convert(item, tuple[list[Clock], int])
                for each in clocks:
                    self._clocks[each.partition] = _later(self._clocks.get(each.partition, each), each)
                self._days.closed(closed)
            elif kind == "source":
                rhythm = msgspec.convert(item, Rhythm)
                there = self._across.rhythms.sources.get(rest)
                if there is None or there.applied < rhythm.applied:
                    self._across.rhythms.sources[rest] = rhythm
            else:
                for day in msgspec.convert(item, list[EndedDay]):
                    self._days.restore(day)
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise StateVersionError(f"state: {name}: not a saved item: {type(error).__name__}") from None

    def clear(self, partitions: Set[int]) -> None:  # noqa: ARG002 - the protocol's signature
        """Drop everything: it is read anew."""
        self._clocks.clear()
        self._days = OpenDays()
        self._across.rhythms.clear()


def _not_after(clock: Clock, latest: int) -> Clock:
    until, progress = min(clock.until, latest), min(clock.progress, latest)
    return Clock(clock.partition, until, progress, clock.read, clock.delay)


def _later(before: Clock, now: Clock) -> Clock:
    """Return what two clocks of a partition say together: none goes back, a new owner has not seen its accesses."""
    delay = now.delay if now.delay >= 0 else before.delay
    progress = max(before.progress, now.progress)
    if now.read and delay >= 0:
        progress = max(progress, now.until - delay)
    return Clock(now.partition, max(before.until, now.until), progress, now.read, delay)
