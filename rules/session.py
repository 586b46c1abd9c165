"""Judging a stream: the one path that the worker and `replay` share. Time is passed in; nothing here does I/O.

The usual event costs a decode and the look-up of a verdict that still holds. A verdict is a pure function of facts that
change only at known moments, so a clean one is remembered under what the event's person, place and dataset mean
(`rules/meaning.py`) and serves whoever does the same; what is found, hidden, failed or waited for is judged anew
each time. `memo=False` judges every event in full and must give the same alerts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from msgspec import UNSET
from xxhash import xxh3_64_intdigest

from rules.facts import ALWAYS_READ, EVENT_FIELDS
from rules.habits.across import Across
from rules.habits.peers import EndedDay, Peers
from rules.habits.watch import BehaviourWatch
from rules.haul import Describe, Haul, Message, Pending, Tally, heard
from rules.judge import Judge, Verdict
from rules.knowledge import RECENT_MAX, Person
from rules.meaning import Meanings
from rules.report import DATASET, report
from rules.shadow import as_shadow, live_of, shadow_of
from schemas.alert import Alert, JudgedWith
from schemas.codec import ACCESS
from schemas.errors import BadRecordError

WAITING_MAX: Final = 10_000
"""Events that may wait for a directory row at once, 64 KiB each at most. Beyond it they are judged at once as
unknown: so many unknown names at once are a directory that is not being fed, not a row that is late."""

VERDICTS_MAX: Final = 262_144
"""Clean verdicts remembered: every combination of meanings that a company's work comes to, at some 300 bytes each."""

GATES_EVERY_MS: Final = 60_000
"""How often silent gateways are looked for where a session judges alone."""

BY_MEANING: Final = frozenset({"ticket", "source_ip", "device_country", "dataset_id"})
"""Fields that have too many values to remember a verdict for each: what they mean is part of its key instead."""


class Session:
    """Judges messages in order, batch by batch."""

    def __init__(
        self,
        judge: Judge,
        *,
        describe: Describe,
        provenance: Callable[[], JudgedWith],
        partition_of: Callable[[str], int] | None = None,
        memo: bool = True,
        patient: bool = True,
        touched: Callable[[str, int], None] | None = None,
        alone: bool = True,
    ) -> None:
        """Take a judge.

        Args:
            judge: judges by a policy.
            describe: says where a message came from.
            provenance: says what is judged with.
            partition_of: where a person's records belong; None where there are no partitions.
            memo: whether verdicts are remembered while they hold.
            patient: whether events wait for directory rows; False where the directories stand still.
            touched: told of every habit that changes and its partition, where habits are kept.
            alone: whether what is seen only across people is judged here; False where workers share the people.
        """
        self.knowledge = judge.joiner.knowledge
        self.describe = describe
        self.provenance = provenance
        self.memo = memo
        self.patient = patient
        self._partition_of = partition_of
        self._waiting: dict[str, deque[Pending]] = {}
        self._waiting_count = 0
        self._seen_change = -1
        self._told: set[str] = set()
        self._alone = alone
        self._ended: list[EndedDay] = []
        self.peers = Peers(None if alone else self._ended.append)
        self.across = Across(provenance)
        self.touched = touched
        self.adopt(judge)

    def adopt(self, judge: Judge) -> None:
        """Judge by another policy or table from now on: at a batch's boundary, as the caller makes sure."""
        self.judge = judge
        self.policy = judge.policy
        self.across.adopt(self.policy)
        self._behaviour = (
            None
            if self.policy.behaviour is None
            else BehaviourWatch(self.policy, self.knowledge, self.peers, self.describe, self.provenance, self.touched)
        )
        reads = ALWAYS_READ.union(*(rule.reads for rule in judge.rules)) & EVENT_FIELDS.keys()
        fields = {name for read in reads for name in EVENT_FIELDS[read]} | {"dataset_id", "action"}
        self._key = attrgetter(*sorted(fields - BY_MEANING))
        self._tickets = {
            name: self.policy.ticket_patterns[name].fullmatch
            for name, purpose in self.policy.purposes.items()
            if purpose.ticket
        }
        self._begin_anew()

    def _begin_anew(self) -> None:
        """Forget every verdict and everything that is numbered."""
        self.knowledge.forget_verdicts()
        self._meanings = Meanings(self.judge.joiner)
        self._verdicts: dict[Any, tuple[int, int, Tally]] = {}

    def forget(self) -> None:
        """Give up everything remembered of the partitions: they are read again, here or elsewhere."""
        self.knowledge.forget_ids()
        self.knowledge.forget_habits()
        self._waiting.clear()
        self._waiting_count = 0
        self._told.clear()

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return self._waiting_count

    def take(self, messages: Iterable[Message], clock: int, partition: int = -1, token: Any = None) -> Haul:
        """Judge a batch of one partition.

        Args:
            messages: in the order of the log.
            clock: the wall clock, milliseconds.
            partition: which partition it is; -1 where there are none.
            token: handed back in `Haul.released` for every event that had to wait, once it is judged.
        """
        if self._meanings.full:
            self._begin_anew()
        haul = Haul()
        decode, people, stranger = ACCESS.decode_canonical, self.knowledge.people, self.knowledge.stranger
        datasets, waiting, partition_of = self.knowledge.datasets, self._waiting, self._partition_of
        key_of, tickets, memo, meanings, verdicts = self._key, self._tickets, self.memo, self._meanings, self._verdicts
        ahead, late, behaviour = self.policy.clock_ahead, self.policy.late, self._behaviour
        gates: list[tuple[str, int, str]] = []
        hits: list[Tally] = []
        count, delay = hits.append, haul.delays.append
        duplicates = now = 0
        for message in messages:
            now = message.timestamp
            try:
                event, canonical = decode(message.value)
            except BadRecordError as error:
                haul.bad.append((message, error))
                continue
            kind = event.principal_type
            name: str = event.employee_id if kind is UNSET or kind == "employee" else event.principal_id  # type: ignore[assignment]  # held by the codec
            person = people.get(name) or stranger(name)
            if person.partition != partition and partition_of is not None:
                if person.partition < 0:
                    person.partition = partition_of(name)
                if person.partition != partition:
                    haul.misplaced.append((message, name))
                    continue
            at = event.occurred_at
            early = at - now
            if not -late <= early <= ahead:
                if early > 0:
                    haul.ahead += 1
                else:
                    haul.late += 1
            if waiting and name in waiting:
                if self._waiting_count < WAITING_MAX:
                    self._hold(Pending(message, event, xxh3_64_intdigest(canonical), token, 0), name, haul)
                    continue
                # Too many wait: what this person waits for is judged now, or it would come after this in their habit.
                haul.overflowed += len(waiting[name])
                self._release(name, clock, haul, last_chance=True)
            if event.gateway_id is not UNSET:
                gates.append((event.gateway_id, now, name))
            # Which access is it: a new one, a repetition, or another under a used id?
            recent = person.recent
            if recent is None:
                recent = person.recent = {}
            mark = hash(event.event_id)
            content = xxh3_64_intdigest(canonical)
            before = recent.get(mark)
            if before is None:
                if len(recent) >= RECENT_MAX:
                    del recent[next(iter(recent))]
                recent[mark] = content
                if memo:
                    where = event.dataset_id, event.source_ip, event.device_country
                    whose = person.meaning
                    scene = None if whose is None else whose.scenes.get(where)
                    if (
                        scene is None
                        or not scene[1] <= at < scene[2]
                        or scene[0] is not datasets.get(where[0])  # a row of the dataset came
                    ):
                        scene = meanings.scene(person, at, where)
                    asked = tickets.get(event.purpose)  # type: ignore[arg-type]  # UNSET is in no table
                    if asked is None:
                        ticket: Any = None
                    elif event.ticket is UNSET:
                        ticket = UNSET
                    else:
                        ticket = asked(event.ticket) is not None
                    key: Any = scene[3], ticket, key_of(event)
                    holds = verdicts.get(key)
                    if holds is not None and holds[0] <= at < holds[1]:
                        count(holds[2])
                        delay(clock - at)
                        if behaviour is not None:
                            behaviour.observe(message, name, person, event, scene.setting, clock, haul)
                        continue
                else:
                    key = None
                pending = Pending(message, event, content, token, 0, identified=True)
                self._judge(pending, name, person, key, clock, haul)
            elif content in (before, recent.get(mark ^ content)):
                duplicates += 1
            else:
                _note(recent, mark ^ content, content)
                pending = Pending(message, event, content, token, 0, identified=True, reused=True)
                self._judge(pending, name, person, None, clock, haul)
        haul.duplicates += duplicates
        for counted, number in Counter(hits).items():
            haul.tally[counted] = haul.tally.get(counted, 0) + number
        haul.memo_hits += len(hits)
        haul.judged += len(hits)
        if behaviour is not None:
            self._across(haul, gates, now, clock)
        return haul

    def _across(self, haul: Haul, gates: Sequence[tuple[str, int, str]], now: int, clock: int) -> None:
        """Judge what is seen only across people, or hand it on."""
        if not self._alone:
            haul.days, self._ended[:] = self._ended[:], []
            haul.heard = heard(gates, self.knowledge.home)
            return
        across, alerts = self.across, list[Alert]()
        for visit in haul.visits:
            alerts += filter(None, [across.visit(visit, clock)])
        for _, minute in groupby(gates, lambda each: each[1] // GATES_EVERY_MS):
            some = list(minute)
            alerts += across.silent(some[0][1], clock)
            alerts += filter(None, [across.heard(each, clock) for each in heard(some, self.knowledge.home)])
        alerts += across.silent(now, clock)
        across.hand_over(alerts, haul)
        if alerts:
            haul.alerts = _in_order(haul.alerts)
        haul.visits = []

    def remember(self, message: Message) -> None:
        """Take note of the event id of a record that was judged before, by this worker or another."""
        try:
            event, canonical = ACCESS.decode_canonical(message.value)
        except BadRecordError:
            return
        pending = Pending(message, event, xxh3_64_intdigest(canonical), None, 0)
        self._repeated(pending, self.knowledge.find(event.person))

    def retry(self, clock: int, *, all_now: bool = False) -> Haul | None:
        """Judge what waited long enough or knows more now; None where nothing can have changed.

        `all_now` judges everything that waits, as unknown where need be (the end of a file).
        """
        waiting = self._waiting
        if not waiting:
            return None
        changed = self.knowledge.changed != self._seen_change
        if not (changed or all_now or any(queue[0].deadline <= clock for queue in waiting.values())):
            return None
        self._seen_change = self.knowledge.changed
        haul = Haul()
        for name in list(waiting):
            self._release(name, clock, haul, last_chance=all_now)
        if self._behaviour is not None:
            self._across(haul, (), 0, clock)
        return haul

    def _release(self, name: str, clock: int, haul: Haul, *, last_chance: bool) -> None:
        """Judge what waits of a person, in order; what still has to wait waits on, with everything behind it."""
        waiting = self._waiting
        queue = waiting.pop(name)
        self._waiting_count -= len(queue)
        person = self.knowledge.find(name)
        while queue:
            pending = queue.popleft()
            if not pending.identified and self._repeated(pending, person):
                haul.duplicates += 1
                haul.released.append(pending.token)
                continue
            before = haul.held
            self._judge(pending, name, person, None, clock, haul, last_chance=last_chance)
            if haul.held > before:
                haul.held = before
                waiting[name].extend(queue)
                self._waiting_count += len(queue)
                return
            haul.released.append(pending.token)

    def _repeated(self, pending: Pending, person: Person) -> bool:
        """Look at the id of an event that waited behind another: whether it is a mere repetition."""
        if person.recent is None:
            person.recent = {}
        mark = hash(pending.event.event_id)
        before = person.recent.get(mark)
        pending.identified = True
        if pending.content in (before, person.recent.get(mark ^ pending.content)):
            return True
        pending.reused = before is not None
        _note(person.recent, mark if before is None else mark ^ pending.content, pending.content)
        return False

    def _hold(self, pending: Pending, name: str, haul: Haul) -> None:
        self._waiting.setdefault(name, deque()).append(pending)
        self._waiting_count += 1
        haul.held += 1

    def _judge(
        self,
        pending: Pending,
        name: str,
        person: Person,
        key: Any,
        clock: int,
        haul: Haul,
        *,
        last_chance: bool = False,
    ) -> None:
        """Judge one event in full: alert, remember, or let it wait."""
        event, message = pending.event, pending.message
        verdict = self.judge.judge(event, person, reused=pending.reused)
        if verdict.missing and self.patient and not last_chance:
            if not pending.deadline:
                # A producer may set a record's time as it likes: none makes it wait longer than from now on.
                pending.deadline = min(message.timestamp, clock) + self.policy.facts_grace
            if pending.deadline > clock:
                if self._waiting_count < WAITING_MAX:
                    self._hold(pending, name, haul)
                    return
                haul.overflowed += 1
        facts = verdict.facts
        counted = (facts.place.place_class.value, facts.sensitivity, facts.outcome)
        haul.tally[counted] = haul.tally.get(counted, 0) + 1
        haul.judged += 1
        haul.delays.append(clock - event.occurred_at)
        for hidden in verdict.exempted:
            what = hidden.finding.rule.id, hidden.exemption.id
            haul.exempted[what] = haul.exempted.get(what, 0) + 1
        for granted in verdict.approved:
            haul.approved[granted.finding.rule.id] = haul.approved.get(granted.finding.rule.id, 0) + 1
        for failure in verdict.failures:
            haul.failures[failure.rule.id] = haul.failures.get(failure.rule.id, 0) + 1
        if not verdict.clean:
            self._tell(verdict, message, clock, haul)
        if key is not None and _holds(verdict):
            if len(self._verdicts) >= VERDICTS_MAX:
                self._verdicts.clear()
            self._verdicts[key] = (verdict.law_since, verdict.law_until, counted)
        if self._behaviour is not None:
            scene = self._meanings.scene(person, facts.at, (event.dataset_id, event.source_ip, event.device_country))
            self._behaviour.observe(message, name, person, event, scene.setting, clock, haul)

    def _tell(self, verdict: Verdict, message: Message, clock: int, haul: Haul) -> None:
        """Make alerts; one about a version of a dataset only once."""
        for shadow, part in ((False, live_of(verdict, self.policy)), (True, shadow_of(verdict, self.policy))):
            if part is None:
                continue
            alerts = report(
                part,
                self.describe(message, verdict.facts.event),
                now=message.timestamp,
                detected_at=clock,
                judged_with=self.provenance(),
                policy=self.policy,
            )
            for each in alerts:
                alert = as_shadow(each) if shadow else each
                if alert.family == DATASET:
                    if alert.alert_id in self._told:
                        continue
                    self._told.add(alert.alert_id)
                (haul.shadow if shadow else haul.alerts).append(alert)


def _in_order(alerts: list[Alert]) -> list[Alert]:
    """Return alerts in the order of their events; one that is about none stays behind the one before it."""
    timed, latest = [], 0
    for alert in alerts:
        latest = alert.facts.get("appended_at", latest)
        timed.append((latest, alert))
    return [alert for _, alert in sorted(timed, key=lambda each: each[0])]


def _note(recent: dict[int, int], mark: int, content: int) -> None:
    """Keep an id with its content (under the id's hash; further contents under both hashes), and drop the oldest."""
    if len(recent) >= RECENT_MAX:
        del recent[next(iter(recent))]
    recent[mark] = content


def _holds(verdict: Verdict) -> bool:
    """Whether a verdict may be remembered: nothing was found, hidden, approved, failed or waited for.

    Approvals only take findings away, so what is clean without one is clean whatever is approved or withdrawn.
    """
    return verdict.clean and not (verdict.missing or verdict.exempted or verdict.approved)


def judged_alone(session: Session, messages: Sequence[Message], clock: int) -> list[Alert]:
    """Judge a whole list at once, waiting for nothing: for files and tests."""
    haul = session.take(messages, clock)
    rest = session.retry(clock, all_now=True)
    return haul.alerts + (rest.alerts if rest else [])
