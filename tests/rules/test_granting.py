"""Approvals and the judge: what one covers, on which times, and what it never overrides."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rules.cases import DAY, HOUR, T
from rules.gateway.granting import Access, Grant, covering, span
from rules.gateway.section import GatewayPolicy
from rules.judge import Verdict
from rules.knowledge import Knowledge
from schemas.access import Action
from schemas.approval import Approval, Signed
from schemas.codec import ACCESS
from tests.rules.streams import INDIAN, access, badge, complete, dataset, judge, knowing, line, policy

GATEWAY = """
[gateway]
break_glass = { roles = ["reader"] }
"""


def approval(**fields: Any) -> Approval:
    """An approval for an hour before and after the accesses, of everything."""
    whole: dict[str, Any] = {
        "approval_id": "a-1",
        "person": "e-1",
        "datasets": ("*",),
        "actions": get_args(Action),
        "until": T + HOUR,
        "requested": Signed(by="ann", at=T - DAY),
        "approved": Signed(by="bob", at=T - HOUR),
        **fields,
    }
    return Approval(**whole)


def gateway(more: str = GATEWAY) -> GatewayPolicy:
    """The `[gateway]` of a policy."""
    found = policy(more).gateway
    assert found is not None
    return found


def abroad(*approvals: Approval, more: str = GATEWAY, **fields: Any) -> Verdict:
    """The verdict on somebody in India who reads what is closed there."""
    knowledge = knowing([*complete("e-1"), badge("IN", valid_from=T - HOUR), dataset("users")])
    for each in approvals:
        knowledge.approve(each)
    event = ACCESS.decode_canonical(line(access(source_ip=INDIAN, **fields), 0).value)[0]
    return judge(knowledge, more).judge(event, knowledge.find(event.person))


def found(verdict: Verdict) -> set[str]:
    """Ids of the rules that found something."""
    return {finding.rule.id for finding in verdict.findings}


def covered(verdict: Verdict) -> set[str]:
    """Ids of the rules whose finding an approval covers."""
    return {granted.finding.rule.id for granted in verdict.approved}


def test_what_is_approved_is_no_finding() -> None:
    before, after = abroad(), abroad(approval())
    assert "place.third_country" in found(before)
    assert not after.findings
    assert after.clean
    assert covered(after) == found(before)
    assert {granted.approval for granted in after.approved} == {approval()}


@pytest.mark.parametrize(
    "other",
    [
        {"person": "e-2"},
        {"datasets": ("log*",)},
        {"actions": ("export",)},
        {"purpose": "audit"},
        {"ticket": "T-2"},
        {"until": T},
        {"withdrawn": Signed(by="bob", at=T)},
        {"withdrawn": Signed(by="bob", at=T - 2 * HOUR)},
        {"refused": Signed(by="bob", at=T - HOUR)},
        {"approved": None},
        {"approved": Signed(by="bob", at=T + 1)},
        {"approved": Signed(by="bob", at=T - 12 * HOUR), "until": T + DAY},
        {"break_glass": True},
    ],
)
def test_an_approval_of_anything_else_covers_nothing(other: dict[str, Any]) -> None:
    assert found(abroad(approval(**other))) == found(abroad())


@pytest.mark.parametrize(
    "same",
    [
        {"datasets": ("logs", "use*")},
        {"purpose": "support"},
        {"ticket": "T-1"},
        {"until": T + 1},
        {"approved": Signed(by="bob", at=T)},
        {"withdrawn": Signed(by="bob", at=T + 1)},
        {"approved": Signed(by="bob", at=T - 12 * HOUR + 1), "until": T + DAY},
    ],
)
def test_an_approval_holds_from_its_first_to_its_last_millisecond(same: dict[str, Any]) -> None:
    assert not abroad(approval(**same)).findings


def test_only_an_employee_is_approved() -> None:
    guest: dict[str, Any] = {"principal_type": "external", "principal_id": "e-1", "employee_id": None}
    assert found(abroad(approval(), **guest)) == found(abroad(**guest)) != set()


def test_without_a_gateway_in_the_policy_no_approval_counts() -> None:
    assert found(abroad(approval(), more="")) == found(abroad(more=""))


def test_rules_that_no_approval_overrides() -> None:
    never = '\n[gateway]\napprovals = { never = ["place.third_country"] }\n'
    assert found(abroad(approval(), more=never)) == {"place.third_country"}


def test_a_dataset_in_the_wrong_place_is_told_whoever_may_read_it() -> None:
    knowledge = knowing([*complete("e-1"), dataset("users", site="sin-1", site_country="SG")])
    knowledge.approve(approval())
    event = ACCESS.decode_canonical(line(access(), 0).value)[0]
    verdict = judge(knowledge, GATEWAY).judge(event, knowledge.find("e-1"))
    assert found(verdict) == {"dataset.outside_perimeter"}


def test_break_glass_hides_nothing_and_is_told() -> None:
    taken = approval(break_glass=True, approved=Signed(by="e-1", at=T - HOUR + 1))
    verdict = abroad(taken)
    assert found(verdict) == found(abroad())
    assert verdict.break_glass == taken
    assert abroad(approval(break_glass=True)).break_glass is None, "an hour is the longest: it ended with this access"


def test_break_glass_is_shorter_than_an_approval() -> None:
    grant = span(approval(break_glass=True, until=T + 9 * HOUR), gateway())
    assert grant is not None
    assert grant.until - grant.since == HOUR
    assert span(approval(break_glass=True), gateway("\n[gateway]\n")) is None, "a policy without break-glass has none"


def test_a_verdict_holds_no_longer_than_what_is_granted() -> None:
    verdict = abroad(approval(), approval(approval_id="a-2", until=T + 1), approval(approval_id="a-3", datasets=("x",)))
    assert (verdict.since, verdict.until) == (T - HOUR, T + 1)
    before = abroad(approval(approved=Signed(by="bob", at=T + 5)))
    assert before.until == T + 5


def test_knowledge_replaces_forgets_and_counts() -> None:
    knowledge = Knowledge()
    knowledge.approve(approval(approved=None))
    assert knowledge.changed == 0, "nothing that is judged depends on it"
    knowledge.approve(approval())
    knowledge.approve(approval(approval_id="a-2"))
    knowledge.approve(withdrawn := approval(withdrawn=Signed(by="bob", at=T)))
    person = knowledge.find("e-1")
    assert person.approvals == {"a-2": approval(approval_id="a-2"), "a-1": withdrawn}
    person.meaning = "known"
    knowledge.revoke("a-2")
    assert person.meaning is None
    assert list(knowledge.approvals()) == [withdrawn]
    knowledge.revoke("a-1")
    knowledge.revoke("a-1")
    assert person.approvals is None


@given(
    st.lists(
        st.builds(
            approval,
            approval_id=st.sampled_from(["a-1", "a-2", "a-3"]),
            until=st.integers(T - 2, T + 3),
            approved=st.one_of(st.none(), st.builds(Signed, by=st.just("bob"), at=st.integers(T - 3, T + 2))),
            withdrawn=st.one_of(st.none(), st.builds(Signed, by=st.just("bob"), at=st.integers(T - 3, T + 2))),
            break_glass=st.booleans(),
        ),
        max_size=4,
    ),
    st.integers(T - 4, T + 4),
)
def test_covered_is_what_holds_at_that_time_in_whatever_order(approvals: list[Approval], at: int) -> None:
    asked = Access("e-1", "users", "read", None, None)
    answer = covering(approvals, asked, gateway(), at)
    assert answer == covering(reversed(approvals), asked, gateway(), at) or _twice(approvals)
    holds = [each for each in approvals if each.approved and each.approved.at <= at < each.ends]
    assert (answer is None) == (not holds)
    if answer is not None:
        assert answer in holds
        assert not answer.break_glass or all(each.break_glass for each in holds)


def _twice(approvals: list[Approval]) -> bool:
    return len({each.approval_id for each in approvals}) < len(approvals)


def test_no_record_makes_a_grant_longer_than_may_be() -> None:
    endless = replace(approval(), until=T + 400 * DAY)
    assert span(endless, gateway()) == Grant(endless, T - HOUR, T + 11 * HOUR)
