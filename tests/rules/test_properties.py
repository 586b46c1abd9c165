"""What holds for every stream: the memo changes nothing, and neither does the way in which the stream comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.files import Line
from rules.cases import DAY, HOUR, T
from rules.catalogue import RULES
from rules.facts import ALWAYS_READ, EVENT_FIELDS
from rules.haul import Haul
from rules.session import Session
from schemas.access import AccessEvent, Action, Outcome, PrincipalType
from schemas.alert import Alert
from schemas.approval import Approval, Signed
from schemas.codec import parse_row_key, row_key
from schemas.directory import Row
from tests.rules.streams import (
    INDIAN,
    IRISH,
    access,
    badge,
    by_id,
    complete,
    counted,
    dataset,
    employee,
    judge,
    line,
    role,
    row,
    session,
    workload,
)

# What an access may say. Few values, so that events meet each other's verdicts; each field has values that rules tell
# apart, and two that they do not.
SAYS: dict[str, tuple[Any, ...]] = {
    "dataset_id": ("users", "logs", "abroad", "swiss", "nobody's"),
    "action": ("read", "export", "delete", "grant"),
    "outcome": (None, "success", "denied", "error"),
    "source_ip": (None, IRISH, INDIAN, "52.95.110.1", "10.0.0.1", "::ffff:10.0.0.1", "198.51.100.9", "a proxy"),
    "device_country": (None, "IE", "IN", "JP", "US"),
    "destination": (None, "dub-1", "sin-1", "IN", "a friend"),
    "purpose": (None, "support", "audit", "curiosity"),
    "ticket": (None, "T-1", "T-2", "holiday"),
    "view": (None, "clear", "pseudonymised"),
    "session_id": (None, "s"),
    "client": (None, "psql"),
    "record_count": (None, 5),
}
PEOPLE: tuple[dict[str, Any], ...] = (
    {"employee_id": "e-1"},
    {"employee_id": "e-2"},
    {"employee_id": "e-3"},
    {"employee_id": "e-4"},
    {"principal_type": "workload", "principal_id": "proxy", "employee_id": None},
    {"principal_type": "service", "principal_id": "proxy", "employee_id": None},
    {"principal_type": "external", "principal_id": "x-1", "employee_id": None},
    {"principal_type": "employee", "employee_id": "proxy"},
)
TIMES = tuple(T + shift for shift in (0, 1, HOUR, -DAY, -DAY - 1, -2 * DAY, DAY, 40 * DAY, -31 * DAY))

ROWS: tuple[Row, ...] = (
    *complete("e-1"),
    *complete("e-2"),
    employee("e-3"),
    role(who="e-3"),
    dataset("users"),
    dataset("logs", sensitivity="allowable"),
    dataset("abroad", site="sin-1", site_country="SG"),
    dataset("swiss", subject_region="CH", owner="team-ch"),
    workload("proxy"),
)
"""What the directories know from the start."""

CHANGES: tuple[Row, ...] = (
    *ROWS,
    employee("e-1", status="leave", valid_from=T - DAY),
    employee("e-1", employer="clover-us", valid_from=T),
    employee("e-2", employer="clover-in", recorded_at=T),
    badge("IN", "e-1", valid_from=T - HOUR),
    badge("JP", "e-1", evidence="device", valid_from=T - HOUR),
    badge("US", "e-1", evidence="travel", valid_from=T - DAY, valid_until=T + HOUR),
    badge("IE", "e-3", evidence="contract"),
    badge("IN", "e-2", evidence="vpn", valid_from=T),
    badge("GB", "e-2", recorded_at=T),
    role("inside-only", "e-1", valid_from=T - 2 * DAY, valid_until=T),
    role("reader", "e-2", valid_from=T + 1, recorded_at=T),
    role("reader", "e-4"),
    dataset("users", sensitivity="pseudonymised", valid_from=T - DAY),
    dataset("users", site="sin-1", site_country="SG", valid_from=T),
    dataset("logs", sensitivity="allowable", site="sin-1", site_country="SG", recorded_at=T),
    workload("proxy", networks=["198.51.100.0/24"], valid_from=T),
    workload("e-1"),
    row("directory.duties", employee_id="e-1", duty="on_call"),
)

EXEMPTIONS = """
[rules."place.third_country"]
sensitivities = ["restricted"]
[[exemptions]]
id = "move"
rules = ["dataset.outside_perimeter"]
owner = "dpo"
reason = "on its way home"
from = 2026-03-02T10:00:00Z
until = 2026-03-02T10:00:00.001Z
[[exemptions]]
id = "rota"
rules = ["place.third_country", "place.conflict"]
employees = ["e-1", "e-3"]
owner = "dpo"
reason = "rota"
from = 2026-03-02T10:00:00Z
until = 2026-03-02T11:00:00Z
[[exemptions]]
id = "audit"
rules = ["role.none"]
roles = ["inside-only"]
datasets = ["log*"]
owner = "dpo"
reason = "audit"
until = 2026-03-02T10:00:00.001Z
[gateway]
approvals = { longest = "12h", never = ["role.none"] }
break_glass = { roles = ["reader"] }
"""
assert T == 1_772_445_600_000, "the exemptions begin and end at times of the events"


def _approval(number: int, **fields: Any) -> Approval:
    """An approval of everything about the users, for the time of most events."""
    whole: dict[str, Any] = {
        "approval_id": f"a-{number}",
        "person": "e-1",
        "datasets": ("*",),
        "actions": get_args(Action),
        "until": T + HOUR,
        "requested": Signed(by="ann", at=T - DAY),
        "approved": Signed(by="bob", at=T - HOUR),
        **fields,
    }
    return Approval(**whole)


APPROVALS = (
    _approval(1),
    _approval(1, withdrawn=Signed(by="bob", at=T)),
    _approval(1, approved=None),
    _approval(2, until=T + 1, actions=("export", "grant")),
    _approval(3, purpose="audit", ticket="T-1"),
    _approval(4, person="e-2", datasets=("log*", "abroad")),
    _approval(5, person="proxy"),
    _approval(6, until=T + 90 * DAY, approved=Signed(by="bob", at=T - DAY - 1)),
    _approval(7, break_glass=True, person="e-4"),
    _approval(8, person="e-3"),
)
"""What may be granted: each of several bounds, one that is changed under its id, one that outlasts what may be."""


@st.composite
def _accesses(draw: st.DrawFn) -> dict[str, Any]:
    """An access: everything right, but for a field or two."""
    differs = draw(st.lists(st.sampled_from(sorted(SAYS)), max_size=2))
    return access(
        event_id=f"ev-{draw(st.integers(0, 40))}",
        occurred_at=draw(st.sampled_from(TIMES)),
        **{name: draw(st.sampled_from(SAYS[name])) for name in differs},
        **draw(st.sampled_from(PEOPLE)),
    )


steps = st.lists(
    st.one_of(
        st.lists(_accesses(), min_size=1, max_size=8),
        st.tuples(st.sampled_from(["row", "tombstone"]), st.sampled_from(CHANGES)),
        st.tuples(st.sampled_from(["approve", "approve", "revoke"]), st.sampled_from(APPROVALS)),
        st.sampled_from(["policy", "plain policy", "forget", "time"]),
    ),
    min_size=3,
    max_size=14,
)


class _Run:
    """One session that goes through the steps; `hauls` is all that came of it."""

    def __init__(self, *, memo: bool, patient: bool) -> None:
        self.session: Session = session(ROWS, more=EXEMPTIONS, memo=memo, patient=patient)
        self.hauls: list[Haul] = []
        self.offset = 0
        self.clock = T + 50 * DAY

    def step(self, step: Any) -> None:
        """Do one step."""
        knowledge = self.session.knowledge
        if isinstance(step, list):
            batch = [line(each, self.offset + at, self.clock) for at, each in enumerate(step)]
            self.offset += len(batch)
            self.hauls.append(self.session.take(batch, self.clock, token=self.offset))
        elif isinstance(step, tuple):
            what, changed = step
            if what == "row":
                knowledge.apply(changed)
            elif what == "approve":
                knowledge.approve(changed)
            elif what == "revoke":
                knowledge.revoke(changed.approval_id)
            else:
                knowledge.withdraw(changed.topic, parse_row_key(row_key(changed)))
        elif step == "forget":
            self.session.forget()
        elif step == "time":
            self.clock += 6_000
        else:
            self.session.adopt(judge(knowledge, EXEMPTIONS if step == "policy" else ""))
        if haul := self.session.retry(self.clock):
            self.hauls.append(haul)


@given(steps, st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_memo_changes_nothing(steps: list[Any], patient: bool) -> None:
    """Alerts, their order and every count are the same, whatever changes in between."""
    with_memo, without = _Run(memo=True, patient=patient), _Run(memo=False, patient=patient)
    for step in [*steps, "time", "time"]:
        with_memo.step(step)
        without.step(step)
        assert [counted(haul) for haul in with_memo.hauls] == [counted(haul) for haul in without.hauls]
        assert with_memo.session.waiting == without.session.waiting
    assert not any(haul.memo_hits for haul in without.hauls)


def _events(random: Random, count: int) -> list[dict[str, Any]]:
    """People at work: most accesses are right and repeat an earlier one in all that matters, some differ in a field."""
    events = []
    for number in range(count):
        right = random.random() < 0.7
        event = access(
            event_id=f"ev-{random.randrange(10**6)}" if number % 10 else f"ev-{number}",
            occurred_at=random.choice((T - 1, T, T + 1) if right else TIMES),
            dataset_id=random.choice(SAYS["dataset_id"][: 3 if right else None]),
            device_country=random.choice(("IE", "IE", "IN")),
            **random.choice(PEOPLE[:2] if right else PEOPLE),
        )
        if not right:
            name = random.choice(sorted(SAYS))
            event[name] = random.choice(SAYS[name])
        events.append(event)
    return events


@pytest.mark.parametrize("seed", range(3))
def test_the_memo_changes_nothing_of_a_long_stream_that_it_serves(seed: int) -> None:
    random = Random(seed)
    with_memo, without = _Run(memo=True, patient=False), _Run(memo=False, patient=False)
    for _ in range(60):
        step: Any = _events(random, 15)
        if random.random() < 0.2:
            changes = ("row", random.choice(CHANGES)), ("approve", random.choice(APPROVALS))
            step = random.choice(["policy", "plain policy", *changes])
        with_memo.step(step)
        without.step(step)
    assert [counted(haul) for haul in with_memo.hauls] == [counted(haul) for haul in without.hauls]
    judged, hits = (sum(getattr(haul, name) for haul in with_memo.hauls) for name in ("judged", "memo_hits"))
    assert hits > judged / 10, "or a session is compared with itself"


# One field changed between two events that are otherwise the same.

BASES: dict[str, dict[str, Any]] = {
    "an employee in Ireland": access(),
    "an employee who exports": access(action="export", destination="dub-1"),
    "an employee without a badge, from an address": access(employee_id="e-3", source_ip=IRISH, purpose="audit"),
    "a machine": access(
        principal_type="workload", principal_id="proxy", employee_id="e-1", source_ip="10.0.0.1", dataset_id="logs"
    ),
    "a machine's name used by a service": access(principal_type="service", principal_id="proxy", employee_id="e-1"),
    "a denied attempt from India": access(outcome="denied", source_ip=INDIAN, device_country="IN"),
}
VALUES: dict[str, tuple[Any, ...]] = {
    **SAYS,
    "occurred_at": TIMES,
    "event_id": ("ev-2",),
    "employee_id": ("e-1", "e-2", "e-3", "e-4", "proxy"),
    "principal_id": ("proxy", "e-1", "other"),
    "principal_type": (None, *get_args(PrincipalType)),
    "action": get_args(Action),
    "outcome": (None, *get_args(Outcome)),
    "subject_ids": (None, ["s-1"], ["s-2", "s-3"]),
    "bytes": (None, 7),
    "gateway_id": (None, "g"),
    "decision_id": (None, "d"),
    "service_account": (None, "a"),
}


def _judged(events: Iterable[dict[str, Any]], *, memo: bool) -> list[Haul]:
    made = session(ROWS, more=EXEMPTIONS, memo=memo, patient=False)
    return [made.take([line(event, at)], T) for at, event in enumerate(events)]


@pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())
@pytest.mark.parametrize("field", sorted(VALUES))
def test_a_field_that_changes_is_never_judged_by_an_older_verdict(field: str, base: dict[str, Any]) -> None:
    """Every value after every other one, while the verdicts of all the others are remembered."""
    values = [value for value in VALUES[field] if field != "principal_type" or base.get("principal_id") or not value]
    order = [*values, *values, *reversed(values)]
    # Ids of their own, so that none is a repetition of another, but in the field that is the id.
    stream = [{**base, "event_id": f"ev-{at}", field: value} for at, value in enumerate(order)]
    with_memo, without = (_judged(stream, memo=memo) for memo in (True, False))
    for event, one, other in zip(stream, with_memo, without, strict=True):
        assert counted(one) == counted(other), event[field]


def test_every_field_is_tried() -> None:
    assert VALUES.keys() == set(AccessEvent.__struct_fields__)


def test_what_rules_read_is_part_of_what_a_verdict_is_remembered_by() -> None:
    """Two events that differ only in a field that some rule reads are looked up under different keys."""
    read = ALWAYS_READ.union(*(rule.reads for rule in RULES)) & EVENT_FIELDS.keys()
    fields = {name for fact in read for name in EVENT_FIELDS[fact]}
    by_meaning = {"source_ip": (IRISH, INDIAN), "ticket": ("T-1", "holiday")}
    for name in fields:
        one, other = by_meaning.get(name) or [value for value in VALUES[name] if value][:2]
        # The second event comes alone to a session that remembers the first; it is not served from memory.
        base = access(principal_id="e-1", occurred_at=T - 1)
        events = [{**base, name: one}, {**base, name: other, "event_id": "ev-2"}]
        _, second = _judged(events, memo=True)
        assert second.memo_hits == 0, name
    assert fields >= {"source_ip", "ticket", "destination", "device_country", "outcome", "principal_type"}


@pytest.mark.parametrize(
    ("field", "one", "other"), [("source_ip", "10.1.0.1", "10.1.0.2"), ("ticket", "T-1", "T-2"), ("client", "a", "b")]
)
def test_what_means_the_same_is_served_from_memory(field: str, one: str, other: str) -> None:
    events = [access(**{field: one}), access(**{field: other}, event_id="ev-2")]
    _, second = _judged(events, memo=True)
    assert second.memo_hits == 1


# Replay is the stream.

GRACE = 10_000


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[list[Line], dict[int, list[Row]], Random]:
    """Accesses with their append times, what comes late to the directories and when, and a source of chance.

    What comes late is what events wait for: all rows of an employee, of an employee's roles or places, or of a
    dataset, of which none was there. It comes within the waiting time of the first access that needs it.
    """
    random = Random(draw(st.integers(0, 2**32)))
    groups: dict[str, list[Row]] = {}
    for each in ROWS:
        if each.topic != "directory.workloads":  # nobody waits for a machine's networks (`docs/semantics.md`)
            groups.setdefault(f"{each.topic} {each.subject}", []).append(each)
    late = draw(st.lists(st.sampled_from(sorted(groups)), max_size=4, unique=True))
    at = T
    messages = []
    for number in range(draw(st.integers(4, 30))):
        at += random.choice((0, 1, 700, 3_000))
        who = random.choice(PEOPLE)
        event = access(
            event_id=f"ev-{random.randrange(number + 1) if random.random() < 0.2 else number}",
            occurred_at=at - random.choice((0, 0, HOUR, 40 * DAY)),
            dataset_id=random.choice(SAYS["dataset_id"]),
            **who,
        )
        if not any("locations" in name for name in late):
            # An address says where somebody is who has no row of a place: nobody waits then for what may come.
            event["source_ip"] = random.choice(SAYS["source_ip"])
            event["device_country"] = random.choice(SAYS["device_country"])
        messages.append(line(event, number, at))
    arrivals: dict[int, list[Row]] = {}
    for name in late:
        needing = [message.timestamp for message in messages if _needs(message, groups[name][0])]
        when = min(needing, default=at) + random.randrange(GRACE)
        arrivals.setdefault(when, []).extend(groups[name])
    return messages, arrivals, random


def _needs(message: Line, missing: Row) -> bool:
    event = msgspec.json.decode(message.value or b"")
    if missing.topic == "directory.datasets":
        return bool(event["dataset_id"] == missing.subject)
    return missing.subject in {event.get("employee_id"), event.get("principal_id")}


def _replayed(messages: list[Line], late: Iterable[Row]) -> list[Alert]:
    """The verdicts of one run over a file, with directories that know everything."""
    made = session([*_from_start(late), *late], more=EXEMPTIONS, patient=False)
    return made.take(messages, messages[-1].timestamp).alerts


def _from_start(late: Iterable[Row]) -> list[Row]:
    kept = {id(each) for each in late}
    return [each for each in ROWS if id(each) not in kept]


def _streamed(
    messages: list[Line], arrivals: dict[int, list[Row]], random: Random, *, kills: bool
) -> tuple[list[Alert], int]:
    """The verdicts of a stream: partitions in any interleaving, batches of any length, rows when they come.

    With `kills` the session loses its memory now and then, and reads again from the end of what is finished, as the
    ledger says: behind the last batch of which everything before is released.
    """
    late = [each for rows in arrivals.values() for each in rows]
    made = session(_from_start(late), more=EXEMPTIONS)
    todo = sorted(arrivals)
    alerts: list[Alert] = []
    open_parts: Counter[int] = Counter()
    at = killed = 0
    while at < len(messages):
        size = random.choice((1, 1, 2, 3, 7))
        batch = messages[at : at + size]
        clock = batch[-1].timestamp
        while todo and todo[0] <= clock:
            _arrive(made, todo[0], arrivals[todo.pop(0)], alerts, open_parts)
        # The clock of a worker that follows the log: no event waits longer than it may because of a slow test.
        haul = made.take(batch, max(clock, batch[0].timestamp), token=at)
        open_parts[at] += haul.held
        alerts += haul.alerts
        at += len(batch)
        _retried(made, clock, alerts, open_parts)
        assert sum(open_parts.values()) == made.waiting
        if kills and random.random() < 0.15:
            killed += 1
            unfinished = [token for token, parts in open_parts.items() if parts]
            at = min([at, *unfinished])
            made.forget()
            open_parts.clear()
            for message in messages[:at]:
                made.remember(message)
            kills = killed < 4
    for when in todo:
        _retried(made, when, alerts, open_parts)
        _arrive(made, when, arrivals[when], alerts, open_parts)
    _retried(made, messages[-1].timestamp + 2 * GRACE, alerts, open_parts)
    assert made.waiting == 0
    assert not open_parts.total()
    return alerts, killed


def _arrive(made: Session, when: int, rows: Iterable[Row], alerts: list[Alert], open_parts: Counter[int]) -> None:
    for each in rows:
        made.knowledge.apply(each)
    _retried(made, when, alerts, open_parts)


def _retried(made: Session, clock: int, alerts: list[Alert], open_parts: Counter[int]) -> None:
    haul = made.retry(clock)
    if haul is not None:
        alerts += haul.alerts
        open_parts.subtract(haul.released)


@given(_worlds())
@settings(max_examples=50, deadline=None)
def test_the_stream_finds_what_a_replay_finds(world: tuple[list[Line], dict[int, list[Row]], Random]) -> None:
    """Each alert once, with the same content, whatever the batches, and with rows that come late."""
    messages, arrivals, random = world
    late = [each for rows in arrivals.values() for each in rows]
    expected = _replayed(messages, late)
    found, _ = _streamed(messages, arrivals, random, kills=False)
    assert by_id(found) == by_id(expected)
    assert len(found) == len(expected)


@given(_worlds())
@settings(max_examples=30, deadline=None)
def test_a_stream_that_is_read_again_finds_the_same(world: tuple[list[Line], dict[int, list[Row]], Random]) -> None:
    messages, arrivals, random = world
    late = [each for rows in arrivals.values() for each in rows]
    found, _ = _streamed(messages, arrivals, random, kills=True)
    assert by_id(found) == by_id(_replayed(messages, late))


@given(_worlds())
@settings(max_examples=20, deadline=None)
def test_persons_do_not_touch_each_other(world: tuple[list[Line], dict[int, list[Row]], Random]) -> None:
    """In whatever order the partitions come: what is found of one person is the same."""
    messages, _, random = world
    lanes: dict[Any, list[Line]] = {}
    for message in messages:
        event = msgspec.json.decode(message.value or b"")
        kind = event.get("principal_type") or "employee"
        lanes.setdefault(event["employee_id"] if kind == "employee" else event["principal_id"], []).append(message)
    merged: list[Line] = []
    while lanes:
        name = random.choice(sorted(lanes))
        merged.append(lanes[name].pop(0))
        if not lanes[name]:
            del lanes[name]
    assert by_id(_replayed(merged, ())) == by_id(_replayed(messages, ()))
