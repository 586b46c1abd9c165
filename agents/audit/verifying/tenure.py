"""Who had a partition, from when to when, and what was there to be judged: as far as workers say it themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from schemas.coverage import HELD_EVERY_S, Place
from schemas.fields import iso

SILENT_MS: Final = 3 * int(1000 * HELD_EVERY_S)
"""A worker that said nothing of a partition for so long does not hold it any more: two of its words may be late."""


@dataclass(slots=True, kw_only=True)
class Tenure:
    """Of one partition. A partition is one worker's at a time: whoever begins takes it from whoever had it."""

    owners: dict[str, int] = field(default_factory=dict)
    """By worker that has the partition, the offset that comes next for it; at most one."""
    retired: dict[str, int] = field(default_factory=dict)
    """Of workers from whom others took it without a word that they stopped, the same: what they say may come late."""
    starts: int = 0
    stops: int = 0
    left: int = 0
    """When the last owner gave it up; 0 while it has one."""
    heard: int = 0
    """When a worker last said something of it, milliseconds."""
    told: bool = False
    """Whether its owner is one that says what it holds, so that silence means something."""
    without: list[tuple[int, int]] = field(default_factory=list)
    """Times without any owner, milliseconds: [from, to]. Behind one that was killed at most so long: from its last
    word."""
    taken: dict[str, int] = field(default_factory=dict)
    """By worker that did not say that it stopped, which of those times is behind it."""
    owed: tuple[int, int] | None = None
    """When a worker first said of offsets that nobody has judged since that they are there, and the end of them."""
    beyond: set[str] = field(default_factory=set)
    """Workers that said that they were where nothing shows that they were; said once of each."""
    carried: str = ""
    """Who had it when the log began, where that goes on from another one: the start is in the log before."""
    _began: int = 0
    """When its owner began."""

    def begin(self, worker: str, offset: int, at: int, *, told: bool) -> tuple[int, int] | None:
        """Take a start; return the time behind a worker that did not say that it stopped, where it was one's.

        Args:
            worker: who begins.
            offset: what comes next for it.
            at: when.
            told: whether workers say what they hold.
        """
        self.starts += 1
        if self.owners and worker not in self.owners and at < self._began:
            self.retired[worker] = offset  # it began before whoever has the partition, and was stored later
            return None
        killed = None
        if self.left and not self.owners:
            self.without.append((self.left, at))
        elif self.owners and worker not in self.owners:
            killed = min(self.heard, at), at
            self.taken |= dict.fromkeys(self.owners, len(self.without))
            self.without.append(killed)
            self.retired |= self.owners
        self.retired.pop(worker, None)
        self.owners = {worker: offset}
        self.left, self._began, self.told = 0, at, told
        self.hear(at)
        return killed

    def finish(self, worker: str, at: int) -> int | None:
        """Take a stop; return what was to come next for the worker, None where it never began."""
        self.stops += 1
        expected = self.owners.pop(worker, None)
        if expected is not None:
            self.left = at
            return expected
        if (number := self.taken.pop(worker, None)) is not None:
            begin, end = self.without[number]  # it comes late, and says more exactly from when on nobody had it
            self.without[number] = min(max(begin, at), end), end
        return self.retired.pop(worker, None)

    @property
    def untold(self) -> bool:
        """Whether it has a worker whose silence means nothing."""
        return bool(self.owners) and not self.told

    @property
    def killed(self) -> int:
        """How often a worker did not say that it stopped before another one began."""
        return len(self.taken)

    def expected(self, worker: str) -> int | None:
        """Return what comes next for a worker; None where it never began."""
        return self.owners.get(worker, self.retired.get(worker))

    def reach(self, worker: str, following: int, at: int) -> None:
        """Take how far a worker is. One that never began counts as the owner only where nothing is known of any."""
        theirs = worker in self.owners or not (self.owners or self.left)
        (self.owners if theirs else self.retired)[worker] = following
        self.hear(at)

    def hear(self, at: int) -> None:
        """Take note that somebody said something of the partition."""
        self.heard = max(self.heard, at)

    def hold(self, worker: str, place: Place, judged: int, at: int) -> str:
        """Take what a worker says that it holds, where ranges end at `judged`; return what is wrong with it."""
        wrong = ""
        if self.expected(worker) is None:
            self.reach(worker, place.next, at)
            wrong = f"worker {worker} says that it holds what it never said that it began"
        elif place.next > judged and worker not in self.beyond:
            wrong = (
                f"worker {worker} says that it judged to {place.next - 1}, and the ranges end at {judged - 1}: what "
                "it said of those behind was left out"
            )
        if wrong:
            self.beyond.add(worker)
        self.told |= worker in self.owners
        self.hear(at)
        if self.owed is None or self.owed[1] <= judged:
            self.owed = (at, place.end) if place.end > judged else None
        return wrong

    def at_end(self, judged: int, until: int, grace: int, silent: int) -> Iterator[str]:
        """Yield what is wrong at the log's end, a sentence each.

        Args:
            judged: the first offset that no range holds.
            until: the time of the log's last entry, milliseconds.
            grace: how long nobody may have it, milliseconds.
            silent: how long its worker may say nothing, and what is there may wait.
        """
        if self.left and not self.owners:
            if self.left + grace < until:
                yield f"from offset {judged} on: given up at {iso(self.left)}, and nobody has taken it since"
        elif self.told and self.heard + silent < until:
            yield (
                f"from offset {judged} on: worker {', '.join(self.owners)} said the last of it at {iso(self.heard)}, "
                "not that it stopped, and nobody has taken it since: it was killed, or what was said since was left out"
            )
        if self.owed is not None and self.owed[1] > judged and self.owed[0] + silent < until:
            yield (
                f"offsets {judged} to {self.owed[1] - 1} were there at {iso(self.owed[0])}, and by the log's end, "
                f"{(until - self.owed[0]) / 60_000:,.0f} minutes later, nobody had judged them"
            )
