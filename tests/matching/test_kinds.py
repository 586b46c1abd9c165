"""Each kind: what fires, what does not, and the boundary."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rules.catalogue import RULE_IDS
from rules.matching.covering import CLOCKS_MS
from rules.matching.elsewhere import CHUNK, Elsewhere
from rules.matching.gateways import UNUSED_LEAST, Gateways
from rules.matching.matcher import Matcher
from rules.matching.memory import Memory, known_of, restore, save
from rules.policy import parse
from schemas.alert import EventRef
from schemas.approval import Approval, Signed
from tests.matching.world import MINUTE, POLICY, T, access, comparer_of, decision, found, policy_of


def kinds_of(event: dict[str, Any], *decisions: Any, **world: Any) -> list[str]:
    return found([access(**event)], list(decisions), comparer_of(**world)).get("e-1", ["not looked at"])


NAMED = {"decision_id": "d-1"}


@pytest.mark.parametrize("event", [{}, NAMED], ids=["unnamed", "named"])
def test_what_was_decided_is_not_told(event: dict[str, Any]) -> None:
    assert kinds_of(event, decision()) == []


@pytest.mark.parametrize("event", [{}, NAMED], ids=["unnamed", "named"])
def test_without_any_decision_it_is_a_bypass(event: dict[str, Any]) -> None:
    assert kinds_of(event) == ["gateway.bypass"]


@pytest.mark.parametrize(
    ("event", "looked_at"),
    [
        ({"dataset_id": "vault-mail"}, True),
        ({"dataset_id": "vault-stats"}, False),
        ({"dataset_id": "open-users"}, False),
        ({"dataset_id": "unheard-of"}, True),
        ({"outcome": "denied"}, False),
        ({"outcome": "error"}, False),
        ({"employee_id": None, "principal_type": "service", "principal_id": "etl"}, False),
        ({"employee_id": None, "principal_type": "external", "principal_id": "guest"}, True),
    ],
    ids=["allowable", "public", "not behind a gateway", "unknown dataset", "denied", "error", "service", "external"],
)
def test_only_what_must_pass_needs_a_decision(event: dict[str, Any], *, looked_at: bool) -> None:
    assert kinds_of(event) == (["gateway.bypass"] if looked_at else ["not looked at"])


@pytest.mark.parametrize(
    ("event", "against"),
    [
        (NAMED, "gateway.denied_yet_done"),
        ({}, "gateway.denied_yet_done"),
        ({"session_id": "s-2"}, "gateway.bypass"),
        ({"occurred_at": T + 15 * MINUTE + 1}, "gateway.bypass"),
    ],
    ids=["named", "unnamed", "another session's denial says nothing", "long after the denial"],
)
def test_denied_yet_done(event: dict[str, Any], against: str) -> None:
    assert kinds_of(event, decision(effect="deny", uses=0)) == [against]


@pytest.mark.parametrize("named", [{}, NAMED], ids=["unnamed", "named"])
def test_an_allow_that_was_answered_as_a_denial_is_one(named: dict[str, Any]) -> None:
    """The decision point's correction: the last record of an id says what the gateway was answered."""
    allowed = decision()
    assert kinds_of(named, allowed, decision(effect="deny", uses=0)) == ["gateway.denied_yet_done"]
    assert kinds_of(named, decision(effect="deny", uses=0), allowed) == ["gateway.denied_yet_done"], (
        "never the other way"
    )


def test_a_live_allow_stands_before_a_denial() -> None:
    denied = decision("d-2", effect="deny", uses=0, decided_at=T + 10)
    assert kinds_of({}, decision(), denied) == []


@pytest.mark.parametrize("named", [{}, NAMED], ids=["unnamed", "named"])
@pytest.mark.parametrize(
    ("after", "kinds"), [(0, []), (CLOCKS_MS, []), (CLOCKS_MS + 1, ["gateway.expired"]), (MINUTE, ["gateway.expired"])]
)
def test_expired(named: dict[str, Any], after: int, kinds: list[str]) -> None:
    assert kinds_of({"occurred_at": T + 15 * MINUTE + after, **named}, decision()) == kinds


def test_expired_long_ago_is_told_while_the_id_is_remembered() -> None:
    elsewhere = Elsewhere(3_600_000)
    elsewhere.add("d-1", "ann", T)
    late = {"occurred_at": T + 40 * MINUTE, **NAMED}
    assert kinds_of(late, decision(), elsewhere=elsewhere) == ["gateway.expired"]
    assert kinds_of(late, decision()) == ["gateway.bypass"]


@pytest.mark.parametrize(
    ("event", "granted", "kinds"),
    [
        ({"dataset_id": "vault-mail", **NAMED}, {}, ["gateway.wider"]),
        ({"dataset_id": "vault-mail"}, {}, ["gateway.bypass"]),
        ({"action": "export", **NAMED}, {}, ["gateway.wider"]),
        ({"action": "export"}, {}, ["gateway.wider"]),
        ({"action": "list"}, {}, []),
        ({"action": "query"}, {}, ["gateway.wider"]),
        ({"action": "read"}, {"action": "list"}, ["gateway.wider"]),
        ({"record_count": 100}, {"obligations": {"row_limit": 100}}, []),
        ({"record_count": 101}, {"obligations": {"row_limit": 100}}, ["gateway.wider"]),
        ({"subject_ids": ["a", "b"]}, {"obligations": {"row_limit": 1}}, ["gateway.wider"]),
        ({"subject_ids": ["a", "b"], "record_count": 1}, {"obligations": {"row_limit": 1}}, ["gateway.wider"]),
        ({"subject_ids": ["a"], "record_count": 2}, {"obligations": {"row_limit": 1}}, ["gateway.wider"]),
        ({"subject_ids": ["a"], "record_count": 1}, {"obligations": {"row_limit": 1}}, []),
        ({}, {"obligations": {"row_limit": 1}}, []),
        ({"ticket": "T-1"}, {"obligations": {"ticket": True}, "ticket": "T-1"}, []),
        ({}, {"obligations": {"ticket": True}, "ticket": "T-1"}, ["gateway.wider"]),
        ({"ticket": "T-2"}, {"obligations": {"ticket": True}, "ticket": "T-1"}, ["gateway.wider"]),
        ({"ticket": "T-2"}, {"ticket": "T-1"}, ["gateway.wider"]),
        ({"ticket": "T-2", **NAMED}, {"ticket": "T-1"}, ["gateway.wider"]),
        ({"ticket": "T-2"}, {}, []),
        ({}, {"ticket": "T-1"}, []),
        ({"destination": "sin-1"}, {"destination": "dub-2"}, ["gateway.wider"]),
        ({"destination": "dub-2"}, {"destination": "dub-2"}, []),
        ({}, {"destination": "dub-2"}, []),
        ({"view": "clear"}, {"obligations": {"pseudonymised": True}}, ["gateway.wider"]),
        ({"view": "pseudonymised"}, {"obligations": {"pseudonymised": True}}, []),
        ({}, {"obligations": {"pseudonymised": True}}, []),
        ({"view": "clear"}, {}, []),
    ],
)
def test_wider(event: dict[str, Any], granted: dict[str, Any], kinds: list[str]) -> None:
    assert kinds_of(event, decision(**granted)) == kinds


@pytest.mark.parametrize("named", [{}, NAMED], ids=["unnamed", "named"])
@pytest.mark.parametrize(
    ("event", "decided", "kinds"),
    [
        ({"purpose": "support"}, {"purpose": "support"}, []),
        ({"purpose": "marketing"}, {"purpose": "support"}, ["gateway.other_purpose"]),
        ({}, {"purpose": "support"}, []),
        ({"purpose": "marketing"}, {}, []),
    ],
    ids=["the same", "another", "the access does not say", "the decision does not say"],
)
def test_other_purpose(named: dict[str, Any], event: dict[str, Any], decided: dict[str, Any], kinds: list[str]) -> None:
    assert kinds_of({**event, **named}, decision(**decided)) == kinds


def test_an_unnamed_access_is_of_the_decision_for_its_purpose_and_its_ticket() -> None:
    made = [
        decision("d-1", purpose="support", ticket="T-1"),
        decision("d-2", purpose="support", ticket="T-2", decided_at=T + 5),
        decision("d-3", purpose="billing", ticket="T-1", decided_at=T + 9),
    ]
    comparer = comparer_of()
    matcher = Matcher(comparer)
    for offset, each in enumerate(made):
        matcher.decide(each, offset, each.decided_at)
    event = access(purpose="support", ticket="T-1")
    matcher.access(event, EventRef(event_id="e-1"), 0, event.occurred_at)
    (judged,) = matcher.advance(T * 2, T * 2)
    assert judged.compared.decision is not None
    assert judged.compared.decision.decision_id == "d-1"
    assert judged.compared.findings == ()


@pytest.mark.parametrize(
    ("event", "granted", "unknown"),
    [
        ({}, {"obligations": {"row_limit": 100}}, True),
        ({"subject_ids": []}, {"obligations": {"row_limit": 100}}, True),
        ({"record_count": 0}, {"obligations": {"row_limit": 100}}, False),
        ({"subject_ids": ["a"]}, {"obligations": {"row_limit": 100}}, False),
        ({}, {}, False),
        ({}, {"obligations": {"row_limit": 100}, "effect": "deny", "uses": 0}, False),
    ],
    ids=["says none", "an empty list", "says zero", "a list", "without a limit", "denied"],
)
@pytest.mark.parametrize("told", [False, True])
def test_rows_that_are_not_said_under_a_limit(
    event: dict[str, Any], granted: dict[str, Any], *, unknown: bool, told: bool
) -> None:
    """They are counted, and told only where the policy asks for it: not every data plane can count."""
    policy = parse(
        POLICY.replace('wait = "500ms"', 'wait = "500ms"\nrows_unsaid = "tell"' if told else ""), "p.toml", RULE_IDS
    )
    matcher = Matcher(comparer_of(policy))
    matcher.decide(decision(**granted), 0, T)
    one = access(**event)
    matcher.access(one, EventRef(event_id="e-1"), 0, one.occurred_at)
    (judged,) = matcher.advance(T * 2, T * 2)
    assert judged.compared.rows_unsaid is unknown
    kinds = {each.kind.id for each in judged.compared.findings} - {"gateway.denied_yet_done"}
    assert kinds == ({"gateway.wider"} if unknown and told else set())


def test_what_an_older_program_saved_is_read() -> None:
    """A decision that was saved before purposes were kept has none: nothing is said of it."""
    memory = Memory()
    memory.decisions["d-1"] = known_of(decision(), T)
    saved = msgspec.msgpack.decode(save(memory))
    assert [saved[3][0].pop() for _ in range(3)] == [[], "", False], "approvals, purpose and view come last"
    assert saved.pop() == {}, "what is not said yet as well"
    assert restore(msgspec.msgpack.encode(saved)).decisions == memory.decisions


def test_somebody_elses_decision() -> None:
    elsewhere = Elsewhere(3_600_000)
    elsewhere.add("d-9", "bob", T)
    event = {"decision_id": "d-9"}
    assert kinds_of(event, decision(), elsewhere=elsewhere) == ["gateway.other_person"]
    assert kinds_of(event, decision()) == ["gateway.bypass"]


@pytest.mark.parametrize(
    ("event", "decided", "kinds"),
    [
        ({"session_id": "s-2", **NAMED}, {}, ["gateway.other_session"]),
        ({"session_id": "s-2"}, {}, ["gateway.other_session"]),
        ({"session_id": None, **NAMED}, {}, []),
        ({"session_id": None}, {}, []),
        ({"session_id": "s-2"}, {"session_id": ""}, []),
    ],
)
def test_other_session(event: dict[str, Any], decided: dict[str, Any], kinds: list[str]) -> None:
    assert kinds_of(event, decision(**decided)) == kinds


DUBLIN, SINGAPORE = "87.32.0.1", "8.128.0.1"


@pytest.mark.parametrize(
    ("event", "decided", "kinds"),
    [
        ({}, {}, []),
        ({"device_country": "IE"}, {}, []),
        ({"device_country": "SG"}, {}, ["gateway.other_country"]),
        ({"device_country": "SG"}, {"country": ""}, []),
        ({"device_country": "SG"}, {"country": "SG", "device_country": "SG"}, []),
        ({}, {"country": "SG", "device_country": "SG"}, []),
    ],
    ids=["says nothing", "the same", "another", "nothing was known", "as decided", "left out as decided"],
)
def test_other_country(event: dict[str, Any], decided: dict[str, Any], kinds: list[str]) -> None:
    assert kinds_of(event, decision(**decided)) == kinds


def test_an_address_of_another_country_counts_whatever_the_device_said_then() -> None:
    comparer = comparer_of()
    countries = {address: comparer.joiner.origin(address).country for address in (DUBLIN, SINGAPORE)}
    assert countries[DUBLIN] == "IE"
    assert countries[SINGAPORE] not in {None, "IE"}
    made = decision(source_ip=DUBLIN, device_country="IE")
    assert found([access(source_ip=SINGAPORE)], [made], comparer) == {"e-1": ["gateway.other_country"]}
    assert found([access(source_ip=DUBLIN)], [made], comparer) == {"e-1": []}


def test_overused_is_told_at_the_first_and_at_each_doubling() -> None:
    events = [access(f"e-{number}", decision_id="d-1") for number in range(1, 31)]
    told = found(events, [decision()])
    assert [name for name, kinds in told.items() if kinds] == ["e-6", "e-10", "e-20"]
    assert {kind for kinds in told.values() for kind in kinds} == {"gateway.overused"}


def test_what_is_repeated_counts_once() -> None:
    assert not any(found([access()] * 30, [decision()]).values())


def test_an_unnamed_access_uses_the_decision_that_is_not_used_up() -> None:
    events = [access(f"e-{number}") for number in range(1, 11)]
    assert not any(found(events, [decision(), decision("d-2", decided_at=T + 5)]).values())


APPROVED = Approval(
    approval_id="a-1",
    person="ann",
    datasets=("vault-*",),
    actions=("read",),
    until=T + 60 * MINUTE,
    requested=Signed(by="ann", at=T - MINUTE),
    approved=Signed(by="carol", at=T - 1),
)


@pytest.mark.parametrize(
    ("approval", "kinds"),
    [
        (APPROVED, []),
        (None, ["gateway.approval_missing"]),
        ({"approved": None}, ["gateway.approval_missing"]),
        ({"refused": Signed(by="carol", at=T), "approved": None}, ["gateway.approval_missing"]),
        ({"withdrawn": Signed(by="carol", at=T + 1_000)}, ["gateway.approval_missing"]),
        ({"withdrawn": Signed(by="carol", at=T + 1_001)}, []),
        ({"person": "bob"}, ["gateway.approval_missing"]),
        ({"until": T - 1_000}, ["gateway.approval_missing"]),
    ],
    ids=["approved", "unknown", "requested", "refused", "withdrawn", "withdrawn after", "somebody else's", "ended"],
)
def test_approval(approval: Any, kinds: list[str]) -> None:
    if isinstance(approval, dict):
        fields = {name: getattr(APPROVED, name) for name in APPROVED.__struct_fields__}
        approval = Approval(**{**fields, **approval})
    known = {} if approval is None else {"a-1": approval}
    assert kinds_of({}, decision(approval_id="a-1"), approvals=known) == kinds


def test_every_approval_of_a_decision_is_looked_at() -> None:
    both = decision(approval_id="a-1", approvals=("a-1", "a-2"))
    other = msgspec.structs.replace(APPROVED, approval_id="a-2")
    gone = msgspec.structs.replace(other, withdrawn=Signed(by="carol", at=T + 500))
    assert kinds_of({}, both, approvals={"a-1": APPROVED, "a-2": other}) == []
    for approvals in ({"a-1": APPROVED}, {"a-2": other}, {"a-1": APPROVED, "a-2": gone}, {}):
        assert kinds_of({}, both, approvals=approvals) == ["gateway.approval_missing"]
    memory = Memory()
    memory.decisions["d-1"] = known_of(both, T)
    assert restore(save(memory)).decisions["d-1"].rests_on == ("a-1", "a-2")


def test_what_was_saved_before_has_one_approval() -> None:
    memory = Memory()
    memory.decisions["d-1"] = known_of(decision(approval_id="a-1"), T)
    whole = msgspec.msgpack.decode(save(memory))
    whole[3] = [each[:-1] for each in whole[3]]
    assert restore(msgspec.msgpack.encode(whole)).decisions["d-1"] == memory.decisions["d-1"]


def test_several_findings_stand_together() -> None:
    event = {"session_id": "s-2", "record_count": 9, "device_country": "SG", **NAMED}
    assert kinds_of(event, decision(obligations={"row_limit": 5})) == [
        "gateway.wider",
        "gateway.other_session",
        "gateway.other_country",
    ]


def test_the_policy_turns_a_kind_off() -> None:
    off = policy_of('[rules."gateway.bypass"]\nenabled = false\n')
    assert kinds_of({}, policy=off) == []


def test_an_access_long_before_its_decision_was_not_decided_on() -> None:
    made = decision(decided_at=T + 10_000)
    events = [access(decision_id="d-1", occurred_at=T)]
    comparer = comparer_of()
    matcher = Matcher(comparer)
    matcher.decide(made, 0, T + 10_000)
    matcher.access(events[0], EventRef(event_id="e-1"), 0, T + 10_100)
    (judged,) = matcher.advance(T * 2, T * 2)
    assert [each.kind.id for each in judged.compared.findings] == ["gateway.bypass"]


def test_ids_are_remembered_for_as_long_as_they_are_said_to_be() -> None:
    elsewhere = Elsewhere(kept=1_000)
    for number in range(3 * CHUNK):
        elsewhere.add(f"d-{number}", "ann", number // 100)
    assert elsewhere.whose(f"d-{3 * CHUNK - 1}", "ann") == "theirs"
    assert elsewhere.whose(f"d-{3 * CHUNK - 1}", "bob") == "another's"
    assert elsewhere.whose(f"d-{CHUNK + 7}", "ann") == "theirs", "sorted pieces are looked through"
    assert elsewhere.whose("d-none", "ann") == "nobody's"
    for number in range(3 * CHUNK, 6 * CHUNK):
        elsewhere.add(f"d-{number}", "ann", 10_000)
    assert elsewhere.whose("d-0", "ann") == "nobody's"
    assert len(elsewhere) <= 4 * CHUNK


AFTER = {"gw": 3_600_000}


def test_a_gateway_that_goes_quiet_is_told_once_and_resolved() -> None:
    gateways = Gateways()
    assert gateways.look(T, AFTER, 0) == [], "never heard"
    gateways.decided("gw", T, allow=False)
    assert gateways.look(T + 3_599_999, AFTER, 0) == []
    (told,) = gateways.look(T + 3_600_000, AFTER, 0)
    assert (told.kind.id, told.since, told.over) == ("gateway.quiet", T, False)
    assert gateways.look(T + 4_000_000, AFTER, 0) == []
    gateways.decided("gw", T + 4_100_000, allow=False)
    (told,) = gateways.look(T + 4_100_001, AFTER, 0)
    assert (told.since, told.over) == (T, True)


def test_a_gateway_whose_decisions_see_no_access() -> None:
    gateways = Gateways()
    for number in range(UNUSED_LEAST):
        gateways.decided("gw", T + number, allow=True)
    assert gateways.look(T + 3_500_000, AFTER, 0) == []
    gateways.decided("gw", T + 3_600_000, allow=False)
    (told,) = gateways.look(T + 3_600_000, AFTER, 0)
    assert (told.kind.id, told.since, told.over) == ("gateway.no_access", T, False)
    gateways.accessed("gw", T + 3_700_000)
    assert [each.over for each in gateways.look(T + 3_700_001, AFTER, 0)] == [True]


def test_a_gateway_with_accesses_is_not_told() -> None:
    gateways = Gateways()
    for number in range(100):
        gateways.decided("gw", T + number * MINUTE, allow=True)
        gateways.accessed("gw", T + number * MINUTE + 1)
    assert gateways.look(T + 100 * MINUTE, AFTER, 0) == []
