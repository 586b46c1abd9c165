"""The decision point: who may ask, what denies, what is obliged to, until when an answer stands, what is said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rules.cases import DAY, HOUR, T
from rules.catalogue import RULE_IDS, RULES
from rules.gateway import sentences
from rules.gateway.decide import CALLER, DENIAL_KEPT_MS, MISSING, TICKET, DecisionPoint
from rules.gateway.request import BadRequestError, Decider
from rules.join import Joiner
from rules.judge import FAILED, Judge
from rules.knowledge import Knowledge
from rules.rule import Flag, Rule
from schemas.countries import NAMES
from schemas.decision import Decision, Obligations, decode
from schemas.errors import ConfigurationError
from schemas.places import PlaceClass
from tests.gateway.points import certification, decided, point, request
from tests.rules.streams import INDIAN, IRISH, badge, complete, dataset, employee, knowing, policy, role
from tests.rules.world import GEO, LEGAL

ALL = [*complete("e-1"), dataset("users"), dataset("logs", sensitivity="allowable")]


def rules_of(record: Decision) -> list[str]:
    return [reason.rule_id for reason in record.reasons]


def test_what_is_right_is_allowed_and_recorded_as_it_was_asked() -> None:
    asked = request(ip=IRISH, device_country="IE", session_id="s-1", destination="dub-1", action="export")
    answer = decided(point(ALL), asked, T)
    assert answer.record == Decision(
        decision_id="d-1",
        request_id="r-1",
        gateway_id="gw-1",
        effect="allow",
        decided_at=T,
        expires_at=T + 15 * 60_000,
        person="e-1",
        dataset_id="users",
        action="export",
        session_id="s-1",
        purpose="support",
        ticket="T-1",
        source_ip=IRISH,
        device_country="IE",
        destination="dub-1",
        country="IE",
        place_class=PlaceClass.INSIDE,
        policy=answer.record.policy,
        uses=1000,
    )
    assert len(answer.record.policy) == 16
    assert answer.sentence == "Allowed."


def test_a_decision_point_is_a_decider() -> None:
    decider: Decider = point(ALL)
    assert isinstance(decider, DecisionPoint)


def test_a_denial_says_why_to_the_administrator_and_what_to_do_to_the_employee() -> None:
    answer = decided(point([*ALL, badge("IN", valid_from=T - HOUR)]), request(), T)
    assert answer.record.effect == "deny"
    assert rules_of(answer.record) == ["place.third_country"]
    assert "India" in answer.record.reasons[0].sentence
    assert answer.record.uses == 0
    assert answer.record.obligations == Obligations()
    assert answer.sentence == (
        "This data may not be reached from where you are: reach it from inside the perimeter. Or ask for an approval."
    )


def test_reasons_come_with_the_gravest_first() -> None:
    answer = decided(point([*ALL, badge("IN", valid_from=T - HOUR)]), request(purpose=None), T)
    assert rules_of(answer.record) == ["place.third_country", "purpose.not_allowed"]


# Who asks.


@pytest.mark.parametrize(
    ("caller", "which", "effect"),
    [("gw-1", "logs", "allow"), ("gw-logs", "logs", "allow"), ("gw-logs", "users", "deny"), ("gw-9", "logs", "deny")],
)
def test_a_gateway_is_answered_only_about_what_is_behind_it(caller: str, which: str, effect: str) -> None:
    answer = decided(point(ALL), request(dataset=which), T, caller=caller)
    assert answer.record.effect == effect
    assert answer.record.gateway_id == caller
    assert rules_of(answer.record) == ([] if effect == "allow" else [CALLER])
    assert (answer.sentence == sentences.CALLER) == (effect == "deny")


@pytest.mark.parametrize(
    ("caller", "kind", "effect"),
    [("gw-1", "workload", "deny"), ("gw-1", "service", "deny"), ("gw-machines", "workload", "allow"),
     ("gw-machines", "employee", "deny")],
)  # fmt: skip
def test_a_gateway_is_answered_only_about_whom_it_may_ask(caller: str, kind: str, effect: str) -> None:
    """A machine of any name passes rules that look at employees only: it takes a policy that says so."""
    answer = decided(point(ALL), request("proxy" if kind != "employee" else "e-1", kind=kind), T, caller=caller)
    assert answer.record.effect == effect
    assert rules_of(answer.record) == ([] if effect == "allow" else [CALLER])


def test_without_any_gateway_in_the_policy_nobody_is_allowed_anything() -> None:
    assert decided(point(ALL, gateway="[gateway]\n"), request(), T).record.effect == "deny"


def test_a_policy_without_the_section_decides_nothing() -> None:
    with pytest.raises(ConfigurationError, match=r"gateway: the policy has no such section"):
        point(ALL, gateway="")


def test_a_judge_of_other_directories_is_refused() -> None:
    knowledge, whole = knowing(ALL), policy("[gateway]\n")
    judge = Judge(Joiner(whole, Knowledge(), LEGAL, GEO), RULES)
    with pytest.raises(ValueError, match="other directories"):
        DecisionPoint(judge, knowledge, whole)


# What denies besides rules.


def test_whom_no_row_speaks_of_is_denied_and_told_that_rows_may_be_late() -> None:
    answer = decided(point(ALL), request("e-9"), T)
    assert answer.record.effect == "deny"
    assert {"employee.unknown", "role.none", MISSING} <= set(rules_of(answer.record))
    missing = next(reason for reason in answer.record.reasons if reason.rule_id == MISSING)
    assert missing.sentence.startswith("nothing is known yet of: employee, place, roles;")
    assert answer.sentence.endswith(sentences.MISSING)


def test_a_dataset_that_no_row_speaks_of_is_denied() -> None:
    answer = decided(point(ALL), request(dataset="new"), T)
    assert rules_of(answer.record) == ["dataset.unknown", MISSING]


def test_rows_that_are_missing_and_clear_nothing_deny_nobody() -> None:
    """Whoever has only what every employee has: the stream would wait, and find nothing then."""
    rows = [employee(), badge(), dataset("open", sensitivity="public")]
    everybody = '[roles.all]\ndefault = true\n[[roles.all.may]]\nsensitivity = ["public"]\nactions = ["read"]\n'
    assert decided(point(rows, everybody), request(dataset="open"), T).record.effect == "allow"


def test_asking_about_strangers_leaves_no_trace() -> None:
    knowledge = knowing(ALL)
    at = point(knowledge)
    for number in range(20):
        decided(at, request(f"nobody-{number}"), T)
    assert knowledge.known("nobody-0") is None
    assert len(list(knowledge.everybody())) == 1


def _raise(*_: object) -> Flag | None:
    raise KeyError("e-1 would be quoted")


def _extra(rule_id: str, check: Any) -> Rule:
    return Rule(
        id=rule_id, title="t", why="w", example="e", tune="t", reads=frozenset({"action"}), check=check, cases=()
    )


def test_a_rule_that_raises_denies() -> None:
    answer = decided(point(ALL, rules=(*RULES, _extra("test.broken", _raise))), request(), T)
    assert answer.record.effect == "deny"
    assert rules_of(answer.record) == [FAILED]
    assert answer.record.reasons[0].sentence == "the rule test.broken raised KeyError"
    assert answer.sentence == sentences.FAILED


def test_a_rule_in_shadow_denies_nobody_whether_it_finds_or_raises() -> None:
    shadow = '[rules."place.third_country"]\nshadow = true\n'
    abroad = [*ALL, badge("IN", valid_from=T - HOUR)]
    answer = decided(point(abroad, shadow), request(), T)
    assert (answer.record.effect, rules_of(answer.record)) == ("allow", [])
    broken = tuple(_extra(rule.id, _raise) if rule.id == "place.third_country" else rule for rule in RULES)
    assert decided(point(abroad, shadow, rules=broken), request(), T).record.effect == "allow"


def test_what_the_policy_tolerates_denies_nobody() -> None:
    tolerant = '[gateway]\ntolerates = ["purpose.not_allowed"]\n[gateway.gateways.gw-1]\n'
    answer = decided(point(ALL, gateway=tolerant), request(purpose=None), T)
    assert (answer.record.effect, rules_of(answer.record)) == ("allow", [])


# Obligations.

OBLIGED = """
[[gateway.obligations]]
sensitivity = ["allowable"]
pseudonymised = true
row_limit = 100
[[gateway.obligations]]
places = ["inside"]
row_limit = 10
[[gateway.obligations]]
row_limit = 50
[[gateway.obligations]]
sensitivity = ["restricted"]
actions = ["export"]
ticket = true
[[gateway.obligations]]
places = ["third_country"]
row_limit = 1
"""


@pytest.mark.parametrize(
    ("which", "action", "expected"),
    [
        ("logs", "read", Obligations(pseudonymised=True, row_limit=10)),
        ("logs", "export", Obligations(pseudonymised=True, row_limit=10)),
        ("users", "read", Obligations(row_limit=10)),
        ("users", "export", Obligations(row_limit=10, ticket=True)),
    ],
)
def test_the_strictest_of_all_that_match_is_obliged_to(which: str, action: str, expected: Obligations) -> None:
    answer = decided(point(ALL, OBLIGED), request(dataset=which, action=action), T)
    assert answer.record.effect == "allow"
    assert answer.record.obligations == expected
    assert ("pseudonymised" in answer.sentence) == expected.pseudonymised
    assert "At most 10 records at a time." in answer.sentence
    assert ("ticket" in answer.sentence) == expected.ticket


def test_a_denial_obliges_to_nothing() -> None:
    record = decided(point(ALL, OBLIGED), request(dataset="logs", action="delete"), T).record
    assert (record.effect, record.obligations) == ("deny", Obligations())


@pytest.mark.parametrize("ticket", [None, ""])
def test_an_obligation_to_a_ticket_that_was_not_given_denies(ticket: str | None) -> None:
    rows = [*ALL, role("inside-only")]  # a role that asks for no purpose: only the obligation is in the way
    answer = decided(point(rows, OBLIGED), request(action="export", purpose=None, ticket=ticket), T)
    assert (answer.record.effect, rules_of(answer.record)) == ("deny", [TICKET])
    assert answer.sentence == "A ticket is required: ask again with its number."


def test_a_ticket_of_another_form_than_the_purpose_asks_for_is_none() -> None:
    rows = [*ALL, role("inside-only")]
    answer = decided(point(rows, OBLIGED), request(action="export", ticket="holiday"), T)
    assert (answer.record.effect, rules_of(answer.record)) == ("deny", [TICKET])


# Until when.


@pytest.mark.parametrize(
    ("what", "rows", "more"),
    [
        ("a role ends", [role("reader", valid_until=T + 60_000)], ""),
        ("a badge's swipe elsewhere begins", [badge("IN", valid_from=T + 60_000)], ""),
        ("employment ends", [employee(status="terminated", valid_from=T + 60_000)], ""),
        ("the dataset moves", [dataset("users", site="sin-1", site_country="SG", valid_from=T + 60_000)], ""),
        ("a device is evidence for a day", [badge("GB", evidence="device", valid_from=T - DAY + 60_000)], ""),
    ],
)
def test_an_allow_ends_with_the_facts_that_it_rests_on(what: str, rows: list[Any], more: str) -> None:
    answer = decided(point([*ALL, *rows], more), request(), T)
    assert (answer.record.effect, answer.record.expires_at) == ("allow", T + 60_000), what


def test_an_exemption_ends_an_allow_too() -> None:
    exempt = """
[[exemptions]]
id = "x"
rules = ["place.third_country"]
owner = "dpo"
reason = "r"
until = 2026-03-02T10:01:00Z
"""
    at = point([*ALL, badge("IN", valid_from=T - HOUR)], exempt)
    assert decided(at, request(), T).record.expires_at == T + 60_000
    assert decided(at, request(), T + 60_000).record.effect == "deny"


def test_a_denial_is_kept_for_a_moment_and_no_longer_than_its_facts() -> None:
    assert decided(point(ALL), request(purpose=None), T).record.expires_at == T + DENIAL_KEPT_MS
    soon = [*ALL[1:], employee(), employee(status="active", valid_from=T + 5), role("inside-only", valid_from=T + 7)]
    answer = decided(point(soon), request(action="delete"), T)
    assert (answer.record.effect, answer.record.expires_at) == ("deny", T + 5)


def test_how_long_an_allow_stands_is_the_policys() -> None:
    short = point(ALL, gateway='[gateway]\nvalid_for = "2s"\nuses = 3\n[gateway.gateways.gw-1]\n')
    record = decided(short, request(), T).record
    assert (record.expires_at, record.uses) == (T + 2_000, 3)


# Conditions.

CONDITIONS = """
[[gateway.conditions]]
name = "archived"
sentence = "Archived."
when = { "resource.status" = ["archived", "locked"] }
unless = { "subject.role" = "inside-only" }
[[gateway.conditions]]
name = "soft"
sentence = "Delete softly."
actions = ["delete"]
when = { "action.soft" = false }
[[gateway.conditions]]
name = "level"
sentence = "Too high."
when = { "context.level" = [3, 4.5] }
[[gateway.conditions]]
name = "managed"
sentence = "Use a managed device."
actions = ["list"]
when = {}
unless = { "context.managed" = true }
[[gateway.conditions]]
name = "both"
sentence = "Not together."
when = { "context.purpose" = "audit", "resource.tag" = "a" }
"""


@pytest.mark.parametrize(
    ("action", "properties", "context", "refusing"),
    [
        ("read", {}, {}, []),
        ("read", {"resource": {"status": "archived"}}, {}, ["archived"]),
        ("read", {"resource": {"status": ["new", "locked"]}}, {}, ["archived"]),
        ("read", {"resource": {"status": []}}, {}, []),
        ("read", {"resource": {"status": "archived"}, "subject": {"role": "inside-only"}}, {}, []),
        ("read", {"resource": {"status": "archived"}, "subject": {"role": "reader"}}, {}, ["archived"]),
        ("read", {"action": {"soft": False}}, {}, []),
        ("read", {}, {"level": 3}, ["level"]),
        ("read", {}, {"level": 3.0}, ["level"]),
        ("read", {}, {"level": 4}, []),
        ("list", {}, {}, ["managed"]),
        ("list", {}, {"managed": True}, []),
        ("read", {"resource": {"tag": ["a", "b"]}}, {"purpose": "audit"}, ["both"]),
        ("read", {"resource": {"tag": "a"}}, {}, []),
        ("list", {"resource": {"status": "locked"}}, {"level": 3}, ["archived", "level", "managed"]),
    ],
)
def test_a_condition_denies_what_it_names(
    action: str, properties: dict[str, Any], context: dict[str, Any], refusing: list[str]
) -> None:
    answer = decided(point(ALL, CONDITIONS), request(action=action, properties=properties, **context), T)
    assert list(answer.record.conditions) == refusing
    assert answer.record.effect == ("deny" if refusing else "allow")
    assert answer.record.reasons == ()


def test_the_directory_says_which_roles_somebody_has_where_the_request_says_none() -> None:
    at = point([*ALL, role("inside-only")], CONDITIONS)
    archived = {"resource": {"status": "archived"}}
    assert decided(at, request(properties=archived), T).record.effect == "allow"
    said = {**archived, "subject": {"role": "reader"}}
    assert decided(at, request(properties=said), T).record.effect == "deny"


def test_a_condition_opens_nothing() -> None:
    answer = decided(point([*ALL, badge("IN", valid_from=T - HOUR)], CONDITIONS), request(managed=True), T)
    assert rules_of(answer.record) == ["place.third_country"]


def test_the_fixture_denies_by_the_property_and_not_by_the_record() -> None:
    asked = request("alice", "write", "record-2", purpose=None, ticket=None)
    asked = replace(asked, resource=replace(asked.resource, type="record"))
    assert decided(certification(), asked, T, caller="certification").record.effect == "allow"


# What cannot be understood.


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "spaceship"}, r"subject\.type: 'spaceship' is not known; allowed: employee, external, service, user"),
        ({"action": "frobnicate"}, r"action\.name: 'frobnicate' is not known; allowed: create, decrypt, delete"),
        ({"who": "e" * 257}, r"subject\.id: allowed is a text of at most 256 characters"),
        ({"who": ""}, r"subject\.id: empty; allowed: 1 to 256 characters"),
        ({"dataset": ""}, r"resource\.id: empty"),
        ({"dataset": "a\0b"}, r"resource\.id: allowed is a text .* without a NUL"),
        ({"ip": 7}, r"context\.ip: allowed is a text"),
        ({"ticket": ["T-1"]}, r"context\.ticket: allowed is a text"),
        ({"session_id": True}, r"context\.session_id: allowed is a text"),
        ({"purpose": {}}, r"context\.purpose: allowed is a text"),
        ({"destination": 1.5}, r"context\.destination: allowed is a text"),
        ({"device_country": "Atlantis"}, r"context\.device_country: not a country: allowed is"),
        ({"level": "3"}, r"context\.level: allowed is a number, or a list of such"),
        ({"properties": {"action": {"soft": "false"}}}, r"action\.properties\.soft: allowed is true or false"),
        ({"properties": {"action": {"soft": 0}}}, r"action\.properties\.soft: allowed is true or false"),
        ({"properties": {"action": {"soft": None}}}, r"action\.properties\.soft: allowed is true or false"),
        ({"properties": {"resource": {"status": {"a": 1}}}}, r"resource\.properties\.status: allowed is a text"),
        ({"properties": {"subject": {"role": [1]}}}, r"subject\.properties\.role: allowed is a text"),
    ],
)
def test_a_request_that_cannot_be_understood_says_which_field_and_what_is_allowed(
    fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadRequestError, match=told):
        decided(point(ALL, CONDITIONS), request(**fields), T)


def test_an_unknown_resource_type_is_refused() -> None:
    asked = request()
    asked = replace(asked, resource=replace(asked.resource, type="planet"))
    with pytest.raises(BadRequestError, match=r"resource\.type: 'planet' is not known; allowed: dataset, record"):
        decided(point(ALL), asked, T)


def test_what_nobody_reads_is_ignored() -> None:
    odd: dict[str, dict[str, Any]] = {part: {"x": None, "y": [{}]} for part in ("subject", "action", "resource")}
    assert decided(point(ALL), request(properties=odd, time=1, nested={"a": []}), T).record.effect == "allow"


def test_names_of_other_systems_are_mapped_by_the_policy() -> None:
    mapped = """[gateway]
actions = { can_view = "read", can_drop = "delete" }
subject_types = { robot = "workload" }
[gateway.gateways.gw-1]
"""
    at = point(ALL, gateway=mapped)
    assert decided(at, request(action="can_view", kind="employee"), T).record.action == "read"
    assert rules_of(decided(at, request(action="can_drop", kind="employee"), T).record) == ["role.none"]
    record = decided(at, request("proxy", kind="robot"), T).record
    assert (record.person, record.principal_type) == ("proxy", "workload")
    with pytest.raises(BadRequestError, match=r"subject\.type: 'user'"):
        decided(at, request(), T)


def test_a_country_is_read_by_its_alias_before_conditions_see_it() -> None:
    greek = """
[[gateway.conditions]]
name = "greek"
sentence = "No."
when = { "context.device_country" = "GR" }
"""
    record = decided(point(ALL, greek), request(device_country="EL"), T).record
    assert (record.conditions, record.device_country) == (("greek",), "GR")


# What is said.


def test_every_rule_has_a_sentence_for_the_employee() -> None:
    assert sentences.ADVICE.keys() == RULE_IDS - {"event.id_reused"}, "no access that is asked for has a used id"


def test_no_sentence_names_a_rule_a_country_or_a_person() -> None:
    said = [*sentences.ADVICE.values(), sentences.OTHERWISE, sentences.FAILED, sentences.CALLER, sentences.TICKET]
    said += [sentences.MISSING, sentences.APPROVAL, sentences.APPROVED, sentences.GLASS]
    rows = [*complete("e-1"), dataset("users"), badge("IN", valid_from=T - HOUR)]
    for asked in (request(), request("e-9"), request(dataset="x"), request(ip=INDIAN), request(action="delete")):
        answer = decided(point(rows), asked, T)
        assert answer.record.effect == "deny"
        said.append(answer.sentence)
    for sentence in said:
        assert not any(rule_id in sentence for rule_id in RULE_IDS), sentence
        assert not any(name in sentence for name in NAMES.values()), sentence
        assert "e-1" not in sentence
        assert "e-9" not in sentence


@pytest.mark.parametrize(
    ("rows", "asked", "approvable"),
    [
        ([*ALL, badge("IN", valid_from=T - HOUR)], request(), True),
        ([*ALL, employee(status="leave", valid_from=T - HOUR)], request(), False),
        ([*ALL, badge("IN", valid_from=T - HOUR)], request(properties={"resource": {"status": "locked"}}), False),
    ],
    ids=["a place", "employment", "a condition too"],
)
def test_an_approval_is_proposed_only_where_it_would_help(rows: list[Any], asked: Any, approvable: bool) -> None:
    answer = decided(point(rows, CONDITIONS), asked, T)
    assert answer.record.effect == "deny"
    assert answer.sentence.endswith(sentences.APPROVAL) == approvable


def test_a_record_is_read_back_as_it_was_written() -> None:
    record = decided(point([*ALL, badge("IN", valid_from=T - HOUR)], OBLIGED), request(), T).record
    assert decode.decode(msgspec.json.encode(record)) == record
