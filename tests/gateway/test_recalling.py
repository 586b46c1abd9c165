"""What is remembered of clean accesses gives the very decision that weighing anew would give, whatever changes."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from rules.cases import DAY, HOUR, T
from rules.catalogue import RULES
from rules.gateway.decide import DecisionPoint
from rules.gateway.recalling import RECALLED_MAX, Recall
from rules.join import Joiner
from rules.judge import Judge
from rules.knowledge import Knowledge
from rules.policy import Policy
from rules.rule import Rule
from schemas.approval import Approval, Signed
from schemas.codec import parse_row_key, row_key
from schemas.directory import Row
from tests.gateway.test_agreement import BROKEN, POLICIES, _request
from tests.rules.streams import access, badge, complete, dataset, knowing, role
from tests.rules.test_properties import CHANGES, PEOPLE, ROWS, SAYS, TIMES
from tests.rules.world import GEO, LEGAL

POLICY = POLICIES[min(POLICIES)]


class Counting(Judge):
    """Counts what is judged in full."""

    judged = 0

    def judge(self, *asked: Any, **how: Any) -> Any:
        """Judge, and count."""
        self.judged += 1
        return super().judge(*asked, **how)


class Pair:
    """Two decision points over directories that are told the same: one remembers, one does not."""

    def __init__(self, policy: Policy, rules: tuple[Rule, ...], rows: Any) -> None:
        self.directories: list[Knowledge] = [knowing(rows), knowing(rows)]
        self.judges = [Counting(Joiner(policy, each, LEGAL, GEO), rules) for each in self.directories]
        self.remembers, self.anew = (
            DecisionPoint(judge, each, policy, memo=memo)
            for judge, each, memo in zip(self.judges, self.directories, (True, False), strict=True)
        )

    def row(self, changed: Row) -> None:
        """A row comes."""
        for each in self.directories:
            each.apply(changed)

    def tombstone(self, changed: Row) -> None:
        """A row is withdrawn."""
        for each in self.directories:
            each.withdraw(changed.topic, parse_row_key(row_key(changed)))

    def approve(self, given: Approval) -> None:
        """An approval comes."""
        for each in self.directories:
            each.approve(given)

    def decide(self, fields: dict[str, Any], status: str | None = None) -> Any:
        """Decide by both, which must say the same to the last field."""
        asked, now = _request(fields, status), fields["occurred_at"]
        one, other = (
            each.decide(asked, caller="gw-1", now=now, decision_id="d", request_id="r")
            for each in (self.remembers, self.anew)
        )
        assert one == other, fields
        return one

    @property
    def recalled(self) -> int:
        """Decisions that were not judged in full."""
        return self.judges[1].judged - self.judges[0].judged


def _fields(random: Random) -> dict[str, Any]:
    differs = random.sample(sorted(set(SAYS) - {"outcome", "client", "record_count"}), random.choice((0, 1, 1, 2)))
    return access(
        occurred_at=random.choice(TIMES),
        **{name: random.choice(SAYS[name]) for name in differs},
        **random.choice(PEOPLE),
    )


def _approval(random: Random, number: int, at: int) -> Approval:
    return Approval(
        approval_id=f"a-{number}",
        person=random.choice(("e-1", "e-2")),
        datasets=("*",),
        actions=("read", "export", "delete"),
        break_glass=random.random() < 0.3,
        until=at + random.choice((HOUR // 60, HOUR)),
        requested=Signed(by="e-1", at=at - 2),
        approved=Signed(by="e-3", at=at - random.choice((1, HOUR))),
    )


def test_what_is_remembered_decides_as_what_is_weighed_anew() -> None:
    """Any requests at any times in any order, while rows, tombstones and approvals come between them."""
    random = Random(11)
    met: Counter[str] = Counter()
    for world in range(80):
        pair = Pair(
            POLICIES[random.choice(sorted(POLICIES))],
            random.choice((RULES, (*RULES, BROKEN))),
            (*ROWS, role("inside-only", "e-2")),
        )
        asked = [_fields(random) for _ in range(8)]
        for step in range(60):
            change = random.random()
            if change < 0.08:
                pair.row(random.choice(CHANGES))
            elif change < 0.12:
                pair.tombstone(random.choice(CHANGES))
            elif change < 0.14:
                pair.approve(_approval(random, world * 100 + step, random.choice(TIMES)))
            fields = dict(random.choice(asked))
            if random.random() < 0.5:
                fields["occurred_at"] = random.choice((*TIMES, fields["occurred_at"] + random.randrange(2 * DAY)))
            before = pair.recalled
            decided = pair.decide(fields, random.choice((None, "archived", "active")))
            met[f"{decided.record.effect} {'recalled' if pair.recalled > before else 'anew'}"] += 1
    assert met["allow recalled"] > 300, met
    assert met["deny recalled"] > 10, "conditions, tickets and callers are asked anew"
    assert met["deny anew"] > 300, met


READ = access(occurred_at=T, employee_id="e-1", dataset_id="users", action="read")


def _known() -> Pair:
    """Two decision points that were asked the same question twice, and allowed it."""
    pair = Pair(POLICY, RULES, [*complete("e-1"), *complete("e-2"), dataset("users")])
    assert [pair.decide({**READ, "occurred_at": T + late}).record.effect for late in (0, 1)] == ["allow"] * 2
    assert pair.recalled == 1
    return pair


def test_it_serves_whoever_means_the_same() -> None:
    pair = _known()
    assert pair.decide({**READ, "employee_id": "e-2"}).record.person == "e-2"
    assert pair.recalled == 2


def test_a_row_of_the_person_ends_it() -> None:
    pair = _known()
    pair.row(badge("IN", valid_from=T - HOUR))
    assert pair.decide({**READ, "occurred_at": T + 2}).record.effect == "deny"


def test_a_row_of_the_dataset_ends_it() -> None:
    pair = _known()
    pair.tombstone(dataset("users"))
    assert pair.decide({**READ, "occurred_at": T + 2}).record.effect == "deny"


def test_nothing_is_recalled_of_whoever_has_approvals() -> None:
    pair = _known()
    pair.approve(_approval(Random(1), 1, T))
    pair.approve(_approval(Random(2), 2, T))
    for who in ("e-1", "e-2"):
        before = pair.recalled
        pair.decide({**READ, "employee_id": who, "occurred_at": T + 2})
        has = bool(pair.directories[0].people[who].approvals)
        assert (pair.recalled > before) is not has


def test_it_is_bounded(monkeypatch: Any) -> None:
    assert RECALLED_MAX < 100_000
    monkeypatch.setattr("rules.gateway.recalling.RECALLED_MAX", 2)
    pair = _known()
    for purpose in ("support", "investigation", "operations"):
        pair.decide({**READ, "purpose": purpose, "ticket": "T-1"})
    recall = pair.remembers._scales._recall
    assert isinstance(recall, Recall)
    assert len(recall._outcomes) <= 2
