"""Any interleaving of both topics within the bound, with kills at any moment, finds what the run in order does."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.matching.compare import Comparer
from rules.matching.elsewhere import Elsewhere
from rules.matching.matcher import Matcher
from rules.matching.memory import restore, save
from schemas.access import AccessEvent
from schemas.alert import EventRef
from schemas.decision import Decision
from schemas.fields import TIME_MAX
from tests.matching.world import T, access, comparer_of, decision

R = TypeVar("R")
Log = list[tuple[R, int]]
"""A partition: records with their append times, in order."""

WAIT = 500
ROUND = 10_000
"""Between two decisions of one person: none is made within `wait` after an access of the round before."""
PEOPLE = ("ann", "bob", "cid")


def made(random: Random, rounds: int) -> tuple[Log[Decision], Log[AccessEvent]]:
    """Decisions and accesses, each appended up to `wait` after it was made or done; some accesses beside a decision."""
    decisions: Log[Decision] = []
    accesses: Log[AccessEvent] = []
    for number in range(rounds):
        for person in PEOPLE:
            at = T + number * ROUND
            name, dataset = f"d-{person}-{number}", random.choice(["vault-users", "vault-mail", "vault-x"])
            effect = "deny" if random.random() < 0.2 else "allow"
            one = decision(
                name,
                person=person,
                decided_at=at,
                expires_at=at + random.choice([3_000, 60_000]),
                dataset_id=dataset,
                effect=effect,
                session_id=random.choice(["", "s-1", "s-2"]),
                uses=random.choice([1, 3, 100]),
            )
            if random.random() < 0.85:
                decisions.append((one, at + random.randint(0, WAIT)))
            for use in range(random.randint(0, 5)):
                done = at + random.randint(1, 4_500)
                event = access(
                    f"e-{person}-{number}-{use}",
                    employee_id=person,
                    occurred_at=done,
                    dataset_id=random.choice([dataset, dataset, dataset, "vault-users", "vault-mail"]),
                    action=random.choice(["read", "read", "list", "export"]),
                    session_id=random.choice([None, "s-1", "s-2"]),
                    decision_id=random.choice([None, name, name, f"d-{random.choice(PEOPLE)}-{number}"]),
                )
                appended = done + random.randint(0, WAIT)
                accesses += [(event, appended)] * (2 if random.random() < 0.1 else 1)
    return sorted(decisions, key=lambda each: each[1]), sorted(accesses, key=lambda each: each[1])


class Driver:
    """Reads both logs as the process does: at any pace, with commits and kills."""

    def __init__(self, decisions: Log[Decision], accesses: Log[AccessEvent]) -> None:
        self.decisions, self.accesses = decisions, accesses
        elsewhere = Elsewhere(TIME_MAX)
        for one, appended in decisions:
            elsewhere.add(one.decision_id, one.person, appended)
        self.comparer: Comparer = comparer_of(elsewhere=elsewhere)
        self.saved: dict[str, bytes] = {}
        self.committed = (0, 0)
        self.told: dict[str, list[str]] = {}
        self.claimed: set[str] = set()
        """Whose alerts are named by what is said of the offsets, when these are committed."""
        self.begin()

    def begin(self) -> None:
        self.matcher = Matcher(self.comparer)
        for person, saved in self.saved.items():
            self.matcher.restore(person, restore(saved))
        self.decided, self.read = self.committed
        self.given: dict[int, str] = {}

    def decide(self, count: int) -> None:
        for offset in range(self.decided, min(self.decided + count, len(self.decisions))):
            one, appended = self.decisions[offset]
            self.matcher.decide(one, offset, appended)
            self.decided = offset + 1

    def access(self, count: int) -> None:
        for offset in range(self.read, min(self.read + count, len(self.accesses))):
            event, appended = self.accesses[offset]
            self.matcher.access(event, EventRef(event_id=event.event_id), offset, appended)
            self.read = offset + 1

    def advance(self) -> None:
        for judged in self.matcher.advance(to(self.decisions, self.decided), to(self.accesses, self.read)):
            kinds = sorted(each.kind.id for each in judged.compared.findings)
            if kinds:
                event_id = judged.access.event.event_id
                self.given[judged.access.offset] = event_id
                assert self.told.setdefault(event_id, kinds) == kinds, "told again as something else"

    def commit(self, *, whole: bool) -> None:
        """Save memories, then commit offsets; a kill in between leaves the offsets of before."""
        waiting = [each.offset for each in self.matcher._waiting]
        waiting += [each.access.offset for each in self.matcher._again]
        self.saved = {name: save(memory) for name, memory in self.matcher.people.items() if memory.decisions}
        if whole:
            self.committed = self.decided, min([*waiting, self.read])
            self.claimed |= {name for offset, name in self.given.items() if offset < self.committed[1]}
            self.matcher.said_to = self.committed[1]

    def run(self, random: Random, *, kills: bool) -> dict[str, list[str]]:
        for _ in range(10_000):
            if self.decided == len(self.decisions) and self.read == len(self.accesses):
                break
            what = random.random()
            if what < 0.35:
                self.decide(random.randint(1, 20))
            elif what < 0.7:
                self.access(random.randint(1, 20))
            elif what < 0.9:
                self.advance()
            elif kills:
                self.commit(whole=random.random() < 0.5)
                if random.random() < 0.4:
                    self.begin()
        self.advance()
        assert self.matcher.waiting == 0
        self.commit(whole=True)
        assert self.claimed == self.told.keys(), "an alert that nobody would miss"
        return self.told


def to(log: Sequence[tuple[object, int]], position: int) -> int:
    """The time to which a log is read."""
    return log[position][1] - 1 if position < len(log) else TIME_MAX


def in_order(decisions: Log[Decision], accesses: Log[AccessEvent]) -> dict[str, list[str]]:
    """The findings where every decision is recorded when it is made, before anything else is read."""
    at_once = sorted(((one, one.decided_at) for one, _ in decisions), key=lambda each: each[1])
    driver = Driver(at_once, accesses)
    driver.decide(len(decisions))
    driver.access(len(accesses))
    driver.advance()
    return driver.told


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), rounds=st.integers(1, 12))
def test_any_interleaving_within_the_bound_gives_the_findings_of_the_run_in_order(seed: int, rounds: int) -> None:
    random = Random(seed)
    decisions, accesses = made(random, rounds)
    assert Driver(decisions, accesses).run(random, kills=False) == in_order(decisions, accesses)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), rounds=st.integers(1, 12))
def test_kills_at_any_moment_change_nothing(seed: int, rounds: int) -> None:
    random = Random(seed)
    decisions, accesses = made(random, rounds)
    assert Driver(decisions, accesses).run(random, kills=True) == in_order(decisions, accesses)


def test_the_worlds_of_these_tests_have_something_of_everything() -> None:
    """Else the two above would say little."""
    kinds: set[str] = set()
    for seed in range(20):
        decisions, accesses = made(Random(seed), 10)
        kinds |= {kind for told in in_order(decisions, accesses).values() for kind in told}
    assert kinds == {
        "gateway.bypass",
        "gateway.denied_yet_done",
        "gateway.expired",
        "gateway.wider",
        "gateway.other_person",
        "gateway.other_session",
        "gateway.overused",
    }


def test_a_decision_beyond_the_bound_is_none_however_long_ago_it_was_read() -> None:
    event = access(decision_id="d-1", occurred_at=T)
    for late, kinds in ((WAIT, {}), (WAIT + 1, {"e-1": ["gateway.bypass"]})):
        driver = Driver([(decision(decided_at=T), T + late)], [(event, T)])
        driver.decide(1)
        driver.access(1)
        driver.advance()
        assert driver.told == kinds


def test_nothing_is_judged_before_its_decisions_are_known() -> None:
    matcher = Matcher(comparer_of())
    matcher.access(access(), EventRef(event_id="e-1"), 0, T)
    assert matcher.due() == T + WAIT
    assert list(matcher.advance(T + WAIT - 1, T)) == []
    assert len(list(matcher.advance(T + WAIT, T))) == 1


def test_what_is_remembered_is_bounded_by_the_time_that_decisions_are_kept() -> None:
    matcher = Matcher(comparer_of())
    most = 0
    for number in range(20_000):  # 20 a second for 1,000 s, each for 60 s
        at = T + number * 50
        person = f"p-{number % 997}"
        matcher.decide(decision(f"d-{number}", person=person, decided_at=at, expires_at=at + 60_000), number, at)
        matcher.access(
            access(f"e-{number}", employee_id=person, occurred_at=at, decision_id=f"d-{number}"),
            EventRef(event_id=f"e-{number}"),
            number,
            at,
        )
        if number % 100 == 0:
            assert not [each for each in matcher.advance(at, at) if each.compared.findings]
            most = max(most, matcher.decisions)
    assert most <= 20 * (60 + 300) + 200
    matcher.advance(T + 10**9, T + 10**9)
    list(matcher.advance(T + 10**9, T + 10**9))
    assert matcher.decisions == 0
    assert not any(memory.decisions for memory in matcher.people.values())


def test_what_was_counted_before_a_kill_is_not_counted_again() -> None:
    """Also where more was judged since the last commit of offsets than repetitions are remembered."""
    accesses = [(access(f"e-{number}", occurred_at=T + number, decision_id="d-1"), T + number) for number in range(300)]
    driver = Driver([(decision(decided_at=T, uses=200), T)], accesses)
    driver.decide(1)
    driver.access(250)
    driver.advance()
    driver.commit(whole=False)
    driver.begin()
    driver.decide(1)
    driver.access(300)
    driver.advance()
    assert driver.told == {"e-200": ["gateway.overused"]}


def test_a_backlog_of_accesses_finds_its_decisions_however_far_those_are_read() -> None:
    hour = 3_600_000
    decisions = [(decision(f"d-{number}", decided_at=T + number * hour), T + number * hour) for number in range(5)]
    accesses = [(access(f"e-{number}", occurred_at=at + 1, decision_id=f"d-{number}"), at + 1)
                for number, (_, at) in enumerate(decisions)]  # fmt: skip
    driver = Driver(decisions, accesses)
    driver.decide(5)
    driver.advance()
    for _ in range(5):
        driver.access(1)
        driver.advance()
    assert driver.told == {}
