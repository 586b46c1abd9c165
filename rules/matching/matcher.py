"""One partition: decisions and accesses in, what is wrong with accesses out. Pure; time is passed in.

An access is judged when every decision is known that was appended until `wait` after it: `advance` says to when they
are. Accesses are judged in the order of their partition. So the answer does not depend on which of the two topics was
read faster, nor on when the process was killed: decisions that were appended later than that are not looked at, even
where they are known already.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from xxhash import xxh3_64_intdigest

from rules.matching.compare import Compared, Comparer, Finding, kept_until
from rules.matching.kinds import KINDS
from rules.matching.memory import DECISIONS_MAX, Memory, Told, known_of
from schemas.access import AccessEvent
from schemas.alert import EventRef
from schemas.decision import Decision

WAITING_MAX: Final = 20_000
"""Accesses of one partition that may wait, 1 KB each, before no more are read: decisions are read on, so that the wait
ends. Nothing is judged early or dropped."""

PEOPLE_MAX: Final = 50_000
"""People of one partition after which those without a decision are forgotten. What is lost with them is only that an
access was judged lately: one that is repeated is judged once more, to the same alert id."""


_KINDS: Final = {kind.id: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An access that waits for the decisions beside it to be known."""

    event: AccessEvent
    ref: EventRef
    offset: int
    appended_at: int
    handle: Callable[[], None] | None
    """To be called by whoever asked, when what came of it is stored."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An access and what came of it."""

    access: Waiting
    compared: Compared
    repeated: bool = False
    """Whether it is a repetition of one that was judged lately."""


class Matcher:
    """Matches one partition.

    Args:
        comparer: compares one access with one person's decisions.
        touched: told of each person whose memory changed.
    """

    def __init__(self, comparer: Comparer, touched: Callable[[str], None] = lambda _: None) -> None:
        self.comparer, self._touched = comparer, touched
        self.people: dict[str, Memory] = {}
        self._waiting: deque[Waiting] = deque()
        self._again: list[Judged] = []
        """Read again after a kill, with what was found of them before it."""
        self.said_to = 0
        """Offset below which it is stored which accesses gave which alerts: whoever commits says so."""
        self._last = 0
        """Append time of the last access: where producers set it, a later one may say an earlier."""
        self._ends: list[tuple[int, str, str]] = []
        """When a decision is forgotten, whose it is, and which."""
        self.matched = 0
        """Accesses that belong to a decision."""
        self.crowded = 0
        """Decisions that were forgotten while they were live: one person had more than `DECISIONS_MAX`."""

    def adopt(self, comparer: Comparer) -> None:
        """Compare so from now on: by another policy."""
        self.comparer = comparer

    @property
    def waiting(self) -> int:
        """How many accesses wait."""
        return len(self._waiting)

    @property
    def decisions(self) -> int:
        """How many decisions are remembered."""
        return len(self._ends)

    @property
    def full(self) -> bool:
        """Whether no more accesses should be read before decisions are."""
        return len(self._waiting) >= WAITING_MAX

    def restore(self, person: str, memory: Memory) -> None:
        """Put a saved memory in its place, where it is newer than what is there."""
        before = self.people.get(person)
        if before is None or memory.order > before.order:
            self.people[person] = memory
            for each in memory.decisions.values():
                heapq.heappush(self._ends, (self._kept(each), person, each.decision_id))

    def decide(self, decision: Decision, offset: int, appended_at: int) -> None:
        """Take a decision. One that is known already keeps its count."""
        memory = self._memory(decision.person)
        if offset <= memory.decided_to:
            return
        memory.decided_to = offset
        if decision.decision_id not in memory.decisions:
            found = memory.decisions[decision.decision_id] = known_of(decision, appended_at)
            heapq.heappush(self._ends, (self._kept(found), decision.person, decision.decision_id))
            if len(memory.decisions) > DECISIONS_MAX:
                del memory.decisions[next(iter(memory.decisions))]
                self.crowded += 1
        elif decision.effect == "deny" and (before := memory.decisions[decision.decision_id]).denied_at is None:
            before.denied_at = appended_at  # it was not stored in time, and a denial was answered
        self._touched(decision.person)

    def access(
        self,
        event: AccessEvent,
        ref: EventRef,
        offset: int,
        appended_at: int,
        handle: Callable[[], None] | None = None,
    ) -> bool:
        """Take an access; return whether it comes back from `advance`. One that needs no decision does not."""
        memory = self.people.get(event.person)
        if memory is not None and offset <= memory.judged_to:  # read again after a restart: it has counted
            told = memory.told.get(offset)
            if told is not None:
                access = Waiting(event, ref, offset, appended_at, handle)
                self._again.append(Judged(access, _found_before(told, memory)))
            return told is not None
        if not self.comparer.concerns(event):
            return False
        self._last = max(self._last, appended_at)
        self._waiting.append(Waiting(event, ref, offset, self._last, handle))
        return True

    def due(self) -> int | None:
        """Return to when decisions must be known for the next access to be judged; None where none waits."""
        return self._waiting[0].appended_at + self.comparer.gateway.wait if self._waiting else None

    def advance(self, known_to: int, read_to: int) -> Iterator[Judged]:
        """Judge what can be.

        Args:
            known_to: every decision that was appended until then has been taken, milliseconds.
            read_to: the same of accesses: nothing that only earlier ones could need is kept.
        """
        again, self._again = self._again, []
        yield from again
        wait = self.comparer.gateway.wait
        while self._waiting and self._waiting[0].appended_at + wait <= known_to:
            access = self._waiting.popleft()
            memory = self._memory(access.event.person)
            memory.judged_to = access.offset
            self._touched(access.event.person)
            if memory.repeated(content_of(access.event)):
                yield Judged(access, Compared(None), repeated=True)
                continue
            compared = self.comparer.compare(access.event, memory, access.appended_at)
            self.matched += compared.decision is not None
            if compared.findings:
                memory.told = {at: told for at, told in memory.told.items() if at >= self.said_to}
                memory.told[access.offset] = _told(compared)
            yield Judged(access, compared)
        self._forget(min(known_to, self._waiting[0].appended_at if self._waiting else read_to))

    def _forget(self, now: int) -> None:
        """Forget decisions that no access can need any more, and people of whom nothing is left."""
        while self._ends and self._ends[0][0] < now:
            _, person, decision_id = heapq.heappop(self._ends)
            memory = self.people.get(person)
            if memory is None:
                continue
            memory.decisions.pop(decision_id, None)
            self._touched(person)
        if len(self.people) > PEOPLE_MAX:
            self.people = {name: memory for name, memory in self.people.items() if memory.decisions}

    def idle(self, person: str) -> bool:
        """Whether there is nothing to save of a person: no decision is left."""
        memory = self.people.get(person)
        return memory is None or not memory.decisions

    def _memory(self, person: str) -> Memory:
        memory = self.people.get(person)
        if memory is None:
            memory = self.people[person] = Memory()
        return memory

    def _kept(self, decision: object) -> int:
        return kept_until(decision, self.comparer.gateway.valid_for)  # type: ignore[arg-type]


def _told(compared: Compared) -> Told:
    decision = "" if compared.decision is None else compared.decision.decision_id
    return Told(decision, tuple((each.kind.id, each.sentence) for each in compared.findings))


def _found_before(told: Told, memory: Memory) -> Compared:
    found = (Finding(_KINDS[kind], sentence) for kind, sentence in told.findings if kind in _KINDS)
    return Compared(memory.decisions.get(told.decision_id), tuple(found))


def content_of(event: AccessEvent) -> int:
    """Return a hash of what makes two records the same access."""
    # What is absent is `UNSET`, which no text is; the separator is in no identifier (`schemas.codec` refuses NUL).
    return xxh3_64_intdigest(
        f"{event.event_id}\0{event.person}\0{event.occurred_at}\0{event.dataset_id}\0{event.action}\0"
        f"{event.decision_id}\0{event.session_id}\0{event.source_ip}\0{event.device_country}\0{event.destination}\0"
        f"{event.ticket}\0{event.record_count}\0{event.subject_ids}\0{event.purpose}\0{event.view}".encode()
    )
