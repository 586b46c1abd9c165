"""Decisions under approvals and break-glass: what they override, what they never do, and that they end with them."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from agents.gateway.answers import refused_unrecorded
from rules.cases import HOUR, T
from rules.catalogue import RULES
from rules.gateway import sentences
from rules.knowledge import Knowledge
from schemas.approval import Approval, Signed
from schemas.decision import Decision, Obligations
from tests.gateway.points import GATEWAY, decided, point, request
from tests.gateway.test_agreement import NOT_ASKED, POLICIES, World, agrees
from tests.rules.streams import access, badge, complete, dataset, employee, knowing
from tests.rules.test_properties import CHANGES, PEOPLE, SAYS, TIMES

pytest.importorskip("rules.gateway.granting")

MINUTE = HOUR // 60
GLASS = GATEWAY + '[gateway.break_glass]\nroles = ["reader"]\nlongest = "1h"\n'
ABROAD = [*complete("e-1"), dataset("users"), badge("IN", valid_from=T - HOUR)]


def approval(name: str = "a-1", **fields: Any) -> Approval:
    """An approval of what e-1 may not do otherwise, from a minute ago for ten more."""
    given: dict[str, Any] = {
        "approval_id": name,
        "person": "e-1",
        "datasets": ("use*",),
        "actions": ("read",),
        "until": T + 10 * MINUTE,
        "requested": Signed(by="e-1", at=T - 2 * MINUTE),
        "approved": Signed(by="e-2", at=T - MINUTE),
        **fields,
    }
    return Approval(**given)


def record(*approvals: Approval, rows: Any = ABROAD, more: str = "", at: int = T, **fields: Any) -> Decision:
    """The decision on reading users' data from abroad."""
    knowledge: Knowledge = knowing(rows)
    for each in approvals:
        knowledge.approve(each)
    return decided(point(knowledge, more, gateway=GLASS), request(**fields), at).record


def rules_of(decision: Decision) -> list[str]:
    return [reason.rule_id for reason in decision.reasons]


def test_an_approval_opens_what_is_closed_names_itself_and_ends_it() -> None:
    knowledge = knowing(ABROAD)
    knowledge.approve(approval())
    answer = decided(point(knowledge), request(), T)
    assert answer.record.effect == "allow"
    assert answer.record.approval_id == "a-1"
    assert not answer.record.break_glass
    assert rules_of(answer.record) == ["place.third_country"], "what was overridden"
    assert answer.record.expires_at == T + 10 * MINUTE
    assert answer.sentence == f"{sentences.ALLOWED} {sentences.APPROVED}"


def test_a_decision_names_every_approval_that_it_rests_on() -> None:
    """Break-glass for what no approval overrides, an approval for the rest: without either it had been a denial."""
    moved = [*ABROAD, dataset("users", site="sin-1", site_country="SG", valid_from=T - HOUR)]
    glass = approval("a-2", break_glass=True)
    allowed = record(approval(), glass, rows=moved)
    assert (allowed.effect, allowed.break_glass) == ("allow", True)
    assert (allowed.approval_id, allowed.approvals) == ("a-2", ("a-2", "a-1"))
    assert record(approval(), rows=moved).effect == "deny"
    denied = refused_unrecorded(allowed)
    assert (denied.approval_id, denied.approvals) == ("", ())
    old = msgspec.json.decode(msgspec.json.encode(allowed))
    del old["approvals"]
    assert msgspec.convert(old, Decision).rests_on == ("a-2",)
    assert record().rests_on == ()


def test_an_approval_that_is_not_needed_is_not_named() -> None:
    at_home = record(approval(), rows=ABROAD[:-1])
    assert (at_home.effect, at_home.approval_id, at_home.reasons) == ("allow", "", ())


def test_an_approval_of_what_is_tolerated_anyway_is_not_named_and_ends_nothing() -> None:
    tolerant = GATEWAY.replace("[gateway]", '[gateway]\ntolerates = ["place.third_country"]')
    knowledge = knowing(ABROAD)
    knowledge.approve(approval(until=T + HOUR))
    allowed = decided(point(knowledge, gateway=tolerant), request(), T).record
    assert (allowed.effect, allowed.approval_id, allowed.reasons) == ("allow", "", ())


@pytest.mark.parametrize(
    "given",
    [
        approval(approved=None),
        approval(refused=Signed(by="e-2", at=T - 1)),
        approval(withdrawn=Signed(by="e-2", at=T)),
        approval(until=T),
        approval(person="e-2"),
        approval(datasets=("logs",)),
        approval(actions=("list",)),
        approval(approved=Signed(by="e-2", at=T + 1)),
    ],
    ids=["only asked for", "refused", "withdrawn", "over", "another's", "other data", "another action", "to come"],
)
def test_an_approval_that_does_not_hold_opens_nothing(given: Approval) -> None:
    denied = record(given)
    assert (denied.effect, denied.approval_id) == ("deny", "")
    assert rules_of(denied) == ["place.third_country"]


def test_a_withdrawal_to_come_ends_the_decision() -> None:
    assert record(approval(withdrawn=Signed(by="e-2", at=T + MINUTE))).expires_at == T + MINUTE


def test_a_denial_does_not_outlive_the_beginning_of_an_approval() -> None:
    assert record(approval(approved=Signed(by="e-2", at=T + 5))).expires_at == T + 5


@pytest.mark.parametrize("glass", [False, True])
def test_what_no_approval_overrides_stays_closed(glass: bool) -> None:
    gone = [*ABROAD, employee(status="terminated", valid_from=T - HOUR)]
    denied = record(approval(break_glass=glass), rows=gone)
    assert (denied.effect, denied.approval_id, denied.break_glass) == ("deny", "", False)
    assert "employee.inactive" in rules_of(denied)


CONDITION = """
[[gateway.conditions]]
name = "archived"
sentence = "Archived."
when = { "resource.status" = "archived" }
[[gateway.obligations]]
places = ["third_country"]
pseudonymised = true
row_limit = 5
"""


@pytest.mark.parametrize("glass", [False, True])
def test_conditions_and_obligations_hold_under_an_approval_and_under_break_glass(glass: bool) -> None:
    allowed = record(approval(break_glass=glass), more=CONDITION)
    assert (allowed.effect, allowed.break_glass) == ("allow", glass)
    assert allowed.obligations == Obligations(pseudonymised=True, row_limit=5)
    archived = {"resource": {"status": "archived"}}
    denied = record(approval(break_glass=glass), more=CONDITION, properties=archived)
    assert (denied.effect, denied.conditions, denied.approval_id) == ("deny", ("archived",), "")
    assert not denied.break_glass


def test_break_glass_allows_in_spite_of_findings_and_says_so() -> None:
    knowledge = knowing(ABROAD)
    knowledge.approve(approval("g-1", break_glass=True))
    answer = decided(point(knowledge, gateway=GLASS), request(purpose=None), T)
    assert (answer.record.effect, answer.record.break_glass, answer.record.approval_id) == ("allow", True, "g-1")
    assert rules_of(answer.record) == ["place.third_country", "purpose.not_allowed"]
    assert answer.record.expires_at == T + 10 * MINUTE
    assert answer.sentence == f"{sentences.ALLOWED} {sentences.GLASS}"


def test_an_approval_of_another_comes_before_break_glass() -> None:
    allowed = record(approval("g-1", break_glass=True), approval("a-1"))
    assert (allowed.approval_id, allowed.break_glass) == ("a-1", False)


def test_without_break_glass_in_the_policy_there_is_none() -> None:
    knowledge = knowing(ABROAD)
    knowledge.approve(approval(break_glass=True))
    assert decided(point(knowledge, gateway=GATEWAY), request(), T).record.effect == "deny"


def test_decisions_agree_with_verdicts_under_approvals_too() -> None:
    """As `test_agreement`, with approvals that come and go; what break-glass let through is found by the stream."""
    random = Random(3)
    met: dict[str, int] = {"approved": 0, "glass": 0, "deny": 0, "allow": 0}
    for _ in range(300):
        changes = [(random.choice(("row", "tombstone")), each) for each in random.sample(CHANGES, 3)]
        world = World(changes, POLICIES[random.choice(sorted(POLICIES))], RULES)
        when = random.choice(TIMES)
        for number in range(random.randrange(4)):
            since = when + random.choice((-HOUR, -MINUTE, -1, 0, 1))
            ends = since + random.choice((1, MINUTE, HOUR, 9 * HOUR))
            world.knowledge.approve(
                approval(
                    f"a-{number}",
                    person=random.choice(("e-1", "e-2", "e-3")),
                    datasets=(random.choice(("*", "*", "users", "lo*")),),
                    actions=random.choice((("read",), ("read", "export", "delete", "grant"))),
                    until=ends,
                    approved=Signed(by="e-9", at=since),
                    withdrawn=random.choice((None, None, Signed(by="e-9", at=since + MINUTE))),
                    break_glass=random.random() < 0.4,
                )
            )
        for _ in range(4):
            differs = random.sample(sorted(set(SAYS) - NOT_ASKED), random.choice((0, 1, 2)))
            fields = access(
                occurred_at=when,
                **{name: random.choice(SAYS[name]) for name in differs},
                **random.choice(PEOPLE[:3]),
            )
            decision = agrees(world, fields, random.choice((None, "archived")), random.random()).record
            met[decision.effect] += 1
            met["glass"] += decision.break_glass
            met["approved"] += bool(decision.approval_id) and not decision.break_glass
    assert min(met.values()) > 20, met
